"""Public elementwise functions: one short function per row of `ir.scalars`, and composites of rows.

Every function takes what `as_tensor_variable` takes (variables, numbers, lists, arrays) and returns a new
variable.  Shapes: all arguments the same; missing axes and axes of static size 1 broadcast; a size 1 known
only at run time does not.  Errors are ShapeError (sizes that can't agree) and TypeMismatchError (dtypes the
function does not take).  Derivatives, values and C of the rows stand in `ir.scalars`; error bounds too.
Complex numbers: all functions that NumPy has for them, with its branch cuts and signs of zeros.  Errors are a few units
in the last place of the absolute value of the result.  A real number beside a complex one is not made complex first, so
that the real part of 2 * z stays what it is where the imaginary part of z is inf (NumPy: nan).  Where a part of an
argument is inf or nan, other functions may give nan where annex G of C99 has a limit.
Dtype rules, named in the docstrings: *common* = NumPy promotion, Python numbers as `config.cast_policy` says
(`tensor.convert.together`); *floating* = common, integers of up to 16 bits give float32 and wider ones float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gradc.config import config
from gradc.errors import TypeMismatchError, at, quoted
from gradc.ir import dtypes, ops
from gradc.ir.graph import Constant, Variable, apply, user_line
from gradc.ir.types import TensorType
from gradc.tensor.convert import as_tensor_variable, cast, constant, converted, meeting, number, together
from gradc.tensor.types import TensorLike

if TYPE_CHECKING:
    from gradc.tensor.variable import TensorVariable

__all__ = [
    "abs", "add", "and_", "angle", "bitwise_and", "bitwise_not", "bitwise_or", "bitwise_xor", "ceil", "clip", "complex",
    "conj", "conjugate", "copy", "digamma", "divide", "divmod", "eq", "erf", "erfc", "erfcinv", "erfcx", "erfinv",
    "exp", "exp2", "expit", "expm1", "fill", "floor", "floor_divide", "gamma", "gammaln", "ge", "gt", "hypot",
    "identity", "imag",
    "invert", "isclose", "isfinite", "isinf", "isnan", "isneginf", "isposinf", "le", "left_shift", "log", "log1mexp",
    "log1p", "log1pexp", "log2", "log10", "log_erfc", "logaddexp", "logical_and", "logical_not", "logical_or",
    "logical_xor", "lt", "maximum", "minimum", "mod", "mul", "nan_to_num", "neg", "neq", "not_equal", "or_", "pow",
    "power", "psi", "real", "reciprocal", "remainder", "right_shift", "round", "round_half_away_from_zero",
    "round_half_to_even", "second", "sgn", "sigmoid", "sign", "softplus", "sqrt", "square", "sub", "switch",
    "tensor_copy", "tri_gamma", "trigamma", "true_divide", "trunc", "xlogx", "xlogy0", "xor",
]


_MAPS: dict[str, ops.Map] = {}      # row name -> its op kind, made on first use


def elementwise(fn: str, *args: TensorLike) -> TensorVariable:
    """The row `fn` applied to `args`."""
    op = _MAPS.get(fn)
    if op is None:
        op = _MAPS[fn] = ops.Map(fn)
    if config.cast_policy != "custom" or (len(args) > 1 and any([a.__class__ is float for a in args])):
        return apply(op, *meeting(fn, args))
    return apply(op, *[a if isinstance(a, Variable) and type(a.type) is TensorType else
                       number(a) if a.__class__ is int or a.__class__ is float else as_tensor_variable(a)
                       for a in args])


def _fold(fn: str, x: TensorLike, y: TensorLike, more: Sequence[TensorLike]) -> TensorVariable:
    if more:
        x, y, *more = together((x, y, *more))
    result = elementwise(fn, x, y)
    for z in more:
        result = elementwise(fn, result, z)
    return result


def as_bool(x: TensorLike) -> TensorVariable:
    """`x != 0` as bool; bool tensors unchanged."""
    x = as_tensor_variable(x)
    return x if x.type.dtype == "bool" else apply(ops.Cast("bool"), x)


# ---------------------------------------------------------------------------------------------- arithmetic


def add(x: TensorLike, y: TensorLike, *more: TensorLike) -> TensorVariable:
    """Sum of the arguments.  Dtype: common; bool + bool is `or`."""
    return _fold("add", x, y, more) if more else elementwise("add", x, y)


def sub(x: TensorLike, y: TensorLike) -> TensorVariable:
    """Difference x - y.  Dtype: common."""
    return elementwise("sub", x, y)


def mul(x: TensorLike, y: TensorLike, *more: TensorLike) -> TensorVariable:
    """Product of the arguments.  Dtype: common; bool * bool is `and`."""
    return _fold("mul", x, y, more) if more else elementwise("mul", x, y)


def true_divide(x: TensorLike, y: TensorLike) -> TensorVariable:
    """Quotient x / y.  Dtype: floats common, integers of any width float64."""
    return elementwise("true_divide", x, y)


def floor_divide(x: TensorLike, y: TensorLike) -> TensorVariable:
    """Largest integer below x / y (Python's `//`).  Dtype: common.  An integer divided by 0 gives 0."""
    return elementwise("floor_divide", x, y)


def mod(x: TensorLike, y: TensorLike) -> TensorVariable:
    """Remainder with the sign of y (Python's `%`).  Dtype: common.  An integer modulo 0 gives 0."""
    return elementwise("mod", x, y)


def divmod(x: TensorLike, y: TensorLike) -> tuple[TensorVariable, TensorVariable]:
    """The pair (x // y, x % y)."""
    return floor_divide(x, y), mod(x, y)


def pow(x: TensorLike, y: TensorLike) -> TensorVariable:
    """x to the power y.  Dtype: common; so int32 ** -1 stays int32 (and is 0 for abs(x) > 1)."""
    return elementwise("pow", x, y)


def neg(x: TensorLike) -> TensorVariable:
    """-x.  Dtype: same as x."""
    return elementwise("neg", x)


def abs(x: TensorLike) -> TensorVariable:
    """Absolute value; the gradient at 0 is 0.  Dtype: same as x, real for complex x."""
    return elementwise("abs", x)


def sgn(x: TensorLike) -> TensorVariable:
    """Sign of x: -1, 0 or 1 (nan stays nan).  Dtype: same as x."""
    return elementwise("sgn", x)


def reciprocal(x: TensorLike) -> TensorVariable:
    """1 / x.  Dtype: floating."""
    return elementwise("reciprocal", x)


def sqrt(x: TensorLike) -> TensorVariable:
    """Square root; nan for x < 0; the gradient at 0 is inf.  Dtype: floating."""
    return elementwise("sqrt", x)


def hypot(x: TensorLike, y: TensorLike) -> TensorVariable:
    """sqrt(x**2 + y**2), without overflow or underflow of the squares.  Dtype: floating.

    At x = y = 0 both derivatives are 0, the second ones, too.  An infinite argument gives inf, even beside nan.
    Sources: C11 7.12.7.3 and F.10.4.3; Moler and Morrison, "Replacing square roots by Pythagorean sums", IBM Journal
    of Research and Development 27 (1983): the larger argument is a scale, so that derivatives are of the ratio.
    """
    return elementwise("hypot", x, y)


def square(x: TensorLike) -> TensorVariable:
    """x * x.  Dtype: same as x."""
    return elementwise("square", x)


def identity(x: TensorLike) -> TensorVariable:
    """A new variable with the value of x (so that it can have a name of its own)."""
    return elementwise("identity", x)


def second(x: TensorLike, y: TensorLike) -> TensorVariable:
    """y broadcast to the shape of x and y together.  Dtype: that of y."""
    return elementwise("second", x, y)


# ------------------------------------------------------------------------------------ exponentials and powers


def exp(x: TensorLike) -> TensorVariable:
    """e to the power x.  Dtype: floating."""
    return elementwise("exp", x)


def exp2(x: TensorLike) -> TensorVariable:
    """2 to the power x.  Dtype: floating."""
    return elementwise("exp2", x)


def expm1(x: TensorLike) -> TensorVariable:
    """exp(x) - 1, accurate near 0.  Dtype: floating."""
    return elementwise("expm1", x)


def log(x: TensorLike) -> TensorVariable:
    """Natural logarithm; -inf at 0, nan below.  Dtype: floating."""
    return elementwise("log", x)


def log2(x: TensorLike) -> TensorVariable:
    """Logarithm to base 2.  Dtype: floating."""
    return elementwise("log2", x)


def log10(x: TensorLike) -> TensorVariable:
    """Logarithm to base 10.  Dtype: floating."""
    return elementwise("log10", x)


def log1p(x: TensorLike) -> TensorVariable:
    """log(1 + x), accurate near 0.  Dtype: floating."""
    return elementwise("log1p", x)


def sigmoid(x: TensorLike) -> TensorVariable:
    """1 / (1 + exp(-x)), without overflow.  Dtype: floating."""
    return elementwise("sigmoid", x)


def softplus(x: TensorLike) -> TensorVariable:
    """log(1 + exp(x)), without overflow.  Dtype: floating."""
    return elementwise("softplus", x)


def log1mexp(x: TensorLike) -> TensorVariable:
    """log(1 - exp(x)) for x <= 0, accurate at both ends.  Dtype: floating.

    Source: Maechler, "Accurately computing log(1 - exp(-|a|))", R package Rmpfr (2012).
    """
    return elementwise("log1mexp", x)


def logaddexp(x: TensorLike, y: TensorLike, *more: TensorLike) -> TensorVariable:
    """log(exp(x) + exp(y) + ...), without overflow; as numpy.logaddexp at infinities.  Dtype: floating."""
    return _fold("logaddexp", x, y, more)


# -------------------------------------------------------------------------------------------------- rounding


def floor(x: TensorLike) -> TensorVariable:
    """Largest integer not above x, in x's own dtype."""
    return elementwise("floor", x)


def ceil(x: TensorLike) -> TensorVariable:
    """Smallest integer not below x, in x's own dtype."""
    return elementwise("ceil", x)


def trunc(x: TensorLike) -> TensorVariable:
    """x rounded towards 0, in its own dtype."""
    return elementwise("trunc", x)


def round_half_to_even(x: TensorLike) -> TensorVariable:
    """x rounded to the nearest integer, halves to even (as numpy.round), in its own dtype."""
    return elementwise("round_half_to_even", x)


def round_half_away_from_zero(x: TensorLike) -> TensorVariable:
    """x rounded to the nearest integer, halves away from 0 (as C's round), in its own dtype."""
    return elementwise("round_half_away_from_zero", x)


def round(x: TensorLike, mode: str | None = None) -> TensorVariable:
    """x rounded to the nearest integer; `mode` "half_to_even" (the default) or "half_away_from_zero"."""
    if mode in (None, "half_to_even"):
        return round_half_to_even(x)
    if mode == "half_away_from_zero":
        return round_half_away_from_zero(x)
    raise TypeMismatchError(f"round: mode must be 'half_to_even' or 'half_away_from_zero', got {quoted(mode)}"
                            f"{at(user_line())}")


# ------------------------------------------------------------------------------------ comparison and selection


def maximum(x: TensorLike, y: TensorLike) -> TensorVariable:
    """Larger of x and y; nan if either is.  Dtype: common.  At ties x gets the gradient."""
    return elementwise("maximum", x, y)


def minimum(x: TensorLike, y: TensorLike) -> TensorVariable:
    """Smaller of x and y; nan if either is.  Dtype: common.  At ties x gets the gradient."""
    return elementwise("minimum", x, y)


def clip(x: TensorLike, min: TensorLike, max: TensorLike) -> TensorVariable:
    """x held within [min, max]; the gradient at a bound is 1.  Dtype: common."""
    return elementwise("clip", x, min, max)


_MIRRORED = {"lt": "gt", "gt": "lt", "le": "ge", "ge": "le"}


def _compared(fn: str, x: TensorLike, y: TensorLike) -> TensorVariable:
    """A comparison; uint64 and signed integers, whose common dtype is float64, are compared exactly, as in NumPy 2."""
    result = elementwise(fn, x, y)
    assert result.owner is not None
    a, b = result.owner.inputs
    if "uint64" not in (a.type.dtype, b.type.dtype) or not {a.type.dtype, b.type.dtype} & set(dtypes.SIGNED):
        return result
    if b.type.dtype == "uint64":
        fn, a, b = _MIRRORED.get(fn, fn), b, a
    same = elementwise(fn, a, converted(b, "uint64"))
    if isinstance(b, Constant) and (b.data >= 0).all():
        return same
    negative = elementwise("lt", b, number(0))
    return or_(negative, same) if fn in ("gt", "ge", "neq") else and_(invert(negative), same)


def eq(x: TensorLike, y: TensorLike) -> TensorVariable:
    """x == y, elementwise (the operator `==` is identity of variables).  Dtype: bool."""
    return _compared("eq", x, y)


def neq(x: TensorLike, y: TensorLike) -> TensorVariable:
    """x != y, elementwise.  Dtype: bool."""
    return _compared("neq", x, y)


def lt(x: TensorLike, y: TensorLike) -> TensorVariable:
    """x < y.  Dtype: bool."""
    return _compared("lt", x, y)


def le(x: TensorLike, y: TensorLike) -> TensorVariable:
    """x <= y.  Dtype: bool."""
    return _compared("le", x, y)


def gt(x: TensorLike, y: TensorLike) -> TensorVariable:
    """x > y.  Dtype: bool."""
    return _compared("gt", x, y)


def ge(x: TensorLike, y: TensorLike) -> TensorVariable:
    """x >= y.  Dtype: bool."""
    return _compared("ge", x, y)


def isnan(x: TensorLike) -> TensorVariable:
    """Is x nan?  Dtype: bool."""
    return elementwise("isnan", x)


def isinf(x: TensorLike) -> TensorVariable:
    """Is x infinite, of either sign?  Dtype: bool."""
    return elementwise("isinf", x)


def isfinite(x: TensorLike) -> TensorVariable:
    """Is x neither nan nor infinite?  Dtype: bool."""
    x = as_tensor_variable(x)
    return invert(or_(isnan(x), isinf(x)))


def isposinf(x: TensorLike) -> TensorVariable:
    """Is x equal to +inf?  Dtype: bool.  Raises: TypeMismatchError for complex numbers."""
    return eq(_of_reals(x, "isposinf"), float("inf"))


def isneginf(x: TensorLike) -> TensorVariable:
    """Is x equal to -inf?  Dtype: bool.  Raises: TypeMismatchError for complex numbers."""
    return eq(_of_reals(x, "isneginf"), float("-inf"))


def _of_reals(x: TensorLike, what: str) -> TensorVariable:
    x = as_tensor_variable(x)
    if x.type.dtype in dtypes.COMPLEX:
        raise TypeMismatchError(f"{what} takes real numbers, got {x.type.short()}{at(user_line())}; take its parts")
    return x


def switch(cond: TensorLike, ift: TensorLike, iff: TensorLike) -> TensorVariable:
    """`ift` where `cond` is true (not 0), else `iff`; both are computed.  Dtype: common of ift and iff.

    Its gradient is that of the branch taken, also where the other branch or its derivative is nan or infinite: a guard
    such as switch(x > 0, sqrt(x), 0).  Through `dot` and sums this holds for derivatives; a factor of a `dot` that is
    itself nan where the branch is not taken has to be replaced before it.  Slices and set_subtensor are no guards.
    """
    return elementwise("switch", as_bool(cond), ift, iff)


def isclose(a: TensorLike, b: TensorLike, rtol: float = 1e-5, atol: float = 1e-8,
            equal_nan: bool = False) -> TensorVariable:
    """abs(a - b) <= atol + rtol * abs(b), elementwise; equal infinities are close.  Dtype: bool.

    Source: numpy.isclose, whose values are matched.
    """
    a, b = together((a, b), converting=False)
    if a.type.dtype in dtypes.DISCRETE and b.type.dtype in dtypes.DISCRETE:
        a, b = cast(a, "float64"), cast(b, "float64")
    near = le(abs(sub(a, b)), add(np.float64(atol), mul(np.float64(rtol), abs(b))))
    result = switch(and_(isfinite(a), isfinite(b)), near, eq(a, b))
    return or_(result, and_(isnan(a), isnan(b))) if equal_nan else result


def nan_to_num(x: TensorLike, nan: float = 0.0, posinf: float | None = None,
               neginf: float | None = None) -> TensorVariable:
    """x with nan replaced by `nan` and infinities by `posinf`, `neginf` (default: the largest finite values).

    Of complex numbers both parts are changed so.
    """
    x = as_tensor_variable(x)
    if x.type.dtype in dtypes.COMPLEX:
        return complex(nan_to_num(real(x), nan, posinf, neginf), nan_to_num(imag(x), nan, posinf, neginf))
    if x.type.dtype in dtypes.DISCRETE:
        return identity(x)
    limits = np.finfo(x.type.dtype)
    high = constant(limits.max if posinf is None else posinf, dtype=x.type.dtype)
    low = constant(limits.min if neginf is None else neginf, dtype=x.type.dtype)
    filled = switch(isnan(x), constant(nan, dtype=x.type.dtype), x)
    return switch(isposinf(filled), high, switch(isneginf(filled), low, filled))


# ------------------------------------------------------------------------------------------ bits and logic


def and_(x: TensorLike, y: TensorLike, *more: TensorLike) -> TensorVariable:
    """Bitwise `and` of integers, logical `and` of bool.  Dtype: common, of bool and integers only."""
    return _fold("and_", x, y, more)


def or_(x: TensorLike, y: TensorLike, *more: TensorLike) -> TensorVariable:
    """Bitwise `or` of integers, logical `or` of bool.  Dtype: common, of bool and integers only."""
    return _fold("or_", x, y, more)


def xor(x: TensorLike, y: TensorLike) -> TensorVariable:
    """Bitwise exclusive or of integers, `!=` of bool.  Dtype: common, of bool and integers only."""
    return elementwise("xor", x, y)


def invert(x: TensorLike) -> TensorVariable:
    """Bitwise complement of integers, logical `not` of bool."""
    return elementwise("invert", x)


def left_shift(x: TensorLike, y: TensorLike) -> TensorVariable:
    """x * 2**y on integers; 0 for shifts of the width and more."""
    return elementwise("left_shift", x, y)


def right_shift(x: TensorLike, y: TensorLike) -> TensorVariable:
    """x // 2**y on integers."""
    return elementwise("right_shift", x, y)


def logical_and(x: TensorLike, y: TensorLike) -> TensorVariable:
    """Are both x and y not 0?  Dtype: bool."""
    return and_(as_bool(x), as_bool(y))


def logical_or(x: TensorLike, y: TensorLike) -> TensorVariable:
    """Is x or y not 0?  Dtype: bool."""
    return or_(as_bool(x), as_bool(y))


def logical_xor(x: TensorLike, y: TensorLike) -> TensorVariable:
    """Is exactly one of x and y not 0?  Dtype: bool."""
    return xor(as_bool(x), as_bool(y))


def logical_not(x: TensorLike) -> TensorVariable:
    """Is x 0?  Dtype: bool."""
    return invert(as_bool(x))


# -------------------------------------------------------------------------------------- special functions


def erf(x: TensorLike) -> TensorVariable:
    """Error function.  Dtype: floating."""
    return elementwise("erf", x)


def erfc(x: TensorLike) -> TensorVariable:
    """1 - erf(x), accurate for large x.  Dtype: floating."""
    return elementwise("erfc", x)


def erfinv(x: TensorLike) -> TensorVariable:
    """Inverse of erf on (-1, 1); +-inf at the ends.  Dtype: floating."""
    return elementwise("erfinv", x)


def erfcinv(x: TensorLike) -> TensorVariable:
    """Inverse of erfc on (0, 2).  Dtype: floating."""
    return elementwise("erfcinv", x)


def erfcx(x: TensorLike) -> TensorVariable:
    """exp(x**2) * erfc(x), without underflow.  Dtype: floating."""
    return elementwise("erfcx", x)


def log_erfc(x: TensorLike) -> TensorVariable:
    """log(erfc(x)), without underflow; log of a normal tail: log_erfc(x / sqrt(2)) - log(2).  Dtype: floating."""
    return elementwise("log_erfc", x)


def gamma(x: TensorLike) -> TensorVariable:
    """Gamma function.  Dtype: floating."""
    return elementwise("gamma", x)


def gammaln(x: TensorLike) -> TensorVariable:
    """log(abs(gamma(x))).  Dtype: floating."""
    return elementwise("gammaln", x)


def psi(x: TensorLike) -> TensorVariable:
    """Derivative of gammaln (digamma).  Dtype: floating."""
    return elementwise("psi", x)


def tri_gamma(x: TensorLike) -> TensorVariable:
    """Derivative of psi.  Dtype: floating."""
    return elementwise("tri_gamma", x)


def xlogx(x: TensorLike) -> TensorVariable:
    """x * log(x), 0 at 0.  Dtype: floating."""
    return elementwise("xlogx", x)


def xlogy0(x: TensorLike, y: TensorLike) -> TensorVariable:
    """x * log(y), 0 where x is 0.  Dtype: floating."""
    return elementwise("xlogy0", x, y)


# ----------------------------------------------------------------------------------------------- complex


def complex(real: TensorLike, imag: TensorLike) -> TensorVariable:
    """The complex numbers with these real and imaginary parts.  Dtype: complex64 for float32 (and integers of up to 16
    bits), else complex128.

    Raises: TypeMismatchError for complex arguments.
    """
    return elementwise("complex", real, imag)


def real(x: TensorLike) -> TensorVariable:
    """Real part; a real x itself."""
    x = as_tensor_variable(x)
    return elementwise("real", x) if x.type.dtype in dtypes.COMPLEX else x


def imag(x: TensorLike) -> TensorVariable:
    """Imaginary part; zeros for a real x."""
    return elementwise("imag", x)


def conj(x: TensorLike) -> TensorVariable:
    """Complex conjugate; a real x itself."""
    x = as_tensor_variable(x)
    return elementwise("conj", x) if x.type.dtype in dtypes.COMPLEX else x


def angle(x: TensorLike) -> TensorVariable:
    """Argument of a complex number in [-pi, pi]; 0 or pi for real numbers.  Dtype: floating, real."""
    return elementwise("angle", x)


# ------------------------------------------------------------------------------------------------ old names

# Second names that are current, and (in DEPRECATED) old ones that answer with a DeprecationWarning.
power = pow
sign = sgn
fill = second
copy = identity
tensor_copy = identity
not_equal = neq
bitwise_and = and_
bitwise_or = or_
bitwise_xor = xor
bitwise_not = invert
expit = sigmoid
log1pexp = softplus
divide = true_divide
remainder = mod
digamma = psi
trigamma = tri_gamma
conjugate = conj

DEPRECATED: dict[str, str] = {
    "abs_": "abs", "inv": "reciprocal", "true_div": "true_divide", "int_div": "floor_divide",
    "floor_div": "floor_divide", "sqr": "square",
}
