"""Looking at statements of the loop IR: what stands in them, what they name, what memory they touch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from gradc.loops.nodes import (
    Accumulate,
    Break,
    Buffer,
    Check,
    Draw,
    Extern,
    Fn,
    For,
    Gemm,
    If,
    Index,
    Load,
    Local,
    Phase,
    Rows,
    Size,
    Store,
    Tile,
)


def walk(statements: Sequence[Any]) -> Iterator[Any]:
    """All statements at any depth, in order, but for the loops themselves."""
    stack = list(reversed(statements))
    while stack:
        s = stack.pop()
        if type(s) in (For, Phase, Rows):
            stack.extend(reversed(s.body))
        elif type(s) is Tile:
            stack.extend(reversed(s.phases))
        else:
            yield s
            if type(s) is If:
                stack.extend(reversed((*s.body, *s.orelse)))


def expressions(s: Any) -> Iterator[Any]:
    """All expressions of a statement that is no loop."""
    match s:
        case Check():
            stack = [s.condition, *s.values]
        case If() | Break():
            stack = [s.condition]
        case Gemm():
            stack = [s.a, s.b]
        case Draw():
            stack = [s.before, *s.parameters]
        case Extern():
            stack = [*s.args]
        case _:
            stack = [s.expr]
    while stack:
        e = stack.pop()
        yield e
        if type(e) is Fn:
            stack.extend(e.args)


def written(s: Any) -> Sequence[Any]:
    """The places in memory that a statement writes, each with `buffer` and `index`."""
    match s:
        case Store() | Accumulate():
            return (s,)
        case Gemm():
            return (s.out,)
        case Draw():
            return (s.after, s.out)
        case Extern():
            return s.outs
    return ()


def variables(index: Index) -> set[str]:
    """The loop variables and positions of an index."""
    return {v for _, v in index.terms}


def names(s: Any) -> set[str]:
    """Locals and loop variables that a statement uses."""
    found = {v for place in written(s) for v in variables(place.index)}
    for e in expressions(s):
        if type(e) is Local:
            found.add(e.name)
        elif type(e) is Load:
            found |= variables(e.index)
    return found


def touched(s: Any) -> Iterator[tuple[Buffer, bool]]:
    """Buffers that a statement reads or writes, and whether it writes."""
    for place in written(s):
        yield place.buffer, True
    for e in expressions(s):
        if type(e) is Load:
            yield e.buffer, False


def sizes(sections: Sequence[Any]) -> set[Any]:
    """All sizes that sections use: names, and numbers."""
    found: set[Any] = set()
    for section in sections:
        for b in (*section.reads, *section.writes):
            found.update((*b.shape, b.stride))
            if b.region is not None:
                found.update((b.region.bytes, b.region.start))
        if section.blocks is not None:
            found.update((section.blocks.extent, section.blocks.work))
        for c in section.partial:
            found.add(c.width)
            for _, position, count in c.targets:
                found.update((position, count))
        stack = list(section.body)
        while stack:
            s = stack.pop()
            match s:
                case For() | Tile():
                    found.update(b for b in (s.start, s.stop) if type(b) is not Local)
                    stack.extend(s.phases if isinstance(s, Tile) else s.body)
                    continue
                case Phase():
                    for a in s.ahead:
                        found.add(a.count)
                        _in_index(a.index, found)
                    stack.extend(s.body)
                    continue
                case Rows():
                    stack.extend(s.body)
                    continue
                case If():
                    stack.extend((*s.body, *s.orelse))
                case Gemm():
                    found.update((s.m, s.n, s.k, s.step_a, s.step_b))
                case Draw():
                    found.add(s.count)
                case Extern():
                    found.update(n for shape in s.shapes for n in shape)
            for place in written(s):
                _in_index(place.index, found)
            for e in expressions(s):
                if type(e) is Size:
                    found.add(e.size)
                elif type(e) is Load:
                    _in_index(e.index, found)
    return found


def _in_index(index: Index, found: set[Any]) -> None:
    found.add(index.offset)
    found.update(stride for stride, _ in index.terms)
