"""Scalar functions of complex numbers, each as formulas for the real and the imaginary part of its result.

Here: arithmetic, choice and comparison; `ir.complex_functions` has exponentials and all that are made of them.

A form is written against a namespace `o` whose `o.NAME` is the row NAME of `ir.scalars`, as derivatives are, so that it
runs on NumPy arrays (tests) and in Programs (`ir.complex_parts`).  It is given each argument as a pair (real part,
imaginary part) and gives such a pair, or one real value.  No form calls a complex function of the C library: all are
made of rows that have vector code.

Values are NumPy's: the same branch cuts, and on them the side that the sign of a zero tells.  Errors are a few units
in the last place of the absolute value (not of each part) of the result; of `pow` so many times |y log x|.  Where a
part of an argument is inf or nan the result may have a nan where NumPy, after annex G of C99, has a limit.

Sources: NumPy's loops; R. L. Smith, Algorithm 116: complex division, Communications of the ACM 5 (1962) 435.
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
    "round_half_to_even", "one_minus_square", "times_complement", "hypot", "maximum", "minimum", "clip"))


def form_of(row: str) -> Callable[[Form], Form]:
    """Decorator: this is the form of the row."""
    def enter(form: Form) -> Form:
        FORMS[row] = form
        return form
    return enter


def _mixed(row: str) -> Callable[[Form], Form]:
    MIXED.add(row)
    return form_of(row)


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


@form_of("square")
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


@form_of("reciprocal")
def reciprocal(o: Value, z: Pair) -> Pair:
    flat, ratio, scale = _smith(o, z)
    side = o.mul(ratio, scale)
    return o.switch(flat, scale, side), o.neg(o.switch(flat, side, scale))


@form_of("neg")
def neg(o: Value, z: Pair) -> Pair:
    return o.neg(z[0]), o.neg(z[1])


@form_of("abs")
def absolute(o: Value, z: Pair) -> Value:
    return o.hypot(*z)


@form_of("sgn")
def sgn(o: Value, z: Pair) -> Pair:
    """z / |z|, and 0 at 0; of one infinite part its sign."""
    size = o.hypot(*z)
    null, infinite = o.const(0, size), o.isinf(size)
    made = []
    for part, other in (z, z[::-1]):
        alone = o.switch(o.isinf(other), o.const(math.nan, size), o.copysign(o.const(1, size), part))
        far = o.switch(o.isinf(part), alone, null)
        made.append(o.switch(infinite, far, o.switch(o.eq(size, null), null, o.true_divide(part, size))))
    return made[0], made[1]


@form_of("round_half_to_even")
def round_half_to_even(o: Value, z: Pair) -> Pair:
    return o.round_half_to_even(z[0]), o.round_half_to_even(z[1])


@form_of("one_minus_square")
def one_minus_square(o: Value, z: Pair) -> Pair:
    one = (o.const(1, z[0]), None)
    return mul(o, sub(o, one, z), add(o, one, z))


@form_of("times_complement")
def times_complement(o: Value, z: Pair) -> Pair:
    return mul(o, z, sub(o, (o.const(1, z[0]), None), z))


# ------------------------------------------------------------------------------------------------------ parts


@form_of("real")
def real(o: Value, z: Pair) -> Value:
    return z[0]


@form_of("imag")
def imag(o: Value, z: Pair) -> Value:
    return z[1]


@form_of("conj")
def conj(o: Value, z: Pair) -> Pair:
    return z[0], o.neg(z[1])


@form_of("angle")
def angle(o: Value, z: Pair) -> Value:
    return o.arctan2(z[1], z[0])


# ----------------------------------------------------------------------------------------- choice and comparison


@form_of("identity")
def identity(o: Value, z: Pair) -> Pair:
    return z


@_mixed("switch")
def switch(o: Value, condition: Value, z: Pair, w: Pair) -> Pair:
    zero = o.const(0, z[0])
    return o.switch(condition, z[0], w[0]), o.switch(condition, *[zero if p[1] is None else p[1] for p in (z, w)])


@form_of("second")
def second(o: Value, shape: Value, z: Pair) -> Pair:
    return o.second(shape, z[0]), o.second(shape, z[1])


@form_of("isnan")
def isnan(o: Value, z: Pair) -> Value:
    return o.or_(o.isnan(z[0]), o.isnan(z[1]))


@form_of("isinf")
def isinf(o: Value, z: Pair) -> Value:
    return o.or_(o.isinf(z[0]), o.isinf(z[1]))


@form_of("eq")
def eq(o: Value, z: Pair, w: Pair) -> Value:
    return o.and_(o.eq(z[0], w[0]), o.eq(z[1], w[1]))


@form_of("neq")
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


@form_of("maximum")
def maximum(o: Value, z: Pair, w: Pair) -> Pair:
    """The later in NumPy's order; an argument with a nan, the first one."""
    return switch(o, o.or_(FORMS["ge"](o, z, w), isnan(o, z)), z, w)


@form_of("minimum")
def minimum(o: Value, z: Pair, w: Pair) -> Pair:
    """The earlier in NumPy's order; an argument with a nan, the first one."""
    return switch(o, o.or_(FORMS["le"](o, z, w), isnan(o, z)), z, w)


@form_of("clip")
def clip(o: Value, z: Pair, low: Pair, high: Pair) -> Pair:
    return minimum(o, maximum(o, z, low), high)
