"""Sums of padded vectors as joins: the same values for every length, one loop over what all parts reach."""

import numpy as np
import pytest

import gradc.tensor as at
from gradc.compile.ingest import ingest
from gradc.errors import ShapeError
from gradc.gradient import grad, hessian, hessian_vector_product
from gradc.ir import ops
from gradc.ir.interp import evaluate
from gradc.passes.phases import optimize
from tests.loops.kernels import compare

rng = np.random.default_rng(3)

COSTS = {
    "rosenbrock": lambda x: (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum(),
    "exp": lambda x: (at.exp(x[2:] * x[:-2]) * x[1:-1]).sum(),
    "with_whole": lambda x: (x[3:] * x[:-3]).sum() + (x ** 3).sum(),
    "uneven": lambda x: (x[3:] ** 2).sum() + (x[:-1] ** 3 * x[1:]).sum(),
}


def joins(program):
    return sum(type(e.op) is ops.Concat for e in program.eqns)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("name", COSTS)
def test_gradients_of_neighbours(name, order):
    x, v = at.dvector("x"), at.dvector("v")
    cost = COSTS[name](x)
    out = grad(cost, x) * v if order == 1 else hessian_vector_product(cost, x, v)
    before = ingest([x, v], out).program
    after = optimize(before, checked=True)
    assert joins(after) == 1
    for n in range(9):
        given = [rng.normal(size=n) for _ in "xv"]
        if name == "uneven" and n == 0:
            continue
        np.testing.assert_allclose(evaluate(after, given)[0], evaluate(before, given)[0], rtol=1e-12, atol=1e-14)


def test_static_sizes():
    for n in (2, 3, 6):
        x = at.TensorType("float64", (n,))("x")
        before = ingest([x], grad(COSTS["rosenbrock"](x), x)).program
        given = rng.normal(size=n)
        np.testing.assert_allclose(evaluate(optimize(before, checked=True), [given])[0], evaluate(before, [given])[0],
                                   rtol=1e-12)


def test_parts_that_do_not_fit_are_still_refused():
    p, q, n = at.dvector("p"), at.dvector("q"), at.lscalar("n")
    zeros = at.zeros((n,))
    out = at.inc_subtensor(zeros[1:], p) + at.inc_subtensor(zeros[:-1], q)
    program = optimize(ingest([n, p, q], out).program)
    assert joins(program) == 1
    np.testing.assert_array_equal(evaluate(program, [np.int64(3), np.ones(2), np.ones(2)])[0], [1, 2, 1])
    for wrong in ((3, 2), (2, 3), (1, 1)):
        with pytest.raises(ShapeError):
            evaluate(program, [np.int64(3), np.ones(wrong[0]), np.ones(wrong[1])])


def test_expensive_parts_are_computed_once():
    x = at.dvector("x")
    after = optimize(ingest([x], grad(at.exp(x[1:] * x[:-1]).sum(), x)).program)
    assert sum(e.op == ops.Map("exp") for e in after.eqns) == 1


def test_sums_that_are_used_again_are_parts_as_they_are():
    x = at.dvector("x")
    g = grad(COSTS["rosenbrock"](x), x)
    before = ingest([x], [g, g + at.inc_subtensor(at.zeros_like(x)[1:], x[:-1])]).program
    for n in (1, 2, 5):
        given = rng.normal(size=n)
        for a, b in zip(evaluate(optimize(before, checked=True), [given]), evaluate(before, [given])):
            np.testing.assert_allclose(a, b, rtol=1e-12)


def test_far_ends_are_left_alone():
    x = at.dvector("x")
    assert joins(optimize(ingest([x], grad((x[100:] * x[:-100]).sum(), x)).program)) == 0


def test_what_comes_after_the_joins_has_numbers_of_its_own():
    x, d = at.dvector("x"), at.dscalar("d")
    g = grad((x[1:] * x[:-1] ** 2).sum(), x)
    after = optimize(ingest([x, d], at.exp(g / d) + x / d * ((x + 1) / d)).program, checked=True)
    numbers = [v.number for e in after.eqns for v in e.outs]
    assert joins(after) == 1 and sum(e.op == ops.Map("true_divide") for e in after.eqns) == 1      # shared
    assert len(set(numbers)) == len(numbers)


def shifted(x, start, end):
    """The squares of x without so many elements at its ends, in their places."""
    return at.inc_subtensor(at.zeros_like(x)[start:-end or None], x[start:-end or None] ** 2)


SIDE_BY_SIDE = {
    "tridiagonal": lambda x: [at.inc_subtensor(at.zeros_like(x)[1:], x[:-1]),
                              at.inc_subtensor(at.zeros_like(x)[1:], x[1:] ** 2)
                              + at.inc_subtensor(at.zeros_like(x)[:-1], at.exp(x[:-1])),
                              at.inc_subtensor(at.zeros_like(x)[:-1], x[1:])],
    "uneven": lambda x: [shifted(x, 2, 1), x, shifted(x, 0, 3) + x],
    "whole": lambda x: [x, at.sin(x)],
    "the same twice": lambda x: (lambda v: [v, v])(shifted(x, 1, 1)),
}


@pytest.mark.parametrize("static", [False, True])
@pytest.mark.parametrize("first,last", [(0, 0), (1, 1), (0, 3), (4, 1), (2, 7)])
@pytest.mark.parametrize("name", SIDE_BY_SIDE)
def test_columns_read_row_by_row(name, first, last, static):
    for n in range(9):
        x = at.TensorType("float64", (n if static else None,))("x")
        columns = SIDE_BY_SIDE[name](x)
        flat = at.stack(columns, axis=1).flatten()
        before = ingest([x], [flat[first:-last or None], *columns[1:]]).program
        after = optimize(before, checked=True)
        given = rng.normal(size=n)
        for a, b in zip(evaluate(after, [given]), evaluate(before, [given])):
            np.testing.assert_allclose(a, b, rtol=1e-13)
        if not static and (first, last) == (1, 1):
            compare(after, [given], 1e-13, "-O0")


def test_rows_that_are_not_joined_leave_their_columns_to_be():
    x = at.dvector("x")
    column = grad(COSTS["rosenbrock"](x), x)
    flat = at.stack([column, at.inc_subtensor(at.zeros_like(x)[20:], x[20:])], axis=1).flatten()
    after = optimize(ingest([x], flat).program)
    assert sum(type(e.op) is ops.Concat and e.op.axis == 0 for e in after.eqns) == 1
    given = rng.normal(size=30)
    np.testing.assert_allclose(evaluate(after, [given])[0], evaluate(ingest([x], flat).program, [given])[0], rtol=1e-12)


def test_a_single_element_is_no_part():
    x, y = at.dvector("x"), at.TensorType("float64", (1,))("y")
    before = ingest([x, y], at.inc_subtensor(at.zeros_like(x)[3:], x[3:]) + y).program
    for n in (1, 2, 5):
        given = [rng.normal(size=n), rng.normal(size=1)]
        np.testing.assert_allclose(evaluate(optimize(before, checked=True), given)[0], evaluate(before, given)[0])


def test_parts_have_the_dtype_of_the_sum():
    x = at.fvector("x")
    zeros = at.zeros_like(x, dtype="float64")
    out = at.inc_subtensor(zeros[1:], x[1:]) + at.inc_subtensor(zeros[:-1], x[:-1])
    after = optimize(ingest([x], out).program, checked=True)
    assert joins(after) == 1
    (got,) = evaluate(after, [np.float32([1, 2, 3])])
    assert got.dtype == np.float64
    np.testing.assert_array_equal(got, [1, 4, 3])


def test_a_part_is_not_added_to_a_value_of_another_dtype():
    i, x = at.ivector("i"), at.dvector("x")
    before = ingest([i, x], i + at.inc_subtensor(at.zeros((3,))[1:], x)).program
    given = [np.int32([1, 2, 3]), np.array([0.5, 0.25])]
    (got,) = evaluate(optimize(before, checked=True), given)
    np.testing.assert_array_equal(got, [1, 2.5, 3.25])


def test_bands_of_a_dense_matrix_stay_as_they_are():
    """The matrix is what takes time; code for the ends of its bands would cost more than it saves."""
    x = at.dvector("x")
    from_neighbours = ((x[1:] - x[:-1] ** 2) ** 2).sum()
    dense, sparse = hessian(from_neighbours, x), hessian(from_neighbours, x, sparse=True).data
    assert not joins(optimize(ingest([x], [dense]).program)) and joins(optimize(ingest([x], [sparse]).program))
    diagonal = grad(from_neighbours, x)         # used elsewhere, too: a vector among vectors
    assert joins(optimize(ingest([x], [diagonal[:, None] * x, diagonal]).program))
