"""Rows of a few columns in which every result takes all of the row: groups of 3, 5, 6, 7 elements in vectors.

gcc 12 permutes them wrongly in vectors of eight doubles (gradc/target.py, FAULTS).
"""

from __future__ import annotations

import numpy as np
import pytest

import gradc
import gradc.tensor as at

pytestmark = pytest.mark.usefixtures("users_flags")


@pytest.mark.parametrize("width", [2, 3, 4, 5, 6, 7, 9, 12])
@pytest.mark.parametrize("dtype", ["float64", "float32", "int64"])
def test_each_element_with_all_of_its_row(width: int, dtype: str) -> None:
    x = at.TensorType(dtype, (None, width))("x")
    outs = [(x[:, :, None] * x[:, None, :]).sum(axis=1) * 2, x * x.sum(axis=1, keepdims=True)]
    given = (8 * np.random.default_rng(0).normal(size=(50, width))).astype(dtype)
    exact = given.astype("float64")
    want = exact * exact.sum(1, keepdims=True)
    rtol, atol = (1e-4, 1e-2) if dtype == "float32" else (1e-12, 1e-10)
    for got, factor in zip(gradc.function([x], outs, mode="c")(given), (2, 1)):
        np.testing.assert_allclose(got, factor * want, rtol=rtol, atol=atol)


@pytest.mark.parametrize("width", [3, 5, 6, 7])
def test_columns_of_a_row_one_by_one(width: int) -> None:
    x = at.TensorType("float64", (None, width))("x")
    columns = [x[:, k] for k in range(width)]
    mixed = at.stack([sum(a * b for b in columns) for a in columns], axis=1)
    given = np.random.default_rng(1).normal(size=(50, width))
    np.testing.assert_allclose(gradc.function([x], mixed, mode="c")(given), given * given.sum(1, keepdims=True),
                               rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("width", [3, 5])
def test_rows_in_reverse(width: int) -> None:
    x = at.TensorType("float64", (None, width))("x")
    columns = [x[::-1, k] for k in range(width)]
    mixed = at.stack([sum(a * b for b in columns) for a in columns], axis=1)
    given = np.random.default_rng(2).normal(size=(50, width))
    np.testing.assert_allclose(gradc.function([x], mixed, mode="c")(given),
                               (given * given.sum(1, keepdims=True))[::-1], rtol=1e-12, atol=1e-12)
