"""Calls in the schedule: which routine is called, on which memory; one item each.

In: a Call, or a Contract that is a product of matrices (`places.is_gemm`), with the schedule that it is put into.  Out:
a `CallItem` at its end.  Arguments that do not lie in memory as the routine takes them are copied.
Not here: statements (`loops.lower_call`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradc.ir.program import Eqn, Var
from gradc.ir.routines import STATED, Core, UserRoutine, get_routine
from gradc.ir.types import TensorType
from gradc.loops.index import Axis, View
from gradc.loops.nodes import SizeExpr
from gradc.loops.places import CallItem, Leaf, Operand, gemm_labels, leaves

Labels = Sequence[int]


def place_call(s: Any, eqn: Eqn) -> None:
    """Put a Call into the schedule `s`."""
    op: Any = eqn.op
    routine = get_routine(op.routine)
    inputs, _ = op.split(eqn.args)
    of = s.sizes.of
    if isinstance(routine, UserRoutine):
        numbers = [d for v in (*inputs, *eqn.outs) for d in of(v)]
        if routine.snippet is not None:
            numbers = [of(inputs[k])[axis] for _, k, axis in routine.snippet.sizes]
        _place(s, CallItem(routine, [in_one_piece(s, x) for x in inputs], [True] * len(inputs), eqn.outs, (),
                           tuple(numbers), eqn.sources), "result")
        return
    cores, made = routine.cores
    size: dict[str, SizeExpr] = {}
    for core, v in (*zip(cores, inputs), *zip(made, eqn.outs)):
        if core == STATED:
            size.setdefault("...", s.sizes.product(of(eqn.outs[made.index(STATED)])))
        elif core:
            size.update(zip(core, of(v)[-len(core):]))
    batch = () if routine.has_state else of(eqn.outs[0])[:len(of(eqn.outs[0])) - len(made[0])]
    numbers = [*routine.options, *[size[label] for label in routine.labels]]
    args: list[Operand] = []
    in_memory = [layout != "each" or any(d != 1 for d in of(x)) for x, layout in zip(inputs, routine.layouts)]
    for x, core, layout, memory in zip(inputs, cores, routine.layouts, in_memory):
        args.append(s._operand(x, ()) if not memory else in_one_piece(s, x) if routine.has_state
                    else _in_batch(s, x, core, layout, len(batch)))
        numbers += [int(memory)] * (layout == "each")
    _place(s, CallItem(op.routine, args, in_memory, eqn.outs, batch, tuple(numbers), eqn.sources, op.outer),
           str(op))


def _place(s: Any, call: CallItem, label: str) -> None:
    """At the end of the schedule; results have memory of their own."""
    call.item = len(s.items)
    s.items.append(call)
    for out in call.outs:
        s.views.setdefault(out, View.whole(out, s.sizes.of(out)))
        s.home[out] = call.item
        s.products[out] = label
        s._store(out)
    for operand, in_memory in zip(call.args, call.in_memory):
        for leaf in leaves(operand):
            if in_memory:
                s._store(leaf.root)
            s._use(call, leaf)


def in_one_piece(s: Any, x: Var) -> Leaf:
    """Memory in which the elements of `x` lie one after the other."""
    view = s.views[x]
    if not (_has_memory(s, view) and lies_in_one_piece(s, view)):
        view = s.views[s._copy(view, x)]
    return Leaf(view.root, view)


def _has_memory(s: Any, view: View) -> bool:
    root = view.root
    return root not in s.trees and root not in s.size_values and root not in s.locals


def lies_in_one_piece(s: Any, view: View, axes: int | None = None) -> bool:
    """Do its elements lie in memory one after the other?  `axes`: those along so many last axes."""
    part = s.placed.get(view.root)
    if view.flat and part is not None and not lies_in_one_piece(s, part):
        return False
    first = 0 if axes is None else len(view.dims) - axes
    steps = (1,) if view.flat else _steps(s, view.root)
    return all(d == 1 or (a is not None and s.sizes.mul(steps[a[0]], a[1]) == step)
               for a, d, step in zip(view.axes[first:], view.dims[first:], s.sizes.strides(view.dims[first:])))


def _steps(s: Any, root: Var) -> Sequence[SizeExpr]:
    """Elements of memory from one position on each axis to the next."""
    part = s.placed.get(root)
    if part is None:
        return s.sizes.strides(s.sizes.of(root))  # type: ignore[no-any-return]
    steps = (1,) if part.flat else _steps(s, part.root)
    return [0 if a is None else s.sizes.mul(steps[a[0]], a[1]) for a in part.axes]


def _in_batch(s: Any, x: Var, core: Core, layout: str, batch: int) -> Leaf:
    """An argument with all axes of the batch; along those that it does not have it is the same."""
    view, count = s.views[x], len(core)
    fits = _is_matrix(s, view) if layout == "matrix" else lies_in_one_piece(s, view, count)
    if not (_has_memory(s, view) and fits):
        view = s.views[s._copy(view, x)]
    rank = len(view.dims) - count
    own: list[int | None] = [None if x.type.shape[k] == 1 else k for k in range(rank)]  # type: ignore[attr-defined]
    found = s._through(view, [*[None] * (batch - rank), *own, *range(rank, rank + count)])
    return found  # type: ignore[no-any-return]


# ------------------------------------------------------------------------------------------ products of matrices


def place_gemm(s: Any, eqn: Eqn) -> None:
    """A gemm for each batch index."""
    op: Any = eqn.op
    batch, m, n, k = gemm_labels(op)
    left, right = (op.a, eqn.args[0]), (op.b, eqn.args[1])
    if list(op.out) == [*batch, *n, *m]:
        left, right, m, n = right, left, n, m
    size: dict[int, SizeExpr] = {}
    for labels, x in (left, right):
        size.update(zip(labels, s.sizes.of(x)))
    orders = [[x for x in labels if x in k] for labels, _ in (left, right)]
    tries = [[_matrix(s, left, batch, m, inner), _matrix(s, right, batch, inner, n)] for inner in orders]
    a, b = max(tries, key=lambda found: sum(f is not None for f in found))
    inner = orders[0] if tries[0] == [a, b] else orders[1]
    a = a or _matrix_copy(s, left, batch, m, inner)
    b = b or _matrix_copy(s, right, batch, inner, n)
    out = eqn.outs[0]
    order = [*batch, *m, *n]
    made = out
    if list(op.out) != order:
        dims = tuple(size[x] for x in order)
        made = s._fresh(TensorType.make(out.type.dtype, (None,) * len(dims)), dims, out.name)  # type: ignore
        s.views[out] = s.views[made].transposed(tuple(order.index(x) for x in op.out))
    numbers = tuple(s.sizes.product([size[x] for x in group]) for group in (m, k, n))
    call = CallItem("gemm", [a, b], [True] * 2, (made,), tuple(size[x] for x in batch), numbers, eqn.sources)
    _place(s, call, str(op))


def _matrix(s: Any, operand: tuple[Labels, Var], batch: Labels, rows: Labels, columns: Labels) -> Leaf | None:
    """An operand as matrices with one axis of rows and one of columns, if it lies in memory so."""
    labels, x = operand
    view = s.views[x]
    if view.root in s.trees:
        return None
    pair = [_as_one(s, view, [labels.index(x) for x in group]) for group in (rows, columns)]
    if pair[0] is None or pair[1] is None:
        return None
    outer = [labels.index(x) for x in batch]
    made = View(view.root, (*[view.dims[p] for p in outer], pair[0][0], pair[1][0]),
                (*[view.axes[p] for p in outer], pair[0][1], pair[1][1]), view.offsets, view.flat)
    return Leaf(view.root, made) if _is_matrix(s, made) else None


def _as_one(s: Any, view: View, group: list[int]) -> tuple[SizeExpr, Axis] | None:
    """Several axes of a view as one, if memory goes on from each to the next."""
    group = [p for p in group if view.dims[p] != 1]
    strides: Sequence[SizeExpr] = (1,) if view.flat else s.sizes.strides(s.sizes.of(view.root))
    steps: list[SizeExpr] = []
    for p in group:
        axis = view.axes[p]
        if axis is None:
            return None
        steps.append(s.sizes.mul(strides[axis[0]], axis[1], "stride"))
    for (p, step), inner in zip(zip(group[1:], steps[1:]), steps):
        if inner != s.sizes.mul(step, view.dims[p]):
            return None
    return (s.sizes.product([view.dims[p] for p in group]), view.axes[group[-1]]) if group else None


def _matrix_copy(s: Any, operand: tuple[Labels, Var], batch: Labels, rows: Labels, columns: Labels) -> Leaf:
    """As `_matrix`, of a copy."""
    labels, x = operand
    order = tuple(labels.index(x) for x in (*batch, *rows, *columns))
    copy = s._copy(s.views[x].transposed(order), x)
    whole = s.views[copy]
    b, last = len(batch), len(batch) + len(rows)
    dims = (*whole.dims[:b], s.sizes.product(whole.dims[b:last]), s.sizes.product(whole.dims[last:]))
    return Leaf(copy, View(copy, dims, (*whole.axes[:b], whole.axes[last - 1], whole.axes[-1]), whole.offsets))


def _is_matrix(s: Any, view: View) -> bool:
    """Does one of the last two axes walk memory with stride 1, and the other forwards with a larger stride?"""
    if view.flat:           # after a Reshape: rows or columns, one after the other
        return any((inner, outer) == ((0, 1), (0, n)) for inner, outer, n in zip(
            view.axes[-2:], view.axes[:-3:-1], view.dims[-2:]))
    last = len(s.sizes.of(view.root)) - 1
    for axis in view.axes[-2:]:
        if axis is None or not isinstance(axis[1], int) or axis[1] < 1:
            return False
    return (last, 1) in view.axes[-2:]
