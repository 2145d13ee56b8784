"""TensorVariable: Python's operators and NumPy's protocols on variables, and their methods.

The last module of the layer to be imported: it ties the functions of the others to variables and
registers its classes with TensorType.  `==` and `hash` stay those of objects (identity); `eq` is the op.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from gradc.errors import ShapeError, TypeMismatchError, at
from gradc.ir.graph import Constant, Variable, describe
from gradc.ir.types import TensorType
from gradc.tensor import contract, convert, creation, extra, index, shape, truth
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
                                f"{self.name or 'x'} = set_subtensor({self.name or 'x'}[...], value)")

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
            raise TypeMismatchError(f"an index is an integer, got {value!r}")
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
        return ew.round_half_to_even(self)

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

    def astype(self, dtype: object) -> Any:
        """This tensor in another dtype (see `cast`)."""
        return convert.cast(self, dtype)

    def copy(self, name: str | None = None) -> Any:
        """A new variable with the same value."""
        result = ew.identity(self)
        result.name = name
        return result

    def fill(self, value: Any) -> Any:
        """`value` in the shape of this tensor."""
        return ew.second(self, value)

    def get_scalar_constant_value(self) -> Any:
        """The value, if it is known when the graph is built."""
        return convert.get_scalar_constant_value(self)

    def reshape(self, *shape_: Any, ndim: int | None = None) -> Any:
        """See `gradc.tensor.reshape`; takes a shape or one argument per size."""
        if len(shape_) == 2 and ndim is None and isinstance(shape_[0], (list, tuple)):
            return shape.reshape(self, shape_[0], ndim=shape_[1])
        return shape.reshape(self, shape_[0] if len(shape_) == 1 else shape_, ndim=ndim)

    def transpose(self, *axes: Any) -> Any:
        """Axes in another order (reversed without arguments)."""
        return shape.transpose(self, *axes)

    def dimshuffle(self, *pattern: Any) -> Any:
        """Axes in the order `pattern`, with new ones at "x"."""
        return shape.dimshuffle(self, *pattern)

    def clip(self, a_min: Any, a_max: Any) -> Any:
        """This tensor held within bounds."""
        return ew.clip(self, a_min, a_max)

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
        fn = _UFUNCS.get(ufunc)
        if method == "reduce" and ufunc in _UFUNC_REDUCTIONS:
            axis = options.pop("axis", 0)
            return _UFUNC_REDUCTIONS[ufunc](inputs[0], axis=axis, **_without_none(options))
        dtype = options.pop("dtype", None)
        options = _without_none(options)
        if fn is None or method != "__call__" or options:
            what = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
            extra = f" with {', '.join(options)}=" if options else ""
            raise TypeMismatchError(f"numpy.{what}{extra} does not work on variables{at(self.source)}; use the "
                                    f"functions of gradc.tensor")
        result = fn(*inputs)
        return result if dtype is None else convert.cast(result, dtype)

    def __array_function__(self, func: Any, types: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        fn = _ARRAY_FUNCTIONS.get(func)
        if fn is None:
            raise TypeMismatchError(f"numpy.{func.__name__} does not work on variables{at(self.source)}; use the "
                                    f"functions of gradc.tensor")
        return fn(*args, **_without_none(options))


def _without_none(options: dict[str, Any]) -> dict[str, Any]:
    """NumPy's own wrappers pass on defaults such as out=None, initial=<no value>."""
    return {k: v for k, v in options.items() if v is not None and v is not np._NoValue}


class TensorConstant(TensorVariable, Constant):
    """A tensor whose value is known when the graph is built: `data`, read-only."""


def _method(fn: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **options: Any) -> Any:
        return fn(self, *args, **options)

    method.__name__ = fn.__name__
    method.__qualname__ = f"TensorVariable.{fn.__name__}"
    method.__doc__ = fn.__doc__
    return method


# Methods that are the function of the same name with the variable as first argument.
_METHODS: tuple[Callable[..., Any], ...] = (
    red.sum, red.prod, red.mean, red.var, red.std, red.min, red.max, red.argmin, red.argmax, red.all, red.any, red.ptp,
    red.cumsum, red.cumprod, contract.dot, shape.flatten, shape.ravel, shape.diagonal, shape.trace, shape.squeeze,
    shape.swapaxes, shape.repeat, ew.conj, ew.round, creation.zeros_like, creation.ones_like, ew.exp, ew.exp2, ew.expm1,
    ew.log, ew.log2, ew.log10, ew.log1p, ew.sqrt, ew.square, ew.sin, ew.cos, ew.tan, ew.arcsin, ew.arccos, ew.arctan,
    ew.sinh, ew.cosh, ew.tanh, ew.arcsinh, ew.arccosh, ew.arctanh, ew.deg2rad, ew.rad2deg, ew.floor, ew.ceil, ew.trunc,
)
for _fn in _METHODS:
    setattr(TensorVariable, _fn.__name__, _method(_fn))
TensorVariable.conjugate = TensorVariable.conj  # type: ignore[attr-defined]

_UFUNCS: dict[Any, Callable[..., Any]] = {
    np.add: ew.add, np.subtract: ew.sub, np.multiply: ew.mul, np.true_divide: ew.true_divide,
    np.floor_divide: ew.floor_divide, np.remainder: ew.mod, np.divmod: ew.divmod, np.power: ew.pow,
    np.float_power: lambda x, y: ew.pow(convert.cast(x, "float64"), y), np.negative: ew.neg,
    np.positive: convert.as_tensor_variable, np.absolute: ew.abs, np.fabs: ew.abs, np.sign: ew.sgn,
    np.reciprocal: ew.reciprocal, np.sqrt: ew.sqrt, np.square: ew.square, np.exp: ew.exp, np.exp2: ew.exp2,
    np.expm1: ew.expm1, np.log: ew.log, np.log2: ew.log2, np.log10: ew.log10, np.log1p: ew.log1p,
    np.logaddexp: ew.logaddexp, np.sin: ew.sin, np.cos: ew.cos, np.tan: ew.tan, np.arcsin: ew.arcsin,
    np.arccos: ew.arccos, np.arctan: ew.arctan, np.arctan2: ew.arctan2, np.sinh: ew.sinh, np.cosh: ew.cosh,
    np.tanh: ew.tanh, np.arcsinh: ew.arcsinh, np.arccosh: ew.arccosh, np.arctanh: ew.arctanh,
    np.deg2rad: ew.deg2rad, np.radians: ew.deg2rad, np.rad2deg: ew.rad2deg, np.degrees: ew.rad2deg,
    np.floor: ew.floor, np.ceil: ew.ceil, np.trunc: ew.trunc, np.rint: ew.round_half_to_even,
    np.maximum: ew.maximum, np.minimum: ew.minimum, np.equal: ew.eq, np.not_equal: ew.neq, np.less: ew.lt,
    np.less_equal: ew.le, np.greater: ew.gt, np.greater_equal: ew.ge, np.isnan: ew.isnan, np.isinf: ew.isinf,
    np.isfinite: ew.isfinite, np.bitwise_and: ew.and_, np.bitwise_or: ew.or_, np.bitwise_xor: ew.xor,
    np.invert: ew.invert, np.left_shift: ew.left_shift, np.right_shift: ew.right_shift,
    np.logical_and: ew.logical_and, np.logical_or: ew.logical_or, np.logical_xor: ew.logical_xor,
    np.logical_not: ew.logical_not, np.conjugate: ew.conj, np.matmul: contract.matmul,
}

_UFUNC_REDUCTIONS: dict[Any, Callable[..., Any]] = {
    np.add: red.sum, np.multiply: red.prod, np.maximum: red.max, np.minimum: red.min, np.logical_and: red.all,
    np.logical_or: red.any,
}

# numpy.NAME(x, ...) for the functions that are no ufuncs.
_BY_NAME: dict[str, Callable[..., Any]] = {
    "sum": red.sum, "prod": red.prod, "mean": red.mean, "var": red.var, "std": red.std, "max": red.max, "amax": red.max,
    "min": red.min, "amin": red.min, "argmax": red.argmax, "argmin": red.argmin, "all": red.all, "any": red.any,
    "ptp": red.ptp, "cumsum": red.cumsum, "cumprod": red.cumprod, "allclose": red.allclose, "isclose": ew.isclose,
    "where": ew.where, "clip": ew.clip, "round": ew.round, "around": ew.round, "real": ew.real, "imag": ew.imag,
    "angle": ew.angle, "nan_to_num": ew.nan_to_num, "copy": ew.identity, "isposinf": ew.isposinf,
    "isneginf": ew.isneginf,
    "dot": contract.dot, "inner": contract.inner, "outer": contract.outer, "vdot": contract.vdot,
    "tensordot": contract.tensordot, "einsum": contract.einsum,
    "shape": shape.shape, "ndim": lambda x: convert.as_tensor_variable(x).ndim, "size": shape.size,
    "reshape": shape.reshape, "ravel": shape.ravel, "transpose": shape.transpose, "swapaxes": shape.swapaxes,
    "moveaxis": shape.moveaxis, "squeeze": shape.squeeze, "expand_dims": shape.expand_dims,
    "broadcast_to": shape.broadcast_to, "broadcast_arrays": shape.broadcast_arrays, "concatenate": shape.concatenate,
    "stack": lambda arrays, axis=0: shape.stack(list(arrays), axis=axis), "hstack": shape.hstack,
    "vstack": shape.vstack, "tile": shape.tile, "repeat": shape.repeat, "roll": shape.roll, "diag": shape.diag,
    "diagonal": shape.diagonal, "trace": shape.trace, "tril": shape.tril, "triu": shape.triu,
    "atleast_1d": shape.atleast_1d, "atleast_2d": shape.atleast_2d, "zeros_like": creation.zeros_like,
    "ones_like": creation.ones_like, "full_like": creation.full_like, "empty_like": creation.empty_like,
    "diff": extra.diff, "linspace": creation.linspace, "meshgrid": creation.meshgrid,
}
_ARRAY_FUNCTIONS: dict[Any, Callable[..., Any]] = {
    getattr(np, name): fn for name, fn in _BY_NAME.items() if hasattr(np, name)}
_ARRAY_FUNCTIONS[np.linalg.norm] = red.norm

TensorType.variable_class = TensorVariable
TensorType.constant_class = TensorConstant
