"""Masks that are known at run time, and functions of positions, as NumPy has them: in C and in the interpreter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.errors import BadValueError, IndexOutOfBoundsError, ShapeError, TypeMismatchError
from gradc.gradient import Rop, grad

RNG = np.random.default_rng(3)
A, T, V, N = RNG.normal(size=(3, 4)), RNG.normal(size=(2, 3, 4)), RNG.normal(size=5), RNG.integers(-2, 3, (3, 4))
VALUES: dict[str, np.ndarray] = {
    "A": A, "T": T, "V": V, "N": N, "M": A > 0, "R": np.array([True, False, True]), "K": RNG.integers(0, 6, 7),
    "yes": np.array(True), "no": np.array(False), "empty": np.zeros(0, "int64"),
}
# Expressions of `np` and these arrays, that are evaluated with variables, too.
EXPRESSIONS = """
A[M] | T[:, M] | T[M[:2, :3]] | T[..., M[0]] | T[:, R] | T[:, R, None] | T[:, R, ::2] | T[R[:2], :, 1:] | A[R, ...]
A[yes] | A[no] | A[yes, None, 1:] | A[True, 1] | A[False] | T[1, :, M[1]] | T[:, R, [0, 1]] | T[None, :, M] | T[0, M]
A[R][:, 1] | A[~M] | A[M & (A < 0.5)] | A[[True, False, True], R.sum() - 2] | A[A > 9] | V[V > 0][::-1] | T[0][M][1:]
np.nonzero(N)[1] | np.nonzero(T > 0)[2] | np.flatnonzero(N) | np.argwhere(M) | np.where(M)[0] | np.compress(R[:2], A, 0)
np.extract(N, A) | np.choose(N % 2, [A, V[:4]]) | np.bincount(K) | np.bincount(K, K / 2, 9)
np.bincount(empty, None, 2) | np.bincount(empty) | np.repeat(A, K[:4], 1) | np.repeat(V, K[:5])
A[np.ix_(R, K[:2] % 4)] | np.take(A, N)
np.ravel_multi_index((K % 2, K % 3), (2, 3)) | np.unravel_index(K, (2, 2, 2))[1] | A[np.tril_indices(3, 1, 4)]
A[yes, K % 3] | A[K % 3, yes] | T[yes, :, K % 3] | A[no, K[:1] % 3] | A[no, K[:1, None] % 3] | T[yes, R[:2], ~no]
A[yes, N % 3, 1] | A[yes, [0, 2], K[:2] % 3] | A[no, 1] | T[:, yes, R] | A[no, empty]
A[yes, K[:2, None] % 3, K[:3] % 4]
A[np.triu_indices_from(A, 1)] | np.take_along_axis(T, N[None] % 3, 1) | np.take_along_axis(A, K, None)
np.correlate(V[:2], A[0], "same") | np.convolve(A[0], V, "same") | np.polyval(V, A) | np.rot90(T, 3, (2, 0))
"""
MODE = pytest.mark.parametrize("mode", ["c", "interpret"])


@MODE
def test_values_are_numpys(mode: str) -> None:
    names = [text.strip() for line in EXPRESSIONS.strip().split("\n") for text in line.split("|")]
    variables = {name: at.tensor(dtype=x.dtype.name, shape=(None,) * x.ndim, name=name) for name, x in VALUES.items()}
    outputs = [eval(text, {"np": np} | variables) for text in names]
    with gradc.config.change_flags(cc_flags="-O0"):             # which compiles in a third of the time
        f = gradc.function(list(variables.values()), outputs, mode=mode, on_unused_input="ignore")
    assert f.info["mode"] == mode
    for text, got in zip(names, f(*VALUES.values())):
        want = np.asarray(eval(text, {"np": np} | VALUES))
        assert got.dtype == want.dtype, text
        np.testing.assert_allclose(got, want, rtol=1e-13, atol=1e-14, strict=True, err_msg=text)


@MODE
def test_parts_that_masks_and_functions_choose_are_changed(mode: str) -> None:
    x, m, i, r = at.dmatrix("x"), at.tensor(dtype="bool", shape=(None, None), name="m"), at.lvector("i"), at.tensor(
        dtype="bool", shape=(None,), name="r")
    k = np.array([0, 2, 0, -1])
    outputs = [x[m].set(1.5), x[m].inc(x[m]), x[r, 1:].inc(2.0), x[:, None, x[0] > 0].set(0.0), at.take(x, i).inc(1.0),
               at.take(x, i % 3, 1).inc(1.0), at.take_along_axis(x, i[None], 0).inc(3.0),
               at.compress(r, x, 0).set(4.0), at.nonzero_values(x).set(2.0), x[at.ix_(r, i[:2] % 4)].inc(1.0),
               at.take_along_axis(x, i, None).inc(1.0), x[True].set(0.0), x[at.diag_indices(3)].inc(1.0),
               x[x[0, 0] < 9, i].inc(1.0)]
    f = gradc.function([x, m, i, r], outputs, mode=mode)
    want = [A.copy() for _ in outputs]
    R, M = VALUES["R"], VALUES["M"]
    want[0][M], want[3][:, A[0] > 0], want[7][R], want[8][A != 0], want[11][True] = 1.5, 0, 4, 2, 0
    want[1][M] *= 2
    want[2][R, 1:] += 2
    want[12][np.diag_indices(3)] += 1
    for place in (4, 10):
        np.add.at(want[place].reshape(-1), k, 1)
    np.add.at(want[5], (slice(None), k % 3), 1)
    np.add.at(want[6], (k, np.arange(4)), 3)
    np.add.at(want[9], np.ix_(R, k[:2] % 4), 1)
    np.add.at(want[13], k, 1)
    for place, (got, right) in enumerate(zip(f(A, M, k, R), want)):
        np.testing.assert_allclose(got, right, rtol=1e-14, err_msg=str(place))


def test_derivatives_of_masked_parts() -> None:
    """The mask depends on x itself, which has no derivative: where it is true, those of the function."""
    x, v = at.dvector("x"), at.dvector("v")
    cost = at.exp(x[x > 0]).sum() + (x[x <= 0] ** 2).sum()
    slope = grad(cost, x)
    f = gradc.function([x, v], [slope, Rop(slope, x, v), grad((slope * v).sum(), x)])
    first, forward, second = f(V, np.ones(5))
    np.testing.assert_allclose(first, np.where(V > 0, np.exp(V), 2 * V), rtol=1e-14)
    for got in (forward, second):
        np.testing.assert_allclose(got, np.where(V > 0, np.exp(V), 2.0), rtol=1e-14)


def test_rows_with_one_mask_for_all() -> None:
    """Over a new axis: one mask for all rows has a form, masks of their own make rows of different sizes."""
    x, r = at.dmatrix("x"), at.tensor(dtype="bool", shape=(None,), name="r")
    f = gradc.function([x, r], gradc.vectorize(lambda row, mask: row[mask] * 2, [0, None])(x, r))
    mask = np.array([True, False, True, True])
    np.testing.assert_array_equal(f(A, mask), A[:, mask] * 2)
    with pytest.raises(gradc.errors.GraphError, match="would differ from row to row"):
        gradc.vectorize(lambda row: row[row > 0])(x)
    total = gradc.vectorize(lambda row: row[row > 0].sum())(x)
    np.testing.assert_allclose(gradc.function([x], total)(A), np.where(A > 0, A, 0).sum(1))


@MODE
def test_masks_and_positions_that_do_not_fit(mode: str) -> None:
    x, r, i = at.dmatrix("x"), at.tensor(dtype="bool", shape=(None,), name="r"), at.lvector("i")
    wrong: list[tuple[Any, Any, str]] = [
        (x[r], ShapeError, "x has size 3 along dimension 0, the mask 2"),
        (x[:, r], ShapeError, "x has size 4 along dimension 1, the mask 2"),
        (at.compress(r, x[:1], 0), IndexOutOfBoundsError, "index 1 is out of bounds for dimension 0 of size 1"),
        (x[x[0, 0] > 9, i], ShapeError, "a mask that is False stands for no position, beside it are 2 positions"),
        (x[x[:, 0] > -9, i], ShapeError, "sizes 3 and 2 of dimension 0 differ"),
        (at.bincount(i), BadValueError, "elements must not be negative, got -7"),
        (at.bincount(i, i * 0.5), BadValueError, "elements must not be negative, got -7"),
        (at.choose(i, [x[0, :2], x[1, :2]]), BadValueError, "there is no choice -7 of 2"),
        (at.ravel_multi_index((i, i), (9, 9)), BadValueError, "position -7 is out of bounds for an axis of size 9"),
        (at.unravel_index(i, (1, 2))[0], BadValueError, "position -7 is out of bounds for an array of 2 elements"),
        (at.take_along_axis(x, i[None], 1), IndexOutOfBoundsError, "index -7 is out of bounds for dimension 1 of"),
        (at.repeat(x[0, :2], i), BadValueError, "a number of repeats must not be negative, got -7"),
        (at.interp(x, x[0, 9:], x[0, 9:]), ShapeError, "there is no point"),
        (at.convolve(x[0, 9:], x[0]), ShapeError, "is empty"),
        (at.diag_indices_from(x)[0], ShapeError, "have sizes 3 and 4"),
    ]
    for out, error, text in wrong:
        f = gradc.function([x, r, i], out, mode=mode, on_unused_input="ignore")
        with pytest.raises(error, match=text) as found:
            f(A, [False, True], [1, -7])
        assert "test_masks.py" in str(found.value)


def test_what_is_no_mask_or_position() -> None:
    x = at.dmatrix("x")
    for build in (lambda: at.nonzero(at.dscalar()), lambda: at.where(x, x), lambda: at.choose(x, [x, x]),
                  lambda: at.take_along_axis(x, x, 0), lambda: at.ix_(x), lambda: at.compress(x, x),
                  lambda: x[x > 0, 0]):
        with pytest.raises((ShapeError, TypeMismatchError)):
            build()
    with pytest.raises(TypeMismatchError, match="in place of a function: pad by 0, then set_subtensor of the borders"):
        at.pad(x, 1, lambda row, widths, axis, options: None)  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", [None, "interpret"], ids=["C", "interpreted"])
def test_one_true_element_beside_index_arrays(mode: Any) -> None:
    """One position repeats, as NumPy has it; two masks, too."""
    y, m, i = at.dtensor3("y"), at.vector("m", dtype="bool"), at.lvector("i")
    other = at.vector("o", dtype="bool")
    part = y[m, :, i]
    f = gradc.function([y, m, i, other], [part, y[m, i], grad((part ** 2).sum(), y), at.set_subtensor(y[m, i], 7.0),
                                          at.inc_subtensor(part, 1.0), y[m, other]], mode=mode)
    values = np.random.default_rng(5).normal(size=(3, 4, 5))
    for mask, where, two in (([0, 1, 0], [1, 2, 3], [1, 0, 1, 1]), ([1, 0, 0], [1], [0, 0, 0, 1]),
                             ([0, 0, 1], [], [0] * 4), ([1, 1, 1], [1, 1, 2], [1, 1, 1, 0]),
                             ([1, 1, 1], [3, 0, 2], [0, 1, 0, 0])):
        mask, where, two = np.array(mask, bool), np.array(where, int), np.array(two, bool)
        a, b, c = values.copy(), values.copy(), np.zeros_like(values)
        a[mask, where] = 7
        np.add.at(b, (mask, slice(None), where), 1)
        np.add.at(c, (mask, slice(None), where), 2 * values[mask, :, where])
        for got, want in zip(f(values, mask, where, two), [values[mask, :, where], values[mask, where], c, a, b,
                                                           values[mask, two]]):
            np.testing.assert_array_equal(got, want)
    with pytest.raises(ShapeError, match=r"sizes 2 and 3 of dimension 0 differ|sizes 3 and 2 of dimension 0 differ"):
        f(values, np.array([True, True, False]), [1, 2, 3], two)
