"""`repeat`: elements several times each, by one number, or by a vector with a number for each of them.

How long the result for a vector of unknown length is, its elements tell; NumPy makes it (`Repeat`), and the sums over
repetitions that are its derivative (`SumRepeated`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradc.errors import TypeMismatchError, at
from gradc.ir import dtypes, graph, ops
from gradc.ir.graph import Apply, Constant, NullVariable, Op, Variable, apply, describe
from gradc.ir.types import DisconnectedType, TensorType
from gradc.tensor.checks import equal, in_range, named
from gradc.tensor.convert import as_tensor_variable, cast, size_constant, size_of, sizes, sizes_of
from gradc.tensor.index import take
from gradc.tensor.joining import join, split
from gradc.tensor.reduce import multiply_sizes, normalize_axis
from gradc.tensor.shape import expand_dims, flatten
from gradc.tensor.types import Axis, TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = ["repeat"]


FEW = 32        # numbers of a vector, for each of which there is an equation


def repeat(x: TensorLike, repeats: TensorLike, axis: Axis | None = None) -> TensorVariable:
    """Each element of x `repeats` times along `axis` (of the flattened x for None), as numpy.repeat.

    `repeats` is one number, or a vector with one for each element along the axis.  With a vector variable of a length
    that is not known when the graph is built (or above 32) NumPy makes it.
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
    count = times.type.shape[0]
    if count == 0:
        return x
    if isinstance(times, Constant) and len(times.data) > FEW:
        if times.data.min() < 0:
            _checked(size_constant(int(times.data.min())))
        return take(x, np.repeat(np.arange(len(times.data)), times.data), axis)
    if count is None or count > FEW:
        return Repeat(axis)(x, _checked(cast(times, "int64")))
    numbers = [size_constant(int(n)) for n in times.data] if isinstance(times, Constant) else \
        [apply(ops.Slice((ops.Item(at=k),)), times) for k in range(count)]
    return join(axis, *[repeat(piece, n, axis) for piece, n in zip(split(x, [1] * count, axis=axis), numbers)])


class Repeat(Op):
    """numpy.repeat of x by a vector of counts along an axis."""

    __props__ = ("axis",)

    def __init__(self, axis: int) -> None:
        self.axis = axis

    def make_node(self, x: TensorVariable, counts: TensorVariable) -> Apply:
        shape = list(x.type.shape)
        shape[self.axis] = None
        return Apply(self, [x, counts], [TensorType(x.type.dtype, shape)()])

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: list[list[Any]]) -> None:
        x, counts = inputs
        output_storage[0][0] = np.repeat(x, counts, axis=self.axis)

    def grad(self, inputs: Sequence[Variable], output_gradients: Sequence[Variable]) -> list[Variable]:
        return [SumRepeated(self.axis)(output_gradients[0], inputs[1]), NullVariable(DisconnectedType())]

    def R_op(self, inputs: Sequence[Variable], eval_points: Sequence[Variable | None]) -> list[Variable | None]:
        return [None if eval_points[0] is None else self(eval_points[0], inputs[1])]


class SumRepeated(Op):
    """The sums over the repetitions of each element, for an argument that `Repeat` could have made."""

    __props__ = ("axis",)

    def __init__(self, axis: int) -> None:
        self.axis = axis

    def make_node(self, g: TensorVariable, counts: TensorVariable) -> Apply:
        shape = list(g.type.shape)
        shape[self.axis] = counts.type.shape[0]
        return Apply(self, [g, counts], [TensorType(g.type.dtype, shape)()])

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: list[list[Any]]) -> None:
        g, counts = np.moveaxis(inputs[0], self.axis, 0), inputs[1]
        sums = np.zeros((len(counts), *g.shape[1:]), np.result_type(g, "float64"))
        np.add.at(sums, np.repeat(np.arange(len(counts)), counts), g)
        output_storage[0][0] = np.moveaxis(sums, 0, self.axis).astype(g.dtype)

    def grad(self, inputs: Sequence[Variable], output_gradients: Sequence[Variable]) -> list[Variable]:
        return [Repeat(self.axis)(output_gradients[0], inputs[1]), NullVariable(DisconnectedType())]

    def R_op(self, inputs: Sequence[Variable], eval_points: Sequence[Variable | None]) -> list[Variable | None]:
        return [None if eval_points[0] is None else self(eval_points[0], inputs[1])]
