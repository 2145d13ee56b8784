"""Makes a Kernel smaller as long as a condition holds: what a fault of a compiler needs is what is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from gradc.errors import GradcError
from gradc.loops.check import check
from gradc.loops.nodes import Fn, If, Kernel, Let, Lit, Load, Local, Section, Stmt
from gradc.record import replace

_NODES = (*Stmt.__args__, Section, Fn)          # type: ignore[attr-defined]


def reduced(kernel: Kernel, holds: Callable[[Kernel], bool], tries: int = 200) -> Kernel:
    """The smallest Kernel found within `tries` for which `holds`; it holds for `kernel`."""
    found = True
    while found and tries > 0:
        found = False
        for candidate in _smaller(kernel):
            if not _legal(candidate):
                continue
            tries -= 1
            if holds(candidate):
                kernel, found = candidate, True
                break
            if tries <= 0:
                break
    return kernel


def only(kernel: Kernel, output: int) -> Kernel:
    """The sections that write an output, where the Kernel says so; the others leave theirs unwritten."""
    sections = tuple(s for s in kernel.sections if kernel.outputs[output] in s.writes and not s.partial)
    return replace(kernel, sections=sections) if sections else kernel


def _legal(kernel: Kernel) -> bool:
    try:
        check(kernel)
    except GradcError:
        return False
    return True


def _smaller(kernel: Kernel) -> Iterator[Kernel]:
    for k in range(len(kernel.sections)):
        if len(kernel.sections) > 1:
            yield replace(kernel, sections=kernel.sections[:k] + kernel.sections[k + 1:])
    for k, section in enumerate(kernel.sections):
        for body in _edits(section.body):
            reads, writes = _buffers(body)
            changed = replace(section, body=body, reads=tuple(b for b in section.reads if b in reads),
                              writes=tuple(b for b in section.writes if b in writes))
            yield replace(kernel, sections=(*kernel.sections[:k], changed, *kernel.sections[k + 1:]))


def _edits(node: Any) -> Iterator[Any]:
    """`node` with one thing left out of it, larger ones first."""
    if type(node) is tuple:
        for k, part in enumerate(node):
            rest = (node[:k], node[k + 1:])
            if isinstance(part, Stmt):
                yield (*rest[0], *rest[1])
                if type(part) is If:
                    yield (*rest[0], *part.body, *rest[1])
                if type(part) is Let and type(part.expr) in (Local, Load, Lit):
                    yield _named(rest[0], part) + _named(rest[1], part)
        for k, part in enumerate(node):
            for less in _edits(part):
                yield (*node[:k], less, *node[k + 1:])
    elif type(node) is Fn:
        yield from [a for a in node.args if a.dtype == node.dtype]
        for args in _edits(node.args):
            yield replace(node, args=args)
    elif isinstance(node, _NODES):
        for name in node.__match_args__:            # type: ignore[attr-defined]
            value = getattr(node, name)
            if type(value) in (tuple, Fn):
                for less in _edits(value):
                    yield replace(node, **{name: less})


def _named(node: Any, let: Let) -> Any:
    """`node` with what a Let names in the place of its name."""
    if type(node) is Local:
        return let.expr if node.name == let.name else node
    if type(node) is tuple:
        return tuple([_named(part, let) for part in node])
    if isinstance(node, _NODES):
        return replace(node, **{name: _named(getattr(node, name), let) for name in node.__match_args__  # type: ignore
                                if type(getattr(node, name)) in (tuple, Fn, Local)})
    return node


def _buffers(node: Any) -> tuple[set[Any], set[Any]]:
    """What is read and what is written."""
    reads, writes = set(), set()
    stack = [node]
    while stack:
        part = stack.pop()
        if type(part) is tuple:
            stack.extend(part)
        elif type(part) is Load:
            reads.add(part.buffer)
        elif isinstance(part, _NODES):
            if hasattr(part, "buffer"):
                writes.add(part.buffer)
                if hasattr(part, "row"):
                    reads.add(part.buffer)
            stack.extend(getattr(part, name) for name in part.__match_args__)       # type: ignore[attr-defined]
    return reads, writes
