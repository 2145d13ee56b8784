"""Text form of a Program: one equation a line, round numbers, aligned types.

    program (x: f64[?,?]) ->
      a: f64[?,?] = exp(x)
      b: f64[]    = sum[0, 1](a)
      return b
"""

from __future__ import annotations

from gradc.errors import shown
from gradc.ir import ops
from gradc.ir.program import Eqn, Program, Var, bodies


def letter(k: int) -> str:
    """What axis number k of a product is called: i, j, ..., h, i2, j2, ..."""
    again, k = divmod(k, 26)
    return "ijklmnopqrstuvwxyzabcdefgh"[k] + (str(again + 1) if again else "")


def op_text(op: ops.OpKind) -> str:
    """An op with its static fields."""
    match op:
        case ops.Reduce(_, axes):
            return f"{op}[{', '.join(map(str, axes))}]"
        case ops.Cumulate(_, axis) | ops.ArgReduce(_, axis):
            return f"{op}[{axis}]"
        case ops.Contract(a, b, out):
            left, right, result = ("".join(map(letter, part)) for part in (a, b, out))
            return f"dot[{left},{right}->{result}]"
        case ops.Concat(axis):
            return f"join[{axis}]"
        case ops.Scan():
            words = [f"{op.n_seqs} sequences", f"{op.n_carries} carries", f"{op.n_stacked} stacked"]
            words += [w for w in ("until", "reverse", "limited") if getattr(op, w)]
            return f"{op}[{', '.join(words)}]"
    return str(op)


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
    if type(eqn.op) is ops.Constant:
        return repr(eqn.op.value)
    if type(eqn.op) is ops.Slice:
        return f"{args[0]}{eqn.op}" + (f" with {', '.join(args[1:])}" if len(args) > 1 else "")
    return f"{op_text(eqn.op)}({', '.join(args)})"


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
