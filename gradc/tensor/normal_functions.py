"""The normal distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradc.tensor.elemwise import elementwise
from gradc.tensor.types import TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = [
    "log_ndtr", "ndtr", "ndtri", "owens_t",
]


def ndtr(x: TensorLike) -> TensorVariable:
    """Distribution function of the standard normal distribution.  Dtype: floating.  Error: 6 ulp, in the tails too."""
    return elementwise("ndtr", x)


def log_ndtr(x: TensorLike) -> TensorVariable:
    """log(ndtr(x)), without underflow.  Dtype: floating.  Error: 8 ulp.

    Its derivative is within 8 ulp, too, and the second one within 40.
    """
    return elementwise("log_ndtr", x)


def ndtri(p: TensorLike) -> TensorVariable:
    """Quantile of the standard normal distribution; +-inf at 1 and 0, nan outside.  Dtype: floating.  Error: 8 ulp.

    Source: M. Wichura, Algorithm AS 241, Appl. Statist. 37 (1988) 477-484.
    """
    return elementwise("ndtri", p)


def owens_t(h: TensorLike, a: TensorLike) -> TensorVariable:
    """Owen's T: the integral of exp(-h**2 (1 + t**2)/2)/(2 pi (1 + t**2)) from 0 to a.  Dtype: floating.

    Error: 80 ulp for h < 6, a relative 1e-12 beyond.
    Source: M. Patefield and D. Tandy, J. Stat. Software 5 (2000) no. 5.
    """
    return elementwise("owens_t", h, a)
