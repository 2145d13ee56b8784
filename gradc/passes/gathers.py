"""Rules of Gather and ScatterAt: fewer of them, and slices in their place where positions are a range.

Positions are checked when the kernel runs.  A rule that drops some does so only where the type tells that they are in
bounds: constants along an axis whose size is known, which were checked when the graph was built.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gradc.ir import build, ops
from gradc.ir.program import Var
from gradc.ir.types import TensorType
from gradc.passes.pattern import Args, On, Rule, Sample

if TYPE_CHECKING:
    from gradc.passes.rewrite import Rewriter

MOST = 16           # parts that are added between two at one place


def _known(op: ops.Gather | ops.ScatterAt, x: Var, index: Args) -> bool:
    """Are all positions known to be in bounds?"""
    return all(i.data is not None and x.type.shape[axis] is not None
               for axis, i in zip(op.axes, index))


def _range(b: Rewriter, op: ops.Gather, args: Args) -> Var | None:
    """x[[2, 3, 4]] -> x[2:5]"""
    x, i = args[0], args[1]
    axis, given = op.axes[0], i.data
    size = x.type.shape[axis]
    if len(op.axes) > 1 or size is None or given is None or given.ndim != 1 or not given.size:
        return None
    data = np.where(given < 0, given.astype("int64") + size, given)
    step = int(data[1] - data[0]) if data.size > 1 else 1
    first, end = int(data[0]), int(data[-1]) + (1 if step > 0 else -1)
    if step == 0 or not np.array_equal(data, np.arange(first, end, step)):
        return None
    made = build.cut(b, x, first, end if end >= 0 else None, step, axis=axis)
    return build.move_axis(b, made, axis, 0)


def _twice(b: Rewriter, op: ops.Gather, args: Args) -> Var | None:
    """x[i][j] -> x[i[j]]"""
    inner = b.eqn(args[0], ops.Gather)
    if op.axes != (0,) or inner is None or len(inner.op.axes) > 1 or inner.args[1].type.ndim != 1 \
            or not _known(inner.op, inner.args[0], inner.args[1:]):
        return None
    return b.apply(inner.op, inner.args[0], b.apply(op, inner.args[1], args[1]))


def _same_place(b: Rewriter, op: ops.ScatterAt, args: Args) -> Var | None:
    """v and w added at the same positions -> v + w added; whatever is added between them."""
    between: list[Any] = []
    v = args[0]
    while op.mode == "inc" and len(between) < MOST:
        inner = b.eqn(v, ops.ScatterAt)
        if inner is None or inner.op.mode != "inc":
            return None
        if inner.op == op and inner.args[2:] == args[2:] and b.same_shape(args[1], inner.args[1]):
            made = b.apply(op, inner.args[0], b.map("add", inner.args[1], args[1]), *args[2:])
            for eqn in reversed(between):
                made = b.apply(eqn.op, made, *eqn.args[1:])
            return made
        between.append(inner)
        v = inner.args[0]
    return None


def _inputs(b: Rewriter, *shapes: tuple[int | None, ...]) -> list[Var]:
    return [b.input(TensorType("float64", s)) for s in shapes]


def _sample_range(b: Rewriter) -> Sample:
    x, y = _inputs(b, (4, 3), (None, 3))
    at = [b.constant(i, "int64") for i in ([1, 2, 3], [3, 1], [2, -2, 0], [-1])]
    return (*[b.apply(ops.Gather((0,)), x, i) for i in at], b.apply(ops.Gather((1,)), y, at[2]))


def _sample_twice(b: Rewriter) -> Sample:
    x, y = _inputs(b, (4, None), (None, 4))
    i, j = b.constant([3, -4, 3, 1], "int64"), b.constant([[2, 0], [1, -1]], "int64")
    return (b.apply(ops.Gather((0,)), b.apply(ops.Gather((0,)), x, i), j),
            b.apply(ops.Gather((0,)), b.apply(ops.Gather((1,)), y, i), j))


def _sample_same_place(b: Rewriter) -> Sample:
    x, v = _inputs(b, (4, None), (3, 1))
    op, at, other = ops.ScatterAt("inc", (0,)), b.constant([3, 1, 3], "int64"), b.constant([0, 3, -1], "int64")
    first = b.apply(op, x, b.map("exp", v), at)
    return b.apply(op, first, v, at), b.apply(op, b.apply(op, first, v, other), v, at)


RULES = (
    Rule("gather_of_a_range", On((ops.Gather,), second=(ops.Const,)), _range, sample=_sample_range),
    Rule("gather_of_gather", On((ops.Gather,), first=(ops.Gather,)), _twice, sample=_sample_twice),
    Rule("added_at_one_place", On((ops.ScatterAt,), first=(ops.ScatterAt,)), _same_place, exact=False,
         why="the order of a sum: parts are added before they are added to the whole", sample=_sample_same_place),
)
