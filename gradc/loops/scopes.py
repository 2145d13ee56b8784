"""Scopes: the statements inside some loops, and what has been named there.

Used by `loops.lower` and `loops.lower_scan`; not here: statements.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradc.loops.nodes import Expr, Fn, Fold, Lit
from gradc.loops.sizes import Point
from gradc.record import fresh, record

BODY = 128      # levels from one body (a step of a Scan, a branch of a Cond) to one inside it


@record(frozen=False, eq=False)
class Scope:
    """Statements inside `level` loops, counted BODY for each body around, and what has been named there.

    Nothing is taken out of a scope that is `closed`: what is in a branch is computed if it is taken.
    """

    level: int
    parent: Scope | None
    statements: list[Any] = fresh(factory=list)
    names: dict[object, Expr] = fresh(factory=dict)
    folds: list[Fold] = fresh(factory=list)
    after: list[Callable[[Scope], None]] = fresh(factory=list)     # run in the parent once the loop is closed
    closed: bool = False
    points: list[tuple[int, Point]] = fresh(factory=list)     # (how many statements are before it, the point)

    def find(self, key: object) -> Expr | None:
        scope: Scope | None = self
        while scope is not None:
            found = scope.names.get(key)
            if found is not None:
                return found
            scope = scope.parent
        return None

    def at(self, level: int) -> Scope:
        """The enclosing scope inside only `level` loops."""
        scope = self
        while scope.level > level and not scope.closed:
            assert scope.parent is not None
            scope = scope.parent
        return scope

    def in_body(self, loops: int) -> Scope:
        """The enclosing scope inside only `loops` loops of the same body."""
        return self.at(self.level - self.level % BODY + loops)

    def body(self, closed: bool = False) -> Scope:
        """The scope of a body that stands here."""
        return Scope(self.level - self.level % BODY + BODY, self, closed=closed)


def cast(value: Expr, dtype: str) -> Expr:
    """`value` in another dtype."""
    if value.dtype == dtype:
        return value
    if isinstance(value, Lit):
        with np.errstate(all="ignore"):
            return Lit(np.asarray(value.value).astype(dtype)[()], dtype)
    return Fn("cast", (value,), dtype)


def truth(value: Expr) -> Expr:
    """Is `value` not 0?"""
    return value if value.dtype == "bool" else Fn("neq", (value, Lit(0, value.dtype)), "bool")
