"""Sizes: slices by Python's own rules, agreement of sizes, and which sizes are known to be equal."""

from __future__ import annotations

import itertools
import random
from typing import Any

import numpy as np
import pytest

from gradc.errors import AssertionFailedError, IndexOutOfBoundsError, ShapeError
from gradc.ir import ops
from gradc.ir.interp import evaluate
from gradc.ir.ops import DYNAMIC, Item
from gradc.ir.program import Builder, Var
from gradc.loops.lower import lower
from gradc.loops.nodes import Check, Kernel
from tests.loops.kernels import compiled, tensor

INTEGER = tensor(dtype="int64")
BOUNDS = (None, 0, 1, 2, 3, 4, 7, -1, -2, -3, -4, -7)
STEPS = (None, 1, 2, 3, -1, -2, -3)


def checks(kernel: Kernel) -> list[Check]:
    return [s for s in kernel.prologue if type(s) is Check]


def slices(items: list[Item], bounds: int = 0, length: int | None = None) -> Any:
    """A kernel that takes x and `bounds` integers and gives x[item] for each item."""
    b = Builder()
    x = b.input(tensor(length), "x")
    dynamic = [b.input(INTEGER, f"k{n}") for n in range(bounds)]
    outputs = [b.apply(ops.Slice((item,)), x, *dynamic[:sum(v is DYNAMIC for v in item.bounds())]) for item in items]
    return compiled(b.program(outputs), "-O0")


@pytest.mark.parametrize("static", [False, True], ids=["run-time length", "static length"])
def test_static_bounds_follow_python(static: bool):
    parts = [slice(*bounds) for bounds in itertools.product(BOUNDS, BOUNDS, (None, 2, -1, -3))]
    parts = random.Random(3).sample(parts, 120)
    items = [Item(start=s.start, stop=s.stop, step=s.step) for s in parts]
    lengths = (5,) if static else (0, 1, 2, 3, 4, 5, 9)
    f = slices(items, length=5 if static else None)
    for n in lengths:
        x = np.arange(n, dtype=float)
        for s, got in zip(parts, f(x)):
            assert np.array_equal(got, x[s]), (n, s)


@pytest.mark.parametrize("step", [*STEPS, DYNAMIC], ids=str)
def test_dynamic_bounds_follow_python(step: Any):
    """Each of start and stop absent, static or dynamic; the lengths come from the compiled prologue."""
    choices = (None, 1, -2, DYNAMIC)
    items = [Item(start=start, stop=stop, step=step) for start, stop in itertools.product(choices, choices)]
    f = slices(items, 3)
    rng = random.Random(7)
    values = (-9, -3, -2, -1, 0, 1, 2, 3, 4, 8, 2**62, -2**62)
    for n in (0, 1, 2, 5):
        x = np.arange(n, dtype=float)
        cases = [tuple(rng.choice(values) for _ in range(3)) for _ in range(60)]
        for given in cases:
            if step is DYNAMIC:
                given = tuple(v if abs(v) < 20 and v else -1 for v in given)
            for item, got in zip(items, f(x, *given)):
                rest = iter(given)
                bounds = [next(rest) if v is DYNAMIC else v for v in item.bounds()]
                assert np.array_equal(got, x[slice(*bounds)]), (n, bounds)


def test_a_step_of_0_is_refused():
    f = slices([Item(step=DYNAMIC)], 1)
    assert np.array_equal(f(np.arange(3.0), -1)[0], [2, 1, 0])
    with pytest.raises(ShapeError, match="step 0"):
        f(np.arange(3.0), 0)


def test_single_positions_are_checked_and_counted_from_the_end():
    f = slices([Item(at=DYNAMIC)], 1)
    g = slices([Item(at=2), Item(at=-1)])
    x = np.arange(4.0)
    for at in range(-4, 4):
        assert f(x, at)[0] == x[at]
    for at in (4, -5, 2**40):
        with pytest.raises(IndexOutOfBoundsError, match=f"index {at} is out of bounds for dimension 0 of size 4"):
            f(x, at)
    assert [float(v) for v in g(x)] == [2, 3]
    with pytest.raises(IndexOutOfBoundsError, match=r"index 2 is out of bounds for dimension . of size 2"):
        g(np.arange(2.0))


def test_a_slice_of_a_slice_is_one_view():
    rng = random.Random(1)
    for _ in range(4):
        items = [Item(start=rng.choice(BOUNDS), stop=rng.choice(BOUNDS), step=rng.choice(STEPS)) for _ in range(3)]
        b = Builder()
        y: Var = b.input(tensor(None), "x")
        for item in items:
            y = b.apply(ops.Slice((item,)), y)
        program = b.program([y])
        assert len(lower(program, "f").sections) == 1
        f = compiled(program, "-O0")
        for n in (0, 1, 4, 11):
            x = want = np.arange(n, dtype=float)
            for item in items:
                want = want[slice(*item.bounds())]
            assert np.array_equal(f(x)[0], want), (n, items)


# -- agreement


def test_sizes_that_must_agree_are_checked_once():
    b = Builder()
    x, y, z = (b.input(tensor(None), n) for n in "xyz")
    s = b.map("add", x, y)
    kernel = lower(b.program([b.map("mul", s, z), b.map("sub", s, z), b.map("add", y, z)]), "f")
    assert len(checks(kernel)) == 2
    f = compiled(b.program([b.map("mul", s, z)]), "-O0")
    with pytest.raises(ShapeError, match=r"sizes 2 and 3 of dimension 0 differ .*x is .*y is .*a size 1 broadcasts"):
        f(np.ones(2), np.ones(3), np.ones(2))
    with pytest.raises(ShapeError, match="sizes 3 and 1 of dimension 0 differ"):
        f(np.ones(3), np.ones(3), np.ones(1))


def test_a_static_size_is_better_than_a_name():
    b = Builder()
    x, y = b.input(tensor(None, None), "x"), b.input(tensor(4, None), "y")
    kernel = lower(b.program([b.map("add", x, y)]), "f")
    assert kernel.outputs[0].shape[0] == 4
    assert len(checks(kernel)) == 2


def test_equal_expressions_of_sizes_are_one_size():
    """The flat lengths of two equal reshapes are the same, so that their users share a loop."""
    b = Builder()
    x, y = b.input(tensor(None, None), "x"), b.input(tensor(None, None), "y")
    n = b.map("mul", b.size(x, 0), b.size(x, 1))
    m = b.map("mul", b.size(x, 1), b.size(x, 0))
    both = b.map("tanh", b.map("add", x, y))
    flat = [b.map("exp", b.apply(ops.Reshape(1), v, size)) for v, size in ((x, n), (y, m))]
    kernel = lower(b.program([*flat, both]), "f")
    assert kernel.outputs[0].shape == kernel.outputs[1].shape
    assert not any("reshape" in c.message for c in kernel.checks)


def test_a_reshape_must_keep_the_number_of_elements():
    b = Builder()
    x, n = b.input(tensor(None, None), "x"), b.input(INTEGER, "n")
    f = compiled(b.program([b.apply(ops.Reshape(2), x, n, b.constant(3, "int64"))]), "-O0")
    x_value = np.arange(6.0).reshape(3, 2)
    assert np.array_equal(f(x_value, 2)[0], x_value.reshape(2, 3))
    with pytest.raises(ShapeError, match="an array of 6 elements does not fill a shape of 9"):
        f(x_value, 3)
    with pytest.raises(ShapeError, match="must not be negative, got -2"):
        f(x_value, -2)


def test_maximum_of_nothing_is_an_error():
    b = Builder()
    x = b.input(tensor(None, None), "x")
    f = compiled(b.program([b.apply(ops.Reduce("maximum", (1,)), x), b.apply(ops.Reduce("add", (1,)), x)]), "-O0")
    assert f(np.zeros((0, 2)))[0].shape == (0,)
    with pytest.raises(ShapeError, match="over dimension 1 of size 0 has no value"):
        f(np.zeros((2, 0)))


def test_lengths_of_ranges_and_joins():
    b = Builder()
    x, n = b.input(tensor(None), "x"), b.input(INTEGER, "n")
    r = b.apply(ops.Iota(), n)
    f = compiled(b.program([r, b.apply(ops.Concat(0), x, b.cast(r, "float64"), x)]), "-O0")
    for count in (-1, 0, 3):
        got = f(np.ones(2), count)
        assert np.array_equal(got[0], np.arange(count))
        assert np.array_equal(got[1], np.concatenate([np.ones(2), np.arange(count), np.ones(2)]))


def test_sizes_of_sizes_in_floats():
    """Least m with m * m >= n, and 3 n / 2: computed as the interpreter does."""
    b = Builder()
    n = b.input(INTEGER, "n")
    root = b.cast(b.map("ceil", b.map("sqrt", b.cast(n, "float64"))), "int64")
    more = b.cast(b.map("true_divide", b.map("mul", n, b.constant(3, "int64")), b.constant(2, "int64")), "int32")
    enough = b.map("ge", b.map("mul", root, root), b.cast(n, "float64"))
    kept = b.map("switch", enough, root, b.constant(-1, "int64"))
    program = b.program([b.apply(ops.Iota(), k) for k in (root, more, kept)])
    f = compiled(program, "-O0")
    for count in (0, 1, 2, 10, 16, 17, 10**4, 10**4 + 1):
        for got, want in zip(f(count), evaluate(program, [np.asarray(count)])):
            assert np.array_equal(got, want), count


def test_a_size_that_was_checked_is_a_size():
    b = Builder()
    n = b.input(INTEGER, "n")
    checked = b.apply(ops.Assert("at most 5", "assert"), n, b.map("le", n, b.constant(5, "int64")))
    f = compiled(b.program([b.apply(ops.Iota(), checked)]), "-O0")
    assert f(4)[0].tolist() == [0, 1, 2, 3]
    with pytest.raises(AssertionFailedError, match="at most 5"):
        f(6)


def test_sizes_that_are_found_equal_are_not_compared():
    b = Builder()
    x = b.input(tensor(None), "x")
    parts = [b.apply(ops.Slice((Item(start=1, stop=-1),)), x),
             b.apply(ops.Slice((Item(start=1),)), b.apply(ops.Slice((Item(start=1),)), x)),
             b.apply(ops.Slice((Item(start=2),)), x)]
    n = b.map("maximum", b.constant(0, "int64"), b.map("sub", b.size(x, 0), b.constant(2, "int64")))
    out = b.map("add", b.map("add", parts[0], parts[1]), parts[2])
    out = b.apply(ops.Assert("no", "shape"), out, b.map("eq", b.size(out, 0), n))
    assert not checks(lower(b.program([out]), "f"))
    f = compiled(b.program([out]), "-O0")
    for size in range(5):
        x = np.arange(float(size))
        np.testing.assert_array_equal(f(x)[0], x[1:-1] + x[2:] * 2)
