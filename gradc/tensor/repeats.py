"""`repeat`: elements several times each, by one number, or by a vector with a number for each of them.

For a vector the elements are gathered at positions made of it; how many there are, its elements tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gradc.errors import TypeMismatchError, at
from gradc.ir import dtypes, graph, ops
from gradc.ir.graph import Constant, apply, describe
from gradc.tensor import elemwise as ew
from gradc.tensor import reduce as red
from gradc.tensor.checks import equal, in_range, named
from gradc.tensor.convert import as_tensor_variable, cast, size_constant, size_of, sizes, sizes_of
from gradc.tensor.creation import zeros
from gradc.tensor.index import inc_subtensor
from gradc.tensor.reduce import multiply_sizes, normalize_axis
from gradc.tensor.selection import take
from gradc.tensor.shape import expand_dims, flatten
from gradc.tensor.types import Axis, TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = ["repeat"]


def repeat(x: TensorLike, repeats: TensorLike, axis: Axis | None = None) -> TensorVariable:
    """Each element of x `repeats` times along `axis` (of the flattened x for None), as numpy.repeat.

    `repeats` is one number, or a vector with one for each element along the axis.
    Raises: BadValueError for a negative number, ShapeError for a vector of another length.
    """
    x = as_tensor_variable(x)
    if axis is None:
        x, axis = flatten(x), 0
    axis = normalize_axis(axis, x.type.ndim, "repeat", x)
    times = as_tensor_variable(repeats)
    if times.type.dtype not in dtypes.INTEGERS or times.type.ndim > 1:
        raise TypeMismatchError(f"repeat: repeats must be an integer or a vector of integers, got {describe(times)} of "
                                f"type {times.type}{at(times.source or graph.user_line())}")
    if times.type.ndim == 1 and times.type.shape != (1,):
        return _each(x, times, axis)
    n = _checked(sizes(times, allow_unknown=True)[0])
    mine = sizes_of(x)
    repeated = apply(ops.Broadcast(), expand_dims(x, axis + 1), *mine[:axis + 1], n, *mine[axis + 1:])
    return apply(ops.Reshape(x.type.ndim), repeated, *mine[:axis], multiply_sizes(mine[axis], n), *mine[axis + 1:])


def _checked(times: TensorVariable) -> TensorVariable:
    return in_range(times, 0, None, "repeat: a number of repeats must not be negative, got {0}")


def _each(x: TensorVariable, times: TensorVariable, axis: int) -> TensorVariable:
    """A number for each element."""
    x = equal(size_of(times, 0), size_of(x, axis),
              f"repeat: there are {{0}} repeats for the {{1}} elements of {named(x)} along axis {axis}", on=x,
              error="shape")
    if isinstance(times, Constant):
        if times.data.min(initial=0) < 0:
            _checked(size_constant(int(times.data.min())))
        return take(x, np.repeat(np.arange(len(times.data)), times.data), axis)
    counts = _checked(cast(times, "int64"))
    total = red.sum(counts)
    ended = inc_subtensor(zeros(ew.add(total, 1), dtype="int64")[red.cumsum(counts)], 1)
    return take(x, red.cumsum(ended)[:total], axis)     # as many elements have ended before each place
