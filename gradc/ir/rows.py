"""The inverse of `ir.batch`: what one row of an equation's result is, and what a sum over all its rows is.

    row_form(eqn)           row t of the result is the op returned, of rows t of the arguments flagged and others whole
    term_form(eqn)          the result is the sum, over all t, of what the op returned makes of rows t
    apply_row(b, eqn, ...)  the equation of either form
    totals(op)              the arguments that something is added to
    sum_form(eqn, rows)     how a sum over the rows that `ir.batch` makes can be had without making them

None where there is no such form within the closed set of op kinds.  One entry per op kind in each table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gradc.errors import NoRuleError
from gradc.ir import ops
from gradc.ir.program import Builder, Eqn, Var, tensor
from gradc.ir.types import TensorType

Form = tuple[ops.OpKind, tuple[bool, ...]] | None


def _none(op: object, eqn: Eqn) -> Form:
    return None


def _map(op: ops.Map, eqn: Eqn) -> Form:
    rank = tensor(eqn.out).ndim
    return op, tuple([tensor(a).ndim == rank and tensor(a).shape[0] != 1 for a in eqn.args])


def _first(op: ops.OpKind, eqn: Eqn) -> Form:
    return op, (True,) + (False,) * (len(eqn.args) - 1)


def _reduce(op: ops.Reduce, eqn: Eqn) -> Form:
    return None if 0 in op.axes else (ops.Reduce(op.fn, tuple([k - 1 for k in op.axes])), (True,))


def _along(op: ops.Cumulate | ops.ArgReduce, eqn: Eqn) -> Form:
    return (type(op)(op.fn, op.axis - 1), (True,)) if op.axis else None


def _contract(op: ops.Contract, eqn: Eqn) -> Form:
    return _without(op, op.out[0], op.out[1:])


def _without(op: ops.Contract, label: int, out: tuple[int, ...]) -> Form:
    """Without the label that counts rows; it must come first wherever it stands."""
    if label in (*op.a[1:], *op.b[1:]):
        return None
    a, b = [tuple([k for k in labels if k != label]) for labels in (op.a, op.b)]
    return ops.Contract(a, b, out), (label in op.a, label in op.b)


def _transpose(op: ops.Transpose, eqn: Eqn) -> Form:
    return (ops.Transpose(tuple([p - 1 if p > 0 else p for p in op.perm[1:]])), (True,)) if op.perm[0] == 0 else None


def _slice(op: ops.Slice, eqn: Eqn) -> Form:
    return _first(ops.Slice(op.items[1:]), eqn) if op.items and op.items[0].is_all else None


def _gather(op: ops.Gather, eqn: Eqn) -> Form:
    """Of what is picked from one x; rows of index arrays."""
    shapes = [tensor(i).shape for i in eqn.args[1:]]
    rank = max(map(len, shapes))
    rows = tuple([len(s) == rank > 0 for s in shapes])
    return (op, (False, *rows)) if rank and all(s[0] != 1 for s, flag in zip(shapes, rows) if flag) else None


def _concat(op: ops.Concat, eqn: Eqn) -> Form:
    return (ops.Concat(op.axis - 1), (True,) * len(eqn.args)) if op.axis else None


def _assert(op: ops.Assert, eqn: Eqn) -> Form:
    return _first(op, eqn) if op.error == "shape" else None


ROW: dict[type, Callable[[Any, Eqn], Form]] = {
    ops.Const: _none, ops.Map: _map, ops.Cast: _first, ops.Reduce: _reduce, ops.Cumulate: _along,
    ops.ArgReduce: _along, ops.Contract: _contract, ops.Broadcast: _none, ops.Transpose: _transpose,
    ops.Reshape: _none, ops.Slice: _slice, ops.Scatter: _none, ops.Gather: _gather, ops.ScatterAt: _none,
    ops.Concat: _concat, ops.Iota: _none, ops.ShapeOf: _none, ops.Assert: _assert, ops.Call: _none, ops.Words: _none,
    ops.Scan: _none, ops.Cond: _none, ops.GradientOf: _none,
}


def row_form(eqn: Eqn) -> Form:
    """See the module.  The result must have rows."""
    rule = ROW.get(type(eqn.op))
    if rule is None:
        raise NoRuleError(f"{eqn.op} has no entry in ir/rows.py")
    t = eqn.out.type
    return rule(eqn.op, eqn) if type(t) is TensorType and t.ndim and len(eqn.outs) == 1 else None


def term_form(eqn: Eqn) -> Form:
    """See the module.  Not of sums that are scalars."""
    op = eqn.op
    if type(eqn.out.type) is not TensorType or not tensor(eqn.out).ndim:
        return None
    if type(op) is ops.Reduce:
        return (ops.Reduce("add", tuple([k - 1 for k in op.axes[1:]])), (True,)) \
            if op.fn == "add" and op.axes[:1] == (0,) else None
    if type(op) is ops.Contract:
        label = next((k for k in (*op.a[:1], *op.b[:1]) if k not in (*op.a[1:], *op.b[1:], *op.out)), None)
        return None if label is None else _without(op, label, op.out)
    return None


def apply_row(b: Builder, eqn: Eqn, op: ops.OpKind, args: Sequence[Var]) -> Var:
    """`op`, a form of `eqn`, of rows and whole arguments.

    What all rows of an elementwise result have in common may have an axis for them, of size 1.
    """
    rank = tensor(eqn.out).ndim
    if type(op) is ops.Map:
        args = [b.apply(ops.Transpose(tuple(range(1, rank))), v) if tensor(v).ndim == rank else v for v in args]
    if op == ops.Reduce("add", ()):
        return args[0]
    return b.apply(op, *args)


# --------------------------------------------------------------------------------------------------- sums


_ADDED = (ops.Map("add"), ops.Map("sub"))


def sum_form(eqn: Eqn, rows: Sequence[bool]) -> str:
    """How a sum over rows of the result is made, if the arguments flagged have rows.

    "sums": the op of sums of its arguments (where it adds up, of k times what is whole, too); "product": a Contract
    of all rows; "rows": there is no way but to make the rows.
    """
    op = eqn.op
    if type(op) is ops.Map:
        linear = op in _ADDED or op.fn == "neg" or (op.fn == "true_divide" and list(rows) == [True, False]) \
            or (op.fn == "mul" and list(rows).count(True) == 1)
        if op.fn == "mul" and not linear and _outer(eqn):
            return "product"
    elif type(op) is ops.Contract:
        if all(rows):
            return "product"
        linear = True
    else:
        linear = type(op) is ops.Transpose or (type(op) is ops.Reduce and op.fn == "add") or (
            type(op) in (ops.Broadcast, ops.Reshape, ops.Slice) and not any(rows[1:]))
    same = all(tensor(a).dtype == tensor(eqn.out).dtype for a, flag in zip(eqn.args, rows) if flag)
    return "sums" if linear and same else "rows"


def adds_up(op: ops.OpKind) -> bool:
    """Are all arguments summed over the rows, also those that are the same in all?"""
    return op in _ADDED


def _outer(eqn: Eqn) -> bool:
    """Is this product larger than its factors?"""
    return all(sum(s != 1 for s in tensor(a).shape) < tensor(eqn.out).ndim for a in eqn.args) \
        and len({tensor(v).dtype for v in (*eqn.args, eqn.out)}) == 1


def product_of_rows(b: Builder, eqn: Eqn, args: Sequence[tuple[Var, bool]]) -> Var:
    """The sum over rows of a product, as one Contract; `args`: those of `eqn`, and whether they have rows."""
    if type(eqn.op) is ops.Contract:
        op, given = eqn.op, [v for v, _ in args]
        row = 1 + max((*op.a, *op.b), default=0)
        x, y = [(row, *labels) if flag else labels for labels, (_, flag) in zip((op.a, op.b), args)]
        return b.apply(ops.Contract(x, y, op.out), *given)
    ndim = tensor(eqn.out).ndim
    labels: list[tuple[int, ...]] = []
    factors: list[Var] = []
    for (rows, _), inner in zip(args, eqn.args):
        shape = tensor(inner).shape
        kept = [k for k, s in enumerate(shape) if s != 1]
        labels.append((ndim, *[k + ndim - len(shape) for k in kept]))
        factors.append(b.apply(ops.Transpose((0, *[k + 1 for k in kept])), rows))
    there = [k for k in range(ndim) if any(k in part for part in labels)]
    made = b.apply(ops.Contract(labels[0], labels[1], tuple(there)), *factors)
    return b.apply(ops.Transpose(tuple([there.index(k) if k in there else -1 for k in range(ndim)])), made)


def totals(op: ops.OpKind) -> tuple[int, ...]:
    """Which of the first two arguments the other is added to, or subtracted from, all of it or a part."""
    if op in _ADDED:
        return (0, 1) if op == _ADDED[0] else (0,)
    return (0,) if isinstance(op, ops.WRITES) and op.mode == "inc" else ()
