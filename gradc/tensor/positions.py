"""Positions as integers: of triangles and diagonals, of flat arrays, of grids, and permutations.

All are int64.  What a function gives as a tuple has an array of positions for each axis, which index a tensor:
`x[tril_indices(3)]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gradc.errors import ShapeError, TypeMismatchError, at
from gradc.ir import dtypes, ops
from gradc.ir.graph import Constant, apply, describe, user_line
from gradc.tensor import elemwise as ew
from gradc.tensor.checks import equal, fail, in_range, integer, named, not_negative, python_integer
from gradc.tensor.convert import as_tensor_variable, constant, converted, size_constant, size_of, sizes, sizes_of
from gradc.tensor.creation import tri, zeros_like
from gradc.tensor.index import no_index
from gradc.tensor.masks import flatnonzero, nonzero
from gradc.tensor.reduce import multiply_sizes
from gradc.tensor.selection import in_mode, put_along_axis, take_along_axis
from gradc.tensor.shape import along
from gradc.tensor.types import List, ShapeLike, SizeLike, TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = [
    "diag_indices", "diag_indices_from", "inverse_permutation", "ix_", "permute_row_elements", "ravel_multi_index",
    "tril_indices", "tril_indices_from", "triu_indices", "triu_indices_from", "unravel_index",
]

Place = tuple["TensorVariable", ...]

# rows of `tensor.numpy_api`
NUMPY = {
    "tril_indices_from": "arr k=", "triu_indices_from": "arr k=", "diag_indices_from": "arr",
    "ravel_multi_index": "multi_index dims mode= order=", "unravel_index": "indices shape order=", "ix_": "*args",
}


# ------------------------------------------------------------------------------------ triangles and diagonals


def tril_indices(n: SizeLike, k: TensorLike = 0, m: SizeLike | None = None) -> Place:
    """Rows and columns of the lower triangle of an n by m matrix (m = n unless given), up to diagonal k."""
    if _known(n, k, m):
        return tuple([constant(i) for i in np.tril_indices(n, k, m)])  # type: ignore[arg-type]
    return nonzero(tri(n, m, k, dtype="bool"))


def triu_indices(n: SizeLike, k: TensorLike = 0, m: SizeLike | None = None) -> Place:
    """Rows and columns of the upper triangle of an n by m matrix (m = n unless given), from diagonal k on."""
    if _known(n, k, m):
        return tuple([constant(i) for i in np.triu_indices(n, k, m)])  # type: ignore[arg-type]
    below = tri(n, m, ew.sub(integer(k, "triu_indices", "k"), size_constant(1)), dtype="bool")
    return nonzero(ew.invert(below))


def _known(*given: object) -> bool:
    """Are these ints, none of them negative but the second, or None?"""
    return all(x is None or (isinstance(x, (int, np.integer)) and not isinstance(x, bool) and (x >= 0 or place == 1))
               for place, x in enumerate(given))


def _matrix_sizes(a: TensorLike, what: str) -> list[TensorVariable]:
    x = as_tensor_variable(a)
    if x.type.ndim != 2:
        raise ShapeError(f"{what} takes a matrix, {describe(x)} is {x.type.short()}{at(x.source)}")
    return sizes_of(x)


def tril_indices_from(arr: TensorLike, k: TensorLike = 0) -> Place:
    """Rows and columns of the lower triangle of a matrix of the shape of `arr`, up to diagonal k."""
    n, m = _matrix_sizes(arr, "tril_indices_from")
    return tril_indices(n, k, m)


def triu_indices_from(arr: TensorLike, k: TensorLike = 0) -> Place:
    """Rows and columns of the upper triangle of a matrix of the shape of `arr`, from diagonal k on."""
    n, m = _matrix_sizes(arr, "triu_indices_from")
    return triu_indices(n, k, m)


def diag_indices(n: SizeLike, ndim: int = 2) -> Place:
    """Positions of the main diagonal of a tensor of `ndim` axes of size n."""
    place = apply(ops.Iota(), not_negative(sizes(n)[0], "diag_indices"))
    return (place,) * python_integer(ndim, "diag_indices", "ndim", 0)


def diag_indices_from(arr: TensorLike) -> Place:
    """Positions of the main diagonal of a tensor of the shape of `arr`, whose axes, two or more, have one size.

    Raises: ShapeError for axes of different sizes.
    """
    x = as_tensor_variable(arr)
    if x.type.ndim < 2:
        raise ShapeError(f"diag_indices_from takes at least 2 dimensions, {describe(x)} is {x.type.short()}"
                         f"{at(x.source)}")
    n = size_of(x, 0)
    for k in range(1, x.type.ndim):
        n = equal(size_of(x, k), n, f"diag_indices_from: the axes of {named(x)} have sizes {{1}} and {{0}}", on=n)
    return diag_indices(n, x.type.ndim)


# -------------------------------------------------------------------------------------------- flat positions


def _dims(shape: ShapeLike, order: str, what: str) -> list[TensorVariable]:
    """The sizes of a shape, the axis that changes fastest last."""
    if order not in ("C", "F"):
        raise TypeMismatchError(f"{what}: order is 'C' or 'F', got {order!r}{at(user_line())}")
    dims = [not_negative(n, what) for n in sizes(shape)]
    return dims if order == "C" else dims[::-1]


def _integers(x: TensorLike, what: str) -> TensorVariable:
    i = as_tensor_variable(x)
    if i.type.dtype not in dtypes.INTEGERS:
        raise no_index(i, what)
    return converted(i, "int64")


def ravel_multi_index(multi_index: TensorLike, dims: ShapeLike, mode: str | List = "raise",
                      order: str = "C") -> TensorVariable:
    """Positions in the flattened array of the shape `dims`, of positions along its axes, as numpy.ravel_multi_index.

    multi_index: an array for each axis, which broadcast (a tuple, or a tensor along whose first axis they are).
    mode: of positions out of bounds, as of `take`, one for all axes or one for each.  order: of the flattened array.
    Raises: BadValueError for a position out of bounds (negative ones too).
    """
    what = "ravel_multi_index"
    places = [_integers(i, what) for i in (multi_index if isinstance(multi_index, (list, tuple))
                                           else as_tensor_variable(multi_index))]
    modes = list(mode) if isinstance(mode, (list, tuple)) else [mode] * len(places)
    shape = _dims(dims, order, what)
    if len(shape) != len(places) or len(modes) != len(places):
        raise ShapeError(f"{what}: there are {len(places)} arrays of positions, {len(shape)} sizes and {len(modes)} "
                         f"modes{at(user_line())}")
    flat: TensorVariable | None = None
    for i, n, how in zip(places if order == "C" else places[::-1], shape, modes if order == "C" else modes[::-1]):
        i = in_mode(i, n, how, what)
        if how == "raise":
            i = in_range(i, 0, n, f"{what}: position {{0}} is out of bounds for an axis of size {{1}}")
        flat = i if flat is None else ew.add(ew.mul(flat, n), i)
    if flat is None:
        raise ShapeError(f"{what} takes at least one array of positions{at(user_line())}")
    return flat


def unravel_index(indices: TensorLike, shape: ShapeLike, order: str = "C") -> Place:
    """Positions along the axes of an array of that shape, of positions in the flattened array.

    order: of the flattened array.   Source: numpy.unravel_index.
    Raises: BadValueError for a position that is out of bounds (negative ones too).
    """
    place, dims = _integers(indices, "unravel_index"), _dims(shape, order, "unravel_index")
    total = size_constant(1)
    for n in dims:
        total = multiply_sizes(total, n)
    place = in_range(place, 0, total, "unravel_index: position {0} is out of bounds for an array of {1} elements")
    made: list[TensorVariable] = []
    for n in reversed(dims[1:]):
        made.insert(0, ew.mod(place, n))
        place = ew.floor_divide(place, n)
    made[:0] = [place] if dims else []
    return tuple(made if order == "C" else made[::-1])


def ix_(*args: TensorLike) -> Place:
    """Positions of a grid: each vector along an axis of its own, as numpy.ix_; a vector of bools for what is true.

    `x[ix_([0, 2], [1, 3])]` is the matrix of these rows and columns.
    """
    made = []
    for k, given in enumerate(args):
        v = as_tensor_variable(np.asarray(given, "int64") if isinstance(given, (list, tuple)) and not given else given)
        if v.type.ndim != 1:
            raise ShapeError(f"ix_ takes vectors, {describe(v)} is {v.type.short()}{at(v.source or user_line())}")
        v = flatnonzero(v) if v.type.dtype == "bool" else v
        if v.type.dtype not in dtypes.INTEGERS:
            raise no_index(v, "ix_")
        made.append(along(v, k, len(args)))
    return tuple(made)


# --------------------------------------------------------------------------------------------- permutations


def inverse_permutation(perm: TensorLike) -> TensorVariable:
    """The permutation that undoes `perm`, a permutation of 0, 1, ..., n-1 (along the last axis, in each row).

    Raises: IndexOutOfBoundsError for other numbers; BadValueError for one that stands there twice.
    """
    p = as_tensor_variable(perm)
    if p.type.dtype not in dtypes.INTEGERS:
        raise no_index(p, "inverse_permutation")
    if p.type.ndim == 0:
        raise ShapeError(f"inverse_permutation takes at least one dimension, {describe(p)} is {p.type.short()}"
                         f"{at(p.source)}")
    last = p.type.ndim - 1
    n = size_of(p, last)
    p = in_range(p, 0, n, "inverse_permutation: {0} is none of the {1} positions", "index")
    places = along(apply(ops.Iota(), n), last, p.type.ndim)
    inverse = put_along_axis(zeros_like(p, dtype="int64"), p, places, -1)
    twice = "inverse_permutation: position {0} stands there more than once"
    if isinstance(p, Constant):
        for row in p.data.reshape(-1, p.data.shape[last]):
            values, counts = np.unique(row, return_counts=True)
            if (counts > 1).any():
                fail(twice, "value", int(values[counts > 1][0]))
        return inverse
    return apply(ops.Assert(twice, "value", 1), inverse, ew.eq(take_along_axis(inverse, p, -1), places), p)


def permute_row_elements(x: TensorLike, y: TensorLike, inverse: bool = False) -> TensorVariable:
    """x with the elements of each row (along the last axis) in the order of y: x[..., y], or `inverse`, back again.

    Shapes: all but the last axes broadcast, the last ones are equal.   Dtype: same as x.   Derivative: by x.
    """
    x, p = as_tensor_variable(x), as_tensor_variable(y)
    if 0 in (x.type.ndim, p.type.ndim):
        raise ShapeError(f"permute_row_elements takes at least one dimension each, got {x.type.short()} and "
                         f"{p.type.short()}{at(x.source or p.source)}")
    p = equal(size_of(p, p.type.ndim - 1), size_of(x, x.type.ndim - 1),
              "permute_row_elements: {0} positions for rows of size {1}", p)
    if inverse:
        p = inverse_permutation(p)
    ndim = max(x.type.ndim, p.type.ndim)
    x, p = as_tensor_variable(x, ndim=ndim), as_tensor_variable(p, ndim=ndim)
    return take_along_axis(x, p, -1)
