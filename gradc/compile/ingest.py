"""Close a user's function over its inputs, shared variables, updates and givens: the first stage.

In: what the user wrote (`function`'s arguments).  Out: `Ingested`: one Program whose inputs are the explicit
arguments, then the shared variables, and whose outputs are the user's, then the new values of what is
updated; with the specifications the call path needs.  Every complaint about a malformed request is made here.
Not here: optimisation, C, calling.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from gradc.config import config
from gradc.control.products import may_be_matrix, products
from gradc.control.returned import warn_if_forgotten
from gradc.errors import GradcWarning, GraphError, SourceLine, TypeMismatchError, UnusedInputError, at, quoted, shown
from gradc.ir import ops
from gradc.ir.branches import selects, sink
from gradc.ir.convert import to_program
from gradc.ir.graph import Apply, Constant, Variable, describe, user_line
from gradc.ir.halves import in_floats
from gradc.ir.program import Eqn, Program, equations
from gradc.ir.types import RngType, TensorType, Type
from gradc.record import fresh, record


class In:
    """An input of `function` with options: default `value`, `update`, its own `name`, conversion rules.

    value:           what is used when the call gives nothing (also a SharedVariable: its storage is used)
    update:          expression whose value becomes the new default after each call
    strict:          accept only arrays of exactly this dtype
    allow_downcast:  True: convert any dtype; None: only Python numbers that lose nothing (floats for float32)
    borrow:          keep the array given as `value`, not a copy of it (True where `mutable` is)
    mutable:         the function may overwrite the array given.  Without it no function ever does; with it neither,
                     so far: kernels write to results and memory of their own, and need no such permission
    """

    def __init__(self, variable: Variable, name: str | None = None, value: object = None, update: Any = None,
                 mutable: bool | None = None, strict: bool = False, allow_downcast: bool | None = None,
                 autoname: bool = True, implicit: bool | None = None, borrow: bool | None = None,
                 shared: bool = False) -> None:
        if not isinstance(variable, Variable):
            raise TypeMismatchError(f"In expects a variable, got {_kind(variable)}{at(user_line())}")
        if mutable and borrow is False:
            raise GraphError(f"In({describe(variable)}): mutable=True implies borrow=True; leave borrow out"
                             f"{at(user_line())}")
        self.variable = variable
        self.name = variable.name if name is None and autoname else name
        self.value = value
        self.update = update
        self.mutable = bool(mutable)
        self.borrow = self.mutable if borrow is None else bool(borrow)
        self.strict = bool(strict)
        self.allow_downcast = allow_downcast
        self.implicit = hasattr(value, "container") if implicit is None else bool(implicit)
        self.shared = shared

    def __repr__(self) -> str:
        value = "" if self.value is None else f", value={self.value!r}"
        return f"In({describe(self.variable)}{value})"


class Out:
    """An output of `function`.

    borrow: the function keeps its last two results and uses an array again for a later call, once nobody else holds
    it (a view counts as holding).  For large results this saves most of what allocating costs, and takes their memory
    until `f.free()` or the function's end.  A result that is still held never changes.
    """

    def __init__(self, variable: Variable, borrow: bool = False) -> None:
        if not isinstance(variable, Variable):
            raise TypeMismatchError(f"Out expects a variable, got {_kind(variable)}{at(user_line())}")
        self.variable = variable
        self.borrow = bool(borrow)

    def __repr__(self) -> str:
        return f"Out({describe(self.variable)})"


Cell: TypeAlias = list[Any]          # of one item: a stored value, which calls read and replace


@record(frozen=False, eq=False)
class Argument:
    """One input of the Program: how a call finds and checks its value."""

    variable: Variable
    name: str | None
    type: Type
    strict: bool = False
    allow_downcast: bool | None = None
    storage: Cell | None = None     # of a shared variable: not an argument of the call
    default: Cell | None = None     # used where the call gives nothing


@record(frozen=False, eq=False)
class Ingested:
    """A closed request: the Program and what is needed to call it."""

    program: Program
    arguments: list[Argument]
    results: int                                # outputs of the user; the Program's further ones are updates
    result: str                                 # "one", "list", "dict", "none"
    keys: list[str] = fresh(factory=list)
    updates: list[tuple[int, Cell]] = fresh(factory=list)      # output position -> storage
    update_inputs: list[tuple[int, int]] = fresh(factory=list)      # output position -> input position
    outs: list[Out] = fresh(factory=list)
    ins: list[In] = fresh(factory=list)
    shared: list[Variable] = fresh(factory=list)
    wanted: dict[Variable, Variable] = fresh(factory=dict)      # updates: shared variable -> new value
    given: dict[Variable, Variable] = fresh(factory=dict)
    _numbered: list[Eqn] = fresh(factory=list)                  # `equations` of the Program, once asked for

    def lines_of(self, numbers: Iterable[int]) -> list[SourceLine]:
        """The user's lines behind `equations` of the Program, by number, each once."""
        return list(dict.fromkeys(line for k in numbers for line in self.equation(k).sources))

    def equation(self, number: int) -> Eqn:
        """One of the `equations` of the Program."""
        self._numbered = self._numbered or list(equations(self.program))
        return self._numbered[number]

    def explain(self, message: str, shapes: Sequence[tuple[int, ...]], lines: Sequence[SourceLine]) -> str:
        """A run-time error in a few lines: what, with which shapes, where the user wrote it."""
        text = [message]
        named = [f"{shown(a.name or f'input {k}')} {a.type.short()} of shape {tuple(s)}"
                 for k, (a, s) in enumerate(zip(self.arguments, shapes)) if s]
        if named:
            more = f", and {len(named) - 4} more" if len(named) > 4 else ""
            text.append(f"  inputs: {', '.join(named[:4])}{more}")
        text += [f"  where: {file}:{line}" for file, line in lines[:3]]
        return "\n".join(text)


def ingest(inputs: object, outputs: object, updates: object = None, givens: object = None,
           no_default_updates: bool | Sequence[Variable] = False,
           allow_input_downcast: bool | None = None, on_unused_input: str | None = None,
           rebuild_strict: bool = True) -> Ingested:
    """The Program of a `function` request; raises GraphError, TypeMismatchError, UnusedInputError,
    MissingInputError with what was found and where."""
    ins = _inputs(inputs)
    outs, kind, keys = _outputs(outputs)
    results = [o.variable for o in outs]
    position = {in_.variable: k for k, in_ in enumerate(ins)}
    given = _givens(givens, position, rebuild_strict)
    wanted = _updates(updates)
    roots = [*results, *wanted.values(), *(in_.update for in_ in ins if in_.update is not None)]
    shared, matrices = _survey(roots, given, wanted, no_default_updates, position)

    arguments, ends = [], []
    for in_ in ins:
        arguments.append(_argument(in_, allow_input_downcast))
    for variable in shared:
        arguments.append(Argument(variable, variable.name, variable.type,
                                  storage=variable.container.storage))  # type: ignore[attr-defined]
    where = {a.variable: k for k, a in enumerate(arguments)}
    news: list[Variable] = []
    for in_, argument in zip(ins, arguments):
        if in_.update is not None:
            news.append(_new_value(in_.variable, in_.update))
            cell = argument.storage if argument.storage is not None else argument.default
            ends.append((where[in_.variable], cell))
    for variable, expression in wanted.items():
        news.append(expression)
        ends.append((where[variable], variable.container.storage))  # type: ignore[attr-defined]
    replaced = products([*results, *news, *given.values()], [*where, *given]) if matrices else {}
    program = _lazy_program([a.variable for a in arguments], [*results, *news], given | replaced)
    ingested = Ingested(program, arguments, len(outs), kind, keys, outs=outs, ins=ins,
                        shared=shared, wanted=wanted, given=given)
    for k, (place, cell) in enumerate(ends):
        ingested.updates.append((len(outs) + k, cell))  # type: ignore[arg-type]
        ingested.update_inputs.append((len(outs) + k, place))
    _refuse_unused(ingested, [*results, *news], given, on_unused_input)
    return ingested


def _lazy_program(inputs: Sequence[Variable], outputs: Sequence[Variable],
                  given: dict[Variable, Variable]) -> Program:
    """The Program, in which branches of an `ifelse` hold what they alone need, and float16 is computed in float32."""
    program = to_program(inputs, outputs, given)
    if not any(type(eqn.op) is ops.Cond and selects(eqn.op) for eqn in program.eqns):
        return in_floats(program)
    new = sink([*outputs, *given.values()], stop=[*inputs, *given])
    return in_floats(to_program(inputs, [new.get(v, v) for v in outputs],
                                {old: new.get(v, v) for old, v in given.items()}))


# ------------------------------------------------------------------------------------- what the user wrote


def _inputs(inputs: object) -> list[In]:
    if not isinstance(inputs, (list, tuple)):
        raise TypeMismatchError(f"the inputs of a function are a list, also where there is only one; got "
                                f"{_kind(inputs)}{at(user_line())}")
    ins: list[In] = []
    seen: dict[Variable, int] = {}
    for k, item in enumerate(inputs):
        in_ = item if isinstance(item, In) else In(item) if isinstance(item, Variable) else None
        if in_ is None:
            raise TypeMismatchError(f"input {k} of the function must be a variable or In(...), got {_kind(item)}"
                                    f"{at(user_line())}")
        v = in_.variable
        if isinstance(v, Constant):
            raise TypeMismatchError(f"input {k} of the function is the constant {quoted(v.data)}; an input "
                                    f"needs a variable{at(user_line())}")
        if hasattr(v, "container"):
            raise TypeMismatchError(f"input {k} of the function is the shared variable {describe(v)}{at(v.source)}, "
                                    f"which is an implicit input already; to feed another value use `givens`")
        if v in seen:
            raise UnusedInputError(f"{describe(v)} stands twice in the inputs, at {seen[v]} and {k}{at(v.source)}; the "
                                   f"first value would be ignored; leave one out")
        seen[v] = k
        ins.append(in_)
    return ins


def _outputs(outputs: object) -> tuple[list[Out], str, list[str]]:
    if outputs is None:
        return [], "none", []
    if isinstance(outputs, dict):
        for key in outputs:
            if not isinstance(key, str):
                raise TypeMismatchError(f"the keys of a dict of outputs must be strings, got {quoted(key)}"
                                        f"{at(user_line())}")
        return [_output(v, repr(k)) for k, v in outputs.items()], "dict", list(outputs)
    if isinstance(outputs, (list, tuple)):
        return [_output(v, str(k)) for k, v in enumerate(outputs)], "list", []
    return [_output(outputs, "0")], "one", []


def _output(item: object, where: str) -> Out:
    variable = item.variable if isinstance(item, Out) else item
    if not isinstance(variable, Variable):
        raise TypeMismatchError(f"output {where} of the function must be a variable or Out(...), got {_kind(item)}"
                                f"{at(user_line())}")
    if not isinstance(variable.type, (TensorType, RngType)):
        raise TypeMismatchError(f"output {where} of the function has type {variable.type}, which has no value"
                                f"{at(variable.source)}")
    return item if isinstance(item, Out) else Out(variable)


def _pairs(what: str, given: object) -> list[tuple[object, object]]:
    if given is None:
        return []
    if hasattr(given, "items"):
        return list(given.items())
    if not isinstance(given, (list, tuple)):
        raise TypeMismatchError(f"{what} must be a dict or a list of pairs, got {_kind(given)}{at(user_line())}")
    for pair in given:
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise TypeMismatchError(f"{what} must be a dict or a list of pairs (variable, expression), got the entry "
                                    f"{quoted(pair)}{at(user_line())}")
    return [(pair[0], pair[1]) for pair in given]


def _givens(givens: object, inputs: dict[Variable, int], strict: bool) -> dict[Variable, Variable]:
    result: dict[Variable, Variable] = {}
    for old, new in _pairs("givens", givens):
        if not isinstance(old, Variable):
            raise TypeMismatchError(f"givens replace variables; got {_kind(old)} as the one to replace"
                                    f"{at(user_line())}")
        if old in inputs:
            raise GraphError(f"givens replace {describe(old)}, which is an input of the function, too{at(old.source)}; "
                             f"use a new variable as the input and write the replacement in terms of it")
        if old in result:
            raise GraphError(f"givens replace {describe(old)} twice{at(old.source)}")
        result[old] = _fitting(old, new, "givens", strict)
    return result


def _updates(updates: object) -> dict[Variable, Variable]:
    result: dict[Variable, Variable] = {}
    for target, expression in _pairs("updates", updates):
        if not hasattr(target, "container") or not isinstance(target, Variable):
            raise TypeMismatchError(f"updates change shared variables; got {_kind(target)} as the one to update"
                                    f"{at(user_line())}")
        if target in result:
            raise GraphError(f"{describe(target)} has two updates; a shared variable is updated once per call"
                             f"{at(user_line())}")
        result[target] = _new_value(target, expression)
    return result


def _new_value(target: Variable, expression: object) -> Variable:
    return _fitting(target, expression, "an update", True)


def _fitting(target: Variable, expression: object, what: str, strict: bool) -> Variable:
    """`expression` as a variable that can stand for `target`; TypeMismatchError naming both types."""
    if not isinstance(expression, Variable):
        try:
            value = target.type.filter(expression, name=what)
            return target.type.constant_class(target.type, value)
        except TypeError as error:
            raise TypeMismatchError(f"{what} of {describe(target)}, which is {target.type.short()}: {error}"
                                    f"{at(user_line())}") from None
    have, want = expression.type, target.type
    if have == want or (isinstance(want, TensorType) and want.accepts(have)):
        return expression
    if isinstance(want, TensorType) and isinstance(have, TensorType) and have.dtype == want.dtype \
            and have.ndim == want.ndim and not strict:
        return expression
    advice = "cast it first"
    if isinstance(want, TensorType) and isinstance(have, TensorType) and have.dtype == want.dtype:
        advice = "reshape it or state its sizes with specify_shape first"
    raise TypeMismatchError(f"{what} must have the type of what it stands for: {describe(target)} is "
                            f"{target.type.short()}, but {describe(expression)} is {expression.type.short()}"
                            f"{at(expression.source)}; {advice}")


def _survey(roots: Sequence[Variable], given: dict[Variable, Variable], updates: dict[Variable, Variable],
            no_default_updates: bool | Sequence[Variable], inputs: dict[Variable, int]) -> tuple[list[Variable], bool]:
    """One walk over what `roots` need, which adds default updates to `updates`.

    Found: the shared variables, in the order met, and those that are updated; is there a matrix of derivatives?
    """
    if not isinstance(no_default_updates, (bool, list, tuple)):
        raise TypeMismatchError(f"no_default_updates is True, False, or a list of shared variables, got "
                                f"{_kind(no_default_updates)}{at(user_line())}")
    excluded = None if no_default_updates is True else set(no_default_updates or ())
    found: dict[Variable, None] = {}
    loops: dict[Apply, None] = {}
    matrix = False
    seen: set[Variable] = set()
    stack: list[Variable] = list(reversed(roots))
    waiting = list(updates)
    while stack or waiting:
        if not stack:
            stack.append(waiting.pop(0))
        v = stack.pop()
        if v in seen:
            continue
        seen.add(v)
        if v in given:
            stack.append(given[v])
        elif v.owner is not None:
            if v not in inputs:
                stack.extend(reversed(v.owner.inputs))
            if may_be_matrix(v):
                matrix = True
            if type(v.owner.op) is ops.Scan:
                loops[v.owner] = None
        elif hasattr(v, "container"):
            found[v] = None
            default = getattr(v, "default_update", None)
            if default is not None and excluded is not None and v not in excluded and v not in updates:
                updates[v] = _new_value(v, default)
                stack.append(updates[v])
    for target in updates:
        found.setdefault(target, None)
    if excluded is not None:
        for loop in loops:
            warn_if_forgotten(loop, {*updates, *excluded})
    return list(found), matrix


def _argument(in_: In, allow_downcast: bool | None) -> Argument:
    v = in_.variable
    argument = Argument(v, in_.name, v.type, in_.strict,
                        allow_downcast if in_.allow_downcast is None else in_.allow_downcast)
    if in_.value is None:
        if in_.update is not None or in_.implicit:
            raise GraphError(f"In({describe(v)}) has {'an update' if in_.update is not None else 'implicit=True'}, but "
                             f"no value to begin with{at(v.source)}; give value=...")
        return argument
    if hasattr(in_.value, "container"):
        cell = in_.value.container.storage
    else:
        cell = [v.type.filter(in_.value, strict=argument.strict, allow_downcast=argument.allow_downcast,
                              name=f"the default of {describe(v)}{at(v.source)}",
                              advice="cast it, or say In(..., allow_downcast=True)")]
        if isinstance(v.type, TensorType) and not in_.borrow:
            cell[0] = cell[0].copy()
    if in_.implicit:
        argument.storage = cell
    else:
        argument.default = cell
    return argument


def _refuse_unused(ingested: Ingested, roots: Iterable[Variable], given: dict[Variable, Variable],
                   policy: str | None) -> None:
    policy = config.on_unused_input if policy is None else policy
    if policy not in ("raise", "warn", "ignore"):
        raise GraphError(f"on_unused_input must be 'raise', 'warn' or 'ignore', got {quoted(policy)}{at(user_line())}")
    if policy == "ignore":
        return
    program = ingested.program
    used = set(program.outputs)
    for eqn in program.eqns:
        used.update(eqn.args)
    unused = [(k, a) for k, (a, var) in enumerate(zip(ingested.arguments, program.inputs))
              if var not in used and a.storage is None]
    if not unused:
        return
    reached: set[Variable] = set()      # what the graph names, though no value is needed (a static shape)
    stack = list(roots)
    while stack:
        v = stack.pop()
        if v not in reached:
            reached.add(v)
            if v in given:
                stack.append(given[v])
            elif v.owner is not None:
                stack.extend(v.owner.inputs)
    for k, argument in unused:
        if argument.variable in reached:
            continue
        v = argument.variable
        message = (f"input {k}, {describe(v)}{at(v.source)}, is not needed to compute the outputs; leave it out, or "
                   f"pass on_unused_input='warn' or 'ignore'")
        if policy == "raise":
            raise UnusedInputError(message)
        warnings.warn(message, GradcWarning, stacklevel=5)


def _kind(value: object) -> str:
    """What the user gave, in an error message."""
    if isinstance(value, Variable):
        return f"the variable {describe(value)} of type {value.type}"
    if isinstance(value, (str, int, float, complex, bool, type(None))):
        return quoted(value)
    return f"a {type(value).__name__}"
