"""`jacobian` and `hessian`: matrices of derivatives, by structure rather than row by row.

In: expressions.  Out: expressions.  A derivative J is a linear map: u -> u J (`Lop`) or t -> J t (`Rop`), whichever
has fewer rows where sizes are static.  Its Program is taken apart by `autodiff.sparsity`: elementwise dependence gives
diagonals, products with a matrix give that matrix, and the rest is vectorised over all rows at once.  Only what has
no vectorised form (a user's Op) is computed row by row, in a Scan.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from gradc.autodiff.forward import Rop
from gradc.autodiff.reverse import Lop, grad
from gradc.autodiff.sparsity import dense, linear_map, product, sizes_of
from gradc.control.bodies import Closed, close
from gradc.errors import GradientError, NonScalarCostError, ShapeError, at
from gradc.ir import ops
from gradc.ir.batch import Unbatchable
from gradc.ir.convert import inline
from gradc.ir.graph import Apply, Constant, Variable, describe, to_variable
from gradc.ir.program import Builder, Program, Var, rebuild, tensor
from gradc.ir.types import TensorType
from gradc.record import record


@record(eq=False)
class LinearMap:
    """`result` is linear in the variable `u`, which has the shape of `like`."""

    u: Variable
    result: Variable
    like: Variable


class Derivative:
    """The mark of `matrix`, `matrix.tag.derivative`: the derivative of what, by what, with what taken as constant."""

    __slots__ = ("expression", "fixed", "matrix", "wrt")

    def __init__(self, matrix: Variable, expression: Variable, wrt: Variable, fixed: list[Variable] | None) -> None:
        self.matrix = matrix
        self.expression = expression
        self.wrt = wrt
        self.fixed = fixed

    def __reduce__(self) -> Any:
        return _unmarked, ()                    # a copy of the matrix is not made of these variables


def _unmarked() -> None:
    return None


def jacobian(expression: Any, wrt: Any, consider_constant: Iterable[Variable] | None = None,
             disconnected_inputs: str = "raise", *, mode: str | None = None) -> Any:
    """The derivatives of all elements of `expression` by all elements of `wrt`, a variable or a list of them.

    consider_constant, disconnected_inputs: as in grad.
    mode: "reverse" or "forward"; default: forward where static sizes say that `wrt` is the smaller side.

    Shapes: expression.shape + wrt.shape (a list of them if wrt is a list).   Dtype: as grad.
    Raises: ShapeError if the expression is no tensor, DisconnectedInputError, NullTypeGradError.
    Source: aesara.gradient.jacobian, which takes one-dimensional expressions only.
    """
    if mode not in (None, "reverse", "forward"):
        raise GradientError(f"mode must be None, 'reverse' or 'forward', got {mode!r}")
    y = to_variable(expression)
    if not isinstance(y.type, TensorType):
        raise ShapeError(f"jacobian needs a tensor, got {describe(y)} of type {y.type}{at(y.source)}")
    targets = list(wrt) if isinstance(wrt, (list, tuple)) else [wrt]
    fixed = None if consider_constant is None else list(
        [consider_constant] if isinstance(consider_constant, Variable) else consider_constant)
    rows = [_rows(y, x, fixed, disconnected_inputs, mode) for x in targets]
    for matrix, x in zip(rows, targets):
        matrix.tag.derivative = Derivative(matrix, y, x, fixed)  # type: ignore[attr-defined]
    return type(wrt)(rows) if isinstance(wrt, (list, tuple)) else rows[0]


def hessian(cost: Any, wrt: Any, consider_constant: Iterable[Variable] | None = None,
            disconnected_inputs: str = "raise") -> Any:
    """The second derivatives of the scalar `cost` by all pairs of elements of `wrt`, a variable or a list of them.

    Shapes: wrt.shape + wrt.shape (a list of them, one for each variable, if wrt is a list).
    Raises: NonScalarCostError (a TypeError) if the cost is not 0-dimensional, as grad else.
    Source: aesara.gradient.hessian, which takes one-dimensional variables only.
    """
    y = to_variable(cost)
    if not isinstance(y.type, TensorType) or y.type.ndim:
        raise NonScalarCostError(f"hessian needs a scalar cost, got {describe(y)} of type {y.type}{at(y.source)}")
    targets = list(wrt) if isinstance(wrt, (list, tuple)) else [wrt]
    found = []
    for x in targets:
        g = grad(y, x, consider_constant, disconnected_inputs)
        found.append(jacobian(g, x, consider_constant, "ignore", mode="reverse"))
    return type(wrt)(found) if isinstance(wrt, (list, tuple)) else found[0]


def _rows(y: Variable, x: Variable, fixed: list[Variable] | None, disconnected_inputs: str,
          mode: str | None) -> Variable:
    if mode == "forward" or (mode is None and fixed is None and _elements(x) < _elements(y)):
        t = x.type.variable_class(x.type)
        by_x = Rop(y, x, t, disconnected_inputs)
        matrix = linear_matrix(LinearMap(t, by_x, x))
        n = x.type.ndim  # type: ignore[attr-defined]
        return _transposed(matrix, (*range(n, matrix.type.ndim), *range(n)))  # type: ignore[attr-defined]
    u = y.type.variable_class(y.type)
    return linear_matrix(LinearMap(u, Lop(y, x, u, fixed, disconnected_inputs), y))


def _elements(x: Any) -> float:
    """The number of elements of x, infinite if its type does not tell."""
    count = 1.0
    for size in getattr(x.type, "shape", ()):
        count *= float("inf") if size is None else size
    return count


def _transposed(x: Variable, perm: Sequence[int]) -> Variable:
    if tuple(perm) == tuple(range(len(perm))):
        return x
    op = ops.Transpose(tuple(perm))
    return Apply(op, [x], [TensorType.make(x.type.dtype, tuple([x.type.shape[p] for p in perm]))],  # type: ignore
                 x.source).outputs[0]


def linear_matrix(given: LinearMap) -> Variable:
    """The matrix of a linear map: its results for all unit vectors u, with shape u.shape + result.shape."""
    closed = close([given.u], [given.result])
    b = Builder()
    args = [b.input(v.type, v.name) for v in (given.like, *closed.others)]
    for k, v in enumerate(closed.others, 1):
        if is_zero(v):
            args[k] = b.map("second", args[k], b.constant(0, tensor(args[k]).dtype))
    try:
        linear = linear_map(b, closed.program, args)
    except Unbatchable:
        return _by_rows(given, closed)
    if linear is None:                          # the result has no part of u, so it is zero
        (zero,) = inline_into(b, closed.program, args)
        value = b.apply(ops.Broadcast(), zero, *sizes_of(b, args[0]), *sizes_of(b, zero))
        return inline(b.program([value]), [given.like, *closed.others])[0]
    value = dense(b, linear)
    shape = [*sizes_of(b, linear.u), *sizes_of(b, linear.like)]
    if tensor(value).ndim != len(shape) or tensor(linear.u).ndim > 1:
        value = b.apply(ops.Reshape(len(shape)), value, *shape)
    return inline(b.program([value]), [given.like, *closed.others])[0]


def is_zero(v: Variable) -> bool:
    """Is v known to be 0 everywhere, as where a rule fills in a missing derivative?"""
    while not isinstance(v, Constant):
        if v.owner is None or not (v.owner.op == ops.Map("second") or type(v.owner.op) in (ops.Broadcast, ops.Cast)):
            return False
        v = v.owner.inputs[1 if type(v.owner.op) is ops.Map else 0]
    return isinstance(v.data, np.ndarray) and not v.data.any()


def inline_into(b: Builder, program: Program, args: Sequence[Var]) -> list[Var]:
    """The outputs of `program` of the Vars `args` of another Builder."""
    env = dict(zip(program.inputs, args))
    rebuild(program, b, env)
    return [env[v] for v in program.outputs]


def _by_rows(given: LinearMap, closed: Closed) -> Variable:
    """The matrix of a linear map, a unit vector after the other."""
    inner = Builder()
    i = inner.input(TensorType.make("int64", ()), "i")
    like, *others = [inner.input(v.type, v.name) for v in (given.like, *closed.others)]
    zero, one = [inner.constant(c, tensor(like).dtype) for c in (0, 1)]
    count = product(inner, sizes_of(inner, like))
    unit = inner.apply(ops.Scatter("set", (ops.Item(at=ops.DYNAMIC),)), inner.apply(ops.Broadcast(), zero, count), one,
                       i)
    unit = inner.apply(ops.Reshape(tensor(like).ndim), unit, *sizes_of(inner, like))
    body = inner.program(inline_into(inner, closed.program, [unit, *others]))
    b = Builder()
    args = [b.input(v.type, v.name) for v in (given.like, *closed.others)]
    n = product(b, sizes_of(b, args[0]))
    rows = b.apply(ops.Scan(body, 1, 0, name="jacobian"), n, b.apply(ops.Iota(), n), *args)
    shape = [*sizes_of(b, args[0]), *[b.size(rows, k) for k in range(1, tensor(rows).ndim)]]
    value = b.apply(ops.Reshape(len(shape)), rows, *shape)
    return inline(b.program([value]), [given.like, *closed.others])[0]
