"""Order of elements: extremes and their places, sorting, search."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import gradc.tensor as at
from tests.cases_base import Arg, Case, bools, ints
from tests.cases_reductions import reduction

D, D1, D3 = Arg((3, 4), "distinct"), Arg((5,), "distinct"), Arg((2, 3, 4), "distinct")
F = Arg((3, 4), "distinct", "float32")


def _on_axes(name: str, reference: Callable[..., Any], grad: str, arg: Arg = D3, **options: Any) -> list[Case]:
    return [Case(name, partial(getattr(at, name), axis=axis, **options), partial(reference, axis=axis), (arg,), grad,
                 label=f"axis={axis} {options}") for axis in (-1, 0, 1, None)]


def _largest(x: np.ndarray, k: int, axis: int | None) -> np.ndarray:
    """By sorting; complex numbers by their real parts."""
    x, axis = (x.ravel(), 0) if axis is None else (x, axis)
    order = np.argsort(-x.real if k > 0 else x.real, axis, kind="stable")
    return np.take_along_axis(x, np.take(order, range(abs(k)), axis), axis)


def _places_of_largest(x: np.ndarray, k: int, axis: int | None) -> np.ndarray:
    x, axis = (x.ravel(), 0) if axis is None else (x, axis)
    return np.take(np.argsort(-x if k > 0 else x, axis, kind="stable"), range(abs(k)), axis)


def _parts(x: np.ndarray, kth: list[int], axis: int = -1) -> np.ndarray:
    """Positions of what partition puts beside elements kth, by the parts one after the other."""
    def of_row(row: np.ndarray) -> np.ndarray:
        order, made = np.arange(len(row)), []
        for pivot in np.unique(np.sort(row)[kth]):
            values = row[order]
            made += [order[values < pivot], order[values == pivot]]
            order = order[values > pivot]
        return np.concatenate([*made, order])

    return np.apply_along_axis(of_row, axis, x)


def _parted(x: np.ndarray, kth: list[int], axis: int = -1) -> np.ndarray:
    return np.take_along_axis(x, _parts(x, kth, axis), axis)


SORTING: list[Case] = [
    *_on_axes("sort", np.sort, "complex"),
    *_on_axes("argsort", partial(np.argsort, kind="stable"), "none"),
    *[Case("sort", at.sort, np.sort, (arg,), "none", label=arg.dtype)
      for arg in (bools(), ints(), ints(dtype="int8"), ints((40,), dtype="int32"), ints((80,), "small", "uint8"))],
    *[Case("argsort", partial(at.argsort, kind=kind), partial(np.argsort, kind="stable"), (arg,), "none",
           label=f"{arg.dtype} {kind}")
      for arg, kind in ((bools(), "stable"), (ints(), None), (ints(dtype="int16"), "quicksort"),
                        (ints((80,), "small", "uint64"), "heapsort"))],
    Case("sort", at.sort, np.sort, (F,), "none", label="float32"),
    *[Case("partition", partial(at.partition, kth=kth, axis=axis), partial(_parted, kth=np.ravel(kth), axis=axis),
           (arg,), "none" if arg.dtype == "int64" else "complex", label=f"{arg.dtype} {kth} {axis}")
      for arg, kth, axis in ((D, 2, -1), (D, [1, -1], 0), (ints((90,), "small"), [40], 0),
                             (ints((90,), "small"), [40, 3, 40, -2], 0))],
    Case("argpartition", lambda x, k: at.argpartition(x, k, None), lambda x, k: _parts(x.ravel(), [int(k)]),
         (D, Arg((), "two", "int64")), "none"),
    Case("lexsort", lambda x, y: at.lexsort([x, y]), lambda x, y: np.lexsort([x, y]), (ints((9,)), ints((9,), "small")),
         "none"),
    Case("lexsort", lambda x, y: at.lexsort((x, y), axis=0), lambda x, y: np.lexsort((x, y), axis=0),
         (D, Arg((3, 4), "small", "int8")), "none", label="axis"),
    *[Case("lexsort", partial(at.lexsort, axis=axis), partial(np.lexsort, axis=axis),
           (Arg((3, 4, 5), "small", static=static),), "none", label=f"{static} {axis}")
      for static in ((None, None, None), (3, None, None)) for axis in (-1, 0)],
    *[Case("topk", partial(at.topk, kth=k, axis=axis), partial(_largest, k=k, axis=axis), (D,), label=f"{k} {axis}")
      for k, axis in ((2, -1), (-3, 0), (5, None))],
    Case("topk", lambda x, k: at.topk(x, k, 0), lambda x, k: _largest(x, int(k), 0), (D, Arg((), "two", "int8")),
         label="symbolic"),
    *[Case("argtopk", partial(at.argtopk, kth=k, axis=axis, idx_dtype="int32"),
           lambda x, k=k, axis=axis: _places_of_largest(x, k, axis).astype("int32"), (arg,), "none",
           label=f"{k} {axis}")
      for k, axis, arg in ((2, -1, D), (-3, 0, ints()), (5, None, ints()))],
    Case("topk_and_argtopk", lambda x: at.topk_and_argtopk(x, 2),
         lambda x: [_largest(x, 2, -1), _places_of_largest(x, 2, -1)], (D,), "none"),
    *[Case("searchsorted", lambda x, v, side=side: at.searchsorted(at.sort(x), v, side),
           lambda x, v, side=side: np.searchsorted(np.sort(x), v, side), (x, v), "none", label=f"{side} {x} {v}")
      for side in ("left", "right")
      for x, v in ((D1, D), (ints((6,)), ints((2, 2, 3), dtype="int16")), (ints((5,), dtype="uint64"), ints((4,))),
                   (Arg((5,), "integers", "float32"), Arg((), "integers")))],
    Case("searchsorted", lambda x, v: at.searchsorted(x, v, sorter=at.argsort(x)), lambda x, v: np.searchsorted(
        np.sort(x), v), (D1, D), "none", label="sorter"),
]

METHODS = ("inverted_cdf", "averaged_inverted_cdf", "closest_observation", "interpolated_inverted_cdf", "hazen",
           "weibull", "linear", "median_unbiased", "normal_unbiased", "lower", "higher", "midpoint", "nearest")
Q = Arg((3,), "open01")


ORDER_STATISTICS: list[Case] = [
    *[Case(name, partial(getattr(at, name), axis=axis, keepdims=keepdims),
           partial(getattr(np, name), axis=axis, keepdims=keepdims), (arg,), "difference" if arg is D3 else "none",
           label=f"{axis} {keepdims} {arg.dtype}")
      for name in ("median", "nanmedian")
      for axis, keepdims, arg in ((None, False, D3), (1, True, D3), ((0, 2), False, D3), (0, False, ints()),
                                  (-1, False, bools()))],
    *[Case("quantile", partial(at.quantile, q=0.3, axis=1, method=method),
           partial(np.quantile, q=0.3, axis=1, method=method), (D3,), "difference", label=method)
      for method in METHODS],
    *[Case("quantile", lambda x, q, axis=axis, keepdims=keepdims: at.quantile(x, q, axis, keepdims=keepdims),
           lambda x, q, axis=axis, keepdims=keepdims: np.quantile(x, q, axis, keepdims=keepdims), (arg, Q),
           "difference" if arg is D3 else "none", label=f"{axis} {keepdims} {arg.dtype}")
      for axis, keepdims, arg in ((0, False, D3), ((0, 2), True, D3), (None, False, ints()),
                                  (-1, False, ints(dtype="uint8")))],
    *[Case(name, partial(getattr(at, name), q=q, axis=axis), partial(getattr(np, name), q=q, axis=axis), (D3,),
           "difference", label=f"{q} {axis}")
      for name, q, axis in (("percentile", 40, 1), ("percentile", [25, 50.0], None), ("nanpercentile", 75, 0),
                            ("nanquantile", [[0.1, 1.0]], -1), ("nanquantile", 0.5, (0, 1)))],
    Case("quantile", partial(at.quantile, q=0.3), partial(np.quantile, q=0.3), (F,), "none", rtol=1e-6,
         label="float32"),
]

_EDGES, _FALLING = [-1.5, 0.0, 0.25, 2.0], [4, 2, -1]
HISTOGRAMS: list[Case] = [
    *[Case("histogram", partial(at.histogram, bins=bins, range=span, density=density),
           partial(np.histogram, bins=bins, range=span, density=density), (arg,), "none",
           label=f"{bins} {span} {density} {arg.dtype}")
      for bins, span, density, arg in ((10, None, None, Arg()), (3, (-1, 2), None, Arg()), (_EDGES, None, True, Arg()),
                                       (4, None, True, ints()), ([0, 1, 3], None, None, ints((9,), "small", "uint8")))],
    Case("histogram", lambda x, w: at.histogram(x, 4, (-2, 2.0), weights=w)[0],
         lambda x, w: np.histogram(x, 4, (-2, 2.0), weights=w)[0], (Arg(), Arg()), "complex", (1,), label="weights"),
    Case("histogram", lambda x, e, k: [at.histogram(x, at.sort(e))[0], *at.histogram(x, k)], lambda x, e, k: [
        np.histogram(x, np.sort(e))[0], *np.histogram(x, int(k))], (Arg(), D1, Arg((), "two", "int8")), "none",
        label="symbolic"),
    Case("histogram_bin_edges", lambda x: at.histogram_bin_edges(x, 4), lambda x: np.histogram_bin_edges(x, 4), (D,),
         "difference"),
    *[Case("digitize", partial(at.digitize, bins=bins, right=right), partial(np.digitize, bins=bins, right=right), (x,),
           "none", label=f"{bins} {right} {x.dtype}")
      for bins, x in ((_EDGES, Arg()), (_FALLING, ints())) for right in (False, True)],
    *[Case("digitize", lambda x, e, turn=turn: at.digitize(x, at.sort(e)[::turn], True),
           lambda x, e, turn=turn: np.digitize(x, np.sort(e)[::turn], True), (Arg(), D1), "none", label=f"{turn}")
      for turn in (1, -1)],
]

_SMALL = ints((3, 4), "small")
_ALL = {"return_index": True, "return_inverse": True, "return_counts": True}
SETS: list[Case] = [
    *[Case("unique", partial(at.unique, **options), partial(np.unique, **options), (arg,), "none",
           label=f"{arg.dtype} {options}")
      for arg in (_SMALL, bools(), ints((30,), "integers", "uint8"), Arg((2, 5), "small", "float32"))
      for options in ({}, _ALL)],
    *[Case("unique", partial(at.unique, axis=axis, **_ALL), partial(np.unique, axis=axis, **_ALL),
           (Arg((6, 2, 3), "bools"),), "none", label=f"axis={axis}") for axis in (0, -1)],
    Case("unique", at.unique, np.unique, (D,), label="derivatives"),
    Case("unique", lambda x: at.unique(at.concatenate([x, x]), axis=0), lambda x: x[np.argsort(x[:, 0].real)], (D,),
         label="derivatives of rows"),
    *[Case("isin", partial(at.isin, invert=invert), partial(np.isin, invert=invert), args, "none", label=f"{invert}")
      for invert, args in ((False, (_SMALL, ints((2, 2)))), (True, (Arg((5,), "small"), ints((3,), dtype="int8"))))],
    Case("in1d", at.in1d, lambda x, y: np.isin(x, y).ravel(), (_SMALL, ints((3,))), "none"),
    *[Case(name, getattr(at, name), getattr(np, name), args, "none", label=f"{k}")
      for name in ("union1d", "intersect1d", "setdiff1d", "setxor1d")
      for k, args in enumerate(((_SMALL, ints((7,), "small", "int8")), (Arg((9,), "small"), ints((2, 3)))))],
    *[Case(name, partial(getattr(at, name), assume_unique=True), partial(getattr(np, name), assume_unique=True),
           (D1, Arg((4,), "positive")), "none", label="assume_unique")
      for name in ("intersect1d", "setdiff1d", "setxor1d")],
    *[Case("intersect1d", partial(at.intersect1d, assume_unique=known, return_indices=True),
           partial(np.intersect1d, assume_unique=known, return_indices=True), args, "none", label=f"indices {known}")
      for known, args in ((False, (_SMALL, ints((7,), "small"))), (True, (D1, D1)))],
]

ORDER: list[Case] = [
    *reduction("argmax", np.argmax, "distinct", "none", (None, 0, -1)),
    *reduction("argmin", np.argmin, "distinct", "none", (None, 0, -1)),
    Case("ptp", lambda x: at.ptp(x, axis=1), lambda x: np.ptp(x, axis=1), (Arg(domain="distinct"),), "difference"),
    Case(
        "max_and_argmax",
        lambda x: at.max_and_argmax(x, axis=1),
        lambda x: [x.max(1), x.argmax(1)],
        (Arg(domain="distinct"),),
        "none",
    ),
    *SORTING, *ORDER_STATISTICS, *HISTOGRAMS, *SETS,
]
