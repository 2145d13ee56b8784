"""Bessel functions of real order and argument."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradc.tensor.elemwise import elementwise
from gradc.tensor.types import TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = [
    "i0", "i0e", "i1", "i1e", "iv", "ive", "j0", "j1", "jv", "kv", "kve", "y0", "y1", "yv",
]


def i0(x: TensorLike) -> TensorVariable:
    """Modified Bessel function of the first kind of order 0.  Dtype: floating.  Error: 8 ulp."""
    return elementwise("i0", x)


def i1(x: TensorLike) -> TensorVariable:
    """Modified Bessel function of the first kind of order 1.  Dtype: floating.  Error: 8 ulp."""
    return elementwise("i1", x)


def i0e(x: TensorLike) -> TensorVariable:
    """exp(-abs(x)) * i0(x), without overflow.  Dtype: floating.  Error: 6 ulp."""
    return elementwise("i0e", x)


def i1e(x: TensorLike) -> TensorVariable:
    """exp(-abs(x)) * i1(x), without overflow.  Dtype: floating.  Error: 6 ulp."""
    return elementwise("i1e", x)


def j0(x: TensorLike) -> TensorVariable:
    """Bessel function of the first kind of order 0.  Dtype: floating.  0 at infinity and from 1e300 on.

    Error: 10 epsilon of the modulus sqrt(2/(pi x)): near zeros it is not relative.
    """
    return elementwise("j0", x)


def j1(x: TensorLike) -> TensorVariable:
    """Bessel function of the first kind of order 1.  Dtype: floating.  0 at infinity and from 1e300 on.

    Error: 10 epsilon of the modulus sqrt(2/(pi x)): near zeros it is not relative.
    """
    return elementwise("j1", x)


def y0(x: TensorLike) -> TensorVariable:
    """Bessel function of the second kind of order 0; -inf at 0, nan below.  Dtype: floating.

    Error: 10 epsilon of the modulus sqrt(2/(pi x)): near zeros it is not relative.
    """
    return elementwise("y0", x)


def y1(x: TensorLike) -> TensorVariable:
    """Bessel function of the second kind of order 1; -inf at 0, nan below.  Dtype: floating.

    Error: 10 epsilon of the modulus sqrt(2/(pi x)): near zeros it is not relative.
    """
    return elementwise("y1", x)


def jv(v: TensorLike, x: TensorLike) -> TensorVariable:
    """Bessel function of the first kind of real order v; nan for x < 0 unless v is whole.  Dtype: floating.

    Error: 100 epsilon for abs(v) < 30, 200 for 0 <= v < 400, beyond x = v of the modulus sqrt(2/(pi x)): near zeros it
    is not relative.  0 from x = 1e300 on; nan for infinite v, and for abs(v) > 1e5 where x is neither small nor large
    beside v.
    Derivative: by x; that by v is refused.  Source: N. Temme, J. Comput. Phys. 21 (1976) 343-350; NIST DLMF 10.17.
    """
    return elementwise("jv", v, x)


def yv(v: TensorLike, x: TensorLike) -> TensorVariable:
    """Bessel function of the second kind of real order v; infinite at 0, nan below.  Else: as `jv`."""
    return elementwise("yv", v, x)


def iv(v: TensorLike, x: TensorLike) -> TensorVariable:
    """Modified Bessel function of the first kind of real order v; nan for x < 0 unless v is whole.  Dtype: floating.

    Error: 20 epsilon for 0 <= v < 400, where exp(-x) I(v, x) is a normal number.  nan for infinite v, and for
    abs(v) > 1e5 as `jv`.  Derivative: by x; that by v is refused.
    Sources: NIST DLMF 10.25.2, 10.40.1; N. Temme, J. Comput. Phys. 19 (1975) 324-337.
    """
    return elementwise("iv", v, x)


def ive(v: TensorLike, x: TensorLike) -> TensorVariable:
    """exp(-abs(x)) * iv(v, x), without overflow.  Else: as `iv`."""
    return elementwise("ive", v, x)


def kv(v: TensorLike, x: TensorLike) -> TensorVariable:
    """Modified Bessel function of the second kind of real order v; inf at 0, nan below.  Dtype: floating.

    Error: 40 epsilon for abs(v) < 30.  nan as `iv`.  Derivative: by x; that by v is refused.
    Source: N. Temme, J. Comput. Phys. 19 (1975) 324-337.
    """
    return elementwise("kv", v, x)


def kve(v: TensorLike, x: TensorLike) -> TensorVariable:
    """exp(x) * kv(v, x), without underflow.  Else: as `kv`."""
    return elementwise("kve", v, x)
