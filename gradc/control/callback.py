"""`as_op`: a Python function on arrays as an operation of graphs.

The Op that it makes runs like any user-defined Op (`ir.callback`): its results are checked, and kernels call it.
Derivatives: none; an Op with one is a subclass of `gradc.graph.op.Op` with a method `L_op` or `grad`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gradc.errors import GraphError, TypeMismatchError, at, quoted
from gradc.ir.graph import Apply, Op, user_line
from gradc.ir.types import Type


class FromFunctionOp(Op):
    """The Op that calls `fn`; equal for equal functions and types."""

    __props__ = ("fn", "itypes", "otypes")

    def __init__(self, fn: Callable[..., object], itypes: Sequence[Type], otypes: Sequence[Type],
                 infer_shape: Callable[..., object] | None = None) -> None:
        self.fn = fn
        self.itypes = tuple(itypes)
        self.otypes = tuple(otypes)
        if infer_shape is not None:
            self.infer_shape = infer_shape
        self.__name__ = getattr(fn, "__name__", type(fn).__name__)

    def perform(self, node: Apply, inputs: Sequence[object], output_storage: list[list[object]]) -> None:
        results = self.fn(*inputs)
        if not isinstance(results, (list, tuple)):
            results = [results]
        if len(results) != len(output_storage):
            raise GraphError(f"{self.__name__} must return {len(output_storage)} result(s), got {len(results)}"
                             f"{at(user_line())}")
        for cell, value in zip(output_storage, results):
            cell[0] = value

    def __str__(self) -> str:
        return f"FromFunctionOp{{{self.__name__}}}"


def as_op(itypes: Any, otypes: Any, infer_shape: Callable[..., Any] | None = None) -> Callable[..., FromFunctionOp]:
    """Decorator: the function becomes an Op that takes and gives variables.

        @as_op(itypes=[at.dmatrix, at.dmatrix], otypes=[at.dmatrix])
        def product(a, b):
            return a @ b

    itypes, otypes: a type or a list of types, one per argument and per result of the function, which returns an
    array, or a list or tuple of them.  infer_shape: function of (fgraph, node, input_shapes), see `Op`.
    Raises: TypeMismatchError for something that is no type.   Source: aesara.compile.ops.as_op.
    """
    types = []
    for what, given in (("itypes", itypes), ("otypes", otypes)):
        listed = list(given) if isinstance(given, (list, tuple)) else [given]
        for t in listed:
            if not isinstance(t, Type):
                raise TypeMismatchError(f"as_op: {what} are types such as at.dmatrix, got {quoted(t)}{at(user_line())}")
        types.append(listed)
    return lambda fn: FromFunctionOp(fn, types[0], types[1], infer_shape)


wrap_py = as_op
