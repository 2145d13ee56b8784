"""Text form of a Kernel: one statement a line, loops indented.

    kernel f(x: f64[x_n0]) -> (y: f64[])
      section sum  (reads x, writes y)
        for i in 0 .. x_n0 with total = add, 32 lanes
          let x_i: f64 = x[i]
          total <- add x_i
        y[0] = total

Not here: C (`codegen.printer`), and what a Kernel must fulfil (`loops.check`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradc.ir import dtypes
from gradc.ir.scalars import get_row
from gradc.loops.nodes import (
    Accumulate,
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
    Kernel,
    Let,
    Lit,
    Load,
    Local,
    Section,
    Size,
    Store,
    Take,
    Tile,
    TilePhase,
    Update,
)

_SIGNS = {"add": "+", "sub": "-", "mul": "*", "true_divide": "/", "eq": "==", "neq": "!=", "lt": "<", "le": "<=",
          "gt": ">", "ge": ">="}


def pretty(kernel: Kernel) -> str:
    """The whole Kernel as text."""
    inputs = ", ".join(map(_buffer, kernel.inputs))
    outputs = ", ".join(map(_buffer, kernel.outputs))
    lines = [f"kernel {kernel.name}({inputs}) -> ({outputs})"]
    lines += [f"  constant {_buffer(b)}" for b, _ in kernel.constants]
    lines += [f"  {line}" for s in kernel.prologue for line in statement_lines(s)]
    if kernel.arena_bytes != 0:
        lines.append(f"  arena of {kernel.arena_bytes} bytes")
    lines += [f"  call {k} is {call.name}" for k, call in enumerate(kernel.calls)]
    for section in kernel.sections:
        lines += [f"  {line}" for line in _section(section)]
    return "\n".join(lines)


def _section(section: Section) -> list[str]:
    reads = ", ".join(b.name for b in section.reads) or "nothing"
    writes = ", ".join(b.name for b in section.writes) or "nothing"
    kind = "sizes by" if section.measures else "section in entry" if section.in_entry else "section"
    lines = [f"{kind} {section.title}  (reads {reads}; writes {writes})"]
    cut = section.blocks
    if cut:
        multiple = f", a multiple of {cut.multiple}" if cut.multiple != 1 else ""
        limit = f", at most {cut.limit}" if cut.limit else ""
        lines.append(f"  blocks of {cut.extent} x {cut.work} elements at {cut.cost} ns{multiple}{limit}")
    lines += [f"  array {_buffer(b)}" for b in section.arrays]
    lines += [f"  {line}" for s in section.body for line in statement_lines(s)]
    for c in section.partial:
        targets = ", ".join(f"{b.name}[0:{count}] at {position}" for b, position, count in c.targets)
        lines.append(f"  combine {c.parts.name} by {get_row(c.row).name}, {c.width} a block, into {targets}")
    return lines


def statement_lines(statement: object) -> list[str]:
    """One statement, and what stands in it, as lines."""
    lines: list[str] = []
    stack: list[tuple[Any, int]] = [(statement, 0)]
    while stack:
        s, depth = stack.pop()
        lines.append("  " * depth + _statement(s))
        if type(s) is If:
            stack.extend((inner, depth + 1) for inner in reversed(s.orelse))
            if s.orelse:
                stack.append(("else", depth))
        inside = s.phases if type(s) is Tile else s.body if type(s) in (For, TilePhase, EachRow, If) else ()
        stack.extend((inner, depth + 1) for inner in reversed(inside))
    return lines


def _statement(s: object) -> str:
    match s:
        case For():
            lanes = f", {s.lanes} lanes" if s.lanes else ""
            lanes += f", {s.rounds} rounds" if s.rounds else ""
            lanes += f", none up to {s.short}" if s.short else ""
            start, stop = (b.name if type(b) is Local else b for b in (s.start, s.stop))
            order = f", {s.order}" if s.order else ""
            return f"for {s.var} in {start} .. {stop}{_folds(s.folds)}{lanes}{order}"
        case Tile():
            shared = f", {', '.join(map(_buffer, s.shared))}" if s.shared else ""
            return f"tiles of {s.rows} {s.var} in {s.start} .. {s.stop}{_folds(s.folds)}{shared}"
        case TilePhase():
            ahead = [f"{a.count} of {text(Load(a.buffer, a.index))} {a.distance} rows ahead" for a in s.ahead]
            return ", ".join(["phase", *([f"{s.together} rows together"] if s.together > 1 else []), *ahead])
        case EachRow():
            return "for each of these rows"
        case If():
            return f"if {text(s.condition)}"
        case Break():
            return f"break if {text(s.condition)}"
        case str():
            return s
        case Let():
            return f"{'let mutable' if s.mutable else 'let'} {s.name}: {dtypes.SHORT[s.dtype]} = {text(s.expr)}"
        case Assign():
            return f"{s.name} := {text(s.expr)}"
        case Store():
            return f"{s.buffer.name}[{_index(s.index)}] = {text(s.expr)}"
        case Accumulate():
            return f"{s.buffer.name}[{_index(s.index)}] <- {get_row(s.row).name} {text(s.expr)}"
        case Update():
            return f"{s.name} <- {get_row(s.row).name} {text(s.expr)}"
        case Define():
            return f"size {s.name} = {text(s.expr)}"
        case Take():
            place = f"room {s.buffer.position}" if s.buffer.place != "output" else "the output"
            return f"take {_buffer(s.buffer)}: {s.bytes} bytes in {place}, or check {s.number} fails"
        case Check():
            values = f" ({', '.join(map(text, s.values))})" if s.values else ""
            return f"check {s.number}: {text(s.condition)}{values}"
        case Invoke():
            name = s.routine if isinstance(s.routine, str) else f"call {s.routine}" if isinstance(s.routine, int) \
                else s.routine.name
            given = ", ".join(map(text, s.args)) + f"; {', '.join(map(str, s.numbers))}" * bool(s.numbers)
            place = f" ({', '.join(map(text, s.place))})" if s.place else ""
            failures = "".join(f", check {number} if {code or 'not 0'}{place}" for code, number in s.failures)
            return f"{', '.join(map(text, s.outs))} = {name}({given}){failures}"
    return repr(s)


def _folds(folds: Sequence[Fold]) -> str:
    return f" with {', '.join(f'{f.name} = {get_row(f.row).name}' for f in folds)}" if folds else ""


def text(e: object) -> str:
    """An expression on one line."""
    match e:
        case Lit():
            return repr(e.value.item() if hasattr(e.value, "item") else e.value)
        case Local():
            return e.name
        case Size():
            return str(e.size)
        case Load():
            return f"{e.buffer.name}[{_index(e.index)}]"
        case Fn("cast", (value,), dtype):
            return f"{dtypes.SHORT[dtype]}({text(value)})"
        case Fn():
            name = e.row if isinstance(e.row, str) else e.row.name
            args = list(map(text, e.args))
            if name in _SIGNS and len(args) == 2:
                return f"({args[0]} {_SIGNS[name]} {args[1]})"
            return f"{name}({', '.join(args)})"
    return repr(e)


def _index(index: Index) -> str:
    terms: Sequence[str] = [v if s == 1 else f"{s} * {v}" for s, v in index.terms]
    if index.offset != 0 or not terms:
        terms = [*terms, str(index.offset)]
    if index.plus:
        terms = [*terms, str(index.plus)]
    return " + ".join(terms)


def _buffer(b: Buffer) -> str:
    return f"{b.name}: {dtypes.SHORT[b.dtype]}[{', '.join(map(str, b.shape))}]"
