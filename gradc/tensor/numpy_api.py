"""NumPy's functions and ufuncs on variables: one table for what is mapped, what is refused, and the docs.

`np.sum(x, axis=0)` asks x for `__array_function__`, which looks up "sum" here.  A row has gradc's function and the
parameters of NumPy's that it takes, in words: `a` is passed by position, `axis=` by name, `correction=ddof` by another
name, `*xs` as all that is given.  Arguments are bound by NumPy's own signature, so that they may come by position or by
name.  What is at its default, or is about memory only (`order="C"`, `copy=`), is left out; any other parameter is
refused by name.  A function that is not in the table is refused, with advice where there is some.
`docs/numpy.md` is written from the table (`docs/numpy_page.py`); tests compare every row with NumPy.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import partial, reduce
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

import gradc.tensor.shape as shp
from gradc.errors import BadArgumentError, ShapeError, TypeMismatchError, at, quoted
from gradc.ir import build, dtypes, graph
from gradc.ir.dtypes import DTypeLike
from gradc.ir.graph import user_line
from gradc.tensor import (
    bessel,
    contract,
    creation,
    diagonals,
    einstein,
    entropies,
    extra,
    fft,
    filters,
    float_parts,
    grids,
    histograms,
    index,
    interpolation,
    joining,
    linalg,
    masks,
    moves,
    order_statistics,
    padding,
    positions,
    products,
    repeats,
    selection,
    sets,
    sorting,
    statistics,
)
from gradc.tensor import elemwise as ew
from gradc.tensor import reduce as red
from gradc.tensor import trigonometry as trig
from gradc.tensor.convert import as_tensor_variable, cast, together
from gradc.tensor.truth import result_is_dropped
from gradc.tensor.types import Axes, Axis, List, TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

Fn: TypeAlias = Callable[..., Any]

# -------------------------------------------------------------------- what gradc spells otherwise


def _add_up(fn: Fn, join: Fn, neutral: int) -> Fn:
    """`sum` or `prod` with NumPy's `initial` and `where`."""
    def total(a: TensorLike, initial: TensorLike | None = None, where: TensorLike | None = None,
              **options: object) -> TensorVariable:
        result = fn(a if where is None else ew.switch(where, a, neutral), **options)
        return result if initial is None else join(result, cast(as_tensor_variable(initial), result.dtype))
    return total


def _extreme(fn: Fn, join: Fn) -> Fn:
    """`max` or `min` with NumPy's `initial` and `where`."""
    def most(a: TensorLike, initial: TensorLike | None = None, where: TensorLike | None = None,
             **options: object) -> TensorVariable:
        if initial is None:
            if where is not None:
                raise BadArgumentError(f"where= of a maximum or minimum needs initial=, for where nothing is chosen"
                                       f"{at(user_line())}")
            return fn(a, **options)
        return join(fn(a if where is None else ew.switch(where, a, initial), **options), initial)
    return most


def _mean(a: TensorLike, where: TensorLike | None = None, dtype: DTypeLike | None = None,
          **options: Any) -> TensorVariable:
    if where is None:
        return red.mean(a, dtype=dtype, **options)
    x, chosen = shp.broadcast_arrays(a, where)
    total = red.sum(ew.switch(chosen, x, 0), dtype=dtype, **options)
    mean = ew.true_divide(total, red.sum(cast(chosen, "int64"), **options))
    return cast(mean, total.dtype) if total.dtype in dtypes.CONTINUOUS else mean


def _all(a: TensorLike, where: TensorLike | None = None, **options: Any) -> TensorVariable:
    return red.all(a if where is None else ew.or_(ew.as_bool(a), ew.invert(ew.as_bool(where))), **options)


def _any(a: TensorLike, where: TensorLike | None = None, **options: Any) -> TensorVariable:
    return red.any(a if where is None else ew.and_(ew.as_bool(a), ew.as_bool(where)), **options)


def _ptp(a: TensorLike, axis: Axes = None, keepdims: bool = False) -> TensorVariable:
    return ew.sub(red.max(a, axis, keepdims), red.min(a, axis, keepdims))


def _cumulative(fn: Fn) -> Fn:
    """`cumsum` or `cumprod` in another dtype."""
    def run(a: TensorLike, axis: Axes = None, dtype: DTypeLike | None = None) -> TensorVariable:
        return fn(a if dtype is None else cast(as_tensor_variable(a), dtype), axis)
    return run


def _cumulative_from(fn: Fn, first: int) -> Fn:
    """`cumulative_sum` or `cumulative_prod`, which may begin with what is there before the first element."""
    def run(x: TensorLike, axis: Axis | None = None, dtype: DTypeLike | None = None,
            include_initial: bool = False) -> TensorVariable:
        x = as_tensor_variable(x)
        if axis is None and x.ndim != 1:
            raise BadArgumentError(f"of {x.ndim} dimensions, axis= must say which one{at(user_line())}")
        k = red.normalize_axis(axis or 0, x.ndim, "axis", x)
        result = _cumulative(fn)(x, k, dtype)
        if not include_initial:
            return result
        sizes = [1 if j == k else s for j, s in enumerate(shp.shape_tuple(x))]
        return joining.concatenate([creation.full(sizes, first, dtype=result.dtype), result], k)
    return run


def _along(x: TensorVariable, axis: Axis, part: object) -> tuple[object, ...]:
    """The index that takes `part` along an axis."""
    k = red.normalize_axis(axis, x.ndim, "an index", x)
    return (*[slice(None)] * k, part)


def _clip(a: TensorLike, a_min: TensorLike | None = None, a_max: TensorLike | None = None,
          min: TensorLike | None = None, max: TensorLike | None = None) -> TensorVariable:
    """None is no bound."""
    low, high = a_min if min is None else min, a_max if max is None else max
    if low is not None and high is not None:
        return ew.clip(a, low, high)
    x = as_tensor_variable(a)
    return ew.maximum(x, low) if low is not None else ew.minimum(x, high) if high is not None else x


def _round(a: TensorLike, decimals: int = 0) -> TensorVariable:
    """Half to even, by NumPy's own steps: scaled, rounded, scaled back."""
    x = as_tensor_variable(a)
    if isinstance(decimals, bool) or not isinstance(decimals, (int, np.integer)):
        raise TypeMismatchError(f"decimals is an int, got {quoted(decimals)}{at(user_line())}")
    if decimals == 0 or (decimals > 0 and x.dtype not in dtypes.CONTINUOUS):
        return ew.round_half_to_even(x)
    if x.dtype not in dtypes.CONTINUOUS:
        raise TypeMismatchError(f"integers are not rounded to {-decimals} places before the point{at(user_line())}; "
                                f"cast them to float64")
    scale = as_tensor_variable(np.asarray(10.0 ** abs(int(decimals)), dtype=x.dtype))
    if decimals > 0:
        return ew.true_divide(ew.round_half_to_even(ew.mul(x, scale)), scale)
    return ew.mul(ew.round_half_to_even(ew.true_divide(x, scale)), scale)


def _size(a: TensorLike, axis: int | None = None) -> TensorVariable:
    return shp.size(a) if axis is None else shp.shape_tuple(as_tensor_variable(a))[axis]


def _transpose(a: TensorLike, axes: Axes = None) -> TensorVariable:
    return shp.transpose(a) if axes is None else shp.transpose(a, axes)


def _trace(a: TensorLike, dtype: DTypeLike | None = None, **options: Any) -> TensorVariable:
    return diagonals.trace(a if dtype is None else cast(as_tensor_variable(a), dtype), **options)


def _joined(fn: Fn) -> Fn:
    """`concatenate` and others with NumPy's `dtype`; axis None flattens."""
    def join(arrays: List, axis: Axis = 0, dtype: DTypeLike | None = None) -> TensorVariable:
        parts = [as_tensor_variable(a) for a in arrays]
        if axis is None:
            parts, axis = [shp.ravel(p) for p in parts], 0
        result = fn(parts, axis)
        return result if dtype is None else cast(result, dtype)
    return join


def _column_stack(tup: List) -> TensorVariable:
    parts = [as_tensor_variable(a) for a in tup]
    return joining.concatenate([shp.reshape(p, (-1, 1)) if p.ndim < 2 else p for p in parts], 1)


def _atleast_3d(*arys: TensorLike) -> TensorVariable | tuple[TensorVariable, ...]:
    """NumPy's shapes: (1, n, 1) of a vector, (m, n, 1) of a matrix."""
    made = [as_tensor_variable(a) for a in arys]
    patterns = {0: ("x", "x", "x"), 1: ("x", 0, "x"), 2: (0, 1, "x")}
    made = [shp.dimshuffle(x, *patterns[x.ndim]) if x.ndim < 3 else x for x in made]
    return made[0] if len(made) == 1 else tuple(made)


def _parts(ary: TensorLike, sections: int | np.integer, axis: Axis, what: str) -> tuple[TensorVariable, Any, int]:
    """The tensor, the size of what is split, an int if it is known, and how many parts it is split into."""
    x, count = as_tensor_variable(ary), int(sections)
    if count < 1:
        raise BadArgumentError(f"{what}: the number of parts is 1 or more, got {count}{at(user_line())}")
    k = red.normalize_axis(axis, x.ndim, what, x)
    return x, shp.shape_tuple(x)[k] if x.type.shape[k] is None else x.type.shape[k], count


def _split(ary: TensorLike, indices_or_sections: int | np.integer | List, axis: Axis = 0) -> list[TensorVariable]:
    """Parts between positions, or that many of equal size."""
    if not isinstance(indices_or_sections, (int, np.integer)):
        return _cut(as_tensor_variable(ary), list(indices_or_sections), axis)
    x, n, count = _parts(ary, indices_or_sections, axis, "split")
    if not isinstance(n, int):
        return joining.split(x, [n // count] * count, count, axis)        # checks that nothing is left
    if n % count:
        raise ShapeError(f"split: {n} rows don't make {count} equal parts{at(user_line())}; use array_split")
    return _cut(x, [n // count * k for k in range(1, count)], axis)


def _array_split(ary: TensorLike, indices_or_sections: int | np.integer | List, axis: Axis = 0) -> list[TensorVariable]:
    """As `split`, but the first parts may have one row more."""
    if not isinstance(indices_or_sections, (int, np.integer)):
        return _cut(as_tensor_variable(ary), list(indices_or_sections), axis)
    x, n, count = _parts(ary, indices_or_sections, axis, "array_split")
    least: Fn = min if isinstance(n, int) else ew.minimum
    return _cut(x, [n // count * k + least(n % count, k) for k in range(1, count)], axis)


def _cut(x: TensorVariable, positions: Sequence[object], axis: Axis) -> list[TensorVariable]:
    bounds = [None, *positions, None]
    return [index.getitem(x, _along(x, axis, slice(a, b))) for a, b in pairwise(bounds)]


def _split_along(axis: Axis) -> Fn:
    def split(ary: TensorLike, indices_or_sections: int | np.integer | List) -> list[TensorVariable]:
        x = as_tensor_variable(ary)
        return _split(x, indices_or_sections, 0 if axis == 1 and x.ndim == 1 else axis)
    return split


def _unstack(x: TensorLike, axis: Axis = 0) -> tuple[TensorVariable, ...]:
    return tuple(shp.moveaxis(x, axis, 0))


def _diff(a: TensorLike, n: int = 1, axis: Axis = -1, prepend: TensorLike | None = None,
          append: TensorLike | None = None) -> TensorVariable:
    x = as_tensor_variable(a)
    k = red.normalize_axis(axis, x.ndim, "diff", x)

    def piece(given: TensorLike) -> list[TensorVariable]:
        part = together((x, given))[1]
        sizes = [1 if j == k else s for j, s in enumerate(shp.shape_tuple(x))]
        return [part if part.ndim else shp.broadcast_to(part, sizes)]

    parts = [*([] if prepend is None else piece(prepend)), x, *([] if append is None else piece(append))]
    return extra.diff(joining.concatenate(parts, k) if len(parts) > 1 else x, n, k)


def _changed(name: str) -> None:
    """NumPy changes an array: what gives a changed copy must not be called for that alone."""
    if result_is_dropped():
        raise TypeMismatchError(f"variables can't be changed{at(user_line())}; write x = {name}(x, ...)")


def _take_along_axis(arr: TensorLike, indices: TensorLike, axis: Axis | None = -1) -> TensorVariable:
    return selection.take_along_axis(arr, indices, axis)


def _put_along_axis(arr: TensorLike, indices: TensorLike, values: TensorLike, axis: Axis | None) -> TensorVariable:
    _changed("put_along_axis")
    return selection.put_along_axis(arr, indices, values, axis)


def _fill_diagonal(a: TensorLike, val: TensorLike) -> TensorVariable:
    """A copy with another diagonal."""
    _changed("fill_diagonal")
    return diagonals.fill_diagonal(a, val)


def _angle(z: TensorLike, deg: bool = False) -> TensorVariable:
    return trig.rad2deg(ew.angle(z)) if deg else ew.angle(z)


def _vecdot(x1: TensorLike, x2: TensorLike, axis: Axis = -1) -> TensorVariable:
    x, y = as_tensor_variable(x1), as_tensor_variable(x2)
    return contract.vecdot(x, y) if axis == -1 else contract.vecdot(shp.moveaxis(x, axis, -1),
                                                                    shp.moveaxis(y, axis, -1))


def _vector_norm(x: TensorLike, axis: Axes = None, keepdims: bool = False, ord: float | str = 2) -> TensorVariable:
    x = as_tensor_variable(x)
    if isinstance(axis, (int, np.integer)):
        return red.norm(x, ord, axis, keepdims)
    axes = red.normalize_axes(axis, x, "vector_norm")
    rest = [k for k in range(x.ndim) if k not in axes]
    sizes = shp.shape_tuple(x)
    flat = shp.reshape(shp.transpose(x, [*rest, *axes]), [*(sizes[k] for k in rest), -1], ndim=len(rest) + 1)
    return build.insert_axes(graph, red.norm(flat, ord, -1), axes, x.ndim) if keepdims else red.norm(flat, ord, -1)


def _count_nonzero(a: TensorLike, axis: Axes = None, keepdims: bool = False) -> TensorVariable:
    return red.sum(cast(ew.neq(a, 0), "int64"), axis, keepdims=keepdims)


def _outer_of(fn: Fn) -> Fn:
    """`ufunc.outer`: of all pairs."""
    def outer(a: TensorLike, b: TensorLike) -> TensorVariable:
        x, y = together((a, b))
        return fn(shp.shape_padright(x, y.ndim) if y.ndim else x, y)
    return outer


# ------------------------------------------------------------------------------------------------ the table

Row: TypeAlias = tuple[Fn, str]

FUNCTIONS: dict[str, Row] = {
    # reductions
    "sum": (_add_up(red.sum, ew.add, 0), "a axis= dtype= keepdims= initial= where="),
    "prod": (_add_up(red.prod, ew.mul, 1), "a axis= dtype= keepdims= initial= where="),
    "mean": (_mean, "a axis= dtype= keepdims= where="),
    "var": (red.var, "a axis= ddof= keepdims= correction=ddof"),
    "std": (red.std, "a axis= ddof= keepdims= correction=ddof"),
    "max": (_extreme(red.max, ew.maximum), "a axis= keepdims= initial= where="),
    "min": (_extreme(red.min, ew.minimum), "a axis= keepdims= initial= where="),
    "all": (_all, "a axis= keepdims= where="), "any": (_any, "a axis= keepdims= where="),
    "argmax": (red.argmax, "a axis= keepdims="), "argmin": (red.argmin, "a axis= keepdims="),
    "ptp": (_ptp, "a axis= keepdims="), "count_nonzero": (_count_nonzero, "a axis= keepdims="),
    "cumsum": (_cumulative(red.cumsum), "a axis= dtype="), "cumprod": (_cumulative(red.cumprod), "a axis= dtype="),
    "cumulative_sum": (_cumulative_from(red.cumsum, 0), "x axis= dtype= include_initial="),
    "cumulative_prod": (_cumulative_from(red.cumprod, 1), "x axis= dtype= include_initial="),
    "allclose": (red.allclose, "a b rtol= atol= equal_nan="),
    # elementwise
    "isclose": (ew.isclose, "a b rtol= atol= equal_nan="),
    "clip": (_clip, "a a_min= a_max= min= max="), "round": (_round, "a decimals="), "around": (_round, "a decimals="),
    "real": (ew.real, "val"), "imag": (ew.imag, "val"), "angle": (_angle, "z deg="),
    "nan_to_num": (ew.nan_to_num, "x nan= posinf= neginf="), "copy": (ew.identity, "a"),
    "sinc": (entropies.sinc, "x"), "i0": (bessel.i0, "x"),
    "isposinf": (ew.isposinf, "x"), "isneginf": (ew.isneginf, "x"), "astype": (cast, "x dtype"),
    # products
    "dot": (contract.dot, "a b"), "inner": (contract.inner, "a b"), "outer": (contract.outer, "a b"),
    "vdot": (contract.vdot, "a b"), "tensordot": (contract.tensordot, "a b axes="),
    "einsum": (einstein.einsum, "*operands optimize="),
    "linalg.vector_norm": (_vector_norm, "x axis= keepdims= ord="),
    "linalg.trace": (lambda x, **o: _trace(x, axis1=-2, axis2=-1, **o), "x offset= dtype="),
    "linalg.diagonal": (lambda x, offset=0: diagonals.diagonal(x, offset, -2, -1), "x offset="),
    "linalg.matrix_transpose": (shp.matrix_transpose, "x"), "linalg.outer": (contract.outer, "x1 x2"),
    "linalg.tensordot": (contract.tensordot, "x1 x2 axes="), "linalg.matmul": (contract.matmul, "x1 x2"),
    "linalg.vecdot": (_vecdot, "x1 x2 axis="),
    **{f"linalg.{name}": row for name, row in linalg.NUMPY.items()},
    **{f"fft.{name}": row for name, row in fft.NUMPY.items()},
    # shapes
    "shape": (shp.shape, "a"), "size": (_size, "a axis="), "ndim": (lambda a: as_tensor_variable(a).ndim, "a"),
    "reshape": (shp.reshape, "a shape"), "ravel": (shp.ravel, "a"), "transpose": (_transpose, "a axes="),
    "matrix_transpose": (shp.matrix_transpose, "x"), "swapaxes": (shp.swapaxes, "a axis1 axis2"),
    "moveaxis": (shp.moveaxis, "a source destination"), "squeeze": (shp.squeeze, "a axis="),
    "expand_dims": (shp.expand_dims, "a axis"), "broadcast_to": (shp.broadcast_to, "array shape"),
    "broadcast_arrays": (shp.broadcast_arrays, "*args"), "atleast_1d": (shp.atleast_1d, "*arys"),
    "atleast_2d": (shp.atleast_2d, "*arys"), "atleast_3d": (_atleast_3d, "*arys"),
    "concatenate": (_joined(joining.concatenate), "arrays axis= dtype="),
    "stack": (_joined(lambda parts, axis: joining.stack(parts, axis=axis)), "arrays axis= dtype="),
    "hstack": (_joined(lambda parts, axis: joining.hstack(parts)), "tup dtype="),
    "vstack": (_joined(lambda parts, axis: joining.vstack(parts)), "tup dtype="),
    "column_stack": (_column_stack, "tup"), "unstack": (_unstack, "x axis="),
    "split": (_split, "ary indices_or_sections axis="),
    "array_split": (_array_split, "ary indices_or_sections axis="),
    "vsplit": (_split_along(0), "ary indices_or_sections"), "hsplit": (_split_along(1), "ary indices_or_sections"),
    "dsplit": (_split_along(2), "ary indices_or_sections"),
    "tile": (joining.tile, "A reps"), "repeat": (repeats.repeat, "a repeats axis="),
    "diag": (diagonals.diag, "v k="), "diagflat": (lambda v, k=0: diagonals.diag(shp.ravel(v), k), "v k="),
    "diagonal": (diagonals.diagonal, "a offset= axis1= axis2="), "trace": (_trace, "a offset= axis1= axis2= dtype="),
    "tril": (diagonals.tril, "m k="), "triu": (diagonals.triu, "m k="), "fill_diagonal": (_fill_diagonal, "a val"),
    "diff": (_diff, "a n= axis= prepend= append="),
    # order
    # like others
    "zeros_like": (creation.zeros_like, "a dtype="), "ones_like": (creation.ones_like, "a dtype="),
    "empty_like": (creation.empty_like, "prototype dtype="),
    "full_like": (creation.full_like, "a fill_value dtype="),
    # positions, and modules of which most functions have NumPy's names and parameters
    "where": (selection.where, "condition x y"), "put_along_axis": (_put_along_axis, "arr indices values axis"),
    "take_along_axis": (_take_along_axis, "arr indices axis="),
    **{name: (getattr(module, name), words) for module in (
        selection, masks, moves, positions, grids, padding, statistics, filters, products, interpolation, sorting,
        order_statistics, histograms, sets)
       for name, words in module.NUMPY.items()},
    # what types tell
    "iscomplexobj": (lambda x: x.dtype in dtypes.COMPLEX, "x"),
    "isrealobj": (lambda x: x.dtype not in dtypes.COMPLEX, "x"),
    "result_type": (lambda *xs: np.result_type(*[np.dtype(getattr(x, "dtype", x)) for x in xs]),
                    "*arrays_and_dtypes"),
}
FUNCTIONS["amax"], FUNCTIONS["amin"] = FUNCTIONS["max"], FUNCTIONS["min"]

RENAMED: dict[str, Fn] = {        # NumPy's name -> gradc's function of another name
    "subtract": ew.sub, "multiply": ew.mul, "negative": ew.neg, "fabs": ew.abs, "positive": as_tensor_variable,
    "float_power": lambda x, y: ew.pow(cast(as_tensor_variable(x), "float64"), y), "radians": trig.deg2rad,
    "degrees": trig.rad2deg, "rint": ew.round_half_to_even, "equal": ew.eq, "less": ew.lt, "less_equal": ew.le,
    "greater": ew.gt, "greater_equal": ew.ge,
}

_BY_UFUNC: dict[np.ufunc, Fn] = {   # and every ufunc that has the name of a public function
    ufunc: fn
    for name, fn in [*((name, getattr(module, name)) for module in (ew, trig, float_parts, contract)
          for name in module.__all__),
                     *RENAMED.items()]
    if isinstance(ufunc := getattr(np, name, None), np.ufunc)
}
UFUNCS = {ufunc.__name__: fn for ufunc, fn in _BY_UFUNC.items()}

METHODS: dict[tuple[str, str], str] = {     # (ufunc, method) -> the function that does it
    ("add", "reduce"): "sum", ("multiply", "reduce"): "prod", ("maximum", "reduce"): "max",
    ("minimum", "reduce"): "min", ("logical_and", "reduce"): "all", ("logical_or", "reduce"): "any",
    ("add", "accumulate"): "cumsum", ("multiply", "accumulate"): "cumprod",
}

ADVICE: dict[str, str] = {                  # what to write instead of functions that are refused
    "append": "use concatenate", "ediff1d": "use diff", "dstack": "use concatenate",
    "block": "use concatenate", "insert": "use concatenate", "resize": "use reshape or tile",
    "array_equal": "use all(eq(x, y))",
    "select": "use switch", "piecewise": "use switch",
    "copyto": "use switch", "putmask": "use switch", "place": "use switch", "put": "use set_subtensor",
    "apply_along_axis": "use gradc.map or gradc.scan", "average": "use mean, or sums",
    "nansum": "use sum(switch(isnan(x), 0, x))",
    "nanprod": "use prod(switch(isnan(x), 1, x))", "array2string": "use str, gradc.pp or gradc.dprint",
    "array_repr": "use str, gradc.pp or gradc.dprint", "array_str": "use str, gradc.pp or gradc.dprint",
    "save": "save what a function returns", "savez": "save what a function returns",
    "savetxt": "save what a function returns", "gradient": "use diff, or gradc.grad for derivatives",
}

_MEMORY: dict[str, tuple[object, ...]] = {     # parameters about memory and checks only, at these values
    "order": ("C", "K", "A"), "copy": (True, False), "subok": (True, False), "device": ("cpu",),
    "casting": ("same_kind", "unsafe", "safe", "equiv", "no"),
}


# ------------------------------------------------------------------------------------------------- its use


def function_named(func: Fn) -> str:
    """What NumPy calls a function: "sum", "linalg.norm"."""
    module = getattr(func, "__module__", None) or "numpy"
    return f"{module}.{func.__name__}".removeprefix("numpy.")


def call(name: str, args: Sequence[object], options: dict[str, object]) -> Any:
    """`numpy.name(*args, **options)` of variables; TypeMismatchError for what there is not."""
    if name not in FUNCTIONS:
        raise _refusal(name)
    fn, words = FUNCTIONS[name]
    taken = dict(_taken(words))
    signature = _signature(name, words)
    positional: list[object] = []
    named: dict[str, object] = {}
    try:
        bound = signature.bind(*args, **options).arguments
    except TypeError as error:
        raise TypeMismatchError(f"numpy.{name}: {error}{at(user_line())}") from None
    for key, value in bound.items():
        kind = signature.parameters[key].kind
        if kind is inspect.Parameter.VAR_KEYWORD:
            given = value
        elif kind is inspect.Parameter.VAR_POSITIONAL:
            positional += value
            continue
        else:
            given = {key: value}
        for k, v in given.items():
            if v is np._NoValue or (v is None and signature.parameters.get(k, _NONE).default in (None, np._NoValue)):
                continue
            if k not in taken:
                _refuse_option(name, k, v, signature.parameters.get(k, _NONE).default)
            elif (name_here := taken[k]) is None:
                positional.append(v)
            else:
                named[name_here] = v
    return fn(*positional, **named)


_NONE = inspect.Parameter("none", inspect.Parameter.KEYWORD_ONLY, default=None)


def _taken(words: str) -> list[tuple[str, str | None]]:
    """NumPy's parameter -> the name it is passed by, None: by position."""
    pairs = [word.partition("=") for word in words.split()]
    return [(name.lstrip("*"), (other or name) if equals else None) for name, equals, other in pairs]


_SIGNATURES: dict[str, inspect.Signature] = {}


def _signature(name: str, words: str) -> inspect.Signature:
    """NumPy's signature; where it has none, that of the row."""
    found = _SIGNATURES.get(name)
    if found is None:
        try:
            found = inspect.signature(_numpy(name))
        except ValueError:
            found = inspect.Signature([_parameter(word) for word in words.split()])
        _SIGNATURES[name] = found
    return found


def _parameter(word: str) -> inspect.Parameter:
    name = word.lstrip("*").partition("=")[0]
    kind = inspect.Parameter.VAR_POSITIONAL if word[0] == "*" else inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Parameter(name, kind, default=None if "=" in word else inspect.Parameter.empty)


def _numpy(name: str) -> Any:
    return reduce(getattr, name.split("."), np)


def _refuse_option(name: str, key: str, value: object, default: object) -> None:
    """TypeMismatchError for an option that changes something."""
    plain = isinstance(value, (bool, int, float, str, tuple))
    if plain and (value in _MEMORY.get(key, ()) or (isinstance(default, type(value)) and value == default)):
        return
    if key == "out":
        advice = "a variable can't be written into an array; use the result"
    elif key == "where":
        advice = "choose by switch"
    else:
        advice = "gradc has no such option"
    raise TypeMismatchError(f"numpy.{name} with {key}= does not work on variables{at(user_line())}; {advice}")


def _refusal(name: str) -> TypeMismatchError:
    if name.startswith("linalg."):
        advice = "gradc.tensor.linalg has what there is of linear algebra"
    elif name.startswith("random."):
        advice = "gradc.tensor.random has distributions"
    else:
        advice = ADVICE.get(name, "gradc has no such function")
    return TypeMismatchError(f"numpy.{name} does not work on variables{at(user_line())}; {advice}")


def call_ufunc(ufunc: np.ufunc, method: str, args: Sequence[Any], options: dict[str, Any]) -> Any:
    """`ufunc(...)` or one of its methods, of variables."""
    name = ufunc.__name__
    if (name, method) in METHODS:
        return call(METHODS[name, method], args, {"axis": 0} | options)
    fn = _BY_UFUNC.get(ufunc)
    what = name if method == "__call__" else f"{name}.{method}"
    if fn is None or method not in ("__call__", "outer"):
        raise _refusal(what)
    dtype = options.pop("dtype", None)
    if name == "vecdot" and "axis" in options:
        fn = partial(_vecdot, axis=options.pop("axis"))
    for key, value in options.items():
        if value is not None and value is not np._NoValue and not (key == "where" and value is True):
            _refuse_option(what, key, value, False if key == "keepdims" else None)
    result = (_outer_of(fn) if method == "outer" else fn)(*args)
    return result if dtype is None else cast(result, dtype)

