"""Functions of the elements of sparse matrices: sums and products, and functions of the entries alone.

What is not linear is one of the sum of the entries of a place: those of duplicates are added first.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from gradc.errors import ShapeError, at
from gradc.ir.dtypes import DTypeLike
from gradc.ir.graph import Variable, describe
from gradc.sparse.structure import (
    as_format,
    dense_from_sparse,
    from_places,
    keys,
    majors,
    minors,
    places,
    selected,
    sum_duplicates,
)
from gradc.sparse.variable import (
    OPERATIONS,
    SparseLike,
    SparseVariable,
    as_sparse_or_tensor_variable,
    as_sparse_variable,
)
from gradc.tensor import elemwise as ew
from gradc.tensor import trigonometry as trig
from gradc.tensor.checks import equal
from gradc.tensor.convert import as_tensor_variable, constant, is_python_number, size_of
from gradc.tensor.creation import ones_like, zeros
from gradc.tensor.joining import join
from gradc.tensor.masks import flatnonzero
from gradc.tensor.sorting import searchsorted
from gradc.tensor.types import TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = [
    "abs", "abs_", "add", "add_s_d", "add_s_s", "arcsin", "arcsinh", "arctan", "arctanh", "bcast", "cast", "ceil",
    "col_scale", "conj", "dcast", "deg2rad", "expm1", "fcast", "floor", "icast", "lcast", "log1p", "mul", "mul_s_d",
    "mul_s_s", "mul_s_v", "multiply", "neg", "rad2deg", "rint", "row_scale", "sgn", "sin", "sinh", "sp_ones_like",
    "sp_zeros_like", "sqr", "sqrt", "structured_add", "structured_add_s_v", "structured_exp", "structured_log",
    "structured_maximum", "structured_minimum", "structured_pow", "structured_sigmoid", "sub", "subtract", "tan",
    "tanh", "trunc", "wcast",
]

Structured = Callable[[Any], SparseVariable]


def _structured(name: str, fn: Callable[[TensorLike], TensorVariable]) -> Structured:
    def made(x: Any) -> SparseVariable:
        x = sum_duplicates(x)
        return x.with_data(fn(x.data))

    made.__name__ = made.__qualname__ = name
    made.__doc__ = f"`gradc.tensor.{fn.__name__}` of the entries of a sparse matrix; elements without one stay 0."
    return made


def _structured_by(name: str, fn: Callable[..., TensorVariable]) -> Callable[[object, TensorLike], SparseVariable]:
    def made(x: Any, y: TensorLike) -> SparseVariable:
        x = sum_duplicates(x)
        y = y if is_python_number(y) else as_tensor_variable(y)
        if isinstance(y, Variable) and y.type.ndim:
            raise ShapeError(f"{name} takes a scalar, {describe(y)} is {y.type.short()}{at(y.source)}")
        return x.with_data(fn(x.data, y))

    made.__name__ = made.__qualname__ = name
    made.__doc__ = (f"`gradc.tensor.{fn.__name__}` of each entry of a sparse matrix and the scalar y; elements without "
                    f"an entry stay 0.")
    return made


structured_exp = _structured("structured_exp", ew.exp)
structured_log = _structured("structured_log", ew.log)
structured_sigmoid = _structured("structured_sigmoid", ew.sigmoid)
structured_pow = _structured_by("structured_pow", ew.pow)
structured_add = _structured_by("structured_add", ew.add)
structured_minimum = _structured_by("structured_minimum", ew.minimum)
structured_maximum = _structured_by("structured_maximum", ew.maximum)

# functions with f(0) = 0
sin, tan, arcsin = _structured("sin", trig.sin), _structured("tan", trig.tan), _structured("arcsin", trig.arcsin)
arctan, sinh = _structured("arctan", trig.arctan), _structured("sinh", trig.sinh)
arcsinh, tanh = _structured("arcsinh", trig.arcsinh), _structured("tanh", trig.tanh)
arctanh, rint = _structured("arctanh", trig.arctanh), _structured("rint", ew.round_half_to_even)
sgn, ceil, floor = _structured("sgn", ew.sgn), _structured("ceil", ew.ceil), _structured("floor", ew.floor)
trunc, sqr, sqrt = _structured("trunc", ew.trunc), _structured("sqr", ew.square), _structured("sqrt", ew.sqrt)
log1p, expm1 = _structured("log1p", ew.log1p), _structured("expm1", ew.expm1)
deg2rad, rad2deg = _structured("deg2rad", trig.deg2rad), _structured("rad2deg", trig.rad2deg)
abs, conj = _structured("abs", ew.abs), _structured("conj", ew.conj)
abs_ = abs


def neg(x: object) -> SparseVariable:
    """-x, on the pattern of x."""
    x = as_sparse_variable(x)
    return x.with_data(ew.neg(x.data))


def cast(x: object, dtype: DTypeLike) -> SparseVariable:
    """The matrix in another dtype, as `gradc.tensor.cast`."""
    return sum_duplicates(x).astype(dtype)


bcast, wcast, icast, lcast = (partial(cast, dtype=dtype) for dtype in ("int8", "int16", "int32", "int64"))
fcast, dcast = partial(cast, dtype="float32"), partial(cast, dtype="float64")


def sp_ones_like(x: object) -> SparseVariable:
    """The matrix with 1 at each entry of x."""
    x = sum_duplicates(x)
    return x.with_data(ones_like(x.data))


def sp_zeros_like(x: object) -> SparseVariable:
    """The matrix of the shape and dtype of x without entries."""
    x = as_sparse_variable(x)
    pointers = zeros((ew.add(x.major, 1),), "int32")
    return SparseVariable(x.format, zeros((0,), x.dtype), zeros((0,), "int32"), pointers, x.shape, True)


# ------------------------------------------------------------------------------------------- sums


def _same_shape(what: str, x: SparseVariable, y: SparseVariable) -> SparseVariable:
    """y, once it is certain that it has the shape of x."""
    data = y.data
    for a, b in zip(x.shape, y.shape):
        data = equal(b, a, f"{what}: sparse matrices of different shapes, a size is {{0}} instead of {{1}}", data)
    return y.with_data(data)


def add_s_s(x: object, y: object) -> SparseVariable:
    """The sum of two sparse matrices, with an entry where one of them has one, in the format of x.

    Raises: ShapeError, at the call if need be, for different shapes.
    """
    x, y = as_sparse_variable(x), as_sparse_variable(y)
    y = _same_shape("add", x, as_format(y, x.format))
    return from_places(x, join(0, majors(x), majors(y)), join(0, minors(x), minors(y)), join(0, x.data, y.data))


def _operand(x: object) -> Any:
    """x as a sparse variable or a tensor; a Python number as it is, so that the other operand can tell its dtype."""
    return x if is_python_number(x) else as_sparse_or_tensor_variable(x)


def add_s_d(x: object, y: TensorLike) -> TensorVariable:
    """The dense sum of a sparse matrix and a dense one, which broadcasts."""
    return ew.add(dense_from_sparse(x), y)


def add(x: SparseLike, y: SparseLike) -> Any:
    """x + y: sparse, in the format of x, if both are, else dense."""
    x, y = _operand(x), _operand(y)
    if isinstance(x, SparseVariable):
        return add_s_s(x, y) if isinstance(y, SparseVariable) else add_s_d(x, y)
    return add_s_d(y, x) if isinstance(y, SparseVariable) else ew.add(x, y)


def sub(x: SparseLike, y: SparseLike) -> Any:
    """x - y: sparse, in the format of x, if both are, else dense."""
    x, y = _operand(x), _operand(y)
    if isinstance(y, SparseVariable):
        return add_s_s(x, neg(y)) if isinstance(x, SparseVariable) else ew.sub(x, dense_from_sparse(y))
    return ew.sub(dense_from_sparse(x) if isinstance(x, SparseVariable) else x, y)


subtract = sub


def structured_add_s_v(x: object, y: TensorLike) -> SparseVariable:
    """The entries of x, to those in column j y[j] added; elements without an entry stay 0."""
    x = sum_duplicates(x)
    return x.with_data(ew.add(x.data, _by_column(x, y)))


# ------------------------------------------------------------------------------------------- products


def mul_s_s(x: object, y: object) -> SparseVariable:
    """The products of the elements of two sparse matrices, with an entry where both have one, in the format of x.

    Raises: ShapeError, at the call if need be, for different shapes.
    """
    x, y = as_sparse_variable(x), as_sparse_variable(y)
    y = sum_duplicates(_same_shape("mul", x, as_format(y, x.format)))
    known = join(0, keys(majors(y), minors(y), y.minor), constant([-1], dtype="int64"))
    own = keys(majors(x), minors(x), x.minor)
    found = searchsorted(known[:-1], own)
    kept = flatnonzero(ew.eq(known[found], own))
    return selected(x, kept, ew.mul(x.data[kept], y.data[found[kept]]))


def mul_s_d(x: object, y: TensorLike) -> SparseVariable:
    """The entries of a sparse matrix times the elements of a dense one, which broadcasts, on the pattern of x.

    Elements without an entry are 0, also where y is inf or nan.
    """
    x = as_sparse_variable(x)
    if is_python_number(y):
        return x.with_data(ew.mul(x.data, y))
    y = as_tensor_variable(y)
    if y.type.ndim < 2:
        return x.with_data(ew.mul(x.data, _by_column(x, y) if y.type.ndim else y))
    if y.type.ndim > 2:
        raise ShapeError(f"mul: a sparse matrix has 2 dimensions, {describe(y)} is {y.type.short()}{at(y.source)}")
    place = []
    for k, (at_entry, static) in enumerate(zip(places(x), y.type.shape)):
        place.append(0 if static == 1 else at_entry)
        if static != 1:
            y = equal(size_of(y, k), x.shape[k], "mul: a dense matrix of size {0} for a sparse one of {1}", y)
    return x.with_data(ew.mul(x.data, y[tuple(place)]))


def mul_s_v(x: object, y: TensorLike) -> SparseVariable:
    """The entries of x, those in column j times y[j]."""
    x = as_sparse_variable(x)
    return x.with_data(ew.mul(x.data, _by_column(x, y)))


def mul(x: SparseLike, y: SparseLike) -> Any:
    """x * y, element by element, sparse if one of them is: in the format of x if both are."""
    x, y = _operand(x), _operand(y)
    if isinstance(x, SparseVariable):
        return mul_s_s(x, y) if isinstance(y, SparseVariable) else mul_s_d(x, y)
    return mul_s_d(y, x) if isinstance(y, SparseVariable) else ew.mul(x, y)


multiply = mul


def _by_column(x: SparseVariable, y: TensorLike) -> TensorVariable:
    """For each entry the element of the vector that belongs to its column."""
    v = as_tensor_variable(y)
    if v.type.ndim != 1:
        raise ShapeError(f"a vector with an element for each column is needed, {describe(v)} is {v.type.short()}"
                         f"{at(v.source)}")
    v = equal(size_of(v, 0), x.shape[1], "sparse matrix: a vector of size {0} for {1} columns or rows", v)
    return v[places(x)[1]]


def col_scale(x: object, s: TensorLike) -> SparseVariable:
    """The matrix with its column j times s[j]."""
    return mul_s_v(x, s)


def row_scale(x: object, s: TensorLike) -> SparseVariable:
    """The matrix with its row i times s[i]."""
    return mul_s_v(as_sparse_variable(x).T, s).T


OPERATIONS.update(add=add, sub=sub, mul=mul)
