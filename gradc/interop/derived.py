"""A compiled function with the functions of its derivatives, for the bridges to libraries that differentiate it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradc
from gradc.compile.ingest import ingest
from gradc.errors import BadArgumentError, GraphError, at, quoted, shown, user_line
from gradc.ir.shapes import analyse
from gradc.ir.types import TensorType


class Derived:
    """A function of gradc, its inputs and results as variables, and what is derived of it.

    real     the inputs that have derivatives: positions of those of floats
    smooth   the results that have derivatives
    """

    def __init__(self, function: object, who: str) -> None:
        if not isinstance(function, gradc.Function):
            raise BadArgumentError(f"{who} expects a function made by gradc.function, got {quoted(function)}"
                                   f"{at(user_line())}")
        maker = function.maker
        if not maker.outputs:
            raise GraphError(f"{who}: the function has no results{at(user_line())}")
        if maker.ingested.updates:
            raise GraphError(f"{who}: the function has updates, of which the other library knows nothing"
                             f"{at(user_line())}; make it without them, or take its copy(delete_updates=True)")
        self.function = function
        self.who = who
        self.inputs = [i.variable for i in maker.inputs]
        self.outputs = gradc.clone_replace([o.variable for o in maker.outputs], maker.ingested.given)
        self.real = _floats(self.inputs)
        self.smooth = _floats(self.outputs)
        self.bridged: Any = None                # what a bridge made of it
        self._made: dict[tuple[object, ...], Derived] = {}

    def pullback(self, there: Sequence[int]) -> Derived:
        """(inputs, cotangents of the results `there`) -> the row vector times Jacobian, for each of `real`."""
        gs = [self.outputs[k].type() for k in there]
        return self._once(("pullback", *there), gs, lambda: gradc.Lop(
            [self.outputs[k] for k in there], [self.inputs[k] for k in self.real], gs, disconnected_inputs="ignore"))

    def pushforward(self, moved: Sequence[int]) -> Derived:
        """(inputs, tangents of the inputs `moved`) -> the Jacobian times vector, for each of `smooth`."""
        vs = [self.inputs[k].type() for k in moved]
        return self._once(("pushforward", *moved), vs, lambda: gradc.Rop(
            [self.outputs[k] for k in self.smooth], [self.inputs[k] for k in moved], vs, disconnected_outputs="ignore"))

    def vectorized(self, in_axes: Sequence[int | None]) -> Derived:
        """The same over a new axis of some inputs; of results it is the first."""
        key = ("vectorized", *in_axes)
        if key not in self._made:
            inputs = [v if axis is None else _with_rows(v, axis) for v, axis in zip(self.inputs, in_axes)]
            outputs = gradc.vectorize(
                lambda *rows: gradc.clone_replace(self.outputs, dict(zip(self.inputs, rows))), list(in_axes))(*inputs)
            self._made[key] = self._compiled(inputs, outputs)
        return self._made[key]

    def sizes(self, given: Sequence[Sequence[int]]) -> list[tuple[int, ...]]:
        """The shapes of the results for inputs of these shapes.

        Raises: ShapeError for inputs that do not fit, GraphError where only values tell.
        """
        inputs = [_of_shape(v, shape) for v, shape in zip(self.inputs, given)]
        program = ingest(inputs, gradc.clone_replace(self.outputs, dict(zip(self.inputs, inputs))),
                         on_unused_input="ignore").program
        shapes = analyse(program)
        found = [shapes.of(v) for v in program.outputs]
        for k, dims in enumerate(found):
            if not all(isinstance(d, int) for d in dims):
                raise GraphError(f"{self.who}: the size of result {k} of {self} depends on values{at(user_line())}; "
                                 "the other library needs sizes that the shapes of the inputs tell")
        return [tuple([int(d) for d in dims]) for dims in found]

    def listed(self, results: Any) -> list[Any]:
        """What a call returned, in order."""
        if isinstance(results, dict):
            return list(results.values())
        return list(results) if isinstance(results, (list, tuple)) else [results]

    def arranged(self, results: Sequence[Any]) -> Any:
        """Results in order, as the function returns them: one, a list or a dict."""
        ingested = self.function.maker.ingested
        if ingested.keys:
            return dict(zip(ingested.keys, results))
        return list(results) if ingested.result == "list" else results[0]

    def _once(self, key: tuple[object, ...], more: Sequence[gradc.Variable], outputs: Any) -> Derived:
        if key not in self._made:
            self._made[key] = self._compiled([*self.inputs, *more], outputs())
        return self._made[key]

    def _compiled(self, inputs: Sequence[gradc.Variable], outputs: Any) -> Derived:
        listed = outputs if isinstance(outputs, list) else [outputs]
        return Derived(gradc.function(inputs, listed, on_unused_input="ignore"), self.who)

    def __str__(self) -> str:
        return f"function {shown(self.function.name or 'f')}"


def _floats(variables: Sequence[gradc.Variable]) -> list[int]:
    return [k for k, v in enumerate(variables) if v.type.dtype.startswith("float")]


def _with_rows(v: gradc.Variable, axis: int) -> gradc.Variable:
    shape = list(v.type.shape)
    shape.insert(axis, None)
    return _of_shape(v, shape)


def _of_shape(v: gradc.Variable, shape: Sequence[int | None]) -> gradc.Variable:
    return TensorType(v.type.dtype, tuple(shape))(v.name)
