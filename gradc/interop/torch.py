"""Functions of gradc in PyTorch: tensors of the CPU in and out, with autograd of any order, forward mode and vmap.

    from gradc.interop.torch import as_torch_function
    loss = as_torch_function(gradc.function([x], expression))
    loss(point).backward()

A call shares the memory of contiguous tensors with the kernel and of its results with PyTorch.  Derivatives are
gradc's, compiled when PyTorch first asks for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

import gradc
from gradc.errors import BadArgumentError, TypeMismatchError, at, shown, user_line
from gradc.interop.derived import Derived


class TorchFunction:
    """A function of gradc that PyTorch calls; made by `as_torch_function`."""

    def __init__(self, derived: Derived) -> None:
        self._derived = derived
        self._node = _node_of(self)

    def __call__(self, *arguments: Any) -> Any:
        """The results for tensors, or what `torch.as_tensor` takes; arranged as gradc's function has them.

        Raises: TypeMismatchError for dtypes that do not fit and for tensors of other devices, ShapeError for shapes,
        and what gradc's function raises.
        """
        inputs = self._derived.inputs
        if len(arguments) != len(inputs):
            raise BadArgumentError(f"{self._derived} takes {len(inputs)} argument(s), got {len(arguments)}"
                                   f"{at(user_line())}")
        taken = [self._taken(k, a) for k, a in enumerate(arguments)]
        return self._derived.arranged(self._node.apply(*taken))

    def __repr__(self) -> str:
        return f"<gradc {self._derived} for PyTorch>"

    def _taken(self, k: int, value: Any) -> torch.Tensor:
        v = self._derived.inputs[k]
        dtype = getattr(torch, v.type.dtype)
        tensor = value if isinstance(value, torch.Tensor) else torch.as_tensor(value)
        what = f"input {shown(v.name or str(k))} of {self._derived} is {v.type.short()}, got"
        if tensor.device.type != "cpu":
            raise TypeMismatchError(f"{what} a tensor on {tensor.device}{at(user_line())}; gradc computes on CPUs: use "
                                    ".cpu()")
        if tensor.dtype != dtype:
            if not torch.can_cast(tensor.dtype, dtype) or torch.promote_types(tensor.dtype, dtype) != dtype:
                raise TypeMismatchError(f"{what} a tensor of {tensor.dtype}{at(user_line())}; convert it")
            tensor = tensor.to(dtype)
        return tensor

    def run(self, arguments: Sequence[torch.Tensor]) -> tuple[torch.Tensor, ...]:
        """The results as tensors that autograd knows nothing of."""
        derived = self._derived
        made = derived.listed(derived.function(*[a.detach().numpy() for a in arguments]))
        return tuple([torch.from_numpy(np.asarray(r)) for r in made])

    def pulled(self, arguments: Sequence[torch.Tensor], cotangents: Sequence[torch.Tensor | None]) -> list[Any]:
        """For each argument its share of the gradient, or None."""
        derived = self._derived
        there = [k for k in derived.smooth if cotangents[k] is not None]
        slopes = dict(zip(derived.real, _function_of(derived.pullback(there))._node.apply(
            *arguments, *[cotangents[k] for k in there]))) if there and derived.real else {}
        return [slopes.get(k) for k in range(len(arguments))]

    def pushed(self, arguments: Sequence[torch.Tensor], tangents: Sequence[torch.Tensor | None]) -> tuple[Any, ...]:
        """The tangent of each result, or None."""
        derived = self._derived
        moved = [k for k in derived.real if tangents[k] is not None]
        made = dict(zip(derived.smooth, _function_of(derived.pushforward(moved))._node.apply(
            *arguments, *[tangents[k] for k in moved]))) if moved and derived.smooth else {}
        return tuple([made.get(k) for k in range(len(derived.outputs))])

    def over_rows(self, in_axes: Sequence[int | None], arguments: Sequence[torch.Tensor]) -> tuple[torch.Tensor, ...]:
        """The results for a new axis of some arguments, which is their first one."""
        made: tuple[torch.Tensor, ...] = _function_of(self._derived.vectorized(in_axes))._node.apply(*arguments)
        return made


def as_torch_function(function: gradc.Function[Any]) -> TorchFunction:
    """A compiled function of gradc as a function of PyTorch tensors: for backward, torch.autograd and torch.func.

    Shapes: what the inputs' types allow.  Dtypes are gradc's: a tensor of a smaller dtype is converted, one of a larger
        dtype is an error.  Tensors of the CPU only.
    Derivatives: reverse and forward mode, of any order, by all inputs of floats.  vmap is `gradc.vectorize`.
    Shared variables have the values of the call.
    Raises: GraphError for functions with updates or without results.
    """
    return _function_of(Derived(function, "as_torch_function"))


def _function_of(derived: Derived) -> TorchFunction:
    if derived.bridged is None:
        derived.bridged = TorchFunction(derived)
    made: TorchFunction = derived.bridged
    return made


def _node_of(made: TorchFunction) -> Any:
    """The class by which autograd knows a function; it is PyTorch that wants one, with these names."""

    class Node(torch.autograd.Function):
        @staticmethod
        def forward(*arguments: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return made.run(arguments)

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple[torch.Tensor, ...], output: tuple[torch.Tensor, ...]) -> None:
            ctx.set_materialize_grads(False)
            ctx.save_for_backward(*inputs)
            ctx.save_for_forward(*inputs)
            ctx.mark_non_differentiable(*[y for y in output if not y.is_floating_point()])

        @staticmethod
        def backward(ctx: Any, *cotangents: torch.Tensor | None) -> tuple[Any, ...]:
            return tuple(made.pulled(ctx.saved_tensors, cotangents))

        @staticmethod
        def jvp(ctx: Any, *tangents: torch.Tensor | None) -> tuple[Any, ...]:
            return made.pushed(ctx.saved_tensors, tangents)

        @staticmethod
        def vmap(info: Any, in_dims: tuple[int | None, ...], *arguments: torch.Tensor) -> tuple[Any, Any]:
            results = made.over_rows(in_dims, arguments)
            return results, (0,) * len(results)

    return Node
