"""Threads change no bit of a result, and a process may fork after they were used."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.tensor import special

ROOT = Path(__file__).resolve().parents[2]
ROWS, COLUMNS = 3001, 257           # no multiples of a block or of a vector

BUILDS: dict[str, Callable[[Any], Any]] = {
    "elementwise": lambda x: at.tanh(x) * x,
    "sum": at.sum,
    "mean and variance": lambda x: [at.mean(x), at.var(x)],
    "several folds": lambda x: [at.sum(at.exp(x)), at.max(x), at.min(x), at.sum(x * x)],
    "row sums": lambda x: at.sum(at.exp(x), axis=1),
    "column sums": lambda x: at.sum(at.exp(x), axis=0),
    "column maxima": lambda x: at.max(x, axis=0),
    "rows, columns and all": lambda x: [at.sum(at.exp(x), axis=a) for a in (0, 1, None)],
    "softmax of rows": lambda x: special.softmax(x, axis=1),
    "softmax of columns": lambda x: special.softmax(x, axis=0),
    "gradient": lambda x: gradc.grad(at.sum(special.log_softmax(at.tanh(x), axis=1) ** 2), x),
    "matrix and vector": lambda x: [at.dot(x, at.sum(x, axis=0)), at.dot(x.T, at.sum(x, axis=1))],
    "running sum": lambda x: at.cumsum(x, axis=0),
    "tiles of rows": lambda x: [at.dot(at.softplus(at.dot(x, x[0])), x)],
    "argmax": lambda x: [at.argmax(x, axis=1), at.argmax(x, axis=0)],
}


@pytest.fixture
def threads() -> Iterator[None]:
    before = gradc.get_num_threads()
    yield
    gradc.set_num_threads(before)


@pytest.mark.parametrize("dtype", ["float64", pytest.param("float32", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", BUILDS)
def test_bits_are_the_same_on_any_number_of_threads(name: str, dtype: str, threads: None):
    x = at.matrix("x", dtype=dtype)
    outputs = BUILDS[name](x)
    f = gradc.function([x], outputs if isinstance(outputs, list) else [outputs])
    assert f.info["mode"] == "c"
    value = np.random.default_rng(0).normal(size=(ROWS, COLUMNS)).astype(dtype)
    results = []
    for n in (1, 2, 4, 4, 3):
        gradc.set_num_threads(n)
        results.append([r.tobytes() for r in f(value)])
    assert all(r == results[0] for r in results[1:])


def test_the_arrays_are_large_enough_to_be_cut():
    """16,384 elements are the least that make a block."""
    assert ROWS * COLUMNS > 20 * 16384


def test_bits_do_not_depend_on_where_an_array_lies(threads: None):
    """Vector code that starts at another alignment adds in the same order."""
    x = at.vector("x", dtype="float64")
    f = gradc.function([x], [at.sum(at.exp(x)), at.max(x)])
    value = np.random.default_rng(1).normal(size=100_003)
    wanted = [r.tobytes() for r in f(value)]
    for shift in (1, 2, 3, 5):
        room = np.empty(len(value) + 8)
        room[shift:shift + len(value)] = value
        assert [r.tobytes() for r in f(room[shift:shift + len(value)])] == wanted


FORK = """
import os, sys
import numpy as np
import gradc
import gradc.tensor as at
gradc.config.cache_dir = sys.argv[1]
gradc.set_num_threads(4)
x = at.dmatrix("x")
f = gradc.function([x], [at.sum(at.exp(x)), at.sum(at.exp(x), axis=0)])
value = np.random.default_rng(0).normal(size=(3001, 257))
wanted = [r.tobytes() for r in f(value)]
children = []
for _ in range(3):
    pid = os.fork()
    if pid == 0:
        ok = [r.tobytes() for r in f(value)] == wanted
        gradc.set_num_threads(2)
        ok = ok and [r.tobytes() for r in f(value)] == wanted
        os._exit(0 if ok else 1)
    children.append(pid)
assert [r.tobytes() for r in f(value)] == wanted
print([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_after_a_parallel_section_works(tmp_path: Path):
    ran = subprocess.run([sys.executable, "-c", FORK, str(tmp_path)], capture_output=True, text=True, timeout=120,
                         cwd=ROOT)
    assert ran.stdout.strip() == "[0, 0, 0]", ran.stderr
