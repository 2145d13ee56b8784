"""Vectorised equations and Programs against a loop over the rows."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from gradc.errors import BadValueError
from gradc.ir import interp, ops
from gradc.ir.batch import Unbatchable, batch, batch_program, row_form
from gradc.ir.check import check
from gradc.ir.facts import facts
from gradc.ir.pretty import pretty
from gradc.ir.program import Builder, Program, Var
from gradc.ir.types import TensorType

F, INT, B = "float64", "int64", "bool"
ROWS = 3
RNG = np.random.default_rng(7)


def program(op: ops.OpKind, *types: TensorType) -> Program:
    b = Builder()
    made = b.apply(op, *[b.input(t) for t in types])
    return b.program(made if isinstance(made, tuple) else [made])


def t(dtype: str, *shape: int | None) -> TensorType:
    return TensorType(dtype, shape)


def values(v: Var, rows: int | None) -> np.ndarray:
    shape = [*([] if rows is None else [rows]), *[4 if s is None else s for s in v.type.shape]]
    if v.type.dtype == F:
        return RNG.normal(size=shape)
    return np.full(shape, True) if v.type.dtype == B else np.full(shape, 2)


def agree(p: Program, flags: Sequence[bool], rows: int = ROWS) -> Program:
    """Compare with the loop over rows; the vectorised Program."""
    vectorised, made = batch_program(p, flags)
    check(vectorised)
    inputs = [values(v, rows if flag else None) for v, flag in zip(p.inputs, flags)]
    got = interp.evaluate(vectorised, inputs)
    each = [interp.evaluate(p, [x[k] if flag else x for x, flag in zip(inputs, flags)]) for k in range(rows)]
    for k, (g, flag) in enumerate(zip(got, made)):
        want = np.stack([e[k] for e in each]) if flag else each[0][k]
        assert g.shape == want.shape and g.dtype == want.dtype, pretty(vectorised)
        np.testing.assert_allclose(g, want, rtol=1e-13, atol=1e-13, err_msg=pretty(vectorised))
    return vectorised


ITEM = ops.Item
INDEX = (ITEM(at=ops.DYNAMIC), ITEM(start=1))
EQUATIONS = [
    (ops.Map("add"), t(F, None, None), t(F, None, None)), (ops.Map("mul"), t(F), t(F, None, None)),
    (ops.Map("sub"), t(F, None, 1), t(F, 1, None)), (ops.Map("switch"), t(B, None), t(F), t(F, 2, None)),
    (ops.Map("exp"), t(F)), (ops.Map("second"), t(F, None), t(F)), (ops.Cast("float32"), t(F, None)),
    (ops.Reduce("add", (0,)), t(F, None, None)), (ops.Reduce("maximum", (0, 1)), t(F, None, None)),
    (ops.Cumulate("mul", 1), t(F, None, None)), (ops.ArgReduce("minimum", 0), t(F, None, None)),
    (ops.Contract((0, 1), (1, 2), (0, 2)), t(F, None, None), t(F, None, None)),
    (ops.Contract((0, 1), (1,), (0,)), t(F, None, None), t(F, None)),
    (ops.Contract((0,), (1,), (1, 0)), t(F, None), t(F, None)), (ops.Contract((), (), ()), t(F), t(F)),
    (ops.Contract((2, 0, 1), (2, 1, 3), (2, 0, 3)), t(F, None, None, None), t(F, None, None, None)),
    (ops.Transpose((1, -1, 0)), t(F, None, None)), (ops.Transpose((1,)), t(F, 1, None)),
    (ops.Slice(INDEX), t(F, None, None), t(INT)), (ops.Slice((ITEM(step=-1),)), t(F, None, None)),
    (ops.Scatter("set", INDEX), t(F, None, None), t(F), t(INT)),
    (ops.Scatter("inc", INDEX), t(F, None, None), t(F, 3), t(INT)), (ops.Concat(0), t(F, None), t(F, None)),
    (ops.Gather((0,)), t(F, None), t(INT, None)), (ops.Gather((1,)), t(F, None, None, None), t(INT, None, None)),
    (ops.Gather((0, 2)), t(F, None, None, None), t(INT, None, 1), t(INT, None)),
    (ops.ScatterAt("inc", (0,)), t(F, None, None), t(F, 1), t(INT, None)),
    (ops.ScatterAt("set", (0, 1)), t(F, None, None), t(F, None), t(INT), t(INT, None)),
    (ops.Scatter("inc", (*INDEX, ITEM(at=ops.DYNAMIC))), t(F, None, None, None), t(F, 3), t(INT), t(INT)),
    (ops.Concat(1), t(F, None, None), t(F, None, None)), (ops.ShapeOf(0), t(F, None, 3)),
    (ops.ShapeOf(None), t(F, 3, 2)),
    (ops.Broadcast(), t(F, 1, None), t(INT), t(INT), t(INT)), (ops.Iota(), t(INT)),
    (ops.Reshape(2), t(F, 4), t(INT), t(INT)),
    (ops.Assert("!"), t(F, None), t(B), t(B, None)), (ops.Assert("!"), t(F, None), t(INT)),
    (ops.Assert("{0}", "value", 1), t(F, None), t(B), t(INT)),
    (ops.Assert("{0} {1:float}", "value", 2), t(F, None), t(B, None), t(INT, None), t(F)),
]


@pytest.mark.parametrize("case", EQUATIONS, ids=lambda case: str(case[0]))
def test_rows_are_those_of_the_loop(case: tuple[Any, ...]) -> None:
    op, *types = case
    fixed = {ops.Broadcast: 1, ops.Reshape: 1, ops.Iota: 0}.get(type(op), len(types))
    p = program(op, *types)
    if type(op) is ops.Broadcast:       # the last size is that of x
        b = Builder()
        x, *sizes = [b.input(v) for v in types]
        p = b.program([b.apply(op, x, *sizes[:2], b.size(x, 1))])
        p = Program(p.inputs[:3], p.eqns, p.outputs)
    for flags in itertools.product((False, True), repeat=len(p.inputs)):
        if any(flags[fixed:]):
            with pytest.raises(Unbatchable):
                batch_program(p, flags)
        else:
            agree(p, flags)
            agree(p, flags, 1)


# Sizes tell how many rows there are, or which row of what is written to goes by number.
NO_ROW = (ops.Scatter, ops.ScatterAt, ops.Broadcast, ops.Reshape, ops.Iota, ops.ShapeOf)


@pytest.mark.parametrize("case", [c for c in EQUATIONS if type(c[0]) not in (*NO_ROW, ops.Assert)],
                         ids=lambda case: str(case[0]))
def test_a_row_of_what_is_vectorised_is_the_op_again(case: tuple[Any, ...]) -> None:
    op, *types = case
    for flags in itertools.product((False, True), repeat=len(types)):
        if not any(flags) or any(facts(op).sizes(op, flags)) or (type(op) is ops.Slice and any(flags[1:])) \
                or (type(op) is ops.Gather and flags[0]):
            continue
        b = Builder()
        args = [b.input(t(v.dtype, None, *v.shape) if flag else v) for v, flag in zip(types, flags)]
        (made, _), = batch(b, op, args, flags)
        again, by_rows = row_form(b.producer[made])
        assert str(again) == str(op) and type(again) is type(op)
        if type(op) in (ops.Map, ops.Contract):         # the others repeat what has no rows
            assert by_rows == flags
        if type(op) is not ops.Contract:                # whose labels are other numbers
            assert again == op


def test_the_value_at_fault_is_shown_of_any_row() -> None:
    p = program(ops.Assert("value {0} of {1:float}", "value", 2), t(F), t(B), t(INT), t(F))
    for flags, args, text in (
            ((False, True, True, False), ([True, False], [4, 5], 0.5), "value 5 of 0.5"),
            ((True, False, True, True), (False, [4, 5], [0.5, 0.25]), "value 4 of 0.5")):
        vectorised, _ = batch_program(p, flags)
        with pytest.raises(BadValueError, match=text):
            interp.evaluate(vectorised, [np.ones(2) if flags[0] else np.float64(1), *map(np.asarray, args)])


def recurrence(name: str = "") -> tuple[ops.Scan, list[TensorType]]:
    """s' = w s + x_t, p' = s, q' = q + 1; rows s, x_t x_t, q."""
    b = Builder()
    x, s, _, q, w = [b.input(k) for k in (t(F, None), t(F, None), t(F, None), t(INT), t(F))]
    after = b.map("add", b.map("mul", w, s), x)
    body = b.program([after, s, b.map("add", q, b.constant(1, INT)), s, b.map("square", x), q])
    return ops.Scan(body, 1, 3), [t(INT), t(F, None, None), t(F, None), t(F, None), t(INT), t(F)]


@pytest.mark.parametrize("flags", [f for f in itertools.product((False, True), repeat=6) if not f[0]])
def test_a_loop_is_vectorised_with_the_carries_that_need_it(flags: tuple[bool, ...]) -> None:
    op, types = recurrence()
    vectorised = agree(program(op, *types), flags)
    if not flags[4]:
        scan, = [e for e in vectorised.eqns if type(e.op) is ops.Scan]
        assert scan.outs[2].type == t(INT)


def test_a_loop_whose_end_would_differ_is_refused() -> None:
    b = Builder()
    x, most = b.input(t(F)), b.input(t(F))
    after = b.map("add", x, x)
    body = b.program([after, b.map("lt", most, after)])
    p = program(ops.Scan(body, 0, 1, until=True), t(INT), t(F), t(F))
    for flags in ((True, False, False), (False, True, False), (False, False, True)):
        with pytest.raises(Unbatchable, match="number of steps"):
            batch_program(p, flags)


@pytest.mark.parametrize("flags", [f for f in itertools.product((False, True), repeat=3) if not f[0]])
def test_branches_agree_on_which_results_have_the_axis(flags: tuple[bool, ...]) -> None:
    def branch(which: int) -> Program:
        b = Builder()
        x, y = b.input(t(F, None)), b.input(t(F, None))
        return b.program([b.map("exp", (x, y)[which]), b.map("neg", y)])

    agree(program(ops.Cond(branch(0), branch(1)), t(B), t(F, None), t(F, None)), flags)


def test_what_is_the_same_for_all_rows_is_computed_once() -> None:
    b = Builder()
    x, w = b.input(t(F, None)), b.input(t(F, None))
    p = b.program([b.map("mul", x, b.map("exp", w)), b.map("exp", w)])
    vectorised, flags = batch_program(p, (True, False))
    assert flags == (True, False)
    assert [e.out.type.ndim for e in vectorised.eqns] == [1, 2]
    _, flags = batch_program(p, (True, False), (False, True))
    assert flags == (True, True)
