"""Program -> Kernel: a schedule is made, step by step, and its items become sections.

    equation                               becomes
    Map, Cast                              a Let in the body of its nest, or part of its user's expression (recomputed)
    folds, products with a vector          a Fold, an Assign, or an Accumulate into a row
    ArgReduce, Cumulate                    a serial innermost loop with carried locals
    routines, products of two matrices     a call of a C function
    joins, changed parts                   Stores into parts of one buffer
    views                                  nothing: terms of an Index (or one copy)
    Constant, ShapeOf, Iota                a Lit or constant buffer, a Size, a loop variable
    Assert                                 a Check
    Scan, Cond                             a For around the statements of its body, an If

In: a Program.  Out: a Kernel.  The schedule is made by `loops.place`, `store`, `memory` and `collapse`; statements are
written by `lower_nest`, `lower_calls` and `lower_scan`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradc.errors import Unsupported
from gradc.ir.complex_parts import in_parts
from gradc.ir.pretty import names_of, pretty
from gradc.ir.program import Program, bodies, tensor
from gradc.ir.scalars import get_row
from gradc.ir.types import TensorType
from gradc.loops import look
from gradc.loops.collapse import collapse
from gradc.loops.fused import fused
from gradc.loops.gather import with_positions
from gradc.loops.lower_calls import title, write_call
from gradc.loops.lower_scan import ItemWriter
from gradc.loops.memory import allocate, nbytes
from gradc.loops.names import Namer
from gradc.loops.nodes import BlockCut, Buffer, Combine, Kernel, Section, SizeExpr, Tile
from gradc.loops.place import place
from gradc.loops.schedule import (
    LOOP_NAMES,
    Block,
    CallItem,
    CondItem,
    Nest,
    Node,
    ScanItem,
    Schedule,
    SizeItem,
    folds_into_memory,
    op_label,
    statements,
)
from gradc.loops.schedule_check import check as check_schedule
from gradc.loops.scopes import Scope
from gradc.loops.sizes import START, KernelSizes, Point
from gradc.loops.states import as_words
from gradc.loops.store import store
from gradc.loops.uses import Uses
from gradc.record import replace
from gradc.target import TARGET


def unsupported(program: Program) -> str | None:
    """Why `program` has no C form, or None."""
    for var in program.inputs:
        if not isinstance(var.type, TensorType):
            return f"an input of type {var.type} has no C form"
    for eqn in program.eqns:
        for body in bodies(eqn.op):
            reason = unsupported(body)
            if reason:
                return reason
        for var in eqn.outs:
            if not isinstance(var.type, TensorType):
                return f"a value of type {var.type} has no C form"
    return None


def lower(program: Program, name: str, checked: bool = False) -> Kernel:
    """The Kernel of a Program; Unsupported with the reason if there is none.  checked: the schedule after each step."""
    return _Lowering(program, name, checked).kernel()


def schedule_of(program: Program, checked: bool = False) -> Schedule:
    """The schedule that `lower` makes a Kernel of."""
    return _Lowering(program, "", checked).schedule


def _scheduled(program: Program, sizes: KernelSizes, checked: bool) -> Schedule:
    check = check_schedule if checked else lambda schedule, step: None
    made = place(program, sizes)
    check(made, "place")
    uses = Uses(made.body)
    made = store(made, uses, sizes)
    check(made, "store")
    made = allocate(made, uses, sizes)
    check(made, "memory")
    made = collapse(made, sizes)
    check(made, "collapse")
    return made


class _Lowering:
    """A Kernel in the making, section by section; `writer` has the section at work."""

    def __init__(self, program: Program, name: str, checked: bool) -> None:
        program = with_positions(fused(as_words(in_parts(program))))
        reason = unsupported(program)
        if reason:
            raise Unsupported(reason)
        self.program = program
        self.name = name
        shared = {"lo", "hi", *LOOP_NAMES}          # names of sizes and buffers
        local: set[str] = set()                     # names that sections use inside
        namer = Namer(shared, set(), local)
        labels = {v: namer(v.name or f"x{k}") for k, v in enumerate(program.inputs)}
        inputs = [Buffer(labels[v], tensor(v).dtype, (), "input", k) for k, v in enumerate(program.inputs)]
        self.sizes = KernelSizes(program, inputs, labels, Namer(shared, set(), local))
        self.inputs = [Buffer(b.name, b.dtype, self.sizes.dims[v], "input", b.position)
                       for v, b in zip(program.inputs, inputs)]
        self.schedule = _scheduled(program, self.sizes, checked)
        self.writer = ItemWriter(self.schedule, self.sizes, dict(zip(program.inputs, self.inputs)), namer,
                                 (local, shared))
        self.memory = self.writer.memory
        self.sections: list[Section] = []
        self.measured: dict[int, Point] = {}        # sections that measure

    def kernel(self) -> Kernel:
        for item in self.schedule.body.items:
            self.writer.begin()
            match item:
                case Nest():
                    self._nest_section(item)
                case Block():
                    self._section(self._title(item.children) or "check", item)
                case CallItem(work=0):
                    self._section(title(self.writer, item), item)
                case CallItem():
                    self._batch_section(item)
                case ScanItem() | CondItem():
                    self._section(item.name, item)
                case SizeItem():
                    self._size_section(item)
        stored = {k: self.memory.buffers[v] for v, k in self.schedule.outputs.items()}
        outputs = [Buffer(stored[k].name, stored[k].dtype, self.sizes.of(v), "output", k)
                   for k, v in enumerate(self.program.outputs)]
        arena = self.memory.arena.close()
        made = self._made(outputs) if self.sizes.late else ()
        used = {arena, *look.sizes(self.sections)}
        used.update(d for dims in (*made, *[b.shape for b in outputs]) for d in dims)
        used.update(size for size, _ in self.memory.taken.values())
        for number, point in reversed(self.measured.items()):
            section = self.sections[number]
            self.sections[number] = replace(section, body=(*section.body, *self.writer.known_at(point, used)))
        return Kernel(self.name, tuple(self.inputs), tuple(outputs), tuple(self.memory.constants),
                      tuple(self.sizes.known_at(START, used)), arena, tuple(self.sections),
                      tuple(self.sizes.checks), self._text(), tuple(self.writer.routines), made,
                      tuple(self.writer.calls))

    def _made(self, outputs: Sequence[Buffer]) -> tuple[tuple[SizeExpr, ...], ...]:
        """The sizes that outputs are made with; the memory of those that are late is taken when they are known."""
        roots = {k: v for v, k in self.schedule.outputs.items()}
        result = []
        for k, b in enumerate(outputs):
            dims = self.sizes.of(roots[k])
            if self.sizes.product(dims) == self.sizes.product(b.shape):
                dims = b.shape              # else the first rows are the output
            if self.sizes.any_late(dims):
                size = nbytes(self.sizes, dims, b.dtype)
                self.memory.taken[Buffer(b.name, b.dtype, dims, "output", k)] = size, START
            result.append(dims)
        return tuple(result)

    def _text(self) -> str:
        if len(self.program.eqns) <= 60:
            return pretty(self.program)
        names = names_of(self.program)
        outputs = ", ".join(names[v] for v in self.program.outputs[:20])
        return f"program of {len(self.program.eqns)} equations; outputs {outputs}" \
            + (", ..." if len(self.program.outputs) > 20 else "")

    # -- sections

    def _section(self, name: str, item: Any) -> None:
        """A section of its own for an item that is not cut into blocks."""
        writer, scope = self.writer, Scope(0, None)
        writer.item(item, scope)
        if not scope.statements:            # nothing is left of it
            return
        small = {b: None for b in {**writer.reads, **writer.writes} if b.place == "stack"}
        reads, writes = (tuple([b for b in used if b.place != "stack" and not writer.is_own(b)])
                         for used in (writer.reads, writer.writes))
        body = tuple(scope.statements)
        unread = small.keys() - look.loaded(body) if small else set()      # what is stored there is at hand in locals
        if unread:
            body = look.without_stores(body, unread)
        self.sections.append(Section(name, body, reads, writes, in_entry=type(item) is CallItem,
                                     arrays=tuple([b for b in small if b not in unread]),
                                     wide=look.is_straight(body)))

    def _batch_section(self, item: CallItem) -> None:
        """A call for each index of a batch, which may run on several threads."""
        scope, writer = Scope(0, None), self.writer
        write_call(writer, item, scope, True)
        work = self.sizes.product((*item.batch[1:], item.work), "work")
        self.sections.append(Section(title(writer, item), tuple(scope.statements), tuple(writer.reads),
                                     tuple(writer.writes), BlockCut(item.batch[0], work, 1, 0, TARGET.addition)))

    def _size_section(self, item: SizeItem) -> None:
        """What follows from the size is put behind when all is written."""
        scope = Scope(0, None)
        self.writer.item(item, scope)
        self.measured[len(self.sections)] = self.sizes.points[item.size]
        self.sections.append(Section(f"size {item.size}", tuple(scope.statements), tuple(self.writer.reads),
                                     measures=True))

    def _nest_section(self, top: Nest) -> None:
        nodes = list(statements(top))
        folds = [n for n in nodes if 0 in n.reduced]
        blocked = not top.is_serial and not any(n.is_scatter for n in nodes) and not _is_small(nodes)
        memory = self.schedule.memory
        rows = any(map(folds_into_memory, folds)) or any(n.out in memory and memory[n.out].place == "row"
                                                         for n in nodes)
        limit = TARGET.blocks_of_rows if rows else TARGET.blocks_of_scalars if folds else 0
        combine = self._parts(folds, limit) if blocked else ()
        scope = Scope(0, None)
        self.writer.nest(top, scope, blocked)
        blocks = None
        if blocked:
            nested = any(type(c) is Nest for c in top.children)
            multiple = TARGET.tile if any(type(s) is Tile for s in scope.statements) else 1 if nested else 64
            blocks = BlockCut(top.size, self._work(top), multiple, limit, _cost(nodes))
        self.sections.append(Section(self._title(nodes), tuple(scope.statements), tuple(self.writer.reads),
                                     tuple(self.writer.writes), blocks, combine,
                                     wide=look.is_straight(scope.statements)))

    def _parts(self, folds: Sequence[Node], limit: int) -> tuple[Combine, ...]:
        """A row of partial results per block for all folds with the same row and dtype: scalars first."""
        groups: dict[tuple[str, str], list[Node]] = {}
        for n in sorted(folds, key=folds_into_memory):
            groups.setdefault((n.fold, tensor(n.out).dtype), []).append(n)
        result = []
        for (fn, dtype), group in groups.items():
            width: SizeExpr = 0
            targets = []
            for n in group:
                target = self.memory.buffers[self.writer.layout.base(n.out)]
                count = self.sizes.product(target.shape)
                targets.append((target, width, count))
                width = self.sizes.add(width, count, "width")
            parts = self.memory.scratch(f"{get_row(fn).name}_parts", dtype, width, limit)
            for n, (_, position, _) in zip(group, targets):
                self.writer.parts[n.out] = parts, position
            result.append(Combine(parts, fn, width, tuple(targets)))
        return tuple(result)

    def _work(self, top: Nest) -> SizeExpr:
        """Elements per iteration of the outer loop: the size of its first inner nest."""
        size: SizeExpr = 1
        nest: Nest | None = top
        while nest is not None:
            nest = next((c for c in nest.children if type(c) is Nest), None)
            if nest is not None:
                size = self.sizes.mul(size, nest.size, "work")
        return size

    def _title(self, nodes: Sequence[object]) -> str:
        words = ", ".join(dict.fromkeys(n.out.name or op_label(n.op) for n in nodes if isinstance(n, Node)))
        return words if len(words) <= 70 else f"{words[:words.rfind(',', 0, 66)]}, ..."


def _is_small(nodes: Sequence[Node]) -> bool:
    """Are all sizes known, and few elements?"""
    total = 0
    for n in nodes:
        size = 1
        for d in n.domain:
            if not isinstance(d, int):
                return False
            size *= d
        total += size
    return total <= TARGET.whole


def _cost(nodes: Sequence[Node]) -> float:
    """Nanoseconds per innermost point."""
    depth = max(len(n.domain) for n in nodes)
    return round(TARGET.addition * sum(n.weight() for n in nodes if len(n.domain) == depth) + 0.05, 2)
