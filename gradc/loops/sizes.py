"""Sizes of a kernel: what `ir.shapes` says of its Program and of all bodies in it, and the C code that computes them.

In: a Program and the buffers of its inputs.  Out: `KernelSizes`: dimensions of each Var, ints or Symbols, which are
names of C; at the end the prologue, which computes the sizes that are used from input sizes and integer scalars, and
checks them.  Equal names mean equal sizes, which is what fusion asks.

How many steps a loop ran that a step may end is known only once it has run: it and the sizes that follow from it are
*late*.  They have bounds, sizes of the usual kind, by which memory is given out.  A size that depends on other computed
data is refused (`Unsupported`), but for the number of steps of a loop that stacks nothing: no memory depends on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from gradc.errors import Unsupported, literal
from gradc.ir import dtypes, ops
from gradc.ir.program import Eqn, Program, Var
from gradc.ir.routines import get_routine
from gradc.ir.scalars import COST, get_row
from gradc.ir.shapes import OUT_OF_BOUNDS, Args, Known, Shapes
from gradc.ir.sizes import Dim, Dims, Region, Symbol, parts
from gradc.loops import nodes
from gradc.loops.nodes import Check, CheckInfo, Define, Fn, Index, Lit, Load, Size

MOST_PARTS = 40         # of a size computed in floats
ANY_NUMBER = 1 << 62    # of steps: more than are ever run
INLINE = 3              # levels of a size that is used once are written where it is used


class KernelSizes(Shapes):
    """Sizes of one Program and of the bodies in it; see the module's docstring."""

    def __init__(self, program: Program, inputs: Sequence[nodes.Buffer], names: dict[Var, str],
                 fresh: Callable[[str], str]) -> None:
        """`fresh` makes a name unique; `names` are those of the inputs."""
        super().__init__(fresh)
        self.names = names
        self.checks: list[CheckInfo] = []
        self.bodies: dict[Eqn, tuple[Program, ...]] = {}    # of each Scan and Cond, with Vars of their own
        self.most_steps: dict[Eqn, Dim] = {}                # of each Scan
        self.counted: dict[Eqn, Var] = {}                   # of Scans, their number where computed data tells it
        self.late: dict[Symbol, Var] = {}                   # the count of steps that a Scan gives -> its value
        self._counts = {e.outs[-1]: e for e in program.eqns if type(e.op) is ops.Scan and e.op.until}
        self._inputs = dict(zip(program.inputs, inputs))
        self._regions: dict[Program, Region] = {}           # of branches
        self._code: dict[Symbol, nodes.Expr] = {}           # what computes an atom
        self._numbers: dict[Any, int] = {}                  # of checks
        self._emitted: set[Symbol] = set()
        self._everywhere = self.region
        for var in program.inputs:
            self.input(var)
        self.enter(program)

    def enter(self, program: Program) -> None:
        """Enter all values of a Program, whose inputs have their sizes."""
        outer = self.eqn
        for eqn in program.eqns:
            self.note(eqn)
        self.eqn = outer

    def own_size(self, var: Var, axis: int) -> Dim:
        if var in self._inputs:
            return self.term("shape", (var, axis), f"{self.names[var]}_n{axis}")
        assert self.eqn is not None
        if type(self.eqn.op) is ops.Call:
            raise Unsupported(f"sizes of what {self.eqn.op} returns are known only when it has; an infer_shape would "
                              f"tell them")
        raise Unsupported(f"the branches of {self.eqn.op} give results of different sizes")

    def name(self, var: Var) -> str:
        return self.names.get(var) or "a result"

    def stating(self, op: ops.Call) -> str:
        code = get_routine(op.routine).snippet      # the cache's key knows no names of users' Ops but of C code
        return str(op) if code is not None else super().stating(op)

    # -- scalars that are sizes

    def try_value(self, var: Var) -> Dim | None:
        """As `value`, but None instead of Unsupported: of what depends on computed data."""
        try:
            return self.value(var)
        except Unsupported:
            return None

    def is_told(self, op: ops.Assert, args: Args) -> bool:
        return all(self.try_value(c) is not None for c in op.split(args)[1])    # checked where all sizes are

    def atom(self, var: Var) -> Dim:
        code: nodes.Expr | None = None
        if var in self._inputs and var.type.dtype in dtypes.DISCRETE:
            code = Load(self._inputs[var], Index())
        elif var in self._counts:
            found = self.term("value", (var,), "count")
            self.late[found] = var
            self.region.at_least[found] = 0
            self._everywhere.at_least[found] = 0
            return found
        elif (eqn := self.producer.get(var)) is not None:
            if type(eqn.op) is ops.Slice:
                code = self._element_code(eqn)
            elif type(eqn.op) in (ops.Map, ops.Cast) and var.type.dtype in dtypes.DISCRETE:
                if eqn.op in (ops.Map("eq"), ops.Map("le"), ops.Map("ge")) and self._same_scalars(*eqn.args):
                    return 1
                code = self._scalar(var, [], True)
        if code is None:
            what = "the length of arange" if self.eqn and type(self.eqn.op) is ops.Iota else "a size or index range"
            raise Unsupported(f"{what} depends on {'a float' if self._of_float(var) else 'computed data'}")
        made = self.term("value", (var,), self.names.get(var) or "size")
        self._code[made] = code if code.dtype == "int64" else Fn("cast", (code,), "int64")
        return made

    def _of_float(self, var: Var) -> bool:
        """Is it a float, cast to an integer?"""
        eqn = self.producer.get(var)
        return eqn is not None and type(eqn.op) is ops.Cast and eqn.args[0].type.dtype in dtypes.FLOATS

    def _same_scalars(self, a: Var, b: Var) -> bool:
        if not {a.type.dtype, b.type.dtype} <= set(dtypes.INTEGERS):
            return False
        return self.value(a) == self.value(b)

    def _scalar(self, var: Var, made: list[nodes.Expr], top: bool = False) -> nodes.Expr | None:
        """A scalar as an expression of sizes, floats in between included; `made`: all parts of it, which are few."""
        dtype = var.type.dtype
        eqn = self.producer.get(var)
        found: nodes.Expr | None = None
        if var.type.ndim or len(made) > MOST_PARTS:
            return None
        if var.data is not None:
            found = Lit(var.data.item(), dtype)
        elif dtype in dtypes.DISCRETE and not top:
            size = self.try_value(var)
            if size is not None:
                found = Size(size) if dtype == "int64" else Fn("cast", (Size(size),), dtype)
        elif eqn is not None and self._is_cheap(eqn):
            args = [self._scalar(a, made) for a in eqn.args]
            if None not in args:
                found = _applied(eqn, args)  # type: ignore[arg-type]
        if found is not None:
            made.append(found)
        return found

    @staticmethod
    def _is_cheap(eqn: Eqn) -> bool:
        """May a prologue compute it?  (C code of a user's own has its place in sections.)"""
        if type(eqn.op) is not ops.Map:
            return type(eqn.op) is ops.Cast
        row = get_row(eqn.op.fn)
        return row.snippet is None and (row.weight < COST["exp"] or all(
            a.type.dtype in dtypes.DISCRETE for a in eqn.args))

    def _element_code(self, eqn: Eqn) -> nodes.Expr | None:
        """`v[k]` of an integer input vector, k constant."""
        source = self.whole(eqn.args[0])
        dtype, ndim = source.type.dtype, source.type.ndim
        at = eqn.op.items[0].at if len(eqn.op.items) == 1 else None
        if source not in self._inputs or dtype not in dtypes.DISCRETE or ndim != 1 or not isinstance(at, int):
            return None
        if self.region is not self._everywhere:
            return None                     # the check would come after the load
        (n,) = self.of(source)
        self.check_position(at, n, 0)
        return Load(self._inputs[source], Index((), self.position(at, n)))

    # -- late sizes

    def late_in(self, size: Dim) -> tuple[Var, ...]:
        """The counts of steps that a size depends on."""
        if not self.late or type(size) is int:
            return ()
        return tuple(dict.fromkeys(self.late[s] for s in self._parts(size) if s in self.late))

    def bound(self, size: Dim) -> Dim:
        """A size that is known before any loop runs and no smaller; Unsupported if there is none."""
        found = self._bound(self.find(size))
        if found is None:
            raise Unsupported("a size depends on computed data, and it is not known how large it can be")
        return found

    def _bound(self, size: Dim) -> Dim | None:
        if not self.late_in(size):
            return size
        assert isinstance(size, Symbol)
        fn, args = size.fn, size.args
        if fn == "value":
            eqn = self._counts.get(args[0])
            return None if eqn is None or eqn in self.counted else self.most_steps[eqn]
        if fn == "sum":
            total: Dim = args[0]
            for f, s in args[1]:
                if f < 0 and self.late_in(s):       # what is taken away may be as little as 0
                    if not self.is_length(s):
                        return None
                    continue
                part = self._bound(s)
                if part is None:
                    return None
                total = self.add(total, self.mul(part, f))
            return total
        if fn in ("slice_start", "slice_first", "slice_count"):
            return self._bound(args[0])
        if fn == "position":
            return self._bound(args[1])
        bounds = [self._bound(a) for a in args]
        if fn == "minimum":
            known = [b for b in bounds if b is not None]
            return self.minimum(known[0], known[-1]) if known else None
        if None in bounds or (fn in ("product", "quotient") and not all(map(self.is_length, args))) \
                or (fn == "quotient" and self.late_in(args[1])):
            return None
        return self.product(bounds) if fn == "product" else getattr(self, fn)(*bounds)  # type: ignore

    def _simpler(self, a: Symbol, b: Symbol) -> bool:
        late = bool(self.late_in(a)), bool(self.late_in(b))
        return late[0] < late[1] if late[0] != late[1] else super()._simpler(a, b)

    # -- what the rules ask

    def check_position(self, at: Any, n: Dim, axis: int) -> None:
        """An index (negative counts from the end) must be inside; a computed one is checked where it is used."""
        if isinstance(at, Var):
            at = self.try_value(at)
            if at is None:
                return
        text = OUT_OF_BOUNDS.format(f"dimension {axis}")
        if isinstance(at, int):
            self.at_least(n, -at if at < 0 else at + 1, "IndexOutOfBoundsError",
                          lambda: text.replace("{0}", str(at)).replace("{1}", "{0}"))
        else:
            self.constrain("inside", at, n, "IndexOutOfBoundsError", lambda: text)

    def must_equal(self, a: Dim, b: Dim, error: str, message: Callable[[], str]) -> None:
        if a != b:
            self.constrain("equal", a, b, error, message)

    def asserted(self, op: ops.Assert, args: Args) -> None:
        """Conditions on sizes and integer inputs are checked here, before anything that relies on them."""
        _, conditions, shown = op.split(args)
        values = tuple([None if v.type.ndim or v.type.dtype not in dtypes.DISCRETE else self.try_value(v)
                        for v in shown])
        if None in values:
            return
        message = op.message if op.shown else literal(op.message)
        for c in conditions:
            value = None if c.type.ndim else self.try_value(c)
            if value is not None and (not isinstance(value, int) or value == 0):
                self.constrain("not_zero", value, 0, ops.ASSERT_ERRORS[op.error], lambda: message,
                               values)  # type: ignore[arg-type]

    def enough(self, rows: Dim, steps: Dim, message: Callable[[], str]) -> None:
        if self.eqn in self.counted:
            return
        short = self.lower(self.sub(rows, steps))
        if short is None or short < 0:
            self.constrain("no_less", rows, steps, "ShapeError", message)

    def steps(self, op: ops.Scan, number: Var) -> Dim:
        if op.n_stacked or self.try_value(number) is not None:
            steps = self.maximum(super().steps(op, number), 0, "steps")
        else:
            self.counted[self.eqn] = number
            steps = ANY_NUMBER
        self.most_steps[self.eqn] = steps
        return steps

    # -- bodies: each gets Vars of its own, and keeps its sizes

    def loop(self, op: ops.Scan, given: Sequence[Dims], args: Args, others: Args) -> Sequence[Known]:
        eqn, what = self.eqn, literal(str(op))
        body = _instance(op.body, eqn.sources)
        self.bodies[eqn] = (body,)
        self._enter(what, args[len(args) - len(given):], given, body)
        self.outside.update(zip(body.inputs[op.n_seqs + op.n_carries:], others))
        self.enter(body)
        self.eqn = eqn
        carries = body.inputs[op.n_seqs:op.n_seqs + op.n_carries]
        for k, (before, after) in enumerate(zip(carries, body.outputs)):
            for axis, (a, b) in enumerate(zip(self.of(before), self.of(after))):
                self.unify(a, b, lambda k=k, axis=axis: (  # type: ignore[misc]
                    f"{what}: the size of dimension {axis} of carry {k} is {{0}} before a step and {{1}} after it; a "
                    f"carry keeps its shape"))
        return [self.of(v) for v in body.outputs]

    def branches(self, op: ops.Cond, given: Sequence[Dims], inputs: Args) -> Sequence[Known]:
        """What a branch asks of sizes is checked if the branch is taken."""
        eqn = self.eqn
        branches = tuple([_instance(b, eqn.sources) for b in (op.then, op.orelse)])
        self.bodies[eqn] = branches
        found = []
        for branch in branches:
            with self.branch(branch):
                self._enter(literal(str(op)), inputs, given, branch)
                self.outside.update(zip(branch.inputs, inputs))
                self.enter(branch)
                found.append([self.of(v) for v in branch.outputs])
        self.eqn = eqn
        for dims, branch in zip(found, reversed(branches)):     # those of one branch, as the other one sees them
            with self.branch(branch):
                if all(self.equal(a, b) for a, b in zip(*found)):
                    return dims
        return [None] * len(eqn.outs)

    @contextmanager
    def branch(self, branch: Program) -> Iterator[Region]:
        """Inside, checks are those of a branch of a Cond, and what they say holds nowhere else."""
        with self.inside(self._regions.get(branch)) as region:
            self._regions[branch] = region
            yield region

    def _enter(self, what: str, args: Args, given: Sequence[Dims], body: Program) -> None:
        """The inputs of a body are (rows of) `args`."""
        for arg, dims, var in zip(args, given, body.inputs):
            if arg.name or arg in self.names:
                self.names.setdefault(var, var.name or self.names.get(arg) or arg.name or "")
            self.dims[var] = tuple([
                d if s is None else self.unify(d, s, lambda: f"{what}: a size is {{0}}, not {{1}}")
                for d, s in zip(dims, var.type.shape)])

    # -- the prologue

    def constrain(self, kind: str, a: Dim, b: Dim, error: str, message: Callable[[], str], shown: Dims = ()) -> None:
        key = (kind, a, b)
        if key in self.region.told:
            return
        self.region.told.add(key)
        super().constrain(kind, a, b, error, message, shown)
        sources = self.eqn.sources if self.eqn else ()
        self.checks.append(CheckInfo(error, message(), sources))
        self._numbers[self.region.constraints[-1]] = len(self.checks)

    def prologue(self, used: set[Symbol]) -> tuple[Define | Check, ...]:
        """The statements that compute the sizes `used`, and that check what all of the Program asks of sizes."""
        inside = [c for region in self._regions.values() for c in region.constraints]
        roots = [d for c in (*self._everywhere.constraints, *inside) for d in (c.a, c.b, *c.shown)]
        wanted = {s for s in (*used, *roots) if isinstance(s, Symbol)}
        counts: dict[Symbol, int] = dict.fromkeys(wanted, 2)
        for size in self._closure(wanted):
            for s in self._direct(size):
                counts[s] = counts.get(s, 0) + 1
        written = _Writer(self, {s for s, n in counts.items() if n > 1})
        for c in self._everywhere.constraints:
            written.check(c, self._numbers[c])
        for size in sorted(wanted, key=lambda s: s.number):
            written.define(size)
        return tuple(written.statements)

    def checks_of(self, region: Region) -> tuple[Check, ...]:
        """The checks of a branch."""
        return tuple([_check(c, self._numbers[c]) for c in region.constraints])

    def _direct(self, size: Symbol) -> list[Symbol]:
        """The sizes that a size is computed from."""
        if size.fn == "value":
            return _sizes_in(self._code.get(size))
        if size.fn == "shape":
            return []
        return [s for s in ([t for _, t in size.args[1]] if size.fn == "sum" else size.args) if isinstance(s, Symbol)]

    def _closure(self, sizes: set[Symbol]) -> set[Symbol]:
        seen: set[Symbol] = set()
        stack = list(sizes)
        while stack:
            s = stack.pop()
            if s not in seen:
                seen.add(s)
                stack.extend(self._direct(s))
        return seen

    def _parts(self, size: Dim) -> set[Symbol]:
        """As `parts`, what atoms are computed from included."""
        return self._closure(set(parts(size)))


class _Writer:
    """Writes sizes in an order in which each is there when it is used."""

    def __init__(self, sizes: KernelSizes, named: set[Symbol]) -> None:
        self.sizes = sizes
        self.named = named
        self.done: set[Symbol] = set()
        self.statements: list[Define | Check] = []

    def check(self, c: Any, number: int) -> None:
        for d in (c.a, c.b, *c.shown):
            self.define(d)
        self.statements.append(_check(c, number))

    def define(self, root: Dim) -> None:
        """The Define of a size, after those of what it is computed from."""
        stack: list[Any] = [root]
        while stack:
            size = stack[-1]
            if type(size) is int or size in self.done or size.fn == "shape" or size in self.sizes.late:
                stack.pop()
                continue
            expr, waiting = self.expression(size, INLINE)
            missing = [s for s in waiting if s not in self.done and s.fn != "shape" and s not in self.sizes.late]
            if missing:
                stack += missing
                continue
            stack.pop()
            self.done.add(size)
            self.statements.append(Define(size, expr))

    def expression(self, size: Symbol, depth: int) -> tuple[nodes.Expr, list[Symbol]]:
        """A size by what it is computed from, and those of these that have names."""
        waiting: list[Symbol] = []

        def part(d: Dim) -> nodes.Expr:
            if type(d) is int or d in self.named or not depth or d.fn in ("shape", "value"):  # type: ignore[union-attr]
                if isinstance(d, Symbol):
                    waiting.append(d)
                return Size(d)
            inner, more = self.expression(d, depth - 1)  # type: ignore[arg-type]
            waiting.extend(more)
            return inner

        fn, args = size.fn, size.args
        if fn == "value":
            code = self.sizes._code[size]
            return code, _sizes_in(code)
        if fn == "sum":
            return _sum(args[0], args[1], part), waiting
        if fn == "product":
            total = part(args[0])
            for s in args[1:]:
                total = Fn("mul", (total, part(s)), "int64")
            return total, waiting
        if fn == "align":
            up = Fn("add", (part(args[0]), Lit(args[1] - 1, "int64")), "int64")
            return Fn("and_", (up, Lit(-args[1], "int64")), "int64"), waiting
        row = "floor_divide" if fn == "quotient" else fn
        return Fn(row, tuple([part(a) for a in args]), "int64"), waiting


def _sum(constant: int, terms: Sequence[tuple[int, Symbol]], part: Callable[[Dim], nodes.Expr]) -> nodes.Expr:
    """constant + factor * size + ..., what is added before what is taken away."""
    total: nodes.Expr | None = None
    for f, s in sorted(terms, key=lambda term: term[0] < 0):
        x = part(s) if abs(f) == 1 else Fn("mul", (Lit(abs(f), "int64"), part(s)), "int64")
        if total is None:
            total = x if f > 0 else Fn("sub", (Lit(constant, "int64"), x), "int64")
            constant = constant if f > 0 else 0
        else:
            total = Fn("add" if f > 0 else "sub", (total, x), "int64")
    assert total is not None
    if not constant:
        return total
    return Fn("add" if constant > 0 else "sub", (total, Lit(abs(constant), "int64")), "int64")


def _check(c: Any, number: int) -> Check:
    """A constraint as a statement; a and b are handed on where its message shows them."""
    a, b = Size(c.a), Size(c.b)
    zero = Lit(0, "int64")
    values: tuple[nodes.Expr, ...] = (a, b)
    match c.kind:
        case "equal":
            condition: nodes.Expr = Fn("eq", (a, b), "bool")
        case "no_less":
            condition = Fn("ge", (a, b), "bool")
        case "at_least":
            condition = Fn("gt", (a, zero), "bool") if c.b == 1 else Fn("ge", (a, Lit(c.b, "int64")), "bool")
            values = (a,)
        case "inside":
            condition = inside(a, b)
        case "not_zero":
            condition, values = Fn("neq", (a, zero), "bool"), tuple([Size(d) for d in c.shown])
    if "{0}" not in c.message():
        values = ()
    if all(isinstance(d, int) for d in (c.a, c.b)):
        condition = Lit(_holds(c.kind, c.a, c.b), "bool")
    return Check(condition, number, values)


def _holds(kind: str, a: int, b: int) -> bool:
    return {"equal": a == b, "no_less": a >= b, "at_least": a >= b, "inside": -b <= a < b, "not_zero": a != 0}[kind]


def inside(at: nodes.Expr, n: nodes.Expr) -> nodes.Expr:
    """Is an index (negative counts from the end) inside an axis of n?"""
    return Fn("and_", (Fn("lt", (at, n), "bool"), Fn("ge", (Fn("add", (at, n), "int64"), Lit(0, "int64")), "bool")),
              "bool")


def _applied(eqn: Eqn, args: Sequence[nodes.Expr]) -> nodes.Expr:
    """A Map or Cast of scalars."""
    result = eqn.outs[0].type.dtype
    if type(eqn.op) is ops.Cast:
        return Fn("cast", tuple(args), result)
    row = get_row(eqn.op.fn)
    compute, _ = row.dtypes(*[a.type.dtype for a in eqn.args])
    cast = [a if a.dtype == compute or (row.rule == "select" and k == 0) else Fn("cast", (a,), compute)
            for k, a in enumerate(args)]
    return Fn(eqn.op.fn, tuple(cast), result)


def _sizes_in(expr: nodes.Expr | None) -> list[Symbol]:
    """The Symbols of an expression."""
    found: list[Symbol] = []
    stack = [expr]
    while stack:
        e = stack.pop()
        if type(e) is Size and isinstance(e.size, Symbol):
            found.append(e.size)
        elif type(e) is Load and isinstance(e.index.offset, Symbol):
            found.append(e.index.offset)
        elif type(e) is Fn:
            stack.extend(e.args)
    return found


def _instance(program: Program, sources: tuple[int, ...]) -> Program:
    """A body with Vars of its own (it may be the body of several loops); what fails in it fails at `sources`, too."""
    own: dict[Var, Var] = {}

    def copy(v: Var) -> Var:
        own[v] = Var(v.number, v.type, v.data, v.name)
        return own[v]

    inputs = [copy(v) for v in program.inputs]
    eqns = [Eqn(e.op, tuple([own[a] for a in e.args]), tuple([copy(v) for v in e.outs]), e.sources + sources)
            for e in program.eqns]
    return Program(inputs, eqns, [own[v] for v in program.outputs])
