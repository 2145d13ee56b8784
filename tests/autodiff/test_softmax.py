"""Derivatives of the softmax family keep their relative accuracy where an entry is near 1, against mpmath.

Element i of p * (g - sum(g * p)) is the sum over the others of p[i] * p[j] * (g[i] - g[j]); errors are counted relative
to the sum of the sizes of these terms, which is what the result can be known to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import mpmath
import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.gradient import hessian, hessian_vector_product, jacobian

POINTS = [np.array(v) for v in ([40.0, 0, 0, -1], [30.0, -5, 2, 1], [-2.0, 700, 0, 3], [3.0, 3, 1, -40],
                                [0.5, -0.25, 1.5, 0.75], [1.0, 50, 50, -1])]
WEIGHTS = [np.array(v) for v in ([1.0, 0, 0, 0], [0.0, 1, 0, 0], [0.3, -5.2, 2, 0.7], [1e6 + 1, 1e6 - 2, 1e6, 1e6 + 3])]


def by_hand(x: Any) -> Any:
    e = at.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def softmax(x: Sequence[float]) -> list[Any]:
    powers = [mpmath.exp(mpmath.mpf(float(v))) for v in x]
    return [v / sum(powers) for v in powers]


def exact(x: np.ndarray, fn: Callable[[list[Any]], list[tuple[Any, Any]]]) -> tuple[np.ndarray, np.ndarray]:
    """Elements of fn(softmax(x)), and the sizes that their errors are relative to."""
    with mpmath.workprec(200):
        value, size = zip(*fn(softmax(x)))
        return np.array(value), np.array([float(abs(s)) for s in size])


def centred(w: Sequence[Any], p: list[Any]) -> list[tuple[Any, Any]]:
    w = [v if isinstance(v, mpmath.mpf) else mpmath.mpf(float(v)) for v in w]
    parts = [[q * (a - b) for b, q in zip(w, p)] for a in w]
    return [(sum(row), sum(map(abs, row))) for row in parts]


def slope(g: np.ndarray) -> Callable[[list[Any]], list[tuple[Any, Any]]]:
    """Of softmax, by cotangents g or along g."""
    return lambda p: [(q * v, q * s) for q, (v, s) in zip(p, centred(g, p))]


def second(g: np.ndarray, t: np.ndarray) -> Callable[[list[Any]], list[tuple[Any, Any]]]:
    """Of sum(g * softmax), along t."""
    def fn(p: list[Any]) -> list[tuple[Any, Any]]:
        both = [(a * b, c * d) for (a, c), (b, d) in zip(centred(g, p), centred(t, p))]
        mean, size = [sum(q * pair[k] for q, pair in zip(p, both)) for k in (0, 1)]
        return [(q * (v - mean), q * (s + size)) for q, (v, s) in zip(p, both)]
    return fn


def spread(g: np.ndarray) -> Callable[[list[Any]], list[tuple[Any, Any]]]:
    """Of log-softmax, by cotangents g."""
    def fn(p: list[Any]) -> list[tuple[Any, Any]]:
        w = [mpmath.mpf(float(v)) for v in g]
        parts = [[w[i] * p[j] - p[i] * w[j] for j in range(len(p)) if j != i] for i in range(len(p))]
        sizes = [[abs(w[i]) * p[j] + p[i] * abs(w[j]) for j in range(len(p)) if j != i] for i in range(len(p))]
        return [(sum(row), sum(size)) for row, size in zip(parts, sizes)]
    return fn


def check(outputs: list[Any], inputs: list[Any], wants: list[Any], units: float, dtype: str = "float64") -> None:
    """Each output, alone in the interpreter and with the others in C: within units * epsilon * (size + epsilon * g)."""
    functions = [(k, gradc.function(inputs, [f], mode="interpret", on_unused_input="ignore"))
                 for k, f in enumerate(outputs)]
    functions.append((len(outputs), gradc.function(inputs, outputs, on_unused_input="ignore")))
    smallest, eps = float(np.finfo(dtype).tiny), float(np.finfo(dtype).eps)
    for x in POINTS if dtype == "float64" else [np.clip(x, -40, 60) for x in POINTS]:
        for g in WEIGHTS if dtype == "float64" else WEIGHTS[:3]:
            values = [np.array(v, dtype) for v in (x, g, [0.7, -1.0, 0.3, 2.0])][:len(inputs)]
            wanted = [exact(values[0], want(*values[1:])) for want in wants]
            for k, f in functions:
                for got, (value, size) in zip(f(*values), wanted if k == len(outputs) else [wanted[k]]):
                    error = np.array([float(abs(mpmath.mpf(float(a)) - b)) for a, b in zip(got, value)])
                    limit = units * eps * (size + eps * abs(g).max()) + smallest
                    assert (error <= limit).all(), (x, g, k, got, value.astype(float), error / limit * units)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("build", [at.softmax, by_hand, lambda x: at.exp(x) / at.exp(x).sum()],
                         ids=["softmax", "by hand", "exponentials"])
def test_first_derivatives_of_softmax(build: Callable[[Any], Any], dtype: str) -> None:
    x, g = at.vector("x", dtype=dtype), at.vector("g", dtype=dtype)
    p = build(x)
    forms = [gradc.grad(at.sum(p * g), x), gradc.gradient.Rop(p, x, g), p * (g - at.sum(g * p)),
             p * (g - at.dot(p, g)), p * g - p * at.sum(p * g)]
    check(forms, [x, g], [slope] * 5, 16, dtype)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_second_derivatives_of_softmax(dtype: str) -> None:
    x, g, t = [at.vector(name, dtype=dtype) for name in "xgt"]
    slope = gradc.grad(at.sum(by_hand(x) * g), x)
    p = at.softmax(x)
    written = gradc.grad(at.sum(p * (g - at.sum(g * p)) * t), x)
    forms = [gradc.grad(at.sum(slope * t), x), gradc.gradient.Rop(slope, x, t), written]
    check(forms, [x, g, t], [second] * 3, 64, dtype)


def test_entries_by_their_own_argument() -> None:
    """Rows of Jacobians and of Hessians, one by one."""
    x, v = at.dvectors("x", "v")
    p, log = at.softmax(x), at.log_softmax(x)
    rows = gradc.function([x], [gradc.grad(p[k], x) for k in range(4)])
    products = gradc.function([x, v], [hessian_vector_product(c, x, v) for c in (at.logsumexp(x), log[0])])
    for point in POINTS:
        for k, g in enumerate(np.eye(4)):
            want = exact(point, slope(g))[0].astype(float)
            for got in (rows(point)[k], products(point, g)[0], -products(point, g)[1]):
                np.testing.assert_allclose(got, want, rtol=1e-14, atol=1e-307)


Exact = Callable[[list[Any]], list[tuple[Any, Any]]]


def rows(make: Callable[[np.ndarray], Exact]) -> Callable[[Any], Exact]:
    """The rows of a matrix, `make` of each unit vector."""
    return lambda _: lambda p: [pair for unit in np.eye(4) for pair in make(unit)(p)]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_dense_matrices(dtype: str) -> None:
    """The diagonal of Jacobians and Hessians has p times the sum of the others for p * (1 - p)."""
    x, g = at.vector("x", dtype=dtype), at.vector("g", dtype=dtype)
    p, log = at.softmax(x), at.log_softmax(x)
    matrices = [jacobian(p, x), jacobian(by_hand(x), x, mode="forward"), jacobian(log, x),
                jacobian(log, x, mode="forward").T, hessian(at.logsumexp(x), x), -hessian(log[1], x)]
    check([m.flatten() for m in matrices], [x, g],
          [rows(slope), rows(slope), rows(spread), rows(lambda t: lambda p: centred(t, p)), rows(slope),
           rows(slope)], 16, dtype)
    check([hessian(at.sum(g * p), x).flatten()], [x, g],
          [lambda g: lambda p: [pair for unit in np.eye(4) for pair in second(g, unit)(p)]], 64, dtype)


@pytest.mark.parametrize("axis", [0, 1])
def test_jacobian_of_many_rows(axis: int) -> None:
    x = at.dmatrix("x")
    f = gradc.function([x], [jacobian(at.softmax(x, axis=axis), x), jacobian(at.log_softmax(x, axis=axis), x)])
    values = np.array(POINTS) if axis else np.array(POINTS).T.copy()
    for got, make in zip(f(values), (slope, spread)):
        got = got if axis else got.transpose(1, 0, 3, 2)
        for i, j in np.ndindex(6, 6):
            want = exact(POINTS[i], rows(make)(None))[0].astype(float).reshape(4, 4) if i == j else np.zeros((4, 4))
            np.testing.assert_allclose(got[i, :, j], want, rtol=1e-14, atol=1e-307)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_log_softmax_and_logsumexp(dtype: str) -> None:
    x, g = at.vector("x", dtype=dtype), at.vector("g", dtype=dtype)
    log = at.log_softmax(x)
    p = at.softmax(x)
    total = at.logsumexp(x)
    check([gradc.grad(at.sum(log * g), x), g - p * g.sum(), gradc.grad(at.sum(at.log(by_hand(x)) * g), x),
           gradc.gradient.Rop(log, x, g), hessian_vector_product(total, x, g),
           gradc.grad(at.sum(at.log(at.exp(x) / at.exp(x).sum()) * g), x)],
          [x, g], [spread] * 3 + [lambda g: lambda p: centred(g, p), slope, spread], 16, dtype)


@pytest.mark.parametrize("axis", [0, 1])
def test_loss_of_a_confident_right_label(axis: int) -> None:
    """p - 1 at the label is minus the sum of the others; labels as numbers and as rows of weights."""
    x, target, labels = at.dmatrix("x"), at.dmatrix("target"), at.lvector("labels")
    scores = x if axis else x.T
    p = at.softmax(scores, axis=1)
    losses = [at.nnet.categorical_crossentropy(p, labels).sum(), at.nnet.categorical_crossentropy(p, target).sum(),
              -at.sum(target * at.log_softmax(scores, axis=1))]
    f = gradc.function([x, labels], gradc.grad(losses[0], x))
    all_of_them = gradc.function([x, target, labels], [gradc.grad(loss, x) for loss in losses])
    values = np.array(POINTS)
    best = values.argmax(1)
    hot = np.eye(4)[best]
    want = -np.array([exact(v, spread(h))[0].astype(float) for v, h in zip(values, hot)])
    values, want = (values, want) if axis else (values.T.copy(), want.T)
    for got in [f(values, best), *all_of_them(values, hot, best)]:
        np.testing.assert_allclose(got, want, rtol=1e-14, atol=1e-307)


def test_guards_stay_shut() -> None:
    """The logarithm at 0 behind a softmax that is not taken."""
    x, t = at.dmatrices("x", "t")
    for build in (at.softmax, at.log_softmax, lambda v: at.logsumexp(v, axis=1, keepdims=True),
                  lambda v: 3 * at.logsumexp(v, axis=1)[:, None]):
        y = at.switch((x > 0).all(axis=1, keepdims=True), build(at.log(x)), 0).sum(axis=1)
        values = np.array([[1.0, 2.0, 3.0], [0.0, 1.0, 2.0]])
        got, forward = gradc.function([x, t], [gradc.grad((y * t[:, 0]).sum(), x), gradc.gradient.Rop(y, x, t)])(
            values, np.array([[1.0, 0.5, 2.0], [1.0, 1.0, 1.0]]))
        assert np.isfinite(got).all() and np.isfinite(forward).all()
        assert not got[1].any() and not forward[1].any()
