"""Loops in blocks, for `scan_checkpoints`: `in_blocks` decides how they are cut, `Blocks` does it.

The number of blocks and that of the steps in one are sizes, found when the function is called: both are 0, and all
steps are the rest, if the rows of all steps take no more than `config.checkpoint_bytes`.  Else a block is so long that
the carries that are kept take about as much memory as its rows, of the order of the square root of the number of steps.
Sequences are not copied: as many whole blocks as there are come first, and the rest runs by loops of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import Any

from gradc.config import config
from gradc.errors import NEGATIVE_STEPS, literal
from gradc.ir import dtypes, interp, ops
from gradc.ir.program import Builder, Program, Var, tensor
from gradc.ir.types import WORDS, RngType
from gradc.passes.loop import Loop, SizedBuilder, rows_of
from gradc.passes.scan_results import row_sizes
from gradc.passes.scan_values import trim
from gradc.record import replace

Optimise = Callable[[Program], Program]


def in_blocks(b: SizedBuilder, loops: Sequence[Loop], optimise: Optimise) -> Blocks | None:
    """How the loops are cut; None if their rows certainly take little memory, or if no one can tell how much."""
    again = [copy(loop) for loop in loops]
    rows, carries = [b.constant(0, "int64")] * 2
    shapes: dict[Any, Sequence[Var]] = {}
    likes: dict[Any, Var] = {}              # arrays of the shapes of rows, which are not there yet
    steps = _computed(b, ops.Cast("int64"), loops[0].steps)
    for loop, part in zip(loops, again):
        sized = copy(loop)
        sized.seqs = {v: likes.get(x, x) for v, x in loop.seqs.items()}
        part.lasts = {}
        trim(part, loop.rows)
        found: dict[Var, Sequence[Var]] = {}
        for v in dict.fromkeys([*loop.rows.values(), *part.inits]):
            sizes = [b.constant(WORDS.shape[0], "int64")] if _is_state(v) else row_sizes(b, sized, v, optimise)
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
    return Blocks(b, loops, again, shapes, size, count)


def _bytes(b: SizedBuilder, total: Var, shapes: Mapping[Var, Sequence[Var]]) -> Var:
    """`total` and the bytes of one row of each of the values of these shapes."""
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


class Blocks:
    """Loops in `count` blocks of `size` steps, which run first, and the rest of their steps.

    shapes: of the results in rows, by their keys.
    """

    def __init__(self, b: SizedBuilder, loops: Sequence[Loop], again: Sequence[Loop],
                 shapes: Mapping[Any, Sequence[Var]], size: Var, count: Var) -> None:
        """`again`: the loops with their rows as the only results."""
        for loop in loops:
            loop.op = replace(loop.op, recompute=True)
        self.b = b
        self.loops = loops
        self.again = again
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
        self.rows: dict[Any, Var] = {}      # result -> the rows of the rest
        if loops[0].steps.data is None:
            table = loops[0].inits
            first = next(iter(table))
            table[first] = b.apply(ops.Assert(NEGATIVE_STEPS.format(literal(str(loops[0].op))), "shape", 1),
                                   table[first], b.map("le", b.constant(0, "int64"), steps), steps)

    def parts(self, x: Var) -> tuple[Var, Var]:
        """The rows of x in the blocks, one after the other, and in the rest."""
        known = self.start.data
        bound, args = (ops.DYNAMIC, [self.start]) if known is None else (int(known), [])
        first, last = [self.b.apply(ops.Slice((item,)), x, *args)
                       for item in (ops.Item(stop=bound), ops.Item(start=bound))]
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
            first = self.b.apply(ops.Transpose((0, -1)), self.b.map("mul", self.size, first))
            return self.b.map("add", first, inside), rest
        sizes = [self.b.size(x, k) for k in range(1, tensor(x).ndim)]
        return self.b.apply(ops.Reshape(1 + tensor(x).ndim), head, self.count, self.size, *sizes), rest

    def joined(self, blocks: Var, rest: Var) -> Var:
        """Rows in blocks and those of the rest as rows of all steps."""
        sizes = [self.b.size(blocks, k) for k in range(2, tensor(blocks).ndim)]
        head = self.b.apply(ops.Reshape(tensor(blocks).ndim - 1), blocks, self.whole, *sizes)
        return self.b.apply(ops.Concat(0), *((rest, head) if self.reverse else (head, rest)))

    def in_block(self, outer: Loop, loop: Loop, rows: Mapping[Any, Var]) -> dict[Var, Var]:
        """The sequences of `loop` inside the loop over blocks; `rows`: those of results."""
        return {v: rows[x] if x in rows else outer.sequence(self.heads[v]) for v, x in loop.seqs.items()}

    def over_rest(self, loop: Loop, rows: Mapping[Any, Var], inits: dict[Var, Var]) -> dict[Any, Var]:
        """`loop` over the rest: its rows, and the carries after it; `rows`: those of other results."""
        part = copy(loop)
        part.steps, part.inits = self.rest, inits
        part.seqs = {v: rows[x] if x in rows else self.tails[v] for v, x in loop.seqs.items()}
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
        """The loops over the blocks and those over the rest; the results that are no rows."""
        self.cut(self.loops)
        outer = self.loops[0].around(self.count)
        read = {x for loop in self.loops for x in loop.seqs.values()}
        rows: dict[Any, Var] = {}
        for loop, again in zip(self.loops, self.again):
            carries = {c: outer.carry(c, x) for c, x in loop.inits.items()}
            bare = copy(loop)
            bare.rows = {key: v for key, v in loop.rows.items() if key in read}
            made = self.over_block(outer, bare, self.in_block(outer, loop, rows), carries)
            rows.update({key: made[key] for key in bare.rows})
            outer.after.update({carry: made[c] for c, carry in carries.items()})
            outer.lasts.update(carries)
            for c in again.inits:
                outer.rows["kept", c] = outer.inner.apply(ops.Words(False), carries[c]) if _is_state(c) else carries[c]
        results = outer.emit(self.b)
        lasts: dict[Any, Var] = {}
        for loop, again in zip(self.loops, self.again):
            self.kept.update({c: results["kept", c] for c in again.inits})
            made = self.over_rest(loop, self.rows, {c: results[c] for c in loop.inits})
            self.rows.update({key: made[key] for key in loop.rows})
            lasts.update({key: made[c] for key, c in loop.lasts.items()})
        return lasts

    def backward(self, loops: Sequence[Loop]) -> dict[Any, Var]:
        """`loops` back over the rest and over the blocks; their sequences are values, or results of other loops."""
        self.cut(loops)
        ends: dict[Any, Var] = {}
        for loop in loops:
            ends.update(self.over_rest(loop, {**self.rows, **ends}, loop.inits))
        outer = loops[0].around(self.count)
        read = {x for loop in (*self.loops, *loops) for x in loop.seqs.values()}
        rows: dict[Any, Var] = {}
        for again in self.again:
            part = copy(again)
            part.rows = {key: v for key, v in again.rows.items() if key in read}
            kept = {c: outer.sequence(self.kept[c]) for c in again.inits}
            begin = {c: outer.inner.apply(ops.Words(True), row) if _is_state(c) else row for c, row in kept.items()}
            rows.update(self.over_block(outer, part, self.in_block(outer, again, rows), begin))
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
