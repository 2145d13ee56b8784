"""Vectorise: one equation, or a whole Program, over a new leading axis of some of its arguments.

    batch(builder, op, args, batched) -> [(result, has it the axis?), ...]
    batch_program(program, batched)   -> (Program, has each output the axis?)
    row_form(eqn)                     the inverse: row t of the result is the op returned, of rows t of the arguments
                                      flagged and others whole; None where there is no such form

Row k along the axis of a result is what `op` makes of rows k of the batched arguments and of the others whole.
A result that depends on no batched argument's values has no such axis.  Random draws of all rows come from one state,
those of a row after those of the row before.  Tables: `BATCH` and its inverse `ROW`, one entry per op kind.

What can't be written so, within the closed set of op kinds, is refused: `Unbatchable`, with the reason.  With
`loops=True` it is a loop over the rows instead; only what has no result of one shape for all rows is refused then.
Not here: whether it pays (`passes.scan_places`, `control.jacobian`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gradc.errors import NoRuleError
from gradc.ir import ops
from gradc.ir.facts import facts
from gradc.ir.program import Builder, Eqn, Program, Sources, Var, bodies, inline, tensor
from gradc.ir.routines import STATED, UserRoutine, get_routine
from gradc.ir.shapes import analyse
from gradc.ir.sizes import parts
from gradc.ir.types import RngType, TensorType, Type
from gradc.record import replace

Flags = Sequence[bool]
Result = list[tuple[Var, bool]]
Form = tuple[ops.OpKind, tuple[bool, ...]] | None


class Unbatchable(Exception):
    """An equation that has no vectorised form.  `sources`: its user lines."""

    sources: Sources = ()


class Ragged(Unbatchable):
    """Its rows have no common form, whatever they are computed by."""


def batch(builder: Builder, op: ops.OpKind, args: Sequence[Var], batched: Flags, loops: bool = False) -> Result:
    """`op` once for each row of the arguments flagged in `batched`, which all have the new axis in front.

    Each result comes with a flag: has it the axis?  Raises Unbatchable.
    """
    if not any(batched):
        return [(v, False) for v in builder.equation(op, args).outs]
    rule = BATCH.get(type(op))
    if rule is None:
        raise NoRuleError(f"{op} has no entry in ir/batch.py")
    if any(facts(op).sizes(op, batched)):
        raise Ragged(f"{op}: the size of a result would differ from row to row")
    try:
        return rule(builder, op, args, batched, *([loops] if bodies(op) else []))
    except Ragged:
        raise
    except Unbatchable:
        if not loops:
            raise
        return _by_rows(builder, op, args, batched)


def batch_program(program: Program, batched: Flags, keep: Flags | None = None,
                  loops: bool = False) -> tuple[Program, tuple[bool, ...]]:
    """`program` of inputs of which those flagged have a new axis in front, and which of its outputs have it.

    Outputs flagged in `keep` get the axis in any case.  Raises Unbatchable, which knows the user lines.
    """
    try:
        return _equation_by_equation(program, batched, keep, loops)
    except Ragged:
        if not loops or not _same_sizes(program, batched):
            raise
    whole = Builder()                       # what differs in size is made and used in one row
    args = [whole.input(with_rows(v.type) if flag else v.type, v.name) for v, flag in zip(program.inputs, batched)]
    rows = [v for v, flag in zip(args, batched) if flag]
    others = [v for v, flag in zip(args, batched) if not flag]
    order = sorted(range(len(args)), key=lambda k: not batched[k])
    body = Program([program.inputs[k] for k in order], program.eqns, program.outputs)
    loop = ops.Scan(body, len(rows), 0, name="vectorize")
    made = whole.equation(loop, (whole.size(rows[0], 0), *rows, *others)).outs
    return whole.program(made), (True,) * len(made)


def _same_sizes(program: Program, batched: Flags) -> bool:
    """Have the outputs in all rows the same sizes, as far as can be told before a run?"""
    known = {v: not flag for v, flag in zip(program.inputs, batched)}
    shapes = analyse(program)
    return all(type(v.type) is TensorType for v in program.outputs) and all(
        size.args[0] in known and (size.fn == "shape" or known[size.args[0]])
        for v in program.outputs for d in shapes.of(v) for size in parts(d) if size.fn in ("shape", "value"))


def with_rows(t: Type) -> Type:
    """The type of rows of type `t`."""
    assert isinstance(t, TensorType)
    return TensorType.make(t.dtype, (None, *t.shape))


def _equation_by_equation(program: Program, batched: Flags, keep: Flags | None,
                          loops: bool) -> tuple[Program, tuple[bool, ...]]:
    builder = Builder()
    env: dict[Var, tuple[Var, bool]] = {}
    for v, flag in zip(program.inputs, batched):
        env[v] = builder.input(with_rows(v.type) if flag else v.type, v.name), flag
    rows = next((v for v, flag in env.values() if flag), None)
    for eqn in program.eqns:
        builder.sources = eqn.sources
        try:
            made = batch(builder, eqn.op, *_given(env, eqn.args), loops)
        except Unbatchable as refused:
            refused.sources = refused.sources or eqn.sources
            raise
        for old, (new, flag) in zip(eqn.outs, made):
            new.name = new.name or old.name
            env[old] = new, flag
    outputs, flags = _given(env, program.outputs)
    if rows is not None:
        n = builder.size(rows, 0)
        outputs = [repeat(builder, v, n) if want and not flag else v
                   for v, flag, want in zip(outputs, flags, keep or flags)]
        flags = [a or b for a, b in zip(flags, keep or flags)]
    return builder.program(outputs), tuple(flags)


def repeat(builder: Builder, x: Var, n: Var) -> Var:
    """x as n equal rows along a new leading axis."""
    if type(x.type) is RngType:
        raise Ragged("the state of random numbers would differ from row to row")
    return builder.apply(ops.Broadcast(), x, n, *[builder.size(x, k) for k in range(tensor(x).ndim)])


def _by_rows(builder: Builder, op: ops.OpKind, args: Sequence[Var], batched: Flags) -> Result:
    """A loop over the rows."""
    inner = Builder()
    inside = {a: inner.input(TensorType.make(tensor(a).dtype, tensor(a).shape[1:]), a.name)
              for a, flag in zip(args, batched) if flag}
    rows = list(inside)
    for a in args:
        if a not in inside:
            inside[a] = inner.input(a.type, a.name) if a.data is None else inner.constant(a.data, tensor(a).dtype)
    inner.sources = builder.sources
    outs = inner.equation(op, [inside[a] for a in args]).outs
    if any(type(v.type) is RngType for v in outs):
        raise Ragged("the state of random numbers would differ from row to row")
    body = inner.program(outs)
    others = [a for a in inside if a not in rows and a.data is None]
    loop = ops.Scan(body, len(rows), 0, name="vectorize")
    return [(v, True) for v in builder.equation(loop, (builder.size(rows[0], 0), *rows, *others)).outs]


def _given(env: dict[Var, tuple[Var, bool]], variables: Sequence[Var]) -> tuple[list[Var], list[bool]]:
    pairs = [env[v] for v in variables]
    return [v for v, _ in pairs], [flag for _, flag in pairs]


def _count(builder: Builder, args: Sequence[Var], batched: Flags) -> Var:
    """The number of rows."""
    return builder.size(next(a for a, flag in zip(args, batched) if flag), 0)


def _padded(builder: Builder, x: Var, ndim: int) -> Var:
    """x with axes of size 1 after the first, so that `ndim` axes follow it."""
    missing = ndim - (tensor(x).ndim - 1)
    if missing <= 0:
        return x
    return builder.apply(ops.Transpose((0, *[-1] * missing, *range(1, tensor(x).ndim))), x)


def _one(builder: Builder, op: ops.OpKind, *args: Var) -> Result:
    return [(builder.apply(op, *args), True)]


def _fixed(batched: Flags, what: str) -> None:
    """Refuse what only a loop over the rows can do."""
    if any(batched):
        raise Unbatchable(f"{what} would differ from row to row")


def _map(builder: Builder, op: ops.Map, args: Sequence[Var], batched: Flags) -> Result:
    ndim = max(tensor(a).ndim - flag for a, flag in zip(args, batched))
    return _one(builder, op, *[_padded(builder, a, ndim) if flag else a for a, flag in zip(args, batched)])


def _same(builder: Builder, op: ops.OpKind, args: Sequence[Var], batched: Flags) -> Result:
    """Of an elementwise op of one argument."""
    return _one(builder, op, *args)


def _reduce(builder: Builder, op: ops.Reduce, args: Sequence[Var], batched: Flags) -> Result:
    return _one(builder, ops.Reduce(op.fn, tuple([k + 1 for k in op.axes])), *args)


def _along(builder: Builder, op: ops.Cumulate | ops.ArgReduce, args: Sequence[Var], batched: Flags) -> Result:
    return _one(builder, type(op)(op.fn, op.axis + 1), *args)


def _contract(builder: Builder, op: ops.Contract, args: Sequence[Var], batched: Flags) -> Result:
    row = 1 + max((*op.a, *op.b), default=0)
    a, b = [(row, *labels) if flag else labels for labels, flag in zip((op.a, op.b), batched)]
    return _one(builder, ops.Contract(a, b, (row, *op.out)), *args)


def _broadcast(builder: Builder, op: ops.Broadcast, args: Sequence[Var], batched: Flags) -> Result:
    x = _padded(builder, args[0], len(args) - 1)
    return _one(builder, op, x, builder.size(x, 0), *args[1:])


def _transpose(builder: Builder, op: ops.Transpose, args: Sequence[Var], batched: Flags) -> Result:
    return _one(builder, ops.Transpose((0, *[p if p < 0 else p + 1 for p in op.perm])), *args)


def _reshape(builder: Builder, op: ops.Reshape, args: Sequence[Var], batched: Flags) -> Result:
    return _one(builder, ops.Reshape(op.ndim + 1), args[0], builder.size(args[0], 0), *args[1:])


def _apart(items: ops.Items, dynamic: Sequence[Var], flags: Flags) -> tuple[ops.Items, list[Var], tuple[int, ...],
                                                                           list[Var]]:
    """An index without the positions that differ from row to row, its arguments; the axes that it leaves of these, and
    the positions."""
    kept: list[ops.Item] = []
    fixed: list[Var] = []
    axes: list[int] = []
    index: list[Var] = []
    for item, given in ops.with_arguments(items, zip(dynamic, flags)):
        if item.is_single and any(flag for _, flag in given):
            axes.append(sum(not k.is_single for k in kept))
            index.append(given[0][0])
            item = ops.Item()
        else:
            _fixed([flag for _, flag in given], "the size of a result")
            fixed += [v for v, _ in given]
        kept.append(item)
    return tuple(kept), fixed, tuple(axes), index


def _slice(builder: Builder, op: ops.Slice, args: Sequence[Var], batched: Flags) -> Result:
    items, fixed, axes, index = _apart(op.items, args[1:], batched[1:])
    x = args[0]
    if not index or not all(item.is_all for item in items):
        x = builder.apply(ops.Slice((ops.Item(), *items) if batched[0] else items), x, *fixed)
    if not index:
        return [(x, True)]
    return _gather(builder, ops.Gather(axes), (x, *index), (batched[0], *[True] * len(index)))


def _scatter(builder: Builder, op: ops.Scatter, args: Sequence[Var], batched: Flags) -> Result:
    items, fixed, axes, index = _apart(op.items, args[2:], batched[2:])
    x, v = args[:2]
    if not batched[0]:
        x = repeat(builder, x, _count(builder, args, batched))
    whole = (ops.Item(), *items)
    if not index:
        if batched[1]:
            v = _padded(builder, v, tensor(x).ndim - 1 - sum(item.is_single for item in items))
        return _one(builder, ops.Scatter(op.mode, whole), x, v, *fixed)
    every = all(item.is_all for item in items)
    part = x if every else builder.apply(ops.Slice(whole), x, *fixed)
    made = _scatter_at(builder, ops.ScatterAt(op.mode, axes), (part, v, *index), (True, batched[1],
                                                                                *[True] * len(index)))
    return made if every else _one(builder, ops.Scatter("set", whole), x, made[0][0], *fixed)


def _rows_at(builder: Builder, index: Sequence[Var], flags: Flags, rows: Var | None) -> tuple[int, list[Var]]:
    """The rank of index arrays without the new axis, and these arrays with it in front; after the numbers of `rows`."""
    rank = max(tensor(i).ndim - flag for i, flag in zip(index, flags))
    made = [_padded(builder, i, rank) if flag else i for i, flag in zip(index, flags)]
    if rows is not None:
        made.insert(0, builder.apply(ops.Transpose((0, *[-1] * rank)), builder.apply(ops.Iota(), rows)))
    return rank, made


def _gather(builder: Builder, op: ops.Gather, args: Sequence[Var], batched: Flags) -> Result:
    x, index, flags = args[0], args[1:], batched[1:]
    if not batched[0]:
        return _one(builder, op, x, *_rows_at(builder, index, flags, None)[1])
    inside = [k + 1 for k in op.axes]
    if any(flags):
        return _one(builder, ops.Gather((0, *inside)), x, *_rows_at(builder, index, flags, builder.size(x, 0))[1])
    made = builder.apply(ops.Gather(tuple(inside)), x, *index)
    rank = max(tensor(i).ndim for i in index)
    return _one(builder, ops.Transpose((rank, *[k for k in range(tensor(made).ndim) if k != rank])), made)


def _scatter_at(builder: Builder, op: ops.ScatterAt, args: Sequence[Var], batched: Flags) -> Result:
    """Positions name the row as well: all rows of x are written at once."""
    x, v, *index = args
    n = _count(builder, args, batched)
    if not batched[0]:
        x = repeat(builder, x, n)
    rank, index = _rows_at(builder, index, batched[2:], n)
    if batched[1]:
        v = _padded(builder, v, rank + tensor(x).ndim - 1 - len(op.axes))
    return _one(builder, ops.ScatterAt(op.mode, (0, *[k + 1 for k in op.axes])), x, v, *index)


def _concat(builder: Builder, op: ops.Concat, args: Sequence[Var], batched: Flags) -> Result:
    n = _count(builder, args, batched)
    return _one(builder, ops.Concat(op.axis + 1), *[a if flag else repeat(builder, a, n)
                                                    for a, flag in zip(args, batched)])


def _never(builder: Builder, op: ops.OpKind, args: Sequence[Var], batched: Flags) -> Result:
    """No argument can have the axis: there is none, or it is a size or a state."""
    raise Ragged(f"{op} has no rows")


def _shapeof(builder: Builder, op: ops.ShapeOf, args: Sequence[Var], batched: Flags) -> Result:
    x = args[0]
    if op.axis is not None:
        return [(builder.size(x, op.axis + 1), False)]
    whole = builder.apply(op, x)
    return [(builder.apply(ops.Slice((ops.Item(start=1),)), whole), False)]


def _assert(builder: Builder, op: ops.Assert, args: Sequence[Var], batched: Flags) -> Result:
    """All rows' conditions must hold."""
    x, conditions, shown = op.split(args)
    flags = batched[len(args) - op.shown:]
    if any(flags) and not batched[1]:
        conditions = [repeat(builder, conditions[0], _count(builder, shown, flags))]
    conditions = [builder.map("neq", c, builder.constant(0, tensor(c).dtype)) for c in conditions]
    if op.shown:
        rank = tensor(conditions[0]).ndim
        shown = [builder.apply(ops.Transpose((0, *[-1] * (rank - tensor(v).ndim), *range(1, tensor(v).ndim))), v)
                 if flag else v for v, flag in zip(shown, flags)]
    else:
        conditions = [builder.apply(ops.Reduce("and_", tuple(range(tensor(c).ndim))), c) for c in conditions]
    return [(builder.apply(op, x, *conditions, *shown), batched[0])]


def _call(builder: Builder, op: ops.Call, args: Sequence[Var], batched: Flags) -> Result:
    """Axes in front of an argument's core are a batch; all batches have as many axes as the longest."""
    routine = get_routine(op.routine)
    if isinstance(routine, UserRoutine):
        return _python(builder, routine.op, args, batched)
    if routine.has_state:
        return _draws(builder, op, args, batched)
    inputs, _ = op.split(args)
    ranks = [tensor(x).ndim - len(core) for x, core in zip(inputs, routine.cores[0])]
    most = max(n - flag for n, flag in zip(ranks, batched))
    given = [_padded(builder, x, most + tensor(x).ndim - n) if flag else x
             for x, n, flag in zip(inputs, ranks, batched)]
    return [(v, True) for v in builder.equation(replace(op, outer=op.outer + 1), (*given, *args[len(inputs):])).outs]


def _draws(builder: Builder, op: ops.Call, args: Sequence[Var], batched: Flags) -> Result:
    """All draws from the one state: those of row k are what is drawn after those of row k - 1."""
    (state, *parameters), (_, sizes) = op.split(args)
    n, given = _count(builder, args, batched), []
    for p, flag, core in zip(parameters, batched[1:], get_routine(op.routine).cores[0][1:]):
        if core == STATED:              # a scalar, or as large as the draws
            if flag:
                p = builder.apply(ops.Broadcast(), _padded(builder, p, len(sizes)), n, *sizes)
            given.append(repeat(builder, p, n) if not flag and tensor(p).ndim else p)
        elif not core:
            if flag:
                raise Unbatchable(f"{op} takes one number of elements for all draws")
            given.append(p)
        else:                           # sets along the first axis, which share the draws evenly
            several = flag or tensor(p).shape[0] != 1
            given.append(_joined(builder, p if flag else repeat(builder, p, n)) if several else p)
    after, draws = builder.apply(ops.Call(op.routine, (0, len(sizes) + 1)), state, *given, n, *sizes)
    return [(after, False), (draws, True)]


def _joined(builder: Builder, x: Var) -> Var:
    """x with its first two axes as one."""
    count, *rest = [builder.size(x, k) for k in range(1, tensor(x).ndim)]
    return builder.apply(ops.Reshape(tensor(x).ndim - 1), x, builder.map("mul", builder.size(x, 0), count), *rest)


def _python(builder: Builder, user: object, args: Sequence[Var], batched: Flags) -> Result:
    """A user's Op is called for each row; one that stands for equations and takes a random state is these equations."""
    if not hasattr(user, "expand") or not any(type(a.type) is RngType for a in args):
        raise Unbatchable(f"{user} works on one value at a time")
    inner = Builder()
    inside = [inner.input(TensorType.make(tensor(a).dtype, tensor(a).shape[1:]) if flag else a.type, a.name)
              if a.data is None else inner.constant(a.data, tensor(a).dtype) for a, flag in zip(args, batched)]
    program = inner.program(user.expand(inner, inside))
    if any(ops.user_op(eqn.op) is not None for eqn in program.eqns):
        raise Ragged(f"{user} draws in Python, the numbers of all rows from one state")
    given = [(a, flag) for a, flag in zip(args, batched) if a.data is None]
    vectorised, flags = batch_program(program, [flag for _, flag in given])
    return list(zip(inline(vectorised, builder, [a for a, _ in given]), flags))


def _scan(builder: Builder, op: ops.Scan, args: Sequence[Var], batched: Flags, loops: bool) -> Result:
    _, _, seqs, inits, others = op.split(args)
    first = 1 + op.limited
    _fixed(batched[:first], "the number of steps")
    _, _, of_seqs, carried, of_others = op.split(batched)
    carried = list(carried)
    while True:                     # a carry is batched if its initial value is, or what follows it
        body, made = batch_program(op.body, (*of_seqs, *carried, *of_others),
                                   (*carried, *[False] * (len(op.body.outputs) - op.n_carries)), loops)
        if list(made[:op.n_carries]) == carried:
            break
        carried = list(made[:op.n_carries])
    if op.until:
        _fixed(made[-1:], "the number of steps")
    n = _count(builder, args, batched)
    new = replace(op, body=body)
    seqs = [_swapped(builder, x) if flag else x for x, flag in zip(seqs, of_seqs)]
    inits = [repeat(builder, x, n) if flag and not old else x
             for x, flag, old in zip(inits, carried, op.split(batched)[3])]
    outs = builder.equation(new, (*args[:first], *seqs, *inits, *others)).outs
    rows = range(op.n_carries, op.n_carries + op.n_stacked)
    return [(_swapped(builder, v) if flag and k in rows else v, flag)
            for k, (v, flag) in enumerate(zip(outs, (*made, False)))]


def _swapped(builder: Builder, x: Var) -> Var:
    """x with its first two axes exchanged."""
    return builder.apply(ops.Transpose((1, 0, *range(2, tensor(x).ndim))), x)


def _cond(builder: Builder, op: ops.Cond, args: Sequence[Var], batched: Flags, loops: bool) -> Result:
    _fixed(batched[:1], "the branch that is taken")
    flags = [batch_program(branch, batched[1:], None, loops)[1] for branch in (op.then, op.orelse)]
    keep = [a or b for a, b in zip(*flags)]
    then, orelse = [batch_program(branch, batched[1:], keep, loops)[0] for branch in (op.then, op.orelse)]
    return list(zip(builder.equation(ops.Cond(then, orelse, op.name), args).outs, keep))


BATCH: dict[type, Callable[..., Result]] = {
    ops.Const: _never, ops.Map: _map, ops.Cast: _same, ops.Reduce: _reduce, ops.Cumulate: _along,
    ops.ArgReduce: _along, ops.Contract: _contract, ops.Broadcast: _broadcast, ops.Transpose: _transpose,
    ops.Reshape: _reshape, ops.Slice: _slice, ops.Scatter: _scatter, ops.Gather: _gather, ops.ScatterAt: _scatter_at,
    ops.Concat: _concat, ops.Iota: _never, ops.ShapeOf: _shapeof, ops.Assert: _assert, ops.Call: _call,
    ops.Words: _never, ops.Scan: _scan, ops.Cond: _cond, ops.GradientOf: _same,
}


# ----------------------------------------------------------------------------------- the inverse: a row of a result


def _no_row(op: object, eqn: Eqn) -> Form:
    return None


def _map_row(op: ops.Map, eqn: Eqn) -> Form:
    rank = tensor(eqn.out).ndim
    return op, tuple([tensor(a).ndim == rank and tensor(a).shape[0] != 1 for a in eqn.args])


def _first_row(op: ops.OpKind, eqn: Eqn) -> Form:
    return op, (True,) + (False,) * (len(eqn.args) - 1)


def _reduce_row(op: ops.Reduce, eqn: Eqn) -> Form:
    return None if 0 in op.axes else (ops.Reduce(op.fn, tuple([k - 1 for k in op.axes])), (True,))


def _along_row(op: ops.Cumulate | ops.ArgReduce, eqn: Eqn) -> Form:
    return (type(op)(op.fn, op.axis - 1), (True,)) if op.axis else None


def _contract_row(op: ops.Contract, eqn: Eqn) -> Form:
    return without_label(op, op.out[0], op.out[1:])


def without_label(op: ops.Contract, label: int, out: tuple[int, ...]) -> Form:
    """Without the label that counts rows; it must come first wherever it stands."""
    if label in (*op.a[1:], *op.b[1:]):
        return None
    a, b = [tuple([k for k in labels if k != label]) for labels in (op.a, op.b)]
    return ops.Contract(a, b, out), (label in op.a, label in op.b)


def _transpose_row(op: ops.Transpose, eqn: Eqn) -> Form:
    return (ops.Transpose(tuple([p - 1 if p > 0 else p for p in op.perm[1:]])), (True,)) if op.perm[0] == 0 else None


def _slice_row(op: ops.Slice, eqn: Eqn) -> Form:
    return _first_row(ops.Slice(op.items[1:]), eqn) if op.items and op.items[0].is_all else None


def _gather_row(op: ops.Gather, eqn: Eqn) -> Form:
    """Of what is picked from one x; rows of index arrays."""
    shapes = [tensor(i).shape for i in eqn.args[1:]]
    rank = max(map(len, shapes))
    rows = tuple([len(s) == rank > 0 for s in shapes])
    return (op, (False, *rows)) if rank and all(s[0] != 1 for s, flag in zip(shapes, rows) if flag) else None


def _concat_row(op: ops.Concat, eqn: Eqn) -> Form:
    return (ops.Concat(op.axis - 1), (True,) * len(eqn.args)) if op.axis else None


def _assert_row(op: ops.Assert, eqn: Eqn) -> Form:
    return _first_row(op, eqn) if op.error == "shape" else None


ROW: dict[type, Callable[..., Form]] = {
    ops.Const: _no_row, ops.Map: _map_row, ops.Cast: _first_row, ops.Reduce: _reduce_row, ops.Cumulate: _along_row,
    ops.ArgReduce: _along_row, ops.Contract: _contract_row, ops.Broadcast: _no_row, ops.Transpose: _transpose_row,
    ops.Reshape: _no_row, ops.Slice: _slice_row, ops.Scatter: _no_row, ops.Gather: _gather_row, ops.ScatterAt: _no_row,
    ops.Concat: _concat_row, ops.Iota: _no_row, ops.ShapeOf: _no_row, ops.Assert: _assert_row, ops.Call: _no_row,
    ops.Words: _no_row, ops.Scan: _no_row, ops.Cond: _no_row, ops.GradientOf: _no_row,
}


def row_form(eqn: Eqn) -> Form:
    """See the module.  The result must have rows."""
    rule = ROW.get(type(eqn.op))
    if rule is None:
        raise NoRuleError(f"{eqn.op} has no entry in the inverse table of ir/batch.py")
    t = eqn.out.type
    return rule(eqn.op, eqn) if type(t) is TensorType and t.ndim and len(eqn.outs) == 1 else None
