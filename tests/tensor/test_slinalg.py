"""Linear algebra: values at all sizes and layouts by each library, errors with the index in the batch, loops, branches.

Values and gradients of small matrices are in tests/cases.py; the right values here are SciPy's and mpmath's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import scipy.linalg

import gradc
import gradc.tensor as at
from gradc.errors import LinAlgError, ShapeError, TypeMismatchError
from gradc.ir.batch import batch_program
from gradc.ir.convert import to_program
from gradc.ir.interp import evaluate
from gradc.runtime import _dispatch
from gradc.tensor.linalg import solve_triangular

MODES = [None, "interpret"]
mode = pytest.mark.parametrize("mode", MODES)
RNG = np.random.default_rng(5)


@pytest.fixture(params=["auto", "fallback", "deterministic"])
def library(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each library that is here, and gradc's own loops."""
    with gradc.config.change_flags(blas="fallback" if request.param == "fallback" else "auto",
                                   deterministic=request.param == "deterministic"):
        yield request.param
    _dispatch.blas_set("auto")


def triangles(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape) / shape[-1] + 2 * np.eye(shape[-1])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_triangular_systems_of_all_sizes_and_layouts(library: str, dtype: str) -> None:
    a, b = at.matrix("a", dtype=dtype), at.matrix("b", dtype=dtype)
    options = [(lower, trans, unit) for lower in (True, False) for trans in (0, 1) for unit in (True, False)]
    f = gradc.function([a, b], [solve_triangular(x, b, trans, lower, unit)
                                for x in (a, a.T, a[::-1, ::-1]) for lower, trans, unit in options])
    assert f.info["mode"] == "c" and "copy" not in f.info["routines"]
    for m, n in ((1, 1), (3, 2), (30, 5), (70, 33), (40, 1), (5, 0), (0, 4)):
        x, y = triangles(m, m).astype(dtype), RNG.normal(size=(m, n)).astype(dtype)
        got = iter(f(x, y))
        for z in (x, x.T, x[::-1, ::-1]):
            for lower, trans, unit in options:
                want = np.zeros((m, n)) if not m * n else scipy.linalg.solve_triangular(
                    z.astype("float64"), y, trans=trans, lower=lower, unit_diagonal=unit)
                np.testing.assert_allclose(next(got), want, rtol=0, atol=np.finfo(dtype).eps * 20 * np.sqrt(m + 1))


def test_library_that_solves(library: str) -> None:
    """The one that is chosen where the matrix is large: its rounding differs from that of substitution in order."""
    x, y = triangles(60, 60), RNG.normal(size=(60, 60))
    a, b = at.dmatrices("ab")
    f = gradc.function([a, b], solve_triangular(a, b, lower=True))
    plain = y.copy()
    for k in range(60):
        for j in range(k):
            plain[k] -= x[k, j] * plain[j]
        plain[k] /= x[k, k]
    np.testing.assert_allclose(f(x, y), plain, rtol=1e-12, atol=1e-13)
    if library != "auto" or _dispatch.blas_info()["provider"] == "fallback":
        np.testing.assert_array_equal(f(x, y), plain)


@mode
def test_singular_matrix_in_a_batch(mode: Any) -> None:
    x, y = np.stack([triangles(3, 3)] * 10), RNG.normal(size=(3, 2))
    x[7, 1, 1] = 0
    a, b = at.dtensor3("a"), at.dmatrix("b")
    f = gradc.function([a, b], solve_triangular(a, b), mode=mode)
    with pytest.raises(LinAlgError, match=r"element 1 of its diagonal is 0, at index \[7\] of the batch(.|\n)*"
                                          r"test_slinalg.py:\d+") as caught:
        f(x, y)
    assert isinstance(caught.value, np.linalg.LinAlgError)
    x[7, 1, 1] = 1
    assert f(x, y).shape == (10, 3, 2)


@mode
def test_index_in_a_batch_of_many_axes(mode: Any) -> None:
    x = np.ones((1, 2, 1, 2, 3, 1, 1))
    x[0, 1, 0, 0, 2] = 0
    a, b = at.tensor7("a"), at.dmatrix("b")
    f = gradc.function([a, b], solve_triangular(a, b), mode=mode)
    with pytest.raises(LinAlgError, match=re.escape("at index [0, 1, 0, ...] of the batch")):
        f(x.astype(a.dtype), np.ones((1, 1)))


def test_sizes_that_do_not_fit() -> None:
    a, b = at.dmatrices("ab")
    for m in MODES:
        f = gradc.function([a, b], solve_triangular(a, b), mode=m)
        for x, y in ((np.ones((2, 3)), np.ones((2, 1))), (np.eye(2), np.ones((3, 1)))):
            with pytest.raises(ShapeError, match="sizes . and . of dimension . differ"):
                f(x, y)
    with pytest.raises(ShapeError, match="sizes 2 and 3 "):
        solve_triangular(at.constant(np.ones((2, 3))), b)
    with pytest.raises(ShapeError, match="takes matrices, v is"):
        solve_triangular(at.dvector("v"), b)
    with pytest.raises(TypeMismatchError, match="takes real numbers, z is"):
        solve_triangular(a, at.zmatrix("z"))
    with pytest.raises(TypeMismatchError, match="trans is 0, 1, 2 or"):
        solve_triangular(a, b, trans=3)


def test_integers_and_mixed_floats() -> None:
    a, b = at.lmatrix("a"), at.fmatrix("b")
    x = solve_triangular(a, b)
    assert x.dtype == "float64" and solve_triangular(b, b).dtype == "float32"
    np.testing.assert_array_equal(x.eval({a: np.array([[2, 1], [7, 4]]), b: np.ones((2, 1), "float32")}),
                                  [[0.375], [0.25]])


def test_rows_of_a_batch_are_those_of_single_calls() -> None:
    a, b = at.dtensor3("a"), at.dmatrix("b")
    x, y = triangles(2, 3, 3), RNG.normal(size=(4, 3, 2))
    program, _ = batch_program(to_program([a, b], [solve_triangular(a, b)]), (False, True))
    (got,) = evaluate(program, [x, y])
    np.testing.assert_array_equal(got, [evaluate(to_program([a, b], [solve_triangular(a, b)]), [x, z])[0] for z in y])


def test_jacobian_by_a_matrix() -> None:
    a, b = at.dmatrices("ab")
    x = solve_triangular(a, b, lower=True)
    values = np.tril(triangles(3, 3)), RNG.normal(size=(3, 2))
    (by_b,) = gradc.function([a, b], [gradc.gradient.jacobian(x.flatten(), b)])(*values)
    np.testing.assert_allclose(by_b.reshape(6, 6), np.kron(np.linalg.inv(values[0]), np.eye(2)), atol=1e-14)


@mode
def test_loops_and_branches(mode: Any) -> None:
    """h = tanh(a^-1 h) where its sum is positive, else h / 2; the sum of all squares and its gradient."""
    a, b, n = at.dmatrix("a"), at.dmatrix("b"), at.lscalar("n")
    hs, _ = gradc.scan(lambda h, a: gradc.ifelse(at.gt(h.sum(), 0), at.tanh(solve_triangular(a, h, lower=True)), h / 2),
                       outputs_info=b, non_sequences=a, n_steps=n)
    cost = (hs ** 2).sum()
    f = gradc.function([a, b, n], [cost, *gradc.grad(cost, [a, b])], mode=mode)
    x, y = np.tril(triangles(3, 3)), RNG.normal(size=(3, 2))

    def value(x: Any, y: Any) -> Any:
        total, h = 0, y
        for _ in range(4):
            h = np.tanh(np.linalg.solve(x, h)) if h.sum().real > 0 else h / 2
            total = total + (h ** 2).sum()
        return total

    got = f(x, y, 4)
    np.testing.assert_allclose(got[0], value(x, y))
    for k, whole in enumerate((x, y)):
        for place in np.ndindex(whole.shape):
            if k == 0 and place[1] > place[0]:
                assert got[1][place] == 0
                continue
            step = np.zeros(whole.shape, complex)
            step[place] = 1e-30j
            moved = value(x + step, y) if k == 0 else value(x, y + step)
            np.testing.assert_allclose(got[1 + k][place], moved.imag / 1e-30, rtol=1e-11, atol=1e-13)


@mode
def test_failure_in_a_late_step_of_a_loop(mode: Any) -> None:
    a, n = at.dmatrix("a"), at.lscalar("n")
    hs, _ = gradc.scan(lambda k, h, a: solve_triangular(a + at.eye(2) * at.eq(k, 900), h), sequences=at.arange(n),
                       outputs_info=at.ones((2, 1), dtype="float64"), non_sequences=a)
    f = gradc.function([a, n], hs[-1], mode=mode)
    assert f(-np.eye(2), 900).shape == (2, 1)
    with pytest.raises(LinAlgError, match=r"element 0 of its diagonal is 0\n(.|\n)*test_slinalg.py:\d+"):
        f(-np.eye(2), 901)
    np.testing.assert_array_equal(f(-np.eye(2), 5), -np.ones((2, 1)))
