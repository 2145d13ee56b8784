"""Python's questions to variables: `if x:`, `x == 3`; what containers ask is not warned of."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.config import config
from gradc.errors import GradcWarning, TypeMismatchError

X, Y, S = at.dscalar("x"), at.dscalar("y"), gradc.shared(1.0, "s")

ASKED: dict[str, tuple[Callable[[], Any], Any]] = {
    "if": (lambda: 1 if X else 2, 1),
    "not": (lambda: not S, False),
    "and": (lambda: X and 5, 5),
    "any": (lambda: any([X, Y]), True),
}
COMPARED: dict[str, tuple[Callable[[], Any], Any]] = {
    "==": (lambda: 1 if X == 3 else 2, 2),
    "!=": (lambda: X != 3, True),
    "reflected": (lambda: 0.5 == X, False),
    "bool": (lambda: X == True, False),  # noqa: E712
    "expression": (lambda: X + 1 == 3, False),
}
SILENT: dict[str, tuple[Callable[[], Any], Any]] = {
    "itself": (lambda: X == X, True),
    "in a list": (lambda: X in [Y, 3, S], False),
    "in a dict": (lambda: X in {Y: 1, 3: 2}, False),
    "key": (lambda: {Y: 1, X: 2, S: 3}[X], 2),
    "index": (lambda: [Y, 3, X].index(X), 2),
    "lists": (lambda: [X, Y] == [Y, X], False),
    "tuples": (lambda: (X,) == (Y,), False),
    "None": (lambda: X == None, False),  # noqa: E711
    "text": (lambda: X == "x", False),
    "is": (lambda: X is Y, False),
}


@pytest.mark.parametrize("kind", ASKED)
def test_truth(kind: str) -> None:
    ask, answer = ASKED[kind]
    with pytest.warns(GradcWarning, match=r"asks for the truth of [xs] \(.*test_truth.py:\d+\).*ifelse or switch") as w:
        assert ask() == answer
    assert w[0].filename == __file__


@pytest.mark.parametrize("kind", COMPARED)
def test_equality(kind: str) -> None:
    ask, answer = COMPARED[kind]
    with pytest.warns(GradcWarning, match=r"compares .* with .* as objects \(.*test_truth.py:\d+\).*eq or neq"):
        assert ask() == answer


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python does not tell the place in the line")
def test_equality_of_two_variables_by_name() -> None:
    with pytest.warns(GradcWarning, match="compares x with y as objects .*or `is`"):
        chosen = at.switch(X == Y, 1, 2)
    assert chosen.eval() == 2


@pytest.mark.parametrize("kind", SILENT)
def test_what_containers_ask(kind: str) -> None:
    ask, answer = SILENT[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ask() == answer


def test_arrays_compare_by_value() -> None:
    for same in (X == np.ones(2), np.ones(2) == X, X == np.float64(1)):
        np.testing.assert_array_equal(same.eval({X: 1.0}), np.ones(same.ndim and 2, bool) if same.ndim else True)


def test_once_a_place_and_the_flag() -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("default")
        for _ in range(3):
            if X == 3 or not X:
                pass
    assert [w.lineno for w in seen] == [seen[0].lineno] * 2
    for ask in (lambda: X == 3, lambda: bool(X)):
        with config.change_flags(warn_truth="raise"), pytest.raises(TypeMismatchError, match="Python"):
            ask()
        with config.change_flags(warn_truth="ignore"), warnings.catch_warnings():
            warnings.simplefilter("error")
            ask()
