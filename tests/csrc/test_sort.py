"""The C of sorting by itself, without NumPy's sorts: every type, lengths around its thresholds, no memory."""

from __future__ import annotations

import ctypes
import subprocess

import numpy as np
import pytest

from gradc.ir.dtypes import DISCRETE, SHORT, WIDE
from tests.csrc import units

DTYPES = DISCRETE + WIDE


MALLOC = """
#include <stdlib.h>
int allowed = -1;       /* calls of malloc that are still answered; -1: all */
void *__real_malloc(size_t);
void *__wrap_malloc(size_t bytes) { return allowed == 0 ? NULL : (allowed -= allowed > 0, __real_malloc(bytes)); }
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    csrc, folder = units.ROOT / "csrc", tmp_path_factory.mktemp("sort")
    (folder / "malloc.c").write_text(MALLOC)
    subprocess.run([units.CC, "-O1", "-std=c11", "-shared", "-fPIC", "-fno-builtin-malloc", "-Wl,--wrap=malloc",
                    f"-I{csrc / 'include'}",
                    str(csrc / "sort.c"), str(folder / "malloc.c"), "-o", str(folder / "sort.so"), "-lm"], check=True)
    return ctypes.CDLL(str(folder / "sort.so"))


def call(library: ctypes.CDLL, name: str, given: list[np.ndarray], numbers: list[int], out: np.ndarray) -> int:
    routine = getattr(library, f"gradc_{name}_{SHORT[given[0].dtype.name].upper()}")
    pointers = (ctypes.c_void_p * len(given))(*[x.ctypes.data for x in given])
    status = routine(None, 0, pointers, (ctypes.c_int64 * len(numbers))(*numbers),
                     (ctypes.c_void_p * 1)(out.ctypes.data))
    assert isinstance(status, int)
    return status


def samples(dtype: str, n: int) -> list[np.ndarray]:
    """Of few values and of many, of all orders of magnitude, of one value, and one far away from the others."""
    rng = np.random.default_rng(n)
    wide = np.exp(rng.normal(size=n) * 30) * rng.choice([-1, 1], n)
    if dtype in WIDE:
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
            assert call(library, "SORT", [x], [n], made) == 0
            assert made.tobytes() == np.sort(x, kind="stable").tobytes(), (n, x)
            assert call(library, "ARGSORT", [x], [n], order) == 0
            np.testing.assert_array_equal(order, np.argsort(x, kind="stable"))
            largest = n - 1 - np.argsort(x[::-1], kind="stable")[::-1]
            for ranks in (np.arange(n)[::-1].copy(), np.arange(n)[[n // 2, 0, n // 3, n // 2][:4 if n else 0]],
                          np.arange(n)[n // 2:n // 2 + 20], np.arange(n)[-3:], np.arange(0, n, max(n // 30, 1))):
                for down, want in ((False, order), (True, largest)):
                    places = np.empty(len(ranks), "int64")
                    given = [x, ranks, np.array(down)]
                    assert call(library, "ORDER_AT", given, [n, len(ranks)], places) == 0
                    np.testing.assert_array_equal(places, want[ranks])


@pytest.mark.parametrize("dtype", DTYPES)
def test_partition(library: ctypes.CDLL, dtype: str) -> None:
    """What is less than a pivot, equal to it, and greater, each in order, bit for bit."""
    for n in (1, 2, 64, 65, 5000, 20_000):
        for x in samples(dtype, n):
            for kth in ([n // 2], [n - 1], [0, n // 3, n // 2, n - 1], list(range(0, n, max(n // 90, 1))), []):
                made, places, ranks = np.empty_like(x), np.empty(n, "int64"), np.array(kth, "int64")
                assert call(library, "PARTITION", [x, ranks], [n, len(kth)], made) == 0
                assert call(library, "ARGPARTITION", [x, ranks], [n, len(kth)], places) == 0
                pivots = np.unique(np.sort(x)[ranks])
                part = np.searchsorted(pivots, x) + np.searchsorted(pivots, x, "right")
                np.testing.assert_array_equal(places, np.argsort(part, kind="stable"))
                assert made.tobytes() == x[places].tobytes()
                np.testing.assert_array_equal(made[ranks], np.sort(x)[ranks])


@pytest.mark.parametrize("dtype", DTYPES)
def test_search_and_rows(library: ctypes.CDLL, dtype: str) -> None:
    for n in (0, 1, 2, 3, 7, 64, 1000):
        for x in samples(dtype, n):
            x, v = np.sort(x), np.concatenate([x[::-3], samples(dtype, 50)[0]])
            for right, side in enumerate(("left", "right")):
                found = np.empty(len(v), "int64")
                assert call(library, "SEARCHSORTED", [x, v], [right, n, len(v)], found) == 0
                np.testing.assert_array_equal(found, np.searchsorted(x, v, side))
    for rows, columns in ((0, 2), (1, 3), (2, 0), (9, 2), (300, 3)):
        table = (np.random.default_rng(1).integers(0, 3, (rows, columns))).astype(dtype)
        if dtype in WIDE and rows:
            table[::4] = np.nan
        order = np.empty(rows, "int64")
        assert call(library, "ORDER_OF_ROWS", [table], [rows, columns], order) == 0
        want = np.lexsort(table.T[::-1]) if columns else np.arange(rows)
        np.testing.assert_array_equal(order, want)


def test_without_memory_it_says_so(library: ctypes.CDLL) -> None:
    """Each allocation fails once; the second one of ARGSORT is that of a run that is equal in its high bits."""
    n = 3000
    x = 1 + np.arange(n) * 37 % n * 1e-15
    x[::7] = -1e300 * np.arange(len(x[::7]))
    allowed = ctypes.c_int.in_dll(library, "allowed")
    one, several, many = np.zeros(1, "int64"), np.array([9, 4]), np.arange(80)
    for name, most, ranks in (("SORT", 1, one), ("ARGSORT", 2, one), ("ORDER_AT", 4, one), ("ORDER_AT", 5, several),
                              ("ORDER_OF_ROWS", 1, one), ("PARTITION", 4, one), ("ARGPARTITION", 7, many)):
        out = np.empty(n, "float64" if name in ("SORT", "PARTITION") else "int64")
        found = []
        for k in range(most + 1):
            allowed.value = k
            found.append(call(library, name, [x, ranks, np.array(False)], [n, len(ranks)], out))
        allowed.value = -1
        assert found == [-1] * most + [0], name
