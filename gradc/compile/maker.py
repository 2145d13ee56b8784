"""From a closed request to a callable: the route in C or the interpreter's, and what a call needs in the slow cases.

`f.maker` holds everything a function was made from: copies, pickles and C text are made of it again.
Not here: checks of the request (`ingest.py`), stages (`pipeline.py`).
"""

from __future__ import annotations

import warnings
import weakref
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from gradc import errors
from gradc.codegen.snippets import needs_compiler
from gradc.compile import pipeline, states
from gradc.compile.callable import Function
from gradc.compile.ingest import In, Ingested, Out, ingest
from gradc.compile.interpreted import InterpretedFunction
from gradc.compile.mode import Mode, get_mode
from gradc.config import config
from gradc.errors import (
    SIZE_ONE,
    ExecutionError,
    GradcError,
    GraphError,
    ShapeError,
    ToolchainNotFoundError,
    ToolchainWarning,
    at,
    fill,
    shown,
)
from gradc.ir import graph
from gradc.ir.bits import generator_of, words_of
from gradc.ir.convert import inline
from gradc.ir.fgraph import FunctionGraph
from gradc.ir.graph import Variable
from gradc.ir.program import Eqn, with_sources
from gradc.ir.routines import get_routine
from gradc.ir.types import RngType, TensorType, Type
from gradc.runtime import toolchain
from gradc.runtime.toolchain import dispatch


class Info(dict[str, Any]):
    """What is known about a compiled function; prints as a table."""

    def __repr__(self) -> str:
        return "\n".join(f"{key:<10} {_info_text(value)}" for key, value in self.items())


def _info_text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {1e3 * v:.2f} ms" for k, v in value.items())
    return str(value)


class MemoryUse:
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

    def make(self, trust_input: bool) -> Function[Any]:
        """The callable, by the route that the mode and this machine allow."""
        made = self._native() if self.mode.linker == "c" else self._interpreted("")
        made.trust_input = trust_input
        return made

    def _native(self) -> Function[object]:
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

    def _dispatched(self) -> Function[Any]:
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
                     states.number(a.type)) for a in arguments],
            outputs=[(dtype, len(shape), borrow, type(v.type) is RngType)
                     for v, borrow in zip(outputs, borrows) for dtype, shape in [_in_memory(v.type)]],
            constants=loaded.constants, n_results=ingested.results, result=ingested.result, keys=ingested.keys,
            updates=ingested.updates, convert=partial(self.convert, words=True), fail=self.fail,
            generator=self.generator if any(type(v.type) is RngType for v in outputs) else None, keep=loaded.keep,
            deterministic=config.deterministic, timed=bool(self.profile), late=manifest["late"],
            brief=manifest["brief"], known=manifest["known"],
            calls=[_calling(ingested.equation(numbers[0])) for numbers in manifest["calls"]], call=self.call)
        made.maker = self
        made.name = self.name
        if any(get_routine(name).blas for name in manifest["routines"]):
            _choose_blas()
        made.info = Info(mode="c", key=self.compiled.key, cached=loaded.cached, cache=loaded.reason,
                         sections=manifest["sections"], isa=_isa_name(toolchain.isa()), path=loaded.path,
                         seconds={**self.compiled.seconds, "compiler": loaded.seconds}, scratch=MemoryUse(made))
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

    def forget(self) -> None:
        """Give up what can be made again."""
        self.compiled.forget()
        self._fgraph = None

    def again(self, swap: dict[Variable, Variable], delete_updates: bool, name: str | None,
              profile: bool | str | None, trust: bool) -> Function[Any]:
        """The callable of the same request, in which shared variables are swapped."""
        old = self.ingested
        updates = {} if delete_updates else {swap.get(t, t): e for t, e in old.wanted.items()}
        givens = {**{v: e for v, e in old.given.items() if v not in swap}, **swap}
        return _make(_current(old), _arranged(old.result, old.keys, old.outs), self.asked, updates, givens,
                     name or self.name, self.profile if profile is None else profile, trust)

    def recipe(self, trust: bool) -> dict[str, Any]:
        """What pickles: the variables, and the options."""
        ingested, ins = self.ingested, _current(self.ingested)
        return {"inputs": [i.variable for i in ins],
                "changing": {k: i.update for k, i in enumerate(ins) if i.update is not None},
                "outputs": [o.variable for o in ingested.outs],
                "updates": list(ingested.wanted.items()), "givens": list(ingested.given.items()),
                "ins": [(i.name, i.value, i.mutable, i.strict, i.allow_downcast, i.implicit, i.borrow) for i in ins],
                "borrowed": [o.borrow for o in ingested.outs], "result": ingested.result, "keys": ingested.keys,
                "name": self.name, "mode": self.asked, "profile": self.profile, "trust": trust}

    @staticmethod
    def restore(recipe: dict[str, Any]) -> Function[Any]:
        """The callable that a recipe is of."""
        ins = [In(v, name, value, recipe["changing"].get(k), mutable, strict, downcast, False, implicit, borrow)
               for k, (v, (name, value, mutable, strict, downcast, implicit, borrow))
               in enumerate(zip(recipe["inputs"], recipe["ins"]))]
        outs = _arranged(recipe["result"], recipe["keys"], list(map(Out, recipe["outputs"], recipe["borrowed"])))
        return _make(ins, outs, recipe["mode"], dict(recipe["updates"]), dict(recipe["givens"]), recipe["name"],
                     recipe["profile"], recipe["trust"])

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
            return words_of(value, where, a.type.bits) if words and type(a.type) is RngType else value
        except GradcError as error:
            raise type(error)(f"{error}{at(a.variable.source)}") from None

    def generator(self, position: int, words: np.ndarray, like: np.random.Generator | None) -> np.random.Generator:
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
            text = self.ingested.explain(str(error), self._shapes(sizes), self.ingested.lines_of(numbers))
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
        return kind(self.ingested.explain(fill(message, values), shapes, lines))

    def _title(self) -> str:
        return shown(self.name or "the function")

    def _where(self, position: int) -> str:
        a = self.ingested.arguments[position]
        which = f' "{shown(a.name)}"' if a.name else ""
        of = f" to function {shown(self.name)}" if self.name else ""
        return f"Bad input argument{which}{of} at index {position} (0-based)"


def _make(inputs: object, outputs: object, mode: Mode | str | None, updates: object, givens: object, name: str | None,
          profile: bool | str | None, trust: bool) -> Function[object]:
    with pipeline.paused_gc():
        ingested = ingest(inputs, outputs, updates, givens, True, None, "ignore", False)
        return Maker(ingested, mode, name, profile).make(trust)


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


def _in_memory(t: Type) -> tuple[str, tuple[int, ...]]:
    """Dtype and shape (-1: any size) of what a kernel is given for a value of type `t`."""
    t = t.words if type(t) is RngType else t
    return t.dtype, tuple([-1 if s is None else s for s in t.shape])


def _calling(eqn: Eqn) -> tuple[list[tuple[str, int]], list[tuple[str, int]], bool]:
    """Dtype and rank of each array that a user's Op is given, and of each of its results; is it repeatable?"""
    given, made = [[(dtype, len(shape)) for dtype, shape in (_in_memory(v.type) for v in group)]
                   for group in (eqn.op.split(eqn.args)[0], eqn.outs)]
    return given, made, eqn.op.routine.repeatable


def _arranged(result: str, keys: Sequence[str], outs: list[Out]) -> object:
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
