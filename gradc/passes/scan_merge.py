"""Loops and branches that become one, and branches that are known: Program -> Program, exact.

    merge_branches      Conds on one condition as one
    simplify_branches   a Cond of a known condition is one of its branches; what both compute is computed before
    merge_siblings      loops of the same steps that share carries as one

A gradient runs its forward loop a second time, with more rows to stack; here the two find together.  Loops of scalars
are merged also where they share nothing: two recurrences side by side take the time of one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from gradc.ir import ops
from gradc.ir.facts import may_fail
from gradc.ir.program import Builder, Eqn, Program, Var, copy_inputs, inline, rebuild, tensor
from gradc.ir.types import TensorType
from gradc.passes.dce import drop_unused
from gradc.passes.loop import STOP, Loop, is_loop

Optimise = Callable[[Program], Program]
Item = Eqn | Loop
Each = TypeVar("Each", bound=Eqn | Loop)


def merge_siblings(program: Program) -> Program:
    """Loops of the same steps, of which none needs the other, as one where they have a carry in common."""
    count = sum(is_loop(eqn) for eqn in program.eqns)
    if count < 2:
        return program
    items: list[Item] = [Loop(eqn, eqn.args) if is_loop(eqn) else eqn for eqn in program.eqns]
    tried: set[tuple[Loop, Loop]] = set()
    while (joined := _pair(items, tried)) is not None:
        items = joined
    b = Builder()
    env = copy_inputs(program, b)
    for item in items:
        if isinstance(item, Eqn):
            rebuild(program, b, env, [item])
        else:
            item.move(env)
            env.update(item.emit(b))
    return b.program([env[v] for v in program.outputs])


def _pair(items: list[Item], tried: set[tuple[Loop, Loop]]) -> list[Item] | None:
    """`items` with two loops as one; None if there are no two that may be and gain by it."""
    loops = [item for item in items if isinstance(item, Loop)]
    for first, second in [(a, b) for k, b in enumerate(loops) for a in loops[:k] if (a, b) not in tried]:
        tried.add((first, second))
        both = _together(first, second) if _alike(first, second) else None
        joined = None if both is None else in_place(items, first, second, both)
        if joined is not None:
            return joined
    return None


def in_place(items: Sequence[Each], first: Each, second: Each, both: Each) -> list[Each] | None:
    """`items`, equations or loops, with `both` in the place of the second; what needs the first follows.

    None if the second needs the first.
    """
    late: set[Var] = set(_results(first))
    before: list[Each] = []
    after: list[Each] = []
    at = next(k for k, item in enumerate(items) if item is second)
    for item in items[:at]:
        if item is not first:
            needs = not late.isdisjoint(_arguments(item))
            (after if needs else before).append(item)
            late.update(_results(item) if needs else ())
    if not late.isdisjoint(_arguments(second)):
        return None
    return [*before, both, *after, *items[at + 1:]]


def _results(item: Item) -> Iterable[Var]:
    return item.outs if isinstance(item, Eqn) else item.names


def _arguments(item: Item) -> Iterable[Var]:
    return item.args if isinstance(item, Eqn) else item.outside()


def _alike(first: Loop, second: Loop) -> bool:
    """Do the loops run the same steps?"""
    a, b = first.op, second.op
    return first.steps is second.steps and first.limit is second.limit and (a.reverse, a.until) == (b.reverse, b.until)


def _together(first: Loop, second: Loop) -> Loop | None:
    """One loop that does what both do, if it pays."""
    arrays = [v for loop in (first, second) for v in (*loop.inits, *loop.rows.values()) if type(v.type) is TensorType]
    scalars = all(not tensor(v).ndim for v in arrays)
    if not scalars and set(first.inits.values()).isdisjoint(second.inits.values()):
        return None
    both = Loop.both(first, second)
    equal_values(both)
    if second.stop is not None:
        if both.rows.pop(STOP) is not both.stop:
            return None
    elif not scalars and len(both.inits) == len(first.inits) + len(second.inits):
        return None
    return both


# ------------------------------------------------------------------------------------------------ equal values


def equal_values(loop: Loop) -> None:
    """Sequences and others that are given twice; carries that begin equal and stay equal (by coinduction)."""
    new: dict[Var, Var] = {}
    for table in (loop.seqs, loop.others):
        first: dict[tuple[Var, object], Var] = {}
        for v, x in table.items():
            if (kept := first.setdefault((x, v.type), v)) is not v:
                new[v] = kept
    classes = equal_carries(loop, new)
    new.update({v: kept for v, kept in classes.items() if kept is not v})
    if new:
        loop.lasts = {key: new.get(v, v) for key, v in loop.lasts.items()}
        loop.substitute(new)


def equal_carries(loop: Loop, equal: dict[Var, Var]) -> dict[Var, Var]:
    """carry -> the first of those that are equal to it in every step; `equal`: inputs known to be equal to others.

    All carries with one initial value are taken to be equal, then split until what follows equals is equal.
    """
    classes: dict[Var, Var] = {}
    first: dict[object, Var] = {}
    for v, x in loop.inits.items():
        classes[v] = first.setdefault((x, v.type), v)
    while True:
        value = numbering(loop.inner.eqns, {**equal, **classes})
        first = {}
        finer = {v: first.setdefault((kept, value.get(loop.after[v], loop.after[v])), v)
                 for v, kept in classes.items()}
        if len(set(finer.values())) == len(set(classes.values())):
            return classes
        classes = finer


def numbering(eqns: list[Eqn], equal: dict[Var, Var]) -> dict[Var, Var]:
    """Var -> the first Var with the same value, given Vars that are `equal` to others; missing: itself."""
    value = dict(equal)
    seen: dict[object, tuple[Var, ...]] = {}
    for eqn in eqns:
        key = (eqn.op, *[value.get(a, a) for a in eqn.args])
        outs = seen.setdefault(key, eqn.outs)
        if outs is not eqn.outs:
            value.update(zip(eqn.outs, outs))
    return value


# ------------------------------------------------------------------------------------------------- branches


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
    alike = _same_results(then, orelse)
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
    outs = inline(branch, b, [made[x] if x.data is None else b.constant(x.data, str(x.data.dtype)) for x in inputs])
    return b.program([outs[k] for k in kept])


def _same_results(then: Program, orelse: Program) -> list[int]:
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
        earlier, both = first.get(eqn.args[0]), eqn
        if earlier is not None:
            both = _as_one(earlier, eqn)
            joined = in_place(eqns, earlier, eqn, both)
            eqns, both = (eqns, eqn) if joined is None else (joined, both)
        first[eqn.args[0]] = both
    return Program(program.inputs, eqns, program.outputs)


def _as_one(first: Eqn, second: Eqn) -> Eqn:
    """One Cond that does what two of one condition do."""
    one, two = first.op, second.op
    assert isinstance(one, ops.Cond) and isinstance(two, ops.Cond)
    op = ops.Cond(_side_by_side(one.then, two.then), _side_by_side(one.orelse, two.orelse), one.name or two.name)
    return Eqn(op, (*first.args, *second.args[1:]), (*first.outs, *second.outs),
               tuple(dict.fromkeys(first.sources + second.sources)))


def _side_by_side(first: Program, second: Program) -> Program:
    """A Program that does what the two do, of the inputs of both."""
    b = Builder()
    inputs = [(part, copy_inputs(part, b).values()) for part in (first, second)]
    return b.program([v for part, given in inputs for v in inline(part, b, given)])
