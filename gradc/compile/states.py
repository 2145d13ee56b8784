"""States of random generators at a call: what the call path must know of them, and which kernels don't know.

Kernels know the bit generators of `ir.bits`; functions of others run in the interpreter.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

import numpy as np

from gradc.compile.ingest import Argument
from gradc.ir.bits import KINDS, generator_of, kind_of, words_of
from gradc.ir.callback import performed
from gradc.ir.interp import Values
from gradc.ir.program import Eqn
from gradc.ir.types import RngType, Type


def learn(dispatch: ModuleType) -> None:
    """Let the call path find out, once, where states lie in memory."""
    if not _LEARNT:
        _LEARNT.append(True)
        sample = np.random.Generator(np.random.PCG64(1))
        sample.bit_generator.state = {"bit_generator": "PCG64", "state": {"state": (5 << 64) + 4, "inc": (3 << 64) + 7},
                                      "has_uint32": 1, "uinteger": 9}
        dispatch.learn_states(sample, words_of(sample, "sample", "PCG64"))


_LEARNT: list[bool] = []


def performed_on_words(eqn: Eqn, arrays: Values, shapes: Sequence[tuple[int, ...] | None]) -> Values:
    """As `ir.callback.performed`, with words where the user's Op has states."""
    given = [generator_of(a) if type(v.type) is RngType else a for v, a in zip(eqn.args, arrays)]
    return [words_of(r, f"a result of {eqn.op}", v.type.bits) if type(v.type) is RngType else r
            for v, r in zip(eqn.outs, performed(eqn, given, shapes))]


def number(t: Type) -> int:
    """What the call path is told of an input: 1 if it is a state over PCG64, 2 over another bit generator, else 0."""
    return 0 if not isinstance(t, RngType) else 1 if t.bits == "PCG64" else 2


def refusal(arguments: list[Argument], can_draw: bool) -> str:
    """Why a function of these arguments can't draw its random numbers in C; "" if it can."""
    states = [a for a in arguments if type(a.type) is RngType]
    if states and not can_draw:
        return "gradc was built without NumPy's library of distributions (npyrandom)"
    for a in states:
        cell = a.storage or a.default
        if cell and kind_of(cell[0]) not in KINDS:
            return f"random numbers of {kind_of(cell[0])} are drawn by NumPy; kernels know {', '.join(KINDS)}"
    return ""
