"""Rules that bring views to one form: Transpose, Broadcast, Reshape, Slice, Concat, Scatter; exact."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradc.ir import ops
from gradc.ir.program import Var
from gradc.ir.types import TensorType
from gradc.passes.pattern import Args, On, Rule, Sample, matrix, result_type

if TYPE_CHECKING:
    from gradc.passes.rewrite import Rewriter


def _transpose(b: Rewriter, op: ops.Transpose, args: Args) -> Var | None:
    v = args[0]
    shape = v.type.shape
    if len(op.perm) == len(shape) and all(p == k or (p < 0 and shape[k] == 1) for k, p in enumerate(op.perm)):
        return v            # also: an axis of size 1 is dropped and made again at its place
    inner = b.eqn(v, ops.Transpose)
    if inner is not None:
        return b.apply(ops.Transpose(tuple(-1 if p < 0 else inner.op.perm[p] for p in op.perm)), inner.args[0])
    inner = b.eqn(v, ops.Broadcast)
    if inner is not None and not inner.args[0].type.ndim:
        sizes = [b.constant(1, "int64") if p < 0 else inner.args[1 + p] for p in op.perm]
        return b.apply(ops.Broadcast(), inner.args[0], *sizes)
    inner = b.eqn(v, "neg")
    if inner is not None:
        return b.map("neg", b.apply(op, inner.args[0]))
    return None


def _broadcast(b: Rewriter, op: ops.Broadcast, args: Args) -> Var | None:
    v = args[0]
    want = result_type(op, args)
    dims = b.sizes.shape(op, args)
    if b.sizes.equal(b.dims(v), dims) and v.type.broadcastable == want.broadcastable:
        return v
    inner = b.eqn(v, ops.Broadcast)
    if inner is not None:
        return b.apply(op, inner.args[0], *args[1:])
    return None


def _reshape(b: Rewriter, op: ops.Reshape, args: Args) -> Var | None:
    v = args[0]
    want = result_type(op, args)
    dims = b.sizes.shape(op, args)
    have = b.dims(v)
    if b.sizes.equal(have, dims) and v.type.broadcastable == want.broadcastable:
        return v
    inner = b.eqn(v, ops.Reshape)
    if inner is not None:
        return b.apply(op, inner.args[0], *args[1:])
    inner = b.eqn(v, ops.Broadcast)
    if inner is not None and not inner.args[0].type.ndim and None not in want.shape and None not in v.type.shape:
        return b.apply(ops.Broadcast(), inner.args[0], *args[1:])
    old = [k for k, s in enumerate(v.type.shape) if s != 1]
    new = [k for k, s in enumerate(want.shape) if s != 1]
    if b.sizes.equal(tuple(have[k] for k in old), tuple(dims[k] for k in new)):
        source = dict(zip(new, old))        # only axes of size 1 come or go
        return b.apply(ops.Transpose(tuple(source.get(k, -1) for k in range(len(dims)))), v)
    return None


def _slice(b: Rewriter, op: ops.Slice, args: Args) -> Var | None:
    v = args[0]
    if all(item.is_all for item in op.items):
        return v
    kind = b.kinds[v.number]
    if kind is ops.Broadcast:
        inner = b.eqn(v)
        if not inner.args[0].type.ndim and not _may_fail(b, op, v):
            dims = b.sizes.shape(op, args)
            return b.broadcast(inner.args[0], dims)
    elif kind is ops.Transpose:
        inner = b.eqn(v)
        if inner.op.perm == (-1,) and len(op.items) == 1 and op.items[0].is_single and op.items[0].at in (0, -1):
            return inner.args[0]
    elif kind is ops.Concat:
        return _slice_concat(b, op, v)
    return None


def _slice_to_size(b: Rewriter, op: ops.Slice, args: Args) -> Var | None:
    """x[:n] -> x[:] along axes of size n."""
    items: list[ops.Item] = []
    dynamic: list[Var] = []
    rest = iter(args[1:])
    for item, dim in zip(op.items, b.dims(args[0])):
        taken = [next(rest) for bound in item.bounds() if bound is ops.DYNAMIC]
        if item.stop is ops.DYNAMIC and item.start in (None, 0) and item.step in (None, 1) \
                and b.sizes.value(taken[0]) == dim:
            items.append(ops.Item())
        else:
            items.append(item)
            dynamic += taken
    return b.apply(ops.Slice(tuple(items)), args[0], *dynamic) if len(dynamic) < len(args) - 1 else None


def _may_fail(b: Rewriter, op: ops.Slice, v: Var) -> bool:
    """Can one of the single positions be out of bounds?"""
    return any(item.is_single and not (isinstance(item.at, int) and size is not None)
               for item, size in zip(op.items, v.type.shape))


def _slice_concat(b: Rewriter, op: ops.Slice, v: Var) -> Var | None:
    """x.shape[0] and the like: one position, or a plain range, of a join of parts of known sizes."""
    inner = b.eqn(v)
    axis = inner.op.axis
    if len(op.items) <= axis:
        return None
    parts = [a.type.shape[axis] for a in inner.args]
    item = op.items[axis]
    if None in parts or ops.DYNAMIC in item.bounds() or not all(i.is_all for k, i in enumerate(op.items) if k != axis):
        return None
    total = sum(parts)
    starts = [sum(parts[:k]) for k in range(len(parts))]

    def items(new: ops.Item) -> ops.Slice:
        return ops.Slice((ops.Item(),) * axis + (new,))

    if item.is_single:
        at = item.at + total if item.at < 0 else item.at
        k = max(k for k, start in enumerate(starts) if start <= at and (parts[k] or k == 0))
        return b.apply(items(ops.Item(at=at - starts[k])), inner.args[k])
    start, stop, step = slice(*item.bounds()).indices(total)
    if step != 1:
        return None
    kept = []
    for a, begin, n in zip(inner.args, starts, parts):
        lo, hi = max(start - begin, 0), min(stop - begin, n)
        if lo < hi:
            kept.append(a if (lo, hi) == (0, n) else b.apply(items(ops.Item(start=lo, stop=hi)), a))
    if not kept:
        return None
    return kept[0] if len(kept) == 1 else b.apply(inner.op, *kept)


def _concat(b: Rewriter, op: ops.Concat, args: Args) -> Var | None:
    if len(args) == 1:
        return args[0]
    if not any(b.kinds[a.number] is ops.Concat for a in args):
        return None
    flat: list[Var] = []
    for a in args:
        inner = b.eqn(a, ops.Concat)
        if inner is not None and inner.op == op and len(inner.args) <= 16:
            flat.extend(inner.args)
        else:
            flat.append(a)
    if len(flat) == len(args) or len(flat) > 64:
        return None
    return b.apply(op, *flat)


def _scatter(b: Rewriter, op: ops.Scatter, args: Args) -> Var | None:
    """x[:] = v -> v broadcast to the shape of x; x[:] += v -> x + v."""
    if not all(item.is_all for item in op.items):
        return None
    v, new = args[0], args[1]
    return b.broadcast(new, b.dims(v)) if op.mode == "set" else b.map("add", v, new)


def _assert(b: Rewriter, op: ops.Assert, args: Args) -> Var | None:
    checked: set[Var] = set()
    x, conditions, shown = op.split(args)
    inner = b.eqn(x, ops.Assert)
    while inner is not None and len(checked) < 64:      # what is checked already
        checked.update(inner.op.split(inner.args)[1])
        inner = b.eqn(inner.args[0], ops.Assert)
    kept = [c for c in conditions if (c.data is None or not c.data.all()) and c not in checked]
    if len(kept) == len(conditions):
        return None
    return b.apply(op, x, *kept, *shown) if kept else x


def _sample_slices(b: Rewriter) -> Sample:
    v = matrix(b)
    item = ops.Item
    shape = b.apply(ops.Concat(0), b.apply(ops.Transpose((-1,)), b.size(v, 0)),
                    b.apply(ops.Transpose((-1,)), b.size(v, 1)), b.constant([4, 5, 6], "int64"))
    zeros = b.apply(ops.Broadcast(), b.constant(0.0, "float64"), b.size(v, 0), b.constant(5, "int64"))
    return (b.apply(ops.Slice((item(),)), v), b.apply(ops.Slice((item(at=0),)), shape),
            b.apply(ops.Slice((item(at=-4),)), shape), b.apply(ops.Slice((item(at=3),)), shape),
            b.apply(ops.Slice((item(start=1),)), shape), b.apply(ops.Slice((item(start=1, stop=-1),)), shape),
            b.apply(ops.Slice((item(start=1), item(at=2))), zeros))


def _sample_slice_to_size(b: Rewriter) -> Sample:
    v = matrix(b)
    to = ops.Item(stop=ops.DYNAMIC)
    n = b.size(v, 0)
    return (b.apply(ops.Slice((to,)), v, n),
            b.apply(ops.Slice((ops.Item(start=ops.DYNAMIC), to)), v, b.constant(1, "int64"), b.size(v, 1)))


def _sample_reshape(b: Rewriter) -> Sample:
    v = matrix(b)
    n, m = b.size(v, 0), b.size(v, 1)
    one = b.constant(1, "int64")
    flat = b.apply(ops.Reshape(1), v, b.map("mul", n, m))
    col = b.apply(ops.Reshape(3), v, n, one, m)
    fixed = matrix(b, shape=(2, 3))
    zeros = b.apply(ops.Broadcast(), b.constant(0.0, "float64"), b.constant(2, "int64"), b.constant(3, "int64"))
    return (b.apply(ops.Reshape(2), flat, n, m), b.apply(ops.Reshape(2), v, n, m), col,
            b.apply(ops.Reshape(2), col, n, m), b.apply(ops.Reshape(1), zeros, b.constant(6, "int64")),
            b.apply(ops.Reshape(2), b.apply(ops.Reshape(1), fixed, b.constant(6, "int64")), b.constant(3, "int64"),
                    b.constant(2, "int64")))


def _sample_transpose(b: Rewriter) -> Sample:
    v = matrix(b)
    zeros = b.apply(ops.Broadcast(), b.constant(0.5, "float64"), b.size(v, 0), b.size(v, 1))
    return (b.apply(ops.Transpose((1, 0)), b.apply(ops.Transpose((1, 0)), v)), b.apply(ops.Transpose((0, 1)), v),
            b.apply(ops.Transpose((1, -1, 0)), b.apply(ops.Transpose((1, 0)), v)),
            b.apply(ops.Transpose((0, 2)), b.apply(ops.Transpose((1, -1, 0)), v)),
            b.apply(ops.Transpose((0, -1)), matrix(b, shape=(None, 1))),
            b.apply(ops.Transpose((1, 0)), b.map("neg", v)),
            b.apply(ops.Transpose((1, -1, 0)), zeros))


def _sample_broadcast(b: Rewriter) -> Sample:
    v = matrix(b)
    n, m = b.size(v, 0), b.size(v, 1)
    alloc = ops.Broadcast()
    inner = b.apply(alloc, b.constant(3.0, "float64"), m)
    return (b.apply(alloc, v, n, m), b.apply(alloc, inner, n, m),
            b.apply(alloc, v, b.constant(1, "int64"), n, m))


RULES = (
    Rule("transpose", On((ops.Transpose,)), _transpose, sample=_sample_transpose),
    Rule("broadcast", On((ops.Broadcast,)), _broadcast, sample=_sample_broadcast),
    Rule("reshape", On((ops.Reshape,)), _reshape, sample=_sample_reshape),
    Rule("slice", On((ops.Slice,)), _slice, sample=_sample_slices),
    Rule("slice_to_size", On((ops.Slice,)), _slice_to_size, sample=_sample_slice_to_size),
    Rule("concat", On((ops.Concat,)), _concat,
         sample=lambda b: (b.apply(ops.Concat(1), v := matrix(b)),
                           b.apply(ops.Concat(0), v, b.apply(ops.Concat(0), v, v)))),
    Rule("scatter_of_everything", On((ops.Scatter,)), _scatter,
         sample=lambda b: (b.apply(ops.Scatter("set", (ops.Item(),)), v := matrix(b), b.constant(2.0, "float64")),
                           b.apply(ops.Scatter("inc", (ops.Item(), ops.Item(step=1))), v, b.map("exp", v)))),
    Rule("assert_true", On((ops.Assert,)), _assert,
         sample=lambda b: (b.apply(ops.Assert("no"), v := matrix(b), b.constant(True)),
                           b.apply(ops.Assert("{0}", "value", 1), v, b.constant(True), b.constant(3, "int64")),
                           b.apply(ops.Assert("no"), v, b.map("eq", b.size(v, 0), b.size(v, 0)), b.constant(True)),
                           b.apply(ops.Assert("a"), b.apply(ops.Assert("b"), v, c := b.input(TensorType("bool", ()))),
                                   c))),
)
