"""Values of the routines of any square matrix, in NumPy: eigenvalues, Schur's form, square root and logarithm.

See `ir.matrices` for what complex arguments are.
"""

from __future__ import annotations

import numpy as np

from gradc.ir.matrices import Array, Fault, check_finite

# The Gauss-Legendre rule of 16 points: its positive nodes, each with its weight (mpmath).  Written out, for
# numpy.polynomial would be a twentieth of what `import gradc` takes.
GAUSS = (
    (0.09501250983763744, 0.1894506104550685), (0.2816035507792589, 0.18260341504492358),
    (0.45801677765722737, 0.16915651939500254), (0.6178762444026438, 0.14959598881657674),
    (0.755404408355003, 0.12462897125553388), (0.8656312023878318, 0.09515851168249279),
    (0.9445750230732326, 0.062253523938647894), (0.9894009349916499, 0.027152459411754096),
)


def eig(a: Array) -> list[Array]:
    """Eigenvalues, right eigenvectors of norm 1, the inverse of their matrix, and of each the element that is positive:
    the first that is not smaller than 0.6 of the largest."""
    check_finite(a)
    kind = np.result_type(a.dtype, np.complex64)
    n = len(a)
    if not n:
        return [np.zeros(0, kind), np.zeros((0, 0), kind), np.zeros((0, 0), kind), np.zeros(0, np.int64)]
    values, vectors = np.linalg.eig(a)
    sizes = np.abs(vectors)
    place = np.argmax(sizes >= 0.6 * sizes.max(0), 0)
    first = vectors[place, np.arange(n)]
    vectors = (vectors * (np.conj(first) / np.abs(first))).astype(kind)
    try:
        inverse = np.linalg.inv(vectors)
    except np.linalg.LinAlgError:
        inverse = np.full((n, n), np.nan, kind)
    return [values.astype(kind), vectors, inverse, place]


def _deflated(a: Array, pairs: bool) -> list[Array]:
    """t and a unitary z, z t z^H = a; t is triangular, or, for `pairs`, real with blocks of two rows.

    The invariant space of an eigenvalue, or of two, comes first; then that of what is left.
    """
    check_finite(a)
    n = len(a)
    t, z, k = np.array(a), np.eye(n, dtype=a.dtype), 0
    while k < n - 1:
        part = t[k:, k:]
        w = np.linalg.eigvals(part)[0]
        two = pairs and not np.isreal(w)
        eye = np.eye(n - k)
        singular = part @ part - 2 * w.real * part + abs(w) ** 2 * eye if two else part - (
            w.real if pairs else w) * eye
        basis = np.eye(n, dtype=a.dtype)
        basis[k:, k:] = np.conj(np.linalg.svd(singular)[2][::-1].T)
        t, z = np.conj(basis.T) @ t @ basis, z @ basis
        size = 1 + two
        t[k + size:, k:k + size] = 0
        k += size
    return [t, z]


def schur(a: Array) -> list[Array]:
    """Blocks, their order and signs are not those of LAPACK."""
    return _deflated(a, True)


def complex_schur(a: Array) -> list[Array]:
    """A triangular t; the order of its diagonal and the phases are not those of LAPACK."""
    return _deflated(a, False)


def _root(t: Array) -> Array:
    """A. Bjorck, S. Hammarling, A Schur method for the square root of a matrix (1983)."""
    made = np.diag(np.sqrt(np.diagonal(t)))
    for j in range(len(t)):
        for i in reversed(range(j)):
            known, both = t[i, j] - made[i, i + 1:j] @ made[i + 1:j, j], made[i, i] + made[j, j]
            if known != 0 and both == 0:
                raise Fault(2)
            made[i, j] = known and known / both
    return made


def _log(t: Array) -> Array:
    """By roots and a Pade approximant as a quadrature: L. Dieci, B. Morini, A. Papini (1996)."""
    made, factor, eye = t, 1.0, np.eye(len(t))
    while np.abs(made - eye).sum(0).max() > 0.5:
        made, factor = _root(made), 2 * factor
    x = made - eye
    return factor * np.asarray(sum(weight / 2 * np.linalg.solve(eye + (1 + node) / 2 * x, x)
                                   for positive, weight in GAUSS for node in (-positive, positive)))


def _of_matrix(a: Array, log: bool) -> Array:
    check_finite(a)
    if not a.size:
        return a
    values = np.linalg.eigvals(a)
    limit = 0 if log else -len(a) * np.finfo(a.dtype).eps * np.abs(values).max()
    if any(w.imag == 0 and (w.real <= 0 if log else w.real < limit) for w in values):
        raise Fault(1)
    t, z = _deflated(a.astype(np.complex128), False)
    return (z @ (_log if log else _root)(t) @ np.conj(z.T)).real.astype(a.dtype)


def sqrtm(a: Array) -> Array:
    """The principal square root."""
    return _of_matrix(a, False)


def logm(a: Array) -> Array:
    """The principal logarithm."""
    return _of_matrix(a, True)


def _of_complex_matrix(a: Array, log: bool) -> Array:
    if not a.size:
        return a
    t, z = _deflated(a.astype(np.complex128), False)
    t.imag += 0.0                               # no -0: below the cut
    if log and not np.diagonal(t).all():
        raise Fault(2)
    return (z @ (_log if log else _root)(t) @ np.conj(z.T)).astype(a.dtype)


def complex_sqrtm(a: Array) -> Array:
    """The principal square root, also of negative eigenvalues."""
    return _of_complex_matrix(a, False)


def complex_logm(a: Array) -> Array:
    """The principal logarithm, also of negative eigenvalues."""
    return _of_complex_matrix(a, True)
