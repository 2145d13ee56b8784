"""Rows and sums over the steps of a loop: s' = s + f(...) where s is used for nothing else.

    accumulators(body, ...)     the carries that only sum up, with what they sum
    Sums                        the sum over the rows of vectorised values; no row of an outer product is ever made:
                                the sum of products is one Contract (dW = sum of x_t g_t^T is a gemm)
    inline_sequences(program)   rows that cost little, in the step
    wide_sums(program)          the sums of float32 that are left in loops, in float64
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from itertools import pairwise

from gradc.ir import ops
from gradc.ir.facts import STORED, again, facts, weight
from gradc.ir.program import Builder, Eqn, Program, Var, copy_inputs, equations, rebuild, tensor, with_bodies
from gradc.ir.rows import Form, adds_up, apply_row, product_of_rows, row_form, sum_form, term_form
from gradc.ir.types import TensorType
from gradc.passes.loop import Loop, SizedBuilder, is_loop
from gradc.record import record, replace

MOST = 2 * STORED       # work of a row that a step does rather than load what was stored


@record(eq=False)
class Addend:
    """`eqn` adds `value` to the carry: add, sub, or inc_subtensor, of a part of it."""

    carry: Var
    value: Var
    eqn: Eqn

    def apply(self, b: Builder, total: Var, value: Var, get: Callable[[Var], Var]) -> Var:
        """The sum `total` with `value` added; `get` gives the indices."""
        given = {0: total, 1: value} if self.eqn.args[1] is self.value else {0: value, 1: total}
        return b.apply(self.eqn.op, given[0], given[1], *[get(a) for a in self.eqn.args[2:]])


def accumulators(body: Program, after: dict[Var, Var], varying: Callable[[Var], bool]) -> dict[Var, list[Addend]]:
    """The carries whose next value is themselves plus and minus values, and which nothing else uses."""
    counts = body.use_counts()
    users: dict[Var, Eqn] = {a: eqn for eqn in body.eqns for a in eqn.args}
    found: dict[Var, list[Addend]] = {}
    for carry, end in after.items():
        addends: list[Addend] = []
        v = carry
        while v is not end and counts.get(v) == 1 and v in users:
            eqn = users[v]
            first = eqn.args[0] is v
            if not (eqn.op == _ADD or (eqn.op == _SUB and first) or (
                    type(eqn.op) is ops.Scatter and eqn.op.mode == "inc" and first
                    and not any(varying(a) for a in eqn.args[2:]))) or not _alike(eqn.out, carry):
                break
            addends.append(Addend(carry, eqn.args[1 if first else 0], eqn))
            v = eqn.out
        if addends and v is end and counts[end] == 1 and tensor(carry).dtype != "bool":
            found[carry] = addends
    return found


_ADD, _SUB = ops.Map("add"), ops.Map("sub")


def _alike(v: Var, w: Var) -> bool:
    """Have the two the same dtype, rank, and axes that broadcast?"""
    a, b = tensor(v), tensor(w)
    return a.dtype == b.dtype and a.broadcastable == b.broadcastable


class Sums:
    """Sums over the steps of values of a body; `varying`: the values that differ from step to step."""

    def __init__(self, eqns: Sequence[Eqn], varying: Callable[[Var], bool], values: Iterable[Var],
                 ends: Container[Var]) -> None:
        """Find how the sums of `values` are made: `needed` has the values whose rows that takes.

        Rows of the values in `ends` are there, whatever they are made from.
        """
        self.varying = varying
        self.steps: list[tuple[Eqn, str]] = []      # in the order of computation
        wanted = dict.fromkeys(values)
        self.needed: set[Var] = set()
        for eqn in reversed(eqns):
            if eqn.outs[0] not in wanted or eqn.outs[0] in ends or not varying(eqn.outs[0]):
                continue
            how = sum_form(eqn, [varying(a) for a in eqn.args])
            if how == "rows":
                continue
            self.steps.append((eqn, how))
            if how == "product":
                self.needed.update(eqn.args)
                continue
            for a in eqn.args:              # of a + k, k the same in all steps, k is summed as well
                if varying(a) or adds_up(eqn.op):
                    wanted[a] = None
                else:
                    self.needed.add(a)
        self.steps.reverse()
        made = {eqn.out for eqn, _ in self.steps}
        self.leaves = [v for v in wanted if v not in made]
        self.needed.update(self.leaves)

    @property
    def linear(self) -> set[Var]:
        """Values of which no rows are made."""
        return {eqn.outs[0] for eqn, _ in self.steps} - self.needed

    def compute(self, b: Builder, get: Callable[[Var], tuple[Var, bool]], steps: Var) -> dict[Var, Var]:
        """The sums; `get` gives a value outside and whether it has rows."""
        made: dict[Var, Var] = {}
        for v in self.leaves:
            rows, flag = get(v)
            made[v] = b.apply(ops.Reduce("add", (0,)), rows) if flag else \
                b.map("mul", b.cast(steps, tensor(rows).dtype), rows)
        for eqn, how in self.steps:
            if how == "sums":                   # what does not vary is a factor or an index, even if it is summed, too
                args = [made[a] if adds_up(eqn.op) or self.varying(a) else get(a)[0] for a in eqn.args]
                made[eqn.out] = b.apply(eqn.op, *args)
            else:
                made[eqn.out] = product_of_rows(b, eqn, [get(a) for a in eqn.args])
        return made


# ------------------------------------------------------------------------------------------------ in the step


def inline_sequences(program: Program) -> Program:
    """Sequences that cost little are computed in the step that reads them: no array of all rows is left.

        xs = a * ys + b; a loop over xs: h' = tanh(h + x)      ->      a loop over ys: h' = tanh(h + (a * y + b))

    `scan_places` goes the other way, with what is dear.
    """
    loops = [eqn for eqn in program.eqns if is_loop(eqn)]
    if not loops:
        return program
    users, producers = users_of(program), program.producers()
    b = SizedBuilder()
    env = copy_inputs(program, b)
    for eqn in program.eqns:
        if not is_loop(eqn):
            rebuild(program, b, env, [eqn])
            continue
        loop = Loop(eqn, eqn.args)
        taken = cheap_rows(program, users, [eqn], [])
        own = [v for v in loop.seqs.values() if _is_own(v, producers, users, {eqn})]
        left = {a for e in taken for a in _by_rows(e) if _is_own(a, producers, users, {eqn, *taken})}
        left -= {e.out for e in taken}
        alike = []
        if len(left) < len(own) and sum(weight(e.op) for e in taken) <= MOST * len(own):
            alike = take_in(loop, taken)
        loop.move(env)
        check_rows(b, loop, [(env[v], env[w]) for v, w in alike])
        env.update(loop.emit(b))
    return b.program([env[v] for v in program.outputs])


def _is_own(v: Var, producers: Mapping[Var, Eqn], users: Mapping[Var, Sequence[Eqn]], by: Collection[Eqn]) -> bool:
    """Is it an array that is computed for these equations only?"""
    eqn = producers.get(v)
    if eqn is None or not all(user in by for user in users.get(v, ())):
        return False
    return facts(eqn.op).elementwise or (type(eqn.op) is ops.Transpose and _is_own(
        eqn.args[0], producers, users, {*by, eqn}))


def users_of(program: Program) -> dict[Var, list[Eqn]]:
    """The equations that take a value."""
    users: dict[Var, list[Eqn]] = {}
    for eqn in program.eqns:
        for a in dict.fromkeys(eqn.args):
            users.setdefault(a, []).append(eqn)
    return users


def cheap_rows(program: Program, users: Mapping[Var, Sequence[Eqn]], loops: Sequence[Eqn],
               taken: Sequence[Eqn]) -> list[Eqn]:
    """What is computed at little cost, row by row, only for rows that the loops and what they have taken use."""
    inside = {*loops, *taken}
    found: list[Eqn] = []
    wanted = {x for eqn in loops for x in eqn.op.split(eqn.args)[2]}
    for eqn in taken:
        wanted.update(_by_rows(eqn))
    for eqn in reversed(program.eqns):
        if eqn in inside or wanted.isdisjoint(eqn.outs) or eqn.out in program.outputs or not again(eqn) \
                or not inside.issuperset(users[eqn.out]):
            continue
        if rows := _by_rows(eqn):
            inside.add(eqn)
            found.append(eqn)
            wanted.update(rows)
    return found


def _by_rows(eqn: Eqn) -> list[Var]:
    """The arguments of which a row is used for each row of the result, or of what is summed up."""
    form = row_form(eqn) or term_form(eqn)
    return [] if form is None else [a for a, flag in zip(eqn.args, form[1]) if flag]


def _in_step(loop: Loop, eqn: Eqn, form: Form, alike: list[tuple[Var, Var]]) -> tuple[ops.OpKind, list[Var]]:
    """The op and arguments of `eqn` in a step; to `alike` goes what must have equally many rows."""
    assert form is not None
    op, by_rows = form
    alike += pairwise([a for a, flag in zip(eqn.args, by_rows) if flag])
    return op, [loop.sequence(a) if flag else loop.other(a) for a, flag in zip(eqn.args, by_rows)]


def sum_in_steps(loop: Loop, sums: Iterable[Eqn]) -> list[tuple[Var, Var]]:
    """Sums over all steps become carries, whose first values are to be zeros.  Result: as that of `take_in`."""
    alike: list[tuple[Var, Var]] = []
    for eqn in sums:
        op, args = _in_step(loop, eqn, term_form(eqn), alike)
        loop.inner.sources = eqn.sources
        value = apply_row(loop.inner, eqn, op, args)
        carry = loop.carry(eqn.out, eqn.out)
        loop.after[carry] = loop.inner.map("add", carry, value)
        loop.lasts[eqn.out] = carry
    return alike


def take_in(loop: Loop, between: Iterable[Eqn]) -> list[tuple[Var, Var]]:
    """Sequences that `between` makes become values of the step.  Result: what must have equally many rows."""
    alike: list[tuple[Var, Var]] = []
    made = {eqn.out: eqn for eqn in between}
    while (row := next((v for v, x in loop.seqs.items() if x in made), None)) is not None:
        eqn = made[loop.seqs[row]]
        op, args = _in_step(loop, eqn, row_form(eqn), alike)

        def value(inner: Builder, env: Mapping[Var, Var], eqn: Eqn = eqn, op: ops.OpKind = op,
                  args: Sequence[Var] = args) -> Var:
            inner.sources = eqn.sources
            return apply_row(inner, eqn, op, [env[v] for v in args])

        loop.substitute({row: value})
        loop.trim({*loop.rows, *loop.lasts, *loop.counts})
    return alike


def check_rows(b: SizedBuilder, loop: Loop, alike: Iterable[tuple[Var | None, Var]]) -> None:
    """Pairs of arrays have equally many rows; where there is no first, as many as there are steps.

    Not asked of `b`, which knows it from the equations that became part of the step, and will be left out.
    """
    steps = b.cast(loop.steps, "int64")
    rows = [(steps if v is None else b.size(v, 0), b.size(w, 0)) for v, w in alike]
    checks = [b.map("eq", m, n) for m, n in dict.fromkeys(rows) if m is not n]
    if checks:
        same = ops.Assert("sizes of dimension 0 differ", "shape")
        if loop.inits:
            first = next(iter(loop.inits))
            loop.inits[first] = b.apply(same, loop.inits[first], *checks)
        else:
            loop.steps = b.apply(same, steps, *checks)


# ------------------------------------------------------------------------------------------------ float32


def wide_sums(program: Program) -> Program:
    """`program` with sums of float32 over the steps of its loops made in float64, as sums over axes are.

    What is summed depends on the sum in no step: else it is a state, and its dtype is the user's choice.
    """
    if not any(type(e.op) is ops.Scan and _links(e.op) for e in equations(program)):
        return program
    b = Builder()
    env = copy_inputs(program, b)
    for eqn in program.eqns:
        op = with_bodies(eqn.op, wide_sums)
        links = _links(op) if type(op) is ops.Scan else {}
        if type(op) is not ops.Scan or not links:
            rebuild(program, b, env, [Eqn(op, eqn.args, eqn.outs, eqn.sources)])
            for old in eqn.outs:
                env[old].name = old.name
            continue
        first = op.n_seqs
        wide = [v in links for v in op.body.inputs[first:first + op.n_carries]]
        args = [env[a] for a in eqn.args]
        b.sources = eqn.sources
        inits = len(args) - len(op.body.inputs) + first
        for k, flag in enumerate(wide):
            if flag:
                args[inits + k] = b.cast(args[inits + k], "float64")
        outs = b.equation(replace(op, body=_widened(op, links)), args).outs
        for old, new in zip(eqn.outs, outs):
            new.name = old.name
        env.update(zip(eqn.outs, [b.cast(v, "float32") if flag else v
                                  for v, flag in zip(outs, [*wide, *[False] * len(outs)])]))
    return b.program([env[v] for v in program.outputs])


def _links(op: ops.Scan) -> dict[Var, Eqn | None]:
    """The carries of float32 that are sums, and what follows from each by an addition: value -> what made it."""
    body, n = op.body, op.n_carries
    carries = body.inputs[op.n_seqs:op.n_seqs + n]
    after = dict(zip(carries, body.outputs))
    producers = body.producers()
    found: dict[Var, Eqn | None] = {}
    for carry, end in after.items():
        if type(carry.type) is not TensorType or carry.type.dtype != "float32":
            continue
        late = _late(body, after, carry)
        chain: dict[Var, Eqn | None] = {}
        v = end
        while v is not carry and v in late and v in producers:
            eqn = producers[v]
            sums = eqn.op in (_ADD, _SUB) or (type(eqn.op) is ops.Scatter and eqn.op.mode == "inc")
            before = [a for a in eqn.args if a in late]
            if not sums or len(before) != 1 or not _alike(v, carry) or not _alike(before[0], carry) \
                    or (eqn.op != _ADD and before[0] is not eqn.args[0]):
                break
            chain[v] = eqn
            v = before[0]
        if v is carry and chain:
            found.update({**chain, carry: None})
    return found


def _late(body: Program, after: dict[Var, Var], carry: Var) -> set[Var]:
    """The values that depend on a carry, in the same step or later."""
    late, size = {carry}, 0
    while len(late) != size:
        size = len(late)
        for eqn in body.eqns:
            if not late.isdisjoint(eqn.args):
                late.update(eqn.outs)
        late.update([c for c, end in after.items() if end in late])
    return late


def _widened(op: ops.Scan, links: dict[Var, Eqn | None]) -> Program:
    """The body of a loop with the values in `links` in float64; other equations are given them as float32."""
    body, b = op.body, Builder()
    wide: dict[Var, Var] = {}
    env: dict[Var, Var] = {}

    def made(v: Var, value: Var) -> None:
        wide[v], env[v] = value, b.cast(value, "float32")

    for v in body.inputs:
        if v in links:
            made(v, b.input(TensorType.make("float64", tensor(v).shape), v.name))
        else:
            env[v] = b.input(v.type, v.name)
    for eqn in body.eqns:
        if eqn.outs[0] in links:
            b.sources = eqn.sources
            terms = [wide[a] if a in wide else b.cast(env[a], "float64") for a in eqn.args[:2]]
            made(eqn.out, b.apply(eqn.op, *terms, *[env[a] for a in eqn.args[2:]]))
        else:
            rebuild(body, b, env, [eqn])
    outputs = [env[v] for v in body.outputs]
    for k, carry in enumerate(body.inputs[op.n_seqs:op.n_seqs + op.n_carries]):
        if carry in links:
            outputs[k] = wide[body.outputs[k]]
    return b.program(outputs)
