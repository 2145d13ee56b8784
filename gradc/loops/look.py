"""Looking at statements of the loop IR: what stands in them, what they name, what memory they touch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from gradc.loops.nodes import (
    Accumulate,
    Assign,
    Break,
    Buffer,
    Check,
    EachRow,
    Fn,
    For,
    If,
    Index,
    Invoke,
    Let,
    Load,
    Local,
    Size,
    Store,
    Take,
    Tile,
    TilePhase,
    Update,
)


def walk(statements: Sequence[Any]) -> Iterator[Any]:
    """All statements at any depth, in order, but for the loops themselves."""
    stack = list(reversed(statements))
    while stack:
        s = stack.pop()
        if type(s) in (For, TilePhase, EachRow):
            stack.extend(reversed(s.body))
        elif type(s) is Tile:
            stack.extend(reversed(s.phases))
        else:
            yield s
            if type(s) is If:
                stack.extend(reversed((*s.body, *s.orelse)))


def expressions(s: Any) -> Iterator[Any]:
    """All expressions of a statement that is no loop."""
    kind = type(s)
    if kind is Check:
        stack = [s.condition, *s.values]
    elif kind is If or kind is Break:
        stack = [s.condition]
    elif kind is Invoke:
        stack = [*s.args, *s.place]
    elif kind is Take:
        stack = []
    else:
        stack = [s.expr]
    while stack:
        e = stack.pop()
        yield e
        if type(e) is Fn:
            stack.extend(e.args)


def written(s: Any) -> Sequence[Any]:
    """The places in memory that a statement writes, each with `buffer` and `index`."""
    kind = type(s)
    if kind is Store or kind is Accumulate:
        return (s,)
    return s.outs if kind is Invoke else ()


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


def is_straight(statements: Sequence[Any]) -> bool:
    """Do compilers permute nothing here?

    They permute what lies fixed to each other: elements of rows of static size, of small arrays, of unrolled loops.
    """
    stack = list(statements)
    while stack:
        s = stack.pop()
        if type(s) is For:
            if not s.lanes and isinstance(s.start, int) and isinstance(s.stop, int):
                return False
            stack.extend(s.body)
        elif type(s) is Tile:
            stack.extend(s.phases)
        elif type(s) in (TilePhase, EachRow):
            stack.extend(s.body)
            if not all([_is_straight(a.index) for a in getattr(s, "ahead", ())]):
                return False
        else:
            if type(s) is If:
                stack.extend((*s.body, *s.orelse))
            if not all([_is_straight(place.index) for place in written(s)]) \
                    or not all([_is_straight(e.index) for e in expressions(s) if type(e) is Load]):
                return False
    return True


def _is_straight(index: Index) -> bool:
    return all([s in (1, -1) or isinstance(s, str) for s, _ in index.terms]) and (
        bool(index.terms) or index.offset == 0 or isinstance(index.offset, str))


def sizes(sections: Sequence[Any]) -> set[Any]:
    """All sizes that sections use: names, and numbers."""
    found: set[Any] = set()
    for section in sections:
        for b in (*section.reads, *section.writes, *[target for c in section.partial for target, _, _ in c.targets]):
            found.update((*b.shape, b.stride))
            if b.region is not None:
                found.update((b.region.bytes, b.region.start))
        if section.blocks is not None:
            found.update((section.blocks.extent, section.blocks.work))
        for c in section.partial:
            found.add(c.width)
            for _, position, count in c.targets:
                found.update((position, count))
        found |= sizes_of(section.body)
    return found


def sizes_of(statements: Sequence[Any]) -> set[Any]:
    """All sizes that statements use: names, and numbers."""
    found: set[Any] = set()
    stack, exprs = list(statements), []
    while stack:
        s = stack.pop()
        kind = type(s)
        if kind is Let or kind is Assign or kind is Update:
            exprs.append(s.expr)
        elif kind is Store or kind is Accumulate:
            _in_index(s.index, found)
            exprs.append(s.expr)
        elif kind is For or kind is Tile:
            found.update([b for b in (s.start, s.stop) if type(b) is not Local])
            stack.extend(s.body if kind is For else s.phases)
        elif kind is TilePhase:
            for a in s.ahead:
                found.add(a.count)
                _in_index(a.index, found)
            stack.extend(s.body)
        elif kind is EachRow:
            stack.extend(s.body)
        else:
            if kind is If:
                stack.extend((*s.body, *s.orelse))
            elif kind is Invoke:
                found.update(s.numbers)
            elif kind is Take:
                found.update((s.bytes, *s.buffer.shape))
            for place in written(s):
                _in_index(place.index, found)
            exprs.extend(expressions(s))
        while exprs:
            e = exprs.pop()
            kind = type(e)
            if kind is Fn:
                exprs.extend(e.args)
            elif kind is Load:
                _in_index(e.index, found)
            elif kind is Size:
                found.add(e.size)
    return found


def _in_index(index: Index, found: set[Any]) -> None:
    found.add(index.offset)
    for stride, _ in index.terms:
        found.add(stride)
