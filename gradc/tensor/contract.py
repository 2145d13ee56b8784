"""Products that sum over axes: `dot, matmul, outer, tensordot, batched_dot` and relatives (`einsum`: `einstein`).

All are one sum of products of two operands, in which axes are named by small ints.
Dtype: common of the operands.  Sizes that are summed over must agree, at build where known, else at run time.
Error: products of matrices are summed by BLAS.  Other sums of float32 are no less exact than NumPy's: over the
innermost axis within 150 u sum(abs(x * y)), u = 2^-24, for any number n of terms (128 of a lane are added up in
float32, what they come to in float64); over outer axes within n u sum(abs(x * y)).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

import gradc.tensor.shape as shp
from gradc.errors import ShapeError, TypeMismatchError, at, quoted
from gradc.ir import build, graph
from gradc.ir.graph import describe, user_line
from gradc.tensor import elemwise as ew
from gradc.tensor.convert import as_tensor_variable, together
from gradc.tensor.reduce import normalize_axis
from gradc.tensor.types import List, TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = [
    "batched_dot", "batched_tensordot", "dot", "inner", "matmul", "matvec", "outer", "tensordot", "vdot", "vecdot",
    "vecmat",
]


def _contract(x: TensorVariable, y: TensorVariable, a: Sequence[int], b: Sequence[int],
              out: Sequence[int]) -> TensorVariable:
    return build.contract(graph, x, a, y, b, out)


def dot(x: TensorLike, y: TensorLike) -> TensorVariable:
    """Sum over the last axis of x and the second to last of y (its only one if y is a vector), as numpy.dot.

    Shapes: (n,) (n,) -> (); (n, k) (k, m) -> (n, m); a scalar multiplies.  Dtype: common.
    """
    return _sum_over(x, y, -2)


def _sum_over(x: TensorLike, y: TensorLike, axis: int) -> TensorVariable:
    """The sum over the last axis of x and `axis` of y (its only one if y is a vector)."""
    x, y = together((x, y))
    nx, ny = x.type.ndim, y.type.ndim
    if nx == 0 or ny == 0:
        return ew.mul(x, y)
    a, b = list(range(nx)), list(range(nx, nx + ny))
    b[max(axis, -ny)] = a[-1]
    return _contract(x, y, a, b, [k for k in a + b if k != a[-1]])


def matmul(x: TensorLike, y: TensorLike) -> TensorVariable:
    """Matrix product over the last two axes; leading axes broadcast (where of static size 1), as numpy.matmul.

    Vectors stand for a row on the left, a column on the right.  Dtype: common.
    Raises: ShapeError for scalars.
    """
    x, y = together((x, y))
    for v in (x, y):
        if v.type.ndim == 0:
            raise ShapeError(f"matmul takes no scalars, {describe(v)} is one{at(user_line())}; use * or dot")
    return _batched("matmul", x, y, min(x.type.ndim, 2), min(y.type.ndim, 2))


def _batched(what: str, x: TensorVariable, y: TensorVariable, core_x: int, core_y: int) -> TensorVariable:
    """Products of the core axes; the axes before them are one batch, aligned from the right."""
    for v, core in ((x, core_x), (y, core_y)):
        if v.type.ndim < core:
            raise ShapeError(f"{what} takes a {('vector', 'matrix')[core - 1]} here, or a batch of such; {describe(v)} "
                             f"is {v.type.short()}{at(user_line())}")
    batch = max(x.type.ndim - core_x, y.type.ndim - core_y)
    inner, rows, columns = batch, batch + 1, batch + 2
    core_a = [rows, inner] if core_x == 2 else [inner]
    core_b = [inner, columns] if core_y == 2 else [inner]
    a = list(range(batch - (x.type.ndim - core_x), batch)) + core_a
    b = list(range(batch - (y.type.ndim - core_y), batch)) + core_b
    x, a = _drop_ones(x, a, batch)
    y, b = _drop_ones(y, b, batch)
    wanted = list(range(batch)) + [k for k in (rows, columns) if k in a or k in b]
    out = [k for k in wanted if k in a or k in b]
    result = _contract(x, y, a, b, out)
    return build.insert_axes(graph, result, [j for j, k in enumerate(wanted) if k not in out], len(wanted))


def _drop_ones(x: TensorVariable, a: list[int], batch: int) -> tuple[TensorVariable, list[int]]:
    """Without the batch axes of static size 1: the other operand's count, or they are put back at the end."""
    gone = [k for k, label in enumerate(a) if label < batch and x.type.shape[k] == 1]
    return build.drop_axes(graph, x, gone), [label for k, label in enumerate(a) if k not in gone]


def outer(x: TensorLike, y: TensorLike) -> TensorVariable:
    """Every element of x times every element of y, both flattened: shape (n, m).  Dtype: common."""
    x, y = [shp.flatten(shp.atleast_1d(v)) for v in together((x, y))]
    return ew.mul(shp.shape_padright(x), shp.shape_padleft(y))


def inner(x: TensorLike, y: TensorLike) -> TensorVariable:
    """Sum over the last axes of both, as numpy.inner."""
    return _sum_over(x, y, -1)


def vdot(x: TensorLike, y: TensorLike) -> TensorVariable:
    """Sum of conj(x) * y over all elements."""
    x, y = together((x, y))
    return dot(ew.conj(shp.flatten(shp.atleast_1d(x))), shp.flatten(shp.atleast_1d(y)))


def vecdot(x: TensorLike, y: TensorLike) -> TensorVariable:
    """Sum of conj(x) * y over the last axis, as numpy.vecdot; leading axes broadcast (where of static size 1).

    Raises: ShapeError for scalars.
    """
    return _batched("vecdot", ew.conj(as_tensor_variable(x)), as_tensor_variable(y), 1, 1)


def matvec(x: TensorLike, y: TensorLike) -> TensorVariable:
    """Matrix times vector, (n, k) (k,) -> (n,), as numpy.matvec; leading axes broadcast (where of static size 1).

    Raises: ShapeError for operands of fewer axes.
    """
    return _batched("matvec", as_tensor_variable(x), as_tensor_variable(y), 2, 1)


def vecmat(x: TensorLike, y: TensorLike) -> TensorVariable:
    """conj(x) times a matrix, (n,) (n, k) -> (k,), as numpy.vecmat; leading axes broadcast (where of static size 1).

    Raises: ShapeError for operands of fewer axes.
    """
    return _batched("vecmat", ew.conj(as_tensor_variable(x)), as_tensor_variable(y), 1, 2)


def _axis_lists(x: TensorVariable, y: TensorVariable, axes: int | List, what: str) -> tuple[list[int], list[int]]:
    if isinstance(axes, (int, np.integer)):
        n = int(axes)
        if n < 0 or n > min(x.type.ndim, y.type.ndim):
            raise ShapeError(f"{what}: can't sum over {n} axes of {describe(x)} ({x.type.short()}) and {describe(y)} "
                             f"({y.type.short()}){at(user_line())}")
        return list(range(x.type.ndim - n, x.type.ndim)), list(range(n))
    try:
        first, second = axes
    except (TypeError, ValueError):
        raise TypeMismatchError(f"{what}: axes must be a number or a pair of lists, got {quoted(axes)}"
                                f"{at(user_line())}") from None
    lists = [[normalize_axis(k, v.type.ndim, what, v) for k in (s if isinstance(s, (list, tuple, np.ndarray)) else [s])]
             for s, v in ((first, x), (second, y))]
    if len(lists[0]) != len(lists[1]) or any(len(set(s)) != len(s) for s in lists):
        raise ShapeError(f"{what}: axes must name equally many axes of both, each once; got {quoted(axes)}"
                         f"{at(user_line())}")
    return lists[0], lists[1]


def tensordot(x: TensorLike, y: TensorLike, axes: int | List = 2) -> TensorVariable:
    """Sum over pairs of axes, as numpy.tensordot: `axes` is a number (the last of x with the first of y), or a
    pair of lists.
    """
    x, y = together((x, y))
    over_x, over_y = _axis_lists(x, y, axes, "tensordot")
    a = list(range(x.type.ndim))
    b = list(range(x.type.ndim, x.type.ndim + y.type.ndim))
    for i, j in zip(over_x, over_y):
        b[j] = a[i]
    summed = {a[i] for i in over_x}
    return _contract(x, y, a, b, [k for k in a + b if k not in summed])


def batched_dot(x: TensorLike, y: TensorLike) -> TensorVariable:
    """`dot` for each entry of a shared first axis: (b, n, k) (b, k, m) -> (b, n, m).

    Vectors per entry (rank 2) are accepted on both sides; rank 1 stands for one scalar per entry.
    """
    x, y = together((x, y))
    for v in (x, y):
        if v.type.ndim == 0:
            raise ShapeError(f"batched_dot takes a first axis to go over, {describe(v)} is a scalar{at(user_line())}")
    if x.type.ndim == 1 or y.type.ndim == 1:
        wide, narrow = (y, x) if x.type.ndim == 1 else (x, y)
        return ew.mul(shp.shape_padright(narrow, wide.type.ndim - 1), wide)
    return batched_tensordot(x, y, [[x.type.ndim - 1], [1 if y.type.ndim < 3 else y.type.ndim - 2]])


def batched_tensordot(x: TensorLike, y: TensorLike, axes: int | List = 2) -> TensorVariable:
    """`tensordot` for each entry of a shared first axis; `axes` count that axis, which can't be among them.

    A number means that many last axes of x with the first of y after the shared one.
    """
    x, y = together((x, y))
    nx, ny = x.type.ndim, y.type.ndim
    if isinstance(axes, (int, np.integer)):
        n = int(axes)
        if n < 0 or n > min(nx, ny) - 1:
            raise ShapeError(f"batched_tensordot: can't sum over {n} axes besides the first of {x.type.short()} and "
                             f"{y.type.short()}{at(user_line())}")
        axes = [list(range(nx - n, nx)), list(range(1, n + 1))]
    over_x, over_y = _axis_lists(x, y, axes, "batched_tensordot")
    if 0 in over_x or 0 in over_y:
        raise ShapeError(f"batched_tensordot: the first axis is shared and can't be summed over{at(user_line())}")
    a = list(range(nx))
    b = [0] + list(range(nx, nx + ny - 1))
    for i, j in zip(over_x, over_y):
        b[j] = a[i]
    summed = {a[i] for i in over_x}
    return _contract(x, y, a, b, [k for k in a + b[1:] if k not in summed])
