"""Rules that bring views, joins and changed parts to one form; exact."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradc.ir import build, ops
from gradc.ir.facts import CHANGING, READING, REORDERING, Changing, changes, permutation, reads
from gradc.ir.program import Var
from gradc.ir.types import TensorType
from gradc.passes.pattern import Args, On, Rule, Sample, matrix, result_type

if TYPE_CHECKING:
    from gradc.passes.rewrite import Rewriter


def _reorder(b: Rewriter, op: ops.OpKind, args: Args) -> Var | None:
    v = args[0]
    shape, perm = v.type.shape, permutation(op)
    assert perm is not None
    if len(perm) == len(shape) and all(p == k or (p < 0 and shape[k] == 1) for k, p in enumerate(perm)):
        return v            # also: an axis of size 1 is dropped and made again at its place
    inner = b.eqn(v, REORDERING)
    if inner is not None:
        first = permutation(inner.op) or ()
        return build.dimshuffle(b, inner.args[0], [-1 if p < 0 else first[p] for p in perm])
    inner = b.eqn(v, ops.Broadcast)
    if inner is not None and not inner.args[0].type.ndim:
        sizes = [b.constant(1, "int64") if p < 0 else inner.args[1 + p] for p in perm]
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
        return build.dimshuffle(b, v, [source.get(k, -1) for k in range(len(dims))])
    return None


def _part(b: Rewriter, op: ops.OpKind, args: Args) -> Var | None:
    v, items = args[0], reads(op)
    assert items is not None
    if all(item.is_all for item in items):
        return v
    inner = b.eqn(v)
    if inner is None:
        return None
    if type(inner.op) is ops.Broadcast and not inner.args[0].type.ndim and not _may_fail(items, v):
        return b.broadcast(inner.args[0], b.sizes.shape(op, args))
    if permutation(inner.op) == (-1,) and len(items) == 1 and items[0].is_single and items[0].at in (0, -1):
        return inner.args[0]
    return _part_of_join(b, items, v) if type(inner.op) is ops.Concat else None


def _part_to_size(b: Rewriter, op: ops.OpKind, args: Args) -> Var | None:
    """x[:n] -> x[:] along axes of size n."""
    items: list[ops.Item] = []
    dynamic: list[Var] = []
    for (item, taken), dim in zip(ops.with_arguments(reads(op) or (), args[1:]), b.dims(args[0])):
        if item.stop is ops.DYNAMIC and item.start in (None, 0) and item.step in (None, 1) \
                and b.sizes.value(taken[0]) == dim:
            items.append(ops.Item())
        else:
            items.append(item)
            dynamic += taken
    return build.index(b, args[0], items, *dynamic) if len(dynamic) < len(args) - 1 else None


def _may_fail(items: ops.Items, v: Var) -> bool:
    """Can one of the single positions be out of bounds?"""
    return any(item.is_single and not (isinstance(item.at, int) and size is not None)
               for item, size in zip(items, v.type.shape))


def _part_of_join(b: Rewriter, items: ops.Items, v: Var) -> Var | None:
    """x.shape[0] and the like: one position, or a plain range, of a join of parts of known sizes."""
    inner = b.eqn(v)
    axis = inner.op.axis
    if len(items) <= axis:
        return None
    parts = [a.type.shape[axis] for a in inner.args]
    item = items[axis]
    if None in parts or ops.DYNAMIC in item.bounds() or not all(i.is_all for k, i in enumerate(items) if k != axis):
        return None
    total = sum(parts)
    starts = [sum(parts[:k]) for k in range(len(parts))]

    if item.is_single:
        at = item.at + total if item.at < 0 else item.at
        k = max(k for k, start in enumerate(starts) if start <= at and (parts[k] or k == 0))
        return build.take(b, inner.args[k], at - starts[k], axis)
    start, stop, step = slice(*item.bounds()).indices(total)
    if step != 1:
        return None
    kept = []
    for a, begin, n in zip(inner.args, starts, parts):
        lo, hi = max(start - begin, 0), min(stop - begin, n)
        if lo < hi:
            kept.append(a if (lo, hi) == (0, n) else build.cut(b, a, lo, hi, axis=axis))
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


def _change_of_everything(b: Rewriter, op: Changing, args: Args) -> Var | None:
    """x[:] = v -> v broadcast to the shape of x; x[:] += v -> x + v."""
    if not all(item.is_all for item in changes(op) or ()):
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


def _sample_parts(b: Rewriter) -> Sample:
    v = matrix(b)
    item = ops.Item
    shape = b.apply(ops.Concat(0), build.vector(b, b.size(v, 0)), build.vector(b, b.size(v, 1)),
                    b.constant([4, 5, 6], "int64"))
    zeros = b.apply(ops.Broadcast(), b.constant(0.0, "float64"), b.size(v, 0), b.constant(5, "int64"))
    return (build.index(b, v, [item()]), *[build.take(b, shape, k) for k in (0, -4, 3)], build.cut(b, shape, 1),
            build.cut(b, shape, 1, -1), build.index(b, zeros, [item(start=1), item(at=2)]))


def _sample_part_to_size(b: Rewriter) -> Sample:
    v = matrix(b)
    items = ops.Item(start=ops.DYNAMIC), ops.Item(stop=ops.DYNAMIC)
    return (build.cut(b, v, stop=b.size(v, 0)),
            build.index(b, v, items, b.constant(1, "int64"), b.size(v, 1)))


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
    turned = build.dimshuffle(b, v, (1, 0))
    return (*[build.dimshuffle(b, x, perm) for x, perm in (
        (turned, (1, 0)), (v, (0, 1)), (turned, (1, -1, 0)), (build.dimshuffle(b, v, (1, -1, 0)), (0, 2)),
        (matrix(b, shape=(None, 1)), (0, -1)), (b.map("neg", v), (1, 0)), (zeros, (1, -1, 0)))],)


def _sample_broadcast(b: Rewriter) -> Sample:
    v = matrix(b)
    n, m = b.size(v, 0), b.size(v, 1)
    alloc = ops.Broadcast()
    inner = b.apply(alloc, b.constant(3.0, "float64"), m)
    return (b.apply(alloc, v, n, m), b.apply(alloc, inner, n, m),
            b.apply(alloc, v, b.constant(1, "int64"), n, m))


RULES = (
    Rule("transpose", On(REORDERING), _reorder, sample=_sample_transpose),
    Rule("broadcast", On((ops.Broadcast,)), _broadcast, sample=_sample_broadcast),
    Rule("reshape", On((ops.Reshape,)), _reshape, sample=_sample_reshape),
    Rule("slice", On(READING), _part, sample=_sample_parts),
    Rule("slice_to_size", On(READING), _part_to_size, sample=_sample_part_to_size),
    Rule("concat", On((ops.Concat,)), _concat,
         sample=lambda b: (b.apply(ops.Concat(1), v := matrix(b)),
                           b.apply(ops.Concat(0), v, b.apply(ops.Concat(0), v, v)))),
    Rule("scatter_of_everything", On(CHANGING), _change_of_everything,
         sample=lambda b: (build.put(b, "set", v := matrix(b), b.constant(2.0, "float64"), [ops.Item()]),
                           build.put(b, "inc", v, b.map("exp", v), [ops.Item(), ops.Item(step=1)]))),
    Rule("assert_true", On((ops.Assert,)), _assert,
         sample=lambda b: (b.apply(ops.Assert("no"), v := matrix(b), b.constant(True)),
                           b.apply(ops.Assert("{0}", "value", 1), v, b.constant(True), b.constant(3, "int64")),
                           b.apply(ops.Assert("no"), v, b.map("eq", b.size(v, 0), b.size(v, 0)), b.constant(True)),
                           b.apply(ops.Assert("a"), b.apply(ops.Assert("b"), v, c := b.input(TensorType("bool", ()))),
                                   c))),
)
