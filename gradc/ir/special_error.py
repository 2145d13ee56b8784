"""The error functions and the normal distribution, written once as `scalar_code` says."""

from __future__ import annotations

from gradc.ir.scalar_code import branch_free, scalar
from gradc.ir.scalar_math import (
    Real,
    both,
    copysign,
    erf,
    exp,
    fabs,
    floor,
    horner,
    log,
    select,
    sqrt,
    square_rest,
)

INFINITY = float("inf")
NAN = float("nan")
_ROOT_HALF = 0.7071067811865476
_LOG_TWO = 0.6931471805599453
_TWO_OVER_ROOT_PI = 1.1283791670955126
_ROOT_TWO_OVER_PI = 0.7978845608028654


@branch_free
def exp_of_square(x: Real, factor: Real) -> Real:
    """exp(factor * x**2), with the rounding error of x**2 put back; factor is 1, -1 or -1/2."""
    square = x * x
    e = exp(factor * square)
    return select(both(square < 1500, e < 1e308), e + e * (factor * square_rest(x)), e)


@branch_free
def erfcx_of_positive(x: Real) -> Real:
    """erfcx for x >= 0.

    Source: M. Shepherd and J. Laframboise, Math. Comp. 36 (1981) 249-253: (1 + 2x) erfcx(x) is a polynomial in
    t = (x - k)/(x + k); the coefficients were computed with mpmath for k = 3.75.
    """
    a = select(x < 1e100, x, 1e100)
    below, two = a + 3.75, 1 + 2 * a
    inverse = 1 / (below * two)
    value = horner(_ERFCX, (a - 3.75) * two * inverse) * (below * inverse)
    return select(x < 1e100, value, 0.5641895835477563 / x)         # 1/(sqrt(pi) x)


@branch_free
def erfcx(x: Real) -> Real:
    """exp(x**2) erfc(x), which stays finite for large positive x."""
    a = fabs(x)
    positive = erfcx_of_positive(a)
    return select(x < 0, 2 * exp_of_square(a, 1.0) - positive, positive)


@branch_free
def log_of_complement(q: Real, other: Real, side: Real) -> Real:
    """log(1 - q) where side >= 0, else log(other), by one logarithm."""
    v = 1 - q
    rest = (-q - (v - 1)) * (1 + q)         # over v, to what is needed of it
    return log(select(side >= 0, v, other)) + select(side >= 0, rest, 0)


@branch_free
def log_erfc(x: Real) -> Real:
    """log(erfc(x)): log(1 - erf(x)) up to 1/2, log(erfcx(x)) - x**2 from there on, where erfc underflows in the end."""
    near = x < 0.5
    value = log_of_complement(erf(x), erfcx_of_positive(fabs(x)), select(near, 1.0, -1.0))
    return select(near, value, value - x * x)


@branch_free
def ndtr(x: Real) -> Real:
    """The distribution function of the standard normal distribution."""
    a = fabs(x)
    tail = 0.5 * exp_of_square(a, -0.5) * erfcx_of_positive(a * _ROOT_HALF)
    return select(x < 0, tail, 1 - tail)


@branch_free
def log_ndtr(x: Real) -> Real:
    """Logarithm of the distribution function of the standard normal distribution."""
    a = fabs(x)
    s = 0.5 * erfcx_of_positive(a * _ROOT_HALF)
    value = log_of_complement(exp_of_square(a, -0.5) * s, s, x)
    return select(x < 0, value - 0.5 * x * x, value)


@branch_free
def log_ndtr_slope(x: Real) -> Real:
    """The derivative of log_ndtr: the normal density over its distribution function (inverse Mills' ratio)."""
    a = fabs(x)
    s = erfcx_of_positive(a * _ROOT_HALF)
    e = exp_of_square(a, -0.5)
    return _ROOT_TWO_OVER_PI * select(x < 0, 1.0, e) / select(x < 0, s, 2 - e * s)


@branch_free
def log_ndtr_bend(x: Real) -> Real:
    """The second derivative of log_ndtr: -h (x + h), h the first one; left of 0, where x + h cancels, by a polynomial.

    (1 - x) (x + h) is a polynomial in t = (-x - k)/(-x + k); its coefficients were computed with mpmath for k = 3.75.
    """
    b = select(fabs(x) > 1e8, copysign(1e8, x), x)     # -1 and 0 from there on
    a = fabs(b)
    h = log_ndtr_slope(b)
    return -h * select(b < 0, horner(_NORMAL_REST, (a - 3.75) / (a + 3.75)) / (1 + a), a + h)


@branch_free
def normal_center(q: Real) -> Real:
    """The quantile of the standard normal distribution at 1/2 + q for |q| <= 0.425 (AS 241)."""
    r = 0.180625 - q * q
    return q * horner(_CENTER_P, r) / horner(_CENTER_Q, r)


@scalar
def normal_tail(minus_log: Real) -> Real:
    """Minus the quantile of the standard normal distribution at p <= 0.075, given as -log(p) (the tail of AS 241)."""
    r = sqrt(minus_log)
    if r <= 5:
        return horner(_TAIL_P, r - 1.6) / horner(_TAIL_Q, r - 1.6)
    return horner(_FAR_P, r - 5) / horner(_FAR_Q, r - 5)


@scalar
def erfinv(x: Real) -> Real:
    """The inverse of erf; infinite at -1 and 1, nan outside.

    Source: M. Wichura, Algorithm AS 241 (PPND16), Appl. Statist. 37 (1988) 477-484, with
    erfinv(x) = quantile((1 + x)/2)/sqrt(2) written in x and 1 - |x|, which are free of rounding.
    """
    a = fabs(x)
    if a <= 0.85:
        return normal_center(x / 2) * _ROOT_HALF
    if a < 1:
        return copysign(normal_tail(-log((1 - a) / 2)), x) * _ROOT_HALF
    return copysign(INFINITY, x) if a == 1 else NAN


@scalar
def erfcinv(x: Real) -> Real:
    """The inverse of erfc on (0, 2); accurate for small x.  Source: as erfinv."""
    small = x if x < 2 - x else 2 - x
    if small >= 0.15:
        return normal_center((1 - x) / 2) * _ROOT_HALF
    if small > 0:
        return copysign(normal_tail(_LOG_TWO - log(small)), 1 - x) * _ROOT_HALF
    return copysign(INFINITY, 1 - x) if small == 0 else NAN


@scalar
def ndtri(p: Real) -> Real:
    """The quantile of the standard normal distribution.  Source: as erfinv."""
    q = p - 0.5
    if fabs(q) <= 0.425:
        return normal_center(q)
    small = p if p < 0.5 else 1 - p
    if small > 0:
        return copysign(normal_tail(-log(small)), q)
    return copysign(INFINITY, q) if small == 0 else NAN


@scalar
def dawson_rest(t: Real) -> Real:
    """x**2 (2x dawsn(x) - 1) for t = 1/x**2 < 1/10.24."""
    if t > 1 / 49:
        return horner(_DAWSON_MIDDLE, (t - 0.05903220663265306) * 25.890608875129)
    return horner(_DAWSON_FAR_P, t) / horner(_DAWSON_FAR_Q, t)


@scalar
def dawsn(x: Real) -> Real:
    """Dawson's integral, exp(-x**2) times the integral of exp(t**2) from 0 to x.

    A rational function of x**2 below 3.2, one of 1/x**2 from 7 on, between them a polynomial, computed with mpmath.
    """
    y = x * x
    if y < 10.24:
        return x * horner(_DAWSON_P, y) / horner(_DAWSON_Q, y)
    t = 1 / y
    return (0.5 + 0.5 * t * dawson_rest(t)) / x


@scalar
def dawsn_slope(x: Real) -> Real:
    """The derivative 1 - 2 x dawsn(x) of Dawson's integral, from 3.2 on by the series of what cancels there."""
    y = x * x
    if y < 10.24:
        return 1 - 2 * x * dawsn(x)
    return -dawson_rest(1 / y) / y


@scalar
def dawson_bend(t: Real) -> Real:
    """x**2 (x**2 (2x dawsn(x) - 1) - 1/2) for t = 1/x**2 < 1/10.24."""
    if t > 1 / 49:
        return (dawson_rest(t) - 0.5) / t
    return horner(_DAWSON_BEND_P, t) / horner(_DAWSON_FAR_Q, t)


@scalar
def dawsn_curvature(x: Real) -> Real:
    """The second derivative -2 (dawsn(x) + x dawsn_slope(x)), from 3.2 on without what cancels there."""
    y = x * x
    if y < 10.24:
        return -2 * (dawsn(x) + x * dawsn_slope(x))
    t = 1 / y
    return (2 * dawson_bend(t) - dawson_rest(t)) * t / x


@scalar
def ierfcx(n: Real, x: Real) -> Real:
    """exp(x**2) times the n-th repeated integral of erfc: erfcx for n = 0; its derivative is -2 (n+1) ierfcx(n+1, x).

    By its recurrence 2 n H(n) = H(n-2) - 2 x H(n-1) from H(-1) = 2/sqrt(pi) where that does not cancel; above 1 by the
    continued fraction of the same recurrence for H(k)/H(k-1) (NIST DLMF 7.18.7, 7.18.13).  nan for other orders.
    """
    if not (n >= 0 and n <= 150 and n == floor(n)):
        return NAN
    value = erfcx(x)
    before = _TWO_OVER_ROOT_PI
    if x > 1:
        ratio = 1 / (x + sqrt(x * x + 2 * (n + 150) + 4))
        for k in range(int(n) + 150, 0, -1):
            ratio = 1 / (2 * x + 2 * (k + 1) * ratio)
            value *= ratio if k <= n else 1
        return value
    for k in range(1, int(n) + 1):
        before, value = value, (before - 2 * x * value) / (2 * k)
    return value


# -------------------------------------------------------------------------------------------------- coefficients

# Wichura's coefficients (AS 241): center, tail and far tail.
_CENTER_P = (3.3871328727963666080, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
             4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3)
_CENTER_Q = (1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3, 2.1213794301586595867e4,
             3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3)
_TAIL_P = (1.42343711074968357734, 4.63033784615654529590, 5.76949722146069140550, 3.64784832476320460504,
           1.27045825245236838258, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4)
_TAIL_Q = (1.0, 2.05319162663775882187, 1.67638483018380384940, 6.89767334985100004550e-1, 1.48103976427480074590e-1,
           1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9)
_FAR_P = (6.65790464350110377720, 5.46378491116411436990, 1.78482653991729133580, 2.96560571828504891230e-1,
          2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7)
_FAR_Q = (1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
          7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15)
# (1 + 2x) erfcx(x), in t = (x - 3.75)/(x + 3.75).
_ERFCX = (
    1.2375126308378275, -0.14024059858554522, 0.0035854154854663067, 0.08227673848999159, -0.10880393014193915,
    0.09230432116435616, -0.058693398584491845, 0.028362277371370044, -0.00974657962081509,
    0.0017556261692276722, 0.00029371408777227685, -0.0002901553656394713, 5.164737123871838e-05,
    2.238759272534769e-05, -1.143961526007595e-05, -9.79297529099823e-07, 1.7438577411359181e-06,
    -5.0816911811698186e-08, -2.4996538037405243e-07, 1.8778501156468795e-08, 3.256499083798513e-08,
    -1.952790162974837e-09, -2.7293941332533855e-09,
)
# (1 - x) (x + log_ndtr_slope(x)) for x <= 0, in t = (-x - 3.75)/(-x + 3.75).
_NORMAL_REST = (
    1.129831100097365, -0.049001233691207395, -0.2122865595747851, 0.1862005531744787, -0.03669012892271757,
    -0.042782196833836626, 0.025705084570619402, 0.007322267149547401, -0.010285833994290896, -0.0005252377632024435,
    0.00352402373464341, -0.0002913080941243813, -0.001112761828063384, 0.0001931950720603599, 0.00032994116836097554,
    -7.831688165581419e-05, -9.133603389168036e-05, 2.5986150316875505e-05, 2.295702414485073e-05,
    -7.617601298564677e-06, -4.9362294672642435e-06, 2.025365093833597e-06, 8.009562998126431e-07,
    -4.7229596867807343e-07, -6.694252382645126e-08, 8.386662452589456e-08, -5.17432841349088e-09,
    -8.018260487306271e-09, 1.5500673134269741e-09,
)
# dawsn(x)/x in x**2, and x**2 (2x dawsn(x) - 1) in 1/x**2, from 3.2 to 7 mapped to [-1, 1].
_DAWSON_P = (
    1.0, -0.11512436918105536, 0.04486423909486559, -0.0018730528513642732, 0.00039088338032721424,
    -5.250610273064264e-06, 1.0292519564154485e-06, 6.43373636267196e-10, 7.887671377125007e-10,
    2.454126911553242e-12, 2.4222476875736685e-14,
)
_DAWSON_Q = (
    1.0, 0.5515422974856103, 0.14589243741861999, 0.02450110228861066, 0.002911354948114695,
    0.00025776048338320277, 1.7391432368302887e-05, 8.946088274150213e-07, 3.4198431256179485e-08,
    9.024389492665463e-10, 1.320945101061438e-11,
)
_DAWSON_MIDDLE = (
    0.5527244421977081, 0.041913930415909004, 0.006823599681254328, 0.0020723292682952705,
    0.0006439013261200851, -0.00017155191143781166, -0.0003544448329037864, -4.576939238814334e-05,
    0.00013686150080790603, 1.2934331114575984e-05, -5.782429087756953e-05, 1.03862426939152e-05,
    1.9993277897948173e-05, -1.283941028995211e-05, -1.8555698776715446e-06, 6.19562866714293e-06,
    -3.091694292304604e-06, -3.514240551598207e-07, 1.8558576416234407e-06, -1.4965175076933863e-06,
    -1.0979389571940333e-07, 1.0012332502964683e-06, -3.511236667660503e-07, -3.0198565320418055e-07,
    1.7072362603792077e-07, 3.7770782698272407e-08, -2.7460065205751208e-08,
)
_DAWSON_FAR_P = (
    0.5, -18.297249477791215, 217.85238571797356, -977.4143050380063, 1370.7676005754915, -157.24042609602554,
)
_DAWSON_FAR_Q = (
    1.0, -38.094498955582424, 489.0965198693161, -2558.7440187931616, 5186.467077381282, -2993.1703698236292,
)
_DAWSON_BEND_P = tuple([p - 0.5 * q for p, q in zip(_DAWSON_FAR_P[1:], _DAWSON_FAR_Q[1:])])
