"""Products plus literals: one operation; products plus anything else: two."""

from __future__ import annotations

import numpy as np

import gradc
import gradc.tensor as at
from gradc.ir.program import Builder, Program, Var
from gradc.loops.lower import lower
from gradc.loops.pretty import pretty
from tests.loops.kernels import compare, compiled, tensor

RNG = np.random.default_rng(9)


def horner(b: Builder, x: Var, coefficients: list[float]) -> Var:
    """A polynomial, highest power first."""
    result = b.constant(coefficients[0])
    for c in coefficients[1:]:
        result = b.map("add", b.map("mul", x, result), b.constant(c))
    return result


def text(program: Program) -> str:
    return pretty(lower(program, "f"))


def test_a_polynomial_is_a_chain_of_multiply_adds():
    b = Builder()
    x = b.input(tensor(None), "x")
    program = b.program([horner(b, x, [0.5, -1.25, 3.0, 7.0])])
    assert text(program).count("fma(") == 3
    assert " * x_i" not in text(program) and "(x_i *" not in text(program)
    compare(program, [RNG.standard_normal(41)], rtol=1e-14)


def test_in_single_precision_and_where_scalars_stand_alone():
    for shape, dtype in (((None,), "float32"), ((), "float64")):
        b = Builder()
        x = b.input(tensor(*shape, dtype=dtype), "x")
        two = b.constant(2.0, dtype)
        program = b.program([b.map("add", b.map("mul", x, x), two)])
        assert text(program).count("fma(") == 1
        compare(program, [RNG.standard_normal([3] * len(shape))], rtol=1e-6)


def test_a_product_that_has_another_use_is_computed_for_that():
    b = Builder()
    x = b.input(tensor(None), "x")
    y = b.map("mul", x, x)
    program = b.program([b.map("add", y, b.constant(1.0)), b.map("tanh", y)])
    assert text(program).count("fma(") == 1 and text(program).count(" * ") == 1


def test_values_that_two_loops_compute_are_the_same():
    """A gradient of a maximum asks in a second loop which elements are equal to it."""
    rng = np.random.default_rng(3)
    a, b = at.dmatrices("a", "b")
    product = a * b
    g = gradc.grad((product + 1.0).max(axis=0).sum(), a)
    values = rng.standard_normal((2, 100, 37))
    for others in ([], [product.sum()], [(product * a).sum(axis=1)], [product]):
        found = gradc.function([a, b], [g, *others])(*values)[0]
        assert (np.count_nonzero(found, axis=0) == 1).all()


def test_values_that_a_step_and_its_gradient_compute_are_the_same():
    u, v = at.dmatrices("u", "v")

    def step(u, v, h):
        product = u * v
        return (product + 1.0).max() + 0 * at.exp(product).sum() + 0 * h

    g = gradc.grad(gradc.scan(step, sequences=[u, v], outputs_info=at.zeros(()))[0].sum(), u)
    values = np.random.default_rng(0).standard_normal((2, 50, 9))
    same = [gradc.function([u, v], g, mode=mode)(*values) for mode in ("c", "interpret")]
    np.testing.assert_allclose(*same, rtol=1e-12)


def test_differences_of_equal_products_are_zero():
    b = Builder()
    x, y = b.input(tensor(None), "x"), b.input(tensor(None), "y")
    f = compiled(b.program([b.map("sub", b.map("mul", x, x), b.map("mul", y, y))]))
    values = RNG.standard_normal(100)
    assert not f(values, values.copy())[0].any()


def test_integers_are_left_alone():
    b = Builder()
    x = b.input(tensor(None, dtype="int64"), "x")
    program = b.program([b.map("add", b.map("mul", x, x), b.constant(1, "int64"))])
    assert "fma(" not in text(program)
    compare(program, [np.arange(5)])
