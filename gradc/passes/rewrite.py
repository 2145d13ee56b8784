"""The driver: Program -> Program by one table of rules.

One forward sweep over the flat equation list.  Each equation is offered to the rules once its arguments are
rewritten; what a rule builds goes through the same rules, so every equation that is kept is in normal form
with respect to what it is made from, and one sweep reaches the fixed point.  Rules never look at users of a
value, hence nothing has to be looked at again.  Chains of firings are cut by a limit of depth and of number,
after which equations are taken as they are.

`Rewriter` is a Builder: rules call `map, apply, cast, constant` on it as on any Builder.  Equations in which
nothing changes keep their Var; Vars made during one `optimize` have numbers of their own, so what is known of
a Var by number (kind, dimensions) holds from sweep to sweep.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

import numpy as np

from gradc.ir import dtypes, infer, ops
from gradc.ir.program import Builder, Eqn, K, Program, Var
from gradc.ir.scalars import ROWS
from gradc.ir.shapes import Shapes, analyse
from gradc.ir.sizes import Dims
from gradc.ir.types import TensorType
from gradc.passes.dce import drop_unused
from gradc.passes.pattern import Table, kind_of
from gradc.passes.shapes import size_var

DEPTH_LIMIT = 40            # nested firings: what a rule builds may fire rules, and so on
FIRINGS_PER_EQUATION = 20   # and a bound for the whole sweep

Fired = tuple[str, str]     # (phase, rule)


class State:
    """What is known across the sweeps of one `optimize`: kinds by Var number, sizes, replacements."""

    __slots__ = ("constraints", "fired", "inputs", "kinds", "merged", "next", "producer", "replaced", "sizes")

    def __init__(self, program: Program) -> None:
        self.sizes: Shapes = analyse(program)
        self.constraints = [c for c in self.sizes.region.constraints if c.kind == "equal"]
        self.kinds: dict[int, Any] = {v.number: None for v in program.inputs}
        self.producer: dict[Var, Eqn] = {}
        self.replaced: dict[Var, Var] = {}
        self.merged: dict[Var, tuple[int, ...]] = {}    # user lines of equations that others were merged into
        self.inputs = frozenset(program.inputs)
        self.next = 1 + max([v.number for v in program.inputs] + [o.number for e in program.eqns for o in e.outs],
                            default=-1)
        self.fired: list[Fired] | None = None
        for eqn in program.eqns:
            kind = kind_of(eqn.op)
            for out in eqn.outs:
                self.kinds[out.number] = kind
                self.producer[out] = eqn

    def merge(self, eqn: Eqn, sources: tuple[int, ...]) -> None:
        """Note that `eqn` also stands for lines `sources` (it may belong to the original Program: not changed)."""
        out = eqn.outs[0]
        old = self.merged.get(out, eqn.sources)
        self.merged[out] = tuple(dict.fromkeys(old + sources))

    def latest(self, var: Var) -> Var:
        """What `var` has been replaced by so far."""
        replaced = self.replaced
        while var in replaced:
            var = replaced[var]
        return var


class Rewriter(Builder):
    """A Builder whose equations pass through the rules of one table."""

    __slots__ = ("_uses", "before", "budget", "depth", "kinds", "memo", "phase", "sizes", "state", "table")

    def __init__(self, state: State, table: Table, phase: str, program: Program) -> None:
        super().__init__()
        self.inputs = list(program.inputs)
        self.state = state
        self.table = table
        self.phase = phase
        self.sizes = state.sizes
        self.kinds = state.kinds
        self.depth = 0
        self.memo: dict[Any, Any] = {}      # for rules: what they found out about this sweep's Program
        self.budget = FIRINGS_PER_EQUATION * len(program.eqns) + 1000
        self._next = state.next
        self.before = program
        self._uses: dict[Var, int] | None = None

    # -------------------------------------------------------------------------- what rules build with

    @overload
    def apply(self, op: ops.OneResult, *args: Var) -> Var: ...
    @overload
    def apply(self, op: ops.OpKind, *args: Var) -> Any: ...
    def apply(self, op: ops.OpKind, *args: Var) -> Any:
        """`op(*args)` after rewriting: one Var, or a tuple where the op has several results."""
        cls = type(op)
        kinds = self.kinds
        if cls is ops.Map:
            root = op.fn  # type: ignore[attr-defined]
            if len(args) == 2 and root in COMMUTATIVE:
                args = ordered(args)
            signature = (root, *[kinds[a.number] for a in args])
            if len(args) == 2:
                signature += (args[0] is args[1],)
        else:
            signature = (cls, *[kinds[a.number] for a in args[:3]])
        entries = self.table.memo.get(signature)
        if entries is None:
            entries = self.table.find(signature)
        if entries:
            new = self.fire(entries, op, args)
            if new is not None:
                return new
        return self.raw(op, args)

    def map(self, fn: str, *args: Var) -> Var:
        """Elementwise `fn`, rewritten."""
        return self.apply(ops.Map(fn), *args)

    def cast(self, x: Var, dtype: str) -> Var:
        """x in another dtype, rewritten."""
        if x.type.dtype == dtype:
            return x
        if x.data is None:
            return self.apply(ops.Cast(dtype), x)
        key = (x.number, dtype)         # a constant is cast at each of its uses, but folded once
        found = self._const.get(key)
        if found is None:
            found = self._const[key] = self.apply(ops.Cast(dtype), x)
        return found

    def constant(self, value: object, dtype: str | None = None) -> Var:
        """A constant (arrays with equal elements become a Broadcast of a scalar)."""
        key = (type(value), value, dtype) if type(value) in (int, float) and value else None
        if key is not None and key in self._const:
            return self._const[key]
        data = np.asarray(value, dtype=dtype) if dtype is not None else dtypes.autocast(value)
        var = self.apply(ops.Const(ops.ConstantValue(data)))
        if key is not None:
            self._const[key] = var
        return var

    def like(self, value: float, x: Var) -> Var:
        """A scalar constant in the dtype of x."""
        return self.constant(value, x.type.dtype)

    def size(self, x: Var, axis: int) -> Var:
        """The size of x along axis, as far as possible as a size of inputs."""
        return size_var(self, self.sizes.of(x)[axis])

    def raw(self, op: ops.OpKind, args: Sequence[Var]) -> Any:
        """`op(*args)` as it stands."""
        key = _key(op, args)
        eqn = self._interned.get(key)
        if eqn is None:
            eqn = self.place(key, op, args, infer.output_types(op, args))
        elif self.sources != eqn.sources:
            self.state.merge(eqn, self.sources)
        outs = eqn.outs
        return outs[0] if len(outs) == 1 else outs

    def place(self, key: Any, op: ops.OpKind, args: Sequence[Var], types: Sequence[Any]) -> Eqn:
        """A new equation at the end."""
        number = self._next
        data = op.value.data if type(op) is ops.Const else None
        outs = tuple([Var(number + k, t, data) for k, t in enumerate(types)])
        self._next = number + len(outs)
        eqn = Eqn(op, tuple(args), outs, self.sources)
        kind = kind_of(op)
        self.sizes.note(eqn)
        for out in outs:
            self.kinds[out.number] = kind
            self.producer[out] = eqn
            self.state.producer[out] = eqn
        self._interned[key] = eqn
        self.eqns.append(eqn)
        return eqn

    # -------------------------------------------------------------------------- what rules ask

    # Any: a rule whose pattern has matched knows that there is one.
    @overload
    def eqn(self, var: Var, kind: type[K]) -> Eqn[K] | Any: ...
    @overload
    def eqn(self, var: Var, kind: str | tuple[Any, ...] | None = None) -> Eqn[Any] | Any: ...
    def eqn(self, var: Var, kind: object = None) -> Eqn[Any] | Any:
        """The equation that makes `var`; with `kind`, only if it is of that op kind or row, or one of these."""
        eqn = self.producer.get(var)
        if eqn is None or kind is None:
            return eqn
        found = self.kinds[var.number]
        return eqn if found == kind or (type(kind) is tuple and found in kind) else None

    def uses(self) -> dict[Var, int]:
        """How often each Var is used in the Program that is being rewritten; counted on the first question."""
        if self._uses is None:
            self._uses = self.before.use_counts()
        return self._uses

    def dims(self, var: Var) -> Dims:
        """Dimensions of `var`."""
        return self.sizes.of(var)

    def same_shape(self, a: Var, b: Var) -> bool:
        """Have a and b the same shape, whatever the inputs?  (And the same dimensions that broadcast.)"""
        return self.sizes.equal(self.sizes.dims[a], self.sizes.dims[b]) \
            and _ones(a.type) == _ones(b.type)

    def broadcast(self, x: Var, dims: Dims) -> Var:
        """x broadcast to the dimensions `dims`."""
        if self.sizes.equal(self.sizes.dims[x], dims):
            return x
        return self.apply(ops.Broadcast(), x, *[size_var(self, d) for d in dims])

    # -------------------------------------------------------------------------- across equations

    def latest(self, var: Var) -> Var:
        """What `var` is replaced by, from the first sweep to now."""
        return self.state.latest(var)

    def current(self, var: Var) -> Var:
        """`var`, or what it is replaced by, as a Var that this Program defines."""
        var = self.latest(var)
        here, inputs = self.producer, self.state.inputs
        work = [var]
        while work:
            v = work[-1]
            if v in here or v in inputs:
                work.pop()
                continue
            eqn = self.state.producer[v]
            args = tuple([self.latest(a) for a in eqn.args])
            missing = [a for a in args if a not in here and a not in inputs]
            if missing:
                work.extend(missing)
                continue
            work.pop()
            self.adopt(eqn, args)
        return self.latest(var)

    def adopt(self, eqn: Eqn, args: tuple[Var, ...]) -> Eqn:
        """Take an equation over with its results; or the one that is there already for the same op and `args`."""
        key = _key(eqn.op, args)
        found = self._interned.get(key)
        if found is not None:
            if eqn.sources != found.sources:
                self.state.merge(found, eqn.sources)
            for old, new in zip(eqn.outs, found.outs):
                if old is not new:
                    self.state.replaced[old] = new
            return found
        taken = eqn if args is eqn.args else Eqn(eqn.op, args, eqn.outs, eqn.sources)
        self._interned[key] = taken
        self.eqns.append(taken)
        for out in eqn.outs:
            self.producer[out] = taken
            self.state.producer[out] = taken
        return taken

    def fire(self, entries: Any, op: ops.OpKind, args: Sequence[Var]) -> Any:
        """The result of the first rule that applies (of an op with several a tuple of all, in their types), or None."""
        if self.depth >= DEPTH_LIMIT or self.budget <= 0:
            return None
        sources = self.sources
        self.depth += 1
        try:
            for rule, attempt in entries:
                new = attempt(self, op, args)
                if new is not None:
                    new = self.fit(new, op, args) if type(new) is not tuple else new
                    if new is not None:
                        self.budget -= 1
                        if self.state.fired is not None:
                            self.state.fired.append((self.phase, rule.name))
                        return new
                self.sources = sources
        finally:
            self.depth -= 1
            self.sources = sources
        return None

    def fit(self, new: Var, op: ops.OpKind, args: Sequence[Var]) -> Var | None:
        """`new` in the dtype and shape of `op(*args)`; None where it can't stand for that."""
        want = infer.output_types(op, args)[0]
        have = new.type
        if type(want) is not TensorType:
            return new
        if have.dtype != want.dtype:
            new = self.cast(new, want.dtype)
        if have.shape != want.shape:
            dims = self.sizes.shape(op, args)
            if dims is not None:
                new = self.broadcast(new, dims)
            if _ones(new.type) != _ones(want) or any([a is None and b is not None for a, b in zip(
                    new.type.shape, want.shape)]):  # what is known, others count on
                return None
        elif None in want.shape:
            dims = self.sizes.shape(op, args)
            if dims is not None and not self.sizes.equal(self.sizes.dims[new], dims):
                return None
        return new


def _key(op: ops.OpKind, args: Sequence[Var]) -> tuple[object, ...]:
    """What is the same of equations that are one; `sweep` makes it itself, from what it knows."""
    return (op.fn if type(op) is ops.Map else op, *[a.number for a in args])


def ordered(args: Sequence[Var]) -> tuple[Var, ...]:
    """Two arguments of a commutative row in canonical order: constants first, then by number."""
    a, b = args
    if (a.data is None, a.number) > (b.data is None, b.number):
        return b, a
    return args  # type: ignore[return-value]


def _ones(type: Any) -> tuple[bool, ...]:
    return tuple([s == 1 for s in type.shape])


def sweep(program: Program, table: Table, state: State, phase: str) -> Program:
    """`program` after one pass of the rules in `table`."""
    b = Rewriter(state, table, phase, program)
    kinds, memo, replaced = state.kinds, table.memo, state.replaced
    values = state.sizes.values
    interned, producer, eqns, producers = b._interned, b.producer, b.eqns, state.producer
    for eqn in program.eqns:
        op, args, outs = eqn.op, eqn.args, eqn.outs
        moved = False
        for a in args:
            if a in replaced:
                args = tuple([state.latest(a) for a in args])
                moved = True
                break
        if type(op) is ops.Map:
            root = op.fn
            if len(args) == 2:
                x, y = args
                if root in COMMUTATIVE and (x.number > y.number or y.data is not None):
                    args = x, y = ordered(args)
                key = (root, x.number, y.number)
                signature = (root, kinds[x.number], kinds[y.number], x is y)
            else:
                key = (root, *[a.number for a in args])
                signature = (root, *[kinds[a.number] for a in args])
        else:
            root = type(op)
            key = (op, *[a.number for a in args])
            signature = (root, *[kinds[a.number] for a in args[:3]])
        found = interned.get(key)
        if found is None:
            entries = memo.get(signature)
            if entries is None:
                entries = table.find(signature)
            if entries:
                b.sources = eqn.sources
                new = b.fire(entries, op, args)
                if new is not None:
                    for out, var in zip(outs, new if type(new) is tuple else (new,)):
                        if var is not out:
                            replaced[out] = var
                            if out in values:
                                values.setdefault(var, values[out])
                            if out.name and var.name is None and var.number >= state.next:
                                var.name = out.name
                    continue
                found = interned.get(key)
        if found is not None:
            if found.sources != eqn.sources:
                state.merge(found, eqn.sources)
            if found.outs is not outs:
                for old, out in zip(outs, found.outs):
                    if old is not out:
                        replaced[old] = out
                        if old in values:
                            values.setdefault(out, values[old])
            continue
        if moved and _retyped(args, eqn.args):
            types = infer.output_types(op, args)
            if any([t != o.type for t, o in zip(types, outs)]):
                b.sources = eqn.sources
                new_eqn = b.place(key, op, args, types)
                for old, out in zip(outs, new_eqn.outs):
                    replaced[old] = out
                    out.name = old.name
                continue
        if args is not eqn.args:
            eqn = Eqn(op, args, outs, eqn.sources)
            for out in outs:
                producers[out] = eqn
        interned[key] = eqn
        eqns.append(eqn)
        for out in outs:
            producer[out] = eqn
    state.next = b._next
    return drop_unused(Program(program.inputs, eqns, [state.latest(v) for v in program.outputs]))


def _retyped(new: Sequence[Var], old: Sequence[Var]) -> bool:
    """May results have other types?  A size that is a constant now may tell more."""
    return len(new) != len(old) or any([(x.type is not y.type and x.type != y.type)
                                        or (x.data is not None and y.data is None)
                                        for x, y in zip(new, old) if x is not y])


COMMUTATIVE = frozenset(name for name, row in ROWS.items() if row.commutative)
