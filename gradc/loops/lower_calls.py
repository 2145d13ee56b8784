"""Calls -> statements, in loops over their batches, and the checks that tell what failed, and at which index."""

from __future__ import annotations

from typing import Any

from gradc.errors import literal
from gradc.ir.routines import Routine, get_routine
from gradc.loops.access import Access
from gradc.loops.lower_values import ValueWriter
from gradc.loops.nodes import CallInfo, CheckInfo, Expr, For, Invoke, Load, Local, SizeExpr
from gradc.loops.schedule import LOOP_NAMES, CallItem, Leaf
from gradc.loops.scopes import Scope, cast


def write_call(of: ValueWriter, item: CallItem, scope: Scope, blocked: bool = False) -> None:
    """The statements of a call; `blocked`: the outermost loop over its batch is cut."""
    routine, depth = get_routine(item.routine), len(item.batch)
    args: list[Expr] = []
    numbers: list[SizeExpr] = list(item.numbers)
    for k, (operand, in_memory) in enumerate(zip(item.args, item.in_memory)):
        if not in_memory:
            args.append(cast(of.value(operand, scope), routine.takes[k]))
            continue
        assert isinstance(operand, Leaf)
        a = of.memory.leaf(operand)
        of.reads[a.buffer] = None
        args.append(_first(of, a, depth, scope))
        if isinstance(routine, Routine) and routine.layouts[k] == "matrix":
            row, column = a.strides[-2:]
            numbers += [int(column != 1), row if column == 1 else column]
    outs = []
    for var in item.outs:
        if item.told:
            numbers += [-1 - of.memory.of(var).position] if var in item.told else of.sizes.of(var)
        a = of.memory.whole(item.told.get(var, var))
        of.writes[a.buffer] = None
        outs.append(_first(of, a, depth, scope))
    function, failures = _function(of, item, routine)
    shown = LOOP_NAMES[item.outer:depth] if failures else ()
    place = tuple([Local(v, "int64") for v in shown[:routine.room(len(shown))]]) if shown else ()
    body: Invoke | For = Invoke(function, tuple(args), tuple(outs), tuple(numbers), failures, place)
    for level, size in reversed(list(enumerate(item.batch))):
        start: Any = "lo" if blocked and level == 0 else 0
        stop: Any = "hi" if blocked and level == 0 else size
        body = For(LOOP_NAMES[level], start, stop, (body,))
    scope.statements.append(body)


def _first(of: ValueWriter, a: Access, depth: int, scope: Scope) -> Load:
    """The first element of an array, of the one at hand of a batch."""
    return Load(a.buffer, of.index(Access(a.buffer, a.strides[:depth], a.offset), scope))


def _function(of: ValueWriter, item: CallItem, routine: Any) -> tuple[Any, tuple[tuple[int | None, int], ...]]:
    """What is called, and the number of a check for each way in which it fails."""
    if isinstance(item.routine, str):
        of.routines[item.routine] = None
        rank = len(item.batch) - item.outer
        found = [(k + 1, kind, routine.message(k, rank)) for k, (kind, _) in enumerate(routine.faults)]
        function: Any = item.routine
    elif routine.snippet is None:
        of.calls.append(CallInfo(str(routine), item.sources))
        return len(of.calls) - 1, ()
    else:
        function = routine.snippet
        texts = [*[(code, literal(text)) for code, text in function.errors], (None, "its C code returned {0}")]
        found = [(code, "ExecutionError", f"CFunction {function.name} failed: {text}") for code, text in texts]
    first = len(of.sizes.checks) + 1
    of.sizes.checks += [CheckInfo(kind, text, item.sources) for _, kind, text in found]
    return function, tuple([(code, number) for number, (code, *_) in enumerate(found, first)])


def title(of: ValueWriter, item: CallItem) -> str:
    """What to call the section of a call."""
    made = ", ".join([of.memory.label(v) for v in item.outs])
    arrays = [x for x, flag in zip(item.args, item.in_memory) if flag and isinstance(x, Leaf)]
    given = ", ".join([of.memory.leaf(x).buffer.name for x in arrays])
    return f"{made} = {get_routine(item.routine)}({given})"
