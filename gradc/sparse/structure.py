"""Patterns of sparse matrices: where entries are, in order and without duplicates, other formats, dense matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradc.ir import build
from gradc.ir.graph import apply
from gradc.sparse.variable import OPERATIONS, SparseVariable, as_sparse_variable, check_format
from gradc.tensor import elemwise as ew
from gradc.tensor import reduce as red
from gradc.tensor.checks import in_range
from gradc.tensor.convert import as_tensor_variable, cast, constant, size_constant, size_of
from gradc.tensor.creation import alloc, zeros
from gradc.tensor.index import inc_subtensor
from gradc.tensor.joining import join
from gradc.tensor.masks import flatnonzero
from gradc.tensor.shape import flatten
from gradc.tensor.sorting import argsort
from gradc.tensor.types import TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = ["clean", "csc_from_dense", "csr_from_dense", "dense_from_sparse", "ensure_sorted_indices", "remove0",
           "sum_duplicates", "toarray", "transpose"]

OUTSIDE = "sparse matrix: index {0} is out of bounds for size {1}"


def begin_end(x: SparseVariable) -> tuple[TensorVariable, TensorVariable]:
    """Where the entries of each row (column, of csc) begin and end."""
    return x.indptr[:-1], x.indptr[1:]


def majors(x: SparseVariable) -> TensorVariable:
    """For each entry its row (column, of csc), int64."""
    return apply(build.call("csr_rows"), *begin_end(x), x.indices)


def minors(x: SparseVariable) -> TensorVariable:
    """For each entry its column (row, of csc), int64, which is in bounds."""
    return in_range(cast(x.indices, "int64"), 0, x.minor, OUTSIDE, "index")


def places(x: SparseVariable) -> tuple[TensorVariable, TensorVariable]:
    """Row and column of each entry, in bounds."""
    of = majors(x), minors(x)
    return of if x.format == "csr" else of[::-1]


def pointers(major: TensorVariable, size: TensorVariable) -> TensorVariable:
    """The indptr of entries in those rows, in order, of `size`."""
    counts = apply(build.call("bincount", (1,)), major, size)
    return pointers_of(counts)


def pointers_of(counts: TensorVariable) -> TensorVariable:
    """The indptr of rows of so many entries."""
    return cast(join(0, constant([0], dtype="int64"), red.cumsum(counts, 0)), "int32")


def keys(major: TensorVariable, minor: TensorVariable, size: TensorVariable) -> TensorVariable:
    """Numbers of the places in a matrix with `size` columns, row by row."""
    return ew.add(ew.mul(major, size), minor)


def begins_of(ordered: TensorVariable) -> TensorVariable:
    """Is an element of the vector the first one of its value?  They are in order."""
    first = alloc(True, ew.minimum(size_of(ordered, 0), size_constant(1)))
    return join(0, first, ew.neq(ordered[1:], ordered[:-1]))


def from_places(like: SparseVariable, major: TensorVariable, minor: TensorVariable,
                data: TensorVariable) -> SparseVariable:
    """The canonical matrix of these entries, in bounds, in any order; of the format and shape of `like`."""
    key = keys(major, minor, like.minor)
    order = argsort(key)
    begins = begins_of(key[order])
    first = order[flatnonzero(begins)]
    group = ew.sub(red.cumsum(cast(begins, "int64"), 0), size_constant(1))
    sums = zeros((size_of(first, 0),), data.type.dtype)
    values = inc_subtensor(sums[group], data[order])
    return SparseVariable(like.format, values, cast(minor[first], "int32"), pointers(major[first], like.major),
                          like.shape, True)


def reordered(x: SparseVariable, order: TensorVariable) -> SparseVariable:
    """Entries in another order within their rows."""
    return SparseVariable(x.format, x.data[order], x.indices[order], x.indptr, x.shape, x.canonical)


def selected(x: SparseVariable, kept: TensorVariable, data: TensorVariable) -> SparseVariable:
    """The entries at positions `kept`, ascending, with these values."""
    return SparseVariable(x.format, data, x.indices[kept], pointers(majors(x)[kept], x.major), x.shape, x.canonical)


def sum_duplicates(x: object) -> SparseVariable:
    """The matrix with entries in order, those of one place added.  Explicit zeros stay."""
    x = as_sparse_variable(x)
    return x if x.canonical else from_places(x, majors(x), minors(x), x.data)


def ensure_sorted_indices(x: object) -> SparseVariable:
    """The matrix with the indices of each row (column, of csc) in order; duplicates and explicit zeros stay."""
    x = as_sparse_variable(x)
    return x if x.canonical else reordered(x, argsort(keys(majors(x), minors(x), x.minor)))


def remove0(x: object) -> SparseVariable:
    """The matrix without the entries that are 0.  Derivative: by the others."""
    x = as_sparse_variable(x)
    kept = flatnonzero(ew.neq(x.data, 0))
    return selected(x, kept, x.data[kept])


def clean(x: object) -> SparseVariable:
    """The matrix without entries that are 0, with indices in order."""
    return ensure_sorted_indices(remove0(x))


def as_format(x: SparseVariable, format: str) -> SparseVariable:
    """The matrix in that format."""
    if x.format == check_format(format):
        return x
    column = minors(x)
    order = argsort(column)                     # which keeps the order of entries of one column
    shape = x.shape
    return SparseVariable(format, x.data[order], cast(majors(x)[order], "int32"), pointers(column, x.minor), shape,
                          x.canonical)


def transpose(x: object) -> SparseVariable:
    """The transposed matrix, in the other format: of the same arrays."""
    return as_sparse_variable(x).T


def dense_from_sparse(x: object) -> TensorVariable:
    """The dense matrix.  Derivative: by the entries."""
    x = as_sparse_variable(x)
    return inc_subtensor(zeros(x.shape, x.dtype)[places(x)], x.data)


toarray = dense_from_sparse


def csr_from_dense(x: TensorLike) -> SparseVariable:
    """The csr matrix of the elements of a dense one that are not 0.  Derivative: by these elements."""
    v = as_tensor_variable(x, ndim=2)
    nonzero = ew.neq(v, 0)
    columns = size_of(v, 1)
    flat = flatnonzero(flatten(nonzero))
    counts = red.sum(cast(nonzero, "int64"), 1)
    indices = cast(ew.mod(flat, ew.maximum(columns, size_constant(1))), "int32")
    return SparseVariable("csr", flatten(v)[flat], indices, pointers_of(counts), (size_of(v, 0), columns), True)


def csc_from_dense(x: TensorLike) -> SparseVariable:
    """As `csr_from_dense`, in the other format."""
    return csr_from_dense(as_tensor_variable(x, ndim=2).T).T


OPERATIONS.update(as_format=as_format, dense_from_sparse=dense_from_sparse)
