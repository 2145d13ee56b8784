"""Relative error of first and second derivatives of every row, against mpmath, over the row's whole domain.

The bounds are those of the table in docs/derivatives.md.  Where `REFERENCES` has no derivative, it is that of the exact
value in `tests/cases_elemwise.py`, by mpmath.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
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
from gradc.tensor.elemwise import elementwise
from tests.cases_elemwise import EXACT, ierfcx
from tests.cases_special import EXACT_SPECIAL

PAGE = Path(__file__).parents[2] / "docs" / "derivatives.md"
PI = mpmath.pi


def sigmoid_slope(x):
    """The derivative of the sigmoid."""
    return mpmath.sech(x / 2) ** 2 / 4


def inverse_erf(x):
    """By Newton's method, as mpmath's own takes no small step at the ends."""
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
    others: tuple[float, ...] = ()      # values that the other argument takes in turn
    most: float = 1.0                   # the second derivative holds up to (largest number) ** most


def ln(x):
    return mpmath.log(x)


R = Reference
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
    "arctan": R(lambda x: 1 / (1 + x * x), lambda x: -2 * x / (1 + x * x)**2, most=0.24),
    "arctan2 0": R(lambda y, x: x / (x * x + y * y), lambda y, x: -2 * x * y / (x * x + y * y)**2, others=OTHERS),
    "arctan2 1": R(lambda y, x: -y / (x * x + y * y), lambda y, x: 2 * x * y / (x * x + y * y)**2, k=1, others=OTHERS),
    "sinh": R(mpmath.cosh, mpmath.sinh),
    "cosh": R(mpmath.sinh, mpmath.cosh),
    "tanh": R(lambda x: mpmath.sech(x)**2, lambda x: -2 * mpmath.sech(x)**2 * mpmath.tanh(x)),
    "arcsinh": R(lambda x: 1 / mpmath.sqrt(1 + x * x), lambda x: -x / (1 + x * x)**mpf(1.5)),
    "arccosh": R(lambda x: 1 / mpmath.sqrt((x - 1) * (x + 1)), lambda x: -x / ((x - 1) * (x + 1))**mpf(1.5),
                 low=1, near=(1,)),
    "arctanh": R(lambda x: 1 / ((1 - x) * (1 + x)), lambda x: 2 * x / ((1 - x) * (1 + x))**2, low=-1, high=1,
                 near=(-1, 1)),
    "deg2rad": R(lambda x: PI / 180, lambda x: mpf(0)),
    "rad2deg": R(lambda x: 180 / PI, lambda x: mpf(0)),
    "sigmoid": R(sigmoid_slope, lambda x: -sigmoid_slope(x) * mpmath.tanh(x / 2)),
    "softplus": R(lambda x: 1 / (1 + mpmath.exp(-x)), sigmoid_slope),
    "log1mexp": R(lambda x: mpmath.exp(x) / mpmath.expm1(x), lambda x: -mpmath.exp(x) / mpmath.expm1(x)**2, high=0,
                  near=(-np.log(2),)),
    "logaddexp 0": R(lambda x, y: 1 / (1 + mpmath.exp(y - x)), lambda x, y: sigmoid_slope(x - y), others=OTHERS),
    "logaddexp 1": R(lambda x, y: 1 / (1 + mpmath.exp(x - y)), lambda x, y: sigmoid_slope(x - y), k=1, others=OTHERS),
    "xlogx": R(lambda x: ln(x) + 1, lambda x: 1 / x, low=0, near=(np.exp(-1),)),
    "xlogy0 0": R(lambda x, y: ln(y), lambda x, y: mpf(0), others=(0.3, 1e-5, 1.0000001, 300.0)),
    "xlogy0 1": R(lambda x, y: x / y, lambda x, y: -x / y**2, k=1, low=0, others=OTHERS),
    "erf": R(gauss, lambda x: -2 * x * gauss(x)),
    "softsign": R(lambda x: 1 / (1 + abs(x))**2, lambda x: -2 * mpmath.sign(x) / (1 + abs(x))**3),
    "erfc": R(lambda x: -gauss(x), lambda x: 2 * x * gauss(x)),
    "log_erfc": R(lambda x: -gauss(x) / mpmath.erfc(x),
                  lambda x: gauss(x) / mpmath.erfc(x) * (2 * x - gauss(x) / mpmath.erfc(x)), high=1e8),
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


# Derivatives that are arguments or constants, rounded at most once.
PLAIN = {"add", "sub", "mul", "neg", "abs", "mod", "maximum", "minimum", "clip", "switch", "second", "identity", "real",
         "conj", "fmax", "fmin", "fmod", "copysign", "heaviside", "nextafter", "ldexp", "logaddexp2"}
# Tested in `test_special_derivatives.py`, on smaller domains.
OTHERWISE = set(EXACT_SPECIAL) - {"cbrt", "entr", "logit"}
LIMITS = {"all": (-np.inf, np.inf), "positive": (0, np.inf), "negative": (-np.inf, 0), "unit": (-1, 1),
          "above_one": (1, np.inf), "above_minus_one": (-1, np.inf), "zero_to_two": (0, 2), "zero_to_one": (0, 1)}


def by_mpmath(name: str, k: int, order: int) -> Callable[..., Any]:
    """The derivative of the exact value; so many digits that squares of the smallest beside the largest count."""
    def derivative(*point):
        orders = tuple([order * (j == k) for j in range(len(point))])
        with mpmath.workprec(5000):
            return mpmath.diff(EXACT[name], point, orders, relative=True)
    return derivative


def derived() -> dict[str, Reference]:
    """References of the public functions that have none by hand."""
    found = {}
    by_hand = {name.split()[0] for name in REFERENCES}
    for name in {name for name in at.__all__ if name in ROWS} - PLAIN - OTHERWISE - by_hand:
        row, (low, high) = ROWS[name], LIMITS[ROWS[name].domain]
        for k in [k for k, d in enumerate(row.d) if callable(d)]:
            found[f"{name} {k}" if row.nin > 1 else name] = Reference(
                by_mpmath(name, k, 1), by_mpmath(name, k, 2), low, high, k=k, others=OTHERS if row.nin > 1 else ())
    return found


REFERENCES |= derived()


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


def inputs_of(ref: Reference, dtype: str, every: int) -> list[np.ndarray]:
    x = samples(ref, dtype)[::every]
    if not ref.others:
        return [x]
    other = np.resize(np.array(ref.others, dtype), x.shape)
    return [x, other] if ref.k == 0 else [other, x]


def derivatives(dtype: str, mode: str, every: int) -> dict[str, tuple[list[np.ndarray], list[np.ndarray]]]:
    """Of each reference the first and second derivative and the arguments; one function computes all, values too."""
    variables, values, outputs, arguments = [], [], [], {}
    for name, ref in REFERENCES.items():
        args = arguments[name] = inputs_of(ref, dtype, every)
        made = [at.vector(f"{name[:-2] if ref.others else name}{k}", dtype=dtype) for k in range(len(args))]
        y = elementwise(name.split()[0], *made)
        g = grad(y.sum(), made[ref.k])
        variables += made
        values += args
        outputs += [g, grad(g.sum(), made[ref.k], disconnected_inputs="ignore"), y]
    results = gradc.function(variables, outputs, mode=mode)(*values)
    return {name: (results[3 * k:3 * k + 2], arguments[name]) for k, name in enumerate(REFERENCES)}


@cache
def exact(name: str, dtype: str, every: int) -> list[list[Any]]:
    """The first and second derivatives at the arguments of `name`."""
    mpmath.mp.prec = 140
    ref = REFERENCES[name]
    points = list(zip(*[a.tolist() for a in inputs_of(ref, dtype, every)]))
    return [[f(*map(mpf, point)) for point in points] for f in (ref.first, ref.second)]


def error(got: float, want: Any, kind: Any) -> float:
    """The relative error in epsilons; what is below the smallest normal number may be 0, above the largest inf."""
    size = abs(want)
    if size >= 0.999 * float(kind.max):
        return 0 if abs(got) > 0.99 * float(kind.max) else np.inf
    if size < 1.001 * float(kind.tiny):
        return 0 if abs(got) < 1.01 * float(kind.tiny) else np.inf
    return float(abs(mpf(got) - want) / size / float(kind.eps)) if np.isfinite(got) else np.inf


def bounds() -> dict[str, list[float]]:
    """From the page: of each function the bounds of its first and second derivative in float64, then in float32."""
    page = PAGE.read_text()
    found = {}
    for names, *numbers in re.findall(r"^\| (`.*`) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|", page, re.MULTILINE):
        found.update({name: list(map(float, numbers)) for name in re.findall(r"`(\w+)`", names)})
    others, = re.findall(r"^\| all others \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|", page, re.MULTILINE)
    tested = {name.split()[0] for name in REFERENCES}
    assert tested >= set(found), "a function of the table is not tested"
    return {name: list(map(float, others)) for name in tested} | found


@pytest.mark.parametrize("every", [3, pytest.param(1, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("mode,dtype", [("interpret", "float64"), ("interpret", "float32"), ("c", "float64"),
                                        pytest.param("c", "float32", marks=pytest.mark.slow)])
def test_derivatives_are_as_exact_as_the_page_says(mode, dtype, every):
    kind = np.finfo(dtype)
    allowed = bounds()
    for name, (found, args) in derivatives(dtype, mode, every).items():
        ref = REFERENCES[name]
        for order, (got, want) in enumerate(zip(found, exact(name, dtype, every))):
            errors = [error(g, w, kind) for g, w in zip(got.tolist(), want)]
            if order:
                errors = np.where(np.abs(args[ref.k]) < float(kind.max) ** ref.most, errors, 0)
            worst = int(np.argmax(errors))
            bound = allowed[name.split()[0]][2 * (dtype == "float32") + order]
            assert errors[worst] <= bound, (name, order + 1, [a[worst] for a in args], got[worst], want[worst])


def test_slopes_of_saturated_values_in_a_loop_are_within_two_epsilon_of_the_largest():
    x = at.dvector("x")
    values = np.array([0.0, 1e-5, 0.3, -2.0, 8.0, 19.0, -40.0, 300.0])
    for f, slope, largest in ((at.tanh, lambda v: mpmath.sech(v)**2, 1), (at.sigmoid, sigmoid_slope, 0.25)):
        ys, _ = gradc.scan(lambda v, h, f=f: f(v + 0 * h), sequences=x, outputs_info=at.zeros(()))
        found = gradc.function([x], grad(ys.sum(), x))(values)
        want = [float(slope(mpf(v))) for v in values]
        np.testing.assert_allclose(found, want, rtol=0, atol=2 * largest * 2.3e-16)


@pytest.mark.parametrize("mode", ["interpret", "c"])
def test_hypot_of_the_largest_and_the_smallest_numbers(mode):
    """Value, both derivatives, the three second ones, and a tangent: no square overflows, nothing is lost."""
    x, y = at.dvectors("x", "y")
    h = at.hypot(x, y)
    by_x, by_y = grad(h.sum(), [x, y])
    outputs = [h, by_x, by_y, grad(by_x.sum(), x), grad(by_x.sum(), y), grad(by_y.sum(), y),
               gradc.gradient.Rop(h, [x, y], [at.ones_like(x), -at.ones_like(y)])]
    points = np.array([[1e308, 1e308], [-1e308, 3e-300], [5e-324, 0], [1e-300, -1e-300], [3, 4], [1e-170, 1e-20],
                       [-2.5, 0], [0, 7]])
    found = gradc.function([x, y], outputs, mode=mode)(*points.T)
    with mpmath.workprec(5000):
        for k, (a, b) in enumerate([list(map(mpf, point)) for point in points.tolist()]):
            r = mpmath.hypot(a, b)
            want = [r, a / r, b / r, b * b / r**3, -a * b / r**3, a * a / r**3, (a - b) / r]
            assert all(error(f[k], w, np.finfo("float64")) <= 6 for f, w in zip(found, want)), (points[k], want)
    at_zero = gradc.function([x, y], outputs, mode=mode)([0.0, -0.0], [0.0, 0.0])
    assert all((np.asarray(f) == 0).all() for f in at_zero)
