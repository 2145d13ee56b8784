"""Histograms: composites of `sorting.searchsorted` and of sums at positions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gradc.errors import BadArgumentError, ShapeError, at, quoted
from gradc.ir import dtypes, ops
from gradc.ir.graph import Constant, apply, describe, user_line
from gradc.tensor import elemwise as ew
from gradc.tensor import reduce as red
from gradc.tensor.checks import equal, fail, flag, in_range, integer, named
from gradc.tensor.convert import as_tensor_variable, cast, constant, size_constant, size_of, sizes_of
from gradc.tensor.creation import zeros
from gradc.tensor.extra import diff
from gradc.tensor.grids import linspace
from gradc.tensor.index import inc_subtensor
from gradc.tensor.joining import join
from gradc.tensor.shape import flatten
from gradc.tensor.sorting import real_numbers, searchsorted
from gradc.tensor.types import List, TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = ["digitize", "histogram", "histogram_bin_edges"]

# rows of `tensor.numpy_api`
NUMPY: dict[str, str] = {
    "digitize": "x bins right=", "histogram": "a bins= range= density= weights=",
    "histogram_bin_edges": "a bins= range=",
}


def _monotonic(edges: TensorVariable, message: str, falling: bool) -> tuple[TensorVariable, TensorVariable | bool]:
    """The vector `edges` as a rising one, once it is certain that it rises or, if `falling`, falls; does it fall?

    The message is of `fail`: {0} and {1} are two neighbours that are in the wrong order.
    """
    before, after = edges[:-1], edges[1:]
    if isinstance(edges, Constant):
        data = edges.data
        down = bool(falling and data.size and data[0] > data[-1])
        wrong = np.flatnonzero(~(data[1:] <= data[:-1]) if down else ~(data[1:] >= data[:-1]))
        for k in wrong[:1]:
            fail(message, "value", float(data[k]), float(data[k + 1]))
        return (edges[::-1], True) if down else (edges, False)
    shown = [cast(before, "float64"), cast(after, "float64")]
    rises = ew.ge(after, before)
    if not falling:
        return _asserted(edges, rises, message, shown), False
    falls = red.any(ew.gt(edges[:1], edges[-1:]))
    valid = ew.switch(falls, ew.le(after, before), rises)
    checked = _asserted(edges, valid, message, shown)
    return ew.switch(falls, checked[::-1], checked), falls


def _asserted(x: TensorVariable, valid: TensorVariable, message: str, shown: List) -> TensorVariable:
    return apply(ops.Assert(message, "value", len(shown)), x, valid, *shown)


def digitize(x: TensorLike, bins: TensorLike, right: bool = False) -> TensorVariable:
    """The number of the bin that each element of x is in, as numpy.digitize: i with bins[i-1] <= x < bins[i].

    right: bins[i-1] < x <= bins[i].  Of falling bins: bins[i-1] > x >= bins[i], and the other way round.  0 and the
    number of bins for what is beyond them; the latter for nan.  Shapes: as x.  Dtype: int64.
    Raises: BadValueError if the bins neither rise nor fall.
    """
    x, edges = real_numbers("digitize", x), real_numbers("digitize", bins)
    if edges.type.ndim != 1:
        raise ShapeError(f"digitize: bins are a vector, {describe(edges)} is {edges.type.short()}"
                         f"{at(edges.source or user_line())}")
    rising, falls = _monotonic(edges, "digitize: bins must rise or fall, got {0:float} before {1:float}", True)
    # of falling bins, those that are reached are those that are not passed in rising ones
    place = searchsorted(rising, x, "left" if flag(right, "digitize", "right") else "right")
    if falls is False:
        return place
    turned = ew.sub(size_of(edges, 0), place)
    return turned if falls is True else ew.switch(falls, turned, place)


def _edges(what: str, x: TensorVariable, bins: Any, span: Any) -> TensorVariable:
    """The edges of the bins of the vector x."""
    if isinstance(bins, str):
        raise BadArgumentError(f"{what}: bins are a number or the edges, got {quoted(bins)}{at(user_line())}; rules "
                               f"that choose a number are not there")
    given = as_tensor_variable(bins)
    if given.type.ndim == 1:
        return _monotonic(real_numbers(what, given), f"{what}: bins must rise, got {{0:float}} before {{1:float}}",
                          False)[0]
    if given.type.ndim:
        raise ShapeError(f"{what}: bins are a number or a vector, {describe(given)} is {given.type.short()}"
                         f"{at(given.source or user_line())}")
    count = in_range(integer(given, what, "bins"), 1, None, f"{what}: the number of bins must be 1 or more, got {{0}}")
    first, last = _span(what, x, span)
    floating = dtypes.upcast(first.type.dtype, last.type.dtype, x.type.dtype)
    floating = floating if floating in dtypes.FLOATS else "float64"
    half = constant(0.5, dtype=floating)
    first, last = cast(first, floating), cast(last, floating)
    same = ew.eq(first, last)
    return cast(linspace(ew.switch(same, ew.sub(first, half), first), ew.switch(same, ew.add(last, half), last),
                         ew.add(count, 1)), floating)


def _span(what: str, x: TensorVariable, span: object) -> tuple[TensorVariable, TensorVariable]:
    """The ends of all bins: those that are given, or of the elements of x (0 and 1 of none)."""
    if span is not None:
        if not isinstance(span, (list, tuple)) or len(span) != 2:
            raise BadArgumentError(f"{what}: range is a pair of numbers, got {quoted(span)}{at(user_line())}")
        first, last = (real_numbers(what, end) for end in span)
        if first.type.ndim or last.type.ndim:
            raise ShapeError(f"{what}: range is a pair of numbers, got {first.type.short()} and {last.type.short()}"
                             f"{at(user_line())}")
    else:
        n = size_of(x, 0)
        if isinstance(n, Constant) and n.data == 0:
            return constant(0, dtype=x.type.dtype), constant(1, dtype=x.type.dtype)
        some = x
        if not isinstance(n, Constant):
            some = join(0, x, cast(apply(ops.Iota(), ew.switch(ew.eq(n, 0), size_constant(2), 0)), x.type.dtype))
        first, last = red.min(some), red.max(some)
    message = f"{what}: the range must rise and be finite, got {{0:float}} to {{1:float}}"
    ends = [cast(first, "float64"), cast(last, "float64")]
    if isinstance(first, Constant) and isinstance(last, Constant):
        if not (np.isfinite(first.data) and np.isfinite(last.data) and first.data <= last.data):
            fail(message, "value", float(first.data), float(last.data))
        return first, last
    if x.type.dtype not in dtypes.FLOATS and span is None:
        return first, last
    valid = ew.and_(ew.isfinite(ends[0]), ew.isfinite(ends[1]), ew.le(*ends))
    return _asserted(first, valid, message, ends), last


def histogram_bin_edges(a: TensorLike, bins: TensorLike = 10, range: object = None) -> TensorVariable:
    """The edges of the bins of `histogram`."""
    return _edges("histogram_bin_edges", flatten(real_numbers("histogram_bin_edges", a)), bins, range)


def histogram(a: TensorLike, bins: TensorLike = 10, range: object = None, density: bool | None = None,
              weights: TensorLike | None = None) -> tuple[TensorVariable, TensorVariable]:
    """How many elements are in each bin, and the edges of the bins, as numpy.histogram.

    bins: how many, of equal width, or their rising edges.  A bin has its left edge, the last one both; what is outside
    of all of them is not counted.  range: the ends of all bins, unless these are given; default: those of the elements.
    weights: of each element, in the shape of a.  density: divided by the total and by the widths.
    Dtypes: int64, or that of the weights, floating with density; edges: as given, or floating.
    Derivatives: by the weights, and by the edges.
    Raises: BadValueError for bins that do not rise, and where the range is not finite; ShapeError for weights of
    another shape.
    """
    x = real_numbers("histogram", a)
    divided = density is not None and flag(density, "histogram", "density")
    flat = flatten(x)
    edges = _edges("histogram", flat, bins, range)
    count = ew.sub(size_of(edges, 0), 1)
    common = dtypes.upcast(edges.type.dtype, flat.type.dtype)
    at_end = ew.eq(cast(flat, common), cast(edges[-1], common))
    bin_ = ew.sub(ew.sub(searchsorted(edges, flat, "right"), 1), cast(at_end, "int64"))
    outside = ew.or_(ew.lt(bin_, 0), ew.ge(bin_, count))
    place = ew.switch(outside, count, bin_)                 # one more bin for what is in none
    if weights is None:
        parts = constant(1, dtype="int64")
    else:
        w = real_numbers("histogram", weights)
        if w.type.ndim != x.type.ndim:
            raise ShapeError(f"histogram: weights have the shape of a, {describe(w)} is {w.type.short()}, "
                             f"{describe(x)} {x.type.short()}{at(w.source or user_line())}")
        for k, size in enumerate(sizes_of(x)):
            w = equal(size_of(w, k), size, f"histogram: weights have the shape of a, axis {k} of {named(w)} "
                      f"has size {{0}}, of {named(x)} {{1}}", on=w, error="shape")
        parts = flatten(w)
        parts = cast(parts, "int64") if parts.type.dtype == "bool" else parts
    wide = "float64" if parts.type.dtype in ("float16", "float32") else parts.type.dtype     # as sums are made
    total = inc_subtensor(zeros(ew.add(count, 1), dtype=wide)[place], cast(parts, wide))[:-1]
    total = cast(total, parts.type.dtype)
    if divided:
        widths = diff(edges)
        return ew.true_divide(ew.true_divide(cast(total, "float64") if total.type.dtype not in dtypes.FLOATS else total,
                                             widths), red.sum(total)), edges
    return total, edges
