"""Sums over the steps of a loop: s' = s + f(...) where s is used for nothing else.

    accumulators(body, ...)     the carries that only sum up, with what they sum
    Sums                        the sum over the rows of vectorised values; no row of an outer product is ever made:
                                the sum of products is one Contract (dW = sum of x_t g_t^T is a gemm)
    wide_sums(program)          the sums of float32 that are left in loops, in float64
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence

from gradc.ir import ops
from gradc.ir.batch import batch
from gradc.ir.program import Builder, Eqn, Program, Var, copy_inputs, equations, rebuild, tensor, with_bodies
from gradc.ir.types import TensorType
from gradc.record import record, replace


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
            how = _how(eqn, varying)
            if how == "row":
                continue
            self.steps.append((eqn, how))
            if how == "contract":
                self.needed.update(eqn.args)
                continue
            for a in eqn.args:              # of a + k, k the same in all steps, k is summed as well
                if varying(a) or eqn.op in (_ADD, _SUB):
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
            if how == "linear":
                terms = eqn.op in (_ADD, _SUB)      # else what does not vary is a factor, even if a sum is made of it
                args = [made[a] if terms or self.varying(a) else get(a)[0] for a in eqn.args]
                made[eqn.out] = b.apply(eqn.op, *args)
            else:
                made[eqn.out] = _contracted(b, eqn, [get(a) for a in eqn.args])
        return made


def _how(eqn: Eqn, varying: Callable[[Var], bool]) -> str:
    """How a sum over rows of `eqn`'s result is made: of its arguments' sums, as one Contract, or of its rows."""
    flags = [varying(a) for a in eqn.args]
    match eqn.op:
        case ops.Map("add" | "sub" | "neg"):
            linear = True
        case ops.Map("mul"):
            linear = flags.count(True) == 1
            if not linear and _outer(eqn):
                return "contract"
        case ops.Map("true_divide"):
            linear = flags == [True, False]
        case ops.Contract():
            if all(flags):
                return "contract"
            linear = True
        case ops.Reduce("add", _) | ops.Transpose():
            linear = True
        case ops.Broadcast() | ops.Reshape() | ops.Slice():
            linear = not any(flags[1:])
        case _:
            linear = False
    same = all(tensor(a).dtype == tensor(eqn.out).dtype for a, flag in zip(eqn.args, flags) if flag)
    return "linear" if linear and same else "row"


def _outer(eqn: Eqn) -> bool:
    """Is this product larger than its factors?"""
    return all(sum(s != 1 for s in tensor(a).shape) < tensor(eqn.out).ndim for a in eqn.args) \
        and len({tensor(v).dtype for v in (*eqn.args, eqn.out)}) == 1


def _contracted(b: Builder, eqn: Eqn, args: Sequence[tuple[Var, bool]]) -> Var:
    """The sum over rows of a product, as one Contract."""
    if type(eqn.op) is ops.Contract:
        out, = [v for v, _ in batch(b, eqn.op, *zip(*args))]
        made = b.producer[out]
        return b.apply(ops.Contract(made.op.a, made.op.b, made.op.out[1:]), *made.args)
    ndim = tensor(eqn.out).ndim
    labels: list[tuple[int, ...]] = []
    factors: list[Var] = []
    for (rows, _), inner in zip(args, eqn.args):
        shape = tensor(inner).shape
        kept = [k for k, s in enumerate(shape) if s != 1]
        labels.append((ndim, *[k + ndim - len(shape) for k in kept]))
        factors.append(b.apply(ops.Transpose((0, *[k + 1 for k in kept])), rows))
    there = [k for k in range(ndim) if any(k in part for part in labels)]
    product = b.apply(ops.Contract(labels[0], labels[1], tuple(there)), *factors)
    return b.apply(ops.Transpose(tuple([there.index(k) if k in there else -1 for k in range(ndim)])), product)


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
