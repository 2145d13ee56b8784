"""Completeness: every op kind has an entry in every table, and one sample that runs the same in NumPy and C."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc import errors
from gradc.autodiff.table import CALL_JVP, CALL_VJP, JVP, VJP
from gradc.errors import NoRuleError
from gradc.ir import dtypes, infer, interp, ops
from gradc.ir.batch import BATCH, ROW, batch, row_form
from gradc.ir.complex_parts import SPLIT
from gradc.ir.convert import to_program
from gradc.ir.facts import FACTS, Facts
from gradc.ir.graph import apply
from gradc.ir.program import Builder, Program
from gradc.ir.routines import MOST_SHOWN, ROUTINES, STATED, stands_for
from gradc.ir.scalars import ROWS
from gradc.ir.shapes import RULES, analyse

KINDS = pytest.mark.parametrize("kind", ops.KINDS, ids=lambda kind: kind.__name__)


@KINDS
def test_every_kind_has_types_and_values(kind: type) -> None:
    assert kind in infer._INFER, "no entry in ir/infer.py"
    assert kind in interp._RUN, "no entry in ir/interp.py"


@KINDS
def test_every_kind_has_derivatives(kind: type) -> None:
    assert kind in VJP, "no entry in autodiff/rules or control (reverse)"
    assert kind in JVP, "no entry in autodiff/rules or control (forward)"


@KINDS
def test_every_kind_has_sizes(kind: type) -> None:
    assert kind in RULES, "no entry in ir/shapes.py"


@KINDS
def test_every_kind_has_facts_and_rows(kind: type) -> None:
    assert kind in FACTS, "no entry in ir/facts.py"
    assert kind in BATCH, "no entry in ir/batch.py"
    assert kind in ROW, "no entry in the inverse table of ir/batch.py"


@KINDS
def test_every_kind_of_complex_values_has_parts(kind: type) -> None:
    assert (kind in SPLIT) is (kind not in (ops.Iota, ops.Words)), "no entry in ir/complex_parts.py"


class Twist(ops.OpKind):
    """A kind of which no table knows: the identity."""

    def __str__(self) -> str:
        return "twist"


def _twisted() -> Program:
    b = Builder()
    return b.program([b.apply(Twist(), b.input(V.type))])


def _batched() -> object:
    return batch(b := Builder(), Twist(), [b.input(M.type)], [True])


def _compiled() -> object:
    return gradc.function([V], apply(Twist(), V), mode="c")


TWIST: dict[str, tuple[dict[type, Any] | None, Any, Callable[[], object]]] = {      # file -> table, entry, who asks it
    "ir/infer.py": (infer._INFER, lambda op, args, source: [args[0].type], lambda: apply(Twist(), V)),
    "ir/shapes.py": (RULES, lambda s, op, args: [s.of(args[0])], lambda: analyse(_twisted())),
    "ir/interp.py": (interp._RUN, lambda op, args, eqn: args[0], lambda: interp.evaluate(_twisted(), [np.ones(2)])),
    "ir/facts.py": (FACTS, Facts(), lambda: gradc.grad(apply(Twist(), V).sum(), V)),
    "ir/batch.py": (BATCH, lambda b, op, args, flags: [(args[0], True)], _batched),
    "the inverse table of ir/batch.py": (ROW, lambda op, eqn: None, lambda: row_form(_twisted().eqns[0])),
    "autodiff/rules": (VJP, lambda o, node, g, wanted: [g], lambda: gradc.grad(apply(Twist(), V).sum(), V)),
    "autodiff/rules ": (JVP, lambda o, node, ts: ts[0], lambda: gradc.gradient.Rop(apply(Twist(), V), V, V)),
    "loops/place_equations.py": (None, None, _compiled),
}


@pytest.mark.parametrize("place", TWIST)
def test_an_unknown_kind_is_an_error_by_name(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each table, where all others know the kind."""
    for name, (table, entry, _) in TWIST.items():
        if table is not None and name != place:
            monkeypatch.setitem(table, Twist, entry)
    with pytest.raises(NoRuleError, match=rf"twist has no (forward )?entry in {place.strip()}"):
        TWIST[place][2]()


FILES = 12      # that may name a kind: its definition, the tables, its rule, and what builds and prints it


@pytest.mark.parametrize("kind", ["Scatter", "Reduce", "Contract", "Slice", "Transpose", "Call"])
def test_few_files_name_a_kind(kind: str) -> None:
    """All others ask what is true of an op (`ir.facts`), and build with `ir.build`."""
    found = [name for name, kinds in _named().items() if kind in kinds or name == "ir/ops.py"]
    assert len(found) <= FILES, f"{len(found)} files name ops.{kind}: {', '.join(found)}"


@functools.cache
def _named() -> dict[str, set[str]]:
    """The op kinds that the code of each file names (comments do not count)."""
    root = Path(gradc.__file__).parent
    return {path.relative_to(root).as_posix(): _kinds(ast.parse(path.read_text(encoding="utf-8")))
            for path in sorted(root.rglob("*.py"))}


def _kinds(module: ast.Module) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "ops":
            found.add(node.attr)
        elif isinstance(node, ast.ImportFrom) and node.module == "gradc.ir.ops":
            found.update(a.name for a in node.names)
    return found


@pytest.mark.parametrize("name", sorted(ROWS))
def test_every_row_has_a_derivative_entry_per_argument(name: str) -> None:
    row = ROWS[name]
    assert len(row.d) == row.nin, f"{name} has {row.nin} arguments and {len(row.d)} derivative entries"


@pytest.mark.parametrize("name", ROUTINES)
def test_every_routine_is_complete(name: str) -> None:
    row = ROUTINES[name]
    given, made = row.cores
    assert len(given) == len(row.takes) >= len(row.layouts) and len(made) == len(row.gives)
    assert row.shown <= MOST_SHOWN and all(hasattr(errors, kind) for kind, _ in row.faults)
    header = (Path(gradc.__file__).parents[1] / "csrc" / "include" / "gradc_runtime.h").read_text()
    assert re.search(rf"ROW\({row.c.upper()}\b", header), "no number in csrc/include/gradc_runtime.h"
    if name not in ("gemm", "gemm_add", "lu_definite"):     # made of other ops when derivatives have been taken
        assert name in CALL_VJP and name in CALL_JVP, "no rule in autodiff/rules"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [name for name, row in ROUTINES.items() if "float" in row.takes
                                  and name != "schur"])         # whose order and signs are free: tensor/test_general.py
def test_every_routine_of_floats_runs_the_same_in_c(name: str, dtype: str) -> None:
    """In a batch in which one argument has no part, and another is a view."""
    given, _ = ROUTINES[name].cores
    shapes = [(2, 3, *[4] * len(core)) if k == 0 else (3, *[4] * len(core)) for k, core in enumerate(given)]
    kinds = [stands_for(want, dtype) for want in ROUTINES[name].takes]
    inputs = [at.tensor(dtype=kind, shape=(None,) * len(shape)) for kind, shape in zip(kinds, shapes)]
    rng = np.random.default_rng(2)
    one = np.diag([1.0, 3.0, 2.0, 4.0])
    values = [rng.integers(0, 4, shape) if kind == "int64" else (
        0.1 * rng.normal(size=shape) + (one if len(core) == 2 else 0)
        + (1j * rng.normal(size=shape) if kind in dtypes.COMPLEX else 0)).astype(kind)
        for kind, shape, core in zip(kinds, shapes, given)]
    if name.startswith("searchsorted"):
        values = [-np.sort(-x) for x in values]         # ascending where they are read backwards
    stated = ([at.constant(3 if kinds[0] == dtype else 6, dtype="int64")]          # of transforms
              if STATED in ROUTINES[name].cores[1] else [])
    made = apply(ops.Call(name, (1,) * len(stated)),
                 *[x[(..., *[slice(None, None, -1)] * len(core))] for x, core in zip(inputs, given)], *stated)
    outs = made if isinstance(made, list) else [made]
    c, numpy = (gradc.function(inputs, outs, mode=mode)(*values) for mode in ("c", gradc.Mode("interpret", None)))
    for x, y, want in zip(c, numpy, ROUTINES[name].gives):
        assert x.dtype == y.dtype == stands_for(want, dtype) and x.shape == y.shape
        np.testing.assert_allclose(x, y, rtol=1e-5 if dtype == "float32" else 1e-13, atol=1e-6)


def test_an_unknown_routine_is_named() -> None:
    with pytest.raises(errors.NoRuleError, match=r"no routine 'dice' in ir/routines\.py"):
        apply(ops.Call("dice"), M)


M = at.dmatrix("m")
V = at.dvector("v")
I = at.lscalar("i")     # noqa: E741
SAMPLES: dict[type, Callable[[], Any]] = {
    ops.Const: lambda: M + at.constant(np.arange(3.0)),
    ops.Map: lambda: at.exp(M) * V,
    ops.Cast: lambda: at.cast(M, "int32"),
    ops.Reduce: lambda: M.sum(axis=0) + M.max(axis=0),
    ops.Cumulate: lambda: at.cumsum(M, axis=1),
    ops.ArgReduce: lambda: at.argmax(M, axis=1),
    ops.Contract: lambda: at.dot(M.T, M) + at.dot(M, V).sum(),
    ops.Broadcast: lambda: at.alloc(V, I, V.shape[0]),
    ops.Transpose: lambda: M.dimshuffle(1, "x", 0) * 2,
    ops.Reshape: lambda: M.reshape((M.shape[0] * M.shape[1],)) * 2,
    ops.Slice: lambda: M[I, ::-1] + M[-1, :],
    ops.Scatter: lambda: at.inc_subtensor(M[:, 1:], 5.0) + at.set_subtensor(M[I], V),
    ops.Gather: lambda: M[[0, -1, 0]] + V[at.stack([I, 0 * I, I])],
    ops.ScatterAt: lambda: M[[1, 1], [I, -1]].inc(V[:2]) + M[:, [2, 0]].set(V[0]),
    ops.Concat: lambda: at.concatenate([M, 2 * M], axis=1),
    ops.Iota: lambda: at.arange(I) * 3,
    ops.ShapeOf: lambda: M.shape[0] + M.shape[1],
    ops.Assert: lambda: apply(ops.Assert("v must be positive"), V, at.gt(V, 0).all()),
    ops.Call: lambda: apply(ops.Call("normal", (0, 1)), gradc.shared(np.random.default_rng(3)), V.sum(),
                            at.constant(2.0, dtype="float64"), I)[1],
    ops.Words: lambda: at.random.normal(M, rng=apply(ops.Words("PCG64"), apply(ops.Words(), gradc.shared(
        np.random.default_rng(3))))),
    ops.Scan: lambda: apply(ops.Scan(to_program([V], [V / 2 + 1]), 0, 1), I, V),
    ops.Cond: lambda: apply(ops.Cond(to_program([V], [2 * V]), to_program([V], [V])), at.gt(I, 0), V),
}


@KINDS
def test_every_kind_has_a_sample_that_runs_the_same_in_c(kind: type) -> None:
    assert kind in SAMPLES, "no sample in tests/test_tables.py"
    out = SAMPLES[kind]()
    assert any(type(node.op) is kind or kind is ops.Const for node in gradc.ir.graph.toposort([out]))
    values = [np.array([[1.0, 2.5, -3.0], [4.0, 0.5, 6.0]]), np.array([1.0, 2.0, 3.0]), 1]
    c, numpy = (gradc.function([M, V, I], out, mode=mode, on_unused_input="ignore")(*values)
                for mode in ("c", gradc.Mode("interpret", None)))
    assert c.dtype == numpy.dtype and c.shape == numpy.shape
    assert np.allclose(c, numpy, rtol=1e-14, atol=0)
