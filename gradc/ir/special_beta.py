"""The beta function, the incomplete beta function, its derivatives and inverse, written once as `scalar_code` says."""

from __future__ import annotations

from gradc.ir.scalar_code import scalar
from gradc.ir.scalar_math import Real, exp, fabs, floor, log, log1p, power, sqrt
from gradc.ir.special_error import ndtri
from gradc.ir.special_gamma import gammaln, psi, sin_pi
from gradc.ir.special_incomplete import log_less_gap, reciprocal_gamma_plus_one, stirling

INFINITY = float("inf")
NAN = float("nan")
_HALF_LOG_TWO_PI = 0.9189385332046728
_PI = 3.141592653589793
_LOG_PI = 1.1447298858494002
_TWO_PI = 6.283185307179586


@scalar
def gamma_sign(x: Real) -> Real:
    """The sign of gamma(x); 0 at its poles."""
    if x > 0:
        return 1.0
    n = floor(x)
    return 0.0 if n == x else -1.0 if n != 2 * floor(0.5 * n) else 1.0


@scalar
def betaln_of_positive(a: Real, b: Real) -> Real:
    """log beta(a, b) for a, b > 0, by Stirling's formula: arguments below 3 are raised by what is multiplied up."""
    small, large = a if a < b else b, b if a < b else a
    if large > 1e15 and (small < 3 or large == INFINITY):
        return -INFINITY if large == INFINITY else gammaln(small) - small * log(large)
    if small < 1e-200:          # gamma(small) is 1/small
        return log1p(small / large) - log(small)
    product = 1.0
    while small < 3:            # beta(a, b) = beta(a + 1, b) (a + b)/a
        product *= small / (small + large)
        small += 1
    small, large = small if small < large else large, large if small < large else small
    while small < 3:
        product *= small / (small + large)
        small += 1
    small, large = small if small < large else large, large if small < large else small
    ratio = small / large
    value = small * log(small / (small + large)) - (large - 0.5) * log1p(ratio) - 0.5 * log(small) + _HALF_LOG_TWO_PI
    return value + (stirling(small) + stirling(large) - stirling(small + large)) - log(product)


@scalar
def betaln(a: Real, b: Real) -> Real:
    """log |beta(a, b)|; where it has a pole and a zero at once, as `beta`.

    Arguments not above 0 by reflection, gamma(a) gamma(1 - a) = pi/sin(pi a), to the beta function of positive ones.
    """
    if a > 0 and b > 0:
        return betaln_of_positive(a, b)
    if a != a or b != b:
        return NAN
    small, large = a if a < b else b, b if a < b else a
    if small == -INFINITY or large == INFINITY:
        return NAN if small == -INFINITY else INFINITY
    s = small + large
    if small == floor(small):
        if large == floor(large) and s <= 0 and large > 0:
            return betaln_of_positive(1 - s, large)             # the limit of whole numbers: the poles cancel
        return INFINITY
    if large <= 0 and large == floor(large):
        return INFINITY
    turn = fabs(sin_pi(small))
    if large <= 0:              # 1/((1 - s) beta(1 - a, 1 - b)) pi sin(pi s)/(sin(pi a) sin(pi b))
        return log(_PI * fabs(sin_pi(s)) / (1 - s)) - log(turn) - log(fabs(sin_pi(large))) \
            - betaln_of_positive(1 - small, 1 - large)
    if s > 0:                   # pi/(sin(pi a) b beta(a + b, 1 - a))
        return _LOG_PI - log(large) - log(turn) - betaln_of_positive(s, 1 - small)
    return betaln_of_positive(1 - s, large) + log(fabs(sin_pi(s)) / turn)      # beta(1 - a - b, b) sin(pi s)/sin(pi a)


@scalar
def beta(a: Real, b: Real) -> Real:
    """gamma(a) gamma(b)/gamma(a + b), inf at poles; (-1)**b beta(1 - a - b, b) for whole numbers a <= -b < 0."""
    if a > 0 and b > 0:
        return exp(betaln_of_positive(a, b))
    small, large = a if a < b else b, b if a < b else a
    s = small + large
    sign = gamma_sign(small) * gamma_sign(large)
    if sign == 0:                       # at a pole
        odd = large == floor(large) and large != 2 * floor(0.5 * large)
        sign = -1.0 if odd and large > 0 and s <= 0 else 1.0
    else:
        sign *= gamma_sign(s)
    return sign * exp(betaln(a, b))


@scalar
def beta_prefix(a: Real, b: Real, x: Real, y: Real) -> Real:
    """x**a y**b/beta(a, b) for y = 1 - x, where powers are not lost in each other."""
    s = a + b
    if s < 20:
        return power(x, a) * power(y, b) * (a * b / s) * (
            reciprocal_gamma_plus_one(a) * reciprocal_gamma_plus_one(b) / reciprocal_gamma_plus_one(s))
    if a < 3 or b < 3:
        large = log1p(-x) if x < 0.5 else log(y)
        small = log(x) if x < 0.5 else log1p(-y)
        return exp(a * small + b * large - betaln(a, b))
    gap = x * b - y * a
    power_of = a * log_less_gap(x / a * s, gap / a) + b * log_less_gap(y / b * s, -gap / b)
    return exp(power_of + stirling(s) - stirling(a) - stirling(b)) \
        * sqrt(a / s * b / _TWO_PI)


@scalar
def beta_fraction(a: Real, b: Real, x: Real, y: Real) -> Real:
    """betainc over its `beta_prefix`, by the even part of the continued fraction NIST DLMF 8.17.22.

    Source: A. Didonato and A. Morris, ACM Trans. Math. Softw. 18 (1992) 360-373 (9).  Its convergents p/q are
    computed by their recurrence, three of them by one division.
    """
    gap = a * y - b * x + 1
    over = 1 / (a + 1)
    p, q, p_before, q_before = 1.0, a * gap * over, 0.0, 1.0
    value = 1 / q
    for k in range(33000):
        for j in range(1, 4):
            m = 3 * k + j
            before, over = over, 1 / (a + 2 * m + 1)
            part = m * (b - m) * x * before
            term = (a + m - 1) * (a + b + m - 1) * x * part * before
            step = m + part + (a + m) * (gap + m * (1 + y)) * over
            p_before, p = p, step * p + term * p_before
            q_before, q = q, step * q + term * q_before
        inverse = 1 / q
        p_before *= inverse
        q_before *= inverse
        p *= inverse
        q = 1.0
        change = p - value
        value = p
        if not fabs(change) > 2e-16 * fabs(value):
            break
    return value


@scalar
def beta_lower(a: Real, b: Real, x: Real, prefix: Real) -> Real:
    """The incomplete beta function for 0 < a, b < inf, 0 < x < 1; prefix: its `beta_prefix`."""
    y = 1 - x
    above = x * (a + b + 2) > a + 1
    if prefix == 0:
        return 1.0 if above else 0.0
    value = prefix * beta_fraction(b if above else a, a if above else b, y if above else x, x if above else y)
    return 1 - value if above else value


@scalar
def betainc(a: Real, b: Real, x: Real) -> Real:
    """The regularized incomplete beta function; nan outside of a, b >= 0 (not both 0), 0 <= x <= 1."""
    if not (0 < a < INFINITY and 0 < b < INFINITY and 0 < x < 1):
        if not (a >= 0 and b >= 0 and 0 <= x <= 1) or (a == 0 and b == 0) or (a == INFINITY and b == INFINITY):
            return NAN
        if a == 0 or b == INFINITY:
            return 1.0 if x > 0 else 0.0
        if b == 0 or a == INFINITY:
            return 0.0 if x < 1 else 1.0
        return x
    return beta_lower(a, b, x, beta_prefix(a, b, x, 1 - x))


@scalar
def beta_density(a: Real, b: Real, x: Real) -> Real:
    """The derivative x**(a-1) (1-x)**(b-1)/beta(a, b) of betainc by x."""
    if not (a > 0 and b > 0 and 0 <= x <= 1):
        return NAN
    if x == 0:
        return 0.0 if a > 1 else b if a == 1 else INFINITY
    if x == 1:
        return 0.0 if b > 1 else a if b == 1 else INFINITY
    return beta_prefix(a, b, x, 1 - x) / (x * (1 - x))


@scalar
def beta_fraction_slope(a: Real, b: Real, x: Real, da: Real, db: Real) -> Real:
    """log of `beta_fraction`, derived along (da, db): R. Boik and J. Robinson-Cox, J. Stat. Software 3 (1998) no. 1."""
    s = a + b
    ds = da + db
    below = 1 - s * x / (a + 1)
    c, d, dc = 1.0, 1 / below, 0.0
    dd = d * d * x * (ds - s * da / (a + 1)) / (a + 1)
    total = dd / d
    for m in range(1, 100000):
        at = a + 2 * m
        term = m * (b - m) * x / ((at - 1) * at)
        dterm = m * x * db / ((at - 1) * at) - term * da * (1 / (at - 1) + 1 / at)
        below = 1 + term * d
        dd = -(dterm * d + term * dd) / (below * below)
        d = 1 / below
        dc = dterm / c - term * dc / (c * c)
        c = 1 + term / c
        total += dd / d + dc / c
        term = -(a + m) * (s + m) * x / (at * (at + 1))
        dterm = -(da * (s + m) + (a + m) * ds) * x / (at * (at + 1)) - term * da * (1 / at + 1 / (at + 1))
        below = 1 + term * d
        dd = -(dterm * d + term * dd) / (below * below)
        d = 1 / below
        dc = dterm / c - term * dc / (c * c)
        c = 1 + term / c
        change = dd / d + dc / c
        total += change
        if not fabs(c * d - 1) >= 1e-16 and not fabs(change) > 1e-16 * fabs(total):
            break
    return total


@scalar
def betainc_slope(a: Real, b: Real, x: Real, da: Real) -> Real:
    """The derivative of betainc by a (da = 1) or by b (da = 0)."""
    if not (a > 0 and b > 0 and 0 <= x <= 1) or a == INFINITY or b == INFINITY:
        return NAN
    if x == 0 or x == 1:
        return 0.0
    y = 1 - x
    db = 1 - da
    power_of = da * log(x) + db * log1p(-x) - da * psi(a) - db * psi(b) + psi(a + b)
    above = x * (a + b + 2) > a + 1
    first, second, u, v = b if above else a, a if above else b, y if above else x, x if above else y
    value = beta_prefix(a, b, x, y) * beta_fraction(first, second, u, v)
    by_first = db if above else da
    slope = value * (power_of - by_first / first + beta_fraction_slope(first, second, u, by_first, 1 - by_first))
    return -slope if above else slope


@scalar
def betainc_curvature(a: Real, b: Real, x: Real, da: Real, by_a: Real) -> Real:
    """The derivative of `betainc_slope` by a (by_a = 1) or b (0), as `gammainc_curvature`."""
    if not (a > 0 and b > 0 and 0 <= x <= 1):
        return NAN
    z = a if by_a == 1 else b
    h = 0.001 if z < 0.05 else 0.005 * (z if z < 1 else sqrt(z))
    ha = h * by_a
    hb = h * (1 - by_a)
    if z < 0.05:
        return (-2.45 * betainc_slope(a, b, x, da) + 6 * betainc_slope(a + ha, b + hb, x, da)
                - 7.5 * betainc_slope(a + 2 * ha, b + 2 * hb, x, da)
                + 20 * betainc_slope(a + 3 * ha, b + 3 * hb, x, da) / 3
                - 3.75 * betainc_slope(a + 4 * ha, b + 4 * hb, x, da)
                + 1.2 * betainc_slope(a + 5 * ha, b + 5 * hb, x, da)
                - betainc_slope(a + 6 * ha, b + 6 * hb, x, da) / 6) / h
    return (45 * (betainc_slope(a + ha, b + hb, x, da) - betainc_slope(a - ha, b - hb, x, da))
            - 9 * (betainc_slope(a + 2 * ha, b + 2 * hb, x, da) - betainc_slope(a - 2 * ha, b - 2 * hb, x, da))
            + (betainc_slope(a + 3 * ha, b + 3 * hb, x, da)
               - betainc_slope(a - 3 * ha, b - 3 * hb, x, da))) / (60 * h)


@scalar
def beta_quantile(a: Real, b: Real, p: Real) -> Real:
    """The x <= the mean's neighbourhood with betainc(a, b, x) = p, by Halley's method on logarithms within brackets."""
    low, high = 0.0, 1.0
    x = exp((log(p) + log(a) + betaln_of_positive(a, b)) / a)      # by the first term of the series
    if x < 1e-250:
        return x
    if a >= 1 and b >= 1:
        z = ndtri(p)
        r, s = (z * z - 3) / 6, 1 / (2 * a - 1)
        t = 1 / (2 * b - 1)
        h = 2 / (s + t)
        w = z * sqrt(fabs(h + r)) / h - (t - s) * (r + 5 / 6 - 2 / (3 * h))
        guess = a / (a + b * exp(-2 * w))
        x = guess if guess > 0 else x
    if not 0 < x < 1:
        x = a / (a + b)
    for _ in range(200):
        prefix = beta_prefix(a, b, x, 1 - x)
        value = beta_lower(a, b, x, prefix)
        low, high = low if value > p else x, x if value > p else high
        slope = prefix / ((1 - x) * value)                      # of log(value) by log(x)
        step = log(value / p) / slope
        bend = 0.5 * step * (a - (b - 1) * x / (1 - x) - slope)
        step = step / (1 - bend) if fabs(bend) < 0.5 else step
        following = x * exp(-step)
        if not low < following < high:
            following = 0.5 * (low + high) if low > 0 else 0.1 * high
            step = 1.0
        x = following
        if (fabs(step) < 3e-6 and fabs(step) * x < 3e-6 * (1 - x)) or high - low <= 2e-16 * high or x == 0:
            break
    return x


@scalar
def betaincinv(a: Real, b: Real, p: Real) -> Real:
    """The x with betainc(a, b, x) = p; nan outside of a, b > 0 (one may be inf), 0 <= p <= 1."""
    if not (a > 0 and b > 0 and 0 <= p <= 1) or (a == INFINITY and b == INFINITY):
        return NAN
    if p == 0 or p == 1:
        return fabs(p)
    if a == INFINITY or b == INFINITY:
        return 1.0 if a == INFINITY else 0.0
    return beta_quantile(a, b, p)
