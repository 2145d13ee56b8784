"""Measure rows for one peer in this process, beside the hand-written C; prints one JSON object.

Started by run.py with the peer's own Python: `python -m benchmarks.worker PEER HAND_LIBRARY ROW...`.  For each row it
makes the inputs from their seed, builds the peer's call, compares the answers of its first call with NumPy's, and only
then times it.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib
import json
import os
import sys
import time
import traceback
from typing import Any

from benchmarks import measure, peers
from benchmarks.row import Call, Row

WORKLOADS = ("scalar", "logistic", "chain", "seawater", "mlp", "regression", "loops", "curvature", "random", "gather",
             "linalg", "sorting", "sparse", "sparse_derivatives", "special", "complex_chain", "fft")


def all_rows() -> list[Row]:
    """Every row that is a call, in the order of the table."""
    return [row for name in WORKLOADS for row in importlib.import_module(f"benchmarks.workloads.{name}").ROWS]


def hand_library(path: str) -> Any:
    """The hand-written loops as an object with `hand_*` attributes; each knows its library, for the empty call."""
    library = ctypes.CDLL(path)

    class Hand:
        def __getattr__(self, name: str) -> Any:
            function = library[name]        # a new object each time, with its own argument types
            function.library = library
            return function

    return Hand()


def builder_of(row: Row, peer: str) -> Any:
    """The row's builder for this peer, or None."""
    if peer == "gradc":
        return row.gradc or row.symbolic
    return row.symbolic if peer in peers.SYMBOLIC else getattr(row, peer, None)


def measure_row(row: Row, peer: str, library: Any, hand: Any, seconds: float, runs: int) -> dict[str, Any]:
    """Times in seconds by candidate: the peer, hand (C), and in gradc's own process NumPy."""
    result: dict[str, Any] = {"times": {}, "faults": {}}
    reference = row.numpy(row.inputs()).answers()
    calls: dict[str, Call] = {}
    candidates = {peer: (builder_of(row, peer), library)}
    if row.hand:
        candidates["hand"] = (row.hand, hand)
    if peer == "gradc":
        candidates["numpy"] = (lambda _, arrays: row.numpy(arrays), None)
        if row.roof:
            roof = row.roof(row.inputs())
            calls["roof"] = roof
        if row.part:
            calls["part"] = row.part[1](library, row.inputs())
    for name, (build, lib) in candidates.items():
        if build is None:
            continue
        try:
            start = time.perf_counter()
            call = build(lib, row.inputs())
            fault = measure.wrong_answer(call.answers(), reference, row.tolerance)
            result.setdefault("build", {})[name] = time.perf_counter() - start
        except Exception as error:      # a peer may fail in any way; the table says so and goes on
            fault = f"{type(error).__name__}: {str(error).splitlines()[0][:200] if str(error) else ''}"
            if peer == name:
                traceback.print_exc(limit=-2, file=sys.stderr)
        if fault:
            result["faults"][name] = fault
        else:
            calls[name] = call
    if peer in calls:
        result["load"] = os.getloadavg()[0]
        result["times"] = measure.loop_of_calls(calls, runs) if row.loop_of_calls \
            else measure.interleaved(calls, seconds, runs)
    return result


def main() -> None:
    """Parse, pin to one CPU, measure, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("peer")
    parser.add_argument("hand")
    parser.add_argument("rows", nargs="*")
    parser.add_argument("--seconds", type=float, default=0.1, help="length of one run")
    parser.add_argument("--runs", type=int, default=measure.RUNS, help="of which the shortest counts")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    hand = hand_library(options.hand)
    library = peers.load(options.peer)
    results = {}
    for row in all_rows():
        if row.name in options.rows or not options.rows:
            results[row.name] = measure_row(row, options.peer, library, hand, options.seconds,
                                            options.runs)
            print(f"  {options.peer}: {row.name} " + (", ".join(
                f"{name} {value * 1e6:.3g} us" for name, value in results[row.name]["times"].items())
                or str(results[row.name]["faults"])), file=sys.stderr, flush=True)
    print(json.dumps({"peer": options.peer, "version": getattr(library, "__version__", None) or library.version,
                      "machine": measure.machine(), "rows": results}))


if __name__ == "__main__":
    main()
