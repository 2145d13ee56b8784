"""Kernel -> one C translation unit.

Shape of the file: a comment with the Program, one function (or two, for nests cut into blocks) per section,
`gradc_prepare` and `gradc_entry`.  The text is a function of the Kernel alone: no ids, dates, paths or set order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gradc.codegen.names import C_TYPE, safe
from gradc.codegen.printer import Printer, _bare
from gradc.ir.scalars import get_row
from gradc.loops import nodes
from gradc.loops.nodes import Blocks, Buffer, Combine, Define, Fn, For, Gemm, Kernel, Load, Section, Size, SizeExpr

LARGE_UNIT = 1500       # statements: from here on -O2, which vectorises the same loops in half the time


@dataclass(frozen=True, slots=True)
class CUnit:
    """The text and what the caller needs to know of it."""

    text: str
    constants: tuple[Any, ...]
    checks: tuple[nodes.CheckInfo, ...]
    sections: int
    uses_blas: bool
    optimize: str


def generate(kernel: Kernel) -> CUnit:
    """The C text of a Kernel."""
    return _Unit(kernel).build()


class _Unit:
    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.functions: list[str] = []
        self.entry: list[str] = []
        self.needed: dict[str, None] = {}       # sizes that sections and the entry use
        self.statement_count = 0

    def build(self) -> CUnit:
        k = self.kernel
        for number, section in enumerate(k.sections, 1):
            self.section(number, section)
        for out in k.outputs:
            for d in out.shape:
                self.need(d)
        self.need(k.arena_bytes)
        parts = [self.header(), *self.measure(), *self.functions, *self.prepare(), *self.entry_function()]
        return CUnit("\n".join(parts) + "\n", tuple(data for _, data in k.constants), k.checks, len(k.sections),
                     k.uses_blas, "-O2" if self.statement_count > LARGE_UNIT else "-O3")

    def need(self, size: SizeExpr) -> None:
        if isinstance(size, str):
            self.needed[size] = None

    # -- file skeleton

    def header(self) -> str:
        lines = [f"/* gradc  function: {_comment(self.kernel.name)}", " *"]
        lines += [f" * {_comment(t)}" for t in self.kernel.program_text.splitlines()]
        lines += [" */", "#include <gradc_runtime.h>", "#include <gradc_sizes.h>", "#include <gradc_math.h>", ""]
        return "\n".join(lines)

    def measure(self) -> list[str]:
        """The function that computes all sizes, and the struct it fills."""
        if not self.kernel.prologue and not self.needed:
            return []
        lines = []
        if self.needed:
            lines.append("typedef struct {")
            lines += [f"    int64_t {safe(n)};" for n in self.needed]
            lines += ["} sizes;", ""]
            lines.append("/* Sizes from the inputs' shapes and integer scalars; checks that they fit. */")
            lines.append("static int measure(gradc_frame *frame, sizes *sz)")
        else:
            lines.append("/* Checks that the inputs' shapes fit. */")
            lines.append("static int measure(gradc_frame *frame)")
        lines.append("{")
        kept, used = _live(self.kernel.prologue, set(self.needed))
        position = 0
        inputs = {load.buffer: None for s in kept for load in _loads(s)}
        for b in self.kernel.inputs:
            shape = self.kernel.meta["shapes"][b]
            for d in shape:
                if isinstance(d, str) and d in used:
                    lines.append(f"    const int64_t {safe(d)} = frame->sizes[{position}];")
                position += 1
        for b in inputs:
            lines.append(f"    const {C_TYPE[b.dtype]} *{safe(b.name)} = frame->inputs[{b.position}];")
        printer = Printer()
        printer.statements(kept)
        lines += printer.lines
        lines += [f"    sz->{safe(n)} = {safe(n)};" for n in self.needed]
        lines += ["    return 0;", "}", ""]
        return lines

    def prepare(self) -> list[str]:
        k = self.kernel
        lines = ["int gradc_prepare(gradc_frame *frame)", "{", *self.measure_call()]
        position = 0
        for out in k.outputs:
            for d in out.shape:
                lines.append(f"    frame->shapes[{position}] = {self.z(d)};")
                position += 1
        lines += [f"    frame->arena_bytes = {self.z(k.arena_bytes)};", "    return 0;", "}", ""]
        return lines

    def measure_call(self) -> list[str]:
        if self.needed:
            return ["    sizes sz;", "    int status = measure(frame, &sz);", "    if (status)", "        return status;"]
        if self.kernel.prologue:
            return ["    int status = measure(frame);", "    if (status)", "        return status;"]
        return []

    def entry_function(self) -> list[str]:
        body = "\n".join(self.entry)
        lines = ["int gradc_entry(gradc_frame *frame)", "{", *self.measure_call()]
        if "status" in body and not self.needed and not self.kernel.prologue:
            lines.append("    int status = 0;")
        lines += self.entry
        if not self.entry and not self.needed and not self.kernel.prologue:
            lines.append("    (void)frame;")
        lines += ["    return 0;", "}"]
        return lines

    def z(self, size: SizeExpr) -> str:
        return f"sz.{safe(size)}" if isinstance(size, str) else str(size)

    # -- sections

    def section(self, number: int, s: Section) -> None:
        for node in s.body:
            self.statement_count += _count(node)
        if s.note == "gemm":
            self.gemm_section(s)
            return
        name = f"section_{number}"
        printer = Printer()
        buffers = list(dict.fromkeys((*s.writes, *s.reads)))
        own = {"lo", "hi", "block"}
        sizes = [n for n in dict.fromkeys(_sizes_in(s.body)) if n not in own]
        returns = _has_check(s.body)
        printer.statements(s.body)
        self.functions += self.loop_function(name, s, buffers, sizes, returns, printer.lines)
        for n in sizes:
            self.need(n)
        if s.blocks:
            self.blocks(name, s, s.blocks, buffers, sizes)
        else:
            arguments = [self.pointer(b) for b in buffers] + [self.z(n) for n in sizes]
            if returns:
                arguments.insert(0, "frame")
            call = f"{name}({', '.join(arguments)});"
            self.entry.append(f"    /* {_comment(s.title)} */")
            if returns:
                self.entry += [f"    status = {call}", "    if (status)", "        return status;"]
            else:
                self.entry.append(f"    {call}")

    def loop_function(self, name: str, s: Section, buffers: list[Buffer], sizes: list[str], returns: bool,
                      body: list[str]) -> list[str]:
        written = set(s.writes)
        parameters = ["gradc_frame *frame"] if returns else []
        for b in buffers:
            const = "" if b in written else "const "
            parameters.append(f"{const}{C_TYPE[b.dtype]} *restrict {safe(b.name)}")
        parameters += [f"int64_t {safe(n)}" for n in sizes]
        if s.blocks:
            parameters += ["int64_t lo", "int64_t hi"]
        reads = " ".join(safe(b.name) for b in s.reads) or "-"
        writes = " ".join(safe(b.name) for b in s.writes) or "-"
        kind = "int" if returns else "void"
        suffix = "_loop" if s.blocks else ""
        head = f"static GRADC_NOINLINE {kind} {name}{suffix}("
        lines = [*_wrap(f"/* ---- {_comment(s.title)}    reads {reads}    writes {writes} ---- */", 3),
                 *_wrap(f"{head}{', '.join(parameters) or 'void'})", 4), "{", *body]
        if returns:
            lines.append("    return 0;")
        return [*lines, "}", ""]

    def blocks(self, name: str, s: Section, cut: Blocks, buffers: list[Buffer], sizes: list[str]) -> None:
        """The section's second function, which runs blocks, and its call."""
        written = set(s.writes)
        fields = [f"{'' if b in written else 'const '}{C_TYPE[b.dtype]} *{safe(b.name)};" for b in buffers]
        fields += [f"int64_t {safe(n)};" for n in sizes]
        rows = {b: f"{safe(b.name)}_row" for b in buffers if b.place == "block"}
        fields += [f"int64_t {r};" for r in rows.values()]
        fields += ["int64_t extent, step;"]
        self.functions += ["typedef struct {", *(f"    {f}" for f in fields), f"}} {name}_context;", ""]
        arguments = [f"c->{safe(b.name)} + block * c->{rows[b]}" if b in rows else f"c->{safe(b.name)}" for b in buffers]
        arguments += [f"c->{safe(n)}" for n in sizes]
        self.functions += [
            f"static int {name}(gradc_frame *frame, const void *context, int64_t first, int64_t last)",
            "{",
            f"    const {name}_context *c = context;",
            "    (void)frame;",
            "    for (int64_t block = first; block < last; ++block) {",
            "        const int64_t lo = block * c->step;",
            "        const int64_t hi = lo + c->step < c->extent ? lo + c->step : c->extent;",
            *_wrap(f"        {name}_loop({', '.join([*arguments, 'lo', 'hi'])});", 12),
            "    }",
            "    return 0;",
            "}",
            "",
        ]
        for size in (cut.extent, cut.work):
            self.need(size)
        e = [f"    {{   /* {_comment(s.title)} */",
             f"        const gradc_cut cut = gradc_cut_loop({self.z(cut.extent)}, {self.z(cut.work)}, {cut.multiple}, "
             f"{cut.limit}, {cut.cost});"]
        parts = {c.parts: c for c in s.partial}
        for c in s.partial:
            self.need(c.width)
            t = C_TYPE[c.target.dtype]
            e.append(f"        {t} *const {safe(c.target.name)}_end = {self.pointer(c.target)};")
        values = []
        for b in buffers:
            if b in parts:
                end = f"{safe(parts[b].target.name)}_end"
                values.append(f"cut.count == 1 ? {end} : {self.pointer(b)}")
            else:
                values.append(self.pointer(b))
        values += [self.z(n) for n in sizes]
        for b in rows:
            values.append(self.row_stride(b, parts))
        values += [self.z(cut.extent), "cut.step"]
        e += _wrap(f"        const {name}_context c = {{{', '.join(values)}}};", 12)
        e += [f"        status = cut.count == 1 ? {name}(frame, &c, 0, 1)",
              f"                                : frame->parallel(frame, {name}, &c, cut.count, cut.grain);",
              "        if (status)", "            return status;"]
        for c in s.partial:
            e += self.combine(c)
        e.append("    }")
        self.entry += e

    def row_stride(self, b: Buffer, parts: dict[Buffer, Combine]) -> str:
        """Elements from one block's copy of a buffer to the next."""
        if b in parts:
            return self.z(parts[b].width)
        factors = [self.z(d) for d in b.shape]
        for d in b.shape:
            self.need(d)
        item = f"(int64_t)sizeof({C_TYPE[b.dtype]})"
        return f"({' * '.join(factors) or '1'} * {item} + 63) / 64 * 64 / {item}"

    def combine(self, c: Combine) -> list[str]:
        t, end = C_TYPE[c.target.dtype], f"{safe(c.target.name)}_end"
        parts = f"{safe(c.parts.name)}_all"
        width = self.z(c.width)
        text = _bare(Printer().row(get_row(c.row), [f"{parts}[at]", f"{parts}[at + step * {width}]"], c.target.dtype,
                                   c.target.dtype))
        return [
            "        if (cut.count > 1) {",
            f"            {t} *const {parts} = {self.pointer(c.parts)};",
            "            for (int64_t step = 1; step < cut.count; step *= 2)",
            "                for (int64_t b = 0; b + step < cut.count; b += 2 * step)",
            f"                    for (int64_t at = b * {width}; at < (b + 1) * {width}; ++at)",
            f"                        {parts}[at] = {text};",
            f"            for (int64_t at = 0; at < {width}; ++at)",
            f"                {end}[at] = {parts}[at];",
            "        }",
        ]

    def gemm_section(self, s: Section) -> None:
        """A gemm is called from the entry function itself: the pool is not in use then."""
        printer = Printer()
        names = [n for n in dict.fromkeys(_sizes_in(s.body))]
        for n in names:
            self.need(n)
        self.entry += [f"    {{   /* {_comment(s.title)} */"]
        for b in dict.fromkeys((*s.writes, *s.reads)):
            const = "" if b in s.writes else "const "
            self.entry.append(f"        {const}{C_TYPE[b.dtype]} *const {safe(b.name)} = {self.pointer(b)};")
        self.entry += [f"        const int64_t {safe(n)} = sz.{safe(n)};" for n in names]
        printer.depth = 2
        printer.statements(s.body)
        self.entry += [*printer.lines, "    }"]

    def pointer(self, b: Buffer) -> str:
        match b.place:
            case "input" | "output" | "constant":
                return f"frame->{b.place}s[{b.position}]"
        self.need(b.offset)
        return f"(void *)(frame->arena + {self.z(b.offset)})"


# ------------------------------------------------------------------------------------------ walks over nodes


def _children(node: Any) -> tuple[Any, ...]:
    match node:
        case For():
            return node.body
        case Fn():
            return node.args
        case nodes.Let() | nodes.Assign() | nodes.Update() | nodes.Define():
            return (node.expr,)
        case nodes.Store() | nodes.Accumulate():
            return (node.expr, node.index)
        case nodes.Check():
            return (node.condition, *node.values)
        case Load():
            return (node.index,)
        case Gemm():
            return (node.a, node.b, node.out)
    return ()


def _walk(body: Any) -> Any:
    stack = [*reversed(body)]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(_children(node)))


def _sizes_in(body: Any) -> list[str]:
    """Names of sizes in order of appearance."""
    found: list[str] = []
    for node in _walk(body):
        match node:
            case Size(size):
                found.append(size) if isinstance(size, str) else None
            case nodes.Index(terms, offset):
                found += [s for s, _ in terms if isinstance(s, str)]
                if isinstance(offset, str):
                    found.append(offset)
            case For():
                found += [s for s in (node.start, node.stop) if isinstance(s, str)]
            case Gemm():
                found += [s for s in (node.m, node.n, node.k) if isinstance(s, str)]
    return found


def _live(prologue: tuple[Any, ...], used: set[str]) -> tuple[tuple[Any, ...], set[str]]:
    """The statements whose results are used, and all names they use."""
    kept = []
    for s in reversed(prologue):
        if not isinstance(s, Define) or s.name in used:
            kept.append(s)
            used.update(_sizes_in([s]))
    return tuple(reversed(kept)), used


def _loads(statement: Any) -> list[Load]:
    return [n for n in _walk([statement]) if isinstance(n, Load)]


def _has_check(body: Any) -> bool:
    return any(isinstance(n, nodes.Check) for n in _walk(body))


def _count(node: Any) -> int:
    return sum(isinstance(n, (nodes.Let, nodes.Store, nodes.Update, nodes.Accumulate)) for n in _walk([node]))


def _comment(text: str) -> str:
    """Text that can stand in a comment."""
    return "".join(c if c.isprintable() and ord(c) < 127 else "?" for c in text.replace("*/", "* /").replace("/*", "/ *"))


def _wrap(text: str, indent: int, width: int = 110) -> list[str]:
    """Break a long line of C at commas or blanks."""
    lead = len(text) - len(text.lstrip())
    lines: list[str] = []
    while len(text) > width:
        cut = text.rfind(", ", lead + 1, width)
        cut = cut + 1 if cut > 0 else text.rfind(" ", lead + 1, width)
        if cut <= lead:
            break
        lines.append(text[:cut])
        text = " " * indent + text[cut:].lstrip()
        lead = indent
    return [*lines, text]
