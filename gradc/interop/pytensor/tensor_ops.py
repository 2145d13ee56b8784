"""Rows for PyTensor's Ops on arrays: elementwise, reductions, shapes, joining, indexing, sorting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from pytensor.graph.basic import Apply, Constant
from pytensor.graph.op import Op
from pytensor.scalar.loop import ScalarLoop
from pytensor.tensor import subtensor

import gradc
import gradc.tensor as at
from gradc.errors import literal
from gradc.interop.pytensor.convert import Converted, graph, performed, row
from gradc.interop.pytensor.scalar_ops import elementwise, is_composite
from gradc.interop.pytensor.scan_ops import scalar_loop
from gradc.ir import ops
from gradc.ir.graph import apply

if TYPE_CHECKING:
    from pytensor.compile.builders import OpFromGraph
    from pytensor.ifelse import IfElse
    from pytensor.raise_op import CheckAndRaise
    from pytensor.tensor.basic import (
        AllocEmpty,
        ARange,
        Choose,
        ExtractDiag,
        Eye,
        MakeVector,
        PermuteRowElements,
        Split,
    )
    from pytensor.tensor.elemwise import CAReduce, DimShuffle
    from pytensor.tensor.extra_ops import CumOp, RavelMultiIndex, Repeat, SearchsortedOp, Unique, UnravelIndex
    from pytensor.tensor.math import Argmax
    from pytensor.tensor.shape import Reshape, Shape_i
    from pytensor.tensor.sort import ArgSortOp, SortOp
    from pytensor.tensor.special import LogSoftmax, Softmax, SoftmaxGrad


@row("tensor.elemwise.Elemwise", "scalar.basic.ScalarOp")
def _elemwise(op: Op, node: Apply, *inputs: Converted) -> Converted:
    inner = getattr(op, "scalar_op", op)
    if is_composite(inner):
        return graph(inner.fgraph, inputs)
    if isinstance(inner, ScalarLoop):
        return scalar_loop(inner, node, *inputs)
    function = elementwise(inner)
    return performed(op, node, *inputs) if function is None else function(*inputs)


REDUCTIONS: dict[str, Callable[..., Converted]] = {
    "Add": at.sum, "Mul": at.prod, "AND": at.all, "OR": at.any, "Maximum": at.max, "ScalarMaximum": at.max,
    "Minimum": at.min, "ScalarMinimum": at.min,
}


@row("tensor.elemwise.CAReduce")
def _reduce(op: CAReduce, node: Apply, x: Converted) -> Converted:
    name = type(op.scalar_op).__name__
    axis = None if op.axis is None else tuple(op.axis)
    if axis == ():
        return x
    if name in ("AND", "OR") and x.type.dtype != "bool":
        return performed(op, node, x)
    if type(op).__name__ == "ProdWithoutZeros":
        return at.prod(at.switch(at.eq(x, 0), at.constant(1, dtype=x.type.dtype), x), axis=axis)
    if name not in REDUCTIONS:
        return performed(op, node, x)
    options: dict[str, Any] = {"dtype": node.outputs[0].type.dtype} if name in ("Add", "Mul") else {}
    return REDUCTIONS[name](x, axis=axis, **options)


@row("tensor.math.Argmax")
def _argmax(op: Argmax, node: Apply, x: Converted, *_: Converted) -> Converted:
    axes = range(x.ndim) if op.axis is None else sorted(op.axis)
    kept = [k for k in range(x.ndim) if k not in axes]
    x = x.dimshuffle(*kept, *axes)
    return at.argmax(x.reshape((*[x.shape[k] for k in range(len(kept))], -1), ndim=len(kept) + 1), axis=-1)


@row("tensor.math.Dot")
def _dot(op: Op, node: Apply, x: Converted, y: Converted) -> Converted:
    return at.dot(x, y)


@row("tensor.extra_ops.CumOp")
def _cumulative(op: CumOp, node: Apply, x: Converted) -> Converted:
    return (at.cumsum if op.mode == "add" else at.cumprod)(x, axis=op.axis)


@row("tensor.special.Softmax")
def _softmax(op: Softmax, node: Apply, x: Converted) -> Converted:
    return at.softmax(x, axis=op.axis)


@row("tensor.special.LogSoftmax")
def _log_softmax(op: LogSoftmax, node: Apply, x: Converted) -> Converted:
    return at.log_softmax(x, axis=op.axis)


@row("tensor.special.SoftmaxGrad")
def _softmax_gradient(op: SoftmaxGrad, node: Apply, dy: Converted, sm: Converted) -> Converted:
    product = dy * sm
    return product - at.sum(product, axis=op.axis, keepdims=True) * sm


# shapes

@row("compile.ops.ViewOp",
     "compile.ops.DeepCopyOp",
     "tensor.basic.TensorFromScalar",
     "tensor.basic.ScalarFromTensor",
     "tensor.extra_ops.CpuContiguous")
def _same(op: Op, node: Apply, x: Converted) -> Converted:
    return x


@row("tensor.elemwise.DimShuffle")
def _dimshuffle(op: DimShuffle, node: Apply, x: Converted) -> Converted:
    return x.dimshuffle(*op.new_order)


@row("tensor.shape.Shape")
def _shape(op: Op, node: Apply, x: Converted) -> Converted:
    return x.shape if x.ndim else at.constant(np.zeros(0, "int64"))


@row("tensor.shape.Shape_i")
def _shape_i(op: Shape_i, node: Apply, x: Converted) -> Converted:
    return x.shape[op.i]


@row("tensor.shape.SpecifyShape")
def _specify_shape(op: Op, node: Apply, x: Converted, *sizes: Converted) -> Converted:
    return at.specify_shape(x, tuple(sizes))


@row("tensor.shape.Reshape")
def _reshape(op: Reshape, node: Apply, x: Converted, sizes: Converted) -> Converted:
    return at.reshape(x, sizes, ndim=op.ndim)


@row("tensor.basic.MakeVector")
def _make_vector(op: MakeVector, node: Apply, *values: Converted) -> Converted:
    if not values:
        return at.constant(np.zeros(0, op.dtype))
    return at.stack([at.cast(v, op.dtype) for v in values])


@row("tensor.basic.Alloc")
def _alloc(op: Op, node: Apply, value: Converted, *sizes: Converted) -> Converted:
    return at.alloc(value, *sizes)


@row("tensor.basic.AllocEmpty")
def _alloc_empty(op: AllocEmpty, node: Apply, *sizes: Converted) -> Converted:
    return at.zeros(sizes, dtype=op.dtype)


@row("tensor.basic.ARange")
def _arange(op: ARange, node: Apply, start: Converted, stop: Converted, step: Converted) -> Converted:
    return at.arange(start, stop, step, dtype=op.dtype)


@row("tensor.basic.Eye")
def _eye(op: Eye, node: Apply, n: Converted, m: Converted, k: Converted) -> Converted:
    return at.eye(n, m, k, dtype=op.dtype)


@row("tensor.basic.ExtractDiag")
def _diagonal(op: ExtractDiag, node: Apply, x: Converted) -> Converted:
    return at.diagonal(x, op.offset, op.axis1, op.axis2)


@row("tensor.basic.Join")
def _join(op: Op, node: Apply, axis: Converted, *parts: Converted) -> Converted:
    return at.join(axis, *parts)


@row("tensor.basic.Split")
def _split(op: Split, node: Apply, x: Converted, axis: Converted, sizes: Converted) -> Sequence[Converted]:
    made = at.split(x, sizes, op.len_splits, axis=axis)
    return made if isinstance(made, (list, tuple)) else [made]


@row("tensor.extra_ops.Repeat")
def _repeat(op: Repeat, node: Apply, x: Converted, repeats: Converted) -> Converted:
    return at.repeat(x, repeats, axis=op.axis)


@row("tensor.extra_ops.FillDiagonal")
def _fill_diagonal(op: Op, node: Apply, x: Converted, value: Converted) -> Converted:
    return at.fill_diagonal(x, value)


@row("tensor.extra_ops.FillDiagonalOffset")
def _fill_diagonal_offset(op: Op, node: Apply, x: Converted, value: Converted, offset: Converted) -> Converted:
    return at.fill_diagonal_offset(x, value, offset)


@row("tensor.basic.PermuteRowElements")
def _permute_rows(op: PermuteRowElements, node: Apply, x: Converted, order: Converted, *_: Converted) -> Converted:
    return at.permute_row_elements(x, order, op.inverse)


@row("tensor.extra_ops.UnravelIndex")
def _unravel_index(op: UnravelIndex, node: Apply, indices: Converted, sizes: Converted) -> Sequence[Converted]:
    return list(at.unravel_index(indices, tuple(sizes[k] for k in range(len(node.outputs))), order=op.order))


@row("tensor.extra_ops.RavelMultiIndex")
def _ravel_multi_index(op: RavelMultiIndex, node: Apply, *inputs: Converted) -> Converted:
    *indices, sizes = inputs
    shape = tuple(sizes[k] for k in range(len(indices)))
    return at.ravel_multi_index(tuple(indices), shape, mode=op.mode, order=op.order)


# indexing

@row("tensor.type_other.MakeSlice")
def _make_slice(op: Op, node: Apply, *ends: Converted) -> Converted:
    return slice(*ends)


def _index(op: Op, node: Apply, inputs: Sequence[Converted]) -> tuple[Converted, ...]:
    """The index of one of the subtensor Ops, its variables those of gradc."""
    entries = subtensor.indices_from_subtensor(list(inputs), getattr(op, "idx_list", None))

    def plain(v: Converted) -> Converted:
        if isinstance(v, slice):
            return slice(plain(v.start), plain(v.stop), plain(v.step))
        if isinstance(v, gradc.Constant) and v.type.ndim == 0 and v.type.dtype != "bool":
            return int(v.data)
        if isinstance(v, Constant):
            return None if v.data is None else plain(v.data)
        return v

    return tuple(plain(v) for v in entries)


@row("tensor.subtensor.Subtensor", "tensor.subtensor.AdvancedSubtensor", "tensor.subtensor.AdvancedSubtensor1")
def _subtensor(op: Op, node: Apply, x: Converted, *index: Converted) -> Converted:
    return x[_index(op, node, index)]


@row("tensor.subtensor.IncSubtensor",
     "tensor.subtensor.AdvancedIncSubtensor",
     "tensor.subtensor.AdvancedIncSubtensor1")
def _inc_subtensor(op: Any, node: Apply, x: Converted, y: Converted, *index: Converted) -> Converted:
    part = x[_index(op, node, index)]
    if y.type.dtype != x.type.dtype:
        y = at.cast(y, x.type.dtype)
    if op.set_instead_of_inc:
        return at.set_subtensor(part, y)
    if getattr(op, "ignore_duplicates", False):
        return at.set_subtensor(part, part + y)
    return at.inc_subtensor(part, y)


@row("tensor.basic.Nonzero")
def _nonzero(op: Op, node: Apply, x: Converted) -> Sequence[Converted]:
    return list(at.nonzero(x))


@row("tensor.basic.Choose")
def _choose(op: Choose, node: Apply, which: Converted, choices: Converted) -> Converted:
    return at.choose(which, choices, mode=op.mode)


# sorting

@row("tensor.sort.SortOp")
def _sort(op: SortOp, node: Apply, x: Converted, axis: Converted) -> Converted:
    return at.sort(x, axis=_number(axis), kind=op.kind)


@row("tensor.sort.ArgSortOp")
def _argsort(op: ArgSortOp, node: Apply, x: Converted, axis: Converted) -> Converted:
    return at.argsort(x, axis=_number(axis), kind=op.kind)


def _number(v: Converted) -> int:
    if isinstance(v, gradc.Constant):
        return int(v.data)
    raise NotImplementedError("gradc sorts along an axis that is known when the function is compiled")


@row("tensor.extra_ops.SearchsortedOp")
def _searchsorted(op: SearchsortedOp, node: Apply, x: Converted, v: Converted, *sorter: Converted) -> Converted:
    return at.searchsorted(x, v, side=op.side, sorter=sorter[0] if sorter else None)


@row("tensor.extra_ops.Unique")
def _unique(op: Unique, node: Apply, x: Converted) -> Converted | Sequence[Converted]:
    made = at.unique(x, op.return_index, op.return_inverse, op.return_counts, axis=op.axis)
    return list(made) if isinstance(made, (list, tuple)) else made


# control and checks

@row("compile.builders.OpFromGraph")
def _open(op: OpFromGraph, node: Apply, *inputs: Converted) -> Sequence[Converted]:
    return graph(op.fgraph, inputs)


@row("ifelse.IfElse")
def _ifelse(op: IfElse, node: Apply, condition: Converted, *values: Converted) -> Sequence[Converted]:
    made = gradc.ifelse(condition, list(values[:op.n_outs]), list(values[op.n_outs:]))
    return made if isinstance(made, (list, tuple)) else [made]


@row("raise_op.CheckAndRaise")
def _check(op: CheckAndRaise, node: Apply, x: Converted, *conditions: Converted) -> Converted:
    return apply(ops.Assert(literal(op.msg)), x, *(at.all(c) for c in conditions))
