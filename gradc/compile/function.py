"""`function`: from expressions to a callable; `In`, `Out`, and what hangs on the callable.

The callable is `gradc.runtime._dispatch.Function`, a C type, when the function runs in C; in the interpreter it
is `InterpretedFunction`, the same behaviour in Python.  The methods both share (`repr`, `f[x]`, `copy`,
pickling, ...) stand in `_Methods` and are registered on the C type at the end of the module, as is
`Variable.eval`.  Not here: checks of the request (ingest), stages (pipeline).
"""

from __future__ import annotations

import copy
import threading
import time
import warnings
import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from gradc import errors
from gradc.codegen.snippets import needs_compiler
from gradc.compile import pipeline, states
from gradc.compile.ingest import Argument, In, Ingested, Out, ingest
from gradc.compile.mode import Mode, get_mode
from gradc.compile.profile import Profile
from gradc.config import config
from gradc.errors import (
    SIZE_ONE,
    BadArgumentError,
    ExecutionError,
    GradcError,
    GraphError,
    ShapeError,
    SourceLine,
    ToolchainNotFoundError,
    ToolchainWarning,
    at,
    fill,
    listed,
    quoted,
    shown,
)
from gradc.ir import graph, interp
from gradc.ir.convert import inline
from gradc.ir.distributions import copied, generator_of, words_of
from gradc.ir.fgraph import FunctionGraph
from gradc.ir.graph import Variable, describe
from gradc.ir.program import Eqn, with_sources
from gradc.ir.routines import get_routine
from gradc.ir.types import WORDS, RngType, TensorType
from gradc.runtime import toolchain

try:                                    # absent if gradc was installed without a C compiler
    from gradc.runtime import _dispatch as dispatch  # type: ignore[attr-defined]
except ImportError:
    dispatch = None

__all__ = ["In", "InterpretedFunction", "Out", "function"]


def function(inputs: Any, outputs: Any = None, mode: Mode | str | None = None, updates: Any = None,
             givens: Any = None, no_default_updates: Any = False, accept_inplace: bool = False,
             name: str | None = None, rebuild_strict: bool = True, allow_input_downcast: bool | None = None,
             profile: Any = None, on_unused_input: str | None = None, trust_input: bool = False) -> Any:
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

    Raises: TypeMismatchError, UnusedInputError, MissingInputError, GraphError for a request that makes no sense;
    CompileError if the C compiler fails; ToolchainNotFoundError if C was asked for by name and there is none.
    """
    if name is not None and not isinstance(name, str):
        raise GraphError(f"the name of a function is a string, got {quoted(name)}")
    if not (profile is None or isinstance(profile, (bool, str))):
        raise GraphError(f"profile is True, False or a title, got {quoted(profile)}")
    with pipeline.paused_gc():
        ingested = ingest(inputs, outputs, updates, givens, no_default_updates, allow_input_downcast,
                          on_unused_input, rebuild_strict)
        maker = Maker(ingested, mode, name, profile)
        return maker.make(trust_input)


class Info(dict[str, Any]):
    """What is known about a compiled function; prints as a table."""

    def __repr__(self) -> str:
        return "\n".join(f"{key:<10} {_info_text(value)}" for key, value in self.items())


def _info_text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {1e3 * v:.2f} ms" for k, v in value.items())
    return str(value)


class Scratch:
    """Memory that the kernel used in the last call, beside inputs and outputs: `int(f.info["scratch"])` bytes."""

    def __init__(self, function: Any) -> None:
        self._function = weakref.ref(function)

    def __int__(self) -> int:
        function = self._function()
        return function.arena_bytes if function is not None else 0

    def __str__(self) -> str:
        return f"{int(self):,} bytes in the last call"


class Maker:
    """Everything a function was made from; `f.maker`."""

    def __init__(self, ingested: Ingested, asked: Mode | str | None, name: str | None,
                 profile: bool | str | None = None) -> None:
        self.ingested = ingested
        self.asked = asked
        self.mode = mode = get_mode(asked)
        self.strict = asked == "c" or isinstance(asked, Mode)       # C was asked for by name
        self.name = name
        self.profile = profile
        self.inputs: list[In] = ingested.ins
        self.outputs: list[Out] = ingested.outs
        self.compiled = pipeline.Compiled(ingested, shown(name or "f"), mode)
        self._fgraph: FunctionGraph | None = None

    def make(self, trust_input: bool) -> Any:
        """The callable, by the route that the mode and this machine allow."""
        made = self._native() if self.mode.linker == "c" else self._interpreted("")
        made.trust_input = trust_input
        return made

    def _native(self) -> Any:
        """The C route; the interpreter, with the reason, where it can't be taken and was not asked for by name."""
        if dispatch is None:
            return self._without_compiler("gradc was installed without a C compiler; install one (`apt install gcc` or "
                                          "`pip install ziglang`), then install gradc again")
        reason = states.refusal(self.ingested.arguments, bool(dispatch.draws_random_numbers))
        if reason and self.strict:
            raise GraphError(f"{self._title()} can't be compiled to C: {reason}; use mode=\"interpret\"")
        if reason:
            return self._interpreted(reason)
        try:
            self.compiled.load()
        except ToolchainNotFoundError as error:
            return self._without_compiler(str(error))
        except pipeline.Unsupported as error:
            if self.strict:
                raise GraphError(f"{self._title()} can't be compiled to C: {error}; use "
                                 f'mode="interpret"') from None
            return self._interpreted(str(error))
        return self._dispatched()

    def _without_compiler(self, message: str) -> InterpretedFunction:
        if self.strict or needs_compiler(self.ingested.program):
            raise ToolchainNotFoundError(message)
        if message not in _SAID:
            _SAID.add(message)
            warnings.warn_explicit(f"functions run in the interpreter: {message}", ToolchainWarning, *_caller())
        return self._interpreted("no C compiler")

    def _dispatched(self) -> Any:
        ingested, loaded = self.ingested, self.compiled.loaded
        arguments = ingested.arguments
        names = Counter(a.name for a in arguments if a.storage is None)
        outputs = ingested.program.outputs
        borrows = [o.borrow for o in ingested.outs] + [False] * len(ingested.updates)
        manifest = loaded.manifest
        if any(type(a.type) is RngType for a in arguments):
            states.learn(dispatch)
        made = dispatch.Function(
            name=shown(self.name or "f"), prepare=loaded.prepare, entry=loaded.entry,
            inputs=[(a.name if names[a.name] == 1 else None, *_in_memory(a.type), a.storage, a.default, a.strict,
                     type(a.type) is RngType) for a in arguments],
            outputs=[(dtype, len(shape), borrow, type(v.type) is RngType)
                     for v, borrow in zip(outputs, borrows) for dtype, shape in [_in_memory(v.type)]],
            constants=loaded.constants, n_results=ingested.results, result=ingested.result, keys=ingested.keys,
            updates=ingested.updates, convert=partial(self.convert, words=True), fail=self.fail,
            generator=self.generator if any(type(v.type) is RngType for v in outputs) else None, keep=loaded.keep,
            deterministic=config.deterministic, timed=bool(self.profile), late=manifest["late"],
            calls=[_arrays(ingested.equation(numbers[0])) for numbers in manifest["calls"]], call=self.call)
        made.maker = self
        made.name = self.name
        if any(get_routine(name).blas for name in manifest["routines"]):
            _choose_blas()
        made.info = Info(mode="c", key=self.compiled.key, cached=loaded.cached, cache=loaded.reason,
                         sections=manifest["sections"], isa=_isa_name(toolchain.isa()), path=loaded.path,
                         seconds={**self.compiled.seconds, "compiler": loaded.seconds}, scratch=Scratch(made))
        if manifest["routines"]:
            made.info["routines"] = ", ".join(manifest["routines"])
        if manifest["calls"]:
            made.info["calls"] = ", ".join(str(ingested.equation(numbers[0]).op) for numbers in manifest["calls"])
        self.compiled.forget()
        return made

    def _interpreted(self, reason: str) -> InterpretedFunction:
        info = Info(mode="interpret" + (f" ({reason})" if reason else ""), seconds=self.compiled.seconds)
        return InterpretedFunction(self, info)

    @property
    def fgraph(self) -> FunctionGraph:
        """The optimised graph: `inputs`, `outputs`, `apply_nodes`, `toposort()`; made when first asked for."""
        if self._fgraph is None:
            arguments = self.ingested.arguments
            ins = [a.variable if hasattr(a.variable, "container") else a.variable.clone() for a in arguments]
            lines_of = self.ingested.lines_of
            program = with_sources(self.compiled.optimized, lambda eqn: tuple(lines_of(eqn.sources)))
            outs = inline(program, ins, bare=True)
            self._fgraph = FunctionGraph(ins, outs, clone=False)
        return self._fgraph

    def c_source(self) -> str:
        """The C text of the function's unit; GraphError if it has no C form."""
        try:
            return self.compiled.unit().text
        except pipeline.Unsupported as reason:
            raise GraphError(f"{self._title()} has no C form: {reason}") from None

    # -- the call path's slow parts

    def convert(self, position: int, value: Any, words: bool = False) -> Any:
        """`value` as input `position` has it; BadArgumentError or ShapeError saying what is wrong.

        words: a state of a random generator as a kernel has it.
        """
        a = self.ingested.arguments[position]
        where = self._where(position)
        try:
            value = a.type.filter(value, strict=a.strict, allow_downcast=a.allow_downcast, name=where,
                                  advice="cast it, or compile with allow_input_downcast=True")
            return words_of(value, where) if words and type(a.type) is RngType else value
        except GradcError as error:
            raise type(error)(f"{error}{at(a.variable.source)}") from None

    def generator(self, position: int, words: np.ndarray, like: Any) -> np.random.Generator:
        """What stands for output `position`, the state of a generator: like the one that it is to replace, or `like`,
        which the call was given."""
        cells = [cell for k, cell in self.ingested.updates if k == position]
        if like is not None:
            cells.append([like])
        cells += [cell for a in self.ingested.arguments if type(a.type) is RngType and (cell := a.storage or a.default)]
        return generator_of(words, cells[0][0])

    def call(self, number: int, arrays: list[Any], shapes: Sequence[tuple[int, ...] | None],
             sizes: Sequence[int]) -> list[Any]:
        """The results of a user's Op that the kernel calls, with the shapes stated, if any; `arrays` are its own."""
        numbers = self.compiled.loaded.manifest["calls"][number]
        try:
            return states.performed_on_words(self.ingested.equation(numbers[0]), arrays, shapes)
        except (ShapeError, ExecutionError) as error:
            text = explain(str(error), self._shapes(sizes), self.ingested, self.ingested.lines_of(numbers))
            raise type(error)(text) from error.__cause__

    def _shapes(self, sizes: Sequence[int]) -> list[tuple[int, ...]]:
        """The shape of each input, from the sizes of all."""
        shapes, rest = [], list(sizes)
        for a in self.ingested.arguments:
            ndim = len(_in_memory(a.type)[1])
            shapes.append(tuple(rest[:ndim]) if isinstance(a.type, TensorType) else ())
            del rest[:ndim]
        return shapes

    def fail(self, number: int, values: Sequence[int], sizes: Sequence[int], during: str) -> Exception:
        """The exception for a failed check of the kernel."""
        shapes = self._shapes(sizes)
        if number < 0:
            return MemoryError(f"{self._title()} could not allocate its memory, for inputs of shapes "
                               f"{', '.join(map(str, shapes))}")
        error, message, equations = self.compiled.loaded.manifest["checks"][number - 1]
        lines = self.ingested.lines_of(equations)
        if 1 not in values:
            message = message.replace(SIZE_ONE, "")
        kind = MemoryError if error == "MemoryError" else getattr(errors, error)
        return kind(explain(fill(message, values), shapes, self.ingested, lines))  # type: ignore[no-any-return]

    def _title(self) -> str:
        return shown(self.name or "the function")

    def _where(self, position: int) -> str:
        a = self.ingested.arguments[position]
        which = f' "{shown(a.name)}"' if a.name else ""
        of = f" to function {shown(self.name)}" if self.name else ""
        return f"Bad input argument{which}{of} at index {position} (0-based)"


class _Methods:
    """Methods of every compiled function; registered on the C type, inherited by the Python one."""

    maker: Maker
    info: Info
    name: str | None
    trust_input: bool
    tally: tuple[int, float, float] | None      # calls, seconds in all, seconds in the kernel; None: not timed
    drop_recent: Callable[[], None]             # give up results kept for reuse (`Out(borrow=True)`)

    def __repr__(self) -> str:
        ingested = self.maker.ingested
        ins = ", ".join(f"{shown(a.name)}: {_short(a.type)}" if a.name else _short(a.type)
                        for a in ingested.arguments if a.storage is None)
        keys: list[str | None] = [*ingested.keys] or [o.variable.name for o in ingested.outs]
        outs = ", ".join(f"{shown(k)}: {_short(o.variable.type)}" if k else _short(o.variable.type)
                         for k, o in zip(keys, ingested.outs))
        return f"Function {shown(self.maker.name or 'f')}({ins}) -> ({outs}) [{', '.join(_facts(self.info, ingested))}]"

    def __getitem__(self, key: Any) -> Any:
        """The stored value of a shared variable or of an input with a default, by variable or name."""
        return _cell(self.maker.ingested, key)[1][0]

    def __setitem__(self, key: Any, value: Any) -> None:
        argument, cell = _cell(self.maker.ingested, key)
        new = argument.type.filter(value, strict=argument.strict, allow_downcast=argument.allow_downcast,
                                   name=f"the new value of {describe(argument.variable)}")
        cell[0] = new.copy() if isinstance(new, np.ndarray) else new

    @property
    def value(self) -> _Values:
        """Stored values by variable or name: `f.value["x"]`."""
        return _Values(self)

    @property
    def profile(self) -> Profile | None:
        """Calls so far and where their time went; None unless the function was made with `profile=True`."""
        if self.tally is None:
            return None
        asked = self.maker.profile
        return Profile(asked if isinstance(asked, str) else self.name or "f", str(self.info["mode"]).split()[0],
                       *self.tally, self.info["seconds"])

    def c_source(self) -> str:
        """The C text of the function; made anew when it came from the cache."""
        return self.maker.c_source()

    def copy(self, share_memory: bool = False, swap: Mapping[Any, Any] | None = None, delete_updates: bool = False,
             name: str | None = None, profile: Any = None) -> Any:
        """The same function again; `swap` maps shared variables to others of the same type.

        `delete_updates=True` leaves the updates out; shared variables stay shared in any case.
        """
        return _again(self.maker, _swapped(swap), delete_updates, name or self.maker.name,
                      self.maker.profile if profile is None else profile, self.trust_input)

    def free(self) -> None:
        """Give back what can be made again: the intermediate stages of compilation, and arrays kept for reuse."""
        self.maker.compiled.forget()
        self.maker._fgraph = None
        self.drop_recent()

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (_recipe(self),)

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return _restore(copy.deepcopy(_recipe(self), memo))


class _Values:
    """Mapping view of a function's stored values."""

    def __init__(self, of: _Methods) -> None:
        self._of = of

    def __getitem__(self, key: Any) -> Any:
        return self._of[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        self._of[key] = value

    def __iter__(self) -> Iterator[Any]:
        return iter([a.variable for a in self._of.maker.ingested.arguments
                     if a.storage is not None or a.default is not None])

    def __contains__(self, key: Any) -> bool:
        return any(key is v or (isinstance(key, str) and key == v.name) for v in self)

    def __len__(self) -> int:
        return len(list(iter(self)))


_UPDATING = threading.RLock()       # one interpreted function with updates at a time


class InterpretedFunction(_Methods):
    """A function that runs its Program in NumPy, equation by equation."""

    def __init__(self, maker: Maker, info: Info) -> None:
        self.maker = maker
        self.info = info
        self.name = maker.name
        self.trust_input = False
        ingested = maker.ingested
        self._positions = [k for k, a in enumerate(ingested.arguments) if a.storage is None]
        names = [ingested.arguments[k].name for k in self._positions]
        count = Counter(names)
        self._by_name = {n: k for n, k in zip(names, self._positions) if n and count[n] == 1}
        self._program = maker.compiled.optimized
        self.tally = (0, 0.0, 0.0) if maker.profile else None

    def __call__(self, *args: Any, **named: Any) -> Any:
        began = time.perf_counter()
        try:
            values = self._arguments(args, named)
            if self.maker.ingested.updates:
                with _UPDATING:
                    return self._run(values)
            return self._run(values)
        finally:
            self._count(1, time.perf_counter() - began, 0.0)

    def _count(self, calls: int, total: float, inside: float) -> None:
        """Add to the tally, if there is one."""
        if self.tally is not None:
            self.tally = (self.tally[0] + calls, self.tally[1] + total, self.tally[2] + inside)

    def drop_recent(self) -> None:
        """As the C type's: nothing is kept here."""

    def _arguments(self, args: tuple[Any, ...], named: dict[str, Any]) -> list[Any]:
        """Checked values of the explicit arguments, at their places; the others are None."""
        arguments = self.maker.ingested.arguments
        values: list[Any] = [None] * len(arguments)
        given = [False] * len(arguments)
        if len(args) > len(self._positions):
            raise BadArgumentError(f"{_title(self)} takes {len(self._positions)} argument(s), got {len(args)}")
        for k, value in zip(self._positions, args):
            values[k], given[k] = value, True
        for key, value in named.items():
            if key not in self._by_name:
                known = listed(self._by_name)
                if len(self._by_name) < len(self._positions):
                    known += " (others, nameless or named alike, go by position)"
                raise BadArgumentError(f"{_title(self)} has no input named {shown(key)!r}; its named inputs: {known}")
            k = self._by_name[key]
            if given[k]:
                raise BadArgumentError(f"{_title(self)} got two values for its input {shown(key)!r}")
            values[k], given[k] = value, True
        for k in self._positions:
            if given[k]:
                if not (self.trust_input and isinstance(values[k], np.ndarray)):
                    values[k] = self.maker.convert(k, values[k])
            elif arguments[k].default is not None:
                values[k] = arguments[k].default[0]  # type: ignore[index]
            else:
                missing = shown(arguments[k].name or f"at index {k}")
                raise BadArgumentError(f"{_title(self)} needs a value for its input {missing}; it takes "
                                       f"{len(self._positions)} argument(s), got {len(args) + len(named)}")
        return values

    def bind(self, *args: Any, out: Any = None, **named: Any) -> InterpretedCall:
        """A call with fixed memory: arrays are read anew at each `call()`, results go to `call.out`.

        Raises BadArgumentError for functions with updates, and for arrays that would have to be copied.
        """
        if self.maker.ingested.updates:
            raise BadArgumentError(f"{_title(self)} has updates and can't be bound; call it")
        values = self._arguments(args, named)
        held = [*args, *named.values()]
        for value in held:
            if isinstance(value, np.ndarray) and value.ndim and not any(
                    isinstance(v, np.ndarray) and v.ctypes.data == value.ctypes.data for v in values):
                raise BadArgumentError(f"{_title(self)} can't be bound to an array of dtype {value.dtype} and shape "
                                       f"{value.shape} that has to be copied first; give a C-contiguous one of the "
                                       f"input's dtype")
        return InterpretedCall(self, values, out)

    def _run(self, values: list[Any]) -> Any:
        ingested = self.maker.ingested
        values = list(values)
        for k, a in enumerate(ingested.arguments):
            if a.storage is not None:
                values[k] = a.storage[0]
        began = time.perf_counter()
        try:
            results = interp.evaluate(self._program, values)
        except (GradcError, MemoryError) as error:
            sources = getattr(error, "sources", None)
            if sources is None:
                raise
            lines = ingested.lines_of(sources)
            kind = type(error) if isinstance(error, GradcError) else MemoryError
            text = explain(str(error), [np.shape(v) for v in values], ingested, lines)
            raise kind(text) from error.__cause__
        finally:
            self._count(0, 0.0, time.perf_counter() - began)
        taken = {id(v) for v in values}
        fresh = []
        for value in results:
            if isinstance(value, np.ndarray) and (id(value) in taken or not value.flags.owndata
                                                  or not value.flags.writeable or not value.flags.c_contiguous):
                value = value.copy()
            elif id(value) in taken:            # the state of a random generator
                value = copied(value)
            taken.add(id(value))
            fresh.append(value)
        news = [(cell, _typed(fresh[k], ingested, place))
                for (k, cell), (_, place) in zip(ingested.updates, ingested.update_inputs)]
        for cell, value in news:
            cell[0] = value
        return _packed(fresh[:ingested.results], ingested)


class InterpretedCall:
    """What `bind` returns in the interpreter: `call()` computes on the same arrays again and fills `call.out`."""

    def __init__(self, of: InterpretedFunction, values: list[Any], out: Any) -> None:
        self._of = of
        self._values = values
        self._lock = threading.Lock()
        first = of._run(values)
        self.out = first if out is None else out
        if out is not None and of.maker.ingested.result != "one" and len(out) != len(first):
            raise BadArgumentError(f"out of {_title(of)} must be a list of {len(first)} array(s), got {len(out)}")
        for given, made in zip(self._list(self.out), self._list(first)):
            if not isinstance(given, np.ndarray) or given.dtype != made.dtype or given.shape != made.shape \
                    or not given.flags.carray:
                raise BadArgumentError(f"out must be a C-contiguous, writeable array of dtype {made.dtype} and shape "
                                       f"{made.shape}, got {getattr(given, 'dtype', type(given).__name__)} "
                                       f"{np.shape(given)}")
            if any(isinstance(v, np.ndarray) and np.may_share_memory(given, v) for v in values):
                raise BadArgumentError("out overlaps an argument; give it memory of its own")

    def _list(self, results: Any) -> list[Any]:
        kind = self._of.maker.ingested.result
        return [results] if kind == "one" else list(results.values()) if kind == "dict" else list(results)

    def __call__(self) -> None:
        if not self._lock.acquire(blocking=False):
            raise ExecutionError("this bound call is running in another thread; bind once per thread")
        try:
            for given, made in zip(self._list(self.out), self._list(self._of._run(self._values))):
                given[...] = made
        finally:
            self._lock.release()


_SAID: set[str] = set()             # warnings given: the lack of a compiler is said once


_BLAS = ["auto"]                    # the provider chosen last


def _choose_blas() -> None:
    """Follow config.blas where a gemm is about to be used."""
    if config.blas != _BLAS[0]:
        try:
            dispatch.blas_set(config.blas)
        except ValueError as error:
            raise GraphError(f"config.blas = {config.blas!r}: {error}") from None
        _BLAS[0] = config.blas


def _caller() -> tuple[str, int]:
    """The user's line, for a warning."""
    return graph.user_line() or ("gradc", 0)


def _isa_name(flags: Sequence[str]) -> str:
    """Short name of the vector instructions in use."""
    have = set(flags)
    for name, needed in (("avx512", "avx512f"), ("avx2", "avx2"), ("sse4.2", "sse4.2")):
        if any(needed in flag for flag in have):
            return name
    return "baseline"


def _in_memory(t: Any) -> tuple[str, tuple[int, ...]]:
    """Dtype and shape (-1: any size) of what a kernel is given for a value of type `t`."""
    t = WORDS if type(t) is RngType else t
    return t.dtype, tuple([-1 if s is None else s for s in t.shape])


def _typed(value: Any, ingested: Ingested, place: int) -> Any:
    a = ingested.arguments[place]
    return a.type.filter(value, name=f"the update of {describe(a.variable)}")


def _packed(results: list[Any], ingested: Ingested) -> Any:
    if ingested.result == "one":
        return results[0]
    if ingested.result == "dict":
        return dict(zip(ingested.keys, results))
    return results


def explain(message: str, shapes: Sequence[tuple[int, ...]], ingested: Ingested, lines: Sequence[SourceLine]) -> str:
    """A run-time error in a few lines: what, with which shapes, where the user wrote it."""
    text = [message]
    named = [f"{shown(a.name or f'input {k}')} {_short(a.type)} of shape {tuple(s)}"
             for k, (a, s) in enumerate(zip(ingested.arguments, shapes)) if s]
    if named:
        more = f", and {len(named) - 4} more" if len(named) > 4 else ""
        text.append(f"  inputs: {', '.join(named[:4])}{more}")
    text += [f"  where: {file}:{line}" for file, line in lines[:3]]
    return "\n".join(text)


def _arrays(eqn: Eqn) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """Dtype and rank of each array that a user's Op is given, and of each of its results."""
    return tuple([[(dtype, len(shape)) for dtype, shape in (_in_memory(v.type) for v in group)]  # type: ignore
                  for group in (eqn.op.split(eqn.args)[0], eqn.outs)])  # type: ignore[attr-defined]


def _title(f: _Methods) -> str:
    return f"function {shown(f.maker.name)}" if f.maker.name else "the function"


def _short(t: Any) -> str:
    return t.short() if isinstance(t, TensorType) else str(t)


def _facts(info: Info, ingested: Ingested) -> list[str]:
    facts = []
    if ingested.updates:
        facts.append(f"{len(ingested.updates)} update{'s' if len(ingested.updates) > 1 else ''}")
    if str(info["mode"]).startswith("interpret"):
        return [*facts, "interpreted"]
    count = info["sections"]
    return [f"{count} section{'' if count == 1 else 's'}", *facts, "cached" if info["cached"] else "compiled",
            info["isa"]]


def _cell(ingested: Ingested, key: Any) -> tuple[Argument, list[Any]]:
    for a in ingested.arguments:
        if key is a.variable or (isinstance(key, str) and key == a.name):
            cell = a.storage if a.storage is not None else a.default
            if cell is None:
                raise GraphError(f"input {describe(a.variable)} has no stored value: it has no default")
            return a, cell
    raise GraphError(f"the function has no input or shared variable {shown(key)!r}")


# ----------------------------------------------------------------------------------- copies, pickles, eval


def _swapped(swap: Mapping[Any, Any] | None) -> dict[Variable, Variable]:
    for old, new in (swap or {}).items():
        if not (hasattr(old, "container") and hasattr(new, "container")):
            raise GraphError("swap maps shared variables of the function to other shared variables")
        if old.type != new.type:
            raise GraphError(f"swap: {describe(old)} is {_short(old.type)}, {describe(new)} is {_short(new.type)}")
    return dict(swap or {})


def _again(maker: Maker, swap: dict[Variable, Variable], delete_updates: bool, name: str | None,
           profile: bool | str | None, trust: bool) -> Any:
    old = maker.ingested
    updates = {} if delete_updates else {swap.get(t, t): e for t, e in old.wanted.items()}
    givens = {**{v: e for v, e in old.given.items() if v not in swap}, **swap}
    return function(_current(old), _arranged(old.result, old.keys, old.outs), maker.asked, updates, givens, True,
                    name=name, profile=profile, on_unused_input="ignore", rebuild_strict=False, trust_input=trust)


def _arranged(result: str, keys: Sequence[str], outs: list[Out]) -> Any:
    """Outputs as `function` takes them."""
    match result:
        case "one":
            return outs[0]
        case "dict":
            return dict(zip(keys, outs))
        case "none":
            return None
    return outs


def _current(ingested: Ingested) -> list[In]:
    """The inputs with the defaults that hold now."""
    ins = []
    for in_, a in zip(ingested.ins, ingested.arguments):
        value = in_.value if hasattr(in_.value, "container") or a.default is None else a.default[0]
        ins.append(In(in_.variable, a.name, value, in_.update, in_.mutable, a.strict, a.allow_downcast, False,
                      in_.implicit, in_.borrow, in_.shared))
    return ins


def _recipe(f: _Methods) -> dict[str, Any]:
    """What pickles: the variables, and the options."""
    maker, ingested = f.maker, f.maker.ingested
    ins = _current(ingested)
    changing = [k for k, in_ in enumerate(ins) if in_.update is not None]
    return {"inputs": [in_.variable for in_ in ins], "changing": {k: ins[k].update for k in changing},
            "outputs": [o.variable for o in ingested.outs],
            "updates": list(ingested.wanted.items()), "givens": list(ingested.given.items()),
            "ins": [(i.name, i.value, i.mutable, i.strict, i.allow_downcast, i.implicit, i.borrow) for i in ins],
            "borrowed": [o.borrow for o in ingested.outs], "result": ingested.result, "keys": ingested.keys,
            "name": maker.name, "mode": maker.asked, "profile": maker.profile, "trust": f.trust_input}


def _restore(recipe: dict[str, Any]) -> Any:
    ins = [In(v, name, value, recipe["changing"].get(k), mutable, strict, downcast, False, implicit, borrow)
           for k, (v, (name, value, mutable, strict, downcast, implicit, borrow))
           in enumerate(zip(recipe["inputs"], recipe["ins"]))]
    outs = _arranged(recipe["result"], recipe["keys"], list(map(Out, recipe["outputs"], recipe["borrowed"])))
    return function(ins, outs, recipe["mode"], dict(recipe["updates"]), dict(recipe["givens"]), True,
                    name=recipe["name"], profile=recipe["profile"], on_unused_input="ignore", rebuild_strict=False,
                    trust_input=recipe["trust"])


def _eval(self: Variable, inputs_to_values: Mapping[Any, Any] | None = None, **options: Any) -> Any:
    """The value of this variable for values of the inputs it needs: `y.eval({x: 2.0})` (names work too).

    Compiles a function the first time, and keeps it with the variable.
    """
    if not isinstance(inputs_to_values, (Mapping, type(None))):
        raise GraphError(f"eval takes a dict of variables or names and their values, got {quoted(inputs_to_values)}")
    given = dict(inputs_to_values or {})
    if any(isinstance(key, str) for key in given):
        names = {v.name: v for v in graph.explicit_graph_inputs([self]) if v.name}
        missing = [key for key in given if isinstance(key, str) and key not in names]
        if missing:
            raise GraphError(f"{describe(self)} depends on no input named {shown(missing[0])!r}; named inputs: "
                             f"{listed(names)}")
        given = {names[key] if isinstance(key, str) else key: value for key, value in given.items()}
    kept = self.__dict__.setdefault("_functions", {})
    key = (*given, *sorted((k, str(v)) for k, v in options.items()))
    if key not in kept:
        kept[key] = function(list(given), self, **options)
    return kept[key](*given.values())


if dispatch is not None:
    for _name, _method in vars(_Methods).items():
        if callable(_method) or isinstance(_method, property):
            setattr(dispatch.Function, _name, _method)
Variable.eval = _eval  # type: ignore[attr-defined]
