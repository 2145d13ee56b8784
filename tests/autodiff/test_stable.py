"""Derivatives of exponentials written out: those of the stable form, whatever else is computed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special as sp

import gradc
import gradc.tensor as at

POINTS = np.array([1000.0, 998.5, 0.0, -3.0, -1000.0])
WEIGHTS = np.array([1.0, -2.0, 0.5, 3.0, 0.25])
R = np.sqrt(2)


def mills(z: np.ndarray) -> np.ndarray:
    """The slope of log(erfc(z))."""
    return np.where(z > 0, -2 / np.sqrt(np.pi) / sp.erfcx(np.maximum(z, 0)),
                    -2 / np.sqrt(np.pi) * np.exp(-z**2) / sp.erfc(np.minimum(z, 0)))


def softmax_slope(p: np.ndarray) -> np.ndarray:
    return p * (WEIGHTS - p @ WEIGHTS)


SHIFTED = sp.softmax(POINTS)
# name: (expression of x, gradient of the weighted sum of its elements)
FORMS: dict[str, tuple[Callable[[Any], Any], np.ndarray]] = {
    "softmax": (lambda x: at.exp(x) / at.exp(x).sum(), softmax_slope(SHIFTED)),
    "scaled softmax": (lambda x: -3 * at.exp(x) / at.exp(x).sum(keepdims=True), -3 * softmax_slope(SHIFTED)),
    "log softmax": (lambda x: at.log(at.exp(x) / at.exp(x).sum()), WEIGHTS - SHIFTED * WEIGHTS.sum()),
    "logsumexp": (lambda x: at.log(at.exp(x).sum()), SHIFTED * WEIGHTS.sum()),
    "log of mean": (lambda x: at.log(at.exp(x).mean()), SHIFTED * WEIGHTS.sum()),
    "log of 1 + sum": (lambda x: at.log(1 + at.exp(x).sum()), SHIFTED * WEIGHTS.sum()),
    "sigmoid": (lambda x: at.exp(x) / (1 + at.exp(x)), WEIGHTS * sp.expit(POINTS) * sp.expit(-POINTS)),
    "1 - sigmoid": (lambda x: 1 - 1 / (1 + at.exp(-x)), -WEIGHTS * sp.expit(POINTS) * sp.expit(-POINTS)),
    "softplus": (lambda x: at.log1p(at.exp(x)), WEIGHTS * sp.expit(POINTS)),
    "log of complement": (lambda x: at.log(1 - 1 / (1 + at.exp(-x))), -WEIGHTS * sp.expit(POINTS)),
    "log of square": (lambda x: at.log((1 + at.exp(x)) ** -2), -2 * WEIGHTS * sp.expit(POINTS)),
    "three terms": (lambda x: at.log(at.exp(x) + at.exp(-x) + 2), WEIGHTS * np.tanh(POINTS / 2)),
    "constant": (lambda x: at.log(2 + at.exp(x)), WEIGHTS * sp.expit(POINTS - np.log(2))),
    "difference": (lambda x: at.log(at.exp(x) - at.exp(x - 1)), WEIGHTS),
    "expm1": (lambda x: at.log(at.exp(at.abs(x) + 1) - 1),
              WEIGHTS * np.sign(POINTS) / -np.expm1(-np.abs(POINTS) - 1)),
    "log1mexp": (lambda x: at.log(1 - at.exp(-at.abs(x) - 1)),
                 WEIGHTS * np.sign(POINTS) * np.exp(-np.abs(POINTS) - 1) / -np.expm1(-np.abs(POINTS) - 1)),
    "ratio": (lambda x: at.log(at.exp(2 * x) / at.exp(x)), WEIGHTS),
    "erfc": (lambda x: at.log(at.erfc(x)), WEIGHTS * mills(POINTS)),
    "normal tail": (lambda x: at.log(0.5 * (1 - at.erf(x / R))), WEIGHTS * mills(POINTS / R) / R),
    "complement of tail": (lambda x: at.log(1 - 0.5 * at.erfc(x / R)), -WEIGHTS * mills(-POINTS / R) / R),
}


@pytest.mark.parametrize("name", FORMS)
def test_gradient_whatever_else_is_there(name: str) -> None:
    build, want = FORMS[name]
    x = at.dvector("x")
    y = build(x)
    g = gradc.grad((y * WEIGHTS).sum(), x)
    for others in ([], [y, at.exp(x), at.exp(x).sum(), 1 + at.exp(x), 1 / (1 + at.exp(-x))]):
        got = gradc.function([x], [g, *others], mode=None if others else "interpret")(POINTS)[0]
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize("name", FORMS)
def test_second_derivatives_agree(name: str) -> None:
    """Reverse over reverse and forward over reverse, finite everywhere; against differences of the gradient."""
    x, v = at.dvectors("x", "v")
    g = gradc.grad((FORMS[name][0](x) * WEIGHTS).sum(), x)
    both = gradc.function([x, v], [gradc.grad((g * v).sum(), x, disconnected_inputs="ignore"),
                                   gradc.gradient.Rop(g, x, v, disconnected_outputs="ignore"), at.exp(x)],
                          mode="interpret", on_unused_input="ignore")
    slope = gradc.function([x], g, mode="interpret")
    direction = np.array([1.0, 0.5, -1.0, 0.25, 2.0])
    for points in (POINTS, np.array([1.0, -0.5, 0.3, 2.0, -1.2])):
        reverse, forward, _ = both(points, direction)
        assert np.isfinite(reverse).all()
        np.testing.assert_allclose(forward, reverse, rtol=1e-9, atol=1e-12)
    step = 1e-5 * direction
    np.testing.assert_allclose(reverse, (slope(points + step) - slope(points - step)) / 2e-5, rtol=1e-6, atol=1e-8)


def test_forms_stop_at_what_is_differentiated_by() -> None:
    x = at.dvector("x")
    e = at.exp(x)
    total = e.sum()
    cost = at.log(total) + (e / total)[0]
    by_e, by_total = gradc.grad(cost, [e, total])
    fixed = gradc.grad(cost, x, consider_constant=[total])
    points = np.array([0.3, -1.0, 2.0])
    got = gradc.function([x], [by_e, by_total, fixed])(points)
    p, s = np.exp(points), np.exp(points).sum()
    np.testing.assert_allclose(got[0], 1 / s + np.eye(3)[0] / s - p[0] / s**2, rtol=1e-14)
    np.testing.assert_allclose(got[1], 1 / s - p[0] / s**2, rtol=1e-14)
    np.testing.assert_allclose(got[2], [p[0] / s, 0, 0], rtol=1e-14)


def test_constants_of_smaller_dtypes_lose_nothing():
    """A Python number is a float32 constant where that holds it; its logarithm is no float32."""
    x = at.dvector("x")
    values = np.array([-3.0, 0.2, 5.0])
    g = gradc.grad(at.log(1.5 + at.exp(x)).sum(), x)
    np.testing.assert_allclose(gradc.function([x], g)(values), np.exp(values) / (1.5 + np.exp(values)), rtol=1e-15)
