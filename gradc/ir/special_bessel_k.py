"""Modified Bessel functions of the second kind of real order, written once as `scalar_code` says.

Source: N. Temme, J. Comput. Phys. 19 (1975) 324-337: a series below 2, a continued fraction from there on, for orders
up to 1/2 in size; then the recurrence.
"""

from __future__ import annotations

from gradc.ir.scalar_code import scalar
from gradc.ir.scalar_math import Real, cosh, exp, fabs, floor, horner, log, sin, sinh, sqrt

INFINITY = float("inf")
NAN = float("nan")
_PI = 3.141592653589793
LOG_TWO = 0.6931471805599453
LARGEST_ORDER = 1e5     # of what recurrences take; beyond, nan but where a series or expansion holds


@scalar
def temme_gammas(m: Real) -> Real:
    """(1/gamma(1-m) - 1/gamma(1+m))/(2m), half the sum of the two, 1/gamma(1+m), 1/gamma(1-m), for |m| <= 1/2."""
    s = m * m
    first, second = horner(_TEMME_GAMMA_1, s), horner(_TEMME_GAMMA_2, s)
    return first, second, second - m * first, second + m * first


@scalar
def bessel_k_pair(m: Real, x: Real) -> Real:
    """exp(x) K(m, x) and exp(x) K(m + 1, x) for |m| <= 1/2, x > 0."""
    if x < 2:
        half = 0.5 * x
        turn = _PI * m
        fact = 1.0 if fabs(turn) < 1e-15 else turn / sin(turn)
        d = LOG_TWO - log(x)
        e = m * d
        fact2 = 1.0 if fabs(e) < 1e-15 else sinh(e) / e
        gamma_1, gamma_2, plus, minus = temme_gammas(m)
        f = fact * (gamma_1 * cosh(e) + gamma_2 * fact2 * d)
        total = f
        e = exp(e)
        p = 0.5 * e / plus
        q = 0.5 / (e * minus)
        c = 1.0
        square = half * half
        total_1 = p
        for i in range(1, 500):
            f = (i * f + p + q) / (i * i - m * m)
            c *= square / i
            p /= i - m
            q /= i + m
            step = c * f
            total += step
            total_1 += c * (p - i * f)
            if fabs(step) < 1e-17 * fabs(total):
                break
        scale = exp(x)
        return total * scale, total_1 * (2 / x) * scale
    b = 2 * (1 + x)
    d = 1 / b
    h, step = d, d
    q1, q2 = 0.0, 1.0
    a1 = 0.25 - m * m
    q, c = a1, a1
    a = -a1
    s = 1 + q * step
    for i in range(2, 10000):
        a -= 2 * (i - 1)
        c = -a * c / i
        following = (q1 - b * q2) / a
        q1, q2 = q2, following
        q += c * following
        b += 2
        d = 1 / (b + a * d)
        step = (b * d - 1) * step
        h += step
        change = q * step
        s += change
        if fabs(change) < 1e-17 * fabs(s):
            break
    first = sqrt(_PI / (2 * x)) / s
    return first, first * (m + x + 0.5 - a1 * h) / x


@scalar
def kve(v: Real, x: Real) -> Real:
    """exp(x) K(v, x); inf at 0, nan for x < 0."""
    if not fabs(v) < INFINITY or x != x or x < 0:
        return NAN
    if x == 0:
        return INFINITY
    if x > 1e300:
        return sqrt(0.5 * _PI / x)
    v = fabs(v)
    n = floor(v + 0.5)
    if n > LARGEST_ORDER:
        return NAN if x > 0.1 * v else INFINITY
    before, value = bessel_k_pair(v - n, x)
    for i in range(1, int(n) + 1):
        before, value = value, (v - n + i) * (2 / x) * value + before
        if before > 1e308:
            return INFINITY
    return before


@scalar
def kv(v: Real, x: Real) -> Real:
    """K(v, x), the modified Bessel function of the second kind; inf at 0, nan for x < 0."""
    scaled = kve(v, x)
    if scaled == INFINITY and x > 0:
        return INFINITY if x < 700 else NAN
    half = exp(-0.5 * x)
    return scaled * half * half


# -------------------------------------------------------------------------------------------------- coefficients

_TEMME_GAMMA_1 = (
    -0.5772156649015329, 0.042002635034095515, 0.04219773455552084, -0.007218943245911072,
    0.00021524166229467653, 2.01349556850396e-05, -1.1335045480626792e-06, -4.939580133523849e-09,
)
_TEMME_GAMMA_2 = (
    1.0, -0.6558780715202527, 0.16653861138218928, -0.009621971524607897, -0.0011651676431973738,
    0.00012805072001014693, -1.2525583573659133e-06, -2.0057089361510917e-07,
)
