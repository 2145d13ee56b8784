"""`interp`: values between given points, by straight lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradc.errors import ShapeError, TypeMismatchError, at
from gradc.ir import dtypes
from gradc.ir.graph import describe, user_line
from gradc.tensor import elemwise as ew
from gradc.tensor.checks import equal, in_range
from gradc.tensor.convert import as_tensor_variable, converted, size_constant, size_of
from gradc.tensor.joining import join
from gradc.tensor.selection import take
from gradc.tensor.sorting import argsort, searchsorted
from gradc.tensor.types import TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = ["interp"]

# a row of `tensor.numpy_api`
NUMPY = {"interp": "x xp fp left= right= period="}


def interp(x: TensorLike, xp: TensorLike, fp: TensorLike, left: TensorLike | None = None,
           right: TensorLike | None = None, period: TensorLike | None = None) -> TensorVariable:
    """The piecewise linear function through the points (xp, fp) at x, as numpy.interp.

    xp is ascending (which is not checked), and fp as long.  left, right: values before the first point and after the
    last one, those of these points unless given.  period: of x and xp, which need not be sorted then.
    Shapes: that of x.  Dtype: at least float64; fp may be complex.  Derivatives: of the line that x is on, by all
    arguments; at a point, of the line behind it.
    Raises: ShapeError if there is no point, or for vectors of different lengths.
    """
    x, xp, fp = as_tensor_variable(x), as_tensor_variable(xp), as_tensor_variable(fp)
    for v in (xp, fp):
        if v.type.ndim != 1:
            raise ShapeError(f"interp takes vectors of points, {describe(v)} is {v.type.short()}"
                             f"{at(v.source or user_line())}")
    work = dtypes.upcast(x.type.dtype, xp.type.dtype, "float64")
    if work in dtypes.COMPLEX:
        raise TypeMismatchError(f"interp takes real x and xp, got {x.type.short()} and {xp.type.short()}"
                                f"{at(x.source or user_line())}")
    n = size_of(xp, 0)
    xp = in_range(n, 1, None, "interp: there is no point", "size", on=xp)
    fp = equal(size_of(fp, 0), n, "interp: there are {1} points xp and {0} values fp", on=fp, error="shape")
    x, xp, fp = converted(x, work), converted(xp, work), converted(fp, dtypes.upcast(fp.type.dtype, work))
    if period is not None:
        p = ew.abs(converted(period, work))
        x, xp = ew.mod(x, p), ew.mod(xp, p)
        order = argsort(xp)
        xp, fp = take(xp, order), take(fp, order)
        xp, fp = join(0, ew.sub(xp[-1:], p), xp, ew.add(xp[:1], p)), join(0, fp[-1:], fp, fp[:1])
        left = right = None
        n = ew.add(n, size_constant(2))
    zero, one = size_constant(0), size_constant(1)
    last = ew.sub(n, one)
    before = ew.maximum(ew.minimum(ew.sub(searchsorted(xp, x, "right"), one), ew.sub(last, one)), zero)
    behind = ew.minimum(ew.add(before, one), last)
    x0, x1, y0, y1 = take(xp, before), take(xp, behind), take(fp, before), take(fp, behind)
    line = ew.add(ew.mul(ew.true_divide(ew.sub(y1, y0), ew.sub(x1, x0)), ew.sub(x, x0)), y0)
    first, end = xp[0], xp[-1]
    low = fp[0] if left is None else converted(left, fp.type.dtype)
    high = fp[-1] if right is None else converted(right, fp.type.dtype)
    line = ew.switch(ew.eq(x, end), fp[-1], line)
    return ew.switch(ew.lt(x, first), low, ew.switch(ew.gt(x, end), high, line))
