"""PyTensor's scalar Ops: one table from the class to the gradc function of the same meaning, elementwise."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

from pytensor.scalar import basic as scalar
from pytensor.scalar import math as scalar_math

import gradc.tensor as at
from gradc.graph.basic import Variable

Elementwise = Callable[..., Variable]


def _all(function: Elementwise) -> Elementwise:
    """A function of two arguments as one of any number, taken from the left."""
    return lambda *arguments: reduce(function, arguments)


def _multiply_without_zeros(x: Variable, y: Variable) -> Variable:
    return at.switch(at.eq(x, 0), y, at.switch(at.eq(y, 0), x, at.mul(x, y)))


def _upper_gamma(k: Variable, x: Variable) -> Variable:
    return at.special.gammaincc(k, x) * at.gamma(k)


def _lower_gamma(k: Variable, x: Variable) -> Variable:
    return at.special.gammainc(k, x) * at.gamma(k)


# by name: not every version of PyTensor has every class
TABLE: dict[str, Elementwise] = {
    "Abs": at.abs, "Add": _all(at.add), "Mul": _all(at.mul), "Sub": at.sub, "TrueDiv": at.true_divide,
    "IntDiv": at.floor_divide, "Mod": at.mod, "Pow": at.pow, "Neg": at.neg, "Reciprocal": at.reciprocal,
    "Sqr": at.square, "Sqrt": at.sqrt, "Sign": at.sign, "LT": at.lt, "GT": at.gt, "LE": at.le, "GE": at.ge,
    "EQ": at.eq, "NEQ": at.neq, "IsNan": at.isnan, "IsInf": at.isinf, "Switch": at.switch, "Clip": at.clip,
    "Second": at.second, "Identity": lambda x: x, "OR": _all(at.bitwise_or), "AND": _all(at.bitwise_and),
    "XOR": _all(at.bitwise_xor), "Invert": at.bitwise_not, "Maximum": _all(at.maximum), "Minimum": _all(at.minimum),
    "ScalarMaximum": _all(at.maximum), "ScalarMinimum": _all(at.minimum), "Ceil": at.ceil, "Floor": at.floor,
    "Trunc": at.trunc, "RoundHalfToEven": at.round_half_to_even,
    "RoundHalfAwayFromZero": at.round_half_away_from_zero, "Log": at.log, "Log2": at.log2, "Log10": at.log10,
    "Log1p": at.log1p, "Exp": at.exp, "Exp2": at.exp2, "Expm1": at.expm1, "Deg2Rad": at.deg2rad,
    "Rad2Deg": at.rad2deg, "Sin": at.sin, "Cos": at.cos, "Tan": at.tan, "ArcSin": at.arcsin, "ArcCos": at.arccos,
    "ArcTan": at.arctan, "ArcTan2": at.arctan2, "Sinh": at.sinh, "Cosh": at.cosh, "Tanh": at.tanh,
    "ArcSinh": at.arcsinh, "ArcCosh": at.arccosh, "ArcTanh": at.arctanh, "Real": at.real, "Imag": at.imag,
    "Angle": at.angle, "Conj": at.conj, "ComplexFromPolar": at.complex_from_polar,
    "MulWithoutZeros": _multiply_without_zeros, "_MulWithoutZeros": _multiply_without_zeros, "Sigmoid": at.sigmoid,
    "Softplus": at.softplus, "Log1mexp": at.log1mexp, "Erf": at.erf, "Erfc": at.erfc, "Erfcx": at.erfcx,
    "Erfinv": at.erfinv, "Erfcinv": at.erfcinv, "Gamma": at.gamma, "GammaLn": at.gammaln, "Psi": at.psi,
    "TriGamma": at.tri_gamma, "GammaU": _upper_gamma, "GammaL": _lower_gamma,
}

# functions of `gradc.tensor.special` by the class's name
SPECIAL: dict[str, str] = {
    "PolyGamma": "polygamma", "GammaInc": "gammainc", "GammaIncC": "gammaincc", "GammaIncInv": "gammaincinv",
    "GammaIncCInv": "gammainccinv", "BetaInc": "betainc", "BetaIncInv": "betaincinv", "Owens_t": "owens_t",
    "Hyp2F1": "hyp2f1", "Jv": "jv", "J0": "j0", "J1": "j1", "Iv": "iv", "Ive": "ive", "I0": "i0", "I1": "i1",
    "Kve": "kve",
}


def elementwise(op: scalar.ScalarOp) -> Elementwise | None:
    """The gradc function of a scalar Op with one result; None where gradc has none."""
    if isinstance(op, scalar.Cast):
        dtype = op.o_type.dtype
        return lambda x: at.cast(x, dtype)
    for base in type(op).__mro__:
        if base in (scalar.ScalarOp, scalar.UnaryScalarOp, scalar.BinaryScalarOp):
            return None
        found = TABLE.get(base.__name__) or getattr(at.special, SPECIAL.get(base.__name__, ""), None)
        if found is not None and base.__module__ in (scalar.__name__, scalar_math.__name__, "pytensor.tensor.elemwise",
                                                     "pytensor.tensor.math"):
            return found
    return None


def is_composite(op: scalar.ScalarOp) -> bool:
    """Whether an Op is a graph of scalar Ops (`op.fgraph`)."""
    return isinstance(op, scalar.Composite)
