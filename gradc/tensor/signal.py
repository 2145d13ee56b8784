"""Signals: functions of `scipy.signal` that are made of Fourier transforms, on variables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gradc.errors import ShapeError, TypeMismatchError, at, quoted
from gradc.ir import build, dtypes, graph, ops
from gradc.ir.graph import Constant, apply, describe, user_line
from gradc.tensor import elemwise as ew
from gradc.tensor.checks import flag, in_range, named
from gradc.tensor.convert import as_tensor_variable, cast, constant, of_sizes, size_constant, size_of
from gradc.tensor.fft.fourier import fft, fftn, ifft, ifftn, irfftn, rfft, rfftn
from gradc.tensor.fft.frequencies import fftfreq, rfftfreq
from gradc.tensor.fft.lengths import fitted, last, numbers
from gradc.tensor.filters import window_of_convolution
from gradc.tensor.joining import slice_axis
from gradc.tensor.reduce import mean, normalize_axis
from gradc.tensor.reduce import sum as sum_of
from gradc.tensor.types import Axes, Axis, SizeLike, TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = ["fftconvolve", "hilbert", "periodogram"]


def fftconvolve(in1: TensorLike, in2: TensorLike, mode: str = "full", axes: Axes = None) -> TensorVariable:
    """The convolution of two tensors along `axes` (None: all) by Fourier transforms, as scipy.signal.fftconvolve.

    mode: "full" (n + m - 1 elements along an axis), "same" (the middle, as many as in1 has) or "valid" (those for which
    both overlap fully; one of the two is not smaller along any of the axes).  Along other axes the two broadcast, of
    static size 1.
    Dtype: common, integers become floatX.   Error: of the order of eps times the norms of both.
    Raises: ShapeError for tensors of different rank, or without elements along an axis.
    """
    if mode not in ("full", "same", "valid"):
        raise TypeMismatchError(f"fftconvolve: mode is 'full', 'same' or 'valid', got {quoted(mode)}{at(user_line())}")
    a, b = as_tensor_variable(in1), as_tensor_variable(in2)
    if a.type.ndim != b.type.ndim:
        raise ShapeError(f"fftconvolve takes tensors of the same rank, {describe(a)} is {a.type.short()}, "
                         f"{describe(b)} is {b.type.short()}{at(user_line())}")
    complex = any(x.type.dtype in dtypes.COMPLEX for x in (a, b))
    a, b = numbers("fftconvolve", a, complex), numbers("fftconvolve", b, complex)
    dtype = dtypes.upcast(a.type.dtype, b.type.dtype)
    a, b = cast(a, dtype), cast(b, dtype)
    given = range(a.type.ndim) if axes is None else axes if isinstance(axes, Sequence) else [axes]
    places = [normalize_axis(k, a.type.ndim, "fftconvolve", a) for k in given]
    for axis in places:
        a, b = [in_range(size_of(x, axis), 1, None, f"fftconvolve: axis {axis} of {named(x)} is empty", "size", on=x)
                for x in (a, b)]
    if not places:
        return ew.mul(a, b)
    if len(places) == 1:
        (axis,) = places
        a, b = [build.move_axis(graph, x, axis, x.type.ndim - 1) for x in (a, b)]
        start, count = _kept(a, b, a.type.ndim - 1, mode)
        return build.move_axis(graph, window_of_convolution(a, b, start, count, "fft"), a.type.ndim - 1, axis)
    whole = [of_sizes(lambda n, m: n + m - 1, size_of(a, k), size_of(b, k)) for k in places]
    lengths = [size_constant(_fast(int(n.data))) if isinstance(n, Constant) else n for n in whole]
    forward, backward = (fftn, ifftn) if complex else (rfftn, irfftn)
    made = backward(ew.mul(forward(a, lengths, places), forward(b, lengths, places)), lengths, places)
    for axis in places:
        start, count = _kept(a, b, axis, mode)
        made = slice_axis(made, axis, start, ew.add(start, count))
    return made


def _kept(a: TensorVariable, b: TensorVariable, axis: int, mode: str) -> tuple[TensorVariable, TensorVariable]:
    """Which elements of a full convolution `mode` keeps along `axis`: the first, and how many."""
    n, m = size_of(a, axis), size_of(b, axis)
    if mode == "full":
        return size_constant(0), of_sizes(lambda n, m: n + m - 1, n, m)
    if mode == "same":
        return of_sizes(lambda m: (m - 1) // 2, m), n
    return ew.sub(ew.minimum(n, m), size_constant(1)), of_sizes(lambda n, m: abs(n - m) + 1, n, m)


def _fast(n: int) -> int:
    """The least number from n on that is a power of 2 times 1, 3, 5, 9, 15 or 25."""
    return min(odd << max(-(-n // odd) - 1, 0).bit_length() for odd in (1, 3, 5, 9, 15, 25))


def hilbert(x: TensorLike, N: SizeLike | None = None, axis: Axis = -1) -> TensorVariable:
    """The analytic signal x + i y, y being the Hilbert transform of the real x along `axis`, as scipy.signal.hilbert.

    N: the length of the transforms; x is cut, or zeros are added (None: all of the axis).   Dtype: complex.
    """
    v, where = last("hilbert", numbers("hilbert", x, False), axis)
    v, n = fitted("hilbert", v, N)
    places = apply(ops.Iota(), n)
    twice = ew.mul(places, size_constant(2))
    alone = ew.or_(ew.eq(places, size_constant(0)), ew.eq(twice, n))
    zero, one, two = [constant(value, dtype=v.type.dtype) for value in (0, 1, 2)]
    weights = ew.switch(alone, one, ew.switch(ew.lt(twice, n), two, zero))
    return build.move_axis(graph, ifft(ew.mul(fft(v), weights)), v.type.ndim - 1, where)


def periodogram(x: TensorLike, fs: TensorLike = 1.0, window: TensorLike | None = None, nfft: SizeLike | None = None,
                detrend: str | bool = "constant", return_onesided: bool = True, scaling: str = "density",
                axis: Axis = -1) -> tuple[TensorVariable, TensorVariable]:
    """Frequencies, and the power of x at them along `axis`, as scipy.signal.periodogram.

    fs: samples per unit of time.   window: a vector of weights (None: all are 1).   nfft: the length of the transform.
    detrend: "constant" takes off the mean, False nothing.   return_onesided: for real x the frequencies from 0 on only,
    with twice the power.   scaling: "density" (power by unit of frequency) or "spectrum" (power).
    """
    if scaling not in ("density", "spectrum"):
        raise TypeMismatchError(f"periodogram: scaling is 'density' or 'spectrum', got {quoted(scaling)}"
                                f"{at(user_line())}")
    if detrend not in ("constant", False):
        raise TypeMismatchError(f"periodogram: detrend is 'constant' or False, got {quoted(detrend)}{at(user_line())}")
    x = as_tensor_variable(x)
    complex = x.type.dtype in dtypes.COMPLEX
    one_sided = flag(return_onesided, "periodogram", "return_onesided") and not complex
    v, where = last("periodogram", numbers("periodogram", x, complex), axis)
    along = v.type.ndim - 1
    if nfft is not None:
        v = slice_axis(v, along, None, nfft)
    if detrend:
        v = ew.sub(v, mean(v, axis=along, keepdims=True))
    real = dtypes.REAL_PART.get(v.type.dtype, v.type.dtype)
    if window is not None:
        weights = cast(as_tensor_variable(window), real)
        v = ew.mul(v, weights)
        total = sum_of(ew.square(weights)) if scaling == "density" else ew.square(sum_of(weights))
    else:
        count = cast(size_of(v, along), real)
        total = count if scaling == "density" else ew.square(count)
    v, n = fitted("periodogram", v, nfft)
    made = rfft(v) if one_sided else fft(v)
    power = ew.true_divide(ew.add(ew.square(ew.real(made)), ew.square(ew.imag(made))), total)
    if scaling == "density":
        power = ew.true_divide(power, cast(as_tensor_variable(fs), real))
    if one_sided:
        twice = ew.mul(apply(ops.Iota(), size_of(power, along)), size_constant(2))
        alone = ew.or_(ew.eq(twice, size_constant(0)), ew.eq(twice, n))
        power = ew.mul(power, ew.switch(alone, constant(1, dtype=real), constant(2, dtype=real)))
    spacing = ew.true_divide(constant(1, dtype=real), cast(as_tensor_variable(fs), real))
    frequencies = rfftfreq(n, spacing) if one_sided else fftfreq(n, spacing)
    return frequencies, build.move_axis(graph, power, along, where)
