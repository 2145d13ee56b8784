"""Colourings of sparse matrices: which rows can be added up and all their entries still be read off the sum.

    row_coloring(pattern)     rows of one colour have no column in common; of the transposed pattern: columns
    star_coloring(pattern)    of a symmetric matrix, of which one of the entries (i, j) and (j, i) is enough
    compress(...)             the better of these, and for each entry the row sum and the column where it stands

In: `autodiff.patterns.SparsityPattern`.  Out: NumPy arrays.  Greedy, rows with most entries first; a set of colours is
an integer, by its bits, so that the work is linear in the entries (times the words of such an integer).  Source:
A. Gebremedhin, F. Manne, A. Pothen, What color is your Jacobian? Graph coloring for computing derivatives,
SIAM Review 47 (2005) 629-705: structural orthogonality and distance-2 colouring in section 3, star colouring in 4.
"""

from __future__ import annotations

import numpy as np

from gradc.autodiff.patterns import SparsityPattern
from gradc.record import record

MOST = 10_000           # colours: sums that are computed


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


class TooManyColors(Exception):
    """More than MOST."""


def compress(pattern: SparsityPattern, *, symmetric: bool = False, columns: bool = False) -> tuple[bool, Compression]:
    """A colouring of the rows or, if `columns` and fewer colours do, of the columns; and which of them it is.

    Entries are in the order of `pattern`; of columns, sums and places are those of the transposed matrix.
    Raises TooManyColors.
    """
    if symmetric:
        return False, _symmetric(pattern)
    by_rows = _of_rows(pattern)
    by_columns = None
    if columns and (by_rows is None or by_rows.count > _least(pattern.rows)):
        by_columns = _of_rows(pattern.transposed)
    if by_columns is not None and (by_rows is None or by_columns.count < by_rows.count):
        colors = by_columns.colors
        return True, Compression(colors, colors[pattern.columns], pattern.rows)
    if by_rows is None:
        raise TooManyColors
    return False, by_rows


def _of_rows(pattern: SparsityPattern) -> Compression | None:
    """A colouring of the rows; None if it takes more than MOST colours."""
    if _least(pattern.columns) > MOST:
        return None
    try:
        colors = row_coloring(pattern)
    except TooManyColors:
        return None
    return Compression(colors, colors[pattern.rows], pattern.columns)


def _least(places: np.ndarray) -> int:
    """So many entries stand in one place, and need colours of their own."""
    return int(np.bincount(places).max(initial=0))


def _symmetric(pattern: SparsityPattern) -> Compression:
    colors = star_coloring(pattern)
    own = colors[pattern.rows]
    width = max(pattern.shape[1], 1)
    _, first, counts = np.unique(own * width + pattern.columns, return_inverse=True, return_counts=True)
    alone = counts[first] == 1                  # no other row of this colour has an entry in the column
    return Compression(colors, np.where(alone, own, colors[pattern.columns]),
                       np.where(alone, pattern.columns, pattern.rows))


def row_coloring(pattern: SparsityPattern) -> np.ndarray:
    """A colour for each row; rows that have a column in common differ."""
    columns, starts = _by_row(pattern)
    used = [0] * pattern.shape[1]               # the colours of the rows that have an entry in each column
    colors = [0] * pattern.shape[0]
    for i in _largest_first(starts):
        row = columns[starts[i]:starts[i + 1]]
        taken = 0
        for j in row:
            taken |= used[j]
        bit = _free(taken)
        for j in row:
            used[j] |= bit
        colors[i] = bit.bit_length() - 1
    return np.array(colors, dtype=np.int64)


def star_coloring(pattern: SparsityPattern) -> np.ndarray:
    """A colour for each row of a symmetric matrix: neighbours differ, and no path of four has only two colours.

    For a new colour of v: w is a neighbour of v, x of w and y of x.  It must not be that of w; that of x if w has no
    colour yet; that of x if y has that of w.
    """
    off = pattern.rows != pattern.columns
    around, starts = _by_row(SparsityPattern(pattern.rows[off], pattern.columns[off], pattern.shape))
    count = pattern.shape[0]
    own = [0] * count                           # the colour of a row, as a bit; 0: none yet
    near = [0] * count                          # the colours of its neighbours
    ends = [0] * count                          # those of its neighbours x of which another neighbour has its colour
    first: dict[tuple[int, int], int] = {}      # of the neighbours of x that have a colour: one
    for v in _largest_first(starts):
        neighbours = around[starts[v]:starts[v + 1]]
        taken = 0
        for w in neighbours:
            taken |= own[w] | (ends[w] if own[w] else near[w])
        own[v] = bit = _free(taken)
        for x in neighbours:
            if near[x] & bit:                   # then x has a colour, and is the middle of a path of three
                ends[v] |= own[x]
                ends[first[x, bit]] |= own[x]
            else:
                near[x] |= bit
                first[x, bit] = v
    return np.array([bit.bit_length() - 1 for bit in own], dtype=np.int64)


def _by_row(pattern: SparsityPattern) -> tuple[list[int], list[int]]:
    """The columns of all rows one after the other, and where those of each row start."""
    order = np.argsort(pattern.rows, kind="stable")
    starts = np.searchsorted(pattern.rows[order], np.arange(pattern.shape[0] + 1))
    return pattern.columns[order].tolist(), starts.tolist()


def _largest_first(starts: list[int]) -> list[int]:
    return np.argsort(-np.diff(starts), kind="stable").tolist()


def _free(taken: int) -> int:
    """The lowest bit that is not in `taken`.  Raises TooManyColors."""
    bit = ~taken & (taken + 1)
    if bit >> MOST:
        raise TooManyColors
    return bit
