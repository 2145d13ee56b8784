"""Recurrences that are affine in their carries, as all backward ones are: each step is one product for each carry.

    g' = a (g (1 - x)) - g (a x)    ->    g' = (a (1 - x) - a x) g

The coefficient needs no carry; the processor computes it ahead, or `scan_split` before the loop.  What is left of
the chain from step to step is a multiplication and an addition.  Program -> Program, for few scalar carries.
Roundings fall elsewhere; products of the coefficients may overflow where the literal order does not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gradc.ir import dtypes, ops
from gradc.ir.program import Builder, Eqn, Program, Var, tensor
from gradc.ir.scalars import get_row
from gradc.ir.types import TensorType
from gradc.passes.loop import Loop, each_loop
from gradc.passes.scan_sums import accumulators

FEW = 2         # carries: the coefficients are their square

Form = dict[Any, Var]       # carry -> its coefficient; None -> what is added


def affine_carries(program: Program, optimise: Callable[[Program], Program]) -> Program:
    """Loops of few scalar carries with the next carries as affine forms, where that makes the chain shorter."""
    def change(_: Builder, loop: Loop) -> None:
        body = loop.body()
        sums = accumulators(body, loop.after, loop.varying().__contains__)
        carries = [c for c in loop.inits if c not in sums and type(c.type) is TensorType]
        types = [tensor(v).short() for c in carries for v in (c, loop.after[c])]
        if not 0 < len(carries) <= FEW or len(set(types)) != 1 or tensor(carries[0]).ndim \
                or tensor(carries[0]).dtype not in dtypes.FLOATS:
            return
        late, depth = _depths(body, carries)
        forms = _forms(loop.inner, body, carries, late)
        wanted = [forms.get(loop.after[c]) for c in carries]
        longest = max(depth.get(loop.after[c], 0) for c in carries)
        if longest <= 1 + len(carries) or any(form is None for form in wanted):
            return
        for c, form in zip(carries, wanted):
            total = form.pop(None, None)        # type: ignore[union-attr]
            for carry, factor in form.items():  # type: ignore[union-attr]
                term = loop.inner.map("mul", factor, carry)
                total = term if total is None else loop.inner.map("add", total, term)
            loop.after[c] = total               # type: ignore[assignment]
        loop.take(optimise(loop.body()))

    return each_loop(program, change)


def _depths(body: Program, carries: list[Var]) -> tuple[set[Var], dict[Var, int]]:
    """The values that depend on a carry, and the length of the chain from the carries to them, in additions."""
    depth = dict.fromkeys(carries, 0)
    for eqn in body.eqns:
        before = [depth[a] for a in eqn.args if a in depth]
        if before:
            weight = get_row(eqn.op.fn).weight if type(eqn.op) is ops.Map else 1
            depth.update(dict.fromkeys(eqn.outs, max(before) + weight))
    return set(depth), depth


def _forms(b: Builder, body: Program, carries: list[Var], late: set[Var]) -> dict[Var, Form]:
    """The values of the body that are affine in the carries; coefficients are made in `b`."""
    one = b.constant(1.0, tensor(carries[0]).dtype)
    forms: dict[Var, Form] = {c: {c: one} for c in carries}
    for eqn in body.eqns:
        if late.isdisjoint(eqn.outs):
            continue
        args: list[Form] = [forms.get(a, {}) if a in late else {None: a} for a in eqn.args]
        if type(eqn.op) is ops.Map and all(args) and eqn.out.type == one.type:
            form = _form(b, eqn, args, [a in late for a in eqn.args])
            if form is not None:
                forms[eqn.out] = form
    return forms


def _form(b: Builder, eqn: Eqn, args: list[Form], late: list[bool]) -> Form | None:
    match eqn.op:
        case ops.Map("add" | "sub" as fn):
            left, right = args
            total = dict(left)
            for key, factor in right.items():
                if key in total:
                    total[key] = b.map(fn, total[key], factor)
                else:
                    total[key] = factor if fn == "add" else b.map("neg", factor)
            return total
        case ops.Map("neg"):
            return {key: b.map("neg", factor) for key, factor in args[0].items()}
        case ops.Map("mul") if not all(late):
            form, by = args if late[0] else args[::-1]
            return {key: b.map("mul", factor, by[None]) for key, factor in form.items()}
        case ops.Map("true_divide") if not late[1]:
            return {key: b.map("true_divide", factor, args[1][None]) for key, factor in args[0].items()}
    return None
