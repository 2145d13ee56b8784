"""Rules that replace a form which overflows, underflows or cancels by one that does not.

Derivatives are made of such forms to begin with (`autodiff/stable.py`); here are the values.  The first half knows
them by patterns, the second half are the products, quotients and logarithms of `ir/stable_forms.py`, in any order.
No rule here is exact; each gives the value of exact arithmetic where the literal form loses it.  None asks what else
a value is used for, and none takes a factor away that can be nan: nan stays nan.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gradc.ir import build, dtypes, ops
from gradc.ir.exponentials import SEEDING
from gradc.ir.facts import FOLDING, PRODUCTS, REORDERING
from gradc.ir.program import Var
from gradc.ir.stable_forms import Forms
from gradc.ir.types import TensorType
from gradc.passes.pattern import Args, On, Rule, Sample, r, result_type, scalar, var

if TYPE_CHECKING:
    from gradc.passes.rewrite import Rewriter

x = var("x")
c = scalar("c")

_LIMIT = "the literal form over- or underflows where this does not"
_CANCEL = "the literal form cancels; this keeps full relative precision"


def _positive_constant(b: Rewriter, c: Any, **rest: Any) -> bool:
    return bool(c.data > 0)


def _positive_but_half(b: Rewriter, c: Any, **rest: Any) -> bool:
    return bool(c.data > 0 and c.data != 0.5)       # of half of it there is a function: ndtr


EXPRESSIONS = (
    Rule("log_one_plus", r.log(1 + x), r.log1p(x), exact=False, why=_CANCEL),
    Rule("log_one_minus", r.log(1 - x), r.log1p(-x), exact=False, why=_CANCEL),
    Rule("exp_minus_one", r.exp(x) - 1, r.expm1(x), exact=False, why=_CANCEL),
    Rule("minus_one_plus_exp", -1 + r.exp(x), r.expm1(x), exact=False, why=_CANCEL),
    Rule("one_minus_exp", 1 - r.exp(x), -r.expm1(x), exact=False, why=_CANCEL),
    Rule("one_minus_two_sigmoids", 1 - 2 * r.sigmoid(x), -r.tanh(0.5 * x), exact=False, why=_CANCEL),
    Rule("log1p_of_exp", r.log1p(r.exp(x)), r.softplus(x), exact=False, why=_LIMIT),
    Rule("log1p_of_neg_exp", r.log1p(-r.exp(x)), r.log1mexp(x), exact=False,
         why="Machler, Accurately Computing log(1-exp(-|a|)), Rmpfr vignette; the literal form cancels near 0"),
    Rule("log_of_neg_expm1", r.log(-r.expm1(x)), r.log1mexp(x), exact=False,
         why="Machler, Accurately Computing log(1-exp(-|a|)); the literal form loses exp(x) below 1e-16"),
    Rule("log_of_expm1", r.log(r.expm1(x)), x + r.log1mexp(-x), exact=False, why=_LIMIT),
    Rule("log_of_exp_minus_constant", r.log(r.exp(x) - c), x + r.log1mexp(r.log(c) - x), when=_positive_constant,
         exact=False, why=_LIMIT),
    Rule("log_of_exp", r.log(r.exp(x)), x, exact=False, why=_LIMIT),
    Rule("log_of_sigmoid", r.log(r.sigmoid(x)), -r.softplus(-x), exact=False, why=_LIMIT),
    Rule("one_minus_sigmoid", 1 - r.sigmoid(x), r.sigmoid(-x), exact=False, why=_CANCEL),
    Rule("sigmoid_minus_one", r.sigmoid(x) - 1, -r.sigmoid(-x), exact=False, why=_CANCEL),
    Rule("minus_one_plus_sigmoid", -1 + r.sigmoid(x), -r.sigmoid(-x), exact=False, why=_CANCEL),
    Rule("one_minus_tanh", 1 - r.tanh(x), 2 * r.sigmoid(-2 * x), exact=False, why=_CANCEL),
    Rule("one_plus_tanh", 1 + r.tanh(x), 2 * r.sigmoid(2 * x), exact=False, why=_CANCEL),
    Rule("tanh_minus_one", r.tanh(x) - 1, -2 * r.sigmoid(-2 * x), exact=False, why=_CANCEL),
    Rule("minus_one_plus_tanh", -1 + r.tanh(x), -2 * r.sigmoid(-2 * x), exact=False, why=_CANCEL),
    Rule("log1p_of_neg_sigmoid", r.log1p(-r.sigmoid(x)), -r.softplus(x), exact=False, why=_LIMIT),
    Rule("one_minus_erf", 1 - r.erf(x), r.erfc(x), exact=False, why=_CANCEL),
    Rule("one_plus_erf", 1 + r.erf(x), r.erfc(-x), exact=False, why=_CANCEL),
    Rule("one_minus_erfc", 1 - r.erfc(x), r.erf(x), exact=False, why=_CANCEL),
    Rule("one_minus_ndtr", 1 - r.ndtr(x), r.ndtr(-x), exact=False, why=_CANCEL),
    Rule("erf_minus_one", r.erf(x) - 1, -r.erfc(x), exact=False, why=_CANCEL),
    Rule("erfc_minus_one", r.erfc(x) - 1, -r.erf(x), exact=False, why=_CANCEL),
    Rule("ndtr_minus_one", r.ndtr(x) - 1, -r.ndtr(-x), exact=False, why=_CANCEL),
    Rule("one_minus_half_erfc", 1 - 0.5 * r.erfc(x), 0.5 * r.erfc(-x), exact=False, why=_CANCEL),
    Rule("log_of_erfc", r.log(r.erfc(x)), r.log_erfc(x), exact=False, why=_LIMIT),
    Rule("log_of_constant_erfc", r.log(c * r.erfc(x)), r.log(c) + r.log_erfc(x), when=_positive_but_half, exact=False,
         why=_LIMIT),
    Rule("log1p_of_erf", r.log1p(r.erf(x)), r.log_erfc(-x), exact=False, ulps=100, why=_CANCEL),
    Rule("log1p_of_neg_erf", r.log1p(-r.erf(x)), r.log_erfc(x), exact=False, ulps=100, why=_CANCEL),
    Rule("one_plus_neg_sigmoid", 1 + (-r.sigmoid(x)), r.sigmoid(-x), exact=False, why=_CANCEL),
)


# What derivatives are made of, in canonical form as it is made: a gradient needs no second sweep for it.
DERIVATIVES = (
    Rule("one_minus_tanh_squared", 1 - r.square(r.tanh(x)), r.sech_squared(x), exact=False, why=_CANCEL),
)


class _Forms(Forms[Var]):
    """The forms of a Program that is being rewritten."""

    def __init__(self, b: Rewriter) -> None:
        super().__init__()
        self.b = b

    def made(self, v: Var) -> tuple[object, Sequence[Var]]:
        eqn = self.b.producer.get(v)
        return (None, ()) if eqn is None else (eqn.op, eqn.args)

    def number(self, v: Var) -> float | None:
        data = v.data
        return float(data) if data is not None and not data.ndim and data.dtype.kind in "fiu" else None

    def map(self, fn: str, *args: Var) -> Var:
        return self.b.map(fn, *args)

    def apply(self, op: ops.OpKind, *args: Var) -> Var:
        return self.b.apply(op, *args)

    def cast(self, v: Var, dtype: str) -> Var:
        return self.b.cast(v, dtype)

    def const(self, value: float) -> Var:
        return self.b.constant(value, self.dtype)


def _form(b: Rewriter, op: ops.Map, args: Args) -> Var | None:
    """Another form of `op(*args)`, or None."""
    forms: _Forms | None = b.memo.get("forms")
    if forms is None:
        forms = b.memo["forms"] = _Forms(b)
    if not any([forms.seed(a) for a in args]) or any([a.type.dtype not in dtypes.FLOATS for a in args]):
        return None
    forms.dtype = result_type(op, args).dtype       # floating, as all arguments are
    return forms.form(op.fn, args)


def _matrix(b: Rewriter) -> Var:
    return b.input(TensorType("float64", (None, 4)))


def _keep(b: Rewriter, v: Var) -> Var:
    return build.insert_axes(b, v, (1,), 2)


def _sample_logistic(b: Rewriter) -> Sample:
    v, g = _matrix(b), _matrix(b)
    e = b.map("exp", b.map("neg", v))
    p = b.map("add", b.constant(1.0, "float64"), e)
    up = b.map("exp", v)
    q = b.map("add", b.constant(1.0, "float64"), up)
    square = b.map("mul", p, p)
    return (b.map("true_divide", g, p), b.map("true_divide", up, q), b.map("mul", b.map("true_divide", g, q), up),
            b.map("mul", b.map("true_divide", g, square), e),
            b.map("mul", e, b.map("true_divide", b.map("neg", g), square)))


def _sample_softmax(b: Rewriter) -> Sample:
    v, g = _matrix(b), _matrix(b)
    e = b.map("exp", v)
    s = build.fold(b, "add", e, (1,))
    p = b.map("true_divide", e, _keep(b, s))
    gs = build.take(b, g, 0, 1)
    total = build.fold(b, "add", e, (0, 1))
    return (p, b.map("mul", _keep(b, b.map("true_divide", gs, s)), e), b.map("true_divide", e, total),
            b.map("mul", b.map("true_divide", b.map("true_divide", g, p), _keep(b, s)), e))


def _sample_log(b: Rewriter) -> Sample:
    v = _matrix(b)
    e = b.map("exp", v)
    s = build.fold(b, "add", e, (1,))
    sig = b.map("sigmoid", v)
    return (b.map("log", b.map("true_divide", e, _keep(b, s))), b.map("log", b.map("square", sig)),
            b.map("log", b.map("true_divide", b.constant(1.0, "float64"), b.map("add", b.constant(1.0, "float64"), e))))


def _sample_log_of_sum(b: Rewriter) -> Sample:
    v, w = _matrix(b), _matrix(b)
    d, e = b.map("exp", v), b.map("exp", w)
    two = b.constant(2.0, "float64")
    s = build.fold(b, "add", e, (1,))
    return (b.map("log", b.map("add", d, e)), b.map("log", b.map("add", two, b.map("add", d, e))),
            b.map("log1p", b.map("add", d, e)), b.map("log1p", s), b.map("log", b.map("add", two, d)))


def _sample_log_of_difference(b: Rewriter) -> Sample:
    v, w = _matrix(b), _matrix(b)
    return b.map("log", b.map("sub", b.map("exp", b.map("abs", v)), b.map("exp", b.map("neg", b.map("square", w)))))


def _sample_sums(b: Rewriter) -> Sample:
    v = _matrix(b)
    e, f = b.map("exp", v), b.map("exp", b.map("mul", b.constant(2.0, "float64"), v))
    root = b.map("mul", b.constant(0.7071067811865476, "float64"), v)
    half = b.map("mul", b.constant(-0.5, "float64"), b.map("square", v))
    return (b.map("true_divide", e, b.map("add", e, f)), b.map("true_divide", f, b.map("add", e, f)),
            b.map("true_divide", b.map("sub", f, e), b.map("add", f, e)),
            b.map("true_divide", b.map("exp", half), b.map("erfc", root)),
            b.map("true_divide", b.map("sinh", v), b.map("cosh", v)))


def _sample_remainders(b: Rewriter) -> Sample:
    v, g = _matrix(b), _matrix(b)
    e = b.map("exp", v)
    p = b.map("true_divide", e, _keep(b, build.fold(b, "add", e, (1,))))
    mean = _keep(b, build.fold(b, "add", b.map("mul", g, p), (1,)))
    total = _keep(b, build.fold(b, "add", g, (1,)))
    return b.map("sub", g, mean), b.map("sub", g, b.map("mul", p, total)), b.map("add", b.map("neg", mean), g)


def _sample_logsumexp(b: Rewriter) -> Sample:
    v = _matrix(b)
    e = b.map("exp", v)
    return (b.map("log", build.fold(b, "add", e, (1,))), b.map("log", build.fold(b, "add", e, (0, 1))),
            b.map("log", _keep(b, build.fold(b, "add", e, (1,)))))


_GRADIENT = "exp(u) is positive: where the literal quotient is inf/inf or 0/0, exact arithmetic gives this"
_EMPTY = _LIMIT + "; a maximum of nothing is an error where the sum of nothing was 0"

_PROJECTION = "the literal form cancels where a weight is near 1 (ir/weighted.py)"

_FACTORS = tuple(sorted(SEEDING - {"tanh"}))     # 1 - tanh(u) is a sigmoid here
_PRODUCT = (*_FACTORS, "mul", "true_divide", "neg", "square", "reciprocal", "add", "sub", *FOLDING, *REORDERING)

FORMS = (
    Rule("log_of_exponentials", On(("log", "log1p"), first=_PRODUCT, needs=_FACTORS), _form, exact=False,
         why=_EMPTY, sample=(_sample_log, _sample_log_of_sum, _sample_log_of_difference, _sample_logsumexp), ulps=64),
    Rule("weighted_mean_taken_off",
         On(("add", "sub"), some=(*REORDERING, *FOLDING, *PRODUCTS, "mul", "true_divide", "neg"),
            needs=("exp",)),
         _form, exact=False, why=_PROJECTION, sample=_sample_remainders, ulps=1000),
    Rule("positive_factors", On(("mul", "true_divide", "reciprocal"), some=_PRODUCT, needs=_FACTORS), _form,
         exact=False, why=_GRADIENT, sample=(_sample_logistic, _sample_softmax, _sample_sums), ulps=64),
)

RULES = EXPRESSIONS + FORMS
