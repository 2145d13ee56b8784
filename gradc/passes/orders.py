"""What is sorted, or parted, and its order, where both are asked for, as a value and its gradient do: sorted once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradc.ir import build, ops
from gradc.ir.program import Eqn, Var
from gradc.ir.types import TensorType
from gradc.passes.pattern import Args, On, Rule, Sample

if TYPE_CHECKING:
    from gradc.passes.rewrite import Rewriter

ORDERS = {name: build.call(f"arg{name}") for name in ("sort", "partition")}


def _by_order(b: Rewriter, op: ops.Call, args: Args) -> Var | None:
    """sort(x), where there is argsort(x) -> x at argsort(x)"""
    if op.routine not in ORDERS:
        return None
    order = ORDERS[op.routine]
    orders: list[Eqn] | None = b.memo.get("orders")
    if orders is None:
        orders = b.memo["orders"] = [eqn for eqn in b.before.eqns if eqn.op in ORDERS.values()]
    if not any(eqn.op == order and [b.latest(a) for a in eqn.args] == list(args) for eqn in orders):
        return None
    return build.take_along(b, args[0], b.apply(order, *args))


def _sample(b: Rewriter) -> Sample:
    x, rows = b.input(TensorType("float64", (None,))), b.input(TensorType("float64", (2, 4)))
    kth = b.constant([2, 0], "int64")
    return tuple([b.apply(op, *args) for args, name in (((x,), "sort"), ((rows,), "sort"), ((rows, kth), "partition"))
                  for op in (build.call(name), ORDERS[name])])


RULES = (Rule("sorted_by_order", On((ops.Call,)), _by_order, sample=_sample),)
