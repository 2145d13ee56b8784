"""Random loops and branches in one another: the C route computes what the interpreter computes, at any sizes.

They grow as those of `test_fuzz`; a step may be a Scan or a Cond whose bodies grow in the same way.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

import gradc
from gradc.errors import GradcError
from gradc.ir import interp, ops
from gradc.ir.check import check
from gradc.ir.program import Builder, Program, Var
from gradc.passes import phases
from tests.loops import test_fuzz
from tests.loops.kernels import compiled, tensor
from tests.loops.test_fuzz import Growth, Shape
from tests.seeds import seeds

INPUTS: tuple[Shape, ...] = (("n", "m"), ("n",), ("m",), (), ("m", "m"), ("m", "n"), ("n", "1"), ("1", "m"), ("n", "m"))
DEPTH = 2
SIZES = (0, 1, 2, 3, 15, 16, 17, 33)


def grow(g: Growth, steps: int, depth: int) -> None:
    kinds = dict(test_fuzz.STEPS)
    if depth < DEPTH:
        kinds |= {loop: 40, branch: 12}
    for _ in range(steps):
        step = g.random.choices(list(kinds), list(kinds.values()))[0]
        v = g.pick()
        if step in (loop, branch):
            step(g, v, depth)
        elif step in (test_fuzz.binary, test_fuzz.unary) or g.shape[v]:
            step(g, v)


def inside(g: Growth, given: list[tuple[Var, Any, Shape]]) -> Growth:
    """A body: (argument, type, letters) of each input."""
    body = Growth(g.random, g.sizes)
    for k, (_, type_, letters) in enumerate(given):
        body.add(body.builder.input(type_, f"b{k}"), letters)
    return body


def bounded(b: Builder, v: Var) -> Var:
    return b.map("tanh", v)


def flag(b: Builder, v: Var, bound: float) -> Var:
    """A bool scalar."""
    while v.type.ndim:
        v = b.apply(ops.Reduce("add", tuple(range(v.type.ndim))), v)
    return b.map("gt", v, b.constant(bound, "float64"))


def loop(g: Growth, v: Var, depth: int) -> None:
    r, b = g.random, g.builder
    seqs = [u for u in g.values if g.shape[u] and g.shape[u][0] != "1"]
    if not seqs:
        return
    first = r.choice(seqs)
    letter = g.shape[first][0]
    seqs = [first, *r.sample([u for u in seqs if g.shape[u][0] == letter], k=1)][:r.choice((0, 1, 1, 2))]
    carries = [g.pick() for _ in range(r.choice((0, 1, 1, 1, 2, 2, 3)))]
    others = [g.pick() for _ in range(r.choice((0, 1, 2, 3)))]
    rows = [(s, tensor(*s.type.shape[1:]), g.shape[s][1:]) for s in seqs]
    same = [(c, c.type, g.shape[c]) for c in carries]
    body = inside(g, [*rows, *same, *((o, o.type, g.shape[o]) for o in others)])
    inputs = list(body.values)
    if not inputs:
        return
    grow(body, r.randint(1, 7), depth + 1)
    states = inputs[len(seqs):len(seqs) + len(carries)]
    after = []
    for s in states:
        fitting = [u for u in body.values if u.type == s.type and body.shape[u] == body.shape[s]]
        u = r.choice(fitting[-4:] if r.random() < 0.8 else fitting)
        after.append(u if u in states or r.random() < 0.3 else bounded(body.builder, u))
    own = set(body.late.values())
    fixed = [u for u in body.values if own.isdisjoint(body.shape[u])]        # in all steps of the same sizes
    stacked = [r.choice(fixed[-6:] + after + states) for _ in range(r.choice((0, 1, 2, 3)))]
    letters = [body.shape.get(u, body.shape[s]) for u, s in zip(after, states)]
    rows_of = dict(zip(after, letters)) | body.shape
    until = r.random() < 0.2
    stop = [flag(body.builder, r.choice(body.values), 0.7)] if until else []
    if not (after or stacked):
        return
    limited = r.random() < 0.2
    program = body.builder.program([*after, *stacked, *stop])
    op = ops.Scan(program, len(seqs), len(carries), until, r.random() < 0.4, limited)
    limit = [b.constant(r.choice((-1, 0, 1, 2, 16, 40)), "int64")] if limited else []
    made = b.apply(op, b.size(first, 0), *limit, *seqs, *carries, *others)
    made = made if isinstance(made, tuple) else (made,)
    for u, c in zip(made, carries):
        g.add(u, g.shape[c])
    for u, s in zip(made[len(carries):], stacked):
        g.add(u, (letter, *rows_of[s]))
    if until:
        g.add(b.cast(made[-1], "float64"), ())


def branch(g: Growth, v: Var, depth: int) -> None:
    r, b = g.random, g.builder
    given = [g.pick() for _ in range(r.randint(1, 4))]
    programs = []
    bodies = [inside(g, [(u, u.type, g.shape[u]) for u in given]) for _ in range(2)]
    for body in bodies:
        grow(body, r.randint(0, 5), depth + 1)
    shapes = []
    results: list[list[Var]] = [[], []]
    for _ in range(r.randint(1, 3)):
        one = r.choice(bodies[0].values)
        letters = bodies[0].shape[one]
        fitting = [u for u in bodies[1].values if u.type == one.type
                   and (bodies[1].shape[u] == letters or r.random() < 0.3)
                   and [d == "1" for d in bodies[1].shape[u]] == [d == "1" for d in letters]]
        if fitting:
            other = r.choice(fitting)
            own = {*bodies[0].late.values(), *bodies[1].late.values()}
            results[0].append(one)
            results[1].append(other)
            shapes.append(tuple([d if d == e and d not in own else g.letter(None)
                                 for d, e in zip(letters, bodies[1].shape[other])]))
    if not shapes:
        return
    programs = [body.builder.program(outs) for body, outs in zip(bodies, results)]
    condition = flag(b, v, 0.0)
    made = b.apply(ops.Cond(*programs), condition, *given)
    for u, letters in zip(made if isinstance(made, tuple) else (made,), shapes):
        g.add(u, letters)


def grown(seed: int) -> Program:
    choice = random.Random(seed)
    g = Growth(choice, {"n": 3, "m": 3})
    for letters in INPUTS:
        g.add(g.builder.input(tensor(*[1 if d == "1" else None for d in letters]), f"x{len(g.values)}"), letters)
    while not any(type(e.op) is ops.Scan for e in g.builder.eqns):
        grow(g, choice.randint(3, 9), 0)
    made = g.values[len(INPUTS):]
    return g.builder.program([made[-1], *choice.sample(made, min(len(made), choice.randint(1, 4)))])


def values_of(seed: int, n: int, m: int) -> list[np.ndarray]:
    sizes = {"n": n, "m": m, "1": 1}
    rng = np.random.default_rng(seed)
    return [rng.normal(size=[sizes[d] for d in letters]) for letters in INPUTS]


def agrees(seed: int, passes: bool = False, threads: tuple[int, ...] = ()) -> None:
    program = grown(seed)
    check(program)
    if passes:
        program = phases.optimize(program, checked=True)
    f = compiled(program)
    choice = random.Random(seed)
    pairs = [(choice.choice(SIZES), choice.choice(SIZES)) for _ in range(5)]
    if threads:
        pairs = [*pairs[:1], (33, 1000), (300, 130)]
    for n, m in pairs:
        values = values_of(seed, n, m)
        try:
            with np.errstate(all="ignore"):
                wanted = interp.evaluate(program, values)
        except (GradcError, IndexError, ValueError):
            try:
                results = f(*values)
            except GradcError:
                continue
            # an error in what only gives a size, which the passes leave out
            wanted = interp.evaluate(phases.optimize(program), values)
        else:
            try:
                results = f(*values)
            except GradcError:
                assert 0 in (n, m)          # what is asked of sizes in a loop is asked also if it runs no step
                continue
        for k, (got, want) in enumerate(zip(results, wanted)):
            assert got.shape == np.shape(want), (n, m, k)
            np.testing.assert_allclose(got, want, rtol=1e-8, atol=1e-8, err_msg=f"sizes {n}, {m}, output {k}")
        if threads:
            before = gradc.get_num_threads()
            bits = []
            for count in threads:
                gradc.set_num_threads(count)
                bits.append([r.tobytes() for r in f(*values)])
            gradc.set_num_threads(before)
            assert all(b == bits[0] for b in bits)


@pytest.mark.parametrize("seed", seeds(0, 12, 25))
def test_c_computes_what_the_interpreter_computes(seed: int):
    agrees(seed)
