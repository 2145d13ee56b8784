"""Random loops and branches that draw random numbers: C, with all passes, against the interpreter without any."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.scan.utils import until
from gradc.tensor.random import RandomStream
from tests.seeds import seeds

ORACLE = gradc.Mode("interpret", None)


class Maker:
    """Expressions of what is at hand, drawn from a seed; each distribution with parameters that it takes."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.stream = RandomStream(seed)
        self.updates: dict[Any, Any] = {}       # of the loops in the step at hand

    def pick(self, values: list[Any]) -> Any:
        return values[self.rng.integers(len(values))]

    def size(self, n: Any) -> Any:
        return self.pick([None, (), (3,), (2, 3), (n,), 1])

    def draw(self, values: list[Any], n: Any) -> Any:
        """A scalar or array of random numbers, some with parameters of what is at hand."""
        x = self.pick(values)
        stream, size = self.stream, self.size(n)
        scalar = x if x.ndim == 0 else x.sum()
        kind = self.rng.integers(12)
        if kind == 0:
            return stream.normal(at.tanh(scalar), 1.0, size=size)
        if kind == 1:
            return stream.uniform(-1.0, 1 + at.tanh(x) ** 2)
        if kind == 2:
            return at.cast(stream.integers(-3, 4, size=size), "float64")
        if kind == 3:
            return stream.bernoulli(at.sigmoid(x)) * 1.0
        if kind == 4:
            return stream.poisson(2.5, size=size, dtype="float64")
        if kind == 5:
            return at.cast(stream.exponential(0.5, size=size, dtype="float32"), "float64")
        if kind == 6:
            return stream.gamma(1.5, 1 + at.tanh(scalar) ** 2, size=size)
        if kind == 7:
            return stream.t(3.5, at.tanh(scalar), 1.0, size=size)
        if kind == 8:
            return stream.dirichlet(1 + at.tanh(at.stack([scalar, -scalar, 0.5 * scalar])) ** 2)
        if kind == 9:
            return at.cast(stream.choice(9, 3, replace=bool(self.rng.integers(2))), "float64") / 9
        if kind == 10:
            return stream.permutation(x) if x.ndim else stream.beta(1.5, 1 + at.tanh(x) ** 2, size=size)
        return stream.standard_normal(size=size)

    def mix(self, values: list[Any], n: Any, depth: int = 0) -> Any:
        """A scalar of what is at hand and of draws."""
        parts = []
        for _ in range(self.rng.integers(1, 4)):
            kind = self.rng.integers(6 if depth < 2 else 4)
            x = self.pick(values)
            if kind <= 1:
                d = self.draw(values, n)
                values.append(d)
                parts.append(at.tanh(d).sum())
            elif kind == 2:
                parts.append(at.sin(x).sum())
            elif kind == 3:
                parts.append((x * 0.25).sum())
            elif kind == 4:
                c = at.gt(self.pick(values).sum(), 0.1)
                parts.append(gradc.ifelse(c, at.tanh(self.draw(values, n)).sum(), at.cos(x).sum()))
            else:
                parts.append(self.loop(values, n, depth + 1)[-1])
        return 0.5 * sum(parts[1:], parts[0])

    def loop(self, values: list[Any], n: Any, depth: int = 0) -> Any:
        """The states of a loop, from a scalar of what is at hand; it may stop, and have a second result."""
        stops = bool(self.rng.integers(4) == 0)
        start = 0.1 * self.pick(values).sum()
        outer = [v for v in values if v.ndim == 0][:2]
        steps = self.pick([n, 3, 4])

        def step(h: Any, *others: Any) -> Any:
            outside, self.updates = self.updates, {}
            made = at.tanh(self.mix([h, *others], n, depth)) + 0.5 * h
            inside, self.updates = self.updates, outside
            return (made, inside, until(abs(made) > 1.2)) if stops else (made, inside)

        hs, updates = gradc.scan(step, outputs_info=start, non_sequences=outer, n_steps=steps)
        self.updates.update(updates)
        return hs

    def program(self) -> tuple[list[Any], list[Any]]:
        x, v, n = at.dscalar("x"), at.dvector("v"), at.lscalar("n")
        hs = self.loop([x, v], n)
        return [x, v, n], [hs, hs[-1] * 2, self.mix([x, v], n, 2)]


@pytest.mark.parametrize("seed", seeds(0, 15, 40))
def test_loops_that_draw_in_c_as_in_the_interpreter(seed: int) -> None:
    maker = Maker(seed)
    inputs, outputs = maker.program()
    options = {"updates": maker.updates, "on_unused_input": "ignore"}
    f = gradc.function(inputs, outputs, **options)
    assert f.info["mode"] == "c", f.info
    oracle = gradc.function(inputs, outputs, mode=ORACLE, **options)
    states = [s for s, _ in maker.stream.updates()]
    args = (0.3, np.array([0.5, -1.0, 0.25]), 5)
    before = [s.get_value() for s in states]
    for _ in range(2):
        made = f(*args)
        after = [s.get_value() for s in states]
        for s, g in zip(states, before):
            s.set_value(g)
        wanted = oracle(*args)
        for a, b in zip(made, wanted):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
        for s, g in zip(states, after):
            assert s.get_value(borrow=True).bit_generator.state == g.bit_generator.state
        before = after
