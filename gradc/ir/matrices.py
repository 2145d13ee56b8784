"""Values of the routines of linear algebra, of one matrix each, in NumPy: what csrc/linalg.c computes.

Complex arguments are those of a complex step: real matrices that move by an imaginary part so small that its square is
nothing.  Products are without conjugates, signs and sizes are those of the real parts, and what moves is what derives.
Values of matrices that are complex are in `ir.complex_matrices`, where they differ.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Array = np.ndarray


class Fault(Exception):
    """Raised by the `value` of a row: its fault number `number` (from 0), with the values that the message shows."""

    def __init__(self, number: int, *values: float) -> None:
        super().__init__(number, *values)
        self.number, self.values = number, values


def check_finite(a: Array) -> None:
    if not np.isfinite(a).all():
        raise Fault(0)


def _real_size(x: Array) -> Array:
    return np.abs(x.real)


def _symmetric(a: Array) -> Array:
    """The symmetric matrix of which a has the lower triangle."""
    return np.tril(a) + np.tril(a, -1).T


def _as_is(x: Array) -> Array:
    return x


def _not_singular(a: Array) -> None:
    zeros = np.flatnonzero(np.diagonal(a) == 0)
    if zeros.size:
        raise Fault(0, int(zeros[0]))


def product(first: str, second: str) -> Callable[[Array, Array], Array]:
    """A product of matrices, each as it is ("n"), transposed ("t"), or transposed and conjugate ("c")."""
    def turned(x: Array, how: str) -> Array:
        return x if how == "n" else x.T if how == "t" else x.conj().T
    return lambda a, b: turned(a, first) @ turned(b, second)


# ------------------------------------------------------------------------------------------- triangular systems


def solve(upper: int, unit: int) -> Callable[[Array, Array], Array]:
    """Substitution with one triangle of the matrix; the other is not read."""
    def value(a: Array, b: Array) -> Array:
        if not unit:
            _not_singular(a)
        made = np.array(b, np.result_type(a, b))
        for i in reversed(range(len(a))) if upper else range(len(a)):
            known = slice(i + 1, None) if upper else slice(i)
            made[i] = (made[i] - a[i, known] @ made[known]) / (1 if unit else a[i, i])
        return made
    return value


_LOWER, _UPPER, _LOWER_UNIT, _UPPER_UNIT = solve(0, 0), solve(1, 0), solve(0, 1), solve(1, 1)


def cholesky(a: Array) -> Array:
    """The lower triangular L with L L^T = a, of which the lower triangle is read."""
    made = np.zeros_like(a)
    for j in range(len(a)):
        rest = a[j:, j] - made[j:, :j] @ made[j, :j]
        if not rest[0].real > 0:
            raise Fault(int(np.isnan(rest[0].real)))
        made[j:, j] = rest / np.sqrt(rest[0])
    return made


def _halved(x: Array) -> Array:
    """The lower triangle, its diagonal halved."""
    return (np.tril(x) + np.tril(x, -1)) / 2


def cholesky_back(factor: Array, g: Array) -> Array:
    """The cotangent of a matrix, in its lower triangle, by that of its Cholesky factor, of which that triangle is read.

    I. Murray, Differentiation of the Cholesky decomposition, arXiv:1602.07527, equation 10.
    """
    factor = np.tril(factor)
    half = _halved(factor.T @ np.tril(g))
    made = half + half.T
    with np.errstate(all="ignore"):
        safe = np.where(np.diagonal(factor) == 0, factor.dtype.type(np.nan), factor)
        inverse = _LOWER(safe, np.eye(len(factor), dtype=factor.dtype))
    return _halved(inverse.T @ made @ inverse)


def cholesky_solve(factor: Array, b: Array, a: Array) -> Array:
    """a^-1 b by the Cholesky factor of a."""
    return _UPPER(factor.T, _LOWER(factor, b))


# ------------------------------------------------------------------------------------------- LU factors


def lu_by(size: Callable[[Array], Array]) -> Callable[[Array], list[Array]]:
    """l u = a with its columns interchanged, u having 1s on its diagonal; with which the k-th was interchanged.

    size: of which the largest in a row is the pivot.
    """
    def value(a: Array) -> list[Array]:
        made, n = np.array(a), len(a)
        swaps = np.zeros(n, np.int64)
        for k in range(n):
            sizes = size(made[k, k:])
            best = k
            for j in range(k + 1, n):
                best = j if sizes[j - k] > sizes[best - k] else best
            swaps[k] = best
            made[:, [k, best]] = made[:, [best, k]]
            if made[k, k] != 0:
                made[k, k + 1:] /= made[k, k]
            made[k + 1:, k + 1:] -= made[k + 1:, k, None] * made[k, k + 1:]
        return [made, swaps]
    return value


lu = lu_by(_real_size)


def lu_definite(a: Array) -> list[Array]:
    """The same of a symmetric matrix, of its Cholesky factor if no pivot of that is lost in the rounding of its row."""
    diagonal = np.diagonal(a)
    try:
        factor = cholesky(a)
    except Fault:
        return lu(a)
    roots = np.diagonal(factor)
    if (roots.real ** 2 <= len(a) * np.finfo(a.dtype).eps * diagonal.real).any():
        return lu(a)
    return [np.tril(factor * roots) + np.triu(factor.T / roots[:, None], 1), np.arange(len(a))]


def _interchanged(x: Array, swaps: Array, backwards: bool) -> Array:
    x = np.array(x)
    for k in range(len(x))[::-1 if backwards else 1]:
        x[[k, swaps[k]]] = x[[swaps[k], k]]
    return x


def interchange(back: int) -> Callable[[Array, Array], Array]:
    """Rows of x interchanged, in order or from the last on."""
    def value(swaps: Array, x: Array) -> Array:
        outside = np.flatnonzero((swaps < 0) | (swaps >= len(x)))
        if outside.size:
            raise Fault(0, int(swaps[outside[0]]), len(x))
        return _interchanged(x, swaps, bool(back))
    return value


def lu_solve(trans: int) -> Callable[[Array, Array, Array, Array], Array]:
    """a^-1 b, or a^-T b, by the factors of a."""
    def value(factors: Array, swaps: Array, b: Array, a: Array) -> Array:
        _not_singular(factors)
        if trans:
            return _UPPER(factors.T, _LOWER_UNIT(factors.T, _interchanged(b, swaps, False)))
        return _interchanged(_UPPER_UNIT(factors, _LOWER(factors, b)), swaps, True)
    return value


def lu_inverse(factors: Array, swaps: Array, a: Array) -> Array:
    return lu_solve(0)(factors, swaps, np.eye(len(factors), dtype=factors.dtype), a)


def lu_det(factors: Array, swaps: Array, a: Array) -> Array:
    odd = np.count_nonzero(swaps != np.arange(len(swaps))) % 2
    return np.asarray(np.prod(np.diagonal(factors)) * (-1 if odd else 1), factors.dtype)


def lu_slogdet(factors: Array, swaps: Array, a: Array) -> list[Array]:
    pivots = np.diagonal(factors)
    signs = np.sign(pivots.real)
    odd = np.count_nonzero(swaps != np.arange(len(swaps))) % 2
    sign = np.prod(signs) * signs.dtype.type(-1 if odd else 1)
    with np.errstate(all="ignore"):
        logs = np.log(np.where(signs < 0, -pivots, pivots))
    return [np.asarray(sign + 0, factors.dtype), np.asarray(logs.sum(), factors.dtype)]


def ldl_by(size: Callable[[Array], Array], whole: Callable[[Array], Array],
           conjugate: Callable[[Array], Array]) -> Callable[[Array], list[Array]]:
    """l, d and order: l d l^T = a[order][:, order], of which the lower triangle is read; d has blocks of 1 or 2 rows.

    size: of which the largest are pivots; whole: makes the matrix of its triangle, with `conjugate` above it.
    J. Bunch, L. Kaufman, Some stable methods for calculating inertia and solving symmetric linear systems (1977).
    """
    def value(a: Array) -> list[Array]:
        check_finite(np.tril(a))
        n = len(a)
        w = whole(a)
        low, d, order = np.eye(n, dtype=a.dtype), np.zeros_like(a), np.arange(n)
        k = 0
        while k < n:
            width, best = _pivot(size(w), k)
            last = k + width - 1
            for x in (w, w.T, order):
                x[[last, best]] = x[[best, last]]
            low[[last, best], :k] = low[[best, last], :k]
            own, rest = slice(k, k + width), slice(k + width, n)
            d[own, own] = block = np.array(w[own, own])
            if width == 2:
                scale = size(block[1, 0])
                first, second, side = block[1, 1] / scale, block[0, 0] / scale, block[1, 0] / scale
                inverse = np.array([[first, -conjugate(side)], [-side, second]])
                inverse = inverse / (first * second - side * conjugate(side)) / scale
                low[rest, own] = w[rest, own] @ inverse
            elif block[0, 0] != 0:
                low[rest, own] = w[rest, own] / block[0, 0]
            w[rest, rest] -= low[rest, own] @ w[own, rest]
            k += width
        return [low, d, order]
    return value


ldl = ldl_by(_real_size, _symmetric, _as_is)


def _pivot(size: Array, k: int) -> tuple[int, int]:
    """How many rows the block at k has, and the row that goes to its last one; size: absolute values."""
    limit = (1 + 17 ** 0.5) / 8
    if not size[k + 1:, k].any():
        return 1, k
    most = size[k + 1:, k].max()
    row = k + 1 + int(np.argmax(size[k + 1:, k]))
    if size[k, k] >= limit * most:
        return 1, k
    beside = np.delete(size[row, k:], row - k).max()
    if size[k, k] >= limit * most * (most / beside):
        return 1, k
    return (1, row) if size[row, row] >= limit * beside else (2, row)


# ------------------------------------------------------------------------------------------- orthogonal factors


def qr(a: Array) -> list[Array]:
    """q and r by Householder's reflections, with the signs of LAPACK's."""
    m, n = a.shape
    k = min(m, n)
    if not np.isfinite(a).all():
        return [np.full((m, k), np.nan, a.dtype), np.triu(np.full((k, n), np.nan, a.dtype))]
    r, reflections = np.array(a), []
    for j in range(k):
        v = np.array(r[j:, j])
        factor = v.dtype.type(0)
        if np.any(v[1:] != 0):
            most = np.abs(v.real).max() or 1
            size = most * np.sqrt(np.sum((v / most) ** 2))
            made = -size if v[0].real >= 0 and not np.signbit(v[0].real) else size
            factor = (made - v[0]) / made
            v[1:] /= v[0] - made
        v[0] = 1
        r[j:] -= factor * v[:, None] * (v @ r[j:])
        reflections.append((factor, v))
    q = np.eye(m, k, dtype=a.dtype)
    for j in reversed(range(len(reflections))):
        factor, v = reflections[j]
        q[j:] -= factor * v[:, None] * (v @ q[j:])
    return [q, np.triu(r[:k])]


def completed(given: Array, adjoint: Callable[[Array], Array]) -> Array:
    """An orthogonal matrix that begins with the columns given, then come unit vectors, less what is in those before."""
    m, n = given.shape
    if n > m:
        raise Fault(0)
    made = np.zeros((m, m), given.dtype)
    made[:, :n] = given
    for r in range(n, m):
        rest = 1 - np.sum(np.abs(made[:, :r]) ** 2, 1)
        row = np.zeros(m, made.dtype)
        row[np.flatnonzero(rest >= 0.45 * (m - r) / m)[0] if not np.isnan(rest).any() else 0] = 1
        for _ in range(2):
            for i in range(r):
                row -= (row @ adjoint(made[:, i])) * made[:, i]
        made[:, r] = row / np.linalg.norm(row)
    return made


def complete_basis(given: Array) -> Array:
    made = completed(given.real, np.transpose).astype(given.dtype)
    n = given.shape[1]
    made[:, n:] -= given @ (given.T @ made[:, n:]) if given.dtype.kind == "c" else 0
    made[:, :n] = given
    return made


def _signs(vectors: Array) -> Array:
    """For each column the sign of the first element that is not smaller than 0.6 of the largest."""
    if not vectors.size:
        return np.ones(vectors.shape[-1], vectors.dtype)
    sizes = np.abs(vectors)
    first = np.argmax(sizes >= 0.6 * sizes.max(0), 0)
    return np.where(vectors[first, np.arange(len(first))] < 0, -1, 1).astype(vectors.dtype)


def eigh(a: Array) -> list[Array]:
    """Eigenvalues, ascending, and eigenvectors of the symmetric matrix of which the lower triangle is read."""
    check_finite(np.tril(a))
    whole = np.tril(a) + np.tril(a, -1).T
    try:
        values, vectors = np.linalg.eigh(whole.real) if whole.size else (np.zeros(0, whole.dtype), whole)
    except np.linalg.LinAlgError:
        raise Fault(0) from None
    vectors = vectors * _signs(vectors)
    return [values, vectors] if a.dtype.kind != "c" else _moved_spectrum(values, vectors, whole)


def _moved_spectrum(values: Array, vectors: Array, a: Array) -> list[Array]:
    """Perturbation theory of first order: T. Kato, Perturbation Theory for Linear Operators, II.2."""
    inner = vectors.T @ a.imag @ vectors
    with np.errstate(all="ignore"):
        gaps = values - values[:, None]
        slopes = np.where(np.eye(len(values), dtype=bool), 0, inner / gaps)
    return [values + 1j * np.diagonal(inner), vectors + 1j * (vectors @ slopes)]


def eigvalsh(a: Array) -> Array:
    return eigh(a)[0]


def svd(a: Array) -> list[Array]:
    """u, s, v with a = u diag(s) v; s descending."""
    check_finite(a)
    try:
        u, s, v = np.linalg.svd(a.real, full_matrices=False) if a.size else (
            np.eye(len(a), min(a.shape), dtype=a.real.dtype), np.zeros(min(a.shape), a.real.dtype),
            np.eye(min(a.shape), a.shape[1], dtype=a.real.dtype))
    except np.linalg.LinAlgError:
        raise Fault(0) from None
    signs = _signs(u)
    u, v = u * signs, v * signs[:, None]
    if a.dtype.kind != "c":
        return [u, s, v]
    wide = a.shape[0] < a.shape[1]              # the squares' eigenvectors are those of the smaller side
    squares, moved = _moved_spectrum(s * s, u if wide else v.T, a @ a.T if wide else a.T @ a)
    roots = np.sqrt(squares)
    return [moved, roots, (moved.T @ a) / roots[:, None]] if wide else [(a @ moved) / roots, roots, moved.T]


def svdvals(a: Array) -> Array:
    return svd(a)[1]


def pinv(a: Array, smallest: Array) -> Array:
    """The pseudo-inverse; singular values up to `smallest` times the largest count as 0."""
    u, s, v = svd(a)
    with np.errstate(all="ignore"):
        inverted = np.where(s.real > smallest.real * s[:1].real, 1 / s, 0)
    return v.T @ (inverted[:, None] * u.T)


# ------------------------------------------------------------------------------------------- functions of matrices


_PADE = (64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0, 129060195264000.0,
         10559470521600.0, 670442572800.0, 33522128640.0, 1323241920.0, 40840800.0, 960960.0, 16380.0, 182.0, 1.0)


def expm_by(size: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """The exponential, by the Pade approximant of degree 13, scaled and squared (Higham 2005); size: for the norm."""
    def value(a: Array) -> Array:
        check_finite(a)
        if not a.size:
            return a
        norm = size(a).sum(0).max()
        halvings = max(int(np.frexp(norm / 5.371920351148152)[1]), 0)
        a = a / np.asarray(2.0 ** halvings, a.real.dtype)
        powers = [np.eye(len(a), dtype=a.dtype), a @ a]
        powers += [powers[1] @ powers[1], powers[1] @ powers[1] @ powers[1]]
        b = np.asarray(_PADE, a.real.dtype)
        even = powers[3] @ (b[12] * powers[3] + b[10] * powers[2] + b[8] * powers[1])
        odd = powers[3] @ (b[13] * powers[3] + b[11] * powers[2] + b[9] * powers[1])
        even = even + b[6] * powers[3] + b[4] * powers[2] + b[2] * powers[1] + b[0] * powers[0]
        odd = a @ (odd + b[7] * powers[3] + b[5] * powers[2] + b[3] * powers[1] + b[1] * powers[0])
        made = np.linalg.solve(even - odd, even + odd)
        for _ in range(halvings):
            made = made @ made
        return made
    return value


expm = expm_by(_real_size)


def of_spectrum(log: int) -> Callable[[Array], Array]:
    """v f(w) v^T of a symmetric matrix with eigenvalues w, f being the log or the square root."""
    def value(a: Array) -> Array:
        w, v = eigh(a)
        if w.size and (w[0].real <= 0 if log else w[0].real < -len(w) * np.finfo(w.real.dtype).eps * np.abs(w[-1])):
            raise Fault(1)
        return (v * (np.log(w) if log else np.sqrt(np.where(w.real < 0, 0, w)))) @ v.T
    return value


def solve_banded_by(size: Callable[[Array], Array]) -> Callable[[Array, Array, Array], Array]:
    """The solution with the matrix whose element [i, j] is band[u + i - j, j], u = len(band) - 1 - low.

    size: of which the largest in a column is the pivot.
    """
    def value(low: Array, band: Array, b: Array) -> Array:
        high, n = len(band) - 1 - int(low), band.shape[1]
        a = np.zeros((n, n), band.dtype)
        for k in range(len(band)):
            columns = np.arange(max(high - k, 0), min(n + high - k, n))
            a[columns - high + k, columns] = band[k, columns]
        x = np.array(b, np.result_type(band, b))
        for k in range(n):                          # elimination in the band, with interchanges of rows
            below, right = slice(k + 1, k + int(low) + 1), slice(k, k + len(band))
            sizes, best = size(a[k:below.stop, k]), k
            for i in range(k + 1, k + len(sizes)):
                best = i if sizes[i - k] > sizes[best - k] else best
            a[[k, best], right], x[[k, best]] = a[[best, k], right], x[[best, k]]
            if a[k, k] == 0:
                raise Fault(0, k)
            factor = a[below, k, None] / a[k, k]
            a[below, right] -= factor * a[k, right]
            x[below] -= factor * x[k]
        for k in reversed(range(n)):
            right = slice(k + 1, k + len(band))
            x[k] = (x[k] - a[k, right] @ x[right]) / a[k, k]
        return x
    return value


solve_banded = solve_banded_by(_real_size)


def sylvester(a: Array, b: Array, q: Array) -> Array:
    """x of a x + x b = q, as one system of all unknowns."""
    for x in (a, b, q):
        check_finite(x)
    eyes = [np.eye(len(x), dtype=x.dtype) for x in (a, b)]
    try:
        return np.linalg.solve(np.kron(a, eyes[1]) + np.kron(eyes[0], b.T), q.reshape(-1, 1)).reshape(q.shape)
    except np.linalg.LinAlgError:
        raise Fault(1) from None


def riccati_by(adjoint: Callable[[Array], Array],
               factored: Callable[[Array], list[Array]]) -> Callable[[Array, Array, Array, Array], Array]:
    """The stabilizing x of x = a^H x a - a^H x b (r + b^H x b)^-1 b^H x a + q, by doubling."""

    def riccati(a: Array, b: Array, q: Array, r: Array) -> Array:
        for v in (a, b, q, r):
            check_finite(v)
        factors, _ = factored(r)
        if (np.diagonal(factors) == 0).any():
            raise Fault(1)
        g, x = b @ np.linalg.solve(r, adjoint(b)), np.array(q)
        for _ in range(61):
            with np.errstate(all="ignore"):
                w = np.eye(len(a), dtype=a.dtype) + g @ x
                try:
                    va, vg = np.linalg.solve(w, a), np.linalg.solve(w, g)
                except np.linalg.LinAlgError:
                    break
                step = adjoint(a) @ (x @ va)
                x = x + step
                g, a = g + a @ vg @ adjoint(a), a @ va
            if not np.isfinite(x).all():
                break
            if not np.any(np.abs(step.real) > np.finfo(x.dtype).eps * np.abs(x.real).max(initial=0)) and not np.any(
                    np.abs(step.imag) > np.finfo(x.dtype).eps * np.abs(x.imag).max(initial=0)):
                return x
        raise Fault(2)

    return riccati


riccati = riccati_by(np.transpose, lu)
