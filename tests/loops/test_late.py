"""Sizes that computed data tells: C gives what NumPy does, in loops and branches too; bad ones are errors."""

from __future__ import annotations

import resource
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import gradc
from gradc import tensor as at
from gradc.compile.ops import as_op
from gradc.errors import BadArgumentError, BadValueError, ExecutionError, ShapeError

X = np.array([3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0])
K = np.array([2, 3, 1])
M = np.arange(30.0).reshape(5, 6) - 11
x, k, m, s, c = at.dvector("x"), at.lvector("k"), at.dmatrix("m"), at.dscalar("s"), at.lscalar("c")
until = gradc.scan.utils.until
above = as_op(at.dvector, at.dvector)(lambda a: a[a > 2])
parts = as_op([at.dvector, at.lscalar], [at.dmatrix, at.dvector, at.dscalar])(
    lambda a, n: (np.outer(a[:n], a), a[n::2], a.sum()))


def rows(step: Callable[..., Any], **arguments: Any) -> Any:
    return gradc.scan(step, **arguments)[0]


def native(inputs: Sequence[Any], outputs: Any, **options: Any) -> Any:
    f = gradc.function(inputs, outputs, mode=gradc.Mode("c", checked=True), **options)
    assert f.info["mode"] == "c"
    return f


def agrees(inputs: Sequence[Any], outputs: Sequence[Any], wanted: Sequence[Any], *values: Any) -> Any:
    """The values of the kernel and of the interpreter are `wanted`."""
    f = native(inputs, list(outputs))
    for results in (f(*values), gradc.function(inputs, list(outputs), mode="interpret")(*values)):
        assert len(results) == len(wanted)
        for got, want in zip(results, wanted):
            assert np.shape(got) == np.shape(want)
            np.testing.assert_allclose(got, want, rtol=1e-13)
    return f


# ------------------------------------------------------------------------------------------------ outside of loops


def test_lengths_of_slices() -> None:
    best, n = at.argmax(x), (x > 2).sum()
    agrees([x, k, m], [x[:best], (x[:best] ** 2).sum(), x[:n][::-1], x[best - 1:n], at.cumsum(x[:n]).max(),
                       m[:k.max(), 1:][0], at.dot(m[:k.max(), :5], m[:, :k.max()]),
                       x[:k.max()] + at.arange(k.sum())[:3], x[::k.min() + 1],
                       at.exp(m)[:k.max(), :k.max()]],
           [X[:5], (X[:5] ** 2).sum(), X[4::-1], X[4:5], np.cumsum(X[:5])[-1], M[0, 1:], M[:3, :5] @ M[:, :3],
            X[:3] + np.arange(3), X[::2], np.exp(M)[:3, :3]], X, K, M)


def test_memory_of_computed_sizes() -> None:
    most, total = k.max(), k.sum()
    agrees([x, k, s], [at.zeros((most,)), at.zeros((most, total)) + x[:total], at.arange(total), at.arange(s),
                       at.arange(0.5, 2 * s, 0.3), at.reshape(at.arange(2 * total), (2, total)),
                       at.to_one_hot(k, most + 1), at.repeat(x, most), at.eye(most, total),
                       at.concatenate([x[most:], at.exp(-x[:most]), at.ones((total,))])],
           [np.zeros(3), np.zeros((3, 6)) + X[:6], np.arange(6), np.arange(4.3), np.arange(0.5, 8.6, 0.3),
            np.arange(12).reshape(2, 6), np.eye(4)[K], np.repeat(X, 3), np.eye(3, 6),
            np.concatenate([X[3:], np.exp(-X[:3]), np.ones(6)])], X, K, 4.3)


def test_results_of_ops_that_tell_their_sizes() -> None:
    matrix, rest, total = parts(x, c)
    agrees([x, c], [above(x), above(2 * x).sum() + above(x), matrix, rest, total, at.dot(matrix, x) + rest.sum(),
                    above(x).shape[0]],
           [X[X > 2], 2 * X.sum() - 4 + X[X > 2], np.outer(X[:2], X), X[2::2], X.sum(),
            np.outer(X[:2], X) @ X + X[2::2].sum(), 5], X, 2)


def test_branches_of_different_sizes() -> None:
    y = gradc.ifelse(c > 2, [at.exp(x[:3]), x], [at.zeros((c,)), x[1:]])
    outputs = [y[0] * 2, y[1].sum(), gradc.ifelse(c > 2, above(x), gradc.ifelse(c > 1, x, x[:2]))]
    f = agrees([x, c], outputs, [2 * np.exp(X[:3]), X.sum(), X[X > 2]], X, 3)
    for got, want in zip(f(X, 2), [np.zeros(2), X[1:].sum(), X]):
        np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(f(X, 0)[2], X[:2])


def test_what_follows_from_a_loop_that_stops() -> None:
    o = rows(lambda h: (h * 2, until(2 * h > 40)), outputs_info=x[0], n_steps=100)
    n = rows(lambda h: (h * 2, until(2 * h > 40)), outputs_info=x[0], n_steps=k.sum())
    agrees([x, k], [at.zeros_like(o), at.alloc(x[0] * 2, o.shape[0]), o[1:], at.exp(-o)[::-1].sum(), n,
                    at.ones((n.shape[0], 2))],
           [np.zeros(4), np.full(4, 6.0), [12.0, 24, 48], np.exp(-np.array([6.0, 12, 24, 48])).sum(), [6.0, 12, 24, 48],
            np.ones((4, 2))], X, K)


def test_gradients() -> None:
    steps = rows(lambda h: at.sin(h), outputs_info=x, n_steps=k.sum())
    inside = rows(lambda i, x: (x[:i] ** 2).sum(), sequences=k, non_sequences=x)
    put = rows(lambda i, p: at.set_subtensor(p[:i], p[:i] ** 2), sequences=k, outputs_info=x)
    costs = [(x[:at.argmax(x)] ** 2).sum(), inside.sum(), put[-1].sum(), steps[-1].sum()]
    values = []
    for j in range(len(X)):
        h = X + 1e-30j * (np.arange(len(X)) == j)
        a = np.concatenate([(h[:1] ** 8), h[1:2] ** 4, h[2:3] ** 2, h[3:]])
        t = h
        for _ in range(6):
            t = np.sin(t)
        values.append([(h[:5] ** 2).sum(), sum((h[:i] ** 2).sum() for i in K), a.sum(), t.sum()])
    wanted = np.imag(np.array(values)).T / 1e-30
    agrees([x, k], [gradc.grad(cost, x) for cost in costs], list(wanted), X, K)


# ------------------------------------------------------------------------------------------------ in loops


def test_in_a_step() -> None:
    def step(i: Any, p: Any, x: Any, m: Any) -> list[Any]:
        e = at.exp(x[:i])
        inner = rows(lambda j, x: x[:j].sum(), sequences=at.arange(i), non_sequences=x).sum()
        return [at.set_subtensor(p[:i], 2 * p[:i] + 1), (e / e.sum()).max(), at.arange(i).sum(), inner,
                at.dot(x[:i], m[:i]).sum(), at.dot(m[:i, :5], m[:, :i]).sum(), at.zeros((i, 2)).shape[0],
                at.exp(at.arange(i) * 0.1)[::-1].cumsum().sum()]

    made = rows(step, sequences=k, outputs_info=[x] + [None] * 7, non_sequences=[x, m])
    states, p = [], X.copy()
    for i in K:
        p[:i] = 2 * p[:i] + 1
        states.append(p.copy())
    e = [np.exp(X[:i]) for i in K]
    agrees([x, k, m], made, [states, [(v / v.sum()).max() for v in e], [1, 3, 0],
                             [sum(X[:j].sum() for j in range(i)) for i in K], [(X[:i] @ M[:i]).sum() for i in K],
                             [(M[:i, :5] @ M[:, :i]).sum() for i in K], K,
                             [np.exp(np.arange(i) * 0.1)[::-1].cumsum().sum() for i in K]], X, K, M)


def test_calls_branches_and_loops_in_a_step() -> None:
    def step(i: Any, x: Any) -> list[Any]:
        one = gradc.ifelse(i > 1, at.exp(-x[:i]), gradc.ifelse(i > 0, x[1:], at.arange(i) * 1.0))
        o = rows(lambda h: (h * 2, until(2 * h > 40)), outputs_info=x[0] * i, n_steps=100)
        return [above(x * i).sum() + parts(x, i)[1].sum(), one.sum(), at.zeros_like(o).shape[0] + o.sum()]

    stops = [[12.0, 24, 48], [18.0, 36, 72], [6.0, 12, 24, 48]]
    agrees([x, k], rows(step, sequences=k, non_sequences=x),
           [[(X * i)[X * i > 2].sum() + X[i::2].sum() for i in K],
            [np.exp(-X[:i]).sum() if i > 1 else X[1:].sum() for i in K], [len(o) + sum(o) for o in stops]], X, K)


def test_rows_whose_sizes_the_steps_tell() -> None:
    def step(i: Any, x: Any) -> Any:
        return above(x + 0 * i) * i

    def over(step: Any, **options: Any) -> Any:
        return rows(step, sequences=k, non_sequences=x, **options)

    some = over(lambda i, x: (step(i, x), until(i > 2)))
    back = over(lambda i, x: (step(i, x), until(i > 2)), go_backwards=True)
    two = over(lambda i, x: rows(step, sequences=k, non_sequences=x).sum(0) * i)
    wanted = np.outer(K, X[X > 2])
    agrees([x, k], [over(step), some, back, two, over(lambda i, x: x[:0 * i + 2])],
           [wanted, wanted[:2], wanted[:0:-1], np.outer(K, wanted.sum(0)), np.tile(X[:2], (3, 1))], X, K)
    ragged = native([x, k], over(lambda i, x: x[:i]))
    with pytest.raises(ShapeError, match="a row of a result has the size 2 at first and 3 in a later step"):
        ragged(X, K)


# ------------------------------------------------------------------------------------------------ bad sizes


def test_sizes_that_do_not_fit() -> None:
    """Each with the interpreter's error, the user's line, and shared state as it was."""
    total = gradc.shared(0.0, "total")
    steps = rows(lambda i: at.zeros((i,)).sum() + at.arange(i).sum(), sequences=k)
    turned = rows(lambda h: 2 * h, outputs_info=x, n_steps=k.min())
    cases: list[tuple[Any, Any, str]] = [
        (at.zeros((k.min(),)), [[4, -3]], "a size must not be negative, got -3"),
        (at.exp(at.zeros((k.min(), 2)) + k.sum()), [[4, -3]], "a size must not be negative, got -3"),
        (steps, [[2, -1]], "a size must not be negative, got -1"),
        (turned[-1] + turned.sum(), [[-2]], "the number of steps is -2; it must not be negative"),
        (x[:k.max()] + x[1:], [[2]], "sizes 2 and 7|sizes 7 and 2"),
        (rows(lambda i, x: x[:i] * x[1:], sequences=k, non_sequences=x), [[7, 3]], "sizes 3 and 7|sizes 7 and 3"),
        (rows(lambda i, x: x[:i], sequences=k, outputs_info=x), [[8, 3]], "8 before a step and 3|8,. before step 1"),
    ]
    for y, (value,), text in cases:
        for mode in (gradc.Mode("c", checked=True), "interpret"):
            f = gradc.function([x, k], y, updates=[(total, total + 1)], mode=mode, on_unused_input="ignore")
            with pytest.raises(ShapeError, match=text) as info:
                f(X, value)
            assert f"where: {__file__}:" in str(info.value) and total.get_value() == 0
    with pytest.raises(BadValueError, match="a finite number of elements"):
        native([s], at.arange(s))(np.nan)


def test_memory_that_is_not_there() -> None:
    total = gradc.shared(0.0, "total")
    n = k.max()
    inside = rows(lambda i: at.exp(at.arange(i)[::-1] * -0.1).cumsum()[::2].cumsum().max(), sequences=k)
    for y in (at.zeros((n, n)) + 1, at.exp(at.arange(n) * 0.1).cumsum()[::-1].cumsum(), inside,
              gradc.ifelse(n > 2, at.arange(n) * 1.0, x)):
        f = native([x, k], y, updates=[(total, total + 1)], on_unused_input="ignore")
        for value in ([10 ** 15, 2], [2 ** 62, 5]):
            with pytest.raises(MemoryError, match=r"bytes of memory for .*, whose size was computed") as info:
                f(X, value)
            assert f"where: {__file__}:" in str(info.value) and total.get_value() == 0
        f(X, K)
        assert total.get_value() == 1
        total.set_value(0.0)


def test_nothing_is_kept_whatever_happens() -> None:
    """Rooms are freed when a call ends: well, by an error after they were taken, or by an interrupt in an Op."""
    def stop(a: np.ndarray) -> np.ndarray:
        if a[0] < 0:
            raise KeyboardInterrupt
        return a / a[0] if a[0] else 1 / a[:0].max()

    late = at.exp(at.arange(k.max()) * -1e-6).cumsum()[::-1].cumsum()
    f = native([x, k], (as_op(at.dvector, at.dvector)(stop)(x) * late.sum()).sum() + late[k.min() - 2])
    big, used = [1 << 21, 2], []
    for count in (3, 12):
        for _ in range(count):
            f(X, big)
            with pytest.raises(KeyboardInterrupt):
                f(-X, big)
            with pytest.raises(ExecutionError):
                f(0 * X, big)
            with pytest.raises(IndexError):
                f(X, [1 << 21, -(1 << 22)])
        used.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    assert used[1] - used[0] < 40_000           # kilobytes; a call takes 32,000


def test_results_are_not_bound_and_threads_do_not_meet() -> None:
    f = native([x, k], [at.zeros((k.max(),)), at.exp(x[:k.max()]).sum()])
    with pytest.raises(BadArgumentError, match="sizes depend on computed data"):
        f.bind(X, K)
    g = native([x, k], at.exp(at.arange(k.max()) * -0.1).cumsum()[::-1].cumsum()[::2].sum() + x[0])
    call = g.bind(X, K)
    call()
    wanted = [float(g(X, [n])) for n in range(1, 9)]
    assert float(call.out) == wanted[2]
    found: list[float] = [0.0] * 8

    def work(n: int) -> None:
        for _ in range(50):
            found[n] = float(g(X, [n + 1]))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert found == wanted


def test_shared_state_of_a_computed_size() -> None:
    kept = gradc.shared(np.zeros(2), "kept")
    f = native([k], kept.sum(), updates=[(kept, at.arange(k.max()) * 1.0)])
    assert [float(f([n])) for n in (3, 3, 5, 0)] == [0.0, 3.0, 3.0, 10.0]
    assert kept.get_value().shape == (0,)


def test_many_threads_share_a_nest_of_a_computed_size() -> None:
    f = native([x], at.exp(x[:(x > 0.25).sum()]).sum() + at.arange((x > 0.5).sum()).sum())
    values = np.random.default_rng(0).random(300_000)
    before = gradc.get_num_threads()
    bits = []
    for count in (1, 2):
        gradc.set_num_threads(count)
        bits.append(float(f(values)))
    gradc.set_num_threads(before)
    n, h = (values > 0.25).sum(), (values > 0.5).sum()
    assert bits[0] == bits[1]
    np.testing.assert_allclose(bits[0], np.exp(values[:n]).sum() + h * (h - 1) / 2, rtol=1e-12)
