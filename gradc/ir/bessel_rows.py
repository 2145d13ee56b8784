"""Rows of the Bessel functions, see `scalars.py`."""

from __future__ import annotations

from collections.abc import Callable

from gradc.ir import special_bessel, special_bessel_01, special_bessel_k
from gradc.ir.scalar_code import ScalarFunction
from gradc.ir.scalars import Value
from gradc.ir.special_rows import special_row


def _order(name: str) -> str:
    return f"{name} has no derivative by its order; hold it constant (gradc.gradient.disconnected_grad)"


def _sign(o: Value, x: Value) -> Value:
    """The sign of x, 0 at 0, where the derivative jumps."""
    zero, one = o.const(0, x), o.const(1, x)
    return o.switch(o.gt(x, zero), one, o.switch(o.lt(x, zero), o.neg(one), zero))


def _neighbours(name: str, sign: float, factor: float = 0.5) -> Callable[..., Value]:
    """g times half of f(v - 1) + sign * f(v + 1), the derivative of a Bessel function by its argument."""

    def rule(o: Value, g: Value, out: Value, v: Value, x: Value) -> Value:
        one, f = o.const(1, v), getattr(o, name)
        before, behind = f(o.sub(v, one), x), f(o.add(v, one), x)
        both = o.add(before, behind) if sign > 0 else o.sub(before, behind)
        return o.mul(o.mul(o.const(factor, g), g), both)
    return rule


def _scaled(name: str, factor: float) -> Callable[..., Value]:
    """The same of one times exp(-|x|) or exp(x)."""
    plain = _neighbours(name, 1, factor)

    def rule(o: Value, g: Value, out: Value, v: Value, x: Value) -> Value:
        made = plain(o, g, out, v, x)
        return o.add(made, o.mul(g, out)) if factor < 0 else o.sub(made, o.mul(o.mul(g, out), _sign(o, x)))
    return rule


def _first(next_name: str, sign: float) -> Callable[..., Value]:
    """g times sign * f(1, x): the derivative of order 0."""
    return lambda o, g, out, x: o.mul(g, getattr(o, next_name)(x)) if sign > 0 else \
        o.neg(o.mul(g, getattr(o, next_name)(x)))


def _second(zero: str, general: str, sign: float) -> Callable[..., Value]:
    """g times half of f(0, x) + sign * f(2, x): the derivative of order 1."""

    def rule(o: Value, g: Value, out: Value, x: Value) -> Value:
        low, high = getattr(o, zero)(x), getattr(o, general)(o.const(2, x), x)
        return o.mul(o.mul(o.const(0.5, g), g), o.add(low, high) if sign > 0 else o.sub(low, high))
    return rule


def _less(rule: Callable[..., Value]) -> Callable[..., Value]:
    """Of a function times exp(-|x|)."""
    return lambda o, g, out, x: o.sub(rule(o, g, out, x), o.mul(o.mul(g, out), _sign(o, x)))


_ROWS: dict[ScalarFunction, tuple[object, ...]] = {
    special_bessel_01.i0: (_first("i1", 1),), special_bessel_01.i1: (_second("i0", "iv", 1),),
    special_bessel_01.i0e: (_less(_first("i1e", 1)),), special_bessel_01.i1e: (_less(_second("i0e", "ive", 1)),),
    special_bessel_01.j0: (_first("j1", -1),), special_bessel_01.j1: (_second("j0", "jv", -1),),
    special_bessel_01.y0: (_first("y1", -1),), special_bessel_01.y1: (_second("y0", "yv", -1),),
    special_bessel.jv: (_order("jv"), _neighbours("jv", -1)), special_bessel.yv: (_order("yv"), _neighbours("yv", -1)),
    special_bessel.iv: (_order("iv"), _neighbours("iv", 1)), special_bessel.ive: (_order("ive"), _scaled("ive", 0.5)),
    special_bessel_k.kv: (_order("kv"), _neighbours("kv", 1, -0.5)),
    special_bessel_k.kve: (_order("kve"), _scaled("kve", -0.5)),
}
for _function, _d in _ROWS.items():
    special_row(_function, _d, ulp=40, domain="positive")
