"""CFunction: C code of one's own in fused loops, its derivatives, the interpreter, what is refused."""

import pickle

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc import CFunction
from gradc.errors import CompileError, GraphError, NullTypeGradError, ToolchainNotFoundError, TypeMismatchError
from gradc.gradient import grad

V = np.array([0.5, -1.5, 2.0])
THREE_SQUARES = CFunction("three_squares", {"x": "float64"}, "float64", "3 * x * x", derivatives=["6 * x"])
CUBE = CFunction("cube", {"x": "float64"}, "float64", "x * x * x", derivatives=[THREE_SQUARES])
PRODUCT = CFunction("product", {"x": "float64", "y": "float64"}, "float64", """
    /* x sin(y) */
    const double s = sin(y);
    return x * s;
""", derivatives=[lambda x, y: at.sin(y), lambda x, y: x * at.cos(y)])


def both(inputs, outputs, *values):
    """The values in C; those of the interpreter must be the same."""
    native = gradc.function(inputs, outputs, mode="c")
    plain = gradc.function(inputs, outputs, mode="interpret")
    results = native(*values)
    for a, b in zip(*(r if isinstance(r, list) else [r] for r in (results, plain(*values)))):
        np.testing.assert_allclose(a, b, rtol=1e-14)
        assert a.dtype == b.dtype and a.shape == b.shape
    return results


def test_it_is_part_of_the_loop_around_it():
    x = at.dvector("x")
    y = at.exp(CUBE(x)) + 1
    f = gradc.function([x], [y, grad(y.sum(), x)])
    assert f.info["sections"] == 1
    value, slope = both([x], [y, grad(y.sum(), x)], V)
    np.testing.assert_allclose(value, np.exp(V ** 3) + 1, rtol=1e-14)
    np.testing.assert_allclose(slope, np.exp(V ** 3) * 3 * V ** 2, rtol=1e-14)
    assert "cube(x)" in gradc.pp(CUBE(x))


def test_derivatives_of_every_order():
    x, t = at.dvectors("x", "t")
    second = grad(grad(CUBE(x).sum(), x).sum(), x)
    np.testing.assert_allclose(both([x], second, V), 6 * V)
    np.testing.assert_allclose(both([x, t], gradc.Rop(CUBE(x), x, t), V, V), 3 * V ** 3)
    with pytest.raises(NullTypeGradError, match="CFunction three_squares_d0 was given no derivatives"):
        grad(second.sum(), x)
    gradc.verify_grad(lambda x, y: grad(PRODUCT(x, y * y).sum(), y), [V, V + 1])


def test_broadcasting_and_casts():
    m, v, s, f = at.dmatrix("m"), at.dvector("v"), at.dscalar("s"), at.fvector("f")
    out = PRODUCT(m, v)
    g = grad((out * s).sum(), v)
    matrix = np.arange(6.0).reshape(2, 3)
    values = both([m, v, s], [out, g, PRODUCT(s, v), PRODUCT(2, v)], matrix, V, 3.0)
    np.testing.assert_allclose(values[0], matrix * np.sin(V))
    np.testing.assert_allclose(values[1], 3 * matrix.sum(0) * np.cos(V))
    np.testing.assert_allclose(values[3], 2 * np.sin(V))
    np.testing.assert_allclose(both([f], grad(CUBE(f).sum(), f), np.float32(V)), 3 * np.float32(V) ** 2)


def test_other_dtypes():
    x, k = at.fvector("x"), at.ivector("k")
    ldexp = CFunction("scaled", {"x": "float32", "k": "int32"}, "float32", "ldexpf(x, k)",
                      derivatives=[lambda x, k: at.exp2(at.cast(k, "float32")), None])
    out = ldexp(x, k)
    value, slope = both([x, k], [out, grad(out.sum(), x)], np.float32(V), np.int32([1, 2, 3]))
    assert value.dtype == "float32"
    np.testing.assert_array_equal(value, np.float32(V) * [2, 4, 8])
    np.testing.assert_array_equal(slope, [2, 4, 8])
    odd = CFunction("is_odd", {"k": "int64"}, bool, "k % 2 != 0")
    np.testing.assert_array_equal(both([k], odd(k), np.int32([1, 2, 3])), [True, False, True])
    n = at.lscalar("n")
    size = CFunction("next", {"k": "int64"}, "int64", "k + 1")(n)
    assert gradc.function([n], at.zeros((size,)))(2).shape == (3,)      # in the interpreter


def test_in_loops():
    x = at.dscalar("x")
    half = CFunction("half_of_cosine", {"x": "float64"}, "float64", "0.5 * cos(x)", ["-0.5 * sin(x)"])
    states, _ = gradc.scan(lambda h: half(h), outputs_info=[x], n_steps=5)
    value, slope = both([x], [states[-1], grad(states[-1], x)], 0.3)
    h, d = 0.3, 1.0
    for _ in range(5):
        h, d = 0.5 * np.cos(h), -0.5 * np.sin(h) * d
    np.testing.assert_allclose([value, slope], [h, d], rtol=1e-13)


def test_equal_names_and_other_code():
    x = at.dvector("x")
    once, twice = (CFunction("f", {"x": "float64"}, "float64", code) for code in ("x + 1", "x + 2"))
    np.testing.assert_array_equal(both([x], [once(x), twice(x)], V), [V + 1, V + 2])


def test_pickles():
    x = at.dvector("x")
    f = pickle.loads(pickle.dumps(gradc.function([x], grad(CUBE(x).sum(), x))))
    np.testing.assert_allclose(f(V), 3 * V ** 2)


def test_a_mistake_is_shown_in_the_users_text():
    x = at.dvector("x")
    wrong = CFunction("wrong", {"x": "float64"}, "float64", """
        double y = x;
        return y * z;
    """)
    with pytest.raises(CompileError, match=r"CFunction wrong .*test_cfunction.*line 2, 'return y \* z;': .*z") as info:
        gradc.function([x], wrong(x))
    assert info.value.command and "wrong" in info.value.output
    with pytest.raises(CompileError, match=r"CFunction torn .*line 1, 'x \+': "):
        gradc.function([x], CFunction("torn", {"x": "float64"}, "float64", "x +")(x))
    with pytest.raises(CompileError, match="CFunction wrong"):
        gradc.function([x], wrong(x), mode="interpret")(V)


def test_without_a_compiler(monkeypatch):
    x = at.dvector("x")
    plain = CFunction("plain", {"x": "float64"}, "float64", "x * 17", numpy=lambda x: 17 * x)
    bare = CFunction("bare", {"x": "float64"}, "float64", "x * 19")

    def missing(*args, **options):
        raise ToolchainNotFoundError("no C compiler was found; install one")

    monkeypatch.setattr(gradc.runtime.build, "obtain", missing)
    with pytest.warns(gradc.errors.ToolchainWarning):
        f = gradc.function([x], plain(x))
    np.testing.assert_array_equal(f(V), 17 * V)
    with pytest.raises(ToolchainNotFoundError, match="install one"):
        gradc.function([x], bare(x))
    rows, _ = gradc.scan(lambda row: bare(row), sequences=[x])
    with pytest.raises(ToolchainNotFoundError, match="install one"):
        gradc.function([x], rows)
    with pytest.raises(ToolchainNotFoundError, match="install one"):
        gradc.function([x], bare(x), mode="interpret")(V)


def test_what_is_refused():
    x = at.dvector("x")
    for name, inputs in (("a b", {"x": "float64"}), ("f", {"double": "float64"}), ("gradc_f", {"x": "float64"})):
        with pytest.raises(GraphError, match="is no name that can be used in C"):
            CFunction(name, inputs, "float64", "1")
    with pytest.raises(GraphError, match="has no inputs"):
        CFunction("f", {}, "float64", "1")
    with pytest.raises(TypeMismatchError, match=r"dtype of x must be one of .* got 'complex128'"):
        CFunction("f", {"x": "complex128"}, "float64", "1")
    with pytest.raises(TypeMismatchError, match="dtype of the output"):
        CFunction("f", {"x": "float64"}, "text", "1")
    with pytest.raises(GraphError, match="one for each of its 1 inputs, got 2"):
        CFunction("f", {"x": "float64"}, "float64", "1", ["1", "2"])
    with pytest.raises(TypeMismatchError, match="a derivative is C code"):
        CFunction("f", {"x": "float64"}, "float64", "1", [3])
    with pytest.raises(TypeMismatchError, match=r"cube takes 1 argument\(s\), got 2"):
        CUBE(x, x)
    with pytest.raises(TypeMismatchError, match="k is int64, got x, which is f64"):
        CFunction("f", {"k": "int64"}, "int64", "k")(x)
