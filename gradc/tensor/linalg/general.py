"""Any square matrix: eigenvalues, Schur's form, square root and logarithm.  They ask for a LAPACK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradc.ir import build
from gradc.ir.graph import apply
from gradc.tensor.linalg.arguments import one_of, square
from gradc.tensor.types import TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = ["eig", "eigvals", "logm", "schur", "sqrtm"]

# rows of `tensor.numpy_api`
NUMPY: dict[str, Any] = {"eig": (lambda a: eig(a), "a"), "eigvals": (lambda a: eigvals(a), "a")}


def eig(a: TensorLike) -> tuple[TensorVariable, TensorVariable]:
    """Eigenvalues and right eigenvectors (columns), of norm 1, complex whatever they are.

    Shapes: (..., m, m) -> (..., m), (..., m, m).  In LAPACK's order; of each vector the first element that is not
    smaller than 0.6 of the largest is positive.  NumPy's are real where all eigenvalues are.
    The derivative asks for distinct eigenvalues; it is nan or inf where two are equal.
    Raises: LinAlgError, at the call, for nan and inf, or if there is no LAPACK.
    """
    values, vectors, _, _ = apply(build.call("eig"), square("eig", a))
    return values, vectors


def eigvals(a: TensorLike) -> TensorVariable:
    """The eigenvalues of `eig`."""
    return eig(a)[0]


def schur(a: TensorLike, output: str = "real") -> tuple[TensorVariable, TensorVariable]:
    """t and an orthogonal z with a = z t z.T; t has blocks of one or two rows on its diagonal, and 0 below them.

    Shapes: (..., m, m), (..., m, m).  A block of two rows is that of two conjugate eigenvalues.  Of symmetric matrices
    `eigh` gives the same with derivatives; this has none: they ask for a gauge of each block.
    Raises: LinAlgError, at the call, for nan and inf, or if there is no LAPACK; NotDifferentiableError.
    """
    one_of("schur", "output", output, ("real", "r"))
    t, z = apply(build.call("schur"), square("schur", a))
    return t, z


def _of_matrix(name: str, a: TensorLike, hermitian: bool) -> TensorVariable:
    return apply(build.call(f"{name}_symmetric" if hermitian else name), square(name, a))


def sqrtm(a: TensorLike, hermitian: bool = False) -> TensorVariable:
    """The principal square root of square matrices.  Shapes: (..., m, m).

    hermitian: of symmetric matrices without negative eigenvalues, of which the lower triangle is read; then the second
    derivative is nan where eigenvalues are equal.  The derivative asks for an invertible matrix.
    Source: A. Bjorck, S. Hammarling (1983).  Error: about the spacing of floats times |root|^2 / |a|.
    Raises: LinAlgError, at the call, for negative eigenvalues, whose root is not real (SciPy's is complex then), for
        singular matrices without a root, nan and inf, or if there is no LAPACK.
    """
    return _of_matrix("sqrtm", a, hermitian)


def logm(a: TensorLike, hermitian: bool = False) -> TensorVariable:
    """The principal logarithm of square matrices.  Shapes: (..., m, m).

    hermitian: of positive definite symmetric matrices, of which the lower triangle is read; then the second derivative
    is nan where eigenvalues are equal.  Source: inverse scaling and squaring, N. Higham, Functions of Matrices (2008).
    Raises: LinAlgError, at the call, for eigenvalues that are negative or 0, whose logarithm is not real (SciPy's is
        complex then), for nan and inf, or if there is no LAPACK.
    """
    return _of_matrix("logm", a, hermitian)
