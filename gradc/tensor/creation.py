"""Making tensors: typed inputs (`dmatrix("x")`), and tensors from shapes (`zeros, arange, eye, ...`).

Typed constructors: `scalar, vector, row, col, matrix, tensor3 ... tensor7` make floatX inputs; with a prefix
(b w i l int8-int64, f d float32 float64, c z complex) they are TensorType objects, which make an input when
called.  Plurals make several: `dvectors("x", "y")`, `scalars("xy")`, `matrices(3)`.
Tensors from shapes are composites of `Broadcast` and `Iota`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradc.config import config
from gradc.errors import ShapeError, TypeMismatchError, quoted
from gradc.ir import dtypes, ops
from gradc.ir.graph import Constant, apply
from gradc.ir.types import TensorType
from gradc.tensor import elemwise as ew
from gradc.tensor import shape as shp
from gradc.tensor.checks import fail, integer, not_negative, python_integer, true
from gradc.tensor.convert import as_tensor_variable, cast, constant, size_constant, size_of, sizes, sizes_of

# ------------------------------------------------------------------------------------------- typed inputs

SHAPES: dict[str, tuple[int | None, ...]] = {
    "scalar": (), "vector": (None,), "row": (1, None), "col": (None, 1), "matrix": (None, None),
    "tensor3": (None,) * 3, "tensor4": (None,) * 4, "tensor5": (None,) * 5, "tensor6": (None,) * 6,
    "tensor7": (None,) * 7,
}
PLURALS: dict[str, str] = {
    "scalar": "scalars", "vector": "vectors", "row": "rows", "col": "cols", "matrix": "matrices",
    "tensor3": "tensor3s", "tensor4": "tensor4s", "tensor5": "tensor5s", "tensor6": "tensor6s",
    "tensor7": "tensor7s",
}


def tensor(*args: Any, name: str | None = None, dtype: object = None, shape: Any = None,
           broadcastable: Any = None) -> Any:
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
        raise TypeMismatchError(f"tensor takes a name, dtype= and shape=, or a dtype and a shape; got {args}")
    if broadcastable is not None:
        return TensorType(dtype or config.floatX, broadcastable=broadcastable)(name)
    if isinstance(shape, (int, np.integer)) and not isinstance(shape, bool):
        shape = (shape,)
    return TensorType(dtype or config.floatX, () if shape is None else shape)(name)


def _constructor(kind: str) -> Callable[..., Any]:
    default = SHAPES[kind]

    def make(name: str | None = None, dtype: object = None, shape: Any = None) -> Any:
        if shape is not None and len(shape) != len(default):
            raise ShapeError(f"{kind} has {len(default)} dimension(s), got shape {quoted(shape)}")
        return TensorType(config.floatX if dtype is None else dtype, default if shape is None else shape)(name)

    make.__name__ = make.__qualname__ = kind
    make.__doc__ = (f"A new {kind} input of dtype `dtype` (default floatX).\n\n"
                    f"Shapes: ({', '.join('?' if s is None else str(s) for s in default)}), or `shape`.")
    return make


def several(make: Callable[..., Any], *names: Any, **options: Any) -> Any:
    """Inputs for `names`: several strings, one string of one-letter names, a list, or a number of unnamed ones."""
    if len(names) == 1:
        only = names[0]
        if isinstance(only, (int, np.integer)):
            return [make(None, **options) for _ in range(python_integer(only, "a number of inputs", "it", 0))]
        if isinstance(only, str) and len(only) == 1:
            return make(only, **options)
        names = tuple(only)
    return [make(n, **options) for n in names]


def _plural(make: Callable[..., Any], word: str) -> Callable[..., Any]:
    def make_several(*names: Any, **options: Any) -> Any:
        return several(make, *names, **options)

    make_several.__name__ = make_several.__qualname__ = word
    make_several.__doc__ = f"Several inputs at once: `{word}('x', 'y')`, `{word}('xy')`, `{word}(2)`."
    return make_several


scalar = _constructor("scalar")
vector = _constructor("vector")
row = _constructor("row")
col = _constructor("col")
matrix = _constructor("matrix")
tensor3 = _constructor("tensor3")
tensor4 = _constructor("tensor4")
tensor5 = _constructor("tensor5")
tensor6 = _constructor("tensor6")
tensor7 = _constructor("tensor7")


def typed_constructors() -> dict[str, Any]:
    """Every constructor by name: `matrix, matrices, dmatrix, dmatrices, ...`; the namespace takes them from here."""
    table: dict[str, Any] = {}
    plain = {"scalar": scalar, "vector": vector, "row": row, "col": col, "matrix": matrix, "tensor3": tensor3,
             "tensor4": tensor4, "tensor5": tensor5, "tensor6": tensor6, "tensor7": tensor7}
    for kind, make in plain.items():
        table[kind] = make
        table[PLURALS[kind]] = _plural(make, PLURALS[kind])
        for prefix, dtype in dtypes.PREFIX.items():
            table[prefix + kind] = typed = TensorType(dtype, SHAPES[kind])
            table[prefix + PLURALS[kind]] = _plural(typed, prefix + PLURALS[kind])
    return table


# ----------------------------------------------------------------------------------------- constant fillings


def alloc(value: Any, *shape: Any) -> Any:
    """`value` repeated to a shape, given as one argument per size or as one tuple."""
    spec: Any = shape
    if len(shape) == 1 and not isinstance(shape[0], (int, np.integer)):
        spec = shape[0]
    return apply(ops.Broadcast(), as_tensor_variable(value), *[not_negative(s, "alloc") for s in sizes(spec)])


def full(shape: Any, fill_value: Any, dtype: object = None) -> Any:
    """A tensor of `shape` with every element `fill_value`.  Dtype: `dtype`, else that of fill_value."""
    value = as_tensor_variable(fill_value)
    return apply(ops.Broadcast(), value if dtype is None else _converted(value, dtype),
                 *[not_negative(s, "alloc") for s in sizes(shape)])


def _converted(value: Any, dtype: object) -> Any:
    """`value` in `dtype`; a constant stays a constant."""
    return constant(value.data, dtype=dtype) if isinstance(value, Constant) else cast(value, dtype)


def zeros(shape: Any, dtype: object = None) -> Any:
    """Zeros of `shape`.  Dtype: floatX unless given."""
    return full(shape, 0, config.floatX if dtype is None else dtype)


def ones(shape: Any, dtype: object = None) -> Any:
    """Ones of `shape`.  Dtype: floatX unless given."""
    return full(shape, 1, config.floatX if dtype is None else dtype)


def empty(shape: Any, dtype: object = None) -> Any:
    """A tensor of `shape` whose elements don't matter; they are zeros, so that runs repeat.  Dtype: as `zeros`."""
    return zeros(shape, dtype)


def full_like(x: Any, fill_value: Any, dtype: object = None) -> Any:
    """A tensor of the shape of x with every element `fill_value`.  Dtype: that of x unless given."""
    x = as_tensor_variable(x)
    value = _converted(as_tensor_variable(fill_value), x.type.dtype if dtype is None else dtype)
    if x.type.ndim == 0:
        return ew.second(x, value)
    return apply(ops.Broadcast(), value, *sizes_of(x))


def zeros_like(x: Any, dtype: object = None, opt: bool = False) -> Any:
    """Zeros of the shape of x.  Dtype: that of x unless given."""
    return full_like(x, 0, dtype)


def ones_like(x: Any, dtype: object = None, opt: bool = False) -> Any:
    """Ones of the shape of x.  Dtype: that of x unless given."""
    return full_like(x, 1, dtype)


def empty_like(x: Any, dtype: object = None) -> Any:
    """A tensor of the shape of x whose elements don't matter (zeros)."""
    return full_like(x, 0, dtype)


# ---------------------------------------------------------------------------------------- ranges and matrices


_NO_STEP = "arange: the step must not be 0"
_ENDLESS = "arange: start, stop and step must tell a finite number of elements"


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: object = None) -> Any:
    """start, start + step, ... up to but without stop; `arange(n)` counts from 0.

    Dtype: int64 for integers (uint64 for unsigned ones), else common.  The number of elements is
    ceil((stop - start) / step), as for numpy.arange.  A length that only the values of floating variables tell
    is not computed in C so far: such a function runs in the interpreter, and `f.info` says so.
    Raises: BadValueError for a step of 0, or where that number is not finite.
    """
    if stop is None:
        start, stop = 0, start
    first, last, by = as_tensor_variable(start), as_tensor_variable(stop), as_tensor_variable(step)
    for v in (first, last, by):
        if v.type.ndim:
            raise ShapeError(f"arange takes scalars, got {v.type.short()}")
    common = dtypes.upcast(first.type.dtype, last.type.dtype, by.type.dtype)
    want = dtypes.check_dtype(dtype) if dtype is not None else "int64" if common in ("bool", *dtypes.SIGNED) else \
        "uint64" if common in dtypes.UNSIGNED else common
    if not isinstance(by, Constant):
        by = true(ew.neq(by, 0), _NO_STEP, on=by)
    elif by.data == 0:
        fail(_NO_STEP, "value")
    discrete = common in dtypes.DISCRETE
    if all(isinstance(v, Constant) for v in (first, last, by)):
        a, b, s = (v.data.item() for v in (first, last, by))
        if not np.isfinite((b - a) / s):
            fail(_ENDLESS, "value")
        count = size_constant(len(range(a, b, s)) if discrete else max(int(np.ceil((b - a) / s)), 0))
    elif discrete:
        count = _count_steps(*[_converted(v, "int64") for v in (first, last, by)])
    else:
        span = ew.true_divide(ew.sub(cast(last, common), first), by)
        count = cast(ew.ceil(true(ew.isfinite(span), _ENDLESS, on=span)), "int64")
    result = apply(ops.Iota(), count)
    work = "int64" if discrete else common
    result = cast(result, work)
    unit = isinstance(by, Constant) and by.data == 1
    if not unit:
        # NumPy's step is the rounded difference of the first two elements.
        delta = _converted(by, work) if discrete else ew.sub(ew.add(_converted(first, work), by), first)
        result = ew.mul(result, delta)
    if not (isinstance(first, Constant) and first.data == 0):
        result = ew.add(_converted(first, work), result)
    return cast(result, want)


def _count_steps(first: Any, last: Any, by: Any) -> Any:
    """ceil((last - first) / by) of integers."""
    zero = isinstance(first, Constant) and first.data == 0
    if isinstance(by, Constant) and by.data == 1:
        return last if zero else ew.sub(last, first)
    return ew.neg(ew.floor_divide(ew.sub(first, last), by))


def linspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: object = None) -> Any:
    """`num` numbers from start to stop in equal steps; the last one is stop exactly, if `endpoint`.

    Dtype: floating of start and stop, float64 for integers, unless given.  Source: numpy.linspace.
    """
    a, b = as_tensor_variable(start), as_tensor_variable(stop)
    common = dtypes.upcast(a.type.dtype, b.type.dtype)
    known = isinstance(a, Constant) and isinstance(b, Constant)     # Python floats: as numpy.linspace of them
    work = "float64" if known or common in dtypes.DISCRETE else common
    a, b = _converted(a, work), _converted(b, work)
    n = not_negative(sizes(num)[0], "linspace")
    steps = ew.sub(n, size_constant(1)) if endpoint else n
    count = apply(ops.Iota(), n)
    place = shp.shape_padright(cast(count, work), max(a.type.ndim, b.type.ndim))
    step = ew.true_divide(ew.sub(b, a), cast(ew.maximum(steps, size_constant(1)), work))
    result = ew.add(ew.mul(place, step), a)
    if endpoint:
        is_last = shp.shape_padright(ew.and_(ew.eq(count, steps), ew.gt(n, size_constant(1))), result.type.ndim - 1)
        result = ew.switch(is_last, b, result)
    return result if dtype is None else cast(result, dtype)


def eye(n: Any, m: Any = None, k: Any = 0, dtype: object = None) -> Any:
    """The n by m matrix (m = n unless given) with ones on diagonal k.  Dtype: floatX unless given."""
    return cast(ew.eq(_offsets("eye", n, m), integer(k, "eye", "k")), config.floatX if dtype is None else dtype)


def _offsets(what: str, n: Any, m: Any) -> Any:
    """Column minus row numbers of an n by m matrix, m = n unless given."""
    rows = not_negative(sizes(n)[0], what)
    return shp.offsets(rows, rows if m is None else not_negative(sizes(m)[0], what))


def identity_like(x: Any, dtype: object = None) -> Any:
    """The identity matrix of the shape of the matrix x."""
    x = as_tensor_variable(x)
    if x.type.ndim != 2:
        raise ShapeError(f"identity_like takes a matrix, got {x.type.short()}")
    return eye(size_of(x, 0), size_of(x, 1), 0, x.type.dtype if dtype is None else dtype)


def tri(n: Any, m: Any = None, k: Any = 0, dtype: object = None) -> Any:
    """The n by m matrix with ones on and below diagonal k.  Dtype: floatX unless given."""
    return cast(ew.le(_offsets("tri", n, m), integer(k, "tri", "k")), config.floatX if dtype is None else dtype)


class _Grid:
    """`mgrid` and `ogrid`: indexing with slices makes coordinates, as numpy.mgrid and numpy.ogrid."""

    def __init__(self, sparse: bool, doc: str) -> None:
        self._sparse = sparse
        self.__doc__ = doc

    def __getitem__(self, key: Any) -> Any:
        slices = key if isinstance(key, tuple) else (key,)
        axes = []
        for s in slices:
            if not isinstance(s, slice) or s.stop is None:
                raise TypeMismatchError(f"mgrid and ogrid take slices start:stop:step, got {quoted(s)}")
            start = 0 if s.start is None else s.start
            if isinstance(s.step, complex):
                axes.append(linspace(start, s.stop, int(abs(s.step))))
            else:
                axes.append(arange(start, s.stop, 1 if s.step is None else s.step))
        if not isinstance(key, tuple):
            return axes[0]
        ndim = len(axes)
        open_axes = [shp.dimshuffle(a, *["x"] * k, 0, *["x"] * (ndim - 1 - k)) for k, a in enumerate(axes)]
        if self._sparse:
            return open_axes
        return shp.stack(list(shp.broadcast_arrays(*open_axes)))


mgrid = _Grid(False, "Dense coordinates: `mgrid[0:3, 0:4]` has shape (2, 3, 4), as numpy.mgrid.")
ogrid = _Grid(True, "Open coordinates: `ogrid[0:3, 0:4]` is a list of shapes (3, 1) and (1, 4), as numpy.ogrid.")


def meshgrid(*vectors: Any, indexing: str = "xy", sparse: bool = False) -> list[Any]:
    """Coordinate matrices of vectors, as numpy.meshgrid."""
    if indexing not in ("xy", "ij"):
        raise TypeMismatchError(f"meshgrid: indexing must be 'xy' or 'ij', got {quoted(indexing)}")
    made = [shp.flatten(shp.atleast_1d(v)) for v in vectors]
    place = list(range(len(made)))
    if indexing == "xy" and len(made) > 1:
        place[0], place[1] = 1, 0
    open_axes = [shp.dimshuffle(v, *[0 if k == p else "x" for k in range(len(made))]) for v, p in zip(made, place)]
    return open_axes if sparse else list(shp.broadcast_arrays(*open_axes))


def complex_from_parts(real: Any, imag: Any) -> Any:
    """The complex tensor real + 1j * imag."""
    return ew.add(real, ew.mul(np.complex128(1j), imag))


def complex_from_polar(abs: Any, angle: Any) -> Any:
    """The complex tensor of the given absolute values and arguments."""
    return complex_from_parts(ew.mul(abs, ew.cos(angle)), ew.mul(abs, ew.sin(angle)))
