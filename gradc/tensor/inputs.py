"""Making inputs: `tensor("x", dtype="float64", shape=(None, 3))`, and what `typed_inputs.py` makes its names of.

`scalar, vector, row, col, matrix, tensor3 ... tensor7` make floatX inputs; with a prefix (b w i l int8-int64, f d
float32 float64, c z complex) they are TensorType objects, which make an input when called.  Plurals make several:
`dvectors("x", "y")`, `scalars("xy")`, `matrices(3)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from gradc.config import config
from gradc.errors import ShapeError, TypeMismatchError, at, quoted
from gradc.ir import dtypes
from gradc.ir.dtypes import DTypeLike
from gradc.ir.graph import user_line
from gradc.ir.types import StaticShape, TensorType
from gradc.tensor.checks import python_integer

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = ["tensor"]


def tensor(*args: Any, name: str | None = None, dtype: DTypeLike | None = None,
           shape: int | Sequence[int | bool | None] | None = None,
           broadcastable: Sequence[bool] | None = None) -> TensorVariable:
    """A new input: `tensor("x", dtype="float64", shape=(None, 3))`, or with the dtype first,
    `tensor("float64", (None, 3), name="x")`.

    A first positional argument that is the full name of a dtype is taken for one unless `dtype=` is given.
    Without a shape the input is a scalar; without a dtype it is floatX.
    """
    rest = list(args)
    if rest and dtype is None and (isinstance(rest[0], (np.dtype, type)) or rest[0] in ("floatX", *dtypes.ALL)):
        dtype = rest.pop(0)
        if rest and shape is None and broadcastable is None:
            shape = rest.pop(0)
    if rest and name is None and isinstance(rest[0], str):
        name = rest.pop(0)
    if rest:
        raise TypeMismatchError(f"tensor takes a name, dtype= and shape=, or a dtype and a shape; got {args}"
                                f"{at(user_line())}")
    if broadcastable is not None:
        return TensorType(dtype or config.floatX, broadcastable=broadcastable)(name)
    if isinstance(shape, (int, np.integer)):
        shape = (shape,)
    return TensorType(dtype or config.floatX, () if shape is None else shape)(name)


class One(Protocol):
    """`matrix("m")`, `dmatrix("m")`: makes an input."""

    def __call__(self, name: str | None = None) -> TensorVariable: ...


class OneOfAnyType(Protocol):
    """`matrix("m", dtype="int8", shape=(2, None))`: makes an input, of floatX unless told otherwise."""

    def __call__(self, name: str | None = None, dtype: DTypeLike | None = None,
                 shape: Sequence[int | None] | None = None) -> TensorVariable: ...


class Several(Protocol):
    """`matrices("A", "B")`, `matrices("AB")`, `matrices(2)`, `matrices(["A", "B"])`: makes a list of inputs."""

    def __call__(self, *names: str | int | Sequence[str | None], **options: object) -> list[TensorVariable]: ...


def plain(kind: str, default: StaticShape) -> OneOfAnyType:
    """The constructor of inputs of `kind`, without a dtype of its own."""
    def make(name: str | None = None, dtype: DTypeLike | None = None,
             shape: Sequence[int | None] | None = None) -> TensorVariable:
        if shape is not None and len(shape) != len(default):
            raise ShapeError(f"{kind} has {len(default)} dimension(s), got shape {quoted(shape)}{at(user_line())}")
        return TensorType(config.floatX if dtype is None else dtype, default if shape is None else shape)(name)

    make.__name__ = make.__qualname__ = kind
    make.__doc__ = (f"A new {kind} input of dtype `dtype` (default floatX).\n\n"
                    f"Shapes: ({', '.join('?' if s is None else str(s) for s in default)}), or `shape`.")
    return make


def typed(shape: StaticShape) -> tuple[TensorType, ...]:
    """The types of inputs of `shape`, one a prefix."""
    return tuple([TensorType(dtype, shape) for dtype in dtypes.PREFIX.values()])


def plurals(word: str, *makers: One) -> tuple[Several, ...]:
    """Constructors of several inputs, named `word` with the prefix of each maker; the first has none."""
    return tuple([_several(prefix + word, make) for prefix, make in zip(("", *dtypes.PREFIX), makers)])


def _several(word: str, make: One) -> Several:
    def make_several(*names: str | int | Sequence[str | None], **options: object) -> Any:
        wanted: Sequence[Any] = names
        if len(names) == 1:
            only = names[0]
            if isinstance(only, (int, np.integer)):
                wanted = [None] * python_integer(only, "a number of inputs", "it", 0)
            elif isinstance(only, str) and len(only) == 1:
                return make(only, **options)
            else:
                wanted = tuple(only)
        return [make(n, **options) for n in wanted]

    make_several.__name__ = make_several.__qualname__ = word
    make_several.__doc__ = f"Several inputs at once: `{word}('x', 'y')`, `{word}('xy')`, `{word}(2)`."
    return make_several
