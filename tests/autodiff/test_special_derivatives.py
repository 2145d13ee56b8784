"""Derivatives of the special functions: first and second ones, against mpmath.

In the interpreter, which C equals (`tests/ir/test_rows.py`).
"""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.errors import GradcError
from gradc.gradient import Rop, grad
from gradc.ir.scalars import ROWS
from gradc.tensor.elemwise import elementwise
from tests.cases_special import EXACT_SPECIAL

POINTS = {"zero_to_one": [0.2, 0.8], "below_zero": [-0.34, -0.1], "above_one": [1.2, 6.0],
          "positive": [0.3, 5.5], "all": [-1.3, 3.1]}
SLOW = ("owens_t", "y0", "y1", "betaincinv", "gammainccinv", "gammaincinv")         # in mpmath
DIFFERENTIABLE = [pytest.param(name, k, marks=pytest.mark.nightly if name in SLOW else ())
                  for name in EXACT_SPECIAL if name in at.__all__ for k, d in enumerate(ROWS[name].d) if callable(d)]


def points(name: str) -> list[np.ndarray]:
    """All arguments differ, and the second one runs the other way."""
    row = ROWS[name]
    made = [np.array(POINTS[row.domain]) * (1 if row.domain == "zero_to_one" else 1 + 0.07 * k)
            for k in range(row.nin)]
    return [x[::-1] if k % 2 else x for k, x in enumerate(made)]


@pytest.mark.parametrize("name,k", DIFFERENTIABLE)
def test_first_and_second_derivatives(name: str, k: int) -> None:
    """Within 1e-11; second ones, of parameters by differences, within 1e-9."""
    xs = [at.dvector(f"x{j}") for j in range(ROWS[name].nin)]
    first = grad(elementwise(name, *xs).sum(), xs[k])
    second = grad(first.sum(), xs[k], disconnected_inputs="ignore")
    args = points(name)
    tangent = Rop(elementwise(name, *xs), xs[k], at.ones_like(xs[k]))
    found = gradc.function(xs, [first, second, tangent], mode="interpret")(*args)
    np.testing.assert_allclose(found[2], found[0], rtol=1e-14)
    with mpmath.workdps(30):
        for j, point in enumerate(zip(*[map(mpmath.mpf, a.tolist()) for a in args])):
            for order, got in enumerate(found[:2], 1):
                orders = tuple([order * (i == k) for i in range(len(xs))])
                want = float(mpmath.re(mpmath.diff(EXACT_SPECIAL[name], point, orders, h=mpmath.mpf(10) ** -9)))
                assert got[j] == pytest.approx(want, rel=1e-11 if order == 1 else 1e-9, abs=1e-13), (order, point)


def test_the_second_derivative_of_dawsons_integral_far_out() -> None:
    """-2 (D + x D') cancels as 1/x**2 does: all digits were lost from 1e8 on."""
    x = at.dvector("x")
    first = grad(at.special.dawsn(x).sum(), x)
    points = [3.25, -4.5, 6.99, 7.01, -30.0, 1e4, 1e8, -1e60]
    with mpmath.workdps(300):
        def exact(v: float) -> float:
            d = EXACT_SPECIAL["dawsn"](mpmath.mpf(v)) if abs(v) < 20 else mpmath.fsum(
                [mpmath.fac2(2 * k - 1) / (2 * mpmath.mpf(v) ** 2) ** k for k in range(30)]) / (2 * mpmath.mpf(v))
            return float(-2 * (d + v * (1 - 2 * v * d)))
        wanted = [exact(v) for v in points]
    for mode in ("c", "interpret"):
        found = gradc.function([x], grad(first.sum(), x), mode=mode)(points)
        np.testing.assert_allclose(found, wanted, rtol=150 * 2.0 ** -52)


@pytest.mark.parametrize("name,message", [
    ("jv", "jv has no derivative by its order"), ("kve", "kve has no derivative by its order"),
    ("polygamma", "polygamma has no derivative by its order"), ("zeta", "zeta has no derivative by its first argument"),
    ("hyp2f1", "hyp2f1 has no derivative by its parameters")])
def test_orders_have_no_derivative(name: str, message: str) -> None:
    xs = [at.dvector(f"x{j}") for j in range(ROWS[name].nin)]
    with pytest.raises(GradcError, match=message):
        grad(elementwise(name, *xs).sum(), xs[0])


def test_complex_arguments_are_refused_by_name() -> None:
    with pytest.raises(GradcError, match="gammainc: it is defined for real numbers, got float64 and complex128"):
        at.gammainc(at.dvector(), at.zvector())
    with pytest.raises(GradcError, match="j0: it is defined for real numbers"):
        at.j0(at.zvector())


def test_third_derivatives_by_parameters_are_refused() -> None:
    a = at.dvector("a")
    g = at.gammainc(a, 2.0)
    for _ in range(2):
        g = grad(g.sum(), a)
    with pytest.raises(GradcError, match="gammainc has no third derivative by its parameters"):
        grad(g.sum(), a)
