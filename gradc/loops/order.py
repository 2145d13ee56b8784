"""The order of the statements of a loop's body: what is needed late is not computed early, what takes long is not last.

A body is a graph of Lets; its text is one order of many.  The processor looks a few hundred instructions ahead: less
than the body of a long loop.  Statements that form one chain, each waiting for the one before it, must have others
among them that do not wait.  So each statement comes right after what it needs, and of its arguments the one at the end
of the shortest chain first: by then the longest one, which follows, has the next statements to run beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

from gradc.ir.scalars import get_row
from gradc.loops.look import expressions, names
from gradc.loops.nodes import NO_ROW, Fn, Let
from gradc.target import TARGET


def ordered(body: Sequence[object]) -> tuple[object, ...]:
    """`body` with the Lets of each run in that order; what is short enough to be seen whole stays as it is."""
    result: list[object] = []
    run: list[Let] = []
    for s in body:
        if type(s) is Let and not s.mutable:
            run.append(s)
            continue
        result += _run(run)
        result.append(s)
        run = []
    return (*result, *_run(run))


def _run(lets: Sequence[Let]) -> Sequence[Let]:
    if len(lets) < TARGET.window:
        return lets
    number = {s.name: k for k, s in enumerate(lets)}
    needs = [[number[n] for n in names(s) if n in number] for s in lets]
    chain: list[int] = []
    for s, needed in zip(lets, needs):
        chain.append(_weight(s) + max([chain[k] for k in needed], default=0))
    used = {k for needed in needs for k in needed}
    done: dict[int, None] = {}
    stack = [k for k in reversed(range(len(lets))) if k not in used]
    while stack:
        waiting = sorted([k for k in needs[stack[-1]] if k not in done], key=lambda k: (chain[k], k))
        if waiting:
            stack.append(waiting[0])
        else:
            done[stack.pop()] = None
    return [lets[k] for k in done]


def _weight(s: Let) -> int:
    return sum([get_row(e.row).weight for e in expressions(s) if type(e) is Fn and e.row not in NO_ROW])
