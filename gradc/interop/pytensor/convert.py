"""From PyTensor's graphs to gradc's: `to_gradc` is the table from an Op to the gradc expression of its results.

Other packages add a row with `@to_gradc.register(TheirOp)`: a function of (op, node, *inputs), the inputs gradc
variables, that returns a variable or a sequence of them.  An Op without a row runs by its own `perform` as a node of
the kernel, and `UnknownOpWarning` says so once for each class.
"""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Callable, Sequence
from functools import singledispatch
from pathlib import Path
from typing import Any

import numpy as np
import pytensor
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.op import Op
from pytensor.scalar.basic import ScalarType
from pytensor.tensor.random.type import RandomType
from pytensor.tensor.type import TensorType
from pytensor.tensor.type_other import NoneTypeT, SliceType

import gradc
import gradc.tensor as at
from gradc.errors import GradcWarning, GraphError, written_at
from gradc.ir.types import RngType

Converted = Any     # a gradc variable, a slice of them, or None
Row = Callable[..., Any]


class UnknownOpWarning(GradcWarning):
    """PyTensor's own Python runs inside of a gradc function."""


@singledispatch
def to_gradc(op: Op, node: Apply, *inputs: Converted) -> Converted | Sequence[Converted]:
    """The results of `node` as gradc expressions of `inputs`; by default a call of the Op's own `perform`."""
    return performed(op, node, *inputs)


def row(*paths: str) -> Callable[[Row], Row]:
    """Register a row for classes of PyTensor by their paths ("tensor.basic.Alloc"); not every version has each."""
    def register(function: Row) -> Row:
        for op_class in classes(paths):
            to_gradc.register(op_class, function)
        return function

    return register


def classes(paths: Sequence[str]) -> list[type]:
    """The classes of these paths that PyTensor has."""
    found = []
    for path in paths:
        module, _, name = path.rpartition(".")
        try:
            found.append(getattr(importlib.import_module(f"pytensor.{module}"), name))
        except (ImportError, AttributeError):
            continue
    return found


def has_row(op: Op) -> bool:
    """Whether an Op has a row of its own."""
    return to_gradc.dispatch(type(op)) is not to_gradc.dispatch(object)


_told: set[type] = set()


def performed(op: Op, node: Apply, *inputs: Converted) -> Sequence[Converted]:
    """The node as an Op in Python that calls PyTensor's `perform`."""
    for v in (*node.inputs, *node.outputs):
        if not isinstance(v.type, (TensorType, ScalarType)):
            raise NotImplementedError(
                f"gradc has no row for {op}, and can't call it either: it has {v} of type {v.type}, gradc's Ops in "
                "Python take and give numbers and arrays. Register one: gradc.interop.pytensor.to_gradc.register")
    kind = type(getattr(op, "core_op", op))
    if kind not in _told:
        _told.add(kind)
        warnings.warn(f"gradc has no row for {kind.__name__} and calls its perform in Python, at every call "
                      "of the function; gradc.interop.pytensor.to_gradc.register adds a row", UnknownOpWarning,
                      stacklevel=2)
    return PerformOp(node)(*inputs, return_list=True)


class PerformOp(gradc.Op):
    """A node of PyTensor as an Op of gradc."""

    __props__ = ("node",)

    def __init__(self, node: Apply) -> None:
        self.node = node

    def make_node(self, *inputs: Any) -> gradc.Apply:
        """Results of the node's types."""
        return gradc.Apply(self, list(inputs), [variable(v) for v in self.node.outputs])

    def perform(self, node: Any, inputs: Sequence[np.ndarray], output_storage: list[list[Any]]) -> None:
        """PyTensor's value, with its storage."""
        cells: list[list[Any]] = [[None] for _ in self.node.outputs]
        given = [x[()] if isinstance(v.type, ScalarType) else x for x, v in zip(inputs, self.node.inputs)]
        self.node.op.perform(self.node, given, cells)
        for storage, cell, v in zip(output_storage, cells, self.node.outputs):
            storage[0] = np.asarray(cell[0], dtype=v.type.dtype)

    def __str__(self) -> str:
        return str(self.node.op)


def variable(v: Variable) -> Converted:
    """A gradc variable of the type of an input."""
    if isinstance(v.type, (TensorType, ScalarType)):
        return at.TensorType(v.type.dtype, getattr(v.type, "shape", ()))(v.name)
    if isinstance(v.type, RandomType):
        return RngType()(v.name)
    raise NotImplementedError(f"gradc functions take arrays, numbers and random generators; {v} is of type {v.type}")


def constant(v: Constant) -> Converted:
    """The value of a constant as gradc's."""
    if isinstance(v.type, (NoneTypeT,)) or v.data is None:
        return None
    if isinstance(v.type, SliceType):
        return v.data
    if isinstance(v.type, RandomType):
        return v.data
    return at.constant(np.asarray(v.data), name=v.name, dtype=v.type.dtype)


def conform(value: Converted, wanted: Variable) -> Converted:
    """`value` with the dtype and the static 1s of PyTensor's type."""
    if not isinstance(wanted.type, (TensorType, ScalarType)):
        return value
    value = at.as_tensor_variable(value)
    if value.type.dtype != wanted.type.dtype:
        value = at.cast(value, wanted.type.dtype)
    if isinstance(wanted.type, ScalarType):     # in a Composite, which works on the elements of arrays
        return value
    shape = wanted.type.shape
    if value.type.ndim != len(shape):
        raise GraphError(f"converting {wanted.owner}: expected {len(shape)} dimensions, got {value.type.ndim}")
    if any(n == 1 and have != 1 for n, have in zip(shape, value.type.shape)):
        value = at.specify_shape(value, tuple(n if n == 1 else None for n in shape))
    return value


_LIBRARIES = tuple(f"{Path(module.__file__).parent}{os.sep}" for module in (pytensor, gradc) if module.__file__)


def user_line(node: Apply) -> tuple[str, int] | None:
    """The line where the user wrote a node, as PyTensor knows it: the innermost one outside of the libraries."""
    for v in node.outputs:
        for trace in getattr(v.tag, "trace", None) or ():
            for file, line, *_ in reversed(trace):
                if not file.startswith(_LIBRARIES) and f"{os.sep}site-packages{os.sep}pymc{os.sep}" not in file:
                    return file, line
    return None


def expressions(inputs: Sequence[Variable], outputs: Sequence[Variable], order: Sequence[Apply],
                given: Sequence[Converted]) -> list[Converted]:
    """The outputs of a PyTensor graph as gradc expressions, its inputs replaced by `given`."""
    known: dict[Variable, Converted] = dict(zip(inputs, given))

    def value(v: Variable) -> Converted:
        if v not in known:
            if not isinstance(v, Constant):
                raise GraphError(f"{v} is neither an input nor computed from the inputs")
            known[v] = constant(v)
        return known[v]

    for node in order:
        with written_at(user_line(node)):
            made = to_gradc(node.op, node, *map(value, node.inputs))
        results = list(made) if isinstance(made, (list, tuple)) else [made]
        if len(results) != len(node.outputs):
            raise GraphError(f"the row of {type(node.op).__name__} gives {len(results)} results, the node has "
                             f"{len(node.outputs)}")
        known.update((v, conform(r, v)) for v, r in zip(node.outputs, results))
    return [value(v) for v in outputs]


def graph(fgraph: FunctionGraph, given: Sequence[Converted]) -> list[Converted]:
    """The outputs of a FunctionGraph as gradc expressions of `given`."""
    return expressions(fgraph.inputs, fgraph.outputs, fgraph.toposort(), given)
