"""Logistic regression: a training step with shared variables, and the gradient over many rows.

The step is the one of the Theano tutorial: 400 rows of 784 columns, outputs prediction and cross-entropy of each row,
loss mean(cross-entropy) + 0.01 sum(w^2), weights and bias moved by 0.1 down the gradient at each call.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.row import (
    Arrays,
    Call,
    Row,
    Seconds,
    TimesNumpy,
    casadi_call,
    hand_call,
    jax_call,
    numba_call,
    symbolic_call,
    torch_call,
)


def step_inputs() -> Arrays:
    """400 normal rows of 784, labels 0 or 1 by coin."""
    rng = np.random.default_rng(13)
    return {"x": rng.standard_normal((400, 784)), "y": rng.integers(0, 2, 400).astype(float)}


def _weights() -> np.ndarray:
    return 0.1 * np.random.default_rng(14).standard_normal(784)


def _numpy_step(arrays: Arrays) -> Call:
    w, b = _weights(), np.zeros(())

    def step(x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
        z = x @ w + b
        e = np.exp(-np.abs(z))
        p = np.where(z >= 0, 1, e) / (1 + e)
        entropy = np.log1p(e) + np.maximum(z, 0) - y * z
        d = (p - y) / len(y)
        np.subtract(w, 0.1 * (d @ x + 0.02 * w), out=w)
        np.subtract(b, 0.1 * d.sum(), out=b)
        return [p > 0.5, entropy]

    return Call(step, tuple(arrays.values()), lambda: [w, b])


def _hand_step(hand: Any, arrays: Arrays) -> Call:
    w, b = _weights(), np.zeros(())
    n, m = arrays["x"].shape
    made = hand_call(hand.hand_step, [*arrays.values(), w, b],
                     [((n,), np.bool_), ((n,), np.float64), ((m,), np.float64)], (n, m), lambda: [w, b])
    return Call(lambda: made.function()[:2], (), made.state, made.shim)


def _symbolic_step(lib: Any, arrays: Arrays) -> Call:
    aet = lib.tensor
    x, y = aet.dmatrix("x"), aet.dvector("y")
    w, b = lib.shared(_weights(), name="w"), lib.shared(np.float64(0.0), name="b")
    p = 1 / (1 + aet.exp(-aet.dot(x, w) - b))
    entropy = -y * aet.log(p) - (1 - y) * aet.log(1 - p)
    gw, gb = lib.grad(entropy.mean() + 0.01 * (w**2).sum(), [w, b])
    step = lib.function([x, y], [p > 0.5, entropy], updates=[(w, w - 0.1 * gw), (b, b - 0.1 * gb)])
    return Call(step, tuple(arrays.values()), lambda: [w.get_value(), b.get_value()])


def _jax_step(jax: Any, arrays: Arrays) -> Call:
    def loss(w: Any, b: Any, x: Any, y: Any) -> Any:
        p = 1 / (1 + jax.numpy.exp(-(x @ w) - b))
        entropy = -y * jax.numpy.log(p) - (1 - y) * jax.numpy.log(1 - p)
        return entropy.mean() + 0.01 * (w**2).sum(), (p > 0.5, entropy)

    @jax.jit
    def step(w: Any, b: Any, x: Any, y: Any) -> Any:
        (gw, gb), outputs = jax.grad(loss, argnums=(0, 1), has_aux=True)(w, b, x, y)
        return outputs, (w - 0.1 * gw, b - 0.1 * gb)

    state = [jax.numpy.asarray(_weights()), jax.numpy.zeros(())]
    x, y = (jax.numpy.asarray(array) for array in arrays.values())

    def call() -> Any:
        outputs, state[:] = step(*state, x, y)
        return list(jax.block_until_ready(outputs))

    return Call(call, (), lambda: state)


def _numba_step(numba: Any, arrays: Arrays) -> Call:
    w, b = _weights(), np.zeros(())

    def loop(x, y, w, b):
        n, m = x.shape
        prediction, entropy = np.empty(n, np.bool_), np.empty(n)
        slope, bias_slope, bias = np.zeros(m), 0.0, b[()]
        for i in range(n):
            z = np.dot(x[i], w) + bias
            e = np.exp(-abs(z))
            p = (1.0 if z >= 0 else e) / (1 + e)
            prediction[i] = p > 0.5
            entropy[i] = np.log1p(e) + max(z, 0.0) - y[i] * z
            d = (p - y[i]) / n
            bias_slope += d
            for j in range(m):
                slope[j] += d * x[i, j]
        for j in range(m):
            w[j] -= 0.1 * (slope[j] + 0.02 * w[j])
        b[()] = bias - 0.1 * bias_slope
        return prediction, entropy

    return Call(numba.njit(loop), (*arrays.values(), w, b), lambda: [w, b])


def _casadi_step(casadi: Any, arrays: Arrays) -> Call:
    """The new weights come out beside the results, and are copied over the old ones."""
    n, m = arrays["x"].shape
    state = [_weights(), np.zeros(1)]
    x, y, w, b = (casadi.MX.sym("x", m, n), casadi.MX.sym("y", 1, n), casadi.MX.sym("w", 1, m), casadi.MX.sym("b"))
    p = 1 / (1 + casadi.exp(-casadi.mtimes(w, x) - b))
    entropy = -y * casadi.log(p) - (1 - y) * casadi.log(1 - p)
    loss = casadi.sum2(entropy) / n + 0.01 * casadi.sumsqr(w)
    news = [v - 0.1 * casadi.gradient(loss, v) for v in (w, b)]
    made = casadi_call(casadi.Function("f", [x, y, w, b], [p > 0.5, entropy, *news]),
                       [*arrays.values(), *state], [(n,), (n,), (m,), (1,)])

    def step() -> list[np.ndarray]:
        *results, new_w, new_b = made.function()
        state[0][:], state[1][:] = new_w, new_b
        return results

    return Call(step, (), lambda: state)


def rows_inputs() -> Arrays:
    """100,000 normal rows of 100, labels 0 or 1 by coin, weights."""
    rng = np.random.default_rng(15)
    return {"x": rng.standard_normal((100_000, 100)), "y": rng.integers(0, 2, 100_000).astype(float),
            "w": 0.1 * rng.standard_normal(100)}


def _numpy_rows(arrays: Arrays) -> Call:
    return Call(lambda x, y, w: x.T @ (1 / (1 + np.exp(-(x @ w))) - y) / len(y), tuple(arrays.values()))


def _hand_rows(hand: Any, arrays: Arrays) -> Call:
    n, m = arrays["x"].shape
    return hand_call(hand.hand_regression, tuple(arrays.values()), [((m,), np.float64)], (n, m))


def _symbolic_rows(lib: Any, arrays: Arrays) -> Call:
    aet = lib.tensor
    x, y, w = aet.dmatrix("x"), aet.dvector("y"), aet.dvector("w")
    z = aet.dot(x, w)
    return symbolic_call(lib, [x, y, w], lib.grad(aet.mean(lib.softplus(z) - y * z), w), arrays)


def _jax_rows(jax: Any, arrays: Arrays) -> Call:
    def loss(x: Any, y: Any, w: Any) -> Any:
        z = x @ w
        return (jax.nn.softplus(z) - y * z).mean()

    return jax_call(jax, jax.grad(loss, argnums=2), arrays)


def _torch_rows(torch: Any, arrays: Arrays) -> Call:
    def loss(x: Any, y: Any, w: Any) -> Any:
        z = x @ w
        return (torch.nn.functional.softplus(z) - y * z).mean()

    return torch_call(torch, torch.func.grad(loss, argnums=2), arrays)


def _numba_rows(numba: Any, arrays: Arrays) -> Call:
    def loop(x, y, w):
        slope = np.zeros(x.shape[1])
        for i in range(x.shape[0]):
            d = 1 / (1 + np.exp(-np.dot(x[i], w))) - y[i]
            for j in range(x.shape[1]):
                slope[j] += d * x[i, j]
        return slope / x.shape[0]

    return numba_call(numba, loop, arrays)


def _casadi_rows(casadi: Any, arrays: Arrays) -> Call:
    n, m = arrays["x"].shape
    x, y, w = casadi.MX.sym("x", m, n), casadi.MX.sym("y", 1, n), casadi.MX.sym("w", 1, m)
    z = casadi.mtimes(w, x)
    softplus = casadi.fmax(z, 0) + casadi.log1p(casadi.exp(-casadi.fabs(z)))
    loss = casadi.sum2(softplus - y * z) / n
    return casadi_call(casadi.Function("f", [x, y, w], [casadi.gradient(loss, w)]), list(arrays.values()), [(m,)])


ROWS = [
    Row("training-step", "logistic-regression training step, 400 x 784, shared variables and updates", Seconds(75e-6),
        step_inputs, _numpy_step, _hand_step, _symbolic_step, jax=_jax_step, numba=_numba_step,
        casadi=_casadi_step, tolerance=1e-10),
    Row("regression-rows", "logistic-regression gradient, 100,000 x 100", TimesNumpy(0.5), rows_inputs, _numpy_rows,
        _hand_rows, _symbolic_rows, jax=_jax_rows, torch=_torch_rows, numba=_numba_rows, casadi=_casadi_rows,
        tolerance=1e-10),
]
