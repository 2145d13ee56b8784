"""From Python values to tensor variables: `as_tensor_variable, constant, cast`, and sizes from shapes.

Here: the dtype of a Python number, alone (`number`) and beside tensors (`together`), as `config.cast_policy` says;
lists of variables, casts, and the taking apart of shapes (an int, a tuple of ints and scalars, a vector) into the int64
scalars that op kinds take.
Not here: the classes of the variables made (`variable.py` registers them with `TensorType`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

import numpy as np

from gradc.config import config
from gradc.errors import NotScalarConstantError, NumberRangeError, ShapeError, TypeMismatchError, at, quoted
from gradc.ir import build, dtypes, graph, ops
from gradc.ir.dtypes import DTypeLike
from gradc.ir.facts import facts, permutation, reads
from gradc.ir.graph import Apply, Constant, Variable, apply, describe, is_tensor, tensor_type
from gradc.ir.scalars import get_row
from gradc.ir.types import TensorType
from gradc.tensor.types import List, ShapeLike, TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = ["as_tensor", "as_tensor_variable", "cast", "constant", "get_scalar_constant_value"]


# Data and type of the Python numbers seen so far; read-only arrays, so that constants can share them.
_NUMBERS: dict[object, tuple[TensorType, np.ndarray]] = {}
_NUMBERS_LIMIT = 10_000


PythonNumber: TypeAlias = "bool | int | float | complex"


def is_python_number(x: object) -> TypeGuard[PythonNumber]:
    """Is x a Python number?  NumPy's scalars are none: they have a dtype."""
    return isinstance(x, (bool, int, float, complex)) and not isinstance(x, np.generic)


def number(value: int | float) -> TensorVariable:
    """A constant for a Python int or float alone; its array comes from the table where possible."""
    policy = config.cast_policy
    key = (value if value.__class__ is int else (value, config.floatX)) if policy == "custom" else \
        (value.__class__, value, config.floatX)
    found = _NUMBERS.get(key)
    if found is None:
        data = dtypes.autocast(value) if policy == "custom" else dtypes.default_array(value)
        data.flags.writeable = False
        found = (TensorType.make(data.dtype.name, ()), data)
        if (value or value.__class__ is int) and len(_NUMBERS) < _NUMBERS_LIMIT:     # 0.0 and -0.0 are equal keys
            _NUMBERS[key] = found
    return found[0].constant_class(*found)


def constant(x: TensorLike, name: str | None = None, ndim: int | None = None,
             dtype: DTypeLike | None = None) -> TensorVariable:
    """A constant tensor holding `x` (a number, a nested list of numbers, or an array).

    Dtype: `dtype` if given; Python ints the smallest signed type that holds them, Python floats float32
    where that is exact, else float64; arrays and NumPy scalars keep theirs; an empty list is floatX.  Under another
    `config.cast_policy` than "custom", Python ints are int64, Python floats and lists of them floatX.
    Raises: TypeMismatchError for anything that is no array of numbers, or a dtype gradc does not have;
    NumberRangeError for a Python int that `dtype` does not hold.
    """
    if dtype is None and (x.__class__ is int or x.__class__ is float):
        result = number(x)
        if ndim:
            result = constant(np.reshape(x, (1,) * ndim), dtype=result.dtype)
        result.name = name
        return result
    if isinstance(x, Constant):
        if dtype is None and ndim is None and name is None:
            return as_tensor_variable(x)
        x = x.data
    if isinstance(x, Variable):
        raise TypeMismatchError(f"constant takes a value, got the variable {describe(x)}{at(x.source)}; use "
                                f"as_tensor_variable")
    try:
        if dtype is not None:
            want = dtypes.check_dtype(dtype)
            data = _literal(x, want) if isinstance(x, int) else np.asarray(x)
            if data.dtype.kind == "c" and want not in dtypes.COMPLEX:
                raise TypeMismatchError(f"expected a real number for dtype {want}, got {quoted(x)} of type "
                                        f"{type(x).__name__}{at(graph.user_line())}; take its real part first")
            data = data.astype(want, copy=False)
        elif isinstance(x, (list, tuple)) and not len(x):
            data = np.asarray(x, dtype=config.floatX)
        elif config.cast_policy != "custom" and is_python_number(x):
            data = dtypes.default_array(x)
        else:
            data = dtypes.autocast(x)
            if config.cast_policy != "custom" and isinstance(x, (list, tuple)) and data.dtype == "float64":
                data = data.astype(config.floatX)
    except ValueError as error:
        raise TypeMismatchError(f"expected a number or an array of numbers, got {quoted(x)} ({error})"
                                f"{at(graph.user_line())}") from None
    if data.dtype.name not in dtypes.ITEMSIZE:
        if data.dtype.kind not in "biufc":
            raise TypeMismatchError(f"expected a variable, a number or an array of numbers, got {quoted(x)} of type "
                                    f"{type(x).__name__}{at(graph.user_line())}")
        raise TypeMismatchError(f"expected a dtype out of {', '.join(dtypes.ALL)}, got {data.dtype} from a "
                                f"{type(x).__name__}{at(graph.user_line())}; cast it")
    if ndim is not None and ndim != data.ndim:
        if ndim < data.ndim:
            raise ShapeError(f"expected a constant of {ndim} dimension(s), got one of {data.ndim}, shape {data.shape}"
                             f"{at(graph.user_line())}")
        data = data.reshape((1,) * (ndim - data.ndim) + data.shape)
    data = np.array(data, dtype=data.dtype.newbyteorder("="), order="C")
    data.flags.writeable = False
    kind = TensorType.make(data.dtype.name, data.shape)
    return kind.constant_class(kind, data, name=name)


def as_tensor_variable(x: TensorLike, name: str | None = None, ndim: int | None = None,
                       dtype: DTypeLike | None = None) -> TensorVariable:
    """`x` as a tensor variable: variables pass, numbers and arrays become constants, lists are stacked.

    With `ndim`, missing dimensions are added on the left.  With `dtype`, a variable of another dtype is an
    error (cast it), a value is converted.
    Raises: TypeMismatchError if `x` can't be a tensor, ShapeError if it has more than `ndim` dimensions.
    """
    if isinstance(x, Variable):
        if not is_tensor(x):
            raise TypeMismatchError(f"expected a tensor, got {describe(x)} of type {x.type}{at(x.source)}")
        variable = x
    elif isinstance(x, Apply):
        variable = as_tensor_variable(x.default_output())
    elif isinstance(x, (list, tuple)) and has_variable(x):
        variable = stack_new_axis(x)
    elif isinstance(x, np.ndarray) and x.dtype == object and x.ndim:
        return as_tensor_variable(x.tolist(), name, ndim, dtype)
    else:
        return constant(x, name, ndim, dtype)
    if dtype is not None and variable.type.dtype != dtypes.check_dtype(dtype):
        raise TypeMismatchError(f"expected dtype {dtype}, got {describe(variable)} of type {variable.type}"
                                f"{at(variable.source)}; cast it")
    have = variable.type.ndim
    if ndim is None or ndim == have:
        return variable
    if ndim < have:
        raise ShapeError(f"expected {ndim} dimension(s), got {describe(variable)}, which has {have}"
                         f"{at(variable.source)}")
    return build.insert_axes(graph, variable, range(ndim - have), ndim)


as_tensor = as_tensor_variable


# ---------------------------------------------------------------------------------- Python numbers beside tensors


Beyond: TypeAlias = "Callable[[int, str], np.ndarray]"      # an int and the dtype that does not hold it -> a constant


def together(args: Sequence[TensorLike], *, converting: bool = True, beyond: Beyond | None = None
             ) -> list[TensorVariable]:
    """`args`, which meet in one operation, as tensors, with the dtypes that `config.cast_policy` says.

    "custom": each as if alone; Python floats that float16 holds are float16 beside one.  "numpy+floatX": each as if
    alone; with floatX float32, integers become float32 where they would make a float64 of what is none.  "weak":
    Python numbers take the common dtype of the others if it is of their kind or a higher one (bool, integer, float,
    complex), else int64, floatX or complex; where floatX is float32, integers beside a Python float become float32.
    `converting`: may arguments that have a dtype be cast so?
    An int that the dtype does not hold is an error, or what `beyond` makes of it.
    Raises: NumberRangeError for it.
    Source of "weak": NumPy enhancement proposal 50; of "numpy+floatX": Aesara's documentation of the flag.
    """
    policy = config.cast_policy
    if policy != "weak":
        made = [as_tensor_variable(a) for a in args]
        if policy == "custom" and any([v.type.dtype == "float16" for v in made]):
            return [constant(a, dtype="float16") if a.__class__ is float and _is_half(a) else v
                    for a, v in zip(args, made)]
        if policy == "numpy+floatX" and converting and config.floatX == "float32":
            have = [v.type.dtype for v in made]
            if "float64" not in have and dtypes.upcast(*have) == "float64":
                made = [converted(v, "float32") for v in made]
        return made
    typed = {k: as_tensor_variable(a) for k, a in enumerate(args) if not is_python_number(a)}
    numbers = [a for a in args if is_python_number(a)]
    common = dtypes.upcast(*[v.type.dtype for v in typed.values()]) if typed else "bool"
    want = _beside(common, max(map(_kind, numbers), default=0))
    if converting:
        typed = {k: v if dtypes.upcast(v.type.dtype, want) == want else converted(v, want) for k, v in typed.items()}
    return [typed[k] if k in typed else constant(_literal(a, want, beyond)) for k, a in enumerate(args)]


def _is_half(value: float) -> bool:
    """Does float16 hold it exactly?"""
    with np.errstate(over="ignore"):
        return float(np.float16(value)) == value or value != value


_KINDS = {"b": 0, "i": 1, "u": 1, "f": 2, "c": 3}


def _kind(value: PythonNumber) -> int:
    return next(k for k, kind in enumerate((bool, int, float, complex)) if isinstance(value, kind))


def _beside(common: str, kind: int) -> str:
    """The dtype of Python numbers, the highest of which is of `kind` (0 to 3), beside arrays of the dtype `common`."""
    if kind <= _KINDS[np.dtype(common).kind]:
        return common
    if kind == 1:
        return "int64"
    if kind == 3 and common in dtypes.FLOATS:
        return dtypes.COMPLEX_OF[common]
    return dtypes.default_dtype(kind == 3)


def _literal(value: Any, dtype: str, beyond: Beyond | None = None) -> np.ndarray:
    """A Python number as an array of `dtype`; a float too large for it is inf."""
    if dtype in dtypes.INTEGERS:
        limits = np.iinfo(dtype)
        if not limits.min <= value <= limits.max:
            if beyond is not None:
                return beyond(value, dtype)
            raise NumberRangeError(f"expected an integer from {limits.min} to {limits.max}, as the dtype is {dtype}, "
                                   f"got {quoted(value)}{at(graph.user_line())}; take a wider dtype")
    try:
        with np.errstate(over="ignore"):
            return np.asarray(value, dtype)
    except OverflowError:           # an int beyond all floats
        raise NumberRangeError(f"expected a number that {dtype} holds, got {quoted(value)}"
                               f"{at(graph.user_line())}") from None


def meeting(fn: str, args: Sequence[TensorLike]) -> Sequence[TensorVariable]:
    """The arguments of the row `fn` as tensors, as `config.cast_policy` says."""
    row = get_row(fn)
    if row.rule == "select":
        return [as_tensor_variable(args[0]), *together(args[1:])]
    if row.rule == "scaled":
        return [as_tensor_variable(a) for a in args]
    if row.rule == "second":            # of the dtype of the second one, whatever the first is
        return [as_tensor_variable(args[0]), together(args, converting=False)[1]]
    if row.rule == "comparison":        # of the values themselves, as NumPy compares them
        return together(args, converting=False, beyond=lambda value, _: np.asarray(np.inf if value > 0 else -np.inf))
    if fn == "clip":                    # a bound that the dtype does not hold is none
        return together(args, beyond=lambda value, dtype:
                        np.asarray(np.iinfo(dtype).max if value > 0 else np.iinfo(dtype).min, dtype))
    if row.rule in ("division", "floating", "pair"):            # computed in floats
        return together(args, beyond=lambda value, dtype: np.asarray(value, row.dtypes(*[dtype] * len(args))[0]))
    return together(args)


def has_variable(items: List) -> bool:
    return any(isinstance(i, (Variable, Apply)) or (isinstance(i, (list, tuple)) and has_variable(i))
               for i in items)


def stack_new_axis(items: List) -> TensorVariable:
    """Tensors of equal rank along a new first axis (nested lists give one axis per level)."""
    rows = together(items)
    ndim = rows[0].type.ndim
    for r in rows:
        if r.type.ndim != ndim:
            raise ShapeError(f"a list that is to make a tensor holds tensors of {ndim} and of {r.type.ndim} "
                             f"dimensions{at(r.source)}")
    lifted = [build.insert_axes(graph, r, (0,), ndim + 1) for r in rows]
    if len(lifted) > 1 or len({r.type.dtype for r in rows}) > 1:
        return apply(ops.Concat(0), *lifted)
    return lifted[0]


def cast(x: TensorLike, dtype: DTypeLike) -> TensorVariable:
    """`x` converted to `dtype` ("floatX" is resolved); `x` itself if it has that dtype.

    Floats go to integers by truncation, nan gives 0, values out of range saturate.
    Raises: TypeMismatchError for complex to real (take real(x) or abs(x)).
    """
    x = as_tensor_variable(x)
    want = dtypes.check_dtype(dtype)
    if x.type.dtype == want:
        return x
    return apply(ops.Cast(want), x)


def converted(value: TensorLike, dtype: DTypeLike) -> TensorVariable:
    """`value` in `dtype`; a constant stays a constant (`cast` makes an expression of it).

    Raises: NumberRangeError for a Python int that `dtype` does not hold.
    """
    if is_python_number(value):
        return constant(value, dtype=dtype)
    value = as_tensor_variable(value)
    return constant(value.data, dtype=dtype) if isinstance(value, Constant) else cast(value, dtype)


def get_scalar_constant_value(v: TensorLike) -> np.ndarray:
    """The value of a variable that is a scalar constant, looking through casts, broadcasts and fills.

    Raises: NotScalarConstantError if the value is not known when the graph is built.
    """
    if isinstance(v, (bool, int, float, complex, np.generic)):
        return np.asarray(v)
    if isinstance(v, np.ndarray):
        v = as_tensor_variable(v)
    dtype = None
    while isinstance(v, Variable):
        if isinstance(v, Constant) and isinstance(v.data, np.ndarray):
            data = v.data
            if data.size and (data.ndim == 0 or (data == data.flat[0]).all()):
                value = np.asarray(data.flat[0])
                return value if dtype is None else value.astype(dtype)
            break
        if v.owner is None:
            break
        op, inputs = v.owner.op, v.owner.inputs
        if type(op) is ops.Cast:
            dtype = dtype or op.dtype
            v = inputs[0]
        elif facts(op).values == 1 or type(op) is ops.GradientOf or op == ops.Map("identity"):
            v = inputs[0]
        elif op == ops.Map("second"):
            v = inputs[1]
        else:
            break
    raise NotScalarConstantError(f"{describe(v) if isinstance(v, Variable) else quoted(v)} has no value when the "
                                 f"graph is built{at(graph.user_line())}")


# ------------------------------------------------------------------------------------------- sizes and shapes


def size_constant(value: int) -> TensorVariable:
    """An int64 scalar constant."""
    return constant(np.asarray(value, dtype="int64"))


def of_sizes(f: Callable[..., Any], *sizes: TensorVariable) -> TensorVariable:
    """f, which is arithmetic, of int64 scalars: a constant if they are constants."""
    known = [int(n.data) for n in sizes if isinstance(n, Constant)]
    made: TensorVariable = f(*sizes) if len(known) < len(sizes) else size_constant(int(f(*known)))
    return made


def size_of(x: TensorVariable, axis: int) -> TensorVariable:
    """The size of tensor `x` along `axis` (non-negative) as an int64 scalar: a constant where it is known."""
    static = x.type.shape[axis]
    return size_constant(static) if static is not None else apply(ops.ShapeOf(axis), x)


def sizes_of(x: TensorVariable) -> list[TensorVariable]:
    """All sizes of tensor `x`."""
    return [size_of(x, k) for k in range(x.type.ndim)]


def _one_size(value: TensorLike) -> TensorVariable:
    if isinstance(value, (bool, np.bool_)):
        raise TypeMismatchError(f"a size is an integer, got {quoted(value)}{at(graph.user_line())}")
    if isinstance(value, (int, np.integer)):
        return size_constant(int(value))
    if isinstance(value, (Variable, np.ndarray)):
        v = as_tensor_variable(value)
        if v.type.dtype in dtypes.INTEGERS and v.type.ndim <= 1 and all(s == 1 for s in v.type.shape):
            if isinstance(v, Constant):
                return size_constant(int(v.data.reshape(())))
            if v.type.ndim and v.owner is not None and permutation(v.owner.op) == (-1,):
                v = as_tensor_variable(v.owner.inputs[0])
            return cast(build.scalar(graph, v), "int64")
        raise TypeMismatchError(f"a size is an integer scalar, got {describe(v)} of type {v.type}{at(v.source)}")
    raise TypeMismatchError(f"a size is an integer or an integer scalar variable, got {quoted(value)}"
                            f"{at(graph.user_line())}")


def sizes(shape: ShapeLike, *, ndim: int | None = None, allow_unknown: bool = False) -> list[TensorVariable]:
    """A shape taken apart into int64 scalars: from an int, a scalar, a vector, or a sequence of sizes.

    A vector must be of known length, or `ndim` must say it.  Negative constants are refused unless
    `allow_unknown` (a -1 of reshape).
    """
    if isinstance(shape, (list, tuple)):
        result = [_one_size(s) for s in shape]
    elif isinstance(shape, (int, np.integer)):
        result = [_one_size(shape)]
    else:
        v = as_tensor_variable(shape)
        if v.type.ndim == 0:
            result = [_one_size(v)]
        elif v.type.ndim != 1 or (v.type.dtype not in dtypes.INTEGERS and v.type.shape != (0,)):
            raise TypeMismatchError(f"a shape is a vector of integers, got {describe(v)} of type {v.type}"
                                    f"{at(v.source)}")
        elif isinstance(v, Constant):
            result = [size_constant(int(k)) for k in v.data]
        elif v.owner is not None and type(v.owner.op) is ops.ShapeOf:
            result = sizes_of(as_tensor_variable(v.owner.inputs[0]))
        elif v.owner is not None and type(v.owner.op) is ops.Concat and \
                all(tensor_type(p).shape == (1,) for p in v.owner.inputs):      # a list of scalars put together before
            result = [_one_size(p) for p in v.owner.inputs]
        elif v.owner is not None and (items := reads(v.owner.op)) is not None and v.type.shape[0] is not None and \
                len(v.owner.inputs) == 1 and len(items) == 1:                      # x.shape[1:]
            item = items[0]
            result = sizes(v.owner.inputs[0], allow_unknown=True)[slice(item.start, item.stop, item.step)]
        else:
            length = v.type.shape[0] if v.type.shape[0] is not None else ndim
            if length is None:
                raise ShapeError(f"the length of the shape vector {describe(v)} is not known{at(v.source)}; give "
                                 f"ndim=, or a tuple of scalars")
            result = [cast(build.take(graph, v, k), "int64") for k in range(length)]
            if v.type.shape[0] is None and result:
                have, want = apply(ops.ShapeOf(0), v), size_constant(length)
                result[0] = apply(ops.Assert("expected a shape of {1} entries, got {0}", "shape", 2), result[0],
                                  apply(ops.Map("eq"), have, want), have, want)
    if ndim is not None and len(result) != ndim:
        raise ShapeError(f"expected a shape of {ndim} entries, got {len(result)}{at(graph.user_line())}")
    if not allow_unknown:
        for s in result:
            if isinstance(s, Constant) and s.data < 0:
                raise ShapeError(f"sizes must not be negative, got {int(s.data)}{at(graph.user_line())}")
    return result


graph.conversion = as_tensor_variable
