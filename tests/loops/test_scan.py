"""Scan and Cond as loops: what the C route gives is what the interpreter gives, in the memory that was promised."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gradc.tensor as at
from gradc.errors import AssertionFailedError, IndexOutOfBoundsError, ShapeError
from gradc.ir import interp, ops
from gradc.ir.convert import to_program
from gradc.ir.graph import apply
from gradc.ir.program import Program
from gradc.loops.lower import lower
from tests.loops.kernels import compare, compiled

STEPS, LIMIT, XS, H0, W = at.lscalar("steps"), at.lscalar("limit"), at.dmatrix("xs"), at.dvector("h0"), at.dscalar("w")
ROWS = np.random.default_rng(0).normal(size=(6, 3))
START = np.array([0.1, -0.2, 0.3])


def body(inputs: list[Any], *outputs: Any) -> Program:
    return to_program(inputs, list(outputs))


def program(inputs: list[Any], *outputs: Any) -> Program:
    return to_program(inputs, list(outputs))


def recurrence(**flags: Any) -> tuple[list[Any], list[Any]]:
    """h' = tanh(w h + x_t), rows of the state before and after each step, and of something else."""
    x, h, w = at.dvector("x"), at.dvector("h"), at.dscalar("w")
    new = at.tanh(w * h + x)
    stop = [at.gt(new[0], 0.7)] if flags.get("until") else []
    op = ops.Scan(body([x, h, w], new, h, new, at.exp(new).sum(), *stop), 1, 1, **flags)
    inputs = [STEPS, *([LIMIT] if op.limited else []), XS, H0, W]
    return inputs, apply(op, *inputs)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("until", [False, True])
@pytest.mark.parametrize("limited", [False, True])
def test_loops_over_vectors(reverse: bool, until: bool, limited: bool) -> None:
    inputs, made = recurrence(reverse=reverse, until=until, limited=limited)
    everything = program(inputs, *made)
    inside = program(inputs, *[v.sum() for v in made])
    for p in (everything, inside, program(inputs, made[0]), program(inputs, made[2]), program(inputs, 2 * made[1])):
        f = compiled(p)
        for steps in (0, 1, 5, 6):
            for limit in (-1, 0, 2, 9) if limited else (None,):
                values = [steps, *([] if limit is None else [limit]), ROWS, START, 0.5]
                values = [np.asarray(v, i.type.dtype) for v, i in zip(values, inputs)]
                for got, want in zip(f(*values), interp.evaluate(p, values)):
                    np.testing.assert_allclose(got, want, rtol=1e-12)


def test_scalar_carries_are_locals() -> None:
    x, a = at.dscalar("x"), at.dscalar("a")
    new = a * x * (1 - x)
    last, rows = apply(ops.Scan(body([x, a], new, new), 0, 1), STEPS, x, a)
    made = lower(program([STEPS, x, a], last), "f")
    assert made.arena_bytes == 0 and len(made.sections) == 1
    compare(program([STEPS, x, a], last, rows), [7, 0.3, 2.5])
    compare(program([STEPS, x, a], rows.sum(), last), [7, 0.3, 2.5])


def test_states_that_are_only_a_part_of_what_a_step_puts_together() -> None:
    h, x, w = at.dvector("h"), at.dvector("x"), at.dmatrix("w")
    step = body([x, h, w], at.tanh(at.dot(w, at.concatenate([x, h]))))
    last = apply(ops.Scan(step, 1, 1), XS.shape[0], XS, H0, w)
    compare(program([XS, H0, w], last), [ROWS, START, np.linspace(-1, 1, 18).reshape(3, 6)])


def test_elements_of_what_a_step_puts_together_are_read_in_that_step() -> None:
    """A range is added to zeros, joins are joined; one element is read, at a constant place."""
    h, m = at.tensor("h", dtype="float64", shape=(3,)), at.tensor("m", dtype="float64", shape=(3, 3))
    padded = at.inc_subtensor(at.zeros((3,))[:2], at.sin(h[:2]))
    twice = at.concatenate([at.concatenate([at.cos(h[:1]), h[1:] * 2]), h])
    inside = body([h], at.tanh(h + padded[2] + padded[1] + twice[4] - twice[1]))
    turned = body([h, m], at.tanh(at.dot(at.tanh(h), at.set_subtensor(m[:2], at.outer(h[:2], h)))))
    start, matrix = h.type("start"), m.type("matrix")
    values = [7, [0.3, -0.2, 0.9]]
    compare(program([STEPS, start], apply(ops.Scan(inside, 0, 1), STEPS, start)), values)
    last = apply(ops.Scan(turned, 0, 1), STEPS, start, matrix)
    compare(program([STEPS, start, matrix], last), [*values, np.linspace(-1, 1, 9).reshape(3, 3)])


def test_carries_are_handed_on_at_once() -> None:
    """Fibonacci: (a, b) -> (b, a + b); and two that change places."""
    a, b = at.lscalar("a"), at.lscalar("b")
    swap = apply(ops.Scan(body([a, b], b, a), 0, 2), STEPS, a, b)
    grow = apply(ops.Scan(body([a, b], b, a + b, a), 0, 2), STEPS, a, b)
    compare(program([STEPS, a, b], *swap, *grow), [9, 1, 2])


def test_taps_of_arrays() -> None:
    s1, s2 = at.dvector("s1"), at.dvector("s2")
    new = 0.5 * s1 - 0.2 * s2[::-1]
    made = apply(ops.Scan(body([s1, s2], new, s1, new), 0, 2), STEPS, s1, s2)
    for outputs in (made, [made[0]], [made[2].sum(), made[1]]):
        compare(program([STEPS, s1, s2], *outputs), [5, START, START + 1])


def test_the_states_inside_a_program_are_stored_once() -> None:
    """State before and after each step: parts of one buffer."""
    inputs, made = recurrence()
    k = lower(program(inputs, made[1].sum(), made[2].sum()), "f")
    big = {b for s in k.sections for b in s.writes if len(b.shape) == 2}
    assert len(big) == 1


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "int32", "int64", "float32", "float64"])
@pytest.mark.parametrize("ndim", [0, 1])
def test_dtypes(dtype: str, ndim: int) -> None:
    x, s = at.matrix("x", dtype=dtype) if ndim else at.vector("x", dtype=dtype), at.lscalar("s")
    row, h = x[0].type("row"), x[0].type("h")
    new = at.or_(h, row) if dtype == "bool" else at.cast(h + row, dtype)
    made = apply(ops.Scan(body([row, h], new, new), 1, 1), s, x, x[0])
    values = np.arange(12).reshape(4, 3)[:, slice(None) if ndim else 0] % 3
    compare(program([s, x], *made), [4, values.astype(dtype)])


def test_sequences_are_views() -> None:
    """Reversed, transposed, computed, counted: without memory of their own."""
    v = at.dvector("v")
    t, a, b, c, d = at.lscalar("t"), at.dscalar("a"), at.dscalar("b"), at.dvector("c"), at.dvector("d")
    new = a + b * t + (c * d).sum()
    op = ops.Scan(body([t, b, c, d, a], new, new), 4, 1)
    made = apply(op, STEPS, at.arange(STEPS), v[::-1], XS.T, 2 * XS.T[::-1], at.constant(np.float64(0.5)))
    p = program([STEPS, v, XS], *made)
    compare(p, [3, START, ROWS])
    assert lower(p, "f").arena_bytes == 0


def test_rows_are_picked_by_the_counter_and_checked() -> None:
    t, h, xs = at.lscalar("t"), at.dscalar("h"), at.dvector("xs")
    new = h + xs[t] * xs[t - 1]
    made = apply(ops.Scan(body([t, h, xs], new), 1, 1), STEPS, at.arange(STEPS), at.constant(np.float64(0)), xs)
    f = compare(program([STEPS, xs], made), [3, START])
    with pytest.raises(IndexOutOfBoundsError, match="index 3 is out of bounds for a dimension of size 3"):
        f(4, START)


def test_errors_are_those_of_the_interpreter() -> None:
    inputs, made = recurrence(name="rnn")
    f = compiled(program(inputs, *made))
    with pytest.raises(ShapeError, match=r"scan\{rnn\}: the sequence xs has 6 rows, fewer than the 7 steps"):
        f(7, ROWS, START, 0.5)
    with pytest.raises(ShapeError, match=r"scan\{rnn\}: the number of steps is -1; it must not be negative"):
        f(-1, ROWS, START, 0.5)
    with pytest.raises(ShapeError):
        f(2, ROWS, START[:2], 0.5)


def test_a_check_in_a_step() -> None:
    h = at.dscalar("h")
    new = apply(ops.Assert("h grew"), 2 * h, at.lt(h, 10.0))
    f = compare(program([STEPS, h], apply(ops.Scan(body([h], new), 0, 1), STEPS, h)), [4, 1.0])
    with pytest.raises(AssertionFailedError, match="h grew"):
        f(5, 1.0)


def test_products_in_a_step() -> None:
    """A recurrent network, one sequence (loops) and several (gemms)."""
    for h0, xs in ((at.dvector("h"), at.dmatrix("xs")), (at.dmatrix("h"), at.dtensor3("xs"))):
        x, h, U, Wx = xs[0].type("x"), h0.type("h"), at.dmatrix("U"), at.dmatrix("Wx")
        new = at.tanh(at.dot(x, Wx) + at.dot(h, U))
        made = apply(ops.Scan(body([x, h, U, Wx], new, new), 1, 1), STEPS, xs, h0, U, Wx)
        rng = np.random.default_rng(1)
        shape = () if h0.ndim == 1 else (5,)
        values = [4, rng.normal(size=(4, *shape, 2)), rng.normal(size=(*shape, 3)), rng.normal(size=(3, 3)),
                  rng.normal(size=(2, 3))]
        inputs = [STEPS, xs, h0, U, Wx]
        for outputs in (made, [made[0]], [(made[1] ** 2).sum()]):
            compare(program(inputs, *outputs), values)


def test_a_loop_in_a_loop() -> None:
    """Sums of powers: the inner loop has its own sequences, the outer state and a value from outside."""
    row, h, w = at.dvector("row"), at.dscalar("h"), at.dscalar("w")
    x, g, k = at.dscalar("x"), at.dscalar("g"), at.dscalar("k")
    inner = ops.Scan(body([x, g, k], at.tanh(g + x * k), g), 1, 1)
    last, before = apply(inner, row.shape[0], row, h, w * 2)
    outer = ops.Scan(body([row, h, w], last, before, before.sum() + w), 1, 1)
    made = apply(outer, STEPS, XS, at.constant(np.float64(0.25)), W)
    for outputs in (made, [made[0]], [made[1].sum()], [made[2]]):
        compare(program([STEPS, XS, W], *outputs), [5, ROWS, 0.3])


@pytest.mark.parametrize("reverse", [False, True])
def test_results_of_an_inner_loop_are_written_into_the_outer_ones(reverse: bool) -> None:
    """Last state, rows up to a stop, and the results of a branch with a loop, handed on and stacked as they are."""
    row, h, x, g = at.dvector("row"), at.dvector("h"), at.dscalar("x"), at.dvector("g")
    op = ops.Scan(body([x, g], at.sin(g) + x, g * x, at.gt(g.sum(), 1.0)), 1, 1, until=True, reverse=reverse)
    last, rows, _ = apply(op, row.shape[0], row, h)
    for new in (last, apply(ops.Cond(body([row, h], last), body([row, h], h)), at.lt(row.sum(), 1.0), row, h)):
        made = apply(ops.Scan(body([row, h], new, new, rows), 1, 1), STEPS, XS, H0)
        for outputs in (made, [made[0]], made[1:], [made[1].sum(), made[2].sum()]):
            compare(program([STEPS, XS, H0], *outputs), [5, ROWS, START])


def test_a_sum_that_no_step_uses() -> None:
    h, s = at.dscalar("h"), at.dscalar("s")
    made = apply(ops.Scan(body([h, s], h + 1, h * s), 0, 1), STEPS, W, (XS ** 2).sum())
    compare(program([STEPS, XS, W], made[0]), [5, ROWS, 0.5])


def test_ten_loops_in_one_another() -> None:
    h = at.dscalar("h")
    step = body([h], at.sin(h) + 1)
    for _ in range(9):
        step = body([h], apply(ops.Scan(step, 0, 1), at.constant(np.int64(2)), h))
    compare(program([STEPS, h], apply(ops.Scan(step, 0, 1), STEPS, h)), [2, 0.5])


def test_one_body_in_two_loops() -> None:
    inputs, made = recurrence()
    op = made[0].owner.op
    other = apply(op, STEPS, XS * 2, H0 + 1, W)
    compare(program(inputs, *made, *other), [5, ROWS, START, 0.5])


@pytest.mark.parametrize("flag", [0, 1])
def test_branches_are_lazy(flag: int) -> None:
    """A branch that would fail does not if it is not taken: an Assert, a size, an index."""
    x, c = at.dvector("x"), at.bscalar("c")
    then = body([x], x.sum(), 2 * x)
    bad = apply(ops.Assert("never"), x.sum(), at.lt(x, 0).all())
    orelse = body([x], bad + x[7] + (x * at.constant(np.ones(20))).sum(), at.exp(x))
    made = apply(ops.Cond(then, orelse), at.neq(c, 0), x)
    f = compare(program([c, x], *made), [flag, START] if flag else [0, -np.arange(1.0, 21)])
    if not flag:
        with pytest.raises(IndexOutOfBoundsError):
            f(0, -np.ones(3))
        with pytest.raises(ShapeError):
            f(0, -np.ones(9))
        with pytest.raises(AssertionFailedError, match="never"):
            f(0, np.ones(20))


def test_branches_in_a_loop_and_a_loop_in_a_branch() -> None:
    x, h, w = at.dvector("x"), at.dvector("h"), at.dscalar("w")
    g = at.dvector("g")
    loop = apply(ops.Scan(body([g, w], at.sin(g) * w, g.sum()), 0, 1), at.constant(np.int64(3)), h, w)
    then, orelse = body([x, h, w], loop[0] + x, loop[1].sum()), body([x, h, w], h - x, w)
    new, extra = apply(ops.Cond(then, orelse), at.gt(x.sum(), 0), x, h, w)
    made = apply(ops.Scan(body([x, h, w], new, new, extra), 1, 1), STEPS, XS, H0, W)
    compare(program([STEPS, XS, H0, W], *made), [6, ROWS, START, 0.5])


def test_a_state_of_sizes_that_differ_in_a_loop() -> None:
    """A matrix state with a row sum, sorted by no axis: folds of rows and columns in a step."""
    m = at.dmatrix("m")
    new = m / (1 + (m ** 2).sum(axis=1, keepdims=True)) + m.mean(axis=0)
    made = apply(ops.Scan(body([m], new, new.max(axis=0), new.argmax(axis=1)), 0, 1), STEPS, XS)
    compare(program([STEPS, XS], *made), [4, ROWS])


def test_a_product_with_rows_is_made_one_with_columns() -> None:
    """d U' sums over the rows of U: they are copied once, in the same order of sums."""
    h, u = at.dvector("h"), at.dmatrix("u")
    made = apply(ops.Scan(body([h, u], at.tanh(at.dot(u, h)) + at.dot(h, u)), 0, 1), STEPS, H0, XS)
    p = program([STEPS, H0, XS], made)
    compare(p, [4, START, ROWS[:3]])
    assert "u" in [s.title for s in lower(p, "f").sections]


def stopped() -> tuple[list[Any], Any, Any, Any]:
    """s' = s + x_t until the sum exceeds a limit: inputs, last value, rows, count."""
    x, s, most = at.dscalar("x"), at.dscalar("s"), at.dscalar("most")
    op = ops.Scan(body([x, s, most], s + x, s + x, at.gt(s + x, most)), 1, 1, until=True)
    xs, most = at.dvector("xs"), at.dscalar("most")
    last, rows, count = apply(op, xs.shape[0], xs, at.constant(np.float64(0)), most)
    return [xs, most], last, rows, count


@pytest.mark.parametrize("most", [0.5, 9.0, 99.0])
def test_the_number_of_steps_is_a_size(most: float) -> None:
    inputs, _, rows, count = stopped()
    used = rows[:count]
    xs = inputs[0]
    values = [np.arange(1.0, 8.0), most]
    for outputs in ([used], [used, count], [used.sum(), used.shape[0] * 2], [at.exp(used) * xs[:count]],
                    [at.outer(xs, used), at.dot(used, used)], [at.zeros((count, 2)) + used[:, None], used[::-1]],
                    [used[1:], used[count - 1], at.concatenate([used, xs]), xs[count - 1]],
                    [at.cumsum(used), used.max() + count, at.inc_subtensor(at.zeros((xs.shape[0],))[:count], used)]):
        compare(program(inputs, *outputs), values)


def test_rows_up_to_a_stop_are_the_output_itself() -> None:
    inputs, _, rows, count = stopped()
    made = lower(program(inputs, rows[:count]), "f")
    assert len(made.sections) == 1 and made.outputs[0].shape != made.bounds[0]
    used = compiled(program(inputs, rows[:count]))(np.ones(5), 2.5)[0]
    assert used.tolist() == [1.0, 2.0, 3.0] and used.flags.owndata


def test_late_sizes_are_checked() -> None:
    inputs, _, rows, count = stopped()
    y = at.dvector("y")
    f = compare(program([*inputs, y], (rows[:count] * y).sum()), [np.arange(7.0), 5.0, np.ones(4)])
    with pytest.raises(ShapeError, match=r"sizes (4 and 3|3 and 4) of dimension 0 differ"):
        f(np.arange(7.0), 5.0, np.ones(3))


def test_a_loop_over_what_a_stopped_loop_gave() -> None:
    inputs, _, rows, count = stopped()
    x, s = at.dscalar("x"), at.dscalar("s")
    op = ops.Scan(body([x, s], at.sin(s) + x, s), 1, 1, reverse=True, limited=True)
    made = apply(op, rows.shape[0], count, rows, at.constant(np.float64(1)))
    again = apply(ops.Scan(body([x, s], at.cos(s) * x, s * x), 1, 1), count, rows[:count], at.constant(np.float64(1)))
    compare(program(inputs, *made, *again), [np.arange(1.0, 8.0), 9.0])


def test_nests_of_a_body_share_operands_but_not_how_their_loops_are_merged() -> None:
    m = at.dmatrix("m")
    g, h, s, a = [at.dmatrix(k) for k in "ghsa"]
    turned, part = at.exp(g).T, at.exp(h / a)           # one nest goes through memory in order, the other does not
    op = ops.Scan(body([g, h, s, a], h, turned / a, s - turned * part / a), 0, 3)
    p = program([STEPS, m], *apply(op, STEPS, at.neg(m), at.neg(m), at.sin(m), 2 + m))
    compare(p, [4, ROWS[:3]])


def test_rows_of_a_loop_of_one_step_inside_another_have_memory() -> None:
    c, w, h = at.dscalar("c"), at.dscalar("w"), at.dscalar("h")
    inner = ops.Scan(body([c, w], c * w, c), 0, 1)
    last, rows = apply(inner, at.constant(np.int64(1)), h, w)
    outer = ops.Scan(body([h, w], at.tanh(last + (rows / w).sum()), rows), 0, 1)
    start = at.dscalar("start")
    compare(program([STEPS, start, W], *apply(outer, STEPS, start, W)), [np.int64(4), np.float64(0.3), np.float64(0.7)])


def lorenz(s: Any) -> Any:
    """The change of a state of the Lorenz system."""
    return at.stack([10.0 * (s[1] - s[0]), s[0] * (28.0 - s[2]) - s[1], s[0] * s[1] - s[2] * 2.5])


@pytest.mark.parametrize("optimize", ["-O1", "-O3"])
@pytest.mark.parametrize("flags", [{}, {"reverse": True}, {"until": True}, {"limited": True, "reverse": True}])
def test_small_carries_are_arrays_of_the_function(flags: dict[str, bool], optimize: str) -> None:
    """A vector and a matrix that need each other's last value: nothing of them is in the arena."""
    s, p, x, w = at.dvector("s"), at.dmatrix("p"), at.dvector("x"), at.dmatrix("w")
    new, next_p = s + 0.01 * lorenz(s + x), at.dot(at.dot(w, p), w.T) + at.outer(s[:2], s[1:])
    stop = [at.gt(new[2], 1.5)] if flags.get("until") else []
    op = ops.Scan(body([x, s, p, w], new, next_p, new, s, next_p[0], *stop), 1, 2, **flags)
    start, square = at.tensor("start", dtype="float64", shape=(3,)), at.tensor("w", dtype="float64", shape=(2, 2))
    inputs = [STEPS, *([LIMIT] if op.limited else []), XS, start, square.type("p0"), square]
    made = apply(op, *inputs)
    values = [6, *([4] if op.limited else []), ROWS, [1.0, 2.0, 1.2], np.eye(2), [[0.9, 0.1], [-0.2, 0.8]]]
    for outputs in (made[:2], made, [made[2].sum(), made[3].sum(), *made[:2]], [made[4]]):
        compare(program(inputs, *outputs), values, optimize=optimize)
        compare(program(inputs, *outputs), [0, *values[1:]], optimize=optimize)
    kernel = lower(program(inputs, *made[:2]), "f")
    assert kernel.arena_bytes == 0 and not kernel.routines
    assert {b.shape for s in kernel.sections for b in s.arrays} >= {(3,), (2, 2)}


def test_small_carries_that_change_places() -> None:
    """Taps of arrays, a transposed state, and one that begins as part of another."""
    a, b, m = at.dvector("a"), at.dvector("b"), at.dmatrix("m")
    op = ops.Scan(body([a, b, m], b, at.sin(a) + b[::-1], m.T * 0.5), 0, 3)
    start = at.tensor("start", dtype="float64", shape=(2, 2))
    inputs = [STEPS, start]
    made = apply(op, STEPS, start[0], start[1][::-1], start)
    compare(program(inputs, *made), [5, [[0.1, 0.2], [0.3, 0.4]]])


def test_small_arrays_of_loops_in_loops_and_of_branches() -> None:
    s, g, w, x = at.dvector("s"), at.dvector("g"), at.dscalar("w"), at.dvector("x")
    loop = apply(ops.Scan(body([g, w], at.cos(g)[::-1] * w, g), 0, 1), at.constant(np.int64(3)), s, w)
    then = body([s, w, x], loop[0] + loop[1][1] + x)
    orelse = body([s, w, x], at.cumsum(s) * w - x)
    new = apply(ops.Cond(then, orelse), at.gt(x.sum(), 0), s, w, x)
    start = at.tensor("start", dtype="float64", shape=(3,))
    made = apply(ops.Scan(body([x, s, w], new, new.sum()), 1, 1), STEPS, XS, start, W)
    p = program([STEPS, XS, start, W], *made)
    compare(p, [6, ROWS, START, 0.3])
    assert lower(program([STEPS, XS, start, W], made[0]), "f").arena_bytes == 0


def test_large_carries_have_memory() -> None:
    h = at.dvector("h")
    start = at.tensor("start", dtype="float64", shape=(100,))
    p = program([STEPS, start], apply(ops.Scan(body([h], at.sin(h)[::-1]), 0, 1), STEPS, start))
    compare(p, [3, np.arange(100.0)])
    assert lower(p, "f").arena_bytes >= 2 * 100 * 8


@pytest.mark.parametrize("flags", [{}, {"reverse": True}, {"until": True}, {"limited": True}])
def test_a_computed_number_of_steps(flags: dict[str, bool]) -> None:
    """It needs no size where nothing is stacked; without sequences and with one."""
    x, h, w = at.dvector("x"), at.dvector("h"), at.dscalar("w")
    stop = [at.gt(h[0], 0.4)] if flags.get("until") else []
    number = at.cast(at.exp(W).sum() * 5, "int64")
    alone = ops.Scan(body([h, w], at.cos(w * h), *stop), 0, 1, **flags)
    rows = ops.Scan(body([x, h, w], at.cos(w * h) + x, *stop), 1, 1, name="rows", **flags)
    limit = [LIMIT] if flags.get("limited") else []
    made = [apply(op, number, *limit, *seqs, H0, W) for op, seqs in ((alone, []), (rows, [XS]))]
    outputs = [v for m in made for v in (m if isinstance(m, (list, tuple)) else [m])]
    inputs = [*limit, XS, H0, W]
    given = [3] if limit else []
    for power in (-4.0, -1.0, 0.1):             # 0, 1, 5 steps
        f = compare(program(inputs, *outputs), [*given, ROWS, START, power])
    with pytest.raises(ShapeError, match=r"scan\{rows\}: the sequence xs has 6 rows, fewer than the 13 steps"):
        f(*given, ROWS, START, 1.0)


def test_a_negative_computed_number_of_steps() -> None:
    h = at.dscalar("h")
    number = at.cast(at.floor(XS.sum()), "int64")
    f = compiled(program([XS, W], apply(ops.Scan(body([h], 2 * h), 0, 1, name="twice"), number, W)))
    assert f(np.full((2, 2), 0.9), 1.5)[0] == 12.0
    with pytest.raises(ShapeError, match=r"scan\{twice\}: the number of steps is -4; it must not be negative"):
        f(-np.full((2, 2), 0.9), 1.5)


def test_an_inner_loop_as_long_as_a_row_says() -> None:
    k, h, g, e = at.lscalar("k"), at.dscalar("h"), at.dscalar("g"), at.dscalar("e")
    ks, row = at.lvector("ks"), at.dvector("row")
    inner = apply(ops.Scan(body([e, g], at.sin(g) + e), 1, 1), k, row, h)
    made = apply(ops.Scan(body([k, h, row], inner, inner), 1, 1), STEPS, ks, W, H0)
    f = compare(program([STEPS, ks, W, H0], *made), [4, [3, 0, 1, 2], 0.5, START])
    with pytest.raises(ShapeError, match="the sequence row has 3 rows, fewer than the 4 steps"):
        f(2, np.array([1, 4]), 0.5, START)
