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

MODES = ["c", "interpret"]


# 1. A rewrite that is right alone and wrong in company.

# 2. The C compiler's wrong numbers.

# 3. Second derivatives behind guards on values.

# 4. Relative accuracy of derivatives.

# 5. Names in generated C.

# 6. A value belongs to where it was made: draws outside a loop.

# 7. Gradients at ties.

# 8. The gradient of a branch that is not taken.

# 9. Stabilisation that depends on who else is there.

# 10. Sums of float32.

class TestFloat32Sums:
    """More in tests/compile/test_float32_sums.py."""

    @pytest.mark.parametrize("mode", MODES)
    def test_three_million_tenths(self, mode: str) -> None:
        x = at.fvector("x")
        v = np.full(3_000_001, 0.1, "float32")
        want = np.float32(3_000_001 * float(v[0]))              # 300000.104
        alone, = gradc.function([x], [x.sum()], mode=mode)(v)
        total, running, mean = gradc.function([x], [x.sum(), at.cumsum(x), x.mean()], mode=mode)(v)
        assert alone == total == running[-1] == want
        assert mean == v[0]

# 11. Bad input that passes.

# 12. What counts is an integer: sums of bool.

class TestCounts:
    """More in tests/tensor/test_variable.py."""

    @pytest.mark.parametrize("mode", MODES)
    def test_cumsum_of_bool_counts(self, mode: str) -> None:
        x = at.vector("x")
        f = gradc.function([x], [at.cumsum(x > 0), at.cumprod(x > 0), (x > 0).cumsum()], mode=mode)
        counts, products, method = f([1, -1, 2, 3])
        assert counts.dtype == products.dtype == method.dtype == "int64"
        assert counts.tolist() == method.tolist() == [1, 1, 2, 3]
        assert products.tolist() == [1, 0, 0, 0]

# 13. Silent cuts: gradients by integers, Python branches on variables.

# 14. NumPy on symbolic variables.

# 15. Casts of what is set; symbolic axes and counts.

# 16. Limits and noise.
