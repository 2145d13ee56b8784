"""Numbers in steps, and coordinates of grids: `linspace, logspace, geomspace, meshgrid, mgrid, ogrid, vander`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradc.errors import ShapeError, TypeMismatchError, at, quoted
from gradc.ir import dtypes, ops
from gradc.ir.dtypes import DTypeLike
from gradc.ir.graph import Constant, apply, describe, user_line
from gradc.tensor import elemwise as ew
from gradc.tensor import reduce as red
from gradc.tensor.checks import not_negative
from gradc.tensor.convert import as_tensor_variable, cast, converted, size_constant, size_of, sizes, together
from gradc.tensor.creation import arange, ones
from gradc.tensor.joining import join, stack
from gradc.tensor.moves import flip
from gradc.tensor.shape import along, atleast_1d, broadcast_arrays, broadcast_to, flatten, shape_padright
from gradc.tensor.types import SizeLike, TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = ["geomspace", "linspace", "logspace", "meshgrid", "mgrid", "ogrid", "vander"]

# rows of `tensor.numpy_api`
NUMPY = {
    "linspace": "start stop num= endpoint= dtype=", "logspace": "start stop num= endpoint= base= dtype=",
    "geomspace": "start stop num= endpoint= dtype=", "meshgrid": "*xi sparse= indexing=", "vander": "x N= increasing=",
}


def linspace(start: TensorLike, stop: TensorLike, num: SizeLike = 50, endpoint: bool = True,
             dtype: DTypeLike | None = None) -> TensorVariable:
    """`num` numbers from start to stop in equal steps; the last one is stop exactly, if `endpoint`.

    Dtype: floating of start and stop, float64 for integers, unless given.  Source: numpy.linspace.
    """
    a, b = together((start, stop), beyond=lambda value, _: dtypes.autocast(value))
    common = dtypes.upcast(a.type.dtype, b.type.dtype)
    known = isinstance(a, Constant) and isinstance(b, Constant)     # Python floats: as numpy.linspace of them
    work = "float64" if known or common in dtypes.DISCRETE else common
    a, b = converted(a, work), converted(b, work)
    n = not_negative(sizes(num)[0], "linspace")
    steps = ew.sub(n, size_constant(1)) if endpoint else n
    count = apply(ops.Iota(), n)
    place = shape_padright(cast(count, work), max(a.type.ndim, b.type.ndim))
    step = ew.true_divide(ew.sub(b, a), cast(ew.maximum(steps, size_constant(1)), work))
    result = ew.add(ew.mul(place, step), a)
    if endpoint:
        is_last = shape_padright(ew.and_(ew.eq(count, steps), ew.gt(n, size_constant(1))), result.type.ndim - 1)
        result = ew.switch(is_last, b, result)
    return result if dtype is None else cast(result, dtype)


def logspace(start: TensorLike, stop: TensorLike, num: SizeLike = 50, endpoint: bool = True, base: TensorLike = 10.0,
             dtype: DTypeLike | None = None) -> TensorVariable:
    """base ** linspace(start, stop, num).   Dtype: floating, unless given.   Source: numpy.logspace."""
    result = ew.pow(converted(base, "float64"), linspace(start, stop, num, endpoint))
    return result if dtype is None else cast(result, dtype)


def geomspace(start: TensorLike, stop: TensorLike, num: SizeLike = 50, endpoint: bool = True,
              dtype: DTypeLike | None = None) -> TensorVariable:
    """`num` numbers from start to stop, each the same multiple of the one before; the ends are exact.

    start and stop have one sign; nan comes of 0 or of different signs.   Dtype: floating, unless given.
    """
    a, b = together((start, stop), beyond=lambda value, _: dtypes.autocast(value))
    known = isinstance(a, Constant) and isinstance(b, Constant)
    work = dtypes.upcast("float64" if known else "int8", a.type.dtype, b.type.dtype)
    work = work if work in dtypes.CONTINUOUS else "float64"
    a, b = converted(a, work), converted(b, work)
    n = not_negative(sizes(num)[0], "geomspace")
    last = ew.sub(n, size_constant(1)) if endpoint else n
    rank = max(a.type.ndim, b.type.ndim)
    count = shape_padright(apply(ops.Iota(), n), rank)
    part = ew.true_divide(cast(count, work), cast(ew.maximum(last, size_constant(1)), work))
    result = ew.mul(a, ew.pow(ew.true_divide(b, a), part))
    if endpoint:
        result = ew.switch(ew.and_(ew.eq(count, last), ew.gt(n, size_constant(1))), b, result)
    return result if dtype is None else cast(result, dtype)


def vander(x: TensorLike, N: SizeLike | None = None, increasing: bool = False) -> TensorVariable:
    """The matrix of powers of the vector x, N columns (as many as x has elements unless given), numpy.vander.

    The last column is x ** 0, or `increasing`, the first.   Dtype: same as x, int64 for integers.
    """
    x = as_tensor_variable(x)
    if x.type.ndim != 1:
        raise ShapeError(f"vander takes a vector, {describe(x)} is {x.type.short()}{at(x.source)}")
    if x.type.dtype in dtypes.DISCRETE:
        x = cast(x, "int64")
    n = size_of(x, 0) if N is None else not_negative(sizes(N)[0], "vander")
    rows = size_of(x, 0)
    first = ones((rows, ew.minimum(n, size_constant(1))), dtype=x.type.dtype)
    more = broadcast_to(shape_padright(x), (rows, ew.maximum(ew.sub(n, size_constant(1)), size_constant(0))))
    result = red.cumprod(join(1, first, more), 1)
    return result if increasing else flip(result, 1)


class _Grid:
    """`mgrid` and `ogrid`: indexing with slices makes coordinates, as numpy.mgrid and numpy.ogrid."""

    def __init__(self, sparse: bool, doc: str) -> None:
        self._sparse = sparse
        self.__doc__ = doc

    def __getitem__(self, key: slice | tuple[slice, ...]) -> Any:
        slices = key if isinstance(key, tuple) else (key,)
        axes = []
        for s in slices:
            if not isinstance(s, slice) or s.stop is None:
                raise TypeMismatchError(f"mgrid and ogrid take slices start:stop:step, got {quoted(s)}"
                                        f"{at(user_line())}")
            start = 0 if s.start is None else s.start
            if isinstance(s.step, complex):
                axes.append(linspace(start, s.stop, int(abs(s.step))))
            else:
                axes.append(arange(start, s.stop, 1 if s.step is None else s.step))
        if not isinstance(key, tuple):
            return axes[0]
        ndim = len(axes)
        open_axes = [along(a, k, ndim) for k, a in enumerate(axes)]
        if self._sparse:
            return open_axes
        return stack(list(broadcast_arrays(*open_axes)))


mgrid = _Grid(False, "Dense coordinates: `mgrid[0:3, 0:4]` has shape (2, 3, 4), as numpy.mgrid.")
ogrid = _Grid(True, "Open coordinates: `ogrid[0:3, 0:4]` is a list of shapes (3, 1) and (1, 4), as numpy.ogrid.")


def meshgrid(*vectors: TensorLike, indexing: str = "xy", sparse: bool = False) -> list[TensorVariable]:
    """Coordinate matrices of vectors, as numpy.meshgrid."""
    if indexing not in ("xy", "ij"):
        raise TypeMismatchError(f"meshgrid: indexing must be 'xy' or 'ij', got {quoted(indexing)}{at(user_line())}")
    made = [flatten(atleast_1d(v)) for v in vectors]
    place = list(range(len(made)))
    if indexing == "xy" and len(made) > 1:
        place[0], place[1] = 1, 0
    open_axes = [along(v, p, len(made)) for v, p in zip(made, place)]
    return open_axes if sparse else list(broadcast_arrays(*open_axes))
