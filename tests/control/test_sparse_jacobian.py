"""jacobian(..., sparse=True) and hessian(..., sparse=True): entries, patterns, structure."""

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.compile.ingest import ingest
from gradc.errors import ShapeError
from gradc.gradient import grad_scale, hessian, jacobian
from gradc.ir import ops
from gradc.ir.graph import Constant
from gradc.ir.interp import evaluate
from gradc.ir.program import tensor
from gradc.loops.lower import lower
from gradc.loops.nodes import For, Store
from gradc.passes.phases import optimize
from gradc.sparse import SparseVariable
from tests.control.test_jacobian import VECTORS, numeric, rosenbrock

rng = np.random.default_rng(2)
B = rng.normal(size=(4, 4))
SPARSE = rng.normal(size=(6, 6)) * (rng.random((6, 6)) < 0.3)


def dense(csr, shape):
    """The matrix of (data, indices, indptr); entries are summed, as SciPy does."""
    data, indices, indptr = csr
    assert indices.dtype == indptr.dtype == np.int32
    assert indptr[0] == 0 and indptr[-1] == len(data) == len(indices) and len(indptr) == shape[0] + 1
    assert all(np.diff(indptr) >= 0) and (not len(indices) or (indices.min() >= 0 and indices.max() < shape[1]))
    result = np.zeros(shape)
    np.add.at(result, (np.repeat(np.arange(shape[0]), np.diff(indptr)), indices), data)
    return result


def values(inputs, csr, *given):
    return evaluate(ingest(inputs, list(csr)).program, given)


@pytest.mark.parametrize("static", [False, True])
@pytest.mark.parametrize("name,n", [(name, n) for name in VECTORS if name not in ("outer", "scalar")
                                    for n in ((4,) if "layer" in name else (5, 2, 1))])
def test_entries(name, n, static):
    f = VECTORS[name]
    x = at.TensorType("float64", (n,))("x") if static else at.dvector("x")
    given = rng.normal(size=n)
    csr = jacobian(f(at, x), x, sparse=True)
    assert isinstance(csr, SparseVariable)
    want = numeric(lambda v: f(np, v), given)
    np.testing.assert_allclose(dense(values([x], csr, given), want.shape), want, rtol=1e-12, atol=1e-13)


def entries(inputs, csr, *given):
    return len(values(inputs, csr, *given)[0])


@pytest.mark.parametrize("n", [1, 2, 3, 50])
def test_the_hessian_of_the_chained_rosenbrock_function_has_three_bands(n):
    x = at.dvector("x")
    given = rng.normal(size=n)
    csr = hessian(rosenbrock(at, x), x, sparse=True)
    program = ingest([x], list(csr)).program
    assert not any(type(e.op) is ops.Scan for e in program.eqns)
    assert all(tensor(v).shape[-1] is not None for e in program.eqns for v in e.outs if tensor(v).ndim == 2)
    got = evaluate(program, [given])
    assert len(got[0]) == 3 * n - 2
    full = evaluate(ingest([x], hessian(rosenbrock(at, x), x)).program, [given])[0]
    np.testing.assert_allclose(dense(got, (n, n)), full, rtol=1e-13)
    assert all((np.diff(got[1][a:b]) > 0).all() for a, b in zip(got[2], got[2][1:]))


@pytest.mark.parametrize("n", [2, 3, 50])
def test_static_sizes_make_the_pattern_constant(n):
    x, given = vector(n), rng.normal(size=n)
    csr = hessian(rosenbrock(at, x), x, sparse=True)
    assert isinstance(csr.indices, Constant) and isinstance(csr.indptr, Constant)
    y = at.dvector("y")
    for a, b in zip(values([x], csr, given), values([y], hessian(rosenbrock(at, y), y, sparse=True), given)):
        np.testing.assert_array_equal(a, b)


def vector(n):
    return at.TensorType("float64", (n,))("x")


@pytest.mark.parametrize("f,count", [
    (lambda m, x: x[::2] * x[1::2], 6),                                         # strides
    (lambda m, x: x[2:] * x[:-2], 8),                                           # bands apart
    (lambda m, x: x * x[3], 11),                                                # a diagonal and a column
    (lambda m, x: m.dot(SPARSE, x ** 2), np.count_nonzero(SPARSE)),             # a constant matrix
    (lambda m, x: (x ** 2).reshape((2, 3)).sum(axis=1), 6),
    (lambda m, x: (x.reshape((2, 3)).T ** 2).reshape((6,)), 6),
    (lambda m, x: m.concatenate([x[:2] ** 2, m.ones(2), x[3:] * x[0]]), 2 + 6),
], ids=["strides", "apart", "column", "constant", "sums", "transposed", "joined"])
def test_patterns(f, count):
    x, given = vector(6), rng.normal(size=6)
    got = values([x], jacobian(f(at, x), x, sparse=True), given)
    want = numeric(lambda v: f(np, v), given)
    np.testing.assert_allclose(dense(got, want.shape), want, rtol=1e-12, atol=1e-13)
    assert len(got[0]) == count


def grid(m, x):
    """Squared differences of neighbours on a 5 x 4 grid: four neighbours each."""
    z = x.reshape((5, 4))
    return ((z[1:] - z[:-1]) ** 4).sum() + ((z[:, 1:] - z[:, :-1]) ** 4).sum()


def arrow(m, x):
    return (x[0] ** 2 * x ** 2).sum() + (x ** 4).sum()


@pytest.mark.parametrize("f,n,colours", [(grid, 20, 8), (arrow, 12, 2)])
def test_hessians_by_star_colouring(f, n, colours):
    x, given = vector(n), rng.normal(size=n)
    csr = hessian(f(at, x), x, sparse=True)
    program = ingest([x], list(csr)).program
    got = evaluate(program, [given])
    full = evaluate(ingest([x], hessian(f(at, x), x)).program, [given])[0]
    np.testing.assert_allclose(dense(got, (n, n)), full, rtol=1e-12, atol=1e-13)
    assert len(got[0]) == np.count_nonzero(full)
    seeds = [e.op.value.data for e in program.eqns if type(e.op) is ops.Const and e.op.value.data.ndim == 2]
    assert min(s.shape[0] for s in seeds) <= colours


def test_gradients_of_the_users_own_are_not_taken_for_symmetric():
    x, given = vector(3), rng.normal(size=3)
    cost = (grad_scale(x[0], 2.0) * x ** 2).sum()
    got = values([x], hessian(cost, x, sparse=True), given)
    np.testing.assert_allclose(dense(got, (3, 3)), evaluate(ingest([x], hessian(cost, x)).program, [given])[0])


def test_only_vectors():
    x, m = at.dvector("x"), at.dmatrix("m")
    with pytest.raises(ShapeError, match="vector by a vector"):
        jacobian(at.dot(m, x), m, sparse=True)


STRUCTURES = {
    "tridiagonal": lambda m, x: rosenbrock(m, x),
    "five bands": lambda m, x: (m.exp(x[2:] * x[:-2]) * x[1:-1]).sum(),
    "far bands": lambda m, x: (x[3:] ** 2 * x[:-3]).sum() + (m.sin(x)).sum(),
    "one side": lambda m, x: ((x[1:] - x[:-1]) ** 4).sum(),
    "diagonal": lambda m, x: m.exp(x).sum(),
    "arrow": lambda m, x: (x[0] ** 2 * x ** 2).sum() + (x ** 4).sum(),
    "blocks": lambda m, x: (x[::2] ** 2 * x[1::2]).sum() + (x[::2] ** 3).sum(),
    "corner": lambda m, x: (x[1:] * x[:-1]).sum() + x[0] * x[-1] ** 2,
}


@pytest.mark.parametrize("name", STRUCTURES)
def test_compiled(name):
    """The C of a sparse Hessian, at edge sizes and one of several vectors."""
    f, x = STRUCTURES[name], at.dvector("x")
    compiled = gradc.function([x], list(hessian(f(at, x), x, sparse=True)))
    gradient = gradc.function([x], gradc.grad(f(at, x), x), mode="interpret")
    for n in {"blocks": (2, 4, 40), "arrow": (1, 2, 3, 41), "corner": (1, 2, 3, 41)}.get(name, (0, 1, 2, 3, 4, 41)):
        given = rng.normal(size=n)
        h = 1e-6
        want = np.array([(gradient(given + h * e) - gradient(given - h * e)) / (2 * h) for e in np.eye(n)])
        got = dense(made := compiled(given), (n, n))
        assert all((np.diff(made[1][a:b]) >= 0).all() for a, b in zip(made[2], made[2][1:]))
        np.testing.assert_allclose(got, want.reshape(n, n), rtol=1e-6, atol=1e-6)


def test_a_banded_hessian_is_written_in_one_pass():
    """Three entries a row, side by side, in the loop that computes them: no zeros first, nothing copied."""
    x = at.dvector("x")
    program = optimize(ingest([x], list(hessian(rosenbrock(at, x), x, sparse=True))).program)
    made = lower(program, "f")
    long = [s for s in made.sections for loop in s.body if type(loop) is For
            and sum(type(t) is Store for t in loop.body) == 6]
    (section,) = [s for s in long if made.inputs[0] in s.reads and {b.place for b in s.writes} == {"output"}]
    stores = [t for t in section.body[0].body if type(t) is Store]
    for buffer in section.writes:
        assert {(t.index.terms, t.index.plus) for t in stores if t.buffer is buffer} == {
            (((3, "i"),), k) for k in range(3)}
    assert made.outputs[0] not in [b for s in made.sections if s is not section for b in s.reads]
