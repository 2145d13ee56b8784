"""What transforms share: the axis that is transformed, its length, and by what results are multiplied."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradc.errors import ShapeError, TypeMismatchError, at, quoted
from gradc.ir import build, dtypes, graph
from gradc.ir.graph import Constant, describe, user_line
from gradc.tensor import elemwise as ew
from gradc.tensor.checks import in_range, integer, named
from gradc.tensor.convert import as_tensor_variable, cast, constant, of_sizes, size_of, sizes_of
from gradc.tensor.creation import zeros
from gradc.tensor.joining import join, slice_axis
from gradc.tensor.reduce import normalize_axis
from gradc.tensor.types import Axis, SizeLike, TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

NORMS = (None, "backward", "ortho", "forward")


def numbers(what: str, x: TensorLike, complex: bool) -> TensorVariable:
    """x as floats of its precision, or, if they are taken, complex numbers."""
    x = as_tensor_variable(x)
    dtype = x.type.dtype
    if dtype in dtypes.COMPLEX and not complex:
        raise TypeMismatchError(f"{what} takes real numbers, {describe(x)} is {x.type.short()}{at(x.source)}")
    if x.type.ndim == 0:
        raise ShapeError(f"{what} takes at least one dimension, {describe(x)} is a scalar{at(x.source)}")
    dtype = "float32" if dtype == "float16" else dtype if dtype in dtypes.CONTINUOUS else dtypes.working()
    return cast(x, dtype)


def as_complex(x: TensorVariable) -> TensorVariable:
    """x as complex numbers of its precision."""
    return cast(x, dtypes.COMPLEX_OF.get(x.type.dtype, x.type.dtype))


def checked_norm(what: str, norm: str | None) -> str:
    if norm not in NORMS:
        raise TypeMismatchError(f"{what}: norm is 'backward', 'ortho', 'forward' or None, got {quoted(norm)}"
                                f"{at(user_line())}")
    return norm or "backward"


def swapped(norm: str | None) -> str | None:
    """The norm of the inverse transform that multiplies as the transform does."""
    return {None: "forward", "backward": "forward", "forward": "backward"}.get(norm, norm)


def last(what: str, x: TensorVariable, axis: Axis) -> tuple[TensorVariable, int]:
    """x with `axis` as its last one, and the axis as a number that is not negative."""
    where = normalize_axis(axis, x.type.ndim, what, x)
    return build.move_axis(graph, x, where, x.type.ndim - 1), where


def back(x: TensorVariable, axis: int) -> TensorVariable:
    """x with its last axis at `axis`."""
    return build.move_axis(graph, x, x.type.ndim - 1, axis)


def length(what: str, n: SizeLike, name: str = "n") -> TensorVariable:
    """A length as an int64 scalar, at least 1."""
    size = integer(n, what, name)
    return in_range(size, 1, None, f"{what}: {name} must be at least 1, got {{0}}")


def fitted(what: str, x: TensorVariable, n: SizeLike | None, axis: int = -1) -> tuple[TensorVariable, TensorVariable]:
    """x with n elements along `axis`, cut or with zeros at the end, and n (None: as many as there are)."""
    axis %= x.type.ndim
    have = size_of(x, axis)
    if n is None:
        return x, have
    want = length(what, n)
    if isinstance(have, Constant) and isinstance(want, Constant):
        if have.data >= want.data:
            return (x if have.data == want.data else slice_axis(x, axis, None, want)), want
    else:
        x = slice_axis(x, axis, None, want)
    missing = of_sizes(lambda a, b: a - b, want, size_of(x, axis))
    shape = sizes_of(x)
    margin = zeros([*shape[:axis], missing, *shape[axis + 1:]], dtype=x.type.dtype)
    return join(axis, x, margin), want


def nonempty(what: str, x: TensorVariable, by: TensorVariable, axis: int = -1) -> TensorVariable:
    """The factor `by`, once it is certain that x has elements along `axis`; x itself is transformed as it is."""
    axis %= x.type.ndim
    return in_range(size_of(x, axis), 1, None, f"{what}: axis {axis} of {named(x)} has no elements", on=by)


def factor(norm: str, inverse: bool, n: TensorVariable, dtype: str) -> TensorVariable:
    """What a transform of length n is multiplied by."""
    dtype = dtypes.REAL_PART.get(dtype, dtype)
    if norm == ("backward", "forward")[inverse]:
        return constant(1, dtype=dtype)
    if isinstance(n, Constant):
        return constant(float(n.data) ** (-0.5 if norm == "ortho" else -1.0), dtype=dtype)
    count = cast(n, "float64")
    return cast(ew.true_divide(constant(1, dtype="float64"), ew.sqrt(count) if norm == "ortho" else count), dtype)


def half_length(n: TensorVariable) -> TensorVariable:
    """n // 2 + 1: how many elements tell the transform of n real numbers."""
    return of_sizes(lambda size: size // 2 + 1, n)
