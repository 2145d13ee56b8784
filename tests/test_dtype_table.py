"""The table of docs/functions.md is true: of each dtype a function is refused by name, or agrees with NumPy and SciPy.

Right is what the reference gives for these arguments, or for the same numbers in float64.  `AGREED` are rows in which
another answer is right, and why.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from docs.functions_page import DTYPES
from gradc.errors import GradcError
from gradc.ir import dtypes
from gradc.ir.convert import to_program
from gradc.ir.halves import in_floats
from gradc.ir.interp import evaluate
from tests.cases import CASES
from tests.cases_base import Case
from tests.dtype_cases import agreement, with_dtype

AGREED = {
    "spacing": "the neighbour in float32 is another one than in float64",
    "pow": "a negative power of integers is truncated", "power": "a negative power of integers is truncated",
    **dict.fromkeys(("gcd", "lcm", "bitwise_count"), "NumPy knows none of bools"),
    **dict.fromkeys(("hypot", "sigmoid", "expit"), "NumPy and SciPy know no complex one"),
    "geomspace": "NumPy refuses 0, gradc gives nan", "unique": "of a row of equal numbers only one is left",
    "linalg.ldl": "pivots of equal size: both factorizations are right",
    "linalg.qr": "of matrices without full rank: both factorizations are right",
    "linalg.eigh": "of equal eigenvalues: any basis of their space is right",
    "fill_diagonal": "numbers put among bools are bools", "set_subtensor": "numbers put among bools are bools",
    "inc_subtensor": "numbers added among bools are bools; NumPy refuses complex ones",
    "vecdot": "products of bools are and, their sum or", "batched_dot": "products of bools are and, their sum or",
    "linalg.solve_sylvester": "singular for bools", "linalg.solve_continuous_lyapunov": "singular for bools",
    "linalg.solve_discrete_are": "ill-conditioned: four digits of float32 remain",
    "linalg.cholesky": "not positive definite for bools",
}


def outcome(case: Case, dtype: str) -> str | None:
    """What is wrong with a case of this dtype, or None."""
    made = with_dtype(case, dtype)
    inputs, values = made.variables(), made.sample()
    try:
        outputs = made.outputs(inputs)
    except (TypeError, ValueError) as error:
        words = (dtype, dtypes.SHORT[dtype], "complex" if dtype == "complex128" else dtype, "bools")
        return None if isinstance(error, GradcError) and any(w in str(error) for w in words) else repr(error)
    try:
        results = evaluate(in_floats(to_program(inputs, outputs)), values)
    except np.linalg.LinAlgError:           # integers and bools make singular matrices
        return None if dtype in ("bool", "int64") else "singular"
    said = None
    for wide in (False, True):
        given = [v.astype("float64") if wide and v.dtype == dtype and v.dtype.kind in "biuf" else v for v in values]
        try:
            said = agreement(made, given, results)
        except (TypeError, ValueError, np.linalg.LinAlgError) as error:
            said = f"the reference: {error}"
        if said is None:
            return None
    return said


def check(dtype: str, cases: list[Case]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wrong = {c.id: said for c in cases if c.name not in AGREED and (said := outcome(c, dtype)) is not None}
    assert wrong == {}


SOME = [c for c in CASES if c.args]


@pytest.mark.nightly
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_function_of_every_dtype(dtype: str) -> None:
    check(dtype, SOME)


@pytest.mark.parametrize("dtype", ["float16", "int64"])
def test_some_functions(dtype: str) -> None:
    check(dtype, SOME[::13])
