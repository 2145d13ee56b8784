"""Rules of any square matrix: eigenvalues and vectors, which are complex; Schur's form, which has none."""

from __future__ import annotations

from collections.abc import Sequence

from gradc.autodiff.rules.linalg import column, product, row, transposed
from gradc.autodiff.rules.spectra import diagonal_of, gaps, on_diagonal
from gradc.autodiff.symbolic import Symbolic
from gradc.autodiff.table import CALL_JVP, CALL_VJP, Cotangents
from gradc.errors import NotDifferentiableError, at
from gradc.ir import build, dtypes, ops
from gradc.ir.graph import Apply, Variable


def _adjoint(o: Symbolic, x: Variable) -> Variable:
    return o.conj(transposed(o, x))


def _along(o: Symbolic, x: Variable, y: Variable) -> Variable:
    """The sums of products of the elements of columns."""
    return build.fold(o, "add", o.mul(x, y), (x.type.ndim - 2,))


def _is_positive(o: Symbolic, vectors: Variable, place: Variable) -> Variable:
    """Is it the element of its vector that is made positive?"""
    places = o.apply(ops.Iota(), o.size(vectors, vectors.type.ndim - 2))
    return o.eq(column(o, places), row(o, place))


def _of_place(o: Symbolic, x: Variable, there: Variable) -> Variable:
    """The element of each column that is made positive."""
    return build.fold(o, "add", o.switch(there, x, o.const(0, x)), (x.type.ndim - 2,))


def _imaginary(o: Symbolic, x: Variable) -> Variable:
    """i x of real x."""
    return o.complex(o.const(0, x), x)


def _eig_vjp(o: Symbolic, node: Apply, gs: Cotangents, wanted: Sequence[bool]) -> Cotangents:
    """Giles, Collected matrix derivative results for forward and reverse mode AD (2008), 3.1: `_eig_jvp`, backwards."""
    values, vectors, inverse, place = node.outputs
    by_values, by_vectors, by_inverse, _ = gs
    back = _adjoint(o, inverse)
    if by_inverse is not None:                  # it moves by -inverse dv inverse
        moved = o.neg(product(o, product(o, back, by_inverse), back))
        by_vectors = moved if by_vectors is None else o.add(by_vectors, moved)
    terms = [] if by_values is None else [on_diagonal(o, by_values, vectors)]
    if by_vectors is not None:
        along = _along(o, o.conj(by_vectors), vectors)
        there = _is_positive(o, vectors, place)
        turn = _imaginary(o, o.true_divide(o.imag(along), o.real(_of_place(o, vectors, there))))
        across = o.sub(by_vectors, o.mul(vectors, row(o, o.real(along))))
        across = o.add(across, o.switch(there, row(o, turn), o.const(0, across)))
        terms.append(o.mul(o.conj(gaps(o, values, vectors)), product(o, _adjoint(o, vectors), across)))
    inner = o.add_terms(terms)
    assert inner is not None
    moved = product(o, product(o, back, inner), _adjoint(o, vectors))
    return [moved if node.inputs[0].type.dtype in dtypes.COMPLEX else o.real(moved)]


def _eig_jvp(o: Symbolic, node: Apply, tangents: Cotangents) -> Cotangents:
    """Vectors stay of norm 1, and one element of each stays positive."""
    values, vectors, inverse, place = node.outputs
    da = tangents[0]
    assert da is not None
    da = da if da.type.dtype in dtypes.COMPLEX else o.complex(da, o.const(0, da))
    inner = product(o, product(o, inverse, da), vectors)
    moved = product(o, vectors, o.mul(gaps(o, values, vectors), inner))
    there = _is_positive(o, vectors, place)
    turn = o.true_divide(o.imag(_of_place(o, moved, there)), o.real(_of_place(o, vectors, there)))
    factor = o.complex(o.real(_along(o, o.conj(vectors), moved)), turn)
    moved = o.sub(moved, o.mul(vectors, row(o, factor)))
    return [diagonal_of(o, inner), moved, o.neg(product(o, product(o, inverse, moved), inverse)), None]


CALL_VJP["eig"], CALL_JVP["eig"] = _eig_vjp, _eig_jvp


def _schur(o: Symbolic, node: Apply, gs: Cotangents, wanted: Sequence[bool] = ()) -> Cotangents:
    raise NotDifferentiableError(f"schur has no derivative: which eigenvalue comes first, and the signs or phases of "
                                 f"z, jump where a moves; linalg.eig, sqrtm and logm have one, and linalg.eigh of "
                                 f"symmetric matrices{at(node.source)}")


CALL_VJP["schur"], CALL_JVP["schur"] = _schur, _schur
