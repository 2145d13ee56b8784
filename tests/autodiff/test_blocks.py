"""Identities with a gradient of their own."""

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.errors import DisconnectedInputError, GradientError
from gradc.gradient import Rop, consider_constant, disconnected_grad, grad, grad_clip, grad_scale, zero_grad
from tests.cases_base import compute

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


def test_second_order():
    x = at.dscalar("x")

    def second(y):
        return value([x], grad(grad(y, x), x), 2.0)

    assert second(grad_scale(x, 3) ** 3) == 9 * 6 * 2       # scaled in each pass
    assert second(zero_grad(x) * x ** 2) == 2 * 2
    assert second(consider_constant(x) * x ** 3) == 2 * 6 * 2
    assert second(disconnected_grad(x) * x ** 3) == 2 * 6 * 2
    with pytest.raises(DisconnectedInputError):
        grad(grad(disconnected_grad(x) * x, x), x)          # the gradient is the disconnected x


def test_forward_mode():
    x, t = at.dscalars("x", "t")
    assert value([x, t], Rop(grad_scale(x, 3) ** 2, x, t), 2.0, 5.0) == 3 * 4 * 5
    assert value([x, t], Rop(zero_grad(x) * x, x, t), 2.0, 5.0) == 2 * 5


@pytest.mark.parametrize("block,factor", [(lambda h: grad_scale(h, 0.5), 0.5 ** 3), (lambda h: h, 1.0)])
def test_in_loops(block, factor):
    x = at.dscalar("x")
    states, _ = gradc.scan(lambda h: 2 * block(h), outputs_info=[x], n_steps=3)
    f = gradc.function([x], [states[-1], grad(states[-1], x), grad(grad(states[-1] ** 2, x), x)])
    assert f(1.0) == [8, 8 * factor, 2 * 8 * factor * 8 * factor]


def test_arguments_are_checked():
    x = at.dscalar("x")
    with pytest.raises(GradientError, match="must not exceed"):
        grad_clip(x, 2, 1)
    with pytest.raises(GradientError, match="must be a number"):
        grad_scale(x, "much")
