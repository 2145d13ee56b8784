"""Fourier transforms of lengths that are powers of 2 and primes, one and many; a spectral solver and its gradient.

Burgers: u' = nu u_xx - u u_x on a circle, 256 modes, as w = rfft(u).  N(w) = -ik rfft(irfft(w)^2) / 2, of which the
upper third of the modes is left out; linear terms are exact, E = exp(-nu k^2 dt).  100 steps of Heun's scheme,
a = N(w), b = N(E (w + dt a)), w' = E (w + dt a / 2) + dt b / 2, then the loss 1/2 sum((u - target)^2), its gradient by
the first u.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.row import Arrays, Call, Row, Seconds, TimesNumpy, jax_call, symbolic_call

POINTS, STEPS, STEP, VISCOSITY = 512, 100, 1e-3, 0.02


# ------------------------------------------------------------------------------------------------ transforms


def _drawn(shape: tuple[int, ...], complex: bool) -> Callable[[], Arrays]:
    def inputs() -> Arrays:
        rng = np.random.default_rng(71)
        x = rng.normal(size=shape)
        return {"x": x + 1j * rng.normal(size=shape) if complex else x}
    return inputs


def _transform(name: str, title: str, shape: tuple[int, ...], which: str) -> Row:
    def numpy(arrays: Arrays) -> Call:
        return Call(getattr(np.fft, which), tuple(arrays.values()))

    def gradc(lib: Any, arrays: Arrays) -> Call:
        x = lib.tensor.TensorType(arrays["x"].dtype.name, (None,) * len(shape))("x")
        return symbolic_call(lib, [x], getattr(lib.tensor.fft, which)(x), arrays)

    def jax(jax: Any, arrays: Arrays) -> Call:
        return jax_call(jax, getattr(jax.numpy.fft, which), arrays)
    return Row(name, title, TimesNumpy(1.1), _drawn(shape, which[0] == "f"), numpy, None, None, jax=jax, gradc=gradc,
               tolerance=1e-12)


# --------------------------------------------------------------------------------------------------- Burgers


def burgers_inputs() -> Arrays:
    """The first u, and what it is to become."""
    x = np.linspace(0, 2 * np.pi, POINTS, endpoint=False)
    return {"u": np.sin(x) + 0.3 * np.cos(2 * x), "target": 0.9 * np.sin(x - 0.1)}


def _constants() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Wave numbers, decay in a step, and -ik/2 of the modes that are kept."""
    k = np.arange(POINTS // 2 + 1)
    return k, np.exp(-VISCOSITY * k**2 * STEP), np.where(k < POINTS // 3, -0.5j * k, 0)


def _step(fft: Any, w: Any, decay: Any, slope: Any) -> Any:
    """One step, in any library that has rfft and irfft."""
    a = slope * fft.rfft(fft.irfft(w, POINTS) ** 2)
    b = slope * fft.rfft(fft.irfft(decay * (w + STEP * a), POINTS) ** 2)
    return decay * (w + 0.5 * STEP * a) + 0.5 * STEP * b


def _numpy_burgers(arrays: Arrays) -> Call:
    _, decay, slope = _constants()

    def back(g: np.ndarray) -> np.ndarray:
        """The adjoint of irfft: g of real numbers to that of the modes."""
        made = np.fft.rfft(g) / POINTS
        made[1:-1] *= 2
        return made

    def forth(g: np.ndarray) -> np.ndarray:
        """The adjoint of rfft."""
        half = g.copy()
        half[1:-1] /= 2
        return np.fft.irfft(half, POINTS) * POINTS

    def run(u: np.ndarray, target: np.ndarray) -> list[Any]:
        w, kept = np.fft.rfft(u), []
        for _ in range(STEPS):
            v = np.fft.irfft(w, POINTS)
            a = slope * np.fft.rfft(v ** 2)
            z = np.fft.irfft(decay * (w + STEP * a), POINTS)
            kept.append((v, z))
            w = decay * (w + 0.5 * STEP * a) + 0.5 * STEP * slope * np.fft.rfft(z ** 2)
        rest = np.fft.irfft(w, POINTS) - target
        g = back(rest)
        for v, z in reversed(kept):
            gz = back(2 * z * forth(0.5 * STEP * slope.conj() * g))
            ga = decay * (0.5 * STEP * g + STEP * gz)
            g = decay * (g + gz) + back(2 * v * forth(slope.conj() * ga))
        return [0.5 * (rest ** 2).sum(), forth(g)]

    return Call(run, tuple(arrays.values()))


def _gradc_burgers(lib: Any, arrays: Arrays) -> Call:
    t = lib.tensor
    u, target = t.tensor("u", dtype="float64", shape=(POINTS,)), t.tensor("target", dtype="float64", shape=(POINTS,))
    _, decay, slope = [t.constant(c) for c in _constants()]
    rows, _ = lib.module.scan(lambda w: _step(t.fft, w, decay, slope), outputs_info=[t.fft.rfft(u)], n_steps=STEPS)
    loss = 0.5 * ((t.fft.irfft(rows[-1], POINTS) - target) ** 2).sum()
    return symbolic_call(lib, [u, target], [loss, lib.module.grad(loss, u)], arrays)


def _jax_burgers(jax: Any, arrays: Arrays) -> Call:
    _, decay, slope = [jax.numpy.asarray(c) for c in _constants()]
    fft = jax.numpy.fft

    def loss(u: Any, target: Any) -> Any:
        w, _ = jax.lax.scan(lambda w, _: (_step(fft, w, decay, slope), None), fft.rfft(u), None, STEPS)
        return 0.5 * ((fft.irfft(w, POINTS) - target) ** 2).sum()

    return jax_call(jax, jax.value_and_grad(loss), arrays)


ROWS = [
    _transform("fft", "one transform of 4,096 complex numbers", (4096,), "fft"),
    _transform("rfft", "one transform of 4,096 real numbers", (4096,), "rfft"),
    _transform("fft-prime", "one transform of 10,007 complex numbers", (10_007,), "fft"),
    _transform("rfft-prime", "one transform of 1,009 real numbers", (1009,), "rfft"),
    _transform("fft-rows", "a thousand transforms of 256 complex numbers", (1000, 256), "fft"),
    _transform("rfft-rows", "a thousand transforms of 1,024 real numbers", (1000, 1024), "rfft"),
    _transform("fft-columns", "a transform of 512 x 512 complex numbers", (512, 512), "fft2"),
    Row("burgers", "Burgers' equation, 256 modes, 100 steps of Heun's scheme: loss and gradient", Seconds(5.95e-3),
        burgers_inputs, _numpy_burgers, None, None, jax=_jax_burgers, gradc=_gradc_burgers),
]
