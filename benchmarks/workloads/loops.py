"""Loops with a recurrence, and their gradients: GARCH, Kalman filter, logistic map, tanh network, LSTM.

GARCH(1,1): h' = omega + alpha r^2 + beta h, h0 = omega / (1 - alpha - beta), loss 1/2 sum(log h + r^2 / h).
Local level: v = y - a, F = P + R, k = P / F, a' = a + k v, P' = P (1 - k) + Q, loss 1/2 sum(log F + v^2 / F);
a0 = 0, P0 = 10, gradient by (log Q, log R).  Networks: input and hidden width 32, 100 steps, loss 1/2 sum(h^2) / steps,
gradients by weights and bias; LSTM with gates in the order i, f, o, g.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.row import Arrays, Call, Row, Seconds, hand_call, jax_call, symbolic_call

STEPS, WIDTH, MANY = 1000, 32, 1_000_000


# ------------------------------------------------------------------------------------------------ likelihoods


def garch_inputs() -> Arrays:
    """1,000 returns, and (omega, alpha, beta)."""
    return {"r": np.random.default_rng(21).standard_normal(STEPS), "p": np.array([0.1, 0.1, 0.8])}


def _numpy_garch(arrays: Arrays) -> Call:
    def run(r: np.ndarray, p: np.ndarray) -> list[Any]:
        omega, alpha, beta = p
        rest = 1 - alpha - beta
        squares, h = r * r, np.empty(len(r))
        h[0] = omega / rest
        for t in range(1, len(r)):
            h[t] = omega + alpha * squares[t - 1] + beta * h[t - 1]
        slope = 0.5 * (1 / h - squares / h**2)
        g = slope.copy()
        for t in range(len(r) - 2, -1, -1):
            g[t] += beta * g[t + 1]
        first = g[0] * h[0] / rest
        return [0.5 * (np.log(h) + squares / h).sum(),
                np.array([g[1:].sum() + g[0] / rest, g[1:] @ squares[:-1] + first, g[1:] @ h[:-1] + first])]

    return Call(run, tuple(arrays.values()))


def _hand_garch(hand: Any, arrays: Arrays) -> Call:
    return hand_call(hand.hand_garch, tuple(arrays.values()), [((), float), ((3,), float)], (STEPS,))


def _symbolic_garch(lib: Any, arrays: Arrays) -> Call:
    r, p = lib.tensor.dvector("r"), lib.tensor.dvector("p")
    omega, alpha, beta = p[0], p[1], p[2]

    def step(r_t: Any, h: Any, omega: Any, alpha: Any, beta: Any) -> list[Any]:
        return [omega + alpha * r_t**2 + beta * h, lib.tensor.log(h) + r_t**2 / h]

    (_, terms), _ = lib.module.scan(step, sequences=r, outputs_info=[omega / (1 - alpha - beta), None],
                                    non_sequences=[omega, alpha, beta])
    loss = 0.5 * terms.sum()
    return symbolic_call(lib, [r, p], [loss, lib.grad(loss, p)], arrays)


def _jax_garch(jax: Any, arrays: Arrays) -> Call:
    def loss(r: Any, p: Any) -> Any:
        omega, alpha, beta = p

        def step(h: Any, r_t: Any) -> Any:
            return omega + alpha * r_t**2 + beta * h, jax.numpy.log(h) + r_t**2 / h

        return 0.5 * jax.lax.scan(step, omega / (1 - alpha - beta), r)[1].sum()

    return jax_call(jax, lambda r, p: list(jax.value_and_grad(loss, argnums=1)(r, p)), arrays)


def kalman_inputs() -> Arrays:
    """1,000 observations of a noisy random walk, and (log Q, log R)."""
    rng = np.random.default_rng(22)
    return {"y": np.cumsum(rng.standard_normal(STEPS)) + rng.standard_normal(STEPS), "logs": np.array([-0.5, 0.3])}


def _numpy_kalman(arrays: Arrays) -> Call:
    def run(y: np.ndarray, logs: np.ndarray) -> list[Any]:
        q, r = np.exp(logs)
        v, f, k = np.empty((3, len(y)))
        a, p = 0.0, 10.0
        for t, observed in enumerate(y):
            v[t], f[t] = observed - a, p + r
            k[t] = p / f[t]
            a, p = a + k[t] * v[t], p * (1 - k[t]) + q
        ga = gp = gq = gr = 0.0
        for t in range(len(y) - 1, -1, -1):
            gk = ga * v[t] - gp * (f[t] - r)
            gf = 0.5 * (1 / f[t] - (v[t] / f[t]) ** 2) - gk * k[t] / f[t]
            gq, gr = gq + gp, gr + gf
            ga, gp = ga * (1 - k[t]) - v[t] / f[t], gp * (1 - k[t]) + gk / f[t] + gf
        return [0.5 * (np.log(f) + v * v / f).sum(), np.array([gq * q, gr * r])]

    return Call(run, tuple(arrays.values()))


def _hand_kalman(hand: Any, arrays: Arrays) -> Call:
    return hand_call(hand.hand_kalman, tuple(arrays.values()), [((), float), ((2,), float)], (STEPS,))


def _symbolic_kalman(lib: Any, arrays: Arrays) -> Call:
    aet = lib.tensor
    y, logs = aet.dvector("y"), aet.dvector("logs")
    q, r = aet.exp(logs[0]), aet.exp(logs[1])

    def step(y_t: Any, a: Any, p: Any, q: Any, r: Any) -> list[Any]:
        v, f = y_t - a, p + r
        k = p / f
        return [a + k * v, p * (1 - k) + q, aet.log(f) + v**2 / f]

    start = [aet.constant(np.float64(0.0)), aet.constant(np.float64(10.0))]
    (_, _, terms), _ = lib.module.scan(step, sequences=y, outputs_info=[*start, None], non_sequences=[q, r])
    loss = 0.5 * terms.sum()
    return symbolic_call(lib, [y, logs], [loss, lib.grad(loss, logs)], arrays)


def _jax_kalman(jax: Any, arrays: Arrays) -> Call:
    def loss(y: Any, logs: Any) -> Any:
        q, r = jax.numpy.exp(logs)

        def step(carry: Any, y_t: Any) -> Any:
            a, p = carry
            v, f = y_t - a, p + r
            k = p / f
            return (a + k * v, p * (1 - k) + q), jax.numpy.log(f) + v**2 / f

        return 0.5 * jax.lax.scan(step, (0.0, 10.0), y)[1].sum()

    return jax_call(jax, lambda y, logs: list(jax.value_and_grad(loss, argnums=1)(y, logs)), arrays)


# ------------------------------------------------------------------------------------------------ recurrence


def recurrence_inputs() -> Arrays:
    """The factor and the start."""
    return {"a": np.array(2.5), "x0": np.array(0.3)}


def _numpy_recurrence(gradient: bool) -> Callable[[Arrays], Call]:
    def run(a: np.ndarray, x0: np.ndarray) -> Any:
        factor, x = float(a), float(x0)
        d_a, d_x = 0.0, 1.0
        for _ in range(MANY):
            if gradient:
                slope = factor * (1 - 2 * x)
                d_a, d_x = d_a * slope + x * (1 - x), d_x * slope
            x = factor * x * (1 - x)
        return [x, np.array([d_a, d_x])] if gradient else x

    return lambda arrays: Call(run, tuple(arrays.values()))


def _hand_recurrence(hand: Any, arrays: Arrays) -> Call:
    return hand_call(hand.hand_recurrence, tuple(arrays.values()), [((), float)], (MANY,))


def _hand_recurrence_gradient(hand: Any, arrays: Arrays) -> Call:
    return hand_call(hand.hand_recurrence_gradient, tuple(arrays.values()), [((), float), ((2,), float)], (MANY,))


def _symbolic_recurrence(gradient: bool) -> Callable[[Any, Arrays], Call]:
    def build(lib: Any, arrays: Arrays) -> Call:
        a, x0 = lib.tensor.dscalar("a"), lib.tensor.dscalar("x0")
        xs, _ = lib.module.scan(lambda x, a: a * x * (1 - x), outputs_info=x0, non_sequences=a, n_steps=MANY)
        last = xs[-1]
        outputs = [last, lib.tensor.stack(lib.grad(last, [a, x0]))] if gradient else last
        return symbolic_call(lib, [a, x0], outputs, arrays)

    return build


def _jax_recurrence(gradient: bool) -> Callable[[Any, Arrays], Call]:
    def build(jax: Any, arrays: Arrays) -> Call:
        def last(a: Any, x0: Any) -> Any:
            return jax.lax.scan(lambda x, _: (a * x * (1 - x), None), x0, None, length=MANY)[0]

        def both(a: Any, x0: Any) -> Any:
            value, slopes = jax.value_and_grad(last, argnums=(0, 1))(a, x0)
            return [value, jax.numpy.stack(slopes)]

        return jax_call(jax, both if gradient else last, arrays)

    return build


# ------------------------------------------------------------------------------------------------ networks


def network_inputs(batch: int, gates: int) -> Callable[[], Arrays]:
    """100 inputs of width 32 (for each of `batch` rows, if more than one), weights, bias."""
    def make() -> Arrays:
        rng = np.random.default_rng(23)
        rows = () if batch == 1 else (batch,)
        return {"x": rng.standard_normal((100, *rows, WIDTH)),
                "w": rng.standard_normal((WIDTH, gates * WIDTH)) / np.sqrt(WIDTH),
                "u": rng.standard_normal((WIDTH, gates * WIDTH)) / np.sqrt(WIDTH),
                "b": 0.1 * rng.standard_normal(gates * WIDTH)}

    return make


def _numpy_rnn(arrays: Arrays) -> Call:
    def run(x: np.ndarray, w: np.ndarray, u: np.ndarray, b: np.ndarray) -> list[Any]:
        steps = len(x)
        rows = x.reshape(steps, -1, WIDTH)
        inputs = rows @ w + b
        h = np.zeros((steps + 1, *rows.shape[1:]))
        for t in range(steps):
            np.tanh(inputs[t] + h[t] @ u, out=h[t + 1])
        z, g = np.empty_like(rows), np.zeros(rows.shape[1:])
        for t in range(steps - 1, -1, -1):
            z[t] = (g + h[t + 1] / steps) * (1 - h[t + 1] ** 2)
            g = z[t] @ u.T
        flat, before = z.reshape(-1, WIDTH), h[:-1].reshape(-1, WIDTH)
        return [0.5 * (h * h).sum() / steps, rows.reshape(-1, WIDTH).T @ flat, before.T @ flat, flat.sum(0)]

    return Call(run, tuple(arrays.values()))


def _hand_rnn(hand: Any, arrays: Arrays) -> Call:
    square = ((WIDTH, WIDTH), float)
    return hand_call(hand.hand_rnn, tuple(arrays.values()), [((), float), square, square, ((WIDTH,), float)],
                     (100, arrays["x"].size // (100 * WIDTH)))


def _numpy_lstm(arrays: Arrays) -> Call:
    def run(x: np.ndarray, w: np.ndarray, u: np.ndarray, b: np.ndarray) -> list[Any]:
        steps = len(x)
        rows = x.reshape(steps, -1, WIDTH)
        inputs = rows @ w + b
        h, c = np.zeros((2, steps + 1, *rows.shape[1:]))
        gates = np.empty_like(inputs)
        for t in range(steps):
            z = inputs[t] + h[t] @ u
            z[..., :3 * WIDTH] = 1 / (1 + np.exp(-z[..., :3 * WIDTH]))
            z[..., 3 * WIDTH:] = np.tanh(z[..., 3 * WIDTH:])
            gates[t] = z
            i, f, o, g = np.split(z, 4, axis=-1)
            c[t + 1] = f * c[t] + i * g
            h[t + 1] = o * np.tanh(c[t + 1])
        dz, dh, dc = np.empty_like(gates), np.zeros(rows.shape[1:]), np.zeros(rows.shape[1:])
        for t in range(steps - 1, -1, -1):
            i, f, o, g = np.split(gates[t], 4, axis=-1)
            dh = dh + h[t + 1] / steps
            bent = np.tanh(c[t + 1])
            dc = dc + dh * o * (1 - bent**2)
            dz[t] = np.concatenate([dc * g * i * (1 - i), dc * c[t] * f * (1 - f), dh * bent * o * (1 - o),
                                    dc * i * (1 - g**2)], axis=-1)
            dh, dc = dz[t] @ u.T, dc * f
        flat, before = dz.reshape(-1, 4 * WIDTH), h[:-1].reshape(-1, WIDTH)
        return [0.5 * (h * h).sum() / steps, rows.reshape(-1, WIDTH).T @ flat, before.T @ flat, flat.sum(0)]

    return Call(run, tuple(arrays.values()))


def _symbolic_network(cell: str) -> Callable[[Any, Arrays], Call]:
    def build(lib: Any, arrays: Arrays) -> Call:
        aet = lib.tensor
        x = aet.dtensor3("x") if arrays["x"].ndim == 3 else aet.dmatrix("x")
        w, u, b = aet.dmatrix("w"), aet.dmatrix("u"), aet.dvector("b")

        def rnn(x_t: Any, h: Any, w: Any, u: Any, b: Any) -> Any:
            return aet.tanh(aet.dot(x_t, w) + aet.dot(h, u) + b)

        def lstm(x_t: Any, h: Any, c: Any, w: Any, u: Any, b: Any) -> list[Any]:
            z = aet.dot(x_t, w) + aet.dot(h, u) + b
            i, f, o = (aet.sigmoid(z[..., k * WIDTH:(k + 1) * WIDTH]) for k in range(3))
            c = f * c + i * aet.tanh(z[..., 3 * WIDTH:])
            return [o * aet.tanh(c), c]

        zeros = aet.zeros_like(x[0])
        if cell == "rnn":
            h, _ = lib.module.scan(rnn, sequences=x, outputs_info=zeros, non_sequences=[w, u, b])
        else:
            (h, _), _ = lib.module.scan(lstm, sequences=x, outputs_info=[zeros, zeros], non_sequences=[w, u, b])
        loss = 0.5 * (h**2).sum() / x.shape[0]
        return symbolic_call(lib, [x, w, u, b], [loss, *lib.grad(loss, [w, u, b])], arrays)

    return build


def _jax_network(cell: str) -> Callable[[Any, Arrays], Call]:
    def build(jax: Any, arrays: Arrays) -> Call:
        jnp = jax.numpy

        def loss(x: Any, w: Any, u: Any, b: Any) -> Any:
            def rnn(h: Any, x_t: Any) -> Any:
                h = jnp.tanh(x_t @ w + h @ u + b)
                return h, h

            def lstm(carry: Any, x_t: Any) -> Any:
                h, c = carry
                z = x_t @ w + h @ u + b
                i, f, o = (jax.nn.sigmoid(z[..., k * WIDTH:(k + 1) * WIDTH]) for k in range(3))
                c = f * c + i * jnp.tanh(z[..., 3 * WIDTH:])
                h = o * jnp.tanh(c)
                return (h, c), h

            zeros = jnp.zeros_like(x[0])
            hs = jax.lax.scan(rnn, zeros, x)[1] if cell == "rnn" else jax.lax.scan(lstm, (zeros, zeros), x)[1]
            return 0.5 * (hs**2).sum() / len(x)

        def both(*given: Any) -> list[Any]:
            value, slopes = jax.value_and_grad(loss, argnums=(1, 2, 3))(*given)
            return [value, *slopes]

        return jax_call(jax, both, arrays)

    return build


def _network(cell: str, batch: int, limit: float, numpy: Any, hand: Any) -> Row:
    title = {"rnn": "tanh network", "lstm": "LSTM"}[cell]
    return Row(f"{cell}-{batch}", f"{title}, 100 steps, width 32, batch {batch}: loss and gradients", Seconds(limit),
               network_inputs(batch, 1 if cell == "rnn" else 4), numpy, hand, _symbolic_network(cell),
               jax=_jax_network(cell), tolerance=1e-10)


ROWS = [
    Row("garch", "GARCH(1,1) likelihood and gradient, 1,000 steps", Seconds(8e-6), garch_inputs, _numpy_garch,
        _hand_garch, _symbolic_garch, jax=_jax_garch, tolerance=1e-10),
    Row("kalman", "local-level Kalman filter, likelihood and gradient, 1,000 steps", Seconds(17e-6), kalman_inputs,
        _numpy_kalman, _hand_kalman, _symbolic_kalman, jax=_jax_kalman, tolerance=1e-10),
    Row("recurrence", "x' = a x (1 - x), a million steps, the last x", Seconds(2e-3), recurrence_inputs,
        _numpy_recurrence(False), _hand_recurrence, _symbolic_recurrence(False), jax=_jax_recurrence(False)),
    Row("recurrence-gradient", "the same with its gradient", Seconds(5e-3), recurrence_inputs,
        _numpy_recurrence(True), _hand_recurrence_gradient, _symbolic_recurrence(True), jax=_jax_recurrence(True),
        tolerance=1e-10),
    _network("rnn", 1, 60e-6, _numpy_rnn, _hand_rnn),
    _network("rnn", 32, 1.4e-3, _numpy_rnn, _hand_rnn),
    _network("lstm", 1, 200e-6, _numpy_lstm, None),
    _network("lstm", 32, 4.5e-3, _numpy_lstm, None),
]
