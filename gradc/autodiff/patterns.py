"""Which entries of the matrix of a linear map can differ from 0, entry by entry, where all sizes are known.

    pattern_of(program, shapes) -> Found        `program`: linear in its first input

Every value that depends on the input has, for each of its elements, the set of elements of the input that it can depend
on; all sets of a value are one sorted array of codes, element * n + input element.  Conservative: sums that cancel
and factors that happen to be 0 are not seen, factors in constants are.  Not here: what an op does to sets
(`autodiff.pattern_rules`, `autodiff.pattern_loops`).  In: a Program.  Out: NumPy arrays.  Source: A. Griewank,
A. Walther, Evaluating Derivatives, 2nd ed. (2008), section 7.1 (propagation of index domains).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradc.autodiff import pattern_loops, pattern_rules
from gradc.autodiff.pattern_rules import Walk, elements
from gradc.ir.program import Program, Sources, Var
from gradc.ir.types import StaticShape, TensorType
from gradc.record import record


@record(eq=False)
class SparsityPattern:
    """The entries of a matrix that can differ from 0, ordered by row, then by column."""

    rows: np.ndarray
    columns: np.ndarray
    shape: tuple[int, int]

    @property
    def transposed(self) -> SparsityPattern:
        """The pattern of the transposed matrix."""
        order = np.lexsort((self.rows, self.columns))
        return SparsityPattern(self.columns[order], self.rows[order], self.shape[::-1])


@record(eq=False)
class Found:
    """The pattern; `notes`: what was not understood, so that there may be more entries than needed -> user lines."""

    pattern: SparsityPattern
    notes: dict[str, Sources]


def pattern_of(program: Program, shapes: Sequence[StaticShape] | None = None) -> Found:
    """The pattern with a row for each element of the first input, a column for each of the output (flat).

    shapes: of the inputs, where types do not tell.  Raises UnknownSizes, TooManyEntries.
    """
    inputs = list(program.inputs)
    if shapes is not None:
        inputs = [Var(-1, TensorType.make(v.type.dtype, shape)) if type(v.type) is TensorType else v
                  for v, shape in zip(inputs, shapes)]
    n = elements(inputs[0])
    walk = Walk(n, {**pattern_rules.RULES, **pattern_loops.RULES})
    walk.codes[inputs[0]] = np.arange(n) * (walk.n + 1)
    (out,) = walk.run(program, inputs)
    m = elements(out)
    codes = walk.codes_of(out)
    return Found(SparsityPattern(codes // walk.n, codes % walk.n, (m, n)).transposed, walk.notes)
