"""Passes on loops: values by the interpreter before and after, and what is left of the loops."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import gradc
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
    before = to_program(inputs, outputs)
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
    return [str(eqn.op) for eqn in program.eqns if type(eqn.op) is not ops.Const]


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
    after = optimize(to_program([N, X, A], [rows[-1]]), checked=True)
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


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("limited", [False, True])
def test_rows_that_leave_a_loop_are_0_where_it_did_not_run(reverse: bool, limited: bool) -> None:
    """Downwards the rows that were run are the last ones; a loop may stop before its limit."""
    def step(x: Any, s: Any) -> Any:
        return at.tanh(s) + 0.5, at.exp(x) + 1, at.gt(s, 0.9)

    limit = at.lscalar("limit")
    made = scan(step, N, [X], [A], until=True, reverse=reverse, limit=limit if limited else None)
    runs = [(n, XS, a, k) for n in (0, 1, 7) for a in (0.1, 1.0, -9.0) for k in (-2, 0, 5, 9)]
    after = same([N, X, A, limit], made, *runs)
    assert loops(after)[0].op.n_stacked == 0


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


# ------------------------------------------------------------------------------------------------ what leaves


W, U = at.dmatrix("w"), at.dmatrix("u")
WS, US = RNG.normal(size=(4, 3)), RNG.normal(size=(3, 3)) / 2


def inside(program: Program) -> list[str]:
    loop, = loops(program)
    return kinds(loop.op.body)


def test_products_with_a_matrix_are_one_product_before_the_loop() -> None:
    outs = scan(lambda x, h: (at.tanh(at.dot(x, W) + at.dot(h, U) + A),), N, [M], [X])
    after = same([N, M, X, W, U, A], outs, (7, MS, V[:3], WS, US, 0.1), (5, MS, V[:3], WS, US, 0.1),
                 (8, MS, V[:3], WS, US, 0.1), (0, MS, V[:3], WS, US, 0.1))
    assert inside(after).count("dot") == 1 and kinds(after).count("dot") == 1


def test_dear_functions_of_scalars_leave_the_loop_on_both_sides() -> None:
    def step(x: Any, h: Any) -> Any:
        new = A + B * h + at.exp(x)
        return new, at.log(new) + x / new

    _, rows = scan(step, N, [X], [A])
    after = same([N, X, A, B], [rows, rows.sum()], (7, XS ** 2, 0.5, 0.2), (0, XS, 0.5, 0.2))
    assert set(inside(after)) <= {"add", "mul"}


def test_cheap_rows_stay() -> None:
    outs = scan(lambda x, h: (A * h + x, 2 * h), N, [X], [A])
    after = same([N, X, A], outs, (7, XS, 0.5))
    assert len(kinds(after)) == 1


def test_vectors_that_are_not_stacked_anyway_are_not_stacked_for_a_sum() -> None:
    def step(x: Any, h: Any, s: Any) -> Any:
        new = at.tanh(A * h + x)
        return new, s + at.exp(new).sum()

    h, s = scan(step, N, [M], [X, A])
    after = same([N, M, X, A], [h, s], (7, MS, V, 0.5))
    assert loops(after)[0].op.n_stacked == 0


@pytest.mark.parametrize("batch", [False, True])
def test_a_sum_of_outer_products_is_one_product_after_the_loop(batch: bool) -> None:
    """dW = sum x_t g_t^T, with the transpose, the sign and the factor that come along."""
    seq = at.dtensor3("xs") if batch else M
    g0 = at.zeros((5, 3)) if batch else at.zeros((3,))

    def step(x: Any, g: Any, dw: Any, db: Any, du: Any) -> Any:
        new = at.tanh(at.dot(g, U) + at.dot(x, W))
        outer = at.dot(x.T, new) if batch else at.outer(x, new)
        return new, dw + outer, db - (new.sum(axis=0) if batch else new), du + A * outer.T

    outs = scan(step, N, [seq], [g0, at.zeros((4, 3)), B * at.ones(3), at.zeros((3, 4))])
    rows = RNG.normal(size=(7, 5, 4)) if batch else MS
    after = same([N, seq, W, U, A, B], outs[1:], (7, rows, WS, US, 0.1, 0.3), (0, rows, WS, US, 0.1, 0.3))
    loop, = loops(after)
    assert (loop.op.n_carries, loop.op.n_stacked) == (1, 1) and inside(after).count("dot") == 1


def test_sums_into_a_part_leave_as_well() -> None:
    def step(x: Any, h: Any, s: Any) -> Any:
        new = at.tanh(A * h + x)
        return new, at.inc_subtensor(s[1:3], new[:2]), new

    _, s, rows = scan(step, N, [M], [X, at.zeros(4)])
    after = same([N, M, X, A], [s, rows], (7, MS, V, 0.5))
    assert loops(after)[0].op.n_carries == 1


def test_sums_at_positions_leave_as_well() -> None:
    def step(x: Any, h: Any, s: Any) -> Any:
        new = at.tanh(A * h + x)
        return new, s[[0, 2, 0]].inc(new[:3]), new

    _, s, rows = scan(step, N, [M], [X, at.zeros(4)])
    after = same([N, M, X, A], [s, rows], (7, MS, V, 0.5), (0, MS, V, 0.5))
    assert loops(after)[0].op.n_carries == 1


def test_what_is_summed_in_one_sum_is_a_factor_in_another() -> None:
    def step(x: Any, r: Any, s: Any, t: Any) -> Any:
        return r + (x + A), s + x * x * A, t - (A + x) * A / (A * A)

    outs = scan(step, N, [X], [B, B, B])
    after = same([N, X, A, B], outs, (7, XS, 3.0, 0.5), (0, XS, 3.0, 0.5))
    assert not loops(after)


def test_what_is_the_same_in_every_step_is_computed_once() -> None:
    outs = scan(lambda x, h: (at.tanh(at.dot(at.exp(U), h) + x * at.exp(A).sum()), at.exp(U) * A), N, [X], [M[0, :3]])
    after = same([N, X, M, U, A], outs, (7, XS, MS, US, 0.1), (0, XS, MS, US, 0.1))
    assert "exp" not in inside(after)


def test_a_loop_without_carries_is_no_loop() -> None:
    def step(x: Any, y: Any) -> Any:
        return at.dot(W.T, at.tanh(x)), x.sum() * y, x[1], at.concatenate([x, x[::-1]]), y, A * 2

    after = same([N, M, X, W, A], scan(step, N, [M, X]), (7, MS, XS, WS, 0.5), (5, MS, XS, WS, 0.5),
                 (0, MS, XS, WS, 0.5), (8, MS, XS, WS, 0.5), (-1, MS, XS, WS, 0.5))
    assert not loops(after)


def test_a_loop_in_a_loop_without_carries_has_vectors_of_carries() -> None:
    def step(x: Any) -> Any:
        return scan(lambda v, s: (at.tanh(s * A + v),), x.shape[0], [x], [A])[:1]

    after = same([N, M, A], scan(step, N, [M]), (7, MS, 0.5), (3, MS, 0.5))
    loop, = loops(after)
    assert loop.op.body.inputs[loop.op.n_seqs].type.ndim == 1


@pytest.mark.parametrize("reverse", [False, True])
def test_rows_of_steps_that_are_not_run_are_0(reverse: bool) -> None:
    end = at.lscalar("end")
    outs = scan(lambda x, h: (A * h + x, at.exp(A * h + x), at.log(x), h), N, [X], [A], limit=end, reverse=reverse)
    after = same([N, end, X, A], outs, *[(6, k, XS ** 2, 0.5) for k in (0, 3, 6, 9)])
    assert inside(after) == ["mul", "add"]


def test_rows_after_the_stop_are_0() -> None:
    def step(x: Any, h: Any) -> Any:
        new = A * h + x
        return new, at.exp(new) / x, at.exp(x), at.gt(new, 2)

    after = same([N, X, A], scan(step, N, [X], [A], until=True), (7, XS ** 2, 0.5), (2, XS ** 2, 0.5), (0, XS, 0.5))
    assert "exp" not in inside(after)


def test_positions_of_steps_that_are_not_run_are_not_looked_up() -> None:
    def step(k: Any, h: Any) -> Any:
        return A * h, X[k], at.gt(k, 2)

    outs = scan(step, N, [at.arange(N)], [A], until=True)
    row = gradc.function([N, X, A], outs[1])
    for n in (7, 3):
        np.testing.assert_array_equal(row(n, XS[:4], 0.5)[:n], np.pad(XS[:4], (0, 3))[:n])
    with pytest.raises(IndexOutOfBoundsError):
        row(7, XS[:3], 0.5)
    same([N, X, A], outs, (7, XS[:4], 0.5), (7, XS[:3], 0.5))


def test_an_error_in_a_step_stays_an_error() -> None:
    def step(x: Any, h: Any) -> Any:
        return A * h + apply(ops.Assert("positive"), at.exp(x), at.gt(x, 0)), h

    same([N, X, A], scan(step, N, [X], [A]), (7, XS ** 2, 0.5), (7, XS, 0.5))
    same([N, X, A], scan(lambda x: [step(x, A)[0]], N, [X]), (7, XS ** 2, 0.5), (7, XS, 0.5))


# ------------------------------------------------------------------------------------------------ affine carries


def test_an_affine_recurrence_is_one_product_a_carry() -> None:
    def step(x: Any, y: Any, g: Any, f: Any) -> Any:
        new = A * (g * (1 - x)) - g * (A * x)
        return new + f / y, -(g - 2 * f) * x + B, g * x

    after = same([N, X, A, B], scan(step, N, [X, at.exp(X)], [A, B], reverse=True), (7, XS, 0.5, 0.2),
                 (0, XS, 0.5, 0.2))
    loop, = loops(after)
    carries = loop.op.body.inputs[loop.op.n_seqs:loop.op.n_seqs + 2]
    late = set(carries)
    products = 0
    for eqn in loop.op.body.eqns:
        if not late.isdisjoint(eqn.args):
            late.update(eqn.outs)
            products += str(eqn.op) == "mul"
    assert products <= 4


def test_a_recurrence_that_is_not_affine_stays() -> None:
    same([N, X, A, B], scan(lambda x, g: (A * (g * (1 - g)) - g * (A * x), g), N, [X], [B]), (7, XS, 0.5, 0.2))
    same([N, X, A, B], scan(lambda x, g: (A / ((g + 3) * (1 - x)) - g * (A * x), g), N, [X], [B]), (7, XS, 0.5, 0.2))


def test_the_row_of_a_single_step_broadcasts() -> None:
    x = at.dmatrix()
    row, = scan(lambda a: [at.exp(a)], at.constant(1), [x])
    same([x], [row + x, row[0]], [RNG.normal(size=(4, 3))], [RNG.normal(size=(1, 3))])


def test_a_loop_in_a_loop_of_whose_results_one_varies() -> None:
    x, m, s = at.dvector("x"), at.dmatrix("m"), at.dscalar("s")

    def step(a: Any, c: Any) -> list[Any]:
        _, steady, varying = scan(lambda p: [p * s, p, a - p.sum()], at.constant(2), inits=[m])
        return [at.tanh(c * at.max(steady.sum(axis=0)[1]) + varying.sum())]

    same([x, m, s], [scan(step, x.shape[0], [x], [s])[0]], [RNG.normal(size=5), RNG.normal(size=(3, 3)), 0.3])


def test_a_loop_in_a_loop_of_whose_results_one_is_stacked() -> None:
    x = at.dvector("x")

    def step(c: Any) -> list[Any]:
        last, rows = scan(lambda p: [at.sin(p), at.cos(p)], at.constant(3), inits=[c])
        return [at.tanh(last + rows.sum(axis=0)), rows, at.exp(rows).sum()]

    same([x], scan(step, at.constant(4), inits=[x]), [RNG.normal(size=5)])


# ------------------------------------------------------------------------------------------------ what comes in


def arrays_made(program: Program) -> list[str]:
    """Elementwise work outside loops that makes arrays."""
    return [str(e.op) for e in program.eqns if type(e.op) in (ops.Map, ops.Cast) and e.out.type.ndim]


Y, K = at.dvector("y"), at.ivector("k")
YS = RNG.normal(size=7)


@pytest.mark.parametrize("sequence", [
    lambda: A * X ** 2 - B * X + 1.0, lambda: A * X[1:] + X[1:] * Y[1:], lambda: (A + X[::-1]) * Y - X[::-1],
    lambda: at.maximum(X, Y) * at.switch(at.gt(X, 0.0), A, B) - Y * X[0],
    lambda: K * A - at.cast(at.arange(N), "float64")], ids=range(5))
def test_cheap_sequences_are_computed_in_the_step(sequence: Callable[[], Any]) -> None:
    inputs = [N, X, Y, K, A, B]
    outs = scan(lambda x, s: (at.tanh(s) * A + x, s * x), N, [sequence()], [B])
    runs = [(n, XS, YS, np.arange(7), 0.5, 0.1) for n in (0, 1, 3, 7)]
    after = same(inputs, [outs[0]], *runs)
    assert not arrays_made(after)
    same(inputs, outs, *runs)


def test_rows_of_matrices_are_computed_in_the_step() -> None:
    """With values for all rows, for each row, and one row; turned and cut."""
    w = at.dvector("w")
    sequence = (A * M + w * M - M[0].dimshuffle("x", 0) * B + X[:, None]).dimshuffle(0, "x", 1)
    outs = scan(lambda m, s: (at.tanh(s) * A + m,), N, [sequence], [sequence[0] * 0.0])
    inputs = [N, X, M, w, A, B]
    same(inputs, outs, *[(n, XS, MS, V, 0.5, 0.1) for n in (0, 1, 7)])
    outs = scan(lambda m, s: (at.tanh(s) * A + m,), N, [sequence], [at.zeros((1, 4))])
    assert arrays_made(same(inputs, outs, (7, XS, MS, V, 0.5, 0.1))) == ["mul"]     # of the row that all have


def test_sequences_that_are_dear_or_used_elsewhere_stay() -> None:
    inputs, runs = [N, X, A, B], [(n, XS, 0.5, 0.1) for n in (0, 3, 7)]
    sums = A * X ** 2 - B * X
    outs = scan(lambda x, s: (at.tanh(s) * A + x,), N, [at.exp(X) * A], [B])
    assert "exp" in arrays_made(same(inputs, outs, *runs))
    outs = scan(lambda x, s: (at.tanh(s) * A + x,), N, [sums], [B])
    assert arrays_made(same(inputs, [outs[0], sums], *runs))


def test_sizes_of_what_a_sequence_was_made_from_are_still_compared() -> None:
    outs = scan(lambda x, s: (at.tanh(s) * A + x,), N, [X + A * Y - B], [B])
    after = same([N, X, Y, A, B], outs, (3, XS, YS, 0.5, 0.1), (3, XS, YS[:5], 0.5, 0.1), (3, XS[:2], YS[:2], 0.5, 0.1))
    assert not arrays_made(after)


def test_a_sequence_of_one_row_stays_one() -> None:
    """All steps would find a row, if it were computed in them."""
    one = at.TensorType("float64", (1,))("one")
    outs = scan(lambda x, s: (at.tanh(s) * A + x,), N, [2.0 * one + 1.0], [B])
    same([N, one, A, B], outs, (0, XS[:1], 0.5, 0.1), (1, XS[:1], 0.5, 0.1), (3, XS[:1], 0.5, 0.1))


def test_what_the_gradient_reads_comes_in_too() -> None:
    """Sums and products of stored states are made in the backward loop, which is not split again."""
    x, a = at.dvector("x"), at.dscalar("a")
    hs, _ = gradc.scan(lambda x, h, a: h * (a - h) * x, sequences=x, outputs_info=at.constant(np.float64(0.5)),
                       non_sequences=a)
    once = same([x, a], gradc.grad(hs[-1] ** 2, [a, x]), (XS, 0.5))
    assert optimize(once) == optimize(optimize(once))


def elementwise(choice: random.Random, leaves: Sequence[Any], depth: int) -> Any:
    """A random expression of vectors or matrices with rows for steps."""
    if depth == 0 or choice.random() < 0.15:
        return choice.choice(leaves)
    v = elementwise(choice, leaves, depth - 1)
    match choice.randrange(8):
        case 0 | 1 | 2:
            apply_ = choice.choice([at.add, at.mul, at.sub, at.maximum])
            return apply_(v, elementwise(choice, leaves, depth - 1))
        case 3:
            return v[::-1] if v.ndim and not v.broadcastable[0] else v * 2.0
        case 4:
            return at.switch(v > 0, v**2, A)
        case 5:
            return at.exp(-v**2) if choice.random() < 0.3 else at.abs(v)
        case 6:
            return at.cast(at.cast(v * 3, "int32"), "float64")
    return v + B


def test_sums_of_float32_over_steps_are_carried_in_float64() -> None:
    """Those whose values are used on the way; what feeds on itself, at once or through another, is no sum."""
    x, zero, zeros = at.fvector("x"), at.constant(np.float32(0)), at.zeros((3,), "float32")

    def step(a: Any, s: Any, part: Any, p: Any, q: Any) -> list[Any]:
        return [s - a, at.inc_subtensor(part[1], a), p + q, q - at.tanh(p), at.tanh(s)]

    outs, _ = gradc.scan(step, x, [zero, zeros, zero, zero, None])
    after = optimize(to_program([x], outs), checked=True)
    eqn, = loops(after)
    body, n = eqn.op.body, eqn.op.n_seqs
    carries = [v.type.short() for v in body.inputs[n:n + eqn.op.n_carries]]
    assert carries == ["f32[]", "f32[]", "f64[]", "f64[3]"], pretty(after)
    assert [v.type.dtype for v in after.outputs] == ["float32"] * 5


@pytest.mark.parametrize("seed", range(40))
def test_random_sequences(seed: int) -> None:
    """Two sequences of a loop, perhaps neighbouring rows of one, perhaps used elsewhere."""
    choice = random.Random(seed)
    w = at.dvector("w")
    matrices = seed % 3 == 0
    rows = [X, Y, at.cast(at.arange(N), "float64"), A, M[:, 1], at.dot(M, w)]
    leaves = [M, M, X[:, None], M[0], A] if matrices else rows
    seqs: list[Any] = []
    while len(seqs) < 2:
        s = elementwise(choice, leaves, choice.randint(1, 4))
        if s.ndim == 1 + matrices and not any(s.broadcastable):
            seqs.append(s)
    steps = 7
    if choice.random() < 0.4:
        seqs, steps = [seqs[0][1:], seqs[choice.randrange(2)][:-1]], 6
    outs = scan(lambda x, y, h: (at.tanh(h) * A + x - y * h, x * h), N, seqs, [at.zeros((4,)) if matrices else B],
                reverse=choice.random() < 0.3)
    outputs = [outs[:1], outs, [*outs, seqs[0]]][choice.randrange(3)]
    same([N, X, Y, M, w, A, B], outputs, *[(n, XS, YS, MS, V, 0.5, 0.1) for n in (choice.choice((0, 1, 4)), steps)])
