"""Sizes as equations, and comparisons of sizes that rules have dropped.

Here: `size_var`, which writes a size (`ir.sizes`) as equations; the rule that puts sizes of inputs in the place of
`ShapeOf` of intermediates, so that afterwards ShapeOf stands only on inputs and on results of which nothing else tells
the size; and `lost_checks`.

Equations that compare sizes when they run (Map, Concat, Broadcast, ...) make dimensions equal; these equalities
hold for the whole Program, because it fails as a whole where one does not hold.  Rules may therefore drop an equation
together with its comparison; `lost_checks` compares what the rewritten Program still checks with what the original one
did, and what was lost is put back as an Assert on sizes.  What an unneeded *value* would have raised (an index out of
bounds, a user's Assert) is not raised.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from gradc.errors import SIZE_ONE, InternalError, literal
from gradc.ir import build, ops
from gradc.ir.program import Eqn, Program, Var
from gradc.ir.shapes import Shapes, analyse, describe
from gradc.ir.sizes import Constraint, Dim, Symbol, parts
from gradc.ir.types import TensorType
from gradc.passes.pattern import Args, On, Rule, Sample

if TYPE_CHECKING:
    from gradc.passes.rewrite import Rewriter


def size_var(b: Rewriter, dim: Dim, merged: bool = True) -> Var:
    """The size `dim` as an int64 scalar of the Program that `b` builds.

    With `merged=False` not one of the sizes known to be equal to it, but this one.
    """
    sizes: Shapes = b.sizes
    if merged:
        dim = sizes.find(dim)
    made: dict[Dim, Var] = {}

    def get(d: Dim) -> Var:
        return b.constant(d, "int64") if type(d) is int else made[d]

    for d in sorted(parts(dim), key=lambda s: s.number):     # what a size is made of comes first
        made[d] = _equation(b, d, get)
        if merged and made[d].data is None:
            sizes.values.setdefault(made[d], d)
    return get(dim)


def _equation(b: Rewriter, size: Symbol, get: Callable[[Dim], Var]) -> Var:
    """A size by what it is made of."""
    args = size.args
    match size.fn:
        case "shape":
            return b.raw(ops.ShapeOf(args[1]), (b.current(args[0]),))
        case "value":
            return b.cast(b.current(args[0]), "int64")
        case "sum":
            return _sum(b, args[0], args[1], get)
        case "product":
            total = get(args[0])
            for s in args[1:]:
                total = b.map("mul", total, get(s))
            return total
        case "quotient" | "minimum" | "maximum":
            return b.map("floor_divide" if size.fn == "quotient" else size.fn, *map(get, args))
        case "slice_start":
            n, x, zero = get(args[0]), get(args[1]), b.constant(0, "int64")
            wrapped = b.map("switch", b.map("lt", x, zero), b.map("add", x, n), x)
            return b.map("minimum", b.map("maximum", wrapped, zero), n)
        case "slice_count":
            n, start, stop, step, flags = args
            return length(b, None if flags & 1 else start, None if flags & 2 else stop, step, get(n), get)
    raise InternalError(f"the size {size} ({size.fn}) is no size of a value")


def _sum(b: Rewriter, constant: int, terms: Sequence[tuple[int, Symbol]], get: Callable[[Dim], Var]) -> Var:
    """constant + the sum of factor * size; what is added comes before what is taken away."""
    total: Var | None = None if constant <= 0 else b.constant(constant, "int64")
    for f, s in sorted(terms, key=lambda term: term[0] < 0):
        x = get(s) if abs(f) == 1 else b.map("mul", b.constant(abs(f), "int64"), get(s))
        if total is None:
            total = x if f > 0 else b.map("neg", x)
        else:
            total = b.map("add" if f > 0 else "sub", total, x)
    assert total is not None
    return b.map("sub", total, b.constant(-constant, "int64")) if constant < 0 else total


def length(b: Rewriter, start: Dim | None, stop: Dim | None, step: Dim, n: Var, get: Callable[[Dim], Var]) -> Var:
    """Length of a slice of an axis of size n, as `len(range(*slice(start, stop, step).indices(n)))`.

    Source: the algorithm of PySlice_AdjustIndices in the Python documentation.
    """
    def const(k: int) -> Var:
        return b.constant(k, "int64")

    def bound(x: Dim, lowest: Var, highest: Var) -> Var:
        if isinstance(x, int):
            if x < 0:
                return b.map("maximum", b.map("add", const(x), n), lowest)
            return b.map("minimum", const(x), highest)
        wrapped = b.map("switch", b.map("lt", get(x), const(0)), b.map("add", get(x), n), get(x))
        return b.map("minimum", b.map("maximum", wrapped, lowest), highest)

    def count(up: bool, stride: Var) -> Var:
        if up:
            first = const(0) if start is None else bound(start, const(0), n)
            last = n if stop is None else bound(stop, const(0), n)
            span = last if start is None else b.map("sub", last, first)
        else:
            top = b.map("sub", n, const(1))
            first = top if start is None else bound(start, const(-1), top)
            last = const(-1) if stop is None else bound(stop, const(-1), top)
            span = b.map("sub", first, last)
            stride = b.map("neg", stride)
        if stride.data is None or int(stride.data) != 1:
            span = b.map("floor_divide", b.map("add", span, b.map("sub", stride, const(1))), stride)
        return b.map("maximum", const(0), span)

    if isinstance(step, int):
        return count(step > 0, const(step))
    positive = b.map("lt", const(0), get(step))
    return b.map("switch", positive, count(True, get(step)), count(False, get(step)))


def _shape_of(b: Rewriter, op: ops.ShapeOf, args: Args) -> Var | None:
    x = args[0]
    if op.axis is None:
        return None
    dim = b.sizes.of(x)[op.axis]
    if isinstance(dim, Symbol) and dim.fn == "shape" and dim.args == (x, op.axis):
        return None
    return size_var(b, dim)


def _sample_map(b: Rewriter) -> Sample:
    x = b.input(TensorType("float64", (None, 3)))
    y = b.input(TensorType("float64", (None, None)))
    return b.apply(ops.ShapeOf(1), b.map("add", y, b.map("exp", x))), \
        b.apply(ops.ShapeOf(0), build.dimshuffle(b, y, (1, -1, 0)))


def _sample_slice(b: Rewriter) -> Sample:
    x = b.input(TensorType("float64", (None, None)))
    i = b.input(TensorType("int64", ()))
    item = ops.Item
    cuts = [(item(start=1),), (item(stop=-2),), (item(start=-2, stop=9),), (item(step=2),), (item(step=-1),),
            (item(start=5, stop=0, step=-3),), (item(start=-1, stop=1, step=-2),), (item(at=0), item(start=1, step=3))]
    made = [*[build.index(b, x, c) for c in cuts], build.cut(b, x, i), build.cut(b, x, None, i, -2),
            build.cut(b, x, i, 3), b.apply(ops.Iota(), i), b.apply(ops.Concat(0), x, build.cut(b, x, 1), x)]
    return tuple([b.apply(ops.ShapeOf(0), v) for v in made])


RULES = (
    Rule("size_of_result", On((ops.ShapeOf,)), _shape_of, sample=(_sample_map, _sample_slice),
         why="sizes follow from the sizes of the inputs, so that no value is computed for its shape"),
)


# ------------------------------------------------------------------------------------------- lost checks


def lost_checks(constraints: Sequence[Constraint], latest: Callable[[Var], Var],
                program: Program, makers: Mapping[Var, Eqn]) -> list[tuple[Constraint, str]]:
    """Of the comparisons of sizes `constraints`, those of the original Program, what `program` compares no more.

    `latest` says what a Var has been replaced by, `makers` which equation makes it.  Result: (dimension, dimension,
    message) for each.
    """
    there = set(program.eqns)
    constraints = [c for c in constraints if c.eqn not in there]        # what has not changed still compares
    if not constraints:
        return []
    after = analyse(program)
    memo: dict[Dim, Dim | None] = {}

    def atom(size: Symbol) -> Dim | None:
        var = latest(size.args[0])
        if var not in after.dims and (size.fn == "shape" or var.data is None):
            return None
        return after.dims[var][size.args[1]] if size.fn == "shape" else after.value(var)

    lost: list[tuple[Constraint, str]] = []
    for c in constraints:
        x, y = [after.translated(d, atom, memo) for d in (c.a, c.b)]
        if x is None or y is None or after.find(x) != after.find(y):
            lost.append((c, _message(c, makers)))
    return lost


def _message(c: Constraint, makers: Mapping[Var, Eqn]) -> str:
    def text(dim: Dim) -> str:
        if isinstance(dim, int):
            return f"size {dim}"
        if dim.fn == "shape":
            return f"dimension {dim.args[1]} of {describe(dim.args[0], makers.get(dim.args[0]))}"
        return "a computed size"

    what = f"{c.eqn.op}: " if c.eqn is not None else ""
    return literal(f"{what}{text(c.a)} and {text(c.b)} differ") + f": {{0}} and {{1}}{SIZE_ONE}"
