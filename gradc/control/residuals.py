"""What a backward step takes from the forward step: what is kept for it, row by row, and what it computes again.

Kept are carries (before the step), results of the loop, and of the other values those that are dear to compute: all
but views and cheap arithmetic.  Of a cheap value for which two or more others would have to be kept, it is kept
itself.  Rows of sequences and others are there anyway.  A value of which only the shape is used is never kept: it
is written as if computed from the initial carries, and passes leave the computation out.
Of a Scan with `recompute` only carries and results are kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from gradc.control.parts import LoopStep
from gradc.ir import ops
from gradc.ir.graph import Apply, Constant, Variable, toposort
from gradc.ir.scalars import COST, get_row

_CHEAP = (*ops.VIEWS, ops.Const, ops.Cast, ops.Concat, ops.Iota, ops.ShapeOf, ops.Assert, ops.GradientOf, ops.Words)
_ROOTS_AND_POWERS = (-2, -1, -0.5, 0, 0.5, 1, 2, 3, 4)      # exponents for which passes find something better


def residuals(step: LoopStep, backward: Sequence[Variable]) -> list[Variable]:
    """The carries and values of `step` that are to be kept for computing `backward`."""
    forward = toposort(step.results)
    inside = {id(node) for node in forward}
    needed = {id(v) for v in backward}
    for node in toposort(backward):
        if id(node) not in inside:
            needed.update(id(v) for v in used(node))

    varying = {id(v) for v in (*step.rows, *step.carries)}      # from step to step
    values = list(step.carries)
    for node in forward:
        if any(id(v) in varying for v in node.inputs):
            varying.update(id(v) for v in node.outputs)
            values += node.outputs

    # sets of `values` as bits; sources: per value those from which it can be computed at little cost
    free = {id(v) for v in (*step.carries, *step.results)}      # the loop makes an array of them at no cost
    sources: dict[int, int] = {}
    kept = costly = 0
    for k, v in enumerate(values):
        own, mask = 1 << k, 0
        if v.owner is None or id(v) in free or (_is_dear(v.owner) and not step.op.recompute):
            mask = own
            costly |= 0 if id(v) in free else own
        else:
            for u in used(v.owner):
                mask |= sources.get(id(u), 0)
        if id(v) in needed:
            if (mask & costly & ~kept).bit_count() > 1:
                mask = own
            kept |= mask
        sources[id(v)] = mask
    return [v for k, v in enumerate(values) if kept >> k & 1]


def used(node: Apply) -> Iterator[Variable]:
    """The inputs of which more than the shape is used."""
    if type(node.op) is ops.ShapeOf:
        return iter(())
    return iter(node.inputs[1:] if node.op == ops.Map("second") else node.inputs)


def _is_dear(node: Apply) -> bool:
    if node.op == ops.Map("pow") and isinstance(node.inputs[1], Constant):
        return not np.isin(node.inputs[1].data, _ROOTS_AND_POWERS).all()
    if type(node.op) is ops.Map:
        return get_row(node.op.fn).weight >= COST["exp"]
    return type(node.op) not in _CHEAP
