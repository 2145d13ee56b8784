"""Functions of sparse matrices: those of their dense parts, and what takes matrices apart and puts results together.

In: the arguments of `function` with sparse variables among inputs, outputs, updates and givens.  The matrices of a
call are checked and put in order (`gradc.sparse.values`) before the function runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from gradc.compile.callable import Function
from gradc.compile.ingest import Out
from gradc.errors import BadArgumentError, GradcError, GraphError, ShapeError, TypeMismatchError, at, shown
from gradc.ir.graph import Constant, Variable, ancestors, user_line
from gradc.record import record
from gradc.sparse.structure import as_format
from gradc.sparse.values import given_back, taken
from gradc.sparse.variable import SparseVariable

Make = Callable[..., Function[Any]]


@record
class SparseInput:
    """A matrix that a call is given; `used`: which of data, indices, indptr and the size the function takes.

    rows, columns: static sizes.
    """

    name: str | None
    format: str
    used: tuple[bool, ...]
    rows: int | None
    columns: int | None
    source: Any

    def values(self, given: object, what: str) -> list[Any]:
        """The values of the parts that are used."""
        try:
            value = taken(given, self.format, what)
            for have, want, of in ((value.shape[0], self.rows, "rows"), (value.shape[1], self.columns, "columns")):
                if want is not None and have != want:
                    raise ShapeError(f"{what}: expected a matrix of {want} {of}, got shape {value.shape}")
        except GradcError as error:
            raise type(error)(f"{error}{at(self.source)}") from None
        parts = (*value[:3], value.shape[self.format == "csr"])
        return [part for part, used in zip(parts, self.used) if used]


@record
class SparseOutput:
    """A matrix that a call returns; `minor`: its columns (rows, of csc) if they are static."""

    format: str
    canonical: bool
    minor: int | None

    def matrix(self, parts: Iterable[Any]) -> Any:
        """The next results as a matrix."""
        rest = iter(parts)
        data, indices, indptr = next(rest), next(rest), next(rest)
        minor = int(next(rest)) if self.minor is None else self.minor
        shape = (len(indptr) - 1, minor) if self.format == "csr" else (minor, len(indptr) - 1)
        return given_back(self.format, data, indices, indptr, shape, self.canonical)


class SparseFunction(Function[Any]):
    """A function of sparse and dense arguments and results; `dense` is the function of their parts, which runs in C.

    Sparse arguments are matrices as SciPy has them, or (data, indices, indptr, shape); sparse results are SciPy
    matrices, without SciPy `CompressedArrays`.
    """

    def __init__(self, dense: Function[Any], ins: Sequence[SparseInput | str | None],
                 outs: Sequence[SparseOutput | None], result: str, keys: Sequence[str]) -> None:
        self.dense = dense
        self._ins, self._outs, self._result, self._keys = ins, outs, result, keys

    def __getattr__(self, name: str) -> Any:
        if name == "dense":                     # while it is copied
            raise AttributeError(name)
        return getattr(self.dense, name)

    def __call__(self, *args: object, **named: object) -> Any:
        flat = []
        for k, (slot, value) in enumerate(zip(self._ins, args)):
            if isinstance(slot, SparseInput):
                flat += slot.values(value, self._what(k, slot.name))
            else:
                flat.append(value)
        flat += args[len(self._ins):]           # too many: the dense function says so
        for k, slot in enumerate(self._ins):
            if isinstance(slot, SparseInput) and (k >= len(args) or slot.name in named):
                if slot.name not in named or k < len(args):
                    why = "is given twice" if k < len(args) else "is missing"
                    raise BadArgumentError(f"{self._what(k, slot.name)} {why}{at(slot.source)}")
                parts = ("data", "indices", "indptr", "columns" if slot.format == "csr" else "rows")
                values = slot.values(named.pop(slot.name), self._what(k, slot.name))
                named.update(zip([f"{slot.name}.{part}" for part, used in zip(parts, slot.used) if used], values))
        rest = iter(self.dense(*flat, **named))
        made = [next(rest) if out is None else out.matrix(rest) for out in self._outs]
        if self._result == "dict":
            return dict(zip(self._keys, made))
        return made[0] if self._result == "one" else made

    def _what(self, position: int, name: str | None) -> str:
        which = f' "{shown(name)}"' if name else ""
        of = f" to function {shown(self.name)}" if self.name else ""
        return f"Bad input argument{which}{of} at index {position} (0-based)"

    def bind(self, *args: object, out: object = None, **named: object) -> Any:
        """Refused: fixed memory is that of the dense parts."""
        raise GraphError("bind takes arrays that stay where they are; compile a function of x.data, x.indices and "
                         "x.indptr, and bind that")

    def copy(self, *args: Any, **options: Any) -> SparseFunction:
        """As `Function.copy`."""
        return SparseFunction(self.dense.copy(*args, **options), self._ins, self._outs, self._result, self._keys)

    def __reduce__(self) -> tuple[object, ...]:
        return SparseFunction, (self.dense, self._ins, self._outs, self._result, self._keys)

    def __deepcopy__(self, memo: dict[int, object]) -> SparseFunction:
        return SparseFunction(self.dense.__deepcopy__(memo), self._ins, self._outs, self._result, self._keys)


# ------------------------------------------------------------------------------------------- requests


def _pairs(given: object) -> list[tuple[object, object]]:
    """The pairs of updates or givens; what is malformed stays for `ingest` to complain about."""
    if isinstance(given, Mapping):
        return list(given.items())
    listed = given if isinstance(given, (tuple, list)) else ()
    return [tuple(p) for p in listed if isinstance(p, (tuple, list)) and len(p) == 2]  # type: ignore[misc]


def _listed(outputs: object) -> list[object]:
    if isinstance(outputs, Mapping):
        return list(outputs.values())
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


def is_sparse_request(inputs: object, outputs: object, updates: object, givens: object) -> bool:
    """Is a sparse variable among them?"""
    given = (inputs if isinstance(inputs, (list, tuple)) else (), _listed(outputs),
             [v for pair in (*_pairs(updates), *_pairs(givens)) for v in pair])
    return any(isinstance(v, SparseVariable) for group in given for v in group)


def sparse_function(make: Make, inputs: Any, outputs: Any, updates: Any, givens: Any,
                    **options: Any) -> Function[Any]:
    """The function of a request with sparse variables; `make` is `function`."""
    replaced, changed = _dense_pairs("givens", givens), _dense_pairs("updates", updates)
    flat_outs: list[object] = []
    outs: list[SparseOutput | None] = []
    for out in _listed(outputs) if outputs is not None else ():
        outs.append(None if not isinstance(out, SparseVariable) else SparseOutput(
            out.format, out.canonical, int(out.minor.data) if isinstance(out.minor, Constant) else None))
        flat_outs += out.parts() if isinstance(out, SparseVariable) else [out]
    roots = [v.variable if isinstance(v, Out) else v for v in (*flat_outs, *[new for _, new in replaced + changed])]
    needed = set(ancestors([v for v in roots if isinstance(v, Variable)]))
    flat_ins = []
    ins: list[SparseInput | str | None] = []
    for v in inputs:
        if not isinstance(v, SparseVariable):
            ins.append(getattr(v, "name", None))
            flat_ins.append(v)
            continue
        if any(part.owner is not None for part in v.parts()):
            raise TypeMismatchError(f"an input is a variable that nothing computes, made by csr_matrix or csc_matrix; "
                                    f"got {v!r}{at(v.source)}")
        parts = v.parts()
        used = [part in needed for part in parts]
        used[0] = used[0] or not any(used)      # which tells that the matrix is not used at all
        flat_ins += [part for part, wanted in zip(parts, used) if wanted]
        ins.append(SparseInput(v.name, v.format, tuple(used), *v.type.shape, v.source))
    if not any(outs) and not any(isinstance(slot, SparseInput) for slot in ins):
        return make(flat_ins, outputs, updates=changed, givens=replaced, **options)
    dense = make(flat_ins, flat_outs, updates=changed, givens=replaced, **options)
    if isinstance(outputs, Mapping):
        return SparseFunction(dense, ins, outs, "dict", list(outputs))
    several = outputs is None or isinstance(outputs, (list, tuple))
    return SparseFunction(dense, ins, outs, "list" if several else "one", [])


def _dense_pairs(what: str, given: object) -> list[tuple[object, object]]:
    """Pairs of matrices as pairs of their parts; of shared ones only those that change."""
    made = []
    for old, new in _pairs(given):
        if not isinstance(old, SparseVariable):
            made.append((old, new))
            continue
        if not isinstance(new, SparseVariable):
            raise TypeMismatchError(f"{what}: a sparse matrix stands for {old!r}{at(user_line())}, got {new!r}; use "
                                    f"csr_from_dense")
        new = as_format(new, old.format)
        pairs = [(old.data, new.data), (old.indices, new.indices), (old.indptr, new.indptr), (old.minor, new.minor)]
        made += [(a, b) for a, b in pairs if a is not b and not isinstance(a, Constant)]
    return made
