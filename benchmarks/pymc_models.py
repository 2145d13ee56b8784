"""Models of PyMC by gradc against PyTensor's other backends: writes the table of docs/pymc.md.

    python -m benchmarks.pymc_models [--models radon,kalman] [--backends GRADC,NUMBA] [--write]

Needs PyMC, numba, jax and nutpie in this environment (`make bench-pymc`).  Each figure is of a process of its own,
which sees empty caches (cold) or those that the one before left (warm).  Seconds are CPU time of the process and of
the compilers that it starts: on one thread, what a quiet machine takes.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.pytensor.models import MODELS

BACKENDS = {"GRADC": "GRADC", "NUMBA": "NUMBA", "C": "CVM", "JAX": "JAX"}
SAMPLED = ("radon", "logistic", "kalman")
PAGE = Path(__file__).resolve().parent.parent / "docs" / "pymc.md"
BEGIN, END = "<!-- table: written by benchmarks/pymc_models.py -->\n", "<!-- end of table -->\n"
SECONDS = 0.5           # of calls, for the time of one


def cpu() -> float:
    """Seconds that this process and its children have computed."""
    return sum(u.ru_utime + u.ru_stime
               for u in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))


def measured(name: str, backend: str) -> dict[str, float]:
    """Compile and first call of log density and gradient, and one call after that."""
    if backend == "GRADC":
        import gradc.interop.pytensor  # noqa: F401
    if backend == "JAX":
        import jax
    model = MODELS[name]()
    point = model.initial_point()
    began = cpu()
    f = model.compile_fn([model.logp(), model.dlogp()], inputs=model.value_vars, mode=BACKENDS[backend],
                         point_fn=False)
    arguments = [point[v.name] for v in model.value_vars]
    f(*arguments)
    first = cpu() - began
    for cell, value in zip(f.input_storage, arguments):
        cell.storage[0] = value

    def call() -> None:
        results = f.vm()
        if backend == "JAX":
            jax.block_until_ready(results if results is not None else [c.storage[0] for c in f.output_storage])

    best, until, calls = float("inf"), time.perf_counter() + SECONDS, 1
    while time.perf_counter() < until:
        start = time.perf_counter()
        for _ in range(calls):
            call()
        spent = time.perf_counter() - start
        best = min(best, spent / calls)
        if spent < 1e-3:
            calls *= 2
    return {"first": first, "call": best}


def sampled(name: str, backend: str) -> dict[str, float]:
    """From a model to 1,000 + 1,000 draws of one chain by nutpie."""
    import nutpie

    model = MODELS[name]()
    began = cpu()
    if backend == "GRADC":
        from gradc.interop.nutpie import compile_pymc_model
        compiled = compile_pymc_model(model)
    else:
        compiled = nutpie.compile_pymc_model(model, backend="numba")
    built = cpu() - began
    nutpie.sample(compiled, draws=1000, tune=1000, chains=1, cores=1, seed=1, progress_bar=False)
    return {"first": built, "all": cpu() - began}


def in_process(kind: str, name: str, backend: str, folder: str) -> dict[str, float] | None:
    """What a process of its own measures; None if it fails."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "GRADC_NUM_THREADS": "1",
                   "NUMBA_NUM_THREADS": "1", "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false", "JAX_PLATFORMS": "cpu",
                   "JAX_COMPILATION_CACHE_DIR": f"{folder}/jax", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
                   "GRADC_CACHE_DIR": f"{folder}/gradc", "NUMBA_CACHE_DIR": f"{folder}/numba",
                   "PYTENSOR_FLAGS": f"base_compiledir={folder}/pytensor"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)     # a source tree gets byte code, as an installed package has
    argv = [sys.executable, "-W", "ignore", "-m", "benchmarks.pymc_models", "--one", kind, name, backend]
    ended = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode:
        print(f"{name} {backend}: {ended.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return None
    found: dict[str, float] = json.loads(ended.stdout.splitlines()[-1])
    return found


def row(name: str, backends: list[str]) -> dict[str, Any]:
    """Cold, warm and call of each backend."""
    found: dict[str, Any] = {}
    for backend in backends:
        with tempfile.TemporaryDirectory() as folder:
            cold = in_process("model", name, backend, folder)
            warm = in_process("model", name, backend, folder) if cold else None
        if cold and warm:
            found[backend] = (cold["first"], warm["first"], min(cold["call"], warm["call"]))
    return found


def shown(value: float | None, unit: float) -> str:
    return "-" if value is None else f"{value * unit:.2f}" if value * unit < 10 else f"{value * unit:.0f}"


def tables(models: list[str], backends: list[str]) -> Iterator[str]:
    """The Markdown of the page's tables, line by line as it is known."""
    kinds = (("cold, s", 0, 1.0), ("warm, s", 1, 1.0), ("call, µs", 2, 1e6))
    yield "| model | " + " | ".join([f"{kind} {b}" for kind, _, _ in kinds for b in backends]) + " |"
    yield "|---|" + "---|" * (3 * len(backends))
    for name in models:
        found = row(name, backends)
        cells = [shown(found[b][k] if b in found else None, unit) for _, k, unit in kinds for b in backends]
        yield f"| {name} | {' | '.join(cells)} |"
    yield ""
    yield "| 1,000 + 1,000 draws, one chain | gradc, s | numba, s |"
    yield "|---|---|---|"
    for name in [name for name in SAMPLED if name in models]:
        cells = []
        for backend in ("GRADC", "NUMBA"):
            with tempfile.TemporaryDirectory() as folder:
                cells.append(shown((in_process("sample", name, backend, folder) or {}).get("all"), 1.0))
        yield f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=",".join(MODELS), help="some of them, by name")
    parser.add_argument("--backends", default=",".join(BACKENDS))
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    parser.add_argument("--one", nargs=3, metavar=("KIND", "MODEL", "BACKEND"), help="one figure, in this process")
    options = parser.parse_args()
    if options.one:
        kind, name, backend = options.one
        print(json.dumps((measured if kind == "model" else sampled)(name, backend)))
        return
    lines: list[str] = []
    for line in tables(options.models.split(","), options.backends.split(",")):
        print(line, flush=True)
        lines.append(f"{line}\n")
        if options.write:           # line by line: what was measured before an interruption stays
            page = PAGE.read_text()
            PAGE.write_text(page[:page.index(BEGIN)] + BEGIN + "".join(lines) + page[page.index(END):])


if __name__ == "__main__":
    main()
