"""Scalar functions of complex numbers, each as formulas for the real and the imaginary part of its result.

A form is written against a namespace `o` whose `o.NAME` is the row NAME of `ir.scalars`, as derivatives are, so that it
runs on NumPy arrays (tests) and in Programs (`passes.complex_parts`).  It is given each argument as a pair (real part,
imaginary part) and gives such a pair, or one real value.  No form calls a complex function of the C library: all are
made of rows that have vector code.

Values are NumPy's: the same branch cuts, and on them the side that the sign of a zero tells.  Errors are a few units
in the last place of the absolute value (not of each part) of the result; of `pow` so many times |y log x|.  Where a
part of an argument is inf or nan the result may have a nan where NumPy, after annex G of C99, has a limit.

Sources: W. Kahan, Branch cuts for complex elementary functions, in The State of the Art in Numerical Analysis (1987);
R. L. Smith, Algorithm 116: complex division, CACM 5 (1962) 435; NumPy's loops and npy_math.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

Value: TypeAlias = Any                  # what forms are written with: `o`, and arrays or Vars
Pair: TypeAlias = tuple[Value, Value]   # real and imaginary part; None for that of a real number, in forms of `MIXED`
Form: TypeAlias = Callable[..., Any]

FORMS: dict[str, Form] = {}             # row -> its form; complex numbers are refused by rows without one
MIXED: set[str] = set()                 # forms that take a real number for what it is: (x, None)
REAL_ON_REALS = frozenset((             # functions that are real where their arguments are
    "add", "sub", "mul", "true_divide", "neg", "square", "reciprocal", "exp", "exp2", "expm1", "sin", "cos", "tan",
    "arctan", "sinh", "cosh", "tanh", "arcsinh", "sigmoid", "switch", "second", "identity", "conj", "sgn",
    "round_half_to_even", "one_minus_square", "times_complement", "hypot", "maximum", "minimum"))


def _form(*names: str) -> Callable[[Form], Form]:
    def enter(form: Form) -> Form:
        FORMS.update(dict.fromkeys(names, form))
        return form
    return enter


def _mixed(*names: str) -> Callable[[Form], Form]:
    MIXED.update(names)
    return _form(*names)


# ------------------------------------------------------------------------------------------------- arithmetic


def _sum(o: Value, x: Value, y: Value) -> Value:
    """x + y, of which None is 0."""
    return y if x is None else x if y is None else o.add(x, y)


def _difference(o: Value, x: Value, y: Value) -> Value:
    """x - y, of which None is 0."""
    return x if y is None else o.neg(y) if x is None else o.sub(x, y)


def _product(o: Value, x: Value, y: Value) -> Value:
    """x * y, of which None is 0."""
    return None if x is None or y is None else o.mul(x, y)


@_mixed("add")
def add(o: Value, z: Pair, w: Pair) -> Pair:
    return o.add(z[0], w[0]), _sum(o, z[1], w[1])


@_mixed("sub")
def sub(o: Value, z: Pair, w: Pair) -> Pair:
    return o.sub(z[0], w[0]), _difference(o, z[1], w[1])


@_mixed("mul")
def mul(o: Value, z: Pair, w: Pair) -> Pair:
    """A real number multiplies both parts; NumPy's formula else."""
    (a, b), (c, d) = z, w
    return _difference(o, o.mul(a, c), _product(o, b, d)), _sum(o, _product(o, a, d), _product(o, b, c))


@_form("square")
def square(o: Value, z: Pair) -> Pair:
    return mul(o, z, z)


@_mixed("true_divide")
def true_divide(o: Value, z: Pair, w: Pair) -> Pair:
    """Smith's quotient; by 0 it is what the parts over 0 are."""
    (a, b), (c, d) = z, w
    if d is None:
        return o.true_divide(a, c), o.true_divide(b, c)
    if b is None:
        b = o.const(0, a)
    flat, ratio, scale = _smith(o, w)
    upper = o.switch(flat, o.add(a, o.mul(b, ratio)), o.add(o.mul(a, ratio), b))
    lower = o.switch(flat, o.sub(b, o.mul(a, ratio)), o.sub(o.mul(b, ratio), a))
    return o.mul(upper, scale), o.mul(lower, scale)


def _smith(o: Value, w: Pair) -> tuple[Value, Value, Value]:
    """Is |c| no less than |d| of c + id?  The smaller over the larger, r, and 1 over (larger + smaller * r)."""
    c, d = w
    flat = o.ge(o.abs(c), o.abs(d))
    large, small = o.switch(flat, c, d), o.switch(flat, d, c)
    zero = o.eq(large, o.const(0, large))
    large = o.switch(zero, o.const(0, large), large)
    ratio = o.switch(zero, o.const(0, large), o.true_divide(small, large))
    return flat, ratio, o.true_divide(o.const(1, large), o.add(large, o.mul(small, ratio)))


@_form("reciprocal")
def reciprocal(o: Value, z: Pair) -> Pair:
    flat, ratio, scale = _smith(o, z)
    side = o.mul(ratio, scale)
    return o.switch(flat, scale, side), o.neg(o.switch(flat, side, scale))


@_form("neg")
def neg(o: Value, z: Pair) -> Pair:
    return o.neg(z[0]), o.neg(z[1])


@_form("abs")
def absolute(o: Value, z: Pair) -> Value:
    return o.hypot(*z)


@_form("sgn")
def sgn(o: Value, z: Pair) -> Pair:
    """z / |z|, and 0 at 0."""
    size = o.hypot(*z)
    zero = o.eq(size, o.const(0, size))
    x, y = [o.switch(zero, o.const(0, size), o.true_divide(part, size)) for part in z]
    return x, y


@_form("round_half_to_even")
def round_half_to_even(o: Value, z: Pair) -> Pair:
    return o.round_half_to_even(z[0]), o.round_half_to_even(z[1])


@_form("one_minus_square")
def one_minus_square(o: Value, z: Pair) -> Pair:
    one = (o.const(1, z[0]), None)
    return mul(o, sub(o, one, z), add(o, one, z))


@_form("times_complement")
def times_complement(o: Value, z: Pair) -> Pair:
    return mul(o, z, sub(o, (o.const(1, z[0]), None), z))


@_form("hypot")
def hypot(o: Value, z: Pair, w: Pair) -> Pair:
    """The analytic continuation, sqrt(z**2 + w**2)."""
    return sqrt(o, add(o, mul(o, z, z), mul(o, w, w)))


# ------------------------------------------------------------------------------------------------------ parts


@_form("real")
def real(o: Value, z: Pair) -> Value:
    return z[0]


@_form("imag")
def imag(o: Value, z: Pair) -> Value:
    return z[1]


@_form("conj")
def conj(o: Value, z: Pair) -> Pair:
    return z[0], o.neg(z[1])


@_form("angle")
def angle(o: Value, z: Pair) -> Value:
    return o.arctan2(z[1], z[0])


# ----------------------------------------------------------------------------------------- choice and comparison


@_form("identity")
def identity(o: Value, z: Pair) -> Pair:
    return z


@_mixed("switch")
def switch(o: Value, condition: Value, z: Pair, w: Pair) -> Pair:
    zero = o.const(0, z[0])
    return o.switch(condition, z[0], w[0]), o.switch(condition, *[zero if p[1] is None else p[1] for p in (z, w)])


@_form("second")
def second(o: Value, shape: Value, z: Pair) -> Pair:
    return o.second(shape, z[0]), o.second(shape, z[1])


@_form("isnan")
def isnan(o: Value, z: Pair) -> Value:
    return o.or_(o.isnan(z[0]), o.isnan(z[1]))


@_form("isinf")
def isinf(o: Value, z: Pair) -> Value:
    return o.or_(o.isinf(z[0]), o.isinf(z[1]))


@_form("eq")
def eq(o: Value, z: Pair, w: Pair) -> Value:
    return o.and_(o.eq(z[0], w[0]), o.eq(z[1], w[1]))


@_form("neq")
def neq(o: Value, z: Pair, w: Pair) -> Value:
    return o.or_(o.neq(z[0], w[0]), o.neq(z[1], w[1]))


def _ordered(name: str) -> None:
    """NumPy's order: by the real part, then by the imaginary part; nothing is in order with a nan."""

    def form(o: Value, z: Pair, w: Pair) -> Value:
        strict = getattr(o, name[0] + "t")(z[0], w[0])
        numbers = o.and_(o.eq(z[1], z[1]), o.eq(w[1], w[1]))
        return o.or_(o.and_(strict, numbers), o.and_(o.eq(z[0], w[0]), getattr(o, name)(z[1], w[1])))

    FORMS[name] = form


for _name in ("lt", "le", "gt", "ge"):
    _ordered(_name)


@_form("maximum")
def maximum(o: Value, z: Pair, w: Pair) -> Pair:
    """The later in NumPy's order; an argument with a nan, the first one."""
    return switch(o, o.or_(FORMS["ge"](o, z, w), isnan(o, z)), z, w)


@_form("minimum")
def minimum(o: Value, z: Pair, w: Pair) -> Pair:
    """The earlier in NumPy's order; an argument with a nan, the first one."""
    return switch(o, o.or_(FORMS["le"](o, z, w), isnan(o, z)), z, w)


# ---------------------------------------------------------------------------------- exponentials and logarithms


# By dtype: from where on a part of exp may be finite though exp of the real part is not, and what is taken off there.
_LARGE = {"float32": (80.0, 24.0), "float64": (700.0, 100.0)}


@_form("exp")
def exp(o: Value, z: Pair) -> Pair:
    """exp(x) cos(y), exp(x) sin(y), and y where that is 0.  Not inf because exp(x) alone is."""
    x, y = z
    limit, less = _LARGE[o.dtype(x)]
    large = o.gt(x, o.const(limit, x))
    size = o.exp(o.switch(large, o.sub(x, o.const(less, x)), x))
    again = o.switch(large, o.const(math.exp(less), x), o.const(1, x))
    upper, lower = o.mul(o.mul(size, o.cos(y)), again), o.mul(o.mul(size, o.sin(y)), again)
    return upper, o.switch(o.eq(y, o.const(0, y)), y, lower)


@_form("exp2")
def exp2(o: Value, z: Pair) -> Pair:
    return exp(o, (o.mul(z[0], o.const(math.log(2), z[0])), o.mul(z[1], o.const(math.log(2), z[1]))))


@_form("expm1")
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


@_form("log")
def log(o: Value, z: Pair) -> Pair:
    x, y = o.abs(z[0]), o.abs(z[1])
    large, small, one = o.maximum(x, y), o.minimum(x, y), o.const(1, x)
    less = o.add(o.mul(o.sub(large, one), o.add(large, one)), o.mul(small, small))
    return _log_size(o, o.hypot(x, y), less), o.arctan2(z[1], z[0])


@_form("log1p")
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


@_form("sqrt")
def sqrt(o: Value, z: Pair) -> Pair:
    """t + iy/(2t) with t = sqrt((|x| + |z|)/2), mirrored for negative x."""
    x, y = z
    half, zero = o.const(0.5, x), o.const(0, x)
    t = o.sqrt(o.add(o.mul(half, o.abs(x)), o.mul(half, o.hypot(x, y))))
    kept = o.or_(o.eq(t, zero), o.isinf(y))
    u = o.switch(kept, y, o.true_divide(o.mul(half, y), t))
    right = o.ge(x, zero)
    return o.switch(right, t, o.abs(u)), o.switch(right, u, o.copysign(t, y))


@_form("pow")
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


@_form("sigmoid")
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


@_form("sinh")
def sinh(o: Value, z: Pair) -> Pair:
    x, y = z
    return o.mul(o.sinh(x), o.cos(y)), o.mul(o.cosh(x), o.sin(y))


@_form("cosh")
def cosh(o: Value, z: Pair) -> Pair:
    x, y = z
    return o.mul(o.cosh(x), o.cos(y)), o.mul(o.sinh(x), o.sin(y))


@_form("tanh")
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


@_form("arcsin")
def arcsin(o: Value, z: Pair) -> Pair:
    p, m = _roots_of_one(o, z)
    return (o.arctan2(z[0], o.sub(o.mul(p[0], m[0]), o.mul(p[1], m[1]))),
            o.arcsinh(o.sub(o.mul(m[0], p[1]), o.mul(m[1], p[0]))))


@_form("arccos")
def arccos(o: Value, z: Pair) -> Pair:
    p, m = _roots_of_one(o, z)
    return (o.mul(o.const(2, z[0]), o.arctan2(m[0], p[0])),
            o.arcsinh(o.sub(o.mul(p[0], m[1]), o.mul(p[1], m[0]))))


def _roots_of_one(o: Value, z: Pair) -> tuple[Pair, Pair]:
    """sqrt(1 + z) and sqrt(1 - z)."""
    one = o.const(1, z[0])
    return sqrt(o, (o.add(one, z[0]), z[1])), sqrt(o, (o.sub(one, z[0]), o.neg(z[1])))


@_form("arccosh")
def arccosh(o: Value, z: Pair) -> Pair:
    one = o.const(1, z[0])
    p, m = sqrt(o, (o.add(z[0], one), z[1])), sqrt(o, (o.sub(z[0], one), z[1]))
    return (o.arcsinh(o.add(o.mul(m[0], p[0]), o.mul(m[1], p[1]))),
            o.mul(o.const(2, z[0]), o.arctan2(m[1], p[0])))


@_form("arctanh")
def arctanh(o: Value, z: Pair) -> Pair:
    """log1p(4x/|1-z|**2) / 4, near 1 log(|1+z|/|1-z|) / 2, for x >= 0, mirrored; half the angle of 1 - |z|**2 and 2y."""
    x, y = o.abs(z[0]), z[1]
    one, half, four = o.const(1, x), o.const(0.5, x), o.mul(o.const(4, x), x)
    left = o.sub(one, x)
    size = o.hypot(left, y)
    squared, near = o.mul(size, size), o.lt(size, half)
    inside = o.mul(half, o.log(o.true_divide(o.sqrt(o.add(four, squared)), o.switch(near, size, one))))
    outside = o.mul(o.const(0.25, x), o.log1p(o.true_divide(four, squared)))
    turn = o.arctan2(o.mul(o.const(2, y), y), o.sub(o.mul(left, o.add(one, x)), o.mul(y, y)))
    return o.copysign(o.switch(near, inside, outside), z[0]), o.mul(half, turn)


def _turned(name: str, of: Form) -> None:
    """f(z) = g(iz) / i."""
    FORMS[name] = lambda o, z: _over_i(o, of(o, _times_i(o, z)))


_turned("sin", sinh)
_turned("tan", tanh)
_turned("arcsinh", arcsin)
_turned("arctan", arctanh)
FORMS["cos"] = lambda o, z: cosh(o, _times_i(o, z))
