"""Where each operand and result is in memory.

`Layout`: as elements of a stored value, from a Schedule with memory.  `Buffers`: as elements of a Buffer, for
`loops.lower`.  Not here: which value gets which memory (`loops.memory`), statements (`loops.lower`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradc.errors import InternalError
from gradc.ir.program import Var, tensor
from gradc.loops import memory
from gradc.loops.index import Lookup, View
from gradc.loops.names import Namer
from gradc.loops.nodes import Buffer, SizeExpr
from gradc.loops.schedule import Leaf, Node, Schedule, nodes_of, op_label
from gradc.loops.sizes import START, KernelSizes, Point
from gradc.record import record


@record(eq=False)
class Elements:
    """Elements of a stored value's memory: a stride per loop (0: the same element), and offset terms.

    A term is a size, or (Var or Lookup, stride) for a position that the kernel computes or looks up.  `begin`: terms
    that all of the value's elements have, as it is a part of another's memory.
    """

    root: Var
    strides: tuple[SizeExpr, ...]
    offset: tuple[Any, ...] = ()
    begin: tuple[object, ...] = ()


class Layout:
    """The memory of operands and results of one schedule."""

    def __init__(self, schedule: Schedule, sizes: KernelSizes) -> None:
        self.schedule = schedule
        self.sizes = sizes
        self.node = nodes_of(schedule)
        self._strides: dict[Var, tuple[SizeExpr, ...]] = {}

    def is_local(self, root: Var) -> bool:
        """Is it in a local variable of C, not in memory?"""
        return (root in self.node or root in self.schedule.locals) and root not in self.schedule.stored

    def has_no_memory(self, root: Var) -> bool:
        """A number, a size, or a loop variable."""
        return ((root.data is not None and root.data.size == 1) or root in self.schedule.positions
                or root in self.schedule.sizes)

    def base(self, var: Var) -> Var:
        """The value whose memory `var` is made in."""
        return self.schedule.base.get(var, var)

    def outer(self, root: Var) -> int:
        """Inside how many loops of its nest a stored value is written anew: none, except for rows."""
        found = self.schedule.memory.get(root)
        return 0 if found is None else found.outer

    def _in_memory(self, root: Var) -> tuple[Var, Sequence[SizeExpr], tuple[object, ...]]:
        """The value whose memory a stored value is in, its stride per axis, and where in it it begins."""
        part = self.schedule.aliases.get(root)
        if part is not None:
            found = self.through(part.root, part)
            return found.root, found.strides, (*found.begin, *found.offset)
        strides = self._strides.get(root)
        if strides is None:
            dims = self.sizes.of(root)
            given = self.schedule.memory.get(root)
            if given is None or len(given.axes) == len(dims):
                strides = self.sizes.strides(dims)
            else:               # an axis that the memory does not have walks nowhere
                inner = dict(zip(given.axes, self.sizes.strides(tuple([dims[k] for k in given.axes]))))
                strides = tuple([inner.get(k, 0) for k in range(len(dims))])
            self._strides[root] = strides
        return root, strides, ()

    def through(self, root: Var, view: View) -> Elements:
        """What a view shows of a stored value."""
        memory, steps, begin = self._in_memory(root)
        if view.flat:
            steps = (1,)
        mul = self.sizes.mul
        strides = tuple([0 if a is None else steps[a[0]] if a[1] == 1 else mul(steps[a[0]], a[1])
                         for a in view.axes])
        offset: list[object] = []
        for step, terms in zip(steps, view.offsets):
            for t in terms:
                if isinstance(t, tuple):
                    offset.append((t[0], mul(t[1], step)))
                elif t != 0:
                    offset.append(mul(t, step, "offset"))
        return Elements(memory, strides, tuple(offset), begin)

    def leaf(self, leaf: Leaf) -> Elements:
        """Where an operand is."""
        return self.through(self.base(leaf.root), leaf.view)

    def result(self, node: Node) -> Elements:
        """Where a node's own result is stored."""
        if node.target is not None:
            return self.through(node.target.root, node.target)
        memory, steps, begin = self._in_memory(self.base(node.out))
        strides: list[SizeExpr] = [0] * len(node.domain)
        for axis, p in enumerate(node.out_axes):
            if p is not None:
                strides[p] = steps[axis]
        return Elements(memory, tuple(strides), (), begin)


@record(eq=False)
class Access:
    """Elements of a buffer: a stride per loop (0: the same element), and offset terms as of `Elements`."""

    buffer: Buffer
    strides: tuple[SizeExpr, ...]
    offset: tuple[Any, ...] = ()


class Buffers:
    """The buffers of a kernel: of inputs, stored values and constants, and scratch for partial results."""

    def __init__(self, schedule: Schedule, layout: Layout, inputs: dict[Var, Buffer], namer: Namer) -> None:
        self.layout = layout
        self.sizes = layout.sizes
        self.buffers: dict[Var, Buffer] = dict(inputs)
        self.constants: list[tuple[Buffer, np.ndarray]] = []
        self.arena = memory.Arena(self.sizes)
        self.taken: dict[Buffer, tuple[SizeExpr, Point]] = {}    # when entry runs: bytes, and where at the earliest
        self._rooms = 1 + max([a.position for a in schedule.memory.values() if a.taken is not None], default=-1)
        self._schedule = schedule
        self._namer = namer
        self._found: dict[object, Access] = {}
        self._lookups: dict[View, Leaf] = {}
        self._scratch: list[tuple[SizeExpr, int]] = []      # of the current item
        self._allocate()

    def _allocate(self) -> None:
        for var, a in self._schedule.memory.items():
            if a.reuses is not None:
                self.buffers[var] = self.buffers[a.reuses]
                continue
            dims = tuple([self.sizes.of(var)[k] for k in a.axes])
            region = None
            if a.place in ("arena", "row") and a.taken is None:
                self.arena.hold(a.nbytes, a.position)
                region = self.arena.region(a.nbytes)
                if self.sizes.any_late(dims):
                    dims = (self.sizes.bound(self.sizes.product(dims)),)  # type: ignore[assignment]
            made = self.buffers[var] = Buffer(self._namer(self.label(var)), tensor(var).dtype, dims,
                                              "block" if a.place == "row" else a.place, a.position, region, a.stride)
            if a.taken is not None:
                self.taken[made] = a.nbytes, a.taken

    def scratch(self, name: str, dtype: str, width: SizeExpr, blocks: int) -> Buffer:
        """Scratch rows: `width` elements for each of up to `blocks` blocks."""
        size = memory.lines(self.sizes, memory.nbytes(self.sizes, (width, blocks), dtype))
        bound = self.sizes.bound(size)
        if bound is None:
            made = Buffer(self._namer(name), dtype, (width,), "block", self._rooms, None, width)
            self._rooms += 1
            self.taken[made] = size, START
            return made
        slot = self.arena.take(bound, "scratch")
        self._scratch.append((bound, slot))
        return Buffer(self._namer(name), dtype, (width,), "block", slot, self.arena.region(bound), width)

    def begin(self) -> None:
        """A new item: scratch is free again."""
        for size, slot in self._scratch:
            self.arena.give_back(size, slot, "scratch")
        self._scratch.clear()

    def label(self, var: Var) -> str:
        """What to call a value: as the user did, or by the op that made it."""
        if var.name:
            return var.name
        node = self.layout.node.get(var)
        if node is not None:
            return op_label(node.op)
        return self._schedule.labels.get(var, "part")

    def of(self, root: Var) -> Buffer:
        """The buffer of a stored value, an input or an array constant."""
        found = self.buffers.get(root)
        if found is None:
            if root.data is None:
                raise InternalError(f"{root} ({root.name}) has no memory; this is a bug in gradc, please report it")
            data = np.ascontiguousarray(root.data)
            found = self.buffers[root] = Buffer(self._namer(root.name or "constant"), data.dtype.name, data.shape,
                                                "constant", len(self.constants))
            self.constants.append((found, data))
        return found

    def _access(self, found: Elements) -> Access:
        return Access(self.of(found.root), found.strides, (*found.begin, *found.offset))

    def leaf(self, leaf: Leaf) -> Access:
        """Where an operand is."""
        found = self._found.get(leaf)
        if found is None:
            found = self._found[leaf] = self._access(self.layout.leaf(leaf))
        return found

    def lookup(self, position: Lookup) -> Leaf:
        """A position that is looked up, as an operand."""
        return self._lookups.setdefault(position.view, Leaf(position.view.root, position.view))

    def result(self, node: Node) -> Access:
        """Where a node's own result is stored."""
        found = self._found.get(node)
        if found is None:
            found = self._found[node] = self._access(self.layout.result(node))
        return found

    def whole(self, root: Var) -> Access:
        """All of a stored value."""
        return self._access(self.layout.through(root, View.whole(root, self.sizes.of(root))))
