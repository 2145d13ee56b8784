"""Structural expressions in Programs keep what the types tell of sizes."""

from __future__ import annotations

import numpy as np
import pytest

from gradc.ir import build
from gradc.ir.check import check
from gradc.ir.interp import evaluate
from gradc.ir.program import Builder
from gradc.ir.types import TensorType


@pytest.mark.parametrize("static", [(1, 3, 4), (None, 3, 4), (1, None, None)])
def test_take_along_keeps_static_sizes(static: tuple[int | None, ...]) -> None:
    b = Builder()
    x, positions = b.input(TensorType("float64", static)), b.input(TensorType("int64", static))
    made = build.take_along(b, x, positions)
    assert made.type == TensorType("float64", static)
    program = b.program([made])
    check(program)
    values, places = np.arange(12.0).reshape(1, 3, 4), np.array([[[3, 0, 0, 1], [2, 2, 1, 0], [1, 3, 0, 2]]])
    np.testing.assert_array_equal(evaluate(program, [values, places])[0], np.take_along_axis(values, places, -1))
