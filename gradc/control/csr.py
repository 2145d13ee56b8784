"""Sparse matrices of linear maps, in csr format.

The entries are those of the pattern, in order, but where bands that are not next to the diagonal are all there is and
sizes are not static: then each row has one entry per band; those that would lie outside of the matrix are 0, in the
first or last column.  2**31 entries and more are refused.

    banded       the map is a sum of diagonals, found by `autodiff.sparsity`, whatever the sizes
    compressed   else `control.compression` finds which entries can differ from 0 and which rows or columns can be
                 computed together; one vectorised evaluation, from which entries are picked.  Static sizes: it is done
                 now, and the pattern is constant; else at a call with new sizes, by an Op
    full         all entries, with a warning, where that has no vectorised form or is too much
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from gradc.autodiff.pattern_rules import UnknownSizes
from gradc.autodiff.sparsity import Band, LinearValue, bands, middle, sizes_of, zeros
from gradc.control.compression import Compressed, CompressionOp, compressed, warn
from gradc.control.ifelse import ifelse
from gradc.control.linear import LinearMap, Opened, linear_matrix
from gradc.ir import build, ops
from gradc.ir.batch import Unbatchable, batch_program
from gradc.ir.convert import inline, to_program
from gradc.ir.graph import Constant, Variable, apply, clone_replace, graph_inputs, user_line
from gradc.ir.program import Builder, Program, Var, rebuild, tensor
from gradc.ir.types import TensorType
from gradc.sparse.variable import SparseVariable
from gradc.tensor.convert import as_tensor_variable, size_of
from gradc.tensor.variable import TensorVariable

RUNS = 16       # entries that lie in more runs than this are picked one by one


def sparse_matrix(x: TensorVariable, reverse: LinearMap, forward: Callable[[], LinearMap] | None, *,
                  symmetric: bool = False) -> SparseVariable:
    """The matrix of the map u -> u J (`reverse`), the same as that of t -> J t (`forward`, where it can be had).

    x: what the map derives by; its elements are the columns.
    """
    banded = _found_banded(reverse)
    data, indices, indptr = map(as_tensor_variable, banded or _arrays(reverse, forward, symmetric))
    shape = size_of(as_tensor_variable(reverse.like), 0), size_of(x, 0)
    return SparseVariable("csr", data, indices, indptr, shape, banded is None or isinstance(indices, Constant))


def _found_banded(reverse: LinearMap) -> list[Variable] | None:
    """Data, indices and indptr of a sum of diagonals; None if the map is none."""
    opened = Opened(reverse)
    try:
        linear = opened.linear()
    except Unbatchable:
        return None
    if linear is None:
        return None
    along, others = bands(opened.builder, linear)
    found = None if others else _banded(opened.builder, linear, along)
    return None if found is None else opened.expressions(found)


def _arrays(reverse: LinearMap, forward: Callable[[], LinearMap] | None, symmetric: bool) -> list[Variable]:
    """Data, indices and indptr, in order."""
    inputs = [v for v in graph_inputs([reverse.result]) if v is not reverse.u and not isinstance(v, Constant)]
    program = to_program([reverse.u, *inputs], [reverse.result])
    try:
        try:
            made = compressed(program, None, symmetric=symmetric, columns=forward is not None, line=user_line())
        except UnknownSizes:
            return _at_run_time(program, inputs, reverse, forward, symmetric)
        if made is not None:
            return _known(made, forward() if forward is not None and made.by_columns else reverse)
    except Unbatchable as error:
        warn(f"a sparse matrix of derivatives has all entries: {error}", *error.sources, user_line())
    return _full(linear_matrix(reverse))


def _known(found: Compressed, given: LinearMap) -> list[Variable]:
    """Where all sizes are static, hence the pattern is constant."""
    opened = Opened(given)
    b = opened.builder
    seeds = np.arange(found.count)[:, None] == found.colors
    data = _entries_of(opened, b.constant(seeds, tensor(opened.args[0]).dtype), b.constant(found.places, "int64"))
    arrays = [data, b.constant(found.indices, "int32"), b.constant(found.indptr, "int32")]
    return opened.expressions(arrays)


def _at_run_time(program: Program, inputs: Sequence[Variable], reverse: LinearMap,
                 forward: Callable[[], LinearMap] | None, symmetric: bool) -> list[Variable]:
    """Where a run tells the sizes: the pattern is an Op of them."""
    sizes = [apply(ops.ShapeOf(k), x) for x in (reverse.like, *inputs)
             for k, size in enumerate(getattr(x.type, "shape", ())) if size is None]
    row = clone_replace(reverse.result, {reverse.u: reverse.like})
    sizes += [apply(ops.ShapeOf(0), x) for x in (reverse.like, row)]
    op = CompressionOp(program, symmetric, forward is not None and not symmetric, user_line())
    palette, colors, places, indices, indptr, by_columns = op(*sizes)

    def entries(given: LinearMap) -> Variable:
        opened = Opened(given)
        b = opened.builder
        numbers, own, at = [b.input(v.type) for v in (palette, colors, places)]
        same = b.map("eq", build.insert_axes(b, numbers, (1,), 2), build.insert_axes(b, own, (0,), 2))
        seeds = b.cast(same, tensor(opened.args[0]).dtype)
        width = b.size(opened.args[0], 0)               # which may be static
        seeds = b.apply(ops.Reshape(2), seeds, b.size(numbers, 0), width)
        data = _entries_of(opened, seeds, at)
        return opened.expressions([data], [palette, colors, places])[0]

    data = entries(reverse)
    if forward is not None and not symmetric:
        data = ifelse(by_columns, entries(forward()), data)
    return [data, indices, indptr]


def _entries_of(opened: Opened, seeds: Var, places: Var) -> Var:
    """The values of the map at all seeds, one behind the other, at `places`."""
    program, _ = batch_program(opened.closed.program, [True] + [False] * len(opened.closed.others), [True])
    b = opened.builder
    env = dict(zip(program.inputs, [seeds, *opened.args[1:]]))
    rebuild(program, b, env)
    sums = env[program.outputs[0]]
    flat = b.apply(ops.Reshape(1), sums, b.map("mul", b.size(sums, 0), b.size(sums, 1)))
    return _picked(b, flat, places)


def _picked(b: Builder, x: Var, places: Var) -> Var:
    """The elements of the vector x at `places`: a few ranges, if that is what they are, or one by one in a loop."""
    if places.data is not None:
        runs = [run for run in np.split(places.data, np.flatnonzero(np.diff(places.data) != 1) + 1) if run.size]
        if len(runs) <= RUNS:
            parts = [build.cut(b, x, int(run[0]), int(run[-1]) + 1) for run in runs]
            if not parts:
                return zeros(b, x, [b.constant(0, "int64")])
            return parts[0] if len(parts) == 1 else b.apply(ops.Concat(0), *parts)
    inner = Builder()
    k, whole = inner.input(TensorType.make("int64", ())), inner.input(x.type)
    body = inner.program([build.take(inner, whole, k)])
    return b.apply(ops.Scan(body, 1, 0, name="pick"), b.size(places, 0), places, x)


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


def _full(matrix: Variable) -> list[Variable]:
    """All entries of a matrix."""
    b = Builder()
    x = b.input(matrix.type)
    n, m = sizes_of(b, x)
    count = b.map("mul", n, m)
    columns = b.apply(ops.Broadcast(), b.apply(ops.Iota(), m), n, m)
    indptr = b.map("mul", m, b.apply(ops.Iota(), b.map("add", n, b.constant(1, "int64"))))
    data, indices = [b.apply(ops.Reshape(1), v, count) for v in (x, columns)]
    return inline(b.program(_entries(b, data, indices, indptr, count)), [matrix])
