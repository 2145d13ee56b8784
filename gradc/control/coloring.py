"""Colourings of sparse matrices: which rows can be added up and all their entries still be read off the sum.

    row_coloring(pattern)     rows of one colour have no column in common; of the transposed pattern: columns
    star_coloring(pattern)    of a symmetric matrix, of which one of the entries (i, j) and (j, i) is enough
    compress(...)             the colours, and for each entry the row sum and the column where it stands

In: `autodiff.patterns.SparsityPattern`.  Out: NumPy arrays.  Greedy, rows with most entries first.  Source:
A. Gebremedhin, F. Manne, A. Pothen, What color is your Jacobian? Graph coloring for computing derivatives,
SIAM Review 47 (2005) 629-705: structural orthogonality and distance-2 colouring in section 3, star colouring in 4.
"""

from __future__ import annotations

import numpy as np

from gradc.autodiff.patterns import SparsityPattern
from gradc.record import record


@record(eq=False)
class Compression:
    """`colors`: one for each row; entry k of the pattern stands in row sum `sums[k]`, at column `places[k]`."""

    colors: np.ndarray
    sums: np.ndarray
    places: np.ndarray

    @property
    def count(self) -> int:
        """How many row sums there are."""
        return int(self.colors.max(initial=-1)) + 1


def compress(pattern: SparsityPattern, *, symmetric: bool = False) -> Compression:
    """A colouring of the rows, and where each entry of the pattern is read."""
    if not symmetric:
        colors = row_coloring(pattern)
        return Compression(colors, colors[pattern.rows], pattern.columns)
    colors = star_coloring(pattern)
    own = colors[pattern.rows]
    width = max(pattern.shape[1], 1)
    _, first, counts = np.unique(own * width + pattern.columns, return_inverse=True, return_counts=True)
    alone = counts[first] == 1                  # no other row of this colour has an entry in the column
    return Compression(colors, np.where(alone, own, colors[pattern.columns]),
                       np.where(alone, pattern.columns, pattern.rows))


def compress_columns(pattern: SparsityPattern) -> Compression:
    """The same for columns; entries in the order of `pattern`, sums and places those of the transposed matrix."""
    found = compress(pattern.transposed)
    back = np.argsort(np.lexsort((pattern.rows, pattern.columns)))
    return Compression(found.colors, found.sums[back], found.places[back])


def row_coloring(pattern: SparsityPattern) -> np.ndarray:
    """A colour for each row; rows that have a column in common differ."""
    of_row = _neighbours(pattern.rows, pattern.columns, pattern.shape[0])
    of_column = _neighbours(pattern.columns, pattern.rows, pattern.shape[1])
    colors = np.full(pattern.shape[0], -1)
    for i in _largest_first(of_row):
        taken = {colors[other] for j in of_row[i] for other in of_column[j]}
        colors[i] = _smallest(taken)
    return colors


def star_coloring(pattern: SparsityPattern) -> np.ndarray:
    """A colour for each row of a symmetric matrix: neighbours differ, and no path of four has only two colours."""
    around = [[j for j in js if j != i] for i, js in
              enumerate(_neighbours(pattern.rows, pattern.columns, pattern.shape[0]))]
    colors = np.full(pattern.shape[0], -1)
    for v in _largest_first(around):
        taken = set()
        for w in around[v]:
            taken.add(colors[w])
            for x in around[w]:
                if x == v or colors[x] < 0 or colors[x] in taken:
                    continue
                if colors[w] < 0 or any(y != w and colors[y] == colors[w] for y in around[x]):
                    taken.add(colors[x])
        colors[v] = _smallest(taken)
    return colors


def _neighbours(rows: np.ndarray, columns: np.ndarray, count: int) -> list[list[int]]:
    """The columns of each row."""
    order = np.argsort(rows, kind="stable")
    ends = np.searchsorted(rows[order], np.arange(1, count))
    return [part.tolist() for part in np.split(columns[order], ends)] if count else []


def _largest_first(around: list[list[int]]) -> list[int]:
    return sorted(range(len(around)), key=lambda i: -len(around[i]))


def _smallest(taken: set[int]) -> int:
    color = 0
    while color in taken:
        color += 1
    return color
