"""exp(1j x) * z + conj(w) over a million complex numbers; and its squared size with the gradients by x, z and w."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.row import Arrays, Call, Row, TimesNumpy, jax_call, symbolic_call, torch_call

SIZE = 1_000_000


def inputs() -> Arrays:
    """x real, z and w complex, normal."""
    rng = np.random.default_rng(71)
    z, w = [rng.normal(size=SIZE) + 1j * rng.normal(size=SIZE) for _ in range(2)]
    return {"x": rng.normal(size=SIZE), "z": z, "w": w}


def chain(xp: Any, x: Any, z: Any, w: Any) -> Any:
    """The chain with the functions of `xp`."""
    return xp.exp(1j * x) * z + xp.conj(w)


def _gradients(x: np.ndarray, z: np.ndarray, w: np.ndarray) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray]:
    """Of sum(abs(y)**2), each the pair of real gradients, derived by hand."""
    turn = np.exp(1j * x)
    y = turn * z + np.conj(w)
    g = 2 * y
    return np.sum(np.abs(y) ** 2), np.real(np.conj(1j * turn * z) * g), np.conj(turn) * g, np.conj(g)


def _variables(lib: Any) -> list[Any]:
    return [lib.tensor.dvector("x"), lib.tensor.zvector("z"), lib.tensor.zvector("w")]


def _value(lib: Any, arrays: Arrays) -> Call:
    given = _variables(lib)
    return symbolic_call(lib, given, chain(lib.tensor, *given), arrays)


def _with_gradients(lib: Any, arrays: Arrays) -> Call:
    given = _variables(lib)
    cost = lib.tensor.sum(lib.tensor.abs(chain(lib.tensor, *given)) ** 2)
    return symbolic_call(lib, given, [cost, *lib.grad(cost, given)], arrays)


def _jax(jax: Any, arrays: Arrays) -> Call:
    return jax_call(jax, lambda x, z, w: chain(jax.numpy, x, z, w), arrays)


def _torch(torch: Any, arrays: Arrays) -> Call:
    return torch_call(torch, lambda x, z, w: chain(torch, x, z, w), arrays)


ROWS = [
    Row("complex-chain", f"exp(1j x) * z + conj(w), n = {SIZE:,}", TimesNumpy(0.6), inputs,
        lambda arrays: Call(lambda x, z, w: chain(np, x, z, w), tuple(arrays.values())), None, _value, jax=_jax,
        torch=_torch, tolerance=1e-13),
    Row("complex-gradient", f"its squared size with 3 gradients, n = {SIZE:,}", TimesNumpy(0.6), inputs,
        lambda arrays: Call(_gradients, tuple(arrays.values())), None, None, gradc=_with_gradients, tolerance=1e-11),
]
