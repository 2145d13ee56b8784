"""How draws move with the parameters of their distribution, where they do: the slopes of a reparametrisation.

A draw is x = g(z, parameters) with z that does not depend on them: g is the quantile function, or another one with
which x has that distribution.  Its derivative is a function of x and the parameters, written here; so a loop keeps
nothing but its draws, and derivatives of any order follow from the first.  Where a scale is 0, draws do not tell z: the
derivative by it is nan.
Sources: D. Kingma, M. Welling, Auto-Encoding Variational Bayes, ICLR 2014; M. Figurnov, S. Mohamed, A. Mnih, Implicit
Reparameterization Gradients, NeurIPS 2018.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from gradc.config import config
from gradc.ir import build, dtypes, graph
from gradc.tensor import elemwise as ew
from gradc.tensor import reduce as red
from gradc.tensor.convert import cast
from gradc.tensor.variable import TensorVariable as Var

Slopes: TypeAlias = "Sequence[Any]"         # variables, and numbers, that broadcast to the draws
Path = Callable[..., Slopes]                # of the draws and the parameters


def gamma_slope(a: Var, x: Var) -> Var:
    """dx/da of a gamma number x of shape a, scale 1; x at a fixed quantile.  Relative error below 1e-11."""
    a, x = cast(a, "float64"), cast(x, "float64")
    slope = -ew.elementwise("gammainc_slope", a, x) / ew.elementwise("gamma_density", a, x)
    return ew.switch(ew.eq(x, 0), 0.0, slope)


def beta_slope(a: Var, b: Var, x: Var, y: Var) -> Var:
    """dx/da of a beta number x = 1 - y at a fixed quantile, from the smaller of both.  Relative error below 1e-11."""
    a, b, x, y = [cast(v, "float64") for v in (a, b, x, y)]
    low = ew.le(x, y)
    first, second, least = ew.switch(low, a, b), ew.switch(low, b, a), ew.minimum(x, y)
    slope = ew.elementwise("betainc_slope", first, second, least, ew.switch(low, 1.0, 0.0))
    slope = slope / ew.elementwise("beta_density", first, second, least)
    return ew.switch(ew.eq(least, 0), 0.0, ew.switch(low, -slope, slope))


def pulled(g: Var, slope: Any, parameter: Var) -> Var:
    """The cotangent of a parameter that was broadcast to the draws."""
    found, have, want = g * slope, g.type.shape, parameter.type.shape
    pad = len(have) - len(want)
    ones = [k for k, s in enumerate(want) if s == 1 and have[pad + k] != 1]
    axes = [*range(pad), *[pad + k for k in ones]]
    if axes:
        found = red.sum(found, axes)
    dtype = parameter.type.dtype
    return cast(build.insert_axes(graph, found, ones, len(want)), dtype if dtype in dtypes.FLOATS else config.floatX)


def _location_scale(x: Var, loc: Var, scale: Var) -> Slopes:
    return 1.0, (x - loc) / scale


def _uniform(x: Var, low: Var, high: Var) -> Slopes:
    return (high - x) / (high - low), (x - low) / (high - low)


def _scale(x: Var, scale: Var) -> Slopes:
    return [x / scale]


def _lognormal(x: Var, mean: Var, sigma: Var) -> Slopes:
    return x, x * (ew.log(x) - mean) / sigma


def _power(x: Var, a: Var) -> Slopes:
    """Of weibull, too: x = e ** (1/a)."""
    return [-x * ew.log(x) / a]


def _pareto(x: Var, b: Var, scale: Var) -> Slopes:
    return -x * ew.log(x / scale) / b, x / scale


def _triangular(x: Var, left: Var, mode: Var, right: Var) -> Slopes:
    """x = left + (u (right - left) (mode - left)) ** (1/2) below the mode, and its mirror image above."""
    below, whole = ew.le(x, mode), right - left
    p, q = (x - left) / 2, (right - x) / 2
    return (ew.switch(below, 1 - p / whole - p / (mode - left), q / whole),
            ew.switch(below, p / (mode - left), q / (right - mode)),
            ew.switch(below, p / whole, 1 - q / whole - q / (right - mode)))


def _wald(x: Var, mean: Var, scale: Var) -> Slopes:
    """F = Phi(a) + exp(2 scale/mean) Phi(b), b = -(scale/x)**(1/2) (x/mean + 1); Phi(b)/phi(b) is Mills's ratio."""
    b = ew.sqrt(scale / x) * (x / mean + 1)
    mills = ew.erfcx(b * float(np.sqrt(0.5))) * float(np.sqrt(np.pi / 2))
    part = 2 * mills * ew.sqrt(x / scale) * x / mean
    return part * scale / mean, x / scale - part


def _truncexpon(x: Var, b: Var, loc: Var, scale: Var) -> Slopes:
    """x = loc - scale log1p(u expm1(-b))."""
    z = (x - loc) / scale
    return scale * ew.expm1(-z) / ew.expm1(-b) * ew.exp(z - b), 1.0, z


def _standard_gamma(x: Var, shape: Var) -> Slopes:
    return [gamma_slope(shape, x)]


def _gamma(x: Var, shape: Var, scale: Var) -> Slopes:
    return scale * gamma_slope(shape, x / scale), x / scale


def gamma_by_rate(x: Var, shape: Var, rate: Var) -> Slopes:
    """Of `random.gamma`."""
    return gamma_slope(shape, x * rate) / rate, -x / rate


def _chisquare(x: Var, df: Var) -> Slopes:
    return [gamma_slope(df / 2, x / 2)]


def _invgamma(x: Var, shape: Var, scale: Var) -> Slopes:
    return -x * x / scale * gamma_slope(shape, scale / x), x / scale


def _gengamma(x: Var, alpha: Var, p: Var, lambd: Var) -> Slopes:
    """x = lambd g ** (1/p), g gamma of shape alpha / p."""
    g = (x / lambd) ** p
    relative = gamma_slope(alpha / p, g) / g
    return x * relative / p ** 2, -x * (ew.log(g) + relative * alpha / p) / p ** 2, x / lambd


def _beta(x: Var, a: Var, b: Var) -> Slopes:
    y = 1 - x
    return beta_slope(a, b, x, y), -beta_slope(b, a, y, x)


def _standard_t(x: Var, df: Var) -> Slopes:
    """w = df / (df + x**2) is beta of (df/2, 1/2)."""
    square = x * x
    w, v = df / (df + square), square / (df + square)
    relative = beta_slope(df / 2, ew.second(df, 0.5), w, v) / (w * v)
    return [ew.switch(ew.eq(x, 0), 0.0, x / 2 * (1 / df - relative / 2))]


def _t(x: Var, df: Var, loc: Var, scale: Var) -> Slopes:
    z = (x - loc) / scale
    return scale * _standard_t(z, df)[0], 1.0, z


def _f(x: Var, dfnum: Var, dfden: Var) -> Slopes:
    """v = dfnum x / (dfnum x + dfden) is beta of (dfnum/2, dfden/2)."""
    whole = dfnum * x + dfden
    v, w = dfnum * x / whole, dfden / whole
    return (x * (beta_slope(dfnum / 2, dfden / 2, v, w) / (2 * v * w) - 1 / dfnum),
            x * (1 / dfden - beta_slope(dfden / 2, dfnum / 2, w, v) / (2 * v * w)))


PATHS: dict[str, Path] = {
    **dict.fromkeys(("normal", "gumbel", "laplace", "logistic", "cauchy", "halfnormal", "halfcauchy"), _location_scale),
    **dict.fromkeys(("exponential", "rayleigh"), _scale), **dict.fromkeys(("power", "weibull"), _power),
    "uniform": _uniform, "lognormal": _lognormal, "pareto": _pareto, "triangular": _triangular, "wald": _wald,
    "truncexpon": _truncexpon, "standard_gamma": _standard_gamma, "gamma": _gamma, "chisquare": _chisquare,
    "invgamma": _invgamma, "gengamma": _gengamma, "beta": _beta, "standard_t": _standard_t, "t": _t, "f": _f,
}
