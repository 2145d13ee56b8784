"""Shapes: reading them, changing them, and putting tensors together.

Sizes are ints or int64 scalars; a shape may be an int, a tuple of sizes, or a vector.  Errors: ShapeError where sizes
known at build don't fit; the rest is checked at run time and names the user's line.  Dtypes stay as they are, except
that tensors put together take their common dtype.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from gradc.errors import ShapeError, at, quoted, shown
from gradc.ir import build, graph, ops
from gradc.ir.graph import Constant, apply, describe, user_line
from gradc.tensor import elemwise as ew
from gradc.tensor.checks import equal, in_range, is_length, named, not_negative, python_integer
from gradc.tensor.convert import as_tensor_variable, cast, constant, size_constant, size_of, sizes, sizes_of
from gradc.tensor.reduce import multiply_sizes, normalize_axes, normalize_axis
from gradc.tensor.types import Axes, Axis, List, ShapeLike, TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = [
    "addbroadcast", "atleast_1d", "atleast_2d", "atleast_3d", "atleast_Nd", "atleast_nd", "broadcast_arrays",
    "broadcast_shape", "broadcast_to", "dimshuffle", "expand_dims", "flatten", "get_vector_length",
    "matrix_transpose", "moveaxis", "patternbroadcast", "ravel", "reshape", "shape", "shape_padaxis", "shape_padleft",
    "shape_padright", "shape_tuple", "size", "specify_shape", "squeeze", "swapaxes", "transpose", "unbroadcast",
]


# ------------------------------------------------------------------------------------------- reading shapes


def shape(x: TensorLike) -> TensorVariable:
    """The shape of x as an int64 vector; a constant where it is known when the graph is built."""
    x = as_tensor_variable(x)
    if None not in x.type.shape:
        return constant(np.asarray(x.type.shape, dtype="int64"))
    return apply(ops.ShapeOf(None), x)


def shape_tuple(x: TensorLike) -> tuple[TensorVariable, ...]:
    """The sizes of x, one int64 scalar per dimension."""
    return tuple(sizes_of(as_tensor_variable(x)))


def size(x: TensorLike) -> TensorVariable:
    """Number of elements of x, an int64 scalar."""
    return _product(sizes_of(as_tensor_variable(x)))


def _product(factors: Sequence[TensorVariable]) -> TensorVariable:
    result = size_constant(1)
    for f in factors:
        result = multiply_sizes(result, f)
    return result


def get_vector_length(v: TensorLike) -> int:
    """The length of a vector, where it is known when the graph is built.

    Raises: ShapeError (a ValueError) if it is not, or if v is no vector.
    """
    v = as_tensor_variable(v)
    if v.type.ndim != 1 or v.type.shape[0] is None:
        raise ShapeError(f"Length of {describe(v)} cannot be determined{at(v.source)}: it is {v.type.short()}")
    return v.type.shape[0]


# ------------------------------------------------------------------------------------------- order of axes


def dimshuffle(x: TensorLike, *pattern: Any) -> TensorVariable:
    """x with its axes in the order `pattern`; "x" makes an axis of size 1, an axis of static size 1 may go.

    `x.dimshuffle(0, "x", 1)` and `x.dimshuffle((0, "x", 1))` are the same.
    Raises: ShapeError for an axis that is out of range, used twice, or left out though not of static size 1.
    """
    x = as_tensor_variable(x)
    if len(pattern) == 1 and isinstance(pattern[0], (list, tuple)):
        pattern = tuple(pattern[0])
    perm = tuple(-1 if p == "x" else normalize_axis(p, x.type.ndim, "dimshuffle", x) for p in pattern)
    return build.reorder(graph, x, perm)


def along(v: TensorVariable, axis: int, ndim: int) -> TensorVariable:
    """The vector v as a tensor of `ndim` dimensions, of which all but `axis` have size 1."""
    return build.reorder(graph, v, [0 if k == axis else -1 for k in range(ndim)])


def transpose(x: TensorLike, *axes: Any) -> TensorVariable:
    """x with its axes reversed, or in the order `axes` (one tuple, or one argument per axis)."""
    x = as_tensor_variable(x)
    if len(axes) == 1 and (axes[0] is None or isinstance(axes[0], (list, tuple))):
        axes = tuple(axes[0] or ())
    if not axes:
        return build.reorder(graph, x, tuple(range(x.type.ndim))[::-1])
    if len(axes) != x.type.ndim:
        raise ShapeError(f"transpose: expected {x.type.ndim} axes for {describe(x)}, got "
                         f"{quoted(axes)}{at(x.source)}")
    return build.reorder(graph, x, tuple(normalize_axis(k, x.type.ndim, "transpose", x) for k in axes))


def matrix_transpose(x: TensorLike) -> TensorVariable:
    """x with its last two axes exchanged."""
    return swapaxes(x, -1, -2)


def swapaxes(x: TensorLike, axis1: Axis, axis2: Axis) -> TensorVariable:
    """x with two axes exchanged."""
    x = as_tensor_variable(x)
    order = list(range(x.type.ndim))
    i, j = (normalize_axis(k, x.type.ndim, "swapaxes", x) for k in (axis1, axis2))
    order[i], order[j] = j, i
    return build.reorder(graph, x, tuple(order))


def moveaxis(x: TensorLike, source: Axis | List, destination: Axis | List) -> TensorVariable:
    """x with the axes `source` moved to the places `destination`; the others keep their order."""
    x = as_tensor_variable(x)
    ndim = x.type.ndim
    old = [normalize_axis(k, ndim, "moveaxis", x) for k in (source if isinstance(source, (list, tuple)) else [source])]
    new = [normalize_axis(k, ndim, "moveaxis", x)
           for k in (destination if isinstance(destination, (list, tuple)) else [destination])]
    if len(old) != len(new) or len(set(old)) != len(old) or len(set(new)) != len(new):
        raise ShapeError(f"moveaxis: source {source} and destination {destination} must name equally many axes, each "
                         f"once{at(graph.user_line())}")
    order = [k for k in range(ndim) if k not in old]
    for place, axis in sorted(zip(new, old)):
        order.insert(place, axis)
    return build.reorder(graph, x, tuple(order))


def squeeze(x: TensorLike, axis: Axes = None) -> TensorVariable:
    """x without its axes of static size 1, or without those in `axis`."""
    x = as_tensor_variable(x)
    drop = [k for k, s in enumerate(x.type.shape) if s == 1] if axis is None else normalize_axes(axis, x, "squeeze")
    return build.reorder(graph, x, tuple(k for k in range(x.type.ndim) if k not in drop))


def expand_dims(x: TensorLike, axis: Axis) -> TensorVariable:
    """x with new axes of size 1 at the places `axis` of the result."""
    x = as_tensor_variable(x)
    places = list(axis) if isinstance(axis, (list, tuple)) else [axis]
    ndim = x.type.ndim + len(places)
    new = {normalize_axis(k, ndim, "expand_dims") for k in places}
    if len(new) != len(places):
        raise ShapeError(f"expand_dims: an axis is given twice in {axis}{at(graph.user_line())}")
    return build.insert_axes(graph, x, new, ndim)


def shape_padleft(x: TensorLike, n_ones: int = 1) -> TensorVariable:
    """x with `n_ones` axes of size 1 put before the others."""
    x = as_tensor_variable(x)
    count = python_integer(n_ones, "shape_padleft", "n_ones", 0)
    return build.insert_axes(graph, x, range(count), count + x.type.ndim)


def shape_padright(x: TensorLike, n_ones: int = 1) -> TensorVariable:
    """x with `n_ones` axes of size 1 put after the others."""
    x = as_tensor_variable(x)
    ndim = x.type.ndim + python_integer(n_ones, "shape_padright", "n_ones", 0)
    return build.insert_axes(graph, x, range(x.type.ndim, ndim), ndim)


def shape_padaxis(x: TensorLike, axis: Axis) -> TensorVariable:
    """x with one new axis of size 1 at `axis`."""
    return expand_dims(x, axis)


def atleast_nd(*tensors: TensorLike, n: int = 1, left: bool = True) -> Any:
    """The tensors with at least `n` dimensions: axes of size 1 put before (or after) the others."""
    made = []
    n = python_integer(n, "atleast_nd", "n", 0)
    for t in tensors:
        x = as_tensor_variable(t)
        missing = max(n - x.type.ndim, 0)
        made.append(shape_padleft(x, missing) if left else shape_padright(x, missing))
    return made[0] if len(made) == 1 else made


atleast_Nd = atleast_nd


def atleast_1d(*tensors: TensorLike) -> Any:
    """The tensors, scalars as vectors of one element."""
    return atleast_nd(*tensors, n=1)


def atleast_2d(*tensors: TensorLike) -> Any:
    """The tensors with at least 2 dimensions, new ones on the left."""
    return atleast_nd(*tensors, n=2)


def atleast_3d(*tensors: TensorLike) -> Any:
    """The tensors with at least 3 dimensions, new ones on the left (numpy.atleast_3d puts one on the right)."""
    return atleast_nd(*tensors, n=3)


# --------------------------------------------------------------------------------------------- reshaping


def reshape(x: TensorLike, newshape: ShapeLike, ndim: int | None = None) -> TensorVariable:
    """The elements of x in C order with another shape; one size may be -1, "what is left".

    `newshape`: an int, a tuple of ints and scalars, or a vector (of known length, or with `ndim`).
    Raises: ShapeError if the numbers of elements differ, at build where they are known, else at run time.
    """
    x = as_tensor_variable(x)
    new = sizes(newshape, ndim=ndim, allow_unknown=True)
    unknown = [k for k, s in enumerate(new) if isinstance(s, Constant) and s.data == -1]
    if any(isinstance(s, Constant) and s.data < -1 for s in new) or len(unknown) > 1:
        text = ", ".join(str(s.data) if isinstance(s, Constant) else describe(s) for s in new)
        raise ShapeError(f"reshape: sizes must not be negative, but one may be -1; got "
                         f"({shown(text)}){at(graph.user_line())}")
    if unknown:
        rest = new[:unknown[0]] + new[unknown[0] + 1:]
        new[unknown[0]] = _what_is_left(x, rest)
    else:
        doubtful = [k for k, s in enumerate(new) if not is_length(s)]
        if doubtful:        # a size that may turn out to be -1 at run time
            known = _product([_or_one(s) if k in doubtful else s for k, s in enumerate(new)])
            one = size_constant(1)
            # What is left of nothing is not known: -1 stays, which Reshape refuses.
            left = ew.switch(ew.lt(known, one), size_constant(-1), ew.floor_divide(size(x), ew.maximum(known, one)))
            if len(doubtful) > 1:
                count = reduce(ew.add, [cast(ew.eq(new[k], size_constant(-1)), "int64") for k in doubtful])
                left = in_range(count, None, 2, "reshape: one size may be -1, got {0} of them", "size", on=left)
            for k in doubtful:
                new[k] = ew.switch(ew.eq(new[k], size_constant(-1)), left, new[k])
    return apply(ops.Reshape(len(new)), x, *new)


def _or_one(s: TensorVariable) -> TensorVariable:
    return ew.switch(ew.eq(s, size_constant(-1)), size_constant(1), s)


def _what_is_left(x: TensorVariable, rest: Sequence[TensorVariable]) -> TensorVariable:
    """Number of elements of x divided by the product of the sizes `rest`; sizes that x has itself cancel."""
    mine = sizes_of(x)
    others = []
    for s in rest:
        owner = s.owner
        same = next((k for k, m in enumerate(mine) if owner is not None and m.owner is not None
                     and type(owner.op) is ops.ShapeOf and owner.op == m.owner.op
                     and owner.inputs[0] is m.owner.inputs[0]), None)
        if same is None:
            others.append(s)
        else:
            del mine[same]
    total, used = _product(mine), _product(others)
    if isinstance(total, Constant) and isinstance(used, Constant):
        have, want = int(total.data), int(used.data)
        if want == 0 or have % want:
            raise ShapeError(f"reshape: the {have} elements of {describe(x)} can't be divided into pieces of {want}"
                             f"{at(x.source)}")
        return size_constant(have // want)
    if isinstance(used, Constant) and used.data == 1:
        return total
    return ew.floor_divide(total, used)


def flatten(x: TensorLike, ndim: int = 1) -> TensorVariable:
    """x with its trailing axes joined into one, so that `ndim` remain."""
    x = as_tensor_variable(x)
    have = x.type.ndim
    if not isinstance(ndim, (int, np.integer)) or ndim < 1 or ndim > max(have, 1):
        raise ShapeError(f"flatten: ndim must be between 1 and {max(have, 1)} for {describe(x)}, got {quoted(ndim)}"
                         f"{at(x.source)}")
    if ndim == have:
        return x
    mine = sizes_of(x)
    return apply(ops.Reshape(int(ndim)), x, *mine[:ndim - 1], _product(mine[ndim - 1:]))


def ravel(x: TensorLike) -> TensorVariable:
    """x as a vector, in C order."""
    return flatten(x, 1)


# ------------------------------------------------------------------------------------------- broadcasting


def broadcast_to(x: TensorLike, shape: ShapeLike) -> TensorVariable:
    """x repeated to `shape`: axes of static size 1 and missing axes on the left grow, others must fit."""
    return apply(ops.Broadcast(), as_tensor_variable(x), *[not_negative(s, "broadcast_to") for s in sizes(shape)])


def _broadcast_sizes(shapes: Sequence[Sequence[TensorVariable]], checked: bool) -> list[TensorVariable]:
    """The sizes that int64 size lists broadcast to.

    Symbolic sizes must be equal at run time: `checked` makes that part of the sizes, else it is left to the
    `Broadcast` that they are for.
    """
    ndim = max((len(s) for s in shapes), default=0)
    result = []
    for axis in range(-ndim, 0):
        here = [s[axis] for s in shapes if len(s) >= -axis]
        known = {int(s.data) for s in here if isinstance(s, Constant)} - {1}
        if len(known) > 1:
            raise ShapeError(f"sizes {' and '.join(map(str, sorted(known)))} of dimension {axis + ndim} don't "
                             f"broadcast{at(user_line())}")
        open_sizes = [s for s in here if not isinstance(s, Constant)]
        first = size_constant(known.pop()) if known else open_sizes[0] if open_sizes else size_constant(1)
        for s in open_sizes if checked else ():
            first = equal(s, first, f"sizes {{0}} and {{1}} of dimension {axis + ndim} differ; a size 1 broadcasts "
                                    f"only if it is known when the graph is built", on=first, error="shape")
        result.append(first)
    return result


def broadcast_shape(*arrays: Any, arrays_are_shapes: bool = False) -> tuple[TensorVariable, ...]:
    """The shape that the arrays (or shapes) broadcast to, as a tuple of int64 scalars."""
    lists = [sizes(a) if arrays_are_shapes else sizes_of(as_tensor_variable(a)) for a in arrays]
    return tuple(_broadcast_sizes(lists, checked=True))


def broadcast_arrays(*arrays: TensorLike) -> tuple[TensorVariable, ...]:
    """The arrays, each repeated to the shape they broadcast to."""
    tensors = [as_tensor_variable(a) for a in arrays]
    new = _broadcast_sizes([sizes_of(t) for t in tensors], checked=False)
    return tuple(apply(ops.Broadcast(), t, *new) for t in tensors)


def specify_shape(x: TensorLike, shape: ShapeLike) -> TensorVariable:
    """x, known to have `shape` (None entries: not known), which is checked at run time."""
    x = as_tensor_variable(x)
    entries = list(shape) if isinstance(shape, (list, tuple)) else sizes(shape)
    if len(entries) != x.type.ndim:
        raise ShapeError(f"specify_shape: {describe(x)} has {x.type.ndim} dimension(s), the shape {len(entries)}"
                         f"{at(x.source)}")
    mine = sizes_of(x)
    new = [m if e is None else sizes(e)[0] for e, m in zip(entries, mine)]
    checked = x
    for k, (have, want) in enumerate(zip(mine, new)):
        if isinstance(have, Constant) and isinstance(want, Constant) and have.data != want.data:
            raise ShapeError(f"specify_shape: {describe(x)} is {x.type.short()}, dimension {k} can't be "
                             f"{int(want.data)}{at(x.source)}")
        checked = equal(have, want, f"specify_shape: dimension {k} of {named(x)} has size {{0}}, not {{1}} as stated",
                        on=checked, error="assert")
    return x if checked is x else apply(ops.Reshape(len(new)), checked, *new)


def addbroadcast(x: TensorLike, *axes: int) -> TensorVariable:
    """x with the given axes known to be of size 1 (checked at run time), so that they broadcast."""
    x = as_tensor_variable(x)
    ones = normalize_axes(list(axes), x, "addbroadcast")
    return specify_shape(x, [1 if k in ones else None for k in range(x.type.ndim)])


def unbroadcast(x: TensorLike, *axes: int) -> TensorVariable:
    """x with the size of the given axes not known when the graph is built, so that they don't broadcast."""
    x = as_tensor_variable(x)
    forget = [k for k in normalize_axes(list(axes), x, "unbroadcast") if x.type.shape[k] == 1]
    if not forget:
        return x
    return apply(ops.Reshape(x.type.ndim), x,
                 *[apply(ops.ShapeOf(k), x) if k in forget else size_of(x, k) for k in range(x.type.ndim)])


def patternbroadcast(x: TensorLike, broadcastable: Sequence[bool]) -> TensorVariable:
    """x with exactly the axes marked in `broadcastable` known to be of size 1."""
    x = as_tensor_variable(x)
    if len(broadcastable) != x.type.ndim:
        raise ShapeError(f"patternbroadcast: {describe(x)} has {x.type.ndim} dimension(s), got "
                         f"{quoted(tuple(broadcastable))}{at(x.source)}")
    x = addbroadcast(x, *[k for k, b in enumerate(broadcastable) if b])
    return unbroadcast(x, *[k for k, b in enumerate(broadcastable) if not b])
