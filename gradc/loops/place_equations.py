"""Equations -> nodes, calls and views, one by one in program order; all kinds but loops and branches (`loops.place`).

 1. views (Transpose, Broadcast, Slice, Reshape, Gather) only change how a value is read (`index.View`);
 2. a cheap elementwise value that needs no memory is computed again where it is used (`schedule.Tree`);
 3. every other value is a Node with a domain, the sizes of the loops around it (`loops.place_nests`), a call
    (`loops.place_calls`), or put together from parts (`loops.place_body`).
No step mentions a particular function.
"""

from __future__ import annotations

from collections.abc import Sequence

from gradc.errors import NoRuleError, literal
from gradc.ir import ops
from gradc.ir.facts import product_labels
from gradc.ir.program import Eqn, Program, Var
from gradc.ir.routines import get_routine
from gradc.ir.types import TensorType
from gradc.loops import place_calls
from gradc.loops.index import View
from gradc.loops.nodes import SizeExpr
from gradc.loops.place_body import BodyBuilder
from gradc.loops.place_calls import is_gemm
from gradc.loops.place_values import Values
from gradc.loops.schedule import CheckItem, Node, Operand, drop_ones, folds_into_memory


class EquationPlacer(BodyBuilder):
    """See the module's docstring."""

    def __init__(self, values: Values, program: Program, level: int) -> None:
        super().__init__(values, program, level)
        self.used: set[Var] = set()             # values that are used, not only their sizes, nor only as sizes
        self._once = self._computed_once()
        values.searched |= self._searched()

    def place_equations(self) -> None:
        live = self._live()
        for var in self.program.inputs:
            self.tell(var)
        for eqn in self.program.eqns:
            self.nests.first = max([self.after.get(a, 0) for a in eqn.args], default=0) if self.after else 0
            if self.nests.first:
                self.after.update(dict.fromkeys(eqn.outs, self.nests.first))
            if eqn in live:
                self.sources = eqn.sources
                self.place_equation(eqn)
                for var in eqn.outs:
                    self.tell(var)

    # -- what must be computed, and what must be computed once

    def _live(self) -> set[Eqn]:
        """The equations whose values are used, and the Asserts that the size code does not check."""
        used = {*self.program.outputs, *self.sizes.told_by}
        kept: set[Eqn] = set()
        for eqn in reversed(self.program.eqns):
            if used.isdisjoint(eqn.outs) and (type(eqn.op) is not ops.Assert or not self._left_to_check(eqn, eqn.op)):
                continue
            kept.add(eqn)
            match eqn.op:
                case ops.Map():
                    used.update(eqn.args)
                case ops.ShapeOf() | ops.Iota():
                    pass
                case ops.Broadcast() | ops.Reshape():
                    used.add(eqn.args[0])
                case ops.Call():
                    used.update(eqn.op.split(eqn.args)[0])
                case ops.Assert() if not self._at_entry(eqn):
                    used.update(eqn.args)
                case ops.Slice() | ops.Scatter():
                    values = 2 if type(eqn.op) is ops.Scatter else 1
                    used.update(eqn.args[:values])
                    places = _single_positions(eqn.op, eqn.args[values:])
                    used.update(a for a in places if not self.sizes.at_start(a))
                case ops.Assert():
                    used.add(eqn.args[0])
                    used.update(a for a in eqn.args[1:] if not self.sizes.at_start(a))
                case _:
                    used.update(eqn.args)
        self.used = used
        return kept

    def _computed_once(self) -> set[Var]:
        """Values that are computed once whatever they cost: outputs and operands of opaque calls."""
        once = set(self.program.outputs)
        for eqn in self.program.eqns:
            if product_labels(eqn.op) is not None and is_gemm(eqn, self.sizes):
                once.update(eqn.args)
            elif type(eqn.op) is ops.Call:
                inputs, layouts = eqn.op.split(eqn.args)[0], get_routine(eqn.op.routine).layouts
                once.update(a for a, layout in zip(inputs, layouts) if a.type.ndim or layout != "each")
            elif type(eqn.op) is ops.Scan:              # what all steps use
                once.update(a for a in eqn.op.split(eqn.args)[-1] if a.type.ndim)
        return once

    # -- one equation

    def place_equation(self, eqn: Eqn) -> None:
        op, out, values = eqn.op, eqn.outs[0], self.values
        views = values.views
        match op:
            case ops.Map("second" | "identity"):
                view = views[eqn.args[-1]]
                views[out] = view.broadcast(self.sizes.of(out), eqn.args[-1].type.shape)
            case ops.Map():
                self._map(eqn)
            case ops.Const():
                values.whole(out)
                values.frame.add(out)
            case ops.Iota():
                values.position(eqn)
            case ops.ShapeOf():
                values.whole(out)
                values.is_size.add(out)
            case ops.Broadcast():
                x = eqn.args[0]
                views[out] = views[x].broadcast(self.sizes.of(out), x.type.shape)
            case ops.Transpose(perm):
                views[out] = views[eqn.args[0]].transposed(perm)
            case ops.Slice():
                ranges = self.ranges(op, eqn.args[0], eqn.args[1:])
                views[out] = views[eqn.args[0]].sliced(self.sizes, ranges)
            case ops.Reshape():
                self._reshape(eqn)
            case ops.Cast(dtype) if eqn.args[0].type.dtype == dtype:
                views[out] = views[eqn.args[0]]
            case ops.Cast():
                self._map(eqn)
            case ops.Reduce(_, axes):
                x = eqn.args[0]
                kept = [k not in axes for k in range(x.type.ndim)]
                self._reduce(out, op, views[x], kept)
            case ops.ArgReduce(_, axis) | ops.Cumulate(_, axis):
                self._along(eqn, views[eqn.args[0]], axis)
            case ops.Contract():
                if is_gemm(eqn, self.sizes):
                    place_calls.gemm(self, eqn, op)
                else:
                    self.contract(eqn, op)
            case ops.Concat(axis):
                self.concat(eqn, axis)
            case ops.Gather():
                views[out] = self.gathered(views[eqn.args[0]], op.axes, eqn.args[1:], self.sizes.of(out))
            case ops.Scatter():
                self.scatter(eqn, op)
            case ops.ScatterAt():
                self.scatter_at(eqn, op)
            case ops.Assert():
                self._assert(eqn, op)
            case ops.Call():
                place_calls.place_call(self, eqn, op)
            case _:
                raise NoRuleError(f"{op} has no entry in loops/place_equations.py")

    def _reshape(self, eqn: Eqn) -> None:
        x, out = eqn.args[0], eqn.outs[0]
        values = self.values
        view = values.views[x]
        new = view.reshaped(self.sizes, self.sizes.of(out), self.sizes.of(view.root))
        if new is not None and not (new.flat and view.root in values.trees):
            if new.flat:
                values.store(view.root)
            values.views[out] = new
            return
        copy = self.copy(view, x)
        made = values.views[copy].reshaped(self.sizes, self.sizes.of(out), self.sizes.of(copy))
        assert made is not None
        values.views[out] = made

    # -- kinds

    def _map(self, eqn: Eqn) -> None:
        out = eqn.outs[0]
        dims = self.sizes.of(out)
        domain, places = drop_ones(dims)
        values = self.values
        operands = tuple([values.operand(a, values.walk(a, len(dims), places, len(domain))) for a in eqn.args])
        values.whole(out)
        if out in self._once or not values.recomputed(eqn, len(dims), operands):
            self.add(Node("map", out, eqn.op, operands, domain, places))

    def _reduce(self, out: Var, op: ops.Reduce, view: View, kept: list[bool]) -> None:
        """Fold the axes of `view` that are not kept; loops in the order of the root's memory."""
        self.values.whole(out)
        axes = [k for k, d in enumerate(view.dims) if d != 1]
        axes = self.values.memory_order(view, axes)
        domain = tuple(view.dims[k] for k in axes)
        place = {axis: p for p, axis in enumerate(axes)}
        out_axes = tuple(place.get(k) for k in range(len(kept)) if kept[k])
        reduced = tuple(p for p, axis in enumerate(axes) if not kept[axis])
        if not reduced:
            self.values.views[out] = view.transposed(tuple(k for k in range(len(kept)) if kept[k]))
            return
        self._fold("reduce", out, op, self.values.through(view, axes), domain, out_axes, reduced)

    def _fold(self, kind: str, out: Var, op: ops.Reduce | ops.ArgReduce | ops.Cumulate, operand: Operand,
              domain: tuple[SizeExpr, ...], out_axes: tuple[int | None, ...], reduced: tuple[int, ...]) -> None:
        """Add a fold.  A sum or product of float32 is made in float64, and what it comes to is rounded once."""
        if op.fn not in ("add", "mul") or out.type.dtype != "float32":
            self.add(Node(kind, out, op, (operand,), domain, out_axes, reduced))
            return
        wide = self.fresh(TensorType.make("float64", out.type.shape), self.sizes.of(out), None)
        node = Node(kind, wide, op, (operand,), domain, out_axes, reduced)
        self.add(node)
        rounded = ops.Cast("float32")
        if folds_into_memory(node):
            self._map(Eqn(rounded, (wide,), (out,), self.sources))
            return
        # in the loops that the sum is in: no array of float64 is stored
        kept = [p for p in range(len(domain)) if p not in reduced]
        value = self.values.operand(wide, tuple([out_axes.index(p) for p in kept]))
        places = tuple([None if p is None else kept.index(p) for p in out_axes])
        self.add(Node("map", out, rounded, (value,), tuple([domain[p] for p in kept]), places))

    def _along(self, eqn: Eqn, view: View, axis: int) -> None:
        """ArgReduce and Cumulate: the axis is the innermost loop."""
        out = eqn.outs[0]
        self.values.whole(out)
        axes = [k for k, d in enumerate(view.dims) if d != 1 and k != axis] + [axis]
        domain = tuple(view.dims[k] for k in axes)
        place: dict[int, int] = {a: p for p, a in enumerate(axes)}
        operand = self.values.through(view, axes)
        if type(eqn.op) is ops.ArgReduce:
            out_axes = tuple(place.get(k) for k in range(len(view.dims)) if k != axis)
            self._fold("argreduce", out, eqn.op, operand, domain, out_axes, (len(axes) - 1,))
        else:
            out_axes = tuple(place.get(k) for k in range(len(view.dims)))
            self._fold("cumulate", out, eqn.op, operand, domain, out_axes, ())

    def contract(self, eqn: Eqn, op: ops.Contract) -> None:
        """A product of arrays as loops: a sum of products, or products alone."""
        out = eqn.outs[0]
        values = self.values
        values.whole(out)
        size: dict[int, SizeExpr] = {}
        for labels, a in ((op.a, eqn.args[0]), (op.b, eqn.args[1])):
            size.update(zip(labels, self.sizes.of(a)))
        big, small = (0, 1) if len(op.a) >= len(op.b) else (1, 0)
        parts = (op.a, op.b)
        if set(op.a + op.b) == set(op.out):
            order = list(op.out)
        else:
            view = values.views[eqn.args[big]]
            order = [parts[big][k] for k in values.memory_order(view, list(range(len(parts[big]))))]
            order = [x for x in parts[small] if x not in order] + order
        order = [x for x in order if size[x] != 1]
        domain = tuple(size[x] for x in order)
        operands = tuple([values.operand(a, tuple([labels.index(x) if x in labels else None for x in order]))
                          for labels, a in zip(parts, eqn.args)])
        place = {x: p for p, x in enumerate(order)}
        reduced = tuple(p for p, x in enumerate(order) if x not in op.out)
        out_axes = tuple(place.get(x) for x in op.out)
        if reduced:
            self.add(Node("reduce", out, op, operands, domain, out_axes, reduced))
        else:
            self.add(Node("map", out, ops.Map("mul"), operands, domain, out_axes))

    # -- conditions

    def _assert(self, eqn: Eqn, op: ops.Assert) -> None:
        values = self.values
        x, _, shown = op.split(eqn.args)
        values.views[eqn.outs[0]] = values.views[x]
        conditions = self._left_to_check(eqn, op)
        if not conditions:
            return
        domain: tuple[SizeExpr, ...] = ()
        within: tuple[Operand, ...] = ()
        if shown:
            dims = self.sizes.of(conditions[0])
            domain, places = drop_ones(dims)
            within = tuple([values.operand(v, values.walk(v, len(dims), places, len(domain)))
                            for v in (*conditions, *shown)])
        scalars: tuple[Operand, ...] = ()
        if domain or not shown:             # else the one element is looked at itself
            scalars = tuple([values.operand(self._all(c), ()) for c in conditions])
        message = op.message if shown else literal(op.message)
        item = CheckItem(eqn.outs[0], scalars, message, ops.ASSERT_ERRORS[op.error], eqn.sources, domain, within)
        made = self.nests.check(item)
        if self.sizes.late:             # what is checked may be a size
            self.after[eqn.outs[0]] = max(self.nests.first, made + 1)

    def _left_to_check(self, eqn: Eqn, op: ops.Assert) -> list[Var]:
        """The conditions of an Assert that are not checked at entry."""
        conditions = op.split(eqn.args)[1]
        return [c for c in conditions if not self.sizes.at_start(c)] if self._at_entry(eqn) else list(conditions)

    def _at_entry(self, eqn: Eqn) -> bool:
        """Are those conditions of an Assert that are known at entry checked there (`loops.sizes`)?"""
        return all(map(self.sizes.at_start, eqn.op.split(eqn.args)[-1]))

    def _all(self, condition: Var) -> Var:
        """Is an array of bools true everywhere?  A scalar.  Of integers, all are >= 0 if none has the sign bit."""
        if not condition.type.ndim:
            return condition
        made = self._producers.get(condition)
        if made is None or not _is_sign_test(made):
            return self._folded("and_", condition)
        valid = self.fresh(TensorType.make("bool", ()), (), "valid")
        self._map(Eqn(made.op, (self._folded("or_", made.args[0]), made.args[1]), (valid,), made.sources))
        return valid

    def _folded(self, fn: str, x: Var) -> Var:
        """The fold of all elements."""
        rank = x.type.ndim
        out = self.fresh(TensorType.make(x.type.dtype, ()), (), fn.strip("_"))
        self._reduce(out, ops.Reduce(fn, tuple(range(rank))), self.values.views[x], [False] * rank)
        return out

    def _searched(self) -> set[Var]:
        """What tells the sign that a condition tests: computed in the fold, and again in the search for what is at
        fault."""
        found: set[Var] = set()
        for eqn in self.program.eqns:
            if type(eqn.op) is ops.Assert and eqn.op.shown and self._counts[eqn.args[1]] == 1:
                made = self._producers.get(eqn.args[1])
                if made is not None and _is_sign_test(made) and self._counts[made.args[0]] == 1:
                    found.update((made.out, made.args[0]))
        return found


def _is_sign_test(eqn: Eqn) -> bool:
    """x >= 0 of integers?"""
    return eqn.op == ops.Map("ge") and eqn.args[0].type.dtype == "int64" and (
        eqn.args[1].data is not None and not eqn.args[1].data.any())


def _single_positions(op: ops.Slice | ops.Scatter, dynamic: Sequence[Var]) -> list[Var]:
    """Those of the numbers that are given to a Slice or Scatter that are no bounds of ranges."""
    return [a for item, given in ops.with_arguments(op.items, dynamic) if item.is_single for a in given]
