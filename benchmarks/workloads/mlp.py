"""Loss and gradients of a network 784-512-10: tanh hidden layer, softmax cross-entropy, batch 128, float32."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.row import (
    Arrays,
    Call,
    Row,
    Seconds,
    casadi_call,
    jax_call,
    numba_call,
    symbolic_call,
    torch_call,
)

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


def _numba(numba: Any, arrays: Arrays) -> Call:
    """The gradients of `_gradients`; what numba has no NumPy function for, in loops."""
    one = np.float32(1)

    def loop(x, target, w1, b1, w2, b2):
        h = np.dot(x, w1)
        for i in range(h.shape[0]):
            for j in range(h.shape[1]):
                h[i, j] = np.tanh(h[i, j] + b1[j])
        dz = np.dot(h, w2)
        value = 0.0
        for i in range(dz.shape[0]):
            z = dz[i] + b2
            z -= z.max()
            e = np.exp(z)
            total = e.sum()
            value -= (target[i] * (z - np.log(total))).sum()
            dz[i] = (e / total - target[i]) / np.float32(dz.shape[0])
        dh = np.dot(dz, w2.T)
        for i in range(h.shape[0]):
            for j in range(h.shape[1]):
                dh[i, j] *= one - h[i, j] * h[i, j]
        return value / h.shape[0], np.dot(x.T, dh), dh.sum(0), np.dot(h.T, dz), dz.sum(0)

    return numba_call(numba, loop, arrays)


def _casadi(casadi: Any, arrays: Arrays) -> Call:
    """In double precision, CasADi's only one; all matrices transposed."""
    doubles = [array.astype(np.float64) for array in arrays.values()]
    shapes = [array.shape for array in doubles]
    x, target, w1, b1, w2, b2 = (casadi.MX.sym(name, *shape[::-1]) for name, shape in zip(arrays, shapes, strict=True))
    h = casadi.tanh(casadi.mtimes(w1, x) + casadi.repmat(b1, 1, BATCH))
    z = casadi.mtimes(w2, h) + casadi.repmat(b2, 1, BATCH)
    log_total = casadi.log(casadi.sum1(casadi.exp(z)))
    value = -casadi.sum2(casadi.sum1(target * (z - casadi.repmat(log_total, SIZES[2], 1)))) / BATCH
    slopes = [casadi.gradient(value, weights) for weights in (w1, b1, w2, b2)]
    function = casadi.Function("f", [x, target, w1, b1, w2, b2], [value, *slopes])
    return casadi_call(function, doubles, [(), *shapes[2:]])


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
        _symbolic, jax=_jax, torch=_torch, numba=_numba, casadi=_casadi, tolerance=2e-5, roof=products),
]
