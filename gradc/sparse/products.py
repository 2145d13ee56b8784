"""Products of sparse matrices with dense and sparse ones, and sums.

Error: those of plain sums in the order of the entries, in the dtype of the result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradc.errors import ShapeError, TypeMismatchError, at
from gradc.ir import build, dtypes
from gradc.ir.graph import apply, describe, user_line
from gradc.sparse.structure import as_format, begin_end, dense_from_sparse, from_places, majors
from gradc.sparse.variable import (
    OPERATIONS,
    SparseLike,
    SparseVariable,
    as_sparse_or_tensor_variable,
    as_sparse_variable,
)
from gradc.tensor import elemwise as ew
from gradc.tensor import reduce as red
from gradc.tensor.checks import equal
from gradc.tensor.convert import as_tensor_variable, cast, size_of
from gradc.tensor.creation import arange, ones
from gradc.tensor.repeats import repeat
from gradc.tensor.shape import shape_padright, transpose
from gradc.tensor.types import TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = ["dot", "sampling_dot", "sp_sum", "structured_dot", "true_dot", "usmm"]


def _times_dense(x: SparseVariable, y: TensorVariable) -> TensorVariable:
    """A sparse matrix times a dense matrix or vector."""
    if y.type.ndim not in (1, 2):
        raise ShapeError(f"a sparse matrix is multiplied by a vector or matrix, {describe(y)} is {y.type.short()}"
                         f"{at(y.source)}")
    dtype = _common(x.dtype, y.type.dtype)
    y = _fitting(x, y)
    factor = cast(shape_padright(y) if y.type.ndim == 1 else y, dtype)
    pattern = (*begin_end(x), x.indices, cast(x.data, dtype))
    if x.format == "csr":
        made = apply(build.call("csr_dot"), *pattern, factor)
    else:
        made = apply(build.call("csr_transposed_dot"), *pattern, factor, arange(x.shape[0]))
    return made[:, 0] if y.type.ndim == 1 else made


def _common(*given: str) -> str:
    """The dtype of a product."""
    dtype = dtypes.upcast(*given)
    if dtype in dtypes.COMPLEX:
        raise TypeMismatchError(f"products with sparse matrices are of real numbers, got {' and '.join(given)}"
                                f"{at(user_line())}")
    return dtype


def _fitting(x: SparseVariable, y: TensorVariable) -> TensorVariable:
    """y, once it is certain that it has as many rows as x has columns."""
    return equal(size_of(y, 0), x.shape[1], "dot: a sparse matrix of {1} columns is multiplied by {0} rows", y)


def _times_sparse(x: SparseVariable, y: SparseVariable) -> SparseVariable:
    """Row by row: each entry of x times the entries of its row of y; those of one place are added.  Both are csr."""
    begin, end = begin_end(y)
    begin = equal(size_of(begin, 0), x.shape[1], "dot: a sparse matrix of {1} columns is multiplied by {0} rows", begin)
    begin = cast(begin, "int64")
    counts = ew.sub(end, begin)[x.indices]
    owner = repeat(arange(size_of(x.indices, 0)), counts)
    before = ew.sub(red.cumsum(counts, 0), counts)
    entry = ew.add(begin[x.indices[owner]], ew.sub(arange(size_of(owner, 0)), before[owner]))
    like = SparseVariable("csr", x.data, x.indices, x.indptr, (x.shape[0], y.shape[1]))
    return from_places(like, majors(x)[owner], cast(y.indices[entry], "int64"),
                       ew.mul(x.data[owner], y.data[entry]))


def true_dot(x: SparseLike, y: SparseLike) -> Any:
    """The product of matrices of which one is sparse; sparse, in the format of x, if both are, else dense.

    Shapes: (m, k), (k, n) -> (m, n); a dense one may be a vector.  Dtype: the common one.
    Derivatives: by both; the one by a sparse matrix is on its pattern.
    Raises: ShapeError if the shapes do not fit, IndexOutOfBoundsError for an index outside of a matrix.
    """
    a, b = as_sparse_or_tensor_variable(x), as_sparse_or_tensor_variable(y)
    if isinstance(a, SparseVariable):
        if not isinstance(b, SparseVariable):
            return _times_dense(a, b)
        if a.format == "csc":
            return _times_sparse(as_format(b, "csc").T, a.T).T
        return _times_sparse(a, as_format(b, "csr"))
    if isinstance(b, SparseVariable):
        return transpose(_times_dense(b.T, transpose(a)))
    raise TypeMismatchError(f"a product of dense matrices is that of gradc.tensor; neither {describe(a)} nor "
                            f"{describe(b)} is sparse{at(user_line())}")


structured_dot = true_dot


def dot(x: SparseLike, y: SparseLike) -> TensorVariable:
    """As `true_dot`, but the result is always dense."""
    made = true_dot(x, y)
    return dense_from_sparse(made) if isinstance(made, SparseVariable) else made


def sampling_dot(x: TensorLike, y: TensorLike, p: object) -> SparseVariable:
    """p * dot(x, y.T), computed at the entries of the sparse matrix p only.

    Shapes: (m, k), (n, k), (m, n) -> (m, n).
    """
    p, x, y = as_sparse_variable(p), as_tensor_variable(x, ndim=2), as_tensor_variable(y, ndim=2)
    message = "sampling_dot: a matrix of {0} rows for a sparse one of {1}"
    x, y = equal(size_of(x, 0), p.shape[0], message, x), equal(size_of(y, 0), p.shape[1], message, y)
    dtype = _common(p.dtype, x.type.dtype, y.type.dtype)
    factors = (x, y) if p.format == "csr" else (y, x)
    sampled = apply(build.call("csr_sampled_dot"), *begin_end(p), p.indices, *[cast(v, dtype) for v in factors])
    return p.with_data(ew.mul(p.data, sampled))


def usmm(alpha: TensorLike, x: SparseLike, y: SparseLike, z: TensorLike) -> TensorVariable:
    """alpha * dot(x, y) + z, dense."""
    return ew.add(ew.mul(alpha, dot(x, y)), z)


def sp_sum(x: object, axis: int | None = None) -> TensorVariable:
    """The sum of all elements, or the vector of the sums along one axis, 0 or 1 (-1, -2).

    Dtype: as `gradc.tensor.sum`: integers are summed in int64 (unsigned in uint64).
    """
    x = as_sparse_variable(x)
    if axis is None:
        return red.sum(x.data)
    if axis not in (0, 1, -1, -2):
        raise ShapeError(f"sp_sum: a matrix has the axes 0 and 1, got {axis!r}{at(user_line())}")
    x = x if axis % 2 else x.T
    dtype = red.sum(x.data).type.dtype
    return _times_dense(x.with_data(cast(x.data, dtype)), ones((x.shape[1],), dtype))


OPERATIONS.update(structured_dot=structured_dot, sp_sum=sp_sum)
