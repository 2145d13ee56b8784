"""What each op kind says about sizes: dimensions of its results, and what has to fit.

    RULES[kind](shapes, op, args) -> for each result its dimensions, None where only the result itself can tell

One rule serves all who ask: static types when a graph is built (`Static`), the optimizer and batching (`Shapes`), and a
kernel's size code (`loops.sizes`).  They differ in what a dimension is and in what becomes of a comparison.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import prod
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from gradc.errors import FEW_ROWS, NEGATIVE_STEPS, SIZE_ONE, NoRuleError, ShapeError, SourceLine, at, literal, shown
from gradc.ir import dtypes, ops
from gradc.ir.routines import STATED, UserRoutine, get_routine, smaller
from gradc.ir.sizes import Dim, Dims, Sizes, Symbol
from gradc.ir.types import HasType, StaticShape, TensorType

if TYPE_CHECKING:
    from gradc.ir.program import Eqn, Program, Var

Args = Sequence[Any]        # variables of a graph or Vars, as who asks has them
Sizing: TypeAlias = Any     # `Shapes`, `Static` or a kernel's size code: each has dimensions of its own kind
Known = Sequence["Dim | None"] | None       # dimensions of a result; None: only the result itself can tell
Rule: TypeAlias = "Callable[..., Sequence[Known]]"

OUT_OF_BOUNDS = "index {{0}} is out of bounds for {} of size {{1}}"


# ------------------------------------------------------------------------------------------------- rules


def broadcast(s: Sizing, what: object, args: Args, all_dims: Sequence[Any], fixed: Sequence[StaticShape]) -> Any:
    """Dimensions of `all_dims` broadcast: 1s that `fixed` states and missing axes repeat, other sizes must agree."""
    first = ()
    for dims in all_dims:
        if dims and dims is not first and dims != first:
            if first:
                break
            first = dims
    else:
        return first
    ndim = max(map(len, all_dims))
    result: list[Dim] = []
    for axis in range(-ndim, 0):
        sizes = [d[axis] for d, known in zip(all_dims, fixed) if len(d) >= -axis and known[axis] != 1]
        size = sizes[0] if sizes else 1
        for other in sizes[1:]:
            if other is not size:
                size = s.unify(size, other, _differ(s, what, args, axis + ndim))
        result.append(size)
    return tuple(result)


def _differ(s: Sizing, what: object, args: Args, axis: int | None = None) -> Callable[[], str]:
    name, note = s.naming(), s.broadcast_note       # not `s` itself, which keeps the constraint that this is for

    def text() -> str:
        shapes = literal(", ".join(f"{name(a)} is {a.type.short()}" for a in args))
        where = "" if axis is None else f" of dimension {axis}"
        return f"{literal(str(what))}: sizes {{0}} and {{1}}{where} differ ({shapes})" \
               f"{'' if axis is None else note}"

    return text


def _map(s: Sizing, op: ops.Map, args: Args) -> list[Known]:
    return [broadcast(s, op, args, [s.of(a) for a in args], [a.type.shape for a in args])]


def _same(s: Sizing, op: ops.OpKind, args: Args) -> list[Known]:
    return [s.of(args[0])]


def _constant(s: Sizing, op: ops.Const, args: Args) -> list[Known]:
    return [op.value.data.shape]


def _assert(s: Sizing, op: ops.Assert, args: Args) -> list[Known]:
    s.asserted(op, args)
    return [s.of(args[0])]


def _nonempty(s: Sizing, op: ops.OpKind, dims: Dims, axes: Iterable[int]) -> None:
    for axis in axes:
        s.at_least(dims[axis], 1, "ShapeError",
                   lambda axis=axis: f"{op} over dimension {axis} of size 0 has no value")


def _reduce(s: Sizing, op: ops.Reduce, args: Args) -> list[Known]:
    dims = s.of(args[0])
    if op.fn in ("maximum", "minimum"):
        _nonempty(s, op, dims, op.axes)
    return [tuple([d for k, d in enumerate(dims) if k not in op.axes])]


def _argreduce(s: Sizing, op: ops.ArgReduce, args: Args) -> list[Known]:
    dims = s.of(args[0])
    _nonempty(s, op, dims, (op.axis,))
    return [dims[:op.axis] + dims[op.axis + 1:]]


def _contract(s: Sizing, op: ops.Contract, args: Args) -> list[Known]:
    found: dict[int, Dim] = {}
    for labels, arg in ((op.a, args[0]), (op.b, args[1])):
        for label, d in zip(labels, s.of(arg)):
            found[label] = s.unify(found[label], d, _differ(s, "dot", args)) if label in found else d
    return [tuple([found[label] for label in op.out])]


def _given(s: Sizing, what: str, args: Args) -> list[Dim]:
    """Sizes that arguments state."""
    dims = [s.value(a) for a in args]
    for d in dims:
        s.at_least(d, 0, "ShapeError", lambda: f"{literal(what)}: a size must not be negative, got {{0}}")
    return dims


def _broadcast(s: Sizing, op: ops.OpKind, args: Args) -> list[Known]:
    x = args[0]
    result = _given(s, "alloc", args[1:])
    for k, (d, fixed) in enumerate(zip(reversed(s.of(x)), reversed(x.type.shape)), 1):
        if fixed != 1:
            result[-k] = s.unify(result[-k], d, _differ(s, "alloc", args[:1]))
    return [tuple(result)]


def _transpose(s: Sizing, op: ops.Transpose, args: Args) -> list[Known]:
    dims = s.of(args[0])
    return [tuple([1 if p < 0 else dims[p] for p in op.perm])]


def _reshape(s: Sizing, op: ops.OpKind, args: Args) -> list[Known]:
    result = _given(s, "reshape", args[1:])
    s.must_equal(s.product(s.of(args[0])), s.product(result), "ShapeError",
                 lambda: "reshape: an array of {0} elements does not fill a shape of {1} elements")
    return [tuple(result)]


def part(s: Sizing, items: ops.Items, x: HasType, dynamic: Args) -> Dims:
    """Dimensions of what a basic index picks of x; single positions are checked where they are known."""
    dims = s.of(x)
    result: list[Dim] = []
    for axis, ((item, given), n) in enumerate(zip(ops.with_arguments(items, dynamic), dims)):
        if item.is_single:
            s.check_position(given[0] if given else item.at, n, axis)
        elif item.is_all:
            result.append(n)
        else:
            result.append(s.length(item, given, n))
    return (*result, *dims[len(items):])


def _slice(s: Sizing, op: ops.Slice, args: Args) -> list[Known]:
    return [part(s, op.items, args[0], args[1:])]


def _scatter(s: Sizing, op: ops.Scatter, args: Args) -> list[Known]:
    x, v = args[:2]
    _fills(s, op, v, part(s, op.items, x, args[2:]))
    return [s.of(x)]


def _fills(s: Sizing, op: Any, v: Any, place: Dims) -> None:
    """v must fit the part of a tensor with the dimensions `place`."""
    for d, p, fixed in zip(reversed(s.of(v)), reversed(place), reversed(v.type.shape)):
        if fixed != 1:
            s.unify(d, p, _differ(s, f"{op.mode}_subtensor", [v]))


def picked(s: Sizing, axes: Sequence[int], x: object, index: Args) -> Dims:
    """Dimensions of x at index arrays for `axes`."""
    dims = s.of(x)
    for axis, i in zip(axes, index):
        known, n = getattr(i, "data", None), dims[axis]
        if known is not None and isinstance(n, int):
            for wrong in known[(known < -n) | (known >= n)].flat[:1]:
                s.check_position(int(wrong), n, axis)
        elif not i.type.ndim:
            s.check_position(i if known is None else int(known), n, axis)
    first = broadcast(s, "index arrays", index, [s.of(i) for i in index], [i.type.shape for i in index])
    return (*first, *[d for k, d in enumerate(dims) if k not in axes])


def _gather(s: Sizing, op: ops.Gather, args: Args) -> list[Known]:
    return [picked(s, op.axes, args[0], args[1:])]


def _scatter_at(s: Sizing, op: ops.ScatterAt, args: Args) -> list[Known]:
    x, v, *index = args
    _fills(s, op, v, picked(s, op.axes, x, index))
    return [s.of(x)]


def _concat(s: Sizing, op: ops.Concat, args: Args) -> list[Known]:
    result = list(s.of(args[0]))
    for a in args[1:]:
        for k, d in enumerate(s.of(a)):
            result[k] = s.add(result[k], d, "length") if k == op.axis else s.unify(result[k], d,
                                                                                   _differ(s, "join", args))
    return [tuple(result)]


def _iota(s: Sizing, op: ops.OpKind, args: Args) -> list[Known]:
    return [(s.maximum(s.value(args[0]), 0, "length"),)]


def _shapeof(s: Sizing, op: ops.ShapeOf, args: Args) -> list[Known]:
    return [() if op.axis is not None else (len(s.of(args[0])),)]


def _words(s: Sizing, op: ops.Words, args: Args) -> list[Known]:
    return [None]


def _call(s: Sizing, op: ops.Call, args: Args) -> Sequence[Known]:
    """What the call states, and what follows from the signature; sizes of a state are those of its type."""
    inputs, given = op.split(args)
    stated: list[Known] = [tuple(_given(s, s.stating(op), each)) for each in given]
    routine = get_routine(op.routine)
    if isinstance(routine, UserRoutine):
        return stated or s.untold(op)
    (cores, made), found, batches, what = routine.cores, dict[str, Dim](), [], op.title
    whole = list(stated[-1] or ()) if stated else []
    for x, core, want in zip(inputs, cores, routine.takes):
        dims = () if want == "state" else s.of(x)
        if core == STATED:
            for axis, d in enumerate(dims):
                whole[axis] = s.unify(whole[axis], d, _differ(s, what, [x], axis))
            continue
        rank = len(dims) - (0 if want == "state" else len(core))
        for axis, (label, d) in enumerate(zip(core, dims[rank:]), rank):
            known = int(label) if label.isdecimal() else found.get(label)
            found[label] = d if known is None else s.unify(known, d, _differ(s, what, inputs, axis))
        batches.append((x, rank))
    batch = broadcast(s, what, inputs, [s.of(x)[:n] if n else () for x, n in batches],
                      [x.type.shape[:n] if n else () for x, n in batches])

    def size(label: str) -> Dim:
        return int(label) if label.isdecimal() else s.minimum(*map(size, both)) if (both := smaller(label)) \
            else found[label]
    return [None if want == "state" else (*batch, *(whole if core == STATED else map(size, core)))
            for core, want in zip(made, routine.gives)]


def _scan(s: Sizing, op: ops.Scan, args: Args) -> list[Known]:
    """Sizes do not change from step to step; results of a loop that runs no step have them too."""
    what = literal(str(op))
    number, _, seqs, inits, others = op.split(args)
    steps = s.steps(op, number)
    name = s.naming()
    for x in seqs:
        s.enough(s.of(x)[0], steps, lambda x=x: FEW_ROWS.format(what, literal(name(x))))
    given = [*[s.of(x)[1:] for x in seqs], *map(s.of, (*inits, *others))]
    made = s.loop(op, given, args, others)
    rows = made[op.n_carries:op.n_carries + op.n_stacked]
    carries = given[op.n_seqs:op.n_seqs + op.n_carries]
    return [*carries, *[None if r is None else (steps, *r) for r in rows], *([()] if op.until else [])]


def _cond(s: Sizing, op: ops.Cond, args: Args) -> list[Known]:
    """The sizes on which both branches agree."""
    return s.branches(op, [s.of(x) for x in args[1:]], args[1:])


RULES: dict[type[ops.OpKind], Rule] = {
    ops.Const: _constant, ops.Map: _map, ops.Cast: _same, ops.Reduce: _reduce, ops.Cumulate: _same,
    ops.ArgReduce: _argreduce, ops.Contract: _contract, ops.Broadcast: _broadcast, ops.Transpose: _transpose,
    ops.Reshape: _reshape, ops.Slice: _slice, ops.Scatter: _scatter, ops.Gather: _gather,
    ops.ScatterAt: _scatter_at, ops.Concat: _concat, ops.Iota: _iota,
    ops.ShapeOf: _shapeof, ops.Assert: _assert, ops.Call: _call, ops.Words: _words,
    ops.Scan: _scan, ops.Cond: _cond, ops.GradientOf: _same,
}


def rule_of(op: ops.OpKind) -> Rule:
    """The rule of an op."""
    rule = RULES.get(type(op))
    if rule is None:
        raise NoRuleError(f"{op} has no entry in ir/shapes.py")
    return rule


# ------------------------------------------------------------------------------------------------- a Program

ARITHMETIC = {"add": "add", "sub": "sub", "mul": "mul", "floor_divide": "quotient", "minimum": "minimum",
              "maximum": "maximum"}       # rows on int64 -> methods of Sizes


def analyse(program: Program) -> Shapes:
    """Dimensions of every Var of `program`, with all equalities that its equations check."""
    shapes = Shapes()
    for v in program.inputs:
        shapes.input(v)
    for eqn in program.eqns:
        shapes.note(eqn)
    return shapes


class Shapes(Sizes):
    """Dimensions of the Vars of a Program (and of all that it is rewritten to): `note` its equations in order."""

    broadcast_note = SIZE_ONE
    told = False            # is a checked size the same as the size?

    def __init__(self, fresh: Callable[[str], str] | None = None) -> None:
        super().__init__(fresh)
        self.dims: dict[Var, Dims] = {}
        self.producer: dict[Var, Eqn] = {}
        self.values: dict[Var, Dim] = {}        # of integer scalars
        self.outside: dict[Var, Var] = {}       # input of a body -> the value around it that it is throughout
        self.eqn: Eqn | Any = None                    # the one at work

    # -- what the rules ask

    def of(self, var: Var) -> Dims:
        """Dimensions of a Var, representatives."""
        return self.all_found(self.dims[var])

    def naming(self) -> Callable[[Var], str]:
        """What tells messages how to call a Var; they outlive the analysis."""
        return lambda var: shown(var.name or "a result")

    def value(self, var: Var) -> Dim:
        """The value of an integer scalar as a size."""
        found = self.values.get(var)
        if found is None:
            self._evaluate(var)
            found = self.values[var]
        return self.find(found)

    def _evaluate(self, var: Var) -> None:
        """Enter the value of `var`, and of what it is made of, without recursion."""
        stack = [var]
        values = self.values
        while stack:
            v = stack[-1]
            if v in values:
                stack.pop()
                continue
            if v.data is not None:
                values[v] = int(v.data)
                continue
            eqn: Eqn | Any = self.producer.get(v)
            op: Any = None if eqn is None else eqn.op
            args: Args = () if v not in self.outside else (self.outside[v],)
            method = ""
            if type(op) is ops.ShapeOf and op.axis is not None:
                values[v] = self.of(eqn.args[0])[op.axis]
                continue
            if type(op) is ops.Map and v.type.dtype == "int64" and (op.fn in ARITHMETIC or op.fn == "identity"):
                args, method = eqn.args, ARITHMETIC.get(op.fn, "") if isinstance(op.fn, str) else ""
            elif type(op) is ops.Cast and op.dtype == "int64" and eqn.args[0].type.dtype in dtypes.INTEGERS \
                    and eqn.args[0].type.dtype != "uint64":
                args = eqn.args
            elif type(op) is ops.Assert and self.is_told(op, eqn.args):
                args = eqn.args[:1]
            elif type(op) is ops.Slice and len(eqn.args) == 1 and (element := self._element(eqn)) is not None:
                args = (element,)
            missing = [a for a in args if a not in values]
            if missing:
                stack += missing
            elif method:
                values[v] = getattr(self, method)(*[values[a] for a in args])
            elif args:
                values[v] = values[args[0]]
            else:
                values[v] = self.atom(v)

    def atom(self, var: Var) -> Dim:
        """The value of an integer scalar that is no arithmetic of sizes."""
        return self.term("value", (var,), var.name or "value")

    def is_told(self, op: ops.Assert, args: Args) -> bool:
        """Are the conditions of an Assert checked wherever its value is used as a size?"""
        return self.told

    def _element(self, eqn: Eqn) -> object:
        """What `v[k]` is, of a vector that was put together from scalars: the scalar, or None; k constant."""
        items = eqn.op.items
        made = self.producer.get(self.whole(eqn.args[0]))
        at = items[0].at if len(items) == 1 else None
        if made is None or not isinstance(at, int):
            return None
        parts = made.args if type(made.op) is ops.Concat else (made.out,)
        if not -len(parts) <= at < len(parts) or any(p.type.shape != (1,) for p in parts):
            return None
        one: Any = self.producer.get(parts[at])
        alone = one is not None and (one.op == ops.Transpose((-1,)) or type(one.op) is ops.Broadcast)
        return one.args[0] if alone and not one.args[0].type.ndim else None

    def whole(self, var: Var) -> Any:
        """The value outside all bodies that `var` is throughout."""
        while var in self.outside:
            var = self.outside[var]
        return var

    def length(self, item: ops.Item, dynamic: Args, n: Dim) -> Dim:
        """How many elements a range takes of an axis of n."""
        start, stop, step = item.filled(map(self.value, dynamic))
        return self.slice_range(start, stop, step, n)[1]

    def must_equal(self, a: Dim, b: Dim, error: str, message: Callable[[], str]) -> None:
        """a and b must be equal, of which nothing more follows."""

    def check_position(self, at: object, n: Dim, axis: int) -> None:
        """`at`, an int or a scalar, must be inside an axis of n."""

    def asserted(self, op: ops.Assert, args: Args) -> None:
        """Conditions that have to hold."""

    def enough(self, rows: Dim, steps: Dim, message: Callable[[], str]) -> None:
        """There must be as many rows as steps."""

    def steps(self, op: ops.Scan, number: Any) -> Dim:
        """How many rows a loop stacks."""
        steps = self.value(number)
        self.at_least(steps, 0, "ShapeError", lambda: NEGATIVE_STEPS.format(literal(str(op))))
        return steps

    def stating(self, op: ops.Call) -> str:
        """Who states the sizes of what a call makes."""
        return "infer_shape" if isinstance(op.routine, UserRoutine) else op.title

    def untold(self, op: ops.Call) -> list[Known]:
        """Sizes of what a user's Op makes, which it does not state."""
        assert self.eqn is not None
        return [None] * len(self.eqn.outs)

    # -- bodies

    def loop(self, op: ops.Scan, given: Sequence[Dims], args: Args, others: Args) -> Sequence[Known]:
        """Dimensions of what the body of a loop makes, by those of its inputs."""
        return self.body(op.body, given, dict(zip(op.body.inputs[op.n_seqs + op.n_carries:], others)))

    def branches(self, op: ops.Cond, given: Sequence[Dims], inputs: Args) -> Sequence[Known]:
        """Dimensions of what a Cond gives: those that are the same whatever is taken."""
        found = [self.body(p, given, dict(zip(p.inputs, inputs))) for p in (op.then, op.orelse)]
        return [None if a is None or b is None else [d if d == e else None for d, e in zip(a, b)]
                for a, b in zip(*found)]

    def body(self, program: Program, given: Sequence[Dims], outside: dict[Var, Var]) -> list[Known]:
        """Dimensions of a body's outputs by those of its inputs; `outside`: inputs that are a value outside throughout.

        None where they depend on values inside.  A body is analysed once, by sizes of its own, whatever is around it.
        """
        found = program.sizes.get(self.told)
        if found is None:
            own = Shapes()
            own.told = self.told
            for v in program.inputs:
                own.input(v)
            for eqn in program.eqns:
                own.note(eqn)
            found = program.sizes[self.told] = [own.of(v) for v in program.outputs]
        known = dict(zip(program.inputs, given))

        def atom(s: Symbol) -> Dim | None:
            var = s.args[0]
            if s.fn == "value":
                return self.value(outside[var]) if var in outside else None
            return self._typed(var, known[var])[s.args[1]] if var in known else None

        memo: dict[Dim, Dim | None] = {}
        return [[self.translated(d, atom, memo) for d in dims] for dims in found]

    # -- noting

    def input(self, var: Var) -> None:
        """An input of the Program."""
        self.dims[var] = self._typed(var, None)

    def note(self, eqn: Eqn) -> None:
        """Enter an equation."""
        self.eqn = eqn
        for out, dims in zip(eqn.outs, rule_of(eqn.op)(self, eqn.op, eqn.args)):
            self.dims[out] = self._typed(out, dims)
            self.producer[out] = eqn

    def shape(self, op: ops.OpKind, args: Args) -> Dims | Any:
        """Dimensions of the one result of `op(*args)`; None if only the result can tell (never, for most kinds)."""
        dims = rule_of(op)(self, op, args)[0]
        return None if dims is None or None in dims else tuple(dims)

    def _typed(self, var: Var, dims: Known) -> Dims:
        """`dims` with what the type of `var` knows, and atoms for what nothing else tells."""
        t = var.type
        if type(t) is not TensorType:
            return ()
        shape = t.shape
        if dims is None:
            dims = shape
        elif shape.count(None) == len(shape) and type(dims) is tuple and None not in dims:
            return dims
        return tuple([s if s is not None else d if d is not None else self.own_size(var, k)
                      for k, (d, s) in enumerate(zip(dims, shape))])

    def own_size(self, var: Var, axis: int) -> Dim:
        """A size that only `var` itself tells."""
        return self.term("shape", (var, axis), f"{var.name or 'x'}_n{axis}")


# ------------------------------------------------------------------------------------------------- static types


class Static:
    """Dimensions by types alone: an int, or None where only a run tells; a comparison that fails raises at once."""

    broadcast_note = ""

    def __init__(self, source: SourceLine | None) -> None:
        self.source = source

    def shape(self, op: ops.OpKind, args: Args) -> StaticShape:
        """Static shape of the one result of `op(*args)`."""
        return self.shapes(op, args)[0]

    def shapes(self, op: Any, args: Args) -> Sequence[StaticShape]:
        """Static shapes of the results of `op(*args)`."""
        return rule_of(op)(self, op, args)  # type: ignore[return-value]

    def stating(self, op: ops.Call) -> str:
        return op.title

    def of(self, arg: HasType) -> StaticShape:
        return arg.type.shape if isinstance(arg.type, TensorType) else ()

    def naming(self) -> Callable[[HasType], str]:
        return describe

    def value(self, arg: HasType) -> int | None:
        return constant(arg)

    def add(self, a: int | None, b: int | None, base: str = "") -> int | None:
        return None if a is None or b is None else a + b

    def maximum(self, a: int | None, b: int, base: str = "") -> int | None:
        return None if a is None else max(a, b)

    def minimum(self, a: int | None, b: int | None, base: str = "") -> int | None:
        return None if a is None or b is None else min(a, b)

    def product(self, dims: Sequence[int | None]) -> int | None:
        return None if None in dims else prod(dims)  # type: ignore[arg-type]

    def unify(self, a: int | None, b: int | None, message: Callable[[], str]) -> int | None:
        if a is None or b is None:
            return b if a is None else a
        self.must_equal(a, b, "ShapeError", message)
        return a

    def must_equal(self, a: int | None, b: int | None, error: str, message: Callable[[], str]) -> None:
        if a is not None and b is not None and a != b:
            raise ShapeError(f"{message().format(a, b)}{at(self.source)}")

    def at_least(self, a: int | None, low: int, error: str, message: Callable[[], str]) -> None:
        """Left to the run: what is in a branch that is not taken may be so."""

    def check_position(self, place: object, n: int | None, axis: int) -> None:
        if n is not None and isinstance(place, int) and not -n <= place < n:
            raise ShapeError(f"{OUT_OF_BOUNDS.format(f'dimension {axis}').format(place, n)}{at(self.source)}")

    def length(self, item: ops.Item, dynamic: Args, n: int | None) -> int | None:
        bounds = item.filled(map(constant, dynamic))
        if item.step == 0:
            raise ShapeError(f"a slice has step 0{at(self.source)}")
        if any(b is ops.DYNAMIC and c is None for b, c in zip(item.bounds(), bounds)) or n is None or bounds[2] == 0:
            return 0 if bounds[1] == 0 and item.start in (None, 0) and item.step in (None, 1) else None
        return len(range(*slice(*bounds).indices(n)))

    def asserted(self, op: ops.Assert, args: Args) -> None:
        """Nothing that types tell."""


def constant(arg: HasType) -> int | None:
    """The value of a constant scalar, graph or Program."""
    data = getattr(arg, "data", None)
    return int(data) if data is not None and getattr(data, "ndim", 1) == 0 else None


def describe(arg: Any, owner: Any = None) -> str:
    """A variable, or a Var that the equation `owner` makes, in an error message: its name, or the op that made it."""
    if arg.name:
        return shown(arg.name)
    owner = owner or getattr(arg, "owner", None)
    if owner is not None:
        return f"the result of {owner.op}"
    data = getattr(arg, "data", None)
    if data is not None and np.size(data) == 1:
        return f"the constant {np.asarray(data).item()}"
    return f"an unnamed variable of type {arg.type}"
