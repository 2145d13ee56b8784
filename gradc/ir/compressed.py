"""Values of the routines of sparse matrices, in NumPy: what csrc/sparse.c computes.

A matrix has compressed rows: row i has the entries begin[i]..end[i] - 1, the values data[k] in the columns indices[k],
in any order; several of one column are added.
"""

from __future__ import annotations

import numpy as np

from gradc.ir.matrices import Fault

Array = np.ndarray


def _entries(begin: Array, end: Array, indices: Array) -> tuple[Array, Array]:
    """All entries, row by row, and the row of each."""
    wrong = np.flatnonzero((begin < 0) | (end < begin) | (end > len(indices)))
    if wrong.size:
        i = wrong[0]
        raise Fault(0, int(i), int(begin[i]), int(end[i]), len(indices))
    counts = (end - begin).astype(np.int64)
    row = np.repeat(np.arange(len(begin)), counts)
    first = np.cumsum(counts) - counts
    return np.arange(counts.sum()) + (begin - first)[row], row


def _places(begin: Array, end: Array, indices: Array, size: int) -> tuple[Array, Array, Array]:
    """Entries, rows, and columns, which are among `size`."""
    entry, row = _entries(begin, end, indices)
    column = indices[entry]
    outside = np.flatnonzero((column < 0) | (column >= size))
    if outside.size:
        raise Fault(1, int(column[outside[0]]), size)
    return entry, row, column


def rows(begin: Array, end: Array, indices: Array) -> Array:
    """For each entry its row; 0 for those of no row."""
    entry, row = _entries(begin, end, indices)
    made = np.zeros(len(indices), np.int64)
    made[entry] = row
    return made


def dot(begin: Array, end: Array, indices: Array, data: Array, x: Array) -> Array:
    """The matrix times x."""
    entry, row, column = _places(begin, end, indices, len(x))
    made = np.zeros((len(begin), x.shape[1]), np.result_type(data, x))
    np.add.at(made, row, data[entry, None] * x[column])
    return made


def transposed_dot(begin: Array, end: Array, indices: Array, data: Array, y: Array, columns: Array) -> Array:
    """The transposed matrix, which has as many rows as `columns` has elements, times y."""
    entry, row, column = _places(begin, end, indices, len(columns))
    made = np.zeros((len(columns), y.shape[1]), np.result_type(data, y))
    np.add.at(made, column, data[entry, None] * y[row])
    return made


def sampled_dot(begin: Array, end: Array, indices: Array, u: Array, v: Array) -> Array:
    """For each entry the product of its row of u and its column's row of v; 0 for those of no row."""
    entry, row, column = _places(begin, end, indices, len(v))
    made = np.zeros(len(indices), np.result_type(u, v))
    np.add.at(made, entry, (u[row] * v[column]).sum(1, dtype=made.dtype))
    return made
