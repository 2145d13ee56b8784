"""`Forms`: expressions of exponentials in a form of equal value that neither overflows nor cancels.

    exp(x) / sum(exp(x))                softmax, with the largest element subtracted
    exp(x) / (1 + exp(x)), a / (1 + exp(x))**2, ...                    products of sigmoids
    exp(x) / (exp(x) + exp(2 * x) + 3)  1 / (1 + exp(x) + 3 exp(-x)): each exponent less that of the numerator
    (exp(x) - exp(-x)) / (exp(x) + exp(-x))                            tanh
    exp(-x**2) / erfc(x), of ndtr too   1 / erfcx(x), the hazard function
    log of products of these, of sums and differences of exponentials  logsumexp, softplus, logaddexp, log1mexp
    log of erfc, of 1 - erf, 1 + erf; ndtr; cosh                       log_erfc; log_ndtr; log_cosh
    1 - tanh(x), 1 + tanh(x) in any of these                           2 sigmoid(-2 x), 2 sigmoid(2 x)

A product is changed only where two of its factors can be infinite, or 0, in opposite directions at once; what its
factors are used for elsewhere is not asked.  No variable disappears from a product, so that nan stays nan.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from gradc.ir import build
from gradc.ir.exponentials import MOST_TERMS, Key, Product
from gradc.ir.exponents import DEPTH, Atom, E, Linear
from gradc.ir.merge import Merge, Terms, is_logistic, is_mirrored
from gradc.ir.weighted import Softmax, Weighted


class Forms(Weighted[E]):
    """Finds forms."""

    def form(self, fn: str, args: Sequence[E]) -> E | None:
        """Another expression for the row `fn` of `args`, or None."""
        if not any([self.seed(a) for a in args]):
            return None
        if fn == "log":
            return self.log(args[0], DEPTH)
        if fn in ("add", "sub"):
            return self.exact_remainder(fn, args)
        if fn == "log1p":
            return self.log_of_terms([(1, self.const(1)), *self.terms(args[0])], DEPTH)
        whole = self.combined(fn, args)
        if whole is None:
            return None
        made = self.merged(whole)
        if made is None:
            return None
        if len(args) == 2 and fn != "pow":
            # what one side alone comes to is the affair of its own node
            left, right = [self.merged(p) or p for p in map(self.product, args)]
            if left.times(right if fn == "mul" else right.power(-1)).factors == made.factors:
                return None
        built = self.built(made)
        if built is None or self.product(built).factors == whole.factors:   # sinh
            return None
        if any([key[0] == "hazard" for key in made.factors]):
            self._products[built] = made        # so that the log of it is seen through
            self._seeds[built] = True
        return built

    # --------------------------------------------------------------------------------------------- algebra

    def merged(self, p: Product[E]) -> Product[E] | None:
        """A better form of p, None if p is good as it is."""
        if p.known is None:
            p.known = (self._merged(p),)
        return p.known[0]

    def _merged(self, p: Product[E]) -> Product[E] | None:
        if len(p.factors) == 1:
            (letter, *rest), n = next(iter(p.factors.items()))
            if letter == "E" and n < 0:     # exp(-u), as the derivative of 1 / exp(u) has exp(u) / exp(u)**2
                return Product(p.sign, {("E", rest[0].times(n)): 1}, p.rest)
            if letter not in "LX" or n > 0 or not (letter == "X" or is_logistic(rest[0]) or is_mirrored(rest[0])):
                return None
        m = Merge(self, p)
        made = m.result() if m.changed else None
        if made is None or made.factors == p.factors \
                or not self.atoms(p.factors) <= self.atoms(made.factors) | m.inside:
            return None
        return made

    def atoms(self, factors: dict[Key, int]) -> set[Atom]:
        """The variables of factors."""
        found: set[Atom] = set()
        for key in factors:
            letter, u = key[:2]
            if letter in "LD":
                for _, w in u:
                    found |= w.atoms()
            elif letter == "G":
                found |= self.atoms({k: 1 for _, v in self.terms(u) for k in self.product(v).factors})
            else:
                found |= u.atoms()
        return found

    # -------------------------------------------------------------------------------------------- building

    def built(self, p: Product[E]) -> E | None:
        """The expression of a product."""
        top: E | None = None
        bottom: E | None = None
        rest = [(build.reorder(self, v, perm), n) for v, perm, n in p.rest]
        for v, n in sorted(rest, key=lambda entry: entry[0].type.ndim):     # numbers first
            if n > 0:
                top = self.times(top, v, n)
            else:
                bottom = self.times(bottom, v, -n)
        parts: E | None = None
        for key, n in p.factors.items():
            if n > 0:
                parts = self.times(parts, self.value(key), n)
            else:
                bottom = self.times(bottom, self.value(key), -n)
        if bottom is not None:
            top = self.map("true_divide", self.const(1) if top is None else top, bottom)
        result = top if parts is None else parts if top is None else self.map("mul", top, parts)
        return result if result is None or p.sign > 0 else self.map("neg", result)

    def times(self, total: E | None, v: E, n: int) -> E:
        """total * v**n."""
        if n > 1:
            v = self.map("square", v) if n == 2 else self.map("pow", v, self.const(n))
        return v if total is None else self.map("mul", total, v)

    def value(self, key: Key) -> E:
        """The expression of a factor."""
        found = self.written.get(key)
        if found is not None:
            return found
        letter, u, *rest = key
        match letter:
            case "E":
                return self.map("exp", self.variable(u))
            case "Q":
                return self.map("sigmoid", self.variable(u))
            case "C" | "X":
                return self.map("erfc" if letter == "C" else "erfcx", self.variable(u))
            case "N" | "hazard":
                return self.map("ndtr" if letter == "N" else "log_ndtr_slope", self.variable(u))
            case "T":
                return self.map("tanh", self.variable(u))
            case "L":
                terms = [self._term(c, w) for c, w in sorted(u, key=lambda term: bool(term[1].terms))]
                total = terms[0]
                for term in terms[1:]:
                    total = self.map("add", total, term)
                return total
            case "D":
                return self._difference(*u)
            case "G":
                return build.dimshuffle(self, u, rest[0])
            case "H":
                return self.map("cosh", self.variable(u))
            case "mills":
                v, zero = self.variable(u), self.const(0)
                right = self.map("mul", self.const(-math.sqrt(2)), self.map("maximum", v, zero))
                far = self.map("mul", self.const(math.sqrt(math.pi / 2)), self.map("log_ndtr_slope", right))
                tail = self.map("erfc", self.map("minimum", v, zero))
                near = self.map("true_divide", self.value(("E", rest[0])), tail)
                return self.map("switch", self.map("gt", v, zero), far, near)
            case "softmax":
                return self.weights(Softmax(u, rest[0]))
        total = build.fold(self, "add", self.map("exp", self.variable(u)), rest[0])
        return build.reorder(self, total, rest[1])

    def _term(self, c: float, u: Linear) -> E:
        """c exp(u)."""
        if not u.terms:
            return self.const(c * math.exp(u.const))
        e = self.value(("E", u))
        return e if c == 1 else self.map("mul", self.const(c), e)

    def _difference(self, first: tuple[float, Linear], second: tuple[float, Linear]) -> E:
        """a exp(u) - b exp(w), without cancellation."""
        (a, u), (b, w) = first, second
        if not u.terms:
            return self.map("neg", self._difference(second, first))
        delta = (u - w) + Linear(const=math.log(a / b))
        middle = (u + w).times(0.5)
        if w.terms and not middle.terms:        # 2 sqrt(ab) exp((u + w) / 2) sinh((u - w) / 2)
            outer = self._term(2 * math.sqrt(a * b), middle)
            inner = self.map("sinh", self.variable(delta.times(0.5)))
        elif w.terms:
            both = [self.variable(v + Linear(const=math.log(c))) for c, v in (first, second)]
            return self.map("exp_difference", *both, self.variable(delta))
        else:
            outer, inner = self._term(b, w), self.map("expm1", self.variable(delta))
        return inner if self.number(outer) == 1 else self.map("mul", outer, inner)

    def variable(self, u: Linear) -> E:
        """The expression of a linear combination."""
        found = self.written.get(u)
        if found is not None:
            return found
        found = self.written.get(u.times(-1))
        if found is not None:
            return self.map("neg", found)
        terms = sorted(u.terms.items(), key=lambda term: term[1] < 0)
        total = self._combined((self.map("square", self.variable(atom[1])) if type(atom) is tuple else atom, c)
                               for atom, c in terms)
        if total is None:
            return self.const(u.const)
        return total if not u.const else self.map("add", self.const(u.const), total)

    def _combined(self, terms: Iterable[tuple[E, float]]) -> E | None:
        """c v + ... of pairs (v, c); None if there are none."""
        total: E | None = None
        for v, c in terms:
            part = v if abs(c) == 1 else self.map("mul", self.const(abs(c)), v)
            if total is None:
                total = part if c > 0 else self.map("neg", part)
            else:
                total = self.map("add" if c > 0 else "sub", total, part)
        return total

    # ------------------------------------------------------------------------------------------ logarithms

    def log(self, v: E, depth: int) -> E | None:
        """log(v) for a v that is positive, by the logs of what it is made of."""
        number = self.number(v)
        if number is not None:
            return self.const(math.log(number)) if number > 0 else None
        if not depth:
            return None
        p = self.product(v, depth)
        if p.factors:
            return self.log_of_product(p, v.type.dtype, depth)
        fn, args = self.row(v)
        if fn in ("mul", "true_divide") and not p.rest:             # all of it cancels, but nan has to stay
            logs = [log for a in args if (log := self.log(a, depth - 1)) is not None]
            return None if len(logs) < len(args) else self.map("add" if fn == "mul" else "sub", *logs)
        return self.log_of_terms(self.terms(v), depth) if fn in ("add", "sub") else None

    def log_of_product(self, p: Product[E], dtype: str, depth: int) -> E | None:
        """The sum of the logs of the factors, if all are positive."""
        made = self.merged(p) or p
        if made.sign < 0 or all([key[0] == "S" and self.is_shifted(key[1]) for key in made.factors]):
            return None
        terms: list[tuple[E, int]] = []
        made = self._scaled(self._halved(made))
        for key, n in made.factors.items():
            term = self.log_of_factor(key, n, depth)
            if term is None:
                return None
            terms.append(term)
        for u, perm, n in made.rest:
            if not self.positive(u):
                return None
            number = self.number(u)
            if number is None:
                u = self.map("log", self.cast(u, dtype))
                terms.append((build.reorder(self, u, perm), n))
            else:
                terms.append((self.const(math.log(number)), n))
        return self._combined(terms)

    def _halved(self, p: Product[E]) -> Product[E]:
        """p with erfc(x) / 2 as ndtr: its log is near 0 for x far below 0."""
        keys = [key for key, n in p.factors.items() if key[0] == "C" and n == 1]
        half = [k for k, (v, perm, n) in enumerate(p.rest) if self.number(v) == 0.5 and n == 1]
        if len(keys) != 1 or not half:
            return p
        factors = {("N", key[1].times(-math.sqrt(2)).snapped()) if key is keys[0] else key: n
                   for key, n in p.factors.items()}
        return Product(p.sign, factors, p.rest[:half[0]] + p.rest[half[0] + 1:])

    def _scaled(self, p: Product[E]) -> Product[E]:
        """p with its numbers inside a sum of exponentials, where it has one: log((exp(x) + exp(-x)) / 2) is 0 at 0."""
        found = next((key for key, n in p.factors.items() if key[0] in "LD" and abs(n) == 1), None)
        numbers = [(self.number(v), n) for v, perm, n in p.rest if perm is None]
        if found is None or len(numbers) != len(p.rest) or any([c is None or c <= 0 for c, _ in numbers]):
            return p
        power = p.factors[found]
        scale = math.prod([c ** (n * power) for c, n in numbers if c is not None])
        factors = {(key[0], tuple([(c * scale, u) for c, u in key[1]])) if key is found else key: n
                   for key, n in p.factors.items()}
        return Product(p.sign, factors)

    def is_shifted(self, u: Linear) -> bool:
        """`shifted` of an exponent."""
        return len(u.terms) == 1 and u.const == 0 and all([
            c == 1 and type(atom) is not tuple and self.shifted(atom) for atom, c in u.terms.items()])

    def log_of_factor(self, key: Key, n: int, depth: int) -> tuple[E, int] | None:
        """(an expression, a power) whose product is n times the log of a factor."""
        letter, u, *rest = key
        match letter:
            case "E":
                mirror = self.written.get(u.times(-1))
                return (mirror, -n) if u not in self.written and mirror is not None else (self.variable(u), n)
            case "L":
                return self._log_of_exponentials(u), n
            case "D":
                return self._log_of_difference(*u), n
            case "Q":
                return self.map("softplus", self.variable(u.times(-1))), -n
            case "C" | "N":
                return self.map("log_erfc" if letter == "C" else "log_ndtr", self.variable(u)), n
            case "X" | "mills":
                return self._log_of_erfcx(u), n if letter == "X" else -n
            case "hazard":
                log = self._log_of_erfcx(u.times(-math.sqrt(0.5)))
                return self.map("sub", self.const(math.log(2 / math.pi) / 2), log), n
            case "G":
                log_of_sum = self.log_of_terms(self.terms(u), depth)
                if log_of_sum is None:
                    return None
                return build.reorder(self, log_of_sum, rest[0]), n
            case "H":
                return self.map("log_cosh", self.variable(u)), n
            case "softmax":
                w = self.shift(self.variable(u), rest[0])[1]
                total = build.fold(self, "add", self.map("exp", w), rest[0])
                return self.map("sub", w, self.kept(self.map("log", total), rest[0], w)), n
            case "S":
                v = self.variable(u)
                if self.is_shifted(u):
                    made = self.map("log", build.fold(self, "add", self.map("exp", v), rest[0]))
                else:
                    m, w = self.shift(v, rest[0])
                    total = build.fold(self, "add", self.map("exp", w), rest[0])
                    made = self.map("add", m, self.map("log", total))
                return build.reorder(self, made, rest[1]), n
        return None         # tanh has no sign

    def _log_of_erfcx(self, u: Linear) -> E:
        """log(erfcx(u)): log_erfc(u) + u**2, but where that cancels, by the slope of log_ndtr."""
        v, one = self.variable(u), self.const(1)
        below = self.map("minimum", v, one)
        near = self.map("add", self.map("log_erfc", below), self.map("square", below))
        slope = self.map("log_ndtr_slope", self.map("mul", self.const(-math.sqrt(2)), self.map("maximum", v, one)))
        far = self.map("sub", self.const(math.log(2 / math.pi) / 2), self.map("log", slope))
        return self.map("switch", self.map("gt", v, one), far, near)

    def _log_of_exponentials(self, terms: Terms) -> E:
        """log of a sum of multiples of exponentials."""
        if len(terms) == 2:
            (a, u), (b, w) = terms
            middle, half = (u + w).times(0.5), (u - w).times(0.5)
            if a == b and not middle.terms:
                log = self.map("log_cosh", self.variable(half))
                height = math.log(2 * a) + middle.const
                return log if not height else self.map("add", self.const(height), log)
        return self._chain([self.variable(u + Linear(const=math.log(c))) for c, u in terms])

    def _chain(self, logs: list[E]) -> E:
        """log of the sum of what `logs` are the logs of."""
        logs.sort(key=lambda v: self.number(v) is not None)         # numbers last
        total = logs[0]
        for term in logs[1:]:
            total = self.map("softplus", total) if self.number(term) == 0 else self.map("logaddexp", total, term)
        return total

    def _log_of_difference(self, first: tuple[float, Linear], second: tuple[float, Linear]) -> E:
        """log(a exp(u) - b exp(w)) = log(a) + u + log1mexp(w - u + log(b / a))."""
        (a, u), (b, w) = first, second
        top = u + Linear(const=math.log(a))
        delta = w + Linear(const=math.log(b)) - top
        below = self.variable(delta)
        large = self.variable(top)
        if len(delta.terms) == len(u.terms) + len(w.terms) > 1:     # inf - inf is nan
            small = self.variable(w + Linear(const=math.log(b)))
            same = self.map("and_", self.map("isinf", large), self.map("eq", large, small))
            below = self.map("switch", same, self.const(0), below)
        log = self.map("log1mexp", below)
        return log if self.number(large) == 0 else self.map("add", large, log)

    def log_of_terms(self, terms: list[tuple[int, E]], depth: int) -> E | None:
        """log of a sum of positive terms, some of them sums along axes."""
        for (sign, one), other in (terms, terms[::-1]) if len(terms) == 2 else ():
            if sign > 0 and self.number(one) == 1:
                key = self.one_plus(*other, depth)
                if key is not None:
                    made, n = self.log_of_factor(key, 1, depth) or (None, 1)
                    return made if made is None or n > 0 else self.map("neg", made)
        if len(terms) > MOST_TERMS:
            return None
        found = self.exponentials(terms, depth)
        if found is not None:
            made, _ = (self.log_of_factor(found[0], 1, depth) or (None, 1)) if found[1] > 0 else (None, 1)
            return made
        logs = []
        for sign, v in terms:
            log = self.log(v, depth - 1) if sign > 0 and self._positive_term(v, depth) else None
            if log is None:
                return None
            logs.append(log)
        return self._chain(logs)
