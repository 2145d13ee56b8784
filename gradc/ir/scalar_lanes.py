"""C of functions of lanes, see `scalar_c`."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable

from gradc.ir import scalar_math
from gradc.ir.scalar_code import ScalarFunction
from gradc.ir.scalar_inline import ARITHMETIC, Inline
from gradc.ir.scalar_lives import Lives

_CHEAP = (scalar_math.fabs, scalar_math.floor, scalar_math.rint, scalar_math.select, scalar_math.horner,
          scalar_math.copysign, scalar_math.both, scalar_math.either, scalar_math.square_rest)


class Lanes(Inline):
    """The C text of a function of lanes.  `masks` has those of the blocks around a statement; `on`, the function's."""

    form = "lanes"
    types = {"double": "gradc_v", "bool": "gradc_m"}
    fma = "gradc_fma_v"

    def __init__(self, function: ScalarFunction) -> None:
        self.masks, self.loops = ["on"], list[int]()        # and where in `masks` those of loops are
        self.some_left = False                              # lanes that have their result before the end
        super().__init__(function)

    def block(self, body: Iterable[ast.stmt]) -> None:
        if body is self.body:
            self.lives = Lives(self.parameters, body)
        super().block(body)

    def whole(self) -> str:
        name = f"gradc_{self.function.name}"
        takes = [f"gradc_v {p}" for p in self.parameters]
        if self.function.inline:
            return self.function_text(f"static GRADC_INLINED gradc_v {name}_v({', '.join(takes)})")
        many = self.results > 1
        if many:
            takes += [f"gradc_v *result_{k}" for k in range(self.results)]
        head = f"static {'void' if many else 'gradc_v'} {name}_v(gradc_m on, {', '.join(takes)})"
        positive = self.function.positive
        if positive is not None:        # which is the same, and cheaper, where no lane is 0 or below, or nan
            x = self.parameters[0]
            self.calls[positive, "lanes"] = None
            self.lines[:0] = [f"    if (!gradc_some(on & ~gradc_gt({x}, gradc_splat(0))))",
                              f"        return gradc_{positive.name}_v({x});"]
        elif not many:
            self.lines[:0] = ["    gradc_v result = gradc_splat(0);", "    if (!gradc_some(on))",
                              "        return result;"]
        else:
            self.lines[:0] = ["    if (!gradc_some(on))", "        return;"]
        if not isinstance(self.body[-1], ast.Return):
            self.line("return result;")
        return self.function_text(head)

    def zero(self, kind: str) -> str:
        return "gradc_splat(0)" if kind == "double" else "gradc_eq(gradc_splat(0), gradc_splat(1))"

    # -- statements

    @property
    def mask(self) -> str:
        return self.masks[-1]

    def store(self, target: ast.expr, text: str) -> None:
        name = self.name(target)
        if self.lives.masked(target):
            text = self.keep(self.kinds[name], self.mask, text, name)
        self.line(f"{name} = {text};")

    def keep(self, kind: str, mask: str, new: str, old: str) -> str:
        if kind == "bool":
            return f"(({mask} & {new}) | (~{mask} & {old}))"
        return f"gradc_choose({mask}, {new}, {old})"

    def tuple_call(self, call: ast.Call, count: int) -> list[tuple[str, str]]:
        called = self.outer.get(self.name(call.func))
        if not isinstance(called, ScalarFunction):
            raise self.fault(call)
        args = [self.double(a) for a in call.args]
        self.count += 1
        names = [f"made_{self.count}_{k}" for k in range(count)]
        self.calls[called, "lanes"] = None
        self.line(f"gradc_v {', '.join(f'{n} = gradc_splat(0)' for n in names)};")
        self.line(f"gradc_{called.name}_v({', '.join([self.mask, *args, *[f'&{n}' for n in names]])});")
        return [(n, "double") for n in names]

    def do_augassign(self, s: ast.AugAssign) -> None:
        self.store(s.target, self.double(ast.BinOp(ast.Name(self.name(s.target), ast.Load()), s.op, s.value)))

    def opened(self, mask: str, head: str) -> None:
        self.line(head)
        self.indent += "    "
        self.masks.append(mask)

    def closed(self) -> None:
        self.masks.pop()
        self.indent = self.indent[:-4]
        self.line("}")

    def do_if(self, s: ast.If) -> None:
        condition, _ = self.expr(s.test)
        around = self.mask
        self.count += 1
        taken = f"m_{self.count}"
        self.line(f"gradc_m {taken} = {around} & {condition};")
        if s.orelse:
            self.line(f"gradc_m not_{taken} = {around} & ~{taken};")
        leaves = s.body[0]
        if isinstance(leaves, ast.Break) or (isinstance(leaves, ast.Return) and isinstance(
                leaves.value, (ast.Name, ast.Constant))):           # faster than a branch that some lane takes
            self.masks.append(taken)
            self.block(s.body)
            self.masks.pop()
        else:
            self.opened(taken, f"if (gradc_some({taken})) {{")
            self.block(s.body)
            self.closed()
        if s.orelse:
            self.opened(f"not_{taken}", f"if (gradc_some(not_{taken})) {{")
            self.block(s.orelse)
            self.closed()
        if any(isinstance(n, (ast.Return, ast.Break)) for n in ast.walk(s)):
            self.leave_if_empty()

    def leave_if_empty(self) -> None:
        """Behind what lanes left the mask in."""
        if len(self.masks) == 1:
            self.line(f"if (!gradc_some(on)) return{' result' if self.results == 1 else ''};")
        elif self.loops and self.loops[-1] == len(self.masks) - 1:
            self.line(f"if (!gradc_some({self.mask})) break;")

    def do_while(self, s: ast.While) -> None:
        self.loop("", "for (;;) {", s.test, s.body)

    def do_for(self, s: ast.For) -> None:
        if not (isinstance(s.iter, ast.Call) and isinstance(s.iter.func, ast.Name) and s.iter.func.id == "range"):
            raise self.fault(s)
        k, args = self.name(s.target), s.iter.args
        first, last = args[:2] if len(args) > 1 else (ast.Constant(0), args[0])
        down = len(args) == 3
        if down and ast.unparse(args[2]) != "-1":
            raise self.fault(s)
        words = (">", "gt") if down else ("<", "lt")
        if any(isinstance(n, ast.Call) and ast.unparse(n.func) == "int" for a in (first, last) for n in ast.walk(a)):
            self.kinds[k] = "double"                    # each lane has its own
            self.line(f"{k} = {self.double(first)};")
            goes_on = self.comparison(k, words, self.kept(last)[0])
            self.loop(f"{k} = {k} {'-' if down else '+'} 1.0", "", goes_on, s.body)
            return
        start, stop = self.whole_number(first), self.whole_number(last)
        self.kinds[k] = "int"
        step = f"{'--' if down else '++'}{k}"
        self.loop("", f"for (int {k} = {start}; {k} {words[0]} {stop}; {step}) {{", None, s.body)

    def loop(self, step: str, head: str, test: ast.expr | str | None, body: list[ast.stmt]) -> None:
        """A loop while some lane's test holds; `step` is done before each further iteration."""
        mask = self.mask
        if test is not None or any(isinstance(n, (ast.Break, ast.Return)) for s in body for n in ast.walk(s)):
            self.count += 1
            mask = f"m_{self.count}"
            self.line(f"gradc_m {mask} = {self.mask};")
        self.loops.append(len(self.masks))
        self.opened(mask, head or f"for (;; {step}) {{")
        if test is not None and not (isinstance(test, ast.Constant) and test.value is True):
            self.line(f"{mask} &= {test if isinstance(test, str) else self.expr(test)[0]};")
            self.line(f"if (!gradc_some({mask})) break;")
        self.block(body)
        self.closed()
        self.loops.pop()
        if any(isinstance(n, ast.Return) for s in body for n in ast.walk(s)):
            self.leave_if_empty()

    def do_return(self, s: ast.Return) -> None:
        if self.function.branch_free:
            return super().do_return(s)
        mask = self.mask
        if isinstance(s.value, ast.Tuple):
            self.results = len(s.value.elts)
            for k, e in enumerate(s.value.elts):
                self.line(f"*result_{k} = gradc_choose({mask}, {self.double(e)}, *result_{k});")
            if len(self.masks) == 1:
                self.line("return;")
                return None
        else:
            assert s.value is not None
            text = self.double(s.value)
            if len(self.masks) == 1:
                self.line(f"return {f'gradc_choose(on, {text}, result)' if self.some_left else text};")
                return None
            self.line(f"result = gradc_choose({mask}, {text}, result);")
        self.left(0)
        return None

    def do_break(self, s: ast.Break) -> None:
        self.left(self.loops[-1])

    def left(self, outermost: int) -> None:
        """The lanes of this block leave it, and those around it; it ends here."""
        self.some_left |= not outermost
        for mask in self.masks[outermost:-1]:
            self.line(f"{mask} &= ~{self.mask};")

    # -- expressions

    def splat(self, number: str) -> str:
        return f"gradc_splat({number})"

    def no(self, text: str) -> str:
        return f"(~{text})"

    def comparison(self, a: str, words: tuple[str, str], b: str) -> str:
        return f"gradc_{words[1]}({a}, {b})"

    def whole_number(self, node: ast.expr) -> str:
        """An expression of whole numbers: bounds of loops, positions in tables."""
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
            return f"({self.whole_number(node.left)} {ARITHMETIC[type(node.op)]} {self.whole_number(node.right)})"
        raise self.fault(node)

    def of_subscript(self, node: ast.Subscript) -> tuple[str, str]:
        key = self.name(node.value)
        self.tables[key] = self.outer[key]
        return f"{key}[{self.whole_number(node.slice)}]", "number"

    def of_ifexp(self, node: ast.IfExp) -> tuple[str, str]:
        """Both, and what is chosen; calls only if some lane takes them."""
        condition, _ = self.expr(node.test)
        if not any(isinstance(n, ast.Call) and self.outer.get(ast.unparse(n.func)) not in _CHEAP
                   for part in (node.body, node.orelse) for n in ast.walk(part)):
            (a, kind), (b, _) = self.value(node.body), self.value(node.orelse)
            return self.keep(kind, condition, a, b), kind
        self.count += 1
        taken, result = f"m_{self.count}", f"pick_{self.count}"
        self.line(f"const gradc_m {taken} = {self.mask} & {condition}, not_{taken} = {self.mask} & ~{taken};")
        at, kind = len(self.lines), "double"
        for mask, part in ((taken, node.body), (f"not_{taken}", node.orelse)):
            self.opened(mask, f"if (gradc_some({mask})) {{")
            text, kind = self.value(part)
            self.line(f"{result} = {self.keep(kind, mask, text, result)};")
            self.closed()
        self.lines.insert(at, f"{self.indent}{self.types[kind]} {result} = {self.zero(kind)};")
        return result, kind

    def chosen(self, condition: str, a: str, b: str) -> tuple[str, str]:
        return f"gradc_choose({condition}, {a}, {b})", "double"

    def call(self, called: ScalarFunction, args: list[str]) -> str:
        self.calls[called, "lanes"] = None
        return f"gradc_{called.name}_v({', '.join(args if called.inline else [self.mask, *args])})"

    def math(self, called: Callable[..., object], args: list[str]) -> str:
        """Of the lanes that are computed: libm's functions take long of numbers they have no quick form for."""
        if not (self.function.branch_free or called in _CHEAP or called is scalar_math.sqrt):
            args = [f"gradc_choose({self.mask}, {a}, gradc_splat(1))" for a in args]
        return f"gradc_{called.__name__}_v({', '.join(args)})"
