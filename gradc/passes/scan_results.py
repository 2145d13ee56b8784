"""Results of loops of which one row is used: the last row is a carry, so that no array over all steps is made.

    h[-1]                      forward: the value after the last step
    zeros, g at row -1         backward: a sequence that is 0 but in the step that runs first; g enters the carry

Program -> Program: `last_rows`, `first_rows`.  Values are the same to the bit, but for the sign of a zero sum.
"""

from __future__ import annotations

from collections.abc import Callable

from gradc.ir import ops
from gradc.ir.program import Builder, Eqn, Program, Var, copy_inputs, rebuild, tensor
from gradc.passes.loop import Loop, each_loop, is_loop
from gradc.record import record

OUTSIDE = "index -1 is out of bounds for dimension 0 of size 0"


def last_rows(program: Program, optimise: Callable[[Program], Program]) -> Program:
    """r[-1] of a stacked result r -> the carry that follows the last step."""
    producer = program.producers()
    found = {eqn.out: row for eqn in program.eqns if (row := last_row_of(eqn, producer)) is not None}
    if not found:
        return program
    wanted = set(found.values())
    b = Builder()
    env = copy_inputs(program, b)
    last: dict[Var, Var] = {}
    for eqn in program.eqns:
        if is_loop(eqn) and not wanted.isdisjoint(eqn.outs):
            b.sources = eqn.sources
            loop = Loop(eqn, [env[a] for a in eqn.args])
            rows = [v for v in eqn.outs if v in wanted and carry_row(b, loop, v, optimise)]
            made = loop.emit(b)
            env.update({v: made[v] for v in eqn.outs})
            for v in rows:
                ran = b.map("lt", b.constant(0, "int64"), loop.steps)
                last[v] = b.apply(ops.Assert(OUTSIDE, "index"), made["last", v], ran)
        elif found.get(eqn.outs[0]) in last:
            b.sources = eqn.sources
            op: ops.Slice = eqn.op
            env[eqn.out] = b.apply(ops.Slice(op.items[1:]), last[found[eqn.out]], *[env[a] for a in eqn.args[1:]])
        else:
            rebuild(program, b, env, [eqn])
    return b.program([env[v] for v in program.outputs])


def last_row_of(eqn: Eqn, producer: dict[Var, Eqn]) -> Var | None:
    """The stacked result r if `eqn` is r[-1, ...], or r[:count][-1, ...], of a forward loop."""
    if type(eqn.op) is not ops.Slice or not eqn.op.items or eqn.op.items[0].at != -1:
        return None
    row = eqn.args[0]
    made = producer.get(row)
    count = None
    if made is not None and type(made.op) is ops.Slice and made.op.items == (ops.Item(stop=ops.DYNAMIC),):
        row, count = made.args
        made = producer.get(row)
    if made is None or type(made.op) is not ops.Scan:
        return None
    scan = made.op
    stacked = made.outs[scan.n_carries:scan.n_carries + scan.n_stacked]
    if row not in stacked or scan.reverse or scan.limited or count is not (made.outs[-1] if scan.until else None):
        return None
    return row


def carry_row(b: Builder, loop: Loop, key: Var, optimise: Callable[[Program], Program]) -> bool:
    """Make the last row of the stacked result `key` a result of the loop, under the key ("last", key)."""
    row = loop.rows[key]
    carry = next((c for c, after in loop.after.items() if after is row), None)
    if carry is None:
        sizes = row_sizes(b, loop, row, optimise)
        if sizes is None:
            return False
        t = tensor(row)
        carry = loop.inner.input(t)
        loop.inits[carry] = b.apply(ops.Broadcast(), b.constant(0, t.dtype), *sizes)
        loop.after[carry] = row
    loop.lasts["last", key] = carry
    return True


def row_sizes(b: Builder, loop: Loop, value: Var, optimise: Callable[[Program], Program]) -> list[Var] | None:
    """The sizes of a value of the body as scalars outside; None where they depend on more than sizes outside."""
    inner = Builder()
    body = loop.body()
    env = copy_inputs(body, inner)
    rebuild(body, inner, env, Program(body.inputs, loop.inner.eqns, [value]).eqns)
    sizes = optimise(inner.program([inner.size(env[value], k) for k in range(tensor(value).ndim)]))
    outside = dict(zip(sizes.inputs, [*loop.seqs.values(), *loop.inits.values(), *loop.others.values()]))
    others = set(sizes.inputs[len(loop.seqs) + len(loop.inits):])
    made: dict[Var, Var] = {}
    b.sources = loop.sources
    for eqn in sizes.eqns:
        if type(eqn.op) is ops.ShapeOf and eqn.op.axis is not None and eqn.args[0] in outside:
            row = sizes.inputs.index(eqn.args[0]) < len(loop.seqs)
            made[eqn.out] = b.size(outside[eqn.args[0]], eqn.op.axis + row)
            continue
        if any(a in outside and a not in others for a in eqn.args):
            return None
        made[eqn.out] = b.apply(eqn.op, *[made.get(a) or outside[a] for a in eqn.args])
    return [made.get(v) or outside[v] for v in sizes.outputs] if all(
        v in made or v in others for v in sizes.outputs) else None


@record(eq=False)
class Single:
    """A sequence that is 0 but for `value`, which is added to (or set in) row -1 of the first `count` rows."""

    value: Var
    count: Var


def first_rows(program: Program) -> Program:
    """A cotangent of the last row only, a sequence of a backward loop -> added to the carry's initial value."""
    def change(b: Builder, loop: Loop) -> None:
        if not loop.op.reverse or loop.stop is not None:
            return
        end = _unchecked(b, loop.steps if loop.limit is None else loop.limit)
        for row, x in list(loop.seqs.items()):
            single = single_row(b, x)
            if single is None or single.count is not end:
                continue
            carry = only_added(loop, row)
            if carry is None:
                continue
            ran = b.map("lt", b.constant(0, "int64"), end)
            value = b.apply(ops.Assert(OUTSIDE, "index"), single.value, ran)
            init = b.map("add", loop.inits[carry], value)
            if tensor(init).ndim == tensor(carry).ndim:
                leave_out(loop, row, carry, init)

    return each_loop(program, change)


def single_row(b: Builder, x: Var) -> Single | None:
    """What `x` is if it is zeros with something in row -1, or with such an array in rows [:count]."""
    eqn = b.producer.get(x)
    if eqn is None or type(eqn.op) is not ops.Scatter or not _zeros(b, eqn.args[0]):
        return None
    size = _unchecked(b, b.producer[eqn.args[0]].args[1])
    if eqn.op.items == (ops.Item(at=-1),):
        return Single(eqn.args[1], size)
    if eqn.op.items == (ops.Item(stop=ops.DYNAMIC),):
        inner = single_row(b, eqn.args[1])
        return inner if inner is not None and inner.count is _unchecked(b, eqn.args[2]) else None
    return None


def _unchecked(b: Builder, v: Var) -> Var:
    """A value without the Asserts that check it."""
    while (eqn := b.producer.get(v)) is not None and type(eqn.op) is ops.Assert:
        v = eqn.args[0]
    return v


def _zeros(b: Builder, x: Var) -> bool:
    eqn = b.producer.get(x)
    return eqn is not None and type(eqn.op) is ops.Broadcast and eqn.args[0].data is not None \
        and not eqn.args[0].data.any()


def only_added(loop: Loop, row: Var) -> Var | None:
    """The carry c if `row` and c are used in c + row only."""
    body = loop.body()
    counts = body.use_counts()
    if counts.get(row) != 1:
        return None
    eqn = next((e for e in body.eqns if row in e.args), None)
    if eqn is None or eqn.op != ops.Map("add"):
        return None
    carry = eqn.args[1 - eqn.args.index(row)]
    return carry if carry in loop.inits and counts.get(carry) == 1 else None


def leave_out(loop: Loop, row: Var, carry: Var, init: Var) -> None:
    """`carry + row` -> `carry`, which begins with `init`."""
    body = loop.body()
    inner = Builder()
    env = copy_inputs(body, inner)
    for eqn in body.eqns:
        if row in eqn.args:
            env[eqn.out] = env[carry]
        else:
            rebuild(body, inner, env, [eqn])
    loop.inits[carry] = init
    made = Program(inner.inputs, inner.eqns, [env[v] for v in body.outputs])
    del loop.seqs[row]
    loop.take(Program([v for v in made.inputs if v is not env[row]], made.eqns, made.outputs))
