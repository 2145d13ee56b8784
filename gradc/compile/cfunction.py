"""`CFunction`: a function of scalars written in C by the user, applied to arrays element by element.

It is a row like those of `ir.scalars`, so it fuses with what stands around it into one loop, also inside `scan`.
In the interpreter it is evaluated by the NumPy function given, or else by a kernel of its own.
Not here: how it stands in a unit, and the compiler's complaints about it (`codegen.snippets`).
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gradc.codegen.names import LOCAL_TYPE, safe
from gradc.codegen.snippets import c_name
from gradc.compile.function import function
from gradc.errors import GraphError, TypeMismatchError, at
from gradc.ir import ops
from gradc.ir.graph import apply, describe
from gradc.ir.scalars import Row, Snippet
from gradc.ir.types import TensorType
from gradc.tensor.convert import as_tensor_variable, cast
from gradc.tensor.elemwise import mul

_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


class CFunction:
    """A function of scalars in C; calling it builds a tensor expression, with broadcasting.

        cube = CFunction("cube", {"x": "float64"}, "float64", "x * x * x", derivatives=["3 * x * x"])

    name        a C identifier
    inputs      argument name -> dtype.  Tensors are cast to it where nothing is lost, by way of the dtype that all
                inputs have in common (so an int64 beside a float64 is exact up to 2**53)
    output      dtype of the result
    code        an expression, or the statements of a function with `return`; it may use math.h and stdint.h
    derivatives one for each input, what the cotangent is multiplied by: C code of the inputs, or a function of the
                inputs that returns an expression (such as another CFunction, which can have derivatives in its turn);
                None where it is zero.  Without the list there is no gradient
    numpy       the same function on arrays, for the interpreter.  Without it the interpreter compiles the C code, and
                where there is no compiler ToolchainNotFoundError is raised

    Shapes: elementwise, static 1s broadcast.
    Raises: GraphError for names that C can't use, TypeMismatchError for dtypes; CompileError, naming the line of the
    code, from `function`, if it does not compile.
    """

    def __init__(self, name: str, inputs: Mapping[str, Any], output: Any, code: str,
                 derivatives: Sequence[Any] | None = None, numpy: Callable[..., Any] | None = None) -> None:
        for what in (name, *inputs):
            if not isinstance(what, str) or not _IDENTIFIER.fullmatch(what) or safe(what) != what:
                raise GraphError(f"CFunction: {what!r} is no name that can be used in C; take another")
        if not inputs:
            raise GraphError(f"CFunction {name} has no inputs; give at least one")
        types = {key: _dtype(name, key, dtype) for key, dtype in inputs.items()}
        snippet = Snippet(name, tuple(types.items()), _dtype(name, "the output", output),
                          textwrap.dedent(code).strip())
        if derivatives is None:
            rules: list[Any] = [f"CFunction {name} was given no derivatives"] * len(inputs)
        elif len(derivatives) != len(inputs):
            raise GraphError(f"CFunction {name}: derivatives are one for each of its {len(inputs)} inputs, got "
                             f"{len(derivatives)}")
        else:
            rules = [None if d is None else _Derivative(self._function(snippet, k, d))
                     for k, d in enumerate(derivatives)]
        self.name = name
        self.row = _row(snippet, numpy or _ByKernel(snippet), tuple(rules))

    @staticmethod
    def _function(snippet: Snippet, k: int, given: Any) -> Callable[..., Any]:
        """A derivative as a function of the inputs."""
        if isinstance(given, str):
            return CFunction(f"{snippet.name}_d{k}", dict(snippet.inputs), snippet.output, given)
        if not callable(given):
            raise TypeMismatchError(f"CFunction {snippet.name}: a derivative is C code, a function of the inputs, or "
                                    f"None, got {given!r}")
        return given

    def __call__(self, *args: Any) -> Any:
        """The function applied to tensors, element by element."""
        inputs = self.row.snippet.inputs  # type: ignore[union-attr]
        if len(args) != len(inputs):
            raise TypeMismatchError(f"CFunction {self.name} takes {len(inputs)} argument(s), got {len(args)}")
        values = []
        for arg, (key, dtype) in zip(args, inputs):
            x = as_tensor_variable(arg)
            if not np.can_cast(x.type.dtype, dtype, "safe"):
                raise TypeMismatchError(f"CFunction {self.name}: {key} is {dtype}, got {describe(x)}, which is "
                                        f"{x.type.short()}{at(x.source)}; cast it")
            values.append(cast(x, dtype))
        return apply(ops.Map(self.row), *values)

    def __repr__(self) -> str:
        return f"CFunction({self.name})"


class _Derivative:
    """A row's derivative: the cotangent times what `partial` makes of the inputs."""

    def __init__(self, partial: Callable[..., Any]) -> None:
        self.partial = partial

    def __call__(self, o: Any, g: Any, out: Any, *args: Any) -> Any:
        return mul(g, self.partial(*args))


class _ByKernel:
    """A snippet on NumPy arrays, by a kernel that is compiled when it is first needed."""

    needs_compiler = True

    def __init__(self, snippet: Snippet) -> None:
        self.snippet = snippet
        self.kernel: Any = None

    def __call__(self, *args: Any) -> np.ndarray:
        if self.kernel is None:
            inputs = [TensorType(dtype, (None,))(name) for name, dtype in self.snippet.inputs]
            self.kernel = function(inputs, apply(ops.Map(_row(self.snippet, self, ())), *inputs), mode="c")
        arrays = np.broadcast_arrays(*args)
        flat = [a.astype(dtype).ravel() for a, (_, dtype) in zip(arrays, self.snippet.inputs)]
        return self.kernel(*flat).reshape(arrays[0].shape)

    def __reduce__(self) -> tuple[Any, ...]:
        return _ByKernel, (self.snippet,)


def _row(snippet: Snippet, numpy: Callable[..., Any], derivatives: tuple[Any, ...]) -> Row:
    places = ", ".join(f"{{{k}}}" for k in range(len(snippet.inputs)))
    return Row(snippet.name, len(snippet.inputs), "common", numpy, f"{c_name(snippet)}({places})", derivatives,
               cost="special", snippet=snippet)


def _dtype(name: str, what: str, dtype: Any) -> str:
    try:
        found = np.dtype(dtype).name
    except TypeError:
        found = str(dtype)
    if found not in LOCAL_TYPE:
        raise TypeMismatchError(f"CFunction {name}: the dtype of {what} must be one of {', '.join(LOCAL_TYPE)}, got "
                                f"{dtype!r}")
    return found
