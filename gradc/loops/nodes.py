"""The loop IR: a Kernel of sections over buffers.  Printed by `codegen`, checked by `loops.check`.

Supported: perfect and imperfect loop nests with run-time bounds, affine indices, named scalars, reductions in
explicit lanes with a fixed fold order, loops cut into blocks that may run in parallel, loops cut into tiles that run
in phases, calls of routines and of users' functions, checks that end the kernel with a number, loops over time (what
one step leaves the next one reads) that a step may end, branches.
A size is defined in the prologue; one that depends on computed data after a section (`measures`), or inside one, where
the data is there: memory is taken then (`Take`).
Not supported: pointers other than `buffer[index]`, recursion.

    expr  = Lit | Local | Size | Load | Fn                     value of one element; each has a dtype
    index = Index(terms: (stride, loop variable)*, offset, plus)     affine, in elements
    size  = int | str                                          a str names a size that a Define has defined
    stmt  = For | Tile | EachRow | If | Break | Let | Assign | Store | Accumulate | Update | Check | Invoke
          | Define | Take
    Kernel(prologue: (Define | Check)*, sections: Section*, ...)
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from gradc.ir.scalars import Row
from gradc.ir.sizes import Dim
from gradc.ir.snippet import ArraySnippet
from gradc.record import record

SizeExpr = Dim         # tests write names as plain strings
Statements: TypeAlias = tuple[Any, ...]       # of Stmt, told apart by class

# ------------------------------------------------------------------------------------------------ buffers


@record(frozen=False, eq=False)
class Slots:
    """Slots of one size in the arena, side by side: slot k begins `start + k * bytes` bytes into it.

    `start` is known when all slots have been taken.
    """

    bytes: SizeExpr
    slots: int = 0
    start: SizeExpr = 0


@record(eq=False)
class Buffer:
    """Memory of one array: C-contiguous, `shape` in elements.

    place: input, output, constant (position = its number in the frame), arena (position = its slot of `region`),
    block (memory with one copy per block of the parallel loop, in the arena or, without a region, in a room: it begins
    with that of block 0, and the next copy follows after `stride` elements), room (position = its number: see `Take`),
    stack (a small array of a Section), or tile (one of a Tile).
    """

    name: str
    dtype: str
    shape: tuple[SizeExpr, ...]
    place: str
    position: int = -1
    region: Slots | None = None
    stride: SizeExpr = 0


# ------------------------------------------------------------------------------------------------ expressions


@record
class Lit:
    value: Any
    dtype: str


@record
class Local:
    """A scalar named by a Let, or a loop variable (dtype int64)."""

    name: str
    dtype: str


@record
class Size:
    """A size as a value (int64)."""

    size: SizeExpr
    dtype: str = "int64"


@record
class Index:
    """offset + sum of stride * variable + plus, in elements.

    plus: a number beside an offset that is none: what differs in it only lies side by side, for the C compiler to see.
    """

    terms: tuple[tuple[SizeExpr, str], ...] = ()
    offset: SizeExpr = 0
    plus: int = 0


@record
class Load:
    buffer: Buffer
    index: Index

    @property
    def dtype(self) -> str:
        return self.buffer.dtype


@record
class Fn:
    """A row applied to arguments that have its compute dtype; or one of NO_ROW: "cast"; "position",
    "slice_start", "slice_first", "slice_count" of gradc_sizes.h, on sizes."""

    row: str | Row
    args: tuple[Any, ...]
    dtype: str


NO_ROW = ("cast", "position", "slice_start", "slice_first", "slice_count")
Expr = Lit | Local | Size | Load | Fn

# ------------------------------------------------------------------------------------------------ statements


LoopBound = SizeExpr | Local        # of a loop


@record
class Let:
    """Name a value: `const double name = expr`; `mutable` where an Assign follows."""

    name: str
    expr: Expr
    mutable: bool = False

    @property
    def dtype(self) -> str:
        return self.expr.dtype


@record
class Assign:
    """Give a mutable local a new value."""

    name: str
    expr: Expr


@record
class Store:
    buffer: Buffer
    index: Index
    expr: Expr


@record
class Accumulate:
    """buffer[index] = row(buffer[index], expr)."""

    buffer: Buffer
    index: Index
    row: str
    expr: Expr


@record
class Fold:
    """An accumulator of a For: after the loop, `name` holds the fold of all values given to it."""

    name: str
    row: str
    identity: object
    dtype: str


@record
class Update:
    """Give a value to the accumulator `name` of the enclosing For (a product is added with one rounding)."""

    name: str
    row: str
    expr: Expr


@record
class For:
    """for var in start..stop-1, with accumulators.

    lanes: each accumulator is so many, element j goes to lane j % lanes, and they are folded in halves after the
    loop: the order of a sum is theirs, whatever the vector width.  0: one plain accumulator each.
    short: up to so many elements are folded one after the other, without lanes.
    rounds: after so many elements of each lane the lanes are folded, and what they come to is added up in float64: an
    error of a sum grows with the number of additions one after the other.  0: the lanes are folded once.
    order: "" (upwards), "reverse" (from stop-1 down to start), or "free": no iteration uses memory that another writes,
    which the C compiler may rely on.
    A bound may be a local (int64).
    """

    var: str
    start: LoopBound
    stop: LoopBound
    body: Statements
    folds: tuple[Fold, ...] = ()
    lanes: int = 0
    order: str = ""
    rounds: int = 0
    short: int = 0

    @property
    def is_carried(self) -> bool:
        """Do locals go from one iteration to the next?  No vectors are made of such a loop."""
        return any([type(s) is Assign for s in self.body])


@record
class If:
    """`body` if the condition holds, else `orelse`."""

    condition: Expr
    body: Statements
    orelse: Statements = ()


@record
class Break:
    """End the enclosing For if the condition holds."""

    condition: Expr


@record
class EachRow:
    """Statements of a phase that takes several rows together, for each of these rows."""

    body: Statements


@record
class Ahead:
    """`count` elements from `buffer[index]` on, read by a row, are fetched when the row `distance` before it passes."""

    buffer: Buffer
    index: Index
    count: SizeExpr
    distance: int


@record
class TilePhase:
    """A part of a Tile's body: scalar statements, or a loop.

    together: so many rows share one pass of the phase's loop; what they do not share is in EachRow, and each fold of
    that loop is one per row.  1: the rows come one after the other.
    ahead: what is fetched meanwhile for rows of a later tile.
    """

    body: Statements
    together: int = 1
    ahead: tuple[Ahead, ...] = ()


@record
class Tile:
    """for var in start..stop-1, `rows` iterations ("rows") at a time: each phase for all of them before the next one.

    shared: what a phase leaves for later ones, `rows` elements each; the index is `var`, from the tile's first row on.
    folds: accumulators of the whole loop, without lanes.
    """

    var: str
    start: LoopBound
    stop: LoopBound
    rows: int
    phases: tuple[TilePhase, ...]
    shared: tuple[Buffer, ...] = ()
    folds: tuple[Fold, ...] = ()


@record
class Check:
    """End the kernel with check number `number` unless `condition`; `values` go to the message."""

    condition: Expr
    number: int
    values: tuple[Expr, ...] = ()


@record
class Define:
    """A size, from here to the end of the statements it stands among; in a section that measures, for all later ones.
    """

    name: str
    expr: Expr


@record
class Take:
    """Memory for a buffer whose size is known now, a room or an output; check `number` fails if there is none.

    In a section it is that section's own, up to the end of the statements that it stands among.
    """

    buffer: Buffer
    bytes: SizeExpr
    number: int


@record
class Invoke:
    """outs = routine(args); ends the function if it fails.

    routine: the name of a row of `ir.routines`; or a number, that of one of the kernel's `calls`; or C code that stands
    in the unit.
    args: a Load is the first element of an array, anything else one value.  Arrays lie in memory as the routine takes
    them.
    numbers: what it is told of sizes and layouts, see gradc_routine of gradc_runtime.h; C code: sizes that it names.
    failures: what it may return, and the number of the check that has failed then; None stands for all that is not 0.
    place: values for the message, behind those that the routine itself gives.
    """

    routine: str | int | ArraySnippet
    args: tuple[Expr, ...]
    outs: tuple[Load, ...]
    numbers: tuple[SizeExpr, ...]
    failures: tuple[tuple[int | None, int], ...] = ()
    place: tuple[Expr, ...] = ()


@record
class Combine:
    """Fold the per-block parts of reductions into their results, in an order that only sizes decide.

    `parts` holds a row of `width` elements per block.  targets: (buffer, position in the row, elements).
    """

    parts: Buffer
    row: str
    width: SizeExpr
    targets: tuple[tuple[Buffer, SizeExpr, SizeExpr], ...]


@record
class BlockCut:
    """How the outermost loop of a section is cut: `extent` iterations, each of about `work` elements of `cost` ns.

    multiple: a block is a multiple of so many iterations.  limit: at most so many blocks (0: any number).
    """

    extent: SizeExpr
    work: SizeExpr
    multiple: int
    limit: int
    cost: float


@record
class Section:
    """A fused group: one C function.  With `blocks`, body loops run from `lo` to `hi` (sizes of the section).

    arrays: small ones of its own, on the C stack; where the C compiler unrolls all loops over one, in registers.
    measures: it has Let, Define, Check and Take only, whose sizes and memory all sections after it may use.
    wide: its vectors may be as wide as the CPU's, for nothing is permuted (`gradc.target.FAULTS`).
    """

    title: str
    body: Statements
    reads: tuple[Buffer, ...] = ()
    writes: tuple[Buffer, ...] = ()
    blocks: BlockCut | None = None
    partial: tuple[Combine, ...] = ()       # reductions that end after all blocks
    in_entry: bool = False                  # printed in the entry function itself: a call, not a loop
    arrays: tuple[Buffer, ...] = ()
    measures: bool = False
    wide: bool = False


@record
class CheckInfo:
    """What the Python side needs to report a failed check: error class, message for `errors.fill`, equation sources."""

    error: str
    message: str
    sources: tuple[int, ...] = ()


@record
class CallInfo:
    """A function of the user's in Python, which the kernel calls: what it is called, and equation sources."""

    name: str
    sources: tuple[int, ...] = ()


@record
class Kernel:
    """One compiled function.

    made: for each output the sizes it is made with, which are no smaller than those it has in the end; empty: they are
    the same, and known at the start.
    """

    name: str
    inputs: tuple[Buffer, ...]
    outputs: tuple[Buffer, ...]
    constants: tuple[tuple[Buffer, np.ndarray], ...] = ()
    prologue: tuple[Define | Check, ...] = ()
    arena_bytes: SizeExpr = 0
    sections: tuple[Section, ...] = ()
    checks: tuple[CheckInfo, ...] = ()
    program_text: str = ""
    routines: tuple[str, ...] = ()
    made: tuple[tuple[SizeExpr, ...], ...] = ()
    calls: tuple[CallInfo, ...] = ()


Stmt = For | Tile | EachRow | If | Break | Let | Assign | Store | Accumulate | Update | Check | Invoke | Define | Take
