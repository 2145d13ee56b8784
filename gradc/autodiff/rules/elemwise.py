"""Rules of Map and Cast: the derivative of a row, and broadcasting undone.

The one place where broadcasting is undone: a cotangent is summed over the axes along which its argument
was broadcast (missing ones and static 1s; a run-time size 1 does not broadcast).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradc.autodiff.guards import BOUNDED, SMOOTH, Guarded, add, is_singular, peeled, summed_to
from gradc.autodiff.rules.complex import LINEAR, NOT_HOLOMORPHIC
from gradc.autodiff.symbolic import Symbolic, is_complex, is_continuous
from gradc.autodiff.table import Cotangents, jvp, vjp
from gradc.ir import dtypes, ops
from gradc.ir.graph import Apply, Constant, NullVariable, Variable
from gradc.ir.scalars import get_row
from gradc.ir.types import NullType


def undefined(why: str) -> Variable:
    """A gradient that does not exist, for the reason `why`."""
    return NullVariable(NullType(why))


@vjp(ops.Map)
def map_vjp(o: Symbolic, node: Apply, g: Guarded, wanted: Sequence[bool]) -> list[Guarded | None]:
    """Each argument's cotangent by the row's derivative."""
    terms = _terms(o, node, [g if want else None for want in wanted], True)
    return [term if term is None or type(term.raw.type) is NullType else summed_to(o, term, x)
            for x, term in zip(node.inputs, terms)]


@jvp(ops.Map)
def map_jvp(o: Symbolic, node: Apply, tangents: Sequence[Guarded | None]) -> Guarded | None:
    """Sum over the arguments of (row's derivative) x (tangent): the row's lambdas are linear in g."""
    terms = [term for term in _terms(o, node, tangents, False) if term is not None]
    undefined_one = next((term for term in terms if type(term.raw.type) is NullType), None)
    if undefined_one is not None or not terms:
        return undefined_one
    total = terms[0]
    for term in terms[1:]:
        total = add(o, total, term)
    return total.with_raw(o.fit(total.raw, node.outputs[0]))


def _terms(o: Symbolic, node: Apply, given: Sequence[Guarded | None], reverse: bool) -> list[Guarded | None]:
    """The row's derivative by each argument, times what is given for it; None where that is zero."""
    row, out, args = get_row(node.op.fn), node.outputs[0], node.inputs
    if row.rule in ("integral", "floating") and len(args) > 1:      # log of the base 2.0, a float32, as in the value
        dtype = row.dtypes(*[x.type.dtype for x in args])[0]
        args = [o.cast(x, dtype) if is_continuous(x) and dtype in dtypes.CONTINUOUS else x for x in args]
    derivatives, conjugate = row.d or (None,) * row.nin, False
    if is_complex(node):
        if row.name in NOT_HOLOMORPHIC:
            derivatives = NOT_HOLOMORPHIC[row.name][0 if reverse else 1]
        else:
            conjugate = reverse and row.name not in LINEAR
    result: list[Guarded | None] = []
    for k, (g, derivative) in enumerate(zip(given, derivatives)):
        if g is None or derivative is None:
            result.append(None)
        elif isinstance(derivative, str):
            result.append(Guarded(undefined(derivative)))
        else:
            term = o.conjugate(derivative(o, o.conjugate(g.raw), out, *args)) if conjugate else \
                derivative(o, g.raw, out, *args)
            clean = g.clean and not (g.mask and _is_hazard(node, k, g.guards_poles_only))
            result.append(g if term is g.raw else peeled(o, Guarded(term, g.mask, clean, g.weak)))
    return result


def _is_hazard(node: Apply, k: int, weak: bool) -> bool:
    """May the derivative by argument k be infinite or nan?"""
    fn = node.op.fn
    if fn == "mul" or (fn == "true_divide" and k == 0):
        other = node.inputs[1 - k]
        if isinstance(other, Constant) and np.isfinite(other.data).all() and (fn == "mul" or np.all(other.data)):
            return False
        if fn == "mul" and is_singular(other):
            return True
    return fn not in (SMOOTH if weak else BOUNDED)


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
def gradient_of_vjp(o: Symbolic, node: Apply, g: Variable, wanted: Sequence[bool]) -> Cotangents:
    """What `autodiff.blocks` promise: nothing, a clipped or a scaled cotangent; or the cotangent itself."""
    kind = node.op.kind
    if isinstance(kind, str):
        return [None]
    if kind[0] == "of":
        return [g, None]
    if kind[0] == "clip":
        return [o.clip(g, o.const(kind[1], g), o.const(kind[2], g))]
    return [o.mul(g, o.const(kind[1], g))]


@jvp(ops.GradientOf)
def gradient_of_jvp(o: Symbolic, node: Apply, tangents: Cotangents) -> Variable | None:
    """As in reverse, but clipping, which is no linear map, lets tangents pass."""
    t, kind = tangents[0], node.op.kind
    if t is None or isinstance(kind, str):
        return None
    return t if kind[0] in ("clip", "of") else o.mul(t, o.const(kind[1], t))


@vjp(ops.Assert)
def assert_vjp(o: Symbolic, node: Apply, g: Variable, wanted: Sequence[bool]) -> Cotangents:
    """The identity in its first argument."""
    return [g] + [None] * (len(node.inputs) - 1)


@jvp(ops.Assert)
def assert_jvp(o: Symbolic, node: Apply, tangents: Cotangents) -> Variable | None:
    """The identity in its first argument."""
    return tangents[0]
