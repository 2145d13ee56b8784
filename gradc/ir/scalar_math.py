"""The words that algorithms of special functions are written in: functions of numbers that NumPy and C both have.

They take float64 numbers or arrays, and complex ones near the real axis: of those, conditions ask the real part, so
that derivatives of an algorithm can be checked by complex steps.  `C_TEXT` has their C forms, with {0} for an argument.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

Real: TypeAlias = Any       # a float64, or an array of them where a function is branch-free; complex in complex steps

exp, expm1, log, log1p, sqrt = np.exp, np.expm1, np.log, np.log1p, np.sqrt
sin, cos, tan, sinh, cosh = np.sin, np.cos, np.tan, np.sinh, np.cosh
arctan = np.arctan


def fabs(x: Real) -> Real:
    """|x|."""
    return np.asarray(np.where(x.real < 0, -x, x))[()] if np.iscomplexobj(x) else np.abs(x)


def floor(x: Real) -> Real:
    """The largest whole number not above x."""
    return np.floor(np.real(x))


def rint(x: Real) -> Real:
    """The nearest whole number, the even one of two."""
    return np.rint(np.real(x))


def copysign(x: Real, y: Real) -> Real:
    """|x| with the sign of y."""
    if np.iscomplexobj(x) or np.iscomplexobj(y):
        a = fabs(np.asarray(x))
        return np.asarray(np.where(np.signbit(np.real(y)), -a, a))[()]
    return np.copysign(x, y)


def power(x: Real, y: Real) -> Real:
    """x to the power y."""
    return np.power(x, y)


def select(condition: Any, x: Real, y: Real) -> Real:
    """x where the condition holds, else y; both are computed.  Branch-free code is vectorised."""
    return np.asarray(np.where(condition, x, y))[()]


def square_rest(x: Real) -> Real:
    """x**2 less what it is rounded to (T. Dekker, Numer. Math. 18 (1971) 224-242)."""
    c = 134217729.0 * x
    high = c - (c - x)
    low = x - high
    return ((high * high - x * x) + 2 * high * low) + low * low


def both(a: Any, b: Any) -> Any:
    """a and b, of branch-free conditions."""
    return np.logical_and(a, b)


def either(a: Any, b: Any) -> Any:
    """a or b, of branch-free conditions."""
    return np.logical_or(a, b)


def horner(coefficients: tuple[float, ...], x: Real) -> Real:
    """c0 + c1 x + c2 x**2 + ..."""
    result = coefficients[-1] + 0 * x
    for c in reversed(coefficients[:-1]):
        result = result * x + c
    return result


_ERF, _ERFC = np.frompyfunc(math.erf, 1, 1), np.frompyfunc(math.erfc, 1, 1)
_SLOPE = 2 / math.sqrt(math.pi)


def erf(x: Real) -> Real:
    """The error function, libm's; to first order in imaginary parts."""
    made = np.asarray(_ERF(np.real(x)), "float64")[()]
    return made + 1j * np.imag(x) * _SLOPE * np.exp(-np.real(x) ** 2) if np.iscomplexobj(x) else made


def erfc(x: Real) -> Real:
    """1 - erf(x), libm's; to first order in imaginary parts."""
    made = np.asarray(_ERFC(np.real(x)), "float64")[()]
    return made - 1j * np.imag(x) * _SLOPE * np.exp(-np.real(x) ** 2) if np.iscomplexobj(x) else made


C_TEXT: dict[Callable[..., object], str] = {
    exp: "exp({0})", expm1: "expm1({0})", log: "log({0})", log1p: "log1p({0})", sqrt: "sqrt({0})",
    sin: "gradc_sin_f64({0})", cos: "gradc_cos_f64({0})", tan: "tan({0})", sinh: "sinh({0})", cosh: "cosh({0})",
    arctan: "atan({0})", fabs: "fabs({0})",
    floor: "floor({0})", rint: "rint({0})", copysign: "copysign({0}, {1})", power: "pow({0}, {1})",
    select: "gradc_select_f64({0}, {1}, {2})", both: "({0} & {1})", either: "({0} | {1})",
    square_rest: "gradc_square_rest_f64({0})", erf: "erf({0})", erfc: "erfc({0})",
}
