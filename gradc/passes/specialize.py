"""Rules that put cheaper equivalents in the place of canonical forms.  They run last.

Powers with the usual constant exponents become products and roots.  `share_reciprocals` is no rule, because it asks
how often a value is divided by.
"""

from __future__ import annotations

from functools import reduce
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from gradc.ir import build, dtypes, ops
from gradc.ir.facts import PRODUCTS, READING, REORDERING, Product
from gradc.ir.program import Eqn, Program, Var, tensor
from gradc.ir.types import TensorType
from gradc.passes.pattern import Args, On, Rule, Sample, kind_of, r, result_type, var
from gradc.passes.rewrite import State, ordered

if TYPE_CHECKING:
    from gradc.passes.rewrite import Rewriter

x, y = var("x"), var("y")

_POWER = "pow is within an ulp of the exact value, products and roots within half an ulp each"
_ROOT = _POWER + "; a root of -inf is nan where pow(-inf, c) is inf, and keeps the sign of -0.0"


def _used_once(b: Rewriter, x: Var, y: Any) -> bool:
    """Is 1 / x used here only (else the division is shared), and no smaller than the product?"""
    eqn = b._interned.get(("true_divide", b.like(1, x).number, x.number))
    return (not y.type.ndim or b.same_shape(x, y)) and eqn is not None and b.uses().get(eqn.outs[0], 0) == 1


def _matrix_product(b: Rewriter, op: Product, args: Args) -> Var | None:
    """Labels that stand next to one another wherever they stand are one: sum_tb x[t,b,i] y[t,b,j] is X^T Y, a gemm."""
    parts = [list(op.a), list(op.b), list(op.out)]
    groups = {label: [label] for part in parts for label in part}
    merged = True
    while merged:
        merged = False
        for first, second in {pair for part in parts for pair in pairwise(part)}:
            if all((first, second) in pairwise(part) or not {first, second} & set(part) for part in parts):
                groups[first] += groups.pop(second)
                for part in parts:
                    if second in part:
                        part.remove(second)
                merged = True
                break
    a, c, out = [set(part) for part in parts]
    if len(groups) != 3 or len(parts[0]) + len(parts[1]) == len(args[0].type.shape) + len(args[1].type.shape) \
            or [len(s) for s in (a - c, c - a, a & c, out)] != [1, 1, 1, 2] or a & c & out:
        return None
    if any(b.eqn(v, (ops.Broadcast, *READING, *REORDERING)) for v in args):
        return None             # as a matrix it would be a copy
    size = {label: b.size(v, k) for part, v in zip((op.a, op.b), args) for k, label in enumerate(part)}

    def matrix(v: Var, part: list[int]) -> Var:
        if len(part) == tensor(v).ndim:
            return v
        return b.apply(ops.Reshape(len(part)), v, *[reduce(lambda p, q: b.map("mul", p, q),
                                                           [size[k] for k in groups[label]]) for label in part])

    made = build.contract(b, matrix(args[0], parts[0]), parts[0], matrix(args[1], parts[1]), parts[1], parts[2])
    return made if len(op.out) == 2 else b.apply(ops.Reshape(len(op.out)), made, *[size[k] for k in op.out])


def _sample_matrix_product(b: Rewriter) -> Sample:
    v, w = [b.input(TensorType("float64", (None, None, s))) for s in (None, 3)]
    m = b.input(TensorType("float64", (3, None)))
    return (build.contract(b, v, (0, 1, 2), w, (0, 1, 3), (2, 3)),
            build.contract(b, w, (0, 1, 2), m, (2, 3), (0, 1, 3)),
            build.contract(b, m, (2, 3), w, (0, 1, 2), (0, 1, 3)))


RULES = (
    Rule("matrix_product", On(PRODUCTS), _matrix_product, exact=False, ulps=64, sample=_sample_matrix_product,
         why="sums of one array in another order"),
    Rule("one_over_times", (1 / x) * y, y / x, when=_used_once, exact=False,
         why="one rounding instead of two, and no overflow of 1/x for subnormal x"),
    Rule("power_three", r.pow(x, 3), x * r.square(x), exact=False, why=_POWER),
    Rule("power_three_int", r.pow(x, 3), x * r.square(x), dtype="int"),
    Rule("power_four", r.pow(x, 4), r.square(r.square(x)), exact=False, why=_POWER),
    Rule("power_four_int", r.pow(x, 4), r.square(r.square(x)), dtype="int"),
    Rule("power_half", r.pow(x, 0.5), r.sqrt(x), exact=False, why=_ROOT),
    Rule("power_one_and_half", r.pow(x, 1.5), x * r.sqrt(x), exact=False, why=_ROOT),
    Rule("power_two_and_half", r.pow(x, 2.5), r.square(x) * r.sqrt(x), exact=False, why=_ROOT),
    Rule("power_minus_half", r.pow(x, -0.5), 1 / r.sqrt(x), exact=False, why=_ROOT),
    Rule("power_minus_one_and_half", r.pow(x, -1.5), 1 / (x * r.sqrt(x)), exact=False, why=_ROOT),
)


SHARED = 3      # divisions by one value from which on a reciprocal is cheaper (a division costs about four products)


def share_reciprocals(program: Program, state: State) -> Program:
    """a / d, b / d, c / d -> a * r, b * r, c * r with r = 1 / d, for floats; results that are outputs stay divided.

    Inexact: two roundings instead of one; inf where |d| < 5.6e-309.  nan, inf and the sign of zero are the same.
    """
    outputs = set(program.outputs)
    count: dict[Var, int] = {}
    for eqn in program.eqns:
        if state.kinds[eqn.outs[0].number] == "true_divide" and eqn.args[1].data is None and eqn.out not in outputs:
            count[eqn.args[1]] = count.get(eqn.args[1], 0) + 1
    shared = {d for d, n in count.items() if n >= SHARED and tensor(d).dtype in dtypes.FLOATS}
    if not shared:
        return program
    eqns: list[Eqn] = []
    reciprocal: dict[Var, Var] = {}
    replaced: dict[Var, Var] = {}
    ones: dict[str, Var] = {}

    def place(op: ops.OpKind, args: tuple[Var, ...], sources: tuple[int, ...]) -> Var:
        out = Var(state.next, result_type(op, args), op.value.data if isinstance(op, ops.Const) else None)
        state.next += 1
        state.kinds[out.number] = kind_of(op)
        eqns.append(Eqn(op, args, (out,), sources))
        state.producer[out] = eqns[-1]
        return out

    for eqn in program.eqns:
        args = tuple([replaced.get(a, a) for a in eqn.args])
        if eqn.op == _DIVIDE and eqn.args[1] in shared and eqn.out not in outputs \
                and tensor(eqn.out).dtype == tensor(args[1]).dtype:
            dtype = tensor(args[1]).dtype
            r = reciprocal.get(args[1])
            if r is None:
                if dtype not in ones:
                    ones[dtype] = place(ops.Const(ops.ConstantValue(np.asarray(1.0, dtype))), (), ())
                r = reciprocal[args[1]] = place(_DIVIDE, (ones[dtype], args[1]), eqn.sources)
            if args[0].data is not None and not args[0].data.ndim and args[0].data == 1:
                replaced[eqn.out] = r
                state.replaced[eqn.out] = r
                continue
            eqn = Eqn(_MUL, ordered((args[0], r)), eqn.outs, eqn.sources)
            state.kinds[eqn.out.number] = "mul"
        elif args != eqn.args:
            eqn = Eqn(eqn.op, args, eqn.outs, eqn.sources)
        eqns.append(eqn)
    return Program(program.inputs, eqns, program.outputs)


_DIVIDE, _MUL = ops.Map("true_divide"), ops.Map("mul")
