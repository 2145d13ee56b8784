"""Derivatives of user-defined Ops, which say themselves what their gradient is.

An Op defines `pullback(inputs, outputs, cotangents)`, or `L_op(inputs, outputs, output_gradients)`, or
`grad(inputs, output_gradients)`, and for forward mode perhaps `R_op(inputs, eval_points)`.  What they
return is checked here.
"""

from __future__ import annotations

from collections.abc import Sequence

from gradc.autodiff.symbolic import Symbolic, is_continuous
from gradc.errors import GradientError, NotDifferentiableError, at
from gradc.ir.graph import Apply, NullVariable, Op, Variable, describe, to_variable
from gradc.ir.types import DisconnectedType, NullType, TensorType


def grad_undefined(op: Op, x_pos: int, x: Variable, comment: str = "") -> Variable:
    """What an Op's gradient method returns for an input by which its gradient does not exist."""
    return NullVariable(NullType(f"{op} has no gradient by its input {x_pos}, {describe(x)}"
                                 f"{': ' if comment else ''}{comment}"))


def grad_not_implemented(op: Op, x_pos: int, x: Variable, comment: str = "") -> Variable:
    """What an Op's gradient method returns for an input by which its author has written no gradient."""
    return NullVariable(NullType(f"the gradient of {op} by its input {x_pos}, {describe(x)}, is not implemented"
                                 f"{': ' if comment else ''}{comment}"))


def user_vjp(o: Symbolic, node: Apply, cotangents: Sequence[Variable | None]) -> list[Variable | None]:
    """One cotangent per input, from the Op's own method; None where it is zero.

    An output that the cost does not depend on gets a variable of DisconnectedType, as in Aesara.
    """
    op = node.op
    given = [g if g is not None else
             o.full_like(out, 0) if is_continuous(out) else NullVariable(DisconnectedType())
             for g, out in zip(cotangents, node.outputs)]
    if hasattr(op, "pullback"):
        result = op.pullback(node.inputs, node.outputs, given)
    elif hasattr(op, "L_op"):
        result = op.L_op(node.inputs, node.outputs, given)
    elif hasattr(op, "grad"):
        result = op.grad(node.inputs, given)
    else:
        raise NotDifferentiableError(f"{op} has no gradient: it defines neither L_op nor grad{at(node.source)}; define "
                                     f"one, or keep it out of the gradient with disconnected_grad")
    return _check(node, "gradient", result, node.inputs)


def user_jvp(o: Symbolic, node: Apply, tangents: Sequence[Variable | None]) -> list[Variable | None] | None:
    """One tangent per output by the Op's `R_op`; None if it has no such method (or None in its place)."""
    if getattr(node.op, "R_op", None) is None:
        return None
    return _check(node, "R_op", node.op.R_op(node.inputs, list(tangents)), node.outputs)


def _check(node: Apply, what: str, result: object, like: Sequence[Variable]) -> list[Variable | None]:
    """The variables an Op's method returned, with the types they must have."""
    if not isinstance(result, (list, tuple)) or len(result) != len(like):
        got = f"{len(result)} entries" if isinstance(result, (list, tuple)) else f"a {type(result).__name__}"
        raise GradientError(f"the {what} of {node.op} must return a list of {len(like)} variable(s), got {got}"
                            f"{at(node.source)}")
    checked: list[Variable | None] = []
    for k, (term, x) in enumerate(zip(result, like)):
        if term is not None and not isinstance(term, Variable):
            term = to_variable(term)
        if term is None or isinstance(term.type, DisconnectedType):
            checked.append(None)
            continue
        if not isinstance(term.type, NullType) and isinstance(x.type, TensorType) and (
                not isinstance(term.type, TensorType) or term.type.ndim != x.type.ndim):
            raise GradientError(f"the {what} of {node.op} returned a {term.type} for entry {k}, which is {x.type}"
                                f"{at(node.source)}; ranks must agree")
        checked.append(term)
    return checked
