"""How a sparse matrix is computed from a few sums of its rows or columns: made from its pattern, for given sizes.

    Compressed          colours, where the entries stand in the sums, and the indices of the matrix
    compressed(...)     made now, where all sizes are static
    CompressionOp       the same as an Op of the sizes, where a run tells them: it runs when they are new

In: a Program that is linear in its first input.  Warnings say what has more entries than it needs.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from gradc.autodiff.pattern_rules import LIMIT, TooManyEntries, UnknownSizes
from gradc.autodiff.patterns import SparsityPattern, pattern_of
from gradc.control.coloring import MOST, Compression, TooManyColors, compress
from gradc.errors import GradcWarning, SourceLine
from gradc.ir.graph import Apply, Op, Variable
from gradc.ir.program import Program
from gradc.ir.types import StaticShape, TensorType
from gradc.record import record

KEPT = 8        # of the latest sizes, in Python; a compiled function keeps the last in C


@record(eq=False)
class Compressed:
    """`colors`, up to `count`: of the columns if `by_columns`, else of the rows.

    Entry k is element `places[k]` of the sums, one behind the other; `indices` and `indptr` are those of a csr matrix.
    """

    by_columns: bool
    count: int
    colors: np.ndarray
    places: np.ndarray
    indices: np.ndarray
    indptr: np.ndarray


def compressed(program: Program, shapes: Sequence[StaticShape] | None, *, symmetric: bool, columns: bool,
               line: SourceLine | None) -> Compressed | None:
    """What is found for these shapes of the inputs; None, with a warning at `line`, where there is too much of it.

    columns: can sums of columns be computed?   Raises UnknownSizes.
    """
    try:
        found = pattern_of(program, shapes)
        for text, sources in found.notes.items():
            warn(f"{text}: a sparse matrix of derivatives has an entry for each that is possible", *sources)
        return _arranged(found.pattern, *compress(found.pattern, symmetric=symmetric, columns=columns))
    except TooManyEntries:
        warn(f"the pattern of a sparse matrix of derivatives has more than {LIMIT:,} entries: all entries are made; "
             f"leave out sparse=True", line)
    except TooManyColors:
        warn(f"a sparse matrix of derivatives needs more than {MOST:,} rows or columns computed one by one: all "
             f"entries are made; leave out sparse=True, or take its dense rows and columns apart", line)
    return None


def warn(message: str, *sources: SourceLine | None) -> None:
    """A GradcWarning at the first line that is known."""
    file, line = next((s for s in sources if s is not None), ("gradc", 0))
    warnings.warn_explicit(message, GradcWarning, file, line)


def _arranged(pattern: SparsityPattern, by_columns: bool, compression: Compression) -> Compressed:
    width = pattern.shape[0 if by_columns else 1]
    indptr = np.searchsorted(pattern.rows, np.arange(pattern.shape[0] + 1))
    return Compressed(by_columns, compression.count, compression.colors, compression.sums * width + compression.places,
                      pattern.columns.astype(np.int32), indptr.astype(np.int32))


def _all_entries(m: int, n: int) -> Compressed:
    k = np.arange(m)
    pattern = SparsityPattern(np.repeat(k, n), np.tile(np.arange(n), m), (m, n))
    return _arranged(pattern, False, Compression(k, pattern.rows, pattern.columns))


class CompressionOp(Op):
    """The arrays of `Compressed` for sizes that a run tells: `program`'s, as far as types do not tell, and m and n.

    Results: numbers of the colours, colours, places, indices, indptr, by_columns.
    """

    __props__ = ("program", "symmetric", "columns")
    repeatable = True

    def __init__(self, program: Program, symmetric: bool, columns: bool, line: SourceLine | None) -> None:
        self.program = program
        self.symmetric = symmetric
        self.columns = columns
        self.line = line
        self.kept: dict[tuple[int, ...], Compressed] = {}

    def make_node(self, *sizes: Variable) -> Apply:
        types = [TensorType.make(dtype, (None,)) for dtype in ("int64", "int64", "int64", "int32", "int32")]
        return Apply(self, sizes, [t() for t in (*types, TensorType.make("bool", ()))])

    def perform(self, node: Apply, inputs: Sequence[np.ndarray], output_storage: list[list[object]]) -> None:
        key = tuple(map(int, inputs))
        made = self.kept.get(key)
        if made is None:
            while len(self.kept) >= KEPT:
                self.kept.pop(next(iter(self.kept)), None)
            made = self.kept[key] = self._made(key)
        arrays = (np.arange(made.count), made.colors, made.places, made.indices, made.indptr)
        for cell, value in zip(output_storage, (*arrays, np.bool_(made.by_columns))):
            cell[0] = value

    def _made(self, sizes: tuple[int, ...]) -> Compressed:
        rest = iter(sizes)
        shapes = [tuple([next(rest) if size is None else size for size in getattr(v.type, "shape", ())])
                  for v in self.program.inputs]
        found = None
        try:
            found = compressed(self.program, shapes, symmetric=self.symmetric, columns=self.columns, line=self.line)
        except UnknownSizes:
            warn("a sparse matrix of derivatives has all entries, as sizes inside depend on values; static sizes, or "
                 "masks in place of parts, would tell them before", self.line)
        return _all_entries(*rest) if found is None else found

    def __str__(self) -> str:
        return "sparsity pattern"
