"""Gradient of sum(1 / (1 + exp(-x))) for a matrix, in double and single precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.row import Arrays, Call, Row, TimesHand, hand_call, jax_call, numba_call, symbolic_call, torch_call


def inputs(size: int, dtype: str) -> Callable[[], Arrays]:
    """x of size x size, normal with deviation 3."""
    return lambda: {"x": (3.0 * np.random.default_rng(3).standard_normal((size, size))).astype(dtype)}


def _formula(x: np.ndarray) -> np.ndarray:
    s = 1 / (1 + np.exp(-x))
    return s * (1 - s)


def _numpy(arrays: Arrays) -> Call:
    return Call(_formula, tuple(arrays.values()))


def _hand(hand: Any, arrays: Arrays) -> Call:
    x = arrays["x"]
    function = hand.hand_logistic_f64 if x.dtype == np.float64 else hand.hand_logistic_f32
    return hand_call(function, [x], [(x.shape, x.dtype)], (x.size,))


def _symbolic(lib: Any, arrays: Arrays) -> Call:
    x = (lib.tensor.dmatrix if arrays["x"].dtype == np.float64 else lib.tensor.fmatrix)("x")
    return symbolic_call(lib, [x], lib.grad(lib.tensor.sum(1 / (1 + lib.tensor.exp(-x))), x), arrays)


def _jax(jax: Any, arrays: Arrays) -> Call:
    return jax_call(jax, jax.grad(lambda x: (1 / (1 + jax.numpy.exp(-x))).sum()), arrays)


def _torch(torch: Any, arrays: Arrays) -> Call:
    return torch_call(torch, torch.func.grad(lambda x: (1 / (1 + torch.exp(-x))).sum()), arrays)


def _numba(numba: Any, arrays: Arrays) -> Call:
    one = arrays["x"].dtype.type(1)

    def loop(x):
        out = np.empty_like(x)
        for i in range(x.shape[0]):
            for j in range(x.shape[1]):
                s = one / (one + np.exp(-x[i, j]))
                out[i, j] = s * (one - s)
        return out

    return numba_call(numba, loop, arrays)


ROWS = [
    Row(f"logistic-{dtype}-{size}", f"logistic gradient, {dtype}, {size} x {size}", TimesHand(1.1),
        inputs(size, dtype), _numpy, _hand, _symbolic, jax=_jax, torch=_torch, numba=_numba,
        tolerance=1e-14 if dtype == "float64" else 1e-6)
    for dtype in ("float64", "float32") for size in (256, 2000)
]
