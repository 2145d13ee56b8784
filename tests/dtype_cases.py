"""Rows of tests/cases.py with arguments of other dtypes, and what makes a result of them right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gradc.ir import dtypes
from tests.cases_base import Case

EPS = {"float16": 2.0**-11, "float32": 2.0**-24, "complex64": 2.0**-24, "float64": 2.0**-53, "complex128": 2.0**-53}


def with_dtype(case: Case, dtype: str) -> Case:
    """`case` with its floats, or all of its arguments where none is, of another dtype."""
    floats = any(a.dtype == "float64" for a in case.args)
    unsigned = {"integers": "small", "all": "positive", "minus_one": "two"} if dtype in dtypes.UNSIGNED else {}
    return replace(case, args=tuple(replace(a, dtype=dtype, domain=unsigned.get(a.domain, a.domain))
                                    if a.dtype == "float64" or not floats else a for a in case.args))


def _wide(x: np.ndarray) -> np.ndarray:
    return x.astype("complex128" if x.dtype.kind == "c" else "float64")


def agreement(case: Case, values: Sequence[np.ndarray], results: Sequence[Any]) -> str | None:
    """What is wrong with `results` of `values`, or None.  Right is what the reference gives for float64, rounded."""
    wants = case.expected([_wide(v) if v.dtype.kind in "fc" else v for v in values])
    for got, want in zip(results, wants):
        got, want = np.asarray(got), np.asarray(want)
        if got.shape != want.shape:
            return f"shape {got.shape}, expected {want.shape}"
        if got.dtype.kind in "biu" and want.dtype.kind in "biu":
            if not (got == want).all():
                return f"{got}, expected {want}"
            continue
        with np.errstate(all="ignore"):
            eps = EPS.get(got.dtype.name, EPS["float16"])
            rounded = _wide(want.astype(got.dtype)) if got.dtype.kind in "fc" else _wide(want)
            size = np.abs(want[np.isfinite(want)]).max(initial=0)
            error = np.abs(_wide(got) - rounded)
            fine = (error <= 2.1 * eps * np.abs(want) + max(1e-6, 10 * case.rtol) * size + 2.0**-24) \
                | (_wide(got) == rounded) | (np.isnan(got) & np.isnan(rounded))
        if not fine.all():
            return f"{got[~fine][:3]}, expected {want[~fine][:3]}"
    return None
