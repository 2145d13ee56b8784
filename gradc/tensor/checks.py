"""Checks of what comes from data: sizes, positions, counts, labels.

A check that constants decide is made when the graph is built, else it is an `Assert`, made before anything uses the
value it was put on.  Messages are format strings: {0} is the value at fault, {1} what it was compared with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gradc import errors
from gradc.errors import TypeMismatchError, at, literal, quoted
from gradc.ir import dtypes, graph, ops
from gradc.ir.graph import Constant, apply, describe
from gradc.tensor import elemwise as ew
from gradc.tensor.convert import as_tensor_variable, cast, constant, size_constant
from gradc.tensor.types import TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable


def fail(message: str, error: str, *shown: float) -> None:
    """Raise what an Assert of this kind raises."""
    raise getattr(errors, ops.ASSERT_ERRORS[error])(errors.fill(message, shown) + at(graph.user_line()))


def in_range(x: TensorVariable, low: int | None, end: int | TensorVariable | None, message: str, error: str = "value",
             on: TensorVariable | None = None) -> TensorVariable:
    """`on` (default: x itself), once it is certain that low <= x < end for all elements of the integer tensor x.

    end: an int, an int64 scalar, or None for no limit.
    """
    end = size_constant(int(end)) if isinstance(end, (int, np.integer)) else end
    limit = int(end.data) if isinstance(end, Constant) else None
    known_end = end is None or limit is not None
    if isinstance(x, Constant):
        bad = np.zeros(x.data.shape, bool) if low is None else x.data < low
        if limit is not None:
            bad = bad | (x.data >= limit)
        if bad.any():
            what = message if known_end else message.replace("{1}", "an unknown number of")
            fail(what, error, int(x.data[bad].flat[0]), limit or 0)
    on = x if on is None else on
    if isinstance(x, Constant) and known_end:
        return on
    conditions = []
    if low is not None and x.type.dtype not in dtypes.UNSIGNED:
        conditions.append(ew.ge(x, constant(low, dtype=x.type.dtype)))
    if end is not None:
        conditions.append(ew.lt(x, end))
    if not conditions:
        return on
    valid = conditions[0] if len(conditions) == 1 else ew.and_(*conditions)
    shown = [cast(x, "int64"), *([] if end is None else [end])]
    return apply(ops.Assert(message, error, len(shown)), on, valid, *shown)


def is_length(s: graph.Variable) -> bool:
    """Is the size `s` known not to be negative: a constant, a size, or a product or sum of such?"""
    work, steps = [s], 0
    while work:
        v = work.pop()
        steps += 1
        if isinstance(v, Constant):
            if v.data < 0:
                return False
        elif v.owner is None or steps > 50:
            return False
        elif type(v.owner.op) is ops.Map and v.owner.op.fn in ("add", "mul", "maximum", "floor_divide"):
            work.extend(v.owner.inputs)
        elif type(v.owner.op) is not ops.ShapeOf:
            return False
    return True


def not_negative(n: TensorVariable, what: str) -> TensorVariable:
    """The size `n`, an int64 scalar, which must not be negative."""
    if is_length(n):
        return n
    return in_range(n, 0, None, f"{what}: a size must not be negative, got {{0}}", "size")


def equal(a: TensorVariable, b: TensorVariable, message: str, on: TensorVariable,
          error: str = "size") -> TensorVariable:
    """`on`, once it is certain that the int64 scalars a and b are equal."""
    if a is b:
        return on
    if isinstance(a, Constant) and isinstance(b, Constant):
        if a.data != b.data:
            fail(message, error, int(a.data), int(b.data))
        return on
    return apply(ops.Assert(message, error, 2), on, ew.eq(a, b), a, b)


def integer(value: TensorLike, what: str, name: str) -> TensorVariable:
    """An integer scalar as an int64 variable."""
    v = as_tensor_variable(value)
    if v.type.ndim or v.type.dtype not in dtypes.INTEGERS:
        raise TypeMismatchError(f"{what}: {name} is an integer, got {describe(v)} of type {v.type}"
                                f"{at(v.source or graph.user_line())}")
    return size_constant(int(v.data)) if isinstance(v, Constant) else cast(v, "int64")


def python_integer(value: object, what: str, name: str, least: int | None = None) -> int:
    """An int that must be known when the graph is built, at least `least`."""
    if isinstance(value, Constant) and np.ndim(value.data) == 0:
        value = value.data[()]
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        got = f"the variable {describe(value)}" if isinstance(value, graph.Variable) else quoted(value)
        raise TypeMismatchError(f"{what}: {name} is an integer known when the graph is built, got {got}"
                                f"{at(graph.user_line())}")
    if least is not None and value < least:
        fail(f"{what}: {name} must be at least {least}, got {{0}}", "value", int(value))
    return int(value)


def flag(value: object, what: str, name: str) -> bool:
    """True or False (or 1 or 0), which must be known when the graph is built."""
    if not isinstance(value, (bool, np.bool_, int, np.integer)) or value not in (0, 1):
        got = f"the variable {describe(value)}" if isinstance(value, graph.Variable) else quoted(value)
        raise TypeMismatchError(f"{what}: {name} is True or False, known when the graph is built, got {got}"
                                f"{at(graph.user_line())}")
    return bool(value)


def named(x: graph.Variable) -> str:
    """What to call a variable in a format string."""
    return literal(describe(x))


def true(condition: TensorVariable, message: str, on: TensorVariable, error: str = "value") -> TensorVariable:
    """`on`, once it is certain that the scalar condition holds."""
    return apply(ops.Assert(message, error), on, condition)
