"""Program: the compiler's value representation, a flat, closed list of equations in SSA form.

    program = Program(inputs: Var*, eqns: Eqn*, outputs: Var*)      topological order
    eqn     = Eqn(op, args: Var*, outs: Var*, sources)              sources = user lines, or what stands for them
    var     = Var(number, type, data)                               data: the array, for results of Constant

Immutable once built.  `Builder` makes Programs; it interns (equal op, equal arguments: same result), so
common subexpressions are never built twice.  Checked by `ir.check`, run by `ir.interp`, printed by
`ir.pretty`, digested by `ir.digest`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, TypeAlias, TypeVar, overload

import numpy as np

from gradc.errors import InternalError
from gradc.ir import dtypes, infer, ops
from gradc.ir.digest import digest
from gradc.ir.types import RngType, TensorType, Type
from gradc.record import replace


class Var:
    """A value of one Program: compared by identity, printed by number."""

    __slots__ = ("data", "name", "number", "type")

    def __init__(self, number: int, type: Type, data: np.ndarray | None = None, name: str | None = None) -> None:
        self.number = number
        self.type = type
        self.data = data
        self.name = name

    def __repr__(self) -> str:
        return f"%{self.number}"


Sources: TypeAlias = tuple[Any, ...]        # user lines, or numbers that stand for them
K = TypeVar("K", bound=ops.OpKind)


class Eqn(Generic[K]):
    """`outs = op(args)`.  `node`: of a user's Op that has run, the Apply that it was shown."""

    __slots__ = ("args", "node", "op", "outs", "sources")

    def __init__(self, op: K, args: tuple[Var, ...], outs: tuple[Var, ...],
                 sources: Sources = ()) -> None:
        self.op = op
        self.args = args
        self.outs = outs
        self.sources = sources
        self.node: Any = None

    @property
    def out(self) -> Var:
        return self.outs[0]

    def __repr__(self) -> str:
        return f"{', '.join(map(repr, self.outs))} = {self.op}({', '.join(map(repr, self.args))})"


class Program:
    """A closed list of equations.  `inputs` and `outputs` may repeat no Var resp. any Var.

    Equal Programs have equal digests: the same equations, types, constants and names.
    """

    __slots__ = ("_digest", "eqns", "inputs", "outputs", "sizes")

    def __init__(self, inputs: Sequence[Var], eqns: Sequence[Eqn], outputs: Sequence[Var]) -> None:
        self.inputs = tuple(inputs)
        self.eqns = tuple(eqns)
        self.outputs = tuple(outputs)
        self._digest: str | None = None     # filled by ir.digest
        self.sizes: dict[bool, Any] = {}    # of the outputs, by those of the inputs: filled by ir.shapes

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Program) and digest(self) == digest(other))

    def __hash__(self) -> int:
        return hash(digest(self))

    def producers(self) -> dict[Var, Eqn]:
        """Var -> the equation that makes it."""
        return {out: eqn for eqn in self.eqns for out in eqn.outs}

    def use_counts(self) -> dict[Var, int]:
        """How many times each Var is used, outputs included."""
        counts: dict[Var, int] = {}
        for eqn in self.eqns:
            for a in eqn.args:
                counts[a] = counts.get(a, 0) + 1
        for v in self.outputs:
            counts[v] = counts.get(v, 0) + 1
        return counts


class Builder:
    """Builds one Program; every method returns the Var (or Vars) of the result.

    Interning: applying an equal op to the same Vars returns the Var made before.  Calls of users' Ops and Asserts
    are not interned away (each use keeps its own user line) unless literally equal.
    """

    __slots__ = ("_const", "_interned", "_next", "eqns", "inputs", "producer", "sources")

    def __init__(self) -> None:
        self.inputs: list[Var] = []
        self.eqns: list[Eqn] = []
        self._interned: dict[object, Eqn] = {}
        self._const: dict[object, Var] = {}
        self._next = 0
        self.sources: Sources = ()      # given to every equation made from now on
        self.producer: dict[Var, Eqn] = {}

    def input(self, type: Type, name: str | None = None) -> Var:
        """A new input of the Program."""
        var = Var(self._next, type, name=name)
        self._next += 1
        self.inputs.append(var)
        return var

    @overload
    def apply(self, op: ops.OneResult, *args: Var) -> Var: ...
    @overload
    def apply(self, op: ops.OpKind, *args: Var) -> Any: ...
    def apply(self, op: ops.OpKind, *args: Var) -> Any:
        """`op(*args)`: one Var, or a tuple where the op has several results."""
        outs = self.equation(op, args).outs
        return outs[0] if len(outs) == 1 else outs

    def equation(self, op: ops.OpKind, args: Sequence[Var], name: str | None = None,
                 types: Sequence[Type] | None = None) -> Eqn:
        """The (new or interned) equation for `op(*args)`; `types` of the results where they are known already."""
        key = (op.fn if type(op) is ops.Map else op, *[a.number for a in args])      # a string is hashed once
        eqn = self._interned.get(key)
        if eqn is not None:
            if self.sources and self.sources != eqn.sources:
                eqn.sources = tuple(dict.fromkeys(eqn.sources + self.sources))
            if name and eqn.outs[0].name is None:
                eqn.outs[0].name = name
            return eqn
        if types is None:
            types = infer.output_types(op, args)
        number = self._next
        data = op.value.data if type(op) is ops.Const else None
        if len(types) == 1:
            outs: tuple[Var, ...] = (Var(number, types[0], data, name),)
        else:
            outs = tuple([Var(number + k, t, data, name if k == 0 else None) for k, t in enumerate(types)])
        self._next = number + len(outs)
        eqn = Eqn(op, tuple(args), outs, self.sources)
        self._interned[key] = eqn
        self.eqns.append(eqn)
        for out in outs:
            self.producer[out] = eqn
        return eqn

    def constant(self, value: object, dtype: str | None = None) -> Var:
        """A constant; Python numbers take the dtype given (or autocast's)."""
        data = np.asarray(value, dtype=dtype) if dtype is not None else dtypes.autocast(value)
        return self.equation(ops.Const(ops.ConstantValue(data)), ()).outs[0]

    def map(self, fn: str, *args: Var) -> Var:
        """Elementwise `fn`."""
        return self.equation(ops.Map(fn), args).outs[0]

    def cast(self, x: Var, dtype: str) -> Var:
        """x in another dtype; x itself if it has it already."""
        if x.type.dtype == dtype:
            return x
        return self.equation(ops.Cast(dtype), (x,)).outs[0]

    def size(self, x: Var, axis: int) -> Var:
        """The size of x along axis as an int64 scalar: a constant where the type knows it."""
        static = x.type.shape[axis]
        if static is not None:
            return self.constant(static, "int64")
        return self.equation(ops.ShapeOf(axis), (x,)).outs[0]

    def program(self, outputs: Iterable[Var]) -> Program:
        """The finished Program; equations that nothing needs are dropped."""
        outputs = tuple(outputs)
        needed = set(outputs)
        kept: list[Eqn] = []
        for eqn in reversed(self.eqns):
            outs = eqn.outs
            if outs[0] in needed or (len(outs) > 1 and any(o in needed for o in outs)):
                kept.append(eqn)
                needed.update(eqn.args)
        kept.reverse()
        return Program(self.inputs, kept, outputs)


def rebuild(program: Program, builder: Builder, replace: dict[Var, Var], eqns: Sequence[Eqn] | None = None) -> None:
    """Copy equations into `builder`; `replace` maps old Vars to new ones and is extended."""
    for eqn in program.eqns if eqns is None else eqns:
        builder.sources = eqn.sources
        try:
            args = [replace[a] for a in eqn.args]
        except KeyError as missing:
            raise InternalError(f"{eqn}: {missing} has no replacement yet") from None
        alike = all([(a.type is b.type or a.type == b.type) and (a.data is None or b.data is not None)
                     for a, b in zip(args, eqn.args)])
        types = [v.type for v in eqn.outs] if alike else None       # a size that is known now may tell more
        new = builder.equation(eqn.op, args, eqn.outs[0].name, types)
        for old_out, new_out in zip(eqn.outs, new.outs):
            replace[old_out] = new_out


def inline(program: Program, builder: Builder, args: Iterable[Var]) -> list[Var]:
    """The outputs of `program` of `args`, as equations of `builder`."""
    env = dict(zip(program.inputs, args))
    rebuild(program, builder, env)
    return [env[v] for v in program.outputs]


def copy_inputs(program: Program, builder: Builder) -> dict[Var, Var]:
    """Make the same inputs in `builder`; the first entries of a replacement map."""
    return {v: builder.input(v.type, v.name) for v in program.inputs}


def equations(program: Program) -> Iterator[Eqn]:
    """The equations of a Program, each followed by those of the bodies in it."""
    for eqn in program.eqns:
        yield eqn
        for body in bodies(eqn.op):
            yield from equations(body)


def with_sources(program: Program, of: Callable[[Eqn], Sources]) -> Program:
    """`program` with other sources of all its `equations`, which `of` is given in order."""
    def change(body: Program) -> Program:
        return with_sources(body, of)

    eqns = []
    for e in program.eqns:
        sources = of(e)
        eqns.append(Eqn(with_bodies(e.op, change), e.args, e.outs, sources))
    return Program(program.inputs, eqns, program.outputs)


def with_bodies(op: ops.OpKind, change: Callable[[Program], Program]) -> ops.OpKind:
    """`op` with each Program in it changed."""
    if type(op) is ops.Scan:
        return replace(op, body=change(op.body))
    if type(op) is ops.Cond:
        return replace(op, then=change(op.then), orelse=change(op.orelse))
    return op


def bodies(op: ops.OpKind) -> tuple[Program, ...]:
    """The Programs inside an op."""
    if type(op) is ops.Scan:
        return (op.body,)
    if type(op) is ops.Cond:
        return (op.then, op.orelse)
    return ()


def name_results(scan: ops.Scan, results: Sequence[Var]) -> None:
    """Name what has no name of the results of a loop: after values of the body; h_last and h for those of a carry h."""
    body, n = scan.body, scan.n_carries
    carries = body.inputs[scan.n_seqs:scan.n_seqs + n]
    names = [plain(v.name) for v in carries]
    of = dict(zip([*body.outputs[:n], *carries], names * 2))
    stacked = [plain(v.name) or of.get(v) for v in body.outputs[n:n + scan.n_stacked]]
    for result, name in zip(results, [*[name and f"{name}_last" for name in names], *stacked, "count"]):
        result.name = result.name or name


def plain(name: str | None) -> str | None:
    """`name` without the step that it tells: h of h[t-1]."""
    return name and name.partition("[")[0]


def value(var: Var) -> np.ndarray:
    """The value of a Var that is known to be a constant."""
    assert var.data is not None
    return var.data


def state_type(var: Var) -> RngType:
    """The type of a Var that is the state of a random generator."""
    assert isinstance(var.type, RngType)
    return var.type


def tensor(var: Var) -> TensorType:
    """The type of a Var that is known to be a tensor."""
    assert type(var.type) is TensorType
    return var.type
