"""Run-time sizes: which dimensions are equal, and what a size is in terms of the inputs.

Here: `Sizes`, which gives every Var a tuple of *dimensions*; the rules that put sizes of inputs in the place of
`ShapeOf` of intermediates, so that afterwards ShapeOf stands only on inputs and on results of which nothing else tells
the size (of a Callback); and `lost_checks`.  In and out: a Program under rewriting (`rewrite.Rewriter`).

A dimension is an int >= 0 (known size) or a negative int, the symbol of a size known only at run time.
Equations that compare sizes when they run (Map, Contract, Concat, Broadcast) make dimensions equal; these
equalities hold for the whole Program, because it fails as a whole where one does not hold.  Rules may
therefore drop an equation together with its comparison; `lost_checks` compares what the rewritten
Program still checks with what the original one did, and what was lost is put back as an Assert on sizes.
What an unneeded *value* would have raised (an index out of bounds, a user's Assert) is not raised.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gradc.errors import shown
from gradc.ir import dtypes, infer, ops
from gradc.ir.program import Eqn, Program, Var, tensor
from gradc.ir.types import TensorType
from gradc.passes.pattern import Args, On, Rule

Dim = int
Dims = tuple[Dim, ...]


class Sizes:
    """Dimensions of the Vars of one Program and of all that it is rewritten to.

    `dims[var.number]` is the tuple of a Var (None where there is no tensor).  `keys[-symbol - 1]` says what a
    symbol stands for:
        ("shape", var, axis)             size of an input, or of a result that only itself can tell (a Callback's)
        ("value", var)                   the value of an integer scalar
        ("count", var)                   the same, but negative values count as 0 (Iota)
        ("less", k, dim)                 dim - k, at least 0: length of x[k:], x[:-k]
        ("most", k, dim)                 dim, at most k: length of x[-k:], x[:k]
        ("length", item, bounds, dim)    length of any other slice; bounds are the dynamic arguments
        ("sum", dims)                    of a Concat
    """

    __slots__ = ("_parent", "_symbols", "constraints", "dims", "keys", "meaning")

    def __init__(self) -> None:
        self.dims: dict[int, Dims] = {}
        self.keys: list[tuple[Any, ...]] = []
        self.constraints: list[tuple[Dim, Dim, Eqn | None]] = []
        self.meaning: dict[Var, Dim] = {}       # scalars that were made to state a dimension
        self._parent: dict[Dim, Dim] = {}
        self._symbols: dict[tuple[Any, ...], Dim] = {}

    # ------------------------------------------------------------------------------ symbols

    def symbol(self, key: tuple[Any, ...]) -> Dim:
        """The symbol for `key`, made when it is new."""
        found = self._symbols.get(key)
        if found is None:
            self.keys.append(key)
            found = self._symbols[key] = -len(self.keys)
        return found

    def known(self, key: tuple[Any, ...]) -> Dim | None:
        """The symbol for `key`, if there is one."""
        return self._symbols.get(key)

    def find(self, dim: Dim) -> Dim:
        """The representative of all dimensions that are equal to `dim`: an int, else the oldest symbol."""
        parent = self._parent
        if dim in parent:
            root = parent[dim]
            while root in parent:
                root = parent[root]
            while dim != root:
                parent[dim], dim = root, parent[dim]
        return dim

    def unify(self, a: Dim, b: Dim, eqn: Eqn | None = None) -> Dim:
        """Note that `eqn` fails unless a and b are equal."""
        a, b = self.find(a), self.find(b)
        if a == b:
            return a
        self.constraints.append((a, b, eqn))
        if a < b:               # ints are above symbols, older symbols above younger ones
            a, b = b, a
        if b < 0:
            self._parent[b] = a
        return a

    def same(self, a: Dims, b: Dims) -> bool:
        """Are these the same shapes at run time?"""
        if a == b:
            return True
        if len(a) != len(b):
            return False
        return all(x == y or self.find(x) == self.find(y) for x, y in zip(a, b))

    def value_dim(self, var: Any, producer: dict[Var, Eqn], kind: str = "value") -> Dim:
        """The dimension that an integer scalar states."""
        while True:
            if var.data is not None:
                n = int(var.data)
                return max(n, 0) if kind == "count" else n if n >= 0 else self.symbol((kind, var))
            if var in self.meaning:
                return self.find(self.meaning[var])
            eqn = producer.get(var)
            if eqn is None:
                return self.symbol((kind, var))
            if type(eqn.op) is ops.ShapeOf and eqn.op.axis is not None:
                return self.find(self.dims[eqn.args[0].number][eqn.op.axis])
            if type(eqn.op) is ops.Cast and eqn.op.dtype == "int64":
                source = tensor(eqn.args[0]).dtype
                if source in dtypes.INTEGERS and source != "uint64":
                    var = eqn.args[0]
                    continue
            return self.symbol((kind, var))

    # ------------------------------------------------------------------------------ inference

    def of_input(self, var: Var) -> None:
        """Dimensions of an input, or of a result that nothing is known about; what is no tensor has none."""
        shape = var.type.shape if type(var.type) is TensorType else ()
        self.dims[var.number] = tuple([self.symbol(("shape", var, k)) if s is None else s for k, s in enumerate(shape)])

    def of(self, op: ops.OpKind, args: Sequence[Var], out: TensorType, producer: dict[Var, Eqn],
           eqn: Eqn | None = None) -> Dims | None:
        """Dimensions of `op(*args)`, whose type is `out`; None if only the result itself can tell."""
        rule = _DIMS.get(type(op))
        if rule is None:
            return None
        return rule(self, op, args, out, producer, eqn)

    def note(self, op: ops.OpKind, args: Sequence[Var], outs: Sequence[Var], producer: dict[Var, Eqn],
             eqn: Eqn | None = None) -> None:
        """Enter the dimensions of all results of `op(*args)`."""
        rule, results = _DIMS.get(type(op)), _RESULTS.get(type(op))
        if rule is not None and type(outs[0].type) is TensorType:
            self.dims[outs[0].number] = rule(self, op, args, outs[0].type, producer, eqn)
            return
        for v in outs:
            self.of_input(v)
        if results is not None:
            for v, dims in zip(outs, results(self, op, args, producer)):
                if dims is not None and type(v.type) is TensorType:
                    self.dims[v.number] = tuple([
                        own if own >= 0 or d is None else d for own, d in zip(self.dims[v.number], dims)])

    def settle(self) -> None:
        """Put representatives everywhere, so that equal shapes are equal tuples."""
        if self._parent:
            memo: dict[Dims, Dims] = {}
            for number, dims in self.dims.items():
                found = memo.get(dims)
                if found is None:
                    found = memo[dims] = tuple([self.find(d) for d in dims])
                self.dims[number] = found


def analyse(program: Program) -> Sizes:
    """Dimensions of every Var of `program`, with all equalities that its equations check."""
    sizes = Sizes()
    producer: dict[Var, Eqn] = {}
    for v in program.inputs:
        sizes.of_input(v)
    dims, table = sizes.dims, _DIMS
    for eqn in program.eqns:
        out = eqn.outs[0]
        rule = table.get(type(eqn.op))
        if rule is None:
            sizes.note(eqn.op, eqn.args, eqn.outs, producer, eqn)
        elif isinstance(out.type, TensorType):
            dims[out.number] = rule(sizes, eqn.op, eqn.args, out.type, producer, eqn)
        else:
            sizes.of_input(out)         # a checked state of a generator
        for v in eqn.outs:
            producer[v] = eqn
    sizes.settle()
    return sizes


def _map(sizes: Sizes, op: Any, args: Args, out: TensorType, producer: Any, eqn: Eqn | None) -> Dims:
    dims = sizes.dims
    first: Dims = ()
    for a in args:
        other = dims[a.number]
        if other:
            if not first:
                first = other
            elif other is not first and other != first:
                break
    else:
        return first
    result = []
    ndim = len(out.shape)
    for axis in range(-ndim, 0):
        dim: Dim | None = None
        for a in args:
            shape = a.type.shape
            if len(shape) >= -axis and shape[axis] != 1:
                d = dims[a.number][axis]
                dim = d if dim is None else dim if dim == d else sizes.unify(dim, d, eqn)
        result.append(1 if dim is None else dim)
    return tuple(result)


def _first(sizes: Sizes, op: Any, args: Args, *rest: Any) -> Dims:
    return sizes.dims[args[0].number]


def _constant(sizes: Sizes, op: Any, args: Args, *rest: Any) -> Dims:
    return op.value.data.shape


def _reduce(sizes: Sizes, op: Any, args: Args, *rest: Any) -> Dims:
    return tuple([d for k, d in enumerate(sizes.dims[args[0].number]) if k not in op.axes])


def _argreduce(sizes: Sizes, op: Any, args: Args, *rest: Any) -> Dims:
    d = sizes.dims[args[0].number]
    return d[:op.axis] + d[op.axis + 1:]


def _contract(sizes: Sizes, op: Any, args: Args, out: TensorType, producer: Any, eqn: Eqn | None) -> Dims:
    label: dict[int, Dim] = {}
    for labels, a in zip((op.a, op.b), args):
        for k, d in zip(labels, sizes.dims[a.number]):
            old = label.get(k)
            label[k] = d if old is None or old == d else sizes.unify(old, d, eqn)
    return tuple([label[k] for k in op.out])


def _broadcast(sizes: Sizes, op: Any, args: Args, out: TensorType, producer: dict[Var, Eqn],
               eqn: Eqn | None) -> Dims:
    result = [sizes.value_dim(s, producer) for s in args[1:]]
    shape, dims = args[0].type.shape, sizes.dims[args[0].number]
    for k in range(1, len(shape) + 1):
        if shape[-k] != 1:
            result[-k] = sizes.unify(result[-k], dims[-k], eqn)
    return tuple(result)


def _transpose(sizes: Sizes, op: Any, args: Args, *rest: Any) -> Dims:
    d = sizes.dims[args[0].number]
    return tuple([1 if p < 0 else d[p] for p in op.perm])


def _reshape(sizes: Sizes, op: Any, args: Args, out: TensorType, producer: dict[Var, Eqn],
             eqn: Eqn | None) -> Dims:
    return tuple([sizes.value_dim(s, producer) for s in args[1:]])


def _slice(sizes: Sizes, op: Any, args: Args, out: TensorType, producer: Any, eqn: Eqn | None) -> Dims:
    return _part(sizes, op.items, sizes.dims[args[0].number], args[1:], producer)


def _part(sizes: Sizes, items: ops.Items, dims: Dims, dynamic: Sequence[Var], producer: dict[Var, Eqn]) -> Dims:
    """Dimensions of what a basic index picks."""
    result: list[Dim] = []
    used = 0
    for item, dim in zip(items, dims):
        count = sum(b is ops.DYNAMIC for b in item.bounds())
        if not item.is_single:
            dim = sizes.find(dim)
            static = infer.slice_length(item, dim if dim >= 0 else None)
            if item.is_all:
                result.append(dim)
            elif static is not None:
                result.append(static)
            else:
                result.append(_length_dim(sizes, item, tuple(dynamic[used:used + count]), dim, producer))
        used += count
    return tuple(result) + dims[len(items):]


def _length_dim(sizes: Sizes, item: ops.Item, dynamic: tuple[Var, ...], dim: Dim, producer: dict[Var, Eqn]) -> Dim:
    """Dimension of a slice; slices that are equally long for every size get one symbol where that is easy to see."""
    start, stop, step = item.bounds()
    if not dynamic and step in (None, 1):
        start = start or 0
        if start >= 0 and (stop is None or stop < 0):
            return _less(sizes, start - (stop or 0), dim)
        if (start < 0) != (stop is not None) and start * (stop or 0) == 0:
            return _most(sizes, -start if stop is None else stop, dim)
    if not dynamic and step == -1 and start is None and stop is None:
        return dim
    if start in (None, 0) and stop is ops.DYNAMIC and step in (None, 1) \
            and sizes.value_dim(dynamic[0], producer) == dim:
        return dim
    return sizes.symbol(("length", item, dynamic, dim))


def _less(sizes: Sizes, k: int, dim: Dim) -> Dim:
    if k == 0:
        return dim
    if dim >= 0:
        return max(dim - k, 0)
    key = sizes.keys[-dim - 1]
    return sizes.symbol(("less", k + key[1], key[2]) if key[0] == "less" else ("less", k, dim))


def _most(sizes: Sizes, k: int, dim: Dim) -> Dim:
    if dim >= 0:
        return min(dim, k)
    key = sizes.keys[-dim - 1]
    return sizes.symbol(("most", min(k, key[1]), key[2]) if key[0] == "most" else ("most", k, dim))


def _scatter(sizes: Sizes, op: Any, args: Args, out: TensorType, producer: Any, eqn: Eqn | None) -> Dims:
    x, v = args[0], args[1]
    shape = v.type.shape
    if shape:
        part = _part(sizes, op.items, sizes.dims[x.number], args[2:], producer)
        for k in range(1, len(shape) + 1):
            if shape[-k] != 1:
                sizes.unify(part[-k], sizes.dims[v.number][-k], eqn)
    return sizes.dims[x.number]


def _concat(sizes: Sizes, op: Any, args: Args, out: TensorType, producer: Any, eqn: Eqn | None) -> Dims:
    result = list(sizes.dims[args[0].number])
    along = [result[op.axis]]
    for a in args[1:]:
        for k, d in enumerate(sizes.dims[a.number]):
            if k == op.axis:
                along.append(d)
            elif result[k] != d:
                result[k] = sizes.unify(result[k], d, eqn)
    if len(along) > 1:
        result[op.axis] = _sum(sizes, along)
    return tuple(result)


def _sum(sizes: Sizes, along: Sequence[Dim]) -> Dim:
    known = sum(d for d in along if d >= 0)
    unknown = tuple([sizes.find(d) for d in along if d < 0])
    return sizes.symbol(("sum", (*unknown, known))) if unknown else known


def _iota(sizes: Sizes, op: Any, args: Args, out: TensorType, producer: dict[Var, Eqn],
          eqn: Eqn | None) -> Dims:
    return (sizes.value_dim(args[0], producer, "count"),)


def _shapeof(sizes: Sizes, op: Any, args: Args, *rest: Any) -> Dims:
    return () if op.axis is not None else (len(sizes.dims[args[0].number]),)


_DIMS: dict[type, Callable[..., Dims]] = {
    ops.Map: _map, ops.Cast: _first, ops.Cumulate: _first, ops.Assert: _first, ops.Constant: _constant,
    ops.Reduce: _reduce, ops.ArgReduce: _argreduce, ops.Contract: _contract, ops.Broadcast: _broadcast,
    ops.Transpose: _transpose, ops.Reshape: _reshape, ops.Slice: _slice, ops.Scatter: _scatter, ops.Concat: _concat,
    ops.Iota: _iota, ops.ShapeOf: _shapeof,
}


# ------------------------------------------------------------------------------------------- loops, branches

Known = tuple["Dim | None", ...]        # None: only the result itself can tell


def _scan(sizes: Sizes, op: Any, args: Sequence[Var], producer: dict[Var, Eqn]) -> list[Known | None]:
    """Carries have the sizes of their initial values; rows those of the body's results."""
    steps, _, seqs, inits, others = op.split(args)
    rows = [sizes.dims[x.number][1:] for x in seqs]
    whole = [sizes.dims[x.number] for x in (*inits, *others)]
    values = dict(zip(op.body.inputs[op.n_seqs + op.n_carries:], others))
    inner = _body(sizes, op.body, (*rows, *whole), values, producer)
    steps_dim = sizes.value_dim(steps, producer)
    stacked = inner[op.n_carries:op.n_carries + op.n_stacked]
    return [*whole[:op.n_carries], *[(steps_dim, *dims) for dims in stacked], *([()] if op.until else [])]


def _cond(sizes: Sizes, op: Any, args: Sequence[Var], producer: dict[Var, Eqn]) -> list[Known | None]:
    """The sizes on which both branches agree."""
    given = [sizes.dims[x.number] for x in args[1:]]
    then, orelse = [_body(sizes, p, given, dict(zip(p.inputs, args[1:])), producer) for p in (op.then, op.orelse)]
    return [tuple([d if d == e else None for d, e in zip(*pair)]) for pair in zip(then, orelse)]


def _body(sizes: Sizes, body: Program, given: Sequence[Dims], values: dict[Var, Var],
          producer: dict[Var, Eqn]) -> list[Known]:
    """Dimensions of a body's outputs by those of its inputs; `values`: inputs that stand for a value outside."""
    inside = analyse(body)
    dims = dict(zip(body.inputs, given))
    outside: list[Dim | None] = []

    def get(dim: Dim) -> Dim | None:
        dim = inside.find(dim)
        return dim if dim >= 0 else outside[-dim - 1]

    for key in inside.keys:             # a symbol depends on older ones only
        new: Dim | None = None
        inner = [get(d) for d in _inner(key)]
        match key[0]:
            case "shape":
                new = dims[key[1]][key[2]] if key[1] in dims else None
            case "value" | "count":
                new = sizes.value_dim(values[key[1]], producer, key[0]) if key[1] in values else None
            case "less" if inner[0] is not None:
                new = _less(sizes, key[1], inner[0])
            case "most" if inner[0] is not None:
                new = _most(sizes, key[1], inner[0])
            case "length" if inner[0] is not None and all(v in values for v in key[2]):
                new = _length_dim(sizes, key[1], tuple([values[v] for v in key[2]]), inner[0], producer)
            case "sum" if None not in inner:
                new = _sum(sizes, inner)  # type: ignore[arg-type]
        outside.append(new)
    return [tuple([get(d) for d in inside.dims[v.number]]) for v in body.outputs]


def _random(sizes: Sizes, op: ops.Random, args: Sequence[Var], producer: dict[Var, Eqn]) -> list[Known | None]:
    """Draws have the sizes that are given."""
    return [None, tuple([sizes.value_dim(n, producer) for n in op.split(args)[1]])]


def _callback(sizes: Sizes, op: ops.Callback, args: Sequence[Var], producer: dict[Var, Eqn]) -> list[Known | None]:
    """What the user's Op states."""
    return [tuple([sizes.value_dim(n, producer) for n in each]) for each in op.split(args)[1]]


def _words(sizes: Sizes, op: ops.Words, args: Sequence[Var], producer: dict[Var, Eqn]) -> list[Known | None]:
    """The type says all."""
    return [None]


_RESULTS: dict[type, Callable[..., list[Known | None]]] = {
    ops.Scan: _scan, ops.Cond: _cond, ops.Random: _random, ops.Words: _words, ops.Callback: _callback,
}


# --------------------------------------------------------------------------------------- sizes as equations


def size_var(b: Any, dim: Dim, merged: bool = True) -> Var:
    """The size `dim` as an int64 scalar of the Program that `b` builds.

    With `merged=False` not one of the sizes known to be equal to it, but this one.
    """
    sizes = b.sizes
    find = sizes.find if merged else _itself
    dim = find(dim)
    if dim >= 0:
        return b.constant(dim, "int64")
    needed: set[Dim] = set()
    work = [dim]
    while work:                     # a symbol depends on older ones only; no recursion over long chains
        d = work.pop()
        if d < 0 and d not in needed:
            needed.add(d)
            key = sizes.keys[-d - 1]
            work += [find(k) for k in _inner(key)]
    made: dict[Dim, Var] = {}

    def get(d: Dim) -> Var:
        d = find(d)
        return b.constant(d, "int64") if d >= 0 else made[d]

    for d in sorted(needed, reverse=True):
        key = sizes.keys[-d - 1]
        match key[0]:
            case "shape":
                made[d] = b.raw(ops.ShapeOf(key[2]), (b.current(key[1]),))
            case "value":
                made[d] = b.cast(b.current(key[1]), "int64")
            case "count":
                made[d] = b.map("maximum", b.constant(0, "int64"), b.cast(b.current(key[1]), "int64"))
            case "less":
                rest = b.map("sub", get(key[2]), b.constant(key[1], "int64"))
                made[d] = b.map("maximum", b.constant(0, "int64"), rest)
            case "most":
                made[d] = b.map("minimum", b.constant(key[1], "int64"), get(key[2]))
            case "sum":
                total = get(key[1][0])
                for k in key[1][1:]:
                    if k:
                        total = b.map("add", total, get(k))
                made[d] = total
            case _:
                made[d] = length(b, key[1], [b.current(v) for v in key[2]], get(key[3]))
        if merged and made[d].data is None:
            sizes.meaning[made[d]] = d
    return made[dim]


def _inner(key: tuple[Any, ...]) -> tuple[Dim, ...]:
    """The dimensions that a symbol is made of."""
    if key[0] == "sum":
        return key[1]
    return (key[-1],) if key[0] in ("less", "most", "length") else ()


def _itself(dim: Dim) -> Dim:
    return dim


def length(b: Any, item: ops.Item, dynamic: Sequence[Var], n: Var) -> Var:
    """Length of a slice of an axis of size n, as `len(range(*slice(start, stop, step).indices(n)))`.

    Source: the algorithm of PySlice_AdjustIndices in the Python documentation, "Slice Objects".
    """
    rest = iter(dynamic)
    start, stop, step = [b.cast(next(rest), "int64") if x is ops.DYNAMIC else x for x in item.bounds()]

    def const(k: int) -> Var:
        return b.constant(k, "int64")

    def bound(x: Any, lowest: Var, highest: Var) -> Var:
        if isinstance(x, int):
            if x < 0:
                return b.map("maximum", b.map("add", const(x), n), lowest)
            return b.map("minimum", const(x), highest)
        wrapped = b.map("switch", b.map("lt", x, const(0)), b.map("add", x, n), x)
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

    if step is None or isinstance(step, int):
        return count(step is None or step > 0, const(1 if step is None else step))
    positive = b.map("lt", const(0), step)
    return b.map("switch", positive, count(True, step), count(False, step))


def _shape_of(b: Any, op: ops.ShapeOf, args: Args) -> Var | None:
    x = args[0]
    if op.axis is None:
        return None
    dim = b.sizes.find(b.sizes.dims[x.number][op.axis])
    if dim < 0 and b.sizes.keys[-dim - 1] == ("shape", x, op.axis):
        return None
    return size_var(b, dim)


def _sample_map(b: Any) -> Any:
    x = b.input(TensorType("float64", (None, 3)))
    y = b.input(TensorType("float64", (None, None)))
    return b.apply(ops.ShapeOf(1), b.map("add", y, b.map("exp", x))), \
        b.apply(ops.ShapeOf(0), b.apply(ops.Transpose((1, -1, 0)), y))


def _sample_slice(b: Any) -> Any:
    x = b.input(TensorType("float64", (None, None)))
    i = b.input(TensorType("int64", ()))
    item = ops.Item
    cuts = [(item(start=1),), (item(stop=-2),), (item(start=-2, stop=9),), (item(step=2),), (item(step=-1),),
            (item(start=5, stop=0, step=-3),), (item(start=-1, stop=1, step=-2),), (item(at=0), item(start=1, step=3))]
    outs = [b.apply(ops.ShapeOf(0), b.apply(ops.Slice(c), x)) for c in cuts]
    outs.append(b.apply(ops.ShapeOf(0), b.apply(ops.Slice((item(start=ops.DYNAMIC),)), x, i)))
    outs.append(b.apply(ops.ShapeOf(0), b.apply(ops.Slice((item(stop=ops.DYNAMIC, step=-2),)), x, i)))
    outs.append(b.apply(ops.ShapeOf(0), b.apply(ops.Slice((item(start=ops.DYNAMIC, stop=3),)), x, i)))
    outs.append(b.apply(ops.ShapeOf(0), b.apply(ops.Iota(), i)))
    outs.append(b.apply(ops.ShapeOf(0), b.apply(ops.Concat(0), x, b.apply(ops.Slice(cuts[0]), x), x)))
    return tuple(outs)


RULES = (
    Rule("size_of_result", On((ops.ShapeOf,)), _shape_of, sample=(_sample_map, _sample_slice),
         why="sizes follow from the sizes of the inputs, so that no value is computed for its shape"),
)


# ------------------------------------------------------------------------------------------- lost checks


def lost_checks(before: Sizes, latest: Callable[[Var], Var], program: Program) -> list[tuple[Dim, Dim, str]]:
    """Comparisons of sizes that the original Program made (`before`) and `program` makes no more.

    `latest` says what a Var has been replaced by.  Result: (dimension, dimension, message) for each.
    """
    after = analyse(program)
    memo: dict[Dim, Dim | None] = {}

    def translate(dim: Dim) -> Dim | None:
        work = [dim]
        while work:
            d = work[-1]
            if d >= 0:
                memo[d] = d
            if d in memo:
                work.pop()
                continue
            key = before.keys[-d - 1]
            missing = [k for k in _inner(key) if k not in memo]
            if missing:
                work.extend(missing)
                continue
            work.pop()
            match key[0]:
                case "shape":
                    new: tuple[Any, ...] = ("shape", latest(key[1]), key[2])
                case "value" | "count":
                    new = (key[0], latest(key[1]))
                case "less" | "most":
                    new = (key[0], key[1], _find(after, memo[key[2]]))
                case "length":
                    new = ("length", key[1], tuple(latest(v) for v in key[2]), _find(after, memo[key[3]]))
                case _:
                    new = ("sum", tuple(_find(after, memo[k]) for k in key[1]))
            memo[d] = after.known(new)
        return memo[dim]

    lost: list[tuple[Dim, Dim, str]] = []
    for a, c, eqn in before.constraints:
        x, y = translate(a), translate(c)
        if x is not None and y is not None and after.find(x) == after.find(y):
            continue
        lost.append((a, c, _message(before, a, c, eqn)))
    return lost


def _find(sizes: Sizes, dim: Dim | None) -> Dim | None:
    return None if dim is None else sizes.find(dim)


def _message(sizes: Sizes, a: Dim, b: Dim, eqn: Eqn | None) -> str:
    def text(dim: Dim) -> str:
        if dim >= 0:
            return f"size {dim}"
        key = sizes.keys[-dim - 1]
        if key[0] == "shape":
            return f"dimension {key[2]} of {shown(key[1].name or 'an input')}"
        return "a computed size"
    what = f"{eqn.op}: " if eqn is not None else ""
    return f"{what}{text(a)} and {text(b)} differ; a size 1 broadcasts only if the type says 1"
