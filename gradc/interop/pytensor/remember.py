"""What came of a user's graph, for the next process: PyTensor's rewrites take most of a warm start.

The key of a graph is made before PyTensor rewrites it: of its Ops and types, constants, lines of the user's file, the
rewrites in force and of the versions of PyTensor, PyMC and gradc.  Under it the cache of kernels holds the gradc
function that the rewritten graph became, pickled.  Where it is found the graph becomes one node, a `KernelOp`, and no
rewrite runs.  Graphs with Ops of which gradc can't tell what they do (the user's own, draws by `rng_fn`) have no key.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import sys
from collections.abc import Iterator, Mapping, Sequence, Set
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import pytensor
from pytensor.compile import mode as modes
from pytensor.compile.ops import DeepCopyOp
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.op import Op
from pytensor.graph.rewriting.basic import GraphRewriter
from pytensor.graph.rewriting.db import RewriteDatabase, RewriteDatabaseQuery
from pytensor.scalar.basic import ScalarOp, ScalarType
from pytensor.scan.op import Scan
from pytensor.tensor.random.type import RandomType
from pytensor.tensor.type import TensorType
from pytensor.tensor.type_other import NoneTypeT, SliceType

from gradc.compile.maker import Maker
from gradc.compile.pipeline import build_id
from gradc.config import config
from gradc.interop.pytensor.convert import to_gradc, user_line
from gradc.runtime import cache
from gradc.runtime.entry import pack

Checks = dict[str, type[BaseException]]         # exceptions of CheckAndRaise by their messages


class _Unknown(Exception):
    """Something of a graph whose meaning its text would not tell."""


# ---- the key -----------------------------------------------------------------------------------------------------


def key_of(fgraph: FunctionGraph, query: object) -> str | None:
    """64 hexadecimal digits for a graph that is to be rewritten by `query`; None if it has no key."""
    if any(v.owner is None for v in fgraph.outputs) or _foreign_rows():
        return None
    try:
        parts = [_versions(), build_id(), repr(sorted(config.code_flags().items())), _rewrites(query), _graph(fgraph)]
    except _Unknown:
        return None
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _versions() -> str:
    found = []
    for name in ("pytensor", "pymc"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def _foreign_rows() -> bool:
    """Has somebody changed what an Op of PyTensor means to gradc?"""
    return any(_is_library(kind) and not row.__module__.startswith("gradc.interop.")
               for kind, row in to_gradc.registry.items())


def _is_library(kind: type) -> bool:
    return kind.__module__.startswith(("pytensor.", "pymc."))


def _rewrites(query: object) -> str:
    """The rewrites that a query selects from: the query, the names of all that are registered, the flags."""
    names = sorted(_registered(modes.optdb, set()))
    flags = [f"{name}={getattr(pytensor.config, name)}" for name in sorted(pytensor.config._config_var_dict)
             if name.startswith(("floatX", "cast_policy", "int_division", "optimizer_", "optdb", "scan__", "tensor__",
                                 "local_", "exception_verbosity"))]
    if not isinstance(query, RewriteDatabaseQuery):
        raise _Unknown("a rewriter that is no query")
    fields = {name: _text(value) for name, value in sorted(vars(query).items())}
    return repr((fields, names, flags))


def _registered(db: RewriteDatabase, seen: set[int]) -> Iterator[str]:
    if id(db) in seen:
        return
    seen.add(id(db))
    for name, made in db.__db__.items():
        for one in made:
            yield f"{name} {type(one).__module__}.{type(one).__qualname__}"
            if isinstance(one, RewriteDatabase):
                yield from _registered(one, seen)


def _graph(fgraph: FunctionGraph) -> str:
    """The structure of a graph, each variable by the number of what made it."""
    numbers: dict[Variable, str] = {v: f"i{k}" for k, v in enumerate(fgraph.inputs)}
    lines = [f"{_text(v.type)} {v.name}" for v in fgraph.inputs]

    def named(v: Variable) -> str:
        if v not in numbers:
            if not isinstance(v, Constant):
                raise _Unknown(v)
            numbers[v] = f"{_text(v.type)} {_text(v.data)}"
        return numbers[v]

    for k, node in enumerate(fgraph.toposort()):
        numbers.update((v, f"{k}.{j}") for j, v in enumerate(node.outputs))
        outs = ", ".join([_text(v.type) for v in node.outputs])
        lines.append(f"{_op(node.op)}({', '.join(map(named, node.inputs))}) -> {outs} {user_line(node)}")
    lines.append(", ".join(map(named, fgraph.outputs)))
    return "\n".join(lines)


def _op(op: Op) -> str:
    """What an Op does: its class, its properties, the graph inside it."""
    text = _class(type(op))
    if not _is_library(type(op)):
        raise _Unknown(op)
    inner = getattr(op, "fgraph", None)
    if isinstance(inner, FunctionGraph):
        text += "{" + _graph(inner) + "}"
    if isinstance(op, Scan):
        return f"{text} {_text(op.info)} {op.truncate_gradient}"
    if isinstance(op, ScalarOp):            # dtypes are those of the node's results
        return text
    props = getattr(op, "__props__", None)
    if props is None and inner is None and vars(op):
        raise _Unknown(op)
    return f"{text} {_text([getattr(op, name) for name in props or ()])}"


def _class(kind: type) -> str:
    """The name of a class that a name leads to."""
    if getattr(sys.modules.get(kind.__module__), kind.__qualname__, None) is not kind:
        raise _Unknown(kind)
    return f"{kind.__module__}.{kind.__qualname__}"


def _text(x: object) -> str:
    """A value as text that is equal in each process."""
    if isinstance(x, np.generic | np.ndarray) and not x.dtype.hasobject:
        a = np.ascontiguousarray(x)
        return f"{a.dtype.str}{np.shape(x)}{hashlib.sha256(a.data if a.size else b'').hexdigest()}"
    if x is None or isinstance(x, bool | int | float | complex | str | bytes | np.dtype):
        return repr(x)
    if isinstance(x, tuple | list):
        return f"({', '.join(map(_text, x))})"
    if isinstance(x, Set):
        return f"{{{', '.join(sorted(map(_text, x)))}}}"
    if isinstance(x, Mapping):
        return f"{{{', '.join([f'{_text(k)}: {_text(v)}' for k, v in x.items()])}}}"
    if isinstance(x, slice):
        return f"slice({_text((x.start, x.stop, x.step))})"
    if isinstance(x, TensorType | ScalarType):
        return f"{type(x).__name__} {x.dtype} {getattr(x, 'shape', ())}"
    if isinstance(x, RandomType | NoneTypeT | SliceType):
        return type(x).__name__
    if isinstance(x, Op):
        return _op(x)
    if isinstance(x, type) and (_is_library(x) or x.__module__ == "builtins"):
        return _class(x)
    if _is_library(type(x)) and hasattr(type(x), "__dataclass_fields__"):
        return f"{type(x).__name__}{_text(vars(x))}"
    raise _Unknown(x)


# ---- the store ---------------------------------------------------------------------------------------------------


def load(key: str) -> tuple[dict[str, Any], Checks] | None:
    """What `save` has put down under a key."""
    try:
        entry = cache.main_store().lookup(key, lambda manifest: "").entry
        return None if entry is None else pickle.loads(entry.constants[0].tobytes())
    except Exception:       # no cache, or a class that has moved: the graph is rewritten, as if nothing were there
        return None


def save(key: str, function: Any, checks: Checks) -> None:
    """Put the request of a gradc function down, if it pickles and there is a cache."""
    try:
        data = pickle.dumps((function.maker.recipe(function.trust_input), checks))
        packed = pack(b"", {"key": key, "unit": {}}, [np.frombuffer(data, np.uint8)])
        store = cache.main_store()
        with store.staging() as folder:
            staged = os.path.join(folder, "entry.so")
            with open(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
                file.write(packed)
            store.publish(key, staged, (), lambda path: False)
    except (OSError, pickle.PicklingError, TypeError, AttributeError):
        return


# ---- in PyTensor's hands -----------------------------------------------------------------------------------------


class KernelOp(Op):
    """All of a graph, as the gradc function that it became in an earlier process."""

    __props__ = ("key",)

    def __init__(self, key: str, recipe: dict[str, Any], checks: Checks, types: Sequence[Any]) -> None:
        self.key = key
        self.recipe = recipe
        self.checks = checks
        self.types = list(types)

    def make_node(self, *inputs: Variable) -> Apply:
        """Results of the types that the user's graph has."""
        return Apply(self, list(inputs), [t() for t in self.types])

    def function(self, name: str) -> Any:
        """The gradc function, of which a call returns a list."""
        return Maker.restore({**self.recipe, "name": name})

    def perform(self, node: Apply, inputs: Sequence[object], output_storage: Sequence[list[object]]) -> None:
        """For linkers that are not gradc's."""
        for cell, value in zip(output_storage, self.function("pytensor")(*inputs)):
            cell[0] = value


class Remembered(GraphRewriter):
    """The first of all rewrites: a KernelOp in place of a graph that is known, where the others have nothing to do."""

    def add_requirements(self, fgraph: FunctionGraph) -> None:
        """None."""

    def apply(self, fgraph: FunctionGraph) -> None:
        """Replace the graph, or leave its key for the linker, which saves what comes of it."""
        key = key_of(fgraph, getattr(modes.get_mode(pytensor.config.mode), "_optimizer", None))
        found = load(key) if key is not None else None
        if key is None or found is None:
            fgraph.gradc_key = key
            return
        node = KernelOp(key, *found, [v.type for v in fgraph.outputs]).make_node(*fgraph.inputs)
        fgraph.replace_all(list(dict(zip(fgraph.outputs, node.outputs)).items()), import_missing=True, reason="gradc")


def known(fgraph: FunctionGraph) -> tuple[KernelOp, list[int]] | None:
    """The KernelOp that a graph consists of, and which of its results the graph has."""
    positions, ops = [], set()
    for v in fgraph.outputs:
        while v.owner is not None and isinstance(v.owner.op, DeepCopyOp):
            v = v.owner.inputs[0]
        if v.owner is None or not isinstance(v.owner.op, KernelOp) or v.owner.inputs != list(fgraph.inputs):
            return None
        positions.append(v.owner.outputs.index(v))
        ops.add(v.owner.op)
    if len(ops) != 1:
        return None
    [op] = ops
    return op, list(range(len(op.types))) if len(op.types) == len(positions) else positions
