"""Random numbers that are drawn before a loop: NumPy's bits and states, and where they stay in the step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.errors import BadValueError
from gradc.ir import ops
from gradc.ir.convert import to_program
from gradc.ir.program import Program
from gradc.passes.phases import optimize
from gradc.scan.utils import until
from gradc.target import TARGET
from tests.compile.test_random import states_equal

START = at.constant(np.array(0.25))
MU, SIGMA = at.dscalars("mu", "sigma")
Loop = tuple[Any, Any, Any]         # rows, the variable that holds the state, the state after


def loop(draw: Callable[[Any, Any], Any], stops: bool = False, n_steps: int = 6, only_last: bool = False) -> Loop:
    """h' = h / 2 + what is drawn from a state that goes from step to step."""
    state = gradc.shared(np.random.default_rng(8))

    def step(h: Any) -> Any:
        made = draw(state, h)
        h = 0.5 * h + made.sum()
        return (h, {state: made.owner.outputs[0]}, *([until(h > 100.0)] if stops else []))
    hs, updates = gradc.scan(step, outputs_info=[START], n_steps=n_steps)
    return hs[-1] if only_last else hs, state, updates[state]


def drawn(made: Loop) -> tuple[int, int]:
    """How many draws stand before the loops of the optimised Program, and how many in their steps."""
    rows, state, after = made
    program = optimize(to_program([MU, SIGMA, state], [rows, after]), checked=True)

    def count(p: Program) -> int:
        return sum(type(eqn.op) is ops.Call and eqn.op.routine in ("normal", "gamma", "integers") for eqn in p.eqns)
    return count(program), sum(count(eqn.op.body) for eqn in program.eqns if type(eqn.op) is ops.Scan)


def normal(state: Any, h: Any) -> Any:
    return at.random.normal(MU, SIGMA, rng=state)


DRAWS: dict[str, tuple[Callable[[Any, Any], Any], Callable[[np.random.Generator, float], Any]]] = {
    "normal": (normal, lambda g, h: g.normal(1.5, 2.0)),
    "vector": (lambda state, h: at.random.normal(at.stack([MU, SIGMA]), SIGMA, size=(2,), rng=state),
               lambda g, h: g.normal([1.5, 2.0], 2.0)),
    "gamma": (lambda state, h: at.random.gamma(MU, 0.5, rng=state), lambda g, h: g.gamma(1.5, 2.0)),
    "integers": (lambda state, h: at.random.integers(0, 1000, rng=state), lambda g, h: g.integers(0, 1000)),
    "of the carry": (lambda state, h: at.random.normal(h, SIGMA, rng=state), lambda g, h: g.normal(h, 2.0)),
}


@pytest.mark.parametrize("name", DRAWS)
def test_draws_have_the_bits_of_those_of_each_step(name: str) -> None:
    draw, by_numpy = DRAWS[name]
    made = rows, state, after = loop(draw)
    assert drawn(made) == ((0, 1) if name == "of the carry" else (1, 0))
    f = gradc.function([MU, SIGMA], rows, updates={state: after}, mode="c", on_unused_input="ignore")
    want = np.random.default_rng(8)
    for _ in range(2):
        h, path = 0.25, []
        for _ in range(6):
            h = 0.5 * h + np.sum(by_numpy(want, h))
            path.append(h)
        np.testing.assert_allclose(f(1.5, 2.0), path, rtol=1e-14)
        assert states_equal(state.get_value(), want)


def test_a_gradient_through_draws_before_the_loop() -> None:
    f = gradc.function([MU, SIGMA], gradc.grad(loop(normal)[0][-1], [MU, SIGMA]), mode="c", no_default_updates=True)
    e, weights = np.random.default_rng(8).normal(size=6), 0.5 ** np.arange(6)[::-1]
    np.testing.assert_allclose(f(1.5, 2.0), [weights.sum(), weights @ e], rtol=1e-14)


def test_where_draws_stay_in_the_step() -> None:
    def many(state: Any, h: Any) -> Any:
        return at.random.normal(MU, SIGMA, size=(TARGET.vector,), rng=state)

    def twice(state: Any, h: Any) -> Any:
        return normal(normal(state, h).owner.outputs[0], h)
    assert drawn(loop(normal, stops=True)) == (0, 1)                    # numbers of steps that are not run
    assert drawn(loop(normal, n_steps=TARGET.drawn + 1, only_last=True)) == (0, 1)      # no rows of anything
    assert drawn(loop(normal, n_steps=TARGET.drawn, only_last=True)) == (1, 0)
    assert drawn(loop(twice)) == (0, 2)
    assert drawn(loop(many)) == (0, 1)


@pytest.mark.parametrize("mode", ["c", "interpret"])
def test_parameters_are_refused_before_the_first_step(mode: str) -> None:
    rows, state, after = loop(normal)
    f = gradc.function([MU, SIGMA], rows, updates={state: after}, mode=mode)
    with pytest.raises(BadValueError, match=r"scale < 0(.|\n)*test_scan_draws.py:\d+"):
        f(1.5, -2.0)
    assert states_equal(state.get_value(), np.random.default_rng(8))
