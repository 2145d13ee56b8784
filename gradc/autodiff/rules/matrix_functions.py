"""Rules of functions of whole matrices, and of equations with them."""

from __future__ import annotations

from collections.abc import Sequence

from gradc.autodiff.rules.linalg import (
    adjoint,
    column,
    diagonal,
    from_triangle,
    product,
    row,
    several,
    to_triangle,
    transposed,
)
from gradc.autodiff.symbolic import Symbolic
from gradc.autodiff.table import CALL_JVP, CALL_VJP, Cotangents
from gradc.ir import build, ops
from gradc.ir.graph import Apply, Variable

# ------------------------------------------------------------------------------------------- pseudo-inverse


def _left_over(o: Symbolic, x: Variable, y: Variable, z: Variable) -> Variable:
    """z less x y z."""
    return o.sub(z, product(o, x, product(o, y, z)))


def _pinv_vjp(o: Symbolic, node: Apply, gs: Cotangents, wanted: Sequence[bool]) -> Cotangents:
    """G. Golub, V. Pereyra, The differentiation of pseudo-inverses, SIAM J. Numer. Anal. 10 (1973), equation 4.12:
    where the rank does not change."""
    a, p, g = node.inputs[0], node.outputs[0], gs[0]
    assert g is not None
    turned, by = adjoint(o, p), adjoint(o, g)
    first = o.neg(product(o, product(o, turned, g), turned))
    second = product(o, _left_over(o, a, p, by), product(o, p, turned))
    third = product(o, turned, product(o, p, by))
    third = o.sub(third, product(o, product(o, third, p), a))
    return [o.add(o.add(first, second), third), None]


def _pinv_jvp(o: Symbolic, node: Apply, tangents: Cotangents) -> Cotangents:
    a, p, da = node.inputs[0], node.outputs[0], tangents[0]
    if da is None:
        return [None]
    turned, back = adjoint(o, p), adjoint(o, da)
    first = o.neg(product(o, product(o, p, da), p))
    second = product(o, product(o, p, turned), back)
    second = o.sub(second, product(o, product(o, second, a), p))
    third = _left_over(o, p, a, product(o, back, product(o, turned, p)))
    return [o.add(o.add(first, second), third)]


CALL_VJP["pinv"], CALL_JVP["pinv"] = _pinv_vjp, _pinv_jvp


# ------------------------------------------------------------------------------------------- the exponential and others


def _moved(o: Symbolic, op: ops.OpKind, a: Variable, da: Variable) -> Variable:
    """N. Higham, Functions of Matrices (2008), 3.16: the upper right part of the function of [[a, da], [0, a]]."""
    ndim = a.type.ndim
    a, da = o.fit(a, da), o.fit(da, a)
    whole = o.apply(ops.Concat(ndim - 2), o.apply(ops.Concat(ndim - 1), a, da),
                    o.apply(ops.Concat(ndim - 1), o.second(a, o.const(0, a)), a))
    n = o.size(a, ndim - 1)
    upper = build.cut(o, o.apply(op, whole), stop=n, axis=ndim - 2)
    return build.cut(o, upper, n, axis=ndim - 1)


def _function_vjp(o: Symbolic, node: Apply, gs: Cotangents, wanted: Sequence[bool]) -> Cotangents:
    assert gs[0] is not None
    return [_moved(o, node.op, transposed(o, node.inputs[0]), gs[0])]


def _function_jvp(o: Symbolic, node: Apply, tangents: Cotangents) -> Cotangents:
    assert tangents[0] is not None
    return [_moved(o, node.op, node.inputs[0], tangents[0])]


for _name in ("expm", "logm"):
    CALL_VJP[_name], CALL_JVP[_name] = _function_vjp, _function_jvp


def _sqrtm_vjp(o: Symbolic, node: Apply, gs: Cotangents, wanted: Sequence[bool]) -> Cotangents:
    """r dr + dr r = da: Sylvester's equation, transposed."""
    turned = transposed(o, node.outputs[0])
    return [o.apply(build.call("sylvester"), turned, turned, gs[0])]  # type: ignore[arg-type]


def _sqrtm_jvp(o: Symbolic, node: Apply, tangents: Cotangents) -> Cotangents:
    root = node.outputs[0]
    return [o.apply(build.call("sylvester"), root, root, tangents[0])]  # type: ignore[arg-type]


CALL_VJP["sqrtm"], CALL_JVP["sqrtm"] = _sqrtm_vjp, _sqrtm_jvp


# ------------------------------------------------------------------------------------------- of symmetric matrices


def _quotients(o: Symbolic, routine: str, values: Variable) -> Variable:
    """(f(values[i]) - f(values[j])) / (values[i] - values[j]); the derivative of f where they are equal."""
    left, right = column(o, values), row(o, values)
    if routine == "sqrtm_symmetric":
        return o.reciprocal(o.add(o.sqrt(left), o.sqrt(right)))
    both = o.add(left, right)
    part = o.true_divide(o.sub(left, right), both)
    same = o.eq(part, o.const(0, part))
    part = o.switch(same, o.const(0.5, part), part)
    slope = o.switch(same, o.const(1, part), o.true_divide(o.arctanh(part), part))
    return o.true_divide(o.mul(o.const(2, part), slope), both)


def _between(o: Symbolic, node: Apply, moved: Variable) -> Variable:
    """Yu. Daleckii, S. Krein (1965), in N. Higham, Functions of Matrices (2008), 3.11: by quotients of differences."""
    values, vectors = several(o, "eigh", *node.inputs)
    inner = product(o, product(o, transposed(o, vectors), moved), vectors)
    inner = o.mul(_quotients(o, node.op.routine, values), inner)
    return product(o, product(o, vectors, inner), transposed(o, vectors))


def _spectrum_vjp(o: Symbolic, node: Apply, gs: Cotangents, wanted: Sequence[bool]) -> Cotangents:
    assert gs[0] is not None
    return [to_triangle(o, _between(o, node, gs[0]))]


def _spectrum_jvp(o: Symbolic, node: Apply, tangents: Cotangents) -> Cotangents:
    assert tangents[0] is not None
    return [_between(o, node, from_triangle(o, tangents[0]))]


for _name in ("sqrtm_symmetric", "logm_symmetric"):
    CALL_VJP[_name], CALL_JVP[_name] = _spectrum_vjp, _spectrum_jvp


# ------------------------------------------------------------------------------------------- banded systems


def _shifted(o: Symbolic, x: Variable, offset: int, axis: int) -> Variable:
    """What stands `offset` places on along an axis; 0 where there is nothing."""
    if offset == 0:
        return x
    if offset > 0:
        part, edge = build.cut(o, x, offset, axis=axis), build.cut(o, x, stop=offset, axis=axis)
        return o.apply(ops.Concat(axis), part, o.second(edge, o.const(0, x)))
    part, edge = build.cut(o, x, stop=offset, axis=axis), build.cut(o, x, offset, axis=axis)
    return o.apply(ops.Concat(axis), o.second(edge, o.const(0, x)), part)


def _band(node: Apply) -> tuple[int, int]:
    """How many diagonals are below and above the first one."""
    low = int(node.inputs[0].data)  # type: ignore[attr-defined]
    return low, node.inputs[1].type.shape[-2] - 1 - low  # type: ignore[operator]


def _turned_band(o: Symbolic, band: Variable, high: int) -> Variable:
    """The band of the transposed matrix."""
    axis = band.type.ndim - 2
    rows = [_shifted(o, build.cut(o, band, k, k + 1, axis=axis), high - k, axis + 1)
            for k in reversed(range(band.type.shape[axis]))]  # type: ignore[arg-type]
    return o.apply(ops.Concat(axis), *rows)


def _banded_vjp(o: Symbolic, node: Apply, gs: Cotangents, wanted: Sequence[bool]) -> Cotangents:
    """x = a^-1 b: by b it is a^-T g, by a that times -x^T, in the band."""
    (_, band, b), (x,), (g,) = node.inputs, node.outputs, gs
    assert g is not None
    low, high = _band(node)
    by_b = o.apply(node.op, o.number(high, "int64"), _turned_band(o, band, high), g)
    by_band = None
    if wanted[1]:
        ndim = by_b.type.ndim
        rows = []
        for k in range(low + high + 1):         # element [j - high + k, j]
            moved = _shifted(o, by_b, k - high, ndim - 2)
            rows.append(row(o, o.neg(build.fold(o, "add", o.mul(moved, x), (ndim - 1,)))))
        by_band = o.sum_to(o.apply(ops.Concat(ndim - 2), *rows), band)
    return [None, by_band, o.sum_to(by_b, b) if wanted[2] else None]


def _banded_jvp(o: Symbolic, node: Apply, tangents: Cotangents) -> Cotangents:
    (low_of, band, _), (x,), (_, da, db) = node.inputs, node.outputs, tangents
    moved = [] if db is None else [db]
    if da is not None:
        low, high = _band(node)
        for k in range(low + high + 1):
            part = build.cut(o, da, k, k + 1, axis=da.type.ndim - 2)
            moved.append(o.neg(_shifted(o, o.mul(transposed(o, part), x), high - k, x.type.ndim - 2)))
    right = o.add_terms(moved)
    return [None if right is None else o.apply(node.op, low_of, band, right)]


CALL_VJP["solve_banded"], CALL_JVP["solve_banded"] = _banded_vjp, _banded_jvp


# ------------------------------------------------------------------------------------------- Sylvester's equation


def _sylvester_vjp(o: Symbolic, node: Apply, gs: Cotangents, wanted: Sequence[bool]) -> Cotangents:
    """The cotangent w of q has a^T w + w b^T = g: T.-C. Kao, G. Hennequin, Automatic differentiation of Sylvester,
    Lyapunov, and algebraic Riccati equations (2020), 3.1."""
    (a, b, q), (x,), (g,) = node.inputs, node.outputs, gs
    assert g is not None
    by_q = o.apply(node.op, transposed(o, a), transposed(o, b), g)
    turned = transposed(o, x)
    return [o.sum_to(o.neg(product(o, by_q, turned)), a) if wanted[0] else None,
            o.sum_to(o.neg(product(o, turned, by_q)), b) if wanted[1] else None,
            o.sum_to(by_q, q) if wanted[2] else None]


def _sylvester_jvp(o: Symbolic, node: Apply, tangents: Cotangents) -> Cotangents:
    (a, b, _), (x,), (da, db, dq) = node.inputs, node.outputs, tangents
    moved = [] if dq is None else [dq]
    if da is not None:
        moved.append(o.neg(product(o, da, x)))
    if db is not None:
        moved.append(o.neg(product(o, x, db)))
    right = o.add_terms(moved)
    return [None if right is None else o.apply(node.op, a, b, right)]


CALL_VJP["sylvester"], CALL_JVP["sylvester"] = _sylvester_vjp, _sylvester_jvp


# ------------------------------------------------------------------------------------------- Riccati's equation


def _stein(o: Symbolic, f: Variable, q: Variable) -> Variable:
    """x = f x f^H + q, made continuous as by `tensor.linalg.solve_discrete_lyapunov`."""
    one = o.switch(diagonal(o, f), o.const(1, f), o.const(0, f))
    shifted = o.add(f, one)
    factors, swaps = several(o, "lu", shifted)
    inverse = o.apply(build.call("lu_inverse"), factors, swaps, shifted)
    b = product(o, inverse, o.sub(f, one))
    right = o.mul(o.const(-2, f), product(o, product(o, inverse, q), adjoint(o, inverse)))
    return o.apply(build.call("sylvester"), b, adjoint(o, b), right)


def _feedback(o: Symbolic, node: Apply) -> tuple[Variable, Variable]:
    """k = (r + b^H x b)^-1 b^H x a, and a - b k."""
    a, b, _, r = node.inputs
    turned = product(o, adjoint(o, b), node.outputs[0])
    whole = o.add(r, product(o, turned, b))
    factors, swaps = several(o, "lu", whole)
    k = o.apply(build.call("lu_solve"), factors, swaps, product(o, turned, a), whole)
    return k, o.sub(a, product(o, b, k))


def _riccati_vjp(o: Symbolic, node: Apply, gs: Cotangents, wanted: Sequence[bool]) -> Cotangents:
    """T.-C. Kao, G. Hennequin (2020), 3.3; q and r move as symmetric, or Hermitian, matrices."""
    (a, b, q, r), (x,), (g,) = node.inputs, node.outputs, gs
    assert g is not None
    k, closed = _feedback(o, node)
    w = _stein(o, closed, g)
    by_a = product(o, product(o, x, closed), o.add(w, adjoint(o, w)))
    turned = adjoint(o, k)
    by_r = product(o, product(o, k, w), turned)
    return [o.sum_to(by_a, a), o.sum_to(o.neg(product(o, by_a, turned)), b), o.sum_to(w, q), o.sum_to(by_r, r)]


def _riccati_jvp(o: Symbolic, node: Apply, tangents: Cotangents) -> Cotangents:
    (da, db, dq, dr), x = tangents, node.outputs[0]
    k, closed = _feedback(o, node)
    turned = adjoint(o, closed)
    moved = [] if dq is None else [dq]
    if dr is not None:
        moved.append(product(o, product(o, adjoint(o, k), dr), k))
    for part in ([] if da is None else [da]) + ([] if db is None else [o.neg(product(o, db, k))]):
        half = product(o, product(o, turned, x), part)
        moved.append(o.add(half, adjoint(o, half)))
    right = o.add_terms(moved)
    return [None if right is None else _stein(o, turned, right)]


CALL_VJP["riccati"], CALL_JVP["riccati"] = _riccati_vjp, _riccati_jvp
