"""Which entries of the matrix of a linear map can differ from 0, entry by entry, where all sizes are static.

    pattern_of(program) -> SparsityPattern | None       `program`: linear in its first input

Every value that depends on the input has, for each of its elements, the set of elements of the input that it can depend
on; all sets of a value are one sorted array of codes, element * n + input element.  Conservative: sums that cancel
and factors that happen to be 0 are not seen, factors in constants are.  What has no rule depends on everything
that its arguments depend on.  In: a Program.  Out: NumPy arrays.  Source: A. Griewank, A. Walther,
Evaluating Derivatives, 2nd ed. (2008), section 7.1 (propagation of index domains).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradc.ir import ops
from gradc.ir.facts import facts, kinds
from gradc.ir.interp import run_equation
from gradc.ir.program import Eqn, Program, Var, tensor
from gradc.ir.types import TensorType
from gradc.record import record

LIMIT = 5_000_000       # of codes of one value; what is denser is not worth being found


@record(eq=False)
class SparsityPattern:
    """The entries of a matrix that can differ from 0, ordered by row, then by column."""

    rows: np.ndarray
    columns: np.ndarray
    shape: tuple[int, int]

    @property
    def transposed(self) -> SparsityPattern:
        """The pattern of the transposed matrix."""
        order = np.lexsort((self.rows, self.columns))
        return SparsityPattern(self.columns[order], self.rows[order], self.shape[::-1])


class _TooMany(Exception):
    pass


def pattern_of(program: Program) -> SparsityPattern | None:
    """The pattern with a row for each element of the first input, a column for each of the output (flat).

    None if a size is not static or the pattern is too dense.
    """
    u, out = program.inputs[0], program.outputs[0]
    n = _elements(u)
    m = _elements(out)
    if n is None or m is None:
        return None
    walk = _Walk(n)
    walk.codes[u] = np.arange(n) * (n + 1)
    try:
        for eqn in program.eqns:
            if not walk.step(eqn):
                return None
    except _TooMany:
        return None
    codes = walk.codes.get(out, np.zeros(0, dtype=np.int64))
    return SparsityPattern(codes // max(n, 1), codes % max(n, 1), (m, n)).transposed


def _elements(v: Var) -> int | None:
    shape = tensor(v).shape
    return None if None in shape else int(np.prod(shape, dtype=np.int64))  # type: ignore[arg-type]


class _Walk:
    """Codes of the values that depend on the input; values of those that are constant."""

    def __init__(self, n: int) -> None:
        self.n = max(n, 1)
        self.codes: dict[Var, np.ndarray] = {}
        self.known: dict[Var, np.ndarray] = {}

    def step(self, eqn: Eqn) -> bool:
        """One equation; False if its sizes are not static."""
        if not any(a in self.codes for a in eqn.args) or type(eqn.op) is ops.ShapeOf:
            self._constant(eqn)
            return True
        for v in (*eqn.args, *eqn.outs):
            if _elements(v) is None:
                return False
        rule = _RULES.get(type(eqn.op), _everything)
        codes = rule(self, eqn)
        for out in eqn.outs:
            self.codes[out] = codes if len(eqn.outs) == 1 else _everything(self, eqn, out)
        return True

    def _constant(self, eqn: Eqn) -> None:
        """Values that are known now: constants, and small integers made of them (sizes, positions)."""
        if type(eqn.op) is ops.ShapeOf and eqn.op.axis is not None:
            size = tensor(eqn.args[0]).shape[eqn.op.axis]
            if size is not None:
                self.known[eqn.out] = np.asarray(size)
        elif (facts(eqn.op).elementwise or facts(eqn.op).view) and all(a in self.known for a in eqn.args):
            (self.known[eqn.out],) = run_equation(eqn, [self.known[a] for a in eqn.args])

    # ------------------------------------------------------------------------------------------ set operations

    def union(self, parts: Sequence[np.ndarray]) -> np.ndarray:
        """The sets of several arrays of codes joined."""
        codes = np.unique(np.concatenate(parts)) if parts else np.zeros(0, dtype=np.int64)
        if codes.size > LIMIT:
            raise _TooMany
        return codes

    def gathered(self, codes: np.ndarray, source: np.ndarray) -> np.ndarray:
        """Codes of a value whose element e is element source[e] of a value with `codes` (none where it is < 0)."""
        elements = codes // self.n
        flat = source.reshape(-1)
        first = np.searchsorted(elements, np.arange(flat.max(initial=-1) + 2))
        counts = np.where(flat >= 0, np.diff(first)[flat] if first.size > 1 else 0, 0)
        total = int(counts.sum())
        if total > LIMIT:
            raise _TooMany
        target = np.repeat(np.arange(flat.size), counts)
        within = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
        return target * self.n + codes[np.repeat(first[flat], counts) + within] % self.n

    def moved(self, codes: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Codes of a value whose element target[e] takes in element e of a value with `codes`."""
        return np.unique(target.reshape(-1)[codes // self.n] * self.n + codes % self.n)


def _positions(v: Var) -> np.ndarray:
    return np.arange(_elements(v)).reshape(tensor(v).shape)  # type: ignore[arg-type]


def _everything(walk: _Walk, eqn: Eqn, out: Var | None = None) -> np.ndarray:
    """Each element of the result depends on all that any argument depends on."""
    inputs = np.unique(np.concatenate([walk.codes[a] % walk.n for a in eqn.args if a in walk.codes]))
    count = _elements(out or eqn.out)
    assert count is not None
    if count * inputs.size > LIMIT:
        raise _TooMany
    return (np.arange(count)[:, None] * walk.n + inputs).reshape(-1)


def _map(walk: _Walk, eqn: Eqn) -> np.ndarray:
    shape = tensor(eqn.out).shape
    args = eqn.args[1:] if eqn.op.fn == "second" else eqn.args
    parts = [walk.gathered(walk.codes[a], np.broadcast_to(_positions(a), shape)) for a in args  # type: ignore[arg-type]
             if a in walk.codes]
    codes = walk.union(parts)
    if eqn.op.fn == "mul":
        for a in args:
            if a in walk.known:
                codes = codes[np.broadcast_to(walk.known[a] != 0, shape).reshape(-1)[codes // walk.n]]  # type: ignore
    return codes


def _view(walk: _Walk, eqn: Eqn) -> np.ndarray:
    """An op that moves elements of its first argument about: done to their positions."""
    x, rest = eqn.args[0], eqn.args[1:]
    if x not in walk.codes:
        return np.zeros(0, dtype=np.int64)
    if not all(a in walk.known for a in rest):
        return _everything(walk, eqn)
    return walk.gathered(walk.codes[x], _part(walk, eqn.op, x, rest, eqn.out))


def _part(walk: _Walk, op: ops.OpKind, x: Var, rest: Sequence[Var], like: Var | None = None) -> np.ndarray:
    """`op` of the positions of x and known values."""
    shape = (None,) * tensor(x).ndim if like is None else tensor(like).shape
    out = Var(-1, TensorType.make("int64", shape))
    return np.asarray(run_equation(Eqn(op, (x, *rest), (out,)), [_positions(x), *[walk.known[a] for a in rest]])[0])


def _same(walk: _Walk, eqn: Eqn) -> np.ndarray:
    return walk.codes.get(eqn.args[0], np.zeros(0, dtype=np.int64))


def _reduce(walk: _Walk, eqn: Eqn) -> np.ndarray:
    (x,), axes = eqn.args, eqn.op.axes
    return walk.moved(walk.codes[x], np.broadcast_to(np.expand_dims(_positions(eqn.out), axes), tensor(x).shape))  # type: ignore


def _scatter(walk: _Walk, eqn: Eqn) -> np.ndarray:
    """What reads the part tells where it is; several elements may go to one place."""
    x, v, *dynamic = eqn.args
    if not all(a in walk.known for a in dynamic):
        return _everything(walk, eqn)
    whole = _positions(x)
    place = _part(walk, ops.reading(eqn.op), x, dynamic)
    parts = []
    if x in walk.codes:
        codes = walk.codes[x]
        if eqn.op.mode == "set":
            kept = np.ones(whole.size, dtype=bool)
            kept[place] = False
            codes = codes[kept[codes // walk.n]]
        parts.append(codes)
    if v in walk.codes:
        part = walk.gathered(walk.codes[v], np.broadcast_to(_positions(v), place.shape))
        parts.append(walk.moved(part, place))
    return walk.union(parts)


def _concat(walk: _Walk, eqn: Eqn) -> np.ndarray:
    place = np.split(_positions(eqn.out), np.cumsum([tensor(a).shape[eqn.op.axis] for a in eqn.args])[:-1],
                     axis=eqn.op.axis)
    return walk.union([walk.moved(walk.codes[a], p) for a, p in zip(eqn.args, place) if a in walk.codes])


def _contract(walk: _Walk, eqn: Eqn) -> np.ndarray:
    """Each element of the result depends on the elements of an argument with the same labels."""
    op: Any = eqn.op
    parts = []
    for (x, labels), (w, others) in zip(zip(eqn.args, (op.a, op.b)), zip(eqn.args[::-1], (op.b, op.a))):
        if x not in walk.codes:
            continue
        if w in walk.known and len(labels) == 1 and set(others) == {*labels, *op.out} and len(others) == 2:
            parts.append(_times_constant(walk, x, walk.known[w] if others[1] == labels[0] else walk.known[w].T))
            continue
        kept = [label for label in labels if label in op.out]
        shape = [tensor(x).shape[labels.index(label)] for label in kept]
        inner = np.arange(int(np.prod(shape, dtype=np.int64))).reshape(shape)   # x summed over the labels of its own
        summed = tuple([k for k, label in enumerate(labels) if label not in kept])
        codes = walk.moved(walk.codes[x], np.broadcast_to(np.expand_dims(inner, summed), tensor(x).shape))  # type: ignore
        order = [label for label in op.out if label in kept]
        wide = np.transpose(inner, [kept.index(label) for label in order])
        missing = tuple([k for k, label in enumerate(op.out) if label not in kept])
        parts.append(walk.gathered(codes, np.broadcast_to(np.expand_dims(wide, missing), tensor(eqn.out).shape)))  # type: ignore
    return walk.union(parts)


def _times_constant(walk: _Walk, x: Var, matrix: np.ndarray) -> np.ndarray:
    """matrix @ x for a constant matrix: only where it is not 0."""
    rows, columns = np.nonzero(matrix)
    codes = walk.gathered(walk.codes[x], columns)
    return walk.moved(codes, rows)


_RULES: dict[type, Callable[[_Walk, Eqn], np.ndarray]] = {
    **dict.fromkeys(ops.VIEWS, _view), **dict.fromkeys(ops.WRITES, _scatter),
    ops.Map: _map, ops.Cast: _same, ops.Assert: _same, ops.Concat: _concat,
    **dict.fromkeys(kinds("folds"), _reduce), **dict.fromkeys(kinds("labels"), _contract),
}
