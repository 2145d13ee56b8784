"""Places: the data that `loops.schedule` makes and `loops.lower` reads.

An operand is found through a view (`Leaf`) or computed where it is used (`Tree`).  A statement (`Node`, `CheckItem`)
stands in a `Loop` or, outside all loops, in a `Block`.  Top-level items are Loops, Blocks, `GemmCall`s,
`DrawCall`s and `UserCall`s, in order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import prod
from typing import Any

from gradc.ir import dtypes, ops
from gradc.ir.program import Eqn, Var
from gradc.ir.scalars import get_row
from gradc.loops.index import View
from gradc.loops.nodes import SizeExpr
from gradc.loops.sizes import KernelSizes
from gradc.record import fresh, record

SMALL_PRODUCT = 512     # multiplications of a product of matrices that takes less time as loops than by a call

# ---------------------------------------------------------------------------------------------- operands


@record(frozen=False, eq=False)
class Leaf:
    """An operand that is found through a view with one entry per axis of the user's domain."""

    root: Var
    view: View


@record(frozen=False, eq=False)
class Tree:
    """An operand that is computed where it is used."""

    var: Var
    op: ops.OpKind
    operands: list[Any]


Operand = Leaf | Tree


def leaves(operand: Operand) -> Iterator[Leaf]:
    """All leaves below an operand."""
    if isinstance(operand, Leaf):
        yield operand
    else:
        for o in operand.operands:
            yield from leaves(o)


# ------------------------------------------------------------------------------------------- nodes, loops


@record(frozen=False, eq=False)
class Node:
    """One statement: out = op(operands) at each point of `domain`.

    kind: map, reduce, argreduce, cumulate, or write (into a part of a stored value, found through `target`).
    out_axes: per axis of out, its position in the domain (None for size 1).  reduced: positions folded away.
    """

    kind: str
    out: Var
    op: ops.OpKind
    operands: list[Operand]
    domain: tuple[SizeExpr, ...]
    out_axes: tuple[int | None, ...] = ()
    reduced: tuple[int, ...] = ()
    fn: Any = None
    target: View | None = None
    path: tuple[Loop, ...] = ()
    item: int = -1              # the top-level item it stands in
    sources: tuple[int, ...] = ()

    @property
    def available(self) -> int:
        """How many of its loops are still open when the value can be used."""
        if self.kind == "write":
            return 0
        return min(self.reduced) if self.reduced else len(self.domain)

    def leaves(self) -> Iterator[Leaf]:
        for o in self.operands:
            yield from leaves(o)

    def weight(self) -> int:
        """Cost in additions per point."""
        return sum(map(_weight, self.operands)) + op_weight(self.op)


def op_weight(op: ops.OpKind) -> int:
    """Cost of one application in additions."""
    return max(1, get_row(op.fn).weight) if isinstance(op, ops.Map) else 1


def _weight(operand: Operand) -> int:
    if isinstance(operand, Leaf):
        return 1
    return op_weight(operand.op) + sum(map(_weight, operand.operands))


@record(frozen=False, eq=False)
class Loop:
    """One loop: `children` are Nodes whose domain ends here, and inner Loops, in order."""

    size: SizeExpr
    level: int
    children: list[Any] = fresh(factory=list)
    serial: bool = False
    count: int = 0
    index: int = -1          # position among its parent's children


@record(frozen=False, eq=False)
class Block:
    """Scalar statements outside all loops."""

    children: list[Any] = fresh(factory=list)
    index: int = -1


@record(frozen=False, eq=False)
class GemmCall:
    """out[batch] = a[batch] b[batch] by BLAS; views have axes (batch..., row, column)."""

    out: Var
    a: Leaf
    b: Leaf
    batch: tuple[SizeExpr, ...]
    m: SizeExpr
    n: SizeExpr
    k: SizeExpr
    index: int = -1


@record(frozen=False, eq=False)
class DrawCall:
    """`count` draws of a distribution; a parameter is a scalar, or memory with a value for each draw (`each`)."""

    distribution: str
    before: Leaf
    after: Var
    out: Var
    count: SizeExpr
    parameters: list[Operand]
    each: list[bool]
    sources: tuple[int, ...]
    item: int = -1


@record(frozen=False, eq=False)
class UserCall:
    """outs = op(args), a user's Op; each array lies in memory in one piece."""

    op: ops.Callback
    outs: tuple[Var, ...]
    args: list[Leaf]
    sources: tuple[int, ...]
    item: int = -1


@record(frozen=False, eq=False)
class CheckItem:
    """An Assert: scalar conditions that must hold.

    within: if values are shown, what must hold at each point of `domain`, and the values there.
    """

    conditions: list[Operand]
    message: str
    error: str
    sources: tuple[int, ...]
    domain: tuple[SizeExpr, ...] = ()
    within: list[Operand] = fresh(factory=list)
    path: tuple[Loop, ...] = ()
    item: int = -1

    def leaves(self) -> Iterator[Leaf]:
        for o in (*self.conditions, *self.within):
            yield from leaves(o)


@record(frozen=False, eq=False)
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


@record(frozen=False, eq=False)
class Ends:
    """Scalars that the end of a body uses: next carries, whether to stop; results of a branch."""

    operands: list[Operand]
    item: int = -1

    def leaves(self) -> Iterator[Leaf]:
        for o in self.operands:
            yield from leaves(o)


@record(frozen=False, eq=False)
class ScanItem:
    """A loop over time; `body` is the schedule of one step, `start` that of the first values of small arrays.

    rows: stacked results with memory of their own.  count: the number of steps run, if it is used.  number: the number
    of steps where it is computed, else `steps` is it; then lengths: the number of rows of each sequence.
    """

    name: str
    sources: tuple[int, ...]
    start: Any
    body: Any
    t: Var
    steps: SizeExpr
    reverse: bool
    until: bool
    number: Operand | None = None
    lengths: list[tuple[str, SizeExpr]] = fresh(factory=list)
    limit: Operand | None = None
    carries: list[Carry] = fresh(factory=list)
    rows: list[Var] = fresh(factory=list)
    count: Var | None = None
    item: int = -1

    @property
    def bodies(self) -> list[Any]:
        return [self.start, self.body]


@record(frozen=False, eq=False)
class CondItem:
    """Two branches, of which one is run.

    bodies: their schedules.  checks: what each asks of sizes.  scalars: results that are scalars.
    """

    name: str
    condition: Operand
    bodies: list[Any] = fresh(factory=list)
    checks: list[Any] = fresh(factory=list)
    scalars: list[Var] = fresh(factory=list)
    item: int = -1


def statements(item: object) -> Iterable[object]:
    """All Nodes (and CheckItems) below a top-level item, in order."""
    stack = [item]
    while stack:
        top = stack.pop()
        children = getattr(top, "children", None)
        if children is None:
            yield top
        else:
            stack.extend(reversed(children))


def loops_below(top: Loop) -> list[Loop]:
    """All loops inside `top`."""
    result: list[Loop] = []
    stack = [c for c in top.children if type(c) is Loop]
    while stack:
        loop = stack.pop()
        result.append(loop)
        stack.extend(c for c in loop.children if type(c) is Loop)
    return result


def drop_ones(dims: Sequence[SizeExpr]) -> tuple[tuple[SizeExpr, ...], tuple[int | None, ...]]:
    """The sizes that are not 1, and for each axis its place among them."""
    domain = tuple(d for d in dims if d != 1)
    places: list[int | None] = []
    for d in dims:
        places.append(None if d == 1 else sum(p is not None for p in places))
    return domain, tuple(places)


def gemm_labels(op: ops.Contract) -> tuple[list[int], list[int], list[int], list[int]]:
    """The labels of a Contract as those of a product of matrices: batch, rows, columns, summed over."""
    return ([x for x in op.out if x in op.a and x in op.b], [x for x in op.out if x not in op.b],
            [x for x in op.out if x not in op.a], [x for x in op.a if x in op.b and x not in op.out])


def is_gemm(eqn: Eqn, sizes: KernelSizes) -> bool:
    """Matrix times matrix (for each of some leading indices), of floats, no size known to be 1, not known to be small.

    Rows, columns and what is summed over may be several axes each.
    """
    op = eqn.op
    assert type(op) is ops.Contract
    dtype = eqn.outs[0].type.dtype
    if dtype not in dtypes.FLOATS or any(a.type.dtype != dtype for a in eqn.args):
        return False
    left, right = map(sizes.of, eqn.args)
    size = dict(zip(op.a, left)) | dict(zip(op.b, right))
    batch, *groups = gemm_labels(op)
    if len(set(op.a) | set(op.b)) != len(batch) + sum(map(len, groups)):
        return False                            # one operand alone is summed over
    extents = [size[x] for group in groups for x in group]
    known = [d for d in extents if isinstance(d, int)]
    if len(known) == len(extents) and prod(known) <= SMALL_PRODUCT:
        return False                            # loops, which the C compiler unrolls
    return all(any(size[x] != 1 for x in group) for group in groups)
