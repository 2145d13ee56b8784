"""The gamma function, the incomplete ones, their derivatives and inverses, written once as `scalar_code` says."""

from __future__ import annotations

from gradc.ir.scalar_code import branch_free, scalar
from gradc.ir.scalar_math import Real, copysign, erfc, exp, expm1, fabs, floor, horner, log, log1p, power, sqrt
from gradc.ir.special_error import ndtri
from gradc.ir.special_gamma import _NEAR_P, _NEAR_Q, _STIRLING, gammaln, psi, sin_pi

INFINITY = float("inf")
NAN = float("nan")
_TWO_PI = 6.283185307179586
_ROOT_TWO_PI = 2.5066282746310007
_PI = 3.141592653589793
LARGE = 200.0       # from which on Temme's expansion is used near a


@scalar
def log1pmx(t: Real) -> Real:
    """log(1 + t) - t, by the series of 2 artanh(t/(2 + t)) where that cancels."""
    if -0.5 < t < 0.65:
        r = t / (2 + t)
        s = r * r
        return r * (2 * s * horner(_ARTANH, s) - t)
    return log1p(t) - t


@scalar
def log_less_gap(ratio: Real, gap: Real) -> Real:
    """log(ratio) - gap for gap = ratio - 1, which is given, too, as it may know more digits."""
    return log(ratio) - gap if gap < -0.5 else log1pmx(gap)


@branch_free
def stirling(a: Real) -> Real:
    """log gamma(a) - ((a - 1/2) log(a) - a + log(2 pi)/2) for a >= 3."""
    i = 1 / a
    return horner(_STIRLING, i * i) * i


@scalar
def gammaln_plus_one(a: Real) -> Real:
    """log gamma(1 + a) for a >= 0, accurate near 0."""
    if a < 2:
        return a * (a - 1) * horner(_NEAR_P, a) / horner(_NEAR_Q, a)
    return gammaln(a + 1)


@scalar
def reciprocal_gamma_plus_one(a: Real) -> Real:
    """1/gamma(1 + a) for 0 <= a < 30: a polynomial below 1, computed with mpmath."""
    product = 1.0
    while a >= 1:
        product *= a
        a -= 1
    return horner(_RECIPROCAL, a) / product


@scalar
def gamma(x: Real) -> Real:
    """The gamma function; nan at negative integers, a signed infinity at 0.

    Below 12 a quotient of a product and a polynomial, then by Stirling's formula; below 0 by reflection.
    """
    if x == 0 or x != x:
        return copysign(INFINITY, x) if x == 0 else x
    a = fabs(x)
    if not a < 180 or (x < 0 and x == floor(x)):
        return INFINITY if x > 0 else NAN if x == floor(x) else 0.0
    if a < 12:
        product, u = 1.0, a
        while u >= 1:
            product *= u
            u -= 1
        value, half = product / (a * horner(_RECIPROCAL, u)), 1.0
    else:
        half = power(a, 0.5 * a - 0.25)         # so that nothing overflows before its time
        value = half * exp(-a) * (_ROOT_TWO_PI * exp(stirling(a)))
    return value * half if x > 0 else -_PI / (sin_pi(a) * (a * value)) / half


@scalar
def gamma_prefix(a: Real, x: Real) -> Real:
    """x**a exp(-x)/gamma(1 + a), where powers and exponentials are not lost in each other."""
    if a < 20:
        if x < 200:
            return power(x, a) * exp(-x) * reciprocal_gamma_plus_one(a)
        return exp(a * log(x) - x - gammaln_plus_one(a))
    return exp(a * log_less_gap(x / a, (x - a) / a) - stirling(a)) / sqrt(_TWO_PI * a)


@scalar
def gamma_series(a: Real, x: Real) -> Real:
    """The sum of x**k/((a + 1) ... (a + k)), k = 0, 1, ... (NIST DLMF 8.7.1), four terms by one division."""
    total, term, r = 1.0, 1.0, a
    while True:
        one, two, three, four = r + 1, r + 2, r + 3, r + 4
        term *= x / ((one * two) * (three * four))
        total += term * (four * (three * (two + x) + x * x) + x * x * x)
        term *= x * x * x
        r = four
        if term <= 1e-17 * total:
            return total


@scalar
def gamma_fraction(a: Real, x: Real) -> Real:
    """exp(x) x**-a times the upper incomplete gamma function: the continued fraction of NIST DLMF 8.9.2.

    Its convergents p/q by their recurrence, four of them by one division.
    """
    b = x + 1 - a
    p, q, p_before, q_before = 1.0, b, 0.0, 1.0
    value = 1 / b
    for k in range(25000):
        for j in range(1, 5):
            factor = (4 * k + j) * (a - (4 * k + j))
            b += 2
            p_before, p = p, b * p + factor * p_before
            q_before, q = q, b * q + factor * q_before
        inverse = 1 / q
        p_before *= inverse
        q_before *= inverse
        p *= inverse
        q = 1.0
        change = p - value
        value = p
        if not fabs(change) > 2e-16 * value:
            break
    return value


@scalar
def gamma_small(a: Real, x: Real) -> Real:
    """The upper tail for x < 1.1 where the lower one is near 1 (Cephes' igamc_series, S. Moshier)."""
    factor, total = 1.0, 0.0
    for n in range(1, 100):
        factor *= -x / n
        term = factor / (a + n)
        total += term
        if fabs(term) <= 1e-17 * fabs(total):
            break
    logarithm = a * log(x) - gammaln_plus_one(a)
    return -expm1(logarithm) - a * exp(logarithm) * total


@scalar
def near_large(a: Real, x: Real) -> Real:
    """Is Temme's expansion used?  1 or 0."""
    return 1.0 if a >= LARGE and fabs(x - a) < 0.3 * a else 0.0


@scalar
def temme_eta(a: Real, x: Real) -> Real:
    """The eta of NIST DLMF 8.12.1, with the sign of x - a."""
    t = (x - a) / a
    eta = sqrt(-2 * log1pmx(t))
    return eta if t >= 0 else -eta


@scalar
def temme_sum(a: Real, eta: Real) -> Real:
    """The sum of the expansion's coefficients over powers of a (N. Temme, SIAM J. Math. Anal. 10 (1979) 757-766)."""
    i = 1 / a
    return (((((horner(_TEMME_5, eta) * i + horner(_TEMME_4, eta)) * i + horner(_TEMME_3, eta)) * i
              + horner(_TEMME_2, eta)) * i + horner(_TEMME_1, eta)) * i + horner(_TEMME_0, eta))


@scalar
def gamma_temme(a: Real, x: Real, side: Real) -> Real:
    """The lower tail for side = -1, the upper one for 1, by the uniform expansion NIST DLMF 8.12.3."""
    eta = temme_eta(a, x)
    rest = exp(-0.5 * a * eta * eta) / sqrt(_TWO_PI * a) * temme_sum(a, eta)
    return 0.5 * erfc(side * eta * sqrt(0.5 * a)) + side * rest


@scalar
def gamma_tail(a: Real, x: Real, side: Real, prefix: Real) -> Real:
    """The lower tail for side = -1, the upper one for 1; 0 < a, x < inf; prefix: `gamma_prefix` unless near_large."""
    if near_large(a, x) > 0:
        return gamma_temme(a, x, side)
    if prefix == 0:
        return 1.0 if (x > a if side < 0 else x < a) else 0.0
    by_series = x < a + 1 if side < 0 else x < a
    if side > 0 and x < 1.1:
        by_series = (a > -0.4 / log(x)) if x <= 0.5 else (a > 1.1 * x)
        if not by_series:
            return gamma_small(a, x)
    if by_series:
        lower = prefix * gamma_series(a, x)
        return lower if side < 0 else 1 - lower
    upper = prefix * a * gamma_fraction(a, x)
    return upper if side > 0 else 1 - upper


@scalar
def gammainc(a: Real, x: Real) -> Real:
    """The regularized lower incomplete gamma function; nan for negative arguments, and at a = x = 0."""
    if not (a > 0 and 0 < x < INFINITY and a < INFINITY):
        if not (a >= 0 and x >= 0) or (a == 0 and x == 0) or (a == INFINITY and x == INFINITY):
            return NAN
        return 1.0 if a == 0 or x == INFINITY else 0.0
    return gamma_tail(a, x, -1.0, 0.0 if near_large(a, x) > 0 else gamma_prefix(a, x))


@scalar
def gammaincc(a: Real, x: Real) -> Real:
    """The regularized upper incomplete gamma function; nan for negative arguments, and at a = x = 0."""
    if not (a > 0 and 0 < x < INFINITY and a < INFINITY):
        if not (a >= 0 and x >= 0) or (a == 0 and x == 0) or (a == INFINITY and x == INFINITY):
            return NAN
        return 0.0 if a == 0 or x == INFINITY else 1.0
    return gamma_tail(a, x, 1.0, 0.0 if near_large(a, x) > 0 else gamma_prefix(a, x))


@scalar
def gamma_density(a: Real, x: Real) -> Real:
    """The derivative x**(a-1) exp(-x)/gamma(a) of gammainc by x."""
    if not (a >= 0 and x >= 0):
        return NAN
    if x == 0:
        return 0.0 if a > 1 or a == 0 else 1.0 if a == 1 else INFINITY
    if x == INFINITY or a == INFINITY:
        return 0.0
    return gamma_prefix(a, x) * (a / x)


@scalar
def gammainc_slope(a: Real, x: Real) -> Real:
    """The derivative of gammainc by a: that of each of its forms, term by term."""
    if not (a > 0 and x >= 0) or (a == INFINITY and x == INFINITY):
        return NAN
    if x == 0 or x == INFINITY or a == INFINITY:
        return 0.0
    if near_large(a, x) > 0:
        eta, t, root = temme_eta(a, x), (x - a) / a, sqrt(a)
        turn = -1 / (a * temme_ratio(eta, t))               # of eta by a
        e = exp(-0.5 * a * eta * eta)
        step = 1e-3
        by_eta = (8 * (temme_sum(a, eta + step) - temme_sum(a, eta - step))
                  - (temme_sum(a, eta + 2 * step) - temme_sum(a, eta - 2 * step))) / (12 * step)
        by_a = (temme_sum(1.01 * a, eta) - temme_sum(0.99 * a, eta)) / (0.02 * a)
        rest = temme_sum(a, eta) * (-0.5 / a - 0.5 * eta * eta + t) + by_eta * turn + by_a
        return e / sqrt(_TWO_PI) * (0.5 * eta / root + root * turn - rest / root)
    logarithm = log(x)
    if x < a + 1:
        total, slope, term, harmonic, r = 1.0, 0.0, 1.0, 0.0, a
        while True:
            r += 1
            term *= x / r
            harmonic += 1 / r
            total += term
            slope -= term * harmonic
            if term * harmonic <= 1e-17 * fabs(slope) and term <= 1e-17 * total:
                break
        return gamma_prefix(a, x) * ((logarithm - psi(a + 1)) * total + slope)
    b = x + 1 - a
    c, d, by_c, by_d = 1e300, 1 / b, 0.0, 1 / (b * b)
    h, by_h = d, by_d / d
    for i in range(1, 100000):
        an = i * (a - i)
        b += 2
        below = an * d + b
        by_d = -(i * d + an * by_d - 1) / (below * below)
        d = 1 / below
        by_c = -1 + i / c - an * by_c / (c * c)
        c = b + an / c
        delta = c * d
        h *= delta
        change = by_c / c + by_d / d
        by_h += change
        if not fabs(delta - 1) >= 1e-16 and not fabs(change) > 1e-16 * fabs(by_h):
            break
    return -gamma_prefix(a, x) * a * h * (logarithm - psi(a) + by_h)


@scalar
def temme_ratio(eta: Real, t: Real) -> Real:
    """eta/t, by its series at 0; -1/a over it is the derivative of eta by a."""
    if fabs(t) < 1e-4:
        return 1 - t / 3 + 7 * t * t / 36 - 73 * t * t * t / 540
    return eta / t


@scalar
def gammainc_curvature(a: Real, x: Real) -> Real:
    """The second derivative of gammainc by a: differences of sixth order of the first one, forward ones near 0."""
    if not (a > 0 and x >= 0):
        return NAN
    if a < 0.05:
        h = 0.001
        return (-2.45 * gammainc_slope(a, x) + 6 * gammainc_slope(a + h, x) - 7.5 * gammainc_slope(a + 2 * h, x)
                + 20 * gammainc_slope(a + 3 * h, x) / 3 - 3.75 * gammainc_slope(a + 4 * h, x)
                + 1.2 * gammainc_slope(a + 5 * h, x) - gammainc_slope(a + 6 * h, x) / 6) / h
    h = 0.005 * (a if a < 1 else sqrt(a))
    return (45 * (gammainc_slope(a + h, x) - gammainc_slope(a - h, x))
            - 9 * (gammainc_slope(a + 2 * h, x) - gammainc_slope(a - 2 * h, x))
            + (gammainc_slope(a + 3 * h, x) - gammainc_slope(a - 3 * h, x))) / (60 * h)


@scalar
def gamma_quantile(a: Real, p: Real, q: Real) -> Real:
    """The x of which p is the lower and q = 1 - p the upper tail, by Halley's method on the logarithm of the smaller.

    Start: the Wilson-Hilferty approximation, or the first term of the series where that is negative.
    """
    small = power(p, 1 / a) * exp(gammaln_plus_one(a) / a) if a < 20 else 0.0
    if a < 20 and small < 1e-18 * a:            # the other terms of the series are nothing beside the first
        return small
    z = ndtri(p) if p < q else -ndtri(q)
    w = 1 - 1 / (9 * a) + z / (3 * sqrt(a))
    x = a * w * w * w
    if a < 1 or w < 0.2 or (a < 20 and small < 0.2 * (a + 1)):
        x = small if a < 20 else a * exp((log(p) + gammaln(a + 1)) / a - log(a))
        if q < 0.5 and a < 1:
            start = -log(q / (a * reciprocal_gamma_plus_one(a)))
            x = start if start > 0.5 else x
    for _ in range(60):
        prefix = gamma_prefix(a, x)
        density = prefix * a                    # by the logarithm of x
        if density == 0:
            return x
        tail = gamma_tail(a, x, -1.0 if p < q else 1.0, prefix)
        ratio = density / tail if p < q else -density / tail
        step = (log(tail / p) if p < q else log(tail / q)) / ratio
        bend = 0.5 * step * (a - x - ratio)
        step = step / (1 - bend) if fabs(bend) < 0.5 else step
        step = 2.0 if step > 2 else -2.0 if step < -2 else step
        x *= exp(-step)
        if fabs(step) < 3e-6 or not step == step:       # the error of the next one is its cube
            break
    return x


@scalar
def gamma_far_quantile(a: Real, p: Real, q: Real) -> Real:
    """As `gamma_quantile` where p or q < 1e-280, for a < 2e4, by Newton's method on the tail's logarithm by that of x.

    Both are concave in log(x): it converges from x too small for p, from x too large for q.
    """
    lower = p < q
    target = log(p if lower else q)
    x = exp((target + gammaln_plus_one(a)) / a) if lower else a + 40 * sqrt(a) + 750
    for _ in range(60):
        if a < 20:
            logarithm = a * log(x) - x - gammaln_plus_one(a)
        else:
            logarithm = a * log_less_gap(x / a, (x - a) / a) - stirling(a) - 0.5 * log(_TWO_PI * a)
        tail = gamma_series(a, x) if lower else a * gamma_fraction(a, x)        # over exp(logarithm)
        step = (logarithm + log(tail) - target) * tail / a
        x *= exp(-step if lower else step)
        if not fabs(step) > 1e-8:
            break
    return x


@scalar
def gammaincinv(a: Real, p: Real) -> Real:
    """The x with gammainc(a, x) = p: 0 for p = 0, inf for p = 1; nan for a < 0 and for p off [0, 1]."""
    if not (0 < a < INFINITY and 0 < p < 1):
        return NAN if not (a >= 0 and (p == 0 or p == 1)) else INFINITY if p == 1 else 0.0
    if p < 1e-280 and a < 2e4:
        small = exp((log(p) + gammaln_plus_one(a)) / a)
        return gamma_far_quantile(a, p, 1.0) if small > 1e-18 * a else small
    return gamma_quantile(a, p, 1 - p)


@scalar
def gammainccinv(a: Real, q: Real) -> Real:
    """The x with gammaincc(a, x) = q: inf for q = 0, 0 for q = 1; nan for a < 0 and for q off [0, 1]."""
    if not (0 < a < INFINITY and 0 < q < 1):
        return NAN if not (a >= 0 and (q == 0 or q == 1)) else INFINITY if q == 0 else 0.0
    if q < 1e-280 and 1e-250 < a < 2e4:
        return gamma_far_quantile(a, 1.0, q)
    return gamma_quantile(a, 1 - q, q)


# -------------------------------------------------------------------------------------------------- coefficients

_RECIPROCAL = (
    1.0, 0.5772156649015329, -0.6558780715202559, -0.04200263503401723, 0.1665386113807218, -0.04219773453633884,
    -0.009621971683209187, 0.007218944122549672, -0.0011651711582134274, -0.00021523094537767175,
    0.00012802610331145715, -2.009377474090673e-05, -1.3030643874115745e-06, 1.1832658730843587e-06,
    -2.4083612503619526e-07, 2.3630858794920432e-08, -8.521820446681207e-10,
)
_ARTANH = tuple([1 / (2 * k + 3) for k in range(17)])
_TEMME_0 = (
    -0.3333333333333333, 0.08333333333333333, -0.014814814814814815, 0.0011574074074074073,
    0.0003527336860670194, -0.0001787551440329218, 3.919263178522438e-05, -2.185448510679992e-06,
    -1.85406221071516e-06, 8.296711340953087e-07, -1.7665952736826078e-07, 6.707853543401498e-09,
    1.0261809784240309e-08, -4.382036018453353e-09, 9.14769958223679e-10, -2.5514193994946248e-11,
    -5.830772132550426e-11, 2.4361948020667415e-11,
)
_TEMME_1 = (
    -0.001851851851851852, -0.003472222222222222, 0.0026455026455026454, -0.0009902263374485596,
    0.00020576131687242798, -4.018775720164609e-07, -1.8098550334489977e-05, 7.64916091608111e-06,
    -1.6120900894563446e-06, 4.647127802807434e-09, 1.378633446915721e-07, -5.752545603517705e-08,
    1.1951628599778148e-08, -1.7543241719747647e-11, -1.0091543710600413e-09, 4.162792991842583e-10,
)
_TEMME_2 = (
    0.004133597883597883, -0.0026813271604938273, 0.0007716049382716049, 2.0093878600823047e-06,
    -0.0001073665322636516, 5.2923448829120125e-05, -1.2760635188618728e-05, 3.423578734096138e-08,
    1.3721957309062934e-06, -6.298992138380055e-07, 1.4280614206064242e-07, -2.0477098421990866e-10,
    -1.409252991086752e-08, 6.228974084922022e-09,
)
_TEMME_3 = (
    0.0006494341563786008, 0.00022947209362139917, -0.0004691894943952557, 0.00026772063206283885,
    -7.561801671883977e-05, -2.396505113867297e-07, 1.1082654115347302e-05, -5.6749528269915965e-06,
    1.4230900732435883e-06, -2.7861080291528143e-11, -1.6958404091930278e-07, 8.099464905388083e-08,
)
_TEMME_4 = (
    -0.0008618882909167117, 0.0007840392217200666, -0.0002990724803031902, -1.4638452578843418e-06,
    6.641498215465122e-05, -3.968365047179435e-05, 1.1375726970678419e-05, 2.507497226237533e-10,
    -1.6954149536558305e-06, 8.907507532205309e-07,
)
_TEMME_5 = (
    -0.00033679855336635813, -6.972813758365857e-05, 0.0002772753244959392, -0.00019932570516188847,
    6.797780477937208e-05, 1.419062920643967e-07, -1.3594048189768693e-05, 8.018470256334202e-06,
)
