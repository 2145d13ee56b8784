"""Second step of the schedule: which values need memory.

A value is stored if it is used outside the loops that computed it, or not at the same iteration.  What is only copied
to a part of another value's memory is made there at once: its memory is that part (`aliases`), the copy goes.
"""

from __future__ import annotations

from typing import Any

from gradc.ir.program import Var
from gradc.loops.index import View
from gradc.loops.place_values import is_contiguous, shows_all
from gradc.loops.schedule import (
    Block,
    Body,
    BodyItem,
    CallItem,
    CheckItem,
    CondItem,
    Nest,
    Node,
    ScanItem,
    Schedule,
    folds_into_memory,
)
from gradc.loops.sizes import KernelSizes
from gradc.loops.uses import User, Uses
from gradc.record import replace


def store(schedule: Schedule, uses: Uses, sizes: KernelSizes) -> Schedule:
    """The schedule with all stored values, without needless copies; `uses`: of its body."""
    step = _Store(schedule, sizes)
    body = step.decide(schedule.body, uses)
    return replace(schedule, body=body, stored=step.stored, aliases=step.aliases)


class _Store:
    def __init__(self, schedule: Schedule, sizes: KernelSizes) -> None:
        self.sizes = sizes
        self.outputs = schedule.outputs
        self.base = schedule.base
        self.rooms = schedule.rooms
        self.stored = set(schedule.stored)
        self.aliases = dict(schedule.aliases)
        self._written_over = {base for v, base in schedule.base.items() if v is not base}

    def decide(self, body: Body, uses: Uses) -> Body:
        """The bodies in `body`, then itself."""
        items = list(body.items)
        for k, inner in uses.inner.items():
            items[k] = self._with_bodies(items[k], inner)
        for v in body.defined:
            node = uses.node.get(v)
            if node is not None and v not in self.stored and self._needs_memory(v, node, body, uses):
                self.stored.add(v)
        needless = self._joined(body) | self._results(body)
        for k in {uses.item[n] for n in needless}:
            items[k] = _without(items[k], needless) or Block()
        return replace(body, items=tuple(items), copies=())

    def _with_bodies(self, item: BodyItem, inner: list[Uses]) -> BodyItem:
        if isinstance(item, ScanItem):
            start, body = map(self.decide, item.bodies, inner)
            return replace(item, start=start, body=body)
        assert isinstance(item, CondItem)
        made = []
        for body, uses, branch in zip(item.bodies, inner, item.branches):
            with self.sizes.branch(branch):
                made.append(self.decide(body, uses))
        return replace(item, bodies=tuple(made))

    def _needs_memory(self, v: Var, node: Node, body: Body, uses: Uses) -> bool:
        if folds_into_memory(node):
            return True
        users = uses.users.get(v)
        if users is None:
            return node.kind == "reduce"        # a loop was given it; its blocks end somewhere
        for user, view in users:
            if not is_local(node, user, view, body, uses):
                return True
        return False

    # -- copies that are needless

    def _joined(self, body: Body) -> set[Node]:
        """Rows of a loop and results of calls that are parts of a Concat are made in it, if they are contiguous there,
        as what writes them takes for granted, and as long as it is not written over."""
        made = {v for item in body.items for v in _whole_results(item)}
        needless: set[Node] = set()
        for copy in body.copies:
            root, memory = copy.value.root, copy.target.root
            while memory in self.aliases and memory not in self._written_over:
                memory = self.aliases[memory].root
            if not copy.joined or memory in self._written_over or root not in made or root in self.aliases \
                    or root in self.outputs or root in self.rooms or self.sizes.any_late(self.sizes.of(memory)) \
                    or not shows_all(copy.value, self.sizes.of(root), self.sizes):
                continue
            part = copy.target.reshaped(self.sizes, self.sizes.of(root), self.sizes.of(copy.target.root))
            if part is not None and is_contiguous(part, self.aliases, self.sizes):
                self.aliases[root] = part
                needless.add(copy.node)
        return needless

    def _results(self, body: Body) -> set[Node]:
        """A result of the body that needs memory in it as well has it where it is written."""
        needless: set[Node] = set()
        for copy in body.copies:
            view = copy.value
            root = self.base.get(view.root, view.root)
            if not copy.joined and root in body.defined and root in self.stored and root not in self.aliases \
                    and root not in self.rooms and root not in body.kept \
                    and view == View.whole(view.root, self.sizes.of(root)):
                self.aliases[root] = copy.target
                needless.add(copy.node)
        return needless


def _whole_results(item: BodyItem) -> tuple[Var, ...]:
    """Results of an item that are written as wholes."""
    if type(item) is ScanItem:
        return item.rows
    if type(item) is CallItem:
        return item.outs
    return ()


def _without(nest: Any, needless: set[Node]) -> Any:
    """A nest or block without some nodes; None if nothing is left."""
    left = [_without(c, needless) if type(c) is Nest else c for c in nest.children if c not in needless]
    children = tuple([c for c in left if c is not None])
    return replace(nest, children=children) if children else None


def is_local(node: Node, user: User, view: View, body: Body, uses: Uses) -> bool:
    """Can `user` take the value of `node` from a local variable?"""
    if folds_into_memory(node):
        return False
    if node.available == 0:             # a scalar: within one block only, but in a body to its end
        if body.level:
            return not view.flat
        return not node.domain and isinstance(user, (Node, CheckItem)) and uses.item[user] == uses.item[node]
    if not isinstance(user, Node) or view.flat:
        return False
    count = node.available
    path, others = uses.path[node], uses.path[user]
    if others[:count] != path[:count]:
        return False
    for level in range(count):
        if level not in node.out_axes:
            return False
        axis = node.out_axes.index(level)
        if view.axes[level] != (axis, 1) or view.offsets[axis]:
            return False
    return True
