"""Loops over rows in tiles: when they are cut, what stays as it is, values at sizes that are no multiples of a tile."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from gradc.ir import ops
from gradc.ir.program import Builder, Program
from gradc.loops.lower import lower
from gradc.loops.nodes import For, Let, Load, Tile
from gradc.loops.pretty import pretty
from gradc.loops.tile import tiled
from gradc.target import TARGET
from tests.loops.kernels import callable_of, compare, compiled, tensor

RNG = np.random.default_rng(8)
ROWS, TOGETHER = TARGET.tile, TARGET.together
SIZES = (0, 1, TOGETHER - 1, TOGETHER, ROWS - 1, ROWS, ROWS + 1, 3 * ROWS + TOGETHER + 1)


def outer(a: int, b: int) -> ops.Contract:
    return ops.Contract((a, b), (a,), (b,))


def regression(dtype: str = "float64") -> Program:
    """sigmoid(x w) - y of each row, and x' times that."""
    b = Builder()
    x, y, w = (b.input(tensor(*[None] * n, dtype=dtype), name) for name, n in (("x", 2), ("y", 1), ("w", 1)))
    z = b.apply(ops.Contract((0, 1), (1,), (0,)), x, w)
    d = b.map("sub", b.map("sigmoid", z), y)
    return b.program([d, b.apply(outer(0, 1), x, d)])


def tiles(program: Program) -> list[Tile]:
    return [s for section in lower(program, "f").sections for s in section.body if type(s) is Tile]


def test_functions_of_scalars_and_shared_loads_make_a_tile():
    (tile,) = tiles(regression())
    assert [p.together for p in tile.phases] == [TOGETHER, 1, TOGETHER]
    assert [b.place for b in tile.shared] == ["tile", "tile"]
    (section,) = [s for s in lower(regression(), "f").sections if s.blocks]
    assert section.blocks.multiple == ROWS


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("n", "m"), list(itertools.product(SIZES, (0, 1, 7, 8, 70))))
def test_values_at_every_remainder(n: int, m: int, dtype: str):
    x, y, w = RNG.standard_normal((n, m)), RNG.standard_normal(n), RNG.standard_normal(m)
    compare(regression(dtype), [a.astype(dtype) for a in (x, y, w)], 1e-12 if dtype == "float64" else 1e-4)


def test_dear_functions_alone_make_a_tile_whose_rows_pass_one_by_one():
    b = Builder()
    x = b.input(tensor(None, None), "x")
    norm = b.map("log", b.apply(ops.Reduce("add", (1,)), b.map("exp", x)))
    (tile,) = tiles(b.program([norm]))
    assert [p.together for p in tile.phases] == [1, 1]
    compare(b.program([norm]), [RNG.standard_normal((ROWS + 3, 40))])


def test_the_last_loop_of_rows_together_fetches_rows_of_later_tiles():
    (tile,) = tiles(regression())
    (ahead,) = tile.phases[-1].ahead
    assert not any(p.ahead for p in tile.phases[:-1])
    assert ahead.buffer.name == "x" and ahead.distance % ROWS == 0
    assert ahead.index.terms == ((ahead.count, tile.var),)
    (line,) = [text for text in pretty(lower(regression(), "f")).splitlines() if "ahead" in text]
    assert line.strip() == f"phase, {TOGETHER} rows together, {ahead.count} of x[{ahead.count} * i] 64 rows ahead"


@pytest.mark.parametrize(("what", "build"), [
    ("nothing gained", lambda b, x: b.apply(ops.Reduce("add", (1,)), b.map("square", x))),
    ("a row buffer in the way", lambda b, x: b.map("true_divide", *_divided_by_log_of_sum(b, x))),
])
def test_loops_that_stay_as_they_are(what: str, build: Callable[..., object]):
    b = Builder()
    x = b.input(tensor(None, None), "x")
    program = b.program([build(b, x)])
    assert not tiles(program), f"{what}:\n{pretty(lower(program, 'f'))}"
    compare(program, [RNG.standard_normal((ROWS + 3, 5))])


def _divided_by_log_of_sum(b: Builder, x: object) -> tuple[object, object]:
    e = b.map("exp", x)
    return e, b.apply(ops.Transpose((0, -1)), b.map("log", b.apply(ops.Reduce("add", (1,)), e)))


def test_a_value_that_is_only_loaded_is_loaded_again_rather_than_shared():
    b = Builder()
    x, y = b.input(tensor(None, None), "x"), b.input(tensor(None), "y")
    (tile,) = tiles(b.program([b.apply(outer(0, 1), x, y)]))
    assert not tile.shared
    assert len(tile.phases) == 1
    (inner,) = tile.phases[0].body
    assert type(inner) is For
    loads = [s.expr.buffer.name for s in inner.body[0].body if type(s) is Let and type(s.expr) is Load]
    assert sorted(loads) == ["x", "y"]


def test_sums_over_rows_keep_their_order():
    """Four rows together add to a row of sums one after the other, as one by one."""
    b = Builder()
    x, y = b.input(tensor(None, None), "x"), b.input(tensor(None), "y")
    kernel = lower(b.program([b.apply(outer(0, 1), x, y)]), "f")
    values = RNG.standard_normal((ROWS + 5, 9)) * 10.0 ** RNG.integers(-8, 8, (ROWS + 5, 9)), np.ones(ROWS + 5)
    want = np.zeros(9)
    for row in values[0]:
        want += row
    np.testing.assert_array_equal(callable_of(kernel)(*values)[0], want)


def test_a_loop_without_inner_loops_is_no_business_of_tiles():
    loop = For("i", 0, "n", ())
    assert tiled(loop, str) is loop


def test_short_rows_of_any_number_are_folded_in_order() -> None:
    """The order depends on the length of a row alone: a row has the same bits among others."""
    b = Builder()
    x = b.input(tensor(None, None), "x")
    sums, products, largest = [b.apply(ops.Reduce(fn, (1,)), x) for fn in ("add", "mul", "maximum")]
    of_any = compiled(b.program([sums, products]))
    f = compiled(b.program([sums, products, largest]))
    for n in (1, 2, 5, 8, 9, 31, 33):
        a = RNG.normal(size=(37, n))
        found = f(a)
        for got, want in zip(found, (a.sum(axis=1), a.prod(axis=1), a.max(axis=1))):
            np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-14)
        for got, alone in zip(found, f(a[7:8])):
            assert got[7] == alone[0]
        if n <= TARGET.short_row:
            np.testing.assert_array_equal(found[0], np.cumsum(a, axis=1)[:, -1])
    assert np.isnan(f(np.array([[1.0, np.nan, 3.0]]))[2])
    assert [r.tolist() for r in of_any(np.zeros((2, 0)))] == [[0, 0], [1, 1]]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_short_rows_that_pass_together_are_folded_in_order(dtype: str) -> None:
    b = Builder()
    x, w = b.input(tensor(None, None, dtype=dtype), "x"), b.input(tensor(None, dtype=dtype), "w")
    program = b.program([b.apply(ops.Contract((0, 1), (1,), (0,)), x, w)])
    assert any(phase.together > 1 for tile in tiles(program) for phase in tile.phases)
    f = compiled(program)
    short = TARGET.short_row
    for m, n in itertools.product((1, TOGETHER, ROWS + TOGETHER + 1), (0, 1, 3, short, short + 1, 40)):
        a, v = RNG.normal(size=(m, n)).astype(dtype), RNG.normal(size=n).astype(dtype)
        got, = f(a, v)
        error = np.abs(got - a.astype(float) @ v.astype(float))
        assert (error <= n * np.finfo(dtype).eps * (np.abs(a) @ np.abs(v))).all()
        np.testing.assert_array_equal(got, np.concatenate([f(row[None], v)[0] for row in a]))
