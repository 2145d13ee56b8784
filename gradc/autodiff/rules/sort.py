"""Rules of the routines of sorting: what is sorted moves with its elements, places do not move.

Where elements are equal their order, and with it the derivative, is that of the stable sort.
"""

from __future__ import annotations

from collections.abc import Sequence

from gradc.autodiff.symbolic import Symbolic
from gradc.autodiff.table import CALL_JVP, CALL_VJP, Cotangents
from gradc.ir import build, ops
from gradc.ir.graph import Apply, Variable


def _order(o: Symbolic, node: Apply) -> Variable:
    """The positions at which what is sorted, or parted, finds its elements."""
    return o.apply(build.call(f"arg{node.op.routine}"), *node.inputs)


def _sort_vjp(o: Symbolic, node: Apply, gs: Cotangents, wanted: Sequence[bool]) -> Cotangents:
    """Each element gets the cotangent of its place."""
    x, g = node.inputs[0], gs[0]
    assert g is not None
    zeros = o.full_like(x, 0)
    at = ops.ScatterAt("inc", tuple(range(x.type.ndim)))
    made = o.apply(at, zeros, o.cast(g, zeros.type.dtype), *build.along(o, _order(o, node)))
    return [made, *[None] * (len(node.inputs) - 1)]


def _sort_jvp(o: Symbolic, node: Apply, tangents: Cotangents) -> Cotangents:
    """The tangents in the order of the elements."""
    t = tangents[0]
    assert t is not None
    return [build.take_along(o, t, _order(o, node))]


def _no_vjp(o: Symbolic, node: Apply, gs: Cotangents, wanted: Sequence[bool]) -> Cotangents:
    return [None] * len(node.inputs)


def _no_jvp(o: Symbolic, node: Apply, tangents: Cotangents) -> Cotangents:
    return [None]


for _name in ("sort", "partition"):
    CALL_VJP[_name], CALL_JVP[_name] = _sort_vjp, _sort_jvp
for _name in ("argsort", "argpartition", "order_at", "order_of_rows", "searchsorted_left", "searchsorted_right"):
    CALL_VJP[_name], CALL_JVP[_name] = _no_vjp, _no_jvp
