"""Identities with a gradient of their own."""

import numpy as np
import pytest

import gradc.tensor as at
from gradc.errors import DisconnectedInputError, GradientError
from gradc.gradient import consider_constant, disconnected_grad, grad, grad_clip, grad_scale, zero_grad
from tests.cases import compute

BLOCKS = [consider_constant, zero_grad, disconnected_grad, lambda x: grad_clip(x, -1, 1), lambda x: grad_scale(x, 2)]


def value(inputs, output, *values):
    return compute(inputs, [output], [np.asarray(v) for v in values])[0]


@pytest.mark.parametrize("block", BLOCKS)
def test_values_pass_unchanged(block):
    x = at.fvector("x")
    y = block(x)
    assert y.type == x.type
    np.testing.assert_array_equal(value([x], y, np.array([1, 2], "float32")), [1, 2])


@pytest.mark.parametrize("block", [consider_constant, zero_grad])
def test_connected_zero(block):
    x = at.dscalar("x")
    assert value([x], grad(block(x) * x, x), 3.0) == 3
    assert value([x], grad(block(x ** 2), x), 3.0) == 0


def test_disconnected():
    x = at.dscalar("x")
    assert value([x], grad(disconnected_grad(x) * x, x), 3.0) == 3
    with pytest.raises(DisconnectedInputError):
        grad(disconnected_grad(x ** 2), x)


def test_clip():
    x = at.dvector("x")
    g = grad((grad_clip(x, -1, 2) ** 2).sum(), x)
    np.testing.assert_array_equal(value([x], g, [-3.0, 0.25, 3.0]), [-1, 0.5, 2])


def test_scale():
    x = at.fscalar("x")
    g = grad(grad_scale(x, -3) ** 2, x)
    assert g.dtype == "float32"
    assert value([x], g, np.float32(2)) == -12


def test_second_order_through_a_clipped_gradient():
    x = at.dscalar("x")
    g = grad(grad_clip(x, -10, 10) ** 3, x)
    assert value([x], grad(g, x), 1.0) == 6
    assert value([x], grad(g, x), 3.0) == 0


def test_arguments_are_checked():
    x = at.dscalar("x")
    with pytest.raises(GradientError, match="must not exceed"):
        grad_clip(x, 2, 1)
    with pytest.raises(GradientError, match="must be a number"):
        grad_scale(x, "much")
