"""Gradients at kinks and ties: each line of the table in docs/derivatives.md, by C and by the interpreter."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.gradient import Rop, grad

PAGE = (Path(__file__).parents[2] / "docs" / "derivatives.md").read_text()
LINES = re.findall(r"^\| (`.*`) \| ([xy] = .*?) \| (.*?) \|", PAGE[PAGE.index("## Kinks"):], re.MULTILINE)
NAMES = {**vars(at), **vars(at.nnet), **vars(at.special), "inf": np.inf}


def lines() -> list[tuple[str, dict[str, float], list[float]]]:
    """(expression, point, gradient) of each expression in the table."""
    found = []
    for texts, place, gradient in LINES:
        point = {name: float(value) for name, value in re.findall(r"(\w) = (\S+?)(?:,|$)", place)}
        wanted = [float(eval(g, {"inf": np.inf})) for g in gradient.split(",")]
        found += [(text, point, wanted) for text in re.findall(r"`(.*?)`", texts)]
    return found


@cache
def whole(mode: str) -> Any:
    """One function of all lines: of each line's arguments and a direction, values, then gradients, then Rops."""
    values, gradients, rops, inputs = [], [], [], []
    for k, (text, point, _) in enumerate(lines()):
        given = [at.dscalar(f"{name}{k}") for name in point]
        along = [at.dscalar(f"d{name}{k}") for name in point]
        y = eval(text, NAMES | dict(zip(point, given)))
        inputs += [*given, *along]
        values.append(y)
        gradients += grad(y, given, disconnected_inputs="ignore")
        rops.append(Rop(y, given, along, disconnected_outputs="ignore"))
    return gradc.function(inputs, [*values, *gradients, *rops], mode=mode, on_unused_input="ignore")


def run(mode: str, step: float, direction: tuple[float, float]) -> tuple[list[float], list[list[float]], list[float]]:
    """Values, gradients and Rops at the table's points, moved by `step` along `direction`, in which Rop looks."""
    arguments: list[float] = []
    for _, point, _ in lines():
        arguments += [v + step * d for v, d in zip(point.values(), direction)] + list(direction[:len(point)])
    with np.errstate(all="ignore"):
        results = [float(r) for r in whole(mode)(*arguments)]
    n = len(lines())
    gradients, start = [], n
    for _, point, _ in lines():
        gradients.append(results[start:start + len(point)])
        start += len(point)
    return results[:n], gradients, results[start:]


@pytest.mark.parametrize("mode", ["c", "interpret"])
def test_gradients_at_kinks_are_those_of_the_table(mode):
    assert len(lines()) > 30
    _, gradients, _ = run(mode, 0.0, (1.0, 0.0))
    for (text, point, wanted), found in zip(lines(), gradients):
        np.testing.assert_allclose(found, wanted, rtol=1e-15, err_msg=f"{text} at {point}")


@pytest.mark.parametrize("mode", ["c", "interpret"])
@pytest.mark.parametrize("direction", [(1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (1.0, -1.0), (-1.0, 0.5)])
def test_rop_is_lop_transposed_and_the_derivative_where_there_is_one(mode, direction):
    h = 2.0 ** -20
    (value, gradients, rops), before, after = [run(mode, s, direction) for s in (0.0, -h, h)]
    derivatives = 0
    for k, (text, point, _) in enumerate(lines()):
        if not all(np.isfinite(gradients[k])):
            continue
        want = np.dot(gradients[k], direction[:len(point)])
        np.testing.assert_allclose(rops[k], want, rtol=1e-15, err_msg=f"{text} at {point}")
        left, right = (value[k] - before[0][k]) / h, (after[0][k] - value[k]) / h
        if abs(left) < 100 and abs(left - right) < 1e-5:        # no jump, whose quotient is 1/h
            derivatives += 1
            assert abs(rops[k] - left) < 1e-5, (text, point, direction, rops[k], left)
    assert derivatives >= 3


def test_ties_in_arrays_share_by_axis_and_count():
    x = at.dtensor3("x")
    values = np.array([[[1.0, 3.0, 3.0], [3.0, 2.0, 0.0]], [[-1.0, -1.0, -1.0], [np.inf, 0.0, np.inf]]])
    gradients, wanted = [], []
    for axes in ((0,), (1,), (2,), (0, 2), (0, 1, 2)):
        for name in ("max", "min"):
            gradients.append(grad(getattr(x, name)(axis=axes).sum(), x))
            taken = values == getattr(values, name)(axis=axes, keepdims=True)
            wanted.append(taken / taken.sum(axis=axes, keepdims=True))
    for mode in ("c", "interpret"):
        for found, want in zip(gradc.function([x], gradients, mode=mode)(values), wanted):
            np.testing.assert_allclose(found, want, rtol=1e-15)


@pytest.mark.parametrize("mode", ["c", "interpret"])
def test_nan_takes_no_gradient(mode):
    x, y = at.dvectors("x", "y")
    g = grad((at.maximum(x, y) + at.minimum(x, y) + x.max()).sum(), [x, y])
    for found in gradc.function([x, y], g, mode=mode)([np.nan, 1.0, np.nan], [0.0, np.nan, np.nan]):
        np.testing.assert_array_equal(found, [0, 0, 0])


def test_extremes_folded_by_a_loop():
    x = at.dvector("x")
    largest, _ = gradc.reduce(lambda v, m: at.maximum(m, v), x, at.constant(-np.inf, dtype="float64"))
    for mode in ("c", "interpret"):
        found = gradc.function([x], grad(largest, x), mode=mode)([1.0, 3.0, 3.0, 2.0])
        np.testing.assert_array_equal(found, [0, 1, 0, 0])
