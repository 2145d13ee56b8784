"""Output types of each op kind: dtypes and static shapes, with the errors a user sees at build.

In: an op and its arguments (graph variables or Program vars; both have `.type`).  Out: list of types.
Table of the module: `_INFER`, one entry per op kind.  Sizes are those of `ir.shapes`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gradc.errors import NoRuleError, ShapeError, SourceLine, TypeMismatchError, at, shown
from gradc.ir import dtypes, ops
from gradc.ir.routines import GENERIC, STATED, Routine, UserRoutine, get_routine, stands_for
from gradc.ir.scalars import get_row
from gradc.ir.shapes import Static, constant, describe
from gradc.ir.types import MAX_DIMS, RANK_LIMIT, STATES, HasType, RngType, StaticShape, TensorType, Type

Args = Sequence[HasType]


def output_types(op: ops.OpKind, args: Args, source: SourceLine | None = None) -> list[Type]:
    """The types of what `op` makes of `args`; ShapeError or TypeMismatchError say what does not fit."""
    try:
        rule = _INFER[type(op)]
    except KeyError:
        raise NoRuleError(f"{op} has no entry in ir/infer.py") from None
    types = rule(op, args, source)
    for t in types:
        if isinstance(t, TensorType) and len(t.shape) > MAX_DIMS:
            raise TypeMismatchError(f"{shown(op)}: {RANK_LIMIT}, got {len(t.shape)}{at(source)}")
    return types


def _tensors(op: ops.OpKind, args: Args, source: SourceLine | None) -> None:
    for k, a in enumerate(args):
        if not isinstance(a.type, TensorType):
            raise TypeMismatchError(f"{op}: argument {k} must be a tensor, got {describe(a)} of type {a.type}"
                                    f"{at(source)}")


def _axis(op: ops.OpKind, axis: int, x: HasType, source: SourceLine | None) -> None:
    if not 0 <= axis < x.type.ndim:
        raise ShapeError(f"{op}: axis {axis} is out of range for {describe(x)}, which is {x.type.short()}{at(source)}")


def _scalars(op: ops.OpKind, args: Args, source: SourceLine | None) -> None:
    for a in args:
        if not isinstance(a.type, TensorType) or a.type.ndim or a.type.dtype not in dtypes.INTEGERS:
            raise TypeMismatchError(f"{op}: sizes and bounds are integer scalars, got {describe(a)} of type "
                                    f"{a.type}{at(source)}")


def _of_shape(dtype: str, op: ops.OpKind, args: Args, source: SourceLine | None) -> list[Type]:
    return [TensorType.make(dtype, Static(source).shape(op, args))]


def _constant(op: ops.Const, args: Args, source: SourceLine | None) -> list[Type]:
    data = op.value.data
    return [TensorType.make(data.dtype.name, data.shape)]


_BROADCAST: dict[tuple[StaticShape, ...], StaticShape] = {}     # of an elementwise result, by those of its arguments


def _map(op: ops.Map, args: Args, source: SourceLine | None) -> list[Type]:
    row = get_row(op.fn)
    if len(args) != row.nin:
        raise TypeMismatchError(f"{row.name} takes {row.nin} argument(s), got {len(args)}{at(source)}")
    types = [a.type for a in args]
    for t in types:
        if type(t) is not TensorType:
            _tensors(op, args, source)
    try:
        _, dtype = row.dtypes(*[t.dtype for t in types])
    except TypeMismatchError as error:
        text = ", ".join(f"{describe(a)} is {a.type.short()}" for a in args)
        raise TypeMismatchError(f"{row.name}: {error}; {text}{at(source)}") from None
    first = types[0].shape
    for t in types:
        if t.shape != first:
            shapes = tuple([t.shape for t in types])
            shape = _BROADCAST.get(shapes)
            if shape is None:
                shape = Static(source).shape(op, args)
                if len(_BROADCAST) < 10_000:
                    _BROADCAST[shapes] = shape
            return [TensorType.make(dtype, shape)]
    return [types[0] if types[0].dtype == dtype else TensorType.make(dtype, first)]


def _cast(op: ops.Cast, args: Args, source: SourceLine | None) -> list[Type]:
    _tensors(op, args, source)
    if args[0].type.dtype in dtypes.COMPLEX and op.dtype not in (*dtypes.COMPLEX, "bool"):
        raise TypeMismatchError(f"cast: {describe(args[0])} is complex; take real(x) or abs(x) first{at(source)}")
    return [TensorType.make(op.dtype, args[0].type.shape)]


def _reduce(op: ops.Reduce, args: Args, source: SourceLine | None) -> list[Type]:
    _tensors(op, args, source)
    for axis in op.axes:
        _axis(op, axis, args[0], source)
    return _of_shape(args[0].type.dtype, op, args, source)


def _cumulate(op: ops.Cumulate, args: Args, source: SourceLine | None) -> list[Type]:
    _tensors(op, args, source)
    _axis(op, op.axis, args[0], source)
    return [args[0].type]


def _argreduce(op: ops.ArgReduce, args: Args, source: SourceLine | None) -> list[Type]:
    _tensors(op, args, source)
    _axis(op, op.axis, args[0], source)
    return _of_shape("int64", op, args, source)


def _contract(op: ops.Contract, args: Args, source: SourceLine | None) -> list[Type]:
    _tensors(op, args, source)
    x, y = args
    if x.type.ndim != len(op.a) or y.type.ndim != len(op.b):
        raise ShapeError(f"dot: {describe(x)} is {x.type.short()}, {describe(y)} is {y.type.short()}: ranks do not fit"
                         f"{at(source)}")
    return _of_shape(dtypes.upcast(x.type.dtype, y.type.dtype), op, args, source)


def _broadcast(op: ops.Broadcast, args: Args, source: SourceLine | None) -> list[Type]:
    x, sizes = args[0], args[1:]
    _scalars(op, sizes, source)
    if x.type.ndim > len(sizes):
        raise ShapeError(f"alloc: {describe(x)} has {x.type.ndim} dimensions, more than the {len(sizes)} sizes given"
                         f"{at(source)}")
    return _of_shape(x.type.dtype, op, args, source)


def _transpose(op: ops.Transpose, args: Args, source: SourceLine | None) -> list[Type]:
    _tensors(op, args, source)
    shape = args[0].type.shape
    kept = [p for p in op.perm if p >= 0]
    if len(set(kept)) != len(kept) or any(p >= len(shape) for p in kept):
        raise ShapeError(f"{op}: not an order of the {len(shape)} axes of {describe(args[0])}{at(source)}")
    for k, s in enumerate(shape):
        if k not in kept and s != 1:
            raise ShapeError(f"{op}: axis {k} of {describe(args[0])} ({args[0].type.short()}) can't be dropped, its "
                             f"size is not known to be 1{at(source)}")
    return _of_shape(args[0].type.dtype, op, args, source)


def _reshape(op: ops.Reshape, args: Args, source: SourceLine | None) -> list[Type]:
    _scalars(op, args[1:], source)
    return _of_shape(args[0].type.dtype, op, args, source)


def _items(op: ops.Slice | ops.Scatter, x: HasType, source: SourceLine | None) -> None:
    if len(op.items) > x.type.ndim:
        raise ShapeError(f"too many indices: {len(op.items)} for {describe(x)}, which is {x.type.short()}{at(source)}")


def _slice(op: ops.Slice, args: Args, source: SourceLine | None) -> list[Type]:
    _tensors(op, args, source)
    _scalars(op, args[1:], source)
    _items(op, args[0], source)
    return _of_shape(args[0].type.dtype, op, args, source)


def _scatter(op: ops.Scatter, args: Args, source: SourceLine | None) -> list[Type]:
    _tensors(op, args, source)
    x, v = args[:2]
    _scalars(op, args[2:], source)
    _items(op, x, source)
    _fits_place(op, x, v, x.type.ndim - sum(item.is_single for item in op.items), source)
    Static(source).shape(op, args)
    return [x.type]


def _fits_place(op: ops.Scatter | ops.ScatterAt, x: HasType, v: HasType, rank: int, source: SourceLine | None) -> None:
    """Can v be written into a part of x of `rank` dimensions?"""
    if v.type.dtype != x.type.dtype:
        raise TypeMismatchError(f"{op.mode}_subtensor: {describe(x)} is {x.type.dtype}, the new part is {v.type.dtype}"
                                f"{at(source)}; cast it")
    if v.type.ndim > rank:
        raise ShapeError(f"{op.mode}_subtensor: the new part has {v.type.ndim} dimensions, its place {rank}"
                         f"{at(source)}")


def _positions(op: ops.Gather | ops.ScatterAt, x: HasType, index: Args, source: SourceLine | None) -> None:
    _tensors(op, index, source)
    if len(index) != len(op.axes) or not index or list(op.axes) != sorted(set(op.axes)):
        raise ShapeError(f"{op}: {len(index)} index arrays for the axes {op.axes}{at(source)}")
    for axis, i in zip(op.axes, index):
        _axis(op, axis, x, source)
        if i.type.dtype not in dtypes.INTEGERS:
            raise TypeMismatchError(f"{op}: indices are integers, got {describe(i)} of type {i.type}{at(source)}")


def _gather(op: ops.Gather, args: Args, source: SourceLine | None) -> list[Type]:
    _tensors(op, args[:1], source)
    _positions(op, args[0], args[1:], source)
    return _of_shape(args[0].type.dtype, op, args, source)


def _scatter_at(op: ops.ScatterAt, args: Args, source: SourceLine | None) -> list[Type]:
    _tensors(op, args[:2], source)
    x, v, *index = args
    _positions(op, x, index, source)
    _fits_place(op, x, v, max(i.type.ndim for i in index) + x.type.ndim - len(op.axes), source)
    Static(source).shape(op, args)
    return [x.type]


def _concat(op: ops.Concat, args: Args, source: SourceLine | None) -> list[Type]:
    _tensors(op, args, source)
    _axis(op, op.axis, args[0], source)
    for a in args[1:]:
        if a.type.ndim != args[0].type.ndim:
            raise ShapeError(f"join: {describe(args[0])} is {args[0].type.short()}, {describe(a)} is {a.type.short()}: "
                             f"ranks differ{at(source)}")
    return _of_shape(dtypes.upcast(*(a.type.dtype for a in args)), op, args, source)


def _iota(op: ops.Iota, args: Args, source: SourceLine | None) -> list[Type]:
    _scalars(op, args, source)
    return _of_shape("int64", op, args, source)


def _shapeof(op: ops.ShapeOf, args: Args, source: SourceLine | None) -> list[Type]:
    _tensors(op, args, source)
    if op.axis is None:
        return [TensorType.make("int64", (args[0].type.ndim,))]
    _axis(op, op.axis, args[0], source)
    return [TensorType.make("int64", ())]


def _assert(op: ops.Assert, args: Args, source: SourceLine | None) -> list[Type]:
    _, conditions, shown = op.split(args)
    if shown:
        (valid,) = conditions
        rank = valid.type.ndim
        if any(v.type.dtype not in ("int64", "float64") or v.type.ndim > rank for v in shown):
            raise TypeMismatchError(f"{op}: values to show are int64 or float64, of at most {rank} dimensions"
                                    f"{at(source)}")
    return [args[0].type]


def _gradient_of(op: ops.GradientOf, args: Args, source: SourceLine | None) -> list[Type]:
    return [args[0].type]


def applied(user: Any, args: Args) -> Any:
    """The Apply of a user's Op on its inputs; make_node takes variables, so Program vars get stand-ins."""
    data = [getattr(a, "data", None) for a in args]
    inputs = [a.type() if d is None else a.type.constant_class(a.type, d) for a, d in zip(args, data)]
    return user.make_node(*inputs)


def _call(op: ops.Call, args: Args, source: SourceLine | None) -> list[Type]:
    inputs, stated = op.split(args)
    for sizes in stated:
        _scalars(op, sizes, source)
    routine = get_routine(op.routine)
    if isinstance(routine, UserRoutine):
        types = [v.type for v in applied(routine.op, inputs).outputs]
        for k, (t, sizes) in enumerate(zip(types, stated)):
            if isinstance(t, TensorType):
                types[k] = TensorType.make(t.dtype, tuple([_stated(n) if s is None else s
                                                           for n, s in zip(sizes, t.shape)]))
        return types
    dtype = _taken(op, routine, inputs, source)
    shapes = Static(source).shapes(op, args)
    return [inputs[0].type if want == "state" else TensorType.make(stands_for(want, dtype), shape)
            for want, shape in zip(routine.gives, shapes)]


def _taken(op: ops.Call, routine: Routine, inputs: Args, source: SourceLine | None) -> str:
    """What the generic word of a routine stands for; all arguments have the dtypes and dimensions that it takes."""
    if len(inputs) != len(routine.takes):
        raise TypeMismatchError(f"{op.title} takes {len(routine.takes)} argument(s), got {len(inputs)}{at(source)}")
    dtype = ""
    for x, want, core in zip(inputs, routine.takes, routine.cores[0]):
        t = x.type
        if want == "state" and (isinstance(t, RngType) or t in STATES):
            continue
        if want == "state" or not isinstance(t, TensorType) or t.dtype not in (
                GENERIC[want] if want in GENERIC and not dtype else (stands_for(want, dtype),)):
            wanted = stands_for(want, dtype) if dtype else want
            raise TypeMismatchError(f"{op.title} takes {wanted}, got {describe(x)} of type {t}{at(source)}")
        if want in GENERIC:
            dtype = dtype or t.dtype
        few = 0 if core == STATED else len(core)
        if t.ndim < few or (core == STATED and t.ndim not in (0, *op.ranks)):
            raise ShapeError(f"{op.title}: {describe(x)} is {t.short()}, but has "
                             f"{'one value or all' if not few else few} dimensions{at(source)}")
    return dtype


def _words(op: ops.Words, args: Args, source: SourceLine | None) -> list[Type]:
    state = RngType(op.back) if op.back else args[0].type
    if not isinstance(state, RngType) or (op.back and args[0].type != state.words):
        raise TypeMismatchError(f"{op} takes {'words of a state' if op.back else 'a state'}, got {describe(args[0])} "
                                f"of type {args[0].type}{at(source)}")
    return [state if op.back else state.words]


def _stated(size: Any) -> int | None:
    """A size that a user's Op states, if it is known; a 1 that its types don't tell does not broadcast."""
    known = constant(size)
    return known if known is not None and known >= 0 and known != 1 else None


def _takes(op: ops.OpKind, what: str, arg: HasType, shape: StaticShape, want: Type, source: SourceLine | None) -> None:
    """Does a body's input of type `want` take (a row of) `arg`?"""
    if not isinstance(want, TensorType) or not isinstance(arg.type, TensorType):
        if want != arg.type:
            raise TypeMismatchError(f"{op}: {what} must be {want}, got {describe(arg)} of type {arg.type}{at(source)}")
        return
    if arg.type.dtype != want.dtype or len(shape) != want.ndim or any(
            a is not None and b is not None and a != b for a, b in zip(shape, want.shape)):
        raise TypeMismatchError(f"{op}: {what} must be {want.short()}, got "
                                f"{TensorType.make(arg.type.dtype, shape).short()} of {describe(arg)}{at(source)}")


def _joined(a: Type, b: Type) -> Type:
    """The type of a value that has type `a` or type `b`, which differ in static sizes at most."""
    if not isinstance(a, TensorType):
        return a
    return TensorType.make(a.dtype, tuple([x if x == y else None for x, y in zip(a.shape, b.shape)]))


def _shape(arg: HasType) -> StaticShape:
    return arg.type.shape if isinstance(arg.type, TensorType) else ()


def _scan(op: ops.Scan, args: Args, source: SourceLine | None) -> list[Type]:
    steps, limit, seqs, inits, others = op.split(args)
    body = op.body
    _tensors(op, seqs, source)
    _scalars(op, [steps] if limit is None else [steps, limit], source)
    if len(inits) != op.n_carries or len(body.inputs) != op.n_seqs + op.n_carries + len(others):
        raise TypeMismatchError(f"{op}: the body takes {len(body.inputs)} values, the loop has {len(seqs)} sequences, "
                                f"{len(inits)} initial values and {len(others)} others{at(source)}")
    for k, (arg, v) in enumerate(zip((*seqs, *inits, *others), body.inputs)):
        if k < op.n_seqs and not arg.type.ndim:
            raise ShapeError(f"{op}: the sequence {describe(arg)} is a scalar; a sequence has at least one dimension"
                             f"{at(source)}")
        _takes(op, f"input {k} of the body", arg, _shape(arg)[1:] if k < op.n_seqs else _shape(arg), v.type, source)
    types: list[Type] = []
    for k in range(op.n_carries):
        carry, after = body.inputs[op.n_seqs + k], body.outputs[k]
        _takes(op, f"what follows carry {k}", after, _shape(after), carry.type, source)
        types.append(_joined(carry.type, after.type))
    _tensors(op, body.outputs[op.n_carries:], source)
    for row in body.outputs[op.n_carries:op.n_carries + op.n_stacked]:
        types.append(TensorType.make(row.type.dtype, (constant(steps), *row.type.shape)))
    if op.until:
        stop = body.outputs[-1].type
        if stop.dtype != "bool" or stop.ndim:
            raise TypeMismatchError(f"{op}: the condition to stop must be a bool scalar, got {stop.short()}"
                                    f"{at(source)}")
        types.append(TensorType.make("int64", ()))
    return types


def _cond(op: ops.Cond, args: Args, source: SourceLine | None) -> list[Type]:
    _tensors(op, args[:1], source)
    if args[0].type.dtype != "bool" or args[0].type.ndim:
        raise TypeMismatchError(f"{op}: the condition must be a bool scalar, got {describe(args[0])} of type "
                                f"{args[0].type.short()}{at(source)}")
    for branch in (op.then, op.orelse):
        if len(branch.inputs) != len(args) - 1 or len(branch.outputs) != len(op.then.outputs):
            raise TypeMismatchError(f"{op}: the branches must take the same {len(args) - 1} values and give as many "
                                    f"results as one another{at(source)}")
        for k, (arg, v) in enumerate(zip(args[1:], branch.inputs)):
            _takes(op, f"input {k} of a branch", arg, _shape(arg), v.type, source)
    types: list[Type] = []
    for k, (a, b) in enumerate(zip(op.then.outputs, op.orelse.outputs)):
        tensors = isinstance(a.type, TensorType) and isinstance(b.type, TensorType)
        if (a.type.dtype != b.type.dtype or a.type.ndim != b.type.ndim) if tensors else a.type != b.type:
            raise TypeMismatchError(f"{op}: result {k} is {a.type.short()} in one branch and {b.type.short()} in the "
                                    f"other{at(source)}; cast or reshape one of them")
        types.append(_joined(a.type, b.type))
    return types


_INFER: dict[type, Callable[..., list[Type]]] = {
    ops.Const: _constant, ops.Map: _map, ops.Cast: _cast, ops.Reduce: _reduce, ops.Cumulate: _cumulate,
    ops.ArgReduce: _argreduce, ops.Contract: _contract, ops.Broadcast: _broadcast, ops.Transpose: _transpose,
    ops.Reshape: _reshape, ops.Slice: _slice, ops.Scatter: _scatter, ops.Gather: _gather,
    ops.ScatterAt: _scatter_at, ops.Concat: _concat, ops.Iota: _iota,
    ops.ShapeOf: _shapeof, ops.Assert: _assert, ops.Call: _call, ops.Words: _words,
    ops.GradientOf: _gradient_of, ops.Scan: _scan, ops.Cond: _cond,
}
