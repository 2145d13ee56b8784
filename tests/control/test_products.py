"""Products with Jacobians and Hessians become J v, v J and H v; the tutorials' Scans become matrices."""

import copy
import pickle

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.compile.ingest import ingest
from gradc.gradient import grad, grad_clip, hessian, jacobian
from gradc.ir import ops
from gradc.ir.interp import evaluate
from gradc.ir.program import tensor
from gradc.passes.phases import optimize

rng = np.random.default_rng(1)
X, W, V, U = rng.normal(size=7), rng.normal(size=7), rng.normal(size=7), rng.normal(size=6)


def ranks(program):
    return {tensor(v).ndim for e in program.eqns for v in e.outs}


def has_scan(program):
    return any(type(e.op) is ops.Scan for e in program.eqns)


def rows_by_scan(y, x):
    J, updates = gradc.scan(lambda i, y, x: grad(y[i], x), sequences=at.arange(y.shape[0]), non_sequences=[y, x])
    assert not updates
    return J


def f(m, x, w):
    return m.exp(m.sin(x) * w)[1:] * x[:-1]


def matrix():
    J, i = np.zeros((6, 7)), np.arange(6)
    e = np.exp(np.sin(X) * W)
    J[i, i] = e[1:]
    J[i, i + 1] = (e * np.cos(X) * W)[1:] * X[:-1]
    return J


PRODUCTS = {
    "J v": (lambda J, v, u, m: m.dot(J, v)),
    "v J^T": (lambda J, v, u, m: m.dot(v, J.T)),
    "u J": (lambda J, v, u, m: m.dot(u, J)),
    "J^T u": (lambda J, v, u, m: m.dot(J.T, u)),
    "u J v": (lambda J, v, u, m: m.dot(m.dot(u, J), v)),
    "tensordot": (lambda J, v, u, m: m.tensordot(J, v, [[1], [0]])),
    "two": (lambda J, v, u, m: m.dot(J, v) + 2 * m.dot(J, v * v)),
    "left and right": (lambda J, v, u, m: m.dot(J, v).sum() * m.dot(u, J)),
}


@pytest.mark.parametrize("maker", [jacobian, rows_by_scan])
@pytest.mark.parametrize("name", PRODUCTS)
def test_a_product_forms_no_matrix(name, maker):
    x, w, v, u = inputs = [at.dvector(c) for c in "xwvu"]
    out = PRODUCTS[name](maker(f(at, x, w), x), v, u, at)
    program = ingest(inputs, out, on_unused_input="ignore").program
    assert max(ranks(program)) == 1
    assert not has_scan(program)
    np.testing.assert_allclose(evaluate(program, [X, W, V, U])[0], PRODUCTS[name](matrix(), V, U, np), rtol=1e-12)


@pytest.mark.parametrize("maker", [jacobian, rows_by_scan])
def test_a_matrix_that_is_needed_is_formed_once(maker):
    x, w, v = at.dvector("x"), at.dvector("w"), at.dvector("v")
    J = maker(f(at, x, w), x)
    program = ingest([x, w, v], [J, at.dot(J, v)]).program
    assert not has_scan(program)
    got, product = evaluate(program, [X, W, V])
    np.testing.assert_allclose(got, matrix(), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(product, matrix() @ V, rtol=1e-12)
    assert sum(type(e.op) is ops.Contract for e in program.eqns) == 1


def hessian_by_scan(cost, x):
    return rows_by_scan(grad(cost, x), x)


@pytest.mark.parametrize("maker", [hessian, hessian_by_scan])
def test_hessian_times_vector(maker):
    x, v = at.dvector("x"), at.dvector("v")
    H = maker((at.exp(x) * x[::-1] ** 2).sum(), x)
    for product in (at.dot(H, v), at.dot(v, H)):
        program = ingest([x, v], product).program
        assert max(ranks(program)) == 1
        full = evaluate(ingest([x], H).program, [X])[0]
        np.testing.assert_allclose(evaluate(program, [X, V])[0], full @ V, rtol=1e-12)


def test_a_matrix_argument():
    m, v = at.dmatrix("m"), at.dmatrix("v")
    J = jacobian(at.tanh(m).sum(axis=1), m)
    product = at.tensordot(J, v, [[1, 2], [0, 1]])
    given, point = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    program = ingest([m, v], product).program
    assert max(ranks(program)) == 2
    np.testing.assert_allclose(evaluate(program, [given, point])[0],
                               ((1 - np.tanh(given) ** 2) * point).sum(axis=1), rtol=1e-12)


def test_considered_constants_stay_constant():
    x, v = at.dvector("x"), at.dvector("v")
    y = x ** 2
    program = ingest([x, v], at.dot(jacobian(y * x, x, consider_constant=[y]), v)).program
    assert max(ranks(program)) == 1
    np.testing.assert_allclose(evaluate(program, [X, V])[0], X ** 2 * V)


def test_products_with_matrices_keep_the_matrix():
    x, v = at.dvector("x"), at.dmatrix("v")
    program = ingest([x, v], at.dot(jacobian(x ** 2, x), v)).program
    given = rng.normal(size=(7, 2))
    np.testing.assert_allclose(evaluate(program, [X, given])[0], 2 * X[:, None] * given)


def test_the_matrix_as_an_input_or_given_is_left_alone():
    x, v, m = at.dvector("x"), at.dvector("v"), at.dmatrix("m")
    J = jacobian(x ** 2, x)
    other = rng.normal(size=(7, 7))
    for program in (ingest([J, v], at.dot(J, v)).program, ingest([m, v], at.dot(J, v), givens={J: m}).program):
        np.testing.assert_allclose(evaluate(program, [other, V])[0], other @ V)


def test_the_matrix_of_a_product_with_a_matrix_is_that_matrix():
    x, A = at.dvector("x"), at.dmatrix("A")
    program = optimize(ingest([x, A], jacobian(at.dot(A, x), x)).program)
    assert {type(e.op) for e in program.eqns} <= {ops.ShapeOf, ops.Map, ops.Assert}       # A, and a check of sizes
    a = rng.normal(size=(6, 7))
    np.testing.assert_array_equal(evaluate(program, [X, a])[0], a)


def test_products_of_a_copied_matrix():
    x, v = at.dvector("x"), at.dvector("v")
    product = at.dot(jacobian(x ** 2, x), v)
    for copied in (copy.deepcopy(product), pickle.loads(pickle.dumps(product))):
        names = {n.name: n for n in gradc.graph.basic.graph_inputs([copied])}
        program = ingest([names["x"], names["v"]], copied).program
        np.testing.assert_allclose(evaluate(program, [X, V])[0], 2 * X * V)


def test_the_tutorials_jacobian_is_the_layers_matrix():
    x, A = at.dvector("x"), at.dmatrix("A")
    y = at.tanh(at.dot(A, x)) * x
    idiom, direct = ingest([A, x], rows_by_scan(y, x)).program, ingest([A, x], jacobian(y, x)).program
    a = rng.normal(size=(7, 7))
    np.testing.assert_allclose(evaluate(idiom, [a, X])[0], evaluate(direct, [a, X])[0], rtol=1e-13)
    assert not has_scan(idiom)


def test_other_scans_are_left_alone():
    x, n = at.dvector("x"), at.lscalar("n")
    y = x ** 2
    some = gradc.scan(lambda i: grad(y[i], x), sequences=at.arange(n))[0]
    scaled = gradc.scan(lambda i: i * grad(y[i], x), sequences=at.arange(y.shape[0]))[0]
    program = ingest([x, n], [some, scaled]).program
    got, times = evaluate(program, [X, np.int64(3)])
    np.testing.assert_allclose(got, np.diag(2 * X)[:3])
    np.testing.assert_allclose(times, np.diag(2 * X) * np.arange(7)[:, None])


@pytest.mark.parametrize("maker", [jacobian, rows_by_scan])
def test_clipped_gradients_are_not_linear_in_the_vector(maker):
    x, v = at.dvector("x"), at.dvector("v")
    J = maker(3 * grad_clip(x, -1, 1), x)
    program = ingest([x, v], at.dot(v, J)).program
    np.testing.assert_allclose(evaluate(program, [X, 5 * V])[0], 5 * V)
