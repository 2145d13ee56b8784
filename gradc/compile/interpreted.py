"""Functions that run in NumPy, equation by equation: the call path of the interpreter."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from gradc.compile.callable import Function, title_of
from gradc.compile.ingest import Ingested
from gradc.errors import BadArgumentError, ExecutionError, GradcError, at, listed, shown
from gradc.ir import interp
from gradc.ir.distributions import copied
from gradc.ir.graph import describe
from gradc.ir.interp import Values

if TYPE_CHECKING:
    from gradc.compile.maker import Info, Maker

_UPDATING = threading.RLock()       # one interpreted function with updates at a time


class InterpretedFunction(Function[object]):
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

    def __call__(self, *args: object, **named: object) -> Any:
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

    def _arguments(self, args: tuple[object, ...], named: dict[str, object]) -> Values:
        """Checked values of the explicit arguments, at their places; the others are None."""
        arguments = self.maker.ingested.arguments
        values: Values = [None] * len(arguments)
        given = [False] * len(arguments)
        if len(args) > len(self._positions):
            raise BadArgumentError(f"{title_of(self)} takes {len(self._positions)} argument(s), got {len(args)}")
        for k, value in zip(self._positions, args):
            values[k], given[k] = value, True
        for key, value in named.items():
            if key not in self._by_name:
                known = listed(self._by_name)
                if len(self._by_name) < len(self._positions):
                    known += " (others, nameless or named alike, go by position)"
                raise BadArgumentError(f"{title_of(self)} has no input named {shown(key)!r}; its named inputs: {known}")
            k = self._by_name[key]
            if given[k]:
                raise BadArgumentError(f"{title_of(self)} got two values for its input {shown(key)!r}")
            values[k], given[k] = value, True
        for k in self._positions:
            if given[k]:
                if not (self.trust_input and isinstance(values[k], np.ndarray)):
                    values[k] = self.maker.convert(k, values[k])
            elif arguments[k].default is not None:
                values[k] = arguments[k].default[0]  # type: ignore[index]
            else:
                missing = shown(arguments[k].name or f"at index {k}")
                raise BadArgumentError(f"{title_of(self)} needs a value for its input {missing}; it takes "
                                       f"{len(self._positions)} argument(s), got {len(args) + len(named)}")
        return values

    def bind(self, *args: object, out: object = None, **named: object) -> InterpretedCall:
        """A call with fixed memory: arrays are read anew at each `call()`, results go to `call.out`.

        Raises BadArgumentError for functions with updates, and for arrays that would have to be copied.
        """
        if self.maker.ingested.updates:
            raise BadArgumentError(f"{title_of(self)} has updates and can't be bound; call it")
        values = self._arguments(args, named)
        held = [*args, *named.values()]
        for value in held:
            if isinstance(value, np.ndarray) and value.ndim and not any(
                    isinstance(v, np.ndarray) and v.ctypes.data == value.ctypes.data for v in values):
                raise BadArgumentError(f"{title_of(self)} can't be bound to an array of dtype {value.dtype} and shape "
                                       f"{value.shape} that has to be copied first; give a C-contiguous one of the "
                                       f"input's dtype")
        return InterpretedCall(self, values, out)

    def _run(self, values: Values) -> Any:
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
            text = ingested.explain(str(error), [np.shape(v) for v in values], lines)
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

    def __init__(self, of: InterpretedFunction, values: Values, out: Any) -> None:
        self._of = of
        self._values = values
        self._lock = threading.Lock()
        first = of._run(values)
        self.out = first if out is None else out
        if out is not None and of.maker.ingested.result != "one" and len(out) != len(first):
            raise BadArgumentError(f"out of {title_of(of)} must be a list of {len(first)} array(s), got {len(out)}")
        for given, made in zip(self._list(self.out), self._list(first)):
            if not isinstance(given, np.ndarray) or given.dtype != made.dtype or given.shape != made.shape \
                    or not given.flags.carray:
                raise BadArgumentError(f"out must be a C-contiguous, writeable array of dtype {made.dtype} and shape "
                                       f"{made.shape}, got {getattr(given, 'dtype', type(given).__name__)} "
                                       f"{np.shape(given)}")
            if any(isinstance(v, np.ndarray) and np.may_share_memory(given, v) for v in values):
                raise BadArgumentError("out overlaps an argument; give it memory of its own")

    def _list(self, results: Any) -> Values:
        kind = self._of.maker.ingested.result
        return [results] if kind == "one" else list(results.values()) if kind == "dict" else list(results)

    def __call__(self) -> None:
        if not self._lock.acquire(blocking=False):
            raise ExecutionError("this bound call is running in another thread; bind once per thread")
        try:
            pairs = list(zip(self._list(self.out), self._list(self._of._run(self._values))))
            if any(given.shape != made.shape for given, made in pairs):
                raise ExecutionError(f"bound call of {title_of(self._of)}: a size has changed since it was bound; bind "
                                     f"again")
            for given, made in pairs:
                given[...] = made
        finally:
            self._lock.release()


def _typed(value: object, ingested: Ingested, place: int) -> Any:
    a = ingested.arguments[place]
    return a.type.filter(value, name=f"the update of {describe(a.variable)}{at(a.variable.source)}")


def _packed(results: Values, ingested: Ingested) -> object:
    if ingested.result == "one":
        return results[0]
    if ingested.result == "dict":
        return dict(zip(ingested.keys, results))
    return results
