"""Rules that bring equal expressions to one form, and drop what does nothing.

Nearly all are exact.  The driver itself puts arguments of commutative rows in order (constants first, then by
number).  Constants in a Map get the dtype the row computes in; `fill` (`second`) becomes a Broadcast to sizes,
which no value has to be computed for; negations move outward to where they meet.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from gradc.ir import dtypes, ops
from gradc.ir.program import Var, value
from gradc.ir.scalars import get_row
from gradc.ir.sizes import Dim
from gradc.ir.types import TensorType
from gradc.passes.pattern import ANY_MAP, CONSTANT_KINDS, Args, On, Rule, Sample, r, result_type, scalar, var
from gradc.passes.shapes import size_var

if TYPE_CHECKING:
    from gradc.passes.rewrite import Rewriter

x, y, z = var("x"), var("y"), var("z")
c, d = scalar("c"), scalar("d")

_SCALARS = tuple(sorted(CONSTANT_KINDS))


def matrix(b: Rewriter, dtype: str = "float64", shape: tuple[int | None, ...] = (None, None)) -> Var:
    """An input for samples."""
    return b.input(TensorType(dtype, shape))


_POWER = "pow is within an ulp of the exact value, products and quotients within half an ulp each"


# ------------------------------------------------------------------------------------------------ elementwise


def _retype(b: Rewriter, op: ops.Map, args: Args) -> Var | None:
    row = get_row(op.fn)
    if row.rule == "second":
        return None
    compute, _ = row.dtypes(*[a.type.dtype for a in args])
    first = 1 if row.rule == "select" else 0
    new = list(args)
    changed = False
    for k in range(first, len(args)):
        a = args[k]
        if a.data is not None and a.type.dtype != compute and not a.data.ndim:
            new[k] = b.cast(a, compute)
            changed = True
    return b.map(op.fn, *new) if changed else None


def _second(b: Rewriter, op: ops.Map, args: Args) -> Var | None:
    return b.broadcast(args[1], b.sizes.shape(op, args))


def _identity(b: Rewriter, op: ops.Map, args: Args) -> Var | None:
    return args[0]


def _real(b: Rewriter, op: ops.Map, args: Args) -> Var | None:
    return args[0] if args[0].type.dtype not in dtypes.COMPLEX else None


def _switch_constant(b: Rewriter, op: ops.Map, args: Args) -> Var | None:
    return args[1] if args[0].data else args[2]


def _switch_same(b: Rewriter, op: ops.Map, args: Args) -> Var | None:
    return args[1] if args[1] is args[2] else None


def _logic_constant(b: Rewriter, op: ops.Map, args: Args) -> Var | None:
    """and(True, x) -> x; and(False, x) -> False; the same for or; bool only."""
    if any(a.type.dtype != "bool" for a in args):
        return None
    value = bool(args[0].data)
    return args[1] if value == (op.fn == "and_") else args[0]


def _same_integer(b: Rewriter, op: ops.Map, args: Args) -> Var | None:
    """n == n for an integer scalar."""
    return b.constant(True) if args[0] is args[1] and args[0].type.dtype in dtypes.INTEGERS and not args[0].type.ndim \
        else None


def _add_zero(b: Rewriter, op: ops.Map, args: Args) -> Var | None:
    """0 + x -> x for integers, (-0.0) + x -> x for floats; 0.0 + x is not x, for x = -0.0."""
    zero = value(args[0])
    if zero.dtype.kind in "iu" or (zero.dtype.kind == "f" and np.signbit(zero)):
        return args[1]
    return None


def _sub_zero(b: Rewriter, op: ops.Map, args: Args) -> Var | None:
    zero = value(args[1])
    return args[0] if zero.dtype.kind in "iu" or (zero.dtype.kind == "f" and not np.signbit(zero)) else None


def _ordinary(value: float) -> bool:
    """Is a constant far from overflow and underflow?"""
    return 1e-30 < abs(value) < 1e30


def _merge(fn: str) -> Any:
    def when(b: Rewriter, c: Var, d: Var, x: Var) -> bool:
        p, q = float(value(c)), float(value(d))
        return _ordinary(p) and _ordinary(q) and _ordinary(p * q if fn == "mul" else p / q)
    return when


def _divide(b: Rewriter, op: ops.Map, args: Args) -> Var | None:
    """x / c -> x * (1/c) where 1/c is exact."""
    divisor = value(args[1])
    if divisor.dtype.kind != "f" or not 1e-30 < abs(divisor) < 1e30 or abs(np.frexp(divisor)[0]) != 0.5:
        return None
    return b.map("mul", b.like(1.0 / float(divisor), args[1]), args[0])


ELEMENTWISE = (
    Rule("constant_dtype", On((ANY_MAP,), some=_SCALARS), _retype,
         sample=lambda b: (b.map("mul", matrix(b), b.constant(2, "int8")),
                           b.map("add", b.constant(2, "int8"), matrix(b, "float32")),
                           b.map("pow", matrix(b), b.constant(3, "int8")))),
    Rule("second", On(("second",)), _second,
         sample=lambda b: (b.map("second", b.map("exp", v := matrix(b)), b.constant(1.0, "float64")),
                           b.map("second", v, b.map("exp", v)),
                           b.map("second", v, b.apply(ops.Slice((ops.Item(at=0),)), v)))),
    Rule("identity", On(("identity",)), _identity, sample=lambda b: b.map("identity", matrix(b))),
    Rule("conj_of_real", On(("conj", "real")), _real,
         sample=lambda b: (b.map("conj", v := matrix(b)), b.map("real", v))),
    Rule("add_zero", On(("add",), first=("#0",)), _add_zero,
         sample=lambda b: (b.map("add", b.constant(0, "int64"), matrix(b, "int64")),
                           b.map("add", b.constant(-0.0, "float64"), matrix(b)))),
    Rule("sub_zero", On(("sub",), second=("#0",)), _sub_zero,
         sample=lambda b: b.map("sub", matrix(b), b.constant(0.0, "float64"))),
    Rule("times_one", 1 * x, x, dtype="any"),
    Rule("divided_by_one", x / 1, x),
    Rule("power_one", r.pow(x, 1), x),
    Rule("power_one_int", r.pow(x, 1), x, dtype="int"),
    Rule("power_zero", On(("pow",), second=("#0",)), lambda b, op, args: b.like(1, args[0]),
         sample=lambda b: b.map("pow", matrix(b), b.constant(0.0, "float64"))),
    Rule("power_two", r.pow(x, 2), r.square(x), exact=False, why=_POWER),
    Rule("power_two_int", r.pow(x, 2), r.square(x), dtype="int"),
    Rule("power_minus_one", r.pow(x, -1), 1 / x, exact=False, why=_POWER),
    Rule("power_minus_two", r.pow(x, -2), 1 / r.square(x), exact=False, why=_POWER),
    Rule("times_minus_one", -1 * x, -x),
    Rule("neg_neg", r.neg(r.neg(x)), x, dtype="any"),
    Rule("neg_times", (-x) * y, -(x * y)),
    Rule("neg_divided", (-x) / y, -(x / y)),
    Rule("divided_by_neg", x / (-y), -(x / y)),
    Rule("neg_of_constant_times", -(c * x), (-c) * x),
    Rule("plus_neg", x + (-y), x - y),
    Rule("minus_neg", x - (-y), x + y),
    Rule("neg_minus", (-x) - y, -(x + y), exact=False, why="only the sign of a zero difference changes"),
    Rule("abs_neg", r.abs(-x), r.abs(x)),
    Rule("square_neg", r.square(-x), r.square(x), dtype="any"),
    Rule("times_itself", x * x, r.square(x)),
    Rule("times_itself_int", x * x, r.square(x), dtype="int"),
    Rule("reciprocal", r.reciprocal(x), 1 / x),
    Rule("times_complement", r.times_complement(x), x * (1 - x)),
    Rule("constant_times_constant", c * (d * x), (c * d) * x, when=_merge("mul"), exact=False,
         why="one rounding instead of two; constants near overflow are left alone"),
    Rule("constant_over_constant", (c * x) / d, (c / d) * x, when=_merge("div"), exact=False,
         why="two roundings in another order; constants near overflow are left alone"),
    Rule("constant_times_int", c * (d * x), (c * d) * x, dtype="int"),
    Rule("constant_plus_int", c + (d + x), (c + d) + x, dtype="int"),
    Rule("divided_by_power_of_two", On(("true_divide",), second=_SCALARS), _divide,
         sample=lambda b: (b.map("true_divide", v := matrix(b), b.constant(4.0, "float64")),
                           b.map("true_divide", v, b.constant(-0.125, "float64")))),
    Rule("maximum_of_same", r.maximum(x, x), x, dtype="any"),
    Rule("minimum_of_same", r.minimum(x, x), x, dtype="any"),
    Rule("and_of_same", r.and_(x, x), x, dtype="any",
         sample=lambda b: b.map("and_", v := matrix(b, "int32"), v)),
    Rule("or_of_same", r.or_(x, x), x, dtype="any",
         sample=lambda b: b.map("or_", v := matrix(b, "bool"), v)),
    Rule("logic_with_constant", On(("and_", "or_"), first=_SCALARS), _logic_constant,
         sample=lambda b: (b.map("and_", b.constant(True), v := matrix(b, "bool")),
                           b.map("or_", b.constant(True), v), b.map("or_", b.constant(False), v))),
    Rule("same_integer", On(("eq", "le", "ge")), _same_integer,
         sample=lambda b: tuple([b.map(fn, n := matrix(b, "int64", ()), n) for fn in ("eq", "le", "ge")])),
    Rule("switch_constant", On(("switch",), first=_SCALARS), _switch_constant,
         sample=lambda b: (b.map("switch", b.constant(True), v := matrix(b), b.map("exp", v)),
                           b.map("switch", b.constant(False), b.map("exp", v), b.constant(1, "int8")))),
    Rule("switch_same", On(("switch",)), _switch_same,
         sample=lambda b: b.map("switch", matrix(b, "bool"), v := matrix(b), v)),
)


# ------------------------------------------------------------------------------------------------ casts


def _holds(wide: str, narrow: str) -> bool:
    """Does `wide` hold every value of `narrow` exactly?"""
    return np.can_cast(narrow, wide, "safe") and not (narrow in ("int64", "uint64") and wide in dtypes.CONTINUOUS)


def _cast(b: Rewriter, op: ops.Cast, args: Args) -> Var | None:
    v = args[0]
    if v.type.dtype == op.dtype:
        return v
    inner = b.eqn(v, ops.Cast)
    if inner is not None and _holds(v.type.dtype, inner.args[0].type.dtype):
        return b.cast(inner.args[0], op.dtype)
    repeated = b.eqn(v, ops.Broadcast)
    if repeated is not None:
        return b.apply(ops.Broadcast(), b.cast(repeated.args[0], op.dtype), *repeated.args[1:])
    lifted = b.eqn(v, ops.Transpose)
    if lifted is not None and lifted.op.perm == (-1,):
        return b.apply(lifted.op, b.cast(lifted.args[0], op.dtype))
    joined = b.eqn(v, ops.Concat)
    if joined is not None and len(joined.args) <= 8 and all(a.type.shape == (1,) for a in joined.args):
        return b.apply(joined.op, *[b.cast(a, op.dtype) for a in joined.args])  # a shape vector: element by element
    return None


CASTS = (
    Rule("cast", On((ops.Cast,)), _cast,
         sample=lambda b: (b.apply(ops.Cast("float64"), v := matrix(b)),
                           b.apply(ops.Cast("int16"), b.apply(ops.Cast("int64"), matrix(b, "int8"))),
                           b.apply(ops.Cast("int8"), b.apply(ops.Broadcast(), b.apply(ops.Slice((ops.Item(at=0),)), v),
                                                             b.size(v, 0), b.size(v, 1))),
                           b.apply(ops.Cast("float32"), b.apply(ops.Concat(0), *[
                               b.apply(ops.Transpose((-1,)), b.size(v, k)) for k in (0, 1)])))),
)


# ------------------------------------------------------------------------------------------------ views


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
    if b.sizes.equal(b.dims(v), dims) and _ones(v.type) == _ones(want):
        return v
    inner = b.eqn(v, ops.Broadcast)
    if inner is not None:
        return b.apply(op, inner.args[0], *args[1:])
    return None


def _ones(type: Any) -> tuple[bool, ...]:
    return tuple(s == 1 for s in type.shape)


def _reshape(b: Rewriter, op: ops.Reshape, args: Args) -> Var | None:
    v = args[0]
    want = result_type(op, args)
    dims = b.sizes.shape(op, args)
    have = b.dims(v)
    if b.sizes.equal(have, dims) and _ones(v.type) == _ones(want):
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


VIEWS = (
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


# ------------------------------------------------------------------------------------------------ reductions


def _reduce(b: Rewriter, op: ops.Reduce, args: Args) -> Var | None:
    v = args[0]
    shape = v.type.shape
    if not op.axes:
        return v
    single = tuple(k for k in op.axes if shape[k] == 1)
    if single:
        kept = tuple(k for k in range(len(shape)) if k not in single)
        rest = tuple(kept.index(k) for k in op.axes if k not in single)
        squeezed = b.apply(ops.Transpose(kept), v)
        return b.apply(ops.Reduce(op.fn, rest), squeezed) if rest else squeezed
    kind = b.kinds[v.number]
    if kind is ops.Reduce:
        inner = b.eqn(v)
        if inner.op.fn == op.fn:
            left = [k for k in range(inner.args[0].type.ndim) if k not in inner.op.axes]
            axes = tuple(sorted((*inner.op.axes, *(left[k] for k in op.axes))))
            return b.apply(ops.Reduce(op.fn, axes), inner.args[0])
    elif kind is ops.Broadcast:
        return _reduce_broadcast(b, op, v)
    elif kind is ops.Transpose:
        inner = b.eqn(v)
        ndim = inner.args[0].type.ndim
        if -1 not in inner.op.perm and len(op.axes) == len(shape) == ndim:
            return b.apply(ops.Reduce(op.fn, tuple(range(ndim))), inner.args[0])
    elif kind is ops.Concat and op.axes == (0,) and len(shape) == 1:
        inner = b.eqn(v)
        if len(inner.args) <= 8 and all(a.type.shape == (1,) and a.type.dtype == v.type.dtype for a in inner.args):
            parts = [b.cast(b.apply(ops.Transpose(()), a), _accumulator(op, v)) for a in inner.args]
            total = parts[0]
            for p in parts[1:]:
                total = b.map(op.fn, total, p)
            return b.cast(total, v.type.dtype)
    return None


def _reduce_broadcast(b: Rewriter, op: ops.Reduce, v: Var) -> Var | None:
    """sum(broadcast(c)) -> c * size, max(broadcast(c)) -> c: where a reduced axis is one that c is repeated along."""
    inner = b.eqn(v)
    small = inner.args[0]
    pad = v.type.ndim - small.type.ndim
    repeated = [k for k in op.axes if k < pad or small.type.shape[k - pad] == 1]
    if not repeated or op.fn == "mul":
        return None
    if op.fn != "add":
        if any((size := v.type.shape[k]) is None or size < 1 for k in repeated):
            return None             # max of nothing is an error, which must stay
        factor = None
    else:
        if small.type.dtype == "bool" or (small.data is not None and not np.isfinite(small.data).all()):
            return None
        factor = prod_of(b, [b.dims(v)[k] for k in repeated])
    # reduce what is left of c, over the axes that are its own
    own = [k - pad for k in op.axes if k >= pad and small.type.shape[k - pad] != 1]
    drop = {k - pad for k in repeated if k >= pad}
    rest = small
    if own:
        rest = b.apply(ops.Reduce(op.fn, tuple(own)), rest)
    kept = [k for k in range(small.type.ndim) if k not in own]
    if drop:
        rest = b.apply(ops.Transpose(tuple(i for i, k in enumerate(kept) if k not in drop)), rest)
    if factor is not None:
        wide = _accumulator(op, small)
        rest = b.cast(b.map("mul", b.cast(factor, wide), b.cast(rest, wide)), small.type.dtype)
    dims = tuple(d for k, d in enumerate(b.dims(v)) if k not in op.axes)
    return b.broadcast(rest, dims)


def _accumulator(op: ops.Reduce, x: Var) -> str:
    """The dtype that a reduction of x is made in: what stands for it rounds no more often."""
    return "float64" if x.type.dtype == "float32" and op.fn in ("add", "mul") else x.type.dtype


def prod_of(b: Rewriter, dims: Iterable[Dim]) -> Var:
    """Product of sizes as an int64 scalar."""
    return size_var(b, b.sizes.product(tuple(dims)))


def _reduce_neg(b: Rewriter, op: ops.Reduce, args: Args) -> Var | None:
    inner = b.eqn(args[0])
    return b.map("neg", b.apply(op, inner.args[0]))


def _reduce_scaled(b: Rewriter, op: ops.Reduce, args: Args) -> Var | None:
    """sum(c * x) -> c * sum(x)."""
    k, v = b.eqn(args[0]).args
    if k.data is None or k.data.ndim or k.type.dtype != v.type.dtype or v.type.ndim != args[0].type.ndim:
        return None
    if k.type.dtype in dtypes.FLOATS and not 1e-30 < abs(float(k.data)) < 1e30:
        return None
    return b.map("mul", k, b.apply(op, v))


def _sample_reduce(b: Rewriter) -> Sample:
    v = matrix(b)
    col = matrix(b, shape=(None, 1))
    fixed = matrix(b, shape=(2, 3))
    alloc = ops.Broadcast()
    return (b.apply(ops.Reduce("add", ()), v), b.apply(ops.Reduce("maximum", (0, 1)), col),
            b.apply(ops.Reduce("maximum", (0,)), b.apply(ops.Reduce("maximum", (1,)), v)),
            b.apply(ops.Reduce("minimum", (0, 1)), b.apply(ops.Transpose((1, 0)), v)),
            b.apply(ops.Reduce("maximum", (0,)), b.apply(alloc, fixed, *[b.constant(k, "int64") for k in (4, 2, 3)])),
            b.apply(ops.Reduce("mul", (0,)), b.apply(ops.Concat(0), b.apply(ops.Transpose((-1,)), b.size(v, 0)),
                                                     b.apply(ops.Transpose((-1,)), b.size(v, 1)))))


def _sample_reduce_sum(b: Rewriter) -> Sample:
    v = matrix(b)
    row = matrix(b, shape=(1, None))
    n, m = b.size(v, 0), b.size(v, 1)
    ones = b.apply(ops.Broadcast(), b.constant(1.0, "float64"), n, m)
    rows = b.apply(ops.Broadcast(), row, n, b.size(row, 1))
    return (b.apply(ops.Reduce("add", (0, 1)), ones), b.apply(ops.Reduce("add", (1,)), ones),
            b.apply(ops.Reduce("add", (0,)), rows),
            b.apply(ops.Reduce("add", (0,)), b.apply(ops.Reduce("add", (1,)), v)))


REDUCTIONS = (
    Rule("reduce", On((ops.Reduce,)), _reduce, exact=False, sample=(_sample_reduce, _sample_reduce_sum), ulps=64,
         why="sums of one array in another order; n * c for the sum of n equal terms rounds once"),
    Rule("sum_of_neg", On((ops.Reduce,), first=("neg",)),
         lambda b, op, args: _reduce_neg(b, op, args) if op.fn == "add" else None,
         sample=lambda b: b.apply(ops.Reduce("add", (1,)), b.map("neg", matrix(b))), exact=False,
         why="only the sign of a zero sum may differ"),
    Rule("sum_of_scaled", On((ops.Reduce,), first=("mul",)),
         lambda b, op, args: _reduce_scaled(b, op, args) if op.fn == "add" else None,
         sample=lambda b: b.apply(ops.Reduce("add", (1,)), b.map("mul", b.constant(3.7, "float64"), matrix(b))),
         exact=False, ulps=64, why="one rounding of the sum instead of one per term"),
)


# ------------------------------------------------------------------------------------------------ contractions


def _contract(b: Rewriter, op: ops.Contract, args: Args) -> Var | None:
    """Transposes go into the labels; axes along which an operand is repeated go away."""
    labels = [op.a, op.b]
    operands = list(args)
    dtype = dtypes.upcast(*(a.type.dtype for a in args))
    changed = False
    for k in (0, 1):
        inner = b.eqn(operands[k], ops.Transpose)
        if inner is None or len([p for p in inner.op.perm if p >= 0]) != inner.args[0].type.ndim:
            continue
        other = labels[1 - k]
        loose = [label for label, p in zip(labels[k], inner.op.perm) if p < 0]
        if any(label in op.out and label not in other for label in loose):
            continue        # an axis of size 1 of the result comes from here
        if any(label in other and operands[1 - k].type.shape[other.index(label)] != 1 for label in loose):
            continue        # the other size has to be checked to be 1
        order = {p: label for label, p in zip(labels[k], inner.op.perm) if p >= 0}
        labels[k] = tuple(order[p] for p in range(len(order)))
        operands[k] = inner.args[0]
        changed = True
    if changed:
        return b.apply(ops.Contract(labels[0], labels[1], op.out), *operands)
    for k in (0, 1):
        inner = b.eqn(operands[k], ops.Broadcast)
        if inner is not None and not inner.args[0].type.ndim and dtype in dtypes.FLOATS:
            return _contract_uniform(b, op, operands[1 - k], labels[1 - k], operands[k], labels[k], inner.args[0],
                                     dtype)
    return None


def _contract_uniform(b: Rewriter, op: ops.Contract, v: Var, mine: tuple[int, ...], full: Any, theirs: tuple[int, ...],
                      value: Any, dtype: str) -> Var | None:
    """Contraction of v with an array that has `value` everywhere: value * (sizes summed over) * sum of v."""
    if value.data is not None and not np.isfinite(value.data):
        return None
    dims = dict(zip(theirs, b.dims(full))) | dict(zip(mine, b.dims(v)))
    summed = tuple(k for k, label in enumerate(mine) if label not in op.out)
    rest = b.cast(v, dtype)
    if summed:
        rest = b.apply(ops.Reduce("add", summed), rest)
    left = [label for label in mine if label in op.out]
    perm = tuple(left.index(label) if label in left else -1 for label in op.out)
    rest = b.apply(ops.Transpose(perm), rest)
    count = [dims[label] for label in theirs if label not in op.out and label not in mine]
    if count:
        rest = b.map("mul", b.cast(prod_of(b, count), dtype), rest)
    rest = b.map("mul", b.cast(value, dtype), rest)
    return b.broadcast(rest, tuple(dims[label] for label in op.out))


def _sample_contract(b: Rewriter) -> Sample:
    v, w = matrix(b, shape=(3, None)), matrix(b, shape=(None, 3))
    t = b.apply(ops.Transpose((1, 0)), v)
    dot = ops.Contract((0, 1), (1, 2), (0, 2))
    row = b.apply(ops.Transpose((-1, 0)), b.apply(ops.Slice((ops.Item(at=0),)), w))
    return (b.apply(ops.Contract((0, 1), (0, 2), (1, 2)), t, w), b.apply(dot, w, b.apply(ops.Transpose((0, 1)), v)),
            b.apply(dot, b.apply(ops.Transpose((1, 0)), w), b.apply(ops.Transpose((1, 0)), v)), b.apply(dot, row, v))


def _sample_contract_uniform(b: Rewriter) -> Sample:
    v = matrix(b)
    n, m = b.size(v, 0), b.size(v, 1)
    ones = b.apply(ops.Broadcast(), b.constant(0.5, "float64"), m, b.constant(4, "int64"))
    vector = b.apply(ops.Broadcast(), b.constant(1.0, "float64"), n)
    return (b.apply(ops.Contract((0, 1), (1, 2), (0, 2)), v, ones),
            b.apply(ops.Contract((0,), (0, 1), (1,)), vector, v),
            b.apply(ops.Contract((0,), (1, 2), (0, 2)), vector, v),
            b.apply(ops.Contract((0, 1), (2, 1), (0,)), v, b.apply(ops.Transpose((1, 0)), ones)))


CONTRACTIONS = (
    Rule("contract", On((ops.Contract,), some=(ops.Transpose, ops.Broadcast)), _contract, exact=False, ulps=64,
         sample=(_sample_contract, _sample_contract_uniform),
         why="sums of one array in another order; terms with an equal factor are summed before they are multiplied"),
)

RULES = ELEMENTWISE + CASTS + VIEWS + REDUCTIONS + CONTRACTIONS
