"""Random expressions where faults were found in use: ties, zeros, guards, draws outside of loops, other outputs, odd
names, float32.

Values are small multiples of 1/2, so that many are equal and many 0, and conditions are exact whatever computes them.
A cost and its derivatives in C are what the interpreter gives without passes, whoever else is computed; forward and
reverse mode agree, at ties too, and no branch that is not taken makes nan.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.gradient import Rop, grad
from gradc.tensor.random import RandomStream
from tests.seeds import seeds

ORACLE = gradc.Mode("interpret", None)
NAMES = ("σ", "j", "exp_v", "-a", "DBL_MAX", "数据", "x*/", "lane", "_1", "restrict", "first_v", "sqrtf", "add_lanes_1")
NUMBERS = (-1.0, -0.5, 0.0, 0.0, 0.5, 1.0, 1.0, 2.0)
N = 5
Build = Callable[..., Any]

# Of two vectors with exact elements, exact again.
EXACT: dict[str, Build] = {
    "sum": lambda x, y: x + y, "difference": lambda x, y: x - y, "double": lambda x, y: 2 * x,
    "abs": lambda x, y: abs(x),
    "maximum": at.maximum, "minimum": at.minimum, "clip": lambda x, y: at.clip(x, y, 1),
    "sort": lambda x, y: at.sort(x),
    "reversed": lambda x, y: x[::-1], "cumsum": lambda x, y: at.cumsum(x), "relu": lambda x, y: at.nnet.relu(x),
    "switch": lambda x, y: at.switch(x > y, x, y), "put": lambda x, y: at.set_subtensor(x[:2], y[1:3]),
    "gathered": lambda x, y: x[at.argsort(y)], "less the largest": lambda x, y: x - x.max()}
# Of two such vectors.  Each is finite, but not what stands in a branch that is not taken.
SMOOTH: dict[str, Build] = {
    "tanh": lambda x, y: at.tanh(x), "product": lambda x, y: x * y, "cumprod": lambda x, y: at.cumprod(x),
    "prod": lambda x, y: at.prod(x) * y, "share": lambda x, y: at.softmax(x) * y, "bell": lambda x, y: at.exp(-x**2),
    "logaddexp": at.logaddexp, "hypot": at.hypot, "norm": lambda x, y: at.linalg.norm(x) * y,
    "std": lambda x, y: x.std() * y,
    "largest": lambda x, y: x.max() * y, "at the largest": lambda x, y: x[at.argmax(x)] * y,
    "median": lambda x, y: at.median(x) * y,
    "spread": lambda x, y: at.ptp(x) * y, "power": lambda x, y: x**2 * y**3,
    "outer": lambda x, y: at.outer(x, y).max(axis=0)}
GUARDED: dict[str, Build] = {
    "root": lambda x, y: at.switch(x > 0, at.sqrt(x), 0), "log": lambda x, y: at.switch(x <= 0, y, at.log(x)),
    "quotient": lambda x, y: at.switch(at.eq(y, 0), x, x / y),
    "sinc": lambda x, y: at.switch(at.neq(x, 0), at.sin(x) / x, 1),
    "entropy": lambda x, y: at.switch(x > 0, x * at.log(x), 0), "power": lambda x, y: at.where(x > 0, x**y, y),
    "rows": lambda x, y: at.switch(x.min() > 0, at.log_softmax(at.log(x)), y),
    "inner": lambda x, y: at.switch(x > 0, at.sqrt(at.switch(y > 0, y, 1)) * at.log(at.switch(x > 0, x, 2)), y)}


class Maker:
    """One random cost and what it is made of; `kinds` says what was drawn."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.dtype = self.pick(("float64", "float64", "float32"))
        self.kinds = {self.dtype}
        self.stream = RandomStream(seed)
        self.updates: dict[Any, Any] = {}
        names = self.rng.choice(NAMES, 2, replace=False)
        shape = self.pick(((None,), (N,)))
        self.inputs = [at.tensor(dtype=self.dtype, shape=shape, name=str(name)) for name in names]
        self.exact = list(self.inputs)
        self.outside = [self.draw(), self.draw()]
        self.values = [*self.inputs, *self.outside]

    def pick(self, values: Any) -> Any:
        return values[self.rng.integers(len(values))]

    def draw(self) -> Any:
        """A random number, or one for each element, made outside of all loops."""
        draw = self.pick((self.stream.normal, self.stream.uniform))
        return draw(size=self.pick(((), (N,))), dtype=self.dtype)

    def vector(self) -> Any:
        kind = self.pick(("exact", "exact", "smooth", "guarded", "guarded", "loop", "branch"))
        x, y = self.pick(self.exact), self.pick(self.exact)
        match kind:
            case "exact":
                name = self.pick(list(EXACT))
                made = EXACT[name](x, y)
                self.exact.append(made)
            case "smooth" | "guarded":
                table = SMOOTH if kind == "smooth" else GUARDED
                name = self.pick(list(table))
                made = table[name](x, y)
            case "loop":
                name, made = self.loop(x, self.pick(self.values))
            case _:
                name = "ifelse"
                made = gradc.ifelse(x.max() > y.max(), self.pick(self.outside) * x, y)
        self.kinds.add(f"{kind}: {name}")
        return at.cast(made, self.dtype)

    def loop(self, x: Any, other: Any) -> tuple[str, Any]:
        """Steps that use what was drawn outside, and may draw themselves."""
        u, name = self.pick(self.outside), self.pick(("map", "scan", "drawn", "guard"))
        if name == "map":
            return name, gradc.map(lambda a: (at.tanh(a) * u).sum(), x)[0]
        if name == "scan":
            return name, gradc.scan(lambda a, h: at.tanh(h) + a * u, x, at.zeros_like(other * u))[0][-1] + x
        if name == "guard":
            return name, gradc.scan(lambda a, h: at.switch(a > 0, at.sqrt(a) * u, h), x,
                                    at.zeros_like(x * u))[0].sum(axis=0)
        made, updates = gradc.scan(lambda a: (a * u).sum() + self.stream.normal(dtype=self.dtype), x)
        self.updates.update(updates)
        return name, made

    def outputs(self) -> tuple[list[Any], list[Any]]:
        """The cost with its derivatives, and others."""
        for _ in range(self.rng.integers(2, 6)):
            self.values.append(self.vector())
        last = self.values[-min(len(self.values), 3):]
        cost = sum((at.nnet.softsign(v - 0.25 * k).sum() for k, v in enumerate(last)),
                   at.constant(0.0, dtype=self.dtype))
        ones = [at.ones_like(x) for x in self.inputs]
        g = grad(cost, self.inputs, disconnected_inputs="ignore")
        tangent = Rop(cost, self.inputs, ones, disconnected_outputs="ignore")
        others = [v for v in self.values[2:] if self.rng.random() < 0.5]
        return [cost, *g, tangent, sum((v.sum() for v in g), at.constant(0.0, dtype=self.dtype))], others


def agrees(seed: int) -> set[str]:
    maker = Maker(seed)
    own, others = maker.outputs()
    states = [state for state, _ in maker.stream.updates()]
    before = [state.get_value() for state in states]
    numbers = [maker.rng.choice(NUMBERS, N).astype(maker.dtype) for _ in maker.inputs]
    results = []
    for outputs, mode in (([*own, *others], ORACLE), ([*own, *others], None), (own, None)):
        for state, value in zip(states, before):
            state.set_value(value)
        f = gradc.function(maker.inputs, outputs, updates=maker.updates, mode=mode, on_unused_input="ignore")
        results.append(f(*numbers))
    tolerance = 2e-9 if maker.dtype == "float64" else 2e-3
    wanted = results[0]
    assert all(np.isfinite(w).all() for w in wanted), [w for w in wanted if not np.isfinite(w).all()]
    for found in results[1:]:
        for k, (a, b) in enumerate(zip(found, wanted)):
            assert np.asarray(a).dtype == np.asarray(b).dtype
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance, err_msg=f"output {k}")
    tangent, along = wanted[3:5]
    np.testing.assert_allclose(tangent, along, rtol=tolerance, atol=10 * tolerance)
    ties = any(len(set(x.tolist())) < N for x in numbers)
    drawn = {"ties": ties, "zeros": any((x == 0).any() for x in numbers), "others": others}
    return maker.kinds | {kind for kind, there in drawn.items() if there} | {x.name for x in maker.inputs}


@pytest.mark.parametrize("seed", seeds(0, 3, 150))
def test_ties_guards_and_draws(seed: int) -> None:
    agrees(seed)


def test_seeds_draw_every_kind() -> None:
    kinds: set[str] = set()
    for seed in range(200):
        maker = Maker(seed)
        for _ in range(4):
            maker.values.append(maker.vector())
        kinds |= maker.kinds | {x.name for x in maker.inputs}
    loops = {f"loop: {name}" for name in ("map", "scan", "drawn", "guard")}
    tables = (("exact", EXACT), ("smooth", SMOOTH), ("guarded", GUARDED))
    assert kinds == {"float64", "float32", "branch: ifelse", *loops, *NAMES,
                     *[f"{kind}: {name}" for kind, table in tables for name in table]}
