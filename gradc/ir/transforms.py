"""Values in NumPy of the routines that are Fourier transforms, transforms by cosines and sines, convolutions.

Each transform is linear, of one axis, and given a factor.  Real arguments may be complex in a complex step: then the
map is continued, which is linear over complex numbers.  An adjoint is one with the inner product Re(sum of conj(x) y).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray
Shape = tuple[int, ...]


def fft(x: Array, factor: Array) -> Array:
    return np.asarray(np.fft.fft(x) * factor, x.dtype) if x.size else x


def ifft(x: Array, factor: Array) -> Array:
    return np.asarray(np.fft.ifft(x) * (len(x) * factor), x.dtype) if x.size else x


def of_columns(transform: Callable[[Array, Array], Array]) -> Callable[[Array, Array], Array]:
    """`transform` of each column of a matrix."""
    return lambda x, factor: np.stack([transform(c, factor) for c in x.T], 1) if x.size else x


def _precise(x: Array) -> Any:
    """The complex dtype of the precision of x."""
    return np.result_type(x.dtype, np.complex64)


def rfft(x: Array, factor: Array, shape: Shape) -> Array:
    """The first n // 2 + 1 elements of the transform of n real numbers, cut, or zeros added, to shape[0]."""
    made = np.zeros(shape, _precise(x))
    if x.size:
        found = np.fft.fft(x)[:min(len(x) // 2 + 1, shape[0])] * factor
        made[:len(found)] = found
    return made


def irfft_adjoint(x: Array, factor: Array, shape: Shape) -> Array:
    """As `rfft`; elements that are not their own conjugates count twice."""
    return rfft(x, factor, shape) * _inner(shape[0], len(x), 2).astype(factor.dtype)


def irfft(x: Array, factor: Array, shape: Shape) -> Array:
    """The n = shape[0] real numbers, times n, whose transform has the first elements x: n // 2 + 1 count, if there are
    as many."""
    made = np.fft.irfft(x, shape[0]) * shape[0] if shape[0] else np.zeros(0)
    return np.asarray(made * factor, x.real.dtype)


def rfft_adjoint(x: Array, factor: Array, shape: Shape) -> Array:
    """As `irfft`; elements that are not their own conjugates count half."""
    return irfft(x * _inner(len(x), shape[0], 0.5).astype(factor.dtype), factor, shape)


def _inner(m: int, n: int, by: float) -> Array:
    """`by` for each of the first m elements of a transform of length n that is not its own conjugate, else 1."""
    places = np.arange(m)
    return np.where(2 * places % n == 0, 1, by) if n else np.ones(m)


def trigonometric(sines: bool, number: int) -> Callable[[Array, Array], Array]:
    """A transform by cosines, or by sines, of type `number`, as scipy.fft.dct and dst have it without a norm.

    It is the sum over j of 2 x[j] f(pi (k + a) (j + b) / m), of which in types 1 and 3 of cosines the first term, in
    type 3 of sines the last term, and in type 1 of cosines the last term, too, count half: by two transforms of
    length 2m, one for each exponential of which f is made.
    """
    a = {1: 1.0, 2: 1.0, 3: 0.5, 4: 0.5}[number] if sines else (0.0, 0.0, 0.5, 0.5)[number - 1]
    b = {1: 1.0, 2: 0.5, 3: 1.0, 4: 0.5}[number] if sines else (0.0, 0.5, 0.0, 0.5)[number - 1]

    def value(x: Array, factor: Array) -> Array:
        n = len(x)
        m = n + (1 if sines else -1) if number == 1 else n
        if not n or not m:
            return np.full_like(x, np.nan)
        if x.dtype.kind == "c":                 # apart, so that a small imaginary part is not lost in rounding
            return value(x.real, factor) + 1j * value(x.imag, factor)
        weights = np.ones(n)
        if number in (1, 3):
            weights[[-1] if sines else [0]] = 1 if sines and number == 1 else 0.5
            weights[-1] = 0.5 if not sines and number == 1 else weights[-1]
        places = np.arange(n)
        before = np.exp(-1j * np.pi * a * places / m)
        after = np.exp(-1j * np.pi * (places * b + a * b) / m)
        one = after * np.fft.fft(x * weights * before, 2 * m)[:n]
        other = after.conj() * np.fft.ifft(x * weights * before.conj(), 2 * m)[:n] * (2 * m)
        made = 1j * (one - other) if sines else one + other
        return np.asarray(made.real * factor, x.dtype)
    return value


def convolve(a: Array, v: Array, start: Array, shape: Shape) -> Array:
    """Elements start, start + 1, ... of the convolution, 0 outside of it."""
    made = np.zeros(shape, np.result_type(a, v))
    whole = np.convolve(a, v) if a.size and v.size else np.zeros(0, made.dtype)
    low, high = max(-int(start), 0), min(len(whole) - int(start), shape[0])
    if low < high:
        made[low:high] = whole[low + int(start):high + int(start)]
    return made
