"""Logarithms beside products and quotients (entropies), logit, sinc, differences of exponentials.

Written once, as `scalar_code` says.
"""

from __future__ import annotations

from gradc.ir.scalar_code import branch_free, scalar
from gradc.ir.scalar_math import Real, both, copysign, either, exp, expm1, fabs, floor, horner, log, log1p, select
from gradc.ir.special_gamma import sin_pi
from gradc.ir.special_incomplete import _ARTANH

INFINITY = float("inf")
NAN = float("nan")
_PI = 3.141592653589793
_UP, _DOWN = 2.0 ** 600, 2.0 ** -600
_LOG_SCALE = 831.7766166719343     # log(2**1200)


@branch_free
def xlogy(x: Real, y: Real) -> Real:
    """x log(y), and 0 where x is 0 and y no nan."""
    return select(both(x == 0, y == y), 0, x * log(y))


@branch_free
def xlog1py(x: Real, y: Real) -> Real:
    """x log(1 + y), and 0 where x is 0 and y no nan."""
    return select(both(x == 0, y == y), 0, x * log1p(y))


@branch_free
def entr(x: Real) -> Real:
    """-x log(x), 0 at 0, -inf below."""
    return select(x < 0, -INFINITY, select(x == 0, 0, -x * log(x)))


@branch_free
def exp_difference(x: Real, y: Real, d: Real) -> Real:
    """exp(x) - exp(y) for d = x - y, which is given as it may be known without rounding; the larger one is outside."""
    return copysign(exp(select(d > 0, x, y)) * expm1(-fabs(d)), d)


@branch_free
def far_log_ratio(x: Real, y: Real) -> Real:
    """log(x/y), without overflow of the quotient: both are scaled by 2**600 where it would leave float64."""
    low, high = fabs(x) < 1e-300 * fabs(y), fabs(y) < 1e-300 * fabs(x)
    up, down = select(low, _UP, select(high, _DOWN, 1)), select(low, _DOWN, select(high, _UP, 1))
    return log((x * up) / (y * down)) + select(low, -_LOG_SCALE, select(high, _LOG_SCALE, 0))


@branch_free
def log_ratio(x: Real, y: Real) -> Real:
    """log(x/y), without overflow of the quotient, and accurate where x is about y."""
    ratio = x / y
    near = both(ratio > 0.5, ratio < 2)
    return select(near, log1p(select(near, (x - y) / y, 0)), far_log_ratio(x, y))


@branch_free
def rel_entr(x: Real, y: Real) -> Real:
    """x log(x/y) for positive x and y, 0 for x = 0 and y >= 0, else inf; nan of nan."""
    positive = both(x > 0, y > 0)
    value = x * log_ratio(select(positive, x, 1), select(positive, y, 1))
    outside = select(both(x == 0, y >= 0), 0, select(either(x != x, y != y), NAN, INFINITY))
    return select(positive, value, outside)


@branch_free
def kl_div(x: Real, y: Real) -> Real:
    """x log(x/y) - x + y for positive x and y, y for x = 0 and y >= 0, else inf; nan of nan.

    Where x is about y it is (x - y) r + 2 x (artanh(r) - r), r = (x - y)/(x + y), whose second term is the lesser one.
    """
    positive = both(x > 0, y > 0)
    a, b = select(positive, x, 1), select(positive, y, 1)
    near = both(a > 0.5 * b, a < 1.65 * b)
    d = a - b
    r = select(near, 0.5 * d / (0.5 * a + 0.5 * b + 5e-324), 0)     # of the least numbers 0, no 0/0
    s = r * r
    value = select(near, d * r + a * (2 * r * s * horner(_ARTANH, s)), a * far_log_ratio(a, b) - a + b)
    outside = select(both(x == 0, y >= 0), y, select(either(x != x, y != y), NAN, INFINITY))
    return select(positive, value, outside)


@branch_free
def logit(x: Real) -> Real:
    """log(x/(1 - x)), by log1p where the quotient is about 1; infinite at 0 and 1, nan outside of [0, 1]."""
    near = both(x > 0.3, x < 0.65)
    t = select(near, (2 * x - 1) / (1 - x), 0)
    return select(near, log1p(t), log(select(near, 1, x / (1 - x))))


@branch_free
def sinc(x: Real) -> Real:
    """sin(pi x)/(pi x), 1 at 0; 0 at infinity."""
    size = fabs(x)
    value = sin_pi(select(size < 1e15, x, 0)) / select(x == 0, 1, _PI * x)
    return select(x == 0, 1, value)


@scalar
def sinc_derivative(n: Real, x: Real) -> Real:
    """The n-th derivative of sinc by its power series, far out by x f(n) + n f(n-1) = pi**(n-1) sin(pi x + n pi/2)."""
    if not (n >= 0 and n <= 20 and n == floor(n)):
        return NAN
    if fabs(x) > 1e15:
        return 0.0
    if _PI * fabs(x) > n + 1:
        value = sinc(x)
        sine, cosine = sin_pi(x) / _PI, sin_pi(x + 0.5 if x < 0 else 0.5 - x) / _PI
        for k in range(1, int(n) + 1):
            sine, cosine = _PI * cosine, -_PI * sine
            value = (sine - k * value) / x
        return value
    odd = n != 2 * floor(0.5 * n)
    start = n + 1 if odd else n
    term = 1.0
    for _ in range(int(start)):
        term *= _PI
    sign = -1 if floor(0.5 * start) != 2 * floor(0.25 * start) else 1
    term *= sign / (start + 1)
    if odd:
        term *= x
    total, k2 = term, start
    while fabs(term) > 1e-18 * fabs(total):
        term *= -(_PI * x) * (_PI * x) * (k2 + 1) / ((k2 + 3) * (k2 - n + 1) * (k2 - n + 2))
        k2 += 2
        total += term
    return total
