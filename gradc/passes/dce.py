"""Equations that no output needs are dropped.  Program -> Program."""

from __future__ import annotations

from gradc.ir.program import Eqn, Program, Var


def drop_unused(program: Program) -> Program:
    """`program` without the equations that its outputs do not need."""
    needed: set[Var] = set(program.outputs)
    kept: list[Eqn] = []
    for eqn in reversed(program.eqns):
        outs = eqn.outs
        if outs[0] in needed or (len(outs) > 1 and not needed.isdisjoint(outs)):
            kept.append(eqn)
            needed.update(eqn.args)
    if len(kept) == len(program.eqns):
        return program
    kept.reverse()
    return Program(program.inputs, kept, program.outputs)
