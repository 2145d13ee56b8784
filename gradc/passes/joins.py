"""Arrays that are put together from parts, by adding each to zeros at its place, are the parts joined.

Rules, where the parts lie side by side or in turn (basic slices along one axis with known bounds):

    zeros[:32] += p, plus zeros[32:64] += q, plus zeros[64:] += r    ->    join(p, q, r)
    x[:32] += p; x[32:] += q                                         ->    x + join(p, q)
    zeros[::2] += p, plus zeros[1::2] += q                           ->    reshape(stack([p, q], axis=1))

The first is the gradient of a function that cuts its argument up (the gates of an LSTM), the second what adding that to
a sum gives, the third that of a function of every other element.  What does not cover the whole is added where it
belongs, in the end: one buffer for a sum of parts.

`join_pads`, where vectors overlap, as in the gradient of a function of neighbours, x[1:] and x[:-1].  As it stands each
is a buffer of zeros that is written twice and read again.  Here the positions that all parts reach become one
elementwise expression of the parts' slices, and what is left of them at both ends, a few elements, is joined to it:

    zeros[1:] += p, plus zeros[:-1] += q    ->    join(q[:1], p[:-1] + q[1:], p[-1:])

The same for several such sums of one length that stand side by side, element i of each in row i, and are then read row
by row (the entries of a banded matrix): `stack([p, q], axis=1).flatten()[1:]`, which is the first rows, the rows that
all parts reach, the last rows.  Slices go through cheap elementwise operations down to what is stored, so that parts
are computed again rather than stored.  No rule, because it needs the whole sum.

Values are the same but for the sign of zeros.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from gradc.ir import build, dtypes, ops
from gradc.ir.facts import CHANGING, Changing, again, changes, facts, permutation, reads
from gradc.ir.program import Eqn, Program, Var, tensor
from gradc.ir.types import TensorType
from gradc.passes.pattern import Args, On, Rule, Sample, Table
from gradc.passes.rewrite import Rewriter, State
from gradc.record import record, replace
from gradc.target import TARGET

MOST = 64           # pieces of one sum
ADD = ops.Map("add")


@record(eq=False)
class Piece:
    """`value` stands at start, start + step, ... of an axis, up to `stop`: None is the end, -1 one before it."""

    value: Var
    axis: int = 0
    start: int = 0
    stop: int | None = None
    step: int = 1

    @property
    def end(self) -> int:
        """How many elements follow, where that is known (`_inside`)."""
        return -(self.stop or 0)


def _piece(items: ops.Items, value: Var) -> Piece | None:
    """What puts `value` at x[items], if that is a range of known numbers, counted from the start, along one axis."""
    axes = [k for k, item in enumerate(items) if not item.is_all]
    if len(axes) > 1:
        return None
    item = items[axes[0]] if axes else ops.Item()
    start, stop, step = item.start or 0, item.stop, item.step or 1
    if item.is_single or ops.DYNAMIC in (start, stop, step) or start < 0 or step < 1:
        return None
    return Piece(value, axes[0] if axes else 0, start, stop, step)


def _inside(items: ops.Items, value: Var) -> Piece | None:
    """The same of a vector, at known distances from both ends."""
    piece = _piece(items, value)
    known = piece is not None and len(items) == 1 and piece.step == 1 and (piece.stop is None or piece.stop < 0)
    return piece if known else None


def _is_zero(producer: Mapping[Var, Eqn], v: Var) -> bool:
    while v.data is None:
        if v not in producer or type(producer[v].op) is not ops.Broadcast:
            return False
        v = producer[v].args[0]
    return not v.data.any()


def _in_turn(b: Rewriter, values: Sequence[Var], axis: int, sizes: Sequence[Var]) -> Var:
    """One element of each value in turn along an axis; `sizes`: of the result."""
    columns = [build.insert_axes(b, v, (axis + 1,), len(sizes) + 1) for v in values]
    return b.apply(ops.Reshape(len(sizes)), b.apply(ops.Concat(axis + 1), *columns), *sizes)


# ------------------------------------------------------------------------------------- side by side, or in turn


def _joined(b: Rewriter, pieces: Sequence[Piece], like: Var) -> Var | None:
    """The pieces as one array of the shape of `like`, if they cover an axis and don't overlap."""
    if len(pieces) < 2 or len({(piece.axis, piece.step) for piece in pieces}) > 1:
        return None
    ordered = sorted(pieces, key=lambda piece: piece.start)
    values, axis, step = [piece.value for piece in ordered], ordered[0].axis, ordered[0].step
    if step > 1:
        if [piece.start for piece in ordered] != list(range(step)) or len({b.dims(v)[axis] for v in values}) > 1 \
                or any(piece.stop is not None for piece in ordered):
            return None
        made = _in_turn(b, values, axis, [b.size(like, k) for k in range(tensor(like).ndim)])
    elif ordered[0].start or ordered[-1].stop is not None or any(p.stop != q.start for p, q in pairwise(ordered)):
        return None
    else:
        made = b.apply(ops.Concat(axis), *values)
    b.sizes.dims[made] = b.dims(like)        # the slices of an axis add up to it
    return made


def _whole_piece(b: Rewriter, op: Changing, args: Args) -> Piece | None:
    """What is written to a whole range of an array, not broadcast."""
    x, value = args[:2]
    piece, mine, whole = _piece(op.items, value), tensor(value).shape, tensor(x).shape
    if piece is None or len(mine) != len(whole) or (piece.stop is not None and piece.stop <= piece.start) \
            or any(s == 1 and (k == piece.axis or whole[k] != 1) for k, s in enumerate(mine)):
        return None
    stop = None if piece.stop == whole[piece.axis] else piece.stop
    return replace(piece, value=b.cast(value, tensor(x).dtype), stop=stop)


def _sum_of_pieces(b: Rewriter, op: Any, args: Args) -> Var | None:
    """Pieces that are added, side by side or in turn, to zeros or to one other value."""
    if op != ADD and op.mode != "inc":
        return None
    pieces: list[Piece] = []
    bases: list[Var] = []
    like = next(a for a in args if b.kinds[a.number] in CHANGING)
    work = [(op, args)]
    while work:
        op, args = work.pop()
        if op != ADD:
            piece = _whole_piece(b, op, args)
            if piece is None or len(pieces) == MOST:
                return None
            pieces.append(piece)
            args = args[:1]
        for a in args:
            eqn = b.eqn(a)
            if not b.same_shape(a, like):
                return None
            if eqn is not None and len(work) < MOST and (eqn.op == ADD or (
                    type(eqn.op) in CHANGING and eqn.op.mode == "inc")):
                work.append((eqn.op, eqn.args))
            elif not _is_zero(b.producer, a):
                bases.append(a)
        if len(bases) > 1:
            return None
    made = _joined(b, pieces, like)
    return made if made is None or not bases else b.map("add", bases[0], made)


def _added_part(b: Rewriter, op: ops.Map, args: Args) -> Var | None:
    """x + (zeros with v added to a part) -> x with v added to the part."""
    for v, padded in (args, args[::-1]):
        part = b.eqn(padded)
        if part is not None and type(part.op) in ops.WRITES and part.op.mode == "inc" \
                and _is_zero(b.producer, part.args[0]) and b.same_shape(v, padded) \
                and tensor(v).dtype == tensor(padded).dtype:
            return b.apply(part.op, v, *part.args[1:])
    return None


def _zeros_like(b: Rewriter, v: Var) -> Var:
    return b.apply(ops.Broadcast(), b.constant(0.0, "float64"), b.size(v, 0), b.size(v, 1))


def _sample_sum(b: Rewriter) -> Sample:
    x = b.input(TensorType("float64", (None, 7)))
    zeros, y = _zeros_like(b, x), b.map("exp", x)
    pads = [build.put(b, "inc", zeros, build.cut(b, y, i, j, axis=1), (ops.Item(), ops.Item(start=i, stop=j)))
            for i, j in ((0, 2), (2, 5), (5, None))]
    return (b.map("add", b.map("add", pads[1], pads[2]), pads[0]), b.map("add", pads[0], pads[1]),
            b.map("add", b.map("add", b.map("add", pads[1], x), pads[0]), pads[2]))


def _sample_added_in_turn(b: Rewriter) -> Sample:
    x, p = b.input(TensorType("float64", (None,))), b.input(TensorType("float64", (2,)))
    first = build.put(b, "inc", x, p, [ops.Item(stop=2)])
    return build.put(b, "inc", first, build.cut(b, b.map("square", x), 2), [ops.Item(start=2)])


def _sample_in_turn(b: Rewriter) -> Sample:
    x = b.input(TensorType("float64", (None, None)))
    both = b.apply(ops.Concat(1), x, x)
    parts = [b.map(fn, build.cut(b, both, k or None, step=2, axis=1)) for k, fn in enumerate(("exp", "neg"))]
    of_one_length = b.map("add", *parts)
    pads = [build.put(b, "inc", _zeros_like(b, both), p, (ops.Item(), ops.Item(start=k or None, step=2)))
            for k, p in enumerate(parts)]
    return b.map("add", *pads), of_one_length


def _sample_part(b: Rewriter) -> Sample:
    m, v = b.input(TensorType("float64", (None, None))), b.input(TensorType("float64", (None,)))
    first, last = [build.put(b, "inc", _zeros_like(b, m), v, [ops.Item(at=k)]) for k in (0, -1)]
    return b.map("add", m, first), b.map("add", b.map("add", first, m), last)


_ZERO = "only the sign of zeros differs: 0 + -0 is 0"
RULES = (
    Rule("sum_of_pieces", On(("add", *CHANGING), some=CHANGING, needs=CHANGING), _sum_of_pieces, exact=False, why=_ZERO,
         sample=(_sample_sum, _sample_added_in_turn, _sample_in_turn)),
)
# In the end, for pieces that were not joined: sums are looked at as they were written.
LATE = (
    Rule("added_part", On(("add",), some=ops.WRITES, needs=ops.WRITES), _added_part, exact=False, why=_ZERO,
         sample=_sample_part),
)


# ------------------------------------------------------------------------------------------- vectors that overlap


@record(eq=False)
class Rows:
    """Columns, each a vector `sources[k]` that is the sum of `parts[k]`, read row by row, without `first` elements at
    the beginning and `last` at the end."""

    sources: Sequence[Var]
    parts: Sequence[Sequence[Piece]]
    first: int = 0
    last: int = 0

    @property
    def start(self) -> int:
        """How many rows at the beginning some part does not reach, or are not taken whole."""
        return max(-(-self.first // len(self.parts)), *[p.start for parts in self.parts for p in parts])

    @property
    def end(self) -> int:
        """The same at the end."""
        return max(-(-self.last // len(self.parts)), *[p.end for parts in self.parts for p in parts])

    def are_few(self) -> bool:
        """Are some rows at the ends computed apart, but few?"""
        ends = self.start + self.end
        size = tensor(self.sources[0]).shape[0]
        return 0 < ends <= TARGET.ends and (size is None or size >= ends)


def join_pads(program: Program, state: State, table: Table) -> Program:
    """`program` with sums of padded vectors as joins; new equations pass through the rules of `table`."""
    if not any(type(eqn.op) in CHANGING or type(eqn.op) is ops.Reshape for eqn in program.eqns):
        return program
    found = _JoinSearch(program).found
    if not found:
        return program
    b = Rewriter(state, table, "pads", program)
    for eqn in program.eqns:
        rows = found.get(eqn.outs[0])
        if rows is None:
            b.adopt(eqn, tuple([state.latest(a) for a in eqn.args]))
            continue
        out = eqn.out
        b.sources = eqn.sources
        dims = state.sizes.dims[out]
        new = _rows_joined(b, rows, tensor(out).dtype)
        state.sizes.dims[new] = dims
        state.replaced[out] = new
        new.name = new.name or out.name
    state.next = b._next
    return b.program([state.latest(v) for v in program.outputs])


class _JoinSearch:
    """Result -> its rows, for the largest sums of vectors, some of them padded, and such sums side by side."""

    def __init__(self, program: Program) -> None:
        self.producer = program.producers()
        self.uses = program.use_counts()
        self.sums: dict[Var, list[Piece]] = {}
        self.rows: dict[Var, Rows] = {}
        for eqn in program.eqns:
            out = eqn.outs[0]
            if type(eqn.op) is ops.Reshape:
                self._row_by_row(eqn)
            elif len(getattr(out.type, "shape", ())) != 1:
                continue
            elif (items := reads(eqn.op)) is not None:
                part = _inside(items, eqn.args[0])
                if part is not None and part.value in self.rows and self.uses[part.value] == 1:
                    rows = self.rows.pop(part.value)        # without some elements at the ends
                    self.rows[out] = replace(rows, first=rows.first + part.start, last=rows.last + part.end)
            elif (eqn.op == ADD or type(eqn.op) in CHANGING) and out.type.dtype in dtypes.FLOATS:
                self._sum(eqn)
        self.found = {out: rows for out, rows in self.rows.items() if rows.are_few()}
        for out, rows in self.rows.items():
            if out not in self.found:
                self.sums.update(zip(rows.sources, map(list, rows.parts)))
        many = {out: Rows([out], [parts]) for out, parts in self.sums.items() if len(parts) > 1}
        spread = _spread(program, many) if many else set()
        self.found.update({out: rows for out, rows in many.items() if rows.are_few() and out not in spread})

    def _sum(self, eqn: Eqn) -> None:
        parts: list[Piece] = []
        new: list[Piece] = []
        items = changes(eqn.op)
        for a in eqn.args if items is None else eqn.args[:1]:
            if self.uses[a] == 1 and a in self.sums:
                more = self.sums.pop(a)
                parts = [*parts, *more] if parts else more
            elif items is None or not _is_zero(self.producer, a):
                new.append(Piece(a))
                parts.append(new[-1])
        if items is not None:
            part = _inside(items, eqn.args[1])
            if part is None or (eqn.op.mode == "set" and parts):
                return
            new.append(part)
            parts.append(part)
        if all(tensor(p.value).ndim == 1 and tensor(p.value).shape != (1,) for p in new):
            self.sums[eqn.out] = parts

    def _row_by_row(self, eqn: Eqn) -> None:
        """Vectors side by side, read row by row."""
        both = self.producer.get(eqn.args[0])
        if eqn.op != ops.Reshape(1) or both is None or both.op != ops.Concat(1) or self.uses[both.out] > 1:
            return
        columns = [self.producer[a] for a in both.args if a in self.producer]
        if len(columns) < len(both.args) or any(permutation(c.op) != (0, -1) for c in columns):
            return
        sources = [c.args[0] for c in columns]
        alone = [self.uses[v] == 1 == self.uses[a] for v, a in zip(sources, both.args)]
        self.rows[eqn.out] = Rows(sources, [self.sums.pop(v) if one and v in self.sums else [Piece(v)]
                                            for v, one in zip(sources, alone)])


def _spread(program: Program, vectors: Mapping[Var, Rows]) -> set[Var]:
    """Those of the vectors that are only spread over another axis, as a band of a dense matrix is.

    Most of the work is in that array then, and code for the ends of the vector costs more than it saves.
    """
    other = set(program.outputs)
    columns = {}
    for eqn in program.eqns:
        if -1 in (permutation(eqn.op) or ()):
            columns[eqn.out] = eqn.args[0]
        else:
            other.update(eqn.args if len(eqn.args) == 1 or not facts(eqn.op).elementwise else
                         [a for a in eqn.args if a not in columns])
    other.update([v for column, v in columns.items() if column in other])
    return {v for v in vectors if v not in other}


def _rows_joined(b: Rewriter, rows: Rows, dtype: str) -> Var:
    """The first rows, those that all parts reach, the last ones."""
    start, end, n, p = rows.start, rows.end, b.size(rows.sources[0], 0), len(rows.parts)
    columns = [[replace(part, value=b.cast(b.latest(part.value), dtype)) for part in parts] for parts in rows.parts]

    def read(vectors: Sequence[Var]) -> Var:
        """Vectors of one length, row by row."""
        return vectors[0] if p == 1 else _in_turn(b, vectors, 0, [b.map("mul", _int(b, p), b.size(vectors[0], 0))])

    made = [read([_sum(b, [_again(b, part.value, lambda v, part=part: _cut(b, v, start - part.start, end - part.end))
                           for part in parts]) for parts in columns])]
    if start:
        head = read([_head(b, parts, start, n) for parts in columns])
        made.insert(0, _first_rows(b, head, rows, n))
    if end:
        made.append(_cut(b, read([_tail(b, parts, start, end, n) for parts in columns]), 0, rows.last))
    return b.apply(ops.Concat(0), *made)


def _first_rows(b: Rewriter, head: Var, rows: Rows, n: Var) -> Var:
    """The first rows without what `rows` leaves out: if there are no others, that is the last elements as well."""
    p = len(rows.parts)
    stop = b.map("sub", b.map("mul", _int(b, p), n), _int(b, rows.last))
    stop = b.map("maximum", b.map("minimum", stop, _int(b, p * rows.start)), _int(b, 0))
    if not rows.last or (stop.data is not None and int(stop.data) == p * rows.start):
        return _cut(b, head, rows.first, 0)
    return build.index(b, head, [ops.Item(start=rows.first or None, stop=ops.DYNAMIC)], stop)


def _sum(b: Rewriter, terms: Sequence[Var]) -> Var:
    total = terms[0]
    for term in terms[1:]:
        total = b.map("add", total, term)
    return total


def _int(b: Rewriter, value: int) -> Var:
    return b.constant(value, "int64")


def _zeros(b: Rewriter, like: Var, n: Var) -> Var:
    return b.apply(ops.Broadcast(), b.like(0, like), n)


def _head(b: Rewriter, parts: Sequence[Piece], start: int, n: Var) -> Var:
    """The first min(start, n) elements."""
    size = b.map("minimum", n, _int(b, start))
    terms = []
    for p in parts:
        if p.start == start:
            continue
        value = _again(b, p.value, lambda v, p=p: build.cut(b, v, stop=start - p.start))
        if p.start or p.end:                # else it fills them
            stop = b.map("add", _int(b, p.start), b.size(value, 0))
            item = ops.Item(start=p.start or None, stop=ops.DYNAMIC)
            value = build.put(b, "inc", _zeros(b, value, size), value, [item], stop)
        terms.append(value)
    return _sum(b, terms) if terms else _zeros(b, parts[0].value, size)


def _tail(b: Rewriter, parts: Sequence[Piece], start: int, end: int, n: Var) -> Var:
    """The last `end` elements, without those of the head."""
    rest = b.map("maximum", b.map("sub", n, _int(b, start)), _int(b, 0))
    size = b.map("minimum", rest, _int(b, end))
    terms = []
    for p in parts:
        if p.end == end:
            continue
        first = b.map("sub", b.size(p.value, 0), _int(b, end - p.end))
        first = b.map("maximum", first, _int(b, start - p.start))
        value = _again(b, p.value, lambda v, first=first: build.index(b, v, [ops.Item(start=ops.DYNAMIC)], first))
        if p.end:
            value = build.put(b, "inc", _zeros(b, value, size), value, [ops.Item(stop=-p.end)])
        terms.append(value)
    return _sum(b, terms) if terms else _zeros(b, parts[0].value, size)


def _again(b: Rewriter, x: Var, cut: Callable[..., Var]) -> Var:
    """`cut(x)`, a slice of the vector x; where x is made by cheap operations, they are applied to slices."""
    left = TARGET.copies
    slices: dict[Var, Var] = {}

    def slice_of(v: Var, depth: int) -> Var:
        if tensor(v).shape in ((), (1,)):
            return v
        if v not in slices:
            slices[v] = made(v, depth)
        return slices[v]

    def made(v: Var, depth: int) -> Var:
        nonlocal left
        eqn = b.producer.get(v)
        if eqn is None or type(eqn.op) is not ops.Map or not again(eqn, TARGET.recompute) or not left \
                or depth == TARGET.copies or any(tensor(a).ndim > 1 for a in eqn.args):
            return cut(v)
        left -= 1
        return b.apply(eqn.op, *[slice_of(a, depth + 1) for a in eqn.args])

    return slice_of(x, 0)


def _cut(b: Rewriter, x: Var, start: int, end: int) -> Var:
    """The vector x without `start` elements at the beginning and `end` at the end."""
    eqn = b.producer.get(x)
    items = None if eqn is None else reads(eqn.op)
    part = None if eqn is None or items is None else _inside(items, eqn.args[0])
    if part is not None:                    # a slice of a slice
        x, start, end = part.value, start + part.start, end + part.end
    return build.cut(b, x, start or None, -end if end else None) if start or end else x
