"""What a backward step takes from the forward step: what is kept for it, row by row, and what it computes again.

Kept are carries (before the step), results of the loop, and of the other values those that are dear to compute: all
but views and cheap arithmetic.  Of a cheap value for which two or more others would have to be kept, it is kept
itself.  Rows of sequences and others are there anyway.  A value of which only the shape is used is never kept: it
is written as if computed from the initial carries, and passes leave the computation out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gradc.control.parts import Step
from gradc.ir import ops
from gradc.ir.graph import Apply, Variable, toposort
from gradc.ir.scalars import COST, get_row

_CHEAP = (ops.Constant, ops.Cast, ops.Broadcast, ops.Transpose, ops.Reshape, ops.Slice, ops.Concat, ops.Iota,
          ops.ShapeOf, ops.Assert, ops.GradientOf)


def residuals(step: Step, backward: Sequence[Variable]) -> list[Variable]:
    """The carries and values of `step` that are to be kept for computing `backward`."""
    return list(_Residuals(step, backward).kept.values())


class _Residuals:
    """`kept` by id; `made`: the equation of each value of the step that varies from step to step."""

    def __init__(self, step: Step, backward: Sequence[Variable]) -> None:
        self.carries = {id(v) for v in step.carries}
        self.results = {id(v) for v in step.results}
        self.kept: dict[int, Variable] = {}
        self.made: dict[int, Apply] = {}
        varying = {id(v) for v in (*step.rows, *step.carries)}
        forward = toposort(step.results)
        for node in forward:
            if any(id(v) in varying for v in node.inputs):
                for v in node.outputs:
                    varying.add(id(v))
                    self.made[id(v)] = node
        cheap: set[int] = set()
        inside = {id(node) for node in forward}
        for v in (*backward, *(v for node in toposort(backward) if id(node) not in inside for v in _used(node))):
            if self._is_leaf(v):
                self.kept[id(v)] = v
            elif id(v) in self.made:
                cheap.add(id(v))
        for node in forward:
            for v in node.outputs:
                if id(v) in cheap:
                    self._choose(v)

    def _is_leaf(self, v: Variable) -> bool:
        """Is v, where its value is needed, kept rather than computed again?"""
        node = self.made.get(id(v))
        return id(v) in self.carries or (node is not None and (id(v) in self.results or _is_dear(node)))

    def _choose(self, v: Variable) -> None:
        """Keep what computes the cheap value v, or v."""
        new: dict[int, Variable] = {}
        seen: set[int] = set()
        stack = [v]
        while stack:
            for u in _used(self.made[id(stack.pop())]):
                if id(u) in seen or id(u) in self.kept:
                    continue
                seen.add(id(u))
                if self._is_leaf(u):
                    new[id(u)] = u
                elif id(u) in self.made:
                    stack.append(u)
        if sum(key not in self.carries and key not in self.results for key in new) > 1:
            new = {id(v): v}
        self.kept.update(new)


def _used(node: Apply) -> Iterator[Variable]:
    """The inputs of which more than the shape is used."""
    if type(node.op) is ops.ShapeOf:
        return iter(())
    return iter(node.inputs[1:] if node.op == ops.Map("second") else node.inputs)


def _is_dear(node: Apply) -> bool:
    if type(node.op) is ops.Map:
        return get_row(node.op.fn).weight >= COST["exp"]
    return type(node.op) not in _CHEAP
