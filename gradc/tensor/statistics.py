"""Counts and covariances: `bincount, cov, corrcoef`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradc.errors import ShapeError, TypeMismatchError, at
from gradc.ir import build, dtypes, ops
from gradc.ir.convert import to_program
from gradc.ir.graph import Constant, apply, describe, user_line
from gradc.tensor import elemwise as ew
from gradc.tensor import reduce as red
from gradc.tensor.checks import equal, in_range, integer, python_integer
from gradc.tensor.contract import dot
from gradc.tensor.convert import as_tensor_variable, cast, constant, converted, size_constant, size_of
from gradc.tensor.creation import zeros
from gradc.tensor.diagonals import diagonal
from gradc.tensor.index import getitem, inc_subtensor
from gradc.tensor.joining import join
from gradc.tensor.shape import shape_padleft, shape_padright, squeeze
from gradc.tensor.types import SizeLike, TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = ["bincount", "corrcoef", "cov"]

# rows of `tensor.numpy_api`
NUMPY = {"bincount": "x weights= minlength=", "cov": "m y= rowvar= bias= ddof= fweights= aweights= dtype=",
         "corrcoef": "x y= rowvar= dtype="}


def bincount(x: TensorLike, weights: TensorLike | None = None, minlength: SizeLike = 0,
             assert_nonneg: bool = True) -> TensorVariable:
    """How often each of 0, 1, ... occurs in the vector x of integers, or the sum of its weights, as numpy.bincount.

    Shapes: as long as the largest element asks, and at least `minlength`; weights have the shape of x.
    Dtype: int64, with weights float64.  Derivative: by the weights.  assert_nonneg is accepted: it is always checked.
    Raises: BadValueError for a negative element.
    """
    x = as_tensor_variable(x)
    if x.type.dtype not in dtypes.DISCRETE or x.type.ndim != 1:
        raise TypeMismatchError(f"bincount takes a vector of integers, got {describe(x)} of type {x.type}"
                                f"{at(x.source or user_line())}; cast it")
    x = converted(x, "int64")
    if weights is not None or isinstance(x, Constant):
        x = in_range(x, 0, None, "bincount: elements must not be negative, got {0}")
    least = in_range(integer(minlength, "bincount", "minlength"), 0, None,
                     "bincount: minlength must not be negative, got {0}")
    if isinstance(x, Constant) and isinstance(least, Constant):
        count = size_constant(max(int(x.data.max(initial=-1)) + 1, int(least.data)))
    else:
        v = x.type("v")
        some, none = to_program([v], [ew.add(red.max(v), size_constant(1))]), to_program([v], [size_constant(0)])
        count = ew.maximum(apply(ops.Cond(some, none), ew.gt(size_of(x, 0), size_constant(0)), x), least)
    if weights is None:
        return apply(build.call("bincount", (1,)), x, count)
    w = as_tensor_variable(weights)
    if w.type.dtype in dtypes.COMPLEX or w.type.ndim != 1:
        raise TypeMismatchError(f"bincount: weights are a vector of real numbers, got {describe(w)} of type {w.type}"
                                f"{at(w.source or user_line())}")
    w = equal(size_of(w, 0), size_of(x, 0), "bincount: there are {0} weights for {1} elements", on=w, error="shape")
    return inc_subtensor(getitem(zeros(count, dtype="float64"), (x,)), cast(w, "float64"))


def _rows(m: TensorLike, rowvar: bool, what: str) -> TensorVariable:
    """Observations as a matrix with a row for each variable."""
    x = as_tensor_variable(m)
    if x.type.ndim > 2:
        raise ShapeError(f"{what} takes a vector or a matrix, {describe(x)} is {x.type.short()}{at(x.source)}")
    if x.type.ndim == 2:
        return x if rowvar else x.T
    return shape_padleft(x, 2 - x.type.ndim)


def _of_observations(given: TensorLike, x: TensorVariable, name: str) -> TensorVariable:
    """A weight for each observation."""
    w = as_tensor_variable(given)
    if w.type.ndim != 1:
        raise ShapeError(f"cov: {name} are a vector, {describe(w)} is {w.type.short()}{at(w.source or user_line())}")
    return equal(size_of(w, 0), size_of(x, 1), f"cov: there are {{0}} {name} for {{1}} observations", on=w,
                 error="shape")


def cov(m: TensorLike, y: TensorLike | None = None, rowvar: bool = True, bias: bool = False, ddof: int | None = None,
        fweights: TensorLike | None = None, aweights: TensorLike | None = None,
        dtype: str | None = None) -> TensorVariable:
    """The covariance matrix of variables, of which m (and y) have a row each, as numpy.cov; a scalar for one vector.

    rowvar False: a column each.  ddof: what is taken off the number of observations, 1 unless given, 0 with `bias`.
    fweights: how often each observation was made (integers, which are not checked to be positive); aweights: how much
    it counts.   Dtype: at least float64, unless given.  Without degrees of freedom, inf
    and nan; without weights, nan.
    """
    x = _rows(m, rowvar, "cov")
    if y is not None:
        x = join(0, x, _rows(y, rowvar, "cov"))
    x = cast(x, dtypes.upcast(x.type.dtype, "float64") if dtype is None else dtype)
    ddof = (0 if bias else 1) if ddof is None else python_integer(ddof, "cov", "ddof")
    work = "float64" if x.type.dtype in dtypes.COMPLEX else x.type.dtype
    w: TensorVariable | None = None
    if fweights is not None:
        w = _of_observations(fweights, x, "fweights")
        if w.type.dtype not in dtypes.INTEGERS:
            raise TypeMismatchError(f"cov: fweights are integers, got {describe(w)} of type {w.type}{at(w.source)}")
        w = cast(w, work)
    if aweights is not None:
        a = cast(_of_observations(aweights, x, "aweights"), work)
        w = a if w is None else ew.mul(w, a)
    if w is None:
        total = cast(size_of(x, 1), work)
        mean, freedom = red.mean(x, 1), ew.sub(total, constant(ddof, dtype=work))
    else:
        total = red.sum(w)
        mean, freedom = ew.true_divide(dot(x, w), total), total
        if ddof:
            taken = constant(ddof, dtype=work) if aweights is None else ew.true_divide(
                ew.mul(red.sum(ew.mul(w, a)), constant(ddof, dtype=work)), total)
            freedom = ew.sub(total, taken)
    freedom = ew.maximum(freedom, constant(0, dtype=work))
    x = ew.sub(x, shape_padright(mean))
    weighted = x if w is None else ew.mul(x, w)
    return squeeze(ew.true_divide(dot(x, ew.conj(weighted).T), freedom))


def corrcoef(x: TensorLike, y: TensorLike | None = None, rowvar: bool = True,
             dtype: str | None = None) -> TensorVariable:
    """The correlation matrix of variables, of which x (and y) have a row each, as numpy.corrcoef; 1 for one vector."""
    c = cov(x, y, rowvar, dtype=dtype)
    if c.type.ndim == 0:
        return ew.true_divide(c, c)
    spread = ew.sqrt(ew.real(diagonal(c)))
    c = ew.true_divide(ew.true_divide(c, shape_padright(spread)), spread)
    return c if c.type.dtype in dtypes.COMPLEX else ew.clip(c, -1, 1)
