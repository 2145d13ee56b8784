"""Fusion: which values share a loop nest, what is stored, how a nest is cut.  Properties of kernels, not their text."""

from __future__ import annotations

from typing import Any

import numpy as np

import gradc
import gradc.tensor as at
from gradc.gradient import grad
from gradc.ir import ops
from gradc.ir.convert import to_program
from gradc.ir.program import Builder, Program
from gradc.loops.check import check
from gradc.loops.lower import lower
from gradc.loops.nodes import (
    Accumulate,
    Buffer,
    For,
    Invoke,
    Kernel,
    Let,
    Load,
    Local,
    Section,
    Store,
    Update,
)
from gradc.loops.pretty import pretty
from gradc.passes import phases
from gradc.target import TARGET
from tests.loops.kernels import compare, softmax, tensor

RNG = np.random.default_rng(8)


def kernel(program: Program) -> Kernel:
    made = lower(program, "f")
    check(made)
    return made


def optimized(inputs: list[Any], outputs: list[Any]) -> Program:
    return phases.optimize(to_program(inputs, outputs))


def statements(body: tuple[Any, ...], kind: type | None = None) -> list[Any]:
    """All statements in and below `body` (of one kind)."""
    found, stack = [], list(body)
    while stack:
        s = stack.pop()
        if kind is None or type(s) is kind:
            found.append(s)
        if type(s) is For:
            stack.extend(s.body)
    return found


def depth(body: tuple[Any, ...]) -> int:
    """How many loops stand in one another."""
    return max((1 + depth(s.body) for s in body if type(s) is For), default=0)


def readers(made: Kernel, name: str) -> list[Section]:
    return [s for s in made.sections if any(b.name == name for b in s.reads)]


def memory(made: Kernel) -> list[Buffer]:
    """Buffers of the arena (parts of blocks apart)."""
    buffers = {b: None for s in made.sections for b in (*s.reads, *s.writes)}
    parts = {c.parts for s in made.sections for c in s.partial}
    return [b for b in buffers if b.place in ("arena", "block") and b not in parts]


def test_softmax_is_one_section_with_a_row_of_memory():
    b = Builder()
    x = b.input(tensor(None, None), "x")
    made = kernel(b.program([softmax(b, x)]))
    (section,) = made.sections
    assert [type(s) for s in section.body] == [For] and len(statements(section.body, For)) == 4
    (row,) = memory(made)
    assert row.place == "block" and row.shape == made.inputs[0].shape[1:]


def test_logistic_regression_reads_the_data_in_one_section():
    X, t, w = at.dmatrix("X"), at.dvector("t"), at.dvector("w")
    loss = at.mean(at.softplus(at.dot(X, w)) - t * at.dot(X, w))
    made = kernel(optimized([X, t, w], [loss, grad(loss, w)]))
    assert len(readers(made, "X")) == 1
    assert all(not s.in_entry for s in made.sections), "no gemm, no gemv: loops"
    assert not any(len(b.shape) > 1 for b in memory(made))


def test_elementwise_chains_of_matrices_are_one_loop():
    b = Builder()
    x, y = b.input(tensor(None, None), "x"), b.input(tensor(None, None), "y")
    z = b.map("tanh", b.map("add", b.map("exp", x), y))
    made = kernel(b.program([z, b.map("mul", z, z)]))
    (section,) = made.sections
    assert depth(section.body) == 1 and len(statements(section.body, For)) == 1
    assert memory(made) == []


def test_a_row_added_to_a_matrix_keeps_two_loops():
    b = Builder()
    x, y = b.input(tensor(None, None), "x"), b.input(tensor(None), "y")
    made = kernel(b.program([b.map("tanh", b.map("add", x, y))]))
    assert [depth(s.body) for s in made.sections] == [2]


def test_column_sums_add_rows():
    """Over the leading axis memory is walked as it lies: the inner loop is not the fold."""
    b = Builder()
    x = b.input(tensor(None, None), "x")
    made = kernel(b.program([b.apply(ops.Reduce("add", (0,)), b.map("exp", x))]))
    (section,) = made.sections
    assert statements(section.body, Update) == []
    (added,) = statements(section.body, Accumulate)
    assert all(stride == 1 for stride, var in added.index.terms if var == "j")
    assert section.partial and section.blocks is not None and section.blocks.limit


def test_sums_of_rows_and_columns_share_a_nest():
    b = Builder()
    x = b.input(tensor(None, None), "x")
    e = b.map("exp", x)
    made = kernel(b.program([b.apply(ops.Reduce("add", axes), e) for axes in ((0,), (1,), (0, 1))]))
    assert len(made.sections) == 1 and memory(made) == []


def test_sibling_folds_share_a_loop_and_end_in_parts():
    b = Builder()
    x = b.input(tensor(None), "x")
    folds = [b.apply(ops.Reduce(fn, (0,)), b.map("square", x) if fn == "add" else x) for fn in ("add", "maximum")]
    made = kernel(b.program(folds))
    (section,) = made.sections
    (loop,) = statements(section.body, For)
    assert [f.row for f in loop.folds] == ["add", "maximum"] and loop.lanes > 1
    assert len(section.partial) == 2 and section.blocks is not None and section.blocks.limit == TARGET.blocks_of_scalars


def test_scalars_stand_in_one_block():
    b = Builder()
    x, y = b.input(tensor(), "x"), b.input(tensor(), "y")
    v = b.map("sin", b.map("exp", b.map("add", x, y)))
    made = kernel(b.program([v, b.map("tanh", v), b.map("cos", x)]))
    (section,) = made.sections
    assert depth(section.body) == 0 and section.blocks is None and memory(made) == []


def test_what_depends_on_no_loop_is_computed_before_it():
    b = Builder()
    x, a = b.input(tensor(None), "x"), b.input(tensor(), "a")
    made = kernel(b.program([b.map("mul", x, b.map("add", a, b.constant(1.0)))]))
    (section,) = made.sections
    (loop,) = statements(section.body, For)
    assert len(loop.body) < len(statements(section.body)) - 1


def test_a_long_chain_is_cut():
    b = Builder()
    x = b.input(tensor(None), "x")
    y = x
    for _ in range(1000):
        y = b.map("sin", y)
    program = b.program([y])
    made = kernel(program)
    counts = [len(statements(s.body)) for s in made.sections]
    assert len(counts) >= 3 and max(counts) <= 2 * TARGET.nest
    assert sum(counts) < 2 * 1000
    compare(program, [np.linspace(-2, 2, 7)], 1e-12)


def test_nests_of_a_long_program_are_shorter():
    b = Builder()
    y = b.input(tensor(None), "x")
    for _ in range(TARGET.many_equations):
        y = b.map("sin", y)
    assert all(len(statements(s.body)) <= 2 * TARGET.short_nest for s in kernel(b.program([y])).sections)


def test_a_value_used_in_two_sections_is_stored():
    b = Builder()
    x = b.input(tensor(None), "x")
    e = b.map("exp", x)
    total = b.apply(ops.Reduce("add", (0,)), e)
    made = kernel(b.program([b.map("true_divide", e, total)]))
    assert len(made.sections) == 2
    stores = [s for section in made.sections for s in statements(section.body, Store)]
    assert any(len(s.buffer.shape) == 1 and s.buffer.place in ("arena", "output") for s in stores)
    assert len(memory(made)) == 2       # the vector and the sum: exp is not taken twice


def test_cheap_values_are_computed_again_and_not_stored():
    b = Builder()
    x = b.input(tensor(None), "x")
    e = b.map("neg", x)
    total = b.apply(ops.Reduce("add", (0,)), e)
    made = kernel(b.program([b.map("true_divide", e, total)]))
    assert [m.shape for m in memory(made)] == [()]


def test_views_take_no_memory_and_no_section():
    b = Builder()
    x = b.input(tensor(None, None), "x")
    view = b.apply(ops.Transpose((1, 0)), b.apply(ops.Slice((ops.Item(start=1), ops.Item(step=-1))), x))
    made = kernel(b.program([b.map("exp", view)]))
    assert len(made.sections) == 1 and memory(made) == []


def test_joined_parts_are_written_where_they_belong():
    b = Builder()
    x, y = b.input(tensor(None), "x"), b.input(tensor(None), "y")
    made = kernel(b.program([b.apply(ops.Concat(0), b.map("exp", x), b.map("tanh", y))]))
    assert memory(made) == [] and len(made.sections) == 2


def test_a_matrix_product_is_a_call_and_its_transposed_operand_no_copy():
    b = Builder()
    x, y = b.input(tensor(None, None), "x"), b.input(tensor(None, None), "y")
    c = b.apply(ops.Contract((0, 1), (1, 2), (0, 2)), b.apply(ops.Transpose((1, 0)), x), y)
    made = kernel(b.program([b.map("tanh", c)]))
    calls = [g for s in made.sections for g in statements(s.body, Invoke)]
    assert len(calls) == 1 and calls[0].numbers[3] == 1 and calls[0].numbers[5] == 0 and made.routines == ("gemm",)
    assert len(made.sections) == 2 and made.sections[0].in_entry


def test_memory_is_used_again_once_a_value_is_dead():
    b = Builder()
    x = b.input(tensor(40, 40), "x")
    y = x
    for _ in range(8):
        y = b.map("tanh", b.apply(ops.Contract((0, 1), (1, 2), (0, 2)), y, x))
    made = kernel(b.program([y]))
    assert isinstance(made.arena_bytes, int)
    assert made.arena_bytes <= 3 * 40 * 40 * 8, "15 matrices, of which three are alive at a time"


def test_small_static_nests_are_not_cut_into_blocks():
    for size, cut in ((16, False), (None, True)):
        b = Builder()
        x = b.input(tensor(size, size), "x")
        (section,) = kernel(b.program([b.map("exp", x)])).sections
        assert (section.blocks is not None) is cut


def test_a_nest_that_is_not_cut_has_a_row_of_its_own():
    b = Builder()
    x = b.input(tensor(4, 5), "x")
    program = b.program([softmax(b, x)])
    v = at.tensor("float64", shape=(4, 5))
    gradient = optimized([v], [grad((at.softmax(v, axis=1) ** 2).sum(), v)])
    for p in program, gradient:
        assert any(s.blocks is None and any(w.place == "block" for w in s.writes) for s in kernel(p).sections)
        compare(p, [np.random.default_rng(3).normal(size=(4, 5))])


def test_many_values_of_one_size_are_slots_of_one_region():
    """Sums hold the vectors back from one loop; the prologue does not grow with their number."""
    def made(n: int) -> Kernel:
        b = Builder()
        x = y = b.input(tensor(None), "x")
        kept = []
        for _ in range(n):
            y = b.map("mul", b.map("sin", y), b.apply(ops.Reduce("add", (0,)), y))
            kept.append(y)
        total = x
        for v in kept:
            total = b.map("add", total, b.map("mul", v, b.apply(ops.Reduce("add", (0,)), total)))
        return kernel(b.program([total]))

    few, many = made(4), made(12)
    assert len(memory(many)) > len(memory(few)) >= 4
    assert len(many.prologue) == len(few.prologue)
    assert len({buffer.region for buffer in memory(many) if buffer.shape}) == 1


def test_equal_programs_give_equal_kernels():
    def text() -> str:
        b = Builder()
        x = b.input(tensor(None, None), "x")
        return pretty(lower(b.program([softmax(b, x)]), "f"))

    assert text() == text()


def test_several_labels_side_by_side_are_one_gemm() -> None:
    x, y = at.dtensor3("x"), at.dtensor3("y")
    f = gradc.function([x, y], at.tensordot(x, y, axes=[[0, 1], [0, 1]]))
    assert f.c_source().count("routines[GRADC_GEMM_F64]") == 1 and "copy" not in f.c_source()
    rng = np.random.default_rng(0)
    for shape in ((3, 4, 5, 6), (1, 4, 5, 6), (3, 1, 1, 6), (0, 4, 2, 3)):
        a, b = rng.normal(size=shape[:3]), rng.normal(size=(*shape[:2], shape[3]))
        np.testing.assert_allclose(f(a, b), np.tensordot(a, b, ([0, 1], [0, 1])), rtol=1e-12, atol=1e-12)


def copies(made: Kernel) -> list[Store]:
    """Stores of what was loaded as it is."""
    found = []
    for section in made.sections:
        loaded = {s.name for s in statements(section.body, Let) if type(s.expr) is Load}
        found += [s for s in statements(section.body, Store) if type(s.expr) is Local and s.expr.name in loaded]
    return found


def test_what_is_joined_in_a_join_is_written_where_it_belongs():
    """Rows of three columns between two ends, as a matrix in bands has them: one loop, consecutive stores, no copy."""
    x = at.dvector("x")
    rows = at.stack([at.exp(x), at.sin(x), at.cos(x)], axis=1)
    program = optimized([x], [at.concatenate([at.zeros(2), rows.flatten(), at.zeros(1)])])
    made = kernel(program)
    assert not memory(made) and not copies(made)
    (section,) = readers(made, "x")
    places = {(s.index.terms, s.index.offset, s.index.plus) for s in statements(section.body, Store)}
    assert places == {(((3, "i"),), 2 + k, 0) for k in range(3)}
    for n in (0, 1, 5):
        compare(program, [RNG.normal(size=n)])


def test_joins_in_joins_of_every_kind():
    m, v = at.dmatrix("m"), at.dvector("v")
    inner = at.concatenate([m * 2, at.exp(m)], axis=1)
    cases = {
        "rows": at.concatenate([inner, at.concatenate([m, m + 1], axis=1)], axis=0),
        "columns": at.concatenate([at.concatenate([m, m - 1], axis=0), at.concatenate([m, m], axis=0)], axis=1),
        "scatter": at.concatenate([v, at.set_subtensor((v + 1)[1:], 2 * v[:-1]), v]),
        "of three axes": at.stack([inner, inner + 1], axis=2).flatten(),
        "used twice": at.concatenate([inner.flatten(), inner[0]]),
        "turned": at.concatenate([inner.T.flatten(), v]),
        "part of": at.concatenate([inner.flatten()[1:], v]),
        "then changed": at.inc_subtensor(at.concatenate([inner.flatten(), v])[::2], 1.0),
    }
    values = [RNG.normal(size=(3, 4)), RNG.normal(size=5)]
    for out in cases.values():
        compare(optimized([m, v], [out]), values)
    assert not memory(kernel(optimized([m, v], [cases["rows"]])))


def test_a_join_in_a_join_that_a_loop_writes_before_the_other_parts():
    """The memory of the whole lives from the first part on."""
    x = at.dvector("x")
    inner = at.concatenate([at.exp(x), at.sin(x)])
    total = at.exp(x).sum()
    both = at.concatenate([inner, x * total])
    out = at.cumsum(both).sum() + (both * 2).max()
    compare(optimized([x], [out]), [RNG.normal(size=300)])


def test_slices_of_slices_share_a_loop():
    x = at.dvector("x")
    made = kernel(optimized([x], [at.exp(x[1:-1]), at.sin(x[2:]), at.cos(x[:-1][:-1]), at.tanh(x[1:][1:])]))
    assert len(made.sections) == 1


def test_ranges_of_rows_in_groups_are_views() -> None:
    """x[1:-1] of (n, 3) as (?, 2, 3), as (?, 6), as one axis; in reverse the rows alone may be grouped."""
    b = Builder()
    x, n = b.input(tensor(None, 3), "x"), b.input(tensor(dtype="int64"), "n")
    two, three = b.constant(2, "int64"), b.constant(3, "int64")
    outputs = []
    for step in (1, -1, 2):
        bounds = ops.Item(start=1, stop=-1) if step == 1 else ops.Item(step=step)
        part = b.apply(ops.Slice((bounds,)), x)
        rows = b.size(part, 0)
        half = b.map("floor_divide", rows, two)
        for sizes in ((half, two, three), (half, b.constant(6, "int64")), (b.map("mul", rows, three),)):
            grouped = b.apply(ops.Reshape(len(sizes)), part, *sizes)
            outputs.append(b.map("add", grouped, b.cast(n, "float64")))
    program = b.program(outputs)
    compare(program, [np.arange(36.0).reshape(12, 3), 7])
    views = b.program([outputs[0], outputs[1], outputs[2], outputs[3], outputs[6]])
    assert not memory(kernel(views))


def test_rows_of_loops_and_products_are_written_where_they_are_joined() -> None:
    x, w, h = at.dmatrix("x"), at.dmatrix("w"), at.dvector("h")
    hs, _ = gradc.scan(lambda r, h: at.tanh(r + h), x, h)
    cases = (([x, h], at.concatenate([x, hs, x[::-1]]), 0), ([x, w], at.concatenate([x, at.dot(x, w)]), 0),
             ([x, h, w], at.dot(at.concatenate([hs, x]), w), 1))
    for inputs, out, arrays in cases:
        program = optimized(inputs, [out])
        assert sum(len(b.shape) == 2 and b.shape[0] != 2 for b in memory(kernel(program))) == arrays
        rng = np.random.default_rng(3)
        compare(program, [rng.normal(size={"x": (5, 4), "w": (4, 4), "h": (4,)}[v.name]) for v in inputs])


def test_rows_of_loops_and_products_that_are_joined_side_by_side() -> None:
    """Their parts of the joined memory have gaps, which what writes them does not know of."""
    x, w = at.dmatrix("x"), at.dmatrix("w")
    values = [np.arange(16.0).reshape(4, 4) / 9, np.arange(16.0).reshape(4, 4) / 7 + 1]
    product = at.dot(x, w)
    inside = at.concatenate([at.concatenate([x, product], 0), at.concatenate([w, w], 0)], 1)
    for out in (at.concatenate([product, x], 1), at.concatenate([x, product], 1), inside):
        compare(optimized([x, w], [out, product.ravel() * 2]), values)
    rows, _ = gradc.scan(lambda r: r[:, None] * w, x)
    some, _ = gradc.scan(lambda h: (h / 2, gradc.scan.utils.until(h.sum() < 20)), outputs_info=at.exp(x), n_steps=9)
    for made in (rows, some):
        for out in (at.concatenate([made, made[:, :2]], 1), at.concatenate([made[:, :, :1], made], 2)):
            compare(optimized([x, w], [out, w * 2]), values)


def test_what_is_written_over_where_it_is_joined_stays_as_it_was() -> None:
    """A part of what was joined is set in place; a product and rows that are used afterwards are not those joined."""
    x, w, h = at.dmatrix("x"), at.dmatrix("w"), at.dvector("h")
    rows, _ = gradc.scan(lambda r, h: at.tanh(r + h), x, h)
    values = [np.arange(16.0).reshape(4, 4) / 9, np.arange(16.0).reshape(4, 4) / 7 + 1, np.arange(4.0)]
    for made in (at.dot(x, w), rows):
        joined = at.concatenate([made, at.sin(w)])
        for whole in (joined, at.concatenate([joined, x])):
            set_ = at.set_subtensor(whole[0], h)
            compare(optimized([x, w, h], [at.dot(set_, w), at.dot(made, set_.T)]), values)


def test_a_range_in_zeros_is_written_once():
    """The gradient of a part: zeros before it, the values, nothing is filled first or added to memory."""
    x = at.dvector("x")
    made = kernel(optimized([x], [grad((at.exp(x[1:-1])).sum(), x)]))
    assert not any(statements(s.body, Accumulate) for s in made.sections) and not memory(made)
    ends = [loop.stop for s in made.sections for loop in statements(s.body, For) if statements(loop.body, Store)]
    assert len(ends) == 3 and "x_n0" not in [s.blocks.extent for s in made.sections if s.blocks is not None]


def test_ranges_of_every_kind():
    m, w = at.dmatrix("m"), at.TensorType("float64", (4, 5))("w")
    e = at.exp(m)
    items = [np.s_[1:], np.s_[:-1], np.s_[2:-1], np.s_[:, 1:], np.s_[:, 1:3], np.s_[-2:], np.s_[:, :-2],
             np.s_[9:], np.s_[3:1]]
    outputs = []
    for x in (m, e, at.zeros_like(m), m + 1, w):
        for k in items:
            outputs += [at.set_subtensor(x[k], at.sin(x[k])), at.inc_subtensor(x[k], at.cos(x[k]))]
    outputs.append(at.inc_subtensor(at.set_subtensor(m[1:], 2.0)[:, 1:], 1.0))
    outputs.append(at.set_subtensor(at.zeros_like(m, dtype="float32")[1:], at.cast(m, "float32")[1:]))
    program = to_program([m, w], outputs)
    for shape in ((4, 5), (1, 2), (3, 1)):
        compare(program, [RNG.normal(size=shape), RNG.normal(size=(4, 5))])
