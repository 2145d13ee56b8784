"""`Linear`: an exponent as a linear combination, so that differences of exponents are taken without rounding.

`Expressions` is what the algebra of exponentials asks of expressions, be they Variables or Vars; `Exponents` reads
combinations from them.
"""
from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any, Generic, TypeAlias, TypeVar

from gradc.ir import dtypes, ops
from gradc.ir.facts import FOLDING, PRODUCTS, REORDERING
from gradc.ir.types import HasType

E = TypeVar("E", bound=HasType)      # an expression: Variable or Var
Atom: TypeAlias = Any                # an expression, or ("square", Linear)

DEPTH = 8           # how far into an expression to look
_MOST_ATOMS = 4     # of an exponent


class Linear:
    """const + the sum of coefficient * atom; an atom is an expression or `("square", Linear)`.  A value: hashable."""

    __slots__ = ("_hash", "_key", "const", "terms")

    def __init__(self, terms: dict[Atom, float] | None = None, const: float = 0.0) -> None:
        self.terms = {atom: c for atom, c in terms.items() if c} if terms else {}
        self.const = const
        self._key = frozenset(self.terms.items()), const
        self._hash = hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Linear) and self._key == other._key

    def __hash__(self) -> int:
        return self._hash

    def __add__(self, other: Linear) -> Linear:
        terms = dict(self.terms)
        for atom, c in other.terms.items():
            terms[atom] = terms.get(atom, 0.0) + c
        return Linear(terms, self.const + other.const)

    def __sub__(self, other: Linear) -> Linear:
        return self + other.times(-1.0)

    def times(self, factor: float) -> Linear:
        """factor * self."""
        return Linear({atom: c * factor for atom, c in self.terms.items()}, self.const * factor)

    def snapped(self) -> Linear:
        """self with integers for coefficients that are so but for rounding: sqrt(2) * sqrt(1/2) is 1."""
        return Linear({a: float(round(c)) if abs(c - round(c)) < 1e-15 else c for a, c in self.terms.items()},
                      self.const)

    def square(self) -> Linear:
        """self**2, as a multiple of the square of a combination whose first coefficient is 1."""
        if not self.terms:
            return Linear(const=self.const**2)
        scale = next(iter(self.terms.values()))
        return Linear({("square", self.times(1 / scale)): scale * scale})

    def along(self, other: Linear) -> float:
        """Positive if both grow where one atom that they share does, and no other moves; negative if they part."""
        return sum([c * other.terms.get(atom, 0.0) for atom, c in self.terms.items()])

    def multiple(self, of: Linear) -> tuple[float, float]:
        """The least and the largest ratio of coefficients of self to those of `of`."""
        ratios = [self.terms.get(atom, 0.0) / c for atom, c in of.terms.items()]
        return (min(ratios), max(ratios)) if ratios else (math.nan, math.nan)

    def atoms(self) -> set[Atom]:
        """The expressions in it."""
        found: set[Atom] = set()
        for atom in self.terms:
            found |= atom[1].atoms() if type(atom) is tuple else {atom}
        return found


class Expressions(Generic[E]):
    """How expressions of one kind are taken apart and built; the rest of the algebra asks nothing else of them."""

    dtype = ""          # of what is being replaced

    def made(self, v: E) -> tuple[Any, Sequence[E]]:
        """The op that makes v, and its arguments; (None, ()) for what is not to be seen through."""
        raise NotImplementedError

    def number(self, v: E) -> float | None:
        """The value of a constant that is one real number."""
        raise NotImplementedError

    def map(self, fn: str, *args: E) -> E:
        """The row `fn` of `args`."""
        raise NotImplementedError

    def apply(self, op: ops.OpKind, *args: E) -> E:
        """`op(*args)`."""
        raise NotImplementedError

    def cast(self, v: E, dtype: str) -> E:
        """v in another dtype."""
        raise NotImplementedError

    def const(self, value: float) -> E:
        """A number in the dtype of what is being replaced."""
        raise NotImplementedError

    def hold(self, v: E) -> E:
        """v without a derivative."""
        return v


class Exponents(Expressions[E]):
    """Takes exponents apart; what it finds out about one is kept."""

    def __init__(self) -> None:
        self._linear: dict[E, Linear] = {}
        self.written: dict[Hashable, E] = {}       # a Linear or a factor -> the expression that was found for it

    def row(self, v: E) -> tuple[Any, Sequence[E]]:
        """The row that makes v, or FOLD, CONTRACT or REORDER, and its arguments: floating ones, or numbers."""
        op, args = self.made(v)
        fn = op.fn if type(op) is ops.Map else _STRUCTURAL.get(type(op))
        if v.type.dtype not in dtypes.FLOATS or fn is None:
            return None, ()
        for a in args:
            if a.type.dtype not in dtypes.FLOATS and self.number(a) is None:
                return None, ()
        return fn, args

    def linear(self, v: E, depth: int = DEPTH) -> Linear:
        """v as a linear combination."""
        found = self._linear.get(v)
        if found is None:
            number = self.number(v)
            if number is not None:
                return Linear(const=number)
            found = self._linear[v] = (depth and self._combination(v, depth)) or Linear({v: 1.0})
            self.written.setdefault(found, v)
        return found

    def _combination(self, v: E, depth: int) -> Linear | None:
        fn, args = self.row(v)
        made: Linear | None = None
        match fn:
            case "neg":
                made = self.linear(args[0], depth - 1).times(-1)
            case "add":
                made = self.linear(args[0], depth - 1) + self.linear(args[1], depth - 1)
            case "sub" if not self.shifted(v):
                made = self.linear(args[0], depth - 1) - self.linear(args[1], depth - 1)
            case "mul":
                first, second = [self.number(a) for a in args]
                if first is not None or second is not None:
                    made = self.linear(args[0 if first is None else 1], depth - 1).times(
                        first if first is not None else second or 0.0)
                elif args[0] is args[1]:
                    made = self.linear(args[0], depth - 1).square()
            case "true_divide":
                number = self.number(args[1])
                if number:
                    inner = self.linear(args[0], depth - 1)
                    made = Linear({atom: c / number for atom, c in inner.terms.items()}, inner.const / number)
            case "square":
                made = self.linear(args[0], depth - 1).square()
            case "pow" if self.number(args[1]) == 2:
                made = self.linear(args[0], depth - 1).square()
        if made is None or len(made.terms) > _MOST_ATOMS or not made.terms \
                or not all(map(math.isfinite, (made.const, *made.terms.values()))):
            return None
        return made

    def shifted(self, u: E) -> bool:
        """Is u of the form w - max(w), so that exp(u) can't overflow?"""
        fn, args = self.row(u)
        if fn != "sub":
            return False
        v = args[1]
        for _ in range(6):
            op, inner = self.made(v)
            if type(op) in FOLDING:
                return op.fn == "maximum"
            if type(op) not in (*REORDERING, ops.Broadcast, ops.GradientOf) and op != _SWITCH:
                return False
            v = inner[2 if op == _SWITCH else 0]
        return False


FOLD, CONTRACT, REORDER = "(fold)", "(contract)", "(reorder)"       # beside rows: what else forms look through
_STRUCTURAL = {**dict.fromkeys(FOLDING, FOLD), **dict.fromkeys(PRODUCTS, CONTRACT),
               **dict.fromkeys(REORDERING, REORDER)}
_SWITCH = ops.Map("switch")
