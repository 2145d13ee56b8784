"""The schedule: what is computed in which loop, in which order, and where in memory it is kept.

    Schedule   the Body of a kernel, and what is known of its values: which are stored, and in which memory
    Body       items, one after the other: of a kernel, of one step of a loop, of a branch
    item       Nest (a loop) | Block (scalar statements) | CallItem | SizeItem | ScanItem | CondItem
    Nest       Nodes whose domain ends here, and inner Nests
    Node       one statement: out = op(operands) at each point of a domain
    operand    Leaf: read through a View | Tree: computed where it is used

All records are immutable.  A schedule is made by steps, each a function: `loops.place` (from a Program), `loops.store`,
`loops.memory`, `loops.collapse` (from a Schedule to the next one).  `loops.schedule_check` says what holds after each,
`loops.schedule_pretty` prints it, `loops.lower` makes statements of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

from gradc.ir import dtypes, ops
from gradc.ir.facts import FOLDING, PRODUCTS, product_labels
from gradc.ir.program import Program, Var
from gradc.ir.scalars import get_row
from gradc.ir.sizes import Symbol
from gradc.ir.types import MAX_DIMS
from gradc.loops.index import View, lookups
from gradc.loops.nodes import SizeExpr
from gradc.loops.sizes import Point
from gradc.record import record

LOOP_NAMES = ("i", "j", "k", *(f"i{n}" for n in range(4, MAX_DIMS + 1)))        # variables of loops, outermost first

# ---------------------------------------------------------------------------------------------- operands


@record(eq=False)
class Leaf:
    """An operand that is read through a view with one entry per axis of the user's domain."""

    root: Var
    view: View


@record(eq=False)
class Tree:
    """An operand that is computed where it is used."""

    var: Var
    op: ops.OpKind
    operands: tuple[Any, ...]


Operand = Leaf | Tree


def leaves(*operands: Operand) -> list[Leaf]:
    """All leaves of operands, in order."""
    found: list[Leaf] = []
    for o in operands:
        if type(o) is Leaf:
            found.append(o)
        else:
            found += leaves(*o.operands)  # type: ignore[union-attr]
    return found


# ------------------------------------------------------------------------------------------ nodes, loops


@record(eq=False)
class Node:
    """One statement: out = op(operands) at each point of `domain`, the sizes of the loops around it.

    kind: map; reduce, argreduce, cumulate (along axes of the domain); position (a checked index into an axis of
    `length`); or write (into a part of a stored value, found through `target`).
    out_axes: per axis of out, its position in the domain (None: of size 1).  reduced: positions that are folded.
    adds: a write adds to what is there.
    """

    kind: str
    out: Var
    op: ops.OpKind
    operands: tuple[Operand, ...]
    domain: tuple[SizeExpr, ...]
    out_axes: tuple[int | None, ...] = ()
    reduced: tuple[int, ...] = ()
    target: View | None = None
    adds: bool = False
    length: SizeExpr = 0
    sources: tuple[int, ...] = ()

    @property
    def fold(self) -> str:
        """The row that a reduce, argreduce or cumulate folds with."""
        return "add" if product_labels(self.op) is not None else self.op.fn  # type: ignore[attr-defined]

    @property
    def is_serial(self) -> bool:
        """Do iterations of the innermost loop depend on each other in order?"""
        return self.kind == "cumulate" or self.kind == "argreduce" or self.is_scatter

    @property
    def is_scatter(self) -> bool:
        """Does it write at positions that are looked up?  Some may be equal, of which the last one counts, or all."""
        return self.target is not None and bool(lookups(self.target))

    @property
    def available(self) -> int:
        """How many of its loops are still open when the value can be used."""
        if self.kind == "write":
            return 0
        return self.reduced[0] if self.reduced else len(self.domain)

    def leaves(self) -> list[Leaf]:
        return leaves(*self.operands)

    def weight(self) -> int:
        """Cost in additions per point."""
        return sum(map(_weight, self.operands)) + op_weight(self.op)


def folds_into_memory(node: Node) -> bool:
    """Does it fold an outer axis with kept axes inside?  Then it folds into memory."""
    if node.kind != "reduce":
        return False
    first = node.reduced[0]
    return any(p not in node.reduced for p in range(first, len(node.domain)))


def op_weight(op: object) -> int:
    """Cost of one application in additions."""
    return max(1, get_row(op.fn).weight) if type(op) is ops.Map else 1


def op_label(op: Any) -> str:
    """What to call the result of an op that has no name."""
    kind = type(op)
    if kind is ops.Map:
        return "position" if op.fn == "position" else get_row(op.fn).name       # that is the schedule's own, no row
    if kind is ops.Cast:
        return f"as_{dtypes.SHORT[op.dtype]}"
    is_written_so = kind in (ops.ArgReduce, ops.Cumulate, *FOLDING, *PRODUCTS)
    return str(op) if is_written_so else kind.__name__.lower()


def _weight(operand: Operand) -> int:
    if isinstance(operand, Leaf):
        return 1
    return op_weight(operand.op) + sum(map(_weight, operand.operands))


@record(eq=False)
class CheckItem:
    """An Assert: scalar conditions that must hold.

    checked: what exists once they do.
    within: if values are shown, what must hold at each point of `domain`, and the values there.
    """

    checked: Var
    conditions: tuple[Operand, ...]
    message: str
    error: str
    sources: tuple[int, ...]
    domain: tuple[SizeExpr, ...] = ()
    within: tuple[Operand, ...] = ()

    def leaves(self) -> list[Leaf]:
        return leaves(*self.conditions, *self.within)


@record(eq=False)
class Nest:
    """A loop: Nodes whose domain ends here, and inner loops, in order."""

    size: SizeExpr
    children: tuple[Node | Nest, ...]

    @property
    def is_serial(self) -> bool:
        return any(type(c) is Node and c.is_serial for c in self.children)


@record(eq=False)
class Block:
    """Scalar statements outside all loops."""

    children: tuple[Node | CheckItem, ...] = ()


# ------------------------------------------------------------------------------------------- other items


@record(eq=False)
class CallItem:
    """outs = routine(args), for each index of `batch`; `routine` as in `ir.ops`.

    args: memory, a Leaf with the axes of the batch and then those of the routine's core; or one value for all (not
    `in_memory`).
    numbers: what it is told, but for the steps of "matrix" arguments, which are known when all memory is.
    outer: axes of the batch that messages do not show.
    work: of one index of the batch, in additions; what may be cut into blocks.
    told: results of which only the call knows the sizes -> where it stores these; then `numbers` are of args only.
    """

    routine: Any
    outs: tuple[Var, ...]
    args: tuple[Operand, ...]
    in_memory: tuple[bool, ...]
    sources: tuple[int, ...]
    batch: tuple[SizeExpr, ...]
    numbers: tuple[SizeExpr, ...]
    outer: int = 0
    told: Mapping[Var, Var] = {}
    work: SizeExpr = 0


@record(eq=False)
class SizeItem:
    """A late size (`loops.sizes`) is known here: it is the value of a scalar."""

    size: Symbol
    value: Operand

    @property
    def operands(self) -> list[Operand]:
        return [self.value]


@record(eq=False)
class Carry:
    """A value handed from step to step.

    A scalar: a local called as `state`, from `init` on.  A small array: two of them, `state` and `after`, which a step
    fills and which is copied into `state` at its end; or one, if a step can write its result there.  Another array:
    two rows of the memory of `state`, of which the local `now` (0 or 1) is the one to read, `then` the other.
    result: where the last value goes, if it is used.
    """

    state: Var
    init: Operand | None
    result: Var | None
    after: Var | None = None
    now: Var | None = None
    then: Var | None = None


@record(eq=False)
class Copy:
    """A write that copies a value to a part of memory: needless if the value can be made there at once."""

    node: Node
    value: View
    target: View
    joined: bool        # a part of a Concat, not a result of the body


@record(eq=False)
class Body:
    """Items that run one after the other: of a kernel, of a step of a loop, of a branch.

    defined: each value that exists from an item on, and the item's number, in order.
    ends: scalars that are used at its end: next carries, whether to stop; results of a branch.
    copies: writes that may turn out to be needless.  kept: memory that is read and written in all steps.
    rooms: memory of results of the item around of which only this body knows the sizes.
    """

    items: tuple[BodyItem, ...]
    level: int
    defined: Mapping[Var, int]
    ends: tuple[Operand, ...] = ()
    copies: tuple[Copy, ...] = ()
    kept: Set[Var] = frozenset()
    rooms: tuple[Var, ...] = ()


@record(eq=False)
class ScanItem:
    """A loop over time; `body` is one step, `start` gives small arrays their first values.

    rows: stacked results with memory of their own.  count: the number of steps run, if it is used.  sizes: of the rows
    in the rooms of `body`, on which all steps agree.
    """

    name: str
    sources: tuple[int, ...]
    start: Body
    body: Body
    t: Var
    steps: SizeExpr
    reverse: bool
    until: bool
    limit: Operand | None
    carries: tuple[Carry, ...]
    rows: tuple[Var, ...]
    count: Var | None
    sizes: tuple[Var, ...] = ()

    @property
    def bodies(self) -> tuple[Body, ...]:
        return self.start, self.body

    @property
    def operands(self) -> list[Operand]:
        return [o for o in (self.limit, *[c.init for c in self.carries]) if o is not None]


@record(eq=False)
class CondItem:
    """Two branches, of which one is run.

    branches: their Programs, whose sizes hold in them.  scalars: results that are scalars.
    """

    name: str
    condition: Operand
    bodies: tuple[Body, ...]
    branches: tuple[Program, ...]
    scalars: tuple[Var, ...]

    @property
    def operands(self) -> list[Operand]:
        return [self.condition]


BodyItem = Nest | Block | CallItem | SizeItem | ScanItem | CondItem


# -------------------------------------------------------------------------------------------- the schedule


@record(eq=False)
class Allocation:
    """Memory of a stored value.

    place: output (`position` is its number), arena (`position` is a slot of `nbytes` bytes), stack (a small array of a
    C function's own), or row: an arena slot with a row for each of the blocks that a nest is cut into, `stride`
    elements apart, written anew in each iteration of the `outer` loops around.
    axes: those of the value that its memory has.  reuses: the dead value whose slot it takes over.
    taken: it is no slot, but room number `position`, which is taken when its size is known, not before this point; its
    place is `room`, or `row`.
    """

    place: str
    position: int
    axes: tuple[int, ...]
    nbytes: SizeExpr = 0
    stride: SizeExpr = 0
    outer: int = 0
    reuses: Var | None = None
    taken: Point | None = None


@record(eq=False)
class Schedule:
    """A kernel's schedule; what is said of values holds for those of all bodies.

    outputs: stored values that are in an output's memory, and its number.
    stored: values that have memory.  base: values that are made in another's memory, one after the other, and it.
    aliases: stored values whose memory is a part of another's, and the part.
    memory: of stored values that are no part of another's (from `loops.memory` on).
    sizes, positions, locals: values that are sizes (ShapeOf), loop positions (Iota), scalars in a C local that no node
    computes.
    depth: how many bodies are around what defines a value (0: not in here).
    labels: what to call results of calls.  names: what a body calls the part of a value that it is given.
    rooms: values of which only a run tells the sizes, and the one whose room they are in.
    """

    inputs: tuple[Var, ...]
    body: Body
    outputs: Mapping[Var, int]
    stored: Set[Var]
    base: Mapping[Var, Var]
    aliases: Mapping[Var, View]
    sizes: Set[Var]
    positions: Set[Var]
    locals: Set[Var]
    depth: Mapping[Var, int]
    labels: Mapping[Var, str]
    names: Mapping[Any, str]
    rooms: Mapping[Var, Var]
    memory: Mapping[Var, Allocation] = {}


# ----------------------------------------------------------------------------------------------- traversal


def statements(item: BodyItem) -> Iterator[Any]:
    """All Nodes and CheckItems below an item, in order; an item of another kind is itself one."""
    stack: list[BodyItem | Node | CheckItem] = [item]
    while stack:
        top = stack.pop()
        if type(top) is Nest or type(top) is Block:
            stack.extend(reversed(top.children))
        else:
            yield top


def bodies(body: Body) -> Iterator[Body]:
    """A body, and all bodies in it."""
    yield body
    for item in body.items:
        if isinstance(item, (ScanItem, CondItem)):
            for inner in item.bodies:
                yield from bodies(inner)


def nodes_of(schedule: Schedule) -> dict[Var, Node]:
    """The Node that computes a value."""
    return {n.out: n for body in bodies(schedule.body) for item in body.items for n in statements(item)
            if type(n) is Node and n.kind != "write"}


def drop_ones(dims: Sequence[SizeExpr]) -> tuple[tuple[SizeExpr, ...], tuple[int | None, ...]]:
    """The sizes that are not 1, and for each axis its place among them."""
    domain = tuple([d for d in dims if d != 1])
    if len(domain) == len(dims):
        return domain, tuple(range(len(dims)))
    places: list[int | None] = []
    count = 0
    for d in dims:
        places.append(None if d == 1 else count)
        count += d != 1
    return domain, tuple(places)
