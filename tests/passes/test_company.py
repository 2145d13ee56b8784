"""Value, gradient and second derivative asked for together, with other outputs: right whoever else is there.

Random expressions of exponentials are differentiated by gradc and, as functions of one number, by differences of
mpmath's values with thousands of digits, which know nothing of rules.  What comes out must be right to a few units in
the last place (of the result, or of what a rounding of x does to it), or no worse than the literal derivative without
any rule.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gradc.tensor as at
from gradc.autodiff import forward, reverse
from gradc.gradient import grad
from gradc.ir import convert, interp
from gradc.ir.pretty import pretty
from gradc.ir.program import Program
from gradc.passes.phases import optimize
from tests import exact

POINTS = (30.0, -30.0, 120.0, -120.0, 700.0, -700.0, 0.5, -2.0, 8.0, 37.0, -37.0, 1e-8, 1e-300, -1e-300, 1e300, -1e300)
POINTS_32 = (8.0, -8.0, 20.0, -20.0, 30.0, -30.0, 60.0, -60.0, 86.0, -86.0, 0.5, -2.0, 1e-8, 120.0, -120.0)
UNITS = 80.0
NOTHING = mpmath.mpf(2) ** -3000    # a true derivative of 0, by differences
Build = Callable[[Any], Any]

INNER: dict[str, Build] = {
    "x": lambda x: x, "-x": lambda x: -x, "2 * x": lambda x: 2 * x, "x + 1": lambda x: x + 1, "x / 4": lambda x: x / 4}
PARTS: dict[str, Build] = {
    "exp(u)": at.exp, "1 + exp(u)": lambda u: 1 + at.exp(u), "1 / (1 + exp(u))": lambda u: 1 / (1 + at.exp(u)),
    "exp(u) / (1 + exp(u))": lambda u: at.exp(u) / (1 + at.exp(u)), "sigmoid(u)": at.sigmoid,
    "1 - sigmoid(u)": lambda u: 1 - at.sigmoid(u), "log(1 + exp(u))": lambda u: at.log(1 + at.exp(u)),
    "softplus(u)": at.softplus, "(1 + exp(u)) ** -2": lambda u: (1 + at.exp(u)) ** -2, "erfc(u)": at.erfc,
    "1 + erf(u)": lambda u: 1 + at.erf(u), "1 - tanh(u)": lambda u: 1 - at.tanh(u),
    "1 + tanh(u)": lambda u: 1 + at.tanh(u), "expm1(u)": at.expm1, "u": lambda u: u}
WHOLES: dict[str, Callable[[Any, Any], Any]] = {
    "a": lambda a, b: a, "log(a)": lambda a, b: at.log(a), "a * b": lambda a, b: a * b, "a / b": lambda a, b: a / b,
    "log(a / b)": lambda a, b: at.log(a / b), "log(a * b)": lambda a, b: at.log(a * b),
    "log(a + b)": lambda a, b: at.log(a + b), "log1p(a)": lambda a, b: at.log1p(a), "a**2 / b": lambda a, b: a**2 / b,
    "a + b": lambda a, b: a + b}


def literal(inputs: list[Any], build: Build) -> Program:
    """Value and derivatives without other forms and without rules."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (reverse, forward):
            patch.setattr(module, "ROOTS", frozenset())
        return derivatives(inputs, build)[0]


def derivatives(inputs: list[Any], build: Build) -> tuple[Program, list[Any]]:
    x = inputs[0]
    z = build(x)
    g = grad(z.sum(), x, disconnected_inputs="ignore")
    h = grad(g.sum(), x, disconnected_inputs="ignore")
    outputs = [z, g, h]
    return convert.to_program(inputs, outputs), outputs


def true_values(program: Program, points: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """(value, first and second derivative), and by how much each moves when x does, from differences."""
    value = Program(program.inputs, program.eqns, program.outputs[:1])
    with mpmath.workprec(exact.PRECISION):
        x = exact.exact(points)
        step = abs(x) * mpmath.mpf(2) ** -60
        f = [exact.evaluate(value, [x + k * step])[0] for k in (-2, -1, 0, 1, 2)]
        first, second = (f[3] - f[1]) / (2 * step), (f[3] - 2 * f[2] + f[1]) / step**2
        third = (f[4] - 2 * f[3] + 2 * f[1] - f[0]) / (2 * step**3)
        return [f[2], first, second], [abs(x * first), abs(x * second), abs(x * third)]


def check(build: Build, others: list[Build], dtype: str, points: np.ndarray) -> None:
    x = at.vector("x", dtype=dtype)
    plain = literal([x], build)
    _, outputs = derivatives([x], build)
    together = convert.to_program([x], [*outputs, *[other(x) for other in others]])
    after = optimize(together, checked=True)
    want, sensitive = true_values(plain, points)
    with np.errstate(all="ignore"):
        old, new = interp.evaluate(plain, [points]), interp.evaluate(after, [points])
    for k in range(3):
        error = exact.errors(new[k], want[k], sensitive[k])
        wrong = error > np.maximum(UNITS, 2 * exact.errors(old[k], want[k], sensitive[k]))
        wrong &= abs(want[k]) > NOTHING     # of what is constant by cancellation, a literal form may have exactly 0
        if wrong.any():         # where terms cancel, a literal form may be right by luck: what is it nearby?
            wrong &= error > 4 * worst_nearby(plain, points, k)
        assert not wrong.any(), (f"derivative {k} at {points[wrong]}\n{pretty(plain)}\n{pretty(after)}\nexact "
                                 f"{[float(v) for v in want[k][wrong]]}\nliteral {old[k][wrong]}\nmade {new[k][wrong]}"
                                 f"\nunits {error[wrong]}")


def worst_nearby(plain: Program, points: np.ndarray, k: int) -> np.ndarray:
    """The largest error of the literal derivative at a dozen points beside each."""
    near = (points * (1 + 1e-4 * np.arange(1, 13)[:, None])).astype(points.dtype)
    worst = []
    for row in near:
        want, sensitive = true_values(plain, row)
        with np.errstate(all="ignore"):
            worst.append(exact.errors(interp.evaluate(plain, [row])[k], want[k], sensitive[k]))
    return np.max(worst, axis=0)


@st.composite
def expressions(draw: Any) -> tuple[str, Build]:
    inner = [draw(st.sampled_from(sorted(INNER))) for _ in range(2)]
    parts = draw(st.lists(st.sampled_from(sorted(PARTS)), min_size=2, max_size=2, unique=True))  # not a / a
    whole = draw(st.sampled_from(sorted(WHOLES)))

    def build(x: Any) -> Any:
        return WHOLES[whole](*[PARTS[p](INNER[i](x)) for p, i in zip(parts, inner)])

    return f"{whole} with a = {parts[0]}, b = {parts[1]}, u = {', '.join(inner)}", build


def campaign(examples: int) -> Callable[[], None]:
    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True,
              database=None)
    @given(expressions(), st.lists(expressions(), max_size=2), st.sampled_from(["float64", "float32"]),
           st.integers(0, 10**6))
    def run(made: tuple[str, Build], others: list[tuple[str, Build]], dtype: str, seed: int) -> None:
        points = np.random.default_rng(seed).choice(POINTS if dtype == "float64" else POINTS_32, 3, replace=False)
        check(made[1], [other for _, other in others], dtype, points.astype(dtype))
    return run


def test_value_and_derivatives_in_company() -> None:
    campaign(15)()


@pytest.mark.nightly
def test_value_and_derivatives_in_company_at_length() -> None:
    campaign(1500)()
