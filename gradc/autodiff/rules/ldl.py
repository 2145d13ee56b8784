"""The rule of the factors l d l^H of symmetric and Hermitian matrices, whose order of rows does not move."""

from __future__ import annotations

from collections.abc import Sequence

from gradc.autodiff.rules.linalg import (
    adjoint,
    column,
    diagonal,
    from_triangle,
    product,
    several,
    to_triangle,
    transposed,
    triangle,
)
from gradc.autodiff.symbolic import Symbolic
from gradc.autodiff.table import CALL_JVP, CALL_VJP, Cotangents
from gradc.ir import build, ops
from gradc.ir.graph import Apply, Variable

# With p a p^T = l d l^H and m = l^-1 p da p^T l^-H: dd is m in the blocks of d, and dl = l s, where s is m d^-1 below
# them.


def _places(o: Symbolic, node: Apply) -> Variable:
    """The matrix p of 0s and 1s."""
    low, _, order = node.outputs
    return o.switch(o.eq(column(o, order), o.apply(ops.Iota(), o.size(order, order.type.ndim - 1))),
                    o.const(1, low), o.const(0, low))


def _in_blocks(o: Symbolic, d: Variable, x: Variable) -> Variable:
    """x where d has a block, else 0."""
    zero = o.const(0, x)
    return o.switch(diagonal(o, d), x, o.switch(o.eq(d, o.const(0, d)), zero, x))


def _below_blocks(o: Symbolic, d: Variable, x: Variable) -> Variable:
    low = triangle(o, x, False, True)
    return o.sub(low, _in_blocks(o, d, low))


def _by_inverse(o: Symbolic, x: Variable, d: Variable) -> Variable:
    """x d^-1."""
    factors, swaps = several(o, "lu", d)
    return adjoint(o, o.apply(build.call("lu_solve"), factors, swaps, adjoint(o, x), d))


def _ldl_vjp(o: Symbolic, node: Apply, gs: Cotangents, wanted: Sequence[bool]) -> Cotangents:
    low, d, _ = node.outputs
    by_low, by_d, _ = gs
    inner = o.add_terms([
        *([] if by_low is None else [_by_inverse(o, _below_blocks(o, d, product(o, adjoint(o, low), by_low)), d)]),
        *([] if by_d is None else [_in_blocks(o, d, by_d)])])
    assert inner is not None
    turned, places = adjoint(o, low), _places(o, node)
    half = o.apply(build.call("solve_upper"), turned, inner)
    whole = adjoint(o, o.apply(build.call("solve_upper"), turned, adjoint(o, half)))
    return [to_triangle(o, product(o, transposed(o, places), product(o, whole, places)))]


def _ldl_jvp(o: Symbolic, node: Apply, tangents: Cotangents) -> Cotangents:
    low, d, _ = node.outputs
    assert tangents[0] is not None
    places = _places(o, node)
    moved = product(o, places, product(o, from_triangle(o, tangents[0]), transposed(o, places)))
    for _ in range(2):
        moved = adjoint(o, o.apply(build.call("solve_lower"), low, moved))
    return [product(o, low, _below_blocks(o, d, _by_inverse(o, moved, d))), _in_blocks(o, d, moved), None]


CALL_VJP["ldl"], CALL_JVP["ldl"] = _ldl_vjp, _ldl_jvp
