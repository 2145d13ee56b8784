"""Bessel functions of real order, written once as `scalar_code` says.

Source of the general ones: N. Temme, J. Comput. Phys. 19 (1975) 324-337 and 21 (1976) 343-350 (series below 2,
continued fractions above), with the ratio J(v+1)/J(v) or I(v+1)/I(v) from its continued fraction and the
Wronskian; Hankel's expansions far out.
"""

from __future__ import annotations

from gradc.ir.scalar_code import scalar
from gradc.ir.scalar_math import Real, copysign, cos, cosh, exp, fabs, floor, log, power, sin, sinh, sqrt
from gradc.ir.special_bessel_k import LARGEST_ORDER, LOG_TWO, bessel_k_pair, kve, temme_gammas
from gradc.ir.special_gamma import gammaln, sin_pi
from gradc.ir.special_incomplete import reciprocal_gamma_plus_one, stirling

INFINITY = float("inf")
NAN = float("nan")
_PI = 3.141592653589793
_TWO_OVER_PI = 0.6366197723675814
_TINY = 1e-280


@scalar
def power_over_gamma(v: Real, x: Real) -> Real:
    """(x/2)**v / gamma(v + 1) for v >= 20 and 0 < x < max(12, 2 sqrt(v)).

    Stirling's formula in powers of numbers that are exact; scaled, they overflow nowhere.
    """
    if v > 420:
        return 0.0
    scale = 8.0 if v < 64 else 16.0
    half = power(v / scale, -0.5 * v)
    return power(0.5 * x / scale, v) * exp(v) * half * half * exp(-stirling(v)) / sqrt(2 * _PI * v)


@scalar
def ratio_of_i(v: Real, x: Real) -> Real:
    """I'(v, x)/I(v, x) for v >= 0, x > 0 by its continued fraction."""
    b = 2 * v / x
    h = v / x
    h = h if h > _TINY else _TINY
    d, c = 0.0, h
    for _ in range(100000):
        b += 2 / x
        d = 1 / (b + d)
        c = b + 1 / c
        delta = c * d
        h *= delta
        if not fabs(delta - 1) >= 2e-16:
            break
    return h


@scalar
def positive_ive(v: Real, x: Real) -> Real:
    """exp(-x) I(v, x) for v >= 0, x > 0."""
    if x < 12 or x * x < 4 * v:
        square = 0.25 * x * x
        total, term = 1.0, 1.0
        for k in range(1, 2000):
            term *= square / (k * (v + k))
            total += term
            if term < 1e-17 * total:
                break
        if v < 20:
            return power(0.5 * x, v) * reciprocal_gamma_plus_one(v) * total * exp(-x)
        return power_over_gamma(v, x) * exp(-x) * total
    if x > 25 + 0.5 * v * v:
        total, term = 1.0, 1.0
        for k in range(1, 60):
            odd = 2 * k - 1
            term *= (odd * odd - 4 * v * v) / (8 * x * k)
            total += term
            if fabs(term) < 1e-17 * total:
                break
        return total / sqrt(2 * _PI * x)
    n = floor(v + 0.5)
    if n > LARGEST_ORDER:
        return NAN
    m = v - n
    slope = ratio_of_i(v, x)
    top, below = 1.0, 1.0
    step = slope
    for k in range(int(n)):
        following = (v - k) / x * below + step
        step = (v - k - 1) / x * following + below
        below = following
        if below > 1e250:
            below *= 1e-250
            step *= 1e-250
            top *= 1e-250
    first, second = bessel_k_pair(m, x)
    return top / below / (x * (step / below * first - (m / x * first - second)))


@scalar
def ive(v: Real, x: Real) -> Real:
    """exp(-|x|) I(v, x); nan for x < 0 unless v is whole."""
    if not fabs(v) < INFINITY or x != x:
        return NAN
    sign = 1.0
    if x < 0:
        if v != floor(v):
            return NAN
        sign = 1.0 if v == 2 * floor(0.5 * v) else -1.0
        x = -x
    if v < 0 and v == floor(v):
        v = -v
    if x == 0:
        if v == 0:
            return 1.0
        return 0.0 if v > 0 else copysign(INFINITY, sin_pi(-v))
    if x > 1e300:
        return sign * sqrt(0.5 / _PI / x)
    if v >= 0:
        return sign * positive_ive(v, x)
    half = exp(-x)
    return positive_ive(-v, x) + _TWO_OVER_PI * sin_pi(-v) * kve(v, x) * half * half


@scalar
def iv(v: Real, x: Real) -> Real:
    """I(v, x), the modified Bessel function of the first kind; nan for x < 0 unless v is whole."""
    half = exp(0.5 * fabs(x))
    scaled = ive(v, x)
    if half == INFINITY and scaled == scaled:
        return copysign(INFINITY, scaled)
    return scaled if scaled == 0 else scaled * half * half


@scalar
def hankel(v: Real, x: Real, second: Real) -> Real:
    """J(v, x), or Y(v, x) for second = 1, by Hankel's expansion (NIST DLMF 10.17.3, 10.17.4)."""
    p, q, term = 1.0, 0.0, 1.0
    for k in range(1, 40):
        odd = 4 * k - 3
        term *= (4 * v * v - odd * odd) / ((2 * k - 1) * 8 * x)
        q += term
        odd = 4 * k - 1
        term *= -(4 * v * v - odd * odd) / (2 * k * 8 * x)
        p += term
        if fabs(term) < 1e-17:
            break
    turn = 0.5 * v + 0.25
    ct, st = sin_pi(turn + 0.5), sin_pi(turn)
    cx, sx = cos(x), sin(x)
    c = cx * ct + sx * st
    s = sx * ct - cx * st
    value = p * s + q * c if second > 0 else p * c - q * s
    return value * sqrt(2 / (_PI * x))


@scalar
def bessel_jy(v: Real, x: Real) -> Real:
    """J(v, x) and Y(v, x) for v >= 0, x > 0."""
    if x > 25 + 0.2 * v * v:
        return hankel(v, x, 0.0), hankel(v, x, 1.0)
    if v > LARGEST_ORDER:
        return 0.0 if x < 0.5 * v else NAN, -INFINITY if x < 0.5 * v else NAN
    if x > 26 and x > v:            # from low orders upwards: J and Y are of one size up to the order x
        n = floor(v)
        m = v - n
        j, y = hankel(m, x, 0.0), hankel(m, x, 1.0)
        j_next, y_next = hankel(m + 1, x, 0.0), hankel(m + 1, x, 1.0)
        for i in range(1, int(n) + 1):
            turn = 2 * (m + i) / x
            j, j_next = j_next, turn * j_next - j
            y, y_next = y_next, turn * y_next - y
        return j, y
    n = floor(v + 0.5) if x < 2 else floor(v - x + 1.5)
    n = n if n > 0 else 0.0
    m = v - n
    xi = 1 / x
    w = 2 * xi / _PI
    sign = 1.0
    h = v * xi
    h = h if h > _TINY else _TINY
    b = 2 * v * xi
    d, c = 0.0, h
    for _ in range(100000):
        b += 2 * xi
        d = b - d
        d = d if fabs(d) > _TINY else _TINY
        c = b - 1 / c
        c = c if fabs(c) > _TINY else _TINY
        d = 1 / d
        delta = c * d
        h *= delta
        if d < 0:
            sign = -sign
        if not fabs(delta - 1) >= 2e-16:
            break
    below = sign
    top = sign
    step = h * below
    for k in range(int(n)):
        following = (v - k) * xi * below + step
        step = (v - k - 1) * xi * following - below
        below = following
        if fabs(below) > 1e250:
            below *= 1e-250
            step *= 1e-250
            top *= 1e-250
    below = below if below != 0 else 1e-16
    f = step / below
    if x < 2:
        half = 0.5 * x
        turn = _PI * m
        fact = 1.0 if fabs(turn) < 1e-15 else turn / sin(turn)
        d = -log(half)
        e = m * d
        fact2 = 1.0 if fabs(e) < 1e-15 else sinh(e) / e
        gamma_1, gamma_2, plus, minus = temme_gammas(m)
        term = _TWO_OVER_PI * fact * (gamma_1 * cosh(e) + gamma_2 * fact2 * d)
        e = exp(e)
        p = e / (plus * _PI)
        q = 1 / (e * _PI * minus)
        turn *= 0.5
        fact3 = 1.0 if fabs(turn) < 1e-15 else sin(turn) / turn
        r = _PI * turn * fact3 * fact3
        c = 1.0
        d = -half * half
        total = term + r * q
        total_1 = p
        for i in range(1, 500):
            term = (i * term + p + q) / (i * i - m * m)
            c *= d / i
            p /= i - m
            q /= i + m
            delta = c * (term + r * q)
            total += delta
            total_1 += c * p - i * delta
            if fabs(delta) < (1 + fabs(total)) * 1e-17:
                break
        y = -total
        y_next = -total_1 * 2 * xi
        j = w / (m * xi * y - y_next - f * y)
    else:
        a = 0.25 - m * m
        p, q = -0.5 * xi, 1.0
        br, bi = 2 * x, 2.0
        fact = a * xi / (p * p + q * q)
        cr, ci = br + q * fact, bi + p * fact
        den = br * br + bi * bi
        dr, di = br / den, -bi / den
        lr, li = cr * dr - ci * di, cr * di + ci * dr
        p, q = p * lr - q * li, p * li + q * lr
        for i in range(2, 100000):
            a += 2 * (i - 1)
            bi += 2
            dr, di = a * dr + br, a * di + bi
            fact = a / (cr * cr + ci * ci)
            cr, ci = br + cr * fact, bi - ci * fact
            den = dr * dr + di * di
            dr, di = dr / den, -di / den
            lr, li = cr * dr - ci * di, cr * di + ci * dr
            p, q = p * lr - q * li, p * li + q * lr
            if fabs(lr - 1) + fabs(li) < 2e-16:
                break
        ratio = (p - f) / q
        j = copysign(sqrt(w / ((p - f) * ratio + q)), below)
        y = j * ratio
        y_next = m * xi * y - (p * y + q * j)
    j_of_v = top * (j / below)
    for i in range(1, int(n) + 1):
        y, y_next = y_next, (m + i) * 2 * xi * y_next - y
    return j_of_v, y if y == y else -INFINITY           # which overflowed


@scalar
def jv(v: Real, x: Real) -> Real:
    """J(v, x), the Bessel function of the first kind; nan for x < 0 unless v is whole."""
    if not fabs(v) < INFINITY or x != x:
        return NAN
    sign = 1.0
    whole = v == floor(v)
    even = v == 2 * floor(0.5 * v)
    if x < 0:
        if not whole:
            return NAN
        sign = 1.0 if even else -1.0
        x = -x
    if v < 0 and whole:
        sign = sign if even else -sign
        v = -v
    if x == 0:
        return 1.0 if v == 0 else 0.0 if v > 0 else copysign(INFINITY, gamma_turn(v))
    if x > 1e300:
        return 0.0
    if v >= 0:
        if x * x < 4 * v + 4:
            return sign * small_jv(v, x)
        j, y = bessel_jy(v, x)
        return sign * j
    if x * x < 1:
        return small_jv(v, x)
    j, y = bessel_jy(-v, x)
    return sin_pi(0.5 - v) * j - sin_pi(-v) * y


@scalar
def gamma_turn(v: Real) -> Real:
    """The sign of gamma(v + 1) for v < 0, not whole."""
    n = floor(v + 1)
    return 1.0 if n == 2 * floor(0.5 * n) else -1.0


@scalar
def small_jv(v: Real, x: Real) -> Real:
    """J(v, x) by its power series."""
    square = -0.25 * x * x
    total, term = 1.0, 1.0
    for k in range(1, 500):
        term *= square / (k * (v + k))
        total += term
        if fabs(term) < 1e-17 * fabs(total):
            break
    if v >= 0:
        return (power(0.5 * x, v) * reciprocal_gamma_plus_one(v) if v < 20 else power_over_gamma(v, x)) * total
    sign = 1.0 if v > -1 else gamma_turn(v)
    return sign * exp(v * (log(x) - LOG_TWO) - gammaln(v + 1)) * total


@scalar
def yv(v: Real, x: Real) -> Real:
    """Y(v, x), the Bessel function of the second kind; infinite at 0 but for v = -1/2, -3/2, ...; nan for x < 0."""
    if not fabs(v) < INFINITY or x != x or x < 0:
        return NAN
    if x > 1e300:
        return 0.0
    a = fabs(v)
    part = sin_pi(0.5 - v) if v < 0 else 1.0            # cos(pi v)
    turn = sin_pi(-v) if v < 0 else 0.0
    j, y = 0.0, -INFINITY
    if x > 0:
        j, y = bessel_jy(a, x)
        if x < 1e-280:
            j, y = small_jv(a, x), -exp(gammaln(a) + a * (LOG_TWO - log(x))) / _PI if a >= 0.5 else y
    return (turn * j if turn != 0 else 0.0) + (part * y if part != 0 else 0.0)
