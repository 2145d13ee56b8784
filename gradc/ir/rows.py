"""Sums over the rows of an equation's arguments, and the equation of one row.

    term_form(eqn)          the result is the sum, over all t, of what the op returned makes of rows t of the arguments
                            flagged and others whole
    apply_row(b, eqn, ...)  the equation of this form, or of `batch.row_form`
    totals(op)              the arguments that something is added to
    sum_form(eqn, rows)     how a sum over the rows that `ir.batch` makes can be had without making them

None where there is no such form within the closed set of op kinds.
"""

from __future__ import annotations

from collections.abc import Sequence

from gradc.ir import build, ops
from gradc.ir.batch import Form, without_label
from gradc.ir.facts import folds, permutation, product_labels, reads
from gradc.ir.program import Builder, Eqn, Var, tensor
from gradc.ir.types import TensorType
from gradc.record import replace


def term_form(eqn: Eqn) -> Form:
    """See the module.  Not of sums that are scalars."""
    op = eqn.op
    if type(eqn.out.type) is not TensorType or not tensor(eqn.out).ndim:
        return None
    if (axes := folds(op)) is not None:
        return (replace(op, axes=tuple([k - 1 for k in axes[1:]])), (True,)) \
            if op.fn == "add" and axes[:1] == (0,) else None
    if (labels := product_labels(op)) is not None:
        a, b, out = labels
        label = next((k for k in (*a[:1], *b[:1]) if k not in (*a[1:], *b[1:], *out)), None)
        return None if label is None else without_label(op, label, out)
    return None


def apply_row(b: Builder, eqn: Eqn, op: ops.OpKind, args: Sequence[Var]) -> Var:
    """`op`, a form of `eqn`, of rows and whole arguments.

    What all rows of an elementwise result have in common may have an axis for them, of size 1.
    """
    rank = tensor(eqn.out).ndim
    if type(op) is ops.Map:
        args = [build.drop_axes(b, v, (0,)) if tensor(v).ndim == rank else v for v in args]
    if folds(op) == ():
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
    elif product_labels(op) is not None:
        if all(rows):
            return "product"
        linear = True
    else:
        linear = permutation(op) is not None or (folds(op) is not None and op.fn == "add") or (
            (type(op) in (ops.Broadcast, ops.Reshape) or reads(op) is not None) and not any(rows[1:]))
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
    if (known := product_labels(eqn.op)) is not None:
        *factor_labels, out = known
        row = 1 + max((*factor_labels[0], *factor_labels[1]), default=0)
        x, y = [(row, *labels) if flag else labels for labels, (_, flag) in zip(factor_labels, args)]
        return build.contract(b, args[0][0], x, args[1][0], y, out)
    ndim = tensor(eqn.out).ndim
    labels: list[tuple[int, ...]] = []
    factors: list[Var] = []
    for (rows, _), inner in zip(args, eqn.args):
        shape = tensor(inner).shape
        kept = [k for k, s in enumerate(shape) if s != 1]
        labels.append((ndim, *[k + ndim - len(shape) for k in kept]))
        factors.append(build.dimshuffle(b, rows, (0, *[k + 1 for k in kept])))
    there = [k for k in range(ndim) if any(k in part for part in labels)]
    made = build.contract(b, factors[0], labels[0], factors[1], labels[1], there)
    return build.dimshuffle(b, made, [there.index(k) if k in there else -1 for k in range(ndim)])


def totals(op: ops.OpKind) -> tuple[int, ...]:
    """Which of the first two arguments the other is added to, or subtracted from, all of it or a part."""
    if op in _ADDED:
        return (0, 1) if op == _ADDED[0] else (0,)
    return (0,) if isinstance(op, ops.WRITES) and op.mode == "inc" else ()
