"""Complex numbers become pairs of real ones: everything after knows nothing else.

In: a Program.  Out: the same in which complex values are inputs, results, and what users' Ops and routines are given
and give; of them there are the rows `real`, `imag` and `complex`, and nothing else.  So all that is known of real
numbers serves complex ones: rules, loops and branches, fusion, folds in lanes, products of matrices.

An elementwise function is its form (`ir.complex_forms`).  Products and cumulative products, which are no fold of the
parts, are loops.  A real number that was cast to a complex dtype has no imaginary part here: it costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradc.errors import NoRuleError
from gradc.ir import build, complex_forms, dtypes, ops
from gradc.ir.complex_functions import whole_power
from gradc.ir.interp import run_equation
from gradc.ir.program import Builder, Eqn, Program, Var, bodies, tensor
from gradc.ir.scalars import get_row
from gradc.ir.types import StaticShape, TensorType
from gradc.record import record, replace


@record(eq=False)
class Parts:
    """Real and imaginary part of a complex value; None: it is 0, for the value was real."""

    real: Var
    imag: Var | None


Value = Any         # a Var, or the Parts of a complex value


def in_parts(program: Program) -> Program:
    """`program` with real values in the place of complex ones; see the module.  Itself if it is so."""
    if not (_has_complex(program) and any(map(_to_split, program.eqns))):
        return program
    b = Builder()
    of = _Splitter(b)
    given = [of.parts_of(b.input(v.type, v.name)) for v in program.inputs]
    return b.program([of.whole(x, v.name) for x, v in zip(of.run(program, given), program.outputs)])


def _has_complex(program: Program) -> bool:
    """Is there a complex value, in a body or not?  Asked of every Program, hence quick."""
    return any(map(_is_complex, program.inputs)) or any([
        any(map(_is_complex, eqn.outs)) or any(map(_has_complex, bodies(eqn.op))) for eqn in program.eqns])


_KEPT = (ops.Map("real"), ops.Map("imag"), ops.Map("complex"))


def _to_split(eqn: Eqn) -> bool:
    """Is there a complex value where there is none in parts?"""
    if type(eqn.op) is ops.Call or eqn.op in _KEPT:
        return False
    return any(map(_is_complex, (*eqn.args, *eqn.outs))) or any(
        any(map(_is_complex, body.inputs)) or any(map(_to_split, body.eqns)) for body in bodies(eqn.op))


def _is_complex(v: Var) -> bool:
    return type(v.type) is TensorType and v.type.dtype in dtypes.COMPLEX


def _part(dtype: str) -> str:
    """The dtype of the parts of a complex one."""
    return dtypes.REAL_PART.get(dtype, dtype)


class _RealRows:
    """The namespace `o` that forms are written against."""

    def __init__(self, b: Builder) -> None:
        self._b = b

    def __getattr__(self, row: str) -> Callable[..., Var]:
        return lambda *args: self._b.map(row, *args)

    def const(self, number: float, like: Var) -> Var:
        return self._b.constant(number, tensor(like).dtype)

    def dtype(self, x: Var) -> str:
        return tensor(x).dtype


class _Splitter:
    """Builds the equations of one Program; a body has one of its own."""

    def __init__(self, b: Builder) -> None:
        self.b = b
        self.o = _RealRows(b)
        self.numbers: dict[Var, np.ndarray] = {}        # values of the Program given that are known

    def run(self, program: Program, args: Sequence[Value]) -> list[Value]:
        """What the results of `program` are, for Parts in the place of its complex inputs."""
        env: dict[Var, Value] = dict(zip(program.inputs, args))
        for eqn in map(self.known, program.eqns):
            self.b.sources = eqn.sources
            given = [env[a] for a in eqn.args]
            if not any(map(_is_complex, (*eqn.args, *eqn.outs))) and not _to_split(eqn):
                made: Sequence[Value] = self.b.equation(eqn.op, given, eqn.outs[0].name).outs
            else:
                rule = SPLIT.get(type(eqn.op))
                if rule is None:
                    raise NoRuleError(f"{eqn.op} has no entry in ir/complex_parts.py")
                result = rule(self, eqn.op, eqn, given)
                made = result if isinstance(result, list) else [result]
            for v, x in zip(eqn.outs, made):
                env[v] = x
                self.name(x, v.name)
        return [env[v] for v in program.outputs]

    def known(self, eqn: Eqn) -> Eqn:
        """An elementwise equation of numbers as the number that it gives: powers have exponents that are looked at."""
        if type(eqn.op) is ops.Const:
            self.numbers[eqn.out] = eqn.op.value.data
        elif type(eqn.op) in (ops.Map, ops.Cast) and eqn.args and all(a in self.numbers for a in eqn.args) \
                and not tensor(eqn.out).ndim and isinstance(getattr(eqn.op, "fn", ""), str):
            with np.errstate(all="ignore"):
                made, = run_equation(eqn, [self.numbers[a] for a in eqn.args])
            self.numbers[eqn.out] = made
            return Eqn(ops.Const(ops.ConstantValue(np.asarray(made))), (), eqn.outs, eqn.sources)
        return eqn

    def name(self, x: Value, name: str | None) -> None:
        """Name the parts of what was called `name`."""
        if name and type(x) is Parts:
            for part, ending in ((x.real, "re"), (x.imag, "im")):
                if part is not None and part.data is None:
                    part.name = part.name or _name_of_part(name, ending)

    # -- values

    def parts_of(self, v: Var) -> Value:
        """The Parts of a complex Var; any other itself."""
        if not _is_complex(v):
            return v
        made = Parts(self.b.map("real", v), self.b.map("imag", v))
        self.name(made, v.name)
        return made

    def whole(self, x: Value, name: str | None = None) -> Var:
        """One Var for a value: of complex dtype, if it is that of Parts."""
        if type(x) is not Parts:
            return x
        made = self.b.equation(ops.Map("complex"), self.both(x), name)
        real, imag = [self.b.producer.get(part) for part in made.args]
        if real is not None and imag is not None and (real.op, imag.op) == _KEPT[:2] and real.args == imag.args:
            return real.args[0]                 # of which these are the parts
        return made.outs[0]

    def both(self, x: Value) -> tuple[Var, Var]:
        """Both parts, of one shape."""
        if type(x) is not Parts:
            x = Parts(x, None)
        return x.real, self.zeros(x.real) if x.imag is None else x.imag

    def zeros(self, like: Var) -> Var:
        zero = self.b.constant(0, tensor(like).dtype)
        return self.b.map("second", like, zero) if tensor(like).ndim else zero

    def cast(self, x: Value, dtype: str) -> Value:
        """A value with parts of a real dtype; a real one as Parts."""
        x = x if type(x) is Parts else Parts(x, None)
        return Parts(self.b.cast(x.real, dtype), None if x.imag is None else self.b.cast(x.imag, dtype))

    def fit(self, x: Var, shape: StaticShape, among: Sequence[Var]) -> Var:
        """x in the shape of an elementwise result: broadcast to those of `among`."""
        for like in among:
            if tensor(x).shape == shape:
                break
            if tensor(like).ndim:
                x = self.b.map("second", like, x)
        return x

    def each(self, op: ops.OpKind, x: Value, *rest: Var) -> Value:
        """`op`, which moves elements or adds them up, of each part."""
        if type(x) is not Parts:
            return self.b.apply(op, x, *rest)
        return Parts(self.b.apply(op, x.real, *rest), None if x.imag is None else self.b.apply(op, x.imag, *rest))

    def expanded(self, values: Sequence[Value]) -> list[Var]:
        """The Vars of values, two of each complex one."""
        return [part for x in values for part in (self.both(x) if type(x) is Parts else (x,))]

    # -- products along an axis, which are loops

    def products(self, x: Parts, axis: int) -> tuple[Parts, Parts]:
        """The product of all along `axis`, and that up to each, along axis 0."""
        b = self.b
        rows = [build.move_axis(b, part, axis, 0) for part in self.both(x)]
        inner = Builder()
        row = TensorType.make(tensor(rows[0]).dtype, tensor(rows[0]).shape[1:])
        z, so_far = [(inner.input(row), inner.input(row)) for _ in range(2)]
        after = complex_forms.mul(_RealRows(inner), so_far, z)
        body = inner.program([*after, *after])
        first = [b.constant(number, row.dtype) for number in (1, 0)]
        if row.ndim:
            sizes = [b.size(rows[0], k + 1) for k in range(row.ndim)]
            first = [b.apply(ops.Broadcast(), v, *sizes) for v in first]
        made = b.apply(ops.Scan(body, 2, 2, name="product"), b.size(rows[0], 0), *rows, *first)
        return Parts(*made[:2]), Parts(*made[2:])


def _name_of_part(name: str, ending: str) -> str:
    base, bracket, rest = name.partition("[")
    return f"{base}_{ending}{bracket}{rest}"


# ------------------------------------------------------------------------------------------------- rules


def _const(of: _Splitter, op: ops.Const, eqn: Eqn, args: Sequence[Value]) -> Value:
    data = op.value.data
    return Parts(of.b.constant(data.real.copy()), of.b.constant(data.imag.copy()))


def _map(of: _Splitter, op: ops.Map, eqn: Eqn, args: Sequence[Value]) -> Value:
    b, row = of.b, get_row(op.fn)
    name = row.name
    if name == "complex":
        return Parts(*[of.fit(b.cast(x, _part(tensor(eqn.out).dtype)), tensor(eqn.out).shape, args) for x in args])
    compute, _ = row.dtypes(*[tensor(a).dtype for a in eqn.args])
    plain = {"select": 1, "second": 1}.get(row.rule, 0)         # arguments that are not converted
    rest = [of.cast(x, _part(compute)) for x in args[plain:]]
    first = [x.real if type(x) is Parts else x for x in args[:plain]]
    made: Any
    if all(x.imag is None for x in rest) and name in complex_forms.REAL_ON_REALS:
        made = b.map(name, *first, *[x.real for x in rest]), None
    elif name == "pow" and (n := _whole(of.numbers.get(eqn.args[1]))) is not None:
        made = whole_power(of.o, of.both(rest[0]), n)
    else:
        mixed = name in complex_forms.MIXED
        pairs = [(x.real, x.imag if mixed or x.imag is not None else b.constant(0, _part(compute))) for x in rest]
        made = complex_forms.FORMS[name](of.o, *first, *pairs)
    shapes = [part for x in (*first, *rest) for part in ((x.real, x.imag) if type(x) is Parts else (x,)) if part]
    parts: list[Any] = [None if part is None else of.fit(part, tensor(eqn.out).shape, shapes)
                        for part in (made if isinstance(made, tuple) else (made,))]
    return Parts(parts[0], parts[1]) if _is_complex(eqn.out) else parts[0]


def _whole(exponent: np.ndarray | None) -> int | None:
    """The exponent, if it is known and a whole number of at most two digits."""
    if exponent is None or exponent.ndim or exponent.imag != 0 or exponent.real % 1 or abs(exponent) >= 100:
        return None
    return int(exponent.real)


def _cast(of: _Splitter, op: ops.Cast, eqn: Eqn, args: Sequence[Value]) -> Value:
    x, b = args[0], of.b
    if op.dtype in dtypes.COMPLEX:
        return of.cast(x, _part(op.dtype))
    assert op.dtype == "bool"
    return b.map("or_", b.cast(x.real, "bool"), b.cast(of.both(x)[1], "bool"))


def _reduce(of: _Splitter, op: ops.Reduce, eqn: Eqn, args: Sequence[Value]) -> Value:
    x, b = args[0], of.b
    if op.fn == "add" or not op.axes:
        return of.each(op, x)
    if x.imag is None:
        return Parts(b.apply(op, x.real), None)
    if op.fn in ("maximum", "minimum"):
        return _extreme(of, op, x)
    x = Parts(*[_joined(b, part, op.axes) for part in (x.real, x.imag)])
    return of.products(x, 0)[0]


def _joined(b: Builder, x: Var, axes: tuple[int, ...]) -> Var:
    """x with `axes` as one, the first."""
    rest = [k for k in range(tensor(x).ndim) if k not in axes]
    x = build.reorder(b, x, [*axes, *rest])
    sizes = [b.size(x, k) for k in range(tensor(x).ndim)]
    count = sizes[0]
    for size in sizes[1:len(axes)]:
        count = b.map("mul", count, size)
    return x if len(axes) == 1 else b.apply(ops.Reshape(1 + len(rest)), x, count, *sizes[len(axes):])


def _extreme(of: _Splitter, op: ops.Reduce, x: Parts) -> Parts:
    """What stands where `_place` says."""
    b = of.b
    last = tensor(x.real).ndim - len(op.axes)
    joined = Parts(*[build.move_axis(b, _joined(b, part, op.axes), 0, last) for part in of.both(x)])
    at = build.insert_axes(b, _place(of, op.fn, joined, last), (last,), last + 1)
    return Parts(*[build.drop_axes(b, build.take_along(b, part, at), (last,)) for part in of.both(joined)])


def _place(of: _Splitter, fn: str, x: Parts, axis: int) -> Var:
    """Where along `axis` the extreme in NumPy's order is: the first nan, or the first of equals."""
    b, o = of.b, of.o
    real, imag = of.both(x)
    ndim = tensor(real).ndim
    best = build.insert_axes(b, b.apply(ops.Reduce(fn, (axis,)), real), (axis,), ndim)
    lowest = b.constant(get_row(fn).neutral(tensor(imag).dtype))
    nan = o.or_(o.isnan(real), o.isnan(imag))
    key = o.switch(o.eq(real, best), imag, lowest)
    candidates = o.and_(o.eq(real, best), o.eq(key, build.insert_axes(b, b.apply(ops.Reduce(fn, (axis,)), key), (axis,),
                                                                        ndim)))
    some = build.insert_axes(b, b.apply(ops.Reduce("or_", (axis,)), nan), (axis,), ndim)
    return b.apply(ops.ArgReduce("maximum", axis), b.cast(o.switch(some, nan, candidates), "int8"))


def _argreduce(of: _Splitter, op: ops.ArgReduce, eqn: Eqn, args: Sequence[Value]) -> Value:
    x = args[0]
    return of.b.apply(op, x.real) if x.imag is None else _place(of, op.fn, x, op.axis)


def _cumulate(of: _Splitter, op: ops.Cumulate, eqn: Eqn, args: Sequence[Value]) -> Value:
    x = args[0]
    if op.fn == "add" or x.imag is None:
        return of.each(op, x)
    rows = of.products(x, op.axis)[1]
    return Parts(*[build.move_axis(of.b, part, 0, op.axis) for part in of.both(rows)])


def _contract(of: _Splitter, op: ops.Contract, eqn: Eqn, args: Sequence[Value]) -> Value:
    """Four products of the parts, two if one of the arguments is real."""
    part = _part(tensor(eqn.out).dtype)
    x, y = [of.cast(a, part) for a in args]

    upper = of.b.apply(op, x.real, y.real)
    if x.imag is not None and y.imag is not None:
        upper = of.b.map("sub", upper, of.b.apply(op, x.imag, y.imag))
    sides = [of.b.apply(op, a, c) for a, c in ((x.real, y.imag), (x.imag, y.real)) if a is not None and c is not None]
    return Parts(upper, of.b.map("add", *sides) if len(sides) == 2 else sides[0] if sides else None)


def _moved(of: _Splitter, op: ops.OpKind, eqn: Eqn, args: Sequence[Value]) -> Value:
    return of.each(op, args[0], *args[1:])


def _written(of: _Splitter, op: ops.Scatter | ops.ScatterAt, eqn: Eqn, args: Sequence[Value]) -> Value:
    x, v, *rest = args
    if x.imag is None and v.imag is None:
        return Parts(of.b.apply(op, x.real, v.real, *rest), None)
    return Parts(*[of.b.apply(op, a, c, *rest) for a, c in zip(of.both(x), of.both(v))])


def _concat(of: _Splitter, op: ops.Concat, eqn: Eqn, args: Sequence[Value]) -> Value:
    part = _part(tensor(eqn.out).dtype)
    pairs = [of.cast(x, part) for x in args]
    if all(x.imag is None for x in pairs):
        return Parts(of.b.apply(op, *[x.real for x in pairs]), None)
    return Parts(*[of.b.apply(op, *each) for each in zip(*map(of.both, pairs))])


def _call(of: _Splitter, op: ops.Call, eqn: Eqn, args: Sequence[Value]) -> Value:
    made = of.b.equation(op, [of.whole(x) for x in args], types=[v.type for v in eqn.outs]).outs
    return [of.parts_of(v) for v in made]


def _body(program: Program) -> Program:
    """A body with two inputs and two results for each complex one."""
    b = Builder()
    of = _Splitter(b)
    given: list[Value] = []
    for v in program.inputs:
        if not _is_complex(v):
            given.append(b.input(v.type, v.name))
            continue
        part = TensorType.make(_part(tensor(v).dtype), tensor(v).shape)
        given.append(Parts(*[b.input(part, v.name and _name_of_part(v.name, ending)) for ending in ("re", "im")]))
    return b.program(of.expanded(of.run(program, given)))


def _grouped(outs: Sequence[Var], made: Sequence[Var]) -> list[Value]:
    """The results of an op with bodies, as those before."""
    rest = iter(made)
    return [Parts(next(rest), next(rest)) if _is_complex(v) else next(rest) for v in outs]


def _count(values: Sequence[Var]) -> int:
    return len(values) + sum(map(_is_complex, values))


def _scan(of: _Splitter, op: ops.Scan, eqn: Eqn, args: Sequence[Value]) -> Value:
    _, _, seqs, inits, _ = op.split(eqn.args)
    new = replace(op, body=_body(op.body), n_seqs=_count(seqs), n_carries=_count(inits))
    return _grouped(eqn.outs, of.b.equation(new, of.expanded(args)).outs)


def _cond(of: _Splitter, op: ops.Cond, eqn: Eqn, args: Sequence[Value]) -> Value:
    new = replace(op, then=_body(op.then), orelse=_body(op.orelse))
    return _grouped(eqn.outs, of.b.equation(new, of.expanded(args)).outs)


SPLIT: dict[type, Callable[..., object]] = {
    ops.Const: _const, ops.Map: _map, ops.Cast: _cast, ops.Reduce: _reduce, ops.Cumulate: _cumulate,
    ops.ArgReduce: _argreduce, ops.Contract: _contract, ops.Broadcast: _moved, ops.Transpose: _moved,
    ops.Reshape: _moved, ops.Slice: _moved, ops.Scatter: _written, ops.Gather: _moved, ops.ScatterAt: _written,
    ops.Concat: _concat, ops.ShapeOf: lambda of, op, eqn, args: of.b.apply(op, args[0].real), ops.Assert: _moved,
    ops.Call: _call, ops.Scan: _scan, ops.Cond: _cond,
}
