"""Options of `function` about memory and time: `In(borrow, mutable)`, `Out(borrow)`, `profile`."""

from __future__ import annotations

import copy
import gc
import io
import pickle
import weakref

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.errors import GraphError


@pytest.fixture(params=["interpret", "c"])
def function(request: pytest.FixtureRequest):
    def make(*args, **options):
        return gradc.function(*args, **{"mode": request.param, **options})

    return make


# --------------------------------------------------------------------------------------------------- inputs


@pytest.mark.parametrize("options", [{"borrow": True}, {"mutable": True}])
def test_a_borrowed_default_is_the_array_itself(function, options: dict[str, bool]) -> None:
    x = at.dvector("x")
    mine = np.zeros(3)
    f = function([gradc.In(x, value=mine, **options)], x + 1)
    mine[:] = 5
    assert np.array_equal(f(), [6, 6, 6])


@pytest.mark.parametrize("options", [{}, {"borrow": False}, {"mutable": False}])
def test_a_default_is_copied_else(function, options: dict[str, bool]) -> None:
    x = at.dvector("x")
    mine = np.zeros(3)
    f = function([gradc.In(x, value=mine, **options)], x + 1)
    mine[:] = 5
    assert np.array_equal(f(), [1, 1, 1])


def test_an_updated_default_leaves_the_borrowed_array_alone(function) -> None:
    x = at.dvector("x")
    mine = np.zeros(3)
    f = function([gradc.In(x, value=mine, update=x + 1, borrow=True)], x * 1)
    assert [f()[0] for _ in range(4)] == [0, 1, 2, 3]
    assert not mine.any()


@pytest.mark.parametrize("mutable", [False, True])
def test_an_argument_keeps_its_values(function, mutable: bool) -> None:
    """A mutable one too: no kernel needs the permission."""
    x = at.dvector("x")
    f = function([gradc.In(x, mutable=mutable)], [at.exp(x) * 2, at.set_subtensor(x[0], 7.0)])
    mine = np.arange(3.0)
    f(mine)
    assert np.array_equal(mine, [0, 1, 2])


# -------------------------------------------------------------------------------------------------- results


def test_a_borrowed_result_that_is_held_never_changes(function) -> None:
    x = at.dvector("x")
    f = function([x], gradc.Out(x * 2, borrow=True))
    held = [f(np.full(100, float(k))) for k in range(5)]
    view = f(np.full(100, 5.0))[::2]
    for k in range(6, 10):
        f(np.full(100, float(k)))
    assert [set(a) for a in held] == [{2.0 * k} for k in range(5)] and set(view) == {10.0}
    assert np.array_equal(f(f(np.full(100, 3.0))), np.full(100, 12.0)), "its own result as the argument"


def test_a_borrowed_result_is_used_again_once_it_is_dropped() -> None:
    x = at.dvector("x")
    f, fresh = (gradc.function([x], gradc.Out(x * 2, borrow=b), mode="c") for b in (True, False))
    a = np.ones(10_000)
    assert len({f(a).ctypes.data for _ in range(20)}) <= 2
    last = None
    places = set()
    for _ in range(20):                 # the last one is held while the next is made
        last = f(a)
        places.add(last.ctypes.data)
    assert len(places) == 2
    assert f(np.ones(7)).shape == (7,) and f(a).shape == (10_000,)
    kept = weakref.ref(f(a))
    assert kept() is not None
    f.free()
    assert kept() is None
    kept = weakref.ref(fresh(a))
    assert kept() is None


def test_borrowed_results_in_lists_and_copies(function) -> None:
    x = at.dvector("x")
    f = function([x], {"a": gradc.Out(x + 1, borrow=True), "b": x.sum()})
    assert [o.borrow for o in f.maker.outputs] == [True, False]
    for g in (f, f.copy(), copy.deepcopy(f), pickle.loads(pickle.dumps(f))):
        assert [o.borrow for o in g.maker.outputs] == [True, False]
        result = g([1, 2])
        assert np.array_equal(result["a"], [2, 3]) and result["b"] == 3


# ----------------------------------------------------------------------------------------------------- time


def test_a_profile_counts_calls_and_time(function) -> None:
    x = at.dvector("x")
    f = function([x], at.exp(x).sum(), profile=True, name="total")
    assert f.profile.calls == 0 and f.profile.total == f.profile.inside == 0
    for _ in range(3):
        f(np.ones(50_000))
    with pytest.raises(TypeError):
        f("no array")
    made = f.profile
    assert made.calls == 4 and 0 < made.inside < made.total
    assert made.compile and made.name == "total"
    lines = str(made).splitlines()
    assert lines[0] == "Profile of function total" and lines[1].split()[:2] == ["calls", "4,"]
    assert lines[2].split()[:2] == ["in", "C" if made.route == "c" else "NumPy"]
    file = io.StringIO()
    made.summary(file)
    assert file.getvalue() == f"{made}\n"


def test_a_profile_counts_bound_calls_and_updates() -> None:
    x, s = at.dvector("x"), gradc.shared(0.0)
    f = gradc.function([x], x.sum(), profile="mine", mode="c")
    call = f.bind(np.ones(1000))
    before = f.profile
    call()
    assert f.profile.calls == before.calls + 1 and f.profile.inside > before.inside
    assert str(f.profile).startswith("Profile of function mine\n")
    step = gradc.function([], s, updates={s: s + 1}, profile=True, mode="c")
    step()
    assert step.profile.calls == 1 and s.get_value() == 1


def test_there_is_no_profile_unless_asked_for(function) -> None:
    x = at.dvector("x")
    f = function([x], x + 1)
    f([1])
    assert f.profile is None
    assert function([x], x + 1, profile=False).profile is None
    assert f.copy(profile=True).profile is not None
    g = function([x], x + 1, profile=True)
    assert g.copy().profile.calls == pickle.loads(pickle.dumps(g)).profile.calls == 0
    with pytest.raises(GraphError, match="profile is True, False or a title, got 3"):
        function([x], x, profile=3)


def test_a_timed_function_is_freed() -> None:
    x = at.dvector("x")
    f = gradc.function([x], gradc.Out(x + 1, borrow=True), profile=True, mode="c")
    f([1])
    gone = weakref.ref(f)
    del f
    gc.collect()
    assert gone() is None


def test_an_unknown_topic_of_the_log_is_refused() -> None:
    with pytest.raises(GraphError, match=r"gradc\.config\.log has a bad value: expected a comma list of .*'speed'"):
        gradc.config.log = "speed"
    with gradc.config.change_flags(log="compile,cache"):
        assert gradc.config.log == "compile,cache"
