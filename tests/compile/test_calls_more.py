"""Calls as users make them: matrices, subclasses, threads, fork, bound memory, defaults."""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.errors import BadArgumentError


@pytest.fixture(params=["interpret", "c"])
def function(request: pytest.FixtureRequest):
    def make(*args, **options):
        return gradc.function(*args, **{"mode": request.param, **options})

    return make


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_subclasses_of_arrays_are_taken_as_arrays(function) -> None:
    x = at.dmatrix("x")
    result = function([x], [x * x, x])(np.matrix([[1.0, 2.0]]))
    assert all(type(r) is np.ndarray for r in result)
    assert np.array_equal(result[0], [[1, 4]])


def test_sixteen_threads_on_one_function(function) -> None:
    x = at.dvector("x")
    f = function([x], [x * 2, at.exp(x).sum()])
    wrong: list[int] = []

    def work(k: int) -> None:
        for _ in range(100):
            a, b = f(np.full(50 + k, float(k)))
            if not (a == 2 * k).all() or not np.isclose(b, (50 + k) * np.exp(k)):
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(16)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_a_forked_child_computes(function) -> None:
    x = at.dvector("x")
    f = function([x], x.sum())
    big = np.ones(300_000)
    assert f(big) == 300_000
    child = os.fork()
    if not child:
        os._exit(0 if f(big) == 300_000 else 3)
    assert os.waitpid(child, 0)[1] == 0
    assert f(big) == 300_000


def test_defaults_before_other_inputs_and_names_of_their_own(function) -> None:
    x, s = at.dvector("x"), at.dscalar("s")
    f = function([gradc.In(x, value=[1, 2], name="weights"), s], x * s)
    assert np.array_equal(f(s=2), [2, 4])
    assert np.array_equal(f(weights=[1], s=3), [3])
    with pytest.raises(BadArgumentError, match="no input named 'x'"):
        f(x=[1], s=3)


def test_an_input_with_the_value_of_a_shared_variable(function) -> None:
    a, y = gradc.shared(np.arange(3.0)), at.dvector("y")
    f = function([gradc.In(y, value=a)], y * 2)
    a.set_value(np.ones(2))
    assert np.array_equal(f(), [2, 2])


def test_bound_dicts_and_lists(function) -> None:
    x = at.dvector("x")
    f = function([x], {"a": x * 2, "b": x.sum()})
    value = np.ones(2)
    call = f.bind(value)
    value[:] = 4
    call()
    assert np.array_equal(call.out["a"], [8, 8]) and call.out["b"] == 8
    g = function([x], [x * 2, x + 1])
    read_only = np.ones(2)
    read_only.flags.writeable = False
    for out in ([np.ones(2)], [np.ones(2), read_only], [np.ones(2), np.ones(3)]):
        with pytest.raises(BadArgumentError):
            g.bind(value, out=out)


def test_reciprocals_and_size_checks_together(function) -> None:
    """Divisions that share a reciprocal, beside a check of sizes that rules dropped."""
    x, y = at.dvectors("x", "y")
    total = at.prod(x)
    terms = [total / x, (total * 2) / x, (total * 3) / x, (x - y + y).sum() / total, 2 / total, 3 / total, 4 / total]
    f = function([x, y], [sum((t.sum() for t in terms), 1.0 / total)])
    given = np.array([1.0, 2.0, 4.0])
    want = 6 * np.sum(8 / given) + (given.sum() + 2 + 3 + 4 + 1) / 8
    np.testing.assert_allclose(f(given, given)[0], want, rtol=1e-12)
    with pytest.raises(ValueError, match="differ"):
        f(given, np.ones(2))
