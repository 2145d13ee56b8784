"""Vectors, choices and permutations drawn by kernels: NumPy's bits and states, parameters that are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.errors import BadArgumentError, BadValueError, LinAlgError, ShapeError, TypeMismatchError
from gradc.tensor.random import (
    RandomStream,
    choice,
    dirichlet,
    multinomial,
    multivariate_normal,
    permutation,
    shuffle,
)
from tests.compile.test_random import P, V, after, in_all_places, native, rng, states_equal

X = np.arange(24.0).reshape(4, 3, 2)
MANY = np.random.default_rng(1).random(300)
MANY = MANY / MANY.sum()
COV = np.array([[2, 0.5, 0.1], [0.5, 1, 0.2], [0.1, 0.2, 0.7]])


def shuffled(g: np.random.Generator, x: np.ndarray, axis: int = 0) -> np.ndarray:
    x = x.copy()
    g.shuffle(x, axis)
    return x


def each(draw: Any, *sets: Any) -> np.ndarray:
    return np.stack([draw(*s) for s in zip(*sets)])


CASES: dict[str, tuple[Any, Any]] = {
    "permutation of n": (lambda **o: permutation(10, **o), lambda g: g.permutation(10)),
    "permutation of none": (lambda **o: permutation(0, **o), lambda g: g.permutation(0)),
    "permutation along an axis": (lambda **o: permutation(X, axis=1, **o), lambda g: g.permutation(X, axis=1)),
    "permutation of a vector": (lambda **o: permutation(MANY, **o), lambda g: g.permutation(MANY)),
    "shuffle along an axis": (lambda **o: shuffle(X, axis=-1, **o), lambda g: shuffled(g, X, -1)),
    "shuffle of a vector": (lambda **o: shuffle(MANY.astype("float32"), **o),
                            lambda g: shuffled(g, MANY.astype("float32"))),
    "choice of rows": (lambda **o: choice(X, (2, 5), **o), lambda g: g.choice(X, (2, 5))),
    "choice along an axis": (lambda **o: choice(X, (2, 5), axis=1, **o), lambda g: g.choice(X, (2, 5), axis=1)),
    "choice of one": (lambda **o: choice(X, axis=2, **o), lambda g: g.choice(X, axis=2)),
    "choice of none": (lambda **o: choice(0, (0, 3), **o), lambda g: g.choice(0, (0, 3))),
    "choice with p": (lambda **o: choice(300, (20, 5), p=MANY, **o), lambda g: g.choice(300, (20, 5), p=MANY)),
    "choice of one with p": (lambda **o: choice(MANY, p=MANY, **o), lambda g: g.choice(MANY, p=MANY)),
    "choice without replacement": (lambda **o: choice(300, (20, 5), replace=False, **o),
                                   lambda g: g.choice(300, (20, 5), replace=False)),
    "not shuffled": (lambda **o: choice(300, (20, 5), replace=False, shuffle=False, **o),
                     lambda g: g.choice(300, (20, 5), replace=False, shuffle=False)),
    "many of many": (lambda **o: choice(30000, 4000, replace=False, **o),
                     lambda g: g.choice(30000, 4000, replace=False)),
    "all of many": (lambda **o: choice(12000, 12000, replace=False, **o),
                    lambda g: g.choice(12000, 12000, replace=False)),
    "few of many, not shuffled": (lambda **o: choice(30000, 700, replace=False, shuffle=False, **o),
                                  lambda g: g.choice(30000, 700, replace=False, shuffle=False)),
    "with p, without replacement": (lambda **o: choice(300, (20, 5), p=MANY, replace=False, **o),
                                    lambda g: g.choice(300, (20, 5), p=MANY, replace=False)),
    "one without replacement": (lambda **o: choice(300, replace=False, **o), lambda g: g.choice(300, replace=False)),
    "dirichlet": (lambda **o: dirichlet(V, (4, 5), **o), lambda g: g.dirichlet(V, (4, 5))),
    "dirichlet of small alpha": (lambda **o: dirichlet(V / 50, 9, **o), lambda g: g.dirichlet(V / 50, 9)),
    "dirichlet with zeros": (lambda **o: dirichlet([0.0, 0.05, 0.0], 4, **o), lambda g: g.dirichlet([0, 0.05, 0], 4)),
    "dirichlet of zeros": (lambda **o: dirichlet([0.0, 0.0], 4, **o), lambda g: g.dirichlet([0, 0], 4)),
    "dirichlet of nothing": (lambda **o: dirichlet(np.zeros(0), 4, **o), lambda g: g.dirichlet(np.zeros(0), 4)),
    "dirichlet of sets": (lambda **o: dirichlet(P, **o), lambda g: each(g.dirichlet, P)),
    "dirichlet of sets and sizes": (lambda **o: dirichlet(P, (3, 2), **o),
                                    lambda g: np.stack([each(g.dirichlet, P) for _ in range(3)])),
    "multinomial": (lambda **o: multinomial(10, P[0], (4, 5), **o), lambda g: g.multinomial(10, P[0], (4, 5))),
    "multinomial of sets": (lambda **o: multinomial([[3], [10]], P, **o), lambda g: g.multinomial([[3], [10]], P)),
    "multinomial of trials": (lambda **o: multinomial([3, 10], P[0], (3, 2), **o),
                              lambda g: g.multinomial([3, 10], P[0], (3, 2))),
    **{f"multivariate_normal by {m}": (
        lambda m=m, **o: multivariate_normal(V, COV, (4, 5), method=m, **o),
        lambda g, m=m: g.multivariate_normal(V, COV, (4, 5), method=m)) for m in ("svd", "eigh", "cholesky")},
    **{f"multivariate_normal of sets by {m}": (
        lambda m=m, **o: multivariate_normal(np.stack([V, V + 1]), np.stack([COV, COV * 2]), method=m, **o),
        lambda g, m=m: each(lambda a, b: g.multivariate_normal(a, b, method=m), [V, V + 1], [COV, COV * 2]))
        for m in ("svd", "eigh", "cholesky")},
    "multivariate_normal of 50": (lambda **o: multivariate_normal(np.zeros(50), np.eye(50) + 0.5, **o),
                                  lambda g: g.multivariate_normal(np.zeros(50), np.eye(50) + 0.5)),
    "multivariate_normal of a plane": (lambda **o: multivariate_normal(V, np.ones((3, 3)), 5, **o),
                                       lambda g: g.multivariate_normal(V, np.ones((3, 3)), 5)),
    "multivariate_normal of means": (lambda **o: multivariate_normal(P, COV, (3, 2), **o), lambda g: np.stack(
        [each(lambda m: g.multivariate_normal(m, COV), P) for _ in range(3)])),
}


def test_the_bits_and_the_states_are_numpys() -> None:
    """All in one function, from call to call, and by the interpreter."""
    states = [gradc.shared(rng(k)) for k in range(len(CASES))]
    draws = [build(rng=state) for (build, _), state in zip(CASES.values(), states)]
    f = native([], draws, updates=[(s, after(d)) for s, d in zip(states, draws)])
    assert "calls" not in f.info
    interpreted = gradc.function([], draws, mode=gradc.Mode("interpret", None))
    for calls in ([interpreted], [f, f]):
        numbers = [rng(k) for k in range(len(CASES))]
        for call in calls:
            for name, (_, expected), value, g in zip(CASES, CASES.values(), call(), numbers):
                want = np.asarray(expected(g))
                rounded = 1e-13 if name.startswith("multivariate") else 0
                np.testing.assert_allclose(value, want, rounded, 10 * rounded, err_msg=name)
                assert value.dtype == want.dtype and value.shape == want.shape, name
    for name, state, g in zip(CASES, states, numbers):
        assert states_equal(state.get_value(), g), name


@pytest.mark.parametrize("draw,numpy", [
    (lambda n, x, v, **o: multinomial(n, v / v.sum(), size=(2,), **o), lambda g: g.multinomial(5, V / V.sum(), 2)),
    (lambda n, x, v, **o: dirichlet(v, size=(n,), **o), lambda g: g.dirichlet(V, 5)),
    (lambda n, x, v, **o: dirichlet(x + 1, **o), lambda g: np.stack([g.dirichlet(p + 1) for p in P])),
    (lambda n, x, v, **o: multivariate_normal(v, at.eye(3), size=n, **o),
     lambda g: g.multivariate_normal(V, np.eye(3), 5)),
    (lambda n, x, v, **o: choice(x, (n, 2), **o), lambda g: g.choice(P, (5, 2))),
    (lambda n, x, v, **o: choice(n, (4,), replace=False, **o), lambda g: g.choice(5, 4, replace=False)),
    (lambda n, x, v, **o: choice(x, (n, 2), axis=1, p=v / v.sum(), **o),
     lambda g: g.choice(P, (5, 2), axis=1, p=V / V.sum())),
    (lambda n, x, v, **o: choice(v, 2, p=v / v.sum(), replace=False, **o),
     lambda g: g.choice(V, 2, p=V / V.sum(), replace=False)),
    (lambda n, x, v, **o: permutation(x, **o), lambda g: g.permutation(P)),
    (lambda n, x, v, **o: permutation(n, **o), lambda g: g.permutation(5))])
def test_in_loops_and_branches(draw: Any, numpy: Any) -> None:
    in_all_places(draw, numpy, False)


def test_rows_of_vectorized_draws_go_on_from_one_another() -> None:
    """One state for all rows: the rows are what is drawn in turn."""
    state = gradc.shared(rng())
    f = gradc.vectorize(lambda v, k: [dirichlet(v, rng=state), multinomial(k, P[0], 2, rng=state),
                                      choice(k + 1, 4, rng=state), dirichlet(v, 3, rng=state),
                                      choice(k + 1, (2, 2), replace=False, rng=state)])
    vs, ks = at.dmatrix("vs"), at.lvector("ks")
    made = native([vs, ks], f(vs, ks))(np.stack([V, V + 1]), [3, 8])
    g = [rng() for _ in range(5)]
    wanted = [each(lambda a: g[0].dirichlet(a), [V, V + 1]), each(lambda n: g[1].multinomial(n, P[0], 2), [3, 8]),
              each(lambda n: g[2].choice(n + 1, 4), [3, 8]), each(lambda a: g[3].dirichlet(a, 3), [V, V + 1]),
              each(lambda n: g[4].choice(n + 1, (2, 2), replace=False), [3, 8])]
    for value, want in zip(made, wanted):
        np.testing.assert_array_equal(value, want)
    alike = native([vs], gradc.vectorize(lambda v: permutation(v, rng=state))(vs))(P)
    np.testing.assert_array_equal(alike, P[:, rng().permutation(3)])


@pytest.mark.parametrize("draw,args,text", [
    (lambda n, v, **o: choice(n, 3, **o), (0, V), "a must be a positive integer unless no samples are taken; got 0"),
    (lambda n, v, **o: choice(n, 3, replace=False, **o), (2, V),
     "Cannot take a larger sample than population when replace is False; got a sample of 3 out of 2"),
    (lambda n, v, **o: choice(n, 2, p=v, **o), (2, P[0]), "a and p must have same size; got 2 and 3"),
    (lambda n, v, **o: choice(n, 2, p=v, replace=False, **o), (3, np.eye(3)[0]),
     "Fewer non-zero entries in p than size; got 1 for 2"),
    (lambda n, v, **o: dirichlet(v, **o), (1, -V), "alpha < 0; got -0.5"),
    (lambda n, v, **o: multinomial(n, v, **o), (-1, P[0]), "n < 0; got -1"),
    (lambda n, v, **o: multinomial(n, v, **o), (1, np.array([0.5, 0.5 + 1e-9, 0])), r"sum(pvals[:-1]) > 1.0"),
    (lambda n, v, **o: multivariate_normal(v, at.diag(v), **o), (1, V - 1),
     "covariance is not symmetric positive-semidefinite"),
    (lambda n, v, **o: multivariate_normal(v, at.diag(v), method="eigh", **o), (1, V - 1),
     "covariance is not symmetric positive-semidefinite"),
    (lambda n, v, **o: multivariate_normal(v, at.outer(v, at.ones(3)), **o), (1, V),
     "covariance is not symmetric positive-semidefinite"),
    (lambda n, v, **o: multivariate_normal(v, at.diag(v), **o), (1, V * np.nan), "the covariance has nan or inf")])
def test_parameters_that_are_refused(draw: Any, args: Any, text: str) -> None:
    """NumPy's ValueError, with the line, before the state moves; in C and in the interpreter."""
    n, v, state = at.lscalar("n"), at.dvector("v"), gradc.shared(rng())
    draws = draw(n, v, rng=state)
    before = state.get_value(borrow=True)
    for mode in ("c", "interpret"):
        f = gradc.function([n, v], draws, updates={state: after(draws)}, mode=mode, on_unused_input="ignore")
        with pytest.raises((BadValueError, LinAlgError)) as caught:
            f(*args)
        assert f"_rv failed: {'' if 'nan' in text else 'ValueError: '}{text}" in str(caught.value)
        assert "test_random_vectors.py" in str(caught.value)
        assert state.get_value(borrow=True) is before


def test_what_is_refused_when_built() -> None:
    for build, kind, text in (
            (lambda: choice(3, p=P), ShapeError, "p must be a vector"),
            (lambda: choice(3, p=[0.5, 0.6, 0.1]), BadValueError, "must sum to 1"),
            (lambda: choice(3, shuffle=1), TypeMismatchError, "shuffle is True or False"),
            (lambda: choice(X, axis=3), Exception, "axis 3"),
            (lambda: choice(1.5), TypeMismatchError, "how many numbers to draw from"),
            (lambda: shuffle(3), TypeMismatchError, "shuffle: expected an array"),
            (lambda: dirichlet([-1.0, 1.0]), BadValueError, "alpha < 0"),
            (lambda: multivariate_normal(V, COV, method="qr"), BadArgumentError, "one of svd, eigh, cholesky"),
            (lambda: multivariate_normal(V, COV, check_valid="warn"), BadArgumentError, "one of raise, ignore"),
            (lambda: multivariate_normal([0.0, 0.0], [[1.0, 2.0], [2.0, 1.0]]), BadValueError, "semidefinite")):
        with pytest.raises(Exception, match=text) as caught:
            build()
        assert isinstance(caught.value, (kind, ShapeError, ValueError)), caught.value


def test_no_check_of_the_covariance() -> None:
    cov = np.array([[1.0, 2.0], [2.0, 1.0]])
    for method in ("svd", "eigh"):
        draws = multivariate_normal([0.0, 0.0], cov, 5, method=method, check_valid="ignore", rng=rng())
        want = rng().multivariate_normal([0, 0], cov, 5, method=method, check_valid="ignore")
        np.testing.assert_allclose(native([], draws)(), want, rtol=1e-13)
    value = native([], RandomStream(1).multivariate_normal(size=1000))()
    assert value.shape == (1000, 1) and abs(value.mean()) < 0.1 and abs(value.std() - 1) < 0.1


def test_covariances_without_lapack() -> None:
    """By gradc's own routines the signs may differ: the covariance is what it must be."""
    with gradc.config.change_flags(blas="fallback"):
        for method in ("svd", "eigh"):
            z = native([], multivariate_normal(np.zeros(3), COV, 200_000, method=method, rng=rng()))()
            np.testing.assert_allclose(np.cov(z.T), COV, atol=0.02)
