"""What a benchmark row is: a requirement, inputs made from a seed, a NumPy reference and one builder for each peer.

Here also: `Call` (a callable with its arguments, so that a loop can time the bare call) and the few wrappers that turn
arrays into calls of a peer.  Not here: timing (measure.py), the workloads themselves (workloads/).
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Arrays = dict[str, Any]


@dataclass(frozen=True)
class Call:
    """`function(*arguments)` is what is timed.  `state` gives arrays that the first call must have left behind.

    `shim` costs what the call costs in Python alone; its time is subtracted (hand-written C only).
    """

    function: Callable[..., Any]
    arguments: tuple[Any, ...] = ()
    state: Callable[[], list[Any]] | None = None
    shim: Callable[[], Any] | None = None

    def answers(self) -> list[np.ndarray]:
        """Outputs of one call (and the state after it) as NumPy arrays."""
        outputs = self.function(*self.arguments)
        listed = list(outputs) if isinstance(outputs, list | tuple) else [] if outputs is None else [outputs]
        return [np.asarray(value) for value in [*listed, *(self.state() if self.state else [])]]


@dataclass(frozen=True)
class Seconds:
    """At most so many seconds."""

    limit: float

    def most(self, times: dict[str, float]) -> float | None:
        return self.limit


@dataclass(frozen=True)
class TimesHand:
    """At most so many times the hand-written C of the same run."""

    factor: float

    def most(self, times: dict[str, float]) -> float | None:
        return self.factor * times["hand"] if "hand" in times else None


@dataclass(frozen=True)
class TimesNumpy:
    """At most so many times NumPy of the same run."""

    factor: float

    def most(self, times: dict[str, float]) -> float | None:
        return self.factor * times["numpy"] if "numpy" in times else None


@dataclass(frozen=True)
class TimesPart:
    """At most so many times the row's `part`."""

    factor: float

    def most(self, times: dict[str, float]) -> float | None:
        return self.factor * times["part"] if "part" in times else None


Builder = Callable[[Any, Arrays], Call]


@dataclass(frozen=True)
class Row:
    """One line of the table.  A peer without a builder is not measured there."""

    name: str
    title: str
    bound: Seconds | TimesHand | TimesNumpy | TimesPart | None
    inputs: Callable[[], Arrays]
    numpy: Callable[[Arrays], Call]
    hand: Builder | None
    symbolic: Builder | None
    jax: Builder | None = None
    torch: Builder | None = None
    numba: Builder | None = None
    casadi: Builder | None = None
    gradc: Builder | None = None     # where gradc is called in a way that Aesara does not have
    roof: Callable[[Arrays], Call] | None = None    # a part of the work that no peer can go below
    part: tuple[str, Builder] | None = None         # what gradc's time is compared with, by gradc, and what it is
    tolerance: float = 1e-12
    loop_of_calls: bool = False      # timed as 1e5 calls in a loop, the loop's own cost subtracted
    short: bool = True               # part of `make bench`


def hand_call(function: Any, inputs: Sequence[np.ndarray], outputs: Sequence[tuple[tuple[int, ...], Any]],
              sizes: tuple[int, ...], state: Callable[[], list[Any]] | None = None) -> Call:
    """A C function on (inputs..., outputs..., sizes...); outputs are allocated by NumPy at each call, and timed."""
    pointers = [array.ctypes.data for array in inputs]
    function.restype = None
    function.argtypes = [ctypes.c_void_p] * (len(inputs) + len(outputs)) + [ctypes.c_int64] * len(sizes)
    nothing = function.library.hand_nothing
    nothing.restype = None
    nothing.argtypes = None

    def call() -> list[np.ndarray]:
        made = [np.empty(shape, dtype) for shape, dtype in outputs]
        function(*pointers, *[array.ctypes.data for array in made], *sizes)
        return made

    ready = [np.empty(shape, dtype) for shape, dtype in outputs]
    same = ctypes.CFUNCTYPE(None, *function.argtypes)(ctypes.cast(nothing, ctypes.c_void_p).value)

    def shim() -> list[np.ndarray]:
        made = list(ready)
        same(*pointers, *[array.ctypes.data for array in made], *sizes)
        return made

    call.inputs = inputs     # type: ignore[attr-defined]  # pointers do not keep arrays alive
    return Call(call, (), state, shim)


def symbolic_call(lib: Any, variables: list[Any], outputs: Any, arrays: Arrays, **options: Any) -> Call:
    """A function compiled by gradc, Aesara or PyTensor, on the arrays in order."""
    function = lib.function(variables, outputs, **options)
    if hasattr(function, "trust_input") and lib.name != "gradc":
        function.trust_input = True
    return Call(function, tuple(arrays.values()))


def jax_call(jax: Any, function: Callable[..., Any], arrays: Arrays) -> Call:
    """A jitted function on device arrays, waited for."""
    compiled = jax.jit(function)
    return Call(lambda *arguments: jax.block_until_ready(compiled(*arguments)),
                tuple(jax.numpy.asarray(array) for array in arrays.values()))


def torch_call(torch: Any, function: Callable[..., Any], arrays: Arrays) -> Call:
    """A function through torch.compile on CPU tensors."""
    return Call(torch.compile(function, fullgraph=True), tuple(torch.from_numpy(array) for array in arrays.values()))


def numba_call(numba: Any, function: Callable[..., Any], arrays: Arrays) -> Call:
    """A function through numba.njit."""
    return Call(numba.njit(function), tuple(arrays.values()))


def casadi_call(function: Any, inputs: Sequence[np.ndarray], outputs: Sequence[tuple[int, ...]],
                state: Callable[[], list[Any]] | None = None) -> Call:
    """A casadi.Function on float64 arrays, bound once; results are allocated at each call.

    CasADi stores matrices by columns: an array of shape (n, m) is its matrix of m rows and n columns.
    """
    buffers, trigger = function.buffer()
    for position, array in enumerate(inputs):
        buffers.set_arg(position, memoryview(array.reshape(-1)))

    def call() -> list[np.ndarray]:
        made = [np.empty(shape) for shape in outputs]
        for position, array in enumerate(made):
            buffers.set_res(position, memoryview(array.reshape(-1)))
        trigger()
        return made

    call.inputs = inputs     # type: ignore[attr-defined]  # pointers do not keep arrays alive
    return Call(call, (), state)
