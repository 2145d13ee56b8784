"""`ir.special`: accuracy against mpmath over wide ranges, complex steps, special values."""

import mpmath
import numpy as np
import pytest

from gradc.ir import elementary, special, special_gamma


def form(name):
    """The NumPy form of a scalar function."""
    return getattr(special, name, None) or getattr(elementary, name)


def wide(rng):
    """Positive numbers from 1e-10 to 40."""
    return np.concatenate([rng.uniform(0, 3, 150), rng.uniform(0, 40, 150), 10.0 ** rng.uniform(-10, 1.5, 150)])


def line(rng):
    return np.concatenate([rng.uniform(-5, 5, 200), rng.uniform(-1, 1, 50) * 1e-3, rng.uniform(-26, 26, 100)])


def inverse_erfc(p):
    """The inverse of mpmath's erfc, by Newton's method on its logarithm from the asymptotic start."""
    y = mpmath.mpf(float(special.erfcinv(np.float64(p))))
    for _ in range(3):
        y += (mpmath.erfc(y) - p) * mpmath.sqrt(mpmath.pi) / 2 * mpmath.exp(y * y)
    return y


# name: (reference, sampler, bound in ulp)
ACCURACY = {
    "erf": (mpmath.erf, line, 2),
    "erfc": (mpmath.erfc, line, 4),
    "erfcx": (lambda x: mpmath.exp(x * x) * mpmath.erfc(x), line, 8),
    "log_erfc": (lambda x: mpmath.log(mpmath.erfc(x)), lambda rng: np.append(line(rng), rng.uniform(0, 1e4, 50)), 4),
    "erfinv": (mpmath.erfinv, lambda rng: np.append(rng.uniform(-1, 1, 80), 1 - 10.0 ** rng.uniform(-15, -1, 40)), 6),
    "erfcinv": (inverse_erfc, lambda rng: np.append(rng.uniform(0.01, 1.99, 80), 10.0 ** rng.uniform(-300, -1, 80)), 6),
    "gamma": (mpmath.gamma, wide, 8),
    "gammaln": (mpmath.loggamma, wide, 8),
    "psi": (mpmath.digamma, lambda rng: np.append(wide(rng), 1.4616321449683622 + rng.uniform(-1e-5, 1e-5, 50)), 6),
    "tri_gamma": (lambda x: mpmath.psi(1, x), lambda rng: np.append(wide(rng), -wide(rng)[:150]), 6),
    "sigmoid": (lambda x: 1 / (1 + mpmath.exp(-x)), line, 3),
    "softplus": (lambda x: mpmath.log1p(mpmath.exp(x)), line, 3),
    "log_cosh": (lambda x: mpmath.log1p(2 * mpmath.sinh(x / 2) ** 2),
                 lambda rng: np.append(line(rng), 10.0 ** rng.uniform(-99, 3, 80)), 4),
    "log1mexp": (lambda x: mpmath.log(-mpmath.expm1(x)), lambda rng: -wide(rng), 4),
}


@pytest.mark.parametrize("name", ACCURACY)
def test_accuracy(name):
    reference, sampler, bound = ACCURACY[name]
    mpmath.mp.prec = 220
    xs = sampler(np.random.default_rng(1))
    worst = 0.0
    for x, y in zip(xs, form(name)(xs)):
        exact = reference(mpmath.mpf(float(x)))
        if abs(exact) > 1e-300:
            worst = max(worst, float(abs(mpmath.mpf(float(y)) - exact) / np.spacing(abs(float(exact)))))
    assert worst <= bound


def test_polygamma_accuracy():
    for n in (0, 1, 2, 3, 8, 20):
        for x in (0.01, 0.3, 1.5, 3.3, 11.0, 50.0, 1e4, -0.5, -3.3):
            want = float(mpmath.psi(n, mpmath.mpf(x)))
            assert float(special_gamma.polygamma.numpy(np.float64(n), np.float64(x))) == pytest.approx(want, rel=4e-15)


@pytest.mark.parametrize("name", ["erf", "erfc", "erfcx", "gamma", "gammaln", "psi", "tri_gamma"])
def test_complex_step(name):
    reference = {"gammaln": lambda x: mpmath.log(abs(mpmath.gamma(x)))}.get(name, ACCURACY[name][0])
    xs = np.random.default_rng(2).uniform(-4.4, 5, 30)
    step = form(name)(xs + 1e-30j)
    np.testing.assert_allclose(step.real, form(name)(xs), rtol=1e-11)
    want = [float(mpmath.diff(reference, mpmath.mpf(float(x)))) for x in xs]
    np.testing.assert_allclose(step.imag / 1e-30, want, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", ["erfinv", "erfcinv"])
def test_complex_step_of_inverses(name):
    xs = np.random.default_rng(3).uniform(0.05, 0.95, 20)
    step = form(name)(xs + 1e-30j).imag / 1e-30
    y = form(name)(xs)
    np.testing.assert_allclose(step, (1 if name == "erfinv" else -1) * np.sqrt(np.pi) / 2 * np.exp(y * y), rtol=1e-12)


def test_special_values():
    inf, nan = np.inf, np.nan
    x = np.array([-inf, -1.0, -0.0, 0.0, inf, nan])
    with np.errstate(all="raise"):
        same = np.testing.assert_array_equal
        same(special.erf(x)[[0, 2, 3, 4, 5]], [-1, -0.0, 0, 1, nan])
        same(special.erfc(x)[[0, 2, 3, 4, 5]], [2, 1, 1, 0, nan])
        np.testing.assert_allclose(special.erfcx(x)[[0, 2, 3, 4, 5]], [inf, 1, 1, 0, nan], rtol=3e-16)
        same(special.erfinv(np.array([-2, -1, 0, 1, 2, nan])), [nan, -inf, 0, inf, nan, nan])
        same(special.erfcinv(np.array([-1, 0, 1, 2, 3, nan])), [nan, inf, 0, -inf, nan, nan])
        same(special.gamma(x), [nan, nan, -inf, inf, inf, nan])
        same(special.gammaln(x), [inf, inf, inf, inf, inf, nan])
        same(special.psi(x)[1:], [nan, inf, -inf, inf, nan])
        same(special.tri_gamma(x)[1:], [inf, inf, inf, 0, nan])
        same(special_gamma.polygamma.numpy(np.float64(2), x)[[2, 3, 4, 5]], [inf, -inf, 0, nan])


def test_results_keep_the_dtype():
    for name in (*ACCURACY, "xlogx"):
        for dtype in ("float32", "float64"):
            y = form(name)(np.array([-0.5, -0.25], dtype) if name == "log1mexp" else np.array([0.5], dtype))
            assert y.dtype == dtype, name


def test_no_scipy():
    source = open(special.__file__).read()
    assert "import scipy" not in source and "from scipy" not in source
