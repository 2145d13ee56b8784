"""Trigonometric and hyperbolic functions and their inverses, as `elemwise.py` says; angles in radians."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradc.tensor.elemwise import elementwise
from gradc.tensor.types import TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = [
    "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "cos", "cosh", "deg2rad", "rad2deg",
    "sin", "sinh", "tan", "tanh",
]


def sin(x: TensorLike) -> TensorVariable:
    """Sine of x in radians.  Dtype: floating."""
    return elementwise("sin", x)


def cos(x: TensorLike) -> TensorVariable:
    """Cosine of x in radians.  Dtype: floating."""
    return elementwise("cos", x)


def tan(x: TensorLike) -> TensorVariable:
    """Tangent of x in radians.  Dtype: floating."""
    return elementwise("tan", x)


def arcsin(x: TensorLike) -> TensorVariable:
    """Inverse sine in [-pi/2, pi/2]; nan outside [-1, 1].  Dtype: floating."""
    return elementwise("arcsin", x)


def arccos(x: TensorLike) -> TensorVariable:
    """Inverse cosine in [0, pi]; nan outside [-1, 1].  Dtype: floating."""
    return elementwise("arccos", x)


def arctan(x: TensorLike) -> TensorVariable:
    """Inverse tangent in [-pi/2, pi/2].  Dtype: floating."""
    return elementwise("arctan", x)


def arctan2(y: TensorLike, x: TensorLike) -> TensorVariable:
    """Angle of the point (x, y) in [-pi, pi].  Dtype: floating."""
    return elementwise("arctan2", y, x)


def sinh(x: TensorLike) -> TensorVariable:
    """Hyperbolic sine.  Dtype: floating."""
    return elementwise("sinh", x)


def cosh(x: TensorLike) -> TensorVariable:
    """Hyperbolic cosine.  Dtype: floating."""
    return elementwise("cosh", x)


def tanh(x: TensorLike) -> TensorVariable:
    """Hyperbolic tangent.  Dtype: floating."""
    return elementwise("tanh", x)


def arcsinh(x: TensorLike) -> TensorVariable:
    """Inverse hyperbolic sine.  Dtype: floating."""
    return elementwise("arcsinh", x)


def arccosh(x: TensorLike) -> TensorVariable:
    """Inverse hyperbolic cosine; nan below 1.  Dtype: floating."""
    return elementwise("arccosh", x)


def arctanh(x: TensorLike) -> TensorVariable:
    """Inverse hyperbolic tangent; nan outside [-1, 1].  Dtype: floating."""
    return elementwise("arctanh", x)


def deg2rad(x: TensorLike) -> TensorVariable:
    """Degrees to radians.  Dtype: floating."""
    return elementwise("deg2rad", x)


def rad2deg(x: TensorLike) -> TensorVariable:
    """Radians to degrees.  Dtype: floating."""
    return elementwise("rad2deg", x)
