"""Loops and blocks -> statements: nodes, folds in lanes, conditions.

    map          a Let in the body of its loop, or nothing but its user's expression
    reduce       a Fold, an Assign, or an Accumulate into a row
    argreduce    a serial innermost loop with carried locals, as cumulate
    write        a Store into a part of a buffer
    CheckItem    a Check; where values are shown, a search for the first element at fault
"""

from __future__ import annotations

from typing import Any

from gradc.ir import dtypes
from gradc.ir.facts import product_labels
from gradc.ir.program import Var, tensor
from gradc.ir.scalars import get_row
from gradc.ir.shapes import OUT_OF_BOUNDS
from gradc.loops.access import Access
from gradc.loops.lower_values import ValueWriter, element_name
from gradc.loops.nodes import (
    Accumulate,
    Assign,
    Buffer,
    Expr,
    Fn,
    Fold,
    For,
    If,
    Index,
    Lit,
    Local,
    Size,
    SizeExpr,
    Store,
    Update,
)
from gradc.loops.order import ordered
from gradc.loops.schedule import LOOP_NAMES, Block, CheckItem, Nest, Node
from gradc.loops.scopes import BODY, Scope, cast, truth
from gradc.loops.size_code import inside
from gradc.loops.tile import tiled
from gradc.target import TARGET


class NestWriter(ValueWriter):
    """See the module's docstring.

    parts: for folds of a loop cut into blocks, where in a row of partial results theirs begin.
    """

    def begin(self) -> None:
        super().begin()
        self.parts: dict[Var, tuple[Buffer, SizeExpr]] = {}

    def block(self, block: Block, scope: Scope) -> None:
        for child in block.children:
            if isinstance(child, CheckItem):
                self._check(child, scope)
            else:
                self._node(child, scope)

    def _check(self, item: CheckItem, scope: Scope) -> None:
        """The conditions; where one on an array does not hold, a search for the first element that is at fault."""
        if item.domain:
            valid = truth(self.value(item.conditions[0], scope))
            found = Scope(scope.level, scope, closed=True)
            self._search(item, found, 0)
            scope.statements.append(If(Fn("invert", (valid,), "bool"), tuple(found.statements)))
        elif item.within:
            self._search(item, scope, 0)
        else:
            for c in item.conditions:
                self.check(truth(self.value(c, scope)), item.error, item.message, scope, (), item.sources)

    def _search(self, item: CheckItem, scope: Scope, level: int) -> None:
        """Loops from `level` on around the check of one element."""
        if level == len(item.domain):
            condition, *values = [self.value(o, scope) for o in item.within]
            self.check(truth(condition), item.error, item.message, scope, tuple(values), item.sources)
            return
        inner = Scope(scope.level + 1, scope)
        self._search(item, inner, level + 1)
        scope.statements.append(For(LOOP_NAMES[level], 0, item.domain[level], tuple(inner.statements)))

    # -- loops and nodes

    def nest(self, nest: Nest, scope: Scope, blocked: bool = False) -> None:
        inner = Scope(scope.level + 1, scope)
        nested = any(type(c) is Nest for c in nest.children)
        for child in nest.children:
            if isinstance(child, Nest):
                self.nest(child, inner)
            else:
                self._node(child, inner, nested)
        start: Any = "lo" if blocked else 0
        stop: Any = "hi" if blocked else nest.size
        lanes = 0
        if inner.folds and not nested and not (isinstance(stop, int) and stop <= TARGET.unrolled):
            lanes = TARGET.lanes if len(inner.folds) <= TARGET.shared_loop else TARGET.lanes // 4
        long = not (isinstance(stop, int) and stop <= TARGET.rounds * lanes)
        rounds = TARGET.rounds if lanes and long and any(map(_is_single, inner.folds)) else 0
        free = scope.level >= BODY and not nested and not nest.is_serial
        is_row = scope.level % BODY > 0 and not isinstance(stop, int)
        short = TARGET.short_row if lanes and is_row and len(inner.statements) <= TARGET.short_body else 0
        body = tuple(inner.statements) if nested or inner.points else ordered(inner.statements)
        made = For(LOOP_NAMES[scope.level % BODY], start, stop, body, tuple(inner.folds), lanes,
                   "free" if free else "", rounds, short)
        scope.statements.append(tiled(made, self.local_name) if nested and scope.level < BODY else made)
        for action in inner.after:
            action(scope)

    def _node(self, node: Node, scope: Scope, nested: bool = False) -> None:
        """One statement; `nested`: its loop has others inside."""
        match node.kind:
            case "map":
                self._finish(node, self.apply(node.op, node.operands, scope), scope)
            case "position":
                self._finish(node, self._position(node, scope), scope)
            case "write":
                self._write(node, scope)
            case "reduce":
                self._reduce(node, scope, nested)
            case "cumulate":
                self._cumulate(node, scope)
            case "argreduce":
                self._argreduce(node, scope)

    def _write(self, node: Node, scope: Scope) -> None:
        a = self.memory.result(node)
        value = cast(self.apply(node.op, node.operands, scope), a.buffer.dtype)
        self.writes[a.buffer] = None
        index = self.index(a, scope)
        scope.statements.append(Accumulate(a.buffer, index, "add", value) if node.adds
                                else Store(a.buffer, index, value))

    def _finish(self, node: Node, value: Expr, scope: Scope) -> None:
        """Name the value of a node in `scope`, and store it if it has memory."""
        if not isinstance(value, (Local, Lit)):
            value = self.let(scope, self._base(node, scope.level), value)
        scope.names[node.out] = value
        if node.out in self.schedule.stored:
            a = self.memory.result(node)
            self.writes[a.buffer] = None
            scope.statements.append(Store(a.buffer, self.index(a, scope), value))
            stored = self.layout.base(node.out)
            scope.names["load", (stored, a.buffer, a.strides, a.offset)] = value

    def _base(self, node: Node, level: int) -> str:
        """What to call a node's value inside `level` loops: as its memory, by the loop, or by itself."""
        name = self.memory.label(node.out)
        return element_name(name, level) if node.out in self.schedule.stored else name

    def _position(self, node: Node, scope: Scope) -> Expr:
        """An index from computed data: checked, negative ones counted from the end."""
        at = cast(self.value(node.operands[0], scope), "int64")
        length = Size(node.length)
        if not isinstance(at, Local):
            at = self.let(scope, "index", at)
        self.check(inside(at, length), "IndexOutOfBoundsError", OUT_OF_BOUNDS.format("a dimension"), scope,
                   (at, length), node.sources)
        return Fn("position", (at, length), "int64")

    # -- folds

    def _reduce(self, node: Node, scope: Scope, nested: bool) -> None:
        """A fold ends in a local of the innermost kept loop; from there into memory if an outer axis is folded."""
        dtype = tensor(node.out).dtype
        if product_labels(node.op) is not None:
            value = cast(self.apply(node.op, node.operands, scope), dtype)
        else:
            value = cast(self.value(node.operands[0], scope), dtype)
        identity = get_row(node.fold).neutral(dtype)
        depth = len(node.domain)
        last_kept = max((p for p in range(depth) if p not in node.reduced), default=-1)
        if last_kept == depth - 1:
            self._into_memory(node, value, scope, identity)
            return
        base = self._base(node, node.available)
        name = self.local_name(base)
        fold = Fold(name, node.fold, identity, dtype)
        if _is_single(fold) and nested:       # no lanes
            fold, value = Fold(name, node.fold, identity, "float64"), cast(value, "float64")
        scope.folds.append(fold)
        scope.statements.append(Update(name, node.fold, value))
        self._outwards(node, Local(name, fold.dtype), depth - 1, last_kept, scope, identity, base)

    def _outwards(self, node: Node, value: Local, level: int, last_kept: int, scope: Scope, identity: object,
                  base: str) -> None:
        """`value` will hold the fold of the loop at `level`; go on outside it, out to the last kept axis."""

        def go_on(outer: Scope) -> None:
            dtype = tensor(node.out).dtype
            if level - 1 > last_kept:           # the next loop is folded as well
                assert outer.parent is not None
                wide = "float64" if dtype == "float32" and node.fold == "add" else dtype
                total = self.let(outer.parent, base, Lit(identity, wide), mutable=True)
                outer.statements.append(Assign(total.name, Fn(node.fold, (total, cast(value, wide)), wide)))
                self._outwards(node, total, level - 1, last_kept, outer, identity, base)
            elif min(node.reduced) < last_kept:
                self._into_memory(node, cast(value, dtype), outer, identity)
            else:
                self._result(node, cast(value, dtype), outer)

        scope.after.append(go_on)

    def _result(self, node: Node, value: Expr, scope: Scope) -> None:
        """A fold that ends in a scalar of `scope`: a part of the block, or the value."""
        if node.out not in self.parts:
            self._finish(node, value, scope)
            return
        parts, position = self.parts[node.out]
        self.writes[parts] = None
        scope.statements.append(Store(parts, Index((), position), value))

    def _into_memory(self, node: Node, value: Expr, scope: Scope, identity: object) -> None:
        """Accumulate into the row that the outer folded loop fills; set it to the identity before that loop."""
        first = min(node.reduced)
        a = self.memory.result(node)
        position: SizeExpr = 0
        if first == 0 and node.out in self.parts:
            parts, position = self.parts[node.out]
            a = Access(parts, a.strides, a.offset)
        self.writes[a.buffer] = None
        before = scope.in_body(first)
        fill: Store | For = Store(a.buffer, self.index(a, before, position), Lit(identity, a.buffer.dtype))
        for p in reversed(range(first + 1, len(node.domain))):
            if p not in node.reduced:
                fill = For(LOOP_NAMES[p], 0, node.domain[p], (fill,))
        before.statements.append(fill)
        scope.statements.append(Accumulate(a.buffer, self.index(a, scope, position), node.fold, value))

    def _cumulate(self, node: Node, scope: Scope) -> None:
        dtype = tensor(node.out).dtype
        assert scope.parent is not None
        total = self.let(scope.parent, "total", Lit(get_row(node.fold).neutral(dtype), dtype), mutable=True)
        value = cast(self.value(node.operands[0], scope), dtype)
        scope.statements.append(Assign(total.name, Fn(node.fold, (total, value), dtype)))
        self._finish(node, self.let(scope, "running", total), scope)

    def _argreduce(self, node: Node, scope: Scope) -> None:
        """The first of equals wins, the first nan above all."""
        outer = scope.parent
        assert outer is not None
        value = self.value(node.operands[0], scope)
        dtype = value.dtype
        best = self.let(outer, "best", Lit(get_row(node.fold).neutral(dtype), dtype), mutable=True)
        where = self.let(outer, "best_at", Lit(0, "int64"), mutable=True)
        better: Expr = Fn("gt" if node.fold == "maximum" else "lt", (value, best), "bool")
        if dtype in dtypes.FLOATS:
            first_nan = Fn("and_", (Fn("isnan", (value,), "bool"),
                                    Fn("invert", (Fn("isnan", (best,), "bool"),), "bool")), "bool")
            better = Fn("or_", (better, first_nan), "bool")
        flag = self.let(scope, "better", better)
        position = Local(LOOP_NAMES[scope.level % BODY - 1], "int64")
        scope.statements.append(Assign(best.name, Fn("switch", (flag, value, best), dtype)))
        scope.statements.append(Assign(where.name, Fn("switch", (flag, position, where), "int64")))
        scope.after.append(lambda after: self._result(node, where, after))


def _is_single(fold: Fold) -> bool:
    """Is this a sum in float32?  Only one of products is, or of lanes."""
    return fold.dtype == "float32" and fold.row == "add"
