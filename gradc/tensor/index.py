"""Indexing of variables, and new versions of tensors with a part changed.

`x[...]` takes what NumPy's arrays take: ints, integer scalars (also symbolic), slices with any of those or None as
bounds and step, `None` (a new axis), `...`, arrays of integers (lists, NumPy's, symbolic) and masks, arrays of bools;
axes of the result are in NumPy's order.  A mask is as large as the axes it stands for.  `set_subtensor(x[i], v)` and
`inc_subtensor(x[i], v)` read the index from their first argument, also through the axes that `None` put in.
Not here: functions that are written with indices (`selection.py`).
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from gradc.config import config
from gradc.errors import ShapeError, TypeMismatchError, at, quoted
from gradc.ir import build, dtypes, graph, ops
from gradc.ir.facts import permutation, reads
from gradc.ir.graph import Constant, Variable, apply, describe, is_tensor, user_line
from gradc.record import record
from gradc.tensor import elemwise as ew
from gradc.tensor.checks import equal, named
from gradc.tensor.convert import (
    as_tensor_variable,
    cast,
    constant,
    has_variable,
    is_python_number,
    size_constant,
    size_of,
    sizes_of,
    together,
)
from gradc.tensor.masks import flatnonzero
from gradc.tensor.reduce import multiply_sizes
from gradc.tensor.types import TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = ["inc_subtensor", "set_subtensor"]

Entry: TypeAlias = Any      # of an index, as users write it; where it is an array, Positions


@record(eq=False)
class Positions:
    """An array of integers in an index; of a mask, the positions of what is true in it, flattened."""

    array: TensorVariable
    mask: TensorVariable | None = None

    @property
    def axes(self) -> int:
        """How many axes it stands for."""
        return 1 if self.mask is None else self.mask.type.ndim


def _bound(entry: Entry, dynamic: list[TensorVariable], what: str) -> Any:
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
    raise no_index(entry, what)


def no_index(entry: Entry, what: str) -> TypeMismatchError:
    if isinstance(entry, Variable):
        return TypeMismatchError(f"{what}: indices are integers, got {describe(entry)} of type {entry.type}"
                                 f"{at(entry.source)}; cast it")
    return TypeMismatchError(f"{what}: indices are integers, slices, None, ... and arrays of integers or bools, got "
                             f"{quoted(entry)}{at(user_line())}")


def entry_of(entry: Entry, what: str) -> Entry:
    """An entry of an index, where it is an array or a mask as Positions."""
    if entry is None or entry is Ellipsis or isinstance(entry, slice) or entry.__class__ is int:
        return entry
    if isinstance(entry, Variable) and not is_tensor(entry):
        raise no_index(entry, what)
    if isinstance(entry, Variable) or (isinstance(entry, (list, tuple)) and has_variable(entry)):
        entry = as_tensor_variable(entry)
        if not isinstance(entry, Constant):
            if entry.type.dtype == "bool":
                return Positions(flatnonzero(entry), entry)
            if entry.type.ndim and entry.type.dtype not in dtypes.INTEGERS:
                raise no_index(entry, what)
            return Positions(entry) if entry.type.ndim else entry
    try:
        data = np.asarray(entry.data if isinstance(entry, Constant) else entry)
    except ValueError:                          # rows of different lengths
        raise no_index(entry, what) from None
    if data.dtype == bool:
        return Positions(constant(np.flatnonzero(data)), constant(data))
    if data.ndim == 0:
        return entry
    if data.size == 0 and isinstance(entry, (list, tuple)):
        data = data.astype("int64")
    if data.dtype.kind not in "iu":
        raise no_index(entry, what)
    return Positions(constant(data))


def _axes(entry: Entry) -> int:
    """How many axes of x an entry stands for."""
    if isinstance(entry, Positions):
        return entry.axes
    return int(entry is not None and entry is not Ellipsis)


def getitem(x: TensorVariable, key: object) -> TensorVariable:
    """`x[key]`.

    Raises: IndexOutOfBoundsError at run time, ShapeError at build for an index that can't fit (of a mask, at run time
    where sizes are not known before), TypeMismatchError for what is no index.
    """
    what = f"index of {describe(x)}"
    entries = [entry_of(entry, what) for entry in (key if isinstance(key, tuple) else [key])]
    ndim = x.type.ndim
    dots = [k for k, e in enumerate(entries) if e is Ellipsis]
    if len(dots) > 1:
        raise ShapeError(f"an index has at most one ..., got {len(dots)}{at(x.source)}")
    used = sum(map(_axes, entries))
    if used > ndim:
        raise ShapeError(f"too many indices: {used} for {describe(x)}, which is {x.type.short()}{at(x.source)}")
    if dots:
        entries[dots[0]:dots[0] + 1] = [slice(None)] * (ndim - used)
    if any(isinstance(e, Positions) for e in entries):
        return _at_arrays(x, _beside_scalars(_beside_arrays(entries), what), what)
    items, dynamic = _items(entries, what)
    if len(items) == 1 and not dynamic and x.owner is not None and items[0].is_single and None not in entries \
            and type(x.owner.op) is ops.ShapeOf and x.owner.op.axis is None:
        inner = as_tensor_variable(x.owner.inputs[0])
        if -inner.type.ndim <= items[0].at < inner.type.ndim:       # x.shape[k]
            return size_of(inner, items[0].at % inner.type.ndim)
    result = x
    whole = None in entries and all(item.is_all for item in items)
    if not whole:
        result = build.index(graph, x, items, *dynamic)
    if None in entries:
        rest = iter(range(result.type.ndim))
        perm = [-1 if e is None else next(rest) for e in entries if e is None or isinstance(e, slice)]
        result = build.dimshuffle(graph, result, (*perm, *rest))
        if whole:
            result.tag.steps = 1
    return result


def _items(entries: list[Entry], what: str) -> tuple[ops.Items, list[TensorVariable]]:
    """A basic index, and what is dynamic in it."""
    items: list[ops.Item] = []
    dynamic: list[TensorVariable] = []
    for e in entries:
        if isinstance(e, slice):
            start = _bound(e.start, dynamic, what)
            stop = _bound(e.stop, dynamic, what)
            items.append(ops.Item(start=start, stop=stop, step=_bound(e.step, dynamic, what)))
        elif e is not None:
            items.append(ops.Item(at=_bound(e, dynamic, what)))
    return tuple(items), dynamic


def _masked(x: TensorVariable, entries: list[Entry]) -> tuple[TensorVariable, int]:
    """x with one axis for each mask, in place of those that it stands for, and how many steps that took.

    A mask must be as large as these axes.
    """
    shape: list[TensorVariable] = []
    axis = 0
    for e in entries:
        for k, size in enumerate(sizes_of(e.mask) if isinstance(e, Positions) and e.mask is not None else []):
            x = equal(size_of(x, axis + k), size,
                      f"{named(x)} has size {{0}} along dimension {axis + k}, the mask {{1}}", on=x)
        n = size_constant(1)
        for k in range(_axes(e)):
            n = multiply_sizes(n, size_of(x, axis + k))
        shape += [] if e is None else [n]
        axis += _axes(e)
    if all(e.axes == 1 for e in entries if isinstance(e, Positions)):
        return x, 0
    shape += sizes_of(x)[axis:]
    return apply(ops.Reshape(len(shape)), x, *shape), 1


def _beside_scalars(entries: list[Entry], what: str) -> list[Entry]:
    """`entries`, of which masks without axes are arrays of as many positions as the others, none where they are false.

    NumPy takes such a mask as one position or none, and one position repeats; here the other positions are left out.
    """
    scalars = [e for e in entries if isinstance(e, Positions) and e.mask is not None and not e.mask.type.ndim]
    masks = [e.mask for e in scalars if e.mask is not None]
    others = [e for e in entries if isinstance(e, Positions) and e not in scalars and e.array.type.ndim
              and e.array.type.shape[-1] != 1]
    if not others or all(isinstance(mask, Constant) for mask in masks):
        return entries
    mask = reduce(ew.and_, masks)
    message = f"{what}: a mask that is False stands for no position, beside it are {{0}} positions"

    def kept(e: Positions) -> TensorVariable:
        """Which positions of e remain; arrays of different sizes stay such, and are refused as they are elsewhere."""
        n = size_of(e.array, e.array.type.ndim - 1)
        fits = ew.or_(mask, ew.le(n, 1))
        return flatnonzero(apply(ops.Broadcast(), apply(ops.Assert(message, "shape", 1), mask, fits, n), n))

    count = size_of(kept(others[0]), 0)

    def made(e: Entry) -> Entry:
        if e in scalars:
            return Positions(apply(ops.Broadcast(), constant(0, dtype="int64"), count), e.mask)
        if e in others:
            last = e.array.type.ndim - 1
            return Positions(build.move_axis(graph, apply(ops.Gather((last,)), e.array, kept(e)), 0, last), e.mask)
        return e

    return list(map(made, entries))


def _beside_arrays(entries: list[Entry]) -> list[Entry]:
    """`entries`, of which a mask with one true element has this position as often as others beside it have positions.

    How many are true only the call tells, so that its type can't say that it broadcasts.
    """
    arrays = [e for e in entries if isinstance(e, Positions) and e.array.type.ndim and e.array.type.shape[-1] != 1
              and (e.mask is None or e.mask.type.ndim)]
    arrays.sort(key=lambda e: e.mask is not None)

    def made(e: Entry) -> Entry:
        if not isinstance(e, Positions) or e.mask is None or not e.mask.type.ndim or isinstance(e.array, Constant):
            return e
        others = [other for other in arrays if other is not e]
        if not others:
            return e
        count, n = size_of(e.array, 0), size_of(others[0].array, others[0].array.type.ndim - 1)
        single = ew.eq(count, 1)
        places = apply(ops.Iota(), ew.switch(single, n, count))
        return Positions(apply(ops.Gather((0,)), e.array, ew.switch(single, np.int64(0), places)), e.mask)

    return list(map(made, entries))


def _at_arrays(x: TensorVariable, entries: list[Entry], what: str) -> TensorVariable:
    """x at arrays of positions: slices are taken first, then all positions, of which integers are some, at once.

    The axes of the positions are where these stand in the index if they stand side by side, else they come first.
    """
    axes: list[int] = []
    index: list[TensorVariable] = []
    order: list[Any] = []                   # of the result: -1, "positions", or the number of an axis that is sliced
    plain = [e if isinstance(e, slice) else slice(None) for e in entries if e is not None]
    apart = False
    for k, e in enumerate(entries):
        if e is None:
            order.append(-1)
        elif isinstance(e, slice):
            order.append(sum(isinstance(o, int) and o >= 0 for o in order))
        else:
            if "positions" not in order:
                order.append("positions")
            apart = apart or order[-1] != "positions"
            axes.append(sum(o is not None for o in entries[:k]))
            if not isinstance(e, Positions):
                dynamic: list[TensorVariable] = []
                number = _bound(e, dynamic, what)
                e = Positions(dynamic[0] if dynamic else constant(number, dtype="int64"))
            index.append(e.array)
    items, bounds = _items(plain, what)
    result, steps = _masked(x, entries)
    if not all(item.is_all for item in items):
        result, steps = build.index(graph, result, items, *bounds), steps + 1
    result, steps = apply(ops.Gather(tuple(axes)), result, *index), steps + 1
    rank = max(i.type.ndim for i in index)
    if apart:
        order = ["positions", *[o for o in order if o != "positions"]]
    perm = [p for o in order for p in (range(rank) if o == "positions" else [o + rank if o >= 0 else -1])]
    perm += [k for k in range(result.type.ndim) if k not in perm]
    if perm != list(range(result.type.ndim)):
        result, steps = build.dimshuffle(graph, result, perm), steps + 1
    result.tag.steps = steps
    return result


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

    Otherwise as `set_subtensor`, but floats are not added to integers (TypeMismatchError).  What is added at one
    position several times is added one by one in the dtype of x, as by numpy.add.at; `bincount` and sums do so in
    float64.
    """
    return _scatter("set" if set_instead_of_inc else "inc", x, y)


def _scatter(mode: str, part: Any, value: Any) -> Any:
    what = f"{mode}_subtensor"
    if not isinstance(part, Variable):
        raise TypeMismatchError(f"{what} takes a part of a tensor, such as x[1:3], as its first argument, got "
                                f"{quoted(part)}")
    value = _fit(value, part, what, mode)
    where, done, written = part, 0, False
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
            mode, steps, written = "set", steps or done + 1, True
        else:
            raise TypeMismatchError(f"{what} takes a part of a tensor, such as x[1:3], as its first argument, got "
                                    f"{describe(where)}{at(where.source)}")
        where, done = node.inputs[0], done + 1
    if not written:
        value = build.put(graph, mode, where, value, (ops.Item(),) * where.type.ndim)
    return value


def _transposed_back(what: str, value: Any, node: Any) -> object:
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


def _fit(value: Any, part: Any, what: str, mode: str) -> object:
    """`value` in the dtype of `part`; it is set by any cast to a real dtype, and added by those of the same kind."""
    want = part.type.dtype
    if isinstance(value, (int, float)) and not isinstance(value, bool) and want in dtypes.CONTINUOUS:
        return constant(value, dtype=want)
    if config.cast_policy == "weak" and is_python_number(value):
        value = together((part, value), converting=False)[1]
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
