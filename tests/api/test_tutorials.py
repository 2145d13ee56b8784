"""Programs as Theano's and Aesara's tutorials write them, compiled and interpreted: same numbers, and they learn."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pytest
import scipy.special as sp

import gradc as aesara
import gradc.tensor as aet

rng = np.random.default_rng(0)
N, FEATURES, CLASSES = 60, 5, 3
X = rng.normal(size=(N, FEATURES))
LABELS = (X[:, 0] + 0.3 * X[:, 1] > 0).astype("int64") + (X[:, 2] > 1)
TARGETS = (X @ rng.normal(size=FEATURES) > 0).astype("float64")


def both(program):
    """The program's numbers in C, and in the interpreter; they must agree."""
    results = []
    for mode in ("c", "interpret"):
        with aesara.config.change_flags(mode=mode):
            results.append([np.asarray(v) for v in program()])
    for a, b in zip(*results):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
    return results[0]


def test_logistic_regression():
    def program():
        x, y = aet.dmatrix("x"), aet.dvector("y")
        w = aesara.shared(np.zeros(FEATURES), name="w")
        b = aesara.shared(0.0, name="b")
        p_1 = 1 / (1 + aet.exp(-aet.dot(x, w) - b))
        prediction = p_1 > 0.5
        xent = -y * aet.log(p_1) - (1 - y) * aet.log(1 - p_1)
        cost = xent.mean() + 0.01 * (w ** 2).sum()
        gw, gb = aesara.grad(cost, [w, b])
        train = aesara.function(inputs=[x, y], outputs=[prediction, xent],
                                updates=((w, w - 0.5 * gw), (b, b - 0.5 * gb)))
        predict = aesara.function(inputs=[x], outputs=prediction)
        first = train(X, TARGETS)[1].mean()
        for _ in range(100):
            last = train(X, TARGETS)[1].mean()
        return first, last, w.get_value(), b.get_value(), predict(X)

    first, last, w, b, prediction = both(program)
    assert last < 0.5 * first and np.mean(prediction == TARGETS) > 0.9
    # the same in NumPy
    v, c = np.zeros(FEATURES), 0.0
    for _ in range(101):
        d = sp.expit(X @ v + c) - TARGETS
        v, c = v - 0.5 * (X.T @ d / N + 0.02 * v), c - 0.5 * d.mean()
    np.testing.assert_allclose(w, v, rtol=1e-9)
    np.testing.assert_allclose(b, c, rtol=1e-9)


def test_perceptron_with_minibatches_from_shared_data():
    def program():
        index, bs = aet.lscalar("index"), 20
        x, y = aet.matrix("x", dtype="float64"), aet.lvector("y")
        data, labels = aesara.shared(X, borrow=True), aesara.shared(LABELS, borrow=True)
        r = np.random.default_rng(1)
        w1, b1 = aesara.shared(r.normal(size=(FEATURES, 8)), "w1"), aesara.shared(np.zeros(8), "b1")
        w2, b2 = aesara.shared(r.normal(size=(8, CLASSES)), "w2"), aesara.shared(np.zeros(CLASSES), "b2")
        hidden = aet.tanh(aet.dot(x, w1) + b1)
        p = aet.softmax(aet.dot(hidden, w2) + b2)
        cost = aet.nnet.categorical_crossentropy(p, y).mean() + 1e-3 * ((w1 ** 2).sum() + (w2 ** 2).sum())
        errors = aet.mean(aet.neq(aet.argmax(p, axis=1), y))
        params = [w1, b1, w2, b2]
        updates = [(q, q - 0.3 * g) for q, g in zip(params, aesara.grad(cost, params))]
        givens = {x: data[index * bs:(index + 1) * bs], y: labels[index * bs:(index + 1) * bs]}
        train = aesara.function([index], cost, updates=updates, givens=givens)
        test = aesara.function([], errors, givens={x: data, y: labels})
        costs = [float(train(k % 3)) for k in range(150)]
        return costs[0], costs[-1], test(), w1.get_value(), b2.get_value()

    first, last, errors, *_ = both(program)
    assert last < 0.6 * first and errors < 0.2


def test_denoising_autoencoder_with_tied_weights():
    def program():
        x = aet.dmatrix("x")
        w = aesara.shared(np.random.default_rng(2).normal(0, 0.3, (FEATURES, 3)), name="W")
        b, b_prime = aesara.shared(np.zeros(3)), aesara.shared(np.zeros(FEATURES))
        z = aet.sigmoid(aet.dot(aet.sigmoid(aet.dot(x * 0.9, w) + b), w.T) + b_prime)
        cost = aet.mean(-aet.sum(x * aet.log(z) + (1 - x) * aet.log(1 - z), axis=1))
        params = [w, b, b_prime]
        train = aesara.function([x], cost, updates=[(p, p - 0.5 * g) for p, g in
                                                    zip(params, aesara.grad(cost, params))])
        data = sp.expit(X)
        return [train(data) for _ in range(30)] + [w.get_value()]

    costs = both(program)
    assert costs[29] < costs[0]


def test_softmax_classifier_with_one_hot_targets():
    def program():
        x, y = aet.dmatrix("x"), aet.lvector("y")
        w = aesara.shared(np.zeros((FEATURES, CLASSES)))
        target = aet.to_one_hot(y, CLASSES)
        logp = aet.log_softmax(x.dot(w), axis=-1)
        cost = -(target * logp).sum(axis=1).mean()
        gradient = aesara.grad(cost, w)
        f = aesara.function([x, y], {"cost": cost, "gradient": gradient}, updates={w: w - gradient})
        one, two = f(X, LABELS), f(X, LABELS)
        return one["cost"], one["gradient"], two["cost"], two["gradient"]

    cost, gradient, later, _ = both(program)
    np.testing.assert_allclose(cost, np.log(CLASSES), rtol=1e-12)
    p = np.full((N, CLASSES), 1 / CLASSES)
    np.testing.assert_allclose(gradient, X.T @ (p - np.eye(CLASSES)[LABELS]) / N, rtol=1e-10, atol=1e-14)
    assert later < cost


def test_gaussian_likelihood_gradient_and_hessian_vector_product():
    def program():
        data, mu, log_sigma = aet.dvector("data"), aet.dscalar("mu"), aet.dscalar("log_sigma")
        sigma = aet.exp(log_sigma)
        logp = aet.sum(-0.5 * ((data - mu) / sigma) ** 2 - aet.log(sigma) - 0.5 * np.log(2 * np.pi))
        g = aesara.grad(logp, [mu, log_sigma])
        v = aet.dvector("v")
        hv = aesara.grad(g[0] * v[0] + g[1] * v[1], [mu, log_sigma])
        f = aesara.function([data, mu, log_sigma, v], [logp, *g, *hv])
        return f(X[:, 0], 0.2, 0.1, [1.0, 2.0])

    logp, g_mu, g_ls, h0, h1 = both(program)
    d, s2 = X[:, 0] - 0.2, np.exp(0.2)
    np.testing.assert_allclose(logp, np.sum(-0.5 * d ** 2 / s2 - 0.1 - 0.5 * np.log(2 * np.pi)), rtol=1e-12)
    np.testing.assert_allclose([g_mu, g_ls], [d.sum() / s2, np.sum(d ** 2) / s2 - N], rtol=1e-10)
    h = np.array([[-N / s2, -2 * d.sum() / s2], [-2 * d.sum() / s2, -2 * np.sum(d ** 2) / s2]])
    np.testing.assert_allclose([h0, h1], h @ [1, 2], rtol=1e-10)


def momentum(cost, params):
    updates = OrderedDict()
    for p, g in zip(params, aesara.grad(cost, params)):
        velocity = aesara.shared(p.get_value() * 0.0)
        updates[velocity] = 0.9 * velocity - 0.02 * g
        updates[p] = p + updates[velocity]
    return updates


def adam(cost, params, b1=0.9, b2=0.999):
    updates = OrderedDict()
    t = aesara.shared(0.0)
    updates[t] = t + 1
    for p, g in zip(params, aesara.grad(cost, params)):
        m, v = aesara.shared(p.get_value() * 0.0), aesara.shared(p.get_value() * 0.0)
        updates[m] = b1 * m + (1 - b1) * g
        updates[v] = b2 * v + (1 - b2) * g ** 2
        rate = 0.05 * aet.sqrt(1 - b2 ** updates[t]) / (1 - b1 ** updates[t])
        updates[p] = p - rate * updates[m] / (aet.sqrt(updates[v]) + 1e-8)
    return updates


@pytest.mark.parametrize("optimizer", [momentum, adam])
def test_optimizers_as_ordered_dicts(optimizer):
    def program():
        x, y = aet.dmatrix("x"), aet.dvector("y")
        w, b = aesara.shared(np.zeros(FEATURES)), aesara.shared(0.0)
        cost = ((x.dot(w) + b - y) ** 2).mean()
        step = aesara.function([x, y], cost, updates=optimizer(cost, [w, b]))
        return [step(X, TARGETS) for _ in range(100)][::99] + [w.get_value(), b.get_value()]

    first, last, *_ = both(program)
    assert last < 0.6 * first


def test_activations_by_switch_clip_and_maximum():
    def program():
        x = aet.dmatrix("x")
        relu, leaky = aet.maximum(x, 0), aet.switch(x > 0, x, 0.01 * x)
        hard, elu = aet.clip(x * 0.2 + 0.5, 0, 1), aet.switch(aet.gt(x, 0), x, aet.expm1(x))
        cost = (relu * leaky + hard * elu).sum()
        return aesara.function([x], [relu, leaky, hard, elu, aesara.grad(cost, x)])(X)

    relu, leaky, hard, elu, _ = both(program)
    np.testing.assert_allclose(relu, np.maximum(X, 0))
    np.testing.assert_allclose(leaky, np.where(X > 0, X, 0.01 * X))
    np.testing.assert_allclose(hard, np.clip(0.2 * X + 0.5, 0, 1))
    np.testing.assert_allclose(elu, np.where(X > 0, X, np.expm1(X)))


def test_batch_normalization_by_formula():
    def program():
        x, gamma, beta = aet.dmatrix("x"), aet.dvector("gamma"), aet.dvector("beta")
        mean, var = aet.mean(x, axis=0, keepdims=True), aet.var(x, axis=0, keepdims=True)
        y = (x - mean) / aet.sqrt(var + 1e-5) * gamma.dimshuffle("x", 0) + beta.dimshuffle("x", 0)
        running = aesara.shared(np.zeros((1, FEATURES)), shape=(1, None))
        cost = (y ** 3).sum()
        f = aesara.function([x, gamma, beta], [y, aet.std(y, axis=0), *aesara.grad(cost, [x, gamma, beta])],
                            updates=[(running, 0.9 * running + 0.1 * mean)])
        return [*f(X, np.arange(1.0, FEATURES + 1), np.ones(FEATURES)), running.get_value()]

    y, std, _, g_gamma, g_beta, running = both(program)
    np.testing.assert_allclose(y.mean(0), 1, rtol=1e-10)
    np.testing.assert_allclose(std, np.arange(1, FEATURES + 1), rtol=1e-4)
    np.testing.assert_allclose(running, 0.1 * X.mean(0, keepdims=True), rtol=1e-12)
    np.testing.assert_allclose(g_beta, 3 * (y ** 2).sum(0), rtol=1e-10)
    xhat = (y - 1) / np.arange(1, FEATURES + 1)
    np.testing.assert_allclose(g_gamma, 3 * (y ** 2 * xhat).sum(0), rtol=1e-9)


def test_the_accumulator_of_the_tutorial():
    def program():
        state, inc = aesara.shared(0), aet.iscalar("inc")
        accumulator = aesara.function([inc], state, updates=[(state, state + inc)])
        decrementor = aesara.function([inc], state, updates=[(state, state - inc)])
        seen = [accumulator(1), accumulator(300), decrementor(2), state.get_value()]
        foo = aet.scalar(dtype=state.dtype)
        skip = aesara.function([inc, foo], state * 2 + inc, givens=[(state, foo)])
        return [*seen, skip(1, 3), state.get_value()]

    assert [int(v) for v in both(program)] == [0, 1, 301, 299, 7, 299]


def test_jacobian_row_by_row_and_a_matrix_product():
    def program():
        x, w = aet.dvector("x"), aet.dmatrix("w")
        y = aet.tanh(aet.dot(w, x))
        rows = [aesara.grad(y[k], x) for k in range(3)]
        return [aesara.function([x, w], aet.stack(rows))(X[0], X[:3])]

    jacobian, = both(program)
    np.testing.assert_allclose(jacobian, (1 - np.tanh(X[:3] @ X[0]) ** 2)[:, None] * X[:3], rtol=1e-12)
