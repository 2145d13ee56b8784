"""TensorVariable: Python's operators and NumPy's protocols on variables, and their methods.

The last module of the layer to be imported: it ties the functions of the others to variables and
registers its classes with TensorType.  `==` and `hash` stay those of objects (identity); `eq` is the op.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from gradc.errors import ShapeError, TypeMismatchError, at, quoted, shown
from gradc.ir.graph import Constant, Variable, describe
from gradc.ir.types import TensorType
from gradc.tensor import contract, convert, creation, index, numpy_api, repeats, shape, truth
from gradc.tensor import elemwise as ew
from gradc.tensor import reduce as red


class TensorVariable(Variable):
    """A symbolic tensor.  Operators and methods build new variables and change nothing."""

    __array_priority__ = 1000

    # ------------------------------------------------------------------------------------ what it is

    @property
    def dtype(self) -> str:
        return self.type.dtype  # type: ignore[attr-defined]

    @property
    def ndim(self) -> int:
        return len(self.type.shape)  # type: ignore[attr-defined]

    @property
    def broadcastable(self) -> tuple[bool, ...]:
        """Per dimension: is its size known to be 1?"""
        return self.type.broadcastable  # type: ignore[attr-defined]

    @property
    def shape(self) -> Any:
        """The shape as an int64 vector."""
        return shape.shape(self)

    @property
    def size(self) -> Any:
        """Number of elements, an int64 scalar."""
        return shape.size(self)

    @property
    def T(self) -> Any:
        """Axes reversed."""
        return shape.transpose(self)

    @property
    def mT(self) -> Any:
        """The last two axes exchanged."""
        return shape.matrix_transpose(self)

    @property
    def real(self) -> Any:
        return ew.real(self)

    @property
    def imag(self) -> Any:
        return ew.imag(self)

    # ------------------------------------------------------------------------- what it refuses, and advice

    def __bool__(self) -> bool:
        # Only results that look like conditions: `if x:` tests for None in much existing code.
        if self.owner is not None and self.type.dtype == "bool":  # type: ignore[attr-defined]
            raise TypeMismatchError(f"a symbolic condition has no truth value when the graph is built"
                                    f"{at(self.source)}; use switch(condition, a, b) or ifelse, and `&` and `|` "
                                    f"instead of `and` and `or`")
        truth.note_truth(self)
        return True

    def __eq__(self, other: object) -> Any:
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

    def __iter__(self) -> Iterator[Any]:
        if self.ndim == 0:
            raise TypeMismatchError(f"iteration over the scalar {describe(self)}{at(self.source)}")
        n = self.type.shape[0]  # type: ignore[attr-defined]
        if n is None:
            raise ShapeError(f"Length of {describe(self)} cannot be determined{at(self.source)}: it is "
                             f"{self.type.short()}; use scan, or index it with ints")  # type: ignore[attr-defined]
        return (self[k] for k in range(n))

    def __setitem__(self, key: Any, value: Any) -> None:
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
            raise TypeMismatchError(f"an index is an integer, got {quoted(value)}")
        return int(value)

    # ------------------------------------------------------------------------------------ operators

    def __neg__(self) -> Any:
        return ew.elementwise("neg", self)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return ew.elementwise("abs", self)

    def __invert__(self) -> Any:
        return ew.elementwise("invert", self)

    def __round__(self, ndigits: int | None = None) -> Any:
        return numpy_api.call("round", (self, ndigits or 0), {})

    def __floor__(self) -> Any:
        return ew.floor(self)

    def __ceil__(self) -> Any:
        return ew.ceil(self)

    def __trunc__(self) -> Any:
        return ew.trunc(self)

    def __add__(self, other: Any) -> Any:
        return ew.elementwise("add", self, other)

    def __radd__(self, other: Any) -> Any:
        return ew.elementwise("add", other, self)

    def __sub__(self, other: Any) -> Any:
        return ew.elementwise("sub", self, other)

    def __rsub__(self, other: Any) -> Any:
        return ew.elementwise("sub", other, self)

    def __mul__(self, other: Any) -> Any:
        return ew.elementwise("mul", self, other)

    def __rmul__(self, other: Any) -> Any:
        return ew.elementwise("mul", other, self)

    def __truediv__(self, other: Any) -> Any:
        return ew.elementwise("true_divide", self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return ew.elementwise("true_divide", other, self)

    def __floordiv__(self, other: Any) -> Any:
        return ew.elementwise("floor_divide", self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return ew.elementwise("floor_divide", other, self)

    def __mod__(self, other: Any) -> Any:
        return ew.elementwise("mod", self, other)

    def __rmod__(self, other: Any) -> Any:
        return ew.elementwise("mod", other, self)

    def __divmod__(self, other: Any) -> Any:
        return ew.divmod(self, other)

    def __rdivmod__(self, other: Any) -> Any:
        return ew.divmod(other, self)

    def __pow__(self, other: Any) -> Any:
        return ew.elementwise("pow", self, other)

    def __rpow__(self, other: Any) -> Any:
        return ew.elementwise("pow", other, self)

    def __matmul__(self, other: Any) -> Any:
        return contract.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return contract.matmul(other, self)

    def __lshift__(self, other: Any) -> Any:
        return ew.elementwise("left_shift", self, other)

    def __rlshift__(self, other: Any) -> Any:
        return ew.elementwise("left_shift", other, self)

    def __rshift__(self, other: Any) -> Any:
        return ew.elementwise("right_shift", self, other)

    def __rrshift__(self, other: Any) -> Any:
        return ew.elementwise("right_shift", other, self)

    def __and__(self, other: Any) -> Any:
        return ew.elementwise("and_", self, other)

    def __rand__(self, other: Any) -> Any:
        return ew.elementwise("and_", other, self)

    def __or__(self, other: Any) -> Any:
        return ew.elementwise("or_", self, other)

    def __ror__(self, other: Any) -> Any:
        return ew.elementwise("or_", other, self)

    def __xor__(self, other: Any) -> Any:
        return ew.elementwise("xor", self, other)

    def __rxor__(self, other: Any) -> Any:
        return ew.elementwise("xor", other, self)

    def __lt__(self, other: Any) -> Any:
        return ew.elementwise("lt", self, other)

    def __le__(self, other: Any) -> Any:
        return ew.elementwise("le", self, other)

    def __gt__(self, other: Any) -> Any:
        return ew.elementwise("gt", self, other)

    def __ge__(self, other: Any) -> Any:
        return ew.elementwise("ge", self, other)

    def __getitem__(self, key: Any) -> Any:
        return index.getitem(self, key)

    # ----------------------------------------------------------------------------------- methods

    def astype(self, dtype: object, order: str = "K", casting: str = "unsafe", subok: bool = True,
               copy: bool = True) -> Any:
        """This tensor in another dtype (see `cast`); what NumPy's other arguments say of memory changes nothing."""
        return convert.cast(self, dtype)

    def copy(self, name: str | None = None, order: str = "C") -> Any:
        """A new variable with the same value; `order` is that of memory, which is gradc's affair."""
        result = ew.identity(self)
        result.name = name
        return result

    def fill(self, value: Any) -> Any:
        """`value` in the shape of this tensor."""
        return ew.second(self, value)

    def get_scalar_constant_value(self) -> Any:
        """The value, if it is known when the graph is built."""
        return convert.get_scalar_constant_value(self)

    def reshape(self, *shape_: Any, ndim: int | None = None, **options: Any) -> Any:
        """See `gradc.tensor.reshape`; takes a shape or one argument per size."""
        if options:         # NumPy's: order, copy
            return numpy_api.call("reshape", (self, shape_[0] if len(shape_) == 1 else shape_), options)
        if len(shape_) == 2 and ndim is None and isinstance(shape_[0], (list, tuple)):
            return shape.reshape(self, shape_[0], ndim=shape_[1])
        return shape.reshape(self, shape_[0] if len(shape_) == 1 else shape_, ndim=ndim)

    def transpose(self, *axes: Any) -> Any:
        """Axes in another order (reversed without arguments)."""
        return shape.transpose(self, *axes)

    def dimshuffle(self, *pattern: Any) -> Any:
        """Axes in the order `pattern`, with new ones at "x"."""
        return shape.dimshuffle(self, *pattern)

    def clip(self, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
        """This tensor held within bounds; None is none."""
        return numpy_api.call("clip", (self, a_min, a_max), {"min": min, "max": max})

    def round(self, decimals: Any = 0, mode: str | None = None) -> Any:
        """Rounded half to even, to that many decimals; or as Aesara's `mode` says (which may come first)."""
        if isinstance(decimals, str) or mode is not None:
            return ew.round(self, mode or decimals)
        return numpy_api.call("round", (self, decimals), {})

    def flatten(self, ndim: Any = 1, order: str = "C") -> Any:
        """See `gradc.tensor.flatten`; NumPy's order may come first."""
        if isinstance(ndim, str) or order != "C":
            return self.ravel(ndim if isinstance(ndim, str) else order)
        return shape.flatten(self, ndim)

    def ravel(self, order: str = "C") -> Any:
        """As a vector."""
        return numpy_api.call("ravel", (self, order), {})

    def norm(self, L: Any = 2, axis: Any = None, keepdims: bool = False) -> Any:
        """The L-norm of the elements along `axis`; see `gradc.tensor.norm`."""
        x = shape.flatten(self) if axis is None and self.ndim > 1 and not keepdims else self
        return red.norm(x, L, axis, keepdims)

    def set(self, value: Any) -> Any:
        """For a part `x[i]`: a copy of x with that part set to `value`."""
        return index.set_subtensor(self, value)

    def inc(self, value: Any) -> Any:
        """For a part `x[i]`: a copy of x with `value` added to that part."""
        return index.inc_subtensor(self, value)

    # ------------------------------------------------------------------------------ NumPy's protocols

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        return numpy_api.call_ufunc(ufunc, method, inputs, options)

    def __array_function__(self, func: Any, types: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        return numpy_api.call(numpy_api.function_named(func), args, options)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        if dtype is not None and np.dtype(dtype).hasobject:     # asked for in so many words
            cell = np.empty((), object)
            cell.fill(self)
            return cell
        raise TypeMismatchError(f"NumPy asks for the value of {describe(self)}{at(self.source)}, which has none when "
                                f"the graph is built; put variables together with gradc.tensor.stack or concatenate, "
                                f"compute with its functions, get a value with .eval() or a function")


class TensorConstant(TensorVariable, Constant):
    """A tensor whose value is known when the graph is built: `data`, read-only."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.array(self.data, dtype=dtype) if copy else np.asarray(self.data, dtype=dtype)


def _method(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A method that is a function of gradc, or with options that only NumPy has, NumPy's."""
    own = frozenset(inspect.signature(fn).parameters)

    def method(self: Any, *args: Any, **options: Any) -> Any:
        if options and not own.issuperset(options) and fn.__name__ in numpy_api.FUNCTIONS:
            return numpy_api.call(fn.__name__, (self, *args), options)
        return fn(self, *args, **options)

    method.__name__ = fn.__name__
    method.__qualname__ = f"TensorVariable.{fn.__name__}"
    method.__doc__ = fn.__doc__
    return method


# Methods that are the function of the same name with the variable as first argument.
_METHODS: tuple[Callable[..., Any], ...] = (
    red.sum, red.prod, red.mean, red.var, red.std, red.min, red.max, red.argmin, red.argmax, red.all, red.any, red.ptp,
    red.cumsum, red.cumprod, contract.dot, index.take, shape.diagonal, shape.trace, shape.squeeze,
    shape.swapaxes, repeats.repeat, ew.conj, creation.zeros_like, creation.ones_like, ew.exp, ew.exp2, ew.expm1,
    ew.log, ew.log2, ew.log10, ew.log1p, ew.sqrt, ew.square, ew.sin, ew.cos, ew.tan, ew.arcsin, ew.arccos, ew.arctan,
    ew.sinh, ew.cosh, ew.tanh, ew.arcsinh, ew.arccosh, ew.arctanh, ew.deg2rad, ew.rad2deg, ew.floor, ew.ceil, ew.trunc,
)
for _fn in _METHODS:
    setattr(TensorVariable, _fn.__name__, _method(_fn))
TensorVariable.conjugate = TensorVariable.conj  # type: ignore[attr-defined]

TensorType.variable_class = TensorVariable
TensorType.constant_class = TensorConstant
