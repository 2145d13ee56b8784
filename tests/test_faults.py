"""Faults found in use, one class a kind: the specimen that was found, and the value that is right.

Each kind has tests of its own elsewhere (its class names the files); here is the case as a user met it, so that
the next fault of a kind has a home and the next kind a pattern.  Right values are hand-derived or come from NumPy,
SciPy or mpmath.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.errors import GradcWarning
from gradc.tensor.random import RandomStream

# 1. A rewrite that is right alone and wrong in company.

# 2. The C compiler's wrong numbers.

# 3. Second derivatives behind guards on values.

# 4. Relative accuracy of derivatives.

# 5. Names in generated C.

# 6. A value belongs to where it was made: draws outside a loop.


class TestMadeOutside:
    """A draw made outside a loop was drawn again in every step.  More: tests/control/test_made_outside.py."""

    @pytest.mark.parametrize("mode", [None, "interpret"])
    def test_one_number_for_all_steps(self, mode: Any) -> None:
        stream, v = RandomStream(1), at.dvector("v")
        u = stream.normal()
        out, updates = gradc.scan(lambda a: u * a, sequences=v)
        f = gradc.function([v], out, updates=updates, mode=mode)
        numbers = np.random.default_rng(np.random.SeedSequence(1).spawn(1)[0])
        for _ in range(2):
            np.testing.assert_array_equal(f([1.0, 2.0, 3.0]), numbers.normal() * np.array([1.0, 2.0, 3.0]))


# 7. Gradients at ties.

# 8. The gradient of a branch that is not taken.

# 9. Stabilisation that depends on who else is there.

# 10. Sums of float32.

# 11. Bad input that passes.

# 12. What counts is an integer: sums of bool.

# 13. Silent cuts: gradients by integers, Python branches on variables.


class TestSilentCuts:
    """A gradient of 0, a branch always taken, silently.  More: autodiff/test_cuts.py, tensor/test_truth.py."""

    def test_the_gradient_by_an_integer(self) -> None:
        i = at.lscalar("i")
        with pytest.warns(GradcWarning, match=r"gradient by i does not pass pow \(.*test_faults.py:"):
            g = gradc.grad(i ** 2, i)
        assert gradc.function([i], [g, gradc.grad(i ** 2.0, i)])(3) == [0, 6]

    def test_branches(self) -> None:
        x = at.dscalar("x")
        with pytest.warns(GradcWarning, match=r"compares x with 3 as objects \(.*test_faults.py:"):
            assert not x == 3
        with pytest.warns(GradcWarning, match=r"truth of x \(.*test_faults.py:"):
            assert x

# 14. NumPy on symbolic variables.


class TestNumPyOnVariables:
    """Refused with advice to use functions that do not exist; object arrays.  More: tests/tensor/test_numpy_api.py."""

    def test_other_names_and_keywords(self) -> None:
        x, a = at.dmatrix("x"), np.array([[1.25, -2.0], [0.5, 3.75]])
        for call in (lambda x: np.vecdot(x, x), lambda x: np.matrix_transpose(x), lambda x: np.round(x, 1),
                     lambda x: np.clip(x, a_min=0, a_max=1), lambda x: np.sum(x, where=x > 0, initial=1.0),
                     lambda x: np.cumsum(x, dtype="float32"), lambda x: np.diff(x, prepend=0.0),
                     lambda x: x.ravel(order="C"), lambda x: x.copy(order="C"), lambda x: np.split(x, 2)[1],
                     lambda x: np.linalg.vector_norm(x)):
            np.testing.assert_allclose(call(x).eval({x: a}), call(a), rtol=1e-15)

    def test_arrays_of_variables(self) -> None:
        x, y = at.dscalars("x", "y")
        for call in (lambda: np.asarray(x), lambda: np.array([x, y])):
            with pytest.raises(TypeError, match=r"gradc\.tensor\.stack"):
                call()

# 15. Casts of what is set; symbolic axes and counts.

# 16. Limits and noise.
