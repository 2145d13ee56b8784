"""Rules of what reads and writes parts: Slice and Scatter, Gather and ScatterAt."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradc.autodiff.symbolic import Symbolic
from gradc.autodiff.table import Cotangents, jvp, vjp
from gradc.ir import build, ops
from gradc.ir.graph import Apply, Constant, Variable


@vjp(ops.Slice)
@vjp(ops.Gather)
def part_vjp(o: Symbolic, node: Apply, g: Variable, wanted: Sequence[bool]) -> Cotangents:
    """g put back to its place in zeros."""
    x, positions = node.inputs[0], node.inputs[1:]
    zeros = o.full_like(x, 0)
    part = o.cast(g, zeros.type.dtype)
    return [o.apply(ops.writing("inc", node.op), zeros, part, *positions)] + [None] * len(positions)


@vjp(ops.Scatter)
@vjp(ops.ScatterAt)
def scatter_vjp(o: Symbolic, node: Apply, g: Variable, wanted: Sequence[bool]) -> Cotangents:
    """The part goes to v; x gets the rest (set) or everything (inc)."""
    op, (_, v, *positions) = node.op, node.inputs
    by_x = by_v = None
    if wanted[0]:
        by_x = g if op.mode == "inc" else o.apply(op, g, o.const(0, g), *positions)
    if wanted[1]:
        part = o.apply(ops.reading(op), g, *positions)
        if op.mode == "set" and isinstance(op, ops.ScatterAt) and not _differ(positions):
            part = _last_of_equals(o, op, g, part, positions)
        by_v = o.sum_to(part, v)
    return [by_x, by_v] + [None] * len(positions)


def _differ(positions: Sequence[Variable]) -> bool:
    """Are no two of these positions known to be the same?"""
    known = [i.data for i in positions if isinstance(i, Constant)]
    if len(known) < len(positions):
        return all(i.type.ndim == 0 for i in positions)
    rows = np.stack([np.ravel(i) for i in np.broadcast_arrays(*known)])
    return bool(np.all(rows >= 0)) and len(np.unique(rows, axis=1).T) == rows.shape[1]


def _last_of_equals(o: Symbolic, op: ops.ScatterAt, x: Variable, part: Variable,
                    positions: Sequence[Variable]) -> Variable:
    """`part`, what is at these positions of x, where a position is the last one of those that are equal; 0 elsewhere.

    Each position writes its number into a table, and reads whose number is there.
    """
    rank = max(i.type.ndim for i in positions)
    sizes = [o.size(part, k) for k in range(rank)]
    count = sizes[0]
    for size in sizes[1:]:
        count = o.mul(count, size)
    number = o.apply(ops.Reshape(rank), o.apply(ops.Iota(), count), *sizes)
    axes = tuple(range(len(op.axes)))
    table = o.apply(ops.Broadcast(), o.number(0, "int64"), *[o.size(x, k) for k in op.axes])
    table = o.apply(ops.ScatterAt("set", axes), table, number, *positions)
    last = o.eq(o.apply(ops.Gather(axes), table, *positions), number)
    ndim = part.type.ndim
    return o.switch(build.insert_axes(o, last, range(rank, ndim), ndim), part, o.const(0, part))


@jvp(ops.Scatter)
@jvp(ops.ScatterAt)
def scatter_jvp(o: Symbolic, node: Apply, tangents: Cotangents) -> Variable | None:
    """The same op on the tangents, zeros where there is none."""
    x, _, *positions = node.inputs
    tx, tv = tangents[:2]
    if tx is None and tv is None:
        return None
    if tv is None:
        if node.op.mode == "inc":
            return tx
        tv = o.const(0, x)
    return o.apply(node.op, o.full_like(x, 0) if tx is None else tx, tv, *positions)
