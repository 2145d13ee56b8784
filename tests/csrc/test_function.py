"""Function: arguments, results, errors, threads, memory."""

from __future__ import annotations

import gc
import math
import sys
import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradc.errors import BadArgumentError, ExecutionError, ShapeError
from gradc.runtime import _dispatch
from tests.csrc import units
from tests.csrc.units import Failed, argument

COPY = """
int gradc_prepare(gradc_frame *f) {{ (void)f; return 0; }}
int gradc_entry(gradc_frame *f)
{{
    *({ctype} *)f->outputs[0] = *(const {ctype} *)f->inputs[0];
    return 0;
}}
"""
CTYPES = {"bool": "unsigned char", "int8": "int8_t", "int16": "int16_t", "int32": "int32_t", "int64": "int64_t",
          "uint8": "uint8_t", "uint16": "uint16_t", "uint32": "uint32_t", "uint64": "uint64_t", "float32": "float",
          "float64": "double"}


@pytest.mark.parametrize("value", [4, 4.0, np.float64(4), np.float32(4), np.array(4.0), np.int8(4)])
def test_scalar_kinds_are_accepted(double: Any, value: Any) -> None:
    result = double(value)
    assert type(result) is np.ndarray and result.shape == () and result.dtype == np.float64
    assert result == 8.0
    assert double(x=value) == 8.0


def test_special_values_pass_through(double: Any) -> None:
    assert math.isnan(double(math.nan)) and double(-math.inf) == -math.inf
    assert math.copysign(1, double(-0.0)) == -1
    assert double(2**53) == 2.0**54
    assert double(2**60) == 2.0**61        # judged by convert


@pytest.mark.parametrize("dtype", CTYPES)
def test_each_dtype_takes_what_it_holds_exactly(folder: Path, dtype: str) -> None:
    unit = units.load(COPY.format(ctype=CTYPES[dtype]), folder)
    refused: list[Any] = []

    def convert(position: int, value: Any) -> None:
        refused.append(value)
        raise BadArgumentError("no")

    f = units.function(unit, [argument("x", dtype)], [(dtype, 0)], result="one", convert=convert)
    kind = np.dtype(dtype).kind
    if kind == "b":
        good, bad = [True, False, np.True_], [1, 0, 1.0, "yes", None]
    elif kind in "iu":
        info = np.iinfo(dtype)
        good = [0, 1, int(info.min), min(int(info.max), 2**63 - 1)]
        bad = [int(info.max) + 1, int(info.min) - 1, 1.0, 10**30, None, "1", np.zeros(1, dtype)]
    else:
        good = [0, -3, 2**24, 0.5, -math.inf, 1e300 if dtype == "float64" else 2.0**100]
        bad = [10**30, None, "1"] + ([0.1, 2**24 + 1, np.float64(0.5), 1e300] if dtype == "float32" else [])
    for value in [*good, np.dtype(dtype).type(1), np.array(1, dtype), np.array(1, dtype).newbyteorder().byteswap()
                  if hasattr(np.array(1), "newbyteorder") else np.array(1, np.dtype(dtype).newbyteorder())]:
        result = f(value)
        assert result.dtype == dtype and result == value, value
    assert not refused
    for value in bad:
        with pytest.raises(BadArgumentError, match="no"):
            f(value)
    assert len(refused) == len(bad)


def test_strict_inputs_leave_numbers_to_convert(folder: Path) -> None:
    seen = []

    def convert(position: int, value: Any) -> np.ndarray:
        seen.append((position, value))
        return np.array(value, np.float64)

    f = units.function(units.load(units.DOUBLE, folder), [argument("x", strict=True)], [("float64", 0)], result="one",
                       convert=convert)
    assert f(3.0) == 6.0 and f(np.array(3.0)) == 6.0 and seen == [(0, 3.0)]


def test_what_convert_returns_is_checked(folder: Path) -> None:
    for bad in (None, np.zeros(2), np.zeros((), np.float32), "x"):
        f = units.function(units.load(units.DOUBLE, folder), [argument("x")], [("float64", 0)],
                           convert=lambda position, value, bad=bad: bad)
        with pytest.raises(BadArgumentError, match="input 0"):
            f("text")


@pytest.mark.parametrize("make", [
    lambda: np.arange(12.0)[::2],
    lambda: np.arange(6.0)[::-1],
    lambda: np.broadcast_to(np.float64(3.0), (6,)),
    lambda: np.frombuffer(b"\0" + np.arange(6.0).tobytes(), np.uint8)[1:].view(np.float64),
    lambda: np.arange(6.0).astype(">f8"),
    lambda: np.arange(18.0).reshape(6, 3)[:, 1],
    lambda: list(range(6)),
    lambda: tuple(range(6)),
    lambda: np.arange(6, dtype=np.int32),
    lambda: np.arange(6.0).view(np.recarray),
])
def test_any_layout_gives_the_values(add: Any, make: Any) -> None:
    x = make()
    y, s = add(x, x) if np.asarray(x).min() >= 0 else add(np.abs(x), x)
    np.testing.assert_array_equal(y, 2 * np.asarray(x, np.float64))
    assert s == np.sum(np.asarray(x, np.float64))


def test_read_only_and_empty_arrays(add: Any) -> None:
    x = np.arange(3.0)
    x.flags.writeable = False
    np.testing.assert_array_equal(add(x, x)[0], 2 * x)
    y, s = add(np.zeros(0), np.zeros(0))
    assert y.shape == (0,) and s == 0


def test_large_arena_is_aligned_and_reused(add: Any) -> None:
    for n in (1, 7, 513, 10_000, 1_000_000, 7, 40_000_000 // 8, 3):
        x = np.ones(n)
        assert add(x, x)[1] == n
    for _ in range(200):                    # the thread's large block is given back on the way
        assert add(np.ones(1000), np.ones(1000))[1] == 1000


def test_arguments_by_name_and_their_errors(add: Any, double: Any) -> None:
    x, a = np.arange(2.0), np.ones(2)
    for y, _ in (add(x, a), add(x, a=a), add(a=a, x=x), add(**{"".join("a"): a, "".join("x"): x})):
        np.testing.assert_array_equal(y, x + a)
    for call, text in [
        (lambda: add(x), r"function add needs a value for its input a; it takes 2 argument\(s\), got 1"),
        (lambda: add(), r"its input x; .* got 0"),
        (lambda: add(a=a), r"its input x; .* got 1"),
        (lambda: add(x, a, x), r"takes 2 argument\(s\), got 3"),
        (lambda: add(x, a, b=x), r"no input named 'b'; its named inputs: x, a"),
        (lambda: add(x, x=x), r"two values for its input 'x'"),
        (lambda: add(x, a, x=x), r"two values for its input 'x'"),
        (lambda: double(1, y=2), r"no input named 'y'"),
    ]:
        with pytest.raises(BadArgumentError, match=text) as caught:
            call()
        assert isinstance(caught.value, TypeError)


def test_unnamed_inputs_are_given_by_position(folder: Path) -> None:
    f = units.function(units.load(units.DOUBLE, folder), [argument(None)], [("float64", 0)])
    assert f(2)[0] == 4
    with pytest.raises(BadArgumentError, match="named inputs: none"):
        f(x=2)
    with pytest.raises(BadArgumentError, match="input at index 0"):
        f()


def test_defaults_are_read_at_each_call(folder: Path) -> None:
    cell = [np.array(5.0)]
    f = units.function(units.load(units.many_scalars(2), folder), [argument("x"), argument("y", default=cell)],
                       [("float64", 0)] * 2)
    assert f(1) == [2, 10] and f(1, 2) == [2, 4] and f(x=1) == [2, 10] and f(y=3, x=1) == [2, 6]
    cell[0] = np.array(7.0)
    assert f(1) == [2, 14]
    with pytest.raises(BadArgumentError, match="input x"):
        f(y=1)
    cell.clear()
    with pytest.raises(ExecutionError, match="holds no value"):
        f(1)


def test_static_sizes_are_checked_by_convert(folder: Path) -> None:
    f = units.function(units.load(units.ADD, folder), [argument("x", shape=(3,)), argument("a", shape=(-1,))],
                       [("float64", 1), ("float64", 0)])
    assert f(np.ones(3), np.ones(3))[1] == 3
    with pytest.raises(BadArgumentError, match="static shape"):
        f(np.ones(4), np.ones(4))


def test_results_come_as_asked(folder: Path) -> None:
    unit = units.load(units.many_scalars(2), folder)
    inputs, outputs = [argument("x"), argument("y")], [("float64", 0)] * 2
    assert units.function(unit, inputs, outputs)(1, 2) == [2, 4]
    assert units.function(unit, inputs, outputs, result="dict", keys=["b", "a"])(1, 2) == {"b": 2, "a": 4}
    assert list(units.function(unit, inputs, outputs, result="dict", keys=["b", "a"])(1, 2)) == ["b", "a"]
    assert units.function(unit, inputs, outputs, result="none", n_results=0)(1, 2) == []


def test_results_are_fresh(double: Any, add: Any, folder: Path) -> None:
    x = np.arange(4.0)
    first, second = add(x, x), add(x, x)
    assert not any(np.shares_memory(a, b) for a in [x, *first] for b in second)
    kept = [double(k) for k in range(50)]
    assert [float(k) for k in kept] == [2.0 * k for k in range(50)]
    assert len({id(k) for k in kept}) == 50


def test_recycled_scalars_are_as_new(double: Any) -> None:
    """0-d results that the user dropped are used again: whatever was done to them before must not show."""
    view = double(1)[None]                              # keeps the result alive as its base
    for spoil in (lambda r: r.setflags(write=False), lambda r: setattr(r, "shape", (1, 1)),
                  lambda r: setattr(r, "dtype", np.int64), lambda r: r.fill(7)):
        for _ in range(4):
            spoil(double(3))
            result = double(4)
            assert result == 8 and result.shape == () and result.dtype == np.float64 and result.flags.writeable
    seen = weakref.ref(double(5))
    again = double(6)
    assert again == 12 and (seen() is None or seen() is not again) and view[0] == 2
    buffer = memoryview(double(1))
    double(2), double(3), double(4)
    assert buffer[()] == 2


def test_integer_scalars_decide_sizes(folder: Path) -> None:
    f = units.function(units.load(units.IOTA, folder), [argument("n", "int64")], [("int64", 1)], result="one")
    np.testing.assert_array_equal(f(5), np.arange(5))
    assert f(0).shape == (0,)
    with pytest.raises(ShapeError, match="negative size -1 in dimension 0"):
        f(-1)
    with pytest.raises(MemoryError):
        f(2**62)
    with pytest.raises(MemoryError):
        f(2**58)


def test_failed_checks_reach_the_user(add: Any, folder: Path) -> None:
    with pytest.raises(Failed) as caught:
        add(np.ones(2), np.ones(3))
    assert caught.value.args == (1, (2, 3, 0, 0), (2, 3), "prepare")
    with pytest.raises(Failed) as caught:
        add(np.array([1.0, 2.0, -3.0]), np.ones(3))
    assert caught.value.args == (2, (2, 3, 0, 0), (3, 3), "entry")
    plain = units.function(units.load(units.ADD, folder), [argument("x", shape=(-1,)), argument("a", shape=(-1,))],
                           [("float64", 1), ("float64", 0)])
    with pytest.raises(ExecutionError, match="check 1 failed in prepare"):
        plain(np.ones(2), np.ones(3))

    def broken(*_: Any) -> Any:
        raise KeyError("broken")

    for fail, error in ((broken, KeyError), (lambda *_: None, ExecutionError)):
        f = units.function(units.load(units.ADD, folder), [argument("x", shape=(-1,)), argument("a", shape=(-1,))],
                           [("float64", 1), ("float64", 0)], fail=fail)
        with pytest.raises(error):
            f(np.ones(2), np.ones(3))


@pytest.mark.parametrize("text", ["return GRADC_NO_MEMORY;", "f->arena_bytes = INT64_MAX; return 0;",
                                  "f->arena_bytes = -5; return 0;", "f->arena_bytes = (int64_t)1 << 60; return 0;"])
def test_no_memory_is_a_memory_error(folder: Path, text: str) -> None:
    unit = units.load(f"int gradc_prepare(gradc_frame *f) {{ (void)f; {text} }}\n"
                      "int gradc_entry(gradc_frame *f) { (void)f; return 0; }\n", folder)
    with pytest.raises(MemoryError, match="function f"):
        units.function(unit, [], [], result="none")()
    with pytest.raises(Failed) as caught:
        units.function(unit, [], [], result="none", fail=units.failure)()
    assert caught.value.args[0] == -1


def test_constants_reach_the_unit(folder: Path) -> None:
    unit = units.load("""
int gradc_prepare(gradc_frame *f) { (void)f; return 0; }
int gradc_entry(gradc_frame *f)
{
    *(double *)f->outputs[0] = ((const double *)f->constants[0])[1] + *(const int32_t *)f->constants[1];
    return 0;
}
""", folder)
    f = units.function(unit, [], [("float64", 0)], result="one",
                       constants=[np.arange(6.0)[::3], np.array(4, np.int32)])
    gc.collect()
    assert f() == 7


def test_many_inputs_and_keywords(folder: Path) -> None:
    n = 700
    f = units.function(units.load(units.many_scalars(n), folder), [argument(f"x{k}") for k in range(n)],
                       [("float64", 0)] * n)
    want = [2.0 * k for k in range(n)]
    assert [float(v) for v in f(*range(n))] == want
    assert [float(v) for v in f(**{f"x{k}": k for k in reversed(range(n))})] == want


def test_attributes_weakrefs_and_cycles(folder: Path) -> None:
    f = units.function(units.load(units.DOUBLE, folder), [argument("x")], [("float64", 0)])
    f.note, f.itself, f.name = object(), f, None
    f.call = f.bind(3)
    gone = weakref.ref(f)
    assert callable(f) and f.note is f.itself.note and f.name is None
    del f
    gc.collect()
    assert gone() is None
    with pytest.raises(TypeError):
        _dispatch.BoundCall()                            # type: ignore[call-arg]


@pytest.mark.parametrize("change", [
    {"inputs": [("x", "float64", ())]}, {"inputs": [("x", "object", (), None, None)]}, {"inputs": 3},
    {"inputs": [("x", "float64", (), 3, None)]}, {"inputs": [(1, "float64", (), None, None)]},
    {"inputs": [("x", "float64", (-1,) * 65, None, None)]}, {"outputs": [("float64", 65)]}, {"outputs": [("nix", 0)]},
    {"n_results": 2}, {"n_results": 0}, {"result": "tuple"}, {"result": "dict", "keys": ["a", "b"]},
    {"updates": [(0, [1])]}, {"updates": [(1, [1])]}, {"updates": [(5, [1])]}, {"prepare": 0}, {"name": 3},
    {"constants": [object], "inputs": 7},
])
def test_faulty_descriptions_are_refused(folder: Path, change: dict[str, Any]) -> None:
    unit = units.load(units.DOUBLE, folder)
    good: dict[str, Any] = dict(name="f", prepare=unit.prepare, entry=unit.entry, n_results=1, result="one",
                                inputs=[("x", "float64", (), None, None)], outputs=[("float64", 0)])
    assert _dispatch.Function(**good)(1) == 2
    with pytest.raises((TypeError, ValueError)):
        _dispatch.Function(**{**good, **change})


def test_many_threads_share_one_function(add: Any) -> None:
    bad = []

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(300):
            x = rng.random(rng.integers(1, 3000))
            y, s = add(x, 1 - x)
            if not (np.all(y == x + (1 - x)) and abs(s - x.sum()) < 1e-9):
                bad.append(seed)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not bad


def test_gil_is_released(folder: Path) -> None:
    unit = units.load("""
#include <stdatomic.h>
static atomic_int inside;
int gradc_prepare(gradc_frame *f) { (void)f; return 0; }
int gradc_entry(gradc_frame *f)         /* returns when two calls are inside, or after a while */
{
    atomic_fetch_add(&inside, 1);
    int64_t turns = 0;
    while (atomic_load(&inside) < 2 && ++turns < (int64_t)20000000000) ;
    *(int64_t *)f->outputs[0] = atomic_load(&inside);
    return 0;
}
""", folder)
    f = units.function(unit, [], [("int64", 0)], result="one")
    results: list[int] = []
    threads = [threading.Thread(target=lambda: results.append(int(f()))) for _ in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results == [2, 2]


def test_calls_leak_nothing(add: Any, double: Any) -> None:
    x, a, bad = np.arange(40.0), list(range(40)), np.ones(3)

    def mixed(turns: int) -> None:
        for _ in range(turns):
            add(x, x)
            add(x=x, a=x[::-1])
            double(3)
            for wrong in ((x, bad), (x,), (-x, x), ("text", x)):
                try:
                    add(*wrong)
                except (Failed, BadArgumentError):
                    pass

    mixed(2000)
    add(a, a)
    counts = [sys.getrefcount(v) for v in (x, a, bad, np.dtype("float64"), None)]
    blocks = sys.getallocatedblocks()
    before = units.resident()
    mixed(14_000)                                       # 100,000 calls
    assert units.resident() - before < 2**20
    assert abs(sys.getallocatedblocks() - blocks) < 500
    assert [sys.getrefcount(v) for v in (x, a, bad, np.dtype("float64"))] == counts[:4]


def test_functions_leak_nothing(folder: Path) -> None:
    unit = units.load(units.STEP, folder)

    def make() -> None:
        w, n = [np.zeros(50)], [np.array(0)]
        f = units.function(unit, [argument("x", shape=(-1,)), argument("w", shape=(-1,), storage=w),
                                  argument("n", "int64", storage=n)],
                           [("float64", 0), ("float64", 1), ("int64", 0)], n_results=1, updates=[(1, w), (2, n)],
                           constants=[np.ones(100)])
        f(np.ones(50))
        f.itself = f

    for _ in range(300):
        make()
    gc.collect()
    before = units.resident()
    for _ in range(3000):
        make()
    gc.collect()
    assert units.resident() - before < 2**20


HOLDS = """
extern int PyGILState_Check(void);
int gradc_prepare(gradc_frame *f) { (void)f; return 0; }
int gradc_entry(gradc_frame *f)
{
    *(double *)f->outputs[0] = PyGILState_Check();
    return 0;
}
"""


@pytest.mark.parametrize("timed", [False, True])
def test_a_brief_unit_keeps_the_gil(folder: Path, timed: bool) -> None:
    made = [units.function(units.load(HOLDS, folder), [argument("x")], [("float64", 0)], result="one", timed=timed,
                           brief=brief) for brief in (False, True)]
    for f, holds in zip(made, (0, 1)):
        out = np.empty(())
        call = f.bind(1.0, out=out)
        call()
        assert f(1.0) == holds and out == holds
        assert not timed or f.tally[0] == 2
