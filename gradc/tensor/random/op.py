"""`RandomVariable`: a distribution as an operation `(state, size, *parameters) -> (next state, draws)`.

It is a function: the state that goes in, a NumPy Generator, is not changed; drawing twice from one state gives the same
numbers twice.  What makes numbers differ from call to call is an update of the shared variable that holds the state.
Draws have the bits that NumPy's Generator gives.  In a Program a distribution that kernels know is a call of it
(`expand`); from another one it is drawn in Python, which kernels call back.
Not here: the distributions (`random.basic`), streams (`random.utils`).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any, TypeAlias

import numpy as np

from gradc.config import config
from gradc.errors import BadArgumentError, BadValueError, ShapeError, TypeMismatchError, at, quoted
from gradc.ir import build, dtypes, ops, shapes
from gradc.ir.distributions import DISTRIBUTIONS, copied, sample
from gradc.ir.facts import permutation
from gradc.ir.graph import Apply, Constant, NullVariable, Op, Variable, describe, user_line
from gradc.ir.program import Builder, Var, state_type, tensor
from gradc.ir.routines import UserRoutine
from gradc.ir.types import NullType, RngType, StaticShape, TensorType
from gradc.tensor.convert import as_tensor_variable, constant, sizes
from gradc.tensor.joining import stack
from gradc.tensor.random.pathwise import PATHS, Path, pulled
from gradc.tensor.sharedvar import shared
from gradc.tensor.types import ShapeLike

Value: TypeAlias = Any           # of a parameter: an array or a number; of a draw: the same
Size: TypeAlias = "tuple[int, ...] | None"
REQUIRED: object = object()        # stands where a parameter has no default
Equations = Callable[[Builder, Var, Sequence[Var], Sequence[Var]], "Sequence[Var] | None"]
_TAKEN = {"int64": tuple(d for d in dtypes.INTEGERS if d != "uint64"),          # what becomes that without a loss
          "float64": (*dtypes.INTEGERS, *dtypes.FLOATS)}


class RandomVariable(Op):
    """A distribution; calling it builds draws, a tensor variable: `normal(0.0, 1.0, size=(3,), rng=state)`.

    name         of a row of `ir.distributions` or a method of NumPy's Generator that draws, unless `draw` is given
    parameters   name -> default (REQUIRED: none), in the order of positional arguments
    dtype        of the draws; "floatX" is looked up at the call
    draw         function of (generator, *parameters, size=a tuple or None) that draws from the generator
    ndims_params the number of dimensions of each parameter in one set of them (default: all scalars)
    ndim_supp    the number of dimensions of one draw: 0, or 1 for vectors, as long as the last vector of parameters
    equations    function of (builder, state, sizes, parameters) that gives next state and draws in a Program, or None
                 if they must be drawn in Python (default: those of the row `name` of `ir.distributions`, if any)
    path         how draws move with the parameters (default: what `random.pathwise` says of `name`, unless `draw` is
                 given)
    tried        are constant parameters tried when the graph is built (default: unless `draw` is the user's own)?
    """

    __props__: tuple[str, ...] = ("name", "dtype", "draw")

    def __init__(self, name: str, parameters: Mapping[str, object], dtype: str = "floatX",
                 draw: Callable[..., object] | None = None, ndims_params: Sequence[int] | None = None,
                 ndim_supp: int = 0, equations: Equations | None = None, tried: bool | None = None,
                 path: Path | None = None) -> None:
        self.name = name
        self.parameters = dict(parameters)
        self.dtype = dtype
        self.draw = draw
        self.ndims_params = tuple(ndims_params or (0,) * len(self.parameters))
        self.ndim_supp = ndim_supp
        self.equations = equations
        self.path = PATHS.get(name) if path is None and draw is None else path
        self.tried = draw is None or equations is not None if tried is None else tried

    def __call__(self, *args: object, size: ShapeLike | None = None, rng: Variable | None = None,
                 name: str | None = None, dtype: str | None = None, return_list: bool = False, **named: object) -> Any:
        """Draws of shape `size` (or what the parameters broadcast to), a tensor; `.owner.outputs[0]` is the next state.

        size: an int, a scalar, a vector, or a sequence of sizes.  rng: a shared variable or other variable that holds a
        state, or a Generator; without it a new one, with the operating system's entropy.  dtype: of the result; the
        numbers are drawn as ever, then cast.
        Raises: TypeMismatchError for parameters that are missing or too many; ShapeError for those that do not
        broadcast to `size`; BadValueError for values that NumPy refuses, constants when the graph is built, others at
        the call.
        """
        if len(args) == len(self.parameters) + 1 and size is None:      # size may come last, by position
            *args, size = args  # type: ignore[assignment]
        op = self if dtype in (None, self.dtype) else self.with_dtype(dtype)
        outs = super(RandomVariable, op).__call__(_state(rng), _size(size), *self.bind(args, named), return_list=True)
        outs[1].name = name
        return outs if return_list else outs[1]

    def with_dtype(self, dtype: str) -> RandomVariable:
        """The same distribution with another dtype of draws."""
        new = copy.copy(self)
        new.dtype = dtype
        return new

    def bind(self, args: Sequence[object], named: Mapping[str, object]) -> list[Any]:
        """The parameters in order, from positional and named arguments and defaults."""
        if len(args) > len(self.parameters):
            raise TypeMismatchError(f"{self.name} has the parameters {', '.join(self.parameters)}; got {len(args)}"
                                    f"{at(user_line())}")
        given = dict(zip(self.parameters, args))
        for key, value in named.items():
            if key not in self.parameters or key in given:
                raise TypeMismatchError(f"{self.name} has {'two values for' if key in given else 'no'} parameter "
                                        f"{quoted(key)}; its parameters: {', '.join(self.parameters)}{at(user_line())}")
            given[key] = value
        values = [given.get(key, default) for key, default in self.parameters.items()]
        for key, value in zip(self.parameters, values):
            if value is REQUIRED:
                raise TypeMismatchError(f"{self.name} needs a value of its parameter {quoted(key)}{at(user_line())}")
        return values

    def make_node(self, rng: Variable, size: Any, *parameters: Any) -> Apply:
        """The Apply: rng a state, size a vector of integers of static length, 0 of them if none was given."""
        values = [as_tensor_variable(p) for p in parameters]
        for value, ndim, key in zip(values, self.ndims_params, self.parameters):
            if value.type.ndim < ndim:
                raise ShapeError(f"{self.name}: the parameter {key} has at least {ndim} dimension(s), got "
                                 f"{describe(value)}, which is {value.type.short()}{at(value.source)}")
        length = size.type.shape[0]
        given: list[int | None] = [int(n) for n in size.data] if isinstance(size, Constant) else [None] * length
        shape = self.shape(given, values)
        known = [v.data for v in values if isinstance(v, Constant)]
        if self.tried and 0 not in given and len(known) == len(values):
            self._try(known)
        return Apply(self, [rng, size, *values], [rng.type, TensorType(self._dtype(), shape)])

    def _fits(self, size: Sequence[int | None], parameters: Sequence[Value]) -> None:
        """Do the parameters broadcast to `size`, if one is given?"""
        for p, ndim, key in zip(parameters, self.ndims_params, self.parameters if size else ()):
            batch = p.type.shape[:p.type.ndim - ndim]
            if len(batch) > len(size) or any(a not in (None, 1, b) and b is not None
                                             for a, b in zip(reversed(batch), reversed(size))):
                raise ShapeError(f"{self.name}: the parameter {key}, {describe(p)} of type {p.type.short()}, does not "
                                 f"broadcast to size {tuple(size)}{at(p.source or user_line())}")

    def _try(self, parameters: Sequence[np.ndarray]) -> None:
        """Raise an error for values that NumPy refuses."""
        rng = np.random.default_rng(0)
        try:
            self._drawn(rng, parameters, None)
        except (ValueError, OverflowError) as error:
            values = ", ".join(f"{k}={str(v.tolist())[:60]}" for k, v in zip(self.parameters, parameters))
            raise BadValueError(f"{self.name}: {error}; got {values}{at(user_line())}") from None

    def _drawn(self, rng: np.random.Generator, parameters: Sequence[Value], size: tuple[int, ...] | None) -> object:
        """Draws in Python from `rng`, which advances."""
        return self.draw(rng, *parameters, size=size) if self.draw else sample(self.name, rng, parameters, size)

    def _dtype(self) -> str:
        return config.floatX if self.dtype == "floatX" else self.dtype

    def shape(self, size: Sequence[int | None], parameters: Sequence[Value]) -> StaticShape:
        """The static shape of draws; `size` is empty if none was given."""
        self._fits(size, parameters)
        batches = [p.type.shape[:p.type.ndim - n] for p, n in zip(parameters, self.ndims_params)]
        support = [p.type.shape[-1] for p, n in zip(parameters, self.ndims_params) if n][-1:] * self.ndim_supp
        batch = tuple(size) or shapes.broadcast(shapes.Static(None), self.name, parameters, batches, batches)
        return (*batch, *support)

    def expand(self, builder: Builder, args: Sequence[Var]) -> Sequence[Var]:
        """The equations of the draws in a Program; a call of the Op if they must be drawn in Python."""
        state, size, *parameters = args = args[:2 + len(self.parameters)]
        sizes = _elements(builder, size)
        found = self.in_program(builder, state, sizes, parameters)
        if found is None:
            dims = self.sizes(builder, sizes, parameters) if self._says_sizes() else None
            if dims is None:
                return builder.equation(build.call(UserRoutine(self)), args).outs
            words = builder.constant(state_type(state).words.shape[0], "int64")
            return builder.equation(build.call(UserRoutine(self), (1, len(dims))), [*args, words, *dims]).outs
        return [found[0], builder.cast(found[1], self._dtype())]

    def in_program(self, builder: Builder, state: Var, sizes: Sequence[Var],
                   parameters: Sequence[Var]) -> Sequence[Var] | None:
        """Next state and draws in a Program; None if they must be drawn in Python."""
        if self.equations is not None:
            return self.equations(builder, state, sizes, parameters)
        if self.draw is None and self.name in DISTRIBUTIONS:
            return row_equations(builder, self.name, state, sizes, parameters)
        return None

    def sizes(self, builder: Builder, sizes: Sequence[Var], parameters: Sequence[Var]) -> Sequence[Var] | None:
        """The sizes of draws in a Program, as `shape` says them; None if they are known only when it has run."""
        batches = [(p, tensor(p).ndim - n) for p, n in zip(parameters, self.ndims_params)]
        shaped = [(p, n) for p, n in batches if n]
        support = [builder.size(p, tensor(p).ndim - 1) for p, n in zip(parameters, self.ndims_params) if n][-1:]
        if not sizes and len(shaped) > 1:
            return None
        batch = sizes or [builder.size(p, k) for p, n in shaped for k in range(n)]
        return [*batch, *support * self.ndim_supp]

    def _says_sizes(self) -> bool:
        """Is `sizes` about the same shapes as `shape`?  A user's class may have a `shape` of its own only."""
        own = type(self)
        return own.shape is RandomVariable.shape or own.sizes is not RandomVariable.sizes

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: list[list[Any]]) -> None:
        rng, size, *parameters = inputs
        after = copied(rng)
        draws = self._drawn(after, parameters, tuple(size.tolist()) or None)
        output_storage[0][0] = after
        output_storage[1][0] = np.asarray(draws).astype(node.outputs[1].type.dtype)

    def L_op(self, inputs: Sequence[Variable], outputs: Sequence[Variable],
             output_gradients: Sequence[Variable]) -> list[Variable | None]:
        """By the parameters, if draws move with them (`random.pathwise`); else undefined."""
        parameters = list(inputs[2:])
        if self.path is None:
            why = f"draws of {self.name} have no gradient by its parameters"
            return [None, None, *[NullVariable(NullType(why)) for _ in parameters]]
        slopes, g = self.path(outputs[1], *parameters), output_gradients[1]
        return [None, None, *[pulled(g, slope, p) for slope, p in zip(slopes, parameters)]]  # type: ignore[arg-type]

    def __str__(self) -> str:
        return self.name


def row_equations(b: Builder, name: str, state: Var, sizes: Sequence[Var],
                  parameters: Sequence[Var]) -> Sequence[Var] | None:
    """Next state and draws of a row of `ir.distributions`; None for parameters that only NumPy takes."""
    values = as_taken(b, parameters, DISTRIBUTIONS[name].parameters)
    if values is None or (sizes and any(tensor(p).ndim > len(sizes) for p in values)):
        return None
    shaped = [p for p in values if tensor(p).ndim]
    if sizes:
        new = {p: b.apply(ops.Broadcast(), p, *sizes) for p in shaped}
    else:                               # the shape that they have together: each sees itself at that of the others
        new = {p: reduce(lambda seen, q: b.map("second", q, seen), shaped, p) for p in shaped}
        sizes = [b.size(new[p], k) for p in shaped[:1] for k in range(tensor(new[p]).ndim)]
    return b.equation(build.call(name, (0, len(sizes))), [state, *[new.get(p, p) for p in values], *sizes]).outs


def as_taken(b: Builder, parameters: Sequence[Var], takes: Sequence[str]) -> list[Var] | None:
    """The parameters in the dtypes that a routine takes; None if one does not become that without a loss."""
    if any(tensor(p).dtype not in _TAKEN[dtype] for p, dtype in zip(parameters, takes)):
        return None
    return [b.cast(p, dtype) for p, dtype in zip(parameters, takes)]


def _elements(b: Builder, size: Var) -> list[Var]:
    """The elements of a vector of known length; the scalars that it was put together from, where it was."""
    (count,) = tensor(size).shape
    assert count is not None
    if size.data is not None:
        return [b.constant(int(n), "int64") for n in size.data]
    eqn = b.producer.get(size)
    if eqn is not None and type(eqn.op) is ops.Concat and len(eqn.args) == count:
        parts = [b.producer.get(a) for a in eqn.args]
        if all(p is not None and permutation(p.op) == (-1,) for p in parts):
            return [p.args[0] for p in parts if p is not None]
    return [build.take(b, size, k) for k in range(count)]


def _state(rng: object) -> Variable:
    if rng is None:
        rng = np.random.default_rng()
    if isinstance(rng, np.random.Generator):
        return shared(rng)
    if not isinstance(rng, Variable) or not isinstance(rng.type, RngType):
        got = f"{describe(rng)} of type {rng.type}" if isinstance(rng, Variable) else f"a {type(rng).__name__}"
        raise BadArgumentError(f"rng must be a numpy.random.Generator or a variable that holds one, got {got}"
                               f"{at(user_line())}")
    return rng


def _size(size: Any) -> Variable:
    """A size as an int64 vector of known length."""
    parts = [] if size is None else sizes(size)
    known = [int(p.data) for p in parts if isinstance(p, Constant)]
    if len(known) == len(parts):
        return constant(np.array(known, "int64"))
    return stack(parts)
