"""Sorting and what is made of it: order of equal elements, nan, loops, derivatives, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.errors import BadArgumentError, BadValueError, IndexOutOfBoundsError, ShapeError, TypeMismatchError
from gradc.ir.dtypes import FLOATS

MODES = [None, "interpret"]
mode = pytest.mark.parametrize("mode", MODES)
RNG = np.random.default_rng(11)


def with_ties(dtype: str, *shape: int) -> np.ndarray:
    """Many equal elements; of floats also nan, infinities and zeros of both signs."""
    x = RNG.integers(0, 5, shape).astype(dtype)
    if dtype in FLOATS:
        flat = x.reshape(-1)
        for value in (np.nan, -0.0, np.inf, -np.inf, -2.5):
            flat[RNG.random(flat.size) < 0.2] = value
    return x


@mode
def test_equal_elements_keep_their_order(mode: Any) -> None:
    """As numpy's stable sort, of any kind; signs of zeros, too.  (All dtypes: tests/csrc/test_sort.py.)"""
    inputs, outs, values = [], [], []
    for dtype in ("bool", "int8", "uint64", "float32", "float64"):
        for shape in ((3, 70), (2, 0)):
            x = at.tensor(dtype=dtype, shape=(None, None))
            inputs.append(x)
            values.append(with_ties(dtype, *shape))
            outs += [at.sort(x), at.argsort(x, kind="quicksort"), at.unique(x), at.isin(x, x[:1, :1])]
    f = gradc.function(inputs, outs, mode=mode)
    assert f.info["mode"] == ("c" if mode is None else "interpret")
    found = f(*values)
    for k, x in enumerate(values):
        wants = [np.sort(x, kind="stable"), np.argsort(x, kind="stable"), np.unique(x), np.isin(x, x[:1, :1])]
        for got, want in zip(found[4 * k:4 * k + 4], wants):
            np.testing.assert_array_equal(got, want, strict=True)
        assert found[4 * k].tobytes() == wants[0].tobytes()


@mode
def test_largest_of_equal_elements_and_nan(mode: Any) -> None:
    x, k = at.dvector("x"), at.lscalar("k")
    f = gradc.function([x, k], [at.topk(x, k), at.argtopk(x, k)], mode=mode)
    data = np.array([1.0, 3.0, np.nan, 3.0, 0.0, 1.0])
    for count, values, places in ((4, [np.nan, 3, 3, 1], [2, 1, 3, 0]), (-4, [0, 1, 1, 3], [4, 0, 5, 1]),
                                  (6, [np.nan, 3, 3, 1, 1, 0], [2, 1, 3, 0, 5, 4])):
        got, at_ = f(data, count)
        np.testing.assert_array_equal(got, values)
        np.testing.assert_array_equal(at_, places)
    for wrong in (0, 7, -7):
        with pytest.raises(BadValueError, match=rf"topk: kth is {wrong}, .*above 6(.|\n)*test_sorting.py:\d+"):
            f(data, wrong)


@mode
def test_derivatives_move_with_the_elements(mode: Any) -> None:
    """By hand: of sum(w sort(x)^3) it is 3 w x^2 at the rank of x; equal ones have the ranks of the stable order."""
    x, w, t = at.dmatrices("x", "w", "t")
    cost = (w * at.sort(x, 0) ** 3).sum()
    slope = gradc.grad(cost, x)
    f = gradc.function([x, w, t], [slope, gradc.gradient.Rop(at.sort(x, 0), x, t), gradc.gradient.Rop(slope, x, t),
                                   gradc.grad((slope * t).sum(), x), gradc.grad(cost, w)], mode=mode)
    a = np.array([[3.0, 1.0], [1.0, 1.0], [2.0, 0.5], [1.0, 1.0]])
    weights, along = RNG.normal(size=(2, 4, 2))
    ranks = np.argsort(np.argsort(a, 0, kind="stable"), 0, kind="stable")
    own = np.take_along_axis(weights, ranks, 0)
    got = f(a, weights, along)
    np.testing.assert_allclose(got[0], 3 * own * a**2)
    np.testing.assert_array_equal(got[1], np.take_along_axis(along, np.argsort(a, 0, kind="stable"), 0))
    for second in got[2:4]:
        np.testing.assert_allclose(second, 6 * own * a * along)
    np.testing.assert_allclose(got[4], np.sort(a, 0) ** 3)


@mode
def test_derivatives_of_medians_and_quantiles(mode: Any) -> None:
    """Half to each of the two middle elements; by shares to the neighbours of a quantile; none where there is a nan."""
    x = at.dmatrix("x")
    f = gradc.function([x], [gradc.grad(at.median(x, 1).sum(), x, disconnected_inputs="raise"),
                             gradc.grad(at.quantile(x, 0.25, 1).sum(), x), gradc.grad(at.nanmedian(x, 1).sum(), x)],
                       mode=mode)
    a = np.array([[4.0, 1.0, 3.0, 2.0], [1.0, np.nan, 5.0, 3.0]])
    by_median, by_quantile, by_nanmedian = f(a)
    np.testing.assert_allclose(by_median, [[0, 0, 0.5, 0.5], [0, 0, 0, 0]])
    np.testing.assert_allclose(by_quantile, [[0, 0.25, 0, 0.75], [0, 0, 0, 0]])
    np.testing.assert_allclose(by_nanmedian, [[0, 0, 0.5, 0.5], [0, 0, 0, 1]])


@mode
def test_loops_and_branches(mode: Any) -> None:
    """x' = sort(x) less its reverse, or x / 2 where more than 3 of its rounded elements differ."""
    x0, n = at.dvector("x"), at.lscalar("n")

    def step(x: Any) -> Any:
        count = at.unique(at.floor(x)).shape[0]
        return gradc.ifelse(at.gt(count, 3), x / 2, at.sort(x) - 0.3 * x[at.argsort(x)[::-1]]), count

    (xs, counts), _ = gradc.scan(step, outputs_info=[x0, None], n_steps=n)
    f = gradc.function([x0, n], [xs, counts, gradc.grad((xs[-1] ** 2).sum(), x0)], mode=mode)

    def run(x: np.ndarray) -> tuple[list[np.ndarray], list[int]]:
        rows, numbers = [], []
        for _ in range(6):
            numbers.append(len(np.unique(np.floor(x))))
            x = x / 2 if numbers[-1] > 3 else np.sort(x) - 0.3 * np.sort(x)[::-1]
            rows.append(x)
        return rows, numbers

    start = RNG.normal(size=9) * 4
    rows, numbers, slope = f(start, 6)
    wants, want_numbers = run(start)
    np.testing.assert_allclose(rows, wants)
    np.testing.assert_array_equal(numbers, want_numbers)
    assert len(set(want_numbers)) > 1
    d = RNG.normal(size=9)
    ends = [(run(start + h * d)[0][-1] ** 2).sum() for h in (1e-6, -1e-6)]
    np.testing.assert_allclose(slope @ d, (ends[0] - ends[1]) / 2e-6, rtol=1e-6)


def test_a_loop_over_rows_is_a_batch() -> None:
    """What is computed for each row is one call for all rows."""
    x, v = at.dmatrix("x"), at.dmatrix("v")
    made, _ = gradc.scan(lambda row, u: [at.sort(row), at.argsort(row), at.searchsorted(at.sort(row), u),
                                         at.median(row), at.quantile(row, 0.3, method="nearest"),
                                         at.lexsort([u, at.floor(row)])], sequences=[x, v])
    f = gradc.function([x, v], made)
    assert f.info["mode"] == "c"
    a, b = RNG.normal(size=(2, 5, 6)) * 3
    want = [np.sort(a), np.argsort(a), np.stack([np.searchsorted(np.sort(r), u) for r, u in zip(a, b)]),
            np.median(a, 1), np.quantile(a, 0.3, 1, method="nearest"),
            np.stack([np.lexsort([u, np.floor(r)]) for r, u in zip(a, b)])]
    for got, w in zip(f(a, b), want):
        np.testing.assert_allclose(got, w)


@mode
def test_sizes_that_the_data_tell(mode: Any) -> None:
    """A number of values follows from the data, and so do sizes that follow from it."""
    x = at.lvector("x")
    values, counts = at.unique(x, return_counts=True)
    most = values[at.argmax(counts)]
    f = gradc.function([x], [at.outer(values, values).sum(), most, at.zeros((values.shape[0], 2))], mode=mode)
    for data in ([3, 1, 3, 3, 7], [5], [2, 2, 9, 9, 9, 9]):
        want, number = np.unique(data, return_counts=True)
        total, top, blank = f(np.array(data))
        assert total == want.sum() ** 2 and top == want[number.argmax()] and blank.shape == (len(want), 2)


@mode
def test_search_in_what_is_not_sorted(mode: Any) -> None:
    """Some place from 0 to n, and no error, as the docstring says."""
    x, v = at.dvector("x"), at.dvector("v")
    f = gradc.function([x, v], at.searchsorted(x, v), mode=mode)
    for _ in range(5):
        places = f(RNG.normal(size=20), RNG.normal(size=50))
        assert places.min() >= 0 and places.max() <= 20


X, V, K, E, C = at.dmatrix("x"), at.dvector("v"), at.lscalar("k"), at.dvector("e"), at.zvector("c")
AT_BUILD: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: at.sort(X, 2), ShapeError, "sort: axis 2 is out of range"),
    (lambda: at.argsort(X, -3), ShapeError, "argsort: axis -3 is out of range"),
    (lambda: at.sort(1.0), ShapeError, "sort: axis -1 is out of range"),
    (lambda: at.sort(X, kind="bubble"), BadArgumentError, "kind is one of quicksort, .*got 'bubble'"),
    (lambda: at.sort(X, order="name"), BadArgumentError, "order= names fields"),
    (lambda: at.sort(X, kind="stable", stable=True), BadArgumentError, "say the same"),
    (lambda: at.quantile(C, 0.5), TypeMismatchError, "quantile takes real numbers, got c of type"),
    (lambda: at.partition(np.zeros(3), 3), BadValueError, "kth is 3, the axis has size 3"),
    (lambda: at.argpartition(np.zeros(3), -4), BadValueError, "kth is -4, the axis has size 3"),
    (lambda: at.partition(V, 0.5), TypeMismatchError, "kth is an integer or a vector of integers"),
    (lambda: at.topk(np.zeros(3), 4), BadValueError, "kth is 4, .*above 3"),
    (lambda: at.topk(V, 0), BadValueError, "kth is 0"),
    (lambda: at.topk(V, 1.5), TypeMismatchError, "kth is an integer"),
    (lambda: at.argtopk(V, 1, idx_dtype="float64"), TypeMismatchError, "positions are integers"),
    (lambda: at.lexsort([]), ShapeError, "at least one key"),
    (lambda: at.lexsort(V), ShapeError, "the number of keys of v"),
    (lambda: at.searchsorted(X, V), ShapeError, "x is a vector, x is f64"),
    (lambda: at.searchsorted(V, V, "middle"), BadArgumentError, "side is 'left' or 'right', got 'middle'"),
    (lambda: at.searchsorted(V, V, sorter=V), TypeMismatchError, "sorter is a vector of integers"),
    (lambda: at.quantile(V, 1.01), BadValueError, r"quantile: q must be from 0 to 1, got 1\.01"),
    (lambda: at.percentile(V, [50, -1]), BadValueError, r"percentile: q must be from 0 to 100, got -1"),
    (lambda: at.quantile(V, np.nan), BadValueError, "q must be from 0 to 1, got nan"),
    (lambda: at.quantile(V, 0.5, method="third"), BadArgumentError, "method is one of .*got 'third'"),
    (lambda: at.median(np.zeros((0, 2)), 0), ShapeError, "median of no elements has no value"),
    (lambda: at.median(X, (0, 2)), ShapeError, "median: axis 2 is out of range"),
    (lambda: at.histogram(V, 0), BadValueError, "number of bins must be 1 or more, got 0"),
    (lambda: at.histogram(V, "auto"), BadArgumentError, "bins are a number or the edges, got 'auto'"),
    (lambda: at.histogram(V, [0, 2, 1]), BadValueError, r"bins must rise, got 2\.0 before 1\.0"),
    (lambda: at.histogram(V, range=(1, 0)), BadValueError, r"the range must rise and be finite, got 1\.0 to 0\.0"),
    (lambda: at.histogram(V, range=(0, np.inf)), BadValueError, r"got 0\.0 to inf"),
    (lambda: at.histogram(V, range=3), BadArgumentError, "range is a pair of numbers"),
    (lambda: at.histogram(V, weights=X), ShapeError, "weights have the shape of a"),
    (lambda: at.digitize(V, [0, 2, 1]), BadValueError, r"bins must rise or fall, got 2\.0 before 1\.0"),
    (lambda: at.digitize(V, X), ShapeError, "bins are a vector"),
    (lambda: at.unique(X, axis=2), ShapeError, "unique: axis 2 is out of range"),
    (lambda: at.isin(V, V, kind="magic"), BadArgumentError, "kind is 'sort' or 'table'"),
]


@pytest.mark.parametrize("k", range(len(AT_BUILD)))
def test_what_is_refused_when_it_is_written(k: int) -> None:
    run, kind, words = AT_BUILD[k]
    with pytest.raises(kind, match=rf"(?s){words}.*test_sorting.py:\d+"):
        run()


@mode
def test_what_is_refused_when_it_is_run(mode: Any) -> None:
    """With the user's line, and before shared state changes."""
    seen = gradc.shared(0)

    def fails(given: list[Any], out: Any, values: list[Any], kind: type[Exception], words: str) -> None:
        f = gradc.function(given, out, updates={seen: seen + 1}, mode=mode)
        with pytest.raises(kind, match=rf"(?s){words}.*test_sorting.py:\d+"):
            f(*values)

    four = np.arange(4.0)
    fails([V, K], at.partition(V, K), [four, 4], BadValueError, "partition: kth is 4, the axis has size 4")
    fails([V, K], at.argpartition(V, K), [four, -5], BadValueError, "argpartition: kth is -5, the axis has size 4")
    fails([V], at.partition(V, [0, 7]), [four], BadValueError, "partition: kth is 7, the axis has size 4")
    fails([V], at.topk(V, 5), [four], BadValueError, "topk: kth is 5, .*above 4")
    fails([V, E], at.quantile(V, E), [four, np.array([0.5, 1.5])], BadValueError, r"from 0 to 1, got 1\.5")
    fails([V], at.quantile(V, 0.5), [four[:0]], ShapeError, "quantile of no elements has no value")
    fails([X], at.median(X, 1), [np.zeros((2, 0))], ShapeError, "median of no elements has no value")
    fails([V, E], at.histogram(V, E)[0], [four, four[::-1]], BadValueError, r"bins must rise, got 3\.0 before 2\.0")
    fails([V], at.histogram(V, 3)[0], [np.array([0, np.nan])], BadValueError, "the range must rise and be finite")
    fails([V, E], at.digitize(V, E), [four, np.array([1.0, 2.0, 0.0])], BadValueError, r"got 1\.0 before 2\.0")
    fails([V, E], at.histogram(V, 3, (0, 1), weights=E)[0], [four, four[1:]], ShapeError, r"3\D+4")
    fails([V, E], at.lexsort([V, E]), [four, four[:2]], IndexOutOfBoundsError, "index")
    fails([V, K], at.searchsorted(V, V, sorter=K.dimshuffle("x")), [four[:1], 9], IndexOutOfBoundsError, "position 9")
    assert seen.get_value() == 0
