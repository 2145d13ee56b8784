"""Bad input at a call: one clear error in a few lines, state unchanged, the next call right; in C as in NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.errors import AssertionFailedError, BadArgumentError, GradcError, IndexOutOfBoundsError, ShapeError


@pytest.fixture(params=["interpret", "c"])
def function(request: pytest.FixtureRequest):
    def make(*args, **options):
        return gradc.function(*args, **{"mode": request.param, **options})

    return make


X, V = np.ones((2, 3)), np.ones(3)


def _cases():
    x, v, n, k = at.dmatrix("x"), at.dvector("v"), at.lscalar("n"), at.lvector("k")
    size, index = ShapeError, IndexOutOfBoundsError
    return {
        "elementwise": ([x, v], x * v, (X, np.ones(4)), size, r"mul: sizes 3 and 4 of dimension 1 differ .*x is"),
        "size 1": ([x, v], x * v, (X, np.ones(1)), size, r"sizes 3 and 1 of dimension 1 .*broadcasts only if"),
        "dot": ([x, v], at.dot(x, v), (X, np.ones(2)), size, r"dot: .*3 and 2 differ"),
        "gemm": ([x], at.dot(x, x), (X,), size, r"dot: .*3 and 2 differ"),
        "index": ([x, n], x[n], (X, 2), index, r"index 2 is out of bounds for dimension 0 of size 2"),
        "negative index": ([x, n], x[:, n], (X, -4), index, r"index -4 is out of bounds for dimension 1 of size 3"),
        "computed index": ([v, k], v[k[0] * 2], (V, [5]), index, r"index 10 is out of bounds"),
        "fixed index": ([v], v[3], (V,), index, r"index 3 is out of bounds for dimension 0 of size 3"),
        "set": ([x, v], at.set_subtensor(x[1:], v), (X, np.ones(4)), size, r"set_subtensor: .*4.*3"),
        "inc": ([x, v], at.inc_subtensor(x[1], v), (X, np.ones(4)), size, r"inc_subtensor: .*4.*3"),
        "reshape": ([x, n], x.reshape((n, 2)), (X, 5), size, r"reshape: .* does not fill"),
        "negative size": ([n], at.zeros((n, 2)), (-1,), size, r"alloc: .*negative, got .*-1"),
        "max of nothing": ([x], x.max(axis=0), (np.ones((0, 3)),), size, r"max over dimension 0 of size 0"),
        "argmax of nothing": ([v], v.argmax(), (np.ones(0),), size, r"argmax over dimension 0 of size 0"),
        "join": ([x, v], at.concatenate([x, v[None, :]]), (X, np.ones(2)), size, r"join: "),
        "stack": ([x], at.stack([x, x.T]), (X,), size, r"join: "),
        "specified": ([x], at.specify_shape(x, (2, None)), (np.ones((3, 2)),), AssertionFailedError, "specify_shape"),
        "specified, same count": ([x], at.specify_shape(x, (3, 4)), (np.ones((4, 3)),), AssertionFailedError, "shape"),
        "static size": ([at.drow("r")], None, (X,), size, r'argument "r".*size 1 in dimension 0'),
        "masked": ([v], v + 1, (np.ma.array(V, mask=[1, 0, 0]),), BadArgumentError, r'"v".*masked'),
        "ragged": ([x], x + 1, ([[1, 2], [3]],), BadArgumentError, r'"x".*float64, got a list'),
        "a variable": ([v], v + 1, (v,), BadArgumentError, r'"v".*TensorVariable'),
        "complex": ([v], v + 1, (V * 1j,), BadArgumentError, r'"v".*complex128.*lose precision'),
        "dates": ([v], v + 1, (np.ones(3, "M8[D]"),), BadArgumentError, r'"v".*datetime64'),
        "too few": ([x, v], x + v, (X,), BadArgumentError, r"needs a value for its input v"),
        "too many": ([v], v + 1, (V, V), BadArgumentError, r"takes 1 argument"),
    }


CASES = _cases()


@pytest.mark.parametrize("name", CASES)
def test_one_clear_error(function, name: str) -> None:
    inputs, output, values, error, words = CASES[name]
    f = function(inputs, inputs[0] * 2 if output is None else output, name="f")
    for _ in range(2):          # the same again: nothing is left behind
        with pytest.raises(error, match=words) as caught:
            f(*values)
    text = str(caught.value)
    assert isinstance(caught.value, GradcError) and len(text.splitlines()) <= 8
    if not isinstance(caught.value, BadArgumentError):
        assert "test_bad_input.py:" in text, "the user's line"
    assert "%" not in text, "no numbers of a Program"


def test_names_that_inputs_share(function) -> None:
    a, again, w = at.dscalar("a"), at.dscalar("a"), gradc.shared(2.0, name="a")
    f = function([a, again], a - again)
    assert f(3, 1) == 2.0
    with pytest.raises(BadArgumentError, match=r"no input named 'a'; .* none \(others, nameless or named alike, go by"):
        f(3, a=1)
    with pytest.raises(BadArgumentError, match=r"no input named 'b'; its named inputs: a$"):
        function([a], a * w)(b=3)
    assert function([a], a * w)(a=3) == 6.0, "a shared variable is no argument"


def test_advice_on_sizes_of_one_is_given_only_for_them(function) -> None:
    x, y = at.dvectors("x", "y")
    with pytest.raises(ShapeError) as caught:
        function([x, y], x + y)([1, 2], [1, 2, 3])
    assert "broadcasts only" not in str(caught.value)


def test_a_message_may_hold_braces(function) -> None:
    x = at.dvector("{x}")
    with pytest.raises(AssertionFailedError, match=r"dimension 0 of \{x\} has size 3, not 2"):
        function([x], at.specify_shape(x, (2,)))([1, 2, 3])


def test_too_much_memory_is_a_memory_error(function) -> None:
    n = at.lscalar("n")
    f = function([n], at.zeros((n, 2)))
    for size in (2 ** 40, 2 ** 62):
        with pytest.raises(MemoryError):
            f(size)
    assert f(3).shape == (3, 2)
    with pytest.raises(MemoryError):
        function([n], at.arange(n))(2 ** 62)


def test_too_many_bytes_of_scratch_memory_are_a_memory_error() -> None:
    """Products of sizes that don't fit in 64 bits are no small sizes."""
    n, y = at.lscalar("n"), at.dscalar("y")
    f = gradc.function([n, y], at.exp(at.cumsum(at.ones((n, n)) * y, axis=0)).sum(axis=1).max())
    assert f.info["mode"] == "c" and f(3, 0.5) > 0
    for size in (2 ** 31, 2 ** 32, 2 ** 32 + 1, 2 ** 62):
        with pytest.raises(MemoryError):
            f(size, 0.5)


def test_too_much_memory_is_told_with_its_line() -> None:
    f = gradc.function([], at.zeros((2 ** 62, 2)), mode="interpret")
    with pytest.raises(MemoryError, match=r"alloc: an array of shape \(4611686018427387904, 2\) and dtype float64 has "
                                          r"more bytes than there are addresses\n  where: .*test_bad_input\.py:\d+"):
        f()
    n = at.lscalar("n")
    with pytest.raises(MemoryError, match=r"Unable to allocate .*\n  where: .*test_bad_input\.py:\d+"):
        gradc.function([n], at.zeros((n, 2)), mode="interpret")(2 ** 50)
    x = at.dmatrix("x")
    with pytest.raises(ShapeError, match="does not fill"):
        gradc.function([x, n], x.reshape((n, 4)), mode="interpret")(np.ones((0, 3)), 2 ** 62)


@pytest.mark.parametrize("fail", ["index", "computed index", "shape", "assert"])
def test_a_call_that_fails_half_way_changes_nothing(function, fail: str) -> None:
    a, b = gradc.shared(np.zeros(3), name="a"), gradc.shared(np.arange(3.0), name="b")
    k, v = at.lvector("k"), at.dvector("v")
    news = {"index": at.inc_subtensor(b[k[0]], 1.0), "computed index": at.inc_subtensor(b[k[0] * k[1]], 1.0),
            "shape": b + v, "assert": at.specify_shape(v, (3,)) * b}
    f = function([k, v], a.sum(), updates=[(a, at.exp(a)), (b, news[fail])], on_unused_input="ignore")
    with pytest.raises(GradcError):
        f([7, 1], np.ones(2))
    assert np.array_equal(a.get_value(), [0, 0, 0]) and np.array_equal(b.get_value(), [0, 1, 2])
    assert f([1, 1], np.ones(3)) == 0.0
    assert np.array_equal(a.get_value(), [1, 1, 1])


def test_a_size_that_compares_with_a_fraction() -> None:
    n = at.lscalar("n")
    for mode in (None, "interpret"):
        assert gradc.function([n], at.zeros((at.switch(at.ge(n, 2.5), 2, 3),)), mode=mode)(2).shape == (3,)


def test_values_of_shared_variables_must_fit() -> None:
    a = gradc.shared(np.zeros(3), name="a")
    for bad in (np.zeros((2, 2)), np.zeros(2, complex), "a", None):
        with pytest.raises(TypeError, match="shared variable a"):
            a.set_value(bad)
    assert np.array_equal(a.get_value(), np.zeros(3))
