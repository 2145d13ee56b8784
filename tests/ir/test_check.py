"""Programs that are not well formed are named as such, with the Program printed."""

from __future__ import annotations

import pytest

from gradc.errors import ProgramCheckError
from gradc.ir import ops
from gradc.ir.check import check
from gradc.ir.pretty import pretty
from gradc.ir.program import Eqn, Program, Var
from gradc.ir.types import TensorType

VECTOR = TensorType("float64", (None,))
X, Y, LOST = Var(0, VECTOR, name="x"), Var(1, VECTOR), Var(7, VECTOR)
NEG = ops.Map("neg")


@pytest.mark.parametrize(("program", "words"), [
    (Program([X], [Eqn(NEG, (LOST,), (Y,))], [Y]), r"uses %7 before it is defined"),
    (Program([X], [Eqn(NEG, (X,), (Y,))], [LOST]), r"output %7 is not defined"),
    (Program([X], [Eqn(ops.Slice((ops.Item(),)), (LOST,), (Y,))], [Y]), r"uses %7 before"),
    (Program([X, X], [], [X]), r"an input stands twice"),
    (Program([X], [Eqn(NEG, (X,), (X,))], [X]), r"%0 is defined twice"),
    (Program([X], [Eqn(NEG, (X,), (Var(1, TensorType("float32", (None,))),))], [X]), r"has type .*float32.*not"),
])
def test_what_is_wrong_is_said(program: Program, words: str) -> None:
    with pytest.raises(ProgramCheckError, match=words) as caught:
        check(program, "a pass")
    assert "after a pass; this is a bug in gradc" in str(caught.value)
    assert str(caught.value).endswith(pretty(program))


def test_an_undefined_var_prints_as_its_number() -> None:
    assert pretty(Program([X], [Eqn(NEG, (LOST,), (Y,))], [Y])) == \
        "program (x: f64[?]) ->\n  v1: f64[?] = neg(%7)\n  return v1"
