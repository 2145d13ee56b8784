"""Sorting a million numbers: values, their order, the different ones, a median; and ten thousand short rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.row import Arrays, Call, Row, TimesNumpy, jax_call, symbolic_call

MANY, ROWS_OF_16 = 1_000_000, 10_000


def floats() -> Arrays:
    """A million normal numbers."""
    return {"x": np.random.default_rng(61).normal(size=MANY)}


def integers() -> Arrays:
    """A million integers, of which many are equal."""
    return {"x": np.random.default_rng(62).integers(0, MANY, MANY)}


def rows() -> Arrays:
    """Ten thousand rows of 16 normal numbers."""
    return {"x": np.random.default_rng(63).normal(size=(ROWS_OF_16, 16))}


def _numpy(run: Callable[[Any], Any]) -> Callable[[Arrays], Call]:
    return lambda arrays: Call(run, tuple(arrays.values()))


def _symbolic(run: Callable[[Any, Any], Any]) -> Callable[[Any, Arrays], Call]:
    def build(lib: Any, arrays: Arrays) -> Call:
        given = arrays["x"]
        x = lib.tensor.TensorType(given.dtype.name, (None,) * given.ndim)("x")
        return symbolic_call(lib, [x], run(lib.tensor, x), arrays)

    return build


def _jax(run: Callable[[Any, Any], Any]) -> Callable[[Any, Arrays], Call]:
    return lambda jax, arrays: jax_call(jax, lambda x: run(jax.numpy, x), arrays)


ROWS = [
    Row("sort", "a million float64 sorted", TimesNumpy(1.0), floats, _numpy(np.sort), None,
        _symbolic(lambda t, x: t.sort(x)), jax=_jax(lambda np, x: np.sort(x)), tolerance=0.0),
    Row("argsort", "the order of a million float64", TimesNumpy(1.0), floats,
        _numpy(lambda x: np.argsort(x, kind="stable")), None, _symbolic(lambda t, x: t.argsort(x)),
        jax=_jax(lambda np, x: np.argsort(x)), tolerance=0.0),
    Row("unique", "the different ones of a million integers", TimesNumpy(1.0), integers, _numpy(np.unique), None, None,
        gradc=_symbolic(lambda t, x: t.unique(x)), tolerance=0.0),
    Row("median", "the median of a million float64", TimesNumpy(1.0), floats, _numpy(np.median), None, None,
        gradc=_symbolic(lambda t, x: t.median(x)), tolerance=0.0),
    Row("sort-rows", "ten thousand rows of 16 float64, the order of each", TimesNumpy(1.0), rows,
        _numpy(lambda x: np.argsort(x, kind="stable")), None, _symbolic(lambda t, x: t.argsort(x, 1)),
        jax=_jax(lambda np, x: np.argsort(x)), tolerance=0.0),
]
