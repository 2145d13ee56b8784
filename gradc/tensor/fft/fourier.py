"""Discrete Fourier transforms of complex numbers, and of real ones, along one axis or several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gradc.errors import ShapeError, at
from gradc.ir import build
from gradc.ir.graph import apply, user_line
from gradc.tensor import elemwise as ew
from gradc.tensor.convert import of_sizes, size_of, sizes, sizes_of
from gradc.tensor.fft.lengths import (
    as_complex,
    back,
    checked_norm,
    factor,
    fitted,
    half_length,
    last,
    length,
    nonempty,
    numbers,
    swapped,
)
from gradc.tensor.reduce import normalize_axis
from gradc.tensor.shape import flatten, reshape
from gradc.tensor.types import Axes, Axis, ShapeLike, SizeLike, TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = ["fft", "fft2", "fftn", "hfft", "ifft", "ifft2", "ifftn", "ihfft", "irfft", "irfft2", "irfftn", "rfft",
           "rfft2", "rfftn"]


def _complex(what: str, a: TensorLike, n: SizeLike | None, axis: Axis, norm: str | None,
             inverse: bool) -> TensorVariable:
    """A transform of complex numbers."""
    norm = checked_norm(what, norm)
    x = numbers(what, a, True)
    where = normalize_axis(axis, x.type.ndim, what, x)
    x, count = fitted(what, x, n, where)
    by = nonempty(what, x, factor(norm, inverse, count, x.type.dtype), where)
    name, x = "ifft" if inverse else "fft", as_complex(x)
    if where == x.type.ndim - 1:
        return apply(build.call(name), x, by)
    made = apply(build.call(f"{name}_columns"), flatten(x, where + 2), by)
    return made if x.type.ndim == where + 2 else reshape(made, sizes_of(x))


def fft(a: TensorLike, n: SizeLike | None = None, axis: Axis = -1, norm: str | None = None) -> TensorVariable:
    """The discrete Fourier transform along `axis`: y[k] = sum of a[j] exp(-2 pi i j k / n), as numpy.fft.fft.

    Shapes: the axis has n elements.   Dtype: complex.
    """
    return _complex("fft", a, n, axis, norm, False)


def ifft(a: TensorLike, n: SizeLike | None = None, axis: Axis = -1, norm: str | None = None) -> TensorVariable:
    """The inverse of `fft`: y[j] = sum of a[k] exp(2 pi i j k / n) / n, as numpy.fft.ifft."""
    return _complex("ifft", a, n, axis, norm, True)


def rfft(a: TensorLike, n: SizeLike | None = None, axis: Axis = -1, norm: str | None = None) -> TensorVariable:
    """The first n // 2 + 1 elements of `fft` of real numbers, which tell the others, as numpy.fft.rfft.

    Shapes: the axis has n // 2 + 1 elements.   Dtype: complex.
    """
    norm = checked_norm("rfft", norm)
    x, where = last("rfft", numbers("rfft", a, False), axis)
    x, count = fitted("rfft", x, n)
    by = nonempty("rfft", x, factor(norm, False, count, x.type.dtype))
    made = apply(build.call("rfft", (1,)), x, by, half_length(count))
    return back(made, where)


def irfft(a: TensorLike, n: SizeLike | None = None, axis: Axis = -1, norm: str | None = None) -> TensorVariable:
    """The inverse of `rfft`: n real numbers, by the first n // 2 + 1 elements of their transform, as numpy.fft.irfft.

    n: None is 2 (m - 1), m being the size of the axis.  Imaginary parts of a[0], and of a[n / 2] if n is even, do not
    count.
    Dtype: real.
    """
    norm = checked_norm("irfft", norm)
    x, where = last("irfft", numbers("irfft", a, True), axis)
    if n is None:
        n = of_sizes(lambda m: 2 * (m - 1), size_of(x, x.type.ndim - 1))
    count = length("irfft", n)
    made = apply(build.call("irfft", (1,)), as_complex(x), factor(norm, True, count, x.type.dtype), count)
    return back(made, where)


def hfft(a: TensorLike, n: SizeLike | None = None, axis: Axis = -1, norm: str | None = None) -> TensorVariable:
    """The transform, which is real, of n numbers of which a[n - k] is conj(a[k]), by the first n // 2 + 1 of them.

    As numpy.fft.hfft.   n: as of `irfft`.   Dtype: real.
    """
    checked_norm("hfft", norm)
    return irfft(ew.conj(numbers("hfft", a, True)), n, axis, swapped(norm))


def ihfft(a: TensorLike, n: SizeLike | None = None, axis: Axis = -1, norm: str | None = None) -> TensorVariable:
    """The inverse of `hfft`, as numpy.fft.ihfft.   Shapes: the axis has n // 2 + 1 elements.   Dtype: complex."""
    checked_norm("ihfft", norm)
    return ew.conj(rfft(numbers("ihfft", a, False), n, axis, swapped(norm)))


# ------------------------------------------------------------------------------------------------ several axes


def _plan(what: str, x: TensorVariable, s: ShapeLike | None, axes: Axes) -> tuple[list[Any], list[int]]:
    """The length along each axis that is transformed (None: all of it), and the axes, in the order given."""
    if s is None:
        given = list(range(x.type.ndim)) if axes is None else [axes] if not isinstance(axes, Sequence) else list(axes)
        return [None] * len(given), [normalize_axis(k, x.type.ndim, what, x) for k in given]
    lengths = [None if isinstance(n, int) and n == -1 else n for n in s] \
        if isinstance(s, (list, tuple)) else list(sizes(s))
    given = list(range(-len(lengths), 0)) if axes is None else [axes] if not isinstance(axes, Sequence) else list(axes)
    if len(given) != len(lengths):
        raise ShapeError(f"{what}: s has {len(lengths)} lengths for {len(given)} axes{at(user_line())}")
    return lengths, [normalize_axis(k, x.type.ndim, what, x) for k in given]


def _each(what: str, x: TensorVariable, s: list[Any], axes: list[int], norm: str | None,
          inverse: bool) -> TensorVariable:
    """Transforms along these axes, the last one first."""
    for n, axis in reversed(list(zip(s, axes))):
        x = _complex(what, x, n, axis, norm, inverse)
    return x


def fftn(a: TensorLike, s: ShapeLike | None = None, axes: Axes = None, norm: str | None = None) -> TensorVariable:
    """`fft` along each of `axes` (None: along all, or as many of the last as s has lengths), as numpy.fft.fftn.

    s: the lengths; -1 takes all of an axis.
    """
    checked_norm("fftn", norm)
    x = numbers("fftn", a, True)
    return _each("fftn", x, *_plan("fftn", x, s, axes), norm, False)


def ifftn(a: TensorLike, s: ShapeLike | None = None, axes: Axes = None, norm: str | None = None) -> TensorVariable:
    """The inverse of `fftn`, as numpy.fft.ifftn."""
    checked_norm("ifftn", norm)
    x = numbers("ifftn", a, True)
    return _each("ifftn", x, *_plan("ifftn", x, s, axes), norm, True)


def rfftn(a: TensorLike, s: ShapeLike | None = None, axes: Axes = None, norm: str | None = None) -> TensorVariable:
    """`rfft` along the last of `axes`, then `fft` along the others, as numpy.fft.rfftn.   s, axes: as of `fftn`."""
    x = numbers("rfftn", a, False)
    lengths, places = _some("rfftn", x, s, axes)
    return _each("rfftn", rfft(x, lengths[-1], places[-1], norm), lengths[:-1], places[:-1], norm, False)


def irfftn(a: TensorLike, s: ShapeLike | None = None, axes: Axes = None, norm: str | None = None) -> TensorVariable:
    """The inverse of `rfftn`, as numpy.fft.irfftn.   s, axes: as of `fftn`; the last length as n of `irfft`."""
    x = numbers("irfftn", a, True)
    lengths, places = _some("irfftn", x, s, axes)
    for n, axis in zip(lengths[:-1], places[:-1]):
        x = _complex("irfftn", x, n, axis, norm, True)
    return irfft(x, lengths[-1], places[-1], norm)


def _some(what: str, x: TensorVariable, s: ShapeLike | None, axes: Axes) -> tuple[list[SizeLike | None], list[int]]:
    """As `_plan`, at least one axis."""
    lengths, places = _plan(what, x, s, axes)
    if not places:
        raise ShapeError(f"{what}: axes names at least one axis, got none{at(user_line())}")
    return lengths, places


def fft2(a: TensorLike, s: ShapeLike | None = None, axes: Axes = (-2, -1), norm: str | None = None) -> TensorVariable:
    """`fftn` along two axes, as numpy.fft.fft2."""
    return fftn(a, s, axes, norm)


def ifft2(a: TensorLike, s: ShapeLike | None = None, axes: Axes = (-2, -1), norm: str | None = None) -> TensorVariable:
    """`ifftn` along two axes, as numpy.fft.ifft2."""
    return ifftn(a, s, axes, norm)


def rfft2(a: TensorLike, s: ShapeLike | None = None, axes: Axes = (-2, -1), norm: str | None = None) -> TensorVariable:
    """`rfftn` along two axes, as numpy.fft.rfft2."""
    return rfftn(a, s, axes, norm)


def irfft2(a: TensorLike, s: ShapeLike | None = None, axes: Axes = (-2, -1), norm: str | None = None) -> TensorVariable:
    """`irfftn` along two axes, as numpy.fft.irfft2."""
    return irfftn(a, s, axes, norm)


# rows of `tensor.numpy_api`
NUMPY = {fn.__name__: (fn, "a n= axis= norm=") for fn in (fft, ifft, rfft, irfft, hfft, ihfft)} | {
    fn.__name__: (fn, "a s= axes= norm=") for fn in (fft2, ifft2, rfft2, irfft2, fftn, ifftn, rfftn, irfftn)}
