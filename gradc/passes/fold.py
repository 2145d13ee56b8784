"""Constant folding, as rules: equations of constants are run by the interpreter when the Program is built.

Not folded: results above `LIMIT` bytes, and what is cheaper as a formula than as data (Broadcast, Iota).
An array with equal elements is not data either: it is held as a Broadcast of a scalar, and Maps of such
Broadcasts become Broadcasts of Maps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gradc.errors import GradcError
from gradc.ir import build, dtypes, interp, ops
from gradc.ir.facts import FOLDING, PRODUCTS
from gradc.ir.program import Eqn, Var
from gradc.ir.types import TensorType
from gradc.passes.pattern import ANY_MAP, CONSTANT_KINDS, Args, On, Rule, Sample, result_type

if TYPE_CHECKING:
    from gradc.passes.rewrite import Rewriter

LIMIT = 64 * 1024

_MOVED = tuple([kind for kind in ops.VIEWS if kind is not ops.Broadcast])
_CONSTANTS = (*sorted(CONSTANT_KINDS), ops.Const)


def _fold(b: Rewriter, op: ops.OpKind, args: Args) -> Var | None:
    if any(a.data is None for a in args):
        return None
    want = result_type(op, args)
    size = dtypes.ITEMSIZE[want.dtype]
    for s in want.shape:
        if s is None:
            return None
        size *= s
    if size > LIMIT:
        return None
    try:
        with np.errstate(all="ignore"):
            value = interp.run_equation(Eqn(op, tuple(args), (Var(-1, want),)), [a.data for a in args])[0]
    except GradcError:
        return None             # it fails whenever it runs; then it should fail at run time, with its line
    return b.apply(ops.Const(ops.ConstantValue(np.asarray(value))))


def _uniform(b: Rewriter, op: ops.Const, args: Args) -> Var | None:
    data = op.value.data
    if data.ndim == 0 or data.size == 0:
        return None
    flat = data.reshape(-1).view(f"V{data.itemsize}") if data.itemsize > 1 else data.reshape(-1)
    first = flat[:1]
    if flat.tobytes() != first.tobytes() * data.size:
        return None
    scalar = b.apply(ops.Const(ops.ConstantValue(data.reshape(-1)[0].reshape(()))))
    return b.raw(ops.Broadcast(), (scalar, *[b.constant(s, "int64") for s in data.shape]))


def _map_of_broadcast(b: Rewriter, op: ops.Map, args: Args) -> Var | None:
    """f(broadcast(c), x) -> f(c, x) if x has the whole shape; f(broadcast(c), broadcast(d)) -> broadcast(f(c, d))."""
    if op.fn == "second":
        return None
    eqns = [b.eqn(a, ops.Broadcast) for a in args]
    inner = [a if e is None else e.args[0] for a, e in zip(args, eqns)]
    types = [result_type(op, a) for a in (args, inner)]
    dims = [b.sizes.shape(op, a) for a in (args, inner)]
    ones = [[s == 1 for s in t.shape] for t in types]
    if b.sizes.equal(dims[0], dims[1]) and ones[0] == ones[1]:
        return b.map(op.fn, *inner)
    if all(e is not None or not a.type.shape for a, e in zip(args, eqns)):
        return b.broadcast(b.map(op.fn, *inner), dims[0])
    for k, e in enumerate(eqns):        # one at a time: the others may be needed for their shape
        if e is not None and len(args) > 1:
            fewer = [e.args[0] if j == k else a for j, a in enumerate(args)]
            t = result_type(op, fewer)
            if b.sizes.equal(dims[0], b.sizes.shape(op, fewer)) and [s == 1 for s in t.shape] == ones[0]:
                return b.map(op.fn, *fewer)
    return None


def _sample_fold(b: Rewriter) -> Sample:
    x = b.constant(np.array([[0.0, -0.0, np.nan], [np.inf, 1.5, -2.0]]))
    return (b.map("mul", b.constant(2, "int8"), b.constant(0.5, "float64")), build.fold(b, "add", x, (1,)),
            build.dimshuffle(b, x, (1, 0)), b.map("add", x, b.constant(1, "int8")),
            build.contract(b, x, (0, 1), x, (2, 1), (0, 2)), b.cast(x, "int32"),
            build.index(b, x, [ops.Item(at=-1), ops.Item(step=-1)]), b.apply(ops.Cumulate("add", 1), x),
            b.apply(ops.ArgReduce("maximum", 0), x), b.apply(ops.Concat(0), x, x))


def _sample_uniform(b: Rewriter) -> Sample:
    return (b.map("neg", b.constant(np.full((2, 3), -0.0))), b.map("add", b.constant(np.full((3,), np.nan)),
                                                                   b.constant(np.ones((2, 1), "int8"))))


def _sample_broadcast(b: Rewriter) -> Sample:
    x = b.input(TensorType("float64", (None, None)))
    row = b.input(TensorType("float64", (1, None)))
    c = b.input(TensorType("float64", ()))
    n, m = b.size(x, 0), b.size(x, 1)
    ones = b.apply(ops.Broadcast(), b.constant(1.0, "float64"), n, m)
    rows = b.apply(ops.Broadcast(), row, n, m)
    return (b.map("mul", ones, x), b.map("add", rows, ones), b.map("sub", rows, row), b.map("neg", ones),
            b.map("mul", ones, c), b.map("add", b.apply(ops.Broadcast(), c, m), x))


RULES = (
    Rule("fold", On((ANY_MAP, ops.Cast, ops.Cumulate, ops.ArgReduce, ops.Concat, *FOLDING, *PRODUCTS, *ops.WRITES,
                     *_MOVED), every=_CONSTANTS), _fold, sample=_sample_fold),
    Rule("constant_array_of_one_value", On((ops.Const,)), _uniform, sample=_sample_uniform),
    Rule("map_of_broadcast", On((ANY_MAP,), some=(ops.Broadcast,)), _map_of_broadcast, sample=_sample_broadcast),
)
