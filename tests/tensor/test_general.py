"""Any square matrix: eigenvalues and vectors, Schur's form, square root and logarithm."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.linalg

import gradc
import gradc.tensor as at
from gradc.errors import LinAlgError, NotDifferentiableError, TypeMismatchError
from gradc.gradient import Rop, grad
from gradc.ir.schur import GAUSS
from gradc.tensor import linalg

RNG = np.random.default_rng(17)


def test_the_rule_of_the_logarithm_integrates_polynomials_of_degree_31() -> None:
    for degree in range(32):
        found = sum(w * (x**degree + (-x)**degree) for x, w in GAUSS)
        assert abs(found - (1 + (-1)**degree) / (degree + 1)) < 1e-15, degree


def of_size(n: int, dtype: str = "float64") -> np.ndarray:
    """Eigenvalues near 2, some of them complex."""
    return (RNG.normal(size=(n, n)) / max(n, 1) ** 0.5 / 1.5 + 2 * np.eye(n)).astype(dtype)


@pytest.mark.parametrize("mode", [None, "interpret"], ids=["C", "interpreted"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_values_of_all_sizes(mode: Any, dtype: str) -> None:
    a = at.matrix("a", dtype=dtype)
    f = gradc.function([a], [linalg.sqrtm(a), linalg.logm(a), *linalg.eig(a), *linalg.schur(a)], mode=mode)
    root_of = gradc.function([a], linalg.sqrtm(a), mode=mode)
    for n in (1, 2, 5, 33):
        x = of_size(n, dtype)
        root, log, w, v, t, z = f(x)
        tol = 200 * n * np.finfo(dtype).eps
        assert {y.dtype for y in (w, v)} == {np.result_type(dtype, np.complex64)}
        wide = x.astype("float64")
        for got, want in ((root, scipy.linalg.sqrtm(wide)), (log, scipy.linalg.logm(wide)),
                          (x @ v, v * w), (z @ t @ z.T, x), (z @ z.T, np.eye(n)), (np.linalg.norm(v, axis=0), 1)):
            np.testing.assert_allclose(got, want, atol=tol)
        assert not np.tril(t, -2).any()
        assert np.count_nonzero(np.diagonal(t, -1)) == np.count_nonzero(w.imag > 0)
    for x in (np.array([[0.0, -1.0], [1.0, 0.0]]), np.diag([1.0, 0.0, 4.0]), np.ones((2, 2)), np.zeros((2, 2)),
              np.array([[2.0, 1.0], [0.0, 2.0]]), 1e150 * of_size(3), 1e-150 * of_size(3)):
        if dtype == "float64":      # defective, singular, large and small ones
            root = root_of(x)
            np.testing.assert_allclose(root @ root, x, atol=1e-14 * np.abs(x).max())


def test_logarithms_far_from_one() -> None:
    a = at.dmatrix("a")
    f, g = gradc.function([a], linalg.logm(a)), gradc.function([a], linalg.logm(a), mode="interpret")
    for x in (np.array([[1e-8, 5.0], [0.0, 1e8]]), np.array([[np.cos(3.1), -np.sin(3.1)], [np.sin(3.1), np.cos(3.1)]]),
              1e120 * of_size(4)):
        want = scipy.linalg.logm(x)
        for run in (f, g):
            np.testing.assert_allclose(run(x), want, atol=1e-12 * np.abs(want).max())


@pytest.mark.parametrize("build", [
    lambda a: at.sin(linalg.sqrtm(a)).sum(), lambda a: at.sin(linalg.logm(a)).sum(),
    lambda a: at.abs(at.sin(linalg.eig(a)[0]) + linalg.eig(a)[1][0] * 3j).sum(),
    lambda a: (linalg.eig(a)[1].real ** 3 + linalg.eig(a)[1].imag * at.arange(3)).sum(),
], ids=["sqrtm", "logm", "eig", "vectors"])
def test_second_derivatives(build: Any) -> None:
    """Reverse over reverse, forward, and forward over reverse, against differences of gradients."""
    a, v = at.dmatrix("a"), at.dmatrix("v")
    cost = build(a)
    slope = grad(cost, a)
    f = gradc.function([a, v], [cost, slope, grad((slope * v).sum(), a), Rop(cost, a, v), Rop(slope, a, v)])
    x, move, h = np.array([[2.0, 1.0, 0.3], [-1.2, 2.5, 0.4], [0.2, -0.3, 4.0]]), RNG.normal(size=(3, 3)), 1e-5
    _, slopes, reverse, forward, mixed = f(x, move)
    up, down = f(x + h * move, move), f(x - h * move, move)
    np.testing.assert_allclose(forward, (up[0] - down[0]) / (2 * h), rtol=1e-7)
    np.testing.assert_allclose((slopes * move).sum(), forward, rtol=1e-11)
    for got in (reverse, mixed):
        np.testing.assert_allclose(got, (up[1] - down[1]) / (2 * h), rtol=1e-5, atol=1e-6)


def test_what_has_no_derivative_or_other_form() -> None:
    a = at.dmatrix("a")
    with pytest.raises(NotDifferentiableError, match="schur has no derivative"):
        grad(linalg.schur(a)[0].sum(), a)
    with pytest.raises(TypeMismatchError, match="schur: output is one of 'real', 'r', 'complex', 'c', got 'rc'"):
        linalg.schur(a, "rc")
    f = gradc.function([a], grad(linalg.eig(a)[1].real.sum(), a))
    assert not np.isfinite(f(2 * np.eye(3))).all()
    by_values = gradc.function([a], grad(linalg.eigvals(a).real.sum(), a))
    np.testing.assert_allclose(by_values(np.array([[1.0, 2.0], [-3.0, 1.5]])), np.eye(2), atol=1e-14)


# ------------------------------------------------------------------------------------------- complex matrices


def complex_sample(n: int) -> np.ndarray:
    return RNG.normal(size=(n, n)) + 1j * RNG.normal(size=(n, n))


def test_errors_of_complex_matrices() -> None:
    z = at.zmatrix("z")
    for run, value, words in ((linalg.sqrtm, np.eye(2, k=1), "sqrtm: the matrix is singular, and there is no result"),
                              (linalg.logm, np.diag([1, 0]), "logm: the matrix is singular, and there is no result"),
                              (linalg.eigvals, np.full((2, 2), np.nan), "eig: the matrix has nan or inf"),
                              (lambda z: linalg.schur(z)[0], np.full((2, 2), np.inf), "schur: the matrix has nan")):
        for mode in (None, "interpret"):
            with pytest.raises(LinAlgError, match=words):
                gradc.function([z], run(z), mode=mode)(value + 0j)



@pytest.mark.parametrize("mode", [None, "interpret"], ids=["C", "interpreted"])
@pytest.mark.parametrize("dtype", ["complex128", "complex64"])
def test_eigenvalues_schur_form_root_and_logarithm(mode: Any, dtype: str) -> None:
    z = at.matrix("z", dtype=dtype)
    f = gradc.function([z], [linalg.sqrtm(z), linalg.logm(z), *linalg.eig(z), *linalg.schur(z)], mode=mode)
    for n in (0, 1, 2, 5, 33):
        x = complex_sample(n).astype(dtype)
        found = f(x)
        assert {y.dtype for y in found} == {np.dtype(dtype)}
        wide, (root, log, values, vectors, t, u) = x.astype("complex128"), found
        size = np.abs(vectors)
        for got, want in ((root @ root, wide), (scipy.linalg.expm(log), wide), (x @ vectors, vectors * values),
                          (u @ t @ u.conj().T, x), (u.conj().T @ u, np.eye(n)), (np.tril(t, -1), 0 * t)):
            np.testing.assert_allclose(got, want, atol=500 * n * np.finfo(dtype).eps * np.abs(wide).max(initial=1))
        if n:
            chosen = np.take_along_axis(vectors, np.argmax(size >= 0.6 * size.max(0), 0)[None], 0)
            np.testing.assert_allclose(chosen.imag, 0, atol=n * np.finfo(dtype).eps)
            assert (chosen.real > 0).all()


@pytest.mark.parametrize("mode", [None, "interpret"], ids=["C", "interpreted"])
def test_roots_and_logarithms_on_the_cut_are_above_the_real_axis(mode: Any) -> None:
    """Of real matrices whose result is complex, as SciPy's; whatever the sign of the imaginary 0."""
    a, b = at.dmatrix("a"), at.zmatrix("b")
    z = at.complex(a, at.zeros_like(a))
    f = gradc.function([a], [linalg.sqrtm(z), linalg.logm(z), *linalg.schur(a, "complex")], mode=mode)
    g = gradc.function([b], [linalg.sqrtm(b), linalg.logm(b)], mode=mode)
    for x in (-np.eye(3), np.diag([-1.0, -4, 2]), np.array([[1.0, 3], [3, 1]]), np.array([[0.0, -1], [1, 0]])):
        wide, (root, log, t, u) = x + 0j, f(x)
        np.testing.assert_allclose(root, scipy.linalg.sqrtm(wide), atol=1e-14)
        np.testing.assert_allclose(log, scipy.linalg.logm(wide), atol=1e-13)
        np.testing.assert_allclose(u @ t @ u.conj().T, x, atol=1e-14)
        assert not np.tril(t, -1).any()
        below = np.conj(wide)
        for got, want in zip(g(below), (root, log)):
            np.testing.assert_allclose(got, want, atol=1e-13)


@pytest.mark.parametrize("name", ["sqrtm", "logm", "eigvals", "vectors", "hermitian"])
def test_derivatives_along_both_parts(name: str) -> None:
    """Of first and second order, in both modes, against differences."""
    z, d, rng = at.zmatrix("z"), at.zmatrix("d"), np.random.default_rng(4)
    y = {"sqrtm": linalg.sqrtm, "logm": linalg.logm, "eigvals": linalg.eigvals, "vectors": lambda z: linalg.eig(z)[1],
         "hermitian": lambda z: linalg.sqrtm(z, hermitian=True)}[name](z)
    weights = (rng.normal(size=(3, 3)) + 1j * rng.normal(size=(3, 3)))[0 if y.ndim == 1 else slice(None)]
    cost = (at.real(y * weights) ** 2).sum()
    slope = grad(cost, z)
    f = gradc.function([z, d], [cost, slope, grad(at.real(slope * at.conj(d)).sum(), z), Rop(cost, z, d),
                                Rop(slope, z, d)])
    half = complex_sample(3)
    x, h = half @ half.conj().T + np.diag([0, 1, 2]) if name == "hermitian" else complex_sample(3), 1e-6
    for move in (rng.normal(size=(3, 3)), 1j * rng.normal(size=(3, 3))):
        _, slopes, reverse, forward, mixed = f(x, move + 0j)
        up, down = f(x + h * move, move + 0j), f(x - h * move, move + 0j)
        np.testing.assert_allclose(forward, (up[0] - down[0]) / (2 * h), rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose((slopes.conj() * move).sum().real, forward, rtol=1e-10, atol=1e-12)
        want = (up[1] - down[1]) / (2 * h)
        for got in (reverse, mixed):
            np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6 * np.abs(want).max())
