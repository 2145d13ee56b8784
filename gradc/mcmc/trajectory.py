"""One transition of a chain, as expressions: Hamiltonian dynamics by leapfrog steps, and what ends a trajectory.

The energy of a position q with momentum p is H = p' M^-1 p / 2 - log density(q); M is diagonal, `scales` its inverse.
Sources: Hoffman and Gelman, The No-U-Turn Sampler, JMLR 15 (2014); Betancourt, A Conceptual Introduction to Hamiltonian
Monte Carlo, arXiv:1701.02434 (multinomial weights, the condition by sums of momenta); the tree without recursion, with
one remembered leaf a level: Phan, Pradhan and Jankowiak, arXiv:1912.11554.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from gradc import scan
from gradc import tensor as aet
from gradc.scan.utils import until
from gradc.tensor.random.utils import RandomStream

if TYPE_CHECKING:
    from gradc import Variable
    from gradc.tensor.sharedvar import SharedVariable
    from gradc.tensor.variable import TensorVariable

Potential: TypeAlias = "Callable[[TensorVariable], tuple[TensorVariable, TensorVariable]]"
Updates: TypeAlias = "Mapping[SharedVariable, Variable]"

LOST = 1000.0       # a trajectory whose energy rose by more has diverged (Stan's limit)


class Point(NamedTuple):
    """A position, the log density there and its gradient."""

    q: TensorVariable
    logp: TensorVariable
    slope: TensorVariable


class Edge(NamedTuple):
    """An end of a trajectory: position, momentum, gradient."""

    q: TensorVariable
    p: TensorVariable
    slope: TensorVariable


class Transition(NamedTuple):
    """Where the chain goes, and how it got there."""

    point: Point
    energy: TensorVariable
    accept: TensorVariable          # mean probability of acceptance along the trajectory, which tunes the step size
    steps: TensorVariable           # leapfrog steps, each one gradient
    depth: TensorVariable           # doublings
    diverging: TensorVariable
    updates: Updates


def kinetic(p: TensorVariable, scales: TensorVariable) -> TensorVariable:
    return 0.5 * (scales * p * p).sum()


def momentum(stream: RandomStream, like: TensorVariable, scales: TensorVariable) -> TensorVariable:
    drawn: TensorVariable = stream.normal(size=like.type.shape) / aet.sqrt(scales)
    return drawn


def leapfrog(potential: Potential, at: Edge, step: TensorVariable,
             scales: TensorVariable) -> tuple[Edge, TensorVariable]:
    """One step of the dynamics, and the log density where it ends."""
    half = at.p + 0.5 * step * at.slope
    q = at.q + step * scales * half
    logp, slope = potential(q)
    return Edge(q, half + 0.5 * step * slope, slope), logp


def turns_back(first: TensorVariable, last: TensorVariable, total: TensorVariable,
               scales: TensorVariable) -> TensorVariable:
    """Would going on bring the ends, of momenta `first` and `last`, nearer together?  total: the sum of all momenta."""
    middle = scales * (total - 0.5 * (first + last))
    return aet.or_(aet.dot(first, middle) <= 0, aet.dot(last, middle) <= 0)


def chosen(condition: TensorVariable, yes: Sequence[TensorVariable],
           no: Sequence[TensorVariable]) -> list[TensorVariable]:
    return [aet.switch(condition, a, b) for a, b in zip(yes, no)]


def f64(value: float) -> TensorVariable:
    return aet.constant(np.float64(value))


def gain(start: TensorVariable, now: TensorVariable) -> tuple[TensorVariable, TensorVariable]:
    """The logarithm of a leaf's weight, start - now of the energies, and whether the trajectory has diverged there."""
    gained = start - now
    gained = aet.switch(aet.isnan(gained), -np.inf, gained)
    return gained, gained < -LOST


def hmc_transition(stream: RandomStream, potential: Potential, at: Point, step: TensorVariable, scales: TensorVariable,
                   length: float, most: int) -> Transition:
    """A trajectory of random length, `length` on average, at most `most` steps; then Metropolis' choice."""
    p = momentum(stream, at.q, scales)
    start = kinetic(p, scales) - at.logp
    steps = aet.clip(aet.ceil(2 * length * stream.uniform() / step), 1, most).astype("int64")

    def leap(q: TensorVariable, p: TensorVariable, slope: TensorVariable, _: TensorVariable) -> object:
        edge, logp = leapfrog(potential, Edge(q, p, slope), step, scales)
        energy = kinetic(edge.p, scales) - logp
        _, lost = gain(start, energy)
        return [*edge, logp, energy, lost], until(lost)

    rows, updates = scan(leap, outputs_info=[at.q, p, at.slope, at.logp, None, None], n_steps=steps)
    q, _, slope, logp, energy, lost = (row[-1] for row in rows)
    gained, _ = gain(start, energy)
    accept = aet.minimum(1.0, aet.exp(gained))
    take = stream.uniform() < accept
    return Transition(Point(*chosen(take, (q, logp, slope), at)), aet.switch(take, energy, start), accept,
                      rows[3].shape[0], aet.constant(np.int64(0)), lost, updates)


def nuts_transition(stream: RandomStream, potential: Potential, at: Point, step: TensorVariable,
                    scales: TensorVariable, deepest: int) -> Transition:
    """Trajectories, each twice as long, forwards or backwards in time, until one turns back or diverges."""
    p = momentum(stream, at.q, scales)
    start = kinetic(p, scales) - at.logp

    def double(depth: TensorVariable, *state: TensorVariable) -> object:
        left, right, point = Edge(*state[:3]), Edge(*state[3:6]), Point(*state[6:9])
        energy, weight, total, accept, steps = state[9:]
        forwards = stream.uniform() < 0.5
        begin = Edge(*chosen(forwards, right, left))
        new = _subtree(stream, potential, begin, aet.switch(forwards, step, -step), scales, start, depth, deepest)
        bad = aet.or_(new.turning, new.diverging)
        take = aet.and_(aet.invert(bad), aet.log(stream.uniform()) < new.weight - weight)
        *moved, energy = chosen(take, (*new.point, new.energy), (*point, energy))
        left, right = Edge(*chosen(forwards, left, new.edge)), Edge(*chosen(forwards, new.edge, right))
        total = total + new.total
        ends = aet.or_(bad, turns_back(left.p, right.p, total, scales))
        return ([*left, *right, *moved, energy, aet.logaddexp(weight, new.weight), total, accept + new.accept,
                 steps + new.steps, new.diverging], new.updates, until(ends))

    edge = Edge(at.q, p, at.slope)
    states = [*edge, *edge, *at, start, f64(0), p, f64(0), aet.constant(np.int64(0)), None]
    rows, updates = scan(double, sequences=aet.arange(deepest), outputs_info=states)
    q, logp, slope, energy, _, _, accept, steps, diverging = (row[-1] for row in rows[6:])
    return Transition(Point(q, logp, slope), energy, accept / steps, steps, rows[12].shape[0], diverging, updates)


class _Subtree(NamedTuple):
    edge: Edge                      # the far end
    point: Point                    # one leaf, drawn by the leaves' weights
    energy: TensorVariable
    weight: TensorVariable          # logarithm of the sum of weights
    total: TensorVariable           # sum of momenta
    accept: TensorVariable          # sum of probabilities
    steps: TensorVariable
    turning: TensorVariable
    diverging: TensorVariable
    updates: Updates


def _subtree(stream: RandomStream, potential: Potential, begin: Edge, step: TensorVariable, scales: TensorVariable,
             start: TensorVariable, depth: TensorVariable, deepest: int) -> _Subtree:
    """2**depth leaves on from `begin`, fewer where one of its subtrees turns back or a leaf diverges.

    Leaf i, if even, begins the subtrees whose leaves' numbers differ from i in trailing bits only: its momentum and
    the sum so far are remembered in row popcount(i / 2).  An odd leaf ends as many subtrees as it has trailing ones.
    """
    size = begin.q.type.shape[0]

    def leaf(i: TensorVariable, *state: TensorVariable) -> object:
        at, (q_drawn, logp_drawn, slope_drawn, energy_drawn) = Edge(*state[:3]), state[3:7]
        weight, total, firsts, sums, accept = state[7:]
        edge, logp = leapfrog(potential, at, step, scales)
        energy = kinetic(edge.p, scales) - logp
        gained, lost = gain(start, energy)
        weight = aet.logaddexp(weight, gained)
        drawn = chosen(aet.log(stream.uniform()) < gained - weight, (edge.q, logp, edge.slope, energy),
                       (q_drawn, logp_drawn, slope_drawn, energy_drawn))
        total = total + edge.p
        odd, row = aet.eq(i % 2, 1), aet.bitwise_count(i // 2).astype("int64")
        firsts = aet.set_subtensor(firsts[row], aet.switch(odd, firsts[row], edge.p))
        sums = aet.set_subtensor(sums[row], aet.switch(odd, sums[row], total))

        def ends_subtree(k: TensorVariable) -> object:
            first = firsts[row - k]
            turning = turns_back(first, edge.p, total - sums[row - k] + first, scales)
            return turning, until(turning)

        ended = aet.bitwise_count(aet.bitwise_and(i, aet.invert(i + 1))).astype("int64")
        turns, _ = scan(ends_subtree, sequences=aet.arange(aet.maximum(ended, 1)))
        turning = aet.and_(odd, turns[-1])
        return ([*edge, *drawn, weight, total, firsts, sums, accept + aet.minimum(1.0, aet.exp(gained)), turning, lost],
                until(aet.or_(turning, lost)))

    table = aet.zeros((deepest, size))
    states = [*begin, begin.q, f64(0), begin.slope, f64(0), f64(-np.inf), aet.zeros_like(begin.q), table, table,
              f64(0), None, None]
    rows, updates = scan(leaf, sequences=aet.arange(2 ** depth), outputs_info=states)
    q, p, slope, q_drawn, logp_drawn, slope_drawn, energy, weight, total, _, _, accept, turning, lost = \
        (row[-1] for row in rows)
    return _Subtree(Edge(q, p, slope), Point(q_drawn, logp_drawn, slope_drawn), energy, weight, total, accept,
                    rows[7].shape[0], turning, lost, updates)
