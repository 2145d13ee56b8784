"""Linear algebra, order and products of complex numbers in C: by LAPACK and by loops, errors, what is degenerate.

Values and derivatives of every function: test_cases_complex.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import scipy.linalg

import gradc
import gradc.tensor as at
from gradc.errors import LinAlgError, TypeMismatchError
from gradc.gradient import Rop, grad
from gradc.tensor import linalg

Z, W, P = at.zmatrix("z"), at.zmatrix("w"), at.zmatrix("p")


def sample(*shape: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


def positive(n: int) -> np.ndarray:
    z = sample(n, n, seed=1)
    return z @ z.conj().T + np.eye(n)


@pytest.fixture(params=["auto", "fallback"], scope="module")
def library(request: pytest.FixtureRequest) -> Iterator[str]:
    with gradc.config.change_flags(blas=request.param):
        yield request.param


def adjoint(x: Any) -> Any:
    return at.conj(x.mT)


def results() -> dict[str, tuple[Any, Any]]:
    """What is computed of z (n, n), w (n, 2) and the positive definite p, and its value."""
    factor, (q, r), (unit, d, _) = linalg.cholesky(P), linalg.qr(W), linalg.ldl(Z + adjoint(Z))
    values, vectors = linalg.eigh(Z + adjoint(Z))
    u, s, v = linalg.svd(W, full_matrices=False)
    sign, log = linalg.slogdet(Z)
    low = np.tril
    return {
        "cholesky": (factor, lambda z, w, p: np.linalg.cholesky(p)),
        "upper": (linalg.cholesky(P, lower=False), lambda z, w, p: scipy.linalg.cholesky(p)),
        "cho_solve": (linalg.cho_solve((factor, True), W), lambda z, w, p: np.linalg.solve(p, w)),
        "pos": (linalg.solve(P, W, assume_a="pos"), lambda z, w, p: np.linalg.solve(p, w)),
        "triangular": (linalg.solve_triangular(P, W, "C", lower=True),
                       lambda z, w, p: np.linalg.solve(low(p).conj().T, w)),
        "solve": (linalg.solve(Z, W), lambda z, w, p: np.linalg.solve(z, w)),
        "adjoint": (linalg.lu_solve(linalg.lu_factor(Z), W, "C"), lambda z, w, p: np.linalg.solve(z.conj().T, w)),
        "inv": (linalg.inv(Z), lambda z, w, p: np.linalg.inv(z)),
        "sign": (sign, lambda z, w, p: np.linalg.slogdet(z)[0]),
        "log": (log, lambda z, w, p: np.linalg.slogdet(z)[1]),
        "qr": (q @ r, lambda z, w, p: w), "q": (q, lambda z, w, p: np.linalg.qr(w)[0]),
        "ldl": (unit @ d @ adjoint(unit), lambda z, w, p: z + z.conj().T),
        "eigvalsh": (linalg.eigvalsh(Z, lower=False), lambda z, w, p: np.linalg.eigvalsh(z, "U")),
        "eigh": (vectors * values @ adjoint(vectors), lambda z, w, p: z + z.conj().T),
        "unitary": (adjoint(vectors) @ vectors, lambda z, w, p: np.eye(len(z))),
        "svd": (u * s @ v, lambda z, w, p: w), "pinv": (linalg.pinv(W), lambda z, w, p: np.linalg.pinv(w)),
        "expm": (linalg.expm(Z / 10), lambda z, w, p: scipy.linalg.expm(z / 10)),
        "sylvester": (linalg.solve_sylvester(Z, P[:2, :2], W),
                      lambda z, w, p: scipy.linalg.solve_sylvester(z, p[:2, :2], w)),
        "banded": (linalg.solve_banded((1, 1), Z[:3] + [[0], [9], [0]], W),
                   lambda z, w, p: scipy.linalg.solve_banded((1, 1), z[:3] + [[0], [9], [0]], w)),
        "dot": (adjoint(Z) @ W, lambda z, w, p: z.conj().T @ w),
        "both": (W.mT @ adjoint(Z), lambda z, w, p: w.T @ z.conj().T),
    }


def test_small_and_large_matrices(library: str) -> None:
    """Loops, and LAPACK where there is one; with the gradient of a sum of all."""
    wanted = results()
    outputs = [y for y, _ in wanted.values()]
    f = gradc.function([Z, W, P], outputs)
    assert f.info["mode"] == "c"
    for n in (3, 30):
        given = sample(n, n), sample(n, 2, seed=2), positive(n)
        for (name, (_, want)), y in zip(wanted.items(), f(*given)):
            np.testing.assert_allclose(y, want(*given), rtol=1e-8, atol=1e-9 * n, err_msg=f"{name}, {n}")


@pytest.mark.nightly
def test_gradients_in_c_are_the_interpreters(library: str) -> None:
    cost = sum((at.real(y) * 0.5 + at.imag(y) ** 2).sum() for y, _ in results().values() if y.dtype == "complex128")
    f, g = [gradc.function([Z, W, P], grad(cost, [Z, W, P]), mode=mode) for mode in (None, "interpret")]
    for n in (3, 30):
        given = sample(n, n), sample(n, 2, seed=2), positive(n)
        for y, want in zip(f(*given), g(*given)):
            np.testing.assert_allclose(y, want, rtol=1e-6, atol=1e-9 * np.abs(want).max())


def test_the_log_density_of_a_complex_normal_distribution() -> None:
    """-log det p - w^H p^-1 w; its gradients by w and p are known."""
    w = at.zvector("w")
    factor = linalg.cholesky(P)
    half = linalg.solve_triangular(factor, w, lower=True)
    log = -2 * at.log(at.real(at.diag(factor))).sum() - at.real(half * at.conj(half)).sum()
    f = gradc.function([w, P], [log, *grad(log, [w, P])])
    n = 5
    p, x = positive(n), sample(n, seed=3)
    inverse = np.linalg.inv(p)
    value, by_w, by_p = f(x, p)
    y = inverse @ x
    np.testing.assert_allclose(value, -np.linalg.slogdet(p)[1] - (x.conj() @ y).real, rtol=1e-12)
    np.testing.assert_allclose(by_w, -2 * y, rtol=1e-12)
    whole = np.outer(y, y.conj()) - inverse                # of a Hermitian matrix; the lower triangle is read
    np.testing.assert_allclose(by_p, 2 * np.tril(whole, -1) + np.diag(np.diag(whole).real), rtol=1e-11)


def test_free_phases_are_chosen() -> None:
    """An element of each vector is real and positive, whatever the library gives."""
    _, vectors = linalg.eigh(Z + adjoint(Z))
    u, _, _ = linalg.svd(W, full_matrices=False)
    f = gradc.function([Z, W], [vectors, u])
    for n in (4, 20):
        for x in f(sample(n, n), sample(n, 3)):
            size = np.abs(x)
            chosen = np.take_along_axis(x, np.argmax(size >= 0.6 * size.max(0), 0)[None], 0)
            np.testing.assert_allclose(chosen.imag, 0, atol=1e-15)
            assert (chosen.real > 0).all()


def test_errors_name_the_matrix() -> None:
    stack = at.TensorType("complex128", (None, None, None))("s")
    bad = np.stack([positive(3), positive(3)])
    for run, value, words in ((linalg.cholesky, -1, r"not positive definite, at index \[1\]"),
                              (linalg.inv, 0, r"singular, pivot 0 .* at index \[1\]"),
                              (linalg.eigvalsh, np.nan, r"eigvalsh: the matrix has nan or inf.* at index \[1\]"),
                              (linalg.svdvals, complex(0, np.inf), r"svd: .*at index \[1\]"),
                              (linalg.expm, complex(0, np.nan), r"expm: .*at index \[1\]")):
        given = bad.copy()
        given[1] = np.full((3, 3), value) if value != -1 else -given[1]
        for mode in (None, "interpret") if run in (linalg.cholesky, linalg.svdvals) else ("interpret",):
            with pytest.raises(LinAlgError, match=words):
                gradc.function([stack], run(stack), mode=mode)(given)
    with pytest.raises(LinAlgError, match="solve_discrete_are: r is singular"):
        gradc.function([Z], linalg.solve_discrete_are(Z, Z, Z, 0 * Z))(positive(2))
    with pytest.raises(TypeMismatchError, match="ldl takes complex matrices that are Hermitian, got hermitian=False"):
        linalg.ldl(Z, hermitian=False)


def test_sizes_0_and_1_and_deficient_rank() -> None:
    f = gradc.function([Z], [linalg.eigvalsh(Z), linalg.det(Z), linalg.pinv(Z), linalg.svdvals(Z),
                             grad(linalg.eigvalsh(Z).sum(), Z)])
    for n in (0, 1, 3):
        z = np.ones((n, n)) * (1 + 1j)
        values, det, inverse, singular, slope = f(z)
        np.testing.assert_allclose(values, np.linalg.eigvalsh(z), atol=1e-14)
        np.testing.assert_allclose(det, np.linalg.det(z), atol=1e-14)
        np.testing.assert_allclose(inverse, np.linalg.pinv(z), atol=1e-14)
        np.testing.assert_allclose(singular, [2 ** 0.5 * n, 0, 0][:n], atol=1e-14)
        np.testing.assert_allclose(slope, np.eye(n), atol=1e-14)       # the trace, though values are equal


def test_products_are_calls_of_the_library() -> None:
    """Conjugates and transposes of inputs are flags: nothing is copied."""
    f = gradc.function([Z, W], [Z @ W, adjoint(Z) @ W, Z.mT @ adjoint(W), at.einsum("ij,jk->ki", Z, W)])
    text = f.c_source()
    assert text.count("GRADC_PRODUCT_C128]") == 3 and "{2, 0," in text and "{1, 2," in text
    z, w = sample(20, 20), sample(20, 20, seed=4)
    for y, want in zip(f(z, w), (z @ w, z.conj().T @ w, z.T @ w.conj().T, (z @ w).T)):
        np.testing.assert_allclose(y, want, rtol=1e-12)
    one = at.TensorType("complex128", (1, None, None))("one")         # a batch of static size 1
    np.testing.assert_allclose(gradc.function([one, W], at.conj(one).mT @ W)(z[None], w), [z.conj().T @ w], rtol=1e-12)
    small = gradc.function([], at.constant(z[:2, :2]) @ at.constant(w[:2, :2]) + at.as_tensor_variable(1j))
    np.testing.assert_allclose(small(), z[:2, :2] @ w[:2, :2] + 1j, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["complex128", pytest.param("complex64", marks=pytest.mark.nightly)])
def test_order_is_numpys(dtype: str) -> None:
    """By real part, imaginary part, and where nan is; equal elements keep their order."""
    rng = np.random.default_rng(5)
    z = (rng.integers(-2, 3, 60) + 1j * rng.integers(-2, 3, 60)).astype(dtype)
    z[::7], z[3::11], z[5::13] = complex(np.nan, 1), complex(1, np.nan), complex(np.nan, np.nan)
    z[0] = complex(-0.0, 0.0)
    x = at.TensorType(dtype, (None,))("x")
    f = gradc.function([x], [at.sort(x), at.argsort(x), at.unique(x), at.searchsorted(at.sort(x), x, "right"),
                             at.partition(x, 10)[10], at.median(x[1:6]), at.topk(x[1:6], 2)])
    assert f.info["mode"] == "c"
    some = z[1:6]
    for y, want in zip(f(z), (np.sort(z), np.argsort(z, kind="stable"), np.unique(z),
                              np.searchsorted(np.sort(z), z, "right"), np.sort(z)[10], np.median(some),
                              np.sort(some)[:-3:-1])):
        np.testing.assert_array_equal(y, want)
        assert y.dtype == np.asarray(want).dtype


@pytest.mark.parametrize("mode", [None, "interpret"], ids=["C", "interpreted"])
def test_riccati_s_equation(mode: Any) -> None:
    """SciPy's solution; derivatives of first and second order against differences along a direction."""
    v, d = [at.zmatrix(k) for k in "abqr"], [at.zmatrix(f"d{k}") for k in "abqr"]
    x = linalg.solve_discrete_are(*v)
    cost = (at.real(x * at.constant(sample(3, 3, seed=9))) ** 2).sum()
    slopes = grad(cost, v)
    along = sum(at.real(g * at.conj(e)).sum() for g, e in zip(slopes, d))
    f = gradc.function([*v, *d], [x, cost, sum(Rop(cost, p, e) for p, e in zip(v, d)), along, *slopes,
                                  *grad(along, v)], mode=mode)
    point = [sample(3, 3) / 2, sample(3, 2), positive(3), positive(2)]
    moves, h = [sample(*p.shape, seed=7) for p in point], 1e-6
    made, _, forward, reverse, *found = f(*point, *moves)
    np.testing.assert_allclose(made, scipy.linalg.solve_discrete_are(*point), rtol=1e-10)
    up, down = [f(*[p + step * m for p, m in zip(point, moves)], *moves) for step in (h, -h)]
    np.testing.assert_allclose([forward, reverse], (up[1] - down[1]) / (2 * h), rtol=1e-6)
    for got, one, other in zip(found[4:], up[4:], down[4:]):
        want = (one - other) / (2 * h)
        np.testing.assert_allclose(got, want, atol=1e-6 * np.abs(want).max())
