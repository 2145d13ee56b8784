"""Special functions, parts of floats and functions of integers: cases, and exact values of their rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import scipy.special as sp
from mpmath import mpf

import gradc.tensor as at
from tests.cases_base import Arg, Case, ints


def lower(a: Any, x: Any) -> Any:
    """gammainc."""
    return mpmath.gammainc(a, 0, x, regularized=True)


def upper(a: Any, x: Any) -> Any:
    """gammaincc."""
    return mpmath.gammainc(a, x, mpmath.inf, regularized=True)


def beta_cdf(a: Any, b: Any, x: Any) -> Any:
    """betainc."""
    return mpmath.betainc(a, b, 0, x, regularized=True)


def gamma_pdf(a: Any, x: Any) -> Any:
    return mpmath.exp((a - 1) * mpmath.log(x) - x - mpmath.loggamma(a))


def beta_pdf(a: Any, b: Any, x: Any) -> Any:
    return x ** (a - 1) * (1 - x) ** (b - 1) / mpmath.beta(a, b)


def dawson(x: Any) -> Any:
    return mpmath.sqrt(mpmath.pi) / 2 * mpmath.exp(-x * x) * mpmath.erfi(x)


def log_normal_cdf(x: Any) -> Any:
    """log_ndtr."""
    return mpmath.log(mpmath.ncdf(x)) if x < 0 else mpmath.log1p(-mpmath.ncdf(-x))


def normal_quantile(p: Any) -> Any:
    return mpmath.sqrt(2) * mpmath.erfinv(2 * p - 1)


def owen(h: Any, a: Any) -> Any:
    def density(x: Any) -> Any:
        return mpmath.exp(-h * h * (1 + x * x) / 2) / (1 + x * x)
    return mpmath.quad(density, [0, a / 3, a], maxdegree=5) / (2 * mpmath.pi)


def derivative(f: Callable[..., Any], *orders: int) -> Callable[..., Any]:
    return lambda *args: mpmath.diff(f, args, orders, h=mpf(10) ** -9)


def _gamma_inverse(a: Any, p: Any, upper_tail: bool = False) -> Any:
    start = float((sp.gammainccinv if upper_tail else sp.gammaincinv)(float(a), float(p)))
    x, f = mpf(start), upper if upper_tail else lower
    for _ in range(3):
        x -= (f(a, x) - p) / gamma_pdf(a, x) * (-1 if upper_tail else 1)
    return x


def _beta_inverse(a: Any, b: Any, p: Any) -> Any:
    x = mpf(float(sp.betaincinv(float(a), float(b), float(p))))
    for _ in range(3):
        x -= (beta_cdf(a, b, x) - p) / beta_pdf(a, b, x)
    return x


def _by(flag: Any, first: Callable[..., Any], second: Callable[..., Any]) -> Callable[..., Any]:
    return first if flag else second


EXACT_SPECIAL: dict[str, Callable[..., Any]] = {
    "cbrt": lambda x: mpmath.sign(x) * mpmath.cbrt(abs(x)),
    "logaddexp2": lambda x, y: mpmath.log(mpf(2) ** x + mpf(2) ** y, 2),
    "ndtr": mpmath.ncdf, "log_ndtr": log_normal_cdf, "ndtri": normal_quantile,
    "log_ndtr_slope": lambda x: mpmath.npdf(x) / mpmath.ncdf(x),
    "log_ndtr_bend": lambda x: -(h := mpmath.npdf(x) / mpmath.ncdf(x)) * (x + h),
    "dawsn": dawson, "dawsn_slope": lambda x: 1 - 2 * x * dawson(x),
    "dawsn_curvature": lambda x: -2 * (dawson(x) + x * (1 - 2 * x * dawson(x))),
    "zeta": lambda s, q: mpmath.zeta(s, q),
    "gammainc": lower, "gammaincc": upper, "gamma_density": gamma_pdf,
    "gammainc_slope": derivative(lower, 1, 0), "gammainc_curvature": derivative(lower, 2, 0),
    "gammaincinv": _gamma_inverse, "gammainccinv": lambda a, q: _gamma_inverse(a, q, True),
    "betaln": lambda a, b: mpmath.log(mpmath.beta(a, b)), "beta": mpmath.beta,
    "betainc": beta_cdf, "beta_density": beta_pdf, "betaincinv": _beta_inverse,
    "betainc_slope": lambda a, b, x, da: _by(da, derivative(beta_cdf, 1, 0, 0), derivative(beta_cdf, 0, 1, 0))(a, b, x),
    "betainc_curvature": lambda a, b, x, da, by: derivative(
        beta_cdf, int(da) + int(by), 2 - int(da) - int(by), 0)(a, b, x),
    "exp_difference": lambda x, y, d: mpmath.exp(x if d > 0 else y) * -mpmath.expm1(-abs(d)) * mpmath.sign(d),
    "xlogy": lambda x, y: x * mpmath.log(y), "xlog1py": lambda x, y: x * mpmath.log1p(y),
    "entr": lambda x: -x * mpmath.log(x), "log_ratio": lambda x, y: mpmath.log(x / y),
    "rel_entr": lambda x, y: x * mpmath.log(x / y), "kl_div": lambda x, y: x * mpmath.log(x / y) - x + y,
    "logit": lambda x: mpmath.log(x / (1 - x)), "sinc": lambda x: mpmath.sinpi(x) / (mpmath.pi * x),
    "sinc_derivative": lambda n, x: mpmath.diff(lambda t: mpmath.sinpi(t) / (mpmath.pi * t), x, int(n)),
    "i0": lambda x: mpmath.besseli(0, x), "i1": lambda x: mpmath.besseli(1, x),
    "i0e": lambda x: mpmath.besseli(0, x) * mpmath.exp(-x), "i1e": lambda x: mpmath.besseli(1, x) * mpmath.exp(-x),
    "j0": lambda x: mpmath.besselj(0, x), "j1": lambda x: mpmath.besselj(1, x),
    "y0": lambda x: mpmath.bessely(0, x), "y1": lambda x: mpmath.bessely(1, x),
    "jv": mpmath.besselj, "yv": mpmath.bessely, "iv": mpmath.besseli, "kv": mpmath.besselk,
    "ive": lambda v, x: mpmath.besseli(v, x) * mpmath.exp(-x), "kve": lambda v, x: mpmath.besselk(v, x) * mpmath.exp(x),
    "exp1": mpmath.e1, "expi": mpmath.ei, "spence": lambda z: mpmath.re(mpmath.polylog(2, 1 - z)),
    "spence_derivative": lambda n, z: mpmath.diff(lambda t: mpmath.log(t) / (1 - t), z, int(n) - 1),
    "lambertw": mpmath.lambertw, "lambertw_minus": lambda z: mpmath.re(mpmath.lambertw(z, -1)),
    "owens_t": owen, "hyp2f1": mpmath.hyp2f1,
}


def _case(name: str, reference: Callable[..., Any], *domains: str, grad: str = "complex", rtol: float = 1e-11,
          **rest: Any) -> Case:
    return Case(name, getattr(at, name), reference, tuple([Arg((3, 4), d) for d in domains]), grad, rtol=rtol, **rest)


SPECIAL: list[Case] = [
    _case("cbrt", np.cbrt, "nonzero"),
    _case("fmax", np.fmax, "distinct", "all", grad="difference"),
    _case("fmin", np.fmin, "distinct", "all", grad="difference"),
    _case("fmod", np.fmod, "distinct", "nonzero", grad="difference", wrt=(0,)),
    Case("fmod", at.fmod, np.fmod, (ints(), ints(domain="two")), "none", label="int"),
    _case("copysign", np.copysign, "nonzero", "nonzero", grad="difference", wrt=(0,)),
    _case("signbit", np.signbit, "all", grad="none"),
    _case("heaviside", np.heaviside, "nonzero", "all", grad="difference", wrt=(0,)),
    _case("nextafter", np.nextafter, "all", "all", grad="difference", wrt=(0,)),
    _case("spacing", np.spacing, "nonzero", grad="none"),
    Case("ldexp", at.ldexp, lambda x, n: np.ldexp(x, n), (Arg((3, 4)), ints()), "complex"),
    Case("frexp", at.frexp, np.frexp, (Arg((3, 4), "nonzero"),), "difference"),
    Case("modf", at.modf, np.modf, (Arg((3, 4), "off_integer"),), "difference"),
    Case("gcd", at.gcd, np.gcd, (ints(), ints()), "none"),
    Case("lcm", at.lcm, np.lcm, (ints(), ints()), "none"),
    Case("bitwise_count", at.bitwise_count, lambda x: np.array([bin(abs(v)).count("1") for v in x.ravel()],
                                                               "uint8").reshape(x.shape), (ints(),), "none"),
    _case("logaddexp2", np.logaddexp2, "distinct", "all"),
    _case("xlogy", sp.xlogy, "nonzero", "positive"),
    _case("xlog1py", sp.xlog1py, "nonzero", "positive"),
    _case("entr", sp.entr, "positive"),
    _case("rel_entr", sp.rel_entr, "positive", "positive"),
    _case("kl_div", sp.kl_div, "positive", "positive", rtol=1e-10),
    _case("logit", sp.logit, "open01"),
    _case("sinc", np.sinc, "all", rtol=1e-10),
    _case("ndtr", sp.ndtr, "all"),
    _case("log_ndtr", sp.log_ndtr, "all"),
    _case("ndtri", sp.ndtri, "open01"),
    _case("owens_t", sp.owens_t, "all", "all"),
    _case("gammainc", sp.gammainc, "positive", "positive", grad="difference"),
    _case("gammaincc", sp.gammaincc, "positive", "positive", grad="difference"),
    _case("gammaincinv", sp.gammaincinv, "positive", "open01", grad="difference"),
    _case("gammainccinv", sp.gammainccinv, "positive", "open01", grad="difference"),
    _case("gammau", lambda k, x: sp.gammaincc(k, x) * sp.gamma(k), "positive", "positive", grad="difference"),
    _case("gammal", lambda k, x: sp.gammainc(k, x) * sp.gamma(k), "positive", "positive", grad="difference"),
    _case("chi2sf", lambda x, k: sp.chdtrc(k, x), "positive", "positive", grad="difference"),
    _case("beta", sp.beta, "positive", "positive"),
    _case("betaln", sp.betaln, "positive", "positive"),
    _case("betainc", sp.betainc, "positive", "positive", "open01", grad="difference"),
    _case("betaincinv", sp.betaincinv, "positive", "positive", "open01", grad="difference"),
    Case("polygamma", at.polygamma, sp.polygamma, (ints(domain="small"), Arg((3, 4), "positive")), "complex"),
    _case("zeta", sp.zeta, "above1", "positive", wrt=(1,)),
    *[_case(name, getattr(sp, name), "all") for name in ("i0", "i1", "i0e", "i1e", "j0", "j1")],
    *[_case(name, getattr(sp, name), "positive") for name in ("y0", "y1")],
    *[_case(name, getattr(sp, name), "positive", "positive", wrt=(1,)) for name in
      ("jv", "yv", "iv", "ive", "kv", "kve")],
    _case("expi", sp.expi, "nonzero"),
    _case("exp1", sp.exp1, "positive"),
    _case("dawsn", sp.dawsn, "all"),
    _case("spence", sp.spence, "positive"),
    _case("lambertw", lambda z: np.real(sp.lambertw(z)), "positive"),
    Case("lambertw", lambda z: at.lambertw(-z / 3, -1), lambda z: np.real(sp.lambertw(-z / 3, -1)),
         (Arg((3, 4), "open01"),), rtol=1e-11, label="minus"),
    _case("hyp2f1", sp.hyp2f1, "positive", "positive", "positive", "unit", wrt=(3,)),
]
