"""Sparse derivatives: entries of the true pattern only, right and fast colourings, warnings where more is made."""

import time

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.autodiff.patterns import SparsityPattern
from gradc.compile.ingest import ingest
from gradc.control import coloring, compression
from gradc.errors import GradcWarning
from gradc.gradient import hessian, jacobian
from gradc.ifelse import ifelse
from gradc.ir.graph import Constant, ancestors
from gradc.ir.interp import evaluate
from gradc.scan.utils import until
from tests.control.test_sparse_jacobian import dense

rng = np.random.default_rng(3)
N = 5
INDEX = rng.integers(0, 2 * N, 13)
ONE_HOT = np.eye(2 * N)[INDEX]
SPARSE = rng.normal(size=(N, N)) * (rng.random((N, N)) < 0.3)
TRIANGLE = np.array([[1.0, 0.0], [2.0, 3.0]])
MASK = rng.random(2 * N) < 0.5


def row_map(w):
    def step(x):
        return x + 0.1 * at.stack([x[1], -at.sin(x[0])])
    return gradc.map(step, w.reshape((N, 2)))[0].flatten()


def row_scan(w):
    """A loop over rows whose steps take single elements of a row."""
    return gradc.scan(lambda a, b: at.stack([a[0] * a[1], b]), sequences=[w.reshape((N, 2)), w[:N]])[0].flatten()


def carried(w):
    return gradc.scan(lambda u, h: at.sin(h) * u + h, sequences=w[:4], outputs_info=w[4:6].sum())[0]


def carried_back(w):
    return gradc.scan(lambda u, h: at.sin(h) * u, sequences=w[:4], outputs_info=w[4], go_backwards=True)[0]


def carried_vector(w):
    """The state has two elements, which do not meet."""
    return gradc.scan(lambda u, h: at.sin(h) * u, sequences=w.reshape((N, 2)), outputs_info=w[:2])[0].flatten()


def filled(w):
    """Steps write to positions that are known: 0, 1, 2, 3."""
    return gradc.scan(lambda i, table, w: at.set_subtensor(table[i], w[i] * w[i + 1]), sequences=at.arange(4),
                      outputs_info=at.zeros(N), non_sequences=w)[0][-1]


def picked(w):
    return gradc.scan(lambda i, w: at.sin(w[i]) * w[i + 1], sequences=at.arange(4), non_sequences=w)[0]


def ended(w):
    """Any of the steps may be the last one."""
    states = gradc.scan(lambda u, h: (h * u, until(h > 100)), sequences=w[:4], outputs_info=w[4])[0]
    return at.stack([states[-1], w[0] ** 2])


EXACT = {
    "reshape": lambda w: (w.reshape((N, 2)) ** 2).flatten(),
    "reshape by -1": lambda w: (w.reshape((-1, 2)).T ** 2).flatten(),
    "concatenate": lambda w: at.concatenate([w[:N] * w[N:], w[:3]]),
    "stack": lambda w: at.stack([w[:N] * w[N:], w[:N]], 1).flatten(),
    "gather": lambda w: at.sin(w[INDEX]),
    "gather twice": lambda w: w[INDEX] * w[INDEX[::-1].copy()],
    "gather rows": lambda w: at.exp(w.reshape((N, 2))[INDEX // 2]).flatten(),
    "scatter": lambda w: at.inc_subtensor(at.zeros(2 * N)[INDEX], w[3] * at.sin(w[0])),
    "scatter array": lambda w: at.set_subtensor(w[np.array([1, 4])], w[:2] ** 2),
    "one-hot": lambda w: at.dot(ONE_HOT, at.sin(w)),
    "one-hot rows": lambda w: at.dot(np.eye(N)[INDEX // 2], w.reshape((N, 2)) ** 2).flatten(),
    "one-hot made": lambda w: at.dot(at.eye(2 * N)[INDEX], at.sin(w)),
    "sparse both sides": lambda w: at.dot(at.dot(SPARSE, w.reshape((N, 2)) ** 2), TRIANGLE).flatten(),
    "mask": lambda w: at.switch(MASK, w ** 2, w[0]),
    "ifelse": lambda w: ifelse(w[0] > 100, w ** 2, at.sin(w)),
    "cumsum": lambda w: at.cumsum(w ** 2),
    "cumsum of rows": lambda w: at.cumsum(w.reshape((N, 2)) ** 2, axis=0).flatten(),
    "cholesky of a batch": lambda w: at.exp(at.log(at.slinalg.cholesky(
        at.stack([w[:2] ** 2 + 1, w[2:4] ** 2 + 1]).dimshuffle(0, 1, "x") * np.eye(2)))[:, 0, 0]),
    "map": row_map, "scan over rows": row_scan, "four steps": carried, "four steps back": carried_back,
    "two that do not meet": carried_vector, "table": filled, "picked": picked, "ended": ended,
}
MORE = {"cholesky of a batch": 4}       # the routine is dense in a matrix: 2 entries, not 1, for each row


def true_pattern(w, y, given):
    """Nonzero entries of the dense matrix at two points."""
    full = gradc.function([w], jacobian(y, w), mode="interpret")
    return (full(given) != 0) | (full(given + 0.1) != 0)


@pytest.mark.filterwarnings("error::gradc.errors.GradcWarning")
@pytest.mark.parametrize("name", EXACT)
def test_exact_entries(name):
    w, given = at.TensorType("float64", (2 * N,))("w"), rng.uniform(0.5, 1.5, 2 * N)
    y = EXACT[name](w)
    csr = jacobian(y, w, sparse=True)
    made = evaluate(ingest([w], list(csr)).program, [given])
    full = evaluate(ingest([w], [jacobian(y, w)]).program, [given])[0]
    np.testing.assert_allclose(dense(made, full.shape), full, rtol=1e-12, atol=1e-14)
    assert len(made[0]) == MORE.get(name, np.count_nonzero(true_pattern(w, y, given)))
    assert all((np.diff(made[1][a:b]) > 0).all() for a, b in zip(made[2], made[2][1:]))


@pytest.mark.parametrize("name", ["gather", "scan over rows", "four steps", "one-hot rows", "ifelse", "map"])
def test_hessians(name):
    w, given = at.TensorType("float64", (2 * N,))("w"), rng.uniform(0.5, 1.5, 2 * N)
    cost = (EXACT[name](w) ** 3).sum()
    made = evaluate(ingest([w], list(hessian(cost, w, sparse=True))).program, [given])
    full = evaluate(ingest([w], [hessian(cost, w)]).program, [given])[0]
    np.testing.assert_allclose(dense(made, full.shape), full, rtol=1e-12, atol=1e-14)
    assert np.count_nonzero(full) <= len(made[0]) <= np.count_nonzero(full) + 2 * N


def random_pattern(m, n, per_row, symmetric=False):
    mask = np.zeros((m, n), dtype=bool)
    mask[np.arange(m)[:, None], rng.integers(0, n, (m, per_row))] = True
    if symmetric:
        mask |= mask.T
        mask[np.diag_indices(m)] = True
    return SparsityPattern(*np.nonzero(mask), mask.shape)


@pytest.mark.parametrize("m,n,per_row", [(1, 1, 1), (0, 4, 0), (30, 20, 3), (20, 30, 2)])
def test_rows_of_one_colour_have_no_column_in_common(m, n, per_row):
    pattern = random_pattern(m, n, per_row)
    colors = coloring.row_coloring(pattern)
    pairs = colors[pattern.rows] * n + pattern.columns
    assert len(np.unique(pairs)) == len(pairs)


@pytest.mark.parametrize("n,per_row", [(1, 1), (12, 1), (25, 2), (25, 4)])
def test_star_colourings_are_that(n, per_row):
    """By the definition: neighbours differ, and every path of four has three colours."""
    pattern = random_pattern(n, n, per_row, symmetric=True)
    colors = coloring.star_coloring(pattern)
    around = [set(pattern.columns[pattern.rows == i]) - {i} for i in range(n)]
    for w in range(n):
        for x in around[w]:
            assert colors[w] != colors[x]
            for v in around[w] - {x}:
                for y in around[x] - {w, v}:
                    assert len({colors[v], colors[w], colors[x], colors[y]}) > 2


def arrow(n):
    k = np.arange(1, n)
    rows, columns = np.concatenate([np.zeros(n, int), k, k]), np.concatenate([np.arange(n), 0 * k, k])
    order = np.lexsort((columns, rows))
    return SparsityPattern(rows[order], columns[order], (n, n))


def test_colourings_are_linear_in_the_entries():
    """60,000 entries; sets of neighbours' neighbours would be 4e8 for the arrow."""
    start = time.process_time()
    by_columns, found = coloring.compress(arrow(20_000), symmetric=True)
    assert not by_columns and found.count == 2
    k = np.arange(20_000)
    column = SparsityPattern(k, 0 * k, (20_000, 20_000))
    assert coloring.compress(column, columns=True)[1].count == 1
    assert time.process_time() - start < 3


def test_too_many_colours_are_said():
    w = at.TensorType("float64", (coloring.MOST + 1,))("w")
    cost = w.sum() ** 2
    with pytest.warns(GradcWarning, match="more than") as caught:
        hessian(cost, w, sparse=True)
    assert caught[0].filename == __file__


def test_what_is_not_understood_is_said_with_its_line():
    w, i = at.TensorType("float64", (6,))("w"), at.lvector("i")

    class Reversed(gradc.graph.op.Op):
        def make_node(self, x):
            return gradc.graph.basic.Apply(self, [x], [x.type()])

        def perform(self, node, inputs, outputs):
            outputs[0][0] = inputs[0][::-1].copy()

        def infer_shape(self, fgraph, node, shapes):
            return shapes

        def L_op(self, inputs, outputs, gradients):
            return [Reversed()(gradients[0])]

        R_op = None

    for made in (lambda: Reversed()(w) ** 2, lambda: w[at.argsort(w)] ** 2):
        y = made()
        with pytest.warns(GradcWarning) as caught:
            csr = jacobian(y, w, sparse=True)
        assert {c.filename for c in caught} == {__file__}
        given = rng.normal(size=6)
        got = evaluate(ingest([w], list(csr)).program, [given])
        full = evaluate(ingest([w], [jacobian(y, w)]).program, [given])[0]
        np.testing.assert_allclose(dense(got, (6, 6)), full)
    with pytest.warns(GradcWarning, match="positions of"):          # within the rows that are sorted
        csr = jacobian(at.sort(w.reshape((2, 3)), axis=1).flatten(), w, sparse=True)
    np.testing.assert_array_equal(csr.indices.data.reshape(6, 3), np.repeat([[0, 1, 2], [3, 4, 5]], 3, axis=0))
    with pytest.warns(GradcWarning, match="positions of"):
        jacobian(at.set_subtensor(w[i[0]], w[0] ** 2), w, sparse=True)


@pytest.mark.filterwarnings("error::gradc.errors.GradcWarning")
@pytest.mark.parametrize("name", EXACT)
def test_sizes_that_only_a_run_tells(name):
    """The interpreter: entries, and their order, are those of a static vector."""
    x, w, given = at.dvector("x"), at.TensorType("float64", (2 * N,))("w"), rng.uniform(0.5, 1.5, 2 * N)
    made = evaluate(ingest([x], list(jacobian(EXACT[name](x), x, sparse=True))).program, [given])
    want = evaluate(ingest([w], list(jacobian(EXACT[name](w), w, sparse=True))).program, [given])
    for a, b in zip(made, want):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def pairs(x):
    """Rows of two, whatever the size: a loop, a gather and a dense column."""
    rows = x.reshape((-1, 2))
    squares = gradc.map(lambda r: at.stack([r[0] * r[1], r[1] ** 2]), rows)[0].flatten()
    return at.concatenate([squares, x[::-1] * x[0]])


def test_patterns_are_made_when_sizes_are_new(monkeypatch):
    """The compiled matrix is the dense one of the interpreter; Python runs only where sizes are new."""
    x = at.dvector("x")
    f = gradc.function([x], list(jacobian(pairs(x), x, sparse=True)))
    dense_matrix = gradc.function([x], jacobian(pairs(x), x), mode="interpret")
    runs = []
    perform = compression.CompressionOp.perform
    monkeypatch.setattr(compression.CompressionOp, "perform", lambda *args: (runs.append(1), perform(*args))[1])
    for n, runs_then in ((4, 1), (4, 1), (10, 2), (10, 2), (2, 3), (4, 4), (4, 4)):
        given = rng.uniform(0.5, 1.5, n)
        made = f(given)
        np.testing.assert_allclose(dense(made, (2 * n, n)), dense_matrix(given), rtol=1e-12)
        assert len(made[0]) == max(3 * n // 2 + 2 * n - 1, 0)
        assert len(runs) == runs_then


def test_hessians_of_sizes_that_only_a_run_tells():
    x, y = at.dvector("x"), at.dvector("y")
    cost = (y * pairs(x) ** 2).sum()
    f = gradc.function([x, y], list(hessian(cost, x, sparse=True)))
    full = gradc.function([x, y], hessian(cost, x), mode="interpret")
    for n in (2, 8):
        given = rng.uniform(0.5, 1.5, n), rng.normal(size=2 * n)
        made, want = f(*given), full(*given)
        np.testing.assert_allclose(dense(made, (n, n)), want, rtol=1e-12)
        assert len(made[0]) == np.count_nonzero(want)


def test_derivatives_and_loops_go_through_a_sparse_matrix():
    x, xs, given = at.dvector("x"), at.dmatrix("xs"), rng.uniform(0.5, 1.5, (3, 4))
    total = (jacobian(pairs(x), x, sparse=True).data ** 2).sum()
    want = (jacobian(pairs(x), x) ** 2).sum()
    f = gradc.function([x], [gradc.grad(total, x), gradc.grad(want, x)], mode="interpret")
    np.testing.assert_allclose(*f(given[0]), rtol=1e-12)
    loop = gradc.map(lambda x: jacobian(pairs(x), x, sparse=True).data.sum(), xs)[0]
    one = gradc.function([x], jacobian(pairs(x), x).sum(), mode="interpret")
    np.testing.assert_allclose(gradc.function([xs], loop, mode="interpret")(given), [one(row) for row in given])


def test_sizes_that_depend_on_values_are_said():
    x, given = at.dvector("x"), np.array([1.0, -2.0, 3.0])
    y = x[at.nonzero(x > 0)[0]] ** 2
    f = gradc.function([x], [*jacobian(y, x, sparse=True), jacobian(y, x)])
    with pytest.warns(GradcWarning, match="depend on values") as caught:
        *made, full = f(given)
    assert caught[0].filename == __file__
    np.testing.assert_allclose(dense(made, (2, 3)), full)


def test_a_repeatable_op_is_not_run_again():
    class Doubled(gradc.graph.op.Op):
        repeatable = True
        runs = 0

        def make_node(self, x):
            return gradc.graph.basic.Apply(self, [x], [x.type()])

        def perform(self, node, inputs, outputs):
            Doubled.runs += 1
            outputs[0][0] = inputs[0] * 2
            inputs[0][:] = 0            # its own copy

    x = at.dvector("x")
    f = gradc.function([x], Doubled()(x) + 1)
    for given, runs in (([1.0, 2], 1), ([1.0, 2], 1), ([0.0, 0], 2), ([0.0], 3), ([0.0], 3), ([1.0, 2], 4)):
        np.testing.assert_array_equal(f(given), np.array(given) * 2 + 1)
        assert Doubled.runs == runs


@pytest.mark.filterwarnings("error::gradc.errors.GradcWarning")
def test_bundle_adjustment():
    """Each of 6,000 residuals depends on 9 numbers of a camera and 3 of a point; 12 sums of columns do at best."""
    cameras, points, seen = 20, 400, 3_000
    w = at.TensorType("float64", (9 * cameras + 3 * points,))("w")
    c = w[:9 * cameras].reshape((cameras, 9))[rng.integers(0, cameras, seen)]
    p = w[9 * cameras:].reshape((points, 3))[rng.integers(0, points, seen)]
    length = 1 + (c ** 2).sum(axis=1) * (p ** 2).sum(axis=1)
    csr = jacobian(at.stack([length, at.sin(length)], 1).flatten(), w, sparse=True)
    assert len(csr.indices.data) == 72_000
    assert set(np.diff(csr.indptr.data)) == {12}
    seeds = [v.data for v in ancestors([csr.data]) if isinstance(v, Constant) and v.data.ndim == 2
             and v.data.dtype == np.float64]
    assert [s.shape for s in seeds] == [(12, 1380)]


@pytest.mark.filterwarnings("error::gradc.errors.GradcWarning")
def test_multiple_shooting():
    """A pendulum's steps from each of some nodes to the next one; the Hessian of a Lagrangian has a block for each."""
    nodes = 6
    w, multipliers = at.dvector("w"), at.dvector("multipliers")
    x = w[:3 * nodes].reshape((nodes, 3))
    after = at.concatenate([x[1:, :2], w[3 * nodes:].reshape((1, 2))])

    def step(x, after):
        def slope(s):
            return at.stack([s[1], x[2] - at.sin(s[0])])
        k = slope(x[:2] + 0.1 * slope(x[:2]))
        return x[:2] + 0.2 * k - after

    defects = gradc.scan(step, sequences=[x, after])[0].flatten()
    given = rng.normal(size=3 * nodes + 2), rng.normal(size=2 * nodes)
    lagrangian = (w ** 2).sum() + (multipliers * defects).sum()
    for sparse, full in ((jacobian(defects, w, sparse=True), jacobian(defects, w)),
                         (hessian(lagrangian, w, sparse=True), hessian(lagrangian, w))):
        f = gradc.function([w, multipliers], [*sparse, full], mode="interpret", on_unused_input="ignore")
        *made, want = f(*given)
        np.testing.assert_allclose(dense(made, want.shape), want, atol=1e-14)
        assert np.count_nonzero(want) <= len(made[0]) <= 10 * nodes
