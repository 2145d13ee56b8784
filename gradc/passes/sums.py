"""Rules on reductions and contractions: of what is broadcast, negated, scaled or transposed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from gradc.ir import dtypes, ops
from gradc.ir.program import Var
from gradc.ir.sizes import Dim
from gradc.passes.pattern import Args, On, Rule, Sample, matrix
from gradc.passes.shapes import size_var

if TYPE_CHECKING:
    from gradc.passes.rewrite import Rewriter


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
        if not all(v.type.shape[k] for k in repeated):
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


_REDUCTIONS = (
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


def _contract_uniform(b: Rewriter, op: ops.Contract, v: Var, mine: tuple[int, ...], full: Var, theirs: tuple[int, ...],
                      value: Var, dtype: str) -> Var | None:
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


_CONTRACTIONS = (
    Rule("contract", On((ops.Contract,), some=(ops.Transpose, ops.Broadcast)), _contract, exact=False, ulps=64,
         sample=(_sample_contract, _sample_contract_uniform),
         why="sums of one array in another order; terms with an equal factor are summed before they are multiplied"),
)

RULES = _REDUCTIONS + _CONTRACTIONS
