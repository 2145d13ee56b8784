"""What `function` refuses, and with which words: inputs, outputs, updates, givens, options."""

from __future__ import annotations

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.errors import GraphError, MissingInputError, TypeMismatchError, UnusedInputError
from gradc.ir import ops
from gradc.ir.graph import apply


def function(*args, **options):
    return gradc.function(*args, mode="interpret", **options)


def test_inputs_must_be_a_list() -> None:
    x = at.dscalar("x")
    with pytest.raises(TypeError, match=r"list, also where there is only one; got the variable x"):
        function(x, x)


@pytest.mark.parametrize("bad", [3, "x", None, [1]])
def test_inputs_must_be_variables(bad: object) -> None:
    with pytest.raises(TypeError, match="input 0 of the function must be a variable"):
        function([bad], at.dscalar("x"))


def test_a_constant_is_no_input() -> None:
    with pytest.raises(TypeError, match="constant"):
        function([at.constant(2.0)], at.constant(2.0))


def test_a_shared_variable_is_no_explicit_input() -> None:
    s = gradc.shared(1.0, name="s")
    with pytest.raises(TypeError, match=r"shared variable s.*givens"):
        function([s], s)


def test_the_same_input_twice() -> None:
    x = at.dscalar("x")
    with pytest.raises(UnusedInputError, match=r"x stands twice in the inputs, at 0 and 1"):
        function([x, x], x)


def test_a_missing_input_is_named_with_its_line() -> None:
    x, y = at.dscalars("x", "y")
    with pytest.raises(MissingInputError, match=r"y of type .*test_request\.py:\d+"):
        function([x], x + y)


def test_an_unused_input_is_refused_warned_about_or_ignored() -> None:
    x, y = at.dscalars("x", "y")
    with pytest.raises(UnusedInputError, match=r"input 1, y .*is not needed"):
        function([x, y], x)
    with pytest.warns(UserWarning, match=r"input 1, y .*is not needed"):
        f = function([x, y], x, on_unused_input="warn")
    assert f(1, 2) == 1.0
    assert function([x, y], x, on_unused_input="ignore")(1, 2) == 1.0
    with pytest.raises(GraphError, match="on_unused_input must be"):
        function([x, y], x, on_unused_input="maybe")


def test_an_input_used_only_for_its_static_shape_is_used() -> None:
    x = at.tensor("float64", shape=(3,), name="x")
    assert function([x], apply(ops.ShapeOf(0), x))([1, 2, 3]) == 3


@pytest.mark.parametrize("bad", [3, [3], {"a": 3}, "y"])
def test_outputs_must_be_variables(bad: object) -> None:
    with pytest.raises(TypeError, match=r"output .* must be a variable or Out"):
        function([], bad)


def test_keys_of_outputs_must_be_strings() -> None:
    with pytest.raises(TypeError, match="keys of a dict of outputs must be strings"):
        function([], {1: at.constant(2.0)})


def test_updates_must_be_pairs_of_shared_variables_and_expressions() -> None:
    x = at.dscalar("x")
    s = gradc.shared(1.0, name="s")
    with pytest.raises(TypeError, match="updates change shared variables"):
        function([x], x, updates={x: x + 1})
    with pytest.raises(TypeError, match="updates must be a dict or a list of pairs"):
        function([x], x, updates=3)
    with pytest.raises(TypeError, match="got the entry"):
        function([x], x, updates=[s])
    with pytest.raises(GraphError, match="s has two updates"):
        function([x], x, updates=[(s, s + 1), (s, s + 2)])


def test_an_update_of_another_dtype_names_both() -> None:
    s = gradc.shared(np.float32(1), name="s")
    with pytest.raises(TypeError, match=r"s is f32\[\], but .* is f64\[\].*cast it"):
        function([], s, updates={s: s + at.constant(0.1)})


def test_an_update_of_another_rank_names_both() -> None:
    s = gradc.shared(np.zeros(3), name="s")
    with pytest.raises(TypeMismatchError, match=r"s is f64\[\?\], but .* is f64\[\]"):
        function([], s, updates={s: s.sum()})


def test_an_update_by_a_value_must_fit() -> None:
    s = gradc.shared(1, name="s")
    with pytest.raises(TypeError, match="update of s"):
        function([], s, updates={s: 0.5})
    f = function([], s, updates={s: 0})
    assert f() == 1 and s.get_value() == 0


def test_givens_must_fit() -> None:
    x, y, m = at.dscalar("x"), at.dscalar("y"), at.dmatrix("m")
    with pytest.raises(GraphError, match="x, which is an input"):
        function([x], x, givens={x: y})
    with pytest.raises(TypeError, match=r"y is f64\[\], but m is f64\[\?,\?\]"):
        function([m], y, givens={y: m})
    with pytest.raises(GraphError, match="givens replace y twice"):
        function([x], y, givens=[(y, x), (y, x)])
    with pytest.raises(TypeError, match="givens replace variables"):
        function([x], x, givens={"x": y})
    with pytest.raises(GraphError, match="depends on it"):
        function([x], x + y, givens={y: y + 1})


def test_no_default_updates_must_be_a_bool_or_a_list() -> None:
    s = gradc.shared(1.0)
    with pytest.raises(TypeError, match="no_default_updates"):
        function([], s, no_default_updates="yes")


def test_in_and_out_check_what_they_get() -> None:
    x = at.dscalar("x")
    with pytest.raises(TypeError, match="In expects a variable"):
        gradc.In(3)
    with pytest.raises(TypeError, match="Out expects a variable"):
        gradc.Out(3)
    with pytest.raises(GraphError, match="mutable=True implies borrow=True"):
        gradc.In(x, mutable=True, borrow=False)
    with pytest.raises(GraphError, match="no value to begin with"):
        function([gradc.In(x, update=x + 1)], x)
    with pytest.raises(TypeError, match="default of x"):
        function([gradc.In(x, value="a")], x)
    with pytest.raises(TypeError, match=r"x is f64\[\]"):
        function([gradc.In(x, value=1.0, update=at.cast(x, "int64"))], x)


def test_mode_must_be_known() -> None:
    x = at.dscalar("x")
    with pytest.raises(GraphError, match="mode must be a Mode or one of"):
        gradc.function([x], x, mode="fast")


def test_name_must_be_a_string() -> None:
    x = at.dscalar("x")
    with pytest.raises(GraphError, match="name of a function is a string"):
        function([x], x, name=3)


def test_a_variable_without_value_is_no_output() -> None:
    s = gradc.shared([1, 2], name="g")
    with pytest.raises(TypeError, match="has type Generic"):
        function([], s)
