"""How long it takes to start: import, first compile into an empty cache, second process; and what large graphs cost.

Run in the peer's own Python, one measurement a process: `python -m benchmarks.starts PEER WHAT [SIZE]`; prints one
JSON object.  WHAT is `import` (seconds beyond numpy's import), `cold` (the process has compiled another function
before; the cache did not have this one), `warm` (first function of a process, in the cache already), `graph SIZE`
(stages of gradc for SIZE equations and their gradient) or `deep SIZE` (a chain of SIZE operations).  Which cache is
meant, the caller says by environment.  `first ROW` is a row of the table from its expressions to the first result,
nothing cached; `outputs N` a loop with N recurrences.
"""

from __future__ import annotations

import importlib
import json
import pickle
import sys
import time
from typing import Any

import numpy as np

from benchmarks import peers, worker


def import_seconds(peer: str) -> dict[str, float]:
    """Seconds of importing the peer, NumPy being imported already."""
    start = time.perf_counter()
    importlib.import_module(peer)
    return {"import": time.perf_counter() - start}


def _compile(peer: str, lib: Any, name: str) -> float:
    """Seconds to compile the gradient of a sum of `name` of a matrix: the logistic function, or cos."""
    if peer == "jax":
        function = {"logistic": lambda x: (1 / (1 + lib.numpy.exp(-x))).sum(), "cos": lambda x: lib.numpy.cos(x).sum()}
        x = lib.numpy.zeros((4, 4))
        start = time.perf_counter()
        lib.jit(lib.grad(function[name])).lower(x).compile()
        return time.perf_counter() - start
    if peer == "casadi":
        x = lib.SX.sym("x", 4, 4)
        y = lib.sum1(lib.sum2(1 / (1 + lib.exp(-x)) if name == "logistic" else lib.cos(x)))
        start = time.perf_counter()
        options = {"jit": True, "compiler": "shell", "jit_options": {"flags": "-O3"}}
        lib.Function(f"slope_{name}", [x], [lib.gradient(y, x)], options)
        return time.perf_counter() - start
    x = lib.tensor.dmatrix("x")
    y = 1 / (1 + lib.tensor.exp(-x)) if name == "logistic" else lib.tensor.cos(x)
    gradient = lib.grad(y.sum(), x)
    start = time.perf_counter()
    lib.function([x], gradient)
    return time.perf_counter() - start


def cold(peer: str) -> dict[str, float]:
    """Seconds of `function` where nothing is cached, after another function was compiled."""
    lib = peers.load(peer)
    _compile(peer, lib, "cos")
    return {"cold": _compile(peer, lib, "logistic")}


def warm(peer: str) -> dict[str, float]:
    """Seconds of the first `function` of this process; the same function is in the cache."""
    return {"warm": _compile(peer, peers.load(peer), "logistic")}


def graph(peer: str, size: int) -> dict[str, float]:
    """Stages for a graph of `size` equations over vectors and its gradient in all inputs.

    x <- tanh(a_k x + b_k y), y <- y + x c_k: six equations a step; the cost, sum(x + y), is two more.
    """
    lib = peers.load(peer)
    aet = lib.tensor
    start = time.perf_counter()
    inputs = [aet.dvector("x"), aet.dvector("y")]
    x, y = inputs
    for k in range((size - 2) // 6):
        a, b, c = (aet.dscalar(f"{name}{k}") for name in "abc")
        inputs += [a, b, c]
        x = aet.tanh(a * x + b * y)
        y = y + x * c
    cost = aet.sum(x + y)
    built = time.perf_counter()
    gradients = lib.grad(cost, inputs)
    differentiated = time.perf_counter()
    function = lib.function(inputs, gradients)
    compiled = time.perf_counter()
    rng = np.random.default_rng(0)
    values = [rng.standard_normal(8), rng.standard_normal(8), *(0.3 * rng.standard_normal(len(inputs) - 2))]
    start_call = time.perf_counter()
    answers = function(*values)
    called = time.perf_counter()
    assert all(np.isfinite(answer).all() for answer in answers)
    return {"build": built - start, "grad": differentiated - built, "function": compiled - differentiated,
            "first call": called - start_call, **_stages(function)}


def deep(peer: str, size: int) -> dict[str, float]:
    """A chain of `size` operations on one vector: built, differentiated, compiled, called, pickled and read back."""
    lib = peers.load(peer)
    aet = lib.tensor
    start = time.perf_counter()
    x = aet.dvector("x")
    y = x
    for _ in range(size // 2):
        y = aet.tanh(y) * 1.01
    built = time.perf_counter()
    gradient = lib.grad(aet.sum(y), x)
    differentiated = time.perf_counter()
    function = lib.function([x], gradient)
    compiled = time.perf_counter()
    value = np.linspace(-1, 1, 5)
    answer = function(value)
    state = value.copy()
    slope = np.ones(5)
    for _ in range(size // 2):
        state = np.tanh(state)
        slope = slope * (1 - state * state) * 1.01
        state = state * 1.01
    np.testing.assert_allclose(answer, slope, rtol=1e-9, atol=1e-300)
    start_pickle = time.perf_counter()
    again = pickle.loads(pickle.dumps(function))
    pickled = time.perf_counter()
    np.testing.assert_array_equal(again(value), answer)
    return {"build": built - start, "grad": differentiated - built, "function": compiled - differentiated,
            "pickle": pickled - start_pickle, **_stages(function)}


def first(peer: str, name: str) -> dict[str, float]:
    """Seconds from the expressions of a row to its first result, after another function was compiled."""
    lib = peers.load(peer)
    _compile(peer, lib, "cos")
    row = next(row for row in worker.all_rows() if row.name == name)
    build, arrays = worker.builder_of(row, peer), row.inputs()
    start = time.perf_counter()
    build(lib, arrays).answers()
    return {"first": time.perf_counter() - start}


def outputs(peer: str, count: int) -> dict[str, float]:
    """Seconds to compile a loop of `count` recurrences, x_k' = tanh(x_k + x_(k+1))."""
    lib = peers.load(peer)
    _compile(peer, lib, "cos")
    starts = [lib.tensor.dscalar(f"x{k}") for k in range(count)]
    begin = time.perf_counter()
    xs, _ = lib.module.scan(lambda *x: [lib.tensor.tanh(x[k] + x[(k + 1) % len(x)]) for k in range(len(x))],
                            outputs_info=starts, n_steps=10)
    lib.function(starts, xs)(*[0.1 * k for k in range(len(starts))])
    return {"outputs": time.perf_counter() - begin}


def _stages(function: Any) -> dict[str, float]:
    """gradc's own times of its stages, where it gives them."""
    info = getattr(function, "info", None)
    return {f"stage {name}": value for name, value in info["seconds"].items()} if info else {}


def main() -> None:
    """Measure what was asked for and print it."""
    peer, what, *size = sys.argv[1:]
    measure: Any = {"import": import_seconds, "cold": cold, "warm": warm, "graph": graph, "deep": deep, "first": first,
                    "outputs": outputs}[what]
    print(json.dumps(measure(peer, *[int(s) if s.isdigit() else s for s in size])))


if __name__ == "__main__":
    main()
