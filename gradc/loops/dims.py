"""Dims of the results of each op kind: `DIMS`, the rules of `loops.sizes`.

A rule is given the `Sizes` at work, the op and its arguments; it makes sizes that must agree one, and asks for the
checks that the op needs.  Of Scan and Cond it goes into the bodies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gradc.errors import FEW_ROWS, NEGATIVE_STEPS, SIZE_ONE, Unsupported, literal
from gradc.ir import ops
from gradc.ir.program import Eqn, Program, Var
from gradc.ir.snippet import snippet_of
from gradc.loops.nodes import Fn, Lit, Size, SizeExpr
from gradc.loops.sizes import Dims, Sizes

ANY_NUMBER = 1 << 62        # of steps: more than are ever run


def _text(sizes: Sizes, what: str, args: Sequence[Var], axis: int | None = None) -> Callable[[], str]:
    def text() -> str:
        shapes = ", ".join(f"{sizes.names.get(a) or 'a result'} is {a.type.short()}"  # type: ignore[attr-defined]
                           for a in args)
        where = "" if axis is None else f" of dimension {axis}"
        return f"{what}: sizes {{0}} and {{1}}{where} differ ({shapes}){'' if axis is None else SIZE_ONE}"

    return text


def broadcast_dims(sizes: Sizes, what: str, args: Sequence[Var]) -> Dims:
    """Dims of an elementwise result; the sizes that don't broadcast are made to agree."""
    all_dims = [sizes.of(a) for a in args]
    first = all_dims[0]
    if all(d == first for d in all_dims):
        return first
    ndim = max(map(len, all_dims))
    result: list[SizeExpr] = []
    for axis in range(-ndim, 0):
        size: SizeExpr | None = None
        for a, d in zip(args, all_dims):
            if len(d) < -axis or a.type.shape[axis] == 1:  # type: ignore[attr-defined]
                continue
            size = d[axis] if size is None else sizes.unify(size, d[axis], _text(sizes, what, args, axis + ndim))
        result.append(1 if size is None else size)
    return tuple(result)


def _map(sizes: Sizes, op: Any, args: Sequence[Var]) -> Dims:
    return broadcast_dims(sizes, str(op), args)


def _same(sizes: Sizes, op: Any, args: Sequence[Var]) -> Dims:
    return sizes.of(args[0])


def _assert(sizes: Sizes, op: ops.Assert, args: Sequence[Var]) -> Dims:
    """Conditions on sizes and integer inputs are checked here, before anything that relies on them."""
    error, message = ops.ASSERT_ERRORS[op.error], op.message if op.shown else literal(op.message)
    x, conditions, shown = op.split(args)
    values = [sizes.try_host(v) for v in shown if not v.type.ndim]
    if len(values) == op.shown and None not in values:
        for value in [sizes.try_host(c) for c in conditions if not c.type.ndim]:
            if isinstance(value, str):
                sizes.check(Fn("neq", (Size(value), Lit(0, "int64")), "bool"), error, message, values)  # type: ignore
            elif value == 0:
                sizes.check(Lit(False, "bool"), error, message, values)  # type: ignore[arg-type]
    return sizes.of(x)


def _nonempty(sizes: Sizes, op: Any, dims: Dims, axes: Sequence[int]) -> None:
    for axis in axes:
        if isinstance(dims[axis], str):
            sizes.check(Fn("gt", (Size(dims[axis]), Lit(0, "int64")), "bool"), "ShapeError",
                        f"{op} over dimension {axis} of size 0 has no value", ())
        elif dims[axis] == 0:
            sizes.check(Lit(False, "bool"), "ShapeError", f"{op} over dimension {axis} of size 0 has no value", ())


def _reduce(sizes: Sizes, op: ops.Reduce, args: Sequence[Var]) -> Dims:
    dims = sizes.of(args[0])
    if op.fn in ("maximum", "minimum"):
        _nonempty(sizes, op, dims, op.axes)
    return tuple(d for k, d in enumerate(dims) if k not in op.axes)


def _argreduce(sizes: Sizes, op: ops.ArgReduce, args: Sequence[Var]) -> Dims:
    dims = sizes.of(args[0])
    _nonempty(sizes, op, dims, (op.axis,))
    return dims[:op.axis] + dims[op.axis + 1:]


def _contract(sizes: Sizes, op: ops.Contract, args: Sequence[Var]) -> Dims:
    found: dict[int, SizeExpr] = {}
    for labels, arg in ((op.a, args[0]), (op.b, args[1])):
        for label, d in zip(labels, sizes.of(arg)):
            found[label] = sizes.unify(found[label], d, _text(sizes, "dot", args)) if label in found else d
    return tuple(sizes.find(found[label]) for label in op.out)


def _not_negative(sizes: Sizes, what: str, values: Sequence[SizeExpr]) -> None:
    for v in values:
        if isinstance(v, int) and v < 0:
            sizes.check(Lit(False, "bool"), "ShapeError", f"{what}: a size must not be negative, got {v}", ())
        elif not sizes.is_length(v):
            sizes.check(Fn("ge", (Size(v), Lit(0, "int64")), "bool"), "ShapeError",
                        f"{what}: a size must not be negative, got {{0}}", (v,))


def _broadcast(sizes: Sizes, op: Any, args: Sequence[Var]) -> Dims:
    x = args[0]
    target = tuple(sizes.host(a) for a in args[1:])
    _not_negative(sizes, "alloc", target)
    for k, (d, fixed) in enumerate(zip(reversed(sizes.of(x)), reversed(x.type.shape))):  # type: ignore
        if fixed != 1:
            sizes.unify(d, target[-1 - k], _text(sizes, "alloc", args[:1]))
    return target


def _transpose(sizes: Sizes, op: ops.Transpose, args: Sequence[Var]) -> Dims:
    dims = sizes.of(args[0])
    return tuple(1 if p < 0 else dims[p] for p in op.perm)


def _reshape(sizes: Sizes, op: Any, args: Sequence[Var]) -> Dims:
    target = tuple(sizes.host(a) for a in args[1:])
    _not_negative(sizes, "reshape", target)
    have, want = sizes.product(sizes.of(args[0])), sizes.product(target)
    if have != want:
        sizes.check(Fn("eq", (Size(have), Size(want)), "bool"), "ShapeError",
                    "reshape: an array of {0} elements does not fill a shape of {1} elements", (have, want))
    return target


def item_bounds(sizes: Sizes, items: ops.Items, dynamic: Sequence[Var]) -> list[tuple[Any, ...]]:
    """Bounds of each item with dynamic ones as sizes; a data-dependent single index stays a Var."""
    rest = iter(dynamic)
    result: list[tuple[Any, ...]] = []
    for item in items:
        if item.is_single:
            at = item.at
            if at is ops.DYNAMIC:
                var = next(rest)
                host = sizes.try_host(var)
                at = var if host is None else host
            result.append((at,))
        else:
            result.append(tuple(sizes.host(next(rest)) if b is ops.DYNAMIC else b for b in item.bounds()))
    return result


def _slice(sizes: Sizes, op: Any, args: Sequence[Var]) -> Dims:
    dims = sizes.of(args[0])
    result: list[SizeExpr] = []
    for axis, (bounds, d) in enumerate(zip(item_bounds(sizes, op.items, args[1:]), dims)):
        if len(bounds) == 3:
            result.append(sizes.slice_range(*bounds, d)[1])
        elif not isinstance(bounds[0], Var):
            sizes.bounds_check(bounds[0], d, axis)
    return tuple(result) + dims[len(op.items):]


def _scatter(sizes: Sizes, op: Any, args: Sequence[Var]) -> Dims:
    place = _slice(sizes, op, [args[0], *args[2:]])
    v = args[1]
    for d, p, fixed in zip(reversed(sizes.of(v)), reversed(place), reversed(v.type.shape)):  # type: ignore
        if fixed != 1:
            sizes.unify(d, p, _text(sizes, f"{op.mode}_subtensor", args[1:2]))
    return sizes.of(args[0])


def _concat(sizes: Sizes, op: ops.Concat, args: Sequence[Var]) -> Dims:
    result = list(sizes.of(args[0]))
    for a in args[1:]:
        for k, d in enumerate(sizes.of(a)):
            result[k] = (sizes.define("add", (result[k], d), "length") if k == op.axis
                         else sizes.unify(result[k], d, _text(sizes, "join", args)))
    return tuple(result)


def _iota(sizes: Sizes, op: Any, args: Sequence[Var]) -> Dims:
    n = sizes.host(args[0])
    return (n if sizes.is_length(n) else sizes.define("maximum", (n, 0), "length"),)


def _constant(sizes: Sizes, op: ops.Constant, args: Sequence[Var]) -> Dims:
    return op.value.data.shape


def _scalar(sizes: Sizes, op: Any, args: Sequence[Var]) -> Dims:
    return ()


def _random(sizes: Sizes, op: ops.Random, args: Sequence[Var]) -> list[Dims]:
    state, given, parameters = op.split(args)
    target = tuple(sizes.host(n) for n in given)
    _not_negative(sizes, str(op), target)
    for p in parameters:
        for axis, d in enumerate(sizes.of(p)):
            sizes.unify(d, target[axis], _text(sizes, str(op), [p], axis))
    return [sizes.of(state), target]


def _callback(sizes: Sizes, op: ops.Callback, args: Sequence[Var]) -> list[Dims]:
    """What the user's Op states, or what its types tell."""
    eqn = sizes.eqn
    assert eqn is not None
    stated = [tuple([sizes.host(v) for v in each]) for each in op.split(args)[1]]
    what = literal(str(op)) if snippet_of(op.op) else "infer_shape"     # the cache's key knows no names but of C code
    for each in stated:
        _not_negative(sizes, what, each)
    shapes = stated or [v.type.shape for v in eqn.outs]  # type: ignore[attr-defined]
    if any(None in shape for shape in shapes):
        raise Unsupported(f"sizes of what {op} returns are known only when it has; an infer_shape would tell them")
    return shapes


def _instance(program: Program, sources: tuple[int, ...]) -> Program:
    """A body with Vars of its own (it may be the body of several loops); what fails in it fails at `sources`, too."""
    own: dict[Var, Var] = {}

    def copy(v: Var) -> Var:
        own[v] = Var(v.number, v.type, v.data, v.name)
        return own[v]

    inputs = [copy(v) for v in program.inputs]
    eqns = [Eqn(e.op, tuple([own[a] for a in e.args]), tuple([copy(v) for v in e.outs]), e.sources + sources)
            for e in program.eqns]
    return Program(inputs, eqns, [own[v] for v in program.outputs])


def _enter(sizes: Sizes, what: str, arg: Var, dims: Dims, var: Var) -> None:
    """`var` is the input of a body for (a row of) `arg`."""
    if arg.name or arg in sizes.names:
        sizes.names.setdefault(var, var.name or sizes.names.get(arg) or arg.name or "")
    fixed = var.type.shape  # type: ignore[attr-defined]
    sizes.dims[var] = tuple([d if s is None else sizes.unify(d, s, lambda: f"{what}: a size is {{0}}, not {{1}}")
                             for d, s in zip(dims, fixed)])


def _changed(what: str, carry: int, axis: int) -> Callable[[], str]:
    return lambda: f"{what}: the size of dimension {axis} of carry {carry} is {{0}} before a step and {{1}} after " \
                   f"it; a carry keeps its shape"


def _scan(sizes: Sizes, op: ops.Scan, args: Sequence[Var]) -> list[Dims]:
    """Sizes do not change from step to step; results of a loop that runs no step have them too."""
    eqn = sizes.eqn
    assert eqn is not None
    what = literal(str(op))
    number, _, seqs, inits, others = op.split(args)
    steps = sizes.host(number) if op.n_stacked else sizes.try_host(number)
    if steps is None:
        sizes.counted[eqn] = number
        steps = ANY_NUMBER
    elif not sizes.is_length(steps):
        sizes.check(Fn("ge", (Size(steps), Lit(0, "int64")), "bool"), "ShapeError", NEGATIVE_STEPS.format(what),
                    (steps,))
        steps = sizes.define("maximum", (steps, 0), "steps")
    body = _instance(op.body, eqn.sources)
    sizes.bodies[eqn] = (body,)
    sizes.steps[eqn] = steps
    first, last = op.n_seqs, op.n_seqs + op.n_carries
    for x, v in zip(seqs, body.inputs):
        rows = sizes.of(x)[0]
        if eqn not in sizes.counted and rows != steps and not (
                isinstance(rows, int) and isinstance(steps, int) and rows >= steps):
            sizes.check(Fn("ge", (Size(rows), Size(steps)), "bool"), "ShapeError",
                        FEW_ROWS.format(what, literal(str(x.name or x))), (rows, steps))
        _enter(sizes, what, x, sizes.of(x)[1:], v)
    for x, v in zip(inits, body.inputs[first:last]):
        _enter(sizes, what, x, sizes.of(x), v)
    for x, v in zip(others, body.inputs[last:]):
        _enter(sizes, what, x, sizes.of(x), v)
        sizes.outside[v] = x
    sizes.add(body)
    for k, (before, after) in enumerate(zip(body.inputs[first:last], body.outputs)):
        for axis, (a, b) in enumerate(zip(sizes.of(before), sizes.of(after))):
            sizes.unify(a, b, _changed(what, k, axis))
    results = [sizes.of(v) for v in body.outputs[:op.n_carries]]
    results += [(steps, *sizes.of(v)) for v in body.outputs[op.n_carries:op.n_carries + op.n_stacked]]
    return [*results, *([()] if op.until else [])]


def _cond(sizes: Sizes, op: ops.Cond, args: Sequence[Var]) -> list[Dims]:
    """What a branch asks of sizes is checked if the branch is taken."""
    eqn = sizes.eqn
    assert eqn is not None
    branches = tuple([_instance(b, eqn.sources) for b in (op.then, op.orelse)])
    sizes.bodies[eqn] = branches
    found = []
    for branch in branches:
        with sizes.region(branch):
            for x, v in zip(args[1:], branch.inputs):
                _enter(sizes, literal(str(op)), x, sizes.of(x), v)
                sizes.outside[v] = x
            sizes.add(branch)
            found.append([sizes.of(v) for v in branch.outputs])
    for dims, branch in zip(found, reversed(branches)):     # those of one branch, as the other one sees them
        with sizes.region(branch):
            if all(tuple(map(sizes.find, a)) == tuple(map(sizes.find, b)) for a, b in zip(*found)):
                return dims
    raise Unsupported(f"the branches of {op} give results of different sizes")


DIMS: dict[type, Callable[[Sizes, Any, Sequence[Var]], Dims | list[Dims]]] = {
    ops.Constant: _constant, ops.Map: _map, ops.Cast: _same, ops.Reduce: _reduce, ops.Cumulate: _same,
    ops.ArgReduce: _argreduce, ops.Contract: _contract, ops.Broadcast: _broadcast, ops.Transpose: _transpose,
    ops.Reshape: _reshape, ops.Slice: _slice, ops.Scatter: _scatter, ops.Concat: _concat, ops.Iota: _iota,
    ops.ShapeOf: _scalar, ops.Assert: _assert, ops.Random: _random, ops.Words: _same,
    ops.Scan: _scan, ops.Cond: _cond,
    ops.Callback: _callback,
}
