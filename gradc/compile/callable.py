"""The functions that users call: their methods, in C and in the interpreter.

Not here: the call itself (csrc/call.c; `interpreted.py`), and what functions are made of (`maker.py`).
"""

from __future__ import annotations

import copy
from abc import ABCMeta
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import numpy as np

from gradc.compile import lowlevel
from gradc.compile.ingest import Argument, Cell, Ingested
from gradc.compile.profile import Profile
from gradc.errors import GraphError, at, shown, user_line
from gradc.ir.graph import Variable, describe
from gradc.runtime.toolchain import dispatch

if TYPE_CHECKING:
    from gradc.compile.maker import Info, Maker

Result = TypeVar("Result", covariant=True)


class BoundCall(Protocol[Result]):
    """What `bind` returns: `call()` computes again, on what is in the arrays now, and fills `call.out`."""

    @property
    def out(self) -> Result: ...

    def __call__(self) -> None: ...


class Function(Generic[Result], metaclass=ABCMeta):
    """What `gradc.function` returns: a call gives an array, a list or dict of them, as the outputs were given.

    Here are the methods that every function has; the C type gets them below, `InterpretedFunction` inherits them.
    """

    maker: Maker
    info: Info
    name: str | None
    trust_input: bool
    tally: tuple[int, float, float] | None      # calls, seconds in all, seconds in the kernel; None: not timed
    drop_recent: Callable[[], None]             # give up results kept for reuse (`Out(borrow=True)`)

    if TYPE_CHECKING:
        def __call__(self, *args: object, **named: object) -> Result: ...

        def bind(self, *args: object, out: object = None, **named: object) -> BoundCall[Result]:
            """A call with fixed memory: arrays are read anew at each `call()`, results go to `call.out`."""

    def __repr__(self) -> str:
        ingested = self.maker.ingested
        ins = ", ".join(f"{shown(a.name)}: {a.type.short()}" if a.name else a.type.short()
                        for a in ingested.arguments if a.storage is None)
        keys: list[str | None] = [*ingested.keys] or [o.variable.name for o in ingested.outs]
        outs = ", ".join(f"{shown(k)}: {o.variable.type.short()}" if k else o.variable.type.short()
                         for k, o in zip(keys, ingested.outs))
        return f"Function {shown(self.maker.name or 'f')}({ins}) -> ({outs}) [{', '.join(_facts(self.info, ingested))}]"

    def __getitem__(self, key: Variable | str) -> Any:
        """The stored value of a shared variable or of an input with a default, by variable or name."""
        return _cell(self.maker.ingested, key)[1][0]

    def __setitem__(self, key: Variable | str, value: object) -> None:
        argument, cell = _cell(self.maker.ingested, key)
        name = f"the new value of {describe(argument.variable)}{at(user_line())}"
        new = argument.type.filter(value, strict=argument.strict, allow_downcast=argument.allow_downcast, name=name)
        cell[0] = new.copy() if isinstance(new, np.ndarray) else new

    @property
    def value(self) -> StoredValues:
        """Stored values by variable or name: `f.value["x"]`."""
        return StoredValues(self)

    @property
    def profile(self) -> Profile | Any:     # Any: who asked for it need not check for None
        """Calls so far and where their time went; None unless the function was made with `profile=True`."""
        if self.tally is None:
            return None
        asked = self.maker.profile
        return Profile(asked if isinstance(asked, str) else self.name or "f", str(self.info["mode"]).split()[0],
                       *self.tally, self.info["seconds"])

    def c_source(self) -> str:
        """The C text of the function; made anew when it came from the cache."""
        return self.maker.c_source()

    def low_level(self, signature: str, given: Mapping[str | int, object] | None = None,
                  sizes: Mapping[str, int] | None = None, finite: bool | None = None,
                  success: int | None = None) -> lowlevel.LowLevel:
        """The function as a C function, which needs no Python: `.address`, `.capsule` (SciPy), `.ctypes`, `.cffi(ffi)`.

        signature  its C type.  Parameters are inputs and then results, in order, or have the names of these; scalars
                   are given by value or by pointer.  Sizes stand behind arrays: "double (int n, double x[n], void *)".
                   A `void *` is the caller's own, and is not looked at.  One scalar result may be returned; else a
                   status is: 0, or positive where other arguments may do (a check failed: 1; a result is nan or
                   infinite: 2), negative where none will (no memory: -1; sizes that do not fit: -2).  A result that is
                   returned is nan then.  What SciPy calls needs no names of sizes (quad, nquad, ndimage).  "logp_grad"
                   is int (double *x, double *grad, double *logp, void *user) for a log density and its gradient, in any
                   order, and "nutpie" the same as nutpie has it
        given      values of inputs, by name or position, that are no parameters; arrays are not copied
        sizes      sizes by name that no parameter tells; those that types state need not be repeated
        finite     is a result that is nan or infinite a failure?  By default of log densities only
        success    the status of a call that went well: 0, or 1 (by default of ndimage's signatures), then 0 is failure

        Shared variables and defaults have the values of this moment.  Arrays are C-contiguous and do not overlap; the
        function may be called by many threads at a time.  It works as long as the result of this method lives.

        Raises: GraphError, TypeMismatchError for a signature that does not fit; BadArgumentError for functions with
        updates, with results whose sizes depend on computed data, with Ops written in Python, or that are interpreted;
        CompileError.
        """
        return lowlevel.low_level(self, signature, given, sizes, finite, success)

    def address(self, signature: str = "logp_grad", **options: Any) -> int:
        """The address of `low_level(signature, **options)`, which works as long as the function lives."""
        made = lowlevel.low_level(self, signature, **options)
        self.__dict__.setdefault("_addresses", []).append(made)
        return made.address

    def copy(self, share_memory: bool = False, swap: Mapping[Variable, Variable] | None = None,
             delete_updates: bool = False, name: str | None = None,
             profile: bool | str | None = None) -> Function[Result]:
        """The same function again; `swap` maps shared variables to others of the same type.

        `delete_updates=True` leaves the updates out; shared variables stay shared in any case.
        """
        again: Function[Result] = self.maker.again(_swapped(swap), delete_updates, name, profile, self.trust_input)
        return again

    def free(self) -> None:
        """Give back what can be made again: the intermediate stages of compilation, and arrays kept for reuse."""
        self.maker.forget()
        self.drop_recent()

    def __reduce__(self) -> tuple[object, ...]:
        return self.maker.restore, (self.maker.recipe(self.trust_input),)

    def __copy__(self) -> Function[Result]:
        return self.copy()

    def __deepcopy__(self, memo: dict[int, object]) -> Function[Result]:
        return self.maker.restore(copy.deepcopy(self.maker.recipe(self.trust_input), memo))


class StoredValues:
    """Mapping view of a function's stored values."""

    def __init__(self, of: Function[object]) -> None:
        self._of = of

    def __getitem__(self, key: Variable | str) -> Any:
        return self._of[key]

    def __setitem__(self, key: Variable | str, value: object) -> None:
        self._of[key] = value

    def __iter__(self) -> Iterator[Variable]:
        return iter([a.variable for a in self._of.maker.ingested.arguments
                     if a.storage is not None or a.default is not None])

    def __contains__(self, key: object) -> bool:
        return any(key is v or (isinstance(key, str) and key == v.name) for v in self)

    def __len__(self) -> int:
        return len(list(iter(self)))


def title_of(f: Function[object]) -> str:
    return f"function {shown(f.maker.name)}" if f.maker.name else "the function"


def _facts(info: Info, ingested: Ingested) -> list[str]:
    facts = []
    if ingested.updates:
        facts.append(f"{len(ingested.updates)} update{'s' if len(ingested.updates) > 1 else ''}")
    if str(info["mode"]).startswith("interpret"):
        return [*facts, "interpreted"]
    count = info["sections"]
    return [f"{count} section{'' if count == 1 else 's'}", *facts, "cached" if info["cached"] else "compiled",
            info["isa"]]


def _cell(ingested: Ingested, key: object) -> tuple[Argument, Cell]:
    for a in ingested.arguments:
        if key is a.variable or (isinstance(key, str) and key == a.name):
            cell = a.storage if a.storage is not None else a.default
            if cell is None:
                raise GraphError(f"input {describe(a.variable)} has no stored value: it has no default")
            return a, cell
    raise GraphError(f"the function has no input or shared variable {shown(key)!r}")


def _swapped(swap: Mapping[Variable, Variable] | None) -> dict[Variable, Variable]:
    for old, new in (swap or {}).items():
        if not (hasattr(old, "container") and hasattr(new, "container")):
            raise GraphError("swap maps shared variables of the function to other shared variables")
        if old.type != new.type:
            raise GraphError(f"swap: {describe(old)} is {old.type.short()}, {describe(new)} is {new.type.short()}")
    return dict(swap or {})


if dispatch is not None:
    for _name, _method in vars(Function).items():
        if callable(_method) or isinstance(_method, property):
            setattr(dispatch.Function, _name, _method)
    Function.register(dispatch.Function)
