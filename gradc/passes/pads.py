"""Sums of vectors that were put into zeros at shifted places, `zeros[1:] += p` plus `zeros[:-1] += q`, in one pass.

The gradient of a function of neighbours, x[1:] and x[:-1], is such a sum.  As it stands each part is a buffer of zeros
that is written twice and read again.  Here the positions that all parts reach become one elementwise expression of the
parts' slices, and what is left of them at both ends, a few elements, is joined to it:

    zeros[1:] += p, plus zeros[:-1] += q    ->    join(q[:1], p[:-1] + q[1:], p[-1:])

Slices go through cheap elementwise operations down to what is stored, so that parts are computed again rather than
stored.  In and out: a Program; values are the same but for the sign of zeros.  No rule, because it needs the whole sum.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gradc.ir import dtypes, ops
from gradc.ir.program import Eqn, Program, Var
from gradc.ir.scalars import get_row
from gradc.passes.pattern import Table
from gradc.passes.rewrite import Rewriter, State
from gradc.record import record

ENDS = 16           # elements at an end beyond which a sum is left as it is
AGAIN = 24          # cheap operations that are computed again for one part
_ADD = ops.Map("add")
_FROM = ops.Slice((ops.Item(start=ops.DYNAMIC),))


@record(eq=False)
class Part:
    """A vector whose first element stands at `start`, the last one `end` before the end."""

    value: Var
    start: int
    end: int


def join_pads(program: Program, state: State, table: Table) -> Program:
    """`program` with sums of padded vectors as joins; new equations pass through the rules of `table`."""
    producer = program.producers()
    uses = program.use_counts()
    sums = {out: parts for out, parts in _sums(program, producer, uses).items() if _worth(parts, out)}
    if not sums:
        return program
    b = Rewriter(state, table, "pads", program)
    for eqn in program.eqns:
        parts = sums.get(eqn.outs[0])
        if parts is None:
            b.adopt(eqn, tuple([state.latest(a) for a in eqn.args]))
            continue
        out = eqn.out
        b.sources = eqn.sources
        dims = state.sizes.dims[out.number]
        new = _joined(b, [Part(state.latest(p.value), p.start, p.end) for p in parts], out, b.size(out, 0))
        state.sizes.dims[new.number] = dims
        state.replaced[out] = new
        new.name = new.name or out.name
    state.next = b._next
    return b.program([state.latest(v) for v in program.outputs])


def _sums(program: Program, producer: dict[Var, Eqn], uses: dict[Var, int]) -> dict[Var, list[Part]]:
    """Result -> its parts, for the largest sums of vectors, some of them padded."""
    found: dict[Var, list[Part]] = {}
    for eqn in program.eqns:
        out: Any = eqn.outs[0]
        if eqn.op != _ADD and type(eqn.op) is not ops.Scatter:
            continue
        if len(out.type.shape) != 1 or out.type.dtype not in dtypes.FLOATS:
            continue
        parts: list[Part] = []
        for a in eqn.args[:1] if type(eqn.op) is ops.Scatter else eqn.args:
            if uses[a] == 1 and a in found:
                parts += found.pop(a)
            elif type(eqn.op) is not ops.Scatter or not _is_zeros(a, producer):
                parts.append(Part(a, 0, 0))
        if type(eqn.op) is ops.Scatter:
            part = _pad(eqn)
            if part is None or (eqn.op.mode == "set" and parts):
                continue
            parts.append(part)
        if all(len(p.value.type.shape) == 1 for p in parts):  # type: ignore[attr-defined]
            found[out] = parts
    return found


def _pad(eqn: Eqn) -> Part | None:
    """The vector that a Scatter puts at a range with fixed distances from both ends."""
    value: Any = eqn.args[1]
    margins = margins_of(eqn.op.items)  # type: ignore[attr-defined]
    return None if margins is None or value.type.shape in ((), (1,)) else Part(value, *margins)


def _is_zeros(v: Var, producer: dict[Var, Eqn]) -> bool:
    while v.data is None:
        if v not in producer or type(producer[v].op) is not ops.Broadcast:
            return False
        v = producer[v].args[0]
    return not v.data.any()


def _worth(parts: Sequence[Part], out: Any) -> bool:
    start, end = max(p.start for p in parts), max(p.end for p in parts)
    size = out.type.shape[0]
    return 1 < len(parts) and 0 < start + end <= ENDS and (size is None or size >= start + end)


def _joined(b: Rewriter, parts: Sequence[Part], out: Var, n: Var) -> Var:
    """The sum of `parts`, a vector of n elements."""
    start, end = max(p.start for p in parts), max(p.end for p in parts)
    pieces = [_head(b, parts, start, n)] if start else []
    pieces.append(_sum(b, [_again(b, p.value, lambda v, p=p: _cut(b, v, start - p.start, end - p.end))  # type: ignore
                           for p in parts]))
    if end:
        pieces.append(_tail(b, parts, start, end, n))
    return b.apply(ops.Concat(0), *pieces)  # type: ignore[no-any-return]


def _sum(b: Rewriter, terms: Sequence[Var]) -> Var:
    total = terms[0]
    for term in terms[1:]:
        total = b.map("add", total, term)
    return total


def _int(b: Rewriter, value: int) -> Var:
    return b.constant(value, "int64")


def _zeros(b: Rewriter, like: Var, n: Var) -> Var:
    return b.apply(ops.Broadcast(), b.like(0, like), n)  # type: ignore[no-any-return]


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
            return v  # type: ignore[no-any-return]
        if v not in slices:
            slices[v] = made(v, depth)
        return slices[v]

    def made(v: Var, depth: int) -> Var:
        eqn = b.producer.get(v)
        if eqn is not None and type(eqn.op) is ops.Map and get_row(eqn.op.fn).weight <= 1 and depth < AGAIN \
                and budget[0] and all(len(a.type.shape) <= 1 for a in eqn.args):  # type: ignore[attr-defined]
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
    return b.apply(ops.Slice((ops.Item(start=start or None, stop=-end if end else None),)), x)  # type: ignore[no-any-return]


def margins_of(items: ops.Items) -> tuple[int, int] | None:
    """How many elements a range of a vector leaves out at both ends, if these are known numbers."""
    if len(items) != 1 or items[0].is_single or items[0].step not in (None, 1):
        return None
    start, stop = items[0].start or 0, items[0].stop
    if ops.DYNAMIC in (start, stop) or start < 0 or (stop is not None and stop >= 0):
        return None
    return start, -(stop or 0)
