"""The loop IR: a Kernel of sections over buffers.  Printed by `codegen`, checked by `loops.check`.

Supported: perfect and imperfect loop nests with run-time bounds, affine indices, named scalars, reductions in
explicit lanes with a fixed fold order, loops cut into blocks that may run in parallel, gemm calls, checks that end
the kernel with a number.
Not supported: pointers other than `buffer[index]`, recursion, early exit other than a failed check, sizes
that depend on computed data.

    expr  = Lit | Local | Size | Load | Fn                     value of one element; each has a dtype
    index = Index(terms: (stride, loop variable)*, offset)     affine, in elements
    size  = int | str                                          a str names a size defined in the prologue
    stmt  = For | Let | Assign | Store | Accumulate | Check | Gemm | Combine
    Kernel(prologue: (Define | Check)*, sections: Section*, ...)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gradc.ir.scalars import Row

LANES = 32          # accumulators of a reduction loop; the order of the sum is theirs, whatever the vector width

SizeExpr = int | str

# ------------------------------------------------------------------------------------------------ buffers


@dataclass(frozen=True, slots=True, eq=False)
class Buffer:
    """Memory of one array: C-contiguous, `shape` in elements.

    place: input, output, constant (position = its number in the frame), arena (offset = a size in bytes),
    or block (arena memory with one copy per block of the parallel loop; `offset` is that of block 0).
    """

    name: str
    dtype: str
    shape: tuple[SizeExpr, ...]
    place: str
    position: int = -1
    offset: SizeExpr = 0


# ------------------------------------------------------------------------------------------------ expressions


@dataclass(frozen=True, slots=True)
class Lit:
    value: Any
    dtype: str


@dataclass(frozen=True, slots=True)
class Local:
    """A scalar named by a Let, or a loop variable (dtype int64)."""

    name: str
    dtype: str


@dataclass(frozen=True, slots=True)
class Size:
    """A size as a value (int64)."""

    size: SizeExpr
    dtype: str = "int64"


@dataclass(frozen=True, slots=True)
class Index:
    """offset + sum of stride * variable, in elements."""

    terms: tuple[tuple[SizeExpr, str], ...] = ()
    offset: SizeExpr = 0


@dataclass(frozen=True, slots=True)
class Load:
    buffer: Buffer
    index: Index

    @property
    def dtype(self) -> str:
        return self.buffer.dtype


@dataclass(frozen=True, slots=True)
class Fn:
    """A row applied to arguments that have its compute dtype; or "cast", "fma" (a * b + c, one rounding where the
    CPU has it), "slice_start", "slice_length" (of gradc_math.h, on sizes)."""

    row: str | Row
    args: tuple[Any, ...]
    dtype: str


Expr = Lit | Local | Size | Load | Fn

# ------------------------------------------------------------------------------------------------ statements


@dataclass(frozen=True, slots=True)
class Let:
    """Name a value: `const double name = expr`; `mutable` where an Assign follows."""

    name: str
    expr: Expr
    mutable: bool = False

    @property
    def dtype(self) -> str:
        return self.expr.dtype


@dataclass(frozen=True, slots=True)
class Assign:
    """Give a mutable local a new value."""

    name: str
    expr: Expr


@dataclass(frozen=True, slots=True)
class Store:
    buffer: Buffer
    index: Index
    expr: Expr


@dataclass(frozen=True, slots=True)
class Accumulate:
    """buffer[index] = row(buffer[index], expr)."""

    buffer: Buffer
    index: Index
    row: str
    expr: Expr


@dataclass(frozen=True, slots=True)
class Fold:
    """An accumulator of a For with lanes: after the loop, `name` holds the fold of all values given to it."""

    name: str
    row: str
    identity: Any
    dtype: str


@dataclass(frozen=True, slots=True)
class Update:
    """Give a value to the accumulator `name` of the enclosing For with lanes (fma: row add, expr = a * b)."""

    name: str
    row: str
    expr: Expr


@dataclass(frozen=True, slots=True)
class For:
    """for var in start..stop-1.  With folds it runs in LANES lanes (sequential semantics all the same)."""

    var: str
    start: SizeExpr
    stop: SizeExpr
    body: tuple[Any, ...]
    folds: tuple[Fold, ...] = ()
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """End the kernel with check number `number` unless `condition`; `values` go to the message."""

    condition: Expr
    number: int
    values: tuple[Expr, ...] = ()


@dataclass(frozen=True, slots=True)
class Define:
    """A size computed in the prologue."""

    name: str
    expr: Expr


@dataclass(frozen=True, slots=True)
class Gemm:
    """out = op(a) op(b), row-major; a is m x k, b is k x n, each transposed in memory if its flag says so."""

    a: Load
    b: Load
    out: Load
    m: SizeExpr
    n: SizeExpr
    k: SizeExpr
    trans_a: bool
    trans_b: bool

    @property
    def dtype(self) -> str:
        return self.out.dtype


@dataclass(frozen=True, slots=True)
class Combine:
    """Fold the per-block parts of a reduction into its result, in an order that only sizes decide.

    parts: `blocks` rows of `width` elements; target[w] = fold over b of parts[b][w]; with one block nothing is to
    be done, it wrote to the target itself.
    """

    target: Buffer
    parts: Buffer
    row: str
    width: SizeExpr


@dataclass(frozen=True, slots=True)
class Blocks:
    """How the outermost loop of a section is cut: `extent` iterations, each of about `work` elements of `cost` ns.

    multiple: a block is a multiple of so many iterations.  limit: at most so many blocks (0: any number).
    """

    name: str
    extent: SizeExpr
    work: SizeExpr
    multiple: int
    limit: int
    cost: float


@dataclass(frozen=True, slots=True)
class Section:
    """A fused group: one C function.  With `blocks`, body loops run from `lo` to `hi` (sizes of the section)."""

    title: str
    body: tuple[Any, ...]
    reads: tuple[Buffer, ...] = ()
    writes: tuple[Buffer, ...] = ()
    blocks: Blocks | None = None
    partial: tuple[Combine, ...] = ()       # reductions that end after all blocks
    note: str = ""


@dataclass(frozen=True, slots=True)
class CheckInfo:
    """What the Python side needs to report a failed check: error class, message with {0}..{3}, equation sources."""

    error: str
    message: str
    sources: tuple[int, ...] = ()


@dataclass(slots=True)
class Kernel:
    """One compiled function."""

    name: str
    inputs: tuple[Buffer, ...]
    outputs: tuple[Buffer, ...]
    constants: tuple[tuple[Buffer, Any], ...] = ()
    prologue: tuple[Any, ...] = ()
    arena_bytes: SizeExpr = 0
    sections: tuple[Section, ...] = ()
    checks: tuple[CheckInfo, ...] = ()
    program_text: str = ""
    uses_blas: bool = False
    meta: dict[str, Any] = field(default_factory=dict)


Stmt = For | Let | Assign | Store | Accumulate | Update | Check | Gemm
