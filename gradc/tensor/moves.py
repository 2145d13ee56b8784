"""Elements moved within a tensor: `roll, flip, fliplr, flipud, rot90`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gradc.errors import ShapeError, at
from gradc.ir import ops
from gradc.ir.graph import Constant, apply, describe, user_line
from gradc.tensor import elemwise as ew
from gradc.tensor.checks import integer, python_integer
from gradc.tensor.convert import as_tensor_variable, size_constant, size_of, sizes_of
from gradc.tensor.joining import join, slice_axis
from gradc.tensor.reduce import normalize_axes, normalize_axis
from gradc.tensor.shape import flatten, swapaxes
from gradc.tensor.types import Axes, List, TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = ["flip", "fliplr", "flipud", "roll", "rot90"]

# rows of `tensor.numpy_api`
NUMPY = {"roll": "a shift axis=", "flip": "m axis=", "flipud": "m", "fliplr": "m", "rot90": "m k= axes="}


def roll(x: TensorLike, shift: TensorLike, axis: Axes = None) -> TensorVariable:
    """x with its elements moved by `shift` places along `axis`, those past the end coming in at the start.

    With several axes there is one shift for all, or one for each; with several shifts there may be one axis, which is
    rolled by each.  With axis None the flattened x is rolled, by the sum of the shifts.   Source: numpy.roll.
    """
    x = as_tensor_variable(x)
    shifts = list(shift) if isinstance(shift, (list, tuple, np.ndarray)) and np.ndim(shift) == 1 else [shift]  # type: ignore[arg-type]
    flat = flatten(x) if axis is None else x
    given: list[Any] = [0] if axis is None else list(axis) if isinstance(axis, (list, tuple)) else [axis]
    axes = [normalize_axis(k, flat.type.ndim, "roll", x) for k in given]
    if len(shifts) != len(axes) and 1 not in (len(shifts), len(axes)):
        raise ShapeError(f"roll: there are {len(shifts)} shifts for {len(axes)} axes{at(user_line())}")
    result = flat
    for k in range(max(len(shifts), len(axes)) if shifts and axes else 0):
        result = _roll(result, shifts[k % len(shifts)], axes[k % len(axes)])
    return result if flat is x else apply(ops.Reshape(x.type.ndim), result, *sizes_of(x))


def _roll(x: TensorVariable, shift: TensorLike, axis: int) -> TensorVariable:
    n = size_of(x, axis)
    by = integer(shift, "roll", "shift")
    if isinstance(n, Constant) and isinstance(by, Constant):
        cut = size_constant((-int(by.data)) % max(int(n.data), 1))
    else:
        cut = ew.mod(ew.neg(by), ew.maximum(n, size_constant(1)))
    return join(axis, slice_axis(x, axis, cut, None), slice_axis(x, axis, None, cut))


def flip(m: TensorLike, axis: Axes = None) -> TensorVariable:
    """m with its elements in reverse order along `axis` (None: along all axes)."""
    x = as_tensor_variable(m)
    result = x
    for k in normalize_axes(axis, x, "flip"):
        result = slice_axis(result, k, None, None, -1)
    return result


def flipud(m: TensorLike) -> TensorVariable:
    """m with its rows in reverse order."""
    return flip(m, 0)


def fliplr(m: TensorLike) -> TensorVariable:
    """m, of at least two dimensions, with its columns in reverse order."""
    return flip(m, 1)


def rot90(m: TensorLike, k: int = 1, axes: List = (0, 1)) -> TensorVariable:
    """m turned by 90 degrees k times in the plane of two axes, from the first towards the second."""
    x = as_tensor_variable(m)
    if len(axes) != 2:
        raise ShapeError(f"rot90: there are two axes, got {len(axes)}{at(user_line())}")
    first, second = [normalize_axis(a, x.type.ndim, "rot90", x) for a in axes]
    if first == second:
        raise ShapeError(f"rot90: the axes must differ, both are {first} of {describe(x)}{at(x.source)}")
    turns = python_integer(k, "rot90", "k") % 4
    if turns >= 2:
        x = flip(x, (first, second) if turns == 2 else first)
    if turns == 1:
        x = flip(x, second)
    return swapaxes(x, first, second) if turns % 2 else x
