"""Sums of products of shifted vectors, and polynomials: `convolve, correlate, polyval`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradc.errors import ShapeError, TypeMismatchError, at
from gradc.ir import dtypes, ops
from gradc.ir.convert import to_program
from gradc.ir.graph import Constant, apply, describe, user_line
from gradc.ir.types import TensorType
from gradc.tensor import elemwise as ew
from gradc.tensor.checks import in_range, named
from gradc.tensor.convert import as_tensor_variable, cast, size_constant, size_of
from gradc.tensor.creation import zeros, zeros_like
from gradc.tensor.joining import join, slice_axis
from gradc.tensor.moves import flip
from gradc.tensor.types import TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = ["convolve", "correlate", "polyval"]

# rows of `tensor.numpy_api`
NUMPY = {"convolve": "a v mode=", "correlate": "a v mode=", "polyval": "p x"}


def _vectors(what: str, *given: TensorLike) -> list[TensorVariable]:
    """Vectors that are not empty, of one dtype."""
    made = []
    for x in map(as_tensor_variable, given):
        if x.type.ndim != 1 or x.type.dtype == "bool":
            raise TypeMismatchError(f"{what} takes vectors of numbers, got {describe(x)} of type {x.type}"
                                    f"{at(x.source or user_line())}")
        made.append(in_range(size_of(x, 0), 1, None, f"{what}: {named(x)} is empty", "size", on=x))
    return [cast(x, dtypes.upcast(*[v.type.dtype for v in made])) for x in made]


def _full(a: TensorVariable, v: TensorVariable) -> TensorVariable:
    """The whole convolution: for each element of v, that times a, moved to its place, is added."""
    n, m = size_of(a, 0), size_of(v, 0)
    if isinstance(n, Constant) and isinstance(m, Constant) and n.data < m.data:
        a, v, n, m = v, a, m, n
    before = ew.sub(m, size_constant(1))
    margin = zeros(before, dtype=a.type.dtype)
    wide = join(0, margin, a, margin)
    vector = TensorType(a.type.dtype, (None,))
    factor, first = TensorType(a.type.dtype, ())("factor"), TensorType("int64", ())("first")
    total, moved = vector("total"), vector("wide")
    part = slice_axis(moved, 0, first, ew.add(first, size_of(total, 0)))
    step = to_program([factor, first, total, moved], [ew.add(total, ew.mul(factor, part))])
    places = ew.sub(before, apply(ops.Iota(), m))
    nothing = zeros(ew.add(n, before), dtype=a.type.dtype)
    return apply(ops.Scan(step, 2, 1, name="convolve"), m, v, places, nothing, wide)


def _part(full: TensorVariable, a: TensorVariable, v: TensorVariable, mode: str, what: str,
          swapped: bool) -> TensorVariable:
    """What `mode` keeps; `swapped`: the middle is that of the vectors the other way round where v is the longer one."""
    if mode not in ("full", "same", "valid"):
        raise TypeMismatchError(f"{what}: mode is 'full', 'same' or 'valid', got {mode!r}{at(user_line())}")
    if mode == "full":
        return full
    n, m = size_of(a, 0), size_of(v, 0)
    short, long, one, two = ew.minimum(n, m), ew.maximum(n, m), size_constant(1), size_constant(2)
    if mode == "valid":
        return slice_axis(full, 0, ew.sub(short, one), long)
    first = ew.floor_divide(ew.sub(short, one), two)
    if swapped:
        first = ew.switch(ew.gt(m, n), ew.floor_divide(short, two), first)
    return slice_axis(full, 0, first, ew.add(first, long))


def convolve(a: TensorLike, v: TensorLike, mode: str = "full") -> TensorVariable:
    """The convolution of two vectors: element k is the sum of a[k - j] * v[j], as numpy.convolve.

    mode: "full" (all n + m - 1 elements), "same" (the middle, as many as the longer vector has) or "valid" (those for
    which both overlap fully).   Dtype: common.
    """
    x, y = _vectors("convolve", a, v)
    return _part(_full(x, y), x, y, mode, "convolve", False)


def correlate(a: TensorLike, v: TensorLike, mode: str = "valid") -> TensorVariable:
    """The correlation of two vectors: element k is the sum of a[k + j] * conj(v[j]), as numpy.correlate.

    mode: as of `convolve`.   Dtype: common.
    """
    x, y = _vectors("correlate", a, v)
    return _part(_full(x, flip(ew.conj(y))), x, y, mode, "correlate", True)


def polyval(p: TensorLike, x: TensorLike) -> TensorVariable:
    """The polynomial with the coefficients p, the highest first, at x, as numpy.polyval.

    By Horner's scheme.   Shapes: that of x.   Dtype: common.
    """
    p, x = as_tensor_variable(p), as_tensor_variable(x)
    if p.type.ndim != 1:
        raise ShapeError(f"polyval takes a vector of coefficients, {describe(p)} is {p.type.short()}"
                         f"{at(p.source or user_line())}")
    dtype = dtypes.upcast(p.type.dtype, x.type.dtype)
    p, x = cast(p, dtype), cast(x, dtype)
    result = zeros_like(x)
    if p.type.shape[0] is not None:
        for k in range(p.type.shape[0]):
            result = ew.add(ew.mul(result, x), p[k])
        return result
    coefficient, at_x = TensorType(dtype, ())("coefficient"), x.type("x")
    value = x.type("value")
    step = to_program([coefficient, value, at_x], [ew.add(ew.mul(value, at_x), coefficient)])
    return apply(ops.Scan(step, 1, 1, name="polyval"), size_of(p, 0), p, result, x)
