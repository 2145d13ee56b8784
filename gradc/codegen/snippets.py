"""C code of the users' own (`CFunction`): its place in a unit, and the compiler's complaints about it.

Each snippet is a function of its own in front of the sections.  `#line` tells the compiler what to call its lines, so
that a mistake is reported in the user's own text.  Not here: the public class (`compile.cfunction`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator

from gradc.codegen.names import C_TYPE, LOCAL_TYPE, wrapped
from gradc.errors import CompileError, at
from gradc.ir import ops
from gradc.ir.program import Eqn, Program, equations
from gradc.ir.scalars import Row
from gradc.ir.snippet import ArraySnippet, Snippet, snippet_of

_FAULT = re.compile(r'^CFunction (\w+):(\d+)(?::\d+)?: (?:fatal )?error: (.*)$', re.MULTILINE)


def c_name(snippet: Snippet | ArraySnippet) -> str:
    """The name of a snippet's function, which differs from that of any other."""
    return f"gradc_user_{snippet.name}_{hashlib.sha256(repr(snippet).encode()).hexdigest()[:8]}"


def definitions(snippets: Iterable[Snippet | ArraySnippet], line: int) -> list[str]:
    """Their functions, as lines of a unit from line number `line` on."""
    lines: list[str] = []
    for s in snippets:
        first, code, last = _of_arrays(s) if isinstance(s, ArraySnippet) else _of_scalars(s)
        lines += [*first, f'#line 1 "CFunction {s.name}"', *code.split("\n")]
        lines += [f'#line {line + len(lines) + 1} "unit.c"', *last, "}", ""]
    return lines


def _of_scalars(s: Snippet) -> tuple[list[str], str, list[str]]:
    """A function's head, the user's code, and the rest of the function."""
    parameters = ", ".join(f"{LOCAL_TYPE[dtype]} {name}" for name, dtype in s.inputs)
    code = s.code if re.search(r"\breturn\b", s.code) else f"return {s.code};"
    return [f"static inline {LOCAL_TYPE[s.output]} {c_name(s)}({parameters})", "{"], code, []


def _of_arrays(s: ArraySnippet) -> tuple[list[str], str, list[str]]:
    """As `_of_scalars`; what the code does not use is no fault."""
    parameters = [f"const {C_TYPE[dtype]} *restrict {name}" if rank else f"{LOCAL_TYPE[dtype]} {name}"
                  for name, dtype, rank in s.inputs]
    parameters += [f"int64_t {name}" for name, _, _ in s.sizes]
    parameters += [f"{C_TYPE[dtype]} *restrict {name}" for name, dtype, _ in s.outputs]
    unused = ", ".join([f"(void){name}" for name, *_ in (*s.inputs, *s.sizes, *s.outputs)])
    head = wrapped(f"static GRADC_NOINLINE int {c_name(s)}({', '.join(parameters)})", 4)
    return [*head, "{", *wrapped(f"    {unused};", 4)], s.code, ["    return 0;"]


def used(program: Program) -> Iterator[tuple[Eqn, object, Snippet | ArraySnippet]]:
    """Where `program` uses snippets, in bodies too, and what evaluates each in the interpreter."""
    for eqn in equations(program):
        if type(eqn.op) is ops.Map and isinstance(eqn.op.fn, Row) and eqn.op.fn.snippet is not None:
            yield eqn, eqn.op.fn.numpy, eqn.op.fn.snippet
        elif (snippet := snippet_of(user := ops.user_op(eqn.op))) is not None:
            yield eqn, user.numpy, snippet


def needs_compiler(program: Program) -> bool:
    """Does `program` use a snippet that has no form in NumPy?"""
    return any(getattr(numpy, "needs_compiler", False) for _, numpy, _ in used(program))


def fault_of(error: CompileError, program: Program) -> CompileError | None:
    """The compiler's first complaint about a snippet in `program`, in terms of its text; None if it has none."""
    found = _FAULT.search(error.output)
    if found is None:
        return None
    name, number, message = found[1], int(found[2]), found[3]
    for eqn, _, snippet in used(program):
        if snippet.name == name:
            text = snippet.code.split("\n")
            shown = text[min(number, len(text)) - 1].strip()
            where = at(next(iter(eqn.sources), None))
            return CompileError(f"the C code of CFunction {name} does not compile{where}: line {number}, "
                                f"{shown!r}: {message}", error.command, error.output)
    return None
