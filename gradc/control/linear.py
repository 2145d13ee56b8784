"""The matrix of a linear map that is given as an expression.

In: `LinearMap`, an expression that is linear in one variable.  Out: expressions.  Its Program is taken apart by
`autodiff.linear_rules`; what has no vectorised form (a user's Op) is computed row by row, in a Scan.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradc.autodiff.linear_rules import linear_map
from gradc.autodiff.sparsity import LinearValue, dense, product, sizes_of
from gradc.control.bodies import Closed, close
from gradc.ir import build, ops
from gradc.ir.batch import Unbatchable
from gradc.ir.convert import inline
from gradc.ir.graph import Constant, Variable
from gradc.ir.program import Builder, Program, Var, rebuild, tensor
from gradc.ir.types import TensorType
from gradc.record import record


@record(eq=False)
class LinearMap:
    """`result` is linear in the variable `u`, which has the shape of `like`."""

    u: Variable
    result: Variable
    like: Variable


class Opened:
    """A linear map under construction: its Program in a Builder, closed over the variables it takes from outside.

    args[0] stands for `like`, the others for `closed.others`.
    """

    __slots__ = ("args", "builder", "closed", "given")

    def __init__(self, given: LinearMap) -> None:
        self.given = given
        self.closed: Closed = close([given.u], [given.result])
        self.builder = b = Builder()
        self.args = [b.input(v.type, v.name) for v in (given.like, *self.closed.others)]

    def linear(self) -> LinearValue | None:
        """The structure of the map; None if the result does not depend on u.  Raises Unbatchable."""
        b, args = self.builder, list(self.args)
        for k, v in enumerate(self.closed.others, 1):
            if is_zero(v):                      # where a rule fills in a missing derivative
                args[k] = b.map("second", args[k], b.constant(0, tensor(args[k]).dtype))
        return linear_map(b, self.closed.program, args)

    def expressions(self, outputs: Sequence[Var], more: Sequence[Variable] = ()) -> list[Variable]:
        """Vars of the Builder as expressions; `more`: what stands for the inputs that it was given since."""
        return inline(self.builder.program(outputs), [self.given.like, *self.closed.others, *more])


def linear_matrix(given: LinearMap) -> Variable:
    """The matrix of a linear map: its results for all unit vectors u, with shape u.shape + result.shape."""
    opened = Opened(given)
    b = opened.builder
    try:
        linear = opened.linear()
    except Unbatchable:
        return _by_rows(given)
    if linear is None:                          # no part of u is in the result, so it is zero
        (zero,) = _inlined(b, opened.closed.program, opened.args)
        value = b.apply(ops.Broadcast(), zero, *sizes_of(b, opened.args[0]), *sizes_of(b, zero))
    else:
        value = dense(b, linear)
        shape = [*sizes_of(b, linear.u), *sizes_of(b, linear.like)]
        if tensor(value).ndim != len(shape) or tensor(linear.u).ndim > 1:
            value = b.apply(ops.Reshape(len(shape)), value, *shape)
    return opened.expressions([value])[0]


def _by_rows(given: LinearMap) -> Variable:
    """The matrix of a linear map, a unit vector after the other."""
    opened = Opened(given)
    inner = Builder()
    i = inner.input(TensorType.make("int64", ()), "i")
    like, *others = [inner.input(v.type, v.name) for v in opened.args]
    zero, one = [inner.constant(c, tensor(like).dtype) for c in (0, 1)]
    flat = inner.apply(ops.Broadcast(), zero, product(inner, sizes_of(inner, like)))
    unit = build.put(inner, "set", flat, one, [ops.Item(at=ops.DYNAMIC)], i)
    unit = inner.apply(ops.Reshape(tensor(like).ndim), unit, *sizes_of(inner, like))
    body = inner.program(_inlined(inner, opened.closed.program, [unit, *others]))
    b, args = opened.builder, opened.args
    n = product(b, sizes_of(b, args[0]))
    rows = b.apply(ops.Scan(body, 1, 0, name="jacobian"), n, b.apply(ops.Iota(), n), *args)
    shape = [*sizes_of(b, args[0]), *[b.size(rows, k) for k in range(1, tensor(rows).ndim)]]
    return opened.expressions([b.apply(ops.Reshape(len(shape)), rows, *shape)])[0]


def _inlined(b: Builder, program: Program, args: Sequence[Var]) -> list[Var]:
    """The outputs of `program` of the Vars `args` of another Builder."""
    env = dict(zip(program.inputs, args))
    rebuild(program, b, env)
    return [env[v] for v in program.outputs]


def is_zero(v: Variable) -> bool:
    """Is v known to be 0 everywhere?"""
    while not isinstance(v, Constant):
        if v.owner is None or not (v.owner.op == ops.Map("second") or type(v.owner.op) in (ops.Broadcast, ops.Cast)):
            return False
        v = v.owner.inputs[1 if type(v.owner.op) is ops.Map else 0]
    return isinstance(v.data, np.ndarray) and not v.data.any()
