"""Linear algebra: values at all sizes and layouts by each library, errors with the index in the batch, loops, branches.

Values and gradients of small matrices are in tests/cases_linalg.py; the right values here are SciPy's and mpmath's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import mpmath
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
from gradc.scan.utils import until
from gradc.tensor.slinalg import cholesky, solve_triangular

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
            with pytest.raises(ShapeError, match=r"sizes \d and \d of dimension \d differ"):
                f(x, y)
    with pytest.raises(ShapeError, match="sizes 2 and 3 "):
        solve_triangular(at.constant(np.ones((2, 3))), b)
    with pytest.raises(ShapeError, match="takes matrices, v is"):
        solve_triangular(at.dvector("v"), b)
    with pytest.raises(TypeMismatchError, match="trans is one of 0, 'N', 1"):
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


# ------------------------------------------------------------------------------------------- Cholesky


def definite(*shape: int) -> np.ndarray:
    x = RNG.normal(size=shape)
    return x @ np.swapaxes(x, -1, -2) / shape[-1] + np.eye(shape[-1])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_cholesky_of_all_sizes_and_layouts(library: str, dtype: str) -> None:
    """One triangle is read; L L.T is the matrix, but for roundings (Higham, Accuracy and Stability, theorem 10.3)."""
    a = at.matrix("a", dtype=dtype)
    f = gradc.function([a], [cholesky(x, lower, "nan") for x in (a, a.T, a[::-1, ::-1]) for lower in (True, False)])
    assert f.info["mode"] == "c"
    for n in (0, 1, 2, 7, 30, 70):
        whole = definite(n, n).astype(dtype) if n else np.zeros((0, 0), dtype)
        spoilt = np.tril(whole) + np.triu(np.full_like(whole, np.nan), 1)       # of a.T the other triangle is lower
        for k, (got, x) in enumerate(zip(f(spoilt), np.repeat([whole, whole, whole[::-1, ::-1]], 2, 0))):
            if k not in (0, 3, 5):
                continue
            lower = got if k == 0 else got.T
            np.testing.assert_array_equal(lower, np.tril(lower))
            bound = (n + 2) * np.finfo(dtype).eps * np.abs(lower) @ np.abs(lower.T)
            assert got.dtype == dtype and np.all(np.abs(lower.astype("float64") @ lower.T - x) <= bound)


@mode
def test_matrix_7_of_10_is_not_positive_definite(mode: Any) -> None:
    x = np.stack([definite(3, 3)] * 10)
    a = at.dtensor3("a")
    f = gradc.function([a], cholesky(a), mode=mode)
    by_a = gradc.grad(cholesky(a, on_error="nan")[:7].sum(), a)
    g = gradc.function([a], [cholesky(a, False, "nan"), by_a], mode=mode)
    for bad in (-np.eye(3), np.zeros((3, 3)), np.ones((3, 3)), np.full((3, 3), np.nan), np.diag([1.0, 1.0, -1.0])):
        x[7] = bad
        fault = "has nan or inf" if np.isnan(bad[0, 0]) else "is not positive definite"
        with pytest.raises(LinAlgError, match=rf"cholesky: the matrix {fault}, at index \[7\] of "
                                              r"the batch(.|\n)*test_slinalg.py:\d+"):
            f(x)
        factors, by_x = g(x)
        np.testing.assert_array_equal(np.isnan(factors).all((1, 2)), np.arange(10) == 7)
        np.testing.assert_allclose(factors[9], np.linalg.cholesky(x[9]).T)
        assert np.isfinite(by_x[:7]).all()
    one = gradc.function([b := at.dmatrix("b")], np.linalg.cholesky(b), mode=mode)
    with pytest.raises(np.linalg.LinAlgError, match=r"not positive definite\n"):
        one(x[7])
    for n in (40, 3):
        x = definite(n, n)
        for place, bad, fault in ((-1, -1, "is not positive definite"), (1, -1, "is not positive definite"),
                                  (0, np.nan, "has nan or inf"), (-1, np.nan, "has nan or inf")):
            x[place, place] = bad
            with pytest.raises(LinAlgError, match=f"the matrix {fault}"):
                one(x)


def test_what_cholesky_refuses() -> None:
    with pytest.raises(ShapeError, match="sizes 2 and 3 "):
        cholesky(at.constant(np.ones((2, 3))))
    with pytest.raises(ShapeError, match="at least 2 dimension"):
        cholesky(at.dvector("v"))
    with pytest.raises(TypeMismatchError, match="on_error is one of 'raise', 'nan'"):
        cholesky(at.dmatrix("a"), on_error="ignore")


def test_derivatives_of_cholesky_against_mpmath() -> None:
    """Of log det and of a quadratic form with the factor: gradient, Rop, product with the Hessian, by 40 digits."""
    a, v = at.dmatrices("av")
    w = np.array([[0.5, 1.0, -2.0], [0.3, -0.7, 0.2], [1.5, 0.25, -1.0]])
    cost = at.log(cholesky(a).diagonal()).sum() + (cholesky(a, lower=False) * w).sum() ** 2
    g = gradc.grad(cost, a)
    f = gradc.function([a, v], [g, gradc.gradient.Rop(cost, a, v), gradc.gradient.Rop(g, a, v),
                                gradc.grad((g * v).sum(), a)])
    x, d = definite(3, 3), RNG.normal(size=(3, 3))

    def value(x: Any) -> Any:
        """By the lower triangle for the first part, by the upper for the second."""
        lower, upper = (mpmath.cholesky(mpmath.matrix(3, 3) + mpmath.matrix([[x[max(i, j), min(i, j)] if below else
                        x[min(i, j), max(i, j)] for j in range(3)] for i in range(3)])) for below in (True, False))
        return sum(mpmath.log(lower[k, k]) for k in range(3)) + sum(
            mpmath.mpf(w[i, j]) * upper[j, i] for i in range(3) for j in range(3)) ** 2

    with mpmath.workdps(60):
        base, along = (np.array([[mpmath.mpf(e) for e in row] for row in m]) for m in (x, d))
        step = mpmath.mpf(10) ** -15

        def slope(at_: Any, direction: Any) -> Any:
            return (value(at_ + step * direction) - value(at_ - step * direction)) / (2 * step)

        units = [np.array([[mpmath.mpf((i, j) == place) for j in range(3)] for i in range(3)])
                 for place in np.ndindex(3, 3)]
        gradient = np.array([float(slope(base, u)) for u in units]).reshape(3, 3)
        second = np.array([float((slope(base + step * along, u) - slope(base - step * along, u)) / (2 * step))
                           for u in units]).reshape(3, 3)
        moved = float(slope(base, along))
    by_a, rop, forward, backward = f(x, d)
    np.testing.assert_allclose(by_a, gradient, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(rop, moved, rtol=1e-12)
    np.testing.assert_allclose(forward, second, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(backward, second, rtol=1e-11, atol=1e-12)


@mode
def test_cholesky_in_loops_and_branches(mode: Any) -> None:
    """A Kalman-like recurrence: p = L / 2 + L.T / 2 + I with L L.T = p, or p + I where its trace is large."""
    p0, n = at.dmatrix("p"), at.lscalar("n")

    def step(p: Any) -> Any:
        factor = cholesky(p)
        return gradc.ifelse(at.gt(p.trace(), 5.0), factor / 2 + factor.T / 2 + at.eye(3), p + at.eye(3) / 4)

    ps, _ = gradc.scan(step, outputs_info=p0, n_steps=n)
    f = gradc.function([p0, n], [ps, gradc.grad(ps[-1].sum(), p0)], mode=mode)
    x, p = definite(3, 3), definite(3, 3)
    want, p = [], x
    for _ in range(6):
        factor = np.linalg.cholesky(p)
        p = factor / 2 + factor.T / 2 + np.eye(3) if np.trace(p) > 5 else p + np.eye(3) / 4
        want.append(p)
    got, by_p = f(x, 6)
    np.testing.assert_allclose(got, want, rtol=1e-12)
    d = np.tril(RNG.normal(size=(3, 3)))
    moved = (f(x + 1e-6 * d, 6)[0][-1] - f(x - 1e-6 * d, 6)[0][-1]).sum() / 2e-6
    np.testing.assert_allclose((by_p * d).sum(), moved, rtol=1e-6, atol=1e-9)


@mode
def test_cholesky_that_fails_in_step_900(mode: Any) -> None:
    a, n = at.dtensor3("a"), at.lscalar("n")
    sums, _ = gradc.scan(lambda k, s, a: s + cholesky(a - 2 * at.eye(2) * at.eq(k, 900) * at.arange(3)[:, None, None])[
        ..., 0, 0].sum(), sequences=at.arange(n), outputs_info=at.constant(0.0, dtype="float64"), non_sequences=a)
    f = gradc.function([a, n], sums[-1], mode=mode)
    x = np.stack([3 * np.eye(2)] * 3)
    np.testing.assert_allclose(f(x, 900), 2700 * np.sqrt(3))
    with pytest.raises(LinAlgError, match=r"definite, at index \[2\] of the batch(.|\n)*test_slinalg.py:\d+"):
        f(x, 901)
    np.testing.assert_allclose(f(x, 3), 9 * np.sqrt(3))


def test_jacobian_and_hessian_are_batches_of_calls() -> None:
    """As Rop and Lop give them column by column and row by row; no loop is left, and no interpreter."""
    a, v = at.dmatrices("av")
    factor = cholesky(a)
    logs = at.log(factor.diagonal()).sum()
    jacobian, hessian = gradc.gradient.jacobian(factor.flatten(), a), gradc.gradient.hessian(logs, a)
    f = gradc.function([a], [jacobian, hessian])
    assert f.info["mode"] == "c" and "scan" not in f.c_source()
    x, directions = definite(3, 3), np.eye(9).reshape(9, 3, 3)
    one = gradc.function([a, v], [gradc.gradient.Rop(factor, a, v), gradc.gradient.Rop(gradc.grad(logs, a), a, v)])
    columns, rows = zip(*[one(x, d) for d in directions])
    got = f(x)
    np.testing.assert_allclose(got[0].reshape(9, 9), np.reshape(columns, (9, 9)).T, atol=1e-14)
    np.testing.assert_allclose(got[1].reshape(9, 9), np.reshape(rows, (9, 9)), atol=1e-14)


@mode
def test_what_is_not_run_does_not_fail(mode: Any) -> None:
    """A branch that is not taken, also in a loop, and steps after the last one of a loop that a step ends."""
    a, c = at.dmatrix("a"), at.dscalar("c")
    y = gradc.ifelse(at.gt(c, 0), cholesky(a).sum(), a.sum())
    hs, _ = gradc.scan(lambda h, a: gradc.ifelse(at.gt(h, 0), h + cholesky(a)[0, 0], h - 1),
                       outputs_info=at.constant(-1.0, dtype="float64"), non_sequences=a, n_steps=3)
    f = gradc.function([a, c], [y, gradc.grad(y, a), hs], mode=mode)
    got = f(-np.eye(2), -1.0)
    np.testing.assert_array_equal(got[0], -2.0)
    np.testing.assert_array_equal(got[1], np.ones((2, 2)))
    np.testing.assert_array_equal(got[2], [-2, -3, -4])
    ks, _ = gradc.scan(lambda k, a: (cholesky(a - k * at.eye(2)).sum(), until(at.ge(k, 1))), sequences=at.arange(5),
                       non_sequences=a)
    np.testing.assert_allclose(gradc.function([a], ks, mode=mode)(2.5 * np.eye(2)), 2 * np.sqrt([2.5, 1.5]))


@mode
def test_second_derivative_through_a_carried_matrix(mode: str | None) -> None:
    """P -> inv(qP) from 1 on gives 1/q, 1, 1/q, ...: each 1/q on the diagonal adds 2/q^3 to the second derivative."""
    q, n = at.dscalar("q"), at.lscalar("n")
    states, _ = gradc.scan(lambda P, q: solve_triangular(P * q, np.eye(2), lower=True), outputs_info=[np.eye(2)],
                           non_sequences=q, n_steps=n)
    slope = gradc.grad(states.sum(), q)
    f = gradc.function([q, n], [states, gradc.grad(slope, q)], mode=mode)
    for steps in (0, 1, 2, 3):
        rows, curvature = f(1.3, steps)
        wanted = [np.eye(2) * (1 / 1.3 if k % 2 == 0 else 1.0) for k in range(steps)]
        np.testing.assert_allclose(rows, np.reshape(wanted, (steps, 2, 2)), rtol=1e-14)
        np.testing.assert_allclose(curvature, (steps + 1) // 2 * 2 * 2 / 1.3 ** 3, rtol=1e-13)


@mode
def test_a_loop_of_no_steps_calls_no_op_of_a_user(mode: str | None) -> None:
    def longer(v: np.ndarray) -> np.ndarray:
        raise AssertionError("no step is run")

    m, k = at.dmatrix("m"), at.dscalar("k")
    op = gradc.as_op(at.dvector, at.dvector)(longer)
    known, _ = gradc.scan(lambda row, k: at.outer(row, at.arange(k)), sequences=m, non_sequences=k)
    unknown, _ = gradc.scan(op, sequences=m)
    made = gradc.function([m, k], [known, unknown], mode=mode)(np.zeros((0, 3)), 1.5)
    assert [v.shape for v in made] == [(0, 3, 2), (0, 0)]


@pytest.mark.parametrize("mode", ["c", "interpret"])
def test_factors_that_indices_choose(mode: str) -> None:
    """Each call of the batch reads the matrix at a position of its own."""
    rng = np.random.default_rng(3)
    square, sides, at_ = rng.normal(size=(5, 4, 4)), rng.normal(size=(7, 4, 3)), np.array([4, 0, -1, 2, 2, 1, 0])
    lower = np.linalg.cholesky(square @ square.transpose(0, 2, 1) + 4 * np.eye(4))
    a, i, b = at.dtensor3("a"), at.lvector("i"), at.dtensor3("b")
    f = gradc.function([a, i, b], solve_triangular(a[i], b, lower=True), mode=mode)
    np.testing.assert_allclose(f(lower, at_, sides), np.linalg.solve(lower[at_], sides), rtol=1e-12, atol=1e-13)
