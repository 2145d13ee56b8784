"""The closed set of op kinds: fields only, no behaviour.

Shared by the expression graph and by Programs.  Data are arguments, everything static is a field.  What an
op *means* stands in the tables: types in `ir.infer`, values in `ir.interp`, derivatives in
`autodiff.rules`, loops in `loops.lower`; a completeness test holds each kind against each table.

kind                 arguments               result
Const(value)         -                       the array `value`
Map(fn)              one per row argument    elementwise; NumPy broadcasting, of *static* 1s (and missing axes) only
Cast(dtype)          x                       x in another dtype
Reduce(fn, axes)     x                       axes removed, folded by a binary row; sums and products of float32
                                             are made in float64
Cumulate(fn, axis)   x                       running fold along axis; float32 as in Reduce
ArgReduce(fn, axis)  x                       int64 index of the first maximum or minimum along axis
Contract(a, b, out)  x, y                    einsum of two operands; each field names its axes by small ints
Broadcast()          x, size...              x broadcast to the sizes (int64 scalars)
Transpose(perm)      x                       axes in a new order; -1 makes an axis of size 1, an axis of static size 1
                                             may be left out (Aesara's DimShuffle)
Reshape(ndim)        x, size...              same elements in C order, new sizes (none negative)
Slice(items)         x, dynamic...           basic indexing; see `Item`
Scatter(mode, items) x, v, dynamic...        a copy of x in which the part x[items] is set to v, or v is added to it
Gather(axes)         x, index...             x at arrays of positions along axes; see `Gather`
ScatterAt(mode, axes)  x, v, index...        a copy of x in which its elements at these positions are set to v, or v is
                                             added to them
Concat(axis)         x, y, ...               joined along axis
Iota()               n                       0, 1, ..., n-1 as int64
ShapeOf(axis)        x                       size of x along axis; the whole shape as a vector if axis is None
Assert(message)      x, condition..., n...   x, after checking that all conditions are true; see `Assert`
Call(routine, ranks) x, ..., size...         a routine of `ir.routines`, or a user-defined Op; see `Call`
Words(back)          state                   the words of a random generator's state; `back`: the state of these words
Scan(body, ...)      steps, sequences, ...   a loop that carries values from step to step; see `Scan`
Cond(then, orelse)   condition, x, ...       the results of one of two Programs of x, ...; only that one runs

Graph-only kinds (resolved by `ir.convert`): GradientOf(kind), OpFromGraph is `control`'s.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np

from gradc.ir.routines import UserRoutine, get_routine
from gradc.record import record


class OpKind:
    """Base of all op kinds.  `str(op)`: its name for users; `detail`: what else tells it from others of the name."""

    __slots__ = ()

    @property
    def detail(self) -> str:
        return ""


def letter(k: int) -> str:
    """What axis number k of a product is called: i, j, ..., h, i2, j2, ..."""
    again, k = divmod(k, 26)
    return "ijklmnopqrstuvwxyzabcdefgh"[k] + (str(again + 1) if again else "")


class ConstantValue:
    """An immutable array that compares and hashes by dtype, shape and bytes (so nan equals nan)."""

    __slots__ = ("_hash", "_key", "data")

    def __init__(self, data: np.ndarray) -> None:
        data = np.require(data, requirements=["C", "A"])
        if data.flags.writeable:
            data = data.copy()
            data.flags.writeable = False
        self.data = data
        self._key = (data.dtype.name, data.shape, data.tobytes())
        self._hash = hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ConstantValue) and self._key == other._key

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        if self.data.size <= 6:
            return str(self.data.tolist())
        return f"<{self.data.dtype} array of shape {self.data.shape}>"


@record
class Const(OpKind):
    value: ConstantValue

    def __str__(self) -> str:
        return f"constant {self.value!r}"


@record
class Map(OpKind):
    """`fn` names a row of `ir.scalars` (or is the row itself, for a user's CFunction)."""

    fn: Any

    def __str__(self) -> str:
        return self.fn if isinstance(self.fn, str) else self.fn.name


@record
class Cast(OpKind):
    dtype: str

    def __str__(self) -> str:
        return f"cast to {self.dtype}"


@record
class Reduce(OpKind):
    """`fn`: add, mul, maximum, minimum, and_, or_; `axes`: ascending, non-negative."""

    fn: str
    axes: tuple[int, ...]

    def __str__(self) -> str:
        return {"add": "sum", "mul": "prod", "maximum": "max", "minimum": "min", "and_": "all",
                "or_": "any"}.get(self.fn, self.fn)

    @property
    def detail(self) -> str:
        return f"[{', '.join(map(str, self.axes))}]"


@record
class Cumulate(OpKind):
    fn: str
    axis: int

    def __str__(self) -> str:
        return {"add": "cumsum", "mul": "cumprod"}.get(self.fn, self.fn)

    @property
    def detail(self) -> str:
        return f"[{self.axis}]"


@record
class ArgReduce(OpKind):
    """`fn`: maximum or minimum; the first of equals; the first nan wins."""

    fn: str
    axis: int

    def __str__(self) -> str:
        return "argmax" if self.fn == "maximum" else "argmin"

    @property
    def detail(self) -> str:
        return f"[{self.axis}]"


@record
class Contract(OpKind):
    """out[...] = sum over labels not in `out` of x[a] * y[b]; e.g. matmul is ((0, 1), (1, 2), (0, 2)).

    Each label stands at most once per operand; a label of `out` stands in `a` or `b`.
    """

    a: tuple[int, ...]
    b: tuple[int, ...]
    out: tuple[int, ...]

    def __str__(self) -> str:
        return "dot"

    @property
    def detail(self) -> str:
        a, b, out = ["".join(map(letter, labels)) for labels in (self.a, self.b, self.out)]
        return f"[{a},{b}->{out}]"


@record
class Broadcast(OpKind):
    def __str__(self) -> str:
        return "alloc"


@record
class Transpose(OpKind):
    perm: tuple[int, ...]

    def __str__(self) -> str:
        return f"dimshuffle({', '.join('x' if p < 0 else str(p) for p in self.perm)})"


@record
class Reshape(OpKind):
    ndim: int

    def __str__(self) -> str:
        return "reshape"


class _Dynamic:
    """Marks an entry of an Item that is the next of the op's dynamic arguments (an int64 scalar)."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "?"

    def __reduce__(self) -> str:
        return "DYNAMIC"


DYNAMIC = _Dynamic()
Bound = Any     # int | None | DYNAMIC


@record
class Item:
    """One axis of a basic index: a single position (`Item(at=k)`), or a range with NumPy's slice rules.

    `at`, `start`, `stop`, `step` are an int, None, or DYNAMIC; DYNAMIC entries are taken from the op's
    arguments in the order axis by axis, (at) or (start, stop, step).  Negative values count from the end.
    """

    at: Bound = None
    start: Bound = None
    stop: Bound = None
    step: Bound = None

    @property
    def is_single(self) -> bool:
        return self.at is not None

    @property
    def is_all(self) -> bool:
        """Is this `:`, all of the axis in order?"""
        return self.at is None and self.start is None and self.stop is None and self.step in (None, 1)

    def bounds(self) -> tuple[Bound, ...]:
        return (self.at,) if self.at is not None else (self.start, self.stop, self.step)

    def filled(self, given: Iterable[object]) -> list[Any]:
        """The bounds, with what is given in the place of DYNAMIC."""
        rest = iter(given)
        return [next(rest) if b is DYNAMIC else b for b in self.bounds()]

    def __str__(self) -> str:
        if self.at is not None:
            return str(self.at)
        text = ":".join("" if b is None else str(b) for b in (self.start, self.stop))
        return text if self.step in (None, 1) else f"{text}:{self.step}"


Items = tuple[Item, ...]    # axes past the last item are taken whole


def with_arguments(items: Items, dynamic: Iterable[object]) -> list[tuple[Item, list[Any]]]:
    """Each item with those of the arguments that are its DYNAMIC entries."""
    rest = iter(dynamic)
    return [(item, [next(rest) for b in item.bounds() if b is DYNAMIC]) for item in items]


@record
class Slice(OpKind):
    items: Items

    def __str__(self) -> str:
        return f"[{', '.join(map(str, self.items))}]"


@record
class Scatter(OpKind):
    """`mode`: "set" or "inc"; v has the shape of x[items] (or broadcasts to it by static 1s)."""

    mode: str
    items: Items

    def __str__(self) -> str:
        return f"{self.mode}_subtensor[{', '.join(map(str, self.items))}]"


@record
class Gather(OpKind):
    """x at integer arrays, one for each of `axes` (ascending), which broadcast by static 1s.

    The axes of the index arrays come first, then those of x that are not indexed: `x[i, j]` is Gather((0, 1)).
    Positions are checked, negative ones count from the end.
    """

    axes: tuple[int, ...]

    def __str__(self) -> str:
        return f"gather[{', '.join(map(str, self.axes))}]"


@record
class ScatterAt(OpKind):
    """`mode`: "set", where of equal positions the last one counts, or "inc", where each adds its part.

    v has the shape of the Gather (or broadcasts to it by static 1s).
    """

    mode: str
    axes: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.mode}_at[{', '.join(map(str, self.axes))}]"


@record
class Concat(OpKind):
    axis: int

    def __str__(self) -> str:
        return "join"

    @property
    def detail(self) -> str:
        return f"[{self.axis}]"


@record
class Iota(OpKind):
    def __str__(self) -> str:
        return "arange"


@record
class ShapeOf(OpKind):
    axis: int | None

    def __str__(self) -> str:
        return "shape" if self.axis is None else f"shape[{self.axis}]"


@record
class Assert(OpKind):
    """`error` is a key of ASSERT_ERRORS; "shape" is a comparison of sizes only, the others depend on values.

    The last `shown` arguments, int64 or float64, go into the message (by `errors.fill`) if there are any; there is one
    condition then.  They broadcast to its shape (as in a Map): those of the first element that is false are shown.
    """

    message: str
    error: str = "assert"
    shown: int = 0

    def split(self, args: Any) -> tuple[Any, Any, Any]:
        """The arguments as (x, conditions, shown values)."""
        end = len(args) - self.shown
        return args[0], args[1:end], args[end:]

    def __str__(self) -> str:
        return "assert"


ASSERT_ERRORS = {"assert": "AssertionFailedError", "shape": "ShapeError", "size": "ShapeError",
                 "index": "IndexOutOfBoundsError", "value": "BadValueError"}


@record
class Words(OpKind):
    """The state of a random generator as an array that can be kept row by row (`RngType.words`), or back again.

    back: the bit generator of which the words are a state; "": the words are wanted.
    """

    back: str = ""

    def __str__(self) -> str:
        return "state" if self.back else "words"


@record
class Call(OpKind):
    """What is computed by a call: `routine` names a row of `ir.routines`, or is a `UserRoutine`.

    The sizes of results that do not follow from the arguments are its last arguments if they are stated: int64 scalars,
    for each result as many as `ranks` says.  outer: how many axes of the batch are steps of a loop or the like, which
    an error does not tell of.
    """

    routine: Any
    ranks: tuple[int, ...] = ()
    outer: int = 0

    def split(self, args: Any) -> tuple[Any, list[Any]]:
        """The arguments as (what the routine is given, the sizes of each result)."""
        end = len(args) - sum(self.ranks)
        inputs, sizes = args[:end], []
        for rank in self.ranks:
            sizes.append(args[end:end + rank])
            end += rank
        return inputs, sizes

    @property
    def title(self) -> str:
        """What messages call it: the function that users know."""
        return get_routine(self.routine).title or str(self)

    def __str__(self) -> str:
        return str(get_routine(self.routine))


@record
class Scan(OpKind):
    """A loop: `body` once for each step t = 0, 1, ..., steps - 1 (downwards if `reverse`).

    arguments   steps, limit (if `limited`), sequences, initial values of the carries, others
    body        a Program (rows t of the sequences, carries, others) -> (next carries, rows to stack, stop if `until`)
    results     the carries after the last step, the stacked rows (row t is that of step t), count (if `until`)

    steps, limit, count: int64 scalars.  Only steps t < limit are run.  After a step whose `stop` is true no other
    step is run; `count` is the number of steps that were.  Stacked results have `steps` rows whatever is run; the
    rows of steps that are not run are 0.  Sequences have `steps` rows or more.  A carry has one dtype and one shape.
    `truncate`: the derivative goes back through so many steps (-1: all).  `recompute`: it keeps only the carries of
    each step, and computes the rest again; passes do not cut such a loop.  Values don't depend on either.
    Programs compare by digest, hence so do Scans.
    """

    body: Any
    n_seqs: int
    n_carries: int
    until: bool = False
    reverse: bool = False
    limited: bool = False
    truncate: int = -1
    name: str = ""
    recompute: bool = False

    @property
    def detail(self) -> str:
        words = [f"{self.n_seqs} sequences", f"{self.n_carries} carries", f"{self.n_stacked} stacked"]
        words += [w for w in ("until", "reverse", "limited") if getattr(self, w)]
        return f"[{', '.join(words)}]"

    @property
    def n_stacked(self) -> int:
        return len(self.body.outputs) - self.n_carries - self.until

    def split(self, args: Any) -> tuple[Any, Any, Any, Any, Any]:
        """The arguments as (steps, limit or None, sequences, initial values, others)."""
        first = 1 + self.limited
        seqs, inits = first + self.n_seqs, first + self.n_seqs + self.n_carries
        return args[0], args[1] if self.limited else None, args[first:seqs], args[seqs:inits], args[inits:]

    def __str__(self) -> str:
        return f"scan{{{self.name}}}" if self.name else "scan"


@record
class Cond(OpKind):
    """The results of `then` if the condition (a bool scalar) is true, else those of `orelse`; lazy.

    arguments: condition, inputs.  Both are Programs of all the inputs, with results of the same types.
    """

    then: Any
    orelse: Any
    name: str = ""

    def __str__(self) -> str:
        return f"if{{{self.name}}}" if self.name else "if"


@record
class GradientOf(OpKind):
    """Graph only: the identity with a gradient of its own.

    `kind`: "zero", "disconnected", "consider_constant", ("clip", lo, hi) or ("scale", factor).  ("of",) takes two
    expressions of one value: the derivative is that of the first, what is computed is the second.
    """

    kind: Any

    def __str__(self) -> str:
        return self.kind if isinstance(self.kind, str) else f"grad_{self.kind[0]}"


def user_op(op: OpKind) -> Any:
    """The user's Op that a Call calls, else None."""
    return op.routine.op if type(op) is Call and isinstance(op.routine, UserRoutine) else None


VIEWS = (Broadcast, Transpose, Reshape, Slice, Gather)      # show elements of their first argument
WRITES = (Scatter, ScatterAt)                               # put their second argument into a copy of the first
AT_ARRAYS = (Gather, ScatterAt)                             # the last of their arguments are positions, for their axes


def reading(op: Any) -> Slice | Gather:
    """What reads the part that `op`, one of WRITES, changes; of the same positions."""
    return Slice(op.items) if isinstance(op, Scatter) else Gather(op.axes)


def writing(mode: str, op: Any) -> Scatter | ScatterAt:
    """What changes the part that `op`, a Slice or a Gather, reads."""
    return Scatter(mode, op.items) if isinstance(op, Slice) else ScatterAt(mode, op.axes)


def checks_positions(op: OpKind) -> bool:
    """Can `op` find a position out of bounds?"""
    if isinstance(op, (Slice, Scatter)):
        return any(item.is_single for item in op.items)
    return isinstance(op, AT_ARRAYS)


KINDS: tuple[type, ...] = (Const, Map, Cast, Reduce, Cumulate, ArgReduce, Contract, Broadcast, Transpose, Reshape,
                           Slice, Scatter, Gather, ScatterAt, Concat, Iota, ShapeOf, Assert, Call, Words, Scan,
                           Cond)

# The kinds that have one result each.
OneResult: TypeAlias = (
    "Const | Map | Cast | Reduce | Cumulate | ArgReduce | Contract | Broadcast | Transpose | Reshape | Slice | "
    "Scatter | Gather | ScatterAt | Concat | Iota | ShapeOf | Assert | Words | GradientOf")
