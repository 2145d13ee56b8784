"""Functions with updates: all or nothing, one at a time, buffers that change places."""

from __future__ import annotations

import os
import sys
import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradc.errors import ExecutionError
from tests.csrc import units
from tests.csrc.units import Failed, argument


def step(folder: Path, w: list[Any], n: list[Any]) -> Any:
    """step(x) -> w.x; w <- w + x, n <- n + 1; check 1 (after all is written) if x[0] is nan."""
    return units.function(units.load(units.STEP, folder),
                          [argument("x", shape=(-1,)), argument("w", shape=(-1,), storage=w),
                           argument("n", "int64", storage=n)],
                          [("float64", 0), ("float64", 1), ("int64", 0)], n_results=1, result="one", name="step",
                          updates=[(1, w), (2, n)], fail=units.failure)


@pytest.fixture
def state() -> tuple[list[Any], list[Any]]:
    return [np.zeros(3)], [np.array(0)]


def test_values_advance(folder: Path, state: tuple[list[Any], list[Any]]) -> None:
    w, n = state
    f = step(folder, w, n)
    x = np.array([1.0, 2.0, 3.0])
    for k in range(5):
        assert f(x) == k * 14
        np.testing.assert_array_equal(w[0], (k + 1) * x)
        assert n[0] == k + 1 and n[0].dtype == np.int64 and n[0].shape == ()


def test_a_failed_call_changes_nothing(folder: Path, state: tuple[list[Any], list[Any]]) -> None:
    w, n = state
    f = step(folder, w, n)
    f(np.ones(3))
    f(np.ones(3))
    before = (w[0], n[0], w[0].copy(), n[0].copy())
    for _ in range(3):
        with pytest.raises(Failed):
            f(np.array([np.nan, 1.0, 1.0]))
        assert w[0] is before[0] and n[0] is before[1]
        np.testing.assert_array_equal(w[0], before[2])
        assert n[0] == before[3]
    f(np.ones(3))
    np.testing.assert_array_equal(w[0], before[2] + 1)


def test_buffers_are_reused_only_when_nobody_holds_them(folder: Path, state: tuple[list[Any], list[Any]]) -> None:
    w, n = state
    f = step(folder, w, n)
    x = np.ones(3)
    f(x)
    f(x)
    addresses = set()
    for _ in range(20):
        f(x)
        addresses.add(w[0].ctypes.data)
    assert len(addresses) == 2                          # ping-pong, no allocation
    kept = [w[0]]
    for _ in range(5):
        f(x)
        kept.append(w[0])
    assert [v[0] for v in kept] == [22 + k for k in range(6)]
    view = w[0][1:]                                     # a view holds its base
    memory = memoryview(n[0])
    count = int(n[0])
    for _ in range(3):
        f(x)
    assert view.tolist() == [27.0, 27.0] and memory[()] == count


def test_buffers_that_are_watched_or_changed_are_left_alone(folder: Path, state: tuple[list[Any], list[Any]]) -> None:
    w, n = state
    f = step(folder, w, n)
    x = np.ones(3)
    f(x)
    seen = weakref.ref(w[0])
    w[0].flags.writeable = False
    for _ in range(4):
        f(x)
    assert w[0].tolist() == [5.0] * 3 and w[0].flags.writeable
    w[0] = np.arange(6.0)[::2]                          # set from outside, not contiguous
    f(x)
    assert w[0].tolist() == [1, 3, 5] and w[0].flags.c_contiguous
    w[0] = np.zeros(5)                                  # another length
    f(np.ones(5))
    f(np.ones(5))
    assert w[0].tolist() == [2.0] * 5
    del seen


def test_user_memory_is_never_written(folder: Path, state: tuple[list[Any], list[Any]]) -> None:
    _, n = state
    mine = np.arange(3.0)
    w = [mine[:]]                                       # borrowed: the view's base is the user's
    f = step(folder, w, n)
    for _ in range(4):
        f(np.ones(3))
    assert mine.tolist() == [0, 1, 2] and w[0].tolist() == [4, 5, 6]


def test_calls_from_many_threads_are_serial(folder: Path, state: tuple[list[Any], list[Any]]) -> None:
    w, n = state
    w[0] = np.zeros(2000)
    f, g = step(folder, w, n), step(folder, w, n)       # two functions, the same variables
    x = np.ones(2000)

    def work(which: Any) -> None:
        for _ in range(250):
            which(x)

    threads = [threading.Thread(target=work, args=(h,)) for h in (f, g, f, g)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert n[0] == 1000
    np.testing.assert_array_equal(w[0], np.full(2000, 1000.0))


def test_locks_are_taken_in_one_order(folder: Path) -> None:
    """Two functions that name the same variables in opposite order do not wait for each other for ever."""
    unit = units.load("""
int gradc_prepare(gradc_frame *f) { (void)f; return 0; }
int gradc_entry(gradc_frame *f)
{
    for (int i = 0; i < 2; ++i)
        *(double *)f->outputs[i] = *(const double *)f->inputs[i] + 1;
    return 0;
}
""", folder)
    a, b = [np.array(0.0)], [np.array(0.0)]

    def make(first: list[Any], second: list[Any]) -> Any:
        return units.function(unit, [argument("a", storage=first), argument("b", storage=second)],
                              [("float64", 0)] * 2, n_results=0, updates=[(0, first), (1, second)])

    functions = [make(a, b), make(b, a)] * 2
    threads = [threading.Thread(target=lambda h=h: [h() for _ in range(3000)]) for h in functions]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert a[0] == b[0] == 12_000


def test_call_from_inside_itself_is_refused(folder: Path, state: tuple[list[Any], list[Any]]) -> None:
    w, n = state
    f = step(folder, w, n)
    x = np.ones(3)
    errors = []

    def fail(*_: Any) -> Exception:
        try:
            f(x)
        except ExecutionError as error:
            errors.append(str(error))
        return RuntimeError("outer")

    g = units.function(units.load(units.STEP, folder),
                       [argument("x", shape=(-1,)), argument("w", shape=(-1,), storage=w),
                        argument("n", "int64", storage=n)],
                       [("float64", 0), ("float64", 1), ("int64", 0)], n_results=1, updates=[(1, w), (2, n)], fail=fail)
    with pytest.raises(RuntimeError, match="outer"):
        g(np.array([np.nan, 0, 0]))
    assert len(errors) == 1 and "same thread" in errors[0]
    f(x)
    assert n[0] == 1


def test_emptied_container_is_an_error(folder: Path, state: tuple[list[Any], list[Any]]) -> None:
    w, n = state
    f = step(folder, w, n)
    w.clear()
    with pytest.raises(ExecutionError, match="holds no value"):
        f(np.ones(3))
    w.append(np.zeros(3))
    f(np.ones(3))
    assert n[0] == 1


def test_update_of_an_input_with_default(folder: Path) -> None:
    cell = [np.array(1.0)]
    f = units.function(units.load(units.DOUBLE, folder), [argument("x", default=cell)], [("float64", 0)], n_results=0,
                       updates=[(0, cell)])
    assert f() == [] and f() == [] and cell[0] == 4
    assert f(10) == [] and cell[0] == 20


def test_update_after_fork_while_another_thread_holds_the_lock(folder: Path) -> None:
    slow = units.load("""
#include <time.h>
int gradc_prepare(gradc_frame *f) { (void)f; return 0; }
int gradc_entry(gradc_frame *f)
{
    for (volatile int64_t i = 0; i < 300000000; ++i) ;
    *(double *)f->outputs[0] = *(const double *)f->inputs[0] + 1;
    return 0;
}
""", folder, ("-O2", "-D_POSIX_C_SOURCE=200809L"))
    quick = units.load(units.DOUBLE, folder)
    cell = [np.array(1.0)]

    def make(unit: units.Unit) -> Any:
        return units.function(unit, [argument("x", storage=cell)], [("float64", 0)], n_results=0, updates=[(0, cell)])

    f, g = make(slow), make(quick)
    thread = threading.Thread(target=f)
    thread.start()
    pid = os.fork()
    if pid == 0:
        g()
        os._exit(0 if cell[0] == 2 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    thread.join()
    assert cell[0] == 2


def test_updates_leak_nothing(folder: Path, state: tuple[list[Any], list[Any]]) -> None:
    w, n = state
    w[0] = np.zeros(1000)
    f = step(folder, w, n)
    x, bad = np.ones(1000), np.full(1000, np.nan)

    def mixed(turns: int) -> None:
        for _ in range(turns):
            f(x)
            try:
                f(bad)
            except Failed:
                pass

    mixed(500)
    before, count = units.resident(), sys.getrefcount(x)
    mixed(20_000)
    assert units.resident() - before < 2**20 and sys.getrefcount(x) == count
