"""Program -> Kernel: places become loops.

    equation                               becomes
    Map, Cast                              a Let in the body of its nest, or part of its user's expression (lazy)
    Reduce, Contract with a vector         a Fold, an Assign, or an Accumulate into a row
    ArgReduce, Cumulate                    a serial innermost loop with carried locals
    Contract of two matrices               a Gemm
    Random                                 a Draw
    Callback                               an Extern
    Concat, Scatter                        Stores into parts of one buffer
    Transpose, Broadcast, Slice, Reshape   nothing: terms of an Index (or one copy)
    Constant, ShapeOf, Iota                a Lit or constant buffer, a Size, a loop variable
    Assert                                 a Check

In: a Program.  Out: a Kernel.  What shares a nest was decided by `loops.schedule`, memory by `loops.access`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradc.errors import Unsupported, literal
from gradc.ir import dtypes, ops
from gradc.ir.distributions import DISTRIBUTIONS, fault
from gradc.ir.pretty import names_of, pretty
from gradc.ir.program import Program, Var, bodies
from gradc.ir.scalars import get_row
from gradc.ir.shapes import OUT_OF_BOUNDS
from gradc.ir.sizes import Symbol
from gradc.ir.snippet import snippet_of
from gradc.ir.types import MAX_DIMS, TensorType
from gradc.loops import look
from gradc.loops.access import ROW_LIMIT, Access, Accesses, op_label, tensor
from gradc.loops.fused import fused
from gradc.loops.gather import checked
from gradc.loops.index import Lookup, View, lookups, positions
from gradc.loops.lower_scan import emit
from gradc.loops.names import Namer
from gradc.loops.nodes import (
    Accumulate,
    Assign,
    Blocks,
    Buffer,
    CallInfo,
    Check,
    CheckInfo,
    Combine,
    Draw,
    Expr,
    Extern,
    Fn,
    Fold,
    For,
    Gemm,
    If,
    Index,
    Kernel,
    Late,
    Let,
    Lit,
    Load,
    Local,
    Section,
    Size,
    SizeExpr,
    Store,
    Tile,
    Update,
)
from gradc.loops.places import (
    Block,
    CheckItem,
    CondItem,
    DrawCall,
    GemmCall,
    Leaf,
    Loop,
    Node,
    Operand,
    ScanItem,
    UserCall,
    statements,
)
from gradc.loops.schedule import Schedule
from gradc.loops.schedule_scan import ControlSchedule
from gradc.loops.scopes import BODY, Scope, cast, truth
from gradc.loops.sizes import KernelSizes, inside
from gradc.loops.states import as_words
from gradc.loops.tile import ROWS, tiled

SMALL = 8192                # elements: below, a nest of static sizes is not cut into blocks
NANOSECONDS = 0.12          # of one unit of a row's weight, per element
PART_LIMIT = 256            # blocks of a nest whose reductions end in scalars
LANES = 32                  # accumulators of one fold; 8 where many folds share a loop, so that they stay in the cache
UNROLLED = 64               # a fold over a static size up to this needs no lanes
ROUNDS = 128                # elements of a lane of products of float32 that are added up in float32
LOOP_NAMES = ("i", "j", "k", *(f"i{n}" for n in range(4, MAX_DIMS + 1)))
SCALAR = View.whole


def unsupported(program: Program) -> str | None:
    """Why `program` has no C form, or None."""
    for var in program.inputs:
        if not isinstance(var.type, TensorType) or var.type.dtype in dtypes.COMPLEX:
            return f"an input of type {var.type} has no C form"
    for eqn in program.eqns:
        for body in bodies(eqn.op):
            reason = unsupported(body)
            if reason:
                return reason
        for var in eqn.outs:
            if not isinstance(var.type, TensorType):
                return f"a value of type {var.type} has no C form"
            if var.type.dtype in dtypes.COMPLEX:
                return "complex numbers are computed in the interpreter"
    return None


def lower(program: Program, name: str) -> Kernel:
    """The Kernel of a Program; Unsupported with the reason if there is none."""
    program = checked(fused(as_words(program)))
    reason = unsupported(program)
    if reason:
        raise Unsupported(reason)
    return _Lowering(program, name).kernel()


class _Lowering:
    def __init__(self, program: Program, name: str) -> None:
        self.program = program
        self.name = name
        self.shared = {"lo", "hi", *LOOP_NAMES}
        self.local: set[str] = set()                # names that sections use inside
        self.namer = namer = Namer(self.shared, set(), self.local)
        labels = {v: namer(v.name or f"x{k}") for k, v in enumerate(program.inputs)}
        inputs = [Buffer(labels[v], tensor(v).dtype, (), "input", k) for k, v in enumerate(program.inputs)]
        self.sizes = KernelSizes(program, inputs, labels, Namer(self.shared, set(), self.local))
        self.inputs = [Buffer(b.name, b.dtype, self.sizes.dims[v], "input", b.position)
                       for v, b in zip(program.inputs, inputs)]
        self.schedule = ControlSchedule(program, self.sizes)
        self.memory = Accesses(program, self.schedule, self.sizes, self.inputs, namer)
        self.sections: list[Section] = []
        self.counted: dict[Var, int] = {}           # the number of steps of a loop -> the section that finds it
        self.base = 0                               # level of the body at work
        self.uses_blas = False
        self.calls: list[CallInfo] = []
        self.parts: dict[Node, tuple[Buffer, SizeExpr]] = {}
        self._begin()

    def _begin(self) -> None:
        """A new section."""
        self.local_name = Namer(set(), self.local, self.shared, self.namer)
        self.reads: dict[Buffer, None] = {}
        self.writes: dict[Buffer, None] = {}
        self.keys: dict[Operand, tuple[Any, int]] = {}
        self.memory.begin()

    # -- the kernel

    def kernel(self) -> Kernel:
        for item in self.schedule.items:
            self._begin()
            match item:
                case Loop():
                    self._loop_section(item)
                case Block():
                    self._block_section(item)
                case GemmCall():
                    self._gemm_section(item)
                case DrawCall():
                    self._draw_section(item)
                case UserCall():
                    self._user_section(item)
                case ScanItem() | CondItem():
                    self._control_section(item)
        stored = {k: self.memory.buffers[v] for v, k in self.schedule.output_of.items()}
        outputs = [Buffer(stored[k].name, stored[k].dtype, self.sizes.of(v), "output", k)
                   for k, v in enumerate(self.program.outputs)]
        arena = self.memory.arena.close()
        late = [Late(size, self.memory.buffers[v], self.counted[v]) for size, v in self.sizes.late.items()]
        bounds = [tuple(map(self.sizes.bound, b.shape)) for b in outputs] if late else []
        used = {s for s in look.sizes(self.sections) if isinstance(s, Symbol)}
        used.update(s for s in (arena, *(d for b in outputs for d in b.shape), *(d for dims in bounds for d in dims))
                    if isinstance(s, Symbol))
        return Kernel(self.name, tuple(self.inputs), tuple(outputs), tuple(self.memory.constants),
                      self.sizes.prologue(used), arena, tuple(self.sections),
                      tuple(self.sizes.checks), self._text(), self.uses_blas, tuple(late), tuple(bounds),
                      tuple(self.calls))

    def _text(self) -> str:
        if len(self.program.eqns) <= 60:
            return pretty(self.program)
        names = names_of(self.program)
        outputs = ", ".join(names[v] for v in self.program.outputs[:20])
        return f"program of {len(self.program.eqns)} equations; outputs {outputs}" \
            + (", ..." if len(self.program.outputs) > 20 else "")

    # -- sections

    def _loop_section(self, top: Loop) -> None:
        self.memory.merge(top)
        nodes = [n for n in statements(top) if isinstance(n, Node)]
        folds = [n for n in nodes if 0 in n.reduced]
        blocked = not top.serial and not _is_small(nodes)
        buffers = self.memory.buffers
        rows = any(self.schedule.folds_into_memory(n) for n in folds) or any(
            n.out in buffers and buffers[n.out].place == "block" for n in nodes)
        limit = ROW_LIMIT if rows else PART_LIMIT if folds else 0
        combine = self._parts(folds, limit) if blocked else ()
        scope = Scope(0, None)
        self._emit_loop(top, scope, blocked)
        blocks = None
        if blocked:
            nested = any(type(c) is Loop for c in top.children)
            multiple = ROWS if any(type(s) is Tile for s in scope.statements) else 1 if nested else 64
            blocks = Blocks(top.size, self._work(top), multiple, limit, _cost(nodes))
        if not scope.statements:            # parts of what is joined that are there already
            return
        self.sections.append(Section(self._title(nodes), tuple(scope.statements), tuple(self.reads),
                                     tuple(self.writes), blocks, combine))

    def _parts(self, folds: Sequence[Node], limit: int) -> tuple[Combine, ...]:
        """A row of partial results per block for all folds with the same row and dtype: scalars first."""
        groups: dict[tuple[str, str], list[Node]] = {}
        for n in sorted(folds, key=self.schedule.folds_into_memory):
            groups.setdefault((n.fn, tensor(n.out).dtype), []).append(n)
        result = []
        for (fn, dtype), group in groups.items():
            width: SizeExpr = 0
            targets = []
            for n in group:
                target = self.memory.buffers[self.schedule.storage.get(n.out, n.out)]
                count = self.sizes.product(target.shape)
                targets.append((target, width, count))
                width = self.sizes.add(width, count, "width")
            parts = self.memory.scratch(f"{get_row(fn).name}_parts", dtype, width, limit)
            for n, (_, position, _) in zip(group, targets):
                self.parts[n] = parts, position
            result.append(Combine(parts, fn, width, tuple(targets)))
        return tuple(result)

    def _work(self, top: Loop) -> SizeExpr:
        """Elements per iteration of the outer loop: the size of its first inner nest."""
        size: SizeExpr = 1
        loop: Loop | None = top
        while loop is not None:
            loop = next((c for c in loop.children if type(c) is Loop), None)
            if loop is not None:
                size = self.sizes.mul(size, loop.size, "work")
        return size

    def _title(self, nodes: Sequence[Any]) -> str:
        words = ", ".join(dict.fromkeys(n.out.name or op_label(n.op) for n in nodes if isinstance(n, Node)))
        return words if len(words) <= 70 else f"{words[:words.rfind(',', 0, 66)]}, ..."

    def _block_section(self, block: Block) -> None:
        scope = Scope(0, None)
        self._emit_block(block, scope)
        if scope.statements:
            title = self._title(block.children) or "check"
            self.sections.append(Section(title, tuple(scope.statements), tuple(self.reads), tuple(self.writes)))

    def _control_section(self, item: ScanItem | CondItem) -> None:
        scope = Scope(0, None)
        emit(self, item, scope)
        small = [b for b in {**self.reads, **self.writes} if b.place == "stack"]
        reads, writes = ([b for b in used if b not in small] for used in (self.reads, self.writes))
        self.sections.append(Section(item.name, tuple(scope.statements), tuple(reads), tuple(writes),
                                     arrays=tuple(small)))
        if isinstance(item, ScanItem) and item.count is not None:
            self.counted[item.count] = len(self.sections)

    def emit_items(self, schedule: Schedule, scope: Scope) -> None:
        """All items of a body, one after the other."""
        for item in schedule.items:
            match item:
                case Loop():
                    self.memory.new_nest()
                    self.keys.clear()
                    self.memory.merge(item)
                    self._emit_loop(item, scope)
                case Block():
                    self._emit_block(item, scope)
                case GemmCall():
                    scope.statements.append(self._gemm(item, scope))
                case DrawCall():
                    self._draw(item, scope)
                case UserCall():
                    scope.statements.append(self._user_call(item, scope))
                case ScanItem() | CondItem():
                    emit(self, item, scope)

    def _emit_block(self, block: Block, scope: Scope) -> None:
        for child in block.children:
            if isinstance(child, CheckItem):
                self._emit_check(child, scope)
            else:
                self._emit_node(child, scope)

    def _emit_check(self, item: CheckItem, scope: Scope) -> None:
        """The conditions; where one on an array does not hold, a search for the first element that is at fault."""
        if item.domain:
            valid = truth(self.value(item.conditions[0], scope))
            found = Scope(scope.level, scope, closed=True)
            self._search(item, found, 0)
            scope.statements.append(If(Fn("invert", (valid,), "bool"), tuple(found.statements)))
        elif item.within:
            self._search(item, scope, 0)
        else:
            for c in item.conditions:
                self.check(truth(self.value(c, scope)), item.error, item.message, scope, (), item.sources)

    def _search(self, item: CheckItem, scope: Scope, level: int) -> None:
        """Loops from `level` on around the check of one element."""
        if level == len(item.domain):
            condition, *values = [self.value(o, scope) for o in item.within]
            self.check(truth(condition), item.error, item.message, scope, tuple(values), item.sources)
            return
        inner = Scope(scope.level + 1, scope)
        self._search(item, inner, level + 1)
        scope.statements.append(For(LOOP_NAMES[level], 0, item.domain[level], tuple(inner.statements)))

    def check(self, condition: Expr, error: str, message: str, scope: Scope, values: tuple[Expr, ...],
              sources: tuple[int, ...] = ()) -> None:
        self.sizes.checks.append(CheckInfo(error, message, sources))
        scope.statements.append(Check(condition, len(self.sizes.checks), values))

    def _gemm_section(self, call: GemmCall) -> None:
        scope = Scope(0, None)
        scope.statements.append(self._gemm(call, scope))
        a, b = (self.memory.leaf(leaf).buffer.name for leaf in (call.a, call.b))
        out = self.memory.whole(call.out).buffer.name
        self.sections.append(Section(f"{out} = {a} times {b}", tuple(scope.statements), tuple(self.reads),
                                     tuple(self.writes), in_entry=True))

    def _gemm(self, call: GemmCall, scope: Scope) -> Any:
        self.uses_blas = True
        depth = len(call.batch)
        variables = LOOP_NAMES[:depth]
        loads, flags, steps = [], [], []
        for leaf in (call.a, call.b):
            a = self.memory.leaf(leaf)
            row, column = a.strides[-2:]
            flags.append(column != 1)
            steps.append(row if column == 1 else column)
            loads.append(Load(a.buffer, self.index(Access(a.buffer, a.strides[:depth], a.offset), scope)))
            self.reads[a.buffer] = None
        target = self.memory.whole(call.out)
        self.writes[target.buffer] = None
        out = Load(target.buffer, self.index(Access(target.buffer, target.strides[:depth], target.offset), scope))
        body: Any = Gemm(loads[0], loads[1], out, call.m, call.n, call.k, flags[0], flags[1], steps[0], steps[1])
        for size, v in reversed(list(zip(call.batch, variables))):
            body = For(v, 0, size, (body,))
        return body

    def _draw_section(self, call: DrawCall) -> None:
        scope = Scope(0, None)
        self._draw(call, scope)
        self.sections.append(Section(f"{self.memory.label(call.out)} of {call.distribution}", tuple(scope.statements),
                                     tuple(self.reads), tuple(self.writes), in_entry=True))

    def _draw(self, call: DrawCall, scope: Scope) -> None:
        row = DISTRIBUTIONS[call.distribution]
        before = self.memory.leaf(call.before)
        self.reads[before.buffer] = None
        parameters: list[Expr] = []
        for given, each, dtype in zip(call.parameters, call.each, row.parameters):
            if each and isinstance(given, Leaf):
                a = self.memory.leaf(given)
                self.reads[a.buffer] = None
                parameters.append(Load(a.buffer, self._start(a, scope)))
            else:
                parameters.append(cast(self.value(given, scope), dtype))
        made = []
        for var in (call.after, call.out):
            a = self.memory.whole(var)
            self.writes[a.buffer] = None
            made.append(Load(a.buffer, self._start(a, scope)))
        number = len(self.sizes.checks) + 1
        shown = [f"{{{k}:float}}" if dtype == "float64" else f"{{{k}}}" for k, dtype in enumerate(row.parameters)]
        for what in row.faults:
            self.sizes.checks.append(CheckInfo("BadValueError", fault(call.distribution, what, shown), call.sources))
        scope.statements.append(Draw(call.distribution, Load(before.buffer, self._start(before, scope)), made[0],
                                     made[1], call.count, tuple(parameters), number, len(row.faults)))

    def _user_section(self, call: UserCall) -> None:
        scope = Scope(0, None)
        scope.statements.append(self._user_call(call, scope))
        self.sections.append(Section(str(call.op), tuple(scope.statements), tuple(self.reads), tuple(self.writes),
                                     in_entry=True))

    def _user_call(self, call: UserCall, scope: Scope) -> Extern:
        args = [Load(a.buffer, self._start(a, scope)) for a in map(self.memory.leaf, call.args)]
        outs = [Load(a.buffer, self._start(a, scope)) for a in map(self.memory.whole, call.outs)]
        self.reads.update(dict.fromkeys([a.buffer for a in args]))
        self.writes.update(dict.fromkeys([a.buffer for a in outs]))
        shapes = [*[leaf.view.dims for leaf in call.args], *map(self.sizes.of, call.outs)]
        function: Any = snippet_of(call.op.op)
        failures: list[tuple[int | None, int]] = []
        if function is None:
            function = len(self.calls)
            self.calls.append(CallInfo(str(call.op), call.sources))
        else:
            checks = self.sizes.checks
            for code, meaning in (*function.errors, (None, "its C code returned {0}")):
                meaning = literal(meaning) if code is not None else meaning
                checks.append(CheckInfo("ExecutionError", f"CFunction {function.name} failed: {meaning}", call.sources))
                failures.append((code, len(checks)))
        return Extern(function, tuple(args), tuple(outs), tuple(shapes), tuple(failures))

    def _start(self, a: Access, scope: Scope) -> Index:
        """The first element of what lies in one piece."""
        return self.index(Access(a.buffer, (), a.offset), scope)

    # -- loops and nodes

    def _emit_loop(self, loop: Loop, scope: Scope, blocked: bool = False) -> None:
        inner = Scope(scope.level + 1, scope)
        nested = False
        for child in loop.children:
            if type(child) is Loop:
                nested = True
                self._emit_loop(child, inner)
            else:
                self._emit_node(child, inner)
        if not inner.statements:
            return
        start: Any = "lo" if blocked else 0
        stop: Any = "hi" if blocked else loop.size
        lanes = 0
        if inner.folds and not nested and not (isinstance(stop, int) and stop <= UNROLLED):
            lanes = LANES if len(inner.folds) <= 4 else LANES // 4
        long = not (isinstance(stop, int) and stop <= ROUNDS * lanes)
        rounds = ROUNDS if lanes and long and any(map(_is_single, inner.folds)) else 0
        free = scope.level >= BODY and not nested and not loop.serial
        made = For(LOOP_NAMES[loop.level], start, stop, tuple(inner.statements), tuple(inner.folds), lanes,
                   "free" if free else "", rounds)
        scope.statements.append(tiled(made, self.local_name) if nested and scope.level < BODY else made)
        for action in inner.after:
            action(scope)

    def _emit_node(self, node: Node, scope: Scope) -> None:
        match node.kind:
            case "map":
                self._finish(node, self._compute(node, scope), scope)
            case "write":
                self._emit_write(node, scope)
            case "reduce":
                self._emit_reduce(node, scope)
            case "cumulate":
                self._emit_cumulate(node, scope)
            case "argreduce":
                self._emit_argreduce(node, scope)

    def _emit_write(self, node: Node, scope: Scope) -> None:
        if node.fn == "in place":
            return
        a = self.memory.result(node)
        value = cast(self._compute(node, scope), a.buffer.dtype)
        self.writes[a.buffer] = None
        index = self.index(a, scope)
        scope.statements.append(Accumulate(a.buffer, index, "add", value) if node.fn == "inc"
                                else Store(a.buffer, index, value))

    def _finish(self, node: Node, value: Expr, scope: Scope) -> None:
        """Name the value of a node in `scope`, and store it if it has memory."""
        if not isinstance(value, (Local, Lit)):
            value = self._let(scope, self._base(node, scope.level), value)
        scope.names[node.out] = value
        if node.out in self.schedule.stored:
            a = self.memory.result(node)
            self.writes[a.buffer] = None
            scope.statements.append(Store(a.buffer, self.index(a, scope), value))
            stored = self.schedule.storage.get(node.out, node.out)
            scope.names["load", (stored, a.buffer, a.strides, a.offset)] = value

    def _base(self, node: Node, level: int) -> str:
        """What to call a node's value inside `level` loops: as its memory, by the loop, or by itself."""
        name = self.memory.label(node.out)
        return _element(name, level) if node.out in self.schedule.stored else name

    def _let(self, scope: Scope, base: str, expr: Expr, mutable: bool = False) -> Local:
        name = self.local_name(base)
        scope.statements.append(Let(name, expr, mutable))
        return Local(name, expr.dtype)

    def index(self, a: Access, scope: Scope, extra: SizeExpr = 0) -> Index:
        """An access as an index in `scope`."""
        terms = list(_terms(a.strides, LOOP_NAMES))
        offset, plus = extra, 0
        for t in a.offset:
            if isinstance(t, tuple):
                position = self._position_of(t[0], scope)
                if not isinstance(position, Local):
                    position = self._let(scope.in_body(0), "position", position)
                terms.append((t[1], position.name))
            elif isinstance(t, int):
                plus += t
            else:
                offset = self.sizes.add(offset, t, "offset")
        return Index(tuple(terms), offset + plus) if isinstance(offset, int) else Index(tuple(terms), offset, plus)

    def _position_of(self, term: Var | Lookup, scope: Scope) -> Expr:
        """A position that is computed or looked up."""
        return self.value(self.memory.lookup(term) if isinstance(term, Lookup) else Leaf(term, SCALAR(term, ())), scope)

    # -- values

    def value(self, operand: Operand, scope: Scope) -> Expr:
        """An operand's value in `scope`; loads and computations are named in the outermost loop they allow."""
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
                value = self._let(place, operand.var.name or op_label(operand.op), value)
            place.names[key] = found = value
        return found

    def _key(self, operand: Operand) -> tuple[Any, int]:
        """Equal keys, equal values; and how many loops the value depends on."""
        found = self.keys.get(operand)
        if found is None:
            found = self.keys[operand] = self._new_key(operand)
        return found

    def _new_key(self, operand: Operand) -> tuple[Any, int]:
        if not isinstance(operand, Leaf):
            keys = [self._key(o) for o in operand.operands]
            return (operand.op, *[k for k, _ in keys]), max([level for _, level in keys], default=0)
        root, view = operand.root, operand.view
        depth = self.schedule.depth
        level = max([BODY * depth.get(v, 0) for v in (root, *positions(view))])
        found = [self._key(self.memory.lookup(t)) for t in lookups(view)]
        level = max([level, *[at for _, at in found]])
        if self.memory.is_local(operand):
            node = self.schedule.node.get(root)
            return root, level + (node.available if node is not None else 0)
        if root in self.schedule.trees:                 # an Iota
            for k, axis in enumerate(view.axes, self.base + 1):
                if axis is not None:
                    level = max(level, k)
            return (root, view.axes, view.offsets), level
        if self.memory.has_no_memory(root):
            return root, 0
        a = self.memory.leaf(operand)
        for k, s in enumerate(a.strides, self.base + 1):
            if s != 0:
                level = max(level, k)
        stored = self.schedule.storage.get(root, root)
        rows = self.memory.row_level(stored)
        if rows:                                        # written in outer iterations of this very nest
            level = max(level, self.base + rows)
        # the value belongs to the key: another may have lived in the buffer before, in place
        return (stored, a.buffer, a.strides, a.offset), level

    def _leaf(self, leaf: Leaf, scope: Scope) -> Expr:
        root = leaf.root
        if root.data is not None and root.data.size == 1:
            return Lit(root.data.reshape(())[()], tensor(root).dtype)
        if self.memory.is_local(leaf):
            found = scope.find(root)
            assert found is not None, f"{root} ({root.name}) is not at hand"
            return found
        if root in self.schedule.trees:
            return self._iota(leaf, scope)
        if root in self.schedule.size_values:
            return Size(self.sizes.value(root))
        key, level = self._key(leaf)
        found = scope.find(("load", key))
        if found is None:
            level = min(level, scope.level)
            place = scope.at(level)
            a = self.memory.leaf(leaf)
            self.reads[a.buffer] = None
            found = self._let(place, self._part(leaf, a, level), Load(a.buffer, self.index(a, place)))
            place.names["load", key] = found
        return found

    def _part(self, leaf: Leaf, a: Access, level: int) -> str:
        """What to call an element that is loaded: as a body calls the part that it is in, else by its loop."""
        name = self.schedule.called.get((leaf.root, leaf.view.offsets, leaf.view.is_element()))
        if level % BODY:
            return _element(name or a.buffer.name, level)
        times = [t[0].name for t in a.offset if isinstance(t, tuple) and isinstance(t[0], Var) and t[0].name]
        return name if name and name != a.buffer.name else "_".join([a.buffer.name, *(times or "0")])

    def _iota(self, leaf: Leaf, scope: Scope) -> Expr:
        """A position: loop variables times factors plus offsets."""
        terms: list[Expr] = []
        for k, axis in enumerate(leaf.view.axes):
            if axis is not None:
                terms.append(_times(Local(LOOP_NAMES[k], "int64"), axis[1]))
        for t in leaf.view.offsets[0]:
            if isinstance(t, tuple):
                terms.append(_times(self._position_of(t[0], scope), t[1]))
            else:
                terms.append(Size(t))
        value = terms[0] if terms else Lit(0, "int64")
        for t in terms[1:]:
            value = Fn("add", (value, t), "int64")
        return value

    def _compute(self, node: Node, scope: Scope) -> Expr:
        """A node's value at one point."""
        if type(node.op) is ops.Map and node.op.fn == "position":
            return self._position(node, scope)
        if type(node.op) is ops.Reduce:
            return self.value(node.operands[0], scope)
        return self._apply(node.op, node.operands, scope)

    def _position(self, node: Node, scope: Scope) -> Expr:
        """An index from computed data: checked, negative ones counted from the end."""
        at = cast(self.value(node.operands[0], scope), "int64")
        length = Size(node.fn)
        if not isinstance(at, Local):
            at = self._let(scope, "index", at)
        self.check(inside(at, length), "IndexOutOfBoundsError", OUT_OF_BOUNDS.format("a dimension"), scope,
                   (at, length), node.sources)
        return Fn("position", (at, length), "int64")

    def _apply(self, op: ops.OpKind, operands: Sequence[Operand], scope: Scope) -> Expr:
        """One op on values in `scope`."""
        values = [self.value(o, scope) for o in operands]
        if type(op) is ops.Map:
            if op.fn == "identity":
                return values[0]
            row = get_row(op.fn)
            compute, result = row.dtypes(*[v.dtype for v in values])
            if row.rule == "select":
                return Fn(op.fn, (truth(values[0]), *[cast(v, compute) for v in values[1:]]), result)
            return Fn(op.fn, tuple([cast(v, compute) for v in values]), result)
        if type(op) is ops.Cast:
            return cast(values[0], op.dtype)
        assert type(op) is ops.Contract
        dtype = dtypes.upcast(*(v.dtype for v in values))
        return Fn("mul", tuple(cast(v, dtype) for v in values), dtype)

    # -- folds

    def _emit_reduce(self, node: Node, scope: Scope) -> None:
        """A fold ends in a local of the innermost kept loop; from there into memory if an outer axis is folded."""
        dtype = tensor(node.out).dtype
        value = cast(self._compute(node, scope), dtype)
        identity = get_row(node.fn).neutral(dtype)
        depth = len(node.domain)
        last_kept = max((p for p in range(depth) if p not in node.reduced), default=-1)
        if last_kept == depth - 1:
            self._into_memory(node, value, scope, identity)
            return
        base = self._base(node, node.available)
        name = self.local_name(base)
        fold = Fold(name, node.fn, identity, dtype)
        if _is_single(fold) and any(type(c) is Loop for c in node.path[-1].children):       # no lanes
            fold, value = Fold(name, node.fn, identity, "float64"), cast(value, "float64")
        scope.folds.append(fold)
        scope.statements.append(Update(name, node.fn, value))
        self._outwards(node, Local(name, fold.dtype), depth - 1, last_kept, scope, identity, base)

    def _outwards(self, node: Node, value: Local, level: int, last_kept: int, scope: Scope, identity: Any,
                  base: str) -> None:
        """`value` will hold the fold of the loop at `level`; go on outside it, out to the last kept axis."""

        def go_on(outer: Scope) -> None:
            dtype = tensor(node.out).dtype
            if level - 1 > last_kept:           # the next loop is folded as well
                assert outer.parent is not None
                wide = "float64" if dtype == "float32" and node.fn == "add" else dtype
                total = self._let(outer.parent, base, Lit(identity, wide), mutable=True)
                outer.statements.append(Assign(total.name, Fn(node.fn, (total, cast(value, wide)), wide)))
                self._outwards(node, total, level - 1, last_kept, outer, identity, base)
            elif min(node.reduced) < last_kept:
                self._into_memory(node, cast(value, dtype), outer, identity)
            else:
                self._result(node, cast(value, dtype), outer)

        scope.after.append(go_on)

    def _result(self, node: Node, value: Expr, scope: Scope) -> None:
        """A fold that ends in a scalar of `scope`: a part of the block, or the value."""
        if node not in self.parts:
            self._finish(node, value, scope)
            return
        parts, position = self.parts[node]
        self.writes[parts] = None
        scope.statements.append(Store(parts, Index((), position), value))

    def _into_memory(self, node: Node, value: Expr, scope: Scope, identity: Any) -> None:
        """Accumulate into the row that the outer folded loop fills; set it to the identity before that loop."""
        first = min(node.reduced)
        a = self.memory.result(node)
        position: SizeExpr = 0
        if first == 0 and node in self.parts:
            parts, position = self.parts[node]
            a = Access(parts, a.strides, a.offset)
        self.writes[a.buffer] = None
        before = scope.in_body(first)
        fill: Any = Store(a.buffer, self.index(a, before, position), Lit(identity, a.buffer.dtype))
        for p in reversed(range(first + 1, len(node.domain))):
            if p not in node.reduced:
                fill = For(LOOP_NAMES[p], 0, node.domain[p], (fill,))
        before.statements.append(fill)
        scope.statements.append(Accumulate(a.buffer, self.index(a, scope, position), node.fn, value))

    def _emit_cumulate(self, node: Node, scope: Scope) -> None:
        dtype = tensor(node.out).dtype
        assert scope.parent is not None
        total = self._let(scope.parent, "total", Lit(get_row(node.fn).neutral(dtype), dtype), mutable=True)
        value = cast(self.value(node.operands[0], scope), dtype)
        scope.statements.append(Assign(total.name, Fn(node.fn, (total, value), dtype)))
        self._finish(node, self._let(scope, "running", total), scope)

    def _emit_argreduce(self, node: Node, scope: Scope) -> None:
        """The first of equals wins, the first nan above all."""
        outer = scope.parent
        assert outer is not None
        value = self.value(node.operands[0], scope)
        dtype = value.dtype
        best = self._let(outer, "best", Lit(get_row(node.fn).neutral(dtype), dtype), mutable=True)
        where = self._let(outer, "best_at", Lit(0, "int64"), mutable=True)
        better: Expr = Fn("gt" if node.fn == "maximum" else "lt", (value, best), "bool")
        if dtype in dtypes.FLOATS:
            first_nan = Fn("and_", (Fn("isnan", (value,), "bool"),
                                    Fn("invert", (Fn("isnan", (best,), "bool"),), "bool")), "bool")
            better = Fn("or_", (better, first_nan), "bool")
        flag = self._let(scope, "better", better)
        position = Local(LOOP_NAMES[scope.level % BODY - 1], "int64")
        scope.statements.append(Assign(best.name, Fn("switch", (flag, value, best), dtype)))
        scope.statements.append(Assign(where.name, Fn("switch", (flag, position, where), "int64")))
        scope.after.append(lambda after: self._result(node, where, after))


def _terms(strides: Sequence[SizeExpr], variables: Sequence[str]) -> tuple[tuple[SizeExpr, str], ...]:
    return tuple([(s, v) for s, v in zip(strides, variables) if s != 0])


def _element(buffer: str, level: int) -> str:
    """What to call an element of a buffer inside `level` loops."""
    level %= BODY
    return f"{buffer}_{LOOP_NAMES[level - 1]}" if level else f"{buffer}_0"


def _times(value: Expr, factor: SizeExpr) -> Expr:
    return value if factor == 1 else Fn("mul", (value, Size(factor)), "int64")


def _is_small(nodes: Sequence[Node]) -> bool:
    """Are all sizes known, and few elements?"""
    total = 0
    for n in nodes:
        size = 1
        for d in n.domain:
            if not isinstance(d, int):
                return False
            size *= d
        total += size
    return total <= SMALL


def _is_single(fold: Fold) -> bool:
    """Is this a sum in float32?  Only one of products is, or of lanes."""
    return fold.dtype == "float32" and fold.row == "add"


def _cost(nodes: Sequence[Node]) -> float:
    """Nanoseconds per innermost point."""
    depth = max(len(n.domain) for n in nodes)
    return round(NANOSECONDS * sum(n.weight() for n in nodes if len(n.domain) == depth) + 0.05, 2)
