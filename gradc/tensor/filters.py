"""Sums of products of shifted vectors, and polynomials: `convolve, correlate, polyval`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradc.errors import ShapeError, TypeMismatchError, at, quoted
from gradc.ir import build, dtypes, ops
from gradc.ir.convert import to_program
from gradc.ir.graph import apply, describe, user_line
from gradc.ir.types import TensorType
from gradc.tensor import elemwise as ew
from gradc.tensor.checks import in_range, named
from gradc.tensor.convert import as_tensor_variable, cast, of_sizes, size_constant, size_of
from gradc.tensor.creation import zeros_like
from gradc.tensor.moves import flip
from gradc.tensor.types import TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = ["convolve", "correlate", "polyval"]

# rows of `tensor.numpy_api`
NUMPY = {"convolve": "a v mode=", "correlate": "a v mode=", "polyval": "p x"}


METHODS = {"auto": "convolve", "direct": "convolve_direct", "fft": "convolve_fft"}


def _vectors(what: str, *given: TensorLike) -> list[TensorVariable]:
    """Vectors that are not empty, of one dtype."""
    made = []
    for x in map(as_tensor_variable, given):
        if x.type.ndim != 1 or x.type.dtype == "bool":
            raise TypeMismatchError(f"{what} takes vectors of numbers, got {describe(x)} of type {x.type}"
                                    f"{at(x.source or user_line())}")
        made.append(in_range(size_of(x, 0), 1, None, f"{what}: {named(x)} is empty", "size", on=x))
    return [cast(x, dtypes.upcast(*[v.type.dtype for v in made])) for x in made]


def _convolution(what: str, a: TensorVariable, v: TensorVariable, mode: str, method: str,
                 swapped: bool) -> TensorVariable:
    """What `mode` keeps; `swapped`: the middle is that of the vectors the other way round where v is the longer one."""
    if mode not in ("full", "same", "valid"):
        raise TypeMismatchError(f"{what}: mode is 'full', 'same' or 'valid', got {quoted(mode)}{at(user_line())}")
    if method not in METHODS:
        raise TypeMismatchError(f"{what}: method is 'auto', 'direct' or 'fft', got {quoted(method)}{at(user_line())}")
    if method == "fft" and a.type.dtype in dtypes.INTEGERS:
        raise TypeMismatchError(f"{what}: method 'fft' takes floats, got {describe(a)} of type {a.type}"
                                f"{at(user_line())}; cast it")
    n, m, one, two = size_of(a, 0), size_of(v, 0), size_constant(1), size_constant(2)
    short, long = ew.minimum(n, m), ew.maximum(n, m)
    if mode == "full":
        start, count = size_constant(0), of_sizes(lambda a, b: a + b - 1, n, m)
    elif mode == "valid":
        start, count = ew.sub(short, one), of_sizes(lambda a, b: abs(a - b) + 1, n, m)
    else:
        start, count = ew.floor_divide(ew.sub(short, one), two), long
        if swapped:
            start = ew.switch(ew.gt(m, n), ew.floor_divide(short, two), start)
    return window_of_convolution(a, v, start, count, method)


def window_of_convolution(a: TensorVariable, v: TensorVariable, start: TensorVariable, count: TensorVariable,
                          method: str) -> TensorVariable:
    """`count` elements from `start` on of the whole convolution along the last axis.

    That of complex numbers is made of those of their parts.
    """
    if a.type.dtype in dtypes.COMPLEX:
        (ar, ai), (vr, vi) = [(ew.real(x), ew.imag(x)) for x in (a, v)]
        parts = [[window_of_convolution(x, y, start, count, method) for y in (vr, vi)] for x in (ar, ai)]
        return ew.complex(ew.sub(parts[0][0], parts[1][1]), ew.add(parts[0][1], parts[1][0]))
    return apply(build.call(METHODS[method], (1,)), a, v, start, count)


def convolve(a: TensorLike, v: TensorLike, mode: str = "full", method: str = "auto") -> TensorVariable:
    """The convolution of two vectors: element k is the sum of a[k - j] * v[j], as numpy.convolve.

    mode: "full" (all n + m - 1 elements), "same" (the middle, as many as the longer vector has) or "valid" (those for
    which both overlap fully).
    method: "direct" (the sums), "fft" (by transforms: errors are of the order of eps times the norms of a and v),
    "auto" (what takes less time; integers are summed).
    Where an element is nan or inf any element of the result may be nan.   Dtype: common.
    """
    x, y = _vectors("convolve", a, v)
    return _convolution("convolve", x, y, mode, method, False)


def correlate(a: TensorLike, v: TensorLike, mode: str = "valid", method: str = "auto") -> TensorVariable:
    """The correlation of two vectors: element k is the sum of a[k + j] * conj(v[j]), as numpy.correlate.

    mode, method: as of `convolve`.   Dtype: common.
    """
    x, y = _vectors("correlate", a, v)
    return _convolution("correlate", x, flip(ew.conj(y)), mode, method, True)


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
