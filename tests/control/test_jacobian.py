"""`jacobian` and `hessian`: values against complex step, shapes, structure."""

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.errors import DisconnectedInputError, GradientError, NonScalarCostError, TypeMismatchError
from gradc.gradient import Rop, hessian, jacobian
from gradc.ir import ops
from gradc.ir.convert import to_program
from gradc.ir.graph import Apply, Op, Variable
from gradc.passes.phases import optimize
from tests.cases_base import compute

rng = np.random.default_rng(0)
A, B = rng.normal(size=(5, 4)), rng.normal(size=(4, 4))


def numeric(f, x, step=1e-30):
    """The Jacobian of f at x by complex step, f.shape + x.shape."""
    x = np.asarray(x, dtype=complex)
    columns = []
    for k in range(x.size):
        moved = x.copy()
        moved.reshape(-1)[k] += 1j * step
        columns.append(np.imag(f(moved)) / step)
    shape = columns[0].shape if columns else np.real(f(x)).shape
    return np.stack(columns, axis=-1).reshape(shape + x.shape) if columns else np.zeros(shape + x.shape)


def logsumexp(m, v):
    return m.log(m.exp(v).sum())


# name -> f(module, x): the same formula for gradc.tensor and for NumPy
VECTORS = {
    "square": lambda m, x: x ** 2,
    "elementwise": lambda m, x: m.sin(x) * m.exp(x) / (1 + x ** 2) - x,
    "layer": lambda m, x: m.tanh(m.dot(B, x)) * x,
    "layers": lambda m, x: m.tanh(m.dot(x, B)) + m.dot(B, m.dot(B, x)),
    "shift": lambda m, x: x[1:] * x[:-1] ** 2 - m.cos(x[1:]),
    "shift_twice": lambda m, x: (x[2:] * x[:-2] + x[1:-1] ** 3)[1:],
    "flip": lambda m, x: x[::-1] * x,
    "stride": lambda m, x: x[::2] ** 2,
    "softmax": lambda m, x: m.exp(x) / m.exp(x).sum(),
    "sum": lambda m, x: (x * x).sum() * x,
    "cumsum": lambda m, x: m.cumsum(x ** 2),
    "outer": lambda m, x: x[:, None] * m.sin(x)[None, :],
    "square_of_outer": lambda m, x: ((x[:, None] - x[None, :]) ** 2).sum(axis=0),
    "last": lambda m, x: x * x[-1] + x[0] ** 2,
    "scalar": lambda m, x: (x ** 3).sum(),
    "mean": lambda m, x: m.exp(x).mean() * m.ones_like(x),
}


@pytest.mark.parametrize("mode", ["reverse", "forward"])
@pytest.mark.parametrize("name,n", [(name, n) for name in VECTORS for n in ((4,) if "layer" in name else (4, 2, 1))])
def test_by_a_vector(name, n, mode):
    f = VECTORS[name]
    x = at.dvector("x")
    given = rng.normal(size=n)
    (got,) = compute([x], [jacobian(f(at, x), x, mode=mode)], [given])
    np.testing.assert_allclose(got, numeric(lambda v: f(np, v), given), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("static", [False, True])
@pytest.mark.parametrize("mode", ["reverse", "forward"])
@pytest.mark.parametrize("name,f", [
    ("elementwise", lambda m, x: m.exp(x) * x),
    ("dot", lambda m, x: m.dot(A, x)),
    ("tanh_dot", lambda m, x: m.tanh(m.dot(A, x)) * 2),
    ("gram", lambda m, x: m.dot(x.T, x)),
    ("rows", lambda m, x: (x ** 2).sum(axis=1)),
    ("columns", lambda m, x: x.sum(axis=0) * x),
    ("transposed", lambda m, x: x.T ** 2),
    ("softmax", lambda m, x: m.exp(x) / m.exp(x).sum(axis=1)[:, None]),
    ("ravel", lambda m, x: (x ** 2).reshape((-1,))),
    ("part", lambda m, x: x[1:, 0] * x[:-1, 1]),
    ("all", lambda m, x: (x ** 3).sum()),
])
def test_by_a_matrix(name, f, mode, static):
    x = at.TensorType("float64", (4, 3))("x") if static else at.dmatrix("x")
    given = rng.normal(size=(4, 3))
    (got,) = compute([x], [jacobian(f(at, x), x, mode=mode)], [given])
    np.testing.assert_allclose(got, numeric(lambda v: f(np, v), given), rtol=1e-12, atol=1e-13)


def rosenbrock(m, x):
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_hessian_of_the_chained_rosenbrock_function(n):
    x = at.dvector("x")
    v = rng.normal(size=n)
    (got,) = compute([x], [hessian(rosenbrock(at, x), x)], [v])
    want = np.zeros((n, n))
    a = v[:-1]
    want[range(n - 1), range(n - 1)] = 1200 * a ** 2 - 400 * v[1:] + 2
    want[range(1, n), range(1, n)] += 200
    want[range(n - 1), range(1, n)] = want[range(1, n), range(n - 1)] = -400 * a
    np.testing.assert_allclose(got, want, rtol=1e-13)


def test_compiled_like_interpreted():
    x = at.dvector("x")
    f = VECTORS["softmax"]
    J, H = jacobian(f(at, x), x), hessian(rosenbrock(at, x), x)
    given = rng.normal(size=6)
    got = gradc.function([x], [J, H])(given)
    for a, b in zip(got, compute([x], [J, H], [given])):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def equations(inputs, output, kind):
    """How many equations of a kind the optimised Program has."""
    return sum(type(e.op) is kind for e in optimize(to_program(inputs, [output])).eqns)


def test_a_layer_is_one_product_with_its_matrix():
    x, W = at.dvector("x"), at.dmatrix("W")
    J = jacobian(at.tanh(at.dot(W, x)) * x, x)
    assert equations([x, W], J, ops.Contract) == 1          # of the function itself
    assert equations([x, W], J, ops.Reshape) == 0


def test_two_layers_are_one_product_of_matrices():
    x, W, V = at.dvector("x"), at.dmatrix("W"), at.dmatrix("V")
    y = at.dot(V, at.tanh(at.dot(W, x)))
    J = jacobian(y, x)
    assert equations([x, W, V], J, ops.Contract) == 2
    w, v, given = rng.normal(size=(3, 4)), rng.normal(size=(2, 3)), rng.normal(size=4)
    (got,) = compute([x, W, V], [J], [given, w, v])
    np.testing.assert_allclose(got, v @ np.diag(1 - np.tanh(w @ given) ** 2) @ w, rtol=1e-12)


def test_lists_give_lists_and_tuples_tuples():
    x, y = at.dvector("x"), at.dmatrix("y")
    z = at.dot(y, x)
    got = compute([x, y], jacobian(z, [x, y]), [rng.normal(size=2), rng.normal(size=(3, 2))])
    assert [v.shape for v in got] == [(3, 2), (3, 3, 2)]
    assert isinstance(jacobian(z, (x,)), tuple)
    assert isinstance(jacobian(z, x), Variable)
    hs = hessian((x ** 2).sum() * (y ** 2).sum(), [x, y])
    assert [h.type.ndim for h in hs] == [2, 4]


def test_float32_stays_float32():
    x = at.fvector("x")
    J = jacobian(x ** 2, x)
    assert J.type.dtype == "float32"
    np.testing.assert_array_equal(gradc.function([x], J)(np.float32([1, 2])), np.diag(np.float32([2, 4])))


def test_by_integers_it_is_that_of_the_formula():
    i, x, v = at.lvector("i"), at.dvector("x"), at.dvector("v")
    given = [np.arange(2), np.array([3.0, 5.0])]
    (dense, data) = compute([i, x], [jacobian(x * i, i), jacobian(x * i, i, sparse=True).data], given)
    np.testing.assert_array_equal(dense, np.diag([3.0, 5.0]))
    np.testing.assert_array_equal(data, [3.0, 5.0])
    (product,) = compute([i, x, v], [Rop(x * i, i, v)], [*given, np.array([2.0, -1.0])])
    np.testing.assert_array_equal(product, [6.0, -5.0])


def test_what_does_not_depend_is_refused_or_zero():
    x, y = at.dvector("x"), at.dvector("y")
    with pytest.raises(DisconnectedInputError):
        jacobian(x ** 2, y)
    (got,) = compute([x, y], [jacobian(x ** 2, y, disconnected_inputs="ignore")], [np.ones(2), np.ones(3)])
    np.testing.assert_array_equal(got, np.zeros((2, 3)))
    (got,) = compute([x], [hessian(x.sum(), x)], [np.ones(2)])
    np.testing.assert_array_equal(got, np.zeros((2, 2)))


def test_considered_constants():
    x = at.dvector("x")
    y = x ** 2
    (got,) = compute([x], [jacobian(y * x, x, consider_constant=[y])], [np.array([1.0, 3.0])])
    np.testing.assert_array_equal(got, np.diag([1.0, 9.0]))


def test_a_hessian_needs_a_scalar():
    x = at.dvector("x")
    with pytest.raises(NonScalarCostError, match="scalar cost"):
        hessian(x, x)


def test_a_mode_that_is_none():
    x = at.dvector("x")
    with pytest.raises(GradientError, match="'reverse' or 'forward'"):
        jacobian(x, x, mode="sideways")


class Doubled(Op):
    """2 x, whose gradient is computed by itself."""

    __props__ = ()

    def make_node(self, x):
        x = at.as_tensor_variable(x)
        return Apply(self, [x], [x.type()])

    def perform(self, node, inputs, output_storage):
        output_storage[0][0] = 2 * inputs[0]

    def grad(self, inputs, output_gradients):
        return [self(output_gradients[0])]


def test_what_has_no_vectorised_form_is_taken_row_by_row():
    x, m = at.dvector("x"), at.dmatrix("m")
    given, matrix = np.array([1.0, 2.0, 3.0]), rng.normal(size=(2, 3))
    (got,) = compute([x], [jacobian(Doubled()(x ** 2), x)], [given])
    np.testing.assert_allclose(got, np.diag(4 * given))
    (got,) = compute([m], [jacobian(Doubled()(m), m)], [matrix])
    np.testing.assert_allclose(got, 2 * np.eye(6).reshape(2, 3, 2, 3))


def test_third_derivatives():
    x = at.dvector("x")
    T = jacobian(hessian((x ** 4).sum() + x[0] * x[1] * x[2], x), x)
    given = rng.normal(size=3)
    want = np.zeros((3, 3, 3))
    want[range(3), range(3), range(3)] = 24 * given
    for p in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)):
        want[p] = 1
    np.testing.assert_allclose(compute([x], [T], [given])[0], want, atol=1e-13)


def test_long_chains():
    x = at.dvector("x")
    y = x
    for _ in range(3000):
        y = y * 1.001
    (got,) = compute([x], [jacobian(y, x)], [np.ones(2)])
    np.testing.assert_allclose(got, np.eye(2) * 1.001 ** 3000, rtol=1e-11)


def test_what_is_no_variable():
    x = at.dvector("x")
    for sparse in (False, True):
        with pytest.raises(TypeMismatchError, match="expected variables to differentiate by, got 3 of type int"):
            jacobian(x, 3, sparse=sparse)


@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_the_dtype_is_that_of_the_gradient(mode):
    x = at.fvector("x")
    assert jacobian(at.cast(x, "float64") ** 2, x, mode=mode).type.dtype == "float32"
