"""Text form of a Program: one equation a line, round numbers, aligned types.

    program (x: f64[?,?]) ->
      a: f64[?,?] = exp(x)
      b: f64[]    = sum[0, 1](a)
      return b
"""

from __future__ import annotations

from gradc.errors import shown
from gradc.ir import ops
from gradc.ir.facts import reads
from gradc.ir.program import Eqn, Program, Var, bodies


def names_of(program: Program) -> dict[Var, str]:
    """A unique readable name for every Var: the user's if it has one, else v1, v2, ..."""
    names: dict[Var, str] = {}
    taken: set[str] = set()
    count = 0
    for var in [*program.inputs, *(o for e in program.eqns for o in e.outs)]:
        name = shown(var.name) if var.name else ""
        while not name or name in taken:
            count += 1
            name = f"v{count}"
        names[var] = name
        taken.add(name)
    return names


def equation_text(eqn: Eqn, names: dict[Var, str]) -> str:
    """The right-hand side of one equation; a Var that no equation defines (a bug to be shown) prints as its number."""
    args = [names.get(a, repr(a)) for a in eqn.args]
    if type(eqn.op) is ops.Const:
        return repr(eqn.op.value)
    if reads(eqn.op) is not None:
        return f"{args[0]}{eqn.op}" + (f" with {', '.join(args[1:])}" if len(args) > 1 else "")
    return f"{eqn.op}{eqn.op.detail}({', '.join(args)})"


def pretty(program: Program) -> str:
    """The whole Program as text."""
    names = names_of(program)
    head = ", ".join(f"{names[v]}: {v.type.short()}" for v in program.inputs)
    rows = [(", ".join(f"{names[o]}: {o.type.short()}" for o in e.outs), equation_text(e, names)) for e in program.eqns]
    width = min(40, max((len(left) for left, _ in rows), default=0))
    lines = [f"program ({head}) ->"]
    for (left, right), eqn in zip(rows, program.eqns):
        lines.append(f"  {left:<{width}} = {right}")
        for inner in bodies(eqn.op):
            lines += [f"      {line}" for line in pretty(inner).splitlines()]
    lines.append(f"  return {', '.join(names.get(v, repr(v)) for v in program.outputs)}")
    return "\n".join(lines)
