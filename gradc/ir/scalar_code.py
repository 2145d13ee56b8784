"""Special functions, each written once: a Python function of numbers, which NumPy runs and C text is made of.

`@scalar` marks a function of float64 numbers in a small part of Python: assignments, `if`, `while`, `for` over a
`range`, `return` of a number or of some, arithmetic without `**`, comparisons, conditional expressions, and calls of
what `ir.scalar_math` has and of other such functions.  Names from outside are numbers and tuples of them: tables, of
which an element is read by a loop's variable, or all by `horner`.  `@branch_free` marks one that only
assigns and returns: it runs on whole arrays, and C compilers make vector code of it.

The interpreter calls `numpy`; generated code has `c_functions`.  So there is one text of each algorithm and table.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

import numpy as np

from gradc.errors import NoRuleError
from gradc.ir import scalar_math
from gradc.ir.scalar_math import C_TEXT

_COMPARISONS: dict[type, str] = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}
_ARITHMETIC: dict[type, str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


class ScalarFunction:
    """A function of numbers, to be run and to be translated; called, it is the Python function."""

    def __init__(self, python: Callable[..., object], branch_free: bool,
                 positive: ScalarFunction | None = None) -> None:
        self.python, self.branch_free, self.positive = python, branch_free, positive
        self.name = python.__name__
        self.__doc__, self.__module__ = python.__doc__, python.__module__

    def __call__(self, *args: Any) -> Any:
        return self.python(*args)

    def numpy(self, *args: object) -> Any:
        """Its value for arrays that broadcast: computed in float64, and rounded to their common dtype."""
        arrays = [np.asarray(a) for a in args]
        dtype = np.result_type(*arrays)
        if dtype.kind not in "fc":
            dtype = np.dtype("float64")
        work = [a.astype("complex128" if a.dtype.kind == "c" else "float64") for a in arrays]
        with np.errstate(all="ignore"):
            if self.branch_free:
                return np.asarray(self.python(*work)).astype(dtype)
            work = list(np.broadcast_arrays(*work))
            made = [self.python(*point) for point in zip(*[a.ravel() for a in work])]
            return np.array(made, dtype).reshape(work[0].shape)

    @cached_property
    def c_text(self) -> tuple[str, tuple[ScalarFunction, ...]]:
        """A C function of float64, and what else it calls."""
        made = _Translation(self)
        return made.text, tuple(made.calls)

    @property
    def c_float32(self) -> str:
        """The C function of float32: computed in float64, and rounded."""
        names = self.python.__code__.co_varnames[:self.python.__code__.co_argcount]
        return (f"static inline float gradc_{self.name}_f32({', '.join(f'float {p}' for p in names)}) "
                f"{{ return (float)gradc_{self.name}_f64({', '.join(names)}); }}")

    def __repr__(self) -> str:
        return f"ScalarFunction({self.name})"

    def __reduce__(self) -> str:
        return self.python.__qualname__


def scalar(python: Callable[..., object]) -> ScalarFunction:
    """Mark a function of float64 numbers, see the module's docstring."""
    return ScalarFunction(python, False)


def branch_free(python: Callable[..., object]) -> ScalarFunction:
    """Mark a function of float64 numbers or arrays, which only assigns and returns."""
    return ScalarFunction(python, True)


def branch_free_with(positive: ScalarFunction) -> Callable[[Callable[..., Any]], ScalarFunction]:
    """As `branch_free`; `positive` computes the same of numbers above 0, bit by bit: all that vectors of those cost."""
    return lambda python: ScalarFunction(python, True, positive)


def c_functions(functions: Iterable[ScalarFunction], used_in: str | None = None) -> list[str]:
    """The text of all of them and of what they call, each once and behind what it calls.

    Those of float32 only where the text `used_in` calls them.
    """
    made: dict[ScalarFunction, str] = {}

    def add(function: ScalarFunction) -> None:
        if function not in made:
            text, calls = function.c_text
            for called in calls:
                add(called)
            made[function] = text

    wanted = list(functions)
    for function in wanted:
        add(function)
    short = [f for f in wanted if used_in is None or f"gradc_{f.name}_f32(" in used_in]
    return [line for function, text in made.items()
            for line in [*text.split("\n"), *[function.c_float32] * (function in short), ""]]


class _Translation:
    """The C text of one function.  Kinds of expressions: "double", "bool", "int" (loop variables)."""

    def __init__(self, function: ScalarFunction) -> None:
        self.function, self.calls = function, dict[ScalarFunction, None]()
        self.outer = function.python.__globals__         # type: ignore[attr-defined]
        self.lines: list[str] = []
        self.count = 0                      # names made for parts of polynomials
        self.indent = "    "
        tree = ast.parse(textwrap.dedent(inspect.getsource(function.python))).body[0]
        assert isinstance(tree, ast.FunctionDef)
        self.parameters = [a.arg for a in tree.args.args]
        self.kinds = dict.fromkeys(self.parameters, "double")
        self.tables: dict[str, tuple[float, ...]] = {}
        self.results = 1
        body = tree.body[1:] if ast.get_docstring(tree) else tree.body
        self.block(body)
        self.text = self.whole()

    def whole(self) -> str:
        name, many = f"gradc_{self.function.name}", self.results > 1
        takes = [f"double {p}" for p in self.parameters]
        inline = "static GRADC_INLINED" if self.function.branch_free else "static inline"
        positive = self.function.positive
        head = f"{inline} {'void' if many else 'double'} {name}_{'any' if positive else 'f64'}("
        head += ", ".join(takes + [f"double *result_{k}" for k in range(self.results)] * many) + ")"
        tables = [f"    static const double {key}[] = {{\n" + textwrap.fill(
            ", ".join(map(repr, table)), 108, initial_indent="        ", subsequent_indent="        ") + "};"
            for key, table in self.tables.items()]
        names = [f"    {kind} {key}{' = 0' if kind != 'int' else ''};" for key, kind in self.kinds.items()
                 if key not in self.parameters and kind != "int"]
        lines = [head, "{", *tables, *names, *self.lines, "}"]
        if positive is not None:
            self.calls[positive] = None
            lines += [f"GRADC_LANES({name}, gradc_{positive.name}_f64)"]
        return "\n".join(lines)

    def fault(self, node: ast.AST) -> NoRuleError:
        return NoRuleError(f"{self.function.name}: `{ast.unparse(node)}` has no form in C (ir/scalar_code.py)")

    # -- statements

    def line(self, text: str) -> None:
        self.lines.append(self.indent + text)

    def block(self, body: Iterable[ast.stmt]) -> None:
        for statement in body:
            getattr(self, f"do_{type(statement).__name__.lower()}", self.unknown)(statement)

    def unknown(self, node: ast.AST) -> None:
        raise self.fault(node)

    def inner(self, head: str, body: list[ast.stmt]) -> None:
        self.line(head + " {")
        self.indent += "    "
        self.block(body)
        self.indent = self.indent[:-4]

    def assign_to(self, name: str, kind: str) -> None:
        kind = "double" if kind == "int" else kind
        if self.kinds.setdefault(name, kind) != kind:
            raise NoRuleError(f"{self.function.name}: {name} is a {self.kinds[name]}, and is given a {kind}")

    def do_assign(self, s: ast.Assign) -> None:
        target = s.targets[0]
        if isinstance(target, ast.Name):
            text, kind = self.expr(s.value)
            self.assign_to(target.id, kind)
            self.line(f"{target.id} = {text};")
            return
        assert isinstance(target, ast.Tuple)
        names = [self.name(e) for e in target.elts]
        if isinstance(s.value, ast.Call):
            for name in names:
                self.assign_to(name, "double")
            text, _ = self.expr(s.value)
            self.line(f"{text[:-1]}, {', '.join('&' + name for name in names)});")
            return
        assert isinstance(s.value, ast.Tuple)
        made = [self.expr(e) for e in s.value.elts]
        for k, (text, kind) in enumerate(made):
            self.line(f"{'{ ' * (not k)}const {kind.replace('int', 'double')} next_{k} = {text};")
        for k, (name, (_, kind)) in enumerate(zip(names, made)):
            self.assign_to(name, kind)
            self.line(f"{name} = next_{k};{' }' * (k == len(names) - 1)}")

    def name(self, node: ast.expr) -> str:
        if not isinstance(node, ast.Name):
            raise self.fault(node)
        return node.id

    def do_augassign(self, s: ast.AugAssign) -> None:
        if type(s.op) not in _ARITHMETIC:
            raise self.fault(s)
        self.line(f"{self.name(s.target)} {_ARITHMETIC[type(s.op)]}= {self.expr(s.value)[0]};")

    def do_if(self, s: ast.If) -> None:
        self.inner(f"if {self.condition(s.test)}", s.body)
        if s.orelse:
            self.inner("} else", s.orelse)
        self.line("}")

    def do_while(self, s: ast.While) -> None:
        self.inner(f"while {self.condition(s.test)}", s.body)
        self.line("}")

    def condition(self, node: ast.expr) -> str:
        """In just one pair of parentheses: compilers take two for a mistake."""
        text, _ = self.expr(node)
        return text if isinstance(node, (ast.Compare, ast.BoolOp)) or text[:2] == "(!" else f"({text})"

    def do_for(self, s: ast.For) -> None:
        if not (isinstance(s.iter, ast.Call) and isinstance(s.iter.func, ast.Name) and s.iter.func.id == "range"):
            raise self.fault(s)
        k, args = self.name(s.target), [self.whole_number(a) for a in s.iter.args]
        start, stop = args[:2] if len(args) > 1 else ("0", args[0])
        self.kinds[k] = "int"
        down = len(args) == 3
        if down and args[2] != "-1":
            raise self.fault(s)
        self.inner(f"for (int {k} = {start}; {k} {'>' if down else '<'} {stop}; {'--' if down else '++'}{k})", s.body)
        self.line("}")

    def do_return(self, s: ast.Return) -> None:
        if isinstance(s.value, ast.Tuple):
            self.results = len(s.value.elts)
            for k, e in enumerate(s.value.elts):
                self.line(f"*result_{k} = {self.expr(e)[0]};")
            self.line("return;")
        else:
            assert s.value is not None
            self.line(f"return {self.expr(s.value)[0]};")

    def do_break(self, s: ast.Break) -> None:
        self.line("break;")

    def do_continue(self, s: ast.Continue) -> None:
        self.line("continue;")

    # -- expressions, each as an operand with its kind

    def expr(self, node: ast.expr) -> tuple[str, str]:
        found = getattr(self, f"of_{type(node).__name__.lower()}", None)
        if found is None:
            raise self.fault(node)
        return found(node)  # type: ignore[no-any-return]

    def whole_number(self, node: ast.expr) -> str:
        """An expression of whole numbers: bounds of loops, positions in tables."""
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "int":
            return f"(int)({self.expr(node.args[0])[0]})"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "len":
            return str(len(self.outer[self.name(node.args[0])]))
        if isinstance(node, ast.Constant) and type(node.value) is int:
            return str(node.value)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return f"-{self.whole_number(node.operand)}"
        if isinstance(node, ast.Name) and type(self.outer.get(node.id)) is int:
            return str(self.outer[node.id])
        if isinstance(node, ast.Name) and self.kinds.get(node.id) == "int":
            return node.id
        if isinstance(node, ast.BinOp) and type(node.op) in (ast.Add, ast.Sub, ast.Mult):
            return f"({self.whole_number(node.left)} {_ARITHMETIC[type(node.op)]} {self.whole_number(node.right)})"
        raise self.fault(node)

    @staticmethod
    def literal(value: float) -> str:
        if value != value:
            return "(double)NAN"
        if abs(value) == np.inf:
            return f"({'-' * (value < 0)}(double)INFINITY)"
        return repr(float(value)) if value >= 0 else f"({float(value)!r})"

    def of_constant(self, node: ast.Constant) -> tuple[str, str]:
        if isinstance(node.value, bool):
            return str(node.value).lower(), "bool"
        if not isinstance(node.value, (int, float)):
            raise self.fault(node)
        return self.literal(node.value), "double"

    def of_name(self, node: ast.Name) -> tuple[str, str]:
        kind = self.kinds.get(node.id)
        if kind is not None:
            return (f"(double){node.id}", "double") if kind == "int" else (node.id, kind)
        value = self.outer.get(node.id)
        if not isinstance(value, (int, float)):
            raise self.fault(node)
        return self.literal(value), "double"

    def of_unaryop(self, node: ast.UnaryOp) -> tuple[str, str]:
        text, kind = self.expr(node.operand)
        if isinstance(node.op, ast.Not):
            return f"(!{text})", "bool"
        return (f"(-{text})", kind) if isinstance(node.op, ast.USub) else (text, kind)

    def of_binop(self, node: ast.BinOp) -> tuple[str, str]:
        if type(node.op) not in _ARITHMETIC:
            raise self.fault(node)
        return f"({self.expr(node.left)[0]} {_ARITHMETIC[type(node.op)]} {self.expr(node.right)[0]})", "double"

    def of_compare(self, node: ast.Compare) -> tuple[str, str]:
        values = [self.expr(e)[0] for e in (node.left, *node.comparators)]
        parts = [f"({a} {_COMPARISONS[type(op)]} {b})" for a, op, b in zip(values, node.ops, values[1:])]
        return parts[0] if len(parts) == 1 else f"({' && '.join(parts)})", "bool"

    def of_boolop(self, node: ast.BoolOp) -> tuple[str, str]:
        word = " && " if isinstance(node.op, ast.And) else " || "
        return f"({word.join([self.expr(e)[0] for e in node.values])})", "bool"

    def of_ifexp(self, node: ast.IfExp) -> tuple[str, str]:
        (test, _), (then, kind), (orelse, _) = map(self.expr, (node.test, node.body, node.orelse))
        return f"({test} ? {then} : {orelse})", kind

    def of_subscript(self, node: ast.Subscript) -> tuple[str, str]:
        key = self.name(node.value)
        self.tables[key] = self.outer[key]
        return f"{key}[{self.whole_number(node.slice)}]", "double"

    def of_call(self, node: ast.Call) -> tuple[str, str]:
        called = self.outer.get(self.name(node.func))
        if called is scalar_math.horner:
            return self.polynomial(self.outer[self.name(node.args[0])], self.expr(node.args[1])[0]), "double"
        args = [self.expr(a)[0] for a in node.args]
        if isinstance(called, ScalarFunction):
            if called is not self.function:
                self.calls[called] = None
            return f"gradc_{called.name}_f64({', '.join(args)})", "double"
        if called not in C_TEXT:
            raise self.fault(node)
        return C_TEXT[called].format(*args), "bool" if called in (scalar_math.both, scalar_math.either) else "double"

    def polynomial(self, table: tuple[float, ...], x: str) -> str:
        """By Horner's rule; a long one in halves, even and odd powers, which a CPU computes at the same time."""
        self.count += 1
        at, square = f"at_{self.count}", f"square_{self.count}"
        self.line(f"const double {at} = {x};")
        if len(table) < 6:
            return _horner(table, at)
        self.line(f"const double {square} = {at} * {at};")
        return f"GRADC_FMA_f64({_horner(table[1::2], square)}, {at}, {_horner(table[::2], square)})"


def _horner(table: tuple[float, ...], x: str) -> str:
    text = _Translation.literal(table[-1])
    for c in reversed(table[:-1]):
        text = f"GRADC_FMA_f64({text}, {x}, {_Translation.literal(c)})"
    return text
