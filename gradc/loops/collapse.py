"""Last step of the schedule: an outer loop and its only inner one become one where memory is contiguous across them.

All accesses must go on across the two loops with one stride; views then show their root as one flat axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradc.ir.program import Var
from gradc.loops.access import Elements, Layout
from gradc.loops.index import Lookup, View, all_lookups
from gradc.loops.nodes import SizeExpr
from gradc.loops.schedule import (
    Body,
    BodyItem,
    CondItem,
    Leaf,
    Nest,
    Node,
    Operand,
    ScanItem,
    Schedule,
    Tree,
    bodies,
    statements,
)
from gradc.loops.sizes import KernelSizes
from gradc.record import replace


def collapse(schedule: Schedule, sizes: KernelSizes) -> Schedule:
    """The schedule with as few loops as its memory allows."""
    if not any(_has_pair(item) for body in bodies(schedule.body) for item in body.items):
        return schedule
    step = _Collapse(schedule, sizes)
    return replace(schedule, body=step.body(schedule.body), memory=step.memory, names=step.names)


def _has_pair(item: BodyItem | Node) -> bool:
    """Is it a loop with an inner one alone?"""
    return type(item) is Nest and len(item.children) == 1 and type(item.children[0]) is Nest


class _Collapse:
    def __init__(self, schedule: Schedule, sizes: KernelSizes) -> None:
        self.layout = Layout(schedule, sizes)
        self.sizes = sizes
        self.stored = schedule.stored
        self.memory = dict(schedule.memory)
        self.names = dict(schedule.names)

    def body(self, body: Body) -> Body:
        return replace(body, items=tuple([self.item(item) for item in body.items]))

    def item(self, item: BodyItem) -> BodyItem:
        match item:
            case Nest():
                return self.nest(item)
            case ScanItem():
                return replace(item, start=self.body(item.start), body=self.body(item.body))
            case CondItem():
                return replace(item, bodies=tuple(map(self.body, item.bodies)))
        return item

    def nest(self, top: Nest) -> Nest:
        """Collapses the two outermost loops as long as they allow it."""
        while _has_pair(top):
            inner = top.children[0]
            assert isinstance(inner, Nest)
            accesses = self._accesses(top, inner.size)
            if accesses is None:
                break
            top = _Collapsing(self, top, inner, accesses).made()
        return top

    def _accesses(self, top: Nest, size: SizeExpr) -> dict[object, Elements] | None:
        """Where all operands and results in memory are, if they go on across the two outermost loops, else None."""
        used = []
        for n in statements(top):
            if len(n.domain) < 2 or n.is_serial or (0 in n.reduced) != (1 in n.reduced):
                return None
            for leaf in n.leaves():
                if leaf.root in self.layout.schedule.positions:
                    return None                     # needs both indices
                if not self.layout.has_no_memory(leaf.root) and not self.layout.is_local(leaf.root):
                    used.append(leaf)
                used += all_lookups(leaf.view)
            if n.kind == "write" or n.out in self.stored:
                used.append(n)
        found = {u: self._access(u) for u in used}
        for a in found.values():
            outer, step = a.strides[:2]
            if outer != (0 if step == 0 else self.sizes.mul(step, size)):
                return None
        return found


    def _access(self, used: Leaf | Node | Lookup) -> Elements:
        if isinstance(used, Lookup):
            return self.layout.leaf(Leaf(used.view.root, used.view))
        return self.layout.leaf(used) if isinstance(used, Leaf) else self.layout.result(used)


class _Collapsing:
    """Two loops of one nest that become one; `accesses`: of what is in memory."""

    def __init__(self, of: _Collapse, top: Nest, inner: Nest, accesses: dict[object, Elements]) -> None:
        self.of = of
        self.inner = inner
        self.size = of.sizes.mul(top.size, inner.size, "elements")
        self.accesses = accesses
        self._made: dict[Leaf, Leaf] = {}

    def made(self) -> Nest:
        return Nest(self.size, tuple(map(self.child, self.inner.children)))

    def child(self, child: Node | Nest) -> Node | Nest:
        if isinstance(child, Nest):
            return Nest(child.size, tuple(map(self.child, child.children)))
        return self.node(child)

    def node(self, n: Node) -> Node:
        target = None if n.target is None else self.flat(self.accesses[n], n.target)
        self.row(n.out)
        return replace(
            n, operands=tuple(map(self.operand, n.operands)), domain=(self.size, *n.domain[2:]), target=target,
            reduced=tuple(sorted({max(0, p - 1) for p in n.reduced})),
            out_axes=tuple([p if p is None else None if p == 0 else p - 1 for p in n.out_axes]))

    def row(self, var: Var) -> None:
        """A row that is written anew in so many loops is so in one less."""
        given = self.of.memory.get(var)
        if given is not None and given.outer:
            self.of.memory[var] = replace(given, outer=given.outer - 1)

    def operand(self, operand: Operand) -> Operand:
        if isinstance(operand, Tree):
            return Tree(operand.var, operand.op, tuple(map(self.operand, operand.operands)))
        made = self._made.get(operand)
        if made is None:
            access, view = self.accesses.get(operand), operand.view
            dims = (self.size, *view.dims[2:])
            new = View(view.root, dims, view.axes[1:], self.terms(view.offsets), view.flat) if access is None \
                else self.flat(access, view)
            made = self._made[operand] = Leaf(operand.root, new)
            name = self.of.names.get((view.root, view.offsets, view.is_element()))
            if name is not None:
                self.of.names[view.root, new.offsets, new.is_element()] = name
        return made

    def flat(self, access: Elements, view: View) -> View:
        """A view by the strides in memory, without that of the outer loop."""
        return View(view.root, (self.size, *view.dims[2:]), tuple([None if s == 0 else (0, s) for s in
                                                                    access.strides[1:]]),
                    self.terms((access.offset,)), True)

    def terms(self, offsets: Sequence[Sequence[object]]) -> tuple[tuple[Any, ...], ...]:
        """Offsets, with the positions that are looked up seen in the new loops."""
        return tuple([tuple([(self.lookup(t[0]), t[1]) if isinstance(t, tuple) and isinstance(t[0], Lookup) else t
                             for t in terms]) for terms in offsets])

    def lookup(self, position: Lookup) -> Lookup:
        return replace(position, view=self.flat(self.accesses[position], position.view))

