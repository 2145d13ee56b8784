"""Statements and expressions of the loop IR as C text; one short method per kind of node, no decisions.

In: nodes.  Out: lines.  The printer owns indentation.  Each expression is printed so that it can stand as an operand.
"""

from __future__ import annotations

import math
from functools import singledispatchmethod
from typing import Any

import numpy as np

from gradc.codegen.names import C_TYPE, KIND, LOCAL_TYPE, SUFFIX, safe
from gradc.errors import NoRuleError
from gradc.ir import dtypes
from gradc.ir.scalars import get_row
from gradc.loops.nodes import (
    LANES, Accumulate, Assign, Check, Define, Fn, For, Gemm, Index, Let, Lit, Load, Local, Size, SizeExpr, Store,
    Update,
)

SMALL_INT = {"int8", "int16", "uint8", "uint16"}    # C computes these in int: results are cut back
SIZE_FUNCTIONS = {"position", "slice_start", "slice_first", "slice_count"}
UNROLLED = 64                                       # a reduction over a static size up to this needs no lanes


def literal(value: Any, dtype: str) -> str:
    """A number as a C literal of `dtype`."""
    if dtype in dtypes.FLOATS:
        value = float(value)
        if math.isnan(value):
            return "NAN" if dtype == "float32" else "(double)NAN"
        if math.isinf(value):
            text = "INFINITY" if dtype == "float32" else "(double)INFINITY"
            return text if value > 0 else f"(-{text})"
        text = repr(value) if dtype == "float64" else str(np.float32(value))
        if "e" not in text and "." not in text:
            text += ".0"
        text += SUFFIX[dtype]
        return f"({text})" if text.startswith("-") else text
    if dtype == "bool":
        return "true" if value else "false"
    value = int(value)
    if dtype == "uint64":
        return f"UINT64_C({value})"
    if dtype == "uint32":
        return f"{value}u"
    if dtype == "int64" and not -2**31 < value < 2**31:
        return "INT64_MIN" if value == -2**63 else f"INT64_C({value})" if value >= 0 else f"(-INT64_C({-value}))"
    if value == -2**31:
        return "INT32_MIN"
    return str(value) if value >= 0 else f"({value})"


class Printer:
    """Prints one section."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.depth = 1
        self.lane: str | None = None        # inside a loop with lanes: subscript of its accumulators
        self.lanes: set[str] = set()        # the accumulators that have lanes right now
        self.lane_loops = 0

    def line(self, text: str) -> None:
        self.lines.append("    " * self.depth + text)

    def statements(self, body: tuple[Any, ...]) -> None:
        for s in body:
            self.statement(s)

    # -- expressions

    @singledispatchmethod
    def expr(self, e: Any) -> str:
        raise NoRuleError(f"{type(e).__name__} has no C form")

    @expr.register
    def _(self, e: Lit) -> str:
        return literal(e.value, e.dtype)

    @expr.register
    def _(self, e: Local) -> str:
        return safe(e.name)

    @expr.register
    def _(self, e: Size) -> str:
        return self.size(e.size)

    @expr.register
    def _(self, e: Load) -> str:
        text = f"{safe(e.buffer.name)}[{self.index(e.index)}]"
        return f"({text} != 0)" if e.buffer.dtype == "bool" else text

    @expr.register
    def _(self, e: Fn) -> str:
        if e.row == "cast":
            return self.cast(e.args[0], e.dtype)
        if e.row in SIZE_FUNCTIONS:
            return f"gradc_{e.row}({', '.join(self.expr(a) for a in e.args)})"
        return self.row(get_row(e.row), [self.expr(a) for a in e.args], e.args[-1].dtype, e.dtype)

    def row(self, row: Any, args: list[str], compute: str, result: str) -> str:
        """A row's C text with its arguments filled in."""
        template = row.c
        if isinstance(template, dict):
            template = template[KIND[compute]]
        text = template.format(*args, s=SUFFIX.get(compute, ""), t=dtypes.SHORT[compute])
        if result in SMALL_INT:
            return f"({C_TYPE[result]})({text})"
        if text.endswith(")") and text.split("(", 1)[0].replace("_", "").isalnum() and _closes_at_end(text):
            return text
        return text if text in args else f"({text})"

    def cast(self, value: Any, dtype: str) -> str:
        text, source = self.expr(value), value.dtype
        if dtype == "bool":
            return f"({text} != 0)"
        if source in dtypes.FLOATS and dtype in dtypes.INTEGERS:
            return f"gradc_{dtypes.SHORT[source]}_to_{dtypes.SHORT[dtype]}({text})"
        return f"({C_TYPE[dtype]}){text}"

    def size(self, size: SizeExpr) -> str:
        return str(size) if isinstance(size, int) and size >= 0 else f"({size})" if isinstance(size, int) else safe(size)

    def index(self, index: Index) -> str:
        parts = [safe(v) if s == 1 else f"{self.size(s)} * {safe(v)}" for s, v in index.terms]
        if index.offset != 0 or not parts:
            parts.append(self.size(index.offset))
        return " + ".join(parts)

    # -- statements

    @singledispatchmethod
    def statement(self, s: Any) -> None:
        raise NoRuleError(f"{type(s).__name__} has no C form")

    @statement.register
    def _(self, s: Let) -> None:
        const = "" if s.mutable else "const "
        self.line(f"{const}{LOCAL_TYPE[s.dtype]} {safe(s.name)} = {_bare(self.expr(s.expr))};")

    @statement.register
    def _(self, s: Assign) -> None:
        self.line(f"{safe(s.name)} = {_bare(self.expr(s.expr))};")

    @statement.register
    def _(self, s: Store) -> None:
        self.line(f"{safe(s.buffer.name)}[{self.index(s.index)}] = {_bare(self.expr(s.expr))};")

    @statement.register
    def _(self, s: Accumulate) -> None:
        place = f"{safe(s.buffer.name)}[{self.index(s.index)}]"
        self.line(f"{place} = {self.folded(s.row, place, s.expr, s.buffer.dtype)};")

    @statement.register
    def _(self, s: Update) -> None:
        name = safe(s.name)
        place = f"{name}_lanes[{self.lane}]" if s.name in self.lanes else name
        self.line(f"{place} = {self.folded(s.row, place, s.expr, s.expr.dtype)};")

    def folded(self, row: str, place: str, value: Any, dtype: str) -> str:
        """row(place, value); a product is added with one rounding where the CPU can."""
        if row == "add" and type(value) is Fn and value.row == "mul" and dtype in dtypes.FLOATS:
            return f"GRADC_FMA{'F' if dtype == 'float32' else ''}({self.expr(value.args[0])}, " \
                   f"{self.expr(value.args[1])}, {place})"
        return _bare(self.row(get_row(row), [place, self.expr(value)], dtype, dtype))

    @statement.register
    def _(self, s: Check) -> None:
        self.line(f"if (!{self.expr(s.condition)}) {{")
        for k, v in enumerate(s.values):
            self.line(f"    frame->error[{k}] = {self.expr(v)};")
        self.line(f"    return {s.number};")
        self.line("}")

    @statement.register
    def _(self, s: Define) -> None:
        self.line(f"const int64_t {safe(s.name)} = {_bare(self.expr(s.expr))};")

    @statement.register
    def _(self, s: For) -> None:
        if not s.folds:
            self.loop(s, f"for (int64_t {s.var} = {self.size(s.start)}; {s.var} < {self.size(s.stop)}; ++{s.var})")
        elif _has_loop(s) or isinstance(s.start, int) and isinstance(s.stop, int) and s.stop - s.start <= UNROLLED:
            for f in s.folds:
                self.line(f"{LOCAL_TYPE[f.dtype]} {safe(f.name)} = {literal(f.identity, f.dtype)};")
            self.loop(s, f"for (int64_t {s.var} = {self.size(s.start)}; {s.var} < {self.size(s.stop)}; ++{s.var})")
        else:
            self.lane_loop(s)

    def loop(self, s: For, head: str, first: str | None = None) -> None:
        self.line(f"{head} {{")
        self.depth += 1
        if first:
            self.line(first)
        self.statements(s.body)
        self.depth -= 1
        self.line("}")

    def lane_loop(self, s: For) -> None:
        """Element j goes to lane j % LANES; the lanes are folded in halves."""
        self.lane_loops += 1
        start = f"{s.var}_{self.lane_loops}"
        base = f"{start} + lane"
        for f in s.folds:
            t = LOCAL_TYPE[f.dtype]
            self.line(f"{t} {safe(f.name)}_lanes[{LANES}];")
            self.line(f"for (int lane = 0; lane < {LANES}; ++lane)")
            self.line(f"    {safe(f.name)}_lanes[lane] = {literal(f.identity, f.dtype)};")
        outer_lane, outer_lanes = self.lane, self.lanes
        self.lane, self.lanes = "lane", {f.name for f in s.folds}
        stop = self.size(s.stop)
        self.line(f"int64_t {start} = {self.size(s.start)};")
        self.line(f"for (; {start} + {LANES} <= {stop}; {start} += {LANES})")
        self.depth += 1
        self.loop(s, f"for (int64_t lane = 0; lane < {LANES}; ++lane)", f"const int64_t {s.var} = {base};")
        self.depth -= 1
        self.loop(s, f"for (int64_t lane = 0; {base} < {stop}; ++lane)", f"const int64_t {s.var} = {base};")
        self.lane, self.lanes = outer_lane, outer_lanes
        for f in s.folds:
            name = f"{safe(f.name)}_lanes"
            self.line(f"for (int half = {LANES // 2}; half > 0; half /= 2)")
            self.line("    for (int lane = 0; lane < half; ++lane)")
            folded = _bare(self.row(get_row(f.row), [f"{name}[lane]", f"{name}[lane + half]"], f.dtype, f.dtype))
            self.line(f"        {name}[lane] = {folded};")
            self.line(f"const {LOCAL_TYPE[f.dtype]} {safe(f.name)} = {name}[0];")

    @statement.register
    def _(self, s: Gemm) -> None:
        letter, one, zero = ("s", "1.0f", "0.0f") if s.dtype == "float32" else ("d", "1.0", "0.0")
        lda = self.size(s.m) if s.trans_a else self.size(s.k)
        ldb = self.size(s.k) if s.trans_b else self.size(s.n)
        self.line(f"frame->blas->{letter}gemm({int(s.trans_a)}, {int(s.trans_b)}, {self.size(s.m)}, {self.size(s.n)}, "
                  f"{self.size(s.k)}, {one}, {self.address(s.a)}, {lda}, {self.address(s.b)}, {ldb}, {zero},")
        self.line(f"                  {self.address(s.out)}, {self.size(s.n)});")

    def address(self, load: Load) -> str:
        index = self.index(load.index)
        return safe(load.buffer.name) if index == "0" else f"{safe(load.buffer.name)} + {index}"


def _has_loop(s: For) -> bool:
    """A loop around loops folds into plain locals: lanes pay where the body is one vector."""
    return any(type(child) is For for child in s.body)


def _closes_at_end(text: str) -> bool:
    """Is `text` one call, name(...), to its last character?"""
    depth = 0
    for k, c in enumerate(text):
        depth += (c == "(") - (c == ")")
        if depth == 0 and c == ")":
            return k == len(text) - 1
    return False


def _bare(text: str) -> str:
    """Without the parentheses around a whole expression."""
    return text[1:-1] if text.startswith("(") and _closes_at_end(text) else text
