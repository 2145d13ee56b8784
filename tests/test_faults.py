"""Faults found in use, one class a kind: the specimen that was found, and the value that is right.

Each kind has tests of its own elsewhere (its class names the files); here is the case as a user met it, so that
the next fault of a kind has a home and the next kind a pattern.  Right values are hand-derived or come from NumPy,
SciPy or mpmath.
"""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special as sp

import gradc
import gradc.tensor as at

# 1. A rewrite that is right alone and wrong in company.


class TestRewritesInCompany:
    """tests/passes/test_accuracy.py (each rule and pairs of them), tests/passes/test_company.py."""

    @pytest.mark.parametrize("dtype, points", [("float64", (-700, -30, 8, 20, 30, 37, 120, 700)),
                                               ("float32", (-80, -8, 8, 20, 30, 80))])
    def test_second_derivative_of_the_logistic_loss(self, dtype, points):
        x = at.vector("x", dtype=dtype)
        z = at.log(1 + at.exp(x))
        g = gradc.grad(z.sum(), x)
        h = gradc.grad(g.sum(), x)
        want = np.exp(-np.abs(points, dtype="float64"))
        want /= (1 + want)**2
        at_points = np.array(points, dtype=dtype)
        for outputs in ([z, g, h], [g, h], [h], [h, at.sigmoid(-x), at.exp(x)]):
            got = gradc.function([x], outputs)(at_points)[outputs.index(h)]
            np.testing.assert_allclose(got, want, rtol=8 * np.finfo(dtype).eps)


# 2. The C compiler's wrong numbers.

# 3. Second derivatives behind guards on values.

# 4. Relative accuracy of derivatives.

# 5. Names in generated C.

# 6. A value belongs to where it was made: draws outside a loop.

# 7. Gradients at ties.

# 8. The gradient of a branch that is not taken.

# 9. Stabilisation that depends on who else is there.


class TestStableForms:
    """tests/passes/test_company.py, tests/autodiff/test_stable.py."""

    def test_softmax_written_out_at_1000(self):
        x = at.dvector("x")
        y = at.exp(x) / at.exp(x).sum()
        g = gradc.grad((y * np.array([1.0, 2.0, 3.0])).sum(), x)
        h = gradc.grad(g[0], x)
        points = np.array([1000.0, 999.0, 998.0])
        p = sp.softmax(points)
        w = np.array([1.0, 2.0, 3.0]) - p @ [1, 2, 3]
        want_h = p[0] * w[0] * (np.eye(3)[0] - p) - p[0] * p * w
        for others in ([], [y], [at.exp(x)], [at.exp(x).sum(), 1 / at.exp(x)]):
            got_g, got_h, *_ = gradc.function([x], [g, h, *others])(points)
            np.testing.assert_allclose(got_g, p * w, rtol=1e-13)
            np.testing.assert_allclose(got_h, want_h, rtol=1e-12)


# 10. Sums of float32.

# 11. Bad input that passes.

# 12. What counts is an integer: sums of bool.

# 13. Silent cuts: gradients by integers, Python branches on variables.

# 14. NumPy on symbolic variables.

# 15. Casts of what is set; symbolic axes and counts.

# 16. Limits and noise.


class TestLimitsAndNoise:
    """nan: tests/passes/test_rules.py."""

    @pytest.mark.parametrize("build", [at.softmax, lambda x: at.exp(x) / at.exp(x).sum(), lambda x: x - x, at.logsumexp,
                                       at.log_softmax])
    def test_nan_in_a_static_size_of_1(self, build):
        x = at.tensor("float64", (1,), name="x")
        assert np.isnan(gradc.function([x], build(x))(np.array([np.nan]))).all()

