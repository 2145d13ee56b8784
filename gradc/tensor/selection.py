"""Functions that read and change elements at positions: `take`, `take_along_axis`, `choose`, `compress`, and kin.

All are composites of indexing (`index.py`), so that `set_subtensor` and `inc_subtensor` take what they give as a part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradc.errors import ShapeError, TypeMismatchError, at
from gradc.ir import dtypes, ops
from gradc.ir.graph import apply, describe, user_line
from gradc.tensor import elemwise as ew
from gradc.tensor.checks import in_range
from gradc.tensor.convert import as_tensor_variable, converted, size_constant, size_of, together
from gradc.tensor.index import Positions, entry_of, getitem, no_index, set_subtensor
from gradc.tensor.joining import stack
from gradc.tensor.masks import flatnonzero, nonzero
from gradc.tensor.reduce import normalize_axis
from gradc.tensor.shape import along, broadcast_arrays, flatten
from gradc.tensor.types import Axis, TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = [
    "choose", "compress", "extract", "nonzero_values", "put_along_axis", "take", "take_along_axis", "where",
]

# rows of `tensor.numpy_api`
NUMPY = {"take": "a indices axis= mode=", "choose": "a choices mode=", "compress": "condition a axis=",
         "extract": "condition arr"}


def _part(x: TensorVariable, key: object, whole: TensorVariable) -> TensorVariable:
    """x[key], a part of `whole`, of which x is the flattened form, or which it is."""
    part = getitem(x, key)
    if x is not whole:
        part.tag.steps = (part.tag.steps if hasattr(part.tag, "steps") else 1) + 1
    return part


def in_mode(i: TensorVariable, n: TensorVariable, mode: str, what: str) -> TensorVariable:
    """Positions along an axis of n: as they are ("raise"), around the end ("wrap"), or the nearest ("clip")."""
    if mode not in ("raise", "wrap", "clip"):
        raise TypeMismatchError(f"{what}: mode is 'raise', 'wrap' or 'clip', got {mode!r}{at(user_line())}")
    if mode == "raise":
        return i
    i = converted(i, "int64")
    if mode == "wrap":
        return ew.mod(i, n)
    return ew.maximum(ew.minimum(i, ew.sub(n, size_constant(1))), size_constant(0))


def take(a: TensorLike, indices: object, axis: Axis | None = None, mode: str = "raise") -> TensorVariable:
    """a at `indices`, integers of any shape, along `axis` (None: of the flattened a), as numpy.take.

    mode: of indices out of bounds: "raise", "wrap" (around the end) or "clip" (to the first or the last element).
    Dtype: same as a.  Derivative: by a, a sum over equal indices.
    """
    a = as_tensor_variable(a)
    x = a
    if axis is None:
        x, axis = flatten(a), 0
    axis = normalize_axis(axis, x.type.ndim, "take", x)
    entry = entry_of(indices, "take")
    i = entry.array if isinstance(entry, Positions) else as_tensor_variable(entry)
    if i.type.dtype not in dtypes.INTEGERS or (isinstance(entry, Positions) and entry.mask is not None):
        raise no_index(indices, "take")
    return _part(x, (*[slice(None)] * axis, in_mode(i, size_of(x, axis), mode, "take")), a)


def _along(x: TensorVariable, indices: TensorVariable, axis: int) -> tuple[TensorVariable, ...]:
    """The index of x that has `indices` along an axis, and all positions along the others."""
    ndim = x.type.ndim
    return tuple([indices if k == axis else along(apply(ops.Iota(), size_of(x, k)), k, ndim) for k in range(ndim)])


def take_along_axis(arr: TensorLike, indices: TensorLike, axis: Axis | None = 0) -> TensorVariable:
    """arr at `indices` along `axis`, where each position of the other axes has its own, as numpy.take_along_axis.

    Shapes: indices have as many dimensions as arr; both broadcast along the other axes, where of static size 1.
    axis None: indices are a vector of positions in the flattened arr.   Dtype: same as arr.
    """
    arr, i = as_tensor_variable(arr), as_tensor_variable(indices)
    x = arr
    if axis is None:
        x, axis = flatten(arr), 0
    axis = normalize_axis(axis, x.type.ndim, "take_along_axis", x)
    if i.type.dtype not in dtypes.INTEGERS:
        raise no_index(i, "take_along_axis")
    if i.type.ndim != x.type.ndim:
        raise ShapeError(f"take_along_axis: indices have as many dimensions as the array, {describe(i)} has "
                         f"{i.type.ndim} and {describe(x)} {x.type.ndim}{at(i.source or user_line())}")
    return _part(x, _along(x, i, axis), arr)


def put_along_axis(arr: TensorLike, indices: TensorLike, values: TensorLike, axis: Axis | None) -> TensorVariable:
    """A copy of arr with `values` at the places that take_along_axis reads; of equal indices the last one counts.

    Shapes: values have the shape of these places, or broadcast to it.   Dtype: same as arr.
    """
    return set_subtensor(take_along_axis(arr, indices, axis), values)


def choose(a: TensorLike, choices: TensorLike, mode: str = "raise") -> TensorVariable:
    """choices[a[i]][i] at each place i, as numpy.choose: a, and all choices, broadcast with each other.

    choices: a list of tensors, or a tensor whose first axis they are along.  mode: as of `take`, of numbers for which
    there is no choice; negative ones raise as well.   Dtype: common of the choices.
    """
    i = as_tensor_variable(a)
    if i.type.dtype not in dtypes.DISCRETE:
        raise no_index(i, "choose")
    table = stack(list(broadcast_arrays(*together(choices)))) if isinstance(choices, (list, tuple)) else \
        as_tensor_variable(choices)
    if table.type.ndim == 0:
        raise ShapeError(f"choose takes a list of choices, or a tensor of at least one dimension, {describe(table)} is "
                         f"{table.type.short()}{at(table.source)}")
    n = size_of(table, 0)
    i = in_mode(converted(i, "int64"), n, mode, "choose")
    if mode == "raise":
        i = in_range(i, 0, n, "choose: there is no choice {0} of {1}", "value")
    if table.type.ndim == 1:
        return getitem(table, (i,))
    rest = table.type.ndim - 1
    return getitem(table, (i, *[along(apply(ops.Iota(), size_of(table, k + 1)), k, rest) for k in range(rest)]))


def compress(condition: TensorLike, a: TensorLike, axis: Axis | None = None) -> TensorVariable:
    """The parts of a along `axis` (None: of the flattened a) for which the vector `condition` is true (not 0).

    A condition may be shorter than the axis.   Dtype: same as a.   Source: numpy.compress.
    Raises: IndexOutOfBoundsError where it is true behind the last element.
    """
    condition = as_tensor_variable(condition)
    if condition.type.ndim != 1:
        raise ShapeError(f"compress takes a vector of conditions, {describe(condition)} is {condition.type.short()}"
                         f"{at(condition.source or user_line())}")
    return take(a, flatnonzero(condition), axis)


def extract(condition: TensorLike, arr: TensorLike) -> TensorVariable:
    """The elements of arr where `condition` is true, both flattened, as numpy.extract."""
    return compress(flatten(condition), arr)


def nonzero_values(a: TensorLike) -> TensorVariable:
    """The elements of a that are not 0, as a vector."""
    return take(a, flatnonzero(a))


def where(cond: TensorLike, ift: TensorLike | None = None, iff: TensorLike | None = None) -> Any:
    """As `switch`; of one argument, as `nonzero`: a tuple of positions."""
    if ift is None and iff is None:
        return nonzero(cond)
    if ift is None or iff is None:
        raise TypeMismatchError(f"where takes a condition and two values, or a condition alone{at(user_line())}")
    return ew.switch(cond, ift, iff)
