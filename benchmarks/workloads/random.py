"""Random numbers: a million normal ones, and an autoregression h' = 0.99 h + e, e normal, a million steps.

NumPy draws all at once and then loops in Python; each call begins with the same state.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.row import Arrays, Call, Row, TimesNumpy, symbolic_call

MANY, SEED = 1_000_000, 51


def start() -> Arrays:
    """Where the autoregression begins, and the standard deviation of what is added."""
    return {"h": np.array(0.5), "sigma": np.array(0.1)}


def _normals(h: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    return np.random.default_rng(SEED).normal(h, sigma, MANY)


def _numpy_autoregression(arrays: Arrays) -> Call:
    def run(h: np.ndarray, sigma: np.ndarray) -> float:
        value = float(h)
        for e in np.random.default_rng(SEED).normal(0.0, sigma, MANY).tolist():
            value = 0.99 * value + e
        return value

    return Call(run, tuple(arrays.values()))


def _gradc_normals(lib: Any, arrays: Arrays) -> Call:
    h, sigma = lib.tensor.dscalars("h", "sigma")
    draws = lib.tensor.random.normal(h, sigma, size=(MANY,), rng=lib.module.shared(np.random.default_rng(SEED)))
    return symbolic_call(lib, [h, sigma], draws, arrays)


def _gradc_autoregression(lib: Any, arrays: Arrays) -> Call:
    h, sigma = lib.tensor.dscalars("h", "sigma")
    state = lib.module.shared(np.random.default_rng(SEED))

    def step(h: Any, sigma: Any) -> Any:
        e = lib.tensor.random.normal(0.0, sigma, rng=state)
        return 0.99 * h + e, {state: e.owner.outputs[0]}

    hs, _ = lib.module.scan(step, outputs_info=h, non_sequences=sigma, n_steps=MANY)
    return symbolic_call(lib, [h, sigma], hs[-1], arrays, no_default_updates=True)


ROWS = [
    Row("normals", "a million normal numbers", TimesNumpy(1.1), start, lambda a: Call(_normals, tuple(a.values())),
        None, None, gradc=_gradc_normals, tolerance=0.0),
    Row("autoregression", "h' = 0.99 h + e, e normal, a million steps, the last h", TimesNumpy(0.5), start,
        _numpy_autoregression, None, None, gradc=_gradc_autoregression),
]
