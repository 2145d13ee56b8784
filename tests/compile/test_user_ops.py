"""User-defined Ops in functions, called from C and in the interpreter: what they are given, and what becomes of their
mistakes."""

import re

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.compile.ops import as_op
from gradc.errors import BadArgumentError, ExecutionError, NotDifferentiableError, ShapeError, TypeMismatchError
from gradc.gradient import grad, jacobian
from gradc.graph.basic import Apply
from gradc.graph.op import Op

V = np.array([1.0, 2.0, 3.0])


class Doing(Op):
    """x -> a vector; `perform` is whatever the test gives.  It gets an `infer_shape` from the fixture."""

    __props__ = ("do",)

    def __init__(self, do):
        self.do = do

    def make_node(self, x):
        x = at.as_tensor_variable(x)
        return Apply(self, [x], [x.type()])

    def perform(self, node, inputs, output_storage):
        self.do(node, inputs, output_storage)

    def grad(self, inputs, output_gradients):
        return [2 * output_gradients[0]]

    def __str__(self):
        return "Doing"


@pytest.fixture(params=["stated", "told by the result"], autouse=True)
def sizes(request, monkeypatch):
    if request.param == "stated":
        monkeypatch.setattr(Doing, "infer_shape", lambda self, fgraph, node, shapes: shapes[:1], raising=False)


def made(do, shape=(None,)):
    x = at.TensorType("float64", shape)("x")
    return gradc.function([x], Doing(do)(x))



def test_perform_sees_its_node_and_empty_storage():
    def do(node, inputs, output_storage):
        assert isinstance(node, Apply) and node.outputs[0].dtype == "float64" and node.inputs[0].ndim == 1
        assert output_storage == [[None]]
        output_storage[0][0] = 2 * inputs[0]

    f = made(do)
    assert f.info["mode"] == "c"
    for _ in range(2):
        np.testing.assert_array_equal(f(V), 2 * V)


def test_an_op_that_raises():
    def do(node, inputs, output_storage):
        raise KeyError("no such thing")

    w = gradc.shared(1.0)
    x = at.dvector("x")
    y = Doing(do)(x)
    f = gradc.function([x], y, updates={w: w + 1})
    with pytest.raises(ExecutionError, match="Doing failed: KeyError: 'no such thing'") as info:
        f(V)
    assert isinstance(info.value.__cause__, KeyError)
    line = next(k for k, text in enumerate(open(__file__), 1) if text.strip() == "y = Doing(do)(x)")
    assert f"where: {__file__}:{line}" in str(info.value)
    assert w.get_value() == 1.0


@pytest.mark.parametrize("do,kind,message", [
    (lambda n, i, o: o[0].__setitem__(0, i[0] * 1j), BadArgumentError, "result 0 of Doing: expected dtype float64"),
    (lambda n, i, o: o[0].__setitem__(0, "text"), BadArgumentError, "result 0 of Doing: expected numbers"),
    (lambda n, i, o: o[0].__setitem__(0, i[0].sum()), BadArgumentError, r"result 0 of Doing: expected 1 dimension"),
    (lambda n, i, o: o[0].__setitem__(0, i[0][:2]), ShapeError, r"result 0 of Doing: expected size 3 in dimension 0"),
    (lambda n, i, o: None, ExecutionError, "result 0 of Doing is missing"),
    (lambda n, i, o: o.append([i[0]]), ExecutionError, r"must compute 1 result\(s\), but its perform left 2"),
    (lambda n, i, o: o.clear(), ExecutionError, r"must compute 1 result\(s\), but its perform left 0")],
    ids=["complex", "text", "rank", "size", "nothing", "more", "less"])
def test_wrong_results(do, kind, message):
    with pytest.raises(kind, match=message) as info:
        made(do, (3,))(V)
    assert re.search(r"where: .*test_user_ops.py:\d+", str(info.value))


def test_results_are_converted_where_nothing_is_lost():
    assert made(lambda n, i, o: o[0].__setitem__(0, [1, 2, 3]))(V).dtype == "float64"
    assert made(lambda n, i, o: o[0].__setitem__(0, i[0].astype("float32")))(V).dtype == "float64"


def test_changing_an_input_has_no_effect():
    def do(node, inputs, output_storage):
        inputs[0][:] = -1
        output_storage[0][0] = inputs[0]

    x = at.dvector("x")
    w = gradc.shared(V.copy(), "w")
    f = gradc.function([x], [Doing(do)(x), x + 0, Doing(do)(w), w * 1])
    mine = V.copy()
    results = f(mine)
    for changed, kept in (results[:2], results[2:]):
        np.testing.assert_array_equal(changed, [-1, -1, -1])
        np.testing.assert_array_equal(kept, V)
    np.testing.assert_array_equal(mine, V)
    np.testing.assert_array_equal(w.get_value(), V)


def test_a_buffer_used_again_does_not_change_earlier_results():
    buffer = np.zeros(3)

    def do(node, inputs, output_storage):
        buffer[:] = inputs[0]
        output_storage[0][0] = buffer

    f = made(do)
    first = f(V)
    f(2 * V)
    np.testing.assert_array_equal(first, V)
    x = at.dvector("x")
    np.testing.assert_array_equal(gradc.function([x], Doing(do)(x) + Doing(do)(2 * x))(V), 3 * V)


def test_ops_without_props_are_told_apart():
    class Add(Op):
        def __init__(self, k):
            self.k = k
        itypes = [at.dscalar]
        otypes = [at.dscalar]

        def perform(self, node, inputs, output_storage):
            output_storage[0][0] = inputs[0] + self.k

    x = at.dscalar("x")
    loops = [gradc.scan(Add(k), outputs_info=[x], n_steps=3)[0][-1] for k in (1, 10)]
    assert [float(v) for v in gradc.function([x], loops)(0.0)] == [3.0, 30.0]
    with pytest.raises(gradc.errors.GraphError, match=r"Add takes 1 input\(s\), got 2"):
        Add(1)(x, x)


def test_in_loops_and_derivatives():
    op = Doing(lambda n, i, o: o[0].__setitem__(0, 2 * i[0]))
    x = at.dvector("x")
    rows, _ = gradc.scan(lambda h: op(h), outputs_info=[x], n_steps=3)
    f = gradc.function([x], [rows, grad((rows[-1] ** 2).sum(), x), jacobian(op(x), x)])
    values, slope, matrix = f(V)
    np.testing.assert_array_equal(values, [2 * V, 4 * V, 8 * V])
    np.testing.assert_array_equal(slope, 128 * V)
    np.testing.assert_array_equal(matrix, 2 * np.eye(3))
    failing = Doing(lambda n, i, o: 1 / 0)
    rows, _ = gradc.scan(lambda h: failing(h), outputs_info=[x], n_steps=3)
    with pytest.raises(ExecutionError, match="Doing failed: ZeroDivisionError"):
        gradc.function([x], rows)(V)


def test_rows_of_sequences_are_arrays():
    def do(node, inputs, output_storage):
        assert isinstance(inputs[0], np.ndarray) and inputs[0].shape == ()
        inputs[0][...] *= 2
        output_storage[0][0] = inputs[0]

    x = at.dvector("x")
    rows, _ = gradc.scan(lambda row: Doing(do)(row), sequences=[x])
    np.testing.assert_array_equal(gradc.function([x], rows)(V), 2 * V)


def test_infer_shape_spares_the_work():
    calls = []

    @as_op(at.dmatrix, at.dmatrix, infer_shape=lambda fgraph, node, shapes: [(shapes[0][0] + 1, 3)])
    def grown(a):
        calls.append(1)
        return np.ones((len(a) + 1, 3))

    x = at.dmatrix("x")
    y = grown(x)
    f = gradc.function([x], [y.shape[0], y.shape, at.zeros_like(y)[0]])
    assert f.info["mode"] == "c"
    count, shape, zeros = f(np.ones((4, 2)))
    assert count == 5 and list(shape) == [5, 3] and list(zeros) == [0, 0, 0] and not calls
    assert gradc.function([x], y)(np.ones((4, 2))).shape == (5, 3) and calls
    wrong = as_op(at.dmatrix, at.dmatrix, infer_shape=lambda fgraph, node, shapes: [(1,)])(np.copy)
    with pytest.raises(gradc.errors.GraphError, match=r"infer_shape of FromFunctionOp\{copy\} must return"):
        gradc.function([x], wrong(x).shape[0])


def test_make_node_must_make_a_node():
    class Wrong(Op):
        def make_node(self, x):
            return x

    with pytest.raises(gradc.errors.GraphError, match="make_node of Wrong must return an Apply"):
        Wrong()(at.dvector("x"))


# ------------------------------------------------------------------------------------------------ as_op


@as_op(itypes=[at.dmatrix, at.dmatrix], otypes=[at.dmatrix])
def product(a, b):
    return a @ b


@as_op(itypes=at.dvector, otypes=[at.dscalar, at.dscalar])
def ends(a):
    return a[0], a[-1]


def test_as_op():
    a, b = at.dmatrices("a", "b")
    x = at.dvector("x")
    left, right = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(gradc.function([a, b], product(a, b))(left, right), left @ right)
    assert gradc.function([x], ends(x))(V) == [1.0, 3.0]
    assert str(product) == "FromFunctionOp{product}"
    assert gradc.wrap_py is as_op and product == as_op([at.dmatrix] * 2, [at.dmatrix])(product.fn)
    with pytest.raises(TypeMismatchError, match="input 1 must be"):
        product(a, x)
    with pytest.raises(NotDifferentiableError, match="defines neither L_op nor grad"):
        grad(product(a, b).sum(), a)


def test_as_op_mistakes():
    with pytest.raises(TypeMismatchError, match=r"otypes are types such as at\.dmatrix, got 'float64'"):
        as_op([at.dvector], ["float64"])
    x = at.dvector("x")
    short = as_op([at.dvector], [at.dscalar, at.dscalar])(lambda a: a[0])
    with pytest.raises(ExecutionError, match=r"must return 2 result\(s\), got 1"):
        gradc.function([x], short(x))(V)
