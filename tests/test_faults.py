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

# 2. The C compiler's wrong numbers.

# 3. Second derivatives behind guards on values.

# 4. Relative accuracy of derivatives.

# 5. Names in generated C.

# 6. A value belongs to where it was made: draws outside a loop.

# 7. Gradients at ties.

# 8. The gradient of a branch that is not taken.

# 9. Stabilisation that depends on who else is there.

# 10. Sums of float32.

# 11. Bad input that passes.  All of it: tests/tensor/test_checks.py.

class TestBadInput:
    @pytest.mark.parametrize("mode", [None, "interpret"])
    def test_a_label_out_of_range(self, mode):
        p, y = at.matrix("p"), at.lvector("y")
        loss = at.nnet.categorical_crossentropy(at.nnet.softmax(p), y).mean()
        f = gradc.function([p, y], [loss, gradc.grad(loss, p)], mode=mode)
        assert f(np.zeros((2, 4)), [0, 3])[0] == pytest.approx(np.log(4), rel=1e-15)
        for label in (4, -1):
            with pytest.raises(IndexError, match=rf"class number {label} is out of range; there are 4 classes"):
                f(np.zeros((2, 4)), [0, label])

    @pytest.mark.parametrize("mode", [None, "interpret"])
    def test_a_negative_size_in_split(self, mode):
        x, s = at.vector("x"), at.lvector("s")
        f = gradc.function([x, s], at.split(x, s, 2), mode=mode)
        with pytest.raises(ValueError, match=r"split: a size must not be negative, got -1"):
            f(np.arange(5.0), [-1, 6])

    def test_the_diagonal_set(self):
        m, v = at.matrix("m"), at.vector("v")
        f = gradc.function([m, v], at.set_subtensor(at.diag(m), v))
        np.testing.assert_array_equal(f(np.ones((2, 2)), [5.0, 6.0]), [[5, 1], [1, 6]])

    def test_arange_in_steps_of_0(self):
        n = at.lscalar("n")
        f = gradc.function([n], at.arange(0, 5, n))
        with pytest.raises(ValueError, match="step must not be 0"):
            f(0)

    def test_a_step_of_0_in_the_branch_not_taken(self):
        """It was an integer divided by 0, which ended the process."""
        c, n, x = at.bscalar("c"), at.lscalar("n"), at.vector("x")
        f = gradc.function([c, n, x], gradc.ifelse(c, x[::n].sum(), x.sum()))
        assert f(0, 0, np.ones(3)) == 3


# 12. What counts is an integer: sums of bool.

# 13. Silent cuts: gradients by integers, Python branches on variables.

# 14. NumPy on symbolic variables.

# 15. Casts of what is set; symbolic axes and counts.  More: tests/tensor/test_parts.py.

class TestCastsAndVariables:
    def test_float64_into_a_part_of_float32(self):
        x, v = at.fvector("x"), at.dscalar("v")
        made = gradc.function([x, v], at.set_subtensor(x[1], v))(np.float32([1, 2, 3]), 0.1)
        assert made.dtype == "float32"
        np.testing.assert_array_equal(made, np.float32([1, 0.1, 3]))

    def test_join_along_a_variable(self):
        axis, x = at.lscalar("axis"), at.matrix("x")
        f = gradc.function([axis, x], at.join(axis, x, 2 * x))
        assert f(1, np.ones((2, 3))).tolist() == [[1, 1, 1, 2, 2, 2]] * 2

    def test_repeat_by_a_variable_vector(self):
        x, counts = at.vector("x"), at.lvector("counts")
        assert gradc.function([x, counts], at.repeat(x, counts))([1.0, 2.0, 3.0], [2, 0, 1]).tolist() == [1, 1, 3]

# 16. Limits and noise.
