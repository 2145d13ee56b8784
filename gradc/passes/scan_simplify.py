"""What a loop carries around without need: each step does less, or waits less for the step before.  Program -> Program.

    drop_unused_results     results nobody uses, with what served only them
    simplify                equal values, constants, carries that stay the same; optimised bodies
    last_rows               r[-1] of a stacked result is a carry, so that no array over all steps is made
    affine_carries          a recurrence that is affine in its carries is one product for each:
                            g' = a (g (1 - x)) - g (a x) is (a (1 - x) - a x) g

All but the last are exact.  The coefficients of an affine step need no carry: the processor computes them ahead, or
`scan_places` before the loop, and what is left of the chain from step to step is a multiplication and an addition.
Roundings fall elsewhere then; products of the coefficients may overflow where the literal order does not.
Not here: what leaves a loop (`scan_places`), loops that become one (`scan_merge`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gradc.ir import build, dtypes, ops
from gradc.ir.facts import reads, weight
from gradc.ir.program import Builder, Eqn, Program, Var, copy_inputs, rebuild, tensor
from gradc.ir.types import TensorType
from gradc.passes.loop import Key, Loop, SizedBuilder, each_loop, is_loop, sizes_inside
from gradc.passes.scan_merge import equal_values
from gradc.passes.sums import accumulators

Optimise = Callable[[Program], Program]
OUTSIDE = "index -1 is out of bounds for dimension 0 of size 0"
FEW = 2         # carries of an affine step: the coefficients are their square

Form = dict[Any, Var]       # carry -> its coefficient; None -> what is added


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
            loop.trim(needed)
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


def simplify(program: Program, optimise: Optimise) -> Program:
    """Loops with equal values merged, constants in the body, carries that stay the same as others; optimised bodies."""
    def change(b: SizedBuilder, loop: Loop) -> None:
        constants_inside(b, loop)
        sequences_of_positions(b, loop)
        inputs = -1
        while inputs != (inputs := len(loop.outside())):
            loop.take(optimise(loop.body()))
            loop.trim({*loop.rows, *loop.lasts, *loop.counts})
            checks_outside(b, loop)
            invariant_carries(loop)
            equal_values(loop)

    return each_loop(program, change)


def constants_inside(b: SizedBuilder, loop: Loop) -> None:
    """Constants, and arrays that repeat one value, enter the body; so does what all rows of a sequence have in common.

    There they meet the rules.  What stays an array there is made outside again (`scan_places`).
    """
    new: dict[Var, object] = {}
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
    picked = [eqn for eqn in loop.body().eqns if (items := reads(eqn.op)) and items[0].at is ops.DYNAMIC
              and eqn.args[0] in loop.others and eqn.args[1] in positions] if positions else []
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

    def row(inner: Builder, env: dict[Var, Var], eqn: Eqn) -> Any:
        if eqn not in picked:
            return None
        row = env[rows[loop.others[eqn.args[0]]]]
        return build.index(inner, row, eqn.op.items[1:], *[env[a] for a in eqn.args[2:]])

    loop.rewrite(row)


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
    loop.rewrite(lambda _, env, eqn: env[eqn.args[0]] if eqn in checks else None)


def invariant_carries(loop: Loop) -> None:
    """A carry that is followed by itself is a value from outside."""
    same = {v: loop.inits[v] for v, after in loop.after.items() if after is v}
    if same:
        loop.done.update({key: same[v] for key, v in loop.lasts.items() if v in same})
        loop.lasts = {key: v for key, v in loop.lasts.items() if v not in same}
        loop.substitute({v: (None, (x,)) for v, x in same.items()})


# ------------------------------------------------------------------------------------------------- last rows


def last_rows(program: Program) -> Program:
    """r[-1] of a stacked result r -> the carry that follows the last step."""
    producer = program.producers()
    found = {eqn.out: row for eqn in program.eqns if (row := last_row_of(eqn, producer)) is not None}
    wanted = set(found.values())
    last: dict[Var, Var] = {}

    def change(b: SizedBuilder, loop: Loop) -> Mapping[Key, Var] | None:
        rows = [key for key in loop.rows if key in wanted and carry_row(b, loop, key)]
        if not rows:
            return None
        made, ran = loop.emit(b), b.map("lt", b.constant(0, "int64"), loop.steps)
        last.update({key: b.apply(ops.Assert(OUTSIDE, "index"), made["last", key], ran) for key in rows})
        return made

    def pick(b: SizedBuilder, env: Mapping[Var, Var], eqn: Eqn) -> Var | None:
        v = found.get(eqn.outs[0])
        return build.index(b, last[v], eqn.op.items[1:], *[env[a] for a in eqn.args[1:]]) if v in last else None

    return each_loop(program, change, pick) if found else program


def last_row_of(eqn: Eqn, producer: dict[Var, Eqn]) -> Var | None:
    """The stacked result r if `eqn` is r[-1, ...], or r[:count][-1, ...], of a forward loop."""
    items = reads(eqn.op)
    if not items or items[0].at != -1:
        return None
    row = eqn.args[0]
    made = producer.get(row)
    count = None
    if made is not None and reads(made.op) == (ops.Item(stop=ops.DYNAMIC),):
        row, count = made.args
        made = producer.get(row)
    if made is None or not is_loop(made):
        return None
    scan = made.op
    stacked = made.outs[scan.n_carries:scan.n_carries + scan.n_stacked]
    if row not in stacked or scan.reverse or scan.limited or count is not (made.outs[-1] if scan.until else None):
        return None
    return row


def carry_row(b: SizedBuilder, loop: Loop, key: Var) -> bool:
    """Make the last row of the stacked result `key` a result of the loop, under the key ("last", key)."""
    row = loop.rows[key]
    carry = next((c for c, after in loop.after.items() if after is row), None)
    if carry is None:
        sizes = sizes_inside(b, loop, row)
        if sizes is None:
            return False
        t = tensor(row)
        carry = loop.inner.input(t)
        loop.inits[carry] = b.apply(ops.Broadcast(), b.constant(0, t.dtype), *sizes)
        loop.after[carry] = row
    loop.lasts["last", key] = carry
    return True


# ------------------------------------------------------------------------------------------------ affine steps


def affine_carries(program: Program, optimise: Callable[[Program], Program]) -> Program:
    """Loops of few scalar carries with the next carries as affine forms, where that makes the chain shorter."""
    def change(_: Builder, loop: Loop) -> None:
        body = loop.body()
        sums = accumulators(body, loop.after, loop.varying().__contains__)
        carries = [c for c in loop.inits if c not in sums and type(c.type) is TensorType]
        types = [tensor(v).short() for c in carries for v in (c, loop.after[c])]
        if not 0 < len(carries) <= FEW or len(set(types)) != 1 or tensor(carries[0]).ndim \
                or tensor(carries[0]).dtype not in dtypes.FLOATS:
            return
        late, depth = _depths(body, carries)
        forms = _forms(loop.inner, body, carries, late)
        wanted = [forms.get(loop.after[c]) for c in carries]
        longest = max(depth.get(loop.after[c], 0) for c in carries)
        if longest <= 1 + len(carries) or any(form is None for form in wanted):
            return
        for c, form in zip(carries, wanted):
            total = form.pop(None, None)        # type: ignore[union-attr]
            for carry, factor in form.items():  # type: ignore[union-attr]
                term = loop.inner.map("mul", factor, carry)
                total = term if total is None else loop.inner.map("add", total, term)
            loop.after[c] = total               # type: ignore[assignment]
        loop.take(optimise(loop.body()))

    return each_loop(program, change)


def _depths(body: Program, carries: list[Var]) -> tuple[set[Var], dict[Var, int]]:
    """The values that depend on a carry, and the length of the chain from the carries to them, in additions."""
    depth = dict.fromkeys(carries, 0)
    for eqn in body.eqns:
        before = [depth[a] for a in eqn.args if a in depth]
        if before:
            depth.update(dict.fromkeys(eqn.outs, max(before) + weight(eqn.op)))
    return set(depth), depth


def _forms(b: Builder, body: Program, carries: list[Var], late: set[Var]) -> dict[Var, Form]:
    """The values of the body that are affine in the carries; coefficients are made in `b`."""
    one = b.constant(1.0, tensor(carries[0]).dtype)
    forms: dict[Var, Form] = {c: {c: one} for c in carries}
    for eqn in body.eqns:
        if late.isdisjoint(eqn.outs):
            continue
        args: list[Form] = [forms.get(a, {}) if a in late else {None: a} for a in eqn.args]
        if type(eqn.op) is ops.Map and all(args) and eqn.out.type == one.type:
            form = _form(b, eqn, args, [a in late for a in eqn.args])
            if form is not None:
                forms[eqn.out] = form
    return forms


def _form(b: Builder, eqn: Eqn, args: list[Form], late: list[bool]) -> Form | None:
    match eqn.op:
        case ops.Map("add" | "sub" as fn):
            left, right = args
            total = dict(left)
            for key, factor in right.items():
                if key in total:
                    total[key] = b.map(fn, total[key], factor)
                else:
                    total[key] = factor if fn == "add" else b.map("neg", factor)
            return total
        case ops.Map("neg"):
            return {key: b.map("neg", factor) for key, factor in args[0].items()}
        case ops.Map("mul") if not all(late):
            form, by = args if late[0] else args[::-1]
            return {key: b.map("mul", factor, by[None]) for key, factor in form.items()}
        case ops.Map("true_divide") if not late[1]:
            return {key: b.map("true_divide", factor, args[1][None]) for key, factor in args[0].items()}
    return None
