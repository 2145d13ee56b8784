"""Rows of tests/cases.py in C, in float32, and each on its own."""

from __future__ import annotations

import pytest

from gradc import errors
from tests.batches import (
    SHAPES,
    batch,
    batches,
    compare,
    compile_one,
    reshaped,
    run_and_compare,
    value_row,
)
from tests.cases import CASES
from tests.seeds import sampled


@pytest.mark.slow
@pytest.mark.parametrize("k", batches("single"))
def test_float32(k: int) -> None:
    made = batch("single", k)
    wants = [r.oracle(r.values) for r in made.rows]
    run_and_compare(made, [r.values for r in made.rows], wants, "float32", atol=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize("position", sampled(range(len(CASES)), 16))
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
