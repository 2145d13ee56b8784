"""What a row of the tables of cases is: `Case`, its arguments `Arg` and their samplers, and common arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradc.ir.convert import to_program
from gradc.ir.interp import evaluate
from gradc.ir.types import TensorType


@dataclass(frozen=True)
class Arg:
    """One sampled argument: `domain` names a sampler of `SAMPLERS`, None in `static` means "known at run time"."""

    shape: tuple[int, ...] = (3, 4)
    domain: str = "all"
    dtype: str = "float64"
    static: tuple[int | None, ...] | None = None

    def variable(self, name: str) -> Any:
        shape = (None,) * len(self.shape) if self.static is None else self.static
        return TensorType(self.dtype, shape)(name)

    def sample(self, rng: np.random.Generator) -> np.ndarray:
        draw = SAMPLERS[self.domain]
        if not self.dtype.startswith("complex"):
            return np.asarray(draw(rng, self.shape)).astype(self.dtype)
        if self.domain == "positive_definite":
            z = rng.normal(0, 1, self.shape) + 1j * rng.normal(0, 1, self.shape)
            return (z @ np.swapaxes(z.conj(), -1, -2) + np.eye(self.shape[-1])).astype(self.dtype)
        return (np.asarray(draw(rng, self.shape)) + 0.5j * np.asarray(draw(rng, self.shape))).astype(self.dtype)


def _distinct(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """No two elements nearer than 0.1, so that extremes and orders are stable under small steps."""
    n = int(np.prod(shape))
    return (rng.permutation(n) * 0.3 - n * 0.15 + rng.uniform(-0.05, 0.05, n)).reshape(shape)


def _off_integer(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Not near whole or half numbers, where rounding functions jump."""
    return rng.integers(-5, 5, shape) + rng.choice([0.2, 0.35, 0.65, 0.8], shape)


def _probabilities(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    p = rng.uniform(0.1, 1.0, shape)
    return p / p.sum(-1, keepdims=True)


SAMPLERS: dict[str, Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]] = {
    "all": lambda rng, shape: rng.normal(0, 2, shape),
    "positive": lambda rng, shape: rng.uniform(0.3, 4.0, shape),
    "negative": lambda rng, shape: -rng.uniform(0.3, 4.0, shape),
    "unit": lambda rng, shape: rng.uniform(-0.9, 0.9, shape),
    "open01": lambda rng, shape: rng.uniform(0.05, 0.95, shape),
    "open02": lambda rng, shape: rng.uniform(0.1, 1.9, shape),
    "above1": lambda rng, shape: rng.uniform(1.1, 5.0, shape),
    "nonzero": lambda rng, shape: rng.uniform(0.3, 3.0, shape) * rng.choice([-1.0, 1.0], shape),
    "distinct": _distinct,
    "off_integer": _off_integer,
    "probabilities": _probabilities,
    "integers": lambda rng, shape: rng.integers(-6, 7, shape),
    "hundreds": lambda rng, shape: rng.integers(90, 128, shape),
    "small": lambda rng, shape: rng.integers(0, 4, shape),
    "bools": lambda rng, shape: rng.integers(0, 2, shape),
    "minus_one": lambda rng, shape: np.full(shape, -1),
    "two": lambda rng, shape: np.full(shape, 2),
    "odd_bools": lambda rng, shape: np.arange(np.prod(shape, dtype=int)).reshape(shape) % 2,
    "orders": lambda rng, shape: rng.permuted(np.broadcast_to(np.arange(shape[-1]), shape), axis=-1),
    "positions": lambda rng, shape: rng.integers(-3, 3, shape),         # of which some are equal
    "triangles": lambda rng, shape: rng.normal(0, 1, shape) / shape[-1] + 2 * np.eye(shape[-1]),
    "positive_definite": lambda rng, shape: (x := rng.normal(0, 1, shape)) @ np.swapaxes(x, -1, -2) + np.eye(shape[-1]),
}


@dataclass(frozen=True)
class Case:
    """`build(*variables)` and `reference(*arrays)` give one result or a list of them.

    grad: "complex" (holomorphic: complex step through the interpreter), "difference" (differentiable, not
    holomorphic as written), or "none" (discrete or zero derivative).  wrt: which arguments to differentiate by.
    """

    name: str
    build: Callable[..., Any]
    reference: Callable[..., Any]
    args: tuple[Arg, ...] = (Arg(),)
    grad: str = "complex"
    wrt: tuple[int, ...] | None = None
    rtol: float = 1e-12
    label: str = field(default="", compare=False)

    @property
    def id(self) -> str:
        return f"{self.name}-{self.label}" if self.label else self.name

    def variables(self) -> list[Any]:
        """Fresh inputs a, b, c, ..."""
        return [a.variable("abcdefgh"[k]) for k, a in enumerate(self.args)]

    def sample(self, seed: int = 0) -> list[np.ndarray]:
        rng = np.random.default_rng(seed)
        return [a.sample(rng) for a in self.args]

    def outputs(self, variables: Sequence[Any]) -> list[Any]:
        made = self.build(*variables)
        return list(made) if isinstance(made, (list, tuple)) else [made]

    def expected(self, values: Sequence[np.ndarray]) -> list[Any]:
        with np.errstate(all="ignore"):
            made = self.reference(*values)
        return list(made) if isinstance(made, (list, tuple)) else [made]

    def differentiable(self) -> tuple[int, ...]:
        """The numbers of the arguments that a gradient is taken by."""
        if self.grad == "none":
            return ()
        floats = tuple(k for k, a in enumerate(self.args) if a.dtype.startswith(("float", "complex")))
        return floats if self.wrt is None else self.wrt


def compute(
    inputs: Sequence[Any], outputs: Sequence[Any], values: Sequence[Any], *, holomorphic: bool = False
) -> list[Any]:
    """Values of `outputs` by the interpreter."""
    return evaluate(to_program(inputs, outputs), values, holomorphic=holomorphic)


V = Arg((4,))
M = Arg((3, 4))
M43 = Arg((4, 3))
SQUARE = Arg((4, 4))
T3 = Arg((2, 3, 4))
S = Arg(())


def ints(shape: tuple[int, ...] = (3, 4), domain: str = "integers", dtype: str = "int64") -> Arg:
    return Arg(shape, domain, dtype)


def bools(shape: tuple[int, ...] = (3, 4)) -> Arg:
    return Arg(shape, "bools", "bool")
