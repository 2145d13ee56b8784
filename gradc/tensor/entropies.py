"""Products with logarithms, entropies, and the logit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradc.tensor.elemwise import elementwise
from gradc.tensor.types import TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = [
    "entr", "kl_div", "logit", "rel_entr", "sinc", "xlog1py", "xlogy",
]


def xlogy(x: TensorLike, y: TensorLike) -> TensorVariable:
    """x * log(y), 0 where x is 0 and y is no nan.  Dtype: floating.  Error: 6 ulp."""
    return elementwise("xlogy", x, y)


def xlog1py(x: TensorLike, y: TensorLike) -> TensorVariable:
    """x * log(1 + y), 0 where x is 0 and y is no nan.  Dtype: floating.  Error: 6 ulp."""
    return elementwise("xlog1py", x, y)


def entr(x: TensorLike) -> TensorVariable:
    """-x * log(x), 0 at 0, -inf below.  Dtype: floating.  Error: 6 ulp."""
    return elementwise("entr", x)


def rel_entr(x: TensorLike, y: TensorLike) -> TensorVariable:
    """x * log(x/y) for positive x and y, 0 for x = 0 and y >= 0, inf elsewhere.  Dtype: floating.  Error: 6 ulp."""
    return elementwise("rel_entr", x, y)


def kl_div(x: TensorLike, y: TensorLike) -> TensorVariable:
    """x * log(x/y) - x + y for positive x and y, y for x = 0 and y >= 0, inf elsewhere.  Dtype: floating.

    Error: 60 ulp; near x = y, where SciPy's form cancels, too.
    """
    return elementwise("kl_div", x, y)


def logit(x: TensorLike) -> TensorVariable:
    """log(x / (1 - x)); infinite at 0 and 1, nan outside.  Dtype: floating.  Error: 8 ulp."""
    return elementwise("logit", x)


def sinc(x: TensorLike) -> TensorVariable:
    """sin(pi x) / (pi x), 1 at 0.  Dtype: floating.  Error: 6 ulp.  As numpy.sinc."""
    return elementwise("sinc", x)
