"""TensorVariable: Python's operators and NumPy's protocols on variables, and their methods.

The last module of the layer to be imported: it ties the functions of the others to variables and
registers its classes with TensorType.  `==` and `hash` stay those of objects (identity); `eq` is the op.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np

import gradc.tensor.shape as shp
from gradc.errors import ShapeError, TypeMismatchError, at, quoted, shown
from gradc.ir.dtypes import DTypeLike
from gradc.ir.graph import Constant, Variable, describe, user_line
from gradc.ir.types import TensorType
from gradc.tensor import (
    contract,
    convert,
    creation,
    diagonals,
    index,
    masks,
    numpy_api,
    repeats,
    selection,
    sorting,
    truth,
)
from gradc.tensor import elemwise as ew
from gradc.tensor import reduce as red
from gradc.tensor import trigonometry as trig
from gradc.tensor.types import Axes, Axis, TensorLike

__all__ = ["TensorConstant", "TensorVariable"]


P = ParamSpec("P")
R = TypeVar("R")
X = TypeVar("X")


@cache
def _parameters(fn: Callable[..., object]) -> frozenset[str]:
    return frozenset(inspect.signature(fn).parameters)


def _method(fn: Callable[Concatenate[X, P], R]) -> Callable[Concatenate[X, P], R]:
    """A method that is a function of gradc, or with options that only NumPy has, NumPy's."""

    def method(self: X, *args: P.args, **options: P.kwargs) -> R:
        if options and fn.__name__ in numpy_api.FUNCTIONS and not _parameters(fn).issuperset(options):
            return numpy_api.call(fn.__name__, (self, *args), options)
        return fn(self, *args, **options)

    method.__name__ = fn.__name__
    method.__qualname__ = f"TensorVariable.{fn.__name__}"
    method.__doc__ = fn.__doc__
    return method


class TensorVariable(Variable):
    """A symbolic tensor.  Operators and methods build new variables and change nothing."""

    type: TensorType
    __array_priority__ = 1000

    # ------------------------------------------------------------------------------------ what it is

    @property
    def dtype(self) -> str:
        return self.type.dtype

    @property
    def ndim(self) -> int:
        return len(self.type.shape)

    @property
    def broadcastable(self) -> tuple[bool, ...]:
        """Per dimension: is its size known to be 1?"""
        return self.type.broadcastable

    @property
    def shape(self) -> TensorVariable:
        """The shape as an int64 vector."""
        return shp.shape(self)

    @property
    def size(self) -> TensorVariable:
        """Number of elements, an int64 scalar."""
        return shp.size(self)

    @property
    def T(self) -> TensorVariable:
        """Axes reversed."""
        return shp.transpose(self)

    @property
    def mT(self) -> TensorVariable:
        """The last two axes exchanged."""
        return shp.matrix_transpose(self)

    @property
    def real(self) -> TensorVariable:
        return ew.real(self)

    @property
    def imag(self) -> TensorVariable:
        return ew.imag(self)

    # ------------------------------------------------------------------------- what it refuses, and advice

    def __bool__(self) -> bool:
        # Only results that look like conditions: `if x:` tests for None in much existing code.
        if self.owner is not None and self.type.dtype == "bool":
            raise TypeMismatchError(f"a symbolic condition has no truth value when the graph is built"
                                    f"{at(self.source)}; use switch(condition, a, b) or ifelse, and `&` and `|` "
                                    f"instead of `and` and `or`")
        truth.note_truth(self)
        return True

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if isinstance(other, (Variable, int, float, complex)) and not isinstance(other, np.generic):
            truth.note_equality(self, other)
            return False
        return NotImplemented           # NumPy's arrays compare by value

    __hash__ = Variable.__hash__

    def __len__(self) -> int:
        raise TypeMismatchError(f"object of type '{type(self).__name__}' has no len(); the size of {describe(self)} is "
                                f"symbolic{at(self.source)}: use x.shape[0]")

    def __iter__(self) -> Iterator[TensorVariable]:
        if self.ndim == 0:
            raise TypeMismatchError(f"iteration over the scalar {describe(self)}{at(self.source)}")
        n = self.type.shape[0]
        if n is None:
            raise ShapeError(f"Length of {describe(self)} cannot be determined{at(self.source)}: it is "
                             f"{self.type.short()}; use scan, or index it with ints")
        return (self[k] for k in range(n))

    def __setitem__(self, key: object, value: TensorLike) -> None:
        raise TypeMismatchError(f"variables can't be changed{at(self.source)}; use "
                                f"{shown(self.name or 'x')} = set_subtensor({shown(self.name or 'x')}[...], value)")

    def _python_number(self, what: str) -> Any:
        if isinstance(self, Constant) and self.ndim == 0:
            return self.data.item()
        raise TypeMismatchError(f"{what} of the variable {describe(self)}, which has no value when the graph is built"
                                f"{at(self.source)}; use cast, the functions of gradc.tensor, or .eval()")

    def __int__(self) -> int:
        return int(self._python_number("int()"))

    def __float__(self) -> float:
        return float(self._python_number("float()"))

    def __complex__(self) -> complex:
        return complex(self._python_number("complex()"))

    def __index__(self) -> int:
        value = self._python_number("the index")
        if not isinstance(value, int):
            raise TypeMismatchError(f"an index is an integer, got {quoted(value)}{at(user_line())}")
        return int(value)

    # ------------------------------------------------------------------------------------ operators

    def __neg__(self) -> TensorVariable:
        return ew.elementwise("neg", self)

    def __pos__(self) -> TensorVariable:
        return self

    def __abs__(self) -> TensorVariable:
        return ew.elementwise("abs", self)

    def __invert__(self) -> TensorVariable:
        return ew.elementwise("invert", self)

    def __round__(self, ndigits: int | None = None) -> TensorVariable:
        return numpy_api.call("round", (self, ndigits or 0), {})

    def __floor__(self) -> TensorVariable:
        return ew.floor(self)

    def __ceil__(self) -> TensorVariable:
        return ew.ceil(self)

    def __trunc__(self) -> TensorVariable:
        return ew.trunc(self)

    def __add__(self, other: TensorLike) -> TensorVariable:
        if hasattr(other, "indptr"):        # a sparse matrix knows more
            return NotImplemented
        return ew.elementwise("add", self, other)

    def __radd__(self, other: TensorLike) -> TensorVariable:
        return ew.elementwise("add", other, self)

    def __sub__(self, other: TensorLike) -> TensorVariable:
        if hasattr(other, "indptr"):        # a sparse matrix knows more
            return NotImplemented
        return ew.elementwise("sub", self, other)

    def __rsub__(self, other: TensorLike) -> TensorVariable:
        return ew.elementwise("sub", other, self)

    def __mul__(self, other: TensorLike) -> TensorVariable:
        if hasattr(other, "indptr"):        # a sparse matrix knows more
            return NotImplemented
        return ew.elementwise("mul", self, other)

    def __rmul__(self, other: TensorLike) -> TensorVariable:
        return ew.elementwise("mul", other, self)

    def __truediv__(self, other: TensorLike) -> TensorVariable:
        return ew.elementwise("true_divide", self, other)

    def __rtruediv__(self, other: TensorLike) -> TensorVariable:
        return ew.elementwise("true_divide", other, self)

    def __floordiv__(self, other: TensorLike) -> TensorVariable:
        return ew.elementwise("floor_divide", self, other)

    def __rfloordiv__(self, other: TensorLike) -> TensorVariable:
        return ew.elementwise("floor_divide", other, self)

    def __mod__(self, other: TensorLike) -> TensorVariable:
        return ew.elementwise("mod", self, other)

    def __rmod__(self, other: TensorLike) -> TensorVariable:
        return ew.elementwise("mod", other, self)

    def __divmod__(self, other: TensorLike) -> tuple[TensorVariable, TensorVariable]:
        return ew.divmod(self, other)

    def __rdivmod__(self, other: TensorLike) -> tuple[TensorVariable, TensorVariable]:
        return ew.divmod(other, self)

    def __pow__(self, other: TensorLike) -> TensorVariable:
        return ew.elementwise("pow", self, other)

    def __rpow__(self, other: TensorLike) -> TensorVariable:
        return ew.elementwise("pow", other, self)

    def __matmul__(self, other: TensorLike) -> TensorVariable:
        if hasattr(other, "indptr"):        # a sparse matrix knows more
            return NotImplemented
        return contract.matmul(self, other)

    def __rmatmul__(self, other: TensorLike) -> TensorVariable:
        return contract.matmul(other, self)

    def __lshift__(self, other: TensorLike) -> TensorVariable:
        return ew.elementwise("left_shift", self, other)

    def __rlshift__(self, other: TensorLike) -> TensorVariable:
        return ew.elementwise("left_shift", other, self)

    def __rshift__(self, other: TensorLike) -> TensorVariable:
        return ew.elementwise("right_shift", self, other)

    def __rrshift__(self, other: TensorLike) -> TensorVariable:
        return ew.elementwise("right_shift", other, self)

    def __and__(self, other: TensorLike) -> TensorVariable:
        return ew.elementwise("and_", self, other)

    def __rand__(self, other: TensorLike) -> TensorVariable:
        return ew.elementwise("and_", other, self)

    def __or__(self, other: TensorLike) -> TensorVariable:
        return ew.elementwise("or_", self, other)

    def __ror__(self, other: TensorLike) -> TensorVariable:
        return ew.elementwise("or_", other, self)

    def __xor__(self, other: TensorLike) -> TensorVariable:
        return ew.elementwise("xor", self, other)

    def __rxor__(self, other: TensorLike) -> TensorVariable:
        return ew.elementwise("xor", other, self)

    def __lt__(self, other: TensorLike) -> TensorVariable:
        return ew.lt(self, other)

    def __le__(self, other: TensorLike) -> TensorVariable:
        return ew.le(self, other)

    def __gt__(self, other: TensorLike) -> TensorVariable:
        return ew.gt(self, other)

    def __ge__(self, other: TensorLike) -> TensorVariable:
        return ew.ge(self, other)

    def __getitem__(self, key: object) -> TensorVariable:
        return index.getitem(self, key)

    # ----------------------------------------------------------------------------------- methods

    def astype(self, dtype: DTypeLike, order: str = "K", casting: str = "unsafe", subok: bool = True,
               copy: bool = True) -> TensorVariable:
        """This tensor in another dtype (see `cast`); what NumPy's other arguments say of memory changes nothing."""
        return convert.cast(self, dtype)

    def copy(self, name: str | None = None, order: str = "C") -> TensorVariable:
        """A new variable with the same value; `order` is that of memory, which is gradc's affair."""
        result = ew.identity(self)
        result.name = name
        return result

    def fill(self, value: TensorLike) -> TensorVariable:
        """`value` in the shape of this tensor."""
        return ew.second(self, value)

    def get_scalar_constant_value(self) -> np.ndarray:
        """The value, if it is known when the graph is built."""
        return convert.get_scalar_constant_value(self)

    def reshape(self, *shape_: Any, ndim: int | None = None, **options: Any) -> TensorVariable:
        """See `gradc.tensor.reshape`; takes a shape or one argument per size."""
        if options:         # NumPy's: order, copy
            return numpy_api.call("reshape", (self, shape_[0] if len(shape_) == 1 else shape_), options)
        if len(shape_) == 2 and ndim is None and isinstance(shape_[0], (list, tuple)):
            return shp.reshape(self, shape_[0], ndim=shape_[1])
        return shp.reshape(self, shape_[0] if len(shape_) == 1 else shape_, ndim=ndim)

    def transpose(self, *axes: Axes) -> TensorVariable:
        """Axes in another order (reversed without arguments)."""
        return shp.transpose(self, *axes)

    def dimshuffle(self, *pattern: int | str | Sequence[int | str]) -> TensorVariable:
        """Axes in the order `pattern`, with new ones at "x"."""
        return shp.dimshuffle(self, *pattern)

    def clip(self, a_min: TensorLike | None = None, a_max: TensorLike | None = None, *, min: TensorLike | None = None,
             max: TensorLike | None = None) -> TensorVariable:
        """This tensor held within bounds; None is none."""
        return numpy_api.call("clip", (self, a_min, a_max), {"min": min, "max": max})

    def round(self, decimals: Any = 0, mode: str | None = None) -> TensorVariable:
        """Rounded half to even, to that many decimals; or as Aesara's `mode` says (which may come first)."""
        if isinstance(decimals, str) or mode is not None:
            return ew.round(self, mode or decimals)
        return numpy_api.call("round", (self, decimals), {})

    def flatten(self, ndim: int | str = 1, order: str = "C") -> TensorVariable:
        """See `gradc.tensor.flatten`; NumPy's order may come first."""
        if isinstance(ndim, str) or order != "C":
            return self.ravel(ndim if isinstance(ndim, str) else order)
        return shp.flatten(self, ndim)

    def ravel(self, order: str = "C") -> TensorVariable:
        """As a vector."""
        return numpy_api.call("ravel", (self, order), {})

    def norm(self, L: float | str = 2, axis: Axes = None, keepdims: bool = False) -> TensorVariable:
        """The L-norm of the elements along `axis`; see `gradc.tensor.norm`."""
        x = shp.flatten(self) if axis is None and self.ndim > 1 and not keepdims else self
        return red.norm(x, L, axis, keepdims)

    def compress(self, condition: TensorLike, axis: Axis | None = None) -> TensorVariable:
        """The parts along `axis` for which `condition` is true; see `gradc.tensor.compress`."""
        return selection.compress(condition, self, axis)

    def set(self, value: TensorLike) -> TensorVariable:
        """For a part `x[i]`: a copy of x with that part set to `value`."""
        return index.set_subtensor(self, value)

    def inc(self, value: TensorLike) -> TensorVariable:
        """For a part `x[i]`: a copy of x with `value` added to that part."""
        return index.inc_subtensor(self, value)

    # ------------------------------------------- methods that are the function of the same name

    sum = _method(red.sum)
    prod = _method(red.prod)
    mean = _method(red.mean)
    var = _method(red.var)
    std = _method(red.std)
    min = _method(red.min)
    max = _method(red.max)
    argmin = _method(red.argmin)
    argmax = _method(red.argmax)
    all = _method(red.all)
    any = _method(red.any)
    ptp = _method(red.ptp)
    cumsum = _method(red.cumsum)
    cumprod = _method(red.cumprod)
    dot = _method(contract.dot)
    take = _method(selection.take)
    choose = _method(selection.choose)
    nonzero = _method(masks.nonzero)
    nonzero_values = _method(selection.nonzero_values)
    sort = _method(sorting.sort)
    argsort = _method(sorting.argsort)
    partition = _method(sorting.partition)
    argpartition = _method(sorting.argpartition)
    searchsorted = _method(sorting.searchsorted)
    diagonal = _method(diagonals.diagonal)
    trace = _method(diagonals.trace)
    squeeze = _method(shp.squeeze)
    swapaxes = _method(shp.swapaxes)
    repeat = _method(repeats.repeat)
    conj = _method(ew.conj)
    zeros_like = _method(creation.zeros_like)
    ones_like = _method(creation.ones_like)
    exp = _method(ew.exp)
    exp2 = _method(ew.exp2)
    expm1 = _method(ew.expm1)
    log = _method(ew.log)
    log2 = _method(ew.log2)
    log10 = _method(ew.log10)
    log1p = _method(ew.log1p)
    sqrt = _method(ew.sqrt)
    square = _method(ew.square)
    sin = _method(trig.sin)
    cos = _method(trig.cos)
    tan = _method(trig.tan)
    arcsin = _method(trig.arcsin)
    arccos = _method(trig.arccos)
    arctan = _method(trig.arctan)
    sinh = _method(trig.sinh)
    cosh = _method(trig.cosh)
    tanh = _method(trig.tanh)
    arcsinh = _method(trig.arcsinh)
    arccosh = _method(trig.arccosh)
    arctanh = _method(trig.arctanh)
    deg2rad = _method(trig.deg2rad)
    rad2deg = _method(trig.rad2deg)
    floor = _method(ew.floor)
    ceil = _method(ew.ceil)
    trunc = _method(ew.trunc)
    conjugate = conj

    # ------------------------------------------------------------------------------ NumPy's protocols

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: object, **options: object) -> Any:
        return numpy_api.call_ufunc(ufunc, method, inputs, options)

    def __array_function__(self, func: Any, types: Any, args: tuple[Any, ...],
                           options: dict[str, Any]) -> Any:
        return numpy_api.call(numpy_api.function_named(func), args, options)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Any:
        if dtype is not None and np.dtype(dtype).hasobject:     # asked for in so many words
            cell = np.empty((), object)
            cell.fill(self)
            return cell
        raise TypeMismatchError(f"NumPy asks for the value of {describe(self)}{at(self.source)}, which has none when "
                                f"the graph is built; put variables together with gradc.tensor.stack or concatenate, "
                                f"compute with its functions, get a value with .eval() or a function")


class TensorConstant(TensorVariable, Constant):
    """A tensor whose value is known when the graph is built: `data`, read-only."""

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Any:
        return np.array(self.data, dtype=dtype) if copy else np.asarray(self.data, dtype=dtype)


TensorType.variable_class = TensorVariable
TensorType.constant_class = TensorConstant
