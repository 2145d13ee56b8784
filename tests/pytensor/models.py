"""Sixteen models as users of PyMC write them; data are simulated, but for the eight schools' (Rubin 1981)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt

MODELS: dict[str, Callable[[], pm.Model]] = {}


def model(make: Callable[[], None]) -> Callable[[], pm.Model]:
    """Register a function that states a model in the current context."""
    def built() -> pm.Model:
        with pm.Model() as made:
            make()
        return made

    MODELS[make.__name__] = built
    return built


def _rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


@model
def eight_schools() -> None:
    y = np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
    sigma = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])
    mu = pm.Normal("mu", 0, 5)
    tau = pm.HalfCauchy("tau", 5)
    z = pm.Normal("z", 0, 1, shape=8)
    pm.Normal("y", mu + tau * z, sigma, observed=y)


@model
def linear() -> None:
    rng = _rng(1)
    x = rng.normal(size=(200, 4))
    y = x @ [1.0, -0.5, 0.3, 0.0] + 0.7 + 0.5 * rng.normal(size=200)
    a = pm.Normal("a", 0, 10)
    b = pm.Normal("b", 0, 2, shape=4)
    s = pm.HalfNormal("s", 1)
    pm.Normal("y", a + x @ b, s, observed=y)


@model
def logistic() -> None:
    rng = _rng(2)
    x = rng.normal(size=(500, 5))
    y = (rng.random(500) < 1 / (1 + np.exp(-x @ [1.0, -1.0, 0.5, 0.0, 0.2]))).astype("int64")
    a = pm.Normal("a", 0, 2)
    b = pm.Normal("b", 0, 1, shape=5)
    pm.Bernoulli("y", logit_p=a + pt.dot(x, b), observed=y)


@model
def poisson() -> None:
    rng = _rng(3)
    x = rng.normal(size=(300, 3))
    y = rng.poisson(np.exp(0.5 + x @ [0.3, -0.2, 0.1]))
    a = pm.Normal("a", 0, 2)
    b = pm.Normal("b", 0, 1, shape=3)
    pm.Poisson("y", mu=pm.math.exp(a + pm.math.dot(x, b)), observed=y)


@model
def negative_binomial() -> None:
    rng = _rng(4)
    x = rng.normal(size=(400, 2))
    y = rng.negative_binomial(3, 3 / (3 + np.exp(1.0 + x @ [0.5, -0.3])))
    a = pm.Normal("a", 0, 2)
    b = pm.Normal("b", 0, 1, shape=2)
    alpha = pm.Exponential("alpha", 0.5)
    pm.NegativeBinomial("y", mu=pm.math.exp(a + pm.math.dot(x, b)), alpha=alpha, observed=y)


@model
def radon() -> None:
    rng = _rng(5)
    county = rng.integers(0, 85, 919)
    floor = (rng.random(919) < 0.2).astype(float)
    y = 1.5 + 0.3 * rng.normal(size=85)[county] - 0.7 * floor + 0.75 * rng.normal(size=919)
    mu_a = pm.Normal("mu_a", 0, 10)
    sigma_a = pm.HalfNormal("sigma_a", 1)
    z = pm.Normal("z", 0, 1, shape=85)
    b = pm.Normal("b", 0, 10)
    sigma = pm.Exponential("sigma", 1)
    a = pm.Deterministic("a", mu_a + sigma_a * z)
    pm.Normal("y", a[county] + b * floor, sigma, observed=y)


@model
def student_t() -> None:
    rng = _rng(6)
    x = rng.normal(size=100)
    y = 1 + 2 * x + 0.3 * rng.standard_t(3, size=100)
    a = pm.Normal("a", 0, 10)
    b = pm.Normal("b", 0, 10)
    s = pm.HalfNormal("s", 5)
    nu = pm.Gamma("nu", 2, 0.1)
    pm.StudentT("y", nu=nu, mu=a + b * x, sigma=s, observed=y)


@model
def stochastic_volatility() -> None:
    rng = _rng(7)
    r = 0.01 * rng.standard_t(5, size=400)
    step = pm.Exponential("step", 10)
    vol = pm.GaussianRandomWalk("vol", sigma=step, init_dist=pm.Normal.dist(0, 100), shape=400)
    nu = pm.Exponential("nu", 0.1)
    pm.StudentT("r", nu=nu, lam=pm.math.exp(-2 * vol), observed=r)


@model
def mixture() -> None:
    rng = _rng(8)
    y = np.concatenate([rng.normal(-2, 1, 150), rng.normal(1, 0.5, 200), rng.normal(4, 1, 150)])
    w = pm.Dirichlet("w", np.ones(3))
    mu = pm.Normal("mu", 0, 5, shape=3, transform=pm.distributions.transforms.ordered, initval=[-1.0, 0.0, 1.0])
    s = pm.HalfNormal("s", 2, shape=3)
    pm.NormalMixture("y", w=w, mu=mu, sigma=s, observed=y)


@model
def censored_weibull() -> None:
    rng = _rng(9)
    x = rng.normal(size=200)
    t = np.exp(1 + 0.5 * x) * rng.weibull(1.5, size=200)
    a = pm.Normal("a", 0, 5)
    b = pm.Normal("b", 0, 2)
    shape = pm.HalfNormal("shape", 2)
    pm.Censored("t", pm.Weibull.dist(shape, pm.math.exp(a + b * x)), lower=None, upper=4.0, observed=np.minimum(t, 4.0))


@model
def gaussian_process() -> None:
    rng = _rng(10)
    x = np.linspace(0, 5, 100)[:, None]
    y = np.sin(2 * x[:, 0]) + 0.2 * rng.normal(size=100)
    ls = pm.Gamma("ls", 2, 1)
    eta = pm.HalfNormal("eta", 2)
    sigma = pm.HalfNormal("sigma", 1)
    gp = pm.gp.Marginal(cov_func=eta**2 * pm.gp.cov.Matern52(1, ls))
    gp.marginal_likelihood("y", X=x, y=y, sigma=sigma)


@model
def kalman() -> None:
    rng = _rng(11)
    y = np.cumsum(0.3 * rng.normal(size=200)) + 0.5 * rng.normal(size=200)
    q = pm.HalfNormal("q", 1)
    r = pm.HalfNormal("r", 1)

    def step(y_t, m, p, q, r):  # type: ignore[no-untyped-def]
        p = p + q**2
        s = p + r**2
        k = p / s
        e = y_t - m
        return m + k * e, (1 - k) * p, -0.5 * (pt.log(2 * np.pi * s) + e**2 / s)

    zero, one = pt.as_tensor(np.float64(0.0)), pt.as_tensor(np.float64(1.0))
    _, _, terms = pytensor.scan(step, sequences=[pt.as_tensor(y)], outputs_info=[zero, one, None],
                                non_sequences=[q, r], return_updates=False)
    pm.Potential("y", terms.sum())


@model
def item_response() -> None:
    rng = _rng(12)
    person, item = np.repeat(np.arange(100), 20), np.tile(np.arange(20), 100)
    ability, difficulty = rng.normal(size=100), rng.normal(size=20)
    y = (rng.random(2000) < 1 / (1 + np.exp(difficulty[item] - ability[person]))).astype("int64")
    a = pm.Normal("ability", 0, 1, shape=100)
    d = pm.Normal("difficulty", 0, 2, shape=20)
    s = pm.LogNormal("discrimination", 0, 0.5, shape=20)
    pm.Bernoulli("y", logit_p=s[item] * (a[person] - d[item]), observed=y)


@model
def best() -> None:
    rng = _rng(13)
    a, b = 101 + rng.normal(size=47), 100 + rng.normal(size=42)
    mu = pm.Normal("mu", 100, 4, shape=2)
    s = pm.Uniform("s", 0.5, 10, shape=2)
    nu = pm.Exponential("nu", 1 / 29) + 1
    pm.StudentT("a", nu=nu, mu=mu[0], lam=s[0] ** -2, observed=a)
    pm.StudentT("b", nu=nu, mu=mu[1], lam=s[1] ** -2, observed=b)
    pm.Deterministic("effect", (mu[0] - mu[1]) / pt.sqrt((s[0] ** 2 + s[1] ** 2) / 2))


@model
def rugby() -> None:
    rng = _rng(14)
    home, away = (np.array(v) for v in zip(*[(i, j) for i in range(6) for j in range(6) if i != j]))
    home, away = np.tile(home, 4), np.tile(away, 4)
    points = rng.poisson(20, size=(2, len(home)))
    advantage = pm.Normal("home", 0, 1)
    intercept = pm.Normal("intercept", 3, 1)
    attack = pm.Normal("attack", 0, pm.HalfNormal("sd_attack", 1), shape=6)
    defence = pm.Normal("defence", 0, pm.HalfNormal("sd_defence", 1), shape=6)
    attack, defence = attack - attack.mean(), defence - defence.mean()
    pm.Poisson("home_points", pt.exp(intercept + advantage + attack[home] + defence[away]), observed=points[0])
    pm.Poisson("away_points", pt.exp(intercept + attack[away] + defence[home]), observed=points[1])


@model
def lkj_normal() -> None:
    rng = _rng(15)
    y = rng.multivariate_normal([0, 1, 2], [[1, 0.5, 0.2], [0.5, 2, 0.3], [0.2, 0.3, 1.5]], size=100)
    chol, _, _ = pm.LKJCholeskyCov("chol", n=3, eta=2.0, sd_dist=pm.Exponential.dist(1.0), compute_corr=True)
    mu = pm.Normal("mu", 0, 5, shape=3)
    pm.MvNormal("y", mu, chol=chol, observed=y)
