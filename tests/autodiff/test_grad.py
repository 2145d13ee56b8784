"""`grad` and `Lop`: every option, every error, the semantics of ties, integers and disconnection, depth."""

import math
import re

import numpy as np
import pytest

import gradc.tensor as at
from gradc.config import config
from gradc.errors import (
    DisconnectedInputError,
    GradientError,
    NonScalarCostError,
    NotDifferentiableError,
    NullTypeGradError,
    ShapeError,
    TypeMismatchError,
)
from gradc.gradient import Lop, Rop, disconnected_grad, grad, subgraph_grad
from gradc.ir import ops
from gradc.ir.graph import Apply, Op, apply
from gradc.ir.types import DisconnectedType, NullType
from tests.cases_base import compute


def value(inputs, output, *values):
    return compute(inputs, [output], [np.asarray(v) for v in values])[0]


# ------------------------------------------------------------------------------------------------------- costs


def test_start_is_a_fill_of_the_cost():
    x = at.dscalar("x")
    y = x ** 2
    start = grad(y, y)
    assert start.owner.op == ops.Map("second") and start.owner.inputs[0] is y
    assert start.owner.inputs[1].data == 1.0 and start.owner.inputs[1].dtype == "float64"


def test_cost_must_be_a_scalar():
    v, one = at.dvector("v"), at.TensorType("float64", (1,))("one")
    for cost in (v, v * 2, one):
        with pytest.raises(NonScalarCostError, match=re.escape("Cost must be a scalar.")):
            grad(cost, v)
    with pytest.raises(TypeError, match=r"v is f64\[\?\].*test_grad\.py"):
        grad(v, v)


def test_cost_must_be_real():
    z = at.zscalar("z")
    with pytest.raises(GradientError, match="real"):
        grad(z * z, z)


def test_neither_cost_nor_known_gradients():
    with pytest.raises(GradientError, match="known_grads"):
        grad(None, at.dscalar("x"))


@pytest.mark.parametrize("option", ["disconnected_inputs", "return_disconnected", "null_gradients"])
def test_options_have_legal_values(option):
    x = at.dscalar("x")
    with pytest.raises(GradientError, match=f"{option} must be one of"):
        grad(x, x, **{option: "perhaps"})


def test_wrt_must_be_variables():
    x = at.dscalar("x")
    for wrt in ([x, 3], 3):
        with pytest.raises(TypeMismatchError, match="expected variables to differentiate by, got 3 of type int"):
            grad(x, wrt)
    with pytest.raises(TypeMismatchError, match="consider_constant is a list of variables, got 'x' of type str"):
        grad(x, x, consider_constant=["x"])


def test_integer_cost_starts_in_floatx():
    i, x = at.iscalar("i"), at.fscalar("x")
    g = grad(i, i)
    assert g.dtype == config.floatX
    assert grad(x, x).dtype == "float32"


# ------------------------------------------------------------------------------------------------ what comes back


def test_one_variable_or_a_list():
    x, y = at.dscalars("xy")
    assert value([x, y], grad(x * y, x), 2.0, 3.0) == 3
    for many in ([x, y], (x, y)):
        gx, gy = grad(x * y, many)
        assert (value([x, y], gx, 2.0, 3.0), value([x, y], gy, 2.0, 3.0)) == (3, 2)
        assert type(grad(x * y, many)) is type(Lop(x * y, many, x)) is type(Rop(many, x, x, "ignore")) is type(many)
    assert grad(x * y, []) == []


def test_names():
    x, y = at.dscalars("xy")
    cost = x * y
    assert grad(cost, x).name is None
    cost.name = "cost"
    assert grad(cost, x).name == "(dcost/dx)"
    assert grad(cost, x, add_names=False).name is None


def test_user_variables_keep_their_names():
    x, k = at.dscalars("xk")
    cost = x * 2
    cost.name = "cost"
    g = grad(cost, cost, known_grads={cost: k})
    assert g is k and k.name == "k"


def test_intermediate_variables():
    x = at.dscalar("x")
    y = x ** 2
    z = at.exp(y)
    gx, gy = grad(z, [x, y])
    assert value([x], gy, 0.5) == pytest.approx(np.exp(0.25))
    assert value([x], gx, 0.5) == pytest.approx(np.exp(0.25))       # times 2x = 1


def test_a_variable_used_twice_gets_both_parts():
    x = at.dvector("x")
    g = grad((x * x + at.sin(x)).sum(), x)
    np.testing.assert_allclose(value([x], g, [0.5, 2.0]), [1 + np.cos(0.5), 4 + np.cos(2.0)])


def test_gradient_has_the_dtype_of_its_variable():
    x, y = at.fvector("x"), at.dvector("y")
    gx, gy = grad((x * y).sum(), [x, y])
    assert (gx.dtype, gy.dtype) == ("float32", "float64")


def test_gradient_nodes_carry_the_line_of_the_user():
    x = at.dscalar("x")
    y = at.exp(x)
    g = grad(y * 2, x)
    assert g.source == y.source and g.source[0].endswith("test_grad.py")


# ------------------------------------------------------------------------------------------------- disconnected


def test_disconnected_input_raises_and_says_why():
    x, y = at.dscalars("xy")
    with pytest.raises(DisconnectedInputError, match=r"y \(.*test_grad\.py:\d+\).*does not occur"):
        grad(x * 2, y)
    v = at.dvector("v")
    with pytest.raises(ValueError, match=r"used only by shape"):
        grad(v.shape[0] * x, v)
    with pytest.raises(DisconnectedInputError, match="used only by disconnected"):
        grad(disconnected_grad(y) * x, y)
    with pytest.raises(DisconnectedInputError, match="consider_constant"):
        z = y * 2
        grad(z * x, y, consider_constant=[z])


def test_disconnected_input_warns():
    x, y = at.dscalars("xy")
    with pytest.warns(UserWarning, match="does not occur"):
        g = grad(x * 2, y, disconnected_inputs="warn")
    assert value([y], g, 3.0) == 0


def test_disconnected_input_ignored():
    x, v, i = at.dscalar("x"), at.fvector("v"), at.ivector("i")
    gv, gi = grad(x * 2, [v, i], disconnected_inputs="ignore")
    assert gv.dtype == "float32" and gi.dtype == config.floatX
    np.testing.assert_array_equal(value([v], gv, np.ones(3, "float32")), np.zeros(3))
    assert grad(x, v, disconnected_inputs="ignore", return_disconnected="None") is None
    absent = grad(x, v, disconnected_inputs="ignore", return_disconnected="disconnected")
    assert isinstance(absent.type, DisconnectedType)


@pytest.mark.parametrize("build", [
    lambda x: at.floor(x).sum(), lambda x: (x // 2).sum(), lambda x: at.eq(x, 1).sum() * 1.0,
    lambda x: at.argmax(x) * 1.0, lambda x: at.cast(x, "int64").sum() * 1.0, lambda x: at.sgn(x).sum(),
    lambda x: at.switch(x > 0, 1.0, 2.0).sum()])
def test_integers_and_steps_give_connected_zeros(build):
    x = at.dvector("x")
    np.testing.assert_array_equal(value([x], grad(build(x), x), [0.5, -2.0, 3.0]), np.zeros(3))


@pytest.mark.parametrize(("build", "slope"), [
    (lambda i, x: i * x, lambda i, x: x), (lambda i, x: at.cast(i, "float64") ** 2, lambda i, x: 2.0 * i),
    (lambda i, x: at.exp(i), lambda i, x: np.exp(i)), (lambda i, x: x / i, lambda i, x: -x / i ** 2),
    (lambda i, x: at.switch(i > 1, x * i, x), lambda i, x: np.where(i > 1, x, 0)), (lambda i, x: (i * i) * x, None)])
@pytest.mark.filterwarnings("ignore:the gradient by i does not pass mul")
def test_integer_variables_have_the_slope_of_the_formula(build, slope):
    i, x = at.ivector("i"), at.dvector("x")
    given = np.array([1, 2], "int32"), np.array([3.0, 4.0])
    g = grad(build(i, x).sum(), i)
    assert g.dtype == "float64"
    want = np.zeros(2) if slope is None else slope(*given)      # through i * i, an integer on the way, nothing comes
    np.testing.assert_allclose(value([i, x], g, *given), want, rtol=1e-14)


def test_gradients_by_integers_are_in_floatx():
    i, x = at.ivector("i"), at.fvector("x")
    with config.change_flags(floatX="float32"):
        assert grad((i * x).sum(), i).dtype == "float32"


# --------------------------------------------------------------------------- consider_constant, known gradients


def test_consider_constant():
    x = at.dscalar("x")
    a = x ** 2
    cost = a * x
    assert value([x], grad(cost, x), 3.0) == 27
    assert value([x], grad(cost, x, consider_constant=[a]), 3.0) == 9
    assert value([x], grad(cost, x, consider_constant=a), 3.0) == 9
    assert value([x], grad(cost, a, consider_constant=[a]), 3.0) == 3


def test_known_gradients_stand_for_a_cost():
    x = at.dvector("x")
    y = x ** 2
    g = grad(None, x, known_grads={y: at.constant(np.array([1.0, 10.0]))})
    np.testing.assert_allclose(value([x], g, [3.0, 4.0]), [6, 80])


def test_known_gradients_replace_computed_ones():
    x = at.dscalar("x")
    y = x ** 2
    cost = at.exp(y) + x
    g = grad(cost, x, known_grads={y: at.constant(2.0)})
    assert value([x], g, 3.0) == 13


def test_known_gradient_of_wrt_itself():
    i, k = at.iscalar("i"), at.dscalar("k")
    assert value([k], grad(None, i, known_grads={i: k}), 5.0) == 5


def test_known_gradients_are_checked():
    x, v = at.dscalar("x"), at.dvector("v")
    with pytest.raises(ShapeError, match="must have its rank"):
        grad(None, x, known_grads={x * 2: v})
    with pytest.raises(TypeMismatchError, match="known gradient"):
        grad(None, x, known_grads={"x": v})


# -------------------------------------------------------------------------------------------------- undefined


class Undefined(Op):
    """Identity whose gradient is said not to exist."""

    def make_node(self, x):
        return Apply(self, [x], [x.type()])

    def perform(self, node, inputs, output_storage):
        output_storage[0][0] = inputs[0]

    def L_op(self, inputs, outputs, output_gradients):
        return [NullType("it was not implemented")()]


class NoGradient(Op):
    """Identity without any gradient method."""

    make_node = Undefined.make_node


def test_undefined_gradients():
    x, y = at.dscalars("xy")
    cost = Undefined()(x) * y
    with pytest.raises(NullTypeGradError, match="it was not implemented"):
        grad(cost, x)
    gx, gy = grad(cost, [x, y], null_gradients="return")
    assert isinstance(gx.type, NullType) and gx.type.why == "it was not implemented"
    assert isinstance(grad(at.exp(cost), x, null_gradients="return").type, NullType)
    assert gy.dtype == "float64"
    with pytest.raises(GradientError, match="undefined cost"):
        grad(gx, y)


def test_an_op_without_gradient_is_an_error_only_on_the_path():
    x, y = at.dscalars("xy")
    cost = NoGradient()(x) * y
    grad(cost, y)
    with pytest.raises(NotDifferentiableError, match=r"has no gradient.*disconnected_grad"):
        grad(cost, x)


# ---------------------------------------------------------------------------------------------- semantics


def test_gradients_at_ties_and_kinks():
    x = at.dvector("x")
    np.testing.assert_array_equal(value([x], grad(at.max(x), x), [2.0, 1.0, 2.0]), [0.5, 0, 0.5])
    np.testing.assert_array_equal(value([x], grad(at.min(x), x), [1.0, 1.0, 2.0]), [0.5, 0.5, 0])
    np.testing.assert_array_equal(value([x], grad(at.maximum(x, 0).sum(), x), [0.0, -1.0, 1.0]), [1, 0, 1])
    np.testing.assert_array_equal(value([x], grad(at.clip(x, -1, 1).sum(), x), [-1.0, 1.0, 2.0]), [1, 1, 0])
    np.testing.assert_array_equal(value([x], grad(abs(x).sum(), x), [0.0, -2.0, 3.0]), [0, -1, 1])
    assert value([x], grad(at.sqrt(x).sum(), x), [0.0])[0] == np.inf


@pytest.mark.parametrize("x,want", [([0, 2, 3], [6, 0, 0]), ([0, 0, 3], [0, 0, 0]), ([1, 2, 3], [6, 3, 2]),
                                    ([0], [1]), ([], [])])
def test_products_are_exact_with_zeros(x, want):
    v = at.dvector("v")
    np.testing.assert_array_equal(value([v], grad(at.prod(v), v), np.array(x, float)), want)


@pytest.mark.parametrize("x", [[2, 0, 3, 4], [0, 2, 0, 3], [1, 2, 3, 4], [0, 0, 0, 0]])
def test_cumulative_products_are_exact_with_zeros(x):
    v = at.dvector("v")
    w = np.array([1.0, 10, 100, 1000])
    x = np.array(x, float)
    want = [sum(w[k] * np.prod(np.delete(x[:k + 1], i)) for k in range(i, 4)) for i in range(4)]
    np.testing.assert_allclose(value([v], grad((at.cumprod(v) * w).sum(), v), x), want, rtol=1e-14)


def test_products_over_some_axes():
    x = at.dtensor3("x")
    a = np.arange(24.0).reshape(2, 3, 4) - 3           # one zero
    g = value([x], grad(at.prod(x, axis=(0, 2)).sum(), x), a)
    for i, j, k in np.ndindex(2, 3, 4):
        assert g[i, j, k] == pytest.approx(np.prod(np.delete(a[:, j, :].ravel(), i * 4 + k)), rel=1e-12)


def test_broadcasting_is_undone():
    r, c, s, m = at.drow("r"), at.dcol("c"), at.dscalar("s"), at.dmatrix("m")
    v = at.dvector("v")
    cost = ((r + c) * m * s + v).sum()
    a = [np.ones((1, 4)) * 2, np.ones((3, 1)), np.float64(2), np.arange(12.0).reshape(3, 4), np.ones(4)]
    for x, g, given in zip([r, c, s, m, v], compute([r, c, s, m, v], grad(cost, [r, c, s, m, v]), a), a):
        assert g.shape == given.shape, x.name
    np.testing.assert_allclose(value([r, c, s, m, v], grad(cost, r), *a), 2 * a[3].sum(0, keepdims=True))
    np.testing.assert_allclose(value([r, c, s, m, v], grad(cost, v), *a), np.full(4, 3))


def test_a_run_time_size_one_is_an_error_not_a_wrong_gradient():
    x, y = at.dmatrices("xy")
    g = grad((x * y).sum(), x)
    with pytest.raises(ShapeError, match="broadcasts only if"):
        value([x, y], g, np.ones((1, 3)), np.ones((2, 3)))


def test_pow_of_integers_and_zero():
    x = at.dscalar("x")
    assert value([x], grad(x ** 2, x), 0.0) == 0
    assert value([x], grad(x ** at.constant(3, dtype="uint8"), x), 2.0) == 12
    y = at.dscalar("y")
    assert value([x, y], grad(x ** y, y), 0.0, 2.0) == 0


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_derivatives_of_powers_at_zero(n):
    x = at.dscalar("x")
    y, want = x ** n, [0.0] * 5
    if n:
        want[n - 1] = float(math.factorial(n))
    for k in range(5):
        y = grad(y, x)
        assert value([x], y, 0.0) == want[k]


def test_slopes_of_powers_with_exponent_zero():
    v, c = at.dvectors("v", "c")
    base, exponents = [0.0, 0.0, 0.0, 2.0, np.inf], np.arange(5.0) % 3          # 0, 1, 2, 0, 1
    first = grad((v ** c).sum(), v)
    np.testing.assert_array_equal(value([v, c], first, base, exponents), [0, 1, 0, 0, 1])
    np.testing.assert_array_equal(value([v, c], grad(first[:4].sum(), v), base, exponents), [0, 0, 2, 0, 0])
    np.testing.assert_array_equal(value([v], grad((v ** exponents).sum(), v), base), [0, 1, 0, 0, 1])


@pytest.mark.parametrize("x", [1e3, -1e3, np.inf, -np.inf])
def test_stable_functions_far_out(x):
    v = at.dscalar("v")
    step = float(x > 0)
    assert value([v], grad(at.softplus(v), v), x) == step
    assert value([v], grad(at.sigmoid(v), v), x) == 0
    assert value([v], grad(at.logaddexp(v, 0.0), v), x) == step


def test_subtensor_gradients_add_up():
    x = at.dvector("x")
    cost = x[0] * 2 + (x[1:] * x[:-1]).sum() + x[-1] ** 2
    np.testing.assert_allclose(value([x], grad(cost, x), [1.0, 2.0, 3.0]), [2 + 2, 1 + 3, 2 + 6])


def test_higher_orders():
    x = at.dscalar("x")
    y = at.exp(2 * x) * x ** 3
    for k in range(4):
        a = 0.7
        want = sum(np.exp(2 * a) * 2 ** (k - j) * c * a ** (3 - j) * b for j, (c, b) in enumerate(
            zip([1, 3, 6, 6], {0: [1], 1: [1, 1], 2: [1, 2, 1], 3: [1, 3, 3, 1]}[k])))
        assert value([x], y, a) == pytest.approx(want, rel=1e-12)
        y = grad(y, x)


# -------------------------------------------------------------------------------------------------------- Lop


def test_lop_is_v_times_jacobian():
    W, x, v = at.dmatrix("W"), at.dvector("x"), at.dvector("v")
    a = np.arange(6.0).reshape(2, 3)
    y = at.tanh(at.dot(x, W))
    gx, gW = Lop(y, [x, W], v)
    xs, vs = np.array([0.1, 0.2]), np.array([1.0, 2.0, 3.0])
    slope = 1 - np.tanh(xs @ a) ** 2
    np.testing.assert_allclose(value([W, x, v], gx, a, xs, vs), a @ (vs * slope))
    np.testing.assert_allclose(value([W, x, v], gW, a, xs, vs), np.outer(xs, vs * slope))


def test_lop_of_outputs_that_depend_on_each_other():
    x = at.dscalar("x")
    y = x ** 2
    z = y * 3
    assert value([x], Lop([y, z], x, [at.constant(1.0), at.constant(1.0)]), 2.0) == 4 + 12


def test_lop_checks_its_arguments():
    x, v = at.dscalar("x"), at.dvector("v")
    with pytest.raises(ShapeError, match="one evaluation point per output"):
        Lop([x], x, [x, x])
    with pytest.raises(ShapeError, match="rank"):
        Lop(x * 2, x, v)
    with pytest.raises(DisconnectedInputError, match="does not occur"):
        Lop(x * 2, v, x)


def test_gradients_by_stages_equal_the_whole():
    x, t = at.dvector("x"), at.dvector("t")
    w1, w2 = at.dmatrix("w1"), at.dmatrix("w2")
    hidden = at.tanh(at.dot(x, w1))
    out = at.tanh(at.dot(hidden, w2))
    penalty = (hidden ** 2).sum()
    cost = ((out - t) ** 2).sum()
    upper, (by_hidden,) = subgraph_grad([w2], [hidden], cost=cost)
    lower, _, by_start, by_cost = subgraph_grad([w1], [x], start={hidden: by_hidden}, cost=penalty, details=True)
    assert len(by_start) == len(by_cost) == 2
    rng = np.random.default_rng(0)
    given = [rng.normal(size=s) for s in (3, 2, (3, 4), (4, 2))]
    inputs = [x, t, w1, w2]
    want = compute(inputs, grad(cost + penalty, [w1, w2]), given)
    for a, b in zip(compute(inputs, lower + upper, given), want):
        np.testing.assert_allclose(a, b, rtol=1e-13)
    with pytest.raises(GradientError, match="start, cost or both"):
        subgraph_grad([w1], [x])


# ------------------------------------------------------------------------------------------------------ depth


@pytest.mark.parametrize("depth", [2000, pytest.param(20_000, marks=pytest.mark.nightly)])
def test_deep_chains_need_no_recursion(depth: int):
    x = at.dscalar("x")
    half = at.constant(0.999)
    y = x
    for _ in range(depth):
        y = apply(ops.Map("mul"), y, half)
    g = grad(y, x)
    assert value([x], g, 1.0) == pytest.approx(0.999 ** depth)


def test_wide_sharing_stays_linear():
    x = at.dscalar("x")
    y = x
    for _ in range(60):             # 2**60 paths
        y = y + y
    assert value([x], grad(y, x), 1.0) == 2.0 ** 60
