"""Incomplete gamma and beta functions, their inverses, derivatives of the gamma function."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradc.tensor import elemwise as ew
from gradc.tensor.elemwise import elementwise
from gradc.tensor.types import TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = [
    "beta", "betainc", "betaincinv", "betaln", "chi2sf", "gammainc", "gammaincc", "gammainccinv", "gammaincinv",
    "gammal", "gammau", "polygamma", "zeta",
]


def gammainc(a: TensorLike, x: TensorLike) -> TensorVariable:
    """Regularized lower incomplete gamma function, the distribution function of a gamma distribution.  Dtype: floating.

    nan for a < 0 or x < 0, and at a = x = 0.  Error: 60 ulp up to a = 100, a relative 1e-13 beyond.
    Derivatives: by a (its series or fraction term by term; relative 1e-12), twice (differences of that; relative 1e-9),
    and by x, of every order.
    Sources: NIST DLMF 8.7.1, 8.9.2; N. Temme, SIAM J. Math. Anal. 10 (1979) 757-766 for a >= 200 and x near a.
    """
    return elementwise("gammainc", a, x)


def gammaincc(a: TensorLike, x: TensorLike) -> TensorVariable:
    """Regularized upper incomplete gamma function 1 - gammainc(a, x), accurate where small.  Else: as `gammainc`."""
    return elementwise("gammaincc", a, x)


def gammaincinv(a: TensorLike, p: TensorLike) -> TensorVariable:
    """The x with gammainc(a, x) = p.  Dtype: floating.  0 for p = 0, inf for p = 1, nan outside of a > 0, 0 <= p <= 1.

    Error: a relative 1e-13.  Derivatives: by both arguments, from those of gammainc.
    """
    return elementwise("gammaincinv", a, p)


def gammainccinv(a: TensorLike, q: TensorLike) -> TensorVariable:
    """The x with gammaincc(a, x) = q.  Else: as `gammaincinv`."""
    return elementwise("gammainccinv", a, q)


def betaln(a: TensorLike, b: TensorLike) -> TensorVariable:
    """log(abs(beta(a, b))), without loss for large arguments.  Dtype: floating.

    Error: 20 ulp of the larger of it and 1, for positive a and b; else that of the reflection's three
    logarithms.  inf at poles, nan for -inf.
    """
    return elementwise("betaln", a, b)


def beta(a: TensorLike, b: TensorLike) -> TensorVariable:
    """Beta function gamma(a) gamma(b) / gamma(a + b).  Dtype: floating.

    Error: 40 ulp for a, b < 100, a relative 1e-15 * abs(betaln(a, b)) beyond.  inf where a or b is a
    pole of gamma, but (-1)**b beta(1 - a - b, b) for whole numbers a <= -b < 0, as SciPy.
    """
    return elementwise("beta", a, b)


def betainc(a: TensorLike, b: TensorLike, x: TensorLike) -> TensorVariable:
    """Regularized incomplete beta function, the distribution function of the beta distribution.  Dtype: floating.

    nan outside of a, b >= 0 (not both 0), 0 <= x <= 1.  Error: a relative 1e-13 for a, b < 1000, and 1e-16 times the
    logarithm's size in tails.  Derivatives: by a and b (the continued fraction's, relative 1e-12), twice (differences
    of that; relative 1e-9), and by x, of every order.
    Sources: NIST DLMF 8.17.22; R. Boik and J. Robinson-Cox, J. Stat. Software 3 (1998) no. 1.
    """
    return elementwise("betainc", a, b, x)


def betaincinv(a: TensorLike, b: TensorLike, p: TensorLike) -> TensorVariable:
    """The x with betainc(a, b, x) = p.  Dtype: floating.  nan outside of a, b > 0 (one may be inf), 0 <= p <= 1.

    Error: a relative 1e-12.  Derivatives: by all arguments, from those of betainc.
    """
    return elementwise("betaincinv", a, b, p)


def polygamma(n: TensorLike, x: TensorLike) -> TensorVariable:
    """The n-th derivative of psi, for n = 0 ... 150; nan for other n.  Dtype: floating.

    Error: 20 ulp for x > 0.  inf at 0 and at negative integers.  No derivative by n.
    """
    return elementwise("polygamma", n, x)


def zeta(s: TensorLike, q: TensorLike) -> TensorVariable:
    """Hurwitz' zeta function, the sum of (k + q)**-s over k = 0, 1, ...; q = 1 gives Riemann's.  Dtype: floating.

    inf at s = 1, nan below, as SciPy.  Error: 20 ulp for q > 0.  Derivative: by q.  Source: NIST DLMF 25.11.28.
    """
    return elementwise("zeta", s, q)


def gammau(k: TensorLike, x: TensorLike) -> TensorVariable:
    """Upper incomplete gamma function, gammaincc(k, x) * gamma(k).  Dtype: floating."""
    return ew.mul(gammaincc(k, x), ew.gamma(k))


def gammal(k: TensorLike, x: TensorLike) -> TensorVariable:
    """Lower incomplete gamma function, gammainc(k, x) * gamma(k).  Dtype: floating."""
    return ew.mul(gammainc(k, x), ew.gamma(k))


def chi2sf(x: TensorLike, k: TensorLike) -> TensorVariable:
    """Survival function of the chi-square distribution with k degrees of freedom, gammaincc(k/2, x/2)."""
    return gammaincc(ew.true_divide(k, 2), ew.true_divide(x, 2))
