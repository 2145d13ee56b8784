"""Putting tensors together and taking them apart: `join, stack, split, tile`, and relatives.

Errors: ShapeError where sizes known at build don't fit; the rest is checked at run time and names the user's line.
Tensors put together take their common dtype.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from gradc.errors import ShapeError, TypeMismatchError, at, quoted
from gradc.ir import build, dtypes, graph, ops
from gradc.ir.graph import Constant, Variable, apply, describe, user_line
from gradc.tensor import elemwise as ew
from gradc.tensor.checks import equal, in_range, integer, named, not_negative
from gradc.tensor.convert import as_tensor_variable, cast, constant, size_constant, size_of, sizes, sizes_of, together
from gradc.tensor.reduce import multiply_sizes, normalize_axis
from gradc.tensor.shape import atleast_1d, atleast_2d, expand_dims, shape_padleft
from gradc.tensor.types import Axis, ShapeLike, SizeLike, TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = [
    "concatenate", "horizontal_stack", "hstack", "join", "split", "stack", "stacklists", "tile",
    "vertical_stack", "vstack",
]


def join(axis: Axis, *tensors: TensorLike) -> TensorVariable:
    """The tensors one after the other along `axis`.  Dtype: common.

    The axis may be an integer variable: then no size of the result is known when the graph is built.
    Raises: ShapeError if ranks or the other sizes differ, or for an axis that is out of range.
    """
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        tensors = tuple(tensors[0])
    if not tensors:
        raise ShapeError(f"join takes at least one tensor{at(user_line())}")
    made = together(tensors)
    ndim = made[0].type.ndim
    if ndim == 0:
        raise ShapeError(f"join: {describe(made[0])} is a scalar and can't be joined{at(made[0].source)}; use stack")
    if isinstance(axis, Variable) and not isinstance(axis, Constant):
        return _join_at(axis, made)
    axis = normalize_axis(axis, ndim, "join", made[0])
    return made[0] if len(made) == 1 else apply(ops.Concat(axis), *made)


def _join_at(axis: Variable, tensors: Sequence[TensorVariable]) -> TensorVariable:
    """`join` along an axis that is a variable: each tensor is put into its place in a larger one."""
    ndim = tensors[0].type.ndim
    for t in tensors:
        if t.type.ndim != ndim:
            raise ShapeError(f"join: {describe(tensors[0])} has {ndim} dimension(s), {describe(t)} {t.type.ndim}"
                             f"{at(t.source)}")
    place = in_range(integer(axis, "join", "axis"), -ndim, ndim,
                     f"join: axis {{0}} is out of range for {ndim} dimension(s)", "size")
    place = ew.switch(ew.lt(place, 0), ew.add(place, size_constant(ndim)), place)
    here = [ew.eq(place, size_constant(k)) for k in range(ndim)]
    zero = size_constant(0)
    first = sizes_of(tensors[0])
    ends = [first]              # of each tensor, along each axis, were it the one
    for t in tensors[1:]:
        own = sizes_of(t)
        for k in range(ndim):
            own[k] = equal(ew.switch(here[k], first[k], own[k]), first[k],
                           f"join: sizes {{0}} and {{1}} of dimension {k} differ", on=own[k])
        ends.append([ew.add(end, n) for end, n in zip(ends[-1], own)])
    result = apply(ops.Broadcast(), constant(0, dtype=dtypes.upcast(*(t.type.dtype for t in tensors))),
                   *[ew.switch(h, end, n) for h, end, n in zip(here, ends[-1], first)])
    item = ops.Item(start=ops.DYNAMIC, stop=ops.DYNAMIC)
    for t, start, stop in zip(tensors, [[zero] * ndim, *ends], ends):
        bounds = [ew.switch(h, *pair) for h, a, e, n in zip(here, start, stop, first) for pair in ((a, zero), (e, n))]
        result = build.put(graph, "set", result, cast(t, result.type.dtype), [item] * ndim, *bounds)
    return result


def concatenate(tensors: Sequence[TensorLike], axis: Axis = 0) -> TensorVariable:
    """The tensors of a list one after the other along `axis`; `join` with the arguments the other way."""
    if not isinstance(tensors, (list, tuple)):
        raise TypeMismatchError(f"concatenate takes a list or tuple of tensors, got {quoted(tensors)}"
                                f"{at(user_line())}")
    return join(axis, *tensors)


def stack(tensors: TensorLike, *more: Any, axis: Axis = 0) -> TensorVariable:
    """Tensors of equal shape along a new axis.  Dtype: common.  `stack(list, axis)` is accepted too."""
    if more and isinstance(tensors, (list, tuple)):
        if len(more) > 1:
            raise TypeMismatchError(f"stack takes a list of tensors and an axis{at(user_line())}")
        axis = more[0]
    elif more or (isinstance(tensors, Variable) and as_tensor_variable(tensors).ndim == 0):
        tensors = (tensors, *more)
    if not isinstance(tensors, (list, tuple)):
        tensors = list(as_tensor_variable(tensors))
    if not tensors:
        raise ShapeError(f"stack takes at least one tensor{at(user_line())}")
    made = together(tensors)
    ndim = made[0].type.ndim
    for t in made:
        if t.type.ndim != ndim:
            raise ShapeError(f"stack: {describe(made[0])} has {ndim} dimension(s), {describe(t)} {t.type.ndim}"
                             f"{at(t.source)}")
    if isinstance(axis, Variable) and not isinstance(axis, Constant):
        return _stack_at(axis, made)
    axis = normalize_axis(axis, ndim + 1, "stack")
    known = [t.data for t in made if isinstance(t, Constant)]
    if len(known) == len(made):
        return constant(np.stack(known, axis))
    return join(axis, *[expand_dims(t, axis) for t in made])


def _stack_at(axis: Variable, tensors: Sequence[TensorVariable]) -> TensorVariable:
    """`stack` along a new axis whose place is a variable: joined once each has been given the axis, of size 1."""
    ndim = tensors[0].type.ndim
    place = in_range(integer(axis, "stack", "axis"), -ndim - 1, ndim + 1,
                     f"stack: axis {{0}} is out of range for {ndim + 1} dimension(s)", "size")
    place = ew.switch(ew.lt(place, 0), ew.add(place, size_constant(ndim + 1)), place)
    one = size_constant(1)
    wide = []
    for t in tensors:
        own = sizes_of(t)
        new = [ew.switch(ew.eq(place, size_constant(k)), one,
                         ew.switch(ew.lt(place, size_constant(k)), own[max(k - 1, 0)] if own else one,
                                   own[min(k, ndim - 1)] if own else one)) for k in range(ndim + 1)]
        wide.append(apply(ops.Reshape(ndim + 1), t, *new))
    return _join_at(place, wide)


def stacklists(nested: TensorLike) -> TensorVariable:
    """A nested list of tensors as one tensor with one more axis per level."""
    if isinstance(nested, (list, tuple)):
        return stack([stacklists(n) if isinstance(n, (list, tuple)) else n for n in nested])
    return as_tensor_variable(nested)


def hstack(tensors: Sequence[TensorLike]) -> TensorVariable:
    """The tensors side by side: along axis 1, vectors along axis 0."""
    made = [atleast_1d(t) for t in together(tensors)]
    return join(0 if made[0].type.ndim == 1 else 1, *made)


def vstack(tensors: Sequence[TensorLike]) -> TensorVariable:
    """The tensors below each other along axis 0; vectors become rows."""
    return join(0, *[atleast_2d(t) for t in together(tensors)])


horizontal_stack = hstack
vertical_stack = vstack


def split(x: TensorLike, splits_size: ShapeLike, n_splits: int | None = None, axis: Axis = 0) -> list[TensorVariable]:
    """x cut along `axis` into parts of the sizes `splits_size` (a list, or a vector of `n_splits` entries).

    Raises: ShapeError if a size is negative or they don't add up to that of x, at build where known, else at run time.
    """
    x = as_tensor_variable(x)
    axis = normalize_axis(axis, x.type.ndim, "split", x)
    known = len(splits_size) if isinstance(splits_size, (list, tuple)) else None
    if known is not None and n_splits not in (None, known):
        raise ShapeError(f"split: expected sizes of n_splits={n_splits} parts, got {known} for {describe(x)}"
                         f"{at(x.source)}")
    parts = [not_negative(n, "split") for n in sizes(splits_size, ndim=n_splits)]
    bounds = [size_constant(0)]
    for p in parts:
        last = bounds[-1]
        bounds.append(size_constant(int(p.data) + int(last.data))
                      if isinstance(p, Constant) and isinstance(last, Constant) else ew.add(last, p))
    x = equal(bounds[-1], size_of(x, axis),
              f"split: the sizes add up to {{0}}, dimension {axis} of {named(x)} has size {{1}}", on=x)
    return [slice_axis(x, axis, a, b) for a, b in pairwise(bounds)]


def slice_axis(x: TensorVariable, axis: int, start: SizeLike | None, stop: SizeLike | None,
               step: SizeLike | None = None) -> TensorVariable:
    """x[..., start:stop:step, ...] along `axis`; bounds are None, ints or int64 scalars."""
    bounds = [int(b.data) if isinstance(b, Constant) else cast(b, "int64") if isinstance(b, Variable) else b
              for b in (start, stop, step)]
    return build.cut(graph, x, *bounds, axis=axis)


def tile(x: TensorLike, reps: ShapeLike, ndim: int | None = None) -> TensorVariable:
    """x repeated `reps` times along each axis, as numpy.tile; `ndim` says the rank for a vector of reps."""
    x = as_tensor_variable(x)
    times = [not_negative(s, "tile")
             for s in sizes(reps, ndim=None if isinstance(reps, (list, tuple, int, np.integer)) else ndim)]
    want = max(x.type.ndim, len(times), ndim or 0)
    x = shape_padleft(x, want - x.type.ndim)
    times = [size_constant(1)] * (want - len(times)) + times
    mine = sizes_of(x)
    repeated = apply(ops.Broadcast(), build.insert_axes(graph, x, range(0, 2 * want, 2), 2 * want),
                     *[s for pair in zip(times, mine) for s in pair])
    return apply(ops.Reshape(want), repeated, *[multiply_sizes(t, m) for t, m in zip(times, mine)])
