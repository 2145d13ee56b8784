"""Faults found in use, one class a kind: the specimen that was found, and the value that is right.

Each kind has tests of its own elsewhere (its class names the files); here is the case as a user met it, so that
the next fault of a kind has a home and the next kind a pattern.  Right values are hand-derived or come from NumPy,
SciPy or mpmath.
"""

from __future__ import annotations

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.tensor.elemwise import elementwise

# 1. A rewrite that is right alone and wrong in company.

# 2. The C compiler's wrong numbers.

# 3. Second derivatives behind guards on values.

# 4. Relative accuracy of derivatives.


class TestRelativeAccuracyOfDerivatives:
    """Of every row, first and second order: tests/autodiff/test_accuracy.py; bounds: docs/derivatives.md."""

    # the right values by mpmath
    @pytest.mark.parametrize("mode", ["c", "interpret"])
    @pytest.mark.parametrize("name,x,first,second", [
        ("expm1", -40.0, 4.24835425529158899533e-18, 4.24835425529158899533e-18),
        ("expm1", -20.0, 2.06115362243855782797e-9, 2.06115362243855782797e-9),
        ("tanh", 20.0, 1.69934170211663559813e-17, -3.39868340423327119626e-17),
        ("sigmoid", 40.0, 4.24835425529158899533e-18, -4.24835425529158899531e-18),
        ("sigmoid", 1e-9, 0.249999999999999999938, -1.24999999999999999979e-10),
        ("arcsin", 1e-9, 1.0000000000000000005, 1.0000000000000000015e-9),
        ("arcsinh", 1e200, 1e-200, 0.0),
        ("erfcx", 1e8, -5.64189583547756202240e-17, 1.12837916709551235987e-24),
        ("xlogx", 0.36787944117144233, 3.37848552591342252729e-17, 2.71828182845904514352),
    ])
    def test_derivatives_do_not_cancel(self, mode, name, x, first, second):
        v = at.dscalar("v")
        g = gradc.grad(elementwise(name, v), v)
        found = gradc.function([v], [g, gradc.grad(g, v)], mode=mode)(x)
        assert found[0] == pytest.approx(first, rel=4e-15, abs=0)
        assert found[1] == pytest.approx(second, rel=4e-15, abs=0)

# 5. Names in generated C.

# 6. A value belongs to where it was made: draws outside a loop.

# 7. Gradients at ties.


class TestGradientsAtTies:
    """The table of docs/derivatives.md: tests/autodiff/test_kinks.py."""

    @pytest.mark.parametrize("mode", ["c", "interpret"])
    def test_a_tie_is_counted_once(self, mode):
        x = at.dscalar("x")
        ys = [at.maximum(x, x), at.maximum(2 * x, x + 1), at.stack([x, x, x]).max()]
        assert gradc.function([x], [gradc.grad(y, x) for y in ys], mode=mode)(1) == [1, 2, 1]

    def test_the_gradient_finds_the_maximum_whatever_else_is_computed(self):
        """The loop that took the maximum rounded a*b + 1 once, the one that looked for it twice: the gradient was 0."""
        a, b = at.dmatrices("a", "b")
        g = gradc.grad((a * b + 1.0).max(axis=0).sum(), a)
        values = np.random.default_rng(0).standard_normal((2, 400, 37))
        found = gradc.function([a, b], [g, (a * b).sum()])(*values)[0]
        assert (np.count_nonzero(found, axis=0) == 1).all()

# 8. The gradient of a branch that is not taken.

# 9. Stabilisation that depends on who else is there.

# 10. Sums of float32.

# 11. Bad input that passes.

# 12. What counts is an integer: sums of bool.

# 13. Silent cuts: gradients by integers, Python branches on variables.

# 14. NumPy on symbolic variables.

# 15. Casts of what is set; symbolic axes and counts.

# 16. Limits and noise.
