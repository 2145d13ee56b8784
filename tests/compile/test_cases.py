"""Every row of tests/cases.py in C: values, layouts, edge shapes, special values, gradients, second order.

The oracle is the interpreter on the graph as written (no optimizer), and NumPy.  One C compiler run per row
would take minutes, so rows are compiled in batches, many to one function; a batch that can't be compiled or
called is taken apart to name the row.  The fast part compiles with -O0, which takes a fifth of the time and runs
the same C text; the flags that users get, single rows, other layouts of gradients and float32 are in the slow part.
"""

from __future__ import annotations

import functools
import itertools
import warnings
from dataclasses import dataclass, replace

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc import errors
from gradc.errors import GradcError
from gradc.gradient import grad
from gradc.ir.convert import to_program
from gradc.ir.interp import evaluate
from tests.autodiff.test_cases import weighted
from tests.cases import CASES
from tests.cases_base import Case, compute

BATCH = 64

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
    outputs = [y for y in case.outputs(inputs) if y.dtype.startswith("float")]
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
    return value_row(replace(case, args=args, rtol=max(2e-5, case.rtol ** 0.5)))


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
    """The cases that have a row of this kind."""
    return [c for c in CASES if c.id not in APART and (
        kind in ("value", "single") or (c.differentiable() and (kind == "gradient" or c.grad == "complex")))]


@functools.cache
def batch(kind: str, k: int, cc_flags: str) -> Batch:
    with gradc.config.change_flags(cc_flags=cc_flags):
        return Batch(list(map(ROW_OF[kind], cases_of(kind)[k * BATCH:(k + 1) * BATCH])))


PLAIN, SHIPPED = "-O0", ""


@pytest.fixture(params=[pytest.param(PLAIN, id="plain"), pytest.param(SHIPPED, id="shipped", marks=pytest.mark.slow)])
def cc_flags(request: pytest.FixtureRequest) -> str:
    """The compiler's flags after gradc's own: plain code, and code as users get it."""
    return request.param


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


VALUE_BATCHES, GRADIENT_BATCHES, SECOND_BATCHES = [range(-(-len(cases_of(kind)) // BATCH))
                                                   for kind in ("value", "gradient", "second")]


def half(batches: range) -> list:
    """Every second one; the others are for the night."""
    return [k if k % 2 == 0 else pytest.param(k, marks=pytest.mark.nightly) for k in batches]


# ---------------------------------------------------------------------------------------------- values


@pytest.mark.parametrize("k", VALUE_BATCHES)
def test_values(k: int, cc_flags: str) -> None:
    """C equals NumPy and the interpreter."""
    made = batch("value", k, cc_flags)
    values = [r.values for r in made.rows]
    run_and_compare(made, values, [r.oracle(r.values) for r in made.rows], "interpreter")
    wants = [[np.asarray(e).astype(y.dtype) for e, y in zip(r.case.expected(r.values), r.outputs)] for r in made.rows]
    run_and_compare(made, values, wants, "NumPy")


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


@pytest.mark.parametrize("k", VALUE_BATCHES)
def test_layouts_of_inputs(k: int) -> None:
    """Strided, Fortran, reversed, unaligned, byte-swapped and read-only inputs; none is written to."""
    made = batch("value", k, PLAIN)
    wants = made.run([r.values for r in made.rows])
    for name, layout in LAYOUTS.items():
        values = [[np.asarray(layout(v)) for v in r.values] for r in made.rows]
        run_and_compare(made, values, wants, name, rtol=0, atol=0)
        for r, given in zip(made.rows, values):
            for a, b in zip(r.values, given):
                np.testing.assert_array_equal(a, b, err_msg=r.case.id)


# Sizes 2, 3, 4 of the rows' arguments mapped to others: empty, one, and more than a vector register holds.
SHAPES = [{3: 0}, {4: 0}, {2: 0}, {2: 0, 3: 0, 4: 0}, {3: 1}, {4: 1}, {2: 1, 3: 1, 4: 1}, {2: 5, 3: 37, 4: 70}]


def reshaped(case: Case, sizes: dict[int, int]) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    values = []
    for a in case.args:
        static = (None,) * len(a.shape) if a.static is None else a.static
        shape = tuple(sizes.get(n, n) if s is None else n for n, s in zip(a.shape, static))
        values.append(replace(a, shape=shape).sample(rng))
    return values


@pytest.mark.parametrize("k", VALUE_BATCHES)
@pytest.mark.parametrize("sizes", SHAPES, ids=str)
def test_edge_shapes(sizes: dict[int, int], k: int, cc_flags: str) -> None:
    """Where the interpreter has a result, C has the same; NumPy too, unless the row's formula fixes a size."""
    made = batch("value", k, cc_flags)
    values, wants = [], []
    for r in made.rows:
        given = reshaped(r.case, sizes)
        want = r.oracle(given)
        if isinstance(want, Exception):
            given, want = r.values, r.oracle(r.values)
        values.append(given)
        wants.append(want)
    run_and_compare(made, values, wants, f"sizes {sizes}")
    for r, given, want in zip(made.rows, values, wants):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                expected = r.case.expected(given)
        except (ValueError, IndexError, TypeError):
            continue
        for a, b in zip(want, expected):
            if np.shape(a) == np.shape(b):
                np.testing.assert_allclose(a, b, rtol=max(r.rtol, 1e-10), atol=1e-12, err_msg=f"{r.case.id}: {sizes}")


SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 1e300, -1e-300, 710.0, -745.5, 0.5])


def special_values(case: Case, shift: int) -> list[np.ndarray]:
    values = case.sample()
    for k, (a, v) in enumerate(zip(case.args, values)):
        if a.dtype == "float64":
            values[k] = np.resize(np.roll(SPECIAL, shift * (k + 1)), v.shape)
    return values


@pytest.mark.parametrize("k", VALUE_BATCHES)
def test_special_values(k: int, cc_flags: str) -> None:
    """nan, inf, signed zeros, huge and tiny arguments: the same nan and inf, and the same numbers."""
    made = batch("value", k, cc_flags)
    for shift in (0, 1, 5):
        values = [special_values(r.case, shift) for r in made.rows]
        wants = [r.oracle(v) for r, v in zip(made.rows, values)]
        for r, want, given in zip(made.rows, wants, values):
            if isinstance(want, Exception):
                given[:] = r.values
        wants = [r.oracle(v) for r, v in zip(made.rows, values)]
        run_and_compare(made, values, wants, f"special values, {shift}", rtol=1e-9, atol=1e-300)


# ------------------------------------------------------------------------------------------- gradients


@pytest.mark.parametrize("k", GRADIENT_BATCHES)
def test_gradients(k: int, cc_flags: str) -> None:
    """Gradients in C equal the interpreter's, which tests/autodiff compares with complex steps."""
    made = batch("gradient", k, cc_flags)
    values = [r.values for r in made.rows]
    run_and_compare(made, values, [r.oracle(r.values) for r in made.rows], "interpreter", atol=1e-11)


@pytest.mark.slow
@pytest.mark.parametrize("k", half(SECOND_BATCHES))
def test_second_order(k: int, cc_flags: str) -> None:
    """Hessian-vector products, likewise."""
    made = batch("second", k, cc_flags)
    values = [r.values for r in made.rows]
    run_and_compare(made, values, [r.oracle(r.values) for r in made.rows], "interpreter", atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("k", half(GRADIENT_BATCHES))
@pytest.mark.parametrize("kind", ["gradient", "second"])
def test_gradients_of_special_layouts(kind: str, k: int) -> None:
    if k >= len(SECOND_BATCHES) and kind == "second":
        pytest.skip("fewer batches")
    made = batch(kind, k, PLAIN)
    wants = made.run([r.values for r in made.rows])
    for name, layout in LAYOUTS.items():
        run_and_compare(made, [[np.asarray(layout(v)) for v in r.values] for r in made.rows], wants, name, 0, 0)


# ---------------------------------------------------------------------------------- the slow part: one by one


@pytest.mark.slow
@pytest.mark.parametrize("k", half(VALUE_BATCHES))
def test_float32(k: int) -> None:
    made = batch("single", k, SHIPPED)
    wants = [r.oracle(r.values) for r in made.rows]
    run_and_compare(made, [r.values for r in made.rows], wants, "float32", atol=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize("position", [k if k % 4 == 0 else pytest.param(k, marks=pytest.mark.nightly)
                                      for k in range(len(CASES))])
def test_one_row_alone(position: int) -> None:
    """A row on its own (another schedule than in a batch): values, and the same errors as the interpreter."""
    row = value_row(CASES[position])
    f = compile_one(row)
    for sizes in ({}, *SHAPES):
        given = reshaped(row.case, sizes)
        want = row.oracle(given)
        if isinstance(want, Exception):
            with pytest.raises(Exception) as caught:
                f(*given)
            if type(caught.value) is not errors.ShapeError:     # else of two faults: sizes are compared before values
                assert type(caught.value) is type(want), f"{row.case.id}, {sizes}: {caught.value!r} instead of {want!r}"
        else:
            compare(row, f(*given), want, f"sizes {sizes}")
