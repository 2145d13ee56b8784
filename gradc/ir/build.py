"""Structural expressions, on graphs of Variables and in Programs alike: axes moved, parts read and written, sums.

`b` is anything that applies ops: `ir.graph` (the module), a Builder, a Rewriter, a Symbolic.  Types are checked by
`ir.infer` as for any op.  Not here: elementwise functions (`b.map`), casts and sizes (`b.cast`, `b.size`), and what
takes a user's arguments (`gradc.tensor`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Protocol, TypeVar

from gradc.ir import ops
from gradc.ir.types import HasType

V = TypeVar("V", bound=HasType)
Bound = Any                     # int, None, or an expression: an int64 scalar


class Applies(Protocol[V]):
    """What builds expressions."""

    def apply(self, op: ops.OneResult, /, *args: V) -> V: ...


class Measures(Applies[V], Protocol[V]):
    """What knows sizes as well: a constant where the type tells it."""

    def size(self, x: V, axis: int, /) -> V: ...


# ------------------------------------------------------------------------------------------------ axes


def dimshuffle(b: Applies[V], x: V, perm: Iterable[int]) -> V:
    """x with its axes in the order `perm`; -1 makes an axis of size 1, an axis of static size 1 may be left out."""
    return b.apply(ops.Transpose(tuple(perm)), x)


def reorder(b: Applies[V], x: V, perm: Iterable[int] | None) -> V:
    """As `dimshuffle`; x itself if nothing changes, or for None."""
    perm = None if perm is None else tuple(perm)
    return x if perm is None or perm == tuple(range(x.type.ndim)) else dimshuffle(b, x, perm)


def insert_axes(b: Applies[V], x: V, axes: Collection[int], ndim: int) -> V:
    """x with axes of size 1 put in at the positions `axes` of the result, which has `ndim` axes."""
    rest = iter(range(ndim))
    return reorder(b, x, [-1 if k in axes else next(rest) for k in range(ndim)])


def drop_axes(b: Applies[V], x: V, axes: Collection[int]) -> V:
    """x without `axes`, which are of static size 1."""
    return reorder(b, x, [k for k in range(x.type.ndim) if k not in axes])


def move_axis(b: Applies[V], x: V, source: int, target: int) -> V:
    """x with its axis `source` at `target`; the others keep their order."""
    order = [k for k in range(x.type.ndim) if k != source]
    return reorder(b, x, [*order[:target], source, *order[target:]])


def vector(b: Applies[V], x: V) -> V:
    """A scalar as a vector of one element."""
    return dimshuffle(b, x, (-1,))


def scalar(b: Applies[V], x: V) -> V:
    """The one element of x, whose axes are of static size 1."""
    return drop_axes(b, x, range(x.type.ndim))


# ----------------------------------------------------------------------------------------------- parts


def entry(at: Bound = None, start: Bound = None, stop: Bound = None, step: Bound = None) -> tuple[ops.Item, list[Any]]:
    """An entry of an index, of ints and expressions, and the expressions in it."""
    bounds = (at, start, stop, step)
    item = ops.Item(*[b if b is None or isinstance(b, int) else ops.DYNAMIC for b in bounds])
    return item, [b for b in bounds if b is not None and not isinstance(b, int)]


def index(b: Applies[V], x: V, items: Iterable[ops.Item], *dynamic: V) -> V:
    """x[items], a basic index; `dynamic` as in `ops.Item`."""
    return b.apply(ops.Slice(tuple(items)), x, *dynamic)


def take(b: Applies[V], x: V, at: Bound, axis: int = 0) -> V:
    """What stands at one position along `axis`."""
    item, dynamic = entry(at)
    return index(b, x, [*[ops.Item()] * axis, item], *dynamic)


def cut(b: Applies[V], x: V, start: Bound = None, stop: Bound = None, step: Bound = None, *, axis: int = 0) -> V:
    """x[start:stop:step] along `axis`."""
    item, dynamic = entry(None, start, stop, step)
    return index(b, x, [*[ops.Item()] * axis, item], *dynamic)


def put(b: Applies[V], mode: str, x: V, value: V, items: Iterable[ops.Item], *dynamic: V) -> V:
    """A copy of x in which the part x[items] is set to `value` ("set"), or it is added to it ("inc")."""
    return b.apply(ops.Scatter(mode, tuple(items)), x, value, *dynamic)


# ------------------------------------------------------------------------------------------------ sums


def fold(b: Applies[V], fn: str, x: V, axes: Iterable[int]) -> V:
    """x folded along `axes` by the binary row `fn`; the axes are gone."""
    return b.apply(ops.Reduce(fn, tuple(axes)), x)


def fold_all(b: Applies[V], fn: str, x: V) -> V:
    """All elements of x folded into one."""
    return fold(b, fn, x, range(x.type.ndim))


def contract(b: Applies[V], x: V, a: Sequence[int], y: V, c: Sequence[int], out: Sequence[int]) -> V:
    """The sum of x * y over the labels that are not in `out`; `a` and `c` are the labels of the axes of x and y."""
    return b.apply(ops.Contract(tuple(a), tuple(c), tuple(out)), x, y)


def call(routine: object, ranks: tuple[int, ...] = ()) -> ops.OpKind:
    """The op that calls a routine; `ranks` of the results whose sizes are its last arguments."""
    return ops.Call(routine, ranks)


# ------------------------------------------------------------------------------------- positions along an axis


def along(b: Measures[V], positions: V) -> list[V]:
    """The index arrays by which x is taken at `positions` along its last axis, a row of them for each row of x."""
    last = positions.type.ndim - 1
    rows = [b.apply(ops.Iota(), b.size(positions, axis)) for axis in range(last)]
    return [*[dimshuffle(b, row, [0 if k == axis else -1 for k in range(last + 1)]) for axis, row in enumerate(rows)],
            positions]


def take_along(b: Measures[V], x: V, positions: V) -> V:
    """x at `positions` along its last axis, a row of them for each row of x."""
    return b.apply(ops.Gather(tuple(range(x.type.ndim))), x, *along(b, positions))
