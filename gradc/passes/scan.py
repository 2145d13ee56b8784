"""Passes on loops, in order, with the reason of each place: the only list of them.

`optimize_loops(program, rules, optimise)`: Program -> Program.  `rules` applies the rewrite rules to a Program
that is on its way, `optimise` is the whole optimiser, for bodies.  Loops are opened for editing as `loop.Loop`s.
"""

from __future__ import annotations

from collections.abc import Callable

from gradc.ir import ops
from gradc.ir.program import Program
from gradc.passes.cond import merge_branches, simplify_branches
from gradc.passes.scan_checkpoints import checkpoints
from gradc.passes.scan_inline import inline_sequences
from gradc.passes.scan_linear import affine_carries
from gradc.passes.scan_results import first_rows, last_rows
from gradc.passes.scan_siblings import merge_siblings
from gradc.passes.scan_split import split
from gradc.passes.scan_sums import wide_sums
from gradc.passes.scan_values import drop_unused_results, simplify
from gradc.record import record

Transform = Callable[[Program], Program]


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
    Step("drop_unused_results", lambda p, _: drop_unused_results(p), "before all that costs time"),
    Step("last_rows", last_rows, "before results are dropped again: a row that became a carry is not stacked"),
    Step("first_rows", lambda p, _: first_rows(p), "after last_rows: it makes the zeros with one row of other loops"),
    Step("drop_unused_results", lambda p, _: drop_unused_results(p), "see last_rows"),
    Step("simplify", simplify, "before loops are compared: equal bodies look equal when they are in normal form"),
    Step("merge_siblings", lambda p, _: merge_siblings(p), "before loops are split, which may take carries away"),
    Step("checkpoints", checkpoints, "after merge_siblings: the loop that a gradient runs again is the user's; before "
         "loops are split, each part by itself", bodies=False),
    Step("affine_carries", affine_carries, "before split: coefficients need no carry, they may leave"),
    Step("split", lambda p, _: split(p), "once loops are what they will be; the rules have what leaves them"),
    Step("drop_unused_results", lambda p, _: drop_unused_results(p), "what is summed after a loop is stacked no more"),
    Step("inline_sequences", lambda p, _: inline_sequences(p), "after split, which makes sequences of other loops"),
    Step("simplify", simplify, "last but one: bodies have other things in them now"),
    Step("wide_sums", lambda p, _: wide_sums(p), "last: the sums that are still in loops; the others are Reduces",
         bodies=False),
)


def has_loops(program: Program) -> bool:
    """Are there equations with bodies?"""
    return any(type(eqn.op) in (ops.Scan, ops.Cond) for eqn in program.eqns)


def optimize_loops(program: Program, rules: Transform, optimise: Transform, body: bool = False,
                   check: Callable[[Program, str], None] | None = None) -> Program:
    """`program`, perhaps a body, with better loops; `check` is told each intermediate Program and the pass's name."""
    program = rules(program)                # sizes and indices in normal form
    for step in STEPS:
        if body and not step.bodies:
            continue
        program = step.run(program, optimise)
        if check is not None:
            check(program, step.name)
    return program
