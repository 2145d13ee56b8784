"""frame->room, frame->output and results of calls that tell their sizes: units that learn sizes while they run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradc.errors import BadArgumentError, ExecutionError
from tests.csrc import units
from tests.csrc.units import argument

# y = 0 ... n - 1, n the first element of x, by way of two rooms that grow
UNIT = """
int gradc_prepare(gradc_frame *f)
{
    f->shapes[0] = GRADC_LATE;
    return 0;
}
int gradc_entry(gradc_frame *f)
{
    const int64_t n = (int64_t)((const double *)f->inputs[0])[0];
    int64_t *room = 0;
    for (int64_t k = 1; k <= n && k < 100; ++k) {
        int64_t *grown = f->room(f, 3, 8 * k);
        if (!grown || (uintptr_t)grown % 64 || grown != f->room(f, 3, 8 * k) || grown != f->room(f, 3, 0))
            return 2;
        if (grown == room && k > 1 && room[k - 2] != k - 1)
            return 3;
        grown[k - 1] = k;
        room = grown;
    }
    double *other = f->room(f, 0, 8 * n);
    if (!other || (void *)other == (void *)room)
        return 4;
    for (int64_t k = 0; k < n; ++k)
        other[k] = (double)k;
    if (f->room(f, 1, -1) || f->room(f, 1, INT64_C(1) << 61) || !f->room(f, 1, 1))
        return 5;
    double *y = f->output(f, 0, &n);
    if (!y || y != f->outputs[0])
        return 1;
    for (int64_t k = 0; k < n; ++k)
        y[k] = other[k];
    return n == 7 ? 6 : 0;
}
"""
VECTOR = ("float64", 1)


def made(folder: Path, text: str = UNIT, **options: Any) -> Any:
    return units.function(units.load(text, folder), [argument("x", shape=(-1,))], [VECTOR], result="one", late=True,
                          **options)


def test_rooms_and_outputs(folder: Path) -> None:
    f = made(folder)
    for n in (0, 1, 5, 200, 5, 100_000):
        np.testing.assert_array_equal(f([float(n)]), np.arange(float(n)))
    with pytest.raises(ExecutionError, match="check 6 failed in entry"):
        f([7.0])
    with pytest.raises(BadArgumentError, match="sizes depend on computed data"):
        f.bind(np.ones(1))


ADDRESSES = """
int gradc_prepare(gradc_frame *f)
{
    f->shapes[0] = 4;
    return 0;
}
int gradc_entry(gradc_frame *f)
{
    const int64_t bytes = (int64_t)((const double *)f->inputs[0])[0];
    for (int k = 0; k < 4; ++k) {
        char *room = f->room(f, k, bytes);
        if (!room)
            return 1;
        for (int64_t i = 0; i < bytes; i += 64)
            room[i] = (char)k;
        ((double *)f->outputs[0])[k] = (double)(uintptr_t)room;
    }
    for (int k = 0; k < 4; ++k)
        if (*(char *)f->room(f, k, bytes) != k)
            return 2;
    return 0;
}
"""


def test_a_thread_keeps_large_rooms_for_later_calls(folder: Path) -> None:
    """Of other sizes, too many, and such as nobody takes: they are others, and each its own."""
    f = units.function(units.load(ADDRESSES, folder), [argument("x", shape=(1,))], [VECTOR], result="one")
    places = set(f([1e6]))
    assert len(places) == 4 and set(f([1e6])) == places == set(f([0.9e6]))
    for size in (4e5, 3e7, 1e5, 1e3, *[64.0] * 100, 1e6, 5e7, 1e6):
        assert len(set(f([size]))) == 4


def test_an_output_that_can_not_be(folder: Path) -> None:
    text = UNIT.replace("f->output(f, 0, &n)", "f->output(f, 0, &(const int64_t){INT64_C(1) << 60})")
    with pytest.raises(ExecutionError, match="check 1 failed in entry"):
        made(folder, text)([3.0])
    with pytest.raises(ExecutionError, match="check 1 failed in entry"):
        made(folder, UNIT.replace("&n)", "&(const int64_t){-2})"))([3.0])


def test_updates_of_new_sizes(folder: Path) -> None:
    cell = [np.zeros(2)]
    f = units.function(units.load(UNIT, folder), [argument("x", shape=(-1,))], [VECTOR], n_results=0, result="list",
                       late=True, updates=[(0, cell)])
    for n in (3, 4, 4, 4, 2):
        f([float(n)])
        np.testing.assert_array_equal(cell[0], np.arange(float(n)))
    kept = cell[0]
    with pytest.raises(ExecutionError):
        f([7.0])
    assert cell[0] is kept


CALLING = """
int gradc_prepare(gradc_frame *f)
{
    f->shapes[0] = GRADC_LATE;
    return 0;
}
int gradc_entry(gradc_frame *f)
{
    const int64_t n = f->sizes[0];
    const double *x = f->inputs[0];
    int64_t found[2] = {0};
    double total;
    int rc = f->callback(f, 0, (const void *const[]){x}, (const int64_t[]){n, -3}, (void *const[]){found, &total});
    if (rc)
        return rc;
    const double *z = f->room(f, 2, 8 * found[0] * found[1]);
    double *y = f->output(f, 0, (const int64_t[]){found[0] * found[1]});
    if (!y)
        return 1;
    for (int64_t k = 0; k < found[0] * found[1]; ++k)
        y[k] = z[k] + total;
    return 0;
}
"""


def test_results_that_tell_their_sizes(folder: Path) -> None:
    answer: list[Any] = []

    def call(number: int, arrays: list[np.ndarray], shapes: Any, sizes: tuple[int, ...]) -> Any:
        assert shapes == (None, ()) and sizes == (len(arrays[0]),)
        return answer or [np.outer(arrays[0], arrays[0][1:]), arrays[0].sum()[...]]

    f = made(folder, CALLING, calls=[([VECTOR], [("float64", 2), ("float64", 0)], False)], call=call)
    for n in (3, 1, 40):
        x = np.arange(1.0, n + 1)
        np.testing.assert_array_equal(f(x), np.outer(x, x[1:]).ravel() + x.sum())
    for wrong in (np.ones(3), np.ones((2, 2), "float32"), np.ones((2, 3)).T):
        answer[:] = [wrong, np.array(1.0)]
        with pytest.raises(ExecutionError, match="result 0 of a call is not the array that was promised"):
            f(np.ones(3))
