"""The tables of derivative rules, one entry per op kind, and which arguments an op depends on at all.

    VJP[kind](o, node, g, wanted) -> one cotangent per input; None where it is zero or not wanted
    JVP[kind](o, node, tangents)  -> the tangent of the result; None if it is zero

`o` is `autodiff.symbolic.Symbolic`, `node` the Apply, `g` the cotangent of its one output, `wanted` says
per input whether its cotangent is used, a tangent is None where it is zero.  Rules of kinds with
several outputs (`ir.facts`) get a list of cotangents and give a list of tangents.  Those, and that of Map, take and
give `Guarded` ones; `autodiff.guards` calls the others with values.  Rules stand in `autodiff/rules/`,
those of loops and branches in `control`, user-defined Ops in `autodiff/rules/user.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gradc.autodiff.symbolic import is_continuous
from gradc.ir import ops
from gradc.ir.facts import facts
from gradc.ir.graph import Apply, Variable, toposort

Rule = Callable[..., Any]
Cotangents = Sequence["Variable | None"]
Pattern = Sequence[Sequence[bool]]

VJP: dict[type, Rule] = {}
JVP: dict[type, Rule] = {}
CONNECTION: dict[type, Callable[[Apply], Pattern]] = {}
CALL_VJP: dict[str, Rule] = {}      # by the name of the routine; see `autodiff/rules/calls.py`
CALL_JVP: dict[str, Rule] = {}


def _into(table: dict[type, Rule], kind: type) -> Callable[[Rule], Rule]:
    def register(rule: Rule) -> Rule:
        table[kind] = rule
        return rule
    return register


def vjp(kind: type) -> Callable[[Rule], Rule]:
    """Decorator: this is the reverse rule of op kind `kind`."""
    return _into(VJP, kind)


def jvp(kind: type) -> Callable[[Rule], Rule]:
    """Decorator: this is the forward rule of op kind `kind`."""
    return _into(JVP, kind)


def connects(kind: type) -> Callable[[Rule], Rule]:
    """Decorator: this gives the `connection` of a node of op kind `kind`."""
    return _into(CONNECTION, kind)


def connection(node: Apply) -> Pattern | None:
    """`pattern[input][output]`: does that output depend on that input?  None: every output on every input.

    A function that depends on its argument with derivative zero (floor, eq, argmax) is connected; one that
    uses only the shape of it is not.
    """
    op = node.op
    kind = type(op)
    if kind is ops.Map:
        return [[False], [True]] if op.fn == "second" else None
    leading = facts(op).values
    if leading is not None:
        return [[k < leading] for k in range(len(node.inputs))]
    if kind is ops.GradientOf:
        return [[op.kind != "disconnected"], [False]][:len(node.inputs)]
    if kind in CONNECTION:
        return CONNECTION[kind](node)
    if isinstance(op, ops.OpKind) or not hasattr(op, "connection_pattern"):
        return None
    return op.connection_pattern(node)


def influence(inputs: Sequence[Variable], outputs: Sequence[Variable], *, smooth: bool = False) -> list[int]:
    """Per output the inputs that it is connected to, as bits; `smooth`: only by way of values that have derivatives."""
    masks = {id(v): 1 << k for k, v in enumerate(inputs)}
    for node in toposort(outputs, stop=inputs):
        given = [masks.get(id(v), 0) for v in node.inputs]
        if not any(given):
            continue
        pattern = connection(node)
        for j, y in enumerate(node.outputs):
            mask = 0
            if not smooth or is_continuous(y):
                for k, part in enumerate(given):
                    if part and (pattern is None or pattern[k][j]):
                        mask |= part
            masks[id(y)] = mask
    return [masks.get(id(y), 0) for y in outputs]
