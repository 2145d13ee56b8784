"""Sums of float32 are made in float64 wherever they stand; products of float32 stay within the bounds that are said.

Right values are sums in float64 of the same float32 terms, by NumPy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradc
import gradc.tensor as at

pytestmark = pytest.mark.usefixtures("users_flags")

MODES = ["c", "interpret"]
U = 2.0 ** -24
RNG = np.random.default_rng(10)
F32 = np.float32

DATA: dict[str, Callable[[tuple[int, ...]], np.ndarray]] = {
    "equal": lambda shape: np.full(shape, 0.1, F32),
    "cancelling": lambda shape: np.resize(np.array([1e8, 1, -1e8, 0.25, 3e-5], F32), shape),
    "random": lambda shape: (RNG.standard_normal(shape) * 10.0 ** RNG.integers(-4, 5, shape)).astype(F32),
}


def check(got: np.ndarray, terms: np.ndarray, axis: Any = None, fold: Any = np.sum) -> None:
    """The bound of `sum`: one rounding of what the fold comes to in float64."""
    wide = np.asarray(terms, F32).astype(float)
    want = fold(wide, axis=axis)
    size = fold(np.abs(wide), axis=axis) * terms.size * 2.0 ** -53
    assert got.dtype == F32
    assert np.shape(got) == want.shape
    assert np.all(np.abs(got - want) <= U * np.abs(want) + size)


@pytest.mark.parametrize("mode", MODES)
def test_sums_over_any_axes_keep_the_bound(mode: str) -> None:
    x = at.ftensor3("x")
    axes = [None, 0, 1, 2, (0, 2)]
    sums = [*(x.sum(a) for a in axes), *(at.cumsum(x, a) for a in (None, 0, 1, 2))]
    f = gradc.function([x], [*sums, at.square(x).sum(1), (x.sum(2, keepdims=True) * 2).sum()], mode=mode)
    for make in DATA.values():
        for shape in ((7, 60, 33), (300, 5, 3)):
            v = make(shape)
            made = iter(f(v))
            for a in axes:
                check(next(made), v, a)
            for a in (None, 0, 1, 2):
                got, want = next(made), np.cumsum(v.astype(float), a)
                room = np.cumsum(np.abs(v.astype(float)), a) * v.size * 2.0 ** -53
                assert np.all(np.abs(got - want) <= U * np.abs(want) + room)
            check(next(made), np.square(v), 1)
            rows = v.astype(float).sum(2).astype(F32)
            check(next(made), 2 * rows)


def test_a_sum_is_the_same_beside_others() -> None:
    x = at.fvector("x")
    total = x.sum()
    companies: list[list[Any]] = [[], [at.cumsum(x)], [at.exp(x), x.max(), at.argmax(x)],
                                  [at.abs(x).sum(), at.square(x).sum(), (x + 1).sum(), at.dot(x, x), x.min()]]
    functions = [gradc.function([x], [total, *others]) for others in companies]
    for make in DATA.values():
        for n in (0, 1, 70, 100_003, 700_001):      # the last is cut into blocks
            v = make((n,))
            if n == 0:
                assert functions[0](v)[0] == 0
                continue
            for f in functions:
                check(f(v)[0], v)


@pytest.mark.parametrize("mode", MODES)
def test_moments_and_products(mode: str) -> None:
    x = at.fvector("x")
    results = [x.mean(), x.var(), x.std(), at.norm(x), x.prod(), at.cumprod(x), at.logsumexp(x)]
    f = gradc.function([x], results, mode=mode)
    v = np.full(50_000, 0.1, F32)
    v[::2] += F32(0.01)
    wide = v.astype(float)
    got = f(v)
    want = [wide.mean(), wide.var(), wide.std(), np.sqrt((wide * wide).sum()), 0.0, None, np.log(np.exp(wide).sum())]
    for g, w in zip(got, want):
        if w is not None:
            np.testing.assert_allclose(g, w, rtol=5e-7)
    v = np.array([1e30, 3e30, 1e-30, 1e-30, 7], F32)        # out of the range of float32 on the way
    *_, product, running, _ = f(v)
    np.testing.assert_allclose(product, v.astype(float).prod(), rtol=1.01 * U)
    np.testing.assert_allclose(running[2:], np.cumprod(v.astype(float))[2:], rtol=1.01 * U)
    assert running[1] == np.inf and running[2] < np.inf


@pytest.mark.parametrize("mode", MODES)
def test_gradients_by_what_was_broadcast(mode: str) -> None:
    m, b, s = at.fmatrix("m"), at.fvector("b"), at.fscalar("s")
    cost = (m * (b + s)).sum()
    along = gradc.Rop((b + s) * m.sum(0), s, at.ones_like(s))
    f = gradc.function([m, b, s], [*gradc.grad(cost, [b, s]), along], mode=mode)
    for make in DATA.values():
        v = make((3001, 4))
        by_b, by_s, along = f(v, np.ones(4, F32), F32(1))
        check(by_b, v, 0)
        check(along, v, 0)
        rows = v.astype(float).sum(0)
        assert abs(by_s - rows.sum()) <= 2 * U * np.abs(rows).sum() + 1e-9 * np.abs(v.astype(float)).sum()


@pytest.mark.parametrize("mode", MODES)
def test_what_rules_make_of_sums(mode: str) -> None:
    """A few elements put together, and a value that is repeated."""
    a, b, c, n = at.fscalar("a"), at.fscalar("b"), at.fscalar("c"), at.iscalar("n")
    f = gradc.function([a, b, c, n], [at.stack([a, b, c]).sum(), at.alloc(a, n, 3).sum(), at.alloc(a, n, 3).mean(),
                                      at.stack([a, b, c]).prod()], mode=mode)
    total, repeated, mean, product = f(F32(1e8), F32(1), F32(-1e8), 1_234_567)
    assert total == 1 and mean == F32(1e8) and product == F32(-1e16)
    assert repeated == F32(3 * 1_234_567 * 1e8)


@pytest.mark.parametrize("mode", MODES)
def test_sums_in_loops_and_over_their_steps(mode: str) -> None:
    x, m = at.fvector("x"), at.ftensor3("m")
    zero = at.constant(F32(0))
    partial, _ = gradc.scan(lambda a, s: s + a, sequences=x, outputs_info=zero)
    parts, _ = gradc.scan(lambda a, s: at.inc_subtensor(s[0], a), sequences=x, outputs_info=at.zeros((2,), "float32"))
    inner, _ = gradc.scan(lambda a: [a.sum(), a.sum(0), a.sum(1)], sequences=m)
    alone = gradc.function([x], partial[-1], mode=mode)
    f = gradc.function([x, m], [partial[-1], partial, at.tanh(partial).sum(), parts[-1, 0], *inner], mode=mode)
    v, w = DATA["equal"]((5001,)), DATA["cancelling"]((3, 500, 7))
    last, running, squashed, first, *sums = f(v, w)
    for got in (alone(v), last, running[-1], first):
        check(got, v)
    np.testing.assert_allclose(running, np.cumsum(v.astype(float)), rtol=U)
    check(squashed, np.tanh(running))
    for row, got in zip(w, zip(*sums)):
        check(got[0], row)
        check(got[1], row, 0)
        check(got[2], row, 1)


def test_a_gradient_is_summed_over_steps_that_no_row_is_kept_of() -> None:
    """Equal steps from a fixed point on: each adds the same to the gradient by w."""
    x, w, b = at.fvector("x"), at.fscalar("w"), at.fscalar("b")
    h, _ = gradc.scan(lambda a, h: at.tanh(h * F32(0.3) + a * w) + b, sequences=x, outputs_info=at.constant(F32(0.5)))
    f = gradc.function([x, w, b], gradc.grad(h.sum(), [w, b]))
    n, v = 100_001, F32(0.1)
    fixed = 0.5
    for _ in range(200):
        fixed = np.tanh(fixed * float(F32(0.3)) + 0.7 * float(v))
    slope = 1 - fixed ** 2
    by_b = 1 / (1 - float(F32(0.3)) * slope)
    got = f(np.full(n, v), F32(0.7), F32(0))
    np.testing.assert_allclose(got, [n * float(v) * slope * by_b, n * by_b], rtol=2e-5)      # 2e-5: the first steps


def error(got: Any, x: np.ndarray, y: np.ndarray, form: str) -> float:
    """The largest error, in units of u sum(abs(x * y))."""
    want = np.einsum(form, x.astype(float), y.astype(float))
    return float(np.max(np.abs(got - want) / np.einsum(form, np.abs(x).astype(float), np.abs(y).astype(float)))) / U


FORMS = {"i,i->": 150, "ij,j->i": 150, "ij,ij->": 150, "i,ij->j": 0}


@pytest.mark.parametrize("form", FORMS)
def test_products_keep_their_bounds(form: str) -> None:
    """Over the innermost axis whatever the length; over outer ones no more than a naive sum."""
    left, right = form.split("->")[0].split(",")
    x, y = (at.TensorType("float32", (None,) * len(part))(name) for part, name in ((left, "x"), (right, "y")))
    product = at.einsum(form, x, y)
    alone = gradc.function([x, y], product)
    beside = gradc.function([x, y], [product, at.tanh(product), at.cumsum(x, 0)])
    for kind in ("equal", "random"):
        for n, k in ((3000, 3), (3, 200_000), (700, 700), (9000, 41)):
            if form == "i,i->":
                n = n * k
            a, b = ([DATA[kind](tuple({"i": n, "j": k}[c] for c in part)) for part in (left, right)])
            bound = FORMS[form] or max(4.0, n)
            numpy = error(np.einsum(form, a, b) if len(left + right) > 3 else a @ b, a, b, form)
            for got in (alone(a, b), beside(a, b)[0]):
                assert error(got, a, b, form) <= min(bound, max(2 * numpy, 16))


@pytest.mark.parametrize("mode", MODES)
def test_dtypes_that_are_asked_for(mode: str) -> None:
    x = at.fvector("x")
    v = DATA["equal"]((100_001,))
    wide = v.astype(float)
    f = gradc.function([x], [x.sum(dtype="float64"), x.sum(acc_dtype="float64"), x.sum(acc_dtype="float32"),
                             x.sum(dtype="int64"), x.mean(dtype="float64"), x.mean(acc_dtype="float64"),
                             x.prod(dtype="float64"), x.prod(acc_dtype="float64")], mode=mode)
    got = f(v)
    assert [g.dtype.name for g in got] == ["float64", "float32", "float32", "int64", "float64", "float32", "float64",
                                           "float32"]
    np.testing.assert_allclose(got[0], wide.sum(), rtol=1e-12)
    check(got[1], v)
    check(got[2], v)
    assert got[3] == int(wide.sum())
    np.testing.assert_allclose(got[4:6], wide.mean(), rtol=1e-7)


@pytest.mark.parametrize("mode", MODES)
def test_weights_of_a_histogram(mode: str) -> None:
    """They were added one by one in float32: 1.5 % were lost of two million tenths."""
    x = at.fvector("x")
    total, _ = at.histogram(x, bins=[0.0, 1.0, 2.0], weights=x)
    v = np.full(500_001, 0.1, F32)
    got = gradc.function([x], total, mode=mode)(v)
    check(got[:1], v[:, None], 0)
