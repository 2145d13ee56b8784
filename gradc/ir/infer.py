"""Output types of each op kind: dtypes and static shapes, with the errors a user sees at build.

In: an op and its arguments (graph variables or Program vars; both have `.type`).  Out: list of types.
Table of the module: `_INFER`, one entry per op kind.  Run-time sizes are not here: `passes/shapes.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gradc.errors import NoRuleError, ShapeError, SourceLine, TypeMismatchError, at, shown
from gradc.ir import dtypes, ops
from gradc.ir.distributions import DISTRIBUTIONS
from gradc.ir.scalars import get_row
from gradc.ir.types import MAX_DIMS, RANK_LIMIT, WORDS, RngType, StaticShape, TensorType, Type

Args = Sequence[Any]


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


def broadcast_shapes(shapes: Sequence[StaticShape], what: str, args: Args, source: SourceLine | None) -> StaticShape:
    """Static shape of an elementwise result: static 1s and missing axes broadcast, unknown sizes must agree."""
    first = shapes[0]
    if all(s == first for s in shapes):
        return first
    ndim = max(len(s) for s in shapes)
    result: list[int | None] = []
    for axis in range(-ndim, 0):
        sizes = {s[axis] for s in shapes if len(s) >= -axis}
        known = {s for s in sizes if s is not None and s != 1}
        if len(known) > 1:
            text = ", ".join(f"{_name(a)} is {a.type.short()}" for a in args)
            raise ShapeError(f"{what}: sizes {' and '.join(map(str, sorted(known)))} of dimension {axis + ndim} "
                             f"differ; {text}{at(source)}")
        result.append(known.pop() if known else None if None in sizes else 1)
    return tuple(result)


def slice_length(item: ops.Item, size: int | None) -> int | None:
    """Static length of a range along an axis of static size `size`, or None."""
    if item.is_all:
        return size
    bounds = (item.start, item.stop, item.step)
    if size is None or ops.DYNAMIC in bounds:
        return 0 if isinstance(item.stop, int) and item.stop == 0 and item.start in (None, 0) \
            and item.step in (None, 1) else None
    return len(range(*slice(*bounds).indices(size)))


def _name(arg: Any) -> str:
    name = getattr(arg, "name", None)
    if name:
        return shown(name)
    owner = getattr(arg, "owner", None)
    return f"the result of {owner.op}" if owner is not None else "an argument"


def _tensors(op: Any, args: Args, source: SourceLine | None) -> None:
    for k, a in enumerate(args):
        if not isinstance(a.type, TensorType):
            raise TypeMismatchError(f"{op}: argument {k} must be a tensor, got {_name(a)} of type {a.type}{at(source)}")


def _axis(op: Any, axis: int, x: Any, source: SourceLine | None) -> None:
    if not 0 <= axis < x.type.ndim:
        raise ShapeError(f"{op}: axis {axis} is out of range for {_name(x)}, which is {x.type.short()}{at(source)}")


def _scalars(op: Any, args: Args, source: SourceLine | None) -> None:
    for a in args:
        if not isinstance(a.type, TensorType) or a.type.ndim or a.type.dtype not in dtypes.INTEGERS:
            raise TypeMismatchError(f"{op}: sizes and bounds are integer scalars, got {_name(a)} of type "
                                    f"{a.type}{at(source)}")


def _constant(op: ops.Constant, args: Args, source: Any) -> list[Type]:
    data = op.value.data
    return [TensorType.make(data.dtype.name, data.shape)]


_BROADCAST: dict[tuple[StaticShape, ...], StaticShape] = {}     # results of broadcast_shapes seen so far


def _map(op: ops.Map, args: Args, source: Any) -> list[Type]:
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
        text = ", ".join(f"{_name(a)} is {a.type.short()}" for a in args)
        raise TypeMismatchError(f"{row.name}: {error}; {text}{at(source)}") from None
    first = types[0].shape
    for t in types:
        if t.shape != first:
            shapes = tuple([t.shape for t in types])
            shape = _BROADCAST.get(shapes)
            if shape is None:
                shape = broadcast_shapes(shapes, row.name, args, source)
                if len(_BROADCAST) < 10_000:
                    _BROADCAST[shapes] = shape
            return [TensorType.make(dtype, shape)]
    return [types[0] if types[0].dtype == dtype else TensorType.make(dtype, first)]


def _cast(op: ops.Cast, args: Args, source: Any) -> list[Type]:
    _tensors(op, args, source)
    if args[0].type.dtype in dtypes.COMPLEX and op.dtype not in dtypes.COMPLEX:
        raise TypeMismatchError(f"cast: {_name(args[0])} is complex; take real(x) or abs(x) first{at(source)}")
    return [TensorType.make(op.dtype, args[0].type.shape)]


def _reduce(op: ops.Reduce, args: Args, source: Any) -> list[Type]:
    _tensors(op, args, source)
    t = args[0].type
    for axis in op.axes:
        _axis(op, axis, args[0], source)
    return [TensorType.make(t.dtype, tuple(s for k, s in enumerate(t.shape) if k not in op.axes))]


def _cumulate(op: ops.Cumulate, args: Args, source: Any) -> list[Type]:
    _tensors(op, args, source)
    _axis(op, op.axis, args[0], source)
    return [args[0].type]


def _argreduce(op: ops.ArgReduce, args: Args, source: Any) -> list[Type]:
    _tensors(op, args, source)
    _axis(op, op.axis, args[0], source)
    shape = args[0].type.shape
    return [TensorType.make("int64", shape[:op.axis] + shape[op.axis + 1:])]


def _contract(op: ops.Contract, args: Args, source: Any) -> list[Type]:
    _tensors(op, args, source)
    x, y = args
    if x.type.ndim != len(op.a) or y.type.ndim != len(op.b):
        raise ShapeError(f"dot: {_name(x)} is {x.type.short()}, {_name(y)} is {y.type.short()}: ranks do not fit"
                         f"{at(source)}")
    size: dict[int, int | None] = {}
    for labels, shape in ((op.a, x.type.shape), (op.b, y.type.shape)):
        for label, s in zip(labels, shape):
            old = size.get(label)
            if old is not None and s is not None and old != s:
                raise ShapeError(f"dot: {_name(x)} is {x.type.short()}, {_name(y)} is {y.type.short()}: "
                                 f"inner sizes {old} and {s} differ{at(source)}")
            size[label] = s if s is not None else old
    dtype = dtypes.upcast(x.type.dtype, y.type.dtype)
    return [TensorType.make(dtype, tuple(size[k] for k in op.out))]


def _static(arg: Any) -> int | None:
    """The value of a constant size argument, graph or Program."""
    data = getattr(arg, "data", None)
    return int(data) if data is not None and getattr(data, "ndim", 1) == 0 else None


def _broadcast(op: ops.Broadcast, args: Args, source: Any) -> list[Type]:
    x, sizes = args[0], args[1:]
    _scalars(op, sizes, source)
    shape = tuple(_static(s) for s in sizes)
    if x.type.ndim > len(shape):
        raise ShapeError(f"alloc: {_name(x)} has {x.type.ndim} dimensions, more than the {len(shape)} sizes given"
                         f"{at(source)}")
    pad = len(shape) - x.type.ndim
    for k, s in enumerate(x.type.shape):
        want = shape[pad + k]
        if s is not None and s != 1 and want is not None and s != want:
            raise ShapeError(f"alloc: {_name(x)} is {x.type.short()}, which does not broadcast to {shape}{at(source)}")
    known = tuple(s if s is not None or k < pad or x.type.shape[k - pad] in (None, 1) else x.type.shape[k - pad]
                  for k, s in enumerate(shape))
    return [TensorType.make(x.type.dtype, known)]


def _transpose(op: ops.Transpose, args: Args, source: Any) -> list[Type]:
    _tensors(op, args, source)
    shape = args[0].type.shape
    kept = [p for p in op.perm if p >= 0]
    if len(set(kept)) != len(kept) or any(p >= len(shape) for p in kept):
        raise ShapeError(f"{op}: not an order of the {len(shape)} axes of {_name(args[0])}{at(source)}")
    for k, s in enumerate(shape):
        if k not in kept and s != 1:
            raise ShapeError(f"{op}: axis {k} of {_name(args[0])} ({args[0].type.short()}) can't be dropped, its "
                             f"size is not known to be 1{at(source)}")
    return [TensorType.make(args[0].type.dtype, tuple(1 if p < 0 else shape[p] for p in op.perm))]


def _reshape(op: ops.Reshape, args: Args, source: Any) -> list[Type]:
    x, sizes = args[0], args[1:]
    _scalars(op, sizes, source)
    shape = tuple(_static(s) for s in sizes)
    if None not in shape and None not in x.type.shape:
        total, want = 1, 1
        for s in x.type.shape:
            total *= s
        for s in shape:
            want *= s  # type: ignore[operator]
        if total != want:
            raise ShapeError(f"reshape: {_name(x)} is {x.type.short()} with {total} elements, which do not fill "
                             f"shape {shape}{at(source)}")
    return [TensorType.make(x.type.dtype, shape)]


def _sliced(op: Any, x: Any, source: Any) -> StaticShape:
    if len(op.items) > x.type.ndim:
        raise ShapeError(f"too many indices: {len(op.items)} for {_name(x)}, which is {x.type.short()}{at(source)}")
    shape: list[int | None] = []
    for item, size in zip(op.items, x.type.shape):
        if item.is_single:
            if size is not None and isinstance(item.at, int) and not -size <= item.at < size:
                raise ShapeError(f"index {item.at} is out of bounds for an axis of size {size} of {_name(x)}"
                                 f"{at(source)}")
        else:
            if item.step == 0:
                raise ShapeError(f"a slice of {_name(x)} has step 0{at(source)}")
            shape.append(slice_length(item, size))
    return tuple(shape) + x.type.shape[len(op.items):]


def _slice(op: ops.Slice, args: Args, source: Any) -> list[Type]:
    _tensors(op, args, source)
    _scalars(op, args[1:], source)
    return [TensorType.make(args[0].type.dtype, _sliced(op, args[0], source))]


def _scatter(op: ops.Scatter, args: Args, source: Any) -> list[Type]:
    _tensors(op, args, source)
    x, v = args[:2]
    _scalars(op, args[2:], source)
    part = _sliced(op, x, source)
    if v.type.dtype != x.type.dtype:
        raise TypeMismatchError(f"{op.mode}_subtensor: {_name(x)} is {x.type.dtype}, the new part is {v.type.dtype}"
                                f"{at(source)}; cast it")
    if v.type.ndim > len(part):
        raise ShapeError(f"{op.mode}_subtensor: the new part has {v.type.ndim} dimensions, its place {len(part)}"
                         f"{at(source)}")
    for a, b in zip(v.type.shape[::-1], part[::-1]):
        if a is not None and b is not None and a != b and a != 1:
            raise ShapeError(f"{op.mode}_subtensor: a part of shape {v.type.shape} does not fit a place of shape "
                             f"{part}{at(source)}")
    return [x.type]


def _concat(op: ops.Concat, args: Args, source: Any) -> list[Type]:
    _tensors(op, args, source)
    _axis(op, op.axis, args[0], source)
    ndim = args[0].type.ndim
    shape: list[int | None] = list(args[0].type.shape)
    for a in args[1:]:
        if a.type.ndim != ndim:
            raise ShapeError(f"join: {_name(args[0])} is {args[0].type.short()}, {_name(a)} is {a.type.short()}: "
                             f"ranks differ{at(source)}")
        for k, s in enumerate(a.type.shape):
            if k == op.axis:
                old = shape[k]
                shape[k] = old + s if old is not None and s is not None else None
            elif shape[k] is None:
                shape[k] = s
            elif s is not None and s != shape[k]:
                raise ShapeError(f"join: sizes {shape[k]} and {s} of dimension {k} differ{at(source)}")
    return [TensorType.make(dtypes.upcast(*(a.type.dtype for a in args)), tuple(shape))]


def _iota(op: ops.Iota, args: Args, source: Any) -> list[Type]:
    _scalars(op, args, source)
    n = _static(args[0])
    return [TensorType.make("int64", (None if n is None else max(n, 0),))]


def _shapeof(op: ops.ShapeOf, args: Args, source: Any) -> list[Type]:
    _tensors(op, args, source)
    if op.axis is None:
        return [TensorType.make("int64", (args[0].type.ndim,))]
    _axis(op, op.axis, args[0], source)
    return [TensorType.make("int64", ())]


def _assert(op: ops.Assert, args: Args, source: Any) -> list[Type]:
    _, conditions, shown = op.split(args)
    if shown:
        (valid,) = conditions
        rank = valid.type.ndim
        if any(v.type.dtype not in ("int64", "float64") or v.type.ndim > rank for v in shown):
            raise TypeMismatchError(f"{op}: values to show are int64 or float64, of at most {rank} dimensions"
                                    f"{at(source)}")
    return [args[0].type]


def _gradient_of(op: ops.GradientOf, args: Args, source: Any) -> list[Type]:
    return [args[0].type]


def applied(op: ops.Callback, args: Args) -> Any:
    """The Apply of a user's Op on its inputs; make_node takes variables, so Program vars get stand-ins."""
    inputs = [a.type() if getattr(a, "data", None) is None else a.type.constant_class(a.type, a.data)
              for a in op.split(args)[0]]
    return op.op.make_node(*inputs)


def _random(op: ops.Random, args: Args, source: Any) -> list[Type]:
    state, sizes, parameters = op.split(args)
    row = DISTRIBUTIONS[op.distribution]
    _scalars(op, sizes, source)
    shape = tuple(_static(s) for s in sizes)
    for p, dtype in zip(parameters, row.parameters):
        if p.type.dtype != dtype or p.type.ndim not in (0, op.ndim) or any(
                a is not None and b is not None and a != b for a, b in zip(p.type.shape, shape)):
            raise TypeMismatchError(f"{op}: parameters are {dtype} and scalars or of shape {shape}, got {_name(p)} of "
                                    f"type {p.type}{at(source)}")
    return [state.type, TensorType.make(row.dtype, shape)]


def _words(op: ops.Words, args: Args, source: Any) -> list[Type]:
    have, want = (WORDS, RngType()) if op.back else (RngType(), WORDS)
    if args[0].type != have:
        raise TypeMismatchError(f"{op} takes a value of type {have}, got {_name(args[0])} of type {args[0].type}"
                                f"{at(source)}")
    return [want]


def _callback(op: ops.Callback, args: Args, source: Any) -> list[Type]:
    types = [v.type for v in applied(op, args).outputs]
    for k, sizes in enumerate(op.split(args)[1]):
        _scalars(op, sizes, source)
        t = types[k]
        if isinstance(t, TensorType):
            types[k] = TensorType.make(t.dtype, tuple([_stated(n) if s is None else s for n, s in zip(sizes, t.shape)]))
    return types


def _stated(size: Any) -> int | None:
    """A size that a user's Op states, if it is known; a 1 that its types don't tell does not broadcast."""
    known = _static(size)
    return known if known is not None and known >= 0 and known != 1 else None


def _takes(op: Any, what: str, arg: Any, shape: StaticShape, want: Any, source: Any) -> None:
    """Does a body's input of type `want` take (a row of) `arg`?"""
    if not isinstance(want, TensorType) or not isinstance(arg.type, TensorType):
        if want != arg.type:
            raise TypeMismatchError(f"{op}: {what} must be {want}, got {_name(arg)} of type {arg.type}{at(source)}")
        return
    if arg.type.dtype != want.dtype or len(shape) != want.ndim or any(
            a is not None and b is not None and a != b for a, b in zip(shape, want.shape)):
        raise TypeMismatchError(f"{op}: {what} must be {want.short()}, got "
                                f"{TensorType.make(arg.type.dtype, shape).short()} of {_name(arg)}{at(source)}")


def _joined(a: Any, b: Any) -> Type:
    """The type of a value that has type `a` or type `b`, which differ in static sizes at most."""
    if not isinstance(a, TensorType):
        return a
    return TensorType.make(a.dtype, tuple([x if x == y else None for x, y in zip(a.shape, b.shape)]))


def _short(t: Type) -> str:
    return t.short() if isinstance(t, TensorType) else str(t)


def _shape(arg: Any) -> StaticShape:
    return arg.type.shape if isinstance(arg.type, TensorType) else ()


def _scan(op: ops.Scan, args: Args, source: Any) -> list[Type]:
    steps, limit, seqs, inits, others = op.split(args)
    body = op.body
    _tensors(op, seqs, source)
    _scalars(op, [steps] if limit is None else [steps, limit], source)
    if len(inits) != op.n_carries or len(body.inputs) != op.n_seqs + op.n_carries + len(others):
        raise TypeMismatchError(f"{op}: the body takes {len(body.inputs)} values, the loop has {len(seqs)} sequences, "
                                f"{len(inits)} initial values and {len(others)} others{at(source)}")
    for k, (arg, v) in enumerate(zip((*seqs, *inits, *others), body.inputs)):
        if k < op.n_seqs and not arg.type.ndim:
            raise ShapeError(f"{op}: the sequence {_name(arg)} is a scalar; a sequence has at least one dimension"
                             f"{at(source)}")
        _takes(op, f"input {k} of the body", arg, _shape(arg)[1:] if k < op.n_seqs else _shape(arg), v.type, source)
    types: list[Type] = []
    for k in range(op.n_carries):
        carry, after = body.inputs[op.n_seqs + k], body.outputs[k]
        _takes(op, f"what follows carry {k}", after, _shape(after), carry.type, source)
        types.append(_joined(carry.type, after.type))
    _tensors(op, body.outputs[op.n_carries:], source)
    for row in body.outputs[op.n_carries:op.n_carries + op.n_stacked]:
        types.append(TensorType.make(row.type.dtype, (_static(steps), *row.type.shape)))
    if op.until:
        stop = body.outputs[-1].type
        if stop.dtype != "bool" or stop.ndim:
            raise TypeMismatchError(f"{op}: the condition to stop must be a bool scalar, got {stop.short()}"
                                    f"{at(source)}")
        types.append(TensorType.make("int64", ()))
    return types


def _cond(op: ops.Cond, args: Args, source: Any) -> list[Type]:
    _tensors(op, args[:1], source)
    if args[0].type.dtype != "bool" or args[0].type.ndim:
        raise TypeMismatchError(f"{op}: the condition must be a bool scalar, got {_name(args[0])} of type "
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
            raise TypeMismatchError(f"{op}: result {k} is {_short(a.type)} in one branch and {_short(b.type)} in the "
                                    f"other{at(source)}; cast or reshape one of them")
        types.append(_joined(a.type, b.type))
    return types


_INFER: dict[type, Callable[..., list[Type]]] = {
    ops.Constant: _constant, ops.Map: _map, ops.Cast: _cast, ops.Reduce: _reduce, ops.Cumulate: _cumulate,
    ops.ArgReduce: _argreduce, ops.Contract: _contract, ops.Broadcast: _broadcast, ops.Transpose: _transpose,
    ops.Reshape: _reshape, ops.Slice: _slice, ops.Scatter: _scatter, ops.Concat: _concat, ops.Iota: _iota,
    ops.ShapeOf: _shapeof, ops.Assert: _assert, ops.Random: _random, ops.Words: _words,
    ops.Callback: _callback, ops.GradientOf: _gradient_of, ops.Scan: _scan, ops.Cond: _cond,
}
