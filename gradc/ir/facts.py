"""Facts about op kinds that passes and batching ask, so that they need not know the kinds: one entry for each.

    facts(op)       the entry: does it move elements only, can it fail, which arguments are sizes, ...
    kinds(fact)     the kinds that have an entry for one of them
    weight(op)      the work of one element of an elementwise op, in additions
    work(eqn)       the work of an equation, in additions
    again(eqn)      recompute or store: here it is decided for an element,
    dear(eqn)       and here for a value of each step of a loop

Not here: types (`ir.infer`), sizes of results (`ir.shapes`), what an op does row by row (`ir.batch`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, TypeAlias, TypeVar

from gradc.errors import NoRuleError
from gradc.ir import ops
from gradc.ir.program import Eqn, Var, tensor
from gradc.ir.routines import get_routine
from gradc.ir.scalars import get_row
from gradc.ir.types import TensorType
from gradc.record import record
from gradc.target import TARGET

T = TypeVar("T")
Axes = tuple[int, ...]
Of: TypeAlias = Callable[[Any], T]        # what is asked of an op of the kind that an entry is for
Sizes = Callable[[Any, Sequence[Any]], Sequence[Any]]


def _none(op: object, args: Sequence[object]) -> Sequence[object]:
    return ()


def elements(var: Var) -> int:
    """How many elements a value has, about."""
    return _count(var.type.shape) if type(var.type) is TensorType else TARGET.unknown


def _count(shape: Sequence[int | None]) -> int:
    return prod([TARGET.unknown if s is None else s for s in shape])


def _largest(eqn: Eqn) -> int:
    """As many as the largest of what is read and made has elements."""
    return max(elements(v) for v in (*eqn.args, *eqn.outs))


def _products(eqn: Eqn) -> int:
    common = [s for label, s in zip(eqn.op.a, tensor(eqn.args[0]).shape) if label in eqn.op.b]
    return elements(eqn.args[0]) * elements(eqn.args[1]) // max(1, _count(common))


def _routine_work(eqn: Eqn) -> int:
    row = get_routine(eqn.op.routine)
    if not row.cost:
        return _largest(eqn)
    cores, made = row.cores
    size = dict(pair for core, x in zip(cores, eqn.args) for pair in zip(core, tensor(x).shape[-len(core):]))
    batch = tensor(eqn.outs[0]).shape[:tensor(eqn.outs[0]).ndim - len(made[0])]
    return _count((*batch, *[int(label) if label.isdecimal() else size[label] for label in row.cost]))


@record(eq=False)
class Facts:
    """What is true of an op kind.

    elementwise     an element of the result is made of the elements of the arguments at its place
    view            nothing is computed: elements are moved or repeated, or follow from sizes
    fused           over many rows it needs no array of its own, if what reads it is elementwise
    fails           can it raise an error for values, other than for sizes?  Nothing is known of a user's Op
    sizes           which of the arguments say how large a result is
    work            the work of an equation, in additions
    values          on how many leading arguments the value of the result depends, differentiably or with zero
                    derivative, if the others are sizes, positions and conditions; None: on all
    several         it may have any number of results
    draws           does it draw from the state of a random generator?

    Of some ops more is known; each of these is None for others.
    permutation     the axes of the argument that the axes of the result are, -1 for new ones of size 1, if only the
                    order of axes changes
    reads           the basic index of the part of the first argument that is the result
    changes         the basic index of the part that is changed in a copy of the first argument
    folds           the axes of the argument along which elements are folded into one, by the row `op.fn`
    labels          the labels of the axes of each argument and of the result, if it is a sum of their products
    routine         what it calls, if it is a call
    """

    elementwise: bool = False
    view: bool = False
    fused: bool = False
    fails: Of[bool] = lambda op: False
    sizes: Sizes = _none
    work: Callable[[Eqn], int] = _largest
    values: int | None = None
    several: bool = False
    draws: Of[bool] = lambda op: False
    permutation: Of[Axes] | None = None
    reads: Of[ops.Items] | None = None
    changes: Of[ops.Items] | None = None
    folds: Of[Axes] | None = None
    labels: Of[tuple[Axes, Axes, Axes]] | None = None
    routine: Of[Any] | None = None


def _bounds(items: ops.Items, dynamic: Sequence[object]) -> list[object]:
    """The arguments of an index that are bounds of ranges."""
    return [a for item, given in ops.with_arguments(items, dynamic) if not item.is_single for a in given]


FACTS: dict[type, Facts] = {
    ops.Const: Facts(view=True, fused=True),
    ops.Map: Facts(elementwise=True, fused=True, work=lambda eqn: weight(eqn.op) * elements(eqn.out)),
    ops.Cast: Facts(elementwise=True, fused=True),
    ops.Reduce: Facts(fused=True, folds=lambda op: op.axes),
    ops.Cumulate: Facts(),
    ops.ArgReduce: Facts(),
    ops.Contract: Facts(work=_products, labels=lambda op: (op.a, op.b, op.out)),
    ops.Broadcast: Facts(view=True, fused=True, values=1, sizes=lambda op, args: args[1:]),
    ops.Transpose: Facts(view=True, fused=True, values=1, permutation=lambda op: op.perm),
    ops.Reshape: Facts(view=True, fused=True, values=1, sizes=lambda op, args: args[1:]),
    ops.Slice: Facts(view=True, fused=True, values=1, fails=ops.checks_positions, reads=lambda op: op.items,
                     sizes=lambda op, args: _bounds(op.items, args[1:])),
    ops.Scatter: Facts(values=2, fails=ops.checks_positions, changes=lambda op: op.items,
                       sizes=lambda op, args: _bounds(op.items, args[2:])),
    ops.Gather: Facts(view=True, fused=True, values=1, fails=ops.checks_positions),
    ops.ScatterAt: Facts(values=2, fails=ops.checks_positions),
    ops.Concat: Facts(),
    ops.Iota: Facts(view=True, fused=True, values=0, sizes=lambda op, args: args),
    ops.ShapeOf: Facts(view=True, fused=True, values=0),
    ops.Assert: Facts(fused=True, values=1, work=lambda eqn: 0, fails=lambda op: op.error != "shape"),
    ops.Words: Facts(),
    ops.Call: Facts(fails=lambda op: get_routine(op.routine).may_fail, work=_routine_work, several=True,
                    routine=lambda op: op.routine,
                    draws=lambda op: isinstance(op.routine, str) and get_routine(op.routine).has_state,
                    sizes=lambda op, args: [n for each in op.split(args)[1] for n in each]),
    ops.Scan: Facts(several=True, fails=lambda op: fails(op.body),
                    sizes=lambda op, args: args[:1] if op.n_stacked else ()),
    ops.Cond: Facts(several=True, fails=lambda op: True),
    ops.GradientOf: Facts(elementwise=True),
}
_USER = Facts(fails=lambda op: True)        # a user's Op in a graph


def facts(op: ops.OpKind) -> Facts:
    """The entry of an op, in a Program or a graph.  Raises NoRuleError."""
    found = FACTS.get(type(op))
    if found is None:
        if not isinstance(op, ops.OpKind):
            return _USER
        raise NoRuleError(f"{op} has no entry in ir/facts.py")
    return found


def kinds(fact: str) -> tuple[type, ...]:
    """The kinds of which something is known by the name `fact`."""
    return tuple([kind for kind, entry in FACTS.items() if getattr(entry, fact)])


def permutation(op: ops.OpKind) -> Axes | None:
    """See `Facts`."""
    known = facts(op).permutation
    return None if known is None else known(op)


def reads(op: ops.OpKind) -> ops.Items | None:
    """See `Facts`."""
    known = facts(op).reads
    return None if known is None else known(op)


def changes(op: ops.OpKind) -> ops.Items | None:
    """See `Facts`."""
    known = facts(op).changes
    return None if known is None else known(op)


def folds(op: ops.OpKind) -> Axes | None:
    """See `Facts`."""
    known = facts(op).folds
    return None if known is None else known(op)


def product_labels(op: ops.OpKind) -> tuple[Axes, Axes, Axes] | None:
    """See `Facts`."""
    known = facts(op).labels
    return None if known is None else known(op)


def positions_along(eqn: Eqn) -> int | None:
    """The axis of its first argument of which the results of a call are positions; None if they are none."""
    called = facts(eqn.op).routine
    routine = None if called is None else get_routine(called(eqn.op))
    return tensor(eqn.args[0]).ndim - len(routine.cores[0][0]) if routine is not None and routine.positions else None


def may_fail(eqn: Eqn) -> bool:
    """Can `eqn` raise an error for values, not sizes?"""
    return facts(eqn.op).fails(eqn.op)


def fails(program: Any) -> bool:
    """Can one of the equations of a body fail for values?"""
    return any(may_fail(eqn) for eqn in program.eqns)


def weight(op: ops.OpKind) -> int:
    """The work of one element of an elementwise op, in additions; 1 for others."""
    return get_row(op.fn).weight if type(op) is ops.Map else 1


def work(eqn: Eqn) -> int:
    """The work of an equation, in additions."""
    return facts(eqn.op).work(eqn)


def again(eqn: Eqn, most: int = TARGET.stored) -> bool:
    """Is an element of the result made again, from what it is made of, at less than a store and a load of it?

    `most`: less work than this.  Not for what Python or a user's C code computes.
    """
    if not facts(eqn.op).elementwise:
        return permutation(eqn.op) is not None
    return not (type(eqn.op) is ops.Map and get_row(eqn.op.fn).snippet is not None) and weight(eqn.op) < most


def dear(eqn: Eqn) -> bool:
    """Is it worth a store and a load of the result to compute it of all rows at once, rather than row by row?

    Functions of few elements become vector code then, products one product of matrices.
    """
    known, few = facts(eqn.op), elements(eqn.out) < TARGET.vector
    if known.elementwise:
        return few and not again(eqn)
    least = TARGET.recompute if few else TARGET.stored
    return not known.view and not known.several and work(eqn) >= least * elements(eqn.out)


# The kinds that do what these facts say.
REORDERING, READING, CHANGING = kinds("permutation"), kinds("reads"), kinds("changes")
FOLDING, PRODUCTS, CALLING = kinds("folds"), kinds("labels"), kinds("routine")

# Their types, of what a rule for one of them is given.
Reading: TypeAlias = ops.Slice
Changing: TypeAlias = ops.Scatter
Folding: TypeAlias = ops.Reduce
Product: TypeAlias = ops.Contract
