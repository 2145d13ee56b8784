"""Indexing by arrays in loops and branches, and tables that steps change in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.errors import IndexOutOfBoundsError
from gradc.gradient import grad, hessian, jacobian

RNG = np.random.default_rng(3)
TABLE = RNG.normal(size=(6, 3))
ROWS = RNG.integers(-6, 6, (5, 4))
ROWS[2] = [1, -5, 1, 1]             # equal ones in one step
W = RNG.normal(size=3)
table, rows, row, w = at.dmatrix("table"), at.lmatrix("rows"), at.lvector("row"), at.dvector("w")


def both(inputs: list[Any], outputs: list[Any], *values: Any) -> list[np.ndarray]:
    """The values in C, after comparing them with the interpreter's."""
    c, plain = (gradc.function(inputs, outputs, mode=mode, on_unused_input="ignore")(*values)
                for mode in ("c", "interpret"))
    for got, want in zip(c, plain):
        np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-12)
    return c


def slopes(f: Callable[[np.ndarray], float], x: np.ndarray) -> np.ndarray:
    """Central differences."""
    found, e = np.zeros_like(x), 1e-6
    for k in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[k] = e
        found[k] = (f(x + step) - f(x - step)) / (2 * e)
    return found


def test_a_step_gathers_rows_of_a_table() -> None:
    h, _ = gradc.scan(lambda i, h, table: at.tanh(table[i].sum(axis=0) * h + w), sequences=rows, outputs_info=w,
                      non_sequences=table)
    cost = (h**2).sum()

    def plain(table: np.ndarray) -> np.ndarray:
        h, made = W, []
        for i in ROWS:
            h = np.tanh(table[i].sum(axis=0) * h + W)
            made.append(h)
        return np.array(made)

    got, by_table, by_w = both([table, rows, w], [h, *grad(cost, [table, w])], TABLE, ROWS, W)
    np.testing.assert_allclose(got, plain(TABLE), rtol=1e-13)
    np.testing.assert_allclose(by_table, slopes(lambda x: (plain(x)**2).sum(), TABLE), rtol=1e-6, atol=1e-8)
    assert by_w.shape == (3,)


def _inc(table: Any, i: Any, tanh: Any) -> Any:
    return table[i].inc(tanh(table[i]) * 0.5 + 1)


def _set(table: Any, i: Any, tanh: Any) -> Any:
    return table[i].set(tanh(table[i] + table[i][::-1]))


def _twice(table: Any, i: Any, tanh: Any) -> Any:
    return table[i].inc(table[i[:2]].sum(axis=0))[i[::-1], 1].set(0.5 * table[:4, 0])


def _one(table: Any, i: Any, tanh: Any) -> Any:
    return at.set_subtensor(table[i[0]], tanh(table[i[1]]) + table.sum(axis=0) / 9)


def _part(table: Any, i: Any, tanh: Any) -> Any:
    return table[1:, 1].inc(table[:-1, 0])


def _numpy(name: str, table: np.ndarray, i: np.ndarray) -> np.ndarray:
    new = table.copy()
    match name:
        case "inc":
            np.add.at(new, i, np.tanh(table[i]) * 0.5 + 1)
        case "set":
            new[i] = np.tanh(table[i] + table[i][::-1])
        case "twice":
            np.add.at(new, i, table[i[:2]].sum(axis=0))
            new[i[::-1], 1] = 0.5 * table[:4, 0]
        case "one":
            new[i[0]] = np.tanh(table[i[1]]) + table.sum(axis=0) / 9
        case "part":
            new[1:, 1] += table[:-1, 0]
    return new


STEPS = {"inc": _inc, "set": _set, "twice": _twice, "one": _one, "part": _part}


@pytest.mark.parametrize("name", STEPS)
def test_a_table_that_steps_change(name: str) -> None:
    """Rows of before and after the change are read as well; states of all steps, the last one, and derivatives."""
    def step(i: Any, table: Any, h: Any) -> list[Any]:
        new = STEPS[name](table, i, at.tanh)
        return [new, h + table[i].sum(), new[i].sum(axis=1) - table[0, 0]]

    (states, hs, seen), _ = gradc.scan(step, sequences=rows, outputs_info=[table, w[0] * 0, None])
    cost = (states[-1]**2).sum() + at.sin(hs[-1]) + (seen**2).sum()

    def plain(table: np.ndarray) -> tuple[Any, ...]:
        h, made, sums = 0.0, [], []
        for i in ROWS:
            new = _numpy(name, table, i)
            h += table[i].sum()
            sums.append(new[i].sum(axis=1) - table[0, 0])
            table = new
            made.append(table)
        return np.array(made), h, np.array(sums)

    def value(table: np.ndarray) -> float:
        states, h, seen = plain(table)
        return (states[-1]**2).sum() + np.sin(h) + (seen**2).sum()

    want, h, sums = plain(TABLE)
    last, total, parts = both([table, rows, w], [states[-1], hs[-1], seen], TABLE, ROWS, W)
    np.testing.assert_allclose(last, want[-1], rtol=1e-12)
    np.testing.assert_allclose(total, h, rtol=1e-12)
    np.testing.assert_allclose(parts, sums, rtol=1e-12)
    every, slope = both([table, rows, w], [states, grad(cost, table)], TABLE, ROWS, W)
    np.testing.assert_allclose(every, want, rtol=1e-12)
    np.testing.assert_allclose(slope, slopes(value, TABLE), rtol=1e-5, atol=1e-6)


def test_a_table_that_steps_change_is_not_copied_in_each() -> None:
    big, at_rows = at.fmatrix("big"), at.lmatrix("at_rows")
    states, _ = gradc.scan(lambda i, t: t[i].inc(t[i] + 1), sequences=at_rows, outputs_info=big)
    f = gradc.function([big, at_rows], states[-1], mode="c")
    f(np.zeros((1000, 2), "float32"), ROWS)
    assert f.arena_bytes < 1000             # bytes of positions, and none of the table


def test_no_step_leaves_a_table_as_it_is() -> None:
    states, _ = gradc.scan(lambda i, t: t[i].inc(1.0), sequences=rows, outputs_info=table)
    last = gradc.ifelse(at.gt(rows.shape[0], 0), states[-1], table)
    f = gradc.function([table, rows], last, mode="c")
    np.testing.assert_array_equal(f(TABLE, ROWS[:0]), TABLE)
    with pytest.raises(IndexOutOfBoundsError, match="index 6 is out of bounds for dimension 0 of size 6"):
        f(TABLE, np.array([[1, 2], [3, 6]]))


def test_an_index_that_differs_from_step_to_step_leaves_the_loop() -> None:
    value, _ = gradc.map(lambda i, table: at.exp(table[i]).sum(), sequences=row, non_sequences=table)
    cost = (value**2).sum()
    f = gradc.function([table, row], [value, cost], mode="c")
    assert not any(type(node.op) is gradc.ir.ops.Scan for node in f.maker.fgraph.toposort())
    got, by_table = both([table, row], [value, grad(cost, table)], TABLE, ROWS[0])
    np.testing.assert_allclose(got, np.exp(TABLE[ROWS[0]]).sum(axis=1), rtol=1e-13)
    np.testing.assert_allclose(by_table, slopes(lambda x: (np.exp(x[ROWS[0]]).sum(axis=1)**2).sum(), TABLE), rtol=1e-5,
                               atol=1e-6)


def test_branches_gather_only_what_they_use() -> None:
    choice = at.dscalar("choice")
    out = gradc.ifelse(at.gt(choice, 0), table[row].sum(axis=0), table[row[:2] * 0].sum(axis=0) * 2)
    by_table = grad((out**2).sum(), table)
    for c in (1.0, -1.0):
        both([table, row, choice], [out, by_table], TABLE, ROWS[0], c)
    for mode in ("c", "interpret"):
        f = gradc.function([table, row, choice], out, mode=mode)
        f(TABLE, [99, 2], -1.0)
        with pytest.raises(IndexOutOfBoundsError, match="index 99"):
            f(TABLE, [2, 99], 1.0)


def test_second_derivatives_and_jacobians() -> None:
    x, v = at.dvector("x"), at.dvector("v")
    cost = (x[row]**3).sum() + (x[row] * x[row[::-1]]).sum()
    h, j, twice = both([x, row, v], [hessian(cost, x), jacobian(at.exp(x[row]) * x[[0, 1, 1, 2]], x),
                                     gradc.gradient.Rop(grad(cost, x), x, v)], TABLE[:, 0], ROWS[0], TABLE[:, 1])
    want = np.zeros((6, 6))
    for a, b in zip(ROWS[0], ROWS[0][::-1]):
        want[a, a] += 6 * TABLE[a, 0]
        want[a, b] += 1
        want[b, a] += 1
    np.testing.assert_allclose(h, want, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(twice, want @ TABLE[:, 1], rtol=1e-12)
    want = np.zeros((4, 6))
    for k, (a, b) in enumerate(zip(ROWS[0], [0, 1, 1, 2])):
        want[k, a] += np.exp(TABLE[a, 0]) * TABLE[b, 0]
        want[k, b] += np.exp(TABLE[a, 0])
    np.testing.assert_allclose(j, want, rtol=1e-12)
