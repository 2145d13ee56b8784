"""Rules of the products with sparse matrices, which are linear in both factors.

    dot(data, x)             A x            csr_dot
    transposed(data, y)      A^T y          csr_transposed_dot
    sampled(u, v)            u v^T at the entries of A      csr_sampled_dot

Each derives into the other two: <g, A x> = <sampled(g, x), data> = <transposed(data, g), x>.
"""

from __future__ import annotations

from collections.abc import Sequence

from gradc.autodiff.symbolic import Symbolic
from gradc.autodiff.table import CALL_JVP, CALL_VJP, Cotangents
from gradc.ir import build, ops
from gradc.ir.graph import Apply, Variable

Factors = tuple[Variable, Variable]


def _transposed(o: Symbolic, pattern: Sequence[Variable], data: Variable, y: Variable, like: Variable) -> Variable:
    """A^T y, which has as many rows as `like`."""
    columns = o.apply(ops.Iota(), o.size(like, like.type.ndim - 2))
    return o.apply(build.call("csr_transposed_dot"), *pattern, data, y, columns)


def _by_dot(o: Symbolic, pattern: Sequence[Variable], factors: Factors, g: Variable) -> Factors:
    data, x = factors
    return (o.apply(build.call("csr_sampled_dot"), *pattern, g, x), _transposed(o, pattern, data, g, x))


def _by_transposed_dot(o: Symbolic, pattern: Sequence[Variable], factors: Factors, g: Variable) -> Factors:
    data, y = factors
    return (o.apply(build.call("csr_sampled_dot"), *pattern, y, g), o.apply(build.call("csr_dot"), *pattern, data, g))


def _by_sampled_dot(o: Symbolic, pattern: Sequence[Variable], factors: Factors, g: Variable) -> Factors:
    u, v = factors
    return (o.apply(build.call("csr_dot"), *pattern, g, v), _transposed(o, pattern, g, u, v))


_BY = {"csr_dot": _by_dot, "csr_transposed_dot": _by_transposed_dot, "csr_sampled_dot": _by_sampled_dot}


def _vjp(o: Symbolic, node: Apply, gs: Cotangents, wanted: Sequence[bool]) -> Cotangents:
    g = gs[0]
    assert g is not None
    pattern, factors = node.inputs[:3], node.inputs[3:5]
    found = _BY[node.op.routine](o, pattern, (factors[0], factors[1]), g)
    by = [o.sum_to(v, x) if want else None for v, x, want in zip(found, factors, wanted[3:])]
    return [None] * 3 + by + [None] * (len(node.inputs) - 5)


def _jvp(o: Symbolic, node: Apply, tangents: Cotangents) -> Cotangents:
    """The product rule."""
    pattern, (a, b), rest = node.inputs[:3], node.inputs[3:5], node.inputs[5:]
    da, db = tangents[3:5]
    moved = [] if da is None else [o.apply(node.op, *pattern, da, b, *rest)]
    if db is not None:
        moved.append(o.apply(node.op, *pattern, a, db, *rest))
    return [o.add_terms(moved)]


def _no_vjp(o: Symbolic, node: Apply, gs: Cotangents, wanted: Sequence[bool]) -> Cotangents:
    return [None] * len(node.inputs)


def _no_jvp(o: Symbolic, node: Apply, tangents: Cotangents) -> Cotangents:
    return [None]


for _name in _BY:
    CALL_VJP[_name], CALL_JVP[_name] = _vjp, _jvp
CALL_VJP["csr_rows"], CALL_JVP["csr_rows"] = _no_vjp, _no_jvp
