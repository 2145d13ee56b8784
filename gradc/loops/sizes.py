"""Sizes of a kernel: what `ir.shapes` says of its Program and of all bodies in it, and the C code that computes them.

In: a Program and the buffers of its inputs.  Out: `KernelSizes`: dimensions of each Var, ints or Symbols, which are
names of C; at the end the statements that compute the sizes that are used and check them.  Equal names mean equal
sizes, which is what fusion asks.

Sizes of inputs and integer inputs are known at the start, and what follows from them: the prologue computes it.  Any
other integer that is a size, and sizes that only a result tells (a user's Op, a Cond whose branches differ, rows of a
Scan), are *late*: an item of the schedule defines them where they are known, at a *point*.  What follows from them is
computed and checked there.  Some have a bound, which is known at the start and no smaller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from gradc.errors import literal
from gradc.ir import dtypes, ops
from gradc.ir.facts import reads
from gradc.ir.program import Eqn, Program, Var
from gradc.ir.routines import get_routine
from gradc.ir.scalars import COST, get_row
from gradc.ir.shapes import OUT_OF_BOUNDS, Args, Known, Shapes
from gradc.ir.sizes import Constraint, Dim, Dims, Region, Symbol, parts
from gradc.loops import nodes
from gradc.loops.nodes import Check, CheckInfo, Define, Fn, Index, Lit, Load, Size
from gradc.loops.size_code import SizeWriter, check_of, sizes_in

MOST_PARTS = 40         # of a size computed in floats
Point = tuple[int, int]     # where sizes are known: how many bodies stand around, and a number that grows
START: Point = (-1, 0)


class _Late(Exception):
    """A value is not known at the start, which alone is asked for."""


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
        self.late: dict[Symbol, Var] = {}                   # a late size -> what tells it
        self.told_by: dict[Var, list[Symbol]] = {}          # and the other way round
        self.points: dict[Symbol, Point] = {}               # a late size -> where it is defined; set by the schedule
        self.levels: dict[Region, int] = {}                 # of branches; set by the schedule
        self._order: dict[Var, int] = {}                    # of what was noted so far
        self._given: dict[Var, tuple[int, ...]] = {}        # input of a body -> equations that it comes of
        self._start_only = False
        self._places: dict[Symbol, Point] = {}
        self._counts = {e.outs[-1]: e for e in program.eqns if type(e.op) is ops.Scan and e.op.until}
        self._inputs = dict(zip(program.inputs, inputs))
        self._regions: dict[Program, Region] = {}           # of branches
        self._code: dict[Symbol, nodes.Expr] = {}           # what computes an atom
        self._numbers: dict[object, int] = {}                  # of checks
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
        found = self.term("shape", (var, axis), f"{self.names.get(var) or var.name or 'result'}_n{axis}")
        return found if var in self._inputs else self._told(found, var)

    def _told(self, size: Symbol, var: Var) -> Symbol:
        """A size that `var` tells when it is there."""
        if size not in self.late:
            self.late[size] = var
            self.told_by.setdefault(var, []).append(size)
        return size

    def note(self, eqn: Eqn) -> None:
        super().note(eqn)
        for out in eqn.outs:
            self._order[out] = len(self._order)

    def naming(self) -> Callable[[Var], str]:
        def name(var: Var) -> str:
            eqn = self.producer.get(var)
            if var not in self.names and eqn is not None and type(eqn.op) is ops.Assert:
                return name(eqn.args[0])            # positions that were checked are the user's index array
            return self.names.get(var) or "a result"

        return name

    def stating(self, op: Any) -> str:
        code = get_routine(op.routine).snippet      # the cache's key knows no names of users' Ops but of C code
        return str(op) if code is not None else super().stating(op)

    # -- scalars that are sizes

    def try_value(self, var: Var) -> Dim | None:
        """As `value`, but None if it is not known at the start."""
        before, self._start_only = self._start_only, True
        try:
            found = self.value(var)
        except _Late:
            return None
        finally:
            self._start_only = before
        return None if self.late_in(found) else found

    def at_start(self, var: Var) -> bool:
        """Is it a size that is known at the start?"""
        return var in self.values and not self.late_in(self.value(var))

    def is_told(self, op: ops.Assert, args: Args) -> bool:
        return all(self.try_value(c) is not None for c in op.split(args)[1])    # checked where all sizes are

    def atom(self, var: Var) -> Dim:
        code: nodes.Expr | None = None
        if var in self._inputs and var.type.dtype in dtypes.DISCRETE:
            code = Load(self._inputs[var], Index())
        elif (eqn := self.producer.get(var)) is not None:
            if reads(eqn.op) is not None:
                code = self._element_code(eqn)
            elif type(eqn.op) in (ops.Map, ops.Cast) and var.type.dtype in dtypes.DISCRETE:
                if eqn.op in (ops.Map("eq"), ops.Map("le"), ops.Map("ge")) and self._same_scalars(*eqn.args):
                    return 1
                code = self._scalar(var, [], True)
        if code is None and self._start_only:
            raise _Late
        name = self.names.get(var) or var.name or ("count" if var in self._counts else "size")
        made = self.term("value", (var,), name)
        if code is None:
            if var in self._counts:
                self.region.at_least[made] = self._everywhere.at_least[made] = 0
            return self._told(made, var)
        self._code[made] = code if code.dtype == "int64" else Fn("cast", (code,), "int64")
        return made

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

    def late_in(self, size: Dim) -> list[Symbol]:
        """The late sizes that a size depends on."""
        if not self.late or type(size) is int:
            return []
        return [s for s in self._parts(size) if s in self.late]

    def any_late(self, dims: Dims) -> bool:
        return any(map(self.late_in, dims))

    def level(self, sizes: Sequence[object]) -> int:
        """How many bodies are around where sizes are known (others than sizes may be among them)."""
        return max([self.points[s][0] for d in sizes if isinstance(d, Symbol) for s in self.late_in(d)], default=0)

    def place(self, size: Dim) -> Point:
        """The point at which a size is known; when all is scheduled."""
        if not self.late or type(size) is int:
            return START
        found = self._places.get(size)  # type: ignore[arg-type]
        if found is None:
            found = max([self.points[s] for s in self.late_in(size)], default=START)
            self._places[size] = found  # type: ignore[index]
        return found

    def sources_of(self, var: Var) -> tuple[int, ...]:
        """The equations behind a value."""
        eqn = self.producer.get(var)
        return self._given.get(var, ()) if eqn is None else eqn.sources

    def set_point(self, size: Symbol, level: int) -> Point:
        """A late size is defined next, with `level` bodies around."""
        self.points[size] = level, len(self.points) + 1
        return self.points[size]

    def bound(self, size: Dim) -> Dim | None:
        """A size that is known at the start and no smaller, if there is one."""
        return self._bound(self.find(size))

    def _bound(self, size: Dim) -> Dim | None:
        if not self.late_in(size):
            return size
        assert isinstance(size, Symbol)
        fn, args = size.fn, size.args
        if fn == "value":
            eqn = self._counts.get(args[0])
            return None if eqn is None else self._bound(self.find(self.most_steps[eqn]))
        if fn == "shape":
            return None
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
        known = [max([self._order.get(self.late[s], len(self._order)) for s in self.late_in(x)], default=-1)
                 for x in (a, b)]
        return known[0] < known[1] if known[0] != known[1] else super()._simpler(a, b)

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
        short = self.lower(self.sub(rows, steps))
        if short is None or short < 0:
            self.constrain("no_less", rows, steps, "ShapeError", message)

    def steps(self, op: ops.Scan, number: Var) -> Dim:
        steps = self.most_steps[self.eqn] = self.maximum(super().steps(op, number), 0, "steps")
        return steps

    # -- bodies: each gets Vars of its own, and keeps its sizes

    def loop(self, op: ops.Scan, given: Sequence[Dims], args: Args, others: Args) -> Sequence[Known]:
        eqn, what, outside = self.eqn, literal(str(op)), len(self._order)
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
        return [self._seen_outside(self.of(v), outside) for v in body.outputs]

    def _seen_outside(self, dims: Dims, outside: int) -> Known:
        """`dims` of a result of a body, None where only it tells them; outside: so much was noted before the body."""
        return [None if any(self._order.get(self.late[s], outside) >= outside for s in self.late_in(d)) else d
                for d in dims]

    def branches(self, op: ops.Cond, given: Sequence[Dims], inputs: Args) -> Sequence[Known]:
        """What a branch asks of sizes is checked if the branch is taken."""
        eqn, outside = self.eqn, len(self._order)
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
        known: list[list[Dim | None]] = [[None] * len(dims) for dims in found[0]]
        for own, other, branch in zip(found, reversed(found), reversed(branches)):      # as the other branch sees them
            with self.branch(branch):
                for dims, a, b in zip(known, own, other):
                    for k, d in enumerate(self._seen_outside(a, outside) or ()):
                        if dims[k] is None and d is not None and self.equal((d,), (b[k],)):
                            dims[k] = d
        return known

    @contextmanager
    def branch(self, branch: Program) -> Iterator[Region]:
        """Inside, checks are those of a branch of a Cond, and what they say holds nowhere else."""
        with self.inside(self._regions.get(branch)) as region:
            self._regions[branch] = region
            yield region

    def _enter(self, what: str, args: Args, given: Sequence[Dims], body: Program) -> None:
        """The inputs of a body are (rows of) `args`."""
        for arg, dims, var in zip(args, given, body.inputs):
            self._order[var] = len(self._order)
            self._given[var] = self.eqn.sources
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

    def known_at(self, point: Point, used: set[object]) -> list[Define | Check]:
        """The statements at a point: they compute the sizes `used` that are known there, and check what is asked of
        them.  What they need of sizes known before is added to `used`.
        """
        checks = [c for c in self._everywhere.constraints if self._place_of(c) == point]
        for region, level in self.levels.items():
            checks += [c for c in region.constraints if level <= point[0] and self._place_of(c) == point]
        used.update(d for c in checks for d in (c.a, c.b, *c.shown))
        wanted = {s for s in used if isinstance(s, Symbol) and self.place(s) == point}
        counts: dict[Symbol, int] = dict.fromkeys(wanted, 2)
        for size in self._closure(wanted):
            for s in self._direct(size):
                counts[s] = counts.get(s, 0) + 1

        def here(size: Symbol) -> bool:
            return size.fn != "shape" and size not in self.late and self.place(size) == point

        written = SizeWriter(self._code, here, {s for s, n in counts.items() if n > 1})
        for c in checks:
            written.check(c, self._numbers[c])
        for size in sorted(wanted, key=lambda s: s.number):
            written.define(size)
        used |= written.before
        return written.statements

    def _place_of(self, c: Constraint) -> Point:
        return max(map(self.place, (c.a, c.b, *c.shown)))

    def checks_of(self, branch: Program) -> tuple[Check, ...]:
        """The checks of a branch that can be made at its start."""
        region = self._regions[branch]
        return tuple([check_of(c, self._numbers[c]) for c in region.constraints
                      if self._place_of(c)[0] < self.levels[region]])

    def _direct(self, size: Symbol) -> list[Symbol]:
        """The sizes that a size is computed from."""
        if size.fn == "value":
            return sizes_in(self._code.get(size))
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
