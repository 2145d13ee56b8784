"""Programs that once computed wrong numbers in C, one test each: the C route against the interpreter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gradc
from gradc import tensor as aet
from gradc.compile.mode import Mode

RNG = np.random.default_rng(1)


def same(inputs: list[Any], outputs: list[Any], *values: Any) -> None:
    got = gradc.function(inputs, outputs)(*values)
    want = gradc.function(inputs, outputs, mode=Mode("interpret", None))(*values)
    for g, w in zip(got, want, strict=True):
        assert g.dtype == w.dtype and g.shape == w.shape
        np.testing.assert_allclose(g, w, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("n", [4, 150])
def test_a_matrix_that_is_walked_backwards_is_copied_for_blas(n: int) -> None:
    a, b = aet.dmatrix("a"), aet.dmatrix("b")
    same([a, b], [a[::-1] @ b, a[:, ::-1] @ b, a @ b[::-1], a[::2] @ b, a[::-1].T @ a],
         RNG.standard_normal((n, n + 1)), RNG.standard_normal((n + 1, 3)))


@pytest.mark.parametrize("step", [-2, -1, 1, 2])
def test_a_matrix_with_a_dynamic_step_goes_into_a_product(step: int) -> None:
    a, b, s = aet.dmatrix("a"), aet.dmatrix("b"), aet.lscalar("s")
    same([a, b, s], [a[::s] @ b], RNG.standard_normal((5, 4)), RNG.standard_normal((4, 3)), step)


@pytest.mark.parametrize("n", [10, 200_000])
def test_lazy_values_of_a_buffer_that_changes_hands_in_place(n: int) -> None:
    x = aet.dvector("x")
    first = aet.exp(x * 0.1)
    mean = first.mean()
    second = aet.tanh(first - mean)         # takes over the memory of `first`
    third = aet.exp(second - mean)          # its difference is not that of `first`
    same([x], [third.sum(), (second * second.mean()).sum()], RNG.standard_normal(n))


@pytest.mark.parametrize("shape", [(3, 4, 5, 6), (20, 30, 10, 40)])
def test_one_element_of_a_row_that_two_loops_write_anew(shape: tuple[int, ...]) -> None:
    x, y = aet.tensor4("x"), aet.dvector("y")
    row = aet.exp(x * y[:, None, None]).sum(axis=2)
    same([x, y], [aet.tanh(row[:, :, 3])], 0.1 * RNG.standard_normal(shape), RNG.standard_normal(shape[1]))


@pytest.mark.parametrize("n", [5, 400])
def test_an_index_computed_from_the_data(n: int) -> None:
    x, m, t = aet.dvector("x"), aet.dmatrix("m"), aet.tensor3("t")
    at = aet.argmax(x)
    same([x, m, t], [x[at], m[:, at], m[at].sum(), aet.set_subtensor(x[at], 0.0), aet.inc_subtensor(m[at], x),
                     aet.tanh(m[:, at])[:, None] * m, t[at] @ t[0]],
         RNG.standard_normal(n), RNG.standard_normal((n, n)), RNG.standard_normal((n, 4, 4)))


def test_several_sums_of_two_dtypes_in_one_loop() -> None:
    x = aet.dvector("x")
    same([x], [x.sum(), aet.exp(x).sum(), (x > 0).sum(), aet.cast(x * 10, "int64").sum()], RNG.standard_normal(100_003))
