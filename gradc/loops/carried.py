"""A carry that steps change in place: one row of memory for a table of which each step writes a part.

`first_write` says when: what a step hands on is its state with parts written into it, and nothing reads the state once
that has begun.  `keep_old` copies the parts of the state that are still wanted then.
Used by `loops.place`.
"""

from __future__ import annotations

from gradc.ir import ops
from gradc.ir.program import Eqn, Program, Var
from gradc.loops.index import View, needed
from gradc.loops.place_body import BodyBuilder
from gradc.loops.place_values import Values
from gradc.loops.schedule import leaves


def first_write(program: Program, state: Var, new: Var) -> Eqn | None:
    """The equation of a body that first writes into `state`, if `new` is made of it by writing parts."""
    producers, counts = program.producers(), program.use_counts()
    v, first = new, None
    while v is not state:
        eqn = producers.get(v)
        if eqn is None or type(eqn.op) not in ops.WRITES or (v is not new and counts[v] > 1):
            return None
        v, first = eqn.args[0], eqn
    if first is None or state in program.outputs or state in first.args[1:]:
        return None
    rest = program.eqns[program.eqns.index(first) + 1:]
    return None if any(state in _read(eqn) for eqn in rest) else first


def _read(eqn: Eqn) -> tuple[Var, ...]:
    """Arguments of which more than the sizes is used."""
    if type(eqn.op) is ops.ShapeOf:
        return ()
    return eqn.args[1:] if eqn.op == ops.Map("second") else eqn.args


def keep_old(body: BodyBuilder, memory: Var, write: Eqn) -> None:
    """Copy what is seen in `memory` and used by `write` or later; write after all that is there so far."""
    rest = body.program.eqns[body.program.eqns.index(write):]
    later = dict.fromkeys([*[v for eqn in rest for v in _read(eqn)], *body.program.outputs])
    for v in later:
        view = body.values.views.get(v)
        if v is not write.args[0] and view is not None and _sees(body.values, view, memory):
            body.values.moved(v, body.copy(view, v))
    body.nests.defined[memory] = len(body.nests) - 1


def _sees(values: Values, view: View, memory: Var) -> bool:
    """Are elements of `memory` loaded for this value?"""
    for leaf in leaves(values.all_of(view)):
        roots = [leaf.root, *[v for v, _ in needed(leaf.view)]]
        if any(values.base.get(root, root) is memory for root in roots):
            return True
    return False
