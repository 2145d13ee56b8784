"""What each op kind does to sets of elements that values depend on, of values whose sizes are known.

    Walk(n, rules).run(program, args)      each argument a Var of known shape, with `data` where its value is known

RULES[kind](walk, eqn) -> for each result its codes: element * n + element of the input, sorted (`autodiff.patterns`).
What has no rule depends on everything that its arguments depend on, and is noted.  Loops and branches:
`autodiff.pattern_loops`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gradc.errors import GradcError
from gradc.ir import infer, ops
from gradc.ir.facts import facts, kinds
from gradc.ir.interp import run_equation
from gradc.ir.program import Eqn, Program, Sources, Var, bodies, tensor
from gradc.ir.routines import STATED, UserRoutine, get_routine
from gradc.ir.types import TensorType, Type

Codes = np.ndarray
Rule = Callable[["Walk", Eqn], "Sequence[Codes]"]

LIMIT = 5_000_000       # of codes of one value; what is denser is not worth being found
EMPTY = np.zeros(0, dtype=np.int64)


class UnknownSizes(Exception):
    """The size of a result is known only at a run."""


class TooManyEntries(Exception):
    """More codes than LIMIT."""


def elements(v: Var) -> int:
    """How many elements v has.  Raises UnknownSizes."""
    shape = v.type.shape if type(v.type) is TensorType else (None,)
    if None in shape:
        raise UnknownSizes
    return int(np.prod(shape, dtype=np.int64))  # type: ignore[arg-type]


def shape_of(v: Var) -> tuple[int, ...]:
    """The shape of v, which is known."""
    return tensor(v).shape  # type: ignore[return-value]


def positions(v: Var) -> np.ndarray:
    """The position of each element of v in its flat array, in the shape of v."""
    return np.arange(elements(v)).reshape(shape_of(v))


class Walk:
    """`codes` of the values that depend on the input; `notes`: what was not understood -> user lines."""

    def __init__(self, n: int, rules: Mapping[type, Rule]) -> None:
        self.n = max(n, 1)
        self.rules = rules
        self.codes: dict[Var, Codes] = {}
        self.notes: dict[str, Sources] = {}

    def run(self, program: Program, args: Sequence[Var]) -> list[Var]:
        """The outputs of `program`, equation by equation."""
        env = dict(zip(program.inputs, args))
        for eqn in program.eqns:
            env.update(zip(eqn.outs, self.equation(eqn, [env[a] for a in eqn.args])))
        return [env[v] for v in program.outputs]

    def equation(self, eqn: Eqn, args: Sequence[Var]) -> Sequence[Var]:
        """The results of one equation, with their sets if they depend on the input."""
        outs = tuple([Var(-1, t) for t in self._types(eqn.op, args)])
        made = Eqn(eqn.op, tuple(args), outs, eqn.sources)
        if type(eqn.op) is ops.ShapeOf or not any(a in self.codes for a in args):
            _evaluate(made)
            return outs
        for v in (*args, *outs):
            if type(v.type) is TensorType:
                elements(v)
        for out, codes in zip(outs, self.rules.get(type(eqn.op), everything)(self, made)):
            if codes.size > LIMIT:
                raise TooManyEntries
            if codes.size:
                self.codes[out] = codes
        return outs

    def _types(self, op: Any, args: Sequence[Var]) -> list[Type]:
        """The types of the results; those of a loop or branch from its bodies, for the sizes that arguments have."""
        types = infer.output_types(op, args)
        if not bodies(op) or not any(None in t.shape for t in types if type(t) is TensorType):
            return types
        plain = Walk(0, self.rules)
        if type(op) is ops.Cond:
            made = [[v.type for v in plain.run(branch, args[1:])] for branch in bodies(op)]
            return [a if a == b else t for a, b, t in zip(*made, types)]
        number, _, seqs, inits, others = op.split(args)
        row = [Var(-1, TensorType.make(tensor(x).dtype, tensor(x).shape[1:])) for x in seqs]
        outs = plain.run(op.body, [*row, *[Var(-1, v.type) for v in inits], *others])
        steps = None if number.data is None else int(number.data)
        rows = [TensorType.make(tensor(v).dtype, (steps, *tensor(v).shape))
                for v in outs[op.n_carries:op.n_carries + op.n_stacked]]
        return [*[v.type for v in inits], *rows, *types[op.n_carries + op.n_stacked:]]

    def note(self, text: str, eqn: Eqn) -> None:
        """Something that was not understood in `eqn`."""
        self.notes.setdefault(text, eqn.sources)

    # ------------------------------------------------------------------------------------------ set operations

    def codes_of(self, v: Var) -> Codes:
        """The codes of v, none if it does not depend on the input."""
        return self.codes.get(v, EMPTY)

    def union(self, parts: Sequence[Codes]) -> Codes:
        """The sets of several arrays of codes joined."""
        first, *others = parts or [EMPTY]
        others = [part for part in others if part.size and not np.array_equal(part, first)]
        if sum(map(len, others)) > 4 * LIMIT:
            raise TooManyEntries
        return np.unique(np.concatenate([first, *others])) if others else first

    def gathered(self, codes: Codes, source: np.ndarray) -> Codes:
        """Codes of a value whose element e is element source[e] of a value with `codes`."""
        target, inputs = self.pairs(codes, source)
        return target * self.n + inputs

    def pairs(self, codes: Codes, source: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For each k and each member of the set of element source[k]: k and the member, in this order."""
        flat = source.reshape(-1)
        sizes = np.bincount(codes // self.n, minlength=int(flat.max(initial=-1)) + 1)
        first = np.cumsum(sizes) - sizes
        counts = sizes[flat]
        total = int(counts.sum())
        if total > 4 * LIMIT:
            raise TooManyEntries
        within = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
        return np.repeat(np.arange(flat.size), counts), codes[np.repeat(first[flat], counts) + within] % self.n

    def moved(self, codes: Codes, target: np.ndarray) -> Codes:
        """Codes of a value whose element target[e] takes in element e of a value with `codes`."""
        return np.unique(target.reshape(-1)[codes // self.n] * self.n + codes % self.n)

    def combined(self, codes: Codes, target: np.ndarray, source: np.ndarray) -> Codes:
        """Codes of a value whose element target[k] takes in element source[k] of a value with `codes`, for each k."""
        order, inputs = self.pairs(codes, source)
        return np.unique(target.reshape(-1)[order] * self.n + inputs)


def _evaluate(eqn: Eqn) -> None:
    """The value of an equation as `data` of its result, if its arguments are known: sizes, positions, masks."""
    op = eqn.op
    if facts(op).several:           # a routine, a loop or a branch
        return
    if type(op) is ops.ShapeOf:
        shape = tensor(eqn.args[0]).shape
        shape = shape if op.axis is None else shape[op.axis:op.axis + 1]
        if None not in shape:
            eqn.out.data = np.array(shape, dtype=np.int64).reshape(tensor(eqn.out).shape)
        return
    if type(eqn.out.type) is not TensorType or None in eqn.out.type.shape or elements(eqn.out) > LIMIT \
            or any(a.data is None for a in eqn.args):
        return
    try:
        with np.errstate(all="ignore"):
            eqn.out.data = np.asarray(run_equation(eqn, [a.data for a in eqn.args])[0])
    except GradcError:
        pass                        # the run will say so


# ------------------------------------------------------------------------------------------------------ rules


def everything(walk: Walk, eqn: Eqn) -> list[Codes]:
    """Each element of the results depends on all that any argument depends on."""
    walk.note(f"nothing is known of which elements of its arguments the results of {eqn.op} depend on", eqn)
    inputs = np.unique(np.concatenate([walk.codes_of(a) % walk.n for a in eqn.args]))
    made = []
    for out in eqn.outs:
        count = elements(out) if type(out.type) is TensorType else 0
        if count * inputs.size > LIMIT:
            raise TooManyEntries
        made.append((np.arange(count)[:, None] * walk.n + inputs).reshape(-1))
    return made


def _map(walk: Walk, eqn: Eqn) -> list[Codes]:
    shape, fn = shape_of(eqn.out), eqn.op.fn
    args = eqn.args[1:] if fn == "second" else eqn.args
    parts = []
    for a in args:
        if a in walk.codes:
            same = shape_of(a) == shape
            parts.append(walk.codes[a] if same else walk.gathered(walk.codes[a], np.broadcast_to(positions(a), shape)))
        else:
            parts.append(EMPTY)
    if fn == "switch" and (condition := args[0].data) is not None:
        parts[1:] = [_where(walk, part, mask, shape) for part, mask in zip(parts[1:], (condition != 0, condition == 0))]
    codes = walk.union([part for part in parts if part.size])
    if fn == "mul":
        for a in args:
            if a.data is not None:
                codes = _where(walk, codes, a.data != 0, shape)
    return [codes]


def _where(walk: Walk, codes: Codes, mask: np.ndarray, shape: tuple[int, ...]) -> Codes:
    """The codes of the elements at which `mask` is true."""
    return codes if mask.all() else codes[np.broadcast_to(mask, shape).reshape(-1)[codes // walk.n]]


def _last(walk: Walk, eqn: Eqn) -> list[Codes]:
    return [walk.codes_of(eqn.args[-1])]


def _first(walk: Walk, eqn: Eqn) -> list[Codes]:
    return [walk.codes_of(eqn.args[0])]


def _view(walk: Walk, eqn: Eqn) -> list[Codes]:
    """An op that moves elements of its first argument about: done to their positions."""
    x, *rest = eqn.args
    codes, places = walk.codes_of(x), positions(x)
    if type(eqn.op) is ops.Broadcast:
        return [walk.gathered(codes, np.broadcast_to(places, shape_of(eqn.out)))]
    if type(eqn.op) is ops.Reshape:
        return [codes]
    axes = _open_axes(eqn.op, rest)
    if axes:
        groups = _collapsed(x, axes)
        codes, places = walk.moved(codes, groups), groups
        _note_positions(walk, eqn)
    return [walk.gathered(codes, _read(eqn.op, places, rest, eqn.out))]


def _note_positions(walk: Walk, eqn: Eqn) -> None:
    walk.note(f"the positions of {eqn.op} are known only when it runs", eqn)


def _open_axes(op: object, dynamic: Sequence[Var]) -> list[int]:
    """The axes at which positions are not known now."""
    if isinstance(op, ops.AT_ARRAYS):
        return [axis for axis, i in zip(op.axes, dynamic) if i.data is None]
    return [axis for axis, (_, given) in enumerate(ops.with_arguments(getattr(op, "items", ()), dynamic))
            if any(a.data is None for a in given)]


def _collapsed(x: Var, axes: Sequence[int]) -> np.ndarray:
    """In the shape of x, the number of each element, the same along `axes`."""
    shape = [1 if k in axes else size for k, size in enumerate(shape_of(x))]
    return np.broadcast_to(np.arange(int(np.prod(shape, dtype=np.int64))).reshape(shape), shape_of(x))


def _read(op: object, places: np.ndarray, dynamic: Sequence[Var], out: Var | None = None) -> np.ndarray:
    """What `op` reads of `places`; position 0 where it is not known, of an axis along which all is the same."""
    if places.size == 0:
        return np.zeros(0 if out is None else shape_of(out), dtype=np.int64)
    given = [np.zeros(shape_of(a), dtype=np.int64) if a.data is None else a.data for a in dynamic]
    x = Var(-1, TensorType.make("int64", places.shape))
    made = Var(-1, TensorType.make("int64", () if out is None else shape_of(out)))
    return np.asarray(run_equation(Eqn(op, (x, *dynamic), (made,)), [places, *given])[0])


def _reduce(walk: Walk, eqn: Eqn) -> list[Codes]:
    (x,) = eqn.args
    whole = np.expand_dims(positions(eqn.out), eqn.op.axes)
    return [walk.moved(walk.codes_of(x), np.broadcast_to(whole, shape_of(x)))]


def _cumulate(walk: Walk, eqn: Eqn) -> list[Codes]:
    """An element takes part in those behind it."""
    (x,), axis = eqn.args, eqn.op.axis
    codes, shape = walk.codes_of(x), shape_of(eqn.args[0])
    stride = int(np.prod(shape[axis + 1:], dtype=np.int64))
    counts = shape[axis] - codes // walk.n // stride % shape[axis]
    total = int(counts.sum())
    if total > 4 * LIMIT:
        raise TooManyEntries
    behind = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
    return [np.unique(np.repeat(codes, counts) + behind * stride * walk.n)]


def _scatter(walk: Walk, eqn: Eqn) -> list[Codes]:
    """What reads the part tells where it is; several elements may go to one place."""
    x, v, *dynamic = eqn.args
    axes = _open_axes(eqn.op, dynamic)
    groups = _collapsed(x, axes)
    place = _read(ops.reading(eqn.op), groups, dynamic)
    parts = []
    if x in walk.codes:
        codes = walk.codes[x]
        if eqn.op.mode == "set" and not axes:
            kept = np.ones(groups.size, dtype=bool)
            kept[place] = False
            codes = codes[kept[codes // walk.n]]
        parts.append(codes)
    if v in walk.codes:
        part = walk.combined(walk.codes[v], place, np.broadcast_to(positions(v), place.shape))
        if axes:
            _note_positions(walk, eqn)
            part = walk.gathered(part, groups)
        parts.append(part)
    return [walk.union(parts)]


def _concat(walk: Walk, eqn: Eqn) -> list[Codes]:
    axis = eqn.op.axis
    place = np.split(positions(eqn.out), np.cumsum([shape_of(a)[axis] for a in eqn.args])[:-1], axis=axis)
    return [walk.union([walk.moved(walk.codes[a], p) for a, p in zip(eqn.args, place) if a in walk.codes])]


def _contract(walk: Walk, eqn: Eqn) -> list[Codes]:
    """Each element of the result depends on the elements of an argument with the same labels."""
    op = eqn.op
    sizes = dict(zip((*op.a, *op.b), (*shape_of(eqn.args[0]), *shape_of(eqn.args[1]))))
    parts = []
    for (x, labels), (w, others) in zip(zip(eqn.args, (op.a, op.b)), zip(eqn.args[::-1], (op.b, op.a))):
        if x not in walk.codes:
            continue
        codes, names = walk.codes[x], list(labels)
        if w.data is not None and not w.data.all():
            parts.append(_times_constant(walk, codes, labels, w.data, others, op.out, sizes))
            continue
        kept = [label for label in labels if label in op.out]
        inner = np.arange(int(np.prod([sizes[k] for k in kept], dtype=np.int64))).reshape([sizes[k] for k in kept])
        summed = tuple([k for k, label in enumerate(names) if label not in kept])   # x over the labels of its own
        codes = walk.moved(codes, np.broadcast_to(np.expand_dims(inner, summed), shape_of(x)))
        wide = np.transpose(inner, [kept.index(label) for label in op.out if label in kept])
        missing = tuple([k for k, label in enumerate(op.out) if label not in kept])
        parts.append(walk.gathered(codes, np.broadcast_to(np.expand_dims(wide, missing), shape_of(eqn.out))))
    return [walk.union(parts)]


def _times_constant(walk: Walk, codes: Codes, labels: Sequence[int], w: np.ndarray, others: Sequence[int],
                    out: Sequence[int], sizes: dict[int, int]) -> Codes:
    """x by `labels` times a constant by `others`: only where the constant is not 0."""
    at = dict(zip(others, [k[:, None] for k in np.nonzero(w)]))
    free = [label for label in labels if label not in at]
    shape = [sizes[label] for label in free]
    if np.count_nonzero(w) * int(np.prod(shape, dtype=np.int64)) > 4 * LIMIT:
        raise TooManyEntries
    at.update(zip(free, [k.reshape(1, -1) for k in np.indices(shape)]))

    def place(names: Sequence[int]) -> np.ndarray:
        flat = np.zeros((np.count_nonzero(w), int(np.prod(shape, dtype=np.int64))), dtype=np.int64)
        for name in names:
            flat = flat * sizes[name] + at[name]
        return flat

    return walk.combined(codes, place(out), place(labels))


def _call(walk: Walk, eqn: Eqn) -> list[Codes]:
    """A routine: what it makes of an element of the batch depends on all of that element."""
    routine = get_routine(eqn.op.routine)
    inputs, _ = eqn.op.split(eqn.args)
    if isinstance(routine, UserRoutine) or routine.has_state:
        return everything(walk, eqn)
    cores, results = routine.cores
    if STATED in (*cores, *results):
        return everything(walk, eqn)
    made = []
    for out, core in zip(eqn.outs, results):
        batch = shape_of(out)[:len(shape_of(out)) - len(core)]
        parts = []
        for x, own in zip(inputs, cores):
            if x in walk.codes:
                lead = shape_of(x)[:len(shape_of(x)) - len(own)]
                number = np.arange(int(np.prod(lead, dtype=np.int64))).reshape(lead)
                codes = walk.moved(walk.codes[x], _repeated(number, shape_of(x)))
                parts.append(walk.gathered(codes, _repeated(np.broadcast_to(number, batch), shape_of(out))))
        made.append(walk.union(parts))
    return made


def _repeated(number: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Each element over new axes behind those of `number`."""
    return np.broadcast_to(number.reshape(number.shape + (1,) * (len(shape) - number.ndim)), shape)


RULES: dict[type, Rule] = {
    **dict.fromkeys(kinds("several"), _call),           # of these, loops and branches have rows of their own
    **dict.fromkeys(ops.VIEWS, _view), **dict.fromkeys(ops.WRITES, _scatter),
    ops.Map: _map, ops.Cast: _first, ops.Assert: _first, ops.GradientOf: _last, ops.Concat: _concat,
    **dict.fromkeys(kinds("folds"), _reduce), **dict.fromkeys(kinds("labels"), _contract),
    ops.Cumulate: _cumulate,
}
