"""Rows about signs, neighbours and parts of numbers, and of integers, see `scalars.py`."""

from __future__ import annotations

import math

import numpy as np

from gradc.ir.elementary import Array
from gradc.ir.scalars import Value, difference, keep, row

_LOG_2 = math.log(2)


def _cbrt(x: Array) -> Array:
    """The real cube root; the analytic continuation for complex arguments."""
    if np.iscomplexobj(x):
        sign = np.where(np.real(x) < 0, -1.0, 1.0)
        return sign * (sign * x) ** (1 / 3)
    return np.cbrt(x)


def _fmod(x: Array, y: Array) -> Array:
    """x - y * n with the sign of x, n whole; the remainder of an integer by 0 is 0."""
    if np.iscomplexobj(x) or np.iscomplexobj(y):
        return x - y * np.trunc(np.real(x) / np.real(y))
    return np.fmod(x, y)


def _copysign(x: Array, y: Array) -> Array:
    """|x| with the sign of y, that of zeros and nan, too."""
    if np.iscomplexobj(x):
        return np.where(np.signbit(np.real(x)) == np.signbit(np.real(y)), x, -x)
    return np.copysign(x, y)


def _logaddexp2(x: Array, y: Array) -> Array:
    """log2(2**x + 2**y) = max + log1p(2**-|x - y|)/log(2); equal infinities give that infinity."""
    x, y = np.asarray(x), np.asarray(y)
    real = x.real.dtype.type
    larger = np.where(x.real >= y.real, x, y)
    gap = np.where(x == y, real(0), np.where(x.real >= y.real, y - x, x - y))
    return larger + np.log1p(np.exp2(gap)) * real(1 / _LOG_2)


def _heaviside(x: Array, h: Array) -> Array:
    """0 below 0, h at 0, 1 above; nan of nan."""
    return np.where(x == 0, h, np.heaviside(np.real(x), 0)) if np.iscomplexobj(h) else np.heaviside(np.real(x), h)


def _ldexp(x: Array, n: Array) -> Array:
    """x * 2**n, rounded once; nan where n is."""
    if np.iscomplexobj(x):
        return x * np.exp2(np.trunc(np.real(n)))
    n = np.asarray(n)
    whole = np.ldexp(x, np.nan_to_num(np.clip(n, -5000, 5000)).astype("int32"))
    return np.where(np.isnan(n), n, whole).astype(x.dtype)


def _mantissa(x: Array) -> Array:
    """x / 2**e, of size in [1/2, 1)."""
    if np.iscomplexobj(x):
        return x * np.exp2(-np.frexp(np.real(x))[1].astype("float64"))
    return np.frexp(x)[0]


def _exponent(x: Array) -> Array:
    """The e of x = m * 2**e; 0 for zeros, infinities and nan."""
    return np.where(np.isfinite(x), np.frexp(np.real(x))[1], 0)


def _bitwise_count(x: Array) -> Array:
    """The number of bits of |x| that are 1."""
    x = np.asarray(x)
    size = np.where(x < 0, np.negative(x, where=x.dtype.kind == "i", out=np.array(x)), x) if x.dtype != bool else x
    words = np.ascontiguousarray(size).astype(f"uint{8 * x.dtype.itemsize}")
    bits = np.unpackbits(words[..., np.newaxis].view("uint8"), axis=-1)
    return bits.sum(-1, dtype="uint8")


def _share(o: Value, g: Value, x: Value, y: Value) -> Value:
    """2**x / (2**x + 2**y)."""
    return o.sigmoid(o.mul(o.const(_LOG_2, g), difference(o, g, x, y)))


# --- floats

row("cbrt", 1, "floating", _cbrt, "cbrt{s}({0})", cost="power", ulp=3,
    d=(lambda o, g, out, x: o.true_divide(g, o.mul(o.const(3, g), o.square(out))),))
row("fmax", 2, "common", np.fmax, "gradc_fmax_{t}({0}, {1})", identity="lowest", commutative=True,
    d=(lambda o, g, out, x, y: keep(o, o.or_(o.ge(x, y), o.isnan(y)), g),
       lambda o, g, out, x, y: keep(o, o.invert(o.or_(o.ge(x, y), o.isnan(y))), g)))
row("fmin", 2, "common", np.fmin, "gradc_fmin_{t}({0}, {1})", identity="highest", commutative=True,
    d=(lambda o, g, out, x, y: keep(o, o.or_(o.le(x, y), o.isnan(y)), g),
       lambda o, g, out, x, y: keep(o, o.invert(o.or_(o.le(x, y), o.isnan(y))), g)))
row("fmod", 2, "integral", _fmod,
    {"f": "fmod{s}({0}, {1})", "i": "gradc_fmod_{t}({0}, {1})", "u": "gradc_fmod_{t}({0}, {1})"}, cost="special",
    vector=False, d=(lambda o, g, out, x, y: g,
                     lambda o, g, out, x, y: o.neg(o.mul(g, o.trunc(o.true_divide(o.sub(x, out), y))))))
row("copysign", 2, "floating", _copysign, "copysign{s}({0}, {1})",
    d=(lambda o, g, out, x, y: o.switch(o.eq(o.signbit(x), o.signbit(y)), g, o.neg(g)), None))
row("signbit", 1, "predicate", lambda x: np.signbit(np.real(x)) if np.asarray(x).dtype != bool else np.zeros_like(x),
    {"f": "gradc_signbit_{t}({0})", "i": "{0} < 0", "u": "gradc_signbit_{t}({0})", "b": "gradc_signbit_{t}({0})"},
    d=(None,))
row("heaviside", 2, "floating", _heaviside, "gradc_heaviside_{t}({0}, {1})",
    d=(None, lambda o, g, out, x, y: keep(o, o.eq(x, o.const(0, x)), g)))
row("nextafter", 2, "neighbour", np.nextafter, "nextafter{s}({0}, {1})", cost="power", vector=False,
    d=(lambda o, g, out, x, y: g, None))
row("spacing", 1, "neighbour", np.spacing, "gradc_spacing_{t}({0})", cost="power", vector=False, d=(None,))
row("ldexp", 2, "scaled", _ldexp, "gradc_ldexp_{t}({0}, {1})", cost="power", vector=False,
    d=(lambda o, g, out, x, n: o.ldexp(g, n), None))
row("frexp_mantissa", 1, "floating", _mantissa, "gradc_frexp_mantissa_{t}({0})", cost="power", vector=False,
    d=(lambda o, g, out, x: o.ldexp(g, o.neg(o.frexp_exponent(x))),))
row("frexp_exponent", 1, "exponent", _exponent, "gradc_frexp_exponent_{t}({0})", cost="power", vector=False, d=(None,))
row("logaddexp2", 2, "floating", _logaddexp2, "gradc_logaddexp2_{t}({0}, {1})", cost="power", ulp=6, commutative=True,
    d=(lambda o, g, out, x, y: o.mul(g, _share(o, g, x, y)), lambda o, g, out, x, y: o.mul(g, _share(o, g, y, x))))

# --- integers

row("gcd", 2, "shift", np.gcd, "gradc_gcd_{t}({0}, {1})", cost="special", vector=False, commutative=True,
    d=(None, None))
row("lcm", 2, "shift", np.lcm, "gradc_lcm_{t}({0}, {1})", cost="special", vector=False, commutative=True,
    d=(None, None))
row("bitwise_count", 1, "bits", _bitwise_count, "gradc_bitwise_count_{t}({0})", cost="divide", d=(None,))
