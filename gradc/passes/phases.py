"""The ordered lists of passes, `PHASES` of rules and `STEPS` on loops: the only place that states their order, and why.

`optimize(program)` is the whole optimiser; complex values become pairs of real ones first.  `config.log` with the topic
"passes" prints one line per phase on stderr and checks the Program after each; tests pass `checked=True`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import cache

from gradc.config import config
from gradc.ir import ops
from gradc.ir.check import check
from gradc.ir.complex_parts import in_parts
from gradc.ir.digest import digest
from gradc.ir.program import Eqn, Program, bodies
from gradc.passes import (
    algebra,
    canonicalize,
    chains,
    definite,
    fold,
    gathers,
    joins,
    orders,
    shapes,
    specialize,
    stabilize,
)
from gradc.passes.dce import drop_unused
from gradc.passes.logistic import share_exponentials
from gradc.passes.pattern import Rule, Table
from gradc.passes.rewrite import Fired, Rewriter, State, sweep
from gradc.passes.scan_checkpoints import checkpoints
from gradc.passes.scan_draws import batch_draws
from gradc.passes.scan_merge import merge_branches, merge_siblings, simplify_branches
from gradc.passes.scan_places import inline_sequences, split
from gradc.passes.scan_simplify import affine_carries, drop_unused_results, last_rows, simplify
from gradc.passes.sums import wide_sums
from gradc.record import record

_LAST = specialize.RULES + joins.LATE + algebra.RULES + chains.RULES + definite.RULES + orders.RULES
_BASE = fold.RULES + shapes.RULES + canonicalize.RULES + gathers.RULES + joins.RULES + stabilize.DERIVATIVES


Transform = Callable[[Program], Program]


@record
class Phase:
    """A sweep: its own rules (the sweep is left out where none of them can fire), all rules, and why it stands here."""

    name: str
    own: tuple[Rule, ...]
    table: Table
    why: str


PHASES: tuple[Phase, ...] = (
    Phase("canonicalize", _BASE, Table(_BASE),
          "first: one form for equal expressions, so that later rules need one pattern each"),
    Phase("stabilize", stabilize.RULES, Table(stabilize.RULES + _BASE),
          "before specialize, which takes apart the forms that are looked for; its results are canonicalized again"),
    Phase("specialize", _LAST, Table(_LAST + _BASE),
          "last: cheaper equivalents of canonical forms are not canonical"),
)


@cache
def _without(excluded: tuple[str, ...]) -> tuple[Phase, ...]:
    """The phases without the rules (or whole phases) named."""
    def kept(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        return tuple(rule for rule in rules if rule.name not in excluded)

    return tuple(Phase(p.name, kept(p.own), Table(kept(p.table.rules)), p.why) for p in PHASES
                 if p is PHASES[0] or p.name not in excluded)


@record
class Step:
    """One pass, (program, optimise) -> program, and why it stands where it stands."""

    name: str
    run: Callable[[Program, Transform], Program]
    why: str
    bodies: bool = True         # is it for bodies of loops and branches as well?


STEPS: tuple[Step, ...] = (
    Step("merge_branches", lambda p, _: merge_branches(p), "first: one question is asked once"),
    Step("simplify_branches", simplify_branches, "before loops: what no branch needs is no loop's result"),
    Step("last_rows", lambda p, _: last_rows(p), "before results are dropped: a row that became a carry is not "
         "stacked"),
    Step("drop_unused_results", lambda p, _: drop_unused_results(p), "before all that costs time"),
    Step("simplify", simplify, "before loops are compared: equal bodies look equal when they are in normal form"),
    Step("merge_siblings", lambda p, _: merge_siblings(p), "before loops are split, which may take carries away"),
    Step("checkpoints", lambda p, _: checkpoints(p), "after merge_siblings: the loop that a gradient runs again is the "
         "user's; before loops are split, each part by itself", bodies=False),
    Step("batch_draws", lambda p, _: batch_draws(p), "after checkpoints, of which each part draws its own; what is "
         "drawn before a loop is a sequence like others"),
    Step("affine_carries", affine_carries, "before split: coefficients need no carry, they may leave"),
    Step("split", lambda p, _: split(p), "once loops are what they will be; the rules have what leaves them"),
    Step("drop_unused_results", lambda p, _: drop_unused_results(p), "what is summed after a loop is stacked no more"),
    Step("inline_sequences", lambda p, _: inline_sequences(p), "after split, which makes sequences of other loops"),
    Step("simplify", simplify, "last but one: bodies have other things in them now"),
    Step("wide_sums", lambda p, _: wide_sums(p), "last: the sums that are still in loops; the others are over axes"),
)


def optimize(program: Program, log: list[Fired] | None = None, *, checked: bool | None = None,
             excluded: tuple[str, ...] = ()) -> Program:
    """`program` with fewer and better equations.

    log      a list to which (phase, rule) is added for each rule that fires
    excluded names of rules that are not applied (names that no rule has are ignored), of phases after the first, or
             "loops" for the passes on loops
    checked  run `ir.check` after each phase; default: if config.log has the topic "passes"
    Raises: ProgramCheckError if a rule broke the Program (a bug in gradc).
    """
    if checked is None:
        checked = "passes" in config.log.split(",")
    return _Optimizer(log, checked, excluded).optimize(in_parts(program))


class _Optimizer:
    """One call of `optimize`: its options, and the bodies of loops that it has seen."""

    def __init__(self, log: list[Fired] | None, checked: bool, excluded: tuple[str, ...]) -> None:
        self.log = log
        self.checked = checked
        self.loops = "loops" not in excluded
        self.phases = _without(excluded) if excluded else PHASES
        self.bodies: dict[str, Program] = {}

    def optimize(self, program: Program, body: bool = False) -> Program:
        program = drop_unused(program)      # first: rules cost time, and unused equations state no sizes
        if self.loops and any(bodies(eqn.op) for eqn in program.eqns):
            program = self.rules(program, self.phases[:1])      # sizes and indices in normal form
            for step in STEPS:
                if step.bodies or not body:
                    program = step.run(program, self.body)
                    if self.checked:
                        check(program, step.name)
        return self.rules(program, self.phases)

    def body(self, program: Program) -> Program:
        """A body, optimised; once for equal ones."""
        key = digest(program)
        if key not in self.bodies:
            made = self.optimize(program, body=True)
            self.bodies[key] = self.bodies[digest(made)] = made
        return self.bodies[key]

    def rules(self, program: Program, phases: tuple[Phase, ...]) -> Program:
        """`program` after the sweeps of `phases`."""
        tell = "passes" in config.log.split(",")
        started = time.perf_counter()
        first, state = program, State(program)
        if self.log is not None or tell:
            state.fired = [] if self.log is None else self.log
        for phase in phases:
            fired = len(state.fired or ())
            count = len(program.eqns)
            present = {state.kinds[eqn.outs[0].number] for eqn in program.eqns}
            if phase is not phases[0] and not any(rule.possible(present) for rule in phase.own):
                continue
            program = sweep(program, phase.table, state, phase.name)
            if self.checked:
                check(program, phase.name)
            if tell:
                now = time.perf_counter()
                print(f"gradc passes: {phase.name}: {count} -> {len(program.eqns)} equations, "
                      f"{len(state.fired or ()) - fired} rules fired, {1e3 * (now - started):.1f} ms", file=sys.stderr)
                started = now
        if phases is self.phases:           # after all rules, which see sums as they were written
            program = joins.join_pads(program, state, PHASES[0].table)
            program = share_exponentials(program, state)
            # last: it makes products of quotients
            program = specialize.share_reciprocals(program, state)
        if program.eqns != first.eqns:
            program = keep_size_checks(program, state)
        program = with_lines(program, state)
        if self.checked:
            check(program, "keep_size_checks")
        return program


def with_lines(program: Program, state: State) -> Program:
    """The user lines of merged equations, put into the equations."""
    merged = state.merged
    if not merged:
        return program
    eqns = [Eqn(e.op, e.args, e.outs, tuple(dict.fromkeys(e.sources + merged[e.outs[0]]))) if e.outs[0] in merged else e
            for e in program.eqns]
    return Program(program.inputs, eqns, program.outputs)


def keep_size_checks(program: Program, state: State) -> Program:
    """Comparisons of sizes that rules dropped, put back as an Assert on the smallest output.

    After all rules, because rules may use every equality that holds in the original Program.
    """
    if not state.constraints or not program.outputs:
        return program
    lost = shapes.lost_checks(state.constraints, state.latest, program, state.producer)
    if not lost:
        return program
    b = Rewriter(state, _NO_RULES, "checks", program)
    for eqn in program.eqns:                # equal equations (the reciprocals' 1.0) merge: follow what is replaced
        b.adopt(eqn, tuple([state.latest(a) for a in eqn.args]))
    outputs = [state.latest(v) for v in program.outputs]
    k = min(range(len(outputs)), key=lambda i: getattr(outputs[i].type, "ndim", 99))
    old = outputs[k]
    for c, message in lost:
        b.sources = () if c.eqn is None else c.eqn.sources
        both = [shapes.size_var(b, dim, merged=False) for dim in (c.a, c.b)]
        outputs[k] = b.raw(ops.Assert(message, "shape", 2), (outputs[k], b.map("eq", *both), *both))
    return b.program([outputs[k] if v is old else v for v in outputs])


_NO_RULES = Table(fold.RULES[:1])
