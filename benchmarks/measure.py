"""Timing: several calls interleaved, the minimum over runs; and the state of the machine it was done on.

The candidates of a row take turns within each run, so that a burst of other work on the machine meets all of them.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import timeit
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.row import Call

RUNS = 7
CALLS = 100_000


def _timer(call: Call) -> timeit.Timer:
    names = [f"a{position}" for position in range(len(call.arguments))]
    setup = "; ".join(["f = F", *(f"{name} = A[{position}]" for position, name in enumerate(names))])
    return timeit.Timer(f"f({', '.join(names)})", setup, globals={"F": call.function, "A": call.arguments})


def interleaved(calls: dict[str, Call], seconds_a_run: float, runs: int = RUNS) -> dict[str, float]:
    """Seconds of one call of each: minimum over the runs, each long enough to last `seconds_a_run`."""
    timers = {name: _timer(call) for name, call in calls.items()}
    timers.update((f"{name} shim", _timer(Call(call.shim))) for name, call in calls.items() if call.shim)
    numbers = {}
    for name, timer in timers.items():
        number = 1
        while (spent := timer.timeit(number)) < seconds_a_run / 4:
            number *= 2
        numbers[name] = max(1, round(number * seconds_a_run / spent))
    best = dict.fromkeys(timers, float("inf"))
    for _ in range(runs):
        for name, timer in timers.items():
            best[name] = min(best[name], timer.timeit(numbers[name]) / numbers[name])
    return {name: best[name] - best.get(f"{name} shim", 0.0) for name in calls}


def loop_of_calls(calls: dict[str, Call], runs: int = RUNS) -> dict[str, float]:
    """Seconds of one call of each: minimum over runs of 1e5 calls in a loop, less the cost of the loop."""
    timers = {name: _timer(call) for name, call in calls.items()}
    empty = timeit.Timer("pass")
    best = dict.fromkeys(timers, float("inf"))
    loop = float("inf")
    for _ in range(runs):
        loop = min(loop, empty.timeit(CALLS))
        for name, timer in timers.items():
            best[name] = min(best[name], timer.timeit(CALLS))
    return {name: (value - loop) / CALLS for name, value in best.items()}


def best_of(function: Callable[[], float], runs: int = RUNS) -> float:
    """Smallest of `runs` results."""
    return min(function() for _ in range(runs))


def wrong_answer(got: list[np.ndarray], expected: list[np.ndarray], tolerance: float) -> str | None:
    """Why `got` is not `expected`, or None; errors are relative to the largest element of each array."""
    if len(got) != len(expected):
        return f"{len(got)} outputs, expected {len(expected)}"
    for position, (value, reference) in enumerate(zip(got, expected, strict=True)):
        if value.shape != reference.shape and not value.size == reference.size == 1:     # CasADi has no 0-d
            return f"output {position} has shape {value.shape}, expected {reference.shape}"
        kind = complex if "c" in (value.dtype.kind, reference.dtype.kind) else float
        scale = float(np.max(np.abs(reference.astype(kind)), initial=0.0)) or 1.0
        difference = value.astype(kind).reshape(reference.shape) - reference.astype(kind)
        error = float(np.max(np.abs(difference), initial=0.0)) / scale
        if not error <= tolerance:
            return f"output {position} is off by {error:.1e} of its largest element, allowed {tolerance:.0e}"
    return None


def machine(compiler: str = "cc") -> dict[str, Any]:
    """Processor, load, versions."""
    cpu = platform.processor() or platform.machine()
    flags: list[str] = []
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            lines = dict(line.split(":", 1) for line in file if ":" in line)
        lines = {key.strip(): value.strip() for key, value in lines.items()}
        cpu = lines.get("model name", cpu)
        flags = [flag for flag in lines.get("flags", "").split() if flag in ("avx", "avx2", "fma", "avx512f")]
    try:
        done = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=False)
        version = done.stdout.splitlines()[0] if done.stdout else ""
    except OSError:
        version = "none"
    return {"cpu": cpu, "isa": flags, "cpus": os.cpu_count(), "load": list(os.getloadavg()), "compiler": version,
            "libc": " ".join(platform.libc_ver()), "python": sys.version.split()[0], "numpy": np.__version__}
