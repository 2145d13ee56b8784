"""Sparse matrices of linear maps as three dense variables, rows compressed (CSR): data, indices, indptr.

    banded       the map is a sum of diagonals, found by `autodiff.sparsity`, whatever the sizes
    compressed   sizes are static: `autodiff.patterns` finds which entries can differ from 0, `control.coloring` which
                 rows or columns can be computed together; one vectorised evaluation, from which entries are picked
    full         else: all entries; with a warning where sizes are static
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from gradc.autodiff.pattern_rules import LIMIT, TooManyEntries
from gradc.autodiff.patterns import SparsityPattern, pattern_of
from gradc.autodiff.sparsity import Band, LinearValue, bands, middle, sizes_of, zeros
from gradc.control.coloring import MOST, Compression, TooManyColors, compress
from gradc.control.linear import LinearMap, Opened, linear_matrix
from gradc.errors import GradcWarning, SourceLine
from gradc.ir import build, ops
from gradc.ir.batch import Unbatchable, batch_program
from gradc.ir.convert import inline, to_program
from gradc.ir.graph import Constant, Variable, graph_inputs, user_line
from gradc.ir.program import Builder, Var, rebuild, tensor
from gradc.ir.types import TensorType
from gradc.tensor.convert import as_tensor_variable
from gradc.tensor.variable import TensorVariable

RUNS = 16       # entries that lie in more runs than this are picked one by one


class CSR(NamedTuple):
    """A sparse matrix: row i has the values data[indptr[i]:indptr[i + 1]] in the columns indices[...].

    Indices are int32, as SciPy's; 2**31 entries and more are refused.
    `scipy.sparse.csr_matrix((data, indices, indptr), shape)` takes it as it is.  Where sizes are static or bands are
    next to the diagonal the entries are those of the pattern.  Else each row has one entry per band; those that would
    lie outside of the matrix are 0, in the first or last column.  Entries of a row are ordered by column.
    """

    data: TensorVariable
    indices: TensorVariable
    indptr: TensorVariable


def sparse_matrix(reverse: LinearMap, forward: Callable[[], LinearMap] | None, *, symmetric: bool = False) -> CSR:
    """The matrix of the map u -> u J (`reverse`), the same as that of t -> J t (`forward`, where it can be had)."""
    opened = Opened(reverse)
    try:
        linear = opened.linear()
    except Unbatchable:
        linear = None
    if linear is not None:
        along, others = bands(opened.builder, linear)
        found = None if others else _banded(opened.builder, linear, along)
        if found is not None:
            return CSR(*map(as_tensor_variable, opened.expressions(found)))
    pattern = _pattern(reverse)
    if pattern is None:
        return _full(linear_matrix(reverse))
    try:
        by_columns, compression = compress(pattern, symmetric=symmetric, columns=forward is not None)
        if forward is not None and by_columns:
            return _compressed(Opened(forward()), pattern, compression)
        return _compressed(Opened(reverse), pattern, compression)
    except TooManyColors:
        _warn(f"a sparse matrix of derivatives needs more than {MOST:,} rows or columns computed one by one, so that "
              f"all its entries are made; leave out sparse=True, or the dense row and column", user_line())
    except Unbatchable as error:
        _warn(f"a sparse matrix of derivatives has all entries, as {error}", *error.sources)
    return _full(linear_matrix(reverse))


def _pattern(given: LinearMap) -> SparsityPattern | None:
    """The pattern of the matrix of a map; None, with a warning where sizes are known, if it can't be found."""
    inputs = [v for v in graph_inputs([given.result]) if v is not given.u and not isinstance(v, Constant)]
    try:
        found = pattern_of(to_program([given.u, *inputs], [given.result]))
    except TooManyEntries:
        _warn(f"the pattern of a sparse matrix of derivatives has more than {LIMIT:,} entries, so that all entries are "
              f"made; leave out sparse=True", user_line())
        return None
    for text, sources in found.notes.items():
        _warn(f"{text}: a sparse matrix of derivatives has an entry for each that is possible", *sources)
    return found.pattern


def _warn(message: str, *sources: SourceLine | None) -> None:
    file, line = next((s for s in sources if s is not None), None) or ("gradc", 0)
    warnings.warn_explicit(message, GradcWarning, file, line)


def _banded(b: Builder, linear: LinearValue, along: list[Band]) -> list[Var] | None:
    """Each band at every p-th entry; None where sizes are static and the rows at the ends are ragged.

    Without its ends, which are not there, row i has its entries at p * i - first and behind it.
    """
    n, m = b.size(linear.u, 0), b.size(linear.like, 0)
    along = sorted(along, key=lambda band: -band.tie.offset)
    starts, ends = [band.tie.u0 for band in along], [band.tie.u1 for band in along]
    first, last = sum(starts), sum(ends)
    ragged = max(starts + ends, default=0) > 1 or starts[:first] != [1] * first or ends[len(ends) - last:] != [1] * last
    if ragged:
        if n.data is not None and m.data is not None:
            return None
        first = last = 0
        starts = ends = [0] * len(along)
    if not along:
        values, indices = [zeros(b, like, [b.constant(0, "int64")]) for like in (linear.like, n)]
    else:
        values = _by_rows(b, [band.rows(b, 0, 0, n) for band in along], first, last, n)
        indices = _by_rows(b, [_columns(b, n, m, band.tie.offset, ragged) for band in along], first, last, n)
    count = b.size(values, 0)
    if n.data is not None and m.data is not None:       # all rows are known now
        i = np.arange(int(n.data))[:, None]
        there = (i >= starts) & (i < int(n.data) - np.array(ends, dtype=int))
        known = (i - np.array([band.tie.offset for band in along], dtype=int))[there]
        return [values, b.constant(known, "int32"), b.constant(np.append(0, there.sum(axis=1).cumsum()), "int32")]
    indptr = b.map("mul", b.constant(len(along), "int64"), b.apply(ops.Iota(), b.map("add", n, b.constant(1, "int64"))))
    if first or last:
        indptr = b.map("minimum", b.map("sub", indptr, b.constant(first, "int64")), count)
        indptr = _positive(b, indptr)
    return _entries(b, values, indices, indptr, count)


def _by_rows(b: Builder, columns: Sequence[Var], first: int, last: int, n: Var) -> Var:
    """Vectors of n elements side by side, read row by row, without elements at both ends."""
    flat = columns[0]
    if len(columns) > 1:
        both = b.apply(ops.Concat(1), *[build.insert_axes(b, v, (1,), 2) for v in columns])
        flat = b.apply(ops.Reshape(1), both, b.map("mul", b.constant(len(columns), "int64"), n))
    return middle(b, flat, 0, first, last)


def _columns(b: Builder, n: Var, m: Var, offset: int, ragged: bool) -> Var:
    """In which of m columns a band has its entry, for each of n rows; the first or last one where it has none."""
    columns = b.map("add", b.apply(ops.Iota(), n), b.constant(-offset, "int64"))
    if ragged:
        columns = _positive(b, b.map("minimum", columns, b.map("sub", m, b.constant(1, "int64"))))
    return b.cast(columns, "int32")


def _entries(b: Builder, data: Var, indices: Var, indptr: Var, count: Var) -> list[Var]:
    """The three arrays with indices in int32, after a check that `count` fits."""
    few = b.map("lt", count, b.constant(2 ** 31, "int64"))
    checked = b.apply(ops.Assert("a sparse matrix of 2**31 entries or more has no int32 indices", "shape"), indptr, few)
    return [data, *[b.cast(v, "int32") for v in (indices, checked)]]


def _positive(b: Builder, n: Var) -> Var:
    return b.map("maximum", n, b.constant(0, "int64"))


def _compressed(opened: Opened, pattern: SparsityPattern, compression: Compression) -> CSR:
    """The sums of the rows of each colour, all at once, and the entries picked from them."""
    u = tensor(opened.closed.program.inputs[0])
    seeds = np.arange(compression.count)[:, None] == compression.colors
    program, _ = batch_program(opened.closed.program, [True] + [False] * len(opened.closed.others), [True])
    b = opened.builder
    env = dict(zip(program.inputs, [b.constant(seeds, u.dtype), *opened.args[1:]]))
    rebuild(program, b, env)
    sums = env[program.outputs[0]]
    width = tensor(sums).shape[1]
    assert width is not None
    flat = b.apply(ops.Reshape(1), sums, b.constant(compression.count * width, "int64"))
    data = _picked(b, flat, compression.sums * width + compression.places)
    indptr = np.searchsorted(pattern.rows, np.arange(pattern.shape[0] + 1))
    indices = b.constant(pattern.columns, "int32")
    return CSR(*map(as_tensor_variable, opened.expressions([data, indices, b.constant(indptr, "int32")])))


def _picked(b: Builder, x: Var, positions: np.ndarray) -> Var:
    """The elements of the vector x at constant positions: a few ranges, or one by one in a loop."""
    cuts = np.flatnonzero(np.diff(positions) != 1) + 1
    if len(cuts) < RUNS:
        runs = [run for run in np.split(positions, cuts) if run.size]
        parts = [build.cut(b, x, int(run[0]), int(run[-1]) + 1) for run in runs]
        if not parts:
            return zeros(b, x, [b.constant(0, "int64")])
        return parts[0] if len(parts) == 1 else b.apply(ops.Concat(0), *parts)
    inner = Builder()
    k, whole = inner.input(TensorType.make("int64", ())), inner.input(x.type)
    body = inner.program([build.take(inner, whole, k)])
    steps = b.constant(len(positions), "int64")
    return b.apply(ops.Scan(body, 1, 0, name="pick"), steps, b.constant(positions, "int64"), x)


def _full(matrix: Variable) -> CSR:
    """All entries of a matrix."""
    b = Builder()
    x = b.input(matrix.type)
    n, m = sizes_of(b, x)
    count = b.map("mul", n, m)
    columns = b.apply(ops.Broadcast(), b.apply(ops.Iota(), m), n, m)
    indptr = b.map("mul", m, b.apply(ops.Iota(), b.map("add", n, b.constant(1, "int64"))))
    data, indices = [b.apply(ops.Reshape(1), v, count) for v in (x, columns)]
    return CSR(*map(as_tensor_variable, inline(b.program(_entries(b, data, indices, indptr, count)), [matrix])))
