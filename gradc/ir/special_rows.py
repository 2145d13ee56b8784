"""Rows of the special functions, see `scalars.py`; their values and C text are the functions of `special_*.py`."""

from __future__ import annotations

import math
from collections.abc import Callable

from gradc.ir import special, special_error, special_gamma, special_incomplete
from gradc.ir.scalar_code import ScalarFunction
from gradc.ir.scalars import Value, row

_TWO_OVER_ROOT_PI = 2 / math.sqrt(math.pi)
_HALF_ROOT_PI = math.sqrt(math.pi) / 2
_ROOT_HALF = math.sqrt(0.5)
_ROOT_TWO = math.sqrt(2)
_INVERSE_ROOT_TWO_PI = 1 / math.sqrt(2 * math.pi)
_ROOT_TWO_PI = math.sqrt(2 * math.pi)


def special_row(function: ScalarFunction, d: tuple[object, ...], numpy: Callable[..., object] | None = None,
                **rest: object) -> None:
    """A row of a function that is written once; with `numpy`, a form for complex numbers too."""
    n = function.python.__code__.co_argcount
    places = ", ".join([f"{{{k}}}" for k in range(n)])
    row(function.name, n, "floating", numpy or function.numpy,
        f"gradc_{function.name}_{{t}}({places})", d, function=function, vector=function.branch_free,
        cost="power" if function.branch_free else "special", **rest)


def _ierfcx_slope(o: Value, g: Value, out: Value, n: Value, x: Value) -> Value:
    """g * -2 (n+1) ierfcx(n+1, x)."""
    following = o.add(n, o.const(1, n))
    return o.mul(g, o.mul(o.mul(o.const(-2, g), following), o.ierfcx(following, x)))


def _gauss(o: Value, g: Value, x: Value) -> Value:
    """2/sqrt(pi) * exp(-x**2), the derivative of erf."""
    return o.mul(o.const(_TWO_OVER_ROOT_PI, g), o.exp(o.neg(o.square(x))))


def _inverse_mills(o: Value, g: Value, x: Value) -> Value:
    """2/sqrt(pi) * exp(-x**2) / erfc(x), each side of 0 by what is neither inf nor 0 there."""
    zero = o.const(0, g)
    right = o.mul(o.const(_ROOT_TWO, g), o.log_ndtr_slope(o.mul(o.const(-_ROOT_TWO, g), o.maximum(x, zero))))
    left = o.minimum(x, zero)
    return o.switch(o.gt(x, zero), right, o.true_divide(_gauss(o, g, left), o.erfc(left)))


def _inverse_gauss(o: Value, g: Value, out: Value) -> Value:
    """sqrt(pi)/2 * exp(out**2), the derivative of erfinv where it takes the value out."""
    return o.mul(o.const(_HALF_ROOT_PI, g), o.exp(o.square(out)))


def _density(o: Value, g: Value, x: Value) -> Value:
    """The density of the standard normal distribution."""
    return o.mul(o.const(_INVERSE_ROOT_TWO_PI, g), o.exp(o.mul(o.const(-0.5, g), o.square(x))))


def _third_of_log_ndtr(o: Value, g: Value, out: Value, x: Value) -> Value:
    """g times the third derivative of log_ndtr, whose first one is h.

    Left of 0, where sums of x and h cancel, by y = -x/sqrt(2) and the integrals of erfc, i(n) = ierfcx(n, y)/erfcx(y):
    h = sqrt(2) i(1) - x and i(n)' = 2 i(1) i(n) - 2 (n+1) i(n+1), of which the terms are of one size in all orders.
    """
    zero = o.const(0, g)
    y = o.mul(o.const(-_ROOT_HALF, g), o.minimum(x, zero))
    i1, i2, i3 = [o.true_divide(o.ierfcx(o.const(n, g), y), o.erfcx(y)) for n in (1, 2, 3)]
    inner = o.sub(o.sub(o.mul(o.const(3, g), o.mul(i1, i2)), o.mul(i1, o.square(i1))), o.mul(o.const(3, g), i3))
    left = o.mul(o.const(-8 * _ROOT_HALF, g), inner)
    b = o.maximum(x, zero)
    h = o.log_ndtr_slope(b)
    second = o.neg(o.mul(h, o.add(b, h)))
    right = o.neg(o.add(o.mul(second, o.add(b, h)), o.mul(h, o.add(o.const(1, g), second))))
    return o.mul(g, o.switch(o.lt(x, zero), left, right))


# --- error functions and the normal distribution

row("erf", 1, "floating", special.erf, "erf{s}({0})",
    d=(lambda o, g, out, x: o.mul(g, _gauss(o, g, x)),), cost="special", ulp=4)
row("erfc", 1, "floating", special.erfc, "erfc{s}({0})",
    d=(lambda o, g, out, x: o.neg(o.mul(g, _gauss(o, g, x))),), cost="special", ulp=6)
special_row(special_error.erfinv, numpy=special.erfinv, ulp=8, domain="unit",
            d=(lambda o, g, out, x: o.mul(g, _inverse_gauss(o, g, out)),))
special_row(special_error.erfcinv, numpy=special.erfcinv, ulp=8, domain="zero_to_two",
            d=(lambda o, g, out, x: o.neg(o.mul(g, _inverse_gauss(o, g, out))),))
special_row(special_error.erfcx, numpy=special.erfcx, ulp=8,
     # 2 x erfcx(x) - 2/sqrt(pi) cancels for large x
            d=(lambda o, g, out, x: o.mul(g, o.mul(o.const(-2, g), o.ierfcx(o.const(1, g), x))),))
special_row(special_error.log_erfc, numpy=special.log_erfc, ulp=8,
            d=(lambda o, g, out, x: o.neg(o.mul(g, _inverse_mills(o, g, x))),))
special_row(special_error.ierfcx, ulp=30, d=("ierfcx has no derivative by its order, an integer", _ierfcx_slope))
special_row(special_error.ndtr, ulp=6, d=(lambda o, g, out, x: o.mul(g, _density(o, g, x)),))
special_row(special_error.log_ndtr, ulp=8, d=(lambda o, g, out, x: o.mul(g, o.log_ndtr_slope(x)),))
special_row(special_error.log_ndtr_slope, ulp=8, d=(lambda o, g, out, x: o.mul(g, o.log_ndtr_bend(x)),))
special_row(special_error.log_ndtr_bend, ulp=16, d=(_third_of_log_ndtr,))
special_row(special_error.ndtri, ulp=8, domain="zero_to_one",
            d=(lambda o, g, out, p: o.mul(g, o.mul(o.const(_ROOT_TWO_PI, g),
                                            o.exp(o.mul(o.const(0.5, g), o.square(out))))),))
special_row(special_error.dawsn, ulp=8,
            d=(lambda o, g, out, x: o.mul(g, o.dawsn_slope(x)),))
special_row(special_error.dawsn_slope, ulp=20,
            d=(lambda o, g, out, x: o.mul(g, o.dawsn_curvature(x)),))
special_row(special_error.dawsn_curvature, ulp=150,
     # -2 (2 D' + x D''), which cancels as 1/x**2 does far out: D'' itself is small there
            d=(lambda o, g, out, x: o.mul(o.mul(o.const(-2, g), g), o.add(
                o.mul(o.const(2, g), o.dawsn_slope(x)), o.mul(x, out))),))

# --- the gamma family

special_row(special_incomplete.gamma, numpy=special.gamma, ulp=10, domain="positive",
            d=(lambda o, g, out, x: o.mul(g, o.mul(out, o.psi(x))),))
special_row(special_gamma.gammaln, numpy=special.gammaln, ulp=10, domain="positive",
            d=(lambda o, g, out, x: o.mul(g, o.psi(x)),))
special_row(special_gamma.psi, numpy=special.psi, ulp=10, domain="positive",
            d=(lambda o, g, out, x: o.mul(g, o.tri_gamma(x)),))
special_row(special_gamma.tri_gamma, numpy=special.tri_gamma, ulp=10, domain="positive",
            d=(lambda o, g, out, x: o.mul(g, o.polygamma(o.const(2, g), x)),))
special_row(special_gamma.polygamma, ulp=20, domain="positive",
            d=("polygamma has no derivative by its order, an integer",
        lambda o, g, out, n, x: o.mul(g, o.polygamma(o.add(n, o.const(1, n)), x))))
special_row(special_gamma.zeta, ulp=20, domain="above_one",
            d=("zeta has no derivative by its first argument here; the second one has",
        lambda o, g, out, s, q: o.neg(o.mul(g, o.mul(s, o.zeta(o.add(s, o.const(1, s)), q))))))
