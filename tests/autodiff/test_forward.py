"""`Rop`: values, options, errors; agreement with reverse mode; Hessian-vector products."""

import numpy as np
import pytest

import gradc.tensor as at
from gradc.errors import DisconnectedInputError, GradientError, NullTypeGradError, ShapeError, TypeMismatchError
from gradc.gradient import (
    Lop,
    Rop,
    disconnected_grad,
    grad,
    grad_clip,
    grad_scale,
    hessian_vector_product,
    zero_grad,
)
from gradc.ir import ops
from gradc.ir.graph import apply
from gradc.ir.types import DisconnectedType, NullType
from tests.autodiff.test_user_ops import Cube, Undefined
from tests.cases_base import compute


def value(inputs, output, *values):
    return compute(inputs, [output], [np.asarray(v) for v in values])[0]


def test_jacobian_times_vector():
    W, V, x = at.dmatrix("W"), at.dmatrix("V"), at.dvector("x")
    jv = Rop(at.dot(x, W), W, V)
    np.testing.assert_array_equal(value([W, V, x], jv, np.ones((2, 2)), np.full((2, 2), 2.0), [0.0, 1.0]), [2, 2])


def test_hessian_times_vector_three_ways():
    x, v = at.dvector("x"), at.dvector("v")
    cost = (at.exp(x) * at.sin(x[::-1])).sum()
    g = grad(cost, x)
    xs, vs = np.array([0.3, 0.7, -0.2]), np.array([1.0, -2.0, 0.5])
    a = value([x, v], Rop(g, x, v), xs, vs)
    b = value([x, v], grad((g * v).sum(), x), xs, vs)
    c = value([x, v], Lop(g, x, v), xs, vs)
    np.testing.assert_allclose(a, b, rtol=1e-13)
    np.testing.assert_allclose(a, c, rtol=1e-13)
    np.testing.assert_array_equal(a, value([x, v], hessian_vector_product(cost, x, v), xs, vs))


def test_several_outputs_and_several_variables():
    x, y = at.dvector("x"), at.dvector("y")
    u, w = at.dvector("u"), at.dvector("w")
    first, second = Rop([x * y, at.sin(x)], [x, y], [u, w])
    given = [np.array(a) for a in ([1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0])]
    np.testing.assert_allclose(value([x, y, u, w], first, *given), [1 * 7 + 3 * 5, 2 * 8 + 4 * 6])
    np.testing.assert_allclose(value([x, y, u, w], second, *given), np.cos([1.0, 2.0]) * [5, 6])


def test_a_missing_point_is_zero():
    x, y, u = at.dscalar("x"), at.dscalar("y"), at.dscalar("u")
    assert value([x, y, u], Rop(x * y, [x, y], [u, None]), 2.0, 3.0, 4.0) == 12


def test_sources_are_independent():
    x = at.dscalar("x")
    y = x ** 2
    assert value([x], Rop(y * x, [x, y], [at.constant(1.0), at.constant(0.0)]), 3.0) == 9


def test_tangents_are_broadcast_to_the_result():
    m, b, t = at.dmatrix("m"), at.dvector("b"), at.dvector("t")
    jv = value([m, b, t], Rop(m + b, b, t), np.ones((3, 2)), np.ones(2), [1.0, 2.0])
    np.testing.assert_array_equal(jv, np.tile([1.0, 2.0], (3, 1)))


def test_float32_stays_float32():
    x, t = at.fvector("x"), at.dvector("t")
    assert Rop(at.exp(x), x, t).dtype == "float32"


@pytest.mark.parametrize("x", [[2, 0, 3, 4], [0, 2, 0, 3], [1, 2, 3, 4], [0, 0, 0, 0]])
def test_products_with_zeros(x):
    v, t, u = at.dvector("v"), at.dvector("t"), at.dvector("u")
    given = [np.array(x, float), np.array([1.0, -2, 3, 0.5]), np.array([0.3, 1, 2, -1])]
    for y, weight in ((at.cumprod(v), u), (at.prod(v), u[0])):
        forward = value([v, t, u], (Rop(y, v, t) * weight).sum(), *given)
        backward = value([v, t, u], (Lop(y, v, weight) * t).sum(), *given)
        assert forward == pytest.approx(backward, rel=1e-13)


def test_ties_agree_with_reverse_mode():
    v, t = at.dvector("v"), at.dvector("t")
    given = [np.array([2.0, 1, 2]), np.array([1.0, 10, 100])]
    assert value([v, t], Rop(at.max(v), v, t), *given) == 50.5


def test_steps_are_connected_zeros():
    v, t = at.dvector("v"), at.dvector("t")
    for y in (at.floor(v), at.argmax(v) * 1.0, at.eq(v, 1) * 1.0, at.cast(v, "int32")):
        jv = value([v, t], Rop(y, v, t), [0.5, 1.0], [1.0, 1.0])
        np.testing.assert_array_equal(jv, np.zeros(jv.shape))


def test_disconnected_outputs():
    x, y, t = at.dscalar("x"), at.dscalar("y"), at.dscalar("t")
    with pytest.raises(DisconnectedInputError, match=r"y \(.*test_forward\.py.*does not depend on x"):
        Rop(y, x, t)
    with pytest.raises(ValueError, match="does not depend"):
        Rop(disconnected_grad(x), x, t)
    with pytest.warns(UserWarning, match="does not depend"):
        zero = Rop(y, x, t, disconnected_outputs="warn")
    assert value([y], zero, 1.0) == 0
    assert Rop(y, x, t, disconnected_outputs="ignore", return_disconnected="None") is None
    absent = Rop(y, x, t, disconnected_outputs="ignore", return_disconnected="disconnected")
    assert isinstance(absent.type, DisconnectedType)


def test_arguments_are_checked():
    x, v = at.dscalar("x"), at.dvector("v")
    with pytest.raises(ShapeError, match="one evaluation point per variable"):
        Rop(x, x, [x, x])
    with pytest.raises(ShapeError, match="rank"):
        Rop(x * 2, x, v)
    with pytest.raises(GradientError, match="disconnected_outputs must be"):
        Rop(x, x, x, disconnected_outputs="perhaps")
    with pytest.raises(GradientError, match="return_disconnected must be"):
        Rop(x, x, x, return_disconnected="perhaps")
    for wrt in (3, [3]):
        with pytest.raises(TypeMismatchError, match="expected variables"):
            Rop(x, wrt, x)


def test_identities_with_their_own_gradient():
    x, t = at.dscalar("x"), at.dscalar("t")
    assert value([x, t], Rop(grad_scale(x, 3) ** 2, x, t), 2.0, 5.0) == 60
    assert value([x, t], Rop(grad_clip(x, -1, 1) ** 2, x, t), 2.0, 5.0) == 20
    assert value([x, t], Rop(zero_grad(x) * x, x, t), 2.0, 5.0) == 10


def test_user_op_without_r_op_is_differentiated_by_two_reverse_passes():
    x, t = at.dvector("x"), at.dvector("t")
    jv = Rop(at.sin(Cube()(x)), x, t)
    xs, ts = np.array([0.5, 1.5]), np.array([2.0, -1.0])
    np.testing.assert_allclose(value([x, t], jv, xs, ts), np.cos(xs ** 3) * 3 * xs ** 2 * ts, rtol=1e-13)


def test_user_op_with_r_op():
    class Twice(Cube):
        def R_op(self, inputs, eval_points):
            return [eval_points[0] * 100]

    x, t = at.dvector("x"), at.dvector("t")
    np.testing.assert_array_equal(value([x, t], Rop(Twice()(x), x, t), [1.0], [2.0]), [200])


def test_undefined_derivative():
    x, t = at.dscalar("x"), at.dscalar("t")
    with pytest.raises(NullTypeGradError, match="not implemented"):
        Rop(Undefined()(x), x, t)
    assert NullType("why").why == "why"


@pytest.mark.parametrize("depth", [2000, pytest.param(20_000, marks=pytest.mark.nightly)])
def test_deep_chains_need_no_recursion(depth: int):
    x, t = at.dscalar("x"), at.dscalar("t")
    y = x
    for _ in range(depth):
        y = apply(ops.Map("neg"), y)
    assert value([x, t], Rop(y, x, t), 1.0, 3.0) == 3
