"""FunctionGraph: clients, replacement, pruning, cycles."""

from __future__ import annotations

import pytest

import gradc.tensor as at
from gradc.errors import InconsistencyError, MissingInputError, TypeMismatchError
from gradc.graph.fg import FunctionGraph


def chain():
    x, y = at.dvectors("x", "y")
    a = at.exp(x)
    b = a + y
    return x, y, a, b


def test_listing_of_a_graph() -> None:
    x, y, a, b = chain()
    fg = FunctionGraph([x, y], [b, a], clone=False)
    assert fg.toposort() == [a.owner, b.owner] and fg.apply_nodes == {a.owner, b.owner}
    assert fg.variables == {x, y, a, b}
    assert fg.get_clients(a) == [(b.owner, 0), ("output", 1)] and fg.get_clients(x) == [(a.owner, 0)]
    fg.check_integrity()
    assert a in fg and a.owner in fg and at.dvector() not in fg


def test_inputs_are_found_and_missing_ones_named() -> None:
    x, y, _, b = chain()
    assert FunctionGraph(outputs=[b], clone=False).inputs == [x, y]
    with pytest.raises(MissingInputError, match="y"):
        FunctionGraph([x], [b])


def test_a_clone_leaves_the_users_graph_alone() -> None:
    x, y, a, b = chain()
    fg = FunctionGraph([x, y], [b])
    copied = fg.outputs[0].owner.inputs[0]
    fg.replace(copied, fg.inputs[0] * 2)
    assert b.owner.inputs[0] is a
    assert [str(n.op) for n in fg.toposort()] == ["mul", "add"]
    assert [str(n.op) for n in fg.clone().toposort()] == ["mul", "add"]


def test_replacing_prunes_what_nobody_uses() -> None:
    x, y, a, b = chain()
    fg = FunctionGraph([x, y], [b], clone=False)
    fg.replace(a, x)
    assert fg.apply_nodes == {b.owner} and a not in fg.variables
    fg.check_integrity()


def test_wrapping_a_variable_keeps_its_inner_use() -> None:
    x, y, a, b = chain()
    fg = FunctionGraph([x, y], [b], clone=False)
    fg.replace(a, at.sqrt(a))
    assert [str(n.op) for n in fg.toposort()] == ["exp", "sqrt", "add"]
    fg.check_integrity()


def test_replacing_an_output() -> None:
    x, y, _, b = chain()
    fg = FunctionGraph([x, y], [b], clone=False)
    fg.replace_all([(b, x * y)])
    assert [str(n.op) for n in fg.toposort()] == ["mul"]
    fg.add_output(x + y)
    fg.add_input(at.dscalar("s"))
    assert len(fg.outputs) == 2 and len(fg.inputs) == 3


def test_cycles_and_types_are_refused() -> None:
    x, y, a, b = chain()
    fg = FunctionGraph([x, y], [b], clone=False)
    with pytest.raises(InconsistencyError, match="cycle"):
        fg.replace(a, b * 2)
    with pytest.raises(TypeMismatchError, match="cast"):
        fg.replace(a, at.cast(x, "float32"))
    fg.check_integrity()
