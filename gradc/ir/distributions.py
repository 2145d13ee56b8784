"""Distributions of random numbers, one row each: what kernels can draw, and the interpreter.

Draws have the bits of the method of that name of NumPy's Generator (parameters in its order); in C they are made by
the functions that NumPy makes them with (csrc/random.c).  States are Generators, which are never changed: `drawn`.
Not here: what users write (`tensor.random`), distributions of vectors, which are user Ops there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradc.errors import BadArgumentError, BadValueError
from gradc.record import record


@record
class Distribution:
    """A row: dtypes of the parameters and of draws; what may be wrong with parameters, in the order of csrc/random.c.

    A fault is the error that NumPy raises, class and text.
    """

    name: str
    parameters: tuple[str, ...]
    dtype: str
    faults: tuple[str, ...] = ()


_F, _I = "float64", "int64"
_NEGATIVE, _NOT_POSITIVE = "ValueError: {} < 0", "ValueError: {} <= 0"
_ROWS = (
    Distribution("uniform", (_F, _F), _F, ("OverflowError: high - low range exceeds valid bounds",
                                           _NEGATIVE.format("high - low"))),
    Distribution("normal", (_F, _F), _F, (_NEGATIVE.format("scale"),)),
    Distribution("standard_normal", (), _F),
    Distribution("lognormal", (_F, _F), _F, (_NEGATIVE.format("sigma"),)),
    Distribution("exponential", (_F,), _F, (_NEGATIVE.format("scale"),)),
    Distribution("beta", (_F, _F), _F, (_NOT_POSITIVE.format("a"), _NOT_POSITIVE.format("b"))),
    Distribution("gamma", (_F, _F), _F, (_NEGATIVE.format("shape"), _NEGATIVE.format("scale"))),
    Distribution("chisquare", (_F,), _F, (_NOT_POSITIVE.format("df"),)),
    Distribution("gumbel", (_F, _F), _F, (_NEGATIVE.format("scale"),)),
    Distribution("laplace", (_F, _F), _F, (_NEGATIVE.format("scale"),)),
    Distribution("logistic", (_F, _F), _F, (_NEGATIVE.format("scale"),)),
    Distribution("triangular", (_F, _F, _F), _F, ("ValueError: left > mode", "ValueError: mode > right",
                                                  "ValueError: left == right")),
    Distribution("vonmises", (_F, _F), _F, (_NEGATIVE.format("kappa"),)),
    Distribution("weibull", (_F,), _F, (_NEGATIVE.format("a"),)),
    Distribution("binomial", (_I, _F), _I, (_NEGATIVE.format("n"), "ValueError: p < 0, p > 1 or p contains NaNs")),
    Distribution("poisson", (_F,), _I, ("ValueError: lam value too large", "ValueError: lam < 0 or lam contains NaNs")),
    Distribution("geometric", (_F,), _I, ("ValueError: p <= 0, p > 1 or p contains NaNs",)),
    Distribution("integers", (_I, _I), _I, ("ValueError: low >= high",)),
)
DISTRIBUTIONS: dict[str, Distribution] = {row.name: row for row in _ROWS}


def copied(rng: np.random.Generator) -> np.random.Generator:
    """A generator in the same state (a quarter of the time that deepcopy takes)."""
    old = rng.bit_generator
    new = type(old)(old.seed_seq)  # type: ignore[arg-type]
    new.state = old.state
    return np.random.Generator(new)


def drawn(name: str, state: np.random.Generator, shape: tuple[int, ...], parameters: Sequence[np.ndarray]) -> list[Any]:
    """The state after draws of shape `shape`, and the draws; ExecutionError for parameters that NumPy refuses."""
    after = copied(state)
    try:
        draws = getattr(after, name)(*parameters, size=shape)
    except (ValueError, OverflowError) as error:
        first = _first_bad(name, shape, parameters)
        raise BadValueError(fault(name, f"{type(error).__name__}: {error}", first)) from error
    return [after, np.asarray(draws)]


def fault(name: str, what: str, parameters: Sequence[object]) -> str:
    """The message for parameters that NumPy refuses; numbers, or what stands for them in a format string."""
    return f"{name} failed: {what}; got the parameters ({', '.join(map(str, parameters))})"


def _first_bad(name: str, shape: tuple[int, ...], parameters: Sequence[np.ndarray]) -> list[Any]:
    """The parameters of the first draw that has no value."""
    sets = [np.broadcast_to(p, shape) for p in parameters]
    trial = getattr(np.random.default_rng(0), name)
    for place in np.ndindex(shape):
        one = [p[place].item() for p in sets]
        try:
            trial(*one)
        except (ValueError, OverflowError):
            return one
    return [np.asarray(p).ravel()[:1].tolist() for p in parameters]     # no draw, which NumPy does not mind


# --- states as words, those of csrc/include/gradc_runtime.h

_LOW = 2 ** 64 - 1


def words_of(generator: np.random.Generator, name: str) -> np.ndarray:
    """The state of a Generator; BadArgumentError if it is not one over PCG64, `name` says of what."""
    if type(generator) is not np.random.Generator or type(generator.bit_generator) is not np.random.PCG64:
        kind = f"a {type(generator).__name__} over {type(generator.bit_generator).__name__}"
        raise BadArgumentError(f"{name}: expected a numpy.random.Generator over PCG64, got {kind}; the function was "
                               f'compiled for that: for others compile it with mode="interpret"')
    state: Any = generator.bit_generator.state
    big, inc = state["state"]["state"], state["state"]["inc"]
    return np.array([big & _LOW, big >> 64, inc & _LOW, inc >> 64, state["has_uint32"], state["uinteger"]], "uint64")


def generator_of(words: np.ndarray, like: np.random.Generator | None = None) -> np.random.Generator:
    """A Generator with that state; it spawns others as `like` does."""
    low, high, inc_low, inc_high, has_uint32, uinteger = words.tolist()
    made = np.random.PCG64(0 if like is None else like.bit_generator.seed_seq)  # type: ignore[arg-type]
    made.state = {"bit_generator": "PCG64", "state": {"state": high << 64 | low, "inc": inc_high << 64 | inc_low},
                  "has_uint32": has_uint32, "uinteger": uinteger}
    return np.random.Generator(made)
