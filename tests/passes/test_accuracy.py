"""Rules keep relative accuracy: alone, in pairs and in whatever company, against mpmath, over the whole range.

Errors are counted in units of the last place of the result, or of what a rounding of the inputs does to it
(`exact.errors`): log(exp(x) / (1 + exp(y))) as x - softplus(y) is as exact as x is.  What a rule makes must be right
within a few units, or else no worse than what it replaces.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from gradc.ir import interp
from gradc.ir.pretty import pretty
from gradc.ir.program import Builder, Program
from gradc.ir.types import TensorType
from gradc.passes import canonicalize, specialize, stabilize
from gradc.passes.pattern import On, Rule, Table
from gradc.passes.phases import optimize
from gradc.passes.rewrite import State, sweep
from tests import exact
from tests.passes.test_rules import RULES, SCALARS, instance, sample_programs, value_of, variables

RANGE = (30.0, -30.0, 120.0, -120.0, 700.0, -700.0, 1e300, -1e300, 1e-300, -1e-300, 8.0, -20.0, 0.7, -0.4, 37.0, 1e5,
         3e-9, -2e-12, 88.0, -87.0)
RANGE_32 = tuple(float(np.clip(abs(v), 1e-37, 1e37)) * np.sign(v) for v in RANGE)
UNITS = 16.0        # of the last place, where a rule is right by itself
# x - log(sum(exp(x))) near 0 has the rounding of x; the literal form that of a quotient near 1, by luck a smaller one.
COARSE = {"log_of_product": 1000.0}


def check(before: Program, after: Program, inputs: list[np.ndarray], units: float) -> None:
    """Is `after` right within `units`, or no worse than `before`?"""
    want = exact.evaluate(before, inputs)
    with np.errstate(all="ignore"):
        literal, made = interp.evaluate(before, inputs), interp.evaluate(after, inputs)
    for k, (w, old, new) in enumerate(zip(want, literal, made)):
        if new.dtype.kind != "f":
            continue
        error = exact.errors(new, w)
        if (error > units).any():
            error = exact.errors(new, w, exact.sensitivity(before, inputs, want)[k])
        wrong = error > np.maximum(units, 2 * exact.errors(old, w))
        assert not wrong.any(), (f"{pretty(before)}\n{pretty(after)}\n{inputs}\nexact "
                                 f"{[float(v) for v in w[wrong]]}\nliteral {old[wrong]}\nmade {new[wrong]}\n"
                                 f"units {error[wrong]}")


def inputs_of(program: Program, rng: np.random.Generator, sizes: tuple[int, ...]) -> list[np.ndarray]:
    return [value_of(v, RANGE if v.type.dtype == "float64" else RANGE_32, rng, sizes) for v in program.inputs]


def in_float32(program: Program) -> Program:
    """The same equations with float32 for float64."""
    b = Builder()
    made = {v: b.input(TensorType("float32" if v.type.dtype == "float64" else v.type.dtype, v.type.shape))
            for v in program.inputs}
    for eqn in program.eqns:
        if eqn.out.data is not None and eqn.out.type.dtype == "float64":
            made[eqn.out] = b.constant(eqn.out.data, "float32")
        else:
            made.update(zip(eqn.outs, b.equation(eqn.op, tuple([made[a] for a in eqn.args])).outs))
    return b.program([made[v] for v in program.outputs])


INEXACT = [rule for rule in RULES if not rule.exact and rule.dtype == "float"]


@pytest.mark.parametrize("rule", INEXACT, ids=lambda rule: rule.name)
def test_rule_keeps_relative_accuracy(rule: Rule) -> None:
    rng = np.random.default_rng(7)
    for program in sample_programs(rule)[:6]:
        programs = [program] if any(v.type.dtype == "float32" for v in program.inputs) else [program,
                                                                                             in_float32(program)]
        for p in programs:
            after = sweep(p, Table([rule]), State(p), "test")
            try:
                check(p, after, inputs_of(p, rng, (2, 4, 4) if rule.sample else (8, 8)),
                          max(UNITS, rule.ulps, COARSE.get(rule.name, 0)))
            except exact.NotExact:
                return


ELEMENTWISE = [rule for rule in (*stabilize.RULES, *stabilize.DERIVATIVES, *specialize.RULES, *canonicalize.RULES)
               if not isinstance(rule.before, On) and rule.dtype == "float"]


def pair(first: Rule, second: Rule, dtype: str) -> Program:
    """The patterns of both rules over the same inputs, and the second one over the first."""
    b = Builder()
    x, y = [b.input(TensorType(dtype, (None,)), name) for name in "xy"]
    made = []
    for rule, inner in ((first, x), (second, x)):
        env = dict.fromkeys(variables(rule.before), y) | {variables(rule.before)[0]: inner}
        made.append(instance(b, rule.before, env, dtype, SCALARS[0]))
    env = dict.fromkeys(variables(second.before), y) | {variables(second.before)[0]: made[0]}
    made.append(instance(b, second.before, env, dtype, SCALARS[0]))
    return b.program([*dict.fromkeys(made)])


def check_pairs(pairs: list[tuple[Rule, Rule]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    for first, second in pairs:
        dtype = str(rng.choice(["float64", "float32"]))
        before = pair(first, second, dtype)
        check(before, optimize(before, checked=True), inputs_of(before, rng, (4,)), UNITS)


def test_pairs_of_rules_keep_relative_accuracy() -> None:
    """Some of the pairs; a form that a rule makes must be none that another rule spoils."""
    pairs = list(itertools.product(ELEMENTWISE, ELEMENTWISE))
    rng = np.random.default_rng(3)
    check_pairs([pairs[k] for k in rng.choice(len(pairs), 60, replace=False)], 4)


@pytest.mark.nightly
@pytest.mark.parametrize("first", ELEMENTWISE, ids=lambda rule: rule.name)
def test_every_pair_of_rules_keeps_relative_accuracy(first: Rule) -> None:
    check_pairs([(first, second) for second in ELEMENTWISE], 5)
