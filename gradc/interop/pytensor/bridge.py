"""Graphs between the two: `from_pytensor` gives gradc expressions, `as_pytensor_op` an Op of PyTensor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.gradient import DisconnectedType
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.op import Op
from pytensor.graph.traversal import graph_inputs

import gradc
from gradc.errors import BadArgumentError, at, quoted, user_line
from gradc.interop.derived import Derived
from gradc.interop.pytensor import convert
from gradc.interop.pytensor.convert import Converted
from gradc.interop.pytensor.linker import GRADC
from gradc.tensor.types import TensorLike


def from_pytensor(variables: Variable | Sequence[Variable], replace: Mapping[Variable, TensorLike] | None = None,
                  rewrite: bool = True) -> Converted:
    """PyTensor expressions as gradc's: one for one variable, a list for a sequence.

    replace    gradc expressions, or values, of PyTensor's inputs.  An input that is not there becomes a new gradc
               variable of its type and name; ask for it by naming it in `variables`, too:
               `x, cost = from_pytensor([x, cost])`.  Shared variables become gradc's, with a copy of their values
    rewrite    first apply the rewrites of mode "GRADC" (PyTensor's own simplifying and stabilising ones)

    Raises: BadArgumentError for what is no PyTensor variable, NotImplementedError for types that gradc has not.
    """
    asked = [variables] if isinstance(variables, Variable) else list(variables)
    for v in asked:
        if not isinstance(v, Variable):
            raise BadArgumentError(f"from_pytensor expects PyTensor variables, got {quoted(v)}{at(user_line())}")
    inputs = [v for v in graph_inputs(asked) if not isinstance(v, Constant)]
    inputs += [v for v in replace or () if v not in inputs]
    fgraph = FunctionGraph(inputs, asked, clone=True)
    if rewrite:
        GRADC.optimizer.rewrite(fgraph)
    given = [_given(v, (replace or {}).get(v)) for v in inputs]
    made = convert.graph(fgraph, given)
    return made[0] if isinstance(variables, Variable) else made


def _given(v: Variable, value: TensorLike | None) -> Converted:
    if value is not None:
        return value if isinstance(value, gradc.Variable) else gradc.tensor.as_tensor_variable(value)
    if isinstance(v, SharedVariable):
        return gradc.shared(v.get_value(), name=v.name, **_static(v))
    return convert.variable(v)


def _static(v: Variable) -> dict[str, Any]:
    return {"shape": v.type.shape} if hasattr(v.type, "shape") else {}


class GradcOp(Op):  # type: ignore[misc]    # PyTensor is not typed
    """A gradc function as an Op: gradients and Rop are gradc's; in mode "GRADC" its expressions join the kernel."""

    __props__ = ("function",)

    def __init__(self, derived: Derived) -> None:
        self.derived = derived
        self.function = derived.function
        self.inputs = derived.inputs
        self.outputs = derived.outputs

    def make_node(self, *inputs: object) -> Apply:
        """Arguments of the function's types."""
        if len(inputs) != len(self.inputs):
            raise TypeError(f"{self} takes {len(self.inputs)} arguments, got {len(inputs)}")
        taken = [_taken(x, wanted) for x, wanted in zip(inputs, self.inputs)]
        return Apply(self, taken, [_pytensor_type(v)() for v in self.outputs])

    def perform(self, node: Apply, inputs: Sequence[np.ndarray], output_storage: list[list[object]]) -> None:
        """A call of the kernel."""
        for storage, value in zip(output_storage, self.derived.listed(self.function(*inputs))):
            storage[0] = np.asarray(value)

    def L_op(self, inputs: Sequence[Variable], outputs: Sequence[Variable],
             output_grads: Sequence[Variable]) -> list[Variable]:
        """Row vector times Jacobian, by a gradc function of its own."""
        return self.pullback(inputs, outputs, output_grads)

    def pullback(self, inputs: Sequence[Variable], outputs: Sequence[Variable],
                 cotangents: Sequence[Variable]) -> list[Variable]:
        """PyTensor 3's name for L_op."""
        there = [k for k, g in enumerate(cotangents) if not isinstance(g.type, DisconnectedType)]
        slopes = _call(self.derived.pullback(there), [*inputs, *(cotangents[k] for k in there)])
        made = dict(zip(self.derived.real, slopes))
        return [made[k] if k in made else DisconnectedType()() for k in range(len(self.inputs))]

    def R_op(self, inputs: Sequence[Variable], eval_points: Sequence[Variable | None]) -> list[Variable | None]:
        """Jacobian times column vector, by a gradc function of its own."""
        points = [None if v is None or isinstance(v.type, DisconnectedType) else v for v in eval_points]
        moved = [k for k, v in enumerate(points) if v is not None]
        if not moved:
            return [None] * len(self.outputs)
        made = dict(zip(self.derived.smooth, _call(self.derived.pushforward(moved),
                                                   [*inputs, *(points[k] for k in moved)])))
        return [made.get(k) for k in range(len(self.outputs))]

    def pushforward(self, inputs: Sequence[Variable], outputs: Sequence[Variable],
                    tangents: Sequence[Variable]) -> list[Variable]:
        """PyTensor 3's name for R_op."""
        return [DisconnectedType()() if v is None else v for v in self.R_op(inputs, tangents)]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Integers have no gradient."""
        return [[v.type.dtype.startswith("float")] * len(self.outputs) for v in self.inputs]

    def __str__(self) -> str:
        return f"GradcOp({self.function.name or 'f'})"


def as_pytensor_op(function: gradc.Function[object]) -> GradcOp:
    """An Op of PyTensor that calls a compiled function of gradc, with its gradient and Rop (of any order).

    In another mode of PyTensor it is one call of a kernel; in mode "GRADC" the expressions are part of the whole.
    Raises: GraphError for a function with updates or without results.
    """
    return GradcOp(Derived(function, "as_pytensor_op"))


def _call(derived: Derived, arguments: Sequence[Variable]) -> list[Variable]:
    results: list[Variable] = GradcOp(derived)(*arguments, return_list=True)
    return results


def _pytensor_type(v: gradc.Variable) -> pt.TensorType:
    return pt.TensorType(v.type.dtype, v.type.shape)


def _taken(x: object, wanted: Converted) -> Variable:
    made = pt.as_tensor_variable(x)
    return made if made.type.dtype == wanted.type.dtype else pt.cast(made, wanted.type.dtype)


@convert.to_gradc.register(GradcOp)
def _inlined(op: GradcOp, node: Apply, *inputs: Converted) -> Converted:
    return gradc.clone_replace(op.outputs, dict(zip(op.inputs, inputs)))
