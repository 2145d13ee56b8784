"""The schedule of Scan and Cond: their bodies are scheduled as a Program is, inside one item of the Program around.

In: as `loops.schedule`, with the bodies that `loops.sizes` made.  Out: `ScanItem` and `CondItem` among the items; they
hold `Body`s, the Schedules of one step or of the branches.  Not here: statements (`loops.lower_scan`).

What a body is given costs nothing: the row of a sequence at step t is a view, whose position on the first axis is the
local t; a value from outside is itself.  What it gives is written where it belongs, rows into the stacked results.

A result that its own body reads from memory has it there.

Carries: scalars are locals.  A small array of known sizes is an array of the C function's own, which the C compiler has
in registers, if only constants index it: hence two, one for what is read and one for what a step makes, rather than two
rows in turn.  A larger one has two rows of memory, read and written in turn; or, where all states are used inside the
Program, `steps + 1` rows: all states, and those before each step, are parts of them (which small ones have as well).

A matrix that all steps multiply a vector with is copied once, before the loop, if its rows are what is summed over: the
sum of its columns is vector code.  Of a small one all sums are unrolled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradc.ir import ops
from gradc.ir.program import Eqn, Program, Var
from gradc.ir.types import TensorType
from gradc.loops.index import View, positions
from gradc.loops.memory import is_small
from gradc.loops.nodes import SizeExpr
from gradc.loops.places import Carry, CondItem, Ends, Node, Operand, ScanItem, is_gemm, leaves
from gradc.loops.schedule import Schedule

SHARED = ("sizes", "views", "trees", "tree_cost", "node", "size_values", "stored", "storage", "products", "placed",
          "locals", "depth", "called", "_frame")


class ControlSchedule(Schedule):
    """See the module's docstring."""

    def _start(self) -> None:
        super()._start()
        self._turned: dict[Any, View] = {}      # copies of matrices with their axes in another order
        self._stacked: set[Var] = set()         # rows of loops that have memory of their own
        self._parts = {a for e in self.program.eqns if e.op == ops.Concat(0) for a in e.args}

    def _equation(self, eqn: Eqn) -> None:
        if type(eqn.op) is ops.Scan:
            self._scan(eqn, eqn.op)
        elif type(eqn.op) is ops.Cond:
            self._cond(eqn)
        else:
            super()._equation(eqn)

    # -- loops

    def _scan(self, eqn: Eqn, op: ops.Scan) -> None:
        _, limit, seqs, inits, others = op.split(eqn.args)
        (program,) = self.sizes.bodies[eqn]
        n, last = op.n_carries, op.n_carries + op.n_stacked
        states, after = program.inputs[op.n_seqs:op.n_seqs + n], program.outputs[:n]
        rows = {row: value for row, value in zip(eqn.outs[n:last], program.outputs[n:last]) if row in self._used}
        body = Body(self, program, (*after, *rows.values(), *program.outputs[last:]), True)
        start = Body(self, Program((), (), ()), (), False)
        item = ScanItem(str(op), eqn.sources, start, body, body.new_local("t"), self.sizes.most_steps[eqn], op.reverse,
                        op.until)
        if eqn in self.sizes.counted:
            item.number = self._operand(self.sizes.counted[eqn], ())
            item.lengths = [(str(x.name or x), self.sizes.of(x)[0]) for x in seqs]
        made: list[Var] = []                    # what is there from this item on
        held: list[Var] = []                    # and what has memory whatever its size: steps write into it
        for x, v in zip(seqs, program.inputs):
            self._call(v, self.views[x].sliced(self.sizes, [(item.t,)]))
        for x, v in zip(others, program.inputs[op.n_seqs + n:]):
            self._call(v, self.views[x])
        for state, init, new, result in zip(states, inits, after, eqn.outs):
            used = result if result in self._used else None
            shown = {} if op.until or op.limited else {
                row: value for row, value in rows.items() if value in (state, new)
                and row not in self._outputs and row not in self._parts}
            scalar = all(d == 1 for d in self.sizes.of(state))
            small = is_small(self.sizes.of(state))
            if len(set(shown.values())) > small:            # of a small one, both before and after each step
                held.append(self._all_states(item, state, init, new, used, shown))
                rows = {row: value for row, value in rows.items() if row not in shown}
                if not small:
                    continue
            if scalar:
                body.add_local(state)
                body.ends.append(new)
                carry = Carry(state, self._operand(init, ()), used)
            elif small:
                carry = self._small(item, state, init, new, used, _advances(program, state, new))
            else:
                carry = self._in_turn(body, state, init, new, used)
                held.append(carry.state)
            item.carries.append(carry)
            if used is not None:
                made.append(self._result(used))
        self._stacked.update(rows)
        for row, value in rows.items():
            item.rows.append(self._result(row))
            body.writes.append((value, self.views[row].sliced(self.sizes, [(item.t,)])))
        body.ends += program.outputs[last:]
        if limit is not None:
            item.limit = self._operand(limit, ())
        if op.until and eqn.outs[-1] in self._used:
            item.count = self._result(eqn.outs[-1])
            made.append(item.count)
        start.run()
        body.run()
        self._place(item, [item.number, item.limit, *[c.init for c in item.carries]], made, [*held, *item.rows])

    def _call(self, var: Var, view: View) -> None:
        """An input of a body is a part of what stands outside, and gives its name to it."""
        self.views[var] = view
        if var.name and (any(view.offsets) or view.is_element()):
            self.called.setdefault((view.root, view.offsets, view.is_element()), var.name)

    def _all_states(self, item: ScanItem, state: Var, init: Var, new: Var, result: Var | None,
                    shown: dict[Var, Var]) -> Var:
        """Memory for the first state and the one after each step, parts of which are the results `shown`."""
        steps, dims = item.steps, self.sizes.of(state)
        count = self.sizes.add(steps, 1, "states")
        memory = self._memory(state, (count, *dims))
        whole = self.views[memory]
        first, end = (steps, 0) if item.reverse else (0, steps)
        self._write(memory, self.views[init], whole.sliced(self.sizes, [(first,)]), "set", memory)
        lower, upper = (whole.sliced(self.sizes, [(k, steps, 1)]) for k in (0, 1))
        before, after = (upper, lower) if item.reverse else (lower, upper)
        for row, value in shown.items():
            self.views[row] = before if value is state else after
        self.views[state] = before.sliced(self.sizes, [(item.t,)])
        item.body.writes.append((new, after.sliced(self.sizes, [(item.t,)])))
        if result is not None:
            self.views[result] = whole.sliced(self.sizes, [(end,)])
        return memory

    def _small(self, item: ScanItem, state: Var, init: Var, new: Var, result: Var | None, in_place: bool) -> Carry:
        """Two small arrays, which are the body's own: `start` fills the first, each step the second (or the first)."""
        now = item.body.own_memory(state)
        then = now if in_place else item.body.own_memory(state)
        self.views[state] = self.views[now]
        item.start.writes.append((init, self.views[now]))
        item.body.writes.append((new, self.views[then]))
        return Carry(now, None, result, then)

    def _in_turn(self, body: Body, state: Var, init: Var, new: Var, result: Var | None) -> Carry:
        """Two rows of memory, of which each step reads one and writes the other."""
        memory = self._memory(state, (2, *self.sizes.of(state)))
        whole = self.views[memory]
        self._write(memory, self.views[init], whole.sliced(self.sizes, [(0,)]), "set", memory)
        carry = Carry(memory, None, result, now=body.new_local("now"), then=body.new_local("then"))
        self.views[state] = whole.sliced(self.sizes, [(carry.now,)])
        body.writes.append((new, whole.sliced(self.sizes, [(carry.then,)])))
        return carry

    def _memory(self, like: Var, dims: tuple[SizeExpr, ...]) -> Var:
        """A stored value of the schedule's own."""
        dtype = like.type.dtype
        made = self._fresh(TensorType.make(dtype, (None,) * len(dims)), dims, like.name or "state")
        self.storage[made] = made
        return made

    # -- branches

    def _cond(self, eqn: Eqn) -> None:
        results = [v for v in eqn.outs if v in self._used]
        item = CondItem(str(eqn.op), self._operand(eqn.args[0], ()))
        for var in results:
            self._result(var)
            if all(d == 1 for d in self.sizes.of(var)):
                item.scalars.append(var)
        for program in self.sizes.bodies[eqn]:
            values = {out: value for out, value in zip(eqn.outs, program.outputs) if out in self._used}
            with self.sizes.branch(program) as region:
                body = Body(self, program, tuple(values.values()), False)
                for x, v in zip(eqn.args[1:], program.inputs):
                    self.views[v] = self.views[x]
                for out, value in values.items():
                    if out in item.scalars:
                        body.ends.append(value)
                    else:
                        body.writes.append((value, self.views[out]))
                body.run()
            item.bodies.append(body)
            item.checks.append(self.sizes.checks_of(region))
        self._place(item, [item.condition], results)

    # -- items

    def turned(self, view: View, like: Var, order: tuple[int, ...]) -> View:
        """A view of a copy whose axes lie in memory in `order`."""
        key = (view, order)
        if key not in self._turned:
            copy = self._copy(view.transposed(order), like)
            self._turned[key] = self.views[copy].transposed(tuple(order.index(k) for k in range(len(order))))
        return self._turned[key]

    def _decide_storage(self) -> None:
        """Rows of a loop and products that are joined with others have the memory that they would be copied to, if they
        lie there in one piece, as what writes them takes for granted, and as long as they are used."""
        super()._decide_storage()
        written_over = {base for v, base in self.storage.items() if v is not base}
        for node, view, target in self._joined:
            root, memory = view.root, target.root
            while memory in self.placed and memory not in written_over:
                memory = self.placed[memory].root
            if memory in written_over:
                continue
            if not (root in self._stacked or root in self.products) or root not in self.home or root in self.placed \
                    or root in self.output_of or not self._shows_all(view, self.sizes.of(root)):
                continue
            part = target.reshaped(self.sizes, self.sizes.of(root), self.sizes.of(target.root))
            if part is not None and self.lies_in_one_piece(part):
                self.placed[root] = part
                node.fn = "in place"

    def _result(self, var: Var) -> Var:
        """A result is a value with memory of its own."""
        self.views[var] = View.whole(var, self.sizes.of(var))
        return var

    def _place(self, item: Any, operands: Sequence[Operand | None], made: Sequence[Var],
               held: Sequence[Var] = ()) -> None:
        """Put an item at the end, with what it uses of the values around it; `held`: what must have memory."""
        item.item = len(self.items)
        self.items.append(item)
        for operand in operands:
            for leaf in leaves(operand) if operand is not None else ():
                self._use(item, leaf)
        for body in item.bodies:
            for root, users in body.uses.items():
                if root not in body.home:
                    for _, leaf in users:
                        self._use(item, leaf)
        for var in (*made, *held):
            self.home[var] = item.item
            self._keep(var, var in held)

    def _keep(self, var: Var, in_memory: bool) -> None:
        self._store(var)


class Body(ControlSchedule):
    """The schedule of one step of a loop, or of a branch: its items run one after the other in one C function."""

    def __init__(self, outer: ControlSchedule, program: Program, outputs: tuple[Var, ...], loop: bool) -> None:
        self.outer = outer
        self.loop = loop                                # a step of a loop, not a branch
        self.program = Program(program.inputs, program.eqns, outputs)
        for name in SHARED:
            setattr(self, name, getattr(outer, name))
        self.level = outer.level + 1
        self.writes: list[tuple[Var, View]] = []        # results, and where they are written
        self.ends: list[Var] = []                       # results that are scalars
        self.tail = Ends([])
        self._written: list[tuple[Node, View, View]] = []
        self._throughout: set[Var] = set()              # memory that is read and written in all steps
        self._start()

    def run(self) -> None:
        self._run()

    def new_local(self, name: str) -> Var:
        """An int64 scalar that is a local."""
        return self.add_local(Var(-1, TensorType.make("int64", ()), name=name))

    def add_local(self, var: Var) -> Var:
        self.sizes.dims.setdefault(var, ())
        self.views[var] = View.whole(var, self.sizes.of(var))
        self.locals.add(var)
        self.depth[var] = self.level
        return var

    def own_memory(self, like: Var) -> Var:
        """Memory that is there throughout."""
        made = self._memory(like, self.sizes.of(like))
        self.home[made] = 0
        self._store(made)
        self._throughout.add(made)
        return made

    def _equation(self, eqn: Eqn) -> None:
        super()._equation(eqn)
        for out in eqn.outs:
            if out in self.stored:          # by a call, or put together by several nodes, or by none
                self.depth[out] = self.level

    def _add(self, node: Node) -> None:
        self.depth[node.out] = self.level
        super()._add(node)

    def _fresh(self, type: TensorType, dims: tuple[SizeExpr, ...], name: str | None) -> Var:
        var = super()._fresh(type, dims, name)
        self.depth[var] = self.level
        return var

    def _contract(self, eqn: Eqn, op: ops.Contract) -> None:
        args = list(eqn.args)
        for position, labels in enumerate((op.a, op.b)):
            var = args[position]
            view = self.views[var]
            order = self._memory_order(view, list(range(len(labels))))
            kept = [k for k in order if labels[k] in op.out]
            if not kept or order[-1] in kept or view.root in self.trees or is_small(view.dims) \
                    or is_gemm(eqn, self.sizes):
                continue
            outside = self._outside(view)
            if outside is not self:
                args[position] = turned = self._fresh(var.type.clone(), view.dims, var.name)  # type: ignore
                order = [k for k in order if k not in kept] + kept
                self.views[turned] = outside.turned(view, var, tuple(order))
        super()._contract(Eqn(op, tuple(args), eqn.outs, eqn.sources), op)

    def _outside(self, view: View) -> ControlSchedule:
        """The outermost schedule, but for branches, in which all that a view depends on is at hand."""
        depth = max(self.depth.get(v, 0) for v in (view.root, *positions(view)))
        found: ControlSchedule = self
        while isinstance(found, Body) and found.loop and depth < found.level:
            found = found.outer
        return found

    def _keep(self, var: Var, in_memory: bool) -> None:
        """Scalars are locals here, unless they must have memory; arrays have memory."""
        self.depth[var] = self.level
        if not in_memory and all(d == 1 for d in self.sizes.of(var)):
            self.locals.add(var)
        else:
            self._store(var)

    def _finish_outputs(self) -> None:
        for var, target in self.writes:
            part = self._fresh(var.type.clone(), target.dims, var.name)  # type: ignore[attr-defined]
            node = self._write(part, self.views[var], target, "set", target.root)
            self._written.append((node, self.views[var], target))
        self.tail = Ends([self._operand(v, ()) for v in self.ends], len(self.items))
        self._register(self.tail)

    def _decide_storage(self) -> None:
        """A result that needs memory in this body as well has it where it is written: there is nothing to copy."""
        super()._decide_storage()
        for node, view, target in self._written:
            root = self.storage.get(view.root, view.root)
            dims = self.sizes.of(root)
            if root in self.home and root in self.stored and root not in self.placed \
                    and root not in self._throughout and view == View.whole(view.root, dims):
                self.placed[root] = target
                node.fn = "in place"

    def is_local(self, node: Node, user: Any, view: View) -> bool:
        """A scalar can be used from wherever it was made to the end of the body."""
        if node.available == 0 and not self.folds_into_memory(node):
            return not view.flat
        return isinstance(user, Node) and super().is_local(node, user, view)


def _advances(program: Program, state: Var, new: Var) -> bool:
    """Is `new` the state that follows draws from `state`, which nothing else uses?"""
    producers = program.producers()
    v = new
    while v is not state:
        eqn = producers.get(v)
        if eqn is None or type(eqn.op) is not ops.Random:
            return False
        v = eqn.args[0]
    return new is not state and program.use_counts()[state] == 1
