"""Parts of sparse matrices, and matrices put together: indexing, diagonals, stacks and blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gradc.errors import ShapeError, TypeMismatchError, at
from gradc.ir.dtypes import DTypeLike, upcast
from gradc.ir.graph import user_line
from gradc.sparse.structure import (
    as_format,
    begin_end,
    keys,
    majors,
    minors,
    places,
    pointers_of,
    sum_duplicates,
)
from gradc.sparse.variable import OPERATIONS, SparseVariable, as_sparse_variable, check_format
from gradc.tensor import elemwise as ew
from gradc.tensor import reduce as red
from gradc.tensor.checks import equal
from gradc.tensor.convert import as_tensor_variable, cast, constant, size_constant, size_of
from gradc.tensor.creation import arange, zeros
from gradc.tensor.index import inc_subtensor
from gradc.tensor.joining import join
from gradc.tensor.masks import flatnonzero
from gradc.tensor.repeats import repeat
from gradc.tensor.sorting import searchsorted
from gradc.tensor.types import TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = ["block_diag", "bmat", "diag", "get_item_2d", "get_item_2lists", "get_item_list", "get_item_scalar", "hstack",
           "square_diagonal", "vstack"]


# ------------------------------------------------------------------------------------------- indexing


def _rows(x: SparseVariable, rows: TensorVariable) -> SparseVariable:
    """The rows (columns, of csc) at positions that are in bounds."""
    begin, end = [cast(v[rows], "int64") for v in begin_end(x)]
    counts = ew.sub(end, begin)
    owner = repeat(arange(size_of(rows, 0)), counts)
    before = ew.sub(red.cumsum(counts, 0), counts)
    entry = ew.add(begin[owner], ew.sub(arange(size_of(owner, 0)), before[owner]))
    count = size_of(rows, 0)
    shape = (count, x.minor) if x.format == "csr" else (x.minor, count)
    return SparseVariable(x.format, x.data[entry], x.indices[entry], pointers_of(counts), shape, x.canonical)


def _along(x: SparseVariable, axis: int, key: object) -> SparseVariable:
    """Rows (axis 0) or columns at `key`, a slice or a vector of positions or of bools."""
    if isinstance(key, slice) and key == slice(None):
        return x
    own = x.format
    turned = as_format(x, ("csr", "csc")[axis])
    return as_format(_rows(turned, arange(x.shape[axis])[key]), own)


def _is_position(key: Any) -> bool:
    """Is it an integer, or an integer scalar variable?"""
    return not isinstance(key, (slice, list, tuple)) and as_tensor_variable(key).type.ndim == 0


def getitem(x: SparseVariable, key: object) -> Any:
    """x[i, j] as a scalar; x[i], x[a:b], x[a:b, c:d], x[positions] and the like as a matrix of the same format."""
    keys_ = key if isinstance(key, tuple) else (key,)
    if not 1 <= len(keys_) <= 2 or any(k is None or k is Ellipsis for k in keys_):
        raise TypeMismatchError(f"a sparse matrix has 1 or 2 indices: integers, slices or vectors, got {key!r}"
                                f"{at(user_line())}")
    if len(keys_) == 2 and all(map(_is_position, keys_)):
        return get_item_scalar(x, keys_)
    if len(keys_) == 2 and not any(isinstance(k, slice) or _is_position(k) for k in keys_):
        return get_item_2lists(x, *keys_)
    for axis, k in enumerate(keys_):
        if not isinstance(k, slice) and _is_position(k):
            k = [k]
        x = _along(x, axis, k)
    return x


def get_item_2d(x: object, index: object) -> SparseVariable:
    """The rows and columns at two slices, or rows at one."""
    return getitem(as_sparse_variable(x), index)  # type: ignore[no-any-return]


def get_item_list(x: object, index: TensorLike) -> SparseVariable:
    """The rows at a vector of positions, in its order; negative ones count from the end.

    Raises: IndexOutOfBoundsError.
    """
    return _along(as_sparse_variable(x), 0, as_tensor_variable(index))


def get_item_2lists(x: object, rows: TensorLike, columns: TensorLike) -> TensorVariable:
    """The dense vector of the elements at these rows and columns.  Derivative: by the entries.

    Raises: IndexOutOfBoundsError.
    """
    x = sum_duplicates(x)
    position = [arange(size)[as_tensor_variable(v)] for size, v in zip(x.shape, (rows, columns))]
    major, minor = position if x.format == "csr" else position[::-1]
    own = keys(majors(x), minors(x), x.minor)
    wanted = keys(major, minor, x.minor)
    found = searchsorted(own, wanted)
    there = ew.eq(join(0, own, constant([-1], dtype="int64"))[found], wanted)
    values = join(0, x.data, zeros((1,), x.dtype))[found]
    return ew.switch(there, values, constant(0, dtype=x.dtype))


def get_item_scalar(x: object, index: Sequence[TensorLike]) -> TensorVariable:
    """The element at a row and a column, as a scalar.  Derivative: by the entries.

    Raises: IndexOutOfBoundsError.
    """
    x = as_sparse_variable(x)
    row, column = [arange(size)[as_tensor_variable(k)] for size, k in zip(x.shape, index)]
    major, minor = (row, column) if x.format == "csr" else (column, row)
    begin, end = [v[major] for v in begin_end(x)]
    data, indices = x.data[begin:end], x.indices[begin:end]
    hit = ew.switch(ew.eq(indices, minor), data, constant(0, dtype=x.dtype))
    return red.sum(hit, dtype=x.dtype, acc_dtype=x.dtype) if x.dtype != "bool" else red.any(hit)


# ------------------------------------------------------------------------------------------- diagonals


def diag(x: object) -> TensorVariable:
    """The diagonal as a dense vector.  Derivative: by the entries on it."""
    x = as_sparse_variable(x)
    row, column = places(x)
    kept = flatnonzero(ew.eq(row, column))
    return inc_subtensor(zeros((ew.minimum(*x.shape),), x.dtype)[row[kept]], x.data[kept])


def square_diagonal(diagonal: TensorLike) -> SparseVariable:
    """The square csc matrix with this diagonal, whose elements are its entries."""
    v = as_tensor_variable(diagonal, ndim=1)
    n = size_of(v, 0)
    return SparseVariable("csc", v, cast(arange(n), "int32"), cast(arange(ew.add(n, 1)), "int32"), (n, n), True)


# ------------------------------------------------------------------------------------------- stacks and blocks


def vstack(blocks: Sequence[object], format: str | None = None, dtype: DTypeLike | None = None) -> SparseVariable:
    """The matrix of these, one below the other.  format: default that of the first one; dtype: the common one.

    Raises: ShapeError, at the call if need be, if they differ in their number of columns.
    """
    given = [as_sparse_variable(x) for x in blocks]
    if not given:
        raise ShapeError(f"at least one matrix is needed{at(user_line())}")
    form = check_format(given[0].format if format is None else format)
    want = upcast(*[x.dtype for x in given]) if dtype is None else dtype
    rows = [as_format(x, "csr").astype(want) for x in given]
    columns = rows[0].shape[1]
    indptr, count, total = [constant([0], dtype="int32")], size_constant(0), size_constant(0)
    data = []
    for x in rows:
        data.append(equal(x.shape[1], columns, "stacked matrices have {0} columns (rows), not {1} as the first one",
                          x.data))
        indptr.append(cast(ew.add(x.indptr[1:], total), "int32"))
        count, total = ew.add(count, x.shape[0]), ew.add(total, size_of(x.data, 0))
    made = SparseVariable("csr", join(0, *data), join(0, *[x.indices for x in rows]), join(0, *indptr),
                          (count, columns), all(x.canonical for x in rows))
    return as_format(made, form)


def hstack(blocks: Sequence[object], format: str | None = None, dtype: DTypeLike | None = None) -> SparseVariable:
    """The matrix of these, one beside the other.  format: default that of the first one; dtype: the common one.

    Raises: ShapeError, at the call if need be, if they differ in their number of rows.
    """
    given = [as_sparse_variable(x) for x in blocks]
    form = check_format(given[0].format if format is None and given else format or "csr")
    return vstack([x.T for x in given], "csr" if form == "csc" else "csc", dtype).T


def bmat(blocks: Sequence[Sequence[object]], format: str | None = None,
         dtype: DTypeLike | None = None) -> SparseVariable:
    """The matrix made of blocks, a sequence for each row of them; None is a block of zeros.

    Raises: ShapeError if a row or column of blocks has none, or, at the call if need be, if their sizes differ.
    """
    grid = [[None if x is None else as_sparse_variable(x) for x in row] for row in blocks]
    if not grid or len({len(row) for row in grid}) != 1:
        raise ShapeError(f"bmat takes rows of equally many blocks{at(user_line())}")
    heights = [next((x.shape[0] for x in row if x is not None), None) for row in grid]
    widths = [next((x.shape[1] for x in column if x is not None), None) for column in zip(*grid)]
    if None in heights or None in widths:
        raise ShapeError(f"bmat: a row or column of blocks is all None, so its size is not known{at(user_line())}")
    first = next(x for row in grid for x in row if x is not None)
    want = upcast(*[x.dtype for row in grid for x in row if x is not None]) if dtype is None else dtype
    filled = [[_empty(height, width) if x is None else x for x, width in zip(row, widths)]  # type: ignore[arg-type]
              for row, height in zip(grid, heights)]
    return vstack([hstack(row, "csr", want) for row in filled], first.format if format is None else format, want)


def block_diag(blocks: Sequence[object], format: str | None = None, dtype: DTypeLike | None = None) -> SparseVariable:
    """The matrix with these along its diagonal."""
    given = [as_sparse_variable(x) for x in blocks]
    return bmat([[x if k == j else None for j in range(len(given))] for k, x in enumerate(given)], format, dtype)


def _empty(rows: TensorVariable, columns: TensorVariable) -> SparseVariable:
    """A csr matrix without entries."""
    return SparseVariable("csr", zeros((0,), "bool"), zeros((0,), "int32"), zeros((ew.add(rows, 1),), "int32"),
                          (rows, columns), True)


OPERATIONS.update(getitem=getitem)
