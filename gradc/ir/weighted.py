"""`Weighted`: what is left when a weighted mean is taken off, or a share of a sum; weights p of a softmax.

    centred:  w - sum(w * p)        p times it is the derivative of softmax, along w and by cotangents w
    spread:   g - p * sum(g)        the derivative of log-softmax by cotangents g

Element i of the first is the sum over the others of p[j] * (w[i] - w[j]), of the second that of p[j] * g[i] - p[i] *
g[j].  As written they cancel where p[i] is near 1 (1 - p[i] is lost), the first also where all w are near one number.
Both are projections, for sum(p) = 1: taken of their own result they change nothing, but the errors of the first time
are multiplied by 1 - p[i] in the second.  So the better form does it twice.  The error of element i is then a few
epsilon, times the sum over the others of the sizes of their terms as written here, which is what the result can be
known to; beyond it, epsilon**2 times the mean of abs(w), or abs(g[i]).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, NamedTuple

from gradc.ir import build, ops
from gradc.ir.exponentials import Perm, Product, Reader, composed
from gradc.ir.exponents import REORDER, Atom, E, Linear
from gradc.ir.facts import FOLDING, PRODUCTS
from gradc.ir.merge import aligned
from gradc.ir.program import Builder, Var
from gradc.ir.types import HasType


class Softmax(NamedTuple):
    """exp(u) / sum(exp(u)) along axes."""

    u: Linear
    axes: tuple[int, ...]


class Remainder(NamedTuple, Generic[E]):
    """`first - less`, one of the two."""

    first: E
    less: E
    softmax: Softmax
    centred: bool


class Weighted(Reader[E]):
    """Finds both, and softmax itself."""

    opens = False       # is what has been taken off twice seen as such?

    def softmax_of(self, p: Product[E]) -> Softmax | None:
        """p as one softmax and nothing else."""
        if p.sign < 0 or p.rest:
            return None
        found, exponent = None, Linear()
        for key, n in p.factors.items():
            if key[0] == "E":
                exponent += key[1].times(n)
            elif key[0] == "S" and n == -1 and found is None:
                found = key
            else:
                return None
        if found is None:       # exp(u - log(sum(exp(u))))
            logs = [self._log_of_weights(exponent, atom) for atom, c in exponent.terms.items() if c == -1]
            return next((s for s in logs if s is not None), None)
        _, u, axes, perm = found
        fits = exponent == u and aligned(axes, perm, self.variable_ndim(u))
        return Softmax(u, axes) if fits else None

    def log_sum_of(self, v: E) -> tuple[Softmax, Perm] | None:
        """v as log(sum(exp(u))), and how it is placed."""
        fn, args = self.row(v)
        if fn != "log" or not self.seed(args[0]):
            return None
        p = self.product(args[0])
        if p.sign < 0 or p.rest or [(key[0], n) for key, n in p.factors.items()] != [("S", 1)]:
            return None
        _, u, axes, perm = next(iter(p.factors))
        return Softmax(u, axes), perm

    def log_softmax_of(self, first: E, less: E) -> Softmax | None:
        """first - less as u - log(sum(exp(u)))."""
        return self._log_of_weights(self.linear(first) - Linear({less: 1.0}), less)

    def _log_of_weights(self, exponent: Linear, less: Atom) -> Softmax | None:
        """`exponent`, of which `less` is taken off, as u - log(sum(exp(u)))."""
        perm, v = (None, None) if type(less) is tuple else self._untransposed(less)
        found = None if v is None else self.log_sum_of(v)
        if found is None:
            return None
        (u, axes), own = found
        fits = exponent == u - Linear({less: 1.0}) and aligned(axes, composed(own, perm) or None, self.variable_ndim(u))
        return found[0] if fits else None

    def weights(self, softmax: Softmax) -> E:
        """The expression of a softmax, with the largest element subtracted."""
        u, axes = softmax
        v = self.variable(u)
        e = self.map("exp", v if self.is_shifted(u) else self.shift(v, axes)[1])
        return self.map("true_divide", e, self.total(e, axes))

    def total(self, v: E, axes: tuple[int, ...]) -> E:
        """The sum along `axes`, which stay as axes of size 1."""
        return self.kept(build.fold(self, "add", v, axes), axes, v)

    def centred(self, w: E, p: E, axes: tuple[int, ...], mean: E | None = None) -> E:
        """w - sum(w * p), twice; `mean` is the sum, if there is an expression of it."""
        first = self._mean(w, p, axes) if mean is None else mean
        once = self._unless_infinite(first)
        w = self.map("sub", w, once)
        return self.map("sub", w, self._again(self._mean(w, p, axes), first, once))

    def _mean(self, w: E, p: E, axes: tuple[int, ...]) -> E:
        """sum(w * p), with the quotient after the sum."""
        e, divisor = self.row(p)[1]
        return self.map("true_divide", self.total(self.map("mul", w, e), axes), divisor)

    def spread(self, g: E, p: E, axes: tuple[int, ...]) -> E:
        """g - p * sum(g), twice."""
        e, divisor = self.row(p)[1]         # so that the quotient is that of the sums
        total = self.total(self.fitted(g, p), axes)
        once = self._unless_infinite(total)
        g = self.map("sub", g, self.map("mul", e, self.map("true_divide", once, divisor)))
        again = self._again(self.total(g, axes), total, once)
        return self.map("sub", g, self.map("mul", e, self.map("true_divide", again, divisor)))

    def _unless_infinite(self, v: E) -> E:
        """v, or 0 where it is infinite, for inf - inf is nan: that is left to the second time."""
        return self.map("switch", self.map("isinf", v), self.const(0), v)

    def _again(self, v: E, first: E, once: E) -> E:
        """v, the sum of the second time; where it is nan the literal form knows which elements are."""
        return self.map("switch", self.map("isnan", v), self.map("sub", first, once), v)

    def fitted(self, g: E, p: E) -> E:
        """g in the shape of p, with which it broadcasts."""
        shape, like = g.type.shape, p.type.shape
        same = len(shape) == len(like) and all([(a == 1) == (b == 1) for a, b in zip(shape, like)])
        return g if same else self.map("second", p, g)

    def remainder(self, fn: str, args: Sequence[E]) -> Remainder[E] | None:
        """The row `fn` of `args` as one of the two."""
        if fn == "sub":
            return self._remainder(args[0], args[1], 1)
        return (self._remainder(args[0], args[1], -1) or self._remainder(args[1], args[0], -1)) if fn == "add" else None

    def exact_remainder(self, fn: str, args: Sequence[E]) -> E | None:
        """The better form of the row `fn` of `args`, which is none of the two itself; None if they are none."""
        found = self.remainder(fn, args)
        if found is None:
            return None
        p, axes = self.weights(found.softmax), found.softmax.axes
        if found.centred:
            return self.centred(found.first, p, axes, found.less)
        w = self._weighted(found.first, found.softmax)      # p * w - p * sum(p * w): not with the products rounded
        return self.spread(found.first, p, axes) if w is None else self.map("mul", p, self.centred(w, p, axes))

    def _weighted(self, first: E, softmax: Softmax) -> E | None:
        """w of `first` = p * w."""
        p = self.product(first)
        sums = [key for key, n in p.factors.items() if key[0] == "S" and n == -1 and key[1:3] == softmax]
        if len(p.factors) != 2 or p.factors.get(("E", softmax.u)) != 1 or not sums or not p.rest:
            return None
        w = self.built(Product(p.sign, rest=p.rest))
        return None if w is None or w.type.shape != first.type.shape else w

    def _remainder(self, first: E, less: E, sign: int) -> Remainder[E] | None:
        """first - sign * less."""
        if not (self.opens or self.seed(less)):
            return None
        p = self.product(less)
        for k, (v, perm, n) in enumerate(p.rest):
            inner = self._sum_over(v, perm) if n == 1 else None
            if inner is None:
                continue
            summed, axes, ndim = inner
            outside = Product(sign * p.sign, p.factors, p.rest[:k] + p.rest[k + 1:])
            exps = {key[0] for key in outside.factors} - {"S"}
            ratio = summed.times(self.product(first).power(-1))
            if not exps <= {"E"} or (exps and any([key[0] != "S" for key in ratio.factors])) \
                    or not all([_is_constant(w, own, axes, ndim) for w, own, _ in outside.rest]):
                continue
            found = self.softmax_of(self._cancelled(outside.times(ratio)))
            if found is not None and found.axes == axes and self.variable_ndim(found.u) == ndim:
                return Remainder(first, less if sign > 0 else self.map("neg", less), found, not exps)
        return None

    def _cancelled(self, p: Product[E]) -> Product[E]:
        """p without what is above and below."""
        number, powers = 1.0, dict[tuple[E, Perm], int]()
        for v, perm, n in p.rest:
            c = self.number(v)
            if c is None or not c:
                powers[v, perm] = powers.get((v, perm), 0) + n
            else:
                number *= c**n
        rest = [(v, perm, n) for (v, perm), n in powers.items() if n]
        return Product(p.sign, p.factors, rest if number == 1 else [*rest, (self.const(number), None, 1)])

    def _sum_over(self, v: E, perm: Perm) -> tuple[Product[E], tuple[int, ...], int] | None:
        """(what v, transposed by `perm`, is the sum of, along which axes, of how many), if it is put in place."""
        own, v = self._untransposed(v)
        op, args = self.made(v)
        divisor = Product[E]()
        if op == _SWITCH and self.opens and self.made(args[0])[0] in TESTS:
            inner, v = self._untransposed(args[2])
            own = composed(inner, own) or None
            if self.made(v)[0] == _DIVIDE:          # of `_mean`
                v, by = self.made(v)[1]
                divisor = self.product(by)
            op, args = self.made(v)
        if type(op) in FOLDING and op.fn == "add":
            summed, axes, shape = self.product(args[0]), op.axes, args[0].type.shape
        elif type(op) in PRODUCTS and op.a == op.b and list(op.out) == [k for k in op.a if k in op.out]:
            summed, shape = self.product(args[0]).times(self.product(args[1])), args[0].type.shape
            axes = tuple([k for k, label in enumerate(op.a) if label not in op.out])
        else:
            return None
        fits = aligned(axes, composed(own, perm) or None, len(shape)) and all([shape[k] != 1 for k in axes])
        return (summed.times(divisor.power(-1)), axes, len(shape)) if fits else None

    def _untransposed(self, v: E) -> tuple[Perm, E]:
        """(perm, u): v is u transposed by `perm`."""
        perm: Perm = None
        fn, args = self.row(v)
        while fn == REORDER:
            perm, v = composed(self.made(v)[0].perm, perm), args[0]
            fn, args = self.row(v)
        return perm, v

    def built(self, p: Product[E]) -> E | None:
        """The expression of a product (`ir/stable_forms.py`)."""
        raise NotImplementedError

    def variable(self, u: Linear) -> E:
        """The expression of a linear combination (`ir/stable_forms.py`, as the next three)."""
        raise NotImplementedError

    def is_shifted(self, u: Linear) -> bool:
        """`shifted` of an exponent."""
        raise NotImplementedError

    def kept(self, reduced: E, axes: tuple[int, ...], like: E) -> E:
        """What was reduced along `axes`, with these as axes of size 1."""
        return build.insert_axes(self, reduced, axes, like.type.ndim)

    def shift(self, v: E, axes: tuple[int, ...]) -> tuple[E, E]:
        """(m, v - m in place), m the maximum along `axes`, held constant; 0 where infinite: inf - inf is nan."""
        m = self._unless_infinite(self.hold(build.fold(self, "maximum", v, axes)))
        return m, self.map("sub", v, self.kept(m, axes, v))


_SWITCH, _MUL, _DIVIDE = ops.Map("switch"), ops.Map("mul"), ops.Map("true_divide")
TESTS = (ops.Map("isinf"), ops.Map("isnan"))        # what the two sums are compared with


def takes_mean_off(b: Builder, less: Var, depth: int = 2) -> bool:
    """Is `less` what `Weighted` takes off the first time: a sum that is compared with infinity, or e * (sum / s)?"""
    eqn = b.producer.get(less)
    if eqn is None:
        return False
    if depth and eqn.op in (_MUL, _DIVIDE):
        return any([takes_mean_off(b, a, depth - 1) for a in eqn.args])
    test = b.producer.get(eqn.args[0]) if eqn.op == _SWITCH else None
    return test is not None and test.op == TESTS[0]


def _is_constant(v: HasType, perm: Perm, axes: tuple[int, ...], ndim: int) -> bool:
    """Is v, transposed by `perm`, of size 1 along the axes of what has `ndim`, as far as it has them?"""
    shape = v.type.shape
    if perm is not None:
        shape = tuple([1 if k < 0 else shape[k] for k in perm])
    return all([k < ndim - len(shape) or shape[k - ndim] == 1 for k in axes])
