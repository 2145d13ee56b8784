"""Faults found in use, one class a kind: the specimen that was found, and the value that is right.

Each kind has tests of its own elsewhere (its class names the files); here is the case as a user met it, so that
the next fault of a kind has a home and the next kind a pattern.  Right values are hand-derived or come from NumPy,
SciPy or mpmath.
"""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.special as sp

import gradc
import gradc.tensor as at
from gradc.errors import BadValueError, GradcError, GradcWarning, ShapeError, TypeMismatchError, shown
from gradc.gradient import grad, hessian
from gradc.tensor.elemwise import elementwise
from gradc.tensor.random import RandomStream


def in_both(inputs, outputs):
    """The function of `inputs`, which gives the same in C and in the interpreter."""
    compiled, interpreted = gradc.function(inputs, outputs), gradc.function(inputs, outputs, mode="interpret")

    def f(*values):
        got = compiled(*values)
        for a, b in zip(got, interpreted(*values)):
            np.testing.assert_allclose(a, b, rtol=1e-15)
        return got

    return f

MODES = ["c", "interpret"]


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


# 2. The C compiler's wrong numbers.  More: tests/codegen/test_compilers.py, test_branches.py, test_groups.py.


@pytest.mark.usefixtures("users_flags")
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

    @pytest.mark.parametrize("mode", MODES)
    def test_gradient_of_a_product_is_the_product_over_the_factor_where_that_is_right(self, mode):
        x = at.dmatrix("x")
        v = x[:, 0]
        f = gradc.function([x], [gradc.grad(x.prod(axis=0).sum(), x), hessian(v.prod(), v)], mode=mode)
        for a in ([[2.0, 3.0], [4.0, 0.5]], [[0.0, 3.0], [4.0, 0.5]], [[1e-200, 1e200], [1e-200, 1e200]]):
            g, h = f(a)
            np.testing.assert_allclose(g, np.array(a)[::-1], rtol=1e-15)
            assert h.tolist() == [[0, 1], [1, 0]]


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

class TestNames:
    """Whatever variables are called; all identifiers of units: tests/codegen/test_names.py."""

    @pytest.mark.parametrize("name", ["σ", "β_0", "_1", "-a", "[0]", "数据", "HUGE_VAL", "x*/\n#error", "exp_v"])
    def test_a_scalar_of_any_name(self, name: str):
        s, v = at.dscalar(name), at.dvector("v")
        values = np.array([0.5, -1.0, 2.0])
        assert np.allclose(gradc.function([s, v], at.exp(s * v), name=name)(0.3, values), np.exp(0.3 * values))

    @pytest.mark.parametrize("name", ["j", "exp_v", "first_v", "add_lanes_1", "HUGE_VAL", "DBL_MAX", "lane"])
    def test_a_vector_of_any_name(self, name: str):
        x, v = at.dmatrix("X"), at.dvector(name)
        matrix, values = np.arange(12.0).reshape(4, 3) / 7, np.array([0.5, -1.0, 2.0])
        result, total = gradc.function([x, v], [at.dot(x, v), at.exp(v).sum()])(matrix, values)
        assert np.allclose(result, matrix @ values) and np.allclose(total, np.exp(values).sum())

    def test_names_that_are_alike_in_ascii(self):
        names = ["α", "β", "alpha", "log", "log_v", "expf", "sinf"]
        given = [at.fscalar(name) for name in names]
        result = gradc.function(given, [at.log(g) + at.exp(g) + at.sin(g) for g in given])(*range(1, 8))
        k = np.arange(1, 8, dtype="float32")
        assert np.allclose(result, np.log(k) + np.exp(k) + np.sin(k), rtol=1e-6)

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

class TestBranchNotTaken:
    """tests/autodiff/test_guards.py."""

    def test_sqrt_and_log(self):
        x = at.dvector("x")
        slopes = [grad(at.switch(x > 0, f(x), 0).sum(), x) for f in (at.sqrt, at.log)]
        root, log, *second = in_both([x], [*slopes, *(grad(g.sum(), x) for g in slopes)])([0.0, 4.0])
        assert root.tolist() == log.tolist() == [0, 0.25]
        assert [h.tolist() for h in second] == [[0, -1 / 32], [0, -1 / 16]]


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


    # each without overflow and cancellation, whatever else is asked for; right values by mpmath
    HAND_WRITTEN = {
        "quotient of sums": (lambda t: at.exp(t) / (at.exp(t) + at.exp(2 * t)), lambda t: 1 / (1 + mpmath.exp(t))),
        "tanh": (lambda t: (at.exp(t) - at.exp(-t)) / (at.exp(t) + at.exp(-t)), mpmath.tanh),
        "tanh of 2t": (lambda t: (at.exp(2 * t) - 1) / (at.exp(2 * t) + 1), mpmath.tanh),
        "sinh over cosh": (lambda t: at.sinh(t) / at.cosh(t), mpmath.tanh),
        "squares": (lambda t: at.exp(t) ** 2 / (1 + at.exp(t) ** 2), lambda t: 1 / (1 + mpmath.exp(-2 * t))),
        "powers of 2": (lambda t: 2**t / (1 + 2**t), lambda t: 1 / (1 + mpmath.mpf(2) ** -t)),
        "half": (lambda t: at.exp(t / 2) / (1 + at.exp(t)), lambda t: mpmath.sech(t / 2) / 2),
        "weights": (lambda t: 3 * at.exp(t) / (2 + 5 * at.exp(t)), lambda t: 3 / (2 * mpmath.exp(-t) + 5)),
        "sech": (lambda t: 1 / (at.exp(t) + at.exp(-t)), lambda t: mpmath.sech(t) / 2),
        "reciprocal": (lambda t: 3 / at.exp(t), lambda t: 3 * mpmath.exp(-t)),
        "multiples of one": (lambda t: (2 * at.exp(t + 1) - at.exp(t)) / (1 + at.exp(2 * t)),
                             lambda t: (2 * mpmath.e - 1) / (2 * mpmath.cosh(t))),
        "log cosh": (lambda t: at.log(at.cosh(t)), lambda t: mpmath.log(mpmath.cosh(t))),
        "log of mean": (lambda t: at.log((at.exp(t) + at.exp(-t)) / 2), lambda t: mpmath.log(mpmath.cosh(t))),
        "log sinh": (lambda t: at.log(at.sinh(abs(t))), lambda t: mpmath.log(mpmath.sinh(abs(t)))),
        "log of a complement": (lambda t: at.log(1 - 0.5 * (1 + at.erf(t / 2**0.5))),
                                lambda t: mpmath.log(mpmath.erfc(t / mpmath.sqrt(2)) / 2)),
    }
    TAILS = {
        "hazard": (lambda t: at.exp(-t**2 / 2) / at.erfc(t / 2**0.5),
                   lambda t: mpmath.exp(-t * t / 2) / mpmath.erfc(t / mpmath.sqrt(2))),
        "hazard of ndtr": (lambda t: at.exp(-t**2 / 2) / at.special.ndtr(-t),
                           lambda t: 2 * mpmath.exp(-t * t / 2) / mpmath.erfc(t / mpmath.sqrt(2))),
        "hazard of a complement": (lambda t: at.exp(-t**2 / 2) / (0.5 - 0.5 * at.erf(t / 2**0.5)),
                                   lambda t: 2 * mpmath.exp(-t * t / 2) / mpmath.erfc(t / mpmath.sqrt(2))),
        "log hazard": (lambda t: at.log(at.exp(-t**2 / 2) / (1 - at.special.ndtr(t))),
                       lambda t: mpmath.log(2 * mpmath.exp(-t * t / 2) / mpmath.erfc(t / mpmath.sqrt(2)))),
        "log erfcx": (lambda t: at.log(at.erfcx(t)), lambda t: mpmath.log(mpmath.exp(t * t) * mpmath.erfc(t))),
        "1 / erfcx": (lambda t: 1 / at.erfcx(t), lambda t: mpmath.exp(-t * t) / mpmath.erfc(t)),
        "scaled tail": (lambda t: at.exp(t**2) * at.erfc(t), lambda t: mpmath.exp(t * t) * mpmath.erfc(t)),
    }

    @pytest.mark.parametrize("dtype, points", [("float64", (-120, -30, -1e-9, 1e-9, 0.5, 8, 30, 120, -700, 700)),
                                               ("float32", (-60, -30, -8, 0.5, 8, 30, 120, 700))])
    def test_quotients_and_logs_of_exponentials(self, dtype, points):
        t, limits = at.vector("t", dtype=dtype), np.finfo(dtype)
        outputs = []
        for build, _ in (self.HAND_WRITTEN | self.TAILS).values():
            z = build(t)
            g = gradc.grad(z.sum(), t)
            outputs += [z, g, gradc.grad(g.sum(), t)]
        both = iter(list(zip(*[gradc.function([t], outputs, mode=mode)(points) for mode in MODES])))
        x = [mpmath.mpf(float(p)) for p in np.array(points, dtype)]
        for name, (_, exact) in (self.HAND_WRITTEN | self.TAILS).items():
            with mpmath.workprec(900 if name in self.TAILS else 2400):      # so many digits for 1 - tanh(700)**2
                for order in range(3):
                    for p, v, *made in zip(points, x, *next(both)):
                        d = abs(v) * mpmath.mpf(2) ** -150
                        low, here, high = [exact(v + k * d) for k in (-1, 0, 1)]
                        want = (here, (high - low) / (2 * d), (high - 2 * here + low) / d**2)[order]
                        for y in made:
                            if abs(want) < limits.tiny:
                                assert abs(y) <= limits.tiny, (name, order, p)
                            elif abs(want) < limits.max:
                                allowed = (32 + 2 * abs(p)) * limits.eps
                                assert abs(float((mpmath.mpf(float(y)) - want) / want)) < allowed, (name, order, p)

    def test_second_derivatives_over_differences(self):
        """There were none, for a form of a form was sought without end; in the parts of a form e**467 was infinite."""
        t, points = at.dvector("t"), np.array([-150, -120, -30, -2.5, 0.25, 3, 30, 120, 340])
        for build in (lambda t, exp: 1 / (exp(t) - exp(2 * t + 2)), lambda t, exp: 1 / (9 * exp(-t / 3) - exp(2 * t)),
                      lambda t, exp: (exp(t) - exp(t + 1)) * (exp(-3 * t) - exp(-3 * t - 2))):
            z = build(t, at.exp)
            g = gradc.grad(z.sum(), t)
            made = gradc.function([t], [z, g, gradc.grad(g.sum(), t)])(points)
            with mpmath.workdps(400):
                for p, *got in zip(points, *made):
                    want = mpmath.taylor(lambda v, f=build: f(v, mpmath.exp), mpmath.mpf(p), 2)
                    for y, w, scale in zip(got, want, (1, 1, 2)):
                        assert y == pytest.approx(float(w * scale), rel=(10 + 2 * abs(p)) * 2.0 ** -52, abs=1e-307), p

    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize("build", [lambda x: np.e**x / (np.e**x).sum(),
                                       lambda x: at.exp(x + 0.0) / at.exp(x).sum()])
    def test_softmax_by_other_names(self, mode, build):
        x = at.dvector("x")
        y = build(x)
        points = np.array([1000.0, 999.0, -998.0])
        p = sp.softmax(points)
        w = np.array([1.0, 2.0, 3.0])
        got = gradc.function([x], [y, gradc.grad((y * w).sum(), x)], mode=mode)(points)
        np.testing.assert_allclose(got, [p, p * (w - p @ w)], rtol=1e-13)

    @pytest.mark.parametrize("mode", MODES)
    def test_softmax_with_a_baseline(self, mode):
        x = at.dmatrix("x")
        y = at.exp(x) / (1 + at.exp(x).sum(axis=1, keepdims=True))
        points = np.array([[1000.0, 998.5], [-1000.0, 0.25], [3.0, -2.0]])
        p = sp.softmax(np.c_[points, np.zeros(3)], axis=1)[:, :2]
        w = np.array([1.0, -2.0])
        got = gradc.function([x], [y, gradc.grad((y * w).sum(), x)], mode=mode)(points)
        np.testing.assert_allclose(got, [p, p * (w - (p @ w)[:, None])], rtol=1e-12, atol=1e-300)


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
    def test_a_permutation_of_less_than_nothing(self, mode):
        n = at.lscalar("n")
        f = gradc.function([n], RandomStream(1).permutation(n), mode=mode)
        assert sorted(f(3)) == [0, 1, 2]
        with pytest.raises(BadValueError, match="permutation: the number of elements must not be negative, got -1"):
            f(-1)

    @pytest.mark.parametrize("mode", [None, "interpret"])
    def test_a_negative_size_in_split(self, mode):
        x, s = at.vector("x"), at.lvector("s")
        f = gradc.function([x, s], at.split(x, s, 2), mode=mode)
        with pytest.raises(ValueError, match=r"split: a size must not be negative, got -1"):
            f(np.arange(5.0), [-1, 6])

    @pytest.mark.parametrize("mode", [None, "interpret"])
    def test_masks_of_different_counts_beside_one_without_axes(self, mode):
        """The first positions of the longer one were taken."""
        x, m = at.dmatrix("x"), at.scalar("m", dtype="bool")
        a, b = at.vector("a", dtype="bool"), at.vector("b", dtype="bool")
        f = gradc.function([x, m, a, b], x[m, a, b], mode=mode)
        table = np.arange(12.0).reshape(3, 4)
        for m_, a_, b_ in ((1, [1, 1, 0], [1, 0, 0, 1]), (1, [0, 1, 0], [1, 0, 1, 1]), (0, [0, 1, 0], [0, 0, 1, 0])):
            m_, a_, b_ = [np.array(v, bool) for v in (m_, a_, b_)]
            np.testing.assert_array_equal(f(table, m_, a_, b_), table[m_, a_, b_])
        with pytest.raises(ShapeError, match="sizes 2 and 3"):
            f(table, np.True_, np.array([1, 1, 0], bool), np.array([1, 0, 1, 1], bool))

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

@pytest.mark.usefixtures("users_flags")
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

    @pytest.mark.parametrize("mode", MODES)
    def test_stack_along_a_variable(self, mode):
        axis, x, s = at.lscalar("axis"), at.matrix("x"), at.dscalar("s")
        stacked = [at.stack([x, 2 * x], axis=axis), at.stack([s, -s], axis=axis // 3)]
        f = gradc.function([axis, x, s], stacked, mode=mode)
        a = np.arange(6.0).reshape(2, 3)
        for k in (0, 1, 2, -1, -3):
            both, pair = f(k, a, 5.0)
            np.testing.assert_array_equal(both, np.stack([a, 2 * a], k))
            assert pair.tolist() == [5, -5]
        with pytest.raises(ShapeError, match="stack: axis 3 is out of range for 3 dimension"):
            f(3, a, 5.0)

    @pytest.mark.parametrize("mode", MODES)
    def test_repeat_by_a_long_constant_vector(self, mode):
        """It was one equation for each number."""
        x, counts = at.dmatrix("x"), np.arange(500) % 4
        y = at.repeat(x, counts, axis=1)
        f = gradc.function([x], [y, gradc.grad((y**2).sum(), x)], mode=mode)
        a = np.random.default_rng(0).random((2, 500))
        got, slope = f(a)
        np.testing.assert_array_equal(got, np.repeat(a, counts, axis=1))
        np.testing.assert_allclose(slope, 2 * a * counts, rtol=1e-15)
        assert len(f.maker.fgraph.apply_nodes) < 40
        with pytest.raises(BadValueError, match="must not be negative, got -3"):
            at.repeat(x, -counts, axis=1)

    def test_repeat_by_a_variable_vector(self):
        x, counts = at.vector("x"), at.lvector("counts")
        assert gradc.function([x, counts], at.repeat(x, counts))([1.0, 2.0, 3.0], [2, 0, 1]).tolist() == [1, 1, 3]

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


class TestLimits:
    """Dimensions and long names."""

    @pytest.mark.parametrize("mode", ["c", "interpret"])
    def test_as_many_dimensions_as_numpy_has(self, mode: str):
        x = at.TensorType("float64", (1,) * 61 + (None,) * 3)("x")
        y = at.TensorType("float64", (None,) * 64)("y")
        value = np.arange(6.0).reshape((1,) * 61 + (2, 1, 3))
        odd = tuple(range(1, 64, 2))
        outs = [gradc.grad((x ** 2).sum(), x), x.sum(axis=odd), x.max(axis=63), x.transpose(), x.cumsum(axis=63),
                x.argmax(axis=63), x[0], x[..., None, 0], y * 2, y.sum(axis=63)]
        result = gradc.function([x, y], outs, mode=mode)(value, value)
        right = [value * 2, value.sum(axis=odd), value.max(63), value.T, value.cumsum(63), value.argmax(63), value[0],
                 value[..., 0][..., None], value * 2, value.sum(axis=63)]
        for found, expected in zip(result, right):
            assert found.shape == expected.shape and (found == expected).all()

    def test_many_dimensions_of_unknown_sizes(self):
        """gcc took half a minute for loops in loops in loops."""
        x = at.TensorType("float64", (None,) * 24)("x")
        f = gradc.function([x], [x + x.transpose(), x.max()])
        a = np.random.default_rng(0).random((2, 3, *(1,) * 20, 3, 2))
        both, top = f(a)
        np.testing.assert_array_equal(both, a + a.T)
        assert top == a.max()

    @pytest.mark.parametrize("make", [
        lambda v: at.TensorType("float64", (None,) * 65), lambda v: v.reshape((1,) * 64 + (-1,)),
        lambda v: v.dimshuffle(*["x"] * 64, 0), lambda v: v[(None,) * 64], lambda v: at.zeros((1,) * 65),
        lambda v: at.shape_padleft(v, 64), lambda v: at.tensordot(at.zeros((1,) * 40), at.zeros((1,) * 40), axes=0),
        lambda v: at.stack([at.zeros((1,) * 64)]), lambda v: at.as_tensor_variable(eval("[" * 65 + "1" + "]" * 65)),
        lambda v: at.random.RandomStream(1).normal(size=(1,) * 65)])
    def test_more_is_an_error_of_gradc(self, make):
        with pytest.raises(TypeMismatchError, match="64"):
            make(at.dvector("v"))

    def test_many_shared_variables_share_their_code(self):
        """More: tests/codegen/test_many.py."""
        shared = [gradc.shared(np.full((k % 7 + 1, 4), float(k)), name=f"p{k}") for k in range(200)]
        f = gradc.function([], [], updates=[(p, p * 2 + 1) for p in shared])
        assert f.c_source().count("for (int64_t i = lo; i < hi; ++i)") == 1
        f()
        for k, p in enumerate(shared):
            assert (p.get_value() == np.full((k % 7 + 1, 4), 2.0 * k + 1)).all()

    LONG = "k" * 100_000
    MANY = list(range(20_000))

    @pytest.mark.parametrize("call", [
        lambda v, long, many: at.einsum(long, v), lambda v, long, many: at.einsum("i->" + long, v),
        lambda v, long, many: v[long], lambda v, long, many: v.sum(axis=many), lambda v, long, many: v.sum(axis=long),
        lambda v, long, many: at.round(v, mode=long), lambda v, long, many: v.norm(long),
        lambda v, long, many: v.transpose(*many), lambda v, long, many: v.flatten(many),
        lambda v, long, many: v.reshape([-3, *many]), lambda v, long, many: at.patternbroadcast(v, many),
        lambda v, long, many: at.diag(v, tuple(many)), lambda v, long, many: at.matrix("m", shape=many),
        lambda v, long, many: v.astype(long), lambda v, long, many: at.meshgrid(v, v, indexing=long),
        lambda v, long, many: gradc.function([v], v, mode=long), lambda v, long, many: gradc.function([long], v),
        lambda v, long, many: gradc.function([v], v, updates=[(long, long)]), lambda v, long, many: gradc.grad(long, v),
        lambda v, long, many: gradc.grad(v.sum(), v, disconnected_inputs=long),
        lambda v, long, many: gradc.scan(lambda a: a, sequences=v, n_steps=tuple(many)),
        lambda v, long, many: gradc.scan(lambda a: a, sequences={long: v}),
        lambda v, long, many: gradc.scan(lambda a: a, sequences=v, truncate_gradient=long),
        lambda v, long, many: setattr(gradc.config, "floatX", long), lambda v, long, many: v.eval(long),
        lambda v, long, many: RandomStream(1).choice(v, replace=long), lambda v, long, many: at.constant(long)])
    def test_messages_cut_values(self, call):
        with pytest.raises(Exception, match=r"\S") as caught:
            call(at.dvector("v"), self.LONG, self.MANY)
        assert isinstance(caught.value, GradcError) and len(str(caught.value)) < 600

    def test_messages_cut_names(self):
        long = "n" * 100_000
        assert shown(long) == "n" * 57 + "..." and shown("a\nb\u200b") == r"a\nb\u200b" and shown("σ") == "σ"
        v, m = at.dvector(long), at.dmatrix(long + "m")
        calls = [lambda f: f(1.0), lambda f: f(np.ones(3), np.ones((2, 4))), lambda f: f(np.ones(3, complex), 1.0),
                 lambda f: f(**{long + "q": 1}), lambda f: f(np.ones(3), **{long: 1}), lambda f: f[long + "q"]]
        builds = [lambda: at.join(0, v, m), lambda: gradc.function([], v), lambda: gradc.function([v, m], v),
                  lambda: gradc.grad(v, v), lambda: v[1, 2], lambda: gradc.function([], v, givens={v: m}),
                  lambda: gradc.ifelse(v.sum(), v, m), lambda: v.reshape((2, 2)).dimshuffle(5)]
        for mode in ("c", "interpret"):
            f = gradc.function([v, m], m + v, mode=mode, name=long)
            assert len(repr(f)) < 1000 and len(str(f.info)) < 2000 and len(f.c_source()) < 20_000
            builds += [lambda f=f, call=call: call(f) for call in calls]
        for build in builds:
            with pytest.raises(GradcError) as caught:
                build()
            assert len(str(caught.value)) < 2000


class TestLimitsAndNoise:
    """nan: tests/passes/test_rules.py."""

    @pytest.mark.parametrize("build", [at.softmax, lambda x: at.exp(x) / at.exp(x).sum(), lambda x: x - x, at.logsumexp,
                                       at.log_softmax])
    def test_nan_in_a_static_size_of_1(self, build):
        x = at.tensor("float64", (1,), name="x")
        assert np.isnan(gradc.function([x], build(x))(np.array([np.nan]))).all()


# 17. Sums that leave a loop: what is the same in every step is a term of one sum and a factor in another.


class TestSumsOfLoops:
    """tests/passes/test_scan.py."""

    @pytest.mark.parametrize("mode", MODES)
    def test_a_term_of_one_sum_is_a_factor_in_another(self, mode):
        x, k = at.dvector("x"), at.dscalar("k")
        (s, r), _ = gradc.scan(lambda x, s, r, k: (s + (x + k), r + x * k), x, [at.zeros(()), at.zeros(())], [k])
        values = np.array([1.0, 2.5, -0.5, 4.0])
        found = gradc.function([x, k], [s[-1], r[-1]], mode=mode)(values, 3.0)
        np.testing.assert_allclose(found, [(values + 3).sum(), (values * 3).sum()], rtol=1e-15)
