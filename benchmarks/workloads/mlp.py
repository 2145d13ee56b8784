"""Loss and gradients of a network 784-512-10: tanh hidden layer, softmax cross-entropy, batch 128, float32."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.row import Arrays, Call, Row, Seconds, jax_call, symbolic_call, torch_call

BATCH, SIZES = 128, (784, 512, 10)


def inputs() -> Arrays:
    """Random pixels, one-hot labels, small weights."""
    rng = np.random.default_rng(11)

    def normal(*shape: int) -> np.ndarray:
        return (rng.standard_normal(shape) / np.sqrt(shape[0])).astype(np.float32)

    return {"x": rng.random((BATCH, SIZES[0]), np.float32),
            "target": np.eye(SIZES[2], dtype=np.float32)[rng.integers(0, SIZES[2], BATCH)],
            "w1": normal(SIZES[0], SIZES[1]), "b1": np.zeros(SIZES[1], np.float32),
            "w2": normal(SIZES[1], SIZES[2]), "b2": np.zeros(SIZES[2], np.float32)}


def _gradients(x: np.ndarray, target: np.ndarray, w1: np.ndarray, b1: np.ndarray, w2: np.ndarray,
               b2: np.ndarray) -> list[Any]:
    h = x @ w1
    h += b1
    np.tanh(h, out=h)
    z = h @ w2 + b2
    z -= z.max(1, keepdims=True)
    e = np.exp(z)
    total = e.sum(1, keepdims=True)
    value = -(target * (z - np.log(total))).sum(1).mean()
    dz = (e / total - target) / np.float32(BATCH)
    dh = dz @ w2.T
    dh *= 1 - h * h
    return [value, x.T @ dh, dh.sum(0), h.T @ dz, dz.sum(0)]


def _numpy(arrays: Arrays) -> Call:
    return Call(_gradients, tuple(arrays.values()))


def _symbolic(lib: Any, arrays: Arrays) -> Call:
    aet = lib.tensor
    x, target, w1, w2 = (aet.fmatrix(name) for name in ("x", "target", "w1", "w2"))
    b1, b2 = aet.fvector("b1"), aet.fvector("b2")
    z = aet.dot(aet.tanh(aet.dot(x, w1) + b1), w2) + b2
    value = -aet.mean(aet.sum(target * lib.log_softmax(z, axis=1), axis=1))
    return symbolic_call(lib, [x, target, w1, b1, w2, b2], [value, *lib.grad(value, [w1, b1, w2, b2])], arrays)


def _jax(jax: Any, arrays: Arrays) -> Call:
    def loss(x: Any, target: Any, w1: Any, b1: Any, w2: Any, b2: Any) -> Any:
        z = jax.numpy.tanh(x @ w1 + b1) @ w2 + b2
        return -(target * jax.nn.log_softmax(z, axis=1)).sum(1).mean()

    function = jax.value_and_grad(loss, argnums=(2, 3, 4, 5))
    return jax_call(jax, lambda *given: (lambda value, slopes: [value, *slopes])(*function(*given)), arrays)


def _torch(torch: Any, arrays: Arrays) -> Call:
    def loss(x: Any, target: Any, w1: Any, b1: Any, w2: Any, b2: Any) -> Any:
        z = torch.tanh(x @ w1 + b1) @ w2 + b2
        return -(target * torch.log_softmax(z, 1)).sum(1).mean()

    function = torch.func.grad_and_value(loss, argnums=(2, 3, 4, 5))
    return torch_call(torch, lambda *given: (lambda slopes, value: [value, *slopes])(*function(*given)), arrays)


def products(arrays: Arrays) -> Call:
    """The five matrix products alone, by NumPy into ready memory: what the row can't go below."""
    x, target, w1, w2 = (arrays[name] for name in ("x", "target", "w1", "w2"))
    h, z = x @ w1, target
    into = [np.empty_like(h), np.empty_like(z), np.empty_like(h), np.empty_like(w1), np.empty_like(w2)]

    def call() -> None:
        np.matmul(x, w1, out=into[0])
        np.matmul(h, w2, out=into[1])
        np.matmul(z, w2.T, out=into[2])
        np.matmul(x.T, h, out=into[3])
        np.matmul(h.T, z, out=into[4])

    return Call(call)


ROWS = [
    Row("mlp", "network 784-512-10, batch 128, float32: loss and gradients", Seconds(2.3e-3), inputs, _numpy, None,
        _symbolic, jax=_jax, torch=_torch, tolerance=2e-5, roof=products),
]
