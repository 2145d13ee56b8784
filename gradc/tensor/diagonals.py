"""Diagonals and triangles of matrices; both are of two axes, the first two or the last two of a tensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gradc.errors import ShapeError, at
from gradc.ir import build, dtypes, graph, ops
from gradc.ir.graph import Constant, apply, describe
from gradc.tensor import elemwise as ew
from gradc.tensor.checks import integer, python_integer
from gradc.tensor.convert import as_tensor_variable, cast, constant, size_constant, size_of
from gradc.tensor.joining import join, slice_axis
from gradc.tensor.reduce import multiply_sizes, normalize_axis
from gradc.tensor.shape import dimshuffle, shape_padleft, shape_padright
from gradc.tensor.types import Axis, TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = ["diag", "diagonal", "fill_diagonal", "fill_diagonal_offset", "trace", "tril", "triu"]



def offsets(n: TensorVariable, m: TensorVariable) -> TensorVariable:
    """The n by m matrix of column minus row numbers (int64)."""
    return ew.sub(shape_padleft(apply(ops.Iota(), m)), shape_padright(apply(ops.Iota(), n)))


def tril(x: TensorLike, k: TensorLike = 0) -> TensorVariable:
    """The lower triangle of the last two axes, up to diagonal k; 0 elsewhere."""
    return _triangle("tril", ew.le, x, k)


def triu(x: TensorLike, k: TensorLike = 0) -> TensorVariable:
    """The upper triangle of the last two axes, from diagonal k on; 0 elsewhere."""
    return _triangle("triu", ew.ge, x, k)


def _triangle(what: str, side: Callable[..., TensorVariable], x: TensorLike, k: TensorLike) -> TensorVariable:
    x = _at_least_matrix(x, what)
    keep = side(offsets(size_of(x, x.type.ndim - 2), size_of(x, x.type.ndim - 1)), integer(k, what, "k"))
    return ew.switch(keep, x, constant(0, dtype=x.type.dtype))


def _at_least_matrix(x: TensorLike, what: str) -> TensorVariable:
    x = as_tensor_variable(x)
    if x.type.ndim < 2:
        raise ShapeError(f"{what} takes at least 2 dimensions, {describe(x)} is {x.type.short()}{at(x.source)}")
    return x


def diagonal(x: TensorLike, offset: int = 0, axis1: Axis = 0, axis2: Axis = 1) -> TensorVariable:
    """The diagonal over two axes, as the last axis of the result (numpy.diagonal).

    The two axes are joined into one of n*m elements, in which a diagonal has the constant stride m + 1.  The mark
    `tag.steps` tells set_subtensor that this is a part of x, not of those.
    """
    x = _at_least_matrix(x, "diagonal")
    offset = python_integer(offset, "diagonal", "offset")
    ndim = x.type.ndim
    i, j = normalize_axis(axis1, ndim, "diagonal", x), normalize_axis(axis2, ndim, "diagonal", x)
    if i == j:
        raise ShapeError(f"diagonal: axis1 and axis2 must differ, both are {i}{at(graph.user_line())}")
    rest = tuple(k for k in range(ndim) if k not in (i, j))
    flat_sizes = [size_of(x, k) for k in rest]
    n, m = size_of(x, i), size_of(x, j)
    moved = dimshuffle(x, *rest, i, j)
    flat = apply(ops.Reshape(ndim - 1), moved, *flat_sizes, multiply_sizes(n, m))
    steps = 2 if moved is x else 3
    down, right = max(-offset, 0), max(offset, 0)
    if isinstance(n, Constant) and isinstance(m, Constant):
        rows, columns = int(n.data), int(m.data)
        length = max(min(rows - down, columns - right), 0)
        start = down * columns + right if length else 0
        stop = start + max(length - 1, 0) * (columns + 1) + min(length, 1)
        part = slice_axis(flat, ndim - 2, start, stop, columns + 1)
        part.tag.steps = steps
        return part
    zero, one = size_constant(0), size_constant(1)
    count = ew.maximum(ew.minimum(ew.sub(n, size_constant(down)) if down else n,
                                  ew.sub(m, size_constant(right)) if right else m), zero)
    step = ew.add(m, one)
    first = ew.add(ew.mul(m, size_constant(down)), size_constant(right)) if offset else zero
    part = slice_axis(flat, ndim - 2, first, ew.add(first, ew.mul(count, step)), step)
    part.tag.steps = steps
    return part


def diag(x: TensorLike, k: int = 0) -> TensorVariable:
    """The matrix with vector x on diagonal k, or the diagonal k of a matrix (numpy.diag)."""
    x = as_tensor_variable(x)
    if x.type.ndim == 2:
        return diagonal(x, k)
    if x.type.ndim != 1:
        raise ShapeError(f"diag takes a vector or a matrix, {describe(x)} is {x.type.short()}{at(x.source)}")
    k = python_integer(k, "diag", "k")
    square = _diagonal_matrix(x)
    if k == 0:
        return square
    n = size_of(x, 0)
    beside = apply(ops.Broadcast(), constant(0, dtype=x.type.dtype), n, size_constant(abs(k)))
    wide = join(1, beside, square) if k > 0 else join(1, square, beside)
    below = apply(ops.Broadcast(), constant(0, dtype=x.type.dtype), size_constant(abs(k)), _plus(n, abs(k)))
    return join(0, wide, below) if k > 0 else join(0, below, wide)


def _plus(n: TensorVariable, k: int) -> TensorVariable:
    return size_constant(int(n.data) + k) if isinstance(n, Constant) else ew.add(n, size_constant(k))


def _diagonal_matrix(x: TensorVariable) -> TensorVariable:
    n = size_of(x, 0)
    return ew.switch(ew.eq(offsets(n, n), 0), shape_padleft(x), constant(0, dtype=x.type.dtype))


def trace(x: TensorLike, offset: int = 0, axis1: Axis = 0, axis2: Axis = 1) -> TensorVariable:
    """Sum of the diagonal over two axes.  Dtype: as `sum`."""
    d = diagonal(x, offset, axis1, axis2)
    if d.type.dtype in dtypes.DISCRETE:
        d = cast(d, "uint64" if d.type.dtype in dtypes.UNSIGNED else "int64")
    return build.fold(graph, "add", d, (d.type.ndim - 1,))


def fill_diagonal(x: TensorLike, value: TensorLike) -> TensorVariable:
    """A copy of the matrix x with the scalar `value` on its diagonal.  Dtype: same as x."""
    return _with_diagonal(x, value, 0, "fill_diagonal")


def fill_diagonal_offset(a: TensorLike, val: TensorLike, offset: TensorLike) -> TensorVariable:
    """A copy of the matrix a with the scalar `val` on diagonal `offset`, an integer.  Dtype: same as a."""
    return _with_diagonal(a, val, offset, "fill_diagonal_offset")


def _with_diagonal(x: TensorLike, value: TensorLike, k: TensorLike, what: str) -> TensorVariable:
    x = _at_least_matrix(x, what)
    if x.type.ndim != 2:
        raise ShapeError(f"{what} takes a matrix, {describe(x)} is {x.type.short()}{at(x.source)}")
    value = as_tensor_variable(value)
    if value.type.ndim:
        raise ShapeError(f"{what} takes a scalar value, {describe(value)} is {value.type.short()}"
                         f"{at(value.source)}; use set_subtensor(diag(x), value)")
    here = ew.eq(offsets(size_of(x, 0), size_of(x, 1)), integer(k, what, "offset"))
    return ew.switch(here, cast(value, x.type.dtype), x)
