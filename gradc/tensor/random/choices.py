"""Draws out of given values, or out of 0, ..., n - 1: categories, choices, permutations."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np

from gradc.errors import ShapeError, TypeMismatchError, at, quoted
from gradc.ir import build, dtypes, ops
from gradc.ir.graph import Constant, apply, describe, user_line
from gradc.ir.program import Builder, Var, tensor
from gradc.ir.types import StaticShape
from gradc.tensor import elemwise as ew
from gradc.tensor import reduce as red
from gradc.tensor.checks import fail, in_range, integer
from gradc.tensor.convert import as_tensor_variable, cast
from gradc.tensor.random.op import REQUIRED, RandomVariable, Size, Value

# --- classes with given probabilities


class OfClasses(RandomVariable):
    """A distribution of which the last parameter holds the probabilities of classes."""

    def bind(self, args: Sequence[Any], named: Any) -> list[Any]:
        *others, p = super().bind(args, named)
        return [*others, probabilities(as_tensor_variable(p), self.name)]


def probabilities(p: Value, what: str) -> Value:
    """p, once it is certain that along its last axis no number is negative and their sum is 1, but for roundings."""
    if not p.type.ndim:
        return p                        # make_node refuses it
    message = f"{what}: probabilities must not be negative and must sum to 1, got {{0:float}} as the least and " \
              "{1:float} as the sum"
    limit = float(np.sqrt(np.finfo(dtypes.floating(p.type.dtype)).eps))        # as Generator.choice
    if isinstance(p, Constant) and p.data.size:
        for row in p.data.reshape(-1, p.data.shape[-1]).astype("float64"):
            if not (row.min() >= 0 and abs(row.sum() - 1) <= limit):
                fail(message, "value", float(row.min()), float(row.sum()))
        return p
    wide, last = cast(p, "float64"), p.type.ndim - 1
    least, total = red.min(wide, last), red.sum(wide, last)
    valid = ew.and_(ew.ge(least, 0), ew.le(ew.abs(ew.sub(total, 1)), limit))
    return apply(ops.Assert(message, "value", 2), p, valid, least, total)


def _categorical(rng: np.random.Generator, p: Value, size: Size) -> Value:
    """The first place where the running sum of p reaches a uniform number."""
    if size is not None:
        np.broadcast_to(np.empty(p.shape[:-1]), size)       # raises if p has more sets than size has draws
    u = rng.uniform(size=p.shape[:-1] if size is None else size)
    return (np.cumsum(p, axis=-1) < np.asarray(u)[..., None]).sum(axis=-1)


def _categorical_equations(b: Builder, state: Var, sizes: Sequence[Var],
                           parameters: Sequence[Var]) -> Sequence[Var] | None:
    (p,) = parameters
    sets = tensor(p).shape[:-1]
    if not sizes:
        sizes = [b.size(p, k) for k in range(len(sets))]
    elif len(sets) > len(sizes) or any(s != 1 and n.data is not None and n.data == 1
                                       for s, n in zip(reversed(sets), reversed(sizes))):
        return None                     # more sets than draws: an error
    zero, one = b.constant(0.0, "float64"), b.constant(1.0, "float64")
    after, u = b.equation(build.call("uniform", (0, len(sizes))), [state, zero, one, *sizes]).outs
    below = b.map("lt", b.apply(ops.Cumulate("add", len(sets)), p),
                  build.insert_axes(b, u, (len(sizes),), len(sizes) + 1))
    return after, build.fold(b, "add", b.cast(below, "int64"), (len(sizes),))


categorical = OfClasses("categorical", {"p": REQUIRED}, "int64", _categorical, (1,),
                        equations=_categorical_equations)


# --- along an axis of an array: the dtype is the array's


class _Along(RandomVariable):
    """What is drawn are entries of the first parameter along `axis`, or of 0, ..., n - 1 if it is a scalar n.

    Which entries does not depend on the array's elements: rows of `vectorize` that are equally long have the same.
    """

    __props__: tuple[str, ...] = ("name", "dtype", "axis")
    axis: int

    def along(self, x: Value, axis: object) -> Any:
        """The same, of x along `axis`."""
        if not x.type.ndim and x.type.dtype not in dtypes.INTEGERS:
            raise TypeMismatchError(f"{self.name}: expected an array to draw from, or how many numbers to draw from, "
                                    f"got {x.type}{at(user_line())}")
        op: Any = self.with_dtype(x.type.dtype if x.type.ndim else "int64")
        op.axis = red.normalize_axis(axis, x.type.ndim or 1, self.name, x)  # type: ignore[arg-type]
        return op

    def taken(self, b: Builder, x: Var, positions: Var) -> Var:
        """The entries of x at the positions."""
        ndim, axis, many = tensor(x).ndim, self.axis, tensor(positions).ndim
        if not ndim:
            return positions
        found = b.apply(ops.Gather((axis,)), x, positions)
        return build.reorder(b, found, (*range(many, many + axis), *range(many), *range(many + axis, many + ndim - 1)))

    def count(self, b: Builder, x: Var) -> Var:
        """How many entries there are to draw from."""
        return b.size(x, self.axis) if tensor(x).ndim else b.cast(x, "int64")


class _Choice(_Along):
    """Entries of `a` along its axis `axis` (0, ..., a - 1 if it is a scalar), with probabilities `p` if given.

    replace: may an entry be drawn twice?  shuffle: without replacement, are they to be in random order, too?  NumPy's
    numbers, also for the same arguments.  Raises, as NumPy: ValueError if there is nothing to draw from, if more are
    wanted than there are to draw from, or than have a probability that is not 0.
    """

    __props__ = ("name", "dtype", "axis", "replace", "shuffled", "ndims_params")
    replace: bool
    shuffled: bool

    def __call__(self, a: Value, size: Any = None, replace: bool = True,  # type: ignore[override]
                 p: Value = None, axis: int = 0, shuffle: bool = True, **options: Any) -> Any:
        for what, given in (("replace", replace), ("shuffle", shuffle)):
            if not isinstance(given, bool):
                raise TypeMismatchError(f"choice: {what} is True or False, got {quoted(given)}{at(user_line())}")
        a = as_tensor_variable(a)
        op = self.along(a, axis)
        op.replace, op.shuffled = replace, shuffle
        weights = []
        if p is not None:
            p = as_tensor_variable(p)
            if p.type.ndim != 1:
                raise ShapeError(f"choice: p must be a vector, got {describe(p)}, which is {p.type.short()}"
                                 f"{at(p.source or user_line())}")
            weights = [probabilities(cast(p, "float64"), "choice")]
        op.parameters = dict.fromkeys(("a", "p")[:1 + len(weights)])
        op.ndims_params = (0, 1)[:1 + len(weights)]
        return RandomVariable.__call__(op, a, *weights, size=size, **options)

    def shape(self, size: Sequence[int | None], parameters: Sequence[Value]) -> StaticShape:
        a = parameters[0].type.shape
        return (*a[:self.axis], *size, *a[self.axis + 1:]) if a else tuple(size)

    def in_program(self, b: Builder, state: Var, sizes: Sequence[Var], parameters: Sequence[Var]) -> Sequence[Var]:
        a, *weights = parameters
        wanted = reduce(lambda x, y: b.map("mul", x, y), sizes, b.constant(1, "int64"))
        draw = self._weighted if weights else self._uniform
        after, positions = draw(b, state, sizes, wanted, self.count(b, a), *weights)
        return after, self.taken(b, a, positions)

    def _uniform(self, b: Builder, state: Var, sizes: Sequence[Var], wanted: Var, n: Var) -> Sequence[Var]:
        """Positions."""
        zero, ranks = b.constant(0, "int64"), (0, len(sizes))
        valid = b.map("or_", b.map("gt", n, zero), b.map("eq", wanted, zero))
        n = b.apply(ops.Assert("choice_rv failed: ValueError: a must be a positive integer unless no samples are "
                               "taken; got {0}", "value", 1), n, valid, n)
        if self.replace:
            return b.equation(build.call("integers", ranks), [state, zero, n, *sizes]).outs
        mixed = b.constant(int(self.shuffled), "int64")
        return b.equation(build.call("choice", ranks), [state, wanted, build.vector(b, n), mixed, *sizes]).outs

    def _weighted(self, b: Builder, state: Var, sizes: Sequence[Var], wanted: Var, n: Var, p: Var) -> Sequence[Var]:
        """Positions, with probabilities."""
        count, ranks = b.size(p, 0), (0, len(sizes))
        p = b.apply(ops.Assert("choice_rv failed: ValueError: a and p must have same size; got {0} and {1}", "value",
                               2), p, b.map("eq", count, n), n, count)
        if not self.replace:
            return b.equation(build.call("choice_weighted", ranks),
                              [state, wanted, build.insert_axes(b, p, (0,), 2), *sizes]).outs
        sums = b.apply(ops.Cumulate("add", 0), p)
        sums = b.map("true_divide", sums, build.take(b, sums, -1))
        low, high = b.constant(0.0, "float64"), b.constant(1.0, "float64")
        after, u = b.equation(build.call("uniform", ranks), [state, low, high, *sizes]).outs
        flat = b.apply(ops.Reshape(1), u, wanted)
        found = b.apply(build.call("searchsorted_right"), sums, flat)
        return after, b.apply(ops.Reshape(len(sizes)), found, *sizes)

    def _drawn(self, rng: np.random.Generator, parameters: Sequence[Value], size: Size) -> object:
        a, p = parameters if len(parameters) == 2 else (*parameters, None)
        return rng.choice(a if a.ndim else int(a), size, self.replace, p, self.axis, self.shuffled)


class _Permutation(_Along):
    """`x` with its axis `axis` in random order (0, ..., x - 1 if it is a scalar)."""

    def __call__(self, x: Value, axis: int = 0, **options: Any) -> Any:  # type: ignore[override]
        x = as_tensor_variable(x)
        op = self.along(x, axis)
        if not x.type.ndim:
            x = in_range(integer(x, self.name, "x"), 0, None,
                         f"{self.name}: the number of elements must not be negative, got {{0}}")
        return RandomVariable.__call__(op, x, **options)

    def shape(self, size: Sequence[int | None], parameters: Sequence[Value]) -> StaticShape:
        return parameters[0].type.shape or (None,)

    def in_program(self, b: Builder, state: Var, sizes: Sequence[Var], parameters: Sequence[Var]) -> Sequence[Var]:
        (x,) = parameters
        n = self.count(b, x)
        after, order = b.equation(build.call("permutation", (0, 1)), [state, n, n]).outs
        return after, self.taken(b, x, order)

    def _drawn(self, rng: np.random.Generator, parameters: Sequence[Value], size: Size) -> object:
        (x,) = parameters
        return rng.permutation(x if x.ndim else int(x), axis=self.axis)


class _Shuffle(_Permutation):
    """What the method `shuffle` makes of an array: its axis `axis` in random order; x itself is not changed."""

    def __call__(self, x: Value, axis: int = 0, **options: Any) -> Any:  # type: ignore[override]
        x = as_tensor_variable(x)
        if not x.type.ndim:
            raise TypeMismatchError(f"shuffle: expected an array, got {describe(x)} of type {x.type}"
                                    f"{at(x.source or user_line())}")
        return super().__call__(x, axis, **options)

    def _drawn(self, rng: np.random.Generator, parameters: Sequence[Value], size: Size) -> object:
        x = np.array(parameters[0])
        rng.shuffle(x, axis=self.axis)
        return x


choice = _Choice("choice", {"a": REQUIRED}, tried=False)
permutation = _Permutation("permutation", {"x": REQUIRED}, tried=False)
shuffle = _Shuffle("shuffle", {"x": REQUIRED}, tried=False)
