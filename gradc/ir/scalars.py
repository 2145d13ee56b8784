"""One row per scalar function: its dtype rule, its NumPy form, its C form, its derivative.

A row's derivative is written against a namespace `o` given as an argument, so that the same lambda runs
on NumPy arrays (tests), on symbolic variables (`autodiff`) and on Programs.  `o.NAME` calls the row NAME;
`o.const(value, like)` makes a constant in the dtype of `like`.  Broadcasting is undone once, in
`autodiff/rules/elemwise.py`, never here.

C templates: `{0} {1} {2}` the arguments, already in the row's compute dtype; `{s}` the libm suffix (`f`
for float32); `{t}` the short dtype name (f64, i32, u8, bool) for helpers such as `gradc_mod_{t}`.
A template is a string for all dtypes, or a dict by kind: "f" floats, "i" signed, "u" unsigned, "b" bool.
C text must equal the NumPy form including nan, inf, -0.0, integer division and wrap-around.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradc.errors import NoRuleError, TypeMismatchError
from gradc.ir import dtypes

# Rule of the dtypes: name -> function (argument dtypes) -> (compute dtype, result dtype).
# The arguments are converted to the compute dtype first ("switch" leaves its condition bool).


def _common(*d: str) -> tuple[str, str]:
    c = dtypes.upcast(*d)
    return c, c


def _arithmetic(*d: str) -> tuple[str, str]:
    """As common, but bool is refused by NumPy's `-`; bool + bool is bool (or), bool * bool bool (and)."""
    return _common(*d)


def _floating(*d: str) -> tuple[str, str]:
    c = dtypes.floating(*d)
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
        raise TypeMismatchError(f"bitwise and logical operations take bool or integers, got {', '.join(d)}")
    return c, c


def _select(cond: str, *d: str) -> tuple[str, str]:
    return _common(*d)


def _second(a: str, b: str) -> tuple[str, str]:
    return b, b


RULES: dict[str, Callable[..., tuple[str, str]]] = {
    "common": _common, "floating": _floating, "division": _division, "comparison": _comparison,
    "predicate": _predicate, "bitwise": _bitwise, "select": _select, "second": _second,
}

# Cost of one element in units of an addition, measured with libmvec on AVX-512 (ecosystem.md): what fusion weighs
# against a store and a load (which count about 4).
COST = {"free": 0, "add": 1, "divide": 4, "root": 5, "exp": 10, "special": 60}


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """Everything gradc knows about one scalar function; equality is identity (rows are a table)."""

    name: str
    nin: int
    rule: str
    numpy: Callable[..., Any]
    c: str | dict[str, str]
    d: Any = None                      # tuple of lambdas (o, g, out, *args) -> cotangent; None = not differentiable (zero)
    cost: str = "add"
    identity: Any = None               # neutral element, for Reduce
    commutative: bool = False
    ulp: float = 0.0                   # bound of the C form against the exact value, in float64
    domain: str = "all"                # where tests sample: all, positive, unit (-1,1), ...
    vector: bool = True                # has a vectorisable C form
    pretty: str | None = None          # pp's template, e.g. "({0} + {1})"; None: name(args)

    def dtypes(self, *args: str) -> tuple[str, str]:
        """(compute dtype, result dtype) for arguments of these dtypes."""
        return _row_dtypes(self.rule, args)

    @property
    def weight(self) -> int:
        return COST[self.cost]


_MEMO: dict[tuple[str, tuple[str, ...]], tuple[str, str]] = {}


def _row_dtypes(rule: str, args: tuple[str, ...]) -> tuple[str, str]:
    key = (rule, args)
    found = _MEMO.get(key)
    if found is None:
        found = _MEMO[key] = RULES[rule](*args)
    return found


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


# (the ROWS helper completes the table below)
row("add", 2, "common", np.add, {"f": "{0} + {1}", "i": "{0} + {1}", "u": "{0} + {1}", "b": "{0} | {1}"},
    d=(lambda o, g, out, x, y: g, lambda o, g, out, x, y: g), identity=0, commutative=True, pretty="({0} + {1})")
row("mul", 2, "common", np.multiply, {"f": "{0} * {1}", "i": "{0} * {1}", "u": "{0} * {1}", "b": "{0} & {1}"},
    d=(lambda o, g, out, x, y: o.mul(g, y), lambda o, g, out, x, y: o.mul(g, x)), identity=1, commutative=True,
    pretty="({0} * {1})")
row("sub", 2, "common", np.subtract, "{0} - {1}",
    d=(lambda o, g, out, x, y: g, lambda o, g, out, x, y: o.neg(g)), pretty="({0} - {1})")
row("neg", 1, "common", np.negative, "-{0}", d=(lambda o, g, out, x: o.neg(g),), pretty="(-{0})")
row("exp", 1, "floating", np.exp, "exp{s}({0})", d=(lambda o, g, out, x: o.mul(g, out),), cost="exp")
row("true_divide", 2, "division", np.true_divide, "{0} / {1}",
    d=(lambda o, g, out, x, y: o.true_divide(g, y),
       lambda o, g, out, x, y: o.neg(o.true_divide(o.mul(g, x), o.mul(y, y)))), cost="divide", pretty="({0} / {1})")
row("second", 2, "second", lambda a, b: np.broadcast_arrays(a, b)[1].copy(), "{1}", cost="free",
    d=(None, lambda o, g, out, x, y: g), pretty="fill({0}, {1})")
