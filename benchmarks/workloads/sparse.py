"""A sparse matrix of 1e5 rows, 10 entries each, times a vector and a matrix of 16 columns, and the gradients."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.row import Arrays, Call, Row, TimesNumpy

ROWS_, ENTRIES, COLUMNS = 100_000, 10, 16


def factors(*columns: int) -> Callable[[], Arrays]:
    """A matrix as SciPy's csr, what it is multiplied by, and the cotangent of the product."""
    def make() -> Arrays:
        rng = np.random.default_rng(71)
        x = importlib.import_module("scipy.sparse").csr_matrix(
            (rng.normal(size=ENTRIES * ROWS_), rng.integers(0, ROWS_, ENTRIES * ROWS_).astype(np.int32),
             np.arange(ROWS_ + 1, dtype=np.int32) * ENTRIES), (ROWS_, ROWS_))
        x.sum_duplicates()
        return {"x": x, "y": rng.normal(size=(ROWS_, *columns)), "u": rng.normal(size=(ROWS_, *columns))}

    return make


def _scipy_product(arrays: Arrays) -> Call:
    return Call(lambda x, y: x @ y, (arrays["x"], arrays["y"]))


def _scipy_gradients(arrays: Arrays) -> Call:
    """By the entries, and by the dense factor."""
    x = arrays["x"]
    rows, turned = np.repeat(np.arange(ROWS_), np.diff(x.indptr)), x.T

    def run(x: Any, y: np.ndarray, u: np.ndarray) -> list[np.ndarray]:
        left, right = u[rows], y[x.indices]
        return [left * right if y.ndim == 1 else np.einsum("ij,ij->i", left, right), turned @ u]

    return Call(run, tuple(arrays.values()))


def _gradc(gradients: bool) -> Callable[[Any, Arrays], Call]:
    def build(lib: Any, arrays: Arrays) -> Call:
        x = lib.module.sparse.csr_matrix("x")
        y, u = [lib.tensor.TensorType("float64", (None,) * arrays["y"].ndim)(name) for name in "yu"]
        if not gradients:
            return Call(lib.function([x, y], lib.module.sparse.dot(x, y)), (arrays["x"], arrays["y"]))
        by_x, by_y = lib.grad((lib.module.sparse.dot(x, y) * u).sum(), [x, y])
        return Call(lib.function([x, y, u], [by_x.data, by_y]), tuple(arrays.values()))

    return build


ROWS = [
    Row(f"sparse-{kind}{name}", title.format(what), TimesNumpy(1.0), factors(*columns),
        _scipy_gradients if kind else _scipy_product, None, None, gradc=_gradc(bool(kind)))
    for name, what, columns in (("vector", "a vector", ()), ("matrix", f"{COLUMNS} columns", (COLUMNS,)))
    for kind, title in (("", "a sparse matrix of 1e5 rows, 10 entries each, times {}; SciPy for NumPy"),
                        ("gradients-", "its gradients by entries and factor, for {}; SciPy for NumPy"))
]
