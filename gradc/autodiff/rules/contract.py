"""Rule of Contract: dot, matmul, batched dot, einsum of two operands."""

from __future__ import annotations

from collections.abc import Sequence

from gradc.autodiff.symbolic import Symbolic
from gradc.autodiff.table import Cotangents, jvp, vjp
from gradc.ir import build, ops
from gradc.ir.graph import Apply, Variable


def _restore(o: Symbolic, part: Variable, x: Variable, labels: tuple[int, ...], kept: tuple[int, ...]) -> Variable:
    """`part`, whose axes are `kept`, repeated along the labels of x that were summed on their own."""
    if kept == labels:
        return part
    missing = [k for k, label in enumerate(labels) if label not in kept]
    return o.second(x, build.insert_axes(o, part, missing, len(labels)))


@vjp(ops.Contract)
def contract_vjp(o: Symbolic, node: Apply, g: Variable, wanted: Sequence[bool]) -> Cotangents:
    """By x: g contracted with y (conjugate, if complex) over the labels of y, and likewise by y."""
    op, (x, y) = node.op, node.inputs
    by_x = by_y = None
    if wanted[0]:
        kept = tuple(k for k in op.a if k in op.out or k in op.b)
        by_x = _restore(o, build.contract(o, g, op.out, o.conjugate(y), op.b, kept), x, op.a, kept)
    if wanted[1]:
        kept = tuple(k for k in op.b if k in op.out or k in op.a)
        by_y = _restore(o, build.contract(o, o.conjugate(x), op.a, g, op.out, kept), y, op.b, kept)
    return [by_x, by_y]


@jvp(ops.Contract)
def contract_jvp(o: Symbolic, node: Apply, tangents: Cotangents) -> Variable | None:
    """The product rule."""
    op, (x, y), (tx, ty) = node.op, node.inputs, tangents
    terms = []
    if tx is not None:
        terms.append(o.apply(op, tx, y))
    if ty is not None:
        terms.append(o.apply(op, x, ty))
    return o.add_terms(terms)
