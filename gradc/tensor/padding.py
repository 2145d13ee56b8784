"""`pad`: a tensor with more elements before and after those of each axis, as numpy.pad.

The axes are padded one after the other, so that a corner is made of what pads the sides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from gradc.errors import ShapeError, TypeMismatchError, at, quoted
from gradc.ir import dtypes, ops
from gradc.ir.graph import Constant, apply, user_line
from gradc.tensor import elemwise as ew
from gradc.tensor import reduce as red
from gradc.tensor.checks import in_range, named, not_negative
from gradc.tensor.convert import as_tensor_variable, cast, converted, size_constant, size_of, sizes, sizes_of
from gradc.tensor.grids import linspace
from gradc.tensor.index import getitem
from gradc.tensor.joining import join, slice_axis
from gradc.tensor.moves import flip
from gradc.tensor.order_statistics import median
from gradc.tensor.reduce import normalize_axis
from gradc.tensor.selection import take
from gradc.tensor.shape import along, broadcast_to, expand_dims, moveaxis
from gradc.tensor.types import TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = ["pad"]

# a row of `tensor.numpy_api`
NUMPY = {"pad": "array pad_width mode= stat_length= constant_values= end_values= reflect_type="}

Pair = tuple[Any, Any]          # what is said of both sides of an axis
Sides = tuple["TensorVariable", "TensorVariable"]
_STATISTICS: dict[str, Callable[..., TensorVariable]] = {"maximum": red.max, "minimum": red.min, "mean": red.mean,
                                              "median": median}


def pad(array: TensorLike, pad_width: object, mode: str = "constant", stat_length: object = None,
        constant_values: object = 0, end_values: object = 0, reflect_type: str = "even") -> TensorVariable:
    """`array` with `pad_width` elements before and after those of each axis.

    pad_width, stat_length, constant_values and end_values are one value, (before, after) for all axes, or a pair for
    each axis; pad_width may be a dict of axes.  They may be symbolic.
    mode: "constant" (constant_values), "empty" (zeros), "edge" (the nearest element), "linear_ramp" (in equal steps to
    end_values), "maximum", "minimum", "mean", "median" (of stat_length elements from that side; of all for None),
    "reflect", "symmetric" (without and with the edge repeated; reflect_type "odd": twice the edge less what is
    reflected), "wrap".
    Dtype: same as array; ramps of integers are rounded down, means and medians to the nearest even.
    Raises: ShapeError for a negative width, or for an empty axis that is to be padded by its elements.
    """
    x = as_tensor_variable(array)
    if not isinstance(mode, str) or mode not in ("constant", "empty", "edge", "linear_ramp", "reflect", "symmetric",
                                                 "wrap", *_STATISTICS):
        own = " (in place of a function: pad by 0, then set_subtensor of the borders)" if callable(mode) else ""
        raise TypeMismatchError(f"pad: mode is 'constant', 'empty', 'edge', 'linear_ramp', 'maximum', 'minimum', "
                                f"'mean', 'median', 'reflect', 'symmetric' or 'wrap', got {quoted(mode)}"
                                f"{own}{at(user_line())}")
    if reflect_type not in ("even", "odd"):
        raise TypeMismatchError(f"pad: reflect_type is 'even' or 'odd', got {quoted(reflect_type)}{at(user_line())}")
    values = _pairs(end_values if mode == "linear_ramp" else 0 if mode == "empty" else constant_values, x, "values")
    lengths = _pairs(stat_length, x, "stat_length")
    for axis, pair in enumerate(_pairs(_of_dict(pad_width, x), x, "pad_width")):
        before, after = [not_negative(sizes(n)[0], "pad") for n in pair]
        if all(isinstance(n, Constant) and n.data == 0 for n in (before, after)):
            continue
        if mode not in ("constant", "empty"):
            x = in_range(size_of(x, axis), 1, None, f"pad: axis {axis} of {named(x)} is empty; only constants pad it",
                         "size", on=x)
        if mode in ("edge", "reflect", "symmetric", "wrap"):
            x = _repeated(x, axis, before, after, mode, reflect_type == "odd")
            continue
        if mode in _STATISTICS:
            sides = _statistics(x, axis, (before, after), mode, lengths[axis])
        elif mode == "linear_ramp":
            sides = _ramps(x, axis, (before, after), values[axis])
        else:
            sides = [_filled(x, axis, n, converted(v, x.type.dtype))
                     for n, v in zip((before, after), values[axis])]
        x = join(axis, sides[0], x, sides[1])
    return x


def _of_dict(given: object, x: TensorVariable) -> object:
    """Widths by axis as a pair for each axis."""
    if not isinstance(given, dict):
        return given
    made: list[object] = [(0, 0)] * x.type.ndim
    for axis, width in given.items():
        made[normalize_axis(axis, x.type.ndim, "pad", x)] = _pairs(width, x, "pad_width")[0]
    return made


def _pairs(given: object, x: TensorVariable, name: str) -> list[Pair]:
    """What is given as a pair for each axis, as NumPy broadcasts it to (ndim, 2)."""
    rows = given.tolist() if isinstance(given, np.ndarray) else given
    rows = rows if isinstance(rows, (list, tuple)) else [rows]
    if not any(isinstance(row, (list, tuple)) for row in rows):
        rows = [rows]
    rows = list(rows) * (x.type.ndim if len(rows) == 1 else 1)
    rows = [row if isinstance(row, (list, tuple)) else () for row in rows]
    if len(rows) != x.type.ndim or any(len(row) not in (1, 2) for row in rows):
        raise ShapeError(f"pad: {name} is one value, a pair, or a pair for each of {x.type.ndim} axes, got "
                         f"{quoted(given)}{at(user_line())}")
    return [(row[0], row[-1]) for row in rows]


def _filled(x: TensorVariable, axis: int, n: TensorVariable, value: TensorVariable) -> TensorVariable:
    """`value`, of which the axis has size 1 if it has axes, n times along the axis of x."""
    shape = sizes_of(x)
    shape[axis] = n
    return broadcast_to(value, shape)


def _edge(x: TensorVariable, axis: int, position: int) -> TensorVariable:
    return getitem(x, (*[slice(None)] * axis, position))


def _repeated(x: TensorVariable, axis: int, before: TensorVariable, after: TensorVariable, mode: str,
              odd: bool) -> TensorVariable:
    """x at positions that go on past its ends."""
    n = size_of(x, axis)
    one, last = size_constant(1), ew.sub(n, size_constant(1))
    place = ew.sub(apply(ops.Iota(), ew.add(ew.add(before, n), after)), before)
    if mode == "edge":
        return take(x, ew.maximum(ew.minimum(place, last), size_constant(0)), axis)
    if mode == "wrap":
        return take(x, ew.mod(place, n), axis)
    # the period: there and back, with both edges twice, or once
    period = ew.add(n, n) if mode == "symmetric" else ew.maximum(ew.add(last, last), one)
    within = ew.mod(place, period)
    back = ew.sub(ew.sub(period, one) if mode == "symmetric" else period, within)
    forth = ew.lt(within, n)
    result = take(x, ew.switch(forth, within, back), axis)
    if not odd:
        return result
    ndim = x.type.ndim
    rounds = cast(along(ew.floor_divide(place, period), axis, ndim), x.type.dtype)
    low, high = [expand_dims(_edge(x, axis, k), axis) for k in (0, -1)]
    two = converted(2, x.type.dtype)
    turned = ew.switch(along(forth, axis, ndim), result, ew.sub(ew.mul(two, high), result))
    higher = ew.mul(ew.mul(two, rounds), ew.sub(high, low))
    # x itself is not raised, though its ends may be inf or nan
    return ew.add(turned, ew.switch(ew.eq(rounds, 0), 0, higher))


def _statistics(x: TensorVariable, axis: int, widths: Sides, mode: str,
                lengths: Pair) -> list[TensorVariable]:
    n, sides = size_of(x, axis), []
    for side, (width, length) in enumerate(zip(widths, lengths)):
        part = x
        if length is not None:
            count = in_range(sizes(length)[0], 1, None, "pad: stat_length must be at least 1, got {0}", "value")
            count = ew.minimum(count, n)
            part = slice_axis(x, axis, ew.sub(n, count), None) if side else slice_axis(x, axis, None, count)
        value = _STATISTICS[mode](part, axis=axis, keepdims=True)
        if value.type.dtype != x.type.dtype and x.type.dtype in dtypes.DISCRETE:
            value = ew.round_half_to_even(value)
        sides.append(_filled(x, axis, width, cast(value, x.type.dtype)))
    return sides


def _ramps(x: TensorVariable, axis: int, widths: Sides, ends: Pair) -> list[TensorVariable]:
    """From the end values to the edges, which are not in it."""
    sides = []
    for side, (width, end) in enumerate(zip(widths, ends)):
        edge = cast(_edge(x, axis, -side), dtypes.upcast(x.type.dtype, "float64"))
        ramp = linspace(as_tensor_variable(end), edge, width, endpoint=False)
        if x.type.dtype in dtypes.DISCRETE:
            ramp = ew.floor(ramp)
        ramp = moveaxis(cast(ramp, x.type.dtype), 0, axis)
        sides.append(flip(ramp, axis) if side else ramp)
    return sides
