"""Indexing by arrays of integers: `x[i]`, `take`, `set_subtensor` and `inc_subtensor`, against NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.errors import IndexOutOfBoundsError, ShapeError, TypeMismatchError
from gradc.ir.types import TensorType

RNG = np.random.default_rng(5)
X = RNG.normal(size=(4, 5, 3))
I = np.array([3, 0, -1, 3])         # noqa: E741
J = np.array([[0, -2, 1], [2, 2, 0]])
K = np.array([1, 0, -1, 2], dtype="int32")
MASK = np.array([True, False, True, True])

x = at.dtensor3("x")
i, j, k, n = at.lvector("i"), at.lmatrix("j"), at.ivector("k"), at.lscalar("n")
VALUES = {x: X, i: I, j: J, k: K, n: np.int64(-2)}

# an index of variables, and with their values
KEYS: dict[str, Callable[[Any, Any, Any, Any], Any]] = {
    "one": lambda i, j, k, n: i,
    "list": lambda i, j, k, n: [2, 0, -1],
    "empty": lambda i, j, k, n: [],
    "matrix": lambda i, j, k, n: j,
    "second axis": lambda i, j, k, n: (slice(None), j),
    "last axis": lambda i, j, k, n: (..., k),
    "two": lambda i, j, k, n: (i, k),
    "three": lambda i, j, k, n: (i, k, [0, 0, 1, 2]),
    "broadcast": lambda i, j, k, n: (j[:, 0][:, None], slice(None), k[None, :]),
    "with an integer": lambda i, j, k, n: (n, i),
    "with an integer apart": lambda i, j, k, n: (1, slice(None), k),
    "apart": lambda i, j, k, n: (i, slice(None), k),
    "side by side behind": lambda i, j, k, n: (slice(None), i, k),
    "with a slice": lambda i, j, k, n: (slice(1, None), i),
    "with a slice backwards": lambda i, j, k, n: (i, slice(None, None, -2), k),
    "with a dynamic slice": lambda i, j, k, n: (i, slice(n, None)),
    "new axes": lambda i, j, k, n: (None, i, None, slice(0, 2)),
    "new axis between": lambda i, j, k, n: (i, None, k),
    "all kinds": lambda i, j, k, n: (slice(1, 4), None, j, -1),
    "mask": lambda i, j, k, n: MASK,
    "mask behind": lambda i, j, k, n: (slice(None), [True, False, False, True, True], slice(1, None)),
    "mask of two axes": lambda i, j, k, n: X[..., 0] > 0,
    "mask and integers": lambda i, j, k, n: (MASK, [1, 4, 0]),
}
MODE = pytest.mark.parametrize("mode", ["c", "interpret"])


def run(outputs: Any, mode: str) -> Any:
    return gradc.function(list(VALUES), outputs, mode=mode, on_unused_input="ignore")(*VALUES.values())


@MODE
def test_parts_are_numpys(mode: str) -> None:
    outputs, wanted = [], []
    for name, key in KEYS.items():
        part, want = x[key(i, j, k, n)], X[key(I, J, K, -2)]
        assert part.type.ndim == want.ndim, name
        outputs += [part, at.exp(part) * 2, part.sum()]
        wanted += [(name, want), (name, 2 * np.exp(want)), (name, want.sum())]
    for got, (name, want) in zip(run(outputs, mode), wanted):
        assert got.shape == want.shape
        np.testing.assert_allclose(got, want, rtol=1e-13, err_msg=name)


@MODE
def test_changed_parts_are_numpys(mode: str) -> None:
    outputs, wanted = [], []
    for name, each in KEYS.items():
        key, values = each(i, j, k, n), each(I, J, K, -2)
        part = RNG.normal(size=X[values].shape)
        row = part[..., :1] if part.ndim else part
        assigned, added, spread, filled = X.copy(), X.copy(), X.copy(), X.copy()
        assigned[values] = part
        np.add.at(added, values, part)
        np.add.at(spread, values, row)
        filled[values] = 0.5
        outputs += [x[key].set(part), x[key].inc(part), at.inc_subtensor(x[key], at.constant(row)), x[key].set(0.5)]
        wanted += [(name, want) for want in (assigned, added, spread, filled)]
    for got, (name, want) in zip(run(outputs, mode), wanted):
        np.testing.assert_allclose(got, want, rtol=1e-14, atol=1e-15, err_msg=name)


@MODE
def test_take(mode: str) -> None:
    outputs, wanted = [], []
    for indices in (1, -2, I, J, [0, 7, -9]):
        for axis in (None, 0, 1, -1):
            for how in ("raise", "wrap", "clip"):
                try:
                    wanted.append(np.take(X, indices, axis, mode=how))
                except IndexError:
                    continue
                take = (at.take, np.take, lambda x, i, axis, mode: x.take(at.constant(i), axis=axis, mode=mode))
                outputs.append(take[len(outputs) % 3](x, indices, axis, mode=how))
    for got, want in zip(run(outputs, mode), wanted, strict=True):
        np.testing.assert_array_equal(got, want)


def test_of_equal_positions_the_last_one_is_set_and_all_are_added() -> None:
    v = at.dvector("v")
    f = gradc.function([v, i], [at.zeros(4)[i].set(v), at.ones(4)[i].inc(v)])
    got = f([1.0, 2.0, 3.0, 4.0], [2, 0, 2, 2])
    assert got[0].tolist() == [2, 0, 4, 0] and got[1].tolist() == [3, 1, 9, 1]


def test_parts_of_parts() -> None:
    """A part that one index takes is of the whole, whatever comes between; a part of a part is of that."""
    new = run([x[1:3, i].T.set(1.5), x[1:3][:, i].set(2.5), x.T[k].set(3.5), x[i][0].inc(1.0)], "c")
    one, two, three, four = X.copy(), X[1:3].copy(), X.T.copy(), X[I]
    one[1:3, I], two[:, I], three[K] = 1.5, 2.5, 3.5
    four[0] += 1
    for got, want in zip(new, (one, two, three, four)):
        np.testing.assert_array_equal(got, want)


def test_dtypes_of_positions() -> None:
    v = at.dvector("v")
    for dtype in ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"):
        p = TensorType(dtype, (None,))("p")
        at_p = np.array([3, 0, 3], dtype)
        for mode in ("c", "interpret"):
            f = gradc.function([v, p], [v[p], v[p].inc(1.0)], mode=mode)
            got = f(np.arange(5.0), at_p)
            assert got[0].tolist() == [3, 0, 3] and got[1].tolist() == [1, 1, 2, 5, 4]
            bad = np.array([0, np.iinfo(dtype).max], dtype)
            with pytest.raises(IndexOutOfBoundsError, match="is out of bounds for dimension 0 of size 5"):
                f(np.arange(5.0), bad)


@MODE
def test_the_first_position_out_of_bounds_is_named_and_nothing_is_written(mode: str) -> None:
    table = gradc.shared(np.zeros((4, 3)), "table")
    count = gradc.shared(0, "count")
    f = gradc.function([i, k], table[i, k].sum(), mode=mode,
                       updates=[(table, table[i, k].inc(1.0)), (count, count + 1)])
    f([0, -4], [2, -3])
    before = table.get_value()
    for rows, columns, text in (([0, 4, 9], [0, 0, 0], "index 4 is out of bounds for dimension 0 of size 4"),
                                ([0, -5, 4], [0, 0, 0], "index -5 is out of bounds for dimension 0 of size 4"),
                                ([0, 1, 3], [2, 3, 5], "index 3 is out of bounds for dimension 1 of size 3"),
                                ([0, 1, 3], [2, 1, -4], "index -4 is out of bounds for dimension 1 of size 3")):
        with pytest.raises(IndexOutOfBoundsError, match=text) as error:
            f(rows, np.array(columns, "int32"))
        assert "test_gather.py" in str(error.value)
        assert (table.get_value() == before).all() and count.get_value() == 1
    with pytest.raises(IndexOutOfBoundsError, match="index 0 is out of bounds for dimension 0 of size 0"):
        gradc.function([x, i], x[i], mode=mode)(np.zeros((0, 2, 2)), [0])


def test_a_position_known_to_be_out_of_bounds_is_refused_at_once() -> None:
    fixed = TensorType("float64", (3, None))("fixed")
    with pytest.raises(ShapeError, match="index 3 is out of bounds for dimension 0 of size 3"):
        fixed[[0, 3, 5]]
    with pytest.raises(ShapeError, match="index -4 is out of bounds for dimension 0 of size 3"):
        fixed[[-4], [0]].set(1.0)
    for mode in ("c", "interpret"):
        with pytest.raises(IndexOutOfBoundsError, match="index 7 is out of bounds for dimension 1 of size 2"):
            gradc.function([fixed], fixed[:, [0, 7, 9]], mode=mode)(np.zeros((3, 2)))


@MODE
def test_positions_that_do_not_broadcast(mode: str) -> None:
    f = gradc.function([x, i, k], x[i, k], mode=mode)
    with pytest.raises(ShapeError, match=r"index arrays: sizes 2 and 3 .*differ"):
        f(X, [0, 1], np.array([0, 1, 2], "int32"))
    rows, columns = at.lvector("rows"), at.lvector("columns")
    with pytest.raises(ShapeError, match=r"\(rows is i64\[\?\], columns is i64\[\?\]\)"):
        gradc.function([x, rows, columns], x[rows, columns], mode=mode)(X, [0, 1], [0, 1, 2])
    with pytest.raises(ShapeError, match=r"index arrays: sizes 2 and 3 of dimension 0 differ"):
        x[[0, 1], [0, 1, 2]]
    v = at.dvector("v")
    with pytest.raises(ShapeError, match=r"inc_subtensor: sizes 3 and 2"):
        gradc.function([x, i, v], x[i, 0, 0].inc(v), mode="c")(X, [0, 1], np.ones(3))


def test_what_is_no_index() -> None:
    for key in (np.array([0.0, 1.0]), [1.5], at.dvector("f"), "a", [[0], [1, 2]], (0, [0.5]), np.array(["a"])):
        with pytest.raises(TypeMismatchError, match="indices are integers"):
            x[key]
    with pytest.raises(ShapeError, match="too many indices: 4"):
        x[at.TensorType("bool", (None,) * 4)("b")]
    for key in ([True, False, True], (slice(None), [True] * 4)):
        sized = TensorType("float64", (4, 5))("sized")
        with pytest.raises(ShapeError, match=r"sized has size . along dimension ., the mask"):
            sized[key]
        for mode in ("c", "interpret"):
            with pytest.raises(ShapeError, match=r"has size . along dimension ., the mask"):
                run(x[key], mode)
    with pytest.raises(ShapeError, match="too many indices"):
        at.dvector("v")[[0], [1]]
    with pytest.raises(TypeMismatchError, match="mode is"):
        at.take(x, [0], 0, mode="nearest")
    with pytest.raises(TypeMismatchError, match="takes a part of a tensor"):
        at.exp(x[i]).set(1.0)
    with pytest.raises(TypeMismatchError, match="cast it"):
        i[[0]].inc(0.5)
