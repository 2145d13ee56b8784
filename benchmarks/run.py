"""Run the benchmarks: every peer in a process (and environment) of its own, then one table.

`python -m benchmarks.run --short` needs nothing but gradc's own environment; `--peers "jax torch"` adds peers, whose
environments `make bench-peers` makes.  Writes benchmarks/out/results.json and results.md and prints the table.  Exit
status 1 if an answer of gradc is wrong or missing; a missed speed is only marked in the table, for other work on the
machine can cause it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import measure, peers, worker
from benchmarks.row import Seconds, TimesHand, TimesNumpy, TimesPart

HERE = Path(__file__).resolve().parent
OUT = HERE / "out"
FLAGS = ("-O3", "-std=gnu11", "-march=native", "-fPIC", "-shared", "-fopenmp-simd", "-fno-math-errno",
         "-fno-trapping-math", "-fwrapv", "-Wall", "-Wextra")
COLUMNS = ("gradc", "hand", "numpy", "aesara", "pytensor", "jax", "torch", "numba", "casadi")


def compile_hand(compiler: str) -> Path:
    """The shared library of the hand-written loops."""
    OUT.mkdir(exist_ok=True)
    library = OUT / "hand.so"
    sources = sorted(str(path) for path in (HERE / "hand").glob("*.c"))
    subprocess.run([compiler, *FLAGS, *sources, "-o", str(library), "-lm"], check=True)
    return library


def python_of(peer: str) -> str:
    """The interpreter that has this peer."""
    return sys.executable if peer == "gradc" else str(HERE.parent / ".venv-peers" / peer / "bin" / "python")


def run(peer: str, arguments: list[str], extra: dict[str, str] | None = None) -> dict[str, Any] | None:
    """The JSON object that a process of the peer prints last, or None if it failed."""
    environment = {**os.environ, **peers.environment(peer), **(extra or {}), "PYTHONPATH": str(HERE.parent)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)     # a source tree gets byte code, as an installed package has
    done = subprocess.run([python_of(peer), "-W", "ignore", "-m", *arguments], stdout=subprocess.PIPE, text=True,
                          env=environment, cwd=HERE.parent, check=False)
    if done.returncode:
        print(f"  {peer}: {' '.join(arguments)} failed with status {done.returncode}", file=sys.stderr)
        return None
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _cache(peer: str, folder: str) -> dict[str, str]:
    """Environment that makes `folder` the peer's kernel cache."""
    if peer in ("aesara", "pytensor"):
        flags = f"{peer.upper()}_FLAGS"
        old = peers.environment(peer)[flags].split(",")
        return {flags: ",".join([f"base_compiledir={folder}", *old[1:]])}
    return {"gradc": {"GRADC_CACHE_DIR": folder}, "jax": {"JAX_COMPILATION_CACHE_DIR": folder,
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0", "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "0"}
            }.get(peer, {})


def start_times(peer: str, runs: int) -> dict[str, float]:
    """import, cold and warm times, each the minimum over `runs` processes; cold always into an empty cache."""
    best: dict[str, float] = {}
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            for what in ("import", "cold", "warm"):
                if what == "warm" and peer == "casadi":
                    continue        # it keeps no cache
                found = run(peer, ["benchmarks.starts", peer, what], _cache(peer, folder))
                for name, value in (found or {}).items():
                    best[name] = min(value, best.get(name, float("inf")))
    return best


def first_time(peer: str, what: list[str], runs: int) -> float | None:
    """The one time that `starts` measures, each time into an empty cache: the minimum over `runs` processes."""
    found: list[float] = []
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            found += (run(peer, ["benchmarks.starts", peer, *what], _cache(peer, folder)) or {}).values()
    return min(found, default=None)


def graph_times(size: int) -> dict[str, float]:
    """Stages of gradc for a graph of `size` equations, cold, and `warm`: function() in a second process."""
    with tempfile.TemporaryDirectory() as folder:
        found = run("gradc", ["benchmarks.starts", "gradc", "graph", str(size)], _cache("gradc", folder))
        again = run("gradc", ["benchmarks.starts", "gradc", "graph", str(size)], _cache("gradc", folder))
    return {**(found or {}), **({"warm": again["function"]} if again else {})}


def seconds(value: float | None) -> str:
    """A time as text with three figures."""
    if value is None:
        return ""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if value >= scale:
            return f"{value / scale:.3g} {unit}"
    return f"{value / 1e-9:.3g} ns"


def describe(bound: Any) -> str:
    """The requirement as text."""
    if isinstance(bound, Seconds):
        return f"<= {seconds(bound.limit)}"
    if isinstance(bound, TimesHand):
        return f"<= {bound.factor} x hand C"
    if isinstance(bound, TimesNumpy):
        return f"<= {bound.factor} x NumPy"
    if isinstance(bound, TimesPart):
        return f"<= {bound.factor} x its part"
    return ""


def table(results: dict[str, Any]) -> str:
    """The Markdown table of everything measured."""
    columns = [name for name in COLUMNS if any(name in row["times"] for row in results["rows"].values())]
    lines = ["| what | must be | met | " + " | ".join("hand C" if name == "hand" else name for name in columns) + " |",
             "|---" * (3 + len(columns)) + "|"]
    for row in results["rows"].values():
        cells = [("wrong" if "off by" in row["faults"].get(name, "") else "fails") if name in row["faults"]
                 else seconds(row["times"].get(name)) for name in columns]
        notes = {"roof": "its matrix products alone", "part": row.get("part")}
        note = "".join(f" ({what}: {seconds(row['times'][k])})" for k, what in notes.items() if k in row["times"])
        lines.append(f"| {row['title']}{note} | {row['must']} | {row['met']} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def header(results: dict[str, Any]) -> str:
    """What the numbers were measured on."""
    here = results["machine"]
    load = ", ".join(f"{value:.2f}" for value in here["load"])
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    return (f"{here['cpu']} ({' '.join(here['isa'])}), {here['cpus']} CPUs, one thread, load {load}; "
            f"{here['compiler']}, {here['libc']}, Python {here['python']}, NumPy {here['numpy']}; {versions}.\n")


def met(bound: Any, times: dict[str, float]) -> str:
    """yes, no, or nothing where there is no requirement or no measurement."""
    most = bound.most(times) if bound else None
    return "" if most is None or "gradc" not in times else "yes" if times["gradc"] <= most else "no"


def collect(names: list[str], only: list[str], short: bool) -> dict[str, Any]:
    """Run everything and join the results by row."""
    library = compile_hand(os.environ.get("CC") or "cc")
    results: dict[str, Any] = {"machine": measure.machine(os.environ.get("CC") or "cc"), "versions": {}, "rows": {},
                               "workers": {}}
    rows = [row for row in worker.all_rows() if row.name in only or not only]
    for row in rows:
        results["rows"][row.name] = {"title": row.title, "must": describe(row.bound), "times": {}, "faults": {},
                                     "part": row.part[0] if row.part else None}
    for peer in ["gradc", *names]:
        found = run(peer, ["benchmarks.worker", peer, str(library), *[row.name for row in rows],
                           *(["--seconds", "0.02", "--runs", "4"] if short else ["--seconds", "0.2"])])
        if found is None:
            for row in rows:
                results["rows"][row.name]["faults"][peer] = "its process failed"
            continue
        results["versions"][peer] = found["version"]
        results["workers"][peer] = found
        for name, row in found["rows"].items():
            into = results["rows"][name]
            # The hand-written C that counts is the one timed beside gradc; the others stay in "workers".
            into["times"].update({k: v for k, v in row["times"].items() if peer == "gradc" or k == peer})
            into["faults"].update({k: v for k, v in row["faults"].items() if peer == "gradc" or k == peer})
    for row in rows:
        results["rows"][row.name]["met"] = met(row.bound, results["rows"][row.name]["times"])
    if not only:
        add_starts(results, names, short)
    return results


def add_starts(results: dict[str, Any], names: list[str], short: bool) -> None:
    """Rows of import, cold and warm starts, and of large graphs."""
    def add(name: str, title: str, limit: float | None, times: dict[str, float]) -> None:
        bound = Seconds(limit) if limit else None
        results["rows"][name] = {"title": title, "must": describe(bound), "times": times, "faults": {},
                                 "met": met(bound, times)}

    times = {peer: start_times(peer, 2 if short else 5) for peer in ["gradc", *names] if peer not in ("torch", "numba")}

    def of(what: str) -> dict[str, float]:
        return {peer: found[what] for peer, found in times.items() if what in found}

    add("cold", "cold `function()` of the logistic gradient, process warm, empty cache", 0.12, of("cold"))
    add("warm", "warm `function()` of it, first of a second process", 5e-3, of("warm"))
    add("import", "import beyond NumPy", 50e-3, of("import"))
    for name, limit in (("jacobian-idiom", 0.3), ("garch", 0.4), ("lstm-32", 1.0)):
        row = next(row for row in worker.all_rows() if row.name == name)
        able = [peer for peer in ["gradc", *names] if worker.builder_of(row, peer)]
        add(f"first-{name}", f"from expressions to the first result, empty cache: {row.title}", limit,
            {peer: best for peer in able if (best := first_time(peer, ["first", name], 1 if short else 3))})
    fifty, hundred = (first_time("gradc", ["outputs", str(count)], 1 if short else 3) for count in (50, 100))
    if fifty and hundred:
        add("outputs-100", f"a loop with 100 recurrences, compiled (with 50: {seconds(fifty)})", 2.3 * fifty,
            {"gradc": hundred})
    graphs: dict[int, dict[str, float]] = {}
    for size in (5_000,) if short else (5_000, 10_000):
        graphs[size] = found = graph_times(size)
        results[f"graph {size}"] = found
        if not found:
            continue
        stages = found["build"] + found["grad"] + found["function"] - found["stage compiler"]
        limit = 1.5 if size == 5_000 else 2.2 * _without_compiler(graphs[5_000])
        add(f"graph-{size}", f"{size:,}-equation graph: build, grad, optimize, generate", limit, {"gradc": stages})
        add(f"graph-{size}-cc", "its C unit through the compiler", 6.0 if size == 5_000 else None,
            {"gradc": found["stage compiler"]})
        add(f"graph-{size}-warm", "its warm `function()` in a second process", 30e-6 * size if size == 5_000 else None,
            {"gradc": found["warm"]})
    if not short:
        with tempfile.TemporaryDirectory() as folder:
            found = run("gradc", ["benchmarks.starts", "gradc", "deep", "20000"], _cache("gradc", folder)) or {}
        results["deep 20000"] = found
        if found:
            add("deep-20000", "20,000-deep chain: build, grad, compile, with the C compiler", None,
                {"gradc": found["build"] + found["grad"] + found["function"]})


def _without_compiler(found: dict[str, float]) -> float:
    return found["build"] + found["grad"] + found["function"] - found["stage compiler"] if found else float("inf")


def main() -> None:
    """Measure, write, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--short", action="store_true", help="shorter runs, without the largest graphs")
    parser.add_argument("--peers", default="", help="names of peers, separated by blanks")
    parser.add_argument("--rows", default="", help="names of rows, separated by blanks; empty: all")
    options = parser.parse_args()
    names = [name for name in options.peers.split() if os.path.exists(python_of(name))]
    for name in options.peers.split():
        if name not in names:
            print(f"note: no environment for {name}; it is left out", file=sys.stderr)
    results = collect(names, options.rows.split(), options.short)
    text = header(results) + "\n" + table(results)
    (OUT / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (OUT / "results.md").write_text(text)
    print(text)
    faults = {f"{name}: {row['faults']['gradc']}" for name, row in results["rows"].items() if "gradc" in row["faults"]}
    for fault in sorted(faults):
        print(f"gradc fails at {fault}", file=sys.stderr)
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
