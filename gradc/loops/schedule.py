"""Which values share a loop nest, and which need memory: fusion.

In: a Program with its sizes.  Out: a Schedule: top-level items in order (loops, blocks of scalar statements, gemms,
calls of users' Ops), each node in its place, and the set of stored values.

How it works, equation by equation in program order:
 1. views (Transpose, Broadcast, Slice, Reshape) only change how a value is found (`index.View`);
 2. a cheap elementwise value that needs no memory is *lazy*: it is computed again where it is used (`Tree`);
 3. every other value is a Node with a domain, the sizes of the loops around it.  It joins the first loop nest of
    equal sizes in which all it needs is at hand in the same iteration; where it uses a value made in a nest, it joins
    the outer loops they share (a row's sum, then the row's quotient); else it opens a nest;
 4. a value used outside the loops that made it, or not at the same iteration, is *stored*.
No step mentions a particular function.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from gradc.errors import literal
from gradc.ir import ops
from gradc.ir.program import Eqn, Program, Var
from gradc.ir.types import TensorType
from gradc.loops.index import Axis, View
from gradc.loops.nodes import SizeExpr
from gradc.loops.places import (
    Block,
    CheckItem,
    DrawCall,
    GemmCall,
    Leaf,
    Loop,
    Node,
    Operand,
    Tree,
    UserCall,
    drop_ones,
    gemm_labels,
    is_gemm,
    leaves,
    op_weight,
)
from gradc.loops.sizes import KernelSizes

GROUP_LIMIT = 400       # statements in one nest: the C compiler is quadratic in it
FOLD_SIZE = 8           # a fold counts as so many: its lanes are memory, which the compiler walks for every access
BIG = 4000              # equations of a Program from which on nests are shorter, as there are so many:
BIG_LIMIT = 100         # in place of GROUP_LIMIT
BIG_FOLD = 2            # in place of FOLD_SIZE: fewer nests read the same values; -O1, which such units get, walks less
LAZY_COST = 2           # at most so many additions' worth is computed again rather than stored

class Schedule:
    """See the module's docstring."""

    level = 0               # how many bodies stand around

    def __init__(self, program: Program, sizes: KernelSizes) -> None:
        self.program = program
        self.sizes = sizes
        # of this Program and of all bodies in it:
        self.views: dict[Var, View] = {}                # of every Var so far
        self.trees: dict[Var, Tree] = {}                # lazy values, views in their own axes
        self.tree_cost: dict[Var, int] = {}
        self.node: dict[Var, Node] = {}
        self.size_values: set[Var] = set()              # results of ShapeOf
        self.stored: set[Var] = set()
        self.storage: dict[Var, Var] = {}               # value -> the value whose memory it lives in
        self.products: dict[Var, str] = {}              # results of gemms and of users' Ops, and what to call them
        self.placed: dict[Var, View] = {}               # stored value of a body -> the part of another's memory it has
        self.locals: set[Var] = set()                   # scalars that are locals of C, made by no node
        self.depth: dict[Var, int] = {}                 # of a body's values: how many bodies stand around it
        self.called: dict[Any, str] = {}                # parts of a value that have names of their own in a body
        self._frame = set(program.inputs)
        self._start()
        for var in program.inputs:
            self.views[var] = View.whole(var, sizes.of(var))
        self._run()

    def _start(self) -> None:
        """What belongs to this Program alone."""
        self.items: list[Any] = [Block(index=0)]        # scalars of inputs and sizes come first
        self._places: dict[SizeExpr | None, list[int]] = {None: [0]}   # of loops by their size, and of blocks, in items
        self.home: dict[Var, int] = {}                  # item after which (or in which) a value exists
        self.output_of: dict[Var, int] = {}             # stored value -> output whose memory it uses
        self.uses: dict[Var, list[tuple[Any, Leaf]]] = {}
        self._operands: dict[tuple[Var, tuple[int | None, ...]], Operand] = {}
        self._joined: list[tuple[Node, View, View]] = []    # writes of parts that are joined: value, and where it goes
        self._walks: dict[Any, tuple[int | None, ...]] = {}
        self._counts = self.program.use_counts()
        self._producers = self.program.producers()
        self._outputs = set(self.program.outputs)
        big = len(self.program.eqns) >= BIG
        self._limit, self._fold_size = (BIG_LIMIT, BIG_FOLD) if big else (GROUP_LIMIT, FOLD_SIZE)
        self._forced = self._find_forced()

    def _run(self) -> None:
        for eqn in self._live():
            self._sources = eqn.sources
            self._equation(eqn)
        self._finish_outputs()
        self._decide_storage()

    # -- what must be computed, and what must be stored, from the start

    def _live(self) -> list[Eqn]:
        """The equations whose values are used, not only their sizes, nor only as sizes; and all Asserts."""
        live = {*self.program.outputs, *self.sizes.late.values()}
        kept: list[Eqn] = []
        for eqn in reversed(self.program.eqns):
            if live.isdisjoint(eqn.outs) and type(eqn.op) is not ops.Assert:
                continue
            kept.append(eqn)
            match eqn.op:
                case ops.ShapeOf() | ops.Iota():
                    pass
                case ops.Broadcast() | ops.Reshape():
                    live.add(eqn.args[0])
                case ops.Callback():
                    live.update(eqn.op.split(eqn.args)[0])
                case ops.Assert() if not self._in_prologue(eqn):
                    live.update(eqn.args)
                case ops.Slice() | ops.Scatter() | ops.Assert():
                    values = 2 if type(eqn.op) is ops.Scatter else 1
                    live.update(eqn.args[:values])
                    live.update(a for a in eqn.args[values:] if a not in self.sizes.values)
                case ops.Random():
                    state, _, parameters = eqn.op.split(eqn.args)
                    live.update((state, *parameters))
                case _:
                    live.update(eqn.args)
        kept.reverse()
        self._used = live
        return kept

    def _find_forced(self) -> set[Var]:
        """Values that are computed once whatever they cost: outputs and operands of opaque calls."""
        forced = set(self.program.outputs)
        for eqn in self.program.eqns:
            if type(eqn.op) is ops.Contract and is_gemm(eqn, self.sizes):
                forced.update(eqn.args)
            elif type(eqn.op) is ops.Random:
                forced.update(a for a in eqn.op.split(eqn.args)[-1] if a.type.ndim)
            elif type(eqn.op) is ops.Callback:
                forced.update(eqn.op.split(eqn.args)[0])
            elif type(eqn.op) is ops.Scan:              # what all steps use
                forced.update(a for a in eqn.op.split(eqn.args)[-1] if a.type.ndim)
        return forced

    # -- one equation

    def _equation(self, eqn: Eqn) -> None:
        op, out = eqn.op, eqn.outs[0]
        match op:
            case ops.Constant() | ops.Iota() | ops.ShapeOf():
                self.views[out] = View.whole(out, self.sizes.of(out))
                if type(op) is ops.Iota:
                    self.trees[out] = Tree(out, op, [])
                    self.tree_cost[out] = 0
                elif type(op) is ops.ShapeOf:
                    self.size_values.add(out)
                else:
                    self._frame.add(out)
            case ops.Map("second" | "identity"):
                view = self.views[eqn.args[-1]]
                self.views[out] = view.broadcast(self.sizes.of(out), eqn.args[-1].type.shape)
            case ops.Broadcast():
                x = eqn.args[0]
                self.views[out] = self.views[x].broadcast(self.sizes.of(out), x.type.shape)
            case ops.Transpose(perm):
                self.views[out] = self.views[eqn.args[0]].transposed(perm)
            case ops.Slice():
                ranges = self._ranges(op, eqn.args[0], eqn.args[1:])
                self.views[out] = self.views[eqn.args[0]].sliced(self.sizes, ranges)
            case ops.Reshape():
                self._reshape(eqn)
            case ops.Cast(dtype) if eqn.args[0].type.dtype == dtype:
                self.views[out] = self.views[eqn.args[0]]
            case ops.Map() | ops.Cast():
                self._map(eqn)
            case ops.Reduce(fn, axes):
                x = eqn.args[0]
                self._reduce(out, op, "reduce", fn, self.views[x], [k not in axes for k in range(x.type.ndim)])
            case ops.ArgReduce(fn, axis):
                x = eqn.args[0]
                self._along("argreduce", eqn, self.views[x], axis)
            case ops.Cumulate(fn, axis):
                self._along("cumulate", eqn, self.views[eqn.args[0]], axis)
            case ops.Contract():
                self._contract(eqn, op)
            case ops.Concat(axis):
                self._concat(eqn, axis)
            case ops.Scatter():
                self._scatter(eqn, op)
            case ops.Assert():
                self._assert(eqn, op)
            case ops.Random():
                self._random(eqn, op)
            case ops.Callback():
                self._user_call(eqn, op)

    def _ranges(self, op: Any, x: Var, dynamic: Sequence[Var]) -> list[tuple[Any, ...]]:
        ranges: list[tuple[Any, ...]] = []
        rest = iter(dynamic)
        for item, n in zip(op.items, self.sizes.of(x)):
            bounds = [next(rest) if b is ops.DYNAMIC else b for b in item.bounds()]
            if not item.is_single:
                start, stop, step = [self.sizes.value(b) if isinstance(b, Var) else b for b in bounds]
                ranges.append(self.sizes.slice_range(start, stop, step, n))
                continue
            at = bounds[0]
            known = self.sizes.try_value(at) if isinstance(at, Var) else at
            ranges.append((self._position(at, n) if known is None else self.sizes.position(known, n),))
        return ranges

    def _position(self, at: Var, length: SizeExpr) -> Var:
        """A data-dependent index as a checked position, computed in a block."""
        out = Var(-1, TensorType.make("int64", ()))
        self.sizes.dims[out] = ()
        node = Node("map", out, ops.Map("position"), [self._operand(at, ())], (), fn=length, sources=self._sources)
        self.views[out] = View.whole(out, ())
        self._add(node)
        return out

    def _fresh(self, type: TensorType, dims: tuple[SizeExpr, ...], name: str | None) -> Var:
        """A value of the schedule's own: a copy that views or outputs need."""
        var = Var(-1, type, name=name)
        self.sizes.dims[var] = dims
        self.views[var] = View.whole(var, dims)
        return var

    def _reshape(self, eqn: Eqn) -> None:
        x, out = eqn.args[0], eqn.outs[0]
        view = self.views[x]
        root_dims = self.sizes.of(view.root)
        new = view.reshaped(self.sizes, self.sizes.of(out), root_dims)
        lazy = view.root in self.trees
        if new is not None and not (new.flat and lazy):
            if new.flat:
                self._store(view.root)
            self.views[out] = new
            return
        copy = self._copy(view, x)
        made = self.views[copy].reshaped(self.sizes, self.sizes.of(out), self.sizes.of(copy))
        assert made is not None
        self._store(copy)
        self.views[out] = made

    def _copy(self, view: View, like: Var) -> Var:
        """A stored copy of what a view shows."""
        copy = self._fresh(like.type.clone(), view.dims, like.name or "copy")  # type: ignore[attr-defined]
        domain, places = drop_ones(view.dims)
        node = Node("map", copy, ops.Map("identity"), [self._whole(view)], domain, places)
        self._store(copy)
        self._add(node)
        return copy

    def _store(self, var: Var) -> None:
        if var not in self._frame:
            self.stored.add(var)

    # -- operands

    def _operand(self, var: Var, axis_of: tuple[int | None, ...]) -> Operand:
        """`var`'s value at a point of a domain; axis_of[k] is the axis of var that domain axis k walks (or None)."""
        key = (var, axis_of)
        found = self._operands.get(key)
        if found is None:
            found = self._operands[key] = self._through(self.views[var], axis_of)
        return found

    def _through(self, view: View, axis_of: Sequence[int | None]) -> Operand:
        axes = tuple([None if a is None else view.axes[a] for a in axis_of])
        dims = tuple([1 if a is None else view.dims[a] for a in axis_of])
        return self._expand(View(view.root, dims, axes, view.offsets, view.flat))

    def _expand(self, view: View) -> Operand:
        tree = self.trees.get(view.root)
        if tree is None:
            return Leaf(view.root, view)
        if type(tree.op) is ops.Iota:
            return Tree(tree.var, tree.op, [Leaf(view.root, view)])
        return Tree(tree.var, tree.op, [self._compose(o, view) for o in tree.operands])

    def _compose(self, operand: Operand, outer: View) -> Operand:
        if isinstance(operand, Leaf):
            return Leaf(operand.root, operand.view.composed(outer, self.sizes))
        return Tree(operand.var, operand.op, [self._compose(o, outer) for o in operand.operands])

    def _whole(self, view: View) -> Operand:
        """A view whose axes that are not 1 walk the axes of a domain in order."""
        return self._through(view, [k for k, d in enumerate(view.dims) if d != 1])

    # -- kinds

    def _map(self, eqn: Eqn) -> None:
        out = eqn.outs[0]
        dims = self.sizes.of(out)
        domain, places = drop_ones(dims)
        operands = [self._operand(a, self._walk(a, len(dims), places, len(domain))) for a in eqn.args]
        self.views[out] = View.whole(out, dims)
        cost = op_weight(eqn.op) + sum([self.tree_cost[o.var] for o in operands if type(o) is Tree])
        if cost <= LAZY_COST and out not in self._forced and sum([1 for o in operands for _ in leaves(o)]) <= 3:
            own = range(len(dims))                  # the same operands in out's own axes
            self.trees[out] = Tree(out, eqn.op, [self._operand(a, self._walk(a, len(dims), own, len(dims)))
                                                 for a in eqn.args])
            self.tree_cost[out] = cost
            return
        self._add(Node("map", out, eqn.op, operands, domain, places))

    def _walk(self, arg: Var, rank: int, places: Sequence[int | None], depth: int) -> tuple[int | None, ...]:
        """Which axis of an elementwise argument each domain axis walks; size-1 and missing axes repeat."""
        key = (arg.type, rank, tuple(places))
        found = self._walks.get(key)
        if found is None:
            shape = arg.type.shape
            pad = rank - len(shape)
            axis_of: list[int | None] = [None] * depth
            for k, s in enumerate(shape):
                place = places[pad + k]
                if place is not None and s != 1:
                    axis_of[place] = k
            found = self._walks[key] = tuple(axis_of)
        return found

    def _reduce(self, out: Var, op: ops.OpKind, kind: str, fn: str, view: View, kept: list[bool]) -> None:
        """Fold the axes of `view` that are not kept; loops in the order of the root's memory."""
        self.views[out] = View.whole(out, self.sizes.of(out))
        axes = [k for k, d in enumerate(view.dims) if d != 1]
        axes = self._memory_order(view, axes)
        domain = tuple(view.dims[k] for k in axes)
        place = {axis: p for p, axis in enumerate(axes)}
        out_axes = tuple(place.get(k) for k in range(len(kept)) if kept[k])
        reduced = tuple(p for p, axis in enumerate(axes) if not kept[axis])
        if not reduced:
            self.views[out] = view.transposed(tuple(k for k in range(len(kept)) if kept[k]))
            return
        self._fold(Node(kind, out, op, [self._through(view, axes)], domain, out_axes, reduced, fn))

    def _fold(self, node: Node) -> None:
        """Add a fold.  A sum or product of float32 is made in float64, and what it comes to is rounded once."""
        out = node.out
        if node.fn not in ("add", "mul") or out.type.dtype != "float32":
            self._add(node)
            return
        node.out = self._fresh(TensorType.make("float64", out.type.shape), self.sizes.of(out), None)
        self._add(node)
        rounded = ops.Cast("float32")
        if self.folds_into_memory(node):
            self._map(Eqn(rounded, (node.out,), (out,), self._sources))
            return
        # in the loops that the sum stands in: no array of float64 is stored
        kept = [p for p in range(len(node.domain)) if p not in node.reduced]
        operand = self._operand(node.out, tuple([node.out_axes.index(p) for p in kept]))
        places = tuple([None if p is None else kept.index(p) for p in node.out_axes])
        self._add(Node("map", out, rounded, [operand], tuple([node.domain[p] for p in kept]), places))

    def _memory_order(self, view: View, axes: list[int]) -> list[int]:
        """Axes of a view in the order in which its root lies in memory (unless it is computed on the fly)."""
        if view.root in self.trees or view.flat or (view.root in self.node and view.root not in self.stored):
            return axes
        return sorted(axes, key=lambda k: -1 if view.axes[k] is None else view.axes[k][0])  # type: ignore[index]

    def _along(self, kind: str, eqn: Eqn, view: View, axis: int) -> None:
        """ArgReduce and Cumulate: the axis is the innermost loop."""
        out = eqn.outs[0]
        self.views[out] = View.whole(out, self.sizes.of(out))
        axes = [k for k, d in enumerate(view.dims) if d != 1 and k != axis] + [axis]
        domain = tuple(view.dims[k] for k in axes)
        place: dict[int, int] = {a: p for p, a in enumerate(axes)}
        last = len(axes) - 1
        if kind == "argreduce":
            out_axes = tuple(place.get(k) for k in range(len(view.dims)) if k != axis)
            reduced: tuple[int, ...] = (last,)
        else:
            out_axes = tuple(place.get(k) for k in range(len(view.dims)))
            reduced = ()
        self._fold(Node(kind, out, eqn.op, [self._through(view, axes)], domain, out_axes, reduced, eqn.op.fn))

    def _contract(self, eqn: Eqn, op: ops.Contract) -> None:
        if is_gemm(eqn, self.sizes):
            self._gemm(eqn, op)
            return
        out = eqn.outs[0]
        self.views[out] = View.whole(out, self.sizes.of(out))
        size: dict[int, SizeExpr] = {}
        for labels, a in ((op.a, eqn.args[0]), (op.b, eqn.args[1])):
            size.update(zip(labels, self.sizes.of(a)))
        big, small = (0, 1) if len(op.a) >= len(op.b) else (1, 0)
        parts = (op.a, op.b)
        if set(op.a + op.b) == set(op.out):
            order = list(op.out)
        else:
            order = [parts[big][k] for k in self._memory_order(self.views[eqn.args[big]], list(range(len(parts[big]))))]
            order = [x for x in parts[small] if x not in order] + order
        order = [x for x in order if size[x] != 1]
        domain = tuple(size[x] for x in order)
        operands = [self._operand(a, tuple(labels.index(x) if x in labels else None for x in order))
                    for labels, a in zip(parts, eqn.args)]
        place = {x: p for p, x in enumerate(order)}
        reduced = tuple(p for p, x in enumerate(order) if x not in op.out)
        out_axes = tuple(place.get(x) for x in op.out)
        if reduced:
            self._add(Node("reduce", out, op, operands, domain, out_axes, reduced, "add"))
        else:
            self._add(Node("map", out, ops.Map("mul"), operands, domain, out_axes))

    def _gemm(self, eqn: Eqn, op: ops.Contract) -> None:
        """A gemm for each batch index; operands that do not lie in memory as BLAS takes them are copied."""
        batch, m, n, k = gemm_labels(op)
        left, right = (op.a, eqn.args[0]), (op.b, eqn.args[1])
        if list(op.out) == [*batch, *n, *m]:
            left, right, m, n = right, left, n, m
        size: dict[int, SizeExpr] = {}
        for labels, x in (left, right):
            size.update(zip(labels, self.sizes.of(x)))
        orders = [[x for x in labels if x in k] for labels, _ in (left, right)]
        tries = [[self._matrix(left, batch, m, inner), self._matrix(right, batch, inner, n)] for inner in orders]
        a, b = max(tries, key=lambda found: sum(f is not None for f in found))
        inner = orders[0] if tries[0] == [a, b] else orders[1]
        a = a or self._matrix_copy(left, batch, m, inner)
        b = b or self._matrix_copy(right, batch, inner, n)
        out = eqn.outs[0]
        self.views[out] = View.whole(out, self.sizes.of(out))
        order = [*batch, *m, *n]
        made = out
        if list(op.out) != order:
            dims = tuple(size[x] for x in order)
            made = self._fresh(TensorType.make(out.type.dtype, (None,) * len(dims)), dims, out.name)
            self.views[out] = self.views[made].transposed(tuple(order.index(x) for x in op.out))
        rows, columns, summed = (self.sizes.product([size[x] for x in group]) for group in (m, n, k))
        call = GemmCall(made, a, b, tuple(size[x] for x in batch), rows, columns, summed)
        call.index = len(self.items)
        self.items.append(call)
        self._store(made)
        self.products[made] = "dot"
        self.home[made] = call.index
        for leaf in (a, b):
            self._store(leaf.root)
            self._use(call, leaf)

    def _matrix(self, operand: tuple[tuple[int, ...], Var], batch: list[int], rows: list[int],
                columns: list[int]) -> Leaf | None:
        """An operand as matrices with one axis of rows and one of columns, if it lies in memory so."""
        labels, x = operand
        view = self.views[x]
        if view.root in self.trees:
            return None
        pair = [self._as_one(view, [labels.index(x) for x in group]) for group in (rows, columns)]
        if pair[0] is None or pair[1] is None:
            return None
        outer = [labels.index(x) for x in batch]
        made = View(view.root, (*[view.dims[p] for p in outer], pair[0][0], pair[1][0]),
                    (*[view.axes[p] for p in outer], pair[0][1], pair[1][1]), view.offsets, view.flat)
        return Leaf(view.root, made) if self._blas_ready(made) else None

    def _as_one(self, view: View, group: list[int]) -> tuple[SizeExpr, Axis] | None:
        """Several axes of a view as one, if memory goes on from each to the next."""
        group = [p for p in group if view.dims[p] != 1]
        strides: Sequence[SizeExpr] = (1,) if view.flat else self.sizes.strides(self.sizes.of(view.root))
        steps: list[SizeExpr] = []
        for p in group:
            axis = view.axes[p]
            if axis is None:
                return None
            steps.append(self.sizes.mul(strides[axis[0]], axis[1], "stride"))
        for (p, step), inner in zip(zip(group[1:], steps[1:]), steps):
            if inner != self.sizes.mul(step, view.dims[p]):
                return None
        return (self.sizes.product([view.dims[p] for p in group]), view.axes[group[-1]]) if group else None

    def _matrix_copy(self, operand: tuple[tuple[int, ...], Var], batch: list[int], rows: list[int],
                     columns: list[int]) -> Leaf:
        """As `_matrix`, of a copy."""
        labels, x = operand
        order = tuple(labels.index(x) for x in (*batch, *rows, *columns))
        copy = self._copy(self.views[x].transposed(order), x)
        whole = self.views[copy]
        b, last = len(batch), len(batch) + len(rows)
        dims = (*whole.dims[:b], self.sizes.product(whole.dims[b:last]), self.sizes.product(whole.dims[last:]))
        return Leaf(copy, View(copy, dims, (*whole.axes[:b], whole.axes[last - 1], whole.axes[-1]), whole.offsets))

    def _blas_ready(self, view: View) -> bool:
        """Does one of the last two axes walk memory with stride 1, and the other forwards with a larger stride?"""
        if view.flat:           # after a Reshape: rows or columns, one after the other
            return any((inner, outer) == ((0, 1), (0, n)) for inner, outer, n in zip(
                view.axes[-2:], view.axes[:-3:-1], view.dims[-2:]))
        last = len(self.sizes.of(view.root)) - 1
        for axis in view.axes[-2:]:
            if axis is None or not isinstance(axis[1], int) or axis[1] < 1:
                return False
        return (last, 1) in view.axes[-2:]

    def _random(self, eqn: Eqn, op: ops.Random) -> None:
        """Draws are made by one call; arrays of parameters that do not lie in one piece are copied."""
        state, _, parameters = op.split(eqn.args)
        after, out = eqn.outs
        before = self._in_one_piece(state)
        each = [any(d != 1 for d in self.sizes.of(p)) for p in parameters]
        given = [self._in_one_piece(p) if flag else self._operand(p, ()) for p, flag in zip(parameters, each)]
        call = DrawCall(op.distribution, before, after, out, self.sizes.product(self.sizes.of(out)), given, each,
                        eqn.sources, len(self.items))
        self.items.append(call)
        for var in (after, out):
            self.views[var] = View.whole(var, self.sizes.of(var))
            self._store(var)
            self.home[var] = call.item
        for operand in (before, *given):
            for leaf in leaves(operand):
                self._use(call, leaf)

    def _user_call(self, eqn: Eqn, op: ops.Callback) -> None:
        """A user's Op is given arrays in one piece: those that lie in memory so, and copies of others."""
        args = [self._in_one_piece(a) for a in op.split(eqn.args)[0]]
        call = UserCall(op, eqn.outs, args, eqn.sources, len(self.items))
        self.items.append(call)
        for leaf in args:
            self._use(call, leaf)
        for out in eqn.outs:
            self.views[out] = View.whole(out, self.sizes.of(out))
            self.home[out] = call.item
            self.products[out] = "result"
            self._store(out)

    def _in_one_piece(self, x: Var) -> Leaf:
        """Memory in which the elements of `x` lie one after the other."""
        view = self.views[x]
        root = view.root
        here = root not in self.trees and root not in self.size_values and root not in self.locals
        if not (here and self.lies_in_one_piece(view)):
            view = self.views[self._copy(view, x)]
        self._store(view.root)
        return Leaf(view.root, view)

    def lies_in_one_piece(self, view: View) -> bool:
        """Do its elements lie in memory one after the other?"""
        part = self.placed.get(view.root)
        if view.flat and part is not None and not self.lies_in_one_piece(part):
            return False
        steps = (1,) if view.flat else self._steps(view.root)
        return all(d == 1 or (a is not None and self.sizes.mul(steps[a[0]], a[1]) == s)
                   for a, d, s in zip(view.axes, view.dims, self.sizes.strides(view.dims)))

    def _steps(self, root: Var) -> Sequence[SizeExpr]:
        """Elements of memory from one position on each axis to the next."""
        part = self.placed.get(root)
        if part is None:
            return self.sizes.strides(self.sizes.of(root))
        steps = (1,) if part.flat else self._steps(part.root)
        return [0 if a is None else self.sizes.mul(steps[a[0]], a[1]) for a in part.axes]

    def _concat(self, eqn: Eqn, axis: int) -> None:
        out = eqn.outs[0]
        dims = self.sizes.of(out)
        whole = self.views[out] = View.whole(out, dims)
        self._store(out)
        self.storage[out] = out
        first: SizeExpr = 0
        for a in eqn.args:
            view = self.views[a]
            count = view.dims[axis]
            ranges: list[tuple[Any, ...]] = [(0, d, 1) for d in dims]
            ranges[axis] = (first, count, 1)
            target = whole.sliced(self.sizes, ranges)
            if not self._place_in(out, a, target):
                self._joined.append((self._write(out, view, target, "set", out), view, target))
            first = self.sizes.add(first, count, "offset")

    def _place_in(self, out: Var, a: Var, target: View) -> bool:
        """What was put together as `a`, only to be a part of `out`, has its memory there: there is nothing to copy."""
        view = self.views[a]
        root = self.storage.get(view.root)
        if root is None or root in self.placed or self.sizes.late or not self._is_only_for(a, view.root):
            return False
        dims = self.sizes.of(view.root)
        part = target.reshaped(self.sizes, dims, self.sizes.of(out)) if self._shows_all(view, dims) else None
        if part is None:
            return False
        self.placed[root] = part
        self.home[out] = max(self.home.get(out, -1), self.home[root])
        return True

    def _is_only_for(self, v: Var, root: Var) -> bool:
        """Is v the only use of `root`, which it is a view of?"""
        while self._counts[v] == 1 and v not in self._outputs:
            if v is root:
                return True
            made = self._producers.get(v)
            if made is None or not made.args:       # given to a body: it is not the body's alone
                return False
            v = made.args[0]
        return False

    def _write(self, out: Var, value: View, target: View, mode: str, storage: Var, before: View | None = None) -> Node:
        """Write `value` into the part `target` of a stored value; if there was something `before`, their sum."""
        value = value.broadcast(target.dims, tuple(d if isinstance(d, int) else None for d in value.dims))
        domain, places = drop_ones(target.dims)
        walked = [k for k, d in enumerate(target.dims) if d != 1]
        operand = self._through(value, walked)
        if before is not None:
            operand = Tree(out, ops.Map("add"), [self._through(before, walked), operand])
        axes: list[Axis] = [None] * len(domain)
        for k, p in enumerate(places):
            if p is not None:
                axes[p] = target.axes[k]
        self.storage[out] = storage
        node = Node("write", out, ops.Map("identity"), [operand], domain, places, fn=mode,
                    target=View(storage, domain, tuple(axes), target.offsets, target.flat))
        self._add(node)
        return node

    def _scatter(self, eqn: Eqn, op: ops.Scatter) -> None:
        x, v, out = eqn.args[0], eqn.args[1], eqn.outs[0]
        dims = self.sizes.of(out)
        source = self.views[x]
        ranges = self._ranges(op, x, eqn.args[2:])
        self.views[out] = View.whole(out, dims)
        self._store(out)
        if source.root is x and x in self.storage and self._counts[x] == 1 and x not in self._outputs:
            base = self.storage[x]              # the last use of a value that is being put together: go on in place
            self.home[out] = self.home[x]
        else:
            base = self._fresh(x.type.clone(), dims, out.name)  # type: ignore[attr-defined]
            self._store(base)
            self.storage[base] = base
            if self._scatter_range(eqn, op, ranges, base):
                self.storage[out] = base
                self.home[out] = self.home[base]
                return
            self._write(base, source, View.whole(base, dims), "set", base)
            self.home[out] = self.home[base]
        target = View.whole(base, dims).sliced(self.sizes, ranges)
        self.storage[out] = base
        self._write_after(out, self.views[v], target, op.mode, base)

    def _scatter_range(self, eqn: Eqn, op: ops.Scatter, ranges: list[tuple[Any, ...]], base: Var) -> bool:
        """A range along one axis, of what need not be computed as a whole: before it, in it, behind it, each once."""
        source, value, dims = self.views[eqn.args[0]], self.views[eqn.args[1]], self.sizes.of(base)
        axes = [k for k, item in enumerate(op.items) if not item.is_all]
        dtype = base.type.dtype
        if len(axes) != 1 or self.sizes.late or (source.root in self.node and source.root not in self.stored) \
                or (op.mode == "inc" and (dtype == "bool" or eqn.args[1].type.dtype != dtype)):
            return False
        axis = axes[0]
        if len(ranges[axis]) != 3 or ranges[axis][1] == 0 or ranges[axis][2] != 1:
            return False
        whole = View.whole(base, dims)
        ranges = [(0, d, 1) for d in dims[:axis]] + [ranges[axis]]
        first, count, _ = ranges[axis]
        behind = self.sizes.add(first, count, "offset")
        rest = _left_behind(self.sizes, ranges[axis], op.items[axis], dims[axis])
        for start, size in ((0, first), (behind, rest)):
            if size != 0:
                around = [*ranges[:axis], (start, size, 1)]
                self._write(base, source.sliced(self.sizes, around), whole.sliced(self.sizes, around), "set", base)
        before = source.sliced(self.sizes, ranges) if op.mode == "inc" else None
        self._write(base, value, whole.sliced(self.sizes, ranges), "set", base, before)
        return True

    def _write_after(self, out: Var, value: View, target: View, mode: str, base: Var) -> None:
        """As `_write`, in a later item than all that wrote to or read from `base` so far."""
        self.home[out] = max(self.home.get(out, -1), self.home.get(base, -1))
        self._write(out, value, target, mode, base)
        self.home[base] = max(self.home[base], self.home[out])

    def _assert(self, eqn: Eqn, op: ops.Assert) -> None:
        x, conditions, shown = op.split(eqn.args)
        self.views[eqn.outs[0]] = self.views[x]
        if self._in_prologue(eqn):
            conditions = [c for c in conditions if c not in self.sizes.values]
        if not conditions:
            return
        message = op.message if shown else literal(op.message)
        item = CheckItem([self._operand(self._all(c), ()) for c in conditions], message, ops.ASSERT_ERRORS[op.error],
                         eqn.sources)
        if shown:
            dims = self.sizes.of(conditions[0])
            item.domain, places = drop_ones(dims)
            item.within = [self._operand(v, self._walk(v, len(dims), places, len(item.domain)))
                           for v in (*conditions, *shown)]
        self._register(item)
        first = max((self.home.get(leaf.root, -1) for leaf in item.leaves()), default=-1)
        self._block_add(item, max(first, self._sizes_known(item, ())))

    def _in_prologue(self, eqn: Eqn) -> bool:
        """Are those conditions of an Assert that are known at entry checked there (`loops.sizes`)?"""
        return all(v in self.sizes.values for v in eqn.op.split(eqn.args)[-1])

    def _all(self, condition: Var) -> Var:
        """Is an array of bools true everywhere?  A scalar."""
        rank = condition.type.ndim
        if not rank:
            return condition
        out = Var(-1, TensorType.make("bool", ()), name="valid")
        self.sizes.dims[out] = ()
        op = ops.Reduce("and_", tuple(range(rank)))
        self._reduce(out, op, "reduce", op.fn, self.views[condition], [False] * rank)
        return out

    # -- placing

    def _register(self, node: Any) -> None:
        """Note what a statement uses."""
        for leaf in node.leaves():
            self._use(node, leaf)
        target = getattr(node, "target", None)
        for terms in target.offsets if target is not None else ():
            for term in terms:
                if isinstance(term, tuple):
                    self.uses.setdefault(term[0], []).append((node, Leaf(term[0], View.whole(term[0], ()))))

    def _use(self, user: Any, leaf: Leaf) -> None:
        self.uses.setdefault(leaf.root, []).append((user, leaf))
        for terms in leaf.view.offsets:
            for term in terms:
                if isinstance(term, tuple):
                    self.uses.setdefault(term[0], []).append((user, Leaf(term[0], View.whole(term[0], ()))))

    def _needs(self, node: Any) -> list[tuple[Var, View | None]]:
        """What must exist: values with the view they are used through (None: not element by element)."""
        result: list[tuple[Var, View | None]] = []
        for leaf in node.leaves():
            result.append((leaf.root, leaf.view))
            result += [(t[0], None) for terms in leaf.view.offsets for t in terms if isinstance(t, tuple)]
        target = getattr(node, "target", None)
        if target is not None:
            result += [(t[0], None) for terms in target.offsets for t in terms if isinstance(t, tuple)]
            if node.fn == "inc" or target.root is not node.out:
                result.append((target.root, None))
        return result

    def _add(self, node: Node) -> None:
        self._register(node)
        if node.kind == "write":
            node_home = self.home.get(node.out, -1)
        else:
            node_home = -1
            self.node[node.out] = node
        needs = [(v, view) for v, view in self._needs(node) if v in self.home]
        first = max((self.home[v] for v, _ in needs), default=-1)
        if self.sizes.late:
            first = max(first, self._sizes_known(node, node.domain))
        if not node.domain:
            self._block_add(node, max(first, node_home))
            self.home[node.out] = max(node_home, node.item)
            return
        start = max(first, 0)
        for position in self._places_of(node.domain[0], start):
            item = self.items[position]
            if item.count + self._size(node) <= self._limit:
                if node.kind == "write" and not self._write_fits(node, position):
                    continue
                if self._join(item, node, needs, position):
                    node.item = position
                    self.home[node.out] = max(node_home, position)
                    return
        loop = Loop(node.domain[0], 0)
        loop.index = len(self.items)
        self._append(loop, loop.size)
        self._open(loop, node)
        node.item = loop.index
        self.home[node.out] = max(node_home, node.item)

    def _size(self, node: Node) -> int:
        """How much of a nest's limit a statement takes."""
        return self._fold_size if node.kind == "reduce" else 1

    def _sizes_known(self, node: Any, domain: Sequence[SizeExpr]) -> int:
        """The item after which all sizes are known that a statement uses."""
        if not self.sizes.late:
            return -1
        used: set[Any] = set(domain)
        target = getattr(node, "target", None)
        for view in (*[leaf.view for leaf in node.leaves()], *([target] if target is not None else [])):
            used.update(t for terms in view.offsets for t in terms if not isinstance(t, tuple))
            used.update(a[1] for a in view.axes if a is not None)
            if view.root in self.size_values:
                used.add(self.sizes.value(view.root))
        return max((self.home.get(v, -1) for size in used for v in self.sizes.late_in(size)), default=-1)

    def _write_fits(self, node: Node, position: int) -> bool:
        """A part may be written in a loop only if nothing there touches the same memory."""
        storage = self.storage[node.out]
        return self.home.get(storage, -1) < position or (node.fn == "set" and storage not in self.uses)

    def _block_add(self, node: Any, first: int) -> None:
        for position in self._places_of(None, max(first, 0)):
            item = self.items[position]
            if len(item.children) < self._limit:
                item.children.append(node)
                node.item = position
                return
        node.item = len(self.items)
        self._append(Block([node], node.item), None)

    def _append(self, item: Loop | Block, size: SizeExpr | None) -> None:
        """An item that later statements may join; `size` is that of a loop."""
        self._places.setdefault(size, []).append(len(self.items))
        self.items.append(item)

    def _places_of(self, size: SizeExpr | None, start: int) -> Sequence[int]:
        """Where from `start` on there are loops of a size (None: blocks) among the items."""
        places = self._places.get(size, [])
        return places[bisect_left(places, start):]

    def _open(self, loop: Loop, node: Node, path: tuple[Loop, ...] = ()) -> None:
        """Put `node` into new loops below `loop`."""
        path = (*path, loop)
        loop.count += self._size(node)
        for level in range(len(path), len(node.domain)):
            inner = Loop(node.domain[level], level, index=len(path[-1].children), count=self._size(node))
            path[-1].children.append(inner)
            path = (*path, inner)
        path[-1].children.append(node)
        node.path = path
        if node.kind == "cumulate" or node.kind == "argreduce":
            path[-1].serial = True

    def _join(self, top: Loop, node: Node, needs: list[tuple[Var, View | None]], position: int) -> bool:
        """Put `node` into the nest of `top`, if it fits there."""
        inside = [(v, view) for v, view in needs if self.home[v] == position]
        path: list[Loop] = []
        loop = top
        related = False
        low = 0
        while True:
            level = loop.level
            for v, view in inside:
                if not self._same_iteration(v, view, loop, level):
                    if level == 0:
                        return False
                    # not in this inner loop: a later sibling of it will do
                    return self._sibling(path, node, low + 1, related)
            related = related or bool(inside)
            path.append(loop)
            if len(path) == len(node.domain):
                if not related and any(type(c) is Loop for c in loop.children):
                    return False            # would leave its vector loop for a scalar place beside an inner loop
                for p in path:
                    p.count += self._size(node)
                loop.children.append(node)
                node.path = tuple(path)
                if node.kind in ("cumulate", "argreduce"):
                    loop.serial = True
                return True
            # the inner loop to go on with: not before anything it needs
            low = 0
            below: list[tuple[Var, View | None]] = []
            for v, view in inside:
                made = self.node[v].path
                if len(made) > level + 1:
                    low = max(low, made[level + 1].index)
                    below.append((v, view))
                else:
                    low = max(low, loop.children.index(self.node[v]))
            inside = [(v, w) for v, w in below if self.node[v].path[level + 1].index == low]
            found = None
            for child in loop.children[low:]:
                if type(child) is Loop and child.size == node.domain[level + 1]:
                    found = child
                    break
            if found is None:
                return self._sibling(path, node, low, related)
            if found.index != low:
                inside = []
            loop = found

    def _sibling(self, path: list[Loop], node: Node, low: int, related: bool) -> bool:
        """Go on in an inner loop at `low` or later, or open one."""
        loop = path[-1]
        level = loop.level
        for child in loop.children[low:]:
            if type(child) is Loop and child.size == node.domain[level + 1] and len(node.domain) == level + 2:
                for p in (*path, child):
                    p.count += self._size(node)
                child.children.append(node)
                node.path = (*path, child)
                if node.kind in ("cumulate", "argreduce"):
                    child.serial = True
                return True
        if not related:
            return False
        for p in path[:-1]:
            p.count += self._size(node)
        self._open(loop, node, tuple(path[:-1]))
        return True

    def _same_iteration(self, v: Var, view: View | None, loop: Loop, level: int) -> bool:
        """Is v made in `loop` and at hand in the same iteration of it?"""
        made = self.node.get(v)
        if made is None or view is None or view.flat or level >= len(made.path) or made.path[level] is not loop:
            return False
        if made.available <= level:
            return False
        if level not in made.out_axes:
            return False
        axis = made.out_axes.index(level)
        return view.axes[level] == (axis, 1) and not view.offsets[axis]

    # -- the end

    def _finish_outputs(self) -> None:
        """Each output gets its memory: the value's own, or a copy."""
        for k, var in enumerate(self.program.outputs):
            view = self.views[var]
            root = self.storage.get(view.root, view.root)
            root_dims = self.sizes.of(view.root)
            whole = self._shows_all(view, root_dims) or self._starts(view, root_dims)
            if (not whole or root in self._frame or root in self.trees or root in self.output_of
                    or root not in self.home or self.home[root] < 0):
                copy = self._copy(view, var)
                root = copy
            self._store(root)
            self.output_of[root] = k

    def _shows_all(self, view: View, root_dims: tuple[SizeExpr, ...]) -> bool:
        """Are these all elements of the root, as they lie in memory?"""
        return view.is_whole(root_dims) or (view.flat_contiguous(self.sizes) and not any(view.offsets)
                                            and self.sizes.product(view.dims) == self.sizes.product(root_dims))

    def _starts(self, view: View, root_dims: tuple[SizeExpr, ...]) -> bool:
        """Is this the first part of the root, as many rows as a loop ran?"""
        return bool(view.dims) and bool(self.sizes.late_in(view.dims[0])) \
            and self.sizes.bound(view.dims[0]) == root_dims[0] \
            and View(view.root, root_dims, view.axes, view.offsets, view.flat).is_whole(root_dims)

    def _decide_storage(self) -> None:
        """A value is stored if any use is outside the loops that made it, or not element by element."""
        for v in self.home:
            node = self.node.get(v)
            if node is None or v in self.stored:
                continue
            unused = node.kind == "reduce" and v not in self.uses      # a loop was given it; its blocks end somewhere
            if unused or self.folds_into_memory(node):
                self.stored.add(v)
                continue
            for user, leaf in self.uses.get(v, ()):
                if not self.is_local(node, user, leaf.view):
                    self.stored.add(v)
                    break

    @staticmethod
    def folds_into_memory(node: Node) -> bool:
        """A fold over an outer axis with kept axes inside needs memory to fold into."""
        if node.kind != "reduce":
            return False
        first = min(node.reduced)
        return any(p not in node.reduced for p in range(first, len(node.domain)))

    def is_local(self, node: Node, user: Any, view: View) -> bool:
        """Can `user` take the value of `node` from a local variable?"""
        if self.folds_into_memory(node):
            return False
        if not node.domain or node.available == 0:      # a scalar: within one block only
            return not node.domain and isinstance(user, (Node, CheckItem)) and user.item == node.item
        if not isinstance(user, Node) or view.flat:
            return False
        count = node.available
        if len(user.path) < count or any(a is not b for a, b in zip(node.path[:count], user.path)):
            return False
        for level in range(count):
            if level not in node.out_axes:
                return False
            axis = node.out_axes.index(level)
            if view.axes[level] != (axis, 1) or view.offsets[axis]:
                return False
        return True


def _left_behind(sizes: KernelSizes, part: tuple[Any, ...], item: ops.Item, n: SizeExpr) -> SizeExpr:
    """How many elements a slice `item` with step 1, which is `part` (see `slice_range`), leaves at the end."""
    if item.stop is None:
        return 0
    if isinstance(item.stop, int) and item.stop < 0 and (item.start is None or isinstance(item.start, int)):
        if item.start is None or item.start >= 0:       # by a number: slices that end so leave equally many
            return sizes.minimum(sizes.maximum(sizes.sub(n, item.start or 0), 0), -item.stop, "bound")
    return sizes.sub(n, sizes.add(part[0], part[1], "offset"), "length")
