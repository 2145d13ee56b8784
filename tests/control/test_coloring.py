"""Colourings: what they promise, on random patterns and on those whose best number of colours is known."""

import numpy as np
import pytest

from gradc.autodiff.pattern_rules import UnknownSizes
from gradc.autodiff.patterns import SparsityPattern, pattern_of
from gradc.control.coloring import compress, row_coloring, star_coloring
from gradc.ir import ops
from gradc.ir.program import Builder
from gradc.ir.types import TensorType

rng = np.random.default_rng(4)


def pattern(matrix):
    rows, columns = np.nonzero(matrix)
    return SparsityPattern(rows, columns, matrix.shape)


def symmetric(n, density):
    m = rng.normal(size=(n, n)) * (rng.random((n, n)) < density)
    return m + m.T + np.eye(n)


def seeds(compression):
    return (np.arange(compression.count)[:, None] == compression.colors).astype(float)


@pytest.mark.parametrize("n,m,density", [(1, 1, 1), (8, 5, 0.3), (30, 40, 0.1), (12, 12, 0), (6, 6, 1)])
def test_entries_are_read_off_the_sums_of_rows_or_columns(n, m, density):
    matrix = rng.normal(size=(n, m)) * (rng.random((n, m)) < density)
    p = pattern(matrix)
    want = matrix[p.rows, p.columns]
    by_columns, rows = compress(p)
    assert not by_columns
    np.testing.assert_array_equal((seeds(rows) @ matrix)[rows.sums, rows.places], want)
    by_columns, fewest = compress(p, columns=True)
    assert fewest.count == min(rows.count, compress(pattern(matrix.T))[1].count)
    np.testing.assert_array_equal((seeds(fewest) @ (matrix.T if by_columns else matrix))[fewest.sums, fewest.places],
                                  want)


@pytest.mark.parametrize("n,density", [(1, 1), (10, 0.1), (25, 0.1), (25, 0.4), (8, 1)])
def test_one_of_two_symmetric_entries_is_enough(n, density):
    matrix = symmetric(n, density)
    p = pattern(matrix)
    _, star = compress(p, symmetric=True)
    np.testing.assert_allclose((seeds(star) @ matrix)[star.sums, star.places], matrix[p.rows, p.columns])
    assert star.count <= row_coloring(p).max() + 1


def test_colours_of_known_matrices():
    band = sum(np.eye(20, k=k) for k in (-1, 0, 1))
    arrow = np.eye(20)
    arrow[0] = arrow[:, 0] = 1
    assert row_coloring(pattern(band)).max() + 1 == 3
    assert star_coloring(pattern(band)).max() + 1 == 3
    assert row_coloring(pattern(arrow)).max() + 1 == 20
    assert star_coloring(pattern(arrow)).max() + 1 == 2
    assert row_coloring(pattern(np.eye(5))).max() == 0


def test_patterns_of_programs():
    b = Builder()
    u, w = b.input(TensorType("float64", (4,))), b.input(TensorType("float64", (4,)))
    half = b.apply(ops.Slice((ops.Item(step=2),)), b.map("mul", u, w))
    kept = b.map("mul", half, b.constant([1.0, 0.0], "float64"))
    both = b.apply(ops.Concat(0), kept, b.apply(ops.Cumulate("add", 0), half))
    found = pattern_of(b.program([both])).pattern
    assert found.shape == (4, 4)
    assert list(zip(found.rows.tolist(), found.columns.tolist())) == [(0, 0), (0, 2), (0, 3), (2, 3)]


def test_a_size_that_is_not_static_has_no_pattern():
    b = Builder()
    u = b.input(TensorType("float64", (None,)))
    program = b.program([b.map("neg", u)])
    with pytest.raises(UnknownSizes):
        pattern_of(program)
    assert pattern_of(program, [(3,)]).pattern.rows.tolist() == [0, 1, 2]
