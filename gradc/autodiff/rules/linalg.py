"""Rules of the routines of linear algebra.  Leading axes are a batch, as in the routines."""

from __future__ import annotations

from collections.abc import Sequence

from gradc.autodiff.symbolic import Symbolic
from gradc.autodiff.table import CALL_JVP, CALL_VJP, Cotangents
from gradc.ir import build, ops
from gradc.ir.graph import Apply, Variable
from gradc.ir.routines import get_routine, solve_name


def transposed(o: Symbolic, x: Variable) -> Variable:
    """Each matrix transposed."""
    return build.move_axis(o, x, x.type.ndim - 1, x.type.ndim - 2)


def product(o: Symbolic, x: Variable, y: Variable) -> Variable:
    """Matrix times matrix; batches broadcast."""
    batch = max(x.type.ndim, y.type.ndim) - 2
    size: dict[int, int | None] = {}
    for v in (x, y):
        size.update((batch + 2 - v.type.ndim + k, s) for k, s in enumerate(v.type.shape[:-2]) if s != 1)
    factors, labels = [], []
    for v, core in ((x, (batch, batch + 1)), (y, (batch + 1, batch + 2))):
        own = [*range(batch + 2 - v.type.ndim, batch), *core]
        kept = [k for k, (label, s) in enumerate(zip(own, v.type.shape))
                if s != 1 or label in core or label not in size]
        factors.append(build.reorder(o, v, kept))
        labels.append([own[k] for k in kept])
    return build.contract(o, factors[0], labels[0], factors[1], labels[1], (*range(batch), batch, batch + 2))


def triangle(o: Symbolic, x: Variable, upper: bool, strict: bool = False) -> Variable:
    """x with 0 outside one of its triangles, and on the diagonal if `strict`."""
    ndim = x.type.ndim
    places = [o.apply(ops.Iota(), o.size(x, axis)) for axis in (ndim - 2, ndim - 1)]
    row, column = build.insert_axes(o, places[0], (1,), 2), places[1]
    low, high = (row, column) if upper else (column, row)
    return o.switch(o.lt(low, high) if strict else o.le(low, high), x, o.const(0, x))


# ------------------------------------------------------------------------------------------- triangular systems


def _solve_vjp(o: Symbolic, node: Apply, gs: Cotangents, wanted: Sequence[bool]) -> Cotangents:
    """x = a^-1 b: by b it is a^-T g, by a that times -x^T, in its triangle."""
    (a, b), (x,), (g,) = node.inputs, node.outputs, gs
    upper, unit = map(bool, get_routine(node.op.routine).options)
    assert g is not None
    by_b = o.apply(build.call(solve_name(not upper, unit)), transposed(o, a), g)
    by_a = o.neg(triangle(o, product(o, by_b, transposed(o, x)), upper, unit)) if wanted[0] else None
    return [by_a and o.sum_to(by_a, a), o.sum_to(by_b, b) if wanted[1] else None]


def _solve_jvp(o: Symbolic, node: Apply, tangents: Cotangents) -> Cotangents:
    """a^-1 (db - da x), da being the triangle."""
    (a, _), (x,), (da, db) = node.inputs, node.outputs, tangents
    moved = [] if db is None else [db]
    if da is not None:
        moved.append(o.neg(product(o, triangle(o, da, *map(bool, get_routine(node.op.routine).options)), x)))
    right = o.add_terms(moved)
    return [None if right is None else o.apply(node.op, a, right)]


for _upper in (False, True):
    for _unit in (False, True):
        CALL_VJP[solve_name(_upper, _unit)] = _solve_vjp
        CALL_JVP[solve_name(_upper, _unit)] = _solve_jvp


# ------------------------------------------------------------------------------------------- Cholesky


def _halved(o: Symbolic, x: Variable) -> Variable:
    """The lower triangle, its diagonal halved."""
    return o.mul(o.const(0.5, x), o.add(triangle(o, x, False), triangle(o, x, False, True)))


def _between(o: Symbolic, x: Variable, routine: str, a: Variable) -> Variable:
    """a^-1 s a^-T, `_halved`; s is the symmetric matrix of which x has the lower triangle."""
    half = _halved(o, x)
    s = o.add(half, transposed(o, half))
    for _ in range(2):
        s = transposed(o, o.apply(build.call(routine), a, s))
    return _halved(o, s)


def _cholesky_vjp(o: Symbolic, node: Apply, gs: Cotangents, wanted: Sequence[bool]) -> Cotangents:
    """Murray, Differentiation of the Cholesky decomposition, arXiv:1602.07527, equation 10."""
    turned = transposed(o, node.outputs[0])
    return [_between(o, product(o, turned, gs[0]), "solve_upper", turned)]  # type: ignore[arg-type]


def _cholesky_jvp(o: Symbolic, node: Apply, tangents: Cotangents) -> Cotangents:
    """The same, equation 8."""
    factor = node.outputs[0]
    return [product(o, factor, _between(o, tangents[0], "solve_lower", factor))]  # type: ignore[arg-type]


for _name in ("cholesky", "cholesky_or_nan"):
    CALL_VJP[_name], CALL_JVP[_name] = _cholesky_vjp, _cholesky_jvp
