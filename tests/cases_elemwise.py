"""Elementwise functions, and the exact values of those that round."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import scipy.special as sp

import gradc.tensor as at
from tests.cases_base import Arg, Case, M, S, V, bools, ints
from tests.cases_special import EXACT_SPECIAL


def ierfcx(n: Any, x: Any) -> Any:
    """exp(x**2) times the n-th repeated integral of erfc: the recurrence of NIST DLMF 7.18.7, far out its expansion."""
    if x < 20:
        before, value = 2 / mpmath.sqrt(mpmath.pi), mpmath.exp(x * x) * mpmath.erfc(x)
        for k in range(1, int(n) + 1):
            before, value = value, (before - 2 * x * value) / (2 * k)
        return value
    terms = [(-1) ** k * mpmath.factorial(n + 2 * k) / mpmath.factorial(k) / (2 * x) ** (n + 2 * k + 1)
             for k in range(30)]
    return 2 / mpmath.sqrt(mpmath.pi) / mpmath.factorial(n) * mpmath.fsum(terms)

# The exact value of every scalar function of floats that rounds more than once.
EXACT: dict[str, Callable[..., Any]] = {
    "add": lambda x, y: x + y, "sub": lambda x, y: x - y, "mul": lambda x, y: x * y,
    "true_divide": lambda x, y: x / y, "pow": lambda x, y: x ** y, "square": lambda x: x * x,
    "sqrt": mpmath.sqrt, "reciprocal": lambda x: 1 / x, "exp": mpmath.exp, "exp2": lambda x: mpmath.mpf(2) ** x,
    "expm1": mpmath.expm1, "log": mpmath.log, "log2": lambda x: mpmath.log(x, 2), "log10": mpmath.log10,
    "log1p": mpmath.log1p, "sin": mpmath.sin, "cos": mpmath.cos, "tan": mpmath.tan, "arcsin": mpmath.asin,
    "arccos": mpmath.acos, "arctan": mpmath.atan, "arctan2": mpmath.atan2, "sinh": mpmath.sinh, "cosh": mpmath.cosh,
    "tanh": mpmath.tanh, "arcsinh": mpmath.asinh, "arccosh": mpmath.acosh, "arctanh": mpmath.atanh,
    "angle": lambda x: mpmath.arg(x),
    "deg2rad": mpmath.radians, "rad2deg": mpmath.degrees, "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)), "log1mexp": lambda x: mpmath.log(-mpmath.expm1(x)),
    "log_cosh": lambda x: mpmath.log(mpmath.cosh(x)),
    "logaddexp": lambda x, y: mpmath.log(mpmath.exp(x) + mpmath.exp(y)), "xlogx": lambda x: x * mpmath.log(x),
    "xlogy0": lambda x, y: x * mpmath.log(y), "erf": mpmath.erf, "erfc": mpmath.erfc, "erfinv": mpmath.erfinv,
    "erfcinv": lambda x: mpmath.erfinv(1 - x), "erfcx": lambda x: mpmath.exp(x * x) * mpmath.erfc(x),
    "log_erfc": lambda x: mpmath.log(mpmath.erfc(x)),
    "gamma": mpmath.gamma, "gammaln": mpmath.loggamma, "psi": mpmath.digamma, "tri_gamma": lambda x: mpmath.psi(1, x),
    "polygamma": lambda n, x: mpmath.psi(int(n), x),
    "ierfcx": ierfcx, "one_minus_square": lambda x: 1 - x * x, "times_complement": lambda x: x * (1 - x),
    "sech_squared": lambda x: mpmath.sech(x) ** 2, "hypot": mpmath.hypot,
    "hypot_slope": lambda x, y: x / mpmath.hypot(x, y), "log_plus_one": lambda x: mpmath.log(x) + 1,
    "softsign": lambda x: x / (1 + abs(x)),
    **EXACT_SPECIAL,
}


def _unary(
    name: str, reference: Callable[..., Any], domain: str = "all", grad: str = "complex", rtol: float = 1e-12
) -> Case:
    return Case(name, getattr(at, name), reference, (Arg((3, 4), domain),), grad, rtol=rtol)


def _round_away(x: np.ndarray) -> np.ndarray:
    return np.sign(x) * np.floor(np.abs(x) + 0.5)


UNARY: list[Case] = [
    _unary("neg", np.negative),
    _unary("abs", np.abs, "nonzero", "difference"),
    _unary("sgn", np.sign, "nonzero", "none"),
    _unary("sign", np.sign, "nonzero", "none"),
    _unary("reciprocal", np.reciprocal, "nonzero"),
    _unary("sqrt", np.sqrt, "positive"),
    _unary("square", np.square),
    _unary("identity", np.copy),
    _unary("copy", np.copy),
    _unary("tensor_copy", np.copy),
    _unary("exp", np.exp),
    _unary("exp2", np.exp2),
    _unary("expm1", np.expm1),
    _unary("log", np.log, "positive"),
    _unary("log2", np.log2, "positive"),
    _unary("log10", np.log10, "positive"),
    _unary("log1p", np.log1p, "positive"),
    _unary("sigmoid", sp.expit),
    _unary("expit", sp.expit),
    _unary("softplus", lambda x: np.logaddexp(0, x)),
    _unary("log1pexp", lambda x: np.logaddexp(0, x)),
    _unary("log1mexp", lambda x: np.log(-np.expm1(x)), "negative"),
    _unary("sin", np.sin),
    _unary("cos", np.cos),
    _unary("tan", np.tan, "unit"),
    _unary("arcsin", np.arcsin, "unit"),
    _unary("arccos", np.arccos, "unit"),
    _unary("arctan", np.arctan),
    _unary("sinh", np.sinh),
    _unary("cosh", np.cosh),
    _unary("tanh", np.tanh),
    _unary("arcsinh", np.arcsinh),
    _unary("arccosh", np.arccosh, "above1"),
    _unary("arctanh", np.arctanh, "unit"),
    _unary("deg2rad", np.deg2rad),
    _unary("rad2deg", np.rad2deg),
    _unary("floor", np.floor, "off_integer", "none"),
    _unary("ceil", np.ceil, "off_integer", "none"),
    _unary("trunc", np.trunc, "off_integer", "none"),
    _unary("round", np.round, "off_integer", "none"),
    _unary("round_half_to_even", np.round, "off_integer", "none"),
    _unary("round_half_away_from_zero", _round_away, "off_integer", "none"),
    _unary("isnan", np.isnan, grad="none"),
    _unary("isinf", np.isinf, grad="none"),
    _unary("isfinite", np.isfinite, grad="none"),
    _unary("isposinf", np.isposinf, grad="none"),
    _unary("isneginf", np.isneginf, grad="none"),
    _unary("nan_to_num", np.nan_to_num),
    _unary("erf", sp.erf),
    _unary("erfc", sp.erfc, rtol=1e-11),
    _unary("erfinv", sp.erfinv, "unit", "difference"),
    _unary("erfcinv", sp.erfcinv, "open02", "difference", rtol=1e-11),
    _unary("erfcx", sp.erfcx, "positive", "difference"),
    _unary("log_erfc", lambda x: sp.log_ndtr(-x * 2**0.5) + np.log(2), rtol=1e-11),
    _unary("gamma", sp.gamma, "positive", rtol=1e-11),
    _unary("gammaln", sp.gammaln, "positive", rtol=1e-10),
    _unary("psi", sp.psi, "positive", rtol=1e-11),
    _unary("digamma", sp.psi, "positive", rtol=1e-11),
    _unary("tri_gamma", lambda x: sp.polygamma(1, x), "positive", "difference", rtol=1e-11),
    _unary("trigamma", lambda x: sp.polygamma(1, x), "positive", "difference", rtol=1e-11),
    _unary("xlogx", lambda x: sp.xlogy(x, x), "positive"),
    _unary("real", np.real, grad="none"),
    _unary("imag", np.imag, grad="none"),
    _unary("conj", np.conj, grad="none"),
    _unary("conjugate", np.conj, grad="none"),
    _unary("angle", np.angle, "nonzero", "none"),
    Case("invert", at.invert, np.invert, (ints(),), "none"),
    Case("bitwise_not", at.bitwise_not, np.invert, (ints(),), "none"),
    Case("invert", at.invert, np.invert, (bools(),), "none", label="bool"),
    Case("logical_not", at.logical_not, np.logical_not, (ints(),), "none"),
]


def _binary(
    name: str,
    reference: Callable[..., Any],
    domain: str = "all",
    domain2: str | None = None,
    grad: str = "complex",
    **rest: Any,
) -> Case:
    """A matrix with a matrix, so that a row for broadcasting can differ."""
    return Case(name, getattr(at, name), reference, (Arg((3, 4), domain), Arg((3, 4), domain2 or domain)), grad, **rest)


BINARY: list[Case] = [
    _binary("add", np.add),
    _binary("sub", np.subtract),
    _binary("mul", np.multiply),
    _binary("true_divide", np.true_divide, "all", "nonzero"),
    _binary("divide", np.true_divide, "all", "nonzero"),
    _binary("floor_divide", np.floor_divide, "off_integer", "nonzero", "none"),
    _binary("mod", np.mod, "distinct", "nonzero", "difference", wrt=(0,)),
    _binary("remainder", np.mod, "distinct", "nonzero", "difference", wrt=(0,)),
    Case("divmod", at.divmod, np.divmod, (Arg(domain="off_integer"), Arg(domain="nonzero")), "none"),
    _binary("pow", np.power, "positive", "all"),
    _binary("power", np.power, "positive", "all"),
    _binary("arctan2", np.arctan2, "nonzero", grad="difference"),
    _binary("hypot", np.hypot, "nonzero"),
    _binary("logaddexp", np.logaddexp, "distinct"),
    _binary("xlogy0", sp.xlogy, "nonzero", "positive"),
    _binary("maximum", np.maximum, "distinct", "all", "difference"),
    _binary("minimum", np.minimum, "distinct", "all", "difference"),
    _binary("second", lambda a, b: b + 0 * a),
    _binary("fill", lambda a, b: b + 0 * a),
    _binary("eq", np.equal, "small", grad="none"),
    _binary("neq", np.not_equal, "small", grad="none"),
    _binary("not_equal", np.not_equal, "small", grad="none"),
    _binary("lt", np.less, "small", grad="none"),
    _binary("le", np.less_equal, "small", grad="none"),
    _binary("gt", np.greater, "small", grad="none"),
    _binary("ge", np.greater_equal, "small", grad="none"),
    _binary("isclose", np.isclose, "small", grad="none"),
    *[
        Case(name, getattr(at, name), reference, (ints(), ints()), "none")
        for name, reference in (
            ("and_", np.bitwise_and),
            ("or_", np.bitwise_or),
            ("xor", np.bitwise_xor),
            ("bitwise_and", np.bitwise_and),
            ("bitwise_or", np.bitwise_or),
            ("bitwise_xor", np.bitwise_xor),
            ("logical_and", np.logical_and),
            ("logical_or", np.logical_or),
            ("logical_xor", np.logical_xor),
        )
    ],
    Case("and_", at.and_, np.logical_and, (bools(), bools()), "none", label="bool"),
    Case("left_shift", at.left_shift, np.left_shift, (ints(), ints(domain="small")), "none"),
    Case("right_shift", at.right_shift, np.right_shift, (ints(), ints(domain="small")), "none"),
    Case("floor_divide", at.floor_divide, np.floor_divide, (ints(), ints(domain="small")), "none", label="int"),
    Case("mod", at.mod, np.mod, (ints(), ints(domain="small")), "none", label="int"),
    Case("add", lambda a, b: at.add(a, b, a), lambda a, b: a + b + a, (M, V), label="three, broadcast"),
    Case("mul", lambda a, b: a * b, lambda a, b: a * b, (M, S), label="scalar"),
    Case("mul", lambda a, b: a * b, lambda a, b: a * b, (M, Arg((3, 1), static=(None, 1))), label="column"),
    Case("switch", at.switch, np.where, (bools(), M, M)),
    Case("where", at.where, np.where, (bools(), M, M)),
    Case(
        "clip",
        lambda x: at.clip(x, -1.1, 1.3),
        lambda x: np.clip(x, -1.1, 1.3),
        (Arg(domain="distinct"),),
        "difference",
    ),
]
