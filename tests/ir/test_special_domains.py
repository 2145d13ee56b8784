"""Special functions far out: small and large parameters, tails, poles, signs; against mpmath and SciPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.special as sp

import gradc.tensor as at
from gradc.ir.scalars import ROWS
from tests.cases_special import EXACT_SPECIAL

RNG = np.random.default_rng(31)
N = 16
SIZES = 10.0 ** RNG.uniform(-2, 3.5, N)
LINE = np.concatenate([RNG.uniform(-37, 37, N), 10.0 ** RNG.uniform(-8, 0, 4)])
POSITIVE = np.concatenate([RNG.uniform(0, 3, N), 10.0 ** RNG.uniform(-8, 2.5, N)])
ORDERS = RNG.uniform(0, 25, N)
FAR = 10.0 ** RNG.uniform(-1, 2.5, N)

# name: arguments, relative bound
DOMAINS: dict[str, tuple[tuple[np.ndarray, ...], float]] = {
    "gammainc": ((SIZES, SIZES * RNG.uniform(0.2, 1.5, N)), 1e-12),
    "gammaincc": ((SIZES, SIZES * RNG.uniform(0.5, 2, N)), 1e-12),
    "gamma_density": ((SIZES, SIZES * RNG.uniform(0.2, 2, N)), 1e-12),
    "betainc": ((SIZES, SIZES[::-1], RNG.uniform(0.3, 1, N) * SIZES / (SIZES + SIZES[::-1])), 1e-11),
    "beta_density": ((np.full(4, 3.4), np.full(4, 41.5), 10.0 ** -np.arange(2.0, 14, 3)), 1e-13),
    "betaln": ((SIZES, SIZES[::-1]), 1e-12),
    "ndtr": ((LINE,), 2e-15), "log_ndtr": ((LINE,), 2e-15), "log_ndtr_slope": ((LINE,), 2e-15),
    "log_ndtr_bend": ((LINE,), 3e-15),
    "dawsn": ((LINE,), 2e-15), "zeta": ((RNG.uniform(1.01, 40, N), FAR), 4e-15),
    "polygamma": ((RNG.integers(2, 12, N).astype(float), FAR), 4e-15),
    "iv": ((ORDERS, FAR), 2e-14), "kv": ((ORDERS, FAR), 1e-14), "ive": ((ORDERS, FAR), 2e-14),
    "expi": ((POSITIVE,), 6e-15), "exp1": ((POSITIVE,), 6e-15), "spence": ((POSITIVE,), 2e-15),
    "lambertw": ((np.append(POSITIVE, -np.exp(-1) + 10.0 ** RNG.uniform(-13, -1, N)),), 2e-15),
    "lambertw_minus": ((-np.append(10.0 ** RNG.uniform(-200, -0.5, N), np.exp(-1) - 10.0 ** RNG.uniform(-13, -1, N)),),
                       2e-15),
    "i0": ((LINE,), 2e-15), "i1e": ((LINE,), 2e-15), "kl_div": ((POSITIVE, POSITIVE * (1 + 1e-5)), 1e-11),
    "hyp2f1": ((RNG.uniform(0.1, 5, N), RNG.uniform(0.1, 5, N), RNG.uniform(0.2, 8, N), RNG.uniform(-3, 0.95, N)),
               1e-12),
}
EXACT: dict[str, Callable[..., Any]] = EXACT_SPECIAL | {
    "polygamma": lambda n, x: mpmath.psi(int(n), x), "zeta": lambda s, q: mpmath.mpf(sp.zeta(float(s), float(q))),
    "i1e": lambda x: mpmath.besseli(1, x) * mpmath.exp(-abs(x))}


@pytest.mark.parametrize("name", DOMAINS)
def test_accuracy_over_the_domain(name: str) -> None:
    args, bound = DOMAINS[name]
    got = ROWS[name].numpy(*args)
    with mpmath.workdps(40):
        for value, *point in zip(got.tolist(), *[a.tolist() for a in args]):
            want = mpmath.re(EXACT[name](*map(mpmath.mpf, point)))
            if abs(want) > 1e-290:
                assert abs(mpmath.mpf(value) - want) <= bound * abs(want), (point, value, float(want))


def test_orders_up_to_400() -> None:
    """Series, recurrences and expansions, errors in epsilon: of J and Y beyond x = v against their modulus."""
    v = np.concatenate([RNG.uniform(0, 30, 40), RNG.uniform(20, 400, 80), RNG.integers(20, 400, 40)])
    x = 10.0 ** RNG.uniform(-1, 2.7, v.size)
    modulus = np.where(x > v, np.sqrt(2 / (np.pi * x)), 0)
    for name, bound in (("jv", 200), ("yv", 200), ("ive", 20)):
        exact = [EXACT_SPECIAL[name](*map(mpmath.mpf, point)) for point in zip(v, x)]
        normal = np.array([1e-300 < abs(e) < 1e300 for e in exact])
        want = np.array([float(e) if n else 1.0 for e, n in zip(exact, normal)])
        size = np.abs(want) if name == "ive" else np.maximum(np.abs(want), modulus)
        error = np.abs(getattr(at.special, name)(v, x).eval() - want) / size / np.finfo(float).eps
        assert error[normal].max() < bound, (name, v[normal][error[normal].argmax()], x[normal][error[normal].argmax()])


def test_branches_of_lambertw_are_named() -> None:
    with pytest.raises(TypeError, match="lambertw: k must be 0 or -1"):
        at.lambertw(at.dscalar(), 1)
