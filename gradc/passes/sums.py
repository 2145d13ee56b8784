"""Sums: rules on those over axes and on products of arrays, and the sums over the steps of loops.

    RULES               reductions and contractions of what is broadcast or transposed
    accumulators(...)   the carries of a loop that only sum up, s' = s + f(...), with what they sum
    Sums                the sum over the rows of vectorised values; no row of an outer product is ever made:
                        the sum of products is one contraction (dW = sum of x_t g_t^T is a gemm)
    wide_sums(program)  the sums of float32 that are left in loops, in float64
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradc.ir import build, dtypes, ops
from gradc.ir.facts import FOLDING, PRODUCTS, REORDERING, Folding, Product, folds, permutation
from gradc.ir.program import Builder, Eqn, Program, Var, tensor
from gradc.ir.rows import adds_up, product_of_rows, sum_form, totals
from gradc.ir.sizes import Dim
from gradc.ir.types import TensorType
from gradc.passes.loop import Key, Loop, SizedBuilder, Value, each_loop, is_loop
from gradc.passes.pattern import Args, On, Rule, Sample, matrix
from gradc.passes.shapes import size_var
from gradc.record import record

if TYPE_CHECKING:
    from gradc.passes.rewrite import Rewriter


def _reduce(b: Rewriter, op: Folding, args: Args) -> Var | None:
    v = args[0]
    shape = tensor(v).shape
    if not op.axes:
        return v
    single = tuple(k for k in op.axes if shape[k] == 1)
    if single:
        kept = [k for k in range(len(shape)) if k not in single]
        rest = [kept.index(k) for k in op.axes if k not in single]
        squeezed = build.drop_axes(b, v, single)
        return build.fold(b, op.fn, squeezed, rest) if rest else squeezed
    inner = b.eqn(v)
    if inner is None:
        return None
    x = inner.args[0] if inner.args else v
    axes, perm = folds(inner.op), permutation(inner.op)
    if axes is not None and inner.op.fn == op.fn:
        left = [k for k in range(tensor(x).ndim) if k not in axes]
        return build.fold(b, op.fn, x, sorted((*axes, *[left[k] for k in op.axes])))
    if type(inner.op) is ops.Broadcast:
        return _reduce_broadcast(b, op, v)
    if perm is not None and -1 not in perm and len(op.axes) == len(shape) == tensor(x).ndim:
        return build.fold_all(b, op.fn, x)
    if type(inner.op) is ops.Concat and op.axes == (0,) and len(shape) == 1 and len(inner.args) <= 8 \
            and all(a.type.shape == (1,) and a.type.dtype == v.type.dtype for a in inner.args):
        parts = [b.cast(build.scalar(b, a), _accumulator(op, v)) for a in inner.args]
        total = parts[0]
        for p in parts[1:]:
            total = b.map(op.fn, total, p)
        return b.cast(total, v.type.dtype)
    return None


def _reduce_broadcast(b: Rewriter, op: Folding, v: Var) -> Var | None:
    """sum(broadcast(c)) -> c * size, max(broadcast(c)) -> c: where a reduced axis is one that c is repeated along."""
    inner = b.eqn(v)
    small = inner.args[0]
    pad = v.type.ndim - small.type.ndim
    repeated = [k for k in op.axes if k < pad or small.type.shape[k - pad] == 1]
    if not repeated or op.fn == "mul":
        return None
    if op.fn != "add":
        if not all(v.type.shape[k] for k in repeated):
            return None             # max of nothing is an error, which must stay
        factor = None
    else:
        if small.type.dtype == "bool" or (small.data is not None and not np.isfinite(small.data).all()):
            return None
        factor = prod_of(b, [b.dims(v)[k] for k in repeated])
    # reduce what is left of c, over the axes that are its own
    own = [k - pad for k in op.axes if k >= pad and small.type.shape[k - pad] != 1]
    drop = {k - pad for k in repeated if k >= pad}
    rest = small
    if own:
        rest = build.fold(b, op.fn, rest, own)
    kept = [k for k in range(small.type.ndim) if k not in own]
    rest = build.drop_axes(b, rest, [i for i, k in enumerate(kept) if k in drop])
    if factor is not None:
        wide = _accumulator(op, small)
        rest = b.cast(b.map("mul", b.cast(factor, wide), b.cast(rest, wide)), small.type.dtype)
    dims = tuple(d for k, d in enumerate(b.dims(v)) if k not in op.axes)
    return b.broadcast(rest, dims)


def _accumulator(op: Folding, x: Var) -> str:
    """The dtype that a reduction of x is made in: what stands for it rounds no more often."""
    return "float64" if x.type.dtype == "float32" and op.fn in ("add", "mul") else x.type.dtype


def prod_of(b: Rewriter, dims: Iterable[Dim]) -> Var:
    """Product of sizes as an int64 scalar."""
    return size_var(b, b.sizes.product(tuple(dims)))


def _sample_reduce(b: Rewriter) -> Sample:
    v = matrix(b)
    col = matrix(b, shape=(None, 1))
    fixed = matrix(b, shape=(2, 3))
    sizes = b.apply(ops.Concat(0), build.vector(b, b.size(v, 0)), build.vector(b, b.size(v, 1)))
    return (build.fold(b, "add", v, ()), build.fold(b, "maximum", col, (0, 1)),
            build.fold(b, "maximum", build.fold(b, "maximum", v, (1,)), (0,)),
            build.fold(b, "minimum", build.dimshuffle(b, v, (1, 0)), (0, 1)),
            build.fold(b, "maximum", b.apply(ops.Broadcast(), fixed, *[b.constant(k, "int64") for k in (4, 2, 3)]),
                       (0,)),
            build.fold(b, "mul", sizes, (0,)))


def _sample_reduce_sum(b: Rewriter) -> Sample:
    v = matrix(b)
    row = matrix(b, shape=(1, None))
    n, m = b.size(v, 0), b.size(v, 1)
    ones = b.apply(ops.Broadcast(), b.constant(1.0, "float64"), n, m)
    rows = b.apply(ops.Broadcast(), row, n, b.size(row, 1))
    return (build.fold(b, "add", ones, (0, 1)), build.fold(b, "add", ones, (1,)), build.fold(b, "add", rows, (0,)),
            build.fold(b, "add", build.fold(b, "add", v, (1,)), (0,)))


# ------------------------------------------------------------------------------------------------ contractions


def _contract(b: Rewriter, op: Product, args: Args) -> Var | None:
    """Reordered axes go into the labels; axes along which an operand is repeated go away."""
    names, given = [op.a, op.b], list(args)
    for k in (0, 1):
        inner = b.eqn(args[k], REORDERING)
        perm = () if inner is None else permutation(inner.op) or ()
        if inner is not None and sorted(perm) == list(range(tensor(inner.args[0]).ndim)):
            names[k], given[k] = tuple([names[k][perm.index(p)] for p in range(len(perm))]), inner.args[0]
    if given != list(args):
        return build.contract(b, given[0], names[0], given[1], names[1], op.out)
    dtype = dtypes.upcast(*(a.type.dtype for a in args))
    for k in (0, 1):
        inner = b.eqn(args[k], ops.Broadcast)
        if inner is not None and not inner.args[0].type.ndim and dtype in dtypes.FLOATS:
            return _contract_uniform(b, op.out, args[1 - k], names[1 - k], args[k], names[k], inner.args[0], dtype)
    return None


def _contract_uniform(b: Rewriter, out: tuple[int, ...], v: Var, mine: tuple[int, ...], full: Var,
                      theirs: tuple[int, ...], value: Var, dtype: str) -> Var | None:
    """Contraction of v with an array that has `value` everywhere: value * (sizes summed over) * sum of v."""
    if value.data is not None and not np.isfinite(value.data):
        return None
    dims = dict(zip(theirs, b.dims(full))) | dict(zip(mine, b.dims(v)))
    summed = [k for k, label in enumerate(mine) if label not in out]
    rest = b.cast(v, dtype)
    if summed:
        rest = build.fold(b, "add", rest, summed)
    left = [label for label in mine if label in out]
    rest = build.dimshuffle(b, rest, [left.index(label) if label in left else -1 for label in out])
    count = [dims[label] for label in theirs if label not in out and label not in mine]
    if count:
        rest = b.map("mul", b.cast(prod_of(b, count), dtype), rest)
    rest = b.map("mul", b.cast(value, dtype), rest)
    return b.broadcast(rest, tuple(dims[label] for label in out))


def _sample_contract(b: Rewriter) -> Sample:
    v = matrix(b)
    n, m = b.size(v, 0), b.size(v, 1)
    ones = b.apply(ops.Broadcast(), b.constant(0.5, "float64"), m, b.constant(4, "int64"))
    vector = b.apply(ops.Broadcast(), b.constant(1.0, "float64"), n)
    return (build.contract(b, build.dimshuffle(b, v, (1, 0)), (0, 1), v, (1, 2), (0, 2)),
            build.contract(b, v, (0, 1), ones, (1, 2), (0, 2)), build.contract(b, vector, (0,), v, (0, 1), (1,)),
            build.contract(b, vector, (0,), v, (1, 2), (0, 2)),
            build.contract(b, v, (0, 1), build.dimshuffle(b, ones, (1, 0)), (2, 1), (0,)))


_SUMS = "sums of one array in another order; "
RULES = (
    Rule("reduce", On(FOLDING), _reduce, exact=False, sample=(_sample_reduce, _sample_reduce_sum), ulps=64,
         why=_SUMS + "n * c for the sum of n equal terms rounds once"),
    Rule("contract", On(PRODUCTS, some=(ops.Broadcast, *REORDERING)), _contract, exact=False, ulps=64,
         sample=_sample_contract, why=_SUMS + "terms with an equal factor are summed before they are multiplied"),
)


# ---------------------------------------------------------------------------------------------- sums over steps


@record(eq=False)
class Addend:
    """`eqn` adds `value` to `total`, to all of it or a part, or subtracts it."""

    total: Var
    value: Var
    eqn: Eqn

    def apply(self, b: Builder, total: Var, value: Var, get: Callable[[Var], Var]) -> Var:
        """The sum `total` with `value` added; `get` gives the indices."""
        first, second = (total, value) if self.eqn.args[0] is self.total else (value, total)
        return b.apply(self.eqn.op, first, second, *[get(a) for a in self.eqn.args[2:]])


def sums_of(body: Program, after: Mapping[Var, Var]) -> dict[Var, list[Addend]]:
    """The carries whose next value is themselves plus and minus values."""
    paths: dict[Var, dict[Var, Any]] = {carry: {carry: ()} for carry in after}     # value -> carry -> what was added
    for eqn in body.eqns:
        for k in totals(eqn.op):
            for carry, path in paths.get(eqn.args[k], {}).items():
                one, other = tensor(eqn.out), tensor(carry)
                if one.dtype == other.dtype and one.broadcastable == other.broadcastable:
                    paths.setdefault(eqn.out, {})[carry] = path, Addend(eqn.args[k], eqn.args[1 - k], eqn)
    found: dict[Var, list[Addend]] = {}
    for carry, end in after.items():
        path = paths.get(end, {}).get(carry)
        while path:
            path, addend = path
            found.setdefault(carry, []).insert(0, addend)
    return found


def accumulators(body: Program, after: Mapping[Var, Var], varying: Callable[[Var], bool]) -> dict[Var, list[Addend]]:
    """The carries that only sum up, which nothing else uses."""
    counts = body.use_counts()
    return {carry: addends for carry, addends in sums_of(body, after).items()
            if tensor(carry).dtype != "bool" and counts[after[carry]] == 1
            and all(counts[a.total] == 1 and not any(map(varying, a.eqn.args[2:])) for a in addends)}


class Sums:
    """Sums over the steps of values of a body; `varying`: the values that differ from step to step."""

    def __init__(self, eqns: Sequence[Eqn], varying: Callable[[Var], bool], values: Iterable[Var],
                 ends: Container[Var]) -> None:
        """Find how the sums of `values` are made: `needed` has the values whose rows that takes.

        Rows of the values in `ends` are there, whatever they are made from.
        """
        self.varying = varying
        self.steps: list[tuple[Eqn, str]] = []      # in the order of computation
        wanted = dict.fromkeys(values)
        self.needed: set[Var] = set()
        for eqn in reversed(eqns):
            if eqn.outs[0] not in wanted or eqn.outs[0] in ends or not varying(eqn.outs[0]):
                continue
            how = sum_form(eqn, [varying(a) for a in eqn.args])
            if how == "rows":
                continue
            self.steps.append((eqn, how))
            if how == "product":
                self.needed.update(eqn.args)
                continue
            for a in eqn.args:              # of a + k, k the same in all steps, k is summed as well
                if varying(a) or adds_up(eqn.op):
                    wanted[a] = None
                else:
                    self.needed.add(a)
        self.steps.reverse()
        made = {eqn.out for eqn, _ in self.steps}
        self.leaves = [v for v in wanted if v not in made]
        self.needed.update(self.leaves)

    @property
    def linear(self) -> set[Var]:
        """Values of which no rows are made."""
        return {eqn.outs[0] for eqn, _ in self.steps} - self.needed

    def compute(self, b: Builder, get: Callable[[Var], tuple[Var, bool]], steps: Var) -> dict[Var, Var]:
        """The sums; `get` gives a value outside and whether it has rows."""
        made: dict[Var, Var] = {}
        for v in self.leaves:
            rows, flag = get(v)
            made[v] = build.fold(b, "add", rows, (0,)) if flag else \
                b.map("mul", b.cast(steps, tensor(rows).dtype), rows)
        for eqn, how in self.steps:
            if how == "sums":                   # what does not vary is a factor or an index, even if it is summed, too
                args = [made[a] if adds_up(eqn.op) or self.varying(a) else get(a)[0] for a in eqn.args]
                made[eqn.out] = b.apply(eqn.op, *args)
            else:
                made[eqn.out] = product_of_rows(b, eqn, [get(a) for a in eqn.args])
        return made


def wide_sums(program: Program) -> Program:
    """`program` with sums of float32 over the steps of its loops made in float64, as sums over axes are.

    What is summed depends on the sum in no step: else it is a state, and its dtype is the user's choice.
    """
    given = {getattr(v.type, "dtype", "") for eqn in program.eqns if is_loop(eqn) for v in eqn.args}
    return each_loop(program, _widen) if "float32" in given else program


def _widen(b: SizedBuilder, loop: Loop) -> Mapping[Key, Var] | None:
    body = loop.body()
    narrow = {c: loop.after[c] for c in loop.inits if type(c.type) is TensorType and c.type.dtype == "float32"}
    sums = {}
    for carry, addends in sums_of(body, narrow).items() if narrow else ():
        if carry not in loop.needed([v for a in addends for v in (a.value, *a.eqn.args[2:])]):
            sums[carry] = addends
    if not sums:
        return None
    links = {a.eqn.out: a for addends in sums.values() for a in addends}
    wide: dict[Var, Var] = {}

    def in_float64(inner: Builder, env: Mapping[Var, Var], eqn: Eqn) -> Var | None:
        if eqn.out not in links:
            return None
        a = links[eqn.out]
        total, value = [wide[env[v]] if env[v] in wide else inner.cast(env[v], "float64") for v in (a.total, a.value)]
        made = a.apply(inner, total, value, env.__getitem__)
        narrow = inner.cast(made, "float32")
        wide[narrow] = made
        return narrow

    flags = [c in sums for c in loop.inits]
    loop.rewrite(in_float64)
    carried: dict[Var, Var] = {}
    new: dict[Var, Value] = {}
    for carry in [c for c, is_sum in zip(loop.inits, flags) if is_sum]:
        v = carried[carry] = loop.inner.input(TensorType.make("float64", tensor(carry).shape), carry.name)
        loop.inits[v], loop.after[v] = b.cast(loop.inits[carry], "float64"), wide[loop.after[carry]]
        new[loop.inner.cast(carry, "float64")] = v
        new[carry] = lambda inner, env, v=v: inner.cast(env[v], "float32")
    keys = [key for key, v in loop.lasts.items() if v in carried]
    loop.lasts = {key: carried.get(v, v) for key, v in loop.lasts.items()}
    loop.substitute(new)
    made = loop.emit(b)
    return {**made, **{key: b.cast(made[key], "float32") for key in keys}}
