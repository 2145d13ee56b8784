"""What a loop carries around without need: results nobody uses, values that are equal, constants, invariant carries.

Program -> Program, all exact: `drop_unused_results`, `simplify`.  Not here: what leaves a loop (`scan_split`), loops
that become one (`scan_siblings`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gradc.ir import ops
from gradc.ir.program import Builder, Eqn, Program, Var, copy_inputs, rebuild, tensor
from gradc.passes.loop import Loop, SizedBuilder, each_loop, is_loop

Optimise = Callable[[Program], Program]


def drop_unused_results(program: Program) -> Program:
    """Results of loops that nothing needs, with the carries, sequences and others that served only them."""
    if not any(is_loop(eqn) for eqn in program.eqns):
        return program
    needed: set[Var] = set(program.outputs)
    kept: list[tuple[Eqn, Loop | None]] = []
    for eqn in reversed(program.eqns):
        if needed.isdisjoint(eqn.outs):
            continue
        loop = None
        if is_loop(eqn):
            loop = Loop(eqn, eqn.args)
            trim(loop, needed)
            needed.update(loop.outside())
        else:
            needed.update(eqn.args)
        kept.append((eqn, loop))
    b = Builder()
    env = copy_inputs(program, b)
    for eqn, loop in reversed(kept):
        if loop is None:
            rebuild(program, b, env, [eqn])
        else:
            loop.move(env)
            env.update(loop.emit(b))
    return b.program([env[v] for v in program.outputs])


def trim(loop: Loop, needed: Any) -> None:
    """Keep of `loop` what the results in `needed` need."""
    loop.rows = {key: v for key, v in loop.rows.items() if key in needed}
    loop.lasts = {key: v for key, v in loop.lasts.items() if key in needed}
    loop.counts = [key for key in loop.counts if key in needed]
    roots = [*loop.rows.values(), *loop.lasts.values()]
    if not roots and not loop.counts:
        loop.stop = None
    live = loop.needed([*roots, *([] if loop.stop is None else [loop.stop])])
    loop.seqs, loop.inits, loop.after, loop.others = [
        {v: x for v, x in table.items() if v in live} for table in (loop.seqs, loop.inits, loop.after, loop.others)]


def simplify(program: Program, optimise: Optimise) -> Program:
    """Loops with equal values merged, constants in the body, carries that stay the same as others; optimised bodies."""
    def change(b: SizedBuilder, loop: Loop) -> None:
        constants_inside(b, loop)
        sequences_of_positions(b, loop)
        inputs = -1
        while inputs != (inputs := len(loop.outside())):
            loop.take(optimise(loop.body()))
            trim(loop, {*loop.rows, *loop.lasts, *loop.counts})
            checks_outside(b, loop)
            invariant_carries(loop)
            equal_values(loop)

    return each_loop(program, change)


def constants_inside(b: SizedBuilder, loop: Loop) -> None:
    """Constants, and arrays that repeat one value, enter the body; so does what all rows of a sequence have in common.

    There they meet the rules.  What stays an array there is made outside again (`scan_split`).
    """
    new: dict[Var, Any] = {}
    for v, x in loop.others.items():
        eqn = b.producer.get(x)
        if x.data is not None:
            new[v] = (None, (x,))
        elif eqn is not None and type(eqn.op) is ops.Broadcast and not tensor(eqn.args[0]).ndim:
            new[v] = (eqn.op, eqn.args)
    for v, x in loop.seqs.items():
        eqn = b.producer.get(x)
        if eqn is not None and type(eqn.op) is ops.Broadcast and b.has_rows(x, loop.steps) \
                and tensor(eqn.args[0]).ndim < tensor(x).ndim:
            new[v] = (eqn.op, (eqn.args[0], *eqn.args[2:]))
    if new:
        loop.substitute(new)


def sequences_of_positions(b: SizedBuilder, loop: Loop) -> None:
    """x[t] of an x from outside, t the number of the step: rows of x as a sequence."""
    if loop.stop is not None or loop.limit is not None:
        return              # x may be shorter than the steps that are not run
    positions = {v for v, x in loop.seqs.items() if x in b.producer and b.producer[x].op == ops.Iota()
                 and b.producer[x].args[0] is loop.steps}
    picked = [eqn for eqn in loop.body().eqns if type(eqn.op) is ops.Slice and eqn.args[0] in loop.others
              and eqn.op.items[0].at is ops.DYNAMIC and eqn.args[1] in positions]
    if not picked:
        return
    rows: dict[Var, Var] = {}
    for eqn in picked:
        x = loop.others[eqn.args[0]]
        if x not in rows:
            enough = x
            if not b.has_rows(x, loop.steps):
                fits = b.map("le", loop.steps, b.size(x, 0))
                enough = b.apply(ops.Assert("an index is out of bounds", "index"), x, fits)
            rows[x] = loop.sequence(enough)
    body = loop.body()
    inner = Builder()
    env = copy_inputs(body, inner)
    for eqn in body.eqns:
        if eqn in picked:
            row, rest = rows[loop.others[eqn.args[0]]], eqn.args[2:]
            items = eqn.op.items[1:]
            env[eqn.out] = inner.apply(ops.Slice(items), env[row], *[env[a] for a in rest])
        else:
            rebuild(body, inner, env, [eqn])
    loop.take(Program(inner.inputs, inner.eqns, [env[v] for v in body.outputs]))


def checks_outside(b: Builder, loop: Loop) -> None:
    """Comparisons of sizes are made once, before the loop."""
    body, varying = loop.body(), loop.varying()
    checks = [eqn for eqn in body.eqns if type(eqn.op) is ops.Assert and eqn.op.error == "shape"
              and varying.isdisjoint(eqn.args[1:])]
    table = next((t for t in (loop.inits, loop.seqs, loop.others) if t), None)
    if not checks or table is None:
        return
    outside = loop.same_outside(b, [c for eqn in checks for c in eqn.args[1:]])
    first = next(iter(table))
    for eqn in checks:
        table[first] = b.apply(eqn.op, table[first], *[outside[c] for c in eqn.args[1:]])
    inner = Builder()
    env = copy_inputs(body, inner)
    for eqn in body.eqns:
        if eqn in checks:
            env[eqn.out] = env[eqn.args[0]]
        else:
            rebuild(body, inner, env, [eqn])
    loop.take(Program(inner.inputs, inner.eqns, [env[v] for v in body.outputs]))


def invariant_carries(loop: Loop) -> None:
    """A carry that is followed by itself is a value from outside."""
    same = {v: loop.inits[v] for v, after in loop.after.items() if after is v}
    if same:
        loop.done.update({key: same[v] for key, v in loop.lasts.items() if v in same})
        loop.lasts = {key: v for key, v in loop.lasts.items() if v not in same}
        loop.substitute({v: (None, (x,)) for v, x in same.items()})


def equal_values(loop: Loop) -> None:
    """Sequences and others that are given twice; carries that begin equal and stay equal (by coinduction)."""
    new: dict[Var, Var] = {}
    for table in (loop.seqs, loop.others):
        first: dict[tuple[Var, Any], Var] = {}
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
    first: dict[Any, Var] = {}
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
    seen: dict[Any, tuple[Var, ...]] = {}
    for eqn in eqns:
        key = (eqn.op, *[value.get(a, a) for a in eqn.args])
        outs = seen.setdefault(key, eqn.outs)
        if outs is not eqn.outs:
            value.update(zip(eqn.outs, outs))
    return value
