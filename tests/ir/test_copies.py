"""Pickles and deep copies of graphs: what belongs together stays together, however deep it is."""

from __future__ import annotations

import copy
import io
import itertools
import pickle
from typing import Any

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.errors import WrongGradientError


class _Pure(pickle._Pickler):  # type: ignore[misc, name-defined]
    """The pickler in Python: it fetches and remembers objects in another order than that in C."""


def _by_pure_pickler(thing: Any) -> Any:
    file = io.BytesIO()
    _Pure(file).dump(thing)
    return pickle.loads(file.getvalue())


AGAIN = [pytest.param(lambda thing: pickle.loads(pickle.dumps(thing)), id="pickle"),
         pytest.param(lambda thing: pickle.loads(pickle.dumps(thing, 2)), id="pickle2"),
         pytest.param(_by_pure_pickler, id="pure-pickle"), pytest.param(copy.deepcopy, id="deepcopy")]


class Model:
    """As people write them: inputs, state, expressions and functions as attributes of one object."""

    def __init__(self) -> None:
        self.x = at.dmatrix("x")
        self.w = gradc.shared(np.ones((2, 3)), name="w")
        self.hidden = at.tanh(at.dot(self.x, self.w))
        self.cost = self.hidden.sum()
        self.step = gradc.function([self.x], self.cost, updates=[(self.w, self.w - gradc.grad(self.cost, self.w))])


@pytest.mark.parametrize("again", AGAIN)
def test_a_model_stays_whole(again: Any) -> None:
    model, x = Model(), np.eye(2)
    twin = again(model)
    assert twin.w is not model.w and twin.hidden.owner.inputs[0].owner.inputs[1] is twin.w
    twin.step(x)
    np.testing.assert_array_equal(model.w.get_value(), 1)
    model.step(x)
    np.testing.assert_array_equal(twin.w.get_value(), model.w.get_value())          # the function updates its own
    inner, outer = (gradc.grad(m.cost, [m.hidden, m.w]) for m in (twin, model))     # by a result on the way, too
    for got, want in zip(gradc.function([twin.x], inner)(x), gradc.function([model.x], outer)(x)):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("again", AGAIN)
@pytest.mark.parametrize("order", [1, -1])
def test_results_on_the_way_stay_shared(again: Any, order: int) -> None:
    h = at.dvector("h")
    steps = [h]
    for k in range(100):
        steps.append(steps[-1] * (1 + 0.01 * k))
    twins = again(steps[::order])[::order]
    assert all(b.owner.inputs[0] is a for a, b in itertools.pairwise(twins))
    assert not any(a is b for a, b in zip(twins, steps)) and twins[0].name == "h"


@pytest.mark.parametrize("again", AGAIN)
def test_a_shared_variable_and_its_default_update(again: Any) -> None:
    s = gradc.shared(0.0, name="s")
    s.default_update = s + 1
    for twins in (again([s, s.default_update]), again([s.default_update, s])[::-1]):
        assert twins[0].default_update is twins[1] and twins[1].owner.inputs[0] is twins[0]
        gradc.function([], twins[0])()
        assert (twins[0].get_value(), s.get_value()) == (1.0, 0.0)


@pytest.mark.parametrize("again", AGAIN)
def test_names_tags_lines_and_constants(again: Any) -> None:
    x = at.dvector("x")
    y = at.exp(x) + np.arange(3.0)
    y.name, y.tag.note, x.tag.above = "y", [1], y
    new = again(y)
    assert new.name == "y" and new.tag.note == [1] and new.source == y.source == new.owner.source
    assert new.owner.inputs[0].owner.inputs[0].tag.above is new         # a tag may lead back
    data = new.owner.inputs[1].data
    assert data.tolist() == [0, 1, 2] and not data.flags.writeable
    assert again(y.owner).op == y.owner.op


@pytest.mark.parametrize("again", [AGAIN[0], AGAIN[3]])
def test_depth(again: Any) -> None:
    x = at.dscalar("x")
    y = x
    for _ in range(20_000):
        y = y * 1.0001
    for _ in range(2):          # the second time like the first
        new_x, new = again((x, y))
        assert len(gradc.graph.basic.applys_between([new_x], [new])) == 20_000


def test_after_a_pickle_that_failed() -> None:
    x = at.dscalar("x")
    y = x
    for k in range(1000):
        y = y * 1.0001
        if k == 500:
            y.tag.note = lambda: None
            broken = y
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(y)
    del broken.tag.note
    new_x, new = pickle.loads(pickle.dumps((x, y)))
    assert gradc.graph.basic.equal_computations([new], [y], [new_x], [x])


def test_a_part_of_what_could_not_be_pickled() -> None:
    x = at.dscalar("x")
    broken, y = at.exp(x), x
    broken.tag.note = lambda: None
    for _ in range(5000):
        y = y * 1.0001
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(broken + y)
    for _ in range(2):
        new_x, new = pickle.loads(pickle.dumps((x, y)))
        assert len(gradc.graph.basic.applys_between([new_x], [new])) == 5000


def test_errors_pickle() -> None:
    error = WrongGradientError(0, (1,), (2,), 1.0, 2.0, 1.0, 0.5, 1e-4, 1e-4)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is WrongGradientError and str(again) == str(error) and again.val2 == 2.0
