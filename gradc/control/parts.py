"""A Scan taken apart, for rules: `LoopStep`, its body as fresh expressions; and put together: `LoopBuilder`.

Sets of the body's inputs (sequences, carries, others, in this order) are bits of an int.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gradc.autodiff.table import influence
from gradc.control.bodies import close
from gradc.errors import SourceLine
from gradc.ir import infer, ops
from gradc.ir.convert import inline
from gradc.ir.graph import Apply, Variable, ancestors, clone_replace
from gradc.record import replace
from gradc.tensor.shape import specify_shape

Replacements = Iterable[tuple[Variable, Variable]]


def bits(flags: Iterable[object]) -> int:
    """The set of the positions at which `flags` are true."""
    return sum(1 << k for k, flag in enumerate(flags) if flag)


class LoopStep:
    """One step of the Scan `node`.

    rows, carries, others   what it starts from: fresh variables
    after, stacked, stop    what it computes: the next carries, the rows to stack, the condition to stop or None
    """

    def __init__(self, node: Apply) -> None:
        op = self.op = node.op
        self.node = node
        self.inputs: list[Variable] = [v.type.variable_class(v.type, name=v.name) for v in op.body.inputs]
        first = op.n_seqs + op.n_carries
        self.rows = self.inputs[:op.n_seqs]
        self.carries = self.inputs[op.n_seqs:first]
        self.others = self.inputs[first:]
        made = inline(op.body, self.inputs, source=node.source)
        self.stop = made.pop() if op.until else None
        self.results: list[Variable] = made
        self.after = made[:op.n_carries]
        self.stacked = made[op.n_carries:]

    def carry_bit(self, k: int) -> int:
        """Carry k as a set."""
        return 1 << (self.op.n_seqs + k)

    def influence(self, *, smooth: bool = False) -> list[int]:
        """Per result of the loop what it depends on, by any number of steps; `smooth`: with derivatives only."""
        masks = influence(self.inputs, self.results, smooth=smooth)
        n = self.op.n_carries
        for k in range(n):
            masks[k] |= self.carry_bit(k)       # after no step at all
        growing = True
        while growing:
            growing = False
            for j, mask in enumerate(masks):
                for k in range(n):
                    if mask & self.carry_bit(k):
                        mask |= masks[k]
                if mask != masks[j]:
                    masks[j], growing = mask, True
        return masks


class LoopBuilder:
    """A Scan put together from parts; `key`s name what `build` makes of carries and rows."""

    def __init__(self) -> None:
        self.sequences: list[tuple[Variable, Variable]] = []            # (row in the step, sequence)
        self.carries: dict[object, tuple[Variable, Variable, Variable]] = {}   # (in the step, at first, what follows)
        self.rows: dict[object, Variable] = {}
        self.stop: Variable | None = None

    def results(self) -> list[Variable]:
        """What the step computes."""
        return [*(after for _, _, after in self.carries.values()), *self.rows.values(),
                *([] if self.stop is None else [self.stop])]

    def build(self, op: ops.Scan, steps: Variable, limit: Variable | None, inside: Replacements, outside: Replacements,
              source: SourceLine | None) -> dict[Any, Variable]:
        """key -> the last value of that carry, or the stacked rows.

        `op` has direction and name.  `inside`: what is replaced in the step before it is closed; `outside`: what stands
        outside the loop for variables that are no part of it.  Sequences that are not used are left out.
        """
        results = clone_replace(self.results(), inside)
        used = {id(v) for v in ancestors(results)}
        seqs = [(row, x) for row, x in self.sequences if id(row) in used]
        closed = close([*(row for row, _ in seqs), *(v for v, _, _ in self.carries.values())], results)
        op = replace(op, body=closed.program, n_seqs=len(seqs), n_carries=len(self.carries),
                     until=self.stop is not None, limited=limit is not None)
        args = [steps, *([] if limit is None else [limit]), *(x for _, x in seqs),
                *(first for _, first, _ in self.carries.values()),
                *clone_replace(closed.others, [(old, _fitting(new, old)) for old, new in outside])]
        made = Apply(op, args, infer.output_types(op, args, source), source).outputs
        return dict(zip((*self.carries, *self.rows), made))


def _fitting(new: Variable, old: Variable) -> Variable:
    """`new`, said to have the sizes that are known of `old`, for which it stands."""
    return new if old.type.accepts(new.type) else specify_shape(new, old.type.shape)
