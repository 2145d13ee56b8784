"""Calls -> statements: Gemm, Draw, Extern."""

from __future__ import annotations

from typing import Any

from gradc.errors import literal
from gradc.ir import ops
from gradc.ir.distributions import DISTRIBUTIONS, fault
from gradc.ir.snippet import snippet_of
from gradc.loops.access import Access
from gradc.loops.lower_values import ValueWriter
from gradc.loops.nodes import CallInfo, CheckInfo, Draw, Expr, Extern, For, Gemm, Index, Load
from gradc.loops.schedule import LOOP_NAMES, CallItem, Leaf
from gradc.loops.scopes import Scope, cast


def write_call(writer: ValueWriter, call: CallItem, scope: Scope) -> None:
    """The statements of a call."""
    match call.op:
        case ops.Contract():
            scope.statements.append(_gemm(writer, call, scope))
        case ops.Random():
            scope.statements.append(_draw(writer, call, call.op, scope))
        case ops.Callback():
            scope.statements.append(_user_call(writer, call, call.op, scope))


def title(writer: ValueWriter, call: CallItem) -> str:
    """What to call the section of a call."""
    match call.op:
        case ops.Contract():
            out, a, b = (found.buffer.name for found in (writer.memory.whole(call.outs[0]), *_arrays(writer, call)))
            return f"{out} = {a} times {b}"
        case ops.Random():
            return f"{writer.memory.label(call.outs[1])} of {call.op.distribution}"
    return str(call.op)


def _arrays(writer: ValueWriter, call: CallItem) -> list[Access]:
    return [writer.memory.leaf(a) for a in call.args if isinstance(a, Leaf)]


def _read(writer: ValueWriter, a: Access, scope: Scope, batch: int = 0) -> Load:
    """The first element of an array that is read (in a batch element of the loops around)."""
    writer.reads[a.buffer] = None
    return Load(a.buffer, _start(writer, a, scope, batch))


def _written(writer: ValueWriter, a: Access, scope: Scope, batch: int = 0) -> Load:
    writer.writes[a.buffer] = None
    return Load(a.buffer, _start(writer, a, scope, batch))


def _start(writer: ValueWriter, a: Access, scope: Scope, batch: int) -> Index:
    return writer.index(Access(a.buffer, a.strides[:batch], a.offset), scope)


def _gemm(writer: ValueWriter, call: CallItem, scope: Scope) -> Any:
    """A product of matrices for each of the leading indices."""
    *batch, m, n, k = call.sizes
    loads, flags, steps = [], [], []
    for a in _arrays(writer, call):
        row, column = a.strides[-2:]
        flags.append(column != 1)
        steps.append(row if column == 1 else column)
        loads.append(_read(writer, a, scope, len(batch)))
    out = _written(writer, writer.memory.whole(call.outs[0]), scope, len(batch))
    body: Any = Gemm(loads[0], loads[1], out, m, n, k, flags[0], flags[1], steps[0], steps[1])
    for size, v in reversed(list(zip(batch, LOOP_NAMES))):
        body = For(v, 0, size, (body,))
    return body


def _draw(writer: ValueWriter, call: CallItem, op: ops.Random, scope: Scope) -> Draw:
    """Draws; a parameter is one value, or an array with one for each draw."""
    row = DISTRIBUTIONS[op.distribution]
    before, *given = call.args
    assert isinstance(before, Leaf)
    state = _read(writer, writer.memory.leaf(before), scope)
    parameters: list[Expr] = []
    for operand, dtype in zip(given, row.parameters):
        if isinstance(operand, Leaf) and any(d != 1 for d in operand.view.dims):
            parameters.append(_read(writer, writer.memory.leaf(operand), scope))
        else:
            parameters.append(cast(writer.value(operand, scope), dtype))
    after, out = [_written(writer, writer.memory.whole(var), scope) for var in call.outs]
    checks = writer.sizes.checks
    number = len(checks) + 1
    shown = [f"{{{k}:float}}" if dtype == "float64" else f"{{{k}}}" for k, dtype in enumerate(row.parameters)]
    for what in row.faults:
        checks.append(CheckInfo("BadValueError", fault(op.distribution, what, shown), call.sources))
    return Draw(op.distribution, state, after, out, call.sizes[0], tuple(parameters), number, len(row.faults))


def _user_call(writer: ValueWriter, call: CallItem, op: ops.Callback, scope: Scope) -> Extern:
    """A user's function: C code in the unit, or a call of Python by number."""
    args = tuple([_read(writer, a, scope) for a in _arrays(writer, call)])
    outs = tuple([_written(writer, a, scope) for a in map(writer.memory.whole, call.outs)])
    shapes = [*[o.view.dims for o in call.args if isinstance(o, Leaf)], *map(writer.sizes.of, call.outs)]
    function: Any = snippet_of(op.op)
    failures: list[tuple[int | None, int]] = []
    if function is None:
        function = len(writer.calls)
        writer.calls.append(CallInfo(str(op), call.sources))
    else:
        checks = writer.sizes.checks
        for code, meaning in (*function.errors, (None, "its C code returned {0}")):
            meaning = literal(meaning) if code is not None else meaning
            checks.append(CheckInfo("ExecutionError", f"CFunction {function.name} failed: {meaning}", call.sources))
            failures.append((code, len(checks)))
    return Extern(function, args, outs, tuple(shapes), tuple(failures))
