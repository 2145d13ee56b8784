"""Sums of vectors that were put into zeros at shifted places, `zeros[1:] += p` plus `zeros[:-1] += q`, in one pass.

The gradient of a function of neighbours, x[1:] and x[:-1], is such a sum.  As it stands each part is a buffer of zeros
that is written twice and read again.  Here the positions that all parts reach become one elementwise expression of the
parts' slices, and what is left of them at both ends, a few elements, is joined to it:

    zeros[1:] += p, plus zeros[:-1] += q    ->    join(q[:1], p[:-1] + q[1:], p[-1:])

The same for several such sums of one length that stand side by side, element i of each in row i, and are then read row
by row (the entries of a banded matrix): `stack([p, q], axis=1).flatten()[1:]`, which is the first rows, the rows that
all parts reach, the last rows.

Slices go through cheap elementwise operations down to what is stored, so that parts are computed again rather than
stored.  In and out: a Program; values are the same but for the sign of zeros.  No rule, because it needs the whole sum.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gradc.ir import dtypes, ops
from gradc.ir.facts import facts, weight
from gradc.ir.program import Eqn, Program, Var
from gradc.passes.pattern import Table
from gradc.passes.rewrite import Rewriter, State
from gradc.record import record, replace

ENDS = 16           # elements at an end beyond which a sum is left as it is
AGAIN = 24          # cheap operations that are computed again for one part
_ADD = ops.Map("add")
_COLUMN, _BESIDE, _FLAT = ops.Transpose((0, -1)), ops.Concat(1), ops.Reshape(1)
_FROM = ops.Slice((ops.Item(start=ops.DYNAMIC),))


@record(eq=False)
class Part:
    """A vector whose first element stands at `start`, the last one `end` before the end."""

    value: Var
    start: int
    end: int


@record(eq=False)
class Rows:
    """Columns, each a vector `sources[k]` that is the sum of `parts[k]`, read row by row, without `first` elements at
    the beginning and `last` at the end."""

    sources: Sequence[Var]
    parts: Sequence[Sequence[Part]]
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


def join_pads(program: Program, state: State, table: Table) -> Program:
    """`program` with sums of padded vectors as joins; new equations pass through the rules of `table`."""
    if not any(type(eqn.op) in (ops.Scatter, ops.Reshape) for eqn in program.eqns):
        return program
    found = _Search(program).found
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
        new = _joined(b, rows, out)
        state.sizes.dims[new] = dims
        state.replaced[out] = new
        new.name = new.name or out.name
    state.next = b._next
    return b.program([state.latest(v) for v in program.outputs])


# -------------------------------------------------------------------------------------------- what is joined


class _Search:
    """Result -> its rows, for the largest sums of vectors, some of them padded, and such sums side by side."""

    def __init__(self, program: Program) -> None:
        self.producer = program.producers()
        self.uses = program.use_counts()
        self.sums: dict[Var, list[Part]] = {}
        self.woven: dict[Var, Rows] = {}
        for eqn in program.eqns:
            out: Any = eqn.outs[0]
            if type(eqn.op) is ops.Reshape:
                self._weave(eqn)
            elif len(getattr(out.type, "shape", ())) != 1:
                continue
            elif type(eqn.op) is ops.Slice:
                self._shorten(eqn)
            elif (eqn.op == _ADD or type(eqn.op) is ops.Scatter) and out.type.dtype in dtypes.FLOATS:
                self._sum(eqn)
        self.found = {out: rows for out, rows in self.woven.items() if _worth(rows)}
        for out, rows in self.woven.items():
            if out not in self.found:
                self.sums.update(zip(rows.sources, map(list, rows.parts)))
        many = [out for out, parts in self.sums.items() if len(parts) > 1]
        spread = _spread(program, many) if many else set()
        for out in many:
            rows = Rows([out], [self.sums[out]])
            if _worth(rows) and out not in spread:
                self.found[out] = rows

    def _sum(self, eqn: Eqn) -> None:
        parts: list[Part] = []
        new: list[Part] = []
        scatter = type(eqn.op) is ops.Scatter
        for a in eqn.args[:1] if scatter else eqn.args:
            if self.uses[a] == 1 and a in self.sums:
                more = self.sums.pop(a)
                parts = [*parts, *more] if parts else more
            elif not scatter or not self._is_zeros(a):
                new.append(Part(a, 0, 0))
                parts.append(new[-1])
        if scatter:
            part = _pad(eqn)
            if part is None or (eqn.op.mode == "set" and parts):
                return
            new.append(part)
            parts.append(part)
        if all(len(p.value.type.shape) == 1 and p.value.type.shape != (1,) for p in new):
            self.sums[eqn.out] = parts

    def _weave(self, eqn: Eqn) -> None:
        """Vectors side by side, read row by row."""
        both = self.producer.get(eqn.args[0])
        if eqn.op != _FLAT or both is None or both.op != _BESIDE or self.uses[both.out] > 1:
            return
        columns = [self.producer.get(a) for a in both.args]
        if any(c is None or c.op != _COLUMN for c in columns):
            return
        sources = [c.args[0] for c in columns]  # type: ignore[union-attr]
        alone = [self.uses[v] == 1 == self.uses[a] for v, a in zip(sources, both.args)]
        self.woven[eqn.out] = Rows(sources, [self.sums.pop(v) if one and v in self.sums else [Part(v, 0, 0)]
                                             for v, one in zip(sources, alone)])

    def _shorten(self, eqn: Eqn) -> None:
        """Without some elements at the ends."""
        margins = margins_of(eqn.op.items)
        if eqn.args[0] in self.woven and self.uses[eqn.args[0]] == 1 and margins is not None:
            rows = self.woven.pop(eqn.args[0])
            self.woven[eqn.out] = replace(rows, first=rows.first + margins[0], last=rows.last + margins[1])

    def _is_zeros(self, v: Var) -> bool:
        while v.data is None:
            if v not in self.producer or type(self.producer[v].op) is not ops.Broadcast:
                return False
            v = self.producer[v].args[0]
        return not v.data.any()


def _spread(program: Program, vectors: Sequence[Var]) -> set[Var]:
    """Those of the vectors that are only spread over another axis, as a band of a dense matrix is.

    Most of the work is in that array then, and code for the ends of the vector costs more than it saves.
    """
    other = set(program.outputs)
    columns = {}
    for eqn in program.eqns:
        if type(eqn.op) is ops.Transpose and -1 in eqn.op.perm:
            columns[eqn.out] = eqn.args[0]
        else:
            other.update(eqn.args if len(eqn.args) == 1 or not facts(eqn.op).elementwise else
                         [a for a in eqn.args if a not in columns])
    other.update([v for column, v in columns.items() if column in other])
    return {v for v in vectors if v not in other}


def _pad(eqn: Eqn) -> Part | None:
    """The vector that a Scatter puts at a range with fixed distances from both ends."""
    value: Any = eqn.args[1]
    margins = margins_of(eqn.op.items)
    return None if margins is None or value.type.shape in ((), (1,)) else Part(value, *margins)


def _worth(rows: Rows) -> bool:
    ends = rows.start + rows.end
    size = rows.sources[0].type.shape[0]
    return 0 < ends <= ENDS and (size is None or size >= ends)


# ------------------------------------------------------------------------------------------------- the joins


def _joined(b: Rewriter, rows: Rows, out: Any) -> Var:
    """The first rows, those that all parts reach, the last ones."""
    start, end, n = rows.start, rows.end, b.size(rows.sources[0], 0)
    columns = [[Part(b.cast(b.latest(part.value), out.type.dtype), part.start, part.end) for part in parts]
               for parts in rows.parts]
    pieces = []
    if start:
        head = _woven(b, [_head(b, parts, start, n) for parts in columns])
        pieces.append(_without(b, head, rows, n))
    pieces.append(_woven(b, [_middle(b, parts, start, end) for parts in columns]))
    if end:
        tail = _woven(b, [_tail(b, parts, start, end, n) for parts in columns])
        pieces.append(_cut(b, tail, 0, rows.last))
    return b.apply(ops.Concat(0), *pieces)


def _woven(b: Rewriter, columns: Sequence[Var]) -> Var:
    """Vectors of one length, read row by row."""
    if len(columns) == 1:
        return columns[0]
    both = b.apply(_BESIDE, *[b.apply(_COLUMN, v) for v in columns])
    return b.apply(_FLAT, both, b.map("mul", _int(b, len(columns)), b.size(columns[0], 0)))


def _without(b: Rewriter, head: Var, rows: Rows, n: Var) -> Var:
    """The first rows without what `rows` leaves out: if there are no others, that is the last elements as well."""
    p = len(rows.parts)
    stop = b.map("sub", b.map("mul", _int(b, p), n), _int(b, rows.last))
    stop = b.map("maximum", b.map("minimum", stop, _int(b, p * rows.start)), _int(b, 0))
    if not rows.last or (stop.data is not None and int(stop.data) == p * rows.start):
        return _cut(b, head, rows.first, 0)
    return b.apply(ops.Slice((ops.Item(start=rows.first or None, stop=ops.DYNAMIC),)), head, stop)


def _sum(b: Rewriter, terms: Sequence[Var]) -> Var:
    total = terms[0]
    for term in terms[1:]:
        total = b.map("add", total, term)
    return total


def _int(b: Rewriter, value: int) -> Var:
    return b.constant(value, "int64")


def _zeros(b: Rewriter, like: Var, n: Var) -> Var:
    return b.apply(ops.Broadcast(), b.like(0, like), n)


def _middle(b: Rewriter, parts: Sequence[Part], start: int, end: int) -> Var:
    """The elements without so many at the ends."""
    return _sum(b, [_again(b, p.value, lambda v, p=p: _cut(b, v, start - p.start, end - p.end))  # type: ignore[misc]
                    for p in parts])


def _head(b: Rewriter, parts: Sequence[Part], start: int, n: Var) -> Var:
    """The first min(start, n) elements."""
    size = b.map("minimum", n, _int(b, start))
    terms = []
    for p in parts:
        if p.start == start:
            continue
        first = ops.Slice((ops.Item(stop=start - p.start),))
        value = _again(b, p.value, lambda v, first=first: b.apply(first, v))  # type: ignore[misc]
        if p.start or p.end:                # else it fills them
            stop = b.map("add", _int(b, p.start), b.size(value, 0))
            item = ops.Item(start=p.start or None, stop=ops.DYNAMIC)
            value = b.apply(ops.Scatter("inc", (item,)), _zeros(b, value, size), value, stop)
        terms.append(value)
    return _sum(b, terms) if terms else _zeros(b, parts[0].value, size)


def _tail(b: Rewriter, parts: Sequence[Part], start: int, end: int, n: Var) -> Var:
    """The last `end` elements, without those of the head."""
    rest = b.map("maximum", b.map("sub", n, _int(b, start)), _int(b, 0))
    size = b.map("minimum", rest, _int(b, end))
    terms = []
    for p in parts:
        if p.end == end:
            continue
        first = b.map("sub", b.size(p.value, 0), _int(b, end - p.end))
        first = b.map("maximum", first, _int(b, start - p.start))
        value = _again(b, p.value, lambda v, first=first: b.apply(_FROM, v, first))  # type: ignore[misc]
        if p.end:
            value = b.apply(ops.Scatter("inc", (ops.Item(stop=-p.end),)), _zeros(b, value, size), value)
        terms.append(value)
    return _sum(b, terms) if terms else _zeros(b, parts[0].value, size)


def _again(b: Rewriter, x: Var, cut: Callable[[Var], Var]) -> Var:
    """`cut(x)`, a slice of the vector x; where x is made by cheap operations, they are applied to slices."""
    budget = [AGAIN]
    slices: dict[Var, Var] = {}

    def slice_of(v: Any, depth: int) -> Var:
        if not v.type.shape or v.type.shape == (1,):
            return v
        if v not in slices:
            slices[v] = made(v, depth)
        return slices[v]

    def made(v: Var, depth: int) -> Var:
        eqn = b.producer.get(v)
        if eqn is not None and type(eqn.op) is ops.Map and weight(eqn.op) <= 1 and depth < AGAIN \
                and budget[0] and all(len(a.type.shape) <= 1 for a in eqn.args):
            budget[0] -= 1
            return b.map(eqn.op.fn, *[slice_of(a, depth + 1) for a in eqn.args])
        return cut(v)

    return slice_of(x, 0)


def _cut(b: Rewriter, x: Var, start: int, end: int) -> Var:
    """The vector x without `start` elements at the beginning and `end` at the end."""
    eqn = b.producer.get(x)
    if eqn is not None and type(eqn.op) is ops.Slice:
        margins = margins_of(eqn.op.items)
        if margins is not None:             # a slice of a slice
            x, start, end = eqn.args[0], start + margins[0], end + margins[1]
    if not start and not end:
        return x
    return b.apply(ops.Slice((ops.Item(start=start or None, stop=-end if end else None),)), x)


def margins_of(items: ops.Items) -> tuple[int, int] | None:
    """How many elements a range of a vector leaves out at both ends, if these are known numbers."""
    if len(items) != 1 or items[0].is_single or items[0].step not in (None, 1):
        return None
    start, stop = items[0].start or 0, items[0].stop
    if ops.DYNAMIC in (start, stop) or start < 0 or (stop is not None and stop >= 0):
        return None
    return start, -(stop or 0)
