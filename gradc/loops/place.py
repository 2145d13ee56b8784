"""First step of the schedule: which values share a loop nest (fusion), from a Program.

`place_equations` says what becomes of each equation; here are kernels as a whole, loops (Scan) and branches (Cond).
Their bodies are placed as a Program is, each into a Body of its own, inside one item of the Body around.

What a body is given costs nothing: the row of a sequence at step t is a view, whose position on the first axis is the
local t; a captured value is itself.  What it gives is written where it belongs, rows into the stacked results.

Carries: scalars are locals.  A small array of known sizes is an array of the C function's own, which the C compiler has
in registers, if only constants index it: hence two, one for what is read and one for what a step makes, rather than two
rows in turn.  A larger one has two rows of memory, read and written in turn; or, where all states are used inside the
Program, `steps + 1` rows: all states, and those before each step, are parts of them (which small ones have as well).

A matrix that all steps multiply a vector with is copied once, before the loop, if its rows are what is summed over: the
sum of its columns is vector code.  Of a small one all sums are unrolled.
"""

from __future__ import annotations

from collections.abc import Sequence, Set

from gradc.ir import ops
from gradc.ir.facts import Product, facts
from gradc.ir.program import Eqn, Program, Var
from gradc.ir.sizes import Symbol
from gradc.ir.types import TensorType
from gradc.loops.carried import first_write, keep_old
from gradc.loops.index import View, needed
from gradc.loops.memory import is_small
from gradc.loops.nodes import SizeExpr
from gradc.loops.place_equations import EquationPlacer
from gradc.loops.place_values import Values, shows_all
from gradc.loops.schedule import Body, Carry, CondItem, Copy, Operand, ScanItem, Schedule, leaves
from gradc.loops.sizes import KernelSizes
from gradc.record import replace


def place(program: Program, sizes: KernelSizes) -> Schedule:
    """The schedule of a Program: its values in loops, those stored that must be, whatever is computed where."""
    values = Values(sizes, program.inputs)
    placer = _Placer(values, program)
    placer.place_equations()
    outputs = placer.finish_outputs()
    positions = {v for v, tree in values.trees.items() if type(tree.op) is ops.Iota}
    return Schedule(tuple(program.inputs), placer.closed(), outputs, values.stored, values.base, values.aliases,
                    values.is_size, positions, values.locals, values.depth, values.labels, values.names,
                    values.rooms)


class _Placer(EquationPlacer):
    """One Body at work; `outer` is the one around it, `is_step` says that it is a step of a loop, not a branch."""

    def __init__(self, values: Values, program: Program, outer: _Placer | None = None, is_step: bool = False) -> None:
        super().__init__(values, program, 0 if outer is None else outer.level + 1)
        self.outer = outer
        self.is_step = is_step
        self.writes: list[tuple[Var, View]] = []        # results, and where they are written
        self.ends: list[Var] = []                       # results that are scalars
        self.kept: set[Var] = set()
        self.rooms: list[Var] = []
        self.changed: dict[Eqn, Var] = {}               # first write into a carry that has one row of memory, and that
        self._reordered: dict[object, View] = {}           # copies of matrices with their axes in another order
        self._parts = {a for e in program.eqns if e.op == ops.Concat(0) for a in e.args}

    def inner(self, program: Program, outputs: Sequence[Var], is_step: bool) -> _Placer:
        """A body of this one."""
        return _Placer(self.values, Program(program.inputs, program.eqns, tuple(outputs)), self, is_step)

    def closed(self, ends: tuple[Operand, ...] = ()) -> Body:
        outside = set(self.changed.values())
        defined = {v: number for v, number in self.nests.defined.items() if v not in outside}
        return Body(self.nests.closed(), self.level, defined, ends, tuple(self.copies), self.kept, tuple(self.rooms))

    def finish_outputs(self) -> dict[Var, int]:
        """Each output of the kernel gets its memory: the value's own, or that of a copy."""
        values = self.values
        outputs: dict[Var, int] = {}
        for k, var in enumerate(self.program.outputs):
            self.nests.first = self.after.get(var, 0)
            view = values.views[var]
            root = values.base.get(view.root, view.root)
            dims = self.sizes.of(view.root)
            whole = shows_all(view, dims, self.sizes) or self._starts(view, dims)
            if not whole or root in values.frame or root in values.trees or root in outputs \
                    or root in values.rooms or self.nests.defined.get(root, -1) < 0:
                root = self.copy(view, var)
            values.store(root)
            outputs[root] = k
        return outputs

    def _starts(self, view: View, root_dims: tuple[SizeExpr, ...]) -> bool:
        """Is this the first part of the root, as many rows as a loop ran?"""
        return 0 < len(view.dims) == len(root_dims) and bool(self.sizes.late_in(view.dims[0])) \
            and self.sizes.bound(view.dims[0]) == root_dims[0] \
            and replace(view, dims=(root_dims[0], *view.dims[1:])).is_whole(root_dims)

    def place_body(self) -> Body:
        """All of the body of a loop or branch; what it gives is written where it belongs."""
        values = self.values
        self.place_equations()
        for var, target in self.writes:
            self.nests.first = self.after.get(var, 0)
            part = self.fresh(var.type.clone(), target.dims, var.name)  # type: ignore[attr-defined]
            view = values.views[var]
            self.copies.append(Copy(self.write(part, view, target, target.root), view, target, False))
        ends = tuple([values.operand(v, ()) for v in self.ends])
        for leaf in leaves(*ends):
            self.nests.use(leaf)
        return self.closed(ends)

    def free(self) -> Set[Var]:
        """What it uses of values around it."""
        return self.nests.used - self.nests.defined.keys()

    def place_equation(self, eqn: Eqn) -> None:
        if type(eqn.op) is ops.Scan:
            self._scan(eqn, eqn.op)
        elif type(eqn.op) is ops.Cond:
            self._cond(eqn)
        else:
            super().place_equation(eqn)
        if self.level:
            for out in eqn.outs:
                if out in self.values.stored:       # by a call, or put together by several nodes, or by none
                    self.values.depth[out] = self.level

    # -- loops

    def _scan(self, eqn: Eqn, op: ops.Scan) -> None:
        values, sizes = self.values, self.sizes
        _, limit, seqs, inits, captures = op.split(eqn.args)
        (program,) = sizes.bodies[eqn]
        n, last = op.n_carries, op.n_carries + op.n_stacked
        states, after = program.inputs[op.n_seqs:op.n_seqs + n], program.outputs[:n]
        rows = {row: value for row, value in zip(eqn.outs[n:last], program.outputs[n:last]) if row in self.used}
        body = self.inner(program, (*after, *rows.values(), *program.outputs[last:]), True)
        start = self.inner(Program((), (), ()), (), False)
        t = body.new_local("t")
        steps = sizes.most_steps[eqn]
        carries: list[Carry] = []
        made: list[Var] = []                    # what is there from this item on
        stored: list[Var] = []                  # and what has memory whatever its size: steps write into it
        for x, v in zip(seqs, program.inputs):
            self._give(v, values.views[x].sliced(sizes, [(t,)]))
        for x, v in zip(captures, program.inputs[op.n_seqs + n:]):
            self._give(v, values.views[x])
        for state, init, new, result in zip(states, inits, after, eqn.outs):
            used = result if result in self.used else None
            shown = {} if op.until or op.limited else {
                row: value for row, value in rows.items() if value in (state, new)
                and row not in self._outputs and row not in self._parts}
            small = is_small(sizes.of(state))
            if len(set(shown.values())) > small:            # of a small one, both before and after each step
                stored.append(self._all_states(body, t, steps, op.reverse, state, init, new, used, shown))
                rows = {row: value for row, value in rows.items() if row not in shown}
                if not small:
                    continue
            if self._is_scalar(state):
                body.add_local(state)
                body.ends.append(new)
                carry = Carry(state, values.operand(init, ()), used)
            elif not small and (write := first_write(program, state, new)) is not None:
                stored.append(self._in_place(body, state, init, write, used))
                continue
            elif small:
                carry = self._small(start, body, state, init, new, used, _advances(program, state, new))
            else:
                carry = self._in_turn(body, state, init, new, used)
                stored.append(carry.state)
            carries.append(carry)
            if used is not None:
                values.whole(used)
                made.append(used)
        told: list[Symbol] = []
        for row, value in list(rows.items()):
            target, own = values.whole(row), self._sizes_in_room(row)
            if own:
                target = body.in_room(row, (steps, *sizes.of(value)))
                body.ends += [body.size_value(sizes.of(value)[size.args[1] - 1]) for size in own]
                told += own
                del rows[row]
                stored.append(row)
            body.writes.append((value, target.sliced(sizes, [(t,)])))
        made += [values.told[size] for size in told]
        body.ends += program.outputs[last:]
        most = None if limit is None else values.operand(limit, ())
        count = eqn.outs[-1] if op.until and eqn.outs[-1] in self.used else None
        if count is not None:
            values.whole(count)
            made.append(count)
        item = ScanItem(str(op), eqn.sources, start.place_body(), body.place_body(), t, steps, op.reverse, op.until,
                        most, tuple(carries), tuple(rows), count, tuple([values.told[size] for size in told]))
        self._append(item, (start, body), made, (*stored, *rows))

    def _is_scalar(self, var: Var) -> bool:
        return all(d == 1 for d in self.sizes.of(var))

    def _give(self, var: Var, view: View) -> None:
        """An input of a body is a part of what is outside, and gives its name to it."""
        self.values.views[var] = view
        if var.name and (any(view.offsets) or view.is_element()):
            self.values.names.setdefault((view.root, view.offsets, view.is_element()), var.name)

    def _all_states(self, body: _Placer, t: Var, steps: SizeExpr, reverse: bool, state: Var, init: Var, new: Var,
                    result: Var | None, shown: dict[Var, Var]) -> Var:
        """Memory for the first state and the one after each step, parts of which are the results `shown`."""
        views, sizes = self.values.views, self.sizes
        memory = self.memory(state, (sizes.add(steps, 1, "states"), *sizes.of(state)))
        whole = views[memory]
        first, end = (steps, 0) if reverse else (0, steps)
        self.write(memory, views[init], whole.sliced(sizes, [(first,)]), memory)
        lower, upper = (whole.sliced(sizes, [(k, steps, 1)]) for k in (0, 1))
        before, after = (upper, lower) if reverse else (lower, upper)
        for row, value in shown.items():
            views[row] = before if value is state else after
        views[state] = before.sliced(sizes, [(t,)])
        body.writes.append((new, after.sliced(sizes, [(t,)])))
        if result is not None:
            views[result] = whole.sliced(sizes, [(end,)])
        return memory

    def _small(self, start: _Placer, body: _Placer, state: Var, init: Var, new: Var, result: Var | None,
               in_place: bool) -> Carry:
        """Two small arrays, which are the body's own: `start` fills the first, each step the second (or the first)."""
        views = self.values.views
        now = body.own_memory(state)
        then = now if in_place else body.own_memory(state)
        views[state] = views[now]
        start.writes.append((init, views[now]))
        body.writes.append((new, views[then]))
        return Carry(now, None, result, then)

    def _in_turn(self, body: _Placer, state: Var, init: Var, new: Var, result: Var | None) -> Carry:
        """Two rows of memory, of which each step reads one and writes the other."""
        views = self.values.views
        memory = self.memory(state, (2, *self.sizes.of(state)))
        whole = views[memory]
        self.write(memory, views[init], whole.sliced(self.sizes, [(0,)]), memory)
        now, then = body.new_local("now"), body.new_local("then")
        views[state] = whole.sliced(self.sizes, [(now,)])
        body.writes.append((new, whole.sliced(self.sizes, [(then,)])))
        return Carry(memory, None, result, now=now, then=then)

    def _in_place(self, body: _Placer, state: Var, init: Var, write: Eqn, result: Var | None) -> Var:
        """One row of memory, in which steps write parts of what they read."""
        views = self.values.views
        memory = self.memory(state, self.sizes.of(state))
        self.write(memory, views[init], views[memory], memory)
        views[state] = views[memory]
        self.values.depth[memory] = body.level
        body.kept.add(memory)
        body.changed[write] = memory
        if result is not None:
            views[result] = views[memory]
        return memory

    # -- branches

    def _cond(self, eqn: Eqn) -> None:
        results = [v for v in eqn.outs if v in self.used]
        condition = self.values.operand(eqn.args[0], ())
        scalars = [v for v in results if self._is_scalar(v)]
        for var in results:
            self.values.whole(var)
        told = [size for var in results for size in self._sizes_in_room(var)]
        placers, bodies = [], []
        branches = self.sizes.bodies[eqn]
        for program in branches:
            given = {out: value for out, value in zip(eqn.outs, program.outputs) if out in self.used}
            with self.sizes.branch(program) as region:
                body = self.inner(program, tuple(given.values()), False)
                self.sizes.levels[region] = body.level
                for x, v in zip(eqn.args[1:], program.inputs):
                    self.values.views[v] = self.values.views[x]
                for out, value in given.items():
                    if out in scalars:
                        body.ends.append(value)
                    elif out in self.values.rooms:
                        body.writes.append((value, body.in_room(out, self.sizes.of(value))))
                    else:
                        body.writes.append((value, self.values.views[out]))
                for size in told:
                    out, axis = size.args
                    body.ends.append(body.size_value(self.sizes.of(given[out])[axis]))
                placers.append(body)
                bodies.append(body.place_body())
        sizes = [self.values.told[size] for size in told]
        self._append(CondItem(str(eqn.op), condition, tuple(bodies), branches, (*scalars, *sizes)), placers,
                     (*results, *sizes))

    def _sizes_in_room(self, result: Var) -> list[Symbol]:
        """The sizes of a result that only the bodies of its item tell; it is in a room then."""
        sizes = [size for size in self.sizes.told_by.get(result, ()) if size.fn == "shape"]
        for size in sizes:
            self.values.rooms[result] = result
            self.values.told[size] = self.fresh(TensorType.make("int64", ()), (), size)
        return sizes

    # -- items

    def _append(self, item: ScanItem | CondItem, placers: Sequence[_Placer], made: Sequence[Var],
                stored: Sequence[Var] = ()) -> None:
        """A loop or branch, last of the items so far.

        Scalars that it makes are locals of a body, unless they must be `stored`; all else has memory.
        """
        inner = set().union(*[p.free() for p in placers])
        self.nests.append(item, leaves(*item.operands), (*made, *stored), inner)
        for var in (*made, *stored):
            if self.level:
                self.values.depth[var] = self.level
            if self.level and var not in stored and self._is_scalar(var):
                self.values.locals.add(var)
            else:
                self.values.store(var)

    # -- bodies

    def new_local(self, name: str) -> Var:
        """An int64 scalar that is a local."""
        var = Var(-1, TensorType.make("int64", ()), name=name)
        self.sizes.dims[var] = ()
        self.add_local(var)
        return var

    def add_local(self, var: Var) -> None:
        self.values.whole(var)
        self.values.locals.add(var)
        self.values.depth[var] = self.level

    def begin_write(self, eqn: Eqn) -> Var | None:
        memory = self.changed.get(eqn)
        if memory is None:
            return super().begin_write(eqn)
        self.values.whole(eqn.outs[0])
        self.values.store(eqn.outs[0])
        keep_old(self, memory, eqn)
        return memory

    def own_memory(self, like: Var, dims: tuple[SizeExpr, ...] | None = None) -> Var:
        """Memory that is there throughout."""
        made = self.memory(like, dims or self.sizes.of(like))
        self.nests.defined[made] = 0
        self.values.store(made)
        self.kept.add(made)
        return made

    def in_room(self, result: Var, dims: tuple[SizeExpr, ...]) -> View:
        """Memory in the room of a result of the item around, of which this body knows the sizes."""
        made = self.own_memory(result, dims)
        self.values.rooms[made] = result
        self.rooms.append(made)
        return self.values.views[made]

    def size_value(self, size: SizeExpr) -> Var:
        """A size as a scalar."""
        var = self.fresh(TensorType.make("int64", ()), (), "size")
        self.values.is_size.add(var)
        self.sizes.values[var] = size
        return var

    def contract(self, eqn: Eqn, op: Product) -> None:
        """As before, in a body; a matrix given to all steps is copied if its columns are not contiguous."""
        args = list(eqn.args)
        for position, labels in enumerate((op.a, op.b) if self.level else ()):
            var = args[position]
            view = self.values.views[var]
            order = self.values.memory_order(view, list(range(len(labels))))
            kept = [k for k in order if labels[k] in op.out]
            if not kept or order[-1] in kept or view.root in self.values.trees or is_small(view.dims):
                continue
            outside = self._outside(view)
            if outside is not self:
                args[position] = moved = self.fresh(var.type.clone(), view.dims, var.name)  # type: ignore
                order = [k for k in order if k not in kept] + kept
                self.values.views[moved] = outside.reordered(view, var, tuple(order))
        super().contract(Eqn(op, tuple(args), eqn.outs, eqn.sources), op)

    def _outside(self, view: View) -> _Placer:
        """The outermost body, branches aside, in which all that a view depends on is at hand."""
        depth = max([self.sizes.level(view.dims), *[self.sizes.level(terms) for terms in view.offsets],
                     *[self.values.depth.get(v, 0) for v in (view.root, *[v for v, _ in needed(view)])]])
        found: _Placer = self
        while found.outer is not None and found.is_step and depth < found.level:
            found = found.outer
        return found

    def reordered(self, view: View, like: Var, order: tuple[int, ...]) -> View:
        """A view of a copy whose axes lie in memory in `order`."""
        key = (view, order)
        if key not in self._reordered:
            copy = self.copy(view.transposed(order), like)
            self._reordered[key] = self.values.views[copy].transposed(tuple(order.index(k) for k in range(len(order))))
        return self._reordered[key]


def _advances(program: Program, state: Var, new: Var) -> bool:
    """Is `new` the state that follows draws from `state`, which nothing else uses?"""
    producers = program.producers()
    v = new
    while v is not state:
        eqn = producers.get(v)
        if eqn is None or not facts(eqn.op).draws(eqn.op):
            return False
        v = eqn.args[0]
    return new is not state and program.use_counts()[state] == 1
