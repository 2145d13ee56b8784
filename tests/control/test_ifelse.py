"""`ifelse`: values, laziness (a branch that would fail), gradients, bad input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.errors import AssertionFailedError, LinAlgError, LoopError
from gradc.ir import ops
from gradc.ir.branches import sink
from gradc.ir.convert import to_program
from gradc.ir.graph import Variable, apply, toposort

X = np.array([0.5, -1.5, 2.0])


def function(inputs: list[Any], outputs: Any, **options: Any) -> Any:
    return gradc.function(inputs, outputs, mode="interpret", on_unused_input="ignore", **options)


def failing(x: Any) -> Any:
    """x, but computing it fails."""
    return apply(ops.Assert("this branch must not run"), x, at.lt(abs(x), 0).all())


@pytest.mark.parametrize("dtype", ["bool", "int8", "float64"])
def test_the_condition_is_any_scalar(dtype: str) -> None:
    c, x = at.scalar("c", dtype=dtype), at.dvector("x")
    f = function([c, x], gradc.ifelse(c, x.sum(), x.max()))
    assert f(np.asarray(1, dtype), X) == 1 and f(np.asarray(0, dtype), X) == 2


def test_only_the_branch_taken_runs() -> None:
    c, x = at.bscalar("c"), at.dvector("x")
    f = function([c, x], gradc.ifelse(c, 2 * x, failing(3 * x)))
    np.testing.assert_array_equal(f(1, X), 2 * X)
    with pytest.raises(AssertionFailedError, match="must not run"):
        f(0, X)


def test_laziness_needs_no_optimizer() -> None:
    c, x = at.bscalar("c"), at.dvector("x")
    f = gradc.function([c, x], gradc.ifelse(c, failing(x), -x), mode=gradc.Mode("interpret", None))
    np.testing.assert_array_equal(f(0, X), -X)


@pytest.mark.parametrize("mode", ["c", "interpret"])
def test_a_branch_that_only_gives_a_size_does_not_run(mode: str) -> None:
    a, b, x = at.dmatrix("a"), at.dmatrix("b"), at.dscalar("x")
    factor = at.linalg.cholesky(a)
    inner = gradc.ifelse(x > 1, factor, a)
    args = -np.eye(3), np.eye(2), 2.0
    for y in (gradc.ifelse(x > 0, factor, a), gradc.ifelse(x > 0, inner, at.exp(a)), factor):
        f = gradc.function([a, b, x], y.shape[0] * x, mode=mode, on_unused_input="ignore")
        assert f(*args) == 6
    # only the branch tells the size; and its values are needed
    for y in (gradc.ifelse(x > 0, factor, b).shape[0] * x, gradc.ifelse(x > 0, factor, a)):
        f = gradc.function([a, b, x], y, mode=mode, on_unused_input="ignore")
        with pytest.raises(LinAlgError):
            f(*args)


def test_branches_in_branches() -> None:
    a, b, x = at.bscalar("a"), at.bscalar("b"), at.dvector("x")
    inner = gradc.ifelse(b, failing(x), x + 1)
    f = function([a, b, x], gradc.ifelse(a, inner * 2, gradc.ifelse(b, x + 3, failing(x))))
    np.testing.assert_array_equal(f(1, 0, X), 2 * (X + 1))
    np.testing.assert_array_equal(f(0, 1, X), X + 3)
    for flags in ((1, 1), (0, 0)):
        with pytest.raises(AssertionFailedError):
            f(*flags, X)


def test_several_results_keep_their_kind() -> None:
    c, x = at.bscalar("c"), at.dvector("x")
    pair = gradc.ifelse(c, [x, x.sum()], [2 * x[:1], failing(x).prod()], name="pair")
    assert isinstance(pair, list)
    first, second = function([c, x], pair)(1, X)
    assert first.tolist() == X.tolist() and second == X.sum()
    assert isinstance(gradc.ifelse(c, (x,), (x,)), tuple)
    assert isinstance(gradc.ifelse(c, x, x), Variable)


def test_what_is_needed_elsewhere_is_computed_once() -> None:
    c, x = at.bscalar("c"), at.dvector("x")
    shared = at.exp(x)
    out = gradc.ifelse(c, at.sin(shared), at.cos(x))
    graph = [out, shared.sum()]
    new = sink(graph)
    kinds = [str(node.op) for node in toposort([new.get(v, v) for v in graph])]
    assert kinds.count("exp") == 1 and "sin" not in kinds and "cos" not in kinds
    f = function([c, x], graph)
    np.testing.assert_allclose(f(1, X)[0], np.sin(np.exp(X)))
    np.testing.assert_allclose(f(0, X)[0], np.cos(X))


def test_branches_that_hand_on_other_arguments_stay_as_they_are() -> None:
    c, x = at.bscalar("c"), at.dvector("x")
    then, orelse = [[v.type() for v in (x, x, x, x)] for _ in range(2)]
    op = ops.Cond(to_program(then, [then[3]]), to_program(orelse, [orelse[1]]))
    made = apply(op, at.neq(c, 0), at.exp(x), at.sin(x), at.cos(x), at.tan(x))
    assert sink([made]) == {}
    f = function([c, x], gradc.ifelse(c, made, x))
    np.testing.assert_allclose(f(1, X), np.tan(X))


def test_a_python_number_takes_the_dtype_of_the_other_branch() -> None:
    c, x, i = at.bscalar("c"), at.dscalar("x"), at.lscalar("i")
    assert gradc.ifelse(c, x, 0).dtype == "float64" and gradc.ifelse(c, 1, i).dtype == "int64"
    assert function([c, x], gradc.ifelse(c, 0, x))(0, 2.5) == 2.5


def test_the_gradient_is_lazy_too() -> None:
    c, x = at.bscalar("c"), at.dvector("x")
    cost = gradc.ifelse(c, (x ** 3).sum(), (failing(x) ** 2).sum())
    f = function([c, x], gradc.grad(cost, x))
    np.testing.assert_allclose(f(1, X), 3 * X ** 2)
    with pytest.raises(AssertionFailedError):
        f(0, X)
    u = at.dvector("u")
    f = function([c, x, u], gradc.Rop(cost, x, u))
    np.testing.assert_allclose(f(1, X, [1, 2, 3]), (3 * X ** 2 * [1, 2, 3]).sum())


def test_the_gradient_of_the_branch_not_taken_is_no_nan() -> None:
    x = at.dscalar("x")
    y = gradc.ifelse(at.gt(x, 0), at.sqrt(x), 0.0 * x)
    assert function([x], gradc.grad(y, x))(-1) == 0
    assert function([x], gradc.grad(y, x))(4) == 0.25


def test_gradients_by_what_stands_inside_a_branch() -> None:
    c, x = at.bscalar("c"), at.dvector("x")
    h = at.exp(x)
    y = gradc.ifelse(c, (h ** 2).sum(), x.sum())
    f = function([c, x], gradc.grad(y, [h, x]))
    by_h, by_x = f(1, X)
    np.testing.assert_allclose(by_h, 2 * np.exp(X))
    np.testing.assert_allclose(by_x, 2 * np.exp(2 * X))
    by_h, by_x = f(0, X)
    assert by_h.tolist() == [0, 0, 0] and by_x.tolist() == [1, 1, 1]


def test_second_order() -> None:
    c, x = at.bscalar("c"), at.dvector("x")
    y = gradc.ifelse(c, (x ** 3).sum(), at.exp(x).sum())
    second = gradc.grad(gradc.grad(y, x).sum(), x)
    f = function([c, x], second)
    np.testing.assert_allclose(f(1, X), 6 * X)
    np.testing.assert_allclose(f(0, X), np.exp(X))


def test_branches_inside_a_loop() -> None:
    xs, w = at.dvector("xs"), at.dscalar("w")
    never = failing(w)

    def step(x: Any, h: Any) -> Any:
        return gradc.ifelse(at.gt(x, 0), h + x * at.exp(w), gradc.ifelse(at.lt(x, -100), h * never, 0.5 * h))

    out, _ = gradc.scan(step, sequences=xs, outputs_info=at.constant(np.float64(1)))
    f = function([xs, w], [out, gradc.grad(out[-1], w)])
    h, want = 1.0, []
    for x in X:
        h = h + x * np.exp(0.3) if x > 0 else 0.5 * h
        want.append(h)
    rows, slope = f(X, 0.3)
    np.testing.assert_allclose(rows, want)
    np.testing.assert_allclose(slope, np.exp(0.3) * (0.5 * 0.5 + 2.0))


def test_a_loop_inside_a_branch() -> None:
    c, xs = at.bscalar("c"), at.dvector("xs")
    long, _ = gradc.scan(lambda x, h: h + failing(x), sequences=xs, outputs_info=at.constant(np.float64(0)))
    f = function([c, xs], gradc.ifelse(c, xs.sum(), long[-1]))
    assert f(1, X) == 1


def test_shared_variables_and_givens_reach_into_branches() -> None:
    c, x = at.bscalar("c"), at.dscalar("x")
    s = gradc.shared(2.0)
    h = x * s
    f = function([c, x], gradc.ifelse(c, h + 1, h - 1), updates={s: gradc.ifelse(c, s + 1, failing(s))})
    assert f(1, 3.0) == 7 and s.get_value() == 3
    f = function([c, x], gradc.ifelse(c, h + 1, 0 * h), givens={h: gradc.ifelse(c, 10 * x, failing(x))})
    assert f(1, 3.0) == 31


def test_bad_input() -> None:
    c, x, i = at.bscalar("c"), at.dvector("x"), at.lvector("i")
    with pytest.raises(LoopError, match=r"scalar condition, got x of type .*test_ifelse.py.* reduce it"):
        gradc.ifelse(x, x, x)
    with pytest.raises(LoopError, match=r"the result is f64\[\?\] \(x .* in one branch and i64\[\?\] \(i .*cast"):
        gradc.ifelse(c, x, i)
    with pytest.raises(LoopError, match=r"result 1 is f64\[\?\] .* and f64\[\] "):
        gradc.ifelse(c, [x, x], [x, x.sum()])
    with pytest.raises(LoopError, match="as many results as one another, at least one; got 2 and 1"):
        gradc.ifelse(c, [x, x], [x])


def test_long_chains_of_branches() -> None:
    c, x = at.bscalar("c"), at.dscalar("x")
    beside = inside = x
    for _ in range(500):
        beside = gradc.ifelse(c, beside + 1, beside - 1)
        inside = gradc.ifelse(c, inside + 1, 0 * x)
    assert function([c, x], [beside, inside])(1, 0.0) == [500, 500]


@pytest.mark.parametrize("build", [
    lambda x: x[::-1],
    lambda x: at.concatenate([x[1:], x[:1]]),
    lambda x: at.concatenate([x[1:] * x[:-1], x[-1:]]),
    lambda x: at.concatenate([x[-2:], x[:-2]]),
])
def test_parts_of_a_vector_that_are_as_long_as_it(build: Any) -> None:
    """So both branches have one size, and the function is compiled to C (without a size it could not be)."""
    x = at.dvector("x")
    y = gradc.ifelse(x.sum() > 0, build(x), x)
    loss = at.sin(y).sum()
    f = gradc.function([x], [y, gradc.grad(loss, x), gradc.gradient.hessian(loss, x)], mode="c")
    g = gradc.function([x], [y, gradc.grad(loss, x), gradc.gradient.hessian(loss, x)], mode="FAST_COMPILE")
    rng = np.random.default_rng(0)
    for n in (2, 3, 7):
        for _ in range(4):
            v = rng.normal(size=n)
            for got, want in zip(f(v), g(v)):
                np.testing.assert_allclose(got, want, atol=1e-12)
