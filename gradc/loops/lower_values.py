"""Values of operands as expressions of C: what is loaded or computed, and in which loop it is named.

In: a Schedule with memory.  Equal values of a section are computed once, in the outermost loop they allow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradc.errors import literal
from gradc.ir import dtypes, ops
from gradc.ir.facts import product_labels
from gradc.ir.program import Var, tensor
from gradc.ir.scalars import get_row
from gradc.loops import look
from gradc.loops.access import Access, Buffers, Layout
from gradc.loops.index import Lookup, View, lookups, positions
from gradc.loops.names import Namer
from gradc.loops.nodes import (
    Buffer,
    CallInfo,
    Check,
    CheckInfo,
    Define,
    Expr,
    Fn,
    Index,
    Let,
    Lit,
    Load,
    Local,
    Size,
    SizeExpr,
    Take,
)
from gradc.loops.schedule import LOOP_NAMES, Body, Leaf, Operand, Schedule, SizeItem, op_label
from gradc.loops.scopes import BODY, Scope, cast, truth
from gradc.loops.sizes import KernelSizes, Point


class ValueWriter:
    """Writes values of the section at work; `begin` starts one."""

    def __init__(self, schedule: Schedule, sizes: KernelSizes, inputs: dict[Var, Buffer], namer: Namer,
                 local_names: tuple[set[str], set[str]]) -> None:
        """local_names: names that sections use inside, and those that mean something in all of the kernel."""
        self.schedule = schedule
        self.sizes = sizes
        self.layout = Layout(schedule, sizes)
        self.memory = Buffers(schedule, self.layout, inputs, namer)
        self.base = 0                               # level of the body at work
        self.calls: list[CallInfo] = []             # of functions of the user's in Python
        self.routines: dict[str, None] = {}         # that are called
        self._namer = namer
        self._local_names = local_names
        self.begin()

    def begin(self) -> None:
        """A new section."""
        own, shared = self._local_names
        self.local_name = Namer(set(), own, shared, self._namer)
        self.reads: dict[Buffer, None] = {}
        self.writes: dict[Buffer, None] = {}
        self._keys: dict[tuple[int, Operand], tuple[object, int]] = {}
        self.memory.begin()

    def let(self, scope: Scope, base: str, expr: Expr, mutable: bool = False) -> Local:
        name = self.local_name(base)
        scope.statements.append(Let(name, expr, mutable))
        return Local(name, expr.dtype)

    def check(self, condition: Expr, error: str, message: str, scope: Scope, values: tuple[Expr, ...],
              sources: tuple[int, ...] = ()) -> None:
        self.sizes.checks.append(CheckInfo(error, message, sources))
        scope.statements.append(Check(condition, len(self.sizes.checks), values))

    # -- late sizes

    def define(self, item: SizeItem, scope: Scope) -> None:
        scope.statements.append(Define(item.size, cast(self.value(item.value, scope), "int64")))
        scope.points.append((len(scope.statements), self.sizes.points[item.size]))

    def known_at(self, point: Point, used: set[object]) -> list[Any]:
        """The statements after the Define of a late size: what follows from it, checks, memory."""
        taken = [b for b in self.memory.taken if self._taken_at(b) == point]
        return [*self.sizes.known_at(point, used), *map(self._take, taken)]

    def measure(self, scope: Scope) -> None:
        """Put in place what follows from the late sizes that a body has defined."""
        if not scope.points:
            return
        used = look.sizes_of(scope.statements)
        used.update(size for size, _ in self.memory.taken.values())
        for position, point in reversed(scope.points):
            scope.statements[position:position] = self.known_at(point, used)

    def taken_first(self, body: Body) -> list[Take]:
        """Rooms that a body takes at its start."""
        buffers = [self.memory.buffers[v] for v in body.rooms]
        return [self._take(b) for b in buffers if self._taken_at(b) == self.memory.taken[b][1]]

    def is_own(self, b: Buffer) -> bool:
        """Is it a room that a section takes?"""
        return b in self.memory.taken and self._taken_at(b)[0] > 0

    def _taken_at(self, b: Buffer) -> Point:
        size, first = self.memory.taken[b]
        return max(first, *map(self.sizes.place, (size, *b.shape)))

    def _take(self, b: Buffer) -> Take:
        size = self.memory.taken[b][0]
        late = [self.sizes.late[s] for d in (size, *b.shape) for s in self.sizes.late_in(d)]
        sources = tuple(dict.fromkeys([k for v in late for k in self.sizes.sources_of(v)]))
        names = [v.name for v, other in self.memory.buffers.items() if other is b and v.name]
        what = literal(names[0]) if names else "a result"
        text = f"there are no {{0}} bytes of memory for {what}, whose size was computed"
        self.sizes.checks.append(CheckInfo("MemoryError", text, sources))
        return Take(b, size, len(self.sizes.checks))

    # -- values

    def index(self, a: Access, scope: Scope, extra: SizeExpr = 0) -> Index:
        """An access as an index in `scope`."""
        terms = list(_terms(a.strides, LOOP_NAMES))
        offset, plus = extra, 0
        for t in a.offset:
            if isinstance(t, tuple):
                position = self._position_of(t[0], scope)
                if not isinstance(position, Local):
                    position = self.let(scope.in_body(0), "position", position)
                terms.append((t[1], position.name))
            elif isinstance(t, int):
                plus += t
            else:
                offset = self.sizes.add(offset, t, "offset")
        return Index(tuple(terms), offset + plus) if isinstance(offset, int) else Index(tuple(terms), offset, plus)

    def _position_of(self, term: Var | Lookup, scope: Scope) -> Expr:
        """A position that is computed or looked up; a negative one that is looked up counts from the end."""
        if not isinstance(term, Lookup):
            return self.value(Leaf(term, View.whole(term, ())), scope)
        leaf = self.memory.lookup(term)
        value = self.value(leaf, scope)
        if term.size is None:
            return value
        own, level = self._key(leaf)
        key = "position", own, term.size
        found = scope.find(key)
        if found is None:
            below = Fn("neg", (Fn("cast", (Fn("lt", (value, Lit(0, "int64")), "bool"),), "int64"),), "int64")
            more = Fn("and_", (below, Size(term.size)), "int64")        # all bits of the size, or none
            place = scope.at(min(level, scope.level))
            found = place.names[key] = self.let(place, "position", Fn("add", (value, more), "int64"))
        return found

    def value(self, operand: Operand, scope: Scope) -> Expr:
        """An operand's value in `scope`; loads and computations are named in the outermost loop they allow."""
        if isinstance(operand, Leaf):
            return self._leaf(operand, scope)
        if type(operand.op) is ops.Iota:
            return self._iota(operand.operands[0], scope)
        key, level = self._key(operand)
        found = scope.find(key)
        if found is None:
            place = scope.at(min(level, scope.level))
            value = self.apply(operand.op, operand.operands, place)
            if not isinstance(value, (Local, Lit, Size)):
                value = self.let(place, operand.var.name or op_label(operand.op), value)
            place.names[key] = found = value
        return found

    def _key(self, operand: Operand) -> tuple[object, int]:
        """Equal keys, equal values; and how many loops the value depends on, which are those of the body at work."""
        found = self._keys.get((self.base, operand))
        if found is None:
            found = self._keys[self.base, operand] = self._new_key(operand)
        return found

    def _new_key(self, operand: Operand) -> tuple[Any, int]:
        if not isinstance(operand, Leaf):
            keys, levels = zip(*[self._key(o) for o in operand.operands])
            return (operand.op, *keys), max(levels)
        root, view = operand.root, operand.view
        depth = self.schedule.depth                     # empty if there are no bodies
        level = max([BODY * depth.get(v, 0) for v in (root, *positions(view))]) if depth else 0
        for t in lookups(view):
            level = max(level, self._key(self.memory.lookup(t))[1])
        if self.layout.is_local(root):
            node = self.layout.node.get(root)
            return root, level + (node.available if node is not None else 0)
        if root in self.schedule.positions:                 # an Iota
            for k, axis in enumerate(view.axes, self.base + 1):
                if axis is not None:
                    level = max(level, k)
            return (root, view.axes, view.offsets), level
        if self.layout.has_no_memory(root):
            return root, 0
        a = self.memory.leaf(operand)
        for k, s in enumerate(a.strides, self.base + 1):
            if s != 0:
                level = max(level, k)
        stored = self.layout.base(root)
        rows = self.layout.outer(stored)
        if rows:                                        # written in outer iterations of this very nest
            level = max(level, self.base + rows)
        # the value belongs to the key: another may have lived in the buffer before, in place
        return (stored, a.buffer, a.strides, a.offset), level

    def _leaf(self, leaf: Leaf, scope: Scope) -> Expr:
        root = leaf.root
        if root.data is not None and root.data.size == 1:
            return Lit(root.data.reshape(())[()], tensor(root).dtype)
        if self.layout.is_local(root):
            found = scope.find(root)
            assert found is not None, f"{root} ({root.name}) is not at hand"
            return found
        if root in self.schedule.positions:
            return self._iota(leaf, scope)
        if root in self.schedule.sizes:
            return Size(self.sizes.value(root))
        key, level = self._key(leaf)
        found = scope.find(("load", key))
        if found is None:
            level = min(level, scope.level)
            place = scope.at(level)
            a = self.memory.leaf(leaf)
            self.reads[a.buffer] = None
            found = self.let(place, self._part(leaf, a, level), Load(a.buffer, self.index(a, place)))
            place.names["load", key] = found
        return found

    def _part(self, leaf: Leaf, a: Access, level: int) -> str:
        """What to call an element that is loaded: as a body calls the part that it is in, else by its loop."""
        names, view = self.schedule.names, leaf.view
        name = names.get((leaf.root, view.offsets, view.is_element())) if names else None
        if level % BODY:
            return element_name(name or a.buffer.name, level)
        times = [t[0].name for t in a.offset if isinstance(t, tuple) and isinstance(t[0], Var) and t[0].name]
        return name if name and name != a.buffer.name else "_".join([a.buffer.name, *(times or "0")])

    def _iota(self, leaf: Leaf, scope: Scope) -> Expr:
        """A position: loop variables times factors plus offsets."""
        terms: list[Expr] = []
        for k, axis in enumerate(leaf.view.axes):
            if axis is not None:
                terms.append(_times(Local(LOOP_NAMES[k], "int64"), axis[1]))
        for t in leaf.view.offsets[0]:
            if isinstance(t, tuple):
                terms.append(_times(self._position_of(t[0], scope), t[1]))
            else:
                terms.append(Size(t))
        value = terms[0] if terms else Lit(0, "int64")
        for t in terms[1:]:
            value = Fn("add", (value, t), "int64")
        return value

    def apply(self, op: ops.OpKind, operands: Sequence[Operand], scope: Scope) -> Expr:
        """One op on values in `scope`."""
        values = [self.value(o, scope) for o in operands]
        if type(op) is ops.Map:
            if op.fn == "identity":
                return values[0]
            row = get_row(op.fn)
            compute, result = row.dtypes(*[v.dtype for v in values])
            if row.rule == "select":
                return Fn(op.fn, (truth(values[0]), *[cast(v, compute) for v in values[1:]]), result)
            return Fn(op.fn, tuple([cast(v, compute) for v in values]), result)
        if type(op) is ops.Cast:
            return cast(values[0], op.dtype)
        assert product_labels(op) is not None
        dtype = dtypes.upcast(*(v.dtype for v in values))
        return Fn("mul", tuple(cast(v, dtype) for v in values), dtype)


def _terms(strides: Sequence[SizeExpr], variables: Sequence[str]) -> tuple[tuple[SizeExpr, str], ...]:
    return tuple([(s, v) for s, v in zip(strides, variables) if s != 0])


def element_name(buffer: str, level: int) -> str:
    """What to call an element of a buffer inside `level` loops."""
    level %= BODY
    return f"{buffer}_{LOOP_NAMES[level - 1]}" if level else f"{buffer}_0"


def _times(value: Expr, factor: SizeExpr) -> Expr:
    return value if factor == 1 else Fn("mul", (value, Size(factor)), "int64")
