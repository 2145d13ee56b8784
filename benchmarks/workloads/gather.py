"""Indexing by arrays: a hierarchical regression, and an embedding.

The regression is that of radon levels in houses (Gelman and Hill, 2007): 919 houses in 85 counties, y ~ N(a[county] +
b floor, exp(log_s)), a ~ N(mu, exp(log_t)), standard normal priors on b, mu, log_s and log_t; the log posterior without
constants, and its gradient by all five.  The embedding: 1,600 rows of a table of 20,000 by 64 in float32, the loss
1/2 mean((table[tokens] - target)^2), and its gradient by the table.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.row import Arrays, Call, Row, Seconds, TimesHand, hand_call, jax_call, symbolic_call, torch_call

HOUSES, COUNTIES = 919, 85
TOKENS, WORDS, WIDTH = 1600, 20_000, 64
PARAMETERS = ("a", "b", "mu", "log_s", "log_t")


# ------------------------------------------------------------------------------------------------ regression


def houses() -> Arrays:
    """Parameters, then the houses: their counties in order, the floors 0 or 1, what was measured."""
    rng = np.random.default_rng(31)
    return {"a": rng.standard_normal(COUNTIES), "b": np.array(-0.7), "mu": np.array(1.3), "log_s": np.array(-0.3),
            "log_t": np.array(-1.1), "county": np.sort(rng.integers(0, COUNTIES, HOUSES)),
            "floor": rng.integers(0, 2, HOUSES).astype(float), "y": 1.3 + rng.standard_normal(HOUSES)}


def _numpy_regression(arrays: Arrays) -> Call:
    def run(a: Any, b: Any, mu: Any, log_s: Any, log_t: Any, county: Any, floor: Any, y: Any) -> list[Any]:
        s, t = np.exp(log_s), np.exp(log_t)
        r, z = (y - a[county] - b * floor) / s, (a - mu) / t
        rr, zz = r @ r, z @ z
        value = (-0.5 * (rr + zz + b * b + mu * mu + log_s * log_s + log_t * log_t)
                 - len(y) * log_s - len(a) * log_t)
        by_a = np.bincount(county, weights=r, minlength=len(a)) / s - z / t
        return [value, by_a, r @ floor / s - b, z.sum() / t - mu, rr - len(y) - log_s, zz - len(a) - log_t]

    return Call(run, tuple(arrays.values()))


def _hand_regression(hand: Any, arrays: Arrays) -> Call:
    return hand_call(hand.hand_houses, tuple(arrays.values()), [((), float), ((COUNTIES,), float), ((), float),
                     ((), float), ((), float), ((), float)], (HOUSES, COUNTIES))


def _log_posterior(np: Any, a: Any, b: Any, mu: Any, log_s: Any, log_t: Any, county: Any, floor: Any, y: Any) -> Any:
    r, z = (y - a[county] - b * floor) / np.exp(log_s), (a - mu) / np.exp(log_t)
    return (-0.5 * ((r**2).sum() + (z**2).sum() + b**2 + mu**2 + log_s**2 + log_t**2)
            - y.shape[0] * log_s - a.shape[0] * log_t)


def _symbolic_regression(lib: Any, arrays: Arrays) -> Call:
    aet = lib.tensor
    a, b, mu, log_s, log_t = aet.dvector("a"), *[aet.dscalar(name) for name in PARAMETERS[1:]]
    county, floor, y = aet.lvector("county"), aet.dvector("floor"), aet.dvector("y")
    value = _log_posterior(aet, a, b, mu, log_s, log_t, county, floor, y)
    slopes = lib.grad(value, [a, b, mu, log_s, log_t])
    return symbolic_call(lib, [a, b, mu, log_s, log_t, county, floor, y], [value, *slopes], arrays)


def _jax_regression(jax: Any, arrays: Arrays) -> Call:
    slopes = jax.value_and_grad(lambda *given: _log_posterior(jax.numpy, *given), argnums=tuple(range(5)))

    def run(*given: Any) -> list[Any]:
        value, found = slopes(*given)
        return [value, *found]

    return jax_call(jax, run, arrays)


# ------------------------------------------------------------------------------------------------ embedding


def tokens() -> Arrays:
    """The table, which rows of it, and what they should be."""
    rng = np.random.default_rng(32)
    return {"table": rng.standard_normal((WORDS, WIDTH), dtype="float32"), "tokens": rng.integers(0, WORDS, TOKENS),
            "target": rng.standard_normal((TOKENS, WIDTH), dtype="float32")}


def _numpy_embedding(arrays: Arrays) -> Call:
    def run(table: np.ndarray, tokens: np.ndarray, target: np.ndarray) -> list[Any]:
        d = table[tokens] - target
        slope = np.zeros_like(table)
        np.add.at(slope, tokens, d / np.float32(d.size))
        return [0.5 * np.square(d).mean(dtype="float64").astype("float32"), slope]

    return Call(run, tuple(arrays.values()))


def _hand_embedding(hand: Any, arrays: Arrays) -> Call:
    return hand_call(hand.hand_embedding, tuple(arrays.values()),
                     [((), np.float32), ((WORDS, WIDTH), np.float32)], (TOKENS, WORDS, WIDTH))


def _symbolic_embedding(lib: Any, arrays: Arrays) -> Call:
    aet = lib.tensor
    table, at, target = aet.fmatrix("table"), aet.lvector("tokens"), aet.fmatrix("target")
    loss = ((table[at] - target)**2).mean() / np.float32(2)
    return symbolic_call(lib, [table, at, target], [loss, lib.grad(loss, table)], arrays)


def _jax_embedding(jax: Any, arrays: Arrays) -> Call:
    def loss(table: Any, at: Any, target: Any) -> Any:
        return ((table[at] - target)**2).mean() / 2

    return jax_call(jax, lambda *given: list(jax.value_and_grad(loss)(*given)), arrays)


def _torch_embedding(torch: Any, arrays: Arrays) -> Call:
    def loss(table: Any, at: Any, target: Any) -> Any:
        return ((table[at] - target)**2).mean() / 2

    return torch_call(torch, lambda *given: torch.func.grad_and_value(loss)(*given)[::-1], arrays)


ROWS = [
    Row("hierarchical-regression", "log posterior of 919 houses in 85 counties, value and gradient", Seconds(6e-6),
        houses, _numpy_regression, _hand_regression, _symbolic_regression, jax=_jax_regression, tolerance=1e-10),
    Row("embedding", "1,600 rows of a table of 20,000 x 64 in float32, loss and gradient", TimesHand(2.0), tokens,
        _numpy_embedding, _hand_embedding, _symbolic_embedding, jax=_jax_embedding, torch=_torch_embedding,
        tolerance=1e-5),
]
