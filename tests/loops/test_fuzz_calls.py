"""Random Programs, loops and branches in which values pass through routines and users' Ops, in Python and C.

They grow as those of the other fuzz tests, with two more kinds of steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradc import CFunction
from gradc.codegen import unit
from gradc.errors import Unsupported
from gradc.ir import build, ops
from gradc.ir.graph import Apply, Op
from gradc.ir.program import Var, equations
from gradc.ir.routines import UserRoutine
from gradc.ir.types import TensorType
from gradc.loops.lower import lower
from gradc.passes import phases
from tests.codegen.test_golden import DELIBERATE, complaints, find
from tests.loops import test_fuzz, test_fuzz_nested, test_fuzz_scan
from tests.loops.kernels import compare
from tests.loops.test_fuzz import Growth
from tests.seeds import seeds

CODE = """
    const int64_t size = {size};
    *total = 0;
    for (int64_t i = 0; i < size; ++i) {{
        y[i] = 0.5 * {element} + w;
        *total += y[i];
    }}
"""


def turned(x: np.ndarray, w: np.ndarray) -> list[Any]:
    """What all of the Ops compute: no element depends on that at the same place, and each on where it lies."""
    y = (0.5 * x.reshape(-1)[::-1] + w).reshape(x.shape)
    return [y, y.sum()]


class Turned(Op):
    """In Python; it spoils what it was given."""

    def make_node(self, x: Any, w: Any) -> Apply:
        return Apply(self, [x, w], [x.type(), TensorType("float64", ())()])

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: list[list[Any]]) -> None:
        for cell, value in zip(output_storage, turned(*inputs)):
            cell[0] = value
        for a in inputs:
            a[...] = np.nan


def in_c(dims: str) -> Any:
    declared = f"float64[{dims}]"
    code = CODE.format(size=dims.replace(",", " *") or "1", element="x[size - 1 - i]" if dims else "x")
    return CFunction("turned", {"x": declared, "w": "float64"}, {"y": declared, "total": "float64"}, code,
                     numpy=lambda x, w: turned(np.asarray(x), w)).op


IN_PYTHON = Turned()
IN_C = [in_c(dims) for dims in ("", "n", "n, m")]


def called(g: Growth, v: Var) -> None:
    b, rank = g.builder, len(g.shape[v])
    w = b.map("tanh", g.random.choice([u for u in g.values if not g.shape[u]] or [b.constant(0.5, "float64")]))
    user = IN_PYTHON if rank > 2 or g.random.random() < 0.5 else IN_C[rank]
    y, total = b.apply(ops.Call(UserRoutine(user), (rank, 0)), v, w, *[b.size(v, k) for k in range(rank)])
    g.add(total, ())
    g.add(y, g.shape[v])


def factored(g: Growth, v: Var) -> None:
    """A factor for each row, Cholesky's or LU, and the solution of a system with it."""
    b, rank = g.builder, len(g.shape[v])
    u = b.map("tanh", v)
    axes = (*range(rank - 1), *(rank - 1, -1))
    n = b.size(v, rank - 1)
    i = b.apply(ops.Iota(), n)
    one = b.cast(b.map("eq", b.apply(ops.Transpose((0, -1)), i), i), "float64")
    row = b.apply(ops.Transpose((*range(rank - 1), -1, rank - 1)), u)
    a = b.map("add", b.map("mul", b.apply(ops.Transpose(axes), u), row), one)
    right = b.apply(ops.Transpose(axes), v)
    kind = g.random.choice(("cholesky", "cholesky_or_nan", "lu"))
    if kind == "lu":
        factor, swaps = b.apply(ops.Call("lu"), a)
        x = b.apply(ops.Call(g.random.choice(("lu_solve", "lu_solve_transposed"))), factor, swaps, right, a)
    else:
        factor = b.apply(ops.Call(kind), a)
        x = b.apply(ops.Call("solve_lower"), factor, right)
    g.add(b.apply(ops.Slice((ops.Item(),) * rank + (ops.Item(at=0),)), x), g.shape[v])
    if rank == 1:
        g.add(factor, g.shape[v] * 2)


def ordered(g: Growth, v: Var) -> None:
    """Each row sorted or parted, by itself or by gathering, or both, or the largest first: little changes where v does.

    What is parted is sorted again, as elements that are equal but for rounding do not stay in one part.
    """
    b = g.builder
    if "1" in g.shape[v]:                   # what is gathered has no size that broadcasts
        return
    kind = g.random.choice(("sort", "partition", "largest"))
    if kind == "largest":
        ranks = b.apply(ops.Iota(), b.size(v, len(g.shape[v]) - 1))
        order = b.apply(ops.Call("order_at"), v, ranks, b.map("gt", b.size(v, 0), b.constant(2, "int64")))
        g.add(build.take_along(b, v, order), g.shape[v])
        return
    rest = [b.constant([0], "int64")] if kind == "partition" else []
    which = g.random.choice(("values", "positions", "both"))
    made = [b.apply(ops.Call(kind), v, *rest)] if which != "positions" else []
    if which != "values":
        made.append(build.take_along(b, v, b.apply(ops.Call(f"arg{kind}"), v, *rest)))
    if kind == "partition":
        made = [b.apply(ops.Call("sort"), row) for row in made]
    g.add(made[0] if len(made) == 1 else b.map("add", *made), g.shape[v])


def joined_and_parted(g: Growth, v: Var) -> None:
    """The sum of the two parts of a value that was joined with another."""
    b, axis = g.builder, g.random.randrange(len(g.shape[v]))
    if g.shape[v][axis] == "1":             # what is cut out has no size that broadcasts
        return
    u = g.random.choice([u for u in g.values if g.shape[u] == g.shape[v]])
    both = b.apply(ops.Concat(axis), v, u)
    first, last = ((ops.Item(),) * axis + (item,) for item in (ops.Item(stop=ops.DYNAMIC), ops.Item(start=ops.DYNAMIC)))
    parts = [b.apply(ops.Slice(items), both, b.size(v, axis)) for items in (first, last)]
    g.add(b.map("sub", *parts), g.shape[v])


@pytest.fixture(autouse=True)
def more_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = {**test_fuzz.STEPS, called: 25, factored: 15, ordered: 10, joined_and_parted: 15}
    monkeypatch.setattr(test_fuzz, "STEPS", steps)
    monkeypatch.setattr(test_fuzz_scan, "STEPS", steps)


@pytest.mark.parametrize("seed", seeds(1000, 1008, 1015))
def test_programs(seed: int) -> None:
    test_fuzz.agrees(seed)


@pytest.mark.parametrize("seed", seeds(1000, 1008, 1015))
def test_loops(seed: int) -> None:
    program, values = test_fuzz_scan.looped(seed)
    compare(program, values, 1e-7)


@pytest.mark.parametrize("seed", seeds(1000, 1008, 1015))
def test_loops_and_branches_in_one_another(seed: int) -> None:
    test_fuzz_nested.agrees(seed)


@pytest.mark.parametrize("seed", range(3000, 3006))
def test_programs_that_sort(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alone, in loops, and in loops and branches."""
    steps = {**test_fuzz.STEPS, ordered: 60}
    monkeypatch.setattr(test_fuzz, "STEPS", steps)
    monkeypatch.setattr(test_fuzz_scan, "STEPS", steps)
    test_fuzz.agrees(seed)
    program, values = test_fuzz_scan.looped(seed)
    compare(program, values, 1e-7)
    test_fuzz_nested.agrees(seed)
    made = [test_fuzz.grown(seed)[0], program, test_fuzz_nested.grown(seed)]
    assert any(e.op in (ops.Call("sort"), ops.Call("argsort")) for each in made for e in equations(each))


@pytest.mark.slow
@pytest.mark.parametrize("seed", seeds(2000, 2005, 2130))
def test_all_at_length(seed: int) -> None:
    program, values = test_fuzz.grown(seed)
    compare(phases.optimize(program, checked=True), values, 1e-9)
    program, values = test_fuzz_scan.looped(seed)
    compare(phases.optimize(program, checked=True), values, 1e-7)
    test_fuzz_nested.agrees(seed, passes=seed % 2 == 0)


@pytest.mark.parametrize("name", DELIBERATE)
def test_units_are_free_of_warnings(name: str, tmp_path: Path) -> None:
    compiler = find(name)
    if compiler is None:
        pytest.skip(f"no {name} here")
    for seed in range(1000, 1015):
        try:
            text = unit.generate(lower(phases.optimize(test_fuzz_nested.grown(seed)), "f")).text
        except Unsupported:
            continue
        path = tmp_path / f"unit_{seed}.c"
        path.write_text(text, encoding="ascii")
        # a size that a loop is given is computed as a value as well, which nothing may need
        assert complaints(compiler, [path], *DELIBERATE[name], "-Wno-unused-variable") == ""


def test_seeds_meet_calls_of_both_kinds() -> None:
    users = [type(user) for seed in range(1000, 1050) for e in equations(test_fuzz_nested.grown(seed))
             if (user := ops.user_op(e.op)) is not None]
    assert users.count(Turned) > 10 and len(users) - users.count(Turned) > 10
    rows = [e.op.routine for seed in range(1000, 1050) for e in equations(test_fuzz_nested.grown(seed))
            if type(e.op) is ops.Call]
    assert rows.count("cholesky") > 5 and rows.count("solve_lower") > 10 and rows.count("lu") > 5
    assert rows.count("sort") > 5
    assert all(rows.count(row) > 0 for row in ("argsort", "partition", "argpartition", "order_at"))
