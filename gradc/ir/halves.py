"""float16 is how numbers are kept; what is computed of them is computed in float32.

In: a Program.  Out: the same, in which of dtype float16 are inputs, results, what users' Ops are given and give, what
is cast to it, and parts and copies of these (views, joins, changed parts); everything else is float32.  So a value is
rounded where it leaves the function, is stacked by a loop or is cast, not after each operation as in NumPy, and what a
loop carries from step to step is not rounded: fewer roundings, hence smaller errors, the same ones in C and in the
interpreter whatever is fused.  After this nothing computes with float16: it is cast and moved only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from gradc.ir import ops
from gradc.ir.facts import facts
from gradc.ir.program import Builder, Eqn, Program, Var, bodies, tensor
from gradc.ir.types import TensorType
from gradc.record import replace

HALF, WIDE = "float16", "float32"


class Half:
    """A float16 value, as it is kept or in float32; the other is made where it is asked for."""

    __slots__ = ("b", "kept", "wide")

    def __init__(self, b: Builder, kept: Var | None = None, wide: Var | None = None) -> None:
        self.b = b
        self.kept = kept
        self.wide = wide

    def as_kept(self, name: str | None = None) -> Var:
        if self.kept is None:
            assert self.wide is not None
            self.kept = self.b.equation(ops.Cast(HALF), (self.wide,), name).out
        return self.kept

    def as_wide(self) -> Var:
        if self.wide is None:
            assert self.kept is not None
            self.wide = self.b.equation(ops.Cast(WIDE), (self.kept,), self.kept.name).out
        return self.wide

    def at_hand(self) -> Var:
        """What need not be converted."""
        return self.as_wide() if self.kept is None else self.kept


Value: TypeAlias = "Var | Half"


def in_floats(program: Program) -> Program:
    """`program` with float32 values in the place of float16 ones; see the module.  Itself if there are none."""
    if not _has_half(program):
        return program
    b = Builder()
    given = [_taken(b, b.input(v.type, v.name)) for v in program.inputs]
    made = _run(b, program, given)
    return b.program([_kept(x, v.name) for x, v in zip(made, program.outputs)])


def _has_half(program: Program) -> bool:
    """Is there a float16 value, in a body or not?  Asked of every Program, hence quick."""
    return any(map(_is_half, program.inputs)) or any([
        any(map(_is_half, eqn.outs)) or any(map(_has_half, bodies(eqn.op))) for eqn in program.eqns])


def _is_half(v: Var) -> bool:
    return type(v.type) is TensorType and v.type.dtype == HALF


def _taken(b: Builder, v: Var) -> Value:
    """A Var of the new Program: of float16, the value that it keeps."""
    return Half(b, kept=v) if _is_half(v) else v


def _kept(x: Value, name: str | None = None) -> Var:
    return x.as_kept(name) if isinstance(x, Half) else x


def _wide(x: Value) -> Var:
    return x.as_wide() if isinstance(x, Half) else x


def _at_hand(x: Value) -> Var:
    return x.at_hand() if isinstance(x, Half) else x


def _run(b: Builder, program: Program, args: Sequence[Value]) -> list[Value]:
    """What the results of `program` are."""
    env: dict[Var, Value] = dict(zip(program.inputs, args))
    for eqn in program.eqns:
        b.sources = eqn.sources
        rule = _RULES.get(type(eqn.op), _computed)
        env.update(zip(eqn.outs, rule(b, eqn, [env[a] for a in eqn.args])))
    return [env[v] for v in program.outputs]


# ------------------------------------------------------------------------------------------------- rules


def _results(b: Builder, eqn: Eqn, made: Sequence[Var]) -> list[Value]:
    """Values of the old dtypes: a float32 in the place of a float16."""
    return [_taken(b, new) if _is_half(new) or not _is_half(old) else Half(b, wide=new)
            for old, new in zip(eqn.outs, made)]


def _computed(b: Builder, eqn: Eqn, args: Sequence[Value]) -> list[Value]:
    """In float32; but a user's code has what it asks for."""
    called = facts(eqn.op).routine
    if called is not None and not isinstance(called(eqn.op), str):
        made = b.equation(eqn.op, list(map(_kept, args)), eqn.out.name, [v.type for v in eqn.outs])
        return [_taken(b, v) for v in made.outs]
    return _results(b, eqn, b.equation(eqn.op, list(map(_wide, args)), eqn.out.name).outs)


def _constant(b: Builder, eqn: Eqn, args: Sequence[Value]) -> list[Value]:
    data = eqn.op.value.data
    return [Half(b, wide=b.constant(data.astype(WIDE))) if data.dtype == HALF else b.constant(data)]


def _cast(b: Builder, eqn: Eqn, args: Sequence[Value]) -> list[Value]:
    return [_taken(b, b.equation(eqn.op, [_wide(args[0])], eqn.out.name).out)]


def _moved(b: Builder, eqn: Eqn, args: Sequence[Value]) -> list[Value]:
    """Elements are moved as they are."""
    return _results(b, eqn, b.equation(eqn.op, list(map(_at_hand, args)), eqn.out.name).outs)


def _written(b: Builder, eqn: Eqn, args: Sequence[Value]) -> list[Value]:
    """What is put into an array that is kept is rounded; what is added is added in float32."""
    x = args[0]
    if eqn.op.mode != "set" or not isinstance(x, Half) or x.kept is None:
        return _computed(b, eqn, args)
    return _results(b, eqn, b.equation(eqn.op, [x.kept, *map(_kept, args[1:])], eqn.out.name).outs)


def _joined(b: Builder, eqn: Eqn, args: Sequence[Value]) -> list[Value]:
    kept = all([isinstance(x, Half) and x.kept is not None for x in args])
    return (_moved if kept else _computed)(b, eqn, args)


def _body(program: Program, given: Sequence[Var], finish: Callable[[list[Value]], list[Var]]) -> Program:
    """A body with inputs of the dtypes of what it is given."""
    b = Builder()
    args: list[Value] = []
    for old, new in zip(program.inputs, given):
        if not _is_half(old):
            args.append(b.input(old.type, old.name))
            continue
        v = b.input(TensorType.make(tensor(new).dtype, tensor(old).shape), old.name)
        args.append(_taken(b, v) if _is_half(v) else Half(b, wide=v))
    return b.program(finish(_run(b, program, args)))


def _scan(b: Builder, eqn: Eqn, args: Sequence[Value]) -> list[Value]:
    """What is stacked is kept; what is carried is float32, so that sums over steps are."""
    op = eqn.op
    _, _, seqs, inits, others = op.split(args)
    given = [*map(_at_hand, seqs), *map(_wide, inits), *map(_at_hand, others)]

    def finish(results: list[Value]) -> list[Var]:
        return [*map(_wide, results[:op.n_carries]), *map(_kept, results[op.n_carries:])]

    new = replace(op, body=_body(op.body, given, finish))
    first = [_wide(x) for x in args[:len(args) - len(given)]]
    return _results(b, eqn, b.equation(new, [*first, *given], eqn.out.name).outs)


def _cond(b: Builder, eqn: Eqn, args: Sequence[Value]) -> list[Value]:
    condition, *given = map(_at_hand, args)
    then, orelse = [_body(p, given, lambda results: list(map(_wide, results))) for p in (eqn.op.then, eqn.op.orelse)]
    new = replace(eqn.op, then=then, orelse=orelse)
    return _results(b, eqn, b.equation(new, [condition, *given], eqn.out.name).outs)


_RULES: dict[type, Callable[[Builder, Eqn[Any], Sequence[Value]], list[Value]]] = {
    ops.Const: _constant, ops.Cast: _cast, ops.Scan: _scan, ops.Cond: _cond, ops.Concat: _joined,
    ops.ShapeOf: _moved, ops.Assert: _moved, **dict.fromkeys(ops.VIEWS, _moved), **dict.fromkeys(ops.WRITES, _written),
}
