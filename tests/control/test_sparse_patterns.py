"""Sparse derivatives: entries of the true pattern only, right and fast colourings, warnings where more is made."""

import time

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.autodiff.patterns import SparsityPattern
from gradc.compile.ingest import ingest
from gradc.control import coloring
from gradc.errors import GradcWarning
from gradc.gradient import hessian, jacobian
from gradc.ifelse import ifelse
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
    "scatter": lambda w: at.inc_subtensor(at.zeros(2 * N)[INDEX], w[3] * at.sin(w[:1])),
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
    with pytest.warns(GradcWarning, match="positions of"):
        jacobian(at.set_subtensor(w[i[0]], w[0] ** 2), w, sparse=True)
