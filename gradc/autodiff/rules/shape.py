"""Rules of Constant, Broadcast, Transpose, Reshape, Concat, Iota, ShapeOf and Words."""

from __future__ import annotations

from collections.abc import Sequence

from gradc.autodiff.symbolic import Symbolic
from gradc.autodiff.table import Cotangents, jvp, vjp
from gradc.ir import build, ops
from gradc.ir.graph import Apply, Variable


def _without(node: Apply, first: Variable | None) -> Cotangents:
    return [first] + [None] * (len(node.inputs) - 1)


@vjp(ops.Broadcast)
def broadcast_vjp(o: Symbolic, node: Apply, g: Variable, wanted: Sequence[bool]) -> Cotangents:
    """Summed back over the axes that were broadcast."""
    return _without(node, o.sum_to(g, node.inputs[0]))


@vjp(ops.Transpose)
def transpose_vjp(o: Symbolic, node: Apply, g: Variable, wanted: Sequence[bool]) -> Cotangents:
    """The inverse order; axes that were put in go, axes that were left out come back."""
    perm, (x,) = node.op.perm, node.inputs
    # g may not know that an axis put in has size 1 (a known gradient of the user's): summing drops it too
    unknown = tuple(k for k, p in enumerate(perm) if p < 0 and g.type.shape[k] != 1)
    if unknown:
        g = build.fold(o, "add", g, unknown)
        perm = tuple(p for k, p in enumerate(perm) if k not in unknown)
    place = {p: k for k, p in enumerate(perm)}
    return [build.dimshuffle(o, g, [place.get(k, -1) for k in range(x.type.ndim)])]


@vjp(ops.Reshape)
def reshape_vjp(o: Symbolic, node: Apply, g: Variable, wanted: Sequence[bool]) -> Cotangents:
    """Reshaped back."""
    x = node.inputs[0]
    ndim = x.type.ndim
    return _without(node, o.apply(ops.Reshape(ndim), g, *[o.size(x, k) for k in range(ndim)]))


@vjp(ops.Concat)
def concat_vjp(o: Symbolic, node: Apply, g: Variable, wanted: Sequence[bool]) -> Cotangents:
    """The slice of g that came from each argument."""
    axis = node.op.axis
    result: list[Variable | None] = []
    start = 0                                  # an int as long as all sizes are static
    for x, want in zip(node.inputs, wanted):
        size = x.type.shape[axis]
        if isinstance(start, int) and size is not None:
            stop = start + size
        else:
            stop = o.add(start if isinstance(start, Variable) else o.number(start, "int64"), o.size(x, axis))
        result.append(build.cut(o, g, start, stop, axis=axis) if want else None)
        start = stop
    return result


@jvp(ops.Concat)
def concat_jvp(o: Symbolic, node: Apply, tangents: Cotangents) -> Variable | None:
    """Joined tangents, zeros where there is none."""
    if all(t is None for t in tangents):
        return None
    dtype = node.outputs[0].type.dtype
    return o.apply(node.op, *[o.cast(o.full_like(x, 0), dtype) if t is None else t
                              for x, t in zip(node.inputs, tangents)])


def view_jvp(o: Symbolic, node: Apply, tangents: Cotangents) -> Variable | None:
    """Linear in the first argument: the same op on its tangent."""
    return None if tangents[0] is None else o.apply(node.op, tangents[0], *node.inputs[1:])


for _kind in ops.VIEWS:
    jvp(_kind)(view_jvp)


@vjp(ops.Const)
@vjp(ops.Iota)
@vjp(ops.ShapeOf)
@vjp(ops.Words)
def nothing_vjp(o: Symbolic, node: Apply, g: Variable, wanted: Sequence[bool]) -> Cotangents:
    """No argument whose value counts."""
    return [None] * len(node.inputs)


@jvp(ops.Const)
@jvp(ops.Iota)
@jvp(ops.ShapeOf)
@jvp(ops.Words)
def nothing_jvp(o: Symbolic, node: Apply, tangents: Cotangents) -> Variable | None:
    """No argument whose value counts."""
    return None
