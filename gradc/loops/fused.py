"""A product plus a literal becomes one operation with one rounding: polynomials by Horner's rule, mostly.

In: a Program.  Out: the same with `FMA` for every addition of a literal to a product.

Every one, whatever else uses the product: a value must have the same bits in all loops that compute it, and in a step
and the step of its gradient (which asks, for a maximum, which elements are equal to it).  Only where the addend is a
literal: of a difference of two products, one rounded and one not would make x*x - y*y differ from 0 where x = y, and
its square root nan; a literal knows nothing of the product's rounding.
"""

from __future__ import annotations

from gradc.ir import dtypes, ops
from gradc.ir.program import Eqn, Program, Var, bodies, tensor, with_bodies
from gradc.ir.scalars import Row

# a * b + c with one rounding where the CPU can; no row of the table, because NumPy can't.
FMA_C = "GRADC_FMA_{t}({0}, {1}, {2})"
FMA = Row("fma", 3, "common", lambda a, b, c: a * b + c, FMA_C, cost="fma", ulp=1)
_FMA = ops.Map(FMA)


def fused(program: Program) -> Program:
    """`program`, and the bodies in it, with multiply-adds of literals."""
    products: dict[Var, Eqn] = {}
    sums: dict[Var, tuple[Eqn, Var]] = {}
    for eqn in program.eqns:
        if type(eqn.op) is not ops.Map:
            continue
        if eqn.op.fn == "mul" and tensor(eqn.out).dtype in dtypes.FLOATS:
            products[eqn.out] = eqn
        elif eqn.op.fn == "add":
            for product, literal in (eqn.args, eqn.args[::-1]):
                if product in products and literal.data is not None and literal.data.ndim == 0 \
                        and eqn.out.type == product.type:
                    sums[eqn.out] = products[product], literal
    if not sums and not any(bodies(eqn.op) for eqn in program.eqns):
        return program
    eqns = []
    for eqn in program.eqns:
        if eqn.outs[0] in sums:
            made, literal = sums[eqn.out]
            eqn = Eqn(_FMA, (*made.args, literal), eqn.outs, eqn.sources)
        elif bodies(eqn.op):
            eqn = Eqn(with_bodies(eqn.op, fused), eqn.args, eqn.outs, eqn.sources)
        eqns.append(eqn)
    used = {v for eqn in eqns for v in eqn.args} | set(program.outputs)
    eqns = [eqn for eqn in eqns if eqn.outs[0] not in products or eqn.outs[0] in used]
    return Program(program.inputs, eqns, program.outputs)
