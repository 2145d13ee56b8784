"""Rules of Slice and Scatter (basic indexing)."""

from __future__ import annotations

from collections.abc import Sequence

from gradc.autodiff.symbolic import Symbolic
from gradc.autodiff.table import Cotangents, jvp, vjp
from gradc.ir import ops
from gradc.ir.graph import Apply, Variable


@vjp(ops.Slice)
def slice_vjp(o: Symbolic, node: Apply, g: Variable, wanted: Sequence[bool]) -> Cotangents:
    """g put back to its place in zeros."""
    x, dynamic = node.inputs[0], node.inputs[1:]
    zeros = o.full_like(x, 0)
    part = o.cast(g, zeros.type.dtype)
    return [o.apply(ops.Scatter("inc", node.op.items), zeros, part, *dynamic)] + [None] * len(dynamic)


@vjp(ops.Scatter)
def scatter_vjp(o: Symbolic, node: Apply, g: Variable, wanted: Sequence[bool]) -> Cotangents:
    """The part goes to v; x gets the rest (set) or everything (inc)."""
    op, (_, v, *dynamic) = node.op, node.inputs
    by_x = by_v = None
    if wanted[0]:
        by_x = g if op.mode == "inc" else o.apply(op, g, o.const(0, g), *dynamic)
    if wanted[1]:
        by_v = o.sum_to(o.apply(ops.Slice(op.items), g, *dynamic), v)
    return [by_x, by_v] + [None] * len(dynamic)


@jvp(ops.Scatter)
def scatter_jvp(o: Symbolic, node: Apply, tangents: Cotangents) -> Variable | None:
    """The same op on the tangents, zeros where there is none."""
    x, _, *dynamic = node.inputs
    tx, tv = tangents[:2]
    if tx is None and tv is None:
        return None
    if tv is None:
        if node.op.mode == "inc":
            return tx
        tv = o.const(0, x)
    return o.apply(node.op, o.full_like(x, 0) if tx is None else tx, tv, *dynamic)
