"""Products of exponentials, as they are written in any order and by any function: what stable forms are made from.

    E(u) = exp(u)       L = the sum of c exp(u)          D = a exp(u) - b exp(w)
    Q(u) = sigmoid(u)   S = the sum of exp(u) along axes, put back in place
    C(u) = erfc(u)      X(u) = erfcx(u)     N(u) = ndtr(u)

in powers, with exponents that are `Linear`.  sinh, cosh, expm1 and powers of a number are such, too; G is a sum of
positive terms of which some are sums along axes.  All but D are positive.

The algebra serves the expression graph (derivatives: `autodiff/stable.py`) and Programs (values:
`passes/stabilize.py`): each tells by a subclass of `Expressions` how its expressions are taken apart and built.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Generic

from gradc.ir import exponents, ops
from gradc.ir.exponents import CONTRACT, DEPTH, FOLD, REORDER, E, Exponents, Linear
from gradc.ir.facts import reads

ROOTS = frozenset({"true_divide", "mul", "reciprocal", "pow", "log", "log1p"})
SEEDS = frozenset({"exp", "sigmoid", "erf", "erfc", "erfcx", "ndtr", "expm1", "exp_difference", "sinh", "cosh"})
SEEDING = SEEDS | {"pow", "tanh"}       # without one of these there are no forms
_THROUGH = frozenset({"mul", "true_divide", "neg", "square", "reciprocal", "pow", "add", "sub", FOLD, CONTRACT,
                      REORDER})
MOST_TERMS = 8      # of a sum
_MOST_FACTORS = 12  # of a product
_POWER = 4          # largest power that is taken apart

Key = tuple[Any, ...]
Perm = tuple[int, ...] | None      # None: everything in place


class Product(Generic[E]):
    """sign * (powers of factors) * (powers of other expressions, each transposed by a permutation or None)."""

    __slots__ = ("factors", "known", "rest", "sign")

    def __init__(self, sign: int = 1, factors: dict[Key, int] | None = None,
                 rest: list[tuple[E, Perm, int]] | None = None) -> None:
        self.sign = sign
        self.factors = {} if factors is None else factors
        self.rest = [] if rest is None else rest
        self.known: tuple[Product[E] | None] | None = None      # its better form, once that has been asked for

    def power(self, n: int) -> Product[E]:
        """self**n."""
        return Product(self.sign if n % 2 else 1, {key: n * p for key, p in self.factors.items()},
                       [(v, perm, n * p) for v, perm, p in self.rest])

    def times(self, other: Product[E]) -> Product[E]:
        """self * other."""
        factors = dict(self.factors)
        for key, p in other.factors.items():
            add_power(factors, key, p)
        return Product(self.sign * other.sign, factors, self.rest + other.rest)


def add_power(powers: dict[Key, int], key: Key, power: int) -> None:
    """powers * key**power."""
    total = powers.get(key, 0) + power
    if total:
        powers[key] = total
    else:
        powers.pop(key, None)


class Reader(Exponents[E]):
    """Takes products apart; what it finds out about one is kept."""

    def __init__(self) -> None:
        super().__init__()
        self._seeds: dict[E, bool] = {}
        self.forget()

    def forget(self) -> None:
        """Forget what has been found out, but for where there are factors."""
        self._linear, self.written = {}, {}
        self._products: dict[E, Product[E]] = {}
        self.cosh: set[Key] = set()             # factors that are written as cosh

    def seed(self, v: E) -> bool:
        """Does v hold one of the factors?  A quick look, each expression once."""
        seeds = self._seeds
        if v in seeds:
            return seeds[v]
        work = [(v, DEPTH)]
        while work:
            u, depth = work[-1]
            if u in seeds:
                work.pop()
                continue
            fn, args = self.row(u)
            if fn in SEEDS or (fn == "pow" and self.number(args[0]) is not None) or self._is_tanh_tail(fn, args):
                seeds[u] = True
            elif fn not in _THROUGH or not depth:
                seeds[u] = False
            else:
                unknown = [a for a in args if a not in seeds]
                if unknown:
                    work.extend([(a, depth - 1) for a in unknown])
                    continue
                seeds[u] = any([seeds[a] for a in args])
            work.pop()
        return seeds[v]

    def _is_tanh_tail(self, fn: object, args: Sequence[E]) -> bool:
        """Is it a number and tanh(u), as 1 - tanh(u) is?  tanh alone is no factor."""
        if fn not in ("add", "sub"):
            return False
        return any([self.row(a)[0] == "tanh" and self.number(b) is not None for a, b in (args, args[::-1])])

    # -------------------------------------------------------------------------------------------- products

    def product(self, v: E, depth: int = DEPTH) -> Product[E]:
        """v as a product."""
        found = self._products.get(v)
        if found is None:
            if self.number(v) == 1:
                return Product()
            found = self._product(v, depth) if depth and self.seed(v) else None
            if found is None or len(found.factors) + len(found.rest) > _MOST_FACTORS:
                found = Product(rest=[(v, None, 1)])
            if depth > DEPTH // 2:
                self._products[v] = found
        return found

    def _product(self, v: E, depth: int) -> Product[E] | None:
        fn, args = self.row(v)
        match fn:
            case "mul" | "true_divide" | "neg" | "square" | "reciprocal" | "pow":
                found = self.combined(fn, args, depth - 1)
                if found is not None:
                    return found
            case "add" | "sub":
                found = self._tail(v, depth - 1) or self._multiple(v, depth)
                if found is not None:
                    return found
        key, sign = self._factor(v, fn, args, depth)
        if key is not None:
            if sign > 0:
                self.written.setdefault(key, v)
            return Product(sign, {key: 1})
        return self._transposed(v, args[0], depth) if fn == REORDER else None

    def combined(self, fn: str, args: Sequence[E], depth: int = DEPTH) -> Product[E] | None:
        """The product that the row `fn` of `args` is."""
        match fn:
            case "mul":
                return self.product(args[0], depth).times(self.product(args[1], depth))
            case "true_divide":
                return self.product(args[0], depth).times(self.product(args[1], depth).power(-1))
            case "neg":
                return self.product(args[0], depth).times(Product(-1))
            case "square":
                return self.product(args[0], depth).power(2)
            case "reciprocal":
                return self.product(args[0], depth).power(-1)
            case "pow":
                n = self.number(args[1])
                if n is not None and n == int(n) and 0 < abs(n) <= _POWER:
                    return self.product(args[0], depth).power(int(n))
        return None

    def _factor(self, v: E, fn: object, args: Sequence[E], depth: int) -> tuple[Key | None, int]:
        """v as one factor, and its sign."""
        zero = Linear()
        match fn:
            case "exp":
                return ("E", self.linear(args[0])), 1
            case "pow":
                base = self.number(args[0])
                if base is not None and base > 0:
                    return ("E", self.linear(args[1]).times(math.log(base))), 1
            case "sigmoid":
                return ("Q", self.linear(args[0])), 1
            case "erfc" | "erfcx" | "ndtr":
                return ({"erfc": "C", "erfcx": "X", "ndtr": "N"}[fn], self.linear(args[0])), 1
            case "expm1":
                return ("D", ((1.0, self.linear(args[0])), (1.0, zero))), 1
            case "exp_difference":
                return ("D", ((1.0, self.linear(args[0])), (1.0, self.linear(args[1])))), 1
            case "sinh" | "cosh":
                u = self.linear(args[0])
                key = "D" if fn == "sinh" else "L", ((0.5, u), (0.5, u.times(-1)))
                if fn == "cosh":
                    self.cosh.add(key)
                return key, 1
            case "add" | "sub":
                return self._sum(v, depth)
            case exponents.FOLD | exponents.REORDER:
                return self._reduced(v), 1
        return None, 1

    def _tail(self, v: E, depth: int) -> Product[E] | None:
        """a + b erf(u), a + b tanh(u), a - b erfc(u) / 2, a - b ndtr(u): with b = +-a tails of the other side."""
        terms = self.terms(v)
        if len(terms) != 2 or depth <= 0:
            return None
        for (sign, a), (other, u) in (terms, terms[::-1]):
            whole = self.number(a)
            if whole is None or sign < 0 or not whole > 0:
                continue
            p = self.product(u, depth)
            share = other * p.sign / whole
            found: Key | None = None
            for w, perm, n in p.rest:
                number = self.number(w)
                fn, args = self.row(w)
                if number:
                    share *= number**n
                elif fn in ("erf", "tanh") and n == 1 and perm is None and found is None and not p.factors:
                    found = (fn, self.linear(args[0]))
                else:
                    return None
            if found is None and len(p.factors) == 1:
                found, n = next(iter(p.factors.items()))
                found = found if n == 1 else None
            if found is not None:
                letter, x = found[:2]
                if letter == "erf" and abs(share) == 1:
                    return Product(1, {("C", x.times(-share)): 1}, [(a, None, 1)])
                if letter == "tanh" and abs(share) == 1:
                    return Product(1, {("Q", x.times(2 * share)): 1}, [(a, None, 1), (self.const(2.0), None, 1)])
                if share == {"C": -0.5, "N": -1}.get(letter):
                    half = [(self.const(0.5), None, 1)] if letter == "C" else []
                    return Product(1, {(letter, x.times(-1)): 1}, [(a, None, 1), *half])
        return None

    def terms(self, v: E) -> list[tuple[int, E]]:
        """v as a sum of (sign, expression)."""
        result: list[tuple[int, E]] = []
        work = [(1, v)]
        while work:
            sign, u = work.pop()
            fn, args = self.row(u)
            if fn in ("add", "sub") and len(work) + len(result) < MOST_TERMS:
                work += [(sign if fn == "add" else -sign, args[1]), (sign, args[0])]
            elif fn == "neg":
                work.append((-sign, args[0]))
            else:
                result.append((sign, u))
        return result

    def _sum(self, v: E, depth: int) -> tuple[Key | None, int]:
        """Sums and differences of exponentials; 1 - sigmoid(x); 1 + erf(x), 1 - erf(x)."""
        terms = self.terms(v)
        if not 2 <= len(terms) <= MOST_TERMS or not depth:
            return None, 1
        for (sign, one), other in (terms, terms[::-1]) if len(terms) == 2 else ():
            if sign > 0 and self.number(one) == 1:
                key = self.one_plus(*other, depth)
                if key is not None:
                    return key, 1
        found = self.exponentials(terms, depth)
        if found is not None:
            return found
        if all(sign > 0 and self._positive_term(u, depth) for sign, u in terms):
            return ("G", v, None), 1
        return None, 1

    def _multiple(self, v: E, depth: int) -> Product[E] | None:
        """2 exp(u + 1) - exp(u): a number times exp(u)."""
        terms = self.terms(v)
        parts = self._multiples(terms, depth) if 2 <= len(terms) <= MOST_TERMS and depth else None
        if parts is None or len({u - Linear(const=u.const) for u, _ in parts}) > 1:
            return None
        top = max([u for u, _ in parts], key=lambda u: u.const)
        weights = [c * math.exp(u.const - top.const) for u, c in parts]
        c = sum(weights)
        if not top.terms or not math.isfinite(c) or abs(c) <= 1e-3 * max(map(abs, weights)):  # cancelled as rounded
            return None
        return Product(1 if c > 0 else -1, {("E", top): 1}, [(self.const(abs(c)), None, 1)])

    def exponentials(self, terms: list[tuple[int, E]], depth: int) -> tuple[Key, int] | None:
        """A sum of multiples of exponentials as a factor, and its sign."""
        found = self._multiples(terms, depth)
        if found is None:
            return None
        parts = [(c, u) for u, c in found]
        if len(parts) < 2 or not all([math.isfinite(c) and c for c, _ in parts]):
            return None
        signs = {c > 0 for c, _ in parts}
        if len(signs) == 1:
            sign = 1 if True in signs else -1
            return ("L", tuple([(sign * c, u) for c, u in parts])), sign
        if len(parts) != 2:
            return None
        (c, more), (d, less) = sorted(parts, key=lambda part: part[0] < 0)
        return ("D", ((c, more), (-d, less))), 1

    def _multiples(self, terms: list[tuple[int, E]], depth: int) -> list[tuple[Linear, float]] | None:
        """The (u, c) of a sum of c exp(u), each u once."""
        total: dict[Linear, float] = {}
        for sign, u in terms:
            number = self.number(u)
            p = Product() if number is not None else self.product(u, depth - 1)
            c, exponent = sign * (1.0 if number is None else number), Linear()
            for key, n in p.factors.items():
                if key[0] != "E":
                    return None
                exponent += key[1].times(n)
            for w, _, n in p.rest:
                value = self.number(w)
                if value is None or not value:
                    return None
                c *= value**n
            total[exponent] = total.get(exponent, 0.0) + p.sign * c
        return list(total.items())

    def _positive_term(self, u: E, depth: int) -> bool:
        number = self.number(u)
        if number is not None:
            return number > 0
        p = self.product(u, depth - 1)
        return p.sign > 0 and not p.rest and bool(p.factors) and all(key[0] in "ES" for key in p.factors)

    def one_plus(self, sign: int, v: E, depth: int) -> Key | None:
        """1 + sign v as one factor, where that is no sum of exponentials."""
        fn, args = self.row(v)
        while fn == "neg":
            sign, v = -sign, args[0]
            fn, args = self.row(v)
        if fn == "erf":
            return "C", self.linear(args[0]).times(-sign)
        if fn == "ndtr" and sign < 0:
            return "N", self.linear(args[0]).times(-1)
        if sign < 0 and fn in ("sigmoid", "true_divide", "reciprocal", "pow"):
            p = self.product(v, depth - 1)
            p = self.merged(p) or p
            if p.sign > 0 and not p.rest and len(p.factors) == 1:
                (letter, x, *_), power = next(iter(p.factors.items()))
                if letter == "Q" and power == 1:
                    return "Q", x.times(-1)
        return None

    def merged(self, p: Product[E]) -> Product[E] | None:
        """A better form of p (`ir/stable_forms.py`)."""
        raise NotImplementedError

    def _reduced(self, v: E) -> Key | None:
        """A sum of exponentials along axes."""
        perm: tuple[int, ...] | None = None
        fn, args = self.row(v)
        while fn == REORDER:
            perm = composed(self.made(v)[0].perm, perm)
            v = args[0]
            fn, args = self.row(v)
        op = self.made(v)[0]
        if fn != FOLD or op.fn != "add" or not op.axes:
            return None
        if any(args[0].type.shape[k] == 0 for k in op.axes):    # a maximum needs an element
            return None
        p = self.product(args[0])
        if p.sign < 0 or p.rest or not p.factors or any(key[0] != "E" for key in p.factors):
            return None
        u = Linear()
        for key, n in p.factors.items():
            u += key[1].times(n)
        return ("S", u, op.axes, perm) if u.terms else None

    def _transposed(self, v: E, inner: E, depth: int) -> Product[E] | None:
        """A product with sums along axes, put in place as a whole: each of its factors put in place."""
        perm = self.made(v)[0].perm
        p = self.product(inner, depth - 1)
        if -1 not in perm or any(key[0] not in "SG" for key in p.factors) or not p.factors:
            return None

        def placed(ndim: int, own: Perm) -> tuple[int, ...]:
            gone = inner.type.ndim - ndim
            outer = tuple([p - gone if p >= gone else -1 for p in perm])
            return composed(own, outer)

        factors = {}
        for key, n in p.factors.items():
            *same, own = key
            ndim = len(own) if own is not None else key[1].type.ndim if key[0] == "G" else (
                self.variable_ndim(key[1]) - len(key[2]))
            factors[tuple([*same, placed(ndim, own)])] = n
        rest = []
        for w, own, n in p.rest:
            ndim = w.type.ndim if own is None else len(own)
            rest.append((w, placed(ndim, own) if ndim else None, n))
        return Product(p.sign, factors, rest)

    def variable_ndim(self, u: Linear) -> int:
        """The number of axes of an exponent."""
        return max([a.type.ndim for a in u.atoms()])

    def positive(self, v: E) -> bool:
        """Is v a positive number, or made of sizes?"""
        number = self.number(v)
        if number is not None:
            return number > 0
        op, args = self.made(v)
        if type(op) is ops.ShapeOf:
            return True
        return bool(args) and (type(op) is ops.Cast or reads(op) is not None or (
            type(op) is ops.Map and op.fn in ("mul", "true_divide"))) and all(self.positive(x) for x in args)


def composed(inner: tuple[int, ...] | None, outer: tuple[int, ...] | None) -> tuple[int, ...]:
    """The permutation `inner`, then `outer`; None leaves everything in place."""
    if inner is None or outer is None:
        return inner or outer or ()
    return tuple([-1 if p < 0 else inner[p] for p in outer])
