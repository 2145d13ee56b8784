"""Random programs of gradc: masks, what is done with what they leave, gathers; rows of static and other sizes, and of
such as only the data tell."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np

import gradc
import gradc.tensor as at
from gradc.errors import GradcError
from gradc.loops.nodes import Kernel

DTYPES = ("float64",) * 6 + ("float32",) * 4 + ("int64", "int32", "int16", "int8", "uint8")
LONGEST = 40        # of an axis


def program(rng: random.Random) -> tuple[Kernel, list[tuple[int, ...]]] | None:
    """A Kernel and the shapes of its inputs; None if the expression that came out is no program."""
    made = _Program(rng)
    try:
        outputs = [made.output() for _ in range(rng.choice((1, 1, 2, 3)))]
        inputs = [v for v in made.inputs if v in gradc.graph.basic.graph_inputs(outputs)]
        function = gradc.function(inputs, outputs, mode="interpret")
        return function.maker.compiled.kernel(), [made.shape[:v.ndim] for v in inputs]
    except (GradcError, TypeError, ValueError):
        return None


class _Program:
    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.dtype = rng.choice(DTYPES)
        ndim = rng.choice((1, 2, 2, 2, 3, 3))
        static = rng.choice((1, 2, 2, 2, 3, 3, 4, 4, 5, 6, 7, 8, 9))
        self.shape = tuple(rng.choice((1, 4, 7, 16, 21, LONGEST)) for _ in range(ndim - 1)) + (static,)
        known = [rng.random() < 0.2 for _ in range(ndim - 1)] + [rng.random() < 0.85]
        dims = tuple(n if k else None for n, k in zip(self.shape, known))
        self.inputs = [at.tensor(self.dtype, shape=dims, name=name) for name in "xuvw"]
        self.masks: list[Any] = []

    def axis(self) -> int | None:
        return self.rng.choice((None, -1, 0, *range(len(self.shape))))

    def array(self, depth: int) -> Any:
        """Of the inputs' shape."""
        rng = self.rng
        kind = rng.randrange(12 if depth else 1)
        if kind < 2:
            return rng.choice(self.inputs)
        if kind < 5:
            other = self.array(depth - 1) if rng.random() < 0.5 else self.zero()
            arms = [self.array(depth - 1), other]
            rng.shuffle(arms)
            return at.switch(self.mask(depth - 1), *arms)
        if kind < 7:
            f: Callable[..., Any] = rng.choice((at.add, at.sub, at.mul, at.maximum, at.minimum))
            return f(self.array(depth - 1), self.array(depth - 1))
        if kind == 7:
            step: list[slice] = [slice(None)] * len(self.shape)
            step[rng.randrange(len(step))] = slice(None, None, -1)
            return self.array(depth - 1)[tuple(step)]
        if kind == 8:
            return self.array(depth - 1) * self.reduced(depth - 1, keepdims=True)
        if kind > 9:
            x, axis = self.array(depth - 1), rng.randrange(len(self.shape))
            at_zero = (*[0] * axis, slice(None), *[0] * (len(self.shape) - axis - 1))
            positions = at.cast(8 * self.array(depth - 1)[at_zero], "int64") % x.shape[axis]
            part = at.take(x, positions, axis)
            key = (*[slice(None)] * axis, positions)
            return part if kind == 10 else x[key].inc(part) if rng.random() < 0.5 else x[key].set(part)
        columns = [self.array(depth - 1)[..., k] for k in range(self.shape[-1])]
        rng.shuffle(columns)
        return at.stack(columns, axis=-1)

    def zero(self) -> Any:
        return np.asarray(self.rng.choice((0, 0, 0, 1, 2)), dtype=self.dtype)

    def mask(self, depth: int) -> Any:
        rng = self.rng
        if self.masks and rng.random() < 0.4:
            return rng.choice(self.masks)
        x = self.array(max(depth, 0))
        kind = rng.randrange(5)
        if kind == 0:
            found = at.eq(x, x.max(axis=-1, keepdims=True))
        elif kind == 1:
            found = x > self.reduced(0, keepdims=True)
        elif kind == 2:
            found = x <= rng.choice(self.inputs)
        else:
            found = rng.choice((at.gt, at.lt, at.neq))(x, self.zero())
        self.masks.append(found)
        return found

    def reduced(self, depth: int, keepdims: bool = False) -> Any:
        x = self.array(max(depth, 0))
        kind = self.rng.choice(("sum", "sum", "sum", "max", "min", "mean"))
        if kind == "mean" and "float" not in self.dtype:
            kind = "sum"
        found = getattr(x, kind)(axis=self.axis(), keepdims=keepdims)
        return at.cast(found, self.dtype)

    def late(self, depth: int) -> Any:
        """Rows of an array; how many, the data tell."""
        rng = self.rng
        x = self.array(depth)
        rows = at.cast(self.mask(depth).sum(), "int64") % (x.shape[0] + 1)
        kind = rng.randrange(4)
        if kind == 0:
            scale = at.cast(at.arange(rows), self.dtype)
            return scale.dimshuffle(0, *"x" * (len(self.shape) - 1)) * x[:rows]
        part = x[:rows] if kind == 1 else x[rows:] if kind == 2 else x[:rows][::-1]
        part = at.switch(part > self.zero(), part, self.zero())
        return at.cumsum(part, axis=0) if rng.random() < 0.2 else part

    def output(self) -> Any:
        rng = self.rng
        kind = rng.randrange(7)
        if kind == 0:
            return self.array(3)
        if kind == 6:
            part = self.late(2)
            return part if rng.random() < 0.5 else at.cast(part.sum(axis=self.axis()), self.dtype)
        if kind == 1:
            return at.cumsum(self.array(2), axis=rng.randrange(len(self.shape)))
        total = self.reduced(3)
        if kind == 2:
            return total
        total = (total ** 2 if rng.random() < 0.5 else at.switch(total > self.zero(), total, self.zero())).sum()
        if kind == 3 and "float" in self.dtype:
            return gradc.grad(total, rng.choice(self.inputs), disconnected_inputs="ignore")
        return total
