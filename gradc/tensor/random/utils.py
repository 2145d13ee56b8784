"""`RandomStream`: random numbers that differ from call to call, reproducible from one seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from gradc.errors import BadArgumentError, at, quoted
from gradc.ir.graph import Variable, user_line
from gradc.tensor.checks import python_integer
from gradc.tensor.random import basic
from gradc.tensor.random.op import RandomVariable
from gradc.tensor.sharedvar import SharedVariable, shared

Seed: TypeAlias = "int | Sequence[int] | np.random.SeedSequence | None"


def default_rng(seed: Seed = None) -> SharedVariable:
    """A shared variable with the state of `numpy.random.default_rng(seed)`, for the option `rng` of draws."""
    return shared(np.random.default_rng(seed), borrow=True)


def _sequence(seed: Seed) -> np.random.SeedSequence:
    """A new SeedSequence, none of whose children has been spawned."""
    if isinstance(seed, np.random.SeedSequence):
        return np.random.SeedSequence(seed.entropy, spawn_key=seed.spawn_key, pool_size=seed.pool_size)
    return np.random.SeedSequence(seed)


class RandomStream:
    """Distributions as methods, `stream.normal(0.0, 1.0, size=(3,))`, each call with a generator of its own.

    The generator is held by a shared variable with a default update, so functions that draw advance it (unless
    `no_default_updates` says otherwise).  The k-th draw (from 0) of a stream with seed s has the generator
    `default_rng(SeedSequence(s).spawn(k + 1)[k])`, as Aesara's does.

    seed: an int, a sequence of them, a SeedSequence, or None for the operating system's entropy.  rng_ctor: makes a
    Generator of a SeedSequence (default: default_rng).  namespace: another module with distributions.
    Source: aesara.tensor.random.utils.RandomStream.
    """

    def __init__(self, seed: Seed = None, namespace: object = None,
                 rng_ctor: Callable[..., np.random.Generator] | None = None) -> None:
        self.default_instance_seed = seed
        self.namespaces = [basic] if namespace is None else [namespace, basic]
        self.rng_ctor = rng_ctor or np.random.default_rng
        self.state_updates: list[tuple[SharedVariable, Variable]] = []
        self.gen_seedgen = _sequence(seed)
        self._spawned = 0

    def updates(self) -> list[tuple[SharedVariable, Variable]]:
        """Pairs (shared variable, its next state), one per draw so far."""
        return [(rng, rng.default_update) for rng, _ in self.state_updates
                if rng.default_update is not None]

    def seed(self, seed: Seed = None) -> None:
        """Set the generators of all draws so far as if the stream had begun with `seed` (default: its own seed)."""
        self.gen_seedgen = _sequence(self.default_instance_seed if seed is None else seed)
        for (rng, _), child in zip(self.state_updates, self.gen_seedgen.spawn(len(self.state_updates))):
            rng.set_value(self.rng_ctor(child), borrow=True)

    def spawn(self, count: int) -> list[RandomStream]:
        """Independent streams, for parallel workers: that of worker k has the seed `SeedSequence(s).spawn(count)[k]`.

        The next call gives further ones; the draws of this stream stay what they are.
        """
        count = python_integer(count, "spawn", "the number of streams", 0)
        root, first = self.gen_seedgen, self._spawned
        self._spawned += count
        return [self._like(np.random.SeedSequence(root.entropy, spawn_key=(*root.spawn_key, k),
                                                  pool_size=root.pool_size), self.rng_ctor)
                for k in range(first, first + count)]

    def jumped(self, jumps: int = 1) -> RandomStream:
        """A stream of which each draw begins where this one's would after `jumps` times 2**127 numbers or more.

        As `jumped` of NumPy's bit generators (of PCG64; of others it is another distance), which SFC64 has not.
        """
        jumps = python_integer(jumps, "jumped", "the number of jumps", 0)

        def ahead(seed: np.random.SeedSequence) -> np.random.Generator:
            bits = self.rng_ctor(seed).bit_generator
            if not hasattr(bits, "jumped"):
                raise BadArgumentError(f"jumped: {type(bits).__name__} has no jumps; take the streams of spawn, which "
                                       f"are independent, too{at(user_line())}")
            return np.random.Generator(bits.jumped(jumps))
        return self._like(self.gen_seedgen, ahead)

    def _like(self, seed: np.random.SeedSequence, rng_ctor: Callable[..., np.random.Generator]) -> RandomStream:
        return RandomStream(seed, self.namespaces[0] if len(self.namespaces) > 1 else None, rng_ctor)

    def gen(self, op: RandomVariable, *args: Any, **options: Any) -> Any:
        """Draws of `op`, called with the arguments given and the next generator."""
        if "rng" in options:
            raise TypeError("a draw of a RandomStream has the stream's generator; call the distribution itself to give "
                            "it another")
        rng = shared(self.rng_ctor(self.gen_seedgen.spawn(1)[0]), borrow=True)
        draws = op(*args, rng=rng, **options)
        rng.default_update = draws.owner.outputs[0]
        self.state_updates.append((rng, rng.default_update))
        return draws

    def __getattr__(self, name: str) -> Any:
        for space in self.__dict__.get("namespaces", ()):
            op = getattr(space, name, None)
            if isinstance(op, RandomVariable):
                return lambda *args, **options: self.gen(op, *args, **options)
        raise AttributeError(f"RandomStream has no distribution {quoted(name)}")
