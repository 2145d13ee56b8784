"""`Loop`: a Scan equation opened for editing; what all passes on loops work with.

Opened, a Scan's arguments and the inputs of its body stand side by side in dictionaries (value inside -> value
outside), so that a pass edits roles by name and not by position.  `emit` puts the edited loop back.

    seqs    row inside -> sequence outside          after   carry -> what follows it
    inits   carry      -> initial value outside     lasts   a result outside -> the carry whose last value it is
    others  value      -> value outside             rows    a result outside -> the value inside that it stacks

Results are named by the Vars of the old Program (or any key, for rows that a pass adds); `done` takes results that
need no loop.  The equations of the body stand in `inner`, a Builder.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from copy import copy
from itertools import pairwise
from operator import is_
from types import MappingProxyType
from typing import Any, TypeAlias

from gradc.errors import FEW_ROWS, NEGATIVE_STEPS, literal
from gradc.ir import build, ops
from gradc.ir.batch import Form, row_form
from gradc.ir.facts import may_fail
from gradc.ir.program import Builder, Eqn, Program, Var, copy_inputs, name_results, rebuild, tensor
from gradc.ir.rows import apply_row, term_form
from gradc.ir.shapes import Shapes
from gradc.ir.types import TensorType, Type
from gradc.passes.dce import drop_unused
from gradc.passes.shapes import size_var
from gradc.record import replace

STOP = "the second loop stops"

Key: TypeAlias = Any        # names a result of a loop: its Var before, or what a pass calls it
# a Var inside, (op, Vars outside) with op None for the one Var itself, or (builder, env) -> Var
Value: TypeAlias = Any


def is_loop(eqn: Eqn) -> bool:
    """Is `eqn` a loop that passes may change?"""
    return type(eqn.op) is ops.Scan


class Loop:
    """See the module."""

    __slots__ = ("after", "counts", "done", "inits", "inner", "lasts", "limit", "names", "op", "opened", "others",
                 "rows", "seqs", "sources", "steps", "stop")

    def __init__(self, eqn: Eqn, args: Iterable[Var]) -> None:
        """Open `eqn`, whose arguments are `args` in the Program that is being built."""
        op: ops.Scan = eqn.op
        args = list(args)
        self.op = op
        self.sources = eqn.sources
        self.steps, self.limit, seqs, inits, others = op.split(args)
        body = op.body
        self.inner = Builder()
        n, m = op.n_seqs, op.n_seqs + op.n_carries
        env = {v: self.inner.input(_special(v.type, x.type, k < n), v.name)
               for k, (v, x) in enumerate(zip(body.inputs, (*seqs, *inits, *others)))}
        rebuild(body, self.inner, env)
        inside = [env[v] for v in body.inputs]
        self.seqs: dict[Var, Var] = dict(zip(inside[:n], seqs))
        self.inits: dict[Var, Var] = dict(zip(inside[n:m], inits))
        self.others: dict[Var, Var] = dict(zip(inside[m:], others))
        made = [env[v] for v in body.outputs]
        self.after: dict[Var, Var] = dict(zip(self.inits, made))
        self.lasts: dict[Key, Var] = dict(zip(eqn.outs, self.inits))
        self.rows: dict[Key, Var] = dict(zip(eqn.outs[op.n_carries:], made[op.n_carries:op.n_carries + op.n_stacked]))
        self.stop: Var | None = made[-1] if op.until else None
        self.counts: list[Key] = [eqn.outs[-1]] if op.until else []
        self.names: dict[Key, str | None] = {v: v.name for v in eqn.outs}
        self.done: dict[Key, Var] = {}
        same = all(map(is_, [v.type for v in inside], [v.type for v in body.inputs]))
        self.opened = self._parts() if same and len(set(self.rows.values())) == len(self.rows) else None

    def _parts(self) -> list[Var | bool | None]:
        """What edits change; equal parts are the same loop."""
        return [*self.seqs, None, *self.inits, None, *self.others, None, *self.after.values(), None,
                *dict.fromkeys(self.rows.values()), self.stop, self.limit is None]

    @staticmethod
    def both(first: Loop, second: Loop) -> Loop:
        """A loop of the steps of `first` that does what the two do; it stops where `first` does.

        The second's condition to stop, if it has one, is the row `STOP`.
        """
        loop = copy(first)
        loop.inner = Builder()
        env: dict[Var, Var] = {}
        for part in (first, second):
            body = part.body()
            env.update({v: loop.inner.input(v.type, v.name) for v in body.inputs})
            rebuild(body, loop.inner, env)
        for name in ("seqs", "inits", "others"):
            setattr(loop, name, {env[v]: x for part in (first, second) for v, x in getattr(part, name).items()})
        loop.after = {env[v]: env[a] for part in (first, second) for v, a in part.after.items()}
        for name in ("lasts", "rows"):
            setattr(loop, name, {key: env[v] for part in (first, second) for key, v in getattr(part, name).items()})
        loop.stop = None if first.stop is None else env[first.stop]
        if second.stop is not None:
            loop.rows[STOP] = env[second.stop]
        loop.counts = first.counts + second.counts
        loop.names = {**first.names, **second.names}
        loop.done = {**first.done, **second.done}
        loop.sources = tuple(dict.fromkeys(first.sources + second.sources))
        return loop

    # ------------------------------------------------------------------------------ the body

    def body(self) -> Program:
        """The body as it stands: (rows, carries, others) -> (next carries, rows to stack, stop)."""
        return drop_unused(Program([*self.seqs, *self.inits, *self.others], self.inner.eqns, self._outputs()))

    def _outputs(self) -> list[Var]:
        stop = [] if self.stop is None else [self.stop]
        return [*self.after.values(), *dict.fromkeys(self.rows.values()), *stop]

    def take(self, body: Program) -> None:
        """Put `body`, equal to `body()`, in its place."""
        inner = Builder()
        env = copy_inputs(body, inner)
        rebuild(body, inner, env)
        values = dict(zip(self._outputs(), [env[v] for v in body.outputs]))
        self._move(inner, dict(zip([*self.seqs, *self.inits, *self.others], [env[v] for v in body.inputs])), values)

    def rewrite(self, change: Callable[[Builder, dict[Var, Var], Eqn], Var | None]) -> None:
        """Put `change(inner, env, eqn)` in the place of an equation of the body; None leaves it as it is.

        `inner` is the new body, `env` maps values of the old one to those of the new one.
        """
        body, inner = self.body(), Builder()
        env = copy_inputs(body, inner)
        for eqn in body.eqns:
            inner.sources = eqn.sources
            made = change(inner, env, eqn)
            if made is None:
                rebuild(body, inner, env, [eqn])
            else:
                env[eqn.out] = made
        self._move(inner, env, env)

    def substitute(self, new: Mapping[Var, Value]) -> dict[Var, Var]:
        """Put other values in the place of inputs of the body, or of what it computes: see `Value`.

        Result: old value inside -> new value inside.
        """
        body = self.body()
        inner = Builder()
        env = {v: inner.input(v.type, v.name) for v in body.inputs if v not in new}
        known = {x: env[v] for v, x in self.others.items() if v in env}
        added: dict[Var, Var] = {}

        def inside(x: Var) -> Var:
            if x.data is not None:
                return inner.apply(ops.Const(ops.ConstantValue(x.data)))
            if x not in known:
                known[x] = inner.input(x.type, x.name)
                added[known[x]] = x
            return known[x]

        for v, value in new.items():
            if isinstance(value, Var):
                env[v] = env[value]
            elif callable(value):
                env[v] = value(inner, env)
            else:
                op, args = value
                env[v] = inside(args[0]) if op is None else inner.apply(op, *[inside(x) for x in args])
        for eqn in body.eqns:
            if not all([v in new for v in eqn.outs]):
                given = {v: env[v] for v in eqn.outs if v in new}
                rebuild(body, inner, env, [eqn])
                env.update(given)
        for table in (self.seqs, self.inits, self.after, self.others):
            for v in new:
                table.pop(v, None)
        self._move(inner, env, env)
        self.others.update(added)
        return env

    def cut(self, seqs: Mapping[Var, Var], others: Mapping[Var, Var]) -> dict[Var, Var]:
        """Take values of the body from outside instead: as rows of new sequences, or as others.

        Result: old value inside -> new value inside.
        """
        new = {v: self.inner.input(v.type, v.name) for v in (*seqs, *others)}
        self.seqs.update({new[v]: x for v, x in seqs.items()})
        self.others.update({new[v]: x for v, x in others.items()})
        return self.substitute(new)

    def _move(self, inner: Builder, inputs: Mapping[Var, Var], values: Mapping[Var, Var]) -> None:
        self.inner = inner
        self.after = {inputs[v]: values[a] for v, a in self.after.items()}
        self.seqs = {inputs[v]: x for v, x in self.seqs.items()}
        self.inits = {inputs[v]: x for v, x in self.inits.items()}
        self.others = {inputs[v]: x for v, x in self.others.items()}
        self.lasts = {key: inputs[v] for key, v in self.lasts.items()}
        self.rows = {key: values[v] for key, v in self.rows.items()}
        if self.stop is not None:
            self.stop = values[self.stop]

    def trim(self, needed: Container[Key]) -> None:
        """Keep what the results in `needed` need."""
        self.rows = {key: v for key, v in self.rows.items() if key in needed}
        self.lasts = {key: v for key, v in self.lasts.items() if key in needed}
        self.counts = [key for key in self.counts if key in needed]
        roots = [*self.rows.values(), *self.lasts.values()]
        if not roots and not self.counts:
            self.stop = None
        live = self.needed([*roots, *([] if self.stop is None else [self.stop])])
        self.seqs, self.inits, self.after, self.others = [
            {v: x for v, x in table.items() if v in live} for table in (self.seqs, self.inits, self.after, self.others)]

    def sequence(self, outer: Var) -> Var:
        """The row of the new sequence `outer` inside the body."""
        t = tensor(outer)
        v = self.inner.input(TensorType.make(t.dtype, t.shape[1:]), outer.name)
        self.seqs[v] = outer
        return v

    def other(self, outer: Var) -> Var:
        """The value of `outer` inside the body, the same in all steps."""
        for v, x in self.others.items():
            if x is outer:
                return v
        v = self.inner.input(outer.type, outer.name)
        self.others[v] = outer
        return v

    def carry(self, like: Var, init: Var) -> Var:
        """A new carry of the type of `like`; what follows it is to be said yet."""
        v = self.inner.input(like.type, like.name)
        self.inits[v] = init
        return v

    def around(self, steps: Var) -> Loop:
        """A loop of `steps` steps in the direction of this one, in which nothing is done as yet."""
        loop = copy(self)
        loop.inner = Builder()
        loop.steps, loop.limit, loop.stop, loop.counts = steps, None, None, []
        loop.seqs, loop.inits, loop.others, loop.after = {}, {}, {}, {}
        loop.lasts, loop.rows, loop.done = {}, {}, {}
        return loop

    def needed(self, values: Iterable[Var]) -> set[Var]:
        """Everything inside that `values` are made from, through the carries; `values` included."""
        needed: set[Var] = set()
        work = list(values)
        while work:
            v = work.pop()
            if v in needed:
                continue
            needed.add(v)
            if v in self.after:
                work.append(self.after[v])
            eqn = self.inner.producer.get(v)
            if eqn is not None:
                work.extend(eqn.args)
        return needed

    def outside(self) -> list[Var]:
        """The arguments, all of them."""
        first = [self.steps] if self.limit is None else [self.steps, self.limit]
        return [*first, *self.seqs.values(), *self.inits.values(), *self.others.values()]

    def move(self, env: Mapping[Var, Var]) -> None:
        """Replace the arguments by what `env` says."""
        self.steps = env[self.steps]
        self.limit = None if self.limit is None else env[self.limit]
        self.seqs = {v: env[x] for v, x in self.seqs.items()}
        self.inits = {v: env[x] for v, x in self.inits.items()}
        self.others = {v: env[x] for v, x in self.others.items()}

    # ------------------------------------------------------------------------------ what is the same in every step

    def varying(self) -> set[Var]:
        """The values that differ from step to step, and those that may fail: they stay where they may not be run."""
        found = {*self.seqs, *self.inits}
        for eqn in self.inner.eqns:
            if may_fail(eqn) or (not found.isdisjoint(eqn.args) and not self.is_size(eqn)):
                found.update(eqn.outs)
        return found

    def is_size(self, eqn: Eqn) -> bool:
        """Is this a size of an input?  Those are the same in all steps."""
        return type(eqn.op) is ops.ShapeOf and eqn.op.axis is not None and eqn.args[0] not in self.inner.producer

    def size(self, b: Builder, eqn: Eqn) -> Var:
        """What `is_size` found, outside."""
        v, axis = eqn.args[0], eqn.op.axis
        if v in self.seqs:
            return b.size(self.seqs[v], axis + 1)
        return b.size(self.inits[v] if v in self.inits else self.others[v], axis)

    def same_outside(self, b: Builder, values: Iterable[Var]) -> dict[Var, Var]:
        """Values that are the same in every step, computed outside (and all that they are made from)."""
        b.sources = self.sources
        made = dict(self.others)
        needed: set[Var] = set()
        work = list(values)
        while work:
            v = work.pop()
            if v in needed or v in made:
                continue
            needed.add(v)
            eqn = self.inner.producer[v]
            work.extend([] if self.is_size(eqn) else eqn.args)
        for eqn in self.inner.eqns:
            if not needed.isdisjoint(eqn.outs):
                b.sources = eqn.sources + self.sources
                outs = [self.size(b, eqn)] if self.is_size(eqn) else \
                    b.equation(eqn.op, [made[a] for a in eqn.args]).outs
                made.update(zip(eqn.outs, outs))
        return made

    # ------------------------------------------------------------------------------ back

    def emit(self, b: Builder) -> dict[Key, Var]:
        """The loop as an equation of `b`; each result by its key."""
        made = dict(self.done)
        if not self.after and not self.rows and self.stop is None:
            return made
        op = self.op
        if self._parts() != self.opened:
            op = replace(op, body=self.body(), n_seqs=len(self.seqs), n_carries=len(self.inits),
                         until=self.stop is not None, limited=self.limit is not None)
        b.sources = self.sources
        outs = b.equation(op, self.outside()).outs
        last = dict(zip(self.inits, outs))
        row = dict(zip(dict.fromkeys(self.rows.values()), outs[len(self.inits):]))
        made.update({key: last[v] for key, v in self.lasts.items()})
        made.update({key: row[v] for key, v in self.rows.items()})
        made.update(dict.fromkeys(self.counts, outs[-1]))
        for key, v in made.items():
            v.name = v.name or self.names.get(key)
        name_results(op, outs)
        return made


class SizedBuilder(Builder):
    """A Builder that knows about run-time sizes: which are equal, and what they are made of."""

    __slots__ = ("_noted", "_sizes")

    def __init__(self) -> None:
        super().__init__()
        self._sizes = Shapes()
        self._sizes.told = True         # a checked number of steps is the same number
        self._noted = 0

    @property
    def sizes(self) -> Shapes:
        """Of all that has been built so far."""
        if not self._noted:
            for v in self.inputs:
                self._sizes.input(v)
        for eqn in self.eqns[self._noted:]:
            self._sizes.note(eqn)
        self._noted = len(self.eqns)
        return self._sizes

    def raw(self, op: ops.OpKind, args: Sequence[Var]) -> Var:
        """For `size_var`."""
        return self.apply(op, *args)

    def current(self, v: Var) -> Var:
        """For `size_var`."""
        return v

    def has_rows(self, x: Var, n: Var) -> bool:
        """Is the scalar n certainly the size of x along its first axis?"""
        sizes = self.sizes
        return sizes.of(x)[0] == sizes.value(n)


def sizes_inside(b: SizedBuilder, loop: Loop, value: Var,
                 like: Mapping[Var, Var] = MappingProxyType({})) -> list[Var] | None:
    """The sizes of a value of the body as scalars outside; None where they depend on values inside.

    `like`: what has the sizes of a sequence that is not there yet.
    """
    body = drop_unused(Program([*loop.seqs, *loop.inits, *loop.others], loop.inner.eqns, [value]))
    sizes = b.sizes
    given = [sizes.of(like.get(x, x))[1:] for x in loop.seqs.values()]
    given += [sizes.of(x) for x in (*loop.inits.values(), *loop.others.values())]
    dims, = sizes.body(body, given, loop.others)
    return None if dims is None or None in dims else [size_var(b, d) for d in dims]  # type: ignore[arg-type]


def each_loop(program: Program, change: Callable[[SizedBuilder, Loop], Mapping[Key, Var] | None],
              other: Callable[[SizedBuilder, Mapping[Var, Var], Eqn], Var | None] | None = None) -> Program:
    """`program` with `change` done to each loop; `change` edits it in place, or returns all of its results itself.

    `other`: what stands for another equation, of values that the mapping gives; None leaves it as it is.
    """
    if not any(is_loop(eqn) for eqn in program.eqns):
        return program
    b = SizedBuilder()
    env = copy_inputs(program, b)
    for eqn in program.eqns:
        b.sources = eqn.sources
        if is_loop(eqn):
            loop = Loop(eqn, [env[a] for a in eqn.args])
            env.update(change(b, loop) or loop.emit(b))
        elif other is not None and (made := other(b, env, eqn)) is not None:
            env[eqn.out] = made
        else:
            rebuild(program, b, env, [eqn])
    return b.program([env[v] for v in program.outputs])


def rows_of(b: SizedBuilder, loop: Loop, x: Var, row: Var) -> Var:
    """The rows of the sequence x that the steps read; `row`: one of them inside."""
    if b.has_rows(x, loop.steps):
        return x
    what, name, steps = literal(str(loop.op)), x.name or row.name or "", b.cast(loop.steps, "int64")
    if steps.data is None:
        x = b.apply(ops.Assert(NEGATIVE_STEPS.format(what), "shape", 1), x, b.map("le", b.constant(0, "int64"), steps),
                    steps)
    rows = b.size(x, 0)
    x = b.apply(ops.Assert(FEW_ROWS.format(what, literal(name)), "shape", 2), x, b.map("le", steps, rows), rows, steps)
    x = build.cut(b, x, stop=loop.steps)
    if loop.steps.data is None:
        return x
    return b.apply(ops.Reshape(tensor(x).ndim), x, loop.steps,      # a single row broadcasts: the type must tell it
                   *[b.size(x, k) for k in range(1, tensor(x).ndim)])


def _special(t: Type, outside: Type, row: bool) -> Type:
    """`t` with the sizes that are known outside; no new 1s, they would broadcast."""
    if type(t) is not TensorType or type(outside) is not TensorType or None not in t.shape:
        return t
    shape = outside.shape[1:] if row else outside.shape
    new = tuple([b if a is None and b != 1 else a for a, b in zip(t.shape, shape)])
    return t if new == t.shape else TensorType.make(t.dtype, new)


# -------------------------------------------------------------------------------------- what was outside, in the step


def _in_step(loop: Loop, eqn: Eqn, form: Form, alike: list[tuple[Var, Var]]) -> tuple[ops.OpKind, list[Var]]:
    """The op and arguments of `eqn` in a step; to `alike` goes what must have equally many rows."""
    assert form is not None
    op, by_rows = form
    alike += pairwise([a for a, flag in zip(eqn.args, by_rows) if flag])
    return op, [loop.sequence(a) if flag else loop.other(a) for a, flag in zip(eqn.args, by_rows)]


def sum_in_steps(loop: Loop, sums: Iterable[Eqn]) -> list[tuple[Var, Var]]:
    """Sums over all steps become carries, whose first values are to be zeros.  Result: as that of `take_in`."""
    alike: list[tuple[Var, Var]] = []
    for eqn in sums:
        op, args = _in_step(loop, eqn, term_form(eqn), alike)
        loop.inner.sources = eqn.sources
        value = apply_row(loop.inner, eqn, op, args)
        carry = loop.carry(eqn.out, eqn.out)
        loop.after[carry] = loop.inner.map("add", carry, value)
        loop.lasts[eqn.out] = carry
    return alike


def take_in(loop: Loop, between: Iterable[Eqn]) -> list[tuple[Var, Var]]:
    """Sequences that `between` makes become values of the step.  Result: what must have equally many rows."""
    alike: list[tuple[Var, Var]] = []
    made = {eqn.out: eqn for eqn in between}
    while (row := next((v for v, x in loop.seqs.items() if x in made), None)) is not None:
        eqn = made[loop.seqs[row]]
        op, args = _in_step(loop, eqn, row_form(eqn), alike)

        def value(inner: Builder, env: Mapping[Var, Var], eqn: Eqn = eqn, op: ops.OpKind = op,
                  args: Sequence[Var] = args) -> Var:
            inner.sources = eqn.sources
            return apply_row(inner, eqn, op, [env[v] for v in args])

        loop.substitute({row: value})
        loop.trim({*loop.rows, *loop.lasts, *loop.counts})
    return alike


def check_rows(b: SizedBuilder, loop: Loop, alike: Iterable[tuple[Var | None, Var]]) -> None:
    """Pairs of arrays have equally many rows; where there is no first, as many as there are steps.

    Not asked of `b`, which knows it from the equations that became part of the step, and will be left out.
    """
    steps = b.cast(loop.steps, "int64")
    rows = [(steps if v is None else b.size(v, 0), b.size(w, 0)) for v, w in alike]
    checks = [b.map("eq", m, n) for m, n in dict.fromkeys(rows) if m is not n]
    if checks:
        same = ops.Assert("sizes of dimension 0 differ", "shape")
        if loop.inits:
            first = next(iter(loop.inits))
            loop.inits[first] = b.apply(same, loop.inits[first], *checks)
        else:
            loop.steps = b.apply(same, steps, *checks)
