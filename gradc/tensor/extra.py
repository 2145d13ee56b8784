"""Less common functions of NumPy and Aesara, as composites: differences, one-hot rows."""

from __future__ import annotations

from typing import Any

from gradc.config import config
from gradc.errors import ShapeError, TypeMismatchError, at
from gradc.ir import dtypes, ops
from gradc.ir.graph import apply, describe
from gradc.tensor import elemwise as ew
from gradc.tensor.convert import as_tensor_variable, cast, sizes
from gradc.tensor.reduce import normalize_axis
from gradc.tensor.shape import shape_padright, slice_axis


def diff(x: Any, n: int = 1, axis: int = -1) -> Any:
    """Differences of neighbours along `axis`, taken n times.  Dtype: same as x; bool differences are `!=`.

    Source: numpy.diff.
    """
    x = as_tensor_variable(x)
    axis = normalize_axis(axis, x.type.ndim, "diff", x)
    if n < 0:
        raise ShapeError(f"diff: n must not be negative, got {n}")
    for _ in range(n):
        after, before = slice_axis(x, axis, 1, None), slice_axis(x, axis, None, -1)
        x = ew.neq(after, before) if x.type.dtype == "bool" else ew.sub(after, before)
    return x


def to_one_hot(y: Any, nb_class: Any, dtype: object = None) -> Any:
    """One row per integer of the vector y, with 1 in that column of `nb_class` and 0 elsewhere.

    Dtype: floatX unless given.  An integer that is no column number gives a row of zeros.
    """
    y = as_tensor_variable(y)
    if y.type.ndim != 1 or y.type.dtype not in dtypes.INTEGERS:
        raise TypeMismatchError(f"to_one_hot takes a vector of integers, got {describe(y)} of type {y.type}"
                                f"{at(y.source)}")
    columns = apply(ops.Iota(), sizes(nb_class)[0])
    return cast(ew.eq(shape_padright(y), columns), config.floatX if dtype is None else dtype)
