"""Rules of Reduce, Cumulate and ArgReduce.

Derivatives of products are made of products, without a division: exact for zeros among the factors, also when they
are differentiated again.  In a maximum or minimum the tied elements share the gradient equally.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradc.autodiff.symbolic import Symbolic
from gradc.autodiff.table import Cotangents, jvp, vjp
from gradc.ir import build, dtypes, infer, ops
from gradc.ir.convert import to_program
from gradc.ir.graph import Apply, Variable
from gradc.ir.types import TensorType


def _expand(o: Symbolic, y: Variable, axes: tuple[int, ...], ndim: int) -> Variable:
    """A result y of a reduction over `axes`, broadcastable against its argument of `ndim` axes."""
    first = next((k for k in range(ndim) if k not in axes), ndim)       # leading axes: NumPy's rank padding does it
    return build.insert_axes(o, y, [k - first for k in axes], ndim - first)


def _factors_before(o: Symbolic, x: Variable, axis: int) -> Variable:
    """For each element the product of those before it along `axis`."""
    items = (*[ops.Item()] * axis, ops.Item(start=1))
    shifted = build.put(o, "set", o.second(x, o.const(1, x)), build.cut(o, x, stop=-1, axis=axis), items)
    return o.apply(ops.Cumulate("mul", axis), shifted)


def _other_factors(o: Symbolic, node: Apply) -> Variable:
    """For each factor the product of all others, with the derivative of that.

    Computed as the product over the factor where no product is 0, inf or nan: in a tenth of the time.
    """
    (x,), axes = node.inputs, node.op.axes
    y = node.outputs[0]
    exact = _products_without(o, x, axes)
    if not axes or y.type.dtype not in dtypes.FLOATS:
        return exact
    limits, size = np.finfo(y.type.dtype), o.abs(y)
    ordinary = o.and_(o.ge(size, o.const(float(limits.tiny), y)), o.le(size, o.const(float(limits.max), y)))
    if y.type.ndim:
        ordinary = build.fold_all(o, "and_", ordinary)
    factor, product = [v.type.variable_class(v.type) for v in (x, y)]
    quotient = o.true_divide(_expand(o, product, axes, factor.type.ndim), factor)
    over, without = [to_program([factor, product], [v], body=True)
                     for v in (quotient, _products_without(o, factor, axes))]
    args = [ordinary, x, y]
    choice = ops.Cond(over, without)
    value = Apply(choice, args, infer.output_types(choice, args, o.source), o.source).outputs[0]
    return o.apply(ops.GradientOf(("of",)), exact, value)


def _products_without(o: Symbolic, x: Variable, axes: tuple[int, ...]) -> Variable:
    """For each factor the product of all others: axis by axis, those before it times those after it."""
    ndim = x.type.ndim
    part, total = x, None
    for k in range(len(axes) - 1, -1, -1):
        axis = axes[k]
        after = _flip(o, _factors_before(o, _flip(o, part, axis), axis), axis)
        others = _expand(o, o.mul(_factors_before(o, part, axis), after), axes[k + 1:], ndim)
        total = others if total is None else o.mul(total, others)
        part = build.fold(o, "mul", part, (axis,))
    return o.second(x, o.const(1, x)) if total is None else total


def _shared(o: Symbolic, node: Apply, wide: Variable) -> Variable:
    """`wide`, a value for each element, over the number of tied elements where the extreme is taken; 0 elsewhere."""
    (x,), axes = node.inputs, node.op.axes
    ndim = x.type.ndim
    taken = o.eq(x, _expand(o, node.outputs[0], axes, ndim))
    ties = _expand(o, build.fold(o, "add", o.cast(taken, "int64"), axes), axes, ndim)
    return o.switch(taken, o.true_divide(wide, o.cast(ties, wide.type.dtype)), o.const(0, wide))


@vjp(ops.Reduce)
def reduce_vjp(o: Symbolic, node: Apply, g: Variable, wanted: Sequence[bool]) -> Cotangents:
    """sum: g everywhere; prod: g times the others (conjugate); max, min: g shared where the extreme is taken."""
    (x,), op = node.inputs, node.op
    ndim = x.type.ndim
    wide = _expand(o, g, op.axes, ndim)
    if op.fn == "add":
        return [o.second(x, wide)]
    if op.fn == "mul":
        return [o.mul(wide, o.conjugate(_other_factors(o, node)))]
    return [_shared(o, node, wide)]


@jvp(ops.Reduce)
def reduce_jvp(o: Symbolic, node: Apply, tangents: Cotangents) -> Variable | None:
    """The transpose of the reverse rule."""
    op, t = node.op, tangents[0]
    if t is None:
        return None
    if op.fn == "mul":
        t = o.mul(t, _other_factors(o, node))
    elif op.fn != "add":
        t = _shared(o, node, t)
    return build.fold(o, "add", t, op.axes)


def _flip(o: Symbolic, x: Variable, axis: int) -> Variable:
    return build.cut(o, x, step=-1, axis=axis)


def _reverse_cumsum(o: Symbolic, x: Variable, axis: int) -> Variable:
    return _flip(o, o.apply(ops.Cumulate("add", axis), _flip(o, x, axis)), axis)


def _recurrence(o: Symbolic, a: Variable, b: Variable, axis: int) -> Variable:
    """r[i] = a[i] r[i-1] + b[i] along `axis`, with r[-1] = 0."""
    seqs = [build.move_axis(o, v, axis, 0) for v in (a, b)]
    first = build.fold(o, "add", o.add(*seqs), (0,))                        # for its shape
    rows = [TensorType.make(s.type.dtype, s.type.shape[1:]) for s in seqs] + [first.type]
    factor, term, r = (row.variable_class(row) for row in rows)
    following = o.add(o.mul(factor, r), term)
    loop = ops.Scan(to_program([factor, term, r], [following, following], body=True), 2, 1)
    args = [o.size(b, axis), *seqs, o.full_like(first, 0)]
    result = Apply(loop, args, infer.output_types(loop, args, o.source), o.source).outputs[1]
    return build.move_axis(o, result, 0, axis)


@vjp(ops.Cumulate)
def cumulate_vjp(o: Symbolic, node: Apply, g: Variable, wanted: Sequence[bool]) -> Cotangents:
    """cumsum: cumsum of g from the end.  cumprod: the factors before x[j], times s[j] = g[j] + x[j+1] s[j+1]."""
    (x,), axis = node.inputs, node.op.axis
    if node.op.fn == "add":
        return [_reverse_cumsum(o, g, axis)]
    x = o.conjugate(x)
    items = (*[ops.Item()] * axis, ops.Item(stop=-1))
    shifted = build.put(o, "set", o.second(x, o.const(0, x)), build.cut(o, x, start=1, axis=axis), items)
    s = _flip(o, _recurrence(o, _flip(o, shifted, axis), _flip(o, g, axis), axis), axis)
    return [o.mul(_factors_before(o, x, axis), s)]


@jvp(ops.Cumulate)
def cumulate_jvp(o: Symbolic, node: Apply, tangents: Cotangents) -> Variable | None:
    """cumsum: cumsum of t.  cumprod: its tangent r[i] = x[i] r[i-1] + t[i] times the factors before x[i]."""
    (x,), axis, t = node.inputs, node.op.axis, tangents[0]
    if t is None:
        return None
    if node.op.fn == "add":
        return o.apply(node.op, t)
    return _recurrence(o, x, o.mul(t, _factors_before(o, x, axis)), axis)


@vjp(ops.ArgReduce)
def argreduce_vjp(o: Symbolic, node: Apply, g: Variable, wanted: Sequence[bool]) -> Cotangents:
    """A position: derivative zero."""
    return [None]


@jvp(ops.ArgReduce)
def argreduce_jvp(o: Symbolic, node: Apply, tangents: Cotangents) -> Variable | None:
    """A position: derivative zero."""
    return None
