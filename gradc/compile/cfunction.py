"""`CFunction`: a function written in C by the user, of scalars (applied element by element) or of whole arrays.

Of scalars it is a row like those of `ir.scalars`, so it fuses with what stands around it into one loop, also inside
`scan`; of arrays it is an Op (`compile.carray`), called where it stands.  In the interpreter both are evaluated by the
NumPy function given, or else by a kernel of their own.
Not here: how it stands in a unit, and the compiler's complaints about it (`codegen.snippets`).
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gradc.codegen.snippets import c_name
from gradc.compile import carray
from gradc.compile.carray import dtype_of
from gradc.compile.function import function
from gradc.errors import GraphError, TypeMismatchError, at, quoted
from gradc.ir import ops
from gradc.ir.graph import apply, describe, user_line
from gradc.ir.scalars import Row
from gradc.ir.snippet import Snippet
from gradc.ir.types import TensorType
from gradc.tensor.convert import as_tensor_variable, cast
from gradc.tensor.elemwise import mul


class CFunction:
    """A function in C; calling it builds a tensor expression.  Of scalars, with broadcasting:

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

    Where sizes stand behind dtypes it is a function of whole arrays:

        twice = CFunction("twice", {"x": "float64[n]"}, {"y": "float64[2 * n]"},
                          "for (int64_t i = 0; i < 2 * n; ++i) y[i] = x[i % n];", grad=...)

    inputs      a size has a name or is a number; one name stands for one size.  The code sees arrays as pointers, their
                elements one after the other, scalars as they are, and sizes as int64_t
    output      of one result, called `out` in the code, or name -> declaration of several, which a call returns as a
                list.  Sizes are made of those of inputs and of scalar integer inputs by + - * // min max.  The code
                must fill all of it
    code        statements of a function that returns int: `return 1;` fails with an ExecutionError.  It may use
                stdlib.h and string.h as well
    errors      what the code returns when it fails -> what that means
    grad        function of (inputs, outputs, cotangents of the outputs) that returns a cotangent for each input, None
                where it is zero; as `L_op` of an Op

    Raises: GraphError for names and sizes that C can't use, TypeMismatchError for dtypes; CompileError, naming the line
    of the code, from `function`, if it does not compile.
    """

    def __init__(self, name: str, inputs: Mapping[str, Any], output: Any, code: str,
                 derivatives: Sequence[Any] | None = None, numpy: Callable[..., Any] | None = None,
                 grad: Callable[..., Any] | None = None, errors: Mapping[int, str] | None = None) -> None:
        carray.check_names(name)
        carray.check_names(*inputs)
        if not inputs:
            raise GraphError(f"CFunction {name} has no inputs; give at least one{at(user_line())}")
        self.name = name
        self.row: Row | None = None
        self.op: carray.CArrayOp | None = None
        if isinstance(output, Mapping) or any(map(carray.has_sizes, (*inputs.values(), output))):
            if derivatives is not None:
                raise GraphError(f"CFunction {name} is one of whole arrays: give `grad`, not `derivatives`"
                                 f"{at(user_line())}")
            self.op = carray.array_op(name, inputs, output, textwrap.dedent(code).strip(), numpy, grad, errors)
            return
        if grad is not None or errors is not None:
            raise GraphError(f"CFunction {name} is one of scalars, which takes `derivatives`, not `grad` or `errors`; "
                             f"one of whole arrays has sizes behind dtypes, such as 'float64[n]'{at(user_line())}")
        types = {key: dtype_of(name, key, dtype) for key, dtype in inputs.items()}
        snippet = Snippet(name, tuple(types.items()), dtype_of(name, "the output", output),
                          textwrap.dedent(code).strip())
        if derivatives is None:
            rules: list[object] = [f"CFunction {name} was given no derivatives"] * len(inputs)
        elif len(derivatives) != len(inputs):
            raise GraphError(f"CFunction {name}: derivatives are one for each of its {len(inputs)} inputs, got "
                             f"{len(derivatives)}{at(user_line())}")
        else:
            rules = [None if d is None else _Derivative(self._function(snippet, k, d))
                     for k, d in enumerate(derivatives)]
        self.row = _row(snippet, numpy or _ScalarsByKernel(snippet), tuple(rules))

    @staticmethod
    def _function(snippet: Snippet, k: int, given: object) -> Callable[..., Any]:
        """A derivative as a function of the inputs."""
        if isinstance(given, str):
            return CFunction(f"{snippet.name}_d{k}", dict(snippet.inputs), snippet.output, given)
        if not callable(given):
            raise TypeMismatchError(f"CFunction {snippet.name}: a derivative is C code, a function of the inputs, or "
                                    f"None, got {quoted(given)}{at(user_line())}")
        return given

    def __call__(self, *args: Any) -> Any:
        """The function applied to tensors, element by element if it is one of scalars."""
        snippet: Any = self.op.snippet if self.op is not None else self.row.snippet  # type: ignore[union-attr]
        inputs = [declared[:2] for declared in snippet.inputs]
        if len(args) != len(inputs):
            raise TypeMismatchError(f"CFunction {self.name} takes {len(inputs)} argument(s), got {len(args)}"
                                    f"{at(user_line())}")
        values = []
        for arg, (key, dtype) in zip(args, inputs):
            x = as_tensor_variable(arg)
            if not np.can_cast(x.type.dtype, dtype, "safe"):
                raise TypeMismatchError(f"CFunction {self.name}: {key} is {dtype}, got {describe(x)}, which is "
                                        f"{x.type.short()}{at(x.source)}; cast it")
            values.append(cast(x, dtype))
        if self.op is not None:
            return self.op(*self.op.fitting(values))
        return apply(ops.Map(self.row), *values)

    def __repr__(self) -> str:
        return f"CFunction({self.name})"


class _Derivative:
    """A row's derivative: the cotangent times what `partial` makes of the inputs."""

    def __init__(self, partial: Callable[..., Any]) -> None:
        self.partial = partial

    def __call__(self, o: object, g: Any, out: object, *args: Any) -> Any:
        return mul(g, self.partial(*args))


class _ScalarsByKernel:
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

    def __reduce__(self) -> tuple[object, ...]:
        return _ScalarsByKernel, (self.snippet,)


def _row(snippet: Snippet, numpy: Callable[..., object], derivatives: tuple[object, ...]) -> Row:
    places = ", ".join(f"{{{k}}}" for k in range(len(snippet.inputs)))
    return Row(snippet.name, len(snippet.inputs), "common", numpy, f"{c_name(snippet)}({places})", derivatives,
               cost="special", snippet=snippet)
