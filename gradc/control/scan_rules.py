"""Derivatives of Scan: importing this module enters them into the tables of `autodiff.table`.

Backward: a Scan in the opposite direction carries the cotangents of the carries and sums up those of the others; the
cotangents of sequences are its stacked rows.  What it takes from the forward steps (`control.residuals`) is stacked
by a second forward Scan, which passes merge with the user's.  Forward: one Scan carries the carries and their
tangents.  Both are ordinary Scans, with derivatives of their own.

What no wanted input or no given cotangent has a part in is not carried.  Counts and numbers of steps pass no
gradient; integer and bool carries have none, but take part.  By integer sequences and others there is one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gradc.autodiff.forward import pushforward
from gradc.autodiff.guards import Guarded, Mask, condition, ones, opened, peeled, positive
from gradc.autodiff.reverse import pullback
from gradc.autodiff.symbolic import cotangent_dtype
from gradc.autodiff.table import Cotangents, Pattern, connects, jvp, vjp
from gradc.control.partial import added, of_last_values
from gradc.control.parts import LoopBuilder, LoopStep, bits
from gradc.control.residuals import residuals
from gradc.ir import build, infer, ops
from gradc.ir.convert import to_program
from gradc.ir.facts import reads
from gradc.ir.graph import Apply, Constant, Variable, apply
from gradc.ir.program import plain
from gradc.ir.types import NullType, RngType, TensorType
from gradc.record import record, replace

if TYPE_CHECKING:
    from gradc.autodiff.symbolic import Symbolic

Derivatives = Sequence["Guarded | None"]


@connects(ops.Scan)
def scan_connection(node: Apply) -> Pattern:
    """Through any number of steps; not to the number of steps, and the count of steps to nothing."""
    step = LoopStep(node)
    masks = step.influence() + [0] * step.op.until
    first = 1 + step.op.limited
    return [[k >= first and bool(mask >> (k - first) & 1) for mask in masks] for k in range(len(node.inputs))]


# ------------------------------------------------------------------------------------------------- backward


@vjp(ops.Scan)
def scan_vjp(o: Symbolic, node: Apply, gs: Derivatives, wanted: Sequence[bool]) -> Derivatives:
    """The loop run backwards.

    With `truncate` = k only the last k of the steps that were run are gone through: the cotangents of earlier rows of
    sequences are 0, and so are those of initial values if there were more than k steps (as in Aesara).
    Where a cotangent counts under a condition only (`autodiff.guards`), the condition goes through the loop with it.
    """
    step = LoopStep(node)
    op = step.op
    args = node.inputs[len(node.inputs) - len(step.inputs):]        # those of the body
    before, others = len(node.inputs) - len(args), op.split(node.inputs)[-1]
    shared, own, conditions = opened(o, gs)
    cots = of_last_values(o, step, own)
    for j, (g, given_one) in enumerate(zip(cots, own)):
        if g is not given_one:
            while g is not None and g.owner is not None and type(g.owner.op) is ops.Assert:
                g = g.owner.inputs[0]
            conditions[j] = None if g is None else condition(o, peeled(o, Guarded(g)))
    given, flags, found = _cotangents(o, step, cots, conditions, wanted[before:])
    result: list[Guarded | None] = [None] * len(node.inputs)
    window = _window(o, node)
    loop = LoopBuilder()
    for i, guarded in found.items():
        term = guarded.value(o)
        if _is_null(term):
            result[before + i] = guarded
        elif i < op.n_seqs:
            loop.rows[i] = term
            if guarded.mask:
                loop.rows["counts", i] = ones(o, term, guarded.mask)
        elif (k := i - op.n_seqs) < op.n_carries:
            first = o.full_like(node.outputs[k], 0) if cots[k] is None else cots[k]
            loop.carries[i] = given[k], first, term
            if k in flags:
                never = o.number(False, "bool")
                counts = never if cots[k] is None else conditions[k]
                loop.carries["counts", i] = (flags[k], o.second(first, counts),
                                             o.second(given[k], condition(o, guarded) if guarded.mask else never))
        else:
            zero = o.full_like(args[i], 0)
            total = zero.type(name=_after("grad", step.inputs[i]))
            loop.carries[i] = total, zero, added(o, total, term)
            if guarded.mask:
                flag = _flag(total)
                counts = o.or_(flag, o.second(total, condition(o, guarded)))
                loop.carries["counts", i] = flag, o.second(zero, o.number(False, "bool")), counts
    if not (loop.rows or loop.carries):
        return result

    # taken from the forward step: what is kept, row by row; where only the shape of a carry counts, its initial value
    kept = residuals(step, loop.results())
    stored, likes = [_row(v) for v in kept], [_copy(v) for v in step.carries]
    pairs: list[Any] = [*((given[j], cots[j]) for j in given if j >= op.n_carries), *zip(step.rows, args),
                        *((flags[j], o.second(cots[j], conditions[j])) for j in flags if j >= op.n_carries),
                        *zip(stored, _stacked(node, step, kept))]
    loop.sequences = [(row, window.part(o, x)) for row, x in pairs]
    back = replace(op, reverse=not op.reverse, truncate=-1, name=f"grad_of_{op.name}" if op.name else "")
    inside = [*zip(step.carries, likes), *zip(kept, map(_of_row, stored, kept))]
    made = loop.build(back, window.steps, window.limit, inside,
                      [*zip(step.others, others), *zip(likes, args[op.n_seqs:])], node.source)
    for i, guarded in _placed(o, op, window, made, args, shared):
        result[before + i] = guarded
    return result


def _placed(o: Symbolic, op: ops.Scan, window: _Window, made: Mapping[Any, Variable], args: Sequence[Variable],
            shared: Mask) -> Iterator[tuple[int, Guarded]]:
    """What the backward loop made for each of `args`, where the steps that it went through belong; `shared`: its
    conditions."""
    for i in [i for i in made if not isinstance(i, tuple)]:
        total, counts, mask = made[i], made.get(("counts", i)), shared
        if i < op.n_seqs:
            total = window.place(o, total, args[i])
            if counts is not None:
                mask = (*shared, positive(o, window.place(o, counts, args[i])))
        elif i < op.n_seqs + op.n_carries:
            total = window.first(o, total)
            counts = counts if window.whole is None else None
        if counts is not None and i >= op.n_seqs:
            mask = (*shared, (counts, True))
        yield i, Guarded(total, mask, not shared)


def _settle(o: Symbolic, step: LoopStep, given: dict[int, Variable], flags: dict[int, Variable],
            starts: Sequence[Guarded | Variable | None], at: int, found: Any, there: int) -> bool:
    """Is what was assumed of the derivatives of carries what the step makes of them?  What was not is corrected.

    given, flags, starts are those of carry k at position `at` + k; `found`, what the step makes, at `there` + k.
    """
    settled = True
    for k, carry in enumerate(step.carries):
        j = at + k
        if j not in given:
            continue
        term = found[there + k]
        if term is None and starts[j] is None:
            del given[j]                            # zero after all
            flags.pop(j, None)
            settled = False
        elif term is None:
            found[there + k] = Guarded(o.full_like(carry, 0))
        elif _is_null(term.raw) and not _is_null(given[j]):
            given[j] = term.raw
            flags.pop(j, None)
            settled = False
        elif j in flags and not term.mask:
            del flags[j]                            # of some part it counts always
            settled = False
    return settled


def _cotangents(o: Symbolic, step: LoopStep, gs: Cotangents, conditions: Sequence[Variable | None],
                wanted: Sequence[bool]) -> tuple[dict[int, Variable], dict[int, Variable], dict[int, Guarded]]:
    """One step backwards: (result of the step -> its cotangent, a fresh variable; result -> the condition under which
    that counts, a fresh variable, where there is one; input -> its cotangent).

    Only where something wanted has a part in the result and the result has one in what has a cotangent.
    A cotangent that is undefined is a variable of NullType in both.
    """
    first, n = step.op.n_seqs, step.op.n_carries
    masks, target, alive = step.influence(smooth=True), bits(wanted), 0
    for g, mask in zip(gs, masks):
        alive |= 0 if g is None else mask
    given: dict[int, Variable] = {}
    flags: dict[int, Variable] = {}
    guarded = any(c is not None for c in conditions)
    for j, (v, mask) in enumerate(zip(step.results, masks)):
        if mask & target and (alive & step.carry_bit(j) if j < n else gs[j] is not None):
            given[j] = _tangent("grad", v, step.carries[j] if j < n else v)
            if conditions[j] is not None or (guarded and j < n and gs[j] is None):
                flags[j] = _flag(given[j])
    while True:
        inputs = [i for i in range(len(step.inputs)) if (i - first in given if 0 <= i - first < n else wanted[i])]
        terms = pullback(o, [step.results[j] for j in given], [_under(g, flags.get(j)) for j, g in given.items()],
                         [step.inputs[i] for i in inputs])
        o.source = step.node.source
        found = dict(zip(inputs, terms))
        if _settle(o, step, given, flags, gs, 0, found, first):
            return given, flags, {i: term for i, term in found.items() if term is not None}


def _stacked(node: Apply, step: LoopStep, kept: Sequence[Variable]) -> list[Variable]:
    """The rows of values of the forward step: results that the loop has, else those of a second loop."""
    n = step.op.n_carries
    rows = {id(v): out for v, out in zip(step.stacked, node.outputs[n:])}
    missing = [v for v in kept if id(v) not in rows]
    if missing:
        stop = [] if step.stop is None else [step.stop]
        new = [apply(ops.Words(), v) if isinstance(v.type, RngType) else v for v in missing]
        op = replace(step.op, body=to_program(step.inputs, [*step.after, *new, *stop], body=True))
        made = Apply(op, node.inputs, infer.output_types(op, node.inputs, node.source), node.source).outputs
        rows.update((id(v), out) for v, out in zip(missing, made[n:]))
    return [rows[id(v)] for v in kept]


@record(eq=False)
class _Window:
    """The rows that a backward loop goes through: those before `limit` (None: all), or `steps` rows from `start`.

    `whole`: does it go back to the first step that was run? None: yes.
    """

    steps: Variable
    limit: Variable | None = None
    start: Variable | None = None
    stop: Variable | None = None
    whole: Variable | None = None

    def part(self, o: Symbolic, x: Variable) -> Variable:
        """Its rows of the sequence x."""
        if self.start is None or self.stop is None:     # both or neither
            return x
        return build.cut(o, x, self.start, self.stop)

    def place(self, o: Symbolic, rows: Variable, x: Variable) -> Variable:
        """The cotangent of the sequence x whose rows those of the window are; 0 elsewhere."""
        if self.start is None and _has_rows(x, self.steps):
            return rows
        item, bounds = build.entry(None, self.start, self.steps if self.start is None else self.stop)
        return build.put(o, "inc", o.full_like(x, 0), rows, [item], *bounds)

    def first(self, o: Symbolic, g: Variable) -> Variable:
        """The cotangent of an initial value, g after the last step of the backward loop."""
        return g if self.whole is None else o.switch(self.whole, g, o.const(0, g))


def _window(o: Symbolic, node: Apply) -> _Window:
    """What a backward loop goes through for the loop `node`."""
    op = node.op
    steps, limit = op.split(node.inputs)[:2]
    count = node.outputs[-1] if op.until else None
    if op.truncate < 0 and not (op.until and op.reverse):
        return _Window(steps, limit if count is None else count)
    zero = o.number(0, "int64")
    end = steps if limit is None else o.maximum(o.minimum(limit, steps), zero)
    run = end if count is None else count
    length = run if op.truncate < 0 else o.minimum(run, o.number(op.truncate, "int64"))
    start = o.sub(end, run) if op.reverse else o.sub(run, length)
    return _Window(length, None, start, o.add(start, length), o.eq(length, run))


def _has_rows(x: Variable, n: Variable) -> bool:
    """Is it certain that the sequence x of a loop of n steps, hence of n rows or more, has no more than that?"""
    while True:
        if isinstance(n, Constant):
            return bool(x.type.shape[0] == n.data)
        node = n.owner
        if node is not None and node.op == ops.ShapeOf(0) and node.inputs[0] is x:
            return True
        node = x.owner
        if node is None:
            return False
        kind = type(node.op)
        if kind is ops.Scan:
            return node.inputs[0] is n and x.index >= node.op.n_carries
        if kind is ops.Iota:
            return node.inputs[0] is n
        items = reads(node.op)
        if items is None:
            return False
        item = items[0] if items else ops.Item()
        if item.start is None and item.stop is ops.DYNAMIC and item.step in (None, 1) and node.inputs[1] is n:
            return True
        if item.is_single or not (item.start is None and item.stop is None and item.step in (None, 1, -1)):
            return False
        x = node.inputs[0]


# -------------------------------------------------------------------------------------------------- forward


@jvp(ops.Scan)
def scan_jvp(o: Symbolic, node: Apply, tangents: Derivatives) -> Derivatives:
    """The loop run with tangents beside the carries, and the conditions under which these count."""
    step = LoopStep(node)
    op, first, n = step.op, step.op.n_seqs, step.op.n_carries
    before = len(node.inputs) - len(step.inputs)
    shared, outer, conditions = opened(o, tangents)
    args, ts, conditions = node.inputs[before:], outer[before:], conditions[before:]
    source = bits(t is not None for t in ts)
    given = {i: _tangent("d", v, v) for i, (v, t) in enumerate(zip(step.inputs, ts)) if t is not None}
    for k, mask in enumerate(step.influence(smooth=True)[:n]):
        if mask & source:
            given[first + k] = _tangent("d", step.after[k], step.carries[k])
    guarded = any(c is not None for c in conditions)
    flags = {i: _flag(t) for i, t in given.items()
             if conditions[i] is not None or (guarded and ts[i] is None)}
    while True:
        found = pushforward(o, step.inputs, [_under(given[i], flags.get(i)) if i in given else None
                                             for i in range(len(args))], step.results)
        o.source = node.source
        if _settle(o, step, given, flags, ts, first, found, 0):
            break

    loop = LoopBuilder()
    for k, after in enumerate(step.after):
        loop.carries["value", k] = step.carries[k], args[first + k], after
    for j, term in enumerate(found):
        if term is None or _is_null(term.raw):
            continue
        if j >= n:
            loop.rows[j] = term.value(o)
            if term.mask:
                loop.rows["counts", j] = ones(o, term.value(o), term.mask)
        elif (i := first + j) in given:
            start = o.full_like(args[i], 0) if ts[i] is None else ts[i]
            loop.carries[j] = given[i], start, term.value(o)
            if i in flags:
                never = o.number(False, "bool")
                loop.carries["counts", j] = (flags[i], o.second(start, never if ts[i] is None else conditions[i]),
                                             o.second(given[i], condition(o, term) if term.mask else never))
    beside = [*((given[i], ts[i]) for i in given), *((flags[i], o.second(ts[i], conditions[i])) for i in flags
                                                     if ts[i] is not None)]
    of_rows = {id(v) for i in range(first) for v in (given.get(i), flags.get(i)) if v is not None}
    tangents_of_rows: Any = [(v, x) for v, x in beside if id(v) in of_rows]
    loop.sequences = [*zip(step.rows, args), *tangents_of_rows]
    loop.stop = step.stop
    steps, limit, _, _, others = op.split(node.inputs)
    captured = {id(v) for i in range(first + n, len(args)) for v in (given.get(i), flags.get(i)) if v is not None}
    outside = [*zip(step.others, others), *((v, x) for v, x in beside if id(v) in captured)]
    made = loop.build(op, steps, limit, [], outside, node.source)
    result: list[Guarded | None] = []
    for j, term in enumerate(found):
        counts = made.get(("counts", j))
        holds = shared if counts is None else (*shared, (counts, True) if j < n else positive(o, counts))
        result.append(term if term is not None and _is_null(term.raw) else
                      None if j not in made else Guarded(made[j], holds, not shared))
    return result + [None] * op.until


def _flag(t: Any) -> Variable:
    """A fresh variable for the condition under which t counts."""
    kind = TensorType.make("bool", t.type.shape)
    return kind.variable_class(kind)


def _under(t: Variable, flag: Variable | None) -> Guarded:
    return Guarded(t, () if flag is None else ((flag, True),))


def _is_null(v: Variable) -> bool:
    return isinstance(v.type, NullType)


def _copy(v: Variable) -> Variable:
    return v.type.variable_class(v.type, name=v.name)


def _row(v: Variable) -> Variable:
    """A row of what is kept of v: of the state of a random generator, its words."""
    return v.type.words(name=v.name) if isinstance(v.type, RngType) else _copy(v)


def _of_row(row: Variable, v: Variable) -> Variable:
    """What a row that is kept says v is."""
    return apply(ops.Words(v.type.bits), row) if isinstance(v.type, RngType) else row


def _tangent(what: str, v: Variable, carry: Variable) -> Variable:
    """A fresh variable for a tangent or cotangent of v, which `carry` is before the step."""
    shape = tuple([a if b is None else b for a, b in zip(v.type.shape, carry.type.shape)])
    new = TensorType.make(cotangent_dtype(v), shape)
    return new.variable_class(new, name=_after(what, carry))


def _after(what: str, v: Variable) -> str | None:
    """A name such as grad_h."""
    name = plain(v.name)
    return name and f"{what}_{name}"
