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

# 1. A rewrite that is right alone and wrong in company.

# 2. The C compiler's wrong numbers.  More: tests/codegen/test_compilers.py, test_branches.py, test_groups.py.


@pytest.mark.parametrize("width", [2, 3, 4])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_sums_of_what_masks_leave(width: int, dtype: str) -> None:
    x, v = [at.tensor(dtype, shape=(None, None, width)) for _ in range(2)]
    masks = [x > 0, x > x.mean(axis=1, keepdims=True), at.eq(x, x.max(axis=1, keepdims=True))]
    sums = [at.switch(mask, v, np.float32(0)).sum(axis=1) for mask in masks]
    f = gradc.function([x, v], [(s ** 2).sum() for s in sums], mode="c")
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(7, 4, width)).astype(dtype), rng.normal(size=(7, 4, width)).astype(dtype)
    taken = [a > 0, a > a.mean(axis=1, keepdims=True), a == a.max(axis=1, keepdims=True)]
    want = [(np.where(t, b, 0).sum(axis=1, dtype="float64") ** 2).sum() for t in taken]
    np.testing.assert_allclose(f(a, b), want, rtol=1e-5 if dtype == "float32" else 1e-13)

# 3. Second derivatives behind guards on values.

# 4. Relative accuracy of derivatives.

# 5. Names in generated C.

# 6. A value belongs to where it was made: draws outside a loop.

# 7. Gradients at ties.

# 8. The gradient of a branch that is not taken.

# 9. Stabilisation that depends on who else is there.

# 10. Sums of float32.

# 11. Bad input that passes.

# 12. What counts is an integer: sums of bool.

# 13. Silent cuts: gradients by integers, Python branches on variables.

# 14. NumPy on symbolic variables.

# 15. Casts of what is set; symbolic axes and counts.

# 16. Limits and noise.
