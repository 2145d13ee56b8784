"""What only sizes need is computed once, with the sizes: no statement of a kernel is without use."""

from __future__ import annotations

import gradc
import gradc.tensor as at
from gradc.compile.pipeline import numbered
from gradc.loops.lower import lower
from gradc.loops.pretty import pretty


def test_an_assert_on_a_size_leaves_no_statement() -> None:
    """`union1d` asserts a size, min(1, length) >= 0, which is checked where the sizes are."""
    f = gradc.function(v := [at.lmatrix("a"), at.bvector("b")], at.union1d(*v), mode="c")
    text = pretty(lower(numbered(f.maker.compiled.optimized), "f"))
    assert "minimum" not in text.partition("section ")[2]
    assert f([[3, 1]], [1, 2]).tolist() == [1, 2, 3] and f([[]], []).tolist() == []
