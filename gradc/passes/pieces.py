"""Rules: sums of arrays that are zero but for one piece each, the pieces side by side, are the pieces joined.

    zeros[:32] += p, plus zeros[32:64] += q, plus zeros[64:] += r    ->    join(p, q, r)
    x[:32] += p; x[32:] += q                                         ->    x + join(p, q)

The first is the gradient of a function that cuts its argument up (the gates of an LSTM), the second what adding that to
a sum gives.  Pieces are basic slices along one axis with bounds known when compiled.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from gradc.ir import ops
from gradc.ir.program import Eqn, Var
from gradc.ir.types import TensorType
from gradc.passes.pattern import Args, On, Rule

MOST = 64           # pieces of one sum
Piece = tuple[int, int, int | None, Var]        # axis, start, stop (None: to the end), value


def _piece(b: Any, eqn: Eqn) -> Piece | None:
    """The piece that a Scatter writes, if it is a whole slice along one axis."""
    x, value = eqn.args[:2]
    items = eqn.op.items            # type: ignore[attr-defined]
    axes = [k for k, item in enumerate(items) if not item.is_all]
    if len(axes) != 1 or len(eqn.args) != 2:
        return None
    axis, item = axes[0], items[axes[0]]
    start, stop = item.start or 0, item.stop
    if item.is_single or item.step not in (None, 1) or start < 0 or (stop is not None and stop <= start):
        return None
    mine, whole = value.type.shape, x.type.shape        # type: ignore[attr-defined]
    if len(mine) != len(whole) or any(s == 1 and (k == axis or whole[k] != 1) for k, s in enumerate(mine)):
        return None                 # it would be broadcast
    return axis, start, None if stop is not None and stop == whole[axis] else stop, value


def _joined(b: Any, pieces: Sequence[Piece], like: Var) -> Var | None:
    """The pieces as one array of the shape of `like`, if they cover an axis without a gap."""
    ordered = sorted(pieces, key=lambda piece: piece[1])
    if len(ordered) < 2 or len({piece[0] for piece in ordered}) > 1 or ordered[0][1] or ordered[-1][2] is not None:
        return None
    if any(before[2] != after[1] for before, after in pairwise(ordered)):
        return None
    made = b.apply(ops.Concat(ordered[0][0]), *[piece[3] for piece in ordered])
    b.sizes.dims[made.number] = b.dims(like)        # the slices of an axis add up to it
    return made


def _is_zero(b: Any, var: Var) -> bool:
    eqn = b.eqn(var, ops.Broadcast)
    return eqn is not None and eqn.args[0].data is not None and not eqn.args[0].data.any()


def _sum_of_pieces(b: Any, op: ops.Map, args: Args) -> Var | None:
    pieces: list[Piece] = []
    work = list(args)
    while work:
        var = work.pop()
        eqn = b.eqn(var)
        if eqn is None or not b.same_shape(var, args[0]):
            return None
        if type(eqn.op) is ops.Map and eqn.op.fn == "add" and len(work) < MOST:
            work.extend(eqn.args)
            continue
        piece = _piece(b, eqn) if type(eqn.op) is ops.Scatter and _is_zero(b, eqn.args[0]) else None
        if piece is None or len(pieces) == MOST:
            return None
        pieces.append(piece)
    return _joined(b, pieces, args[0])


def _pieces_added_in_turn(b: Any, op: ops.Scatter, args: Args) -> Var | None:
    if op.mode != "inc":
        return None
    pieces: list[Piece] = []
    eqn: Eqn | None = Eqn(op, tuple(args), ())
    while eqn is not None and type(eqn.op) is ops.Scatter and eqn.op.mode == "inc" and len(pieces) < MOST:
        piece = _piece(b, eqn)
        if piece is None:
            return None
        pieces.append(piece)
        base = eqn.args[0]
        eqn = b.eqn(base, ops.Scatter)
    made = _joined(b, pieces, base)
    return None if made is None else b.map("add", base, made)


def _sample_sum(b: Any) -> Any:
    x = b.input(TensorType("float64", (None, 7)))
    zeros = b.apply(ops.Broadcast(), b.constant(0.0, "float64"), b.size(x, 0), b.constant(7, "int64"))
    cuts = [(0, 2), (2, 5), (5, None)]
    parts = [b.apply(ops.Slice((ops.Item(), ops.Item(start=i, stop=j))), b.map("exp", x)) for i, j in cuts]
    pads = [b.apply(ops.Scatter("inc", (ops.Item(), ops.Item(start=i, stop=j))), zeros, p)
            for (i, j), p in zip(cuts, parts)]
    return (b.map("add", b.map("add", pads[1], pads[2]), pads[0]), b.map("add", pads[0], pads[1]))


def _sample_turn(b: Any) -> Any:
    x, p = b.input(TensorType("float64", (None,))), b.input(TensorType("float64", (2,)))
    first = b.apply(ops.Scatter("inc", (ops.Item(stop=2),)), x, p)
    rest = b.apply(ops.Slice((ops.Item(start=2),)), b.map("square", x))
    return b.apply(ops.Scatter("inc", (ops.Item(start=2),)), first, rest)


_ZERO = "only the sign of zeros differs: 0 + -0 is 0"
RULES = (
    Rule("sum_of_pieces", On(("add",), some=(ops.Scatter,), every=(ops.Scatter, "add")), _sum_of_pieces, exact=False,
         why=_ZERO, sample=_sample_sum),
    Rule("pieces_added_in_turn", On((ops.Scatter,), some=(ops.Scatter,)), _pieces_added_in_turn, exact=False,
         why=_ZERO, sample=_sample_turn),
)
