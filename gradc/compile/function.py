"""`function`: from expressions to a callable; `In`, `Out`, and what hangs on the callable.

The callable is `gradc.runtime._dispatch.Function`, a C type, when the function runs in C; in the interpreter it
is `InterpretedFunction`, the same behaviour in Python.  `callable.py` has the methods of both, `maker.py` makes
them.  Not here: checks of the request (ingest), stages (pipeline).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict, overload

import numpy as np

from gradc.compile import pipeline
from gradc.compile.callable import Function
from gradc.compile.ingest import In, Out, ingest
from gradc.compile.maker import Maker
from gradc.compile.mode import Mode
from gradc.compile.sparse_function import is_sparse_request, sparse_function
from gradc.errors import GraphError, at, listed, quoted, shown
from gradc.ir import graph
from gradc.ir.graph import Variable, describe, user_line
from gradc.sparse.variable import OPERATIONS, SparseVariable

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Function", "In", "Out", "function"]

Array: TypeAlias = "np.ndarray[Any, Any]"
Output: TypeAlias = "Variable | SparseVariable | Out"
Inputs: TypeAlias = "Sequence[Variable | In] | Sequence[Variable | SparseVariable | In]"
Replacements: TypeAlias = "Mapping[Any, Any] | Sequence[tuple[Variable, Any]] | None"


class Options(TypedDict, total=False):
    """What else `function` takes."""

    updates: Replacements
    givens: Replacements
    no_default_updates: bool | Sequence[Variable]
    accept_inplace: bool
    name: str | None
    rebuild_strict: bool
    allow_input_downcast: bool | None
    profile: bool | str | None
    on_unused_input: str | None
    trust_input: bool


@overload
def function(inputs: Inputs, outputs: Output, mode: Mode | str | None = None,
             **options: Unpack[Options]) -> Function[Array]: ...
@overload
def function(inputs: Inputs, outputs: Mapping[str, Output], mode: Mode | str | None = None,
             **options: Unpack[Options]) -> Function[dict[str, Array]]: ...
@overload
def function(inputs: Inputs, outputs: Sequence[Output] | None = None, mode: Mode | str | None = None,
             **options: Unpack[Options]) -> Function[list[Array]]: ...
def function(inputs: Inputs, outputs: Output | Mapping[str, Output] | Sequence[Output] | None = None,
             mode: Mode | str | None = None, updates: Replacements = None, givens: Replacements = None,
             no_default_updates: bool | Sequence[Variable] = False, accept_inplace: bool = False,
             name: str | None = None, rebuild_strict: bool = True, allow_input_downcast: bool | None = None,
             profile: bool | str | None = None, on_unused_input: str | None = None,
             trust_input: bool = False) -> Function[object]:
    """A callable that computes `outputs` from `inputs`.

    inputs:   list of variables or In(...)
    outputs:  a variable, a list or dict of them (also Out(...)), or None; calls return an array, list, dict or []
    updates:  dict or pairs (shared variable, expression): assigned after each call that succeeds, all or none
    givens:   dict or pairs (variable, expression that stands in for it)
    mode:     "c" (default), "interpret", a Mode, or one of Aesara's names (`gradc.compile.mode`)
    allow_input_downcast: True accepts any dtype, None Python numbers that lose nothing, False only safe dtypes
    on_unused_input: "raise", "warn" or "ignore"
    profile:  True (or a title) counts calls and their time: `f.profile`, see `gradc.compile.profile`
    accept_inplace: accepted for compatibility: memory is planned by gradc

    Sparse matrices (`gradc.sparse`) among inputs, outputs, updates and givens: calls take and return SciPy's, or tuples
    of their arrays, see `gradc.compile.sparse_function`.

    Calls release the GIL and read arrays where they lie: none may be changed by another thread meanwhile, arrays of
    positions least of all, which are checked first and looked up later (one changed in between reads or writes memory
    of others).

    Raises: TypeMismatchError, UnusedInputError, MissingInputError, GraphError for a request that makes no sense;
    CompileError if the C compiler fails; ToolchainNotFoundError if C was asked for by name and there is none.
    """
    if name is not None and not isinstance(name, str):
        raise GraphError(f"the name of a function is a string, got {quoted(name)}{at(user_line())}")
    if not (profile is None or isinstance(profile, (bool, str))):
        raise GraphError(f"profile is True, False or a title, got {quoted(profile)}{at(user_line())}")
    if is_sparse_request(inputs, outputs, updates, givens):
        return sparse_function(function, inputs, outputs, updates, givens, mode=mode, name=name, profile=profile,
                               no_default_updates=no_default_updates, allow_input_downcast=allow_input_downcast,
                               on_unused_input=on_unused_input, rebuild_strict=rebuild_strict, trust_input=trust_input)
    with pipeline.paused_gc():
        ingested = ingest(inputs, outputs, updates, givens, no_default_updates, allow_input_downcast,
                          on_unused_input, rebuild_strict)
        return Maker(ingested, mode, name, profile).make(trust_input)


def _value_of(variable: Variable, inputs_to_values: Mapping[Any, Any] | None, options: dict[str, Any]) -> object:
    """What `Variable.eval` says."""
    if not isinstance(inputs_to_values, (Mapping, type(None))):
        raise GraphError(f"eval takes a dict of variables or names and their values, got {quoted(inputs_to_values)}"
                         f"{at(user_line())}")
    given = dict(inputs_to_values or {})
    if any(isinstance(key, str) for key in given):
        names = {v.name: v for v in graph.explicit_graph_inputs([variable]) if v.name}
        missing = [key for key in given if isinstance(key, str) and key not in names]
        if missing:
            raise GraphError(f"{describe(variable)} depends on no input named {shown(missing[0])!r}; named inputs: "
                             f"{listed(names)}{at(user_line())}")
        given = {names[key] if isinstance(key, str) else key: value for key, value in given.items()}
    kept = variable.__dict__.setdefault("_functions", {})
    key = (*given, *sorted((k, str(v)) for k, v in options.items()))
    if key not in kept:
        kept[key] = function(list(given), variable, **options)
    return kept[key](*given.values())


def _matrix_of(x: SparseVariable, inputs_to_values: Mapping[Any, Any] | None, options: dict[str, Any]) -> object:
    """What `SparseVariable.eval` says."""
    given = dict(inputs_to_values or {})
    return function(list(given), x, **options)(*given.values())


graph.evaluation = _value_of
OPERATIONS["eval"] = _matrix_of
