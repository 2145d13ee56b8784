"""BoundCall: fixed memory, what may be bound, what may change afterwards."""

from __future__ import annotations

import gc
import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradc.errors import BadArgumentError, ExecutionError
from tests.csrc import units
from tests.csrc.units import Failed, argument


def test_call_computes_on_the_same_memory(add: Any) -> None:
    x, a = np.arange(3.0), np.ones(3)
    y, s = np.zeros(3), np.zeros(())
    call = add.bind(x, a=a, out=[y, s])
    assert call.out[0] is y and call.out[1] is s and call.function is add
    assert call() is None
    assert y.tolist() == [1, 2, 3] and s == 3
    x[:] = 5
    call()
    assert y.tolist() == [6, 6, 6] and s == 15


def test_outputs_are_made_where_none_are_given(add: Any, double: Any, folder: Path) -> None:
    call = add.bind(np.ones(2), np.ones(2))
    call()
    assert call.out[0].tolist() == [2, 2] and call.out[1] == 2
    part = np.zeros(2)
    call = add.bind(np.ones(2), np.ones(2), out=(part, None))
    call()
    assert call.out[0] is part and call.out[1] == 2
    call = double.bind(x=3.0)
    call()
    assert call.out == 6 and call.out.shape == ()
    f = units.function(units.load(units.many_scalars(2), folder), [argument("x"), argument("y")], [("float64", 0)] * 2,
                       result="dict", keys=["p", "q"])
    p = np.zeros(())
    call = f.bind(1, 2, out={"p": p})
    call()
    assert call.out == {"p": 2, "q": 4} and call.out["p"] is p
    with pytest.raises(BadArgumentError, match="has the key 'r'"):
        f.bind(1, 2, out={"r": p})
    with pytest.raises(BadArgumentError, match="must be a dict"):
        f.bind(1, 2, out=[p, p])


def test_scalars_are_read_where_they_are(double: Any) -> None:
    x, out = np.array(2.0), np.zeros(())
    call = double.bind(x, out=out)
    for value in (2.0, -1.0, np.inf):
        x[()] = value
        call()
        assert out == 2 * value


@pytest.mark.parametrize(("x", "text"), [
    (np.arange(6.0)[::2], "not C-contiguous"),
    (np.arange(3), "dtype"),
    (np.arange(3.0).astype(">f8"), "byte order"),
    (np.zeros((3, 1)), "rank"),
    (np.zeros(3, np.float32), "dtype"),
])
def test_arrays_that_would_be_copied_are_refused(add: Any, x: np.ndarray, text: str) -> None:
    with pytest.raises(BadArgumentError, match=text):
        add.bind(x, np.ones(3))


def test_lists_and_numbers_are_copied_once(add: Any) -> None:
    call = add.bind([1.0, 2.0], np.ones(2))
    call()
    assert call.out[0].tolist() == [2, 3]


def test_wrong_outputs_are_refused(add: Any, double: Any) -> None:
    x = np.ones(4)
    read_only = np.zeros(4)
    read_only.flags.writeable = False
    for out, text in [
        ([np.zeros(3), None], "another shape"), ([np.zeros((4, 1)), None], "another rank"),
        ([np.zeros(4, np.float32), None], "another dtype"), ([np.zeros(4, ">f8"), None], "another dtype"),
        ([np.zeros(8)[::2], None], "not C-contiguous"), ([read_only, None], "writeable"),
        ([[0] * 4, None], "not an array"),
        ([np.zeros(4)], r"list of 2 array\(s\)"), (np.zeros(4), r"list of 2"), (3, r"list of 2"),
        ([x, None], "overlaps input 0"), ([x[:4], None], "overlaps input 0"),
    ]:
        with pytest.raises(BadArgumentError, match=text):
            add.bind(x, np.ones(4), out=out)
    both = np.zeros(5)
    with pytest.raises(BadArgumentError, match="outputs 0 and 1"):
        add.bind(x, np.ones(4), out=[both[:4], both[3:4].reshape(())])
    value = np.array(1.0)
    with pytest.raises(BadArgumentError, match="overlaps"):
        double.bind(value, out=value)
    with pytest.raises(BadArgumentError, match="needs a value"):
        double.bind(out=value)
    with pytest.raises(BadArgumentError, match="two values"):
        double.bind(1.0, x=2.0, out=value)


def test_checks_run_at_bind_and_at_each_call(add: Any) -> None:
    with pytest.raises(Failed) as caught:
        add.bind(np.ones(2), np.ones(3))
    assert caught.value.args[0] == 1 and caught.value.args[3] == "prepare"
    x = np.ones(2)
    call = add.bind(x, np.ones(2))
    x[1] = -1
    for _ in range(2):
        with pytest.raises(Failed) as caught:
            call()
        assert caught.value.args[0] == 2 and caught.value.args[3] == "entry"
    x[1] = 3
    call()
    assert call.out[1] == 4


def test_functions_with_updates_are_refused(folder: Path) -> None:
    cell = [np.array(1.0)]
    f = units.function(units.load(units.DOUBLE, folder), [argument("x", storage=cell)], [("float64", 0)], n_results=0,
                       updates=[(0, cell)])
    with pytest.raises(BadArgumentError, match="has updates"):
        f.bind()


def test_shared_variables_are_followed(folder: Path) -> None:
    w = [np.arange(3.0)]
    f = units.function(units.load(units.ADD, folder),
                       [argument("x", shape=(-1,)), argument("a", shape=(-1,), storage=w)],
                       [("float64", 1), ("float64", 0)], fail=units.failure)
    call = f.bind(np.ones(3))
    call()
    assert call.out[0].tolist() == [1, 2, 3]
    w[0] = np.full(3, 5.0)
    call()
    assert call.out[0].tolist() == [6, 6, 6]
    w[0] = np.zeros(4)
    with pytest.raises((Failed, ExecutionError)):
        call()
    w[0] = np.zeros(6)[::2]
    call()
    assert call.out[0].tolist() == [1, 1, 1]
    w.clear()
    with pytest.raises(ExecutionError, match="holds no value"):
        call()


def test_shared_scalars_are_followed(folder: Path) -> None:
    w = [np.array(1.0)]
    f = units.function(units.load(units.DOUBLE, folder), [argument("x", storage=w)], [("float64", 0)], result="one")
    call = f.bind()
    w[0][()] = 4.0
    call()
    assert call.out == 8
    w[0] = np.array(5.0)
    call()
    assert call.out == 10


def test_integers_that_decide_sizes_may_not_change_them(folder: Path) -> None:
    f = units.function(units.load(units.IOTA, folder), [argument("n", "int64")], [("int64", 1)], result="one")
    n = np.array(4)
    call = f.bind(n)
    call()
    assert call.out.tolist() == [0, 1, 2, 3]
    n[()] = 5
    with pytest.raises(ExecutionError, match="bind again"):
        call()
    n[()] = 4
    call()
    with pytest.raises(BadArgumentError, match="another shape"):
        f.bind(n, out=np.zeros(5, np.int64))


def test_arguments_to_a_bound_call_are_refused(double: Any) -> None:
    call = double.bind(1.0)
    for wrong in (lambda: call(1), lambda: call(x=1)):
        with pytest.raises(BadArgumentError, match="takes no arguments"):
            wrong()


def test_a_second_thread_is_refused(folder: Path) -> None:
    unit = units.load("""
#include <stdatomic.h>
static atomic_int go;
int gradc_prepare(gradc_frame *f) { (void)f; return 0; }
int gradc_entry(gradc_frame *f)
{
    if (*(const double *)f->inputs[0] > 0)
        atomic_store(&go, 1);
    else
        for (int64_t i = 0; !atomic_load(&go) && i < (int64_t)20000000000; ++i) ;
    *(double *)f->outputs[0] = 1;
    return 0;
}
""", folder)
    f = units.function(unit, [argument("x")], [("float64", 0)], result="one")
    waiting, release = f.bind(0.0), f.bind(1.0)
    thread = threading.Thread(target=waiting)
    thread.start()
    try:
        with pytest.raises(ExecutionError, match="running in another thread"):
            while thread.is_alive():
                waiting()
    finally:
        release()
        thread.join()
    waiting()


def test_bound_memory_is_kept_and_given_back(add: Any) -> None:
    x = np.ones(5)
    seen = weakref.ref(x)
    call = add.bind(x, np.ones(5))
    del x
    gc.collect()
    call()
    assert seen() is not None and call.out[1] == 5
    out = call.out
    gone = weakref.ref(call)
    del call
    assert gone() is None and seen() is None and out[1] == 5


def test_binding_leaks_nothing(add: Any) -> None:
    x, a = np.ones(3000), np.ones(3000)

    def mixed(turns: int) -> None:
        for _ in range(turns):
            add.bind(x, a)()
            for bad in (lambda: add.bind(x, x[:3]), lambda: add.bind(x, a, out=[x, None]), lambda: add.bind(x),
                        lambda: add.bind(x, a[::-1])):
                try:
                    bad()
                except (Failed, BadArgumentError):
                    pass

    mixed(300)
    before = units.resident()
    mixed(5000)
    assert units.resident() - before < 2**20
