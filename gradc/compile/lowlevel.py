"""`f.low_level` and `f.address`: a compiled function as a C function, for callers that have no Python.

Here is which parameter of a signature is which input, result or size, and what Python can do with the address.  Not
here: signatures as text (`codegen.pointers`), the call (csrc/lowlevel.c).
"""

from __future__ import annotations

import ctypes
import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradc.codegen.names import C_TYPE
from gradc.codegen.pointers import Roles, Signature, parse, unit_text
from gradc.compile import pipeline
from gradc.config import config
from gradc.errors import BadArgumentError, GraphError, TypeMismatchError, at, listed, quoted, shown, user_line
from gradc.ir.types import TensorType
from gradc.record import record
from gradc.runtime import build, toolchain
from gradc.runtime.toolchain import dispatch

if TYPE_CHECKING:
    from gradc.compile.callable import Function

# What libraries say of functions that they call: with the names of sizes, and the status that means success.
KNOWN = {
    "double (int, double *)": ("double (int n, double x[n])", 0),
    "double (int, double *, void *)": ("double (int n, double x[n], void *user)", 0),
    "int (double *, intptr_t, double *, void *)": ("int (double x[n], intptr_t n, double *y, void *user)", 1),
    "int (double *, npy_intp, double *, void *)": ("int (double x[n], npy_intp n, double *y, void *user)", 1),
    "int (double *, intptr_t, double *, intptr_t, void *)":
        ("int (double x[n], intptr_t n, double y[m], intptr_t m, void *user)", 1),
    "int (double *, npy_intp, double *, npy_intp, void *)":
        ("int (double x[n], npy_intp n, double y[m], npy_intp m, void *user)", 1),
    "int (intptr_t *, double *, int, int, void *)":
        ("int (intptr_t to[n], double from[m], int n, int m, void *user)", 1),
    "int (npy_intp *, double *, int, int, void *)":
        ("int (npy_intp to[n], double from[m], int n, int m, void *user)", 1),
}
# Of log densities with gradients: the contract that numba's users have, and nutpie's.
DENSITIES = {
    "logp_grad": "int (const double x[n], double grad[n], double *logp, void *user)",
    "nutpie": "int64_t (uint64_t n, const double x[n], double grad[n], double *logp, void *user)",
}


class LowLevel:
    """A compiled function as a C function, made by `f.low_level`; callable from any thread, with or without the GIL.

    address    of the C function; it works as long as this object lives, and reports GRADC_DEAD (-3; nan) after that
    signature  its type, as SciPy spells it
    """

    def __init__(self, function: Function[object], signature: str, pointer: Any, parsed: Signature) -> None:
        self.function = function
        self.signature = signature
        self.address: int = pointer.address
        self._pointer = pointer
        self._parsed = parsed
        self._name = signature.encode()

    @property
    def capsule(self) -> object:
        """A PyCapsule named by the signature: `scipy.LowLevelCallable(low.capsule)`.  It keeps this object alive."""
        return self._pointer.capsule(self._name, (self, self._name))

    @property
    def ctypes(self) -> Any:
        """A function of ctypes, which numba can call, too.  It keeps this object alive.

        Raises: TypeMismatchError if the signature has complex numbers, which ctypes lacks.
        """
        types = [_ctype(p.dtype, self.signature) for p in self._parsed.parameters]
        result = _ctype(self._parsed.dtype, self.signature) if self._parsed.dtype else None
        given = [ctypes.c_void_p if p.is_user else ctypes.POINTER(t) if p.pointer else t
                 for p, t in zip(self._parsed.parameters, types)]
        made: Any = ctypes.CFUNCTYPE(result, *given)(self.address)
        made.low_level = self
        return made

    def cffi(self, ffi: Any) -> Any:
        """A function pointer of cffi: `low.cffi(FFI())`.  It keeps this object alive."""
        result, parameters = self.signature.split(" (", 1)
        kept = ffi.cast(f"{result} (*)({parameters}".replace("npy_intp", "intptr_t"), self.address)
        return ffi.gc(kept, lambda _, low=self: None)

    def error(self) -> Exception | None:
        """What `f(...)` would have raised in the first call that failed since this was last asked; None: none did."""
        found: Exception | None = self._pointer.error()
        return found

    def __repr__(self) -> str:
        return f"<{self.signature} of gradc function {shown(self.function.name or 'f')} at {self.address:#x}>"


def low_level(f: Function[object], signature: str, given: Mapping[str | int, object] | None = None,
              sizes: Mapping[str, int] | None = None, finite: bool | None = None,
              success: int | None = None) -> LowLevel:
    """What `Function.low_level` says."""
    if str(f.info["mode"]).startswith("interpret"):
        raise BadArgumentError(f"{_title(f)} has no address: it runs in {f.info['mode']}, in Python{at(user_line())}")
    if not isinstance(f, dispatch.Function):
        raise BadArgumentError(f"{_title(f)} has no address: it takes or returns sparse matrices, which are Python's; "
                               f"make a function of their `data`, `indices` and `indptr`{at(user_line())}")
    density = signature in DENSITIES
    asked = parse(DENSITIES.get(signature, signature))
    text, status = KNOWN.get(asked.text, ("", 0))
    parsed = parse(text) if text and not any(p.sizes for p in asked.parameters) else asked
    values = _given(f, given or {})
    match = _Match(f, parsed, dict(sizes or {}), values, _outputs_of_density(f, signature) if density else None)
    roles = match.roles(status if success is None else success)
    pointer = _pointer(f, unit_text(parsed, roles), match.inputs, match.outputs, match.sizes, match.at,
                       tuple(values.items()), density if finite is None else finite)
    return LowLevel(f, asked.text, pointer, parsed)


def pointer_of_all(f: Function[object], text: str) -> dispatch.Pointer:
    """A Pointer that gives all inputs, all results and their sizes, in order, to a function of the unit `text`."""
    values, n = _values_of(f, ())
    sizes = [-1] * n
    told: list[int] = []
    for v in values:
        told += range(v.first, v.first + v.type.ndim)
        sizes[v.first:v.first + v.type.ndim] = [-1 if s is None else s for s in v.type.shape]
    numbers = [tuple([v.number for v in values if v.is_result is result]) for result in (False, True)]
    return _pointer(f, text, *numbers, tuple(sizes), tuple(told), (), False)


def _pointer(f: Function[object], text: str, *bound: object) -> dispatch.Pointer:
    """A Pointer of `f`; where all functions of its unit are in use, of a copy of the unit."""
    library = _library(text, False)
    try:
        return dispatch.Pointer(f, library.prepare, *bound)
    except OverflowError:
        return dispatch.Pointer(f, _library(text, True).prepare, *bound)


_LIBRARIES: dict[str, build.Loaded] = {}


def _library(text: str, fresh: bool) -> build.Loaded:
    """The unit of this text; fresh: one of which no function is in use."""
    parts = [text, pipeline.build_id(), toolchain.isa(), sorted(config.code_flags().items())]
    key = hashlib.sha256(json.dumps(parts, separators=(",", ":")).encode()).hexdigest()
    if key not in _LIBRARIES:
        _LIBRARIES[key] = build.obtain(key, lambda: build.Unit(text, {}, (), "-O2"))
    elif fresh:
        _LIBRARIES[key] = build.copied(_LIBRARIES[key])
    return _LIBRARIES[key]


@record
class _Value:
    """An input or a result: `first` is where its sizes begin among all."""

    what: str
    name: str | None
    type: TensorType
    number: int
    first: int

    @property
    def is_result(self) -> bool:
        return self.what == "result"


class _Match:
    """Which parameter is what."""

    def __init__(self, f: Function[object], signature: Signature, sizes: dict[str, int], given: Collection[int],
                 order: Sequence[int] | None) -> None:
        self.signature = signature
        self.where = f"signature {quoted(signature.text)} of {_title(f)}"
        for name, n in sizes.items():
            if not isinstance(n, (int, np.integer)) or n < 0:
                raise GraphError(f"{self.where}: the size {shown(name)} is a number that is not negative, got "
                                 f"{quoted(n)}{at(user_line())}")
        self.named = sizes
        self.values, n = _values_of(f, given)
        behind = [size for p in signature.parameters for size in p.sizes]
        self.by_name = {p.name: k for k, p in enumerate(signature.parameters) if p.name in behind}
        unknown = [name for name in sizes if name not in behind]
        if unknown:
            raise GraphError(f"{self.where}: sizes has {shown(unknown[0])}, which stands behind no parameter"
                             f"{at(user_line())}")
        self.pairs = self._pairs(order)
        fixed, told = [-1] * n, {}
        for value, k in self.pairs:
            for axis, known in enumerate(self._dims(value, k)):
                position = value.first + axis
                if isinstance(known, str):
                    told[position] = self.by_name[known]
                    static = value.type.shape[axis]
                    fixed[position] = -1 if static is None else static
                else:
                    fixed[position] = known
        self.at = tuple(told)
        self.size_parameters = tuple(told.values())
        self.sizes = tuple(fixed)
        self.inputs = tuple([value.number for value, _ in self.pairs if not value.is_result])
        self.outputs = tuple([value.number for value, _ in self.pairs if value.is_result])

    def roles(self, success: int) -> Roles:
        """The same for the C text."""
        if success not in (0, 1):
            raise GraphError(f"{self.where}: success is the status of calls that go well, 0 or 1, got "
                             f"{quoted(success)}{at(user_line())}")
        ins, outs = ([(v, k) for v, k in self.pairs if v.is_result is result] for result in (False, True))
        return Roles(tuple([k for _, k in ins]), tuple([k for _, k in outs]),
                     tuple([C_TYPE[v.type.dtype].replace("uint8_t", "_Bool") if v.type.dtype == "bool"
                            else C_TYPE[v.type.dtype] for v, _ in ins]), self.size_parameters, success)

    def _pairs(self, order: Sequence[int] | None) -> list[tuple[_Value, int]]:
        """Each input and result with its parameter: by name, the others in order; -1: the result is returned."""
        parameters = self.signature.parameters
        free = [k for k, p in enumerate(parameters) if not p.is_user and k not in self.by_name.values()]
        values = list(self.values)
        if order is not None:
            values = [v for v in values if not v.is_result] + [v for k in order for v in values
                                                               if v.is_result and v.number == k]
        found: dict[int, int] = {}
        for number, v in enumerate(values):
            same = [k for k in free if v.name and parameters[k].name == v.name]
            if same and order is None and [w.name for w in values].count(v.name) == 1:
                found[number] = same[0]
                free.remove(same[0])
        rest = [number for number in range(len(values)) if number not in found]
        results = [v for v in values if v.is_result]
        returns = len(rest) == len(free) + 1 and values[rest[-1]].is_result and len(results) == 1
        if not returns and len(rest) != len(free):
            raise GraphError(
                f"{self.where}: it has {len(found) + len(free)} parameter(s) for inputs and results, but the function "
                f"has the input(s) {_described(values, False)} and the result(s) {_described(values, True)}. "
                "Parameters are inputs and then results, in order, or have their names; the one result may be "
                f"returned; sizes are parameters that stand behind another, as n in double x[n]{at(user_line())}")
        found.update(zip(rest, free))
        if returns:
            found[rest[-1]] = -1
        pairs = [(v, found[number]) for number, v in enumerate(values)]
        for v, k in pairs:
            self._check_type(v, k)
        if not returns and self.signature.dtype and not self.signature.dtype.startswith(("int", "uint")):
            raise GraphError(f"{self.where}: all results have parameters, so that it returns a status: int or void, "
                             f"not {self.signature.result}{at(user_line())}")
        return pairs

    def _check_type(self, v: _Value, k: int) -> None:
        p = self.signature.parameters[k] if k >= 0 else None
        dtype, rank = v.type.dtype, v.type.ndim
        if p is None:
            if self.signature.dtype != dtype or rank or dtype not in ("float64", "float32"):
                raise TypeMismatchError(
                    f"{self.where}: it returns {self.signature.result}, and the result is {v.type.short()}; what is "
                    f"returned is a float64 or float32 scalar (nan says that a call failed), others need a parameter"
                    f"{at(user_line())}")
        elif not p.pointer and (v.is_result or rank or dtype == "float16" or not np.can_cast(p.dtype, dtype, "safe")):
            raise TypeMismatchError(f"{self.where}: parameter {k} is a {p.spelled}, but {_name(v)} is "
                                    f"{v.type.short()}{at(user_line())}")
        elif p.pointer and p.dtype != dtype:
            raise TypeMismatchError(f"{self.where}: parameter {k} points to {p.spelled}, but {_name(v)} is "
                                    f"{v.type.short()}{at(user_line())}")

    def _dims(self, v: _Value, k: int) -> list[int | str]:
        """Each size of an input or result: a number, or the name of the parameter that tells it."""
        declared = self.signature.parameters[k].sizes if k >= 0 else ()
        if declared and len(declared) != v.type.ndim:
            raise GraphError(f"{self.where}: parameter {k} has {len(declared)} size(s), but {_name(v)} is "
                             f"{v.type.short()}{at(user_line())}")
        dims: list[int | str] = []
        for axis, static in enumerate(v.type.shape):
            size = declared[axis] if declared else ""
            number = int(size) if size.isdecimal() else self.named.get(size)
            if size in self.by_name:
                p = self.signature.parameters[self.by_name[size]]
                if p.pointer or not p.dtype.startswith(("int", "uint")):
                    raise GraphError(f"{self.where}: the size {size} is {p.spelled}{' *' * p.pointer}, not an integer"
                                     f"{at(user_line())}")
                dims.append(size)
                continue
            known = static if number is None else number
            if known is None:
                raise GraphError(
                    f"{self.where}: the size of axis {axis} of {_name(v)} is not known; name a parameter that tells it "
                    f"(int n, double x[n]), give sizes={{...}} for its name, or a type with that size"
                    f"{at(user_line())}")
            if number is not None and static is not None and number != static:
                raise GraphError(f"{self.where}: the size of axis {axis} of {_name(v)} is {static}, not {number}"
                                 f"{at(user_line())}")
            dims.append(int(known))
        return dims


def _given(f: Function[object], given: Mapping[str | int, object]) -> dict[int, object]:
    """Values of inputs, by number."""
    arguments = f.maker.ingested.arguments
    explicit = [k for k, a in enumerate(arguments) if a.storage is None]
    found: dict[int, object] = {}
    for key, value in given.items():
        numbers = [k for place, k in enumerate(explicit) if key in (place, arguments[k].name) and key is not None]
        if len(numbers) != 1:
            inputs = [arguments[k].name or place for place, k in enumerate(explicit)]
            raise GraphError(f"given has {quoted(key)}, but {_title(f)} has the inputs {listed(inputs)}"
                             f"{at(user_line())}")
        found[numbers[0]] = value
    return found


def _values_of(f: Function[object], given: Collection[int]) -> tuple[list[_Value], int]:
    """Inputs that a call gives, then results; and how many sizes all inputs and outputs have."""
    ingested, first = f.maker.ingested, 0
    values = []
    for number, a in enumerate(ingested.arguments):
        t = _in_memory(a.type)
        if a.storage is None and a.default is None and number not in given:
            values.append(_Value("input", a.name, t, number, first))
        first += t.ndim
    names: list[str | None] = [*ingested.keys] or [o.variable.name for o in ingested.outs]
    for number, v in enumerate(ingested.program.outputs):
        t = _in_memory(v.type)
        if number < ingested.results:
            values.append(_Value("result", names[number], t, number, first))
        first += t.ndim
    return values, first


def _in_memory(t: Any) -> TensorType:
    """The type of an array; of the state of a random generator, that of its words."""
    return t if isinstance(t, TensorType) else t.words


def _outputs_of_density(f: Function[object], signature: str) -> list[int]:
    """The numbers of the gradient and of the log density."""
    outs = {v.type.ndim: k for k, v in enumerate(f.maker.ingested.program.outputs)}
    if sorted(outs) != [0, 1] or f.maker.ingested.results != 2:
        raise GraphError(f"{_title(f)} has no address as {signature!r}: its results must be a scalar, the log density, "
                         f"and a vector, its gradient{at(user_line())}")
    return [outs[1], outs[0]]


def _ctype(dtype: str, signature: str) -> Any:
    """The type of ctypes for a dtype; of void, a byte."""
    try:
        return np.ctypeslib.as_ctypes_type(np.dtype(dtype or "uint8"))
    except NotImplementedError:
        raise TypeMismatchError(f"ctypes has no complex numbers, which {signature} needs{at(user_line())}") from None


def _name(v: _Value) -> str:
    return f"{v.what} {shown(v.name)}" if v.name else f"{v.what} {v.number}"


def _described(values: Sequence[_Value], results: bool) -> str:
    return listed([f"{shown(v.name)}: {v.type.short()}" if v.name else v.type.short()
                   for v in values if v.is_result is results]) or "(none)"


def _title(f: Function[object]) -> str:
    return f"function {shown(f.name)}" if f.name else "the function"
