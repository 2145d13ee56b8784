"""Cotangents of loops that are zeros but for a part, as the rules of indexing make them.

Written out, each step would add an array to another for the sake of one element, and a loop of which only the last
value is used would go through an array of rows that are 0 but for one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gradc.autodiff.table import Cotangents
from gradc.control.parts import LoopStep
from gradc.ir import build, ops
from gradc.ir.facts import changes
from gradc.ir.graph import Apply, Constant, Variable

if TYPE_CHECKING:
    from gradc.autodiff.symbolic import Symbolic

_FIRST_ROWS = (ops.Item(stop=ops.DYNAMIC),)


def added(o: Symbolic, total: Variable, term: Variable) -> Variable:
    """total + term; where term is zeros but for a part, only the part is added."""
    for v in _terms(term):
        part = _into_zeros(v)
        total = o.add(total, v) if part is None else o.apply(ops.writing("inc", ops.reading(part.op)), total,
                                                             *part.inputs[1:])
    return total


def of_last_values(o: Symbolic, step: LoopStep, gs: Cotangents) -> list[Variable | None]:
    """`gs`, where the cotangent of the last row of all values of a carry is made that of its last value."""
    op, outs, moved = step.op, step.node.outputs, list(gs)
    if op.reverse or (op.limited and not op.until):
        return moved                                    # the last row need not be that of the last step
    for j in range(op.n_carries, len(step.results)):
        k = next((k for k, v in enumerate(step.after) if v is step.results[j]), None)
        g = gs[j]
        if k is None or g is None:
            continue
        moved[j], parts = _split(o, step, g, op.until)
        last = [_value(o, step, outs[k], part) for part in parts]
        moved[k] = o.add_terms(last if (own := moved[k]) is None else [own, *last])
    return moved


def _split(o: Symbolic, step: LoopStep, g: Variable, until: bool) -> tuple[Variable | None, list[Apply]]:
    """What is left of g without the terms that are 0 but for the last row, and the Scatters that make those.

    `until`: g is the cotangent of all rows, of which the user has taken the first `count`.
    """
    rest, parts = [], []
    for term in _terms(g):
        part = _into_zeros(term)
        items = None if part is None else changes(part.op)
        if part is not None and until and items == _FIRST_ROWS and part.op.mode == "inc" \
                and part.inputs[2] is step.node.outputs[-1]:
            inner, found = _split(o, step, part.inputs[1], False)
            parts += found
            if inner is not None:
                rest.append(o.apply(part.op, part.inputs[0], inner, part.inputs[2]) if found else term)
        elif part is not None and not until and items and items[0].at == -1:
            parts.append(part)
        else:
            rest.append(term)
    return o.add_terms(rest), parts


def _value(o: Symbolic, step: LoopStep, like: Variable, part: Apply) -> Variable:
    """What `part` puts into the last row, as a cotangent of the last value; an error if there was no step."""
    node = step.node
    steps = node.outputs[-1] if step.op.until else node.inputs[0]
    message = "index -1 is out of bounds for dimension 0 of size 0"
    value = o.apply(ops.Assert(message, "index"), part.inputs[1], o.gt(steps, o.number(0, "int64")))
    if len(part.op.items) == 1:
        return o.fit(value, like)
    zeros = o.full_like(like, 0)
    return build.put(o, "inc", zeros, o.cast(value, zeros.type.dtype), part.op.items[1:], *part.inputs[2:])


def _terms(total: Variable) -> list[Variable]:
    """The variables of which `total` is the sum."""
    terms, stack = [], [total]
    while stack:
        term = stack.pop()
        node = term.owner
        if node is not None and node.op == ops.Map("add") and all(v.type == term.type for v in node.inputs):
            stack.extend(reversed(node.inputs))
        else:
            terms.append(term)
    return terms


def _into_zeros(v: Variable) -> Apply | None:
    """What makes v of zeros by writing one part, if something does; of equal positions all count."""
    node = v.owner
    if node is None or type(node.op) not in ops.WRITES or (node.op.mode == "set" and type(node.op) in ops.AT_ARRAYS):
        return None
    fill = node.inputs[0].owner
    if fill is None or fill.op != ops.Map("second"):
        return None
    zero = fill.inputs[1]
    return node if isinstance(zero, Constant) and not np.any(zero.data) else None
