"""Any square matrix: eigenvalues, Schur's form, square root and logarithm.  They ask for a LAPACK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradc.ir import build
from gradc.ir.graph import apply
from gradc.tensor import elemwise as ew
from gradc.tensor.creation import zeros_like
from gradc.tensor.linalg.arguments import is_complex, one_of, square, symmetric
from gradc.tensor.types import TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = ["eig", "eigvals", "logm", "schur", "sqrtm"]

# rows of `tensor.numpy_api`
NUMPY: dict[str, Any] = {"eig": (lambda a: eig(a), "a"), "eigvals": (lambda a: eigvals(a), "a")}


def eig(a: TensorLike) -> tuple[TensorVariable, TensorVariable]:
    """Eigenvalues and right eigenvectors (columns), of norm 1, complex whatever they are.

    Shapes: (..., m, m) -> (..., m), (..., m, m).  In LAPACK's order; of each vector the first element that is not
    smaller than 0.6 of the largest is real and positive.  NumPy's are real where a is and all eigenvalues are.
    The derivative asks for distinct eigenvalues; it is nan or inf where two are equal.
    Raises: LinAlgError, at the call, for nan and inf, or if there is no LAPACK.
    """
    values, vectors, _, _ = apply(build.call("eig"), square("eig", a))
    return values, vectors


def eigvals(a: TensorLike) -> TensorVariable:
    """The eigenvalues of `eig`."""
    return eig(a)[0]


def schur(a: TensorLike, output: str = "real") -> tuple[TensorVariable, TensorVariable]:
    """t and a unitary z with a = z t z.conj().T; t is triangular, but, for real a, has blocks of one or two rows on its
    diagonal, and z is orthogonal.  output "complex" ("c"): as of complex a, which is what complex a always gets.

    Shapes: (..., m, m), (..., m, m).  A block of two rows is that of two conjugate eigenvalues.
    It has no derivative: the order of the eigenvalues and the signs, or phases, of z are LAPACK's choice, which jumps
    where a moves.  `eig`, `sqrtm` and `logm` have one, of symmetric matrices so has `eigh`, which gives the same form.
    Raises: LinAlgError, at the call, for nan and inf, or if there is no LAPACK; NotDifferentiableError.
    """
    one_of("schur", "output", output, ("real", "r", "complex", "c"))
    a = square("schur", a)
    t, z = apply(build.call("schur"), a if output in ("real", "r") else _complex(a))
    return t, z


def _complex(a: TensorVariable) -> TensorVariable:
    return a if is_complex(a) else ew.complex(a, zeros_like(a))


def _of_matrix(name: str, a: TensorLike, hermitian: bool) -> TensorVariable:
    a = square(name, a)
    if is_complex(a):
        return apply(build.call(name), symmetric(a) if hermitian else a)
    return apply(build.call(f"{name}_symmetric" if hermitian else name), a)


def sqrtm(a: TensorLike, hermitian: bool = False) -> TensorVariable:
    """The principal square root of square matrices, real of real ones.  Shapes: (..., m, m).

    hermitian: of symmetric matrices without negative eigenvalues, of which the lower triangle is read; then the second
    derivative is nan where eigenvalues are equal.  The derivative asks for an invertible matrix.  Complex a has a root
    whatever the eigenvalues, that of a negative one is above the real axis; so has `complex(a, 0)` of real a.
    Source: A. Bjorck, S. Hammarling (1983).  Error: about the spacing of floats times |root|^2 / |a|.
    Raises: LinAlgError, at the call, for negative eigenvalues of real a, whose root is not real (SciPy's is complex
        then), for singular matrices without a root, nan and inf, or if there is no LAPACK.
    """
    return _of_matrix("sqrtm", a, hermitian)


def logm(a: TensorLike, hermitian: bool = False) -> TensorVariable:
    """The principal logarithm of square matrices, real of real ones.  Shapes: (..., m, m).

    hermitian: of positive definite symmetric matrices, of which the lower triangle is read; then the second derivative
    is nan where eigenvalues are equal.  Complex a has a logarithm unless an eigenvalue is 0, that of a negative one is
    above the real axis; so has `complex(a, 0)` of real a.
    Source: inverse scaling and squaring, N. Higham, Functions of Matrices (2008).
    Raises: LinAlgError, at the call, for eigenvalues that are 0 or, of real a, negative, whose logarithm is not real
        (SciPy's is complex then), for nan and inf, or if there is no LAPACK.
    """
    return _of_matrix("logm", a, hermitian)
