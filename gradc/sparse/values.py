"""Values of sparse matrices: taken from what users have, checked, and given back; SciPy is used where it is installed.

A matrix is taken from any object with `data, indices, indptr, shape` and, if it has one, `format`, as SciPy's have
them; or from a tuple of these four, or ((data, indices, indptr), shape).
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from gradc.errors import BadArgumentError, BadValueError, IndexOutOfBoundsError, ShapeError, quoted
from gradc.ir import dtypes

FORMATS = ("csr", "csc")
INT32_MAX = 2 ** 31 - 1


class CompressedArrays(NamedTuple):
    """The arrays of a matrix: of entry k the value data[k] and, in row i (column, of csc), the place indices[k], with
    indptr[i] <= k < indptr[i + 1].  What functions return where SciPy is not installed."""

    data: np.ndarray
    indices: np.ndarray
    indptr: np.ndarray
    shape: tuple[int, int]


@cache
def scipy_module(name: str) -> Any:
    """That module of SciPy, imported when it is first needed; None if SciPy is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def is_sparse_value(x: object) -> bool:
    """Is x a matrix as SciPy has them?"""
    return all(hasattr(x, name) for name in CompressedArrays._fields)


def _fields(value: object, what: str) -> list[object]:
    """Data, indices, indptr and shape, as they were given."""
    if is_sparse_value(value):
        return [getattr(value, name) for name in CompressedArrays._fields]
    if isinstance(value, (tuple, list)) and len(value) == 4:
        return list(value)
    if isinstance(value, (tuple, list)) and len(value) == 2 and isinstance(value[0], (tuple, list)) \
            and len(value[0]) == 3:
        return [*value[0], value[1]]
    raise BadArgumentError(f"{what}: expected a sparse matrix, an object with data, indices, indptr and shape or a "
                           f"tuple of them, got {quoted(value)} of type {type(value).__name__}")


def taken(value: object, form: str, what: str) -> CompressedArrays:
    """The arrays of `value`, a matrix of format `form`, with int32 indices, in order and without duplicates.

    Raises: BadArgumentError, ShapeError, BadValueError, IndexOutOfBoundsError, calling the matrix `what`.  Whether
    indices are those of rows or columns of the matrix, what looks them up checks.
    """
    data, indices, indptr, shape = _fields(value, what)
    have = getattr(value, "format", form)
    if have != form:
        raise BadArgumentError(f"{what}: expected a {form} matrix, got a {have} one; convert it with .to{form}()")
    rows, columns = _shape(shape, what)
    data, indices, indptr = np.asarray(data), _integers(indices, what, "indices"), _integers(indptr, what, "indptr")
    if data.dtype.name not in dtypes.DISCRETE + dtypes.WIDE:
        raise BadArgumentError(f"{what}: expected real numbers, got data of dtype {data.dtype}")
    major = rows if form == "csr" else columns
    if data.ndim != 1 or len(data) != len(indices):
        raise ShapeError(f"{what}: expected vectors of one length, got data of shape {data.shape} and indices of shape "
                         f"{indices.shape}")
    if len(indptr) != major + 1:
        raise ShapeError(f"{what}: a {form} matrix of shape {(rows, columns)} has {major + 1} elements in indptr, got "
                         f"{len(indptr)}")
    if indptr[0] != 0 or not 0 <= indptr[-1] <= len(data):
        raise BadValueError(f"{what}: indptr goes from 0 to the number of entries, {len(data)}; it goes from "
                            f"{indptr[0]} to {indptr[-1]}")
    in_order = getattr(value, "has_canonical_format", None)
    if in_order is None and (np.diff(indptr) < 0).any():
        raise BadValueError(f"{what}: indptr must not descend")
    if indptr[-1] != len(data):
        data, indices = data[:indptr[-1]], indices[:indptr[-1]]
    if in_order is None:
        in_order = _in_order(indices, indptr)
    if not in_order:
        data, indices, indptr = _summed(data, indices, indptr)
    return CompressedArrays(data, indices, indptr, (rows, columns))


def _shape(shape: object, what: str) -> tuple[int, int]:
    if type(shape) is tuple and len(shape) == 2 and all(type(s) is int and s >= 0 for s in shape):
        return shape
    sizes = np.asarray(shape)
    if sizes.shape != (2,) or sizes.dtype.kind not in "iu" or (sizes < 0).any():
        raise ShapeError(f"{what}: the shape of a matrix is two sizes, got {quoted(shape)}")
    return int(sizes[0]), int(sizes[1])


def _integers(given: object, what: str, name: str) -> np.ndarray:
    """A vector as int32."""
    made = np.asarray(given)
    if made.dtype == np.int32 and made.ndim == 1:
        return made
    if made.ndim != 1 or (made.dtype.kind not in "iu" and made.size):
        raise BadArgumentError(f"{what}: {name} is a vector of integers, got {quoted(given)}")
    if made.dtype.itemsize > 4 or made.dtype == np.uint32:
        outside = made[(made > INT32_MAX) | (made < -1)]
        if outside.size:
            raise IndexOutOfBoundsError(f"{what}: {name} has {outside[0]}, but they are below 2**31")
    return made.astype(np.int32, copy=False)


def _in_order(indices: np.ndarray, indptr: np.ndarray) -> bool:
    """Do indices ascend in each row?"""
    ascends = np.ones(len(indices) + 1, bool)
    np.greater(indices[1:], indices[:-1], out=ascends[1:len(indices)] if len(indices) else ascends[:0])
    ascends[indptr] = True
    return bool(ascends.all())


def _summed(data: np.ndarray, indices: np.ndarray, indptr: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Entries in order, those of one place added."""
    row = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    order = np.lexsort((indices, row))
    row, indices = row[order], indices[order]
    begins = np.ones(len(order), bool)
    begins[1:] = (row[1:] != row[:-1]) | (indices[1:] != indices[:-1])
    first = np.flatnonzero(begins)
    if first.size:
        data = np.add.reduceat(data[order], first, dtype=data.dtype)
    counts = np.bincount(row[first], minlength=len(indptr) - 1)
    return data, indices[first], np.append(0, np.cumsum(counts)).astype(np.int32)


def given_back(form: str, data: np.ndarray, indices: np.ndarray, indptr: np.ndarray, shape: tuple[int, int],
               canonical: bool) -> Any:
    """The matrix as SciPy has it, or without SciPy its arrays."""
    module = scipy_module("scipy.sparse")
    if module is None:
        return CompressedArrays(data, indices, indptr, shape)
    made = getattr(module, f"{form}_matrix")((data, indices, indptr), shape, copy=False)
    if canonical:
        made.has_canonical_format = True
    return made
