"""Positions that index arrays give: checked before anything is read or written at them.

In: a Program.  Out: the same in which the positions of each Gather and ScatterAt that are no scalars are int64 and
come from an Assert, so that loops may use them.  Checks are Asserts like any other: one fold over the array, and a
search for the first position at fault where it fails.  Equal positions of axes of one size are checked once; all
positions of an axis in order, and those that a routine found in what has its size, are not.  Positions that are used
more than once are counted from the start there; of others those that are negative are where they are looked up
(`index.Lookup`).
Not here: scalar positions, which the schedule checks where it computes them.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from gradc.ir import dtypes, ops
from gradc.ir.facts import permutation, positions_along
from gradc.ir.program import Builder, Eqn, Program, Var, copy_inputs, equations, rebuild, tensor, with_bodies
from gradc.ir.shapes import OUT_OF_BOUNDS, Shapes, analyse
from gradc.ir.sizes import Dim

_MOST = np.iinfo("int64").max


def with_positions(program: Program) -> Program:
    """See the module's docstring; `program` itself if there is nothing to do."""
    if not any(isinstance(eqn.op, ops.AT_ARRAYS) for eqn in equations(program)):
        return program
    sizes = analyse(program)
    b = Builder()
    env = copy_inputs(program, b)
    found: dict[tuple[Var, int, object], Var] = {}
    uses = Counter([(i, axis) for eqn in program.eqns if isinstance(eqn.op, ops.AT_ARRAYS)
                    for axis, i in zip(eqn.op.axes, eqn.args[len(eqn.args) - len(eqn.op.axes):])])
    for eqn in program.eqns:
        if isinstance(eqn.op, ops.AT_ARRAYS):
            b.sources = eqn.sources
            dims = sizes.of(eqn.args[0])
            first = len(eqn.args) - len(eqn.op.axes)
            for axis, i in zip(eqn.op.axes, eqn.args[first:]):
                key = (i, axis, dims[axis])
                if key not in found:
                    found[key] = env[i] if _fits(sizes, i, dims[axis]) else _checked(
                        b, env[eqn.args[0]], axis, env[i], uses[i, axis] > 1)
            args = [*[env[a] for a in eqn.args[:first]],
                    *[found[i, axis, dims[axis]] for axis, i in zip(eqn.op.axes, eqn.args[first:])]]
            made = b.equation(eqn.op, args, eqn.out.name)
            env[eqn.out] = made.out
        else:
            op = with_bodies(eqn.op, with_positions)
            rebuild(program, b, env, [Eqn(op, eqn.args, eqn.outs, eqn.sources)])
    return b.program([env[v] for v in program.outputs])


def _fits(sizes: Shapes, i: Var, n: Dim) -> bool:
    """Are the positions i all of those along an axis of n, or found by a routine in what is as long?"""
    eqn = sizes.producer.get(i)
    while eqn is not None and permutation(eqn.op) is not None:
        eqn = sizes.producer.get(eqn.args[0])
    if eqn is None:
        return False
    if type(eqn.op) is ops.Iota:
        return sizes.equal((sizes.value(eqn.args[0]),), (n,))
    axis = positions_along(eqn)
    return axis is not None and sizes.equal((sizes.of(eqn.args[0])[axis],), (n,))


def _checked(b: Builder, x: Var, axis: int, i: Var, often: bool) -> Var:
    """The index array i, in bounds of an axis of x; `often`: counted from the start."""
    if not tensor(i).ndim:
        return i
    lowest, size = None, tensor(x).shape[axis]
    if i.data is not None:
        data = i.data.astype("int64")
        lowest = int(data.min(initial=0))
        if size is not None:                # the type of the result knows that they are in bounds
            return b.constant(np.where(data < 0, data + size, data), "int64")
        index = b.constant(data, "int64")
    else:
        index = b.map("minimum", i, b.constant(_MOST, "uint64")) if tensor(i).dtype == "uint64" else i
        index = b.cast(index, "int64")
    n, zero = b.size(x, axis), b.constant(0, "int64")
    position = lower = index
    if tensor(i).dtype not in dtypes.UNSIGNED and lowest != 0:
        lower = b.map("add", index, n)
        if often:
            position = lower = b.equation(ops.Map("switch"), (b.map("lt", index, zero), lower, index),
                                          f"{i.name or 'index'}_position").out
    upper = b.map("sub", b.map("sub", n, b.constant(1, "int64")), position)
    valid = b.map("ge", b.map("or_", lower, upper), zero)           # one of them is negative out of bounds
    message = OUT_OF_BOUNDS.format(f"dimension {axis}")
    return b.apply(ops.Assert(message, "index", 2), position, valid, index, n)
