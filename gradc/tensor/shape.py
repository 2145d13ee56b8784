"""Shapes: reading them, changing them, and putting tensors together.

Here: composites of `ShapeOf, Transpose, Reshape, Broadcast, Concat, Slice`.  Sizes are ints or int64
scalars; a shape may be an int, a tuple of sizes, or a vector.  Errors: ShapeError where sizes known at build
don't fit; the rest is checked at run time and names the user's line.  Dtypes stay as they are, except that
tensors put together take their common dtype.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import pairwise
from typing import Any

import numpy as np

from gradc.errors import ShapeError, TypeMismatchError, at, quoted, shown
from gradc.ir import dtypes, graph, ops
from gradc.ir.graph import Constant, Variable, apply, describe
from gradc.tensor import elemwise as ew
from gradc.tensor.checks import equal, in_range, integer, is_length, named, not_negative, python_integer
from gradc.tensor.convert import as_tensor_variable, cast, constant, size_constant, size_of, sizes, sizes_of
from gradc.tensor.reduce import multiply_sizes, normalize_axes, normalize_axis

# ------------------------------------------------------------------------------------------- reading shapes


def shape(x: Any) -> Any:
    """The shape of x as an int64 vector; a constant where it is known when the graph is built."""
    x = as_tensor_variable(x)
    if None not in x.type.shape:
        return constant(np.asarray(x.type.shape, dtype="int64"))
    return apply(ops.ShapeOf(None), x)


def shape_tuple(x: Any) -> tuple[Any, ...]:
    """The sizes of x, one int64 scalar per dimension."""
    return tuple(sizes_of(as_tensor_variable(x)))


def size(x: Any) -> Any:
    """Number of elements of x, an int64 scalar."""
    return _product(sizes_of(as_tensor_variable(x)))


def _product(factors: Sequence[Any]) -> Any:
    result = size_constant(1)
    for f in factors:
        result = multiply_sizes(result, f)
    return result


def get_vector_length(v: Any) -> int:
    """The length of a vector, where it is known when the graph is built.

    Raises: ShapeError (a ValueError) if it is not, or if v is no vector.
    """
    v = as_tensor_variable(v)
    if v.type.ndim != 1 or v.type.shape[0] is None:
        raise ShapeError(f"Length of {describe(v)} cannot be determined{at(v.source)}: it is {v.type.short()}")
    return v.type.shape[0]


# ------------------------------------------------------------------------------------------- order of axes


def dimshuffle(x: Any, *pattern: Any) -> Any:
    """x with its axes in the order `pattern`; "x" makes an axis of size 1, an axis of static size 1 may go.

    `x.dimshuffle(0, "x", 1)` and `x.dimshuffle((0, "x", 1))` are the same.
    Raises: ShapeError for an axis that is out of range, used twice, or left out though not of static size 1.
    """
    x = as_tensor_variable(x)
    if len(pattern) == 1 and isinstance(pattern[0], (list, tuple)):
        pattern = tuple(pattern[0])
    perm = tuple(-1 if p == "x" else normalize_axis(p, x.type.ndim, "dimshuffle", x) for p in pattern)
    return _permute(x, perm)


def _permute(x: Any, perm: tuple[int, ...]) -> Any:
    if perm == tuple(range(x.type.ndim)):
        return x
    return apply(ops.Transpose(perm), x)


def transpose(x: Any, *axes: Any) -> Any:
    """x with its axes reversed, or in the order `axes` (one tuple, or one argument per axis)."""
    x = as_tensor_variable(x)
    if len(axes) == 1 and (axes[0] is None or isinstance(axes[0], (list, tuple))):
        axes = tuple(axes[0] or ())
    if not axes:
        return _permute(x, tuple(range(x.type.ndim))[::-1])
    if len(axes) != x.type.ndim:
        raise ShapeError(f"transpose: expected {x.type.ndim} axes for {describe(x)}, got "
                         f"{quoted(axes)}{at(x.source)}")
    return _permute(x, tuple(normalize_axis(k, x.type.ndim, "transpose", x) for k in axes))


def matrix_transpose(x: Any) -> Any:
    """x with its last two axes exchanged."""
    return swapaxes(x, -1, -2)


def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """x with two axes exchanged."""
    x = as_tensor_variable(x)
    order = list(range(x.type.ndim))
    i, j = (normalize_axis(k, x.type.ndim, "swapaxes", x) for k in (axis1, axis2))
    order[i], order[j] = j, i
    return _permute(x, tuple(order))


def moveaxis(x: Any, source: Any, destination: Any) -> Any:
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
    return _permute(x, tuple(order))


def squeeze(x: Any, axis: Any = None) -> Any:
    """x without its axes of static size 1, or without those in `axis`."""
    x = as_tensor_variable(x)
    drop = [k for k, s in enumerate(x.type.shape) if s == 1] if axis is None else normalize_axes(axis, x, "squeeze")
    return _permute(x, tuple(k for k in range(x.type.ndim) if k not in drop))


def expand_dims(x: Any, axis: Any) -> Any:
    """x with new axes of size 1 at the places `axis` of the result."""
    x = as_tensor_variable(x)
    places = list(axis) if isinstance(axis, (list, tuple)) else [axis]
    ndim = x.type.ndim + len(places)
    new = {normalize_axis(k, ndim, "expand_dims") for k in places}
    if len(new) != len(places):
        raise ShapeError(f"expand_dims: an axis is given twice in {axis}{at(graph.user_line())}")
    old = iter(range(x.type.ndim))
    return _permute(x, tuple(-1 if k in new else next(old) for k in range(ndim)))


def shape_padleft(x: Any, n_ones: int = 1) -> Any:
    """x with `n_ones` axes of size 1 put before the others."""
    x = as_tensor_variable(x)
    return _permute(x, (-1,) * python_integer(n_ones, "shape_padleft", "n_ones", 0) + tuple(range(x.type.ndim)))


def shape_padright(x: Any, n_ones: int = 1) -> Any:
    """x with `n_ones` axes of size 1 put after the others."""
    x = as_tensor_variable(x)
    return _permute(x, tuple(range(x.type.ndim)) + (-1,) * python_integer(n_ones, "shape_padright", "n_ones", 0))


def shape_padaxis(x: Any, axis: int) -> Any:
    """x with one new axis of size 1 at `axis`."""
    return expand_dims(x, axis)


def atleast_nd(*tensors: Any, n: int = 1, left: bool = True) -> Any:
    """The tensors with at least `n` dimensions: axes of size 1 put before (or after) the others."""
    made = []
    n = python_integer(n, "atleast_nd", "n", 0)
    for t in tensors:
        x = as_tensor_variable(t)
        missing = max(n - x.type.ndim, 0)
        made.append(shape_padleft(x, missing) if left else shape_padright(x, missing))
    return made[0] if len(made) == 1 else made


atleast_Nd = atleast_nd


def atleast_1d(*tensors: Any) -> Any:
    """The tensors, scalars as vectors of one element."""
    return atleast_nd(*tensors, n=1)


def atleast_2d(*tensors: Any) -> Any:
    """The tensors with at least 2 dimensions, new ones on the left."""
    return atleast_nd(*tensors, n=2)


def atleast_3d(*tensors: Any) -> Any:
    """The tensors with at least 3 dimensions, new ones on the left (numpy.atleast_3d puts one on the right)."""
    return atleast_nd(*tensors, n=3)


# --------------------------------------------------------------------------------------------- reshaping


def reshape(x: Any, newshape: Any, ndim: int | None = None) -> Any:
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


def _or_one(s: Any) -> Any:
    return ew.switch(ew.eq(s, size_constant(-1)), size_constant(1), s)


def _what_is_left(x: Any, rest: Sequence[Any]) -> Any:
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


def flatten(x: Any, ndim: int = 1) -> Any:
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


def ravel(x: Any) -> Any:
    """x as a vector, in C order."""
    return flatten(x, 1)


# ------------------------------------------------------------------------------------------- broadcasting


def broadcast_to(x: Any, shape: Any) -> Any:
    """x repeated to `shape`: axes of static size 1 and missing axes on the left grow, others must fit."""
    return apply(ops.Broadcast(), as_tensor_variable(x), *[not_negative(s, "broadcast_to") for s in sizes(shape)])


def _broadcast_sizes(shapes: Sequence[Sequence[Any]], checked: bool) -> list[Any]:
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
                             f"broadcast")
        open_sizes = [s for s in here if not isinstance(s, Constant)]
        first = size_constant(known.pop()) if known else open_sizes[0] if open_sizes else size_constant(1)
        for s in open_sizes if checked else ():
            first = equal(s, first, f"sizes {{0}} and {{1}} of dimension {axis + ndim} differ; a size 1 broadcasts "
                                    f"only if it is known when the graph is built", on=first, error="shape")
        result.append(first)
    return result


def broadcast_shape(*arrays: Any, arrays_are_shapes: bool = False) -> tuple[Any, ...]:
    """The shape that the arrays (or shapes) broadcast to, as a tuple of int64 scalars."""
    lists = [sizes(a) if arrays_are_shapes else sizes_of(as_tensor_variable(a)) for a in arrays]
    return tuple(_broadcast_sizes(lists, checked=True))


def broadcast_arrays(*arrays: Any) -> tuple[Any, ...]:
    """The arrays, each repeated to the shape they broadcast to."""
    tensors = [as_tensor_variable(a) for a in arrays]
    new = _broadcast_sizes([sizes_of(t) for t in tensors], checked=False)
    return tuple(apply(ops.Broadcast(), t, *new) for t in tensors)


def specify_shape(x: Any, shape: Any) -> Any:
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


def addbroadcast(x: Any, *axes: int) -> Any:
    """x with the given axes known to be of size 1 (checked at run time), so that they broadcast."""
    x = as_tensor_variable(x)
    ones = normalize_axes(list(axes), x, "addbroadcast")
    return specify_shape(x, [1 if k in ones else None for k in range(x.type.ndim)])


def unbroadcast(x: Any, *axes: int) -> Any:
    """x with the size of the given axes not known when the graph is built, so that they don't broadcast."""
    x = as_tensor_variable(x)
    forget = [k for k in normalize_axes(list(axes), x, "unbroadcast") if x.type.shape[k] == 1]
    if not forget:
        return x
    return apply(ops.Reshape(x.type.ndim), x,
                 *[apply(ops.ShapeOf(k), x) if k in forget else size_of(x, k) for k in range(x.type.ndim)])


def patternbroadcast(x: Any, broadcastable: Sequence[bool]) -> Any:
    """x with exactly the axes marked in `broadcastable` known to be of size 1."""
    x = as_tensor_variable(x)
    if len(broadcastable) != x.type.ndim:
        raise ShapeError(f"patternbroadcast: {describe(x)} has {x.type.ndim} dimension(s), got "
                         f"{quoted(tuple(broadcastable))}{at(x.source)}")
    x = addbroadcast(x, *[k for k, b in enumerate(broadcastable) if b])
    return unbroadcast(x, *[k for k, b in enumerate(broadcastable) if not b])


# --------------------------------------------------------------------------------- putting together, taking apart


def join(axis: Any, *tensors: Any) -> Any:
    """The tensors one after the other along `axis`.  Dtype: common.

    The axis may be an integer variable: then no size of the result is known when the graph is built.
    Raises: ShapeError if ranks or the other sizes differ, or for an axis that is out of range.
    """
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        tensors = tuple(tensors[0])
    if not tensors:
        raise ShapeError("join takes at least one tensor")
    made = [as_tensor_variable(t) for t in tensors]
    ndim = made[0].type.ndim
    if ndim == 0:
        raise ShapeError(f"join: {describe(made[0])} is a scalar and can't be joined{at(made[0].source)}; use stack")
    if isinstance(axis, Variable) and not isinstance(axis, Constant):
        return _join_at(axis, made)
    axis = normalize_axis(axis, ndim, "join", made[0])
    return made[0] if len(made) == 1 else apply(ops.Concat(axis), *made)


def _join_at(axis: Any, tensors: Sequence[Any]) -> Any:
    """`join` along an axis that is a variable: each tensor is put into its place in a larger one."""
    ndim = tensors[0].type.ndim
    for t in tensors:
        if t.type.ndim != ndim:
            raise ShapeError(f"join: {describe(tensors[0])} has {ndim} dimension(s), {describe(t)} {t.type.ndim}"
                             f"{at(t.source)}")
    axis = in_range(integer(axis, "join", "axis"), -ndim, ndim,
                    f"join: axis {{0}} is out of range for {ndim} dimension(s)", "size")
    axis = ew.switch(ew.lt(axis, 0), ew.add(axis, size_constant(ndim)), axis)
    here = [ew.eq(axis, size_constant(k)) for k in range(ndim)]
    zero = size_constant(0)
    first = sizes_of(tensors[0])
    ends = [first]              # of each tensor, along each axis, were it the one
    for t in tensors[1:]:
        own = sizes_of(t)
        for k in range(ndim):
            own[k] = equal(ew.switch(here[k], first[k], own[k]), first[k],
                           f"join: sizes {{0}} and {{1}} of dimension {k} differ", on=own[k])
        ends.append([ew.add(end, n) for end, n in zip(ends[-1], own)])
    result = apply(ops.Broadcast(), _zero(dtypes.upcast(*(t.type.dtype for t in tensors))),
                   *[ew.switch(h, end, n) for h, end, n in zip(here, ends[-1], first)])
    place = (ops.Item(start=ops.DYNAMIC, stop=ops.DYNAMIC),) * ndim
    for t, start, stop in zip(tensors, [[zero] * ndim, *ends], ends):
        bounds = [ew.switch(h, *pair) for h, a, e, n in zip(here, start, stop, first) for pair in ((a, zero), (e, n))]
        result = apply(ops.Scatter("set", place), result, cast(t, result.type.dtype), *bounds)
    return result


def concatenate(tensors: Sequence[Any], axis: Any = 0) -> Any:
    """The tensors of a list one after the other along `axis`; `join` with the arguments the other way."""
    if not isinstance(tensors, (list, tuple)):
        raise TypeMismatchError(f"concatenate takes a list or tuple of tensors, got {quoted(tensors)}")
    return join(axis, *tensors)


def stack(tensors: Any, *more: Any, axis: int = 0) -> Any:
    """Tensors of equal shape along a new axis.  Dtype: common.  `stack(list, axis)` is accepted too."""
    if more and isinstance(tensors, (list, tuple)):
        if len(more) > 1:
            raise TypeMismatchError("stack takes a list of tensors and an axis")
        axis = more[0]
    elif more or (isinstance(tensors, Variable) and tensors.type.ndim == 0):  # type: ignore[attr-defined]
        tensors = (tensors, *more)
    if not isinstance(tensors, (list, tuple)):
        tensors = list(as_tensor_variable(tensors))
    if not tensors:
        raise ShapeError("stack takes at least one tensor")
    made = [as_tensor_variable(t) for t in tensors]
    ndim = made[0].type.ndim
    for t in made:
        if t.type.ndim != ndim:
            raise ShapeError(f"stack: {describe(made[0])} has {ndim} dimension(s), {describe(t)} {t.type.ndim}"
                             f"{at(t.source)}")
    if isinstance(axis, Variable) and not isinstance(axis, Constant):
        return _stack_at(axis, made)
    axis = normalize_axis(axis, ndim + 1, "stack")
    if all(isinstance(t, Constant) for t in made):
        return constant(np.stack([t.data for t in made], axis))
    return join(axis, *[expand_dims(t, axis) for t in made])


def _stack_at(axis: Any, tensors: Sequence[Any]) -> Any:
    """`stack` along a new axis whose place is a variable: joined once each has been given the axis, of size 1."""
    ndim = tensors[0].type.ndim
    axis = in_range(integer(axis, "stack", "axis"), -ndim - 1, ndim + 1,
                    f"stack: axis {{0}} is out of range for {ndim + 1} dimension(s)", "size")
    axis = ew.switch(ew.lt(axis, 0), ew.add(axis, size_constant(ndim + 1)), axis)
    one = size_constant(1)
    wide = []
    for t in tensors:
        own = sizes_of(t)
        new = [ew.switch(ew.eq(axis, size_constant(k)), one,
                         ew.switch(ew.lt(axis, size_constant(k)), own[max(k - 1, 0)] if own else one,
                                   own[min(k, ndim - 1)] if own else one)) for k in range(ndim + 1)]
        wide.append(apply(ops.Reshape(ndim + 1), t, *new))
    return _join_at(axis, wide)


def stacklists(nested: Any) -> Any:
    """A nested list of tensors as one tensor with one more axis per level."""
    if isinstance(nested, (list, tuple)):
        return stack([stacklists(n) for n in nested])
    return as_tensor_variable(nested)


def hstack(tensors: Sequence[Any]) -> Any:
    """The tensors side by side: along axis 1, vectors along axis 0."""
    made = [atleast_1d(t) for t in tensors]
    return join(0 if made[0].type.ndim == 1 else 1, *made)


def vstack(tensors: Sequence[Any]) -> Any:
    """The tensors below each other along axis 0; vectors become rows."""
    return join(0, *[atleast_2d(t) for t in tensors])


horizontal_stack = hstack
vertical_stack = vstack


def split(x: Any, splits_size: Any, n_splits: int | None = None, axis: int = 0) -> list[Any]:
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
        both = isinstance(p, Constant) and isinstance(last, Constant)
        bounds.append(size_constant(int(p.data) + int(last.data)) if both else ew.add(last, p))
    x = equal(bounds[-1], size_of(x, axis),
              f"split: the sizes add up to {{0}}, dimension {axis} of {named(x)} has size {{1}}", on=x)
    return [slice_axis(x, axis, a, b) for a, b in pairwise(bounds)]


def slice_axis(x: Any, axis: int, start: Any, stop: Any, step: Any = None) -> Any:
    """x[..., start:stop:step, ...] along `axis`; bounds are None, ints or int64 scalars."""
    entries: list[Any] = []
    dynamic: list[Any] = []
    for bound in (start, stop, step):
        if isinstance(bound, Constant):
            bound = int(bound.data)
        if isinstance(bound, Variable):
            dynamic.append(cast(bound, "int64"))
            bound = ops.DYNAMIC
        entries.append(bound)
    items = (ops.Item(),) * axis + (ops.Item(start=entries[0], stop=entries[1], step=entries[2]),)
    return apply(ops.Slice(items), x, *dynamic)


def tile(x: Any, reps: Any, ndim: int | None = None) -> Any:
    """x repeated `reps` times along each axis, as numpy.tile; `ndim` says the rank for a vector of reps."""
    x = as_tensor_variable(x)
    times = [not_negative(s, "tile")
             for s in sizes(reps, ndim=None if isinstance(reps, (list, tuple, int, np.integer)) else ndim)]
    want = max(x.type.ndim, len(times), ndim or 0)
    x = shape_padleft(x, want - x.type.ndim)
    times = [size_constant(1)] * (want - len(times)) + times
    mine = sizes_of(x)
    perm = [p for k in range(want) for p in (-1, k)]
    spread = apply(ops.Broadcast(), apply(ops.Transpose(tuple(perm)), x),
                   *[s for pair in zip(times, mine) for s in pair])
    return apply(ops.Reshape(want), spread, *[multiply_sizes(t, m) for t, m in zip(times, mine)])


def roll(x: Any, shift: Any, axis: int | None = None) -> Any:
    """x with its elements moved by `shift` places along `axis`, those past the end coming in at the start.

    With axis None the flattened x is rolled.
    """
    x = as_tensor_variable(x)
    if axis is None:
        if x.type.ndim == 1:
            return roll(x, shift, 0)
        return apply(ops.Reshape(x.type.ndim), roll(flatten(x), shift, 0), *sizes_of(x))
    axis = normalize_axis(axis, x.type.ndim, "roll", x)
    n = size_of(x, axis)
    by = integer(shift, "roll", "shift")
    if isinstance(n, Constant) and isinstance(by, Constant):
        cut = size_constant((-int(by.data)) % max(int(n.data), 1))
    else:
        cut = ew.mod(ew.neg(by), ew.maximum(n, size_constant(1)))
    return join(axis, slice_axis(x, axis, cut, None), slice_axis(x, axis, None, cut))


# --------------------------------------------------------------------------------------- diagonals, triangles


def offsets(n: Any, m: Any) -> Any:
    """The n by m matrix of column minus row numbers (int64)."""
    return ew.sub(shape_padleft(apply(ops.Iota(), m)), shape_padright(apply(ops.Iota(), n)))


def _zero(dtype: str) -> Any:
    return constant(np.zeros((), dtype))


def tril(x: Any, k: Any = 0) -> Any:
    """The lower triangle of the last two axes, up to diagonal k; 0 elsewhere."""
    x = _at_least_matrix(x, "tril")
    keep = ew.le(offsets(size_of(x, x.type.ndim - 2), size_of(x, x.type.ndim - 1)), integer(k, "tril", "k"))
    return ew.switch(keep, x, _zero(x.type.dtype))


def triu(x: Any, k: Any = 0) -> Any:
    """The upper triangle of the last two axes, from diagonal k on; 0 elsewhere."""
    x = _at_least_matrix(x, "triu")
    keep = ew.ge(offsets(size_of(x, x.type.ndim - 2), size_of(x, x.type.ndim - 1)), integer(k, "triu", "k"))
    return ew.switch(keep, x, _zero(x.type.dtype))


def _at_least_matrix(x: Any, what: str) -> Any:
    x = as_tensor_variable(x)
    if x.type.ndim < 2:
        raise ShapeError(f"{what} takes at least 2 dimensions, {describe(x)} is {x.type.short()}{at(x.source)}")
    return x


def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The diagonal over two axes, as the last axis of the result (numpy.diagonal).

    The two axes are joined into one of n*m elements, in which a diagonal has the constant stride m + 1.  The mark
    `tag.steps` tells set_subtensor that this is a part of x, not of those.
    """
    x = _at_least_matrix(x, "diagonal")
    offset = python_integer(offset, "diagonal", "offset")
    ndim = x.type.ndim
    i, j = normalize_axis(axis1, ndim, "diagonal", x), normalize_axis(axis2, ndim, "diagonal", x)
    if i == j:
        raise ShapeError(f"diagonal: axis1 and axis2 must differ, both are {i}{at(graph.user_line())}")
    rest = tuple(k for k in range(ndim) if k not in (i, j))
    flat_sizes = [size_of(x, k) for k in rest]
    n, m = size_of(x, i), size_of(x, j)
    moved = _permute(x, (*rest, i, j))
    flat = apply(ops.Reshape(ndim - 1), moved, *flat_sizes, multiply_sizes(n, m))
    steps = 2 if moved is x else 3
    down, right = max(-offset, 0), max(offset, 0)
    if isinstance(n, Constant) and isinstance(m, Constant):
        rows, columns = int(n.data), int(m.data)
        length = max(min(rows - down, columns - right), 0)
        start = down * columns + right if length else 0
        stop = start + max(length - 1, 0) * (columns + 1) + min(length, 1)
        part = slice_axis(flat, ndim - 2, start, stop, columns + 1)
        part.tag.steps = steps
        return part
    zero, one = size_constant(0), size_constant(1)
    length = ew.maximum(ew.minimum(ew.sub(n, size_constant(down)) if down else n,
                                   ew.sub(m, size_constant(right)) if right else m), zero)
    step = ew.add(m, one)
    first = ew.add(ew.mul(m, size_constant(down)), size_constant(right)) if offset else zero
    part = slice_axis(flat, ndim - 2, first, ew.add(first, ew.mul(length, step)), step)
    part.tag.steps = steps
    return part


def diag(x: Any, k: int = 0) -> Any:
    """The matrix with vector x on diagonal k, or the diagonal k of a matrix (numpy.diag)."""
    x = as_tensor_variable(x)
    if x.type.ndim == 2:
        return diagonal(x, k)
    if x.type.ndim != 1:
        raise ShapeError(f"diag takes a vector or a matrix, {describe(x)} is {x.type.short()}{at(x.source)}")
    k = python_integer(k, "diag", "k")
    square = _diagonal_matrix(x)
    if k == 0:
        return square
    n = size_of(x, 0)
    beside = apply(ops.Broadcast(), _zero(x.type.dtype), n, size_constant(abs(k)))
    wide = join(1, beside, square) if k > 0 else join(1, square, beside)
    below = apply(ops.Broadcast(), _zero(x.type.dtype), size_constant(abs(k)), _plus(n, abs(k)))
    return join(0, wide, below) if k > 0 else join(0, below, wide)


def _plus(n: Any, k: int) -> Any:
    return size_constant(int(n.data) + k) if isinstance(n, Constant) else ew.add(n, size_constant(k))


def _diagonal_matrix(x: Any) -> Any:
    n = size_of(x, 0)
    return ew.switch(ew.eq(offsets(n, n), 0), shape_padleft(x), _zero(x.type.dtype))


def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Sum of the diagonal over two axes.  Dtype: as `sum`."""
    d = diagonal(x, offset, axis1, axis2)
    if d.type.dtype in dtypes.DISCRETE:
        d = cast(d, "uint64" if d.type.dtype in dtypes.UNSIGNED else "int64")
    return apply(ops.Reduce("add", (d.type.ndim - 1,)), d)


def fill_diagonal(x: Any, value: Any) -> Any:
    """A copy of the matrix x with the scalar `value` on its diagonal.  Dtype: same as x."""
    x = _at_least_matrix(x, "fill_diagonal")
    if x.type.ndim != 2:
        raise ShapeError(f"fill_diagonal takes a matrix, {describe(x)} is {x.type.short()}{at(x.source)}")
    value = as_tensor_variable(value)
    if value.type.ndim:
        raise ShapeError(f"fill_diagonal takes a scalar value, {describe(value)} is {value.type.short()}"
                         f"{at(value.source)}; use set_subtensor(diag(x), value)")
    return ew.switch(ew.eq(offsets(size_of(x, 0), size_of(x, 1)), 0), cast(value, x.type.dtype), x)
