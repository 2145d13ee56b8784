"""Windows: weights of samples that fall off to both ends."""

from __future__ import annotations

from math import pi
from typing import TYPE_CHECKING

from gradc.config import config
from gradc.ir import dtypes, ops
from gradc.ir.graph import apply
from gradc.tensor import elemwise as ew
from gradc.tensor.bessel import i0e
from gradc.tensor.checks import flag, integer
from gradc.tensor.convert import as_tensor_variable, cast, constant, of_sizes
from gradc.tensor.trigonometry import cos
from gradc.tensor.types import SizeLike, TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = ["bartlett", "blackman", "hamming", "hann", "hanning", "kaiser"]


def _places(what: str, M: SizeLike, sym: bool) -> TensorVariable:
    """The places of M samples, from -1 to 1; not `sym`: of M + 1 all but the last.  0 if there is one."""
    more = 0 if flag(sym, what, "sym") else 1
    size = integer(M, what, "M")
    work = dtypes.working()
    places, last = cast(apply(ops.Iota(), size), work), cast(of_sizes(lambda m: m - 1 + more, size), work)
    one, two = [constant(value, dtype=work) for value in (1, 2)]
    alone = ew.le(size, constant(1, dtype="int64"))
    return ew.switch(alone, constant(0, dtype=work),
                     ew.true_divide(ew.sub(ew.mul(two, places), last), ew.maximum(last, one)))


def _cosines(what: str, M: SizeLike, sym: bool, *weights: float) -> TensorVariable:
    """weights[0] + weights[1] cos(pi t) + weights[2] cos(2 pi t), t going from -1 to 1."""
    t = _places(what, M, sym)
    made = constant(weights[0], dtype=t.type.dtype)
    for k, weight in enumerate(weights[1:], 1):
        turn = cos(ew.mul(constant(k * pi, dtype=t.type.dtype), t))
        made = ew.add(made, ew.mul(constant(weight, dtype=t.type.dtype), turn))
    return cast(made, config.floatX)


def bartlett(M: SizeLike, sym: bool = True) -> TensorVariable:
    """The triangle of M points that is 0 at both ends, as numpy.bartlett.

    sym: False leaves out the last of M + 1 points, for periods of M samples.   Dtype: floatX.
    """
    t = _places("bartlett", M, sym)
    return cast(ew.sub(constant(1, dtype=t.type.dtype), ew.abs(t)), config.floatX)


def blackman(M: SizeLike, sym: bool = True) -> TensorVariable:
    """0.42 + 0.5 cos(pi t) + 0.08 cos(2 pi t) at M points t from -1 to 1, as numpy.blackman.

    sym: as of `bartlett`.
    """
    return _cosines("blackman", M, sym, 0.42, 0.5, 0.08)


def hamming(M: SizeLike, sym: bool = True) -> TensorVariable:
    """0.54 + 0.46 cos(pi t) at M points t from -1 to 1, as numpy.hamming.   sym: as of `bartlett`."""
    return _cosines("hamming", M, sym, 0.54, 0.46)


def hanning(M: SizeLike, sym: bool = True) -> TensorVariable:
    """0.5 + 0.5 cos(pi t) at M points t from -1 to 1, as numpy.hanning.   sym: as of `bartlett`."""
    return _cosines("hanning", M, sym, 0.5, 0.5)


def hann(M: SizeLike, sym: bool = True) -> TensorVariable:
    """`hanning` by its name in scipy.signal."""
    return _cosines("hann", M, sym, 0.5, 0.5)


def kaiser(M: SizeLike, beta: TensorLike, sym: bool = True) -> TensorVariable:
    """I0(beta sqrt(1 - t^2)) / I0(beta) at M points t from -1 to 1, as numpy.kaiser.

    sym: as of `bartlett`.   Dtype: floatX, or that of the scalar beta.
    """
    t = _places("kaiser", M, sym)
    beta = as_tensor_variable(beta)
    falls = ew.mul(beta, ew.sqrt(ew.maximum(ew.sub(constant(1, dtype=t.type.dtype), ew.square(t)), 0)))
    # by exp(-x) I0(x), which does not overflow
    made = ew.mul(ew.true_divide(i0e(falls), i0e(beta)), ew.exp(ew.sub(falls, beta)))
    return cast(made, dtypes.upcast(config.floatX, beta.type.dtype))
