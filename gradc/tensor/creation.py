"""Tensors from shapes: `zeros, full, arange, eye, ...`, composites of `Broadcast` and `Iota`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gradc.config import config
from gradc.errors import ShapeError, at
from gradc.ir import dtypes, ops
from gradc.ir.dtypes import DTypeLike
from gradc.ir.graph import Constant, apply, describe
from gradc.tensor import elemwise as ew
from gradc.tensor.checks import fail, integer, not_negative, true
from gradc.tensor.convert import (
    as_tensor_variable,
    cast,
    converted,
    size_constant,
    size_of,
    sizes,
    sizes_of,
    together,
)
from gradc.tensor.diagonals import offsets
from gradc.tensor.trigonometry import cos, sin
from gradc.tensor.types import ShapeLike, SizeLike, TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = [
    "alloc", "arange", "complex_from_polar", "empty", "empty_like", "eye", "full", "full_like", "identity_like",
    "ones", "ones_like", "tri", "zeros", "zeros_like",
]


# ----------------------------------------------------------------------------------------- constant fillings


def alloc(value: TensorLike, *shape: ShapeLike) -> TensorVariable:
    """`value` repeated to a shape, given as one argument per size or as one tuple."""
    spec: ShapeLike = shape
    if len(shape) == 1 and not isinstance(shape[0], (int, np.integer)):
        spec = shape[0]
    return apply(ops.Broadcast(), as_tensor_variable(value), *[not_negative(s, "alloc") for s in sizes(spec)])


def full(shape: ShapeLike, fill_value: TensorLike, dtype: DTypeLike | None = None) -> TensorVariable:
    """A tensor of `shape` with every element `fill_value`.  Dtype: `dtype`, else that of fill_value."""
    return apply(ops.Broadcast(), as_tensor_variable(fill_value) if dtype is None else converted(fill_value, dtype),
                 *[not_negative(s, "alloc") for s in sizes(shape)])


def zeros(shape: ShapeLike, dtype: DTypeLike | None = None) -> TensorVariable:
    """Zeros of `shape`.  Dtype: floatX unless given."""
    return full(shape, 0, config.floatX if dtype is None else dtype)


def ones(shape: ShapeLike, dtype: DTypeLike | None = None) -> TensorVariable:
    """Ones of `shape`.  Dtype: floatX unless given."""
    return full(shape, 1, config.floatX if dtype is None else dtype)


def empty(shape: ShapeLike, dtype: DTypeLike | None = None) -> TensorVariable:
    """A tensor of `shape` whose elements don't matter; they are zeros, so that runs repeat.  Dtype: as `zeros`."""
    return zeros(shape, dtype)


def full_like(x: TensorLike, fill_value: TensorLike, dtype: DTypeLike | None = None) -> TensorVariable:
    """A tensor of the shape of x with every element `fill_value`.  Dtype: that of x unless given."""
    x = as_tensor_variable(x)
    value = converted(fill_value, x.type.dtype if dtype is None else dtype)
    if x.type.ndim == 0:
        return ew.second(x, value)
    return apply(ops.Broadcast(), value, *sizes_of(x))


def zeros_like(x: TensorLike, dtype: DTypeLike | None = None, opt: bool = False) -> TensorVariable:
    """Zeros of the shape of x.  Dtype: that of x unless given."""
    return full_like(x, 0, dtype)


def ones_like(x: TensorLike, dtype: DTypeLike | None = None, opt: bool = False) -> TensorVariable:
    """Ones of the shape of x.  Dtype: that of x unless given."""
    return full_like(x, 1, dtype)


def empty_like(x: TensorLike, dtype: DTypeLike | None = None) -> TensorVariable:
    """A tensor of the shape of x whose elements don't matter (zeros)."""
    return full_like(x, 0, dtype)


# ---------------------------------------------------------------------------------------- ranges and matrices


_NO_STEP = "arange: the step must not be 0"
_ENDLESS = "arange: start, stop and step must tell a finite number of elements"


def arange(start: TensorLike, stop: TensorLike | None = None, step: TensorLike = 1,
           dtype: DTypeLike | None = None) -> TensorVariable:
    """start, start + step, ... up to but without stop; `arange(n)` counts from 0.

    Dtype: int64 for integers (uint64 for unsigned ones), else common.  The number of elements is
    ceil((stop - start) / step), as for numpy.arange.
    Raises: BadValueError for a step of 0, or where that number is not finite.
    """
    if stop is None:
        start, stop = 0, start
    first, last, by = together((start, stop, step), beyond=lambda value, _: dtypes.autocast(value))
    for v in (first, last, by):
        if v.type.ndim:
            raise ShapeError(f"arange takes scalars, {describe(v)} is {v.type.short()}{at(v.source)}")
    common = dtypes.upcast(first.type.dtype, last.type.dtype, by.type.dtype)
    want = dtypes.check_dtype(dtype) if dtype is not None else "int64" if common in ("bool", *dtypes.SIGNED) else \
        "uint64" if common in dtypes.UNSIGNED else common
    if not isinstance(by, Constant):
        by = true(ew.neq(by, 0), _NO_STEP, on=by)
    elif by.data == 0:
        fail(_NO_STEP, "value")
    discrete = common in dtypes.DISCRETE
    known = [v.data.item() for v in (first, last, by) if isinstance(v, Constant)]
    if len(known) == 3:
        a, b, s = known
        if not np.isfinite((b - a) / s):
            fail(_ENDLESS, "value")
        count = size_constant(len(range(a, b, s)) if discrete else max(int(np.ceil((b - a) / s)), 0))
    elif discrete:
        count = _count_steps(*[converted(v, "int64") for v in (first, last, by)])
    else:
        span = ew.true_divide(ew.sub(cast(last, common), first), by)
        count = cast(ew.ceil(true(ew.isfinite(span), _ENDLESS, on=span)), "int64")
    result = apply(ops.Iota(), count)
    work = "int64" if discrete else common
    result = cast(result, work)
    unit = isinstance(by, Constant) and by.data == 1
    if not unit:
        # NumPy's step is the rounded difference of the first two elements.
        delta = converted(by, work) if discrete else ew.sub(ew.add(converted(first, work), by), first)
        result = ew.mul(result, delta)
    if not (isinstance(first, Constant) and first.data == 0):
        result = ew.add(converted(first, work), result)
    return cast(result, want)


def _count_steps(first: TensorVariable, last: TensorVariable, by: TensorVariable) -> TensorVariable:
    """ceil((last - first) / by) of integers."""
    zero = isinstance(first, Constant) and first.data == 0
    if isinstance(by, Constant) and by.data == 1:
        return last if zero else ew.sub(last, first)
    return ew.neg(ew.floor_divide(ew.sub(first, last), by))


def eye(n: SizeLike, m: SizeLike | None = None, k: TensorLike = 0, dtype: DTypeLike | None = None) -> TensorVariable:
    """The n by m matrix (m = n unless given) with ones on diagonal k.  Dtype: floatX unless given."""
    return cast(ew.eq(_offsets("eye", n, m), integer(k, "eye", "k")), config.floatX if dtype is None else dtype)


def _offsets(what: str, n: SizeLike, m: SizeLike | None) -> TensorVariable:
    """Column minus row numbers of an n by m matrix, m = n unless given."""
    rows = not_negative(sizes(n)[0], what)
    return offsets(rows, rows if m is None else not_negative(sizes(m)[0], what))


def identity_like(x: TensorLike, dtype: DTypeLike | None = None) -> TensorVariable:
    """The identity matrix of the shape of the matrix x."""
    x = as_tensor_variable(x)
    if x.type.ndim != 2:
        raise ShapeError(f"identity_like takes a matrix, {describe(x)} is {x.type.short()}{at(x.source)}")
    return eye(size_of(x, 0), size_of(x, 1), 0, x.type.dtype if dtype is None else dtype)


def tri(n: SizeLike, m: SizeLike | None = None, k: TensorLike = 0, dtype: DTypeLike | None = None) -> TensorVariable:
    """The n by m matrix with ones on and below diagonal k.  Dtype: floatX unless given."""
    return cast(ew.le(_offsets("tri", n, m), integer(k, "tri", "k")), config.floatX if dtype is None else dtype)


def complex_from_polar(abs: TensorLike, angle: TensorLike) -> TensorVariable:
    """The complex numbers of these absolute values and arguments.  Dtype: as `complex`."""
    return ew.complex(ew.mul(abs, cos(angle)), ew.mul(abs, sin(angle)))
