"""Which elements of its argument each element of a linear map depends on, as index maps, and by which factors.

    LinearValue              a value as a sum of terms
    dense(b, linear)    its matrix: row k is the value at the k-th unit vector
    bands(b, linear)    the diagonals that it consists of

A value V that depends on u is kept as a sum of terms.  In a term each axis of u is *tied* or *spread*.  Tied to an
axis of V: V[.. v0 + r ..] = value[.. r ..] * u[.. u0 + r ..], so elementwise operations, slices, paddings and
outer products keep a term as small as V itself, and no unit vector is written down.  Spread: the term has all
columns of that axis, flattened with those of other spread axes into one leading axis of `value`.  Sums along a tied
axis spread it, and give the coefficients themselves: the matrix of u -> A u is A.  What fits no tie is spread
first.

In and out: equations of one `ir.program.Builder`.  Not here: how operations act on terms (`autodiff.linear_rules`),
patterns of maps that are no bands (`autodiff.patterns`).  Source of the idea, a map per equation: A. Griewank,
A. Walther, Evaluating Derivatives, 2nd ed. (2008), chapter 7.
"""

from __future__ import annotations

from collections.abc import Sequence

from gradc.ir import build, ops
from gradc.ir.program import Builder, Var, tensor
from gradc.record import record


@record
class Tie:
    """Axis `axis` of V without margins `v0`, `v1` at its ends runs along the axis of u without `u0`, `u1`."""

    axis: int
    v0: int = 0
    v1: int = 0
    u0: int = 0
    u1: int = 0

    @property
    def offset(self) -> int:
        """Element i of V depends on element i + offset of u."""
        return self.u0 - self.v0


@record
class Term:
    """`value`: the leading axis if axes of u are `spread` (row-major in this order), then the axes of V, of which
    those that are tied have the length of the tie.  `ties`: axis of u -> Tie, for the other axes."""

    value: Var
    spread: tuple[int, ...]
    ties: dict[int, Tie]

    @property
    def lead(self) -> int:
        """How many axes of `value` come before those of V."""
        return 1 if self.spread else 0

    def key(self) -> tuple[object, ...]:
        """Terms with equal keys can be added."""
        return self.spread, tuple(sorted((a, (t.axis, t.v0, t.v1, t.u0, t.u1)) for a, t in self.ties.items()))


@record(eq=False)
class LinearValue:
    """A value that depends on u: the sum of `terms`.  `like` has its type and shape (it is the value at u = 0)."""

    terms: list[Term]
    like: Var
    u: Var

    @property
    def ndim(self) -> int:
        return tensor(self.like).ndim


def axes_of(x: LinearValue) -> list[int]:
    """The axes of u that terms know: those of static size 1 have one element, and need none."""
    return [k for k, size in enumerate(tensor(x.u).shape) if size != 1]


# --------------------------------------------------------------------------------------- small constructions


def product(b: Builder, sizes: Sequence[Var]) -> Var:
    """The product of int64 scalars; constants are multiplied here."""
    known, total = 1, None
    for s in sizes:
        if s.data is not None:
            known *= int(s.data)
        else:
            total = s if total is None else b.map("mul", total, s)
    if total is None or known != 1:
        constant = b.constant(known, "int64")
        return constant if total is None else b.map("mul", constant, total)
    return total


def zeros(b: Builder, like: Var, sizes: Sequence[Var]) -> Var:
    """An array of zeros in the dtype of `like`."""
    return b.apply(ops.Broadcast(), b.constant(0, tensor(like).dtype), *sizes)


def sizes_of(b: Builder, x: Var) -> list[Var]:
    """One int64 scalar per axis of x."""
    return [b.size(x, k) for k in range(tensor(x).ndim)]


def between(start: int, end: int) -> ops.Item:
    """The index of an axis without `start` elements at the beginning and `end` at the end."""
    return ops.Item(start=start or None, stop=-end if end else None)


def middle(b: Builder, x: Var, axis: int, start: int, end: int) -> Var:
    """x without `start` elements at the beginning and `end` at the end of an axis."""
    return build.index(b, x, [*[ops.Item()] * axis, between(start, end)]) if start or end else x


# ---------------------------------------------------------------------------------------------- ties to spread


def spread(b: Builder, term: Term, u: Var, axis: int) -> Term:
    """`term` with axis `axis` of u, whose tie runs along axis 0 of the value (before the leading axis, which it
    joins), spread.  The axis of V is gone: the caller has summed along it, or put it back."""
    tie = term.ties[axis]
    n = b.size(u, axis)
    value = padded(b, term.value, tie.u0, tie.u1, n)
    if term.spread:
        sizes = sizes_of(b, value)
        value = b.apply(ops.Reshape(tensor(value).ndim - 1), value, product(b, [n, sizes[1]]), *sizes[2:])
    return Term(value, (axis, *term.spread), {a: t for a, t in term.ties.items() if a != axis})


def densify(b: Builder, term: Term, x: LinearValue, axis: int) -> Term:
    """`term` with the tied axis `axis` of u spread, the zeros off the tie written down."""
    tie = term.ties[axis]
    value = build.move_axis(b, term.value, term.lead + tie.axis, 0)
    value = _off_diagonal(b, padded(b, value, tie.u0, tie.u1, b.size(x.u, axis)), tie, x, axis, term.lead)
    if term.spread:
        sizes = sizes_of(b, value)
        value = b.apply(ops.Reshape(tensor(value).ndim - 1), value, product(b, sizes[:2]), *sizes[2:])
    return Term(value, (axis, *term.spread), {a: t for a, t in term.ties.items() if a != axis})


def padded(b: Builder, value: Var, start: int, end: int, n: Var) -> Var:
    """`value` with so many zeros before and behind it along its first axis, which then has n elements."""
    if not start and not end:
        return value
    return build.put(b, "set", zeros(b, value, [n, *sizes_of(b, value)[1:]]), value, [between(start, end)])


def _off_diagonal(b: Builder, value: Var, tie: Tie, x: LinearValue, axis: int, lead: int) -> Var:
    """`value`, by elements of u along its first axis, where the element of V is that of the tie, 0 elsewhere.

    The axis of V is put in at its place.
    """
    ndim = tensor(value).ndim + 1
    columns = build.insert_axes(b, value, [1 + lead + tie.axis], ndim)
    rows = b.apply(ops.Iota(), b.size(x.u, axis))
    places = b.apply(ops.Iota(), b.size(x.like, tie.axis))
    if tie.offset:
        places = b.map("add", places, b.constant(tie.offset, "int64"))
    rows = build.insert_axes(b, rows, range(1, ndim), ndim)
    places = build.insert_axes(b, places, range(1, ndim), ndim - 1 - lead - tie.axis)
    return b.map("switch", b.map("eq", rows, places), columns, b.constant(0, tensor(columns).dtype))


@record(eq=False)
class Band:
    """The terms in which V[.., i - tie.offset, ..] depends on u[i], as (tie, value with the tied axis in front).

    The margins of `tie` are those of all terms: in front of `tie.u0` and behind `tie.u1` there are only zeros.
    """

    axis: int
    tie: Tie
    parts: list[tuple[Tie, Var]]

    def rows(self, b: Builder, start: int, end: int, n: Var) -> Var:
        """The factors for u without margins `start` and `end`, which are n elements."""
        total = None
        for tie, value in self.parts:
            value = padded(b, value, tie.u0 - start, tie.u1 - end, n)
            total = value if total is None else b.map("add", total, value)
        assert total is not None
        return total


def bands(b: Builder, x: LinearValue) -> tuple[list[Band], list[Term]]:
    """The terms of x whose only axis of u is tied, together where they have one offset; and the other terms."""
    found: dict[tuple[int, int], Band] = {}
    others = []
    for term in x.terms:
        if term.spread or len(term.ties) != 1:
            others.append(term)
            continue
        ((axis, tie),) = term.ties.items()
        parts = [(tie, build.move_axis(b, term.value, tie.axis, 0))]
        old = found.get((tie.axis, tie.offset))
        if old is not None:
            tie = Tie(*[min(p, q) for p, q in zip(_margins_of(old.tie), _margins_of(tie))])
            parts = old.parts + parts
        found[tie.axis, tie.offset] = Band(axis, tie, parts)
    return list(found.values()), others


def _margins_of(tie: Tie) -> tuple[int, ...]:
    return tie.axis, tie.v0, tie.v1, tie.u0, tie.u1


def dense(b: Builder, x: LinearValue) -> Var:
    """x with all axes of u spread, in their order, in front: the value of x at each unit vector."""
    axes = axes_of(x)
    along, others = bands(b, x)
    values = [_spread_all(b, term, x, axes) for term in others]
    values += [_off_diagonal(b, band.rows(b, 0, 0, b.size(x.u, band.axis)), band.tie, x, band.axis, 0)
               for band in along]
    if not values:
        return zeros(b, x.like, [product(b, [b.size(x.u, k) for k in axes])] * bool(axes) + sizes_of(b, x.like))
    total = values[0]
    for value in values[1:]:
        total = b.map("add", total, value)
    return total


def _spread_all(b: Builder, term: Term, x: LinearValue, axes: Sequence[int]) -> Var:
    for axis in sorted(term.ties, reverse=True):
        term = densify(b, term, x, axis)
    if list(term.spread) == list(axes):
        return term.value
    sizes = [b.size(x.u, k) for k in term.spread]
    rest = sizes_of(b, term.value)[1:]
    full = b.apply(ops.Reshape(len(sizes) + len(rest)), term.value, *sizes, *rest)
    order = [term.spread.index(k) for k in axes] + list(range(len(sizes), len(sizes) + len(rest)))
    return b.apply(ops.Reshape(1 + len(rest)), build.reorder(b, full, order), product(b, sizes), *rest)
