"""The items of a body under construction: each statement joins the first loops in which it can be computed.

A Node joins the first nest of equal sizes in which all it needs is at hand in the same iteration; where it uses a value
made in a nest, it joins the outer loops they share (a row's sum, then the row's quotient); else it opens a nest.
Scalars go into blocks.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence, Set
from typing import Any

from gradc.ir.program import Var
from gradc.loops.index import View, needed
from gradc.loops.nodes import SizeExpr
from gradc.loops.place_values import Values
from gradc.loops.schedule import Block, BodyItem, CheckItem, Leaf, Nest, Node
from gradc.record import fresh, record
from gradc.target import TARGET

Need = tuple[Var, View | None]      # a value, and the view it is used through (None: not element by element)


@record(frozen=False, eq=False)
class OpenNest:
    """A loop to which statements may still be added.

    count: how much of the limit is used.  index: among siblings.  nested: it has loops inside.
    """

    size: SizeExpr
    level: int
    children: list[Node | OpenNest] = fresh(factory=list)
    count: int = 0
    index: int = -1
    nested: bool = False

    def closed(self) -> Nest:
        return Nest(self.size, tuple([c.closed() if isinstance(c, OpenNest) else c for c in self.children]))


@record(frozen=False, eq=False)
class OpenBlock:
    """Scalar statements to which others may still be added."""

    children: list[Node | CheckItem] = fresh(factory=list)

    def closed(self) -> Block:
        return Block(tuple(self.children))


class Nests:
    """See the module's docstring."""

    def __init__(self, values: Values, equations: int) -> None:
        self.values = values
        self.sizes = values.sizes
        self.defined: dict[Var, int] = {}       # item after which (or in which) a value exists
        self.used: set[Var] = set()
        self.first = 0                          # item that may use what is placed now: its sizes are known then
        self._items: list[Any] = [OpenBlock()]          # scalars of inputs and sizes come first
        self._places: dict[SizeExpr | None, list[int]] = {None: [0]}   # of nests by their size, and of blocks, in items
        self._path: dict[Var, tuple[OpenNest, ...]] = {}    # loops around the node that computes a value
        big = equations >= TARGET.many_equations
        self._limit, self._fold_size = (TARGET.short_nest, TARGET.short_fold) if big \
            else (TARGET.nest, TARGET.fold)

    def __len__(self) -> int:
        return len(self._items)

    def closed(self) -> tuple[BodyItem, ...]:
        """The items as they are in the end."""
        return tuple([i.closed() if type(i) is OpenNest or type(i) is OpenBlock else i for i in self._items])

    # -- what is added

    def append(self, item: BodyItem, leaves: Sequence[Leaf], defined: Sequence[Var],
               inner: Set[Var] = frozenset()) -> None:
        """An item of its own, last so far.  leaves: what it uses, besides the values `inner`, which its bodies use."""
        for leaf in leaves:
            self.use(leaf)
        self.used |= inner
        for var in defined:
            self.defined[var] = len(self._items)
        self._items.append(item)

    def check(self, item: CheckItem) -> int:
        """A check, as soon as what it uses is there; the number of the item."""
        made = self._into_block(item, max([self.first, *[self.defined.get(v, -1) for v, _ in self._reads(item)]]))
        self.defined[item.checked] = made
        return made

    def add(self, node: Node) -> None:
        """A node, into the first loops it fits in."""
        before = self.defined.get(node.out, -1) if node.kind == "write" else -1
        if node.kind != "write":
            self.values.node[node.out] = node
        needs = [(v, view) for v, view in self._needs(node) if v in self.defined]
        first = max([self.first, *[self.defined[v] for v, _ in needs]])
        if node.domain:
            position = self._into_nest(node, needs, first)
        else:
            position = self._into_block(node, max(first, before))
        self.defined[node.out] = max(before, position)

    def use(self, leaf: Leaf) -> None:
        self.used.add(leaf.root)
        self.used.update([v for v, _ in needed(leaf.view)])

    def _needs(self, node: Node) -> list[Need]:
        """What must exist."""
        result = self._reads(node)
        target = node.target
        if target is not None:
            positions = needed(target)
            self.used.update([v for v, _ in positions])
            result += positions
            if node.adds or target.root is not node.out:
                result.append((target.root, None))
        return result

    def _reads(self, statement: Node | CheckItem) -> list[Need]:
        """What is read as operands, and the positions at which it is."""
        result: list[Need] = []
        for leaf in statement.leaves():
            result += [(leaf.root, leaf.view), *needed(leaf.view)]
        self.used.update([v for v, _ in result])
        return result

    # -- where it goes; each returns the number of the item

    def _into_block(self, statement: Node | CheckItem, first: int) -> int:
        for position in self._places_of(None, first):
            block = self._items[position]
            if len(block.children) < self._limit:
                block.children.append(statement)
                self._close_full(None, position, len(block.children))
                return position
        return self._open_item(OpenBlock([statement]), None)

    def _into_nest(self, node: Node, needs: list[Need], start: int) -> int:
        for position in self._places_of(node.domain[0], start):
            nest = self._items[position]
            if nest.count + self._size(node) <= self._limit:
                if node.kind == "write" and not self._write_fits(node, position):
                    continue
                if self._join(nest, node, needs, position):
                    self._close_full(nest.size, position, nest.count)
                    return position
        nest = OpenNest(node.domain[0], 0)
        self._open(nest, node)
        return self._open_item(nest, nest.size)

    def _open_item(self, item: OpenNest | OpenBlock, size: SizeExpr | None) -> int:
        """An item that later statements may join; `size` is that of a nest."""
        self._places.setdefault(size, []).append(len(self._items))
        self._items.append(item)
        return len(self._items) - 1

    def _places_of(self, size: SizeExpr | None, start: int) -> Sequence[int]:
        """Where from `start` on there are nests of a size (None: blocks) among the items."""
        places = self._places.get(size, [])
        return places[bisect_left(places, start):]

    def _close_full(self, size: SizeExpr | None, position: int, count: int) -> None:
        """Nothing more is offered to a nest (None: a block) that is full."""
        if count >= self._limit:
            self._places[size].remove(position)

    def _size(self, node: Node) -> int:
        """How much of a nest's limit a statement takes."""
        return self._fold_size if node.kind == "reduce" else 1

    def _write_fits(self, node: Node, position: int) -> bool:
        """A part may be written in a nest only if nothing there touches the same memory."""
        base = self.values.base[node.out]
        return self.defined.get(base, -1) < position or (not node.adds and base not in self.used)

    def _put(self, node: Node, path: tuple[OpenNest, ...]) -> None:
        """Add a node to the innermost loop of `path`."""
        size = self._size(node)
        for p in path:
            p.count += size
        path[-1].children.append(node)
        if node.kind != "write":
            self._path[node.out] = path

    def _open(self, nest: OpenNest, node: Node, path: tuple[OpenNest, ...] = ()) -> None:
        """Put `node` into new loops inside `nest`."""
        path = (*path, nest)
        for level in range(len(path), len(node.domain)):
            inner = OpenNest(node.domain[level], level, index=len(path[-1].children))
            path[-1].children.append(inner)
            path[-1].nested = True
            path = (*path, inner)
        self._put(node, path)

    def _join(self, top: OpenNest, node: Node, needs: list[Need], position: int) -> bool:
        """Put `node` into the nest of `top`, if it fits there."""
        inside = [(v, view) for v, view in needs if self.defined[v] == position]
        path: list[OpenNest] = []
        nest = top
        related = False
        low = 0
        while True:
            level = nest.level
            for v, view in inside:
                if not self._same_iteration(v, view, nest, level):
                    if level == 0:
                        return False
                    # not in this inner loop: a later sibling of it will do
                    return self._sibling(path, node, low + 1, related)
            related = related or bool(inside)
            path.append(nest)
            if len(path) == len(node.domain):
                if not related and nest.nested:
                    return False            # would leave its vector loop for a scalar place beside an inner loop
                self._put(node, tuple(path))
                return True
            # the inner loop to go on with: not before anything it needs
            low = 0
            below: list[Need] = []
            for v, view in inside:
                made = self._path[v]
                if len(made) > level + 1:
                    low = max(low, made[level + 1].index)
                    below.append((v, view))
                else:
                    low = max(low, nest.children.index(self.values.node[v]))
            inside = [(v, w) for v, w in below if self._path[v][level + 1].index == low]
            found = None
            for child in nest.children[low:] if nest.nested else ():
                if type(child) is OpenNest and child.size == node.domain[level + 1]:
                    found = child
                    break
            if found is None:
                return self._sibling(path, node, low, related)
            if found.index != low:
                inside = []
            nest = found

    def _sibling(self, path: list[OpenNest], node: Node, low: int, related: bool) -> bool:
        """Go on in an inner loop at `low` or later, or open one."""
        nest = path[-1]
        level = nest.level
        for child in nest.children[low:]:
            if type(child) is OpenNest and child.size == node.domain[level + 1] and len(node.domain) == level + 2:
                self._put(node, (*path, child))
                return True
        if not related:
            return False
        self._open(nest, node, tuple(path[:-1]))
        return True

    def _same_iteration(self, v: Var, view: View | None, nest: OpenNest, level: int) -> bool:
        """Is v made in `nest` and at hand in the same iteration of it?"""
        path = self._path.get(v)
        if path is None or view is None or view.flat or level >= len(path) or path[level] is not nest:
            return False
        made = self.values.node[v]
        if made.available <= level or level not in made.out_axes:
            return False
        axis = made.out_axes.index(level)
        return view.axes[level] == (axis, 1) and not view.offsets[axis]
