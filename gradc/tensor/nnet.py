"""Activations and losses of neural networks, with the names of `aesara.tensor.nnet`.

All are composites.  Losses of probabilities that come straight from `softmax` or `sigmoid` are built from
their arguments, so that no log of an underflowed probability is taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import gradc.tensor.shape as shp
from gradc.errors import TypeMismatchError, at
from gradc.ir import dtypes, ops
from gradc.ir.graph import apply, describe
from gradc.tensor import elemwise as ew
from gradc.tensor import reduce as red
from gradc.tensor.checks import in_range
from gradc.tensor.convert import as_tensor_variable, cast, constant, size_of, together
from gradc.tensor.elemwise import sigmoid, softplus
from gradc.tensor.special import log_of, log_of_complement, log_softmax, softmax
from gradc.tensor.types import TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = [
    "binary_crossentropy",
    "categorical_crossentropy",
    "crossentropy_categorical_1hot",
    "elu",
    "hard_sigmoid",
    "log_softmax",
    "logsoftmax",
    "relu",
    "selu",
    "sigmoid",
    "sigmoid_binary_crossentropy",
    "softmax",
    "softplus",
    "softsign",
    "ultra_fast_sigmoid",
]

logsoftmax = log_softmax


def _floats(x: TensorLike) -> TensorVariable:
    """x as a floating tensor (integers become float64 or, up to 16 bits, float32)."""
    x = as_tensor_variable(x)
    return cast(x, dtypes.floating(x.type.dtype))


def relu(x: TensorLike, alpha: TensorLike = 0) -> TensorVariable:
    """x where it is positive, alpha * x elsewhere.

    Dtype: common of x and alpha.  The gradient at 0 is alpha (Aesara's is the mean of both sides).  nan stays.
    """
    x = as_tensor_variable(x)
    if isinstance(alpha, (int, float)) and alpha == 0:
        return ew.switch(ew.le(x, 0), constant(0, dtype=x.type.dtype), x)
    return ew.switch(ew.le(x, 0), ew.mul(alpha, x), x)


def elu(x: TensorLike, alpha: TensorLike = 1) -> TensorVariable:
    """x where it is positive, alpha * (exp(x) - 1) elsewhere.  Dtype: floating.

    Source: Clevert, Unterthiner, Hochreiter, "Fast and accurate deep network learning by ELUs" (2016), eq. 15.
    """
    x = _floats(x)
    # The minimum keeps exp from overflowing on the side that is not taken, where its derivative would be nan.
    return ew.switch(ew.gt(x, 0), x, ew.mul(alpha, ew.expm1(ew.minimum(x, 0))))


def selu(x: TensorLike) -> TensorVariable:
    """Scaled `elu` that keeps mean 0 and variance 1.  Dtype: floating.

    Source: Klambauer et al., "Self-normalizing neural networks" (2017), eq. 2, constants of eq. 14.
    """
    x = _floats(x)
    kind = x.type.dtype
    return ew.mul(constant(1.0507009873554804934193349852946, dtype=kind),
                  elu(x, constant(1.6732632423543772848170429916717, dtype=kind)))


def softsign(x: TensorLike) -> TensorVariable:
    """x / (1 + abs(x)).  Dtype: floating."""
    return ew.elementwise("softsign", _floats(x))


def hard_sigmoid(x: TensorLike) -> TensorVariable:
    """0.2 * x + 0.5 held within [0, 1]: three straight lines near the sigmoid.  Dtype: floating."""
    x = _floats(x)
    kind = x.type.dtype
    return ew.clip(ew.add(ew.mul(x, constant(0.2, dtype=kind)), constant(0.5, dtype=kind)), constant(0, dtype=kind),
                   constant(1, dtype=kind))


ultra_fast_sigmoid = sigmoid


def categorical_crossentropy(coding_dist: TensorLike, true_dist: TensorLike) -> TensorVariable:
    """-sum(true * log(coding)) over the last axis.

    `true_dist` holds probabilities of the shape of `coding_dist`, or (one dimension fewer) the integer number
    of the true class.  Dtype: floating.
    Raises: TypeMismatchError for other ranks or class numbers that are no integers.
    """
    coding, true = as_tensor_variable(coding_dist), as_tensor_variable(true_dist)
    if true.type.ndim == coding.type.ndim:
        return ew.neg(red.sum(ew.mul(true, log_of(coding)), axis=coding.type.ndim - 1))
    if true.type.ndim == coding.type.ndim - 1:
        return crossentropy_categorical_1hot(coding, true)
    raise TypeMismatchError(f"categorical_crossentropy: {describe(true)} has {true.type.ndim} dimension(s), expected "
                            f"{coding.type.ndim} (probabilities) or {coding.type.ndim - 1} (class numbers)"
                            f"{at(true.source)}")


def crossentropy_categorical_1hot(coding_dist: TensorLike, true_one_of_n: TensorLike) -> TensorVariable:
    """-log of the probability given to the true class, whose integer numbers are `true_one_of_n`.

    Raises: IndexOutOfBoundsError for a number that is negative or no less than the number of classes.
    """
    coding, true = as_tensor_variable(coding_dist), as_tensor_variable(true_one_of_n)
    if true.type.dtype not in dtypes.INTEGERS:
        raise TypeMismatchError(f"categorical_crossentropy: class numbers are integers, got {describe(true)} of type "
                                f"{true.type}{at(true.source)}; cast them")
    last = coding.type.ndim - 1
    classes = size_of(coding, last)
    true = in_range(true, 0, classes, "categorical_crossentropy: class number {0} is out of range; there are {1} "
                                      "classes, numbered from 0", "index")
    hit = ew.eq(shp.shape_padright(true), apply(ops.Iota(), classes))
    stable = log_of(coding)
    plain = stable.owner is not None and stable.owner.op == ops.Map("log")
    values = coding if plain else stable
    # The selection comes before the log, so that classes of probability 0 leave no 0 * inf in the gradient.
    picked = red.sum(ew.switch(hit, values, constant(0, dtype=values.type.dtype)), axis=last)
    return ew.neg(ew.log(picked) if plain else picked)


def binary_crossentropy(output: TensorLike, target: TensorLike) -> TensorVariable:
    """-(target * log(output) + (1 - target) * log(1 - output)), elementwise.  Dtype: floating."""
    output, target = together((output, target))
    return ew.neg(ew.add(ew.mul(target, log_of(output)), ew.mul(ew.sub(1, target), log_of_complement(output))))


def sigmoid_binary_crossentropy(output: TensorLike, target: TensorLike) -> TensorVariable:
    """`binary_crossentropy` of sigmoid(output), without under- or overflow.  Dtype: floating."""
    output, target = together((output, target))
    return ew.add(ew.mul(target, ew.softplus(ew.neg(output))), ew.mul(ew.sub(1, target), ew.softplus(output)))
