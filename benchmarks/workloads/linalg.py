"""Linear algebra: a Gaussian process, a Kalman filter, systems of many small matrices.

The Gaussian process has n points in the plane and a squared exponential kernel with amplitude, length and noise, given
by their logarithms: log likelihood without constants, and its gradient by the three.  The filter (Kalman, 1960) has 6
states and 3 observations at each of T times: log likelihood without constants.  Then solutions of 1,000 systems of 4.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.row import Arrays, Call, Row, Seconds, TimesNumpy, jax_call, symbolic_call

POINTS, TIMES, STATES, SEEN, SYSTEMS = 300, 500, 6, 3, 1000


# ------------------------------------------------------------------------------------------------ Gaussian process


def points() -> Arrays:
    """Where, what was measured, log amplitude, log length and log noise."""
    rng = np.random.default_rng(41)
    return {"x": rng.uniform(0, 3, (POINTS, 2)), "y": rng.standard_normal(POINTS), "theta": np.array([0.0, -1.0, -1.0])}


def _numpy_process(arrays: Arrays) -> Call:
    def run(x: Any, y: Any, theta: Any) -> list[Any]:
        squares = ((x[:, None] - x[None]) ** 2).sum(2) * np.exp(-2 * theta[1])
        k = np.exp(theta[0] - squares / 2)
        noise = np.exp(theta[2])
        factor = np.linalg.cholesky(k + noise * np.eye(len(x)))
        inverse = np.linalg.inv(factor)
        inverse = inverse.T @ inverse
        a = inverse @ y
        weights = np.outer(a, a) - inverse
        return [-0.5 * y @ a - np.log(np.diagonal(factor)).sum(),
                0.5 * np.array([(weights * k).sum(), (weights * k * squares).sum(), noise * np.trace(weights)])]

    return Call(run, tuple(arrays.values()))


def _likelihood(np: Any, solve: Any, cholesky: Any, x: Any, y: Any, theta: Any) -> Any:
    squares = ((x[:, None] - x[None]) ** 2).sum(2)
    k = np.exp(theta[0] - 0.5 * squares * np.exp(-2 * theta[1])) + np.exp(theta[2]) * np.eye(x.shape[0])
    factor = cholesky(k)
    z = solve(factor, y)
    return -0.5 * (z**2).sum() - np.log(np.diagonal(factor)).sum()


def _symbolic_process(lib: Any, arrays: Arrays) -> Call:
    aet = lib.tensor
    x, y, theta = aet.dmatrix("x"), aet.dvector("y"), aet.dvector("theta")
    value = _likelihood(aet, lambda a, b: aet.slinalg.solve_triangular(a, b, lower=True), aet.slinalg.cholesky, x, y,
                        theta)
    return symbolic_call(lib, [x, y, theta], [value, lib.grad(value, theta)], arrays)


def _jax_process(jax: Any, arrays: Arrays) -> Call:
    linalg = jax.scipy.linalg

    def value(theta: Any, x: Any, y: Any) -> Any:
        return _likelihood(jax.numpy, lambda a, b: linalg.solve_triangular(a, b, lower=True),
                           lambda k: linalg.cholesky(k, lower=True), x, y, theta)

    return jax_call(jax, lambda x, y, theta: list(jax.value_and_grad(value)(theta, x, y)), arrays)


# ------------------------------------------------------------------------------------------------ Kalman filter


def series() -> Arrays:
    """How states move and are seen, noises of both, what was seen."""
    rng = np.random.default_rng(42)
    return {"f": 0.9 * np.eye(STATES) + 0.05 * rng.standard_normal((STATES, STATES)),
            "h": rng.standard_normal((SEEN, STATES)), "q": 0.1 * np.eye(STATES), "r": 0.2 * np.eye(SEEN),
            "ys": rng.standard_normal((TIMES, SEEN))}


def _numpy_filter(arrays: Arrays) -> Call:
    """The value; the gradient by a forward derivative for each element would be 90 times that."""
    def run(f: Any, h: Any, q: Any, r: Any, ys: Any) -> list[Any]:
        m, p, total = np.zeros(STATES), np.eye(STATES), 0.0
        for y in ys:
            m, p = f @ m, f @ p @ f.T + q
            factor = np.linalg.cholesky(h @ p @ h.T + r)
            z = np.linalg.solve(factor, y - h @ m)
            w = np.linalg.solve(factor, h @ p)
            total += -0.5 * (z @ z) - np.log(np.diagonal(factor)).sum()
            m, p = m + w.T @ z, p - w.T @ w
        return [total]

    return Call(run, tuple(arrays.values()))


def _filter(lib: Any, arrays: Arrays) -> tuple[list[Any], Any]:
    """The inputs, of known sizes but for the number of times, and the log likelihood."""
    aet = lib.tensor
    inputs = [aet.TensorType("float64", (None, SEEN) if name == "ys" else array.shape)(name)
              for name, array in arrays.items()]

    def step(y: Any, m: Any, p: Any, f: Any, h: Any, q: Any, r: Any) -> list[Any]:
        m, p = aet.dot(f, m), aet.dot(aet.dot(f, p), f.T) + q
        seen = aet.dot(h, p)
        factor = aet.slinalg.cholesky(aet.dot(seen, h.T) + r)
        z = aet.slinalg.solve_triangular(factor, y - aet.dot(h, m), lower=True)
        w = aet.slinalg.solve_triangular(factor, seen, lower=True)
        value = -0.5 * (z**2).sum() - aet.log(aet.diagonal(factor)).sum()
        return [m + aet.dot(w.T, z), p - aet.dot(w.T, w), value]

    (_, _, values), _ = lib.module.scan(step, sequences=inputs[4], non_sequences=inputs[:4],
                                 outputs_info=[aet.constant(np.zeros(STATES)), aet.constant(np.eye(STATES)), None])
    return inputs, values.sum()


def _symbolic_filter(lib: Any, arrays: Arrays) -> Call:
    inputs, value = _filter(lib, arrays)
    return symbolic_call(lib, inputs, [value], arrays)


def _filter_slopes(lib: Any, arrays: Arrays) -> Call:
    """The value and the gradient by how states move and are seen, and by both noises."""
    inputs, value = _filter(lib, arrays)
    return symbolic_call(lib, inputs, [value, *lib.grad(value, inputs[:4])], arrays)


def _numpy_filter_slopes(arrays: Arrays) -> Call:
    """By hand, backwards: Murray's derivative of the Cholesky factor."""
    def run(f: Any, h: Any, q: Any, r: Any, ys: Any) -> list[Any]:
        m, p, total, kept = np.zeros(STATES), np.eye(STATES), 0.0, []
        for y in ys:
            before, m, old = m, f @ m, p
            p = f @ p @ f.T + q
            factor = np.linalg.cholesky(h @ p @ h.T + r)
            z = np.linalg.solve(factor, y - h @ m)
            w = np.linalg.solve(factor, h @ p)
            total += -0.5 * (z @ z) - np.log(np.diagonal(factor)).sum()
            kept.append((before, old, m, p, factor, z, w))
            m, p = m + w.T @ z, p - w.T @ w
        gf, gh, gq, gr = np.zeros_like(f), np.zeros_like(h), np.zeros_like(q), np.zeros_like(r)
        gm, gp = np.zeros(STATES), np.zeros((STATES, STATES))
        for before, old, m, p, factor, z, w in kept[::-1]:
            gz = w @ gm - z
            gw = np.outer(z, gm) - w @ (gp + gp.T)
            sz, sw = np.linalg.solve(factor.T, gz), np.linalg.solve(factor.T, gw)
            g_factor = -np.tril(np.outer(sz, z) + sw @ w.T) - np.diag(1 / np.diagonal(factor))
            half = np.tril(factor.T @ g_factor)
            half[np.diag_indices(SEEN)] /= 2
            inverse = np.linalg.inv(factor)
            g_seen = np.tril(inverse.T @ (half + half.T) @ inverse)     # of what is factored one triangle is read
            g_seen[np.diag_indices(SEEN)] /= 2
            gh += g_seen @ h @ p.T + g_seen.T @ h @ p + sw @ p.T - np.outer(sz, m)
            gp = gp + h.T @ g_seen @ h + h.T @ sw
            gr += g_seen
            gm = gm - h.T @ sz
            gq += gp
            gf += np.outer(gm, before) + gp @ f @ old.T + gp.T @ f @ old
            gm, gp = f.T @ gm, f.T @ gp @ f
        return [total, gf, gh, gq, gr]

    return Call(run, tuple(arrays.values()))


# ------------------------------------------------------------------------------------------------ many systems


def systems() -> Arrays:
    """1,000 positive definite matrices of 4 rows, and a vector for each."""
    rng = np.random.default_rng(43)
    half = rng.standard_normal((SYSTEMS, 4, 4))
    return {"a": half @ np.swapaxes(half, 1, 2) / 4 + np.eye(4), "b": rng.standard_normal((SYSTEMS, 4, 1))}


def _symbolic_systems(lib: Any, arrays: Arrays) -> Call:
    a, b = lib.tensor.dtensor3("a"), lib.tensor.dtensor3("b")
    factor = lib.tensor.slinalg.cholesky(a)
    return symbolic_call(lib, [a, b], [factor, lib.tensor.slinalg.solve(a, b)], arrays)


def _jax_systems(jax: Any, arrays: Arrays) -> Call:
    linalg = jax.numpy.linalg
    return jax_call(jax, lambda a, b: [linalg.cholesky(a), linalg.solve(a, b)], arrays)


ROWS = [
    Row("gaussian-process", "300 points, 3 parameters, log likelihood and gradient", Seconds(3.8e-3), points,
        _numpy_process, None, _symbolic_process, jax=_jax_process, tolerance=1e-8),
    Row("kalman-filter", "6 states, 3 observations, 500 times, log likelihood", TimesNumpy(0.1), series, _numpy_filter,
        None, _symbolic_filter, tolerance=1e-10),
    Row("kalman-gradient", "the same and its gradient by all matrices", Seconds(0.67e-3), series, _numpy_filter_slopes,
        None, None, gradc=_filter_slopes, tolerance=1e-8),
    Row("small-systems", "Cholesky factors and solutions of 1,000 systems of 4", TimesNumpy(0.2), systems,
        lambda arrays: Call(lambda a, b: [np.linalg.cholesky(a), np.linalg.solve(a, b)], tuple(arrays.values())), None,
        _symbolic_systems, jax=_jax_systems, tolerance=1e-10),
]
