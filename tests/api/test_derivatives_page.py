"""The behaviours, values and printed strings of Aesara's page on derivatives, in code of our own.

The loops of its manual Jacobian and Hessian are in `test_loops_pages.py`.
"""

from __future__ import annotations

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc import pp


@pytest.fixture(params=["interpret", "c"])
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


def parabola() -> tuple:
    x = at.dscalar("x")
    return x, x**2


def test_gradient_of_a_square_prints_as_documented() -> None:
    x, y = parabola()
    assert pp(gradc.grad(y, x)) == ("((fill((x ** TensorConstant{2}), TensorConstant{1.0}) * TensorConstant{2}) * "
                                    "(x ** (TensorConstant{2} - TensorConstant{1})))")


def test_gradient_of_a_square_has_its_values(mode: str) -> None:
    x, y = parabola()
    f = gradc.function([x], gradc.grad(y, x), mode=mode)
    eight = f(4)
    assert isinstance(eight, np.ndarray) and eight.shape == () and eight.dtype == np.float64
    assert eight == 8.0
    assert np.allclose(f(94.2), 188.4)


def test_fill_makes_an_array_of_ones_in_the_shape_of_its_first_argument(mode: str) -> None:
    m = at.dmatrix("m")
    f = gradc.function([m], at.fill(m**2, 1.0), mode=mode)
    result = f([[3, 4, 5], [6, 7, 8]])
    assert np.array_equal(result, np.ones((2, 3)))


def test_optimised_gradient_of_a_square_is_one_node_that_doubles(mode: str) -> None:
    x, y = parabola()
    f = gradc.function([x], gradc.grad(y, x), mode=mode)
    assert pp(f.maker.fgraph.outputs[0]) == "(2.0 * x)"
    assert len(f.maker.fgraph.apply_nodes) == len(f.maker.fgraph.toposort()) == 1


def test_tensor_module_has_grad_too() -> None:
    assert at.grad is gradc.grad


def test_gradient_of_the_logistic_function(mode: str) -> None:
    x = at.dmatrix("x")
    s = at.sum(1 / (1 + at.exp(-x)))
    f = gradc.function([x], at.grad(s, x), mode=mode)
    points = np.array([[0.0, 1.0], [-1.0, -2.0]])
    result = f([[0, 1], [-1, -2]])
    sigmoid = 1 / (1 + np.exp(-points))
    assert np.allclose(result, sigmoid * (1 - sigmoid), rtol=1e-14)
    assert str(result.round(8)) == "[[0.25       0.19661193]\n [0.19661193 0.10499359]]"


def test_gradients_by_a_list_come_as_a_list_in_its_order(mode: str) -> None:
    a, b = at.dscalars("a", "b")
    cost = a**2 * b
    both = gradc.grad(cost, [b, a])
    assert isinstance(both, list)
    f = gradc.function([a, b], both, mode=mode)
    by_b, by_a = f(3, 5)
    assert by_b == 9.0 and by_a == 30.0


def test_the_cost_must_be_a_scalar() -> None:
    x = at.dvector("x")
    with pytest.raises(TypeError, match="Cost must be a scalar"):
        gradc.grad(x**2, x)


def test_an_element_of_a_vector_can_be_differentiated(mode: str) -> None:
    """The body of the documented Jacobian: one row for one index."""
    x, i = at.dvector("x"), at.lscalar("i")
    y = x**2
    f = gradc.function([i, x], gradc.grad(y[i], x), mode=mode)
    assert np.array_equal(np.stack([f(k, [4, 4]) for k in range(2)]), [[8.0, 0.0], [0.0, 8.0]])


def test_an_element_of_a_gradient_can_be_differentiated(mode: str) -> None:
    """The body of the documented Hessian."""
    x, i = at.dvector("x"), at.lscalar("i")
    gy = gradc.grad((x**2).sum(), x)
    f = gradc.function([i, x], gradc.grad(gy[i], x), mode=mode, on_unused_input="ignore")
    assert np.array_equal(np.stack([f(k, [4, 4]) for k in range(2)]), [[2.0, 0.0], [0.0, 2.0]])


def test_arange_over_the_length_of_a_vector(mode: str) -> None:
    x = at.dvector("x")
    f = gradc.function([x], at.arange((x**2).shape[0]), mode=mode)
    assert np.array_equal(f([4, 4, 4]), [0, 1, 2])


def test_jacobian_times_a_matrix_by_the_r_operator(mode: str) -> None:
    w, v, x = at.dmatrix("W"), at.dmatrix("V"), at.dvector("x")
    jv = gradc.gradient.Rop(at.dot(x, w), w, v)
    f = gradc.function([w, v, x], jv, mode=mode)
    assert np.array_equal(f([[1, 1], [1, 1]], [[2, 2], [2, 2]], [0, 1]), [2.0, 2.0])


def test_row_vector_times_jacobian_by_the_l_operator(mode: str) -> None:
    """The result does not depend on W itself, so W is no input."""
    w, v, x = at.dmatrix("W"), at.dvector("v"), at.dvector("x")
    vj = gradc.gradient.Lop(at.dot(x, w), w, v)
    f = gradc.function([v, x], vj, mode=mode)
    assert np.array_equal(f([2, 2], [0, 1]), [[0.0, 0.0], [2.0, 2.0]])


def test_shapes_of_the_two_operators() -> None:
    w, x = at.dmatrix("W"), at.dvector("x")
    y = at.dot(x, w)
    assert gradc.gradient.Rop(y, w, at.dmatrix("V")).type.ndim == y.type.ndim
    assert gradc.gradient.Lop(y, w, at.dvector("v")).type.ndim == w.type.ndim


def test_hessian_times_a_vector_by_two_gradients(mode: str) -> None:
    x, v = at.dvectors("x", "v")
    gy = gradc.grad(at.sum(x**2), x)
    f = gradc.function([x, v], gradc.grad(at.sum(gy * v), x), mode=mode)
    assert np.array_equal(f([4, 4], [2, 2]), [4.0, 4.0])


def test_hessian_times_a_vector_by_the_r_operator(mode: str) -> None:
    x, v = at.dvectors("x", "v")
    gy = gradc.grad(at.sum(x**2), x)
    f = gradc.function([x, v], gradc.gradient.Rop(gy, x, v), mode=mode)
    assert np.array_equal(f([4, 4], [2, 2]), [4.0, 4.0])


def test_grad_can_be_applied_again_and_again(mode: str) -> None:
    x = at.dscalar("x")
    y = x**4
    for _ in range(3):
        y = gradc.grad(y, x)
    assert gradc.function([x], y, mode=mode)(2) == 48.0
