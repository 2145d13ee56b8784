"""Statements and expressions of the loop IR as C text; one short function per kind of node, no decisions.

In: nodes.  Out: lines, and the names of the sizes they use.  The printer owns indentation.  Each expression is printed
so that it can stand as an operand.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from gradc.codegen.names import C_TYPE, KIND, LOCAL_TYPE, SUFFIX, Blanks, Names
from gradc.codegen.snippets import c_name
from gradc.ir import dtypes
from gradc.ir.routines import GENERIC, Routine, get_routine
from gradc.ir.scalar_code import ScalarFunction
from gradc.ir.scalars import Row, get_row
from gradc.ir.snippet import ArraySnippet, Snippet
from gradc.loops.fused import FMA_C
from gradc.loops.nodes import (
    Accumulate,
    Ahead,
    Assign,
    Break,
    Buffer,
    Check,
    Define,
    EachRow,
    Fn,
    Fold,
    For,
    If,
    Index,
    Invoke,
    Let,
    Lit,
    Load,
    Local,
    LoopBound,
    Size,
    SizeExpr,
    Store,
    Take,
    Tile,
    TilePhase,
    Update,
)
from gradc.record import record, replace
from gradc.target import TARGET

SMALL_INT = {"int8", "int16", "uint8", "uint16"}    # C computes these in int: results are cut back
SIZE_FUNCTIONS = {"position", "slice_start", "slice_first", "slice_count"}
STEP_ROWS = {"switch", "maximum", "minimum"}        # of floats: have another form where no vectors are made


def literal(value: Any, dtype: str) -> str:
    """A number as a C literal of `dtype`."""
    if dtype == "float16":
        return hex(np.float16(value).view("uint16"))
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


@cache
def row_template(row: str | Row, compute: str, result: str) -> tuple[str, str]:
    """A row's C text with open places for its arguments: as an operand, and as a whole right-hand side."""
    found = get_row(row)
    template = found.c if isinstance(found.c, str) else found.c[KIND[compute]]
    places = [f"{{{k}}}" for k in range(found.nin)]
    text = template.format(*places, s=SUFFIX.get(compute, ""), t=dtypes.SHORT[compute])
    if result in SMALL_INT:
        return f"({C_TYPE[result]})({text})", f"({C_TYPE[result]})({text})"
    is_call = text.endswith(")") and text.split("(", 1)[0].replace("_", "").isalnum() and _closes_at_end(text)
    return (text if is_call or text in places else f"({text})"), text


@record
class _Lanes:
    """The array of `count` accumulators alike, each of many lanes: its name, and the indices of one accumulator."""

    name: str
    count: int
    rows: str
    at: str
    row: str
    dtype: str
    total: str          # what they come to over more rounds than one

    @property
    def wide(self) -> str:
        """The dtype of a sum over more rounds than one."""
        return "float64" if self.dtype == "float32" and self.row == "add" else self.dtype


class Printer:
    """Prints the body of one C function."""

    def __init__(self, names: Names | Blanks, depth: int = 1) -> None:
        self.names = names
        self.lines: list[str] = []
        self.sizes: dict[str, None] = {}    # names of sizes in order of appearance
        self.made: dict[str, None] = {}     # and of those that were defined
        self.checks = False                 # was a Check printed?
        self.frame = False                  # was anything that uses the frame?
        self.count = 0                      # statements printed
        self.deepest = 0                    # blocks around one of them
        self.carried = False                # does the innermost loop carry locals?
        self.snippets: dict[Snippet | ArraySnippet | ScalarFunction, None] = {}      # called by what was printed
        self.lanes: dict[str, str] = {}     # accumulators that have lanes right now, and their arrays
        self._folded: dict[str, str] = {}   # folds of rows together, and where each row finds its own
        self._row = ""                      # the variable of the tile around
        self._stop = ""                     # and where it ends
        self._together = 1                  # rows of it that share the loop being printed
        self._sizing = False                # is it a size?  Sums and products that are too large stay so
        self._indent = "    " * depth

    def line(self, text: str) -> None:
        self.lines.append(self._indent + text)

    def statements(self, body: tuple[object, ...]) -> None:
        self.count += len(body)
        self.deepest = max(self.deepest, len(self._indent) // 4)
        for s in body:
            _STATEMENT[type(s)](self, s)

    # -- expressions

    def expr(self, e: Any, whole: bool = False) -> str:
        """An expression as an operand; `whole`: it may go without parentheses around it."""
        kind = type(e)
        if kind is Local:
            return self._folded.get(e.name) or self.names[e.name]
        if kind is Fn:
            if e.row == "cast":
                return self.cast(e.args[0], e.dtype)
            args = [self.expr(a) for a in e.args]
            if self._sizing and e.row in ("add", "mul") and e.dtype == "int64":
                return f"gradc_size_{e.row}({', '.join(args)})"
            if e.row in SIZE_FUNCTIONS:
                return f"gradc_{e.row}({', '.join(args)})"
            row = get_row(e.row)
            if (called := row.snippet or row.function) is not None:
                self.snippets[called] = None
            text = row_template(e.row, e.args[-1].dtype, e.dtype)[whole].format(*args)
            if self.carried and e.row in STEP_ROWS and e.dtype in dtypes.FLOATS:
                return text.replace("gradc_", "gradc_step_", 1)
            return text
        if kind is Lit:
            return literal(e.value, e.dtype)
        if kind is Load:
            text = self.element(e.buffer, e.index)
            return f"({text} != 0)" if e.buffer.dtype == "bool" else text
        assert kind is Size
        return self.size(e.size)

    def cast(self, value: Any, dtype: str) -> str:
        text, source = self.expr(value), value.dtype
        if source == "float16":
            text, source = f"gradc_f16_to_f32({text})", "float32"
        if dtype == source:
            return text
        if dtype == "float16":
            return f"gradc_{'f64' if source == 'float64' else 'f32'}_to_f16({text})"
        if dtype == "bool":
            return f"({text} != 0)"
        if source in dtypes.FLOATS and dtype in dtypes.INTEGERS:
            return f"gradc_{dtypes.SHORT[source]}_to_{dtypes.SHORT[dtype]}({text})"
        return f"(({C_TYPE[dtype]}){text})"

    def size(self, size: SizeExpr) -> str:
        if isinstance(size, int):
            return str(size) if size >= 0 else f"({size})"
        self.sizes[size] = None
        return self.names[size]

    def index(self, index: Index) -> str:
        terms = [self.names[v] if s == 1 else f"{self.size(s)} * {self.names[v]}" for s, v in index.terms]
        if index.offset != 0 or not terms:
            terms.append(self.size(index.offset))
        text = " + ".join(terms)
        return text if not index.plus else f"{text} {'-' if index.plus < 0 else '+'} {abs(index.plus)}"

    def element(self, buffer: Buffer, index: Index) -> str:
        """A place in memory; small arrays of a tile count from its first row."""
        return f"{self.names[buffer.name]}[{self.index(index)}{' - tile' if buffer.place == 'tile' else ''}]"

    def address(self, load: Load) -> str:
        index = self.index(load.index)
        return self.names[load.buffer.name] if index == "0" else f"{self.names[load.buffer.name]} + {index}"

    def folded(self, row: str, place: str, value: object, dtype: str) -> str:
        """row(place, value); a product is added with one rounding where the CPU can."""
        if row == "add" and type(value) is Fn and value.row == "mul" and dtype in dtypes.FLOATS:
            return FMA_C.format(self.expr(value.args[0]), self.expr(value.args[1]), place, t=dtypes.SHORT[dtype])
        return row_template(row, dtype, dtype)[1].format(place, self.expr(value))

    # -- statements

    def let(self, s: Let) -> None:
        const = "" if s.mutable else "const "
        self.line(f"{const}{LOCAL_TYPE[s.expr.dtype]} {self.names[s.name]} = {self.expr(s.expr, True)};")

    def assign(self, s: Assign) -> None:
        self.line(f"{self.names[s.name]} = {self.expr(s.expr, True)};")

    def define(self, s: Define) -> None:
        self._sizing = True
        self.made[s.name] = None
        self.line(f"const int64_t {self.names[s.name]} = {self.expr(s.expr, True)};")
        self._sizing = False

    def take(self, s: Take) -> None:
        self.checks = self.frame = True
        name, t, size = self.names[s.buffer.name], C_TYPE[s.buffer.dtype], self.size(s.bytes)
        if s.buffer.place == "output":
            shape = listed("const int64_t", list(map(self.size, s.buffer.shape)))
            call = f"frame->output(frame, {s.buffer.position}, {shape})"
        else:
            call = f"frame->room(frame, {s.buffer.position}, {size})"
        self.line(f"{t} *const restrict {name} = {call};")
        self.line(f"if (!{name}) {{")
        self.line(f"    frame->error[0] = {size};")
        self.line(f"    return {s.number};")
        self.line("}")

    def store(self, s: Store) -> None:
        self.line(f"{self.element(s.buffer, s.index)} = {self.expr(s.expr, True)};")

    def accumulate(self, s: Accumulate) -> None:
        place = self.element(s.buffer, s.index)
        self.line(f"{place} = {self.folded(s.row, place, s.expr, s.buffer.dtype)};")

    def update(self, s: Update) -> None:
        place = f"{self.lanes[s.name]}[lane]" if s.name in self.lanes else self._folded.get(s.name, self.names[s.name])
        self.line(f"{place} = {self.folded(s.row, place, s.expr, s.expr.dtype)};")

    def check(self, s: Check) -> None:
        self.checks = True
        self.frame |= bool(s.values)
        self.line(f"if (!{self.expr(s.condition)}) {{")
        for k, v in enumerate(s.values):
            self.line(f"    frame->error[{k}] = {self.error_word(self.expr(v, True), v.dtype)};")
        self.line(f"    return {s.number};")
        self.line("}")

    @staticmethod
    def error_word(value: str, dtype: str) -> str:
        """What stands for a value until its message is made."""
        return f"gradc_bits({value})" if dtype == "float64" else value

    def for_(self, s: For) -> None:
        if s.short:
            self.short_or_lanes(s)
            return
        if s.lanes:
            self.lane_loop(s)
            return
        if is_batch(s):
            self.call(s.body[0], s)
            return
        self.accumulators(s.folds)
        var, start, stop = self.names[s.var], self.bound(s.start), self.bound(s.stop)
        if s.order == "reverse":
            self.loop(s.body, f"for (int64_t {var} = {stop} - 1; {var} >= {start}; --{var})",
                      carried=s.is_carried)
            return
        if s.order == "free":
            self.line("GRADC_FREE_ORDER")
        self.loop(s.body, f"for (int64_t {var} = {start}; {var} < {stop}; ++{var})", carried=s.is_carried)

    def bound(self, bound: LoopBound) -> str:
        return self.expr(bound) if isinstance(bound, Local) else self.size(bound)

    def accumulators(self, folds: tuple[Fold, ...]) -> None:
        for f in folds:
            self.line(f"{LOCAL_TYPE[f.dtype]} {self.names[f.name]} = {literal(f.identity, f.dtype)};")

    def loop(self, body: tuple[object, ...], head: str, *first: str, carried: bool = False) -> None:
        self.line(f"{head} {{")
        outside, self._indent = self._indent, self._indent + "    "
        around, self.carried = self.carried, carried
        for text in first:
            self.line(text)
        self.statements(body)
        self._indent, self.carried = outside, around
        self.line("}")

    def tile(self, s: Tile) -> None:
        """Phases over the rows tile..end-1; those before `together` pass in groups where a phase says so."""
        self.accumulators(s.folds)
        self._row = self.names[s.var]
        start, stop = self.bound(s.start), self.bound(s.stop)
        self._stop = stop
        first = [f"const int64_t end = {stop} - tile < {s.rows} ? {stop} : tile + {s.rows};"]
        first += [f"const int64_t together = end - (end - tile) % {n};" for n in {p.together for p in s.phases} - {1}]
        first += [f"{C_TYPE[b.dtype]} {self.names[b.name]}[{s.rows}];" for b in s.shared]
        self.loop(s.phases, f"for (int64_t tile = {start}; tile < {stop}; tile += {s.rows})", *first)

    def phase(self, s: TilePhase) -> None:
        start = "tile"
        if s.together > 1:
            start, self._together = "together", s.together
            self.loop((*s.ahead, *s.body), f"for (int64_t at = tile; at < together; at += {s.together})")
            self._together = 1
            self._folded.clear()
        self.loop(s.body, f"for (int64_t {self._row} = {start}; {self._row} < end; ++{self._row})")

    def ahead(self, s: Ahead) -> None:
        row, first = self._row, f"at + {s.distance}"
        self.line(f"for (int64_t {row} = {first}; {row} < {first} + {self._together} && {row} < {self._stop}; ++{row})")
        self.line(f"    gradc_fetch(&{self.element(s.buffer, s.index)}, {self.size(s.count)} * "
                  f"(int64_t)sizeof({C_TYPE[s.buffer.dtype]}));")

    def rows(self, s: EachRow) -> None:
        if self._together == 1:
            self.statements(s.body)
        else:
            self.loop(s.body, f"for (int64_t member = 0; member < {self._together}; ++member)",
                      f"const int64_t {self._row} = at + member;")

    def short_or_lanes(self, s: For) -> None:
        """Few elements are folded one after the other, more in lanes."""
        if self._together == 1:
            self.accumulators(s.folds)
        for f in s.folds if self._together > 1 else ():
            totals = self.names.new(f"{self.names[f.name]}_totals")
            self.line(f"{LOCAL_TYPE[f.dtype]} {totals}[{self._together}];")
            self.over(f"[{self._together}]", "[member]", f"{totals}[member] = {literal(f.identity, f.dtype)};")
            self._folded[f.name] = f"{totals}[member]"
        outside, inside = self._indent, self._indent + "    "
        self.line(f"if ({self.bound(s.stop)} <= {s.short}) {{")
        self._indent = inside
        self.for_(replace(s, folds=(), lanes=0, rounds=0, short=0))
        self.lines.append(f"{outside}}} else {{")
        self.lane_loop(s)
        self._indent = outside
        self.line("}")

    def lane_loop(self, s: For) -> None:
        """Element j goes to lane j % lanes; the lanes are folded in halves, at the end or after some rounds."""
        groups: dict[tuple[str, str], list[Fold]] = {}
        for f in s.folds:
            groups.setdefault((f.row, f.dtype), []).append(f)
        outer, self.lanes = self.lanes, {}
        arrays: list[_Lanes] = []
        for (row, dtype), group in groups.items():      # many folds alike share an array, and the loops over it
            called = self.names[group[0].name] if len(group) == 1 else get_row(row).name
            name = self.names.new(f"{called}_lanes")
            count, each = (self._together, "member") if self._together > 1 else (len(group), "fold")
            rows, at = (f"[{count}]", f"[{each}]") if count > 1 else ("", "")
            total = self.names.new(f"{called}_total") if s.rounds else ""
            arrays.append(_Lanes(name, count, rows, at, row, dtype, total))
            self.lanes.update({f.name: name + (at if len(group) == 1 else f"[{k}]") for k, f in enumerate(group)})
        start, stop = self.bound(s.start), self.bound(s.stop)
        if s.rounds:
            self.chunks(s, arrays, start, stop)
        else:
            self.lane_round(s, arrays, start, stop)
        self.lanes = outer
        for a, group in zip(arrays, groups.values()):
            for k, f in enumerate(group):
                at = a.at if self._together > 1 else f"[{k}]" if a.rows else ""
                result = f"({LOCAL_TYPE[a.dtype]}){a.total}{at}" if s.rounds else f"{a.name}{at}[0]"
                if s.short and self._together > 1:
                    self.over(a.rows, a.at, f"{self._folded[f.name]} = {result};")
                elif self._together > 1:
                    self._folded[f.name] = f"({result})" if s.rounds else result
                else:
                    define = "" if s.short else f"const {LOCAL_TYPE[a.dtype]} "
                    self.line(f"{define}{self.names[f.name]} = {result};")

    def chunks(self, s: For, arrays: list[_Lanes], start: str, stop: str) -> None:
        """Some rounds of all lanes after the other; sums of float32 are added up in float64."""
        for a in arrays:
            zeros = ", ".join([literal(get_row(a.row).neutral(a.dtype), a.wide)] * a.count)
            self.line(f"{LOCAL_TYPE[a.wide]} {a.total}{a.rows} = {f'{{{zeros}}}' if a.rows else zeros};")
        size = s.rounds * s.lanes
        self.line(f"for (int64_t chunk = {start}; chunk < {stop}; chunk += {size}) {{")
        outside, self._indent = self._indent, self._indent + "    "
        self.line(f"const int64_t chunk_end = {stop} - chunk < {size} ? {stop} : chunk + {size};")
        self.lane_round(s, arrays, "chunk", "chunk_end")
        for a in arrays:
            value = f"{a.name}{a.at}[0]" if a.wide == a.dtype else f"(({C_TYPE[a.wide]}){a.name}{a.at}[0])"
            folded = row_template(a.row, a.wide, a.wide)[1].format(f"{a.total}{a.at}", value)
            self.over(a.rows, a.at, f"{a.total}{a.at} = {folded};")
        self._indent = outside
        self.line("}")

    def lane_round(self, s: For, arrays: list[_Lanes], start: str, stop: str) -> None:
        """The elements from `start` on; then lane 0 of each array is the fold of its lanes."""
        lanes, var = s.lanes, self.names[s.var]
        base = self.names.new(f"{var}_base")
        for a in arrays:
            self.line(f"{LOCAL_TYPE[a.dtype]} {a.name}{a.rows}[{lanes}];")
            self.over(a.rows, a.at, f"for (int lane = 0; lane < {lanes}; ++lane)",
                      f"{a.name}{a.at}[lane] = {literal(get_row(a.row).neutral(a.dtype), a.dtype)};")
        first = f"const int64_t {var} = {base} + lane;"
        if len(s.body) > TARGET.one_copy:
            self.line(f"for (int64_t {base} = {start}; {base} < {stop}; {base} += {lanes}) {{")
            outside, self._indent = self._indent, self._indent + "    "
            self.line(f"const int64_t width = {stop} - {base} < {lanes} ? {stop} - {base} : {lanes};")
            self.loop(s.body, "for (int64_t lane = 0; lane < width; ++lane)", first, carried=s.is_carried)
            self._indent = outside
            self.line("}")
        else:
            self.line(f"int64_t {base} = {start};")
            self.line(f"for (; {base} + {lanes} <= {stop}; {base} += {lanes})")
            outside, self._indent = self._indent, self._indent + "    "
            self.loop(s.body, f"for (int64_t lane = 0; lane < {lanes}; ++lane)", first, carried=s.is_carried)
            self._indent = outside
            self.loop(s.body, f"for (int64_t lane = 0; {base} + lane < {stop}; ++lane)", first, carried=s.is_carried)
        for a in arrays:
            place = f"{a.name}{a.at}[lane]"
            folded = row_template(a.row, a.dtype, a.dtype)[1].format(place, f"{a.name}{a.at}[lane + half]")
            self.over(a.rows, a.at, f"for (int half = {lanes // 2}; half > 0; half /= 2)",
                      "    for (int lane = 0; lane < half; ++lane)", f"    {place} = {folded};")

    def over(self, rows: str, at: str, head: str, *body: str) -> None:
        """A small loop, for each row of an array of accumulators."""
        step = ""
        if rows:
            self.line(f"for (int {at[1:-1]} = 0; {at[1:-1]} < {rows[1:-1]}; ++{at[1:-1]})")
            step = "    "
        self.line(step + head)
        for text in body:
            self.line(f"{step}    {text}" if text is body[-1] else f"{step}{text}")

    def if_(self, s: If) -> None:
        self.line(f"if ({self.expr(s.condition, True)}) {{")
        outside, self._indent = self._indent, self._indent + "    "
        self.statements(s.body)
        if s.orelse:
            self.lines.append(f"{outside}}} else {{")
            self.statements(s.orelse)
        self._indent = outside
        self.line("}")

    def break_(self, s: Break) -> None:
        self.line(f"if ({self.expr(s.condition, True)})")
        self.line("    break;")

    def call(self, s: Invoke, batch: For | None = None) -> None:
        """A call that ends the function if it does not return 0; `batch`: a loop of nothing but such calls."""
        self.frame = True
        numbers = [self.size(n) for n in s.numbers]
        outs = [self.address(load) for load in s.outs]
        row: Routine | None = get_routine(s.routine) if isinstance(s.routine, str) else None
        if isinstance(s.routine, ArraySnippet):
            self.snippets[s.routine] = None
            args = [self.address(e) if rank and type(e) is Load else self.expr(e)
                    for e, (_, _, rank) in zip(s.args, s.routine.inputs)]
            call = f"{c_name(s.routine)}({', '.join([*args, *numbers, *outs])})"
        else:
            args = [self.address(e) if type(e) is Load else f"&(const {C_TYPE[e.dtype]}){{{self.expr(e, True)}}}"
                    for e in s.args]
            which = f"callback(frame, {s.routine}"
            if row is not None:
                dtype = next((e.dtype for e, want in zip(s.args, row.takes) if want in GENERIC), "")
                which = f"{'each(frame' if batch else f'routines[{row.c_name(dtype)}](frame'}, {row.c_name(dtype)}"
            call = f"frame->{which}, {listed('const void *const', args)}, {listed('const int64_t', numbers)}, " \
                   f"{listed('void *const', outs)}{self.steps(s, batch) if batch else ''})"
        ends = isinstance(s.routine, int) or (row is not None and row.works)
        if batch:
            self.line("{")
            self.line(f"    int64_t {self.names[batch.var]} = {self.bound(batch.start)};")
        if not s.failures and not ends:
            self.line(f"{'    ' * bool(batch)}{call};")
            if batch:
                self.line("}")
            return
        self.checks = True
        if not batch:
            self.line("{")
        self.line(f"    const int status = {call};")
        first = row.shown if row is not None else 0
        place = [(first + k, self.error_word(self.expr(e), e.dtype)) for k, e in enumerate(s.place)]
        for code, number in s.failures:
            shown = place if code is not None else [(0, "status")]
            self.line(f"    if (status{f' == {code}' if code is not None else ''}){' {' * bool(shown)}")
            for k, value in shown:
                self.line(f"        frame->error[{k}] = {value};")
            self.line(f"        return {number};")
            if shown:
                self.line("    }")
        if ends:
            self.line("    if (status)")
            self.line("        return status;")
        self.line("}")

    def steps(self, s: Invoke, batch: For) -> str:
        """What else a call for each index of a loop is given: from where to where in each array, the index, its end."""
        bytes_of = [[f"{dtypes.ITEMSIZE[load.dtype]} * {self.size(step)}" for step, v in load.index.terms
                     if v == batch.var] or ["0"] for load in (*s.args, *s.outs) if type(load) is Load]
        return f", {listed('const int64_t', [step for found in bytes_of for step in found])}, {len(s.args)}, " \
               f"{len(s.outs)}, &{self.names[batch.var]}, {self.bound(batch.stop)}"


_STATEMENT: dict[type, Callable[..., None]] = {
    Let: Printer.let, Assign: Printer.assign, Define: Printer.define, Take: Printer.take, Store: Printer.store,
    Accumulate: Printer.accumulate, Update: Printer.update, Check: Printer.check, For: Printer.for_,
    Invoke: Printer.call,
    Tile: Printer.tile, TilePhase: Printer.phase, Ahead: Printer.ahead, EachRow: Printer.rows,
    If: Printer.if_, Break: Printer.break_,
}


def is_batch(s: For) -> bool:
    """A loop of nothing but calls of one routine, on arrays: the runtime runs it."""
    if len(s.body) != 1 or s.order:
        return False
    (call,) = s.body
    return type(call) is Invoke and isinstance(call.routine, str) and all(type(e) is Load for e in call.args)


def listed(t: str, items: list[str]) -> str:
    """An array without a name."""
    return f"({t}[]){{{', '.join(items)}}}" if items else "NULL"


def _closes_at_end(text: str) -> bool:
    """Is `text` one call, name(...), to its last character?"""
    depth = 0
    for k, c in enumerate(text):
        depth += (c == "(") - (c == ")")
        if depth == 0 and c == ")":
            return k == len(text) - 1
    return False
