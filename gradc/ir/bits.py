"""States of random generators as words: those of csrc/bits.h, which kernels have in place of Generators."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradc.errors import BadArgumentError

# bit generator -> the fields of its attribute `state`, and how many words each has: in the order of csrc/bits.h, where
# the number of a bit generator is its place here.  An "integer" has two words, the lower half first.
_PCG = {"state.state": "integer", "state.inc": "integer", "has_uint32": 0, "uinteger": 0}
_FIELDS: dict[str, dict[str, Any]] = {
    "PCG64": _PCG,
    "PCG64DXSM": _PCG,
    "SFC64": {"state.state": 4, "has_uint32": 0, "uinteger": 0},
    "Philox": {"state.counter": 4, "state.key": 2, "buffer": 4, "buffer_pos": 0, "has_uint32": 0, "uinteger": 0},
    "MT19937": {"state.key": 624, "state.pos": 0},
}
KINDS = tuple(_FIELDS)
_LOW = 2 ** 64 - 1


def kind_of(generator: np.random.Generator) -> str:
    """The name of its bit generator."""
    return type(generator.bit_generator).__name__


def count(kind: str) -> int:
    """How many words a state of that bit generator has."""
    return 1 + sum(2 if n == "integer" else n or 1 for n in _FIELDS[kind].values())


def words_of(generator: np.random.Generator, name: str, kind: str) -> np.ndarray:
    """The state of a Generator; BadArgumentError if it is not one over `kind`, `name` says of what."""
    found = f"{type(generator).__name__} over {kind_of(generator)}"
    if type(generator) is not np.random.Generator or kind_of(generator) != kind:
        raise BadArgumentError(f"{name}: expected a numpy.random.Generator over {kind}, got a {found}; the function "
                               f"was compiled for that: give its variable the type RngType({kind_of(generator)!r}), or "
                               f'compile it with mode="interpret"')
    state: Any = generator.bit_generator.state
    words = [KINDS.index(kind)]
    for field, n in _FIELDS[kind].items():
        value = state
        for key in field.split("."):
            value = value[key]
        words += [value & _LOW, value >> 64] if n == "integer" else np.ravel(value).tolist()
    return np.array(words, "uint64")


def generator_of(words: np.ndarray, like: np.random.Generator | None = None) -> np.random.Generator:
    """A Generator with that state; it spawns others as `like` does."""
    numbers = words.tolist()
    kind = KINDS[numbers[0]]
    state = {"bit_generator": kind, "state": {}}
    at = 1
    for field, n in _FIELDS[kind].items():
        value = numbers[at + 1] << 64 | numbers[at] if n == "integer" else words[at:at + n] if n else numbers[at]
        at += 2 if n == "integer" else n or 1
        *outer, key = field.split(".")
        (state["state"] if outer else state)[key] = value
    made = getattr(np.random, kind)(0 if like is None else like.bit_generator.seed_seq)
    made.state = state
    return np.random.Generator(made)
