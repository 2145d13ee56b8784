"""Exponential integrals, Dawson's, the dilogarithm, Lambert's W, and Gauss' hypergeometric function."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradc.errors import TypeMismatchError, at, quoted
from gradc.ir.graph import user_line
from gradc.tensor.elemwise import elementwise
from gradc.tensor.types import TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = [
    "dawsn", "exp1", "expi", "hyp2f1", "lambertw", "spence",
]


def expi(x: TensorLike) -> TensorVariable:
    """Exponential integral Ei, the principal value of the integral of exp(t)/t from -infinity to x.  Dtype: floating.

    -inf at 0.  Error: 30 ulp, near its zero too.  Sources: NIST DLMF 6.6, 6.12.
    """
    return elementwise("expi", x)


def exp1(x: TensorLike) -> TensorVariable:
    """Exponential integral E1, the integral of exp(-t)/t from x to infinity; inf at 0, nan below.  Dtype: floating.

    Error: 20 ulp.  Sources: NIST DLMF 6.6.2, 6.9.1.
    """
    return elementwise("exp1", x)


def dawsn(x: TensorLike) -> TensorVariable:
    """Dawson's integral, exp(-x**2) times the integral of exp(t**2) from 0 to x.  Dtype: floating.  Error: 8 ulp."""
    return elementwise("dawsn", x)


def spence(z: TensorLike) -> TensorVariable:
    """Dilogarithm of 1 - z, as SciPy's; nan below 0.  Dtype: floating.  Error: 10 ulp.

    Source: L. Lewin, Polylogarithms (1981).
    """
    return elementwise("spence", z)


def hyp2f1(a: TensorLike, b: TensorLike, c: TensorLike, x: TensorLike) -> TensorVariable:
    """Gauss' hypergeometric function; nan for x > 1 unless it is a polynomial.  Dtype: floating.

    Error: a relative 1e-12 for positive a, b, c < 5; of sums that cancel, that of their largest term.  Derivative: by
    x; those by the parameters are refused.  Source: NIST DLMF 15.8.
    """
    return elementwise("hyp2f1", a, b, c, x)


def lambertw(z: TensorLike, k: int = 0) -> TensorVariable:
    """The real w with w * exp(w) = z, on the branch k: 0 (w >= -1) or -1 (w <= -1).  Dtype: floating, real.

    nan where there is none: below -1/e, for k = -1 above 0, too.  Error: 10 ulp, at the branch point too.
    Source: R. Corless et al., Adv. Comput. Math. 5 (1996) 329-359.
    Raises: TypeMismatchError for another k, whose branch has no real values.
    """
    if k not in (0, -1):
        raise TypeMismatchError(f"lambertw: k must be 0 or -1, the branches with real values, got {quoted(k)}"
                                f"{at(user_line())}")
    return elementwise("lambertw" if k == 0 else "lambertw_minus", z)
