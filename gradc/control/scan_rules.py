"""Derivatives of Scan: importing this module enters them into the tables of `autodiff.table`.

Backward: a Scan in the opposite direction carries the cotangents of the carries and sums up those of the others; the
cotangents of sequences are its stacked rows.  What it takes from the forward steps (`control.residuals`) is stacked
by a second forward Scan, which passes merge with the user's.  Forward: one Scan carries the carries and their
tangents.  Both are ordinary Scans, with derivatives of their own.

What no wanted input or no given cotangent has a part in is not carried.  Counts and numbers of steps pass no
gradient; integer and bool carries have none, but take part.  By integer sequences and others there is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradc.autodiff.forward import pushforward
from gradc.autodiff.reverse import pullback
from gradc.autodiff.symbolic import cotangent_dtype
from gradc.autodiff.table import Cotangents, Pattern, connects, jvp, vjp
from gradc.control.partial import added, of_last_values
from gradc.control.parts import Loop, Step, bits
from gradc.control.residuals import residuals
from gradc.ir import infer, ops
from gradc.ir.convert import to_program
from gradc.ir.graph import Apply, Constant, Variable, apply
from gradc.ir.program import plain
from gradc.ir.types import WORDS, NullType, RngType, TensorType
from gradc.record import record, replace


@connects(ops.Scan)
def scan_connection(node: Apply) -> Pattern:
    """Through any number of steps; not to the number of steps, and the count of steps to nothing."""
    step = Step(node)
    masks = step.influence() + [0] * step.op.until
    first = 1 + step.op.limited
    return [[k >= first and bool(mask >> (k - first) & 1) for mask in masks] for k in range(len(node.inputs))]


# ------------------------------------------------------------------------------------------------- backward


@vjp(ops.Scan)
def scan_vjp(o: Any, node: Apply, gs: Cotangents, wanted: Sequence[bool]) -> Cotangents:
    """The loop run backwards.

    With `truncate` = k only the last k of the steps that were run are gone through: the cotangents of earlier rows of
    sequences are 0, and so are those of initial values if there were more than k steps (as in Aesara).
    """
    step = Step(node)
    op = step.op
    args = node.inputs[len(node.inputs) - len(step.inputs):]        # those of the body
    before, others = len(node.inputs) - len(args), op.split(node.inputs)[-1]
    gs = of_last_values(o, step, gs)
    given, found = _cotangents(o, step, gs, wanted[before:])
    result: list[Variable | None] = [None] * len(node.inputs)
    window = _window(o, node)
    loop = Loop()
    for i, term in found.items():
        if _is_null(term):
            result[before + i] = term
        elif i < op.n_seqs:
            loop.rows[i] = term
        elif (k := i - op.n_seqs) < op.n_carries:
            loop.carries[i] = given[k], o.full_like(node.outputs[k], 0) if gs[k] is None else gs[k], term
        else:
            zero = o.full_like(args[i], 0)
            total = zero.type(name=_after("grad", step.inputs[i]))
            loop.carries[i] = total, zero, added(o, total, term)
    if not (loop.rows or loop.carries):
        return result

    # taken from the forward step: what is kept, row by row; where only the shape of a carry counts, its initial value
    kept = residuals(step, loop.results())
    stored, likes = [_row(v) for v in kept], [_copy(v) for v in step.carries]
    pairs: list[Any] = [*((given[j], gs[j]) for j in given if j >= op.n_carries), *zip(step.rows, args),
             *zip(stored, _stacked(node, step, kept))]
    loop.sequences = [(row, window.part(o, x)) for row, x in pairs]
    back = replace(op, reverse=not op.reverse, truncate=-1, name=f"grad_of_{op.name}" if op.name else "")
    inside = [*zip(step.carries, likes), *zip(kept, map(_of_row, stored, kept))]
    made = loop.build(back, window.steps, window.limit, inside,
                      [*zip(step.others, others), *zip(likes, args[op.n_seqs:])], node.source)
    for i, g in made.items():
        if i < op.n_seqs:
            g = window.place(o, g, args[i])
        elif i < op.n_seqs + op.n_carries:
            g = window.first(o, g)
        result[before + i] = g
    return result


def _cotangents(o: Any, step: Step, gs: Cotangents,
                wanted: Sequence[bool]) -> tuple[dict[int, Variable], dict[int, Variable]]:
    """One step backwards: (result of the step -> its cotangent, a fresh variable; input -> its cotangent).

    Only where something wanted has a part in the result and the result has one in what has a cotangent.
    A cotangent that is undefined is a variable of NullType in both.
    """
    first, n = step.op.n_seqs, step.op.n_carries
    masks, target, alive = step.influence(smooth=True), bits(wanted), 0
    for g, mask in zip(gs, masks):
        alive |= 0 if g is None else mask
    given: dict[int, Variable] = {}
    for j, (v, mask) in enumerate(zip(step.results, masks)):
        if mask & target and (alive & step.carry_bit(j) if j < n else gs[j] is not None):
            given[j] = _tangent("grad", v, step.carries[j] if j < n else v)
    while True:
        inputs = [i for i in range(len(step.inputs)) if (i - first in given if 0 <= i - first < n else wanted[i])]
        terms = pullback(o, [step.results[j] for j in given], list(given.values()), [step.inputs[i] for i in inputs])
        o.source = step.node.source
        found = dict(zip(inputs, terms))
        settled = True
        for k in [j for j in given if j < n]:
            term = found[first + k]
            if term is None and gs[k] is None:
                del given[k]                            # zero after all
                settled = False
            elif term is None:
                found[first + k] = o.full_like(step.carries[k], 0)
            elif _is_null(term) and not _is_null(given[k]):
                given[k] = term
                settled = False
        if settled:
            return given, {i: term for i, term in found.items() if term is not None}


def _stacked(node: Apply, step: Step, kept: Sequence[Variable]) -> list[Variable]:
    """The rows of values of the forward step: results that the loop has, else those of a second loop."""
    n = step.op.n_carries
    rows = {id(v): out for v, out in zip(step.stacked, node.outputs[n:])}
    missing = [v for v in kept if id(v) not in rows]
    if missing:
        stop = [] if step.stop is None else [step.stop]
        new = [apply(ops.Words(False), v) if isinstance(v.type, RngType) else v for v in missing]
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

    def part(self, o: Any, x: Variable) -> Variable:
        """Its rows of the sequence x."""
        if self.start is None:
            return x
        return o.apply(ops.Slice((ops.Item(start=ops.DYNAMIC, stop=ops.DYNAMIC),)), x, self.start, self.stop)

    def place(self, o: Any, rows: Variable, x: Variable) -> Variable:
        """The cotangent of the sequence x whose rows those of the window are; 0 elsewhere."""
        if self.start is None and _has_rows(x, self.steps):
            return rows
        bounds = [self.steps] if self.start is None else [self.start, self.stop]
        item = ops.Item(start=None if self.start is None else ops.DYNAMIC, stop=ops.DYNAMIC)
        return o.apply(ops.Scatter("inc", (item,)), o.full_like(x, 0), rows, *bounds)

    def first(self, o: Any, g: Variable) -> Variable:
        """The cotangent of an initial value, g after the last step of the backward loop."""
        return g if self.whole is None else o.switch(self.whole, g, o.const(0, g))


def _window(o: Any, node: Apply) -> _Window:
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
            return bool(x.type.shape[0] == n.data)  # type: ignore[attr-defined]
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
        if kind is not ops.Slice:
            return False
        item = node.op.items[0] if node.op.items else ops.Item()
        if item.start is None and item.stop is ops.DYNAMIC and item.step in (None, 1) and node.inputs[1] is n:
            return True
        if item.is_single or not (item.start is None and item.stop is None and item.step in (None, 1, -1)):
            return False
        x = node.inputs[0]


# -------------------------------------------------------------------------------------------------- forward


@jvp(ops.Scan)
def scan_jvp(o: Any, node: Apply, tangents: Cotangents) -> Cotangents:
    """The loop run with tangents beside the carries."""
    step = Step(node)
    op, first, n = step.op, step.op.n_seqs, step.op.n_carries
    before = len(node.inputs) - len(step.inputs)
    args, ts = node.inputs[before:], tangents[before:]
    source = bits(t is not None for t in ts)
    given = {i: _tangent("d", v, v) for i, (v, t) in enumerate(zip(step.inputs, ts)) if t is not None}
    for k, mask in enumerate(step.influence(smooth=True)[:n]):
        if mask & source:
            given[first + k] = _tangent("d", step.after[k], step.carries[k])
    while True:
        found = pushforward(o, step.inputs, [given.get(i) for i in range(len(args))], step.results)
        o.source = node.source
        settled = True
        for i in [i for i in given if 0 <= i - first < n]:
            term = found[i - first]
            if term is None and ts[i] is None:
                del given[i]                            # zero after all
                settled = False
            elif term is None:
                found[i - first] = o.full_like(step.carries[i - first], 0)
            elif _is_null(term) and not _is_null(given[i]):
                given[i] = term
                settled = False
        if settled:
            break

    loop = Loop()
    for k, after in enumerate(step.after):
        loop.carries["value", k] = step.carries[k], args[first + k], after
    for j, term in enumerate(found):
        if term is None or _is_null(term):
            continue
        if j >= n:
            loop.rows[j] = term
        elif (i := first + j) in given:
            loop.carries[j] = given[i], o.full_like(args[i], 0) if ts[i] is None else ts[i], term
    tangents_of_rows: Any = [(given[i], ts[i]) for i in given if i < first]
    loop.sequences = [*zip(step.rows, args), *tangents_of_rows]
    loop.stop = step.stop
    steps, limit, _, _, others = op.split(node.inputs)
    outside: list[Any] = [*zip(step.others, others), *((given[i], ts[i]) for i in given if i >= first + n)]
    made = loop.build(op, steps, limit, [], outside, node.source)
    return [term if term is not None and _is_null(term) else made.get(j) for j, term in enumerate(found)] \
        + [None] * op.until


def _is_null(v: Variable) -> bool:
    return isinstance(v.type, NullType)


def _copy(v: Variable) -> Any:
    return v.type.variable_class(v.type, name=v.name)


def _row(v: Variable) -> Any:
    """A row of what is kept of v: of the state of a random generator, its words."""
    return WORDS.variable_class(WORDS, name=v.name) if isinstance(v.type, RngType) else _copy(v)


def _of_row(row: Variable, v: Variable) -> Variable:
    """What a row that is kept says v is."""
    return apply(ops.Words(True), row) if isinstance(v.type, RngType) else row


def _tangent(what: str, v: Any, carry: Any) -> Any:
    """A fresh variable for a tangent or cotangent of v, which `carry` is before the step."""
    shape = tuple([a if b is None else b for a, b in zip(v.type.shape, carry.type.shape)])
    new = TensorType.make(cotangent_dtype(v), shape)
    return new.variable_class(new, name=_after(what, carry))


def _after(what: str, v: Variable) -> str | None:
    """A name such as grad_h."""
    name = plain(v.name)
    return name and f"{what}_{name}"
