"""Warnings where integers cut a gradient by an integer variable: `grad(i**2, i)` is 0, as in Aesara.

An integer variable has the derivative of the formula, but integers on the way carry none.  What is constant piece by
piece (comparisons, argmax, floor, sizes, positions) has the derivative 0 anyhow and is not warned of.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gradc.autodiff.table import connection
from gradc.config import heed
from gradc.errors import GradientError, at
from gradc.ir import dtypes, ops
from gradc.ir.graph import Apply, Variable, describe
from gradc.ir.scalars import get_row
from gradc.ir.types import TensorType

_PIECEWISE = (ops.ArgReduce, ops.Iota, ops.ShapeOf)


def is_integer(v: Variable) -> bool:
    """An integer tensor, not a bool?"""
    return type(v.type) is TensorType and v.type.dtype in dtypes.INTEGERS


def warn_of_cuts(order: Sequence[Apply], ends: Iterable[Variable], targets: Iterable[Variable]) -> None:
    """What `config.warn_int_gradient` asks for, where a derivative of `ends` by an integer of `targets` is cut.

    order: the nodes between them, each after those it needs.
    """
    wanted = {v for v in targets if is_integer(v)}
    if not wanted:
        return
    live = set(ends)
    for node in reversed(order):
        if not live.isdisjoint(node.outputs):
            live.update(_sloped(node))
    for node in order:
        y = node.outputs[0]
        if y in live and is_integer(y):
            for x in dict.fromkeys(_sloped(node)):
                if x in wanted:
                    heed("warn_int_gradient",
                         f"the gradient by {describe(x)} does not pass {node.op}{at(node.source)}, whose result is "
                         f"{y.type}: integers carry no gradient, so this part of it is 0; compute in floats, "
                         f"of {x.name or 'x'}.astype('float64')", node.source, GradientError)


def _sloped(node: Apply) -> list[Variable]:
    """The inputs by which a result has a derivative, as a formula, that is not 0 everywhere."""
    op, out = node.op, node.outputs[0]
    if isinstance(op, _PIECEWISE) or (is_integer(out) and not isinstance(op, ops.OpKind)):
        return []
    if isinstance(op, ops.GradientOf) and isinstance(op.kind, str):
        return []
    if isinstance(op, ops.Cast) and is_integer(out):
        return [x for x in node.inputs if is_integer(x)]
    if isinstance(op, ops.Map) and op.fn != "second":
        slopes = get_row(op.fn).d or ()
        return [x for x, slope in zip(node.inputs, slopes) if slope is not None]
    pattern = connection(node)
    return [x for k, x in enumerate(node.inputs) if pattern is None or True in pattern[k]]
