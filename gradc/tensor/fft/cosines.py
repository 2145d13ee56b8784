"""Transforms of real numbers by cosines and by sines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gradc.errors import TypeMismatchError, at, quoted
from gradc.ir import build, ops
from gradc.ir.graph import apply, user_line
from gradc.tensor import elemwise as ew
from gradc.tensor.checks import in_range
from gradc.tensor.convert import constant, of_sizes, size_constant, size_of
from gradc.tensor.fft.lengths import back, checked_norm, factor, fitted, last, nonempty, numbers
from gradc.tensor.types import Axis, SizeLike, TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = ["dct", "dst", "idct", "idst"]

_BACK = {1: 1, 2: 3, 3: 2, 4: 4}


def dct(x: TensorLike, type: int = 2, n: SizeLike | None = None, axis: Axis = -1, norm: str | None = None,
        orthogonalize: bool | None = None) -> TensorVariable:
    """The transform by cosines of that type, 1 to 4, as scipy.fft.dct.

    Type 1: y[k] = x[0] + (-1)^k x[n - 1] + 2 sum of x[j] cos(pi j k / (n - 1)), 0 < j < n - 1, of 2 elements or more.
    Type 2: 2 sum of x[j] cos(pi k (2j + 1) / 2n).   Type 3: x[0] + 2 sum of x[j] cos(pi (2k + 1) j / 2n), j > 0.
    Type 4: 2 sum of x[j] cos(pi (2k + 1) (2j + 1) / 4n).
    norm: "forward" divides by 2n (type 1: 2n - 2), "ortho" by its square root.
    orthogonalize (None: if norm is "ortho"): the matrix is orthogonal up to a factor; to that end x[0] and y[0], in
    type 1 the last elements, too, are multiplied by a power of sqrt(2).
    Dtype: real.
    """
    return _transform("dct", x, type, n, axis, norm, orthogonalize, False)


def idct(x: TensorLike, type: int = 2, n: SizeLike | None = None, axis: Axis = -1, norm: str | None = None,
         orthogonalize: bool | None = None) -> TensorVariable:
    """The inverse of `dct` of that type, as scipy.fft.idct."""
    return _transform("dct", x, type, n, axis, norm, orthogonalize, True)


def dst(x: TensorLike, type: int = 2, n: SizeLike | None = None, axis: Axis = -1, norm: str | None = None,
        orthogonalize: bool | None = None) -> TensorVariable:
    """The transform by sines of that type, 1 to 4, as scipy.fft.dst.

    Type 1: y[k] = 2 sum of x[j] sin(pi (j + 1) (k + 1) / (n + 1)).
    Type 2: 2 sum of x[j] sin(pi (k + 1) (2j + 1) / 2n).
    Type 3: (-1)^k x[n - 1] + 2 sum of x[j] sin(pi (2k + 1) (j + 1) / 2n), j < n - 1.
    Type 4: 2 sum of x[j] sin(pi (2k + 1) (2j + 1) / 4n).
    norm, orthogonalize: as of `dct`; type 1 is divided by 2n + 2, and it is the last elements that are multiplied.
    Dtype: real.
    """
    return _transform("dst", x, type, n, axis, norm, orthogonalize, False)


def idst(x: TensorLike, type: int = 2, n: SizeLike | None = None, axis: Axis = -1, norm: str | None = None,
         orthogonalize: bool | None = None) -> TensorVariable:
    """The inverse of `dst` of that type, as scipy.fft.idst."""
    return _transform("dst", x, type, n, axis, norm, orthogonalize, True)


def _transform(kind: str, x: TensorLike, type: int, n: SizeLike | None, axis: Axis, norm: str | None,
               orthogonalize: bool | None, inverse: bool) -> TensorVariable:
    what = f"i{kind}" if inverse else kind
    if type not in _BACK or isinstance(type, bool):
        raise TypeMismatchError(f"{what}: type is 1, 2, 3 or 4, got {quoted(type)}{at(user_line())}")
    norm = checked_norm(what, norm)
    if orthogonalize not in (None, True, False):
        raise TypeMismatchError(f"{what}: orthogonalize is True, False or None, got {quoted(orthogonalize)}"
                                f"{at(user_line())}")
    v, where = last(what, numbers(what, x, False), axis)
    v, count = fitted(what, v, n)
    more = 0 if type != 1 else -2 if kind == "dct" else 2
    period = of_sizes(lambda n: 2 * n + more, count)
    if more < 0:
        v = in_range(count, 2, None, f"{what}: type 1 takes 2 elements or more, got {{0}}", on=v)
    number = _BACK[type] if inverse else type
    ends = {("dct", 1): (0, -1), ("dct", 2): (0,), ("dct", 3): (0,), ("dst", 2): (-1,), ("dst", 3): (-1,)}.get(
        (kind, number), ()) if orthogonalize or (orthogonalize is None and norm == "ortho") else ()
    if number in (1, 3):
        v = _scaled(v, ends, np.sqrt(2))
    by = nonempty(what, v, factor(norm, inverse, period, v.type.dtype))
    made = apply(build.call(f"{kind}{number}"), v, by)
    if number in (1, 2):
        made = _scaled(made, ends, np.sqrt(0.5))
    return back(made, where)


def _scaled(x: TensorVariable, ends: tuple[int, ...], by: float) -> TensorVariable:
    """x, of each row the elements at `ends` times `by`."""
    if not ends:
        return x
    n = size_of(x, x.type.ndim - 1)
    places = apply(ops.Iota(), n)
    here = [ew.eq(places, size_constant(0) if end == 0 else ew.sub(n, size_constant(1))) for end in ends]
    one, other = [constant(value, dtype=x.type.dtype) for value in (1, by)]
    return ew.mul(x, ew.switch(here[0] if len(here) == 1 else ew.or_(*here), other, one))
