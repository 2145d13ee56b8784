"""Indexing of variables, and new versions of tensors with a part changed.

`x[...]` takes ints, integer scalars (also symbolic), slices with any of those or None as bounds and step,
`None` (a new axis), `...`, arrays of integers (lists, NumPy's, symbolic) and masks that are known when the graph is
built; axes of the result are in NumPy's order.  `set_subtensor(x[i], v)` and `inc_subtensor(x[i], v)` read the index
from their first argument, also through the axes that `None` put in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from gradc.errors import AdvancedIndexingError, ShapeError, TypeMismatchError, at, quoted
from gradc.ir import build, dtypes, graph, ops
from gradc.ir.facts import permutation, reads
from gradc.ir.graph import Constant, Variable, apply, describe, user_line
from gradc.record import record
from gradc.tensor import elemwise as ew
from gradc.tensor.checks import equal, named
from gradc.tensor.convert import as_tensor_variable, cast, constant, has_variable, size_constant, size_of, sizes_of
from gradc.tensor.reduce import normalize_axis
from gradc.tensor.shape import flatten
from gradc.tensor.types import TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = ["inc_subtensor", "set_subtensor", "take"]

Entry: TypeAlias = Any      # of an index, as users write it; where it is an array, _Positions


@record(eq=False)
class _Positions:
    """An array of integers in an index; `length`: that of the axis of the mask it was made of."""

    array: Variable
    length: int | None = None


def _bound(entry: Entry, dynamic: list[Variable], what: str) -> Any:
    """A position, or a bound of a slice, as int, None or DYNAMIC (whose variable joins `dynamic`)."""
    if entry is None or entry.__class__ is int:
        return entry
    if isinstance(entry, Constant):
        entry = entry.data
    if isinstance(entry, Variable):
        if entry.type.ndim == 0 and entry.type.dtype in dtypes.INTEGERS:
            dynamic.append(cast(entry, "int64"))
            return ops.DYNAMIC
    elif not isinstance(entry, (bool, np.bool_, list, tuple)) and np.ndim(entry) == 0:
        data = np.asarray(entry)
        if data.dtype.kind in "iu":
            return int(data)
    raise _no_index(entry, what)


def _no_index(entry: Entry, what: str) -> TypeMismatchError:
    if isinstance(entry, Variable):
        return TypeMismatchError(f"{what}: indices are integers, got {describe(entry)} of type {entry.type}"
                                 f"{at(entry.source)}; cast it")
    return TypeMismatchError(f"{what}: indices are integers, slices, None, ... and arrays of integers, got "
                             f"{quoted(entry)}{at(user_line())}")


def _entries(entry: Entry, what: str) -> list[Entry]:
    """An entry of an index, where it is an array as _Positions: one for each axis of a mask."""
    if entry is None or entry is Ellipsis or isinstance(entry, slice) or entry.__class__ is int:
        return [entry]
    if isinstance(entry, (list, tuple)) and has_variable(entry):
        entry = as_tensor_variable(entry)
    if isinstance(entry, Variable) and not isinstance(entry, Constant):
        dtype, ndim = getattr(entry.type, "dtype", ""), getattr(entry.type, "ndim", 0)
        if dtype == "bool":
            raise AdvancedIndexingError(f"{what}: a mask must be known when the graph is built, got {describe(entry)} "
                                        f"of type {entry.type}{at(entry.source)}; use switch(mask, x, 0)")
        if ndim == 0:
            return [entry]
        if dtype not in dtypes.INTEGERS:
            raise _no_index(entry, what)
        return [_Positions(entry)]
    try:
        data = np.asarray(entry.data if isinstance(entry, Constant) else entry)
    except ValueError:                          # rows of different lengths
        raise _no_index(entry, what) from None
    if data.dtype == bool:
        if data.ndim == 0:
            raise AdvancedIndexingError(f"{what}: a mask has at least one dimension, got {quoted(entry)}"
                                        f"{at(user_line())}; use switch(condition, x, 0)")
        return [_Positions(constant(i), n) for i, n in zip(np.nonzero(data), data.shape)]
    if data.ndim == 0:
        return [entry]
    if data.size == 0 and isinstance(entry, (list, tuple)):
        data = data.astype("int64")
    if data.dtype.kind not in "iu":
        raise _no_index(entry, what)
    return [_Positions(entry if isinstance(entry, Constant) else constant(data))]


def getitem(x: TensorVariable, key: Any) -> TensorVariable:
    """`x[key]`.

    Raises: IndexOutOfBoundsError at run time, ShapeError at build for an index that can't fit, TypeMismatchError for
    what is no index, AdvancedIndexingError for masks that are not known when the graph is built.
    """
    what = f"index of {describe(x)}"
    entries = [e for entry in (key if isinstance(key, tuple) else [key]) for e in _entries(entry, what)]
    ndim = x.type.ndim
    dots = [k for k, e in enumerate(entries) if e is Ellipsis]
    if len(dots) > 1:
        raise ShapeError(f"an index has at most one ..., got {len(dots)}{at(x.source)}")
    used = sum(e is not None and e is not Ellipsis for e in entries)
    if used > ndim:
        raise ShapeError(f"too many indices: {used} for {describe(x)}, which is {x.type.short()}{at(x.source)}")
    if dots:
        entries[dots[0]:dots[0] + 1] = [slice(None)] * (ndim - used)
    if any(isinstance(e, _Positions) for e in entries):
        return _at_arrays(x, entries, what)
    items, dynamic = _items(entries, what)
    if len(items) == 1 and not dynamic and x.owner is not None and items[0].is_single and None not in entries \
            and type(x.owner.op) is ops.ShapeOf and x.owner.op.axis is None:
        inner = as_tensor_variable(x.owner.inputs[0])
        if -inner.type.ndim <= items[0].at < inner.type.ndim:       # x.shape[k]
            return size_of(inner, items[0].at % inner.type.ndim)
    result: Variable = x
    if None not in entries or any(not item.is_all for item in items):
        result = build.index(graph, x, items, *dynamic)
    if None in entries:
        rest = iter(range(result.type.ndim))
        perm = [-1 if e is None else next(rest) for e in entries if e is None or isinstance(e, slice)]
        result = build.dimshuffle(graph, result, (*perm, *rest))
    return as_tensor_variable(result)


def _items(entries: list[Entry], what: str) -> tuple[ops.Items, list[Variable]]:
    """A basic index, and what is dynamic in it."""
    items: list[ops.Item] = []
    dynamic: list[Variable] = []
    for e in entries:
        if isinstance(e, slice):
            start = _bound(e.start, dynamic, what)
            stop = _bound(e.stop, dynamic, what)
            items.append(ops.Item(start=start, stop=stop, step=_bound(e.step, dynamic, what)))
        elif e is not None:
            items.append(ops.Item(at=_bound(e, dynamic, what)))
    return tuple(items), dynamic


def _at_arrays(x: TensorVariable, entries: list[Entry], what: str) -> TensorVariable:
    """x at arrays of positions: slices are taken first, then all positions, of which integers are some, at once.

    The axes of the positions are where these stand in the index if they stand side by side, else they come first.
    """
    axes: list[int] = []
    index: list[Variable] = []
    order: list[Any] = []                   # of the result: -1, "positions", or the number of an axis that is sliced
    plain = [e if isinstance(e, slice) else slice(None) for e in entries if e is not None]
    apart = False
    for k, e in enumerate(entries):
        if e is None:
            order.append(-1)
        elif isinstance(e, slice):
            order.append(sum(isinstance(o, int) and o >= 0 for o in order))
        else:
            axis = sum(o is not None for o in entries[:k])
            if "positions" not in order:
                order.append("positions")
            apart = apart or order[-1] != "positions"
            axes.append(axis)
            if not isinstance(e, _Positions):
                dynamic: list[Variable] = []
                number = _bound(e, dynamic, what)
                e = _Positions(dynamic[0] if dynamic else constant(number, dtype="int64"))
            elif e.length is not None:
                x = equal(size_of(x, axis), size_constant(e.length),
                          f"{named(x)} has size {{0}} along dimension {axis}, the mask {{1}}", on=x)
            index.append(e.array)
    items, bounds = _items(plain, what)
    steps = 1
    result: Variable = x
    if not all(item.is_all for item in items):
        result, steps = build.index(graph, x, items, *bounds), 2
    result = apply(ops.Gather(tuple(axes)), result, *index)
    rank = max(i.type.ndim for i in index)
    if apart:
        order = ["positions", *[o for o in order if o != "positions"]]
    perm = [p for o in order for p in (range(rank) if o == "positions" else [o + rank if o >= 0 else -1])]
    perm += [k for k in range(result.type.ndim) if k not in perm]
    if perm != list(range(result.type.ndim)):
        result, steps = build.dimshuffle(graph, result, perm), steps + 1
    result.tag.steps = steps
    return result


def take(a: TensorLike, indices: Any, axis: int | None = None, mode: str = "raise") -> TensorVariable:
    """a at `indices`, integers of any shape, along `axis` (None: of the flattened a), as numpy.take.

    mode: of indices out of bounds: "raise", "wrap" (around the end) or "clip" (to the first or the last element).
    Dtype: same as a.  Derivative: by a, a sum over equal indices.
    """
    a = as_tensor_variable(a)
    if axis is None:
        a, axis = flatten(a), 0
    axis = normalize_axis(axis, a.type.ndim, "take", a)
    (entry,) = _entries(indices, "take")
    i = entry.array if isinstance(entry, _Positions) else as_tensor_variable(entry)
    if i.type.dtype not in dtypes.INTEGERS or (isinstance(entry, _Positions) and entry.length is not None):
        raise _no_index(indices, "take")
    if mode not in ("raise", "wrap", "clip"):
        raise TypeMismatchError(f"take: mode is 'raise', 'wrap' or 'clip', got {mode!r}{at(user_line())}")
    if mode != "raise":
        n, i = size_of(a, axis), cast(i, "int64")
        i = ew.mod(i, n) if mode == "wrap" else ew.maximum(ew.minimum(i, ew.sub(n, size_constant(1))), size_constant(0))
    return getitem(a, (*[slice(None)] * axis, i))


def set_subtensor(x: Variable, y: TensorLike, inplace: bool = False,
                  tolerate_inplace_aliasing: bool = False) -> TensorVariable:
    """A copy of the tensor that `x` is a part of, with that part set to `y`: `set_subtensor(a[2:4], y)`.

    A diagonal, `diag(a)` or `diagonal(a, ...)`, is such a part, too.
    Shapes: y has the shape of the part, or broadcasts to it.  Dtype: that of the whole; y is cast, from floats to
    integers by truncation.  `inplace` changes nothing: what is updated in place is the compiler's choice.
    Raises: TypeMismatchError if x is no part of a tensor, or for a complex y in a real tensor.
    """
    return _scatter("set", x, y)


def inc_subtensor(x: Variable, y: TensorLike, inplace: bool = False, set_instead_of_inc: bool = False,
                  tolerate_inplace_aliasing: bool = False) -> TensorVariable:
    """A copy of the tensor that `x` is a part of, with `y` added to that part: `inc_subtensor(a[0], 1)`.

    Otherwise as `set_subtensor`, but floats are not added to integers (TypeMismatchError).
    """
    return _scatter("set" if set_instead_of_inc else "inc", x, y)


def _scatter(mode: str, part: Any, value: Any) -> Any:
    what = f"{mode}_subtensor"
    if not isinstance(part, Variable):
        raise TypeMismatchError(f"{what} takes a part of a tensor, such as x[1:3], as its first argument, got "
                                f"{quoted(part)}")
    value = _fit(value, part, what, mode)
    where, done = part, 0
    steps = None
    while steps is None or done < steps:        # back to the whole, of which each step took a part
        if steps is None and "_tag" in where.__dict__ and hasattr(where.tag, "steps"):
            steps = done + where.tag.steps
        node: Any = where.owner
        kind = None if node is None else type(node.op)
        if node is not None and permutation(node.op) is not None:
            value = _transposed_back(what, value, node)
        elif kind is ops.Reshape and done:
            value = apply(ops.Reshape(node.inputs[0].type.ndim), value, *sizes_of(node.inputs[0]))
        elif kind is ops.Gather or (node is not None and reads(node.op) is not None):
            value = apply(ops.writing(mode, node.op), node.inputs[0], value, *node.inputs[1:])
            mode, steps = "set", steps or done + 1
        else:
            raise TypeMismatchError(f"{what} takes a part of a tensor, such as x[1:3], as its first argument, got "
                                    f"{describe(where)}{at(where.source)}")
        where, done = node.inputs[0], done + 1
    return value


def _transposed_back(what: str, value: Any, node: Any) -> Any:
    """`value`, which fits the result of `node`, a permutation, with the axes of its argument."""
    perm, have = node.op.perm, value.type.ndim
    if have > len(perm):
        raise ShapeError(f"{what}: the new part has {have} dimensions, its place {len(perm)}{at(value.source)}")
    padded = {place: place - (len(perm) - have) for place in range(len(perm)) if place >= len(perm) - have}
    place_of = {p: k for k, p in enumerate(perm) if p >= 0}
    back = [padded.get(place_of[k], -1) if k in place_of else -1 for k in range(node.inputs[0].type.ndim)]
    for place, p in enumerate(perm):
        if p < 0 and place in padded and value.type.shape[padded[place]] != 1:
            raise ShapeError(f"{what}: dimension {place} of the place has size 1, that of the new part is not "
                             f"known to be 1{at(value.source)}")
    return build.reorder(graph, value, back)


def _fit(value: Any, part: Any, what: str, mode: str) -> Any:
    """`value` in the dtype of `part`; it is set by any cast to a real dtype, and added by those of the same kind."""
    want = part.type.dtype
    if isinstance(value, (int, float)) and not isinstance(value, bool) and want in dtypes.CONTINUOUS:
        return constant(value, dtype=want)
    value = as_tensor_variable(value)
    have = value.type.dtype
    if have == want:
        return value
    if not np.can_cast(have, want, "same_kind" if mode == "inc" or have in dtypes.COMPLEX else "unsafe"):
        raise TypeMismatchError(f"{what}: {describe(part)} is {want}, the new part {describe(value)} is {have}"
                                f"{at(value.source)}; cast it")
    if isinstance(value, Constant) and want in dtypes.INTEGERS and value.data.size:
        limits = np.iinfo(want)
        for extreme in (value.data.min(), value.data.max()):
            if not limits.min <= extreme <= limits.max:
                raise TypeMismatchError(f"{what}: {extreme} is outside the range of {want}, the dtype of "
                                        f"{describe(part)}{at(value.source)}")
    return constant(value.data, dtype=want) if isinstance(value, Constant) else cast(value, want)
