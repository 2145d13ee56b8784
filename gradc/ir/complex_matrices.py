"""Values of the routines of linear algebra of complex matrices, where they are not `ir.matrices`' formulas.

There complex numbers are those of a complex step, and nothing is conjugated; here they are numbers of their own, and a
transpose is the adjoint.  What is free, and the same as in csrc: a pivot has the largest |x| + |y| of its row or column
(LAPACK's choice), R and the Cholesky factor have real diagonals, and of each eigenvector, and column of u, the first
element that is not smaller than 0.6 of the largest is real and positive.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradc.ir import matrices
from gradc.ir.matrices import Array, Fault


def _adjoint(x: Array) -> Array:
    return x.conj().T


def sizes(x: Array) -> Any:
    """By which LAPACK chooses pivots."""
    return np.abs(x.real) + np.abs(x.imag)


def _real_diagonal(x: Array) -> Array:
    """x without the imaginary parts of its diagonal."""
    return x - 1j * np.diag(np.diagonal(x).imag).astype(x.real.dtype)


def _hermitian(a: Array) -> Array:
    """The Hermitian matrix of which a has the lower triangle."""
    return _real_diagonal(np.tril(a) + _adjoint(np.tril(a, -1)))


# ------------------------------------------------------------------------------------------- Cholesky factors


def cholesky(a: Array) -> Array:
    """The lower triangular L with L L^H = a, of which the lower triangle is read."""
    made = np.zeros_like(a)
    for j in range(len(a)):
        rest = a[j:, j] - made[j:, :j] @ made[j, :j].conj()
        if not rest[0].real > 0:
            raise Fault(int(np.isnan(rest[0].real)))
        made[j:, j] = rest / np.sqrt(rest[0].real)
        made[j, j] = made[j, j].real
    return made


def cholesky_back(factor: Array, g: Array) -> Array:
    """As `matrices.cholesky_back`, with adjoints."""
    factor = np.tril(factor)
    p = np.tril(_adjoint(factor) @ np.tril(g))
    made = _real_diagonal(p + _adjoint(np.tril(p, -1)))
    with np.errstate(all="ignore"):
        safe = np.where(np.diagonal(factor) == 0, factor.dtype.type(np.nan), factor)
        inverse = matrices.solve(0, 0)(safe, np.eye(len(factor), dtype=factor.dtype))
    whole = _real_diagonal(_adjoint(inverse) @ made @ inverse)
    return (np.tril(whole) + np.tril(whole, -1)) / 2


def cholesky_solve(factor: Array, b: Array, a: Array) -> Array:
    """a^-1 b by the Cholesky factor of a."""
    return matrices.solve(1, 0)(_adjoint(factor), matrices.solve(0, 0)(factor, b))


# ------------------------------------------------------------------------------------------- pivots


lu = matrices.lu_by(sizes)
ldl = matrices.ldl_by(sizes, _hermitian, np.conj)
expm = matrices.expm_by(np.abs)
solve_banded = matrices.solve_banded_by(sizes)
riccati = matrices.riccati_by(_adjoint, lu)


def lu_slogdet(factors: Array, swaps: Array, a: Array) -> list[Array]:
    """The sign, of absolute value 1 or 0, and the log of the absolute value of a determinant."""
    pivots = np.diagonal(factors)
    odd = np.count_nonzero(swaps != np.arange(len(swaps))) % 2
    size = np.abs(pivots)
    with np.errstate(all="ignore"):
        signs = np.where(size == 0, 0, pivots / size)
        logs = np.log(size)
    return [np.asarray(np.prod(signs) * (-1 if odd else 1), factors.dtype), np.asarray(logs.sum(), size.dtype)]


# ------------------------------------------------------------------------------------------- orthogonal factors


def qr(a: Array) -> list[Array]:
    """q and r by Householder's reflections, with the signs of LAPACK's."""
    if not np.isfinite(a).all() or not a.size:
        return matrices.qr(a)
    q, r = np.linalg.qr(a)
    return [q, r]


def complete_basis(given: Array) -> Array:
    """A unitary matrix that begins with the columns given, then come unit vectors, less what is in those before."""
    return matrices.completed(given, _adjoint)


def _phases(vectors: Array) -> Array:
    """For each column what makes the chosen element real and positive."""
    if not vectors.size:
        return np.ones(vectors.shape[-1], vectors.dtype)
    size = np.abs(vectors)
    first = np.argmax(size >= 0.6 * size.max(0), 0)
    chosen = vectors[first, np.arange(len(first))]
    return np.where(chosen == 0, 1, chosen.conj() / np.where(chosen == 0, 1, np.abs(chosen))).astype(vectors.dtype)


def eigh(a: Array) -> list[Array]:
    """Eigenvalues, ascending, and eigenvectors of the Hermitian matrix of which the lower triangle is read."""
    if not np.isfinite(np.tril(a)).all():
        raise Fault(0)
    if not a.size:
        return [np.zeros(0, a.real.dtype), a]
    try:
        values, vectors = np.linalg.eigh(_hermitian(a))
    except np.linalg.LinAlgError:
        raise Fault(0) from None
    return [values, vectors * _phases(vectors)]


def eigvalsh(a: Array) -> Array:
    return eigh(a)[0]


def svd(a: Array) -> list[Array]:
    """u, s, v with a = u diag(s) v; s descending."""
    if not np.isfinite(a).all():
        raise Fault(0)
    if not a.size:
        k = min(a.shape)
        return [np.eye(len(a), k, dtype=a.dtype), np.zeros(k, a.real.dtype), np.eye(k, a.shape[1], dtype=a.dtype)]
    try:
        u, s, v = np.linalg.svd(a, full_matrices=False)
    except np.linalg.LinAlgError:
        raise Fault(0) from None
    phases = _phases(u)
    return [u * phases, s, v * phases.conj()[:, None]]


def svdvals(a: Array) -> Array:
    return svd(a)[1]


def pinv(a: Array, smallest: Array) -> Array:
    """The pseudo-inverse; singular values up to `smallest` times the largest count as 0."""
    u, s, v = svd(a)
    with np.errstate(all="ignore"):
        inverted = np.where(s > smallest * s[:1], 1 / s, 0)
    return _adjoint(v) @ (inverted[:, None] * _adjoint(u))
