"""frame->callback: units that call functions in Python."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradc.errors import BadArgumentError, ExecutionError
from gradc.runtime import _dispatch
from tests.csrc import units
from tests.csrc.units import argument

# y = call 1(call 0(x, x[0])): a vector and a scalar to a vector, then a vector to a vector
UNIT = """
int gradc_prepare(gradc_frame *f)
{
    f->shapes[0] = f->sizes[0];
    f->arena_bytes = f->sizes[0] * 8;
    return 0;
}
int gradc_entry(gradc_frame *f)
{
    const int64_t n = f->sizes[0];
    const double *x = f->inputs[0];
    int rc = f->callback(f, 0, (const void *const[]){x, x}, (const int64_t[]){n, n}, (void *const[]){f->arena});
    if (rc)
        return rc;
    return f->callback(f, 1, (const void *const[]){f->arena}, (const int64_t[]){n, n}, (void *const[]){f->outputs[0]});
}
"""
VECTOR, SCALAR = ("float64", 1), ("float64", 0)
CALLS = [([VECTOR, SCALAR], [VECTOR]), ([VECTOR], [VECTOR])]
V = np.array([1.0, 2.0, 3.0])


def made(folder: Path, call: Any, **options: Any) -> Any:
    return units.function(units.load(UNIT, folder), [argument("x", shape=(-1,))], [VECTOR], result="one", calls=CALLS,
                          call=call, **options)


def test_what_is_given_and_taken(folder: Path) -> None:
    seen: list[Any] = []

    def call(number: int, arrays: list[np.ndarray], shapes: Sequence[tuple[int, ...]], sizes: tuple[int, ...]) -> Any:
        assert [(a.dtype, a.ndim) for a in arrays] == [(np.dtype(d), n) for d, n in CALLS[number][0]]
        assert shapes == ((3,),) and sizes == (3,)
        seen.append((number, [a.copy() for a in arrays]))
        result = arrays[0] + (arrays[1] if number == 0 else 10)
        for a in arrays:
            a[...] = -1
        return [result]

    f = made(folder, call)
    for _ in range(3):
        np.testing.assert_array_equal(f(V), V + 11)
    np.testing.assert_array_equal(V, [1, 2, 3])
    (first, given), (second, then) = seen[-2:]
    assert (first, second) == (0, 1)
    np.testing.assert_array_equal(given[0], V)
    assert given[1] == 1
    np.testing.assert_array_equal(then[0], V + 1)


def test_arrays_that_are_kept_stay_as_they_are(folder: Path) -> None:
    kept: list[Any] = []

    def call(number: int, arrays: list[np.ndarray], *_: Any) -> Any:
        kept.append(arrays if number else arrays[0][1:])
        return [arrays[0] * 2]

    f = made(folder, call)
    for k in range(1, 4):
        f(V * k)
    for k, (part, whole) in enumerate(zip(kept[::2], kept[1::2]), 1):
        np.testing.assert_array_equal(part, k * V[1:])
        np.testing.assert_array_equal(whole[0], 2 * k * V)


def test_arrays_that_are_not_kept_are_used_again(folder: Path) -> None:
    places = set()

    def call(number: int, arrays: list[np.ndarray], *_: Any) -> Any:
        if number:
            places.add(arrays[0].ctypes.data)
            if len(arrays[0]) == 5:
                arrays[0].shape = (1, 5)            # no array for the next call
                return [arrays[0][0]]
        return [arrays[0]]

    f = made(folder, call)
    for n in (3, 3, 3, 5, 5, 3):
        np.testing.assert_array_equal(f(np.ones(n)), np.ones(n))
    places.clear()
    for _ in range(10):
        f(np.ones(1000))
    assert len(places) == 1
    f.drop_recent()


def test_a_failure_ends_the_unit(folder: Path) -> None:
    numbers = []

    def call(number: int, arrays: list[np.ndarray], *_: Any) -> Any:
        numbers.append(number)
        raise LookupError("nothing found")

    f = made(folder, call, fail=lambda *_: AssertionError("not to be asked"))
    with pytest.raises(LookupError, match="nothing found"):
        f(V)
    assert numbers == [0]


@pytest.mark.parametrize("wrong", [None, [], [None], [1.0], [V[:2]], [V.astype("float32")], [V[::-1]], [V[:, None]],
                                   (V,), [V.astype(">f8")]], ids=str)
def test_results_that_are_not_as_promised(folder: Path, wrong: Any) -> None:
    f = made(folder, lambda *_: wrong)
    with pytest.raises(ExecutionError, match="result 0 of a call is not the array that was promised"):
        f(V)


def test_bind_is_refused(folder: Path) -> None:
    with pytest.raises(BadArgumentError, match="calls Ops that are written in Python"):
        made(folder, lambda *_: None).bind(V)


def test_descriptions_of_calls(folder: Path) -> None:
    unit = units.load(UNIT, folder)
    for calls, message in ((["x"], "a call is"), ([([VECTOR], ["x"])], "an array is"),
                           ([([("float64", -1)], [])], "rank -1"), ([([("no dtype", 1)], [])], "no dtype")):
        with pytest.raises((TypeError, ValueError), match=message):
            units.function(unit, [argument("x", shape=(-1,))], [VECTOR], calls=calls, call=print)
    with pytest.raises(TypeError, match="needs `call`"):
        units.function(unit, [argument("x", shape=(-1,))], [VECTOR], calls=CALLS)


def test_references(folder: Path) -> None:
    result = V * 2

    def call(number: int, arrays: list[np.ndarray], *_: Any) -> Any:
        if arrays[0][0] < 0:
            raise ValueError("negative")
        return [result]

    f = made(folder, call)
    f(V)
    gc.collect()
    counts = [sys.getrefcount(o) for o in (result, call, V, np.dtype("float64"))]
    for _ in range(1000):
        f(V)
        with pytest.raises(ValueError, match="negative"):
            f(-V)
    assert [sys.getrefcount(o) for o in (result, call, V)] == counts[:3]
    assert abs(sys.getrefcount(np.dtype("float64")) - counts[3]) < 20
    del f
    gc.collect()
    assert sys.getrefcount(call) < counts[1]


def test_threads_and_calls_in_calls(folder: Path) -> None:
    functions: list[Any] = []

    def call(number: int, arrays: list[np.ndarray], *_: Any) -> Any:
        if number == 0 and arrays[1] > 0:
            return [functions[0](arrays[0] - 1) + 1]
        return [arrays[0] * 2]

    functions.append(made(folder, call))
    wrong: list[int] = []

    def run(k: int) -> None:
        x = np.full(100 * k, 4.0)
        for _ in range(200):
            if not np.array_equal(functions[0](x), np.full(100 * k, 30.0)):     # 2 (... (2 (2 * 0 + 1) + 1) ...)
                wrong.append(k)

    threads = [threading.Thread(target=run, args=(k,)) for k in range(1, 5)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong
    assert _dispatch.get_num_threads() >= 1
