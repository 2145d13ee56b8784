"""Random numbers of a loop, drawn before it.  Program -> Program.

    a loop of T steps with x ~ D(p), p the same in every step   ->   xs ~ D(p), T of them; a loop that reads their rows

The numbers have the bits that they have step by step, for a generator that is used for nothing else in the loop gives
them one after the other.  That saves a call a step.  Not where the steps may stop early, or where the numbers of a step
are many, for which a call costs little; nor where the loop has no other array of a row for each step and their number
is large, or not known: the numbers must not take more memory than the loop would.  Parameters that are refused are
refused in loops of no step, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from gradc.ir import build, ops
from gradc.ir.distributions import DISTRIBUTIONS
from gradc.ir.facts import facts
from gradc.ir.program import Eqn, Program, Var, tensor
from gradc.passes.loop import Key, Loop, SizedBuilder, each_loop
from gradc.target import TARGET


def batch_draws(program: Program) -> Program:
    """Each loop with what can be drawn before it as a sequence."""
    return each_loop(program, _batched)


def _batched(b: SizedBuilder, loop: Loop) -> Mapping[Key, Var]:
    steps = loop.steps.data
    fits = loop.seqs or loop.rows or (steps is not None and int(steps) <= TARGET.drawn)
    if loop.limit is None and loop.stop is None and not loop.op.reverse and fits:
        while (found := _next(loop)) is not None:
            _take_out(b, loop, *found)
    return loop.emit(b)


def _next(loop: Loop) -> tuple[Var, Eqn] | None:
    """A carry that is only the state of a generator, and the draws from it, that may leave the loop."""
    body = loop.body()
    uses, rows = body.use_counts(), loop.varying()
    for eqn in body.eqns:
        if not facts(eqn.op).draws(eqn.op) or eqn.op.routine not in DISTRIBUTIONS:
            continue
        state, *given = eqn.args
        after = eqn.outs[0]
        sizes = [a.data for a in eqn.op.split(eqn.args)[1][1]]
        if state in loop.inits and loop.after[state] is after and uses[state] == 1 and uses[after] == 1 \
                and rows.isdisjoint(given) and None not in sizes and prod(map(int, sizes)) < TARGET.vector:
            return state, eqn
    return None


def _take_out(b: SizedBuilder, loop: Loop, state: Var, eqn: Eqn) -> None:
    """Draw all numbers before the loop, which reads them as a sequence."""
    parameters, (_, sizes) = eqn.op.split(eqn.args)
    outside = loop.same_outside(b, [*parameters[1:], *sizes])
    b.sources = eqn.sources + loop.sources
    shape = [b.cast(loop.steps, "int64"), *[outside[v] for v in sizes]]
    values = [outside[p] for p in parameters[1:]]
    values = [b.apply(ops.Broadcast(), p, *shape) if tensor(p).ndim else p for p in values]
    call = build.call(eqn.op.routine, (0, len(shape)))
    last, draws = b.equation(call, [loop.inits[state], *values, *shape]).outs
    env = loop.cut({eqn.outs[1]: draws}, {})
    carry = env[state]
    loop.done.update({key: last for key, c in loop.lasts.items() if c is carry})
    loop.lasts = {key: c for key, c in loop.lasts.items() if c is not carry}
    del loop.inits[carry], loop.after[carry]
