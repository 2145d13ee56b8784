"""User-defined Ops: the three spellings of a gradient, several outputs, connection patterns, bad answers."""

import numpy as np
import pytest

import gradc.tensor as at
from gradc.errors import DisconnectedInputError, GradientError, NullTypeGradError
from gradc.gradient import grad, grad_not_implemented, grad_undefined
from gradc.ir.graph import Apply, Op
from gradc.ir.types import DisconnectedType, NullType
from tests.cases_base import compute


class Cube(Op):
    """x**3, with `grad`."""

    __props__ = ()

    def make_node(self, x):
        x = at.as_tensor_variable(x)
        return Apply(self, [x], [x.type()])

    def perform(self, node, inputs, output_storage):
        output_storage[0][0] = inputs[0] ** 3

    def grad(self, inputs, output_gradients):
        return [3 * inputs[0] ** 2 * output_gradients[0]]


class CubeByLop(Cube):
    """x**3, with `L_op`, which sees the outputs."""

    def L_op(self, inputs, outputs, output_gradients):
        return [3 * outputs[0] / inputs[0] * output_gradients[0]]


class CubeByPullback(Cube):
    """x**3, with `pullback`."""

    def pullback(self, inputs, outputs, cotangents):
        return [3 * inputs[0] ** 2 * cotangents[0]]


class Undefined(Cube):
    def grad(self, inputs, output_gradients):
        return [NullType("it was not implemented")()]


class SumAndProduct(Op):
    """(x + y, x * y); the sum does not depend on k, the product does only through its shape."""

    def make_node(self, x, y, k):
        return Apply(self, [x, y, k], [x.type(), x.type()])

    def perform(self, node, inputs, output_storage):
        output_storage[0][0] = inputs[0] + inputs[1]
        output_storage[1][0] = inputs[0] * inputs[1]

    def connection_pattern(self, node):
        return [[True, True], [True, True], [False, False]]

    def L_op(self, inputs, outputs, output_gradients):
        x, y, _ = inputs
        gs, gp = [None if isinstance(g.type, DisconnectedType) else g for g in output_gradients]
        by_x = gs if gp is None else gp * y if gs is None else gs + gp * y
        by_y = gs if gp is None else gp * x if gs is None else gs + gp * x
        return [by_x, by_y, DisconnectedType()()]


def value(inputs, output, *values):
    return compute(inputs, [output], [np.asarray(v) for v in values])[0]


@pytest.mark.parametrize("op", [Cube(), CubeByLop(), CubeByPullback()], ids=["grad", "L_op", "pullback"])
def test_gradient_by_the_op(op):
    x = at.dvector("x")
    g = grad(at.sin(op(x)).sum(), x)
    xs = np.array([0.5, 1.5])
    np.testing.assert_allclose(value([x], g, xs), np.cos(xs ** 3) * 3 * xs ** 2, rtol=1e-13)


def test_several_outputs():
    x, y, k = at.dscalars("xyk")
    total, product = SumAndProduct()(x, y, k)
    given = (2.0, 3.0, 1.0)
    assert value([x, y, k], grad(total * product, x), *given) == 6 + 5 * 3
    assert value([x, y, k], grad(product, y), *given) == 2
    assert value([x, y, k], grad(total * 2, x), *given) == 2


def test_connection_pattern_disconnects():
    x, y, k = at.dscalars("xyk")
    total, _ = SumAndProduct()(x, y, k)
    with pytest.raises(DisconnectedInputError, match="used only by SumAndProduct"):
        grad(total, k)


@pytest.mark.parametrize("answer,message", [
    (lambda x, g: [g, g], "list of 1 variable"),
    (lambda x, g: g, "got a TensorVariable"),
    (lambda x, g: [g.sum()], "ranks must agree")])
def test_bad_gradients_are_refused(answer, message):
    class Bad(Cube):
        def grad(self, inputs, output_gradients):
            return answer(inputs[0], output_gradients[0])

    x = at.dvector("x")
    with pytest.raises(GradientError, match=message):
        grad(Bad()(x).sum(), x)


@pytest.mark.parametrize("make,message", [(grad_undefined, "has no gradient by its input 0, x: a jump"),
                                          (grad_not_implemented, "is not implemented: a jump")])
def test_undefined_gradients_say_why(make, message):
    class Jump(Cube):
        def grad(self, inputs, output_gradients):
            return [make(self, 0, inputs[0], "a jump")]

    x = at.dscalar("x")
    with pytest.raises(NullTypeGradError, match=message):
        grad(Jump()(x), x)


def test_a_gradient_may_be_given_as_numbers():
    class Constant(Cube):
        def grad(self, inputs, output_gradients):
            return [np.array([1.0, 2.0])]

    x = at.dvector("x")
    np.testing.assert_array_equal(value([x], grad(Constant()(x).sum(), x), [0.0, 0.0]), [1, 2])
