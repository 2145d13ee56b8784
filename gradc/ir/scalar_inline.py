"""C of branch-free functions of doubles, see `scalar_c`."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterable

from gradc.errors import NoRuleError
from gradc.ir import scalar_math
from gradc.ir.scalar_code import ScalarFunction
from gradc.ir.scalar_math import C_TEXT

_COMPARISONS: dict[type, tuple[str, str]] = {
    ast.Lt: ("<", "lt"), ast.LtE: ("<=", "le"), ast.Gt: (">", "gt"), ast.GtE: (">=", "ge"), ast.Eq: ("==", "eq"),
    ast.NotEq: ("!=", "ne")}
ARITHMETIC: dict[type, str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


class Inline:
    """The C text of a branch-free function of doubles.

    Kinds of expressions: "double", "bool", "int" (loop variables), "number" (the same in all lanes).
    """

    form = "alone"
    types = {"double": "double", "bool": "bool"}

    def __init__(self, function: ScalarFunction) -> None:
        self.function, self.calls = function, dict[tuple[ScalarFunction, str], None]()
        self.outer = function.python.__globals__         # type: ignore[attr-defined]
        self.lines: list[str] = []
        self.count = 0                      # names made for parts
        self.indent = "    "
        tree = ast.parse(textwrap.dedent(inspect.getsource(function.python))).body[0]
        assert isinstance(tree, ast.FunctionDef)
        self.parameters = list(function.parameters)
        self.kinds = dict.fromkeys(self.parameters, "double")
        self.tables: dict[str, tuple[float, ...]] = {}
        self.results = 1
        self.body = tree.body[1:] if ast.get_docstring(tree) else tree.body
        self.block(self.body)
        self.text = self.whole()

    def whole(self) -> str:
        takes = ", ".join(f"double {p}" for p in self.parameters)
        return self.function_text(f"static GRADC_INLINED double gradc_{self.function.name}_f64({takes})")

    def function_text(self, head: str) -> str:
        """A C function of what was translated."""
        tables = [f"    static const double {key}[] = {{\n" + textwrap.fill(
            ", ".join(map(repr, table)), 108, initial_indent="        ", subsequent_indent="        ") + "};"
            for key, table in self.tables.items()]
        names = [f"    {self.types[kind]} {key} = {self.zero(kind)};" for key, kind in self.kinds.items()
                 if key not in self.parameters and kind != "int"]
        return "\n".join([head, "{", *tables, *names, *self.lines, "}"])

    def zero(self, kind: str) -> str:
        return "0"

    def fault(self, node: ast.AST) -> NoRuleError:
        return NoRuleError(f"{self.function.name}: `{ast.unparse(node)}` has no form in C (ir/scalar_c.py)")

    # -- statements

    def line(self, text: str) -> None:
        self.lines.append(self.indent + text)

    def block(self, body: Iterable[ast.stmt]) -> None:
        for statement in body:
            getattr(self, f"do_{type(statement).__name__.lower()}", self.unknown)(statement)

    def unknown(self, node: ast.AST) -> None:
        raise self.fault(node)

    def assign_to(self, name: str, kind: str) -> None:
        if self.kinds.setdefault(name, kind) != kind:
            raise NoRuleError(f"{self.function.name}: {name} is a {self.kinds[name]}, and is given a {kind}")

    def do_assign(self, s: ast.Assign) -> None:
        target = s.targets[0]
        if isinstance(target, ast.Name):
            text, kind = self.value(s.value)
            self.assign_to(target.id, kind)
            self.store(target, text)
            return
        assert isinstance(target, ast.Tuple)
        made = self.tuple_call(s.value, len(target.elts)) if isinstance(s.value, ast.Call) else \
            [self.kept(e) for e in s.value.elts] if isinstance(s.value, ast.Tuple) else []
        for e, (text, kind) in zip(target.elts, made, strict=True):
            self.assign_to(self.name(e), kind)
            self.store(e, text)

    def kept(self, e: ast.expr) -> tuple[str, str]:
        """An expression's value, in a variable of its own."""
        text, kind = self.value(e)
        self.count += 1
        self.line(f"const {self.types[kind]} kept_{self.count} = {text};")
        return f"kept_{self.count}", kind

    def tuple_call(self, call: ast.Call, count: int) -> list[tuple[str, str]]:
        raise self.fault(call)

    def store(self, target: ast.expr, text: str) -> None:
        self.line(f"{self.name(target)} = {text};")

    def name(self, node: ast.expr) -> str:
        if not isinstance(node, ast.Name):
            raise self.fault(node)
        return node.id

    def do_return(self, s: ast.Return) -> None:
        assert s.value is not None
        self.line(f"return {self.double(s.value)};")

    # -- expressions, each as an operand with its kind

    def expr(self, node: ast.expr) -> tuple[str, str]:
        found = getattr(self, f"of_{type(node).__name__.lower()}", None)
        if found is None:
            raise self.fault(node)
        return found(node)  # type: ignore[no-any-return]

    def value(self, node: ast.expr) -> tuple[str, str]:
        """An expression of kind double or bool."""
        text, kind = self.expr(node)
        return (self.splat(text), "double") if kind == "number" else (text, kind)

    def double(self, node: ast.expr) -> str:
        return self.value(node)[0]

    def splat(self, number: str) -> str:
        """A number in all lanes."""
        return number

    def literal(self, value: float) -> str:
        if value != value:
            return "(double)NAN"
        if abs(value) == float("inf"):
            return f"({'-' * (value < 0)}(double)INFINITY)"
        return repr(float(value)) if value >= 0 else f"({float(value)!r})"

    def of_constant(self, node: ast.Constant) -> tuple[str, str]:
        if isinstance(node.value, bool) or not isinstance(node.value, (int, float)):
            raise self.fault(node)
        return self.literal(node.value), "number"

    def of_name(self, node: ast.Name) -> tuple[str, str]:
        kind = self.kinds.get(node.id)
        if kind is not None:
            return (f"(double){node.id}", "number") if kind == "int" else (node.id, kind)
        value = self.outer.get(node.id)
        if not isinstance(value, (int, float)):
            raise self.fault(node)
        return self.literal(value), "number"

    def of_unaryop(self, node: ast.UnaryOp) -> tuple[str, str]:
        text, kind = self.expr(node.operand)
        if isinstance(node.op, ast.Not):
            return self.no(text), "bool"
        return (f"(-{text})", kind) if isinstance(node.op, ast.USub) else (text, kind)

    def no(self, text: str) -> str:
        return f"(!{text})"

    def of_binop(self, node: ast.BinOp) -> tuple[str, str]:
        if type(node.op) not in ARITHMETIC:
            raise self.fault(node)
        (a, of_a), (b, of_b) = self.expr(node.left), self.expr(node.right)
        return f"({a} {ARITHMETIC[type(node.op)]} {b})", "number" if of_a == of_b == "number" else "double"

    def of_compare(self, node: ast.Compare) -> tuple[str, str]:
        values = [self.double(e) for e in (node.left, *node.comparators)]
        parts = [self.comparison(a, _COMPARISONS[type(op)], b) for a, op, b in zip(values, node.ops, values[1:])]
        return parts[0] if len(parts) == 1 else f"({' & '.join(parts)})", "bool"

    def comparison(self, a: str, words: tuple[str, str], b: str) -> str:
        return f"({a} {words[0]} {b})"

    def of_boolop(self, node: ast.BoolOp) -> tuple[str, str]:
        word = " & " if isinstance(node.op, ast.And) else " | "
        return f"({word.join([self.expr(e)[0] for e in node.values])})", "bool"

    def of_call(self, node: ast.Call) -> tuple[str, str]:
        called = self.outer.get(self.name(node.func))
        if called is scalar_math.horner:
            return self.polynomial(self.outer[self.name(node.args[0])], self.double(node.args[1])), "double"
        if called is scalar_math.select:
            return self.chosen(*[self.expr(a)[0] if k == 0 else self.double(a) for k, a in enumerate(node.args)])
        if called in (scalar_math.both, scalar_math.either):
            return C_TEXT[called].format(*[self.expr(a)[0] for a in node.args]), "bool"
        args = [self.double(a) for a in node.args]
        if self.name(node.func) == "int":
            return self.math(scalar_math.floor, args), "double"
        if isinstance(called, ScalarFunction):
            return self.call(called, args), "double"
        if called not in C_TEXT:
            raise self.fault(node)
        return self.math(called, args), "double"

    def chosen(self, condition: str, a: str, b: str) -> tuple[str, str]:
        return f"gradc_select_f64({condition}, {a}, {b})", "double"

    def call(self, called: ScalarFunction, args: list[str]) -> str:
        self.calls[called, "alone"] = None
        return f"gradc_{called.name}_f64({', '.join(args)})"

    def math(self, called: Callable[..., object], args: list[str]) -> str:
        return C_TEXT[called].format(*args)

    fma = "GRADC_FMA_f64"

    def polynomial(self, table: tuple[float, ...], x: str) -> str:
        """By Horner's rule; a long one in two or four parts, of every second or fourth power: a CPU has them in flight
        at the same time."""
        self.count += 1
        at, square, fourth = (f"{word}_{self.count}" for word in ("at", "square", "fourth"))
        self.line(f"const {self.types['double']} {at} = {x};")
        if len(table) < 6:
            return self.horner(table, at)
        self.line(f"const {self.types['double']} {square} = {at} * {at};")
        if len(table) < 10:
            return f"{self.fma}({self.horner(table[1::2], square)}, {at}, {self.horner(table[::2], square)})"
        self.line(f"const {self.types['double']} {fourth} = {square} * {square};")
        low, high = [f"{self.fma}({self.horner(table[k + 1::4], fourth)}, {at}, {self.horner(table[k::4], fourth)})"
                     for k in (0, 2)]
        return f"{self.fma}({high}, {square}, {low})"

    def horner(self, table: tuple[float, ...], x: str) -> str:
        text = self.splat(self.literal(table[-1]))
        for c in reversed(table[:-1]):
            text = f"{self.fma}({text}, {x}, {self.splat(self.literal(c))})"
        return text
