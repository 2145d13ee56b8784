"""A body under construction: values of the schedule's own, copies, and parts that are written into stored values.

Joins and changed parts put a value together, each written by a Node of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradc.ir import ops
from gradc.ir.facts import Changing, Reading
from gradc.ir.program import Eqn, Program, Var
from gradc.ir.shapes import picked
from gradc.ir.types import TensorType
from gradc.loops.index import Lookup, View
from gradc.loops.nodes import SizeExpr
from gradc.loops.place_nests import Nests
from gradc.loops.place_values import Values, shows_all
from gradc.loops.schedule import Copy, Node, SizeItem, Tree, drop_ones, leaves
from gradc.record import replace


class BodyBuilder:
    """See the module's docstring.  `level`: how many bodies are around it."""

    def __init__(self, values: Values, program: Program, level: int) -> None:
        self.values = values
        self.sizes = values.sizes
        self.program = program
        self.level = level
        self.nests = Nests(values, len(program.eqns))
        self.copies: list[Copy] = []
        self.sources: tuple[int, ...] = ()              # of the equation at work
        self.after: dict[Var, int] = {}                 # value that depends on late sizes -> first item that may use it
        self._counts = program.use_counts()
        self._producers = program.producers()
        self._outputs = set(program.outputs)

    # -- values

    def add(self, node: Node) -> None:
        if self.level:
            self.values.depth[node.out] = self.level
        self.nests.add(node)

    def fresh(self, type: TensorType, dims: tuple[SizeExpr, ...], name: str | None) -> Var:
        """A value of the schedule's own."""
        var = Var(-1, type, name=name)
        self.sizes.dims[var] = dims
        self.values.whole(var)
        if self.level:
            self.values.depth[var] = self.level
        return var

    def memory(self, like: Var, dims: tuple[SizeExpr, ...]) -> Var:
        """A stored value of the schedule's own, into which parts are written."""
        dtype = like.type.dtype
        made = self.fresh(TensorType.make(dtype, (None,) * len(dims)), dims, like.name or "state")
        self.values.base[made] = made
        return made

    def copy(self, view: View, like: Var) -> Var:
        """A stored copy of what a view shows."""
        copy = self.fresh(like.type.clone(), view.dims, like.name or "copy")  # type: ignore[attr-defined]
        domain, places = drop_ones(view.dims)
        self.values.store(copy)
        self.add(Node("map", copy, ops.Map("identity"), (self.values.all_of(view),), domain, places))
        return copy

    def position(self, at: Var, length: SizeExpr) -> Var:
        """A data-dependent index as a checked position, computed in a block."""
        out = Var(-1, TensorType.make("int64", ()))
        self.sizes.dims[out] = ()
        self.values.whole(out)
        self.add(Node("position", out, ops.Map("position"), (self.values.operand(at, ()),), (), length=length,
                      sources=self.sources))
        return out

    def ranges(self, op: Reading | Changing, x: Var, dynamic: Sequence[Var]) -> list[tuple[Any, ...]]:
        """What an index takes of each axis of `x`, as `View.sliced` is told it."""
        ranges: list[tuple[object, ...]] = []
        for (item, given), n in zip(ops.with_arguments(op.items, dynamic), self.sizes.of(x)):
            bounds = item.filled(given)
            if not item.is_single:
                start, stop, step = [self.sizes.value(b) if isinstance(b, Var) else b for b in bounds]
                ranges.append(self.sizes.slice_range(start, stop, step, n))
                continue
            at = bounds[0]
            known = self.sizes.try_value(at) if isinstance(at, Var) else at
            ranges.append((self.position(at, n) if known is None else self.sizes.position(known, n),))
        return ranges

    def tell(self, var: Var) -> None:
        """Items for the late sizes that `var` tells: what uses them, or `var`, comes after these."""
        for size in self.sizes.told_by.get(var, ()):
            value = self.values.operand(var if size.fn == "value" else self.values.told[size], ())
            self.sizes.set_point(size, self.level)
            self.nests.append(SizeItem(size, value), leaves(value), ())
            self.after[var] = len(self.nests)

    # -- parts

    def write(self, out: Var, value: View, target: View, base: Var, adds: bool = False,
              before: View | None = None) -> Node:
        """Write `value` into the part `target` of a stored value; if there was something `before`, their sum."""
        value = value.broadcast(target.dims, tuple([d if isinstance(d, int) else None for d in value.dims]))
        domain, places = drop_ones(target.dims)
        walked = [k for k, d in enumerate(target.dims) if d != 1]
        operand = self.values.through(value, walked)
        if before is not None:
            operand = Tree(out, ops.Map("add"), (self.values.through(before, walked), operand))
        self.values.base[out] = base
        node = Node("write", out, ops.Map("identity"), (operand,), domain, places,
                    target=replace(target.walked(walked), root=base), adds=adds)
        self.add(node)
        return node

    def concat(self, eqn: Eqn, axis: int) -> None:
        """Each argument is written into its part."""
        out = eqn.outs[0]
        dims = self.sizes.of(out)
        whole = self.values.whole(out)
        self.values.store(out)
        self.values.base[out] = out
        first: SizeExpr = 0
        for a in eqn.args:
            view = self.values.views[a]
            count = view.dims[axis]
            ranges: list[tuple[object, ...]] = [(0, d, 1) for d in dims]
            ranges[axis] = (first, count, 1)
            target = whole.sliced(self.sizes, ranges)
            if not self._made_in(out, a, target):
                self.copies.append(Copy(self.write(out, view, target, out), view, target, True))
            first = self.sizes.add(first, count, "offset")

    def _made_in(self, out: Var, a: Var, target: View) -> bool:
        """What was put together as `a`, only to be a part of `out`, has its memory there: there is nothing to copy."""
        values = self.values
        view = values.views[a]
        root = values.base.get(view.root)
        if root is None or root in values.aliases or not self._is_only_for(a, view.root):
            return False
        dims = self.sizes.of(view.root)
        if self.sizes.any_late((*self.sizes.of(out), *dims)):
            return False
        part = target.reshaped(self.sizes, dims, self.sizes.of(out)) if shows_all(view, dims, self.sizes) else None
        if part is None:
            return False
        values.aliases[root] = part
        self._defined_with(out, root)
        return True

    def _is_only_for(self, v: Var, root: Var) -> bool:
        """Is v the only use of `root`, which it is a view of?"""
        while self._counts[v] == 1 and v not in self._outputs:
            if v is root:
                return True
            made = self._producers.get(v)
            if made is None or not made.args:       # given to a body: it is not the body's alone
                return False
            v = made.args[0]
        return False

    def _defined_with(self, var: Var, other: Var) -> None:
        """`var` is there no sooner than `other`."""
        defined = self.nests.defined
        defined[var] = max(defined.get(var, -1), defined.get(other, -1))

    def scatter(self, eqn: Eqn, op: Changing) -> None:
        """A copy of the first argument, into which a part is written; no copy of what is not used otherwise."""
        x, out = eqn.args[0], eqn.outs[0]
        ranges = self.ranges(op, x, eqn.args[2:])
        base = self.begin_write(eqn)
        if base is None:
            if self._scatter_range(eqn, op, ranges):
                return
            base = self._new_memory(x, out)
            self.write(base, self.values.views[x], self.values.views[base], base)
        self._write_after(eqn, self.values.views[base].sliced(self.sizes, ranges), base)

    def scatter_at(self, eqn: Eqn, op: ops.ScatterAt) -> None:
        """One loop over the positions, after that which writes the first argument."""
        x, index = eqn.args[0], eqn.args[2:]
        place = picked(self.sizes, op.axes, x, index)
        base = self.begin_write(eqn)
        if base is None:
            base = self._new_memory(x, eqn.outs[0])
            self.write(base, self.values.views[x], self.values.views[base], base)
        self._write_after(eqn, self.gathered(self.values.views[base], op.axes, index, place), base)

    def begin_write(self, eqn: Eqn) -> Var | None:
        """The memory of what is written into, if this is the last use of a value that is being put together."""
        values = self.values
        x, out = eqn.args[0], eqn.outs[0]
        values.whole(out)
        values.store(out)
        if values.views[x].root is x and x in values.base and self._counts[x] == 1 and x not in self._outputs:
            self.nests.defined[out] = self.nests.defined[x]
            return values.base[x]
        return None

    def _new_memory(self, x: Var, out: Var) -> Var:
        """Memory to put `out` together in."""
        base = self.fresh(x.type.clone(), self.sizes.of(out), out.name)  # type: ignore[attr-defined]
        self.values.store(base)
        self.values.base[base] = base
        return base

    def _write_after(self, eqn: Eqn, target: View, base: Var) -> None:
        """Write the second argument, in a later item than all that wrote to or read from `base` so far."""
        out = eqn.outs[0]
        self.values.base[out] = base
        self._defined_with(out, base)
        self.write(out, self.values.views[eqn.args[1]], target, base, eqn.op.mode == "inc")
        self._defined_with(base, out)

    def gathered(self, view: View, axes: tuple[int, ...], index: Sequence[Var], dims: tuple[SizeExpr, ...]) -> View:
        """A view at positions along `axes`; arrays of them have memory, in which they are looked up."""
        rest = len(view.dims) - len(axes)
        positions: list[object] = []
        for axis, i in zip(axes, index):
            shape = i.type.shape
            if not shape:
                n, known = view.dims[axis], self.sizes.try_value(i)
                positions.append(self.position(i, n) if known is None else self.sizes.position(known, n))
                continue
            at = self.values.views[i]
            if at.root in self.values.trees:
                at = self.values.views[self.copy(at, i)]
            at = at.broadcast(dims[:len(dims) - rest], shape)
            made = self._producers.get(i)
            check = i if made is not None and type(made.op) is ops.Assert else None
            positions.append(Lookup(at.repeated(dims), check, view.dims[axis] if self._may_be_negative(i) else None))
        return view.gathered(self.sizes, axes, positions, dims)

    def _may_be_negative(self, i: Var) -> bool:
        """May positions be negative?  Not if their check (`loops.gather`) tests their own sign, or there is none."""
        made = self._producers.get(i)
        if made is None or type(made.op) is not ops.Assert:
            return i.data is not None and bool((i.data < 0).any())
        test = self._producers.get(made.args[1])
        bits = None if test is None else self._producers.get(test.args[0])
        return bits is None or made.args[0] not in bits.args

    def _scatter_range(self, eqn: Eqn, op: Changing, ranges: list[tuple[Any, ...]]) -> bool:
        """A range along one axis, of what need not be computed as a whole: before it, in it, behind it, each once."""
        values, out = self.values, eqn.outs[0]
        source, value, dims = values.views[eqn.args[0]], values.views[eqn.args[1]], self.sizes.of(out)
        axes = [k for k, item in enumerate(op.items) if not item.is_all]
        dtype = out.type.dtype
        if len(axes) != 1 or (source.root in values.node and source.root not in values.stored) \
                or (op.mode == "inc" and (dtype == "bool" or eqn.args[1].type.dtype != dtype)):
            return False
        axis = axes[0]
        if len(ranges[axis]) != 3 or ranges[axis][1] == 0 or ranges[axis][2] != 1:
            return False
        whole = values.views[out]
        ranges = [(0, d, 1) for d in dims[:axis]] + [ranges[axis]]
        first, count, _ = ranges[axis]
        behind = self.sizes.add(first, count, "offset")
        rest = self._left_after(ranges[axis], op.items[axis], dims[axis])
        for start, size in ((0, first), (behind, rest)):
            if size != 0:
                around = [*ranges[:axis], (start, size, 1)]
                self.write(out, source.sliced(self.sizes, around), whole.sliced(self.sizes, around), out)
        before = source.sliced(self.sizes, ranges) if op.mode == "inc" else None
        self.write(out, value, whole.sliced(self.sizes, ranges), out, before=before)
        return True

    def _left_after(self, part: tuple[Any, ...], item: ops.Item, n: SizeExpr) -> SizeExpr:
        """How many elements a slice `item` with step 1, which is `part` (see `slice_range`), leaves at the end."""
        sizes = self.sizes
        if item.stop is None:
            return 0
        if isinstance(item.stop, int) and item.stop < 0 and (item.start is None or isinstance(item.start, int)):
            if item.start is None or item.start >= 0:       # by a number: slices that end so leave equally many
                return sizes.minimum(sizes.maximum(sizes.sub(n, item.start or 0), 0), -item.stop, "bound")
        return sizes.sub(n, sizes.add(part[0], part[1], "offset"), "length")
