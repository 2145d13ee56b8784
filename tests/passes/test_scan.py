"""Passes on loops: values by the interpreter before and after, and what is left of the loops."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import gradc.tensor as at
from gradc.control.bodies import close
from gradc.errors import IndexOutOfBoundsError
from gradc.ir import interp, ops
from gradc.ir.convert import to_program
from gradc.ir.graph import apply
from gradc.ir.pretty import pretty
from gradc.ir.program import Eqn, Program
from gradc.passes.phases import optimize

RNG = np.random.default_rng(3)


def scan(step: Callable[..., Any], steps: Any, seqs: Sequence[Any] = (), inits: Sequence[Any] = (), until: bool = False,
         limit: Any = None, reverse: bool = False) -> list[Any]:
    """A loop of expressions: `step` is given rows and carries and returns next carries, rows (and when to stop)."""
    rows = [x.type.clone(shape=x.type.shape[1:])() for x in seqs]
    carries = [x.type() for x in inits]
    made = list(step(*rows, *carries))
    closed = close([*rows, *carries], made)
    op = ops.Scan(closed.program, len(seqs), len(inits), until, reverse, limit is not None)
    outs = apply(op, steps, *([] if limit is None else [limit]), *seqs, *inits, *closed.others)
    return list(outs) if isinstance(outs, (list, tuple)) else [outs]


def same(inputs: Sequence[Any], outputs: Sequence[Any], *runs: Sequence[Any]) -> Program:
    """The optimised Program; for each list of values it must give what the literal one gives, errors included."""
    before = to_program(inputs, outputs).program
    after = optimize(before, checked=True)
    for values in runs:
        given = [np.asarray(x, v.type.dtype) for x, v in zip(values, inputs)]
        try:
            want = interp.evaluate(before, given)
        except Exception as error:
            with pytest.raises(type(error)):
                interp.evaluate(after, given)
            continue
        for w, g in zip(want, interp.evaluate(after, given)):
            assert w.shape == g.shape and w.dtype == g.dtype, pretty(after)
            np.testing.assert_allclose(g, w, rtol=1e-11, atol=1e-13, err_msg=pretty(after))
    return after


def loops(program: Program) -> list[Eqn]:
    return [eqn for eqn in program.eqns if type(eqn.op) is ops.Scan]


def kinds(program: Program) -> list[str]:
    return [str(eqn.op) for eqn in program.eqns if type(eqn.op) is not ops.Constant]


N, X, M = at.lscalar("n"), at.dvector("x"), at.dmatrix("m")
A, B = at.dscalar("a"), at.dscalar("b")
V, XS, MS = RNG.normal(size=4), RNG.normal(size=7), RNG.normal(size=(7, 4))


# ------------------------------------------------------------------------------------------------ what is carried


def test_what_serves_no_result_is_dropped() -> None:
    def step(x: Any, m: Any, s: Any, p: Any, q: Any) -> Any:
        return at.tanh(s * A + x), p + m.sum() + q, q * B, s, at.exp(p)

    h = scan(step, N, [X, M], [A, A + 1, A + 2])
    loop, = loops(same([N, X, M, A, B], [h[0]], (6, XS, MS, 0.5, 0.1), (0, XS, MS, 0.5, 0.1)))
    assert (loop.op.n_seqs, loop.op.n_carries, loop.op.n_stacked) == (1, 1, 0)
    assert len(loop.args) == 4


def test_equal_values_are_carried_once() -> None:
    """Three carries, two of which only take turns; the same sequence twice, the same other twice."""
    def step(x: Any, y: Any, s: Any, p: Any, q: Any) -> Any:
        return at.sin(p) * A + x, at.sin(q) * A + y, at.sin(s) * A + x

    outs = scan(step, N, [X, X], [B, B, B])
    after = same([N, X, A, B], outs, (6, XS, 0.5, 0.1))
    loop, = loops(after)
    assert (loop.op.n_seqs, loop.op.n_carries) == (1, 1)
    assert after.outputs[0] is after.outputs[1] is after.outputs[2]


def test_carries_that_part_later_stay_apart() -> None:
    outs = scan(lambda x, s, p, q, r: (s + 1, p + 1, at.sin(q) + s, at.sin(r) + 2 * p), N, [X], [B, B, B, B])
    loop, = loops(same([N, X, B], outs, (6, XS, 0.1)))
    assert loop.op.n_carries == 3


def test_a_carry_that_stays_the_same_is_a_value_from_outside() -> None:
    outs = scan(lambda x, s, w: (at.tanh(s * w + x), w, w), N, [X], [A, B])
    after = same([N, X, A, B], [outs[0], outs[1]], (6, XS, 0.5, 0.1), (0, XS, 0.5, 0.1))
    loop, = loops(after)
    assert loop.op.n_carries == 1
    assert after.outputs[1] is after.inputs[3]


def test_constants_enter_the_body() -> None:
    ones, zeros = at.ones((N,)), at.zeros((4,))
    outs = scan(lambda g, m, s: (at.tanh(s) * g + zeros * m,), N, [ones, M], [at.zeros_like(M[0])])
    loop, = loops(same([N, M], outs, (7, MS)))
    assert next(str(e.op) for e in loop.op.body.eqns if type(e.op) is ops.Map) == "tanh"
    assert loop.op.n_seqs == 1      # m, for 0 * m is nan where m is inf


def test_rows_by_position_are_a_sequence() -> None:
    outs = scan(lambda t, s: (at.tanh(s + M[t, 1] + X[t]), s), N, [at.arange(N)], [A])
    after = same([N, X, M, A], outs, (5, XS, MS, 0.1), (7, XS, MS, 0.1), (8, XS, MS, 0.1), (0, XS, MS, 0.1))
    loop, = loops(after)
    assert loop.op.n_seqs == 2 and not any(type(e.op) is ops.Slice and len(e.args) > 1 for e in loop.op.body.eqns)


# ------------------------------------------------------------------------------------------------ results


def test_the_last_row_of_the_states_is_the_carry() -> None:
    def step(x: Any, s: Any) -> Any:
        new = at.tanh(s * A + x)
        return new, new

    _, rows = scan(step, N, [M], [X])
    after = same([N, M, X, A], [rows[-1, 0], rows[-1]], (6, MS, V, 0.5), (1, MS, V, 0.5), (0, MS, V, 0.5))
    loop, = loops(after)
    assert (loop.op.n_carries, loop.op.n_stacked) == (1, 0)


def test_the_last_row_of_anything_is_a_carry() -> None:
    _, rows, old = scan(lambda x, s: (at.tanh(s * A + x), at.exp(s[1:]) - x[1:], s), N, [M], [X])
    after = same([N, M, X, A], [rows[-1], old[-1]], (6, MS, V, 0.5), (1, MS, V, 0.5))
    loop, = loops(after)
    assert (loop.op.n_carries, loop.op.n_stacked) == (3, 0)


def test_a_last_row_of_no_steps_is_an_error() -> None:
    _, rows = scan(lambda x, s: (s + x, s * x), N, [X], [A])
    after = optimize(to_program([N, X, A], [rows[-1]]).program, checked=True)
    assert loops(after)[0].op.n_stacked == 0
    with pytest.raises(IndexOutOfBoundsError, match="index -1 is out of bounds for dimension 0 of size 0"):
        interp.evaluate(after, [np.asarray(0), XS, np.asarray(1.0)])


def test_the_last_row_before_the_end() -> None:
    def step(x: Any, s: Any) -> Any:
        new = at.tanh(s * A + x)
        return new, new, at.gt(new, 0.2)

    _, rows, count = scan(step, N, [X], [B], until=True)
    after = same([N, X, A, B], [rows[:count][-1], count], (6, XS, 0.5, 0.1), (1, XS, 0.5, 0.1), (0, XS, 0.5, 0.1))
    assert loops(after)[0].op.n_stacked == 0


def test_a_cotangent_of_the_last_row_enters_the_carry() -> None:
    cot = at.set_subtensor(at.zeros((N, 4))[-1], at.tanh(X))
    g, xs = scan(lambda c, m, g: ((g + c) * m, (g + c) * at.exp(m)), N, [cot, M], [at.zeros(4)], reverse=True)
    after = same([N, M, X], [g, xs], (6, MS, V), (1, MS, V))
    loop, = loops(after)
    assert loop.op.n_seqs == 1 and "set_subtensor" not in " ".join(kinds(after))


# ------------------------------------------------------------------------------------------------ siblings


def test_a_loop_and_the_same_with_more_rows_are_one() -> None:
    def first(x: Any, s: Any) -> Any:
        new = at.tanh(s * A + x)
        return new, new

    def again(y: Any, c: Any) -> Any:
        new = at.tanh(c * A + y)
        return new, c, at.square(new) - y

    _, h = scan(first, N, [M], [X])
    g = at.exp(h[0])            # between the two loops, of the first
    last, old, more = scan(again, N, [M], [X])
    after = same([N, M, X, A], [g, h, last, old, more], (6, MS, V, 0.5), (1, MS, V, 0.5))
    loop, = loops(after)
    assert loop.op.n_carries == 1


def test_a_loop_over_the_results_of_another_stays_apart() -> None:
    _, h = scan(lambda x, s: (s + x, s + x), N, [X], [A])
    _, g = scan(lambda x, s: (s + x, s + x), N, [h], [A])
    assert len(loops(same([N, X, A], [h, g], (6, XS, 0.5)))) == 2


def test_loops_with_an_end_are_merged_if_it_is_the_same() -> None:
    def step(more: Any, most: Any) -> Any:
        def inner(x: Any, s: Any) -> Any:
            new = at.tanh(s * A + x)
            return new, more(new), at.gt(new, most)
        return inner

    one, two, other = [scan(step(f, m), N, [X], [B], until=True)
                       for f, m in ((at.exp, 0.2), (at.square, 0.2), (at.square, 0.3))]
    inputs, values = [N, X, A, B], (7, XS, 0.5, 0.1)
    assert len(loops(same(inputs, [one[1], one[2], two[1], two[2]], values))) == 1
    assert len(loops(same(inputs, [one[1], one[2], other[1], other[2]], values))) == 2
