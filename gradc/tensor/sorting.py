"""Sorting, and search in what is sorted, along one axis; other axes are a batch.

Complex numbers are in NumPy's order: by the real part, then by the imaginary part; after all others come those with nan
in the imaginary part, then in the real part, then in both.

nan comes last, -0.0 and 0.0 are equal, and equal elements keep their order, whatever kind of sort is asked for.
Derivatives move with the elements: at equal ones they are those of the stable order.
Here: calls of routines (`ir.routines`) and composites of them.  Not here: extremes (`reduce.py`), medians and
quantiles (`order_statistics.py`), sets of values (`sets.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradc.errors import BadArgumentError, ShapeError, TypeMismatchError, at, quoted
from gradc.ir import build, dtypes, ops
from gradc.ir.dtypes import DTypeLike
from gradc.ir.graph import Constant, apply, describe, user_line
from gradc.tensor import elemwise as ew
from gradc.tensor.checks import equal, fail, flag, in_range, integer
from gradc.tensor.convert import as_tensor_variable, cast, constant, size_constant, size_of, sizes_of
from gradc.tensor.joining import join, stack
from gradc.tensor.reduce import any as any_of
from gradc.tensor.reduce import cumsum, normalize_axis
from gradc.tensor.selection import take_along_axis
from gradc.tensor.shape import flatten, moveaxis, reshape, shape_padright
from gradc.tensor.types import Axis, SizeLike, TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = [
    "argpartition", "argsort", "argtopk", "lexsort", "partition", "searchsorted", "sort", "topk", "topk_and_argtopk",
]

# rows of `tensor.numpy_api`
NUMPY: dict[str, str] = {
    "sort": "a axis= kind= stable=", "argsort": "a axis= kind= stable=", "lexsort": "keys axis=",
    "partition": "a kth axis= kind=", "argpartition": "a kth axis= kind=", "searchsorted": "a v side= sorter=",
}

KINDS = ("quicksort", "mergesort", "heapsort", "stable")


def real_numbers(what: str, x: TensorLike) -> TensorVariable:
    """x, which must have an order."""
    x = as_tensor_variable(x)
    if x.type.dtype in dtypes.COMPLEX:
        raise TypeMismatchError(f"{what} takes real numbers, got {describe(x)} of type {x.type}"
                                f"{at(x.source or user_line())}")
    return x


def complex_keys(x: TensorVariable) -> TensorVariable:
    """Three floats for each complex number, in a new last axis: in their order complex numbers are in NumPy's."""
    real, imag = ew.real(x), ew.imag(x)
    kind = ew.add(ew.mul(ew.isnan(real), np.int8(2)), ew.isnan(imag))
    keys = [cast(kind, real.type.dtype), *[ew.switch(ew.isnan(v), cast(0, real.type.dtype), v) for v in (real, imag)]]
    return stack(keys, x.type.ndim)


def _order(x: TensorVariable) -> TensorVariable:
    """The order of the elements along the last axis."""
    if x.type.dtype in dtypes.COMPLEX:
        return apply(build.call("order_of_rows"), complex_keys(x))
    return apply(build.call("argsort"), x)


def in_place_of(x: TensorVariable) -> TensorVariable:
    """Real numbers in the order of the elements along the last axis, equal for equal elements; x, if it is real."""
    if x.type.dtype not in dtypes.COMPLEX:
        return x
    order = _order(x)
    keys = take_along_axis(complex_keys(x), shape_padright(order), -2)
    differs = any_of(ew.neq(keys[..., 1:, :], keys[..., :-1, :]), -1)
    first = ew.second(ew.real(x[..., :1]), np.int64(0))
    number = cumsum(join(-1, first, cast(differs, "int64")), -1)
    return take_along_axis(number, apply(build.call("argsort"), order), -1)


def _last(what: str, x: TensorLike, axis: Axis | None) -> tuple[TensorVariable, int]:
    """x with `axis` at the end, and where it was; of the flattened x for None."""
    x = as_tensor_variable(x)
    if axis is None:
        return flatten(x), 0
    axis = normalize_axis(axis, x.type.ndim, what, x)
    return moveaxis(x, axis, -1) if axis != x.type.ndim - 1 else x, axis


def _back(x: TensorVariable, axis: int) -> TensorVariable:
    """The last axis where it was."""
    return moveaxis(x, -1, axis) if axis != x.type.ndim - 1 else x


def _check_options(what: str, kind: object, order: object, stable: object, kinds: Sequence[str] = KINDS) -> None:
    if kind is not None and kind not in kinds:
        raise BadArgumentError(f"{what}: kind is one of {', '.join(kinds)}, got {quoted(kind)}{at(user_line())}")
    if order is not None:
        raise BadArgumentError(f"{what}: order= names fields, which no tensor has{at(user_line())}")
    if stable is not None:
        flag(stable, what, "stable")
        if kind is not None:
            raise BadArgumentError(f"{what}: kind= and stable= say the same, give one of them{at(user_line())}")


def sort(a: TensorLike, axis: Axis | None = -1, kind: str | None = None, order: None = None,
         stable: bool | None = None) -> TensorVariable:
    """The elements of `a` in ascending order along `axis` (of the flattened a for None), as numpy.sort.

    Every kind is stable.  Dtype: same as a.
    Raises: ShapeError for an axis out of range.
    """
    _check_options("sort", kind, order, stable)
    x, axis = _last("sort", a, axis)
    if x.type.dtype in dtypes.COMPLEX:
        return _back(take_along_axis(x, _order(x), -1), axis)
    return _back(apply(build.call("sort"), x), axis)


def argsort(a: TensorLike, axis: Axis | None = -1, kind: str | None = None, order: None = None,
            stable: bool | None = None) -> TensorVariable:
    """The positions (int64) at which `sort(a, axis)` finds its elements, as numpy.argsort(a, axis, kind="stable").

    Every kind is stable: of equal elements the first comes first.  The rank of each element is argsort(argsort(a)).
    """
    _check_options("argsort", kind, order, stable)
    x, axis = _last("argsort", a, axis)
    return _back(_order(x), axis)


def _ranks(what: str, kth: Any, x: TensorVariable) -> TensorVariable:
    """`kth` as a vector of positions along the last axis of x, counted from its start, which it is certain to have."""
    n = size_of(x, x.type.ndim - 1)
    places = as_tensor_variable(kth)
    if places.type.dtype not in dtypes.INTEGERS or places.type.ndim > 1:
        raise TypeMismatchError(f"{what}: kth is an integer or a vector of integers, got {describe(places)} of type "
                                f"{places.type}{at(places.source or user_line())}")
    message = f"{what}: kth is {{0}}, the axis has size {{1}}"
    if isinstance(places, Constant) and isinstance(n, Constant):
        data = places.data.astype("int64").reshape(-1)
        for wrong in data[(data < -n.data) | (data >= n.data)][:1]:
            fail(message, "value", int(wrong), int(n.data))
        return constant(np.where(data < 0, data + n.data, data))
    signed = cast(flatten(places) if places.type.ndim else places.dimshuffle("x"), "int64")
    valid = ew.and_(ew.ge(signed, ew.neg(n)), ew.lt(signed, n))
    from_start = ew.switch(ew.lt(signed, 0), ew.add(signed, n), signed)
    return apply(ops.Assert(message, "value", 2), from_start, valid, signed, n)


def partition(a: TensorLike, kth: TensorLike, axis: Axis | None = -1, kind: str = "introselect",
              order: None = None) -> TensorVariable:
    """`a` along `axis` with element `kth` where sorting puts it, smaller ones before it and others behind it.

    As numpy.partition, in an order of its own: elements that are equal to element kth stand together, and all that
    stand on one side of them, or between two of several kth, are in the order that they have in a.  nan is the largest.
    kth: an integer, or several; negative ones count from the end.  Time: as a few sums of a, where kth are few.
    Raises: BadValueError where kth is out of range.
    """
    _check_options("partition", kind, order, None, ("introselect",))
    x, axis = _last("partition", a, axis)
    ranks = _ranks("partition", kth, x)
    if x.type.dtype in dtypes.COMPLEX:
        return _back(take_along_axis(x, apply(build.call("argpartition"), in_place_of(x), ranks), -1), axis)
    return _back(apply(build.call("partition"), x, ranks), axis)


def argpartition(a: TensorLike, kth: TensorLike, axis: Axis | None = -1, kind: str = "introselect",
                 order: None = None) -> TensorVariable:
    """The positions (int64) at which `partition(a, kth, axis)` finds its elements."""
    _check_options("argpartition", kind, order, None, ("introselect",))
    x, axis = _last("argpartition", a, axis)
    return _back(apply(build.call("argpartition"), in_place_of(x), _ranks("argpartition", kth, x)), axis)


def lexsort(keys: TensorLike, axis: Axis = -1) -> TensorVariable:
    """The positions (int64) that sort by several keys along `axis`, of which the *last* counts most; numpy.lexsort.

    keys: tensors of one shape, or one tensor whose first axis counts the keys.
    Raises: ShapeError for keys of different shapes or for none.
    """
    if isinstance(keys, (list, tuple)):
        parts = [as_tensor_variable(k) for k in keys]
        if not parts:
            raise ShapeError(f"lexsort takes at least one key, got none{at(user_line())}")
    else:
        table = as_tensor_variable(keys)
        if table.type.ndim < 1:
            raise ShapeError(f"lexsort takes keys, {describe(table)} is {table.type.short()}{at(table.source)}")
        if table.type.shape[0] is None:
            return _lexsort_rows(table, axis)
        parts = [table[k] for k in range(table.type.shape[0])]
    for part in parts[1:]:
        if part.type.ndim != parts[0].type.ndim or any(
                None not in pair and len(set(pair)) > 1 for pair in zip(part.type.shape, parts[0].type.shape)):
            raise ShapeError(f"lexsort: keys have one shape, {describe(parts[0])} is {parts[0].type.short()} and "
                             f"{describe(part)} {part.type.short()}{at(part.source or user_line())}")
    axis = normalize_axis(axis, parts[0].type.ndim, "lexsort", parts[0])
    order: TensorVariable | None = None
    for part in parts:
        key, _ = _last("lexsort", part, axis)
        if order is None:
            order = _order(key)
        else:
            order = take_along_axis(order, _order(take_along_axis(key, order, -1)), -1)
    assert order is not None
    return _back(order, axis)


def row_keys(x: TensorVariable) -> TensorVariable:
    """Rows of real numbers that are in the order of the rows of x, which are along the last axis."""
    if x.type.dtype not in dtypes.COMPLEX:
        return x
    last = x.type.ndim - 1
    sizes = [size_of(x, k) for k in range(last)]
    return reshape(complex_keys(x), [*sizes, ew.mul(size_of(x, last), 3)], ndim=last + 1)


def _lexsort_rows(table: TensorVariable, axis: Axis) -> TensorVariable:
    """By as many keys as the first axis has."""
    if table.type.ndim < 2:
        raise ShapeError(f"lexsort: the number of keys of {describe(table)}, which is {table.type.short()}, must be "
                         f"known{at(table.source)}")
    axis = normalize_axis(axis, table.type.ndim - 1, "lexsort", table)
    rows = row_keys(moveaxis(moveaxis(table[::-1], axis + 1, -1), 0, -1))
    return _back(apply(build.call("order_of_rows"), rows), axis)


# ------------------------------------------------------------------------------------------- the largest


def topk_and_argtopk(x: TensorLike, kth: SizeLike, axis: Axis | None = -1, sorted: bool = True,
                     idx_dtype: DTypeLike = "int64") -> tuple[TensorVariable, TensorVariable]:
    """The pair (topk, argtopk)."""
    order, last, axis = _top("topk_and_argtopk", x, kth, axis, sorted, idx_dtype)
    return _back(take_along_axis(last, order, -1), axis), _back(cast(order, idx_dtype), axis)


def topk(x: TensorLike, kth: SizeLike, axis: Axis | None = -1, sorted: bool = True,
         idx_dtype: DTypeLike = "int64") -> TensorVariable:
    """The `kth` largest elements along `axis` (of the flattened x for None), the largest first; nan is the largest.

    A negative kth: the -kth smallest, the smallest first.  They are in order whatever `sorted` is.
    Of equal elements the first ones are taken.  Dtype: same as x.
    Raises: BadValueError for kth = 0, or if there are not so many elements.
    """
    order, last, axis = _top("topk", x, kth, axis, sorted, idx_dtype)
    return _back(take_along_axis(last, order, -1), axis)


def argtopk(x: TensorLike, kth: SizeLike, axis: Axis | None = -1, sorted: bool = True,
            idx_dtype: DTypeLike = "int64") -> TensorVariable:
    """The positions of the elements of `topk`, of dtype `idx_dtype`."""
    order, _, axis = _top("argtopk", x, kth, axis, sorted, idx_dtype)
    return _back(cast(order, idx_dtype), axis)


def _top(what: str, x: TensorLike, kth: SizeLike, axis: Axis | None, in_order: bool,
         dtype: DTypeLike) -> tuple[TensorVariable, TensorVariable, int]:
    """Positions of the first elements along the last axis of x, which is `axis` of what was given."""
    flag(in_order, what, "sorted")
    if dtypes.check_dtype(dtype) not in dtypes.INTEGERS:
        raise TypeMismatchError(f"{what}: positions are integers, got idx_dtype={quoted(dtype)}{at(user_line())}")
    last, axis = _last(what, x, axis)
    k = integer(kth, what, "kth")
    n = size_of(last, last.type.ndim - 1)
    message = f"{what}: kth is {{0}}, it must not be 0, nor its size above {{1}}, that of the axis"
    if isinstance(k, Constant):
        size = int(n.data) if isinstance(n, Constant) else None
        if not 0 < abs(int(k.data)) <= (abs(int(k.data)) if size is None else size):
            fail(message if size is not None else f"{what}: kth is {{0}}, it must not be 0", "value", int(k.data),
                 size or 0)
        count = size_constant(abs(int(k.data)))
    else:
        count = ew.abs(k)
    if not (isinstance(k, Constant) and isinstance(n, Constant)):
        count = apply(ops.Assert(message, "value", 2), count, ew.and_(ew.gt(count, 0), ew.le(count, n)), k, n)
    return order_at(last, apply(ops.Iota(), count), ew.gt(k, 0)), last, axis


def order_at(x: TensorVariable, ranks: TensorVariable, down: TensorLike = False) -> TensorVariable:
    """Where the elements of `ranks` (int64, from 0) are along the last axis of x: argsort(x)[..., ranks], but faster.

    ranks: a vector for all rows, or one for each.  down: do they count from the largest element?  Of equal elements
    the first has the lowest rank.
    """
    return apply(build.call("order_at"), in_place_of(x), ranks, as_tensor_variable(down))


# ------------------------------------------------------------------------------------------------- search


def searchsorted(x: TensorLike, v: TensorLike, side: str = "left", sorter: TensorLike | None = None) -> TensorVariable:
    """Where each element of v belongs in the sorted vector x, as numpy.searchsorted.

    side: "left": before elements of x that are equal to it; "right": behind them.  sorter: positions that sort x.
    Shapes: x (n,), v any; as v.  Dtype: int64.  Values are compared in the common dtype of x and v.
    x is not checked to be sorted: if it is not, the result is some number from 0 to n, not always NumPy's.
    """
    x, v = as_tensor_variable(x), as_tensor_variable(v)
    if x.type.ndim != 1:
        raise ShapeError(f"searchsorted: x is a vector, {describe(x)} is {x.type.short()}{at(x.source or user_line())}")
    if side not in ("left", "right"):
        raise BadArgumentError(f"searchsorted: side is 'left' or 'right', got {quoted(side)}{at(user_line())}")
    if sorter is not None:
        x = _sorted_by(x, as_tensor_variable(sorter))
    common = dtypes.upcast(x.type.dtype, v.type.dtype)
    x, rest = cast(x, common), cast(flatten(v), common)
    if common in dtypes.COMPLEX:
        places = in_place_of(join(0, x, rest))
        x, rest = places[:size_of(x, 0)], places[size_of(x, 0):]
    found = apply(build.call(f"searchsorted_{side}"), x, rest)
    return found if v.type.ndim == 1 else reshape(found, sizes_of(v), ndim=v.type.ndim)


def _sorted_by(x: TensorVariable, sorter: TensorVariable) -> TensorVariable:
    if sorter.type.ndim != 1 or sorter.type.dtype not in dtypes.INTEGERS:
        raise TypeMismatchError(f"searchsorted: sorter is a vector of integers, got {describe(sorter)} of type "
                                f"{sorter.type}{at(sorter.source or user_line())}")
    n = size_of(x, 0)
    sorter = equal(size_of(sorter, 0), n, "searchsorted: sorter has {0} positions, x has size {1}", sorter)
    from_zero = in_range(sorter, 0, n, "searchsorted: sorter has position {0}, x has size {1}", "index")
    return apply(ops.Gather((0,)), x, from_zero)
