"""`jacobian` and `hessian`: matrices of derivatives, by structure rather than row by row.

In: expressions.  Out: expressions.  A derivative J is a linear map: u -> u J (`Lop`) or t -> J t (`Rop`); of the two
the one with fewer rows where sizes are static.  `control.linear` makes its matrix, `control.csr` its sparse one;
`control.products` finds what can do without.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, overload

from gradc.autodiff.forward import Rop
from gradc.autodiff.reverse import Lop, grad
from gradc.autodiff.symbolic import cotangent_dtype
from gradc.control.csr import sparse_matrix
from gradc.control.linear import LinearMap, linear_matrix
from gradc.errors import GradientError, NonScalarCostError, ShapeError, TypeMismatchError, at, quoted
from gradc.ir import build, dtypes, graph, ops
from gradc.ir.graph import Variable, apply, describe, to_variable, toposort
from gradc.ir.types import TensorType
from gradc.sparse.variable import SparseVariable
from gradc.tensor.convert import as_tensor_variable
from gradc.tensor.variable import TensorVariable


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


@overload
def jacobian(expression: Variable, wrt: Variable, consider_constant: Iterable[Variable] | None = None,
             disconnected_inputs: str = "raise", *, sparse: Literal[False] = False,
             mode: str | None = None) -> TensorVariable: ...
@overload
def jacobian(expression: Variable, wrt: Variable, consider_constant: Iterable[Variable] | None = None,
             disconnected_inputs: str = "raise", *, sparse: Literal[True],
             mode: str | None = None) -> SparseVariable: ...
@overload
def jacobian(expression: Variable, wrt: Sequence[Variable], consider_constant: Iterable[Variable] | None = None,
             disconnected_inputs: str = "raise", *, sparse: bool = False, mode: str | None = None) -> list[Any]: ...
def jacobian(expression: Variable, wrt: Variable | Sequence[Variable],
             consider_constant: Iterable[Variable] | None = None,
             disconnected_inputs: str = "raise", *, sparse: bool = False, mode: str | None = None) -> Any:
    """The derivatives of all elements of `expression` by all elements of `wrt`, a variable or a list of them.

    consider_constant, disconnected_inputs: as in grad.
    sparse: a csr matrix (`gradc.sparse`), with entries where it can differ from 0; for vectors.
    mode: "reverse" or "forward"; default: forward where static sizes say that `wrt` is the smaller side.

    Shapes: expression.shape + wrt.shape (a list of them if wrt is a list).   Dtype: as grad.
    Complex numbers: of a real expression by a complex variable each row is a gradient as grad gives it; a complex
        expression must be holomorphic in a complex variable (or be differentiated by its parts).
    Raises: ShapeError if the expression is no tensor, or for sparse=True no vector; DisconnectedInputError,
        NullTypeGradError; GradientError for a mode that does not give this, or sparse=True, with complex numbers.
    Source: aesara.gradient.jacobian, which takes one-dimensional expressions only.
    """
    if mode not in (None, "reverse", "forward"):
        raise GradientError(f"mode must be None, 'reverse' or 'forward', got {quoted(mode)}")
    y = to_variable(expression)
    if not isinstance(y.type, TensorType):
        raise ShapeError(f"jacobian needs a tensor, got {describe(y)} of type {y.type}{at(y.source)}")
    fixed = _variables(consider_constant)
    return _each(wrt, lambda x: _matrix(y, x, fixed, disconnected_inputs, sparse, mode, symmetric=False))


@overload
def hessian(cost: Variable, wrt: Variable, consider_constant: Iterable[Variable] | None = None,
            disconnected_inputs: str = "raise", *, sparse: Literal[False] = False) -> TensorVariable: ...
@overload
def hessian(cost: Variable, wrt: Variable, consider_constant: Iterable[Variable] | None = None,
            disconnected_inputs: str = "raise", *, sparse: Literal[True]) -> SparseVariable: ...
@overload
def hessian(cost: Variable, wrt: Sequence[Variable], consider_constant: Iterable[Variable] | None = None,
            disconnected_inputs: str = "raise", *, sparse: bool = False) -> list[Any]: ...
def hessian(cost: Variable, wrt: Variable | Sequence[Variable], consider_constant: Iterable[Variable] | None = None,
            disconnected_inputs: str = "raise", *, sparse: bool = False) -> Any:
    """The second derivatives of the scalar `cost` by all pairs of elements of `wrt`, a variable or a list of them.

    sparse: a csr matrix (`gradc.sparse`), with entries where it can differ from 0; for vectors.
    Second derivatives by a complex variable are no matrix of numbers: take them by its parts, or `Rop` of the gradient.

    Shapes: wrt.shape + wrt.shape (a list of them, one for each variable, if wrt is a list).
    Raises: NonScalarCostError (a TypeError) if the cost is not 0-dimensional, as jacobian else.
    Source: aesara.gradient.hessian, which takes one-dimensional variables only.
    """
    y = to_variable(cost)
    if not isinstance(y.type, TensorType) or y.type.ndim:
        raise NonScalarCostError(f"hessian needs a scalar cost, got {describe(y)} of type {y.type}{at(y.source)}")
    fixed = _variables(consider_constant)

    def second(x: Variable) -> Any:
        if _is_complex(x):
            raise GradientError(f"hessian: expected real variables, {describe(x)} is {x.type.short()}{at(x.source)}; "
                                f"differentiate by its parts, or take Rop of the gradient")
        g = grad(y, x, fixed, disconnected_inputs=disconnected_inputs)
        symmetric = fixed is None and not any([
            type(node.op) is ops.GradientOf and node.op.kind[0] != "of" for node in toposort([g])])
        return _matrix(g, x, fixed, "ignore", sparse, "reverse", symmetric=symmetric)

    return _each(wrt, second)


def _variables(given: Iterable[Variable] | None) -> list[Variable] | None:
    if given is None:
        return None
    return [given] if isinstance(given, Variable) else list(given)


def _each(wrt: Any, made: Callable[[Variable], Any]) -> Any:
    """`made` of one variable, or of each of a list or tuple."""
    return type(wrt)([made(x) for x in wrt]) if isinstance(wrt, (list, tuple)) else made(wrt)


def _matrix(y: Variable, x: Variable, fixed: list[Variable] | None, disconnected_inputs: str, sparse: bool,
            mode: str | None, *, symmetric: bool) -> Variable | SparseVariable:
    if not isinstance(x, Variable):
        raise TypeMismatchError(f"expected variables to differentiate by, got {quoted(x)} of type {type(x).__name__}")

    def reverse() -> LinearMap:
        u = y.type.variable_class(y.type)
        return LinearMap(u, Lop(y, x, u, fixed, disconnected_inputs), y)

    def forward() -> LinearMap:
        if fixed is not None:
            raise GradientError("jacobian: mode='forward' can't take variables as constants; leave consider_constant "
                                "out, and write consider_constant(x) where x is used")
        t = x.type.variable_class(x.type)
        return LinearMap(t, Rop(y, x, t, disconnected_inputs), x)

    if _is_complex(x) or _is_complex(y):
        needed = "forward" if _is_complex(y) else "reverse"
        if sparse or mode not in (None, needed):
            raise GradientError(f"jacobian of {y.type.short()} by {describe(x)}, {x.type.short()}{at(x.source)}: with "
                                f"complex numbers it is dense, and mode {needed!r}")
        mode = needed
    if sparse:
        if y.type.ndim != 1 or x.type.ndim != 1:
            raise ShapeError(f"a sparse matrix of derivatives is that of a vector by a vector, got {y.type} by "
                             f"{describe(x)} of type {x.type}{at(x.source)}; flatten them")
        return sparse_matrix(as_tensor_variable(x), reverse(), forward if fixed is None else None, symmetric=symmetric)
    if mode == "forward" or (mode is None and fixed is None and _elements(x) < _elements(y)):
        matrix = linear_matrix(forward())
        n = x.type.ndim
        matrix = build.reorder(graph, matrix, (*range(n, matrix.type.ndim), *range(n)))
        if matrix.type.dtype != cotangent_dtype(x) and not _is_complex(y):
            matrix = apply(ops.Cast(cotangent_dtype(x)), matrix)
    else:
        matrix = linear_matrix(reverse())
    matrix.tag.derivative = Derivative(matrix, y, x, fixed)
    return matrix


def _is_complex(x: Variable) -> bool:
    return isinstance(x.type, TensorType) and x.type.dtype in dtypes.COMPLEX


def _elements(x: Variable) -> float:
    """The number of elements of x, infinite if its type does not tell."""
    count = 1.0
    for size in getattr(x.type, "shape", ()):
        count *= float("inf") if size is None else size
    return count
