"""Rules of Map and Cast: the derivative of a row, and broadcasting undone.

The one place where broadcasting is undone: a cotangent is summed over the axes along which its argument
was broadcast (missing ones and static 1s; a run-time size 1 does not broadcast).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradc.autodiff.symbolic import Symbolic, is_continuous
from gradc.autodiff.table import Cotangents, jvp, vjp
from gradc.ir import ops
from gradc.ir.graph import Apply, NullVariable, Variable, describe
from gradc.ir.scalars import get_row
from gradc.ir.types import NullType


def undefined(why: str) -> Variable:
    """A gradient that does not exist, for the reason `why`."""
    return NullVariable(NullType(why))


@vjp(ops.Map)
def map_vjp(o: Symbolic, node: Apply, g: Variable, wanted: Sequence[bool]) -> Cotangents:
    """Each argument's cotangent by the row's derivative."""
    row = get_row(node.op.fn)
    out, args = node.outputs[0], node.inputs
    result: list[Variable | None] = []
    for k, derivative in enumerate(row.d or (None,) * row.nin):
        if not wanted[k] or derivative is None:
            result.append(None)
        elif isinstance(derivative, str):
            result.append(undefined(derivative))
        else:
            result.append(o.sum_to(derivative(o, g, out, *args), args[k]))
    return result


@jvp(ops.Map)
def map_jvp(o: Symbolic, node: Apply, tangents: Cotangents) -> Variable | None:
    """Sum over the arguments of (row's derivative) x (tangent): the row's lambdas are linear in g."""
    row = get_row(node.op.fn)
    out, args = node.outputs[0], node.inputs
    terms = []
    for t, derivative in zip(tangents, row.d or (None,) * row.nin):
        if t is None or derivative is None:
            continue
        if isinstance(derivative, str):
            return undefined(derivative)
        terms.append(derivative(o, t, out, *args))
    total = o.add_terms(terms)
    return None if total is None else o.fit(total, out)


@vjp(ops.Cast)
def cast_vjp(o: Symbolic, node: Apply, g: Variable, wanted: Sequence[bool]) -> Cotangents:
    """The cotangent itself; the driver casts it to the argument's dtype."""
    return [g]


@jvp(ops.Cast)
def cast_jvp(o: Symbolic, node: Apply, tangents: Cotangents) -> Variable | None:
    """The tangent in the new dtype."""
    t = tangents[0]
    return None if t is None or not is_continuous(node.outputs[0]) else o.apply(node.op, t)


@vjp(ops.GradientOf)
def gradient_of_vjp(o: Any, node: Apply, g: Variable, wanted: Sequence[bool]) -> Cotangents:
    """What `autodiff.blocks` promise: nothing, a clipped or a scaled cotangent."""
    kind = node.op.kind
    if isinstance(kind, str):
        return [None]
    if kind[0] == "clip":
        return [o.clip(g, o.const(kind[1], g), o.const(kind[2], g))]
    return [o.mul(g, o.const(kind[1], g))]


@jvp(ops.GradientOf)
def gradient_of_jvp(o: Any, node: Apply, tangents: Cotangents) -> Variable | None:
    """As in reverse, but clipping, which is no linear map, lets tangents pass."""
    t, kind = tangents[0], node.op.kind
    if t is None or isinstance(kind, str):
        return None
    return t if kind[0] == "clip" else o.mul(t, o.const(kind[1], t))


@vjp(ops.Assert)
def assert_vjp(o: Symbolic, node: Apply, g: Variable, wanted: Sequence[bool]) -> Cotangents:
    """The identity in its first argument."""
    return [g] + [None] * (len(node.inputs) - 1)


@jvp(ops.Assert)
def assert_jvp(o: Symbolic, node: Apply, tangents: Cotangents) -> Variable | None:
    """The identity in its first argument."""
    return tangents[0]


def complex_reason(node: Apply) -> str:
    """Why a gradient through a complex value does not exist."""
    return f"gradc has no gradients through complex values, and {describe(node.outputs[0])} is or takes one"
