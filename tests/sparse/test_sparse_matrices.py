"""Sparse variables as inputs, results and shared variables; derivatives of higher order; dtypes; what is refused."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

import gradc
import gradc.sparse as sparse
import gradc.tensor as at
from gradc.errors import (
    BadArgumentError,
    BadValueError,
    GraphError,
    IndexOutOfBoundsError,
    ShapeError,
    TypeMismatchError,
    UnusedInputError,
)
from gradc.ir import dtypes
from gradc.sparse import values

INTERPRET = gradc.Mode("interpret", None)


def matrix(shape: tuple[int, int] = (6, 5), format: str = "csr", seed: int = 0, density: float = 0.4) -> Any:
    rng = np.random.default_rng(seed)
    return sp.csr_matrix(rng.normal(size=shape) * (rng.uniform(size=shape) < density)).asformat(format)


A, Y, U = matrix(), np.random.default_rng(1).normal(size=(5, 3)), np.random.default_rng(2).normal(size=(6, 3))


@pytest.fixture(scope="module")
def product() -> Any:
    """The product with a dense matrix, and the gradients of its square."""
    x, y = sparse.csr_matrix("x"), at.dmatrix("y")
    return gradc.function([x, y], [sparse.dot(x, y), *gradc.grad((sparse.dot(x, y) ** 2).sum(), [x, y])])


def check(found: list[Any], a: Any, y: np.ndarray) -> None:
    want = a @ y
    np.testing.assert_allclose(found[0], want, rtol=1e-12, atol=1e-14)
    pattern = a.copy()
    pattern.data = np.ones(len(a.data))
    pattern.sum_duplicates()
    pattern.data[:] = 1
    assert sp.issparse(found[1]) and found[1].format == "csr" and found[1].shape == a.shape
    np.testing.assert_allclose(found[1].toarray(), pattern.toarray() * (2 * want @ y.T), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(found[2], 2 * a.T @ want, rtol=1e-12, atol=1e-14)


# ------------------------------------------------------------------------------------------- arguments and results


def test_matrices_by_position_and_by_name(product: Any) -> None:
    check(product(A, Y), A, Y)
    check(product(x=A, y=Y), A, Y)
    check(product(A, y=Y), A, Y)
    check(product(sp.csr_array(A), Y), A, Y)


def test_tuples_of_arrays_with_indices_of_any_width(product: Any) -> None:
    for dtype in ("int32", "int64", "uint32"):
        arrays = A.data, A.indices.astype(dtype), A.indptr.astype(dtype)
        check(product((*arrays, A.shape), Y), A, Y)
        check(product((arrays, A.shape), Y), A, Y)


@pytest.mark.parametrize("wrap", [lambda m: m, lambda m: (m.data, m.indices, m.indptr, m.shape)])
def test_unsorted_and_duplicate_indices(product: Any, wrap: Any) -> None:
    """As SciPy: those of one place are added; the argument is left as it is."""
    data, row, column = [1.0, 2.0, -4.0, 3.0, 5.0], [0, 0, 0, 4, 4], [3, 1, 3, 2, 0]
    messy = sp.csr_matrix((6, 5))
    messy.data, messy.indices = np.array(data), np.array(column, np.int32)
    messy.indptr = np.append(0, np.bincount(row, minlength=6).cumsum()).astype(np.int32)
    messy = sp.csr_matrix((messy.data, messy.indices, messy.indptr), (6, 5))
    clean = messy.copy()
    clean.sum_duplicates()
    found = product(wrap(messy), Y)
    check(found, clean, Y)
    assert list(messy.indices) == column and list(messy.data) == data
    assert sparse.sqr(sparse.csr_matrix("x", shape=(6, 5))).canonical
    x = sparse.csr_matrix("x")
    f = gradc.function([x], sparse.sqr(x), mode=INTERPRET)
    np.testing.assert_allclose(f(wrap(messy)).toarray(), clean.power(2).toarray())
    parts = at.dvector(), at.lvector(), at.ivector()        # what is made of vectors is put in order where it matters
    made = sparse.sqr(sparse.CSR(*parts, (6, 5)))
    for mode in ("c", INTERPRET):
        g = gradc.function(list(parts), [made, gradc.grad(made.sum(), parts[0])], mode=mode)
        square, slope = g(messy.data, messy.indices.astype(np.int64), messy.indptr)
        np.testing.assert_allclose(square.toarray(), clean.power(2).toarray())
        np.testing.assert_allclose(slope, [-6, 4, -6, 6, 10])


@pytest.mark.parametrize("shape", [(6, 5), (0, 5), (6, 0), (0, 0)])
def test_empty_rows_and_matrices(product: Any, shape: tuple[int, int]) -> None:
    empty, y = sp.csr_matrix(shape), np.ones((shape[1], 3))
    check(product(empty, y), empty, y)
    x = sparse.csc_matrix("x")
    made = [x.sum(0), x.sum(1), x.toarray(), (x + x).toarray(), (x * x).toarray(), (x @ x.T).toarray(),
            x.tocsr().toarray(), sparse.diag(x), sparse.sin(x).toarray(), sparse.vstack([x, x]).toarray()]
    zeros = np.zeros(shape)
    want = [zeros.sum(0), zeros.sum(1), zeros, zeros, zeros, zeros @ zeros.T, zeros, np.zeros(min(shape)), zeros,
            np.vstack([zeros, zeros])]
    for got, right in zip(gradc.function([x], made, mode=INTERPRET)(empty.tocsc()), want):
        np.testing.assert_array_equal(got, right)
        assert got.shape == right.shape


def test_results_in_lists_and_dicts_and_alone() -> None:
    x = sparse.csr_matrix("x", shape=(6, 5))
    assert isinstance(gradc.function([x], x * 2, mode=INTERPRET)(A), sp.csr_matrix)
    found = gradc.function([x], {"s": x.T, "d": x.toarray()}, mode=INTERPRET)(A)
    assert found["s"].format == "csc" and found["s"].shape == (5, 6) and found["s"].has_canonical_format
    np.testing.assert_array_equal(found["d"], A.toarray())
    np.testing.assert_array_equal((x * 2).eval({x: A}).toarray(), 2 * A.toarray())


def test_functions_are_copied_and_saved(product: Any) -> None:
    for again in (product.copy(), copy.deepcopy(product), pickle.loads(pickle.dumps(product))):
        check(again(A, Y), A, Y)
    assert product.info["mode"] == "c" and "csr_dot" in product.c_source()
    with pytest.raises(GraphError, match="bind"):
        product.bind(A, Y)


def test_without_scipy_results_are_tuples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values, "scipy_module", lambda name: None)
    x = sparse.csr_matrix("x")
    found = gradc.function([x], x * 2, mode=INTERPRET)((A.data, A.indices, A.indptr, A.shape))
    assert type(found) is values.CompressedArrays and found.shape == A.shape
    np.testing.assert_array_equal(found.data, 2 * A.data)
    np.testing.assert_array_equal(found.indptr, A.indptr)


def test_shared_matrices_updates_and_givens() -> None:
    w, y, x = sparse.shared(A, "w"), at.dmatrix("y"), sparse.csr_matrix("x")
    step = gradc.function([y], sparse.dot(w, y), updates={w: w * 2})
    np.testing.assert_allclose(step(Y), A @ Y)
    np.testing.assert_allclose(step(Y), 2 * (A @ Y))
    np.testing.assert_allclose(w.get_value().toarray(), 4 * A.toarray())
    w.set_value(matrix((2, 5), seed=3))
    np.testing.assert_allclose(step(Y), matrix((2, 5), seed=3) @ Y)
    given = gradc.function([y], sparse.dot(x, y), givens={x: w}, mode=INTERPRET)
    np.testing.assert_allclose(given(Y), 2 * matrix((2, 5), seed=3) @ Y)
    grown = gradc.function([], [], updates={w: sparse.vstack([w, w])}, mode=INTERPRET)
    grown()
    assert w.get_value().shape == (4, 5)
    with pytest.raises(BadArgumentError, match="csc"):
        w.set_value(A.tocsc())


def test_constants_and_dense_operands() -> None:
    y = at.dmatrix("y")
    for made, want in ((A @ sparse.as_sparse_variable(A.T), (A @ A.T).toarray()),
                       (sparse.dot(A, Y), A @ Y), (U.T @ sparse.as_sparse(A), U.T @ A)):
        made = made.toarray() if isinstance(made, sparse.SparseVariable) else made
        np.testing.assert_allclose(made.eval(mode=INTERPRET), want)
    x = sparse.csr_matrix("x")
    for made, want in ((y.T @ x.T, (A @ Y).T), (y.T.dot(Y) + y.T @ x.T @ x @ Y, Y.T @ Y + (A @ Y).T @ A @ Y)):
        np.testing.assert_allclose(gradc.function([x, y], made, mode=INTERPRET)(A, Y), want)


# ------------------------------------------------------------------------------------------- derivatives


def test_second_derivatives_and_forward_mode() -> None:
    """Of sum sin(A y) u, against complex steps of the gradient in NumPy."""
    x, y, u, v = sparse.csr_matrix("x"), at.dmatrix("y"), at.dmatrix("u"), at.dvector("v")
    z = at.dmatrix("z")
    rows, columns = np.repeat(np.arange(6), np.diff(A.indptr)), A.indices

    def slopes(data: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        a = sp.csr_matrix((data, A.indices, A.indptr), A.shape)
        g = np.cos(a @ y) * U
        return (g[rows] * y[columns]).sum(1), a.T @ g

    product = at.sin(sparse.dot(x, y))
    cost = (product * u).sum()
    by_x, by_y = gradc.grad(cost, [x, y])
    moved = gradc.grad((by_x.data * v).sum() + (by_y * z).sum(), [x, y])
    point, direction = np.random.default_rng(4).normal(size=A.nnz), np.random.default_rng(5).normal(size=Y.shape)
    step = 1e-30
    want = [part.imag / step for part in slopes(A.data + 1j * step * point, Y + 1j * step * direction)]
    forward = gradc.Rop([by_x.data, by_y, product], [x, y], [v, z])
    f = gradc.function([x, y, u, v, z], [moved[0].data, moved[1], *forward])
    *found, tangent = f(A, Y, U, point, direction)
    for got, right in zip(found, [*want, *want]):
        np.testing.assert_allclose(got, right, rtol=1e-12, atol=1e-13)
    moving = sp.csr_matrix((A.data + 1j * step * point, A.indices, A.indptr), A.shape)
    np.testing.assert_allclose(tangent, np.sin(moving @ (Y + 1j * step * direction)).imag / step, rtol=1e-12)


def test_loops_and_vectorized_products() -> None:
    """A power iteration as a scan, with its gradient; products for each of several vectors of entries."""
    x, v = sparse.csr_matrix("x"), at.dvector("v")
    q = matrix((5, 5), seed=6, density=0.8)
    rows, _ = gradc.scan(lambda v: at.tanh(x @ v), outputs_info=v, n_steps=3)
    by_x, by_v = gradc.grad(rows[-1].sum(), [x, v])
    f = gradc.function([x, v], [rows[-1], by_x, by_v])

    def run(data: np.ndarray, v: np.ndarray) -> np.ndarray:
        for _ in range(3):
            v = np.tanh(sp.csr_matrix((data, q.indices, q.indptr), q.shape) @ v)
        return v

    start = np.linspace(-1, 1, 5)
    value, slope_x, slope_v = f(q, start)
    np.testing.assert_allclose(value, run(q.data, start), rtol=1e-12)
    np.testing.assert_allclose(slope_x.data, [run(q.data + 1e-30j * e, start).sum().imag * 1e30
                                              for e in np.eye(q.nnz)], rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(slope_v, [run(q.data, start + 1e-30j * e).sum().imag * 1e30 for e in np.eye(5)],
                               rtol=1e-11, atol=1e-14)
    data = at.dmatrix("data")
    several = gradc.vectorize(lambda d: x.with_data(d) @ v)(data)
    found = gradc.function([data, x, v], several)(np.stack([q.data, 2 * q.data]), q, start)
    np.testing.assert_allclose(found, [q @ start, 2 * q @ start], rtol=1e-12)


def test_sparse_derivatives_are_sparse_variables() -> None:
    x = at.dvector("x")
    made = gradc.gradient.hessian(((x[1:] - x[:-1] ** 2) ** 2).sum(), x, sparse=True)
    found, product = gradc.function([x], [made, made @ x])([1.0, 2.0, 3.0])
    assert isinstance(found, sp.csr_matrix) and found.shape == (3, 3)
    want = np.array([[12 - 8 + 0.0, -4, 0], [-4, 2 + 48 - 12, -8], [0, -8, 2]])
    np.testing.assert_allclose(found.toarray(), want)
    np.testing.assert_allclose(product, want @ [1, 2, 3])


# ------------------------------------------------------------------------------------------- dtypes


@pytest.mark.parametrize("dtype", dtypes.DISCRETE + dtypes.WIDE)
def test_every_dtype(dtype: str) -> None:
    """Products as SciPy's, integers wrap; in C and in the interpreter."""
    rng = np.random.default_rng(8)
    a = sp.csr_matrix((rng.integers(0, 2, 12).astype(dtype) if dtype == "bool" else rng.integers(
        0, 100, 12).astype(dtype), rng.integers(0, 5, 12), [0, 3, 3, 8, 12]), (4, 5))
    a.sum_duplicates()
    y = rng.integers(0, 100, (5, 11)).astype(dtype)
    x, v, w = sparse.csr_matrix("x", dtype), at.TensorType(dtype, (None, None))("y"), at.TensorType(dtype, (None,))("w")
    made = [x @ v, x.T @ x.toarray(), x @ w, sparse.sampling_dot(x.toarray(), v[:, :5], x)]
    want = [a @ y, a.T @ a.toarray(), a @ y[:, 0]]
    for mode in ("c", INTERPRET) if dtype in ("bool", "int16", "float32") else (INTERPRET,):
        found = gradc.function([x, v, w], made, mode=mode)(a, y, y[:, 0])
        for got, right in zip(found, want):
            assert got.dtype == dtype == right.dtype
            np.testing.assert_array_equal(got, right)
        np.testing.assert_array_equal(found[3].toarray(), a.toarray() * (a.toarray() @ y[:, :5].T))
    if dtype != "bool":
        total = gradc.function([x], x.sum(1), mode=INTERPRET)(a)
        np.testing.assert_array_equal(total, np.asarray(a.sum(1))[:, 0])


def test_common_dtypes() -> None:
    x, y = sparse.csr_fmatrix("x"), at.dvector("y")
    assert (x @ y).dtype == (x @ at.ivector()).dtype == "float64" and (x @ at.fvector()).dtype == "float32"
    assert (x + sparse.csc_dmatrix()).dtype == "float64" and sparse.fcast(sparse.csr_dmatrix()).dtype == "float32"
    with pytest.raises(TypeMismatchError, match="complex"):
        sparse.csr_matrix("x", "complex128")
    with pytest.raises(TypeMismatchError, match="real"):
        x @ at.zvector()


# ------------------------------------------------------------------------------------------- what is refused


def test_values_that_are_no_matrix_of_the_kind(product: Any) -> None:
    data, indices, indptr, shape = A.data, A.indices, A.indptr, A.shape
    for given, error, text in (
            (A.tocsc(), BadArgumentError, r'"x".*expected a csr matrix, got a csc one'),
            (A.toarray(), BadArgumentError, "expected a sparse matrix"),
            ((data, indices, indptr[:-1], shape), ShapeError, "7 elements in indptr, got 6"),
            ((data[:-1], indices, indptr, shape), ShapeError, "one length"),
            ((data, indices, indptr + 1, shape), BadValueError, "from 0 to the number"),
            ((data, indices, indptr[[0, 2, 1, 3, 4, 5, 6]], shape), BadValueError, "must not descend"),
            ((data, indices.astype(float), indptr, shape), BadArgumentError, "vector of integers"),
            ((data, indices.astype(np.int64) + 2 ** 40, indptr, shape), IndexOutOfBoundsError, r"below 2\*\*31"),
            ((data, indices, indptr, (6,)), ShapeError, "two sizes"),
            ((data.astype(complex), indices, indptr, shape), BadArgumentError, "real numbers"),
            ((data, indices, indptr, (6, 4)), ShapeError, "4 columns is multiplied by 5 rows")):
        with pytest.raises(error, match=text):
            product(given, Y)
    with pytest.raises(BadArgumentError, match=r'"x".*is missing'):
        product(y=Y)
    with pytest.raises(BadArgumentError, match="twice"):
        product(A, Y, x=A)
    fixed = sparse.csr_matrix("x", shape=(6, 4))
    with pytest.raises(ShapeError, match="4 columns"):
        gradc.function([fixed], fixed.data, mode=INTERPRET)(A)


@pytest.mark.parametrize("bad", [5, -1, 2 ** 31 - 1])
@pytest.mark.parametrize("mode", ["c", "interpret"])
def test_indices_out_of_bounds_are_named_and_nothing_is_written(bad: int, mode: str) -> None:
    x, y, total = sparse.csr_matrix("x"), at.dmatrix("y"), gradc.shared(np.zeros((6, 3)), "total")
    wrong = A.indices.copy()
    wrong[4] = bad
    given = (A.data, wrong, A.indptr, A.shape)
    f = gradc.function([x, y], [], updates={total: total + sparse.dot(x, y)}, mode=mode)
    with pytest.raises(IndexOutOfBoundsError, match=f"index {bad} is out of bounds for size 5"):
        f(given, Y)
    np.testing.assert_array_equal(total.get_value(), 0)
    made = [x.T @ at.ones((6, 2)), x.toarray(), (x + x).data, (x @ x.T).data, sparse.mul(x, at.ones((6, 5))).data,
            x.tocsc().data, gradc.grad(((x @ y) ** 2).sum(), x).data]
    for one in made if bad == 5 and mode == "interpret" else made[:1]:
        with pytest.raises(IndexOutOfBoundsError, match="out of bounds"):
            gradc.function([x, y], one, mode=mode, on_unused_input="ignore")(given, Y)


def test_pointers_of_vectors_are_checked() -> None:
    data, indices, indptr, y = at.dvector("d"), at.lvector("i"), at.ivector("p"), at.dvector("y")
    x = sparse.CSR(data, indices, indptr, (6, 5))
    for mode in ("c", INTERPRET):
        f = gradc.function([data, indices, indptr, y], x @ y, mode=mode)
        np.testing.assert_allclose(f(A.data, A.indices, A.indptr, Y[:, 0]), A @ Y[:, 0], rtol=1e-13)
        with pytest.raises(BadValueError, match=r"row 5 .* to 99, of"):
            f(A.data, A.indices, np.append(A.indptr[:-1], 99).astype(np.int32), Y[:, 0])
        with pytest.raises(IndexOutOfBoundsError, match="index 2147483647"):
            f(A.data, A.indices + np.int64(2 ** 40), A.indptr, Y[:, 0])
        with pytest.raises(ShapeError, match="6"):
            f(A.data, A.indices, A.indptr[:-1], Y[:, 0])


def test_requests_that_are_refused() -> None:
    x, y = sparse.csr_matrix("x"), at.dmatrix("y")
    with pytest.raises(UnusedInputError, match="x"):
        gradc.function([x, y], y)
    with pytest.raises(TypeMismatchError, match="nothing computes"):
        gradc.function([x * 2], x.data)
    with pytest.raises(TypeMismatchError, match="formats"):
        sparse.matrix("bsr", "x")
    with pytest.raises(TypeMismatchError, match="sparse matrix"):
        sparse.as_sparse_variable(Y)
    with pytest.raises(TypeMismatchError, match="neither"):
        sparse.dot(y, y)
    with pytest.raises(ShapeError, match="axes"):
        x.sum(2)
    with pytest.raises(ShapeError, match="vector or matrix"):
        x @ at.dtensor3()
    with pytest.raises(TypeMismatchError, match="1 or 2 indices"):
        x[0, 0, 0]
    with pytest.raises(ShapeError, match="all None"):
        sparse.bmat([[x, None], [x, None]])
    with pytest.raises(ShapeError, match="6"):
        sparse.csr_matrix(shape=(6, 5)) + sparse.csr_matrix(shape=(5, 6))


# ------------------------------------------------------------------------------------------- systems


@pytest.mark.parametrize("format", ["csr", "csc"])
def test_systems_and_their_derivatives(format: str) -> None:
    a = (matrix((6, 6), seed=9) + 3 * sp.eye(6)).asformat(format)
    x, b, v = sparse.matrix(format, "x"), at.dmatrix("b"), at.dvector("v")
    y = sparse.spsolve(x, b)
    f = gradc.function([x, b, v], [y, *gradc.grad((y * U).sum(), [x, b]), gradc.Rop(y, x, v),
                                   sparse.spsolve(x, b[:, 0])])
    moved = np.random.default_rng(3).normal(size=a.nnz)
    whole, right = a.toarray(), np.random.default_rng(4).normal(size=(6, 3))
    found, by_a, by_b, tangent, one = f(a, right, moved)
    want, turned = np.linalg.solve(whole, right), np.linalg.solve(whole.T, U)
    np.testing.assert_allclose(found, want, rtol=1e-12)
    np.testing.assert_allclose(one, want[:, 0], rtol=1e-12)
    np.testing.assert_allclose(by_b, turned, rtol=1e-12)
    np.testing.assert_allclose(by_a.toarray(), (whole != 0) * (-turned @ want.T), rtol=1e-12)
    change = a.copy()
    change.data = moved
    np.testing.assert_allclose(tangent, -np.linalg.solve(whole, change @ want), rtol=1e-11, atol=1e-13)
    with pytest.raises(BadValueError, match="singular"):
        f(a * 0, right, moved)


def test_factors_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    linalg = values.scipy_module("scipy.sparse.linalg")
    factored = linalg.splu
    monkeypatch.setattr(linalg, "splu", lambda m: made.append(1) or factored(m))
    a = (matrix((7, 7), seed=11) + 4 * sp.eye(7)).tocsc()
    x, b = sparse.csc_matrix("x"), at.dvector("b")
    f = gradc.function([x, b], gradc.grad((sparse.spsolve(x, b) ** 2).sum(), [x, b]), mode=INTERPRET)
    f(a, np.ones(7))
    f(a.copy(), np.arange(7.0))
    assert len(made) == 1
    f(a * 2, np.ones(7))
    assert len(made) == 2
