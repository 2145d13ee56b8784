"""Checkpoints: the rows of a loop that only its gradient reads are computed again where they would take much memory.

    rows = F(xs)            ->    kept, h = F over the blocks of K steps: the carries before each block, no rows
    grads = B(rows, xs)           rows    = F over the rest of the steps, from h
                                  g       = B over the rest
                                  grads   = back over the blocks: F from the carry that was kept, then B from g

Here: which loops these are, and what becomes part of their steps; `scan_blocks` cuts them.  F and B may be several
loops each, of equally many steps, of which later ones read rows of earlier ones, as of networks on top of each other.

What is computed row by row between loops becomes part of the step of the one that reads it, and so do sums over all
steps, such as the gradient of a matrix that each state is multiplied with; not sums that are scalars, as of a loss: who
asks for it asks for more than gradients.  What is computed at little cost for these loops alone becomes part of the
step, too: it needs no memory for all steps.  `scan_split` takes out again what pays.
Loops with `recompute`, which is what becomes of F, have their checkpoints.
Program -> Program: `checkpoints`.  Not in bodies: these would grow with each loop around them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import pairwise

from gradc.config import config
from gradc.ir import ops
from gradc.ir.program import Builder, Eqn, Program, Var, copy_inputs, equations, rebuild, tensor
from gradc.ir.scalars import get_row
from gradc.ir.types import TensorType
from gradc.passes.loop import DEAR, Loop, SizedBuilder, is_loop
from gradc.passes.scan_blocks import Blocks, in_blocks
from gradc.passes.scan_values import trim
from gradc.record import record

Optimise = Callable[[Program], Program]
_Axis = tuple[Var, int]


def checkpoints(program: Program, optimise: Optimise) -> Program:
    """Loops forward whose rows only loops backward read, and those, in blocks if the rows take much memory."""
    if not config.checkpoint_bytes:
        return program
    whole = 0                       # groups that stay as they are
    while len(groups := _groups(program)) > whole:
        made = _cut(program, groups[whole], optimise)
        if made is None:
            whole += 1
        else:
            program = made
    return program


def _cut(program: Program, group: _Group, optimise: Optimise) -> Program | None:
    """`program` with the loops of a group in blocks; None if they take little memory."""
    program = _moved(program, group.forwards)
    program = _moved(program, group.backwards, group.sums)
    inside = {*group.forwards, *group.backwards, *group.between, *group.sums}
    rows = {v: v for eqn in (*group.forwards, *group.backwards) for v in eqn.outs}
    sizes = {eqn: (v, axis) for eqn, v, axis in group.sizes}
    b = SizedBuilder()
    env = copy_inputs(program, b)
    blocks: Blocks | None = None

    def opened(eqns: Sequence[Eqn], sums: Iterable[Eqn] = ()) -> list[Loop]:
        loops = [Loop(eqn, eqn.args) for eqn in eqns]
        alike = _add_sums(loops[0], sums)
        for loop in loops:
            alike += _inline(loop, group.taken)
            loop.move({**rows, **env})
        _check(b, loops[0], [(env.get(v), env[w]) if w in env else (env.get(w), env[v]) for v, w in alike
                             if v in env or w in env])
        return loops

    def size(v: Var, axis: int) -> Var:
        return blocks.shapes[v][axis] if v in blocks.shapes else b.size(env[v], axis)      # type: ignore[union-attr]

    for eqn in program.eqns:
        if eqn is group.forwards[-1]:
            b.sources = eqn.sources
            blocks = in_blocks(b, opened(group.forwards), optimise)
            if blocks is None:
                return None
            env.update(blocks.forward())
        elif eqn is group.backwards[-1] and blocks is not None:
            b.sources = eqn.sources
            for v, axes in group.shapes.items():
                zero = b.constant(0, tensor(v).dtype)
                env[v] = b.apply(ops.Broadcast(), zero, *[size(*axis) for axis in axes])
            env.update(blocks.backward(opened(group.backwards, group.sums)))
        elif eqn in sizes:
            env[eqn.out] = size(*sizes[eqn])
        elif eqn not in inside:
            rebuild(program, b, env, [eqn])
    return b.program([env[v] for v in program.outputs])


# ------------------------------------------------------------------------------------------------ what to look for


@record(eq=False)
class _Group:
    """Loops, and those in the other direction that alone read the rows of the first.

    between: what is computed of these rows on the way.  sums: over all steps of what is computed of them.
    taken: what becomes part of steps, which is `between`, what is computed of rows of one loop backward for another,
    and what is computed at little cost for these loops only.
    shapes: the sizes of sums, as axes of other values.
    sizes: those that are asked of rows and of what is computed of them, and what has the same size along which axis.
    """

    forwards: Sequence[Eqn]
    backwards: Sequence[Eqn]
    between: Sequence[Eqn]
    sums: Sequence[Eqn]
    taken: Sequence[Eqn]
    shapes: Mapping[Var, Sequence[_Axis]]
    sizes: Sequence[tuple[Eqn, Var, int]]


def _groups(program: Program) -> list[_Group]:
    """The groups of a Program; no loop is part of two."""
    found: list[_Group] = []
    taken: set[Eqn] = set()
    users: dict[Var, list[Eqn]] = {}
    for eqn in program.eqns:
        if not _may_be_cut(eqn) or eqn in taken:
            continue
        if not users:
            for e in program.eqns:
                for a in dict.fromkeys(e.args):
                    users.setdefault(a, []).append(e)
        group = _group(program, eqn, users)
        if group is not None and taken.isdisjoint((*group.forwards, *group.backwards)):
            taken.update((*group.forwards, *group.backwards))
            found.append(group)
    return found


def _is_whole(eqn: Eqn) -> bool:
    """A loop with states that runs all of its steps, and whose step may be run a second time."""
    return is_loop(eqn) and bool(eqn.op.n_carries) and not eqn.op.limited and not eqn.op.until and not any(
        type(e.op) is ops.Callback for e in equations(eqn.op.body))


def _may_be_cut(eqn: Eqn) -> bool:
    return _is_whole(eqn) and bool(eqn.op.n_stacked) and not eqn.op.recompute


def _group(program: Program, first: Eqn, users: Mapping[Var, Sequence[Eqn]]) -> _Group | None:
    """The loops that read rows of `first`, and of those in the same direction in turn."""
    forwards, backwards, between, sums = {first: None}, *_empty(3)
    sizes: list[tuple[Eqn, Var, int]] = []
    work = list(_rows(first))
    while work:
        v = work.pop()
        if v in program.outputs:
            return None
        for user in users.get(v, ()):
            form = _row_form(user)
            if type(user.op) is ops.Scan:
                _, _, _, inits, others = user.op.split(user.args)
                if not _is_whole(user) or user.args[0] is not first.args[0] or v in inits or v in others:
                    return None
                if user.op.reverse is not first.op.reverse:
                    backwards[user] = None
                elif user not in forwards:
                    if user.op.recompute:
                        return None
                    forwards[user] = None
                    work.extend(_rows(user))
            elif type(user.op) is ops.ShapeOf and (like := _same_size(v, user.op.axis, between)) is not None:
                sizes.append((user, *like))
            elif form is not None and all(flag for a, flag in zip(user.args, form[1]) if a is v):
                if user not in between:
                    between[user] = None
                    work.append(user.out)
            else:
                form = _sum_form(user)
                if form is None or not all(flag for a, flag in zip(user.args, form[1]) if a is v):
                    return None
                sums[user] = None
    shapes = {eqn.out: [_same_size(eqn.out, k, [*between, eqn]) for k in range(tensor(eqn.out).ndim)] for eqn in sums}
    way, back = _on_the_way(program, forwards), _on_the_way(program, backwards)
    if not backwards or way is None or back is None or any(None in axes for axes in shapes.values()) \
            or not _after(program, sums).isdisjoint(backwards) \
            or not _after(program, [*sums, *backwards]).isdisjoint([*sums, *forwards]):
        return None
    taken = [*between, *back]
    taken += _cheap(program, users, [*forwards, *backwards], [*taken, *sums])
    first_loops, last_loops = [[eqn for eqn in program.eqns if eqn in loops] for loops in (forwards, backwards)]
    return _Group(first_loops, last_loops, list(between), list(sums), taken, shapes, sizes)  # type: ignore[arg-type]


def _empty(n: int) -> list[dict[Eqn, None]]:
    return [{} for _ in range(n)]


def _rows(loop: Eqn) -> Sequence[Var]:
    return loop.outs[loop.op.n_carries:]


def _on_the_way(program: Program, loops: Collection[Eqn]) -> list[Eqn] | None:
    """What is computed of results of some of the loops for others; None if that is more than rows, row by row."""
    late: set[Var] = set()
    for eqn in program.eqns:
        if eqn in loops or not late.isdisjoint(eqn.args):
            late.update(eqn.outs)
    lasts = {v for loop in loops for v in loop.outs if v not in _rows(loop)}
    found: list[Eqn] = []
    needed: set[Var] = set()
    for eqn in reversed(program.eqns):
        by_rows: Sequence[bool] = ()
        if eqn in loops:
            by_rows = [a in eqn.op.split(eqn.args)[2] for a in eqn.args]
        elif needed.isdisjoint(eqn.outs):
            continue
        else:
            form = _row_form(eqn)
            if form is None:
                return None
            by_rows = form[1]
            found.append(eqn)
        used = [(a, flag) for a, flag in zip(eqn.args, by_rows) if a in late]
        if any(a in lasts or not flag for a, flag in used):
            return None
        needed.update(a for a, _ in used)
    return found


def _cheap(program: Program, users: Mapping[Var, Sequence[Eqn]], loops: Sequence[Eqn],
           taken: Sequence[Eqn]) -> list[Eqn]:
    """What is computed at little cost, row by row, only for rows that the loops and what they have taken use."""
    inside = {*loops, *taken}
    found: list[Eqn] = []
    wanted = {x for eqn in loops for x in eqn.op.split(eqn.args)[2]}
    for eqn in taken:
        wanted.update(_by_rows(eqn))
    for eqn in reversed(program.eqns):
        if eqn in inside or wanted.isdisjoint(eqn.outs) or eqn.out in program.outputs or not _is_cheap(eqn) \
                or not inside.issuperset(users[eqn.out]):
            continue
        if rows := _by_rows(eqn):
            inside.add(eqn)
            found.append(eqn)
            wanted.update(rows)
    return found


def _by_rows(eqn: Eqn) -> list[Var]:
    """The arguments of which a row is used for each row of the result, or of what is summed up."""
    form = _row_form(eqn) or _sum_form(eqn)
    return [] if form is None else [a for a, flag in zip(eqn.args, form[1]) if flag]


def _after(program: Program, first: Iterable[Eqn]) -> set[Eqn]:
    """The equations that depend on those of `first`."""
    late = {v for eqn in first for v in eqn.outs}
    found: set[Eqn] = set()
    for eqn in program.eqns:
        if not late.isdisjoint(eqn.args):
            found.add(eqn)
            late.update(eqn.outs)
    return found


def _moved(program: Program, loops: Sequence[Eqn], sums: Sequence[Eqn] = ()) -> Program:
    """`program` with the loops together, where the last of them or of `sums` stands; what needs these follows."""
    moved = {*loops, *sums}
    late = _after(program, moved) | moved
    at = 1 + max(k for k, eqn in enumerate(program.eqns) if eqn in moved)
    before = [eqn for eqn in program.eqns[:at] if eqn not in late]
    after = [eqn for eqn in program.eqns[:at] if eqn in late and eqn not in loops]
    return Program(program.inputs, [*before, *loops, *after, *program.eqns[at:]], program.outputs)


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


# ------------------------------------------------------------------------------------------------ row by row


def _is_cheap(eqn: Eqn) -> bool:
    """Is it computed again at less than a store and a load?"""
    return type(eqn.op) is ops.Cast or (type(eqn.op) is ops.Map and get_row(eqn.op.fn).weight < DEAR)


def _row_form(eqn: Eqn) -> tuple[ops.OpKind, tuple[bool, ...]] | None:
    """The op that makes row t of `eqn`'s result, and for each argument whether that takes row t of it, or all of it."""
    if type(eqn.out.type) is not TensorType:        # a state of random numbers
        return None
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
    if type(eqn.out.type) is not TensorType or not tensor(eqn.out).ndim:
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
