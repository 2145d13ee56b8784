"""The gamma function's logarithm and its derivatives, and zeta functions, written once as `scalar_code` says."""

from __future__ import annotations

from gradc.ir.scalar_code import branch_free, branch_free_with, scalar
from gradc.ir.scalar_math import (
    Real,
    both,
    copysign,
    either,
    fabs,
    floor,
    horner,
    log,
    power,
    rint,
    select,
)

INFINITY = float("inf")
NAN = float("nan")
_PI = 3.141592653589793
_HALF_LOG_TWO_PI = 0.9189385332046728
LARGEST = 1.7976931348623157e308


@branch_free
def sin_pi(x: Real) -> Real:
    """sin(pi x); the reduction of x to half a period is exact."""
    n = rint(x)
    r = x - n
    half = 0.5 * n
    return select(half == floor(half), r, -r) * horner(_SIN_PI, r * r)


@branch_free
def gammaln_of_positive(a: Real) -> Real:
    """log gamma(a) for a > 0.

    Below 3 it is (u - 1)(u - 2) times a rational function, u = a or, below 1, a + 1, less log(a); from there on
    (a - 1/2) log(a) - a + log(2 pi)/2 and a series in 1/a (all computed with mpmath).
    """
    near, below = a < 3, a < 1
    z = select(below, a, a - 1)
    i = 1 / a
    logarithm = log(a)
    center = z * (z - 1) * (horner(_NEAR_P, z) / horner(_NEAR_Q, z)) + select(below, -logarithm, 0)
    far = (a - 0.5) * (logarithm - 1) + (horner(_STIRLING, i * i) * i + (_HALF_LOG_TWO_PI - 0.5))
    return select(near, center, select(a > 1e300, a * (logarithm - 1), far))


@branch_free_with(gammaln_of_positive)
def gammaln(x: Real) -> Real:
    """log |gamma(x)|; infinite at 0, at negative integers and at -inf (as C's lgamma); below 0 by reflection."""
    a = fabs(x)
    value = gammaln_of_positive(select(x < 0, a + 1, a))
    reflected = -log(select(x < 0, fabs(sin_pi(a)) * _INVERSE_PI, 1)) - value
    pole = both(x <= 0, x == floor(x))
    return select(either(pole, a == INFINITY), INFINITY, select(x < 0, reflected, value))


@branch_free
def psi_of_positive(x: Real) -> Real:
    """The digamma function for x > 0.

    Below 3 (u - root) times a rational function, the root in three parts, u = x or, below 1, x + 1, less 1/x; from
    there on log(x) - 1/(2x) less a polynomial in 1/x**2 over x**2.  Both interpolate in Chebyshev nodes (mpmath).
    """
    near, low = x < 3, x < 1
    i = 1 / x
    v = select(low, x + 1, x)
    root = ((v - _PSI_ROOT_1) - _PSI_ROOT_2) - _PSI_ROOT_3
    close = root * (horner(_PSI_NEAR_P, v - 1.5) / horner(_PSI_NEAR_Q, v - 1.5)) - select(low, i, 0)
    return select(near, close, log(x) - i * (0.5 + i * horner(_PSI_SERIES, i * i)))


@branch_free_with(psi_of_positive)
def psi(x: Real) -> Real:
    """The digamma function, the derivative of log gamma; nan at negative integers, a signed infinity at 0.

    Below 0 by reflection.
    """
    negative = x <= 0
    r = x - rint(x)
    y = r * r
    cotangent = horner(_COS_PI, y) * _PI / (r * horner(_SIN_PI, y))
    value = psi_of_positive(select(negative, 1 - x, x)) - select(negative, cotangent, 0)
    pole = both(x == floor(x), negative)
    return select(pole, select(x == 0, -copysign(INFINITY, x), NAN), value)


@branch_free
def tri_gamma_of_positive(x: Real) -> Real:
    """The derivative of psi for x > 0.

    Below 10 by the sum of 1/x**2 ... 1/(x + 6)**2, as one quotient, then the asymptotic series (NIST DLMF 5.15.8).
    """
    far = x >= 10
    v = select(far, 1.0, x)
    quotient = 1 / (horner(_RISING, v) * v)
    i = 1 / select(far, x, x + 7)
    total = select(far, 0.0, horner(_RISING_SQUARES, v) * quotient * quotient)
    return total + (i + i * i * (0.5 + i * horner(_TRI_SERIES, i * i)))


@branch_free_with(tri_gamma_of_positive)
def tri_gamma(x: Real) -> Real:
    """The derivative of psi; infinite at 0 and at negative integers; below 0 by reflection."""
    negative = x <= 0
    value = tri_gamma_of_positive(select(negative, 1 - x, x))
    r = x - rint(x)
    root = _PI / (r * horner(_SIN_PI, r * r))
    pole = select(x == -INFINITY, NAN, INFINITY)
    return select(negative, select(x == floor(x), pole, root * root - value), value)


@scalar
def zeta(s: Real, q: Real) -> Real:
    """Hurwitz' zeta function, the sum of (k + q)**-s over k = 0, 1, ...: inf at s = 1, nan for s < 1, as SciPy.

    Terms up to k + q >= 8 + s, then the Euler-Maclaurin formula (NIST DLMF 25.11.28).  q <= 0: inf at whole numbers,
    nan for other s than whole ones.
    """
    if s != s or q != q or s < 1:
        return NAN
    if s == 1:
        return INFINITY
    if q <= 0:
        if q == floor(q):
            return INFINITY
        if s != floor(s) or q < -1e6:
            return NAN
    if q > 1e8:
        return (1 / (s - 1) + 1 / (2 * q)) * power(q, 1 - s)
    total, u = 0.0, q
    if q < 0:
        sign = 1.0 if 0.5 * s == floor(0.5 * s) else -1.0
        v = q
        while v < 0:            # with what it may cancel with, as far on the other side of 0
            total += sign * power(-v, -s) + power(v - 2 * floor(v) - 1, -s)
            v += 1
        u = q - 2 * floor(q)
    while u < 8 + s:
        term = power(u, -s)
        total += term
        if term <= 1e-17 * fabs(total):
            return total
        u += 1
    term = power(u, -s)
    total += term * (u / (s - 1) + 0.5)
    factor = term * s / u
    square = 1 / (u * u)
    for k in range(len(_ZETA_EVEN)):
        step = factor * _ZETA_EVEN[k]
        total += step
        if fabs(step) <= 1e-17 * fabs(total):
            break
        factor *= (s + 2 * k + 1) * (s + 2 * k + 2) * square
    return total


@scalar
def polygamma(n: Real, x: Real) -> Real:
    """The n-th derivative of psi: psi, tri_gamma, and (-1)**(n+1) n! zeta(n+1, x) for integers n >= 2.

    Infinite at 0 and at negative integers; nan for other orders and below -1e6.
    """
    if n == 0:
        return psi(x)
    if n == 1:
        return tri_gamma(x)
    if not (n >= 2 and n <= 150 and n == floor(n)):
        return NAN
    factorial = 1.0
    for k in range(2, int(n) + 1):
        factorial *= k
    sign = -1 if 0.5 * n == floor(0.5 * n) else 1
    if x == 0:
        return -copysign(INFINITY, x) if sign < 0 else INFINITY
    return sign * factorial * zeta(n + 1, x)


# -------------------------------------------------------------------------------------------------- coefficients

_INVERSE_PI = 0.3183098861837907
_SIN_PI = (
    3.141592653589793, -5.167712780049969, 2.5501640398773007, -0.5992645293189447, 0.0821458865731029,
    -0.007370430505916944, 0.0004662998161898394, -2.1903497074626018e-05, 7.697826768224191e-07,
)
_COS_PI = (
    1.0, -4.934802200544676, 4.058712126416497, -1.335262768843447, 0.23533063012953284, -0.025806888737002202,
    0.0019295562724817132, -0.00010456655338748738, 4.149564353942586e-06,
)
# log gamma(1 + z)/(z (z - 1)) on [0, 2], and the rest of Stirling's formula in 1/x**2 for x >= 3.
_NEAR_P = (
    0.5772156649015329, 1.6573859915112124, 1.8195310986608273, 0.9583772627767942, 0.2489515203019172,
    0.02934996892711011, 0.0012144645025018563, 5.152191194029259e-06, -3.4387534246231254e-08,
)
_NEAR_Q = (
    1.0, 3.2962330645658335, 4.283498617926743, 2.7922148253073, 0.961953097690663, 0.1693844804533058,
    0.013462840310043222, 0.00034666036878764635,
)
_STIRLING = (
    0.08333333333333313, -0.0027777777774305, 0.0007936506884915048, -0.0005952255253448391, 0.0008409701331661108,
    -0.001888716724424404, 0.005726056083836847, -0.01843123144258371, 0.0464987992437226, -0.06067253307630473,
)
_PSI_ROOT_1 = 1569415565 / 1073741824
_PSI_ROOT_2 = 381566830 / 1073741824 / 1073741824
_PSI_ROOT_3 = 9.016312093258696e-20
# psi(x)/(x - root) in x - 1.5, on [1, 3].
_PSI_NEAR_P = (
    0.9510558760318328, 1.1886580853461834, 0.5392860691185724, 0.10989201775037027, 0.009909072771727073,
    0.00031615716356142977, 9.357570064610409e-07, -6.03999597262096e-09,
)
_PSI_NEAR_Q = (
    1.0, 1.6952584461753317, 1.0692342841932245, 0.3190897958128427, 0.046773239199918284,
    0.0030989338146855477, 6.861767010295671e-05,
)
# The rest of the asymptotic series of psi for x >= 3, of tri_gamma for x >= 7, in 1/x**2.
_PSI_SERIES = (
    0.08333333333333287, -0.0083333333323328, 0.003968253600942064, -0.004166613154056894, 0.007571670662698111,
    -0.020904992716699745, 0.07768996902561713, -0.32525222437397994, 1.2213863296286607, -3.2200812668413126,
    4.15409568940603,
)
_TRI_SERIES = (
    0.16666666666666663, -0.03333333333317285, 0.023809523643258137, -0.03333326728356461, 0.07574457214481482,
    -0.2517020799705357, 1.079233098646461, -4.060247138096645,
)
# (v + 1) ... (v + 6), and the sum of the squares of the products of six of v ... v + 6.
_RISING = (720.0, 1764.0, 1624.0, 735.0, 175.0, 21.0, 1.0)
_RISING_SQUARES = (
    518400.0, 2540160.0, 6223392.0, 9342144.0, 9245208.0, 6272280.0, 2981188.0, 1000776.0, 235991.0, 38220.0, 4046.0,
    252.0, 7.0,
)
# B(2k)/(2k)!
_ZETA_EVEN = (
    0.08333333333333333, -0.001388888888888889, 3.306878306878307e-05, -8.267195767195768e-07, 2.08767569878681e-08,
    -5.284190138687493e-10, 1.3382536530684679e-11, -3.3896802963225827e-13, 8.586062056277845e-15,
    -2.174868698558062e-16, 5.5090028283602295e-18, -1.3954464685812522e-19,
)
