"""Sixteen models of PyMC: log density and gradient by gradc against PyTensor's own Python."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("pymc", reason="`make test-pytensor` has it")

import pymc as pm

import gradc.interop.pytensor  # noqa: F401
from tests.pytensor.models import MODELS


@pytest.mark.parametrize("name", MODELS)
def test_log_density_and_gradient(name: str) -> None:
    model = MODELS[name]()
    rng = np.random.default_rng(0)
    point = {k: v + 0.05 * rng.normal(size=np.shape(v)) for k, v in model.initial_point().items()}
    outputs = [model.logp(), model.dlogp()]
    ours = model.compile_fn(outputs, mode="GRADC")(point)
    theirs = model.compile_fn(outputs, mode="FAST_COMPILE")(point)
    for a, b in zip(ours, theirs):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10 * np.abs(b).max())


@pytest.mark.parametrize("name", ["linear", "mixture", "lkj_normal", "negative_binomial", "censored_weibull"])
def test_prior_draws_are_pymcs(name: str) -> None:
    with MODELS[name]():
        ours = pm.sample_prior_predictive(5, random_seed=3, compile_kwargs={"mode": "GRADC"}).prior
        theirs = pm.sample_prior_predictive(5, random_seed=3, compile_kwargs={"mode": "FAST_COMPILE"}).prior
    for key in theirs:
        np.testing.assert_allclose(ours[key].values, theirs[key].values, rtol=1e-9)


def test_sampling_and_prediction() -> None:
    with MODELS["linear"]():
        trace = pm.sample(200, tune=300, chains=2, cores=2, progressbar=False, random_seed=1,
                          compile_kwargs={"mode": "GRADC"})
        seen = pm.sample_posterior_predictive(trace, progressbar=False, random_seed=2,
                                              compile_kwargs={"mode": "GRADC"})
    means = trace.posterior["b"].mean(("chain", "draw")).values
    np.testing.assert_allclose(means, [1.0, -0.5, 0.3, 0.0], atol=0.15)
    assert seen.posterior_predictive["y"].shape == (2, 200, 200)


def test_data_may_change_size() -> None:
    with pm.Model() as model:
        x = pm.Data("x", np.arange(5.0))
        b = pm.Normal("b")
        pm.Normal("y", b * x, 1, observed=pm.Data("seen", np.arange(5.0)))
        density = model.compile_fn(model.logp(), mode="GRADC")
        one = -0.5 - 0.5 * np.log(2 * np.pi)
        for n in (5, 7):
            pm.set_data({"x": np.arange(float(n)), "seen": np.arange(float(n))})
            np.testing.assert_allclose(density({"b": 1.0}), one - n * 0.5 * np.log(2 * np.pi), rtol=1e-12)


def test_points_where_the_density_is_zero_or_unknown() -> None:
    with pm.Model() as model:
        pm.HalfNormal("s", 1, default_transform=None)
    outputs = [model.logp(), model.dlogp()]
    ours, theirs = (model.compile_fn(outputs, mode=mode) for mode in ("GRADC", "FAST_COMPILE"))
    assert ours({"s": -1.0})[0] == -np.inf
    for value in (-1.0, 0.0, np.inf, np.nan):
        np.testing.assert_allclose(ours({"s": value})[0], theirs({"s": value})[0])
