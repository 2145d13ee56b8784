"""Derivatives of Cond: importing this module enters them into the tables of `autodiff.table`.

The derivative is a Cond of the branches' derivatives with the same condition, so again only one of them runs; what
a branch's derivative needs of its values is computed in it again.  No gradient goes to the condition.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from gradc.autodiff.forward import pushforward
from gradc.autodiff.guards import Guarded, opened, values
from gradc.autodiff.reverse import pullback
from gradc.autodiff.symbolic import cotangent_dtype, is_continuous
from gradc.autodiff.table import Pattern, connects, influence, jvp, vjp
from gradc.ir import infer, ops
from gradc.ir.convert import inline, to_program
from gradc.ir.graph import Apply, Variable
from gradc.ir.program import Program
from gradc.ir.types import NullType, TensorType
from gradc.record import replace

if TYPE_CHECKING:
    from gradc.autodiff.symbolic import Symbolic

Variables = list[Variable]
Derivatives = Sequence["Guarded | None"]
Terms = list["tuple[Variable | None, Variable]"]


@connects(ops.Cond)
def cond_connection(node: Apply) -> Pattern:
    """What one of the branches depends on; not the condition."""
    masks = [0] * len(node.outputs)
    for branch in (node.op.then, node.op.orelse):
        inputs, results = _open(branch, node)
        masks = [a | b for a, b in zip(masks, influence(inputs, results))]
    return [[k > 0 and bool(mask >> (k - 1) & 1) for mask in masks] for k in range(len(node.inputs))]


@vjp(ops.Cond)
def cond_vjp(o: Symbolic, node: Apply, gs: Derivatives, wanted: Sequence[bool]) -> Derivatives:
    """The cotangents that the branch taken gives to its inputs."""
    known = [j for j, (g, y) in enumerate(zip(gs, node.outputs)) if g is not None and is_continuous(y)]
    targets = [k for k, want in enumerate(wanted) if want]

    def back(inputs: Variables, results: Variables, given: list[Guarded]) -> Terms:
        by = [inputs[k - 1] for k in targets]
        return list(zip(values(o, pullback(o, [results[j] for j in known], given, by)), by))

    terms = _derivative(o, node, [(node.outputs[j], gs[j]) for j in known], back)
    found = dict(zip(targets, terms))
    return [found.get(k) for k in range(len(node.inputs))]


@jvp(ops.Cond)
def cond_jvp(o: Symbolic, node: Apply, tangents: Derivatives) -> Derivatives:
    """The tangents of what the branch taken gives."""
    known = [k for k, t in enumerate(tangents) if k > 0 and t is not None]
    smooth = [j for j, y in enumerate(node.outputs) if is_continuous(y)]

    def forth(inputs: Variables, results: Variables, given: list[Guarded]) -> Terms:
        of = [results[j] for j in smooth]
        return list(zip(values(o, pushforward(o, [inputs[k - 1] for k in known], given, of)), of))

    found = dict(zip(smooth, _derivative(o, node, [(node.inputs[k], tangents[k]) for k in known], forth)))
    return [found.get(j) for j in range(len(node.outputs))]


def _derivative(o: Symbolic, node: Apply, given: Sequence[tuple[Variable, Any]],
                rule: Callable[[Variables, Variables, list[Guarded]], Terms]) -> list[Guarded | None]:
    """The results of the Cond whose branches are derivatives.

    given: (variable of the Cond, its tangent or cotangent).  rule(inputs, results, given) of a branch: per result the
    derivative (None: zero) and the variable of whose shape and kind it is.  A result is None if it is zero in both
    branches, a variable of NullType if it is undefined in one.
    """
    if not given:
        return []
    shared, outside, conditions = opened(o, [g for _, g in given])
    taken = [v for v in (*outside, *conditions) if v is not None]
    op = node.op
    branches, terms = [], []
    for program in (op.then, op.orelse):
        inputs, results = _open(program, node)
        fresh = [_tangent(v) for v, _ in given]
        flags = [None if c is None else c.type.variable_class(c.type) for c in conditions]
        guarded = [Guarded(t, () if c is None else ((c, True),)) for t, c in zip(fresh, flags)]
        terms.append(rule(inputs, results, guarded))
        branches.append([*inputs, *fresh, *(c for c in flags if c is not None)])
    o.source = node.source
    pairs = [[term for term, _ in both if term is not None] for both in zip(*terms)]
    result: list[Variable | None] = [next((t for t in pair if isinstance(t.type, NullType)), None) for pair in pairs]
    live = [k for k, pair in enumerate(pairs) if pair and result[k] is None]
    if live:
        programs = []
        for inputs, found in zip(branches, terms):
            outs = [o.full_like(like, 0) if term is None else term for term, like in (found[k] for k in live)]
            programs.append(to_program(inputs, outs, body=True))
        new, args = replace(op, then=programs[0], orelse=programs[1]), [*node.inputs, *taken]
        made = Apply(new, args, infer.output_types(new, args, node.source), node.source).outputs
        for k, v in zip(live, made):
            result[k] = v
    return [None if v is None else Guarded(v, shared, False) for v in result]


def _open(program: Program, node: Apply) -> tuple[Variables, Variables]:
    """A branch's inputs, fresh variables, and results."""
    inputs = [v.type.variable_class(v.type, name=v.name) for v in program.inputs]
    return inputs, inline(program, inputs, source=node.source)


def _tangent(v: Variable) -> Variable:
    new = TensorType.make(cotangent_dtype(v), v.type.shape)
    return new.variable_class(new)
