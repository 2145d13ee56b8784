"""A linear map, given as a Program, applied to what `autodiff.sparsity` can represent: one rule per op kind.

    linear_map(b, program, args) -> LinearValue

A rule gives the terms of a result, or None where the structure is lost: then all axes of u are spread, and the
equation is vectorised over them by `ir.batch`.  In and out: equations of one `ir.program.Builder`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gradc.autodiff.sparsity import (
    LinearValue,
    Term,
    Tie,
    axes_of,
    between,
    dense,
    densify,
    middle,
    sizes_of,
    spread,
    zeros,
)
from gradc.ir import build, dtypes, ops
from gradc.ir.batch import batch
from gradc.ir.facts import facts
from gradc.ir.program import Builder, Program, Var, tensor
from gradc.ir.weighted import TESTS, takes_mean_off
from gradc.record import replace

Value = Any     # Var | LinearValue
Rule = Callable[..., "list[Term] | None"]


def linear_map(b: Builder, program: Program, args: Sequence[Var]) -> LinearValue | None:
    """The map from the first input of `program` to its output, as a LinearValue; None if it does not depend on it.

    args: Vars of `b` for all inputs; of the first only type and shape count.
    Raises: Unbatchable where an equation has no vectorised form.
    """
    u = b.map("second", args[0], b.constant(0, tensor(args[0]).dtype))
    axes = [k for k, size in enumerate(tensor(u).shape) if size != 1]
    ones = b.map("second", u, b.constant(1, tensor(u).dtype))
    env: dict[Var, Value] = dict(zip(program.inputs, args))
    env[program.inputs[0]] = LinearValue([Term(ones, (), {k: Tie(k) for k in axes})], u, u)
    for eqn in program.eqns:
        env.update(zip(eqn.outs, apply(b, eqn.op, [env[a] for a in eqn.args])))
    (result,) = [env[v] for v in program.outputs]
    return result if isinstance(result, LinearValue) else None


def is_linear(program: Program) -> bool:
    """Is it easy to see that the output of `program` is linear in the first input?"""
    depends = {program.inputs[0]}
    for eqn in program.eqns:
        used = [a in depends for a in eqn.args]
        op = eqn.op
        if not any(used) or type(op) is ops.ShapeOf or (op == _SECOND and not used[1]):
            continue
        if type(op) is ops.Map:
            zero = [a.data is not None and not a.data.any() for a in eqn.args]
            fits = (op.fn in ("neg", "identity", "second") or (op.fn == "mul" and not all(used))
                    or (op.fn in ("add", "sub") and all(u or z for u, z in zip(used, zero)))
                    or (op.fn == "true_divide" and not used[1])
                    or (op.fn == "switch" and not used[0] and all(u or z for u, z in zip(used[1:], zero[1:]))))
        elif type(op) in (ops.Reduce, ops.Cumulate):
            fits = op.fn == "add"
        elif type(op) is ops.Contract:
            fits = not all(used)
        else:
            values = facts(op).values
            fits = type(op) in _RULES and (values is None or not any(used[values:]))
        if not fits:
            return False
        depends.update(eqn.outs)
    return True


def apply(b: Builder, op: ops.OpKind, args: Sequence[Value]) -> list[Value]:
    """The results of `op(*args)`, some of which depend on u."""
    given = [a for a in args if isinstance(a, LinearValue)]
    likes = [a.like if isinstance(a, LinearValue) else a for a in args]
    outs = b.equation(op, likes).outs
    if not given or type(op) is ops.ShapeOf or (op == _SECOND and not isinstance(args[1], LinearValue)):
        return list(outs)
    rule = _RULES.get(type(op))
    terms = None if rule is None else rule(b, op, list(args), outs[0])
    if terms is not None:
        return [LinearValue(merged(b, terms, outs[0]), outs[0], given[0].u)]
    axes = axes_of(given[0])
    made = batch(b, op, [dense(b, a) if isinstance(a, LinearValue) else a for a in args],
                 [isinstance(a, LinearValue) and bool(axes) for a in args])
    return [LinearValue([Term(v, tuple(axes) if flag else (), {})], like, given[0].u) if flag or not axes else v
            for (v, flag), like in zip(made, outs)]


_SECOND = ops.Map("second")


def merged(b: Builder, terms: Sequence[Term], like: Var) -> list[Term]:
    """`terms` in the dtype of `like`, those of equal structure added."""
    found: dict[object, Term] = {}
    for term in terms:
        term = replace(term, value=b.cast(term.value, tensor(like).dtype))
        old = found.get(term.key())
        found[term.key()] = term if old is None else replace(old, value=b.map("add", old.value, term.value))
    return list(found.values())


def _is_zero(b: Builder, x: Value) -> bool:
    """Is x known to be 0 everywhere?"""
    while isinstance(x, Var):
        if x.data is not None:
            return not x.data.any()
        eqn = b.producer.get(x)
        if eqn is None or not (eqn.op == _SECOND or type(eqn.op) is ops.Cast or facts(eqn.op).values == 1):
            return False
        x = eqn.args[-1 if eqn.op == _SECOND else 0]
    return False


# ------------------------------------------------------------------------------------------------- rules
# rule(b, op, args, like) -> the terms of the result, None where the structure is lost.  `like`: op of the likes.


def _fit(b: Builder, x: LinearValue, like: Var) -> list[Term]:
    """The terms of x, which broadcasts to `like`, in the full shape of `like`."""
    have, want = tensor(x.like).shape, tensor(like).shape
    pad = len(want) - len(have)
    if not pad and all(h == w or h != 1 for h, w in zip(have, want)):
        return x.terms
    terms = []
    for term in x.terms:
        ties = {a: replace(t, axis=t.axis + pad) for a, t in term.ties.items()}
        value = _padded(b, term, pad)
        tied = {t.axis for t in ties.values()}
        sizes = sizes_of(b, value)[:term.lead]
        sizes += [b.size(value, term.lead + k) if k in tied else b.size(like, k) for k in range(len(want))]
        terms.append(Term(b.apply(ops.Broadcast(), value, *sizes), term.spread, ties))
    return terms


def _padded(b: Builder, term: Term, pad: int) -> Var:
    """The value of `term` with `pad` axes of size 1 before those of V."""
    return build.insert_axes(b, term.value, range(term.lead, term.lead + pad), term.value.type.ndim + pad)


def _along(b: Builder, w: Var, term: Term, ndim: int) -> Var:
    """w, which broadcasts to V of `ndim` axes, where the ties of `term` run."""
    pad = ndim - tensor(w).ndim
    for tie in term.ties.values():
        if tie.axis >= pad and tensor(w).shape[tie.axis - pad] != 1:
            w = middle(b, w, tie.axis - pad, tie.v0, tie.v1)
    return w


def _scaled(b: Builder, fn: str, x: LinearValue, w: Var, like: Var) -> list[Term]:
    """fn(x, w) for a row that is linear in x, elementwise."""
    ndim = tensor(like).ndim
    pad = ndim - x.ndim
    terms = []
    for term in x.terms:
        term = Term(_padded(b, term, pad), term.spread,
                    {a: replace(t, axis=t.axis + pad) for a, t in term.ties.items()})
        terms.append(replace(term, value=b.map(fn, term.value, _along(b, w, term, ndim))))
    return terms


def _map(b: Builder, op: ops.Map, args: list[Value], like: Var) -> list[Term] | None:
    if tensor(like).dtype not in dtypes.FLOATS:
        return None
    x = args[0]
    match op.fn, [isinstance(a, LinearValue) for a in args]:
        case "add" | "sub", linear:
            if any(not (flag or _is_zero(b, a)) for a, flag in zip(args, linear)):
                return None
            if all(linear) and takes_mean_off(b, args[1].like):
                x = _spread_for(b, x, args[1])
            terms = _fit(b, x, like) if linear[0] else []
            second = _fit(b, args[1], like) if linear[1] else []
            return terms + (_negative(b, second) if op.fn == "sub" else second)
        case "neg", _:
            return _negative(b, x.terms)
        case "identity", _:
            return x.terms
        case ("mul", [True, False]) | ("true_divide", [True, False]):
            return _scaled(b, op.fn, x, args[1], like)
        case "mul", [False, True]:
            return _scaled(b, op.fn, args[1], x, like)
        case "second", _:
            return _fit(b, args[1], like)
        case "switch", [False, *linear]:
            return _switch(b, args, linear, like)
        case "switch", _:
            return _where_not_finite(b, args)
    return None


def _spread_for(b: Builder, x: LinearValue, less: LinearValue) -> LinearValue:
    """x with the axes of u spread that are spread in all of `less`, which is taken off: a mean of x.

    What is left is small, and another mean is taken off it (`ir/weighted.py`): it must be one array.
    """
    axes = [axis for axis in axes_of(x) if all([axis in term.spread for term in less.terms])]
    terms = []
    for term in x.terms:
        for axis in [axis for axis in axes if axis in term.ties]:
            term = densify(b, term, x, axis)
        terms.append(term)
    return replace(x, terms=terms)


def _where_not_finite(b: Builder, args: list[Value]) -> list[Term] | None:
    """switch(isnan(v), x, v), or with isinf, of values that are one term of one structure: it is 0 where v is."""
    where, x, v = args
    test = b.producer.get(where.like)
    given = [a for a in (x, v) if isinstance(a, LinearValue)]
    if test is None or test.op not in TESTS or not isinstance(v, LinearValue) or test.args[0] is not v.like \
            or not (x in given or _is_zero(b, x)) or any([len(a.terms) != 1 for a in given]):
        return None
    terms = [a.terms[0] for a in given]
    if len({term.key() for term in terms}) > 1:
        return None
    value = terms[-1].value
    first = terms[0].value if len(terms) == 2 else b.constant(0, tensor(value).dtype)
    return [replace(terms[-1], value=b.map("switch", b.map(test.op.fn, value), first, value))]


def _negative(b: Builder, terms: Sequence[Term]) -> list[Term]:
    return [replace(t, value=b.map("neg", t.value)) for t in terms]


def _switch(b: Builder, args: list[Value], linear: list[bool], like: Var) -> list[Term] | None:
    """Each branch where it is taken, 0 elsewhere."""
    zero = b.constant(0, tensor(like).dtype)
    terms = []
    for k, (x, flag) in enumerate(zip(args[1:], linear)):
        if not flag:
            if not _is_zero(b, x):
                return None
            continue
        for term in _fit(b, x, like):
            where = _along(b, args[0], term, tensor(like).ndim)
            choice = (where, term.value, zero) if k == 0 else (where, zero, term.value)
            terms.append(replace(term, value=b.map("switch", *choice)))
    return terms


def _cast(b: Builder, op: ops.Cast, args: list[Value], like: Var) -> list[Term] | None:
    return args[0].terms if op.dtype in dtypes.FLOATS else None


def _assert(b: Builder, op: ops.Assert, args: list[Value], like: Var) -> list[Term] | None:
    if any(isinstance(a, LinearValue) for a in args[1:]):
        return None
    return [replace(t, value=b.apply(op, t.value, *args[1:])) for t in args[0].terms]


def _reduce(b: Builder, op: ops.Reduce, args: list[Value], like: Var) -> list[Term] | None:
    x = args[0]
    if op.fn != "add":
        return None
    kept = [k for k in range(x.ndim) if k not in op.axes]
    return [_contracted(b, term, x, tuple(range(x.ndim)), None, (), tuple(kept)) for term in x.terms]


def _contract(b: Builder, op: ops.Contract, args: list[Value], like: Var) -> list[Term] | None:
    if all(isinstance(a, LinearValue) for a in args):
        return None
    if isinstance(args[0], LinearValue):
        x, w, mine, theirs = args[0], args[1], op.a, op.b
    else:
        x, w, mine, theirs = args[1], args[0], op.b, op.a
    return [_contracted(b, term, x, mine, w, theirs, op.out) for term in x.terms]


def _contracted(b: Builder, term: Term, x: LinearValue, mine: tuple[int, ...], w: Var | None, theirs: tuple[int, ...],
                out: tuple[int, ...]) -> Term:
    """The contraction of a term, whose axes have the labels `mine`, with w (None: 1), of labels `theirs`.

    The sum along a tied axis keeps the axis: it becomes one of u.
    """
    ties, gone = {}, []
    for axis, tie in sorted(term.ties.items()):
        label = mine[tie.axis]
        if w is not None and label in theirs:
            w = middle(b, w, theirs.index(label), tie.v0, tie.v1)
        if label in out:
            ties[axis] = replace(tie, axis=out.index(label))
        else:
            ties[axis] = tie
            gone.append((axis, label))
    lead = (1 + max((*mine, *theirs), default=0),) * term.lead
    labels = [label for _, label in gone]
    value = _product(b, term.value, (*lead, *mine), w, theirs, (*labels[:1], *lead, *labels[1:], *out))
    made = Term(value, term.spread, ties)
    for k, (axis, _) in enumerate(gone):        # the first stands in front, the others after the leading axis
        made = spread(b, replace(made, value=build.move_axis(b, made.value, min(k, 1), 0)), x.u, axis)
    return made


def _product(b: Builder, x: Var, mine: tuple[int, ...], w: Var | None, theirs: tuple[int, ...],
             out: tuple[int, ...]) -> Var:
    """An einsum, by cheaper operations where nothing is summed or there is no second operand."""
    if w is None:
        axes = tuple([k for k, label in enumerate(mine) if label not in out])
        if axes:
            x = build.fold(b, "add", x, axes)
        return _arranged(b, x, [label for label in mine if label in out], out)
    if all(label in out for label in (*mine, *theirs)):
        return b.map("mul", _arranged(b, x, mine, out), _arranged(b, w, theirs, out))
    return build.contract(b, x, mine, w, theirs, out)


def _arranged(b: Builder, x: Var, labels: Sequence[int], out: Sequence[int]) -> Var:
    """x with its axes in the order of `out`, axes of size 1 for labels that it has not."""
    perm = [labels.index(label) if label in labels else -1 for label in out]
    while perm[:1] == [-1]:                     # the leading ones are NumPy's
        del perm[0]
    return build.reorder(b, x, perm)


def _transpose(b: Builder, op: ops.Transpose, args: list[Value], like: Var) -> list[Term]:
    return _reordered(b, args[0], op.perm)


def _reordered(b: Builder, x: LinearValue, order: Sequence[int]) -> list[Term]:
    place = {p: k for k, p in enumerate(order)}
    terms = []
    for t in x.terms:
        perm = (*range(t.lead), *[p if p < 0 else p + t.lead for p in order])
        ties = {a: replace(tie, axis=place[tie.axis]) for a, tie in t.ties.items()}
        terms.append(Term(build.dimshuffle(b, t.value, perm), t.spread, ties))
    return terms


def _broadcast(b: Builder, op: ops.Broadcast, args: list[Value], like: Var) -> list[Term] | None:
    return _fit(b, args[0], like) if isinstance(args[0], LinearValue) else None


def _reshape(b: Builder, op: ops.Reshape, args: list[Value], like: Var) -> list[Term] | None:
    """Kept where only axes of size 1 come or go."""
    x = args[0]
    have, want = tensor(x.like).shape, tensor(like).shape
    mine = [k for k, s in enumerate(have) if s != 1]
    theirs = [k for k, s in enumerate(want) if s != 1]
    if [have[k] for k in mine] != [want[k] for k in theirs] or sum(have[k] is None for k in mine) > 1:
        return None
    return _reordered(b, x, [mine[theirs.index(k)] if k in theirs else -1 for k in range(len(want))])


def _slice(b: Builder, op: ops.Slice, args: list[Value], like: Var) -> list[Term] | None:
    x, dynamic = args[0], args[1:]
    if any(isinstance(a, LinearValue) for a in dynamic):
        return None
    shape = tensor(x.like).shape
    items = [*op.items, *[ops.Item()] * (x.ndim - len(op.items))]
    terms = []
    for term in x.terms:
        margins = {a: _margins(items[tie.axis], shape[tie.axis]) for a, tie in term.ties.items()}
        ties, own, empty, place = {}, list(items), False, _places(items)
        for axis in sorted(term.ties):
            tie = term.ties[axis]
            if isinstance(items[tie.axis].at, int) and not tie.v0 and not tie.v1:
                term = _picked(b, term, x, axis, items[tie.axis].at)
                own[tie.axis] = ops.Item(at=0)
            elif margins[axis] is None:
                term = densify(b, term, x, axis)
        for axis, tie in term.ties.items():
            start, end = margins[axis]  # type: ignore[misc]
            first, last = max(start - tie.v0, 0), max(end - tie.v1, 0)
            own[tie.axis] = between(first, last)
            new = Tie(place[tie.axis], max(tie.v0 - start, 0), max(tie.v1 - end, 0), tie.u0 + first, tie.u1 + last)
            size = tensor(like).shape[new.axis]
            empty = empty or (size is not None and new.v0 + new.v1 >= size)
            ties[axis] = new
        if empty:
            continue
        if any(not item.is_all for item in own):
            value = build.index(b, term.value, (*[ops.Item()] * term.lead, *own), *dynamic)
            term = Term(value, term.spread, ties)
        else:
            term = Term(term.value, term.spread, ties)
        made = LinearValue([term], like, x.u)
        for axis in sorted(ties):               # a tie along an axis of size 1 could not be broadcast
            if tensor(like).shape[ties[axis].axis] == 1:
                term = densify(b, term, made, axis)
        terms.append(term)
    return terms


def _picked(b: Builder, term: Term, x: LinearValue, axis: int, at: int) -> Term:
    """A term whose axis of V tied to `axis` has only element `at` left: the axis of u is spread, one column not 0."""
    tie = term.ties[axis]
    value = build.take(b, term.value, at, term.lead + tie.axis)
    column = zeros(b, value, [b.size(x.u, axis), *sizes_of(b, value)])
    column = build.put(b, "set", column, value, [ops.Item(at=at + tie.u0 if at >= 0 else at - tie.u1)])
    column = build.insert_axes(b, column, [1 + term.lead + tie.axis], column.type.ndim + 1)
    return spread(b, replace(term, value=column, ties=term.ties | {axis: Tie(tie.axis)}), x.u, axis)


def _places(items: Sequence[ops.Item]) -> dict[int, int]:
    """Axis of the whole -> axis of the part."""
    ranges = [k for k, item in enumerate(items) if not item.is_single]
    return {k: j for j, k in enumerate(ranges)}


def _margins(item: ops.Item, size: int | None) -> tuple[int, int] | None:
    """How many elements a range leaves out at both ends; None if it is no range in steps of 1 with known ends."""
    if item.is_single or item.step not in (None, 1) or ops.DYNAMIC in (item.start, item.stop):
        return None
    if size is not None:
        first, last, _ = slice(item.start, item.stop).indices(size)
        return first, size - max(first, last)
    start, stop = item.start or 0, item.stop
    if start < 0 or (stop is not None and stop >= 0):
        return None
    return start, -(stop or 0)


def _scatter(b: Builder, op: ops.Scatter, args: list[Value], like: Var) -> list[Term] | None:
    x, v, *dynamic = args
    if any(isinstance(a, LinearValue) for a in dynamic) or not all(isinstance(a, LinearValue) or _is_zero(b, a)
                                                              for a in (x, v)):
        return None
    terms: list[Term] = []
    if isinstance(x, LinearValue):
        if op.mode == "set":
            ones = b.map("second", like, b.constant(1, tensor(like).dtype))
            mask = b.apply(op, ones, b.constant(0, tensor(like).dtype), *dynamic)
            terms += _scaled(b, "mul", x, mask, like)
        else:
            terms += x.terms
    if isinstance(v, LinearValue):
        part = b.apply(ops.reading(op), like, *dynamic)
        whole = LinearValue(_fit(b, v, part), part, v.u)
        terms += [_placed(b, term, whole, op.items, like, dynamic) for term in whole.terms]
    return terms


def _placed(b: Builder, term: Term, x: LinearValue, items: ops.Items, like: Var, dynamic: Sequence[Var]) -> Term:
    """A term of a part, in the shape of the whole, `like`."""
    shape = tensor(like).shape
    items = (*items, *[ops.Item()] * (len(shape) - len(items)))
    axis_of = {j: k for k, j in _places(items).items()}
    for axis, tie in sorted(term.ties.items()):
        k = axis_of[tie.axis]
        if _margins(items[k], shape[k]) is None:
            term = densify(b, term, x, axis)
    ties, own = {}, list(items)
    for axis, tie in term.ties.items():
        k = axis_of[tie.axis]
        start, end = _margins(items[k], shape[k])  # type: ignore[misc]
        ties[axis] = Tie(k, tie.v0 + start, tie.v1 + end, tie.u0, tie.u1)
        own[k] = ops.Item()
    if all(item.is_all for item in own):
        return Term(term.value, term.spread, ties)
    tied = {t.axis: b.size(term.value, term.lead + _places(items)[t.axis]) for t in ties.values()}
    sizes = sizes_of(b, term.value)[:term.lead] + [tied.get(k, b.size(like, k)) for k in range(len(shape))]
    value = build.put(b, "set", zeros(b, term.value, sizes), term.value, [*[ops.Item()] * term.lead, *own], *dynamic)
    return Term(value, term.spread, ties)


def _concat(b: Builder, op: ops.Concat, args: list[Value], like: Var) -> list[Term] | None:
    """Terms of equal structure are joined, with zeros for the arguments that have none."""
    if not all(isinstance(a, LinearValue) or _is_zero(b, a) for a in args):
        return None
    likes = [a.like if isinstance(a, LinearValue) else a for a in args]
    static = [tensor(v).shape[op.axis] for v in likes]
    groups: dict[object, dict[int, Term]] = {}
    terms: list[Term] = []
    for k, x in enumerate(args):
        if not isinstance(x, LinearValue):
            continue
        for term in x.terms:
            for axis, tie in sorted(term.ties.items()):
                if tie.axis != op.axis:
                    continue
                if None in (*static[:k], *static[k + 1:]):
                    term = densify(b, term, x, axis)
                else:
                    new = replace(tie, v0=tie.v0 + sum(static[:k]),  # type: ignore[arg-type]
                                  v1=tie.v1 + sum(static[k + 1:]))  # type: ignore[arg-type]
                    term = replace(term, ties=term.ties | {axis: new})
                    terms.append(term)
            if all(tie.axis != op.axis for tie in term.ties.values()):
                old = groups.setdefault(term.key(), {})
                old[k] = term if k not in old else replace(old[k], value=b.map("add", old[k].value, term.value))
    for group in groups.values():
        first = next(iter(group.values()))
        place = first.lead + op.axis
        around = sizes_of(b, first.value)
        parts = [group[k].value if k in group else
                 zeros(b, like, [*around[:place], b.size(v, op.axis), *around[place + 1:]])
                 for k, v in enumerate(likes)]
        terms.append(replace(first, value=b.apply(ops.Concat(place), *parts)))
    return terms


_RULES: dict[type, Rule] = {
    ops.Map: _map, ops.Cast: _cast, ops.Assert: _assert, ops.Reduce: _reduce, ops.Contract: _contract,
    ops.Transpose: _transpose, ops.Broadcast: _broadcast, ops.Reshape: _reshape, ops.Slice: _slice,
    ops.Scatter: _scatter, ops.Concat: _concat,
}
