"""Passes on branches: values by the interpreter before and after, and what is left of the Conds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import gradc.tensor as at
from gradc.control.bodies import close
from gradc.errors import AssertionFailedError
from gradc.ir import interp, ops
from gradc.ir.convert import to_program
from gradc.ir.graph import apply
from gradc.ir.pretty import pretty
from gradc.ir.program import Eqn, Program
from gradc.passes.phases import optimize

X, Y, C, D = at.dvector("x"), at.dvector("y"), at.bscalar("c"), at.bscalar("d")
VALUES = [np.array([0.3, -1.2, 2.0]), np.array([1.0, 0.5, -0.7])]


def cond(condition: Any, then: Sequence[Any], orelse: Sequence[Any], inputs: Sequence[Any] = (X, Y)) -> list[Any]:
    fresh = [v.type(v.name) for v in inputs]
    there = dict(zip(inputs, fresh))
    branches = [to_program(fresh, [at.as_tensor_variable(v) for v in part], there) for part in (then, orelse)]
    outs = apply(ops.Cond(*branches), condition, *inputs)
    return list(outs) if isinstance(outs, (list, tuple)) else [outs]


def same(outputs: Sequence[Any]) -> Program:
    before = to_program([X, Y, C, D], outputs)
    after = optimize(before, checked=True)
    for c, d in ((0, 0), (0, 1), (1, 0), (1, 1)):
        given = [*VALUES, np.asarray(c, "int8"), np.asarray(d, "int8")]
        for w, g in zip(interp.evaluate(before, given), interp.evaluate(after, given)):
            np.testing.assert_allclose(g, w, rtol=1e-13, err_msg=pretty(after))
    return after


def conds(program: Program) -> list[Eqn]:
    return [eqn for eqn in program.eqns if type(eqn.op) is ops.Cond]


def test_a_known_condition_is_no_branch() -> None:
    after = same(cond(at.constant(True), [at.exp(X)], [Y]) + cond(at.constant(False), [at.exp(X)], [at.sin(Y)]))
    assert [str(eqn.op) for eqn in after.eqns] == ["exp", "sin"]


def test_results_and_inputs_that_are_not_needed_are_dropped() -> None:
    made = cond(at.neq(C, 0), [at.exp(X), at.sin(Y)], [X, at.cos(Y)])
    branch, = conds(same([made[0]]))
    assert len(branch.outs) == 1 and len(branch.args) == 2


def test_what_both_branches_compute_is_computed_without_asking() -> None:
    made = cond(at.neq(C, 0), [at.exp(X) + Y, X * 2, Y], [at.exp(X) + Y, X * 3, Y])
    after = same(made)
    branch, = conds(after)
    assert len(branch.outs) == 1 and after.outputs[2] is after.inputs[1]


def test_what_may_fail_stays_in_its_branch() -> None:
    failing = apply(ops.Assert("positive"), at.exp(X), at.gt(X, 0).all())
    program = optimize(to_program([X, Y, C], cond(at.neq(C, 0), [failing], [Y])), checked=True)
    np.testing.assert_array_equal(interp.evaluate(program, [*VALUES, np.asarray(0)])[0], VALUES[1])
    with pytest.raises(AssertionFailedError, match="positive"):
        interp.evaluate(program, [*VALUES, np.asarray(1)])


def test_branches_on_one_condition_are_merged() -> None:
    question, other = at.neq(C, 0), at.neq(D, 0)
    one, = cond(question, [at.exp(X)], [at.sin(X)])
    two, = cond(other, [X], [Y])
    after_one = one * 2
    three, four = cond(question, [at.cos(Y), X], [Y, at.tanh(X)])
    five, = cond(question, [at.exp(Y)], [X], (X, Y))
    needs_one, = cond(question, [at.exp(after_one)], [X], (X, after_one))
    after = same([after_one, two, three, four, five, needs_one])
    assert len(conds(after)) == 3


def test_branches_are_closed_over_what_they_need() -> None:
    x = at.dvector()
    body = close([x], [x * 2 + Y]).program
    outs = apply(ops.Cond(body, body), at.neq(C, 0), X, Y)
    assert not conds(same([outs[0] if isinstance(outs, list) else outs]))
