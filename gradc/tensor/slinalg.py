"""Linear algebra of matrices, with the names of `aesara.tensor.slinalg` and `scipy.linalg`.

Leading axes are a batch, and broadcast (where of static size 1).  Arguments are float32 or float64, integers become
floatX.  Each is a routine of `ir.routines`; where one fails, LinAlgError tells the index of the matrix in the batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradc.config import config
from gradc.errors import ShapeError, TypeMismatchError, at
from gradc.ir import build, dtypes
from gradc.ir.graph import apply, describe, user_line
from gradc.ir.routines import solve_name
from gradc.tensor.convert import as_tensor_variable, cast
from gradc.tensor.shape import matrix_transpose, shape_padright
from gradc.tensor.types import TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = ["cholesky", "solve_triangular"]

# rows of `tensor.numpy_api`
NUMPY: dict[str, Any] = {"cholesky": (lambda a, upper=False: cholesky(a, not upper), "a upper=")}


def _floats(what: str, ndim: int, *given: TensorLike) -> list[TensorVariable]:
    """Tensors of one float dtype, of at least `ndim` dimensions."""
    values = [as_tensor_variable(x) for x in given]
    for x in values:
        if x.type.dtype in dtypes.COMPLEX:
            raise TypeMismatchError(f"{what} takes real numbers, {describe(x)} is {x.type.short()}{at(x.source)}")
        if x.type.ndim < ndim:
            raise ShapeError(f"{what} takes at least {ndim} dimension(s), {describe(x)} is {x.type.short()}"
                             f"{at(x.source)}")
    dtype = dtypes.upcast(*[x.type.dtype if x.type.dtype in dtypes.FLOATS else config.floatX for x in values])
    return [cast(x, dtype) for x in values]


def _matrix(what: str, x: TensorVariable) -> TensorVariable:
    if x.type.ndim < 2:
        raise ShapeError(f"{what} takes matrices, {describe(x)} is {x.type.short()}{at(x.source)}")
    return x


def solve_triangular(a: TensorLike, b: TensorLike, trans: int | str = 0, lower: bool = False,
                     unit_diagonal: bool = False, check_finite: bool = True,
                     b_ndim: int | None = None) -> TensorVariable:
    """x with a x = b (a.T x = b if trans is 1 or "T"), a being a triangular matrix, of which the rest is not read.

    Shapes: (..., m, m) and (m,), or (..., m, m) and (..., m, n).  b_ndim=1: b is a batch of vectors, (..., m).
    unit_diagonal: the diagonal is taken for 1s.  check_finite: accepted; nan and inf give what comes of them.
    Raises: LinAlgError, at the call, if the diagonal has a 0.   Error: that of the BLAS in use, or of substitution.
    """
    if trans not in (0, 1, 2, "N", "T", "C"):
        raise TypeMismatchError(f"solve_triangular: trans is 0, 1, 2 or 'N', 'T', 'C', got {trans!r}{at(user_line())}")
    a, b = _floats("solve_triangular", 1, a, b)
    if trans not in (0, "N"):
        a, lower = matrix_transpose(_matrix("solve_triangular", a)), not lower
    vectors = b.type.ndim == 1 if b_ndim is None else b_ndim == 1
    if vectors:
        b = shape_padright(b)
    x = apply(build.call(solve_name(not lower, unit_diagonal)), _matrix("solve_triangular", a), _matrix(
        "solve_triangular", b))
    return x[..., 0] if vectors else x


def cholesky(x: TensorLike, lower: bool = True, on_error: str = "raise") -> TensorVariable:
    """The triangular L with L L.T = x (not `lower`: L.T L = x), of which only that triangle is read.

    Shapes: (..., m, m).  on_error: what becomes of a matrix that is not positive definite: "raise", or "nan" for it.
    Raises: LinAlgError, at the call.   Error: that of the LAPACK in use, or of the plain algorithm.
    """
    if on_error not in ("raise", "nan"):
        raise TypeMismatchError(f"cholesky: on_error is 'raise' or 'nan', got {on_error!r}{at(user_line())}")
    op = build.call("cholesky" if on_error == "raise" else "cholesky_or_nan")
    (x,) = _floats("cholesky", 2, x)
    return apply(op, x) if lower else matrix_transpose(apply(op, matrix_transpose(x)))
