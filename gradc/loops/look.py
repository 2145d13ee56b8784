"""Looking at statements of the loop IR: what stands in them, what they name, what memory they touch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from typing import Any

from gradc.ir import dtypes
from gradc.loops.nodes import (
    Accumulate,
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
)
from gradc.record import replace

LOOPS = frozenset((For, Tile, TilePhase, EachRow))
NESTED = LOOPS | {If}


def inside(s: Any) -> Sequence[Any]:
    """The statements that stand in a statement."""
    kind = type(s)
    if kind is If:
        return (*s.body, *s.orelse)
    if kind is Tile:
        return s.phases
    return s.body if kind in NESTED else ()


def everything(statements: Sequence[object]) -> Iterator[Any]:
    """All statements at any depth, in order."""
    stack = list(reversed(statements))
    while stack:
        s = stack.pop()
        yield s
        if type(s) in NESTED:
            stack.extend(reversed(inside(s)))


def walk(statements: Sequence[object]) -> Iterator[Any]:
    """All statements at any depth, in order, but for the loops themselves."""
    return (s for s in everything(statements) if type(s) not in LOOPS)


def operands(s: Any) -> Sequence[Any]:
    """The expressions that a statement has as operands."""
    kind = type(s)
    if kind is Let:
        return (s.expr,)
    if kind is If or kind is Break:
        return (s.condition,)
    if kind is Check:
        return (s.condition, *s.values)
    if kind is Invoke:
        return (*s.args, *s.place)
    return () if kind is Take or kind in LOOPS else (s.expr,)


def expressions(*statements: object) -> list[Any]:
    """All expressions of statements, but for those of statements in them."""
    return with_parts([e for s in statements for e in operands(s)])


def with_parts(exprs: list[object]) -> list[Any]:
    """Expressions, and all that stand in them behind them."""
    for e in exprs:         # which grows
        if type(e) is Fn:
            exprs += e.args
    return exprs


def written(s: Any) -> Sequence[Any]:
    """The places in memory that a statement writes, each with `buffer` and `index`."""
    kind = type(s)
    if kind is Store or kind is Accumulate:
        return (s,)
    return s.outs if kind is Invoke else ()


def _places(s: object) -> Sequence[Any]:
    """What a statement writes or fetches."""
    return () if type(s) is Let else s.ahead if type(s) is TilePhase else written(s)


def variables(index: Index) -> set[str]:
    """The loop variables and positions of an index."""
    return {v for _, v in index.terms}


def names(s: object) -> set[str]:
    """Locals and loop variables that a statement uses."""
    found = {v for place in written(s) for v in variables(place.index)}
    for e in expressions(s):
        if type(e) is Local:
            found.add(e.name)
        elif type(e) is Load:
            found |= variables(e.index)
    return found


def touched(s: object) -> Iterator[tuple[Buffer, bool]]:
    """Buffers that a statement reads or writes, and whether it writes."""
    for place in written(s):
        yield place.buffer, True
    for e in expressions(s):
        if type(e) is Load:
            yield e.buffer, False


def loaded(statements: Sequence[object]) -> set[Buffer]:
    """Buffers that statements read, or write otherwise than by a Store."""
    return {b for s in everything(statements) for b, writes in touched(s) if not writes or type(s) is not Store}


def without_stores(statements: Sequence[object], buffers: Set[Buffer]) -> tuple[object, ...]:
    """Statements without those that store into `buffers`, and without loops and conditions of these alone."""
    left: list[object] = []
    for s in statements:
        if isinstance(s, For):
            body = without_stores(s.body, buffers)
            if body or s.folds or not s.body:
                left.append(replace(s, body=body))
        elif isinstance(s, If):
            body, orelse = without_stores(s.body, buffers), without_stores(s.orelse, buffers)
            if body or orelse:
                left.append(replace(s, body=body, orelse=orelse))
        elif not isinstance(s, Store) or s.buffer not in buffers:
            left.append(s)
    return tuple(left)


def is_straight(statements: Sequence[object]) -> bool:
    """Do compilers permute nothing here?

    They permute what lies fixed to each other: elements of rows of static size, of small arrays, of unrolled loops;
    parts of complex numbers.
    """
    every = list(everything(statements))
    if any([type(s) is For and not s.lanes and isinstance(s.start, int) and isinstance(s.stop, int) for s in every]):
        return False
    if any([b.dtype in dtypes.COMPLEX for s in every for b, _ in touched(s)]):
        return False
    return all([_is_straight(index) for index in _indices(every, expressions(*every))])


def _indices(every: list[object], exprs: list[object]) -> list[Index]:
    """Where statements and their expressions read, write and fetch."""
    return [e.index for e in exprs if type(e) is Load] + [p.index for s in every for p in _places(s)]


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


def sizes_of(statements: Sequence[object]) -> set[Any]:
    """All sizes that statements use: names, and numbers."""
    every = list(everything(statements))
    exprs = expressions(*every)
    found: set[object] = {e.size for e in exprs if type(e) is Size}
    for index in _indices(every, exprs):
        found.add(index.offset)
        for stride, _ in index.terms:
            found.add(stride)
    for s in every:
        kind = type(s)
        if kind is For or kind is Tile:
            found.update([b for b in (s.start, s.stop) if type(b) is not Local])
        elif kind is TilePhase:
            found.update([a.count for a in s.ahead])
        elif kind is Invoke:
            found.update(s.numbers)
        elif kind is Take:
            found.update((s.bytes, *(s.buffer.shape if s.buffer.place == "output" else ())))
    return found
