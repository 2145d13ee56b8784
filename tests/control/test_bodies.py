"""Closing expressions over what they take from outside."""

from __future__ import annotations

import numpy as np

import gradc
import gradc.tensor as at
from gradc.control.bodies import close
from gradc.ir import interp


def test_what_no_input_has_a_part_in_is_taken_from_outside_whole() -> None:
    x, w = at.dvector("x"), at.dscalar("w")
    outside = at.exp(w) + 1
    closed = close([x], [x * outside, outside * 2.0, x])
    assert closed.others == [outside, closed.others[1]]
    assert [type(e.op).__name__ for e in closed.program.eqns] == ["Map"]
    values = interp.evaluate(closed.program, [np.array([1.0, 2.0]), np.asarray(3.0), np.asarray(6.0)])
    assert [v.tolist() for v in values] == [[3.0, 6.0], 6.0, [1.0, 2.0]]


def test_shared_variables_are_outside_and_constants_inside() -> None:
    x, s = at.dvector("x"), gradc.shared(np.ones(2), name="s")
    closed = close([x], [x + s + at.constant(5.0)])
    assert closed.others == [s]
