"""The C of sorting by itself, without NumPy's sorts: every type, lengths around its thresholds, memory that is short."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import numpy as np
import pytest

from gradc.ir.dtypes import DISCRETE, FLOATS, SHORT
from tests.csrc import units

DTYPES = DISCRETE + FLOATS


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    csrc, target = units.ROOT / "csrc", tmp_path_factory.mktemp("sort") / "sort.so"
    subprocess.run([units.CC, "-O1", "-std=c11", "-shared", "-fPIC", f"-I{csrc / 'include'}", str(csrc / "sort.c"), "-o",
                    str(target), "-lm"], check=True)
    return ctypes.CDLL(str(target))


def call(library: ctypes.CDLL, name: str, given: list[np.ndarray], numbers: list[int], out: np.ndarray) -> None:
    routine = getattr(library, f"gradc_{name}_{SHORT[given[0].dtype.name].upper()}")
    pointers = (ctypes.c_void_p * len(given))(*[x.ctypes.data for x in given])
    status = routine(None, 0, pointers, (ctypes.c_int64 * len(numbers))(*numbers),
                     (ctypes.c_void_p * 1)(out.ctypes.data))
    assert status == 0


def samples(dtype: str, n: int) -> list[np.ndarray]:
    """Of few values and of many, of all orders of magnitude, of one value, and one far away from the others."""
    rng = np.random.default_rng(n)
    wide = np.exp(rng.normal(size=n) * 30) * rng.choice([-1, 1], n)
    if dtype in FLOATS:
        wide[rng.random(n) < 0.3] = 0
        wide[rng.random(n) < 0.1] *= -1
        wide[rng.random(n) < 0.1] = np.nan
        wide[rng.random(n) < 0.05] = -np.nan
        wide[rng.random(n) < 0.1] = rng.choice([np.inf, -np.inf])
        close = 1 + rng.normal(size=n) * 1e-14
        close[:1] = -1e300
        with np.errstate(over="ignore"):
            return [x.astype(dtype) for x in (wide, close, np.full(n, np.nan), rng.normal(size=n))]
    high = np.iinfo(dtype).max if dtype != "bool" else 1
    low = np.iinfo(dtype).min if dtype != "bool" else 0
    many = rng.integers(low, high, n, dtype=np.dtype(dtype), endpoint=True)
    far = rng.integers(0, 2, n).astype(dtype)
    far[-1:] = high
    return [many, far, np.full(n, high, dtype), rng.integers(0, min(high, 500) + 1, n).astype(dtype)]


@pytest.mark.parametrize("dtype", DTYPES)
def test_sort_and_order(library: ctypes.CDLL, dtype: str) -> None:
    """Bit for bit NumPy's stable sort: also the signs of zeros, and nan in their order."""
    for n in (0, 1, 2, 15, 16, 17, 63, 64, 65, 200, 2047, 2048, 5000, 70_000):
        for x in samples(dtype, n):
            made, order = np.empty_like(x), np.empty(n, "int64")
            call(library, "SORT", [x], [n], made)
            assert made.tobytes() == np.sort(x, kind="stable").tobytes(), (n, x)
            call(library, "ARGSORT", [x], [n], order)
            np.testing.assert_array_equal(order, np.argsort(x, kind="stable"))


@pytest.mark.parametrize("dtype", DTYPES)
def test_search_and_rows(library: ctypes.CDLL, dtype: str) -> None:
    for n in (0, 1, 2, 3, 7, 64, 1000):
        for x in samples(dtype, n):
            x, v = np.sort(x), np.concatenate([x[::-3], samples(dtype, 50)[0]])
            for right, side in enumerate(("left", "right")):
                found = np.empty(len(v), "int64")
                call(library, "SEARCHSORTED", [x, v], [right, n, len(v)], found)
                np.testing.assert_array_equal(found, np.searchsorted(x, v, side))
    for rows, columns in ((0, 2), (1, 3), (2, 0), (9, 2), (300, 3)):
        table = (np.random.default_rng(1).integers(0, 3, (rows, columns))).astype(dtype)
        if dtype in FLOATS and rows:
            table[::4] = np.nan
        order = np.empty(rows, "int64")
        call(library, "ORDER_OF_ROWS", [table], [rows, columns], order)
        want = np.lexsort(table.T[::-1]) if columns else np.arange(rows)
        np.testing.assert_array_equal(order, want)


MAIN = r"""
#include <stdio.h>
#include <stdlib.h>
#include "private.h"
static int calls_left;
void *__real_malloc(size_t);
void *__wrap_malloc(size_t bytes) { return calls_left-- > 0 ? __real_malloc(bytes) : NULL; }
int main(void)
{
    enum { N = 3000 };
    static double x[N], sorted[N];
    static int64_t order[N];
    for (int i = 0; i < N; ++i)
        x[i] = i % 7 ? 1 + (i * 37 % N) * 1e-15 : -1e300 * i;       /* most are equal in their high bits */
    const void *in[] = {x};
    void *a[] = {sorted}, *b[] = {order};
    const int64_t n[] = {N, 1};
    int seen[3] = {0, 0, 0};
    for (int most = 0; most < 4; ++most) {
        calls_left = most, seen[0] += gradc_SORT_F64(NULL, 0, in, n, a) == GRADC_NO_MEMORY;
        calls_left = most, seen[1] += gradc_ARGSORT_F64(NULL, 0, in, n, b) == GRADC_NO_MEMORY;
        calls_left = most, seen[2] += gradc_ORDER_OF_ROWS_F64(NULL, 0, in, n, b) == GRADC_NO_MEMORY;
    }
    printf("%d %d %d\n", seen[0], seen[1], seen[2]);
    return 0;
}
"""


def test_without_memory_it_says_so(tmp_path: Path) -> None:
    """Each allocation fails once, the second one of ARGSORT is that of a run that is equal in its high bits."""
    csrc, source, target = units.ROOT / "csrc", tmp_path / "main.c", tmp_path / "main"
    source.write_text(MAIN)
    subprocess.run([units.CC, "-O0", "-std=c11", "-Wl,--wrap=malloc", f"-I{csrc}", f"-I{csrc / 'include'}", str(source),
                    str(csrc / "sort.c"), "-o", str(target), "-lm"], check=True)
    ran = subprocess.run([str(target)], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["1", "2", "1"]
