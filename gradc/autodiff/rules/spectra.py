"""Rules of orthogonal factors, eigenvalues and singular values.

Where the derivative of vectors does not exist, because eigenvalues or singular values are equal, or the rank is less
than the smaller size, what is asked for is nan or inf; derivatives of distinct values alone are finite.

Vectors of complex matrices are found up to phases, which are chosen so that an element of each is real
(`ir.complex_matrices`): derivatives are of vectors with these phases.  Sources: Giles's and Townsend's formulas with
adjoints; Z.-Q. Wan, S.-X. Zhang, Automatic differentiation for complex valued SVD, arXiv:1909.02659 (2019).
"""

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
    triangle,
)
from gradc.autodiff.symbolic import Symbolic
from gradc.autodiff.table import CALL_JVP, CALL_VJP, Cotangents
from gradc.ir import build, dtypes, ops
from gradc.ir.graph import Apply, Variable


def _total(o: Symbolic, terms: Sequence[Variable | None]) -> Variable | None:
    return o.add_terms([term for term in terms if term is not None])


def gaps(o: Symbolic, values: Variable, like: Variable) -> Variable:
    """1 / (values[j] - values[i]), and 0 on the diagonal."""
    between = o.sub(row(o, values), column(o, values))
    return o.switch(diagonal(o, like), o.const(0, values), o.true_divide(o.const(1, values), between))


def on_diagonal(o: Symbolic, x: Variable, like: Variable) -> Variable:
    """The diagonal matrices of vectors."""
    return o.switch(diagonal(o, like), row(o, x), o.const(0, x))


def diagonal_of(o: Symbolic, x: Variable) -> Variable:
    """The diagonals of matrices."""
    return build.fold(o, "add", o.switch(diagonal(o, x), x, o.const(0, x)), (x.type.ndim - 1,))


def _times_i(o: Symbolic, x: Variable) -> Variable:
    """i x, for real x."""
    return o.complex(o.const(0, x), x)


def _along(o: Symbolic, x: Variable, y: Variable) -> Variable:
    """For each column the sum of conj(x) y."""
    return build.fold(o, "add", o.mul(o.conjugate(x), y), (x.type.ndim - 2,))


def _is_complex(x: Variable) -> bool:
    return x.type.dtype in dtypes.COMPLEX


def _at_fixed(o: Symbolic, vectors: Variable) -> Variable:
    """1 over the element of each column that is chosen to be real, at its place, else 0."""
    size, axis = o.abs(vectors), vectors.type.ndim - 2
    most = build.insert_axes(o, build.fold(o, "maximum", size, (axis,)), (axis,), axis + 2)
    # the first, to which `ArgReduce` gives the place
    first = o.apply(ops.ArgReduce("maximum", axis), o.cast(o.ge(size, o.mul(o.const(0.6, size), most)), "int8"))
    places = build.insert_axes(o, o.apply(ops.Iota(), o.size(vectors, axis)), (1,), 2)
    here, one = o.eq(places, row(o, first)), o.const(1, size)
    return o.switch(here, o.true_divide(one, o.switch(here, o.real(vectors), one)), o.const(0, size))


def _turned(o: Symbolic, vectors: Variable, moved: Variable) -> Variable:
    """By how much the phase of each column turns as it moves, so that the chosen element is real."""
    return o.neg(build.fold(o, "add", o.mul(_at_fixed(o, vectors), o.imag(moved)), (vectors.type.ndim - 2,)))


def _of_turning(o: Symbolic, vectors: Variable, by_turn: Variable) -> Variable:
    """The cotangent of how columns move, by that of `_turned`."""
    return _times_i(o, o.neg(o.mul(_at_fixed(o, vectors), row(o, by_turn))))


# ------------------------------------------------------------------------------------------- symmetric matrices


def _eigh_vjp(o: Symbolic, node: Apply, gs: Cotangents, wanted: Sequence[bool]) -> Cotangents:
    """Giles, Collected matrix derivative results for forward and reverse mode AD (2008), 3.1."""
    values, vectors = node.outputs
    by_values, by_vectors = gs
    turned = adjoint(o, vectors)
    if by_vectors is not None and _is_complex(vectors):
        by_turn = o.neg(o.imag(_along(o, by_vectors, vectors)))
        by_vectors = o.add(by_vectors, _of_turning(o, vectors, by_turn))
    inner = _total(o, [
        by_values and o.cast(on_diagonal(o, by_values, vectors), vectors.type.dtype),
        by_vectors and o.mul(gaps(o, values, vectors), product(o, turned, by_vectors)),
    ])
    assert inner is not None
    return [to_triangle(o, product(o, product(o, vectors, inner), turned))]


def _eigh_jvp(o: Symbolic, node: Apply, tangents: Cotangents) -> Cotangents:
    values, vectors = node.outputs
    inner = product(o, product(o, adjoint(o, vectors), from_triangle(o, tangents[0])), vectors)  # type: ignore
    moved = product(o, vectors, o.mul(gaps(o, values, vectors), inner))
    if _is_complex(vectors):
        moved = o.add(moved, o.mul(vectors, row(o, _times_i(o, _turned(o, vectors, moved)))))
    return [o.cast(diagonal_of(o, inner), values.type.dtype), moved]


def _eigvalsh_vjp(o: Symbolic, node: Apply, gs: Cotangents, wanted: Sequence[bool]) -> Cotangents:
    vectors = several(o, "eigh", *node.inputs)[1]
    return [to_triangle(o, product(o, o.mul(vectors, row(o, gs[0])), adjoint(o, vectors)))]  # type: ignore[arg-type]


def _eigvalsh_jvp(o: Symbolic, node: Apply, tangents: Cotangents) -> Cotangents:
    vectors = several(o, "eigh", *node.inputs)[1]
    moved = product(o, from_triangle(o, tangents[0]), vectors)  # type: ignore[arg-type]
    return [o.cast(_along(o, vectors, moved), node.outputs[0].type.dtype)]


CALL_VJP.update(eigh=_eigh_vjp, eigvalsh=_eigvalsh_vjp)
CALL_JVP.update(eigh=_eigh_jvp, eigvalsh=_eigvalsh_jvp)


# ------------------------------------------------------------------------------------------- singular values


def _outside(o: Symbolic, basis: Variable, x: Variable) -> Variable:
    """x less its part in the space of the columns of `basis`."""
    return o.sub(x, product(o, basis, product(o, adjoint(o, basis), x)))


def _svd_vjp(o: Symbolic, node: Apply, gs: Cotangents, wanted: Sequence[bool]) -> Cotangents:
    """J. Townsend, Differentiating the singular value decomposition (2016), equation 31."""
    u, s, vt = node.outputs
    by_u, by_s, by_vt = gs
    v, by_v = adjoint(o, vt), by_vt and adjoint(o, by_vt)
    inner: list[Variable | None] = [by_s and o.cast(on_diagonal(o, by_s, product(o, vt, v)), u.type.dtype)]
    outer: list[Variable | None] = []
    if _is_complex(u) and (by_u is not None or by_v is not None):
        along = o.add_terms([_along(o, by, x) for by, x in ((by_u, u), (by_v, v)) if by is not None])
        assert along is not None
        turning = _of_turning(o, u, o.neg(o.imag(along)))
        by_u = turning if by_u is None else o.add(by_u, turning)
        # of u and v only u turns, before both do
        turn = o.imag(_along(o, u, by_u))
        inner.append(on_diagonal(o, _times_i(o, o.true_divide(turn, s)), product(o, vt, v)))
    for basis, by, left in ((u, by_u, True), (v, by_v, False)):
        if by is None:
            continue
        turn = product(o, adjoint(o, basis), by)
        turn = o.mul(gaps(o, o.square(s), turn), o.sub(turn, adjoint(o, turn)))
        inner.append(o.mul(turn, row(o, s) if left else column(o, s)))
        part = o.true_divide(_outside(o, basis, by), row(o, s))
        outer.append(product(o, part, vt) if left else product(o, u, adjoint(o, part)))
    middle = _total(o, inner)
    return [_total(o, [middle and product(o, product(o, u, middle), vt), *outer])]


def _svd_jvp(o: Symbolic, node: Apply, tangents: Cotangents) -> Cotangents:
    """The same, equations 16 to 20."""
    u, s, vt = node.outputs
    da, v = tangents[0], adjoint(o, vt)
    assert da is not None
    moved = product(o, da, v)
    inner = product(o, adjoint(o, u), moved)
    turned, inverse = adjoint(o, inner), gaps(o, o.square(s), inner)
    along, across = row(o, s), column(o, s)
    du = product(o, u, o.mul(inverse, o.add(o.mul(inner, along), o.mul(across, turned))))
    dv = product(o, v, o.mul(inverse, o.add(o.mul(across, inner), o.mul(turned, along))))
    du = o.add(du, o.true_divide(_outside(o, u, moved), along))
    dv = o.add(dv, o.true_divide(_outside(o, v, product(o, adjoint(o, da), u)), along))
    if _is_complex(u):
        du = o.add(du, o.mul(u, row(o, _times_i(o, o.true_divide(o.imag(diagonal_of(o, inner)), s)))))
        turn = row(o, _times_i(o, _turned(o, u, du)))
        du, dv = o.add(du, o.mul(u, turn)), o.add(dv, o.mul(v, turn))
    return [du, o.cast(diagonal_of(o, inner), s.type.dtype), adjoint(o, dv)]


def _svdvals_vjp(o: Symbolic, node: Apply, gs: Cotangents, wanted: Sequence[bool]) -> Cotangents:
    u, _, vt = several(o, "svd", *node.inputs)
    return [product(o, o.mul(u, row(o, gs[0])), vt)]  # type: ignore[arg-type]


def _svdvals_jvp(o: Symbolic, node: Apply, tangents: Cotangents) -> Cotangents:
    u, _, vt = several(o, "svd", *node.inputs)
    moved = product(o, tangents[0], adjoint(o, vt))  # type: ignore[arg-type]
    return [o.cast(_along(o, u, moved), node.outputs[0].type.dtype)]


CALL_VJP.update(svd=_svd_vjp, svdvals=_svdvals_vjp)
CALL_JVP.update(svd=_svd_jvp, svdvals=_svdvals_jvp)


# ------------------------------------------------------------------------------------------- QR


def _split(o: Symbolic, node: Apply, x: Variable) -> tuple[Variable, Variable | None]:
    """The first columns of x, as many as r has rows, and the rest; None where it is known that there is none."""
    r = node.outputs[1]
    rows, columns = r.type.shape[-2:]
    if rows is not None and rows == columns:
        return x, None
    count, axis = o.size(r, r.type.ndim - 2), x.type.ndim - 1
    return build.cut(o, x, stop=count, axis=axis), build.cut(o, x, count, axis=axis)


def _joined(o: Symbolic, first: Variable, rest: Variable | None) -> Variable:
    return first if rest is None else o.apply(ops.Concat(first.type.ndim - 1), first, rest)


def _right_solved(o: Symbolic, x: Variable, r: Variable) -> Variable:
    """x r^-1."""
    return adjoint(o, o.apply(build.call("solve_lower"), adjoint(o, r), adjoint(o, x)))


def _qr_vjp(o: Symbolic, node: Apply, gs: Cotangents, wanted: Sequence[bool]) -> Cotangents:
    """S. Walter, L. Lehmann, R. Lamour, On evaluating higher-order derivatives of the QR decomposition (2012); for more
    columns than rows: D. Roberts, L. Roberts, QR and LQ decomposition matrix backpropagation algorithms (2020)."""
    q = node.outputs[0]
    first, rest = _split(o, node, node.outputs[1])
    by_q, by_r = gs
    by_first, by_rest = (None, None) if by_r is None else _split(o, node, by_r)
    later = None if rest is None else _split(o, node, node.inputs[0])[1]
    if by_rest is not None:
        assert later is not None
        by_q = _total(o, [by_q, product(o, later, adjoint(o, by_rest))])
    middle = _total(o, [by_first and product(o, first, adjoint(o, by_first)),
                        by_q and o.neg(product(o, adjoint(o, by_q), q))])
    assert middle is not None
    inner = _total(o, [by_q, product(o, q, from_triangle(o, middle))])
    assert inner is not None
    by_a = adjoint(o, o.apply(build.call("solve_upper"), first, adjoint(o, inner)))
    if later is None:
        return [by_a]
    return [_joined(o, by_a, o.second(later, o.const(0, later)) if by_rest is None else product(o, q, by_rest))]


def _qr_jvp(o: Symbolic, node: Apply, tangents: Cotangents) -> Cotangents:
    q, r = node.outputs
    first, _ = _split(o, node, r)
    da, turned = tangents[0], adjoint(o, q)
    assert da is not None
    by_first, by_rest = _split(o, node, da)
    moved = _right_solved(o, by_first, first)
    inner = product(o, turned, moved)
    low = triangle(o, inner, False, True)
    turn = o.sub(low, adjoint(o, low))
    if _is_complex(q):                          # the diagonal of r stays real
        turn = o.add(turn, on_diagonal(o, _times_i(o, o.imag(diagonal_of(o, inner))), inner))
    dq = o.add(o.sub(moved, product(o, q, inner)), product(o, q, turn))
    dr = triangle(o, product(o, o.sub(inner, turn), first), True)
    if by_rest is None:
        return [dq, dr]
    _, later = _split(o, node, node.inputs[0])
    assert later is not None
    return [dq, _joined(o, dr, o.add(product(o, adjoint(o, dq), later), product(o, turned, by_rest)))]


CALL_VJP["qr"], CALL_JVP["qr"] = _qr_vjp, _qr_jvp


def _basis_vjp(o: Symbolic, node: Apply, gs: Cotangents, wanted: Sequence[bool]) -> Cotangents:
    """The columns n that complete it move no more than they have to, dn = -u du^T n; what does not depend on their
    choice, such as n n^T, has the right derivative."""
    given, made, g = node.inputs[0], node.outputs[0], gs[0]
    assert g is not None
    (_, n), (by_given, by_n) = _parted(o, given, made), _parted(o, given, g)
    return [o.sub(by_given, product(o, n, product(o, adjoint(o, by_n), given)))]


def _basis_jvp(o: Symbolic, node: Apply, tangents: Cotangents) -> Cotangents:
    given, made = node.inputs[0], node.outputs[0]
    moved = tangents[0]
    assert moved is not None
    _, n = _parted(o, given, made)
    return [_joined(o, moved, o.neg(product(o, given, product(o, adjoint(o, moved), n))))]


def _parted(o: Symbolic, given: Variable, x: Variable) -> tuple[Variable, Variable]:
    """The columns of x that stand where those given do, and the others."""
    count, axis = o.size(given, given.type.ndim - 1), x.type.ndim - 1
    return build.cut(o, x, stop=count, axis=axis), build.cut(o, x, count, axis=axis)


CALL_VJP["complete_basis"], CALL_JVP["complete_basis"] = _basis_vjp, _basis_jvp
