"""Whole arrays in `CFunction`: what is declared of them, and the Op that calls the code.

A declaration is a dtype, or a dtype with sizes: "float64[n, m]", "float64[n + 1]".  An input names its sizes, and where
a name comes back the sizes must be equal; the sizes of an output are sums, differences, products, quotients (//), min
and max of these and of integer inputs that are scalars.
Not here: the public class (`compile.cfunction`), the call in C (`loops.lower`, `codegen`).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, TypeAlias

import numpy as np

from gradc.codegen.names import reserved
from gradc.compile.function import function
from gradc.errors import ExecutionError, GraphError, ShapeError, TypeMismatchError, at, quoted
from gradc.ir import dtypes, ops
from gradc.ir.dtypes import DTypeLike
from gradc.ir.graph import Apply, NullVariable, Op, Variable, apply, describe, user_line
from gradc.ir.snippet import ArraySnippet
from gradc.ir.types import NullType, TensorType
from gradc.tensor import elemwise
from gradc.tensor.convert import cast

_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_DECLARED = re.compile(r"\s*(\w+)\s*(?:\[(.*)\])?\s*", re.DOTALL)
Size: TypeAlias = Any       # an int at a call, an int64 scalar variable in a graph

_SIGNS: dict[type, Callable[[Size, Size], Size]] = {
    ast.Add: lambda a, b: a + b, ast.Sub: lambda a, b: a - b, ast.Mult: lambda a, b: a * b,
    ast.FloorDiv: lambda a, b: a // b,
}
_CHOICES = {"min": (min, elemwise.minimum), "max": (max, elemwise.maximum)}

REAL = dtypes.DISCRETE + dtypes.WIDE


def check_names(*names: object) -> None:
    """GraphError for a name that can't be used in C, or is there twice."""
    for what in names:
        if not isinstance(what, str) or not _IDENTIFIER.fullmatch(what) or reserved(what):
            raise GraphError(f"CFunction: {quoted(what)} is no name that can be used in C; take another"
                             f"{at(user_line())}")
        if names.count(what) > 1:
            raise GraphError(f"CFunction: {quoted(what)} is the name of two things; give each its own{at(user_line())}")


def dtype_of(name: str, what: str, dtype: DTypeLike) -> str:
    """The name of a dtype that C code can use."""
    try:
        found = np.dtype(dtype).name
    except TypeError:
        found = str(dtype)
    if found not in REAL:
        raise TypeMismatchError(f"CFunction {name}: the dtype of {what} must be one of {', '.join(REAL)}, got "
                                f"{quoted(dtype)}{at(user_line())}")
    return found


def has_sizes(declared: object) -> bool:
    """Does a declaration speak of an array?"""
    return isinstance(declared, str) and "[" in declared


def declaration(name: str, what: str, declared: Any) -> tuple[str, tuple[str, ...]]:
    """The dtype and the sizes that a declaration states, none for a scalar; TypeMismatchError, GraphError."""
    if not isinstance(declared, str):
        return dtype_of(name, what, declared), ()
    found = _DECLARED.fullmatch(declared)
    if found is None:
        raise GraphError(f"CFunction {name}: {what} is declared as a dtype with sizes such as 'float64[n, m]', got "
                         f"{quoted(declared)}{at(user_line())}")
    try:
        sizes = ast.parse(f"({found[2]},)" if (found[2] or "").strip() else "()", mode="eval").body
    except SyntaxError:
        raise GraphError(f"CFunction {name}: the sizes of {what} can't be read: {quoted(declared)}"
                         f"{at(user_line())}") from None
    assert isinstance(sizes, ast.Tuple)
    return dtype_of(name, what, found[1]), tuple([ast.unparse(size) for size in sizes.elts])


def size_of(expression: str, names: Mapping[str, Size]) -> Size:
    """The value of a size; None if it depends on a name whose value is None.  KeyError, ValueError if it is no size."""
    return _value(_parsed(expression), names)


@cache
def _parsed(expression: str) -> ast.expr:
    return ast.parse(expression, mode="eval").body


def _value(e: ast.expr, names: Mapping[str, Size]) -> Size:
    match e:
        case ast.Constant(int(n)):
            return n
        case ast.Name(name):
            return names[name]
        case ast.BinOp(left, sign, right) if type(sign) in _SIGNS:
            a, b = _value(left, names), _value(right, names)
            return None if a is None or b is None else _SIGNS[type(sign)](a, b)
        case ast.Call(ast.Name("min" | "max" as which), [left, right], []):
            a, b = _value(left, names), _value(right, names)
            of_ints, of_variables = _CHOICES[which]
            return None if a is None or b is None else (
                of_variables if isinstance(a, Variable) or isinstance(b, Variable) else of_ints)(a, b)
    raise ValueError(ast.unparse(e))


def array_op(name: str, inputs: Mapping[str, object], output: object, code: str, numpy: Callable[..., Any] | None,
             grad: Callable[..., list[Variable]] | None, errors: Mapping[int, str] | None) -> CArrayOp:
    """The Op of a CFunction on whole arrays; GraphError and TypeMismatchError for what is declared wrongly."""
    ins = [(key, *declaration(name, key, declared)) for key, declared in inputs.items()]
    sizes: dict[str, tuple[str, int, int]] = {}
    for k, (key, _, dims) in enumerate(ins):
        for axis, size in enumerate(dims):
            if not size.isdecimal() and not _IDENTIFIER.fullmatch(size):
                raise GraphError(f"CFunction {name}: sizes of {key}, an input, are names or numbers, got {size}"
                                 f"{at(user_line())}")
            if not size.isdecimal():
                sizes.setdefault(size, (size, k, axis))
    outs = [(key, *declaration(name, key, declared))
            for key, declared in (output if isinstance(output, Mapping) else {"out": output}).items()]
    check_names(*[key for key, *_ in ins], *sizes, *[key for key, *_ in outs])
    if not outs:
        raise GraphError(f"CFunction {name} has no outputs; give at least one{at(user_line())}")
    known: dict[str, object] = {**dict.fromkeys(sizes), **{key: None for key, dtype, dims in ins
                                                        if not dims and dtype in dtypes.INTEGERS}}
    for key, _, dims in outs:
        for size in dims:
            try:
                size_of(size, known)
            except (KeyError, ValueError):
                raise GraphError(f"CFunction {name}: sizes of {key}, an output, are made by + - * // min max of "
                                 f"{', '.join(known) or 'numbers'}, got {size}{at(user_line())}") from None
    for number, meaning in (errors or {}).items():
        if not isinstance(number, int) or not number or not isinstance(meaning, str):
            raise GraphError(f"CFunction {name}: errors are texts by number, which is not 0, got {quoted(number)}: "
                             f"{quoted(meaning)}{at(user_line())}")
    snippet = ArraySnippet(name, tuple([(key, dtype, len(dims)) for key, dtype, dims in ins]), tuple(sizes.values()),
                           tuple(outs), code, tuple((errors or {}).items()))
    return CArrayOp(snippet, [dims for _, _, dims in ins], numpy, grad)


class CArrayOp(Op):
    """The Op of a CFunction on whole arrays; a kernel has its `snippet` in itself, the interpreter calls `numpy`."""

    __props__ = ("snippet", "gradient")

    def __init__(self, snippet: ArraySnippet, dims: Sequence[tuple[str, ...]], numpy: Callable[..., Any] | None,
                 gradient: Callable[..., list[Variable]] | None) -> None:
        self.snippet = snippet
        self.dims = tuple(dims)             # of each input, as declared
        self.gradient = gradient
        self.numpy = numpy or _ArraysByKernel(self)

    def names(self, inputs: Sequence[Any], shapes: Sequence[Sequence[Size]]) -> dict[str, Size]:
        """What the sizes of results can be made of: named sizes and integer scalars."""
        found: dict[str, Size] = {name: shapes[k][axis] for name, k, axis in self.snippet.sizes}
        for x, (name, dtype, rank) in zip(inputs, self.snippet.inputs):
            if not rank and dtype in dtypes.INTEGERS:
                data = getattr(x, "data", None)
                found[name] = cast(x, "int64") if data is None else int(data)
        return found

    def make_node(self, *inputs: Any) -> Apply:
        for x, (name, dtype, rank) in zip(inputs, self.snippet.inputs):
            if x.type.dtype != dtype or x.type.ndim != rank:
                raise TypeMismatchError(f"{self}: {name} has dtype {dtype} and rank {rank}, got {describe(x)}, which "
                                        f"is {x.type.short()}{at(x.source)}")
        names = {name: n if isinstance(n, int) else None
                 for name, n in self.names(inputs, [x.type.shape for x in inputs]).items()}
        types = []
        for _, dtype, sizes in self.snippet.outputs:
            known = [size_of(size, names) for size in sizes]
            types.append(TensorType(dtype, tuple([n if n is None or n >= 0 else None for n in known])))
        return Apply(self, inputs, types)

    def infer_shape(self, fgraph: object, node: Apply,
                    input_shapes: Sequence[Sequence[Size]]) -> list[tuple[Size, ...]]:
        names = self.names(node.inputs, input_shapes)
        return [tuple([size_of(size, names) for size in sizes]) for _, _, sizes in self.snippet.outputs]

    def fitting(self, values: Sequence[Variable]) -> list[Variable]:
        """`values`, the first of each size checked for being what the declarations say of it."""
        first: dict[str, Size] = {}
        values = list(values)
        for k, (dims, (name, _, _)) in enumerate(zip(self.dims, self.snippet.inputs)):
            for axis, size in enumerate(dims):
                here = values[k].type.shape[axis]
                length = here if here is not None else apply(ops.ShapeOf(axis), values[k])
                wanted = int(size) if size.isdecimal() else first.setdefault(size, length)
                if wanted is length:
                    continue
                what = f"CFunction {self.snippet.name}: the size of dimension {axis} of {name} is not {size}"
                if isinstance(wanted, int) and isinstance(length, int):
                    if wanted != length:
                        raise ShapeError(f"{what}: it is {length}, not {wanted}{at(values[k].source)}")
                    continue
                values[k] = apply(ops.Assert(what, "shape"), values[k], elemwise.eq(length, wanted))
        return values

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: list[list[Any]]) -> None:
        results = self.numpy(*inputs)
        if len(output_storage) == 1 and not isinstance(results, (list, tuple)):
            results = [results]
        if len(results) != len(output_storage):
            raise ExecutionError(f"the NumPy function of {self} must return {len(output_storage)} results, got "
                                 f"{len(results)}")
        for cell, value in zip(output_storage, results):
            cell[0] = value

    def L_op(self, inputs: Sequence[Variable], outputs: Sequence[Variable],
             output_gradients: Sequence[Variable]) -> list[Variable]:
        if self.gradient is None:
            return [NullVariable(NullType(f"{self} was given no grad")) for _ in inputs]
        return self.gradient(inputs, outputs, output_gradients)

    def __str__(self) -> str:
        return f"CFunction {self.snippet.name}"


class _ArraysByKernel:
    """The code on NumPy arrays, by a kernel of its own that is compiled when it is first needed."""

    needs_compiler = True

    def __init__(self, op: CArrayOp) -> None:
        self.op = op
        self.kernel: Any = None

    def __call__(self, *args: Any) -> list[Any]:
        if self.kernel is None:
            inputs = [TensorType(dtype, (None,) * rank)(name) for name, dtype, rank in self.op.snippet.inputs]
            self.kernel = function(inputs, self.op(*inputs, return_list=True), mode="c")
        try:
            return self.kernel(*args)
        except (ShapeError, ExecutionError) as error:
            raise type(error)(str(error).split("\n")[0]) from None      # the caller knows inputs and lines

    def __getstate__(self) -> dict[str, Any]:
        return {"op": self.op, "kernel": None}
