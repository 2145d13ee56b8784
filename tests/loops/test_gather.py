"""The loops of gathers and scatters: what stands in them, and that compilers make the same numbers of them."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.codegen import unit
from gradc.ir import build, ops
from gradc.ir.check import check
from gradc.ir.program import Builder, Program
from gradc.loops.gather import with_positions
from gradc.loops.lower import lower
from tests.loops.kernels import compare, compiled, tensor


def sections(f: Any) -> list[str]:
    """The loops of a kernel, as C."""
    source = f.c_source().split("int gradc_prepare")[0]
    return re.split(r"/\* ---- .* ---- \*/", source)[1:]


def test_a_gather_is_part_of_the_loop_that_uses_it() -> None:
    a, b = [at.vector(name, shape=(9,), dtype="float64") for name in "ab"]
    group, y = at.lvector("group"), at.dvector("y")
    f = gradc.function([a, b, group, y], ((y - a[group] - at.exp(b[group]))**2).sum(), mode="c")
    positions, checks, last = sections(f)
    assert "a[" not in positions and "a[" not in checks and "return 2;" in checks
    body = last[last.index("i_base + 32 <= hi"):last.index("for (int64_t lane = 0; i_base + lane < hi")]
    for text in ("= group_position[i];", "= a[group_position_i];", "= b[group_position_i];", "exp(b_i)", "= y[i];"):
        assert body.count(text) == 1


def test_positions_used_once_are_counted_from_the_start_where_they_are_looked_up() -> None:
    x, i = at.dvector("x"), at.lvector("i")
    f = gradc.function([x, i], x[i] * 2, mode="c")
    check, _, last = sections(f)
    assert "i_position" not in check and last.count("position = ") == 1 and "x[position]" in last
    assert f([1.0, 2.0], [-1, 0, 1, -2]).tolist() == [4, 2, 4, 2]
    for wrong in (2, -3, np.iinfo("int64").max, np.iinfo("int64").min):
        with pytest.raises(IndexError, match=f"index {wrong} is out of bounds"):
            f([1.0, 2.0], [0, wrong])


def test_one_check_serves_all_axes_of_one_size_and_scatters() -> None:
    a, group = at.dvector("a"), at.lvector("group")
    value = (at.exp(a[group]) * (2 * a)[group]).sum()
    f = gradc.function([a, group], [value, gradc.grad(value, a)], mode="c")
    assert len(f.maker.fgraph.outputs) == 2 and len(re.findall(r"return \d+;\n *}\n *}\n *}", f.c_source())) == 1


def test_the_gradient_of_a_gather_is_one_loop_over_the_rows() -> None:
    table, rows = at.fmatrix("table"), at.lvector("rows")
    f = gradc.function([table, rows], gradc.grad((table[rows]**2).sum(), table), mode="c")
    *_, zeros, added = sections(f)
    assert zeros.count("= 0.0f;") == 1
    assert "rows_n0; ++i" in added and "table_n0" not in added
    assert re.search(r"part\[j \+ table_n1 \* rows_position_i\] = part\[j \+ table_n1 \* rows_position_i\] \+", added)


def test_rows_that_are_read_twice_are_added_to_one_table() -> None:
    """Parts at other positions are added to what there is; those at the same positions are summed before."""
    table, i, j = at.dmatrix("table"), at.lvector("i"), at.lvector("j")
    cost = (table[i]**2).sum() + at.exp(table[j]).sum() + at.sin(table[i]).sum()
    slope = gradc.grad(cost, table)
    f = gradc.function([table, i, j], slope, mode="c")
    kinds = [type(node.op) for node in f.maker.fgraph.toposort()]
    assert kinds.count(ops.ScatterAt) == 2 and kinds.count(ops.Broadcast) == 1
    x, a, b = np.arange(6.0).reshape(3, 2), np.array([0, 2, 2]), np.array([1, 2])
    want = np.zeros((3, 2))
    np.add.at(want, a, 2 * x[a] + np.cos(x[a]))
    np.add.at(want, b, np.exp(x[b]))
    np.testing.assert_allclose(f(x, a, b), want, rtol=1e-14)


def test_constant_positions_along_an_axis_of_known_size_are_not_checked() -> None:
    b = Builder()
    x = b.input(tensor(5, None), "x")
    i = b.constant([[4, -1], [0, 2]], "int64")
    program = b.program([b.apply(ops.Gather((0,)), x, i)])
    made = with_positions(program)
    check(made)
    assert [type(e.op) for e in made.eqns].count(ops.Assert) == 0
    compare(program, [np.arange(15.0).reshape(5, 3)])
    b = Builder()
    x = b.input(tensor(None), "x")
    plain = b.program([b.apply(ops.Reduce("add", (0,)), x)])
    assert with_positions(plain) is plain


def test_positions_that_are_gathered_themselves() -> None:
    """The lookup of a position has lookups of its own, of unsigned positions, too, which are not counted anew."""
    x, i, j = at.dmatrix("x"), at.tensor(dtype="uint8", shape=(None,), name="i"), at.lvector("j")
    f = gradc.function([x, i, j], [x[i[j]], x[:, j[i]]], mode="c")
    a, k, n = np.arange(12.0).reshape(3, 4), np.array([2, 0, 1], "uint8"), np.array([-1, 1, -2, 0])
    for got, want in zip(f(a, k, n), (a[k[n]], a[:, n[k]])):
        np.testing.assert_array_equal(got, want)


def test_positions_that_need_no_check_are_computed_in_the_loop_around() -> None:
    """All positions of an axis beside those that data tell."""
    x, i = at.dmatrix("x"), at.lmatrix("i")
    f = gradc.function([x, i], at.take_along_axis(x, i, 1) * 2, mode=gradc.Mode("c", checked=True))
    a, n = np.arange(6.0).reshape(2, 3), np.array([[2, -1], [0, 1]])
    np.testing.assert_array_equal(f(a, n), 2 * np.take_along_axis(a, n, 1))


def _gathers(dtype: str, widths: tuple[int, ...]) -> tuple[Program, list[np.ndarray]]:
    """Gathers and scatters of rows of static widths, in elementwise loops, folds and switches."""
    b = Builder()
    rng = np.random.default_rng(widths)
    i, j = b.input(tensor(None, dtype="int64"), "i"), b.input(tensor(None, None, dtype="int32"), "j")
    outputs, values = [], [rng.integers(-7, 7, 70), rng.integers(-7, 7, (9, 40)).astype("int32")]
    for w in widths:
        x = b.input(tensor(None, w, dtype=dtype), f"x{w}")
        values.append((rng.integers(-8, 8, (7, w)) * (0.125 if dtype[0] == "f" else 1)).astype(dtype))
        rows = b.apply(ops.Gather((0,)), x, i)
        flat = b.apply(ops.Reshape(1), x, b.map("mul", b.size(x, 0), b.size(x, 1)))
        large = b.map("lt", b.constant(0, "int8"), rows)
        outputs += [b.map("add", rows, rows), b.apply(ops.Reduce("add", (1,)), rows),
                    b.apply(ops.Reduce("maximum", (0,)), rows), b.map("switch", large, rows, b.map("neg", rows)),
                    b.apply(ops.Reduce("add", (0, 1)), b.apply(ops.Gather((0,)), flat, j)),
                    b.apply(ops.Contract((0, 1), (1,), (0,)), rows, b.apply(ops.Slice((ops.Item(at=0),)), x)),
                    b.apply(ops.ScatterAt("inc", (0,)), x, b.map("mul", rows, rows), i),
                    b.apply(ops.ScatterAt("set", (0,)), x, b.map("add", rows, rows), i)]
    return b.program(outputs), values


def _same_numbers(dtype: str, widths: tuple[int, ...]) -> None:
    program, values = _gathers(dtype, widths)
    compare(program, values, 0)
    for got, want in zip(compiled(program, "-O3")(*values), compiled(program, "-O1")(*values)):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_vectors_of_gathers_have_the_numbers_of_scalar_code(dtype: str) -> None:
    _same_numbers(dtype, (1, 4))


@pytest.mark.nightly
@pytest.mark.parametrize("width", range(1, 10))
@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "int32", "int16", "int8", "uint8", "uint32"])
def test_vectors_of_gathers_of_all_dtypes(dtype: str, width: int) -> None:
    _same_numbers(dtype, (width,))


def test_gathers_of_gathers_and_through_views() -> None:
    """Views of views: what is looked up goes through transposes, slices, broadcasts and reshapes."""
    b = Builder()
    x, i, j = b.input(tensor(None, None), "x"), b.input(tensor(None, dtype="int64"), "i"), b.input(
        tensor(None, None, dtype="int64"), "j")
    g = ops.Gather
    rows = b.apply(g((0,)), x, i)
    both = b.apply(g((0, 1)), x, i, b.constant([[0], [1], [-1]], "int64"))
    turned = b.apply(g((1,)), b.apply(ops.Transpose((1, 0)), rows), j)              # (j, j, columns)
    part = b.apply(ops.Slice((ops.Item(step=-1), ops.Item(at=1))), turned)
    one = b.apply(ops.Reshape(3), part, b.size(part, 0), b.constant(1, "int64"), b.size(part, 1))
    flat = b.apply(ops.Reshape(1), turned, b.map("mul", b.map("mul", b.size(turned, 0), b.size(turned, 1)),
                                                 b.size(turned, 2)))
    lazy = b.apply(g((0,)), b.map("add", x, b.constant(1.0)), j)
    at_numbers = b.apply(g((0,)), x, b.apply(g((0,)), i, b.map("maximum", j, b.constant(-2, "int64"))))
    counted = b.apply(g((0,)), b.apply(ops.Iota(), b.size(x, 0)), i)
    last = b.apply(ops.Slice((ops.Item(at=-1),)), i)
    where = b.apply(ops.ArgReduce("maximum", 1), x)
    outputs = [both, part, one, b.map("mul", one, part), flat, lazy, at_numbers, counted,
               b.apply(g((0,)), x, last), b.apply(g((0, 1)), x, last, i), b.apply(g((1,)), x, where),
               b.apply(ops.Reduce("add", (0,)), turned), b.apply(ops.Cumulate("add", 1), turned),
               b.apply(ops.ArgReduce("maximum", 0), lazy), b.apply(ops.Concat(0), rows, x),
               b.apply(ops.Contract((0, 1), (1, 2), (0, 2)), b.apply(ops.Transpose((1, 0)), rows), rows),
               b.apply(ops.Contract((0, 1), (2, 1), (0, 2)), b.apply(ops.Reshape(2), turned, b.map(
                   "mul", b.size(turned, 0), b.size(turned, 1)), b.size(turned, 2)), x)]
    rng = np.random.default_rng(0)
    compare(b.program(outputs), [rng.normal(size=(5, 4)), rng.integers(-4, 4, 6), rng.integers(-4, 4, (3, 2))], 1e-12)


def test_a_loop_in_a_branch_looks_up_what_the_branch_has_looked_up() -> None:
    """Each loop has lookups of its own: what is looked up before the inner loop is one element of another loop."""
    x, i = at.dmatrix("x"), at.lvector("i")
    rows, columns = x[i], x[:, i]                   # positions of `columns` are counted from the start before
    states, _ = gradc.scan(lambda c, d: [at.tanh(c) + rows, at.tanh(d) + columns], outputs_info=[rows, columns],
                           n_steps=3)
    value = gradc.ifelse(x.sum() > 0, (states[0][-1], states[1][-1]), (rows, columns))
    f = gradc.function([x, i], value, mode="c")
    a, k = np.random.default_rng(0).normal(size=(4, 4)), np.array([2, -1, 0, -4, 2])
    for numbers in (a + 1, a - 1):
        for got, start in zip(f(numbers, k), (numbers[k], numbers[:, k])):
            want = start
            for _ in range(3 if numbers.sum() > 0 else 0):
                want = np.tanh(want) + start
            np.testing.assert_allclose(got, want, rtol=1e-13)


def test_a_loop_in_a_step_looks_up_what_the_step_has_looked_up() -> None:
    x, i = at.dmatrix("x"), at.lvector("i")

    def step(h: Any) -> Any:
        picked = h[i]
        states, _ = gradc.scan(lambda c: at.tanh(c) + picked, outputs_info=[picked], n_steps=3)
        return states[-1]

    states, _ = gradc.scan(step, outputs_info=[x], n_steps=2)
    a, k = np.random.default_rng(1).normal(size=(4, 3)), np.array([2, -1, 0, -4])
    want = a
    for _ in range(2):
        start = want = want[k]
        for _ in range(3):
            want = np.tanh(want) + start
    np.testing.assert_allclose(gradc.function([x, i], states[-1], mode="c")(a, k), want, rtol=1e-13)


def test_positions_that_need_no_check_may_be_views() -> None:
    """All positions of an axis, and those of true elements: transposed, so that no loop makes them."""
    b = Builder()
    x, i = b.input(tensor(None, None), "x"), b.input(tensor(None, dtype="int64"), "i")
    column = ops.Transpose((0, -1))
    every = b.apply(column, b.apply(ops.Iota(), b.size(x, 0)))
    large = b.map("gt", b.apply(ops.Slice((ops.Item(), ops.Item(at=0))), x), b.constant(1.0))
    count = b.apply(ops.Reduce("add", (0,)), b.cast(large, "int64"))
    some = b.apply(column, b.apply(build.call("nonzero", (1,)), large, count))
    f = compiled(b.program([b.apply(ops.Gather((0, 1)), x, rows, i) for rows in (every, some)]))
    a, k = np.arange(12.0).reshape(3, 4), np.array([2, -1])
    for got, want in zip(f(a, k), (a[:, k], a[1:, k])):
        np.testing.assert_array_equal(got, want)


def test_positions_at_hand_in_locals_have_no_array() -> None:
    """A small array of a step: where it is filled its element is looked up, and nothing loads it from there."""
    body = Builder()
    k, h = body.input(tensor(dtype="int64"), "k"), body.input(tensor(None), "h")
    n = body.size(h, 0)
    i = body.map("mod", body.apply(ops.Transpose((-1,)), k), n)
    picked = body.apply(ops.Gather((0,)), h, body.map("sub", i, n))
    step = body.program([body.map("mul", body.map("tanh", h), body.map("tanh", picked))])
    b = Builder()
    x, numbers = b.input(tensor(None), "x"), b.input(tensor(None, dtype="int64"), "numbers")
    program = b.program([b.apply(ops.Scan(step, 1, 1), b.size(numbers, 0), numbers, x)])
    assert "copy" not in unit.generate(lower(program, "f", checked=True)).text
    a, given = np.random.default_rng(1).normal(size=5), np.array([7, 2, 4])
    want = a
    for number in given:
        want = np.tanh(want) * np.tanh(want[number % 5])
    np.testing.assert_allclose(compiled(program)(a, given)[0], want, rtol=1e-13)
