"""Where stored values live: output memory, a slot of the arena, a row per block of a parallel loop, or the C stack.

Lifetimes are ranges of top-level items.  A slot is used again by a value of the same size in bytes once the
former value is dead, or, in place, by the value computed from it element for element in the same loop.  Slots of one
size lie side by side, each 64-byte aligned: thousands of values need no thousands of sizes.

Small values of bodies (`is_small`) lie on the stack of the C function that runs the loop or branch, each in an array of
its own: the C compiler unrolls loops over so few elements, and has them in registers.
"""

from __future__ import annotations

from math import prod

from gradc.ir import dtypes
from gradc.ir.program import Var
from gradc.loops.nodes import Region, SizeExpr
from gradc.loops.places import Node, statements
from gradc.loops.schedule import Schedule
from gradc.loops.sizes import KernelSizes

ALIGN = 64
SMALL = 64              # elements of a small value: eight of the widest vectors of float64
STACK = 1 << 16         # bytes of small values in one C function


class Arena:
    """Slots of one kernel's scratch memory; a pool's slots are used again only within that pool."""

    def __init__(self, sizes: KernelSizes) -> None:
        self._sizes = sizes
        self._regions: dict[SizeExpr, Region] = {}
        self._free: dict[tuple[str, SizeExpr], list[int]] = {}

    def take(self, size: SizeExpr, pool: str) -> tuple[Region, int]:
        """A slot of `size` bytes, a multiple of ALIGN."""
        region = self._regions.setdefault(size, Region(size))
        free = self._free.get((pool, size))
        if free:
            return region, free.pop()
        region.slots += 1
        return region, region.slots - 1

    def give_back(self, region: Region, slot: int, pool: str) -> None:
        self._free.setdefault((pool, region.bytes), []).append(slot)

    def close(self) -> SizeExpr:
        """Put the regions one after the other; returns the bytes of the whole."""
        total: SizeExpr = 0
        for region in self._regions.values():
            region.start = total
            total = self._sizes.add(total, self._sizes.mul(region.slots, region.bytes), "arena")
        return total


def lifetimes(schedule: Schedule) -> dict[Var, tuple[int, int]]:
    """First and last top-level item at which each stored value's memory is in use."""
    spans: dict[Var, tuple[int, int]] = {}

    def touch(var: Var, item: int) -> None:
        root = schedule.storage.get(var, var)
        while root in schedule.placed and schedule.placed[root].root in schedule.home:
            root = schedule.placed[root].root       # a part of another value's memory
        first, last = spans.get(root, (item, item))
        spans[root] = min(first, item), max(last, item)

    for var in schedule.home:           # in order, which `stored` is not
        if var not in schedule.stored:
            continue
        node = schedule.node.get(var)
        touch(var, node.item if node is not None else schedule.home[var])
        for user, _ in schedule.uses.get(var, ()):
            touch(var, user.item)
    for item in schedule.items:
        for statement in statements(item):
            if isinstance(statement, Node) and statement.target is not None and statement.target.root in schedule.home:
                touch(statement.target.root, statement.item)
    return spans


def shared_levels(schedule: Schedule, var: Var) -> int:
    """How many outer loops a stored value and all its uses share iteration by iteration."""
    node = schedule.node.get(var)
    if node is None or var in schedule.output_of or not node.path or node.kind == "write":
        return 0
    shared = node.available
    for user, leaf in schedule.uses.get(var, ()):
        if not isinstance(user, Node) or leaf.view.flat:
            return 0
        level = 0
        while level < shared and level < len(user.path) and user.path[level] is node.path[level] \
                and level in node.out_axes and leaf.view.axes[level] == (node.out_axes.index(level), 1) \
                and not leaf.view.offsets[node.out_axes.index(level)]:
            level += 1
        shared = level
    return shared


def is_small(dims: tuple[SizeExpr, ...]) -> bool:
    """Are these sizes known, and of few elements?"""
    known = [d for d in dims if isinstance(d, int)]
    return len(known) == len(dims) and prod(known) <= SMALL


def nbytes(sizes: KernelSizes, dims: tuple[SizeExpr, ...], dtype: str) -> SizeExpr:
    """Bytes of a contiguous array."""
    return sizes.mul(sizes.product(dims), dtypes.ITEMSIZE[dtype], "bytes")


def lines(sizes: KernelSizes, size: SizeExpr) -> SizeExpr:
    """Bytes rounded up to whole cache lines."""
    return sizes.align(size, ALIGN, "bytes")


def padded(sizes: KernelSizes, dims: tuple[SizeExpr, ...], dtype: str) -> SizeExpr:
    """Elements of an array, rounded up to whole cache lines."""
    per_line = ALIGN // dtypes.ITEMSIZE[dtype]
    return sizes.align(sizes.product(dims), per_line, "stride")


def in_place_of(schedule: Schedule, sizes: KernelSizes, spans: dict[Var, tuple[int, int]], var: Var) -> Var | None:
    """An operand whose memory `var` can take over: same sizes and dtype, element for element, last used with it."""
    node = schedule.node.get(var)
    if node is None or node.kind != "map" or not node.path:
        return None
    dims = sizes.of(var)
    loop = node.path[-1]
    for leaf in node.leaves():
        v = leaf.root
        if v not in schedule.stored or v not in spans or v in schedule.output_of or v in schedule.storage:
            continue
        if sizes.of(v) != dims:
            continue
        if spans[v][1] != node.item or schedule.home[v] == node.item or v.type != var.type:
            continue
        users = [(u, used) for u, used in schedule.uses[v] if u.item == node.item]
        if all(isinstance(u, Node) and u.path and u.path[-1] is loop and used.view.is_whole(dims)
               and loop.children.index(u) <= loop.children.index(node) for u, used in users):
            return v
    return None
