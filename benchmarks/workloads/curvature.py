"""Jacobians, Hessians and their products: tanh(A x) x, and Rosenbrock's chained function.

Rosenbrock: sum 100 (x[i+1] - x[i]^2)^2 + (1 - x[i])^2; its Hessian is tridiagonal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.row import Arrays, Call, Row, Seconds, TimesPart, hand_call, jax_call, symbolic_call


def jacobian_inputs() -> Arrays:
    """A 100 x 100 matrix and a point."""
    rng = np.random.default_rng(31)
    return {"a": rng.standard_normal((100, 100)) / 10, "x": rng.standard_normal(100)}


def _numpy_jacobian(arrays: Arrays) -> Call:
    def run(a: np.ndarray, x: np.ndarray) -> np.ndarray:
        t = np.tanh(a @ x)
        made = (x * (1 - t * t))[:, None] * a
        made[np.diag_indices(len(x))] += t
        return made

    return Call(run, tuple(arrays.values()))


def _symbolic_jacobian(idiom: bool) -> Callable[[Any, Arrays], Call]:
    def build(lib: Any, arrays: Arrays) -> Call:
        aet = lib.tensor
        a, x = aet.dmatrix("a"), aet.dvector("x")
        y = aet.tanh(aet.dot(a, x)) * x
        if idiom:
            made, _ = lib.module.scan(lambda i, y, x: lib.grad(y[i], x), sequences=aet.arange(y.shape[0]),
                                      non_sequences=[y, x])
        else:
            made = lib.module.gradient.jacobian(y, x)
        return symbolic_call(lib, [a, x], made, arrays)

    return build


def _jax_jacobian(jax: Any, arrays: Arrays) -> Call:
    return jax_call(jax, jax.jacobian(lambda a, x: jax.numpy.tanh(a @ x) * x, argnums=1), arrays)


def point(n: int) -> Callable[[], Arrays]:
    """A point of n coordinates."""
    return lambda: {"x": 1 + 0.1 * np.random.default_rng(32).standard_normal(n)}


def point_and_direction(n: int) -> Callable[[], Arrays]:
    """A point and a direction of n coordinates."""
    return lambda: {**point(n)(), "v": np.random.default_rng(33).standard_normal(n)}


def rosenbrock(x: Any) -> Any:
    """Works on the arrays and variables of every peer."""
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def _bands(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    diagonal = np.zeros(len(x))
    diagonal[:-1] = 1200 * x[:-1] ** 2 - 400 * x[1:] + 2
    diagonal[1:] += 200
    return diagonal, -400 * x[:-1]


def _numpy_hessian(arrays: Arrays) -> Call:
    def run(x: np.ndarray) -> np.ndarray:
        diagonal, side = _bands(x)
        return np.diag(diagonal) + np.diag(side, 1) + np.diag(side, -1)

    return Call(run, tuple(arrays.values()))


def _symbolic_hessian(lib: Any, arrays: Arrays) -> Call:
    x = lib.tensor.dvector("x")
    return symbolic_call(lib, [x], lib.module.gradient.hessian(rosenbrock(x), x), arrays)


def _jax_hessian(jax: Any, arrays: Arrays) -> Call:
    return jax_call(jax, jax.hessian(rosenbrock), arrays)


def _numpy_sparse(arrays: Arrays) -> Call:
    def run(x: np.ndarray) -> list[np.ndarray]:
        n = len(x)
        diagonal, side = _bands(x)
        rows = np.zeros((n, 3))
        rows[1:, 0], rows[:, 1], rows[:-1, 2] = side, diagonal, side
        columns = np.arange(n)[:, None] + np.arange(-1, 2)
        starts = 3 * np.arange(n + 1) - 1
        starts[0], starts[-1] = 0, 3 * n - 2
        return [rows.reshape(-1)[1:-1], columns.reshape(-1)[1:-1], starts]

    return Call(run, tuple(arrays.values()))


def _gradc_sparse(lib: Any, arrays: Arrays) -> Call:
    x = lib.tensor.dvector("x")
    made = lib.module.gradient.hessian(rosenbrock(x), x, sparse=True)
    return symbolic_call(lib, [x], [made.data, made.indices, made.indptr], arrays)


def _gradc_gradient(lib: Any, arrays: Arrays) -> Call:
    x = lib.tensor.dvector("x")
    return symbolic_call(lib, [x], lib.grad(rosenbrock(x), x), arrays)


def _numpy_product(arrays: Arrays) -> Call:
    def run(x: np.ndarray, v: np.ndarray) -> np.ndarray:
        diagonal, side = _bands(x)
        made = diagonal * v
        made[:-1] += side * v[1:]
        made[1:] += side * v[:-1]
        return made

    return Call(run, tuple(arrays.values()))


def _hand_product(hand: Any, arrays: Arrays) -> Call:
    n = len(arrays["x"])
    return hand_call(hand.hand_rosenbrock_product, tuple(arrays.values()), [((n,), float)], (n,))


def _symbolic_product(lib: Any, arrays: Arrays) -> Call:
    x, v = lib.tensor.dvector("x"), lib.tensor.dvector("v")
    return symbolic_call(lib, [x, v], lib.grad((lib.grad(rosenbrock(x), x) * v).sum(), x), arrays)


def _jax_product(jax: Any, arrays: Arrays) -> Call:
    def product(x: Any, v: Any) -> Any:
        return jax.jvp(jax.grad(rosenbrock), (x,), (v,))[1]

    return jax_call(jax, product, arrays)


ROWS = [
    Row("jacobian", "dense Jacobian of tanh(A x) x, A 100 x 100", Seconds(25e-6), jacobian_inputs, _numpy_jacobian,
        None, _symbolic_jacobian(False), jax=_jax_jacobian),
    Row("jacobian-idiom", "the same by the tutorial's scan over rows", Seconds(25e-6), jacobian_inputs,
        _numpy_jacobian, None, _symbolic_jacobian(True)),
    Row("hessian", "dense Hessian of Rosenbrock's function, n = 100", Seconds(5e-6), point(100), _numpy_hessian, None,
        _symbolic_hessian, jax=_jax_hessian),
    Row("hessian-sparse", "its sparse Hessian, n = 10,000", TimesPart(6), point(10_000), _numpy_sparse, None, None,
        gradc=_gradc_sparse, part=("its gradient", _gradc_gradient)),
    Row("hessian-product", "its Hessian times a vector, n = 100,000", Seconds(50e-6), point_and_direction(100_000),
        _numpy_product, _hand_product, _symbolic_product, jax=_jax_product),
]
