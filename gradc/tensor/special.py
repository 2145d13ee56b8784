"""Log-sum-exp and the softmax family, built stably, and the special functions by SciPy's names.

The largest element is subtracted before exponentials are taken.  It is held constant for derivatives
(`GradientOf("consider_constant")`): mathematically the result does not depend on it, so the derivatives of
every order are those of the whole, and they stay finite where the result does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradc.errors import ShapeError, at
from gradc.ir import build, graph, ops
from gradc.ir.facts import folds, permutation
from gradc.ir.graph import apply, describe
from gradc.tensor import elemwise as ew
from gradc.tensor import reduce as red
from gradc.tensor.bessel import (
    i0,
    i0e,
    i1,
    i1e,
    iv,
    ive,
    j0,
    j1,
    jv,
    kv,
    kve,
    y0,
    y1,
    yv,
)
from gradc.tensor.convert import as_tensor_variable, cast, constant
from gradc.tensor.elemwise import (
    digamma,
    erf,
    erfc,
    erfcinv,
    erfcx,
    erfinv,
    expit,
    gamma,
    gammaln,
    log1mexp,
    log_erfc,
    logaddexp,
    psi,
    softplus,
    tri_gamma,
    xlogx,
    xlogy0,
)
from gradc.tensor.entropies import (
    entr,
    kl_div,
    logit,
    rel_entr,
    sinc,
    xlog1py,
    xlogy,
)
from gradc.tensor.float_parts import cbrt
from gradc.tensor.gamma_functions import (
    beta,
    betainc,
    betaincinv,
    betaln,
    chi2sf,
    gammainc,
    gammaincc,
    gammainccinv,
    gammaincinv,
    gammal,
    gammau,
    polygamma,
    zeta,
)
from gradc.tensor.integrals import (
    dawsn,
    exp1,
    expi,
    hyp2f1,
    lambertw,
    spence,
)
from gradc.tensor.normal_functions import (
    log_ndtr,
    ndtr,
    ndtri,
    owens_t,
)
from gradc.tensor.types import Axes, Axis, TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = [
    "beta", "betainc", "betaincinv", "betaln", "cbrt", "chi2sf", "dawsn", "digamma", "entr", "erf", "erfc",
    "erfcinv", "erfcx", "erfinv", "exp1", "expi", "expit", "factorial", "gamma", "gammainc", "gammaincc",
    "gammainccinv", "gammaincinv", "gammal", "gammaln", "gammau", "hyp2f1", "i0", "i0e", "i1", "i1e", "iv",
    "ive", "j0", "j1", "jv", "kl_div", "kv", "kve", "lambertw", "log1mexp", "log_erfc", "log_ndtr",
    "log_softmax", "logaddexp", "logit", "logsumexp", "ndtr", "ndtri", "owens_t", "poch", "polygamma", "psi",
    "rel_entr", "sinc", "softmax", "softplus", "spence", "tri_gamma", "xlog1py", "xlogx", "xlogy", "xlogy0",
    "y0", "y1", "yv", "zeta",
]


def _floating(x: TensorLike) -> TensorVariable:
    """x as a tensor that exponentials can be taken of."""
    x = as_tensor_variable(x)
    want = ew.exp(x).type.dtype
    return cast(x, want)


def _peak(x: TensorVariable, axes: tuple[int, ...]) -> TensorVariable:
    """The largest element along `axes`, kept as axes of size 1, without derivative."""
    peak = build.fold(graph, "maximum", x, axes)
    return apply(ops.GradientOf("consider_constant"), build.insert_axes(graph, peak, axes, x.type.ndim))


def logsumexp(x: TensorLike, axis: Axes = None, keepdims: bool = False) -> TensorVariable:
    """Log of the sum of exponentials along `axis`.

    Shapes: as `sum`.  Dtype: floating.  Error: a few ulp of the largest element.  inf and nan: -inf for
    elements that are all -inf, inf if one is; nan if one is.
    Raises: ShapeError if axis is out of range, and at run time if there is no element.
    """
    x = _floating(x)
    axes = red.normalize_axes(axis, x, "logsumexp")
    if not axes:
        return ew.identity(x)
    peak = _peak(x, axes)
    peak = ew.switch(ew.isinf(peak), constant(0, dtype=x.type.dtype), peak)     # inf - inf is nan
    total = red.sum(ew.exp(ew.sub(x, peak)), axes, keepdims=True)
    result = ew.add(ew.log(total), peak)
    if keepdims:
        return result
    return build.drop_axes(graph, result, axes)


def softmax(x: TensorLike, axis: Axis = -1) -> TensorVariable:
    """exp(x) / sum(exp(x)) along `axis` (all axes for None).

    Dtype: floating.  Error: a few ulp.  inf and nan: nan along an axis that holds inf or nan, or only -inf.
    """
    x = _floating(x)
    axes = _some_axes(x, axis, "softmax")
    powers = ew.exp(ew.sub(x, _peak(x, axes)))
    return ew.true_divide(powers, red.sum(powers, axes, keepdims=True))


def log_softmax(x: TensorLike, axis: Axis = -1) -> TensorVariable:
    """x - log(sum(exp(x))) along `axis` (all axes for None), without under- or overflow.

    Dtype: floating.  inf and nan: nan along an axis that holds inf or nan, or only -inf.
    """
    x = _floating(x)
    axes = _some_axes(x, axis, "log_softmax")
    shifted = ew.sub(x, _peak(x, axes))
    return ew.sub(shifted, ew.log(red.sum(ew.exp(shifted), axes, keepdims=True)))


def _some_axes(x: TensorVariable, axis: Axis, what: str) -> tuple[int, ...]:
    axes = red.normalize_axes(axis, x, what) if x.type.ndim else ()
    if not axes:
        raise ShapeError(f"{what} takes at least one dimension, {describe(x)} is {x.type.short()}{at(x.source)}")
    return axes


def log_of(p: Any) -> TensorVariable:
    """log(p) of probabilities; of those made by `softmax` or `sigmoid` the stable form, from their argument."""
    p = as_tensor_variable(p)
    op = None if p.owner is None else p.owner.op
    if type(op) is ops.Map and op.fn == "sigmoid":
        return ew.neg(ew.softplus(ew.neg(p.owner.inputs[0])))
    if type(op) is ops.Map and op.fn == "true_divide":
        powers, total = p.owner.inputs
        if powers.owner is not None and powers.owner.op == ops.Map("exp") and _sums(total, powers):
            return ew.sub(powers.owner.inputs[0], ew.log(total))
    return ew.log(p)


def _sums(total: Any, powers: Any) -> bool:
    """Is `total` the sum of `powers` over some axes, kept?"""
    if total.owner is not None and permutation(total.owner.op) is not None:
        total = total.owner.inputs[0]
    node = total.owner
    return node is not None and folds(node.op) is not None and node.op.fn == "add" and node.inputs[0] is powers


def log_of_complement(p: TensorVariable) -> TensorVariable:
    """log(1 - p); for p made by `sigmoid` the stable form."""
    p = as_tensor_variable(p)
    if p.owner is not None and p.owner.op == ops.Map("sigmoid"):
        return ew.neg(ew.softplus(p.owner.inputs[0]))
    return ew.log1p(ew.neg(p))


def factorial(n: TensorLike) -> TensorVariable:
    """gamma(n + 1)."""
    return ew.gamma(ew.add(n, 1))


def poch(z: TensorLike, m: TensorLike) -> TensorVariable:
    """Rising factorial gamma(z + m) / gamma(z)."""
    return ew.true_divide(ew.gamma(ew.add(z, m)), ew.gamma(z))
