"""The frequencies of the elements of a transform, and the order of its halves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gradc.config import config
from gradc.ir import dtypes, ops
from gradc.ir.graph import apply
from gradc.tensor import elemwise as ew
from gradc.tensor.convert import as_tensor_variable, cast, size_constant, size_of
from gradc.tensor.fft.lengths import half_length, length
from gradc.tensor.moves import roll
from gradc.tensor.reduce import normalize_axis
from gradc.tensor.types import Axes, SizeLike, TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = ["fftfreq", "fftshift", "ifftshift", "rfftfreq"]


def fftfreq(n: SizeLike, d: TensorLike = 1.0) -> TensorVariable:
    """The frequencies of the n elements of `fft`, for samples at the distance d, as numpy.fft.fftfreq.

    They are 0, 1, ..., (n - 1) // 2, -(n // 2), ..., -1, divided by n d.   Dtype: floatX, or that of d.
    """
    count = length("fftfreq", n)
    places = apply(ops.Iota(), count)
    negative = ew.gt(places, ew.floor_divide(ew.sub(count, size_constant(1)), size_constant(2)))
    return _by(ew.switch(negative, ew.sub(places, count), places), count, d)


def rfftfreq(n: SizeLike, d: TensorLike = 1.0) -> TensorVariable:
    """The frequencies of the n // 2 + 1 elements of `rfft`, 0, 1, ..., n // 2, divided by n d."""
    count = length("rfftfreq", n)
    return _by(apply(ops.Iota(), half_length(count)), count, d)


def _by(places: TensorVariable, n: TensorVariable, d: TensorLike) -> TensorVariable:
    d, work = as_tensor_variable(d), dtypes.working()
    made = ew.true_divide(cast(places, work), ew.mul(cast(n, work), d))
    return cast(made, dtypes.upcast(config.floatX, d.type.dtype))


def fftshift(x: TensorLike, axes: Axes = None) -> TensorVariable:
    """x with frequency 0, which is first in transforms, in the middle along `axes` (None: all).

    As numpy.fft.fftshift.
    """
    return _shifted("fftshift", x, axes, False)


def ifftshift(x: TensorLike, axes: Axes = None) -> TensorVariable:
    """The inverse of `fftshift`: the two differ along axes of odd length."""
    return _shifted("ifftshift", x, axes, True)


def _shifted(what: str, x: TensorLike, axes: Axes, inverse: bool) -> TensorVariable:
    x = as_tensor_variable(x)
    given = range(x.type.ndim) if axes is None else axes if isinstance(axes, Sequence) else [axes]
    for axis in [normalize_axis(k, x.type.ndim, what, x) for k in given]:
        half = ew.floor_divide(size_of(x, axis), size_constant(2))
        x = roll(x, ew.neg(half) if inverse else half, axis)
    return x


# rows of `tensor.numpy_api`
NUMPY = {fn.__name__: (fn, "x axes=") for fn in (fftshift, ifftshift)}
