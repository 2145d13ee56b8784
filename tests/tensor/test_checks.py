"""What takes sizes, positions, counts, labels, axes or probabilities, what each may be, and the error for all else.

`ARGUMENTS`: values that are wrong when the graph is built, one entry for each such argument of the public functions;
the first test holds the table against their signatures.  `DATA`: values that come from data.  Each row is run in C, in
the interpreter, in a loop, and in a branch, which must raise if it is taken and only then.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.errors import (
    AssertionFailedError,
    BadArgumentError,
    BadValueError,
    GradcError,
    IndexOutOfBoundsError,
    LoopError,
    ShapeError,
    TypeMismatchError,
)
from gradc.tensor import nnet, random

x, w, X, Y = at.vector("x"), at.vector("w"), at.matrix("X"), at.matrix("Y")
n, labels = at.lscalar("n"), at.lvector("labels")
SHAPE, TYPE, VALUE, INDEX = ShapeError, TypeMismatchError, BadValueError, IndexOutOfBoundsError
ARGUMENT = BadArgumentError

# ---------------------------------------------------------------- when the graph is built

AXIS = [(5, SHAPE), (-3, SHAPE), (0.5, TYPE), (True, TYPE), ("0", TYPE), (n, TYPE)]
WINDOWS: dict[str, tuple[float, ...]] = {
    "bartlett": (), "blackman": (), "hamming": (), "hann": (), "hanning": (), "kaiser": (8.6,)}
ONE_AXIS = [*AXIS, ([0], TYPE)]
AXES = [*AXIS, ((0, 0), SHAPE), ((0, 5), SHAPE)]
SIZE = [(-1, SHAPE), (2.5, TYPE), (True, TYPE), ("2", TYPE), (at.dscalar(), TYPE), (at.constant(-2), SHAPE)]
SIZES = [*SIZE, ((2, -1), SHAPE), ((2.5,), TYPE), (np.array([2, -1]), SHAPE), (X, TYPE)]
OFFSET = [(0.5, TYPE), (at.dscalar(), TYPE), (labels, TYPE)]
KNOWN_OFFSET = [*OFFSET, (n, TYPE), (True, TYPE)]
COUNT = [(-1, VALUE), (1.5, TYPE), (True, TYPE), (n, TYPE)]
FLAG = [("yes", TYPE), (n, TYPE), (2, TYPE), (0.5, TYPE), ([True], TYPE)]
KIND = [("quick", ARGUMENT), (1, ARGUMENT), ([1], ARGUMENT)]
FIELDS = [("x", ARGUMENT), (["x"], ARGUMENT)]
SHARE = [(-0.1, VALUE), ([0.5, np.nan], VALUE), (1j, TYPE), (at.tensor3(), TYPE), ("m", TYPE)]
TOP, QUANTILES, PERCENTILES = ("topk", "argtopk", "topk_and_argtopk"), ("quantile", "nanquantile"), (
    "percentile", "nanpercentile")
SETS = {"isin": ("element", "test_elements"), **dict.fromkeys(
    ("in1d", "union1d", "intersect1d", "setdiff1d", "setxor1d"), ("ar1", "ar2"))}

ARGUMENTS: dict[str, tuple[Any, list[tuple[Any, type[Exception]]]]] = {
    **{f"{f}.axis": (lambda v, f=f: getattr(at, f)(X, axis=v), AXES) for f in (
        "all", "amax", "amin", "any", "max", "max_and_argmax", "mean", "min", "norm", "prod", "ptp", "std", "sum",
        "var", "logsumexp", "argmax", "argmin", "softmax", "log_softmax")},
    **{f"{f}.axis": (lambda v, f=f: getattr(at, f)(X, axis=v), ONE_AXIS) for f in (
        "cumsum", "cumprod", "diff")},
    "squeeze.axis": (lambda v: at.squeeze(X, v), [*AXES, (0, SHAPE)]),
    "expand_dims.axis": (lambda v: at.expand_dims(X, v), [(5, SHAPE), (-4, SHAPE), (0.5, TYPE), ((0, 0), SHAPE)]),
    "shape_padaxis.axis": (lambda v: at.shape_padaxis(X, v), [(5, SHAPE), (-4, SHAPE), (0.5, TYPE)]),
    "stack.axis": (lambda v: at.stack([X, X], axis=v), [(5, SHAPE), (-4, SHAPE), (0.5, TYPE), (x, TYPE)]),
    "join.axis": (lambda v: at.join(v, X, X), [(2, SHAPE), (-3, SHAPE), (0.5, TYPE), (at.dscalar(), TYPE),
                                               (labels, TYPE)]),
    "concatenate.axis": (lambda v: at.concatenate([X, X], v), [(2, SHAPE), (-3, SHAPE), (0.5, TYPE)]),
    "split.axis": (lambda v: at.split(X, [1, 1], axis=v), ONE_AXIS),
    "repeat.axis": (lambda v: at.repeat(X, 2, v), ONE_AXIS),
    "roll.axis": (lambda v: at.roll(X, 2, v), AXIS),
    "flip.axis": (lambda v: at.flip(X, v), AXES),
    "flip.m": (at.fliplr, [(x, SHAPE)]), "flipud.m": (at.flipud, [(at.scalar(), SHAPE)]),
    "fliplr.m": (at.fliplr, [(x, SHAPE)]), "rot90.m": (at.rot90, [(x, SHAPE)]),
    "rot90.k": (lambda v: at.rot90(X, v), KNOWN_OFFSET),
    "rot90.axes": (lambda v: at.rot90(X, axes=v), [((0,), SHAPE), ((0, 5), SHAPE), ((0, -2), SHAPE)]),
    "compress.axis": (lambda v: at.compress(x, X, v), ONE_AXIS),
    "compress.condition": (lambda v: at.compress(v, X), [(X, SHAPE), (True, SHAPE)]),
    "extract.condition": (lambda v: at.extract(v, X), [("m", TYPE)]),
    "extract.arr": (lambda v: at.extract(X, v), [("m", TYPE)]),
    "choose.choices": (lambda v: at.choose(labels, v), [(at.scalar(), SHAPE), ([], SHAPE)]),
    "choose.a": (lambda v: at.choose(v, [X, X]), [(x, TYPE), ([0, 2], VALUE), (-1, VALUE)]),
    "take_along_axis.axis": (lambda v: at.take_along_axis(X, at.lmatrix(), v), ONE_AXIS),
    "take_along_axis.arr": (lambda v: at.take_along_axis(v, at.lmatrix()), [(x, SHAPE)]),
    "take_along_axis.indices": (lambda v: at.take_along_axis(X, v), [(X, TYPE), (labels, SHAPE)]),
    "put_along_axis.axis": (lambda v: at.put_along_axis(X, at.lmatrix(), 0.0, v), ONE_AXIS),
    "put_along_axis.arr": (lambda v: at.put_along_axis(v, at.lmatrix(), 0.0, 0), [(x, SHAPE)]),
    "put_along_axis.indices": (lambda v: at.put_along_axis(X, v, 0.0, 0), [(X, TYPE), (labels, SHAPE)]),
    "put_along_axis.values": (lambda v: at.put_along_axis(at.matrix(shape=(3, 3)), [[0, 1, 2]], v, 0), [
        (np.ones((1, 2)), SHAPE), (1j, TYPE)]),
    "nonzero.return_matrix": (lambda v: at.nonzero(v, return_matrix=True), [(at.scalar(), SHAPE), ("m", TYPE)]),
    **{f"{f}_indices.n": (lambda v, f=f: getattr(at, f"{f}_indices")(v), SIZE) for f in ("tril", "triu", "diag")},
    **{f"{f}_indices.m": (lambda v, f=f: getattr(at, f"{f}_indices")(2, m=v), SIZE) for f in ("tril", "triu")},
    **{f"{f}_indices.k": (lambda v, f=f: getattr(at, f"{f}_indices")(2, v), OFFSET) for f in ("tril", "triu")},
    **{f"{f}_indices_from.k": (lambda v, f=f: getattr(at, f"{f}_indices_from")(X, v), OFFSET) for f in (
        "tril", "triu")},
    **{f"{f}_indices_from.arr": (getattr(at, f"{f}_indices_from"), [(x, SHAPE)]) for f in ("tril", "triu", "diag")},
    "diag_indices.ndim": (lambda v: at.diag_indices(3, v), COUNT),
    "ravel_multi_index.multi_index": (lambda v: at.ravel_multi_index(v, (2, 3)), [
        ((labels,), SHAPE), ((x, x), TYPE), ((2, 0), VALUE), ((0, -1), VALUE)]),
    "ravel_multi_index.dims": (lambda v: at.ravel_multi_index((labels, labels), v), [*SIZE, ((2, -1), SHAPE)]),
    "ravel_multi_index.order": (lambda v: at.ravel_multi_index((labels, labels), (2, 3), order=v), [("A", TYPE)]),
    "unravel_index.indices": (lambda v: at.unravel_index(v, (2, 3)), [(x, TYPE), ([0, 6], VALUE), (-1, VALUE)]),
    "unravel_index.shape": (lambda v: at.unravel_index(labels, v), SIZES),
    "unravel_index.order": (lambda v: at.unravel_index(labels, (2, 3), v), [("A", TYPE)]),
    "inverse_permutation.perm": (at.inverse_permutation, [
        (x, TYPE), (n, SHAPE), ([0, 2], INDEX), ([-1, 0], INDEX), ([0, 0, 1], VALUE), ([[0, 1], [1, 1]], VALUE)]),
    "permute_row_elements.inverse": (lambda v: at.permute_row_elements(at.matrix(shape=(2, 3)), v, inverse=True), [
        (x, TYPE), (n, SHAPE), ([0, 1], SHAPE), ([0, 1, 1], VALUE)]),
    "fill_diagonal_offset.val": (lambda v: at.fill_diagonal_offset(X, v, 0), [(x, SHAPE)]),
    "fill_diagonal_offset.offset": (lambda v: at.fill_diagonal_offset(X, 0.0, v), OFFSET),
    "pad.array": (lambda v: at.pad(v, 1, "edge"), [(at.vector(shape=(0,)), SHAPE), ("m", TYPE)]),
    "pad.pad_width": (lambda v: at.pad(X, v), [*SIZE, ((1, 2, 3), SHAPE), (((1, 2), (1, -2)), SHAPE),
                                              (((1,), (2,), (3,)), SHAPE), ({2: 1}, SHAPE)]),
    "pad.stat_length": (lambda v: at.pad(X, 1, "mean", stat_length=v), [
        (0, VALUE), (1.5, TYPE), ((1, 2, 3), SHAPE)]),
    "pad.constant_values": (lambda v: at.pad(X, 1, constant_values=v), [((1, 2, 3), SHAPE), ("m", TYPE)]),
    "pad.end_values": (lambda v: at.pad(X, 1, "linear_ramp", end_values=v), [((1, 2, 3), SHAPE), ("m", TYPE)]),
    "pad.reflect_type": (lambda v: at.pad(X, 1, "reflect", reflect_type=v), [("both", TYPE)]),
    "bincount.weights": (lambda v: at.bincount(at.vector(dtype="int64", shape=(3,)), v), [
        (X, TYPE), ([1.0, 2.0], SHAPE), ([1j, 2, 3], TYPE)]),
    "bincount.minlength": (lambda v: at.bincount(labels, None, v), [(-1, VALUE), (1.5, TYPE), (x, TYPE)]),
    "bincount.assert_nonneg": (lambda v: at.bincount(v), [(x, TYPE), (at.lmatrix(), TYPE), ([0, -1], VALUE)]),
    "cov.m": (at.cov, [(at.tensor3(), SHAPE)]),
    "cov.rowvar": (lambda v: at.cov(v, rowvar=False), [(at.tensor3(), SHAPE)]),
    "cov.bias": (lambda v: at.cov(X, ddof=v), [(0.5, TYPE), (n, TYPE)]),
    "cov.fweights": (lambda v: at.cov(at.matrix(shape=(2, 3)), fweights=v), [(x, TYPE), (X, SHAPE), ([1, 2], SHAPE)]),
    "cov.aweights": (lambda v: at.cov(at.matrix(shape=(2, 3)), aweights=v), [(X, SHAPE), ([1.0, 2.0], SHAPE)]),
    "corrcoef.rowvar": (lambda v: at.corrcoef(v, rowvar=False), [(at.tensor3(), SHAPE)]),
    "interp.xp": (lambda v: at.interp(x, v, w), [(X, SHAPE), ([], SHAPE)]),
    "interp.fp": (lambda v: at.interp(x, [0.0, 1.0], v), [(X, SHAPE), ([1.0], SHAPE)]),
    "interp.right": (lambda v: at.interp(x, x, w, right=v), [("m", TYPE)]),
    "interp.period": (lambda v: at.interp(x, x, w, period=v), [("m", TYPE)]),
    "polyval.p": (lambda v: at.polyval(v, x), [(X, SHAPE), (1.0, SHAPE)]),
    "vander.N": (lambda v: at.vander(x, v), SIZE), "vander.increasing": (lambda v: at.vander(v, 2, True), [(X, SHAPE)]),
    **{f"{f}.num": (lambda v, f=f: getattr(at, f)(1, 2, v), SIZE) for f in ("logspace", "geomspace")},
    "logspace.base": (lambda v: at.logspace(0, 1, 3, base=v), [("m", TYPE)]),
    **{f"cross.{a}": (lambda v, a=a: at.cross(X, X, **{a: v}), ONE_AXIS) for a in ("axisa", "axisb", "axisc", "axis")},
    "block_diag.arrs": (at.block_diag, [(at.tensor3(), SHAPE)]),
    "swapaxes.axis1": (lambda v: at.swapaxes(X, v, 0), ONE_AXIS),
    "swapaxes.axis2": (lambda v: at.swapaxes(X, 0, v), ONE_AXIS),
    "diagonal.axis1": (lambda v: at.diagonal(X, 0, v, 0), [*ONE_AXIS, (0, SHAPE)]),
    "diagonal.axis2": (lambda v: at.diagonal(X, 0, 0, v), [*ONE_AXIS, (0, SHAPE)]),
    "trace.axis1": (lambda v: at.trace(X, 0, v, 0), ONE_AXIS),
    "trace.axis2": (lambda v: at.trace(X, 0, 0, v), ONE_AXIS),
    "moveaxis.source": (lambda v: at.moveaxis(X, v, 0), [*AXIS, ([0, 1], SHAPE)]),
    "moveaxis.destination": (lambda v: at.moveaxis(X, 0, v), [*AXIS, ([0, 1], SHAPE)]),
    "transpose.axes": (lambda v: at.transpose(X, v), [([0, 5], SHAPE), ([0], SHAPE), ([0, 0], SHAPE),
                                                      ([0, 0.5], TYPE)]),
    "dimshuffle.pattern": (lambda v: at.dimshuffle(X, v), [([0, 5], SHAPE), ([0], SHAPE), ([0, 0], SHAPE),
                                                          ([0, 0.5], TYPE)]),
    "addbroadcast.axes": (lambda v: at.addbroadcast(X, v), [(5, SHAPE), (0.5, TYPE)]),
    "unbroadcast.axes": (lambda v: at.unbroadcast(X, v), [(5, SHAPE), (0.5, TYPE)]),
    "patternbroadcast.broadcastable": (lambda v: at.patternbroadcast(X, v), [([True], SHAPE)]),
    "tensordot.axes": (lambda v: at.tensordot(X, Y, v), [(3, SHAPE), (-1, SHAPE), (0.5, TYPE), ([[0], [5]], SHAPE),
                                                        ([[0, 0], [0, 1]], SHAPE), ([[0], [0, 1]], SHAPE)]),
    "batched_tensordot.axes": (lambda v: at.batched_tensordot(X, Y, v), [(2, SHAPE), ([[1], [5]], SHAPE)]),
    **{f"{f}.shape": (lambda v, f=f: getattr(at, f)(v), SIZES) for f in ("zeros", "ones", "empty")},
    "full.shape": (lambda v: at.full(v, 1.0), SIZES),
    "alloc.shape": (lambda v: at.alloc(1.0, v), SIZES),
    "broadcast_to.shape": (lambda v: at.broadcast_to(x, v), [*SIZES, ((), SHAPE)]),
    "specify_shape.shape": (lambda v: at.specify_shape(x, (v,)), [*SIZE, ]),
    "reshape.newshape": (lambda v: at.reshape(x, v), [((-2,), SHAPE), ((-1, -1), SHAPE), (2.5, TYPE), (X, TYPE),
                                                     (labels, SHAPE)]),
    "reshape.ndim": (lambda v: at.reshape(x, labels, ndim=v), [(-1, SHAPE)]),
    "tensor.shape": (lambda v: at.tensor("t", dtype="float64", shape=v), [((-1,), SHAPE), ((0.5,), TYPE)]),
    **{f"{f}.shape": (lambda v, f=f: getattr(at, f)("t", shape=v), [((-1,) * r, SHAPE), ((None,) * (r + 1), SHAPE)])
       for r, f in enumerate(("vector", "matrix", "tensor3", "tensor4", "tensor5", "tensor6", "tensor7"), 1)},
    "scalar.shape": (lambda v: at.scalar("t", shape=v), [((2,), SHAPE)]),
    "row.shape": (lambda v: at.row("t", shape=v), [((2,), SHAPE)]),
    "col.shape": (lambda v: at.col("t", shape=v), [((2,), SHAPE)]),
    "shared.shape": (lambda v: at.shared(np.ones(3), shape=v), [((4,), SHAPE), ((-1,), SHAPE)]),
    "eye.n": (at.eye, SIZE), "eye.m": (lambda v: at.eye(2, v), SIZE), "eye.k": (lambda v: at.eye(2, k=v), OFFSET),
    "tri.n": (at.tri, SIZE), "tri.m": (lambda v: at.tri(2, v), SIZE), "tri.k": (lambda v: at.tri(2, k=v), OFFSET),
    "tril.k": (lambda v: at.tril(X, v), OFFSET), "triu.k": (lambda v: at.triu(X, v), OFFSET),
    "diag.k": (lambda v: at.diag(x, v), KNOWN_OFFSET),
    "diagonal.offset": (lambda v: at.diagonal(X, v), KNOWN_OFFSET),
    "trace.offset": (lambda v: at.trace(X, v), KNOWN_OFFSET),
    "fill_diagonal.value": (lambda v: at.fill_diagonal(X, v), [(x, SHAPE)]),
    "roll.shift": (lambda v: at.roll(x, v), OFFSET),
    "linspace.num": (lambda v: at.linspace(0, 1, v), SIZE),
    "arange.start": (at.arange, [(np.inf, VALUE), (np.nan, VALUE), (labels, SHAPE)]),
    "arange.stop": (lambda v: at.arange(0, v), [(np.inf, VALUE), (labels, SHAPE)]),
    "arange.step": (lambda v: at.arange(0, 5, v), [(0, VALUE), (0.0, VALUE), (np.nan, VALUE), (labels, SHAPE)]),
    "meshgrid.indexing": (lambda v: at.meshgrid(x, x, indexing=v), [("zz", TYPE)]),
    "atleast_nd.n": (lambda v: at.atleast_nd(x, n=v), COUNT), "atleast_Nd.n": (lambda v: at.atleast_Nd(x, n=v), COUNT),
    "shape_padleft.n_ones": (lambda v: at.shape_padleft(x, v), COUNT),
    "shape_padright.n_ones": (lambda v: at.shape_padright(x, v), COUNT),
    "diff.n": (lambda v: at.diff(x, v), COUNT),
    "flatten.ndim": (lambda v: at.flatten(X, v), [(0, SHAPE), (3, SHAPE), (1.5, SHAPE), (n, SHAPE)]),
    "as_tensor.ndim": (lambda v: at.as_tensor(X, ndim=v), [(1, SHAPE)]),
    "as_tensor_variable.ndim": (lambda v: at.as_tensor_variable(X, ndim=v), [(1, SHAPE)]),
    "constant.ndim": (lambda v: at.constant([1.0], ndim=v), [(0, SHAPE)]),
    "split.splits_size": (lambda v: at.split(x, v), [([2, -1], SHAPE), ([1.5], TYPE), (labels, SHAPE)]),
    "split.n_splits": (lambda v: at.split(x, [1, 2], v), [(3, SHAPE), (-1, SHAPE)]),
    "tile.reps": (lambda v: at.tile(x, v), [(-1, SHAPE), (1.5, TYPE), ((1, -1), SHAPE)]),
    "tile.ndim": (lambda v: at.tile(x, labels, ndim=v), [(-1, SHAPE), (None, SHAPE)]),
    "repeat.repeats": (lambda v: at.repeat(at.vector(shape=(2,)), v), [
        (-1, VALUE), (1.5, TYPE), ([1, -1], VALUE), ([1, 2, 3], SHAPE), ([[1]], TYPE), (x, TYPE)]),
    "to_one_hot.nb_class": (lambda v: at.to_one_hot(labels, v), SIZE),
    "to_one_hot.y": (lambda v: at.to_one_hot(v, 3), [([0, 3], INDEX), ([-1], INDEX), ([0.5], TYPE), (X, TYPE)]),
    "categorical_crossentropy.true_dist": (
        lambda v: nnet.categorical_crossentropy(at.matrix(shape=(None, 3)), v),
        [([0, 3], INDEX), ([-1, 0], INDEX), ([0.0, 1.0], TYPE), (at.tensor3(), TYPE)]),
    "crossentropy_categorical_1hot.true_one_of_n": (lambda v: nnet.crossentropy_categorical_1hot(X, v), [
        ([0, -1], INDEX), ([0.5], TYPE)]),
    "getitem": (lambda v: at.vector(shape=(3,))[v], [
        (3, SHAPE), (-4, SHAPE), (0.5, TYPE), (slice(None, None, 0), SHAPE), ((0, 0), SHAPE), (at.constant(3), SHAPE)]),
    "getitem of arrays": (lambda v: at.matrix(shape=(3, 3))[v], [
        ([0, 3], SHAPE), ([[-4]], SHAPE), ([0.5], TYPE), (([0, 1], [0, 1, 2]), SHAPE), ([True, False], SHAPE),
        ([[0], [0, 1]], TYPE), (x, TYPE)]),
    "take.indices": (lambda v: at.take(at.vector(shape=(3,)), v), [
        (3, SHAPE), ([0, -4], SHAPE), ([0.5], TYPE), ([True, False, True], TYPE), (x, TYPE), (None, TYPE)]),
    "take.axis": (lambda v: at.take(X, [0], v), ONE_AXIS),
    "take.mode": (lambda v: at.take(X, [0], 0, v), [("nearest", TYPE)]),
    **{f"{f}.axis": (lambda v, f=f: getattr(at, f)(X, axis=v), ONE_AXIS) for f in ("sort", "argsort", "unique")},
    **{f"{f}.axis": (lambda v, f=f: getattr(at, f)(X, 1, axis=v), ONE_AXIS) for f in (
        "partition", "argpartition", "topk", "argtopk", "topk_and_argtopk")},
    **{f"{f}.kind": (lambda v, f=f: getattr(at, f)(X, kind=v), KIND) for f in ("sort", "argsort")},
    **{f"{f}.kind": (lambda v, f=f: getattr(at, f)(X, 1, kind=v), KIND) for f in ("partition", "argpartition")},
    **{f"{f}.order": (lambda v, f=f: getattr(at, f)(X, order=v), FIELDS) for f in ("sort", "argsort")},
    **{f"{f}.order": (lambda v, f=f: getattr(at, f)(X, 1, order=v), FIELDS) for f in ("partition", "argpartition")},
    **{f"{f}.stable": (lambda v, f=f: getattr(at, f)(X, stable=v), FLAG) for f in ("sort", "argsort")},
    "sort.stable and kind": (lambda v: at.sort(X, kind="stable", stable=v), [(True, ARGUMENT), (False, ARGUMENT)]),
    **{f"{f}.kth": (lambda v, f=f: getattr(at, f)(at.vector(shape=(3,)), v), [
        (3, VALUE), (-4, VALUE), ([0, 3], VALUE), (0.5, TYPE), (True, TYPE), ([[0]], TYPE), (x, TYPE)])
       for f in ("partition", "argpartition")},
    **{f"{f}.kth": (lambda v, f=f: getattr(at, f)(at.vector(shape=(3,)), v), [
        (0, VALUE), (4, VALUE), (-4, VALUE), (0.5, TYPE), (True, TYPE), ([1], TYPE), (x, TYPE)]) for f in TOP},
    **{f"{f}.sorted": (lambda v, f=f: getattr(at, f)(X, 1, sorted=v), [*FLAG, (None, TYPE)]) for f in TOP},
    **{f"{f}.idx_dtype": (lambda v, f=f: getattr(at, f)(X, 1, idx_dtype=v), [
        ("float64", TYPE), ("bool", TYPE), ("int65", TYPE), (None, TYPE)]) for f in TOP},
    "lexsort.keys": (at.lexsort, [
        ([], SHAPE), (at.scalar(), SHAPE), (x, SHAPE), ([x, X], SHAPE),
        ([at.vector(shape=(2,)), at.vector(shape=(3,))], SHAPE)]),
    "lexsort.axis": (lambda v: at.lexsort([X, X], v), [*ONE_AXIS, (None, TYPE)]),
    "searchsorted.side": (lambda v: at.searchsorted(x, w, v), [("both", ARGUMENT), (None, ARGUMENT), (1, ARGUMENT)]),
    "searchsorted.sorter": (lambda v: at.searchsorted(at.vector(shape=(3,)), w, sorter=v), [
        (x, TYPE), (at.lmatrix(), TYPE), ([True, False], TYPE), ([0, 3, 1], INDEX), ([0, -1, 1], INDEX),
        ([0, 1], SHAPE)]),
    **{f"{f}.axis": (lambda v, f=f: getattr(at, f)(X, axis=v), AXES) for f in ("median", "nanmedian")},
    **{f"{f}.axis": (lambda v, f=f: getattr(at, f)(X, 0.5, axis=v), AXES) for f in (*QUANTILES, *PERCENTILES)},
    **{f"{f}.q": (lambda v, f=f: getattr(at, f)(X, v), [*SHARE, (1.5, VALUE)]) for f in QUANTILES},
    **{f"{f}.q": (lambda v, f=f: getattr(at, f)(X, v), [*SHARE, (100.5, VALUE)]) for f in PERCENTILES},
    **{f"{f}.method": (lambda v, f=f: getattr(at, f)(X, 0.5, method=v), [
        ("cubic", ARGUMENT), (None, ARGUMENT), (["linear"], ARGUMENT)]) for f in (*QUANTILES, *PERCENTILES)},
    "digitize.bins": (lambda v: at.digitize(x, v), [
        (X, SHAPE), (1.0, SHAPE), ([0, 2, 1], VALUE), ([2, 1, 3], VALUE), ([0, np.nan], VALUE), ([1j], TYPE)]),
    "digitize.right": (lambda v: at.digitize(x, [0, 1], v), [*FLAG, (None, TYPE)]),
    **{f"{f}.bins": (lambda v, f=f: getattr(at, f)(x, v), [
        ("auto", ARGUMENT), (X, SHAPE), (0, VALUE), (-1, VALUE), (1.5, TYPE), (True, TYPE), ([2, 1], VALUE),
        ([0, np.nan], VALUE), ([1j], TYPE), (at.dscalar(), TYPE)]) for f in ("histogram", "histogram_bin_edges")},
    **{f"{f}.range": (lambda v, f=f: getattr(at, f)(x, 3, v), [
        (1, ARGUMENT), ((1,), ARGUMENT), (x, ARGUMENT), ((2, 1), VALUE), ((0, np.inf), VALUE), ((np.nan, 1), VALUE),
        ((x, 1), SHAPE), ((1j, 2), TYPE)]) for f in ("histogram", "histogram_bin_edges")},
    "histogram.density": (lambda v: at.histogram(x, density=v), FLAG),
    "histogram.weights": (lambda v: at.histogram(at.matrix(shape=(2, 3)), weights=v), [
        (x, SHAPE), (np.ones((2, 2)), SHAPE), (np.ones((3, 2)), SHAPE), (at.zmatrix(), TYPE)]),
    "unique.ar": (at.unique, [("m", TYPE), (None, TYPE)]),
    **{f"unique.{p}": (lambda v, p=p: at.unique(x, **{p: v}), [*FLAG, (None, TYPE)]) for p in (
        "return_index", "return_inverse", "return_counts", "equal_nan", "sorted")},
    **{f"{f}.{p}": (lambda v, f=f, p=p, pair=pair: getattr(at, f)(**dict.fromkeys(pair, x) | {p: v}), [
        ("m", TYPE), (None, TYPE)]) for f, pair in SETS.items() for p in pair},
    **{f"{f}.{p}": (lambda v, f=f, p=p: getattr(at, f)(x, x, **{p: v}), [*FLAG, (None, TYPE)])
       for p, functions in (("assume_unique", [f for f in SETS if f != "union1d"]), ("invert", ["in1d", "isin"]),
                            ("return_indices", ["intersect1d"])) for f in functions},
    **{f"{f}.kind": (lambda v, f=f: getattr(at, f)(x, x, kind=v), KIND) for f in ("in1d", "isin")},
    "einsum.subscripts": (lambda v: at.einsum(v, X, Y), [
        ("ij", SHAPE), ("ij,k", SHAPE), ("ij,jk->iz", SHAPE), ("ij,jk->ii", SHAPE), ("i1,jk", SHAPE), (None, TYPE)]),
    "einsum.operands": (lambda v: at.einsum(X, v), [([0], SHAPE), ([0, -1], TYPE), ([0, 0.5], TYPE), ([0, 52], TYPE)]),
    "einsum.optimize": (lambda v: at.einsum("ij,jk", X, Y, optimize=v), [
        ("best", TYPE), (None, TYPE), (["einsum_path", (0, 2)], SHAPE), (["einsum_path"], SHAPE)]),
    "vectors": (at.vectors, [(-1, VALUE)]),
    **{f"{f}.M": (lambda v, f=f: getattr(at, f)(v, *WINDOWS[f]), [(1.5, TYPE), ("5", TYPE), (None, TYPE)])
       for f in WINDOWS},
    **{f"{f}.sym": (lambda v, f=f: getattr(at, f)(5, *WINDOWS[f], sym=v), [(2, TYPE), ("yes", TYPE)]) for f in WINDOWS},
    **{f"{f}.method": (lambda v, f=f: getattr(at, f)(x, x, method=v), [("fast", TYPE), (3, TYPE)])
       for f in ("convolve", "correlate")},
    "lambertw.k": (lambda v: at.lambertw(x, v), [(2, TYPE), (0.5, TYPE), ("0", TYPE)]),
    "mgrid": (lambda v: at.mgrid[0:5:v], [(0, VALUE)]),
    "size of draws": (lambda v: random.normal(size=v), SIZES),
    "n_steps": (lambda v: gradc.scan(lambda a: a + 1, outputs_info=x, n_steps=v), [(1.5, LoopError), (x, LoopError)]),
    "truncate_gradient": (lambda v: gradc.scan(lambda a: a + 1, outputs_info=x, n_steps=3, truncate_gradient=v),
                          [(-5, LoopError), (1.5, LoopError)]),
    "save_every_N": (lambda v: gradc.scan_checkpoints(lambda a: a + 1, outputs_info=x, n_steps=4, save_every_N=v),
                     [(0, LoopError), (-2, LoopError), (1.5, LoopError)]),
    "grad_clip": (lambda v: gradc.gradient.grad_clip(x, v, 0.0), [(1.0, GradcError), (np.nan, GradcError)]),
    "verify_grad.n_tests": (lambda v: gradc.verify_grad(at.exp, [np.ones(2)], n_tests=v), [(0, VALUE), (1.5, TYPE)]),
    "verify_grad.eps": (lambda v: gradc.verify_grad(at.exp, [np.ones(2)], eps=v), [(0.0, VALUE), (-1.0, VALUE)]),
}
# of draws: the last parameter is wrong
DRAWS: dict[str, tuple[Any, ...]] = {
    "uniform": (1.0, 0.0), "normal": (0.0, -1.0), "lognormal": (0.0, -1.0), "exponential": (-1.0,), "beta": (1.0, -1.0),
    "gamma": (1.0, -1.0), "chisquare": (0.0,), "gumbel": (0.0, -1.0), "laplace": (0.0, -1.0), "logistic": (0.0, -1.0),
    "triangular": (0.0, 1.0, 0.5), "vonmises": (0.0, -1.0), "weibull": (-1.0,), "binomial": (3, 1.5),
    "poisson": (-1.0,), "geometric": (0.0,), "bernoulli": (1.5,), "integers": (3, 3), "categorical": ([0.9, 0.3],),
    "multinomial": (3, [0.9, 0.3]), "dirichlet": ([-1.0, 1.0],),
}
# arguments of these names are none of the kinds above: values, dtypes, flags, or whatever NumPy takes
OTHER = {"x", "y", "a", "b", "dtype", "name", "args", "names", "options", "keepdims", "value", "fill_value", "start",
         "stop", "endpoint", "tensors", "more", "arrays", "nested", "vectors", "acc_dtype", "ddof", "corrected", "ord",
         "mode", "optimize", "operands", "subscripts", "rtol", "atol", "equal_nan", "left", "sparse", "opt", "nan",
         "posinf", "neginf", "cond", "ift", "iff", "min", "max", "v", "abs", "angle", "alpha", "output", "target",
         "coding_dist", "inplace", "set_instead_of_inc", "tolerate_inplace_aliasing", "no_zeros_in_input",
         "arrays_are_shapes", "strict", "allow_downcast", "borrow", "broadcastable", "_"}
# numbers of elementwise functions that have the name of another kind elsewhere
OPERANDS = {"complex.real", "complex.imag", "heaviside.h", "ldexp.n", "betaincinv.p", "chi2sf.k", "gammainccinv.q",
            "gammaincinv.p", "gammal.k", "gammau.k", "polygamma.n", "zeta.s", "zeta.q", "hyp2f1.c", "lambertw.z",
            "spence.z", "ndtri.p", "owens_t.h", "kaiser.beta"}


def test_every_argument_has_a_row():
    """`OTHER` says which names are not checked; what a colleague adds beside them must have a row."""
    missing = []
    for module, names in ((at, at.__all__), (nnet, nnet.__all__)):
        for name in names:
            f = getattr(module, name)
            if inspect.isfunction(f) and f.__module__.startswith("gradc"):
                missing += [f"{name}.{p}" for p in inspect.signature(f).parameters
                            if p not in OTHER and f"{name}.{p}" not in {*ARGUMENTS, *OPERANDS}]
    assert missing == ["logsoftmax.axis"][:len(missing)]         # another name of log_softmax


@pytest.mark.parametrize("where", ARGUMENTS)
def test_wrong_when_built(where):
    build, rows = ARGUMENTS[where]
    for value, error in rows:
        with pytest.raises(error) as found:
            build(value)
        assert isinstance(found.value, GradcError)


@pytest.mark.parametrize("name", DRAWS)
def test_wrong_parameters_of_draws(name):
    """Constants when the graph is built; values in C and in the interpreter, with the number at fault."""
    *others, bad = DRAWS[name]
    draws = getattr(random, name)
    with pytest.raises(BadValueError, match=r"test_checks.py"):
        draws(*others, bad, size=(2,))
    v = at.as_tensor_variable(bad).type.clone(shape=(None,) * np.ndim(bad))("v")
    f = gradc.function([v], draws(*others, v, size=(2,), rng=np.random.default_rng(1)), mode="interpret")
    with pytest.raises(BadValueError, match=r"test_checks.py"):
        f(bad)


def test_wrong_parameters_of_draws_in_c():
    """All in one function, each wrong in its turn."""
    names = [k for k in DRAWS if k not in ("multinomial", "dirichlet")]
    inputs = [at.as_tensor_variable(DRAWS[k][-1]).type.clone(shape=(None,) * np.ndim(DRAWS[k][-1]))(k) for k in names]
    good = {"uniform": 2.0, "triangular": 2.0, "integers": 4, "categorical": [0.5, 0.5]}
    right = [good.get(k, 0.5) for k in names]
    f = gradc.function(inputs, [getattr(random, k)(*DRAWS[k][:-1], v, size=(2,), rng=np.random.default_rng(1))
                                for k, v in zip(names, inputs)])
    assert f.info["mode"] == "c" and len(f(*right)) == len(names)
    for k, name in enumerate(names):
        bad = DRAWS[name][-1]
        shown = {"gamma": "-1.0", "categorical": "1.2"}.get(name, str(bad))
        with pytest.raises(BadValueError, match=rf"{shown}[\s\S]*test_checks.py"):
            f(*right[:k], bad, *right[k + 1:])


def test_no_draws_need_no_parameters():
    assert gradc.function([], random.integers(3, 3, size=0))().shape == (0,)
    with pytest.raises(ShapeError, match=r"does not broadcast to size \(2,\)"):
        random.normal(np.zeros(3), 1.0, size=(2,))


# ---------------------------------------------------------------- when the function is called


@pytest.mark.parametrize("mode", [None, "interpret"])
def test_nothing_is_updated_by_a_call_that_is_refused(mode):
    weights = gradc.shared(np.ones((4, 3)), "weights")
    loss = nnet.categorical_crossentropy(nnet.softmax(at.dot(X, weights)), labels).mean()
    step = gradc.function([X, labels], loss, updates=[(weights, weights - gradc.grad(loss, weights))], mode=mode)
    with pytest.raises(IndexError, match="class number 3"):
        step(np.ones((2, 4)), [0, 3])
    np.testing.assert_array_equal(weights.get_value(), np.ones((4, 3)))
    assert step(np.ones((2, 4)), [0, 2]) == pytest.approx(np.log(3), rel=1e-15)
    assert step(np.ones((0, 4)), np.zeros(0, "int64")).shape == ()


@pytest.mark.parametrize("mode", [None, "interpret"])
def test_labels_of_a_step(mode):
    """Those of one row of a sequence, and labels that are computed: of matrices, of all integer types."""
    several, dtype = at.tensor("several", dtype="uint8", shape=(None, None)), np.uint8
    P3 = at.tensor3("P3")
    losses, _ = gradc.scan(lambda p, y: nnet.categorical_crossentropy(p, y).sum(), sequences=[P3, several])
    f = gradc.function([P3, several], [losses, nnet.categorical_crossentropy(P3, several + 1)], mode=mode)
    if mode is None:
        assert f.info["mode"] == "c"
    p = np.random.default_rng(2).dirichlet(np.ones(4), size=(2, 3))
    good = np.array([[0, 1, 2], [2, 1, 0]], dtype)
    by_step, by_matrix = f(p, good)
    picked = -np.log(np.take_along_axis(p, good[..., None].astype(int), -1))[..., 0]
    np.testing.assert_allclose(by_step, picked.sum(1), rtol=1e-14)
    np.testing.assert_allclose(
        by_matrix, -np.log(np.take_along_axis(p, good[..., None].astype(int) + 1, -1))[..., 0], rtol=1e-14)
    for wrong, text in ((3, "number 4"), (200, "number 20[01]"), (255, "number 255")):
        bad = good.copy()
        bad[1, 2] = wrong
        with pytest.raises(IndexError, match=f"{text} is out of range; there are 4 classes"):
            f(p, bad)

V, A = np.arange(5.0), np.arange(12.0).reshape(3, 4)
P = np.full((3, 4), 0.25)

# name -> (function of a variable, dtype, right, [(wrong, error, what the message says)]); results are summed
DATA: dict[str, tuple[Any, Any, list[tuple[Any, type[Exception], str]]]] = {
    "x[n]": (lambda v: at.constant(V)[v], 1, [(5, INDEX, "index 5 .* size 5"), (-6, INDEX, "index -6")]),
    "X[:, n]": (lambda v: at.constant(A)[:, v], 1, [(4, INDEX, "index 4"), (-5, INDEX, "index -5")]),
    "x[::n]": (lambda v: at.constant(V)[::v], 2, [(0, SHAPE, "step 0")]),
    "set x[n]": (lambda v: at.set_subtensor(at.constant(V)[v], 1.0), 1, [(5, INDEX, "index 5"),
                                                                        (-6, INDEX, "index -6")]),
    "inc X[n]": (lambda v: at.inc_subtensor(at.constant(A)[v], 1.0), 1, [(3, INDEX, "index 3")]),
    "ones": (lambda v: at.ones((2, v)), 3, [(-1, SHAPE, "negative, got .*-1")]),
    "alloc": (lambda v: at.alloc(2.0, v), 3, [(-1, SHAPE, "negative, got .*-1")]),
    "broadcast_to": (lambda v: at.broadcast_to(at.constant(V[:1]), (v,)), 3, [(-1, SHAPE, "negative, got .*-1")]),
    "eye": (at.eye, 3, [(-1, SHAPE, "eye: .*got -1")]),
    "eye.m": (lambda v: at.eye(2, v), 3, [(-1, SHAPE, "eye: .*got -1")]),
    "tri": (at.tri, 3, [(-1, SHAPE, "tri: .*got -1")]),
    "linspace": (lambda v: at.linspace(0.0, 1.0, v), 3, [(-1, SHAPE, "linspace: .*got -1")]),
    "arange": (lambda v: at.arange(0, 5, v), 2, [(0, VALUE, "step must not be 0")]),
    "split": (lambda v: at.split(at.constant(V), v, 2)[0], [2, 3], [
        ([-1, 6], SHAPE, "negative, got -1"), ([2, 2], SHAPE, "add up to 4, .* size 5"),
        ([2, 3, 0], SHAPE, "2 entries, got 3")]),
    "reshape": (lambda v: at.constant(V).reshape(v, ndim=2), [5, -1], [
        ([-1, -1], SHAPE, "got 2 of them"), ([-2, 5], SHAPE, "-2"), ([2, 2], SHAPE, "fill"), ([0, -1], SHAPE, "-1"),
        ([5, 1, 1], SHAPE, "2 entries, got 3")]),
    "tile": (lambda v: at.tile(at.constant(V), v), 2, [(-1, SHAPE, "negative, got .*-1")]),
    "tile vector": (lambda v: at.tile(at.constant(V), v, ndim=1), [2], [([-1], SHAPE, "-1"), ([1, 2], SHAPE, "got 2")]),
    "repeat": (lambda v: at.repeat(at.constant(V), v), 2, [(-1, VALUE, "repeat: .*got -1")]),
    "join": (lambda v: at.join(v, at.constant(A), at.constant(A)), 1, [
        (2, SHAPE, "axis 2 is out of range"), (-3, SHAPE, "axis -3")]),
    "to_one_hot": (lambda v: at.to_one_hot(v, 3), [0, 2], [([0, 3], INDEX, "number 3 .* 3 classes"),
                                                         ([-1, 0], INDEX, "number -1")]),
    "to_one_hot.nb_class": (lambda v: at.to_one_hot(at.constant([0]), v), 3, [(-1, SHAPE, "got -1"),
                                                                           (0, INDEX, "number 0 .* 0 classes")]),
    "labels": (lambda v: nnet.categorical_crossentropy(at.constant(P), v), [0, 1, 3], [
        ([0, 1, 4], INDEX, "number 4 .* 4 classes"), ([0, -1, 1], INDEX, "number -1")]),
    "inverse_permutation": (at.inverse_permutation, [1, 0, 2], [
        ([0, 1, 3], INDEX, "3 is none of the 3 positions"), ([-1, 0, 1], INDEX, "-1 is none"),
        ([2, 0, 0], VALUE, "position 0 stands there more than once")]),
    "permute_row_elements": (lambda v: at.permute_row_elements(at.constant(A), v), [1, 0, 2, 3], [
        ([1, 0], SHAPE, "2 positions for rows of size 4")]),
    "sorter": (lambda v: at.searchsorted(at.constant(V[:3]), at.constant(V), sorter=v), [0, 1, 2], [
        ([0, 1], SHAPE, "2 positions, x has size 3"), ([0, 1, 3], INDEX, "position 3, x has size 3")]),
    "alloc that is summed": (lambda v: at.alloc(at.cast(v, "float64"), 3, 2).sum(), [1, 2], [
        ([1, 2, 3], SHAPE, "size 2 and dimension 0 of .* differ: 2 and 3|sizes 2 and 3 differ|does not broadcast")]),
    "labels of softmax": (lambda v: nnet.categorical_crossentropy(nnet.softmax(at.constant(A)), v), [0, 1, 3], [
        ([0, 7, 1], INDEX, "number 7 .* 4 classes")]),
    "size of draws": (lambda v: random.uniform(size=(v,), rng=np.random.default_rng(1)), 3, [(-1, SHAPE, "got .*-1")]),
    "n_steps": (lambda v: gradc.scan(lambda a: a + 1, outputs_info=at.constant(1.0), n_steps=v)[0], 3, [
        (-1, SHAPE, "steps is -1")]),
    "rows of a sequence": (lambda v: gradc.scan(lambda a: a + 1, sequences=at.constant(V), n_steps=v)[0], 3, [
        (6, SHAPE, "5 rows, fewer than the 6 steps")]),
    "specify_shape": (lambda v: at.specify_shape(at.constant(V)[:v], (3,)), 3, [
        (2, AssertionFailedError, "size 2, not 3")]),
}
INTERPRETED: dict[str, tuple[Any, Any, list[tuple[Any, type[Exception], str]]]] = {
    "repeats": (lambda v: at.repeat(at.constant(V[:2]), v), [1, 2], [([1, -1], VALUE, "got -1"),
                                                                  ([1, 2, 3], SHAPE, "3 repeats for the 2 elements")]),
    "float step": (lambda v: at.arange(0.0, 1.0, v), 0.5, [(0.0, VALUE, "must not be 0"), (np.nan, VALUE, "finite")]),
    "float stop": (lambda v: at.arange(v), 3.0, [(np.inf, VALUE, "finite")]),
}
VECTORS = ("split", "reshape", "tile vector")


def variable(row):
    right = row[1]
    return at.tensor("v", dtype=np.asarray(right).dtype.name, shape=(None,) * np.ndim(right))


def total(row, v):
    return at.cast(row[0](v), "float64").sum()


class Together:
    """All rows in one function, compiled once: each wrong value is tried with right ones for the others."""

    def __init__(self, build, mode):
        # sizes out of a vector are not known before the branch is taken: the interpreter would run it all
        self.rows = {k: row for k, row in DATA.items() if build is not in_branch or k not in VECTORS or mode}
        inputs = [variable(row) for row in self.rows.values()]
        flag = at.bscalar("flag")
        outputs = [build(total(row, v), v, flag, row) for row, v in zip(self.rows.values(), inputs)]
        with gradc.config.change_flags(cc_flags="-O0"):
            self.function = gradc.function([flag, *inputs], outputs, mode=mode, on_unused_input="ignore")

    def __call__(self, name=None, wrong=None, flag=1):
        return self.function(flag, *[wrong if k == name else row[1] for k, row in self.rows.items()])


def plain(value, v, flag, row):
    return value


def in_branch(value, v, flag, row):
    return gradc.ifelse(flag, value, at.constant(np.zeros(())))


def in_loop(value, v, flag, row):
    """The row is made in the step, which knows v as a value of its own."""
    return gradc.scan(lambda t, v: t * total(row, v), sequences=at.constant(np.ones(2)), non_sequences=v)[0].sum()


FORMS = [pytest.param(plain, None, id="c"), pytest.param(plain, "interpret", id="interpreter"),
         pytest.param(in_branch, None, id="branch", marks=pytest.mark.slow),
         pytest.param(in_branch, "interpret", id="branch, interpreted"),
         pytest.param(in_loop, None, id="loop", marks=pytest.mark.slow),
         pytest.param(in_loop, "interpret", id="loop, interpreted")]


@pytest.fixture(scope="module")
def compiled():
    return {}


@pytest.fixture
def together(form, mode, compiled):
    if (form, mode) not in compiled:
        compiled[form, mode] = Together(form, mode)
    return compiled[form, mode]


@pytest.mark.parametrize(("form", "mode"), FORMS)
def test_wrong_when_called(together, form):
    for name in together.rows:
        for wrong, error, text in DATA[name][2]:
            with pytest.raises(error, match=rf"{text}[\s\S]*test_checks.py"):
                together(name, wrong)
            if form is in_branch:
                assert together(name, wrong, flag=0) == [0.0] * len(together.rows)


@pytest.mark.parametrize(("form", "mode"), FORMS)
def test_right_when_called(together, form, mode):
    """The same numbers in all forms, which are those of NumPy."""
    assert together.function.info["mode"] == (mode or "c")
    values = dict(zip(together.rows, together()))
    times = 2 if form is in_loop else 1
    right = {"set x[n]": V.sum(), "join": 2 * A.sum(), "eye": 3, "tri": 6, "arange": 6, "ones": 6, "n_steps": 9,
             "repeat": 2 * V.sum(), "labels": -3 * np.log(0.25), "tile": 2 * V.sum(), "to_one_hot": 2, "linspace": 1.5}
    for name, value in right.items():
        np.testing.assert_allclose(values[name], value * times, rtol=1e-14)


@pytest.mark.parametrize(("name", "wrong", "error", "text"), [
    pytest.param(k, wrong, error, text, id=f"{k}-{wrong}") for k, (_, _, rows) in INTERPRETED.items()
    for wrong, error, text in rows])
def test_wrong_where_only_the_interpreter_runs(name, wrong, error, text):
    row = INTERPRETED[name]
    v = variable(row)
    f = gradc.function([v], total(row, v), mode="interpret")
    assert np.isfinite(f(row[1]))
    with pytest.raises(error, match=rf"{text}[\s\S]*test_checks.py"):
        f(wrong)
