"""Program -> Kernel: places become loops.

    equation                               becomes
    Map, Cast                              a Let in the body of its nest, or part of its user's expression (lazy)
    Reduce, Contract with a vector         a Fold in lanes, an Assign, or an Accumulate into a row
    ArgReduce, Cumulate                    a serial innermost loop with carried locals
    Contract of two matrices               a Gemm
    Concat, Scatter                        Stores into parts of one buffer
    Transpose, Broadcast, Slice, Reshape   nothing: terms of an Index (or one copy)
    Constant, ShapeOf, Iota                a Lit or constant buffer, a Size, a loop variable
    Assert                                 a Check

In: a Program.  Out: a Kernel.  What shares a nest was decided by `loops.schedule`, memory by `loops.memory`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradc.ir import dtypes, ops
from gradc.ir.pretty import names_of, pretty
from gradc.ir.program import Program, Var
from gradc.ir.scalars import get_row
from gradc.ir.types import TensorType
from gradc.loops import memory
from gradc.loops.index import View
from gradc.loops.nodes import (
    Accumulate, Assign, Blocks, Buffer, Check, CheckInfo, Combine, Expr, Fn, Fold, For, Gemm, Index, Kernel, Let, Lit,
    Load, Local, Section, Size, SizeExpr, Store, Update,
)
from gradc.loops.schedule import Block, CheckItem, GemmCall, Leaf, Loop, Node, Operand, Schedule
from gradc.loops.sizes import Sizes, Unsupported

SMALL = 8192                # elements: below, a nest of static sizes is not cut into blocks
NANOSECONDS = 0.12          # of one unit of a row's weight, per element
PART_LIMIT = 256            # blocks of a nest whose reductions end in scalars
ROW_LIMIT = 16              # blocks of a nest with a row of partial results (or scratch) each
LOOP_NAMES = ("i", "j", "k", *(f"i{n}" for n in range(4, 33)))


def unsupported(program: Program) -> str | None:
    """Why `program` has no C form, or None."""
    for eqn in program.eqns:
        if type(eqn.op) is ops.Callback:
            return f"{eqn.op} is a user's Op, called in Python"
        for var in (*eqn.args, *eqn.outs):
            if not isinstance(var.type, TensorType):
                return f"a value of type {var.type} has no C form"
            if var.type.dtype in dtypes.COMPLEX:
                return "complex numbers are computed in the interpreter"
    for var in program.inputs:
        if not isinstance(var.type, TensorType) or var.type.dtype in dtypes.COMPLEX:
            return f"an input of type {var.type} has no C form"
    return None


def lower(program: Program, name: str) -> Kernel:
    """The Kernel of a Program; Unsupported with the reason if there is none."""
    reason = unsupported(program)
    if reason:
        raise Unsupported(reason)
    return _Lowering(program, name).kernel()


@dataclass(slots=True, eq=False)
class _Access:
    """Memory access of one leaf or result: a stride per loop (0: the same element), offset terms."""

    buffer: Buffer
    strides: list[SizeExpr]
    offset: list[Any]           # sizes, and (Var, stride) for positions computed by the kernel


@dataclass(slots=True, eq=False)
class _Scope:
    """Statements inside `level` loops, and what has been named there."""

    level: int
    parent: _Scope | None
    statements: list[Any] = field(default_factory=list)
    names: dict[Any, Expr] = field(default_factory=dict)
    folds: list[Fold] = field(default_factory=list)
    after: list[Any] = field(default_factory=list)       # called in the parent's scope once the loop is closed

    def find(self, key: Any) -> Expr | None:
        scope: _Scope | None = self
        while scope is not None:
            found = scope.names.get(key)
            if found is not None:
                return found
            scope = scope.parent
        return None

    def at(self, level: int) -> _Scope:
        """The enclosing scope inside only `level` loops."""
        scope = self
        while scope.level > level:
            assert scope.parent is not None
            scope = scope.parent
        return scope


class _Namer:
    """Unique readable names: new ones enter `own` and `also`, and are in neither `own` nor `avoid`."""

    def __init__(self, own: set[str], also: set[str], *avoid: set[str]) -> None:
        self._taken = (own, also)
        self._avoid = (own, *avoid)
        self._count: dict[str, int] = {}

    def __call__(self, base: str) -> str:
        base = "".join(c if c.isalnum() and c.isascii() or c == "_" else "_" for c in base) or "v"
        if base[0].isdigit():
            base = f"v{base}"
        name, k = base, self._count.get(base, 1)
        while any(name in t for t in self._avoid):
            k += 1
            name = f"{base}_{k}"
        self._count[base] = k
        for t in self._taken:
            t.add(name)
        return name


class _Lowering:
    def __init__(self, program: Program, name: str) -> None:
        self.program = program
        self.name = name
        taken = {"lo", "hi", "frame", "block", "cut", "sz", "lane", *LOOP_NAMES}
        self.ever_local: set[str] = set()           # names that sections use inside
        self.buffer_name = _Namer(taken, set(), self.ever_local)
        self.taken = taken
        labels: dict[Var, str] = {v: self.buffer_name(v.name or f"x{k}") for k, v in enumerate(program.inputs)}
        self.inputs = [Buffer(labels[v], _tensor(v).dtype, (), "input", k) for k, v in enumerate(program.inputs)]
        self.sizes = Sizes(program, self.inputs, labels, _Namer(taken, set(), self.ever_local))
        self.schedule = Schedule(program, self.sizes)
        self.labels = labels
        self.constants: list[tuple[Buffer, Any]] = []
        self.buffers: dict[Var, Buffer] = {}
        self.levels: dict[Var, int] = {}            # of a row buffer: how many outer axes it leaves out
        self.arena = memory.Arena(self.sizes)
        self.access: dict[Any, _Access] = {}
        self.sections: list[Section] = []
        self.local_name = _Namer(set(), self.ever_local, taken)
        self.uses_blas = False
        self.reads: dict[Buffer, None] = {}
        self.writes: dict[Buffer, None] = {}

    # -- the kernel

    def kernel(self) -> Kernel:
        for var, buffer in zip(self.program.inputs, self.inputs):
            self.buffers[var] = buffer
        self._plan()
        outputs = []
        by_position = {k: v for v, k in self.schedule.output_of.items()}
        for k, var in enumerate(self.program.outputs):
            stored = self.buffers[by_position[k]]
            outputs.append(Buffer(stored.name, stored.dtype, self.sizes.of(var), "output", k))
        for item in self.schedule.items:
            self.local_name = _Namer(set(), self.ever_local, self.taken)
            self.reads, self.writes = {}, {}
            match item:
                case Loop():
                    self._loop_section(item)
                case Block():
                    self._block_section(item)
                case GemmCall():
                    self._gemm_section(item)
        return Kernel(self.name, tuple(self.inputs), tuple(outputs), tuple(self.constants), tuple(self.sizes.prologue),
                      self.arena.bytes, tuple(self.sections), tuple(self.sizes.checks), self._text(), self.uses_blas,
                      {"shapes": {b: self.sizes.dims[v] for v, b in zip(self.program.inputs, self.inputs)}})

    def _text(self) -> str:
        if len(self.program.eqns) <= 60:
            return pretty(self.program)
        names = names_of(self.program)
        return f"program of {len(self.program.eqns)} equations, outputs {', '.join(names[v] for v in self.program.outputs)}"

    def _plan(self) -> None:
        """Memory of every stored value."""
        s = self.schedule
        spans = memory.lifetimes(s)
        starts: dict[int, list[Var]] = {}
        ends: dict[int, list[tuple[SizeExpr, SizeExpr]]] = {}
        for var, (first, _) in spans.items():
            starts.setdefault(first, []).append(var)
        for item in range(len(s.items)):
            for var in starts.get(item, ()):
                dims = self.sizes.of(var)
                dtype = _tensor(var).dtype
                label = self.buffer_name(var.name or _label(s, var))
                if var in s.output_of:
                    self.buffers[var] = Buffer(label, dtype, dims, "output", s.output_of[var])
                    continue
                shared = memory.shared_levels(s, var)
                if shared:
                    self.levels[var] = shared
                    kept = self._axes_inside(s.node[var], shared)
                    dims = tuple(dims[k] for k in kept)
                    size = memory.nbytes(self.sizes, dims, dtype)
                    whole = self.sizes.define("mul", (memory.lines(self.sizes, size), ROW_LIMIT), "bytes")
                    place = "block"
                else:
                    whole = memory.lines(self.sizes, memory.nbytes(self.sizes, dims, dtype))
                    place = "arena"
                offset = self.arena.take(whole)
                self.buffers[var] = Buffer(label, dtype, dims, place, offset=offset)
                ends.setdefault(spans[var][1], []).append((whole, offset))
            for whole, offset in ends.get(item, ()):
                self.arena.give_back(whole, offset)

    @staticmethod
    def _axes_inside(node: Node, shared: int) -> list[int]:
        return [k for k, p in enumerate(node.out_axes) if p is None or p >= shared]

    # -- accesses

    def _strides(self, root: Var) -> list[SizeExpr]:
        """Stride per axis of a stored value; 0 for outer axes that a row buffer leaves out."""
        dims = self.sizes.of(root)
        shared = self.levels.get(root)
        if shared is None:
            return list(self.sizes.strides(dims))
        kept = self._axes_inside(self.schedule.node[root], shared)
        inner = dict(zip(kept, self.sizes.strides(tuple(dims[k] for k in kept))))
        return [inner.get(k, 0) for k in range(len(dims))]

    def _leaf_access(self, leaf: Leaf) -> _Access:
        found = self.access.get(leaf)
        if found is None:
            root = self.schedule.storage.get(leaf.root, leaf.root)
            found = self.access[leaf] = self._view_access(root, leaf.view)
        return found

    def _view_access(self, root: Var, view: Any) -> _Access:
        buffer = self.buffers.get(root) or self._constant(root)
        mul = self.sizes.define
        steps = [1] if view.flat else self._strides(root)
        strides: list[SizeExpr] = [0 if a is None else mul("mul", (steps[a[0]], a[1]), "stride") for a in view.axes]
        offset: list[Any] = []
        for step, terms in zip(steps, view.offsets):
            for t in terms:
                if isinstance(t, tuple):
                    offset.append((t[0], mul("mul", (t[1], step), "stride")))
                elif t != 0:
                    offset.append(mul("mul", (t, step), "offset"))
        return _Access(buffer, strides, offset)

    def _constant(self, root: Var) -> Buffer:
        assert root.data is not None, f"{root} has no memory"
        data = np.ascontiguousarray(root.data)
        buffer = Buffer(self.buffer_name(root.name or "constant"), data.dtype.name, data.shape, "constant",
                        len(self.constants))
        self.constants.append((buffer, data))
        self.buffers[root] = buffer
        return buffer

    def _out_access(self, node: Node) -> _Access:
        """Where a node's own result is stored."""
        found = self.access.get(node)
        if found is None:
            if node.target is not None:
                found = self._view_access(node.target.root, node.target)
            else:
                root = self.schedule.storage.get(node.out, node.out)
                steps = self._strides(root)
                strides: list[SizeExpr] = [0] * len(node.domain)
                for axis, p in enumerate(node.out_axes):
                    if p is not None:
                        strides[p] = steps[axis]
                found = _Access(self.buffers[root], strides, [])
            self.access[node] = found
        return found

    # -- merging loops

    def _merge(self, top: Loop) -> None:
        """Make one loop of two where memory goes on across them in all accesses."""
        while len(top.children) == 1 and type(top.children[0]) is Loop:
            inner = top.children[0]
            all_nodes = [n for n in memory.statements(top) if isinstance(n, Node)]
            accesses: list[_Access] = []
            for n in all_nodes:
                if len(n.domain) < 2 or n.kind in ("argreduce", "cumulate") or (0 in n.reduced) != (1 in n.reduced):
                    return
                for leaf in n.leaves():
                    if not self._is_scalar_root(leaf.root) and not self._is_local(n, leaf):
                        accesses.append(self._leaf_access(leaf))
                    elif leaf.root in self.schedule.trees:
                        return          # an Iota needs both indices
                if self._is_memory(n):
                    accesses.append(self._out_access(n))
            for a in accesses:
                if a.strides[0] != (0 if a.strides[1] == 0 else self.sizes.define("mul", (a.strides[1], inner.size))):
                    return
            seen: set[int] = set()
            for a in accesses:
                if id(a) not in seen:
                    seen.add(id(a))
                    del a.strides[0]
            merged = self.sizes.define("mul", (top.size, inner.size), "elements")
            for n in all_nodes:
                n.domain = (merged, *n.domain[2:])
                n.reduced = tuple(sorted({max(0, p - 1) for p in n.reduced}))
                n.out_axes = tuple(None if p == 0 else p if p is None else p - 1 for p in n.out_axes)
                n.path = (top, *n.path[2:])
            top.size = merged
            top.children = inner.children
            top.serial = top.serial or inner.serial
            for c in memory_loops(top):
                c.level -= 1

    def _is_memory(self, node: Node) -> bool:
        return node.kind == "write" or node.out in self.schedule.stored

    def _is_scalar_root(self, root: Var) -> bool:
        return root.data is not None and root.data.size == 1 or root in self.schedule.trees or self._is_size(root)

    def _is_size(self, root: Var) -> bool:
        """A ShapeOf: a value known from sizes alone."""
        return root in self.schedule.size_values

    def _is_local(self, node: Any, leaf: Leaf) -> bool:
        made = self.schedule.node.get(leaf.root)
        return made is not None and leaf.root not in self.schedule.stored and made.kind != "write"

    # -- sections

    def _loop_section(self, top: Loop) -> None:
        self._merge(top)
        all_nodes = [n for n in memory.statements(top) if isinstance(n, Node)]
        rows = any(b.place == "block" for b in (self._touched(all_nodes)))
        outer = [n for n in all_nodes if 0 in n.reduced]
        wide = any(self.schedule._folds_into_memory(n) for n in outer)
        blocks = None
        if not top.serial and not self._small(top, all_nodes):
            limit = ROW_LIMIT if rows or wide else PART_LIMIT if outer else 0
            blocks = Blocks("blocks", top.size, self._work(top), 1 if top.children and any(
                type(c) is Loop for c in top.children) else 64, limit, self._cost(top, all_nodes))
        self.parts: dict[Node, Buffer] = {}
        combine = []
        if blocks:
            for n in outer:
                target = self._target(n)
                width = self.sizes.product(target.shape)
                size = memory.nbytes(self.sizes, (*target.shape, blocks.limit), target.dtype)
                parts = Buffer(self.buffer_name(f"{target.name}_part"), target.dtype, target.shape, "block",
                               offset=self.arena.take(memory.lines(self.sizes, size)))
                self.parts[n] = parts
                combine.append(Combine(target, parts, n.fn, width))
        scope = _Scope(0, None)
        self._emit_loop(top, scope, blocked=blocks is not None)
        self._close(scope)
        self.sections.append(Section(self._title(all_nodes), tuple(scope.statements), tuple(self.reads),
                                     tuple(self.writes), blocks, tuple(combine)))

    def _target(self, node: Node) -> Buffer:
        root = self.schedule.storage.get(node.out, node.out)
        return self.buffers[root]

    def _touched(self, all_nodes: Sequence[Node]) -> list[Buffer]:
        return [self.buffers[n.out] for n in all_nodes if n.out in self.buffers]

    def _small(self, top: Loop, all_nodes: Sequence[Node]) -> bool:
        total = 0
        for n in all_nodes:
            size = 1
            for d in n.domain:
                if not isinstance(d, int):
                    return False
                size *= d
            total += size
        return total <= SMALL

    def _work(self, top: Loop) -> SizeExpr:
        """Elements per iteration of the outer loop: the size of its first inner nest."""
        size: SizeExpr = 1
        loop = top
        while True:
            inner = [c for c in loop.children if type(c) is Loop]
            if not inner:
                return size
            loop = inner[0]
            size = self.sizes.define("mul", (size, loop.size), "work")

    def _cost(self, top: Loop, all_nodes: Sequence[Node]) -> float:
        depth = max(len(n.domain) for n in all_nodes)
        return round(NANOSECONDS * sum(n.weight() for n in all_nodes if len(n.domain) == depth) + 0.05, 2)

    def _title(self, all_nodes: Sequence[Any]) -> str:
        words: dict[str, None] = {}
        for n in all_nodes:
            if isinstance(n, Node):
                words[_word(n)] = None
        text = ", ".join(words)
        return text if len(text) <= 70 else f"{text[:text.rfind(',', 0, 66)]}, ..."

    def _block_section(self, block: Block) -> None:
        scope = _Scope(0, None)
        for child in block.children:
            if isinstance(child, CheckItem):
                conditions = [self._value(c, scope) for c in child.conditions]
                for c in conditions:
                    self.sizes.checks.append(CheckInfo("AssertionFailedError", child.message, child.sources))
                    scope.statements.append(Check(_truth(c), len(self.sizes.checks)))
            else:
                self._emit_node(child, scope)
        if scope.statements:
            self.sections.append(Section(self._title(block.children), tuple(scope.statements), tuple(self.reads),
                                         tuple(self.writes), note="scalars"))

    def _gemm_section(self, call: GemmCall) -> None:
        self.uses_blas = True
        depth = len(call.batch)
        variables = LOOP_NAMES[:depth]
        loads = []
        flags = []
        for leaf in (call.a, call.b):
            a = self._leaf_access(leaf)
            trans = a.strides[-1] != 1
            flags.append((trans, a.strides[-1] if trans else a.strides[-2]))
            terms = tuple((s, v) for s, v in zip(a.strides[:depth], variables) if s != 0)
            loads.append(Load(a.buffer, Index(terms, self._offset_sum(a.offset))))
        target = self.buffers[call.out]
        strides = self.sizes.strides(self.sizes.of(call.out))
        out = Load(target, Index(tuple(zip(strides[:depth], variables)), 0))
        body: Any = Gemm(loads[0], loads[1], out, call.m, call.n, call.k, flags[0][0], flags[1][0])
        for size, v in reversed(list(zip(call.batch, variables))):
            body = For(v, 0, size, (body,))
        self.sections.append(Section(f"{target.name} = {loads[0].buffer.name} times {loads[1].buffer.name}", (body,),
                                     tuple(dict.fromkeys((loads[0].buffer, loads[1].buffer))), (target,), note="gemm"))

    def _offset_sum(self, terms: Sequence[Any]) -> SizeExpr:
        total: SizeExpr = 0
        for t in terms:
            if isinstance(t, tuple):
                raise Unsupported("a matrix picked by a computed index goes into a matrix product")
            total = self.sizes.define("add", (total, t), "offset")
        return total

    # -- loops

    def _emit_loop(self, loop: Loop, scope: _Scope, blocked: bool = False) -> None:
        inner = _Scope(loop.level + 1, scope)
        for child in loop.children:
            if type(child) is Loop:
                self._emit_loop(child, inner)
            else:
                self._emit_node(child, inner)
        start, stop = ("lo", "hi") if blocked else (0, loop.size)
        scope.statements.append(For(LOOP_NAMES[loop.level], start, stop, tuple(inner.statements), tuple(inner.folds)))
        for action in inner.after:
            action(scope)

    def _close(self, scope: _Scope) -> None:
        for action in scope.after:
            action(scope)

    def _emit_node(self, node: Node, scope: _Scope) -> None:
        match node.kind:
            case "map":
                self._finish(node, self._compute(node, scope), scope)
            case "write":
                a = self._out_access(node)
                value = self._compute(node, scope)
                index = self._index(a, scope)
                self.writes[a.buffer] = None
                if node.fn == "inc":
                    scope.statements.append(Accumulate(a.buffer, index, "add", value))
                else:
                    scope.statements.append(Store(a.buffer, index, value))
            case "reduce":
                self._emit_reduce(node, scope)
            case "cumulate":
                self._emit_cumulate(node, scope)
            case "argreduce":
                self._emit_argreduce(node, scope)

    def _finish(self, node: Node, value: Expr, scope: _Scope) -> None:
        """Name the value of a node in `scope`, and store it if it has memory."""
        if not isinstance(value, (Local, Lit)):
            value = self._let(scope, self._base(node, scope.level), value)
        scope.names[node.out] = value
        if node.out in self.schedule.stored:
            a = self._out_access(node)
            self.writes[a.buffer] = None
            scope.statements.append(Store(a.buffer, self._index(a, scope), value))
            root = self.schedule.storage.get(node.out, node.out)
            scope.names["load", (root, tuple(a.strides), tuple(a.offset))] = value

    def _base(self, node: Node, level: int) -> str:
        """What to call a node's value inside `level` loops: as its memory, by the loop, or by itself."""
        name = node.out.name or _label(self.schedule, node.out)
        if node.out in self.schedule.stored:
            return f"{name}_{LOOP_NAMES[level - 1]}" if level else f"{name}_0"
        return name

    def _let(self, scope: _Scope, base: str, expr: Expr, mutable: bool = False) -> Local:
        name = self.local_name(base)
        scope.statements.append(Let(name, expr, mutable))
        return Local(name, expr.dtype)

    def _index(self, a: _Access, scope: _Scope) -> Index:
        terms: list[tuple[SizeExpr, str]] = [(s, LOOP_NAMES[k]) for k, s in enumerate(a.strides) if s != 0]
        offset: SizeExpr = 0
        for t in a.offset:
            if isinstance(t, tuple):
                position = self._value(Leaf(t[0], _scalar_view(t[0])), scope)
                if not isinstance(position, Local):
                    position = self._let(scope.at(0), "position", position)
                terms.append((t[1], position.name))
            else:
                offset = self.sizes.define("add", (offset, t), "offset")
        return Index(tuple(terms), offset)

    # -- values

    def _value(self, operand: Operand, scope: _Scope) -> Expr:
        """An operand's value in `scope`; loads and computations are named at the outermost loop they allow."""
        if isinstance(operand, Leaf):
            return self._leaf(operand, scope)
        if type(operand.op) is ops.Iota:
            return self._iota(operand.operands[0], scope)
        key, level = self._key(operand)
        found = scope.find(key)
        if found is None:
            place = scope.at(min(level, scope.level))
            value = self._apply(operand.op, operand.operands, place)
            if not isinstance(value, (Local, Lit, Size)):
                value = self._let(place, operand.var.name or _op_label(operand.op), value)
            place.names[key] = found = value
        return found

    def _key(self, operand: Operand) -> tuple[Any, int]:
        """Equal keys, equal values; and how many loops the value depends on."""
        if isinstance(operand, Leaf):
            root = operand.root
            if root in self.schedule.node and root not in self.schedule.stored:
                made = self.schedule.node[root]
                return root, made.available
            if self._is_scalar_root(root) and root not in self.schedule.trees:
                return root, 0
            if root in self.schedule.trees:
                view = operand.view
                level = max((k + 1 for k, a in enumerate(view.axes) if a is not None), default=0)
                return (root, view.axes, view.offsets), level
            a = self._leaf_access(operand)
            level = max((k + 1 for k, s in enumerate(a.strides) if s != 0), default=0)
            return (root, tuple(a.strides), tuple(a.offset)), self._after_writer(root, level)
        level = 0
        keys = []
        for o in operand.operands:
            k, lev = self._key(o)
            keys.append(k)
            level = max(level, lev)
        return (operand.op, *keys), level

    def _after_writer(self, root: Var, level: int) -> int:
        """A value written in outer iterations of this very nest may be read only inside them."""
        return max(level, self.levels.get(root, 0))

    def _leaf(self, leaf: Leaf, scope: _Scope) -> Expr:
        root = leaf.root
        if root.data is not None and root.data.size == 1:
            return Lit(root.data.reshape(())[()], _tensor(root).dtype)
        if self._is_local(None, leaf):
            found = scope.find(root)
            assert found is not None, f"{root} ({root.name}) is not at hand"
            return found
        if root in self.schedule.trees:
            return self._iota(leaf, scope)
        if self._is_size(root):
            return self._size_value(root)
        a = self._leaf_access(leaf)
        key, level = self._key(leaf)
        level = min(level, scope.level)
        found = scope.find(("load", key))
        if found is None:
            place = scope.at(level)
            self.reads[a.buffer] = None
            found = self._let(place, f"{a.buffer.name}_{LOOP_NAMES[level - 1]}" if level else f"{a.buffer.name}_0",
                              Load(a.buffer, self._index(a, place)))
            place.names[("load", key)] = found
        return found

    def _size_value(self, root: Var) -> Expr:
        return Size(self.sizes.host(root))

    def _iota(self, leaf: Leaf, scope: _Scope) -> Expr:
        view = leaf.view
        value: Expr | None = None
        for k, axis in enumerate(view.axes):
            if axis is not None:
                term: Expr = Local(LOOP_NAMES[k], "int64")
                if axis[1] != 1:
                    term = Fn("mul", (term, Size(axis[1])), "int64")
                value = term if value is None else Fn("add", (value, term), "int64")
        for t in view.offsets[0]:
            term = self._value(Leaf(t[0], _scalar_view(t[0])), scope) if isinstance(t, tuple) else Size(t)
            if isinstance(t, tuple) and t[1] != 1:
                term = Fn("mul", (term, Size(t[1])), "int64")
            value = term if value is None else Fn("add", (value, term), "int64")
        return value if value is not None else Lit(0, "int64")

    def _compute(self, node: Node, scope: _Scope) -> Expr:
        if type(node.op) is ops.Map and node.op.fn == "position":
            return self._position(node, scope)
        if type(node.op) is ops.Reduce:
            return self._value(node.operands[0], scope)
        return self._apply(node.op, node.operands, scope)

    def _position(self, node: Node, scope: _Scope) -> Expr:
        """An index from computed data: checked, negative ones counted from the end."""
        at = _cast(self._value(node.operands[0], scope), "int64")
        length = Size(node.fn)
        if not isinstance(at, Local):
            at = self._let(scope, "index", at)
        self.sizes.checks.append(CheckInfo("IndexOutOfBoundsError",
                                           "index {0} is out of bounds for a dimension of size {1}"))
        inside = Fn("and_", (Fn("lt", (at, length), "bool"),
                             Fn("ge", (Fn("add", (at, length), "int64"), Lit(0, "int64")), "bool")), "bool")
        scope.statements.append(Check(inside, len(self.sizes.checks), (at, length)))
        return Fn("position", (at, length), "int64")

    def _apply(self, op: ops.OpKind, operands: Sequence[Operand], scope: _Scope) -> Expr:
        """One op on values in `scope`."""
        values = [self._value(o, scope) for o in operands]
        if type(op) is ops.Cast:
            return _cast(values[0], op.dtype)
        if type(op) is ops.Contract:
            dtype = dtypes.upcast(*(v.dtype for v in values))
            return Fn("mul", tuple(_cast(v, dtype) for v in values), dtype)
        assert type(op) is ops.Map
        if op.fn == "identity":
            return values[0]
        row = get_row(op.fn)
        compute, result = row.dtypes(*[v.dtype for v in values])
        args = [_truth(v) if row.rule == "select" and k == 0 else _cast(v, compute) for k, v in enumerate(values)]
        return Fn(op.fn, tuple(args), result)

    # -- reductions

    def _emit_reduce(self, node: Node, scope: _Scope) -> None:
        fn = node.fn
        dtype = _tensor(node.out).dtype
        value = _cast(self._compute(node, scope), dtype)
        identity = _identity(fn, dtype)
        base = self._base(node, node.available)
        depth = len(node.domain)
        kept = [p for p in range(depth) if p not in node.reduced]
        last_kept = kept[-1] if kept else -1
        level = depth
        if last_kept < depth - 1:
            name = self.local_name(base)
            scope.folds.append(Fold(name, fn, identity, dtype))
            scope.statements.append(Update(name, fn, value))
            self._after_fold(node, Local(name, dtype), depth - 1, last_kept, scope, identity, base)
        else:
            self._into_memory(node, value, scope, identity, level)

    def _after_fold(self, node: Node, value: Local, level: int, last_kept: int, scope: _Scope, identity: Any,
                    base: str) -> None:
        """`value` holds the fold of the loop at `level`; go outwards to the last kept axis."""

        def done(outer: _Scope) -> None:
            if level - 1 > last_kept:           # the next loop is folded as well
                assert outer.parent is not None
                total = self._let(outer.parent, base, Lit(identity, value.dtype), mutable=True)
                outer.statements.append(Assign(total.name, Fn(node.fn, (total, value), value.dtype)))
                self._after_fold(node, total, level - 1, last_kept, outer, identity, base)
            elif min(node.reduced) < last_kept:
                self._into_memory(node, value, outer, identity, level)
            else:
                self._result(node, value, outer)

        scope.after.append(done)

    def _result(self, node: Node, value: Local, scope: _Scope) -> None:
        """A fold that ends in a scalar of `scope`."""
        parts = self.parts.get(node) if scope.level == 0 else None
        if parts is not None:
            self.writes[parts] = None
            scope.statements.append(Store(parts, Index(), value))
        else:
            self._finish(node, value, scope)

    def _into_memory(self, node: Node, value: Expr, scope: _Scope, identity: Any, level: int) -> None:
        """Accumulate into the row that the outer reduced loop folds over; set it to the identity before that loop."""
        first = min(node.reduced)
        a = self._out_access(node)
        if first == 0 and node in self.parts:
            a = _Access(self.parts[node], a.strides, a.offset)
        self.writes[a.buffer] = None
        before = scope.at(first)
        inner = [p for p in range(first + 1, len(node.domain)) if p not in node.reduced]
        fill: Any = Store(a.buffer, self._index(a, before), Lit(identity, a.buffer.dtype))
        for p in reversed(inner):
            fill = For(LOOP_NAMES[p], 0, node.domain[p], (fill,))
        before.statements.append(fill)
        scope.statements.append(Accumulate(a.buffer, self._index(a, scope), node.fn, value))

    def _emit_cumulate(self, node: Node, scope: _Scope) -> None:
        dtype = _tensor(node.out).dtype
        assert scope.parent is not None
        total = self._let(scope.parent, "total", Lit(_identity(node.fn, dtype), dtype), mutable=True)
        value = _cast(self._value(node.operands[0], scope), dtype)
        scope.statements.append(Assign(total.name, Fn(node.fn, (total, value), dtype)))
        self._finish(node, self._let(scope, node.out.name or "running", total), scope)

    def _emit_argreduce(self, node: Node, scope: _Scope) -> None:
        outer = scope.parent
        assert outer is not None
        value = self._value(node.operands[0], scope)
        dtype = value.dtype
        best = self._let(outer, "best", Lit(_identity(node.fn, dtype), dtype), mutable=True)
        where = self._let(outer, "best_at", Lit(0, "int64"), mutable=True)
        better: Expr = Fn("gt" if node.fn == "maximum" else "lt", (value, best), "bool")
        if dtype in dtypes.FLOATS:
            first_nan = Fn("and_", (Fn("isnan", (value,), "bool"),
                                    Fn("invert", (Fn("isnan", (best,), "bool"),), "bool")), "bool")
            better = Fn("or_", (better, first_nan), "bool")
        flag = self._let(scope, "better", better)
        loop = Local(LOOP_NAMES[scope.level - 1], "int64")
        scope.statements.append(Assign(best.name, Fn("switch", (flag, value, best), dtype)))
        scope.statements.append(Assign(where.name, Fn("switch", (flag, loop, where), "int64")))
        scope.after.append(lambda after: self._result(node, where, after))


def memory_loops(top: Loop) -> list[Loop]:
    """All loops below `top`."""
    result: list[Loop] = []
    stack = [c for c in top.children if type(c) is Loop]
    while stack:
        loop = stack.pop()
        result.append(loop)
        stack.extend(c for c in loop.children if type(c) is Loop)
    return result


def _tensor(var: Var) -> TensorType:
    assert isinstance(var.type, TensorType)
    return var.type


def _scalar_view(var: Var) -> View:
    return View.whole(var, ())


def _cast(value: Expr, dtype: str) -> Expr:
    if value.dtype == dtype:
        return value
    if isinstance(value, Lit):
        with np.errstate(all="ignore"):
            return Lit(np.asarray(value.value).astype(dtype)[()], dtype)
    return Fn("cast", (value,), dtype)


def _truth(value: Expr) -> Expr:
    return value if value.dtype == "bool" else Fn("neq", (value, Lit(0, value.dtype)), "bool")


def _identity(fn: str, dtype: str) -> Any:
    """The neutral element of a fold in `dtype`."""
    return get_row(fn).neutral(dtype)


def _op_label(op: ops.OpKind) -> str:
    match op:
        case ops.Map(fn):
            return get_row(fn).name
        case ops.Cast(dtype):
            return f"as_{dtypes.SHORT[dtype]}"
        case ops.Reduce():
            return str(op)
        case ops.Contract():
            return "dot"
    return type(op).__name__.lower()


def _label(schedule: Schedule, var: Var) -> str:
    node = schedule.node.get(var)
    return _op_label(node.op) if node is not None else "part"


def _word(node: Node) -> str:
    return node.out.name or _op_label(node.op)

