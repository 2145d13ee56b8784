"""`sink`: what only one branch of an `ifelse` needs is moved into that branch, so that it is computed only if taken.

`ifelse` builds Conds that merely select: the results of both branches are their arguments.  Such a graph can be
walked, differentiated by what stands inside a branch, and cloned like any other; its values are right, but not lazy.
When nothing more will be asked of it (`function`, the body of a loop, a gradient, which must be lazy as well), `sink`
makes of each of these Conds one whose branches hold what is used by them alone.
In: an expression graph.  Out: another one, of equal values.  No recursion.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from gradc.ir import infer, ops
from gradc.ir.convert import to_program
from gradc.ir.graph import Apply, Constant, Variable, made_with, toposort
from gradc.ir.program import Program
from gradc.ir.types import RngType, TensorType
from gradc.record import record, replace


@record(eq=False)
class Place:
    """Where a node is needed: in one branch of a Cond, which is itself needed in the place `outer`."""

    outer: Place | None
    depth: int


ROOT = Place(None, 0)
DEEPEST = 100       # branches in branches further down stay as they are: Programs in Programs are run by recursion


def selects(op: object) -> bool:
    """Is this a Cond whose arguments are the results of one branch, then those of the other?"""
    if type(op) is not ops.Cond:
        return False
    n = len(op.then.outputs)
    return op.then.outputs == op.then.inputs[:n] and op.orelse.outputs == op.orelse.inputs[n:]


def selecting(outputs: Iterable[Variable], stop: Collection[Variable] = ()) -> bool:
    """Is there anything to sink?"""
    return any(selects(node.op) for node in toposort(outputs, stop))


def sink(outputs: Sequence[Variable], stop: Collection[Variable] = ()) -> dict[Variable, Variable]:
    """For each variable that `outputs` depend on and that has changed, what stands for it.

    Outputs themselves and what they use outside of branches stay outside; nothing above `stop` is looked at.
    """
    nodes = toposort(outputs, stop)
    if not any(selects(node.op) for node in nodes):
        return {}
    places, branches = _places(nodes, outputs)
    inside: dict[Place, list[Apply]] = {}
    new: dict[Variable, Variable] = {}
    for node in nodes:
        inputs = [new.get(v, v) for v in node.inputs]
        here = inside.setdefault(places[node], [])
        made = node
        if node in branches:
            parts = [inside.get(place, []) for place in branches[node]]
            with made_with(node):
                closed = _close(node, inputs, parts)
            if closed is None:
                here += [n for part in parts for n in part]
            else:
                made = closed
        if made is node and any(a is not b for a, b in zip(inputs, node.inputs)):
            with made_with(node):
                made = node.clone_with_new_inputs(inputs)
        if made is not node:
            new.update(zip(node.outputs, made.outputs))
            for old, out in zip(node.outputs, made.outputs):
                out.name = old.name
        here.append(made)
    return new


def _places(nodes: Sequence[Apply], outputs: Iterable[Variable]) -> tuple[dict[Apply, Place],
                                                                          dict[Apply, tuple[Place, Place]]]:
    """The innermost place that holds all uses of a node, and the two branches of each Cond to be filled."""
    places: dict[Apply, Place] = {v.owner: ROOT for v in outputs if v.owner is not None}
    branches: dict[Apply, tuple[Place, Place]] = {}
    for node in reversed(nodes):
        here = places[node]
        uses = [here] * len(node.inputs)
        if selects(node.op) and here.depth < DEEPEST:
            then, orelse = branches[node] = Place(here, here.depth + 1), Place(here, here.depth + 1)
            n = len(node.outputs)
            uses[1:] = [then] * n + [orelse] * n
        for v, place in zip(node.inputs, uses):
            if v.owner is not None:
                old = places.get(v.owner)
                places[v.owner] = place if old is None else _common(old, place)
    return places, branches


def _common(a: Place, b: Place) -> Place:
    while a is not b:
        if a.depth < b.depth:
            a, b = b, a
        assert a.outer is not None      # ROOT has the least depth and is in every place
        a = a.outer
    return a


def _close(node: Apply, inputs: Sequence[Variable], parts: Sequence[list[Apply]]) -> Apply | None:
    """The Cond with `parts` in its branches; None if there is nothing to put there, or it takes other objects."""
    n = len(node.outputs)
    results = [inputs[1:n + 1], inputs[n + 1:]]
    args: dict[Variable, None] = {}
    for part, values in zip(parts, results):
        made = {v for inner in part for v in inner.outputs}
        for group in (*(inner.inputs for inner in part), values):
            args.update((v, None) for v in group if v not in made and not isinstance(v, Constant))
    if not any(parts) or any(not isinstance(v.type, (TensorType, RngType)) for v in args):
        return None
    then, orelse = (_program(list(args), values) for values in results)
    op = replace(node.op, then=then, orelse=orelse)
    taken = [inputs[0], *args]
    return Apply(op, taken, infer.output_types(op, taken, node.source), node.source)


def _program(args: Sequence[Variable], values: Sequence[Variable]) -> Program:
    return to_program(args, values, body=True)
