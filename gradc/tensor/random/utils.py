"""`RandomStream`: random numbers that differ from call to call, reproducible from one seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from gradc.errors import quoted
from gradc.ir.graph import Variable
from gradc.tensor.random import basic
from gradc.tensor.random.op import RandomVariable
from gradc.tensor.sharedvar import SharedVariable, shared

Seed: TypeAlias = "int | Sequence[int] | None"


class RandomStream:
    """Distributions as methods, `stream.normal(0.0, 1.0, size=(3,))`, each call with a generator of its own.

    The generator is held by a shared variable with a default update, so functions that draw advance it (unless
    `no_default_updates` says otherwise).  The k-th draw (from 0) of a stream with seed s has the generator
    `default_rng(SeedSequence(s).spawn(k + 1)[k])`, as Aesara's does.

    seed: an int, a sequence of them, or None for the operating system's entropy.  rng_ctor: makes a Generator of a
    SeedSequence (default: default_rng).  namespace: another module with distributions.
    Source: aesara.tensor.random.utils.RandomStream.
    """

    def __init__(self, seed: Seed = None, namespace: object = None,
                 rng_ctor: Callable[..., np.random.Generator] | None = None) -> None:
        self.default_instance_seed = seed
        self.namespaces = [basic] if namespace is None else [namespace, basic]
        self.rng_ctor = rng_ctor or np.random.default_rng
        self.state_updates: list[tuple[SharedVariable, Variable]] = []
        self.gen_seedgen = np.random.SeedSequence(seed)

    def updates(self) -> list[tuple[SharedVariable, Variable]]:
        """Pairs (shared variable, its next state), one per draw so far."""
        return [(rng, rng.default_update) for rng, _ in self.state_updates
                if rng.default_update is not None]

    def seed(self, seed: Seed = None) -> None:
        """Set the generators of all draws so far as if the stream had begun with `seed` (default: its own seed)."""
        self.gen_seedgen = np.random.SeedSequence(self.default_instance_seed if seed is None else seed)
        for (rng, _), child in zip(self.state_updates, self.gen_seedgen.spawn(len(self.state_updates))):
            rng.set_value(self.rng_ctor(child), borrow=True)

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
