"""Scan and Cond as Programs: types, values, text, equality."""

from __future__ import annotations

import numpy as np
import pytest

import gradc.tensor as at
from gradc.errors import ShapeError, TypeMismatchError
from gradc.ir import interp, ops
from gradc.ir.check import check
from gradc.ir.convert import to_program
from gradc.ir.graph import apply
from gradc.ir.pretty import pretty
from gradc.ir.program import Program


def body() -> Program:
    """(x_t, h, w) -> (tanh(w h + x_t), h): a recurrence that also stacks the carry it was given."""
    x, h, w = at.dvector("x"), at.dvector("h"), at.dscalar("w")
    return to_program([x, h, w], [at.tanh(w * h + x), h])


def run(op: ops.Scan, *values: object) -> list[np.ndarray]:
    steps, xs, h0, w = at.lscalar("steps"), at.dmatrix("xs"), at.dvector("h0"), at.dscalar("w")
    limit = [at.lscalar("limit")] if op.limited else []
    inputs = [steps, *limit, xs, h0, w]
    program = to_program(inputs, apply(op, *inputs))
    check(program)
    return interp.evaluate(program, [np.asarray(v, i.type.dtype) for v, i in zip(values, inputs)])


def by_hand(order: range, xs: np.ndarray, h: np.ndarray, w: float, rows: int) -> tuple[np.ndarray, np.ndarray]:
    before = np.zeros((rows, len(h)))
    for t in order:
        before[t] = h
        h = np.tanh(w * h + xs[t])
    return h, before


XS = np.random.default_rng(0).normal(size=(5, 3))
H0 = np.array([0.1, -0.2, 0.3])


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("steps", [0, 1, 4, 5])
def test_a_loop_gives_last_carries_and_rows(steps: int, reverse: bool) -> None:
    last, before = run(ops.Scan(body(), 1, 1, reverse=reverse), steps, XS, H0, 0.5)
    order = range(steps - 1, -1, -1) if reverse else range(steps)
    want = by_hand(order, XS, H0, 0.5, steps)
    np.testing.assert_array_equal(last, want[0])
    np.testing.assert_array_equal(before, want[1])


@pytest.mark.parametrize("limit", [0, 2, 9])
def test_steps_past_the_limit_are_not_run_and_their_rows_are_0(limit: int) -> None:
    last, before = run(ops.Scan(body(), 1, 1, reverse=True, limited=True), 5, limit, XS, H0, 0.5)
    want = by_hand(range(min(limit, 5) - 1, -1, -1), XS, H0, 0.5, 5)
    np.testing.assert_array_equal(last, want[0])
    np.testing.assert_array_equal(before, want[1])


def test_until_ends_after_the_step_that_says_so() -> None:
    n, most = at.lscalar("n"), at.lscalar("most")
    double = to_program([n, most], [2 * n, n, at.ge(2 * n, most)])
    steps, start, end = at.lscalar("steps"), at.lscalar("start"), at.lscalar("end")
    op = ops.Scan(double, 0, 1, until=True)
    program = to_program([steps, start, end], apply(op, steps, start, end))
    last, rows, count = interp.evaluate(program, [np.asarray(v) for v in (10, 3, 20)])
    assert (last, count) == (24, 3)
    assert rows.tolist() == [3, 6, 12, 0, 0, 0, 0, 0, 0, 0]
    last, rows, count = interp.evaluate(program, [np.asarray(v) for v in (2, 3, 20)])
    assert (last, count) == (12, 2)


def test_a_short_sequence_and_a_negative_count_are_errors() -> None:
    with pytest.raises(ShapeError, match="xs has 5 rows, fewer than the 6 steps"):
        run(ops.Scan(body(), 1, 1), 6, XS, H0, 0.5)
    with pytest.raises(ShapeError, match="number of steps is -1"):
        run(ops.Scan(body(), 1, 1), -1, XS, H0, 0.5)


def test_ill_typed_loops_are_refused() -> None:
    op = ops.Scan(body(), 1, 1)
    steps, xs, h0, w = at.lscalar("steps"), at.dmatrix("xs"), at.dvector("h0"), at.dscalar("w")
    with pytest.raises(TypeMismatchError, match=r"input 0 of the body must be f64\[\?\], got f32\[\?\] of fs"):
        apply(op, steps, at.fmatrix("fs"), h0, w)
    with pytest.raises(TypeMismatchError, match=r"input 1 of the body must be f64\[\?\], got f64\[\] of w"):
        apply(op, steps, xs, w, w)


def test_equal_bodies_make_equal_ops() -> None:
    assert ops.Scan(body(), 1, 1) == ops.Scan(body(), 1, 1)
    assert hash(ops.Scan(body(), 1, 1)) == hash(ops.Scan(body(), 1, 1))
    assert ops.Scan(body(), 1, 1) != ops.Scan(body(), 1, 1, reverse=True)


def test_the_text_shows_the_body() -> None:
    op = ops.Scan(body(), 1, 1, name="rnn")
    inputs = [at.lscalar("steps"), at.dmatrix("xs"), at.dvector("h0"), at.dscalar("w")]
    text = pretty(to_program(inputs, apply(op, *inputs)))
    assert "scan{rnn}[1 sequences, 1 carries, 1 stacked](steps, xs, h0, w)" in text
    assert "      program (x: f64[?], h: f64[?], w: f64[]) ->" in text


@pytest.mark.parametrize("flag", [True, False])
def test_only_the_branch_taken_runs(flag: bool) -> None:
    x = at.dvector("x")
    then = to_program([x], [x.sum()])
    orelse = to_program([x], [apply(ops.Assert("never"), x.max(), at.lt(x, 0).all())])
    c, v = at.bscalar("c"), at.dvector("v")
    out = apply(ops.Cond(then, orelse), at.neq(c, 0), v)
    program = to_program([c, v], [out])
    check(program)
    values = [np.asarray(flag, "int8"), np.array([1.0, 2.0]) if flag else np.array([-3.0, -1.0])]
    assert interp.evaluate(program, values) == [3.0 if flag else -1.0]


def test_branches_must_agree() -> None:
    x = at.dvector("x")
    a, b = to_program([x], [x]), to_program([x], [x.sum()])
    with pytest.raises(TypeMismatchError, match=r"result 0 is f64\[\?\] in one branch and f64\[\] in the other"):
        apply(ops.Cond(a, b), at.constant(True), x)
