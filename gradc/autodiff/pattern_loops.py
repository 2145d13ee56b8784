"""What loops and branches do to sets of elements that values depend on: rows of `autodiff.pattern_rules`.

A loop without carries is its body over all rows at once.  Else the sets of one step are found once, and put together
step by step; a step whose positions depend on the step is walked anew each time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gradc.autodiff.pattern_rules import EMPTY, Codes, Rule, UnknownSizes, Walk, elements, shape_of
from gradc.ir import dtypes, ops
from gradc.ir.batch import Unbatchable, batch_program
from gradc.ir.program import Eqn, Var, tensor
from gradc.ir.types import TensorType

EQUATIONS = 20_000      # of steps that are walked one by one, in all


def _scan(walk: Walk, eqn: Eqn) -> Sequence[Codes]:
    op = eqn.op
    number, _, seqs, inits, others = op.split(eqn.args)
    if number.data is None:
        raise UnknownSizes
    steps = int(number.data)
    if seqs and not op.n_carries and not op.until:
        try:
            program, _ = batch_program(op.body, [True] * len(seqs) + [False] * len(others), [True] * op.n_stacked)
        except Unbatchable:
            pass
        else:
            made = walk.run(program, [*[_rows(walk, x, 0, steps) for x in seqs], *others])
            return [walk.codes_of(v) for v in made]
    return _Steps(walk, eqn, steps).results(seqs, inits, others)


def _rows(walk: Walk, x: Var, start: int, count: int) -> Var:
    """Rows of x, as a value of its own."""
    shape = (count, *shape_of(x)[1:])
    part = Var(-1, TensorType.make(tensor(x).dtype, shape), None if x.data is None else x.data[start:start + count])
    width = int(np.prod(shape[1:], dtype=np.int64)) * walk.n
    codes = walk.codes_of(x)
    codes = codes[slice(*np.searchsorted(codes, [start * width, (start + count) * width]))] - start * width
    if codes.size:
        walk.codes[part] = codes
    return part


def _row(walk: Walk, x: Var, t: int) -> Var:
    """Row t of x."""
    part = _rows(walk, x, t, 1)
    row = Var(-1, TensorType.make(tensor(x).dtype, shape_of(x)[1:]), None if part.data is None else part.data[0])
    if part in walk.codes:
        walk.codes[row] = walk.codes[part]
    return row


class _Steps:
    """One loop, step by step."""

    def __init__(self, walk: Walk, eqn: Eqn, steps: int) -> None:
        self.walk, self.op, self.steps = walk, eqn.op, steps
        self.eqn = eqn

    def results(self, seqs: Sequence[Var], inits: Sequence[Var], others: Sequence[Var]) -> Sequence[Codes]:
        """The codes of the results of the loop."""
        walk, op = self.walk, self.op
        carried, rows = [walk.codes_of(v) for v in inits], [[EMPTY] for _ in range(op.n_stacked)]
        ended = [list(carried)]
        once = self._once(seqs, inits, others)
        carries = list(inits)
        for t in range(self.steps)[::-1 if op.reverse else 1]:
            args = [*[_row(walk, x, t) for x in seqs], *carries, *others]
            if once is None:
                made = walk.run(op.body, args)
                carries, codes = made[:op.n_carries], [walk.codes_of(v) for v in made]
            else:
                codes = once.step(walk, args)
                carries = [_of_codes(walk, v, each) for v, each in zip(inits, codes)]
            if op.until or op.limited:              # any step may be the last one
                ended.append(codes[:op.n_carries])
            carried = codes[:op.n_carries]
            for k, each in enumerate(codes[op.n_carries:op.n_carries + op.n_stacked]):
                width = elements(self.eqn.outs[op.n_carries + k]) // max(self.steps, 1)
                rows[k].append(each + t * width * walk.n)
        if op.until or op.limited:
            carried = [walk.union([codes for codes in each if codes.size]) for each in zip(*ended)]
        stacked = [np.concatenate(each[::-1] if op.reverse else each) for each in rows]
        return [*carried, *stacked, *([EMPTY] if op.until else [])]

    def _once(self, seqs: Sequence[Var], inits: Sequence[Var], others: Sequence[Var]) -> _Once | None:
        """The sets of a step; None if they differ from step to step, and the steps are few."""
        given = [*[_row(self.walk, x, 0) for x in seqs], *inits, *others] if self.steps else []
        if not given:
            return None
        constant = len(seqs) + len(inits)
        inputs = [Var(-1, v.type, v.data if k >= constant else None) for k, v in enumerate(given)]
        depends = [*[x in self.walk.codes for x in seqs], *[True] * len(inits), *[x in self.walk.codes for x in others]]
        once = _Once(self.op.body, inputs, depends, self.walk.rules)
        if once.local.notes and self.steps * len(self.op.body.eqns) <= EQUATIONS:
            return None
        self.walk.notes.update(once.local.notes)
        return once


def _of_codes(walk: Walk, like: Var, codes: Codes) -> Var:
    v = Var(-1, like.type)
    if codes.size:
        walk.codes[v] = codes
    return v


class _Once:
    """On which elements of its inputs, counted one after the other, those of the results of a body depend."""

    def __init__(self, body: Any, inputs: Sequence[Var], depends: Sequence[bool], rules: Mapping[type, Rule]) -> None:
        self.sizes = [elements(v) if flag and type(v.type) is TensorType and v.type.dtype not in dtypes.DISCRETE else 0
                      for v, flag in zip(inputs, depends)]
        self.starts = np.cumsum([0, *self.sizes])
        self.local = Walk(int(self.starts[-1]), rules)
        for v, start, size in zip(inputs, self.starts, self.sizes):
            if size:
                self.local.codes[v] = np.arange(size) * (self.local.n + 1) + start
        self.outs = self.local.run(body, inputs)
        ends = np.cumsum([0, *[elements(v) if type(v.type) is TensorType else 0 for v in self.outs]])
        codes = np.concatenate([EMPTY, *[self.local.codes_of(v) + start * self.local.n
                                         for v, start in zip(self.outs, ends)]])
        self.targets, self.sources, self.ends = codes // self.local.n, codes % self.local.n, ends

    def step(self, walk: Walk, args: Sequence[Var]) -> list[Codes]:
        """The codes of the results, where the arguments have those in `walk`."""
        given = [walk.codes_of(v) + start * walk.n for v, start, size in zip(args, self.starts, self.sizes) if size]
        codes = walk.combined(np.concatenate([EMPTY, *given]), self.targets, self.sources)
        cuts = np.searchsorted(codes, self.ends * walk.n)
        return [codes[lo:hi] - start * walk.n for lo, hi, start in zip(cuts, cuts[1:], self.ends)]


def _cond(walk: Walk, eqn: Eqn) -> Sequence[Codes]:
    """Of the branch that is taken, if that is known, else of both."""
    condition, *args = eqn.args
    op = eqn.op
    branches = (op.then, op.orelse) if condition.data is None else (op.then if condition.data else op.orelse,)
    made = [[walk.codes_of(v) for v in walk.run(branch, args)] for branch in branches]
    return [walk.union([codes for codes in each if codes.size]) for each in zip(*made)]


RULES: dict[type, Rule] = {ops.Scan: _scan, ops.Cond: _cond}
