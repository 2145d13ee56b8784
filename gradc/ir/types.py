"""Types of variables: `TensorType(dtype, shape)` and the types of things that are no tensors.

A static shape is a tuple with one entry per dimension: an int if known when the graph is built, else None.
Size-1 broadcasting happens for a static 1 only.  Types are values: equal fields, equal types.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from gradc.errors import BadArgumentError, ShapeError, TypeMismatchError, at, quoted, user_line
from gradc.ir import dtypes
from gradc.ir.bits import KINDS, count, kind_of
from gradc.ir.dtypes import DTypeLike

if TYPE_CHECKING:       # the class that the tensor layer registers
    from gradc.tensor.variable import TensorVariable

MAX_DIMS = 64 if int(np.__version__.split(".")[0]) >= 2 else 32
RANK_LIMIT = f"an array has at most {MAX_DIMS} dimensions, NumPy's limit"

StaticShape = tuple["int | None", ...]


class Type:
    """Base of all types; calling one makes a fresh variable of it."""

    __slots__ = ()
    variable_class: ClassVar[Any] = None   # set by the layer that owns the class
    constant_class: ClassVar[Any] = None

    def __call__(self, name: str | None = None) -> Any:
        """A new variable of this type, with the caller's source line."""
        return self.variable_class(self, name=name)

    make_variable = __call__

    # Without parameters there is one type of a class.

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self)

    def __hash__(self) -> int:
        return hash(type(self))

    def __repr__(self) -> str:
        return type(self).__name__

    # What tensors have.  Code that knows its arguments to be tensors asks without a test; if they are not, it hears so.

    @property
    def dtype(self) -> str:
        raise self._no_tensor("dtype")

    @property
    def shape(self) -> StaticShape:
        raise self._no_tensor("shape")

    @property
    def ndim(self) -> int:
        raise self._no_tensor("ndim")

    @property
    def broadcastable(self) -> tuple[bool, ...]:
        raise self._no_tensor("broadcastable")

    def _no_tensor(self, asked: str) -> AttributeError:
        return AttributeError(f"{self} is the type of something that is no tensor and has no {asked}"
                              f"{at(user_line())}")

    def accepts(self, other: Type) -> bool:
        """Can a value of type `other` stand where this type is declared?"""
        return self == other

    def filter(self, value: object, *, strict: bool = False, allow_downcast: bool | None = None, name: str = "value",
               advice: str = "cast it") -> Any:
        """`value` as this type has it; errors call it `name` and say what to do."""
        return value

    def short(self) -> str:
        """Text such as `f64[?,4]`, as used in reprs and printed Programs."""
        return str(self)


def _static_size(size: Any) -> int | None:
    if isinstance(size, (bool, np.bool_)):          # Aesara's old positional `broadcastable` patterns
        return 1 if size else None
    if size is None:
        return None
    try:
        return operator.index(size)
    except TypeError:
        raise TypeMismatchError(f"a static shape holds integers, and None for sizes that are known at run time, got "
                                f"{quoted(size)}{at(user_line())}") from None


class HasType(Protocol):
    """A variable of a graph, or a value of a Program."""

    @property
    def type(self) -> Type: ...


class TensorType(Type):
    """Dtype and partly known shape of an n-dimensional array.

    `shape` entries: an int, or None for "known only at run time".  `broadcastable=` of Aesara is
    accepted: True means a static 1.
    """

    __slots__ = ("_hash", "dtype", "shape")
    dtype: str
    shape: StaticShape

    def __init__(self, dtype: DTypeLike, shape: Iterable[int | bool | None] | None = None, *,
                 broadcastable: Iterable[bool] | None = None) -> None:
        if (shape is None) == (broadcastable is None):
            raise TypeMismatchError(f"TensorType takes a dtype and a shape, e.g. TensorType('float64', (None, 3))"
                                    f"{at(user_line())}")
        self.dtype = dtypes.check_dtype(dtype)
        if broadcastable is not None:
            self.shape = tuple(1 if b else None for b in broadcastable)
        else:
            assert shape is not None
            self.shape = tuple(map(_static_size, shape))
            if any(s is not None and s < 0 for s in self.shape):
                raise ShapeError(f"a static shape has no negative entries, got {self.shape}{at(user_line())}")
        if len(self.shape) > MAX_DIMS:
            raise TypeMismatchError(f"TensorType: {RANK_LIMIT}, got {len(self.shape)}{at(user_line())}")
        self._hash = hash((self.dtype, self.shape))

    def __call__(self, name: str | None = None) -> TensorVariable:
        """A new variable of this type, with the caller's source line."""
        variable: TensorVariable = self.variable_class(self, name=name)
        return variable

    make_variable = __call__

    @classmethod
    def make(cls, dtype: str, shape: StaticShape) -> TensorType:
        """Constructor for callers that hold a canonical dtype and shape already."""
        new = object.__new__(cls)
        new.dtype = dtype
        new.shape = shape
        new._hash = hash((dtype, shape))
        return new

    def __eq__(self, other: object) -> bool:
        return self is other or (type(other) is TensorType and self._hash == other._hash
                                 and self.dtype == other.dtype and self.shape == other.shape)

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[object, ...]:
        return TensorType.make, (self.dtype, self.shape)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def broadcastable(self) -> tuple[bool, ...]:
        """Per dimension: is its size known to be 1?"""
        return tuple(s == 1 for s in self.shape)

    @property
    def numpy_dtype(self) -> np.dtype:
        return np.dtype(self.dtype)

    def clone(self, dtype: DTypeLike | None = None, shape: Iterable[int | None] | None = None) -> TensorType:
        """This type with another dtype or shape."""
        return TensorType(self.dtype if dtype is None else dtype, self.shape if shape is None else shape)

    def __repr__(self) -> str:
        sizes = ", ".join("?" if s is None else str(s) for s in self.shape)
        return f"TensorType({self.dtype}, ({sizes}{',' if len(self.shape) == 1 else ''}))"

    __str__ = __repr__

    def short(self) -> str:
        return f"{dtypes.SHORT[self.dtype]}[{','.join('?' if s is None else str(s) for s in self.shape)}]"

    def accepts(self, other: Type) -> bool:
        """Can a value of type `other` stand where this type is declared (same dtype, compatible shape)?"""
        return (isinstance(other, TensorType) and other.dtype == self.dtype and other.ndim == self.ndim
                and all(a is None or a == b for a, b in zip(self.shape, other.shape)))

    def filter(self, value: object, *, strict: bool = False, allow_downcast: bool | None = None,
               name: str = "value", advice: str = "cast it") -> np.ndarray:
        """`value` as an aligned, C-contiguous, native array of this type; a copy only where needed.

        Accepted as in Aesara: an array whose dtype casts safely to this one, any Python number or list whose
        values this dtype holds exactly, and Python floats for float32.  With `allow_downcast=True` every
        dtype, with `strict=True` only arrays of exactly this dtype.
        Raises BadArgumentError for dtype and rank, ShapeError for a size that contradicts the static shape;
        the message calls the value `name`, with the user's line in it, and ends in `advice` where a conversion would
        lose something.
        """
        want = self.numpy_dtype
        if isinstance(value, np.ndarray) and hasattr(value, "mask"):        # np.ma is not imported for this
            raise BadArgumentError(f"{name}: a masked array would lose its mask; pass a.filled(...) or a.data")
        if isinstance(value, np.ndarray) and value.dtype == want:
            data = np.asarray(value)
        elif strict:
            raise BadArgumentError(f"{name}: expected an array of dtype {self.dtype} (strict), "
                                   f"got {_describe(value)}")
        else:
            data = self._convert(value, allow_downcast, name, advice)
        if data.ndim != self.ndim:
            raise BadArgumentError(f"{name}: expected {self.ndim} dimension(s) ({self.short()}), "
                                   f"got {data.ndim} with shape {data.shape}")
        for axis, (size, fixed) in enumerate(zip(data.shape, self.shape)):
            if fixed is not None and size != fixed:
                raise ShapeError(f"{name}: expected size {fixed} in dimension {axis} ({self.short()}), "
                                 f"got shape {data.shape}")
        return np.require(data, dtype=want.newbyteorder("="), requirements=["C", "A"])

    def _convert(self, value: object, allow_downcast: bool | None, name: str, advice: str) -> np.ndarray:
        want = self.numpy_dtype
        try:
            data = np.asarray(value)
        except (TypeError, ValueError) as error:
            raise BadArgumentError(f"{name}: expected something that makes an array of dtype {self.dtype}, "
                                   f"got {_describe(value)} ({error})") from None
        if data.dtype == want:
            return data
        if type(value) is int and data.dtype == object and want.kind == "f":       # beyond 64 bits
            data = np.asarray(float(value))
        if data.dtype.kind not in "biufc":
            raise BadArgumentError(f"{name}: expected numbers for dtype {self.dtype}, got {_describe(value)}")
        typed = isinstance(value, (np.ndarray, np.generic))
        if np.can_cast(data.dtype, want, "safe") or allow_downcast or (data.size == 0 and not typed):
            return data.astype(want)
        if not typed and want.kind == "f" and data.dtype.kind in "iuf" and allow_downcast is None:
            return data.astype(want)              # Python floats and lists, also for float32
        exact = want.kind != "b" and data.dtype.kind != "c" and not (want.kind in "iu" and data.dtype.kind == "f")
        if exact and (not typed or (data.dtype.kind in "iu" and want.kind in "iu")):
            with np.errstate(all="ignore"):
                cast = data.astype(want)
            if np.array_equal(cast, data, equal_nan=want.kind == "f"):
                return cast
        raise BadArgumentError(f"{name}: expected dtype {self.dtype}, got {_describe(value)}, which may lose "
                               f"precision; {advice}")


def _describe(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of dtype {value.dtype} and shape {value.shape}"
    if isinstance(value, (int, float, complex, np.generic)):
        return f"{quoted(value)} of type {type(value).__name__}"
    return f"a {type(value).__name__}"


class NullType(Type):
    """Type of a gradient that is undefined; carries the reason."""

    __slots__ = ("why",)

    def __init__(self, why: str = "") -> None:
        self.why = why


class DisconnectedType(Type):
    """Type of a gradient by a variable that the cost does not depend on."""

    __slots__ = ()


class Generic(Type):
    """Type of any Python object; it flows only into user Ops."""

    __slots__ = ()


class RngType(Type):
    """Type of the state of a random generator; its values are NumPy's Generators, which are never changed in place.

    bits: the name of the bit generator (default: that of numpy.random.default_rng), for which kernels are compiled.
    """

    __slots__ = ("bits",)

    def __init__(self, bits: str = "PCG64") -> None:
        if bits not in KINDS:
            raise BadArgumentError(f"RngType: expected one of {', '.join(KINDS)}, got {bits!r}")
        self.bits = bits

    @classmethod
    def of(cls, generator: np.random.Generator) -> RngType:
        """The type of its state; that of PCG64 if kernels do not know its bit generator (functions are interpreted)."""
        kind = kind_of(generator)
        return cls(kind if kind in KINDS else "PCG64")

    def __eq__(self, other: object) -> bool:
        return type(other) is RngType and other.bits == self.bits

    def __hash__(self) -> int:
        return hash((RngType, self.bits))

    def __repr__(self) -> str:
        return "RngType" if self.bits == "PCG64" else f"RngType({self.bits})"

    @property
    def words(self) -> TensorType:
        """What a kernel has of a state: see csrc/bits.h."""
        return TensorType.make("uint64", (count(self.bits),))

    def filter(self, value: object, *, strict: bool = False, allow_downcast: bool | None = None, name: str = "value",
               advice: str = "cast it") -> np.random.Generator:
        """`value`, which must be a `numpy.random.Generator`; BadArgumentError if it is not."""
        if not isinstance(value, np.random.Generator):
            raise BadArgumentError(f"{name}: expected a numpy.random.Generator, got {_describe(value)}")
        return value


STATES = tuple([RngType(bits).words for bits in KINDS])
