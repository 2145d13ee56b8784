"""Symbolic sizes: what each dimension of each Var is, and which sizes have to agree at run time.

In: a Program, and a rule for each op kind (`loops.dims`).  Out: `Sizes`: dims per Var (ints, or names of sizes), the
prologue that computes the named sizes from input sizes and integer scalars, and the checks.  Equal names mean equal
sizes, which is what fusion asks.

How many steps a loop ran that a step may end is known only once it has run: it and the sizes that follow from it are
*late*.  They have bounds, sizes of the usual kind, by which memory is given out.  A size that depends on other computed
data is refused (`Unsupported`), but for the number of steps of a loop that stacks nothing: no memory depends on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from gradc.errors import NoRuleError, Unsupported
from gradc.ir import dtypes, ops
from gradc.ir.program import Eqn, Program, Var
from gradc.ir.scalars import COST, get_row
from gradc.loops import nodes
from gradc.loops.nodes import Check, CheckInfo, Define, Fn, Index, Lit, Load, Size, SizeExpr
from gradc.record import fresh as new
from gradc.record import record

Dims = tuple[SizeExpr, ...]

Rules = Mapping[type, Callable[..., Any]]       # (Sizes, op, arguments) -> dims, a list of them for several results

MOST_PARTS = 40         # of a size computed in floats
OUT_OF_BOUNDS = "index {{0}} is out of bounds for {} of size {{1}}"


@record(frozen=False, eq=False)
class Region:
    """What holds only where some checks were passed: in the whole kernel, or in one branch of a Cond."""

    checks: list[Define | Check]
    same: dict[str, SizeExpr] = new(factory=dict)           # union-find: size name -> the size it must equal
    lengths: set[str] = new(factory=set)                    # sizes that can't be negative
    at_least: dict[str, int] = new(factory=dict)            # sizes known from checks


class Sizes:
    """Sizes of one Program and of the bodies in it; see the module's docstring."""

    def __init__(self, program: Program, inputs: Sequence[nodes.Buffer], names: dict[Var, str],
                 fresh: Callable[[str], str], rules: Rules) -> None:
        """`fresh` makes a name unique; `rules`: what tells the dims of the results of each op kind."""
        self.prologue: list[Define | Check] = []
        self.checks: list[CheckInfo] = []
        self.dims: dict[Var, Dims] = {}
        self.scalar: dict[Var, SizeExpr] = {}       # integer scalars known before any loop runs
        self.bodies: dict[Eqn, tuple[Program, ...]] = {}    # of each Scan and Cond, with Vars of their own
        self.steps: dict[Eqn, SizeExpr] = {}                # of each Scan, at most
        self.counted: dict[Eqn, Var] = {}                   # of Scans, their number where computed data tells it
        self.late: dict[str, Var] = {}              # the count of steps that a Scan gives -> its value
        self.late_from: dict[str, tuple[Var, ...]] = {}     # late size -> the counts it depends on
        self._bounds: dict[str, SizeExpr] = {}      # late size -> a size that is no smaller
        self._counts = {e.outs[-1]: e for e in program.eqns if type(e.op) is ops.Scan and e.op.until}
        self._region = Region(self.prologue)
        self._regions: dict[Program, Region] = {}   # of branches
        self.outside: dict[Var, Var] = {}          # input of a body -> the value it has throughout
        self._defined: dict[Any, str] = {}
        self._made: dict[str, Any] = {}             # the other way round
        self._fresh = fresh
        self._rules = rules
        self.names = names
        self._inputs = dict(zip(program.inputs, inputs))
        self.eqn: Eqn | None = None                 # the one at work
        self._producers: dict[Var, Eqn] = {}
        for var in program.inputs:
            shape = var.type.shape  # type: ignore[attr-defined]
            self.dims[var] = tuple(size if size is not None else self._fresh(f"{names[var]}_n{axis}")
                                   for axis, size in enumerate(shape))
            self._region.lengths.update(d for d in self.dims[var] if isinstance(d, str))
        self.add(program)

    def add(self, program: Program) -> None:
        """The sizes of all values of a Program, whose inputs have theirs."""
        outer = self.eqn
        self._producers.update(program.producers())
        for eqn in program.eqns:
            self.eqn = eqn
            rule = self._rules.get(type(eqn.op))
            if rule is None:
                raise NoRuleError(f"{eqn.op} has no entry in loops/dims.py")
            found = rule(self, eqn.op, eqn.args)
            # static knowledge of the type is at least as good as a name
            for out, dims in zip(eqn.outs, found if type(found) is list else [found]):
                self.dims[out] = tuple([d if s is None else s for d, s in zip(dims, out.type.shape)])  # type: ignore
        self.eqn = outer

    @contextmanager
    def region(self, branch: Program | None) -> Iterator[Region]:
        """Inside, checks are those of a branch of a Cond, and what they say holds nowhere else."""
        outer = self._region
        if branch is not None:
            found = self._regions.get(branch)
            if found is None:
                found = Region([], dict(outer.same), set(outer.lengths), dict(outer.at_least))
                self._regions[branch] = found
            self._region = found
        yield self._region
        self._region = outer

    def find(self, size: SizeExpr) -> SizeExpr:
        """The representative of a size."""
        same = self._region.same
        while isinstance(size, str) and size in same:
            size = same[size]
        return size

    def of(self, var: Var) -> Dims:
        """Sizes of a Var, representatives."""
        if not self._region.same:
            return self.dims[var]
        return tuple(self.find(d) for d in self.dims[var])

    # -- arithmetic; equal expressions get equal names

    def define(self, fn: str, args: tuple[SizeExpr, ...], base: str = "size") -> SizeExpr:
        """The size `fn(args)`, an int if it can be computed now."""
        args = tuple(self.find(a) for a in args)
        if all(isinstance(a, int) for a in args):
            return self._fold(fn, args)
        if fn in ("add", "mul"):
            args = tuple(sorted(args, key=lambda a: (isinstance(a, str), a)))
            neutral = 0 if fn == "add" else 1
            rest = tuple(a for a in args if a != neutral)
            if fn == "mul" and 0 in args:
                return 0
            if len(rest) == 1:
                return rest[0]
            if fn == "add" and len(args) == 2 and (whole := self._joined(*args) or self._joined(*args[::-1])):
                return whole
        if fn in ("maximum", "minimum") and isinstance(args[0], int):
            args = args[::-1]
        if fn == "maximum" and args[1] == 0:
            if args[0] in self._region.lengths:
                return args[0]
            args = self._at_once(args[0]), 0
        if (fn == "sub" and args[1] == 0) or (fn == "floor_divide" and args[1] == 1):
            return args[0]
        if fn == "sub" and args[0] == args[1]:
            return 0
        if fn == "sub" and (part := self._cut(args[1], args[0])) is not None:
            kind, k = part
            return self.define("minimum", (args[0], k)) if kind == "rest" else \
                self.define("maximum", (self.define("sub", (args[0], k)), 0))
        key = (fn, args)
        name = self._defined.get(key)
        if name is None:
            name = self._define(key, base, Fn(fn, tuple([Size(a) for a in args]), "int64"), args)
        known = [self.is_length(a) for a in args]
        if (fn == "maximum" and any(known)) or (fn in ("add", "mul", "minimum") and all(known)):
            self._region.lengths.add(name)
        return self.find(name)

    def _cut(self, size: SizeExpr, n: SizeExpr) -> tuple[str, int] | None:
        """("start", k) if `size` is min(n, k), that of n elements before k; ("rest", k) if max(n - k, 0)."""
        match self._made.get(size):  # type: ignore[arg-type]
            case "minimum", (whole, int(k)) if whole == n and k >= 0:
                return "start", k
            case "maximum", (rest, 0):
                match self._made.get(rest):
                    case "sub", (whole, int(k)) if whole == n and k >= 0:
                        return "rest", k
        return None

    def _joined(self, start: SizeExpr, rest: SizeExpr) -> SizeExpr | None:
        """n for min(n, k) + max(n - k, 0): both parts of n elements."""
        match self._made.get(start):  # type: ignore[arg-type]
            case "minimum", (n, int(k)) if k >= 0 and self._cut(rest, n) == ("rest", k):
                return n  # type: ignore[no-any-return]
        return None

    def _at_once(self, size: SizeExpr) -> SizeExpr:
        """n - (a + b) for max(n - a, 0) - b: their maxima with 0 are equal."""
        match self._made.get(size):  # type: ignore[arg-type]
            case "sub", (length, int(b)) if b >= 0:
                match self._made.get(length):
                    case "maximum", (before, 0):
                        match self._made.get(before):
                            case "sub", (n, int(a)) if a >= 0:
                                return self.define("sub", (n, a + b))
        return size

    def _define(self, key: Any, base: str, value: nodes.Expr, args: tuple[SizeExpr, ...]) -> str:
        """A new size `value` that depends on `args`."""
        name = self._defined[key] = self._fresh(base)
        self._made[name] = key
        self.prologue.append(Define(name, value))
        if self.late and not self.late_from.keys().isdisjoint(args):
            self.late_from[name] = tuple(dict.fromkeys(v for a in args for v in self.late_from.get(a, ())))  # type: ignore
            bound = self._bound(key[0], args)
            if bound is not None:
                self._bounds[name] = bound
        return name

    def _bound(self, fn: str, args: tuple[SizeExpr, ...]) -> SizeExpr | None:
        """A size that is not late and no smaller than `fn(args)`, if the bounds of `args` tell one."""
        bounds = [self._bounds.get(a, None if a in self.late_from else a) if isinstance(a, str) else a for a in args]
        if fn == "minimum":
            known = [b for b in bounds if b is not None]
            return self.define("minimum", tuple(known)) if len(known) > 1 else known[0] if known else None
        if fn == "sub":             # what is taken away may be as little as 0
            if bounds[0] is None or not (args[1] not in self.late_from or self.is_length(args[1])):
                return None
            return bounds[0] if args[1] in self.late_from else self.define("sub", (bounds[0], args[1]))
        if fn in ("position", "slice_start", "slice_first", "slice_count"):
            return bounds[fn == "position"]     # the length
        if fn not in ("add", "mul", "maximum", "and_", "floor_divide") or None in bounds:
            return None
        if fn != "maximum" and not all(self.is_length(a) for a in args[:1 + (fn in ("add", "mul"))]):
            return None
        return self.define(fn, tuple(bounds))  # type: ignore[arg-type]

    def bound(self, size: SizeExpr) -> SizeExpr:
        """A size that is known before any loop runs and no smaller; Unsupported if there is none."""
        size = self.find(size)
        if size not in self.late_from:
            return size
        found = self._bounds.get(size)  # type: ignore[arg-type]
        if found is None:
            raise Unsupported("a size depends on computed data, and it is not known how large it can be")
        return self.find(found)

    def is_length(self, size: SizeExpr) -> bool:
        """Is it known not to be negative?"""
        return size in self._region.lengths if isinstance(size, str) else size >= 0

    @staticmethod
    def _fold(fn: str, args: tuple[Any, ...]) -> int:
        match fn:
            case "add":
                return args[0] + args[1]
            case "sub":
                return args[0] - args[1]
            case "mul":
                return args[0] * args[1]
            case "maximum":
                return max(args)
            case "minimum":
                return min(args)
            case "and_":
                return args[0] & args[1]
            case "floor_divide":
                return args[0] // args[1] if args[1] else 0
            case "slice_start":
                return slice(args[1], None, 1).indices(args[0])[0]
        raise NoRuleError(f"no size arithmetic for {fn}")

    def product(self, sizes: Sequence[SizeExpr], base: str = "size") -> SizeExpr:
        """Product of sizes."""
        result: SizeExpr = 1
        for s in sizes:
            result = self.define("mul", (result, s), base)
        return result

    def strides(self, dims: Dims) -> Dims:
        """Strides in elements of a C-contiguous array."""
        result: list[SizeExpr] = []
        step: SizeExpr = 1
        for d in reversed(dims):
            result.append(step)
            step = self.define("mul", (step, d))
        return tuple(reversed(result))

    # -- agreement

    def check(self, condition: nodes.Expr, error: str, message: str, values: Sequence[SizeExpr]) -> None:
        """Add a run-time check to the prologue."""
        sources = self.eqn.sources if self.eqn else ()
        self.checks.append(CheckInfo(error, message, sources))
        self._region.checks.append(Check(condition, len(self.checks), tuple(Size(v) for v in values)))

    def unify(self, a: SizeExpr, b: SizeExpr, what: Callable[[], str]) -> SizeExpr:
        """Both must be equal: a check now, one representative from here on."""
        a, b = self.find(a), self.find(b)
        if a == b:
            return a
        self.check(Fn("eq", (Size(a), Size(b)), "bool"), "ShapeError", what(), (a, b))
        if isinstance(b, str) and b in self.late_from:
            a, b = b, a
        if isinstance(a, str):
            self._region.same[a] = b
            if isinstance(b, str) and a in self._region.lengths:
                self._region.lengths.add(b)
            return b
        if isinstance(b, str):
            self._region.same[b] = a
        return a

    def host(self, var: Var) -> SizeExpr:
        """The value of an integer scalar as a size; Unsupported if it depends on computed data."""
        found = self.scalar.get(var)
        if found is not None:
            return self.find(found)
        value = self._host(var)
        if value is None:
            what = "the length of arange" if self.eqn and type(self.eqn.op) is ops.Iota else "a size or index range"
            raise Unsupported(f"{what} depends on {'a float' if self._of_float(var) else 'computed data'}")
        self.scalar[var] = value
        return self.find(value)

    def _of_float(self, var: Var) -> bool:
        """Is it a float, cast to an integer?"""
        eqn = self._producers.get(var)
        return eqn is not None and type(eqn.op) is ops.Cast and eqn.args[0].type.dtype in dtypes.FLOATS  # type: ignore

    def try_host(self, var: Var) -> SizeExpr | None:
        """As `host`, but None instead of Unsupported."""
        try:
            return self.host(var)
        except Unsupported:
            return None

    def _host(self, root: Var) -> SizeExpr | None:
        stack = [root]
        while stack:
            var = stack[-1]
            if var in self.scalar:
                stack.pop()
                continue
            if var.data is not None and var.data.ndim == 0 and float(var.data).is_integer():
                self.scalar[var] = int(var.data)
                continue
            if var.type.ndim or var.type.dtype not in dtypes.DISCRETE:  # type: ignore[attr-defined]
                return None
            if var in self._inputs:
                name = self._fresh(self.names[var])
                load: nodes.Expr = Load(self._inputs[var], Index())
                if var.type.dtype != "int64":  # type: ignore[attr-defined]
                    load = Fn("cast", (load,), "int64")
                self.prologue.append(Define(name, load))
                self.scalar[var] = name
                continue
            if var in self.outside:
                outside = self.outside[var]
                if outside in self.scalar:
                    self.scalar[var] = self.scalar[outside]
                else:
                    stack.append(outside)
                continue
            if var in self._counts:
                self.scalar[var] = self._late_count(var)
                continue
            eqn = self._producers.get(var)
            if eqn is None:
                return None                     # changes from step to step
            if type(eqn.op) is ops.ShapeOf:
                self.scalar[var] = self.of(eqn.args[0])[eqn.op.axis]  # type: ignore[index]
                continue
            if type(eqn.op) is ops.Slice and len(eqn.args) == 1:
                part = self._part(eqn)
                value = self._host_element(eqn) if part is None else int(part.data.reshape(())) \
                    if part.data is not None else self.scalar.get(part)
                if value is not None:
                    self.scalar[var] = value
                elif part is None:
                    return None
                else:
                    stack.append(part)
                continue
            if type(eqn.op) is ops.Assert and all(self.try_host(c) is not None for c in eqn.args[1:]):
                size = self.try_host(eqn.args[0])       # the conditions are checked where all sizes are
                if size is None:
                    return None
                self.scalar[var] = size
                continue
            if type(eqn.op) not in (ops.Map, ops.Cast):
                return None
            if any(a.type.dtype in dtypes.FLOATS for a in eqn.args):  # type: ignore[attr-defined]
                value = self._host_float(eqn)
                if value is None:
                    return None
                self.scalar[var] = value
                continue
            missing = [a for a in eqn.args if a not in self.scalar]
            if missing:
                stack.extend(missing)
                continue
            value = self._host_equation(eqn, tuple(self.find(self.scalar[a]) for a in eqn.args))
            if value is None:
                return None
            self.scalar[var] = value
        return self.scalar[root]

    def _late_count(self, var: Var) -> str:
        """How many steps a loop ran."""
        name = self._fresh("count")
        self.late[name] = var
        self.late_from[name] = (var,)
        if self._counts[var] not in self.counted:
            self._bounds[name] = self.steps[self._counts[var]]
        self._region.lengths.add(name)
        return name

    def _whole(self, var: Var) -> Var:
        """The value outside all bodies that `var` is throughout."""
        while var in self.outside:
            var = self.outside[var]
        return var

    def _part(self, eqn: Eqn) -> Var | None:
        """What `v[k]` is, of a vector that was put together from scalars: the scalar, or a constant; k constant."""
        made = self._producers.get(self._whole(eqn.args[0]))
        at = eqn.op.items[0].at if len(eqn.op.items) == 1 else None  # type: ignore[attr-defined]
        if made is None or not isinstance(at, int):
            return None
        parts = made.args if type(made.op) is ops.Concat else (made.out,)
        if not -len(parts) <= at < len(parts) or any(p.type.shape != (1,) for p in parts):  # type: ignore[attr-defined]
            return None
        if parts[at].data is not None:
            return parts[at]
        one = self._producers.get(parts[at])
        alone = one is not None and (one.op == ops.Transpose((-1,)) or type(one.op) is ops.Broadcast)
        return one.args[0] if one is not None and alone and not one.args[0].type.ndim else None  # type: ignore

    def _host_element(self, eqn: Eqn) -> SizeExpr | None:
        """`v[k]` of an integer input vector, k constant."""
        source = self._whole(eqn.args[0])
        dtype, ndim = source.type.dtype, source.type.ndim  # type: ignore[attr-defined]
        if source not in self._inputs or dtype not in dtypes.DISCRETE or ndim != 1:
            return None
        at, (length,) = eqn.op.items[0].at, self.of(source)  # type: ignore[attr-defined]
        if not isinstance(at, int):
            return None
        position = at if at >= 0 else self.define("add", (length, at))
        load: nodes.Expr = Load(self._inputs[source], Index((), position))
        if load.dtype != "int64":
            load = Fn("cast", (load,), "int64")
        key = ("element", source, at)
        if key not in self._defined:
            if self._region.checks is not self.prologue:
                return None                     # the check would come after the load
            self.bounds_check(at, length)
            self._defined[key] = name = self._fresh("element")
            self.prologue.append(Define(name, load))
        return self._defined[key]

    def _host_float(self, eqn: Eqn) -> SizeExpr | None:
        """An integer scalar made of floats that are made of sizes: ceil(sqrt(n))."""
        parts: list[nodes.Expr] = []
        args = [self._float(a, parts) for a in eqn.args]
        if any(a is None for a in args):
            return None
        value = self._applied(eqn, args)  # type: ignore[arg-type]
        key = ("host", eqn.outs[0])
        if key not in self._defined:
            whole = value if value.dtype == "int64" else Fn("cast", (value,), "int64")
            self._define(key, "size", whole, tuple([p.size for p in parts if type(p) is Size]))
        return self._defined[key]

    def _float(self, var: Var, parts: list[nodes.Expr]) -> nodes.Expr | None:
        """A scalar as an expression of sizes; `parts`: all that it is made of, which are few."""
        dtype = var.type.dtype  # type: ignore[attr-defined]
        found: nodes.Expr | None = None
        eqn = self._producers.get(var)
        if var.type.ndim or len(parts) > MOST_PARTS:  # type: ignore[attr-defined]
            return None
        if var.data is not None:
            found = Lit(var.data.item(), dtype)
        elif dtype in dtypes.DISCRETE:
            size = self.try_host(var)
            if size is not None:
                parts.append(Size(size))
                found = parts[-1] if dtype == "int64" else Fn("cast", (parts[-1],), dtype)
        elif eqn is not None and (type(eqn.op) is ops.Cast or (
                type(eqn.op) is ops.Map and get_row(eqn.op.fn).snippet is None
                and get_row(eqn.op.fn).weight < COST["exp"])):
            args = [self._float(a, parts) for a in eqn.args]
            found = None if any(a is None for a in args) else self._applied(eqn, args)  # type: ignore[arg-type]
        if found is not None:
            parts.append(found)
        return found

    @staticmethod
    def _applied(eqn: Eqn, args: Sequence[nodes.Expr]) -> nodes.Expr:
        """A Map or Cast of scalars."""
        result = eqn.outs[0].type.dtype  # type: ignore[attr-defined]
        if type(eqn.op) is ops.Cast:
            return Fn("cast", tuple(args), result)
        row = get_row(eqn.op.fn)  # type: ignore[attr-defined]
        compute, _ = row.dtypes(*[a.type.dtype for a in eqn.args])  # type: ignore[attr-defined]
        cast = [a if a.dtype == compute or (row.rule == "select" and k == 0) else Fn("cast", (a,), compute)
                for k, a in enumerate(args)]
        return Fn(eqn.op.fn, tuple(cast), result)  # type: ignore[attr-defined]

    def _host_equation(self, eqn: Eqn, args: tuple[SizeExpr, ...]) -> SizeExpr | None:
        out = eqn.outs[0].type.dtype  # type: ignore[attr-defined]
        if out not in dtypes.DISCRETE:
            return None
        if type(eqn.op) is ops.Cast:
            if out == "int64" or (isinstance(args[0], int) and 0 <= args[0] < 128):
                return int(args[0] != 0) if out == "bool" else args[0]
            inner: nodes.Expr = Fn("cast", (Fn("cast", (Size(args[0]),), out),), "int64")
        else:
            row = get_row(eqn.op.fn)  # type: ignore[attr-defined]
            if row.snippet is not None:
                return None         # C code of a user's own has its place in sections
            if row.name in ("add", "sub", "mul", "maximum", "minimum", "floor_divide") and out == "int64":
                return self.define(row.name, args)
            if row.name == "identity":
                return args[0]
            if row.name in ("eq", "le", "ge") and args[0] == args[1]:
                return 1
            compute, result = row.dtypes(*[a.type.dtype for a in eqn.args])  # type: ignore[attr-defined]
            cast = [Size(a) if compute == "int64" else Fn("cast", (Size(a),), compute) for a in args]
            if row.rule == "select":
                cast[0] = Fn("neq", (Size(args[0]), Lit(0, "int64")), "bool")
            inner = Fn(eqn.op.fn, tuple(cast), result)  # type: ignore[attr-defined]
            if result != "int64":
                inner = Fn("cast", (inner,), "int64")
        key = ("host", eqn.outs[0])
        if key not in self._defined:
            self._define(key, "size", inner, args)
        return self._defined[key]

    # -- slices

    def bounds_check(self, at: SizeExpr, length: SizeExpr, axis: int | None = None) -> None:
        """An index `at` (negative counts from the end) must be inside an axis of `length`."""
        if isinstance(at, int):
            low = -at if at < 0 else at + 1
            if isinstance(length, int) or self._region.at_least.get(length, 0) >= low:
                return          # checked at build, or before
            self._region.at_least[length] = low
            condition: nodes.Expr = Fn("ge", (Size(length), Lit(low, "int64")), "bool")
        else:
            condition = Fn("and_", (Fn("lt", (Size(at), Size(length)), "bool"),
                                    Fn("ge", (Fn("add", (Size(at), Size(length)), "int64"), Lit(0, "int64")), "bool")),
                           "bool")
        self.check(condition, "IndexOutOfBoundsError", OUT_OF_BOUNDS.format("a dimension" if axis is None else
                                                                            f"dimension {axis}"), (at, length))

    def position(self, at: SizeExpr, length: SizeExpr) -> SizeExpr:
        """A checked index as an offset from the start."""
        self.bounds_check(at, length)
        if isinstance(at, int):
            return at if at >= 0 else self.define("add", (length, at), "position")
        return self._define_fn("position", "position", (at, length))

    def _define_fn(self, base: str, fn: str, args: tuple[SizeExpr, ...]) -> SizeExpr:
        key = (fn, args)
        if key not in self._defined:
            self._define(key, base, Fn(fn, tuple([Size(a) for a in args]), "int64"), args)
        return self._defined[key]

    def slice_range(self, start: SizeExpr | None, stop: SizeExpr | None, step: SizeExpr | None,
                    length: SizeExpr) -> tuple[SizeExpr, SizeExpr, SizeExpr]:
        """(first position, number of elements, step) of a slice, by NumPy's rules."""
        step = 1 if step is None else self.find(step)
        bounds = (start, stop, step, length)
        if all(b is None or isinstance(b, int) for b in bounds):
            r = range(*slice(start, stop, step).indices(length))  # type: ignore[arg-type, misc]
            return (r.start if len(r) else 0), len(r), step
        if step == -1 and start is None and stop is None:
            return self.define("sub", (length, 1)), length, -1
        if step == 1:
            first = 0 if start is None else self._clamp(start, length)
            plain = start is None or (isinstance(start, int) and start >= 0)
            if plain and (stop is None or (isinstance(stop, int) and stop < 0)):
                span = self.define("sub", (length, (start or 0) - (stop or 0)))  # type: ignore[operator]
            elif stop is None:
                span = self.define("minimum", (length, -start)) if isinstance(start, int) else \
                    self.define("sub", (length, first))         # start is negative: the last elements
            else:
                span = self.define("sub", (self._clamp(stop, length), first))
            return first, self.define("maximum", (span, 0), "length"), 1
        if not isinstance(step, int):
            self.check(Fn("neq", (Size(step), Lit(0, "int64")), "bool"), "ShapeError", "a slice has step 0", ())
        flags = (start is None) + 2 * (stop is None)
        args = (length, 0 if start is None else start, 0 if stop is None else stop, step, flags)
        return (self._define_fn("first", "slice_first", args), self._define_fn("length", "slice_count", args), step)

    def left_behind(self, part: tuple[SizeExpr, SizeExpr, SizeExpr], item: ops.Item, length: SizeExpr) -> SizeExpr:
        """How many elements a slice `item`, which is `part` (see `slice_range`; its step is 1), leaves at the end."""
        if item.stop is None:
            return 0
        if isinstance(item.stop, int) and item.stop < 0 and (item.start is None or isinstance(item.start, int)):
            if item.start is None or item.start >= 0:       # by a number: slices that end so leave equally many
                rest = self.define("maximum", (self.define("sub", (length, item.start or 0)), 0), "length")
                return self.define("minimum", (rest, -item.stop), "bound")
        return self.define("sub", (length, self.define("add", part[:2], "offset")), "length")

    def _clamp(self, bound: SizeExpr, length: SizeExpr) -> SizeExpr:
        bound = self.find(bound)
        if isinstance(bound, int):
            if bound >= 0:
                return 0 if bound == 0 else self.define("minimum", (bound, length), "bound")
            return self.define("maximum", (self.define("sub", (length, -bound)), 0), "bound")
        if bound == length or self._cut(bound, length) or (
                self._bounds.get(bound) == length and self.is_length(bound)):
            return bound
        return self.define("slice_start", (length, bound), "bound")


# ------------------------------------------------------------------------------------- dims per op kind
