"""Legality of a Program: closed, SSA, topological, types as `ir.infer` says.  Raises ProgramCheckError."""

from __future__ import annotations

from gradc.errors import GradcError, ProgramCheckError
from gradc.ir import infer
from gradc.ir.pretty import pretty
from gradc.ir.program import Program, Var, bodies
from gradc.ir.types import TensorType


def check(program: Program, after: str = "") -> None:
    """Check `program`; `after` names the pass that made it."""
    defined: set[Var] = set(program.inputs)

    def fail(what: str) -> None:
        where = f" after {after}" if after else ""
        raise ProgramCheckError(f"{what}{where}; this is a bug in gradc, please report it:\n{pretty(program)}")

    if len(defined) != len(program.inputs):
        fail("an input stands twice")
    for eqn in program.eqns:
        for body in bodies(eqn.op):
            check(body, after)
        for a in eqn.args:
            if a not in defined:
                fail(f"{eqn} uses {a} before it is defined")
        try:
            types = infer.output_types(eqn.op, eqn.args)
        except GradcError as error:
            fail(f"{eqn} is ill-typed: {error}")
        if len(types) != len(eqn.outs):
            fail(f"{eqn} has {len(eqn.outs)} results, not {len(types)}")
        for want, out in zip(types, eqn.outs):
            if out in defined:
                fail(f"{out} is defined twice")
            if isinstance(want, TensorType) and not (
                    isinstance(out.type, TensorType) and want.dtype == out.type.dtype
                    and want.ndim == out.type.ndim
                    and all(a is None or b is None or a == b for a, b in zip(want.shape, out.type.shape))):
                fail(f"{eqn} has type {out.type}, not {want}")
            defined.add(out)
    for v in program.outputs:
        if v not in defined:
            fail(f"the output {v} is not defined")
