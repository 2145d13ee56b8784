"""NumPy's functions on variables: every row of the table against NumPy, what is refused, and what the texts say."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.tensor import numpy_api

A = np.array([[0.3, -1.25, 2.0, np.pi], [0.0, 7.5, -0.125, 1e3], [-4.0, 0.5, 0.05, 2.5]])
C = np.array([1.5, -2.0, 0.25, 3.0])
B = A > 0
N = np.arange(12).reshape(3, 4) - 3
S = A[:, :3]



def _of_a(name: str, **options: Any) -> Callable[..., Any]:
    """A call of a function of numpy.fft."""
    return lambda a, **_: getattr(np.fft, name)(a, **options)


def _of_n(name: str, *options: Any) -> Callable[..., Any]:
    return lambda n, **_: getattr(np.fft, name)(n, *options)


# numpy's name -> calls of it with each parameter of the row; `a`, `c`, `b`, `n`, `s` stand for the arrays above
CALLS: dict[str, list[Callable[..., Any]]] = {
    "sum": [lambda a, b, **_: np.sum(a, 1, initial=5, where=b),
            lambda a, **_: np.sum(a, dtype="float32", keepdims=True), lambda a, b, **_: a.sum(where=b),
            lambda b, **_: np.sum(b, where=b), lambda n, **_: n.sum(initial=2.0)],
    "prod": [lambda a, b, **_: np.prod(a, axis=0, initial=2.0, where=b), lambda n, **_: n.prod(1, dtype="float64"),
             lambda a, **_: a.prod(initial=0.5)],
    "mean": [lambda a, b, **_: np.mean(a, axis=1, where=b), lambda a, b, **_: a.mean(where=b, keepdims=True),
             lambda n, **_: np.mean(n, 0, "float32"), lambda n, b, **_: np.mean(n, where=b),
             lambda a, b, **_: np.mean(a.astype("float32"), 0, where=b)],
    "var": [lambda a, **_: np.var(a, axis=0, ddof=1), lambda a, **_: np.var(a, correction=1, keepdims=True)],
    "std": [lambda a, **_: np.std(a, 1, ddof=1), lambda a, **_: np.std(a, 0, correction=1)],
    "max": [lambda a, **_: np.max(a, initial=3), lambda a, b, **_: a.max(1, initial=-9, where=b),
            lambda a, **_: np.amax(a, 0, keepdims=True)],
    "min": [lambda a, b, **_: np.min(a, axis=0, initial=9, where=b), lambda a, **_: np.amin(a, 1)],
    "all": [lambda a, b, **_: np.all(a, axis=1, where=b), lambda b, **_: b.all(0, keepdims=True)],
    "any": [lambda a, b, **_: np.any(a, axis=1, where=~b), lambda b, **_: b.any(where=b)],
    "argmax": [lambda a, **_: np.argmax(a, axis=1, keepdims=True)], "argmin": [lambda a, **_: np.argmin(a, 0)],
    "ptp": [lambda a, **_: np.ptp(a, axis=1, keepdims=True)],
    "count_nonzero": [lambda a, **_: np.count_nonzero(a, axis=0, keepdims=True), lambda a, **_: np.count_nonzero(a)],
    "cumsum": [lambda n, **_: np.cumsum(n, 0, dtype="float32"), lambda a, **_: a.cumsum(dtype="float32"),
               lambda a, **_: np.add.accumulate(a, axis=1)],
    "cumprod": [lambda n, **_: np.cumprod(n, axis=1, dtype="float64"), lambda a, **_: np.multiply.accumulate(a)],
    "cumulative_sum": [lambda a, **_: np.cumulative_sum(a, axis=1, include_initial=True),
                       lambda c, **_: np.cumulative_sum(c, dtype="float32")],
    "cumulative_prod": [lambda a, **_: np.cumulative_prod(a, axis=-2, include_initial=True)],
    "allclose": [lambda a, **_: np.allclose(a, a + 1e-3, rtol=0, atol=1e-2, equal_nan=True)],
    "isclose": [lambda a, **_: np.isclose(a, a + 1e-3, 1e-3, atol=1e-4, equal_nan=False)],
    "where": [lambda a, b, **_: np.where(b, a, 0.0), lambda b, **_: np.where(b)[0]],
    "clip": [lambda a, **_: np.clip(a, a_min=0, a_max=1), lambda a, **_: np.clip(a, None, 1.0),
             lambda a, **_: np.clip(a, min=-1), lambda a, **_: a.clip(max=2), lambda a, **_: a.clip(0.5),
             lambda a, **_: np.clip(a, -1, 2, out=None)],
    "round": [lambda a, **_: np.round(a, 2), lambda a, **_: a.round(decimals=1), lambda a, **_: round(a, 1)
              if not isinstance(a, np.ndarray) else a.round(1), lambda a, **_: np.round(a, decimals=-2),
              lambda n, **_: np.round(n, 1)],
    "around": [lambda a, **_: np.around(a, 1)],
    "real": [lambda a, **_: np.real(a)], "imag": [lambda a, **_: np.imag(a)],
    "angle": [lambda a, **_: np.angle(a + 1j, deg=True), lambda a, **_: np.angle(a + 1j)],
    "nan_to_num": [lambda a, **_: np.nan_to_num(np.log(a), copy=True, nan=1.0, posinf=2.0, neginf=-3.0)],
    "sinc": [lambda a, **_: np.sinc(a / 7)], "i0": [lambda a, **_: np.i0(a)],
    "copy": [lambda a, **_: np.copy(a, order="C"), lambda a, **_: a.copy(order="K")],
    "isposinf": [lambda a, **_: np.isposinf(1 / a)], "isneginf": [lambda a, **_: np.isneginf(np.log(a))],
    "astype": [lambda a, **_: np.astype(a, "float32", copy=True), lambda a, **_: a.astype("int64", copy=False)],
    "dot": [lambda a, c, **_: np.dot(a, c)], "inner": [lambda a, c, **_: np.inner(a, c)],
    "outer": [lambda a, c, **_: np.outer(a, c)], "vdot": [lambda c, **_: np.vdot(c, c)],
    "tensordot": [lambda a, s, **_: np.tensordot(a, s, axes=([0], [0]))],
    "einsum": [lambda a, c, **_: np.einsum("ij,j->i", a, c, optimize=True),
               lambda a, c, **_: np.einsum(a, [0, 1], c, [1]),
               lambda a, c, **_: np.einsum("ij,j,j", a, c, c, optimize=["einsum_path", (1, 2), (0, 1)])],
    "linalg.norm": [lambda a, **_: np.linalg.norm(a, axis=1, keepdims=True), lambda c, **_: np.linalg.norm(c, ord=1)],
    "linalg.matrix_norm": [lambda a, **_: np.linalg.matrix_norm(a, keepdims=True),
                           lambda a, **_: np.linalg.matrix_norm(a, ord=1)],
    "linalg.vector_norm": [lambda a, **_: np.linalg.vector_norm(a),
                           lambda a, **_: np.linalg.vector_norm(a, axis=0, ord=1),
                           lambda a, **_: np.linalg.vector_norm(a, axis=(0, 1), keepdims=True)],
    "linalg.trace": [lambda a, **_: np.linalg.trace(a[None], offset=1, dtype="float32")],
    "linalg.diagonal": [lambda a, **_: np.linalg.diagonal(a[None], offset=1)],
    "linalg.matrix_transpose": [lambda a, **_: np.linalg.matrix_transpose(a[None])],
    "linalg.outer": [lambda c, **_: np.linalg.outer(c, c)],
    "linalg.tensordot": [lambda a, **_: np.linalg.tensordot(a, a, axes=2)],
    "linalg.matmul": [lambda a, c, **_: np.linalg.matmul(a, c[:, None])],
    "linalg.vecdot": [lambda a, c, **_: np.linalg.vecdot(a, c), lambda a, **_: np.linalg.vecdot(a, a, axis=0)],
    "linalg.multi_dot": [lambda a, c, s, **_: np.linalg.multi_dot([s, a, c])],
    "shape": [lambda a, **_: np.shape(a)], "size": [lambda a, **_: np.size(a, 1), lambda a, **_: np.size(a, axis=None)],
    "ndim": [lambda a, **_: np.ndim(a)],
    "reshape": [lambda a, **_: np.reshape(a, (4, 3), order="C"), lambda a, **_: a.reshape(2, 6, order="C"),
                lambda a, **_: np.reshape(a, shape=(2, 6), copy=False)],
    "ravel": [lambda a, **_: np.ravel(a, order="K"), lambda a, **_: a.ravel("C"), lambda a, **_: a.flatten("C"),
              lambda a, **_: a.flatten(order="A")],
    "transpose": [lambda a, **_: np.transpose(a, axes=(1, 0)), lambda a, **_: np.transpose(a)],
    "matrix_transpose": [lambda a, **_: np.matrix_transpose(a[None])],
    "swapaxes": [lambda a, **_: np.swapaxes(a, 0, axis2=1)], "moveaxis": [lambda a, **_: np.moveaxis(a, 0, 1)],
    "squeeze": [lambda a, **_: np.squeeze(a[:, None], axis=1)], "expand_dims": [lambda a, **_: np.expand_dims(a, 1)],
    "broadcast_to": [lambda c, **_: np.broadcast_to(c, shape=(2, 4), subok=False)],
    "broadcast_arrays": [lambda a, c, **_: np.broadcast_arrays(a, c)[1]],
    "atleast_1d": [lambda c, **_: np.atleast_1d(c[0])], "atleast_2d": [lambda c, **_: np.atleast_2d(c)],
    "atleast_3d": [lambda c, a, **_: np.atleast_3d(c[0], c, a)[1], lambda a, **_: np.atleast_3d(a)],
    "concatenate": [lambda a, **_: np.concatenate([a, a], axis=1, dtype="float32"),
                    lambda a, c, **_: np.concatenate([a, c], axis=None)],
    "stack": [lambda a, **_: np.stack([a, a], axis=-1, dtype="float32", casting="same_kind")],
    "hstack": [lambda c, **_: np.hstack([c, c], dtype="float32")], "vstack": [lambda c, a, **_: np.vstack([c, a])],
    "column_stack": [lambda c, a, **_: np.column_stack([c[:3], a])],
    "unstack": [lambda s, **_: np.unstack(s, axis=1)[2]],
    "split": [lambda a, **_: np.split(a, 2, axis=1)[1], lambda a, **_: np.split(a, [1, 3], axis=-1)[1]],
    "array_split": [lambda a, **_: np.array_split(a, 3, axis=1)[0], lambda a, **_: np.array_split(a, 3, axis=1)[1],
                    lambda a, **_: np.array_split(a, 3, axis=1)[2], lambda a, **_: np.array_split(a, 5)[4],
                    lambda a, **_: np.array_split(a, [2])[1]],
    "vsplit": [lambda a, **_: np.vsplit(a, 3)[2]], "hsplit": [lambda a, **_: np.hsplit(a, 2)[0],
                                                           lambda c, **_: np.hsplit(c, [1])[1]],
    "dsplit": [lambda a, **_: np.dsplit(a[None], 2)[1]],
    "tile": [lambda c, **_: np.tile(c, reps=2)], "repeat": [lambda a, **_: np.repeat(a, 2, axis=1)],
    "linalg.solve": [lambda a, s, **_: np.linalg.solve(np.matmul(a, a.T) + 9 * np.eye(3), a)],
    "linalg.inv": [lambda a, **_: np.linalg.inv(np.matmul(a, a.T) + 9 * np.eye(3))],
    "linalg.det": [lambda a, **_: np.linalg.det(np.matmul(a, a.T) + np.eye(3))],
    "linalg.slogdet": [lambda a, **_: np.linalg.slogdet(np.matmul(a, a.T) + np.eye(3))[1]],
    "linalg.qr": [lambda a, **_: np.linalg.qr(a)[1], lambda a, **_: np.linalg.qr(a, mode="r")],
    "linalg.eigh": [lambda a, **_: np.linalg.eigh(np.matmul(np.tanh(a), a.T / 9), UPLO="U")[0]],
    "linalg.eigvalsh": [lambda a, **_: np.linalg.eigvalsh(np.matmul(np.tanh(a), a.T / 9))],
    "linalg.svd": [lambda a, **_: np.linalg.svd(a)[1], lambda a, **_: np.linalg.svd(a, compute_uv=False)],
    "linalg.matrix_power": [lambda a, **_: np.linalg.matrix_power(np.matmul(a.T, a) / 9, 3)],
    "linalg.pinv": [lambda a, **_: np.linalg.pinv(a)],
    "linalg.lstsq": [lambda a, s, **_: np.linalg.lstsq(s, s[1])[0] + 1],
    "linalg.matrix_rank": [lambda a, **_: np.linalg.matrix_rank(a, tol=1e-3)],
    "linalg.cond": [lambda a, **_: np.linalg.cond(np.tanh(a), p=-2)],
    "linalg.tensorinv": [lambda s, **_: np.linalg.tensorinv(s + 9 * np.eye(3), ind=1)],
    "linalg.tensorsolve": [lambda s, c, **_: np.linalg.tensorsolve(s + 9 * np.eye(3), c[:3])],
    "linalg.eig": [lambda s, **_: np.linalg.eig(s - s.T + np.diag([0.0, 1, 5]))[0]],
    "linalg.eigvals": [lambda s, **_: np.linalg.eigvals(s - s.T + np.diag([0.0, 1, 5]))],
    "linalg.svdvals": [lambda a, **_: np.linalg.svdvals(a)],
    "linalg.cholesky": [lambda a, **_: np.linalg.cholesky(np.matmul(a, a.T) + 9 * np.eye(3))],
    "take": [lambda a, **_: np.take(a, [1, 0, 1], axis=1), lambda a, **_: np.take(a, 7, mode="wrap")],
    "roll": [lambda a, **_: np.roll(a, shift=1, axis=1), lambda a, **_: np.roll(a, (1, 2), axis=(0, 1))],
    "rot90": [lambda a, **_: np.rot90(a), lambda a, **_: np.rot90(a, k=3, axes=(1, 0))],
    "choose": [lambda a, b, n, **_: np.choose(b, [a, n]), lambda a, n, **_: np.choose(n, (a, a * 2), mode="wrap"),
               lambda a, b, n, **_: b.choose([a, n])],
    "compress": [lambda a, c, **_: np.compress(c > 0, a, axis=1), lambda a, c, **_: a.compress(c > 0, axis=1)],
    "extract": [lambda a, b, **_: np.extract(b, a)], "flatnonzero": [lambda n, **_: np.flatnonzero(n)],
    "nonzero": [lambda b, **_: np.nonzero(b)[1], lambda n, **_: n.nonzero()[0]],
    "argwhere": [lambda b, **_: np.argwhere(b)],
    "take_along_axis": [lambda a, b, **_: np.take_along_axis(a, b.astype("int64"), axis=1),
                        lambda c, **_: np.take_along_axis(c, (c > 0).astype("int8"), 0)],
    "tril_indices_from": [lambda a, **_: np.tril_indices_from(a, k=1)[0]],
    "triu_indices_from": [lambda a, **_: a[np.triu_indices_from(a, k=-1)]],
    "diag_indices_from": [lambda s, **_: s[np.diag_indices_from(s)]],
    "ravel_multi_index": [lambda n, **_: np.ravel_multi_index((n, n + 3), dims=(3, 15), mode=("clip", "raise"),
                                                              order="F")],
    "unravel_index": [lambda b, **_: np.unravel_index(b.astype("int64"), shape=(2, 3), order="F")[0]],
    "ix_": [lambda a, b, c, **_: a[np.ix_(b[:, 0], c > 0)]],
    "logspace": [lambda c, **_: np.logspace(c[0], 2.0, num=4, endpoint=False, base=3.0, dtype="float32")],
    "geomspace": [lambda c, **_: np.geomspace(c[0], c[3], num=4, endpoint=False, dtype="float32")],
    "vander": [lambda c, **_: np.vander(c, N=3, increasing=True), lambda n, **_: np.vander(n[0])],
    "pad": [lambda a, **_: np.pad(a, ((1, 2), (0, 1)), mode="constant", constant_values=(4, 6)),
            lambda a, **_: np.pad(a, {-1: 2}, mode="mean", stat_length=2), lambda n, **_: np.pad(n, 1, "mean"),
            lambda n, **_: np.pad(n, (2, 3), "linear_ramp", end_values=((1, 2), (3, 9))),
            lambda a, **_: np.pad(a, (0, 9), "reflect", reflect_type="odd"),
            lambda b, **_: np.pad(b, 1, "edge")],
    "bincount": [lambda b, c, **_: np.bincount(b[0].astype("int64"), weights=c, minlength=4)],
    "cov": [lambda a, c, **_: np.cov(a, y=c, bias=True), lambda a, s, **_: np.cov(a, s, rowvar=False, ddof=2),
            lambda a, c, **_: np.cov(a, aweights=c * c), lambda a, **_: np.cov(a, dtype="float32"),
            lambda a, n, **_: np.cov(a, fweights=n[2]), lambda c, **_: np.cov(c),
            lambda a, **_: np.cov(a.astype("float32"))],
    "corrcoef": [lambda a, c, **_: np.corrcoef(a, y=c),
                 lambda a, **_: np.corrcoef(a[:2], rowvar=True, dtype="float32")],
    "convolve": [lambda c, a, **_: np.convolve(c, a[0, :3], mode="same"),
                 lambda n, a, **_: np.convolve(n[0], a[0, :2])],
    "correlate": [lambda c, a, **_: np.correlate(c, a[0, :3]),
                  lambda c, n, **_: np.correlate(n[0, :2], c, mode="same")],
    **{f"fft.{name}": [_of_a(name, n=3, axis=0, norm="ortho"), _of_n(name, 6)]
       for name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")},
    **{f"fft.{name}": [_of_a(name, s=(3, 6), axes=(1, 0), norm="forward"), _of_a(name)]
       for name in ("fft2", "ifft2", "rfft2", "irfft2", "fftn", "ifftn", "rfftn", "irfftn")},
    **{f"fft.{name}": [_of_a(name, axes=0), _of_n(name)] for name in ("fftshift", "ifftshift")},
    "interp": [lambda a, c, **_: np.interp(a, [-1.0, 0.0, 2.0, 3.0], c, left=-9.0),
               lambda c, a, **_: np.interp(c, xp=a[:, 0], fp=a[:, 1], period=2.5),
               lambda c, a, n, **_: np.interp(n, np.cumsum(c * c), c, right=8)],
    "polyval": [lambda c, a, **_: np.polyval(c, a)], "kron": [lambda a, c, **_: np.kron(a, c)],
    "cross": [lambda s, **_: np.cross(s, s + 1.0), lambda s, **_: np.cross(s, s * s, axisa=0, axisb=1, axisc=0),
              lambda s, **_: np.cross(s, s * s, axis=0)],
    "flip": [lambda a, **_: np.flip(a), lambda a, **_: np.flip(a, axis=(1,))],
    "flipud": [lambda a, **_: np.flipud(a)], "fliplr": [lambda a, **_: np.fliplr(a)],
    "diag": [lambda a, **_: np.diag(a, k=1)], "diagflat": [lambda s, **_: np.diagflat(s, 1)],
    "diagonal": [lambda a, **_: np.diagonal(a, offset=1, axis1=1, axis2=0)],
    "trace": [lambda a, **_: np.trace(a, 1, dtype="float32")],
    "tril": [lambda a, **_: np.tril(a, k=1)], "triu": [lambda a, **_: np.triu(a, -1)],
    "diff": [lambda a, **_: np.diff(a, prepend=0.0), lambda a, **_: np.diff(a, n=2, axis=0, append=a),
             lambda c, **_: np.diff(c, prepend=c[:1], append=1)],
    "sort": [lambda a, **_: np.sort(a), lambda a, **_: np.sort(a, axis=0, kind="mergesort"),
             lambda a, **_: np.sort(a, axis=None, stable=True)],
    "argsort": [lambda a, **_: a.argsort(axis=0, stable=True), lambda a, **_: np.argsort(a, None, kind="stable")],
    "lexsort": [lambda n, c, **_: np.lexsort((c, n[0])), lambda n, **_: np.lexsort(n, axis=0)],
    "partition": [lambda c, **_: np.partition(c, 3, axis=-1, kind="introselect")[3]],
    "argpartition": [lambda c, **_: np.argpartition(c, kth=0, axis=0, kind="introselect")[0]],
    "searchsorted": [lambda c, a, **_: np.searchsorted(np.sort(c), a, side="right"),
                     lambda c, **_: np.searchsorted(c, 0.5, sorter=np.argsort(c))],
    "median": [lambda a, **_: np.median(a, axis=(0, 1), keepdims=True)], "nanmedian": [
        lambda a, **_: np.nanmedian(np.log(a), axis=1, keepdims=True)],
    "quantile": [lambda a, **_: np.quantile(a, [0.1, 0.7], axis=1, method="hazen", keepdims=True)],
    "percentile": [lambda a, **_: np.percentile(a, 30, axis=1, method="lower", keepdims=True)],
    "nanquantile": [lambda a, **_: np.nanquantile(np.log(a), 0.3, axis=1, method="weibull", keepdims=True)],
    "nanpercentile": [lambda a, **_: np.nanpercentile(np.log(a), 25, axis=0, method="linear", keepdims=False)],
    "digitize": [lambda a, **_: np.digitize(a, [-1, 0.5, 3], right=True)],
    "histogram": [lambda a, **_: np.histogram(a, bins=3, range=(-2, 8), density=True)[0],
                  lambda a, **_: np.histogram(a, [-1, 0, 5], weights=a)[0]],
    "histogram_bin_edges": [lambda a, **_: np.histogram_bin_edges(a, bins=3, range=(0, 1))],
    "unique": [lambda n, **_: np.unique(n // 3), lambda n, **_: np.unique(
        n // 5, return_index=True, return_inverse=True, return_counts=True, equal_nan=False, sorted=True)[2],
        lambda n, **_: np.unique(n // 9, axis=1)],
    "isin": [lambda n, **_: np.isin(n, [1, 2, -3], assume_unique=True, invert=True, kind="sort")],
    "union1d": [lambda n, c, **_: np.union1d(n, c)], "setdiff1d": [lambda n, **_: np.setdiff1d(
        n[0], n[0, :2], assume_unique=True)], "setxor1d": [lambda n, **_: np.setxor1d(n, [3, 77], assume_unique=True)],
    "intersect1d": [lambda n, **_: np.intersect1d(n, [5, 1, 99], assume_unique=True, return_indices=True)[1]],
    "zeros_like": [lambda a, **_: np.zeros_like(a, dtype="int64")], "ones_like": [lambda a, **_: np.ones_like(a)],
    "empty_like": [lambda a, **_: 0 * np.nan_to_num(np.empty_like(a, order="C"), posinf=0, neginf=0)],
    "full_like": [lambda a, **_: np.full_like(a, 3, dtype="float32")],
    "linspace": [lambda c, **_: np.linspace(c[1], c[0], num=5, endpoint=False)],
    "meshgrid": [lambda c, s, **_: np.meshgrid(c, s[0], indexing="ij")[1],
                 lambda c, **_: np.meshgrid(c, c, sparse=True, copy=False)[0]],
    "iscomplexobj": [lambda a, **_: np.iscomplexobj(a)], "isrealobj": [lambda a, **_: np.isrealobj(a)],
    "result_type": [lambda a, n, **_: np.result_type(a, n, "float32")],
    "vecdot": [lambda a, c, **_: np.vecdot(a, c), lambda a, **_: np.vecdot(a, a, axis=0)],
    "matvec": [lambda a, c, **_: np.matvec(a, c)], "vecmat": [lambda s, a, **_: np.vecmat(s[0], a)],
    "outer of ufuncs": [lambda a, c, **_: np.subtract.outer(a, c), lambda c, **_: np.maximum.outer(c, 1.0),
                        lambda c, **_: np.add.outer(2, c)],
    "reduce of ufuncs": [lambda a, **_: np.add.reduce(a), lambda a, **_: np.maximum.reduce(a, axis=1, initial=2.0),
                         lambda a, b, **_: np.multiply.reduce(a, axis=None, where=b)],
    "dtype of ufuncs": [lambda n, **_: np.sqrt(abs(n), dtype="float32")],
}


@pytest.mark.parametrize("name, k", [(name, k) for name, calls in CALLS.items() for k in range(len(calls))])
def test_as_numpy(name: str, k: int) -> None:
    if not hasattr(np, name.split(".")[0]) and name.isidentifier():
        pytest.skip("this NumPy has no such function")
    arrays = {"a": A, "c": C, "b": B, "n": N, "s": S}
    variables = {key: at.tensor(dtype=x.dtype.name, shape=x.shape if k % 2 or name == "unstack" else (None,) * x.ndim,
                                name=key) for key, x in arrays.items()}
    run = CALLS[name][k]
    with np.errstate(all="ignore"):
        want = run(**arrays)
    got = run(**variables)
    if isinstance(got, at.TensorVariable):
        used = [key for key in arrays if key in inspect.signature(run).parameters]
        got = gradc.function([variables[key] for key in used], got, mode="interpret", on_unused_input="ignore")(
            *[arrays[key] for key in used])
        assert got.dtype == np.asarray(want).dtype or name in ("reduce of ufuncs", "argmax", "nan_to_num"), name
    if isinstance(got, np.ndarray):
        rtol = 1e-6 if got.dtype == "float32" else 1e-11 if name.startswith(("linalg.", "fft.")) else 1e-14
        np.testing.assert_allclose(got, np.asarray(want), rtol=rtol)
    else:
        assert got == want


@pytest.mark.parametrize("name", numpy_api.UFUNCS)
def test_ufuncs(name: str) -> None:
    """Of vectors (matrices for products) of floats, or of integers where NumPy wants them."""
    ufunc = getattr(np, name, None)
    if ufunc is None:
        pytest.skip("this NumPy has no such function")
    given: list[Any] = [np.array([[0.25, 0.5], [0.75, 0.125]]), np.array([[0.5, 0.25], [1.0, 0.125]])]
    if name in ("vecdot", "matvec", "vecmat"):
        given = [given[0], given[1][0]] if name == "matvec" else [given[0][0], given[1]]
    if name.startswith("bitwise") or name.endswith("shift") or name in ("invert", "gcd", "lcm", "ldexp"):
        given = [given[0] if name == "ldexp" and not k else (4 * x).astype("int64") for k, x in enumerate(given)]
    given = given[:ufunc.nin]
    variables = [at.tensor(dtype=x.dtype.name, shape=(None,) * x.ndim) for x in given]
    with np.errstate(all="ignore"):
        want, made = ufunc(*given), ufunc(*variables)
    several = isinstance(made, (list, tuple))
    got = gradc.function(variables, list(made) if several else [made], mode="interpret")(*given)
    for a, b in zip(got, want if several else [want], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-14)


def test_every_row_is_tried() -> None:
    assert not {*numpy_api.FUNCTIONS} - {*CALLS} - {"amax", "amin", "fill_diagonal", "put_along_axis"}


def test_fill_diagonal_gives_another_variable() -> None:
    s = at.dmatrix("s")
    filled = np.fill_diagonal(s, 7.0)
    want = S.copy()
    np.fill_diagonal(want, 7.0)
    np.testing.assert_array_equal(filled.eval({s: S}), want)  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match=r"can't be changed \(.*test_numpy_api.py:\d+\); write x = fill_diagonal"):
        np.fill_diagonal(s, 7.0)


def test_put_along_axis_gives_another_variable() -> None:
    s, at_s = at.dmatrix("s"), np.array([[2, 0], [1, 1], [0, -1]])
    changed = np.put_along_axis(s, at_s, 7.0, 1)
    want = S.copy()
    np.put_along_axis(want, at_s, 7.0, 1)
    np.testing.assert_array_equal(changed.eval({s: S}), want)  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match=r"can't be changed \(.*test_numpy_api.py:\d+\); write x = put_along_axis"):
        np.put_along_axis(s, at_s, 7.0, 1)


X, Y = at.dmatrix("x"), at.dvector("y")
REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "no such function": (lambda: np.unwrap(X), r"numpy.unwrap does not work on variables \(.*test_numpy_api.py:\d+\); "
                         r"gradc has no such function"),
    "advice": (lambda: np.append(X, X), "numpy.append .* use concatenate"),
    "linear algebra": (lambda: np.linalg.cross(X, X), "numpy.linalg.cross .* gradc.tensor.linalg has what there is"),
    "ufunc": (lambda: np.float_power.at(X, 0, 1), "numpy.float_power.at .* no such function"),
    "ufunc option": (lambda: np.exp(X, where=[True]), "numpy.exp with where= .* choose by switch"),
    "ufunc method": (lambda: np.add.reduceat(Y, [0, 1]), "numpy.add.reduceat .* no such function"),
    "out": (lambda: np.add(Y, 1, out=np.ones(3)), "numpy.add with out= .* can't be written into an array"),
    "out of a function": (lambda: np.sum(X, out=np.ones(3)), "numpy.sum with out="),
    "option": (lambda: np.var(X, where=X > 0), "numpy.var with where="),
    "order": (lambda: np.ravel(X, order="F"), "numpy.ravel with order= .* no such option"),
    "order of a method": (lambda: X.flatten("F"), "numpy.ravel with order="),
    "retstep": (lambda: np.linspace(Y[0], 1, retstep=True), "numpy.linspace with retstep="),
    "initial": (lambda: X.max(where=X > 0), "needs initial="),
    "unequal": (lambda: np.split(at.zeros(5), 2), "5 rows don't make 2 equal parts .*; use array_split"),
    "method": (lambda: X.sum(wrong=1), "numpy.sum: got an unexpected keyword argument 'wrong'"),
    "asarray": (lambda: np.asarray(X), r"NumPy asks for the value of x \(.*test_numpy_api.py:\d+\).*stack"),
    "array": (lambda: np.array([Y[0], Y[1]]), "NumPy asks for the value of .*stack"),
    "nested": (lambda: np.array([[1.0, Y[0]], [2.0, 3.0]]), "NumPy asks for the value of .*stack"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_refused_says_why(kind: str) -> None:
    run, words = REFUSED[kind]
    with pytest.raises((TypeError, ValueError), match=words):
        run()


def test_constants_have_a_value() -> None:
    made = np.asarray(at.constant([1.0, 2.0]))
    assert made.dtype == "float64" and made.tolist() == [1.0, 2.0]


def test_the_table_keeps_its_word() -> None:
    """Names are NumPy's, parameters those of its signatures; what is refused as missing is missing."""
    for name, (_, words) in numpy_api.FUNCTIONS.items():
        if name in ("astype", "cumulative_sum", "cumulative_prod", "unstack") and not hasattr(np, name):
            continue
        parameters = numpy_api._signature(name, words).parameters
        if inspect.Parameter.VAR_KEYWORD not in [parameter.kind for parameter in parameters.values()]:
            assert {key for key, _ in numpy_api._taken(words)} <= {*parameters}, name
    for name in numpy_api.UFUNCS:
        assert isinstance(getattr(np, name, np.add), np.ufunc)
    for name in dir(np):
        known = name in numpy_api.FUNCTIONS or getattr(np, name) in [getattr(np, u, 0) for u in numpy_api.UFUNCS]
        dispatched = hasattr(getattr(np, name), "__wrapped__") or isinstance(getattr(np, name), np.ufunc)
        if dispatched and not known:
            assert not hasattr(at, name), name
    for name, advice in numpy_api.ADVICE.items():
        assert name not in numpy_api.FUNCTIONS and name not in numpy_api.UFUNCS
        for word in ("concatenate", "switch", "diff", "maximum", "minimum", "set_subtensor", "mean", "reshape", "tile"):
            assert word not in advice or hasattr(at, word)
