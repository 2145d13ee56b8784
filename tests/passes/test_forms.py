"""What must come out of the optimiser: printed Programs, and values at extreme arguments.

The graphs are built by the tensor layer and differentiated by autodiff, as users do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

import gradc.tensor as at
from gradc.gradient import grad
from gradc.ir import convert, interp, ops
from gradc.ir.pretty import pretty
from gradc.ir.program import Program
from gradc.passes.phases import optimize


def compiled(inputs: list[Any], outputs: list[Any]) -> tuple[Program, Program]:
    before = convert.to_program(inputs, outputs)
    return before, optimize(before, checked=True)


def rows(program: Program) -> list[str]:
    return [str(e.op) for e in program.eqns if type(e.op) is not ops.Const]


def test_gradient_of_square_is_one_node() -> None:
    x = at.dscalar("x")
    _, after = compiled([x], [grad(x ** 2, x)])
    assert pretty(after).splitlines()[1:] == ["  v1: f64[] = 2.0", "  v2: f64[] = mul(v1, x)", "  return v2"]


def test_gradient_of_logistic_sum_takes_one_exp() -> None:
    x = at.dmatrix("x")
    _, after = compiled([x], [grad(at.sum(1 / (1 + at.exp(-x))), x)])
    assert rows(after) == ["abs", "neg", "exp", "add", "square", "true_divide"]


def test_value_and_gradient_of_logistic_share_the_exp() -> None:
    x, w = at.dmatrix("x"), at.dmatrix("w")
    for y in (1 / (1 + at.exp(-x)), at.exp(x) / (1 + at.exp(x)), at.sigmoid(x), 1 - 1 / (1 + at.exp(-x))):
        _, after = compiled([x, w], [y, grad(at.sum(y * w), x)])
        assert sorted({"exp", "sigmoid", "true_divide"} & set(rows(after))) == ["exp", "true_divide"]
        assert [rows(after).count(row) for row in ("exp", "true_divide")] == [1, 1]
    for y in (at.log(1 + at.exp(x)), at.softplus(-x), at.log(at.sigmoid(x))):
        loss = at.sum(y * w)
        slope = grad(loss, x)
        _, after = compiled([x, w], [loss, slope, grad(at.sum(slope), x)])
        assert [rows(after).count(row) for row in ("exp", "log1p", "sigmoid", "softplus")] == [1, 1, 0, 0]


def test_cost_is_not_computed_for_its_shape() -> None:
    x = at.dmatrix("x")
    _, after = compiled([x], [grad(at.sum(at.exp(x) * 3), x)])
    assert rows(after) == ["exp", "mul"]


def test_dot_of_transposes_is_one_contraction() -> None:
    x, y = at.dmatrix("x"), at.dmatrix("y")
    _, after = compiled([x, y], [at.dot(x.T, y.T)])
    assert rows(after) == ["dot"]
    assert after.eqns[0].op == ops.Contract((1, 0), (3, 1), (0, 3))


def test_the_gradient_of_a_summed_product_is_no_product() -> None:
    x, y = at.dmatrix("x"), at.dmatrix("y")
    _, after = compiled([x, y], [grad(at.sum(at.dot(x, y)), x)])
    assert "dot" not in rows(after)


X = np.array([0.0, -0.0, 1.0, -1.0, 3.5, 30.0, -30.0, 710.0, -710.0, 1e3, -1e3, np.inf, -np.inf])


def exact(fn: Callable[[Any], Any], x: np.ndarray) -> np.ndarray:
    with mpmath.workprec(6000):
        return np.array([float(fn(mpmath.mpf(v))) for v in x])


def _sig(x: Any) -> Any:
    return 1 / (1 + mpmath.exp(-x))


LOGISTIC: list[tuple[str, Callable[[Any], Any], Callable[[Any], Any], Callable[[Any], Any]]] = [
    ("softplus", lambda x: at.log(1 + at.exp(x)), lambda x: mpmath.log(1 + mpmath.exp(x)), _sig),
    ("log1p_exp", lambda x: at.log1p(at.exp(x)), lambda x: mpmath.log(1 + mpmath.exp(x)), _sig),
    ("sigmoid", lambda x: 1 / (1 + at.exp(-x)), _sig, lambda x: _sig(x) * _sig(-x)),
    ("sigmoid_by_exp", lambda x: at.exp(x) / (1 + at.exp(x)), _sig, lambda x: _sig(x) * _sig(-x)),
    ("sigmoid_by_power", lambda x: (1 + at.exp(-x)) ** -1, _sig, lambda x: _sig(x) * _sig(-x)),
    ("one_minus_sigmoid", lambda x: 1 - 1 / (1 + at.exp(-x)), lambda x: _sig(-x), lambda x: -_sig(x) * _sig(-x)),
    ("log_sigmoid", lambda x: at.log(1 / (1 + at.exp(-x))), lambda x: mpmath.log(_sig(x)), lambda x: _sig(-x)),
    ("log_of_row", lambda x: at.log(at.sigmoid(x)), lambda x: mpmath.log(_sig(x)), lambda x: _sig(-x)),
]


@pytest.mark.parametrize("build, value, slope", [c[1:] for c in LOGISTIC], ids=[c[0] for c in LOGISTIC])
def test_logistic_family_at_extremes(build: Any, value: Any, slope: Any) -> None:
    x, w = at.dvector("x"), at.dvector("w")
    y = build(x)
    _, after = compiled([x, w], [y, grad(at.sum(y), x), grad(at.sum(y * w), x)])
    finite = X[np.isfinite(X)]
    weight = np.linspace(-1, 2, len(X))
    got, first, weighted = interp.evaluate(after, [X, weight])
    inside = np.isfinite(X)
    np.testing.assert_allclose(got[inside], exact(value, finite), rtol=1e-14, atol=1e-300)
    np.testing.assert_allclose(first[inside], exact(slope, finite), rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(weighted[inside], weight[inside] * exact(slope, finite), rtol=1e-13, atol=1e-15)
    assert not np.isnan(got).any() and not np.isnan(first).any()
    far = exact(value, np.array([1e5, -1e5]))       # inf and -inf: the limit
    limit = [np.copysign(np.inf, v) if abs(v) > 1e4 else round(v) for v in far]
    np.testing.assert_array_equal(got[~inside], limit)
    np.testing.assert_array_equal(first[~inside], np.round(exact(slope, np.array([1e5, -1e5]))))


@pytest.mark.parametrize("build", [lambda x: at.log(1 - at.exp(x)), lambda x: at.log1p(-at.exp(x))])
def test_log1mexp_at_extremes(build: Any) -> None:
    x = at.dvector("x")
    y = build(x)
    _, after = compiled([x], [y, grad(at.sum(y), x)])
    points = np.array([-1e-300, -1e-17, -1e-3, -0.5, -5.0, -50.0, -700.0, -1e3, -np.inf])
    got, slope = interp.evaluate(after, [points])
    want = exact(lambda v: mpmath.log(-mpmath.expm1(v)), points[:-1])
    np.testing.assert_allclose(got[:-1], want, rtol=1e-14, atol=1e-320)
    np.testing.assert_allclose(slope[:-1], exact(lambda v: mpmath.exp(v) / mpmath.expm1(v), points[:-1]), rtol=1e-13,
                               atol=1e-320)
    assert got[-1] == 0 and slope[-1] == 0


ROWS = np.array([[0.0, 1.0, -1.0, 2.0], [1e3, -1e3, 5.0, 0.5], [-np.inf, 1.0, 2.0, 1e3], [1e3, 1e3, 1e3, -1e3],
                 [-1e3, -1e3, -1e3, -1e3 - 1], [1e5, 0.0, -1e5, 1e5 - 1]])


def _softmax(r: np.ndarray) -> np.ndarray:
    e = np.exp(r - r.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@pytest.mark.parametrize("axis", [0, 1])
def test_softmax_and_its_gradient_at_extremes(axis: int) -> None:
    x, w = at.dmatrix("x"), at.dmatrix("w")
    y = at.exp(x) / at.exp(x).sum(axis=axis, keepdims=True)
    _, after = compiled([x, w], [y, grad(at.sum(y * w), x)])
    assert rows(after).count("exp") == 1
    values, weight = (ROWS if axis else ROWS.T.copy()), np.random.default_rng(1).random(ROWS.shape)
    weight = weight if axis else weight.T.copy()
    p = _softmax(ROWS) if axis else _softmax(ROWS).T
    got, slope = interp.evaluate(after, [values, weight])
    np.testing.assert_allclose(got, p, rtol=1e-14)
    np.testing.assert_allclose(slope, p * (weight - (p * weight).sum(axis, keepdims=True)), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("axis", [0, 1, None])
def test_logsumexp_and_its_gradient_at_extremes(axis: int | None) -> None:
    x = at.dmatrix("x")
    y = at.log(at.exp(x).sum(axis=axis))
    _, after = compiled([x], [y, grad(at.sum(y), x)])
    values = ROWS.T.copy() if axis == 0 else ROWS
    got, slope = interp.evaluate(after, [values])
    shape = ROWS.reshape(1, -1) if axis is None else ROWS
    want = np.array([np.logaddexp.reduce(r) for r in shape])
    np.testing.assert_allclose(got.reshape(-1), want, rtol=1e-14)
    p = _softmax(shape)
    np.testing.assert_allclose(slope, p.T if axis == 0 else p.reshape(ROWS.shape), rtol=1e-12, atol=1e-300)


def test_logsumexp_of_infinities() -> None:
    x = at.dmatrix("x")
    _, after = compiled([x], [at.log(at.exp(x).sum(axis=1))])
    got, = interp.evaluate(after, [np.array([[-np.inf, -np.inf], [np.inf, 1.0], [np.inf, -np.inf], [np.nan, np.inf],
                                             [-np.inf, 3.0]])])
    np.testing.assert_array_equal(got, [-np.inf, np.inf, np.inf, np.nan, 3.0])


@pytest.mark.parametrize("softmax", [lambda x: at.softmax(x, axis=1),
                                     lambda x: at.exp(x) / at.exp(x).sum(axis=1, keepdims=True)])
def test_cross_entropy_of_softmax_at_extremes(softmax: Any) -> None:
    x, t = at.dmatrix("x"), at.dmatrix("t")
    log = at.log(softmax(x))
    _, after = compiled([x, t], [log, grad(-at.sum(t * log), x)])
    values = ROWS[[0, 1, 3, 4, 5]]
    target = np.random.default_rng(2).random(values.shape)
    got, slope = interp.evaluate(after, [values, target])
    shifted = values - values.max(1, keepdims=True)
    np.testing.assert_allclose(got, shifted - np.log(np.exp(shifted).sum(1, keepdims=True)), rtol=1e-14)
    p = _softmax(values)
    np.testing.assert_allclose(slope, p * target.sum(1, keepdims=True) - target, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("build, fn", [
    (lambda x: at.log(1 + x), np.log1p), (lambda x: at.exp(x) - 1, np.expm1), (lambda x: 1 - at.exp(-x), None)])
def test_small_arguments_keep_their_digits(build: Any, fn: Any) -> None:
    x = at.dvector("x")
    _, after = compiled([x], [build(x)])
    points = np.array([1e-18, -1e-18, 3e-9, -2e-12])
    got, = interp.evaluate(after, [points])
    want = fn(points) if fn else -np.expm1(-points)
    np.testing.assert_allclose(got, want, rtol=1e-15)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_tails_of_tanh(dtype: str) -> None:
    """1 - tanh(x) is 2 sigmoid(-2 x), in quotients and in derivatives too: no 0/0 where it is small."""
    x = at.vector("x", dtype=dtype)
    ends = 1 + at.tanh(x), 1 - at.tanh(x), at.tanh(x) - 1, -1 + at.tanh(x)
    log, share = at.log(1 - at.tanh(x)), (1 - at.tanh(x)) / (1 - at.tanh(x) + at.sigmoid(-2 * x))
    slope = grad(log.sum(), x)
    _, after = compiled([x], [*ends, log, slope, grad(slope.sum(), x), share, grad(share.sum(), x)])
    points = np.array([-700, -120, -30, -2, 0.5, 8, 30, 120, 700], dtype)
    at_points = points.astype("float64")
    low, high = [exact(lambda v, k=k: _sig(k * v), at_points) for k in (-2, 2)]
    want = [2 * high, 2 * low, -2 * low, -2 * low, exact(lambda v: mpmath.log(2 * _sig(-2 * v)), at_points),
            -2 * high, -4 * low * high]
    *made, part, flat = interp.evaluate(after, [points])
    for got, right in zip(made, want):
        np.testing.assert_allclose(got, right, rtol=16 * np.finfo(dtype).eps, atol=np.finfo(dtype).tiny)
    inside = np.abs(points) <= 30       # beyond, sigmoid(-2 * x) itself is 0
    np.testing.assert_allclose(part[inside], 2 / 3, rtol=16 * np.finfo(dtype).eps)
    np.testing.assert_allclose(flat[inside], 0, atol=16 * np.finfo(dtype).eps)


def test_multiples_of_an_exponential_that_are_too_large_together() -> None:
    """They ended in an OverflowError when the derivative was built."""
    x = at.dvector("x")
    y = at.exp(x) * 1e308 + at.exp(x + 0.1) * 1e308 + at.exp(x - 0.1) * 1e308
    _, after = compiled([x], [y, grad(y.sum(), x)])
    points = np.array([-700.0, -3.0, -1.5])
    want = exact(lambda v: mpmath.mpf(1e308) * mpmath.exp(v) * (1 + mpmath.exp(0.1) + mpmath.exp(-0.1)), points)
    for got in interp.evaluate(after, [points]):
        np.testing.assert_allclose(got, want, rtol=1e-13)


@pytest.mark.parametrize("power, most", [
    (2, {"square"}), (0.5, {"sqrt"}), (3, {"square", "mul"}), (1.5, {"sqrt", "mul"}), (-1, {"true_divide"}),
    (-2, {"square", "true_divide"})])
def test_powers_become_products(power: float, most: set[str]) -> None:
    x = at.dvector("x")
    _, after = compiled([x], [x ** power])
    assert set(rows(after)) <= most


def test_integer_powers_keep_their_dtype() -> None:
    x = at.ivector("x")
    before, after = compiled([x], [x ** 2, x ** 3, 2 * (3 * x), x * 1])
    values = [np.array([0, -3, 2 ** 31 - 1, -2 ** 31], dtype="int32")]
    for a, b in zip(interp.evaluate(before, values), interp.evaluate(after, values)):
        assert a.dtype == b.dtype and np.array_equal(a, b)


def test_many_divisions_by_one_value_share_a_reciprocal() -> None:
    a, b, c, d = at.dvectors("a", "b", "c", "d")
    before, after = compiled([a, b, c, d], [at.exp(a / d) + b / d * (c / d) + 1 / d, a / (b + c)])
    assert rows(after).count("true_divide") == 2
    special = np.array([0.0, -0.0, 1.0, np.inf, -np.inf, np.nan, 1e300, -3.0])
    grid = [g.ravel() for g in np.meshgrid(special, special)]
    values = [grid[0], np.ones_like(grid[0]), np.ones_like(grid[0]), grid[1]]
    for w, g in zip(interp.evaluate(before, values), interp.evaluate(after, values)):
        np.testing.assert_allclose(g, w, rtol=1e-15)


def test_divided_output_is_rounded_once() -> None:
    a, b, c, d = at.dvectors("a", "b", "c", "d")
    _, after = compiled([a, b, c, d], [a / d, b / d, c / d])
    assert rows(after) == ["true_divide"] * 3
