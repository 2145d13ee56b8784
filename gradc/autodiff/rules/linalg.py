"""Rules of the routines of linear algebra.  Leading axes are a batch, as in the routines.

Rules of holomorphic functions (`rules.calls.HOLOMORPHIC`) have transposes.  The others have adjoints, which of real
matrices are the same: C. Boeddeker, P. Hanebrink, L. Drude, J. Heymann, R. Haeb-Umbach, On the computation of
complex-valued gradients with application to statistically optimum beamforming, arXiv:1701.00392 (2017), section 4.
"""

from __future__ import annotations

from collections.abc import Sequence

from gradc.autodiff.symbolic import Symbolic
from gradc.autodiff.table import CALL_JVP, CALL_VJP, Cotangents
from gradc.ir import build, dtypes, infer, ops
from gradc.ir.graph import Apply, Variable
from gradc.ir.routines import get_routine, solve_name


def transposed(o: Symbolic, x: Variable) -> Variable:
    """Each matrix transposed."""
    return build.move_axis(o, x, x.type.ndim - 1, x.type.ndim - 2)


def adjoint(o: Symbolic, x: Variable) -> Variable:
    """Each matrix transposed, of conjugates if it is complex."""
    return o.conjugate(transposed(o, x))


def product(o: Symbolic, x: Variable, y: Variable) -> Variable:
    """Matrix times matrix; batches broadcast."""
    batch = max(x.type.ndim, y.type.ndim) - 2
    size: dict[int, int | None] = {}
    for v in (x, y):
        size.update((batch + 2 - v.type.ndim + k, s) for k, s in enumerate(v.type.shape[:-2]) if s != 1)
    factors, labels = [], []
    for v, core in ((x, (batch, batch + 1)), (y, (batch + 1, batch + 2))):
        own = [*range(batch + 2 - v.type.ndim, batch), *core]
        kept = [k for k, (label, s) in enumerate(zip(own, v.type.shape))
                if s != 1 or label in core or label not in size]
        factors.append(build.reorder(o, v, kept))
        labels.append([own[k] for k in kept])
    return build.contract(o, factors[0], labels[0], factors[1], labels[1], (*range(batch), batch, batch + 2))


def triangle(o: Symbolic, x: Variable, upper: bool, strict: bool = False) -> Variable:
    """x with 0 outside one of its triangles, and on the diagonal if `strict`."""
    ndim = x.type.ndim
    places = [o.apply(ops.Iota(), o.size(x, axis)) for axis in (ndim - 2, ndim - 1)]
    row, column = build.insert_axes(o, places[0], (1,), 2), places[1]
    low, high = (row, column) if upper else (column, row)
    return o.switch(o.lt(low, high) if strict else o.le(low, high), x, o.const(0, x))


def several(o: Symbolic, routine: str, *inputs: Variable) -> list[Variable]:
    """The results of a routine."""
    op = build.call(routine)
    return Apply(op, inputs, infer.output_types(op, inputs, o.source), o.source).outputs


def diagonal(o: Symbolic, x: Variable) -> Variable:
    """Is it the diagonal?  For each element of the last two axes of x."""
    places = [o.apply(ops.Iota(), o.size(x, axis)) for axis in (x.type.ndim - 2, x.type.ndim - 1)]
    return o.eq(build.insert_axes(o, places[0], (1,), 2), places[1])


def row(o: Symbolic, x: Variable) -> Variable:
    """Each vector as one row; it multiplies the columns of a matrix."""
    return build.insert_axes(o, x, (x.type.ndim - 1,), x.type.ndim + 1)


def column(o: Symbolic, x: Variable, axes: int = 1) -> Variable:
    """Each element, or vector, with axes of size 1 behind it; it multiplies matrices, or their rows."""
    return build.insert_axes(o, x, range(x.type.ndim, x.type.ndim + axes), x.type.ndim + axes)


def to_triangle(o: Symbolic, x: Variable) -> Variable:
    """The cotangent of a symmetric (Hermitian) matrix as that of its lower triangle, the elements that are read."""
    return o.add(triangle(o, _real_diagonal(o, x), False), triangle(o, adjoint(o, x), False, True))


def from_triangle(o: Symbolic, x: Variable) -> Variable:
    """The symmetric (Hermitian) matrix of which x has the lower triangle."""
    return o.add(triangle(o, _real_diagonal(o, x), False), adjoint(o, triangle(o, x, False, True)))


def _real_diagonal(o: Symbolic, x: Variable) -> Variable:
    """x with real numbers on its diagonal."""
    return x if x.type.dtype not in dtypes.COMPLEX else o.switch(diagonal(o, x), o.cast(o.real(x), x.type.dtype), x)


# ------------------------------------------------------------------------------------------- triangular systems


def _solve_vjp(o: Symbolic, node: Apply, gs: Cotangents, wanted: Sequence[bool]) -> Cotangents:
    """x = a^-1 b: by b it is a^-T g, by a that times -x^T, in its triangle."""
    (a, b), (x,), (g,) = node.inputs, node.outputs, gs
    upper, unit = map(bool, get_routine(node.op.routine).options)
    assert g is not None
    by_b = o.apply(build.call(solve_name(not upper, unit)), transposed(o, a), g)
    by_a = o.neg(triangle(o, product(o, by_b, transposed(o, x)), upper, unit)) if wanted[0] else None
    return [by_a and o.sum_to(by_a, a), o.sum_to(by_b, b) if wanted[1] else None]


def _solve_jvp(o: Symbolic, node: Apply, tangents: Cotangents) -> Cotangents:
    """a^-1 (db - da x), da being the triangle."""
    (a, _), (x,), (da, db) = node.inputs, node.outputs, tangents
    moved = [] if db is None else [db]
    if da is not None:
        moved.append(o.neg(product(o, triangle(o, da, *map(bool, get_routine(node.op.routine).options)), x)))
    right = o.add_terms(moved)
    return [None if right is None else o.apply(node.op, a, right)]


for _upper in (False, True):
    for _unit in (False, True):
        CALL_VJP[solve_name(_upper, _unit)] = _solve_vjp
        CALL_JVP[solve_name(_upper, _unit)] = _solve_jvp


# ------------------------------------------------------------------------------------------- Cholesky


def _halved(o: Symbolic, x: Variable) -> Variable:
    """The lower triangle, its diagonal halved."""
    return o.mul(o.const(0.5, x), o.add(triangle(o, x, False), triangle(o, x, False, True)))


def _between(o: Symbolic, x: Variable, routine: str, a: Variable) -> Variable:
    """a^-1 s a^-H, `_halved`; s is the symmetric matrix of which x has the lower triangle, its diagonal halved."""
    s = o.add(x, adjoint(o, x))
    for _ in range(2):
        s = adjoint(o, o.apply(build.call(routine), a, s))
    return _halved(o, s)


def _cholesky_vjp(o: Symbolic, node: Apply, gs: Cotangents, wanted: Sequence[bool]) -> Cotangents:
    """Murray, Differentiation of the Cholesky decomposition, arXiv:1602.07527, equation 10."""
    return [o.apply(build.call("cholesky_back"), node.outputs[0], gs[0])]  # type: ignore[arg-type]


def _cholesky_jvp(o: Symbolic, node: Apply, tangents: Cotangents) -> Cotangents:
    """The same, equation 8."""
    factor = node.outputs[0]
    return [product(o, factor, _between(o, _halved(o, tangents[0]), "solve_lower", factor))]  # type: ignore[arg-type]


def _back_vjp(o: Symbolic, node: Apply, gs: Cotangents, wanted: Sequence[bool]) -> Cotangents:
    """With m = l^-H s l^-1 the result is m, halved, and s = p + p^H, p = l^H g, halved."""
    (factor, g), (made,), (h,) = node.inputs, node.outputs, gs
    assert h is not None
    half = _halved(o, h)
    by_p = _between(o, half, "solve_lower", factor)
    by_g = triangle(o, product(o, factor, by_p), False) if wanted[1] else None
    by_factor = None
    if wanted[0]:
        m, n = o.add(made, adjoint(o, made)), o.add(half, adjoint(o, half))
        right = o.apply(build.call("solve_lower"), factor, product(o, n, m))
        by_factor = o.sub(product(o, triangle(o, g, False), adjoint(o, by_p)), adjoint(o, right))
    return [by_factor and o.sum_to(by_factor, factor), by_g and o.sum_to(by_g, g)]


def _back_jvp(o: Symbolic, node: Apply, tangents: Cotangents) -> Cotangents:
    (factor, g), (made,), (dl, dg) = node.inputs, node.outputs, tangents
    moved = [] if dg is None else [product(o, adjoint(o, factor), triangle(o, dg, False))]
    if dl is not None:
        m = o.add(made, adjoint(o, made))
        moved.append(product(o, adjoint(o, dl), triangle(o, g, False)))
        turn = product(o, adjoint(o, factor), product(o, m, dl))
        moved.append(o.neg(o.add(turn, adjoint(o, turn))))
    right = o.add_terms(moved)
    if right is None:
        return [None]
    return [_between(o, _halved(o, right), "solve_upper", adjoint(o, factor))]


CALL_VJP["cholesky_back"], CALL_JVP["cholesky_back"] = _back_vjp, _back_jvp
for _name in ("cholesky", "cholesky_or_nan"):
    CALL_VJP[_name], CALL_JVP[_name] = _cholesky_vjp, _cholesky_jvp


def _cholesky_solve_vjp(o: Symbolic, node: Apply, gs: Cotangents, wanted: Sequence[bool]) -> Cotangents:
    """As of a triangular system; the factor is one of a, and derives with it."""
    (factor, b, a), (x,), (g,) = node.inputs, node.outputs, gs
    assert g is not None
    by_b = o.apply(node.op, factor, g, a)
    by_a = to_triangle(o, o.neg(product(o, by_b, adjoint(o, x)))) if wanted[2] else None
    return [None, o.sum_to(by_b, b) if wanted[1] else None, by_a and o.sum_to(by_a, a)]


def _cholesky_solve_jvp(o: Symbolic, node: Apply, tangents: Cotangents) -> Cotangents:
    (factor, _, a), (x,), (_, db, da) = node.inputs, node.outputs, tangents
    moved = [] if db is None else [db]
    if da is not None:
        moved.append(o.neg(product(o, from_triangle(o, da), x)))
    right = o.add_terms(moved)
    return [None if right is None else o.apply(node.op, factor, right, a)]


CALL_VJP["cholesky_solve"], CALL_JVP["cholesky_solve"] = _cholesky_solve_vjp, _cholesky_solve_jvp


# ------------------------------------------------------------------------------------------- LU factors
#
# Giles, Collected matrix derivative results for forward and reverse mode AD (2008), 2.2 to 2.3.  What is computed of
# the factors of a derives from a, which is the last argument.


def _lu_solve_vjp(o: Symbolic, node: Apply, gs: Cotangents, wanted: Sequence[bool]) -> Cotangents:
    (factors, swaps, b, a), (x,), (g,) = node.inputs, node.outputs, gs
    assert g is not None
    by_b = o.apply(build.call(_OTHER[node.op.routine]), factors, swaps, g, a)
    by_a = None
    if wanted[3]:
        left, right = (by_b, x) if node.op.routine == "lu_solve" else (x, by_b)
        by_a = o.sum_to(o.neg(product(o, left, transposed(o, right))), a)
    return [None, None, o.sum_to(by_b, b) if wanted[2] else None, by_a]


def _lu_solve_jvp(o: Symbolic, node: Apply, tangents: Cotangents) -> Cotangents:
    (factors, swaps, _, a), (x,), (_, _, db, da) = node.inputs, node.outputs, tangents
    moved = [] if db is None else [db]
    if da is not None:
        moved.append(o.neg(product(o, da if node.op.routine == "lu_solve" else transposed(o, da), x)))
    right = o.add_terms(moved)
    return [None if right is None else o.apply(node.op, factors, swaps, right, a)]


_OTHER = {"lu_solve": "lu_solve_transposed", "lu_solve_transposed": "lu_solve"}
for _name in _OTHER:
    CALL_VJP[_name], CALL_JVP[_name] = _lu_solve_vjp, _lu_solve_jvp


def _inverse_vjp(o: Symbolic, node: Apply, gs: Cotangents, wanted: Sequence[bool]) -> Cotangents:
    turned = transposed(o, node.outputs[0])
    return [None, None, o.neg(product(o, product(o, turned, gs[0]), turned))]  # type: ignore[arg-type]


def _inverse_jvp(o: Symbolic, node: Apply, tangents: Cotangents) -> Cotangents:
    x, da = node.outputs[0], tangents[2]
    return [None if da is None else o.neg(product(o, product(o, x, da), x))]


def _logarithmic(o: Symbolic, node: Apply) -> Variable:
    """The derivative of log det: the inverse, transposed."""
    return transposed(o, o.apply(build.call("lu_inverse"), *node.inputs))


def _along(o: Symbolic, x: Variable, moved: Variable) -> Variable:
    """The sum of products of the elements of matrices."""
    ndim = x.type.ndim
    return build.fold(o, "add", o.mul(x, moved), (ndim - 2, ndim - 1))


def _det_vjp(o: Symbolic, node: Apply, gs: Cotangents, wanted: Sequence[bool]) -> Cotangents:
    return [None, None, o.mul(column(o, o.mul(gs[0], node.outputs[0]), 2), _logarithmic(o, node))]


def _det_jvp(o: Symbolic, node: Apply, tangents: Cotangents) -> Cotangents:
    da = tangents[2]
    return [None if da is None else o.mul(node.outputs[0], _along(o, _logarithmic(o, node), da))]


def _slogdet_vjp(o: Symbolic, node: Apply, gs: Cotangents, wanted: Sequence[bool]) -> Cotangents:
    """The sign is constant, but of a complex matrix: there it is exp(i t), and log det is log abs det + i t."""
    sign, (by_sign, by) = node.outputs[0], gs
    if by_sign is not None and sign.type.dtype in dtypes.COMPLEX:
        turn = o.imag(o.mul(o.conj(sign), by_sign))
        by = o.complex(o.const(0, turn) if by is None else by, turn)
    return [None, None, None if by is None else o.mul(column(o, by, 2), o.conjugate(_logarithmic(o, node)))]


def _slogdet_jvp(o: Symbolic, node: Apply, tangents: Cotangents) -> Cotangents:
    sign, da = node.outputs[0], tangents[2]
    if da is None:
        return [None, None]
    moved = _along(o, _logarithmic(o, node), da)
    if sign.type.dtype not in dtypes.COMPLEX:
        return [None, moved]
    turn = o.imag(moved)
    return [o.mul(sign, o.complex(o.const(0, turn), turn)), o.real(moved)]


CALL_VJP.update(lu_inverse=_inverse_vjp, lu_det=_det_vjp, lu_slogdet=_slogdet_vjp)
CALL_JVP.update(lu_inverse=_inverse_jvp, lu_det=_det_jvp, lu_slogdet=_slogdet_jvp)


def _both(o: Symbolic, low: Variable, high: Variable) -> Variable:
    """One matrix of a lower triangle and what is above the diagonal of another."""
    return o.add(triangle(o, low, False), triangle(o, high, True, True))


def _lu_vjp(o: Symbolic, node: Apply, gs: Cotangents, wanted: Sequence[bool]) -> Cotangents:
    """F. de Hoog, R. Anderssen, M. Lukas, Differentiation of matrix functionals using triangular factorization (2011),
    here with the 1s on the diagonal of the upper factor and the columns interchanged."""
    factors, swaps = node.outputs
    g = gs[0]
    assert g is not None
    turned = transposed(o, factors)
    lower = triangle(o, factors, False)
    upper = triangle(o, factors, True, True)
    # u with its 1s times a matrix is that matrix more than u without them
    by_upper = triangle(o, g, True, True)
    middle = _both(o, product(o, transposed(o, lower), triangle(o, g, False)),
                   product(o, by_upper, transposed(o, upper)))
    middle = o.add(middle, by_upper)
    left = o.apply(build.call("solve_upper"), turned, middle)
    # m u^-T = (u^-1 m^T)^T, then the columns go back
    right = o.apply(build.call("solve_upper_unit"), factors, transposed(o, left))
    return [transposed(o, o.apply(build.call("interchange_back"), swaps, right))]


def _lu_jvp(o: Symbolic, node: Apply, tangents: Cotangents) -> Cotangents:
    """The same, forwards: the middle l^-1 da u^-1 falls into what moves l and what moves u."""
    factors, swaps = node.outputs
    da = tangents[0]
    assert da is not None
    moved = o.apply(build.call("interchange"), swaps, transposed(o, da))
    right = o.apply(build.call("solve_lower_unit"), transposed(o, factors), moved)
    middle = o.apply(build.call("solve_lower"), factors, transposed(o, right))
    above = triangle(o, middle, True, True)
    by_upper = o.add(above, product(o, above, triangle(o, factors, True, True)))
    return [_both(o, product(o, triangle(o, factors, False), triangle(o, middle, False)), by_upper), None]


CALL_VJP["lu"], CALL_JVP["lu"] = _lu_vjp, _lu_jvp


def _interchange_vjp(o: Symbolic, node: Apply, gs: Cotangents, wanted: Sequence[bool]) -> Cotangents:
    return [None, o.sum_to(o.apply(build.call(_BACK[node.op.routine]), node.inputs[0], gs[0]), node.inputs[1])]  # type: ignore


def _interchange_jvp(o: Symbolic, node: Apply, tangents: Cotangents) -> Cotangents:
    moved = tangents[1]
    return [None if moved is None else o.apply(node.op, node.inputs[0], moved)]


_BACK = {"interchange": "interchange_back", "interchange_back": "interchange"}
for _name in _BACK:
    CALL_VJP[_name], CALL_JVP[_name] = _interchange_vjp, _interchange_jvp
