"""A loop over rows cut into tiles, where that makes better code: loop IR in, loop IR out.

    for i in lo .. hi                          tiles of 16 i in lo .. hi, dot_rows: f64[16], d_rows: f64[16]
      for j with dot                             phase, 4 rows together
        let w_j = w[j]                             for j with dot
        dot <- add (x[i, j] * w_j)                   let w_j = w[j]
      let d = (sigmoid(dot) - y[i])        =>        for each row
      for j                                            dot <- add (x[i, j] * w_j)
        g[j] <- add (x[i, j] * d)                  for each row
                                                     dot_rows[i] = dot
                                                 phase
                                                   ...

Three things are gained.  Functions of scalars that stand between inner loops, one call a row, come to stand in a loop
over the rows of a tile, which the C compiler makes vector code of.  Four rows that pass through an inner loop together
load what they share, w[j] or g[j], once.  And the last of these loops fetches rows of later tiles: the processor finds
streams by itself, but not through the rests between phases, in which memory would be idle.

The order in which values meet a fold or a sum in memory stays as it was, but for the number of lanes; and to a sum of
products in float32 the rows together add what they come to, for a smaller error.  Not here: blocks
(`loops.lower` makes them multiples of a tile, so that the place of a row in its tile depends on sizes only).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gradc.ir import dtypes
from gradc.ir.scalars import get_row
from gradc.loops.fused import FMA
from gradc.loops.look import expressions, names, touched, variables, walk
from gradc.loops.nodes import (
    NO_ROW,
    Accumulate,
    Ahead,
    Assign,
    Buffer,
    EachRow,
    Fn,
    For,
    Index,
    Let,
    Lit,
    Load,
    Local,
    Store,
    Tile,
    TilePhase,
    Update,
)
from gradc.record import replace
from gradc.target import TARGET


def tiled(loop: For, name: Callable[[str], str]) -> For | Tile:
    """`loop` as a Tile if that is legal and pays, else as it is; `name` makes names unique in the section."""
    parts = _parts(loop)
    if parts is None or not _independent(parts):
        return loop
    dear = any(_is_dear(s) for part in parts if type(part[0]) is not For for s in part)
    own = _of_row(loop)
    together = [type(part[0]) is For and _shares(part[0], loop.var, own) for part in parts]
    if not dear and not any(together):
        return loop
    return _Tiling(loop, parts, together, own, name).tile()


# ---------------------------------------------------------------- may a loop be cut, and does it pay

Part = list[Any]            # one inner loop, or a run of scalar statements


def _parts(loop: For) -> list[Part] | None:
    """The body in parts that can be phases, updates of the loop's own folds last; None if it has no such form."""
    parts: list[Part] = []
    updates: Part = []
    inner = False
    for s in loop.body:
        match s:
            case For():
                if not all(type(t) in (Let, Store, Accumulate, Update) and not getattr(t, "mutable", False)
                           for t in s.body):
                    return None
                parts.append([s])
                inner = True
            case Update():
                updates.append(s)
            case (Let(mutable=False) | Store() | Accumulate()):
                if not parts or type(parts[-1][0]) is For:
                    parts.append([])
                parts[-1].append(s)
            case _:
                return None
    return [*parts, *([updates] if updates else [])] if inner else None


def _independent(parts: Sequence[Part]) -> bool:
    """Is no buffer written in one part and touched in another?"""
    home: dict[Buffer, set[int]] = {}
    written = set()
    for k, part in enumerate(parts):
        for s in walk(part):
            for b, is_write in touched(s):
                home.setdefault(b, set()).add(k)
                if is_write:
                    written.add(b)
    return all(len(home[b]) == 1 for b in written)


def _is_dear(s: object) -> bool:
    """Does a statement call a function that takes its time?"""
    return any(type(e) is Fn and e.row not in NO_ROW and get_row(e.row).weight >= TARGET.call for e in expressions(s))


def _of_row(loop: For) -> set[str]:
    """The variable of a loop, and what is named in it: positions that are looked up."""
    return {loop.var, *(s.name for s in walk(loop.body) if type(s) is Let)}


def _shares(inner: For, var: str, own: set[str]) -> bool:
    """Would rows that pass through `inner` together share a load or a sum?"""
    if len(inner.body) > TARGET.shared_statements or len(inner.folds) > 1 or (inner.folds and not inner.lanes):
        return False
    if any(_is_dear(s) for s in inner.body) or not any(var in names(s) for s in inner.body):
        return False
    used = [b for s in inner.body for b, _ in touched(s)]
    if any(used.count(s.buffer) > 1 for s in inner.body if type(s) in (Store, Accumulate)):
        return False
    sums = [s for s in inner.body if type(s) is Accumulate and own.isdisjoint(variables(s.index))]
    loads = [e for s in inner.body for e in expressions(s) if type(e) is Load and own.isdisjoint(variables(e.index))]
    return bool(sums) or (bool(inner.folds) and bool(loads))


# ---------------------------------------------------------------- the change

class _Tiling:
    """One loop's change; see the module's docstring."""

    def __init__(self, loop: For, parts: list[Part], together: list[bool], of_row: set[str],
                 name: Callable[[str], str]) -> None:
        self.loop = loop
        self.parts = parts
        self.together = together
        self.of_row = of_row
        self.name = name
        self.element = Index(((1, loop.var),))      # of a row, in what is shared
        self.home: dict[str, tuple[int, str]] = {}  # local of the loop's body -> the part that makes it, its dtype
        self.again: dict[str, Let] = {}             # locals that are loaded again rather than shared
        self.shared: dict[str, Buffer] = {}
        written = {b for s in walk(loop.body) for b, is_write in touched(s) if is_write}
        for k, part in enumerate(parts):
            for s in part:
                for made in (s.folds if type(s) is For else (s,) if type(s) is Let else ()):
                    self.home[made.name] = k, made.dtype
                if type(s) is Let and type(s.expr) is Load and s.expr.buffer not in written \
                        and variables(s.expr.index) <= {loop.var}:
                    self.again[s.name] = s

    def tile(self) -> Tile:
        fetched = [self._fetch(k, part) for k, part in enumerate(self.parts)]       # finds what is shared
        phases = [self._phase(k, part, fetch) for k, (part, fetch) in enumerate(zip(self.parts, fetched))]
        if any(self.together):
            last = max(k for k, together in enumerate(self.together) if together)
            phases[last] = replace(phases[last], ahead=self._ahead())
        loop = self.loop
        return Tile(loop.var, loop.start, loop.stop, TARGET.tile, tuple([p for p in phases if p is not None]),
                    tuple(self.shared.values()), loop.folds)

    def _ahead(self) -> tuple[Ahead, ...]:
        """The rows of memory that inner loops read from end to end."""
        found: dict[Ahead, None] = {}
        for (inner, *_) in self.parts:
            if type(inner) is not For or inner.start != 0 or isinstance(inner.stop, Local):
                continue
            for load in [e for s in inner.body for e in expressions(s) if type(e) is Load]:
                terms = {v: stride for stride, v in load.index.terms}
                if set(terms) == {self.loop.var, inner.var} and terms[inner.var] == 1:
                    row = Index(((terms[self.loop.var], self.loop.var),), load.index.offset,
                                load.index.plus)
                    found[Ahead(load.buffer, row, inner.stop, TARGET.fetch)] = None
        return tuple(found)

    def _fetch(self, k: int, part: Part) -> tuple[Let, ...]:
        """Statements that name again, in part `k`, the values that other parts made."""
        found: dict[str, Let] = {}
        for s in walk(part):
            for n in sorted(names(s)):
                home, dtype = self.home.get(n, (k, ""))
                if home != k and n not in found:
                    found[n] = self.again.get(n) or Let(n, Load(self._share(n, dtype), self.element))
        return tuple(found.values())

    def _share(self, local: str, dtype: str) -> Buffer:
        if local not in self.shared:
            self.shared[local] = Buffer(self.name(f"{local}_rows"), dtype, (TARGET.tile,), "tile")
        return self.shared[local]

    def _phase(self, k: int, part: Part, fetch: tuple[Let, ...]) -> TilePhase | None:
        used = {n for s in walk(part) for n in names(s)}
        body = [s for s in part if not (type(s) is Let and s.name in self.again and s.name not in used)]
        keep = tuple([Store(b, self.element, Local(n, b.dtype)) for n, b in self.shared.items()
                      if self.home[n][0] == k])
        if not body:
            return None
        if not self.together[k]:
            return TilePhase((*fetch, *body, *keep))
        inner = self._passed_together(body[0], fetch)
        return TilePhase((inner, EachRow(keep)) if keep else (inner,), TARGET.together)

    def _passed_together(self, inner: For, fetch: tuple[Let, ...]) -> For:
        """An inner loop that does for each of several rows what depends on the row."""
        own = {self.loop.var, *(s.name for s in fetch)}
        common: list[object] = []
        rest: list[object] = []
        after: list[object] = []
        for s in inner.body:
            if type(s) is Let and own.isdisjoint(names(s)):
                common.append(s)
                continue
            if _is_narrow(s) and self.of_row.isdisjoint(variables(s.index)):
                total = Local(self.name("products"), s.expr.dtype)
                common.append(Let(total.name, Lit(0, total.dtype), mutable=True))
                rest.append(Assign(total.name, Fn(FMA, (*s.expr.args, total), total.dtype)))
                after.append(replace(s, expr=total))
                continue
            rest.append(s)
            if type(s) is Let:
                own.add(s.name)
        lanes = TARGET.line // dtypes.ITEMSIZE[inner.folds[0].dtype] if inner.lanes else 0
        return For(inner.var, inner.start, inner.stop, (*common, EachRow((*fetch, *rest)), *after), inner.folds, lanes,
                   rounds=inner.rounds, short=inner.short)


def _is_narrow(s: object) -> bool:
    """Does a statement add products to a sum in float32?  Its error grows with the number of additions to it."""
    return type(s) is Accumulate and s.row == "add" and s.buffer.dtype == "float32" and type(s.expr) is Fn \
        and s.expr.row == "mul"
