"""Basic indexing of variables, and new versions of tensors with a part changed.

`x[...]` takes ints, integer scalars (also symbolic), slices with any of those or None as bounds and step,
`None` (a new axis) and `...`.  `set_subtensor(x[i], v)` and `inc_subtensor(x[i], v)` read the index from
their first argument, also through the axes that `None` put in.  Lists, arrays and masks as indices raise
AdvancedIndexingError with what to use instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gradc.errors import AdvancedIndexingError, ShapeError, TypeMismatchError, at, quoted
from gradc.ir import dtypes, ops
from gradc.ir.graph import Constant, Variable, apply, describe, user_line
from gradc.tensor.convert import as_tensor_variable, cast, constant, size_of, sizes_of
from gradc.tensor.shape import moveaxis
from gradc.tensor.types import TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = ["inc_subtensor", "set_subtensor"]


_ADVICE = ("use ints, slices, None and ...; for a few positions join or stack x[i], for a mask use "
           "switch(mask, x, 0)")


def _bound(entry: Any, dynamic: list[Any], what: str) -> Any:
    """An index entry as int, None or DYNAMIC (whose variable joins `dynamic`)."""
    if entry is None or entry.__class__ is int:
        return entry
    if isinstance(entry, Constant):
        entry = entry.data
    if isinstance(entry, Variable):
        if entry.type.ndim == 0 and entry.type.dtype in dtypes.INTEGERS:
            dynamic.append(cast(entry, "int64"))
            return ops.DYNAMIC
        if entry.type.dtype in dtypes.DISCRETE:
            raise AdvancedIndexingError(f"{what}: an index of type {entry.type} needs advanced indexing"
                                        f"{at(entry.source)}; {_ADVICE}")
        raise TypeMismatchError(f"{what}: indices are integers, got {describe(entry)} of type {entry.type}"
                                f"{at(entry.source)}; cast it")
    if isinstance(entry, (bool, np.bool_)) or isinstance(entry, (list, tuple)) or np.ndim(entry):
        raise AdvancedIndexingError(f"{what}: the index {quoted(entry)} needs advanced indexing; {_ADVICE}")
    data = np.asarray(entry)
    if data.dtype.kind in "iu":
        return int(data)
    raise TypeMismatchError(f"{what}: indices are integers, slices, None and ..., got {quoted(entry)}"
                            f"{at(user_line())}")


def getitem(x: TensorVariable, key: Any) -> TensorVariable:
    """`x[key]` for a basic index.

    Raises: IndexOutOfBoundsError at run time, ShapeError at build for an index that can't fit,
    AdvancedIndexingError for lists, arrays and masks.
    """
    entries = list(key) if isinstance(key, tuple) else [key]
    ndim = x.type.ndim
    dots = [k for k, e in enumerate(entries) if e is Ellipsis]
    if len(dots) > 1:
        raise ShapeError(f"an index has at most one ..., got {len(dots)}{at(x.source)}")
    used = sum(e is not None and e is not Ellipsis for e in entries)
    if used > ndim:
        raise ShapeError(f"too many indices: {used} for {describe(x)}, which is {x.type.short()}{at(x.source)}")
    if dots:
        entries[dots[0]:dots[0] + 1] = [slice(None)] * (ndim - used)
    items: list[ops.Item] = []
    dynamic: list[Any] = []
    perm: list[int] = []        # of the result, before new axes: running number or -1
    what = f"index of {describe(x)}"
    rank = 0
    for e in entries:
        if e is None:
            perm.append(-1)
        elif isinstance(e, slice):
            start = _bound(e.start, dynamic, what)
            stop = _bound(e.stop, dynamic, what)
            items.append(ops.Item(start=start, stop=stop, step=_bound(e.step, dynamic, what)))
            perm.append(rank)
            rank += 1
        else:
            items.append(ops.Item(at=_bound(e, dynamic, what)))
    if len(items) == 1 and not dynamic and x.owner is not None and items[0].is_single and -1 not in perm \
            and type(x.owner.op) is ops.ShapeOf and x.owner.op.axis is None:
        inner = as_tensor_variable(x.owner.inputs[0])
        if -inner.type.ndim <= items[0].at < inner.type.ndim:       # x.shape[k]
            return size_of(inner, items[0].at % inner.type.ndim)
    result = x
    if not perm or -1 not in perm or any(not item.is_all for item in items):
        result = apply(ops.Slice(tuple(items)), x, *dynamic)
    if -1 in perm:
        perm.extend(range(rank, result.type.ndim))
        result = apply(ops.Transpose(tuple(perm)), result)
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

    Otherwise as `set_subtensor`, but floats are not added to integers (TypeMismatchError).
    """
    return _scatter("set" if set_instead_of_inc else "inc", x, y)


def _scatter(mode: str, part: Any, value: Any) -> Any:
    what = f"{mode}_subtensor"
    if not isinstance(part, Variable):
        raise TypeMismatchError(f"{what} takes a part of a tensor, such as x[1:3], as its first argument, got "
                                f"{quoted(part)}")
    value = _fit(value, part, what, mode)
    node = part.owner
    if node is not None and type(node.op) is ops.Transpose:
        # The part was transposed (or got new axes) after it was cut out: undo that on the value.
        perm = node.op.perm
        have = value.type.ndim
        if have > len(perm):
            raise ShapeError(f"{what}: the new part has {have} dimensions, its place {len(perm)}{at(value.source)}")
        padded = {place: place - (len(perm) - have) for place in range(len(perm)) if place >= len(perm) - have}
        place_of = {p: k for k, p in enumerate(perm) if p >= 0}
        back = tuple(padded.get(place_of[k], -1) if k in place_of else -1
                     for k in range(node.inputs[0].type.ndim))
        for place, p in enumerate(perm):
            if p < 0 and place in padded and value.type.shape[padded[place]] != 1:
                raise ShapeError(f"{what}: dimension {place} of the place has size 1, that of the new part is not "
                                 f"known to be 1{at(value.source)}")
        value = value if back == tuple(range(have)) else apply(ops.Transpose(back), value)
        part = node.inputs[0]
        node = part.owner
    if node is None or type(node.op) is not ops.Slice:
        raise TypeMismatchError(f"{what} takes a part of a tensor, such as x[1:3], as its first argument, got "
                                f"{describe(part)}{at(part.source)}")
    changed = apply(ops.Scatter(mode, node.op.items), node.inputs[0], value, *node.inputs[1:])
    axes = part.__dict__.get("_tag") and getattr(part.tag, "diagonal", None)
    if axes is None:
        return changed
    flat: Any = node.inputs[0].owner            # `diagonal` cuts it out of a reshaped tensor with these axes last
    square = flat.inputs[0]
    changed = apply(ops.Reshape(square.type.ndim), changed, *sizes_of(square))
    return moveaxis(changed, (-2, -1), axes)


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
