"""The namespace of tensors: everything users write, flat, with the names of `aesara.tensor`.

Here: re-exports, the typed constructors (`dmatrix`, `fvectors`, ...), and old names, which answer with a
DeprecationWarning.  `grad` and the other names of `gradc.gradient` that users expect here are put in by
`gradc/__init__.py`, since this layer knows no gradients.
"""

from __future__ import annotations

import warnings
from typing import Any

from gradc.ir.types import TensorType
from gradc.tensor import creation as _creation
from gradc.tensor import elemwise as _elemwise
from gradc.tensor import nnet, special
from gradc.tensor import variable as _variable      # before `shape` below, which hides the module of that name
from gradc.tensor.contract import (
    batched_dot, batched_tensordot, dot, einsum, inner, matmul, matvec, outer, tensordot, vdot, vecdot, vecmat,
)
from gradc.tensor.convert import (
    as_tensor, as_tensor_variable, cast, constant, get_scalar_constant_value,
)
from gradc.tensor.creation import (
    alloc, arange, col, complex_from_polar, empty, empty_like, eye, full, full_like, identity_like, linspace,
    matrix, meshgrid, mgrid, ogrid, ones, ones_like, row, scalar, tensor, tensor3, tensor4, tensor5, tensor6,
    tensor7, tri, vector, zeros, zeros_like,
)
from gradc.tensor.elemwise import (
    abs, add, and_, angle, arccos, arccosh, arcsin, arcsinh, arctan, arctan2, arctanh, bitwise_and, bitwise_not,
    bitwise_or, bitwise_xor, ceil, clip, conj, conjugate, copy, cos, cosh, deg2rad, digamma, divide, divmod, eq,
    erf, erfc, erfcinv, erfcx, erfinv, exp, exp2, expit, expm1, fill, floor, floor_divide, gamma, gammaln, ge,
    gt, identity, imag, invert, isclose, isfinite, isinf, isnan, isneginf, isposinf, le, left_shift, log, log10,
    log1mexp, log1p, log1pexp, log2, logaddexp, logical_and, logical_not, logical_or, logical_xor, lt, maximum,
    minimum, mod, mul, nan_to_num, neg, neq, not_equal, or_, pow, power, psi, rad2deg, real, reciprocal,
    remainder, right_shift, round, round_half_away_from_zero, round_half_to_even, second, sgn, sigmoid, sign,
    sin, sinh, softplus, sqrt, square, sub, switch, tan, tanh, tensor_copy, tri_gamma, trigamma, true_divide,
    trunc, where, xlogx, xlogy0, xor,
)
from gradc.tensor.index import (
    inc_subtensor, set_subtensor,
)
from gradc.tensor.reduce import (
    all, allclose, amax, amin, any, argmax, argmin, cumprod, cumsum, max, max_and_argmax, mean, min, norm, prod,
    ptp, std, sum, var,
)
from gradc.tensor.shape import (
    addbroadcast, atleast_1d, atleast_2d, atleast_3d, atleast_Nd, atleast_nd, broadcast_arrays, broadcast_shape,
    broadcast_to, concatenate, diag, diagonal, dimshuffle, expand_dims, fill_diagonal, flatten,
    get_vector_length, horizontal_stack, hstack, join, matrix_transpose, moveaxis, patternbroadcast, ravel,
    repeat, reshape, roll, shape, shape_padaxis, shape_padleft, shape_padright, shape_tuple, size,
    specify_shape, split, squeeze, stack, stacklists, swapaxes, tile, trace, transpose, tril, triu, unbroadcast,
    vertical_stack, vstack,
)
from gradc.tensor.sharedvar import (
    SharedVariable, TensorSharedVariable, shared,
)
from gradc.tensor.special import (
    log_softmax, logsumexp, softmax,
)

TensorVariable = _variable.TensorVariable
TensorConstant = _variable.TensorConstant

_TYPED = _creation.typed_constructors()
globals().update(_TYPED)

__all__ = [
    "TensorType", "nnet", "special", "batched_dot", "batched_tensordot", "dot", "einsum", "inner", "matmul",
    "matvec", "outer", "tensordot", "vdot", "vecdot", "vecmat", "as_tensor", "as_tensor_variable", "cast",
    "constant", "get_scalar_constant_value", "alloc", "arange", "col", "complex_from_polar", "empty",
    "empty_like", "eye", "full", "full_like", "identity_like", "linspace", "matrix", "meshgrid", "mgrid",
    "ogrid", "ones", "ones_like", "row", "scalar", "tensor", "tensor3", "tensor4", "tensor5", "tensor6",
    "tensor7", "tri", "vector", "zeros", "zeros_like", "abs", "add", "and_", "angle", "arccos", "arccosh",
    "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "bitwise_and", "bitwise_not", "bitwise_or",
    "bitwise_xor", "ceil", "clip", "conj", "conjugate", "copy", "cos", "cosh", "deg2rad", "digamma", "divide",
    "divmod", "eq", "erf", "erfc", "erfcinv", "erfcx", "erfinv", "exp", "exp2", "expit", "expm1", "fill",
    "floor", "floor_divide", "gamma", "gammaln", "ge", "gt", "identity", "imag", "invert", "isclose",
    "isfinite", "isinf", "isnan", "isneginf", "isposinf", "le", "left_shift", "log", "log10", "log1mexp",
    "log1p", "log1pexp", "log2", "logaddexp", "logical_and", "logical_not", "logical_or", "logical_xor", "lt",
    "maximum", "minimum", "mod", "mul", "nan_to_num", "neg", "neq", "not_equal", "or_", "pow", "power", "psi",
    "rad2deg", "real", "reciprocal", "remainder", "right_shift", "round", "round_half_away_from_zero",
    "round_half_to_even", "second", "sgn", "sigmoid", "sign", "sin", "sinh", "softplus", "sqrt", "square",
    "sub", "switch", "tan", "tanh", "tensor_copy", "tri_gamma", "trigamma", "true_divide", "trunc", "where",
    "xlogx", "xlogy0", "xor", "inc_subtensor", "set_subtensor", "all", "allclose", "amax", "amin", "any",
    "argmax", "argmin", "cumprod", "cumsum", "max", "max_and_argmax", "mean", "min", "norm", "prod", "ptp",
    "std", "sum", "var", "addbroadcast", "atleast_1d", "atleast_2d", "atleast_3d", "atleast_Nd", "atleast_nd",
    "broadcast_arrays", "broadcast_shape", "broadcast_to", "concatenate", "diag", "diagonal", "dimshuffle",
    "expand_dims", "fill_diagonal", "flatten", "get_vector_length", "horizontal_stack", "hstack", "join",
    "matrix_transpose", "moveaxis", "patternbroadcast", "ravel", "repeat", "reshape", "roll", "shape",
    "shape_padaxis", "shape_padleft", "shape_padright", "shape_tuple", "size", "specify_shape", "split",
    "squeeze", "stack", "stacklists", "swapaxes", "tile", "trace", "transpose", "tril", "triu", "unbroadcast",
    "vertical_stack", "vstack", "SharedVariable", "TensorSharedVariable", "shared", "log_softmax", "logsumexp",
    "softmax", "TensorConstant", "TensorVariable",
    *_TYPED,
]


def __getattr__(name: str) -> Any:
    new = _elemwise.DEPRECATED.get(name)
    if new is None:
        raise AttributeError(f"module 'gradc.tensor' has no attribute {name!r}")
    warnings.warn(f"gradc.tensor.{name} is an old name; use gradc.tensor.{new}", DeprecationWarning, stacklevel=2)
    return getattr(_elemwise, new)
