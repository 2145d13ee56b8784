"""verify_grad and numeric_grad: right gradients pass, wrong ones are found and located."""

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.errors import TypeMismatchError, WrongGradientError
from gradc.gradient import GradientError, numeric_grad
from gradc.ir.graph import Apply, Op

A = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]])
B = np.array([1.0, 2.0, 3.0])


class Square(Op):
    """x**2, with a gradient that is wrong by `error` in the last element."""

    __props__ = ("error",)

    def __init__(self, error):
        self.error = error

    def make_node(self, x):
        x = at.as_tensor_variable(x)
        return Apply(self, [x], [x.type()])

    def perform(self, node, inputs, output_storage):
        output_storage[0][0] = inputs[0] ** 2

    def grad(self, inputs, output_gradients):
        x = inputs[0]
        return [output_gradients[0] * at.inc_subtensor((2 * x)[-1], self.error)]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("mode", [None, "interpret"])
def test_right_gradients_pass(dtype, mode):
    gradc.verify_grad(lambda x, y: at.dot(at.tanh(x), y), [A.astype(dtype), B.astype(dtype)], mode=mode)
    gradc.verify_grad(lambda x: at.exp(x).sum(), [A.astype(dtype)], rng=np.random.RandomState(3), mode=mode,
                      cast_to_output_type=True)


def test_second_order_and_inputs_that_do_not_matter():
    gradc.verify_grad(lambda x, y: gradc.grad((x ** 3 * at.sin(x)).sum(), x), [B, B])
    gradc.verify_grad(lambda x: x * 2, [np.zeros((0, 3))])
    gradc.verify_grad(lambda x: x ** 2, [1.5])
    gradc.verify_grad(lambda x, y: x * y, [np.ones((2, 1)), A])     # a size 1 is a static 1


def test_a_wrong_gradient_is_located():
    gradc.verify_grad(Square(0.0), [B])
    with pytest.raises(WrongGradientError, match=r"input 0 at index \(2,\) of shape \(3,\)") as info:
        gradc.verify_grad(Square(1e-2), [B])
    error = info.value
    assert isinstance(error, GradientError) and isinstance(error, gradc.verify_grad.E_grad)
    assert error.arg == 0 and error.err_pos == (2,)
    assert error.abs_err == pytest.approx(abs(error.val1 - error.val2)) and error.abs_err > error.abs_tol
    gradc.verify_grad(Square(1e-2), [B], abs_tol=0.1)
    with pytest.raises(WrongGradientError):
        gradc.verify_grad(Square(float("nan")), [B])


def test_what_is_refused():
    with pytest.raises(TypeMismatchError, match="point 1 must hold float32 or float64, got dtype int64"):
        gradc.verify_grad(lambda x, k: x * k, [B, np.arange(3)])
    with pytest.raises(TypeMismatchError, match="must return one variable, got a list"):
        gradc.verify_grad(lambda x: [x, x], [B])
    with pytest.raises(TypeMismatchError, match="output of fun must have dtype float32"):
        gradc.verify_grad(lambda x: x * 2, [B], out_type="float32")
    with pytest.raises(TypeMismatchError, match="dtype bool"):
        numeric_grad(lambda x: x, np.array(True))


def test_numeric_grad():
    found = numeric_grad(lambda x, y: np.sum(np.sin(x) * y), [A, B])
    np.testing.assert_allclose(found.gf[0], np.cos(A) * B, rtol=1e-8)
    np.testing.assert_allclose(found.gf[1], np.sin(A).sum(0), rtol=1e-8)
    assert numeric_grad(lambda x: x ** 2, 3.0).gf == pytest.approx(6.0, rel=1e-9)
    off = [np.cos(A) * B, np.sin(A).sum(0)]
    off[1][1] += 1.0
    arg, position, absolute, relative = found.max_err(off, 1e-4, 1e-4)
    assert (arg, position) == (1, 1) and absolute == pytest.approx(1.0, rel=1e-6) and 0 < relative <= 1
    assert numeric_grad.abs_rel_err(0.0, 0.0) == (0.0, 0.0)
    with pytest.raises(GradientError, match="must have its shape"):
        found.max_err([A, A], 1e-4, 1e-4)
