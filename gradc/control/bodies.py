"""Between expressions and the Programs inside Scan and Cond: `close` makes one, `ir.convert.inline` opens it again.

What an expression takes from outside, values that no input of the body has a part in, becomes an argument of the
loop: it is computed once, before.
"""

from __future__ import annotations

from collections.abc import Sequence

from gradc.ir import ops
from gradc.ir.branches import selecting, sink
from gradc.ir.convert import to_program
from gradc.ir.facts import facts
from gradc.ir.graph import Constant, Variable, toposort
from gradc.ir.program import Program
from gradc.record import record


@record(eq=False)
class Closed:
    """`program` of the inputs followed by `others`, the variables that it takes from outside."""

    program: Program
    others: list[Variable]


def close(inputs: Sequence[Variable], outputs: Sequence[Variable]) -> Closed:
    """The Program computing `outputs` from `inputs` and from what they take from outside."""
    others = free_variables(inputs, outputs)
    if selecting(outputs, stop=inputs):
        # what a branch needs of the outside is still computed once, before the loop, unless that could fail
        before = [v for v in others if not _may_fail(v)]
        new = sink(outputs, stop=[*inputs, *before])
        outputs = [new.get(v, v) for v in outputs]
        others = free_variables(inputs, outputs)
    return Closed(to_program([*inputs, *others], outputs, body=True), others)


def free_variables(inputs: Sequence[Variable], outputs: Sequence[Variable]) -> list[Variable]:
    """The largest subexpressions of `outputs` that do not depend on `inputs`; constants are not counted."""
    inside = {id(v) for v in inputs}
    nodes = []
    for node in toposort(outputs, stop=inputs):
        if any(id(v) in inside for v in node.inputs):
            inside.update(id(v) for v in node.outputs)
            nodes.append(node)
    found: dict[int, Variable] = {}
    for group in (*(node.inputs for node in nodes), outputs):
        for v in group:
            if id(v) not in inside and not isinstance(v, Constant):
                found.setdefault(id(v), v)
    return list(found.values())


def _may_fail(v: Variable) -> bool:
    """Does `v` take an op that can fail for its values, or loops?  Draws are values, with checked parameters."""
    return any(not isinstance(node.op, ops.OpKind) or isinstance(node.op, (ops.Assert, ops.Scan, ops.Cond))
               or (facts(node.op).fails(node.op) and not facts(node.op).draws(node.op))
               for node in toposort([v]))
