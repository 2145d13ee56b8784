"""Transforms with real and imaginary parts along a last axis, as `aesara.tensor.fft` has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradc.errors import ShapeError, TypeMismatchError, at, quoted
from gradc.ir.graph import describe, user_line
from gradc.tensor import elemwise as ew
from gradc.tensor.checks import flag
from gradc.tensor.convert import as_tensor_variable, of_sizes, size_of
from gradc.tensor.fft.fourier import irfftn, rfftn
from gradc.tensor.joining import stack
from gradc.tensor.types import TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = ["irfft_parts", "rfft_parts"]


def rfft_parts(inp: TensorLike, norm: str | None = None) -> TensorVariable:
    """`aesara.tensor.fft.rfft`: `rfftn` along all axes but the first, real and imaginary parts along a new last axis.

    Shapes: (m, ..., n) -> (m, ..., n // 2 + 1, 2).   norm: None (the inverse is divided by the number of elements),
    "ortho" (both are by its square root), "no_norm" (neither is).   Dtype: real.
    """
    x = as_tensor_variable(inp)
    if x.type.ndim < 2:
        raise ShapeError(f"rfft_parts takes a batch of tensors, {describe(x)} is {x.type.short()}{at(x.source)}")
    made = rfftn(x, axes=range(1, x.type.ndim), norm="ortho" if _checked("rfft_parts", norm) == "ortho" else None)
    return stack([ew.real(made), ew.imag(made)], axis=-1)


def irfft_parts(inp: TensorLike, norm: str | None = None, is_odd: bool = False) -> TensorVariable:
    """`aesara.tensor.fft.irfft`, the inverse of `rfft_parts`; is_odd: the last axis had an odd number of elements.

    Shapes: (m, ..., n // 2 + 1, 2) -> (m, ..., n).   norm: that of `rfft_parts`.   Dtype: real.
    """
    x, odd = as_tensor_variable(inp), int(flag(is_odd, "irfft_parts", "is_odd"))
    if x.type.ndim < 3 or x.type.shape[-1] not in (None, 2):
        raise ShapeError(f"irfft_parts takes a batch of tensors whose last axis is real and imaginary part, "
                         f"{describe(x)} is {x.type.short()}{at(x.source)}")
    whole = ew.complex(x[..., 0], x[..., 1])
    axes = range(1, whole.type.ndim)
    n = of_sizes(lambda m: 2 * (m - 1) + odd, size_of(whole, axes[-1]))
    how = {None: None, "ortho": "ortho", "no_norm": "forward"}[_checked("irfft_parts", norm)]
    return irfftn(whole, [*[size_of(whole, k) for k in axes[:-1]], n], axes, how)


def _checked(what: str, norm: str | None) -> str | None:
    if norm not in (None, "ortho", "no_norm"):
        raise TypeMismatchError(f"{what}: norm is None, 'ortho' or 'no_norm', got {quoted(norm)}{at(user_line())}")
    return norm
