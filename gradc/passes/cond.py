"""Branches: a Cond of a known condition is one of its branches, Conds on one condition are one.

Program -> Program, exact: `simplify_branches`, `merge_branches`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gradc.ir import ops
from gradc.ir.program import Builder, Eqn, Program, Var, copy_inputs, rebuild
from gradc.passes.dce import drop_unused
from gradc.passes.loop import may_fail
from gradc.passes.scan_values import numbering

Optimise = Callable[[Program], Program]


def simplify_branches(program: Program, optimise: Optimise) -> Program:
    """Conds with optimised branches, with the results that are needed and of the values that these need.

    If the condition is known, the branch that is taken takes the place of the Cond.  A result that both branches
    compute alike, and that can't fail, is computed without asking.
    """
    if not any(type(eqn.op) is ops.Cond for eqn in program.eqns):
        return program
    needed = {*program.outputs, *[a for eqn in program.eqns for a in eqn.args]}
    b = Builder()
    env = copy_inputs(program, b)
    for eqn in program.eqns:
        if type(eqn.op) is not ops.Cond:
            rebuild(program, b, env, [eqn])
            continue
        b.sources = eqn.sources
        kept = [k for k, v in enumerate(eqn.outs) if v in needed]
        made = _simplified(b, eqn.op, [env[a] for a in eqn.args], kept, optimise)
        for k, v in zip(kept, made):
            v.name = v.name or eqn.outs[k].name
            env[eqn.outs[k]] = v
    return b.program([env[v] for v in program.outputs])


def _simplified(b: Builder, op: ops.Cond, args: list[Var], kept: list[int], optimise: Optimise) -> list[Var]:
    """The results `kept` of a Cond."""
    condition, *inputs = args
    if condition.data is not None:
        taken = op.then if condition.data else op.orelse
        return _expanded(b, Program(taken.inputs, taken.eqns, [taken.outputs[k] for k in kept]), inputs)
    given = list(dict.fromkeys(x for x in inputs if x.data is None))
    then, orelse = [optimise(_of(p, kept, inputs, given)) for p in (op.then, op.orelse)]
    alike = _alike(then, orelse)
    rest = [k for k in range(len(kept)) if k not in alike]
    same = _expanded(b, Program(then.inputs, then.eqns, [then.outputs[k] for k in alike]), given)
    found = dict(zip(alike, same))
    if rest:
        then, orelse = [drop_unused(Program(p.inputs, p.eqns, [p.outputs[k] for k in rest])) for p in (then, orelse)]
        used = [set(p.use_counts()) for p in (then, orelse)]
        live = [k for k in range(len(given)) if then.inputs[k] in used[0] or orelse.inputs[k] in used[1]]
        then, orelse = [Program([p.inputs[k] for k in live], p.eqns, p.outputs) for p in (then, orelse)]
        outs = b.equation(ops.Cond(then, orelse, op.name), (condition, *[given[k] for k in live])).outs
        found.update(zip(rest, outs))
    return [found[k] for k in range(len(kept))]


def _of(branch: Program, kept: Sequence[int], inputs: Sequence[Var], given: Sequence[Var]) -> Program:
    """The results `kept` of a branch, as a Program of `given`; constants among `inputs` are inside."""
    b = Builder()
    types = dict(zip(reversed(inputs), reversed(branch.inputs)))
    made = {x: b.input(types[x].type, types[x].name) for x in given}
    env = {v: made[x] if x.data is None else b.constant(x.data, str(x.data.dtype))
           for v, x in zip(branch.inputs, inputs)}
    rebuild(branch, b, env)
    return b.program([env[branch.outputs[k]] for k in kept])


def _alike(then: Program, orelse: Program) -> list[int]:
    """The results that both branches compute in the same way and that can't fail."""
    value = numbering([*then.eqns, *orelse.eqns], dict(zip(orelse.inputs, then.inputs)))
    fails: set[Var] = set()
    for eqn in then.eqns:
        if may_fail(eqn) or not fails.isdisjoint(eqn.args):
            fails.update(eqn.outs)
    return [k for k, (v, w) in enumerate(zip(then.outputs, orelse.outputs))
            if value.get(v, v) is value.get(w, w) and v not in fails and v.type == w.type]


def _expanded(b: Builder, program: Program, inputs: Sequence[Var]) -> list[Var]:
    """`program`'s outputs as equations of `b`, on the user line of the Cond."""
    env = dict(zip(program.inputs, inputs))
    for eqn in drop_unused(program).eqns:
        env.update(zip(eqn.outs, b.equation(eqn.op, [env[a] for a in eqn.args]).outs))
    return [env[v] for v in program.outputs]


def merge_branches(program: Program) -> Program:
    """Conds on one condition of which none needs the other as one."""
    eqns = list(program.eqns)
    first: dict[Var, Eqn] = {}
    for eqn in program.eqns:
        if type(eqn.op) is not ops.Cond:
            continue
        condition = eqn.args[0]
        earlier = first.get(condition)
        joined = None if earlier is None else _joined(eqns, earlier, eqn)
        if joined is None:
            first[condition] = eqn
        else:
            eqns, first[condition] = joined
    return Program(program.inputs, eqns, program.outputs)


def _joined(eqns: list[Eqn], first: Eqn, second: Eqn) -> tuple[list[Eqn], Eqn] | None:
    """`eqns` with the two Conds as one in the place of the second, and that one; what needs the first follows."""
    at = next(k for k, eqn in enumerate(eqns) if eqn is second)
    late = set(first.outs)
    before: list[Eqn] = []
    after: list[Eqn] = []
    for eqn in eqns[:at]:
        if eqn is first:
            continue
        if late.isdisjoint(eqn.args):
            before.append(eqn)
        else:
            after.append(eqn)
            late.update(eqn.outs)
    if not late.isdisjoint(second.args):
        return None
    one: ops.Cond = first.op
    two: ops.Cond = second.op
    op = ops.Cond(_side_by_side(one.then, two.then), _side_by_side(one.orelse, two.orelse), one.name or two.name)
    both = Eqn(op, (*first.args, *second.args[1:]), (*first.outs, *second.outs),
               tuple(dict.fromkeys(first.sources + second.sources)))
    return [*before, both, *after, *eqns[at + 1:]], both


def _side_by_side(first: Program, second: Program) -> Program:
    """A Program that does what the two do, of the inputs of both."""
    b = Builder()
    outputs: list[Var] = []
    for env, part in [(copy_inputs(part, b), part) for part in (first, second)]:
        rebuild(part, b, env)
        outputs += [env[v] for v in part.outputs]
    return b.program(outputs)
