"""Kernel -> one C translation unit.

Shape of the file: a comment with the Program, one function (or two, for nests cut into blocks) per section,
`gradc_prepare` and `gradc_entry`.  Sections that differ in nothing but names share their functions.  The text is a
function of the Kernel alone: no ids, dates, paths or set order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any, TypeVar

from gradc.codegen.names import C_TYPE, WIDTH, Blanks, Names, wrapped
from gradc.codegen.printer import Printer, listed, row_template
from gradc.codegen.snippets import definitions
from gradc.ir import dtypes
from gradc.ir.names import spelled
from gradc.ir.scalar_c import c_functions
from gradc.ir.scalar_code import ScalarFunction
from gradc.ir.snippet import ArraySnippet, Snippet
from gradc.loops import look
from gradc.loops.nodes import (
    BlockCut,
    Buffer,
    CallInfo,
    Check,
    CheckInfo,
    Combine,
    Define,
    Kernel,
    Load,
    Section,
    SizeExpr,
    Slots,
    Take,
)
from gradc.record import record
from gradc.target import TARGET

S = TypeVar("S", Define | Check, Define | Check | Take)

BRIEF = 256         # statements that take less time than it does to give up the GIL and take it again, or little more
TABLE = 8           # scalar results of one section from which on a loop over their numbers copies them


@record
class CUnit:
    """The text and what the caller needs to know of it."""

    text: str
    constants: tuple[object, ...]
    checks: tuple[CheckInfo, ...]
    sections: int
    routines: tuple[str, ...]
    calls: tuple[CallInfo, ...]
    statements: int
    deepest: int            # loops in loops, at most
    late: bool              # the sizes of some outputs are known only when sections have run
    brief: bool             # a few microseconds at most, whatever the arguments: no loop, and nothing is called
    known: int              # how many int64_t prepare leaves for entry


def generate(kernel: Kernel) -> CUnit:
    """The C text of a Kernel."""
    return _Unit(kernel).build()


@record(frozen=False, eq=False)
class _Function:
    """What sections that differ in nothing but names have in common; the names are those of the first."""

    name: str
    title: str
    uses: str
    lines: list[str]
    sections: int = 1

    def text(self) -> list[str]:
        others = f" and {self.sections - 1} alike" * (self.sections > 1)
        return [*wrapped(f"/* ---- {self.title}{others}    {self.uses} ---- */", 3), *self.lines]


class _Unit:
    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.names = Names()                    # what all functions share: other functions, sizes, buffers
        self.called = [[self.names.new(f"section_{number}{part}") for part in ("", "_loop")]
                       for number, _ in enumerate(kernel.sections, 1)]
        for name in _shared(kernel):
            self.names[name]        # given in this order
        self.functions: list[str] = []
        self.entry: list[list[str]] = []        # lines, section by section
        self.called_at: dict[int, list[str]] = {}           # those of sections that measure
        self.alike: dict[str, _Function] = {}   # functions of sections by their text with blanks for names
        self.folds: dict[tuple[str, str], str] = {}         # row, dtype -> the function that folds rows of blocks
        self.needed: dict[str, None] = {}       # sizes that sections and the entry use
        self.slots: dict[Slots, int] = {}      # regions of the arena, and the number of the first slot of each
        self.statements = 0
        self.deepest = 0                        # loops in loops
        self.rooms = 0                          # as many are known to the entry function
        self.measures = {number: self.names.new(f"measure_{number}") for number, s in enumerate(kernel.sections, 1)
                         if s.measures}
        self.made = kernel.made or tuple([out.shape for out in kernel.outputs])
        self.late = {s.name for section in kernel.sections if section.measures for s in section.body
                     if type(s) is Define}          # sizes that are not known from the start
        # functions that sections call: special ones, and the users' own
        self.snippets: dict[Snippet | ArraySnippet | ScalarFunction, None] = {}

    def build(self) -> CUnit:
        k = self.kernel
        for number, section in enumerate(k.sections, 1):
            self.section(number, section)
        for d in (d for shape in ([out.shape for out in k.outputs], self.made) for dims in shape for d in dims):
            self.z(d)
        self.z(k.arena_bytes)
        late = any(out.shape != dims or not self.late.isdisjoint(dims) for out, dims in zip(k.outputs, self.made))
        brief = self.deepest <= 1 and sum(len(s.body) for s in k.sections) <= BRIEF \
            and not (late or self.snippets or any(s.measures or s.in_entry for s in k.sections))
        self.entry[:0] = self.fill_slots()
        measured = [self.measure_late(k.sections[number - 1], name) for number, name in reversed(self.measures.items())]
        for number, name in self.measures.items():
            self.called_at[number] += _checked(f"{name}({self.arguments()});")
        parts = [*self.measure(list(k.prologue)), *[line for lines in reversed(measured) for line in lines],
                 *[line for function in self.alike.values() for line in function.text()], *self.functions,
                 *self.prepare(), *self.entry_function()[:-1]]
        special = c_functions([s for s in self.snippets if isinstance(s, ScalarFunction)], "\n".join(parts))
        header = "\n".join([self.header(parts), *special])
        own = definitions([s for s in self.snippets if not isinstance(s, ScalarFunction)], header.count("\n") + 2)
        parts = [header, *own, *parts]
        return CUnit("\n".join(parts) + "\n", tuple(data for _, data in k.constants), k.checks,
                     sum(not s.measures for s in k.sections), k.routines, k.calls, self.statements, self.deepest,
                     late, brief, len(self.needed) + self.slot_count() + self.rooms)

    def z(self, size: SizeExpr | str) -> str:
        """A size in the functions that hold them all."""
        if isinstance(size, int):
            return str(size)
        self.needed[size] = None
        return f"sz->{self.names[size]}"

    # -- file skeleton

    def header(self, parts: list[str]) -> str:
        lines = [f"/* gradc  function: {_comment(self.kernel.name)}", " *"]
        lines += [f" * {_comment(t)}" for t in self.kernel.program_text.splitlines()]
        own = ["#include <stdlib.h>", "#include <string.h>"] * any(type(s) is ArraySnippet for s in self.snippets)
        own += ["#include <gradc_half.h>"] * any("f16" in part for part in parts)
        lines += [" */", "#include <gradc_runtime.h>", "#include <gradc_sizes.h>", "#include <gradc_math.h>", *own, ""]
        return "\n".join(lines)

    def measure(self, prologue: list[Define | Check]) -> list[str]:
        """The function that computes all sizes but late ones, and the struct it fills."""
        if not prologue and not self.needed:
            return []
        kept, used = _live(prologue, set(self.needed))
        dims = [d for b in self.kernel.inputs for d in b.shape]
        given = {d: position for position, d in enumerate(dims) if isinstance(d, str) and d in used}
        copied = [n for n in self.needed if n in given]
        groups = [(kept, copied)]
        if len(kept) + len(copied) > TARGET.function:
            groups = [((), copied[k:k + TARGET.function]) for k in range(0, len(copied), TARGET.function)]
            groups += [(kept[k:k + TARGET.function], []) for k in range(0, len(kept), TARGET.function)]
        # backwards, for a part stores the sizes that later ones need
        bodies = [self.measure_part(statements, names, given) for statements, names in reversed(groups)][::-1]
        lines = []
        if self.needed or self.rooms:
            lines.append("typedef struct {")
            lines += [f"    int64_t {self.names[n]};" for n in self.needed]
            if self.slots:
                lines.append(f"    char *slot[{self.slot_count()}];      /* of the arena, once there is one */")
            if self.rooms:
                lines.append(f"    void *room[{self.rooms}];      /* that are taken */")
            lines += ["} sizes;", ""]
        parts, body = self.in_parts("measure", bodies)
        what = "Sizes from the inputs' shapes and integer scalars; checks that they fit." if self.needed else \
            "Checks that the inputs' shapes fit."
        return [*lines, *parts, f"/* {what} */", *_function(f"static int measure({self.parameters()})", body)]

    def measure_part(self, statements: Sequence[Define | Check], copied: Sequence[str],
                     given: Mapping[Any, int]) -> list[str]:
        """Statements of the prologue, with what they need and what the struct gets: of the sizes they define those that
        are needed elsewhere, and `copied`.  given: where the frame has each size of an input.
        """
        printer = Printer(self.names)
        printer.statements(tuple(statements))
        made = dict.fromkeys([s.name for s in statements if type(s) is Define])
        used = dict.fromkeys((*printer.sizes, *copied))
        lines = [f"    const int64_t {self.names[n]} = frame->sizes[{given[n]}];"
                 for n in sorted([n for n in used if n in given], key=given.__getitem__)]
        lines += [f"    const int64_t {self.names[n]} = {self.z(n)};" for n in used if n not in made and n not in given]
        for b in dict.fromkeys([load.buffer for s in statements for load in look.expressions(s)
                                if type(load) is Load]):
            lines.append(f"    const {C_TYPE[b.dtype]} *{self.names[b.name]} = frame->inputs[{b.position}];")
        stored = [*copied, *[n for n in made if n in self.needed]]
        return [*lines, *printer.lines, *[f"    {self.z(n)} = {self.names[n]};" for n in stored]]

    def measure_late(self, s: Section, name: str) -> list[str]:
        """The function that computes sizes which computed data tells, and takes memory by them."""
        kept, _ = _live(s.body, set(self.needed))
        printer = Printer(Names(self.names))
        printer.statements(kept)
        lines = [f"    const {C_TYPE[b.dtype]} *const {self.names[b.name]} = {self.pointer(b)};" for b in s.reads]
        lines += [f"    const int64_t {self.names[n]} = {self.z(n)};" for n in printer.sizes if n not in printer.made]
        lines += [*printer.lines, *[f"    {self.z(n)} = {self.names[n]};" for n in printer.made if n in self.needed]]
        lines += [f"    {self.pointer(t.buffer)} = {self.names[t.buffer.name]};" for t in kept
                  if type(t) is Take and t.buffer.place != "output"]
        return [f"/* {_comment(s.title)} */", *_function(f"static int {name}({self.parameters()})", lines)]

    def prepare(self) -> list[str]:
        body: list[list[str]] = []
        for dims in self.made:
            late = not self.late.isdisjoint(dims)
            body += [[f"    frame->shapes[{len(body) + k}] = {'GRADC_LATE' if late else self.z(d)};"]
                     for k, d in enumerate(dims)]
        measured = bool(self.needed or self.kernel.prologue)
        return self.called_function("prepare", _checked(f"measure({self.arguments()});") if measured else [], [
            *body, [f"    frame->arena_bytes = {self.z(self.kernel.arena_bytes)};"]])

    def fill_slots(self) -> list[list[str]]:
        """The pointers to the slots of the arena: one array for all sections."""
        lines = []
        for region, first in self.slots.items():
            start = "frame->arena" if region.start == 0 else f"frame->arena + {self.z(region.start)}"
            if region.slots == 1:
                lines.append([f"    sz->slot[{first}] = {start};"])
                continue
            at = f"{first} + k" if first else "k"
            lines.append([f"    for (int k = 0; k < {region.slots}; ++k)",
                          f"        sz->slot[{at}] = {start} + k * {self.z(region.bytes)};"])
        return lines

    def entry_function(self) -> list[str]:
        shapes = [d for out in self.kernel.outputs for d in out.shape]
        made = [d for dims in self.made for d in dims]
        found = [[f"    frame->shapes[{k}] = {self.z(d)};"] for k, (d, b) in enumerate(zip(shapes, made)) if d != b]
        return self.called_function("entry", [], [*self.entry, *found])

    def called_function(self, name: str, start: list[str], steps: list[list[str]]) -> list[str]:
        """A function that the program calls: it starts, and then takes steps, each some lines."""
        bodies = [[line for lines in steps[k:k + TARGET.function] for line in lines]
                  for k in range(0, len(steps), TARGET.function)]
        parts, body = self.in_parts(name, bodies)
        if any(re.search(r"\bsz\b", line) for line in (*start, *body)):
            start = ["    sizes *const sz = frame->known;", *start]
        return [*parts, *_function(f"int gradc_{name}(gradc_frame *frame)", [*start, *body])]

    def in_parts(self, name: str, bodies: list[list[str]]) -> tuple[list[str], list[str]]:
        """The body of a function; if there are several, functions of them and the body that calls these."""
        if len(bodies) < 2:
            return [], [line for body in bodies for line in body]
        called = [self.names.new(f"{name}_{number}") for number in range(1, len(bodies) + 1)]
        return ([line for part, body in zip(called, bodies)
                 for line in _function(f"static GRADC_NOINLINE int {part}({self.parameters()})", body)],
                [line for part in called for line in _checked(f"{part}({self.arguments()});")])

    def parameters(self) -> str:
        """Of the functions that measure, prepare and enter."""
        return "gradc_frame *frame, sizes *sz" if self.needed or self.rooms else "gradc_frame *frame"

    def arguments(self) -> str:
        return "frame, sz" if self.needed or self.rooms else "frame"

    # -- sections

    def section(self, number: int, s: Section) -> None:
        if s.measures:
            self.called_at[number] = []
            self.entry.append(self.called_at[number])
            return
        if s.in_entry:
            self.entry_section(s)
            return
        printer = Printer(Blanks())
        printer.statements(s.body)
        self.snippets.update(printer.snippets)
        buffers = list(dict.fromkeys((*s.writes, *s.reads)))
        sizes = [n for n in printer.sizes if n not in ("lo", "hi") and n not in printer.made]
        function = self.function_of(number, s, buffers, sizes, printer)
        if s.blocks:
            self.entry.append(self.run(function, s, s.blocks, buffers, sizes, printer))
            return
        arguments = [*["frame"] * printer.frame, *map(self.pointer, buffers), *map(self.z, sizes)]
        call = f"{function}({', '.join(arguments)});"
        self.entry.append([*wrapped(f"    /* {_comment(s.title)} */", 7),
                           *(_checked(call) if printer.checks else wrapped(f"    {call}", 8))])

    def function_of(self, number: int, s: Section, buffers: list[Buffer], sizes: list[str], printer: Printer) -> str:
        """The function that the entry function calls, or has called block by block, for a section."""
        blanks = printer.names
        assert isinstance(blanks, Blanks)
        written = set(s.writes)
        parameters = ["gradc_frame *frame"] * printer.frame
        for b in buffers:
            parameters.append(f"{'' if b in written else 'const '}{C_TYPE[b.dtype]} *restrict {blanks[b.name]}")
        parameters += [f"int64_t {blanks[n]}" for n in sizes]
        if s.blocks:
            parameters += ["int64_t lo", "int64_t hi"]
        body = ["{",
                *[f"    {C_TYPE[b.dtype]} {blanks[b.name]}[{prod(b.shape)}];" for b in s.arrays],
                *printer.lines, *(["    return 0;"] * printer.checks), "}", ""]
        copies = [b.place == "block" for b in buffers]          # which arrays each block has for itself
        head, text = ", ".join(parameters) or "void", "\n".join(body)
        key = f"{head}\n{text}{copies}{s.wide}"
        found = self.alike.get(key)
        if found is not None:
            found.sections += 1
            return found.name
        name, loop = self.called[number - 1]
        head, text = blanks.filled(f"{head}\n{text}", Names(self.names)).split("\n", 1)
        head = f"static GRADC_NOINLINE {'GRADC_WIDE ' * s.wide}{'int' if printer.checks else 'void'} " \
               f"{loop if s.blocks else name}({head})"
        lines = [*wrapped(head, 4), *_wrapped_lines(text)]
        if s.blocks and printer.frame:
            lines += _batch_function(name, loop, len(buffers), len(sizes), printer.checks)
        elif s.blocks:
            lines += _block_function(name, loop, copies, len(sizes))
        reads, writes = (" ".join([self.names[b.name] for b in which]) or "-" for which in (s.reads, s.writes))
        self.alike[key] = _Function(name, _comment(s.title), f"reads {reads}    writes {writes}", lines)
        self.statements += printer.count
        self.deepest = max(self.deepest, printer.deepest)
        return name

    def run(self, function: str, s: Section, cut: BlockCut, buffers: list[Buffer], sizes: list[str],
            printer: Printer) -> list[str]:
        """Cut the loop of a section into blocks, run them all, combine their parts."""
        start, arrays = self.arrays_of(buffers, len(buffers) + 1 if printer.frame else TARGET.pointers)
        numbers = [*map(self.z, sizes), *[self.bytes(b) for b in buffers if b.place == "block"]]
        given = f"frame, {function}, {arrays}, {listed('const int64_t', numbers)}, {self.z(cut.extent)}, " \
                f"{self.z(cut.work)}"
        call = f"gradc_run_batch({given}, {cut.cost});" if printer.frame else \
            f"gradc_run({given}, {cut.multiple}, {cut.limit}, {cut.cost});"
        if not (start or s.partial):
            return [*wrapped(f"    /* {_comment(s.title)} */", 7),
                    *(_checked(call) if printer.checks else wrapped(f"    {call}", 8))]
        return [f"    {{   /* {_comment(s.title)} */", *start,
                *wrapped(f"        {'const int64_t blocks = ' * bool(s.partial)}{call}", 12),
                *[line for c in s.partial for line in self.combine(c)], "    }"]

    def arrays_of(self, buffers: list[Buffer], many: int) -> tuple[list[str], str]:
        """Statements that come first, and the array of where the buffers of a section begin: a table from many on."""
        pointers = [f"{'(void *)' * (b.place in ('input', 'constant'))}{self.pointer(b)}" for b in buffers]
        places = [match.group(1) or f"~{match.group(2)}" for match in map(_PLACE.fullmatch, pointers) if match]
        if len(pointers) < many or len(places) < len(pointers) or not self.slots:
            return [], listed("void *const", pointers)
        names = Names(self.names)
        table, arrays = names.new("places"), names.new("arrays")
        return [f"        static const int {table}[] = {{", *wrapped(f"            {', '.join(places)}", 12),
                "        };", f"        void *{arrays}[{len(places)}];",
                f"        gradc_find_arrays(frame, sz->slot, {table}, {len(places)}, {arrays});"], arrays

    def bytes(self, b: Buffer) -> str:
        """From the memory that a block has to that of the next one."""
        item = dtypes.ITEMSIZE[b.dtype]
        return str(b.stride * item) if isinstance(b.stride, int) else f"{self.z(b.stride)} * {item}"

    def combine(self, c: Combine) -> list[str]:
        """Fold the rows of all blocks, then copy the results to where they belong."""
        t, parts = C_TYPE[c.parts.dtype], self.names[c.parts.name]
        lines = [f"        {t} *const {parts} = {self.pointer(c.parts)};",
                 f"        {self.fold(c.row, c.parts.dtype)}({parts}, blocks, {self.z(c.width)});"]
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
            lines += [f"        static const int {outputs}[] = {{", *wrapped(f"            {numbers}", 12),
                      "        };",
                      f"        for (int at = 0; at < {len(table)}; ++at)",
                      f"            (({t} *)(frame->outputs[{outputs}[at]]))[0] = {parts}[at];"]
        for target, position, count in c.targets[len(table):]:
            place = f"(({C_TYPE[target.dtype]} *)({self.pointer(target)}))"
            if count == 1:
                lines.append(f"        {place}[0] = {parts}[{self.z(position)}];")
            else:
                lines += [f"        for (int64_t at = 0; at < {self.z(count)}; ++at)",
                          f"            {place}[at] = {parts}[{self.z(position)} + at];"]
        return lines

    def fold(self, row: str, dtype: str) -> str:
        """The function that folds the rows of all blocks into the first, in pairs."""
        name = self.folds.get((row, dtype))
        if name is None:
            name = self.folds[row, dtype] = self.names.new(f"fold_{row}_{dtypes.SHORT[dtype]}")
            t, text = C_TYPE[dtype], row_template(row, dtype, dtype)[1].format("parts[at]", "parts[at + step * width]")
            self.functions += [
                f"static GRADC_NOINLINE void {name}({t} *parts, int64_t blocks, int64_t width)",
                "{",
                "    for (int64_t step = 1; step < blocks; step *= 2)",
                "        for (int64_t block = 0; block + step < blocks; block += 2 * step)",
                "            for (int64_t at = block * width; at < (block + 1) * width; ++at)",
                f"                parts[at] = {text};",
                "}",
                "",
            ]
        return name

    def entry_section(self, s: Section) -> None:
        """A routine or a user's function is called from the entry function itself: the pool is not in use then."""
        printer = Printer(Names(self.names), 2)
        printer.statements(s.body)
        lines = [f"    {{   /* {_comment(s.title)} */"]
        self.snippets.update(printer.snippets)
        for b in dict.fromkeys((*s.writes, *s.reads)):
            const = "" if b in s.writes else "const "
            lines.append(f"        {const}{C_TYPE[b.dtype]} *const {self.names[b.name]} = {self.pointer(b)};")
        lines += [f"        const int64_t {self.names[n]} = {self.z(n)};" for n in printer.sizes]
        self.entry.append([*lines, *_wrapped_lines("\n".join(printer.lines)), "    }"])

    def pointer(self, b: Buffer) -> str:
        """Where a buffer begins; of one that each block has for itself, where that of block 0 does."""
        if b.place in ("input", "output", "constant"):
            return f"frame->{b.place}s[{b.position}]"
        if b.region is None:
            self.rooms = max(self.rooms, b.position + 1)
            return f"sz->room[{b.position}]"
        return f"(void *){self.slot(b)}"

    def slot_count(self) -> int:
        return sum(r.slots for r in self.slots)

    def slot(self, b: Buffer) -> str:
        """Where the slot of a buffer in the arena begins."""
        region = b.region
        assert region is not None
        if isinstance(region.bytes, int) and isinstance(region.start, int):
            return f"(frame->arena + {region.start + b.position * region.bytes})"
        if region not in self.slots:
            self.slots[region] = self.slot_count()
        return f"sz->slot[{self.slots[region] + b.position}]"


_PLACE = re.compile(r"\(void \*\)(?:sz->slot\[(\d+)\]|frame->inputs\[(\d+)\])")


def _function(head: str, body: list[str]) -> list[str]:
    """A function that returns 0, or else the status of what it calls."""
    first = next((k for k, line in enumerate(body) if line.startswith("    status = ")), None)
    if first is not None:
        body = [*body[:first], body[first].replace("status", "int status", 1), *body[first + 1:]]
    text = "\n".join(body)
    unused = [f"    (void){name};" for name in ("frame", "sz")
              if f"*{name}" in head and not re.search(rf"\b{name}\b", text)]
    return [head, "{", *unused, *body, "    return 0;", "}", ""]


def _wrapped_lines(text: str) -> list[str]:
    """The lines of a text, of which long ones are broken."""
    lines = []
    for line in text.split("\n"):
        lines += wrapped(line, len(line) - len(line.lstrip()) + 4) if len(line) > WIDTH else [line]
    return lines


def _checked(call: str) -> list[str]:
    """A call after which a function goes on if it returns 0."""
    return [*wrapped(f"    status = {call}", 8), "    if (status)", "        return status;"]


def _block_function(name: str, loop: str, copies: list[bool], sizes: int) -> list[str]:
    """The function that calls `loop` for a block, with that block's copies of arrays: their bytes follow the sizes."""
    places = [f"arrays[{k}]" for k in range(len(copies))]
    for step, k in enumerate([k for k, copied in enumerate(copies) if copied], sizes):
        places[k] = f"(void *)((char *)arrays[{k}] + block * numbers[{step}])"
    call = f"{loop}({', '.join([*places, *[f'numbers[{k}]' for k in range(sizes)], 'lo', 'hi'])});"
    unused = [f"    (void){name};" for name in ("arrays", "numbers", "block") if name not in call]
    return [f"static void {name}(void *const *arrays, const int64_t *numbers, int64_t block, int64_t lo, int64_t hi)",
            "{",
            *unused, *wrapped(f"    {call}", 8), "}", ""]


def _batch_function(name: str, loop: str, arrays: int, sizes: int, checks: bool) -> list[str]:
    """The function that calls `loop` for a part of a batch."""
    given = ["frame", *[f"arrays[{k}]" for k in range(arrays)], *[f"numbers[{k}]" for k in range(sizes)], "lo", "hi"]
    call = f"{loop}({', '.join(given)});"
    return [*wrapped(f"static int {name}(gradc_frame *frame, void *const *arrays, const int64_t *numbers, int64_t lo, "
                     f"int64_t hi)", 4),
            "{",
            *["    (void)numbers;"] * (not sizes),
            *(wrapped(f"    return {call}", 8) if checks else [*wrapped(f"    {call}", 8), "    return 0;"]), "}", ""]


def _shared(kernel: Kernel) -> Iterator[str]:
    """The names of sizes and buffers, which are the same in all functions."""
    yield from [s.name for s in kernel.prologue if type(s) is Define]
    yield from [s.name for section in kernel.sections if section.measures for s in section.body if type(s) is Define]
    constants = [b for b, _ in kernel.constants]
    used = [b for s in kernel.sections for b in (*s.writes, *s.reads, *s.arrays)]
    for b in dict.fromkeys((*kernel.inputs, *kernel.outputs, *constants, *used)):
        yield b.name
        yield from [d for d in b.shape if isinstance(d, str)]


def _live(prologue: Sequence[S], used: set[str]) -> tuple[tuple[S, ...], set[str]]:
    """The statements whose results are used, and all names they use."""
    kept = []
    for s in reversed(prologue):
        if type(s) is not Define or s.name in used:
            kept.append(s)
            used |= look.sizes_of((s,))
    return tuple(reversed(kept)), used


def _comment(text: str) -> str:
    """Text that can stand in a comment, on one line."""
    text = "".join([spelled(c) if c.isprintable() else " " for c in text])
    return text.replace("*/", "* /").replace("/*", "/ *")
