"""One row per public tensor function: how to build it, what NumPy says, which arguments to sample.

Drivers: value against NumPy through the interpreter (`tests/tensor/test_cases.py`); interpreter against C,
gradients by complex step, second order and edge shapes take the same rows.  A new public function needs a
row here; `test_every_public_function_has_a_case` says which is missing.  A scalar function that is not
exact needs its value in mpmath, too (`EXACT`): bounds of errors are tested against it and its derivatives.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import mpmath
import numpy as np
import scipy.special as sp

import gradc.tensor as at
from gradc.ir.convert import to_program
from gradc.ir.interp import evaluate
from gradc.ir.types import TensorType
from gradc.tensor import nnet


@dataclass(frozen=True)
class Arg:
    """One sampled argument: `domain` names a sampler of `SAMPLERS`, None in `static` means "known at run time"."""

    shape: tuple[int, ...] = (3, 4)
    domain: str = "all"
    dtype: str = "float64"
    static: tuple[int | None, ...] | None = None

    def variable(self, name: str) -> Any:
        shape = (None,) * len(self.shape) if self.static is None else self.static
        return TensorType(self.dtype, shape)(name)

    def sample(self, rng: np.random.Generator) -> np.ndarray:
        return np.asarray(SAMPLERS[self.domain](rng, self.shape)).astype(self.dtype)


def _distinct(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """No two elements nearer than 0.1, so that extremes and orders are stable under small steps."""
    n = int(np.prod(shape))
    return (rng.permutation(n) * 0.3 - n * 0.15 + rng.uniform(-0.05, 0.05, n)).reshape(shape)


def _off_integer(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Not near whole or half numbers, where rounding functions jump."""
    return rng.integers(-5, 5, shape) + rng.choice([0.2, 0.35, 0.65, 0.8], shape)


def _probabilities(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    p = rng.uniform(0.1, 1.0, shape)
    return p / p.sum(-1, keepdims=True)


SAMPLERS: dict[str, Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]] = {
    "all": lambda rng, shape: rng.normal(0, 2, shape),
    "positive": lambda rng, shape: rng.uniform(0.3, 4.0, shape),
    "negative": lambda rng, shape: -rng.uniform(0.3, 4.0, shape),
    "unit": lambda rng, shape: rng.uniform(-0.9, 0.9, shape),
    "open01": lambda rng, shape: rng.uniform(0.05, 0.95, shape),
    "open02": lambda rng, shape: rng.uniform(0.1, 1.9, shape),
    "above1": lambda rng, shape: rng.uniform(1.1, 5.0, shape),
    "nonzero": lambda rng, shape: rng.uniform(0.3, 3.0, shape) * rng.choice([-1.0, 1.0], shape),
    "distinct": _distinct,
    "off_integer": _off_integer,
    "probabilities": _probabilities,
    "integers": lambda rng, shape: rng.integers(-6, 7, shape),
    "small": lambda rng, shape: rng.integers(0, 4, shape),
    "bools": lambda rng, shape: rng.integers(0, 2, shape),
    "triangles": lambda rng, shape: rng.normal(0, 1, shape) / shape[-1] + 2 * np.eye(shape[-1]),
    "positive_definite": lambda rng, shape: (x := rng.normal(0, 1, shape)) @ np.swapaxes(x, -1, -2) + np.eye(shape[-1]),
}


def solved(a: np.ndarray, b: np.ndarray, lower: bool, trans: Any, unit: bool, b_ndim: int | None) -> np.ndarray:
    """A triangular system by elimination with the whole matrix that the triangle stands for."""
    whole = np.tril(a) if lower else np.triu(a)
    if unit:
        whole = whole * (1 - np.eye(a.shape[-1])) + np.eye(a.shape[-1])
    if trans:
        whole = np.swapaxes(whole, -1, -2)
    vectors = b.ndim == 1 or b_ndim == 1
    x = np.linalg.solve(whole, b[..., None] if vectors else b)
    return x[..., 0] if vectors else x


@dataclass(frozen=True)
class Case:
    """`build(*variables)` and `reference(*arrays)` give one result or a list of them.

    grad: "complex" (holomorphic: complex step through the interpreter), "difference" (differentiable, not
    holomorphic as written), or "none" (discrete or zero derivative).  wrt: which arguments to differentiate by.
    """

    name: str
    build: Callable[..., Any]
    reference: Callable[..., Any]
    args: tuple[Arg, ...] = (Arg(),)
    grad: str = "complex"
    wrt: tuple[int, ...] | None = None
    rtol: float = 1e-12
    label: str = field(default="", compare=False)

    @property
    def id(self) -> str:
        return f"{self.name}-{self.label}" if self.label else self.name

    def variables(self) -> list[Any]:
        """Fresh inputs a, b, c, ..."""
        return [a.variable("abcdefgh"[k]) for k, a in enumerate(self.args)]

    def sample(self, seed: int = 0) -> list[np.ndarray]:
        rng = np.random.default_rng(seed)
        return [a.sample(rng) for a in self.args]

    def outputs(self, variables: Sequence[Any]) -> list[Any]:
        made = self.build(*variables)
        return list(made) if isinstance(made, (list, tuple)) else [made]

    def expected(self, values: Sequence[np.ndarray]) -> list[Any]:
        with np.errstate(all="ignore"):
            made = self.reference(*values)
        return list(made) if isinstance(made, (list, tuple)) else [made]

    def differentiable(self) -> tuple[int, ...]:
        """The numbers of the arguments that a gradient is taken by."""
        if self.grad == "none":
            return ()
        floats = tuple(k for k, a in enumerate(self.args) if a.dtype.startswith("float"))
        return floats if self.wrt is None else self.wrt


def compute(
    inputs: Sequence[Any], outputs: Sequence[Any], values: Sequence[Any], *, holomorphic: bool = False
) -> list[Any]:
    """Values of `outputs` by the interpreter."""
    return evaluate(to_program(inputs, outputs), values, holomorphic=holomorphic)


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
}


V = Arg((4,))
M = Arg((3, 4))
M43 = Arg((4, 3))
SQUARE = Arg((4, 4))
T3 = Arg((2, 3, 4))
S = Arg(())


def ints(shape: tuple[int, ...] = (3, 4), domain: str = "integers", dtype: str = "int64") -> Arg:
    return Arg(shape, domain, dtype)


def bools(shape: tuple[int, ...] = (3, 4)) -> Arg:
    return Arg(shape, "bools", "bool")


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

_AXES: tuple[Any, ...] = (None, 0, -1, (0, 2))


def _reduction(
    name: str,
    reference: Callable[..., Any],
    domain: str = "all",
    grad: str = "complex",
    axes: Sequence[Any] = _AXES,
    arg: Arg | None = None,
    **options: Any,
) -> list[Case]:
    one = arg or Arg((2, 3, 4), domain)
    made = []
    for axis in axes:
        for keepdims in (False, True):

            def build(x: Any, axis: Any = axis, keepdims: bool = keepdims) -> Any:
                return getattr(at, name)(x, axis=axis, keepdims=keepdims, **options)

            def ref(x: np.ndarray, axis: Any = axis, keepdims: bool = keepdims) -> Any:
                return reference(x, axis=axis, keepdims=keepdims, **options)

            made.append(
                Case(
                    name,
                    build,
                    ref,
                    (one,),
                    grad,
                    label=f"axis={axis}{', keepdims' if keepdims else ''}{arg.dtype if arg else ''}",
                )
            )
    return made


def _logsumexp(x: np.ndarray, axis: Any = None, keepdims: bool = False) -> np.ndarray:
    return sp.logsumexp(x, axis=axis, keepdims=keepdims)


def _norm1(x: np.ndarray, axis: Any = None, keepdims: bool = False) -> np.ndarray:
    return np.sqrt(np.sum(np.abs(x) ** 2, axis=axis, keepdims=keepdims))


def _quiet_var(x: np.ndarray, **options: Any) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.var(x, **options)


REDUCTIONS: list[Case] = [
    *_reduction("sum", np.sum),
    *_reduction("prod", np.prod),
    *_reduction("mean", np.mean),
    *_reduction("var", np.var),
    *_reduction("std", np.std),
    *_reduction("max", np.max, "distinct", "difference"),
    *_reduction("min", np.min, "distinct", "difference"),
    *_reduction("amax", np.max, "distinct", "difference"),
    *_reduction("amin", np.min, "distinct", "difference"),
    *_reduction("argmax", np.argmax, "distinct", "none", (None, 0, -1)),
    *_reduction("argmin", np.argmin, "distinct", "none", (None, 0, -1)),
    *_reduction("all", np.all, grad="none", arg=bools((2, 3, 4))),
    *_reduction("any", np.any, grad="none", arg=bools((2, 3, 4))),
    *_reduction("all", np.all, grad="none", arg=ints((2, 3, 4), "small")),
    *_reduction("sum", np.sum, grad="none", arg=ints((2, 3, 4))),
    *_reduction("mean", np.mean, grad="none", arg=ints((2, 3, 4))),
    *_reduction("sum", np.sum, grad="none", arg=bools((2, 3, 4))),
    *_reduction("prod", np.prod, grad="none", arg=ints((2, 3, 4), "small", "int8")),
    *_reduction("logsumexp", _logsumexp, "distinct"),
    *_reduction("norm", _norm1),
    *_reduction("var", np.var, ddof=1, axes=(1,)),
    *_reduction("var", _quiet_var, grad="none", ddof=5, axes=(1,)),     # more than there are: inf
    Case("ptp", lambda x: at.ptp(x, axis=1), lambda x: np.ptp(x, axis=1), (Arg(domain="distinct"),), "difference"),
    Case(
        "max_and_argmax",
        lambda x: at.max_and_argmax(x, axis=1),
        lambda x: [x.max(1), x.argmax(1)],
        (Arg(domain="distinct"),),
        "none",
    ),
    *[
        Case(name, partial(getattr(at, name), axis=axis), partial(getattr(np, name), axis=axis), label=f"axis={axis}")
        for name in ("cumsum", "cumprod")
        for axis in (None, 0, 1)
    ],
    *[
        Case(
            "norm",
            partial(at.norm, ord=p),
            partial(np.linalg.norm, ord=p),
            (Arg((4,), "distinct"),),
            "difference",
            label=f"vector {p}",
        )
        for p in (None, 1, 2, 3, np.inf, -np.inf)
    ],
    *[
        Case(
            "norm",
            partial(at.norm, ord=p),
            partial(np.linalg.norm, ord=p),
            (Arg((4, 3), "distinct"),),
            "difference",
            label=f"matrix {p}",
        )
        for p in ("fro", 1, -1, np.inf, -np.inf)
    ],
    Case("allclose", at.allclose, np.allclose, (M, M), "none"),
]

SHAPES: list[Case] = [
    Case("shape", at.shape, lambda x: np.array(x.shape), (T3,), "none"),
    Case("size", at.size, np.size, (T3,), "none"),
    Case("shape_tuple", at.shape_tuple, lambda x: list(x.shape), (T3,), "none"),
    Case("dimshuffle", lambda x: at.dimshuffle(x, 1, "x", 0), lambda x: x.T[:, None, :]),
    Case("transpose", at.transpose, np.transpose, (T3,)),
    Case("transpose", lambda x: x.transpose(1, 0, 2), lambda x: x.transpose(1, 0, 2), (T3,), label="axes"),
    Case("matrix_transpose", at.matrix_transpose, lambda x: np.swapaxes(x, -1, -2), (T3,)),
    Case("swapaxes", lambda x: at.swapaxes(x, 0, -1), lambda x: np.swapaxes(x, 0, -1), (T3,)),
    Case("moveaxis", lambda x: at.moveaxis(x, 0, -1), lambda x: np.moveaxis(x, 0, -1), (T3,)),
    Case(
        "moveaxis",
        lambda x: at.moveaxis(x, (0, 1), (2, 0)),
        lambda x: np.moveaxis(x, (0, 1), (2, 0)),
        (T3,),
        label="two",
    ),
    Case("squeeze", at.squeeze, np.squeeze, (Arg((3, 1, 4), static=(None, 1, None)),)),
    Case("expand_dims", lambda x: at.expand_dims(x, (0, -1)), lambda x: np.expand_dims(x, (0, -1))),
    Case("shape_padleft", lambda x: at.shape_padleft(x, 2), lambda x: x[None, None]),
    Case("shape_padright", lambda x: at.shape_padright(x, 2), lambda x: x[..., None, None]),
    Case("shape_padaxis", lambda x: at.shape_padaxis(x, 1), lambda x: x[:, None]),
    Case("atleast_1d", at.atleast_1d, np.atleast_1d, (S,)),
    Case("atleast_2d", at.atleast_2d, np.atleast_2d, (V,)),
    Case("atleast_3d", at.atleast_3d, lambda x: x[None], (M,)),
    Case("atleast_nd", lambda x: at.atleast_nd(x, n=3), lambda x: x[None]),
    Case("atleast_Nd", lambda x: at.atleast_Nd(x, n=3, left=False), lambda x: x[..., None]),
    Case("reshape", lambda x: at.reshape(x, (2, -1)), lambda x: x.reshape(2, -1)),
    Case(
        "reshape",
        lambda x: at.reshape(x, x.shape[::-1], ndim=2),
        lambda x: x.reshape(x.shape[::-1]),
        label="symbolic vector",
    ),
    Case(
        "reshape",
        lambda x, n: x.reshape((n, 2)),
        lambda x, n: x.reshape(n, 2),
        (M, Arg((), "minus_one", "int32")),
        label="-1 at run time",
    ),
    Case("flatten", at.flatten, np.ravel, (T3,)),
    Case("ravel", at.ravel, np.ravel, (T3,)),
    Case("flatten", lambda x: at.flatten(x, 2), lambda x: x.reshape(2, -1), (T3,), label="ndim=2"),
    Case("broadcast_to", lambda x: at.broadcast_to(x, (2, 3, 4)), lambda x: np.broadcast_to(x, (2, 3, 4))),
    Case("broadcast_arrays", at.broadcast_arrays, np.broadcast_arrays, (M, V)),
    Case(
        "broadcast_shape",
        at.broadcast_shape,
        lambda *a: list(np.broadcast_shapes(*[x.shape for x in a])),
        (M, V),
        "none",
    ),
    Case("specify_shape", lambda x: at.specify_shape(x, (3, None)), np.copy),
    Case("addbroadcast", lambda x, y: at.addbroadcast(x, 1) + y, np.add, (Arg((3, 1)), M)),
    Case("unbroadcast", lambda x: at.unbroadcast(x, 1), np.copy, (Arg((3, 1), static=(None, 1)),)),
    Case("patternbroadcast", lambda x, y: at.patternbroadcast(x, (False, True)) + y, np.add, (Arg((3, 1)), M)),
    Case("join", lambda a, b: at.join(0, a, b), lambda a, b: np.concatenate([a, b]), (M, Arg((2, 4)))),
    Case(
        "concatenate",
        lambda a, b: at.concatenate([a, b], axis=1),
        lambda a, b: np.concatenate([a, b], 1),
        (M, Arg((3, 2))),
    ),
    Case("stack", lambda a, b: at.stack([a, b], axis=1), lambda a, b: np.stack([a, b], 1), (M, M)),
    Case("stacklists", lambda a, b: at.stacklists([[a, b], [b, a]]), lambda a, b: np.array([[a, b], [b, a]]), (S, S)),
    *[
        Case(name, lambda a, b: at.hstack([a, b]), lambda a, b: np.hstack([a, b]), (V, V))
        for name in ("hstack", "horizontal_stack")
    ],
    *[
        Case(name, lambda a, b: at.vstack([a, b]), lambda a, b: np.vstack([a, b]), (V, V))
        for name in ("vstack", "vertical_stack")
    ],
    Case("split", lambda x: at.split(x, [1, 3], axis=1), lambda x: np.split(x, [1], axis=1)),
    Case(
        "split",
        lambda x, n: at.split(x, at.stack([n, x.shape[1] - n]), 2, axis=1),
        lambda x, n: np.split(x, [int(n)], axis=1),
        (M, Arg((), "two", "int64")),
        label="symbolic",
    ),
    Case("tile", lambda x: at.tile(x, (2, 3)), lambda x: np.tile(x, (2, 3))),
    Case("tile", lambda x: at.tile(x, (2, 1, 2)), lambda x: np.tile(x, (2, 1, 2)), label="more axes"),
    Case("repeat", lambda x: at.repeat(x, 2, axis=1), lambda x: np.repeat(x, 2, axis=1)),
    Case("repeat", lambda x: at.repeat(x, 2), lambda x: np.repeat(x, 2), label="flat"),
    Case("repeat", lambda x: at.repeat(x, [1, 0, 2], axis=0), lambda x: np.repeat(x, [1, 0, 2], axis=0), label="each"),
    *[
        Case(
            "roll",
            partial(at.roll, shift=k, axis=axis),
            partial(np.roll, shift=k, axis=axis),
            label=f"{k}, axis={axis}",
        )
        for k in (-5, 0, 1)
        for axis in (None, 1)
    ],
    *[
        Case("diag", partial(at.diag, k=k), partial(np.diag, k=k), (arg,), label=f"{k}, {len(arg.shape)}-d")
        for k in (-1, 0, 2)
        for arg in (V, M)
    ],
    *[
        Case(
            "diagonal",
            partial(at.diagonal, offset=k, axis1=1, axis2=2),
            partial(np.diagonal, offset=k, axis1=1, axis2=2),
            (T3,),
            label=f"{k}",
        )
        for k in (-3, -1, 0, 1, 5)
    ],
    Case("trace", at.trace, np.trace),
    Case("tril", lambda x: at.tril(x, 1), lambda x: np.tril(x, 1)),
    Case("triu", lambda x: at.triu(x, -1), lambda x: np.triu(x, -1), (T3,)),
    Case("fill_diagonal", lambda x: at.fill_diagonal(x, 7), lambda x: x * (1 - np.eye(4)) + 7 * np.eye(4), (SQUARE,)),
]

SAMPLERS["minus_one"] = lambda rng, shape: np.full(shape, -1)
SAMPLERS["two"] = lambda rng, shape: np.full(shape, 2)

CREATION: list[Case] = [
    Case("alloc", lambda x: at.alloc(x, 3, 4), lambda x: np.broadcast_to(x, (3, 4)), (V,)),
    Case("full", lambda x: at.full((2, 3), x), lambda x: np.full((2, 3), x), (S,)),
    Case("zeros", lambda x: at.zeros(x.shape) + x, np.copy),
    Case("ones", lambda x: at.ones((3, 4)) * x, np.copy),
    Case("empty", lambda: at.empty((2, 3)).shape, lambda: np.array((2, 3)), (), "none"),
    Case("zeros_like", at.zeros_like, np.zeros_like, grad="none"),
    Case("ones_like", at.ones_like, np.ones_like, grad="none"),
    Case("full_like", lambda x: at.full_like(x, 3), lambda x: np.full_like(x, 3), grad="none"),
    Case("empty_like", lambda x: at.empty_like(x).shape, lambda x: np.array(x.shape), grad="none"),
    *[
        Case("arange", partial(at.arange, *a), partial(np.arange, *a), (), "none", label=str(a))
        for a in ((5,), (2, 9, 3), (5, 0, -2), (0.0, 1.0, 0.1), (3, 3), (-1,))
    ],
    Case(
        "arange",
        lambda n: at.arange(1, n, 2),
        lambda n: np.arange(1, n, 2),
        (Arg((), "two", "int64"),),
        "none",
        label="symbolic",
    ),
    Case(
        "arange",
        lambda a: at.arange(0.0, a, 0.3),
        lambda a: np.arange(0.0, a, 0.3),
        (Arg((), "positive"),),
        "none",
        label="symbolic float",
    ),
    Case("linspace", lambda a, b: at.linspace(a, b, 7), lambda a, b: np.linspace(a, b, 7), (S, S)),
    Case(
        "linspace",
        lambda a: at.linspace(a, 2.0, 5, endpoint=False),
        lambda a: np.linspace(a, 2.0, 5, endpoint=False),
        (V,),
        label="open",
    ),
    Case("eye", lambda: at.eye(3, 4, 1), lambda: np.eye(3, 4, 1), (), "none"),
    Case("identity_like", at.identity_like, lambda x: np.eye(3, 4), (M,), "none"),
    Case("tri", lambda: at.tri(3, 4, -1), lambda: np.tri(3, 4, -1), (), "none"),
    Case("meshgrid", at.meshgrid, np.meshgrid, (V, Arg((3,)))),
    Case("complex_from_polar", at.complex_from_polar, lambda r, t: r * np.exp(1j * t), (M, M), "none"),
    Case("cast", lambda x: at.cast(x, "int64"), lambda x: x.astype("int64"), (Arg(domain="off_integer"),), "none"),
    Case("as_tensor_variable", lambda x: at.as_tensor_variable([x, 2.0, x]), lambda x: np.array([x, 2.0, x]), (S,)),
    Case("as_tensor", lambda x: at.as_tensor([[x, 1.0]]), lambda x: np.array([[x, 1.0]]), (S,)),
    Case("constant", lambda x: at.constant([1.0, 2.0]) * x, lambda x: np.array([1.0, 2.0]) * x, (S,)),
]

_INDICES = (
    "0",
    "-1",
    "1:3",
    "::2",
    "::-1",
    "3:0:-1",
    "...,0",
    "0,...",
    ":,None,1",
    "-2:",
    ":-1",
    ":,1:1",
    "None,1:,None,:2",
    "...",
)


def _part(text: str, names: str = "x") -> Callable[..., Any]:
    """x[text] of variables or arrays; `k` is an int where x is an array."""
    return eval(f"lambda {names}: x[{text}]")


def _build_change(mode: str, text: str) -> Callable[[Any], Any]:
    change, part = getattr(at, f"{mode}_subtensor"), _part(text)
    return lambda x: change(part(x), part(x) * 3)


def _numpy_change(mode: str, text: str) -> Callable[[np.ndarray], np.ndarray]:
    statement = f"y[{text}] {'=' if mode == 'set' else '+='} x[{text}] * 3"

    def run(x: np.ndarray) -> np.ndarray:
        y = x.copy()
        exec(statement, {"x": x, "y": y})
        return y

    return run


def _int_index(text: str) -> Callable[[np.ndarray, Any], np.ndarray]:
    part = _part(text, "x, k")
    return lambda x, k: part(x, int(k))


SAMPLERS["positions"] = lambda rng, shape: rng.integers(-3, 3, shape)      # of which some are equal
_I, _J = Arg((4,), "positions", "int64"), Arg((2, 1), "positions", "int32", static=(None, 1))


def _changed_at(mode: str, text: str) -> Callable[..., np.ndarray]:
    part = eval(f"lambda i, j: np.s_[{text}]")

    def run(x: np.ndarray, v: np.ndarray, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        y, v = x.copy(), np.broadcast_to(v, x[part(i, j)].shape)
        if mode == "inc":
            y = y.astype(np.result_type(x, v))
            np.add.at(y, part(i, j), v)
        else:
            y = y.astype(np.result_type(x, v))
            y[part(i, j)] = v
        return y

    return run


INDEXING: list[Case] = [
    *[Case("getitem", _part(text, "x, i, j"), _part(text, "x, i, j"), (M, _I, _J), label=text)
      for text in ("i", ":, j", "i, j", "1:, i", "j, None, ::-1", "i, -1", "[2, 0, 2]", "[True, False, True], j[0]")],
    *[Case(f"{mode}_subtensor", lambda x, v, i, j, mode=mode, text=text: getattr(at, f"{mode}_subtensor")(
        _part(text, "x, i, j")(x, i, j), v), _changed_at(mode, text), (M, v, _I, _J), label=f"{text} {v.shape}")
      for mode in ("set", "inc")
      for text, v in (("i", Arg((4, 4))), ("i, j", Arg((4,))), (":, i", S), ("1:, i", Arg((2, 4))), ("[2, 0, 2]", V))],
    Case("take", lambda x, i: at.take(x, i, 1), lambda x, i: np.take(x, i, 1), (M, _I)),
    Case("take", lambda x, i, j: at.take(x, i * j), lambda x, i, j: np.take(x, i * j), (M, _I, _J), label="flat"),
    *[Case("getitem", _part(text), _part(text), label=text) for text in _INDICES],
    *[
        Case(f"{mode}_subtensor", _build_change(mode, text), _numpy_change(mode, text), label=text)
        for mode in ("set", "inc")
        for text in _INDICES
    ],
    *[
        Case("getitem", _part(text, "x, k"), _int_index(text), (M, Arg((), "two", "int32")), label=text)
        for text in ("k", "-k", "k:", ":-k", "::k", "::-k", "0:k, k")
    ],
    Case(
        "set_subtensor",
        lambda x, v: at.set_subtensor(x[1], v),
        lambda x, v: np.vstack([x[:1], v, x[2:]]),
        (M, V),
        label="value",
    ),
    Case(
        "set_subtensor",
        lambda x: at.set_subtensor(x[1:], 2),
        lambda x: np.vstack([x[:1], np.full((2, 4), 2.0)]),
        label="number",
    ),
    Case(
        "set_subtensor",
        lambda x, v: at.set_subtensor(x[1:].T, v),
        lambda x, v: np.vstack([x[:1], v.T]),
        (M, Arg((4, 2))),
        label="transposed",
    ),
]

PRODUCTS: list[Case] = [
    *[
        Case("dot", at.dot, np.dot, args, label=" ".join(str(a.shape) for a in args))
        for args in ((V, V), (M, V), (Arg((3,)), M), (M, M43), (T3, M43), (S, M), (T3, V), (M43, T3))
    ],
    *[
        Case("matmul", at.matmul, np.matmul, args, label=" ".join(str(a.shape) for a in args))
        for args in (
            (V, V),
            (M, V),
            (Arg((3,)), M),
            (M, M43),
            (T3, M43),
            (T3, Arg((2, 4, 5))),
            (Arg((1, 2, 3), static=(1, None, None)), T3),
            (Arg((1, 2, 3), static=(1, None, None)), Arg((1, 3, 4), static=(1, None, None))),
        )
    ],
    Case("outer", at.outer, np.outer, (V, M)),
    Case("inner", at.inner, np.inner, (T3, M)),
    Case("vdot", at.vdot, np.vdot, (M, M)),
    Case("vecdot", at.vecdot, lambda x, y: (x * y).sum(-1), (M, M)),
    Case("matvec", at.matvec, lambda x, y: (x @ y[..., None])[..., 0], (T3, V)),
    Case("vecmat", at.vecmat, lambda x, y: (x[..., None, :] @ y)[..., 0, :], (Arg((3,)), T3)),
    *[
        Case("tensordot", partial(at.tensordot, axes=a), partial(np.tensordot, axes=a), args, label=str(a))
        for a, args in ((0, (V, M)), (1, (M, M43)), (2, (T3, Arg((3, 4, 2)))), ([[0, 1], [1, 0]], (T3, Arg((3, 2)))))
    ],
    Case("batched_dot", at.batched_dot, np.matmul, (T3, Arg((2, 4, 3)))),
    *[
        Case(
            "slinalg.cholesky",
            partial(at.slinalg.cholesky, lower=lower, on_error=on_error),
            np.linalg.cholesky if lower else lambda a: np.swapaxes(np.linalg.cholesky(a), -1, -2),
            (Arg(shape, "positive_definite"),),
            label=f"{shape} {'lower' * lower} {on_error}",
        )
        for shape, lower, on_error in (((4, 4), True, "raise"), ((3, 3), False, "raise"), ((2, 3, 3), False, "nan"),
                                       ((2, 1, 3, 3), True, "raise"))
    ],
    *[
        Case(
            "slinalg.solve_triangular",
            partial(at.slinalg.solve_triangular, lower=lower, trans=trans, unit_diagonal=unit, b_ndim=ndim),
            partial(solved, lower=lower, trans=trans, unit=unit, b_ndim=ndim),
            (Arg(a, "triangles"), Arg(b, static=static)),
            label=f"{a} {b} {'lower' * lower} {trans} {'unit' * unit}",
        )
        for a, b, static, lower, trans, unit, ndim in (
            ((4, 4), (4, 3), None, True, 0, False, None), ((4, 4), (4,), None, False, 1, False, None),
            ((2, 4, 4), (4, 3), None, False, 0, True, None),
            ((2, 4, 4), (1, 4, 2), (1, None, None), True, "T", False, None),
            ((2, 4, 4), (2, 4), None, True, 0, False, 1), ((4, 4), (3, 4, 1), None, True, 1, True, None),
        )
    ],
    Case("batched_dot", at.batched_dot, lambda x, y: (x * y).sum(1), (M, M), label="vectors"),
    Case("batched_dot", at.batched_dot, lambda x, y: x[:, None] * y, (Arg((3,)), M), label="scalars"),
    Case(
        "batched_tensordot",
        lambda x, y: at.batched_tensordot(x, y, [[1, 2], [2, 1]]),
        lambda x, y: np.einsum("bij,bji->b", x, y),
        (T3, Arg((2, 4, 3))),
    ),
    *[
        Case("einsum", partial(at.einsum, s), partial(np.einsum, s), args, label=s)
        for s, args in (
            ("ij,jk->ik", (M, M43)),
            ("ij,jk", (M, M43)),
            ("ij->ji", (M,)),
            ("ij->", (M,)),
            ("ij->j", (M,)),
            ("ii->i", (SQUARE,)),
            ("ii", (SQUARE,)),
            ("bij,jk,k->bi", (T3, M43, Arg((3,)))),
            ("...ij,jk->...ik", (T3, M43)),
            ("i,j->ij", (V, V)),
            ("ij,kl->ik", (M, M43)),
            ("bij,bjk,kl,l->bi", (T3, Arg((2, 4, 3)), M, V)),
        )
    ],
]


def _classes(p: np.ndarray, k: np.ndarray) -> np.ndarray:
    return -np.log(p[np.arange(len(k)), k])


EXTRA: list[Case] = [
    Case("diff", at.diff, np.diff),
    Case("diff", partial(at.diff, n=2, axis=0), partial(np.diff, n=2, axis=0), label="twice"),
    Case("diff", at.diff, np.diff, (bools(),), "none", label="bool"),
    Case("to_one_hot", lambda k: at.to_one_hot(k, 4), lambda k: np.eye(4)[k], (ints((5,), "small"),), "none"),
]

NNET: list[Case] = [
    *[
        Case(
            name,
            partial(getattr(at, name), axis=a),
            partial(getattr(sp, name), axis=a),
            (Arg(domain="distinct"),),
            label=f"axis={a}",
        )
        for name in ("softmax", "log_softmax")
        for a in (-1, 0, None)
    ],
    Case("nnet.relu", nnet.relu, lambda x: np.maximum(x, 0), (Arg(domain="nonzero"),), "difference"),
    Case(
        "nnet.relu",
        lambda x: nnet.relu(x, 0.1),
        lambda x: np.where(x > 0, x, 0.1 * x),
        (Arg(domain="nonzero"),),
        "difference",
        label="leaky",
    ),
    Case(
        "nnet.elu",
        lambda x: nnet.elu(x, 1.5),
        lambda x: np.where(x > 0, x, 1.5 * np.expm1(np.minimum(x, 0))),
        (Arg(domain="nonzero"),),
        "difference",
    ),
    Case(
        "nnet.selu",
        nnet.selu,
        lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(np.minimum(x, 0))),
        (Arg(domain="nonzero"),),
        "difference",
    ),
    Case("nnet.softsign", nnet.softsign, lambda x: x / (1 + np.abs(x)), (Arg(domain="nonzero"),), "difference"),
    Case(
        "nnet.hard_sigmoid",
        nnet.hard_sigmoid,
        lambda x: np.clip(0.2 * x + 0.5, 0, 1),
        (Arg(domain="unit"),),
        "difference",
    ),
    Case(
        "nnet.categorical_crossentropy",
        nnet.categorical_crossentropy,
        _classes,
        (Arg((3, 4), "probabilities"), ints((3,), "small")),
        label="classes",
    ),
    Case(
        "nnet.crossentropy_categorical_1hot",
        nnet.crossentropy_categorical_1hot,
        _classes,
        (Arg((3, 4), "probabilities"), ints((3,), "small")),
    ),
    Case(
        "nnet.categorical_crossentropy",
        lambda x, k: nnet.categorical_crossentropy(at.softmax(x), k),
        lambda x, k: _classes(sp.softmax(x, axis=1), k),
        (Arg(domain="distinct"), ints((3,), "small")),
        label="softmax, classes",
    ),
    Case(
        "nnet.categorical_crossentropy",
        nnet.categorical_crossentropy,
        lambda p, t: -(t * np.log(p)).sum(-1),
        (Arg((3, 4), "probabilities"), Arg((3, 4), "probabilities")),
        label="probabilities",
    ),
    Case(
        "nnet.categorical_crossentropy",
        lambda x, t: nnet.categorical_crossentropy(at.softmax(x), t),
        lambda x, t: -(t * sp.log_softmax(x, axis=1)).sum(-1),
        (Arg(domain="distinct"), Arg((3, 4), "probabilities")),
        label="softmax, probabilities",
    ),
    Case(
        "nnet.binary_crossentropy",
        nnet.binary_crossentropy,
        lambda p, t: -(t * np.log(p) + (1 - t) * np.log1p(-p)),
        (Arg(domain="open01"), Arg(domain="open01")),
    ),
    Case(
        "nnet.binary_crossentropy",
        lambda x, t: nnet.binary_crossentropy(at.sigmoid(x), t),
        lambda x, t: np.logaddexp(0, x) - t * x,
        (M, Arg(domain="open01")),
        label="sigmoid",
    ),
    Case(
        "nnet.sigmoid_binary_crossentropy",
        nnet.sigmoid_binary_crossentropy,
        lambda x, t: np.logaddexp(0, x) - t * x,
        (M, Arg(domain="open01")),
    ),
]

CASES: list[Case] = [*UNARY, *BINARY, *REDUCTIONS, *SHAPES, *CREATION, *INDEXING, *PRODUCTS, *EXTRA, *NNET]

# Public names that are no functions of tensors, or are tested on their own.
NO_CASE: frozenset[str] = frozenset(
    {
        "TensorType",
        "TensorVariable",
        "TensorConstant",
        "SharedVariable",
        "TensorSharedVariable",
        "shared",
        "linalg",
        "nnet",
        "random",
        "slinalg",
        "special",
        "tensor",
        "get_scalar_constant_value",
        "get_vector_length",
        "mgrid",
        "ogrid",
    }
)
