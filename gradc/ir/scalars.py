"""One row per scalar function: its dtype rule, its NumPy form, its C form, its derivative.

A row's derivative is written against a namespace `o` given as an argument, so that the same lambda runs
on NumPy arrays (tests), on symbolic variables (`autodiff`) and on Programs.  `o.NAME` calls the row NAME;
`o.const(value, like)` makes a constant in the dtype of `like` if that is floating, else the smallest
integer dtype that holds the value.  Broadcasting is undone once, in `autodiff/rules/elemwise.py`, never here.

Complex numbers: a row takes them if it has a form in `ir.complex_forms`, which says what it is of their parts; its
`numpy` takes them, too.

C templates: `{0} {1} {2}` the arguments, already in the row's compute dtype; `{s}` the libm suffix (`f`
for float32); `{t}` the short dtype name (f64, i32, u8, bool) for helpers such as `gradc_mod_{t}`.
A template is a string for all dtypes, or a dict by kind: "f" floats, "i" signed, "u" unsigned, "b" bool, "c" complex
(of which C knows the parts only).
Each argument stands at most once; the printer puts primary expressions there (a name, a non-negative
literal, or something in parentheses) and converts the value to the result's C type before it goes on
(C computes int8 + int8 as int).  Bools are 0 or 1.
C text must equal the NumPy form including nan, inf, -0.0, integer division and wrap-around.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from gradc.errors import NoRuleError, TypeMismatchError
from gradc.ir import dtypes, elementary
from gradc.ir.complex_functions import FORMS
from gradc.ir.scalar_code import ScalarFunction
from gradc.ir.snippet import Snippet
from gradc.record import record

# Rule of the dtypes: name -> function (argument dtypes) -> (compute dtype, result dtype).
# The arguments are converted to the compute dtype first ("switch" leaves its condition bool).


def _common(*d: str) -> tuple[str, str]:
    """One dtype for arguments and result; `+` and `*` of bools are or and and."""
    c = dtypes.upcast(*d)
    return c, c


def _signed(*d: str) -> tuple[str, str]:
    """As common, but not for bools, of which NumPy knows no `-`."""
    c = dtypes.upcast(*d)
    if c == "bool":
        raise TypeMismatchError("`-`, neg and sgn are not defined for bools; use xor or invert, or cast to an integer")
    return c, c


def _integral(*d: str) -> tuple[str, str]:
    """As common, with bools taken as int8."""
    c = dtypes.upcast(*d)
    return ("int8", "int8") if c == "bool" else (c, c)


def _real(c: str) -> str:
    return dtypes.REAL_PART.get(c, c)


def _floating(*d: str) -> tuple[str, str]:
    c = dtypes.floating(*d)
    return c, c


def _neighbour(*d: str) -> tuple[str, str]:
    """As floating, but not for float16, which is computed in float32: its neighbours are other ones."""
    c = dtypes.floating(*d)
    if c == "float16":
        raise TypeMismatchError("it is not defined for float16; cast it to float32")
    return c, c


def _division(*d: str) -> tuple[str, str]:
    """True division: integers of any width give float64."""
    c = dtypes.upcast(*d)
    if c in dtypes.DISCRETE:
        c = "float64"
    return c, c


def _comparison(*d: str) -> tuple[str, str]:
    return dtypes.upcast(*d), "bool"


def _predicate(d: str) -> tuple[str, str]:
    return d, "bool"


def _bitwise(*d: str) -> tuple[str, str]:
    c = dtypes.upcast(*d)
    if c not in dtypes.DISCRETE:
        if all(k in dtypes.DISCRETE for k in d):
            raise TypeMismatchError(f"{' and '.join(d)} have no integer dtype in common; cast one of them")
        raise TypeMismatchError(f"bitwise and logical operations take bool or integers, got {', '.join(d)}")
    return c, c


def _shift(*d: str) -> tuple[str, str]:
    return _integral(*_bitwise(*d))


def _same(d: str) -> tuple[str, str]:
    return d, d


def _magnitude(d: str) -> tuple[str, str]:
    """A complex argument gives a real result."""
    return d, _real(d)


def _pair(*d: str) -> tuple[str, str]:
    """Two real numbers give a complex one."""
    c = dtypes.floating(*d)
    if c in dtypes.COMPLEX:
        raise TypeMismatchError("expected real numbers")
    return c, dtypes.COMPLEX_OF[c]


def _phase(d: str) -> tuple[str, str]:
    c = dtypes.floating(d)
    return c, _real(c)


def _select(cond: str, *d: str) -> tuple[str, str]:
    return _common(*d)


def _scaled(d: str, n: str) -> tuple[str, str]:
    """Floats beside powers of two."""
    return _floating(d)


def _exponent(d: str) -> tuple[str, str]:
    return dtypes.floating(d), "int32"


def _bits(d: str) -> tuple[str, str]:
    return _shift(d)[0], "uint8"


def _second(a: str, b: str) -> tuple[str, str]:
    return b, b


RULES: dict[str, Callable[..., tuple[str, str]]] = {
    "common": _common, "signed": _signed, "integral": _integral, "floating": _floating, "neighbour": _neighbour,
    "division": _division,
    "comparison": _comparison, "predicate": _predicate, "bitwise": _bitwise, "shift": _shift, "same": _same,
    "magnitude": _magnitude, "phase": _phase, "pair": _pair,
    "scaled": _scaled, "exponent": _exponent, "bits": _bits, "select": _select, "second": _second,
}

# Cost of one element in units of an addition, measured with libmvec on AVX-512: what fusion weighs
# against a store and a load (which count about 4).
COST = {"free": 0, "add": 1, "fma": 2, "divide": 4, "root": 5, "exp": 10, "power": 25, "special": 60}


# Where tests sample a row's arguments (all of them).
DOMAINS: dict[str, tuple[float, float]] = {
    "all": (-4.0, 4.0), "positive": (0.1, 8.0), "negative": (-8.0, -0.05), "unit": (-0.95, 0.95),
    "above_one": (1.05, 8.0), "above_minus_one": (-0.9, 8.0), "zero_to_two": (0.05, 1.95),
    "zero_to_one": (0.02, 0.98), "below_zero": (-0.35, -0.01),
}


@record(eq=False)
class Row:
    """Everything gradc knows about one scalar function; equality is identity (rows are a table)."""

    name: str
    nin: int
    rule: str
    numpy: Callable[..., object]
    c: str | dict[str, str]
    d: Any = None                      # one derivative per argument, see the table
    cost: str = "add"
    identity: object = None               # neutral element of a fold; see `neutral`
    commutative: bool = False
    ulp: float = 0.0                   # bound of the C form against the exact value, in float64
    domain: str = "all"                # where tests sample: a key of DOMAINS
    vector: bool = True                # has a vectorisable C form
    pretty: str | None = None          # pp's template, e.g. "({0} + {1})"; None: name(args)
    snippet: Snippet | None = None     # of a CFunction: the function that `c` calls, and its dtypes
    function: ScalarFunction | None = None      # that `c` calls, where it stands in no header

    def dtypes(self, *args: str) -> tuple[str, str]:
        """(compute dtype, result dtype) for arguments of these dtypes."""
        if self.snippet is not None:    # C converts from the dtype that all declared ones have in common
            return dtypes.upcast(*[dtype for _, dtype in self.snippet.inputs]), self.snippet.output
        found = _row_dtypes(self.rule, args)
        if found[0] in dtypes.COMPLEX and self.name not in FORMS:
            raise TypeMismatchError(f"it is defined for real numbers, got {' and '.join(args)}; take the "
                                    "real part, or abs")
        return found

    @property
    def weight(self) -> int:
        """Cost of one element, see `COST`."""
        return COST[self.cost]

    def neutral(self, dtype: str) -> Any:
        """The neutral element of a fold in `dtype`, as a NumPy scalar (maximum: -inf or the lowest integer)."""
        kind = np.dtype(dtype)
        if self.identity == "ones":
            return kind.type(True) if dtype == "bool" else np.invert(kind.type(0))
        if self.identity in ("lowest", "highest"):
            low = self.identity == "lowest"
            if dtype == "bool":
                return kind.type(not low)
            if kind.kind in "iu":
                return kind.type(np.iinfo(kind).min if low else np.iinfo(kind).max)
            return kind.type(-np.inf if low else np.inf)
        return kind.type(self.identity)


_MEMO: dict[tuple[str, tuple[str, ...]], tuple[str, str]] = {}


def _row_dtypes(rule: str, args: tuple[str, ...]) -> tuple[str, str]:
    key = (rule, args)
    found = _MEMO.get(key)
    if found is None:
        found = _MEMO[key] = RULES[rule](*args)
    return found


Value: TypeAlias = Any      # what derivatives are written with: `o`, and arrays, variables or Vars
ROWS: dict[str, Row] = {}


def row(name: str, nin: int, rule: str, numpy: Callable[..., Any], c: str | dict[str, str], d: Any = None,
        **rest: Any) -> Row:
    """Add a row to the table."""
    if name in ROWS:
        raise NoRuleError(f"the row {name!r} is defined twice")
    ROWS[name] = new = Row(name, nin, rule, numpy, c, d, **rest)
    return new


def get_row(fn: Any) -> Row:
    """The row of a Map's `fn`: a name, or the row itself."""
    if isinstance(fn, Row):
        return fn
    try:
        return ROWS[fn]
    except KeyError:
        raise NoRuleError(f"there is no scalar function {fn!r} in ir/scalars.py") from None


# ------------------------------------------------------------------------------------------------- the table
# Derivatives: one entry per argument, (o, g, out, *args) -> cotangent of that argument; linear in g.
# None: the derivative is zero wherever it exists.  A string: there is none, and why.


def _zero(o: Value, g: Value) -> Value:
    return o.const(0, g)


def keep(o: Value, condition: Value, g: Value) -> Value:
    """g where the condition holds, else 0 (a product would make nan of 0 * inf)."""
    return o.switch(condition, g, _zero(o, g))


def _curvature(o: Value, g: Value, a: Value, b: Value, h: Value) -> Value:
    """g * a * b / h, and 0 where h is 0."""
    return keep(o, o.neq(h, o.const(0, h)), o.mul(o.mul(g, a), o.true_divide(b, h)))


def difference(o: Value, g: Value, x: Value, y: Value) -> Value:
    """x - y, and 0 (not nan) for equal infinities."""
    return o.switch(o.and_(o.isinf(x), o.eq(x, y)), o.const(0, g), o.sub(x, y))


def _power_slope(o: Value, g: Value, x: Value, y: Value) -> Value:
    """g * y * x**(y-1).  For y = 0 that is 0: with 1 in the place of an x that is 0 (for a constant y, where higher
    derivatives of x**2 get, of every x) it is never 0 * inf, nor are its own derivatives."""
    if o.never_zero(y):
        base = x
    else:
        safe = o.neq(y, o.const(0, y))
        if not o.is_fixed(y):
            safe = o.or_(safe, o.invert(o.isinf(o.reciprocal(x))))
        base = o.switch(safe, x, o.const(1, x))
    return o.mul(o.mul(g, y), o.pow(base, o.sub(y, o.const(1, y))))


# --- arithmetic

row("add", 2, "common", np.add, {"f": "{0} + {1}", "i": "{0} + {1}", "u": "{0} + {1}", "b": "{0} | {1}"},
    d=(lambda o, g, out, x, y: g,
       lambda o, g, out, x, y: g),
    identity=0, commutative=True, ulp=0.5, pretty="({0} + {1})")
row("sub", 2, "signed", np.subtract, "{0} - {1}",
    d=(lambda o, g, out, x, y: g,
       lambda o, g, out, x, y: o.neg(g)),
    ulp=0.5, pretty="({0} - {1})")
row("mul", 2, "common", np.multiply, {"f": "{0} * {1}", "i": "{0} * {1}", "u": "{0} * {1}", "b": "{0} & {1}"},
    d=(lambda o, g, out, x, y: o.mul(g, y),
       lambda o, g, out, x, y: o.mul(g, x)),
    identity=1, commutative=True, ulp=0.5, pretty="({0} * {1})")
row("true_divide", 2, "division", np.true_divide, "{0} / {1}",
    # by y: -g*x/y**2, written so that y**2 neither overflows nor loses bits in denormals
    d=(lambda o, g, out, x, y: o.true_divide(g, y),
       lambda o, g, out, x, y: o.neg(o.true_divide(o.mul(g, out), y))),
    cost="divide", ulp=0.5, pretty="({0} / {1})")
row("floor_divide", 2, "integral", np.floor_divide, "gradc_floor_divide_{t}({0}, {1})",
    d=(None, None), cost="special", vector=False, ulp=0.5, pretty="({0} // {1})")
row("mod", 2, "integral", np.mod, "gradc_mod_{t}({0}, {1})",
    d=(lambda o, g, out, x, y: g,
       lambda o, g, out, x, y: o.neg(o.mul(g, o.floor_divide(x, y)))),
    cost="special", vector=False, ulp=0.5)
row("pow", 2, "integral", elementary.power,
    {"f": "pow{s}({0}, {1})", "i": "gradc_pow_{t}({0}, {1})", "u": "gradc_pow_{t}({0}, {1})"},
    d=(lambda o, g, out, x, y: _power_slope(o, g, x, y),
       lambda o, g, out, x, y: o.switch(o.eq(x, o.const(0, x)), _zero(o, g), o.mul(o.mul(g, out), o.log(x)))),
    cost="power", ulp=1.0, domain="positive", pretty="({0} ** {1})")
row("neg", 1, "signed", np.negative, "-{0}", d=(lambda o, g, out, x: o.neg(g),), pretty="(-{0})")
row("abs", 1, "magnitude", np.abs, {"f": "fabs{s}({0})", "i": "gradc_abs_{t}({0})", "u": "{0}", "b": "{0}"},
    d=(lambda o, g, out, x: o.mul(g, o.sgn(x)),), pretty="|{0}|")
row("sgn", 1, "signed", np.sign, "gradc_sgn_{t}({0})", d=(None,))
row("square", 1, "integral", np.square, "gradc_square_{t}({0})",
    d=(lambda o, g, out, x: o.mul(g, o.mul(o.const(2, g), x)),), ulp=0.5)
row("hypot", 2, "floating", elementary.hypot, "hypot{s}({0}, {1})",
    d=(lambda o, g, out, x, y: o.mul(g, o.hypot_slope(x, y)),
       lambda o, g, out, x, y: o.mul(g, o.hypot_slope(y, x))), cost="power", ulp=2, commutative=True)
row("sqrt", 1, "floating", np.sqrt, "sqrt{s}({0})",
    d=(lambda o, g, out, x: o.true_divide(o.mul(g, o.const(0.5, g)), out),), cost="root", ulp=0.5, domain="positive")
row("reciprocal", 1, "floating", np.reciprocal, "1 / {0}",
    d=(lambda o, g, out, x: o.neg(o.mul(g, o.mul(out, out))),), cost="divide", ulp=0.5)

# --- exponentials and logarithms

row("exp", 1, "floating", np.exp, "exp{s}({0})", d=(lambda o, g, out, x: o.mul(g, out),), cost="exp", ulp=4)
row("exp2", 1, "floating", np.exp2, "exp2{s}({0})",
    d=(lambda o, g, out, x: o.mul(g, o.mul(out, o.const(math.log(2), g))),), cost="exp", ulp=4)
row("expm1", 1, "floating", np.expm1, "expm1{s}({0})",
    d=(lambda o, g, out, x: o.mul(g, o.exp(x)),), cost="exp", ulp=4)
row("log", 1, "floating", np.log, "log{s}({0})",
    d=(lambda o, g, out, x: o.true_divide(g, x),), cost="exp", ulp=4, domain="positive")
row("log2", 1, "floating", np.log2, "log2{s}({0})",
    d=(lambda o, g, out, x: o.true_divide(g, o.mul(x, o.const(math.log(2), g))),), cost="exp", ulp=4,
    domain="positive")
row("log10", 1, "floating", np.log10, "log10{s}({0})",
    d=(lambda o, g, out, x: o.true_divide(g, o.mul(x, o.const(math.log(10), g))),), cost="exp", ulp=4,
    domain="positive")
row("log1p", 1, "floating", np.log1p, "log1p{s}({0})",
    d=(lambda o, g, out, x: o.true_divide(g, o.add(o.const(1, g), x)),), cost="exp", ulp=4, domain="above_minus_one")

# --- trigonometric and hyperbolic functions and their inverses

row("sin", 1, "floating", np.sin, "gradc_sin_{t}({0})", d=(lambda o, g, out, x: o.mul(g, o.cos(x)),), cost="exp", ulp=4)
row("cos", 1, "floating", np.cos, "gradc_cos_{t}({0})",
    d=(lambda o, g, out, x: o.neg(o.mul(g, o.sin(x))),), cost="exp", ulp=4)
row("tan", 1, "floating", np.tan, "tan{s}({0})",
    d=(lambda o, g, out, x: o.mul(g, o.add(o.const(1, g), o.square(out))),), cost="exp", ulp=4)
row("arcsin", 1, "floating", np.arcsin, "asin{s}({0})",
    d=(lambda o, g, out, x: o.true_divide(g, o.sqrt(o.one_minus_square(x))),), cost="exp", ulp=4, domain="unit")
row("arccos", 1, "floating", np.arccos, "acos{s}({0})",
    d=(lambda o, g, out, x: o.neg(o.true_divide(g, o.sqrt(o.one_minus_square(x)))),), cost="exp", ulp=4,
    domain="unit")
row("arctan", 1, "floating", np.arctan, "atan{s}({0})",
    d=(lambda o, g, out, x: o.true_divide(g, o.add(o.const(1, g), o.square(x))),), cost="exp", ulp=4)
row("arctan2", 2, "floating", elementary.arctan2, "atan2{s}({0}, {1})",
    d=(lambda o, g, out, y, x: o.true_divide(o.mul(g, o.true_divide(x, o.hypot(x, y))), o.hypot(x, y)),
       lambda o, g, out, y, x: o.neg(o.true_divide(o.mul(g, o.true_divide(y, o.hypot(x, y))), o.hypot(x, y)))),
    cost="power", ulp=4)
row("sinh", 1, "floating", np.sinh, "sinh{s}({0})", d=(lambda o, g, out, x: o.mul(g, o.cosh(x)),), cost="exp", ulp=4)
row("cosh", 1, "floating", np.cosh, "cosh{s}({0})", d=(lambda o, g, out, x: o.mul(g, o.sinh(x)),), cost="exp", ulp=4)
row("tanh", 1, "floating", np.tanh, "gradc_tanh_{t}({0})",
    d=(lambda o, g, out, x: o.mul(g, o.sub(o.const(1, g), o.square(out))),), cost="exp", ulp=4)
row("arcsinh", 1, "floating", np.arcsinh, "asinh{s}({0})",
    d=(lambda o, g, out, x: o.true_divide(g, o.hypot(o.const(1, g), x)),), cost="exp", ulp=4)
row("arccosh", 1, "floating", np.arccosh, "acosh{s}({0})",
    # two roots: right for large x, and nan below 1 where the function is nan
    d=(lambda o, g, out, x: o.true_divide(g, o.mul(o.sqrt(o.sub(x, o.const(1, g))), o.sqrt(o.add(x, o.const(1, g))))),),
    cost="exp", ulp=4, domain="above_one")
row("arctanh", 1, "floating", np.arctanh, "atanh{s}({0})",
    d=(lambda o, g, out, x: o.true_divide(g, o.one_minus_square(x)),), cost="exp", ulp=4, domain="unit")
row("deg2rad", 1, "floating", elementary.deg2rad, "gradc_deg2rad_{t}({0})",
    d=(lambda o, g, out, x: o.deg2rad(g),), ulp=1)
row("rad2deg", 1, "floating", elementary.rad2deg, "gradc_rad2deg_{t}({0})",
    d=(lambda o, g, out, x: o.rad2deg(g),), ulp=1)

# --- rounding: zero derivative

row("floor", 1, "floating", np.floor, "floor{s}({0})", d=(None,))
row("ceil", 1, "floating", np.ceil, "ceil{s}({0})", d=(None,))
row("trunc", 1, "floating", np.trunc, "trunc{s}({0})", d=(None,))
row("round_half_to_even", 1, "same", elementary.round_half_to_even,
    {"f": "rint{s}({0})", "i": "{0}", "u": "{0}", "b": "{0}"}, d=(None,))
row("round_half_away_from_zero", 1, "same", elementary.round_half_away_from_zero,
    {"f": "round{s}({0})", "i": "{0}", "u": "{0}", "b": "{0}"}, d=(None,))

# --- extremes: at a tie the first argument gets the gradient, so that the derivative is that of one of the two

row("maximum", 2, "common", np.maximum, "gradc_maximum_{t}({0}, {1})",
    d=(lambda o, g, out, x, y: keep(o, o.ge(x, y), g),
       lambda o, g, out, x, y: keep(o, o.lt(x, y), g)),
    identity="lowest", commutative=True)
row("minimum", 2, "common", np.minimum, "gradc_minimum_{t}({0}, {1})",
    d=(lambda o, g, out, x, y: keep(o, o.le(x, y), g),
       lambda o, g, out, x, y: keep(o, o.gt(x, y), g)),
    identity="highest", commutative=True)
row("clip", 3, "common", elementary.clip, "gradc_clip_{t}({0}, {1}, {2})",
    # hi wins where lo > hi
    d=(lambda o, g, out, x, lo, hi: keep(o, o.and_(o.ge(x, lo), o.le(x, hi)), g),
       lambda o, g, out, x, lo, hi: keep(o, o.and_(o.lt(x, lo), o.le(lo, hi)), g),
       lambda o, g, out, x, lo, hi: keep(o, o.gt(o.maximum(x, lo), hi), g)))

# --- comparison

row("eq", 2, "comparison", np.equal, "{0} == {1}", d=(None, None), commutative=True)
row("neq", 2, "comparison", np.not_equal, "{0} != {1}", d=(None, None), commutative=True)
row("lt", 2, "comparison", np.less, "{0} < {1}", d=(None, None))
row("le", 2, "comparison", np.less_equal, "{0} <= {1}", d=(None, None))
row("gt", 2, "comparison", np.greater, "{0} > {1}", d=(None, None))
row("ge", 2, "comparison", np.greater_equal, "{0} >= {1}", d=(None, None))
row("isnan", 1, "predicate", np.isnan, "gradc_isnan_{t}({0})", d=(None,))
row("isinf", 1, "predicate", np.isinf, "gradc_isinf_{t}({0})", d=(None,))

# --- bits of integers, logic of bools

row("and_", 2, "bitwise", np.bitwise_and, "{0} & {1}", d=(None, None), identity="ones", commutative=True,
    pretty="({0} & {1})")
row("or_", 2, "bitwise", np.bitwise_or, "{0} | {1}", d=(None, None), identity=0, commutative=True,
    pretty="({0} | {1})")
row("xor", 2, "bitwise", np.bitwise_xor, "{0} ^ {1}", d=(None, None), identity=0, commutative=True,
    pretty="({0} ^ {1})")
row("invert", 1, "bitwise", np.invert, {"i": "~{0}", "u": "~{0}", "b": "!{0}"}, d=(None,), pretty="(~{0})")
row("left_shift", 2, "shift", np.left_shift, "gradc_left_shift_{t}({0}, {1})", d=(None, None),
    pretty="({0} << {1})")
row("right_shift", 2, "shift", np.right_shift, "gradc_right_shift_{t}({0}, {1})", d=(None, None),
    pretty="({0} >> {1})")

# --- choice

row("switch", 3, "select", np.where, "gradc_select_{t}({0}, {1}, {2})",
    d=(None,
       lambda o, g, out, c, x, y: keep(o, c, g),
       lambda o, g, out, c, x, y: o.switch(c, _zero(o, g), g)))
row("second", 2, "second", lambda a, b: np.broadcast_arrays(a, b)[1].copy(), "{1}", cost="free",
    d=(None, lambda o, g, out, x, y: g), pretty="fill({0}, {1})")
row("identity", 1, "same", np.array, "{0}", d=(lambda o, g, out, x: g,), cost="free")

# --- stable forms

row("sigmoid", 1, "floating", elementary.sigmoid, "gradc_sigmoid_{t}({0})",
    d=(lambda o, g, out, x: o.mul(g, o.times_complement(out)),), cost="exp", ulp=6)
row("softplus", 1, "floating", elementary.softplus, "gradc_softplus_{t}({0})",
    d=(lambda o, g, out, x: o.mul(g, o.sigmoid(x)),), cost="power", ulp=6)
row("log1mexp", 1, "floating", elementary.log1mexp, "gradc_log1mexp_{t}({0})",
    # -exp(x)/(1-exp(x)): nothing overflows, here or in the next derivative; 0-y and not -y, so that 0 gives -inf
    d=(lambda o, g, out, x: o.neg(o.true_divide(o.mul(g, o.exp(x)), o.sub(o.const(0, g), o.expm1(x)))),),
    cost="power", ulp=8, domain="negative")
row("log_cosh", 1, "floating", elementary.log_cosh, "gradc_log_cosh_{t}({0})",
    d=(lambda o, g, out, x: o.mul(g, o.tanh(x)),), cost="power", ulp=6)
row("logaddexp", 2, "floating", elementary.logaddexp, "gradc_logaddexp_{t}({0}, {1})",
    d=(lambda o, g, out, x, y: o.mul(g, o.sigmoid(difference(o, g, x, y))),
       lambda o, g, out, x, y: o.mul(g, o.sigmoid(difference(o, g, y, x)))),
    cost="power", ulp=6, commutative=True)
row("softsign", 1, "floating", elementary.softsign, "gradc_softsign_{t}({0})",
    # divided twice: the square of a large x would make the second derivative 0
    d=(lambda o, g, out, x: o.true_divide(o.true_divide(g, below := o.add(o.const(1, g), o.abs(x))), below),),
    cost="divide", ulp=1.5)
row("xlogx", 1, "floating", elementary.xlogx, "gradc_xlogx_{t}({0})",
    d=(lambda o, g, out, x: o.mul(g, o.log_plus_one(x)),), cost="exp", ulp=6, domain="positive")
row("xlogy0", 2, "floating", elementary.xlogy0, "gradc_xlogy0_{t}({0}, {1})",
    d=(lambda o, g, out, x, y: o.mul(g, o.log(y)),
       # the guard is for 0 / 0 alone: x / y with x = 0 has a derivative by x
       lambda o, g, out, x, y: keep(o, o.or_(o.neq(x, o.const(0, x)), o.neq(y, o.const(0, y))),
                                     o.true_divide(o.mul(g, x), y))),
    cost="exp", ulp=6, domain="positive")

# --- parts of derivatives, rows of their own so that neither they nor their derivatives cancel

row("one_minus_square", 1, "floating", lambda x: (1 - x) * (1 + x), "gradc_one_minus_square_{t}({0})",
    d=(lambda o, g, out, x: o.mul(g, o.mul(o.const(-2, g), x)),), ulp=1.5, domain="unit")
row("times_complement", 1, "floating", lambda x: x * (1 - x), "gradc_times_complement_{t}({0})",
    d=(lambda o, g, out, x: o.mul(g, o.sub(o.const(1, g), o.mul(o.const(2, g), x))),), ulp=1.5, domain="unit")
row("sech_squared", 1, "floating", elementary.sech_squared, "gradc_sech_squared_{t}({0})",
    d=(lambda o, g, out, x: o.mul(o.mul(o.const(-2, g), o.mul(g, out)), o.tanh(x)),), cost="exp", ulp=10)
row("log_plus_one", 1, "floating", elementary.log_plus_one, "gradc_log_plus_one_{t}({0})",
    d=(lambda o, g, out, x: o.true_divide(g, x),), cost="power", ulp=4, domain="positive")
row("hypot_slope", 2, "floating", elementary.hypot_slope, "gradc_hypot_slope_{t}({0}, {1})",
    # y**2 / h**3 and -x y / h**3, 0 at 0
    d=(lambda o, g, out, x, y: _curvature(o, g, o.hypot_slope(y, x), o.hypot_slope(y, x), o.hypot(x, y)),
       lambda o, g, out, x, y: o.neg(_curvature(o, g, out, o.hypot_slope(y, x), o.hypot(x, y)))), cost="root", ulp=3)

# --- complex numbers and their parts (of real ones: the interpreter and C agree that their imaginary part is 0)

row("complex", 2, "pair", elementary.complex_of, "gradc_complex_{t}({0}, {1})", cost="free",
    d=("see autodiff/rules/complex.py",) * 2)
row("real", 1, "magnitude", np.real, {"c": "__real__ {0}", **dict.fromkeys("fiub", "{0}")},
    d=(lambda o, g, out, x: g,), cost="free")
row("imag", 1, "magnitude", np.imag,
    {"c": "__imag__ {0}", **dict.fromkeys("fiub", "gradc_imag_{t}({0})")}, d=(None,), cost="free")
row("conj", 1, "same", np.conj, "{0}", d=(lambda o, g, out, x: g,), cost="free")
row("angle", 1, "phase", np.angle, "atan2{s}(0, {0})", d=(None,), cost="power", ulp=4)
