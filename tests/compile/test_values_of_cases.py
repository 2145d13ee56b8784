"""Every row of tests/cases.py in C: values, layouts, edge shapes, special values."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from tests.batches import (
    LAYOUTS,
    SHAPES,
    batch,
    batches,
    reshaped,
    run_and_compare,
)
from tests.cases_base import Case


@pytest.mark.parametrize("k", batches("value"))
def test_values(k: int) -> None:
    """C equals NumPy and the interpreter."""
    made = batch("value", k)
    values = [r.values for r in made.rows]
    run_and_compare(made, values, [r.oracle(r.values) for r in made.rows], "interpreter")
    wants = [[np.asarray(e).astype(y.dtype) for e, y in zip(r.case.expected(r.values), r.outputs)] for r in made.rows]
    run_and_compare(made, values, wants, "NumPy")


@pytest.mark.parametrize("k", batches("value"))
def test_layouts_of_inputs(k: int) -> None:
    """Strided, Fortran, reversed, unaligned, byte-swapped and read-only inputs; none is written to."""
    made = batch("value", k)
    wants = made.run([r.values for r in made.rows])
    for name, layout in LAYOUTS.items():
        values = [[np.asarray(layout(v)) for v in r.values] for r in made.rows]
        run_and_compare(made, values, wants, name, rtol=0, atol=0)
        for r, given in zip(made.rows, values):
            for a, b in zip(r.values, given):
                np.testing.assert_array_equal(a, b, err_msg=r.case.id)


@pytest.mark.parametrize("k", batches("value"))
@pytest.mark.parametrize("sizes", SHAPES, ids=str)
def test_edge_shapes(sizes: dict[int, int], k: int) -> None:
    """Where the interpreter has a result, C has the same; NumPy too, unless the row's formula fixes a size."""
    made = batch("value", k)
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


MIXING = ("fft.", "signal.", "convolve", "correlate")       # one nan or inf may make any element of the result nan


def special_values(case: Case, shift: int) -> list[np.ndarray]:
    values = case.sample()
    for k, (a, v) in enumerate(zip(case.args, values)):
        if a.dtype == "float64":
            values[k] = np.resize(np.roll(SPECIAL, shift * (k + 1)), v.shape)
    return values


@pytest.mark.parametrize("k", batches("value"))
def test_special_values(k: int) -> None:
    """nan, inf, signed zeros, huge and tiny arguments: the same nan and inf, and the same numbers."""
    made = batch("value", k)
    for shift in (0, 1, 5):
        values = [special_values(r.case, shift) for r in made.rows]
        wants = [r.oracle(v) for r, v in zip(made.rows, values)]
        for r, want, given in zip(made.rows, wants, values):
            if r.case.name.startswith(MIXING):
                given[:] = [np.zeros_like(v) for v in r.values]
            elif isinstance(want, Exception):
                given[:] = r.values
        wants = [r.oracle(v) for r, v in zip(made.rows, values)]
        run_and_compare(made, values, wants, f"special values, {shift}", rtol=1e-9, atol=1e-300)
