"""A value belongs to where it was made: what a step merely uses is computed once, what it makes in every step.

Draws have NumPy's bits, so the right values are those of NumPy's generators, drawn from in a Python loop.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.compile.builders import OpFromGraph
from gradc.errors import GradcWarning, MissingInputError
from gradc.scan.utils import until
from gradc.tensor.random import RandomStream, normal

V = np.array([0.5, 1.5, 2.5])
MODES = pytest.mark.parametrize("mode", [None, "interpret"])


def k_th(seed: int, k: int) -> np.random.Generator:
    """The k-th generator of a stream."""
    return np.random.default_rng(np.random.SeedSequence(seed).spawn(k + 1)[k])


def compiled(mode: str | None, *args: Any, **options: Any) -> Any:
    f = gradc.function(*args, mode=mode, **options)
    assert mode or f.info["mode"] == "c", f.info
    return f


LOOPS: dict[str, tuple[Callable[[Any, Any], Any], Callable[[float], Any]]] = {
    "scan": (lambda u, v: gradc.scan(lambda a: u * a, sequences=v), lambda n: n * V),
    "listed": (lambda u, v: gradc.scan(lambda a, u: u * a, sequences=v, non_sequences=u, strict=True),
               lambda n: n * V),
    "state": (lambda u, v: gradc.scan(lambda a, h: u * a + h, v, [at.zeros(())]), lambda n: np.cumsum(n * V)),
    "output": (lambda u, v: gradc.scan(lambda a: u, v), lambda n: n + 0 * V),
    "until": (lambda u, v: gradc.scan(lambda a: (u * a, until(a + 0 * u > 1)), v), lambda n: n * V[:2]),
    "map": (lambda u, v: gradc.map(lambda a: u * a, v), lambda n: n * V),
    "reduce": (lambda u, v: gradc.reduce(lambda a, h: h + u * a, v, at.zeros(())), lambda n: np.cumsum(n * V)[-1]),
    "foldl": (lambda u, v: gradc.foldl(lambda a, h: h * u + a, v, at.zeros(())), lambda n: np.polyval(V, n)),
    "foldr": (lambda u, v: gradc.foldr(lambda a, h: h * u + a, v, at.zeros(())), lambda n: np.polyval(V[::-1], n)),
    "checkpoints": (lambda u, v: gradc.scan_checkpoints(lambda a: u * a, v, save_every_N=2), lambda n: n * V[1:]),
    "branch": (lambda u, v: gradc.scan(lambda a: gradc.ifelse(a > 1, u * a, a), v),
               lambda n: np.where(V > 1, n * V, V)),
    "nested": (lambda u, v: gradc.scan(lambda a: gradc.scan(lambda b: u * a * b, v)[0], v),
               lambda n: n * V[:, None] * V),
}


@MODES
@pytest.mark.parametrize("kind", LOOPS)
def test_a_draw_made_before_the_loop_is_one_number(kind: str, mode: str | None) -> None:
    loop, expected = LOOPS[kind]
    stream, v, numbers = RandomStream(3), at.dvector("v"), k_th(3, 0)
    u = stream.normal()
    out, updates = loop(u, v)
    assert not updates
    f = compiled(mode, [v], [out, u])
    for _ in range(3):
        got, n = f(V)
        assert n == numbers.normal()
        np.testing.assert_allclose(got, expected(n), rtol=1e-15)


@MODES
def test_draws_of_every_level(mode: str | None) -> None:
    """One made outside, one of the outer step used in the inner loop, one of the inner step."""
    stream, v = RandomStream(8), at.dvector("v")
    outside = stream.normal()

    def row(a: Any) -> Any:
        of_row = stream.normal()
        inner, updates = gradc.scan(lambda b: (outside, of_row, stream.normal(), a * b * of_row), sequences=v)
        return [*inner, of_row], updates

    outs, updates = gradc.scan(row, sequences=v)
    f = compiled(mode, [v], [*outs, outside], updates=updates)
    first, second, third = (k_th(8, k) for k in range(3))
    for _ in range(2):
        o, rows = first.normal(), second.normal(size=3)
        got = f(V)
        np.testing.assert_array_equal(got[0], np.full((3, 3), o))
        np.testing.assert_array_equal(got[1], np.repeat(rows[:, None], 3, 1))
        np.testing.assert_array_equal(got[2], third.normal(size=(3, 3)))
        np.testing.assert_allclose(got[3], V[:, None] * V * rows[:, None], rtol=1e-15)
        np.testing.assert_array_equal(got[4], rows)
        assert got[5] == o


@MODES
def test_one_generator_read_before_and_in_the_loop(mode: str | None) -> None:
    state, v = gradc.shared(np.random.default_rng(4)), at.dvector("v")
    u = normal(rng=state)
    state.default_update = u.owner.outputs[0]
    out, updates = gradc.scan(lambda a: (u, normal(rng=state)), sequences=v)
    f = compiled(mode, [v], out, updates=updates)
    numbers = np.random.default_rng(4)
    for _ in range(2):
        drawn = numbers.normal(size=3)
        once, each = f(V)
        np.testing.assert_array_equal(once, np.full(3, drawn[0]))
        np.testing.assert_array_equal(each, drawn)


@MODES
def test_updates_that_are_handed_on(mode: str | None) -> None:
    """`stream.updates()` has the next states of draws made outside, too: they advance once."""
    stream, v = RandomStream(6), at.dvector("v")
    u = stream.normal()

    def step(a: Any) -> Any:
        inside = stream.normal()
        return [u * a, inside], stream.updates()

    out, updates = gradc.scan(step, sequences=v)
    f = compiled(mode, [v], out, updates=updates)
    first, second = k_th(6, 0), k_th(6, 1)
    for _ in range(2):
        once, each = f(V)
        np.testing.assert_array_equal(once, first.normal() * V)
        np.testing.assert_array_equal(each, second.normal(size=3))


@MODES
def test_a_default_update_is_made_in_every_step(mode: str | None) -> None:
    """A shared number with a default update; `before` is the number before the loop."""
    s = gradc.shared(1, name="s")
    s.default_update = 2 * s + 1
    before = 10 * s
    out, updates = gradc.scan(lambda: (s, before, s.default_update), n_steps=4)
    f = compiled(mode, [], out, updates=updates)
    assert [r.tolist() for r in f()] == [[1, 3, 7, 15], [10] * 4, [3] * 4]
    assert s.get_value() == 31


@MODES
def test_branches_use_one_draw(mode: str | None) -> None:
    stream, c, v = RandomStream(2), at.bscalar("c"), at.dvector("v")
    u = stream.normal()
    chosen = gradc.ifelse(c, u, -u)
    loop, _ = gradc.scan(lambda a: gradc.ifelse(a > 1, chosen, u) * a, sequences=v)
    f, numbers = compiled(mode, [c, v], [chosen, u, loop]), k_th(2, 0)
    for flag in (1, 0, 1):
        n = numbers.normal()
        sign = 1 if flag else -1
        got = f(flag, V)
        assert got[0] == sign * n and got[1] == n
        np.testing.assert_array_equal(got[2], np.where(V > 1, sign * n, n) * V)


@MODES
def test_an_op_from_a_graph_takes_draws_from_outside(mode: str | None) -> None:
    stream, x, v = RandomStream(5), at.dscalar("x"), at.dvector("v")
    u = stream.normal()
    op = OpFromGraph([x], [u * x ** 2])
    out, updates = gradc.scan(lambda a: (op(a), gradc.grad(op(a), a)), sequences=v)
    assert not updates
    f, numbers = compiled(mode, [v], [*out, op(v[0])]), k_th(5, 0)
    for _ in range(2):
        n = numbers.normal()
        got = f(V)
        np.testing.assert_allclose(got[0], n * V ** 2, rtol=1e-15)
        np.testing.assert_allclose(got[1], 2 * n * V, rtol=1e-15)
        np.testing.assert_allclose(got[2], n * V[0] ** 2, rtol=1e-15)
    with pytest.raises(MissingInputError, match=r"v of type .* is not among the inputs"):
        OpFromGraph([x], [x * normal(v[0], rng=gradc.shared(np.random.default_rng()))])


@MODES
def test_the_mask_of_a_recurrent_net(mode: str | None) -> None:
    """Dropout with one mask for all steps: states and the gradient by the weights, which sees the same mask."""
    stream, w, xs = RandomStream(11), at.dmatrix("w"), at.dmatrix("xs")
    mask = stream.binomial(1, 0.5, size=(3,)).astype("float64")
    hs, updates = gradc.scan(lambda x, h: at.tanh(x + at.dot(h * mask, w)), xs, at.zeros(3))
    g = gradc.grad((hs ** 2).sum(), w)
    f = compiled(mode, [w, xs], [hs, g, mask], updates=updates)
    draw, rng = k_th(11, 0), np.random.default_rng(0)
    W, X = rng.normal(size=(3, 3)), rng.normal(size=(4, 3))

    def loss(W: Any, m: Any) -> Any:
        h, seen = np.zeros(3), []
        for x in X:
            h = np.tanh(x + (h * m) @ W)
            seen.append(h)
        return np.array(seen)

    for _ in range(2):
        m = draw.binomial(1, 0.5, size=3)
        states, slope, used = f(W, X)
        np.testing.assert_array_equal(used, m)
        np.testing.assert_allclose(states, loss(W, m), rtol=1e-12)
        for i, j in np.ndindex(3, 3):
            E = np.zeros((3, 3), complex)
            E[i, j] = 1e-30j
            np.testing.assert_allclose(slope[i, j], (loss(W + E, m) ** 2).sum().imag / 1e-30, rtol=1e-11, atol=1e-14)


@MODES
def test_gradients_in_a_step_see_the_draws_of_what_they_differentiate(mode: str | None) -> None:
    """Rows of y are w * a * a draw, made in a loop, so the derivative of each by w is the row by w."""
    stream, w, v = RandomStream(9), at.dscalar("w"), at.dvector("v")
    y, updates = gradc.scan(lambda a: w * a * stream.normal(), sequences=v)
    rows, more = gradc.scan(lambda i: gradc.grad(y[i], w), sequences=at.arange(3))
    assert not more
    f = compiled(mode, [w, v], [y, rows, gradc.gradient.jacobian(y, w)], updates=updates)
    numbers = k_th(9, 0)
    for _ in range(2):
        n = numbers.normal(size=3)
        for got, scale in zip(f(2.0, V), (2.0, 1.0, 1.0)):
            np.testing.assert_allclose(got, scale * V * n, rtol=1e-14)


@MODES
def test_what_a_step_copies_it_makes(mode: str | None) -> None:
    """`clone_replace` in a step: what is copied is made there, what is left as it is was made outside."""
    v, x, s = at.dvector("v"), at.dscalar("x"), gradc.shared(10.0, name="s")
    u = RandomStream(7).normal()
    template = x * s + u
    out, updates = gradc.scan(lambda a: (gradc.clone_replace(template, {x: a}), {s: s + 1}), sequences=v)
    got = compiled(mode, [v], out, updates=updates)(V)
    np.testing.assert_allclose(got, V * [10, 11, 12] + k_th(7, 0).normal(), rtol=1e-15)


@MODES
@pytest.mark.filterwarnings("ignore:the updates that scan returned")
def test_loops_that_derivatives_build_in_a_step(mode: str | None) -> None:
    """A user's gradient that is a loop itself: what its step makes is made in that step."""
    s, v, x = gradc.shared(1.0, name="s"), at.dvector("v"), at.dscalar("x")

    def override(inputs: Any, cotangents: Any) -> Any:
        total, _ = gradc.scan(lambda h: (h * s, {s: s + 1}), outputs_info=[cotangents[0]], n_steps=3)
        return [total[-1]]

    op = OpFromGraph([x], [x + 0], grad_overrides=override)
    out, _ = gradc.scan(lambda a: gradc.grad(op(a), a), sequences=v)
    got = compiled(mode, [v], out, no_default_updates=True)(V)
    np.testing.assert_array_equal(got, [6, 6, 6])


def test_old_values_of_what_a_step_updates_are_warned_of() -> None:
    w, x = gradc.shared(3.0, name="w"), at.dscalar("x")
    loss = (w * x) ** 2
    zero = at.zeros_like(w)
    with pytest.warns(GradcWarning, match=r"the step updates w, but uses the result of mul \(.*test_made_outside.py:"):
        out, updates = gradc.scan(lambda: (loss, {w: w - 1}), n_steps=3)
    f = gradc.function([x], out, updates=updates)
    assert f(2.0).tolist() == [36, 36, 36] and w.get_value() == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gradc.scan(lambda a: (a, {w: w - 1}), non_sequences=loss, n_steps=3)
        gradc.scan(lambda: (w + zero, {w: w - 1}), n_steps=3)
        gradc.scan(lambda: ((w * x) ** 2, {w: w - 1}), n_steps=3)


def test_strict_names_what_was_made_outside() -> None:
    v, u = at.dvector("v"), RandomStream(1).normal()
    u.name = "noise"
    with pytest.raises(MissingInputError, match=r"the step uses noise \(.*test_made_outside.py:"):
        gradc.scan(lambda a: u * a, sequences=v, strict=True)
    gradc.scan(lambda a, u: 2 * u * a + at.arange(3)[0], sequences=v, non_sequences=u, strict=True)
