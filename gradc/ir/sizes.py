"""Sizes that only a run tells, in a normal form: what each dimension of each Var is, and which are equal.

A dimension is an int (a known size) or a `Symbol`, which is a name; equal names are equal sizes.  A Symbol is an atom,
or a term over other sizes:

    fn              args                        what it is
    shape           var, axis                   a size of an input, or of a result that only itself can tell
    value           var                         the value of an integer scalar that is no arithmetic of other sizes
    sum             constant, ((factor, size), ...)     affine
    product         size, size, ...
    quotient        a, b                        rounded down; 0 where b is 0
    minimum         a, b
    maximum         a, b
    align           a, k                        a rounded up to a multiple of k, a power of two
    position        at, n                       an index into an axis of n, which may count from the end
    slice_start, slice_first, slice_count       NumPy's rules for slices, as in csrc/include/gradc_sizes.h

What an equation says about sizes is in `ir.shapes`.  Here: arithmetic, what is known (equal sizes, lower bounds), and
what has to be checked when a program runs (`Constraint`).  Inside a branch more may be known than outside (`Region`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import prod
from typing import Any

from gradc.record import fresh as new
from gradc.record import record

RENEWED = 4         # levels of a term in which equal sizes are looked for again after sizes have become equal


class Symbol(str):
    """A size that only a run tells: its name.  See the module's docstring for `fn` and `args`."""

    __slots__ = ("args", "fn", "number")
    args: tuple[Any, ...]
    fn: str
    number: int         # in order of definition: the arguments of a term have smaller ones

    def __repr__(self) -> str:
        return str(self)


Dim = int | Symbol
Dims = tuple[Dim, ...]


@record(eq=False)
class Constraint:
    """What a run has to check.

    kind: equal; at_least, no_less: a >= b; inside: the index a is inside an axis of b; not_zero: a is not 0.
    message gives the text of a failure, in which {0} and {1} stand for a and b; error is the class.
    """

    kind: str
    a: Dim
    b: Dim
    error: str
    message: Callable[[], str]
    eqn: Any = None
    shown: Dims = ()        # sizes that stand in the message instead of a and b


@record(frozen=False, eq=False)
class Region:
    """What is known, and has to be checked, in one part of a program: in all of it, or in one branch."""

    constraints: list[Constraint] = new(factory=list)
    same: dict[Symbol, Dim] = new(factory=dict)           # union-find: a size -> what it is equal to
    at_least: dict[Symbol, int] = new(factory=dict)       # lower bounds that checks have told
    told: set[object] = new(factory=set)                   # (kind, a, b) of the constraints
    found: dict[object, Any] = new(factory=dict)           # memo of `find` and `all_found`

    def inner(self) -> Region:
        """A part of this one."""
        return Region([], dict(self.same), dict(self.at_least), set(self.told))


class Sizes:
    """Arithmetic on dimensions, and what is known of them.

    `fresh` makes a name unique; by default a number does.
    """

    def __init__(self, fresh: Callable[[str], str] | None = None) -> None:
        self.region = Region()
        self._fresh = fresh
        self._terms: dict[object, Symbol] = {}

    # -- terms

    def term(self, fn: str, args: tuple[Any, ...], base: str = "size") -> Symbol:
        """The Symbol that is `fn` of `args`; one that is new is called after `base`."""
        key = (fn, *args)
        found = self._terms.get(key)
        if found is None:
            number = len(self._terms)
            found = Symbol(self._fresh(base) if self._fresh else f"{base}_{number}")
            found.fn, found.args, found.number = fn, args, number
            self._terms[key] = found
        return found

    def known(self, fn: str, args: tuple[object, ...]) -> Symbol | None:
        """As `term`, if it is there."""
        return self._terms.get((fn, *args))

    def add(self, a: Dim, b: Dim, base: str = "size") -> Dim:
        """a + b."""
        if type(a) is int and type(b) is int:
            return a + b
        return self._sum(self.find(a), self.find(b), 1, base)

    def sub(self, a: Dim, b: Dim, base: str = "size") -> Dim:
        """a - b."""
        if type(a) is int and type(b) is int:
            return a - b
        return self._sum(self.find(a), self.find(b), -1, base)

    def mul(self, a: Dim, b: Dim, base: str = "size") -> Dim:
        """a * b."""
        if type(a) is int and type(b) is int:
            return a * b
        a, b = self.find(a), self.find(b)
        if type(a) is int:
            a, b = b, a
        if type(b) is int:
            if b == 0 or b == 1:
                return a if b else 0
            constant, terms = _affine(a)
            return self._affine_size(b * constant, {s: b * f for f, s in terms}, base)
        factor = 1
        sizes: list[Symbol] = []
        for x in (a, b):
            constant, terms = _affine(x)
            if not constant and len(terms) == 1:        # a multiple of one size: the factor goes outside
                factor *= terms[0][0]
                x = terms[0][1]
            sizes += x.args if x.fn == "product" else [x]  # type: ignore[union-attr, list-item]
        made = self.term("product", tuple(sorted(sizes, key=_number)), base if factor == 1 else "size")
        return made if factor == 1 else self.mul(made, factor, base)

    def quotient(self, a: Dim, b: Dim, base: str = "size") -> Dim:
        """a // b, rounded down; 0 where b is 0."""
        a, b = self.find(a), self.find(b)
        if type(b) is int:
            if b == 0:
                return 0
            if type(a) is int:
                return a // b
            constant, terms = _affine(a)
            if constant % b == 0 and all(f % b == 0 for f, _ in terms):
                return self._affine_size(constant // b, {s: f // b for f, s in terms}, base)
        return self.term("quotient", (a, b), base)

    def minimum(self, a: Dim, b: Dim, base: str = "size") -> Dim:
        """The smaller one."""
        return self._extreme("minimum", a, b, base)

    def maximum(self, a: Dim, b: Dim, base: str = "size") -> Dim:
        """The larger one."""
        return self._extreme("maximum", a, b, base)

    def align(self, a: Dim, k: int, base: str = "size") -> Dim:
        """a rounded up to a multiple of k, a power of two."""
        a = self.find(a)
        if type(a) is int:
            return (a + k - 1) & -k
        constant, terms = _affine(a)
        if constant % k == 0 and all(f % k == 0 for f, _ in terms):
            return a
        return self.term("align", (a, k), base)

    def product(self, dims: Sequence[Dim], base: str = "size") -> Dim:
        """Product of sizes."""
        result: Dim = 1
        for d in dims:
            result = self.mul(result, d, base)
        return result

    def strides(self, dims: Dims) -> Dims:
        """Strides in elements of a C-contiguous array."""
        result: list[Dim] = []
        step: Dim = 1
        for d in reversed(dims):
            result.append(step)
            step = self.mul(step, d)
        return tuple(reversed(result))

    def _sum(self, a: Dim, b: Dim, sign: int, base: str) -> Dim:
        constant, terms = _affine(a)
        other, more = _affine(b)
        if not more:
            if not other:
                return a
        elif not constant and not terms and sign == 1:
            return b
        factors = {s: f for f, s in terms}
        for f, s in more:
            factors[s] = factors.get(s, 0) + sign * f
        return self._affine_size(constant + sign * other, factors, base)

    def _affine_size(self, constant: int, factors: dict[Symbol, int], base: str) -> Dim:
        """constant + the sum of factor * size."""
        kept = sorted([(s.number, f, s) for s, f in factors.items() if f])
        if not kept:
            return constant
        if len(kept) == 1 and not constant and kept[0][1] == 1:
            return kept[0][2]
        for _, f, s in kept:
            if (f == -1 or f == 1) and (s.fn == "maximum" or s.fn == "minimum") and type(s.args[1]) is int:
                found = self._both_parts(constant, factors, f, s, base)
                if found is not None:
                    return found
        return self.term("sum", (constant, tuple([(f, s) for _, f, s in kept])), base)

    def _both_parts(self, constant: int, factors: dict[Symbol, int], f: int, s: Symbol, base: str) -> Dim | None:
        """The sum of a whole and a part of it, or of two parts that make it up.

        x - max(x, c) = min(x, c) - c;  x - min(x, c) = max(x, c) - c;  min(x, c) + max(x, c) = x + c
        """
        x, c = s.args
        rest = dict(factors)
        del rest[s]
        other = "minimum" if s.fn == "maximum" else "maximum"
        if f == 1:
            part = self.known(other, (x, c))
            if part is None or rest.get(part) != 1:
                return None
            del rest[part]
            return self.add(self._affine_size(constant + c, rest, base), x, base)
        _, terms = _affine(x)
        if rest.keys() == {t for _, t in terms} and all(rest[t] == g for g, t in terms):
            return self.add(self._extreme(other, x, c, base), constant - c, base)
        return None

    def _extreme(self, fn: str, a: Dim, b: Dim, base: str) -> Dim:
        """Of a size and a number always that of the size without its constant: max(n - 2, 0) is max(n, 2) - 2."""
        a, b = self.find(a), self.find(b)
        pick = max if fn == "maximum" else min
        if type(a) is int:
            if type(b) is int:
                return pick(a, b)
            a, b = b, a
        assert isinstance(a, Symbol)
        low = self.lower(self._sum(a, b, -1, base))
        if low is not None and low >= 0:
            return a if fn == "maximum" else b
        low = self.lower(self._sum(b, a, -1, base))
        if low is not None and low >= 0:
            return b if fn == "maximum" else a
        if type(b) is int:
            constant, terms = _affine(a)
            if constant:
                return self.add(self._extreme(fn, self._affine_size(0, {s: f for f, s in terms}, base), b - constant,
                                              "size"), constant, base)
            if a.fn == fn and type(a.args[1]) is int:
                return self._extreme(fn, a.args[0], pick(a.args[1], b), base)
        elif isinstance(b, Symbol) and a.number > b.number:
            a, b = b, a
        return self.term(fn, (a, b), base)

    # -- slices

    def position(self, at: Dim, n: Dim) -> Dim:
        """An index, which may count from the end of an axis of n, as an offset from the start."""
        at = self.find(at)
        if type(at) is int:
            return at if at >= 0 else self.add(n, at, "position")
        return at if self.is_length(at) else self.term("position", (at, self.find(n)), "position")

    def slice_range(self, start: Dim | None, stop: Dim | None, step: Dim | None, n: Dim) -> tuple[Dim, Dim, Dim]:
        """(first position, number of elements, step) of a slice of an axis of n, by NumPy's rules."""
        start, stop, n = (None if d is None else self.find(d) for d in (start, stop, n))  # type: ignore[assignment]
        step = 1 if step is None else self.find(step)
        if all(b is None or type(b) is int for b in (start, stop, step, n)) and step:
            r = range(*slice(start, stop, step).indices(n))  # type: ignore[arg-type]
            return (r.start if len(r) else 0), len(r), step
        if step == -1 and start is None and stop is None:
            return self.sub(n, 1), n, -1
        if step == 1:
            first: Dim = 0 if start is None else self.clamped(start, n)
            if stop is None:
                if type(start) is int and start < 0:        # the last elements
                    return first, self.minimum(n, -start, "length"), 1
                return first, self.maximum(self.sub(n, first), 0, "length"), 1
            if (start is None or type(start) is int) and type(stop) is int:
                begin = start or 0
                if begin >= 0:
                    end = self.add(n, stop) if stop < 0 else self.minimum(n, stop)
                    return first, self.maximum(self.sub(end, begin), 0, "length"), 1
            return first, self.maximum(self.sub(self.clamped(stop, n), first), 0, "length"), 1
        if not isinstance(step, int):
            self.constrain("not_zero", step, 0, "ShapeError", lambda: "a slice has step 0")
        flags = (start is None) + 2 * (stop is None)
        args = (n, 0 if start is None else start, 0 if stop is None else stop, step, flags)
        return self.term("slice_first", args, "first"), self.term("slice_count", args, "length"), step

    def clamped(self, bound: Dim, n: Dim) -> Dim:
        """A bound of a slice with step 1 as a position from 0 to n."""
        bound = self.find(bound)
        if type(bound) is int and bound < 0:
            return self.maximum(self.add(n, bound), 0, "bound")
        low = self.lower(bound)
        if low is not None and low >= 0:
            return self.minimum(n, bound, "bound")
        return self.term("slice_start", (n, bound), "bound")

    # -- what is known

    def find(self, size: Dim) -> Dim:
        """The representative of all sizes that are equal to `size`: an int, else the simplest one."""
        region = self.region
        if type(size) is int or not region.same:
            return size
        found = region.found.get(size)
        if found is None:
            region.found[size] = size       # where it is asked for again meanwhile
            found = region.found[size] = self._renewed(size, RENEWED)
        return found

    def all_found(self, dims: Dims) -> Dims:
        """The representatives of all of `dims`."""
        region = self.region
        if not dims or not region.same:
            return dims
        found = region.found.get(dims)
        if found is None:
            found = region.found[dims] = tuple([self.find(d) for d in dims])
        return found

    def _renewed(self, size: Dim, depth: int) -> Dim:
        same = self.region.same
        while size in same:
            size = same[size]
        if type(size) is int or not depth:
            return size
        fn, args = size.fn, size.args  # type: ignore[union-attr]
        if fn == "sum":
            summands = [(f, self._renewed(s, depth - 1)) for f, s in args[1]]
            if all(p is s for (_, p), (_, s) in zip(summands, args[1])):
                return size
            total: Dim = args[0]
            for f, p in summands:
                total = self.add(total, self.mul(p, f))
            return total
        if fn in ("product", "quotient", "minimum", "maximum", "align"):
            renewed = [self._renewed(s, depth - 1) for s in args]
            if all(p is s for p, s in zip(renewed, args)):
                return size
            if fn == "product":
                return self.product(renewed)
            return getattr(self, fn)(*renewed)
        return size

    def translated(self, size: Dim, atom: Callable[[Symbol], Dim | None], memo: dict[Dim, Dim | None]) -> Dim | None:
        """A size that others know, by what its atoms are here; None if `atom` does not tell one of them."""
        if type(size) is int:
            return size
        for s in sorted(parts(size), key=_number):
            if s not in memo:
                memo[s] = atom(s) if s.fn in ("shape", "value") else self._from_parts(s.fn, s.args, memo)
        return memo[size]

    def _from_parts(self, fn: str, args: tuple[Any, ...], memo: dict[Dim, Dim | None]) -> Dim | None:
        """The term `fn` of what `memo` says its arguments are."""
        if fn == "sum":
            total: Dim = args[0]
            for f, s in args[1]:
                part = memo[s]
                if part is None:
                    return None
                total = self.add(total, self.mul(part, f))
            return total
        found: list[Any] = [a if type(a) is int else memo[a] for a in args]
        if None in found:
            return None
        if fn == "product":
            return self.product(found)
        if fn == "slice_start":
            return self.clamped(found[1], found[0])
        if fn in ("slice_first", "slice_count"):
            n, start, stop, step, flags = found
            return self.slice_range(None if flags & 1 else start, None if flags & 2 else stop, step, n)[
                fn == "slice_count"]
        return getattr(self, fn)(*found)

    def equal(self, a: Dims, b: Dims) -> bool:
        """Are these the same shapes at run time?"""
        return a == b or (len(a) == len(b) and all(x == y or self.find(x) == self.find(y) for x, y in zip(a, b)))

    def lower(self, size: Dim) -> int | None:
        """A number that `size` is not below, if one is known."""
        if type(size) is int:
            return size
        told = self.region.at_least.get(size)  # type: ignore[arg-type]
        own: int | None = None
        fn, args = size.fn, size.args  # type: ignore[union-attr]
        if fn in ("shape", "position", "slice_start", "slice_first", "slice_count"):
            own = 0
        elif fn == "sum":
            own = args[0]
            for f, s in args[1]:
                low = self.lower(s) if f > 0 else None
                if low is None:
                    own = self._lower_by_wholes(size)  # type: ignore[arg-type]
                    break
                own += f * low
        elif fn == "maximum":
            own = max((low for low in map(self.lower, args) if low is not None), default=None)
        elif fn == "align":
            own = self.lower(args[0])
        elif fn in ("minimum", "product", "quotient"):
            lows = [low for low in map(self.lower, args) if low is not None]
            if len(lows) == len(args):
                if fn == "minimum":
                    own = min(lows)
                elif min(lows) >= 0:
                    own = prod(lows) if fn == "product" else 0
        return own if told is None else told if own is None else max(own, told)

    def _lower_by_wholes(self, size: Symbol) -> int | None:
        """As `lower`, of a sum that takes away a part of a size: it is no more than the whole."""
        for f, s in size.args[1]:
            if f < 0 and (s.fn == "minimum" or (s.fn == "slice_start" and self.is_length(s.args[0]))):
                for whole in s.args if s.fn == "minimum" else s.args[:1]:
                    low, more = _affine(whole)
                    factors = dict([(t, g) for g, t in size.args[1] if t is not s])
                    for g, t in more:
                        factors[t] = factors.get(t, 0) + f * g
                    lows = [g * least for t, g in factors.items() if g > 0 and (least := self.lower(t)) is not None]
                    if len(lows) == len(factors) - list(factors.values()).count(0):
                        return size.args[0] + f * low + sum(lows)
        return None

    def is_length(self, size: Dim) -> bool:
        """Is it known not to be negative?"""
        low = self.lower(size)
        return low is not None and low >= 0

    # -- what has to be checked

    def constrain(self, kind: str, a: Dim, b: Dim, error: str, message: Callable[[], str], shown: Dims = ()) -> None:
        """Note what a run has to check: see `Constraint`."""
        self.region.constraints.append(Constraint(kind, a, b, error, message, getattr(self, "eqn", None), shown))

    def unify(self, a: Dim, b: Dim, message: Callable[[], str]) -> Dim:
        """Both must be equal: a check (a ShapeError), and one representative from here on."""
        a, b = self.find(a), self.find(b)
        if a == b:
            return a
        self.constrain("equal", a, b, "ShapeError", message)
        self._join(a, b)
        return self.find(a)

    def _join(self, a: Dim, b: Dim) -> None:
        region = self.region
        difference = self._sum(a, b, -1, "size")
        constant, terms = _affine(difference)
        if len(terms) == 1 and constant % terms[0][0] == 0:         # one size is a number
            old, size = terms[0][1], -constant // terms[0][0]
            region.same[old] = size
        elif len(terms) == 2 and {terms[0][0], terms[1][0]} == {1, -1}:
            x, y = (s for _, s in sorted(terms, reverse=True))      # x - y + constant = 0
            older, younger, shift = (y, x, -constant) if self._simpler(y, x) else (x, y, constant)
            region.same[younger] = self.add(older, shift)
        elif terms:
            self._replace(a, b)
        region.found.clear()
        a, b = self.find(a), self.find(b)
        if a != b and not (type(a) is int and type(b) is int):      # what follows from it does not tell both
            self._replace(a, b)
            region.found.clear()

    def _replace(self, a: Dim, b: Dim) -> None:
        """The simpler of two equal sizes stands for the other."""
        if type(a) is int or (type(b) is not int and self._simpler(a, b)):  # type: ignore[arg-type]
            a, b = b, a
        self.region.same[a] = b  # type: ignore[index]

    def _simpler(self, a: Symbol, b: Symbol) -> bool:
        """Should a stand for b, to which it is equal, rather than the other way round?  (No term for its own parts.)"""
        return a.number < b.number

    def at_least(self, a: Dim, low: int, error: str, message: Callable[[], str]) -> None:
        """a must not be below `low`: a check, unless that is known."""
        a = self.find(a)
        have = self.lower(a)
        if have is None or have < low:
            self.constrain("at_least", a, low, error, message)
            if isinstance(a, Symbol):
                self.region.at_least[a] = low

    @contextmanager
    def inside(self, region: Region | None = None) -> Iterator[Region]:
        """What is noted meanwhile belongs to an inner region."""
        outer = self.region
        self.region = outer.inner() if region is None else region
        try:
            yield self.region
        finally:
            self.region = outer


def _affine(size: Dim) -> tuple[int, Sequence[tuple[int, Symbol]]]:
    """(constant, ((factor, size), ...))."""
    if type(size) is int:
        return size, ()
    if size.fn == "sum":  # type: ignore[union-attr]
        return size.args  # type: ignore[union-attr]
    return 0, ((1, size),)  # type: ignore[return-value]


def _number(size: Symbol) -> int:
    return size.number


def parts(size: Dim) -> Iterator[Symbol]:
    """A size and all that it is made of, each once."""
    seen: set[Symbol] = set()
    stack = [size]
    while stack:
        s = stack.pop()
        if type(s) is Symbol and s not in seen:
            seen.add(s)
            yield s
            if s.fn not in ("shape", "value"):
                stack.extend([t for _, t in s.args[1]] if s.fn == "sum" else s.args)
