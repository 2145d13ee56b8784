"""Rules that replace a form which overflows, underflows or cancels by one that does not.

Derivatives are made of such forms to begin with (`autodiff/stable.py`); here are the values.  The first half knows
them by patterns, the second half products and quotients in any order: `factors` collects from a product what is
mathematically positive,

    E(u) = exp(u)      P(u) = 1 + exp(u)      S(u) = sum of exp(u) along axes, put back in place

and rules combine them as the algebra of these three allows, where the literal product is inf/inf or 0/0:

    P(u)^-1 = sigmoid(-u)    E(u) sigmoid(-u) = sigmoid(u)    E(u) / S(u) = softmax(u)

No rule here is exact; each gives the value of exact arithmetic where the literal form loses it.  None asks what else
a value is used for, and none takes a factor away that can be nan: nan stays nan.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradc.ir import dtypes, ops
from gradc.ir.program import Var, tensor, value
from gradc.ir.types import TensorType
from gradc.passes.pattern import Args, On, Rule, Sample, r, result_type, scalar, var

if TYPE_CHECKING:
    from gradc.passes.rewrite import Rewriter

x = var("x")
c = scalar("c")

_LIMIT = "the literal form over- or underflows where this does not"
_CANCEL = "the literal form cancels; this keeps full relative precision"



def _positive_constant(b: Rewriter, c: Var, **rest: Any) -> bool:
    return bool(value(c) > 0)


EXPRESSIONS = (
    Rule("log_one_plus", r.log(1 + x), r.log1p(x), exact=False, why=_CANCEL),
    Rule("log_one_minus", r.log(1 - x), r.log1p(-x), exact=False, why=_CANCEL),
    Rule("exp_minus_one", r.exp(x) - 1, r.expm1(x), exact=False, why=_CANCEL),
    Rule("minus_one_plus_exp", -1 + r.exp(x), r.expm1(x), exact=False, why=_CANCEL),
    Rule("one_minus_exp", 1 - r.exp(x), -r.expm1(x), exact=False, why=_CANCEL),
    Rule("one_minus_two_sigmoids", 1 - 2 * r.sigmoid(x), -r.tanh(0.5 * x), exact=False, why=_CANCEL),
    Rule("one_minus_tanh_squared", 1 - r.square(r.tanh(x)), r.sech_squared(x), exact=False, why=_CANCEL),
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
    Rule("log1p_of_neg_sigmoid", r.log1p(-r.sigmoid(x)), -r.softplus(x), exact=False, why=_LIMIT),
    Rule("one_minus_erf", 1 - r.erf(x), r.erfc(x), exact=False, why=_CANCEL),
    Rule("one_plus_erf", 1 + r.erf(x), r.erfc(-x), exact=False, why=_CANCEL),
    Rule("one_minus_half_erfc", 1 - 0.5 * r.erfc(x), 0.5 * r.erfc(-x), exact=False, why=_CANCEL),
    Rule("log_of_erfc", r.log(r.erfc(x)), r.log_erfc(x), exact=False, why=_LIMIT),
    Rule("log_of_constant_erfc", r.log(c * r.erfc(x)), r.log(c) + r.log_erfc(x), when=_positive_constant, exact=False,
         why=_LIMIT),
    Rule("log1p_of_erf", r.log1p(r.erf(x)), r.log_erfc(-x), exact=False, ulps=100, why=_CANCEL),
    Rule("log1p_of_neg_erf", r.log1p(-r.erf(x)), r.log_erfc(x), exact=False, ulps=100, why=_CANCEL),
    Rule("one_plus_neg_sigmoid", 1 + (-r.sigmoid(x)), r.sigmoid(-x), exact=False, why=_CANCEL),
)


# ---------------------------------------------------------------------------------- factors of a product
# A factor is (letter, Var u, extra) with a power; extra is (axes, perm) for S.

Factor = tuple[Any, ...]
Powers = dict[Factor, int]

_DEPTH = 6          # how far into a product to look
_MOST = 6           # how many factors to handle
_MOST_TERMS = 8     # and how many terms of a sum whose log is taken


def opposite(b: Rewriter, u: Var) -> Var | None:
    """The Var that is -u, if there is one already."""
    eqn = b.eqn(u, "neg")
    if eqn is not None:
        return eqn.args[0]
    eqn = b._interned.get(("neg", u.number))
    return None if eqn is None else eqn.outs[0]


def _is_one(v: Var) -> bool:
    return v.data is not None and not v.data.ndim and bool(v.data == 1)


def _aligned(axes: tuple[int, ...], perm: tuple[int, ...] | None, ndim: int) -> bool:
    """Does the sum along `axes`, transposed by `perm`, broadcast against what was summed?"""
    kept = [k for k in range(ndim) if k not in axes]
    perm = tuple(range(len(kept))) if perm is None else perm
    full = (-1,) * (ndim - len(perm)) + perm
    return full == tuple(kept.index(k) if k in kept else -1 for k in range(ndim))


def atom(b: Rewriter, v: Var) -> tuple[Factor, int] | None:
    """v as one of the positive factors, with its power."""
    eqn = b.producer.get(v)
    if eqn is None or v.type.dtype not in dtypes.FLOATS:
        return None
    kind = b.kinds[v.number]
    if kind == "exp":
        return ("E", eqn.args[0]), 1
    if kind == "add":
        first, second = eqn.args
        if _is_one(first) and b.kinds[second.number] == "exp" and second.type == v.type:
            return ("P", b.producer[second].args[0]), 1
    elif kind is ops.Reduce:
        if eqn.op.fn == "add" and b.kinds[eqn.args[0].number] == "exp":
            u = b.producer[eqn.args[0]].args[0]
            if u.type.dtype == v.type.dtype:
                return ("S", u, eqn.op.axes, None), 1
    elif kind is ops.Transpose:
        inner = b.eqn(eqn.args[0], ops.Reduce)
        if inner is not None:
            found = atom(b, eqn.args[0])
            if found is not None:
                return ("S", found[0][1], found[0][2], eqn.op.perm), 1
    return None


def factors(b: Rewriter, v: Var, depth: int = _DEPTH) -> Powers:
    """The positive factors of v and their powers; empty if v has none."""
    kind = b.kinds[v.number]
    if kind not in _PRODUCT or not depth:
        return _NONE
    memo = b.memo
    found: Powers | None = memo.get(v.number)
    if found is None:
        found = memo[v.number] = _factors(b, v, kind, depth)
    return found


_NONE: Powers = {}


def _factors(b: Rewriter, v: Var, kind: Any, depth: int) -> Powers:
    if kind == "sigmoid":               # sigmoid(x) = 1 / P(-x)
        return {("Q", b.producer[v].args[0]): 1}
    single = atom(b, v)
    if single is not None:
        return {single[0]: single[1]}
    args = b.producer[v].args
    match kind:
        case "mul" | "true_divide":
            left, right = factors(b, args[0], depth - 1), factors(b, args[1], depth - 1)
            if not right:
                return left
            sign = 1 if kind == "mul" else -1
            result = dict(left)
            for key, p in right.items():
                result[key] = result.get(key, 0) + sign * p
                if not result[key]:
                    del result[key]
            return result if len(result) <= _MOST else _NONE
        case "neg":
            return factors(b, args[0], depth - 1)
        case "square":
            return {key: 2 * p for key, p in factors(b, args[0], depth - 1).items()}
        case ops.Transpose:
            perm = b.producer[v].op.perm
            if -1 in perm and b.kinds[args[0].number] in ("mul", "true_divide", "neg", "square"):
                return {("S", key[1], key[2], _compose(key[3], perm)): p
                        for key, p in factors(b, args[0], depth - 1).items() if key[0] == "S"}
    return _NONE


_PRODUCT = {"exp", "add", "mul", "true_divide", "neg", "square", "sigmoid", ops.Reduce, ops.Transpose}


def _compose(inner: tuple[int, ...] | None, outer: tuple[int, ...]) -> tuple[int, ...]:
    return outer if inner is None else tuple(-1 if p < 0 else inner[p] for p in outer)


def strip(b: Rewriter, v: Var, remove: Powers, power: int = 1, depth: int = _DEPTH) -> Var | None:
    """v without the factors in `remove` (which is counted down); None stands for 1."""
    if not remove or not depth:
        return v
    kind = b.kinds[v.number]
    if kind not in _PRODUCT:
        return v
    found = (("Q", b.producer[v].args[0]), 1) if kind == "sigmoid" else atom(b, v)
    if found is not None:
        key, p = found[0], found[1] * power
        wanted = remove.get(key, 0)
        if wanted and (wanted > 0) == (p > 0) and abs(wanted) >= abs(p):
            if wanted == p:
                del remove[key]
            else:
                remove[key] = wanted - p
            return None
        return v
    eqn = b.producer[v]
    match kind:
        case "mul":
            left, right = [strip(b, a, remove, power, depth - 1) for a in eqn.args]
            if left is eqn.args[0] and right is eqn.args[1]:
                return v
            return left if right is None else right if left is None else b.map("mul", left, right)
        case "true_divide":
            top = strip(b, eqn.args[0], remove, power, depth - 1)
            bottom = strip(b, eqn.args[1], remove, -power, depth - 1)
            if top is eqn.args[0] and bottom is eqn.args[1]:
                return v
            if bottom is None:
                return top
            return b.map("true_divide", b.like(1, v) if top is None else top, bottom)
        case "neg":
            inner = strip(b, eqn.args[0], remove, power, depth - 1)
            return v if inner is eqn.args[0] else b.like(-1, v) if inner is None else b.map("neg", inner)
        case "square":
            found = atom(b, eqn.args[0])
            if found is None and b.kinds[eqn.args[0].number] == "sigmoid":
                found = (("Q", b.producer[eqn.args[0]].args[0]), 1)
            if found is None:
                return v
            key, p = found[0], power
            left_count = remove.get(key, 0) * (1 if p > 0 else -1)
            if left_count >= 2:
                remove[key] -= 2 * p
                if not remove[key]:
                    del remove[key]
                return None
            if left_count == 1:
                del remove[key]
                return eqn.args[0]
            return v
        case ops.Transpose:
            perm = eqn.op.perm
            inside: Powers = {}
            lifted: dict[Factor, Factor] = {}
            for key in factors(b, eqn.args[0], depth - 1):
                if key[0] == "S":
                    outer = ("S", key[1], key[2], _compose(key[3], perm))
                    if outer in remove:
                        inside[key] = remove.pop(outer)
                        lifted[key] = outer
            if not inside:
                return v
            inner = strip(b, eqn.args[0], inside, power, depth - 1)
            for key, p in inside.items():
                remove[lifted[key]] = p
            if inner is None or inner is eqn.args[0]:
                return None if inner is None else v
            gone = tensor(eqn.args[0]).ndim - tensor(inner).ndim    # leading axes that the factor alone had
            if tensor(inner).ndim == 0:
                return inner
            return b.apply(ops.Transpose(tuple(p - gone if p >= gone else -1 for p in perm)), inner)
    return v


def shifted(b: Rewriter, u: Var) -> bool:
    """Is u of the form w - max(w), so that exp(u) can't overflow?"""
    eqn = b.eqn(u, "sub")
    if eqn is None:
        return False
    v = eqn.args[1]
    for _ in range(4):
        inner = b.producer.get(v)
        if inner is None:
            return False
        if type(inner.op) is ops.Reduce:
            return inner.op.fn == "maximum"
        if b.kinds[v.number] == "switch":
            v = inner.args[2]
        elif type(inner.op) in (ops.Transpose, ops.Broadcast):
            v = inner.args[0]
        else:
            return False
    return False


def shift(b: Rewriter, u: Var, axes: tuple[int, ...]) -> tuple[Var, Var]:
    """(m, u - m in place) with m the maximum along `axes`, 0 where that is infinite (so that inf - inf is avoided)."""
    top = b.apply(ops.Reduce("maximum", axes), u)
    m = b.map("switch", b.map("isinf", top), b.like(0.0, u), top)
    ndim = u.type.ndim
    kept = [k for k in range(ndim) if k not in axes]
    perm = tuple(kept.index(k) if k in kept else -1 for k in range(ndim))
    return m, b.map("sub", u, b.apply(ops.Transpose(perm), m))


def never_empty(b: Rewriter, u: Var, axes: tuple[int, ...]) -> bool:
    """A maximum needs an element: a size along `axes` that is known to be 0 keeps the literal form."""
    return all(s != 0 for s in (u.type.shape[k] for k in axes))


# ---------------------------------------------------------------------------------- rules on products


def _combine(b: Rewriter, powers: Powers) -> tuple[Powers, Powers, list[tuple[Any, ...]]] | None:
    """(factors to take out, factors to put in, softmaxes (u, axes, perm, power) to put in), or None."""
    out: Powers = {}
    into: Powers = {}
    soft: list[tuple[Any, ...]] = []
    powers = dict(powers)

    def take(key: Factor, p: int) -> None:
        out[key] = out.get(key, 0) + p
        powers[key] -= p
        if not powers[key]:
            del powers[key]

    for key in list(powers):                # 1 / (1 + exp(u)) = sigmoid(-u) =: Q(-u); any negative power of P
        if key[0] == "P" and powers.get(key, 0) < 0:
            p = powers[key]
            take(key, p)
            q = ("Q-", key[1])
            into[q] = into.get(q, 0) - p
    for key in list(powers):                # exp(u) sigmoid(-u) = sigmoid(u)
        if key[0] != "E":
            continue
        u, n = key[1], powers.get(key, 0)
        minus = opposite(b, u)
        while n:
            if n > 0 and into.get(("Q-", u), 0) > 0:
                _move(into, ("Q-", u), ("Q", u))
            elif n > 0 and minus is not None and powers.get(("Q", minus), 0) > 0:
                take(("Q", minus), 1)
                into[("Q", u)] = into.get(("Q", u), 0) + 1
            elif n < 0 and minus is not None and into.get(("Q-", minus), 0) > 0:   # sigmoid(u) / exp(u)
                _move(into, ("Q-", minus), ("Q", minus))
            elif n < 0 and powers.get(("Q", u), 0) > 0:
                take(("Q", u), 1)
                into[("Q-", u)] = into.get(("Q-", u), 0) + 1
            else:
                break
            step = 1 if n > 0 else -1
            take(key, step)
            n -= step
    for key in list(powers):                # exp(u) / sum(exp(u))
        if key[0] == "S" and powers.get(key, 0) < 0:
            u = key[1]
            e = powers.get(("E", u), 0)
            if e > 0 and not shifted(b, u) and _aligned(key[2], key[3], u.type.ndim) and never_empty(b, u, key[2]):
                p = min(e, -powers[key])
                take(("E", u), p)
                take(key, -p)
                soft.append((u, key[2], key[3], p))
    return (out, into, soft) if out else None


def _move(into: Powers, old: Factor, new: Factor) -> None:
    into[old] -= 1
    if not into[old]:
        del into[old]
    into[new] = into.get(new, 0) + 1


def _sigmoid(b: Rewriter, key: Factor) -> Var:
    u = key[1]
    return b.map("sigmoid", u if key[0] == "Q" else b.map("neg", u))


def _power(b: Rewriter, v: Var, p: int) -> Var:
    result = v
    for _ in range(p - 1):
        result = b.map("square", v) if result is v else b.map("mul", result, v)
    return result


def softmax(b: Rewriter, u: Var, axes: tuple[int, ...]) -> Var:
    """exp(u - m) / sum(exp(u - m)) along `axes`."""
    _, w = shift(b, u, axes)
    e = b.map("exp", w)
    ndim = u.type.ndim
    kept = [k for k in range(ndim) if k not in axes]
    perm = tuple(kept.index(k) if k in kept else -1 for k in range(ndim))
    return b.map("true_divide", e, b.apply(ops.Transpose(perm), b.apply(ops.Reduce("add", axes), e)))


def _sides(b: Rewriter, op: ops.Map, args: Args) -> tuple[Powers, Powers]:
    left, right = factors(b, args[0]), factors(b, args[1])
    return left, right if op.fn == "mul" else {k: -p for k, p in right.items()}


def _promising(left: Powers, right: Powers) -> bool:
    """A quick look: sigmoids alone do not combine."""
    return any([key[0] != "Q" for key in left]) or any([key[0] != "Q" for key in right])


def _product(b: Rewriter, op: ops.Map, args: Args) -> Var | None:
    """Combine the positive factors of a product or quotient."""
    left, right = _sides(b, op, args)
    if not _promising(left, right):
        return None
    powers = dict(left)
    for key, p in right.items():
        powers[key] = powers.get(key, 0) + p
        if not powers[key]:
            del powers[key]
    combined = _combine(b, powers)
    if combined is None:
        return None
    want = result_type(op, args)
    if any(a.type.dtype != want.dtype for a in args):
        return None
    out, into, soft = combined
    sides = []
    for own, v, sign in ((left, args[0], 1), (right, args[1], 1 if op.fn == "mul" else -1)):
        remove: Powers = {}
        for key, p in own.items():
            taken = out.get(key, 0)
            if taken and (taken > 0) == (p > 0):
                n = min(abs(taken), abs(p)) * (1 if p > 0 else -1)
                out[key] = taken - n
                remove[key] = n * sign
        stripped = strip(b, v, remove, 1) if remove else v
        if remove:
            return None                     # too deep to take out
        sides.append(stripped)
    parts: list[Var] = []
    for u, axes, _, p in soft:
        parts.append(_power(b, softmax(b, u, axes), p))
    for key, p in into.items():
        parts.append(_power(b, _sigmoid(b, key), p))
    top, bottom = sides
    if op.fn == "mul":
        kept = [v for v in sides if v is not None]
        result = kept[0] if len(kept) == 1 else b.map("mul", *kept) if kept else None
    elif bottom is None:
        result = top
    else:
        result = b.map("true_divide", b.like(1, args[0]) if top is None else top, bottom)
    product = parts[0]
    for part in parts[1:]:
        product = b.map("mul", product, part)
    return product if result is None or _is_one(result) else b.map("mul", result, product)


def _positive(b: Rewriter, v: Var) -> bool:
    """Is v a positive number, or made of sizes?"""
    if v.data is not None:
        return not v.data.ndim and bool(v.data > 0)
    eqn = b.producer.get(v)
    return eqn is not None and (type(eqn.op) is ops.ShapeOf or ((type(eqn.op) is ops.Cast or b.kinds[v.number] in (
        "mul", "true_divide")) and all([_positive(b, a) for a in eqn.args])))


def _log_of_product(b: Rewriter, op: ops.Map, args: Args) -> Var | None:
    """log of a product of positive factors -> the sum of their logs, e.g. log(softmax(x)), log(mean(exp(x)))."""
    v = args[0]
    powers = factors(b, v)
    if not powers:
        return None
    remove = dict(powers)
    rest = strip(b, v, remove, 1)
    if remove or (rest is not None and not _positive(b, rest)):
        return None
    result: Var | None = None if rest is None else b.cast(b.map("log", rest), v.type.dtype)
    for key, p in powers.items():
        match key[0]:
            case "E":
                term = key[1]
            case "P":
                term = b.map("softplus", key[1])
            case "Q":
                term, p = b.map("softplus", b.map("neg", key[1])), -p
            case _:
                s = b.apply(ops.Reduce("add", key[2]), b.map("exp", key[1]))
                term = b.map("log", s)
                if key[3] is not None:
                    term = b.apply(ops.Transpose(key[3]), term)
        if abs(p) != 1:
            term = b.map("mul", b.like(abs(p), v), term)
        if result is None:
            result = b.map("neg", term) if p < 0 else term
        else:
            result = b.map("sub" if p < 0 else "add", result, term)
    return result


def _exponents(b: Rewriter, v: Var) -> list[Var] | None:
    """The logs of the terms of a sum of exponentials and positive constants, constants last; None if it is none."""
    logs: list[Var] = []
    numbers: list[Var] = []
    work = [v]
    while work:
        u = work.pop()
        kind = b.kinds[u.number]
        if kind == "add" and len(work) + len(logs) < _MOST_TERMS and u.type == v.type:
            work += b.producer[u].args[::-1]
        elif kind == "exp":
            logs.append(b.producer[u].args[0])
        elif kind is ops.Reduce or kind is ops.Transpose:
            found = atom(b, u)
            if found is None or not never_empty(b, found[0][1], found[0][2]):
                return None
            logs.append(b.map("log", u))
        elif u.data is not None and not u.data.ndim and u.data > 0:
            numbers.append(u)
        else:
            return None
    return logs + [b.map("log", u) for u in numbers] if logs else None


def _log_of_sum(b: Rewriter, op: ops.Map, args: Args) -> Var | None:
    """log(exp(x) + exp(y) + 2) -> logaddexp(logaddexp(x, y), log 2); log1p of such a sum -> softplus of its log."""
    logs = _exponents(b, args[0])
    if logs is None or any([tensor(u).dtype != args[0].type.dtype for u in logs]):
        return None
    total = logs[0]
    for u in logs[1:]:
        total = b.map("logaddexp", total, u)
    return total if op.fn == "log" else b.map("softplus", total)


def _log_of_difference(b: Rewriter, op: ops.Map, args: Args) -> Var | None:
    """log(exp(x) - exp(y)) -> x + log1mexp(y - x)."""
    first, second = [b.eqn(a, "exp") for a in b.producer[args[0]].args]
    if first is None or second is None or first.out.type.dtype != second.out.type.dtype:
        return None
    x, y = first.args[0], second.args[0]
    same = b.map("and_", b.map("isinf", x), b.map("eq", x, y))      # inf - inf is nan
    return b.map("add", x, b.map("log1mexp", b.map("switch", same, b.like(0, x), b.map("sub", y, x))))


def _log_sum_exp(b: Rewriter, op: ops.Map, args: Args) -> Var | None:
    """log(sum(exp(u))) -> m + log(sum(exp(u - m)))."""
    found = atom(b, args[0])
    if found is None or found[0][0] != "S":
        return None
    u, axes = found[0][1], found[0][2]
    if shifted(b, u) or not never_empty(b, u, axes) or not axes:
        return None
    if found[0][3] is not None:
        inner = b.producer[args[0]].args[0]
        return b.apply(ops.Transpose(found[0][3]), b.map("log", inner))
    m, w = shift(b, u, axes)
    return b.map("add", m, b.map("log", b.apply(ops.Reduce("add", axes), b.map("exp", w))))


def _matrix(b: Rewriter) -> Var:
    return b.input(TensorType("float64", (None, 4)))


def _keep(b: Rewriter, v: Var) -> Var:
    return b.apply(ops.Transpose((0, -1)), v)


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
    s = b.apply(ops.Reduce("add", (1,)), e)
    p = b.map("true_divide", e, _keep(b, s))
    gs = b.apply(ops.Slice((ops.Item(), ops.Item(at=0))), g)
    total = b.apply(ops.Reduce("add", (0, 1)), e)
    return (p, b.map("mul", _keep(b, b.map("true_divide", gs, s)), e), b.map("true_divide", e, total),
            b.map("mul", b.map("true_divide", b.map("true_divide", g, p), _keep(b, s)), e))


def _sample_log(b: Rewriter) -> Sample:
    v = _matrix(b)
    e = b.map("exp", v)
    s = b.apply(ops.Reduce("add", (1,)), e)
    sig = b.map("sigmoid", v)
    return (b.map("log", b.map("true_divide", e, _keep(b, s))), b.map("log", b.map("square", sig)),
            b.map("log", b.map("true_divide", b.constant(1.0, "float64"), b.map("add", b.constant(1.0, "float64"), e))))


def _sample_log_of_sum(b: Rewriter) -> Sample:
    v, w = _matrix(b), _matrix(b)
    d, e = b.map("exp", v), b.map("exp", w)
    two = b.constant(2.0, "float64")
    s = b.apply(ops.Reduce("add", (1,)), e)
    return (b.map("log", b.map("add", d, e)), b.map("log", b.map("add", two, b.map("add", d, e))),
            b.map("log1p", b.map("add", d, e)), b.map("log1p", s), b.map("log", b.map("add", two, d)))


def _sample_log_of_difference(b: Rewriter) -> Sample:
    v, w = _matrix(b), _matrix(b)
    return b.map("log", b.map("sub", b.map("exp", b.map("abs", v)), b.map("exp", b.map("neg", b.map("square", w)))))


def _sample_logsumexp(b: Rewriter) -> Sample:
    v = _matrix(b)
    e = b.map("exp", v)
    return (b.map("log", b.apply(ops.Reduce("add", (1,)), e)), b.map("log", b.apply(ops.Reduce("add", (0, 1)), e)),
            b.map("log", _keep(b, b.apply(ops.Reduce("add", (1,)), e))))


_GRADIENT = "exp(u) is positive: where the literal quotient is inf/inf or 0/0, exact arithmetic gives this"
_EMPTY = _LIMIT + "; a maximum of nothing is an error where the sum of nothing was 0"

_POSITIVE = ("exp", "sigmoid")

PRODUCTS = (
    Rule("log_sum_exp", On(("log",), first=(ops.Reduce, ops.Transpose), needs=("exp",)), _log_sum_exp,
         exact=False, why=_EMPTY, sample=_sample_logsumexp, ulps=64),
    Rule("log_of_sum", On(("log", "log1p"), first=("add", ops.Reduce, ops.Transpose), needs=("exp",)), _log_of_sum,
         exact=False, why=_EMPTY, sample=_sample_log_of_sum, ulps=64),
    Rule("log_of_difference", On(("log",), first=("sub",), needs=("exp",)), _log_of_difference,
         exact=False, why=_LIMIT, sample=_sample_log_of_difference, ulps=64),
    Rule("log_of_product", On(("log",), first=("mul", "true_divide", "square", "add", "sigmoid"), needs=_POSITIVE),
         _log_of_product, exact=False, why=_LIMIT, sample=_sample_log, ulps=64),
    Rule("positive_factors", On(("mul", "true_divide"), some=tuple(_PRODUCT), needs=_POSITIVE), _product,
         exact=False, why=_GRADIENT, sample=(_sample_logistic, _sample_softmax), ulps=64),
)

RULES = EXPRESSIONS + PRODUCTS
