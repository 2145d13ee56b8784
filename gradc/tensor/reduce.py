"""Reductions along axes: sums, products, extremes and where they are, moments, cumulative sums, norms.

`axis` is None (all axes), an int, or a list or tuple of ints; negative ones count from the end.  With
`keepdims`, reduced axes stay with size 1 and broadcast against the argument.  Dtypes follow Aesara: sums and
products of integers below 64 bits are int64 (uint64), means of integers float64, extremes and cumulative
sums keep the dtype (but those of bool are int64).  Sums and products of float32 are made in float64 and rounded
once, wherever they stand.  Not here: log-sum-exp and softmax (`special.py`).
"""

from __future__ import annotations

import builtins
import math
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from gradc.errors import ShapeError, TypeMismatchError, at, quoted
from gradc.ir import build, dtypes, graph, ops
from gradc.ir.dtypes import DTypeLike
from gradc.ir.graph import Constant, Variable, apply, describe, user_line
from gradc.tensor import elemwise as ew
from gradc.tensor.convert import as_tensor_variable, cast, constant, size_of, sizes_of
from gradc.tensor.types import Axes, Axis, TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = [
    "all", "allclose", "amax", "amin", "any", "argmax", "argmin", "cumprod", "cumsum", "max", "max_and_argmax",
    "mean", "min", "norm", "prod", "ptp", "std", "sum", "var",
]


# Python's own, shadowed below by the API's names.
_all, _any, _sorted = builtins.all, builtins.any, builtins.sorted


def normalize_axes(axis: Axes, x: TensorVariable, what: str) -> tuple[int, ...]:
    """`axis` as ascending non-negative ints; all axes for None.

    Raises: ShapeError for an axis out of range or given twice, TypeMismatchError for no integer.
    """
    ndim = x.type.ndim
    if axis is None:
        return tuple(range(ndim))
    if isinstance(axis, Constant) or isinstance(axis, np.ndarray):
        axis = np.asarray(axis.data).tolist()
    result = []
    for k in axis if isinstance(axis, (list, tuple)) else (axis,):
        result.append(normalize_axis(k, ndim, what, x))
    if len(set(result)) != len(result):
        raise ShapeError(f"{what}: an axis is given twice in {axis}{at(x.source)}")
    return tuple(_sorted(result))


def normalize_axis(axis: Axis, ndim: int, what: str, x: TensorVariable | None = None) -> int:
    """One axis as a non-negative int below `ndim`."""
    if isinstance(axis, Constant):
        axis = np.asarray(axis.data).item()
    if isinstance(axis, (bool, np.bool_)) or not isinstance(axis, (int, np.integer)):
        got = f"the variable {describe(axis)}" if isinstance(axis, Variable) else quoted(axis)
        raise TypeMismatchError(f"{what}: axis must be an integer known when the graph is built, got {got}"
                                f"{at(user_line())}")
    if not -ndim <= axis < ndim:
        where = f" for {describe(x)}, which is {x.type.short()}{at(x.source)}" if x is not None else \
            f" for {ndim} dimension(s){at(user_line())}"
        raise ShapeError(f"{what}: axis {axis} is out of range{where}{at(user_line())}")
    return int(axis) % ndim


def _reduce(fn: str, x: TensorVariable, axis: Axes, keepdims: bool, what: str) -> TensorVariable:
    axes = normalize_axes(axis, x, what)
    if not axes:
        return ew.identity(x)
    result = build.fold(graph, fn, x, axes)
    return build.insert_axes(graph, result, axes, x.type.ndim) if keepdims else result


def _sum_dtype(dtype: str) -> str:
    """What sums and products of `dtype` are made in."""
    if dtype in ("bool", *dtypes.SIGNED):
        return "int64"
    return "uint64" if dtype in dtypes.UNSIGNED else dtype


def _accumulate(fn: str, what: str, x: TensorLike, axis: Axes, dtype: DTypeLike | None, keepdims: bool,
                acc_dtype: DTypeLike | None) -> TensorVariable:
    x = as_tensor_variable(x)
    result_dtype = dtypes.check_dtype(dtype) if dtype is not None else None
    usual = _sum_dtype(x.type.dtype)
    if acc_dtype is not None:
        inner = dtypes.check_dtype(acc_dtype)
    elif result_dtype is not None:
        inner = dtypes.upcast(x.type.dtype, result_dtype)
    else:
        inner = usual
    return cast(_reduce(fn, cast(x, inner), axis, keepdims, what), result_dtype or usual)


def sum(x: TensorLike, axis: Axes = None, dtype: DTypeLike | None = None, keepdims: bool = False,
        acc_dtype: DTypeLike | None = None) -> TensorVariable:
    """Sum of the elements along `axis`; 0 of none.

    Dtype: integers below 64 bits and bool give int64 (uint64); else same as x.  `dtype` is that of the
    result, `acc_dtype` that of the accumulator (default: the result's, at least x's; float32 is summed in float64).
    Error: at most n u sum(abs(x)) with u = 2^-53; of float32 moreover one rounding of the result, 2^-24 abs(result).
    """
    return _accumulate("add", "sum", x, axis, dtype, keepdims, acc_dtype)


def prod(x: TensorLike, axis: Axes = None, dtype: DTypeLike | None = None, keepdims: bool = False,
         acc_dtype: DTypeLike | None = None, no_zeros_in_input: bool = False) -> TensorVariable:
    """Product of the elements along `axis`; 1 of none.  Dtypes as `sum`.

    Relative error: at most n 2^-53, of float32 moreover 2^-24.
    The gradient is exact where elements are 0, so `no_zeros_in_input` changes nothing.
    """
    return _accumulate("mul", "prod", x, axis, dtype, keepdims, acc_dtype)


def max(x: TensorLike, axis: Axes = None, keepdims: bool = False) -> TensorVariable:
    """Largest element along `axis`, nan if there is one; tied elements share the gradient equally.

    Dtype: same as x.  Raises: ShapeError at run time if there is no element.
    """
    return _reduce("maximum", as_tensor_variable(x), axis, keepdims, "max")


def min(x: TensorLike, axis: Axes = None, keepdims: bool = False) -> TensorVariable:
    """Smallest element along `axis`, nan if there is one; tied elements share the gradient equally.

    Dtype: same as x.  Raises: ShapeError at run time if there is no element.
    """
    return _reduce("minimum", as_tensor_variable(x), axis, keepdims, "min")


def _argreduce(fn: str, what: str, x: TensorLike, axis: Axes, keepdims: bool) -> TensorVariable:
    x = as_tensor_variable(x)
    ndim = x.type.ndim
    if ndim == 0:
        normalize_axes(axis, x, what)
        return constant(np.zeros((), "int64"))
    axes = normalize_axes(axis, x, what)
    if not axes:
        raise ShapeError(f"{what} needs at least one axis, got {axis}{at(user_line())}")
    if len(axes) > 1:       # position among the elements of all these axes, in C order
        kept = tuple(k for k in range(ndim) if k not in axes)
        x_in = build.reorder(graph, x, kept + axes)
        joint = size_of(x, axes[0])
        for k in axes[1:]:
            joint = multiply_sizes(joint, size_of(x, k))
        flat = apply(ops.Reshape(len(kept) + 1), x_in, *[size_of(x, k) for k in kept], joint)
        result = apply(ops.ArgReduce(fn, len(kept)), flat)
    else:
        result = apply(ops.ArgReduce(fn, axes[0]), x)
    return build.insert_axes(graph, result, axes, ndim) if keepdims else result


def multiply_sizes(a: TensorVariable, b: TensorVariable) -> TensorVariable:
    """Product of two int64 sizes; folded where both are known."""
    if isinstance(a, Constant) and isinstance(b, Constant):
        return constant(np.asarray(int(a.data) * int(b.data), "int64"))
    if isinstance(a, Constant) and a.data == 1:
        return b
    if isinstance(b, Constant) and b.data == 1:
        return a
    return ew.mul(a, b)


def argmax(x: TensorLike, axis: Axes = None, keepdims: bool = False) -> TensorVariable:
    """Index of the first largest element along `axis` (in the flattened x for None); the first nan wins.

    Dtype: int64.  Several axes give the index into their elements in C order.
    """
    return _argreduce("maximum", "argmax", x, axis, keepdims)


def argmin(x: TensorLike, axis: Axes = None, keepdims: bool = False) -> TensorVariable:
    """Index of the first smallest element along `axis`; otherwise as `argmax`."""
    return _argreduce("minimum", "argmin", x, axis, keepdims)


def max_and_argmax(x: TensorLike, axis: Axes = None, keepdims: bool = False) -> tuple[TensorVariable, TensorVariable]:
    """The pair (max, argmax)."""
    return max(x, axis, keepdims), argmax(x, axis, keepdims)


def all(x: TensorLike, axis: Axes = None, keepdims: bool = False) -> TensorVariable:
    """Are all elements along `axis` not 0?  True of none.  Dtype: bool."""
    return _reduce("and_", ew.as_bool(x), axis, keepdims, "all")


def any(x: TensorLike, axis: Axes = None, keepdims: bool = False) -> TensorVariable:
    """Is any element along `axis` not 0?  False of none.  Dtype: bool."""
    return _reduce("or_", ew.as_bool(x), axis, keepdims, "any")


def ptp(x: TensorLike, axis: Axes = None) -> TensorVariable:
    """Largest minus smallest element along `axis`.  Dtype: same as x."""
    x = as_tensor_variable(x)
    return ew.sub(max(x, axis), min(x, axis))


def _count(x: TensorVariable, axes: tuple[int, ...], dtype: str) -> TensorVariable:
    """Number of elements along `axes` in `dtype`; sizes come from the whole shape, as pp shows them."""
    known = [n for k in axes if (n := x.type.shape[k]) is not None]
    if len(known) == len(axes):
        return constant(np.asarray(math.prod(known), dtype=dtype))
    shape = cast(apply(ops.ShapeOf(None), x), dtype)
    return reduce(ew.mul, [build.take(graph, shape, k) for k in axes])


def _moment_dtype(dtype: str) -> str:
    return "float32" if dtype in ("float32", "complex64") else "float64"


def mean(x: TensorLike, axis: Axes = None, dtype: DTypeLike | None = None, keepdims: bool = False,
         acc_dtype: DTypeLike | None = None) -> TensorVariable:
    """Mean of the elements along `axis`; nan of none.

    Dtype: same as x, float64 for integers and bool; `dtype` and `acc_dtype` as in `sum`.
    Error: that of `sum`, and two roundings (of the number of elements, and of the quotient).
    """
    x = as_tensor_variable(x)
    if dtype is None and x.type.dtype == "float16":
        return cast(mean(cast(x, "float32"), axis, None, keepdims, acc_dtype), "float16")
    if dtype is None and x.type.dtype in dtypes.DISCRETE:
        dtype = "float64"
    axes = normalize_axes(axis, x, "mean")
    total = sum(x, axes, dtype, keepdims, acc_dtype)
    if not axes:
        return total
    return ew.true_divide(total, _count(x, axes, _moment_dtype(total.type.dtype)))


def var(x: TensorLike, axis: Axes = None, ddof: TensorLike = 0, keepdims: bool = False,
        corrected: bool = False) -> TensorVariable:
    """Variance along `axis`: mean squared deviation from the mean, with n - ddof in the denominator.

    Where ddof exceeds n the denominator is 0, as in NumPy: the result is inf or nan, never negative.  Two passes
    (the mean first), so that no digits cancel.  With `corrected`, the rounding error of the mean is taken out.
    Dtype: floating as `mean`; real for complex x.  Squares are rounded to it, and summed as in `sum`.
    Source: Chan, Golub, LeVeque, "Algorithms for computing the sample variance" (1983), eq. 1.7.
    """
    x = as_tensor_variable(x)
    if x.type.dtype == "float16":
        return cast(var(cast(x, "float32"), axis, ddof, keepdims, corrected), "float16")
    axes = normalize_axes(axis, x, "var")
    deviation = ew.sub(x, mean(x, axes, keepdims=True))
    if deviation.type.dtype in dtypes.COMPLEX:
        squares = ew.add(ew.square(ew.real(deviation)), ew.square(ew.imag(deviation)))
    else:
        squares = ew.square(deviation)
    total = sum(squares, axes, keepdims=keepdims)
    count = _count(x, axes, total.type.dtype) if axes else constant(np.ones((), total.type.dtype))
    if corrected:
        rest = sum(deviation, axes, keepdims=keepdims)
        total = ew.sub(total, ew.true_divide(ew.square(rest), count))
    if not (isinstance(ddof, int) and ddof == 0):
        count = ew.maximum(ew.sub(count, cast(ddof, count.type.dtype)), constant(np.zeros((), count.type.dtype)))
    return ew.true_divide(total, count)


def std(x: TensorLike, axis: Axes = None, ddof: TensorLike = 0, keepdims: bool = False,
        corrected: bool = False) -> TensorVariable:
    """Square root of `var`; the gradient at 0 is 0, the middle, as that of `norm`."""
    return ew.sqrt(_flat_at_0(var(x, axis, ddof, keepdims, corrected)))


def _flat_at_0(x: TensorVariable) -> TensorVariable:
    """x, with a gradient of 0 where it is 0: for roots of sums that have a kink there."""
    zero = constant(0, dtype=x.type.dtype)
    return ew.switch(ew.eq(x, zero), zero, x)


def _cumulate(fn: str, what: str, x: TensorLike, axis: Axis | None) -> TensorVariable:
    x = as_tensor_variable(x)
    if x.type.dtype == "bool":
        x = cast(x, "int64")
    if axis is None:
        if x.type.ndim != 1:
            total = constant(np.ones((), "int64"))
            for s in sizes_of(x):
                total = multiply_sizes(total, s)
            x = apply(ops.Reshape(1), x, total)
        axis = 0
    return apply(ops.Cumulate(fn, normalize_axis(axis, x.type.ndim, what, x)), x)


def cumsum(x: TensorLike, axis: Axis | None = None) -> TensorVariable:
    """Running sum along `axis`, of the flattened x for None.

    Dtype: same as x (int32 stays int32), int64 for bool.  Error: that of `sum`, for each element.
    """
    return _cumulate("add", "cumsum", x, axis)


def cumprod(x: TensorLike, axis: Axis | None = None) -> TensorVariable:
    """Running product along `axis`, of the flattened x for None.  Dtypes as `cumsum`, error as `prod`."""
    return _cumulate("mul", "cumprod", x, axis)


def norm(x: TensorLike, ord: float | str | None = None, axis: Axes = None, keepdims: bool = False) -> TensorVariable:
    """Vector norm along `axis` (all axes for None), or a matrix norm by entries.

    `ord`: None or 2 Euclidean (of all elements along `axis`), 1, any p > 0, inf, -inf, 0 (number of non-zeros),
    "fro".  With two axes, 1, -1, inf and -inf are the matrix norms of numpy.linalg.norm.
    Dtype: that of x, real; float64 for integers and bool.  The gradient at 0 is 0, the middle, as that of `abs`.
    Raises: TypeMismatchError for other values of `ord`.
    """
    x = as_tensor_variable(x)
    if x.type.dtype in dtypes.DISCRETE:
        x = cast(x, "float64")
    axes = normalize_axes(axis, x, "norm")
    if ord in (None, "fro") or (ord == 2 and len(axes) == 1):
        real = ew.abs(x) if x.type.dtype in dtypes.COMPLEX else x
        return ew.sqrt(_flat_at_0(sum(ew.square(real), axes, keepdims=keepdims)))
    size = ew.abs(x)
    if len(axes) == 2 and ord in (1, -1, np.inf, -np.inf):
        inner, outer = axes if np.abs(ord) == 1 else axes[::-1]
        lines = sum(size, inner, keepdims=True)
        result = (max if ord > 0 else min)(lines, outer, keepdims=True)
        return result if keepdims else build.drop_axes(graph, result, axes)
    if len(axes) == 1 and isinstance(ord, (int, float)):
        if ord == np.inf:
            return max(size, axes, keepdims)
        if ord == -np.inf:
            return min(size, axes, keepdims)
        if ord == 0:
            return sum(cast(ew.neq(x, 0), _moment_dtype(size.type.dtype)), axes, keepdims=keepdims)
        if ord == 1:
            return sum(size, axes, keepdims=keepdims)
        return ew.pow(_flat_at_0(sum(ew.pow(size, ord), axes, keepdims=keepdims)), 1.0 / ord)
    raise TypeMismatchError(f"norm: ord={quoted(ord)} is not there for {len(axes)} axes; use None, 'fro', 1, inf, "
                            f"-inf, or one axis and any number{at(user_line())}")


def allclose(a: TensorLike, b: TensorLike, rtol: float = 1e-5, atol: float = 1e-8,
             equal_nan: bool = False) -> TensorVariable:
    """Are all elements of a and b close (see `isclose`)?  Dtype: bool, 0-d."""
    return all(ew.isclose(a, b, rtol, atol, equal_nan))


amax = max
amin = min
