"""Relative error of first and second derivatives of every row, against mpmath, over the row's whole domain.

The bounds are those of the table in docs/derivatives.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
from mpmath import mpf

import gradc
import gradc.tensor as at
from gradc.gradient import grad
from gradc.ir.scalars import ROWS
from gradc.record import record
from tests.ir.test_rows import ierfcx

PAGE = Path(__file__).parents[2] / "docs" / "derivatives.md"
PI = mpmath.pi


def sech(x):
    return mpmath.sech(x)


def slope(x):
    """The derivative of the sigmoid."""
    return sech(x / 2) ** 2 / 4


def inverse_erf(x):
    """The inverse of erf at x, or of erfc at x for x = (p,)."""
    start = mpf(float(ROWS["erfinv"].numpy(np.float64(x))))
    for _ in range(4):
        start -= (mpmath.erf(start) - x) * mpmath.sqrt(PI) / 2 * mpmath.exp(start * start)
    return start


def inverse_erfc(p):
    y = mpf(float(ROWS["erfcinv"].numpy(np.float64(p))))
    for _ in range(4):
        y += (mpmath.erfc(y) - p) * mpmath.sqrt(PI) / 2 * mpmath.exp(y * y)
    return y


def gauss(x):
    return 2 / mpmath.sqrt(PI) * mpmath.exp(-x * x)


def inverse_gauss(y):
    return mpmath.sqrt(PI) / 2 * mpmath.exp(y * y)


@record(eq=False)
class Reference:
    """First and second derivative by argument k, as mpmath functions; where arguments are sampled."""

    first: Callable[..., Any]
    second: Callable[..., Any]
    low: float = -np.inf
    high: float = np.inf
    near: tuple[float, ...] = ()        # points to come close to
    k: int = 0
    others: tuple[float, ...] = ()      # values of the other argument, crossed with the samples


def ln(x):
    return mpmath.log(x)


INF = np.inf
R = Reference
ONE = R(lambda *a: mpf(1), lambda *a: mpf(0))
OTHERS = (1.0, -2.5, 0.37, 1e-5, 300.0)
REFERENCES: dict[str, Reference] = {
    "true_divide 0": R(lambda x, y: 1 / y, lambda x, y: mpf(0), others=OTHERS),
    "true_divide 1": R(lambda x, y: -x / y**2, lambda x, y: 2 * x / y**3, k=1, others=OTHERS),
    "pow 0": R(lambda x, y: y * x ** (y - 1), lambda x, y: y * (y - 1) * x ** (y - 2), low=0, others=(2.5, -0.7, 3.0)),
    "pow 1": R(lambda x, y: x**y * ln(x), lambda x, y: x**y * ln(x) ** 2, k=1, others=(0.3, 2.5, 1.001)),
    "square": R(lambda x: 2 * x, lambda x: mpf(2)),
    "sqrt": R(lambda x: 1 / (2 * mpmath.sqrt(x)), lambda x: -1 / (4 * x * mpmath.sqrt(x)), low=0),
    "reciprocal": R(lambda x: -1 / x**2, lambda x: 2 / x**3),
    "exp": R(mpmath.exp, mpmath.exp),
    "exp2": R(lambda x: mpf(2)**x * ln(2), lambda x: mpf(2)**x * ln(2)**2),
    "expm1": R(mpmath.exp, mpmath.exp),
    "log": R(lambda x: 1 / x, lambda x: -1 / x**2, low=0, near=(1,)),
    "log2": R(lambda x: 1 / x / ln(2), lambda x: -1 / x**2 / ln(2), low=0),
    "log10": R(lambda x: 1 / x / ln(10), lambda x: -1 / x**2 / ln(10), low=0),
    "log1p": R(lambda x: 1 / (1 + x), lambda x: -1 / (1 + x)**2, low=-1, near=(-1,)),
    "sin": R(mpmath.cos, lambda x: -mpmath.sin(x), near=(np.pi / 2, np.pi)),
    "cos": R(lambda x: -mpmath.sin(x), lambda x: -mpmath.cos(x), near=(np.pi / 2, np.pi)),
    "tan": R(lambda x: mpmath.sec(x)**2, lambda x: 2 * mpmath.sec(x)**2 * mpmath.tan(x), near=(np.pi / 2, np.pi)),
    "arcsin": R(lambda x: 1 / mpmath.sqrt((1 - x) * (1 + x)), lambda x: x / ((1 - x) * (1 + x))**mpf(1.5),
                low=-1, high=1, near=(-1, 1)),
    "arccos": R(lambda x: -1 / mpmath.sqrt((1 - x) * (1 + x)), lambda x: -x / ((1 - x) * (1 + x))**mpf(1.5),
                low=-1, high=1, near=(-1, 1)),
    "arctan": R(lambda x: 1 / (1 + x * x), lambda x: -2 * x / (1 + x * x)**2),
    "arctan2 0": R(lambda y, x: x / (x * x + y * y), lambda y, x: -2 * x * y / (x * x + y * y)**2, others=OTHERS),
    "arctan2 1": R(lambda y, x: -y / (x * x + y * y), lambda y, x: 2 * x * y / (x * x + y * y)**2, k=1, others=OTHERS),
    "sinh": R(mpmath.cosh, mpmath.sinh),
    "cosh": R(mpmath.sinh, mpmath.cosh),
    "tanh": R(lambda x: sech(x)**2, lambda x: -2 * sech(x)**2 * mpmath.tanh(x)),
    "arcsinh": R(lambda x: 1 / mpmath.sqrt(1 + x * x), lambda x: -x / (1 + x * x)**mpf(1.5)),
    "arccosh": R(lambda x: 1 / mpmath.sqrt((x - 1) * (x + 1)), lambda x: -x / ((x - 1) * (x + 1))**mpf(1.5),
                 low=1, near=(1,)),
    "arctanh": R(lambda x: 1 / ((1 - x) * (1 + x)), lambda x: 2 * x / ((1 - x) * (1 + x))**2, low=-1, high=1,
                 near=(-1, 1)),
    "deg2rad": R(lambda x: PI / 180, lambda x: mpf(0)),
    "rad2deg": R(lambda x: 180 / PI, lambda x: mpf(0)),
    "sigmoid": R(slope, lambda x: -slope(x) * mpmath.tanh(x / 2)),
    "softplus": R(lambda x: 1 / (1 + mpmath.exp(-x)), slope),
    "log1mexp": R(lambda x: mpmath.exp(x) / mpmath.expm1(x), lambda x: -mpmath.exp(x) / mpmath.expm1(x)**2, high=0,
                  near=(-np.log(2),)),
    "logaddexp 0": R(lambda x, y: 1 / (1 + mpmath.exp(y - x)), lambda x, y: slope(x - y), others=OTHERS),
    "logaddexp 1": R(lambda x, y: 1 / (1 + mpmath.exp(x - y)), lambda x, y: slope(x - y), k=1, others=OTHERS),
    "xlogx": R(lambda x: ln(x) + 1, lambda x: 1 / x, low=0, near=(np.exp(-1),)),
    "xlogy0 0": R(lambda x, y: ln(y), lambda x, y: mpf(0), others=(0.3, 1e-5, 1.0000001, 300.0)),
    "xlogy0 1": R(lambda x, y: x / y, lambda x, y: -x / y**2, k=1, low=0, others=OTHERS),
    "erf": R(gauss, lambda x: -2 * x * gauss(x)),
    "softsign": R(lambda x: 1 / (1 + abs(x))**2, lambda x: -2 * mpmath.sign(x) / (1 + abs(x))**3),
    "erfc": R(lambda x: -gauss(x), lambda x: 2 * x * gauss(x)),
    "erfinv": R(lambda x: inverse_gauss(inverse_erf(x)), lambda x: 2 * (y := inverse_erf(x)) * inverse_gauss(y)**2,
                low=-1, high=1, near=(-1, 1)),
    "erfcinv": R(lambda x: -inverse_gauss(inverse_erfc(x)), lambda x: 2 * (y := inverse_erfc(x)) * inverse_gauss(y)**2,
                 low=0, high=2, near=(1, 2)),
    "erfcx": R(lambda x: -2 * ierfcx(1, x), lambda x: 8 * ierfcx(2, x)),
    "gamma": R(lambda x: mpmath.gamma(x) * mpmath.psi(0, x),
               lambda x: mpmath.gamma(x) * (mpmath.psi(0, x)**2 + mpmath.psi(1, x)), low=0, near=(1.4616321449683622,)),
    "gammaln": R(lambda x: mpmath.psi(0, x), lambda x: mpmath.psi(1, x), low=0, near=(1.4616321449683622,)),
    "psi": R(lambda x: mpmath.psi(1, x), lambda x: mpmath.psi(2, x), low=0),
    "tri_gamma": R(lambda x: mpmath.psi(2, x), lambda x: mpmath.psi(3, x), low=0),
    "polygamma 1": R(lambda n, x: mpmath.psi(int(n) + 1, x), lambda n, x: mpmath.psi(int(n) + 2, x), k=1, low=0,
                     others=(0, 1, 2, 5)),
}


def samples(ref: Reference, dtype: str) -> np.ndarray:
    """Arguments of all magnitudes, of ordinary ones, and near the points that matter."""
    kind = np.finfo(dtype)
    rng = np.random.default_rng(4)
    top = np.log10(float(kind.max)) - 1
    bottom = np.log10(float(kind.tiny)) + 1
    far = 750 if dtype == "float64" else 90
    steps = 2.0 ** -rng.uniform(1, kind.nmant, 8)
    x = np.concatenate([10.0 ** rng.uniform(bottom, top, 16), 10.0 ** rng.uniform(-6, min(6, top), 12),
                        rng.uniform(0, 2, 8), rng.uniform(0, 30, 8), rng.uniform(0, far, 6)])
    close = [p + s * steps for p in ref.near for s in (-1, 1)] + [[p, np.nextafter(p, 2 * p, dtype=dtype)]
                                                                  for p in ref.near]
    x = np.concatenate([x, -x, *close]).astype(dtype)
    return x[(x > ref.low) & (x < ref.high)]


def measure(name: str, ref: Reference, dtype: str, got: list[np.ndarray], args: list[np.ndarray]) -> list[Any]:
    kind = np.finfo(dtype)
    result = []
    for values, exact in zip(got, (ref.first, ref.second)):
        worst = (0.0, None)
        for value, *point in zip(values.tolist(), *[a.tolist() for a in args]):
            want = exact(*[mpf(p) for p in point])
            size = abs(want)
            if size >= float(kind.max):
                if not (np.isinf(value) or abs(value) > 0.99 * float(kind.max)):
                    worst = (INF, (point, value, float(want)))
                continue
            if size < float(kind.tiny):
                error = 0 if abs(value) <= 1.01 * float(kind.tiny) else INF
            else:
                error = float(abs(mpf(value) - want) / size / float(kind.eps)) if np.isfinite(value) else INF
            if error > worst[0]:
                worst = (error, (point, value, float(want)))
        result.append(worst)
    return result


def inputs_of(ref: Reference, dtype: str) -> list[np.ndarray]:
    x = samples(ref, dtype)
    if not ref.others:
        return [x]
    other = np.resize(np.array(ref.others, dtype), x.shape)
    return [x, other] if ref.k == 0 else [other, x]


def derivatives(dtype: str, mode: Any) -> dict[str, tuple[list[np.ndarray], list[np.ndarray]]]:
    variables, values, outputs = [], [], []
    for name, ref in REFERENCES.items():
        args = inputs_of(ref, dtype)
        made = [at.vector(f"{name} {k}".replace(" ", "_"), dtype=dtype) for k in range(len(args))]
        y = gradc.tensor.elemwise.elementwise(name.split()[0], *made)
        g = grad(y.sum(), made[ref.k])
        h = grad(g.sum(), made[ref.k], disconnected_inputs="ignore")
        variables += made
        values += args
        outputs += [g, h]
    results = gradc.function(variables, outputs, mode=mode, on_unused_input="ignore")(*values)
    back, at_ = {}, 0
    for k, (name, ref) in enumerate(REFERENCES.items()):
        n = 2 if ref.others else 1
        back[name] = results[2 * k:2 * k + 2], values[at_:at_ + n]
        at_ += n
    return back


if __name__ == "__main__":
    import sys, time
    mpmath.mp.prec = 250
    for mode in sys.argv[1:]:
        for dtype in ("float64", "float32"):
            t = time.time()
            found = derivatives(dtype, mode if mode != "plain" else gradc.Mode("interpret", None))
            print(mode, dtype, "computed", time.time() - t)
            t = time.time()
            for name, (got, args) in found.items():
                t0 = time.time()
                (e1, w1), (e2, w2) = measure(name, REFERENCES[name], dtype, got, args)
                print(f"{name:15} {e1:10.3g} {e2:10.3g} {time.time()-t0:.2f}s", w1 if e1 > 20 else "", w2 if e2 > 20 else "")
            print(time.time() - t)
