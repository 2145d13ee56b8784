"""Derivatives of Cond: values of each branch, laziness, loops inside and outside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.errors import AssertionFailedError, DisconnectedInputError, NullTypeGradError
from gradc.gradient import Rop, grad
from gradc.ir import ops
from gradc.ir.convert import to_program
from gradc.ir.graph import apply
from tests.control.test_scan_grad import complex_step, loop, run


def cond(c: Any, inputs: Sequence[Any], then: Callable[..., list[Any]], orelse: Callable[..., list[Any]]) -> list[Any]:
    """The results of a Cond of then(*inputs) and orelse(*inputs)."""
    programs = []
    for branch in (then, orelse):
        fresh = [v.type() for v in inputs]
        programs.append(to_program(fresh, branch(*fresh), body=True))
    made = apply(ops.Cond(*programs), c, *inputs)
    return made if isinstance(made, list) else [made]


@pytest.mark.parametrize("flag", [True, False])
def test_the_gradient_is_that_of_the_branch_taken(flag: bool) -> None:
    c, x, y = at.scalar("c", "bool"), at.dvector("x"), at.dscalar("y")
    a, b = cond(c, [x, y], lambda x, y: [at.sin(x) * y, y ** 2], lambda x, y: [x ** 2, at.exp(x).sum()])
    cost = (a ** 2).sum() + a[0] * b

    def reference(x: Any, y: Any) -> Any:
        a, b = (np.sin(x) * y, y ** 2) if flag else (x ** 2, np.exp(x).sum())
        return (a ** 2).sum() + a[0] * b
    values = [np.array([0.3, -1.2, 0.8]), np.asarray(0.7)]
    want = [complex_step(reference, values, k) for k in range(2)]
    got = run([c, x, y], [*grad(cost, [x, y]), Rop(cost, [x, y], [x, y])], flag, *values)
    for g, w in zip(got, want):
        np.testing.assert_allclose(g, w, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(got[2], sum((w * v).sum() for w, v in zip(want, values)))

    second = run([c, x, y], grad((grad(cost, x) * values[0]).sum(), y), flag, *values)
    change = [complex_step(reference, [values[0], values[1] + e], 0) @ values[0] for e in (-1e-5, 1e-5)]
    np.testing.assert_allclose(second, (change[1] - change[0]) / 2e-5, rtol=1e-6, atol=1e-8)


def test_only_the_derivative_of_the_branch_taken_runs() -> None:
    c, x = at.scalar("c", "bool"), at.dscalar("x")

    def fails(x: Any) -> list[Any]:
        return [apply(ops.Assert("x must be positive"), x, at.gt(x, 0)) ** 3]
    y, = cond(c, [x], lambda x: [x ** 2], fails)
    for derivative in (grad(y, x), Rop(y, x, at.constant(1.0))):
        assert run([c, x], derivative, True, -2.0) == -4
        with pytest.raises(AssertionFailedError, match="x must be positive"):
            run([c, x], derivative, False, -2.0)


def test_connections() -> None:
    c, x, y = at.dscalar("c"), at.dscalar("x"), at.dscalar("y")
    a, b = cond(at.gt(c, 0), [x, y], lambda x, y: [x, x], lambda x, y: [x ** 2, y])
    with pytest.raises(DisconnectedInputError, match="used only by if"):
        grad(a + b, c)
    with pytest.raises(DisconnectedInputError):
        grad(a, y)
    assert [run([c, x, y], grad(b, y), v, 2.0, 3.0) for v in (1.0, -1.0)] == [0, 1]


def test_integer_results_pass_no_gradient() -> None:
    c, x, n = at.scalar("c", "bool"), at.dscalar("x"), at.lscalar("n")
    a, m = cond(c, [x, n], lambda x, n: [x * n, n + 1], lambda x, n: [x, n])
    cost = a * m
    assert run([c, x, n], grad(cost, [x, n]), True, 2.0, 3) == [12, 8]      # by n through a, not through m
    assert run([c, x, n], Rop(cost, x, x), True, 2.0, 3) == 24


def test_undefined_in_one_branch_is_undefined() -> None:
    c, x = at.scalar("c", "bool"), at.dscalar("x")
    y, = cond(c, [x], lambda x: [x], lambda x: [apply(ops.Map("polygamma"), x, x)])
    with pytest.raises(NullTypeGradError, match="no derivative by its order"):
        grad(y, x)


def test_in_a_loop_and_around_one() -> None:
    x, w = at.dvector("x"), at.dscalar("w")

    def step(x: Any, h: Any) -> list[Any]:
        new, = cond(at.gt(x, 0), [h, x, w], lambda h, x, w: [at.tanh(h * w) + x], lambda h, x, w: [h * x])
        return [new, h]
    last, before = loop(step, [x], [w])
    cost = last + (before ** 2).sum()

    def reference(x: Any, w: Any) -> Any:
        h, total = w, 0
        for v in x:
            total += h * h
            h = np.tanh(h * w) + v if v.real > 0 else h * v
        return h + total
    values = [np.array([0.3, -0.4, 0.9, -1.1, 0.2]), np.asarray(0.7)]
    for k, g in enumerate(run([x, w], grad(cost, [x, w]), *values)):
        np.testing.assert_allclose(g, complex_step(reference, values, k), rtol=1e-12)
    np.testing.assert_allclose(run([x, w], Rop(cost, w, at.constant(1.0)), *values),
                               complex_step(reference, values, 1), rtol=1e-12)

    def inside(x: Any, w: Any) -> list[Any]:
        return [loop(lambda x, h: [at.tanh(h * w) + x], [x], [w])[0]]
    c = at.scalar("c", "bool")
    y, = cond(c, [x, w], inside, lambda x, w: [x.sum() * w])

    def by_loop(x: Any, w: Any) -> Any:
        h = w
        for v in x:
            h = np.tanh(h * w) + v
        return h
    for flag, f in ((True, by_loop), (False, lambda x, w: x.sum() * w)):
        got = run([c, x, w], [*grad(y, [x, w]), Rop(y, w, at.constant(1.0))], flag, *values)
        np.testing.assert_allclose(got[0], complex_step(f, values, 0), rtol=1e-12)
        np.testing.assert_allclose(got[1:], [complex_step(f, values, 1)] * 2, rtol=1e-12)


def test_blocks_inside_a_branch() -> None:
    c, x = at.scalar("c", "bool"), at.dscalar("x")
    y, = cond(c, [x], lambda x: [gradc.gradient.zero_grad(x) * x], lambda x: [x * x])
    assert [run([c, x], grad(y, x), flag, 3.0) for flag in (True, False)] == [3, 6]
