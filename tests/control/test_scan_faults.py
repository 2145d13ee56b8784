"""`scan` asked for what can't be: one clear error, with the user's line, and state unchanged."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.errors import (
    DisconnectedInputError,
    GradcWarning,
    IndexOutOfBoundsError,
    LoopError,
    MissingInputError,
    ShapeError,
    TypeMismatchError,
)
from gradc.ir import ops
from gradc.ir.graph import apply
from gradc.scan.utils import until

XS, YS = at.dvectors("xs", "ys")
N = at.lscalar("n")
ZERO = at.constant(np.float64(0))
HERE = re.escape(__file__) + r":\d+"


def function(inputs: list[Any], outputs: Any, **options: Any) -> Any:
    return gradc.function(inputs, outputs, mode="interpret", **options)


CASES: dict[str, tuple[Callable[[], Any], str]] = {
    "a float32 state of a float64 sum": (
        lambda: gradc.scan(lambda x, s: s + x, sequences=XS, outputs_info=at.constant(0.0)),
        rf"output 0 begins as f32\[\] \(the constant 0.0 of outputs_info\[0\] \({HERE}\)\), but the step makes f64\[\] "
        rf"of it \({HERE}\); cast the initial value to float64"),
    "another rank": (
        lambda: gradc.scan(lambda x, s: [x, s.sum() + x], sequences=XS, outputs_info=[None, YS]),
        r"output 1 begins as f64\[\?\] \(ys of .* makes f64\[\] .*: 1 and 0 dimensions; .* keeps its shape"),
    "another static shape": (
        lambda: gradc.scan(lambda s: at.concatenate([s, s]), outputs_info=at.zeros(3), n_steps=2),
        r"output 0 begins as f64\[3\] .* makes f64\[6\] .* keeps its shape"),
    "more outputs than states": (
        lambda: gradc.scan(lambda x, s: [s + x, x], sequences=XS, outputs_info=ZERO),
        rf"outputs_info has 1 entries, but the step returns 2 outputs \({HERE}\); give an entry for each, None for"),
    "nothing returned": (lambda: gradc.scan(lambda x: None, sequences=XS), "returns no outputs and no updates"),
    "no expression": (lambda: gradc.scan(lambda x: "abc", sequences=XS), rf"got 'abc' as output 0 \({HERE}\)"),
    "until before the outputs": (
        lambda: gradc.scan(lambda x: (until(x > 3), x), sequences=XS),
        rf"then until\(condition\), .* got until\(the result of gt\) as output 0 \({HERE}\)"),
    "arguments that the step does not take": (
        lambda: gradc.scan(lambda x: x, sequences=[XS, YS], outputs_info=ZERO),
        r"does not take the 3 arguments it is given \(xs\[t\], ys\[t\], an unnamed f64\[\]\): .* takes 1 positional"),
    "no number of steps": (
        lambda: gradc.scan(lambda s: (s + 1, until(s > 3)), outputs_info=ZERO),
        rf"nothing says how many steps to run \({HERE}\); give n_steps or a sequence"),
    "half a step": (lambda: gradc.scan(lambda s: s, outputs_info=ZERO, n_steps=2.5), "integer scalar, got 2.5 of type"),
    "a vector of steps": (lambda: gradc.scan(lambda s: s, outputs_info=ZERO, n_steps=at.lvector("k")), "got k of type"),
    "a scalar sequence": (lambda: gradc.scan(lambda x: x, sequences=ZERO), "belongs to non_sequences"),
    "a short constant sequence": (
        lambda: gradc.scan(lambda x: x, sequences=at.constant(np.ones(3), name="ones"), n_steps=5),
        rf"ones has 3 rows, fewer than the 5 steps \({HERE}\)"),
    "a tap on the future": (
        lambda: gradc.scan(lambda s: s, outputs_info=dict(initial=YS, taps=[0]), n_steps=2), "must be negative"),
    "a tap twice": (
        lambda: gradc.scan(lambda s, r: s, outputs_info=dict(initial=YS, taps=[-2, -2]), n_steps=2), "must differ"),
    "taps without values": (
        lambda: gradc.scan(lambda s: s, outputs_info=dict(taps=[-2]), n_steps=2), "no 'initial' value to begin with"),
    "too few values for a tap": (
        lambda: gradc.scan(lambda s: s, outputs_info=dict(initial=at.zeros(2), taps=[-3]), n_steps=2),
        r"with taps \[-3\] must hold 3 values"),
    "an unknown entry": (
        lambda: gradc.scan(lambda s: s, outputs_info=dict(init=YS), n_steps=2), "the entry 'init'; expected 'initial'"),
    "half a truncation": (
        lambda: gradc.scan(lambda x: x, sequences=XS, truncate_gradient=0.5), "or -1 for all, got 0.5"),
    "a condition that is no scalar": (lambda: gradc.scan(lambda x: (x, until(XS > 0)), sequences=XS), "takes a scalar"),
    "an update of another dtype": (
        lambda: gradc.scan(lambda x: {FLAG: FLAG + x}, sequences=XS),
        r"updates flag, which is i32\[\], with the result of add, which is f64\[\] .*; cast or reshape it"),
}
FLAG = gradc.shared(np.int32(0), name="flag")


@pytest.mark.parametrize("name", CASES)
def test_what_can_not_be_built(name: str) -> None:
    build, message = CASES[name]
    with pytest.raises((LoopError, ShapeError), match=message) as caught:
        build()
    assert isinstance(caught.value, ValueError)


def test_updates_are_of_shared_variables() -> None:
    with pytest.raises(TypeMismatchError, match=rf"change shared variables; got xs as the one to update \({HERE}\)"):
        gradc.scan(lambda x: {XS: x}, sequences=XS)


def test_a_strict_step_uses_only_what_it_is_given() -> None:
    w = gradc.shared(2.0, name="w")
    with pytest.raises(MissingInputError, match=rf"the step uses w \({HERE}\), which is not among its arguments"):
        gradc.scan(lambda x: x * w, sequences=XS, strict=True)
    out, _ = gradc.scan(lambda x, w: x * w, sequences=XS, non_sequences=w, strict=True)
    assert function([XS], out)([1, 2]).tolist() == [2, 4]


def test_an_error_of_the_step_itself_comes_through() -> None:
    def step(x: Any) -> Any:
        raise TypeError("the user's own")

    with pytest.raises(TypeError, match=r"^the user's own$"):
        gradc.scan(step, sequences=XS)


def test_the_pitfall_of_the_tutorial() -> None:
    with pytest.raises(DisconnectedInputError, match="index it in the step"):
        gradc.scan(lambda y_i, x: at.grad(y_i, x), sequences=XS ** 2, non_sequences=XS)


# ------------------------------------------------------------------------------------------------ at the call

TOTAL = gradc.shared(0.0, name="total")
SUM, UPDATES = gradc.scan(lambda x, s: (s + x, {TOTAL: TOTAL + x}), sequences=XS, outputs_info=ZERO, n_steps=N)


@pytest.mark.parametrize(("values", "kind", "message"), [
    (([1.0, 2.0, 3.0], 5), ShapeError, r"xs has 3 rows, fewer than the 5 steps"),
    (([], 1), ShapeError, r"xs has 0 rows, fewer than the 1 steps"),
    (([1.0], -1), ShapeError, "number of steps is -1; it must not be negative"),
])
def test_wrong_lengths_at_the_call(values: Any, kind: type, message: str) -> None:
    f = function([XS, N], SUM, updates=UPDATES)
    TOTAL.set_value(7.0)
    with pytest.raises(kind, match=message) as caught:
        f(*values)
    assert re.search(HERE, str(caught.value)) and TOTAL.get_value() == 7
    assert f([1.0, 2.0], 2).tolist() == [1, 3] and TOTAL.get_value() == 10


@pytest.mark.parametrize("mode", ["c", "interpret"])
def test_wrong_lengths_of_rows_that_leave_the_loop(mode: str) -> None:
    product = [gradc.scan(lambda x, y: x * y, sequences=[XS, YS], n_steps=n)[0] for n in (3, N)]
    with pytest.raises(ShapeError, match="the sequence ys has 1 rows, fewer than the 3 steps"):
        gradc.function([XS, YS], product[0], mode=mode)([1.0, 2.0, 3.0], [1.0])
    f = gradc.function([XS, YS, N], product[1], mode=mode)
    with pytest.raises(ShapeError, match="the sequence ys has 1 rows, fewer than the 2 steps"):
        f([1.0, 2.0, 3.0], [1.0], 2)
    with pytest.raises(ShapeError, match="the number of steps is -1; it must not be negative"):
        f([1.0, 2.0, 3.0], [1.0], -1)


def test_more_steps_than_memory_has() -> None:
    out, _ = gradc.scan(lambda s: s + 1, outputs_info=ZERO, n_steps=N)
    with pytest.raises(MemoryError):
        function([N], out)(2 ** 62)


def test_sequences_without_rows_give_empty_results() -> None:
    out, _ = gradc.scan(lambda x, y, s: s + x * y, sequences=[XS, YS], outputs_info=at.zeros(3))
    assert function([XS, YS], out)([], [1.0]).shape == (0, 3)
    with pytest.raises(IndexOutOfBoundsError):
        function([XS, YS], out[-1])([], [1.0])


def test_a_state_that_changes_its_shape() -> None:
    out, _ = gradc.scan(lambda s: at.concatenate([s, s]), outputs_info=XS, n_steps=3)
    with pytest.raises(ShapeError, match=r"shape \(2,\) before step 0 and \(4,\) after it"):
        function([XS], out)([1.0, 2.0])


def test_too_few_values_for_a_tap_at_the_call() -> None:
    out, _ = gradc.scan(lambda s: s, outputs_info=dict(initial=XS, taps=[-2]), n_steps=3)
    with pytest.raises(IndexOutOfBoundsError):
        function([XS], out)([1.0])


# ------------------------------------------------------------------------------------------ forgotten updates


def test_updates_that_are_not_given_on() -> None:
    with pytest.warns(GradcWarning, match=rf"updates that scan returned \({HERE}\) are not given: total will keep"):
        function([XS, N], SUM)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        function([XS, N], SUM, updates=UPDATES)
        function([XS, N], SUM, no_default_updates=True)
        function([XS, N], SUM, no_default_updates=[TOTAL])


def test_updates_that_a_step_does_not_pass_on() -> None:
    def row(x: Any) -> Any:
        inner, updates = gradc.scan(lambda: (x * TOTAL, {TOTAL: TOTAL + 1}), n_steps=2)
        return (inner, updates) if passed else inner

    passed = True
    out, updates = gradc.scan(row, sequences=XS)
    TOTAL.set_value(1.0)
    assert function([XS], out, updates=updates)([1.0, 10.0]).tolist() == [[1, 2], [30, 40]]
    assert TOTAL.get_value() == 5
    passed = False
    with pytest.warns(GradcWarning, match="total will keep its value"):
        gradc.scan(row, sequences=XS)


@pytest.mark.parametrize("mode", ["c", "interpret"])
def test_what_fails_in_a_step_names_its_line(mode: str) -> None:
    """The line inside the step first, then that of the loop; also of what has left the loop, and in its gradient."""
    xs, table, i = at.dvector("xs"), at.dvector("table"), at.lvector("i")
    above = _line()

    def step(x: Any, k: Any, h: Any) -> Any:
        first = table[k]
        second = h * first + x
        return apply(ops.Assert("too large"), second, at.lt(x, 5.0))

    h, _ = gradc.scan(step, sequences=[xs, i], outputs_info=np.float64(0.0))
    f = gradc.function([xs, i, table], [h[-1], gradc.grad(h[-1], table)], mode=mode)
    f([1.0, 2.0], [0, 1], [1.0, 2.0])
    for arguments, line in (([1.0, 2.0], [0, 7], [1.0, 2.0]), 3), (([1.0, 6.0], [0, 1], [1.0, 2.0]), 5):
        with pytest.raises(gradc.errors.GradcError) as caught:
            f(*arguments)
        lines = [text.rsplit(":", 1)[1] for text in str(caught.value).splitlines() if "where:" in text]
        assert lines[0] == str(above + line), str(caught.value)
        assert str(above + 7) in lines

    def unequal(x: Any, h: Any) -> Any:
        return h + at.stack([x, x, x])[:i[0]]

    rows, _ = gradc.scan(unequal, sequences=xs, outputs_info=table)
    f = gradc.function([xs, i, table], rows, mode=mode)
    with pytest.raises(ShapeError, match=rf"where: .*:{above + 18}\n.*where: .*:{above + 20}"):
        f([1.0], [2], [1.0, 2.0, 3.0])


def _line() -> int:
    """The line of the caller."""
    return sys._getframe(1).f_lineno


@pytest.mark.parametrize("mode", [None, "interpret"])
def test_checks_of_steps_that_are_not_run(mode: Any) -> None:
    """They are not made, though what they check is known before the loop."""
    ks, _ = gradc.scan(lambda k: (apply(ops.Assert("small"), k * 2.0, at.lt(k, 3)), until(at.ge(k, N))),
                       sequences=at.arange(5))
    f = gradc.function([N], ks, mode=mode)
    np.testing.assert_array_equal(f(2), [0, 2, 4])
    with pytest.raises(AssertionError, match="small"):
        f(3)
