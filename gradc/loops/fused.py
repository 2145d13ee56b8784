"""A product plus a literal becomes one operation with one rounding: polynomials by Horner's rule, mostly.

In: the statements of one scope.  Out: the same without the products that are used only there.

Only where the addend is a literal.  Of a difference of two products, one rounded and one not would make x*x - y*y
differ from 0 where x = y, and its square root nan; a literal knows nothing of the product's rounding.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from gradc.ir import dtypes
from gradc.loops.look import names, walk
from gradc.loops.nodes import Fn, Let, Lit, Local


def fused(statements: Sequence[Any]) -> tuple[Any, ...]:
    """`statements` with multiply-adds of literals."""
    products: dict[str, Any] = {s.name: s.expr for s in statements
                                if type(s) is Let and not s.mutable and _is(s.expr, "mul")}
    sums = {s.name: found for s in statements if type(s) is Let and (found := _with_literal(s.expr, products))}
    if not sums:
        return tuple(statements)
    uses = Counter(name for s in walk(statements) for name in names(s))
    gone = {product for product, _ in sums.values() if uses[product] == 1}
    result: list[Any] = []
    for s in statements:
        name = s.name if type(s) is Let else ""
        product, literal = sums.get(name, ("", None))
        if product in gone:
            result.append(Let(name, Fn("fma", (*products[product].args, literal), s.dtype), s.mutable))
        elif name not in gone:
            result.append(s)
    return tuple(result)


def _is(e: Any, row: str) -> bool:
    """Is an expression this row, applied to floats?"""
    return type(e) is Fn and e.row == row and e.dtype in dtypes.FLOATS


def _with_literal(e: Any, products: dict[str, Any]) -> tuple[str, Lit] | None:
    """The product and the literal that `e` adds to it."""
    if not _is(e, "add"):
        return None
    for a, b in (e.args, e.args[::-1]):
        if type(a) is Local and a.name in products and type(b) is Lit:
            return a.name, b
    return None
