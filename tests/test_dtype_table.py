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

AGREED = {                  # name -> the dtypes, and why
    "spacing": ("bool float32", "the neighbour in float32 is another one than in float64"),
    **dict.fromkeys(("pow", "power"), ("int64", "a negative power of integers is truncated")),
    **dict.fromkeys(("gcd", "lcm", "bitwise_count"), ("bool", "NumPy knows none of bools")),
    **dict.fromkeys(("hypot", "sigmoid", "expit"), ("complex128", "NumPy and SciPy know no complex one")),
    "geomspace": ("int64", "NumPy refuses 0, gradc gives nan"),
    "unique": ("bool", "of a row of equal numbers only one is left"),
    "linalg.ldl": ("int64", "pivots of equal size: both factorizations are right"),
    "linalg.qr": ("bool", "of matrices without full rank: both factorizations are right"),
    "linalg.eigh": ("bool", "of equal eigenvalues: any basis of their space is right"),
    **dict.fromkeys(("fill_diagonal", "set_subtensor"), ("bool", "numbers put among bools are bools")),
    "inc_subtensor": ("bool complex128", "numbers added among bools are bools; NumPy refuses complex ones"),
    **dict.fromkeys(("vecdot", "batched_dot"), ("bool", "products of bools are and, their sum or")),
    "linalg.solve_sylvester": ("bool", "singular for bools"), "linalg.cholesky": ("bool", "not positive definite"),
}


def agreed(name: str, dtype: str) -> bool:
    return name in AGREED and dtype in AGREED[name][0].split()


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
        found = {c: said for c in cases if (said := outcome(c, dtype)) is not None}
    assert {c.id: said for c, said in found.items() if not agreed(c.name, dtype)} == {}
    if cases is SOME:
        without_need = {name for name in AGREED if agreed(name, dtype)} - {c.name for c in found}
        assert without_need == set()


SOME = [c for c in CASES if c.args]


@pytest.mark.nightly
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_function_of_every_dtype(dtype: str) -> None:
    check(dtype, SOME)


@pytest.mark.parametrize("dtype", ["float16", "int64"])
def test_some_functions(dtype: str) -> None:
    check(dtype, SOME[::13])
