"""Medians and quantiles: composites of `sorting.order_at`.

Other axes than those that are gone are a batch.  A row with a nan has the value nan; the functions named nan... leave
them out.  Derivatives go to the elements that a value is made of.  The methods of quantiles are those of NumPy:
R. J. Hyndman, Y. Fan, Sample Quantiles in Statistical Packages, The American Statistician 50 (1996), 361-365.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from gradc.errors import BadArgumentError, ShapeError, TypeMismatchError, at, quoted
from gradc.ir import build, dtypes, graph, ops
from gradc.ir.graph import Constant, apply, describe, user_line
from gradc.tensor import elemwise as ew
from gradc.tensor import reduce as red
from gradc.tensor.checks import fail, in_range
from gradc.tensor.convert import as_tensor_variable, cast, constant, size_of, sizes_of
from gradc.tensor.joining import join
from gradc.tensor.reduce import multiply_sizes, normalize_axes
from gradc.tensor.selection import take_along_axis
from gradc.tensor.shape import flatten, moveaxis, reshape, transpose
from gradc.tensor.sorting import order_at, real_numbers
from gradc.tensor.types import Axes, TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = ["median", "nanmedian", "nanpercentile", "nanquantile", "percentile", "quantile"]

# rows of `tensor.numpy_api`
NUMPY: dict[str, str] = {
    **dict.fromkeys(("median", "nanmedian"), "a axis= keepdims="),
    **dict.fromkeys(("percentile", "quantile", "nanpercentile", "nanquantile"), "a q axis= method= keepdims="),
}

Numbers: TypeAlias = "TensorVariable"
Formula: TypeAlias = "Callable[[Numbers, Numbers], Numbers]"


def _between(alpha: float, beta: float) -> Formula:
    """Place of the quantile q among n sorted elements, by the two parameters of Hyndman and Fan."""
    return lambda n, q: ew.sub(ew.add(ew.mul(n, q), ew.add(alpha, ew.mul(q, 1 - alpha - beta))), 1)


def _even_spaces(n: Numbers, q: Numbers) -> Numbers:
    return ew.mul(ew.sub(n, 1), q)


def _observed(n: Numbers, q: Numbers) -> Numbers:
    """The nearest place; of two that are as near, the one with an odd number from 0."""
    place = ew.sub(ew.mul(n, q), 1.5)
    low = ew.floor(place)
    stays = ew.and_(ew.eq(place, low), ew.eq(ew.mod(low, 2), 1))
    return ew.switch(stays, low, ew.add(low, 1))


# method -> place of an element, a whole number
ELEMENTS: dict[str, Formula] = {
    "inverted_cdf": lambda n, q: ew.ceil(ew.sub(ew.mul(n, q), 1)),
    "closest_observation": _observed,
    "lower": lambda n, q: ew.floor(_even_spaces(n, q)),
    "higher": lambda n, q: ew.ceil(_even_spaces(n, q)),
    "nearest": lambda n, q: ew.round_half_to_even(_even_spaces(n, q)),
}
# method -> place among the elements; the weight of the next element, from the rest of the place above a whole number
MIXTURES: dict[str, tuple[Formula, Callable[[Numbers], Numbers]]] = {
    "averaged_inverted_cdf": (lambda n, q: ew.sub(ew.mul(n, q), 1), lambda rest: ew.switch(ew.eq(rest, 0), 0.5, 1.0)),
    "interpolated_inverted_cdf": (_between(0, 1), ew.identity),
    "hazen": (_between(0.5, 0.5), ew.identity),
    "weibull": (_between(0, 0), ew.identity),
    "linear": (_even_spaces, ew.identity),
    "median_unbiased": (_between(1 / 3, 1 / 3), ew.identity),
    "normal_unbiased": (_between(3 / 8, 3 / 8), ew.identity),
    "midpoint": (_even_spaces, lambda rest: ew.switch(ew.eq(rest, 0), 0.0, 0.5)),
}


def _rows(what: str, a: TensorLike, axis: Axes) -> tuple[TensorVariable, tuple[int, ...], int]:
    """The elements along `axis` as the last axis, not empty; these axes, and of how many."""
    x = real_numbers(what, a)
    axes = normalize_axes(axis, x, what)
    ndim = x.type.ndim
    if len(axes) == ndim:
        flat = flatten(x)
    elif len(axes) == 1:
        flat = moveaxis(x, axes[0], -1)
    else:
        kept = [k for k in range(ndim) if k not in axes]
        count = size_of(x, axes[0])
        for k in axes[1:]:
            count = multiply_sizes(count, size_of(x, k))
        flat = reshape(transpose(x, [*kept, *axes]), [*[size_of(x, k) for k in kept], count], ndim=len(kept) + 1)
    n = size_of(flat, flat.type.ndim - 1)
    if isinstance(n, Constant) and n.data == 0:
        raise ShapeError(f"{what} of no elements has no value{at(x.source or user_line())}")
    return in_range(n, 1, None, f"{what} of no elements has no value", "size", on=flat), axes, ndim


def _count(rows: TensorVariable, without_nan: bool) -> TensorVariable:
    """How many elements a row has: a scalar, or each row without its nan, with an axis of size 1."""
    if without_nan and rows.type.dtype in dtypes.FLOATS:
        return red.sum(cast(ew.invert(ew.isnan(rows)), "int64"), -1, keepdims=True)
    return size_of(rows, rows.type.ndim - 1)


def _elements(rows: TensorVariable, *ranks: TensorVariable) -> list[TensorVariable]:
    """The elements of each row at `ranks` (int64): each a vector for all rows, or, along the last axis, one a row."""
    known = ranks[0].type.shape[-1]
    size = size_of(ranks[0], ranks[0].type.ndim - 1) if known is None else known
    joined = join(-1, *ranks) if len(ranks) > 1 else ranks[0]
    found = take_along_axis(rows, order_at(rows, joined), -1)
    return [found] if len(ranks) == 1 else [found[..., :size], found[..., size:]]


def _nan_of_nan(result: TensorVariable, rows: TensorVariable, without_nan: bool) -> TensorVariable:
    """`result`, nan of the rows with a nan, where they are not left out."""
    if without_nan or rows.type.dtype not in dtypes.FLOATS:
        return result
    has_nan = red.any(ew.isnan(rows), -1, keepdims=True)
    return ew.switch(has_nan, constant(math.nan, dtype=result.type.dtype), result)


def _median(what: str, a: TensorLike, axis: Axes, keepdims: bool, without_nan: bool) -> TensorVariable:
    rows, axes, ndim = _rows(what, a, axis)
    n = _count(rows, without_nan)
    half, less = ew.floor_divide(n, 2), ew.maximum(ew.floor_divide(ew.sub(n, 1), 2), 0)
    if not n.type.ndim:
        half, less = half.dimshuffle("x"), less.dimshuffle("x")
    floating = rows.type.dtype if rows.type.dtype in dtypes.FLOATS else "float64"
    high, low = (cast(part, floating) for part in _elements(rows, half, less))
    result = ew.switch(ew.eq(half, less), high, ew.true_divide(ew.add(low, high), 2))
    result = _nan_of_nan(result, rows, without_nan)[..., 0]
    return build.insert_axes(graph, result, axes, ndim) if keepdims else result


def median(a: TensorLike, axis: Axes = None, keepdims: bool = False) -> TensorVariable:
    """The middle one of the sorted elements along `axis`, or the mean of the middle two, as numpy.median.

    Dtype: that of a, float64 for integers and bool.  A row with nan gives nan.
    Raises: ShapeError for no elements (NumPy: nan), TypeMismatchError for complex numbers.
    """
    return _median("median", a, axis, keepdims, False)


def nanmedian(a: TensorLike, axis: Axes = None, keepdims: bool = False) -> TensorVariable:
    """As `median`, of the elements that are not nan; nan if there are none."""
    return _median("nanmedian", a, axis, keepdims, True)


def _quantile(what: str, a: TensorLike, q: TensorLike, axis: Axes, method: str, keepdims: bool, without_nan: bool,
              most: int) -> TensorVariable:
    """The quantile q / most."""
    if not isinstance(method, str) or method not in (*ELEMENTS, *MIXTURES):
        raise BadArgumentError(f"{what}: method is one of {', '.join([*ELEMENTS, *MIXTURES])}, got {quoted(method)}"
                               f"{at(user_line())}")
    rows, axes, ndim = _rows(what, a, axis)
    floating = rows.type.dtype if rows.type.dtype in dtypes.FLOATS else "float64"
    given = as_tensor_variable(q)
    if given.type.dtype in dtypes.COMPLEX or given.type.ndim > 2:
        raise TypeMismatchError(f"{what}: q is a number or a vector of numbers, got {describe(given)} of type "
                                f"{given.type}{at(given.source or user_line())}")
    if given.type.dtype in dtypes.FLOATS and not isinstance(q, (int, float)):
        floating = dtypes.upcast(floating, given.type.dtype)
    part = flatten(_checked(what, constant(given.data.astype("float64")) if isinstance(
        given, Constant) else cast(given, "float64"), most))
    if most != 1:
        part = ew.true_divide(part, most)
    n = _count(rows, without_nan)
    last = ew.maximum(ew.sub(n, 1), 0)
    if method in ELEMENTS:
        place = cast(ELEMENTS[method](n, part), "int64")
        (result,) = _elements(rows, ew.minimum(ew.maximum(place, 0), last))
    else:
        formula, weight = MIXTURES[method]
        exact = formula(n, part)
        whole = ew.floor(exact)
        first = cast(whole, "int64")
        work = "float32" if floating == "float16" else floating         # in which the weight is not rounded much
        low, high = (cast(part, work) for part in _elements(
            rows, *[ew.minimum(ew.maximum(place, 0), last) for place in (first, ew.add(first, 1))]))
        result = cast(_mixture(low, high, cast(weight(ew.sub(exact, whole)), work)), floating)
    result = moveaxis(_nan_of_nan(result, rows, without_nan), -1, 0)
    kept = result[0] if not given.type.ndim else result
    lead = given.type.ndim and 1
    if keepdims:
        kept = build.insert_axes(graph, kept, tuple(k + lead for k in axes), ndim + lead)
    if given.type.ndim == 2:
        kept = reshape(kept, [*sizes_of(given), *sizes_of(kept)[1:]], ndim=kept.type.ndim + 1)
    return kept


def _checked(what: str, q: TensorVariable, most: int) -> TensorVariable:
    """q, once it is certain that it is from 0 to `most`."""
    message = f"{what}: q must be from 0 to {most}, got {{0:float}}"
    if isinstance(q, Constant):
        for wrong in q.data[~((q.data >= 0) & (q.data <= most))].flat[:1]:
            fail(message, "value", float(wrong))
        return q
    return apply(ops.Assert(message, "value", 1), q, ew.and_(ew.ge(q, 0), ew.le(q, most)), q)


def _mixture(low: TensorVariable, high: TensorVariable, weight: TensorVariable) -> TensorVariable:
    """low + (high - low) * weight, from the nearer end; equal infinities stay as they are.  Source: numpy.quantile."""
    step = ew.sub(high, low)
    mixed = ew.switch(ew.ge(weight, 0.5), ew.sub(high, ew.mul(step, ew.sub(1, weight))),
                      ew.add(low, ew.mul(step, weight)))
    return ew.switch(ew.and_(ew.isinf(low), ew.eq(low, high)), low, mixed)


def quantile(a: TensorLike, q: TensorLike, axis: Axes = None, method: str = "linear",
             keepdims: bool = False) -> TensorVariable:
    """The value that a share q (from 0 to 1) of the elements along `axis` does not exceed, as numpy.quantile.

    q: a number or a vector (or matrix) of numbers, whose axes come first in the result.
    method: "linear" between the two nearest elements, "lower", "higher", "nearest" or "midpoint" of these two; or one
    of Hyndman and Fan's, "inverted_cdf", "averaged_inverted_cdf", "closest_observation", "interpolated_inverted_cdf",
    "hazen", "weibull", "median_unbiased", "normal_unbiased".
    Dtype: that of a (float64 for integers that are mixed), and of a q that is no Python number.  A row with nan gives
    nan.  Raises: BadValueError for q out of range, ShapeError for no elements, TypeMismatchError for complex numbers.
    """
    return _quantile("quantile", a, q, axis, method, keepdims, False, 1)


def percentile(a: TensorLike, q: TensorLike, axis: Axes = None, method: str = "linear",
               keepdims: bool = False) -> TensorVariable:
    """`quantile(a, q / 100)`, as numpy.percentile."""
    return _quantile("percentile", a, q, axis, method, keepdims, False, 100)


def nanquantile(a: TensorLike, q: TensorLike, axis: Axes = None, method: str = "linear",
                keepdims: bool = False) -> TensorVariable:
    """As `quantile`, of the elements that are not nan; nan if there are none."""
    return _quantile("nanquantile", a, q, axis, method, keepdims, True, 1)


def nanpercentile(a: TensorLike, q: TensorLike, axis: Axes = None, method: str = "linear",
                  keepdims: bool = False) -> TensorVariable:
    """As `percentile`, of the elements that are not nan; nan if there are none."""
    return _quantile("nanpercentile", a, q, axis, method, keepdims, True, 100)
