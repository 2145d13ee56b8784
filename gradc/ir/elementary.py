"""NumPy forms of the scalar functions that need more than one ufunc: arithmetic, rounding, and forms that don't cancel.

Each takes and returns arrays of one floating dtype (integers for `power`, `clip` and the roundings); the
rows of `ir.scalars` name them, the C forms in `csrc/include/gradc_math.h` follow the same formulas.  They
are written for clarity and accuracy (a few units in the last place in float64), not for speed.
Holomorphic functions accept complex arguments, so that derivatives can be checked by a complex step.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray       # or a NumPy scalar

_ONE_OVER_E = (0.36787944117144233, -1.2428753672788363e-17)

# ------------------------------------------------------------------------------------- arithmetic and rounding


def power(x: Array, y: Array) -> Array:
    """x**y.  Integers wrap around; with a negative exponent 1 and -1 are exact and all else gives 0."""
    x, y = np.asarray(x), np.asarray(y)
    if np.result_type(x, y).kind not in "iu":
        return np.power(x, y)
    x, y = np.broadcast_arrays(x, y)
    odd = (y & 1).astype(bool)
    inverse = np.where(x == 1, 1, np.where(x == -1, np.where(odd, -1, 1), 0)) if x.dtype.kind == "i" else x
    result, base, rest = np.ones_like(x), x.copy(), np.where(y < 0, 0, y)
    with np.errstate(all="ignore"):
        for _ in range(8 * x.dtype.itemsize):
            result = np.where(rest & 1, result * base, result)
            base, rest = base * base, rest >> 1
    return np.where(y < 0, inverse, result).astype(x.dtype)


def complex_of(x: Array, y: Array) -> Array:
    """The complex number x + iy, by its parts: neither an inf nor the sign of a zero is lost."""
    x, y = np.broadcast_arrays(x, y)
    if np.iscomplexobj(x) or np.iscomplexobj(y):        # the analytic continuation
        return x + 1j * y
    made = np.empty(x.shape, "complex64" if np.result_type(x, y) == np.float32 else "complex128")
    made.real, made.imag = x, y
    return made


def arctan2(y: Array, x: Array) -> Array:
    """Angle of the point (x, y); the analytic continuation for complex arguments."""
    if np.iscomplexobj(y) or np.iscomplexobj(x):
        flat = np.abs(np.real(x)) >= np.abs(np.real(y))
        turn = np.where(np.real(x) < 0, np.copysign(np.pi, np.real(y)), 0.0)
        upright = np.copysign(np.pi / 2, np.real(y))
        return np.where(flat, np.arctan(y / np.where(flat, x, 1)) + turn, upright - np.arctan(x / np.where(flat, 1, y)))
    return np.arctan2(y, x)


def hypot(x: Array, y: Array) -> Array:
    """sqrt(x**2 + y**2), without overflow; the analytic continuation for complex arguments."""
    if np.iscomplexobj(x) or np.iscomplexobj(y):
        return np.sqrt(np.square(x) + np.square(y))
    return np.hypot(x, y)


def hypot_slope(x: Array, y: Array) -> Array:
    """x / hypot(x, y), and 0 at 0 (there x, with its sign): the derivative of hypot by x, the cosine of an angle.

    Of the ratio r of the smaller to the larger, which neither overflows nor loses the smaller: 1 or r over
    sqrt(1 + r**2).
    """
    x, y = np.asarray(x), np.asarray(y)
    flat = np.abs(x.real) >= np.abs(y.real)
    one = x.real.dtype.type(1)
    large = np.where(flat, np.where(x.real < 0, -x, x), np.where(y.real < 0, -y, y))
    r = np.where(flat, np.where(y.real < 0, -y, y), np.where(x.real < 0, -x, x)) / np.where(large == 0, one, large)
    cosine = np.where(flat, one, r) / np.sqrt(one + r * r)
    return np.where(x == 0, x, np.where(x.real < 0, -cosine, cosine))


def _factor(x: Array, factor: float) -> Array:
    dtype = np.asarray(x).real.dtype
    return x * np.asarray(factor, dtype if dtype.kind == "f" else "float64")


def deg2rad(x: Array) -> Array:
    """x * (pi/180)."""
    return _factor(x, math.pi / 180)


def rad2deg(x: Array) -> Array:
    """x * (180/pi)."""
    return _factor(x, 180 / math.pi)


def clip(x: Array, lo: Array, hi: Array) -> Array:
    """As numpy.clip: minimum(maximum(x, lo), hi), nan wherever an argument is nan."""
    return np.minimum(np.maximum(x, lo), hi)


def round_half_to_even(x: Array) -> Array:
    """Nearest integer, halves to the even one; integers and bools as they are."""
    return np.rint(x) if np.asarray(x).dtype.kind in "fc" else np.array(x)


def round_half_away_from_zero(x: Array) -> Array:
    """Nearest integer, halves away from zero; integers and bools as they are."""
    if np.asarray(x).dtype.kind not in "f":
        return np.array(x)
    whole = np.trunc(x)
    return np.where(np.abs(x - whole) >= 0.5, whole + np.copysign(np.ones_like(x), x), whole)


# ----------------------------------------------------------------------------------------------- stable forms


def sigmoid(x: Array) -> Array:
    """1/(1 + exp(-x)).  Results below the smallest normal number flush to 0."""
    x = np.asarray(x)
    one = x.real.dtype.type(1)
    if np.iscomplexobj(x):
        e = np.exp(np.where(x.real > 0, -x, x))
        return np.where(x.real > 0, one, e) / (one + e)
    return one / (one + np.exp(-x))


def sech_squared(x: Array) -> Array:
    """1/cosh(x)**2 = 4e/(1 + e)**2 with e = exp(-2|x|): the derivative of tanh, accurate where 1 - tanh**2 cancels."""
    x = np.asarray(x)
    one = x.real.dtype.type(1)
    e = np.exp(-2 * np.where(x.real < 0, -x, x))
    return 4 * e / np.square(one + e)


def log_cosh(x: Array) -> Array:
    """log(cosh(x)): log1p(2 sinh(x/2)**2) up to 1, |x| + log1p(exp(-2|x|)) - log(2) from there on."""
    x = np.asarray(x)
    if np.iscomplexobj(x):
        return np.log(np.cosh(x))
    a = np.abs(x)
    one = x.dtype.type(1)
    near = np.log1p(2 * np.square(np.sinh(np.minimum(a, one) / 2)))
    return np.where(a < one, near, a + (np.log1p(np.exp(-2 * a)) - x.dtype.type(0.6931471805599453)))


def softplus(x: Array) -> Array:
    """log(1 + exp(x)) = log1p(exp(-|x|)) + max(x, 0)."""
    x = np.asarray(x)
    positive = x.real > 0
    return np.log1p(np.exp(np.where(positive, -x, x))) + np.where(positive, x, x.dtype.type(0))


def log1mexp(x: Array) -> Array:
    """log(1 - exp(x)) for x <= 0.

    Source: M. Maechler, Accurately computing log(1 - exp(-|a|)), R package Rmpfr, 2012: switch at -log 2.
    """
    x = np.asarray(x)
    return np.where(x.real > -math.log(2), np.log(-np.expm1(x)), np.log1p(-np.exp(x))).astype(x.dtype)


def logaddexp(x: Array, y: Array) -> Array:
    """log(exp(x) + exp(y)) = max + log1p(exp(-|x - y|)); equal infinities give that infinity."""
    x, y = np.asarray(x), np.asarray(y)
    larger = np.where(x.real >= y.real, x, y)
    gap = np.where(x == y, x.real.dtype.type(0), np.where(x.real >= y.real, y - x, x - y))
    return larger + np.log1p(np.exp(gap))


def softsign(x: Array) -> Array:
    """x / (1 + |x|)."""
    x = np.asarray(x)
    return x / (x.real.dtype.type(1) + np.where(x.real < 0, -x, x))


def log_plus_one(x: Array) -> Array:
    """log(x) + 1, the derivative of xlogx; near its zero 1/e by log1p of (x - 1/e)/(1/e), where the sum cancels."""
    x = np.asarray(x)
    real = x.real.dtype.type
    high = real(_ONE_OVER_E[0])
    low = real(float(_ONE_OVER_E[0]) - float(high) + _ONE_OVER_E[1])
    near = np.abs(x.real - high) < 0.25
    return np.where(near, np.log1p(np.where(near, ((x - high) - low) / high, real(0))), np.log(x) + real(1))


def xlogx(x: Array) -> Array:
    """x log x, and 0 at 0."""
    x = np.asarray(x)
    return np.where(x == 0, x.dtype.type(0), x * np.log(x))


def xlogy0(x: Array, y: Array) -> Array:
    """x log y, and 0 where x is 0, whatever y is."""
    x, y = np.asarray(x), np.asarray(y)
    return np.where(x == 0, x.dtype.type(0), x * np.log(y))
