"""Rules of Reduce, Cumulate and ArgReduce.

Products are exact with zeros among the factors (for first derivatives); in a maximum or minimum the tied elements
share the gradient equally.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradc.autodiff.symbolic import Symbolic
from gradc.autodiff.table import Cotangents, jvp, vjp
from gradc.ir import ops
from gradc.ir.graph import Apply, Variable


def _expand(o: Symbolic, y: Variable, axes: tuple[int, ...], ndim: int) -> Variable:
    """A result y of a reduction over `axes`, broadcastable against its argument of `ndim` axes."""
    kept = [k for k in range(ndim) if k not in axes]
    if not kept or kept == list(range(ndim - len(kept), ndim)):
        return y                                    # leading axes: NumPy's rank padding does it
    first = kept[0]
    position = {k: j for j, k in enumerate(kept)}
    return o.apply(ops.Transpose(tuple(position.get(k, -1) for k in range(first, ndim))), y)


def _other_factors(o: Any, node: Apply) -> Variable:
    """For each factor the product of all others, exact when factors are zero."""
    (x,), axes = node.inputs, node.op.axes
    ndim = x.type.ndim  # type: ignore[attr-defined]
    is_zero = o.eq(x, o.const(0, x))
    zeros = _expand(o, o.apply(ops.Reduce("add", axes), o.cast(is_zero, "int64")), axes, ndim)
    nonzero = o.switch(is_zero, o.const(1, x), x)
    product = _expand(o, o.apply(ops.Reduce("mul", axes), nonzero), axes, ndim)
    zeros_left = o.sub(zeros, o.cast(is_zero, "int64"))
    return o.switch(o.eq(zeros_left, o.number(0, "int8")), o.true_divide(product, nonzero), o.const(0, x))


def _shared(o: Any, node: Apply, wide: Variable) -> Variable:
    """`wide`, a value for each element, over the number of tied elements where the extreme is taken; 0 elsewhere."""
    (x,), axes = node.inputs, node.op.axes
    ndim = x.type.ndim  # type: ignore[attr-defined]
    taken = o.eq(x, _expand(o, node.outputs[0], axes, ndim))
    ties = _expand(o, o.apply(ops.Reduce("add", axes), o.cast(taken, "int64")), axes, ndim)
    return o.switch(taken, o.true_divide(wide, o.cast(ties, wide.type.dtype)), o.const(0, wide))  # type: ignore[attr-defined]


@vjp(ops.Reduce)
def reduce_vjp(o: Any, node: Apply, g: Variable, wanted: Sequence[bool]) -> Cotangents:
    """sum: g everywhere; prod: g times the other factors; max, min: g shared where the extreme is taken."""
    (x,), op = node.inputs, node.op
    ndim = x.type.ndim  # type: ignore[attr-defined]
    wide = _expand(o, g, op.axes, ndim)
    if op.fn == "add":
        return [o.second(x, wide)]
    if op.fn == "mul":
        return [o.mul(wide, _other_factors(o, node))]
    return [_shared(o, node, wide)]


@jvp(ops.Reduce)
def reduce_jvp(o: Any, node: Apply, tangents: Cotangents) -> Variable | None:
    """The transpose of the reverse rule."""
    op, t = node.op, tangents[0]
    if t is None:
        return None
    if op.fn == "mul":
        t = o.mul(t, _other_factors(o, node))
    elif op.fn != "add":
        t = _shared(o, node, t)
    return o.apply(ops.Reduce("add", op.axes), t)


def _reverse_cumsum(o: Symbolic, x: Variable, axis: int) -> Variable:
    return o.flip(o.apply(ops.Cumulate("add", axis), o.flip(x, axis)), axis)


def _first_zero(o: Any, node: Apply) -> tuple[Variable, Variable, Variable]:
    """Of a cumulative product: where x is 0, where it is so first, and the product with that zero taken as 1."""
    (x,), op = node.inputs, node.op
    is_zero = o.eq(x, o.const(0, x))
    count = o.apply(ops.Cumulate("add", op.axis), o.cast(is_zero, "int64"))
    first = o.and_(is_zero, o.eq(count, o.number(1, "int8")))
    return is_zero, first, o.apply(op, o.switch(first, o.const(1, x), x))


@vjp(ops.Cumulate)
def cumulate_vjp(o: Any, node: Apply, g: Variable, wanted: Sequence[bool]) -> Cotangents:
    """cumsum: cumsum of g from the end.  cumprod: before the first zero of x the same of g * out, over x; at
    that zero the same with the zero taken as 1; 0 after it."""
    (x,), op, out = node.inputs, node.op, node.outputs[0]
    if op.fn == "add":
        return [_reverse_cumsum(o, g, op.axis)]
    is_zero, first, without = _first_zero(o, node)
    before = o.true_divide(_reverse_cumsum(o, o.mul(g, out), op.axis), x)
    at_zero = _reverse_cumsum(o, o.mul(g, without), op.axis)
    return [o.switch(first, at_zero, o.switch(is_zero, o.const(0, g), before))]


@jvp(ops.Cumulate)
def cumulate_jvp(o: Any, node: Apply, tangents: Cotangents) -> Variable | None:
    """The transpose of the reverse rule."""
    (x,), op, out, t = node.inputs, node.op, node.outputs[0], tangents[0]
    if t is None:
        return None
    cumsum = ops.Cumulate("add", op.axis)
    if op.fn == "add":
        return o.apply(cumsum, t)
    is_zero, first, without = _first_zero(o, node)
    zero = o.const(0, t)
    before = o.mul(out, o.apply(cumsum, o.switch(is_zero, zero, o.true_divide(t, x))))
    return o.add(before, o.mul(without, o.apply(cumsum, o.switch(first, t, zero))))


@vjp(ops.ArgReduce)
def argreduce_vjp(o: Symbolic, node: Apply, g: Variable, wanted: Sequence[bool]) -> Cotangents:
    """A position: derivative zero."""
    return [None]


@jvp(ops.ArgReduce)
def argreduce_jvp(o: Symbolic, node: Apply, tangents: Cotangents) -> Variable | None:
    """A position: derivative zero."""
    return None
