"""Sequences that cost little are computed in the step that reads them, from rows of what they are made from.

    xs = a * ys[1:] + b; a loop over xs: h' = tanh(h + x)      ->      a loop over ys[1:]: h' = tanh(h + (a * y + b))

No array of all rows is left then.  In the body the row is a value like any other, computed once however often the step
uses it; therefore this is done here and not in the schedule, which would compute it again in each nest of the body.

`scan_split`, which stands before, goes the other way: it takes out what is dear, and what comes along without new
sequences.  Of that, what is cheap and made from arrays that are there anyhow comes back in; what is made from a dear
value that nothing else uses does not, for that would have to be stored instead.  `split` leaves alone what came in,
for nothing dear is there.  Program -> Program: `inline_sequences`.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from gradc.ir import ops
from gradc.ir.program import Builder, Eqn, Program, Var, copy_inputs, rebuild, tensor
from gradc.ir.scalars import get_row
from gradc.ir.types import TensorType
from gradc.passes.loop import DEAR, Loop, is_loop

MOST = 2 * DEAR        # work of a row (in additions per element) that a step does rather than load what was stored

Cut = tuple[ops.Item, tuple[Var, ...]]          # a slice along the first axis, and its dynamic bounds


def inline_sequences(program: Program) -> Program:
    """Each loop with what is cheap of its sequences in the body."""
    if not any(is_loop(eqn) for eqn in program.eqns):
        return program
    readers = only_readers(program)
    producer = program.producers()
    b = Builder()
    env = copy_inputs(program, b)
    for eqn in program.eqns:
        if not is_loop(eqn):
            rebuild(program, b, env, [eqn])
            continue
        loop = Loop(eqn, [env[a] for a in eqn.args])
        rows = _Rows(b, env, producer, {v for v, reader in readers.items() if reader is eqn})
        for v, x in zip(list(loop.seqs), eqn.op.split(eqn.args)[2]):
            rows.inline(v, x)
        if rows.values:
            rows.keep_checks()
            loop.inline(rows.part, rows.seqs, rows.others, rows.values)
        env.update(loop.emit(b))
    return b.program([env[v] for v in program.outputs])


def only_readers(program: Program) -> dict[Var, Eqn | None]:
    """value -> the loop that alone uses it, as a sequence or by cheap work on one; None where there are other uses."""
    found: dict[Var, Eqn | None] = dict.fromkeys(program.outputs)
    for eqn in reversed(program.eqns):
        if is_loop(eqn):
            count, (_, _, seqs, _, _) = Counter(eqn.args), eqn.op.split(eqn.args)
            as_rows = Counter(seqs)
            readers = {a: eqn if as_rows[a] == count[a] else None for a in eqn.args}
        else:
            readers = dict.fromkeys(eqn.args, found.get(eqn.outs[0]) if _is_cheap(eqn) else None)
        for a, reader in readers.items():
            found[a] = reader if found.get(a, reader) is reader else None
    return found


def _is_cheap(eqn: Eqn) -> bool:
    """Is row t of the result little work on rows t of what it is made from?"""
    match eqn.op:
        case ops.Map(fn):
            row = get_row(fn)
            return row.snippet is None and row.weight < DEAR and _has_many(eqn.out)
        case ops.Cast():
            return _has_many(eqn.out)
        case ops.Transpose(perm):
            return bool(perm) and perm[0] == 0
        case ops.Slice(items):
            return bool(items) and not items[0].is_single and ops.dynamic_count(items[1:]) == 0
    return False


class _Rows:
    """The Program of rows of one loop, in the making: its inputs are rows of `seqs` and the values `others`."""

    def __init__(self, b: Builder, env: dict[Var, Var], producer: dict[Var, Eqn], own: set[Var]) -> None:
        self.b = b
        self.env = env
        self.producer = producer
        self.own = own                          # values that only this loop uses
        self.part = Builder()
        self.seqs: dict[Var, Var] = {}
        self.others: dict[Var, Var] = {}
        self.values: dict[Var, Var] = {}        # row in the body -> the value here that takes its place
        self._inputs: dict[tuple[Var, bool], Var] = {}
        self.checks: list[Var] = []             # of sizes, which the equations that are left behind made

    def inline(self, v: Var, x: Var) -> None:
        """Compute the row `v` of the sequence `x` here, if that pays."""
        if not self.comes_in(x) or self.work(x) > MOST:
            return
        made = self.row(x, ())
        known, new = tensor(v), tensor(made)
        if known.broadcastable == new.broadcastable and all(a in (None, b) for a, b in zip(known.shape, new.shape)):
            made.name = made.name or v.name
            self.values[v] = made

    def comes_in(self, x: Var) -> bool:
        return x in self.own and x in self.producer and _is_cheap(self.producer[x])

    def work(self, x: Var) -> int:
        """Work of one element of `x`, too much where an array of the loop's own would be left."""
        if not self.comes_in(x):
            eqn = self.producer.get(x)
            left = eqn is not None and x in self.own and type(eqn.op) in (ops.Map, ops.Cast)
            return MOST + 1 if left else 0
        eqn = self.producer[x]
        if type(eqn.op) not in (ops.Map, ops.Cast):
            return self.work(eqn.args[0])
        weight = max(1, get_row(eqn.op.fn).weight) if type(eqn.op) is ops.Map else 1
        for a in eqn.args:
            if weight <= MOST and _has_rows(a, x):
                weight += self.work(a)
        return weight

    def row(self, x: Var, cuts: tuple[Cut, ...]) -> Var:
        """A row of `x`, of which `cuts` are taken, the last one first."""
        if not self.comes_in(x):
            rows = self.env[x]
            for item, bounds in reversed(cuts):
                rows = self.b.apply(ops.Slice((item,)), rows, *[self.env[v] for v in bounds])
            return self.input(rows, True)
        eqn = self.producer[x]
        self.part.sources = eqn.sources
        match eqn.op:
            case ops.Slice(items):
                inside = self.row(eqn.args[0], (*cuts, (items[0], eqn.args[1:])))
                return self.part.apply(ops.Slice(items[1:]), inside) if len(items) > 1 else inside
            case ops.Transpose(perm):
                inside = self.row(eqn.args[0], cuts)
                return self.part.apply(ops.Transpose(tuple([p if p < 0 else p - 1 for p in perm[1:]])), inside)
        self.check([a for a in eqn.args if _has_rows(a, x)])
        return self.part.apply(eqn.op, *[self.row(a, cuts) if _has_rows(a, x) else self.other(a, x) for a in eqn.args])

    def check(self, args: list[Var]) -> None:
        """The arguments of an elementwise equation that stays behind must have equally many rows."""
        rows = dict.fromkeys([self.env[a] for a in args])
        for first, a in pairwise(rows):
            if tensor(a).shape[0] is None or tensor(first).shape[0] is None:
                self.checks.append(self.b.map("eq", self.b.size(first, 0), self.b.size(a, 0)))

    def keep_checks(self) -> None:
        """Put the checks on one of the sequences."""
        if self.checks:
            v, x = next(iter(self.seqs.items()))
            self.seqs[v] = self.b.apply(ops.Assert("sizes of dimension 0 differ", "shape"), x, *self.checks)

    def other(self, a: Var, x: Var) -> Var:
        """What all rows of `x` have in common."""
        if a.data is not None and not tensor(a).ndim:
            return self.part.apply(ops.Constant(ops.ConstantValue(a.data)))
        outside = self.env[a]
        if tensor(a).ndim == tensor(x).ndim:
            outside = self.b.apply(ops.Slice((ops.Item(at=0),)), outside)
        return self.input(outside, False)

    def input(self, outside: Var, rows: bool) -> Var:
        """The input for (rows of) a value from outside."""
        if (outside, rows) not in self._inputs:
            t = tensor(outside)
            v = self.part.input(TensorType.make(t.dtype, t.shape[rows:]), outside.name)
            self._inputs[outside, rows] = v
            (self.seqs if rows else self.others)[v] = outside
        return self._inputs[outside, rows]


def _has_rows(a: Var, x: Var) -> bool:
    """Has an argument of the elementwise `x` its first axis?"""
    return tensor(a).ndim == tensor(x).ndim and _has_many(a)


def _has_many(a: Var) -> bool:
    """Is this an array that may have other than one row?  (Nothing would tell how many a row of a single one is.)"""
    return tensor(a).shape[:1] not in ((), (1,))
