"""Scan and Cond -> statements: a loop over time around the statements of its body, an If around those of two branches.

    ScanItem    let mutable h = init                        scalar carries; `now` = 0 for arrays in two rows
                small[i] = init[i]
                for t in 0 .. steps                         downwards if reverse; to min(limit, steps) if limited
                  ... the body; rows of results are stored where they belong
                  h := next; small[i] = next[i]; now := 1 - now; break if stop
                rows past the last step are 0; last values are stored where they are used
    CondItem    if condition: ... else: ...                 scalar results are locals, given a value in both branches

`ItemWriter` writes any item of a schedule; nests are `loops.lower_nest`'s, calls `loops.lower_calls`'.
"""

from __future__ import annotations

from gradc.errors import literal
from gradc.ir.program import Var
from gradc.ir.types import TensorType
from gradc.loops.access import Access
from gradc.loops.lower_calls import write_call
from gradc.loops.lower_nest import NestWriter
from gradc.loops.nodes import Assign, Break, Expr, Fn, For, If, Index, Let, Lit, Load, Local, Size, SizeExpr, Store
from gradc.loops.schedule import Block, Body, BodyItem, CallItem, Carry, CondItem, Nest, ScanItem, SizeItem
from gradc.loops.scopes import BODY, Scope, cast, truth

RAGGED = "{}: a row of a result has the size {{0}} at first and {{1}} in a later step; the rows of a result have one " \
         "shape"


class ItemWriter(NestWriter):
    """Writes the items of a kernel and of all bodies in it."""

    def item(self, item: BodyItem, scope: Scope) -> None:
        match item:
            case Nest():
                self.nest(item, scope)
            case Block():
                self.block(item, scope)
            case CallItem():
                write_call(self, item, scope)
            case SizeItem():
                self.define(item, scope)
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
        # where a step defines sizes nothing is taken out of it, for it may rely on their checks
        inner = self.scope.body(closed=any([type(i) is SizeItem for i in item.body.items]))
        inner.statements += self.writer.taken_first(item.body)
        stop = self.stop(item)
        count = self.mutable("count", Lit(0, "int64")) if item.until else None
        carried = [self.begin(c, inner) for c in item.carries]
        sizes = [self.mutable(self.writer.memory.label(v), Lit(-1, "int64")) for v in item.sizes]
        first = self.scope.body()
        self.body(item.start, first)
        self.scope.statements += first.statements
        t = self.writer.local_name("t")
        inner.names[item.t] = Local(t, "int64")
        ends = self.body(item.body, inner)
        if sizes:
            self.agree(item, sizes, ends[len(ends) - len(sizes) - item.until:], Local(t, "int64"), inner)
        self.step(item, carried, ends, count, inner)
        self.writer.measure(inner)
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
        limit = cast(self.writer.value(item.limit, self.scope), "int64")
        inside = Fn("minimum", (Fn("maximum", (limit, Lit(0, "int64")), "int64"), Size(item.steps)), "int64")
        return self.let("stop", inside)

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

    def agree(self, item: ScanItem, sizes: list[Local], found: list[Expr], t: Local, inner: Scope) -> None:
        """Sizes of rows that a step finds are those of the first, which sets the rows of steps that may not be run."""
        first = Fn("lt", (sizes[0], Lit(0, "int64")), "bool")
        if item.until or item.limit is not None:
            around: list[object] = []
            for v in item.body.rooms:
                target, of = self.writer.memory.whole(v), self.writer.sizes
                step = of.product(of.of(v)[1:])
                here, behind = self.writer.local_name("here"), self.writer.local_name("behind")
                around += [Let(here, Fn("mul", (t, Size(step)), "int64")),
                           Let(behind, Fn("add", (Local(here, "int64"), Size(step)), "int64"))]
                zero = (Store(target.buffer, self.flat(target), Lit(0, target.buffer.dtype)),)
                around += [For("i", 0, Local(here, "int64"), zero),
                           For("i", Local(behind, "int64"), of.mul(item.steps, step), zero)]
            inner.statements.append(If(first, tuple(around)))
        for local, size in zip(sizes, found):
            same = Fn("or_", (first, Fn("eq", (local, size), "bool")), "bool")
            self.writer.check(same, "ShapeError", RAGGED.format(literal(item.name)), inner, (local, size), item.sources)
        inner.statements += [Assign(local.name, size) for local, size in zip(sizes, found)]

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
        assigned: list[object] = [Assign(local.name, v) for local, v in zip(scalars, values) if local != v]
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
        for body, branch in zip(item.bodies, item.branches):
            inner = self.scope.body(closed=True)
            inner.statements += [*self.writer.sizes.checks_of(branch), *self.writer.taken_first(body)]
            for local, value in zip(results, self.body(body, inner)):
                inner.statements.append(Assign(local.name, cast(value, local.dtype)))
            self.writer.measure(inner)
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


def _zero(var: Var) -> object:
    return False if _dtype(var) == "bool" else 0
