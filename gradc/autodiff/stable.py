"""Expressions of exponentials that are differentiated by a form of equal value that neither overflows nor cancels.

The literal derivative of exp(x) / (1 + exp(x)) is a sum of quotients that are inf/inf at 1000 and cancel at 30: no
later simplification of it can be relied on.  So the two passes ask here, for each node, for another form of it
(`ir/stable_forms.py`).  A form is made of the variables that the node is made of, whatever else they are used for, and
its derivative is that of the rows it is made of.  The node's value stays what it is; `passes.stabilize` gives values
the same forms.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from gradc.autodiff.symbolic import Symbolic
from gradc.ir import dtypes, ops, stable_forms
from gradc.ir.exponentials import ROOTS, SEEDING
from gradc.ir.graph import Apply, Constant, Variable, toposort

__all__ = ["ROOTS", "SEEDING", "Forms", "new_nodes"]


class Forms(stable_forms.Forms[Variable]):
    """Finds forms; `keep` are variables (by id) that are differentiated by, so that they may not be seen through."""

    def __init__(self, o: Symbolic, keep: Collection[int]) -> None:
        super().__init__()
        self.o = o
        self.keep = keep

    def of(self, node: Apply) -> Variable | None:
        """Another expression for the result of `node`, or None."""
        self.like = out = node.outputs[0]
        self.dtype = out.type.dtype
        if self.dtype not in dtypes.FLOATS or not any([self.seed(x) for x in node.inputs]):
            return None
        self.forget()       # a form is made of what the node is made of: cotangents of others may have been passed on
        made = self.form(node.op.fn, node.inputs)
        if made is None:
            return None
        made = self.cast(made, self.dtype)
        return made if made.type == out.type else None

    def made(self, v: Variable) -> tuple[Any, Sequence[Variable]]:
        node = v.owner
        return (None, ()) if node is None or id(v) in self.keep else (node.op, node.inputs)

    def number(self, v: Variable) -> float | None:
        if isinstance(v, Constant):
            return float(v.data.reshape(())) if v.data.size == 1 and v.data.dtype.kind in "fiu" else None
        if v.owner is None or v.owner.op != _SUB:
            return None
        first, second = [self.number(x) for x in v.owner.inputs]       # the exponent of a derivative of a power
        return None if first is None or second is None else first - second

    def map(self, fn: str, *args: Variable) -> Variable:
        return getattr(self.o, fn)(*args)

    def apply(self, op: ops.OpKind, *args: Variable) -> Variable:
        return self.o.apply(op, *args)

    def cast(self, v: Variable, dtype: str) -> Variable:
        return self.o.cast(v, dtype)

    def const(self, value: float) -> Variable:
        return self.o.const(value, self.like)

    def hold(self, v: Variable) -> Variable:
        return self.o.apply(ops.GradientOf("consider_constant"), v)


_SUB = ops.Map("sub")


def new_nodes(form: Variable, known: Collection[int]) -> list[Apply]:
    """The nodes of a form, in order: those above which there are variables (by id) of the graph it was made for."""
    stop, seen, work = [], set(), [form]
    while work:
        v = work.pop()
        if v.owner is None or id(v) in known:
            stop.append(v)
        elif id(v) not in seen:
            seen.add(id(v))
            work.extend(v.owner.inputs)
    return toposort([form], stop)
