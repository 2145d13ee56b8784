"""Kernel -> one C translation unit.

Shape of the file: a comment with the Program, one function (or two, for nests cut into blocks) per section,
`gradc_prepare` and `gradc_entry`.  The text is a function of the Kernel alone: no ids, dates, paths or set order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

from gradc.codegen.names import C_TYPE, Names, wrapped
from gradc.codegen.printer import Printer, row_template
from gradc.codegen.snippets import definitions
from gradc.ir import dtypes
from gradc.ir.names import spelled
from gradc.ir.snippet import ArraySnippet, Snippet
from gradc.loops.nodes import (
    Blocks,
    Buffer,
    CallInfo,
    Check,
    CheckInfo,
    Combine,
    Define,
    Fn,
    Kernel,
    Load,
    Region,
    Section,
    SizeExpr,
)
from gradc.record import record

# Statements from which on a unit is compiled with less effort: -O2 vectorises the same loops in half the time, -O1 (no
# vector code) takes half of that again, and graphs so large are seldom run on large arrays.
LEVELS = ((6000, "-O1"), (1500, "-O2"), (0, "-O3"))
TABLE = 8           # scalar results of one section from which on a loop over their numbers copies them


@record
class CUnit:
    """The text and what the caller needs to know of it."""

    text: str
    constants: tuple[Any, ...]
    checks: tuple[CheckInfo, ...]
    sections: int
    uses_blas: bool
    calls: tuple[CallInfo, ...]
    optimize: str
    shrinks: bool           # the sizes of some outputs are known only after the call


def generate(kernel: Kernel) -> CUnit:
    """The C text of a Kernel."""
    return _Unit(kernel).build()


class _Unit:
    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.names = Names()                    # what all functions share: other functions, sizes, buffers
        self.called = [[self.names.new(f"section_{number}{part}") for part in ("", "_loop", "_run")]
                       for number, _ in enumerate(kernel.sections, 1)]
        self.measures = {late.section: self.names.new(f"measure_{late.section}") for late in kernel.late}
        for name in _shared(kernel):
            self.names(name)
        self.functions: list[str] = []
        self.entry: list[str] = []
        self.needed: dict[str, None] = {}       # sizes that sections and the entry use
        self.slots: dict[Region, int] = {}      # regions of the arena, and the number of the first slot of each
        self.statements = 0
        self.late: dict[str, None] = {}         # sizes that are not known from the start
        self.snippets: dict[Snippet | ArraySnippet, None] = {}      # functions of the users' own that sections call
        self.has_status = False                 # does the entry function look at a section's result?

    def build(self) -> CUnit:
        k = self.kernel
        early, late = _by_section(k)
        for number, section in enumerate(k.sections, 1):
            self.section(number, section)
            if number in late:
                self.entry += [f"    status = {self.measures[number]}(frame, &all);", "    if (status)",
                               "        return status;"]
        for d in (d for shape in ([out.shape for out in k.outputs], k.bounds) for dims in shape for d in dims):
            self.z(d)
        self.z(k.arena_bytes)
        self.entry[:0] = self.fill_slots()
        measured = [self.measure_late(number, late[number]) for number in sorted(late, reverse=True)]
        header = self.header()
        own = definitions(self.snippets, header.count("\n") + 2)
        parts = [header, *own, *self.measure(early), *[line for lines in reversed(measured) for line in lines],
                 *self.functions, *self.prepare(), *self.entry_function()]
        return CUnit("\n".join(parts) + "\n", tuple(data for _, data in k.constants), k.checks, len(k.sections),
                     k.uses_blas, k.calls, next(o for limit, o in LEVELS if self.statements >= limit),
                     any(out.shape != bounds for out, bounds in zip(k.outputs, k.bounds)))

    def z(self, size: SizeExpr | str) -> str:
        """A size in the functions that hold them all."""
        if isinstance(size, int):
            return str(size)
        self.needed[size] = None
        return f"sz->{self.names(size)}"

    # -- file skeleton

    def header(self) -> str:
        lines = [f"/* gradc  function: {_comment(self.kernel.name)}", " *"]
        lines += [f" * {_comment(t)}" for t in self.kernel.program_text.splitlines()]
        own = ["#include <stdlib.h>", "#include <string.h>"] * any(type(s) is ArraySnippet for s in self.snippets)
        lines += [" */", "#include <gradc_runtime.h>", "#include <gradc_sizes.h>", "#include <gradc_math.h>", *own, ""]
        return "\n".join(lines)

    def measure(self, prologue: list[Any]) -> list[str]:
        """The function that computes all sizes but late ones, and the struct it fills."""
        if not prologue and not self.needed:
            return []
        lines = []
        if self.needed:
            lines.append("typedef struct {")
            lines += [f"    int64_t {self.names(n)};" for n in self.needed]
            if self.slots:
                count = sum(r.slots for r in self.slots)
                lines.append(f"    char *slot[{count}];      /* of the arena, once there is one */")
            lines += ["} sizes;", ""]
            lines.append("/* Sizes from the inputs' shapes and integer scalars; checks that they fit. */")
            lines.append("static int measure(gradc_frame *frame, sizes *sz)")
        else:
            lines.append("/* Checks that the inputs' shapes fit. */")
            lines.append("static int measure(gradc_frame *frame)")
        lines.append("{")
        kept, used = _live(prologue, set(self.needed))
        position = 0
        inputs = {load.buffer: None for s in kept for load in _loads(s)}
        for b in self.kernel.inputs:
            for d in b.shape:
                if isinstance(d, str) and d in used:
                    lines.append(f"    const int64_t {self.names(d)} = frame->sizes[{position}];")
                position += 1
        for b in inputs:
            lines.append(f"    const {C_TYPE[b.dtype]} *{self.names(b.name)} = frame->inputs[{b.position}];")
        printer = Printer(self.names)
        printer.statements(kept)
        lines += printer.lines
        lines += [f"    sz->{self.names(n)} = {self.names(n)};" for n in self.needed if n not in self.late]
        lines += ["    return 0;", "}", ""]
        return lines

    def measure_late(self, number: int, statements: list[Any]) -> list[str]:
        """The function that computes the sizes known after section `number`."""
        found = {late.size: late.buffer for late in self.kernel.late if late.section == number}
        wanted = set(self.needed)
        kept, _ = _live(statements, set(wanted))
        made = [*found, *[s.name for s in kept if type(s) is Define]]
        self.late.update(dict.fromkeys(made))
        printer = Printer(self.names)
        printer.statements(kept)
        lines = [f"/* Sizes that section {number} found, and checks of them. */",
                 f"static int {self.measures[number]}(gradc_frame *frame, sizes *sz)", "{"]
        for size, buffer in found.items():
            lines.append(f"    const int64_t {self.names(size)} = ((const int64_t *)({self.pointer(buffer)}))[0];")
        lines += [f"    const int64_t {self.names(n)} = {self.z(n)};" for n in printer.sizes if n not in made]
        lines += [*printer.lines, *[f"    {self.z(n)} = {self.names(n)};" for n in made if n in wanted or n in found],
                  "    return 0;", "}", ""]
        return lines

    def prepare(self) -> list[str]:
        k = self.kernel
        shapes = [d for dims in k.bounds or [out.shape for out in k.outputs] for d in dims]
        body = [f"    frame->shapes[{position}] = {self.z(d)};" for position, d in enumerate(shapes)]
        body.append(f"    frame->arena_bytes = {self.z(k.arena_bytes)};")
        return ["int gradc_prepare(gradc_frame *frame)", "{", *self.measured(body), *body, "    return 0;", "}", ""]

    def fill_slots(self) -> list[str]:
        """The pointers to the slots of the arena: one array for all sections."""
        lines = []
        for region, first in self.slots.items():
            start = "frame->arena" if region.start == 0 else f"frame->arena + {self.z(region.start)}"
            if region.slots == 1:
                lines.append(f"    all.slot[{first}] = {start};")
                continue
            lines += [f"    for (int k = 0; k < {region.slots}; ++k)",
                      f"        all.slot[{f'{first} + ' if first else ''}k] = {start} + k * {self.z(region.bytes)};"]
        return lines

    def entry_function(self) -> list[str]:
        body = self.entry
        shapes = [d for out in self.kernel.outputs for d in out.shape]
        bounds = [d for dims in self.kernel.bounds for d in dims]
        body += [f"    frame->shapes[{k}] = {self.z(d)};" for k, (d, b) in enumerate(zip(shapes, bounds)) if d != b]
        if not self.needed and not self.kernel.prologue:
            body = ["    int status = 0;" if self.has_status else "    (void)frame;", *body]
        return ["int gradc_entry(gradc_frame *frame)", "{", *self.measured(body), *body, "    return 0;", "}"]

    def measured(self, body: list[str]) -> list[str]:
        """The start of a function that needs the sizes, or their checks."""
        check = ["    if (status)", "        return status;"]
        if self.needed:
            used = any("sz->" in line or ", sz" in line for line in body)
            # zeros: gcc does not see that where `measure` stores nothing nothing is read, and would warn
            return ["    sizes all = {0};", "    int status = measure(frame, &all);", *check,
                    *(["    const sizes *const sz = &all;"] if used else [])]
        return ["    int status = measure(frame);", *check] if self.kernel.prologue else []

    # -- sections

    def section(self, number: int, s: Section) -> None:
        if s.in_entry:
            self.entry_section(s)
            return
        printer = Printer(Names(self.names))
        printer.statements(s.body)
        self.statements += printer.count
        self.snippets.update(printer.snippets)
        buffers = list(dict.fromkeys((*s.writes, *s.reads)))
        sizes = [n for n in printer.sizes if n not in ("lo", "hi")]
        self.functions += self.loop_function(number, s, buffers, sizes, printer)
        if s.blocks:
            self.blocks(number, s, s.blocks, buffers, sizes)
        else:
            arguments = [*["frame"] * printer.frame, *map(self.only_block, buffers), *map(self.z, sizes)]
            self.entry += wrapped(f"    /* {_comment(s.title)} */", 7)
            call = f"{self.called[number - 1][0]}({', '.join(arguments)});"
            if printer.checks:
                self.has_status = True
                self.entry += [*wrapped(f"    status = {call}", 8), "    if (status)", "        return status;"]
            else:
                self.entry += wrapped(f"    {call}", 8)

    def loop_function(self, number: int, s: Section, buffers: list[Buffer], sizes: list[str],
                      printer: Printer) -> list[str]:
        """The function that holds a section's statements."""
        written = set(s.writes)
        parameters = ["gradc_frame *frame"] * printer.frame
        for b in buffers:
            parameters.append(f"{'' if b in written else 'const '}{C_TYPE[b.dtype]} *restrict {self.names(b.name)}")
        parameters += [f"int64_t {self.names(n)}" for n in sizes]
        if s.blocks:
            parameters += ["int64_t lo", "int64_t hi"]
        reads = " ".join(self.names(b.name) for b in s.reads) or "-"
        writes = " ".join(self.names(b.name) for b in s.writes) or "-"
        head = f"static GRADC_NOINLINE {'GRADC_WIDE ' * printer.wide}{'int' if printer.checks else 'void'} " \
               f"{self.called[number - 1][s.blocks is not None]}({', '.join(parameters) or 'void'})"
        return [*wrapped(f"/* ---- {_comment(s.title)}    reads {reads}    writes {writes} ---- */", 3),
                *wrapped(head, 4), "{",
                *[f"    {C_TYPE[b.dtype]} {self.names(b.name)}[{prod(b.shape)}];" for b in s.arrays],  # type: ignore[arg-type]
                *printer.lines, *(["    return 0;"] * printer.checks), "}", ""]

    def blocks(self, number: int, s: Section, cut: Blocks, buffers: list[Buffer], sizes: list[str]) -> None:
        """The functions that run blocks of a section and cut its loop into blocks, and the call."""
        name, loop, run = self.called[number - 1]
        extent = self.z(cut.extent)
        arguments = [*map(self.pointer, buffers), *map(self.z, sizes), "lo", "hi"]
        inside = [
            "    for (int64_t block = first; block < last; ++block) {",
            "        const int64_t lo = block * nest->step;",
            f"        const int64_t hi = lo + nest->step < {extent} ? lo + nest->step : {extent};",
            *wrapped(f"        {loop}({', '.join(arguments)});", 12),
            "    }",
        ]
        start = f"gradc_cut_loop({extent}, {self.z(cut.work)}, {cut.multiple}, {cut.limit}, {cut.cost})"
        outside = [
            f"    const int status = cut.count == 1 ? {name}(frame, &nest, 0, 1)",
            f"                                      : frame->parallel(frame, {name}, &nest, cut.count, cut.grain);",
        ]
        if s.partial:
            outside += ["    if (status)", "        return status;"]
            for c in s.partial:
                outside += self.combine(c)
        sized = any("sz->" in line for line in (*inside, start, *outside))
        self.functions += [
            f"static int {name}(gradc_frame *frame, const void *context, int64_t first, int64_t last)",
            "{",
            "    const gradc_nest *nest = context;",
            *["    const sizes *sz = nest->sizes;"] * sized,
            "    (void)frame;",
            *inside,
            "    return 0;",
            "}",
            "",
            f"static GRADC_NOINLINE int {run}(gradc_frame *frame{', const sizes *sz' * sized})",
            "{",
            f"    const gradc_cut cut = {start};",
            f"    const gradc_nest nest = {{{'sz' if sized else 'NULL'}, cut.step}};",
            *outside,
            f"    return {'0' if s.partial else 'status'};",
            "}",
            "",
        ]
        self.has_status = True
        self.entry += [*wrapped(f"    /* {_comment(s.title)} */", 7),
                       f"    status = {run}(frame{', sz' * sized});", "    if (status)", "        return status;"]

    def combine(self, c: Combine) -> list[str]:
        """Fold the rows of all blocks in pairs, then copy the results to where they belong."""
        t, parts, width = C_TYPE[c.parts.dtype], self.names(c.parts.name), self.z(c.width)
        text = row_template(c.row, c.parts.dtype, c.parts.dtype)[1].format(f"{parts}[at]",
                                                                           f"{parts}[at + step * {width}]")
        lines = [
            f"    {t} *const {parts} = (void *){self.slot(c.parts)};",
            "    for (int64_t step = 1; step < cut.count; step *= 2)",
            "        for (int64_t block = 0; block + step < cut.count; block += 2 * step)",
            f"            for (int64_t at = block * {width}; at < (block + 1) * {width}; ++at)",
            f"                {parts}[at] = {text};",
        ]
        table: list[Buffer] = []        # many scalar outputs: a loop over their numbers
        for target, position, count in c.targets:
            if count != 1 or position != len(table) or target.place != "output":
                break
            table.append(target)
        if len(table) < TABLE:
            table = []
        else:
            numbers = ", ".join([str(b.position) for b in table])
            outputs = Names(self.names).new(f"{parts}_outputs")
            lines += [f"    static const int {outputs}[] = {{", *wrapped(f"        {numbers}", 8), "    };",
                      f"    for (int at = 0; at < {len(table)}; ++at)",
                      f"        (({t} *)(frame->outputs[{outputs}[at]]))[0] = {parts}[at];"]
        for target, position, count in c.targets[len(table):]:
            place = f"(({C_TYPE[target.dtype]} *)({self.pointer(target)}))"
            if count == 1:
                lines.append(f"    {place}[0] = {parts}[{self.z(position)}];")
            else:
                lines += [f"    for (int64_t at = 0; at < {self.z(count)}; ++at)",
                          f"        {place}[at] = {parts}[{self.z(position)} + at];"]
        return lines

    def entry_section(self, s: Section) -> None:
        """A gemm or a user's function is called from the entry function itself: the pool is not in use then."""
        printer = Printer(Names(self.names), 2)
        printer.statements(s.body)
        self.entry += [f"    {{   /* {_comment(s.title)} */"]
        self.snippets.update(printer.snippets)
        for b in dict.fromkeys((*s.writes, *s.reads)):
            const = "" if b in s.writes else "const "
            self.entry.append(f"        {const}{C_TYPE[b.dtype]} *const {self.names(b.name)} = {self.pointer(b)};")
        self.entry += [f"        const int64_t {self.names(n)} = {self.z(n)};" for n in printer.sizes]
        self.entry += [*printer.lines, "    }"]

    def pointer(self, b: Buffer) -> str:
        """Where a buffer begins; of one that each block has for itself, where that of `block` begins."""
        if b.place in ("input", "output", "constant"):
            return f"frame->{b.place}s[{b.position}]"
        row = f" + block * {self.z(b.stride)} * {dtypes.ITEMSIZE[b.dtype]}" if b.place == "block" else ""
        return f"(void *)({self.slot(b)}{row})" if row else f"(void *){self.slot(b)}"

    def only_block(self, b: Buffer) -> str:
        """As `pointer`, in a section that is not cut: its whole loop is block 0."""
        return f"(void *){self.slot(b)}" if b.place == "block" else self.pointer(b)

    def slot(self, b: Buffer) -> str:
        """Where the slot of a buffer in the arena begins."""
        region = b.region
        assert region is not None
        if isinstance(region.bytes, int) and isinstance(region.start, int):
            return f"(frame->arena + {region.start + b.position * region.bytes})"
        if region not in self.slots:
            self.slots[region] = sum(r.slots for r in self.slots)
        return f"sz->slot[{self.slots[region] + b.position}]"


def _shared(kernel: Kernel) -> Iterator[str]:
    """The names of sizes and buffers, which are the same in all functions."""
    yield from [s.name for s in kernel.prologue if type(s) is Define]
    yield from [late.size for late in kernel.late]
    constants = [b for b, _ in kernel.constants]
    used = [b for s in kernel.sections for b in (*s.writes, *s.reads, *s.arrays)]
    for b in dict.fromkeys((*kernel.inputs, *kernel.outputs, *constants, *used)):
        yield b.name
        yield from [d for d in b.shape if isinstance(d, str)]


def _by_section(kernel: Kernel) -> tuple[list[Any], dict[int, list[Any]]]:
    """The statements of the prologue that can be run at the start, and those that come after each section."""
    after = {late.size: late.section for late in kernel.late}
    early: list[Any] = []
    late: dict[int, list[Any]] = {section: [] for section in after.values()}
    for s in kernel.prologue:
        printer = Printer(Names())
        printer.statements((s,))
        number = max((after.get(n, 0) for n in printer.sizes), default=0) if after else 0
        if number and type(s) is Define:
            after[s.name] = number
        (late[number] if number else early).append(s)
    return early, late


def _live(prologue: Sequence[Any], used: set[str]) -> tuple[tuple[Any, ...], set[str]]:
    """The statements whose results are used, and all names they use."""
    kept = []
    for s in reversed(prologue):
        if type(s) is Check or s.name in used:
            kept.append(s)
            printer = Printer(Names())
            printer.statements((s,))
            used.update(printer.sizes)
    return tuple(reversed(kept)), used


def _loads(statement: Any) -> list[Load]:
    """The loads of integer inputs in a statement of the prologue."""
    found: list[Load] = []
    stack = [statement.expr] if type(statement) is Define else [statement.condition]
    while stack:
        e = stack.pop()
        if type(e) is Load:
            found.append(e)
        elif type(e) is Fn:
            stack.extend(e.args)
    return found


def _comment(text: str) -> str:
    """Text that can stand in a comment, on one line."""
    text = "".join([spelled(c) if c.isprintable() else " " for c in text])
    return text.replace("*/", "* /").replace("/*", "/ *")
