"""Gradients of what `gradc.scan` builds, against central differences: taps, directions, ends, updates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.gradient import grad
from gradc.scan.utils import until
from tests.control.test_scan_grad import RNG, run

LOOPS: dict[str, Callable[[Any, Any], Any]] = {
    "taps": lambda x, h: gradc.scan(lambda a, b, c, p, q: at.sin(a * p) + b * c * q,
                                    dict(input=x, taps=[-1, 0, 1]), dict(initial=h, taps=[-1, -3]))[0],
    "backwards": lambda x, h: gradc.scan(lambda a, p: at.sin(a * p), x, h[0], go_backwards=True)[0],
    "negative steps": lambda x, h: gradc.scan(lambda a, p: at.sin(a * p), x, h[0], n_steps=-4)[0],
    "fewer steps": lambda x, h: gradc.scan(lambda a, p: at.sin(a * p), x, h[0], n_steps=3)[0],
    "until": lambda x, h: gradc.scan(lambda a, p: (at.sin(a * p) + p, {}, until(at.gt(p, 1.5))), x, h[0])[0],
    "last of until": lambda x, h: gradc.scan(lambda a, p: (at.sin(a) + p, {}, until(at.gt(p, 1.5))), x, h[0])[0][-1],
    "map": lambda x, h: gradc.map(lambda a: at.exp(a) * h.sum(), x)[0],
    "fold": lambda x, h: gradc.foldl(lambda a, p: at.sin(a) * p, x, h[1])[0],
}


@pytest.mark.parametrize("name", LOOPS)
def test_gradients(name: str) -> None:
    x, h = at.dvector("x"), at.dvector("h")
    y = LOOPS[name](x, h)
    cost = (2.0 * at.sin(y)).sum() + (y[-1] if y.type.ndim else y)
    values = [RNG.normal(size=6), np.abs(RNG.normal(size=3))]
    f = gradc.function([x, h], cost, mode="interpret")
    for k, g in enumerate(run([x, h], grad(cost, [x, h]), *values)):
        for i in range(len(g)):
            ahead, behind = [[v.copy() for v in values] for _ in range(2)]
            ahead[k][i] += 1e-6
            behind[k][i] -= 1e-6
            np.testing.assert_allclose(g[i], (f(*ahead) - f(*behind)) / 2e-6, rtol=1e-6, atol=1e-7)


def test_updates_inside_a_step_take_part() -> None:
    x, s = at.dvector("x"), gradc.shared(2.0, name="s")
    y, updates = gradc.scan(lambda a: (a * s, {s: s * 1.5}), x)
    f = gradc.function([x], grad(y.sum(), [x, s]), updates=updates, mode="interpret")
    by_x, by_s = f(np.ones(3))
    assert by_x.tolist() == [2, 3, 4.5] and by_s == 1 + 1.5 + 2.25


def test_a_row_of_a_matrix_with_more_elements_than_there_are_steps() -> None:
    m, s = at.dmatrix("m"), at.dscalar("s")
    out, _ = gradc.scan(lambda x, p: p * x, m[1], s, n_steps=m.shape[0])
    value = RNG.uniform(1.0, 2.0, size=(2, 5))
    g, = run([m, s], [grad(out[-1], m)], value, 3.0)
    np.testing.assert_allclose(g, [[0] * 5, [3 * value[1, 1], 3 * value[1, 0], 0, 0, 0]])
