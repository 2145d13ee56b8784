"""Rules that bring equal expressions to one form, and drop what does nothing.

Nearly all are exact.  The driver itself puts arguments of commutative rows in order (constants first, then by
number).  Constants in a Map get the dtype the row computes in; `fill` (`second`) becomes a Broadcast to sizes,
which no value has to be computed for; negations move outward to where they meet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gradc.ir import build, dtypes, ops
from gradc.ir.facts import PRODUCTS, REORDERING, permutation
from gradc.ir.program import Var, value
from gradc.ir.scalars import get_row
from gradc.passes import sums, views
from gradc.passes.pattern import ANY_MAP, CONSTANT_KINDS, Args, On, Rule, matrix, r, scalar, var

if TYPE_CHECKING:
    from gradc.passes.rewrite import Rewriter

x, y, z = var("x"), var("y"), var("z")
c, d = scalar("c"), scalar("d")

_SCALARS = tuple(sorted(CONSTANT_KINDS))


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
                           b.map("second", v, build.take(b, v, 0)))),
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
    lifted = b.eqn(v, REORDERING)
    if lifted is not None and permutation(lifted.op) == (-1,):
        return b.apply(lifted.op, b.cast(lifted.args[0], op.dtype))
    joined = b.eqn(v, ops.Concat)
    if joined is not None and len(joined.args) <= 8 and all(a.type.shape == (1,) for a in joined.args):
        return b.apply(joined.op, *[b.cast(a, op.dtype) for a in joined.args])  # a shape vector: element by element
    return None


def _product_casts(b: Rewriter, op: Any, args: Args) -> Var | None:
    """Operands in the dtype of their product: a product of matrices is BLAS's only if all are of one dtype."""
    dtype = dtypes.upcast(*[a.type.dtype for a in args])
    if all(a.type.dtype == dtype for a in args):
        return None
    return b.apply(op, *[b.cast(a, dtype) for a in args])


CASTS = (
    Rule("product_casts", On(PRODUCTS), _product_casts,
         sample=lambda b: (build.contract(b, matrix(b, "float32"), (0, 1), matrix(b), (2, 1), (0, 2)),
                           build.contract(b, matrix(b, "int8"), (0, 1), matrix(b, "int64"), (2, 1), (0, 2)),
                           build.contract(b, matrix(b), (0, 1), matrix(b, "bool"), (0, 1), (1,)))),
    Rule("cast", On((ops.Cast,)), _cast,
         sample=lambda b: (b.apply(ops.Cast("float64"), v := matrix(b)),
                           b.apply(ops.Cast("int16"), b.apply(ops.Cast("int64"), matrix(b, "int8"))),
                           b.apply(ops.Cast("int8"), b.apply(ops.Broadcast(), build.take(b, v, 0),
                                                             b.size(v, 0), b.size(v, 1))),
                           b.apply(ops.Cast("float32"), b.apply(ops.Concat(0), *[
                               build.vector(b, b.size(v, k)) for k in (0, 1)])))),
)


RULES = ELEMENTWISE + CASTS + views.RULES + sums.RULES
