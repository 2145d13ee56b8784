"""Calls: which routine is called, on which memory; a product of matrices is one, too.

Arguments that do not lie in memory as the routine takes them are copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from gradc.ir import dtypes
from gradc.ir.facts import Product
from gradc.ir.program import Eqn, Var
from gradc.ir.routines import STATED, Core, UserRoutine, get_routine
from gradc.ir.types import TensorType
from gradc.loops.index import RootAxis, View, lookups
from gradc.loops.nodes import SizeExpr
from gradc.loops.place_body import BodyBuilder
from gradc.loops.place_values import is_contiguous
from gradc.loops.schedule import CallItem, Leaf, Operand, leaves
from gradc.loops.sizes import KernelSizes
from gradc.target import TARGET

Labelled = tuple[tuple[int, ...], Var]      # an operand of a product and the labels of its axes


def call(body: BodyBuilder, item: CallItem, label: str) -> None:
    """Add a call; its results have memory, and what it is given there."""
    for operand, in_memory in zip(item.args, item.in_memory):
        if in_memory:
            assert isinstance(operand, Leaf)
            body.values.store(operand.root)
    made = (*item.outs, *item.told.values())
    body.nests.append(item, leaves(*item.args), made)
    for out in made:
        body.values.store(out)
        body.values.labels[out] = label


def place_call(body: BodyBuilder, eqn: Eqn, op: Any) -> None:
    """A routine, or a user's Op, which is given whole arrays and told their sizes."""
    routine, of = get_routine(op.routine), body.sizes.of
    inputs, _ = op.split(eqn.args)
    numbers: list[SizeExpr]
    if isinstance(routine, UserRoutine):
        arrays = tuple([contiguous(body, x) for x in inputs])
        told = {v: _told(body, v) for v in eqn.outs if v in body.sizes.told_by and v.type.ndim}
        for out in eqn.outs:
            body.values.whole(out)
        numbers = [d for v in (*inputs, *([] if told else eqn.outs)) for d in of(v)]
        if routine.snippet is not None:
            numbers = [of(inputs[k])[axis] for _, k, axis in routine.snippet.sizes]
        item = CallItem(routine, eqn.outs, arrays, (True,) * len(arrays), eqn.sources, (), tuple(numbers),
                        told=told)
        call(body, item, "result")
        return
    cores, made = routine.cores
    size: dict[str, SizeExpr] = {}
    for core, v in (*zip(cores, inputs), *zip(made, eqn.outs)):
        if core == STATED:
            whole = of(eqn.outs[made.index(STATED)])
            size.setdefault("...", body.sizes.product(whole[len(whole) - op.ranks[made.index(STATED)]:]))
        elif core:
            size.update(zip(core, of(v)[-len(core):]))
    batch = () if routine.has_state else of(eqn.outs[0])[:len(of(eqn.outs[0])) - len(made[0])]
    numbers = [*routine.options, *[size[label] for label in routine.labels]]
    args: list[Operand] = []
    in_memory = tuple([layout != "each" or any(d != 1 for d in of(x)) for x, layout in zip(inputs, routine.layouts)])
    for x, core, layout, memory in zip(inputs, cores, routine.layouts, in_memory):
        args.append(body.values.operand(x, ()) if not memory else contiguous(body, x) if routine.has_state
                    else _in_batch(body, x, core, layout, len(batch)))
        numbers += [int(memory)] * (layout == "each")
    for out in eqn.outs:
        body.values.whole(out)
    cost = [int(label) if label.isdecimal() else size[label] for label in routine.cost]
    work = body.sizes.product(cost, "work") if batch and cost else 0
    call(body, CallItem(op.routine, eqn.outs, tuple(args), in_memory, eqn.sources, batch, tuple(numbers), op.outer,
                        work=work), str(op))


def contiguous(body: BodyBuilder, x: Var) -> Leaf:
    """Memory in which the elements of `x` are one after the other."""
    values = body.values
    view = values.views[x]
    if not (values.has_memory(view.root) and is_contiguous(view, values.aliases, body.sizes)):
        view = values.views[body.copy(view, x)]
    return Leaf(view.root, view)


def _told(body: BodyBuilder, out: Var) -> Var:
    """Memory for the sizes of a result that only the call tells; the result gets a room."""
    rank = out.type.ndim
    found = body.fresh(TensorType.make("int64", (rank,)), (rank,), "sizes")
    body.values.rooms[out] = out
    for size in body.sizes.told_by[out]:
        one = body.values.told[size] = body.fresh(TensorType.make("int64", ()), (), size)
        body.values.views[one] = body.values.views[found].sliced(body.sizes, [(size.args[1],)])
    return found


def _in_batch(body: BodyBuilder, x: Var, core: Core, layout: str, batch: int) -> Leaf:
    """An argument with all axes of the batch; along those that it does not have it is the same."""
    values = body.values
    view = values.views[x]
    rank = len(view.dims) - len(core)
    fits = _is_matrix(view, body.sizes) if layout == "matrix" else is_contiguous(view, values.aliases, body.sizes, rank)
    if not (values.has_memory(view.root) and fits) or lookups(view):
        view = values.views[body.copy(view, x)]
    own: list[int | None] = [None if x.type.shape[k] == 1 else k for k in range(rank)]
    found = values.through(view, [*[None] * (batch - rank), *own, *range(rank, rank + len(core))])
    assert isinstance(found, Leaf)
    return found


# ------------------------------------------------------------------------------------ products of matrices


def gemm_labels(op: Product) -> tuple[list[int], list[int], list[int], list[int]]:
    """The labels of a sum of products as those of a product of matrices: batch, rows, columns, summed over."""
    return ([x for x in op.out if x in op.a and x in op.b], [x for x in op.out if x not in op.b],
            [x for x in op.out if x not in op.a], [x for x in op.a if x in op.b and x not in op.out])


def is_gemm(eqn: Eqn, sizes: KernelSizes) -> bool:
    """Matrix times matrix (for each of some leading indices), of floats, no size known to be 1, not known to be small.

    Rows, columns and what is summed over may be several axes each.
    """
    op = eqn.op
    dtype = eqn.outs[0].type.dtype
    if dtype not in dtypes.FLOATS or any(a.type.dtype != dtype for a in eqn.args):
        return False
    left, right = map(sizes.of, eqn.args)
    size = dict(zip(op.a, left)) | dict(zip(op.b, right))
    batch, *groups = gemm_labels(op)
    if len(set(op.a) | set(op.b)) != len(batch) + sum(map(len, groups)):
        return False                            # one operand alone is summed over
    extents = [size[x] for group in groups for x in group]
    known = [d for d in extents if isinstance(d, int)]
    if len(known) == len(extents) and prod(known) <= TARGET.small_product:
        return False                            # loops, which the C compiler unrolls
    return all(any(size[x] != 1 for x in group) for group in groups)


def gemm(body: BodyBuilder, eqn: Eqn, op: Product) -> None:
    """A gemm for each batch index."""
    sizes = body.sizes
    batch, m, n, k = gemm_labels(op)
    left, right = (op.a, eqn.args[0]), (op.b, eqn.args[1])
    if list(op.out) == [*batch, *n, *m]:
        left, right, m, n = right, left, n, m
    size: dict[int, SizeExpr] = {}
    for labels, x in (left, right):
        size.update(zip(labels, sizes.of(x)))
    orders = [[x for x in labels if x in k] for labels, _ in (left, right)]
    tries = [[_matrix(body, left, batch, m, inner), _matrix(body, right, batch, inner, n)] for inner in orders]
    a, b = max(tries, key=lambda found: sum(f is not None for f in found))
    inner = orders[0] if tries[0] == [a, b] else orders[1]
    a = a or _matrix_copy(body, left, batch, m, inner)
    b = b or _matrix_copy(body, right, batch, inner, n)
    out = made = eqn.outs[0]
    body.values.whole(out)
    order = [*batch, *m, *n]
    if list(op.out) != order:
        dims = tuple(size[x] for x in order)
        made = body.fresh(TensorType.make(out.type.dtype, (None,) * len(dims)), dims, out.name)
        body.values.views[out] = body.values.views[made].transposed(tuple(order.index(x) for x in op.out))
    extents = tuple([sizes.product([size[x] for x in group]) for group in (m, k, n)])
    item = CallItem("gemm", (made,), (a, b), (True, True), eqn.sources, tuple([size[x] for x in batch]), extents,
                    work=sizes.product(extents, "work") if batch else 0)
    call(body, item, str(op))


def _matrix(body: BodyBuilder, operand: Labelled, batch: list[int], rows: list[int], columns: list[int]) -> Leaf | None:
    """An operand as matrices with one axis of rows and one of columns, if it lies in memory so."""
    labels, x = operand
    view = body.values.views[x]
    if view.root in body.values.trees or lookups(view):
        return None
    pair = [_as_one(view, [labels.index(x) for x in group], body.sizes) for group in (rows, columns)]
    if pair[0] is None or pair[1] is None:
        return None
    outer = [labels.index(x) for x in batch]
    made = View(view.root, (*[view.dims[p] for p in outer], pair[0][0], pair[1][0]),
                (*[view.axes[p] for p in outer], pair[0][1], pair[1][1]), view.offsets, view.flat)
    return Leaf(view.root, made) if _is_matrix(made, body.sizes) else None


def _as_one(view: View, group: list[int], sizes: KernelSizes) -> tuple[SizeExpr, RootAxis] | None:
    """Several axes of a view as one, if memory goes on from each to the next."""
    group = [p for p in group if view.dims[p] != 1]
    strides: Sequence[SizeExpr] = (1,) if view.flat else sizes.strides(sizes.of(view.root))
    steps: list[SizeExpr] = []
    for p in group:
        axis = view.axes[p]
        if axis is None:
            return None
        steps.append(sizes.mul(strides[axis[0]], axis[1], "stride"))
    for (p, step), inner in zip(zip(group[1:], steps[1:]), steps):
        if inner != sizes.mul(step, view.dims[p]):
            return None
    return (sizes.product([view.dims[p] for p in group]), view.axes[group[-1]]) if group else None


def _matrix_copy(body: BodyBuilder, operand: Labelled, batch: list[int], rows: list[int], columns: list[int]) -> Leaf:
    """As `_matrix`, of a copy."""
    labels, x = operand
    order = tuple(labels.index(x) for x in (*batch, *rows, *columns))
    copy = body.copy(body.values.views[x].transposed(order), x)
    whole = body.values.views[copy]
    b, last = len(batch), len(batch) + len(rows)
    dims = (*whole.dims[:b], body.sizes.product(whole.dims[b:last]), body.sizes.product(whole.dims[last:]))
    return Leaf(copy, View(copy, dims, (*whole.axes[:b], whole.axes[last - 1], whole.axes[-1]), whole.offsets))


def _is_matrix(view: View, sizes: KernelSizes) -> bool:
    """Does one of the last two axes walk memory with stride 1, and the other forwards with a larger stride?"""
    if view.flat:           # after a Reshape: rows or columns, one after the other
        return any((inner, outer) == ((0, 1), (0, n)) for inner, outer, n in zip(
            view.axes[-2:], view.axes[:-3:-1], view.dims[-2:]))
    last = len(sizes.of(view.root)) - 1
    for axis in view.axes[-2:]:
        if axis is None or not isinstance(axis[1], int) or axis[1] < 1:
            return False
    return (last, 1) in view.axes[-2:]
