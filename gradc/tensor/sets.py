"""Sets of values: what differs in a tensor, and what two have in common.

Composites of sorting, search and `masks.flatnonzero`; how many values there are, the data tell.  Derivatives of values
go to the elements that they are.  Not here: `bincount` (`statistics.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradc.errors import BadArgumentError, at, quoted
from gradc.ir import build, dtypes
from gradc.ir.graph import apply, user_line
from gradc.tensor import elemwise as ew
from gradc.tensor import reduce as red
from gradc.tensor.checks import flag
from gradc.tensor.convert import as_tensor_variable, cast, size_of, sizes_of
from gradc.tensor.creation import alloc, zeros
from gradc.tensor.extra import diff
from gradc.tensor.index import set_subtensor
from gradc.tensor.joining import join
from gradc.tensor.masks import flatnonzero
from gradc.tensor.reduce import multiply_sizes, normalize_axis
from gradc.tensor.shape import flatten, moveaxis, reshape, shape_padleft
from gradc.tensor.sorting import argsort, row_keys, searchsorted, sort
from gradc.tensor.types import Axis, TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = ["in1d", "intersect1d", "isin", "setdiff1d", "setxor1d", "union1d", "unique"]

# rows of `tensor.numpy_api`
NUMPY: dict[str, str] = {
    "unique": "ar return_index= return_inverse= return_counts= axis= equal_nan= sorted=",
    "isin": "element test_elements assume_unique= invert= kind=", "union1d": "ar1 ar2",
    "intersect1d": "ar1 ar2 assume_unique= return_indices=", "setdiff1d": "ar1 ar2 assume_unique=",
    "setxor1d": "ar1 ar2 assume_unique=",
}


def unique(ar: TensorLike, return_index: bool = False, return_inverse: bool = False, return_counts: bool = False,
           axis: Axis | None = None, equal_nan: bool = True, sorted: bool = True) -> Any:
    """The different elements of `ar`, in ascending order, as numpy.unique; with any `return_...` in a tuple.

    return_index: where each occurs first, in the flattened ar; return_inverse: which of them each element is, in the
    shape of ar; return_counts: how often each occurs (all int64).  They are in order whatever `sorted` is.
    axis: the different rows along that axis, in the order of their first elements, then the second, ...; positions and
    inverse are vectors then.   equal_nan: all nan are one element; without an axis.   Dtype: same as ar.
    """
    x = as_tensor_variable(ar)
    return_index, return_inverse, return_counts, equal_nan, _ = [flag(value, "unique", name) for name, value in (
        ("return_index", return_index), ("return_inverse", return_inverse), ("return_counts", return_counts),
        ("equal_nan", equal_nan), ("sorted", sorted))]
    if axis is None:
        rows, shape = flatten(x), sizes_of(x)
        by_place = return_index or return_inverse
        order = argsort(rows) if by_place else None
        ordered = sort(rows) if order is None else rows[order]
        differs = _differs(ordered, equal_nan)
    else:
        axis = normalize_axis(axis, x.type.ndim, "unique", x)
        first = moveaxis(x, axis, 0) if axis else x
        rows, shape = _as_matrix(first), [size_of(first, 0)]
        order = apply(build.call("order_of_rows"), row_keys(rows))
        ordered = rows[order]
        differs = red.any(ew.neq(ordered[1:], ordered[:-1]), 1)
    n = size_of(ordered, 0)
    begins = join(0, alloc(True, ew.minimum(n, 1)), differs)
    place = flatnonzero(begins)
    if axis is None:
        values = ordered[place]
    else:
        assert order is not None
        values = first[order[place]]
        values = moveaxis(values, 0, axis) if axis else values
    results = [values]
    if return_index:
        assert order is not None
        results.append(order[place])
    if return_inverse:
        assert order is not None
        number = ew.sub(red.cumsum(cast(begins, "int64")), 1)
        inverse = set_subtensor(zeros(n, dtype="int64")[order], number)
        results.append(inverse if len(shape) == 1 else reshape(inverse, shape, ndim=len(shape)))
    if return_counts:
        results.append(diff(join(0, place, shape_padleft(n))))
    return tuple(results) if len(results) > 1 else values


def _differs(ordered: TensorVariable, equal_nan: bool) -> TensorVariable:
    """Of a sorted vector: does each element from the second on differ from the one before?"""
    after, before = ordered[1:], ordered[:-1]
    differs = ew.neq(after, before)
    if equal_nan and ordered.type.dtype in dtypes.CONTINUOUS:
        differs = ew.and_(differs, ew.invert(ew.isnan(before)))         # nan come last: what follows one is one
    return differs


def _as_matrix(x: TensorVariable) -> TensorVariable:
    """x with all its axes but the first as one."""
    if x.type.ndim == 2:
        return x
    rest = cast(1, "int64")
    for size in sizes_of(x)[1:]:
        rest = multiply_sizes(rest, size)
    return reshape(x, [size_of(x, 0), rest], ndim=2)


def isin(element: TensorLike, test_elements: TensorLike, assume_unique: bool = False, invert: bool = False,
         kind: str | None = None) -> TensorVariable:
    """Which elements of `element` are among `test_elements`, as numpy.isin; nan is not.

    invert: which are not.  assume_unique and kind ("sort" or "table") change nothing.
    Shapes: as element.   Dtype: bool.
    """
    return _isin("isin", as_tensor_variable(element), test_elements, assume_unique, invert, kind)


def _isin(what: str, x: TensorVariable, test_elements: TensorLike, assume_unique: bool, invert: bool,
          kind: str | None = None) -> TensorVariable:
    if kind not in (None, "sort", "table"):
        raise BadArgumentError(f"{what}: kind is 'sort' or 'table', got {quoted(kind)}{at(user_line())}")
    flag(assume_unique, what, "assume_unique")
    tests = flatten(as_tensor_variable(test_elements))
    common = dtypes.upcast(x.type.dtype, tests.type.dtype)
    x, tests = cast(x, common), sort(cast(tests, common))
    found = ew.gt(searchsorted(tests, x, "right"), searchsorted(tests, x, "left"))
    if common in dtypes.CONTINUOUS:
        found = ew.and_(found, ew.invert(ew.isnan(x)))
    return ew.invert(found) if flag(invert, what, "invert") else found


def in1d(ar1: TensorLike, ar2: TensorLike, assume_unique: bool = False, invert: bool = False,
         kind: str | None = None) -> TensorVariable:
    """`isin` of the flattened ar1."""
    return _isin("in1d", flatten(as_tensor_variable(ar1)), ar2, assume_unique, invert, kind)


def _both(what: str, ar1: TensorLike, ar2: TensorLike) -> list[TensorVariable]:
    """Both flattened, in their common dtype."""
    parts = [flatten(as_tensor_variable(x)) for x in (ar1, ar2)]
    common = dtypes.upcast(*[p.type.dtype for p in parts])
    return [cast(p, common) for p in parts]


def union1d(ar1: TensorLike, ar2: TensorLike) -> TensorVariable:
    """The different elements of both, in ascending order, as numpy.union1d."""
    return unique(join(0, *_both("union1d", ar1, ar2)))


def intersect1d(ar1: TensorLike, ar2: TensorLike, assume_unique: bool = False, return_indices: bool = False) -> Any:
    """The different elements that are in both, in ascending order, as numpy.intersect1d.

    assume_unique: all elements of ar1 differ, and all of ar2.  return_indices: also where they occur first in the
    flattened ar1, and in ar2; the three in a tuple.
    """
    x, y = _both("intersect1d", ar1, ar2)
    first: list[Any] = [None, None]
    return_indices = flag(return_indices, "intersect1d", "return_indices")
    if not flag(assume_unique, "intersect1d", "assume_unique"):
        (x, *at_x), (y, *at_y) = (_with_places(v, return_indices) for v in (x, y))
        first = [*at_x, *at_y] or first
    both = join(0, x, y)
    order = argsort(both) if return_indices else None
    ordered = sort(both) if order is None else both[order]
    place = flatnonzero(ew.eq(ordered[1:], ordered[:-1]))
    values = ordered[place]
    if order is None:
        return values
    places = [order[place], ew.sub(order[ew.add(place, 1)], size_of(x, 0))]
    return values, *[p if f is None else f[p] for p, f in zip(places, first)]


def _with_places(x: TensorVariable, places: bool) -> list[TensorVariable]:
    return list(unique(x, return_index=True)) if places else [unique(x)]


def setdiff1d(ar1: TensorLike, ar2: TensorLike, assume_unique: bool = False) -> TensorVariable:
    """The different elements of ar1 that are not in ar2, in ascending order, as numpy.setdiff1d.

    assume_unique: elements of ar1 that are not in ar2 as they are there, in their order.   Dtype: that of ar1.
    """
    x = as_tensor_variable(ar1)
    x = flatten(x) if flag(assume_unique, "setdiff1d", "assume_unique") else unique(x)
    return x[flatnonzero(_isin("setdiff1d", x, ar2, assume_unique, True))]


def setxor1d(ar1: TensorLike, ar2: TensorLike, assume_unique: bool = False) -> TensorVariable:
    """The different elements that are in one of both only, in ascending order, as numpy.setxor1d."""
    parts = _both("setxor1d", ar1, ar2)
    if not flag(assume_unique, "setxor1d", "assume_unique"):
        parts = [unique(p) for p in parts]
    ordered = sort(join(0, *parts))
    differs = ew.neq(ordered[1:], ordered[:-1])
    end = alloc(True, ew.minimum(size_of(ordered, 0), 1))
    return ordered[flatnonzero(ew.and_(join(0, end, differs), join(0, differs, end)))]
