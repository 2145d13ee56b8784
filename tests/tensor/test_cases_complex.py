"""Every row of tests/cases.py in complex dtypes: values against NumPy, derivatives against differences along both
parts, C against the interpreter; and what takes no complex numbers refuses them."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import gradc.tensor as at
from gradc.gradient import Rop, grad
from tests.autodiff.test_cases import setup, weighted
from tests.batches import BATCH, Batch, run_and_compare, value_row
from tests.cases_base import Case, compute
from tests.cases_complex import FLOATING, in_complex, one_each, refusal

DTYPES = ("complex128", "complex64")
BY_DAY = {case.id for case in one_each(FLOATING)}
# Functions that are made of others, one of which refuses.
MADE_OF = {"arange": "ceil", "bincount": "weights", "chi2sf": "gammaincc", "complex_from_polar": "complex",
           "cov": "cast", "digamma": "psi", "divmod": "floor_divide", "frexp": "frexp_mantissa", "gammal": "gammainc",
           "gammau": "gammaincc", "kaiser": "i0e", "log1pexp": "softplus", "modf": "trunc", "remainder": "mod",
           "trigamma": "tri_gamma", "fft.irfft_parts": "complex", "fft.rfft_parts": "rfftn", "fft.rfft2": "rfftn",
           "nnet.binary_crossentropy": "softplus", "signal.periodogram": "cast",
           "nnet.sigmoid_binary_crossentropy": "softplus"}
# NumPy's functions of these names take no complex numbers, gradc's do.
WITHOUT_REFERENCE = ("sigmoid", "expit", "hypot", "inc_subtensor")


def by_day(cases: list[Case]) -> list[Any]:
    """One row of each function by day, the others by night."""
    return [pytest.param(c, id=c.id, marks=() if c.id in BY_DAY else pytest.mark.nightly) for c in cases]


def claims(cases: list[Case]) -> list[Case]:
    return [case for case in cases if refusal(in_complex(case, "complex128")) is None]


@pytest.mark.filterwarnings("ignore:scipy.linalg.ldl")
@pytest.mark.parametrize("case", by_day(FLOATING))
def test_values_are_numpys_or_refused_by_name(case: Case) -> None:
    error = refusal(in_complex(case, "complex128"))
    if error is not None:
        name = MADE_OF.get(case.name, case.name.rpartition(".")[2])
        text = str(error)
        assert name in text and ("real" in text or "complex" in text) and ".py:" in text, text
        return
    for dtype in DTYPES:
        made = in_complex(case, dtype)
        variables, values = made.variables(), made.sample()
        outputs = made.outputs(variables)
        found = compute(variables, outputs, values)
        try:
            expected = made.expected(values)
        except TypeError:
            assert case.name in WITHOUT_REFERENCE
            continue
        for variable, y, want in zip(outputs, found, map(np.asarray, expected)):
            assert y.shape == want.shape and y.dtype == variable.dtype
            scale = np.abs(want[np.isfinite(want)]).max(initial=0)
            np.testing.assert_allclose(y, want, rtol=made.rtol, atol=made.rtol * scale + 1e-13)


@pytest.mark.nightly
@pytest.mark.parametrize("case", [pytest.param(c, id=c.id) for c in FLOATING if c.differentiable()])
def test_derivatives_are_differences_along_both_parts(case: Case) -> None:
    """Reverse mode, forward mode, and the derivative of the gradient."""
    case = in_complex(case, "complex128")
    if refusal(case) is not None:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        variables, values, outputs, weights = setup(case)
    cost = weighted([y * y for y in outputs], weights)
    k = case.differentiable()[0]
    x, rng, h = variables[k], np.random.default_rng(8), 1e-6
    g = grad(cost, x, disconnected_inputs="ignore")
    (slope,) = compute(variables, [g], values)
    assert slope.dtype == values[k].dtype and slope.shape == values[k].shape

    def moved(y: Any, step: np.ndarray) -> Any:
        both = [compute(variables, [y], [v + s * step if n == k else v for n, v in enumerate(values)])[0]
                for s in (1, -1)]
        return (both[0] - both[1]) / (2 * h)

    for direction in (rng.normal(size=values[k].shape), 1j * rng.normal(size=values[k].shape)):
        want = moved(cost, h * direction)
        scale = 1 + np.abs(slope).max(initial=0)
        np.testing.assert_allclose(np.sum(slope.conj() * direction).real, want, rtol=2e-5, atol=2e-5 * scale)
        tangent = Rop(cost, x, at.constant(direction.astype("complex128")), disconnected_outputs="ignore")
        np.testing.assert_allclose(compute(variables, [tangent], values)[0], want, rtol=2e-5, atol=2e-5 * scale)
        second = Rop(g, x, at.constant(direction.astype("complex128")), disconnected_outputs="ignore")
        want = moved(g, h * direction)
        np.testing.assert_allclose(compute(variables, [second], values)[0], want, rtol=1e-4,
                                   atol=1e-4 * (scale + np.abs(want).max(initial=0)))


@pytest.mark.nightly
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("k", range(-(-len(FLOATING) // BATCH)))
def test_c_is_the_interpreter(k: int, dtype: str) -> None:
    made = Batch([value_row(in_complex(case, dtype)) for case in claims(FLOATING[k * BATCH:(k + 1) * BATCH])])
    values = [r.values for r in made.rows]
    run_and_compare(made, values, [r.oracle(r.values) for r in made.rows], dtype)
