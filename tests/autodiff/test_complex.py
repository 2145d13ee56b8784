"""Derivatives by complex values: the pair of real gradients, holomorphic tangents, second derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.autodiff.rules.complex import NOT_HOLOMORPHIC
from gradc.gradient import Lop, Rop, grad
from gradc.ir.complex_forms import FORMS
from gradc.ir.graph import apply
from gradc.ir.ops import Map
from gradc.ir.scalars import ROWS

rng = np.random.default_rng(5)
Z = rng.uniform(0.3, 0.9, 6) * np.exp(1j * rng.uniform(-2.5, 2.5, 6))
W = rng.normal(size=6) + 1j * rng.normal(size=6)
X = rng.uniform(0.5, 1.5, 6)
M = rng.normal(size=(3, 4)) + 1j * rng.normal(size=(3, 4))
N = rng.normal(size=(4, 3)) + 1j * rng.normal(size=(4, 3))

HOLOMORPHIC = [name for name in FORMS if ROWS[name].nin == 1 and name not in NOT_HOLOMORPHIC
               and ROWS[name].rule != "predicate"]


def differences(f: Callable[..., np.ndarray], args: list[np.ndarray], k: int, step: float = 1e-6) -> np.ndarray:
    """dC/dx + i dC/dy by central differences, element by element; dC/dx for a real argument."""
    result = np.zeros(args[k].shape, args[k].dtype)
    for at_ in np.ndindex(args[k].shape):
        for unit in (1, 1j) if args[k].dtype.kind == "c" else (1,):
            shifted = []
            for sign in (1, -1):
                moved = args[k].copy()
                moved[at_] += sign * step * unit
                shifted.append(f(*args[:k], moved, *args[k + 1:]))
            result[at_] += unit * (shifted[0] - shifted[1]) / (2 * step)
    return result


# costs of NumPy and of gradc: m is the library
COSTS: dict[str, tuple[Callable[..., Any], list[np.ndarray]]] = {
    "square of the size": (lambda m, z: m.sum(m.abs(z) ** 2), [Z]),
    "size": (lambda m, z: m.sum(m.abs(z * z + 1)), [Z]),
    "angle": (lambda m, z: m.sum(m.angle(z) ** 2), [Z]),
    "parts": (lambda m, z: m.sum(m.real(z) * m.imag(z) ** 2), [Z]),
    "conj": (lambda m, z, w: m.sum(m.real(m.conj(z) * z * w)), [Z, W]),
    "sign": (lambda m, z, w: m.sum(m.real(m.sign(z) * w)), [Z, W]),
    "product": (lambda m, z, w: m.sum(m.imag(z * w)), [Z, W]),
    "quotient": (lambda m, z, w: m.sum(m.abs(z / w)), [Z, W]),
    "chain": (lambda m, x, z, w: m.sum(m.abs(m.exp(1j * x) * z + m.conj(w)) ** 2), [X, Z, W]),
    "power": (lambda m, z, w: m.sum(m.real(z ** w) + m.imag(z ** 3) + m.real(z ** -2)), [Z, W]),
    "real and complex": (lambda m, x, z: m.sum(m.imag(x * z + z / x - m.exp(x) * z)), [X, Z]),
    "matrix product": (lambda m, a, b: m.sum(m.abs(m.dot(a, b)) ** 2), [M, N]),
    "real matrix": (lambda m, a, b: m.sum(m.imag(m.dot(a, b)) ** 2), [M, N.real.copy()]),
    "vectors": (lambda m, z, w: m.real(m.dot(m.conj(z), w)) ** 2, [Z, W]),
    "prod": (lambda m, z: m.imag(m.prod(z)), [Z]),
    "cumprod": (lambda m, z, w: m.sum(m.real(m.cumprod(z) * w)), [Z, W]),
    "cumsum": (lambda m, z, w: m.sum(m.real(m.cumsum(z) * w) ** 2), [Z, W]),
    "variance": (lambda m, a: m.sum(m.var(a, axis=1)), [M]),
    "broadcast": (lambda m, a, z: m.sum(m.abs(a * z[:4] - z[5]) ** 2), [M, Z]),
    "index": (lambda m, z, w: m.sum(m.real(z[::2] * w[1::2] ** 2)) + m.imag(z[3]), [Z, W]),
    "join": (lambda m, z, x: m.sum(m.abs(m.concatenate([z, x, z * x])) ** 2), [Z, X]),
    "switch": (lambda m, z, x: m.sum(m.abs(m.where(x > 1, z * x, x)) ** 2), [Z, X]),
    "max": (lambda m, z: m.real(m.max(z)) ** 2, [Z]),
    "sqrt": (lambda m, z: m.sum(m.imag(m.sqrt(z) * m.log(z))), [Z]),
    "polar": (lambda m, x: m.sum(m.real(m.exp(x * (0.3 + 1j))) + m.abs(x + 1j * x ** 2)), [X]),
}


def variables(args: list[np.ndarray]) -> list[Any]:
    return [at.TensorType(a.dtype.name, (None,) * a.ndim)("abc"[k]) for k, a in enumerate(args)]


@pytest.fixture(scope="module")
def gradients() -> dict[str, list[np.ndarray]]:
    """Of all costs, by all their arguments, by one function."""
    inputs, outputs, values, counts = [], [], [], []
    for cost, args in COSTS.values():
        given = variables(args)
        outputs += grad(cost(at, *given), given)
        inputs += given
        values += args
        counts.append(len(args))
    f = gradc.function(inputs, outputs)
    assert f.info["mode"] == "c"
    made = iter(f(*values))
    return {name: [next(made) for _ in range(count)] for name, count in zip(COSTS, counts)}


@pytest.mark.parametrize("name", COSTS)
def test_gradients_are_pairs_of_real_ones(name: str, gradients: dict[str, list[np.ndarray]]) -> None:
    cost, args = COSTS[name]
    for k, g in enumerate(gradients[name]):
        want = differences(lambda *a: cost(np, *a), args, k)
        assert g.dtype == want.dtype
        np.testing.assert_allclose(g, want, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("name", ["square of the size", "angle", "sign", "chain", "power", "matrix product", "prod",
                                  "cumprod", "sqrt", "quotient"])
def test_second_derivatives(name: str) -> None:
    """The gradient of <gradient, direction>, and the tangent of the gradient, against differences of the gradient."""
    cost, args = COSTS[name]
    given = variables(args)
    first = grad(cost(at, *given), given)
    directions = [v.type() for v in given]
    product = sum(at.sum(at.real(at.conj(d) * g)) for g, d in zip(first, directions))
    second = grad(product, given, disconnected_inputs="ignore")
    tangent = Rop(first, given, directions)
    f = gradc.function([*given, *directions], [*second, *tangent])
    steps = [rng.normal(size=a.shape) + (1j * rng.normal(size=a.shape) if a.dtype.kind == "c" else 0) for a in args]
    steps = [s.astype(a.dtype) for s, a in zip(steps, args)]
    h = 1e-6
    at_first = gradc.function(given, first)
    ahead, behind = [at_first(*[a + sign * h * s for a, s in zip(args, steps)]) for sign in (1, -1)]
    made = f(*args, *steps)
    for k, (p, q) in enumerate(zip(ahead, behind)):
        want = (p - q) / (2 * h)
        np.testing.assert_allclose(made[k], want, rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(made[len(args) + k], want, rtol=1e-6, atol=1e-7)


def test_rop_of_holomorphic_functions_is_the_derivative() -> None:
    """f'(z) t, by a difference along t; Lop gives conj(f'(z)) g."""
    z, t = at.zvector("z"), at.zvector("t")
    outputs = [apply(Map(name), z) for name in HOLOMORPHIC]
    f = gradc.function([z, t], [*Rop(outputs, z, t), *[Lop(y, z, t) for y in outputs]])
    made = f(Z, W)
    h = 1e-5
    for name, forward, reverse in zip(HOLOMORPHIC, made, made[len(HOLOMORPHIC):]):
        g = ROWS[name].numpy
        slope = (8 * (g(Z + h) - g(Z - h)) - (g(Z + 2 * h) - g(Z - 2 * h))) / (12 * h)
        np.testing.assert_allclose(forward, slope * W, rtol=1e-9, err_msg=name)
        np.testing.assert_allclose(reverse, np.conj(slope) * W, rtol=1e-9, err_msg=name)


def test_through_a_loop_and_a_branch() -> None:
    z, c, n = at.zvector("z"), at.zscalar("c"), at.lscalar("n")

    states = gradc.scan(lambda row, state: state * c + row * at.conj(state), sequences=[z], outputs_info=[c])[0]
    cost = at.abs(states[-1]) ** 2 + gradc.ifelse(n > 0, at.real(c * c), at.imag(c))
    f = gradc.function([z, c, n], grad(cost, [z, c]))
    assert f.info["mode"] == "c"

    def reference(z: np.ndarray, c: np.ndarray, n: int) -> float:
        state = c
        for row in z:
            state = state * c + row * np.conj(state)
        return np.abs(state) ** 2 + ((c * c).real if n > 0 else c.imag)

    c0 = np.array(0.4 - 0.3j)
    for n0, cost_of in enumerate((lambda z, c: reference(z, c, 0), lambda z, c: reference(z, c, 1))):
        for k, g in enumerate(f(Z, c0, n0)):
            np.testing.assert_allclose(g, differences(cost_of, [Z, c0], k), rtol=1e-6, atol=1e-8)


def test_descent_finds_the_least_squares_solution() -> None:
    """The convention, in use: a step against the gradient makes the cost smaller."""
    a, b, z = at.zmatrix("a"), at.zvector("b"), gradc.shared(np.zeros(3, "complex128"), "z")
    cost = at.sum(at.abs(at.dot(a, z) - b) ** 2)
    step = gradc.function([a, b], cost, updates={z: z - 0.02 * grad(cost, z)})
    right = rng.normal(size=4) + 1j * rng.normal(size=4)
    for _ in range(3000):
        step(N, right)
    np.testing.assert_allclose(z.get_value(), np.linalg.lstsq(N, right, rcond=None)[0], rtol=1e-6)


def test_at_zero_the_slopes_of_size_and_sign_are_zero() -> None:
    z = at.zscalar("z")
    f = gradc.function([z], [grad(at.abs(z), z), grad(at.real(at.sgn(z)), z), grad(at.abs(z) ** 2, z)])
    assert f(0j) == [0, 0, 0]


def test_jacobians() -> None:
    """Of a real vector rows of gradients, of a holomorphic one f', of a complex one by real numbers its slopes."""
    z, x = at.zvector("z"), at.dvector("x")
    size, square, turned = at.abs(z), z * at.sum(z), at.exp(1j * x) * x[0]
    f = gradc.function([z, x], [gradc.gradient.jacobian(size, z), gradc.gradient.jacobian(square, z),
                                gradc.gradient.jacobian(turned, x)])
    first, second, third = f(Z, X)
    np.testing.assert_allclose(first, np.diag(Z / np.abs(Z)), rtol=1e-14)
    np.testing.assert_allclose(second, np.eye(6) * Z.sum() + Z[:, None], rtol=1e-14)
    want = np.diag(1j * np.exp(1j * X) * X[0])
    want[:, 0] += np.exp(1j * X)
    np.testing.assert_allclose(third, want, rtol=1e-14)
    for bad in (lambda: gradc.gradient.jacobian(square, z, mode="reverse"),
                lambda: gradc.gradient.hessian(size.sum(), z), lambda: gradc.gradient.jacobian(size, z, sparse=True)):
        with pytest.raises(gradc.errors.GradientError, match=r"complex|real variables"):
            bad()


def test_a_complex_cost_is_refused() -> None:
    z = at.zscalar("z")
    with pytest.raises(gradc.errors.GradientError, match="must be real"):
        grad(z * z, z)
