"""Rules: arrays that are put together from pieces, one scatter after the other, are the pieces joined.

    zeros[:32] += p, plus zeros[32:64] += q, plus zeros[64:] += r    ->    join(p, q, r)
    x[:32] += p; x[32:] += q                                         ->    x + join(p, q)
    z[::2] = p; z[1::2] = q                                          ->    reshape(stack([p, q], axis=1))

The first is the gradient of a function that cuts its argument up (the gates of an LSTM), the second what adding that to
a sum gives, the third how two sequences are woven.  Pieces are basic slices along one axis with bounds known when
compiled: ranges that lie side by side, or every p-th element from each of the first p on, all of one length.

What does not cover the whole is added where it belongs, in the end: one buffer for a sum of parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from gradc.ir import ops
from gradc.ir.program import Var, tensor
from gradc.ir.types import TensorType
from gradc.passes.pattern import Args, On, Rule, Sample
from gradc.record import record

if TYPE_CHECKING:
    from gradc.passes.rewrite import Rewriter

MOST = 64           # pieces of one sum


@record(eq=False)
class Piece:
    """`value` stands at start, start + step, ... up to `stop` (None: the end) of an axis."""

    axis: int
    start: int
    stop: int | None
    step: int
    value: Var


def _piece(b: Rewriter, op: ops.Scatter, args: Args) -> Piece | None:
    """What a Scatter writes, if it is a whole slice along one axis."""
    x, value = args[:2]
    axes = [k for k, item in enumerate(op.items) if not item.is_all]
    if len(axes) != 1 or len(args) != 2:
        return None
    axis, item = axes[0], op.items[axes[0]]
    start, stop, step = item.start or 0, item.stop, item.step or 1
    if item.is_single or step < 1 or start < 0 or (stop is not None and (stop <= start or step > 1)):
        return None
    mine, whole = value.type.shape, x.type.shape
    if len(mine) != len(whole) or any(s == 1 and (k == axis or whole[k] != 1) for k, s in enumerate(mine)):
        return None                 # it would be broadcast
    if stop is not None and stop == whole[axis]:
        stop = None
    return Piece(axis, start, stop, step, b.cast(value, x.type.dtype))


def _joined(b: Rewriter, pieces: Sequence[Piece], like: Var) -> Var | None:
    """The pieces as one array of the shape of `like`, if they cover an axis and don't overlap."""
    if len(pieces) < 2 or len({(piece.axis, piece.step) for piece in pieces}) > 1:
        return None
    ordered = sorted(pieces, key=lambda piece: piece.start)
    axis, step = ordered[0].axis, ordered[0].step
    if step > 1:
        if [piece.start for piece in ordered] != list(range(step)) \
                or len({b.dims(piece.value)[axis] for piece in ordered}) > 1:
            return None
        made = _woven(b, axis, ordered, like)
    elif ordered[0].start or ordered[-1].stop is not None or any(p.stop != q.start for p, q in pairwise(ordered)):
        return None
    else:
        made = b.apply(ops.Concat(axis), *[piece.value for piece in ordered])
    b.sizes.dims[made] = b.dims(like)        # the slices of an axis add up to it
    return made


def _woven(b: Rewriter, axis: int, pieces: Sequence[Piece], like: Any) -> Var:
    """One element of each piece in turn."""
    ndim = like.type.ndim
    column = ops.Transpose((*range(axis + 1), -1, *range(axis + 1, ndim)))
    both = b.apply(ops.Concat(axis + 1), *[b.apply(column, piece.value) for piece in pieces])
    return b.apply(ops.Reshape(ndim), both, *[b.size(like, k) for k in range(ndim)])


def _is_zero(b: Rewriter, var: Var) -> bool:
    eqn = b.eqn(var, ops.Broadcast)
    return eqn is not None and eqn.args[0].data is not None and not eqn.args[0].data.any()


def _sum_of_pieces(b: Rewriter, op: Any, args: Args) -> Var | None:
    """Pieces that are added, side by side or in turn, to zeros or to one other value."""
    if type(op) is ops.Scatter and op.mode != "inc":
        return None
    pieces: list[Piece] = []
    bases: list[Var] = []
    like = next(a for a in args if b.kinds[a.number] is ops.Scatter)
    work: list[tuple[Any, Args]] = [(op, args)]
    while work:
        op, args = work.pop()
        if type(op) is ops.Scatter:
            piece = _piece(b, op, args)
            if piece is None or len(pieces) == MOST:
                return None
            pieces.append(piece)
            args = args[:1]
        for a in args:
            eqn = b.eqn(a)
            if not b.same_shape(a, like):
                return None
            if eqn is not None and len(work) < MOST \
                    and (eqn.op == _ADD or (type(eqn.op) is ops.Scatter and eqn.op.mode == "inc")):
                work.append((eqn.op, eqn.args))
            elif not _is_zero(b, a):
                bases.append(a)
        if len(bases) > 1:
            return None
    made = _joined(b, pieces, like)
    return made if made is None or not bases else b.map("add", bases[0], made)


def _set_in_turn(b: Rewriter, op: ops.Scatter, args: Args) -> Var | None:
    """Pieces that are written one after the other; what was there before does not matter."""
    pieces: list[Piece] = []
    while op.mode == "set" and len(pieces) < MOST:
        piece = _piece(b, op, args)
        if piece is None:
            return None
        pieces.append(piece)
        made = _joined(b, pieces, args[0])
        if made is not None:
            return made
        eqn = b.eqn(args[0], ops.Scatter)
        if eqn is None:
            return None
        op, args = eqn.op, eqn.args
    return None


def _added_part(b: Rewriter, op: ops.Map, args: Args) -> Var | None:
    """x + (zeros with v added to a part) -> x with v added to the part."""
    for v, padded in (args, args[::-1]):
        part = b.eqn(padded)
        if part is not None and type(part.op) in ops.WRITES and part.op.mode == "inc" \
                and _is_zero(b, part.args[0]) and b.same_shape(v, padded) and tensor(v).dtype == tensor(padded).dtype:
            return b.apply(part.op, v, *part.args[1:])
    return None


_ADD = ops.Map("add")


def _zeros(b: Rewriter, v: Var) -> Var:
    return b.apply(ops.Broadcast(), b.constant(0.0, "float64"), b.size(v, 0), b.size(v, 1))


def _sample_sum(b: Rewriter) -> Sample:
    x = b.input(TensorType("float64", (None, 7)))
    zeros = _zeros(b, x)
    cuts = [(0, 2), (2, 5), (5, None)]
    parts = [b.apply(ops.Slice((ops.Item(), ops.Item(start=i, stop=j))), b.map("exp", x)) for i, j in cuts]
    pads = [b.apply(ops.Scatter("inc", (ops.Item(), ops.Item(start=i, stop=j))), zeros, p)
            for (i, j), p in zip(cuts, parts)]
    return (b.map("add", b.map("add", pads[1], pads[2]), pads[0]), b.map("add", pads[0], pads[1]),
            b.map("add", b.map("add", b.map("add", pads[1], x), pads[0]), pads[2]))


def _sample_added_in_turn(b: Rewriter) -> Sample:
    x, p = b.input(TensorType("float64", (None,))), b.input(TensorType("float64", (2,)))
    first = b.apply(ops.Scatter("inc", (ops.Item(stop=2),)), x, p)
    rest = b.apply(ops.Slice((ops.Item(start=2),)), b.map("square", x))
    return b.apply(ops.Scatter("inc", (ops.Item(start=2),)), first, rest)


def _sample_woven(b: Rewriter) -> Sample:
    x = b.input(TensorType("float64", (None, None)))
    every = [(ops.Item(), ops.Item(start=k or None, step=2)) for k in (0, 1)]
    both = b.apply(ops.Concat(1), x, x)
    parts = [b.map(fn, b.apply(ops.Slice(items), both)) for fn, items in zip(("exp", "neg"), every)]
    b.map("add", *parts)            # of one length, then
    pads = [b.apply(ops.Scatter("inc", items), _zeros(b, both), p) for items, p in zip(every, parts)]
    first = b.apply(ops.Scatter("set", every[1]), b.map("exp", both), parts[1])
    return (b.map("add", *pads), b.apply(ops.Scatter("set", every[0]), first, parts[0]), b.map("add", *parts))


def _sample_part(b: Rewriter) -> Sample:
    m, v = b.input(TensorType("float64", (None, None))), b.input(TensorType("float64", (None,)))
    first = b.apply(ops.Scatter("inc", (ops.Item(at=0),)), _zeros(b, m), v)
    last = b.apply(ops.Scatter("inc", (ops.Item(at=-1),)), _zeros(b, m), v)
    return b.map("add", m, first), b.map("add", b.map("add", first, m), last)


_ZERO = "only the sign of zeros differs: 0 + -0 is 0"
RULES = (
    Rule("sum_of_pieces", On(("add", ops.Scatter), some=(ops.Scatter,), needs=(ops.Scatter,)), _sum_of_pieces,
         exact=False, why=_ZERO, sample=(_sample_sum, _sample_added_in_turn, _sample_woven)),
    Rule("pieces_set_in_turn", On((ops.Scatter,), first=(ops.Scatter,)), _set_in_turn, sample=_sample_woven),
)
# In the end, for pieces that were not joined: sums are looked at as they were written.
LATE = (
    Rule("added_part", On(("add",), some=ops.WRITES, needs=ops.WRITES), _added_part, exact=False,
         why=_ZERO, sample=_sample_part),
)
