"""frame->parallel: every block once, errors as in a serial run, fork, nesting, settings."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradc.runtime import _dispatch
from tests.csrc import units
from tests.csrc.units import Failed, argument

# outputs: how often each block ran; its square; the number of calls of the section; check 5 at block `bad` and above
SQUARES = """
#include <stdatomic.h>
typedef struct { int64_t bad, nested; atomic_llong calls; } context;
static int inner(gradc_frame *f, const void *c, int64_t lo, int64_t hi)
{
    (void)c;
    for (int64_t i = lo; i < hi; ++i)
        ((int64_t *)f->outputs[1])[0] += 0;
    return 0;
}
static int section(gradc_frame *f, const void *c, int64_t lo, int64_t hi)
{
    context *k = (context *)(uintptr_t)c;
    atomic_fetch_add(&k->calls, 1);
    for (int64_t i = lo; i < hi; ++i) {
        if (i >= k->bad) {
            f->error[0] = i;
            return 5;
        }
        ((int64_t *)f->outputs[0])[i] += 1;
        ((double *)f->outputs[1])[i] = (double)i * (double)i;
        for (volatile int t = 0; t < 20; ++t) ;
    }
    return k->nested ? f->parallel(f, inner, c, 1000, 1) : 0;
}
int gradc_prepare(gradc_frame *f)
{
    f->shapes[0] = f->shapes[1] = *(const int64_t *)f->inputs[0];
    return 0;
}
int gradc_entry(gradc_frame *f)
{
    const int64_t n = *(const int64_t *)f->inputs[0];
    context c = {*(const int64_t *)f->inputs[2], *(const int64_t *)f->inputs[3], 0};
    for (int64_t i = 0; i < n; ++i)
        ((int64_t *)f->outputs[0])[i] = 0;
    int rc = f->parallel(f, section, &c, n, *(const int64_t *)f->inputs[1]);
    *(int64_t *)f->outputs[2] = atomic_load(&c.calls);
    return rc;
}
"""


@pytest.fixture
def squares(folder: Path) -> Iterator[Any]:
    before = _dispatch.get_num_threads()
    f = units.function(units.load(SQUARES, folder),
                       [argument("n", "int64"), argument("grain", "int64", default=[np.array(1)]),
                        argument("bad", "int64", default=[np.array(2**62)]),
                        argument("nested", "int64", default=[np.array(0)])],
                       [("int64", 1), ("float64", 1), ("int64", 0)], fail=units.failure)
    yield f
    _dispatch.set_num_threads(before)


@pytest.mark.parametrize("threads", [1, 2, 3, 4, 9])
@pytest.mark.parametrize("n", [0, 1, 2, 5, 64, 1000])
def test_every_block_runs_once(squares: Any, threads: int, n: int) -> None:
    _dispatch.set_num_threads(threads)
    for grain in (1, 3, 64, 10_000):
        for _ in range(20):
            times, values, calls = squares(n, grain)
            assert np.all(times == 1)
            np.testing.assert_array_equal(values, np.arange(n, dtype=np.float64) ** 2)
            if threads == 1 or n < 2 * grain:
                assert calls == (n > 0)                 # serial: one call for all blocks
            else:
                assert 1 < calls <= -(-n // grain)


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_lowest_failing_block_wins(squares: Any, threads: int) -> None:
    _dispatch.set_num_threads(threads)
    for bad in (0, 1, 17, 99):
        for _ in range(100):
            with pytest.raises(Failed) as caught:
                squares(100, 1, bad)
            assert caught.value.args[:2] == (5, (bad, 0, 0, 0))
    squares(100)


def test_nested_sections_are_serial(squares: Any) -> None:
    _dispatch.set_num_threads(3)
    for _ in range(50):
        assert np.all(squares(100, 1, 2**62, 1)[0] == 1)


def test_many_callers_share_the_pool(squares: Any) -> None:
    _dispatch.set_num_threads(3)
    bad = []

    def work() -> None:
        for _ in range(200):
            if not np.all(squares(200, 1)[0] == 1):
                bad.append(1)

    threads = [threading.Thread(target=work) for _ in range(5)]
    for t in threads:
        t.start()
    for k in range(200):
        _dispatch.set_num_threads(k % 4 + 1)            # changed while they run
    for t in threads:
        t.join()
    assert not bad


def test_fork_after_a_parallel_section(squares: Any) -> None:
    _dispatch.set_num_threads(4)
    squares(100)
    pid = os.fork()
    if pid == 0:
        times, _, calls = squares(100)
        _dispatch.set_num_threads(3)
        os._exit(0 if np.all(times == 1) and calls == 1 and _dispatch.get_num_threads() == 1 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert squares(100)[2] > 1


@pytest.mark.parametrize("wrong", [0, -1, 1025, 10**30, 1.5, "2", None])
def test_illegal_numbers_of_threads(wrong: Any) -> None:
    before = _dispatch.get_num_threads()
    with pytest.raises((ValueError, TypeError)):
        _dispatch.set_num_threads(wrong)
    assert _dispatch.get_num_threads() == before


@pytest.mark.parametrize(("variables", "want"), [
    ({}, len(os.sched_getaffinity(0))), ({"OMP_NUM_THREADS": "3"}, 3), ({"OMP_NUM_THREADS": "5,2"}, 5),
    ({"GRADC_NUM_THREADS": "2", "OMP_NUM_THREADS": "7"}, 2), ({"GRADC_NUM_THREADS": ""}, len(os.sched_getaffinity(0))),
    ({"GRADC_NUM_THREADS": "many", "OMP_NUM_THREADS": "3"}, 3), ({"GRADC_NUM_THREADS": "0", "OMP_NUM_THREADS": "3"}, 3),
    ({"GRADC_NUM_THREADS": "99999999"}, 1024),
])
def test_environment_variables(variables: dict[str, str], want: int) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    code = "from gradc.runtime import _dispatch; print(_dispatch.get_num_threads())"
    done = subprocess.run([sys.executable, "-c", code], env={**environment, **variables}, capture_output=True,
                          text=True, check=True, cwd=units.ROOT)
    assert int(done.stdout.split()[-1]) == want
    faulty = variables.get("GRADC_NUM_THREADS") in ("many", "0")
    assert ("GRADC_NUM_THREADS must be a positive integer" in done.stderr) == faulty
