"""Run a Program in NumPy, equation by equation: the oracle of all tests, and the mode without a compiler.

Table: `_RUN`, one entry per op kind.  Semantics to match exactly in C stand here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from gradc import errors
from gradc.errors import (
    FEW_ROWS,
    NEGATIVE_STEPS,
    SIZE_ONE,
    ExecutionError,
    IndexOutOfBoundsError,
    NoRuleError,
    ShapeError,
    fill,
    literal,
    shown,
)
from gradc.ir import dtypes, ops
from gradc.ir.bits import generator_of, words_of
from gradc.ir.callback import run_user_op
from gradc.ir.program import Eqn, Program, Var, state_type
from gradc.ir.routines import STATED, Fault, Routine, UserRoutine, get_routine
from gradc.ir.scalars import get_row
from gradc.ir.shapes import Shapes, Static, rule_of
from gradc.ir.types import TensorType

Value: TypeAlias = Any              # an array, or a random generator
Values: TypeAlias = list[Value]


def evaluate(program: Program, values: Sequence[Value], *, holomorphic: bool = False) -> Values:
    """Outputs of `program` for input `values` (arrays of the inputs' types).

    With `holomorphic=True` dtypes are not enforced, so that complex values flow through (complex step).
    Errors carry the sources of the equation that failed, then those of the loops around it, as attribute `sources`.
    """
    env: dict[Var, Value] = dict(zip(program.inputs, values))
    with np.errstate(all="ignore"):
        for eqn in program.eqns:
            try:
                results = run_equation(eqn, [env[a] for a in eqn.args], holomorphic)
            except (ShapeError, ExecutionError, MemoryError) as error:
                error.sources = (*getattr(error, "sources", ()), *eqn.sources)  # type: ignore[union-attr]
                raise
            env.update(zip(eqn.outs, results))
    return [env[v] for v in program.outputs]


def run_equation(eqn: Eqn, args: Values, holomorphic: bool = False) -> Sequence[Value]:
    """The values of one equation's results."""
    try:
        run = _RUN[type(eqn.op)]
    except KeyError:
        raise NoRuleError(f"{eqn.op} has no entry in ir/interp.py") from None
    result = run(eqn.op, args, eqn)
    if isinstance(result, list):
        return result
    t = eqn.outs[0].type
    if isinstance(t, TensorType) and not (holomorphic and np.iscomplexobj(result)):
        result = np.asarray(result, dtype=t.dtype)
    return [result]


def _constant(op: ops.Const, args: Values, eqn: Eqn) -> Value:
    return op.value.data


def check_broadcast(what: str, eqn: Eqn, args: Values, types: Sequence[TensorType]) -> None:
    """A size 1 broadcasts only where the type says 1: else sizes must be equal (never a wrong gradient)."""
    ndim = max((np.ndim(a) for a in args), default=0)
    for axis in range(-ndim, 0):
        sizes = [(np.shape(a)[axis], k) for k, (a, t) in enumerate(zip(args, types))
                 if t.ndim >= -axis and t.shape[axis] != 1]
        if len({s for s, _ in sizes}) > 1:
            first = sizes[0]
            other = next(s for s in sizes if s[0] != first[0])
            shapes = ", ".join(f"{shown(a.name or 'a result')} is {t.short()}" for a, t in zip(eqn.args, types))
            raise ShapeError(f"{what}: sizes {first[0]} and {other[0]} of dimension {axis + ndim} differ ({shapes})"
                             f"{SIZE_ONE if 1 in (first[0], other[0]) else ''}")


def _map(op: ops.Map, args: Values, eqn: Eqn) -> Value:
    row = get_row(op.fn)
    types = [a.type for a in eqn.args]
    check_broadcast(row.name, eqn, args, types)  # type: ignore[arg-type]
    compute, _ = row.dtypes(*[t.dtype for t in types])
    skip = row.rule in ("select",)
    converted = [a if (skip and k == 0) or np.iscomplexobj(a) else np.asarray(a, dtype=compute)
                 for k, a in enumerate(args)]
    if row.rule == "second":
        converted[0] = args[0]
    return row.numpy(*converted)


def _cast(op: ops.Cast, args: Values, eqn: Eqn) -> Value:
    x = np.asarray(args[0])
    if np.iscomplexobj(x) and op.dtype not in dtypes.COMPLEX and eqn.args[0].type.dtype not in dtypes.COMPLEX:
        return x if op.dtype in dtypes.FLOATS else x.real.astype(op.dtype)
    if x.dtype.kind == "f" and op.dtype[0] in "iu":
        return float_to_int(x, op.dtype)
    return x.astype(op.dtype)


def float_to_int(x: np.ndarray, dtype: str) -> np.ndarray:
    """Truncation; nan gives 0 and values out of range saturate (C leaves both undefined, and NumPy follows C)."""
    info = np.iinfo(dtype)
    inside = (x > info.min - 1.0) & (x < info.max + 1.0) if info.bits < 64 else (x >= float(info.min)) & (
        x < float(info.max))
    result = np.where(inside, x, 0.0).astype(dtype)
    result = np.where(~inside & (x > 0), np.asarray(info.max, dtype), result)
    return np.where(~inside & (x < 0), np.asarray(info.min, dtype), result).astype(dtype)


_FOLD: dict[str, Callable[..., np.ndarray]] = {
    "add": np.sum, "mul": np.prod, "maximum": np.max, "minimum": np.min, "and_": np.bitwise_and.reduce,
    "or_": np.bitwise_or.reduce,
}


def _reduce(op: ops.Reduce, args: Values, eqn: Eqn) -> Value:
    x = np.asarray(args[0])
    if op.fn in ("maximum", "minimum"):
        for axis in op.axes:
            if x.shape[axis] == 0:
                raise ShapeError(f"{op} over dimension {axis} of size 0 has no value")
    if op.fn in ("add", "mul"):
        return _FOLD[op.fn](x, axis=op.axes, dtype=_accumulator(x))
    if np.iscomplexobj(x) and eqn.args[0].type.dtype not in dtypes.COMPLEX:     # complex step: order by the real part
        return _complex_extreme(x, op.axes, np.argmax if op.fn == "maximum" else np.argmin)
    return _FOLD[op.fn](x, axis=op.axes)


def _complex_extreme(x: np.ndarray, axes: tuple[int, ...], pick: Callable[..., np.ndarray]) -> np.ndarray:
    kept = [k for k in range(x.ndim) if k not in axes]
    flat = x.transpose(*kept, *axes).reshape(*[x.shape[k] for k in kept], -1)
    return np.take_along_axis(flat, pick(flat.real, axis=-1)[..., None], -1)[..., 0]


def _cumulate(op: ops.Cumulate, args: Values, eqn: Eqn) -> Value:
    x = np.asarray(args[0])
    fold: Callable[..., np.ndarray] = np.cumsum if op.fn == "add" else np.cumprod
    return fold(x, axis=op.axis, dtype=_accumulator(x))


def _accumulator(x: np.ndarray) -> object:
    """What sums and products of x are made in; `run_equation` rounds what they come to."""
    return np.float64 if x.dtype.name in dtypes.FLOATS else x.dtype


def _argreduce(op: ops.ArgReduce, args: Values, eqn: Eqn) -> Value:
    x = np.asarray(args[0])
    if x.shape[op.axis] == 0:
        raise ShapeError(f"{op} over dimension {op.axis} of size 0 has no value")
    step = np.iscomplexobj(x) and eqn.args[0].type.dtype not in dtypes.COMPLEX
    return (np.argmax if op.fn == "maximum" else np.argmin)(x.real if step else x, axis=op.axis)


def _contract(op: ops.Contract, args: Values, eqn: Eqn) -> Value:
    x, y = args
    sizes: dict[int, int] = {}
    for labels, a in ((op.a, x), (op.b, y)):
        for label, size in zip(labels, np.shape(a)):
            if sizes.setdefault(label, size) != size:
                raise ShapeError(f"dot: shapes {np.shape(x)} and {np.shape(y)} do not fit: sizes {sizes[label]} and "
                                 f"{size} differ")
    dtype = np.result_type(x, y)
    return np.einsum(np.asarray(x, dtype), list(op.a), np.asarray(y, dtype), list(op.b), list(op.out), optimize=True)


def check_room(what: str, shape: Sequence[int], dtype: str) -> None:
    """An array of so many bytes can't exist: a MemoryError, as for one that merely does not fit."""
    if math.prod(shape) * np.dtype(dtype).itemsize > np.iinfo(np.int64).max:
        raise MemoryError(f"{what}: an array of shape {tuple(shape)} and dtype {dtype} has more bytes than there are "
                          f"addresses")


def _broadcast(op: ops.Broadcast, args: Values, eqn: Eqn) -> Value:
    x = np.asarray(args[0])
    shape = tuple(int(s) for s in args[1:])
    if any(s < 0 for s in shape):
        raise ShapeError(f"alloc: sizes must not be negative, got {shape}")
    fixed = eqn.args[0].type.shape
    for k in range(1, x.ndim + 1):
        if fixed[-k] != 1 and x.shape[-k] != shape[-k]:
            raise ShapeError(f"alloc: an array of shape {x.shape} does not broadcast to {shape}{SIZE_ONE}")
    check_room("alloc", shape, eqn.out.type.dtype)
    return np.broadcast_to(x, shape).copy()


def _transpose(op: ops.Transpose, args: Values, eqn: Eqn) -> Value:
    x = np.asarray(args[0])
    kept = [p for p in op.perm if p >= 0]
    dropped = tuple(k for k in range(x.ndim) if k not in kept)
    y = x.transpose(*kept, *dropped).reshape([x.shape[p] for p in kept])
    return y[tuple(None if p < 0 else slice(None) for p in op.perm)]


def _reshape(op: ops.Reshape, args: Values, eqn: Eqn) -> Value:
    x = np.asarray(args[0])
    shape = tuple(int(s) for s in args[1:])
    if any(s < 0 for s in shape) or math.prod(shape) != x.size:
        raise ShapeError(f"reshape: an array of shape {x.shape} does not fill shape {shape}")
    return x.reshape(shape)


def index_of(items: ops.Items, dynamic: Sequence[Value], shape: tuple[int, ...]) -> tuple[Any, ...]:
    """The NumPy index of a basic index with its dynamic entries filled in."""
    index: list[object] = []
    for axis, (item, given) in enumerate(ops.with_arguments(items, dynamic)):
        bounds = item.filled(map(int, given))
        if item.is_single:
            k = bounds[0]
            if not -shape[axis] <= k < shape[axis]:
                raise IndexOutOfBoundsError(f"index {k} is out of bounds for dimension {axis} of size {shape[axis]}")
            index.append(k)
        else:
            if bounds[2] == 0:
                raise ShapeError("a slice has step 0")
            index.append(slice(*bounds))
    return tuple(index)


def _slice(op: ops.Slice, args: Values, eqn: Eqn) -> Value:
    x = np.asarray(args[0])
    return x[index_of(op.items, args[1:], x.shape)].copy()


def _scatter(op: ops.Scatter, args: Values, eqn: Eqn) -> Value:
    x, v = np.asarray(args[0]), np.asarray(args[1])
    index = index_of(op.items, args[2:], x.shape)
    result = x.astype(np.result_type(x, v)) if np.iscomplexobj(v) else x.copy()
    place = result[index]
    _check_fit(op, eqn, v, np.shape(place))
    result[index] = v if op.mode == "set" else place + v
    return result


def _check_fit(op: ops.Scatter | ops.ScatterAt, eqn: Eqn, v: np.ndarray, place: tuple[int, ...]) -> None:
    """Does v, the second argument, fit a place of this shape?"""
    fixed = eqn.args[1].type.shape
    for k in range(1, v.ndim + 1):
        if fixed[-k] != 1 and v.shape[-k] != place[-k]:
            raise ShapeError(f"{op.mode}_subtensor: a part of shape {v.shape} does not fit a place of shape {place}")


def positions_of(axes: Sequence[int], index: Values, eqn: Eqn, shape: tuple[int, ...]) -> list[np.ndarray]:
    """Index arrays for `axes`, checked, and broadcast with each other."""
    variables = eqn.args[len(eqn.args) - len(index):]
    alone = Eqn(eqn.op, variables, eqn.outs)
    check_broadcast("index arrays", alone, list(index), [v.type for v in variables])  # type: ignore[misc]
    for axis, i in zip(axes, map(np.asarray, index)):
        wrong = (i < -shape[axis]) | (i >= shape[axis])
        if wrong.any():
            first = int(i[np.unravel_index(np.argmax(wrong), i.shape)])
            raise IndexOutOfBoundsError(f"index {first} is out of bounds for dimension {axis} of size {shape[axis]}")
    return list(np.broadcast_arrays(*[np.asarray(i).astype("int64") for i in index]))


def _gather(op: ops.Gather, args: Values, eqn: Eqn) -> Value:
    x = np.asarray(args[0])
    first = positions_of(op.axes, args[1:], eqn, x.shape)
    return np.moveaxis(x, op.axes, range(len(op.axes)))[tuple(first)].copy()


def _scatter_at(op: ops.ScatterAt, args: Values, eqn: Eqn) -> Value:
    x, v = np.asarray(args[0]), np.asarray(args[1])
    index = tuple(positions_of(op.axes, args[2:], eqn, x.shape))
    result = x.astype(np.result_type(x, v)) if np.iscomplexobj(v) else x.copy()
    part = np.moveaxis(result, op.axes, range(len(op.axes)))
    _check_fit(op, eqn, v, (*index[0].shape, *part.shape[len(index):]))
    if op.mode == "inc":
        np.add.at(part, index, v)
    else:
        part[index] = v
    return result


def _concat(op: ops.Concat, args: Values, eqn: Eqn) -> Value:
    try:
        return np.concatenate([np.asarray(a) for a in args], axis=op.axis)
    except ValueError:
        raise ShapeError(f"join: shapes {', '.join(str(np.shape(a)) for a in args)} do not fit along axis {op.axis}"
                         ) from None


def _iota(op: ops.Iota, args: Values, eqn: Eqn) -> Value:
    n = max(int(args[0]), 0)
    check_room("arange", (n,), "int64")
    return np.arange(n, dtype="int64")


def _shapeof(op: ops.ShapeOf, args: Values, eqn: Eqn) -> Value:
    shape = np.shape(args[0])
    return np.asarray(shape if op.axis is None else shape[op.axis], dtype="int64")


def _assert(op: ops.Assert, args: Values, eqn: Eqn) -> Value:
    x, conditions, shown = op.split(args)
    if not all(np.all(c) for c in conditions):
        message = op.message
        if shown:
            (valid,) = np.broadcast_arrays(conditions[0])
            first = np.unravel_index(np.argmin(valid.astype(bool)), valid.shape)
            message = errors.fill(message, [np.broadcast_to(v, valid.shape)[first].item() for v in shown])
        raise getattr(errors, ops.ASSERT_ERRORS[op.error])(message)
    return x


class _Sizes(Static):
    """Sizes as a run has them."""

    broadcast_note = SIZE_ONE

    def __init__(self, eqn: Eqn, args: Values) -> None:
        super().__init__(None)
        self.values = dict(zip(eqn.args, args))

    def of(self, arg: Any) -> tuple[int, ...]:
        return np.shape(self.values[arg])

    def naming(self) -> Callable[[Any], str]:
        return lambda arg: shown(arg.name or "a result")

    def value(self, arg: Any) -> int:
        return int(self.values[arg])

    def at_least(self, a: int | None, low: int, error: str, message: Callable[[], str]) -> None:
        if a is not None and a < low:
            raise ShapeError(message().format(a))


def _call(op: ops.Call, args: Values, eqn: Eqn) -> Values:
    inputs, stated = op.split(args)
    routine = get_routine(op.routine)
    if isinstance(routine, UserRoutine):
        return run_user_op(eqn, inputs, [tuple(map(int, each)) for each in stated])
    shapes = rule_of(op)(_Sizes(eqn, args), op, eqn.args)
    for out, shape in zip(eqn.outs, shapes):
        if isinstance(out.type, TensorType) and shape is not None:
            check_room(str(op), shape, out.type.dtype)  # type: ignore[arg-type]
    cores, made = routine.cores
    batch = () if routine.has_state else shapes[0][:len(shapes[0]) - len(made[0])]  # type: ignore[index, arg-type]
    if not batch:
        return _one_call(op, inputs, shapes, ())
    parts = [np.broadcast_to(x, (*batch, *np.shape(x)[np.ndim(x) - len(core):])) for x, core in zip(inputs, cores)]
    found = [_one_call(op, [x[place] for x in parts], shapes, place) for place in np.ndindex(batch)]  # type: ignore
    rows = zip(*found) if found else [()] * len(made)
    return [np.asarray(row, None if found else out.type.dtype).reshape(shape)
            for row, shape, out in zip(rows, shapes, eqn.outs)]


def _one_call(op: ops.Call, inputs: Values, shapes: Sequence[Any], place: tuple[int, ...]) -> Values:
    """The values of a row at index `place` of the batch; nan where it fails and is not to report it."""
    routine: Routine = get_routine(op.routine)
    stated = [shape[len(place):] for shape, core in zip(shapes, routine.cores[1]) if core == STATED]
    try:
        made = routine.value(*inputs, *stated)
        return made if isinstance(made, list) else [made]
    except Fault as fault:
        if routine.faults:
            raise routine.error(fault, place[op.outer:]) from None
        return [np.full(shape[len(place):], np.nan, inputs[0].dtype) for shape in shapes]


def _words(op: ops.Words, args: Values, eqn: Eqn) -> Values:
    return [generator_of(args[0]) if op.back else words_of(args[0], str(op), state_type(eqn.args[0]).bits)]


def _gradient_of(op: ops.GradientOf, args: Values, eqn: Eqn) -> Value:
    return args[-1]


def _scan(op: ops.Scan, args: Values, eqn: Eqn) -> Values:
    steps, limit, seqs, inits, others = op.split(args)
    steps = int(steps)
    if steps < 0:
        raise ShapeError(fill(NEGATIVE_STEPS.format(literal(str(op))), [steps]))
    for x, v in zip(seqs, op.split(eqn.args)[2]):
        if len(x) < steps:
            raise ShapeError(fill(FEW_ROWS.format(literal(str(op)), literal(shown(v.name or v))), [len(x), steps]))
    holomorphic = _is_complex_step(args, eqn)
    rows: Values = [None] * op.n_stacked
    carries = list(inits)
    end = steps if limit is None else min(int(limit), steps)
    count = 0
    for t in range(end - 1, -1, -1) if op.reverse else range(end):
        made = evaluate(op.body, [*(x[t] for x in seqs), *carries, *others], holomorphic=holomorphic)
        after = made[:op.n_carries]
        for k, (old, new) in enumerate(zip(carries, after)):
            if np.shape(old) != np.shape(new):
                raise ShapeError(f"{op}: carry {k} has shape {np.shape(old)} before step {t} and {np.shape(new)} after "
                                 f"it; a carry keeps its shape")
        carries = after
        for k, row in enumerate(made[op.n_carries:op.n_carries + op.n_stacked]):
            if rows[k] is None:
                rows[k] = _stack(steps, row)
            if rows[k].shape[1:] != np.shape(row):
                raise ShapeError(f"{op}: result {k} has shape {rows[k].shape[1:]} at first and {np.shape(row)} in step "
                                 f"{t}; the rows of a result have one shape")
            rows[k][t] = row
        count += 1
        if op.until and made[-1]:
            break
    if count == 0 and rows:
        rows = [np.zeros(shape, v.type.dtype) for v, shape in _rows_of_no_step(op, eqn, args)]
    return [*carries, *rows, *([np.asarray(count, "int64")] if op.until else [])]


def _rows_of_no_step(op: ops.Scan, eqn: Eqn, args: Values) -> list[tuple[Var, tuple[int, ...]]]:
    """What a loop stacks, and its shape, if no step was run: as `ir.shapes` tells; 0 where only a run does."""
    sizes = Shapes()
    for v, value in zip(eqn.args, args):
        sizes.dims[v] = np.shape(value)
        if isinstance(v.type, TensorType) and not v.type.ndim and v.type.dtype in dtypes.INTEGERS:
            sizes.values[v] = int(value)
    sizes.note(eqn)
    stacked = eqn.outs[op.n_carries:op.n_carries + op.n_stacked]
    return [(v, tuple([n if isinstance(n, int) else 0 for n in sizes.of(v)])) for v in stacked]


def _stack(steps: int, row: np.ndarray) -> np.ndarray:
    """Room for a row of each step."""
    try:
        return np.zeros((steps, *np.shape(row)), row.dtype)
    except ValueError:          # more bytes than an address has bits for
        raise MemoryError(f"{steps} rows of shape {np.shape(row)} do not fit in memory") from None


def _cond(op: ops.Cond, args: Values, eqn: Eqn) -> Values:
    return evaluate(op.then if args[0] else op.orelse, args[1:], holomorphic=_is_complex_step(args, eqn))


def _is_complex_step(args: Values, eqn: Eqn) -> bool:
    """Are complex numbers given where floats are expected?"""
    return any(np.iscomplexobj(x) and v.type.dtype in dtypes.FLOATS
               for x, v in zip(args, eqn.args) if isinstance(x, np.ndarray))


_RUN: dict[type[ops.OpKind], Callable[..., Value]] = {
    ops.Const: _constant, ops.Map: _map, ops.Cast: _cast, ops.Reduce: _reduce, ops.Cumulate: _cumulate,
    ops.ArgReduce: _argreduce, ops.Contract: _contract, ops.Broadcast: _broadcast, ops.Transpose: _transpose,
    ops.Reshape: _reshape, ops.Slice: _slice, ops.Scatter: _scatter, ops.Gather: _gather,
    ops.ScatterAt: _scatter_at, ops.Concat: _concat, ops.Iota: _iota,
    ops.ShapeOf: _shapeof, ops.Assert: _assert, ops.Call: _call, ops.Words: _words,
    ops.GradientOf: _gradient_of, ops.Scan: _scan, ops.Cond: _cond,
}
