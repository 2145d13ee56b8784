"""Variables: operators, dtypes of expressions, NumPy's protocols, what they refuse and the advice they give."""

import copy
import math
import pickle

import numpy as np
import pytest

import gradc.tensor as at
from gradc.config import config
from gradc.errors import GradcWarning, NotScalarConstantError, ShapeError, TypeMismatchError
from gradc.ir import ops
from gradc.ir.fgraph import equal_computations
from gradc.ir.types import TensorType
from tests.cases_base import compute


def value(expression, inputs=(), values=()):
    return compute(list(inputs), [expression], list(values))[0]


# ------------------------------------------------------------------------------------------------ dtypes


@pytest.mark.parametrize(
    "number, dtype",
    [
        (1, "int8"),
        (-128, "int8"),
        (128, "int16"),
        (300, "int16"),
        (70_000, "int32"),
        (2**40, "int64"),
        (2**63, "uint64"),
        (2.5, "float32"),
        (0.0, "float32"),
        (0.1, "float64"),
        (float("inf"), "float32"),
        (float("nan"), "float32"),
        (True, "bool"),
        (1j, "complex128"),
        (np.float64(2.5), "float64"),
        (np.int32(1), "int32"),
        (np.float32(0.1), "float32"),
        ([1, 2], "int64"),
        ([1.0], "float64"),
        ([], "float64"),
    ],
)
def test_dtype_of_a_python_value(number, dtype):
    assert at.constant(number).dtype == dtype
    assert at.as_tensor_variable(number).dtype == dtype


def test_python_numbers_take_the_least_dtype_in_expressions():
    f32, i8, i32, i64 = at.fvector(), at.bvector(), at.ivector(), at.lvector()
    assert (f32 * 2.5).dtype == "float32"
    assert (f32 * 0.1).dtype == "float64"
    assert (f32 * np.float64(2.5)).dtype == "float64"
    assert (i8 + 1).dtype == "int8"
    assert (i8 + 300).dtype == "int16"
    assert (i32**2).dtype == "int32"
    assert (i32**-1).dtype == "int32"
    assert (i32**0.5).dtype == "float64"
    assert (i32 + f32).dtype == (i64 * f32).dtype == "float64"
    assert (i8 + f32).dtype == (at.wvector() + f32).dtype == "float32"
    assert at.switch(i8 > 0, 1, 0).dtype == "int8"


def test_floatX_float32_keeps_python_floats_single():
    with config.change_flags(floatX="float32"):
        assert at.constant(0.1).dtype == "float32"
        assert (at.fvector() * 0.1).dtype == "float32"
        assert at.vector().dtype == at.zeros(3).dtype == "float32"
    assert at.constant(0.1).dtype == "float64"


def test_float64_that_comes_up_is_told_with_its_line():
    f32, i32, f64 = at.fvector("f32"), at.ivector("i32"), at.dvector("f64")
    with config.change_flags(warn_float64="warn"):
        with pytest.warns(UserWarning, match=r"mul makes a float64: f32 is f32.*, i32 .*test_variable.py:") as caught:
            f32 * i32
        assert caught[0].filename == __file__
        with pytest.warns(UserWarning, match=r"mul makes a float64: .*the constant 0\.1 is f64"):
            f32 * 0.1
    with config.change_flags(warn_float64="raise"):
        with pytest.raises(TypeMismatchError, match="true_divide makes a float64"):
            i32 / 2
        assert (f32 * 2.5).dtype == "float32" and (f64 * f32).dtype == "float64"       # the latter was one before
    (f32 * 0.1).sum()


def test_int8_plus_one_wraps():
    x = at.bscalar("x")
    assert value(x + 1, [x], [np.int8(127)]) == -128


@pytest.mark.parametrize("make", [at.bvector, at.wvector, at.ivector, at.lvector])
def test_division_of_integers_is_float64(make):
    assert (make() / make()).dtype == (make() / 2).dtype == (1 / make()).dtype == "float64"


def test_floating_functions_of_integers():
    assert at.exp(at.bvector()).dtype == at.exp(at.wvector()).dtype == "float32"
    assert at.exp(at.ivector()).dtype == at.exp(at.lvector()).dtype == "float64"


def test_reductions_of_small_types_are_those_of_numpy():
    """But that cumulative sums of integers, other than of bool, keep the dtype, as in Aesara, and wrap."""
    values = np.array([[1, 0, 3], [2, 5, 1]])
    for dtype in ("bool", "int8", "uint8", "int16", "uint32"):
        x = TensorType(dtype, (None, None))("x")
        v = values.astype(dtype)
        wide = dtype if dtype != "bool" else "int64"
        pairs = [(x.sum(), v.sum()), (x.sum(0), v.sum(0)), (x.prod(1), v.prod(1)), (x.mean(), v.mean()),
                 (x.var(), v.var()), (x.cumsum(), v.cumsum(dtype=wide)), (x.cumsum(1), v.cumsum(1, dtype=wide)),
                 (x.cumprod(0), v.cumprod(0, dtype=wide)), (at.diff(x), np.diff(v)), (at.dot(x, x.T), np.dot(v, v.T)),
                 (x.trace(), v.trace()), (x.max(0), v.max(0)), (x.argmax(), v.argmax())]
        for result, want in pairs:
            got = value(result, [x], [v])
            assert got.dtype == want.dtype
            np.testing.assert_array_equal(got, want)


def test_dtypes_of_reductions():
    for make in (at.bvector, at.wvector, at.ivector, at.lvector):
        x = make()
        assert x.sum().dtype == x.prod().dtype == "int64"
        assert x.max().dtype == x.cumsum().dtype == x.dtype
        assert x.mean().dtype == x.var().dtype == x.std().dtype == "float64"
        assert x.argmax().dtype == "int64"
    b = TensorType("bool", (None,))("b")
    assert b.sum().dtype == "int64" and b.mean().dtype == "float64" and b.max().dtype == "bool"
    assert b.prod().dtype == b.cumsum().dtype == b.cumprod().dtype == "int64" and b.var().dtype == "float64"
    assert TensorType("uint8", (None,))().sum().dtype == "uint64"
    f = at.fvector("f")
    assert f.sum().dtype == f.mean().dtype == f.var().dtype == "float32"
    assert (f / f.shape[0]).dtype == (f.sum() / f.shape[0]).dtype == "float64"
    assert f.sum(dtype="float64").dtype == f.mean(dtype="float64").dtype == "float64"
    for name in ("sum", "prod", "mean"):        # as in Aesara, acc_dtype says nothing of the result
        assert getattr(f, name)(acc_dtype="float64").dtype == "float32"
    assert at.ivector().sum(acc_dtype="float64").dtype == "int64"


def test_acc_dtype_is_what_sums_are_made_in():
    f = at.fvector("f")
    data = np.array([2.0**24] + [1.0] * 8, dtype="float32")
    assert value(f.sum(acc_dtype="float64"), [f], [data]) == 2**24 + 8
    assert f.shape.dtype == f.shape[0].dtype == "int64"
    assert (f > 0).dtype == at.eq(f, f).dtype == at.all(f).dtype == "bool"


def test_cast_and_astype():
    x = at.dvector("x")
    assert at.cast(x, "float64") is x
    assert x.astype("int32").dtype == "int32" and at.cast(x, "floatX").dtype == "float64"
    result = value(x.astype("int8"), [x], [np.array([1.9, -1.9, np.nan, 1e9, -np.inf])])
    assert result.tolist() == [1, -1, 0, 127, -128]
    with pytest.raises(TypeMismatchError, match="real"):
        at.cast(at.zvector(), "float64")
    with pytest.raises(TypeMismatchError, match="expected a dtype out of"):
        x.astype("datetime64[s]")


# --------------------------------------------------------------------------------------------- operators


_X, _Y = np.array([1.5, -2.0, 7.0]), np.array([2.0, 3.0, -2.0])


@pytest.mark.parametrize(
    "compute_it",
    [
        lambda x, y: x + y,
        lambda x, y: 1 + x,
        lambda x, y: x - y,
        lambda x, y: 1 - x,
        lambda x, y: x * y,
        lambda x, y: 2 * x,
        lambda x, y: x / y,
        lambda x, y: 1 / x,
        lambda x, y: x // y,
        lambda x, y: 7 // x,
        lambda x, y: x % y,
        lambda x, y: 7 % x,
        lambda x, y: abs(x) ** y,
        lambda x, y: 2**x,
        lambda x, y: -x,
        lambda x, y: +x,
        lambda x, y: abs(x),
        lambda x, y: x < y,
        lambda x, y: x <= y,
        lambda x, y: x > y,
        lambda x, y: x >= 1.5,
        lambda x, y: 2 > x,
        lambda x, y: (x > 0) & (y > 0),
        lambda x, y: (x > 0) | (y > 0),
        lambda x, y: (x > 0) ^ (y > 0),
        lambda x, y: ~(x > 0),
        lambda x, y: x @ y,
        lambda x, y: np.ones((2, 3)) @ x,
        lambda x, y: x @ np.ones((3, 2)),
        lambda x, y: divmod(x, y)[0] + divmod(x, y)[1],
        lambda x, y: divmod(7, x)[1],
        lambda x, y: round(x) if not isinstance(x, np.ndarray) else np.round(x),
    ],
)
def test_operators_equal_numpy(compute_it):
    x, y = at.dvectors("xy")
    np.testing.assert_allclose(value(compute_it(x, y), [x, y], [_X, _Y]), compute_it(_X, _Y))


def test_integer_operators():
    i, j = at.lvectors("ij")
    a, b = np.array([5, -5, 7]), np.array([3, 3, 0])
    for make in (
        lambda p, q: p & q,
        lambda p, q: p | q,
        lambda p, q: p ^ q,
        lambda p, q: ~p,
        lambda p, q: p << q,
        lambda p, q: p >> q,
        lambda p, q: 3 & p,
        lambda p, q: 1 << q,
        lambda p, q: 8 >> q,
    ):
        np.testing.assert_array_equal(value(make(i, j), [i, j], [a, b]), make(a, b))
    assert value(i // j, [i, j], [a, b]).tolist() == [1, -2, 0]
    assert value(i % j, [i, j], [a, b]).tolist() == [2, 1, 0]


def test_equality_is_identity_and_variables_hash():
    x, y = at.dvectors("xy")
    with pytest.warns(GradcWarning, match="compares x with y as objects"):
        assert (x == y) is False and (x == x) is True and (x != y) is True
    assert {x: 1}[x] == 1 and x in [y, x]
    assert at.eq(x, y).owner.op == ops.Map("eq")


def test_constants_share_nothing_that_can_be_named():
    x = at.dscalar("x")
    a, b = (x * 2).owner.inputs[1], (x * 2).owner.inputs[1]
    a.name = "two"
    assert a is not b and b.name is None
    assert not a.data.flags.writeable
    assert str((x * 0.0).owner.inputs[1].data) != str((x * -0.0).owner.inputs[1].data)


def test_methods_exist_and_equal_the_functions():
    x = at.dmatrix("x")
    for name in (
        "sum",
        "prod",
        "mean",
        "var",
        "std",
        "min",
        "max",
        "argmin",
        "argmax",
        "all",
        "any",
        "cumsum",
        "cumprod",
        "flatten",
        "ravel",
        "squeeze",
        "trace",
        "diagonal",
        "zeros_like",
        "ones_like",
        "round",
        "ptp",
        "conj",
        "conjugate",
        *"exp exp2 expm1 log log2 log10 log1p sqrt square sin cos tan arcsin arccos arctan sinh cosh tanh".split(),
        *"arcsinh arccosh arctanh deg2rad rad2deg floor ceil trunc".split(),
    ):
        assert equal_computations([getattr(x, name)()], [getattr(at, name)(x)]), name
    assert equal_computations([x.dot(x.T)], [at.dot(x, at.transpose(x))])
    assert equal_computations([x.clip(0, 1)], [at.clip(x, 0, 1)])
    assert equal_computations([x.dimshuffle(1, "x", 0)], [at.dimshuffle(x, (1, "x", 0))])
    assert equal_computations([x.reshape((2, 3))], [x.reshape(2, 3)])
    assert equal_computations([x.swapaxes(0, 1)], [x.T]) and equal_computations([x.transpose(1, 0)], [x.mT])
    assert equal_computations([x.repeat(2, axis=0)], [at.repeat(x, 2, axis=0)])
    assert equal_computations([x.fill(2.0)], [at.fill(x, 2.0)])
    assert x.copy(name="y").name == "y" and x.real is x
    assert equal_computations([x[1:].set(0.0)], [at.set_subtensor(x[1:], 0.0)])
    assert equal_computations([x[1:].inc(1.0)], [at.inc_subtensor(x[1:], 1.0)])
    np.testing.assert_allclose(value(x.norm(2), [x], [np.eye(3)]), np.sqrt(3))
    np.testing.assert_allclose(value(x.norm(1, axis=0), [x], [np.eye(3)]), np.ones(3))


def test_properties():
    x = TensorType("float32", (None, 1))("x")
    assert (x.ndim, x.dtype, x.broadcastable) == (2, "float32", (False, True))
    assert value(x.size, [x], [np.ones((3, 1), "float32")]) == 3
    assert value(x.shape, [x], [np.ones((3, 1), "float32")]).tolist() == [3, 1]
    assert math.floor(at.dscalar()).owner.op == ops.Map("floor") and math.ceil(at.dscalar()).owner.op == ops.Map("ceil")


# ---------------------------------------------------------------------------------------- NumPy's protocols


_A = np.arange(12.0).reshape(3, 4) / 5 - 1


@pytest.mark.parametrize(
    "compute_it",
    [
        lambda x: np.exp(x),
        lambda x: np.ones(4) + x,
        lambda x: np.ones((3, 1)) * x,
        lambda x: np.float64(3) * x,
        lambda x: np.maximum(x, 0),
        lambda x: np.dot(x, np.ones(4)),
        lambda x: np.sum(x),
        lambda x: np.sum(x, axis=0),
        lambda x: np.sum(x, axis=1, keepdims=True),
        lambda x: np.concatenate([x, np.ones((2, 4))]),
        lambda x: np.stack([x, x]),
        lambda x: np.mean(x),
        lambda x: np.var(x, axis=0),
        lambda x: np.max(x, axis=1),
        lambda x: np.argmax(x),
        lambda x: np.where(x > 0, x, 0),
        lambda x: np.clip(x, 0, 1),
        lambda x: np.round(x),
        lambda x: np.reshape(x, (4, 3)),
        lambda x: np.transpose(x),
        lambda x: np.ones((2, 3)) @ x,
        lambda x: np.matmul(x, np.ones((4, 2))),
        lambda x: np.tensordot(x, x, 2),
        lambda x: np.einsum("ij,kj->ik", x, x),
        lambda x: np.outer(x[0], x[1]),
        lambda x: np.linalg.norm(x),
        lambda x: np.add.reduce(x),
        lambda x: np.maximum.reduce(x, axis=1),
        lambda x: np.expand_dims(x, 0),
        lambda x: np.squeeze(x[None]),
        lambda x: np.tile(x, 2),
        lambda x: np.repeat(x, 2, axis=0),
        lambda x: np.roll(x, 1, axis=0),
        lambda x: np.cumsum(x, axis=0),
        lambda x: np.isnan(x),
        lambda x: np.logical_and(x > 0, x < 1),
        lambda x: np.absolute(x),
        lambda x: np.broadcast_to(x, (2, 3, 4)),
        lambda x: np.zeros_like(x),
        lambda x: np.full_like(x, 2),
        lambda x: np.diag(x),
        lambda x: np.tril(x),
        lambda x: np.allclose(x, x),
        lambda x: np.hstack([x, x]),
        lambda x: np.prod(x, axis=0),
        lambda x: np.std(x),
        lambda x: np.any(x > 0),
        lambda x: np.array(2.0) - x,
        lambda x: np.arctan2(x, 2.0),
        lambda x: np.sqrt(x, dtype="float64"),
        lambda x: np.float_power(abs(x), 2),
        lambda x: np.arange(4) ** abs(x),
    ],
)
def test_numpy_functions_build_nodes(compute_it):
    x = at.dmatrix("x")
    result = compute_it(x)
    assert isinstance(result, at.TensorVariable)
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(value(result, [x], [_A]), compute_it(_A))


@pytest.mark.parametrize(
    "compute_it, word",
    [
        (lambda x: np.subtract.accumulate(x), "numpy.subtract.accumulate"),
        (lambda x: np.exp(x, where=[True]), "numpy.exp with where="),
        (lambda x: np.isnat(x), "numpy.isnat"),
        (lambda x: np.bitwise_count.at(x, 0), "numpy.bitwise_count.at"),
    ],
)
def test_numpy_functions_that_do_not_work_say_so(compute_it, word):
    with pytest.raises(TypeError, match=word):
        compute_it(at.dvector("x"))


def test_ndim_and_shape_by_numpy():
    x = at.dmatrix("x")
    assert np.ndim(x) == 2
    assert value(np.shape(x), [x], [_A]).tolist() == [3, 4]


# ------------------------------------------------------------------------------------------------- refusals


def test_truth_value():
    x = at.dscalar("x")
    with pytest.warns(GradcWarning, match="asks for the truth of"):
        assert bool(x) and bool(x + 1)
    for condition in (x > 0, at.eq(x, 0), at.isnan(x), (x > 0) & (x < 1), at.all(x)):
        with pytest.raises(TypeError, match=r"no truth value.*test_variable.py:\d+\).*switch"):
            bool(condition)
    with pytest.raises(TypeError):
        0 < x < 1  # noqa: B015


def test_len_iteration_and_item_assignment():
    x = at.dvector("x")
    with pytest.raises(TypeError, match=r"has no len.*x\.shape\[0\]"):
        len(x)
    with pytest.raises(ValueError, match=r"Length of x cannot be determined \(.*test_variable.py:\d+\)"):
        iter(x)
    with pytest.raises(TypeError, match="scalar"):
        list(at.dscalar("s"))
    with pytest.raises(TypeError, match="set_subtensor"):
        x[0] = 1
    assert [v.ndim for v in at.dmatrix("m").shape] == [0, 0]
    a, _ = at.stack([at.dscalar("a"), at.dscalar("b")])
    assert a.ndim == 0


def test_numbers_from_variables():
    x = at.dscalar("x")
    for convert in (float, int, complex, lambda v: range(v)):
        with pytest.raises(TypeError, match="no value when the graph is built"):
            convert(x)
    assert float(at.constant(2.5)) == 2.5 and int(at.constant(3)) == 3 and list(range(at.constant(2))) == [0, 1]
    with pytest.raises(TypeError, match="an index is an integer"):
        range(at.constant(2.5))


def test_things_that_are_no_tensors():
    x = at.dvector("x")
    for thing in ("text", None, object(), {1: 2}, [1, [2, 3]], np.longdouble(1)):
        with pytest.raises(TypeError):
            at.as_tensor_variable(thing)
    with pytest.raises(TypeError, match=r"or an array of numbers, got 'text' of type str \(.*test_variable.py:"):
        x + "text"
    with pytest.raises(TypeError, match=r" from a longdouble \(.*test_variable.py:\d+\); cast it"):
        x + np.longdouble(1)
    with pytest.raises(TypeError, match=r"and_: .* bool or integers, got float64, int8; x is f64.*test_variable.py:"):
        x & 1
    with pytest.raises(TypeError, match="uint64 and int8 have no integer dtype in common; cast one"):
        TensorType("uint64", ())() | -1
    with pytest.raises(TypeError, match=r"a real number for dtype float64, got 1j.*real part"):
        at.full_like(at.dvector(), 1j)
    for shape in [("3",), (2.5,), (None, "x")]:
        with pytest.raises(TypeError, match="a static shape holds integers, and None"):
            TensorType("float64", shape)
    with pytest.raises(TypeMismatchError, match="use as_tensor_variable"):
        at.constant(x)


def test_shapes_that_cannot_fit_are_found_when_the_graph_is_built():
    a, b = (TensorType("float64", (n,))(name) for n, name in ((3, "a"), (4, "b")))
    with pytest.raises(ValueError, match=r"sizes 3 and 4.*a is f64\[3\], b is f64\[4\]\) \(.*test_variable.py:\d+\)"):
        a + b
    assert (a + TensorType("float64", (1,))()).type.shape == (3,)
    assert (at.drow() + at.dcol()).type.shape == (None, None)


def test_unknown_size_one_is_refused_at_run_time():
    x, y = at.dmatrices("xy")
    with pytest.raises(ShapeError, match="size 1 broadcasts only if the type says 1"):
        value(x + y, [x, y], [np.ones((3, 4)), np.ones((1, 4))])


# ----------------------------------------------------------------------------------------------- conversion


def test_as_tensor_variable():
    x = at.dscalar("x")
    assert at.as_tensor_variable(x) is x
    assert at.as_tensor_variable(x, ndim=2).type.shape == (1, 1)
    assert at.as_tensor_variable([[x, 1], [2.0, x]]).type == TensorType("float64", (2, 2))
    assert at.as_tensor_variable((x + 1).owner).owner.op == ops.Map("add")
    assert at.as_tensor_variable(np.array([x, x], dtype=object)).type.shape == (2,)
    assert at.as_tensor_variable(2, name="two").name == "two"
    assert at.constant([1.0, 2.0], ndim=2).type.shape == (1, 2)
    assert at.constant(2, ndim=1).type == TensorType("int8", (1,))
    assert at.constant([1], dtype="float32").dtype == "float32"
    with pytest.raises(ShapeError, match="expected 0 dimension"):
        at.as_tensor_variable(at.dmatrix("m"), ndim=0)
    with pytest.raises(ShapeError):
        at.constant([1.0], ndim=0)
    with pytest.raises(TypeMismatchError, match="cast it"):
        at.as_tensor_variable(x, dtype="float32")
    with pytest.raises(ShapeError, match="tensors of 0 and of 1 dimensions"):
        at.as_tensor_variable([x, at.dvector("v")])


def test_constants_own_their_data():
    data = np.ones(3)
    c = at.constant(data)
    data[0] = 5
    assert c.data.tolist() == [1, 1, 1] and not c.data.flags.writeable and c.type.shape == (3,)


def test_scalar_constant_values():
    assert at.get_scalar_constant_value(at.fill(at.dvector(), 3)) == 3
    assert at.get_scalar_constant_value(at.cast(at.constant(2.5), "int32")) == 2
    assert at.get_scalar_constant_value(at.zeros(4)) == 0 and at.get_scalar_constant_value(7) == 7
    with pytest.raises(NotScalarConstantError):
        at.get_scalar_constant_value(at.dscalar())
    assert at.get_vector_length(at.dmatrix().shape) == 2
    with pytest.raises(ValueError, match="cannot be determined"):
        at.get_vector_length(at.dvector())


def test_graphs_pickle_and_copy():
    x = at.dvector("x")
    y = at.exp(x) * 2
    for z in (pickle.loads(pickle.dumps(y)), copy.deepcopy(y)):
        assert z is not y and z.owner.inputs[0].owner.inputs[0].name == "x"
        assert isinstance(z.owner.inputs[1], at.TensorConstant)
    assert copy.copy(y) is y


# -------------------------------------------------------------------------------------------- constructors


@pytest.mark.parametrize(
    "prefix, dtype",
    [
        ("b", "int8"),
        ("w", "int16"),
        ("i", "int32"),
        ("l", "int64"),
        ("f", "float32"),
        ("d", "float64"),
        ("c", "complex64"),
        ("z", "complex128"),
        ("", "float64"),
    ],
)
def test_typed_constructors(prefix, dtype):
    for kind, shape in (
        ("scalar", ()),
        ("vector", (None,)),
        ("row", (1, None)),
        ("col", (None, 1)),
        ("matrix", (None, None)),
        ("tensor3", (None,) * 3),
        ("tensor4", (None,) * 4),
        ("tensor5", (None,) * 5),
        ("tensor6", (None,) * 6),
        ("tensor7", (None,) * 7),
    ):
        x = getattr(at, prefix + kind)("x")
        assert x.name == "x" and x.type == TensorType(dtype, shape)
        assert getattr(at, prefix + kind)().name is None
        plural = getattr(at, prefix + ("matrices" if kind == "matrix" else kind + "s"))
        assert [v.name for v in plural("x", "y")] == [v.name for v in plural("xy")] == ["x", "y"]
        assert [v.type for v in plural(3)] == [TensorType(dtype, shape)] * 3
    assert isinstance(at.dmatrix, TensorType)


def test_constructor_options():
    assert at.matrix("m", dtype="int8", shape=(2, None)).type == TensorType("int8", (2, None))
    with pytest.raises(ShapeError, match="matrix has 2"):
        at.matrix("m", shape=(2,))
    want = TensorType("float32", (None, 3))
    for made in (
        at.tensor("x", dtype="float32", shape=(None, 3)),
        at.tensor("float32", (None, 3), name="x"),
        at.tensor(dtype="float32", shape=(None, 3), name="x"),
        at.tensor("float32", shape=(None, 3), name="x"),
    ):
        assert made.type == want and made.name == "x"
    assert at.tensor("x", shape=3).type.shape == (3,) and at.tensor("float64", (False, True)).type.shape == (None, 1)
    assert at.tensor(dtype="int8", broadcastable=(True,)).type.shape == (1,)
    with pytest.raises(TypeError, match="takes a name"):
        at.tensor("x", (2, 3), (4,))


def test_grids():
    for mine, numpys in (
        (at.mgrid[0:3, 1:4:2], np.mgrid[0:3, 1:4:2]),
        (at.mgrid[0:5], np.mgrid[0:5]),
        (at.mgrid[0:1:3j], np.mgrid[0:1:3j]),
    ):
        np.testing.assert_allclose(value(mine), numpys)
    for mine, numpys in zip(at.ogrid[0:3, 1:4], np.ogrid[0:3, 1:4]):
        np.testing.assert_array_equal(value(mine), numpys)


@pytest.mark.parametrize(
    "old, new",
    [
        ("abs_", "abs"),
        ("inv", "reciprocal"),
        ("true_div", "true_divide"),
        ("int_div", "floor_divide"),
        ("floor_div", "floor_divide"),
        ("sqr", "square"),
    ],
)
def test_old_names_answer_with_a_warning(old, new):
    with pytest.warns(DeprecationWarning, match=f"use gradc.tensor.{new}"):
        assert getattr(at, old) is getattr(at, new)


def test_unknown_names():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        at.nonsense  # noqa: B018


# ------------------------------------------------------------------------------------------------- indexing


def test_what_is_no_index():
    x = at.dmatrix("x")
    for key in (1.5, "a", at.dscalar("f")):
        with pytest.raises(TypeError, match="indices are integers"):
            x[key]
    for key in (
        (0, 0, 0),
        (..., 0, ...),
    ):
        with pytest.raises(ShapeError):
            x[key]
    with pytest.raises(ShapeError, match="out of bounds"):
        TensorType("float64", (3,))("x")[3]
    with pytest.raises(ShapeError, match="step 0"):
        x[::0]


def test_static_shapes_of_slices():
    x = TensorType("float64", (5, 4))("x")
    assert x[1:3].type.shape == (2, 4) and x[::-2, 0].type.shape == (3,) and x[None, -1:].type.shape == (1, 1, 4)
    assert x[at.constant(1)].type.shape == (4,) and x[np.int64(0) : at.constant(2)].type.shape == (2, 4)


def test_set_subtensor_refusals():
    x, v = at.fmatrix("x"), at.dvector("v")
    with pytest.raises(TypeError, match="part of a tensor"):
        at.set_subtensor(x, 1)
    with pytest.raises(TypeError, match="part of a tensor"):
        at.inc_subtensor(3, 1)
    assert at.set_subtensor(x[0], v).dtype == "float32"
    with pytest.raises(ShapeError, match="dimensions"):
        at.set_subtensor(x[0], at.fmatrix("y"))
    assert at.set_subtensor(x[0], 0.1).dtype == "float32"
    with pytest.raises(TypeError, match="cast it"):
        at.inc_subtensor(at.lvector("k")[0], 0.5)


def test_set_through_new_axes():
    x, v = at.dvector("x"), at.drow("v")
    got = value(at.set_subtensor(x[None, 1:3], v), [x, v], [np.zeros(4), np.array([[1.0, 2.0]])])
    assert got.tolist() == [0, 1, 2, 0]
    with pytest.raises(ShapeError, match="known to be 1"):
        at.set_subtensor(x[None, 1:3], at.dmatrix("m"))


# ------------------------------------------------------------------------------------------------------ shapes


def test_reshape_errors():
    x = at.dmatrix("x")
    with pytest.raises(ShapeError, match="one may be -1"):
        x.reshape((-1, -1))
    with pytest.raises(ShapeError, match="can't be divided"):
        TensorType("float64", (2, 3))("y").reshape((4, -1))
    with pytest.raises(ShapeError, match="ndim="):
        x.reshape(at.lvector("s"))
    with pytest.raises(TypeMismatchError, match="a size is an integer"):
        x.reshape((2.0, 3))
    with pytest.raises(ShapeError):
        value(x.reshape((5, 5)), [x], [_A])


def test_reshape_knows_sizes_that_cancel():
    x = at.dtensor3("x")
    y = x.reshape((x.shape[0], -1))
    sizes = y.owner.inputs[1:]
    assert sizes[1].owner.op == ops.Map("mul")  # shape[1] * shape[2], no division
    assert TensorType("float64", (2, 3, 4))().reshape((2, -1)).type.shape == (2, 12)


def test_shape_of_is_constant_where_known():
    x = TensorType("float64", (None, 3))("x")
    assert x.shape[1].data == 3 and x.shape[-1].data == 3
    assert x.shape[0].owner.op == ops.ShapeOf(0)
    assert at.zeros((2, 3)).shape.data.tolist() == [2, 3]
    assert at.zeros(x.shape).type.shape == (None, 3)


def test_axis_errors():
    x = at.dmatrix("x")
    for call in (
        lambda: at.sum(x, axis=2),
        lambda: at.sum(x, axis=(0, 0)),
        lambda: x.argmax(axis=-3),
        lambda: x.dimshuffle(0, 2),
        lambda: x.dimshuffle(0),
        lambda: at.squeeze(x, axis=0),
        lambda: at.join(2, x, x),
        lambda: at.stack([x, x], axis=3),
        lambda: at.dot(at.ones((2, 3)), at.ones((2, 3))),
        lambda: at.matmul(x, 2),
        lambda: at.diag(at.dtensor3()),
        lambda: at.split(at.ones(4), [1, 2]),
        lambda: at.join(0, x, at.dvector()),
        lambda: at.moveaxis(x, (0, 1), (0, 0)),
        lambda: at.zeros((2, -1)),
        lambda: at.tensordot(x, x, 3),
        lambda: at.specify_shape(at.ones(3), (4,)),
        lambda: at.arange(0, 5, 0),
        lambda: at.einsum("ij,jk", x),
        lambda: at.einsum("i", x),
        lambda: x.flatten(3),
        lambda: at.split(x, [1, 2], 3),
    ):
        with pytest.raises(ValueError):
            call()
    for call in (
        lambda: at.sum(x, axis=0.5),
        lambda: at.sum(x, axis=at.lscalar("k")),
        lambda: at.norm(x, "nuc"),
        lambda: at.round(x, mode="up"),
        lambda: at.where(x > 0, x),
    ):
        with pytest.raises(TypeError):
            call()


def test_run_time_checks():
    x = at.dmatrix("x")
    with pytest.raises(ShapeError, match="split: the sizes add up to 4"):
        value(at.split(x, at.stack([at.constant(1), x.shape[0]]), 2)[0], [x], [_A])
    with pytest.raises(AssertionError, match="specify_shape: dimension 0 of x has size 3"):
        value(at.specify_shape(x, (4, 4)), [x], [_A])
    y = at.dvector("y")
    with pytest.raises(ShapeError, match="sizes 3 and 4 of dimension 1 differ"):
        value(at.stack(list(at.broadcast_shape(x, y))), [x, y], [_A, np.ones(3)])
    with pytest.raises(ShapeError):
        value(at.broadcast_arrays(x, y)[0] + at.broadcast_arrays(x, y)[1], [x, y], [_A, np.ones(3)])
    with pytest.raises(ShapeError, match="size 0"):
        value(y.max(), [y], [np.zeros(0)])


def test_empty_arrays():
    x = at.dmatrix("x")
    empty = np.zeros((0, 4))
    assert value(x.sum(), [x], [empty]) == 0 and value(x.prod(), [x], [empty]) == 1
    assert np.isnan(value(x.mean(), [x], [empty]))
    assert value(at.concatenate([x, x]), [x], [empty]).shape == (0, 4)
    assert value(x.T.dot(x), [x], [empty]).tolist() == np.zeros((4, 4)).tolist()
    assert value(at.diagonal(x), [x], [empty]).shape == value(x.cumsum(), [x], [empty]).shape == (0,)


# --------------------------------------------------------------------------------------------- extreme values


_INF, _NAN = np.inf, np.nan


@pytest.mark.parametrize(
    "row, want",
    [
        ([-_INF, -_INF], -_INF),
        ([_INF, 0.0], _INF),
        ([_INF, _INF], _INF),
        ([_INF, -_INF], _INF),
        ([_NAN, 0.0], _NAN),
        ([1000.0, 1000.0], 1000 + np.log(2)),
        ([-1000.0, -1000.0], -1000 + np.log(2)),
        ([0.0, -_INF], 0.0),
        ([1e308, 1e308], 1e308),
    ],
)
def test_logsumexp_at_extremes(row, want):
    x = at.dvector("x")
    np.testing.assert_equal(value(at.logsumexp(x), [x], [np.array(row)]), want)


def test_softmax_at_extremes():
    x = at.dvector("x")
    big = np.array([1000.0, 0.0, -1000.0])
    np.testing.assert_allclose(value(at.softmax(x), [x], [big]), [1, 0, 0])
    np.testing.assert_allclose(value(at.log_softmax(x), [x], [big]), [0, -1000, -2000])
    np.testing.assert_allclose(value(at.softmax(x), [x], [np.array([0.0, -np.inf])]), [1, 0])


def test_losses_at_extremes():
    x, k = at.dmatrix("x"), at.lvector("k")
    loss = at.nnet.categorical_crossentropy(at.nnet.softmax(x), k)
    np.testing.assert_allclose(value(loss, [x, k], [np.array([[1000.0, -1000.0]]), np.array([1])]), [2000])
    z, t = at.dvectors("zt")
    loss = at.nnet.binary_crossentropy(at.sigmoid(z), t)
    np.testing.assert_allclose(value(loss, [z, t], [np.array([1000.0, -1000.0]), np.array([0.0, 1.0])]), [1000, 1000])


def test_relu_at_zero_and_nan():
    x = at.dvector("x")
    got = value(at.nnet.relu(x), [x], [np.array([-1.0, 0.0, 2.0, np.nan, -np.inf])])
    np.testing.assert_equal(got, [0, 0, 2, np.nan, 0])


def test_parts_of_a_shape_are_sizes():
    x = at.dtensor3("x")
    y = x.reshape(x.shape[::-1])
    assert [s.owner.op for s in y.owner.inputs[1:]] == [ops.ShapeOf(2), ops.ShapeOf(1), ops.ShapeOf(0)]
    assert at.zeros(TensorType("float64", (2, 3, 4))().shape[1:]).type.shape == (3, 4)
