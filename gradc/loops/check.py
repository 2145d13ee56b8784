"""Legality of a Kernel.  Raises KernelCheckError, with the Kernel's text, for the first thing that is wrong.

What is checked:
- sizes: defined once, before use, in scope; `lo` and `hi` only in a section that is cut into blocks;
- memory that is taken: once, before use, in scope; loop variables: of one nest all different;
- locals: defined once in their section, before use, in scope, with the dtype they are used with; Assign only to
  mutable ones; an Update names a Fold of an enclosing For, whose value is at hand only after that For;
- tiles: not one in another; a shared array is written in one phase and read in later ones, at the row's own place;
  EachRow only where a phase takes rows together, which is one loop and what is done with its folds;
- buffers: a section's lists are what it uses; inputs and constants are not written; its own arrays have known sizes;
- dtypes: of a row's arguments, of stores, conditions and check values;
- checks: their numbers are in range; none in a section cut into blocks, but for what calls of routines report;
- indices: inside the buffer, where all sizes are numbers.
Not here: whether values are right (tests compare with the interpreter).
"""

from __future__ import annotations

from typing import NoReturn

from gradc.errors import GradcError, KernelCheckError
from gradc.ir import dtypes
from gradc.ir.routines import GENERIC, MOST_SHOWN, ROUTINES, stands_for
from gradc.ir.scalars import get_row
from gradc.ir.snippet import ArraySnippet
from gradc.loops.nodes import (
    Accumulate,
    Assign,
    Break,
    Buffer,
    Check,
    Define,
    EachRow,
    Expr,
    Fn,
    Fold,
    For,
    If,
    Index,
    Invoke,
    Kernel,
    Let,
    Lit,
    Load,
    Local,
    Section,
    Size,
    SizeExpr,
    Slots,
    Store,
    Take,
    Tile,
    TilePhase,
    Update,
)
from gradc.loops.pretty import pretty, text

# functions on sizes (csrc/include/gradc_sizes.h) and how many arguments they take
SIZE_FUNCTIONS = {"position": 2, "slice_start": 2, "slice_first": 5, "slice_count": 5}
READ_ONLY = ("input", "constant")
PLACES = ("input", "output", "constant", "arena", "block", "room")       # of the buffers that a section is given

Range = tuple[int, int] | None          # first and last value of a loop variable; None if a bound is no number


def check(kernel: Kernel) -> None:
    """Check `kernel`."""
    _Checker(kernel).run()


class _Checker:
    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.sizes: set[str] = set()
        self.early: set[str] = set()                # those of the prologue
        self.rooms: set[int] = set()                # that are taken
        self.asked: set[int] = set()                # outputs that entry has asked for
        self.made = kernel.made
        self.where = "prologue"

    def fail(self, what: str) -> NoReturn:
        raise KernelCheckError(f"{what} (in {self.where}); this is a bug in gradc, please report it:\n"
                               f"{pretty(self.kernel)}")

    def run(self) -> None:
        k = self.kernel
        self.frame(k.inputs, "input")
        for b in k.inputs:
            for d in b.shape:
                if isinstance(d, str):
                    if d in self.sizes:
                        self.fail(f"the size {d} is defined twice")
                    self.sizes.add(d)
        prologue = _Body(self, None)
        for s in k.prologue:
            prologue.prologue_statement(s)
        self.early = set(self.sizes)
        self.frame(k.outputs, "output")
        self.frame([b for b, _ in k.constants], "constant")
        for b, data in k.constants:
            if b.shape != data.shape or b.dtype != data.dtype.name:
                self.fail(f"the constant {b.name} is declared {b.dtype}{b.shape}, its data is "
                          f"{data.dtype.name}{data.shape}")
        for b, _ in k.constants:
            self.buffer(b)
        self.size(k.arena_bytes)
        for number, section in enumerate(k.sections, 1):
            self.where = f"section {number}, {section.title}"
            self.section(section)
        self.where = "outputs"
        for b in k.outputs:
            self.buffer(b)

    def frame(self, buffers: list[Buffer] | tuple[Buffer, ...], place: str) -> None:
        """Buffers that the frame holds stand at their positions."""
        for position, b in enumerate(buffers):
            if b.place != place or b.position != position:
                self.fail(f"{b.name} is {place} {position} of the kernel, but declared {b.place} {b.position}")

    def buffer(self, b: Buffer) -> None:
        """The declaration of a buffer that a section uses."""
        if b.place not in PLACES:
            self.fail(f"{b.name} lies in {b.place!r}, which is no place")
        if b.dtype not in dtypes.ITEMSIZE:
            self.fail(f"{b.name} has the dtype {b.dtype!r}")
        for d in (*b.shape, b.stride):
            self.size(d)
        if b.place == "room" or (b.place == "block" and b.region is None):
            if b.position not in self.rooms:
                self.fail(f"{b.name} lies in room {b.position}, which is not taken")
        elif b.place in ("arena", "block"):
            self.slot(b, b.region)
        elif b.place == "output" and self.made and not all(isinstance(d, int) or d in self.early for d in self.made[
                b.position]) and b.position not in self.asked:
            self.fail(f"{b.name} is used before its memory is taken")
        frame = {"input": self.kernel.inputs, "output": self.kernel.outputs,
                 "constant": tuple(c for c, _ in self.kernel.constants)}.get(b.place)
        if frame is not None and not (0 <= b.position < len(frame) and frame[b.position].dtype == b.dtype):
            self.fail(f"{b.name}: the kernel has no {b.place} {b.position} of dtype {b.dtype}")

    def slot(self, b: Buffer, region: Slots | None) -> None:
        """The place in the arena of a buffer."""
        if region is None or not 0 <= b.position < region.slots:
            self.fail(f"{b.name} has no slot of the arena")
        self.size(region.start)
        self.size(region.bytes)

    def size(self, size: SizeExpr, extra: tuple[str, ...] = ()) -> None:
        """A size that must be known here."""
        if isinstance(size, str) and size not in self.sizes and size not in extra:
            self.fail(f"the size {size} is not defined")

    def number(self, number: int) -> None:
        if not 1 <= number <= len(self.kernel.checks):
            self.fail(f"there is no check number {number}, the kernel has {len(self.kernel.checks)}")

    def section(self, s: Section) -> None:
        for b in (*s.reads, *s.writes):
            self.buffer(b)
        if s.measures:
            self.measures(s)
            return
        if s.blocks:
            self.size(s.blocks.extent)
            self.size(s.blocks.work)
            if s.blocks.multiple < 1:
                self.fail(f"blocks are multiples of {s.blocks.multiple} iterations")
            if s.in_entry:
                self.fail("a section in the entry function can't be cut into blocks")
        elif s.partial:
            self.fail("parts of blocks are combined, but there are no blocks")
        for b in s.arrays:
            if b.place != "stack" or b.dtype not in dtypes.ITEMSIZE or not all(isinstance(d, int) for d in b.shape):
                self.fail(f"{b.name} is no small array of a section")
        body = _Body(self, s)
        body.statements(s.body)
        own = {b: None for b in (*body.reads, *body.writes) if b.place == "stack"}
        reads, writes = ({b: None for b in used if b not in own and b not in body.own}
                         for used in (body.reads, body.writes))
        for what, used, declared in (("reads", reads, s.reads), ("writes", writes, s.writes),
                                     ("arrays", own, s.arrays)):
            if len(set(declared)) != len(declared):
                self.fail(f"the list of {what} has a buffer twice")
            for b in used:
                if b not in declared:
                    verb = "has" if what == "arrays" else what
                    self.fail(f"the section {verb} {b.name}, which is not in its list of {what}")
            for b in declared:
                if b not in used:
                    self.fail(f"{b.name} is in the list of {what}, but the section does not use it so")
        for c in s.partial:
            if c.parts not in s.writes or c.parts.place != "block":
                self.fail(f"{c.parts.name} is combined, but no block writes a row of it")
            self.size(c.width)
            for target, position, count in c.targets:
                self.buffer(target)
                self.size(position)
                self.size(count)
                if target.place in READ_ONLY:
                    self.fail(f"a combination is stored to the {target.place} {target.name}")
                if target.dtype != c.parts.dtype:
                    self.fail(f"{target.name} is {target.dtype}, the parts {c.parts.dtype}")
                if isinstance(c.width, int) and isinstance(position, int) and isinstance(count, int) \
                        and position + count > c.width:
                    self.fail(f"{target.name} ends at {position + count} of a row of {c.width}")


    def measures(self, s: Section) -> None:
        """A section of sizes and memory that those after it may use."""
        body = _Body(self, s)
        for statement in s.body:
            match statement:
                case Let():
                    body.define(statement.name, body.expr(statement.expr))
                case Define():
                    self.sizes.add(body.defined(statement))
                case Check():
                    body.check(statement)
                case Take():
                    body.take(statement)
                    (self.asked if statement.buffer.place == "output" else self.rooms).add(statement.buffer.position)
                case _:
                    self.fail(f"a section that measures has a {type(statement).__name__}")


class _Body:
    """The statements of one section (or of the prologue)."""

    def __init__(self, of: _Checker, section: Section | None) -> None:
        self.of = of
        self.blocks = section.blocks if section else None
        self.size_names = ("lo", "hi") if self.blocks else ()
        self.reads: dict[Buffer, None] = {}
        self.writes: dict[Buffer, None] = {}
        buffers = (*section.reads, *section.writes, *section.arrays) if section else ()
        self.named: set[str] = {b.name for b in buffers}
        self.dtype: dict[str, str] = {}             # locals in scope
        self.mutable: set[str] = set()
        self.range: dict[str, Range] = {}           # loop variables in scope
        self.folds: dict[str, Fold] = {}            # of the enclosing loops
        self.tile: Tile | None = None               # the enclosing one
        self.together = 1                           # rows that the phase around takes together
        self.filled: dict[Buffer, bool] = {}        # the tile's arrays: was it written in an earlier phase?
        self.leaves: dict[Buffer, bool] = {}        # what this phase has written of them
        self.taken: dict[Buffer, None] = {}         # rooms of its own, in scope
        self.own: dict[Buffer, None] = {}           # all of them

    def prologue_statement(self, s: object) -> None:
        match s:
            case Define():
                self.of.sizes.add(self.defined(s))
            case Check():
                self.check(s)
            case _:
                self.of.fail(f"a prologue has no {type(s).__name__}")
        for b in self.reads:
            if b.place != "input" or self.of.kernel.inputs[b.position].dtype != b.dtype:
                self.of.fail(f"the prologue reads {b.name}, which is no input")

    def defined(self, s: Define) -> str:
        """The name of a new size."""
        if self.expr(s.expr) != "int64":
            self.of.fail(f"the size {s.name} is {s.expr.dtype}, not int64")
        if s.name in self.of.sizes or s.name in self.named or s.name in ("lo", "hi"):
            self.of.fail(f"the size {s.name} is defined twice")
        return s.name

    def take(self, s: Take) -> None:
        """Memory of a room or an output, by sizes that are known."""
        self.of.number(s.number)
        for size in (s.bytes, *s.buffer.shape):
            self.size(size)
        if s.buffer.place not in ("room", "block", "output") or s.buffer.region is not None:
            self.of.fail(f"{s.buffer.name} is no room or output, but memory is taken for it")
        if s.buffer in self.taken:
            self.of.fail(f"memory of {s.buffer.name} is taken twice")
        self.taken[s.buffer] = self.own[s.buffer] = None

    def statements(self, body: tuple[object, ...]) -> None:
        """Statements in order; names made in them go out of scope at the end."""
        before, sizes, taken = set(self.dtype), set(self.of.sizes), dict(self.taken)
        for s in body:
            match s:
                case Let():
                    self.define(s.name, self.expr(s.expr))
                    if s.mutable:
                        self.mutable.add(s.name)
                case Assign():
                    self.assign(s)
                case Store() | Accumulate():
                    self.store(s)
                case Update():
                    self.update(s)
                case For():
                    self.loop(s)
                case Tile():
                    self.tiles(s)
                case EachRow():
                    if self.together == 1:
                        self.of.fail("EachRow stands in a phase that does not take rows together")
                    self.statements(s.body)
                case If():
                    self.condition(s.condition)
                    self.statements(s.body)
                    self.statements(s.orelse)
                case Break():
                    self.condition(s.condition)
                    if not self.range:
                        self.of.fail("a break stands outside all loops")
                case Check():
                    if self.blocks:
                        self.of.fail("a check stands in a section that is cut into blocks")
                    self.check(s)
                case Define():
                    self.of.sizes.add(self.defined(s))
                case Take():
                    if self.blocks or s.buffer.place != "room":
                        self.of.fail(f"a section takes the {s.buffer.place} {s.buffer.name}, or is cut into blocks")
                    self.take(s)
                case Invoke():
                    self.call(s)
                case _:
                    self.of.fail(f"{type(s).__name__} is no statement of a section")
        for name in [n for n in self.dtype if n not in before]:
            del self.dtype[name]
            self.mutable.discard(name)
        self.of.sizes, self.taken = sizes, taken

    def condition(self, e: Expr) -> None:
        if self.expr(e) != "bool":
            self.of.fail(f"a condition is {e.dtype}, not bool")

    def define(self, name: str, dtype: str) -> None:
        """A new local; its name must mean nothing else in the whole section."""
        if name in self.named or name in self.range or name in self.size_names:
            self.of.fail(f"{name} is defined twice")
        if name in self.of.sizes:
            self.of.fail(f"the local {name} hides the size of that name")
        self.named.add(name)
        self.dtype[name] = dtype

    def assign(self, s: Assign) -> None:
        dtype = self.dtype.get(s.name)
        if dtype is None:
            self.of.fail(f"{s.name} gets a value before it is defined")
        if s.name not in self.mutable:
            self.of.fail(f"{s.name} gets a new value, but is not mutable")
        if self.expr(s.expr) != dtype:
            self.of.fail(f"{s.name} is {dtype}, its new value {s.expr.dtype}")

    def store(self, s: Store | Accumulate) -> None:
        if s.buffer.place in READ_ONLY:
            self.of.fail(f"the {s.buffer.place} {s.buffer.name} is written")
        if s.buffer.place == "tile":
            self.of_tile(s.buffer, s.index)
            if self.filled[s.buffer]:
                self.of.fail(f"{s.buffer.name} is written in two phases")
            self.leaves[s.buffer] = True
        else:
            self.writes[s.buffer] = None
            self.index(s.buffer, s.index)
        if self.expr(s.expr) != s.buffer.dtype:
            self.of.fail(f"{s.buffer.name} is {s.buffer.dtype}, what is stored {s.expr.dtype}")
        if type(s) is Accumulate:
            self.row(s.row, (s.buffer.dtype,) * 2, s.buffer.dtype)

    def update(self, s: Update) -> None:
        fold = self.folds.get(s.name)
        if fold is None:
            self.of.fail(f"{s.name} is updated, but is no fold of an enclosing loop")
        if self.expr(s.expr) != fold.dtype or s.row != fold.row:
            self.of.fail(f"{s.name} is {fold.row} of {fold.dtype}, updated by {s.row} of {s.expr.dtype}")

    def loop(self, s: For) -> None:
        if s.lanes < 0 or s.lanes & (s.lanes - 1):
            self.of.fail(f"{s.lanes} lanes can't be folded in halves")
        if s.rounds < 0 or (s.rounds and not s.lanes):
            self.of.fail(f"a loop with {s.rounds} rounds of {s.lanes} lanes")
        if s.short < 0 or (s.short and (not s.lanes or s.start != 0)):
            self.of.fail(f"a loop from {s.start} with {s.lanes} lanes, none up to {s.short} elements")
        if s.order not in ("", "free", "reverse") or (s.order == "reverse" and s.lanes):
            self.of.fail(f"a loop with {s.lanes} lanes in {s.order} order")
        self.open(s)
        self.statements(s.body)
        self.close(s)

    def tiles(self, s: Tile) -> None:
        if self.tile is not None:
            self.of.fail("a tile stands in a tile")
        self.open(s)
        self.tile = s
        for b in s.shared:
            if b.place != "tile" or b.shape != (s.rows,) or b.dtype not in dtypes.ITEMSIZE or b.name in self.named:
                self.of.fail(f"{b.name} is no array of a tile of {s.rows} rows")
            self.named.add(b.name)
            self.filled[b] = False
        for p in s.phases:
            self.phase(p)
        self.close(s)
        self.tile = None
        self.filled.clear()

    def phase(self, s: TilePhase) -> None:
        """Its names are its own: another phase may use them again."""
        assert self.tile is not None
        if s.together < 1 or self.tile.rows % s.together:
            self.of.fail(f"{s.together} rows together don't divide a tile of {self.tile.rows}")
        if s.together > 1 and not (type(s.body[0]) is For and all(type(t) is EachRow for t in s.body[1:])):
            self.of.fail("a phase that takes rows together has more than a loop and EachRow")
        for a in s.ahead:
            self.index(a.buffer, a.index)
            self.size(a.count)
            if s.together == 1 or a.distance < self.tile.rows:
                self.of.fail(f"{a.buffer.name} is fetched {a.distance} rows ahead of {s.together} rows together")
        named, self.together, self.leaves = set(self.named), s.together, {}
        self.statements(s.body)
        self.named, self.together = named, 1
        self.filled.update(self.leaves)

    def of_tile(self, b: Buffer, index: Index) -> None:
        """An array of the tile is used at the row's own place."""
        if b not in self.filled or self.tile is None:
            self.of.fail(f"{b.name} is no array of this tile")
        if index != Index(((1, self.tile.var),)):
            self.of.fail(f"{text(Load(b, index))} is not the row's own place")

    def open(self, s: For | Tile) -> None:
        """The start of a loop."""
        if s.var in self.range or s.var in self.named or s.var in self.of.sizes:
            self.of.fail(f"the loop variable {s.var} is in use already")
        for bound in (s.start, s.stop):
            if isinstance(bound, Local):
                if self.expr(bound) != "int64":
                    self.of.fail(f"a bound of {s.var} is {bound.dtype}, not int64")
            else:
                self.size(bound)
        for f in s.folds:
            if f.name in self.named or f.name in self.folds:
                self.of.fail(f"{f.name} is defined twice")
            self.row(f.row, (f.dtype,) * 2, f.dtype)
            self.folds[f.name] = f
        self.range[s.var] = self._range(s)

    def close(self, s: For | Tile) -> None:
        """The end of a loop: its folds are at hand."""
        del self.range[s.var]
        for f in s.folds:
            del self.folds[f.name]
            self.define(f.name, f.dtype)

    def _range(self, s: For | Tile) -> Range:
        bounds = [0 if b == "lo" else self.blocks.extent if b == "hi" and self.blocks else b for b in (s.start, s.stop)]
        if isinstance(bounds[0], int) and isinstance(bounds[1], int):
            return bounds[0], bounds[1] - 1
        return None

    def check(self, s: Check) -> None:
        self.of.number(s.number)
        if self.expr(s.condition) != "bool":
            self.of.fail(f"check {s.number} asks for {s.condition.dtype}, not bool")
        if len(s.values) > MOST_SHOWN:
            self.of.fail(f"check {s.number} has {len(s.values)} values; the frame has room for {MOST_SHOWN}")
        for v in s.values:
            if self.expr(v) not in ("int64", "float64"):
                self.of.fail(f"a value of check {s.number} is {v.dtype}, not int64 or float64")

    def call(self, s: Invoke) -> None:
        """What is read and written are arrays of the dtypes that the routine takes; so many numbers and faults."""
        if self.blocks and not isinstance(s.routine, str):
            self.of.fail("a call of a user's function stands in a section that is cut into blocks")
        found = [*map(self.argument, s.args), *[load.dtype for load in s.outs]]
        if isinstance(s.routine, int):
            if not 0 <= s.routine < len(self.of.kernel.calls):
                self.of.fail(f"there is no call {s.routine}, the kernel has {len(self.of.kernel.calls)}")
        elif isinstance(s.routine, ArraySnippet):
            want = [p[1] for p in (*s.routine.inputs, *s.routine.outputs)]
            if found != want or len(s.numbers) != len(s.routine.sizes):
                self.of.fail(f"{s.routine.name} takes and makes arrays of {', '.join(want)}, and "
                             f"{len(s.routine.sizes)} sizes, not {', '.join(found)} and {len(s.numbers)}")
        else:
            self.row_of_call(s, s.routine, found)
        for size in s.numbers:
            self.size(size)
        for e in s.place:
            if self.expr(e) != "int64":
                self.of.fail(f"a value for the message of {s.routine} is {e.dtype}, not int64")
        for load in s.outs:
            if load.buffer.place in READ_ONLY:
                self.of.fail(f"the {load.buffer.place} {load.buffer.name} is written")
            self.writes[load.buffer] = None
            if 0 not in load.buffer.shape or load.index.terms:
                self.index(load.buffer, load.index)
        for _, number in s.failures:
            self.of.number(number)

    def argument(self, e: Expr) -> str:
        """A number, or an array by its first element, which one without elements need not have."""
        if type(e) is Load and 0 in e.buffer.shape and not e.index.terms:
            self.reads[e.buffer] = None
            return e.dtype
        return self.expr(e)

    def row_of_call(self, s: Invoke, name: str, found: list[str]) -> None:
        """A call of a routine of `ir.routines`."""
        row = ROUTINES.get(name)
        if row is None:
            self.of.fail(f"{name} is no routine")
        given = row.takes[:len(row.layouts)]
        dtype = next((d for d, want in zip(found, given) if want in GENERIC), "")
        want = ["uint64" if d == "state" else stands_for(d, dtype) for d in (*given, *row.gives)]
        if found != want or (dtype and dtype not in GENERIC[row.generic]):
            self.of.fail(f"{name} takes and makes arrays of {', '.join(given)}, {', '.join(row.gives)}, not "
                         f"{', '.join(found)}")
        if len(s.numbers) != row.count:
            self.of.fail(f"{name} takes {row.count} numbers, not {len(s.numbers)}")
        if [code for code, _ in s.failures] != [*range(1, len(row.faults) + 1)] or \
                row.shown + len(s.place) > MOST_SHOWN:
            self.of.fail(f"{len(s.failures)} checks and {len(s.place)} values for {len(row.faults)} faults of {name}")

    # -- expressions

    def expr(self, e: object) -> str:
        """The dtype of an expression that is legal here."""
        match e:
            case Lit():
                if e.dtype not in dtypes.ITEMSIZE:
                    self.of.fail(f"a literal has the dtype {e.dtype!r}")
            case Local():
                self.local(e)
            case Size():
                self.size(e.size)
            case Load():
                if e.buffer.place == "tile":
                    self.of_tile(e.buffer, e.index)
                    if not self.filled[e.buffer]:
                        self.of.fail(f"{e.buffer.name} is read before a phase has written it")
                else:
                    self.reads[e.buffer] = None
                    self.index(e.buffer, e.index)
            case Fn("cast", args):
                if len(args) != 1 or e.dtype not in dtypes.ITEMSIZE:
                    self.of.fail(f"{text(e)} is no cast")
                self.expr(args[0])
            case Fn(row, args) if isinstance(row, str) and row in SIZE_FUNCTIONS:
                if len(args) != SIZE_FUNCTIONS[row] or e.dtype != "int64" or any(self.expr(a) != "int64" for a in args):
                    self.of.fail(f"{text(e)}: {row} takes {SIZE_FUNCTIONS[row]} sizes and gives one")
            case Fn(row, args):
                self.row(row, tuple([self.expr(a) for a in args]), e.dtype)
            case _:
                self.of.fail(f"{e!r} is no expression")
        return e.dtype

    def row(self, row: object, args: tuple[str, ...], result: str) -> None:
        """A row applied to arguments that all have its compute dtype (a select's condition is bool)."""
        try:
            found = get_row(row)
        except GradcError as error:
            self.of.fail(str(error))
        if len(args) != found.nin:
            self.of.fail(f"{found.name} takes {found.nin} arguments, not {len(args)}")
        compute, want = found.dtypes(*args)
        condition = args[:1] if found.rule == "select" else ()
        if any(a != compute for a in args[len(condition):]) or any(a != "bool" for a in condition) or want != result:
            self.of.fail(f"{found.name} of {', '.join(args)} computes in {compute} and gives {want}, not {result}")

    def local(self, e: Local) -> None:
        dtype = "int64" if e.name in self.range else self.dtype.get(e.name)
        if dtype is None:
            if e.name in self.folds:
                self.of.fail(f"the fold {e.name} is used inside its loop")
            self.of.fail(f"{e.name} is used {'out of its scope' if e.name in self.named else 'before it is defined'}")
        if dtype != e.dtype:
            self.of.fail(f"{e.name} is {dtype}, used as {e.dtype}")

    def size(self, size: SizeExpr) -> None:
        self.of.size(size, self.size_names)

    def index(self, b: Buffer, index: Index) -> None:
        """Variables are in scope; if all is known, first and last element lie inside the buffer."""
        if b in self.own and b not in self.taken:
            self.of.fail(f"{b.name} is used where it is not taken")
        self.size(index.offset)
        low = high = index.offset + index.plus if isinstance(index.offset, int) else None
        for stride, var in index.terms:
            self.size(stride)
            if var not in self.range:
                self.local(Local(var, "int64"))
            bounds = self.range.get(var)
            if low is None or high is None or bounds is None or not isinstance(stride, int):
                low = high = None
                continue
            low += min(stride * bounds[0], stride * bounds[1])
            high += max(stride * bounds[0], stride * bounds[1])
        elements: int | None = 1
        for d in b.shape:
            elements = elements * d if elements is not None and isinstance(d, int) else None
        if any(r is not None and r[1] < r[0] for r in self.range.values()):
            return                  # one of the loops does not run
        if (low is not None and low < 0) or (high is not None and elements is not None and high >= elements):
            self.of.fail(f"{text(Load(b, index))} goes from {low} to {high}, the buffer has {elements} elements")
