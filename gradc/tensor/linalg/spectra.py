"""Orthogonal factors, eigenvalues and singular values.

Signs of vectors, which are free, are chosen: of each eigenvector, and of each column of u, the first element that is
not smaller than 0.6 of the largest is positive.  Of complex ones it is real and positive: derivatives are of vectors
with these phases; of what does not depend on phases they are those of any other choice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradc.ir import build, ops
from gradc.ir.graph import apply
from gradc.tensor.convert import constant, size_of
from gradc.tensor.elemwise import sub
from gradc.tensor.joining import join
from gradc.tensor.linalg.arguments import adjoint, numbers, one_of, square, symmetric
from gradc.tensor.linalg.systems import cholesky, solve_triangular
from gradc.tensor.shape import matrix_transpose
from gradc.tensor.types import TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = ["eigh", "eigvalsh", "qr", "svd", "svdvals"]

# rows of `tensor.numpy_api`
NUMPY: dict[str, Any] = {
    "qr": (lambda a, mode="reduced": qr(a, mode), "a mode="),
    "eigh": (lambda a, UPLO="L": eigh(a, lower=UPLO == "L"), "a UPLO="),
    "eigvalsh": (lambda a, UPLO="L": eigvalsh(a, lower=UPLO == "L"), "a UPLO="),
    "svd": (lambda a, full_matrices=True, compute_uv=True: svd(a, full_matrices, compute_uv),
            "a full_matrices= compute_uv="),
    "svdvals": (lambda x: svdvals(x), "x"),
}


def qr(a: TensorLike, mode: str = "reduced") -> Any:
    """q with orthonormal columns and r, upper triangular with a real diagonal, a = q r, with the signs of LAPACK's.

    Shapes: (..., m, n) -> (..., m, k), (..., k, n), k = min(m, n).  mode "complete" ("full"): (..., m, m), (..., m, n);
    "r": r alone.  "economic" is "reduced".
    The derivative takes the first min(m, n) columns of a to be independent; else it raises LinAlgError.  That of the
    columns that complete q is one of many: they move no more than they have to.
    """
    one_of("qr", "mode", mode, ("reduced", "economic", "complete", "full", "r"))
    (a,) = numbers("qr", 2, a)
    q, r = apply(build.call("qr"), a)
    if mode == "r":
        return r
    if mode in ("complete", "full"):
        rows = a.type.shape[-2:]
        if None in rows or rows[0] > rows[1]:  # type: ignore[operator]
            whole = apply(build.call("complete_basis"), q)
            axis = a.type.ndim - 2
            below = sub(size_of(a, axis), size_of(r, axis))
            sizes = [*[size_of(a, k) for k in range(axis)], below, size_of(a, axis + 1)]
            return whole, join(axis, r, apply(ops.Broadcast(), constant(0, dtype=r.type.dtype), *sizes))
    return q, r


def eigh(a: TensorLike, b: TensorLike | None = None, lower: bool = True) -> tuple[TensorVariable, TensorVariable]:
    """Eigenvalues, ascending, and eigenvectors (columns) of symmetric or Hermitian matrices; one triangle is read.

    Shapes: (..., m, m) -> (..., m), (..., m, m).  b: a v = w b v with a positive definite b; v.conj().T b v is 1 then.
    The derivative of vectors is nan or inf where two eigenvalues are equal; that of values is right wherever they are
    distinct.
    Raises: LinAlgError, at the call, for nan and inf, and for b as `cholesky`.
    """
    a = square("eigh", a) if lower else adjoint(square("eigh", a))
    if b is None:
        values, vectors = apply(build.call("eigh"), a)
        return values, vectors
    reduced, factor = _reduced(a, b, lower)
    values, vectors = apply(build.call("eigh"), reduced)
    return values, solve_triangular(factor, vectors, 2, True, b_ndim=2)


def eigvalsh(a: TensorLike, b: TensorLike | None = None, lower: bool = True) -> TensorVariable:
    """The eigenvalues of `eigh`, ascending."""
    a = square("eigvalsh", a) if lower else adjoint(square("eigvalsh", a))
    return apply(build.call("eigvalsh"), a if b is None else _reduced(a, b, lower)[0])


def _reduced(a: TensorVariable, b: TensorLike, lower: bool) -> tuple[TensorVariable, TensorVariable]:
    """l^-1 a l^-H and l, with l l^H = b; of a the lower triangle counts."""
    a = symmetric(a)
    a, b = numbers("eigh", 2, a, b)
    factor = cholesky(b if lower else adjoint(b))
    half = solve_triangular(factor, a, 0, True, b_ndim=2)
    return solve_triangular(factor, adjoint(half), 0, True, b_ndim=2), factor


def svd(a: TensorLike, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """u, s and v with a = u diag(s) v; s descends.  Not `compute_uv`: s alone.

    Shapes: (..., m, n) -> (..., m, m), (..., k), (..., n, n), k = min(m, n); not `full_matrices`: (..., m, k) and
    (..., k, n).  v is what NumPy calls vh; s is real.
    The derivative of u and v is nan or inf where two singular values are equal, or one is 0.  That of the columns of u,
    and rows of v, that have no singular value is one of many: they move no more than they have to.
    Raises: LinAlgError, at the call, for nan and inf.
    """
    if not compute_uv:
        return svdvals(a)
    (a,) = numbers("svd", 2, a)
    u, s, v = apply(build.call("svd"), a)
    if full_matrices:
        m, n = a.type.shape[-2:]
        complete = build.call("complete_basis")
        if m is None or n is None or m > n:
            u = apply(complete, u)
        if m is None or n is None or m < n:
            v = matrix_transpose(apply(complete, matrix_transpose(v)))
    return u, s, v


def svdvals(a: TensorLike, check_finite: bool = True) -> TensorVariable:
    """Singular values, descending.  Shapes: (..., m, n) -> (..., min(m, n)).  The derivative asks for distinct ones."""
    return apply(build.call("svdvals"), *numbers("svdvals", 2, a))
