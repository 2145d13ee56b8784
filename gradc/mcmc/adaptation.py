"""What a chain learns while it is tuned: its step size, and the scales of its coordinates.

The step size is found by dual averaging (Hoffman and Gelman, JMLR 15 (2014), section 3.2, with their constants).  The
scales are the diagonal of the inverse mass matrix: the square root of the ratio of the variances of positions and of
gradients, coordinate by coordinate, which minimises the Fisher divergence of a normal approximation (as nutpie does;
for a normal density with independent coordinates it is the variance).  Tuning runs in windows as Stan's: a first
phase for the step size alone, windows of doubling length at whose ends the scales are replaced, and a last phase.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gradc import tensor as aet
from gradc.mcmc.trajectory import Point, f64

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

SHRINKAGE, DELAY, DECAY = 0.05, 10.0, 0.75      # gamma, t0, kappa of dual averaging
FEWEST = 10                                     # draws that tell scales
LEAST, MOST = 1e-20, 1e20                       # of scales: where a gradient or a coordinate does not vary


class Flags(NamedTuple):
    """What happens after which draw; bool, a value for each draw of a run."""

    tuning: np.ndarray          # the step size is adapted
    learning: np.ndarray        # positions and gradients count for the scales
    renewing: np.ndarray        # a window ends: the scales are replaced


def schedule(tune: int, draws: int, first: int = 75, last: int = 50, window: int = 25) -> Flags:
    """Stan's windows for `tune` draws; under 150 they take 15, 75 and 10 % of them.  Under 10 draws tell no scales."""
    if tune < first + last + window:
        first, last = int(0.15 * tune), int(0.1 * tune)
        window = tune - first - last
    flags = Flags(*(np.zeros(tune + draws, dtype=bool) for _ in range(3)))
    flags.tuning[:tune] = True
    end = tune - last
    flags.learning[first:end] = True
    at = first
    while window >= FEWEST and at < end:
        at = at + window if at + 3 * window <= end else end
        flags.renewing[at - 1] = True
        window *= 2
    return flags


class StepSize(NamedTuple):
    """State of dual averaging; logarithms of step sizes."""

    log_step: TensorVariable        # tried next
    log_average: TensorVariable     # what is used once tuning is done
    error: TensorVariable           # mean of target - acceptance
    n: TensorVariable
    centre: TensorVariable          # towards which `log_step` shrinks


class Moments(NamedTuple):
    """Numbers, means and sums of squared differences of positions and gradients since the window's begin (Welford)."""

    n: TensorVariable
    q_mean: TensorVariable
    q_squares: TensorVariable
    slope_mean: TensorVariable
    slope_squares: TensorVariable


def first_step_size(step: float) -> list[np.ndarray]:
    return [np.asarray(v, dtype="float64") for v in (np.log(step), np.log(step), 0.0, 0.0, np.log(10 * step))]


def no_moments(size: int) -> list[np.ndarray]:
    return [np.zeros(()), *(np.zeros(size) for _ in range(4))]


def adapted(at: StepSize, accept: TensorVariable, target: float) -> StepSize:
    """After a trajectory with this mean probability of acceptance."""
    count = at.n + 1
    eta = 1 / (count + DELAY)
    error = (1 - eta) * at.error + eta * (target - accept)
    log_step = at.centre - aet.sqrt(count) / SHRINKAGE * error
    share = count ** -DECAY
    return StepSize(log_step, share * log_step + (1 - share) * at.log_average, error, count, at.centre)


def begun_again(at: StepSize) -> StepSize:
    """For new scales: from the average that was found for the last ones."""
    return StepSize(at.log_average, at.log_average, f64(0), f64(0), at.log_average + np.log(10.0))


def seen(at: Moments, point: Point) -> Moments:
    count = at.n + 1

    def more(mean: TensorVariable, squares: TensorVariable, x: TensorVariable) -> tuple[TensorVariable, TensorVariable]:
        new = mean + (x - mean) / count
        return new, squares + (x - mean) * (x - new)

    return Moments(count, *more(at.q_mean, at.q_squares, point.q), *more(at.slope_mean, at.slope_squares, point.slope))


def learnt_scales(at: Moments) -> TensorVariable:
    ratio = aet.sqrt(at.q_squares / at.slope_squares)
    return aet.clip(aet.switch(aet.isnan(ratio), 1.0, ratio), LEAST, MOST)
