"""Setting parts (their dtypes, diagonals), `join` along an axis that is a variable, `repeat` by a vector of numbers."""

from __future__ import annotations

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.errors import BadValueError, ShapeError, TypeMismatchError

A = np.arange(12.0).reshape(3, 4)
MODES = [None, "interpret"]
mode = pytest.mark.parametrize("mode", MODES)


def run(inputs, outputs, *values, mode):
    return gradc.function(inputs, outputs, mode=mode)(*values)


# ---------------------------------------------------------------- casts of what is set

PAIRS = [("float32", "float64"), ("float64", "float32"), ("float32", "int64"), ("int32", "int64"), ("int64", "float64"),
         ("int8", "float32"), ("uint8", "int64"), ("bool", "float64"), ("complex64", "complex128"),
         ("complex128", "float64")]


@pytest.mark.parametrize(("whole", "part"), PAIRS)
def test_set_casts(whole, part):
    """As NumPy's assignment, which Aesara uses; floats to integers by truncation."""
    x, v = at.vector("x", dtype=whole), at.vector("v", dtype=part)
    values = np.array([1.7, 2.3, 0.1]).astype(part), np.ones(5, whole)
    want = values[1].copy()
    want[1:4] = values[0]
    for m in MODES:
        got = run([v, x], at.set_subtensor(x[1:4], v), *values, mode=m)
        assert got.dtype == whole
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(("whole", "part"), PAIRS)
def test_inc_casts_within_a_kind(whole, part):
    """As NumPy's +=, which Aesara uses: what it refuses is refused when the graph is built."""
    x, v = at.vector("x", dtype=whole), at.vector("v", dtype=part)
    if not np.can_cast(part, whole, "same_kind"):
        with pytest.raises(TypeMismatchError, match="cast it"):
            at.inc_subtensor(x[1:4], v)
        return
    values = np.array([1.5, 2.25, 0.5]).astype(part), np.ones(5, whole)
    want = values[1].copy()
    want[1:4] += values[0]
    for m in MODES:
        got = run([v, x], at.inc_subtensor(x[1:4], v), *values, mode=m)
        assert got.dtype == whole
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("change", [at.set_subtensor, at.inc_subtensor])
def test_what_is_not_cast(change):
    with pytest.raises(TypeMismatchError, match="complex128"):
        change(at.fvector("x")[0], at.zscalar("z"))
    with pytest.raises(TypeMismatchError, match="300 is outside the range of int8"):
        at.set_subtensor(at.bvector("x")[0], 300)
    with pytest.raises(TypeMismatchError, match="nan is outside the range of int64"):
        at.set_subtensor(at.lvector("x")[0], np.float64("nan"))


@mode
def test_gradient_through_the_cast(mode):
    x, v = at.fvector("x"), at.dvector("v")
    y = at.set_subtensor(x[1:3], v)
    gx, gv = gradc.grad((y ** 2).sum(), [x, v])
    assert (gx.dtype, gv.dtype) == ("float32", "float64")
    gx, gv = run([x, v], [gx, gv], np.float32([1, 2, 3, 4]), np.array([5.0, 6.0]), mode=mode)
    np.testing.assert_array_equal(gx, [2, 0, 0, 8])
    np.testing.assert_array_equal(gv, [10, 12])
    u = at.inc_subtensor(x[0], v.sum())
    np.testing.assert_array_equal(run([x, v], gradc.grad(u[0] * 3, v), np.float32([1]), np.ones(2), mode=mode), [3, 3])


# ---------------------------------------------------------------- diagonals


@mode
@pytest.mark.parametrize("k", [0, 1, -2, 4])
@pytest.mark.parametrize("shape", [(None, None), (3, 4)])
def test_diagonal_is_a_part(mode, k, shape):
    """The result is the matrix with its diagonal changed, of all sizes and offsets."""
    X, v = at.matrix("X", shape=shape), at.vector("v")
    length = len(np.diagonal(A, k))
    new = np.arange(length) + 50.0
    rows, columns = np.arange(length) + max(-k, 0), np.arange(length) + max(k, 0)
    want = A.copy()
    want[rows, columns] = new
    made = at.set_subtensor(at.diag(X, k), v)
    got, gX, gv = run([X, v], [made, *gradc.grad((made ** 2).sum(), [X, v])], A, new, mode=mode)
    np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(gv, 2 * new)
    zero = 2 * A
    zero[rows, columns] = 0
    np.testing.assert_array_equal(gX, zero)
    want[rows, columns] += A[rows, columns]
    np.testing.assert_array_equal(run([X, v], at.inc_subtensor(at.diag(X, k), v), A, new, mode=mode), want)


@mode
def test_diagonals_of_a_tensor(mode):
    T3, value = at.tensor3("T3"), np.arange(24.0).reshape(2, 3, 4)
    want = value.copy()
    want[np.arange(2), :, np.arange(2)] = -1
    made = at.set_subtensor(at.diagonal(T3, 0, 2, 0), -1.0)
    np.testing.assert_array_equal(run([T3], made, value, mode=mode), want)


def test_a_part_of_what_was_reshaped_is_a_part_of_that():
    X = at.matrix("X")
    flat = X.flatten()
    assert at.set_subtensor(flat[::X.shape[1] + 1], 1.0).ndim == 1
    with pytest.raises(TypeMismatchError, match="takes a part of a tensor"):
        at.set_subtensor(at.diag(at.vector("v")), 1.0)
    X, v = at.matrix("X"), at.vector("v")
    with pytest.raises(ShapeError):
        run([X, v], at.set_subtensor(at.diag(X), v), A, np.ones(2), mode=None)


# ---------------------------------------------------------------- join, repeat


@mode
def test_join_along_a_variable(mode):
    axis, X, Y, Z = at.lscalar("axis"), at.matrix("X"), at.matrix("Y"), at.fmatrix("Z")
    made = at.join(axis, X, Y, Z)
    assert made.dtype == "float64" and made.type.shape == (None, None)
    weights = at.matrix("W")
    f = gradc.function([axis, X, Y, Z, weights], [made, *gradc.grad((made * weights).sum(), [X, Y, Z])], mode=mode)
    if mode is None:
        assert f.info["mode"] == "c"
    rng = np.random.default_rng(3)
    for k, other in ((0, (2, 4)), (1, (3, 5)), (-1, (3, 1)), (-2, (1, 4)), (1, (3, 0))):
        y, z = rng.normal(size=other), rng.normal(size=other).astype("float32")
        want = np.concatenate([A, y, z], k)
        w = rng.normal(size=want.shape)
        got, *grads = f(k, A, y, z, w)
        np.testing.assert_array_equal(got, want)
        cuts = np.cumsum([A.shape[k], other[k]])
        for g, part in zip(grads, np.split(w, cuts, k)):
            np.testing.assert_array_equal(g, part.astype(g.dtype))
    for k, y in ((0, A[:, :2]), (1, A[:2])):
        with pytest.raises(ShapeError, match=r"join: sizes 2 and [34] of dimension [01] differ"):
            f(k, A, y, np.float32(A), A)


@mode
def test_join_of_vectors_and_of_one(mode):
    axis, x, y = at.bscalar("axis"), at.vector("x"), at.vector("y")
    f = gradc.function([axis, x, y], [at.join(axis, x, y), at.concatenate([x], axis=axis)], mode=mode)
    for k in (0, -1):
        both, one = f(k, [1.0, 2.0], [3.0])
        assert both.tolist() == [1, 2, 3] and one.tolist() == [1, 2]
    with pytest.raises(ShapeError, match="axis 1 is out of range for 1 dimension"):
        f(1, [1.0], [2.0])


COUNTS = np.array([2, 0, 3])


@mode
@pytest.mark.parametrize("axis", [0, 1, None])
@pytest.mark.parametrize("static", [True, False])
def test_repeat_by_a_vector(mode, axis, static):
    value = A[:, :3] if axis is not None else A[0, :3]
    X = at.tensor("X", dtype="float64", shape=(None,) * value.ndim)
    counts = at.tensor("counts", dtype="int64", shape=(3 if static else None,))
    made, want = at.repeat(X, counts, axis), np.repeat(value, COUNTS, axis)
    weights = at.tensor("W", dtype="float64", shape=(None,) * made.ndim)
    cost = (made ** 2 * weights).sum()
    gradient = gradc.grad(cost, X)
    direction = gradc.grad(gradient.sum(), X)
    rop = gradc.Rop(made, X, X)
    f = gradc.function([X, counts, weights], [made, gradient, direction, rop], mode=mode)
    if mode is None:
        assert f.info["mode"] == "c"
    w = np.random.default_rng(4).normal(size=want.shape)
    got, g, h, r = f(value, COUNTS, w)
    np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(r, want)
    sums = np.zeros_like(value)
    np.add.at(np.moveaxis(sums, axis or 0, 0), np.repeat(np.arange(3), COUNTS), np.moveaxis(w, axis or 0, 0))
    np.testing.assert_allclose(g, 2 * value * sums, rtol=1e-14)
    np.testing.assert_allclose(h, 2 * sums, rtol=1e-14, atol=1e-14)
    with pytest.raises(BadValueError, match="got -1"):
        f(value, [1, -1, 2], w)


@pytest.mark.parametrize("dtype", ["float32", "int8", "bool"])
def test_repeat_keeps_the_dtype(dtype):
    x, counts = at.vector("x", dtype=dtype), at.bvector("counts")
    value = np.array([1, 0, 1]).astype(dtype)
    got = run([x, counts], at.repeat(x, counts), value, COUNTS.astype("int8"), mode="interpret")
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, np.repeat(value, COUNTS))


def test_repeat_of_another_length():
    x, counts = at.vector("x"), at.lvector("counts")
    with pytest.raises(ShapeError, match="2 repeats for the 3 elements of x along axis 0"):
        run([x, counts], at.repeat(x, counts), A[0, :3], [1, 2], mode="interpret")


@mode
def test_the_whole_with_new_axes_is_a_part(mode):
    x, s = at.dmatrix("x"), at.dscalar("s")
    parts = [x[:, None], x[None], x[..., None], x.T[None], x[None, :, :, None], s[None], x[:], x[...]]
    keys = [np.index_exp[:, None], np.index_exp[None], np.index_exp[..., None], np.index_exp[None],
            np.index_exp[None, :, :, None], np.index_exp[None], np.index_exp[:], np.index_exp[...]]
    got = run([x, s], [w for p in parts for w in (p.set(2.0), p.inc(p))], A, 5.0, mode=mode)
    for k, (key, whole) in enumerate(zip(keys, [A, A, A, A.T, A, np.array(5.0), A, A])):
        want = whole.copy()
        want[key] = 2.0
        np.testing.assert_array_equal(got[2 * k], want)
        np.testing.assert_array_equal(got[2 * k + 1], 2 * whole)
    with pytest.raises(TypeMismatchError, match="takes a part of a tensor"):
        at.set_subtensor(x.dimshuffle(0, "x", 1), 2.0)
