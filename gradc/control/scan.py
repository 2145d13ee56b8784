"""`scan`: the user's step function becomes the body of a loop, an `ops.Scan` on the expression graph.

Here: everything that Aesara's `scan` accepts is brought to the one form that `ops.Scan` has.
    taps of a sequence       several sequences, each a part of the user's
    taps of a state          as many carries, newest first, of which all but the first are only copied
    go_backwards             sequences that are reversed parts
    updates                  the shared variable is a carry, too; its last value is the update
    what the step reads      what was made before the step was called is computed once, before the loop, and reads
                             shared variables as they are then; what the step makes reads the carries
    all values of a state    a stacked row equal to the next carry
    until                    stacked rows are cut to the number of steps that were run
Not here: what the step may return (`control.returned`), derivatives (`control.scan_rules`), optimisation (`passes`).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from gradc.control.bodies import close
from gradc.control.residuals import used
from gradc.control.returned import OrderedUpdates, Returned, attach, read, warn_if_forgotten
from gradc.errors import (
    FEW_ROWS,
    GradcWarning,
    LoopError,
    MissingInputError,
    ShapeError,
    at,
    fill,
    literal,
    quoted,
    shown,
)
from gradc.ir import dtypes, ops
from gradc.ir.graph import (
    Apply,
    Constant,
    Variable,
    ancestors,
    apply,
    describe,
    made_with,
    moment,
    reading,
    toposort,
    user_line,
)
from gradc.ir.types import TensorType
from gradc.record import record
from gradc.tensor.convert import as_tensor_variable, cast, size_constant, size_of
from gradc.tensor.elemwise import minimum

if TYPE_CHECKING:
    from gradc.tensor.types import TensorLike
    from gradc.tensor.variable import TensorVariable


@record(eq=False)
class Built:
    """A built loop: for each output of the step its rows, and its last value where it is carried on (else None)."""

    stacked: list[TensorVariable]
    last: list[TensorVariable | None]
    updates: OrderedUpdates


StepFunction: TypeAlias = Callable[..., Any]         # returns outputs, updates, `until`, as `scan` says
Taken: TypeAlias = Any                               # what a loop takes: one entry or a list; tensors, dicts with taps
Outputs: TypeAlias = tuple[Any, OrderedUpdates]      # one output, a list of them, or None; and the updates


def scan(fn: StepFunction, sequences: Taken = None, outputs_info: Taken = None, non_sequences: Taken = None,
         n_steps: TensorLike | None = None, truncate_gradient: int = -1, go_backwards: bool = False,
         mode: object = None, name: str | None = None, profile: bool = False, allow_gc: bool | None = None,
         strict: bool = False, return_list: bool = False) -> Outputs:
    """Call `fn` once, symbolically, and repeat what it returns: `(outputs, updates)`.

    fn             gets, in this order: for each sequence its taps at step t; for each output that is fed back its taps;
                   the non-sequences.  Returns outputs, then updates of shared variables (a dict), then
                   `until(condition)`; each may be left out
    sequences      tensors that step t takes row t of, or dict(input=x, taps=[-1, 0, 2]): rows t - 1, t, t + 2 of those
                   for which all exist.  Without n_steps the shortest says how many steps there are
    outputs_info   for each output its initial value; None if it is not fed back; or dict(initial=v, taps=[-2, -1]),
                   where v holds the values before the first step along its first axis, as many as the furthest tap goes
                   back.  Initial value and result of the step have one dtype and one shape
    non_sequences  handed to fn as they are.  What else the step uses need not be listed, unless `strict`.  A value
                   belongs to where it is made: what fn merely uses, a random draw too, is one value for all steps;
                   what fn makes is made in every step
    n_steps        an int, or an integer scalar; negative ints run backwards through the sequences; 0: empty results
    truncate_gradient  steps that the derivative goes back through; -1: all
    go_backwards   take sequences from their ends
    return_list    a list of outputs also if there is only one
    mode, profile, allow_gc are accepted; the loop is compiled with the function that it stands in.

    A gradient that alone reads the states of the steps computes most of them again if they take more memory than
    `config.checkpoint_bytes`; if the outputs are used otherwise they are there anyhow.

    Shapes: step's result (...) -> output (steps, ...).  Dtype: that of the step's result.
    Returns: one output or the list of them (None if there are none), and the updates to give to `function`.
    Raises: LoopError (a TypeError and a ValueError) where arguments and step do not fit, MissingInputError if `strict`
    and the step uses what is not listed, ShapeError, also at the call, for sequences with fewer rows than n_steps.
    """
    loop = build(fn, sequences, outputs_info, non_sequences, n_steps, truncate_gradient, go_backwards, name, strict)
    rows = loop.stacked
    return (rows if return_list or len(rows) > 1 else rows[0] if rows else None), loop.updates


def build(fn: StepFunction, sequences: Taken, outputs_info: Taken, non_sequences: Taken,
          n_steps: TensorLike | None = None, truncate_gradient: int = -1, go_backwards: bool = False,
          name: str | None = None, strict: bool = False, *, limit: Variable | None = None,
          recompute: bool = False) -> Built:
    """The loop that `scan` stands for, with its errors; `limit` (an int64 scalar) and `recompute` as in `ops.Scan`."""
    if isinstance(truncate_gradient, bool) or not isinstance(truncate_gradient, (int, np.integer)) \
            or truncate_gradient < -1:
        raise fault(f"truncate_gradient is a number of steps, or -1 for all, got {quoted(truncate_gradient)}")
    taken, steps = taken_rows(sequences, n_steps, go_backwards)
    states = [_state(s, k) for k, s in enumerate(as_list(outputs_info))]
    fixed = [as_tensor_variable(v) if not isinstance(v, Variable) else v for v in as_list(non_sequences)]

    fresh = [*(r.row for s in taken for r in s.rows), *(v for s in states for v in s.seen())]
    args = [*fresh, *fixed]
    called = dict(zip(map(id, args), _parameters(fn, len(args))))
    for v in fresh:
        v.name = called.get(id(v), v.name)
    with made_with(None):
        since = moment()
        returned = read(_called(fn, args))
        if not states:
            states = [_State([], (), []) for _ in returned.outputs]
        _fit(states, returned.outputs)
        shared = _updated(returned, fixed, since)
    if not returned.outputs and not shared:
        raise fault("the step returns no outputs and no updates, so the loop would do nothing")

    rows = [r.row for s in taken for r in s.rows]
    read_as = {v: _stand_in(v) for v in shared}
    carries = [*(v for s in states for v in s.carries), *read_as.values()]
    after: list[Variable] = []
    for state, output in zip(states, returned.outputs):
        after += [output, *state.carries[:-1]] if state.carries else []
    outputs = [*after, *shared.values(), *returned.outputs, *([] if returned.stop is None else [returned.stop])]
    if strict:
        _refuse_implicit([*fresh, *shared, *fixed], outputs, since)
    closed = close([*rows, *carries], reading(outputs, read_as, since) if shared else outputs)
    for var, v in zip(closed.program.inputs[len(rows) + len(carries):], closed.others):
        var.name = var.name or called.get(id(v))
    op = ops.Scan(closed.program, len(rows), len(carries), until=returned.stop is not None, limited=limit is not None,
                  truncate=int(truncate_gradient), name=name or "", recompute=recompute)
    counts = [steps] if limit is None else [steps, limit]
    made = apply(op, *counts, *(r.values for s in taken for r in s.rows), *(v for s in states for v in s.initial),
                 *shared, *closed.others)
    made = made if isinstance(made, list) else [made]
    return _results(op, made, states, shared)


def _results(op: ops.Scan, made: list[TensorVariable], states: Sequence[_State], shared: OrderedUpdates) -> Built:
    """The results of the loop handed to those who asked for them."""
    stacked = made[op.n_carries:op.n_carries + op.n_stacked]
    if op.until:
        stacked = [rows[:made[-1]] for rows in stacked]
    last: list[TensorVariable | None] = []
    place = 0
    for state in states:
        last.append(made[place] if state.carries else None)
        place += len(state.carries)
    updates = OrderedUpdates(zip(shared, made[place:op.n_carries]))
    assert made[0].owner is not None
    attach(made[0].owner, updates)
    return Built(stacked, last, updates)


# ----------------------------------------------------------------------------------------- what the user gave


@record(eq=False)
class _Rows:
    """A sequence of the loop: `values`, and `row`, which stands for row t in the step."""

    values: TensorVariable
    row: Variable


@record(eq=False)
class _Sequence:
    """One of the user's sequences: its rows by tap, and how many steps they last."""

    name: str
    rows: list[_Rows]
    length: TensorVariable


@record(eq=False)
class _State:
    """What one output is fed back through: carries, newest first, their initial values, and the taps fn sees."""

    initial: Sequence[Variable]
    taps: tuple[int, ...]
    carries: Sequence[Variable]

    def seen(self) -> list[Variable]:
        return [self.carries[-tap - 1] for tap in self.taps]


def fault(text: str, advice: str = "") -> LoopError:
    """What is wrong with the call of `scan`, with the line it stands in."""
    return LoopError(f"scan: {text}{at(user_line())}{f'; {advice}' if advice else ''}")


def as_list(given: object) -> list[Any]:
    """One, several or none as a list."""
    return [] if given is None else list(given) if isinstance(given, (list, tuple)) else [given]


def taken_rows(sequences: Taken, n_steps: TensorLike | None, go_backwards: bool = False) -> tuple[list[_Sequence], Any]:
    """The sequences as the loop takes them, in its direction, and the number of steps."""
    count, backwards = _count(n_steps)
    taken = [_sequence(s, k, bool(go_backwards) != backwards) for k, s in enumerate(as_list(sequences))]
    return taken, _steps(count, taken)


def _count(n_steps: TensorLike | None) -> tuple[TensorVariable | None, bool]:
    """The number of steps asked for, as an int64 scalar or None, and whether it was negative: backwards."""
    if n_steps is None or (isinstance(n_steps, float) and not math.isfinite(n_steps)):
        return None, False
    if isinstance(n_steps, float) and n_steps.is_integer():
        n_steps = int(n_steps)
    count = as_tensor_variable(n_steps)
    if count.type.dtype not in dtypes.INTEGERS or any(s != 1 for s in count.type.shape):
        raise LoopError(f"scan: n_steps is an integer or an integer scalar, got "
                        f"{describe(count) if isinstance(n_steps, Variable) else quoted(n_steps)} of type {count.type}"
                        f"{at(count.source)}")
    if count.type.ndim:
        count = count.reshape(())
    if isinstance(count, Constant):
        return size_constant(abs(int(count.data))), bool(count.data < 0)
    return cast(count, "int64"), False


def _taps(given: Any, what: str) -> list[int]:
    taps = list(given) if isinstance(given, (list, tuple, range, np.ndarray)) else [given]
    if not taps or any(isinstance(t, bool) or not isinstance(t, (int, np.integer)) for t in taps):
        raise fault(f"the taps of {what} are a list of integers, got {quoted(given)}")
    if len(set(taps)) != len(taps):
        raise fault(f"the taps of {what} must differ, got {quoted(given)}")
    return [int(t) for t in taps]


def _entries(given: dict[str, object], names: Sequence[str], what: str) -> None:
    for key in given:
        if key not in names:
            raise fault(f"{what} has the entry {quoted(key)}; expected {' and '.join(map(repr, names[:2]))}")


def _sequence(given: Any, k: int, backwards: bool) -> _Sequence:
    what = f"sequences[{k}]"
    taps = [0]
    if isinstance(given, dict):
        _entries(given, ("input", "taps"), what)
        if given.get("input") is None:
            raise fault(f"{what} has no 'input'")
        if given.get("taps") is not None:
            taps = _taps(given["taps"], what)
        given = given["input"]
    x = as_tensor_variable(given)
    if not x.type.ndim:
        raise LoopError(f"scan: {what} is the scalar {describe(x)}{at(x.source)}; a sequence has at least one "
                        f"dimension. A value that is the same in each step belongs to non_sequences")
    first, last = min(0, *taps), max(0, *taps)      # rows before -first and the `last` ones have no step of their own
    kind = TensorType.make(x.type.dtype, x.type.shape[1:])
    rows = []
    for tap in taps:
        start, stop = tap - first, tap - last
        values = x if not start and not stop else x[start:stop or None]
        rows.append(_Rows(values[::-1] if backwards else values, _at_tap(kind, x, tap)))
    return _Sequence(x.name or what, rows, size_of(rows[0].values, 0))


def _at_tap(kind: TensorType, x: TensorVariable, tap: int) -> TensorVariable:
    """A variable that stands for x at `tap` in the step, named such as h[t-1]; `grad` tells it by its tag."""
    new = kind(name=f"{x.name}[t{f'{tap:+d}' if tap else ''}]" if x.name else None)
    new.tag.stands_for = x
    return new


def _state(given: Any, k: int) -> _State:
    what = f"outputs_info[{k}]"
    taps: list[int] | None = None
    if isinstance(given, dict):
        _entries(given, ("initial", "taps", "inplace", "return_steps", "store_steps"), what)
        if given.get("taps") is not None:
            taps = _taps(given["taps"], what)
        given = given.get("initial")
        if given is None and taps:
            raise fault(f"{what} has taps {taps}, but no 'initial' value to begin with")
    if given is None:
        return _State([], (), [])
    taps = taps or [-1]
    if max(taps) >= 0:
        raise fault(f"the taps of {what} must be negative, as only earlier values are known, got {taps}")
    initial = as_tensor_variable(given)
    depth = -min(taps)
    if taps == [-1]:
        values = [initial]
    else:
        known = initial.type.shape[0] if initial.type.ndim else 0
        if known is not None and known < depth:
            raise LoopError(f"scan: {what} with taps {taps} must hold {depth} values along its first axis, got "
                            f"{describe(initial)}, which is {initial.type.short()}{at(initial.source)}")
        values = [initial[depth - back] for back in range(1, depth + 1)]
    carries = [_at_tap(v.type, initial, -back) for back, v in enumerate(values, 1)]
    return _State(values, tuple(taps), carries)


def _steps(count: TensorVariable | None, taken: Sequence[_Sequence]) -> TensorVariable:
    """How many steps to run: as asked for, or as many as the shortest sequence lasts."""
    if count is not None:
        for s in taken:
            if isinstance(count, Constant) and isinstance(s.length, Constant) and s.length.data < count.data:
                text = FEW_ROWS.format("scan", literal(shown(s.name)))
                raise ShapeError(f"{fill(text, [int(s.length.data), int(count.data)])}{at(user_line())}")
        return count
    if not taken:
        raise fault("nothing says how many steps to run", "give n_steps or a sequence")
    steps = taken[0].length
    for s in taken[1:]:
        if isinstance(steps, Constant) and isinstance(s.length, Constant):
            steps = min(steps, s.length, key=lambda v: int(v.data))
        else:
            steps = minimum(steps, s.length)
    return steps


# ------------------------------------------------------------------------------------------------ the step


def _parameters(fn: StepFunction, count: int) -> Sequence[str]:
    """What `fn` calls its first `count` arguments; nothing if it does not name so many."""
    code = getattr(fn, "__code__", None)
    names = code.co_varnames[hasattr(fn, "__self__"):code.co_argcount] if code is not None else ()
    return names[:count] if len(names) >= count else ()


def _called(fn: StepFunction, args: Sequence[Variable]) -> object:
    """What the step returns; LoopError if it can't take the arguments."""
    try:
        return fn(*args)
    except TypeError as error:
        if error.__traceback__ is not None and error.__traceback__.tb_next is not None:     # from inside the step
            raise
        passed = ", ".join(shown(v.name) if v.name else f"an unnamed {v.type.short()}" for v in args)
        raise fault(f"the step {getattr(fn, '__name__', fn)!r} does not take the {len(args)} arguments it is given "
                     f"({passed}): {error}") from None


def _fit(states: Sequence[_State], outputs: Sequence[Variable]) -> None:
    """LoopError where outputs and initial values do not fit."""
    if len(states) != len(outputs):
        raise LoopError(f"scan: outputs_info has {len(states)} entries, but the step returns {len(outputs)} "
                        f"outputs{at(outputs[0].source if outputs else user_line())}; give an entry for each, None for "
                        f"one that is not fed back")
    for k, (state, out) in enumerate(zip(states, outputs)):
        for initial in state.initial[:1]:
            have, want = initial.type, out.type
            text = (f"scan: output {k} begins as {have.short()} ({describe(initial)} of outputs_info[{k}]"
                    f"{at(initial.source)}), but the step makes {want.short()} of it{at(out.source)}")
            if have.dtype != want.dtype:
                raise LoopError(f"{text}; cast the initial value to {want.dtype} (or the step's result to "
                                f"{have.dtype})")
            if have.ndim != want.ndim:
                raise LoopError(f"{text}: {have.ndim} and {want.ndim} dimensions; a value that is fed back keeps its "
                                f"shape")
            if any(a is not None and b is not None and a != b for a, b in zip(have.shape, want.shape)):
                raise LoopError(f"{text}: a value that is fed back keeps its shape")


def _updated(returned: Returned, fixed: Sequence[Variable], since: int) -> OrderedUpdates:
    """Shared variables that change from step to step: those with updates, and with a default update, in the step.

    What was made before the step (not after `since`) is not the step's, nor are the shared variables that it reads.
    """
    found = OrderedUpdates()
    for variable, value in returned.updates.items():
        found[variable] = _new_value(variable, value)
    stack = [*returned.outputs, *found.values(), *([] if returned.stop is None else [returned.stop])]
    seen = {id(v) for v in fixed if v.owner is not None}
    arrays = {v for v in found if isinstance(v.type, TensorType)}
    nodes: dict[Apply, None] = {}
    while stack:
        v = stack.pop()
        if id(v) in seen:
            continue
        seen.add(id(v))
        if v.owner is not None:
            inside = v.owner.place > since
            if arrays or v.owner.made > since:          # else nothing above is of interest
                stack.extend(x for x in v.owner.inputs if inside or x.owner is not None)
                nodes[v.owner] = None
        elif getattr(v, "default_update", None) is not None and v not in found:
            found[v] = _new_value(v, _made_again(v.default_update, found, since))
            stack.append(found[v])
    for node in nodes:
        if node.place > since:
            warn_if_forgotten(node, found)
        else:
            _warn_of_old_value(node, arrays)
    return found


def _made_again(value: Variable, updated: Collection[Variable], since: int) -> Variable:
    """A default update, made in the step: of the variables that change there."""
    if not isinstance(value, Variable) or value.owner is None or value.owner.made > since:
        return value
    memo: dict[Variable, Variable] = {}
    for node in toposort([value]):
        if any(v in memo or v in updated or getattr(v, "default_update", None) is not None for v in node.inputs):
            inputs = [memo.get(v, v) for v in node.inputs]
            memo.update(zip(node.outputs, node.clone_with_new_inputs(inputs).outputs))
    return memo.get(value, value)


def _warn_of_old_value(node: Apply, updated: Collection[Variable]) -> None:
    """GradcWarning if `node`, made before the step, reads an array that the step updates."""
    for v in used(node):
        if v in updated:
            warnings.warn_explicit(
                f"scan: the step updates {describe(v)}, but uses {describe(node.outputs[0])}{at(node.source)}, which "
                f"is made before the step and so computed once, from the value that {describe(v)} has before the loop; "
                f"make it in the step, or pass it in non_sequences if this is meant",
                GradcWarning, *(user_line() or ("gradc", 0)))


def _stand_in(v: Variable) -> Variable:
    """What the step reads in place of a shared variable that it updates."""
    new = v.type.variable_class(v.type, name=v.name)
    new.source = v.source
    return new


def _new_value(variable: Variable, value: Any) -> Variable:
    """`value` as something that can follow `variable`."""
    if not isinstance(value, Variable):
        kind = variable.type
        value = kind.constant_class(kind, kind.filter(value, name=f"an update{at(user_line())}")) \
            if isinstance(kind, TensorType) else value
    have, want = value.type, variable.type
    if isinstance(want, TensorType) and isinstance(have, TensorType):
        same = have.dtype == want.dtype and have.ndim == want.ndim and all(
            a is None or b is None or a == b for a, b in zip(have.shape, want.shape))
    else:
        same = have == want
    if not same:
        raise LoopError(f"scan: the step updates {describe(variable)}, which is {variable.type.short()}, with "
                        f"{describe(value)}, which is {value.type.short()}{at(value.source)}; cast or reshape it")
    return value


def _refuse_implicit(explicit: Sequence[Variable], outputs: Sequence[Variable], since: int) -> None:
    """MissingInputError naming what a strict step takes from outside without saying so."""
    for v in ancestors(outputs, blockers=explicit):
        if (v.owner is None or v.owner.made <= since) and any(
                u.owner is None and u not in explicit and not isinstance(u, Constant)
                for u in ancestors([v], blockers=explicit)):
            raise MissingInputError(f"scan with strict=True: the step uses {describe(v)}{at(v.source)}, which is not "
                                    f"among its arguments; add it to non_sequences")
