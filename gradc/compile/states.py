"""States of random generators at a call: NumPy's Generators in Python, six words in kernels.

The words are those of csrc/include/gradc_runtime.h.  Kernels know the generator that `numpy.random.default_rng` makes,
PCG64; functions of others run in the interpreter.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradc.compile.ingest import Argument
from gradc.errors import BadArgumentError
from gradc.ir.types import RngType

_LOW = 2 ** 64 - 1


def words_of(generator: Any, name: str) -> np.ndarray:
    """The state of a Generator; BadArgumentError if it is not one over PCG64, `name` says of what."""
    if type(generator) is not np.random.Generator or type(generator.bit_generator) is not np.random.PCG64:
        kind = f"one over {type(generator.bit_generator).__name__}" if isinstance(generator, np.random.Generator) \
            else f"a {type(generator).__name__}"
        raise BadArgumentError(f"{name}: expected a numpy.random.Generator over PCG64, got {kind}; the function was "
                               f'compiled for that: for others compile it with mode="interpret"')
    state: Any = generator.bit_generator.state
    big, inc = state["state"]["state"], state["state"]["inc"]
    return np.array([big & _LOW, big >> 64, inc & _LOW, inc >> 64, state["has_uint32"], state["uinteger"]], "uint64")


def generator_of(words: np.ndarray, like: np.random.Generator) -> np.random.Generator:
    """A Generator with that state; it spawns others as `like` does."""
    low, high, inc_low, inc_high, has_uint32, uinteger = words.tolist()
    made = np.random.PCG64(like.bit_generator.seed_seq)  # type: ignore[arg-type]
    made.state = {"bit_generator": "PCG64", "state": {"state": high << 64 | low, "inc": inc_high << 64 | inc_low},
                  "has_uint32": has_uint32, "uinteger": uinteger}
    return np.random.Generator(made)


def learn(dispatch: Any) -> None:
    """Let the call path find out, once, where states lie in memory."""
    if not _LEARNT:
        _LEARNT.append(True)
        sample = np.random.Generator(np.random.PCG64(1))
        sample.bit_generator.state = {"bit_generator": "PCG64", "state": {"state": (5 << 64) + 4, "inc": (3 << 64) + 7},
                                      "has_uint32": 1, "uinteger": 9}
        dispatch.learn_states(sample, words_of(sample, "sample"))


_LEARNT: list[bool] = []


def refusal(arguments: list[Argument], can_draw: bool) -> str:
    """Why a function of these arguments can't draw its random numbers in C; "" if it can."""
    states = [a for a in arguments if type(a.type) is RngType]
    if states and not can_draw:
        return "gradc was built without NumPy's library of distributions (npyrandom)"
    for a in states:
        cell = a.storage or a.default
        if cell and type(cell[0].bit_generator) is not np.random.PCG64:
            return f"random numbers of {type(cell[0].bit_generator).__name__} are drawn by NumPy; kernels know PCG64"
    return ""
