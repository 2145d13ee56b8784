"""Calls over leading axes: their indices run on the pool's threads; a routine may leave its result in an argument."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.errors import LinAlgError
from gradc.tensor import slinalg


@pytest.fixture
def threads() -> Iterator[Any]:
    before = gradc.get_num_threads()
    yield gradc.set_num_threads
    gradc.set_num_threads(before)


def stack(name: str) -> Any:
    return at.tensor(dtype="float64", shape=(None,) * 3, name=name)


def positive(count: int, n: int) -> np.ndarray:
    x = np.random.default_rng(count).normal(size=(count, n, n))
    return x @ x.transpose(0, 2, 1) + n * np.eye(n)


A, B = stack("a"), stack("b")
CASES = {
    "product": (at.batched_dot(A, B), np.matmul),
    "factors": (slinalg.cholesky(A) + 0 * at.sum(B), lambda a, b: np.linalg.cholesky(a)),
    "solutions": (slinalg.solve_triangular(slinalg.cholesky(2 * A), 3 * B, lower=True),
                  lambda a, b: np.linalg.solve(np.linalg.cholesky(2 * a), 3 * b)),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("count", "n"), [(0, 3), (1, 7), (300, 12), (9, 40)])
def test_the_same_bits_on_any_number_of_threads(name: str, count: int, n: int, threads: Any) -> None:
    result, numpy = CASES[name]
    f = gradc.function([A, B], result, on_unused_input="ignore")
    a, b = positive(count, n), np.random.default_rng(n).normal(size=(count, n, 2 * n))
    found = []
    for k in (1, 2, 5):
        threads(k)
        found.append(f(a, b))
    np.testing.assert_allclose(found[0], numpy(a, b), rtol=1e-10, atol=1e-12)
    assert all(np.array_equal(x, found[0]) for x in found)
    assert "gradc_run_batch(" in f.c_source()


def test_the_first_index_that_fails_is_named(threads: Any) -> None:
    x = at.tensor(dtype="float64", shape=(None,) * 4, name="x")
    f, a = gradc.function([x], slinalg.cholesky(x)), positive(600, 9).reshape(200, 3, 9, 9)
    a[77, 2], a[77, 1], a[151] = -a[77, 2], -a[77, 1], -a[151]
    for k in (1, 2, 5):
        threads(k)
        with pytest.raises(LinAlgError, match=r"not positive definite, at index \[77, 1\] of the batch"):
            f(a)


def test_a_result_takes_over_the_memory_of_an_argument_that_nothing_else_uses() -> None:
    a = at.dmatrix("a")
    once = gradc.function([a], at.sum(slinalg.cholesky(2 * a)))
    twice = gradc.function([a], at.sum(slinalg.cholesky(2 * a)) + at.sum(at.tanh(2 * a)))
    value = positive(1, 50)[0]
    factor = np.linalg.cholesky(2 * value)
    np.testing.assert_allclose(once(value), factor.sum(), rtol=1e-12)
    np.testing.assert_allclose(twice(value), factor.sum() + np.tanh(2 * value).sum(), rtol=1e-12)
    assert 20_000 <= once.arena_bytes < 40_000          # one matrix of 50 x 50, not two
    both = gradc.function([a], [slinalg.cholesky(2 * a), 2 * a])
    for got, want in zip(both(value), [factor, 2 * value]):
        np.testing.assert_allclose(got, want, rtol=1e-12)


def test_arguments_that_another_shows_are_not_overwritten() -> None:
    """The matrix is read again, as the other side of a system, after its factor was made."""
    a = at.dmatrix("a")
    m = at.exp(a) + 3 * at.eye(4)
    factor = slinalg.cholesky(m)
    f = gradc.function([a], slinalg.solve_triangular(factor, m.T, lower=True).sum())
    x = np.random.default_rng(0).normal(size=(4, 4))
    value = 0.1 * (x + x.T)
    m = np.exp(value) + 3 * np.eye(4)
    np.testing.assert_allclose(f(value), np.linalg.solve(np.linalg.cholesky(m), m.T).sum(), rtol=1e-12)


def test_batches_in_a_loop_and_their_gradients(threads: Any) -> None:
    x = stack("x")
    states, _ = gradc.scan(lambda h: slinalg.cholesky(h) + 4 * at.eye(3), outputs_info=[x], n_steps=3)
    cost = (states[-1] ** 2).sum()
    f = gradc.function([x], [cost, gradc.grad(cost, x)])
    oracle = gradc.function([x], [cost, gradc.grad(cost, x)], mode=gradc.Mode("interpret", None))
    value = positive(40, 3)
    for k in (1, 3):
        threads(k)
        for got, want in zip(f(value), oracle(value)):
            np.testing.assert_allclose(got, want, rtol=1e-10)


def test_three_values_of_a_step_have_one_memory() -> None:
    """A sum, its factor, and a solution with that on the right side, each in place of the one before."""
    a, b, h = at.dtensor3("a"), at.dmatrix("b"), at.dmatrix("h")

    def step(x: Any, h: Any, b: Any) -> Any:
        return at.tanh(slinalg.solve_triangular(b, slinalg.cholesky(at.tanh(x) + 0.01 * h), lower=True))

    states, _ = gradc.scan(step, sequences=[a], outputs_info=[h], non_sequences=[b])
    f = gradc.function([a, h, b], states[-1], mode=gradc.Mode(checked=True))
    x, lower = 0.02 * positive(4, 5) + 2 * np.eye(5), np.tril(positive(1, 5)[0])
    state = first = np.ones((5, 5))
    for each in x:
        state = np.tanh(np.linalg.solve(lower, np.linalg.cholesky(np.tanh(each) + 0.01 * state)))
    np.testing.assert_allclose(f(x, first, lower), state, rtol=1e-10, atol=1e-15)
