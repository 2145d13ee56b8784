"""Derivatives of draws by parameters: against quantiles at fixed probabilities (SciPy), and what expectations say."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
from scipy import special, stats

import gradc
import gradc.tensor as at
from gradc.errors import NullTypeGradError
from gradc.gradient import grad, hessian, jacobian
from gradc.tensor.random import RandomStream

# name -> (parameters, SciPy's frozen distribution of them)
CASES: dict[str, tuple[tuple[float, ...], Any]] = {
    "uniform": ((-1.0, 2.5), lambda a, b: stats.uniform(a, b - a)),
    "normal": ((0.5, 2.0), stats.norm),
    "lognormal": ((0.3, 0.7), lambda m, s: stats.lognorm(s, scale=np.exp(m))),
    "exponential": ((1.7,), lambda s: stats.expon(scale=s)),
    "gumbel": ((0.5, 2.0), stats.gumbel_r),
    "laplace": ((0.5, 2.0), stats.laplace),
    "logistic": ((0.5, 2.0), stats.logistic),
    "cauchy": ((0.5, 2.0), stats.cauchy),
    "halfnormal": ((0.5, 2.0), stats.halfnorm),
    "halfcauchy": ((0.5, 2.0), stats.halfcauchy),
    "weibull": ((1.6,), stats.weibull_min),
    "power": ((2.6,), stats.powerlaw),
    "pareto": ((2.6, 1.5), lambda b, s: stats.pareto(b, scale=s)),
    "rayleigh": ((1.5,), lambda s: stats.rayleigh(scale=s)),
    "triangular": ((-1.0, 0.5, 2.0), lambda a, m, b: stats.triang((m - a) / (b - a), a, b - a)),
    "wald": ((1.5, 2.5), lambda m, s: stats.invgauss(m / s, scale=s)),
    "truncexpon": ((1.5, 0.3, 2.0), stats.truncexpon),
    "standard_gamma": ((0.7,), stats.gamma),
    "gamma": ((2.7, 1.6), lambda a, r: stats.gamma(a, scale=1 / r)),
    "chisquare": ((3.5,), stats.chi2),
    "invgamma": ((2.7, 1.6), lambda a, s: stats.invgamma(a, scale=s)),
    "gengamma": ((2.7, 1.6, 0.8), lambda a, p, s: stats.gengamma(a / p, p, scale=s)),
    "beta": ((0.7, 2.6), stats.beta),
    "standard_t": ((3.5,), stats.t),
    "t": ((3.5, 0.4, 1.6), stats.t),
    "f": ((3.5, 5.5), stats.f),
}
P = 7


def gamma_slope(a: Any, x: Any) -> Any:
    inputs = at.dvectors("a", "x")
    return gradc.function(inputs, at.random.pathwise.gamma_slope(*inputs))(a, x)


def beta_slope(a: Any, b: Any, x: Any) -> Any:
    inputs = at.dvectors("a", "b", "x")
    return gradc.function(inputs, at.random.pathwise.beta_slope(*inputs, 1 - inputs[2]))(a, b, x)


@pytest.mark.parametrize("name", CASES)
def test_draws_move_as_quantiles_do(name: str) -> None:
    """dx/dp at the probability F(x), by central differences of sixth order of SciPy's quantiles; Rop agrees."""
    args, frozen = CASES[name]
    inputs = [at.dscalar() for _ in args]
    x = getattr(at.random, name)(*inputs, size=P, rng=np.random.default_rng(5))
    slopes = [gradc.Rop(x, p, at.ones(())) for p in inputs]
    weights = np.arange(1.0, P + 1)
    f = gradc.function(inputs, [x, *slopes, *grad((x * weights).sum(), inputs)])
    assert f.info["mode"] == "c"
    draws, *found = f(*args)
    at_p = frozen(*args).cdf(draws), frozen(*args).sf(draws)
    for k, p in enumerate(args):
        h, want = 1e-3 * abs(p), 0.0
        for step, weight in ((1, 45), (2, -9), (3, 1)):
            for sign in (-1, 1):
                moved = frozen(*args[:k], p + sign * step * h, *args[k + 1:])
                want = want + sign * weight * np.where(at_p[0] < 0.5, moved.ppf(at_p[0]), moved.isf(at_p[1]))
        want = want / (60 * h)
        np.testing.assert_allclose(found[k], want, rtol=2e-7, atol=1e-9, err_msg=f"{name}, parameter {k}")
        np.testing.assert_allclose(found[len(args) + k], weights @ want, rtol=2e-7, atol=1e-8)


def test_parameters_that_are_broadcast_and_of_other_dtypes() -> None:
    a, b = at.TensorType("float32", (None, 1))("a"), at.dvector("b")
    x = at.random.gamma(a, b, size=(2, 2, 3), rng=np.random.default_rng(5))
    ga, gb = grad((x ** 2).sum(), [a, b])
    assert ga.dtype == "float32" and gb.dtype == "float64" and ga.ndim == 2
    values = [np.array([[0.5], [2.5]], "float32"), np.array([1.0, 2.0, 3.0])]
    draws, by_a, by_b = gradc.function([a, b], [x, ga, gb])(*values)
    g = draws * values[1]
    shapes = np.broadcast_to(values[0].astype("float64"), draws.shape)
    slope = gamma_slope(shapes.ravel(), g.ravel())
    np.testing.assert_allclose(by_a, (2 * draws * slope.reshape(g.shape) / values[1]).sum((0, 2))[:, None], rtol=1e-5)
    np.testing.assert_allclose(by_b, (-2 * draws * draws / values[1]).sum((0, 1)), rtol=1e-10)


@pytest.mark.parametrize("a", [1e-4, 0.05, 1.0, 7.5, 300.0, 19000.0, 21000.0])
def test_slopes_of_gamma_quantiles(a: float) -> None:
    """The bound of the docstring, against mpmath, from the lower tail to the upper."""
    x = special.gammaincinv(a, np.array([1e-6, 0.1, 0.6, 0.99, 1 - 1e-9]))
    x = x[x > 0]
    found = gamma_slope(np.full_like(x, a), x)
    with mpmath.workdps(40):
        for value, point in zip(found, x):
            t, h = mpmath.mpf(float(point)), mpmath.mpf(a) * mpmath.mpf(10) ** -12
            upper = point > a

            def part(s: Any, t: Any = t, upper: bool = upper) -> Any:
                return -mpmath.gammainc(s, t, mpmath.inf, True) if upper else mpmath.gammainc(s, 0, t, True)
            by_a = (part(a + h) - part(a - h)) / (2 * h)
            density = mpmath.exp((a - 1) * mpmath.log(t) - t - mpmath.loggamma(a))
            assert value == pytest.approx(float(-by_a / density), rel=1e-11)


@pytest.mark.parametrize("a,b", [(0.02, 0.5), (0.5, 0.02), (1.0, 1.0), (3.0, 400.0), (500.0, 2.0), (60.0, 80.0)])
def test_slopes_of_beta_quantiles(a: float, b: float) -> None:
    x = special.betaincinv(a, b, np.array([1e-6, 0.1, 0.6, 0.99]))
    x = x[(x > 0) & (x < 1)]
    found = beta_slope(np.full_like(x, a), np.full_like(x, b), x)
    with mpmath.workdps(40):
        for value, point in zip(found, x):
            t, h = mpmath.mpf(float(point)), mpmath.mpf(a) * mpmath.mpf(10) ** -12
            upper = point > (a + 1) / (a + b + 2)

            def part(s: Any, t: Any = t, upper: bool = upper) -> Any:
                return -mpmath.betainc(b, s, 0, 1 - t, True) if upper else mpmath.betainc(s, b, 0, t, True)
            by_a = (part(a + h) - part(a - h)) / (2 * h)
            density = t ** (a - 1) * (1 - t) ** (b - 1) / mpmath.beta(a, b)
            assert value == pytest.approx(float(-by_a / density), rel=1e-11)


def test_slopes_at_the_ends() -> None:
    np.testing.assert_array_equal(gamma_slope([0.5, 3.0, np.nan, -1.0], [0.0, 0.0, 1.0, 1.0]), [0, 0, np.nan, np.nan])
    np.testing.assert_array_equal(beta_slope([0.5, 0.5, 3.0, -1], [2, 2, 0.5, 2], [0, 1, 1, 0.5]), [0, 0, 0, np.nan])


def test_gradients_of_expectations_of_vectors() -> None:
    """Of quadratic functions of dirichlet numbers, whose expectations are known: within 5 standard errors."""
    alpha, weights = at.dvector("alpha"), np.array([1.0, -2.0, 0.5])
    x = at.random.dirichlet(alpha, 40_000, rng=np.random.default_rng(5))
    each = (x * weights).sum(1) ** 2
    f = gradc.function([alpha], [grad(each.mean(), alpha), jacobian(each[:200], alpha).std(0)])
    at_alpha = np.array([0.4, 1.5, 3.0])

    def expected(a: np.ndarray) -> Any:
        total = a.sum()
        second = (np.outer(a, a) + np.diag(a)) / (total * (total + 1))
        return weights @ second @ weights
    found, spread = f(at_alpha)
    want = [(expected(at_alpha + 1e-5 * e) - expected(at_alpha - 1e-5 * e)) / 2e-5 for e in np.eye(3)]
    assert (np.abs(found - want) < 5 * spread / 200 + 1e-9).all()


def test_a_dirichlet_number_of_one_element_does_not_move() -> None:
    alpha = at.fvector()
    x = at.random.dirichlet(alpha, 3, rng=np.random.default_rng(5))
    f = gradc.function([alpha], grad((x ** 2).sum(), alpha))
    value = f(np.ones(1, "float32"))
    assert value.dtype == "float32" and value == 0


@pytest.mark.parametrize("batched", [False, True])
def test_multivariate_normal_moves_as_its_cholesky_factor(batched: bool) -> None:
    """By that method the derivative is that of NumPy's own numbers; of the others it has the same expectation."""
    mean, cov = at.dvector("mean"), at.dtensor3("cov") if batched else at.dmatrix("cov")
    base = np.array([[2, 0.5, 0.1], [0.5, 1, 0.2], [0.1, 0.2, 0.7]])
    sigma = np.stack([base, 2 * base]) if batched else base
    size = (2,) if batched else (4,)
    x = at.random.multivariate_normal(mean, cov, size, method="cholesky", rng=np.random.default_rng(5))
    weights = np.arange(1.0, 3 * size[0] + 1).reshape(*size, 3)
    gm, gc = gradc.function([mean, cov], grad((at.sin(x) * weights).sum(), [mean, cov]))(np.zeros(3), sigma)
    z = np.random.default_rng(5).standard_normal((*size, 3))

    def value(m: Any, s: Any) -> Any:
        made = m + np.einsum("...ij,...j->...i", np.linalg.cholesky(s), z)
        return (np.sin(made) * weights).sum()
    np.testing.assert_allclose(gm, [(value(1e-6 * e, sigma) - value(-1e-6 * e, sigma)) / 2e-6 for e in np.eye(3)],
                               rtol=1e-7)
    rng = np.random.default_rng(1)
    for _ in range(3):
        d = rng.normal(size=sigma.shape)
        d = d + np.swapaxes(d, -1, -2)
        slope = (value(0, sigma + 1e-6 * d) - value(0, sigma - 1e-6 * d)) / 2e-6
        np.testing.assert_allclose((gc * d).sum(), slope, rtol=1e-6)


def test_the_expectation_of_a_square_by_the_covariance() -> None:
    """d E[(w x)^2] / d cov = w w^T, drawn by the singular values."""
    cov, w = at.dmatrix("cov"), np.array([1.0, -2.0])
    x = at.random.multivariate_normal(np.zeros(2), cov, 100_000, rng=np.random.default_rng(5))
    found = gradc.function([cov], grad(((x * w).sum(1) ** 2).mean(), cov))(np.array([[2.0, 0.3], [0.3, 1.0]]))
    np.testing.assert_allclose(found + found.T, 2 * np.outer(w, w), atol=0.15)


def test_second_derivatives() -> None:
    mu, s, a = at.dscalars("mu", "s", "a")
    x = at.random.normal(mu, s, 5, rng=np.random.default_rng(5))
    z = np.random.default_rng(5).standard_normal(5)
    second = gradc.function([mu, s], hessian(at.sin(x).sum(), [mu, s]))
    first, other = second(0.3, 1.5)
    np.testing.assert_allclose([first, other], [-np.sin(0.3 + 1.5 * z).sum(), -(z ** 2 * np.sin(0.3 + 1.5 * z)).sum()],
                               rtol=1e-12)
    y = at.random.gamma(a, s, 5, rng=np.random.default_rng(5))
    by_a = grad(y.sum(), a)
    mixed = gradc.function([a, s], [by_a, grad(by_a, s)])
    value, found = mixed(2.5, 1.5)
    assert found == pytest.approx(-value / 1.5, rel=1e-10)          # y is a standard number divided by s
    draws = gradc.function([a, s], y)(2.5, 1.5)
    at_p, h = stats.gamma.cdf(draws, 2.5, scale=1 / 1.5), 1e-2
    moved = [stats.gamma.ppf(at_p, 2.5 + k * h, scale=1 / 1.5).sum() for k in range(-3, 4)]
    want = np.dot([2, -27, 270, -490, 270, -27, 2], moved) / (180 * h * h)
    assert gradc.function([a, s], grad(by_a, a))(2.5, 1.5) == pytest.approx(want, rel=1e-6)


def test_in_a_loop_and_under_vectorize() -> None:
    """An autoregression whose noise is learned: the derivative by its scale, through 20 steps."""
    s, stream = at.dscalar("s"), RandomStream(3)
    hs, _ = gradc.scan(lambda h, s: 0.9 * h + stream.normal(0.0, s), outputs_info=[at.zeros(())], non_sequences=s,
                       n_steps=20)
    f = gradc.function([s], [hs[-1], grad(hs[-1] ** 2, s)], no_default_updates=True)
    last, slope = f(0.5)
    assert slope == pytest.approx(2 * last * last / 0.5, rel=1e-12)
    v = at.dvector("v")
    rows = gradc.vectorize(lambda s: at.random.gamma(s, 1.0, rng=gradc.shared(np.random.default_rng(2))))(v)
    draws, slopes = gradc.function([v], [rows, grad(rows.sum(), v)])(np.array([0.5, 2.5]))
    np.testing.assert_allclose(slopes, gamma_slope([0.5, 2.5], draws), rtol=1e-12)


def test_what_has_no_derivative() -> None:
    p = at.dscalar("p")
    with pytest.raises(NullTypeGradError, match="draws of vonmises have no gradient by its parameters"):
        grad(at.random.vonmises(0.0, p), p)
    with pytest.raises(NullTypeGradError, match="draws of poisson have no gradient by its parameters"):
        grad(at.random.poisson(p, dtype="float64"), p)
