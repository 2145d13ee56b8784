"""Random loops: bodies grown as in `test_fuzz`, in loops of every kind."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from gradc.ir import ops
from gradc.ir.check import check
from gradc.ir.program import Builder, Program, Var
from gradc.passes import phases
from tests.loops.kernels import compare, tensor
from tests.loops.test_fuzz import STEPS, Growth, Shape, binary, unary
from tests.seeds import seeds

SEQS: tuple[Shape, ...] = (("n", "m"), ("n",), ())
CARRIES: tuple[Shape, ...] = ((), ("n", "m"), ("m",), (), ("n",))
OTHERS: tuple[Shape, ...] = (("m", "k"), ("n", "1"), (), ("n", "m"))


def bounded(b: Builder, v: Var) -> Var:
    """Values that don't grow from step to step."""
    return b.map("tanh", v)


def body(choice: random.Random, sizes: dict[str, int], until: bool) -> Program:
    """A random step."""
    g = Growth(choice, sizes)
    for letters in (*SEQS, *CARRIES, *OTHERS):
        g.input(letters)
    inputs = list(g.values)
    for _ in range(choice.randint(3, 14)):
        step = choice.choices(list(STEPS), list(STEPS.values()))[0]
        v = g.pick()
        if step in (binary, unary) or g.shape[v]:
            step(g, v)
    after = []
    for k, letters in enumerate(CARRIES):
        fitting = [v for v in g.values if g.shape[v] == letters]
        v = choice.choice(fitting[-3:])
        own = choice.random() < 0.2             # it never changes
        after.append(inputs[len(SEQS) + k] if own else v if v in inputs else bounded(g.builder, v))
    own = set(g.late.values())                  # sizes that may differ from step to step
    last = next(v for v in reversed(g.values) if own.isdisjoint(g.shape[v]))
    rows = [*choice.sample(after, 2), inputs[len(SEQS) + choice.randrange(len(CARRIES))], last]
    stop = []
    if until:
        stop = [g.builder.map("gt", bounded(g.builder, after[0]), g.builder.constant(0.3, "float64"))]
    return g.builder.program([*after, *rows, *stop])


def looped(seed: int) -> tuple[Program, list[Any]]:
    """A Program with a random loop, and values of its inputs."""
    choice = random.Random(seed)
    sizes = {"n": choice.choice((2, 3, 33)), "m": choice.choice((2, 4, 9)), "k": choice.choice((2, 5))}
    until, limited, reverse = (choice.random() < p for p in (0.25, 0.25, 0.4))
    op = ops.Scan(body(choice, sizes, until), len(SEQS), len(CARRIES), until=until, limited=limited, reverse=reverse)
    rng = np.random.default_rng(seed)
    count = choice.choice((0, 1, 2, 5))
    b = Builder()
    args, values = [b.input(tensor(dtype="int64"), "steps")], [count]
    if limited:
        args.append(b.input(tensor(dtype="int64"), "limit"))
        values.append(choice.choice((0, 1, 3, 9)))
    letters = [*[("t", *s) for s in SEQS], *CARRIES, *OTHERS]
    for k, s in enumerate(letters):
        known = {"1": 1, **(sizes if seed % 3 == 0 else {})}
        args.append(b.input(tensor(*[known.get(d) for d in s]), f"x{k}"))
        values.append(rng.normal(size=[count + 1 if d == "t" else sizes.get(d, 1) for d in s]))
    made = list(b.apply(op, *args))
    n = len(made)
    outputs = choice.sample(made, choice.randint(1, n))
    for v in choice.sample(made, 3):
        if v.type.ndim:
            outputs.append(b.apply(ops.Reduce("add", (v.type.ndim - 1,)), b.map("square", v)))
        elif v.type.dtype == "float64":
            outputs.append(b.map("exp", bounded(b, v)))
    return b.program(outputs), values


@pytest.mark.parametrize("seed", range(20))
def test_loops_compute_what_the_interpreter_computes(seed: int) -> None:
    program, values = looped(seed)
    check(program)
    compare(program, values, 1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("seed", seeds(20, 30, 320))
def test_loops_compute_what_the_interpreter_computes_at_length(seed: int) -> None:
    program, values = looped(seed)
    compare(program if seed % 2 else phases.optimize(program, checked=True), values, 1e-7)
