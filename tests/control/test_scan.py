"""`scan`: what it accepts and computes, against plain NumPy loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc import grad
from gradc.errors import ShapeError
from gradc.ir.convert import to_program
from gradc.ir.pretty import pretty
from gradc.scan.utils import until

RNG = np.random.default_rng(3)
X = RNG.normal(size=7)


def value(out: Any, inputs: Any = (), *values: Any, updates: Any = None) -> Any:
    """The value of an expression, computed in the interpreter."""
    return gradc.function(list(inputs), out, updates=updates, mode="interpret")(*values)


def test_rows_of_a_sequence_without_recurrence() -> None:
    xs, w = at.dmatrix("xs"), at.dscalar("w")
    out, updates = gradc.scan(lambda x, w: w * x.sum(), sequences=xs, non_sequences=w)
    assert updates == {} and out.type == at.dvector().type
    data = RNG.normal(size=(4, 3))
    np.testing.assert_allclose(value(out, [xs, w], data, 2.0), 2 * data.sum(1))


def test_a_recurrence_over_a_sequence() -> None:
    xs, h0 = at.dvector("xs"), at.dscalar("h0")
    out, _ = gradc.scan(lambda x, h: at.tanh(h) + x, sequences=xs, outputs_info=h0)
    want, h = [], 0.5
    for x in X:
        h = np.tanh(h) + x
        want.append(h)
    np.testing.assert_allclose(value(out, [xs, h0], X, 0.5), want, rtol=1e-15)


def test_powers_as_in_the_tutorial() -> None:
    k, a = at.iscalar("k"), at.dvector("a")
    out, updates = gradc.scan(lambda prior, a: prior * a, outputs_info=at.ones_like(a), non_sequences=a, n_steps=k)
    f = gradc.function([a, k], out[-1], updates=updates, mode="interpret")
    np.testing.assert_array_equal(f(np.arange(10.0), 2), np.arange(10.0) ** 2)
    np.testing.assert_array_equal(f(np.arange(10.0), 4), np.arange(10.0) ** 4)


def test_the_jacobian_of_the_tutorial() -> None:
    x = at.dvector("x")
    y = x ** 2
    out, updates = gradc.scan(lambda i, y, x: at.grad(y[i], x), sequences=at.arange(y.shape[0]), non_sequences=[y, x])
    assert value(out, [x], [4, 4], updates=updates).tolist() == [[8, 0], [0, 8]]


def test_arguments_come_as_sequences_then_states_then_the_rest() -> None:
    a, b, h, w = at.dvectors("a", "b", "h", "w")
    seen: list[str | None] = []

    def step(*args: Any) -> Any:
        seen.extend(v.name for v in args)
        return args[4] + args[5], args[0], args[6]

    gradc.scan(step, sequences=[dict(input=a, taps=[1, 0, -2]), b], non_sequences=[w],
               outputs_info=[dict(initial=h, taps=[-3, -1]), None, at.dscalar("s")])
    assert seen == ["a[t+1]", "a[t]", "a[t-2]", "b[t]", "h[t-3]", "h[t-1]", "s[t-1]", "w"]


def test_taps_of_sequences_and_states() -> None:
    xs, init = at.dvector("xs"), at.dvector("init")
    out, _ = gradc.scan(lambda before, after, h3, h1: before * after + h3 - 0.5 * h1,
                        sequences=dict(input=xs, taps=[-1, 2]), outputs_info=dict(initial=init, taps=[-3, -1]))
    h = [0.1, 0.2, 0.3]
    for t in range(1, len(X) - 2):
        h.append(X[t - 1] * X[t + 2] + h[-3] - 0.5 * h[-1])
    np.testing.assert_allclose(value(out, [xs, init], X, h[:3]), h[3:], rtol=1e-15)


@pytest.mark.parametrize("taps", [[2], [-2], [1, 3], [-3, -1]])
def test_taps_on_one_side_go_through_the_rows_that_exist(taps: list[int]) -> None:
    xs = at.dvector("xs")
    out, _ = gradc.scan(lambda *rows: sum(rows[1:], rows[0]), sequences=dict(input=xs, taps=taps))
    lo, hi = min(0, *taps), max(0, *taps)
    want = [sum(X[t + k] for k in taps) for t in range(-lo, len(X) - hi)]
    np.testing.assert_allclose(value(out, [xs], X), want, rtol=1e-15)


@pytest.mark.parametrize(("n_steps", "backwards", "order"), [
    (None, True, range(6, -1, -1)), (3, True, [6, 5, 4]), (-3, False, [6, 5, 4]), (-3, True, [0, 1, 2]),
    (0, False, []), (4, False, range(4)), (np.int32(2), False, range(2)), (2.0, False, range(2)),
])
def test_direction_and_number_of_steps(n_steps: Any, backwards: bool, order: Any) -> None:
    xs = at.dvector("xs")
    zero = at.constant(np.float64(0))
    out, _ = gradc.scan(lambda x, h: 0.5 * h + x, sequences=xs, outputs_info=zero, n_steps=n_steps,
                        go_backwards=backwards)
    want, h = [], 0.0
    for t in order:
        h = 0.5 * h + X[t]
        want.append(h)
    np.testing.assert_allclose(value(out, [xs], X), want, rtol=1e-15)


def test_taps_backwards() -> None:
    xs = at.dvector("xs")
    out, _ = gradc.scan(lambda now, after: 10 * now + after, sequences=dict(input=xs, taps=[0, 1]), go_backwards=True)
    np.testing.assert_allclose(value(out, [xs], X), [10 * X[t] + X[t + 1] for t in range(5, -1, -1)], rtol=1e-15)


def test_the_shortest_sequence_ends_the_loop() -> None:
    a, b, c = at.dvectors("a", "b", "c")
    out, _ = gradc.scan(lambda x, y, z: x * y + z, sequences=[a, b, c])
    np.testing.assert_allclose(value(out, [a, b, c], X, X[:3], X[:5]), X[:3] * X[:3] + X[:3])


def test_a_list_is_returned_where_asked_for() -> None:
    xs = at.dvector("xs")
    out, _ = gradc.scan(lambda x: x, sequences=xs, return_list=True)
    assert isinstance(out, list) and len(out) == 1
    out, _ = gradc.scan(lambda x: [x, x + 1], sequences=xs)
    assert isinstance(out, list) and len(out) == 2
    out, _ = gradc.scan(lambda x: [x], sequences=xs)
    assert not isinstance(out, list)


def test_until_makes_the_step_that_says_so_the_last() -> None:
    most = at.dscalar("most")
    out, _ = gradc.scan(lambda a: (2 * a, until(2 * a > most)), outputs_info=at.constant(np.float64(1)), n_steps=1024)
    f = gradc.function([most], out, mode="interpret")
    assert f(45).tolist() == [2, 4, 8, 16, 32, 64]
    assert f(0).tolist() == [2]


def test_an_until_that_never_comes_ends_with_n_steps() -> None:
    out, _ = gradc.scan(lambda a: (a + 1, until(a < 0)), outputs_info=at.constant(0), n_steps=4)
    assert value(out).tolist() == [1, 2, 3, 4]


def test_updates_run_on_from_step_to_step() -> None:
    count, total = gradc.shared(1, name="count"), gradc.shared(np.float64(0), name="total")
    xs = at.dvector("xs")
    out, updates = gradc.scan(lambda x: (x * count, {count: count + 1, total: total + x}), sequences=xs)
    assert set(updates) == {count, total}
    f = gradc.function([xs], out, updates=updates, mode="interpret")
    np.testing.assert_allclose(f(X[:3]), X[:3] * [1, 2, 3])
    assert count.get_value() == 4
    np.testing.assert_allclose(total.get_value(), X[:3].sum())
    np.testing.assert_allclose(f(X[:2]), X[:2] * [4, 5])


def test_a_loop_of_updates_only() -> None:
    count = gradc.shared(0)
    out, updates = gradc.scan(lambda: {count: count + 2}, n_steps=5)
    assert out is None
    gradc.function([], [], updates=updates, mode="interpret")()
    assert count.get_value() == 10


def test_default_updates_run_inside_the_loop() -> None:
    seed = gradc.shared(1, name="seed")
    seed.default_update = 5 * seed % 7
    out, updates = gradc.scan(lambda: 10 * seed, n_steps=4)
    f = gradc.function([], out, updates=updates, mode="interpret")
    assert f().tolist() == [10, 50, 40, 60] and f().tolist()[0] == 20


def test_an_explicit_non_sequence_is_one_value() -> None:
    count = gradc.shared(1, name="count")
    fixed = count * 100
    out, updates = gradc.scan(lambda f: (f + count, {count: count + 1}), non_sequences=fixed, n_steps=3)
    assert value(out, updates=updates).tolist() == [101, 102, 103]
    out, updates = gradc.scan(lambda: (count * 100, {count: count + 1}), n_steps=3)
    assert value(out, updates=updates).tolist() == [400, 500, 600]


def test_states_of_several_shapes_and_dtypes() -> None:
    xs, m0 = at.dvector("xs"), at.fmatrix("m0")

    def step(x: Any, count: Any, seen: Any, m: Any) -> Any:
        return count + at.cast(x > 0, "int64"), at.or_(seen, x > 1), m + at.cast(x, "float32"), x * count

    outs, _ = gradc.scan(step, sequences=xs, outputs_info=[at.constant(np.int64(0)), at.constant(False), m0, None])
    made = value(outs, [xs, m0], X, np.ones((2, 2), "float32"))
    assert [m.dtype.name for m in made] == ["int64", "bool", "float32", "float64"]
    np.testing.assert_array_equal(made[0], np.cumsum(X > 0))
    np.testing.assert_array_equal(made[1], np.logical_or.accumulate(X > 1))
    assert made[2].shape == (7, 2, 2)
    np.testing.assert_allclose(made[2][-1], 1 + X.sum(), rtol=1e-5)
    np.testing.assert_allclose(made[3], X * np.r_[0, np.cumsum(X > 0)[:-1]])


def test_loops_in_loops() -> None:
    m = at.dmatrix("m")

    def row(r: Any, s: Any) -> Any:
        inner, _ = gradc.scan(lambda x, h: h * x + s, sequences=r, outputs_info=at.constant(np.float64(1)))
        return inner[-1]

    out, _ = gradc.scan(row, sequences=m, outputs_info=at.constant(np.float64(0)))
    data = RNG.normal(size=(3, 4))
    want, s = [], 0.0
    for r in data:
        h = 1.0
        for x in r:
            h = h * x + s
        s = h
        want.append(s)
    np.testing.assert_allclose(value(out, [m], data), want, rtol=1e-13)


def test_ten_loops_in_one_another() -> None:
    x = at.dscalar("x")

    def nest(depth: int, start: Any) -> Any:
        out, _ = gradc.scan(lambda a: nest(depth - 1, a) if depth else a + x, outputs_info=start, n_steps=2)
        return out[-1]

    assert value(nest(9, at.constant(np.float64(0))), [x], 0.5) == 2 ** 10 * 0.5


def test_map_reduce_and_folds() -> None:
    xs = at.dvector("xs")
    zero = at.constant(np.float64(0))
    np.testing.assert_allclose(value(gradc.map(lambda x: x ** 2, xs)[0], [xs], X), X ** 2)
    np.testing.assert_allclose(value(gradc.reduce(lambda x, s: s + x, xs, zero)[0], [xs], X), X.sum())
    left, right = 0.0, 0.0
    for k in range(7):
        left, right = left / 2 + X[k], right / 2 + X[6 - k]
    np.testing.assert_allclose(value(gradc.foldl(lambda x, s: s / 2 + x, xs, zero)[0], [xs], X), left)
    np.testing.assert_allclose(value(gradc.foldr(lambda x, s: s / 2 + x, xs, zero)[0], [xs], X), right)
    assert value(gradc.reduce(lambda x, s: s + x, xs, zero)[0], [xs], []) == 0
    outs, _ = gradc.reduce(lambda x, s: [s + x, x], xs, [zero, None])
    np.testing.assert_allclose(value(outs, [xs], X), [X.sum(), X[-1]])


@pytest.mark.parametrize("returned", [
    lambda x, c: [x, {c: c + 1}], lambda x, c: ([x], [(c, c + 1)]), lambda x, c: (x, {c: c + 1}, until(x > 9)),
    lambda x, c: ([x], [(c, c + 1)], until(x > 9)),
])
def test_the_spellings_of_outputs_and_updates(returned: Callable[..., Any]) -> None:
    xs, c = at.dvector("xs"), gradc.shared(0)
    out, updates = gradc.scan(lambda x: returned(x, c), sequences=xs)
    assert not isinstance(out, list) and list(updates) == [c]
    np.testing.assert_array_equal(value(out, [xs], X, updates=updates), X)
    assert c.get_value() == 7


def test_the_modules_of_scan_can_be_imported_and_reached() -> None:
    import gradc.scan.basic as basic
    import gradc.scan.utils as utils
    assert gradc.scan is basic.scan and gradc.scan.utils is utils and utils.until is until


def test_loops_are_named_after_the_parameters_of_their_steps():
    r, p = at.dvector("r"), at.dvector("p")

    def step(r_t: Any, h: Any, omega: Any, beta: Any) -> Any:
        return omega * r_t**2 + beta * h

    h, _ = gradc.scan(step, sequences=r, outputs_info=at.exp(p[0]), non_sequences=[p[0], p[1]])
    f = gradc.function([r, p], [h, grad(at.log(h).sum(), p)], name="named")
    text = f.c_source()
    for line in ("program (r_t: f64[], h: f64[], omega: f64[], beta: f64[]) ->", "const double omega = p[0];",
                 "const double r_t = r[t];", "double grad_h = 0.0;", "grad_beta_last[0] = grad_beta;"):
        assert line in text, line

    fallen_back, _ = gradc.scan(lambda *args: args[0] + args[1], sequences=r, outputs_info=p)
    assert "(r[t]: f64[], p[t-1]: f64[?])" in pretty(to_program([r, p], [fallen_back]))


@pytest.mark.parametrize("mode", [None, "interpret"])
def test_a_loop_that_carries_nothing_over_a_sum_of_two_arrays(mode: str | None) -> None:
    """The sum becomes part of the step; that both have equally many rows is checked still."""
    a, b = at.dvectors("a", "b")
    made, _ = gradc.scan(lambda v: gradc.ifelse(v > 0, at.exp(v), -v), sequences=a + b)
    f = gradc.function([a, b], [made, grad(made.sum(), a)], mode=mode)
    value, slope = f([1, 2, -3], [2, -3, 1])
    np.testing.assert_allclose(value, [np.exp(3), 1, 2], rtol=1e-14)
    np.testing.assert_allclose(slope, [np.exp(3), -1, -1], rtol=1e-14)
    for short, long in (([1], [1, 2]), ([1, 2], [1]), ([], [1])):
        with pytest.raises(ShapeError, match="differ"):
            f(short, long)
    assert f([], [])[0].shape == (0,)
