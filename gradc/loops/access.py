"""Where each operand and result lies: buffers, strides per loop, and loops that can be made one.

In: a Schedule.  Out: `Accesses`: the Buffer of every stored value (output, arena slot, row per block, or small array)
and, for each operand and result, an `Access`.  Not here: statements (`loops.lower`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from gradc.errors import InternalError
from gradc.ir import dtypes, ops
from gradc.ir.program import Program, Var
from gradc.ir.scalars import get_row
from gradc.ir.types import TensorType
from gradc.loops import memory
from gradc.loops.index import Lookup, View, lookups
from gradc.loops.names import Namer
from gradc.loops.nodes import Buffer, Region, SizeExpr
from gradc.loops.places import Leaf, Loop, Node, loops_below, statements
from gradc.loops.schedule import Schedule
from gradc.loops.sizes import KernelSizes
from gradc.record import record

ROW_LIMIT = 16              # blocks of a nest that has a row of partial results, or scratch, for each


@record(frozen=False, eq=False)
class Access:
    """Elements of a buffer: a stride per loop (0: the same element), and offset terms.

    A term is a size, or (Var or Lookup, stride) for a position that the kernel computes or looks up.
    """

    buffer: Buffer
    strides: tuple[SizeExpr, ...]
    offset: tuple[Any, ...] = ()


class Accesses:
    """See the module's docstring."""

    def __init__(self, program: Program, schedule: Schedule, sizes: KernelSizes, inputs: list[Buffer],
                 namer: Namer) -> None:
        self.schedule = schedule
        self.sizes = sizes
        self.buffers: dict[Var, Buffer] = dict(zip(program.inputs, inputs))
        self.constants: list[tuple[Buffer, Any]] = []
        self.arena = memory.Arena(sizes)
        self._namer = namer
        self._levels: dict[Var, int] = {}            # of a row buffer: how many outer axes it leaves out
        self._merged: dict[Var, int] = {}            # and how many of their loops were made one with the next
        self._found: dict[Any, Access] = {}
        self._lookups: dict[View, Leaf] = {}
        self._steps: dict[Var, tuple[SizeExpr, ...]] = {}
        self._scratch: list[tuple[Region, int]] = []     # of the current item
        self._inside: list[tuple[Region, int]] = []      # slots of values in the bodies of an item
        self._stack = 0                                  # bytes of those that are small arrays
        self._plan(schedule)

    # -- buffers

    def _plan(self, s: Schedule) -> None:
        """Memory of every stored value, item by item.

        What is stored in the bodies of an item keeps its slot until the item ends: the pointers of one C function must
        not meet.
        """
        spans = memory.lifetimes(s)
        starts: dict[int, list[Var]] = {}
        for var, (first, _) in spans.items():
            starts.setdefault(first, []).append(var)
        slots: dict[Var, tuple[Region, int]] = {}        # of the values alive
        ends: dict[int, list[Var]] = {}
        for item in range(len(s.items)):
            for var in starts.get(item, ()):
                if var in s.placed or var in self.buffers:      # steps change what lies outside
                    continue
                dims = self.sizes.of(var)
                dtype = tensor(var).dtype
                if var in s.output_of:
                    self.buffers[var] = Buffer(self._namer(self.label(var)), dtype, dims, "output", s.output_of[var])
                    continue
                ends.setdefault(spans[var][1], []).append(var)
                shared = memory.shared_levels(s, var)
                if shared:
                    self._levels[var] = shared
                    dims = tuple(dims[k] for k in self._axes_inside(s.node[var], shared))
                if s.level and memory.is_small(dims) and self._on_stack(dims, dtype):
                    self.buffers[var] = Buffer(self._namer(self.label(var)), dtype, dims, "stack")
                    continue
                before = None if shared else memory.in_place_of(s, self.sizes, spans, var)
                if before in slots:
                    slots[var] = slots.pop(before)
                    self.buffers[var] = self.buffers[before]
                    continue
                stride: SizeExpr = 0
                if shared:
                    stride = memory.padded(self.sizes, dims, dtype)
                    size = memory.nbytes(self.sizes, (stride, 1 if s.level else ROW_LIMIT), dtype)
                else:
                    size = memory.lines(self.sizes, memory.nbytes(self.sizes, dims, dtype))
                region, slot = slots[var] = self.arena.take(self.sizes.bound(size), "values")
                place = "block" if shared else "arena"
                self.buffers[var] = Buffer(self._namer(self.label(var)), dtype, dims, place, slot, region, stride)
            for body in getattr(s.items[item], "bodies", ()):
                self._plan(body)
            if s.level:
                continue
            for var in ends.get(item, ()):
                if var in slots:                # else another value lives on in it
                    self.arena.give_back(*slots.pop(var), "values")
            for place_inside in self._inside:
                self.arena.give_back(*place_inside, "values")
            self._inside.clear()
            self._stack = 0
        if s.level:
            self._inside += slots.values()

    def _on_stack(self, dims: tuple[SizeExpr, ...], dtype: str) -> bool:
        """Take room on the stack of the item's C function, if there is as much."""
        size = memory.nbytes(self.sizes, dims, dtype)
        assert isinstance(size, int)
        fits = self._stack + size <= memory.STACK
        self._stack += size * fits
        return fits

    @staticmethod
    def _axes_inside(node: Node, shared: int) -> list[int]:
        return [k for k, p in enumerate(node.out_axes) if p is None or p >= shared]

    def scratch(self, name: str, dtype: str, width: SizeExpr, blocks: int) -> Buffer:
        """A row of `width` elements for each of up to `blocks` blocks."""
        size = self.sizes.bound(memory.lines(self.sizes, memory.nbytes(self.sizes, (width, blocks), dtype)))
        region, slot = self.arena.take(size, "scratch")
        self._scratch.append((region, slot))
        return Buffer(self._namer(name), dtype, (width,), "block", slot, region, width)

    def constant(self, root: Var) -> Buffer:
        """The buffer of an array constant."""
        found = self.buffers.get(root)
        if found is None:
            if root.data is None:
                raise InternalError(f"{root} ({root.name}) has no memory; this is a bug in gradc, please report it")
            data = np.ascontiguousarray(root.data)
            found = self.buffers[root] = Buffer(self._namer(root.name or "constant"), data.dtype.name, data.shape,
                                                "constant", len(self.constants))
            self.constants.append((found, data))
        return found

    def label(self, var: Var) -> str:
        """What to call a value: as the user did, or by the op that made it."""
        if var.name:
            return var.name
        node = self.schedule.node.get(var)
        if node is not None:
            return op_label(node.op)
        return self.schedule.products.get(var, "part")

    # -- accesses

    def begin(self) -> None:
        """A new item: scratch is free again."""
        self.new_nest()
        for region, slot in self._scratch:
            self.arena.give_back(region, slot, "scratch")
        self._scratch.clear()

    def new_nest(self) -> None:
        """Loops are numbered anew and may be merged in their own way; operands of other nests may be the same."""
        self._found.clear()
        self._lookups.clear()

    def _stride_of(self, root: Var) -> tuple[SizeExpr, ...]:
        """Stride per axis of a stored value; 0 for outer axes that a row buffer leaves out."""
        found = self._steps.get(root)
        if found is None:
            dims = self.sizes.of(root)
            shared = self._levels.get(root)
            if shared is None:
                found = self.sizes.strides(dims)
            else:
                kept = self._axes_inside(self.schedule.node[root], shared)
                inner = dict(zip(kept, self.sizes.strides(tuple(dims[k] for k in kept))))
                found = tuple(inner.get(k, 0) for k in range(len(dims)))
            self._steps[root] = found
        return found

    def row_level(self, root: Var) -> int:
        """Inside how many loops of its nest a stored value is written anew: none, but for row buffers."""
        return self._levels.get(root, 0) - self._merged.get(root, 0)

    def leaf(self, leaf: Leaf) -> Access:
        """Where an operand lies."""
        found = self._found.get(leaf)
        if found is None:
            root = self.schedule.storage.get(leaf.root, leaf.root)
            found = self._found[leaf] = self._through(root, leaf.view)
        return found

    def lookup(self, position: Lookup) -> Leaf:
        """A position that is looked up, as an operand of the nest."""
        return self._lookups.setdefault(position.view, Leaf(position.view.root, position.view))

    def _memory(self, root: Var) -> tuple[Buffer, tuple[SizeExpr, ...], tuple[Any, ...]]:
        """The buffer of a stored value, its stride per axis, and where in the buffer it begins."""
        part = self.schedule.placed.get(root)
        if part is None:
            return self.constant(root), self._stride_of(root), ()
        found = self._through(part.root, part)
        return found.buffer, found.strides, found.offset

    def _through(self, root: Var, view: View) -> Access:
        buffer, steps, begin = self._memory(root)
        if view.flat:
            steps = (1,)
        mul = self.sizes.mul
        strides = tuple([0 if a is None else steps[a[0]] if a[1] == 1 else mul(steps[a[0]], a[1])
                         for a in view.axes])
        offset: list[Any] = list(begin)
        for step, terms in zip(steps, view.offsets):
            for t in terms:
                if isinstance(t, tuple):
                    offset.append((t[0], mul(t[1], step)))
                elif t != 0:
                    offset.append(mul(t, step, "offset"))
        return Access(buffer, strides, tuple(offset))

    def whole(self, root: Var) -> Access:
        """All of a stored value."""
        return self._through(root, View.whole(root, self.sizes.of(root)))

    def result(self, node: Node) -> Access:
        """Where a node's own result is stored."""
        found = self._found.get(node)
        if found is None:
            if node.target is not None:
                found = self._through(node.target.root, node.target)
            else:
                buffer, steps, begin = self._memory(self.schedule.storage.get(node.out, node.out))
                strides: list[SizeExpr] = [0] * len(node.domain)
                for axis, p in enumerate(node.out_axes):
                    if p is not None:
                        strides[p] = steps[axis]
                found = Access(buffer, tuple(strides), begin)
            self._found[node] = found
        return found

    def in_memory(self, node: Node) -> bool:
        """Does a node write to memory?"""
        return node.kind == "write" or node.out in self.schedule.stored

    def is_local(self, leaf: Leaf) -> bool:
        """Is an operand taken from a local variable?"""
        root, s = leaf.root, self.schedule
        return (root in s.node or root in s.locals) and root not in s.stored

    def has_no_memory(self, root: Var) -> bool:
        """A number, a size, or a loop variable."""
        return ((root.data is not None and root.data.size == 1) or root in self.schedule.trees
                or root in self.schedule.size_values)

    def _all_lookups(self, views: list[View]) -> Iterator[Leaf]:
        """The positions that these views look up, and those that are looked up for them."""
        for view in views:
            for each in lookups(view):
                yield self.lookup(each)
                yield from self._all_lookups([each.view])

    # -- merging loops

    def merge(self, top: Loop) -> None:
        """Make one loop of an outer and its only inner one where memory goes on across them in all accesses."""
        while len(top.children) == 1 and type(top.children[0]) is Loop:
            inner = top.children[0]
            nodes = [n for n in statements(top) if isinstance(n, Node)]
            touched: list[Any] = []
            for n in nodes:
                if len(n.domain) < 2 or n.kind in ("argreduce", "cumulate") or (0 in n.reduced) != (1 in n.reduced):
                    return
                views = [leaf.view for leaf in n.leaves()] + ([n.target] if n.target is not None else [])
                for leaf in (*n.leaves(), *self._all_lookups(views)):
                    if leaf.root in self.schedule.trees:
                        return                  # an Iota needs both indices
                    if not self.has_no_memory(leaf.root) and not self.is_local(leaf):
                        touched.append(leaf)
                if self.in_memory(n):
                    touched.append(n)
            accesses = {t: self.leaf(t) if isinstance(t, Leaf) else self.result(t) for t in touched}
            for a in accesses.values():
                outer, step = a.strides[:2]
                if outer != (0 if step == 0 else self.sizes.mul(step, inner.size)):
                    return
            for t, a in accesses.items():
                self._found[t] = Access(a.buffer, a.strides[1:], a.offset)
            top.size = self.sizes.mul(top.size, inner.size, "elements")
            top.children = inner.children
            top.serial = top.serial or inner.serial
            for n in nodes:
                if n.out in self._levels:
                    self._merged[n.out] = self._merged.get(n.out, 0) + 1
                n.domain = (top.size, *n.domain[2:])
                n.reduced = tuple(sorted({max(0, p - 1) for p in n.reduced}))
                n.out_axes = tuple(None if p == 0 else p if p is None else p - 1 for p in n.out_axes)
                n.path = (top, *n.path[2:])
            for loop in loops_below(top):
                loop.level -= 1


def tensor(var: Var) -> TensorType:
    """The type of a value that is a tensor."""
    assert isinstance(var.type, TensorType)
    return var.type


def op_label(op: ops.OpKind) -> str:
    """What to call the result of an op that has no name."""
    match op:
        case ops.Map("position"):           # the schedule's own, no row
            return "position"
        case ops.Map(fn):
            return get_row(fn).name
        case ops.Cast(dtype):
            return f"as_{dtypes.SHORT[dtype]}"
        case ops.Reduce() | ops.Contract() | ops.ArgReduce() | ops.Cumulate():
            return str(op)
    return type(op).__name__.lower()
