"""Sizes and what is checked of them as statements: a term of `ir.sizes` becomes an expression, a constraint a Check.

Which sizes are written where is `loops.sizes`' affair.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from gradc.ir.sizes import Constraint, Dim, Symbol
from gradc.loops.look import with_parts
from gradc.loops.nodes import Check, Define, Expr, Fn, Lit, Load, Size

INLINE = 3              # levels of a size that is used once are written where it is used


class SizeWriter:
    """Writes sizes in an order in which each is there when it is used.

    code: what computes an atom.  here: is it a size that is to be written, not one that is known before?  named: sizes
    that get names, as they are used more than once.
    """

    def __init__(self, code: Mapping[Symbol, Expr], here: Callable[[Symbol], bool], named: set[Symbol]) -> None:
        self.code = code
        self.here = here
        self.named = named
        self.before: set[Symbol] = set()            # what is used and known before
        self.done: set[Symbol] = set()
        self.statements: list[Define | Check] = []

    def check(self, c: Constraint, number: int) -> None:
        for d in (c.a, c.b, *c.shown):
            self.define(d)
        self.statements.append(check_of(c, number))

    def define(self, root: Dim) -> None:
        """The Define of a size, after those of what it is computed from."""
        stack: list[Dim] = [root]
        while stack:
            size = stack[-1]
            if isinstance(size, int) or size in self.done or self.is_there(size):
                stack.pop()
                continue
            expr, waiting = self.expression(size, INLINE)
            missing = [s for s in waiting if s not in self.done and not self.is_there(s)]
            if missing:
                stack += missing
                continue
            stack.pop()
            self.done.add(size)
            self.statements.append(Define(size, expr))

    def is_there(self, size: Symbol) -> bool:
        """Is a size known without a statement?"""
        if self.here(size):
            return False
        self.before.add(size)
        return True

    def expression(self, size: Symbol, depth: int) -> tuple[Expr, list[Symbol]]:
        """A size by what it is computed from, and those of these that have names."""
        waiting: list[Symbol] = []

        def part(d: Dim) -> Expr:
            if not isinstance(d, Symbol) or d in self.named or not depth or d.fn == "value" or not self.here(d):
                if isinstance(d, Symbol):
                    waiting.append(d)
                return Size(d)
            inner, more = self.expression(d, depth - 1)
            waiting.extend(more)
            return inner

        fn, args = size.fn, size.args
        if fn == "value":
            code = self.code[size]
            return code, sizes_in(code)
        if fn == "sum":
            return _sum(args[0], args[1], part), waiting
        if fn == "product":
            total = part(args[0])
            for s in args[1:]:
                total = Fn("mul", (total, part(s)), "int64")
            return total, waiting
        if fn == "align":
            up = Fn("add", (part(args[0]), Lit(args[1] - 1, "int64")), "int64")
            return Fn("and_", (up, Lit(-args[1], "int64")), "int64"), waiting
        row = "floor_divide" if fn == "quotient" else fn
        return Fn(row, tuple([part(a) for a in args]), "int64"), waiting


def _sum(constant: int, terms: Sequence[tuple[int, Symbol]], part: Callable[[Dim], Expr]) -> Expr:
    """constant + factor * size + ..., what is added before what is taken away."""
    total: Expr | None = None
    for f, s in sorted(terms, key=lambda term: term[0] < 0):
        x = part(s) if abs(f) == 1 else Fn("mul", (Lit(abs(f), "int64"), part(s)), "int64")
        if total is None:
            total = x if f > 0 else Fn("sub", (Lit(constant, "int64"), x), "int64")
            constant = constant if f > 0 else 0
        else:
            total = Fn("add" if f > 0 else "sub", (total, x), "int64")
    assert total is not None
    if not constant:
        return total
    return Fn("add" if constant > 0 else "sub", (total, Lit(abs(constant), "int64")), "int64")


def check_of(c: Constraint, number: int) -> Check:
    """A constraint as a statement; a and b are handed on where its message shows them."""
    a, b = Size(c.a), Size(c.b)
    zero = Lit(0, "int64")
    values: tuple[Expr, ...] = (a, b)
    match c.kind:
        case "equal":
            condition: Expr = Fn("eq", (a, b), "bool")
        case "no_less":
            condition = Fn("ge", (a, b), "bool")
        case "at_least":
            condition = Fn("gt", (a, zero), "bool") if c.b == 1 else Fn("ge", (a, Lit(c.b, "int64")), "bool")
            values = (a,)
        case "inside":
            condition = inside(a, b)
        case "not_zero":
            condition, values = Fn("neq", (a, zero), "bool"), tuple([Size(d) for d in c.shown])
    if "{0}" not in c.message():
        values = ()
    if isinstance(c.a, int) and isinstance(c.b, int):
        condition = Lit(_holds(c.kind, c.a, c.b), "bool")
    return Check(condition, number, values)


def _holds(kind: str, a: int, b: int) -> bool:
    return {"equal": a == b, "no_less": a >= b, "at_least": a >= b, "inside": -b <= a < b, "not_zero": a != 0}[kind]


def inside(at: Expr, n: Expr) -> Expr:
    """Is an index (negative counts from the end) inside an axis of n?"""
    return Fn("and_", (Fn("lt", (at, n), "bool"), Fn("ge", (Fn("add", (at, n), "int64"), Lit(0, "int64")), "bool")),
              "bool")


def sizes_in(expr: Expr | None) -> list[Symbol]:
    """The Symbols of an expression."""
    used = [e.size if type(e) is Size else e.index.offset if type(e) is Load else None for e in with_parts([expr])]
    return [d for d in used if isinstance(d, Symbol)]
