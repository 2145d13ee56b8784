"""Less common functions of NumPy and Aesara, as composites: differences, one-hot rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradc.config import config
from gradc.errors import TypeMismatchError, at
from gradc.ir import dtypes, ops
from gradc.ir.dtypes import DTypeLike
from gradc.ir.graph import apply, describe
from gradc.tensor import elemwise as ew
from gradc.tensor.checks import in_range, not_negative, python_integer
from gradc.tensor.convert import as_tensor_variable, cast, sizes
from gradc.tensor.joining import slice_axis
from gradc.tensor.reduce import normalize_axis
from gradc.tensor.shape import shape_padright
from gradc.tensor.types import Axis, SizeLike, TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = ["diff", "to_one_hot"]



def diff(x: TensorLike, n: int = 1, axis: Axis = -1) -> TensorVariable:
    """Differences of neighbours along `axis`, taken n times.  Dtype: same as x; bool differences are `!=`.

    Source: numpy.diff.
    """
    x = as_tensor_variable(x)
    axis = normalize_axis(axis, x.type.ndim, "diff", x)
    for _ in range(python_integer(n, "diff", "n", 0)):
        after, before = slice_axis(x, axis, 1, None), slice_axis(x, axis, None, -1)
        x = ew.neq(after, before) if x.type.dtype == "bool" else ew.sub(after, before)
    return x


def to_one_hot(y: TensorLike, nb_class: SizeLike, dtype: DTypeLike | None = None) -> TensorVariable:
    """One row per integer of the vector y, with 1 in that column of `nb_class` and 0 elsewhere.

    Dtype: floatX unless given.
    Raises: IndexOutOfBoundsError for an integer that is negative or no less than `nb_class`.
    """
    y = as_tensor_variable(y)
    if y.type.ndim != 1 or y.type.dtype not in dtypes.INTEGERS:
        raise TypeMismatchError(f"to_one_hot takes a vector of integers, got {describe(y)} of type {y.type}"
                                f"{at(y.source)}")
    classes = not_negative(sizes(nb_class)[0], "to_one_hot")
    y = in_range(y, 0, classes, "to_one_hot: class number {0} is out of range; there are {1} classes, numbered from 0",
                 "index")
    return cast(ew.eq(shape_padright(y), apply(ops.Iota(), classes)), config.floatX if dtype is None else dtype)
