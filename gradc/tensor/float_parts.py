"""Signs, neighbours and parts of numbers, and functions of integers, as `elemwise.py` says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradc.tensor.convert import as_tensor_variable, constant
from gradc.tensor.elemwise import elementwise, isinf, sub, switch, trunc
from gradc.tensor.types import TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = ["bitwise_count", "cbrt", "copysign", "fmax", "fmin", "fmod", "frexp", "gcd", "heaviside", "lcm", "ldexp",
           "logaddexp2", "modf", "nextafter", "signbit", "spacing"]


def cbrt(x: TensorLike) -> TensorVariable:
    """Real cube root, of negative numbers too.  Dtype: floating, real.  Error: 3 ulp.  The gradient at 0 is inf."""
    return elementwise("cbrt", x)


def fmax(x: TensorLike, y: TensorLike) -> TensorVariable:
    """Larger of x and y; of a number and nan the number.  Dtype: common.  At ties x gets the gradient."""
    return elementwise("fmax", x, y)


def fmin(x: TensorLike, y: TensorLike) -> TensorVariable:
    """Smaller of x and y; of a number and nan the number.  Dtype: common.  At ties x gets the gradient."""
    return elementwise("fmin", x, y)


def fmod(x: TensorLike, y: TensorLike) -> TensorVariable:
    """Remainder with the sign of x (C's `%` and fmod), exact.  Dtype: common.  Of an integer and 0 it is 0."""
    return elementwise("fmod", x, y)


def copysign(x: TensorLike, y: TensorLike) -> TensorVariable:
    """abs(x) with the sign of y, of -0.0 too.  Dtype: floating, real."""
    return elementwise("copysign", x, y)


def signbit(x: TensorLike) -> TensorVariable:
    """Is x negative, or -0.0?  Dtype: bool."""
    return elementwise("signbit", x)


def heaviside(x: TensorLike, h: TensorLike) -> TensorVariable:
    """0 where x < 0, h where x is 0, 1 where x > 0.  Dtype: floating, real.  The gradient by x is 0."""
    return elementwise("heaviside", x, h)


def nextafter(x: TensorLike, y: TensorLike) -> TensorVariable:
    """The number next to x on the way to y.  Dtype: floating, real.  The gradient by x is 1, by y 0."""
    return elementwise("nextafter", x, y)


def spacing(x: TensorLike) -> TensorVariable:
    """The distance from x to the next number away from 0, with the sign of x.  Dtype: floating, real."""
    return elementwise("spacing", x)


def ldexp(x: TensorLike, n: TensorLike) -> TensorVariable:
    """x * 2**n, rounded once; a fraction of n is dropped.  Dtype: floating, that of x.  The gradient by n is 0."""
    return elementwise("ldexp", x, n)


def frexp(x: TensorLike) -> tuple[TensorVariable, TensorVariable]:
    """The pair (m, e) with x = m * 2**e and abs(m) in [1/2, 1), exact; e is int32, 0 for 0, infinities and nan.

    The gradient by x goes through m, as e is piecewise constant.
    """
    x = as_tensor_variable(x)
    return elementwise("frexp_mantissa", x), elementwise("frexp_exponent", x)


def modf(x: TensorLike) -> tuple[TensorVariable, TensorVariable]:
    """The pair of the fractional and the whole part of x, both with its sign, exact.  Dtype: floating, real.

    The gradient of the fractional part is 1, of the whole part 0.
    """
    x = as_tensor_variable(x)
    whole = trunc(x)
    rest = switch(isinf(x), constant(0, dtype=whole.type.dtype), sub(x, whole))
    return copysign(rest, x), whole


def gcd(x: TensorLike, y: TensorLike) -> TensorVariable:
    """Greatest common divisor of the sizes of integers; gcd(0, 0) is 0.  Dtype: common, of integers only."""
    return elementwise("gcd", x, y)


def lcm(x: TensorLike, y: TensorLike) -> TensorVariable:
    """Least common multiple of the sizes of integers, 0 if one is 0; wraps around.  Dtype: common, of integers only."""
    return elementwise("lcm", x, y)


def bitwise_count(x: TensorLike) -> TensorVariable:
    """The number of 1 bits of abs(x).  Dtype: uint8, of integers and bools only."""
    return elementwise("bitwise_count", x)


def logaddexp2(x: TensorLike, y: TensorLike) -> TensorVariable:
    """log2(2**x + 2**y), without overflow; as numpy.logaddexp2 at infinities.  Dtype: floating."""
    return elementwise("logaddexp2", x, y)
