"""States of random generators as arrays of words: what the schedule and everything after it see of them.

In: a Program with values of RngType.  Out: the same with arrays of uint64 in their place, so that a state is
stored, carried from step to step and handed out of branches like any other array.  What the words are is said in
csrc/bits.h; the call path makes them of Generators and Generators of them (`compile.states`).
"""

from __future__ import annotations

from gradc.ir import ops
from gradc.ir.facts import facts
from gradc.ir.program import Eqn, Program, Var, bodies, with_bodies
from gradc.ir.types import RngType


def as_words(program: Program) -> Program:
    """`program` with words for states; itself if it has none."""
    if not _has_states(program):
        return program
    own: dict[Var, Var] = {}

    def copy(v: Var, name: str | None = None) -> Var:
        own[v] = Var(v.number, v.type.words if type(v.type) is RngType else v.type, v.data, v.name or name)
        return own[v]

    inputs = [copy(v) for v in program.inputs]
    eqns = []
    for e in program.eqns:
        if type(e.op) is ops.Words:
            own[e.out] = own[e.args[0]]
            continue
        names = ("state", e.op.routine) if facts(e.op).draws(e.op) else (None,) * len(e.outs)
        args = tuple([own[a] for a in e.args])
        outs = tuple([copy(v, name) for v, name in zip(e.outs, names)])
        eqns.append(Eqn(with_bodies(e.op, as_words), args, outs, e.sources))
    return Program(inputs, eqns, [own[v] for v in program.outputs])


def _has_states(program: Program) -> bool:
    values = [*program.inputs, *(v for e in program.eqns for v in e.outs)]
    return any(type(v.type) is RngType for v in values) or any(
        _has_states(body) for e in program.eqns for body in bodies(e.op))
