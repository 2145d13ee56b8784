"""Rows of a few columns with conditions in them: each element is loaded under its own condition.

gcc 12 makes masked loads of loads in branches, and drops their permutations (gradc/target.py, FAULTS).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gradc
import gradc.tensor as at

pytestmark = pytest.mark.usefixtures("users_flags")


@pytest.mark.parametrize("width", [2, 3, 5])
@pytest.mark.parametrize("rows", [None, 3])
def test_two_selects_on_one_condition(width: int, rows: int | None) -> None:
    x, y = [at.tensor("float64", shape=(rows, width)) for _ in range(2)]
    a = at.tensor("float64", shape=(width,))
    taken = x ** 2 > 0.3 * x
    f = gradc.function([x, a, y], at.switch(taken, x * a, 1.0) * at.switch(taken, y * a, x), mode="c")
    rng = np.random.default_rng(0)
    for _ in range(20):
        u, v, w = rng.normal(size=(rows or 6, width)), rng.normal(size=width), rng.normal(size=(rows or 6, width))
        np.testing.assert_allclose(f(u, v, w), np.where(u ** 2 > 0.3 * u, u * v * w * v, u))


@pytest.mark.parametrize("width", [2, 3, 5])
def test_branches_of_each_column(width: int) -> None:
    x, a, b = [at.tensor("float64", shape=(None, width)) for _ in range(3)]

    def step(x: Any, a: Any, b: Any) -> Any:
        return at.stack([gradc.ifelse(x[k] > 0, a[k] * 2.0, b[k] + 1.0) for k in range(width)])

    rows, _ = gradc.scan(step, sequences=[x, a, b])
    u, v, w = np.random.default_rng(0).normal(size=(3, 40, width))
    np.testing.assert_array_equal(gradc.function([x, a, b], rows, mode="c")(u, v, w),
                                  np.where(u > 0, v * 2, w + 1))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_choices_in_a_loop_over_time(dtype: str) -> None:
    x = at.tensor(dtype, shape=(None,))

    def step(a: Any, s: Any) -> Any:
        return at.switch(a > s, at.maximum(s, a / 2), at.minimum(a, s - 1) + 1)

    rows, _ = gradc.scan(step, sequences=x, outputs_info=at.zeros((), dtype=dtype))
    f = gradc.function([x], rows, mode="c")
    assert "gradc_step_maximum" in f.maker.c_source()
    values, s, want = np.random.default_rng(0).normal(size=50).astype(dtype), np.zeros((), dtype), []
    values[30] = np.nan
    for a in values:
        s = np.maximum(s, a / 2) if a > s else np.minimum(a, s - 1) + 1
        want.append(s)
    np.testing.assert_allclose(f(values), want, rtol=1e-6)
