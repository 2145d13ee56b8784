"""The rows of tests/cases.py with complex numbers in the place of float64: made from the table, not by hand.

A function claims complex numbers if it can be built of them; then it is drawn in both complex dtypes.  What cannot be
is refused by name (`test_cases_complex.py`).
"""

from __future__ import annotations

from dataclasses import replace

from gradc.errors import TypeMismatchError
from tests.cases import CASES
from tests.cases_base import Case

FLOATING = [case for case in CASES if any(a.dtype == "float64" for a in case.args)]


def in_complex(case: Case, dtype: str) -> Case:
    """The row with all its arguments of float64 in a complex dtype."""
    args = tuple([replace(a, dtype=dtype) if a.dtype == "float64" else a for a in case.args])
    rtol = max(case.rtol, 1e-11) if dtype == "complex128" else max(2e-4, min(1e-3, 10 * case.rtol ** 0.5))
    return replace(case, args=args, rtol=rtol)


def refusal(case: Case) -> TypeMismatchError | None:
    """The error with which the function refuses the arguments; None if it takes them."""
    try:
        case.outputs(case.variables())
    except TypeMismatchError as error:
        return error
    return None


def one_each(cases: list[Case]) -> list[Case]:
    """The first row of each function."""
    return list({case.name: case for case in reversed(cases)}.values())[::-1]
