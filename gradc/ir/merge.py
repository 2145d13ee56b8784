"""`Merge`: factors of a product that are infinite, or 0, in opposite directions are taken together."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Generic

from gradc.ir.exponentials import Key, Product, add_power
from gradc.ir.exponents import DEPTH, Atom, E, Linear

if TYPE_CHECKING:
    from gradc.ir.stable_forms import Forms

Terms = tuple[tuple[float, Linear], ...]
_TOLERANCE = {"float64": 2.0 ** -49, "float32": 2.0 ** -20}   # by which the square of a rounded 1/sqrt(2) may miss


class Merge(Generic[E]):
    """One product on its way to a better form: its exponentials as one exponent, the other factors around it."""

    def __init__(self, forms: Forms[E], p: Product[E]) -> None:
        self.forms = forms
        self.exponent = Linear()
        self.number = 1.0
        self.sign = p.sign
        self.rest = p.rest
        self.inside: set[Atom] = set()       # variables of sums whose log is in the exponent
        self.exps = [(key, n) for key, n in p.factors.items() if key[0] == "E"]
        exponents = [key[1].times(n) for key, n in self.exps]
        for u in exponents:
            self.exponent += u
        self.into = {key: n for key, n in p.factors.items() if key[0] != "E"}
        # Quotients exp(u) / exp(w) of one variable can be inf/inf; so can the derivative of 1 / exp(u), which has
        # exp(u) / exp(u)**2.
        self.changed = any([n < 0 for _, n in self.exps]) or any([
            u.along(w) < 0 for k, u in enumerate(exponents) for w in exponents[:k]])
        self.ratios()
        for key, n in list(self.into.items()):
            match key[0]:
                case "L" | "Q":
                    self.sum(key, n)
                case "D":
                    self.difference(key, n)
                case "S" if n < 0:
                    self.softmax(key, n)
                case "C" | "N":
                    self.tail(key, n)
                case "X" if n < 0 and forms.opens:      # second derivatives of 1 / erfcx(x) cancel
                    self.number *= _power(math.pi / 2, -n / 2)
                    self.replace(key, n, (("hazard", key[1].times(-math.sqrt(2))), -n))
                case "G" if n < 0:
                    self.log(key, n)

    def result(self) -> Product[E] | None:
        """The product as it is now."""
        factors = dict(self.into)
        left = self.exponent
        # those of variables of their own, which nothing moved
        for k, (key, n) in enumerate(self.exps if not self.inside else ()):
            u = key[1].times(n)
            if n > 0 and all([left.terms.get(a) == c for a, c in u.terms.items()]) \
                    and not any([u.terms.keys() & w.terms for j, ((_, w), _) in enumerate(self.exps) if j != k]):
                add_power(factors, key, n)
                left -= u
        if left.terms:
            add_power(factors, ("E", left), 1)
        elif left.const:
            self.number *= _power(math.e, left.const)
        rest = list(self.rest)
        if self.number != 1:
            rest.append((self.forms.const(self.number), None, 1))
        return Product(self.sign, factors, rest) if 0 < self.number < math.inf else None

    def replace(self, key: Key, n: int, *by: tuple[Key, int]) -> None:
        """Put other factors in the place of key**n."""
        self.changed = True
        add_power(self.into, key, -n)
        for new, power in by:
            if power:
                add_power(self.into, new, power)

    def ratios(self) -> None:
        """Sums over sums, and differences over sums, of the same terms up to a common factor."""
        for first in list(self.into):
            for second in list(self.into):
                n, m = self.into.get(first, 0), self.into.get(second, 0)
                if first is second or first[0] not in "LDQ" or second[0] not in "LDQ":
                    continue
                (terms, n), (others, m) = _terms(first, n), _terms(second, m)
                differences = (first[0] == "D") + (second[0] == "D")
                if n * m >= 0 or (second[0] == "D" if differences == 1 else n < 0):
                    continue
                scale = _scale(terms, others, differences == 2)
                if scale is None:
                    continue
                (c, u), sign = scale
                k = min(abs(n), abs(m)) * (1 if n > 0 else -1)
                by: tuple[tuple[Key, int], ...] = ()
                if differences == 1:                        # tanh of half the difference of the exponents
                    (a, v), (b, w) = terms
                    by = (("T", ((v - w) + Linear(const=math.log(a / b))).times(0.5)), k),
                elif sign < 0 and k % 2:
                    self.sign = -self.sign
                self.number *= _power(c, k)
                self.exponent += u.times(k)
                self.replace(first, -k if first[0] == "Q" else k, *by)
                self.replace(second, k if second[0] == "Q" else -k)

    def sum(self, key: Key, n: int) -> None:
        """E with a power of a sum that is large where it is: each exponent less that of E, or sigmoids."""
        terms, power = _terms(key, n)
        lone = key[0] == "L" and power < 0 and (
            is_logistic(terms) or (is_mirrored(terms) and key not in self.forms.cosh))
        if not lone and not self.opposed(terms, power):
            return
        if power < 0 and len(terms) == 2:
            (a, u), (b, w) = sorted(terms, key=lambda term: bool(term[1].terms))
            delta = w - u
            inner = self.exponent + u.times(power)
            low, high = inner.multiple(delta)
            k = min(max(int(low), 0), -power)
            if low == high and (low == k or not 0 < low < -power):
                # exp(k d) / (a + b exp(d))**m: a**-m (b/a)**-k sigmoid(d + log(b/a))**k sigmoid(-...)**(m - k)
                q = delta + Linear(const=math.log(b / a))
                self.exponent = inner - delta.times(k)
                self.number *= _power(a, power) * _power(b / a, -k)
                self.replace(key, n, (("Q", q), k), (("Q", q.times(-1)), -power - k))
                return
        if key[0] == "L" and power < 0 and is_mirrored(terms):    # 2 a exp((u + w) / 2) cosh((u - w) / 2)
            (a, u), (_, w) = terms
            inner = self.exponent + (u + w).times(0.5 * power)
            if not inner.along(u - w):
                self.exponent = inner
                self.number *= _power(2 * a, power)
                self.replace(key, n, (("H", (u - w).times(0.5)), power))
                return
            if lone and not self.opposed(terms, power):
                return
        share = self.exponent.times(1 / power)
        self.exponent = Linear()
        self.replace(key, n, (("L", tuple([(c, u + share) for c, u in terms])), power))

    def opposed(self, terms: Terms, power: int) -> bool:
        """Is E small where a power of a sum of `terms` is large, or large where that is small?"""
        return any([self.exponent.along(u) * power < 0 for _, u in terms])

    def difference(self, key: Key, n: int) -> None:
        """E with a power of a difference of which a term is large where E is small."""
        if self.opposed(key[1], n):
            share = self.exponent.times(1 / n)
            self.exponent = Linear()
            self.replace(key, n, (("D", tuple([(c, u + share) for c, u in key[1]])), n))

    def softmax(self, key: Key, n: int) -> None:
        """exp(u) / sum(exp(u))."""
        _, u, axes, perm = key
        low, _ = self.exponent.multiple(u)
        forms = self.forms
        k = min(int(low), -n) if low >= 1 else 0
        if k and not forms.is_shifted(u) and aligned(axes, perm, forms.variable_ndim(u)):
            self.exponent -= u.times(k)
            self.replace(key, -k, (("softmax", *key[1:]), k))

    def tail(self, key: Key, n: int) -> None:
        """exp(-x**2) / erfc(x), exp(x**2) erfc(x): erfcx; the same with exp(x**2 / 2) and ndtr(-x)."""
        letter, u = key
        square = u.square() if letter == "C" else u.square().times(0.5)
        if len(square.terms) != 1:
            return
        (atom, c), = square.terms.items()
        have = self.exponent.terms.get(atom, 0.0) * n
        off = _TOLERANCE.get(self.forms.dtype, 0.0)
        if abs(n) == 1 and have >= c * (1 - off):
            gauss = Linear({atom: self.exponent.terms[atom]}) if have * (1 - off) <= c else square.times(-1)
            left = self.exponent + square.times(-n)
            if abs(left.terms.get(atom, 0.0)) <= off * c:
                left = Linear({a: v for a, v in left.terms.items() if a != atom}, left.const)
            self.exponent = left
            x = u if letter == "N" else u.times(-math.sqrt(2)).snapped()
            if n > 0:
                made: Key = ("X", u if letter == "C" else u.times(-math.sqrt(0.5)))
                self.number *= 1 if letter == "C" else 0.5
            elif gauss == x.square().times(-0.5):
                made = ("hazard", x)
                self.number *= math.sqrt(math.pi / 2) if letter == "C" else math.sqrt(2 * math.pi)
            else:
                made = ("mills", u, gauss)
            self.replace(key, n, (made, 1))

    def log(self, key: Key, n: int) -> None:
        """exp(u) / (1 + sum(exp(w))): by the log of the sum, where u moves with w."""
        forms = self.forms
        exponents = [k[1] for _, v in forms.terms(key[1]) for k in forms.product(v).factors]
        if any([self.exponent.along(u) > 0 for u in exponents]):
            log = forms.log_of_factor(key, 1, DEPTH)
            if log is not None:
                self.exponent += Linear({log[0]: float(n)})
                self.inside |= forms.atoms({key: n})
                self.replace(key, n)


def _terms(key: Key, n: int) -> tuple[Terms, int]:
    """A power of a sum, of a difference, or of sigmoid(u) = 1 / (1 + exp(-u)): the terms, and the power of these."""
    return (((1.0, Linear()), (1.0, key[1].times(-1))), -n) if key[0] == "Q" else (key[1], n)


def _power(c: float, n: float) -> float:
    """c**n, inf where that is too large."""
    try:
        return float(c**n)
    except OverflowError:
        return math.inf


def is_logistic(terms: Terms) -> bool:
    """Is it c + c exp(u)?"""
    if len(terms) != 2 or terms[0][0] != terms[1][0]:
        return False
    plain = [not u.terms and not u.const for _, u in terms]
    return plain[0] != plain[1]


def is_mirrored(terms: Terms) -> bool:
    """Is it a exp(u) + a exp(w) where u and w move in opposite directions?"""
    return len(terms) == 2 and terms[0][0] == terms[1][0] and terms[0][1].along(terms[1][1]) < 0


def _scale(first: Terms, second: Terms, signed: bool) -> tuple[tuple[float, Linear], int] | None:
    """((c, u), 1) with first = c exp(u) second, term by term in some order; the order of `signed` terms counts: -1."""
    if len(first) != len(second):
        return None
    for k in range(len(second)):        # the partner of the first term; the others follow by their exponents
        c, u = first[0][0] / second[k][0], first[0][1] - second[k][1]
        rest = {w + u: b * c for b, w in second}
        if all([math.isclose(rest.get(w, math.nan), a, rel_tol=1e-15) for a, w in first]):
            return (c, u), -1 if signed and k else 1
    return None


def placed(axes: tuple[int, ...], ndim: int) -> tuple[int, ...]:
    """The permutation that puts back as 1 the axes that a reduction of `ndim` axes took away."""
    kept = [k for k in range(ndim) if k not in axes]
    return tuple([kept.index(k) if k in kept else -1 for k in range(ndim)])


def aligned(axes: tuple[int, ...], perm: tuple[int, ...] | None, ndim: int) -> bool:
    """Does the sum along `axes`, transposed by `perm`, broadcast against what was summed?"""
    perm = tuple(range(ndim - len(axes))) if perm is None else perm
    return (-1,) * (ndim - len(perm)) + perm == placed(axes, ndim)
