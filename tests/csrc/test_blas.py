"""The BLAS table: every provider that is here computes op(A) op(B) for all layouts and sizes."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradc.runtime import _dispatch
from tests.csrc import units
from tests.csrc.units import argument

GEMM = """
int gradc_prepare(gradc_frame *f)
{{
    f->shapes[0] = f->sizes[4];
    f->shapes[1] = f->sizes[5];
    return 0;
}}
int gradc_entry(gradc_frame *f)        /* inputs: a, b, c, then ta, tb, m, n, k; alpha, beta */
{{
    const int64_t *const *s = (const int64_t *const *)f->inputs + 3;
    const int64_t ta = *s[0], tb = *s[1], m = *s[2], n = *s[3], k = *s[4];
    const {ctype} *in = f->inputs[2];
    {ctype} *out = f->outputs[0];
    for (int64_t i = 0; i < f->sizes[4] * f->sizes[5]; ++i)
        out[i] = in[i];
    f->blas->{letter}gemm((int)ta, (int)tb, m, n, k, *(const {ctype} *)f->inputs[8], f->inputs[0], f->sizes[1],
                          f->inputs[1], f->sizes[3], *(const {ctype} *)f->inputs[9], out, f->sizes[5]);
    return 0;
}}
"""


def gemm(folder: Path, dtype: str, **options: Any) -> Any:
    unit = units.load(GEMM.format(ctype="double" if dtype == "float64" else "float",
                                  letter="d" if dtype == "float64" else "s"), folder)
    inputs = [argument(n, dtype, (-1, -1)) for n in "abc"]
    inputs += [argument(n, "int64") for n in ("ta", "tb", "m", "n", "k")]
    inputs += [argument(n, dtype) for n in ("alpha", "beta")]
    return units.function(unit, inputs, [(dtype, 2)], result="one", **options)


def providers() -> list[str]:
    found = []
    for kind in ("numpy", "scipy", "system", "fallback"):
        try:
            _dispatch.blas_set(kind)
        except ValueError:
            continue
        found.append(kind)
    _dispatch.blas_set("auto")
    return found


@pytest.fixture
def auto() -> Iterator[None]:
    yield
    _dispatch.blas_set("auto")


@pytest.mark.usefixtures("auto")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("kind", [*providers(), "deterministic"])
def test_products_are_right(folder: Path, kind: str, dtype: str) -> None:
    f = gemm(folder, dtype, deterministic=kind == "deterministic")
    if kind != "deterministic":
        _dispatch.blas_set(kind)
    rng = np.random.default_rng(1)
    sizes = [(1, 1, 1), (2, 3, 4), (6, 16, 5), (7, 17, 33), (97, 33, 1), (5, 40, 257), (100, 70, 300), (13, 2100, 3),
             (3, 2, 0)]
    factors = [(1, 0), (2, 1), (-0.5, 0.25), (0, 2)]
    for (m, n, k), ta, tb, (alpha, beta) in itertools.product(sizes, (0, 1), (0, 1), factors):
        a = rng.standard_normal((k, m) if ta else (m, k)).astype(dtype)
        b = rng.standard_normal((n, k) if tb else (k, n)).astype(dtype)
        wide = [np.full((x.shape[0], x.shape[1] + 3), np.nan, dtype) for x in (a, b)]       # leading dimensions
        for w, x in zip(wide, (a, b)):
            w[:, :x.shape[1]] = x
        c = rng.standard_normal((m, n + 2)).astype(dtype)
        if beta == 0:
            c[:, :n] = np.nan                           # must not be read
        got = f(*wide, c, ta, tb, m, n, k, np.dtype(dtype).type(alpha), np.dtype(dtype).type(beta))
        op_a, op_b = (a.T if ta else a).astype(np.float64), (b.T if tb else b).astype(np.float64)
        want = alpha * op_a @ op_b + (beta * c[:, :n].astype(np.float64) if beta else 0)
        bound = (k + 4) * np.finfo(dtype).eps * (abs(alpha) * (np.abs(op_a) @ np.abs(op_b)) + abs(beta) * 4 + 1e-30)
        assert np.all(np.abs(got[:, :n] - want) <= bound), (m, n, k, ta, tb, alpha, beta)
        np.testing.assert_array_equal(got[:, n:], c[:, n:])


@pytest.mark.usefixtures("auto")
def test_empty_products(folder: Path) -> None:
    for kind in providers():
        _dispatch.blas_set(kind)
        f = gemm(folder, "float64")
        assert f(np.zeros((0, 3)), np.zeros((3, 2)), np.zeros((0, 2)), 0, 0, 0, 2, 3, 1.0, 0.0).shape == (0, 2)
        np.testing.assert_array_equal(f(np.zeros((2, 0)), np.zeros((0, 2)), np.ones((2, 2)), 0, 0, 2, 2, 0, 1.0, 0.0),
                                      np.zeros((2, 2)))


def test_deterministic_products_are_sums_in_order(folder: Path) -> None:
    f = gemm(folder, "float64", deterministic=True)
    rng = np.random.default_rng(2)
    a, b = rng.standard_normal((9, 200)), rng.standard_normal((200, 20))
    want = np.zeros((9, 20))
    for k in range(200):
        want += a[:, k, None] * b[k]
    np.testing.assert_array_equal(f(a, b, np.zeros((9, 20)), 0, 0, 9, 20, 200, 1.0, 0.0), want)


@pytest.mark.usefixtures("auto")
def test_infinities_and_nans(folder: Path) -> None:
    a, b = np.array([[np.inf, 1.0], [np.nan, 2.0]]), np.array([[0.0, 1.0], [1.0, 1.0]])
    want = np.array([[np.nan, np.inf], [np.nan, np.nan]])
    for kind in providers():
        _dispatch.blas_set(kind)
        got = gemm(folder, "float64")(a, b, np.zeros((2, 2)), 0, 0, 2, 2, 2, 1.0, 0.0)
        np.testing.assert_array_equal(got, want)


@pytest.mark.usefixtures("auto")
def test_choice_and_description() -> None:
    _dispatch.blas_set("fallback")
    assert _dispatch.blas_info() == {"provider": "fallback", "path": "", "version": "", "symbol": "", "threads": 1}
    if "numpy" in providers():
        _dispatch.blas_set("numpy")
        info = _dispatch.blas_info()
        assert info["provider"] == "numpy" and os.path.exists(info["path"]) and "OpenBLAS" in info["version"]
        assert info["symbol"].endswith("cblas_dgemm64_") and info["threads"] >= 1
        _dispatch.blas_set("system", info["path"])
        assert _dispatch.blas_info()["symbol"] == info["symbol"]
    before = _dispatch.blas_info()
    for kind, path in [("atlas", None), ("system", "/nonexistent.so"), ("numpy", 3), ("system", "nul\0")]:
        with pytest.raises((ValueError, TypeError)):
            _dispatch.blas_set(kind, path)
    assert _dispatch.blas_info() == before


def test_thread_count_of_numpys_blas_is_left_alone() -> None:
    code = ("from gradc.runtime import _dispatch as d; n = d.blas_info()['threads']; d.set_num_threads(1);"
            "d.blas_set('auto'); print(n == d.blas_info()['threads'])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=units.ROOT)
    assert done.stdout.split()[-1] == "True"
