"""Scan and Cond -> statements: a loop over time around the statements of its body, an If around those of two branches.

    ScanItem    let mutable h = init                        scalar carries; `now` = 0 for arrays in two rows
                small[i] = init[i]
                for t in 0 .. steps                         downwards if reverse; to min(limit, steps) if limited;
                                                            steps is checked if it is computed
                  ... the body; rows of results are stored where they belong
                  h := next; small[i] = next[i]; now := 1 - now; break if stop
                rows past the last step are 0; last values are stored where they are used
    CondItem    if condition: ... else: ...                 scalar results are locals, given a value in both branches

In: the items of `loops.schedule_scan`, the lowering at work and a scope.  Not here: what stands inside bodies
(`loops.lower`).
"""

from __future__ import annotations

from typing import Any

from gradc.errors import literal
from gradc.ir.program import Var
from gradc.ir.types import TensorType
from gradc.loops.access import Access
from gradc.loops.nodes import Assign, Break, Expr, Fn, For, If, Index, Let, Lit, Load, Local, Size, SizeExpr, Store
from gradc.loops.places import Carry, CondItem, ScanItem
from gradc.loops.scopes import BODY, Scope, cast, truth


def emit(lowering: Any, item: ScanItem | CondItem, scope: Scope) -> None:
    """The statements of an item in `scope`."""
    _Emitter(lowering, scope).emit(item)


RAGGED = "{}: a row of a result has the size {{0}} at first and {{1}} in a later step; the rows of a result have one " \
         "shape"


class _Emitter:
    """One item at work; `low` is the lowering of the kernel."""

    def __init__(self, low: Any, scope: Scope) -> None:
        self.low = low
        self.scope = scope

    def emit(self, item: ScanItem | CondItem) -> None:
        base = self.low.base
        if isinstance(item, ScanItem):
            self.scan(item)
        else:
            self.cond(item)
        self.low.base = base

    # -- loops

    def scan(self, item: ScanItem) -> None:
        inner = self.scope.body(closed=item.body.measures)
        inner.statements += self.low.taken_first(item.body)
        stop = self.stop(item)
        count = self.mutable("count", Lit(0, "int64")) if item.until else None
        carried = [self.begin(c, inner) for c in item.carries]
        sizes = [self.mutable(self.low.memory.label(v), Lit(-1, "int64")) for v in item.sizes]
        first = self.scope.body()
        self.body(item.start, first)
        self.scope.statements += first.statements
        t = self.low.local_name("t")
        inner.names[item.t] = Local(t, "int64")
        ends = self.body(item.body, inner)
        if sizes:
            self.agree(item, sizes, ends[len(ends) - len(sizes) - item.until:], Local(t, "int64"), inner)
        self.step(item, carried, ends, count, inner)
        self.low.measure(inner)
        order = "reverse" if item.reverse else ""
        self.scope.statements.append(For(t, 0, stop, tuple(inner.statements), (), 0, order))
        self.clear(item, stop, count)
        for c, local in zip(item.carries, carried):
            if c.result is not None:
                self.result(c, local)
        if item.count is not None and count is not None:
            self.give(item.count, count)
        for v, local in zip(item.sizes, sizes):
            self.give(v, self.let(local.name, Fn("maximum", (local, Lit(0, "int64")), "int64")))

    def stop(self, item: ScanItem) -> SizeExpr | Local:
        """Where time ends."""
        if item.limit is None:
            return item.steps
        limit = cast(self.low.value(item.limit, self.scope), "int64")
        inside = Fn("minimum", (Fn("maximum", (limit, Lit(0, "int64")), "int64"), Size(item.steps)), "int64")
        return self.let("stop", inside)

    def begin(self, c: Carry, inner: Scope) -> Local | None:
        """The mutable local of a carry: its value, or the row that holds it; none of a small array."""
        if c.after is not None:
            return None
        if c.init is None:
            local = self.mutable("now", Lit(0, "int64"))
            inner.names[c.now] = local
            then = self.low.local_name("then")
            inner.statements.append(Let(then, Fn("sub", (Lit(1, "int64"), local), "int64")))
            inner.names[c.then] = Local(then, "int64")
            return local
        init = cast(self.low.value(c.init, self.scope), _dtype(c.state))
        inner.names[c.state] = local = self.mutable(self.low.memory.label(c.state), init)
        return local

    def agree(self, item: ScanItem, sizes: list[Local], found: list[Expr], t: Local, inner: Scope) -> None:
        """Sizes of rows that a step finds are those of the first, which sets the rows of steps that may not be run."""
        first = Fn("lt", (sizes[0], Lit(0, "int64")), "bool")
        if item.until or item.limit is not None:
            around: list[Any] = []
            for v in item.told:
                step = self.low.sizes.product(self.low.sizes.of(v)[1:])
                stop = self.low.sizes.mul(item.steps, step)
                here, behind = self.low.local_name("here"), self.low.local_name("behind")
                around += [Let(here, Fn("mul", (t, Size(step)), "int64")),
                           Let(behind, Fn("add", (Local(here, "int64"), Size(step)), "int64"))]
                target = self.low.memory.whole(v)
                zero = Store(target.buffer, self.flat(target), Lit(0, target.buffer.dtype))
                around += [For("i", 0, Local(here, "int64"), (zero,)), For("i", Local(behind, "int64"), stop, (zero,))]
            inner.statements.append(If(first, tuple(around)))
        for local, size in zip(sizes, found):
            same = Fn("or_", (first, Fn("eq", (local, size), "bool")), "bool")
            self.low.check(same, "ShapeError", RAGGED.format(literal(item.name)), inner, (local, size), item.sources)
        inner.statements += [Assign(local.name, size) for local, size in zip(sizes, found)]

    def step(self, item: ScanItem, carried: list[Local | None], ends: list[Expr], count: Local | None,
             inner: Scope) -> None:
        """The end of a step: all carries get their next values at once."""
        scalars = [local for c, local in zip(item.carries, carried) if local is not None and c.init is not None]
        values = [cast(v, local.dtype) for v, local in zip(ends, scalars)]
        for k, v in enumerate(values):
            if v in scalars and v != scalars[k]:        # handed on from another, which gets a new value itself
                name = self.low.local_name("next")
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
        target = self.low.memory.whole(row)
        self.low.writes[target.buffer] = None
        step = self.low.sizes.product(self.low.sizes.of(row)[1:])
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
        source, target = self.low.memory.buffers[state], self.low.memory.whole(to)
        self.low.reads[source] = None
        self.low.writes[target.buffer] = None
        count = self.low.sizes.product(self.low.sizes.of(to))
        load = Load(source, Index(((1, "i"), *([] if row is None else [(count, row.name)]))))
        return For("i", 0, count, (Store(target.buffer, self.flat(target), load),))

    def flat(self, target: Access) -> Index:
        """Element i of a result: it may be a part of another's memory, but lies there in one piece."""
        return self.low.index(Access(target.buffer, (1,), target.offset), self.scope)

    # -- branches

    def cond(self, item: CondItem) -> None:
        condition = truth(self.low.value(item.condition, self.scope))
        results = [self.mutable(self.low.memory.label(v), Lit(_zero(v), _dtype(v))) for v in item.scalars]
        branches = []
        for body, region in zip(item.bodies, item.regions):
            inner = self.scope.body(closed=True)
            inner.statements += [*self.low.sizes.checks_of(region), *self.low.taken_first(body)]
            for local, value in zip(results, self.body(body, inner)):
                inner.statements.append(Assign(local.name, cast(value, local.dtype)))
            self.low.measure(inner)
            branches.append(tuple(inner.statements))
        self.scope.statements.append(If(condition, branches[0], branches[1]))
        for v, local in zip(item.scalars, results):
            self.give(v, local)

    # -- both

    def body(self, schedule: Any, inner: Scope) -> list[Expr]:
        """The statements of a body; the scalars at its end."""
        self.low.base = inner.level
        self.low.emit_items(schedule, inner)
        ends = [self.low.value(o, inner) for o in schedule.tail.operands]
        self.low.base = self.scope.level - self.scope.level % BODY
        return ends

    def give(self, var: Var, local: Local) -> None:
        """A scalar result: a local, or in memory."""
        self.scope.names[var] = local
        if var in self.low.schedule.stored:
            buffer = self.low.memory.buffers[var]
            self.low.writes[buffer] = None
            self.scope.statements.append(Store(buffer, Index(), local))

    def let(self, base: str, value: Expr) -> Local:
        name = self.low.local_name(base)
        self.scope.statements.append(Let(name, value))
        return Local(name, value.dtype)

    def mutable(self, base: str, value: Expr) -> Local:
        name = self.low.local_name(base)
        self.scope.statements.append(Let(name, value, mutable=True))
        return Local(name, value.dtype)


def _dtype(var: Var) -> str:
    assert isinstance(var.type, TensorType)
    return var.type.dtype


def _zero(var: Var) -> Any:
    return False if _dtype(var) == "bool" else 0
