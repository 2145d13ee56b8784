"""Products that put matrices and vectors together: `kron, cross, block_diag`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradc.errors import ShapeError, at
from gradc.ir import dtypes
from gradc.ir.graph import describe
from gradc.tensor import elemwise as ew
from gradc.tensor.checks import equal, named
from gradc.tensor.convert import as_tensor_variable, cast, size_constant, size_of, sizes_of, together
from gradc.tensor.creation import zeros
from gradc.tensor.joining import join, stack
from gradc.tensor.reduce import multiply_sizes, normalize_axis
from gradc.tensor.shape import dimshuffle, moveaxis, reshape, shape_padleft
from gradc.tensor.types import Axis, TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = ["block_diag", "cross", "kron"]

# rows of `tensor.numpy_api`
NUMPY = {"kron": "a b", "cross": "a b axisa= axisb= axisc= axis="}


def kron(a: TensorLike, b: TensorLike) -> TensorVariable:
    """The Kronecker product: a with each element replaced by that element times b, as numpy.kron.

    Axes that one of them does not have are put on its left.   Dtype: common.
    """
    x, y = together((a, b))
    ndim = max(x.type.ndim, y.type.ndim)
    x, y = shape_padleft(x, ndim - x.type.ndim), shape_padleft(y, ndim - y.type.ndim)
    outer = ew.mul(dimshuffle(x, [p for k in range(ndim) for p in (k, "x")]),
                   dimshuffle(y, [p for k in range(ndim) for p in ("x", k)]))
    return reshape(outer, [multiply_sizes(n, m) for n, m in zip(sizes_of(x), sizes_of(y))])


def cross(a: TensorLike, b: TensorLike, axisa: Axis = -1, axisb: Axis = -1, axisc: Axis = -1,
          axis: Axis | None = None) -> TensorVariable:
    """The cross product of vectors of 3 elements, which are along an axis of each tensor.

    axisa, axisb: that axis; axisc: of the result; axis: all three.  Other axes broadcast, where of static size 1.
    Dtype: common.
    Raises: ShapeError for vectors of another size, at run time where it is not known before.
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    parts: list[list[TensorVariable]] = []
    for given, k in ((a, axisa), (b, axisb)):
        x = as_tensor_variable(given)
        x = moveaxis(x, normalize_axis(k, x.type.ndim, "cross", x), -1)
        x = equal(size_of(x, x.type.ndim - 1), size_constant(3), f"cross: {named(as_tensor_variable(given))} has "
                  f"vectors of {{0}} elements, not of 3", on=x, error="shape")
        parts.append([x[..., j] for j in range(3)])
    (a0, a1, a2), (b0, b1, b2) = parts
    made = stack([ew.sub(ew.mul(a1, b2), ew.mul(a2, b1)), ew.sub(ew.mul(a2, b0), ew.mul(a0, b2)),
                  ew.sub(ew.mul(a0, b1), ew.mul(a1, b0))], axis=-1)
    return moveaxis(made, -1, normalize_axis(axisc, made.type.ndim, "cross", made))


def block_diag(*arrs: TensorLike) -> TensorVariable:
    """The matrix with the given ones along its diagonal, 0 elsewhere, as scipy.linalg.block_diag.

    Vectors are rows, scalars 1 by 1.   Dtype: common.
    """
    if not arrs:
        return zeros((1, 0))
    blocks = together(arrs)
    dtype = dtypes.upcast(*[x.type.dtype for x in blocks])
    for x in blocks:
        if x.type.ndim > 2:
            raise ShapeError(f"block_diag takes matrices, {describe(x)} is {x.type.short()}{at(x.source)}")
    blocks = [cast(shape_padleft(x, 2 - x.type.ndim), dtype) for x in blocks]
    rows = []
    for k, x in enumerate(blocks):
        n = sizes_of(x)[0]
        before, after = [[zeros((n, sizes_of(y)[1]), dtype=dtype) for y in side] for side in (blocks[:k],
                                                                                           blocks[k + 1:])]
        rows.append(join(1, *before, x, *after))
    return join(0, *rows)
