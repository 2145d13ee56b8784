"""Checkpoints: the rows of a loop that only its gradient reads are computed again where they would take much memory.

    rows = F(xs)            ->    kept, h = F over the blocks of K steps: the carries before each block, no rows
    grads = B(rows, xs)           rows    = F over the rest of the steps, from h
                                  g       = B over the rest
                                  grads   = back over the blocks: F from the carry that was kept, then B from g

F and B may be several loops each, of equally many steps, of which later ones read rows of earlier ones, as of networks
on top of each other.  First: which loops these are, and what becomes part of their steps; then `Blocks`, which cuts
them.

What is computed row by row between loops becomes part of the step of the one that reads it, and so do sums over all
steps, such as the gradient of a matrix that each state is multiplied with; not sums that are scalars, as of a loss: who
asks for it asks for more than gradients.  What is computed at little cost for these loops alone becomes part of the
step, too: it needs no memory for all steps.  `scan_places` takes out again what pays.

The number of blocks and that of the steps in one are sizes, found when the function is called: both are 0, and all
steps are the rest, if the rows of all steps take no more than `config.checkpoint_bytes`.  Else a block is so long that
the carries that are kept take about as much memory as its rows, of the order of the square root of the number of steps.
Sequences are not copied: as many whole blocks as there are come first, and the rest runs by loops of its own.
Loops with `recompute`, which is what becomes of F, have their checkpoints.
Program -> Program: `checkpoints`.  Not in bodies: these would grow with each loop around them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import copy
from functools import cached_property
from types import SimpleNamespace
from typing import Any

from gradc.config import config
from gradc.errors import NEGATIVE_STEPS, literal
from gradc.ir import build, dtypes, interp, ops
from gradc.ir.batch import row_form
from gradc.ir.program import Builder, Eqn, Program, Var, copy_inputs, equations, rebuild, state_type, tensor
from gradc.ir.routines import get_routine
from gradc.ir.rows import term_form
from gradc.ir.shapes import Shapes, analyse
from gradc.ir.sizes import Dim, parts
from gradc.ir.types import RngType
from gradc.passes.loop import Key, Loop, SizedBuilder, check_rows, is_loop, rows_of, sizes_inside, sum_in_steps, take_in
from gradc.passes.scan_places import cheap_rows, users_of
from gradc.passes.shapes import size_var
from gradc.record import record, replace


def checkpoints(program: Program) -> Program:
    """Loops forward whose rows only loops backward read, and those, in blocks if the rows take much memory."""
    if not config.checkpoint_bytes:
        return program
    whole = 0                       # groups that stay as they are
    while len(groups := _Search(program).groups()) > whole:
        made = _cut(program, groups[whole])
        if made is None:
            whole += 1
        else:
            program = made
    return program


def _cut(program: Program, group: _Group) -> Program | None:
    """`program` with the loops of a group in blocks; None if they take little memory."""
    program = _moved(program, group.forwards)
    program = _moved(program, group.backwards, group.sums)
    inside = {*group.forwards, *group.backwards, *group.between, *group.sums}
    rows = {v: v for eqn in (*group.forwards, *group.backwards) for v in eqn.outs}
    b = SizedBuilder()
    env = copy_inputs(program, b)
    blocks: Blocks | None = None

    def opened(eqns: Sequence[Eqn], sums: Iterable[Eqn] = ()) -> list[Loop]:
        loops = [Loop(eqn, eqn.args) for eqn in eqns]
        alike = sum_in_steps(loops[0], sums)
        for loop in loops:
            alike += take_in(loop, group.taken)
            loop.move({**rows, **env})
        check_rows(b, loops[0], [(env.get(v), env[w]) if w in env else (env.get(w), env[v]) for v, w in alike
                             if v in env or w in env])
        return loops

    def size(dim: Dim) -> Var:
        """A size of the old Program; those of rows are known as `blocks` has them."""
        def shape(op: ops.ShapeOf, args: Sequence[Var]) -> Var:
            v, = args
            return blocks.shapes[v][op.axis] if v in blocks.shapes else b.size(v, op.axis)   # type: ignore

        old: Any = SimpleNamespace(sizes=group.known, raw=shape, current=lambda v: env.get(v, v),
                                   constant=b.constant, map=b.map, cast=b.cast)
        return size_var(old, dim)

    for eqn in program.eqns:
        if eqn is group.forwards[-1]:
            b.sources = eqn.sources
            blocks = in_blocks(b, opened(group.forwards))
            if blocks is None:
                return None
            env.update(blocks.forward())
        elif eqn is group.backwards[-1] and blocks is not None:
            b.sources = eqn.sources
            for v in [eqn.out for eqn in group.sums]:
                env[v] = b.apply(ops.Broadcast(), b.constant(0, tensor(v).dtype), *map(size, group.known.of(v)))
            env.update(blocks.backward(opened(group.backwards, group.sums)))
        elif eqn in group.sizes:
            env[eqn.out] = size(group.known.value(eqn.out))
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
    sizes: those that are asked of rows and of what is computed of them.
    known: all sizes of the Program.
    """

    forwards: Sequence[Eqn]
    backwards: Sequence[Eqn]
    between: Sequence[Eqn]
    sums: Sequence[Eqn]
    taken: Sequence[Eqn]
    sizes: Sequence[Eqn]
    known: Shapes


def _is_whole(eqn: Eqn) -> bool:
    """A loop with states that runs all of its steps, and whose step may be run a second time."""
    return is_loop(eqn) and bool(eqn.op.n_carries) and not eqn.op.limited and not eqn.op.until and not any(
        type(e.op) is ops.Call and not get_routine(e.op.routine).repeatable for e in equations(eqn.op.body))


def _may_be_cut(eqn: Eqn) -> bool:
    return _is_whole(eqn) and bool(eqn.op.n_stacked) and not eqn.op.recompute


class _Search:
    """The groups of a Program."""

    def __init__(self, program: Program) -> None:
        self.program = program

    @cached_property
    def users(self) -> dict[Var, list[Eqn]]:
        return users_of(self.program)

    @cached_property
    def known(self) -> Shapes:
        return analyse(self.program)

    def groups(self) -> list[_Group]:
        """No loop is part of two."""
        found: list[_Group] = []
        taken: set[Eqn] = set()
        for eqn in self.program.eqns:
            if _may_be_cut(eqn) and eqn not in taken:
                group = self.group(eqn)
                if group is not None and taken.isdisjoint((*group.forwards, *group.backwards)):
                    taken.update((*group.forwards, *group.backwards))
                    found.append(group)
        return found

    def group(self, first: Eqn) -> _Group | None:
        """The loops that read rows of `first`, and of those in the same direction in turn."""
        program = self.program
        forwards, backwards, between, sums, sizes = {first: None}, *[dict[Eqn, None]() for _ in range(4)]
        work = list(_rows(first))
        while work:
            v = work.pop()
            if v in program.outputs:
                return None
            for user in self.users.get(v, ()):
                form = row_form(user)
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
                elif type(user.op) is ops.ShapeOf and user.op.axis is not None:
                    sizes[user] = None
                elif form is not None and all(flag for a, flag in zip(user.args, form[1]) if a is v):
                    if user not in between:
                        between[user] = None
                        work.append(user.out)
                else:
                    form = term_form(user)
                    if form is None or not all(flag for a, flag in zip(user.args, form[1]) if a is v):
                        return None
                    sums[user] = None
        if not backwards:
            return None
        way, back = _on_the_way(program, forwards), _on_the_way(program, backwards)
        if way is None or back is None or not _after(program, sums).isdisjoint(backwards) \
                or not _after(program, [*sums, *backwards]).isdisjoint([*sums, *forwards]) \
                or not self.are_told([*sums, *sizes], forwards):
            return None
        taken = [*between, *back]
        taken += cheap_rows(program, self.users, [*forwards, *backwards], [*taken, *sums])
        first_loops, last_loops = [[eqn for eqn in program.eqns if eqn in loops] for loops in (forwards, backwards)]
        return _Group(first_loops, last_loops, list(between), list(sums), taken, list(sizes), self.known)

    def are_told(self, eqns: Sequence[Eqn], forwards: Iterable[Eqn]) -> bool:
        """Do values that stay tell the sizes of these results, or rows of the loops forward do?"""
        if not eqns:
            return True
        rows = {v for eqn in forwards for v in _rows(eqn)}
        gone = {v for eqn in _after(self.program, forwards) for v in eqn.outs}
        dims = [d for eqn in eqns for d in (self.known.of(eqn.out) or (self.known.value(eqn.out),))]
        return not any(s.args[0] in gone and s.args[0] not in rows for d in dims for s in parts(d)
                       if s.fn in ("shape", "value"))


def _rows(loop: Eqn) -> Sequence[Var]:
    return loop.outs[loop.op.n_carries:]


def _on_the_way(program: Program, loops: Collection[Eqn]) -> list[Eqn] | None:
    """What is computed of results of some of the loops for others; None if that is more than rows, row by row."""
    late = {v for eqn in (*loops, *_after(program, loops)) for v in eqn.outs}
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
            form = row_form(eqn)
            if form is None:
                return None
            by_rows = form[1]
            found.append(eqn)
        used = [(a, flag) for a, flag in zip(eqn.args, by_rows) if a in late]
        if any(a in lasts or not flag for a, flag in used):
            return None
        needed.update(a for a, _ in used)
    return found


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


# --------------------------------------------------------------------------------------------------- blocks


def in_blocks(b: SizedBuilder, loops: Sequence[Loop]) -> Blocks | None:
    """How the loops are cut; None if their rows certainly take little memory, or if no one can tell how much."""
    repeated = [copy(loop) for loop in loops]
    rows, carries = [b.constant(0, "int64")] * 2
    shapes: dict[Key, Sequence[Var]] = {}
    likes: dict[Key, Var] = {}              # arrays of the shapes of rows, which are not there yet
    steps = _computed(b, ops.Cast("int64"), loops[0].steps)
    for loop, part in zip(loops, repeated):
        part.lasts = {}
        part.trim(loop.rows)
        found: dict[Var, Sequence[Var]] = {}
        for v in dict.fromkeys([*loop.rows.values(), *part.inits]):
            sizes = [b.constant(state_type(v).words.shape[0], "int64")] if _is_state(v) else \
                sizes_inside(b, loop, v, likes)
            if sizes is None:
                return None
            found[v] = sizes
        state = {after: carry for carry, after in loop.after.items()}       # before and after each step: one array
        rows = _bytes(b, rows, {state.get(v, v): found[v] for v in loop.rows.values()})
        carries = _bytes(b, carries, {v: found[v] for v in part.inits})
        for key, v in loop.rows.items():
            shapes[key] = [steps, *found[v]]
            likes[key] = b.apply(ops.Broadcast(), b.constant(0, "int64"), *shapes[key])

    def of(op: str | ops.OpKind, *args: Var) -> Var:
        return _computed(b, ops.Map(op) if isinstance(op, str) else op, *args)

    def number(value: int) -> Var:
        return b.constant(value, "int64")

    few = of("le", of("mul", steps, rows), number(config.checkpoint_bytes))
    ratio = of("true_divide", carries, of("maximum", rows, number(1)))
    root = of(ops.Cast("int64"), of("ceil", of("sqrt", of("mul", of(ops.Cast("float64"), steps), ratio))))
    length = of("maximum", of("minimum", root, steps), number(1))
    size = of("maximum", of("switch", few, number(0), length), number(0))
    if size.data is not None and not size.data:
        return None
    count = of("maximum", of("floor_divide", steps, size), number(0))
    return Blocks(b, loops, repeated, shapes, size, count)


def _bytes(b: SizedBuilder, total: Var, shapes: Mapping[Var, Sequence[Var]]) -> Var:
    """`total` and the bytes of one row of each of the values of these shapes."""
    for v, sizes in shapes.items():
        product = b.constant(dtypes.ITEMSIZE[(state_type(v).words if _is_state(v) else tensor(v)).dtype], "int64")
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


class Blocks:
    """Loops in `count` blocks of `size` steps, which run first, and the rest of their steps.

    shapes: of the results in rows, by their keys.
    """

    def __init__(self, b: SizedBuilder, loops: Sequence[Loop], repeated: Sequence[Loop],
                 shapes: Mapping[Key, Sequence[Var]], size: Var, count: Var) -> None:
        """`repeated`: the loops with their rows as the only results."""
        for loop in loops:
            loop.op = replace(loop.op, recompute=True)
        self.b = b
        self.loops = loops
        self.repeated = repeated
        self.shapes = shapes
        self.reverse = loops[0].op.reverse
        steps = next(iter(shapes.values()))[0]
        self.size = size
        self.count = count
        self.whole = _computed(b, ops.Map("mul"), size, count)
        self.start = _computed(b, ops.Map("sub"), steps, self.whole) if self.reverse else self.whole
        like = b.apply(ops.Broadcast(), b.constant(0, "int64"), steps)      # its parts are as long as all others
        self.rest = b.size(self.parts(like)[1], 0)
        self.heads: dict[Var, Var] = {}     # row of a sequence -> the sequence in blocks
        self.tails: dict[Var, Var] = {}     # and the rest of it
        self.kept: dict[Var, Var] = {}      # carry -> its values before each block
        self.rows: dict[Key, Var] = {}      # result -> the rows of the rest
        if loops[0].steps.data is None:
            table = loops[0].inits
            first = next(iter(table))
            table[first] = b.apply(ops.Assert(NEGATIVE_STEPS.format(literal(str(loops[0].op))), "shape", 1),
                                   table[first], b.map("le", b.constant(0, "int64"), steps), steps)

    def parts(self, x: Var) -> tuple[Var, Var]:
        """The rows of x in the blocks, one after the other, and in the rest."""
        bound = self.start if self.start.data is None else int(self.start.data)
        first, last = build.cut(self.b, x, stop=bound), build.cut(self.b, x, start=bound)
        return (last, first) if self.reverse else (first, last)

    def cut(self, loops: Sequence[Loop]) -> None:
        """Cut the sequences of the loops that are no results of others."""
        results = {*self.rows, *[key for loop in loops for key in loop.rows]}
        for loop in loops:
            for v, x in loop.seqs.items():
                if x not in results:
                    self.heads[v], self.tails[v] = self.cut_sequence(loop, v, x)

    def cut_sequence(self, loop: Loop, v: Var, x: Var) -> tuple[Var, Var]:
        """The sequence x, of which v is a row inside, as blocks of rows and the rest."""
        head, rest = self.parts(rows_of(self.b, loop, x, v))
        made = self.b.producer.get(x)
        if made is not None and type(made.op) is ops.Iota and not self.reverse:     # takes no memory so
            first, inside = [self.b.apply(ops.Iota(), n) for n in (self.count, self.size)]
            first = build.insert_axes(self.b, self.b.map("mul", self.size, first), (1,), 2)
            return self.b.map("add", first, inside), rest
        sizes = [self.b.size(x, k) for k in range(1, tensor(x).ndim)]
        return self.b.apply(ops.Reshape(1 + tensor(x).ndim), head, self.count, self.size, *sizes), rest

    def joined(self, blocks: Var, rest: Var) -> Var:
        """Rows in blocks and those of the rest as rows of all steps."""
        sizes = [self.b.size(blocks, k) for k in range(2, tensor(blocks).ndim)]
        head = self.b.apply(ops.Reshape(tensor(blocks).ndim - 1), blocks, self.whole, *sizes)
        return self.b.apply(ops.Concat(0), *((rest, head) if self.reverse else (head, rest)))

    def in_block(self, outer: Loop, loop: Loop, rows: Mapping[Key, Var]) -> dict[Var, Var]:
        """The sequences of `loop` inside the loop over blocks; `rows`: those of results."""
        return {v: rows[x] if x in rows else outer.sequence(self.heads[v]) for v, x in loop.seqs.items()}

    def over_rest(self, loop: Loop, rows: Mapping[Key, Var], inits: dict[Var, Var]) -> dict[Key, Var]:
        """`loop` over the rest: its rows, and the carries after it; `rows`: those of other results."""
        part = copy(loop)
        part.steps, part.inits = self.rest, inits
        part.seqs = {v: rows[x] if x in rows else self.tails[v] for v, x in loop.seqs.items()}
        part.lasts = {c: c for c in inits}
        return part.emit(self.b)

    def over_block(self, outer: Loop, loop: Loop, seqs: dict[Var, Var], inits: dict[Var, Var]) -> dict[Key, Var]:
        """`loop` over a block, inside the loop over blocks `outer`: its rows, and the carries after it."""
        part = copy(loop)
        part.steps, part.seqs, part.inits = outer.other(self.size), seqs, inits
        part.others = {v: outer.other(x) for v, x in loop.others.items()}
        part.lasts = {c: c for c in inits}
        return part.emit(outer.inner)

    def forward(self) -> dict[Key, Var]:
        """The loops over the blocks and those over the rest; the results that are no rows."""
        self.cut(self.loops)
        outer = self.loops[0].around(self.count)
        read = {x for loop in self.loops for x in loop.seqs.values()}
        rows: dict[Key, Var] = {}
        for loop, repeated in zip(self.loops, self.repeated):
            carries = {c: outer.carry(c, x) for c, x in loop.inits.items()}
            bare = copy(loop)
            bare.rows = {key: v for key, v in loop.rows.items() if key in read}
            made = self.over_block(outer, bare, self.in_block(outer, loop, rows), carries)
            rows.update({key: made[key] for key in bare.rows})
            outer.after.update({carry: made[c] for c, carry in carries.items()})
            outer.lasts.update(carries)
            for c in repeated.inits:
                outer.rows["kept", c] = outer.inner.apply(ops.Words(), carries[c]) if _is_state(c) else carries[c]
        results = outer.emit(self.b)
        lasts: dict[Key, Var] = {}
        for loop, repeated in zip(self.loops, self.repeated):
            self.kept.update({c: results["kept", c] for c in repeated.inits})
            made = self.over_rest(loop, self.rows, {c: results[c] for c in loop.inits})
            self.rows.update({key: made[key] for key in loop.rows})
            lasts.update({key: made[c] for key, c in loop.lasts.items()})
        return lasts

    def backward(self, loops: Sequence[Loop]) -> dict[Key, Var]:
        """`loops` back over the rest and over the blocks; their sequences are values, or results of other loops."""
        self.cut(loops)
        ends: dict[Key, Var] = {}
        for loop in loops:
            ends.update(self.over_rest(loop, {**self.rows, **ends}, loop.inits))
        outer = loops[0].around(self.count)
        read = {x for loop in (*self.loops, *loops) for x in loop.seqs.values()}
        rows: dict[Key, Var] = {}
        for repeated in self.repeated:
            part = copy(repeated)
            part.rows = {key: v for key, v in repeated.rows.items() if key in read}
            kept = {c: outer.sequence(self.kept[c]) for c in repeated.inits}
            begin = {c: outer.inner.apply(ops.Words(state_type(c).bits), row) if _is_state(c) else row
                     for c, row in kept.items()}
            rows.update(self.over_block(outer, part, self.in_block(outer, repeated, rows), begin))
        for loop in loops:
            carries = {c: outer.carry(c, ends[c]) for c in loop.inits}
            made = self.over_block(outer, loop, self.in_block(outer, loop, rows), carries)
            rows.update(made)
            outer.after.update({carry: made[c] for c, carry in carries.items()})
            outer.lasts.update({key: carries[c] for key, c in loop.lasts.items()})
            outer.rows.update({key: made[key] for key in loop.rows})
        results = outer.emit(self.b)
        return {key: self.joined(results[key], ends[key]) if key in loop.rows else results[key]
                for loop in loops for key in (*loop.lasts, *loop.rows)}
