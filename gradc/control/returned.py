"""What a step function returns, read: outputs, updates of shared variables, the condition to stop.

In: whatever `fn` of a `scan` gave back.  Out: `Returned`.  Here also the two things users write it with, `until` and
`OrderedUpdates`, and the warning where updates that a loop returned are not passed on.
Not here: whether the outputs fit the states of the loop (`control.scan`).
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from gradc.errors import GradcWarning, LoopError, TypeMismatchError, at, quoted
from gradc.ir import ops
from gradc.ir.graph import Apply, Tag, Variable, describe, user_line
from gradc.record import record
from gradc.tensor.convert import as_tensor_variable
from gradc.tensor.elemwise import neq

if TYPE_CHECKING:
    from gradc.tensor.types import TensorLike


class until:
    """Returned last by a step, ends the loop: `return x, until(x > limit)` makes the step with x > limit the last.

    condition: a scalar of any dtype, true where it is not 0.
    """

    def __init__(self, condition: TensorLike) -> None:
        self.condition = as_tensor_variable(condition)
        if self.condition.type.ndim:
            raise LoopError(f"until takes a scalar condition, got {describe(self.condition)} of type "
                            f"{self.condition.type}{at(self.condition.source)}; reduce it with .all() or .any()")
        if self.condition.type.dtype != "bool":
            self.condition = neq(self.condition, 0)

    def __repr__(self) -> str:
        return f"until({describe(self.condition)})"


class OrderedUpdates(dict):
    """New values of shared variables, in the order they were given: what `scan` returns and `function` takes.

    Keys are shared variables (TypeMismatchError for anything else).
    """

    def __init__(self, given: object = (), /) -> None:
        super().__init__()
        self.update(given)

    def __setitem__(self, variable: Variable, value: TensorLike) -> None:
        if not _is_shared(variable):
            raise TypeMismatchError(f"updates change shared variables; got {quoted(variable)} as the one to update"
                                    f"{at(user_line())}")
        super().__setitem__(variable, value)

    def update(self, given: Any = (), /) -> None:  # type: ignore[override]
        """Add updates from a dict or from pairs; a later one for the same variable counts."""
        for variable, value in given.items() if isinstance(given, Mapping) else given:
            self[variable] = value

    def __add__(self, other: Mapping[Variable, Variable]) -> OrderedUpdates:
        result = OrderedUpdates(self)
        result.update(other)
        return result

    def __radd__(self, other: Mapping[Variable, Variable]) -> OrderedUpdates:
        return OrderedUpdates(other) + self


def attach(node: Apply, updates: OrderedUpdates) -> None:
    """Note on a loop's node that it has updates, which whoever uses its results must be given."""
    if updates:
        node.tag = Tag()
        node.tag.updates = updates


def warn_if_forgotten(node: Apply, given: Collection[Variable]) -> None:
    """GradcWarning if `node` is a loop with updates of variables that are not among those `given` updates."""
    if type(node.op) is not ops.Scan or node.tag is None:
        return
    lost = [v for v in getattr(node.tag, "updates", ()) if v not in given]
    if lost:
        file, line = user_line() or ("gradc", 0)
        names = ", ".join(map(describe, lost))
        warnings.warn_explicit(f"the updates that {node.op} returned{at(node.source)} are not given: {names} will keep "
                               f"its value; pass updates=, the second result of scan, or no_default_updates=True if "
                               f"this is meant", GradcWarning, file, line)


@record(eq=False)
class Returned:
    """A step taken apart; `stop` is a bool scalar or None."""

    outputs: list[Variable]
    updates: OrderedUpdates
    stop: Variable | None


def read(returned: Any) -> Returned:
    """What a step returned: outputs, updates, `until(condition)`, in this order, each of which may be left out.

    Outputs are one expression or a list of them; updates are a dict or a list of pairs (shared variable, new value).
    Raises: LoopError for anything else.
    """
    if returned is None or isinstance(returned, Mapping) or _are_pairs(returned):
        return Returned([], OrderedUpdates(returned or ()), None)
    parts = list(returned) if isinstance(returned, (list, tuple)) else [returned]
    stop = parts.pop().condition if parts and isinstance(parts[-1], until) else None
    updates = OrderedUpdates(parts.pop()) if parts and _are_updates(parts, stop) else OrderedUpdates()
    if len(parts) == 1 and isinstance(parts[0], (list, tuple)):
        parts = list(parts[0])
    return Returned([_output(part, k) for k, part in enumerate(parts)], updates, stop)


def _is_shared(variable: object) -> bool:
    return isinstance(variable, Variable) and hasattr(variable, "container")


def _are_pairs(value: object) -> bool:
    """Pairs (shared variable, new value), at least one?"""
    return isinstance(value, (list, tuple)) and bool(value) and all(
        isinstance(pair, (list, tuple)) and len(pair) == 2 and _is_shared(pair[0]) for pair in value)


def _are_updates(parts: list[object], stop: object) -> bool:
    """Is the last part updates?  An empty list is, if something stands before it or `until` behind it."""
    last = parts[-1]
    empty = isinstance(last, (list, tuple)) and not last and (len(parts) > 1 or stop is not None)
    return isinstance(last, Mapping) or _are_pairs(last) or empty


def _output(value: Any, k: int) -> Variable:
    if isinstance(value, until) or (
            isinstance(value, Iterable) and not isinstance(value, Variable) and not hasattr(value, "dtype")):
        raise LoopError(f"a step of scan returns outputs, then updates (a dict), then until(condition), each of which "
                        f"may be left out; got {quoted(value)} as output {k}{at(user_line())}")
    return as_tensor_variable(value)
