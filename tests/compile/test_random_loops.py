"""Random numbers drawn by loops and branches of kernels: NumPy's bits and states."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.config import config
from gradc.errors import ExecutionError
from gradc.tensor.random import RandomStream, bernoulli, integers, normal, uniform
from tests.compile.test_random import after, k_th, native, rng, states_equal


def walk(steps: int) -> tuple[Any, Any, Any]:
    """A walk h' = a h + 0.5 e, and the state after it."""
    a, stream = at.dscalar("a"), RandomStream(3)
    hs, updates = gradc.scan(lambda h, a: a * h + stream.normal(0.0, 0.5), outputs_info=[at.constant(np.array(0.25))],
                             non_sequences=a, n_steps=steps)
    return a, hs, updates


def test_a_loop_that_draws() -> None:
    a, hs, updates = walk(50)
    f = native([a], hs, updates=updates)
    want = k_th(3, 0)
    for _ in range(2):
        h, path = 0.25, []
        for e in want.normal(0.0, 0.5, 50):
            h = 0.9 * h + e
            path.append(h)
        np.testing.assert_array_equal(f(0.9), path)
        assert states_equal(next(iter(updates)).get_value(), want)
    g = gradc.function([a], hs, updates=updates, mode="interpret")
    state = next(iter(updates))
    before = state.get_value()
    first = f(0.5)
    state.set_value(before)
    np.testing.assert_array_equal(g(0.5), first)


def test_the_gradient_of_a_loop_that_draws() -> None:
    a, hs, _ = walk(20)
    f = native([a], [hs[-1], gradc.grad(hs[-1], a)], no_default_updates=True)
    e = k_th(3, 0).normal(0.0, 0.5, 20)

    def last(a: complex) -> complex:
        h: complex = 0.25
        for x in e:
            h = a * h + x
        return h

    value, slope = f(0.7)
    np.testing.assert_allclose(value, last(0.7))
    np.testing.assert_allclose(slope, by_complex_step(last, 0.7), rtol=1e-12)


def by_complex_step(function: Any, x: float) -> float:
    return float(function(x + 1e-30j).imag / 1e-30)


@pytest.mark.parametrize("mode", [None, "interpret"])
@pytest.mark.parametrize("limit", [0, 40])
def test_gradients_in_blocks_draw_the_same_numbers_again(limit: int, mode: str | None,
                                                         monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the states of all steps take more than `limit` bytes (0: any number), steps are run again in blocks."""
    monkeypatch.setattr(config, "checkpoint_bytes", limit)
    a, stream, n = at.dscalar("a"), RandomStream(7), at.lscalar("n")

    def step(h: Any, a: Any) -> Any:
        return at.tanh(a * h) + h * stream.normal() * stream.uniform(0.5, 1.0)

    hs, updates = gradc.scan(step, outputs_info=at.ones(()), non_sequences=a, n_steps=n)
    f = gradc.function([a, n], gradc.grad(hs[-1], a), mode=mode, updates=updates)
    e, u = k_th(7, 0), k_th(7, 1)
    for steps in (40, 3, 41):
        noise = e.normal(size=steps) * u.uniform(0.5, 1.0, steps)

        def last(a: complex, noise: np.ndarray = noise) -> complex:
            h: complex = 1.0
            for x in noise:
                h = np.tanh(a * h) + h * x
            return h

        np.testing.assert_allclose(f(0.6, steps), by_complex_step(last, 0.6), rtol=1e-11)
        for s, g in zip([s for s, _ in stream.updates()], (e, u)):
            assert states_equal(s.get_value(), g)
    if mode is None and limit:
        scratch = []
        for steps in (1_000, 100_000):
            f(0.6, steps)
            scratch.append(int(f.info["scratch"]))
        assert scratch[1] < 15 * scratch[0]                 # the root of the number of steps


@pytest.mark.parametrize("mode", [None, "interpret"])
def test_gradients_draw_the_same_numbers_again(mode: str | None) -> None:
    """Of loops in loops and of loops with checkpoints, whose steps are run a second time."""
    a, stream, n = at.dscalar("a"), RandomStream(6), at.lscalar("n")

    def inner(h: Any, a: Any) -> Any:
        return at.tanh(a * h) + h * stream.normal()

    def outer(h: Any, a: Any) -> Any:
        hs, updates = gradc.scan(inner, outputs_info=h, non_sequences=a, n_steps=4)
        return hs[-1], updates

    start = at.ones(())
    nested, _ = gradc.scan(outer, outputs_info=start, non_sequences=a, n_steps=n)
    saved, _ = gradc.scan_checkpoints(inner, outputs_info=start, non_sequences=a, n_steps=4 * n, save_every_N=5)
    plain, _ = gradc.scan(inner, outputs_info=start, non_sequences=a, n_steps=4 * n)
    assert len(stream.state_updates) == 3
    f = gradc.function([a, n], [gradc.grad(hs[-1], a) for hs in (nested, saved, plain)], mode=mode,
                       no_default_updates=True)
    assert mode or f.info["mode"] == "c"
    for k, slope in enumerate(f(0.6, 3)):
        e = k_th(6, k).normal(size=12)

        def last(a: complex, e: np.ndarray = e) -> complex:
            h: complex = 1.0
            for x in e:
                h = np.tanh(a * h) + h * x
            return h

        np.testing.assert_allclose(slope, by_complex_step(last, 0.6), rtol=1e-11)
    curved = gradc.function([a, n], gradc.grad(gradc.grad(nested[-1], a), a), mode=mode, no_default_updates=True)
    slope = gradc.function([a, n], gradc.grad(nested[-1], a), mode=mode, no_default_updates=True)
    want = (slope(0.6 + 1e-5, 2) - slope(0.6 - 1e-5, 2)) / 2e-5
    np.testing.assert_allclose(curved(0.6, 2), want, rtol=1e-6)


def test_loops_of_vectors_and_loops_in_loops() -> None:
    stream, n = RandomStream(11), at.lscalar("n")
    xs = at.dmatrix("xs")

    def step(x: Any, h: Any) -> Any:
        return h + stream.normal(x, 0.1) + stream.uniform(size=(3,))

    hs, updates = gradc.scan(step, sequences=xs, outputs_info=[at.zeros(3)])
    data = np.arange(12.0).reshape(4, 3)
    f = native([xs], hs, updates=updates)
    first, second, h = k_th(11, 0), k_th(11, 1), np.zeros(3)
    for row, x in zip(f(data), data):
        h = h + first.normal(x, 0.1) + second.uniform(size=3)
        np.testing.assert_array_equal(row, h)

    stream = RandomStream(12)

    def outer(total: Any) -> Any:
        sums, updates = gradc.scan(lambda s: s + stream.normal(), outputs_info=[at.zeros(())], n_steps=n)
        return total + sums[-1], updates

    totals, updates = gradc.scan(outer, outputs_info=[at.zeros(())], n_steps=3)
    g, want = native([n], totals, updates=updates), k_th(12, 0)
    for steps in (5, 2):
        np.testing.assert_allclose(g(steps), np.cumsum(want.normal(size=(3, steps)).sum(1)))
        assert states_equal(next(iter(updates)).get_value(), want)


def test_loops_with_several_draws_a_step() -> None:
    """States handed on: by two draws in turn, by one of two that start alike, and to one another."""
    a, b, c, d = [gradc.shared(rng(k)) for k in range(4)]

    def step() -> Any:
        first = normal(rng=a)
        second = uniform(size=2, rng=after(first))
        twice, other = normal(rng=b), integers(0, 99, size=3, rng=b)
        left, right = normal(rng=c), uniform(rng=d)
        return [first, second, twice, other, left, right], {a: after(second), b: after(other), c: after(right),
                                                            d: after(left)}

    rows, updates = gradc.scan(step, n_steps=5)
    f = native([], rows, updates=updates)
    numbers = [rng(k) for k in range(4)]
    for _ in range(2):
        made = f()
        for t in range(5):
            like = np.random.Generator(np.random.PCG64())
            like.bit_generator.state = numbers[1].bit_generator.state
            want = [numbers[0].normal(), numbers[0].uniform(size=2), like.normal(), numbers[1].integers(0, 99, 3),
                    numbers[2].normal(), numbers[3].uniform()]
            numbers[2], numbers[3] = numbers[3], numbers[2]
            for row, expected in zip(made, want):
                np.testing.assert_array_equal(row[t], expected)
        assert all(states_equal(s.get_value(), g) for s, g in zip((a, b, c, d), numbers))


def test_a_loop_that_draws_until() -> None:
    """Rejection: uniform numbers until one is above 0.9."""
    stream = RandomStream(2)

    def step() -> Any:
        u = stream.uniform()
        return u, gradc.scan.utils.until(u > 0.9)

    us, updates = gradc.scan(step, n_steps=1000)
    f = native([], us, updates=updates)
    want = k_th(2, 0)
    for _ in range(4):
        expected = [want.uniform()]
        while expected[-1] <= 0.9:
            expected.append(want.uniform())
        np.testing.assert_array_equal(f(), expected)


def test_a_branch_that_draws() -> None:
    x, c = at.dscalar("x"), at.bscalar("c")
    state = gradc.shared(rng())
    draws = x + normal(rng=state)
    after = draws.owner.inputs[1].owner.outputs[0]
    f = native([x, c], gradc.ifelse(c, draws, x), updates={state: gradc.ifelse(c, after, state)})
    want = rng()
    for k in (0, 1, 1, 0, 1):
        assert f(1.0, k) == (1.0 + want.normal() if k else 1.0)
        assert states_equal(state.get_value(), want)
    bad = normal(0.0, -abs(x) - 1, rng=state)
    g = native([x, c], gradc.ifelse(c, x, bad))
    assert g(3.0, 1) == 3.0
    with pytest.raises(ExecutionError, match="scale < 0"):
        g(3.0, 0)


def test_a_million_steps_take_no_memory_for_states() -> None:
    stream = RandomStream(4)
    hs, updates = gradc.scan(lambda h: 0.99 * h + stream.standard_normal(), outputs_info=[at.zeros(())],
                             n_steps=1_000_000)
    f = native([], hs[-1], updates=updates)
    value = f()
    assert int(f.info["scratch"]) < 2000
    h = 0.0
    for e in k_th(4, 0).standard_normal(1_000_000).tolist():
        h = 0.99 * h + e
    assert value == pytest.approx(h, rel=1e-12)


def test_dropout_trains() -> None:
    """Masks of Bernoulli numbers inside a step with updates: each call draws new ones, the gradient sees the same."""
    stream, w = RandomStream(8), gradc.shared(np.ones(4))
    x = at.dmatrix("x")
    mask = stream.bernoulli(0.5, size=x.shape)
    loss = ((x * mask).dot(w) ** 2).sum()
    f = native([x], [loss, mask], updates=[(w, w - 0.01 * gradc.grad(loss, w))])
    data, want, weights = np.arange(12.0).reshape(3, 4) / 5, k_th(8, 0), np.ones(4)
    for _ in range(3):
        kept = data * want.binomial(1, 0.5, (3, 4))
        value, drawn = f(data)
        np.testing.assert_allclose(value, ((kept @ weights) ** 2).sum())
        np.testing.assert_array_equal(data * drawn, kept)
        weights = weights - 0.01 * 2 * kept.T @ (kept @ weights)
        np.testing.assert_allclose(w.get_value(), weights)


def test_one_draw_of_equal_ones() -> None:
    state = gradc.shared(rng())
    a, b = bernoulli(0.5, size=9, rng=state), bernoulli(0.5, size=9, rng=state)
    f = native([], a - b)
    assert f.c_source().count("frame->draw(") <= 1
    np.testing.assert_array_equal(f(), np.zeros(9))
