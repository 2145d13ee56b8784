"""Expressions of exponentials that are differentiated by a form of equal value that neither overflows nor cancels.

The literal derivative of exp(x) / (1 + exp(x)) is a sum of quotients that are inf/inf at 1000 and cancel at 30: no
later simplification of it can be relied on.  So the two passes ask here, for each node, for another form of it:

    exp(x) / sum(exp(x))                softmax, with the largest element subtracted
    exp(x) / (1 + exp(x)), a / (1 + exp(x))**2, ...                    products of sigmoids
    log of products of these, of sums and differences of exponentials  logsumexp, softplus, logaddexp, log1mexp
    log of erfc, of 1 - erf, 1 + erf    log_erfc

A form is made of the variables that the node is made of, whatever else they are used for, and its derivative is that
of the rows it is made of.  The node's value stays what it is; `passes.stabilize` gives values the same forms.

A node is taken apart into powers of factors that are positive: E(x) = exp(x), P(x) = 1 + exp(x),
Q(x) = sigmoid(x) = 1 / P(-x), S(x) = the sum of exp(x) along axes, put back in place, C(x) = erfc(x), and constants.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

from gradc.autodiff.symbolic import Symbolic
from gradc.ir import dtypes, ops
from gradc.ir.graph import Apply, Constant, Variable, toposort

ROOTS = frozenset({"true_divide", "mul", "reciprocal", "pow", "log", "log1p"})
_DEPTH = 8          # how far into an expression to look
_MOST_TERMS = 8     # of a sum whose log is taken
_POWER = 4          # largest power of a factor

Key = tuple[Any, ...]


class Product:
    """sign * (powers of positive factors) * (powers of other variables)."""

    def __init__(self, sign: int = 1, factors: dict[Key, int] | None = None,
                 rest: list[tuple[Variable, int]] | None = None) -> None:
        self.sign = sign
        self.factors = {} if factors is None else factors
        self.rest = [] if rest is None else rest


def _add(powers: dict[Key, int], key: Key, power: int) -> None:
    total = powers.get(key, 0) + power
    if total:
        powers[key] = total
    else:
        powers.pop(key, None)


class Forms:
    """Finds forms; `keep` are variables (by id) that are differentiated by, so that they may not be seen through."""

    def __init__(self, o: Symbolic, keep: Collection[int]) -> None:
        self.o: Any = o
        self.keep = keep
        self.seeds: dict[int, bool] = {}

    def form(self, node: Apply) -> Variable | None:
        """Another expression for the result of `node`, or None."""
        self.like = out = node.outputs[0]
        if out.type.dtype not in dtypes.FLOATS:
            return None
        fn = node.op.fn
        if not any([self.seed(x) for x in node.inputs]):
            return None
        if fn == "log":
            made = self.log(node.inputs[0], _DEPTH)
        elif fn == "log1p":
            made = self.log_of_sum([(1, self.o.const(1, out)), *self.terms(node.inputs[0])], _DEPTH)
        else:
            made = self.quotient(node)
        return made if made is not None and made.type == out.type else None

    # ------------------------------------------------------------------------------------------- looking

    def row(self, v: Variable) -> tuple[Any, list[Variable]]:
        """The row that makes v, and its arguments; op kinds that are no rows stand for themselves."""
        node = v.owner
        if node is None or id(v) in self.keep or v.type.dtype not in dtypes.FLOATS:
            return None, []
        kind = type(node.op)
        if kind is ops.Map:
            return node.op.fn, node.inputs
        return (kind if kind in (ops.Reduce, ops.Transpose) else None), node.inputs

    def seed(self, v: Variable) -> bool:
        """Does v hold one of the factors?  A quick look, each variable once."""
        work = [(v, _DEPTH)]
        seeds = self.seeds
        while work:
            u, depth = work[-1]
            if id(u) in seeds:
                work.pop()
                continue
            fn, args = self.row(u)
            if fn in _SEEDS:
                seeds[id(u)] = True
            elif fn not in _THROUGH or not depth:
                seeds[id(u)] = False
            else:
                unknown = [a for a in args if id(a) not in seeds]
                if unknown:
                    work.extend([(a, depth - 1) for a in unknown])
                    continue
                seeds[id(u)] = any([seeds[id(a)] for a in args])
            work.pop()
        return seeds[id(v)]

    def argument(self, u: Variable) -> tuple[Variable, int]:
        """(x, -1) for u = -x, else (u, 1)."""
        sign = 1
        while True:
            fn, args = self.row(u)
            if fn != "neg":
                return u, sign
            u, sign = args[0], -sign

    def product(self, v: Variable, depth: int = _DEPTH) -> Product:
        """v as a product."""
        result = Product()
        self._collect(result, v, 1, depth)
        return result

    def _collect(self, into: Product, v: Variable, power: int, depth: int) -> None:
        fn, args = self.row(v)
        key = self.factor(v, fn, args, depth)
        if key is not None:
            _add(into.factors, key, power)
            return
        if depth:
            match fn:
                case "mul" | "true_divide":
                    self._collect(into, args[0], power, depth - 1)
                    self._collect(into, args[1], power if fn == "mul" else -power, depth - 1)
                    return
                case "neg":
                    into.sign *= -1 if power % 2 else 1
                    self._collect(into, args[0], power, depth - 1)
                    return
                case "square":
                    self._collect(into, args[0], 2 * power, depth - 1)
                    return
                case "reciprocal":
                    self._collect(into, args[0], -power, depth - 1)
                    return
                case "pow":
                    n = _number(args[1])
                    if n is not None and n == int(n) and 0 < abs(n) <= _POWER:
                        self._collect(into, args[0], power * int(n), depth - 1)
                        return
        if _number(v) != 1:
            into.rest.append((v, power))

    def factor(self, v: Variable, fn: Any, args: list[Variable], depth: int) -> Key | None:
        """v as one positive factor."""
        match fn:
            case "exp":
                return ("E", *self.argument(args[0]))
            case "sigmoid":
                return ("Q", *self.argument(args[0]))
            case "erfc":
                return ("C", *self.argument(args[0]))
            case "add" | "sub":
                return self._sum(v, fn, args, depth)
            case ops.Reduce | ops.Transpose:
                return self._reduced(v)
        return None

    def _sum(self, v: Variable, fn: str, args: list[Variable], depth: int) -> Key | None:
        """1 + exp(x); 1 - sigmoid(x); 1 + erf(x), 1 - erf(x)."""
        for one, other in (args, args[::-1]) if fn == "add" else (args,):
            if _number(one) == 1 and other.type == v.type and depth:
                return self.one_plus(1 if fn == "add" else -1, other, depth)
        return None

    def one_plus(self, sign: int, v: Variable, depth: int) -> Key | None:
        """1 + sign v as one factor."""
        fn, args = self.row(v)
        while fn == "neg":
            sign, v = -sign, args[0]
            fn, args = self.row(v)
        if fn == "erf":
            x, s = self.argument(args[0])
            return "C", x, -s * sign
        if fn == "exp":
            return ("P", *self.argument(args[0])) if sign > 0 else None
        if sign < 0 and fn in ("sigmoid", "true_divide", "reciprocal", "pow"):
            p = self.product(v, depth - 1)
            p = self.merged(p) or p
            if p.sign > 0 and not p.rest and len(p.factors) == 1:
                (letter, x, s, *_), power = next(iter(p.factors.items()))
                if letter == "Q" and power == 1:
                    return "Q", x, -s
        return None

    def _reduced(self, v: Variable) -> Key | None:
        perm: tuple[int, ...] | None = None
        fn, args = self.row(v)
        while fn is ops.Transpose:
            outer: Any = v.owner.op.perm  # type: ignore[union-attr]
            perm = outer if perm is None else tuple(-1 if p < 0 else outer[p] for p in perm)
            v = args[0]
            fn, args = self.row(v)
        if fn is not ops.Reduce or v.owner.op.fn != "add":  # type: ignore[union-attr]
            return None
        inner, inner_args = self.row(args[0])
        if inner != "exp" or args[0].type.dtype != v.type.dtype:
            return None
        axes = v.owner.op.axes  # type: ignore[union-attr]
        if any(args[0].type.shape[k] == 0 for k in axes) or not axes:
            return None
        return ("S", *self.argument(inner_args[0]), axes, perm)

    # ------------------------------------------------------------------------------------------ algebra

    def merged(self, p: Product) -> Product | None:
        """p without powers of P below 0, and with exp(x) sigmoid(-x) as sigmoid(x); None if nothing changed."""
        factors = dict(p.factors)
        changed = False
        for key, power in p.factors.items():
            if key[0] == "P" and power < 0:             # 1 / P(x) = Q(-x)
                del factors[key]
                _add(factors, ("Q", key[1], -key[2]), -power)
                changed = True
        for key, power in p.factors.items():
            if key[0] != "E":
                continue
            x, s = key[1], key[2] if power > 0 else -key[2]         # exp(s x) to a positive power
            n = min(abs(power), factors.get(("Q", x, -s), 0))
            if n > 0:
                _add(factors, key, -n if power > 0 else n)
                _add(factors, ("Q", x, -s), -n)
                _add(factors, ("Q", x, s), n)
                changed = True
        for key, power in list(factors.items()):        # exp(u) / sum(exp(u))
            if key[0] == "S" and power < 0 and not self.shifted(key[1]):
                n = min(-power, factors.get(("E", key[1], key[2]), 0))
                if n > 0 and aligned(key[3], key[4], key[1].type.ndim):
                    _add(factors, key, n)
                    _add(factors, ("E", key[1], key[2]), -n)
                    _add(factors, ("softmax", *key[1:]), n)
                    changed = True
        return Product(p.sign, factors, p.rest) if changed else None

    def shifted(self, u: Variable) -> bool:
        """Is u of the form w - max(w), so that exp(u) can't overflow?"""
        fn, args = self.row(u)
        if fn != "sub":
            return False
        v = args[1]
        for _ in range(6):
            if v.owner is None:
                return False
            op = v.owner.op
            if type(op) is ops.Reduce:
                return op.fn == "maximum"
            if type(op) not in (ops.Transpose, ops.Broadcast, ops.GradientOf) and op != _SWITCH:
                return False
            v = v.owner.inputs[2 if op == _SWITCH else 0]
        return False

    # ------------------------------------------------------------------------------------------ building

    def quotient(self, node: Apply) -> Variable | None:
        """A product or quotient, where factors meet in it that are better taken together."""
        out = node.outputs[0]
        whole = self.product(out)
        if any(abs(n) > _POWER for n in whole.factors.values()):
            return None
        made = self.merged(whole)
        if made is None or made.factors == whole.factors:
            return None
        if node.op.fn == "mul":
            # what one side alone comes to is the affair of the nodes further up
            sides = [self.product(x) for x in node.inputs]
            parts = [p.factors if m is None else m.factors for p, m in zip(sides, map(self.merged, sides))]
            total: dict[Key, int] = dict(parts[0])
            for key, n in parts[1].items():
                _add(total, key, n)
            if total == made.factors:
                return None
        top: Variable | None = None
        bottom: Variable | None = None
        for v, n in made.rest:
            if n > 0:
                top = self.times(top, v, n)
            else:
                bottom = self.times(bottom, v, -n)
        parts_made: Variable | None = None
        for key, n in made.factors.items():
            if n > 0:
                parts_made = self.times(parts_made, self.value(key, out), n)
            else:
                bottom = self.times(bottom, self.value(key, out), -n)
        o = self.o
        if bottom is not None:
            top = o.true_divide(o.const(1, out) if top is None else top, bottom)
        result = top if parts_made is None else parts_made if top is None else o.mul(top, parts_made)
        return o.neg(result) if made.sign < 0 else result

    def times(self, total: Variable | None, v: Variable, n: int) -> Variable:
        """total * v**n."""
        if n > 1:
            v = self.o.square(v) if n == 2 else self.o.pow(v, self.o.const(n, v))
        return v if total is None else self.o.mul(total, v)

    def value(self, key: Key, like: Variable) -> Variable:
        """A factor."""
        o = self.o
        letter, x, sign, *rest = key
        u = x if sign > 0 else o.neg(x)
        match letter:
            case "E":
                return o.exp(u)
            case "P":
                return o.add(o.const(1, like), o.exp(u))
            case "Q":
                return o.sigmoid(u)
            case "C":
                return o.erfc(u)
            case "softmax":
                e = o.exp(self.shift(u, rest[0])[1])
                return o.true_divide(e, self.kept(o.apply(ops.Reduce("add", rest[0]), e), rest[0], u.type.ndim))
        total = o.apply(ops.Reduce("add", rest[0]), o.exp(u))
        return total if rest[1] is None else o.apply(ops.Transpose(rest[1]), total)

    def kept(self, reduced: Variable, axes: tuple[int, ...], ndim: int) -> Variable:
        """What was reduced along `axes`, with these as axes of size 1."""
        rest = iter(range(ndim))
        return self.o.apply(ops.Transpose(tuple(-1 if k in axes else next(rest) for k in range(ndim))), reduced)

    def shift(self, u: Variable, axes: tuple[int, ...]) -> tuple[Variable, Variable]:
        """(m, u - m in place), as `passes.stabilize.shift`: m the maximum, held constant, 0 where infinite."""
        o = self.o
        top = o.apply(ops.GradientOf("consider_constant"), o.apply(ops.Reduce("maximum", axes), u))
        m = o.switch(o.isinf(top), o.const(0, u), top)
        return m, o.sub(u, self.kept(m, axes, u.type.ndim))

    # ------------------------------------------------------------------------------------------ logarithms

    def log(self, v: Variable, depth: int) -> Variable | None:
        """log(v) for a v that is positive, by the logs of what it is made of."""
        number = _number(v)
        if number is not None:
            return self.o.const(math.log(number), self.like) if number > 0 else None
        if not depth:
            return None
        p = self.product(v, depth)
        if p.factors:
            return self.log_of_product(v, p)
        o = self.o
        fn, args = self.row(v)
        if fn == "neg" and self.row(args[0])[0] == "expm1":
            return o.log1mexp(self.row(args[0])[1][0])
        if fn == "expm1":
            return o.add(args[0], o.log1mexp(o.neg(args[0])))
        if fn == "sub" and _number(args[0]) == 1:
            q = self.product(args[1], depth)            # 1 - erfc(x) / 2 = erfc(-x) / 2
            if q.sign > 0 and [n for _, n in q.rest] == [1] and _number(q.rest[0][0]) == 0.5 \
                    and [(key[0], n) for key, n in q.factors.items()] == [("C", 1)]:
                _, x, s = next(iter(q.factors))
                return self.log_of_product(v, Product(1, {("C", x, -s): 1}, q.rest))
        return self.log_of_sum(self.terms(v), depth) if fn in ("add", "sub") else None

    def log_of_product(self, v: Variable, p: Product) -> Variable | None:
        """The sum of the logs of the factors, if all are positive."""
        o = self.o
        made = self.merged(p) or p
        if made.sign < 0 or all(key[0] == "S" and self.shifted(key[1]) for key in made.factors):
            return None
        terms = []
        for u, n in made.rest:
            if not _positive(u):
                return None
            number = _number(u)
            term = o.log(o.cast(u, v.type.dtype)) if number is None else o.const(math.log(number), v)
            terms.append((term, n))
        terms[:0] = [self.log_of_factor(key, n) for key, n in made.factors.items()]
        total: Variable | None = None
        for term, n in terms:
            if abs(n) != 1:
                term = o.mul(o.const(abs(n), v), term)
            if total is None:
                total = term if n > 0 else o.neg(term)
            else:
                total = o.add(total, term) if n > 0 else o.sub(total, term)
        return total

    def log_of_factor(self, key: Key, n: int) -> tuple[Variable, int]:
        """(a variable, a power) whose product is n times the log of a factor."""
        o = self.o
        letter, x, sign, *rest = key
        u, mirror = (x, o.neg(x)) if sign > 0 else (o.neg(x), x)
        match letter:
            case "E":
                return (x, n) if sign > 0 else (x, -n)
            case "P":
                return o.softplus(u), n
            case "Q":
                return o.softplus(mirror), -n
            case "C":
                return o.log_erfc(u), n
            case "softmax":
                w = self.shift(u, rest[0])[1]
                total = o.apply(ops.Reduce("add", rest[0]), o.exp(w))
                return o.sub(w, self.kept(o.log(total), rest[0], u.type.ndim)), n
        if self.shifted(x) and sign > 0:
            result = o.log(o.apply(ops.Reduce("add", rest[0]), o.exp(u)))
        else:
            m, w = self.shift(u, rest[0])
            result = o.add(m, o.log(o.apply(ops.Reduce("add", rest[0]), o.exp(w))))
        return result if rest[1] is None else o.apply(ops.Transpose(rest[1]), result), n

    def terms(self, v: Variable) -> list[tuple[int, Variable]]:
        """v as a sum of (sign, variable)."""
        result: list[tuple[int, Variable]] = []
        work = [(1, v)]
        while work:
            sign, u = work.pop()
            fn, args = self.row(u)
            if fn in ("add", "sub") and len(work) + len(result) < _MOST_TERMS:
                work += [(sign if fn == "add" else -sign, args[1]), (sign, args[0])]
            elif fn == "neg":
                work.append((-sign, args[0]))
            else:
                result.append((sign, u))
        return result

    def log_of_sum(self, terms: list[tuple[int, Variable]], depth: int) -> Variable | None:
        """log of a sum of positive terms, or of the difference of two."""
        o = self.o
        signs = [sign for sign, _ in terms]
        if len(terms) > _MOST_TERMS or max(signs) < 0 or (min(signs) < 0 and len(terms) != 2):
            return None
        for k in (0, 1):
            if len(terms) == 2 and signs[k] > 0 and _number(terms[k][1]) == 1:
                key = self.one_plus(*terms[1 - k], depth)
                if key is not None:
                    made, n = self.log_of_factor(key, 1)
                    return made if n > 0 else o.neg(made)
        logs = []
        for _, v in terms:
            p = self.product(v, depth - 1)
            if _number(v) is None and not (p.factors and all(key[0] in "ES" for key in p.factors)):
                return None
            term = self.log(v, depth - 1)
            if term is None:
                return None
            logs.append(term)
        if min(signs) < 0:
            large, small = logs if signs[0] > 0 else logs[::-1]
            if _number(large) is not None:
                return o.log1mexp(small) if _number(large) == 0 else None
            same = o.and_(o.isinf(large), o.eq(large, small))       # inf - inf is nan
            return o.add(large, o.log1mexp(o.switch(same, o.const(0, large), o.sub(small, large))))
        logs.sort(key=lambda v: isinstance(v, Constant))            # constants last
        total = logs[0]
        for term in logs[1:]:
            total = o.softplus(total) if _number(term) == 0 else o.logaddexp(total, term)
        return total


def new_nodes(form: Variable, known: Collection[int]) -> list[Apply]:
    """The nodes of a form, in order: those above which there are variables (by id) of the graph it was made for."""
    stop, seen, work = [], set(), [form]
    while work:
        v = work.pop()
        if v.owner is None or id(v) in known:
            stop.append(v)
        elif id(v) not in seen:
            seen.add(id(v))
            work.extend(v.owner.inputs)
    return toposort([form], stop)


def aligned(axes: tuple[int, ...], perm: tuple[int, ...] | None, ndim: int) -> bool:
    """Does the sum along `axes`, transposed by `perm`, broadcast against what was summed?"""
    kept = [k for k in range(ndim) if k not in axes]
    perm = tuple(range(len(kept))) if perm is None else perm
    return (-1,) * (ndim - len(perm)) + perm == tuple(kept.index(k) if k in kept else -1 for k in range(ndim))


def _number(v: Variable) -> float | None:
    """The value of a constant that is one real number."""
    if isinstance(v, Constant) and v.data.size == 1 and v.data.dtype.kind in "fiu":
        return float(v.data.reshape(()))
    return None


def _positive(v: Variable) -> bool:
    """Is v a positive number, or made of sizes?"""
    number = _number(v)
    if number is not None:
        return number > 0
    if v.owner is None:
        return False
    op = v.owner.op
    if type(op) is ops.ShapeOf:
        return True
    return (type(op) in (ops.Cast, ops.Slice) or op == _MUL) and all(_positive(x) for x in v.owner.inputs)


_MUL, _SWITCH = ops.Map("mul"), ops.Map("switch")
_SEEDS = frozenset({"exp", "sigmoid", "erf", "erfc", "expm1"})
_THROUGH = frozenset({"mul", "true_divide", "neg", "square", "reciprocal", "pow", "add", "sub", ops.Reduce,
                      ops.Transpose})
