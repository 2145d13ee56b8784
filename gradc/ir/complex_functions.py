"""Forms (see `ir.complex_forms`) of exponentials, logarithms, powers, trigonometric and hyperbolic functions.

Sources: W. Kahan, Branch cuts for complex elementary functions, in The State of the Art in Numerical Analysis (1987),
whose arcs and areas these are; ISO C99, annex G; NumPy's npy_math.
"""

from __future__ import annotations

import math

from gradc.ir.complex_forms import FORMS, Form, Pair, Value, add, form_of, mul, reciprocal, switch, true_divide

# ---------------------------------------------------------------------------------- exponentials and logarithms


# By dtype: from where on a part of exp may be finite though exp of the real part is not, and what is taken off there.
_LARGEST = {"float32": 1e38, "float64": 1e308}
_LARGE = {"float32": (80.0, 24.0), "float64": (700.0, 100.0)}


@form_of("exp")
def exp(o: Value, z: Pair) -> Pair:
    """exp(x) cos(y), exp(x) sin(y), and y where that is 0.  Not inf because exp(x) alone is."""
    x, y = z
    limit, less = _LARGE[o.dtype(x)]
    large = o.gt(x, o.const(limit, x))
    size = o.exp(o.switch(large, o.sub(x, o.const(less, x)), x))
    again = o.switch(large, o.const(math.exp(less), x), o.const(1, x))
    upper, lower = o.mul(o.mul(size, o.cos(y)), again), o.mul(o.mul(size, o.sin(y)), again)
    return upper, o.switch(o.eq(y, o.const(0, y)), y, lower)


@form_of("exp2")
def exp2(o: Value, z: Pair) -> Pair:
    return exp(o, (o.mul(z[0], o.const(math.log(2), z[0])), o.mul(z[1], o.const(math.log(2), z[1]))))


@form_of("expm1")
def expm1(o: Value, z: Pair) -> Pair:
    """expm1(x) cos(y) - 2 sin(y/2)**2, exp(x) sin(y)."""
    x, y = z
    half = o.sin(o.mul(y, o.const(0.5, y)))
    return o.sub(o.mul(o.expm1(x), o.cos(y)), o.mul(o.const(2, y), o.mul(half, half))), exp(o, z)[1]


def _log_size(o: Value, size: Value, less: Value) -> Value:
    """The logarithm of |w|, given it and |w|**2 - 1, by which it is known near 1."""
    near = o.and_(o.gt(size, o.const(0.5, size)), o.lt(size, o.const(2, size)))
    safe = o.switch(near, less, o.const(0, less))
    return o.switch(near, o.mul(o.const(0.5, safe), o.log1p(safe)), o.log(size))


@form_of("log")
def log(o: Value, z: Pair) -> Pair:
    x, y = o.abs(z[0]), o.abs(z[1])
    large, small, one = o.maximum(x, y), o.minimum(x, y), o.const(1, x)
    less = o.add(o.mul(o.sub(large, one), o.add(large, one)), o.mul(small, small))
    return _log_size(o, o.hypot(x, y), less), o.arctan2(z[1], z[0])


@form_of("log1p")
def log1p(o: Value, z: Pair) -> Pair:
    x, y = z
    right = o.add(o.const(1, x), x)
    less = o.add(o.mul(x, o.add(o.const(2, x), x)), o.mul(y, y))
    return _log_size(o, o.hypot(right, y), less), o.arctan2(y, right)


def _scaled_log(factor: float) -> Form:
    def form(o: Value, z: Pair) -> Pair:
        x, y = log(o, z)
        return o.mul(x, o.const(factor, x)), o.mul(y, o.const(factor, y))
    return form


FORMS["log2"] = _scaled_log(1 / math.log(2))
FORMS["log10"] = _scaled_log(1 / math.log(10))


@form_of("sqrt")
def sqrt(o: Value, z: Pair) -> Pair:
    """t + iy/(2t) with t = sqrt((|x| + |z|)/2), mirrored for negative x."""
    x, y = z
    half, zero = o.const(0.5, x), o.const(0, x)
    t = o.sqrt(o.add(o.mul(half, o.abs(x)), o.mul(half, o.hypot(x, y))))
    kept = o.or_(o.eq(t, zero), o.isinf(y))
    u = o.switch(kept, y, o.true_divide(o.mul(half, y), t))
    right = o.ge(x, zero)
    return o.switch(right, t, o.abs(u)), o.switch(right, u, o.copysign(t, y))


@form_of("hypot")
def hypot(o: Value, z: Pair, w: Pair) -> Pair:
    """The analytic continuation, sqrt(z**2 + w**2)."""
    return sqrt(o, add(o, mul(o, z, z), mul(o, w, w)))


@form_of("hypot_slope")
def hypot_slope(o: Value, z: Pair, w: Pair) -> Pair:
    return true_divide(o, z, hypot(o, z, w))


@form_of("pow")
def power(o: Value, z: Pair, w: Pair) -> Pair:
    """exp(w log z); 1 for w = 0, and at z = 0 0 where the real part of w is positive, else nan."""
    x, y = exp(o, mul(o, w, log(o, z)))
    zero, one = o.const(0, x), o.const(1, x)
    at_zero = o.and_(o.eq(z[0], zero), o.eq(z[1], zero))
    value = o.switch(o.gt(w[0], zero), zero, o.const(math.nan, x))
    trivial = o.and_(o.eq(w[0], zero), o.eq(w[1], zero))
    return (o.switch(trivial, one, o.switch(at_zero, value, x)),
            o.switch(trivial, zero, o.switch(at_zero, value, y)))


def whole_power(o: Value, z: Pair, n: int) -> Pair:
    """z to a power that is a whole number, by products."""
    if n < 0:
        return reciprocal(o, whole_power(o, z, -n))
    result: Pair | None = None
    while n:
        if n & 1:
            result = z if result is None else mul(o, result, z)
        n >>= 1
        if n:
            z = mul(o, z, z)
    one = o.second(z[0], o.const(1, z[0]))
    return (one, o.second(z[0], o.const(0, z[0]))) if result is None else result


@form_of("sigmoid")
def sigmoid(o: Value, z: Pair) -> Pair:
    """1/(1 + exp(-z)) on the right, exp(z)/(1 + exp(z)) on the left."""
    x, y = z
    right = o.ge(x, o.const(0, x))
    e = exp(o, (o.neg(o.abs(x)), o.switch(right, o.neg(y), y)))
    one = o.const(1, x)
    return true_divide(o, switch(o, right, (one, o.const(0, x)), e), (o.add(one, e[0]), e[1]))


# ------------------------------------------------------------------ trigonometric and hyperbolic functions, inverses


def _times_i(o: Value, z: Pair) -> Pair:
    return o.neg(z[1]), z[0]


def _over_i(o: Value, z: Pair) -> Pair:
    return z[1], o.neg(z[0])


@form_of("sinh")
def sinh(o: Value, z: Pair) -> Pair:
    """sinh(x) cos(y), cosh(x) sin(y), and y where that is 0."""
    x, y = z
    return o.mul(o.sinh(x), o.cos(y)), o.switch(o.eq(y, o.const(0, y)), y, o.mul(o.cosh(x), o.sin(y)))


@form_of("cosh")
def cosh(o: Value, z: Pair) -> Pair:
    """cosh(x) cos(y), sinh(x) sin(y), and 0 where y is."""
    x, y = z
    real, signed = o.eq(y, o.const(0, y)), o.mul(o.copysign(o.const(1, x), x), y)
    return o.mul(o.cosh(x), o.cos(y)), o.switch(real, signed, o.mul(o.sinh(x), o.sin(y)))


@form_of("tanh")
def tanh(o: Value, z: Pair) -> Pair:
    """(sinh x cosh x + i sin y cos y) / (sinh(x)**2 + cos(y)**2); from 22 on 1 + 4i exp(-2x) sin y cos y."""
    x, y = z
    limit, one = o.const(22, x), o.const(1, x)
    far = o.gt(o.abs(x), limit)
    inner = o.switch(far, one, x)
    s, c, turn = o.sinh(inner), o.cos(y), o.mul(o.sin(y), o.cos(y))
    below = o.add(o.mul(s, s), o.mul(c, c))
    tail = o.mul(o.mul(o.const(4, x), o.exp(o.mul(o.const(-2, x), o.abs(x)))), turn)
    return (o.switch(far, o.copysign(one, x), o.true_divide(o.mul(s, o.cosh(inner)), below)),
            o.switch(far, tail, o.true_divide(turn, below)))


@form_of("arcsin")
def arcsin(o: Value, z: Pair) -> Pair:
    p, m = _roots_of_one(o, z)
    beside = o.switch(o.isinf(z[0]), o.abs(z[1]), o.sub(o.mul(p[0], m[0]), o.mul(p[1], m[1])))
    return (o.arctan2(z[0], beside),
            o.arcsinh(o.sub(o.mul(m[0], p[1]), o.mul(m[1], p[0]))))


@form_of("arccos")
def arccos(o: Value, z: Pair) -> Pair:
    p, m = _roots_of_one(o, z)
    return (o.mul(o.const(2, z[0]), o.arctan2(m[0], p[0])),
            o.arcsinh(o.sub(o.mul(p[0], m[1]), o.mul(p[1], m[0]))))


def _roots_of_one(o: Value, z: Pair) -> tuple[Pair, Pair]:
    """sqrt(1 + z) and sqrt(1 - z)."""
    one = o.const(1, z[0])
    return sqrt(o, (o.add(one, z[0]), z[1])), sqrt(o, (o.sub(one, z[0]), o.neg(z[1])))


@form_of("arccosh")
def arccosh(o: Value, z: Pair) -> Pair:
    one = o.const(1, z[0])
    p, m = sqrt(o, (o.add(z[0], one), z[1])), sqrt(o, (o.sub(z[0], one), z[1]))
    return (o.arcsinh(o.add(o.mul(m[0], p[0]), o.mul(m[1], p[1]))),
            o.mul(o.const(2, z[0]), o.arctan2(m[1], p[0])))


@form_of("arctanh")
def arctanh(o: Value, z: Pair) -> Pair:
    """For x >= 0 log1p(4x/|1-z|**2) / 4, near 1 log(|1+z|/|1-z|) / 2; half the angle of (1 - |z|**2, 2y)."""
    x, y = o.abs(z[0]), z[1]
    one, half, four = o.const(1, x), o.const(0.5, x), o.mul(o.const(4, x), x)
    left = o.sub(one, x)
    size = o.hypot(left, y)
    squared, near = o.mul(size, size), o.lt(size, half)
    inside = o.mul(half, o.log(o.true_divide(o.sqrt(o.add(four, squared)), o.switch(near, size, one))))
    outside = o.mul(o.const(0.25, x), o.log1p(o.switch(o.isinf(x), o.const(0, x), o.true_divide(four, squared))))
    twice = o.minimum(o.mul(o.const(2, y), o.abs(y)), o.const(_LARGEST[o.dtype(y)], y))
    turn = o.arctan2(o.copysign(twice, y), o.sub(o.mul(left, o.add(one, x)), o.mul(y, y)))
    return o.copysign(o.switch(near, inside, outside), z[0]), o.mul(half, turn)


def _turned(name: str, of: Form) -> None:
    """f(z) = g(iz) / i."""
    FORMS[name] = lambda o, z: _over_i(o, of(o, _times_i(o, z)))


_turned("sin", sinh)
_turned("tan", tanh)
_turned("arcsinh", arcsin)
_turned("arctan", arctanh)
FORMS["cos"] = lambda o, z: cosh(o, _times_i(o, z))
