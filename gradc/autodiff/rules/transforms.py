"""Rules of transforms and convolutions: linear maps whose adjoints are transforms and convolutions, too.

The cotangent of x in y = A x is A^H times that of y: gradients are d/d Re x + i d/d Im x.
"""

from __future__ import annotations

from collections.abc import Sequence

from gradc.autodiff.symbolic import Symbolic
from gradc.autodiff.table import CALL_JVP, CALL_VJP, Cotangents
from gradc.ir import build, ops
from gradc.ir.graph import Apply, Variable


def _jvp(o: Symbolic, node: Apply, tangents: Cotangents) -> Cotangents:
    """The same transform of the tangent."""
    t = tangents[0]
    assert t is not None
    return [o.apply(node.op, t, *node.inputs[1:])]


def _adjoint(name: str) -> None:
    """`name` and its adjoint are rows of their own, of results whose sizes may be stated."""
    def vjp(o: Symbolic, node: Apply, gs: Cotangents, wanted: Sequence[bool]) -> Cotangents:
        x, factor, *sizes = node.inputs
        g = gs[0]
        assert g is not None
        size = [o.size(x, x.type.ndim - 1) for _ in sizes]
        made = o.apply(build.call(_ADJOINT[name], node.op.ranks), o.cast(g, node.outputs[0].type.dtype), factor, *size)
        return [made, None, *[None] * len(sizes)]
    CALL_VJP[name], CALL_JVP[name] = vjp, _jvp


_PAIRS = (("fft", "ifft"), ("fft_columns", "ifft_columns"), ("rfft", "rfft_adjoint"), ("irfft", "irfft_adjoint"))
_ADJOINT = {one: other for pair in _PAIRS for one, other in (pair, pair[::-1])}
for _name in _ADJOINT:
    _adjoint(_name)


# ---------------------------------------------------------------------------------------- by cosines and sines


def _weighted(o: Symbolic, x: Variable, first: bool, last: bool, by: float) -> Variable:
    """x, of each row the first or the last element, or both, times `by`."""
    if not (first or last):
        return x
    n = o.size(x, x.type.ndim - 1)
    places = o.apply(ops.Iota(), n)
    here = [o.eq(places, o.number(0, "int64"))] * first + [o.eq(places, o.sub(n, o.number(1, "int64")))] * last
    dtype = x.type.dtype
    weights = o.switch(here[0] if len(here) == 1 else o.or_(*here), o.number(by, dtype), o.number(1, dtype))
    return o.mul(x, build.insert_axes(o, weights, range(x.type.ndim - 1), x.type.ndim))


def _trigonometric(kind: str, number: int) -> None:
    """Types 2 and 3 are transposed to each other, 1 and 4 symmetric, but for terms that count half: in the sums of
    type 1 of cosines the first and the last, in those of type 3 the first of cosines, the last of sines."""
    cosines = kind == "dct"
    adjoint = f"{kind}{(0, 1, 3, 2, 4)[number]}"
    before = (number in (1, 2) and cosines, (number == 1 and cosines) or (number == 2 and not cosines))
    after = (number in (1, 3) and cosines, (number == 1 and cosines) or (number == 3 and not cosines))

    def vjp(o: Symbolic, node: Apply, gs: Cotangents, wanted: Sequence[bool]) -> Cotangents:
        g = gs[0]
        assert g is not None
        g = _weighted(o, o.cast(g, node.outputs[0].type.dtype), *before, 2)
        return [_weighted(o, o.apply(build.call(adjoint), g, node.inputs[1]), *after, 0.5), None]
    CALL_VJP[f"{kind}{number}"], CALL_JVP[f"{kind}{number}"] = vjp, _jvp


for _kind in ("dct", "dst"):
    for _number in (1, 2, 3, 4):
        _trigonometric(_kind, _number)


# ------------------------------------------------------------------------------------------- convolutions


def _convolve_vjp(o: Symbolic, node: Apply, gs: Cotangents, wanted: Sequence[bool]) -> Cotangents:
    """The cotangent of a is that of the result convolved with v backwards, from element m - 1 - start on."""
    a, v, start, _ = node.inputs
    g = gs[0]
    assert g is not None
    g = o.cast(g, node.outputs[0].type.dtype)
    made: list[Variable | None] = []
    for x, other, want in zip((a, v), (v, a), wanted):
        axis, last = x.type.ndim - 1, other.type.ndim - 1
        first = o.sub(o.sub(o.size(other, last), o.number(1, "int64")), start)
        there = build.cut(o, other, step=-1, axis=last)
        made.append(o.sum_to(o.apply(node.op, g, there, first, o.size(x, axis)), x) if want else None)
    return [*made, None, None]


def _convolve_jvp(o: Symbolic, node: Apply, tangents: Cotangents) -> Cotangents:
    a, v, *rest = node.inputs
    by_a, by_v = tangents[:2]
    terms = [] if by_a is None else [o.apply(node.op, by_a, v, *rest)]
    terms += [] if by_v is None else [o.apply(node.op, a, by_v, *rest)]
    return [o.add_terms(terms)]


for _name in ("convolve", "convolve_direct", "convolve_fft"):
    CALL_VJP[_name], CALL_JVP[_name] = _convolve_vjp, _convolve_jvp
