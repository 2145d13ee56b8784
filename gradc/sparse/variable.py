"""Sparse matrices of compressed rows (csr) or columns (csc): a thin object over three dense vectors and a shape.

Row i (column i, of csc) has the entries indptr[i] .. indptr[i + 1] - 1: the values data[k] at places indices[k].  All
that is made of such a matrix is made of dense variables, so derivatives, loops and functions know nothing of it.  The
gradient by a matrix is the one by its data: a matrix of the same pattern.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from gradc.config import config
from gradc.errors import ShapeError, TypeMismatchError, at, quoted, shown
from gradc.ir import dtypes
from gradc.ir.dtypes import DTypeLike
from gradc.ir.graph import Constant, Variable, describe, user_line
from gradc.ir.types import TensorType
from gradc.record import record
from gradc.sparse.values import FORMATS, INT32_MAX, CompressedArrays, is_sparse_value, taken
from gradc.tensor import elemwise as ew
from gradc.tensor.checks import equal
from gradc.tensor.convert import as_tensor_variable, cast, constant, size_constant, size_of, sizes, together
from gradc.tensor.joining import stack
from gradc.tensor.types import ShapeLike, TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

Shape: TypeAlias = "tuple[TensorVariable, TensorVariable]"

# What operators and methods of matrices do: names and functions of the modules above this one, and `eval` of the
# compiler.
OPERATIONS: dict[str, Callable[..., Any]] = {}


@record
class SparseTensorType:
    """Format ("csr" or "csc"), dtype and static shape; called, it makes an input."""

    format: str
    dtype: str
    shape: tuple[int | None, int | None] = (None, None)

    def __call__(self, name: str | None = None, shape: Sequence[int | None] | None = None) -> SparseVariable:
        """An input: `x = csr_matrix("x")`."""
        return matrix(self.format, name, self.dtype, self.shape if shape is None else shape)

    @property
    def ndim(self) -> int:
        return 2

    def __str__(self) -> str:
        sizes = ",".join("?" if s is None else str(s) for s in self.shape)
        return f"{self.format} {self.dtype}[{sizes}]"


class SparseVariable:
    """A matrix: `format`, the vectors `data`, `indices` and `indptr` (int32), `shape`, two int64 scalars.

    canonical: are its indices known to ascend in each row (column, of csc), without duplicates?  Those of inputs of a
    function do: a matrix of which they do not is put in order, in a copy, when the function is called.
    """

    __slots__ = ("canonical", "data", "format", "indices", "indptr", "name", "shape", "source")
    __array_ufunc__ = None              # NumPy's arrays leave operators to this class

    def __init__(self, format: str, data: TensorVariable, indices: TensorVariable, indptr: TensorVariable,
                 shape: Shape, canonical: bool = False, name: str | None = None) -> None:
        self.format = format
        self.data = data
        self.indices = indices
        self.indptr = indptr
        self.shape = shape
        self.canonical = canonical
        self.name = name
        self.source = user_line()

    # ------------------------------------------------------------------------------------ what it is

    @property
    def type(self) -> SparseTensorType:
        rows, columns = [int(s.data) if isinstance(s, Constant) else None for s in self.shape]
        return SparseTensorType(self.format, self.dtype, (rows, columns))

    @property
    def dtype(self) -> str:
        return self.data.type.dtype

    @property
    def ndim(self) -> int:
        return 2

    @property
    def nnz(self) -> TensorVariable:
        """The number of entries, explicit zeros included."""
        return size_of(self.data, 0)

    @property
    def major(self) -> TensorVariable:
        """The number of rows, of a csc matrix columns."""
        return self.shape[self.format == "csc"]

    @property
    def minor(self) -> TensorVariable:
        """The number of columns, of a csc matrix rows."""
        return self.shape[self.format == "csr"]

    @property
    def T(self) -> SparseVariable:
        """The transposed matrix, in the other format: of the same arrays."""
        format = "csc" if self.format == "csr" else "csr"
        return SparseVariable(format, self.data, self.indices, self.indptr, self.shape[::-1], self.canonical)

    def transpose(self) -> SparseVariable:
        """As `T`."""
        return self.T

    def parts(self) -> list[TensorVariable]:
        """The dense variables that a value of the matrix tells: data, indices, indptr, and a size that these do not."""
        return [self.data, self.indices, self.indptr, *([] if isinstance(self.minor, Constant) else [self.minor])]

    def with_data(self, data: TensorVariable) -> SparseVariable:
        """The same pattern with other values."""
        return SparseVariable(self.format, data, self.indices, self.indptr, self.shape, self.canonical)

    def __repr__(self) -> str:
        return f"{shown(self.name)}" if self.name else f"<{self.type}>"

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[TensorVariable]:
        """Data, indices and indptr: `data, indices, indptr = x`."""
        return iter((self.data, self.indices, self.indptr))

    # ------------------------------------------------------------------------------------ operators and methods

    def __neg__(self) -> SparseVariable:
        return self.with_data(ew.neg(self.data))

    def __add__(self, y: SparseLike) -> Any:
        return OPERATIONS["add"](self, y)

    def __radd__(self, y: SparseLike) -> Any:
        return OPERATIONS["add"](y, self)

    def __sub__(self, y: SparseLike) -> Any:
        return OPERATIONS["sub"](self, y)

    def __rsub__(self, y: SparseLike) -> Any:
        return OPERATIONS["sub"](y, self)

    def __mul__(self, y: SparseLike) -> SparseVariable:
        return OPERATIONS["mul"](self, y)  # type: ignore[no-any-return]

    __rmul__ = __mul__

    def __truediv__(self, y: TensorLike) -> SparseVariable:
        return OPERATIONS["mul"](self, ew.true_divide(together((self.data, 1))[1], y))  # type: ignore[no-any-return]

    def __matmul__(self, y: SparseLike) -> Any:
        return OPERATIONS["structured_dot"](self, y)

    def __rmatmul__(self, y: SparseLike) -> Any:
        return OPERATIONS["structured_dot"](y, self)

    def dot(self, y: SparseLike) -> Any:
        """As the operator @."""
        return OPERATIONS["structured_dot"](self, y)

    def __getitem__(self, key: object) -> Any:
        return OPERATIONS["getitem"](self, key)

    def sum(self, axis: int | None = None) -> TensorVariable:
        """See `gradc.sparse.sp_sum`."""
        return OPERATIONS["sp_sum"](self, axis)  # type: ignore[no-any-return]

    def toarray(self) -> TensorVariable:
        """The dense matrix."""
        return OPERATIONS["dense_from_sparse"](self)  # type: ignore[no-any-return]

    def tocsr(self) -> SparseVariable:
        return OPERATIONS["as_format"](self, "csr")  # type: ignore[no-any-return]

    def tocsc(self) -> SparseVariable:
        return OPERATIONS["as_format"](self, "csc")  # type: ignore[no-any-return]

    def astype(self, dtype: DTypeLike) -> SparseVariable:
        return self.with_data(cast(self.data, dtype))

    def eval(self, inputs_to_values: Mapping[Any, object] | None = None, **options: object) -> Any:
        """The value, as `Variable.eval`."""
        return OPERATIONS["eval"](self, inputs_to_values, options)


SparseLike: TypeAlias = "SparseVariable | TensorLike"


def dense_part(x: object) -> Any:
    """What a derivative by x is one by: the data of a sparse matrix; anything else itself."""
    return x.data if isinstance(x, SparseVariable) else x


def in_pattern(x: Any, made: Any) -> Any:
    """A derivative by the data of a sparse matrix x as a matrix; anything else, and what is no tensor, as it is."""
    return x.with_data(made) if isinstance(x, SparseVariable) and hasattr(made, "dtype") else made


# ------------------------------------------------------------------------------------------- making matrices


def check_format(format: object) -> str:
    """The format, if it is one of gradc's."""
    if not isinstance(format, str) or format not in FORMATS:
        raise TypeMismatchError(f"formats of sparse matrices are {' and '.join(FORMATS)}, got {quoted(format)}"
                                f"{at(user_line())}")
    return format


def matrix(format: str, name: str | None = None, dtype: DTypeLike | None = None,
           shape: Sequence[int | None] | None = None) -> SparseVariable:
    """A new input of that format; dtype: default floatX; shape: sizes that are known, None for others.

    Raises: TypeMismatchError for complex numbers and for other formats.
    """
    check_format(format)
    want = dtypes.check_dtype(config.floatX if dtype is None else dtype)
    if want in dtypes.COMPLEX:
        raise TypeMismatchError(f"sparse matrices have real numbers, got dtype {want}{at(user_line())}")
    known = (None, None) if shape is None else tuple(shape)
    if len(known) != 2:
        raise ShapeError(f"a sparse matrix has 2 dimensions, got shape {quoted(shape)}{at(user_line())}")
    major, minor = known if format == "csr" else known[::-1]
    of = f"{name}." if name else ""
    parts = [TensorType(kind, (size,))(f"{of}{part}" if name else None) for part, kind, size in (
        ("data", want, None), ("indices", "int32", None), ("indptr", "int32", None if major is None else major + 1))]
    if minor is None:
        width = TensorType("int64", ())(f"{of}{'columns' if format == 'csr' else 'rows'}" if name else None)
    else:
        width = size_constant(minor)
    return _of_parts(format, parts, width, True, name)


def _of_parts(format: str, parts: Sequence[TensorVariable], minor: TensorVariable, canonical: bool,
              name: str | None = None) -> SparseVariable:
    """A matrix whose number of rows (columns, of csc) indptr tells."""
    data, indices, indptr = parts
    static = indptr.type.shape[0]
    major = size_constant(static - 1) if static is not None else ew.sub(size_of(indptr, 0), size_constant(1))
    shape = (major, minor) if format == "csr" else (minor, major)
    return SparseVariable(format, data, indices, indptr, shape, canonical, name)


def of_arrays(format: str, value: CompressedArrays, name: str | None = None) -> SparseVariable:
    """A constant."""
    parts = [constant(v) for v in value[:3]]
    return _of_parts(format, parts, size_constant(value.shape[format == "csr"]), True, name)


def CSR(data: TensorLike, indices: TensorLike, indptr: TensorLike, shape: ShapeLike) -> SparseVariable:
    """The csr matrix of these vectors: row i has data[k] in column indices[k], indptr[i] <= k < indptr[i + 1].

    Indices may be in any order, with duplicates, whose values are added.  shape: two sizes, or a vector of them.
    Raises: TypeMismatchError for what are no vectors, or no integers; at the call ShapeError if the shape and indptr
    do not fit, BadValueError and IndexOutOfBoundsError from what looks entries up.
    """
    return _compressed("csr", data, indices, indptr, shape)


def CSC(data: TensorLike, indices: TensorLike, indptr: TensorLike, shape: ShapeLike) -> SparseVariable:
    """The csc matrix of these vectors, as `CSR`, but that columns are compressed, and indices are those of rows."""
    return _compressed("csc", data, indices, indptr, shape)


def _compressed(format: str, data: TensorLike, indices: TensorLike, indptr: TensorLike,
                shape: ShapeLike) -> SparseVariable:
    values = as_tensor_variable(data)
    if values.type.ndim != 1 or values.type.dtype in dtypes.COMPLEX:
        raise TypeMismatchError(f"the data of a sparse matrix is a vector of real numbers, {describe(values)} is "
                                f"{values.type.short()}{at(values.source)}")
    places = [_narrow(v, name) for v, name in ((indices, "indices"), (indptr, "indptr"))]
    rows, columns = sizes(shape, ndim=2)
    made = _of_parts(format, [values, *places], columns if format == "csr" else rows, False)
    static = made.type.shape[format == "csc"]
    want = rows if format == "csr" else columns
    if static is not None and isinstance(want, Constant) and static != want.data:
        raise ShapeError(f"indptr of a {format} matrix of {int(want.data)} {'rows' if format == 'csr' else 'columns'} "
                         f"has {int(want.data) + 1} elements, got {static + 1}{at(user_line())}")
    if want is not made.major and not (static is not None and isinstance(want, Constant)):
        of = "rows" if format == "csr" else "columns"
        checked = equal(made.major, want, f"sparse matrix: indptr is that of {{0}} {of}, but the shape says {{1}}",
                        places[1])
        made = SparseVariable(format, values, places[0], checked, (rows, columns))
    return made


def _narrow(given: TensorLike, name: str) -> TensorVariable:
    """A vector of indices as int32; those that do not fit are out of bounds of any matrix."""
    v = as_tensor_variable(given)
    if v.type.ndim != 1 or v.type.dtype not in dtypes.INTEGERS:
        raise TypeMismatchError(f"{name} of a sparse matrix is a vector of integers, {describe(v)} is "
                                f"{v.type.short()}{at(v.source)}")
    if v.type.dtype in ("int64", "uint32", "uint64"):
        v = ew.clip(v, constant(-1 if v.type.dtype == "int64" else 0, dtype=v.type.dtype),
                    constant(INT32_MAX, dtype=v.type.dtype))
    return cast(v, "int32")


def as_sparse_variable(x: object, name: str | None = None) -> SparseVariable:
    """x as a sparse variable: itself, or a constant of a SciPy matrix or another object with data, indices, indptr
    and shape.

    Raises: TypeMismatchError for anything else, or another format than csr and csc.
    """
    if isinstance(x, SparseVariable):
        return x
    if not is_sparse_value(x):
        raise TypeMismatchError(f"expected a sparse matrix, got {quoted(x)} of type {type(x).__name__}"
                                f"{at(user_line())}; use csr_from_dense for dense ones, CSR(data, indices, indptr, "
                                f"shape) for vectors")
    form = check_format(getattr(x, "format", "csr"))
    return of_arrays(form, taken(x, form, f"the sparse matrix{at(user_line())}"), name)


as_sparse = as_sparse_variable


def as_sparse_or_tensor_variable(x: Any, name: str | None = None) -> SparseVariable | TensorVariable:
    """x as a sparse variable if it is a sparse matrix, else as a tensor."""
    return as_sparse_variable(x, name) if is_sparse(x) else as_tensor_variable(x, name)


def is_sparse(x: object) -> bool:
    """Is x a sparse variable, or a sparse matrix as SciPy has them?"""
    return isinstance(x, SparseVariable) or (not isinstance(x, Variable) and is_sparse_value(x))


def csr_matrix(name: str | None = None, dtype: DTypeLike | None = None,
               shape: Sequence[int | None] | None = None) -> SparseVariable:
    """A new csr input; dtype: default floatX; shape: sizes that are known, None for others."""
    return matrix("csr", name, dtype, shape)


def csc_matrix(name: str | None = None, dtype: DTypeLike | None = None,
               shape: Sequence[int | None] | None = None) -> SparseVariable:
    """A new csc input; dtype: default floatX; shape: sizes that are known, None for others."""
    return matrix("csc", name, dtype, shape)


csr_dmatrix, csr_fmatrix = SparseTensorType("csr", "float64"), SparseTensorType("csr", "float32")
csc_dmatrix, csc_fmatrix = SparseTensorType("csc", "float64"), SparseTensorType("csc", "float32")


# ------------------------------------------------------------------------------------------- what they are made of


def csm_properties(x: object) -> tuple[TensorVariable, TensorVariable, TensorVariable, TensorVariable]:
    """Data, indices, indptr (int32) and shape (an int64 vector) of a matrix."""
    return csm_data(x), csm_indices(x), csm_indptr(x), csm_shape(x)


def csm_data(x: object) -> TensorVariable:
    return as_sparse_variable(x).data


def csm_indices(x: object) -> TensorVariable:
    return as_sparse_variable(x).indices


def csm_indptr(x: object) -> TensorVariable:
    return as_sparse_variable(x).indptr


def csm_shape(x: object) -> TensorVariable:
    """The shape as an int64 vector."""
    return stack(list(as_sparse_variable(x).shape))


__all__ = ["CSC", "CSR", "SparseTensorType", "SparseVariable", "as_sparse", "as_sparse_or_tensor_variable",
           "as_sparse_variable", "csc_dmatrix", "csc_fmatrix", "csc_matrix", "csm_data", "csm_indices", "csm_indptr",
           "csm_properties", "csm_shape", "csr_dmatrix", "csr_fmatrix", "csr_matrix", "is_sparse", "matrix"]
