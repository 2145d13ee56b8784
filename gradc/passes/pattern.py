"""Rules as data: patterns written with Python operators, and their compilation into a dispatch table.

    x = var("x")
    Rule("log_one_plus_x", r.log(1 + x), r.log1p(x), why="...")

Here: the pattern nodes, `Rule`, and `Table`, which finds the rules that can fire at an equation by the op
of the equation and the ops of its arguments' producers, so that equations without a rule cost one dictionary
look-up.  Not here: the driver (`rewrite.py`) and the rules (`canonicalize.py`, `stabilize.py`, ...).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from gradc.errors import InternalError
from gradc.ir import dtypes, infer, ops
from gradc.ir.program import Var
from gradc.ir.scalars import get_row
from gradc.ir.types import TensorType, Type
from gradc.record import record

if TYPE_CHECKING:
    from gradc.passes.rewrite import Rewriter

Kind: TypeAlias = Any            # of an equation: an op kind, or the row of a Map; None where there is none
Sample: TypeAlias = "Var | Sequence[Var]"
Args = Sequence[Var]        # arguments of an equation that a structural rule looks at


def result_type(op: ops.OpKind, args: Args) -> Type:
    """The type of `op(*args)`, an op with one result."""
    return infer.output_types(op, args)[0]


def matrix(b: Rewriter, dtype: str = "float64", shape: tuple[int | None, ...] = (None, None)) -> Var:
    """An input for samples."""
    return b.input(TensorType(dtype, shape))


# ------------------------------------------------------------------------------------------------ patterns


def _operators(fn: str) -> tuple[Callable[[Pattern, Pattern | float], Applied],
                                 Callable[[Pattern, Pattern | float], Applied]]:
    """The operator that writes the row `fn`, and the one with its operands exchanged."""
    return (lambda self, other: Applied(fn, (self, lift(other))),
            lambda self, other: Applied(fn, (lift(other), self)))


class Pattern:
    """Base of pattern nodes; Python operators build `Applied` nodes."""

    __slots__ = ()

    __add__, __radd__ = _operators("add")
    __sub__, __rsub__ = _operators("sub")
    __mul__, __rmul__ = _operators("mul")
    __truediv__, __rtruediv__ = _operators("true_divide")
    __pow__ = _operators("pow")[0]

    def __neg__(self) -> Applied:
        return Applied("neg", (self,))


# Plain classes: each dataclass would cost a millisecond of `import gradc`.


class Any_(Pattern):
    """Matches every Var; the same name must match the same Var."""

    __slots__ = __match_args__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


class Scalar(Pattern):
    """Matches a 0-d constant of any value, under a name."""

    __slots__ = __match_args__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


class Number(Pattern):
    """Matches the 0-d constant of this value (with the sign of a zero)."""

    __slots__ = __match_args__ = ("value",)

    def __init__(self, value: float) -> None:
        self.value = value


class Applied(Pattern):
    """Matches `Map(fn)` of matching arguments; commutative rows in either order."""

    __slots__ = __match_args__ = ("fn", "args")

    def __init__(self, fn: str, args: tuple[Pattern, ...]) -> None:
        self.fn = fn
        self.args = args


def lift(value: Pattern | float) -> Pattern:
    """A pattern from a pattern or a number."""
    return value if isinstance(value, Pattern) else Number(value)


def var(name: str) -> Any_:
    """A pattern variable."""
    return Any_(name)


def scalar(name: str) -> Scalar:
    """A pattern variable for 0-d constants."""
    return Scalar(name)


class _RowPatterns:
    """`r.exp(x)`: the pattern of the row `exp`."""

    __slots__ = ()

    def __getattr__(self, fn: str) -> Callable[..., Applied]:
        if fn.startswith("__"):
            raise AttributeError(fn)
        return lambda *args: Applied(fn, tuple(lift(a) for a in args))


r = _RowPatterns()

# Wildcard among roots: every Map.
ANY_MAP = "map of any row"


@record(eq=False)
class On:
    """The `before` of a structural rule: which equations it looks at.

    `roots`: op kinds, row names, or ANY_MAP.  `first`, `second`: the producer of that argument must be one of
    these (op kind or row name); `some`: that of one of the (first three) arguments; `every`: that of each of
    them.  Empty: no condition.  `needs`: the rule can't fire in a Program without an equation of one of these.
    """

    roots: tuple[Kind, ...]
    first: tuple[Kind, ...] = ()
    second: tuple[Kind, ...] = ()
    some: tuple[Kind, ...] = ()
    every: tuple[Kind, ...] = ()
    needs: tuple[Kind, ...] = ()


@record(eq=False)
class Rule:
    """`before` may be replaced by `after`.

    before   a pattern, or `On(...)` for a structural rule
    after    a pattern, or for `On` a function (rewriter, op, args) -> Var, or None where it does not apply
    when     (rewriter, name -> Var) -> bool, a further condition of a pattern
    exact    are all values equal to the last bit, nan, inf and the sign of zero included?
    why      a sentence where exact is False, and the source where it is not evident
    dtype    "float": all equations of the pattern have one float dtype; "int"; "any": one dtype of any kind
    sample   makes example Programs for the test: (Builder) -> Var; patterns are sampled without
    ulps     bound of the test where exact is False
    """

    name: str
    before: Any
    after: Any
    when: Callable[..., bool] | None = None
    exact: bool = True
    why: str = ""
    dtype: str = "float"
    sample: Callable[..., Sample] | tuple[Callable[..., Sample], ...] | None = None
    ulps: float = 4.0

    def __post_init__(self) -> None:
        if not self.exact and not self.why:
            raise InternalError(f"the rule {self.name} is inexact without a sentence that says why it may be")


    def possible(self, present: Collection[Kind]) -> bool:
        """Can this rule fire in a Program whose equations are of the kinds `present`, before any other rule has?"""
        if isinstance(self.before, On):
            needs, roots = self.before.needs, self.before.roots
            return ((not needs or any(k in present for k in needs))
                    and (ANY_MAP in roots or any(k in present for k in roots)))
        work = [self.before]
        while work:
            p = work.pop()
            if isinstance(p, Applied):
                if p.fn not in present:
                    return False
                work.extend(p.args)
        return True


# ---------------------------------------------------------------------------------------------- kinds
# The kind of a Var: the row name for results of Map, "#<value>" for the 0-d constants named below, "#" for other
# 0-d constants, else the op class; None for inputs.

_NAMED = {0.0: "#0", 1.0: "#1", -1.0: "#-1", 2.0: "#2", 0.5: "#0.5"}
CONSTANT_KINDS = frozenset({"#", *_NAMED.values()})


def kind_of(op: ops.OpKind) -> Any:
    """The kind of what `op` makes."""
    cls = type(op)
    if cls is ops.Map:
        return op.fn  # type: ignore[attr-defined]
    if cls is ops.Const:
        data = op.value.data  # type: ignore[attr-defined]
        if data.ndim:
            return ops.Const
        return _NAMED.get(float(data), "#") if data.dtype.kind in "fiu" else "#"
    return cls


def _accepts(pattern: Pattern, kind: Kind) -> bool:
    match pattern:
        case Applied(fn):
            return kind == fn
        case Scalar():
            return kind in CONSTANT_KINDS
        case Number(value):
            return kind == _NAMED.get(value, "#")
    return True


# ------------------------------------------------------------------------------------------ compilation
_CALL, _SAME, _NUMBER, _SCALAR = range(4)
Step = tuple[int, int, Any]


def orders(pattern: Pattern) -> list[Any]:
    """`pattern` with the arguments of commutative rows in every order that can occur.

    Constants stand first in Programs (canonical order), so they do in patterns.
    """
    if not isinstance(pattern, Applied):
        return [pattern]
    choices: list[tuple[Kind, ...]] = [()]
    for a in pattern.args:
        choices = [c + (o,) for c in choices for o in orders(a)]
    result: list[object] = []
    for c in choices:
        if get_row(pattern.fn).commutative and len(c) == 2:
            constant = [isinstance(a, (Number, Scalar)) for a in c]
            if constant[1] and not constant[0]:
                result.append(Applied(pattern.fn, c[::-1]))
                continue
            result.append(Applied(pattern.fn, c))
            if not constant[0] and not (isinstance(c[0], Any_) and isinstance(c[1], Any_)):
                result.append(Applied(pattern.fn, c[::-1]))
        else:
            result.append(Applied(pattern.fn, c))
    return result


def _steps(root: Applied) -> tuple[list[Step], dict[str, int]]:
    steps: list[Step] = []
    names: dict[str, int] = {}
    slots: list[Pattern] = list(root.args)
    k = 0
    while k < len(slots):
        match slots[k]:
            case Any_(name):
                if name in names:
                    steps.append((_SAME, k, names[name]))
                else:
                    names[name] = k
            case Scalar(name):
                steps.append((_SCALAR, k, None))
                if name in names:
                    steps.append((_SAME, k, names[name]))
                else:
                    names[name] = k
            case Number(value):
                steps.append((_NUMBER, k, value))
            case Applied(fn, args):
                steps.append((_CALL, k, fn))
                slots.extend(args)
        k += 1
    # cheap tests first would reorder slots; CALL steps must run in slot order, which they do
    return steps, names


def _dtype_fits(want: str, dtype: str) -> bool:
    return want == "any" or dtype in (dtypes.FLOATS if want == "float" else dtypes.INTEGERS)


def compile_pattern(rule: Rule, root: Applied) -> Callable[..., Var | None]:
    """The function (rewriter, op, args) -> Var or None that tries `rule` in one order of its pattern."""
    steps, names = _steps(root)
    when, after, want = rule.when, rule.after, rule.dtype
    row = get_row(root.fn)

    def attempt(b: Rewriter, op: ops.OpKind, args: Args) -> Var | None:
        vals = list(args)
        producer = b.producer
        sources = b.sources
        compute, dtype = row.dtypes(*[a.type.dtype for a in args])
        if dtype != compute or not _dtype_fits(want, dtype):
            return None
        for code, slot, x in steps:
            v = vals[slot]
            if code == _CALL:
                eqn = producer.get(v)
                if eqn is None or type(eqn.op) is not ops.Map or eqn.op.fn != x or v.type.dtype != dtype \
                        or get_row(x).dtypes(*[a.type.dtype for a in eqn.args])[0] != dtype:
                    return None
                vals.extend(eqn.args)
                if eqn.sources != sources:
                    sources = tuple(dict.fromkeys(sources + eqn.sources))
            elif code == _SAME:
                if v is not vals[x]:
                    return None
            elif code == _NUMBER:
                d = v.data
                if d is None or d.ndim or d != x or (x == 0 and d.dtype.kind == "f" and
                                                     str(d).startswith("-") != str(x).startswith("-")):
                    return None
            elif v.data is None or v.data.ndim:
                return None
        env = {name: vals[slot] for name, slot in names.items()}
        if when is not None and not when(b, **env):
            return None
        b.sources = sources
        return build(b, after, env, dtype)

    return attempt


def build(b: Rewriter, pattern: Pattern, env: dict[str, Var], dtype: str) -> Var:
    """The Var of `pattern` with its variables replaced, in dtype `dtype` throughout."""
    match pattern:
        case Any_(name) | Scalar(name):
            return b.cast(env[name], dtype)
        case Number(value):
            return b.constant(value, dtype)
        case Applied(fn, args):
            return b.map(fn, *[build(b, a, env, dtype) for a in args])
    raise InternalError(f"{pattern!r} can't stand in the right-hand side of a rule")


Attempt = Callable[..., "Var | None"]


class Table:
    """Rules by what they look at; `find(signature)` is memoised.

    A signature of a Map is (row name, kind of each argument), and for two arguments, whether they are the same
    Var; of other ops (op class, kinds of up to three arguments).  An entry is (rule, attempt).
    """

    __slots__ = ("_compiled", "_ranked", "memo", "rules")

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)
        self.memo: dict[Kind, tuple[tuple[Rule, Attempt], ...]] = {}
        self._ranked: dict[Kind, list[tuple[int, Rule]]] = {}
        self._compiled: dict[Kind, list[tuple[int, Rule, Callable[[Sequence[Kind]], bool], Attempt]]] = {}
        names: set[str] = set()
        for rank, rule in enumerate(self.rules):
            if rule.name in names:
                raise InternalError(f"two rules are called {rule.name}")
            names.add(rule.name)
            for root in rule.before.roots if isinstance(rule.before, On) else (rule.before.fn,):
                self._ranked.setdefault(root, []).append((rank, rule))

    def _entries(self, root: Kind) -> list[tuple[int, Rule, Callable[[Sequence[Kind]], bool], Attempt]]:
        """The rules of one root, compiled when the root is first met."""
        found = self._compiled.get(root)
        if found is None:
            found = self._compiled[root] = []
            for rank, rule in self._ranked.get(root, ()):
                if isinstance(rule.before, On):
                    found.append((rank, rule, _structural(rule.before), rule.after))
                else:
                    found += [(rank, rule, _elementwise(order), compile_pattern(rule, order))
                              for order in orders(rule.before)]
        return found

    def find(self, signature: tuple[Kind, ...]) -> tuple[tuple[Rule, Attempt], ...]:
        """The rules that may fire at an equation of this signature, in order."""
        candidates = list(self._entries(signature[0]))
        if not isinstance(signature[0], type):
            candidates += self._entries(ANY_MAP)
        found = tuple([(rule, attempt) for _, rule, fits, attempt in sorted(candidates, key=lambda c: c[0])
                       if fits(signature[1:])])
        self.memo[signature] = found
        return found


def _structural(on: On) -> Callable[[Sequence[Kind]], bool]:
    def fits(kinds: Sequence[Kind]) -> bool:
        if kinds and isinstance(kinds[-1], bool):
            kinds = kinds[:-1]
        return ((not on.first or (bool(kinds) and kinds[0] in on.first))
                and (not on.second or (len(kinds) > 1 and kinds[1] in on.second))
                and (not on.some or any(k in on.some for k in kinds))
                and (not on.every or (bool(kinds) and all(k in on.every for k in kinds))))
    return fits


def _elementwise(order: Applied) -> Callable[[Sequence[Kind]], bool]:
    args = order.args
    same = len(args) == 2 and isinstance(args[0], Any_) and isinstance(args[1], Any_) and args[0].name == args[1].name

    def fits(kinds: Sequence[Kind]) -> bool:
        return all(_accepts(a, k) for a, k in zip(args, kinds)) and (not same or kinds[2])
    return fits
