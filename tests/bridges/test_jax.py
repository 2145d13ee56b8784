"""gradc's functions in JAX, against JAX's own."""

from __future__ import annotations

import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.errors import BadArgumentError, GraphError, ShapeError, TypeMismatchError
from gradc.interop.jax import as_jax_function

jax.config.update("jax_enable_x64", True)
RNG = np.random.default_rng(5)
A, V = RNG.normal(size=(3, 4)), RNG.normal(size=4)


def layer():
    a, x = at.dmatrix("a"), at.dvector("x")
    return gradc.function([a, x], [at.tanh(a @ x), (x ** 2).sum()], name="layer")


def exact(a, x):
    return [jnp.tanh(a @ x), (x ** 2).sum()]


def cost(f):
    return lambda a, x: (f(a, x)[0] ** 2).sum() * f(a, x)[1]


def test_values_and_derivatives_under_jit():
    f = as_jax_function(layer())
    assert repr(f) == "<gradc function layer for JAX>"
    for made, want in zip(jax.jit(f)(A, V), exact(A, V)):
        np.testing.assert_allclose(made, want, rtol=1e-14)
    for k in (0, 1):
        np.testing.assert_allclose(jax.jit(jax.grad(cost(f), k))(A, V), jax.grad(cost(exact), k)(A, V), rtol=1e-12)
    np.testing.assert_allclose(jax.jacrev(jax.grad(cost(f), 1), 1)(A, V), jax.jacrev(jax.grad(cost(exact), 1), 1)(A, V),
                               rtol=1e-11, atol=1e-13)


def test_batches():
    f, many = as_jax_function(layer()), RNG.normal(size=(6, 3, 4))
    rows = RNG.normal(size=(5, 4))

    def nested(g):
        return jax.jit(jax.vmap(jax.vmap(lambda a, x: g(a, x)[0], (None, 0)), (0, None)))(many, rows)

    np.testing.assert_allclose(nested(f), nested(exact), rtol=1e-13)
    slopes = [jax.vmap(jax.grad(cost(g), 1), (None, 0))(A, rows) for g in (f, exact)]
    np.testing.assert_allclose(*slopes, rtol=1e-12)


def test_results_by_name_integers_and_float32():
    x, i = at.fvector("x"), at.lscalar("i")
    f = as_jax_function(gradc.function([x, i], {"y": x[i] * x, "n": i + 1}))
    v = V.astype("float32")
    made = f(v, 1)
    assert set(made) == {"y", "n"} and made["y"].dtype == "float32" and made["n"] == 2
    np.testing.assert_allclose(made["y"], v[1] * v, rtol=1e-6)
    np.testing.assert_allclose(jax.grad(lambda x: f(x, 1)["y"].sum())(v), v[1] + v.sum() * np.eye(4)[1], rtol=1e-5)
    with pytest.raises(Exception, match="gradc: a check failed"):
        f(v, 9)
    assert "index 9 is out of bounds for dimension 0 of size 4" in str(f.error())
    assert f.error() is None


def test_threads():
    f = jax.jit(lambda x: as_jax_function(layer())(A, x)[0])
    rows, made = RNG.normal(size=(4, 4)), {}

    def work(k):
        made[k] = [np.asarray(f(rows[k])) for _ in range(200)]

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for k, found in made.items():
        np.testing.assert_allclose(found, np.broadcast_to(np.tanh(A @ rows[k]), (200, 3)), rtol=1e-14)


def test_what_does_not_fit():
    f, x = as_jax_function(layer()), at.dvector("x")
    shared = gradc.shared(0.0)
    for wrong, error, words in (
            (lambda: f(A), BadArgumentError, r"takes 2 argument\(s\), got 1"),
            (lambda: f(1j * A, V), TypeMismatchError, "input a of function layer is f64.*, got an array of complex128"),
            (lambda: f(A, A), BadArgumentError, r"input x of function layer is f64.*, got an array of shape \(3, 4\)"),
            (lambda: f(A, V[:2]), ShapeError, "sizes 4 and 2 differ"),
            (lambda: as_jax_function(3), BadArgumentError, "expects a function made by gradc.function, got 3"),
            (lambda: as_jax_function(gradc.function([], [])), GraphError, "no results"),
            (lambda: as_jax_function(gradc.function([x], x, updates=[(shared, shared + 1)])), GraphError, "updates"),
            (lambda: as_jax_function(gradc.function([x], x[:at.argmax(x)])), BadArgumentError, "computed data"),
            (lambda: jax.jvp(f, (A, V), (A, V)), TypeError, "jvp")):
        with pytest.raises(error, match=words):
            wrong()
