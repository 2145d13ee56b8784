"""Every row of tests/cases.py: the value by the interpreter equals NumPy's, in dtype and shape too."""

import numpy as np
import pytest

import gradc.tensor as at
from gradc.ir.check import check
from gradc.ir.convert import to_program
from gradc.tensor import nnet, typed_inputs
from tests.cases import CASES, NO_CASE
from tests.cases_base import compute

_IDS = [c.id for c in CASES]
_HOLOMORPHIC = [c for c in CASES if c.grad == "complex"]


@pytest.mark.parametrize("case", CASES, ids=_IDS)
def test_value_equals_numpy(case):
    variables = case.variables()
    outputs = case.outputs(variables)
    values = case.sample()
    check(to_program(variables, outputs))
    expected = case.expected(values)
    results = compute(variables, outputs, values)
    assert len(results) == len(expected)
    for variable, result, want in zip(outputs, results, expected):
        want = np.asarray(want)
        assert result.shape == want.shape
        assert result.dtype == variable.dtype
        assert all(s is None or s == n for s, n in zip(variable.type.shape, result.shape))
        np.testing.assert_allclose(result, want, rtol=case.rtol, atol=1e-13)


@pytest.mark.parametrize("case", _HOLOMORPHIC, ids=[c.id for c in _HOLOMORPHIC])
def test_real_part_survives_a_complex_argument(case):
    """What the complex step needs: imaginary parts flow through every op of the graph."""
    variables, values = case.variables(), case.sample()
    outputs = case.outputs(variables)
    plain = compute(variables, outputs, values)
    for k in case.differentiable():
        shifted = [v.astype("complex128") + 1e-30j if n == k else v for n, v in enumerate(values)]
        for a, b in zip(plain, compute(variables, outputs, shifted, holomorphic=True)):
            np.testing.assert_allclose(np.real(b), a, rtol=1e-10, atol=1e-12)


def test_every_public_function_has_a_case():
    rows = {c.name for c in CASES}
    public = [n for n in at.__all__ if n not in NO_CASE and n not in vars(typed_inputs)]
    public += [f"nnet.{n}" for n in nnet.__all__ if not hasattr(at, n)]
    public += [f"{space}.{n}" for space in ("fft", "linalg", "signal") for n in getattr(at, space).__all__
               if n not in rows]
    missing = [n for n in public if n not in rows and n not in ("nnet.logsoftmax", "nnet.ultra_fast_sigmoid")]
    assert not missing, f"no row in tests/cases.py for {', '.join(missing)}"


@pytest.mark.parametrize("name", [n for n in at.__all__ if n not in NO_CASE and n not in vars(typed_inputs)])
def test_every_public_function_says_what_it_does(name):
    assert getattr(at, name).__doc__
