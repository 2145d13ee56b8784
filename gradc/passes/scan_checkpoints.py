"""Checkpoints: the rows of a loop that only its gradient reads are computed again where they would take much memory.

    rows = F(xs)            ->    kept, h = F over the blocks of K steps: the carries before each block, no rows
    grads = B(rows, xs)           rows    = F over the rest of the steps, from h
                                  g       = B over the rest
                                  grads   = back over the blocks: F from the carry that was kept, then B from g

K and the number of blocks are sizes, found when the function is called: both are 0, and all steps are the rest, if the
rows of all steps take no more than `config.checkpoint_bytes`.  Else K is such that the carries that are kept take
about as much memory as the rows of a block, of the order of the square root of the number of steps.

What is computed row by row between F and B becomes part of the step of B, and so do sums over all steps, such as the
gradient of a matrix that each state is multiplied with; not sums that are scalars, as of a loss: who asks for it asks
for more than gradients.  In both loops, what is computed at little cost for them alone becomes part of the step: it
needs no memory for all steps.  `scan_split` takes out again what pays.
Loops with `recompute`, which is what becomes of F, have their checkpoints.
Program -> Program: `checkpoints`.  Not in bodies: these would grow with each loop around them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from itertools import pairwise
from typing import Any

from gradc.config import config
from gradc.ir import dtypes, interp, ops
from gradc.ir.program import Builder, Eqn, Program, Var, copy_inputs, equations, rebuild, tensor
from gradc.ir.scalars import get_row
from gradc.ir.types import WORDS, RngType
from gradc.passes.loop import DEAR, Loop, SizedBuilder, is_loop, rows_of
from gradc.passes.scan_results import row_sizes
from gradc.passes.scan_values import trim
from gradc.record import record, replace

Optimise = Callable[[Program], Program]
_Axis = tuple[Var, int]


def checkpoints(program: Program, optimise: Optimise) -> Program:
    """Loops forward whose rows only a loop backward reads, and that loop, in blocks if the rows take much memory."""
    pairs = _pairs(program) if config.checkpoint_bytes else []
    if not pairs:
        return program
    for pair in pairs:
        program = _in_order(program, pair)
    b = SizedBuilder()
    env = copy_inputs(program, b)
    forward = {pair.forward: pair for pair in pairs}
    cuts: dict[Eqn, tuple[_Pair, _Blocks]] = {}
    sizes: dict[Eqn, tuple[_Blocks, Var, int]] = {}
    left_out: set[Eqn] = set()
    for eqn in program.eqns:
        if eqn in forward:
            b.sources = eqn.sources
            loop = Loop(eqn, eqn.args)
            alike = _inline(loop, forward[eqn].before)
            loop.move(env)
            _check(b, loop, [(env[v], env[w]) for v, w in alike])
            blocks = _blocks(b, loop, optimise)
            if blocks is not None:
                cuts[forward[eqn].backward] = forward[eqn], blocks
                left_out.update(forward[eqn].between, forward[eqn].sums)
                sizes.update({e: (blocks, v, axis) for e, v, axis in forward[eqn].sizes})
                env.update(blocks.forward())
                continue
        if eqn in cuts:
            pair, blocks = cuts[eqn]
            b.sources = eqn.sources
            loop = Loop(eqn, eqn.args)
            alike = _add_sums(loop, pair.sums) + _inline(loop, (*pair.before, *pair.between))
            for v, like in pair.shapes.items():
                size = [blocks.shapes[w][k] if w in blocks.shapes else b.size(env[w], k) for w, k in like]
                env[v] = b.apply(ops.Broadcast(), b.constant(0, tensor(v).dtype), *size)
            loop.move({**{v: v for v in pair.forward.outs}, **env})
            _check(b, loop, [(env.get(v), env[w]) if w in env else (env.get(w), env[v]) for v, w in alike
                             if v in env or w in env])
            env.update(blocks.backward(loop))
        elif eqn in sizes:
            blocks, v, axis = sizes[eqn]
            env[eqn.out] = blocks.shapes[v][axis] if v in blocks.shapes else b.size(env[v], axis)
        elif eqn not in left_out:
            rebuild(program, b, env, [eqn])
    return b.program([env[v] for v in program.outputs]) if cuts else program


# ------------------------------------------------------------------------------------------------ what to look for


@record(eq=False)
class _Pair:
    """A loop, and the loop in the other direction that alone reads its rows.

    between: what is computed of the rows on the way.  before: what is computed at little cost for the two loops only.
    sums: over all steps of what is computed of the rows.  shapes: the sizes of these, as axes of other values.
    sizes: those that are asked of rows and of what is computed of them, and what has the same size along which axis.
    """

    forward: Eqn
    backward: Eqn
    between: tuple[Eqn, ...]
    before: tuple[Eqn, ...]
    sums: tuple[Eqn, ...]
    shapes: Mapping[Var, Sequence[_Axis]]
    sizes: tuple[tuple[Eqn, Var, int], ...]


def _pairs(program: Program) -> list[_Pair]:
    """The pairs of a Program; no loop is part of two."""
    candidates = [eqn for eqn in program.eqns if _is_whole(eqn) and eqn.op.n_carries    # type: ignore[attr-defined]
                  and eqn.op.n_stacked and not eqn.op.recompute]                        # type: ignore[attr-defined]
    if not candidates:
        return []
    users: dict[Var, list[Eqn]] = {}
    for eqn in program.eqns:
        for a in dict.fromkeys(eqn.args):
            users.setdefault(a, []).append(eqn)
    found: list[_Pair] = []
    taken: set[Eqn] = set()
    for eqn in candidates:
        pair = _pair(program, eqn, users)
        if pair is not None and taken.isdisjoint((pair.forward, pair.backward)):
            taken.update((pair.forward, pair.backward))
            found.append(pair)
    return found


def _is_whole(eqn: Eqn) -> bool:
    """A loop that runs all of its steps, and whose step may be run a second time."""
    return is_loop(eqn) and not eqn.op.limited and not eqn.op.until and not any(    # type: ignore[attr-defined]
        type(e.op) is ops.Callback for e in equations(eqn.op.body))                 # type: ignore[attr-defined]


def _pair(program: Program, forward: Eqn, users: Mapping[Var, Sequence[Eqn]]) -> _Pair | None:
    op: ops.Scan = forward.op  # type: ignore[assignment]
    work = list(forward.outs[op.n_carries:])
    sizes: list[tuple[Eqn, Var, int]] = []
    between: dict[Eqn, None] = {}
    sums: dict[Eqn, None] = {}
    backward: Eqn | None = None
    while work:
        v = work.pop()
        if v in program.outputs:
            return None
        for user in users.get(v, ()):
            if type(user.op) is ops.Scan:
                _, _, _, inits, others = user.op.split(user.args)
                if backward not in (None, user) or not _is_whole(user) or user.args[0] is not forward.args[0] \
                        or user.op.reverse is op.reverse or not inits or v in inits or v in others:
                    return None
                backward = user
                continue
            if type(user.op) is ops.ShapeOf and (like := _same_size(v, user.op.axis, between)) is not None:
                sizes.append((user, *like))
                continue
            form = _row_form(user) or _sum_form(user)
            if form is None or not all(flag for a, flag in zip(user.args, form[1]) if a is v):
                return None
            if _row_form(user) is None:
                sums[user] = None
            elif user not in between:
                between[user] = None
                work.append(user.out)
    shapes = {eqn.out: [_same_size(eqn.out, k, [*between, eqn]) for k in range(tensor(eqn.out).ndim)] for eqn in sums}
    if backward is None or any(None in axes for axes in shapes.values()) \
            or not _after(program, [*sums, backward]).isdisjoint([*sums, *between, backward]):
        return None
    inside = {forward, backward, *between, *sums}
    before: list[Eqn] = []
    wanted = {x for eqn in (forward, backward) for x in eqn.op.split(eqn.args)[2]}  # type: ignore[attr-defined]
    wanted.update(a for eqn in between for a, flag in zip(eqn.args, _row_form(eqn)[1]) if flag)     # type: ignore
    wanted.update(a for eqn in sums for a, flag in zip(eqn.args, _sum_form(eqn)[1]) if flag)        # type: ignore
    for eqn in reversed(program.eqns):
        if eqn in inside or wanted.isdisjoint(eqn.outs) or eqn.out in program.outputs or not _is_cheap(eqn) \
                or not inside.issuperset(users[eqn.out]):
            continue
        flags = _row_form(eqn)[1]  # type: ignore[index]
        if any(flags):
            inside.add(eqn)
            before.append(eqn)
            wanted.update(a for a, flag in zip(eqn.args, flags) if flag)
    return _Pair(forward, backward, tuple(between), tuple(before), tuple(sums), shapes, tuple(sizes))  # type: ignore[arg-type]


def _after(program: Program, first: Iterable[Eqn]) -> set[Eqn]:
    """The equations that depend on those of `first`."""
    late = {v for eqn in first for v in eqn.outs}
    found: set[Eqn] = set()
    for eqn in program.eqns:
        if not late.isdisjoint(eqn.args):
            found.add(eqn)
            late.update(eqn.outs)
    return found


def _in_order(program: Program, pair: _Pair) -> Program:
    """`program` with the loop backward after all that it will take, and before all that needs its sums."""
    if not pair.sums:
        return program
    late = _after(program, [*pair.sums, pair.backward]) | {*pair.sums, pair.backward}
    early = [eqn for eqn in program.eqns if eqn not in late]
    late.discard(pair.backward)
    return Program(program.inputs, [*early, pair.backward, *[eqn for eqn in program.eqns if eqn in late]],
                   program.outputs)


def _same_size(v: Var, axis: int | None, between: Iterable[Eqn]) -> tuple[Var, int] | None:
    """The axis of a value that `between` does not make, as long as this one of v; None if that is not easy to see."""
    made = {eqn.out: eqn for eqn in between}
    while v in made and axis is not None:
        eqn, rank = made[v], tensor(v).ndim
        if type(eqn.op) is ops.Transpose:
            v, axis = eqn.args[0], eqn.op.perm[axis]
            axis = None if axis < 0 else axis
        elif type(eqn.op) is ops.Reduce:
            v, axis = eqn.args[0], [k for k in range(tensor(eqn.args[0]).ndim) if k not in eqn.op.axes][axis]
        elif type(eqn.op) is ops.Contract:
            label = eqn.op.out[axis]
            v, axis = next((x, labels.index(label)) for x, labels in zip(eqn.args, (eqn.op.a, eqn.op.b))
                           if label in labels)
        elif type(eqn.op) in (ops.Map, ops.Cast):
            alike = [a for a in eqn.args if tensor(a).ndim == rank and tensor(a).shape[axis] != 1]
            v, axis = (alike[0], axis) if alike else (v, None)
        else:
            return None
    return None if axis is None else (v, axis)


def _is_cheap(eqn: Eqn) -> bool:
    """Is it computed again at less than a store and a load?"""
    return type(eqn.op) is ops.Cast or (type(eqn.op) is ops.Map and get_row(eqn.op.fn).weight < DEAR)


def _row_form(eqn: Eqn) -> tuple[ops.OpKind, tuple[bool, ...]] | None:
    """The op that makes row t of `eqn`'s result, and for each argument whether that takes row t of it, or all of it."""
    rank = tensor(eqn.out).ndim
    others = (False,) * (len(eqn.args) - 1)
    match eqn.op:
        case ops.Map():
            return eqn.op, tuple([tensor(a).ndim == rank and tensor(a).shape[0] != 1 for a in eqn.args])
        case ops.Cast():
            return eqn.op, (True,)
        case ops.Assert(_, "shape"):
            return eqn.op, (True, *others)
        case ops.Transpose((0, *perm)):
            return ops.Transpose(tuple([p - 1 if p > 0 else p for p in perm])), (True,)
        case ops.Slice((first, *items)) if first.is_all:
            return ops.Slice(tuple(items)), (True, *others)
        case ops.Reduce(fn, axes) if 0 not in axes:
            return ops.Reduce(fn, tuple([k - 1 for k in axes])), (True,)
        case ops.Contract(a, b, (label, *out)) if label not in (*a[1:], *b[1:]):
            left, right = [tuple([k for k in labels if k != label]) for labels in (a, b)]
            return ops.Contract(left, right, tuple(out)), (label in a, label in b)
    return None


def _sum_form(eqn: Eqn) -> tuple[ops.OpKind, tuple[bool, ...]] | None:
    """As `_row_form`, for a result that sums up over all t what the op makes of rows t."""
    if not tensor(eqn.out).ndim:
        return None
    match eqn.op:
        case ops.Reduce("add", (0, *axes)):
            return ops.Reduce("add", tuple([k - 1 for k in axes])), (True,)
        case ops.Contract(a, b, out):
            for label in (*a[:1], *b[:1]):
                if label not in (*a[1:], *b[1:], *out):
                    left, right = [tuple([k for k in labels if k != label]) for labels in (a, b)]
                    return ops.Contract(left, right, out), (label in a, label in b)
    return None


def _add_sums(loop: Loop, sums: Iterable[Eqn]) -> list[tuple[Var, Var]]:
    """Sums over all steps become carries, whose first values are to be zeros.  Result: as that of `_inline`."""
    alike: list[tuple[Var, Var]] = []
    for eqn in sums:
        form = _sum_form(eqn)
        assert form is not None
        op, by_rows = form
        alike += pairwise([a for a, flag in zip(eqn.args, by_rows) if flag])
        args = [loop.sequence(a) if flag else loop.other(a) for a, flag in zip(eqn.args, by_rows)]
        loop.inner.sources = eqn.sources
        value = args[0] if op == ops.Reduce("add", ()) else loop.inner.apply(op, *args)
        carry = loop.carry(eqn.out, eqn.out)
        loop.after[carry] = loop.inner.map("add", carry, value)
        loop.lasts[eqn.out] = carry
    return alike


def _inline(loop: Loop, between: Iterable[Eqn]) -> list[tuple[Var, Var]]:
    """Sequences that `between` makes become values of the step.  Result: what must have equally many rows."""
    alike: list[tuple[Var, Var]] = []
    made = {eqn.out: eqn for eqn in between}
    while (row := next((v for v, x in loop.seqs.items() if x in made), None)) is not None:
        eqn = made[loop.seqs[row]]
        form = _row_form(eqn)
        assert form is not None
        op, by_rows = form
        alike += pairwise([a for a, flag in zip(eqn.args, by_rows) if flag])
        args = [loop.sequence(a) if flag else loop.other(a) for a, flag in zip(eqn.args, by_rows)]
        body = loop.body()
        inner = Builder()
        env = copy_inputs(body, inner)
        given = [env[v] for v in args]
        if type(op) is ops.Map:             # what all rows have alike may have an axis for them, of size 1
            rank = tensor(eqn.out).ndim
            given = [inner.apply(ops.Transpose(tuple(range(1, rank))), v) if tensor(v).ndim == rank else v
                     for v in given]
        inner.sources = eqn.sources
        env[row] = inner.apply(op, *given)
        rebuild(body, inner, env)
        loop.take(Program(inner.inputs, inner.eqns, [env[v] for v in body.outputs]))
        trim(loop, {*loop.rows, *loop.lasts})
    return alike


def _check(b: SizedBuilder, loop: Loop, alike: Iterable[tuple[Var | None, Var]]) -> None:
    """Pairs of arrays have equally many rows; where there is no first, as many as there are steps.

    Not asked of `b`, which knows it from the equations that became part of the step, and will be left out.
    """
    steps = b.cast(loop.steps, "int64")
    rows = [(steps if v is None else b.size(v, 0), b.size(w, 0)) for v, w in alike]
    checks = [b.map("eq", m, n) for m, n in dict.fromkeys(rows) if m is not n]
    if checks:
        first = next(iter(loop.inits))
        loop.inits[first] = b.apply(ops.Assert("sizes of dimension 0 differ", "shape"), loop.inits[first], *checks)


# ------------------------------------------------------------------------------------------------ how it is cut


def _blocks(b: SizedBuilder, loop: Loop, optimise: Optimise) -> _Blocks | None:
    """How `loop` is cut; None if its rows certainly take little memory, or if no one can tell how much."""
    again = copy(loop)
    again.lasts = {}
    trim(again, loop.rows)
    values = dict.fromkeys([*loop.rows.values(), *again.inits])
    shapes: dict[Var, Sequence[Var]] = {v: [b.constant(WORDS.shape[0], "int64")] for v in values if _is_state(v)}
    shapes |= {v: sizes for v in values if not _is_state(v)
               and (sizes := row_sizes(b, loop, v, optimise)) is not None}
    if len(shapes) < len(values):
        return None
    state = {after: carry for carry, after in loop.after.items()}       # before and after each step: one array
    rows = _bytes(b, {state.get(v, v): shapes[v] for v in loop.rows.values()})
    carries = _bytes(b, {v: shapes[v] for v in again.inits})

    def of(op: str | ops.OpKind, *args: Var) -> Var:
        return _computed(b, ops.Map(op) if isinstance(op, str) else op, *args)

    def number(value: int) -> Var:
        return b.constant(value, "int64")

    steps = of(ops.Cast("int64"), loop.steps)
    few = of("le", of("mul", steps, rows), number(config.checkpoint_bytes))
    ratio = of("true_divide", carries, of("maximum", rows, number(1)))
    root = of(ops.Cast("int64"), of("ceil", of("sqrt", of("mul", of(ops.Cast("float64"), steps), ratio))))
    length = of("maximum", of("minimum", root, steps), number(1))
    size = of("maximum", of("switch", few, number(0), length), number(0))
    if size.data is not None and not size.data:
        return None
    count = of("maximum", of("floor_divide", steps, size), number(0))
    return _Blocks(b, loop, again, {key: [steps, *shapes[v]] for key, v in loop.rows.items()}, size, count)


def _bytes(b: SizedBuilder, shapes: Mapping[Var, Sequence[Var]]) -> Var:
    """Bytes of one row of each of the values of these shapes."""
    total = b.constant(0, "int64")
    for v, sizes in shapes.items():
        product = b.constant(dtypes.ITEMSIZE[(WORDS if _is_state(v) else tensor(v)).dtype], "int64")
        for size in sizes:
            product = _computed(b, ops.Map("mul"), product, size)
        total = _computed(b, ops.Map("add"), total, product)
    return total


def _is_state(v: Var) -> bool:
    """Is it the state of a random generator?  Its words are kept."""
    return type(v.type) is RngType


def _computed(b: Builder, op: ops.OpKind, *args: Var) -> Var:
    """`op(*args)`, a constant if the arguments are."""
    eqn = b.equation(op, args)
    if any(a.data is None for a in args):
        return eqn.out
    value, = interp.run_equation(eqn, [a.data for a in args])
    return b.constant(value, tensor(eqn.out).dtype)


class _Blocks:
    """A loop in `count` blocks of `size` steps, which run first, and the rest of its steps."""

    def __init__(self, b: SizedBuilder, loop: Loop, again: Loop, shapes: Mapping[Any, Sequence[Var]], size: Var,
                 count: Var) -> None:
        """`again`: the loop with its rows as the only results, which have these shapes."""
        loop.op = replace(loop.op, recompute=True)
        self.b = b
        self.loop = loop
        self.again = again
        self.shapes = shapes
        steps = next(iter(shapes.values()))[0]
        self.size = size
        self.count = count
        self.whole = _computed(b, ops.Map("mul"), size, count)
        self.start = _computed(b, ops.Map("sub"), steps, self.whole) if loop.op.reverse else self.whole
        like = b.apply(ops.Broadcast(), b.constant(0, "int64"), steps)      # its parts are as long as all others
        self.rest = b.size(self.parts(like)[1], 0)
        self.heads: dict[Var, Var] = {}     # row of a sequence -> the sequence in blocks
        self.kept: dict[Var, Var] = {}      # carry -> its values before each block
        self.rows: dict[Any, Var] = {}      # result -> the rows of the rest
        if loop.steps.data is None:
            first = next(iter(loop.inits))
            loop.inits[first] = b.apply(ops.Assert(f"{loop.op}: the number of steps must not be negative", "shape"),
                                        loop.inits[first], b.map("le", b.constant(0, "int64"), steps))

    def parts(self, x: Var) -> tuple[Var, Var]:
        """The rows of x in the blocks, one after the other, and in the rest."""
        known = self.start.data
        bound, args = (ops.DYNAMIC, [self.start]) if known is None else (int(known), [])
        first, last = [self.b.apply(ops.Slice((item,)), x, *args)
                       for item in (ops.Item(stop=bound), ops.Item(start=bound))]
        return (last, first) if self.loop.op.reverse else (first, last)

    def cut(self, v: Var, x: Var) -> tuple[Var, Var]:
        """The sequence x, of which v is a row inside, as blocks of rows and the rest."""
        head, rest = self.parts(rows_of(self.b, self.loop, x, v))
        made = self.b.producer.get(x)
        if made is not None and type(made.op) is ops.Iota and not self.loop.op.reverse:     # takes no memory so
            first, inside = [self.b.apply(ops.Iota(), n) for n in (self.count, self.size)]
            first = self.b.apply(ops.Transpose((0, -1)), self.b.map("mul", self.size, first))
            return self.b.map("add", first, inside), rest
        sizes = [self.b.size(x, k) for k in range(1, tensor(x).ndim)]
        return self.b.apply(ops.Reshape(1 + tensor(x).ndim), head, self.count, self.size, *sizes), rest

    def joined(self, blocks: Var, rest: Var) -> Var:
        """Rows in blocks and those of the rest as rows of all steps."""
        sizes = [self.b.size(blocks, k) for k in range(2, tensor(blocks).ndim)]
        head = self.b.apply(ops.Reshape(tensor(blocks).ndim - 1), blocks, self.whole, *sizes)
        return self.b.apply(ops.Concat(0), *((rest, head) if self.loop.op.reverse else (head, rest)))

    def over_rest(self, loop: Loop, seqs: dict[Var, Var], inits: dict[Var, Var]) -> dict[Any, Var]:
        """`loop` over the rest: its rows, and the carries after it."""
        part = copy(loop)
        part.steps, part.seqs, part.inits = self.rest, seqs, inits
        part.lasts = {c: c for c in inits}
        return part.emit(self.b)

    def over_block(self, outer: Loop, loop: Loop, seqs: dict[Var, Var], inits: dict[Var, Var]) -> dict[Any, Var]:
        """`loop` over a block, inside the loop over blocks `outer`: its rows, and the carries after it."""
        part = copy(loop)
        part.steps, part.seqs, part.inits = outer.other(self.size), seqs, inits
        part.others = {v: outer.other(x) for v, x in loop.others.items()}
        part.lasts = {c: c for c in inits}
        return part.emit(outer.inner)

    def forward(self) -> dict[Any, Var]:
        """The loop over the blocks and the one over the rest; the results that are no rows."""
        loop = self.loop
        rest: dict[Var, Var] = {}
        for v, x in loop.seqs.items():
            self.heads[v], rest[v] = self.cut(v, x)
        outer = loop.around(self.count)
        carries = {c: outer.carry(c, x) for c, x in loop.inits.items()}
        bare = copy(loop)
        bare.rows = {}
        made = self.over_block(outer, bare, {v: outer.sequence(x) for v, x in self.heads.items()}, carries)
        outer.after = {carry: made[c] for c, carry in carries.items()}
        outer.lasts = {c: carry for c, carry in carries.items()}
        outer.rows = {("kept", c): outer.inner.apply(ops.Words(False), carries[c]) if _is_state(c) else carries[c]
                      for c in self.again.inits}
        results = outer.emit(self.b)
        self.kept = {c: results["kept", c] for c in self.again.inits}
        made = self.over_rest(loop, rest, {c: results[c] for c in loop.inits})
        self.rows = {key: made[key] for key in loop.rows}
        return {key: made[c] for key, c in loop.lasts.items()}

    def backward(self, loop: Loop) -> dict[Any, Var]:
        """`loop` back over the rest and over the blocks; its sequences are values, or results of the loop forward."""
        heads: dict[Var, Var] = {}
        rest: dict[Var, Var] = {}
        for v, x in loop.seqs.items():
            if x in self.rows:
                rest[v] = self.rows[x]
            else:
                heads[v], rest[v] = self.cut(v, x)
        ends = self.over_rest(loop, rest, loop.inits)
        outer = loop.around(self.count)
        carries = {c: outer.carry(c, ends[c]) for c in loop.inits}
        again = copy(self.again)
        again.rows = {key: v for key, v in again.rows.items() if key in loop.seqs.values()}
        kept = {c: outer.sequence(x) for c, x in self.kept.items()}
        rows = self.over_block(outer, again, {v: outer.sequence(self.heads[v]) for v in again.seqs},
                               {c: outer.inner.apply(ops.Words(True), row) if _is_state(c) else row
                                for c, row in kept.items()})
        seqs = {v: outer.sequence(heads[v]) if v in heads else rows[x] for v, x in loop.seqs.items()}
        made = self.over_block(outer, loop, seqs, carries)
        outer.after = {carry: made[c] for c, carry in carries.items()}
        outer.lasts = {key: carries[c] for key, c in loop.lasts.items()}
        outer.rows = {key: made[key] for key in loop.rows}
        results = outer.emit(self.b)
        return {**{key: results[key] for key in loop.lasts},
                **{key: self.joined(results[key], ends[key]) for key in loop.rows}}
