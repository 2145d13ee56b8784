"""Special functions at poles, signed zeros, infinities, nan, tiny and huge numbers: SciPy's value, or a better one.

Where gradc differs from SciPy, mpmath decides: it agrees with gradc, or the point is one of `OURS`,
each with its reason.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.special as sp

from gradc.ir.scalars import ROWS
from tests.cases_special import EXACT_SPECIAL

INF, NAN = np.inf, np.nan
TINY, LEAST = np.finfo("f8").tiny, 5e-324
LINE = [0.0, -0.0, 1.0, -1.0, INF, -INF, NAN, TINY, -TINY, LEAST, 2.0**-52, 1e-5, 0.5, -0.5, 1.5, -1.5, 2.0, -2.0, 3.0,
        -3.0, 2.5, -2.5, 10.0, -10.0, 30.5, 170.5, -170.5, 1e3, 1e10]
FEW = [0.0, -0.0, 1.0, -1.0, INF, NAN, TINY, 1e10, 0.5, 1.5, 2.0]
ONE = ("gamma", "gammaln", "psi", "erfcx", "erfinv", "erfcinv", "ndtr", "log_ndtr", "ndtri", "i0", "i0e", "i1", "i1e",
       "j0", "j1", "y0", "y1", "expi", "exp1", "dawsn", "spence", "entr", "logit", "cbrt", "lambertw")
TWO = ("gammainc", "gammaincc", "gammaincinv", "gammainccinv", "beta", "betaln", "xlogy", "xlog1py", "rel_entr",
       "kl_div",
       "zeta", "iv", "ive", "jv", "yv", "kv", "kve", "owens_t", "logaddexp2")
THREE = ("betainc", "betaincinv")

Place = Callable[..., bool]


def _bessel(v: float, x: float) -> bool:
    """nan for infinite orders (SciPy: nan or the limit) and large ones, limits for infinite arguments (SciPy: nan)."""
    return np.isinf(v) or np.isinf(x) or (abs(v) > 1e5 and abs(x) > 1e5) or abs(x) == LEAST


def _whole(x: float) -> bool:
    return x == np.floor(x)


# Where another value than SciPy's is meant, besides nan for nan.
OURS: dict[str, tuple[Place, str]] = {
    "gammaln": (lambda x: x == -INF, "inf at -inf, as C's lgamma; SciPy -inf"),
    **dict.fromkeys(("j0", "j1", "y0", "y1"), (lambda x: np.isinf(x), "0, the limit; SciPy nan")),
    "spence": (lambda x: x == INF, "-inf, the limit; SciPy nan"),
    "beta": (lambda a, b: np.isinf(a) or np.isinf(b) or (_whole(a) and _whole(b) and a <= 0 and b <= 0),
             "the limit for inf, nan for -inf; a pole of two arguments, of which the way decides the sign, is inf"),
    "betaln": (lambda a, b: np.isinf(a) or np.isinf(b), "the limit for inf, nan for -inf"),
    "gammaincinv": (lambda a, p: not (a > 0 and 0 <= p <= 1) or a == LEAST or (a > 1e9 and p < 1e-10),
                    "nan outside of the domain, where SciPy has 0 for some; SciPy loses digits of large a"),
    "gammainccinv": (lambda a, q: not (a > 0 and 0 <= q <= 1) or min(a, q) == LEAST,
                     "nan outside of the domain, where SciPy has 0 for some; the least number keeps no digits"),
    "zeta": (lambda s, q: s == INF, "0, the limit; SciPy nan"),
    **dict.fromkeys(("iv", "ive", "jv", "yv", "kv", "kve"), (_bessel, "see _bessel")),
    "betaincinv": (lambda a, b, p: not 1e-300 < min(a, b) < max(a, b) < 1e9 or p == TINY,
                   "SciPy loses tiny and huge parameters; it has the least normal number for smaller ones"),
}


def exact(name: str, point: tuple[float, ...]) -> float:
    """mpmath's value; nan where that is complex or undefined."""
    with mpmath.workdps(60):
        try:
            value = EXACT_SPECIAL[name](*map(mpmath.mpf, point))
        except (ZeroDivisionError, ValueError, mpmath.libmp.NoConvergence):
            return NAN
        return float(mpmath.re(value)) if mpmath.im(value) == 0 else NAN


def agrees(got: float, want: float, size: float = 1e-310) -> bool:
    return bool(got == want or (np.isnan(got) and np.isnan(want)) or abs(got - want) <= 1e-11 * max(abs(want), size))


def unexplained(name: str, grid: list[float], count: int) -> list[str]:
    points = list(itertools.product(grid, repeat=count))
    columns = [np.array(c) for c in zip(*points)]
    got = np.asarray(ROWS[name].numpy(*columns), float)
    scipy: Any = np.logaddexp2 if name == "logaddexp2" else getattr(sp, name)
    want = scipy(*columns)
    if np.iscomplexobj(want):
        want = np.where(want.imag == 0, want.real, NAN)
    ours = OURS.get(name, (lambda *args: False, ""))[0]
    size = 1.0 if name == "betaln" else 1e-310             # of which the error is relative
    return [f"{point}: {g}, SciPy {w}" for point, g, w in zip(points, got.tolist(), want.tolist())
            if not (agrees(g, w, size) or ours(*point)
                    or agrees(g, NAN if any(map(np.isnan, point)) else exact(name, point)))]


@pytest.mark.parametrize("name", [*ONE, *TWO, *THREE])
def test_edges_are_scipys_or_mpmaths(name: str) -> None:
    count = 1 if name in ONE else 2 if name in TWO else 3
    with np.errstate(all="ignore"):
        assert unexplained(name, FEW if count == 3 else LINE, count) == []


@pytest.mark.parametrize("point, value", [
    ((0.0, 0.0), INF), ((-2.0, 1.0), -0.5), ((-2.0, 2.0), 0.5), ((-2.0, 3.0), INF), ((-0.5, -0.5), 0.0),
    ((-1.5, 1e10), 2363271801207354.7), ((-40.5, 41.25), -2.1614826447), ((-40.5, 12.25), 2.9316557e-10),
    ((-40.5, -12.25), 1.8e10), ((-INF, 2.0), NAN), ((INF, -0.5), -INF)])
def test_beta_of_negative_numbers(point: tuple[float, float], value: float) -> None:
    if np.isfinite(value) and not all(map(_whole, point)) and value:
        value = exact("beta", point)
    got = ROWS["beta"].numpy(*map(np.float64, point)), ROWS["beta"].numpy(*map(np.float64, point[::-1]))
    np.testing.assert_allclose(got, [value, value], rtol=1e-12)
    with np.errstate(divide="ignore"):
        want = np.log(np.abs(value))
    np.testing.assert_allclose(ROWS["betaln"].numpy(*map(np.float64, point)), want, rtol=1e-12, atol=1e-13)


def test_quantiles_of_the_smallest_numbers() -> None:
    """The largest quantiles there are: by logarithms, as the tails have no digits left."""
    for a in (1e-5, 0.5, 1.0, 10.0, 170.5, 1e3, 1.9e4):
        for name, f in (("gammaincinv", "gammainc"), ("gammainccinv", "gammaincc")):
            p = 2.0 ** -1020
            x = float(ROWS[name].numpy(np.float64(a), np.float64(p)))
            if x < 1e-300:
                continue
            with mpmath.workdps(60):
                x_mp, a_mp = mpmath.mpf(x), mpmath.mpf(a)
                error = mpmath.log(EXACT_SPECIAL[f](a_mp, x_mp) / p)
                slope = EXACT_SPECIAL["gamma_density"](a_mp, x_mp) * x_mp / p       # of it by log(x)
                assert abs(error / slope) < 1e-13, (name, a, x)
