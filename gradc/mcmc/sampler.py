"""`nuts` and `hmc`: the kernel of a chain, chains on threads, progress and interrupts."""

from __future__ import annotations

import sys
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from gradc import function, get_num_threads, scan, shared
from gradc import tensor as aet
from gradc.errors import BadArgumentError, GradcWarning, at, quoted, user_line
from gradc.mcmc.adaptation import (
    Flags,
    Moments,
    StepSize,
    adapted,
    begun_again,
    first_step_size,
    learnt_scales,
    no_moments,
    schedule,
    seen,
)
from gradc.mcmc.density import Density, LogDensity, Start
from gradc.mcmc.draws import Draws
from gradc.mcmc.trajectory import Point, Potential, Transition, chosen, hmc_transition, nuts_transition
from gradc.tensor.checks import python_integer
from gradc.tensor.random.utils import RandomStream, Seed

if TYPE_CHECKING:
    from gradc.compile.callable import Function
    from gradc.tensor.variable import TensorVariable

STATS = ("lp", "energy", "accept", "steps", "depth", "diverging", "step_size")
BLOCK_SECONDS = 0.1     # of one call of the kernel: how often progress is shown and an interrupt is seen
TRIES = 100             # for a starting point with a finite density

Move: TypeAlias = "Callable[[RandomStream, Potential, Point, TensorVariable, TensorVariable], Transition]"


class SamplingWarning(GradcWarning):
    """Draws that may not represent the density: trajectories diverged, or sampling was interrupted."""


def nuts(logp: LogDensity, init: Start, draws: int = 1000, tune: int = 1000, chains: int = 4, seed: Seed = None, *,
         target_accept: float = 0.8, max_depth: int = 10, jitter: float = 1.0, step_size: float | None = None,
         threads: int | None = None, progress: bool | None = None) -> Draws:
    """Draws from a density by the No-U-Turn sampler, whose whole chain is one compiled function.

    logp           log density up to a constant: a scalar expression of variables, or a function of parameters that
                   returns one.  Parameters range over all real numbers: write a positive one as the exponential of its
                   logarithm, and add the logarithm of that derivative to `logp`
    init           dict from parameters to starting values, which say their shapes: the variables of the expression, or
                   the function's parameters by name
    draws, tune    of each chain: kept; thrown away, while step size and scales are found
    chains         independent ones; chain k has the seed SeedSequence(seed).spawn(chains)[k]
    target_accept  mean probability of acceptance that the step size is tuned for, in (0, 1)
    max_depth      a trajectory has at most 2**max_depth - 1 steps
    jitter         starting values are moved by up to so much, uniformly, each coordinate and chain by itself
    step_size      the first one; default: 0.25 / size**0.25
    threads        chains at a time; default: the threads of compiled functions.  Draws do not depend on it
    progress       a line that tells how far it is, on stderr; default: if that is a terminal and it takes over a second

    An interrupt (Ctrl-C) ends sampling after what is being computed: what has been drawn is returned, with a warning,
    or KeyboardInterrupt raised if all chains were still being tuned.
    Sources: see `gradc.mcmc.trajectory` and `gradc.mcmc.adaptation`.
    Raises: BadArgumentError for a density that is no scalar, a starting value that is not finite, options out of range;
    ValueError where the density is not finite at any of 100 starting points.
    """
    who = "nuts"
    deepest = python_integer(max_depth, who, "max_depth", 1)
    if deepest > 20:
        raise BadArgumentError(f"nuts: max_depth is at most 20, a million steps, got {max_depth}{at(user_line())}")
    options = _Options(who, draws, tune, chains, target_accept, jitter, step_size, threads, progress)

    def move(stream: RandomStream, potential: Potential, point: Point, step: TensorVariable,
             scales: TensorVariable) -> Transition:
        return nuts_transition(stream, potential, point, step, scales, deepest)

    return _sampled(options, move, Density(logp, init), seed)


def hmc(logp: LogDensity, init: Start, draws: int = 1000, tune: int = 1000, chains: int = 4, seed: Seed = None, *,
        path_length: float = 2.0, max_steps: int = 1024, target_accept: float = 0.8, jitter: float = 1.0,
        step_size: float | None = None, threads: int | None = None, progress: bool | None = None) -> Draws:
    """Draws from a density by Hamiltonian Monte Carlo: trajectories of random length, `path_length` on average.

    path_length    in units of the scales that tuning finds, of the order of a standard deviation; drawn uniformly from
                   0 to twice that, so that no period of the density can meet it (Bou-Rabee and Sanz-Serna, 2017)
    max_steps      leapfrog steps of a trajectory
    The others, what it returns and raises: as for `nuts`.
    """
    who = "hmc"
    length = _positive(who, "path_length", path_length)
    most = python_integer(max_steps, who, "max_steps", 1)
    options = _Options(who, draws, tune, chains, target_accept, jitter, step_size, threads, progress)

    def move(stream: RandomStream, potential: Potential, point: Point, step: TensorVariable,
             scales: TensorVariable) -> Transition:
        return hmc_transition(stream, potential, point, step, scales, length, most)

    return _sampled(options, move, Density(logp, init), seed)


class _Options:
    """What both samplers are told, checked."""

    def __init__(self, who: str, draws: int, tune: int, chains: int, target_accept: float, jitter: float,
                 step_size: float | None, threads: int | None, progress: bool | None) -> None:
        self.who, self.progress = who, progress
        self.draws, self.tune = python_integer(draws, who, "draws", 1), python_integer(tune, who, "tune", 0)
        self.chains = python_integer(chains, who, "chains", 1)
        self.threads = python_integer(get_num_threads() if threads is None else threads, who, "threads", 1)
        self.target = _positive(who, "target_accept", target_accept)
        self.step_size = None if step_size is None else _positive(who, "step_size", step_size)
        self.jitter = _positive(who, "jitter", jitter) if jitter != 0 else 0.0
        if self.target >= 1:
            raise BadArgumentError(f"{who}: target_accept is a probability in (0, 1), got {quoted(target_accept)}"
                                   f"{at(user_line())}")


def _sampled(options: _Options, move: Move, density: Density, seed: Seed) -> Draws:
    if not density.size:
        raise BadArgumentError(f"{options.who}: the starting point has no elements{at(user_line())}")
    root = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
    fresh = np.random.SeedSequence(root.entropy, spawn_key=root.spawn_key, pool_size=root.pool_size)
    seeds = fresh.spawn(options.chains)
    starts = _starting_points(options, density, seeds)
    kernel = _Kernel(density, move, options.target)
    step = options.step_size or 0.25 / density.size ** 0.25
    flags = schedule(options.tune, options.draws)
    chains = [_Chain(kernel, flags, options.tune, start, step, s) for start, s in zip(starts, seeds)]
    began = time.perf_counter()
    interrupted = _run(options, chains)
    seconds = time.perf_counter() - began
    kept = min(c.done for c in chains) - options.tune
    if interrupted and kept <= 0:
        raise KeyboardInterrupt
    found = Draws(density.parts(np.stack([c.rows[:kept] for c in chains])),
                  {name: np.stack([c.stats[name][:kept] for c in chains]) for name in STATS},
                  np.array([c.step for c in chains]), np.stack([c.scales for c in chains]), options.tune, seconds)
    _warn(options, found, interrupted)
    return found


def _positive(who: str, what: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not 0 < value < np.inf:
        raise BadArgumentError(f"{who}: {what} is a positive number, got {quoted(value)}{at(user_line())}")
    return float(value)


def _starting_points(options: _Options, density: Density,
                     seeds: list[np.random.SeedSequence]) -> list[list[np.ndarray]]:
    """Position, log density and gradient that each chain begins with."""
    q = aet.TensorType("float64", (density.size,))("q")
    evaluate = function([q], list(density(q)), on_unused_input="ignore", name="density")
    found = []
    for k, s in enumerate(seeds):
        numbers = np.random.default_rng(s)
        for _ in range(TRIES):
            point = density.position() + options.jitter * numbers.uniform(-1, 1, density.size)
            logp, slope = evaluate(point)
            if np.isfinite(logp) and np.isfinite(slope).all():
                found.append([point, logp, slope])
                break
            if not options.jitter:
                break
        if len(found) == k:
            bad = "log density" if not np.isfinite(logp) else "gradient"
            worst = logp if not np.isfinite(logp) else slope[~np.isfinite(slope)][0]
            shown = quoted({name: v.tolist() for name, v in density.parts(point).items()})
            tried = f" and at {TRIES - 1} other points near it" if options.jitter else ""
            raise ValueError(f"{options.who}: the {bad} is {worst} where chain {k} begins, at {shown}{tried}"
                             f"{at(user_line())}; give a starting point where the density is positive")
    return found


class _Kernel:
    """The compiled function of a chain: some draws on from its state, which shared variables hold."""

    def __init__(self, density: Density, move: Move, target: float) -> None:
        size = density.size
        blank = [np.zeros(size), np.zeros(()), np.zeros(size), *first_step_size(1.0), *no_moments(size), np.ones(size)]
        self.states = [shared(v, shape=v.shape) for v in blank]
        self.stream = RandomStream(0)
        tuning, learning, renewing = (aet.TensorType("bool", (None,))(name) for name in Flags._fields)

        def step(tune: TensorVariable, learn: TensorVariable, renew: TensorVariable, *state: TensorVariable) -> object:
            point, sizes, moments, scales = Point(*state[:3]), StepSize(*state[3:8]), Moments(*state[8:13]), state[13]
            step = aet.exp(aet.switch(tune, sizes.log_step, sizes.log_average))
            made = move(self.stream, density, point, step, scales)
            sizes = StepSize(*chosen(tune, adapted(sizes, made.accept, target), sizes))
            moments = Moments(*chosen(learn, seen(moments, made.point), moments))
            scales = aet.switch(renew, learnt_scales(moments), scales)
            sizes = StepSize(*chosen(renew, begun_again(sizes), sizes))
            moments = Moments(*chosen(renew, tuple(map(aet.zeros_like, moments)), moments))
            return [*made.point, *sizes, *moments, scales, made.energy, made.accept, made.steps, made.depth,
                    made.diverging, step], made.updates

        rows, updates = scan(step, sequences=[tuning, learning, renewing], outputs_info=[*self.states, *[None] * 6])
        ends = [(s, row[-1]) for s, row in zip(self.states, rows)]
        self.call: Function[list[np.ndarray]] = function([tuning, learning, renewing], [rows[0], rows[1], *rows[14:]],
                                            updates=[*ends, *updates.items()], name="chain")


class _Chain:
    """A chain, its state and what it has drawn."""

    def __init__(self, kernel: _Kernel, flags: Flags, tune: int, start: list[np.ndarray], step: float,
                 seed: np.random.SeedSequence) -> None:
        size = start[0].size
        values = [*start, *first_step_size(step), *no_moments(size), np.ones(size)]
        self._states = [shared(np.array(v), shape=v.shape) for v in values]
        swap = dict(zip(kernel.states, self._states))
        streams = [rng for rng, _ in kernel.stream.state_updates]
        swap.update((rng, shared(np.random.default_rng(s))) for rng, s in zip(streams, seed.spawn(len(streams))))
        self._call = kernel.call.copy(swap=swap)
        self._flags = flags
        self._tune, self.total, self.done = tune, flags.tuning.size, 0
        kept = self.total - tune
        self.rows = np.empty((kept, size))
        self.stats: dict[str, np.ndarray] = {}
        self.diverged = 0

    @property
    def step(self) -> float:
        return float(np.exp(self._states[4].get_value()))

    @property
    def scales(self) -> np.ndarray:
        return np.asarray(self._states[13].get_value())

    def run(self, stop: threading.Event) -> None:
        """Draw until all is drawn or `stop` is set, in calls of about BLOCK_SECONDS each."""
        block = 1
        while self.done < self.total and not stop.is_set():
            began = time.perf_counter()
            upto = min(self.done + block, self.total)
            rows, *stats = self._call(*(f[self.done:upto] for f in self._flags))
            self._keep(rows, dict(zip(STATS, stats)), upto)
            took = time.perf_counter() - began
            block = max(1, int(block * min(2.0, BLOCK_SECONDS / max(took, 1e-6))))

    def _keep(self, rows: np.ndarray, stats: dict[str, np.ndarray], upto: int) -> None:
        skipped = max(0, self._tune - self.done)
        if not self.stats:
            self.stats = {name: np.empty(self.total - self._tune, dtype=v.dtype) for name, v in stats.items()}
        if upto > self._tune:
            there = slice(self.done + skipped - self._tune, upto - self._tune)
            self.rows[there] = rows[skipped:]
            for name, v in stats.items():
                self.stats[name][there] = v[skipped:]
            self.diverged += int(stats["diverging"][skipped:].sum())
        self.done = upto


def _run(options: _Options, chains: list[_Chain]) -> bool:
    """Run all chains; was it interrupted?"""
    stop, began, shown, interrupted = threading.Event(), time.perf_counter(), False, False
    show = sys.stderr.isatty() if options.progress is None else options.progress
    with ThreadPoolExecutor(min(options.threads, len(chains))) as pool:
        futures = [pool.submit(c.run, stop) for c in chains]
        while True:
            try:
                _, waiting = wait(futures, timeout=0.2)
                if show and (time.perf_counter() - began > 1 or options.progress):
                    shown = True
                    print(f"\r{_progress(options.who, chains)}", end="", file=sys.stderr, flush=True)
                if not waiting:
                    break
            except KeyboardInterrupt:
                interrupted = True
                stop.set()
        if shown:
            print(file=sys.stderr)
    for future in futures:
        future.result()
    return interrupted


def _progress(who: str, chains: list[_Chain]) -> str:
    done, total = sum(c.done for c in chains), sum(c.total for c in chains)
    return f"{who}: {done:,} of {total:,} draws, {sum(c.diverged for c in chains):,} diverging"


def _warn(options: _Options, found: Draws, interrupted: bool) -> None:
    line = at(user_line())
    if interrupted:
        warnings.warn(f"{options.who} was interrupted: {found.draws:,} of {options.draws:,} draws of each chain{line}",
                      SamplingWarning, stacklevel=4)
    if found.diverging:
        by_chain = found.stats["diverging"].sum(axis=1)
        warnings.warn(f"{options.who}: {found.diverging:,} of {found.chains * found.draws:,} trajectories diverged, "
                      f"{by_chain.max():,} of them in chain {by_chain.argmax()}: draws are biased where the density "
                      f"bends sharply; reparametrise it, or raise target_accept{line}", SamplingWarning, stacklevel=4)
