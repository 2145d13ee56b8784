"""Scan and Cond -> statements: a loop over time around the statements of its body, an If around those of two branches.

    ScanItem    let mutable h = init                        scalar carries; `now` = 0 for arrays in two rows
                small[i] = init[i]
                for t in 0 .. steps                         downwards if reverse; to min(limit, steps) if limited;
                                                            steps is checked if it is computed
                  ... the body; rows of results are stored where they belong
                  h := next; small[i] = next[i]; now := 1 - now; break if stop
                rows past the last step are 0; last values are stored where they are used
    CondItem    if condition: ... else: ...                 scalar results are locals, given a value in both branches

`ItemWriter` writes any item of a schedule; nests are `loops.lower_nest`'s, calls `loops.lower_calls`'.
"""

from __future__ import annotations

from typing import Any

from gradc.errors import FEW_ROWS, NEGATIVE_STEPS, literal
from gradc.ir.program import Var
from gradc.ir.types import TensorType
from gradc.loops.access import Access
from gradc.loops.lower_calls import write_call
from gradc.loops.lower_nest import NestWriter
from gradc.loops.nodes import Assign, Break, Expr, Fn, For, If, Index, Let, Lit, Load, Local, Size, SizeExpr, Store
from gradc.loops.schedule import Block, Body, CallItem, Carry, CondItem, Item, Nest, Operand, ScanItem
from gradc.loops.scopes import BODY, Scope, cast, truth


class ItemWriter(NestWriter):
    """Writes the items of a kernel and of all bodies in it."""

    def item(self, item: Item, scope: Scope) -> None:
        match item:
            case Nest():
                self.nest(item, scope)
            case Block():
                self.block(item, scope)
            case CallItem():
                write_call(self, item, scope)
            case ScanItem() | CondItem():
                base = self.base
                control = _ControlWriter(self, scope)
                if isinstance(item, ScanItem):
                    control.scan(item)
                else:
                    control.cond(item)
                self.base = base


class _ControlWriter:
    """One loop or branch at work, in `scope`."""

    def __init__(self, writer: ItemWriter, scope: Scope) -> None:
        self.writer = writer
        self.scope = scope

    # -- loops

    def scan(self, item: ScanItem) -> None:
        inner = self.scope.body()
        stop = self.stop(item)
        count = self.mutable("count", Lit(0, "int64")) if item.until else None
        carried = [self.begin(c, inner) for c in item.carries]
        first = self.scope.body()
        self.body(item.start, first)
        self.scope.statements += first.statements
        t = self.writer.local_name("t")
        inner.names[item.t] = Local(t, "int64")
        ends = self.body(item.body, inner)
        self.step(item, carried, ends, count, inner)
        order = "reverse" if item.reverse else ""
        self.scope.statements.append(For(t, 0, stop, tuple(inner.statements), (), 0, order))
        self.clear(item, stop, count)
        for c, local in zip(item.carries, carried):
            if c.result is not None:
                self.result(c, local)
        if item.count is not None and count is not None:
            self.give(item.count, count)

    def stop(self, item: ScanItem) -> SizeExpr | Local:
        """Where time ends."""
        steps = item.steps if item.number is None else self.number(item, item.number)
        if item.limit is None:
            return steps
        limit = cast(self.writer.value(item.limit, self.scope), "int64")
        most = steps if isinstance(steps, Local) else Size(steps)
        inside = Fn("minimum", (Fn("maximum", (limit, Lit(0, "int64")), "int64"), most), "int64")
        return self.let("stop", inside)

    def number(self, item: ScanItem, number: Operand) -> Local:
        """A computed number of steps: not negative, and there are as many rows."""
        steps = self.let("steps", cast(self.writer.value(number, self.scope), "int64"))
        what = literal(item.name)
        self.writer.check(Fn("ge", (steps, Lit(0, "int64")), "bool"), "ShapeError", NEGATIVE_STEPS.format(what),
                       self.scope, (steps,), item.sources)
        for name, rows in item.lengths:
            self.writer.check(Fn("ge", (Size(rows), steps), "bool"), "ShapeError", FEW_ROWS.format(what, literal(name)),
                           self.scope, (Size(rows), steps), item.sources)
        return steps

    def begin(self, c: Carry, inner: Scope) -> Local | None:
        """The mutable local of a carry: its value, or the row that holds it; none of a small array."""
        if c.after is not None:
            return None
        if c.init is None:
            local = self.mutable("now", Lit(0, "int64"))
            inner.names[c.now] = local
            then = self.writer.local_name("then")
            inner.statements.append(Let(then, Fn("sub", (Lit(1, "int64"), local), "int64")))
            inner.names[c.then] = Local(then, "int64")
            return local
        init = cast(self.writer.value(c.init, self.scope), _dtype(c.state))
        inner.names[c.state] = local = self.mutable(self.writer.memory.label(c.state), init)
        return local

    def step(self, item: ScanItem, carried: list[Local | None], ends: list[Expr], count: Local | None,
             inner: Scope) -> None:
        """The end of a step: all carries get their next values at once."""
        scalars = [local for c, local in zip(item.carries, carried) if local is not None and c.init is not None]
        values = [cast(v, local.dtype) for v, local in zip(ends, scalars)]
        for k, v in enumerate(values):
            if v in scalars and v != scalars[k]:        # handed on from another, which gets a new value itself
                name = self.writer.local_name("next")
                inner.statements.append(Let(name, v))
                values[k] = Local(name, v.dtype)
        assigned: list[Any] = [Assign(local.name, v) for local, v in zip(scalars, values) if local != v]
        for c, local in zip(item.carries, carried):
            if c.after is not None:
                if c.after is not c.state:
                    assigned.append(self.copied(c.after, None, c.state))
            elif local is not None and c.then is not None:
                assigned.append(Assign(local.name, inner.names[c.then]))
        if count is not None:
            assigned.append(Assign(count.name, Fn("add", (count, Lit(1, "int64")), "int64")))
        inner.statements += assigned
        if item.until:
            inner.statements.append(Break(truth(ends[-1])))

    def clear(self, item: ScanItem, stop: SizeExpr | Local, count: Local | None) -> None:
        """Rows of steps that were not run are 0."""
        if not item.rows:
            return
        if count is not None and item.reverse:
            end = stop if type(stop) is Local else Size(stop)  # type: ignore[arg-type]
            for row in item.rows:
                self.fill(row, Lit(0, "int64"), self.let("first", Fn("sub", (end, count), "int64")))
        elif count is not None:
            stop = count
        if type(stop) is Local:
            for row in item.rows:
                self.fill(row, stop, Size(item.steps))

    def fill(self, row: Var, start: Expr, stop: Expr) -> None:
        """Rows start .. stop of a stacked result become 0."""
        target = self.writer.memory.whole(row)
        self.writer.writes[target.buffer] = None
        step = self.writer.sizes.product(self.writer.sizes.of(row)[1:])
        bounds = [e if step == 1 else Fn("mul", (e, Size(step)), "int64") for e in (start, stop)]
        first, last = (e if type(e) is Local else self.let("first", e) for e in bounds)
        store = Store(target.buffer, self.flat(target), Lit(0, target.buffer.dtype))
        self.scope.statements.append(For("i", first, last, (store,)))

    def result(self, c: Carry, local: Local | None) -> None:
        """The value after the last step."""
        assert c.result is not None
        if local is not None and c.init is not None:
            self.give(c.result, local)
            return
        self.scope.statements.append(self.copied(c.state, local, c.result))

    def copied(self, state: Var, row: Local | None, to: Var) -> For:
        """A loop that copies the memory of an array carry, or a row of it, to `to`."""
        source, target = self.writer.memory.of(state), self.writer.memory.whole(to)
        self.writer.reads[source] = None
        self.writer.writes[target.buffer] = None
        count = self.writer.sizes.product(self.writer.sizes.of(to))
        load = Load(source, Index(((1, "i"), *([] if row is None else [(count, row.name)]))))
        return For("i", 0, count, (Store(target.buffer, self.flat(target), load),))

    def flat(self, target: Access) -> Index:
        """Element i of a result: it may be a part of another's memory, but is contiguous there."""
        return self.writer.index(Access(target.buffer, (1,), target.offset), self.scope)

    # -- branches

    def cond(self, item: CondItem) -> None:
        condition = truth(self.writer.value(item.condition, self.scope))
        results = [self.mutable(self.writer.memory.label(v), Lit(_zero(v), _dtype(v))) for v in item.scalars]
        branches = []
        for body, checks in zip(item.bodies, item.checks):
            inner = self.scope.body(closed=True)
            inner.statements += checks
            for local, value in zip(results, self.body(body, inner)):
                inner.statements.append(Assign(local.name, cast(value, local.dtype)))
            branches.append(tuple(inner.statements))
        self.scope.statements.append(If(condition, branches[0], branches[1]))
        for v, local in zip(item.scalars, results):
            self.give(v, local)

    # -- both

    def body(self, body: Body, inner: Scope) -> list[Expr]:
        """The statements of a body; the scalars at its end."""
        self.writer.base = inner.level
        for item in body.items:
            self.writer.item(item, inner)
        ends = [self.writer.value(o, inner) for o in body.ends]
        self.writer.base = self.scope.level - self.scope.level % BODY
        return ends

    def give(self, var: Var, local: Local) -> None:
        """A scalar result: a local, or in memory."""
        self.scope.names[var] = local
        if var in self.writer.schedule.stored:
            buffer = self.writer.memory.of(var)
            self.writer.writes[buffer] = None
            self.scope.statements.append(Store(buffer, Index(), local))

    def let(self, base: str, value: Expr) -> Local:
        return self.writer.let(self.scope, base, value)

    def mutable(self, base: str, value: Expr) -> Local:
        return self.writer.let(self.scope, base, value, True)


def _dtype(var: Var) -> str:
    assert isinstance(var.type, TensorType)
    return var.type.dtype


def _zero(var: Var) -> Any:
    return False if _dtype(var) == "bool" else 0
