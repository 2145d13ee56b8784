"""Faults found in use, one class a kind: the specimen that was found, and the value that is right.

Each kind has tests of its own elsewhere (its class names the files); here is the case as a user met it, so that
the next fault of a kind has a home and the next kind a pattern.  Right values are hand-derived or come from NumPy,
SciPy or mpmath.
"""

from __future__ import annotations

import numpy as np

import gradc
import gradc.tensor as at
from gradc.gradient import grad, hessian


def in_both(inputs, outputs):
    """The function of `inputs`, which gives the same in C and in the interpreter."""
    compiled, interpreted = gradc.function(inputs, outputs), gradc.function(inputs, outputs, mode="interpret")

    def f(*values):
        got = compiled(*values)
        for a, b in zip(got, interpreted(*values)):
            np.testing.assert_allclose(a, b, rtol=1e-15)
        return got

    return f


# 1. A rewrite that is right alone and wrong in company.

# 2. The C compiler's wrong numbers.

# 3. Second derivatives behind guards on values.

class TestSecondDerivativesAtZeros:
    """tests/autodiff/test_guards.py: some 80 functions, against differences with 120 digits."""

    def test_hessians(self):
        x, v = at.dvector("x"), at.dvector("v")
        f = in_both([x, v], [hessian(x.prod(), x), hessian(at.cumprod(x).sum(), x), hessian(v[0] ** v[1], v)])
        prod, cumprod, power = f([0.0, 2.0, 3.0], [0.0, 2.0])
        assert prod.tolist() == [[0, 3, 2], [3, 0, 0], [2, 0, 0]]
        assert cumprod.tolist() == [[0, 4, 2], [4, 0, 0], [2, 0, 0]]
        assert power.tolist() == [[2, 0], [0, 0]]
        prod, _, power = f([0.0, 2.0, 0.0], [2.0, 0.0])
        assert prod.tolist() == [[0, 0, 2], [0, 0, 0], [2, 0, 0]]
        np.testing.assert_allclose(power, [[0, 0.5], [0.5, np.log(2) ** 2]], rtol=1e-15)


# 4. Relative accuracy of derivatives.

# 5. Names in generated C.

# 6. A value belongs to where it was made: draws outside a loop.

# 7. Gradients at ties.

# 8. The gradient of a branch that is not taken.

class TestBranchNotTaken:
    """tests/autodiff/test_guards.py."""

    def test_sqrt_and_log(self):
        x = at.dvector("x")
        slopes = [grad(at.switch(x > 0, f(x), 0).sum(), x) for f in (at.sqrt, at.log)]
        root, log, *second = in_both([x], [*slopes, *(grad(g.sum(), x) for g in slopes)])([0.0, 4.0])
        assert root.tolist() == log.tolist() == [0, 0.25]
        assert [h.tolist() for h in second] == [[0, -1 / 32], [0, -1 / 16]]


# 9. Stabilisation that depends on who else is there.

# 10. Sums of float32.

# 11. Bad input that passes.

# 12. What counts is an integer: sums of bool.

# 13. Silent cuts: gradients by integers, Python branches on variables.

# 14. NumPy on symbolic variables.

# 15. Casts of what is set; symbolic axes and counts.

# 16. Limits and noise.
