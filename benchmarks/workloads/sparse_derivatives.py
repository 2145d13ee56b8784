"""Sparse derivatives of programs as users write them: multiple shooting of a cart-pole, and bundle adjustment.

Shooting: 50 intervals, x[k+1] - RK4(x[k], u[k]) as a scan over nodes; 4 * 51 states and 50 controls are one vector.
Bundle adjustment: 3,000 observations of 400 points by 20 cameras of nine parameters (rotation vector, translation,
focal length, two distortions), residuals by `C[ci]` and `P[pi]`; which camera saw which point is known when the
function is built, no size is.
NumPy's figures are of derivatives by complex step, which these answers are compared with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.row import Arrays, Call, Row, Seconds, symbolic_call

NODES, STEP = 50, 0.05
CART, POLE, LENGTH, GRAVITY = 1.0, 0.1, 0.5, 9.81
CAMERAS, POINTS, OBSERVATIONS = 20, 400, 3000


def point() -> Arrays:
    """States and controls near rest, and multipliers of the 200 constraints."""
    rng = np.random.default_rng(41)
    return {"w": 0.3 * rng.standard_normal(5 * NODES + 4), "m": rng.standard_normal(4 * NODES)}


def slopes(lib: Any, state: Sequence[Any], force: Any) -> list[Any]:
    """Of position, angle, velocity and angular velocity."""
    _, angle, velocity, turn = state
    sine, cosine = lib.sin(angle), lib.cos(angle)
    total = CART + POLE * sine**2
    return [velocity, turn,
            (force + POLE * sine * (LENGTH * turn**2 + GRAVITY * cosine)) / total,
            (-force * cosine - POLE * LENGTH * turn**2 * cosine * sine - (CART + POLE) * GRAVITY * sine)
            / (LENGTH * total)]


def runge_kutta(lib: Any, state: Sequence[Any], force: Any) -> list[Any]:
    """One step of the classical method, the force being constant."""
    def moved(by: Sequence[Any], length: float) -> list[Any]:
        return [s + length * d for s, d in zip(state, by)]

    a = slopes(lib, state, force)
    b = slopes(lib, moved(a, STEP / 2), force)
    c = slopes(lib, moved(b, STEP / 2), force)
    d = slopes(lib, moved(c, STEP), force)
    return [s + STEP / 6 * (p + 2 * q + 2 * r + t) for s, p, q, r, t in zip(state, a, b, c, d)]


def _defects(lib: Any, w: Any) -> Any:
    aet = lib.tensor
    states, forces = w[:4 * NODES + 4].reshape((NODES + 1, 4)), w[4 * NODES + 4:]

    def step(state: Any, after: Any, force: Any) -> Any:
        return after - aet.stack(runge_kutta(aet, [state[k] for k in range(4)], force))

    made, _ = lib.module.scan(step, sequences=[states[:-1], states[1:], forces])
    return made.flatten()


def _numpy_defects(w: np.ndarray) -> np.ndarray:
    """For rows of points: rows of constraints."""
    states, forces = w[:, :4 * NODES + 4].reshape(len(w), NODES + 1, 4), w[:, 4 * NODES + 4:]
    ends = runge_kutta(np, np.moveaxis(states[:, :-1], -1, 0), forces)
    return (states[:, 1:] - np.stack(ends, -1)).reshape(len(w), -1)


def complex_steps(function: Callable[[np.ndarray], np.ndarray], x: np.ndarray) -> np.ndarray:
    """The Jacobian of a function of rows."""
    made: np.ndarray = function(x + 1e-200j * np.eye(len(x))).imag.T * 1e200
    return made


def compressed(dense: np.ndarray) -> list[np.ndarray]:
    """Data, columns and starts of the rows of what is not 0."""
    rows, columns = np.nonzero(dense)
    return [dense[rows, columns], columns, np.searchsorted(rows, np.arange(len(dense) + 1))]


def _numpy_jacobian(arrays: Arrays) -> Call:
    return Call(lambda w, m: compressed(complex_steps(_numpy_defects, w)), tuple(arrays.values()))


def _numpy_hessian(arrays: Arrays) -> Call:
    def run(w: np.ndarray, m: np.ndarray) -> list[np.ndarray]:
        def gradient(at: np.ndarray) -> np.ndarray:
            return m @ complex_steps(_numpy_defects, at) + 2 * STEP * np.where(np.arange(len(w)) > 4 * NODES + 3, at, 0)

        h = 1e-5
        dense = np.stack([(gradient(w + h * e) - gradient(w - h * e)) / (2 * h) for e in np.eye(len(w))])
        return compressed(np.where(np.abs(dense) > 1e-8, dense, 0))

    return Call(run, tuple(arrays.values()))


def _gradc_jacobian(lib: Any, arrays: Arrays) -> Call:
    w, m = lib.tensor.dvector("w"), lib.tensor.dvector("m")
    made = lib.module.gradient.jacobian(_defects(lib, w), w, sparse=True)
    return symbolic_call(lib, [w, m], [made.data, made.indices, made.indptr], arrays, on_unused_input="ignore")


def _gradc_hessian(lib: Any, arrays: Arrays) -> Call:
    w, m = lib.tensor.dvector("w"), lib.tensor.dvector("m")
    lagrangian = (m * _defects(lib, w)).sum() + STEP * (w[4 * NODES + 4:] ** 2).sum()
    made = lib.module.gradient.hessian(lagrangian, w, sparse=True)
    return symbolic_call(lib, [w, m], [made.data, made.indices, made.indptr], arrays)


def scene() -> Arrays:
    """Cameras and points in one vector, and which camera saw which point."""
    rng = np.random.default_rng(42)
    cameras = np.hstack([0.2 * rng.standard_normal((CAMERAS, 3)), 0.1 * rng.standard_normal((CAMERAS, 3)),
                         500 + 10 * rng.standard_normal((CAMERAS, 1)), 0.01 * rng.standard_normal((CAMERAS, 2))])
    points = np.hstack([rng.standard_normal((POINTS, 2)), 6 + rng.random((POINTS, 1))])
    return {"w": np.concatenate([cameras.ravel(), points.ravel()]), "ci": rng.integers(0, CAMERAS, OBSERVATIONS),
            "pi": rng.integers(0, POINTS, OBSERVATIONS)}


def projected(lib: Any, c: Sequence[Any], p: Sequence[Any]) -> list[Any]:
    """Where a camera sees a point: rotated by Rodrigues' formula, moved, projected, distorted."""
    angle = lib.sqrt(c[0] ** 2 + c[1] ** 2 + c[2] ** 2)
    x, y, z = c[0] / angle, c[1] / angle, c[2] / angle
    cosine, sine = lib.cos(angle), lib.sin(angle)
    along = (x * p[0] + y * p[1] + z * p[2]) * (1 - cosine)
    u = p[0] * cosine + (y * p[2] - z * p[1]) * sine + x * along + c[3]
    v = p[1] * cosine + (z * p[0] - x * p[2]) * sine + y * along + c[4]
    depth = p[2] * cosine + (x * p[1] - y * p[0]) * sine + z * along + c[5]
    u, v = u / depth, v / depth
    radius = u**2 + v**2
    scale = c[6] * (1 + radius * (c[7] + c[8] * radius))
    return [u * scale, v * scale]


def _gradc_adjustment(lib: Any, arrays: Arrays) -> Call:
    aet = lib.tensor
    w = aet.dvector("w")
    c, p = w[:9 * CAMERAS].reshape((CAMERAS, 9))[arrays["ci"]], w[9 * CAMERAS:].reshape((POINTS, 3))[arrays["pi"]]
    seen = aet.stack(projected(aet, [c[:, k] for k in range(9)], [p[:, k] for k in range(3)]), axis=1).flatten()
    made = lib.module.gradient.jacobian(seen, w, sparse=True)
    return symbolic_call(lib, [w], [made.data, made.indices, made.indptr], {"w": arrays["w"]})


def _numpy_adjustment(arrays: Arrays) -> Call:
    def run(w: np.ndarray, ci: np.ndarray, pi: np.ndarray) -> list[np.ndarray]:
        columns = np.hstack([9 * ci[:, None] + np.arange(9), 9 * CAMERAS + 3 * pi[:, None] + np.arange(3)])
        given = w[columns]
        slopes = np.empty((len(ci), 2, 12))
        for k in range(12):
            moved = given + 1e-200j * (np.arange(12) == k)
            u, v = projected(np, moved[:, :9].T, moved[:, 9:].T)
            slopes[:, 0, k], slopes[:, 1, k] = 1e200 * u.imag, 1e200 * v.imag
        return [slopes.ravel(), np.repeat(columns[:, None], 2, axis=1).ravel(), 12 * np.arange(2 * len(ci) + 1)]

    return Call(run, tuple(arrays.values()))


ROWS = [
    Row("shooting-jacobian", "sparse Jacobian of the constraints of a cart-pole, 50 intervals, by scan",
        Seconds(52e-6), point, _numpy_jacobian, None, None, gradc=_gradc_jacobian),
    Row("shooting-hessian", "sparse Hessian of its Lagrangian", Seconds(56e-6), point, _numpy_hessian, None, None,
        gradc=_gradc_hessian, tolerance=1e-7, short=False),
    Row("bundle-adjustment", "sparse Jacobian, 20 cameras, 400 points, 3,000 observations, by index",
        Seconds(1e-3), scene, _numpy_adjustment, None, None, gradc=_gradc_adjustment),
]
