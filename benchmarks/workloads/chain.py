"""A chain of 20 elementwise operations (exp, log, tanh, sqrt, pow) over three vectors: value and three gradients.

t1 = exp(-a^2/2), t2 = log(1 + b^2), t3 = tanh(c t1), t4 = sqrt(t2 + 1 + t3^2), t5 = (1 + t1 t2)^1.5, t6 = a/(t4 + 2),
t7 = exp(-t6) t3 - t5/(t4 + 1), t8 = log(t5 + exp(0.1 t7)), loss = sum(t8 t7 + t6 b).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.row import Arrays, Call, Row, TimesHand, hand_call, jax_call, numba_call, symbolic_call, torch_call


def inputs(size: int) -> Callable[[], Arrays]:
    """a, b, c: normal vectors."""
    def make() -> Arrays:
        rng = np.random.default_rng(5)
        return {name: rng.standard_normal(size) for name in "abc"}
    return make


def loss(xp: Any, a: Any, b: Any, c: Any) -> Any:
    """The loss with the functions of `xp`."""
    t1 = xp.exp(-(a**2) / 2)
    t2 = xp.log(1 + b**2)
    t3 = xp.tanh(c * t1)
    t4 = xp.sqrt(t2 + 1 + t3**2)
    t5 = (1 + t1 * t2) ** 1.5
    t6 = a / (t4 + 2)
    t7 = xp.exp(-t6) * t3 - t5 / (t4 + 1)
    t8 = xp.log(t5 + xp.exp(0.1 * t7))
    return (t8 * t7 + t6 * b).sum()


def _gradients(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray]:
    """Value and gradients, derived by hand."""
    t1 = np.exp(-(a * a) / 2)
    b2 = 1 + b * b
    t2 = np.log(b2)
    t3 = np.tanh(c * t1)
    t4 = np.sqrt(t2 + 1 + t3 * t3)
    u = 1 + t1 * t2
    root = np.sqrt(u)
    t5 = u * root
    t6 = a / (t4 + 2)
    e6 = np.exp(-t6)
    t7 = e6 * t3 - t5 / (t4 + 1)
    e7 = np.exp(0.1 * t7)
    t8 = np.log(t5 + e7)
    gw = t7 / (t5 + e7)
    g7 = t8 + 0.1 * e7 * gw
    g6 = b - g7 * e6 * t3
    g5 = gw - g7 / (t4 + 1)
    half = 0.5 * (g7 * t5 / ((t4 + 1) * (t4 + 1)) - g6 * t6 / (t4 + 2)) / t4
    g3 = g7 * e6 + 2 * half * t3
    gu = 1.5 * g5 * root
    gx = g3 * (1 - t3 * t3)
    g1 = gx * c + gu * t2
    return (t8 * t7 + t6 * b).sum(), g6 / (t4 + 2) - g1 * t1 * a, t6 + 2 * (half + gu * t1) * b / b2, gx * t1


def _numpy(arrays: Arrays) -> Call:
    return Call(_gradients, tuple(arrays.values()))


def _hand(name: str) -> Callable[[Any, Arrays], Call]:
    def build(hand: Any, arrays: Arrays) -> Call:
        n = arrays["a"].size
        made = [((), np.float64), *[((n,), np.float64)] * 3]
        return hand_call(getattr(hand, name), tuple(arrays.values()), made, (n,))
    return build


def _symbolic(lib: Any, arrays: Arrays) -> Call:
    a, b, c = lib.tensor.dvectors("a", "b", "c")
    value = loss(lib.tensor, a, b, c)
    return symbolic_call(lib, [a, b, c], [value, *lib.grad(value, [a, b, c])], arrays)


def _jax(jax: Any, arrays: Arrays) -> Call:
    function = jax.value_and_grad(lambda a, b, c: loss(jax.numpy, a, b, c), argnums=(0, 1, 2))
    return jax_call(jax, lambda a, b, c: (lambda value, slopes: (value, *slopes))(*function(a, b, c)), arrays)


def _torch(torch: Any, arrays: Arrays) -> Call:
    function = torch.func.grad_and_value(lambda a, b, c: loss(torch, a, b, c), argnums=(0, 1, 2))
    return torch_call(torch, lambda a, b, c: (lambda slopes, value: (value, *slopes))(*function(a, b, c)), arrays)


def _numba(numba: Any, arrays: Arrays) -> Call:
    return numba_call(numba, _gradients, arrays)


ROWS = [
    Row(f"chain-{size}", f"20-op chain, value and 3 gradients, n = {size:,}", TimesHand(1.15), inputs(size), _numpy,
        _hand("hand_chain"), _symbolic, jax=_jax, torch=_torch, numba=_numba, tolerance=1e-11)
    for size in (1_000, 1_000_000)
]
