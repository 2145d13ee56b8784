"""Random numbers: a million normal ones, an autoregression h' = 0.99 h + e, e normal, a million steps, 1e5 vectors.

NumPy draws all at once and then loops in Python; each call begins with the same state.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.row import Arrays, Call, Row, TimesNumpy, symbolic_call

MANY, VECTORS, SEED = 1_000_000, 100_000, 51


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


def start_vectors() -> Arrays:
    """Weights of ten things, and a covariance."""
    rng = np.random.default_rng(SEED)
    factor = rng.normal(size=(10, 10))
    return {"weights": rng.dirichlet(np.ones(10)), "cov": factor @ factor.T}


def _draws(of: Any, weights: Any, cov: Any, **options: Any) -> dict[str, Any]:
    """By NumPy's Generator, or gradc.tensor.random."""
    return {"choice": lambda: of.choice(10, VECTORS, p=weights, **options),
            "sample": lambda: of.choice(10 * VECTORS, VECTORS, replace=False, **options),
            "dirichlet": lambda: of.dirichlet(weights + 1, VECTORS, **options),
            "multinomial": lambda: of.multinomial(20, weights, VECTORS, **options),
            "multivariate_normal": lambda: of.multivariate_normal(weights, cov, VECTORS, **options)}


def _numpy_vectors(name: str) -> Any:
    def run(weights: np.ndarray, cov: np.ndarray) -> np.ndarray:
        made: np.ndarray = _draws(np.random.default_rng(SEED), weights, cov)[name]()
        return made

    return lambda a: Call(run, tuple(a.values()))


def _gradc_vectors(name: str) -> Any:
    def build(lib: Any, arrays: Arrays) -> Call:
        weights, cov = lib.tensor.dvector("weights"), lib.tensor.dmatrix("cov")
        state = lib.module.shared(np.random.default_rng(SEED))
        draws = _draws(lib.tensor.random, weights, cov, rng=state)[name]()
        return symbolic_call(lib, [weights, cov], draws, arrays, on_unused_input="ignore")

    return build


ROWS = [
    Row("normals", "a million normal numbers", TimesNumpy(1.1), start, lambda a: Call(_normals, tuple(a.values())),
        None, None, gradc=_gradc_normals, tolerance=0.0),
    Row("autoregression", "h' = 0.99 h + e, e normal, a million steps, the last h", TimesNumpy(0.5), start,
        _numpy_autoregression, None, None, gradc=_gradc_autoregression),
    *[Row(name, what, TimesNumpy(1.0), start_vectors, _numpy_vectors(name), None, None, gradc=_gradc_vectors(name))
      for name, what in (("choice", "1e5 of ten, with probabilities"), ("sample", "1e5 of 1e6, each once"),
                         ("dirichlet", "1e5 vectors of 10"), ("multinomial", "1e5 times 20 trials of 10"),
                         ("multivariate_normal", "1e5 vectors of 10"))],
]
