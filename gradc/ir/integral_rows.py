"""Rows of exponential integrals, the dilogarithm, Lambert's W, Owen's T and 2F1, see `scalars.py`."""

from __future__ import annotations

import math

from gradc.ir import special_integrals
from gradc.ir.scalars import Value
from gradc.ir.special_rows import special_row

_PARAMETER = "hyp2f1 has no derivative by its parameters here; hold them constant (gradc.gradient.disconnected_grad)"


def _hyper_slope(o: Value, g: Value, out: Value, a: Value, b: Value, c: Value, x: Value) -> Value:
    one = o.const(1, x)
    following = o.hyp2f1(o.add(a, one), o.add(b, one), o.add(c, one), x)
    return o.mul(o.mul(g, o.true_divide(o.mul(a, b), c)), following)


def _owen_by_h(o: Value, g: Value, out: Value, h: Value, a: Value) -> Value:
    """-exp(-h**2/2) erf(a h/sqrt(2))/sqrt(8 pi)."""
    density = o.mul(o.const(-1 / math.sqrt(8 * math.pi), g), o.exp(o.mul(o.const(-0.5, g), o.square(h))))
    return o.mul(g, o.mul(density, o.erf(o.mul(o.const(math.sqrt(0.5), g), o.mul(a, h)))))


def _owen_by_a(o: Value, g: Value, out: Value, h: Value, a: Value) -> Value:
    """exp(-h**2 (1 + a**2)/2)/(2 pi (1 + a**2))."""
    below = o.add(o.const(1, g), o.square(a))
    power = o.exp(o.mul(o.const(-0.5, g), o.mul(o.square(h), below)))
    return o.mul(g, o.true_divide(o.mul(o.const(0.5 / math.pi, g), power), below))


def _lambert_slope(o: Value, g: Value, out: Value, z: Value) -> Value:
    """exp(-w)/(1 + w), which is right at 0, too."""
    return o.true_divide(o.mul(g, o.exp(o.neg(out))), o.add(o.const(1, g), out))


special_row(special_integrals.exp1, ulp=20, domain="positive",
            d=(lambda o, g, out, x: o.neg(o.true_divide(o.mul(g, o.exp(o.neg(x))), x)),))
special_row(special_integrals.expi, ulp=30, domain="positive",
            d=(lambda o, g, out, x: o.true_divide(o.mul(g, o.exp(x)), x),))
special_row(special_integrals.spence, ulp=20, domain="positive",
            d=(lambda o, g, out, z: o.mul(g, o.spence_derivative(o.const(1, z), z)),))
special_row(special_integrals.spence_derivative, ulp=40, domain="positive",
            d=("spence_derivative has no derivative by its order, an integer",
               lambda o, g, out, n, z: o.mul(g, o.spence_derivative(o.add(n, o.const(1, n)), z))))
special_row(special_integrals.lambertw, ulp=10, domain="positive", d=(_lambert_slope,))
special_row(special_integrals.lambertw_minus, ulp=10, domain="below_zero", d=(_lambert_slope,))
special_row(special_integrals.owens_t, ulp=80, domain="positive", d=(_owen_by_h, _owen_by_a))
special_row(special_integrals.hyp2f1, ulp=200, domain="zero_to_one",
            d=(_PARAMETER, _PARAMETER, _PARAMETER, _hyper_slope))
