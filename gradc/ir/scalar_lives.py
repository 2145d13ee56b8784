"""Which assignments of a function of lanes must keep what the lanes that are not computed had (see `scalar_c`)."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import NamedTuple


class _Use(NamedTuple):
    """A place that reads or assigns a name: when in the order of evaluation, and the blocks around it."""

    at: int
    reads: bool
    blocks: tuple[int, ...]


class Lives:
    """Where names of a function live.

    A lane that a block leaves out gets numbers without meaning from an assignment in it, unless that is masked.  It
    need not be if no such lane reads the name before it is assigned anew: behind the block, or, in a loop, before it.
    """

    def __init__(self, parameters: Iterable[str], body: list[ast.stmt]) -> None:
        self.uses = {name: [_Use(0, False, (0,))] for name in parameters}
        self.places: dict[ast.expr, _Use] = {}
        self.loops: set[int] = set()
        self.whole: set[int] = set()                    # blocks that leave out no lane of those around them
        self.span: dict[int, tuple[int, int]] = {}      # of a block: when it begins and ends
        self.time = 0
        self._block(body, ())

    def masked(self, target: ast.expr) -> bool:
        """Must an assignment keep the other lanes' numbers?"""
        assert isinstance(target, ast.Name)
        blocks, uses = self.places[target].blocks, self.uses[target.id]
        common = 1
        while all(len(u.blocks) > common and u.blocks[:common + 1] == blocks[:common + 1] for u in uses):
            common += 1
        own = blocks[:common]
        first = min(uses)
        for outer, inner in zip(blocks[common - 1:], blocks[common:]):
            start, end = self.span[outer]
            low, high = self.span[inner]
            again = outer in self.loops and not (outer == own[-1] and not first.reads and first.blocks == own)
            if inner not in self.whole and any(
                    u.reads and (high < u.at <= end or (again and start <= u.at < low)) for u in uses):
                return True
        return self.span[own[-1]][0] > 0 and (first.reads or first.blocks != own)

    def _block(self, body: Iterable[ast.stmt], around: tuple[int, ...], test: ast.expr | None = None) -> None:
        number = len(self.span)
        self.span[number] = (self.time, self.time)
        blocks = (*around, number)
        if test is not None:
            self._reads(test, blocks)
        for s in body:
            self._statement(s, blocks)
        self.time += 1
        self.span[number] = (self.span[number][0], self.time)

    def _use(self, name: str, reads: bool, blocks: tuple[int, ...]) -> _Use:
        self.time += 1
        use = _Use(self.time, reads, blocks)
        self.uses.setdefault(name, []).append(use)
        return use

    def _reads(self, node: ast.AST, blocks: tuple[int, ...]) -> None:
        for n in ast.walk(node):
            if isinstance(n, ast.Name):
                self._use(n.id, True, blocks)

    def _statement(self, s: ast.stmt, blocks: tuple[int, ...]) -> None:
        if isinstance(s, ast.Assign):
            self._reads(s.value, blocks)
            target = s.targets[0]
            for e in target.elts if isinstance(target, ast.Tuple) else [target]:
                self.places[e] = self._use(ast.unparse(e), False, blocks)
        elif isinstance(s, ast.AugAssign):
            self._reads(s, blocks)
            self.places[s.target] = self._use(ast.unparse(s.target), False, blocks)
        elif isinstance(s, ast.If):
            self._reads(s.test, blocks)
            self._block(s.body, blocks)
            self._block(s.orelse, blocks)
        elif isinstance(s, (ast.While, ast.For)):
            if isinstance(s, ast.For):
                self._reads(s.iter, blocks)
            self.loops.add(len(self.span))
            if isinstance(s, ast.For) and not any(isinstance(n, (ast.Break, ast.Return)) or (
                    isinstance(n, ast.Name) and n.id == "int") for n in ast.walk(s)):
                self.whole.add(len(self.span))
            self._block(s.body, blocks, s.test if isinstance(s, ast.While) else None)
        else:
            self._reads(s, blocks)
