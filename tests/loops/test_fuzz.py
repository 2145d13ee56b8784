"""Random Programs: the C route computes what the interpreter computes.

A Program is grown from eight inputs whose sizes are three numbers; each step applies one op to values made before,
recent ones preferred.  Sizes are letters while it grows, so that only fitting values meet; numbers that data tells are
sizes too, with letters of their own.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from gradc.ir import ops
from gradc.ir.check import check
from gradc.ir.ops import Item
from gradc.ir.program import Builder, Program, Var
from gradc.passes import phases
from tests.loops.kernels import compare, tensor
from tests.seeds import seeds

Shape = tuple[str, ...]         # "n", "m", "k", or "1"
INPUTS: tuple[Shape, ...] = (("n", "m"), ("n",), ("m",), (), ("n", "m"), ("m", "k"), ("n", "1"), ("1", "m"))
BINARY = ("add", "mul", "sub", "maximum", "logaddexp")
UNARY = ("tanh", "sigmoid", "neg", "exp", "square", "abs")
FOLDS = ("add", "add", "add", "maximum", "minimum")
RECENT = 8
LATE = itertools.count()


@dataclass
class Growth:
    """A Program that grows; `shape` holds each value's sizes as letters."""

    random: random.Random
    sizes: dict[str, int]
    builder: Builder = field(default_factory=Builder)
    shape: dict[Var, Shape] = field(default_factory=dict)
    values: list[Var] = field(default_factory=list)
    late: dict[tuple[Var | None, str], str] = field(default_factory=dict)      # (number, of what) -> letter

    def input(self, letters: Shape) -> None:
        static = self.random.random() < 0.3
        sizes = [1 if d == "1" else self.sizes[d] if static else None for d in letters]
        self.add(self.builder.input(tensor(*sizes), f"x{len(self.values)}"), letters)

    def add(self, var: Var, letters: Shape) -> None:
        self.shape[var] = letters
        self.values.append(var)

    def pick(self) -> Var:
        return self.random.choice(self.values[-RECENT:] if self.random.random() < 0.7 else self.values)

    def letter(self, number: Var | None, of: str = "") -> str:
        """The size of the first `number` of so many; None: a new one."""
        key = (number, of if number is not None else str(len(self.late)))
        return self.late.setdefault(key, f"late {next(LATE)}")

    def axes(self, v: Var) -> tuple[int, ...]:
        """Some axes of a value, at least one."""
        ndim = len(self.shape[v])
        return tuple(sorted(self.random.sample(range(ndim), self.random.randint(1, ndim))))


def without(letters: Shape, axes: tuple[int, ...]) -> Shape:
    return tuple(d for k, d in enumerate(letters) if k not in axes)


def broadcast(a: Shape, b: Shape) -> Shape | None:
    """Sizes of an elementwise result, or None if they don't fit."""
    ndim = max(len(a), len(b))
    pairs = list(zip(("1",) * (ndim - len(a)) + a, ("1",) * (ndim - len(b)) + b))
    if any(x != y and "1" not in (x, y) for x, y in pairs):
        return None
    return tuple(y if x == "1" else x for x, y in pairs)


def binary(g: Growth, v: Var) -> None:
    u = g.random.choice(g.values)
    letters = broadcast(g.shape[v], g.shape[u])
    if letters is not None:
        g.add(g.builder.map(g.random.choice(BINARY), v, u), letters)


def unary(g: Growth, v: Var) -> None:
    g.add(g.builder.map(g.random.choice(UNARY), g.builder.map("tanh", v)), g.shape[v])


def fold(g: Growth, v: Var) -> None:
    """A fold; half of the time its axes are put back with size 1."""
    axes, letters = g.axes(v), g.shape[v]
    out = g.builder.apply(ops.Reduce(g.random.choice(FOLDS), axes), v)
    if g.random.random() < 0.5:
        g.add(out, without(letters, axes))
        return
    kept = iter(range(len(letters)))
    perm = tuple(-1 if k in axes else next(kept) for k in range(len(letters)))
    g.add(g.builder.apply(ops.Transpose(perm), out), tuple("1" if k in axes else d for k, d in enumerate(letters)))


def transpose(g: Growth, v: Var) -> None:
    perm = tuple(g.random.sample(range(len(g.shape[v])), len(g.shape[v])))
    g.add(g.builder.apply(ops.Transpose(perm), v), tuple(g.shape[v][p] for p in perm))


def product(g: Growth, v: Var) -> None:
    """Matrix times matrix or vector."""
    if len(g.shape[v]) != 2 or g.shape[v][1] == "1":
        return
    fitting = [u for u in g.values if len(g.shape[u]) in (1, 2) and g.shape[u][0] == g.shape[v][1]]
    if fitting:
        u = g.random.choice(fitting)
        op = ops.Contract((0, 1), (1,), (0,)) if len(g.shape[u]) == 1 else ops.Contract((0, 1), (1, 2), (0, 2))
        g.add(g.builder.apply(op, v, u), g.shape[v][:1] + g.shape[u][1:])


def running_sum(g: Growth, v: Var) -> None:
    g.add(g.builder.apply(ops.Cumulate("add", g.random.randrange(len(g.shape[v]))), v), g.shape[v])


def place_of_extreme(g: Growth, v: Var) -> None:
    axis = g.random.randrange(len(g.shape[v]))
    found = g.builder.apply(ops.ArgReduce(g.random.choice(("maximum", "minimum")), axis), v)
    g.add(g.builder.cast(found, "float64"), without(g.shape[v], (axis,)))


def slice_(g: Growth, v: Var) -> None:
    """Axes whole, backwards, or at one position."""
    items = [g.random.choice((Item(at=0), Item(at=-1), Item(step=-1), Item(), Item())) for _ in g.shape[v]]
    g.add(g.builder.apply(ops.Slice(tuple(items)), v),
          tuple(d for d, item in zip(g.shape[v], items) if not item.is_single))


def scatter(g: Growth, v: Var) -> None:
    """Neighbours' products added to all but the first, and perhaps their difference put at all but the last."""
    if g.shape[v][0] == "1":
        return
    b, rest, front = g.builder, (Item(start=1),), (Item(stop=-1),)
    one, two = b.apply(ops.Slice(rest), v), b.apply(ops.Slice(front), v)
    out = b.apply(ops.Scatter("inc", rest), v, b.map("mul", one, two))
    if g.random.random() < 0.5:
        out = b.apply(ops.Scatter("set", front), out, b.map("sub", one, two))
    g.add(out, g.shape[v])


def positions(g: Growth, n: Var, u: Var) -> Var:
    """Positions along an axis of n, of the sizes of u; some negative."""
    b = g.builder
    scaled = b.map("mul", b.map("tanh", u), b.constant(50.3))          # no integer where tanh rounds to 1
    found = b.map("mod", b.cast(scaled, "int64"), n)
    return b.map("sub", found, n) if g.random.random() < 0.5 else found


def gather(g: Growth, v: Var) -> None:
    """Elements at computed positions; half of the time something is put back there."""
    b, letters, axes = g.builder, g.shape[v], g.axes(v)[:2]
    fitting = [u for u in g.values if len(g.shape[u]) <= 2]
    if not fitting:
        return
    us = [g.random.choice(fitting) for _ in axes]
    first = g.shape[us[0]] if len(us) == 1 else broadcast(*[g.shape[u] for u in us])
    if first is None:
        return
    index = [positions(g, b.size(v, axis), u) for axis, u in zip(axes, us)]
    part = b.apply(ops.Gather(axes), v, *index)
    if len(first) + len(letters) - len(axes) <= 3:
        g.add(part, first + without(letters, axes))
    if g.random.random() < 0.5:
        mode = g.random.choice(("set", "inc"))
        g.add(b.apply(ops.ScatterAt(mode, axes), v, b.map("tanh", part), *index), letters)


def there_and_back(g: Growth, v: Var) -> None:
    """A matrix as a vector, through something elementwise, and a matrix again."""
    if len(g.shape[v]) == 2:
        b, sizes = g.builder, [g.builder.size(v, k) for k in range(2)]
        flat = b.apply(ops.Reshape(1), v, b.map("mul", *sizes))
        g.add(b.apply(ops.Reshape(2), b.map("exp", b.map("tanh", flat)), *sizes), g.shape[v])


def join(g: Growth, v: Var) -> None:
    """Two values of one shape joined and folded along the same axis."""
    axis = g.random.randrange(len(g.shape[v]))
    u = g.random.choice([u for u in g.values if g.shape[u] == g.shape[v]])
    both = g.builder.apply(ops.Concat(axis), v, u)
    g.add(g.builder.apply(ops.Reduce("add", (axis,)), both), without(g.shape[v], (axis,)))


def number(g: Growth) -> Var:
    """From 1 to 7, as data says."""
    b, v = g.builder, g.pick()
    count = b.cast(b.map("gt", v, b.constant(0.1234, "float64")), "int64")
    if g.shape[v]:
        count = b.apply(ops.Reduce("add", tuple(range(len(g.shape[v])))), count)
    return b.map("add", b.map("minimum", count, b.constant(6, "int64")), b.constant(1, "int64"))


def cut(g: Growth, v: Var) -> None:
    """So many of the first along some axes, half of the time of two values."""
    b, n = g.builder, number(g)
    axes = [k for k in g.axes(v) if g.shape[v][k] != "1"]
    for u in [v, g.pick()] if g.random.random() < 0.5 and len(axes) == 1 else [v]:
        where = axes if u is v else [k for k, d in enumerate(g.shape[u]) if d == g.shape[v][axes[0]]][:1]
        items = tuple([Item(stop=ops.DYNAMIC) if k in where else Item() for k in range(len(g.shape[u]))])
        if where:
            g.add(b.apply(ops.Slice(items), u, *[n] * len(where)),
                  tuple([g.letter(n, d) if k in where else d for k, d in enumerate(g.shape[u])]))


def filled(g: Growth, v: Var) -> None:
    """A range, or a value repeated, as often as data says."""
    b, n = g.builder, number(g)
    if g.random.random() < 0.5 or len(g.shape[v]) > 1:
        g.add(b.map("mul", b.cast(b.apply(ops.Iota(), n), "float64"), b.constant(0.3, "float64")), (g.letter(n),))
    else:
        sizes = [b.size(v, k) for k in range(len(g.shape[v]))]
        g.add(b.apply(ops.Broadcast(), v, n, *sizes), (g.letter(n), *g.shape[v]))


def put(g: Growth, v: Var) -> None:
    """Another value at the first few places."""
    b, items, n = g.builder, (Item(stop=ops.DYNAMIC),), number(g)
    if g.shape[v][0] != "1":
        part = b.map("tanh", b.apply(ops.Slice(items), v, n))
        g.add(b.apply(ops.Scatter(g.random.choice(("set", "inc")), items), v, part, n), g.shape[v])


def masked(g: Growth, v: Var) -> None:
    """The rows at which a mask, which is true at the first one, is; or these rows added to all."""
    b, rank = g.builder, len(g.shape[v])
    if g.shape[v][0] == "1":
        return
    total = b.apply(ops.Reduce("add", tuple(range(1, rank))), v) if rank > 1 else v
    first = b.map("eq", b.apply(ops.Iota(), b.size(v, 0)), b.constant(0, "int64"))
    mask = b.map("or_", b.map("gt", total, b.constant(0.1234, "float64")), first)
    count = b.apply(ops.Reduce("add", (0,)), b.cast(mask, "int64"))
    place = b.apply(ops.Call("nonzero", (1,)), mask, count)
    rows = b.apply(ops.Gather((0,)), v, place)
    if g.random.random() < 0.6:
        g.add(rows, (g.letter(count), *g.shape[v][1:]))
    else:
        g.add(b.apply(ops.ScatterAt(g.random.choice(("set", "inc")), (0,)), v, b.map("tanh", rows), place), g.shape[v])


STEPS: dict[Callable[[Growth, Var], None], int] = {
    binary: 35, unary: 15, fold: 20, transpose: 6, product: 6, running_sum: 3, place_of_extreme: 4, slice_: 5,
    scatter: 5, there_and_back: 3, join: 3, gather: 8, cut: 4, filled: 2, put: 2, masked: 3,
}


def grown(seed: int) -> tuple[Program, list[np.ndarray]]:
    """A random Program and values of its inputs."""
    choice = random.Random(seed)
    sizes = {"n": choice.choice((2, 3, 5, 33, 70)), "m": choice.choice((2, 3, 4, 40)), "k": choice.choice((2, 5, 7))}
    g = Growth(choice, sizes)
    for letters in INPUTS:
        g.input(letters)
    for _ in range(choice.randint(4, 22)):
        step = choice.choices(list(STEPS), list(STEPS.values()))[0]
        v = g.pick()
        if step in (binary, unary) or g.shape[v]:
            step(g, v)
    made = g.values[len(INPUTS):] or g.values
    outputs = [made[-1], *choice.sample(made, min(len(made), choice.randint(2, 4)))]
    rng = np.random.default_rng(seed)
    values = [rng.normal(size=[sizes.get(d, 1) for d in letters]) for letters in INPUTS]
    return g.builder.program(outputs), values


def agrees(seed: int) -> None:
    program, values = grown(seed)
    check(program)
    compare(program, values, 1e-9)


@pytest.mark.parametrize("seed", range(25))
def test_c_computes_what_the_interpreter_computes(seed: int):
    agrees(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", seeds(25, 35, 325))
def test_c_computes_what_the_interpreter_computes_at_length(seed: int):
    agrees(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", seeds(400, 420, 460))
def test_c_of_the_optimised_program_does_too(seed: int):
    program, values = grown(seed)
    compare(phases.optimize(program, checked=True), values, 1e-9)


def test_seeds_meet_every_kind_of_step():
    kinds = {type(eqn.op) for seed in range(25) for eqn in grown(seed)[0].eqns}
    assert kinds >= {ops.Map, ops.Reduce, ops.Transpose, ops.Contract, ops.Cumulate, ops.ArgReduce, ops.Slice,
                     ops.Scatter, ops.Reshape, ops.Concat, ops.Gather, ops.ScatterAt, ops.Call}
