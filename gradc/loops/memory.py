"""Third step of the schedule: the memory of each stored value.

It is output memory, a slot of the arena, a row per block of a parallel loop, or an array on the C stack.  Live ranges
are ranges of top-level items.  A slot is used again by a value of the same size in bytes once the former value is dead,
or, in place, by the value computed from it element for element in the same loop.  Slots of one size are side by side,
each 64-byte aligned: thousands of values need no thousands of sizes.

Small values of bodies (`is_small`) are on the stack of the C function that runs the loop or branch, each in an array of
its own: the C compiler unrolls loops over so few elements, and has them in registers.
"""

from __future__ import annotations

from math import prod

from gradc.ir import dtypes
from gradc.ir.program import Var
from gradc.ir.routines import get_routine
from gradc.loops.nodes import SizeExpr, Slots
from gradc.loops.schedule import Allocation, Body, CallItem, CondItem, Node, ScanItem, Schedule, leaves
from gradc.loops.sizes import START, KernelSizes, Point
from gradc.loops.uses import Uses
from gradc.record import replace
from gradc.target import TARGET


def allocate(schedule: Schedule, uses: Uses, sizes: KernelSizes) -> Schedule:
    """The schedule with memory for all stored values; `uses`: of its body as it was placed."""
    step = _Allocator(schedule, sizes)
    step.plan(schedule.body, uses)
    return replace(schedule, memory=step.memory)


class Arena:
    """Slots of one kernel's scratch memory; a pool's slots are used again only within that pool."""

    def __init__(self, sizes: KernelSizes) -> None:
        self._sizes = sizes
        self._regions: dict[SizeExpr, Slots] = {}
        self._free: dict[tuple[str, SizeExpr], list[int]] = {}

    def take(self, size: SizeExpr, pool: str) -> int:
        """A slot of `size` bytes, a multiple of a cache line."""
        free = self._free.get((pool, size))
        return free.pop() if free else self.hold(size, self.region(size).slots)

    def hold(self, size: SizeExpr, slot: int) -> int:
        """There is a slot of this number."""
        region = self.region(size)
        region.slots = max(region.slots, slot + 1)
        return slot

    def region(self, size: SizeExpr) -> Slots:
        found = self._regions.get(size)
        if found is None:
            found = self._regions[size] = Slots(size)
        return found

    def give_back(self, size: SizeExpr, slot: int, pool: str) -> None:
        self._free.setdefault((pool, size), []).append(slot)

    def close(self) -> SizeExpr:
        """Put the regions one after the other; returns the bytes of the whole."""
        total: SizeExpr = 0
        for region in self._regions.values():
            region.start = total
            total = self._sizes.add(total, self._sizes.mul(region.slots, region.bytes), "arena")
        return total


class _Allocator:
    def __init__(self, schedule: Schedule, sizes: KernelSizes) -> None:
        self.s = schedule
        self.sizes = sizes
        self.memory: dict[Var, Allocation] = {}
        self._arena = Arena(sizes)
        self._inside: list[Allocation] = []             # of values in the bodies of an item
        self._stack = 0                                 # bytes of those that are small arrays
        self._rooms: dict[Var, int] = {}                # whose they are -> their numbers

    def plan(self, body: Body, uses: Uses) -> None:
        """Memory of every stored value, item by item.

        What is stored in the bodies of an item keeps its slot until the item ends: the pointers of one C function must
        not meet.
        """
        ranges = live_ranges(self.s, body, uses)
        starts: dict[int, list[Var]] = {}
        for var, (first, _) in ranges.items():
            starts.setdefault(first, []).append(var)
        ends: dict[int, list[Var]] = {}
        slots: dict[Var, Allocation] = {}               # of the values alive
        for number, item in enumerate(body.items):
            for var in starts.get(number, ()):
                if var in self.s.aliases:
                    continue
                if var in self.s.outputs:
                    self.memory[var] = Allocation("output", self.s.outputs[var], self._all_axes(var))
                    continue
                ends.setdefault(ranges[var][1], []).append(var)
                found = self.memory[var] = self._allocation(var, body, uses, ranges, slots)
                if found.place != "stack" and found.taken is None:
                    slots[var] = found
            if isinstance(item, (ScanItem, CondItem)):
                for inner, inner_uses in zip(item.bodies, uses.inner[number]):
                    self.plan(inner, inner_uses)
            if body.level:
                continue
            for var in ends.get(number, ()):
                if var in slots:                # else another value lives on in it
                    self._give_back(slots.pop(var))
            for found in self._inside:
                self._give_back(found)
            self._inside.clear()
            self._stack = 0
        if body.level:
            self._inside += slots.values()

    def _give_back(self, a: Allocation) -> None:
        self._arena.give_back(a.nbytes, a.position, "values")

    def _all_axes(self, var: Var) -> tuple[int, ...]:
        return tuple(range(len(self.sizes.of(var))))

    def _allocation(self, var: Var, body: Body, uses: Uses, ranges: dict[Var, tuple[int, int]],
                    slots: dict[Var, Allocation]) -> Allocation:
        """New memory, or that of a value which dies here (then no longer in `slots`)."""
        dims, axes = self.sizes.of(var), self._all_axes(var)
        dtype = var.type.dtype
        outer = self._shared_loops(var, uses)
        if outer:
            axes = tuple([k for k, p in enumerate(uses.node[var].out_axes) if p is None or p >= outer])
            dims = tuple([dims[k] for k in axes])
        owner = self.s.rooms.get(var)
        if body.level and owner is None and is_small(dims) and self._on_stack(dims, dtype):
            return Allocation("stack", -1, axes, outer=outer)
        before = None if outer else self._in_place_of(var, body, uses, ranges)
        if before in slots:
            return replace(slots.pop(before), reuses=before)
        stride: SizeExpr = 0
        by_blocks = outer > 0 and not body.level        # what is in a body is not cut into blocks
        if by_blocks:
            per_line = TARGET.line // dtypes.ITEMSIZE[dtype]
            stride = self.sizes.align(self.sizes.product(dims), per_line, "stride")
            size = nbytes(self.sizes, (stride, TARGET.blocks_of_rows), dtype)
        else:
            size = lines(self.sizes, nbytes(self.sizes, dims, dtype))
        bound = None if owner is not None else self.sizes.bound(size)
        if bound is None:
            number = self._rooms.setdefault(owner or var, len(self._rooms))
            return Allocation("row" if by_blocks else "room", number, axes, size, stride, outer,
                              taken=self._taken(var, owner, body.level))
        slot = self._arena.take(bound, "values")
        return Allocation("row" if by_blocks else "arena", slot, axes, bound, stride, outer)

    def _taken(self, var: Var, owner: Var | None, level: int) -> Point:
        """Where a room can be taken at the earliest: what is in another's in the body that knows its size."""
        if owner is var:
            return max([self.sizes.points[d] for d in self.sizes.told_by[var]])
        return START if owner is None else (level, 0)

    def _on_stack(self, dims: tuple[SizeExpr, ...], dtype: str) -> bool:
        """Takes room on the stack of the item's C function, if there is as much."""
        size = nbytes(self.sizes, dims, dtype)
        assert isinstance(size, int)
        fits = self._stack + size <= TARGET.stack
        self._stack += size * fits
        return fits

    def _shared_loops(self, var: Var, uses: Uses) -> int:
        """How many outer loops a stored value and all its uses share iteration by iteration."""
        node = uses.node.get(var)
        if node is None or var in self.s.outputs or not node.domain:
            return 0
        path = uses.path[node]
        shared = node.available
        for user, view in uses.users.get(var, ()):
            if not isinstance(user, Node) or view.flat:
                return 0
            level = 0
            other = uses.path[user]
            while level < shared and level < len(other) and other[level] is path[level] \
                    and level in node.out_axes and view.axes[level] == (node.out_axes.index(level), 1) \
                    and not view.offsets[node.out_axes.index(level)]:
                level += 1
            shared = level
        return shared

    def _in_place_of(self, var: Var, body: Body, uses: Uses, ranges: dict[Var, tuple[int, int]]) -> Var | None:
        """An operand whose memory `var` can take over: same sizes and dtype, element for element, last used with it."""
        item = body.items[body.defined[var]]
        if isinstance(item, CallItem):
            return self._overwritten(var, item, uses, ranges)
        node = uses.node.get(var)
        if node is None or node.kind != "map" or not node.domain:
            return None
        dims, number = self.sizes.of(var), uses.item[node]
        nest = uses.path[node][-1]
        for leaf in node.leaves():
            v = leaf.root
            if v not in self.s.stored or v not in ranges or v in self.s.outputs or v in self.s.base:
                continue
            if self.sizes.of(v) != dims:
                continue
            if ranges[v][1] != number or body.defined[v] == number or v.type != var.type:
                continue
            users = [(user, view) for user, view in uses.users[v] if uses.item[user] == number]
            if all(isinstance(user, Node) and uses.path[user] and uses.path[user][-1] is nest and view.is_whole(dims)
                   and nest.children.index(user) <= nest.children.index(node) for user, view in users):
                return v
        return None

    def _overwritten(self, var: Var, item: CallItem, uses: Uses, ranges: dict[Var, tuple[int, int]]) -> Var | None:
        """The argument in whose memory a routine can leave its first result, if nothing else uses that."""
        which = get_routine(item.routine).overwrites
        if which is None or var is not item.outs[0] or not item.in_memory[which]:
            return None
        (leaf,) = leaves(item.args[which])
        v, number = leaf.root, uses.item[item]
        if v not in self.s.stored or v in self.s.outputs or v in self.s.base or ranges.get(v, (0, 0))[1] != number \
                or v.type.dtype != var.type.dtype or not leaf.view.is_whole(self.sizes.of(v)) \
                or leaf.view.dims != self.sizes.of(var):
            return None
        return v if [uses.item[user] for user, _ in uses.users[v]].count(number) == 1 else None


def live_ranges(schedule: Schedule, body: Body, uses: Uses) -> dict[Var, tuple[int, int]]:
    """First and last item at which each stored value's memory is in use."""
    ranges: dict[Var, tuple[int, int]] = {}
    aliases, base = schedule.aliases, schedule.base

    def touch(var: Var, item: int) -> None:
        root = base.get(var, var)
        while root in aliases and aliases[root].root in body.defined:
            root = aliases[root].root       # a part of another value's memory
        if root not in body.defined:        # memory of the body around, which a step changes
            return
        first, last = ranges.get(root, (item, item))
        ranges[root] = min(first, item), max(last, item)

    for var, defined in body.defined.items():       # in order, which `stored` is not
        if var not in schedule.stored:
            continue
        node = uses.node.get(var)
        touch(var, defined if node is None else uses.item[node])
        for user, _ in uses.users.get(var, ()):
            touch(var, uses.item[user])
    for user, number in uses.item.items():
        if type(user) is Node and user.target is not None and user.target.root in body.defined:
            touch(user.target.root, number)
    return ranges


def is_small(dims: tuple[SizeExpr, ...]) -> bool:
    """Are these sizes known, and of few elements?"""
    known = [d for d in dims if isinstance(d, int)]
    return len(known) == len(dims) and prod(known) <= TARGET.small_array


def nbytes(sizes: KernelSizes, dims: tuple[SizeExpr, ...], dtype: str) -> SizeExpr:
    """Bytes of a contiguous array."""
    return sizes.mul(sizes.product(dims), dtypes.ITEMSIZE[dtype], "bytes")


def lines(sizes: KernelSizes, size: SizeExpr) -> SizeExpr:
    """Bytes rounded up to whole cache lines."""
    return sizes.align(size, TARGET.line, "bytes")
