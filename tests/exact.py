"""Programs in mpmath: what they would give without rounding, and how sensitive that is to their inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import mpmath
import numpy as np

from gradc.ir import ops
from gradc.ir.program import Eqn, Program, Var

# Bits: 1,000 of 1 + exp(-700) stand before the first that matters, 2,000 of its square; 3,100 of the second difference
# of a sigmoid at 1e-300, whose second derivative is 1e-300.
PRECISION = 3400


class NotExact(Exception):
    """Something here has no form in mpmath."""


def _divide(x: Any, y: Any) -> Any:
    return mpmath.nan if y == 0 else x / y              # as in _log: of which sign?


def _log(x: Any) -> Any:
    return mpmath.log(x) if x > 0 else mpmath.nan       # 0: all digits cancelled, nobody knows


def _log1p(x: Any) -> Any:
    return _log(1 + x)


def _power(x: Any, y: Any) -> Any:
    if x < 0 and y != int(y):
        return mpmath.nan
    return mpmath.nan if x == 0 and y < 0 else mpmath.power(x, y)


def _exp(x: Any) -> Any:
    if abs(x) > 1e305:      # mpmath's exponents are integers: exp(exp(1e300)) would not fit into memory
        return mpmath.inf if x > 0 else mpmath.mpf(0)
    return mpmath.exp(x)


def _tanh(x: Any) -> Any:
    # 1 in far more digits than are kept; mpmath takes 2 to the power of the exponent of x
    return mpmath.sign(x) if abs(x) > 1e5 else mpmath.tanh(x)


def _erfcx(x: Any) -> Any:
    if x < 100:
        return _exp(x * x) * mpmath.erfc(x)
    t = 1 / (2 * x * x)     # the asymptotic series, to 30 digits and more
    return sum((-t) ** n * mpmath.fac2(2 * n - 1) for n in range(11)) / (x * mpmath.sqrt(mpmath.pi))


def _erfc(x: Any) -> Any:
    return _exp(-x * x) * _erfcx(x) if x > 100 else 2 - _exp(-x * x) * _erfcx(-x) if x < -100 else \
        mpmath.erfc(x)


def _normal_slope(x: Any) -> Any:
    return 2 * _exp(-x * x / 2) / mpmath.sqrt(2 * mpmath.pi) / _erfc(-x / mpmath.sqrt(2)) if x > 0 else \
        mpmath.sqrt(2 / mpmath.pi) / _erfcx(-x / mpmath.sqrt(2))


def _normal_bend(x: Any) -> Any:
    if x < -1e20:
        return -1 + 1 / x**2
    return -_normal_slope(x) * (x + _normal_slope(x))


ROWS: dict[str, Callable[..., Any]] = {
    "add": lambda x, y: x + y, "sub": lambda x, y: x - y, "mul": lambda x, y: x * y, "true_divide": _divide,
    "neg": lambda x: -x, "abs": abs, "square": lambda x: x * x, "reciprocal": lambda x: _divide(mpmath.mpf(1), x),
    "sqrt": lambda x: mpmath.nan if x < 0 else mpmath.sqrt(x), "pow": _power, "exp": _exp,
    "exp_difference": lambda x, y, d: mpmath.sign(d) * _exp(x if d > 0 else y) * (
        -mpmath.expm1(-abs(d)) if abs(d) < 1 else 1 - _exp(-abs(d))),
    "expm1": lambda x: mpmath.expm1(x) if abs(x) < 1 else _exp(x) - 1, "log": _log, "log1p": _log1p,
    "sigmoid": lambda x: 1 / (1 + _exp(-x)), "softplus": lambda x: max(x, 0) + _log1p(_exp(-abs(x))),
    "log1mexp": lambda x: _log(1 - _exp(x)), "log_cosh": lambda x: _log((_exp(x) + _exp(-x)) / 2),
    "logaddexp": lambda x, y: max(x, y) + _log1p(_exp(-abs(x - y))), "tanh": _tanh,
    "erf": lambda x: 1 - _erfc(x), "erfc": _erfc, "log_erfc": lambda x: _log(_erfc(x)),
    "ndtr": lambda x: _erfc(-x / mpmath.sqrt(2)) / 2, "log_ndtr": lambda x: _log(_erfc(-x / mpmath.sqrt(2)) / 2),
    "log_ndtr_slope": _normal_slope, "log_ndtr_bend": _normal_bend,
    "erfcx": _erfcx, "softsign": lambda x: x / (1 + abs(x)),
    "times_complement": lambda x: x * (1 - x), "one_minus_square": lambda x: (1 - x) * (1 + x),
    "sech_squared": lambda x: 4 * _exp(-2 * abs(x)) / (1 + _exp(-2 * abs(x))) ** 2,
    "log_plus_one": lambda x: _log(x) + 1, "hypot": lambda x, y: mpmath.sqrt(x * x + y * y),
    "hypot_slope": lambda x, y: x / mpmath.sqrt(x * x + y * y) if x else x,
    "maximum": max, "minimum": min, "switch": lambda c, x, y: x if c else y, "isinf": lambda x: bool(mpmath.isinf(x)),
    "isnan": lambda x: bool(mpmath.isnan(x)),
    "eq": lambda x, y: x == y, "ge": lambda x, y: x >= y, "le": lambda x, y: x <= y, "gt": lambda x, y: x > y,
    "lt": lambda x, y: x < y, "and_": lambda x, y: x and y, "second": lambda x, y: y, "identity": lambda x: x,
}
_FOLDS = {"add": np.add, "mul": np.multiply, "maximum": np.maximum, "minimum": np.minimum}


def exact(value: Any) -> Any:
    """Numbers as mpmath's."""
    return np.frompyfunc(lambda v: v if isinstance(v, (mpmath.mpf, bool, np.bool_)) else mpmath.mpf(float(v)),
                         1, 1)(np.asarray(value))


def _equation(eqn: Eqn, args: list[Any]) -> Any:
    op: Any = eqn.op
    kind = type(op)
    if kind is ops.Const:
        return exact(op.value.data)
    if kind is ops.Map and op.fn in ROWS:
        return np.frompyfunc(ROWS[op.fn], len(args), 1)(*args)
    if kind is ops.Reduce and op.fn in _FOLDS:
        return _FOLDS[op.fn].reduce(np.asarray(args[0]), axis=op.axes)
    if kind is ops.Transpose:
        kept = np.transpose(args[0], [p for p in op.perm if p >= 0]) if np.ndim(args[0]) else np.asarray(args[0])
        return np.expand_dims(kept, [k for k, p in enumerate(op.perm) if p < 0])
    if kind is ops.Broadcast:
        return np.broadcast_to(args[0], [int(a) for a in args[1:]])
    if kind is ops.ShapeOf:
        return exact(np.shape(args[0])[op.axis])
    if kind is ops.GradientOf or (kind is ops.Cast and op.dtype[0] == "f"):
        return args[0]
    raise NotExact(str(op))


def evaluate(program: Program, inputs: Sequence[Any]) -> list[np.ndarray]:
    """The outputs of `program`, as arrays of mpmath's numbers; NotExact where an op is unknown here."""
    values: dict[Var, Any] = dict(zip(program.inputs, map(exact, inputs)))
    with mpmath.workprec(PRECISION):
        for eqn in program.eqns:
            values[eqn.out] = _equation(eqn, [values[a] for a in eqn.args])
        return [np.asarray(values[v], dtype=object) for v in program.outputs]


def sensitivity(program: Program, inputs: Sequence[Any], at: Sequence[np.ndarray]) -> list[np.ndarray]:
    """By how much outputs, `at` these inputs, change relative to a relative change of the inputs, at least.

    A form whose error is that of a rounding of its inputs is as good as they are.
    """
    with mpmath.workprec(PRECISION):
        step = mpmath.mpf(2) ** -200
        result = [np.zeros(np.shape(a), dtype=object) for a in at]
        for k in range(len(inputs)):
            for sign in (1, -1):
                pattern = np.resize([1, sign], np.shape(inputs[k])).astype(object)
                moved = [exact(x) * (1 + step * pattern) if j == k else exact(x) for j, x in enumerate(inputs)]
                for r, new, old in zip(result, evaluate(program, moved), at):
                    change = np.frompyfunc(lambda a, b: abs(a - b) / step if mpmath.isfinite(a - b) else
                                           mpmath.mpf(0), 2, 1)(new, old)
                    r[...] = np.maximum(r, change)
        return result


def errors(got: np.ndarray, want: np.ndarray, sensitive: np.ndarray | int = 0) -> np.ndarray:
    """|got - want| in units of eps * (|want| + sensitive), inf for what is not a number and should be.

    Below the smallest normal number, and above the largest, any result as small or as large is right.
    """
    info = np.finfo(got.dtype)
    small, large = mpmath.mpf(float(info.tiny)), mpmath.mpf(float(info.max))

    def error(g: Any, w: Any, s: Any) -> float:
        if mpmath.isnan(w):
            return 0.0
        if abs(w) >= large * (1 - mpmath.mpf(2) ** -20):
            return 0.0 if abs(g) > 0.99 * info.max and (g > 0) == (w > 0) else float("inf")
        if not np.isfinite(g):
            return float("inf")
        distance = abs(mpmath.mpf(float(g)) - w)
        return float(max(distance - 4 * small, 0) / (float(info.eps) * (abs(w) + s + small)))

    with mpmath.workprec(200):
        return np.asarray(np.frompyfunc(error, 3, 1)(got, want, sensitive), dtype=float)
