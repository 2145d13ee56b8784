"""What is known of the values of a kernel while it is placed, and how each is read as an operand.

One table for a kernel and all bodies in it.  A view (axes moved, a part ...) is a `View` of another value; a cheap
elementwise value is a `Tree`, computed where it is used; all others have a Node, or memory.
"""

from __future__ import annotations

from collections.abc import Sequence

from gradc.ir import ops
from gradc.ir.program import Eqn, Var
from gradc.ir.sizes import Symbol
from gradc.loops.index import View
from gradc.loops.nodes import SizeExpr
from gradc.loops.schedule import Leaf, Node, Operand, Tree, op_weight
from gradc.loops.sizes import KernelSizes
from gradc.target import TARGET


class Values:
    """See the module's docstring.  What is said in `schedule.Schedule` of a table of the same name holds here."""

    def __init__(self, sizes: KernelSizes, inputs: Sequence[Var]) -> None:
        self.sizes = sizes
        self.views: dict[Var, View] = {v: View.whole(v, sizes.of(v)) for v in inputs}      # of every Var so far
        self.trees: dict[Var, Tree] = {}                # views in their own axes
        self.node: dict[Var, Node] = {}
        self.is_size: set[Var] = set()
        self.stored: set[Var] = set()
        self.base: dict[Var, Var] = {}
        self.aliases: dict[Var, View] = {}
        self.locals: set[Var] = set()
        self.depth: dict[Var, int] = {}
        self.labels: dict[Var, str] = {}
        self.names: dict[object, str] = {}
        self.rooms: dict[Var, Var] = {}
        self.told: dict[Symbol, Var] = {}               # late size -> a scalar, if a result tells it by its shape
        self.frame = set(inputs)                        # what the caller gives, and constants
        self.searched: set[Var] = set()                 # computed again in the search for what is at fault
        self._tree_cost: dict[Var, int] = {}
        self._tree_leaves: dict[Var, int] = {}
        self._operands: dict[tuple[Var, tuple[int | None, ...]], Operand] = {}
        self._walks: dict[object, tuple[int | None, ...]] = {}

    def whole(self, var: Var) -> View:
        """`var` is a value of its own, no view of another."""
        made = self.views[var] = View.whole(var, self.sizes.of(var))
        return made

    def moved(self, var: Var, copy: Var) -> None:
        """From here on `var` is read from a copy of what it is now."""
        self.views[var] = self.views[copy]
        self._operands = {key: operand for key, operand in self._operands.items() if key[0] is not var}

    def store(self, var: Var) -> None:
        if var not in self.frame:
            self.stored.add(var)

    def position(self, eqn: Eqn) -> None:
        """The result of an Iota: the variable of the loop it is used in."""
        out = eqn.outs[0]
        self.trees[out] = Tree(out, eqn.op, (Leaf(out, self.whole(out)),))
        self._tree_cost[out], self._tree_leaves[out] = 0, 1

    def recomputed(self, eqn: Eqn, rank: int, operands: Sequence[Operand]) -> bool:
        """If an elementwise value is cheap, computes it wherever it is used; `operands` are those at its own place."""
        out, cost = eqn.outs[0], op_weight(eqn.op)
        if cost > TARGET.recompute and out not in self.searched:
            return False
        inner = [o.var for o in operands if type(o) is Tree]
        cost += sum([self._tree_cost[v] for v in inner])
        count = len(operands) - len(inner) + sum([self._tree_leaves[v] for v in inner])
        if out not in self.searched and (cost > TARGET.recompute or count > TARGET.recompute_leaves):
            return False
        own = range(rank)                   # the same operands in out's own axes
        self.trees[out] = Tree(out, eqn.op, tuple([self.operand(a, self.walk(a, rank, own, rank)) for a in eqn.args]))
        self._tree_cost[out], self._tree_leaves[out] = cost, count
        return True

    # -- operands

    def operand(self, var: Var, axis_of: tuple[int | None, ...]) -> Operand:
        """`var`'s value at a point of a domain; axis_of[k] is the axis of var that domain axis k walks (or None)."""
        key = (var, axis_of)
        found = self._operands.get(key)
        if found is None:
            view = self.views[var]
            found = self.trees.get(var)
            if found is None or view.root is not var or axis_of != tuple(range(len(view.dims))):
                found = self.through(view, axis_of)
            self._operands[key] = found
        return found

    def through(self, view: View, axis_of: Sequence[int | None]) -> Operand:
        """The element of a view at a point of a domain; see `operand`."""
        return self._expand(view.walked(axis_of))

    def all_of(self, view: View) -> Operand:
        """A view whose axes that are not 1 walk the axes of a domain in order."""
        return self.through(view, [k for k, d in enumerate(view.dims) if d != 1])

    def _expand(self, view: View) -> Operand:
        tree = self.trees.get(view.root)
        if tree is None:
            return Leaf(view.root, view)
        if type(tree.op) is ops.Iota:
            return Tree(tree.var, tree.op, (Leaf(view.root, view),))
        return Tree(tree.var, tree.op, tuple([self._compose(o, view) for o in tree.operands]))

    def _compose(self, operand: Operand, outer: View) -> Operand:
        if isinstance(operand, Leaf):
            return Leaf(operand.root, operand.view.composed(outer, self.sizes))
        return Tree(operand.var, operand.op, tuple([self._compose(o, outer) for o in operand.operands]))

    def walk(self, arg: Var, rank: int, places: Sequence[int | None], depth: int) -> tuple[int | None, ...]:
        """Which axis of an elementwise argument each domain axis walks; size-1 and missing axes repeat."""
        shape = arg.type.shape
        key = (shape, rank, tuple(places))
        found = self._walks.get(key)
        if found is None:
            pad = rank - len(shape)
            axis_of: list[int | None] = [None] * depth
            for k, s in enumerate(shape):
                place = places[pad + k]
                if place is not None and s != 1:
                    axis_of[place] = k
            found = self._walks[key] = tuple(axis_of)
        return found

    # -- memory

    def memory_order(self, view: View, axes: list[int]) -> list[int]:
        """Axes of a view in the order in which its root lies in memory (unless it is computed on the fly)."""
        if view.root in self.trees or view.flat or (view.root in self.node and view.root not in self.stored):
            return axes
        return sorted(axes, key=view.place)

    def has_memory(self, root: Var) -> bool:
        """Can it be given memory?  Not what is computed where it is used, a size, or a local of C."""
        return root not in self.trees and root not in self.is_size and root not in self.locals


def is_contiguous(view: View, aliases: dict[Var, View], sizes: KernelSizes, first: int = 0) -> bool:
    """Are its elements along the axes from `first` on one after the other in memory?"""
    part = aliases.get(view.root)
    if view.flat and part is not None and not is_contiguous(part, aliases, sizes):
        return False
    steps = (1,) if view.flat else _steps(view.root, aliases, sizes)
    return all(d == 1 or (a is not None and sizes.mul(steps[a[0]], a[1]) == s)
               for a, d, s in zip(view.axes[first:], view.dims[first:], sizes.strides(view.dims[first:])))


def _steps(root: Var, aliases: dict[Var, View], sizes: KernelSizes) -> Sequence[SizeExpr]:
    """Elements of memory from one position on each axis to the next."""
    part = aliases.get(root)
    if part is None:
        return sizes.strides(sizes.of(root))
    steps = (1,) if part.flat else _steps(part.root, aliases, sizes)
    return [0 if a is None else sizes.mul(steps[a[0]], a[1]) for a in part.axes]


def shows_all(view: View, root_dims: tuple[SizeExpr, ...], sizes: KernelSizes) -> bool:
    """Are these all elements of the root, in the order of its memory?"""
    return view.is_whole(root_dims) or (view.flat_contiguous(sizes) and not any(view.offsets)
                                        and sizes.product(view.dims) == sizes.product(root_dims))
