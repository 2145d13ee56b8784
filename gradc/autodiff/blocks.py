"""Identities with a gradient of their own: they change derivatives, never values.

Each returns its argument as a new variable; `ir.convert` takes it out of the Program again.
"""

from __future__ import annotations

from gradc.errors import GradientError, at, quoted
from gradc.ir import ops
from gradc.ir.graph import apply, to_variable, user_line
from gradc.tensor.types import TensorLike
from gradc.tensor.variable import TensorVariable


def consider_constant(x: TensorLike) -> TensorVariable:
    """x, taken as a constant: the gradient through it is zero (but connected)."""
    return apply(ops.GradientOf("consider_constant"), to_variable(x))


def zero_grad(x: TensorLike) -> TensorVariable:
    """x, with gradient zero (but connected)."""
    return apply(ops.GradientOf("zero"), to_variable(x))


def disconnected_grad(x: TensorLike) -> TensorVariable:
    """x, without any gradient: for `grad` it is not connected to what computes it."""
    return apply(ops.GradientOf("disconnected"), to_variable(x))


def grad_clip(x: TensorLike, lower_bound: float, upper_bound: float) -> TensorVariable:
    """x, whose cotangent is clipped to [lower_bound, upper_bound], element by element.

    Raises: GradientError if lower_bound > upper_bound.
    """
    lower, upper = _number("lower_bound", lower_bound), _number("upper_bound", upper_bound)
    if not lower <= upper:
        raise GradientError(f"grad_clip: lower_bound must not exceed upper_bound, got {lower} and {upper}"
                            f"{at(user_line())}")
    return apply(ops.GradientOf(("clip", lower, upper)), to_variable(x))


def grad_scale(x: TensorLike, multiplier: float) -> TensorVariable:
    """x, whose cotangent is multiplied by `multiplier` (-1 reverses the gradient)."""
    return apply(ops.GradientOf(("scale", _number("multiplier", multiplier))), to_variable(x))


def _number(what: str, value: float) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise GradientError(f"{what} must be a number, got {quoted(value)} of type {type(value).__name__}"
                            f"{at(user_line())}") from None
