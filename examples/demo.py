"""Train a logistic regression and a small neural network on handwritten digits, by gradients that gradc compiles.

Run it twice (`make demo`): the first run compiles its kernels, the second finds them in the cache and says so.
Prints a table; writes loss.svg, gradient.svg and demo.json to --out (default: examples/out).  The data set and its
licence: examples/data/README.md.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from svg import curves, function_graph

import gradc
from gradc import tensor as aet

HERE = Path(__file__).resolve().parent
CLASSES = 10


@dataclass
class Result:
    """What one model's line of the table is made of."""

    name: str
    parameters: int
    compile_seconds: float
    again_seconds: float
    cached: bool
    steps: int = 0
    step_seconds: float = 0.0
    losses: list[tuple[float, float]] = field(default_factory=list)
    accuracy: float = 0.0


def load(held_out: int = 360) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Training pixels (n, 64) in [0, 1], one-hot training labels (n, 10), held-out pixels, held-out digits."""
    with gzip.open(HERE / "data" / "optdigits_test.csv.gz", "rt", encoding="ascii") as file:
        rows = np.loadtxt(file, delimiter=",", dtype=np.int64)
    rows = rows[np.random.default_rng(0).permutation(len(rows))]
    pixels, digits = rows[:, :-1] / 16.0, rows[:, -1]
    return pixels[held_out:], np.eye(CLASSES)[digits[held_out:]], pixels[:held_out], digits[:held_out]


def scores(x: Any, parameters: list[Any]) -> Any:
    """Scores of the classes for rows `x`: affine layers with tanh between them."""
    for position in range(0, len(parameters), 2):
        if position:
            x = aet.tanh(x)
        x = aet.dot(x, parameters[position]) + parameters[position + 1]
    return x


def initial(sizes: list[int]) -> Iterator[Any]:
    """Shared weights and biases, small and random, for layers of these sizes."""
    rng = np.random.default_rng(1)
    for layer, (rows, columns) in enumerate(pairwise(sizes)):
        yield gradc.shared(rng.normal(0.0, rows**-0.5, (rows, columns)), name=f"W{layer}")
        yield gradc.shared(np.zeros(columns), name=f"b{layer}")


def cross_entropy(x: Any, target: Any, parameters: list[Any]) -> Any:
    """Mean cross-entropy of the class scores against one-hot `target`."""
    return -aet.mean(aet.sum(target * aet.special.log_softmax(scores(x, parameters), axis=1), axis=1))


def train(name: str, sizes: list[int], batch: int, epochs: int, rate: float, momentum: float,
          data: tuple[np.ndarray, ...]) -> tuple[Result, Any]:
    """Build, compile and train one model; returns its line of the table and its compiled gradient."""
    pixels, labels, held_pixels, held_digits = data
    x, target = aet.dmatrix("x"), aet.dmatrix("target")
    parameters = list(initial(sizes))
    loss = cross_entropy(x, target, parameters)
    gradients = gradc.grad(loss, parameters)
    updates = []
    for parameter, gradient in zip(parameters, gradients, strict=True):
        velocity = gradc.shared(np.zeros_like(parameter.get_value()), name=f"v_{parameter.name}")
        new_velocity = momentum * velocity - rate * gradient
        updates += [(velocity, new_velocity), (parameter, parameter + new_velocity)]

    def compile_step() -> Any:
        return gradc.function([x, target], loss, updates=updates, name=f"{name}_step")

    start = time.perf_counter()
    step = compile_step()
    middle = time.perf_counter()
    compile_step()
    end = time.perf_counter()
    predict = gradc.function([x], aet.argmax(scores(x, parameters), axis=1), name=f"{name}_predict")

    result = Result(name, sum(p.get_value().size for p in parameters), middle - start, end - middle,
                    bool(step.info["cached"]))
    order = np.random.default_rng(2)
    per_epoch = len(pixels) // batch
    spent = 0.0
    for _ in range(epochs):
        rows = order.permutation(len(pixels))
        losses = []
        for number in range(per_epoch):
            chosen = rows[number * batch:(number + 1) * batch]
            arguments = pixels[chosen], labels[chosen]
            start = time.perf_counter()
            losses.append(float(step(*arguments)))
            spent += time.perf_counter() - start
        result.steps += per_epoch
        result.losses.append((float(result.steps), float(np.mean(losses))))
    result.step_seconds = spent / result.steps
    result.accuracy = float(np.mean(predict(held_pixels) == held_digits))
    gradient = gradc.function([x, target], gradients, name=f"{name}_gradient")
    return result, gradient


def milliseconds(seconds: float) -> str:
    """`seconds` as text in ms with three figures."""
    return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds * 1e3:.0f} ms"


def report(results: list[Result], before: dict[str, float]) -> str:
    """The table, and a line on how this run's compiling compares with the run before."""
    head = ("model", "parameters", "steps", "loss, first epoch", "last", "held-out accuracy", "time per step",
            "compile, this run", "kernel from cache", "compile again")
    rows = [head] + [(r.name, str(r.parameters), str(r.steps), f"{r.losses[0][1]:.4f}", f"{r.losses[-1][1]:.4f}",
                      f"{100 * r.accuracy:.1f} %", f"{r.step_seconds * 1e6:.0f} us", milliseconds(r.compile_seconds),
                      "yes" if r.cached else "no", milliseconds(r.again_seconds)) for r in results]
    lines = []
    for column in zip(*rows, strict=True):
        lines.append(f"{column[0]:<20}" + "".join(f"{cell:>16}" for cell in column[1:]))
    if all(r.cached for r in results):
        lines.append("\nWarm start: every kernel came from the cache, no C compiler ran.")
    else:
        lines.append("\nCold start: kernels were compiled and are in the cache now; a second run starts warm.")
    for r in results:
        if r.cached and r.name in before:
            lines.append(f"  {r.name}: {milliseconds(before[r.name])} when it was compiled, "
                         f"{milliseconds(r.compile_seconds)} now.")
    return "\n".join(lines)


def main() -> None:
    """Train both models, print the table, write the pictures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--out", type=Path, default=HERE / "out", help="folder of pictures and demo.json")
    parser.add_argument("--epochs", type=int, default=60, help="passes over the training rows")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)

    data = load()
    print(f"{len(data[0])} training rows, {len(data[2])} held-out rows, 64 pixels, {CLASSES} classes\n")
    results, gradients = [], []
    for name, sizes, batch, rate in (("logistic", [64, CLASSES], 64, 0.1), ("mlp", [64, 32, CLASSES], 64, 0.05)):
        result, gradient = train(name, sizes, batch, options.epochs, rate, 0.9, data)
        results.append(result)
        gradients.append(gradient)

    record = options.out / "demo.json"
    before: dict[str, float] = json.loads(record.read_text()) if record.exists() else {}
    print(report(results, before))
    before.update((r.name, r.compile_seconds) for r in results if not r.cached)
    record.write_text(json.dumps(before, indent=1) + "\n")
    (options.out / "loss.svg").write_text(curves("Mean training loss of an epoch", {r.name: r.losses for r in results},
                                                 "gradient steps", "cross-entropy"))
    (options.out / "gradient.svg").write_text(
        function_graph("Gradient of the logistic regression's loss, as compiled", gradients[0],
                       ["slope in W0", "slope in b0"]))
    print(f"\nPictures: {options.out / 'loss.svg'}, {options.out / 'gradient.svg'}")


if __name__ == "__main__":
    main()
