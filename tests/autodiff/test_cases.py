"""Every row of tests/cases.py: reverse mode, forward mode and second order against a complex step.

The complex step runs the graph itself (first order) and its gradient graph (second order) in the
interpreter; rows that are not holomorphic take central differences.
"""

import numpy as np
import pytest

import gradc.tensor as at
from gradc.gradient import Rop, grad
from gradc.ir import ops
from gradc.ir.graph import apply
from tests.cases import CASES
from tests.cases_base import compute

DIFFERENTIABLE = [c for c in CASES if c.differentiable()]
IDS = [c.id for c in DIFFERENTIABLE]


def setup(case):
    variables, values = case.variables(), case.sample()
    parts = [part for y in case.outputs(variables) for part in ([at.real(y), at.imag(y)] if y.dtype[0] == "c" else [y])]
    outputs = [y for y in parts if y.dtype.startswith("float")]
    rng = np.random.default_rng(7)
    weights = [rng.uniform(0.5, 1.5, np.shape(v)) for v in compute(variables, outputs, values)]
    return variables, values, outputs, weights


def weighted(outputs, weights):
    """Sum of weight * output, all elements: a scalar that depends on all of them."""
    total = None
    for y, w in zip(outputs, weights):
        term = (y * at.constant(w)).sum()
        total = term if total is None else total + term
    return total


def directional(variables, outputs, values, k, direction, complex_step):
    """Derivatives of the outputs as argument k moves in a direction."""
    def moved(h):
        shifted = [v + h * direction if n == k else v for n, v in enumerate(values)]
        return compute(variables, outputs, shifted, holomorphic=complex_step)

    if complex_step:
        return [np.imag(y) / 1e-30 for y in moved(1e-30j)]
    h = 1e-5
    return [(a - b) / (2 * h) for a, b in zip(moved(h), moved(-h))]


@pytest.mark.parametrize("case", DIFFERENTIABLE, ids=IDS)
def test_reverse_and_forward_mode(case):
    variables, values, outputs, weights = setup(case)
    cost = weighted(outputs, weights)
    wrt = [variables[k] for k in case.differentiable()]
    exact = case.grad == "complex"
    rtol = max(1e-11, 10 * case.rtol) if exact else 1e-6
    gradients = grad(cost, wrt, disconnected_inputs="ignore")   # fill(x, y) depends on y only
    computed = compute(variables, gradients, values)
    rng = np.random.default_rng(8)
    for x, k, g, variable in zip(wrt, case.differentiable(), computed, gradients):
        assert variable.type.ndim == x.type.ndim and variable.dtype == x.dtype
        assert g.shape == values[k].shape
        direction = rng.normal(size=values[k].shape)
        tangents = Rop(outputs, x, at.constant(direction), disconnected_outputs="ignore")
        forward = compute(variables, tangents, values)
        wants = directional(variables, outputs, values, k, direction, exact)
        for t, want, y in zip(forward, wants, outputs):
            assert t.shape == want.shape, f"tangent of {y}"
            np.testing.assert_allclose(t, want, rtol=rtol, atol=rtol)
        # <g, v> = <w, J v>
        np.testing.assert_allclose(np.sum(g * direction), sum(np.sum(w * want) for w, want in zip(weights, wants)),
                                   rtol=rtol, atol=10 * rtol)


@pytest.mark.parametrize("case", [c for c in DIFFERENTIABLE if c.grad == "complex"],
                         ids=[c.id for c in DIFFERENTIABLE if c.grad == "complex"])
def test_second_order(case):
    variables, values, outputs, weights = setup(case)
    k = case.differentiable()[0]
    x = variables[k]
    rng = np.random.default_rng(9)
    direction = rng.normal(size=values[k].shape)
    # a nonlinear cost, so that linear functions have a second derivative too
    first = grad(weighted([y * y for y in outputs], weights), x, disconnected_inputs="ignore")
    inner = (first * at.constant(direction)).sum()
    second, = compute(variables, [grad(inner, x, disconnected_inputs="ignore")], values)
    want, = directional(variables, [first], values, k, direction, True)
    np.testing.assert_allclose(second, want, rtol=1e-9, atol=1e-9)
    forward, = compute(variables, [Rop(first, x, at.constant(direction), disconnected_outputs="ignore")], values)
    np.testing.assert_allclose(forward, want, rtol=1e-9, atol=1e-9)


def test_contract_with_labels_summed_in_one_operand_only():
    x, y = at.dtensor3("x"), at.dmatrix("y")
    z = apply(ops.Contract((0, 1, 2), (2, 3), (0,)), x, y)
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 3, 4)), rng.normal(size=(4, 5))
    gx, gy = compute([x, y], grad((z * z).sum(), [x, y]), [a, b])
    value = np.einsum("ijk,kl->i", a, b)
    np.testing.assert_allclose(gx, np.broadcast_to((2 * value)[:, None, None] * b.sum(1), a.shape), rtol=1e-12)
    np.testing.assert_allclose(gy, np.broadcast_to(np.einsum("i,ijk->k", 2 * value, a)[:, None], b.shape), rtol=1e-12)
