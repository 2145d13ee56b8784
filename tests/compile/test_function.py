"""Calling compiled functions, in the interpreter and in C: arguments, results, state, errors."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
import weakref

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.errors import BadArgumentError, GraphError, ShapeError


@pytest.fixture(params=["interpret", "c"])
def function(request: pytest.FixtureRequest):
    def make(*args, **options):
        return gradc.function(*args, **{"mode": request.param, **options})

    return make


# ------------------------------------------------------------------------------------------------- results


def test_kinds_of_results(function) -> None:
    x = at.dscalar("x")
    one = function([x], x + 1)(1)
    assert isinstance(one, np.ndarray) and one.shape == () and one == 2.0
    assert function([x], [x + 1])(1) == [2.0]
    assert function([x], (x + 1, x * 3))(1) == [2.0, 3.0]
    assert function([x], {"b": x + 1, "a": x})(1) == {"b": 2.0, "a": 1.0}
    assert list(function([x], {"b": x + 1, "a": x})(1)) == ["b", "a"]
    assert function([], [])() == []
    assert function([])() == []
    assert function([x], gradc.Out(x + 1, borrow=True))(1) == 2.0


def test_results_never_alias_arguments_or_each_other(function) -> None:
    x = at.dvector("x")
    f = function([x], [x, x, x[::1], x.reshape((x.shape[0],))])
    value = np.arange(3.0)
    results = f(value)
    for k, a in enumerate(results):
        assert np.array_equal(a, [0, 1, 2]) and a.flags.writeable
        assert not np.may_share_memory(a, value)
        assert not any(np.may_share_memory(a, b) for b in results[k + 1:])


def test_results_never_alias_constants_or_shared_storage(function) -> None:
    s = gradc.shared(np.arange(3.0))
    f = function([], [s, at.constant(np.arange(3.0))])
    a, b = f()
    a[:] = 7
    b[:] = 7
    assert np.array_equal(f()[0], [0, 1, 2]) and np.array_equal(f()[1], [0, 1, 2])


# ----------------------------------------------------------------------------------------------- arguments


def test_positional_and_named_arguments_and_defaults(function) -> None:
    x, y, z = at.dscalars("x", "y", "z")
    f = function([x, y, gradc.In(z, value=10.0)], 100 * x + y + z, name="f")
    assert f(1, 2) == f(1, y=2) == f(x=1, y=2) == f(y=2, x=1) == 112.0
    assert f(1, 2, 3) == f(1, 2, z=3) == 105.0
    assert f(1, 2) == 112.0


@pytest.mark.parametrize(("args", "named", "words"), [
    ((), {}, r"needs a value for its input x|x"),
    ((1,), {}, "y"),
    ((1, 2, 3), {}, "2 argument"),
    ((1,), {"z": 2}, "z"),
    ((1, 2), {"x": 2}, "x"),
])
def test_wrong_numbers_and_names_of_arguments(function, args: tuple, named: dict, words: str) -> None:
    x, y = at.dscalars("x", "y")
    f = function([x, y], x + y, name="f")
    with pytest.raises(BadArgumentError, match=words):
        f(*args, **named)
    assert f(1, 2) == 3.0


@pytest.mark.parametrize("value", [2, 2.0, np.float64(2), np.float32(2), np.int8(2), True, np.array(2.0), np.array(2),
                                   2**70, -(10**300),
                                   np.array(2.0, dtype=">f8")])
def test_what_a_float64_scalar_accepts(function, value: object) -> None:
    x = at.dscalar("x")
    assert function([x], x * 3)(value) == 3 * float(value)


@pytest.mark.parametrize("value", ["2", None, 2j, np.array(2j), [1.0], np.ones(1), object(), [[1], [2, 3]]])
def test_what_a_float64_scalar_refuses(function, value: object) -> None:
    x = at.dscalar("x")
    f = function([x], x * 3, name="f")
    with pytest.raises(TypeError, match=r'Bad input argument "x" to function f at index 0 \(0-based\)'):
        f(value)


@pytest.mark.parametrize(("dtype", "value", "fits"), [
    ("float32", 0.1, True), ("float32", np.float64(0.5), False), ("float32", np.ones(()), False),
    ("float32", 3, True), ("float32", np.int16(3), True), ("float32", np.int32(3), False),
    ("int8", 3, True), ("int8", 300, False), ("int8", 3.0, False), ("int8", np.int64(3), True),
    ("int8", np.int64(300), False), ("int64", 3.5, False), ("int64", True, True), ("bool", True, True),
    ("uint8", -1, False), ("uint8", 200, True),
])
def test_conversion_of_scalars(function, dtype: str, value: object, fits: bool) -> None:
    x = at.scalar("x", dtype=dtype)
    f = function([x], x)
    if fits:
        result = f(value)
        assert result.dtype == dtype and result == np.asarray(value).astype(dtype)
    else:
        with pytest.raises(TypeError, match="Bad input argument"):
            f(value)


def test_arrays_of_another_dtype_need_allow_input_downcast(function) -> None:
    x = at.fvector("x")
    with pytest.raises(TypeError, match="float32"):
        function([x], x)(np.ones(2))
    assert function([x], x, allow_input_downcast=True)(np.ones(2)).dtype == np.float32
    assert function([gradc.In(x, allow_downcast=True)], x)(np.ones(2)).dtype == np.float32
    assert function([x], x)([0.1, 0.2]).dtype == np.float32
    with pytest.raises(TypeError):
        function([x], x, allow_input_downcast=False)([0.1, 0.2])


def test_strict_inputs_take_arrays_of_their_dtype_only(function) -> None:
    x = at.dvector("x")
    f = function([gradc.In(x, strict=True)], x)
    assert np.array_equal(f(np.ones(2)), [1, 1])
    with pytest.raises(TypeError, match="strict"):
        f([1.0, 2.0])


def test_wrong_rank_and_static_size(function) -> None:
    x = at.tensor("float64", shape=(2, None), name="x")
    f = function([x], x)
    with pytest.raises(TypeError, match=r"2 dimension.*got 1"):
        f([1, 2])
    with pytest.raises(ValueError, match=r"size 2 in dimension 0"):
        f(np.ones((3, 3)))
    assert f(np.ones((2, 0))).shape == (2, 0)


@pytest.mark.parametrize("make", [
    lambda a: a[::2], lambda a: a[::-1], lambda a: np.asfortranarray(a.reshape(2, -1)).T.reshape(-1, order="F"),
    lambda a: a.astype(">f8"), lambda a: np.frombuffer(b"\0" + a.tobytes(), dtype=np.uint8)[1:].view("f8"),
    lambda a: np.broadcast_to(a[:1], (4,)),
])
def test_strided_swapped_and_unaligned_arrays(function, make) -> None:
    x = at.dvector("x")
    value = make(np.arange(8.0))
    assert np.array_equal(function([x], x * 2)(value), value.astype("f8") * 2)


def test_inputs_of_one_name_are_given_by_position(function) -> None:
    a, b = at.dscalar("x"), at.dscalar("x")
    f = function([a, b], a - b)
    assert f(3, 2) == 1.0
    with pytest.raises(BadArgumentError):
        f(3, x=2)


# --------------------------------------------------------------------------------------------- state


def test_updates_happen_after_the_call(function) -> None:
    s = gradc.shared(0.0, name="s")
    x = at.dscalar("x")
    f = function([x], s * 2, updates=[(s, s + x)])
    assert [float(f(1)), float(f(2)), float(s.get_value())] == [0.0, 2.0, 3.0]


def test_updates_see_the_old_values(function) -> None:
    a, b = gradc.shared(1.0), gradc.shared(2.0)
    f = function([], [], updates={a: b, b: a})
    f()
    assert (a.get_value(), b.get_value()) == (2.0, 1.0)
    f()
    assert (a.get_value(), b.get_value()) == (1.0, 2.0)


def test_updates_of_vectors_many_times(function) -> None:
    w = gradc.shared(np.zeros(5), name="w")
    held = w.get_value(borrow=True)
    f = function([], w.sum(), updates={w: w + 1})
    for k in range(20):
        assert f() == 5 * k
    assert np.array_equal(held, np.zeros(5)), "a borrowed array must not change under its holder"
    assert np.array_equal(w.get_value(), np.full(5, 20.0))


def test_an_update_may_change_the_shape(function) -> None:
    w = gradc.shared(np.ones(1))
    f = function([], [], updates={w: at.concatenate([w, w])})
    for _ in range(3):
        f()
    assert np.array_equal(w.get_value(), np.ones(8))


def test_a_failed_call_updates_nothing(function) -> None:
    a, b = gradc.shared(np.zeros(2)), gradc.shared(np.zeros(2))
    x = at.dvector("x")
    f = function([x], [], updates={a: a + 1, b: b + x})
    with pytest.raises(ShapeError):
        f(np.ones(3))
    assert np.array_equal(a.get_value(), [0, 0]) and np.array_equal(b.get_value(), [0, 0])
    f(np.ones(2))
    assert np.array_equal(a.get_value(), [1, 1]) and np.array_equal(b.get_value(), [1, 1])


def test_default_updates(function) -> None:
    s = gradc.shared(0)
    s.default_update = s + 1
    f = function([], s)
    assert [int(f()), int(f()), int(s.get_value())] == [0, 1, 2]
    function([], s, no_default_updates=True)()
    function([], s, no_default_updates=[s])()
    assert s.get_value() == 2
    function([], s, updates={s: s + 10})()
    assert s.get_value() == 12
    pickle.loads(pickle.dumps(f))


def test_in_with_update_keeps_state_of_its_own(function) -> None:
    x, inc = at.dscalar("x"), at.dscalar("inc")
    f = function([inc, gradc.In(x, value=1.0, update=x + inc)], x)
    assert [float(f(2)), float(f(3)), float(f(0))] == [1.0, 3.0, 6.0]
    assert f[x] == f["x"] == f.value["x"] == 6.0
    f[x] = 20
    assert f(0) == 20.0


def test_stored_values_by_variable_and_name(function) -> None:
    s = gradc.shared(np.zeros(2), name="s")
    x = at.dscalar("x")
    f = function([x], s * x)
    assert np.array_equal(f[s], [0, 0]) and np.array_equal(f["s"], [0, 0])
    with pytest.raises(GraphError, match="no stored value"):
        f[x]
    with pytest.raises(GraphError, match="no input or shared"):
        f["q"]


def test_a_shared_value_may_change_its_shape_between_calls(function) -> None:
    s = gradc.shared(np.zeros(2))
    f = function([], s + 1)
    assert f().shape == (2,)
    s.set_value(np.zeros(5))
    assert f().shape == (5,)


def test_givens_stand_in(function) -> None:
    x, y, i = at.dscalar("x"), at.dscalar("y"), at.lscalar("i")
    data = gradc.shared(np.array([1.0, 2.0, 4.0]))
    f = function([i], x * 10 + y, givens={x: data[i], y: x + 1})
    assert [float(f(k)) for k in range(3)] == [12.0, 23.0, 45.0]
    assert function([], x * 2, givens=[(x, 4.0)])() == 8.0


# --------------------------------------------------------------------------------------------- errors


def test_a_run_time_error_is_short_and_names_the_line(function) -> None:
    x, y = at.dvectors("x", "y")
    f = function([x, y], (x + y).sum(), name="f")
    with pytest.raises(ShapeError) as caught:
        f([1, 2], [1, 2, 3])
    text = str(caught.value)
    assert "2" in text and "3" in text and "dimension 0" in text and "test_function.py" in text
    assert len(text.splitlines()) <= 8


def test_a_run_time_size_one_is_refused(function) -> None:
    """A size that is 1 only at run time doesn't broadcast: its gradient would be wrong."""
    x, y = at.dmatrices("x", "y")
    with pytest.raises(ShapeError, match="size"):
        function([x, y], x + y)(np.ones((1, 3)), np.ones((2, 3)))
    r = at.drow("r")
    assert function([r, y], r + y)(np.ones((1, 3)), np.ones((2, 3))).shape == (2, 3)


# ------------------------------------------------------------------------------- what hangs on a function


@pytest.mark.parametrize("mode", ["c", "interpret"])
def test_what_function_returns_is_a_function(mode: str) -> None:
    x = at.dvector("x")
    assert isinstance(gradc.function([x], x + 1, mode=mode), gradc.Function)
    assert not isinstance(np.sin, gradc.Function)


def test_repr_names_inputs_outputs_and_the_route(function) -> None:
    x = at.tensor("float64", shape=(None, 4), name="x")
    y = x.sum()
    y.name = "y"
    text = repr(function([x], y, name="loss"))
    assert text.startswith("Function loss(x: f64[?,4]) -> (y: f64[]) [")


def test_graph_of_a_function(function) -> None:
    x = at.dvector("x")
    s = gradc.shared(1.0, name="s")
    fgraph = function([x], x * s, updates={s: s + 1}).maker.fgraph
    assert [v.name for v in fgraph.inputs] == ["x", "s"]
    assert len(fgraph.outputs) == 2
    assert set(fgraph.toposort()) == fgraph.apply_nodes
    assert all(node.source[0] == __file__ for node in fgraph.apply_nodes), "the user's lines survive the optimizer"


def test_options_are_kept(function) -> None:
    x = at.dscalar("x")
    f = function([x], x * 2, name="double", trust_input=True)
    assert f.name == "double" and f.trust_input is True
    f.trust_input = False
    assert f.maker.inputs[0].variable is x and f.maker.outputs[0].variable.owner is not None
    assert "mode" in f.info and repr(f.info)
    f.free()
    assert f(2) == 4.0


@pytest.mark.parametrize("again", [lambda f: pickle.loads(pickle.dumps(f)), copy.deepcopy])
def test_pickled_functions_compute_the_same(function, again) -> None:
    x, y = at.dscalar("x"), at.dscalar("y")
    s = gradc.shared(5.0, name="s")
    f = function([x, gradc.In(y, value=2.0)], {"r": x * y + s}, updates={s: s + 1}, name="f", trust_input=True)
    f(1)
    g = again(f)
    assert g(1) == {"r": 8.0} and g(1) == {"r": 9.0}
    assert s.get_value() == 6.0, "the copy has a storage of its own"
    assert g.name == "f" and g.trust_input is True and repr(g).split("[")[0] == repr(f).split("[")[0]


def test_functions_pickled_together_share_their_state(function) -> None:
    s = gradc.shared(0.0)
    step, look = pickle.loads(pickle.dumps((function([], [], updates={s: s + 1}), function([], s))))
    step()
    assert look() == 1.0 and s.get_value() == 0.0


def test_copy_swaps_shared_variables_and_drops_updates(function) -> None:
    a, b = gradc.shared(1.0, name="a"), gradc.shared(10.0, name="b")
    x = at.dscalar("x")
    f = function([x], a * x, updates={a: a + 1})
    g = f.copy(swap={a: b})
    h = f.copy(delete_updates=True, name="h")
    assert g(2) == 20.0 and b.get_value() == 11.0 and a.get_value() == 1.0
    assert h(2) == 2.0 and a.get_value() == 1.0 and h.name == "h"
    with pytest.raises(GraphError, match="swap"):
        f.copy(swap={a: x})


def test_eval_of_a_variable() -> None:
    x, y = at.dscalar("x"), at.dvector("y")
    z = x * y
    assert np.array_equal(z.eval({x: 2, y: [1, 2]}), [2, 4])
    assert np.array_equal(z.eval({"x": 3, "y": [1, 2]}), [3, 6])
    assert at.constant(3.0).eval() == 3.0
    with pytest.raises(gradc.errors.MissingInputError, match="y"):
        z.eval({x: 2})
    with pytest.raises(GraphError, match="no input named 'q'"):
        z.eval({"q": 2})
    with pytest.raises(GraphError, match=r"eval takes a dict .* got 3"):
        z.eval(3)
    assert np.array_equal(pickle.loads(pickle.dumps(z)).eval({"x": 3, "y": [1, 2]}), [3, 6])


def test_bound_calls_work_on_fixed_memory(function) -> None:
    x, y = at.dvector("x"), at.dscalar("y")
    f = function([x, y], x * y)
    value, out = np.arange(3.0), np.empty(3)
    call = f.bind(value, y=2.0, out=out)
    assert call() is None and np.array_equal(out, [0, 2, 4]) and call.out is out
    value[:] = 5
    call()
    assert np.array_equal(out, [10, 10, 10])
    own = f.bind(value, 3.0)
    own()
    assert np.array_equal(own.out, [15, 15, 15])


def test_a_bound_call_reads_sizes_once_for_all(function) -> None:
    """An element of a vector that is a size: entry goes by what the outputs were made for, or the call is refused."""
    x, n = at.dvector("x"), at.lvector("n")
    f = function([x, n], x[:n[0]] * 2)
    value, sizes = np.arange(100.0), np.array([3])
    call = f.bind(value, sizes)
    call()
    np.testing.assert_array_equal(call.out, [0, 2, 4])
    sizes[0] = 80
    with pytest.raises(gradc.errors.ExecutionError, match="a size has changed since it was bound"):
        call()
    sizes[0] = 3
    value[1] = 5
    call()
    np.testing.assert_array_equal(call.out, [0, 10, 4])


def test_bind_refuses_with_a_reason(function) -> None:
    s = gradc.shared(np.zeros(3))
    x = at.dvector("x")
    with pytest.raises((ValueError, TypeError), match="update"):
        function([x], x, updates={s: s + x}).bind(np.ones(3))
    f = function([x], x + 1)
    for bad in (np.ones(3, "f4"), np.ones(6)[::2]):
        with pytest.raises((ValueError, TypeError)):
            f.bind(bad)
    value = np.ones(3)
    for out in (np.ones(4), np.ones(3, "f4"), value, [1, 2, 3]):
        with pytest.raises((ValueError, TypeError)):
            f.bind(value, out=out)


def test_one_function_from_many_threads(function) -> None:
    s = gradc.shared(0)
    x = at.dvector("x")
    f, count = function([x], (x * 2).sum()), function([], [], updates={s: s + 1})
    wrong: list[object] = []

    def work(k: int) -> None:
        for _ in range(50):
            if f(np.full(100, float(k))) != 200.0 * k:
                wrong.append(k)
            count()

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong and s.get_value() == 200


def test_functions_are_collected(function) -> None:
    x = at.dscalar("x")
    f = function([x], x * 2)
    gone = weakref.ref(f)
    del f
    gc.collect()
    assert gone() is None
