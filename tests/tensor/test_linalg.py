"""Linear algebra at all sizes and by each library, what fails, where derivatives do not exist; equal factors are one.

Values and derivatives of small matrices are in tests/cases_matrices.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import scipy.linalg

import gradc
import gradc.tensor as at
from gradc.errors import AssertionFailedError, LinAlgError, ShapeError, TypeMismatchError
from gradc.gradient import Rop, grad
from gradc.ir import ops
from gradc.ir.convert import to_program
from gradc.passes.phases import optimize
from gradc.runtime import _dispatch
from gradc.tensor import linalg

mode = pytest.mark.parametrize("mode", [None, "interpret"])
both = pytest.mark.parametrize("dtype", ["float64", pytest.param("float32", marks=pytest.mark.nightly)])
RNG = np.random.default_rng(11)


@pytest.fixture(params=["auto", "fallback"])
def library(request: pytest.FixtureRequest) -> Iterator[str]:
    """LAPACK, and gradc's own loops."""
    with gradc.config.change_flags(blas=request.param):
        yield request.param
    _dispatch.blas_set("auto")


def square(n: int, dtype: str = "float64") -> np.ndarray:
    return (RNG.normal(size=(n, n)) / np.sqrt(max(n, 1)) + 2 * np.eye(n)).astype(dtype)


@both
def test_factors_and_systems_of_all_sizes(library: str, dtype: str) -> None:
    a, b = at.matrix("a", dtype=dtype), at.matrix("b", dtype=dtype)
    f = gradc.function([a, b], [linalg.solve(a, b), linalg.solve(a, b, transposed=True), linalg.inv(a), linalg.det(a),
                                *linalg.slogdet(a), linalg.solve(at.dot(a, a.T), b, "pos"), *linalg.lu(a)])
    assert f.info["mode"] == "c"
    for m, n in ((1, 1), (2, 3), (3, 1), (4, 2), (6, 1), (9, 2), (40, 1), (70, 30), (0, 2), (3, 0)):
        x, y = square(m, dtype), RNG.normal(size=(m, n)).astype(dtype)
        x64 = x.astype("float64")
        got = f(x, y)
        tol = 200 * np.finfo(dtype).eps * max(m, 1)
        for g, whole, right in ((got[0], x64, y), (got[1], x64.T, y), (got[2], x64, np.eye(m)),
                                (got[6], x64 @ x64.T, y)):
            assert g.dtype == dtype
            np.testing.assert_allclose(whole @ g, right, atol=20 * tol, rtol=0)
        np.testing.assert_allclose(got[3], np.linalg.det(x64), rtol=tol)
        np.testing.assert_allclose(got[4:6], np.linalg.slogdet(x64), rtol=tol, atol=tol)
        np.testing.assert_allclose(got[7] @ got[8] @ got[9], x, atol=tol)
        np.testing.assert_array_equal(got[8], np.tril(got[8]))
        np.testing.assert_array_equal(np.diagonal(got[8]), np.ones(m))


@both
def test_spectra_of_all_sizes(library: str, dtype: str) -> None:
    a = at.matrix("a", dtype=dtype)
    f = gradc.function([a], [*linalg.svd(a), *linalg.qr(a), *linalg.qr(a, "complete"), linalg.svdvals(a),
                             linalg.pinv(a)])
    for m, n in ((1, 1), (4, 4), (5, 3), (3, 5), (70, 40), (30, 64), (0, 2), (3, 0)):
        x = RNG.normal(size=(m, n)).astype(dtype)
        k = min(m, n)
        u, s, v, q, r, whole, below, values, inverse = f(x)
        tol = 40 * np.finfo(dtype).eps * max(m, n)
        for basis in (u, v.T, q, whole):
            np.testing.assert_allclose(basis.T @ basis, np.eye(basis.shape[1]), atol=tol)
        np.testing.assert_allclose((u[:, :k] * s) @ v[:k], x, atol=4 * tol)
        np.testing.assert_allclose(q @ r, x, atol=4 * tol)
        np.testing.assert_allclose(whole @ below, x, atol=4 * tol)
        np.testing.assert_allclose(s, np.linalg.svd(x.astype("float64"), compute_uv=False), atol=4 * tol)
        np.testing.assert_allclose(values, s, atol=4 * tol)
        np.testing.assert_allclose(x @ inverse @ x, x, atol=100 * tol)
    g = gradc.function([a], [*linalg.eigh(a), linalg.eigvalsh(a)])
    for n in (0, 1, 2, 3, 4, 7, 24, 60):
        x = RNG.normal(size=(n, n)).astype(dtype)
        low = np.tril(x) + np.tril(x, -1).T
        w, vectors, values = g(x)
        tol = 40 * np.finfo(dtype).eps * max(n, 1)
        np.testing.assert_allclose(w, np.linalg.eigvalsh(low.astype("float64")), atol=4 * tol)
        np.testing.assert_allclose(values, w, atol=4 * tol)
        np.testing.assert_allclose((vectors * w) @ vectors.T, low, atol=10 * tol)
        np.testing.assert_allclose(vectors.T @ vectors, np.eye(n), atol=tol)


def test_matrices_of_special_spectra(library: str) -> None:
    """Equal, zero, huge and tiny values: bases are orthonormal all the same."""
    a = at.dmatrix("a")
    f = gradc.function([a], [*linalg.eigh(a), *linalg.svd(a)])
    swap = np.eye(4)[::-1]
    for n, scale in ((4, 1.0), (4, 1e200), (4, 1e-200), (30, 1.0)):
        for x in (np.eye(n), np.zeros((n, n)), np.ones((n, n)), np.diag(np.r_[np.ones(n - 2), -1, 0]), np.kron(
                swap, np.ones((n // 4, n // 4))) if n % 4 == 0 else np.eye(n)):
            w, vectors, u, s, v = f(scale * x)
            for basis in (vectors, u, v):
                np.testing.assert_allclose(basis.T @ basis, np.eye(n), atol=1e-13)
            np.testing.assert_allclose((vectors * w) @ vectors.T, scale * x, atol=1e-13 * scale)
            np.testing.assert_allclose((u * s) @ v, scale * x, atol=1e-13 * scale)
            assert np.all(np.diff(w) >= 0) and np.all(np.diff(s) <= 0) and np.all(s >= 0)


def test_singular_values_far_apart() -> None:
    """Those whose squares are 0, beside large ones."""
    a = at.dmatrix("a")
    f = gradc.function([a], [*linalg.svd(a, False), linalg.svdvals(a)])
    for x in (np.diag([1.0, 1e-200]), np.array([[1.0, 0, 0], [0, 2e-180, 1e-180]]), np.diag([1e150, 1e-150]),
              np.array([[3e-170, 1e-170], [0, 2e-170]])):
        u, s, v, alone = f(x)
        np.testing.assert_allclose(s, np.linalg.svd(x, compute_uv=False), rtol=1e-14)
        np.testing.assert_array_equal(s, alone)
        for basis in (u.T @ u, v @ v.T):
            np.testing.assert_allclose(basis, np.eye(2), atol=1e-14)


@both
def test_functions_and_equations_of_all_sizes(library: str, dtype: str) -> None:
    a, b, q = (at.matrix(name, dtype=dtype) for name in "abq")
    f = gradc.function([a, b, q], [linalg.solve_sylvester(a, b, q), linalg.expm(a), linalg.sqrtm(at.dot(a, a.T), True),
                                   linalg.logm(at.dot(a, a.T), True),
                                   linalg.solve_discrete_lyapunov(a / 8, at.dot(a, a.T)),
                                   linalg.solve_discrete_are(a / 4, q, at.dot(a, a.T), at.dot(b, b.T))])
    for m, n in ((1, 1), (3, 2), (5, 4), (20, 30), (0, 0)):
        x, y, z = square(m, dtype), square(n, dtype), RNG.normal(size=(m, n)).astype(dtype)
        x64, tol = x.astype("float64"), 2000 * np.finfo(dtype).eps * max(m, n, 1)
        solved, exponential, root, log, stationary, riccati = f(x, y, z)
        np.testing.assert_allclose(x64 @ solved + solved @ y, z, atol=tol)
        np.testing.assert_allclose(exponential, scipy.linalg.expm(x64) if m else x, rtol=tol, atol=tol)
        np.testing.assert_allclose(root.astype("float64") @ root, x64 @ x64.T, atol=10 * tol)
        np.testing.assert_allclose(scipy.linalg.expm(log.astype("float64")) if m else log, x64 @ x64.T, atol=10 * tol)
        np.testing.assert_allclose(x64 @ stationary @ x64.T / 64 - stationary, -x64 @ x64.T, atol=tol)
        pull = np.linalg.solve(y @ y.T + z.T @ riccati @ z, z.T @ riccati @ x64 / 4)
        np.testing.assert_allclose(x64.T @ riccati @ (x64 / 4 - z @ pull) / 4 + x64 @ x64.T, riccati, atol=10 * tol)


def test_bands_of_all_sizes() -> None:
    ab, b = at.dmatrices("ab")
    for low, high in ((1, 1), (2, 3), (0, 2), (3, 0)):
        f = gradc.function([ab, b], linalg.solve_banded((low, high), ab, b))
        for m in (1, 2, 5, 60):
            x, y = RNG.normal(size=(low + high + 1, m)), RNG.normal(size=(m, 2))
            x[high] += 2.5
            whole = sum(np.diag(x[high - k, max(k, 0):m + min(k, 0)], k) for k in range(-low, high + 1) if abs(k) < m)
            np.testing.assert_allclose(f(x, y), np.linalg.solve(whole, y), rtol=1e-8, atol=1e-8)
        with pytest.raises(LinAlgError, match=r"solve_banded: the matrix is singular, pivot 0 of its factors is 0"):
            f(np.zeros((low + high + 1, 3)), np.ones((3, 1)))
        with pytest.raises(AssertionFailedError, match=f"has size {low + high + 2}, not {low + high + 1}"):
            f(np.ones((low + high + 2, 3)), np.ones((3, 1)))


# ------------------------------------------------------------------------------------------- what fails


BAD: dict[str, tuple[Callable[[Any], Any], np.ndarray, str]] = {
    "solve": (lambda a: linalg.solve(a, at.ones((2,))), np.ones((2, 2)), "solve: the matrix is singular, pivot 1 of"),
    "inv": (linalg.inv, np.zeros((2, 2)), "inv: the matrix is singular, pivot 0 of its factors is 0"),
    "pos": (lambda a: linalg.solve(a, at.ones((2,)), "pos"), -np.eye(2), "the matrix is not positive definite"),
    "gradient of det": (lambda a: grad(linalg.det(a).sum(), a), np.ones((2, 2)), "inv: the matrix is singular"),
    "eigh": (linalg.eigh, np.full((2, 2), np.nan), "eigh: the matrix has nan or inf"),
    "svd": (linalg.svd, np.full((2, 2), np.inf), "svd: the matrix has nan or inf"),
    "pinv": (linalg.pinv, np.full((2, 2), np.inf), "pinv: the matrix has nan or inf"),
    "expm": (linalg.expm, np.full((2, 2), np.nan), "expm: the matrix has nan or inf"),
    "sqrtm": (lambda a: linalg.sqrtm(a, True), -np.eye(2), "sqrtm: an eigenvalue is negative"),
    "logm": (lambda a: linalg.logm(a, True), np.diag([1.0, 0.0]), "logm: an eigenvalue is not positive"),
    "root": (linalg.sqrtm, np.array([[1.0, 3.0], [3.0, 1.0]]), "sqrtm: an eigenvalue is negative, the result"),
    "no root": (linalg.sqrtm, np.eye(2, k=1), "sqrtm: the matrix is singular, and there is no result"),
    "log": (linalg.logm, np.diag([1.0, 0.0]), "logm: an eigenvalue is negative or 0, the result would not be real"),
    "eig": (linalg.eig, np.full((2, 2), np.inf), "eig: the matrix has nan or inf"),
    "schur": (linalg.schur, np.full((2, 2), np.nan), "schur: the matrix has nan or inf"),
    "riccati": (lambda a: linalg.solve_discrete_are(a, a, a, a), np.zeros((2, 2)), "solve_discrete_are: r is singular"),
    "sylvester": (lambda a: linalg.solve_sylvester(a, -a, a), np.eye(2), "solve_sylvester: the equation is singular"),
}


@mode
def test_matrix_2_of_5_is_bad(mode: Any) -> None:
    a = at.dtensor3("a")
    for name, (run, bad, words) in BAD.items():
        out = run(a)
        f = gradc.function([a], out, mode=mode)
        x = np.stack([np.array([[2.0, 0.5], [0.5, 3.0]])] * 5)
        if name != "sylvester":
            f(x)
            x[2] = bad
        else:
            x[:2] = x[3:] = [[0.0, 1.0], [-1.0, 0.5]]       # no value and its opposite
            x[2] = [[1.0, 0.0], [0.0, 2.0]]
        where = r"\[2\]" if name != "sylvester" else r"\[\d\]"
        with pytest.raises(LinAlgError, match=re.escape(words) + rf".*at index {where} of the batch(.|\n)*"
                                              r"test_linalg.py:\d+"):
            f(x)


def test_shared_values_stay_when_a_call_fails() -> None:
    s = gradc.shared(np.eye(2))
    a = at.dmatrix("a")
    f = gradc.function([a], linalg.inv(a), updates=[(s, linalg.inv(a) + s)])
    with pytest.raises(LinAlgError):
        f(np.zeros((2, 2)))
    np.testing.assert_array_equal(s.get_value(), np.eye(2))


def test_what_is_refused() -> None:
    a, v = at.dmatrix("a"), at.dvector("v")
    wide = at.constant(np.ones((2, 3)))
    for run in (linalg.inv, linalg.det, linalg.slogdet, linalg.eigh, linalg.expm, linalg.lu_factor, linalg.sqrtm):
        with pytest.raises(ShapeError, match=r"takes square matrices, .* \(2, 3\)|takes square matrices, .*2,3"):
            run(wide)
        with pytest.raises(ShapeError, match=r"takes at least 2 dimension\(s\), v is"):
            run(v)
        with pytest.raises(TypeMismatchError, match="takes real numbers, z is"):
            run(at.zmatrix("z"))
    for wrong, words in ((lambda: linalg.solve(a, v, assume_a="banded"), "solve: assume_a is one of 'gen'"),
                         (lambda: linalg.qr(a, "q"), "qr: mode is one of 'reduced'"),
                         (lambda: linalg.norm(a, "max"), "norm: ord='max' is not there"),
                         (lambda: linalg.lu_solve((a, v), v), "what tells the interchanges are integers")):
        with pytest.raises(TypeMismatchError, match=words):
            wrong()
    with pytest.raises(ShapeError, match="multi_dot takes two or more"):
        linalg.multi_dot([a])
    with pytest.raises(ShapeError, match="multi_dot takes matrices, or vectors at the ends; v is"):
        linalg.multi_dot([a, v, a])
    with pytest.raises(ShapeError, match="tensorinv: ind is from 1 to 1"):
        linalg.tensorinv(a, 2)
    f = gradc.function([a], linalg.inv(a))
    with pytest.raises(ShapeError, match=r"sizes \d and \d of dimension \d differ"):
        f(np.ones((2, 3)))


# ------------------------------------------------------------------------------------------- where no derivative exists


@mode
def test_derivatives_at_equal_eigenvalues(mode: Any) -> None:
    """Those of sums over a whole group of equal values exist, and of functions of matrices; those of vectors do not."""
    a = at.dmatrix("a")
    by_values = grad((linalg.eigvalsh(a) ** 2).sum(), a)
    by_vectors = grad((linalg.eigh(a)[1][:, 0] ** 3).sum(), a)
    by_root, by_log = grad(linalg.sqrtm(a, True).sum(), a), grad(linalg.logm(a, True).sum(), a)
    by_s = grad((linalg.svdvals(a) ** 2).sum(), a)
    by_pinv = grad(linalg.pinv(a).sum(), a)
    f = gradc.function([a], [by_values, by_vectors, by_root, by_log, by_s, by_pinv], mode=mode)
    got = f(2 * np.eye(3))
    np.testing.assert_allclose(got[0], 4 * np.eye(3), atol=1e-14)
    assert not np.isfinite(got[1]).all()
    doubled = np.tril(np.full((3, 3), 2.0)) - np.eye(3)         # two elements for each that is read
    np.testing.assert_allclose(got[2], doubled / (2 * np.sqrt(2)), rtol=1e-14)
    np.testing.assert_allclose(got[3], doubled / 2, rtol=1e-14)
    np.testing.assert_allclose(got[4], 4 * np.eye(3), atol=1e-14)
    np.testing.assert_allclose(got[5], np.full((3, 3), -0.25), rtol=1e-14)
    apart = f(2 * np.eye(3) + np.diag([0.0, 1e-4, 2e-4]))
    assert np.isfinite(apart[1]).all()
    for near, there in zip(apart, got):
        if np.isfinite(there).all():
            np.testing.assert_allclose(near, there, atol=3e-3)


@mode
def test_derivatives_at_lost_rank(mode: Any) -> None:
    """Of qr there is none; of the pseudo-inverse along matrices of the same rank."""
    a = at.dmatrix("a")
    f = gradc.function([a], grad(linalg.qr(a)[1].sum(), a), mode=mode)
    with pytest.raises(LinAlgError, match="the matrix is singular, element 1 of its diagonal is 0"):
        f(np.array([[1.0, 2.0], [0.0, 0.0], [0.0, 0.0]]))
    d = at.dmatrix("d")
    g = gradc.function([a, d], Rop(linalg.pinv(a), a, d), mode=mode)
    x, y = np.array([[1.0], [2.0], [0.5]]), np.array([[0.3, -1.0]])
    dx, dy = np.array([[0.2], [-0.4], [1.0]]), np.array([[1.0, 0.5]])
    h = 1e-6
    want = (np.linalg.pinv((x + h * dx) @ (y + h * dy)) - np.linalg.pinv((x - h * dx) @ (y - h * dy))) / (2 * h)
    np.testing.assert_allclose(g(x @ y, dx @ y + x @ dy), want, atol=1e-8)


def test_derivatives_of_vectors_by_differences() -> None:
    """The formulas of the complex step are of first order, too: here are the vectors themselves, moved."""
    a, d = at.dmatrices("ad")
    outs = [*linalg.eigh(a), *linalg.svd(a), *linalg.eig(a)]
    f, g = gradc.function([a], outs), gradc.function([a, d], Rop(outs, a, d))
    x = np.diag([1.0, 3.0, 7.0, 2.0]) + RNG.normal(size=(4, 4)) / 10
    move, h = RNG.normal(size=(4, 4)), 1e-6
    for got, up, down in zip(g(x, move), f(x + h * move), f(x - h * move)):
        np.testing.assert_allclose(got, (up - down) / (2 * h), atol=1e-7)


# ------------------------------------------------------------------------------------------- what is computed


def routines(inputs: list[Any], outputs: list[Any]) -> list[str]:
    """The routines that are called, as they are written."""
    program = optimize(to_program(inputs, outputs))
    return [eqn.op.routine for eqn in program.eqns if type(eqn.op) is ops.Call]


def test_each_factorization_is_computed_once() -> None:
    a, b = at.dmatrices("ab")
    cost = linalg.slogdet(a)[1] + (linalg.solve(a, b) ** 2).sum() + linalg.det(a) + linalg.inv(a).sum()
    names = routines([a, b], [cost, *grad(cost, [a, b])])
    assert names.count("lu") == 1 and names.count("lu_inverse") == 1
    loss = (linalg.solve(a, b, "pos", lower=True) * b).sum() / 2 + at.log(linalg.cholesky(a).diagonal()).sum()
    assert routines([a, b], [loss, *grad(loss, [a, b])]).count("cholesky") == 1


def test_what_rewrites_leave() -> None:
    a, b, v = at.dmatrix("a"), at.dmatrix("b"), at.dvector("v")
    for out, kept in (
        (at.dot(linalg.inv(a), v), ["lu", "lu_solve"]), (at.log(linalg.det(a)), ["lu", "lu_slogdet"]),
        (at.dot(b, linalg.inv(a)), ["lu", "lu_solve_transposed"]), (linalg.solve(at.tril(a), b), ["solve_lower"]),
        (linalg.solve(linalg.cholesky(a).T, b), ["cholesky", "solve_upper"]),
    ):
        assert routines([a, b, v], [out]) == kept
    for out, rank in ((at.dot(at.diag(v), b), None), (at.dot(b, at.diag(v)), None), (at.trace(at.dot(a, b)), 0),
                      (at.dot(at.dot(a, b), v), 1)):
        products = [eqn.outs[0].type.ndim for eqn in optimize(to_program([a, b, v], [out])).eqns
                    if type(eqn.op) is ops.Contract]
        assert all(found == rank for found in products), out


def test_factors_of_what_is_symmetric_by_construction() -> None:
    x, c, v, d = at.dmatrix("x"), at.dscalar("c"), at.dvector("v"), at.dtensor3("d")
    gram = at.dot(x.T, x) + c * at.eye(x.shape[1])
    kernel = c * at.exp(-((x[:, None, :] - x[None, :, :]) ** 2).sum(-1)) + at.diag(at.exp(v))
    batch = at.matmul(d, d.mT)
    for a, factors in ((gram, "lu_definite"), (kernel, "lu_definite"), (at.dot(x.T, x[::-1]), "lu"), (batch, "lu"),
                       (x + x.T, "lu"), (gram + x, "lu"), (at.exp(x[:, None, 0] - x[None, :, 0]), "lu")):
        assert routines([x, c, v, d], [linalg.slogdet(a)[1]]) == [factors, "lu_slogdet"]
    assert "lu" in routines([x, c], [linalg.lu_factor(gram)[0], linalg.det(gram)])      # the user's own pivots
    assert routines([x, c], [linalg.cholesky(gram), linalg.slogdet(gram)[1], linalg.inv(gram) @ x.T]) == [
        "cholesky", "lu_slogdet", "lu_solve"]


def test_factors_of_symmetric_matrices_that_are_not_definite() -> None:
    """What does not go by Cholesky's algorithm goes by pivots: definite, indefinite, singular, and nan."""
    x, c = at.dmatrix("x"), at.dscalar("c")
    a = at.dot(x.T, x) + c * at.eye(x.shape[1])
    sign, log = linalg.slogdet(a)
    f = gradc.function([x, c], [sign, log, *at.grad(log, [x]), linalg.det(a)])
    g = gradc.function([x, c], [linalg.cholesky(a), linalg.inv(a) @ x.T])
    for rows, shift in ((40, 2.0), (40, -3.0), (20, 1e-3), (20, -1.0)):
        x_ = np.random.default_rng(rows).normal(size=(rows, 30))
        whole = x_.T @ x_ + shift * np.eye(30)
        for got, want in zip(f(x_, shift), [*np.linalg.slogdet(whole), 2 * x_ @ np.linalg.inv(whole),
                                            np.linalg.det(whole)]):
            np.testing.assert_allclose(got, want, rtol=1e-8, atol=1e-10)
    for got, want in zip(g(x_, 1.0), [np.linalg.cholesky(x_.T @ x_ + np.eye(30)),
                                      np.linalg.inv(x_.T @ x_ + np.eye(30)) @ x_.T]):
        np.testing.assert_allclose(got, want, atol=1e-11)
    assert np.isnan(gradc.function([x, c], log)(np.full((40, 30), np.nan), 0.0))
    assert gradc.function([x, c], [sign, log])(np.full((40, 30), 2.0), 0.0) == [0.0, -np.inf]   # no pivot is rounding


def test_a_product_and_what_is_added_are_one_gemm() -> None:
    x, y, z, s = at.dmatrix("x"), at.dmatrix("y"), at.dmatrix("z"), at.dscalar("s")
    product = at.dot(x, y)
    many = [2 * product + 3 * z, z - s * product, product + at.dot(z, z), (s * product - z).T @ z]
    for out in many:
        assert routines([x, y, z, s], [out]) == ["gemm_add"]
    for out in (at.tanh(product + z), product + 1, at.dot(x, x.T) + z, product + z.sum(0), product * z + z):
        assert "gemm_add" not in routines([x, y, z, s], [out])
    rng = np.random.default_rng(3)
    x_, y_, z_ = rng.normal(size=(40, 3)), rng.normal(size=(3, 40)), rng.normal(size=(40, 40))
    for s_ in (1.5, 0.0):
        for got, want in zip(gradc.function([x, y, z, s], many)(x_, y_, z_, s_), [
                2 * x_ @ y_ + 3 * z_, z_ - s_ * x_ @ y_, x_ @ y_ + z_ @ z_, (s_ * x_ @ y_ - z_).T @ z_]):
            np.testing.assert_allclose(got, want, atol=1e-11)
    f = gradc.function([x, y, z, s], [s * product + z, product + s * z])
    x_[1, 2], z_[5, 6] = np.nan, np.inf         # 0 times these is nan
    first, second = f(x_, y_, z_, 0.0)
    assert np.isnan(first[1]).all() and np.isinf(first[5, 6]) and np.isnan(second[1]).all() and np.isnan(second[5, 6])
    assert np.isfinite(first[2]).all() and np.isfinite(second[2]).all()


@mode
def test_a_kalman_filter(mode: Any) -> None:
    """Its log likelihood is that of all observations as one normal vector."""
    f0, h, q, r = at.dmatrices("fhqr")
    ys, m0, p0 = at.dmatrix("y"), at.dvector("m"), at.dmatrix("p")

    def step(y: Any, m: Any, p: Any, f0: Any, h: Any, q: Any, r: Any) -> Any:
        m, p = f0 @ m, f0 @ p @ f0.T + q
        s = h @ p @ h.T + r
        error = y - h @ m
        cost = linalg.slogdet(s)[1] + error @ linalg.solve(s, error) + y.shape[0] * np.log(2 * np.pi)
        gain = linalg.solve(s, h @ p, "pos").T
        return m + gain @ error, p - gain @ (h @ p), -cost / 2

    (_, _, logs), _ = gradc.scan(step, sequences=ys, outputs_info=[m0, p0, None], non_sequences=[f0, h, q, r])
    total = logs.sum()
    run = gradc.function([f0, h, q, r, ys, m0, p0], [total, *grad(total, [q, ys])], mode=mode)
    n, k, t = 3, 2, 5
    values = [square(n) / 4, RNG.normal(size=(k, n)), 0.3 * np.eye(n), 0.5 * np.eye(k), RNG.normal(size=(t, k)),
              RNG.normal(size=n), 0.7 * np.eye(n)]

    def value(values: list[np.ndarray]) -> float:
        f, h, q, r, ys, m, p = values
        means, parts = [], []                   # of the states, and how each depends on all that is random
        mean, part = m, np.hstack([np.linalg.cholesky(p), np.zeros((n, n * t))])
        for i in range(t):
            part = f @ part
            part[:, n * (i + 1):n * (i + 2)] = np.linalg.cholesky(q)
            mean = f @ mean
            means.append(h @ mean)
            parts.append(h @ part)
        whole = np.vstack(parts) @ np.vstack(parts).T + np.kron(np.eye(t), r)
        error = ys.ravel() - np.concatenate(means)
        return -0.5 * (np.linalg.slogdet(whole)[1] + error @ np.linalg.solve(whole, error) + t * k * np.log(2 * np.pi))

    got = run(*values)
    np.testing.assert_allclose(got[0], value(values), rtol=1e-12)
    for g, position in zip(got[1:], (2, 4)):
        move, step_ = np.eye(*values[position].shape), 1e-6
        moved = [value([v + s * move if j == position else v for j, v in enumerate(values)]) for s in (step_, -step_)]
        np.testing.assert_allclose((g * move).sum(), (moved[0] - moved[1]) / (2 * step_), rtol=1e-7)


@pytest.mark.parametrize("mode", ["c", "interpret"])
@pytest.mark.parametrize("wrong", [3, -1, 10**8])
def test_pivots_of_the_user_are_checked(mode: str, wrong: int) -> None:
    factors, pivots, b = at.dmatrix("factors"), at.lvector("pivots"), at.dvector("b")
    f = gradc.function([factors, pivots, b], at.linalg.lu_solve((factors, pivots), b), mode=mode)
    assert f(np.eye(3), np.array([2, 1, 2]), np.arange(3.0)).tolist() == [2, 1, 0]
    with pytest.raises(gradc.errors.IndexOutOfBoundsError, match=f"pivot {wrong} is out of bounds for 3 rows"):
        f(np.eye(3), np.array([wrong, 1, 2]), np.ones(3))


def test_masks_that_are_no_triangles() -> None:
    """Limits that are no integers, and a mask that is broadcast, leave other parts than they look like."""
    a, b = at.dmatrix("a"), at.dvector("b")
    i, j = at.arange(a.shape[0])[:, None], at.arange(a.shape[0])[None, :]
    rows, columns = np.arange(3)[:, None], np.arange(3)[None, :]
    values, right = np.array([[2.0, 1, 0.5], [1, 3, 1], [0.2, 0.4, 4]]), np.array([1.0, 2, 3])
    masks = [(at.lt(j - i, 1.5), columns - rows < 1.5), (at.gt(j - i, -1.5), columns - rows > -1.5),
             (at.lt(j - i, np.inf), columns - rows < np.inf), (at.le(j - i, 0), columns <= rows),
             (at.le(at.arange(1)[:, None], j), columns + 0 * rows >= 0)]
    f = gradc.function([a, b], [at.linalg.solve(at.switch(mask, a, 0.0), b) for mask, _ in masks])
    for found, (_, mask) in zip(f(values, right), masks):
        np.testing.assert_allclose(found, np.linalg.solve(np.where(mask, values, 0), right), rtol=1e-12)
    nothing = at.dot(at.switch(at.eq(i - j, 0.5), b[None, :], 0.0), a)
    assert not gradc.function([a, b], nothing)(values, right).any()


def test_subnormal_matrices() -> None:
    a, b = at.dmatrix("a"), at.dvector("b")
    found = gradc.function([a, b], [at.linalg.eigvalsh(a), at.linalg.solve(a, b)])(
        np.array([[1, 2], [2, 1]]) * 2.0**-1030, np.ones(2) * 2.0**-1030)
    np.testing.assert_allclose(found[0] * 2.0**1000 * 2.0**30, [-1, 3], rtol=1e-12)
    np.testing.assert_allclose(found[1], [1 / 3, 1 / 3], rtol=1e-12)


# ------------------------------------------------------------------------------------------- Riccati's equation


@mode
def test_riccati_as_exact_as_its_condition(mode: Any) -> None:
    """Stable, unstable, almost on the unit circle, with inputs of very different sizes: the stabilizing solution."""
    a, b, q, r = (at.dmatrix(name) for name in "abqr")
    f = gradc.function([a, b, q, r], linalg.solve_discrete_are(a, b, q, r), mode=mode)
    rng = np.random.default_rng(21)
    for m, n, radius, scale in ((1, 1, 0.5, 1.0), (3, 1, 0.9, 1.0), (4, 2, 3.0, 1.0), (5, 3, 1.0, 1.0),
                                (4, 2, 0.999999, 1e-3), (6, 2, 1.5, 1e3)):
        x = rng.normal(size=(m, m))
        x *= radius / np.abs(np.linalg.eigvals(x)).max()
        y, half = rng.normal(size=(m, n)), rng.normal(size=(m, m))
        weights, costs = half @ half.T + np.eye(m), scale * (np.eye(n) + 0.1 * np.ones((n, n)))
        got, want = f(x, y, weights, costs), scipy.linalg.solve_discrete_are(x, y, weights, costs)
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-11 * np.abs(want).max())
        np.testing.assert_allclose(got, got.T, rtol=0, atol=1e-12 * np.abs(want).max())
        closed = x - y @ np.linalg.solve(costs + y.T @ got @ y, y.T @ got @ x)
        assert np.abs(np.linalg.eigvals(closed)).max() < 1


@mode
def test_riccati_without_a_stabilizing_solution(mode: Any) -> None:
    """A mode that grows, or stays as it is, and no input reaches."""
    a = at.dmatrix("a")
    one = np.eye(2)
    f = gradc.function([a], linalg.solve_discrete_are(a, np.array([[1.0], [0.0]]), one, np.eye(1)), mode=mode)
    f(np.diag([2.0, 0.5]))
    for growing in (2.0, 1.0, -1.0):
        with pytest.raises(LinAlgError, match="there is no stabilizing solution"):
            f(np.diag([0.5, growing]))


# ------------------------------------------------------------------------------------------- side by side


def test_batches_are_as_their_matrices(library: str) -> None:
    """Of each rank of a batch and size: 4 matrices at once, and those that are left; the same as one by one."""
    rng = np.random.default_rng(31)
    for dtype in ("float64", "float32"):
        a, b = at.tensor3("a", dtype=dtype), at.tensor3("b", dtype=dtype)
        a2, b2 = at.matrix("a2", dtype=dtype), at.matrix("b2", dtype=dtype)

        def outputs(a: Any, b: Any) -> list[Any]:
            s = at.matmul(a, a.mT) + 2 * at.eye(a.shape[-1], dtype=a.dtype)
            out = [linalg.cholesky(s), linalg.inv(a), linalg.det(a), *linalg.slogdet(a), linalg.solve(a, b),
                   linalg.solve(a, b, transposed=True), linalg.solve(s, b, "pos"), *linalg.eigh(s),
                   linalg.eigvalsh(s), *linalg.svd(a), linalg.svdvals(b), linalg.solve_triangular(s, b, 1, True),
                   *linalg.lu_factor(a)]
            return [*out, grad((linalg.cholesky(s) ** 2).sum(), a)]

        f, g = gradc.function([a, b], outputs(a, b)), gradc.function([a2, b2], outputs(a2, b2))
        tol = 500 * np.finfo(dtype).eps
        for count in (1, 2, 4, 5, 11):
            for n, m in ((1, 1), (2, 3), (4, 1), (5, 2), (8, 8), (9, 1)):
                x = (rng.normal(size=(count, n, n)) + 3 * np.eye(n)).astype(dtype)
                y = rng.normal(size=(count, n, m)).astype(dtype)
                rows = zip(*[g(one, other) for one, other in zip(x, y)])
                for k, (got, want) in enumerate(zip(f(x, y), rows)):
                    np.testing.assert_allclose(got, np.stack(want), rtol=tol, atol=100 * tol, err_msg=f"{k} {n} {m}")


@mode
def test_which_matrix_of_a_batch_fails(mode: Any) -> None:
    a = at.dtensor3("a")
    x = np.stack([np.eye(3)] * 11)
    for bad in (0, 3, 4, 10):
        y = np.array(x)
        y[bad, 1, 1] = 0
        for run in (linalg.inv, linalg.cholesky, lambda a: linalg.solve_triangular(a, at.ones((3, 1)), lower=True)):
            with pytest.raises(LinAlgError, match=rf"at index \[{bad}\] of the batch"):
                gradc.function([a], run(a), mode=mode)(y)
        y[bad, 1, 1] = np.nan
        for run in (linalg.eigh, linalg.svd, linalg.cholesky):
            with pytest.raises(LinAlgError, match=rf"at index \[{bad}\] of the batch"):
                gradc.function([a], run(a), mode=mode)(y)
        made = gradc.function([a], linalg.cholesky(a, on_error="nan"), mode=mode)(y)
        assert [k for k in range(11) if np.isnan(made[k]).any()] == [bad]
        np.testing.assert_array_equal(np.delete(made, bad, 0), np.delete(x, bad, 0))
