"""Special functions of 1e5 numbers, against SciPy; and negative binomial regression with its gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

try:
    import scipy.special as sp
except ImportError:             # its rows are left out
    sp = None

from benchmarks.row import Arrays, Call, Row, TimesNumpy, symbolic_call

MANY, OBSERVATIONS = 100_000, 2_000
SHAPE = 2.5
ONE = ("psi", "gammaln", "erf", "log_ndtr", "ndtr", "ndtri", "erfcx", "i0", "j0", "y1", "gamma", "expi", "exp1",
       "dawsn", "spence")
TWO = ("gammainc", "gammaincc", "gammaincinv", "betaln", "iv", "jv", "yv", "kv", "zeta", "owens_t")
THREE = ("betainc", "betaincinv")


def _numbers(many: int, domain: tuple[float, float] = (0.1, 8.0)) -> Arrays:
    """Uniform numbers."""
    rng = np.random.default_rng(71)
    return {f"x{k}": rng.uniform(*domain, MANY) for k in range(many)}


def _inputs(name: str) -> Callable[[], Arrays]:
    if name in ("ndtri", "gammaincinv", "betainc", "betaincinv"):
        return lambda: _numbers(1 if name == "ndtri" else 2 if name in TWO else 3, (0.01, 0.99))
    if name == "zeta":
        return lambda: _numbers(2, (1.1, 8.0))
    return lambda: _numbers(1 if name in ONE else 2)


def _row(name: str) -> Row:
    def symbolic(lib: Any, arrays: Arrays) -> Call:
        xs = [lib.tensor.dvector(key) for key in arrays]
        return symbolic_call(lib, xs, getattr(lib.tensor, name)(*xs), arrays)

    return Row(f"special-{name}", f"{name} of 1e5 numbers, against SciPy's", TimesNumpy(0.5), _inputs(name),
               lambda arrays: Call(getattr(sp, name), tuple(arrays.values())), None, None, gradc=symbolic,
               tolerance=1e-10, short=name in ("psi", "log_ndtr", "gammainc"))


def regression() -> Arrays:
    """Counts and three covariates of 2,000 observations, and weights."""
    rng = np.random.default_rng(72)
    x = rng.standard_normal((OBSERVATIONS, 3))
    y = rng.poisson(np.exp(x @ np.array([0.3, -0.2, 0.1]) + 1)).astype(float)
    return {"w": np.array([0.2, -0.1, 0.3]), "r": np.array(SHAPE), "x": x, "y": y}


def _numpy_regression(arrays: Arrays) -> Call:
    def run(w: Any, r: Any, x: Any, y: Any) -> list[Any]:
        eta = x @ w
        total = np.logaddexp(np.log(r), eta)
        share = np.exp(eta - total)
        value = (sp.gammaln(y + r) - sp.gammaln(r) - sp.gammaln(y + 1) + r * (np.log(r) - total) + y * (eta - total))
        slope = y - (y + r) * share
        by_r = sp.psi(y + r) - sp.psi(r) + np.log(r) - total + 1 - (y + r) * np.exp(-total)
        return [value.sum(), x.T @ slope, by_r.sum()]

    return Call(run, tuple(arrays.values()))


def _symbolic_regression(lib: Any, arrays: Arrays) -> Call:
    t = lib.tensor
    w, r, x, y = t.dvector("w"), t.dscalar("r"), t.dmatrix("x"), t.dvector("y")
    eta = t.dot(x, w)
    mu = t.exp(eta)
    value = (t.gammaln(y + r) - t.gammaln(r) - t.gammaln(y + 1) + r * t.log(r) + y * eta
             - (r + y) * t.log(r + mu)).sum()
    return symbolic_call(lib, [w, r, x, y], [value, *lib.grad(value, [w, r])], arrays)


ROWS = [] if sp is None else [
    *[_row(name) for name in (*ONE, *TWO, *THREE)],
    Row("negative-binomial", "negative binomial regression, 2,000 observations: log likelihood and gradient",
        TimesNumpy(0.5), regression, _numpy_regression, None, _symbolic_regression, tolerance=1e-9),
]
