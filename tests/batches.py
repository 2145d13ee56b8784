"""Rows of tests/cases.py compiled in batches, for tests/compile/test_*_of_cases.py.

The oracle is the interpreter on the graph as written (no optimizer), and NumPy.  One C compiler run per row
would take minutes, so rows are compiled in batches, many to one function; a batch that can't be compiled or
called is taken apart to name the row.

What the C compiler takes is nearly all of the time.  So a batch is compiled once for all tests that need it: every
third one of values with the flags that users get, all else as most tests (conftest.py; at night all as users).  Of
second order and of float32 the first batches, which have every third row, run by day, and all at night.
"""

from __future__ import annotations

import functools
import itertools
import warnings
from dataclasses import dataclass, replace

import numpy as np

import gradc
import gradc.tensor as at
from gradc.errors import GradcError
from gradc.gradient import grad
from gradc.ir.convert import to_program
from gradc.ir.interp import evaluate
from tests.autodiff.test_cases import weighted
from tests.cases import CASES
from tests.cases_base import Case, compute
from tests.seeds import first_by_day

BATCH = 64
BY_DAY = ("second", "single")        # of these a third is enough by day

APART = ("arange-symbolic float",)      # special values would be sizes


@dataclass
class Row:
    """A graph of a row with its inputs: what is compiled, and what is compared."""

    case: Case
    inputs: list
    outputs: list
    values: list
    rtol: float

    @functools.cached_property
    def program(self):
        return to_program(self.inputs, self.outputs)

    def oracle(self, values):
        """Results of the interpreter, or the error it raises."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return evaluate(self.program, values)
            except (GradcError, ValueError, IndexError) as error:
                return error


def value_row(case: Case) -> Row:
    inputs = case.variables()
    return Row(case, inputs, case.outputs(inputs), case.sample(), max(case.rtol, 1e-13))


def cost_of(case: Case, inputs: list, values: list, square: bool = False):
    outputs = [part for y in case.outputs(inputs) for part in (
        (y,) if y.dtype.startswith("float") else (at.real(y), at.imag(y)) if y.dtype.startswith("complex") else ())]
    rng = np.random.default_rng(7)
    weights = [rng.uniform(0.5, 1.5, np.shape(v)) for v in compute(inputs, outputs, values)]
    return weighted([y * y for y in outputs] if square else outputs, weights)


def gradient_row(case: Case) -> Row:
    inputs, values = case.variables(), case.sample()
    wrt = [inputs[k] for k in case.differentiable()]
    gradients = grad(cost_of(case, inputs, values), wrt, disconnected_inputs="ignore")
    return Row(case, inputs, gradients, values, max(1e-11, 10 * case.rtol))


def second_row(case: Case) -> Row:
    inputs, values = case.variables(), case.sample()
    k = case.differentiable()[0]
    direction = np.random.default_rng(9).normal(size=values[k].shape)
    first = grad(cost_of(case, inputs, values, square=True), inputs[k], disconnected_inputs="ignore")
    second = grad((first * at.constant(direction)).sum(), inputs[k], disconnected_inputs="ignore")
    return Row(case, inputs, [second], values, 1e-9)


def single_row(case: Case) -> Row:
    """The row in float32."""
    args = tuple(replace(a, dtype="float32") if a.dtype == "float64" else a for a in case.args)
    return value_row(replace(case, args=args, rtol=max(2e-5, min(1e-3, 10 * case.rtol ** 0.5))))


class Batch:
    """Rows compiled into one function; `run` calls it and gives each row's results."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows
        outputs = list(itertools.chain.from_iterable(r.outputs for r in rows))
        inputs = list(itertools.chain.from_iterable(r.inputs for r in rows))
        try:
            self.f = gradc.function(inputs, outputs, on_unused_input="ignore", name="rows")
        except Exception:
            for row in rows:
                compile_one(row)
            raise
        assert self.f.info["mode"] == "c"

    def run(self, values: list[list]) -> list[list]:
        try:
            made = iter(self.f(*itertools.chain.from_iterable(values)))
        except Exception:
            for row, given in zip(self.rows, values):
                try:
                    compile_one(row)(*given)
                except Exception as error:
                    raise AssertionError(f"{row.case.id}: {type(error).__name__}: {error}") from error
            raise
        return [list(itertools.islice(made, len(r.outputs))) for r in self.rows]


def compile_one(row: Row):
    try:
        f = gradc.function(row.inputs, row.outputs, on_unused_input="ignore", name="row")
    except Exception as error:
        raise AssertionError(f"{row.case.id}: {type(error).__name__}: {error}") from error
    assert f.info["mode"] == "c", f"{row.case.id}: {f.info['mode']}"
    return f


ROW_OF = {"value": value_row, "gradient": gradient_row, "second": second_row, "single": single_row}


def cases_of(kind: str) -> list[Case]:
    """The cases that have a row of this kind; of those that run in part by day every third one first."""
    found = [c for c in CASES if c.id not in APART and (
        kind in ("value", "single") or (c.differentiable() and (kind == "gradient" or c.grad == "complex")))]
    return [c for k in range(3) for c in found[k::3]] if kind in BY_DAY else found


@functools.cache
def batch(kind: str, k: int) -> Batch:
    with gradc.config.change_flags(cc_flags="" if kind == "value" and k % 3 == 0 else gradc.config.cc_flags):
        return Batch(list(map(ROW_OF[kind], cases_of(kind)[k * BATCH:(k + 1) * BATCH])))


def batches(kind: str) -> list:
    """The numbers of the batches of a kind, as parameters of a test."""
    count = -(-len(cases_of(kind)) // BATCH)
    return first_by_day(range(count), count // 3 if kind in BY_DAY else count)


def compare(row: Row, results: list, wants: list, what: str, rtol: float | None = None, atol: float = 1e-13) -> None:
    assert len(results) == len(wants), row.case.id
    for result, want, variable in zip(results, wants, row.outputs):
        where = f"{row.case.id}, {what}"
        assert result.dtype == variable.dtype, where
        np.testing.assert_allclose(result, want, rtol=row.rtol if rtol is None else rtol, atol=atol, strict=True,
                                   err_msg=where)


def run_and_compare(made: Batch, values: list[list], wants: list[list], what: str, rtol: float | None = None,
                    atol: float = 1e-13) -> None:
    failures = []
    for row, results, want in zip(made.rows, made.run(values), wants):
        try:
            compare(row, results, want, what, rtol, atol)
        except AssertionError as error:
            failures.append(str(error).strip())
    assert not failures, f"{len(failures)} rows\n" + "\n\n".join(failures[:20])


def _unaligned(a: np.ndarray) -> np.ndarray:
    raw = np.empty(a.nbytes + 1, np.uint8)
    out = raw[1:].view(a.dtype).reshape(a.shape) if a.dtype.itemsize > 1 and a.size else a
    out[...] = a
    return out


def _strided(a: np.ndarray) -> np.ndarray:
    out = np.zeros([2 * n for n in a.shape], a.dtype)[tuple(slice(None, None, 2) for _ in a.shape)]
    out = np.asarray(out)
    out[...] = a
    return out


def _read_only(a: np.ndarray) -> np.ndarray:
    a = a.copy()
    a.flags.writeable = False
    return a


LAYOUTS = {
    "Fortran": lambda a: np.asarray(a, order="F"),
    "strided": _strided,
    "reversed": lambda a: a[tuple(slice(None, None, -1) for _ in a.shape)].copy()[
        tuple(slice(None, None, -1) for _ in a.shape)],
    "unaligned": _unaligned,
    "swapped": lambda a: a.astype(a.dtype.newbyteorder()),
    "read-only": _read_only,
}


# Sizes 2, 3, 4 of the rows' arguments mapped to others: empty, one, and more than a vector register holds.
SHAPES = [{3: 0}, {4: 0}, {2: 0}, {2: 0, 3: 0, 4: 0}, {3: 1}, {4: 1}, {2: 1, 3: 1, 4: 1}, {2: 5, 3: 37, 4: 70}]


DENSE = ("linalg.schur", "linalg.solve_", "linalg.sqrtm")       # loops in Python, or one system of all n*n unknowns


def reshaped(case: Case, sizes: dict[int, int]) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    values = []
    if case.name.startswith(DENSE):
        sizes = {n: min(size, 19) for n, size in sizes.items()}
    for a in case.args:
        static = (None,) * len(a.shape) if a.static is None else a.static
        shape = tuple(sizes.get(n, n) if s is None else n for n, s in zip(a.shape, static))
        values.append(replace(a, shape=shape).sample(rng))
    return values
