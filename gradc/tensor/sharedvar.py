"""Shared variables: variables with a value of their own that functions read and update.

The value lies in `container.storage`, a list of one item: a C-contiguous, aligned, native array of exactly
the variable's dtype and rank (or any object, for a Generic variable).  Compiled functions read and replace
that item.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from gradc.errors import TypeMismatchError, at, shown
from gradc.ir import dtypes
from gradc.ir.graph import Variable, user_line
from gradc.ir.types import Generic, RngType, TensorType, Type
from gradc.tensor.variable import TensorVariable

__all__ = ["SharedVariable", "TensorSharedVariable", "shared"]



class Container:
    """Holds one value of a type; `storage[0]` is the value."""

    __slots__ = ("allow_downcast", "name", "storage", "strict", "type")

    def __init__(self, type: Type, value: object, *, strict: bool = False, allow_downcast: bool | None = None,
                 name: str | None = None) -> None:
        self.type = type
        self.strict = strict
        self.allow_downcast = allow_downcast
        self.name = name
        self.storage: list[Any] = [None]
        self.set(value, borrow=True)

    @property
    def data(self) -> Any:
        return self.storage[0]

    def set(self, value: object, borrow: bool = False) -> None:
        """Put a value in, checked and converted as `TensorType.filter` says; a copy unless `borrow`."""
        name = f"shared variable {shown(self.name)}" if self.name else "shared variable"
        new = self.type.filter(value, strict=self.strict, allow_downcast=self.allow_downcast,
                               name=f"{name}{at(user_line())}",
                               advice="cast it, or make the variable with shared(..., allow_downcast=True)")
        self.storage[0] = new if borrow or isinstance(value, (list, tuple, int, float)) else copy.deepcopy(new)

    def __repr__(self) -> str:
        return f"<{self.storage[0]!r}>"


class SharedVariable(Variable):
    """A variable with a value: `get_value`, `set_value`.  `default_update`: its new value after each call."""

    def __init__(self, type: Type, value: object, name: str | None = None, *, strict: bool = False,
                 allow_downcast: bool | None = None, container: Container | None = None) -> None:
        super().__init__(type, name=name)
        self.container = container if container is not None else Container(
            type, value, strict=strict, allow_downcast=allow_downcast, name=name)
        self.default_update: Variable | None = None

    def get_value(self, borrow: bool = False, return_internal_type: bool = False) -> Any:
        """The value: a copy, or the storage itself with `borrow=True` (then don't change it)."""
        value = self.container.storage[0]
        return value if borrow else copy.deepcopy(value)

    def set_value(self, new_value: object, borrow: bool = False) -> None:
        """Replace the value; `borrow=True` keeps the array given rather than a copy of it.

        Raises: BadArgumentError (a TypeError) for another dtype or rank, ShapeError for another static size.
        """
        self.container.name = self.name
        self.container.set(new_value, borrow)

    def zero(self, borrow: bool = False) -> None:
        """Set every element to 0."""
        self.container.storage[0] = np.zeros_like(self.container.storage[0])

    def clone(self, name: str | None = None) -> SharedVariable:
        """Another variable with the same storage."""
        new = type(self)(self.type, None, self.name if name is None else name, container=self.container)
        new.default_update = self.default_update
        return new


class TensorSharedVariable(SharedVariable, TensorVariable):
    """A shared variable that holds an array."""

    type: TensorType

    if TYPE_CHECKING:
        def get_value(self, borrow: bool = False, return_internal_type: bool = False) -> np.ndarray: ...


class RandomGeneratorSharedVariable(SharedVariable):
    """A shared variable that holds the state of a random generator, a `numpy.random.Generator`."""


@overload
def shared(value: np.ndarray | np.generic | complex, name: str | None = None, **options: Any,
           ) -> TensorSharedVariable: ...
@overload
def shared(value: np.random.Generator, name: str | None = None, **options: Any) -> RandomGeneratorSharedVariable: ...
@overload
def shared(value: object, name: str | None = None, **options: Any) -> SharedVariable: ...
def shared(value: Any, name: str | None = None, strict: bool = False, allow_downcast: bool | None = None,
           borrow: bool = False, shape: Sequence[int | None] | None = None,
           broadcastable: Sequence[bool] | None = None, **_: Any) -> SharedVariable:
    """A shared variable that holds `value`.

    Dtype: that of arrays and NumPy scalars; Python ints int64, floats float64, bools bool.  The shape is not
    fixed: only the number of dimensions is (or `shape`, with None for sizes that may change).  A NumPy
    Generator is the state of a random generator; anything else, lists too, becomes a Generic variable.
    `borrow=True` keeps the array given rather than a copy of it.
    Raises: TypeMismatchError for a variable (compile and call a function first).
    """
    if isinstance(value, Variable):
        raise TypeMismatchError(f"shared takes a value, got the variable {value}; compute it first, with .eval() or a "
                                f"function{at(user_line())}")
    if isinstance(value, (bool, int, float, complex)) and not isinstance(value, np.generic):
        data = np.asarray(value, dtype={bool: "bool", int: "int64", float: "float64"}.get(type(value), "complex128"))
    elif isinstance(value, (np.ndarray, np.generic)) and value.dtype.name in dtypes.ITEMSIZE:
        data = np.asarray(value)
    else:
        if not borrow:
            value = copy.deepcopy(value)
        if isinstance(value, np.random.Generator):
            return RandomGeneratorSharedVariable(RngType.of(value), value, name)
        return SharedVariable(Generic(), value, name)
    if broadcastable is not None:
        kind = TensorType(data.dtype.name, broadcastable=broadcastable)
    else:
        kind = TensorType(data.dtype.name, (None,) * data.ndim if shape is None else shape)
    if not borrow:
        data = np.array(data, dtype=data.dtype.newbyteorder("="), order="C")
    return TensorSharedVariable(kind, data, name, strict=strict, allow_downcast=allow_downcast)
