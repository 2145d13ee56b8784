"""Each rule, sampled: both sides by the interpreter, on ordinary and on special values.

Exact rules must agree to the last bit (nan equal to nan, -0.0 not equal to 0.0).  Inexact rules must agree
within the rule's bound on ordinary values, and give nan only where the literal form does.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from gradc.ir import interp
from gradc.ir.check import check
from gradc.ir.pretty import pretty
from gradc.ir.program import Builder, Program, Var
from gradc.ir.scalars import get_row
from gradc.ir.types import TensorType
from gradc.passes import (
    algebra,
    canonicalize,
    chains,
    definite,
    fold,
    gathers,
    joins,
    orders,
    shapes,
    specialize,
    stabilize,
)
from gradc.passes.pattern import Any_, Applied, Number, On, Pattern, Rule, Scalar, Table
from gradc.passes.phases import PHASES, keep_size_checks
from gradc.passes.rewrite import State, sweep

RULES = (*fold.RULES, *shapes.RULES, *canonicalize.RULES, *gathers.RULES, *joins.RULES, *orders.RULES, *stabilize.RULES,
         *stabilize.DERIVATIVES, *specialize.RULES, *joins.LATE, *algebra.RULES, *chains.RULES, *definite.RULES)

SPECIAL = (0.0, -0.0, 1.0, -1.0, np.nan, np.inf, -np.inf, 1e300, -1e300, 1e-300, -1e-300, 5e-324, 0.5, -2.0, 40.0,
           -40.0, 1e3, -1e3)
ORDINARY = (0.3, 1.7, -0.9, 2.5, -2.2, 0.05, 1.0, -1.0, 0.61, -0.37)
SCALARS = (3.7, 0.25, -2.0)

# The sentence of these says what happens to a negative base.
ROOTS = {r.name for r in specialize.RULES if "root of -inf" in r.why}
# Here the literal form is a number by accident of rounding: exact arithmetic gives nan, or one of inf, nan.
ACCIDENTS = {"log1p_of_neg_exp", "sigmoid_and_its_mirror", "one_over_times", "reduce", "contract",
             "distribute_positive", "sum_of_quotient", "positive_factors", "constant_over_constant",
             "constant_times_constant", "solve_instead_of_inverse", "product_chain"}
# Here a literal inf/inf or 0 * inf, for an argument that is infinite, is the limit.
LIMITS = {"positive_factors"}
# Here a literal nan comes of a product with a 0 that the expression says is there.
ZEROS = {"scaled_rows", "triangular_system"}


def variables(pattern: Pattern) -> list[str]:
    match pattern:
        case Any_(name):
            return [name]
        case Applied(_, args):
            return list(dict.fromkeys(n for a in args for n in variables(a)))
    return []


def instance(b: Builder, pattern: Pattern, env: dict[str, Var], dtype: str, value: float) -> Var:
    match pattern:
        case Any_(name):
            return env[name]
        case Scalar(_):
            return b.constant(value, dtype)
        case Number(number):
            return b.constant(number, dtype)
        case Applied(fn, args):
            return b.map(fn, *[instance(b, a, env, dtype, value) for a in args])
    raise TypeError(pattern)


def pattern_programs(rule: Rule) -> list[Program]:
    """The pattern over inputs of equal and of different ranks, in each dtype it is for."""
    names = variables(rule.before)
    programs = []
    kinds = {"float": ("float64", "float32"), "int": ("int32", "int8"), "any": ("float64", "int32")}[rule.dtype]
    layouts = [((None,),) * len(names)]
    if len(names) > 1:
        layouts += [((None, None),) + ((None,),) * (len(names) - 1), ((),) + ((None,),) * (len(names) - 1),
                    ((None,),) + ((),) * (len(names) - 1), ((1, None),) + ((None, None),) * (len(names) - 1)]
    for dtype, layout, value in itertools.product(kinds, layouts, SCALARS if has_scalar(rule.before) else SCALARS[:1]):
        b = Builder()
        env = {n: b.input(TensorType(dtype, s), n) for n, s in zip(names, layout)}
        number = value if dtype[0] == "f" else int(value) or 5
        programs.append(b.program([instance(b, rule.before, env, dtype, number)]))
    return programs


def has_scalar(pattern: Pattern) -> bool:
    return isinstance(pattern, Scalar) or (isinstance(pattern, Applied) and any(has_scalar(a) for a in pattern.args))


def sample_programs(rule: Rule) -> list[Program]:
    if rule.sample is None:
        assert not isinstance(rule.before, On), f"the structural rule {rule.name} has no sample"
        return pattern_programs(rule)
    programs = []
    for make in rule.sample if isinstance(rule.sample, tuple) else (rule.sample,):
        b = Builder()
        made = make(b)
        programs.append(b.program(made if isinstance(made, tuple) else [made]))
    return programs


def value_of(var: Var, values: tuple[float, ...], rng: np.random.Generator, sizes: tuple[int, ...]) -> np.ndarray:
    t = var.type
    assert isinstance(t, TensorType)
    shape = [(sizes[k - t.ndim] if s is None else s) for k, s in enumerate(t.shape)]
    if t.dtype == "bool":
        return rng.integers(0, 2, shape).astype("bool")
    if t.dtype[0] in "iu":
        info = np.iinfo(t.dtype)
        if not shape:
            return np.asarray(rng.integers(-4, 5), dtype=t.dtype)
        return rng.choice(np.array([0, 1, -1, 2, 3, -7, 100, info.max, info.min], dtype=t.dtype), shape)
    with np.errstate(all="ignore"):
        return rng.choice(np.array(values), shape).astype(t.dtype)


def applied(rule: Rule, program: Program) -> tuple[Program, int]:
    state = State(program)
    state.fired = []
    result = keep_size_checks(sweep(program, Table([rule]), state, "test"), state)
    check(result, rule.name)
    return result, sum(name == rule.name for _, name in state.fired)


def identical(a: np.ndarray, b: np.ndarray) -> bool:
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.dtype.kind != "f":
        return bool(np.array_equal(a, b))
    both = np.isnan(a) & np.isnan(b)
    return bool(np.all(both | ((a == b) & (np.signbit(a) == np.signbit(b)))))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_rule_keeps_values(rule: Rule) -> None:
    rng = np.random.default_rng(5)
    fired = 0
    for program in sample_programs(rule):
        result, count = applied(rule, program)
        fired += count
        for sizes in ((2, 4, 4), (5, 3, 3), (2, 1, 1)) if rule.sample else ((40, 40), (1, 1)):
            for values in (ORDINARY, SPECIAL):
                inputs = [value_of(v, values, rng, sizes) for v in program.inputs]
                try:
                    want = interp.evaluate(program, inputs)
                except Exception as error:      # the rule must not turn an error into a value
                    with pytest.raises(type(error)):
                        interp.evaluate(result, inputs)
                    continue
                for w, g in zip(want, interp.evaluate(result, inputs)):
                    text = f"{pretty(program)}\n{pretty(result)}\n{inputs}\n{w}\n{g}"
                    if rule.exact:
                        assert identical(w, g), text
                        continue
                    assert w.shape == g.shape and w.dtype == g.dtype, text
                    if w.dtype.kind != "f":
                        assert np.array_equal(w, g), text
                    elif values is ORDINARY:
                        eps = np.finfo(w.dtype).eps
                        np.testing.assert_allclose(g, w, rtol=rule.ulps * eps, atol=4 * rule.ulps * eps, err_msg=text)
                    elif rule.name not in ROOTS | ACCIDENTS:
                        assert not np.any(np.isnan(g) & ~np.isnan(w)), text
    assert fired, f"the sample of {rule.name} does not make it fire"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_rule_makes_no_number_of_nan_or_inf(rule: Rule) -> None:
    """Where the literal form is nan for a nan that is put in, or infinite, the new one is no finite number."""
    rng = np.random.default_rng(6)
    for program in sample_programs(rule):
        result, _ = applied(rule, program)
        for sizes in ((4, 4, 4), (3, 1, 1)) if rule.sample else ((40, 40), (1, 1)):
            for odd in ((np.nan,), (np.inf, -np.inf)):
                inputs = [value_of(v, ORDINARY[:4] + odd, rng, sizes) for v in program.inputs]
                try:
                    want = interp.evaluate(program, inputs)
                except Exception:
                    continue
                for w, g in zip(want, interp.evaluate(result, inputs)):
                    if w.dtype.kind != "f":
                        continue
                    lost = np.isnan(w) if odd == (np.nan,) or rule.name not in LIMITS else np.isinf(w)
                    lost = (lost | np.isinf(w)) & np.isfinite(g) & (rule.name not in ZEROS)
                    assert not lost.any(), f"{pretty(program)}\n{pretty(result)}\n{inputs}\n{w}\n{g}"


def test_every_rule_is_in_a_phase_and_named_once() -> None:
    used = {rule.name for phase in PHASES for rule in phase.table.rules}
    assert used == {rule.name for rule in RULES}
    assert len({rule.name for rule in RULES}) == len(RULES)


def test_inexact_rules_say_why() -> None:
    assert all(rule.exact or len(rule.why.split()) >= 4 for rule in RULES)


def test_rows_of_patterns_exist() -> None:
    def walk(p: Pattern) -> None:
        if isinstance(p, Applied):
            assert get_row(p.fn).nin == len(p.args)
            for a in p.args:
                walk(a)
    for rule in RULES:
        if not isinstance(rule.before, On):
            walk(rule.before)
            walk(rule.after)
