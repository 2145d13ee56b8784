"""Ops written in Python, called by kernels: values, sizes, what is refused, what is shared, what is kept."""

import gc
import pickle
import sys
import threading
import tracemalloc
import weakref

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.compile.ops import as_op
from gradc.errors import BadArgumentError, ExecutionError, GradcWarning, GraphError, ShapeError
from gradc.gradient import grad
from gradc.graph.basic import Apply
from gradc.graph.op import Op

V = np.array([1.0, 2.0, 3.0])
M = np.arange(6.0).reshape(2, 3) - 2


class Solve(Op):
    """A solution of A x = b, with its gradient."""

    __props__ = ()

    snippet = "np.linalg.solve"         # means nothing

    def make_node(self, a, b):
        a, b = at.as_tensor_variable(a), at.as_tensor_variable(b)
        return Apply(self, [a, b], [b.type()])

    def perform(self, node, inputs, output_storage):
        output_storage[0][0] = np.linalg.solve(*inputs)

    def infer_shape(self, fgraph, node, input_shapes):
        return [input_shapes[1]]

    def L_op(self, inputs, outputs, output_gradients):
        back = Solve()(inputs[0].T, output_gradients[0])
        return [-at.outer(back, outputs[0]), back]


def same_shape(*types):
    """Decorator: an Op of functions whose result is like the first argument."""
    return as_op(list(types), types[0], infer_shape=lambda fgraph, node, shapes: [shapes[0]])


def both(inputs, outputs, *values, **options):
    """The values by a kernel; those of the interpreter must be the same."""
    native = gradc.function(inputs, outputs, mode=gradc.Mode("c", checked=True), **options)
    plain = gradc.function(inputs, outputs, mode="interpret", **options)
    results = native(*values)
    for a, b in zip(*(r if isinstance(r, list) else [r] for r in (results, plain(*values)))):
        np.testing.assert_allclose(a, b, rtol=1e-13)
        assert a.dtype == b.dtype and a.shape == b.shape
    return results


# ------------------------------------------------------------------------------------------------ values


def test_values_and_derivatives():
    a, b = at.dmatrix("a"), at.dvector("b")
    x = Solve()(a @ a.T + at.eye(2), at.exp(b))
    cost = (x ** 2).sum()
    values = both([a, b], [x * 2, cost, *grad(cost, [a, b])], M, V[:2])
    matrix = M @ M.T + np.eye(2)
    np.testing.assert_allclose(values[0], 2 * np.linalg.solve(matrix, np.exp(V[:2])))

    def by_hand(m, v):
        return (np.linalg.solve(m @ m.T + np.eye(2), np.exp(v)) ** 2).sum()

    for k, (slope, at_) in enumerate(zip(values[2:], (M, V[:2]))):
        for place in np.ndindex(at_.shape):
            step = np.zeros(at_.shape)
            step[place] = 1e-6
            moved = [[M, V[:2]], [M, V[:2]]]
            moved[0][k], moved[1][k] = at_ + step, at_ - step
            np.testing.assert_allclose(slope[place], (by_hand(*moved[0]) - by_hand(*moved[1])) / 2e-6, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
                                   "float32", "float64"])
def test_each_dtype(dtype):
    t = at.TensorType(dtype, (None, None))
    turned = as_op(t, at.TensorType(dtype, (None, None)), infer_shape=lambda fgraph, node, shapes: [shapes[0][::-1]])(
        lambda a: a.T)
    x = t("x")
    values = np.arange(6).reshape(2, 3).astype(dtype)
    result = both([x], turned(x), values)
    np.testing.assert_array_equal(result, values.T)


def test_views_are_copied_only_where_they_do_not_lie_in_one_piece():
    seen = []

    @as_op([at.dmatrix, at.dvector, at.dscalar, at.dvector], at.dscalar)
    def note(*arrays):
        assert all(a.flags.c_contiguous and a.flags.writeable and a.base is None for a in arrays)
        seen.append(arrays)
        return sum(a.sum() for a in arrays)

    m, i = at.dmatrix("m"), at.lscalar("i")
    f = gradc.function([m, i], note(m.T, m[i], m[0, i], m[:, ::-1][1]))
    assert f.info["mode"] == "c"
    assert f(M, 1) == M.sum() + M[1].sum() + M[0, 1] + M[1].sum()
    for got, wanted in zip(seen[-1], (M.T, M[1], M[0, 1], M[1, ::-1])):
        np.testing.assert_array_equal(got, wanted)
    assert f.c_source().count("copy[") == 1                 # the transposed matrix; all else lies in one piece


def test_empty_arrays_and_scalars():
    @same_shape(at.dmatrix, at.lscalar)
    def shifted(a, k):
        return a + k

    x, k = at.dmatrix("x"), at.lscalar("k")
    for shape in ((0, 3), (2, 0), (1, 1)):
        result = both([x, k], shifted(x, k * 2 + x.shape[0]), np.ones(shape), 3)
        assert result.shape == shape and (result == 7 + shape[0]).all()
    constant = as_op([], at.dvector, infer_shape=lambda fgraph, node, shapes: [(4,)])(lambda: np.arange(4.0))
    np.testing.assert_array_equal(both([], constant() * 2), [0, 2, 4, 6])


def test_results_that_are_not_used_and_used_twice():
    ends = as_op(at.dvector, [at.dscalar, at.dvector, at.dscalar],
                 infer_shape=lambda fgraph, node, shapes: [(), (shapes[0][0] + 1,), ()])(
        lambda a: (a[0], np.append(a, 0.5), a[-1]))
    x = at.dvector("x")
    first, more, _ = ends(x)
    values = both([x], [first, first + 1, more, more], V)
    assert values[0] == 1 and values[1] == 2
    np.testing.assert_array_equal(values[2], [1, 2, 3, 0.5])
    assert not np.shares_memory(values[2], values[3])


def test_equal_calls_are_one():
    calls = []

    @same_shape(at.dvector)
    def counted(a):
        calls.append(1)
        return a + 1

    x = at.dvector("x")
    f = gradc.function([x], [counted(x) * 2, counted(x) + at.exp(counted(x))])
    f(V)
    assert len(calls) == 1 and f.info["calls"] == "FromFunctionOp{counted}"


def test_in_loops():
    @same_shape(at.dvector, at.dscalar)
    def next_state(h, x):
        return np.cos(h) * x

    xs, h0 = at.dvector("xs"), at.dvector("h0")
    hs, _ = gradc.scan(lambda x, h: next_state(h + 1, 2 * x), sequences=xs, outputs_info=h0)
    values = both([xs, h0], [hs, hs[-1].sum()], np.array([0.5, 1.5, -2.0, 3.0]), V)
    h = V
    for row, x in zip(values[0], (0.5, 1.5, -2.0, 3.0)):
        h = np.cos(h + 1) * 2 * x
        np.testing.assert_allclose(row, h)

    @as_op(at.dscalar, [at.dscalar, at.bscalar])
    def halved(a):
        return a / 2, np.int8(a < 1)

    def step(h):
        new, small = halved(h)
        return new, gradc.scan.utils.until(at.neq(small, 0))

    x = at.dscalar("x")
    ys, _ = gradc.scan(step, outputs_info=x, n_steps=100)
    np.testing.assert_array_equal(both([x], ys, 5.0), [2.5, 1.25, 0.625, 0.3125])
    rows, _ = gradc.scan(lambda i: gradc.scan(lambda h: halved(h)[0] + i, outputs_info=x, n_steps=2)[0],
                         sequences=at.arange(3.0))
    np.testing.assert_allclose(both([x], rows, 4.0), [[2, 1], [3, 2.5], [4, 4]])


@pytest.mark.parametrize("in_c", [False, True])
def test_in_loops_and_branches_with_products_that_are_rounded_once(in_c):
    """x * a + 1 is one operation; the calls beside it are looked at for what they use."""
    plain = same_shape(at.dvector)(np.square)
    op = gradc.CFunction("squares", {"x": "float64[n]"}, "float64[n]",
                         "for (int64_t i = 0; i < n; ++i) out[i] = x[i] * x[i];", numpy=np.square) if in_c else plain
    xs, h0, a = at.dvector("xs"), at.dvector("h0"), at.dscalar("a")

    def step(x, h):
        return gradc.ifelse(x > 1, op(h) * (x * a + 1), op(op(h)))

    hs, _ = gradc.scan(step, sequences=xs, outputs_info=h0)
    hs2, _ = gradc.scan(lambda x, h: op(h) * (x * a + 1), sequences=xs, outputs_info=h0)
    rows, rows2 = both([xs, h0, a], [hs, hs2], np.array([0.5, 2.0]), V, 0.1)
    np.testing.assert_allclose(rows, [V ** 4, V ** 8 * 1.2])
    np.testing.assert_allclose(rows2, [V ** 2 * 1.05, V ** 4 * 1.05 ** 2 * 1.2])


def test_sizes_that_change_from_step_to_step():
    first = as_op([at.dvector, at.lscalar], at.dvector,
                  infer_shape=lambda fgraph, node, shapes: [(node.inputs[1],)])(lambda a, k: a[:k])
    x, k = at.dvector("x"), at.lscalar("k")
    assert gradc.function([x, k], first(x, k)).info["mode"] == "c"
    assert both([x, k], first(x, k + 1), V, 1).shape == (2,)
    sums, _ = gradc.scan(lambda i, x: first(x, i).sum(), sequences=at.arange(3), non_sequences=x)
    np.testing.assert_array_equal(both([x], sums, V), [0, 1, 3])


def test_sizes_that_a_loop_found():
    turned = as_op(at.dvector, at.dvector, infer_shape=lambda fgraph, node, shapes: shapes)(lambda a: 2 * a[::-1])
    total = as_op(at.dvector, at.dscalar)(lambda a: a.sum())
    x = at.dscalar("x")
    ys, _ = gradc.scan(lambda h: (h / 2, gradc.scan.utils.until(h < 1)), outputs_info=x, n_steps=100)
    values = both([x], [turned(ys), total(ys), turned(at.exp(ys))[1:]], 17.0)
    np.testing.assert_array_equal(values[0], [0.53125, 1.0625, 2.125, 4.25, 8.5, 17])
    assert values[1] == values[0].sum() / 2


def test_small_arrays_in_loops():
    turned = as_op(at.TensorType("float64", (3,)), at.TensorType("float64", (3,)))(lambda a: a[::-1].copy())
    x = at.TensorType("float64", (3,))("x")
    hs, _ = gradc.scan(lambda h: turned(h + 1) * h, outputs_info=x, n_steps=4)
    h = V
    for row in both([x], hs, V):
        h = (h + 1)[::-1] * h
        np.testing.assert_array_equal(row, h)


def test_results_that_are_joined_with_others():
    @same_shape(at.dmatrix)
    def doubled(a):
        return 2 * a

    x = at.dmatrix("x")
    product = at.dot(x.T, x)
    rows, _ = gradc.scan(lambda k, x: doubled(x * k), sequences=at.arange(3.0), non_sequences=x)
    outs = [at.concatenate([doubled(x), x], 1), at.concatenate([x, doubled(x)], 0), doubled(product),
            at.concatenate([product, product], 1), at.concatenate([rows, rows[:, :, :1]], 2)]
    values = both([x], outs, M)
    np.testing.assert_array_equal(values[0], np.concatenate([2 * M, M], 1))
    np.testing.assert_array_equal(values[4][2, :, :3], 4 * M)


def test_in_branches():
    calls = []

    def noted(name, value):
        @same_shape(at.dvector)
        def op(a):
            calls.append(name)
            if value is None:
                raise ValueError("not to be run")
            return a * value
        return op

    x, c = at.dvector("x"), at.bscalar("c")
    y = gradc.ifelse(c, noted("then", 2.0)(x + 1), noted("else", None)(x))
    f = gradc.function([x, c], y)
    assert f.info["mode"] == "c"
    np.testing.assert_array_equal(f(V, 1), 2 * (V + 1))
    assert calls == ["then"]
    with pytest.raises(ExecutionError, match="ValueError: not to be run"):
        f(V, 0)


# ------------------------------------------------------------------------------------------------ sizes


def test_sizes_of_what_a_branch_is_given_are_asked_of_that():
    """Not of what the Op that made it says of its own inputs, which the branch does not have."""
    op = same_shape(at.dvector)(lambda a: np.cos(a[::-1]))
    x, xs = at.dvector("x"), at.dvector("xs")

    def step(k, h):
        made = op(h)
        return gradc.ifelse(k > 0, op(made), 0 * made) + made

    hs, _ = gradc.scan(step, sequences=xs, outputs_info=x)
    rows = both([x, xs], hs, V, np.array([1.0, -1.0]))
    first = np.cos(np.cos(V[::-1])[::-1]) + np.cos(V[::-1])
    np.testing.assert_allclose(rows, [first, np.cos(first[::-1])])


def test_stated_sizes_must_be_so():
    wrong = as_op(at.dvector, at.dvector, infer_shape=lambda fgraph, node, shapes: [(shapes[0][0] + 1,)])(np.copy)
    x = at.dvector("x")
    y = wrong(x)
    for mode in ("c", "interpret"):
        with pytest.raises(ShapeError, match=r"expected shape \(4,\), which its infer_shape states, got \(3,") as info:
            gradc.function([x], y, mode=mode)(V)
        line = next(k for k, text in enumerate(open(__file__), 1) if text.strip() == "y = wrong(x)")
        assert f"where: {__file__}:{line}" in str(info.value)
    negative = as_op(at.dvector, at.dvector, infer_shape=lambda fgraph, node, shapes: [(shapes[0][0] - 5,)])(np.copy)
    with pytest.raises(ShapeError, match="a size must not be negative, got -2"):
        gradc.function([x], negative(x))(V)


def test_sizes_that_are_not_stated():
    class Unknown(Op):
        itypes, otypes = [at.dvector], [at.dvector]

        def perform(self, node, inputs, output_storage):
            output_storage[0][0] = inputs[0][inputs[0] > 1]

        def infer_shape(self, fgraph, node, shapes):
            raise NotImplementedError

    x = at.dvector("x")
    np.testing.assert_array_equal(both([x], Unknown()(x), V), [2, 3])
    old = as_op(at.dvector, at.dvector, infer_shape=lambda node, shapes: shapes)(np.copy)
    with pytest.warns(GradcWarning, match=r"infer_shape of FromFunctionOp\{copy\} failed, .*: TypeError: "):
        f = gradc.function([x], [old(x), old(x).shape[0]])
    assert f.info["mode"] == "c" and f(V)[1] == 3
    of_itself = as_op(at.dvector, at.dvector,
                      infer_shape=lambda fgraph, node, shapes: [(node.outputs[0].sum(),)])(np.copy)
    with pytest.raises(GraphError, match="states a size that depends on the result itself"):
        gradc.function([x], of_itself(x))


# ------------------------------------------------------------------------------------------------ faults


def test_a_failure_stops_the_kernel_and_changes_nothing():
    calls = []

    @same_shape(at.dvector)
    def careful(a):
        calls.append(a)
        if a[0] > 2:
            raise KeyError("too much")
        return a + 1

    w = gradc.shared(V.copy(), "w")
    x = at.dvector("x")
    y, _ = gradc.scan(lambda h: careful(h), outputs_info=x, n_steps=10)
    f = gradc.function([x], y, updates=[(w, w * 2 + y[-1])])
    assert f.info["mode"] == "c"
    with pytest.raises(ExecutionError, match=r"careful\} failed: KeyError: 'too much'") as info:
        f(V)
    assert len(calls) == 3 and type(info.value.__cause__) is KeyError
    np.testing.assert_array_equal(w.get_value(), V)
    np.testing.assert_array_equal(calls[0], V)          # what the Op keeps of its inputs stays as it was
    np.testing.assert_array_equal(calls[2], V + 2)
    assert "where: " in str(info.value) and "test_callbacks.py" in str(info.value)
    f(V - 20)
    np.testing.assert_array_equal(w.get_value(), 2 * V + V - 20 + 10)


def test_interrupts_pass():
    @same_shape(at.dvector)
    def interrupted(a):
        raise KeyboardInterrupt

    x = at.dvector("x")
    with pytest.raises(KeyboardInterrupt):
        gradc.function([x], interrupted(x))(V)


def test_changes_of_inputs_reach_nobody():
    @same_shape(at.dvector)
    def spoiled(a):
        a[:] = -1
        return a

    x = at.dvector("x")
    w, c = gradc.shared(V.copy(), "w"), at.constant(V)
    values = both([x], [spoiled(x), x + 0, spoiled(w), w * 1, spoiled(c), c * 1, spoiled(at.exp(x)), at.exp(x)], V)
    for changed, kept in zip(values[::2], values[1::2]):
        np.testing.assert_array_equal(changed, [-1, -1, -1])
        assert (kept > 0).all()
    np.testing.assert_array_equal(w.get_value(), V)


def test_bind_is_refused():
    x = at.dvector("x")
    f = gradc.function([x], Solve()(at.eye(3), x))
    with pytest.raises(BadArgumentError, match="calls Ops that are written in Python"):
        f.bind(V)


def test_ops_that_can_not_be_hashed():
    class Table(Op):
        __props__ = ("table",)
        itypes, otypes = [at.dvector], [at.dvector]
        table = [1, 2]

    x = at.dvector("x")
    with pytest.raises(GraphError, match=r"Table{table=\[1, 2\]} can't be hashed; its __props__ must be"):
        gradc.function([x], Table()(x))


# ------------------------------------------------------------------------------------------------ calls in calls


def test_an_op_may_call_functions():
    x = at.dvector("x")
    half = same_shape(at.dvector)(lambda a: a / 2)
    inner = gradc.function([x], at.exp(x).sum() + half(x))
    outer: list = []

    @same_shape(at.dvector)
    def nested(a):
        return inner(a) if a[0] < 1 else outer[0](a - 1) + inner(a)

    outer.append(gradc.function([x], nested(x + 0) * at.exp(x)))

    def by_hand(a):
        own = np.exp(a).sum() + a / 2
        return (own if a[0] < 1 else by_hand(a - 1) + own) * np.exp(a)

    large = np.linspace(3, 4, 5000)
    for values in (V, large):
        np.testing.assert_allclose(outer[0](values), by_hand(values), rtol=1e-12)


def test_endless_recursion_is_an_error():
    f: list = []
    endless = same_shape(at.dvector)(lambda a: f[0](a))
    x = at.dvector("x")
    f.append(gradc.function([x], endless(x) + 1))
    with pytest.raises(ExecutionError, match="RecursionError"):
        f[0](V)


def test_a_call_that_updates_what_is_being_updated():
    w = gradc.shared(0.0)
    step = gradc.function([], [], updates=[(w, w + 1)])
    inside = as_op([], at.dscalar)(lambda: (step(), w.get_value())[1])
    f = gradc.function([], inside(), updates=[(w, w + 10)])
    with pytest.raises(ExecutionError, match="while a call in the same thread updates the same shared variables"):
        f()
    assert w.get_value() == 0
    assert gradc.function([], inside())() == 1


def test_many_threads():
    started = threading.Barrier(4)

    @same_shape(at.dvector)
    def slow(a):
        other = np.sort(a)          # gives up the GIL for nobody, but its frame is entered from four threads
        return other - a

    x = at.dvector("x")
    f = gradc.function([x], at.exp(slow(x)) + slow(x * 2))
    failures = []

    def run(seed):
        values = np.random.default_rng(seed).normal(size=1000)
        wanted = np.exp(np.sort(values) - values) + np.sort(2 * values) - 2 * values
        started.wait()
        for _ in range(50):
            if not np.allclose(f(values), wanted, rtol=1e-12):
                failures.append(seed)

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures


# ------------------------------------------------------------------------------------------------ cache, memory


def test_kernels_are_cached_whatever_the_op_does():
    x = at.dvector("x")

    def made(k, dtype="float64"):
        class Times(Op):
            itypes, otypes = [at.dvector], [at.TensorType(dtype, (None,))]

            def perform(self, node, inputs, output_storage):
                output_storage[0][0] = (inputs[0] * k).astype(dtype)

            def infer_shape(self, fgraph, node, shapes):
                return shapes

        return gradc.function([x], Times()(x) + 17.25)

    first, second = made(2), made(3)
    assert second.info["cached"] and first.info["key"] == second.info["key"]
    np.testing.assert_array_equal(first(V), 2 * V + 17.25)
    np.testing.assert_array_equal(second(V), 3 * V + 17.25)
    other = made(4, "float32")
    assert other.info["key"] != first.info["key"]
    np.testing.assert_array_equal(other(V), 4 * V + 17.25)


def test_messages_of_cached_kernels_name_no_other_op():
    def short(a):
        return a[2:]

    def cut(a):
        return a[2:]

    shorter = [as_op(at.dvector, at.dvector, infer_shape=lambda fgraph, node, shapes: [(shapes[0][0] - 2,)])(f)
               for f in (short, cut)]
    x = at.dvector("x")
    first, second = [gradc.function([x], op(x)) for op in shorter]
    assert first.info["key"] == second.info["key"]
    np.testing.assert_array_equal(second(V), V[2:])
    with pytest.raises(ShapeError, match="size must not be negative, got -1") as caught:
        second(V[:1])
    assert "short" not in str(caught.value).split("where:")[0]


def test_unequal_ops_that_look_alike_stay_two():
    class Plain(Op):
        __props__ = ("k",)
        itypes, otypes = [at.dvector], [at.dvector]

        def __init__(self, k):
            self.k = k

        def perform(self, node, inputs, output_storage):
            output_storage[0][0] = inputs[0] + self.k

        def infer_shape(self, fgraph, node, shapes):
            return shapes

        def __str__(self):
            return "Plain"

    x = at.dvector("x")
    ends = [gradc.scan(Plain(k), outputs_info=x, n_steps=3)[0][-1] for k in (1, 10, 1)]
    for got, k in zip(both([x], ends, V), (1, 10, 1)):
        np.testing.assert_array_equal(got, V + 3 * k)


def test_pickles_and_copies():
    x = at.dmatrix("x")
    f = gradc.function([x], Solve()(x @ x.T, x[:, 0]), name="f")
    for other in (pickle.loads(pickle.dumps(f)), f.copy()):
        assert other.info["mode"] == "c"
        np.testing.assert_array_equal(other(M), f(M))


def test_nothing_is_left_behind():
    kept = [np.ones(3)]

    @as_op(at.dvector, [at.dvector, at.dscalar], infer_shape=lambda fgraph, node, shapes: [shapes[0], ()])
    def both_kept(a):
        if a[0] < 0:
            raise ValueError("negative")
        return kept[0], kept[0].sum()

    x = at.dvector("x")
    f = gradc.function([x], [both_kept(at.exp(x) - 2)[0], both_kept(x + 1)[1]])

    def work(n):
        for _ in range(n):
            f(V)
            with pytest.raises(ExecutionError):
                f(-V)

    work(20)
    gc.collect()
    counts = sys.getrefcount(kept[0]), sys.getrefcount(both_kept), sys.getrefcount(np.dtype("float64"))
    tracemalloc.start()
    work(20)
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    work(200)
    gc.collect()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert after - before < 20_000
    assert abs(sys.getrefcount(np.dtype("float64")) - counts[2]) < 50
    assert (sys.getrefcount(kept[0]), sys.getrefcount(both_kept)) == counts[:2]


def test_functions_with_calls_are_collected():
    x = at.dvector("x")
    op = same_shape(at.dvector)(lambda a: a + 1)
    gone = weakref.ref(op)
    f = gradc.function([x], op(x))
    f(V)
    del op, f
    gc.collect()
    assert gone() is None
