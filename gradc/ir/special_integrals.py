"""Exponential integrals, the dilogarithm, Lambert's W, Owen's T and 2F1, written once as `scalar_code` says."""

from __future__ import annotations

from gradc.ir.scalar_code import branch_free, scalar
from gradc.ir.scalar_math import (
    Real,
    arctan,
    erf,
    erfc,
    exp,
    fabs,
    floor,
    horner,
    log,
    log1p,
    power,
    rint,
    select,
    sqrt,
)
from gradc.ir.special_beta import gamma_sign
from gradc.ir.special_gamma import gammaln

INFINITY = float("inf")
NAN = float("nan")
_PI = 3.141592653589793
_EULER = 0.5772156649015329
_E = 2.718281828459045
_ROOT_HALF = 0.7071067811865476


@scalar
def exp1(x: Real) -> Real:
    """The integral of exp(-t)/t from x to infinity; inf at 0, nan below.

    By its power series up to 1 (NIST DLMF 6.6.2), then by its continued fraction (6.9.1).
    """
    if x != x or x < 0:
        return NAN
    if x == 0:
        return INFINITY
    if x <= 1:
        total, term = 0.0, 1.0
        for k in range(1, 60):
            term *= -x / k
            total += term / k
            if fabs(term) < 1e-18:
                break
        return -_EULER - log(x) - total
    if x > 740:
        return 0.0
    b = x + 1
    c, d = 1e300, 1 / b
    h = d
    for i in range(1, 1000):
        b += 2
        d = 1 / (b - i * i * d)
        c = b - i * i / c
        delta = c * d
        h *= delta
        if not fabs(delta - 1) >= 2e-16:
            break
    return h * exp(-x)


@scalar
def expi(x: Real) -> Real:
    """The principal value of the integral of exp(t)/t from -infinity to x; -inf at 0.

    By its power series about its zero, 0.3725, and up to 50 (NIST DLMF 6.6.1), then by the asymptotic one (6.12.2).
    """
    if x != x:
        return x
    if x < 0:
        return -exp1(-x)
    if x == 0:
        return -INFINITY
    if x > 720:
        return INFINITY if x > 716.4 else NAN
    if x < 50:
        total, term = 0.0, 1.0
        for k in range(1, 200):
            term *= x / k
            total += term / k
            if term < 1e-17 * k * total:
                break
        if fabs(x - _ZERO_OF_EXPI) < 0.1:
            gap = (x - _ZERO_OF_EXPI) - _ZERO_OF_EXPI_LOW
            return log1p(gap / _ZERO_OF_EXPI) + gap * ein_slope(gap)
        return _EULER + log(x) + total
    total, term = 1.0, 1.0
    for k in range(1, 60):
        term *= k / x
        total += term
        if term < 1e-17:
            break
    half = exp(0.5 * x)
    return half / x * total * half


@scalar
def ein_slope(gap: Real) -> Real:
    """(Ein(z + gap) - Ein(z))/gap with Ein(x) the sum of x**k/(k k!), at the zero z of expi."""
    total = 0.0
    binomial_sum, k_term = 0.0, 1.0
    for k in range(1, 25):
        k_term /= k
        following, before = 0.0, 1.0
        for _ in range(k):          # the sum of (z + gap)**j z**(k-1-j)
            following = following * (_ZERO_OF_EXPI + gap) + before
            before *= _ZERO_OF_EXPI
        binomial_sum = following
        total += k_term / k * binomial_sum
    return total


@branch_free
def spence(z: Real) -> Real:
    """The dilogarithm of 1 - z, minus the integral of log(t)/(t - 1) from 1 to z; nan below 0.

    On [1/2, 2] by the Bernoulli numbers in log(z) (L. Lewin, Polylogarithms, 1981, 1.130), else by its reflections at
    z = 1/2 and, of 1/z, at 2.
    """
    large = z > 2
    w = select(large, 1 / z, z)
    small = w < 0.5
    u = -log1p(select(small, -w, w - 1))
    logarithm = log(select(w == 0, 1, w))
    square = u * u
    core = u * (1 - 0.25 * u + square * horner(_BERNOULLI_OVER, square))
    value = select(small, _PI * _PI / 6 + logarithm * u - core, core)
    value = select(large, -0.5 * logarithm * logarithm - value, value)
    return select(z == INFINITY, -INFINITY, select(z < 0, NAN, value))


@scalar
def spence_derivative(n: Real, z: Real) -> Real:
    """The n-th derivative of spence, n >= 1: of log(z)/(1 - z), by its power series about 1 or by recurrence."""
    if not (n >= 1 and n == floor(n) and n < 20 and z >= 0):
        return NAN
    gap = 1 - z
    order = n - 1
    if fabs(gap) < 0.4:
        total, power_of = 0.0, 1.0
        for j in range(1, int(order) + 1):
            power_of *= -j
        k = order
        for _ in range(80):
            total -= power_of / (k + 1)
            k += 1
            power_of *= gap * k / (k - order)
            if fabs(power_of) < 1e-18 * fabs(total):
                break
        return total
    value = log(z) / gap
    term = 1 / z
    for j in range(1, int(order) + 1):
        value = (j * value + term) / gap
        term *= -j / z
    return value


@scalar
def lambert_step(w: Real, z: Real) -> Real:
    """w improved by Halley's method for w exp(w) = z (R. Corless et al., Adv. Comput. Math. 5 (1996) 329-359)."""
    for _ in range(30):
        e = exp(-w)
        gap = w - z * e
        step = gap / (w + 1 - 0.5 * (w + 2) * gap / (w + 1))
        w -= step
        if fabs(step) < 1e-9 * fabs(w) or w != w:
            break
    return w


@scalar
def lambert_near(z: Real, sign: Real) -> Real:
    """The series of W in +-sqrt(2 (e z + 1)) about the branch point."""
    gap = _E * (z + _ONE_OVER_E) + _E * _ONE_OVER_E_LOW
    if gap < 0:
        return NAN
    return horner(_LAMBERT, sign * sqrt(2 * gap))


@scalar
def lambertw(z: Real) -> Real:
    """The principal branch of w exp(w) = z; nan below -1/e."""
    if z != z or z == INFINITY or z == 0:
        return z
    if z < -0.2:
        w = lambert_near(z, 1.0)
        return w if z < -0.355 or w != w else lambert_step(w, z)
    if z < 3:
        logarithm = log1p(z)
        w = logarithm * (1 - log1p(logarithm) / (2 + logarithm))
    else:
        logarithm = log(z)
        second = log(logarithm)
        w = logarithm - second + second / logarithm
    return lambert_step(w, z)


@scalar
def lambertw_minus(z: Real) -> Real:
    """The branch of w exp(w) = z with w <= -1, for -1/e <= z < 0; -inf at 0, nan elsewhere."""
    if z == 0:
        return -INFINITY
    if not z < 0:
        return NAN
    if z < -0.27:
        w = lambert_near(z, -1.0)
        return w if z < -0.355 or w != w else lambert_step(w, z)
    logarithm = log(-z)
    second = log(-logarithm)
    w = logarithm - second + second / logarithm
    for _ in range(30):             # on the logarithm: w + log(-w) = log(-z)
        step = (w + log(-w) - logarithm) * w / (1 + w)
        w -= step
        if fabs(step) < 1e-9 * fabs(w):
            break
    return w - (w + log(-w) - logarithm) * w / (1 + w)


@scalar
def owens_core(h: Real, a: Real) -> Real:
    """Owen's T for h >= 0, 0 <= a <= 1: Gauss-Legendre's rule where exp(-(h x)**2/2) is not negligible."""
    if h > 38.6:
        return 0.0
    top = 8.5 / h if h * a > 8.5 else a
    square = -0.5 * h * h
    total = 0.0
    for k in range(len(_LEGENDRE_X)):
        x = top * _LEGENDRE_X[k]
        y = 1 + x * x
        total += _LEGENDRE_W[k] * exp(square * y) / y
    return total * top / (2 * _PI)


@scalar
def owens_t(h: Real, a: Real) -> Real:
    """Owen's T function, the integral of exp(-h**2 (1 + x**2)/2)/(1 + x**2)/(2 pi) from 0 to a.

    Source of the reduction to |a| <= 1: M. Patefield and D. Tandy, J. Stat. Software 5 (2000) no. 5.
    """
    if h != h or a != a:
        return NAN
    h = fabs(h)
    size = fabs(a)
    if size <= 1:
        value = arctan(size) / (2 * _PI) if h == 0 else owens_core(h, size)
    elif size == INFINITY:
        value = 0.25 * erfc(h * _ROOT_HALF)
    elif h == 0:
        value = arctan(size) / (2 * _PI)
    else:
        turned = h * size
        if h <= 0.67:
            value = 0.25 - 0.25 * erf(h * _ROOT_HALF) * erf(turned * _ROOT_HALF) - owens_core(turned, 1 / size)
        else:
            first, second = 0.5 * erfc(h * _ROOT_HALF), 0.5 * erfc(turned * _ROOT_HALF)
            value = 0.5 * (first + second) - first * second - owens_core(turned, 1 / size)
    return -value if a < 0 else value


@scalar
def hyper_series(a: Real, b: Real, c: Real, x: Real) -> Real:
    """The power series of 2F1, up to a small term behind those that may grow again."""
    least = fabs(a) + fabs(b)
    if c > 0 and least > c:             # the other factor, of size below 1, lets none grow
        if fabs(a) <= c:
            least = fabs(b)
        elif fabs(b) <= c:
            least = fabs(a)
    total, term = 1.0, 1.0
    for k in range(1000000):
        term *= (a + k) * (b + k) / ((c + k) * (k + 1)) * x
        total += term
        size = fabs(term)
        if (size <= 1e-17 * fabs(total) and k > least) or size == 0 or not size < INFINITY:
            break
    return total


@scalar
def gamma_quotient(a: Real, b: Real, c: Real, d: Real) -> Real:
    """gamma(a) gamma(b)/(gamma(c) gamma(d))."""
    sign = gamma_sign(a) * gamma_sign(b) * gamma_sign(c) * gamma_sign(d)
    if gamma_sign(c) == 0 or gamma_sign(d) == 0:
        return 0.0
    if sign == 0:
        return INFINITY
    return sign * exp(gammaln(a) + gammaln(b) - gammaln(c) - gammaln(d))


@scalar
def is_polynomial(a: Real) -> Real:
    """Does a series with the factors a, a + 1, ... end?  1 or 0."""
    return 1.0 if a <= 0 and a == floor(a) else 0.0


@scalar
def hyper_inside(a: Real, b: Real, c: Real, x: Real) -> Real:
    """2F1 for 0 <= x <= 1, and of polynomials, see `hyp2f1`."""
    if x == 0 or a == 0 or b == 0:
        return 1.0
    if is_polynomial(c) > 0 and not ((is_polynomial(a) > 0 and a > c) or (is_polynomial(b) > 0 and b > c)):
        return INFINITY
    if is_polynomial(a) + is_polynomial(b) > 0:
        n = -a if is_polynomial(a) > 0 else -b
        if is_polynomial(b) > 0 and -b < n:
            n = -b
        if n > 1e6:
            return NAN
        total, term = 1.0, 1.0
        for k in range(int(n)):
            term *= (a + k) * (b + k) / ((c + k) * (k + 1)) * x
            total += term
        return total
    if x > 1:
        return NAN
    s = c - a - b
    if x == 1:
        return gamma_quotient(c, s, c - a, c - b) if s > 0 else INFINITY
    if x > 0.75 and fabs(s - rint(s)) > 0.05:
        y = 1 - x
        return gamma_quotient(c, s, c - a, c - b) * hyper_series(a, b, 1 - s, y) \
            + power(y, s) * gamma_quotient(c, -s, a, b) * hyper_series(c - a, c - b, 1 + s, y)
    factor = 1.0
    if s < 0 and x > 0.5:
        factor = power(1 - x, s)
        a, b = c - a, c - b
    return factor * hyper_series(a, b, c, x)


@scalar
def hyp2f1(a: Real, b: Real, c: Real, x: Real) -> Real:
    """Gauss' hypergeometric function for x <= 1: its series up to 1/2, below 0 of x/(x - 1) (NIST DLMF 15.8.1).

    From 3/4 on its series in 1 - x (15.8.4) unless c - a - b is near a whole number; nan for x > 1 unless it is
    a polynomial.
    """
    if a != a or b != b or c != c or x != x:
        return NAN
    factor = 1.0
    if x < 0 and is_polynomial(a) + is_polynomial(b) + is_polynomial(c) == 0:
        first = fabs(c - a) < fabs(c - b)
        factor = power(1 - x, -b if first else -a)
        a, b = c - a if first else a, b if first else c - b
        x = x / (x - 1)
    return factor * hyper_inside(a, b, c, x)


# -------------------------------------------------------------------------------------------------- coefficients

_ONE_OVER_E = 0.36787944117144233
_ONE_OVER_E_LOW = -1.2428753672788363e-17
_ZERO_OF_EXPI = 0.3725074107813666
_ZERO_OF_EXPI_LOW = 1.3140183414386028e-17
_BERNOULLI_OVER = (
    0.027777777777777776, -0.0002777777777777778, 4.72411186696901e-06, -9.185773074661964e-08,
    1.8978869988971e-09, -4.0647616451442256e-11, 8.921691020456452e-13, -1.9939295860721074e-14,
    4.518980029619918e-16,
)
_LAMBERT = (
    -1.0, 1.0, -0.3333333333333333, 0.1527777777777778, -0.07962962962962963, 0.044502314814814814,
    -0.02598471487360376, 0.01563563253233392, -0.009616892024299432, 0.006014543252956118,
    -0.0038112980348919993, 0.0024408779911439826, -0.0015769303446867841, 0.0010262633205076071,
    -0.0006720616311561362, 0.0004424730618146209, -0.00029267722472962746, 0.00019438727605453933,
    -0.00012957426685274883, 8.665035805208128e-05, -5.811360750441382e-05, 3.907668486743905e-05,
)
_LEGENDRE_X = (
    0.002852707258800354, 0.014969751082285637, 0.036521613906413, 0.06709371113984994, 0.10609159701039592,
    0.1527563684066586, 0.2061797982465442, 0.26532208100662147, 0.3290320895539579, 0.3960697866558894,
    0.4651303633401389, 0.5348696366598611, 0.6039302133441107, 0.6709679104460421, 0.7346779189933785,
    0.7938202017534558, 0.8472436315933414, 0.8939084029896041, 0.93290628886015, 0.963478386093587,
    0.9850302489177144, 0.9971472927411996,
)
_LEGENDRE_W = (
    0.0073139976491361, 0.016887450792407076, 0.026146667576341643, 0.034898234212260244, 0.042970803108533864,
    0.05020707222144048, 0.05646614804026961, 0.06162618840525621, 0.06558675239353119, 0.06827074917300759,
    0.06962593642781599, 0.06962593642781599, 0.06827074917300759, 0.06558675239353119, 0.06162618840525621,
    0.05646614804026961, 0.05020707222144048, 0.042970803108533864, 0.034898234212260244, 0.026146667576341643,
    0.016887450792407076, 0.0073139976491361,
)
