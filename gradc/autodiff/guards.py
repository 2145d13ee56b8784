"""Derivatives behind guards: what a condition makes 0 stays 0, whatever it is multiplied with later.

The cotangent that `switch(c, a, b)` gives to a is 0 where c is false.  Multiplied with the derivative of sqrt at 0 it
would be 0 * inf, which is nan.  So a derivative is carried as `Guarded`: a value, and the condition under which it
counts.  Elementwise rules work on the bare value; the switch is applied after them, once, where values meet that have
other conditions, or where elements are combined.  The condition goes on from there, since the value, now 0, may be
multiplied again.  In forward mode tangents are carried in the same way: `switch(c, a, 1)` has none where c is false.

The conditions are those of the program and of kinks (maximum, clip, max), never a test of a derivative for 0: such a
test is right for the value and wrong when it is differentiated.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradc.autodiff.table import JVP, VJP
from gradc.ir import build, ops
from gradc.ir.facts import facts, folds, permutation, product_labels
from gradc.ir.graph import Apply, Constant, Variable, node_of
from gradc.ir.types import TensorType

if TYPE_CHECKING:
    from gradc.autodiff.symbolic import Symbolic

# Rows whose derivative is finite for every argument, and those where it is for finite ones: what is 0 behind a guard
# stays 0 in them.
BOUNDED = frozenset("add sub neg identity second switch maximum minimum clip complex real imag conj deg2rad "
                    "rad2deg".split())
SMOOTH = BOUNDED | frozenset("abs mul square exp exp2 expm1 sin cos sinh cosh tanh arctan arcsinh sigmoid softplus "
                               "logaddexp erf erfc".split())
_SWITCH, _INVERT, _AND, _OR = [ops.Map(fn) for fn in ("switch", "invert", "and_", "or_")]
_UNCHANGED = (ops.Cast, ops.GradientOf, ops.Assert)
_MOVES = (*ops.VIEWS, *ops.WRITES, ops.Concat)      # elements, and add them up
_MANY = 8           # conditions that are kept apart, so that opposite ones are seen

Literal = tuple[Variable, bool]         # a condition, and whether it or its opposite holds
Mask = tuple[Literal, ...]              # all of them hold


class Guarded:
    """A derivative that is 0 where `mask` does not hold.

    raw     its value where the mask holds; elsewhere anything, but 0 if `clean`
    weak    is the mask an `any` over elements?  Then it guards poles only, not all factors that might be infinite
    """

    __slots__ = ("_value", "clean", "mask", "raw", "weak")

    def __init__(self, raw: Variable, mask: Mask = (), clean: bool = True, weak: bool = False) -> None:
        self.raw, self.mask, self.weak = raw, mask, weak
        self.clean = clean or not mask
        self._value = raw if self.clean else None

    @property
    def guards_poles_only(self) -> bool:
        """Is every condition an `any`?  One that is the same for all elements guards whatever there is."""
        return self.weak and not any(_is_uniform(c) for c, _ in self.mask)

    def value(self, o: Symbolic) -> Variable:
        """The derivative itself."""
        if self._value is None:
            zero = o.const(0, self.raw)
            if len(self.mask) == 1:
                (c, holds), = self.mask
                self._value = o.switch(c, self.raw, zero) if holds else o.switch(c, zero, self.raw)
            else:
                self._value = o.switch(_all(o, self.mask), self.raw, zero)
        return self._value

    def with_raw(self, raw: Variable) -> Guarded:
        """Another value under the same mask."""
        return self if raw is self.raw else Guarded(raw, self.mask, self.clean, self.weak)


def add(o: Symbolic, a: Guarded, b: Guarded) -> Guarded:
    """The sum.  Of two that never count together it is a switch; of two under one mask the switch can still wait."""
    weak = a.weak or b.weak
    only_a, only_b = _minus(a.mask, b.mask), _minus(b.mask, a.mask)
    if not only_a and not only_b:
        if a.clean == b.clean:
            return Guarded(o.add(a.raw, b.raw), a.mask, a.clean, weak)
        return Guarded(o.add(a.value(o), b.value(o)), a.mask, True, weak)
    if len(only_a) == len(only_b) == 1 and not (a.clean and b.clean):
        (c, holds), (other, opposite) = only_a[0], only_b[0]
        if holds != opposite and _same(c, other):
            first, second = (a, b) if holds else (b, a)
            return Guarded(o.switch(c, first.raw, second.raw), _minus(a.mask, only_a), False, weak)
    return Guarded(o.add(a.value(o), b.value(o)), _either(o, a.mask, b.mask), True, weak)


def backward(o: Symbolic, node: Apply, g: Guarded, wanted: Sequence[bool]) -> list[Guarded | None]:
    """The rule of a node with one output: the cotangents of its inputs."""
    op, kind = node.op, type(node.op)
    rule = VJP[kind]
    if kind is ops.Map:
        return rule(o, node, g, wanted)
    if product_labels(op) is not None:
        return _contract_back(o, node, g, rule(o, _without_poles(o, node, g), g.value(o), wanted))
    if not g.mask:
        return [None if t is None else peeled(o, Guarded(t)) for t in rule(o, node, g.raw, wanted)]
    if kind in _UNCHANGED:
        return [None if t is None else g.with_raw(t) for t in rule(o, node, g.raw, wanted)]
    folded = folds(op)
    if folded is not None:
        ndim = node.inputs[0].type.ndim
        place = [k for k in range(ndim) if k not in folded]
        mask = tuple((_between(o, _padded(o, c, len(place)), place, range(ndim)), holds) for c, holds in g.mask)
        return [None if t is None else peeled(o, Guarded(t, mask, g.clean and op.fn == "add", g.weak))
                for t in rule(o, node, g.raw, wanted)]
    terms = rule(o, node, g.value(o), wanted)
    uniform, rest = _split(o, g.mask)
    moves = _moves(op)
    if not rest or not (moves or kind is ops.Cumulate):
        return [None if t is None else Guarded(t, uniform, moves, g.weak) for t in terms]
    counts = rule(o, _as_sum(o, node), ones(o, g.raw, rest), wanted)
    weak = g.weak or kind in (ops.Broadcast, ops.Cumulate)
    return [None if t is None else Guarded(t, (*uniform, positive(o, n)), moves, weak) for t, n in zip(terms, counts)]


def forward(o: Symbolic, node: Apply, ts: Sequence[Guarded | None]) -> Guarded | None:
    """The rule of a node with one output: its tangent."""
    op, kind = node.op, type(node.op)
    rule = JVP[kind]
    if kind is ops.Map:
        return rule(o, node, ts)
    given = [t for t in ts if t is not None]
    if kind in _UNCHANGED:
        t = rule(o, node, [t and t.raw for t in ts])
        return None if t is None else given[0].with_raw(t)
    if product_labels(op) is not None:
        value = rule(o, node, _finite_tangents(o, node, ts))
        return None if value is None else Guarded(value, _contract_forth(o, node, ts), False, True)
    value = rule(o, node, values(o, ts))
    if value is None or not all(t.mask for t in given):
        return None if value is None else Guarded(value)
    shared = _shared(o, given)
    moves, weak = _moves(op), any(t.weak for t in given)
    rest = [None if t is None else _minus(t.mask, shared) for t in ts]
    folded = folds(op)
    if () in rest or not (moves or kind is ops.Cumulate or folded is not None):
        return Guarded(value, shared, moves, weak)
    if folded is not None:
        axes = range(node.inputs[0].type.ndim)
        mask = _along(o, rest[0] or (), axes, [k for k in axes if k not in folded])
        return Guarded(value, (*shared, *mask), moves, True)
    count = rule(o, _as_sum(o, node), [t and ones(o, t.raw, m or ()) for t, m in zip(ts, rest)])
    return Guarded(value, (*shared, positive(o, count)), moves, weak or kind in (ops.Broadcast, ops.Cumulate))


def values(o: Symbolic, given: Sequence[Guarded | None]) -> list[Variable | None]:
    """The derivatives themselves."""
    return [None if g is None else g.value(o) for g in given]


def opened(o: Symbolic, given: Sequence[Guarded | None]) -> tuple[Mask, list[Variable | None], list[Variable | None]]:
    """For rules with bodies: the conditions that are one for all elements of all, the values, what each has beside."""
    shared = _shared(o, [g for g in given if g is not None])
    rest = [() if g is None else _minus(g.mask, shared) for g in given]
    return shared, values(o, given), [_all(o, mask) if mask else None for mask in rest]


def along_axes(o: Symbolic, raw: Variable, given: Sequence[Guarded], labels: Sequence[int],
               wanted: Sequence[int]) -> Guarded:
    """A derivative whose elements, with axes `wanted`, are made of all those along axes `labels` that it has not."""
    if len(given) > 1:
        return Guarded(raw, _shared(o, given), False)
    return Guarded(raw, _along(o, given[0].mask, labels, wanted), False, True)


def condition(o: Symbolic, g: Guarded) -> Variable | None:
    """When g counts, as one variable; None if that is always."""
    return _all(o, g.mask) if g.mask else None


def through(o: Symbolic, given: Sequence[Guarded | None], terms: Sequence[Variable | None]) -> list[Guarded | None]:
    """Derivatives by a rule with any number of arguments and results: conditions that hold for all elements stay."""
    shared = _shared(o, [g for g in given if g is not None])
    return [None if t is None else Guarded(t, shared, False) if type(t.type) is TensorType else Guarded(t)
            for t in terms]


def _contract_back(o: Symbolic, node: Apply, g: Guarded, terms: Sequence[Variable | None]) -> list[Guarded | None]:
    """By one factor it is 0 where g counts for nothing that the element has a part in, or the other factor is 0."""
    op, (x, y) = node.op, node.inputs
    uniform = _split(o, g.mask)[0]
    result: list[Guarded | None] = []
    for t, own, other, names in zip(terms, (op.a, op.b), (y, x), (op.b, op.a)):
        mask = _along(o, g.mask, op.out, own) + _along(o, peeled(o, Guarded(other)).mask, names, own)
        # each element is one product, with a factor that may be nan
        one = g.mask and {*op.out, *names} <= {*own} and is_singular(other)
        result.append(None if t is None else Guarded(t, mask, not (uniform or one), not one))
    return result


def _without_poles(o: Symbolic, node: Apply, g: Guarded) -> Apply:
    """The product with 0 for what has poles in rows (columns, ...) where g does not count: it would add up 0 * inf."""
    op = node.op
    rest, changed, factors = _split(o, g.mask)[1], False, []
    for other, own in zip(node.inputs, (op.a, op.b)):
        if rest and is_singular(other) and not _is_folded(rest, op.out, own):
            (mask, _), = _along(o, rest, op.out, own)
            other, changed = o.switch(mask, other, o.const(0, other)), True
        factors.append(other)
    return node_of(o.apply(op, *factors)) if changed else node


def _finite_tangents(o: Symbolic, node: Apply, ts: Sequence[Guarded | None]) -> list[Variable | None]:
    """The tangents, 0 where all that they are multiplied with is 0 behind a guard: it would add up 0 * inf."""
    op, (x, y) = node.op, node.inputs
    given = values(o, ts)
    for k, (t, own, other, names) in enumerate(zip(given, (op.a, op.b), (y, x), (op.b, op.a))):
        if t is not None and is_singular(t):
            given[k] = Guarded(t, _along(o, peeled(o, Guarded(other)).mask, names, own), False).value(o)
    return given


def _contract_forth(o: Symbolic, node: Apply, ts: Sequence[Guarded | None]) -> Mask:
    """Where the tangent of a product may be other than 0."""
    op, (x, y) = node.op, node.inputs
    masks = [_along(o, t.mask, own, op.out) + _along(o, peeled(o, Guarded(other)).mask, names, op.out)
             for t, own, other, names in zip(ts, (op.a, op.b), (y, x), (op.b, op.a)) if t is not None]
    return masks[0] if len(masks) == 1 else _either(o, *masks)


def peeled(o: Symbolic, g: Guarded) -> Guarded:
    """A derivative that a rule has made as switch(c, value, 0), with c taken into the mask."""
    node = g.raw.owner
    if node is None or node.op != _SWITCH:
        return g
    c, a, b = node.inputs
    if _is_zero(b):
        holds, raw = True, a
    elif _is_zero(a):
        holds, raw = False, b
    else:
        return g
    raw = o.fit(raw, g.raw)
    literals = _literals(c, holds)
    mask = (*_minus(g.mask, literals), *literals)
    if len(mask) > _MANY:
        mask = ((_all(o, mask), True),)
    new = Guarded(raw, mask, False, g.weak)
    if not g.mask:
        new._value = g.raw
    return new


def summed_to(o: Symbolic, g: Guarded, like: Variable) -> Guarded:
    """g summed over the axes along which `like` was broadcast to it."""
    have, want = g.raw.type.shape, like.type.shape
    if have == want:
        return g
    if not g.mask:
        total = o.sum_to(g.raw, like)
        return g if total is g.raw else Guarded(total, weak=g.weak)
    pad = len(have) - len(want)
    kept = [pad + k if s != 1 or have[pad + k] == 1 else -1 for k, s in enumerate(want)]
    axes = range(len(have))
    if kept == [*axes]:             # they differ in what is known of the sizes
        return g
    total = o.sum_to(g.value(o), like)
    return Guarded(total, _along(o, g.mask, axes, kept), True, g.weak or _is_folded(g.mask, axes, kept))


# ------------------------------------------------------------------------------------------- conditions


def is_singular(v: Variable, depth: int = 3) -> bool:
    """Does v come from a row with poles, as far as is quickly seen?"""
    node = v.owner
    return node is not None and type(node.op) is ops.Map and (
        node.op.fn not in SMOOTH or (depth > 0 and any(is_singular(x, depth - 1) for x in node.inputs)))


def _is_zero(v: Variable) -> bool:
    return isinstance(v, Constant) and not np.any(v.data)


def _same(a: Variable, b: Variable, depth: int = 3) -> bool:
    """Are these the same condition, as far as is quickly seen?"""
    if _is_uniform(a) and _is_uniform(b):
        a, b = _without_axes(a), _without_axes(b)
    if a is b:
        return True
    if isinstance(a, Constant) and isinstance(b, Constant):
        return a.type == b.type and np.array_equal(a.data, b.data)
    x, y = a.owner, b.owner
    return (depth > 0 and x is not None and y is not None and x.op == y.op and _quick(x.op)
            and all(_same(p, q, depth - 1) for p, q in zip(x.inputs, y.inputs)))


def _quick(op: ops.OpKind) -> bool:
    return facts(op).elementwise or permutation(op) is not None


def _literals(c: Variable, holds: bool) -> Mask:
    """A condition as those of which it is made, so that one for all elements is seen among them."""
    node = c.owner
    if node is not None and node.op == _INVERT:
        return _literals(node.inputs[0], not holds)
    if node is not None and node.op == (_AND if holds else _OR) and c.type.dtype == "bool":
        parts = tuple([part for v in node.inputs for part in _literals(v, holds)])
        if any(_is_uniform(v) for v, _ in parts):
            return parts
    return ((c, holds),)


def _minus(a: Mask, b: Mask) -> Mask:
    """The conditions of a that are not among those of b."""
    return tuple([(c, holds) for c, holds in a if not any(holds == h and _same(c, d) for d, h in b)])


def _all(o: Symbolic, mask: Mask) -> Variable:
    """The mask as one condition."""
    total = None
    for c, holds in mask:
        c = c if holds else o.invert(c)
        total = c if total is None else o.and_(total, c)
    assert total is not None
    return total


def _either(o: Symbolic, a: Mask, b: Mask) -> Mask:
    """What holds where a or b does."""
    if not a or not b:
        return ()
    shared = _minus(a, _minus(a, b))
    rest = [_minus(m, shared) for m in (a, b)]
    return (*shared, (o.or_(*[_all(o, m) for m in rest]), True)) if all(rest) else shared


def _is_uniform(c: Variable) -> bool:
    return all(s == 1 for s in c.type.shape)


def _without_axes(c: Variable) -> Variable:
    """What a condition that is one for all elements was, before it was given other axes of size 1."""
    while c.owner is not None and permutation(c.owner.op) is not None:
        c = c.owner.inputs[0]
    return c


def _split(o: Symbolic, mask: Mask) -> tuple[Mask, Mask]:
    """The conditions that are one for all elements, as scalars, and the others."""
    uniform = [(c, holds) for c, holds in mask if _is_uniform(c)]
    rest = tuple([m for m in mask if m not in uniform])
    return tuple([(build.scalar(o, _without_axes(c)), holds) for c, holds in uniform]), rest


def _is_folded(mask: Mask, labels: Sequence[int], wanted: Sequence[int]) -> bool:
    """Does a condition on elements with axes `labels` have sizes along others than those `wanted`?"""
    return any(size != 1 and label not in wanted for c, _ in mask
               for size, label in zip(c.type.shape[::-1], labels[::-1]))


def _padded(o: Symbolic, c: Variable, ndim: int) -> Variable:
    """c with axes put in front up to `ndim`."""
    return build.insert_axes(o, c, range(ndim - c.type.ndim), ndim)


def _between(o: Symbolic, c: Variable, labels: Sequence[int], wanted: Sequence[int]) -> Variable:
    """A condition on elements with axes `labels`, for those with axes `wanted`: does it hold anywhere along the others?

    Axes that it does not have are of size 1.
    """
    shape = c.type.shape
    folded = [k for k, label in enumerate(labels) if label not in wanted and shape[k] != 1]
    if folded:
        c = build.fold(o, "or_", c, folded)
    at = {label: j for j, label in enumerate(label for k, label in enumerate(labels) if k not in folded)}
    return build.reorder(o, c, [at.get(label, -1) for label in wanted])


def _along(o: Symbolic, mask: Mask, labels: Sequence[int], wanted: Sequence[int]) -> Mask:
    """As `_between`; conditions that are one for all elements stay what they are."""
    uniform, rest = _split(o, mask)
    if not rest:
        return uniform
    return (*uniform, (_between(o, _padded(o, _all(o, rest), len(labels)), labels, wanted), True))


def _shared(o: Symbolic, given: Sequence[Guarded]) -> Mask:
    """The conditions of all that are one for all elements."""
    first, *others = [_split(o, g.mask)[0] for g in given]
    return tuple(m for m in first if all(not _minus((m,), mask) for mask in others))


def _moves(op: Any) -> bool:
    """Is what comes out of the rule of `op` a sum of elements that go in?"""
    return type(op) in _MOVES or ((type(op) is ops.Cumulate or folds(op) is not None) and op.fn == "add")


def _as_sum(o: Symbolic, node: Apply) -> Apply:
    """`node`, or the sum that goes where its product goes."""
    if type(node.op) is not ops.Cumulate or node.op.fn == "add":
        return node
    return node_of(o.apply(ops.Cumulate("add", node.op.axis), node.inputs[0]))


def ones(o: Symbolic, like: Variable, mask: Mask) -> Variable:
    """1 where the mask holds, 0 elsewhere, in the shape of `like`."""
    dtype = like.type.dtype
    return o.second(like, o.cast(_all(o, mask), dtype) if mask else o.number(1, dtype))


def positive(o: Symbolic, count: Variable) -> Literal:
    """That a sum of `ones` is not 0."""
    return o.gt(count, o.const(0, count)), True
