"""`gradc.mcmc`: moments of known densities, the same draws on any number of threads, interrupts, bad input."""

from __future__ import annotations

import _thread
import threading
import warnings
from typing import Any

import numpy as np
import pytest
import scipy.stats

import gradc
import gradc.mcmc
from gradc import tensor as aet
from gradc.errors import BadArgumentError, GradcError
from gradc.mcmc.adaptation import schedule

SPREAD = np.array([0.5, 2.0, 8.0])
RNG = np.random.default_rng(0)
FEATURES = RNG.normal(size=(60, 2))
LABELS = (RNG.uniform(size=60) < 1 / (1 + np.exp(-FEATURES @ [1.0, -2.0]))).astype("float64")


def normal(x: Any) -> Any:
    return -0.5 * ((x / SPREAD) ** 2).sum()


def logistic(w: Any) -> Any:
    margin = aet.dot(FEATURES, w)
    return (LABELS * margin - aet.softplus(margin)).sum() - 0.5 * (w ** 2).sum()


@pytest.fixture(scope="module")
def drawn() -> gradc.mcmc.Draws:
    """Of a normal density; its compiled kernel serves the other tests, whose options differ."""
    return gradc.mcmc.nuts(normal, {"x": np.zeros(3)}, draws=2000, tune=500, chains=2, seed=5)


def effective(x: np.ndarray) -> float:
    """Number of independent draws that tell the mean as well as the chains of x (chains, draws): by batches of 40."""
    means = x.reshape(len(x), -1, 40).mean(axis=2)
    return float(x.var() / means.var() * means.size)


def test_moments_are_those_of_a_normal_density(drawn: gradc.mcmc.Draws) -> None:
    x = drawn["x"]
    assert x.shape == (2, 2000, 3)
    for k, spread in enumerate(SPREAD):
        n = effective(x[:, :, k])
        assert n > 1000
        assert abs(x[:, :, k].mean()) < 4.5 * spread / n ** 0.5
        assert abs(x[:, :, k].std() / spread - 1) < 4.5 / (2 * min(n, effective(x[:, :, k] ** 2))) ** 0.5
    thinned = (x[:, ::5] / SPREAD).reshape(-1)
    assert scipy.stats.kstest(thinned, "norm").pvalue > 1e-3
    assert np.allclose(drawn.scales, SPREAD ** 2, rtol=1e-6)
    assert (drawn.stats["lp"] == -0.5 * ((x / SPREAD) ** 2).sum(axis=2)).all() or \
        np.allclose(drawn.stats["lp"], -0.5 * ((x / SPREAD) ** 2).sum(axis=2), rtol=1e-13)


def test_energies_are_consistent(drawn: gradc.mcmc.Draws) -> None:
    """Energy is kinetic plus potential: of 3 coordinates, with mean 3 over the draws; kinetic energies are positive."""
    kinetic = drawn.stats["energy"] + drawn.stats["lp"]
    assert (kinetic > 0).all()
    assert abs(drawn.stats["energy"].mean() - 3) < 0.3
    assert 0.7 < drawn.stats["accept"].mean() < 0.95
    depth, steps = drawn.stats["depth"], drawn.stats["steps"]
    assert (steps <= 2 ** depth - 1).all()
    assert (steps >= 2 ** (depth - 1)).all()


def test_draws_do_not_depend_on_threads_and_do_on_the_seed(drawn: gradc.mcmc.Draws) -> None:
    options: dict[str, Any] = dict(draws=100, tune=50, chains=3)
    one = gradc.mcmc.nuts(normal, {"x": np.zeros(3)}, seed=1, threads=1, **options)
    two = gradc.mcmc.nuts(normal, {"x": np.zeros(3)}, seed=1, threads=3, **options)
    other = gradc.mcmc.nuts(normal, {"x": np.zeros(3)}, seed=2, **options)
    assert (one["x"] == two["x"]).all()
    assert (one["x"] != other["x"]).all()
    assert (one["x"][0] != one["x"][1]).all()


def test_posterior_of_an_expression_agrees_with_its_grid() -> None:
    """Two coefficients of a logistic regression: means and deviations by sums over a grid."""
    w = aet.dvector("w")
    got = gradc.mcmc.nuts(logistic(w), {w: np.zeros(2)}, draws=1600, tune=500, chains=2, seed=0)["w"]
    axis = np.linspace(-4, 4, 101)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1)
    margin = grid @ FEATURES.T
    logp = (LABELS * margin - np.logaddexp(0, margin)).sum(-1) - 0.5 * (grid ** 2).sum(-1)
    share = np.exp(logp - logp.max())
    share /= share.sum()
    mean = (share[..., None] * grid).sum((0, 1))
    spread = (share[..., None] * (grid - mean) ** 2).sum((0, 1)) ** 0.5
    for k in range(2):
        n = effective(got[:, :, k])
        assert abs(got[:, :, k].mean() - mean[k]) < 4.5 * spread[k] / n ** 0.5
        assert abs(got[:, :, k].std() / spread[k] - 1) < 0.15


def test_hmc_has_the_same_density() -> None:
    """Of parameters of several shapes, one of them the logarithm of a positive number: Gamma(3), scale 1."""
    def logp(a: Any, log_rate: Any) -> Any:
        return -0.5 * (a ** 2).sum() + 3 * log_rate - aet.exp(log_rate)

    found = gradc.mcmc.hmc(logp, {"a": np.zeros((2, 2)), "log_rate": 0.0}, draws=2000, tune=400, chains=2, seed=4)
    assert found["a"].shape == (2, 2000, 2, 2)
    assert found["log_rate"].shape == (2, 2000)
    rate = np.exp(found["log_rate"])
    assert abs(rate.mean() - 3) < 4.5 * (3 / effective(rate)) ** 0.5
    assert scipy.stats.kstest(rate[:, ::10].ravel(), scipy.stats.gamma(3).cdf).pvalue > 1e-3
    assert (found.stats["steps"] >= 1).all()
    assert (found.stats["depth"] == 0).all()


def test_one_number_is_sampled() -> None:
    found = gradc.mcmc.nuts(lambda height: -(height - 3) ** 2 / 2, {"height": 0.0}, tune=300, chains=2, seed=0)
    assert abs(found["height"].mean() - 3) < 4.5 / effective(found["height"]) ** 0.5


def test_scales_follow_the_windows() -> None:
    flags = schedule(1000, 10)
    assert flags.tuning.sum() == 1000
    assert (np.flatnonzero(flags.renewing) + 1).tolist() == [100, 150, 250, 450, 950]
    assert np.flatnonzero(flags.learning).tolist() == list(range(75, 950))
    for tune in (0, 1, 7, 20, 149, 150):
        short = schedule(tune, 5)
        assert short.tuning.size == tune + 5
        assert not short.renewing[tune:].any()
        assert short.renewing.sum() == (tune >= 20)


def test_a_chain_that_diverges_is_warned_of() -> None:
    """A funnel, with steps that tuning has had no time to shorten."""
    def funnel(v: Any, x: Any) -> Any:
        return -v ** 2 / 18 - 0.5 * (x ** 2).sum() * aet.exp(-v) - 2 * v

    start = {"v": 0.0, "x": np.zeros(4)}
    with pytest.warns(gradc.mcmc.SamplingWarning, match=r"nuts: \d+ of 300 trajectories diverged.*target_accept"):
        found = gradc.mcmc.nuts(funnel, start, draws=300, tune=0, chains=1, seed=1, step_size=2.0)
    assert found.diverging == found.stats["diverging"].sum() > 0


def test_an_interrupt_keeps_what_was_drawn(drawn: gradc.mcmc.Draws) -> None:
    timer = threading.Timer(0.5, _thread.interrupt_main)
    timer.start()
    with pytest.warns(gradc.mcmc.SamplingWarning, match="was interrupted"):
        found = gradc.mcmc.nuts(normal, {"x": np.zeros(3)}, draws=100_000_000, tune=100, chains=2, seed=0, threads=2)
    assert 0 < found.draws < 100_000_000
    again = gradc.mcmc.nuts(normal, {"x": np.zeros(3)}, draws=50, tune=100, chains=2, seed=0)
    assert (found["x"][:, :50] == again["x"]).all()


@pytest.mark.parametrize("logp, init, options, error, words", [
    (normal, {}, {}, BadArgumentError, "starting point is a dict"),
    (normal, {"y": np.zeros(3)}, {}, BadArgumentError, "called with the names of the starting point, y"),
    (normal, {"x": [np.nan, 0, 0]}, {}, BadArgumentError, "finite real numbers"),
    (normal, {"x": "abc"}, {}, BadArgumentError, "finite real numbers, got 'abc' for 'x'"),
    (normal, {3: 0.0}, {}, BadArgumentError, "names or variables, got 3"),
    ("abc", {"x": 0.0}, {}, BadArgumentError, "scalar expression"),
    (lambda x: x ** 2, {"x": np.zeros(3)}, {}, BadArgumentError, "the log density is a scalar"),
    (lambda x: 3.0, {"x": 0.0}, {}, BadArgumentError, "the log density is a scalar"),
    (lambda x: aet.log(x), {"x": -5.0}, {}, ValueError, r"log density is (nan|-inf) where chain 0 begins"),
    (normal, {"x": np.zeros(3)}, {"draws": 0}, GradcError, "draws"),
    (normal, {"x": np.zeros(3)}, {"tune": -1}, GradcError, "tune"),
    (normal, {"x": np.zeros(3)}, {"chains": 0}, GradcError, "chains"),
    (normal, {"x": np.zeros(3)}, {"target_accept": 1.0}, BadArgumentError, r"probability in \(0, 1\)"),
    (normal, {"x": np.zeros(3)}, {"max_depth": 21}, BadArgumentError, "at most 20"),
    (normal, {"x": np.zeros(3)}, {"step_size": 0}, BadArgumentError, "step_size is a positive number"),
    (normal, {"x": np.zeros(3)}, {"jitter": -1}, BadArgumentError, "jitter is a positive number"),
    (normal, {"x": np.zeros(3)}, {"threads": 0}, GradcError, "threads"),
    (normal, {"x": np.zeros(0)}, {}, BadArgumentError, "no elements"),
])
def test_bad_input(logp: Any, init: Any, options: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        gradc.mcmc.nuts(logp, init, **options)


def test_the_result_is_a_mapping_with_a_table(drawn: gradc.mcmc.Draws) -> None:
    assert list(drawn) == ["x"]
    assert repr(drawn) == "Draws(2000 draws of 2 chains: x[3]; 0 diverging)"
    table = str(drawn).splitlines()
    assert table[2].split()[0] == "x[0]"
    assert float(table[3].split()[2]) == pytest.approx(drawn["x"][:, :, 1].std(), rel=1e-3)


def test_progress_is_one_line(drawn: gradc.mcmc.Draws, capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gradc.mcmc.nuts(normal, {"x": np.zeros(3)}, draws=50, tune=50, chains=2, seed=1, progress=True)
        shown = capsys.readouterr().err
        gradc.mcmc.nuts(normal, {"x": np.zeros(3)}, draws=50, tune=50, chains=2, seed=1)
    assert shown.endswith("\rnuts: 200 of 200 draws, 0 diverging\n")
    assert not capsys.readouterr().err
