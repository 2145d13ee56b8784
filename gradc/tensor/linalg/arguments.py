"""What functions of linear algebra take: matrices of floats or complex numbers, vectors, batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradc.errors import ShapeError, TypeMismatchError, at
from gradc.ir import dtypes
from gradc.ir.graph import describe, user_line
from gradc.tensor import elemwise as ew
from gradc.tensor.convert import as_tensor_variable, cast
from gradc.tensor.diagonals import tril
from gradc.tensor.shape import matrix_transpose
from gradc.tensor.types import TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable


def numbers(what: str, ndim: int, *given: TensorLike, real: bool = False) -> list[TensorVariable]:
    """Tensors of one dtype, float32, float64 or complex (float16 is refused, as by NumPy), of at least `ndim`
    dimensions; `real`: complex ones are refused, too."""
    values = [as_tensor_variable(x) for x in given]
    for x in values:
        if real and x.type.dtype in dtypes.COMPLEX:
            raise TypeMismatchError(f"{what} takes real numbers, {describe(x)} is {x.type.short()}{at(x.source)}")
        if x.type.dtype == "float16":
            raise TypeMismatchError(f"{what} does not take float16, {describe(x)} is {x.type.short()}{at(x.source)}; "
                                    f"cast it to float32")
        if x.type.ndim < ndim:
            raise ShapeError(f"{what} takes at least {ndim} dimension(s), {describe(x)} is {x.type.short()}"
                             f"{at(x.source)}")
    dtype = dtypes.upcast(*[x.type.dtype if x.type.dtype in dtypes.CONTINUOUS else dtypes.working() for x in values])
    return [cast(x, dtype) for x in values]


def matrix(what: str, x: TensorVariable) -> TensorVariable:
    """x, if it has two dimensions or more."""
    if x.type.ndim < 2:
        raise ShapeError(f"{what} takes matrices, {describe(x)} is {x.type.short()}{at(x.source)}")
    return x


def square(what: str, x: TensorLike, real: bool = False) -> TensorVariable:
    """Square matrices of floats, or of complex numbers unless `real`."""
    (x,) = numbers(what, 2, x, real=real)
    rows, columns = x.type.shape[-2:]
    if rows is not None and columns is not None and rows != columns:
        raise ShapeError(f"{what} takes square matrices, {describe(x)} is {x.type.short()}{at(x.source)}")
    return x


def one_of(what: str, name: str, value: object, choices: tuple[object, ...]) -> None:
    """TypeMismatchError for an option that is none of the choices."""
    if value not in choices:
        listed = ", ".join(map(repr, choices))
        raise TypeMismatchError(f"{what}: {name} is one of {listed}, got {value!r}{at(user_line())}")


def adjoint(a: TensorVariable) -> TensorVariable:
    """Each matrix transposed, of conjugates if it is complex."""
    return matrix_transpose(ew.conj(a) if is_complex(a) else a)


def is_complex(a: TensorVariable) -> bool:
    return a.type.dtype in dtypes.COMPLEX


def part(a: TensorVariable) -> str:
    """The dtype of absolute values."""
    return dtypes.REAL_PART.get(a.type.dtype, a.type.dtype)


def symmetric(a: TensorVariable, hermitian: bool = True) -> TensorVariable:
    """The symmetric matrix that has the lower triangle of a; the Hermitian one, of which the diagonal is real."""
    if not is_complex(a) or not hermitian:
        return ew.add(tril(a), matrix_transpose(tril(a, -1)))
    below = tril(a, -1)
    return ew.add(ew.add(below, adjoint(below)), ew.sub(tril(ew.real(a)), tril(ew.real(a), -1)))
