"""CFunction of whole arrays: values, sizes, derivatives, loops, what fails, what is refused."""

import pickle

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc import CFunction
from gradc.errors import (
    CompileError,
    ExecutionError,
    GraphError,
    NullTypeGradError,
    ShapeError,
    ToolchainNotFoundError,
    ToolchainWarning,
    TypeMismatchError,
)
from gradc.gradient import grad

V = np.array([0.5, -1.5, 2.0])
M = np.arange(6.0).reshape(2, 3) - 2

SORTED = CFunction("sorted", {"x": "float64[n]"}, "float64[n]", """
    /* insertion sort */
    for (int64_t i = 0; i < n; ++i) {
        int64_t k = i;
        for (; k > 0 && out[k - 1] > x[i]; --k)
            out[k] = out[k - 1];
        out[k] = x[i];
    }
""")
# x of A x = b, for a triangular A
FORWARD = CFunction("forward", {"A": "float64[n, n]", "b": "float64[n]"}, {"x": "float64[n]"}, """
    for (int64_t i = 0; i < n; ++i) {
        double rest = b[i];
        for (int64_t k = 0; k < i; ++k)
            rest -= A[n * i + k] * x[k];
        if (A[n * i + i] == 0)
            return 1;
        x[i] = rest / A[n * i + i];
    }
""", errors={1: "the matrix has a 0 on its {diagonal}"},
    grad=lambda inputs, outputs, g: (lambda y: [-at.outer(y, outputs[0]), y])(
        FORWARD(inputs[0].T[::-1, ::-1], g[0][::-1])[::-1]))


def both(inputs, outputs, *values):
    """The values in C; those of the interpreter must be the same."""
    native = gradc.function(inputs, outputs, mode=gradc.Mode("c", checked=True))
    plain = gradc.function(inputs, outputs, mode="interpret")
    results = native(*values)
    for a, b in zip(*(r if isinstance(r, list) else [r] for r in (results, plain(*values)))):
        np.testing.assert_allclose(a, b, rtol=1e-13)
        assert a.dtype == b.dtype and a.shape == b.shape
    return results


def test_values():
    x = at.dvector("x")
    f = gradc.function([x], SORTED(at.exp(x)) * 2)
    assert f.info["mode"] == "c" and "calls" not in f.info
    np.testing.assert_allclose(both([x], SORTED(at.exp(x)) * 2, V), np.sort(np.exp(V)) * 2)
    m = at.dmatrix("m")
    np.testing.assert_array_equal(both([m], SORTED(m.T[1]), M), np.sort(M[:, 1]))
    np.testing.assert_array_equal(both([m], SORTED(m[1]), M), M[1])
    assert both([x], SORTED(x), V[:0]).shape == (0,)
    assert str(SORTED(x).owner.op) == "CFunction sorted" and repr(SORTED) == "CFunction(sorted)"
    bound = f.bind(V)
    bound()
    np.testing.assert_allclose(bound.out, np.sort(np.exp(V)) * 2)


def test_derivatives():
    a, b = at.dmatrix("a"), at.dvector("b")
    lower = at.switch(at.arange(3)[:, None] >= at.arange(3), a, 0.0) + 2 * at.eye(3)
    matrix = np.tril(np.outer(V, V)) + 2 * np.eye(3)
    np.testing.assert_allclose(both([a, b], FORWARD(lower, b), np.outer(V, V), V), np.linalg.solve(matrix, V))
    gradc.verify_grad(lambda a, b: FORWARD(at.switch(at.arange(3)[:, None] >= at.arange(3), a, 0.0) + 2 * at.eye(3), b),
                      [np.outer(V, V), V])
    second = grad(grad((FORWARD(lower, b) ** 3).sum(), b)[0], b)       # 6 x_j inv_jk inv_j0, summed over j
    inverse, x = np.linalg.inv(matrix), np.linalg.solve(matrix, V)
    np.testing.assert_allclose(both([a, b], second, np.outer(V, V), V), (6 * x * inverse[:, 0]) @ inverse)
    with pytest.raises(NullTypeGradError, match="CFunction sorted was given no grad"):
        grad(SORTED(b).sum(), b)


def test_several_results_scalars_and_dtypes():
    scan = CFunction("runs", {"x": "float32[n]", "flags": "bool[n]", "k": "int64", "step": "float32"},
                     {"y": "float32[2 * n + max(k, 0) - 1]", "count": "int64", "seen": "bool[n, 2]"}, """
        *count = 0;
        for (int64_t i = 0; i < 2 * n + (k > 0 ? k : 0) - 1; ++i)
            y[i] = x[i % n] + step;
        for (int64_t i = 0; i < n; ++i) {
            seen[2 * i] = flags[i];
            seen[2 * i + 1] = !flags[i];
            *count += flags[i];
        }
    """)
    x, k = at.fvector("x"), at.iscalar("k")
    y, count, seen = scan(x, x > 0, k, 0.5)
    assert (y.type.ndim, count.type.dtype, seen.type.shape) == (1, "int64", (None, 2))
    values = both([x, k], [y, count * 2, seen], np.float32(V), 2)
    np.testing.assert_array_equal(values[0], np.resize(np.float32(V), 7) + np.float32(0.5))
    assert values[1] == 4
    np.testing.assert_array_equal(values[2], [[1, 0], [0, 1], [1, 0]])
    shape = gradc.function([x, k], [y.shape[0], seen.shape])
    assert "runs" not in shape.c_source().split("*/")[1] and shape(np.float32(V), -3)[0] == 5
    fixed = at.TensorType("float32", (4,))("fixed")
    assert scan(fixed, fixed > 0, np.int64(3), 0.5)[0].type.shape == (10,)


def test_in_loops_and_branches():
    a, xs = at.dmatrix("a"), at.dmatrix("xs")
    hs, _ = gradc.scan(lambda x, h, a: FORWARD(a, x + h), sequences=xs, outputs_info=at.zeros(3), non_sequences=a)
    cost = (hs ** 2).sum()
    matrix = np.tril(np.outer(V, V)) + 2 * np.eye(3)
    values = both([a, xs], [hs, grad(cost, xs)], matrix, M)
    h, wanted = np.zeros(3), []
    for row in M:
        h = np.linalg.solve(matrix, row + h)
        wanted.append(h)
    np.testing.assert_allclose(values[0], wanted)
    inverse = np.linalg.inv(matrix)
    second = inverse.T @ (2 * wanted[1])
    np.testing.assert_allclose(values[1], [inverse.T @ (2 * wanted[0] + second), second])
    x = at.dvector("x")
    y = gradc.ifelse(x[0] > 0, SORTED(x), -x)
    np.testing.assert_array_equal(both([x], y, V), np.sort(V))
    np.testing.assert_array_equal(both([x], y, -V), V)


@pytest.mark.parametrize("mode", ["c", "interpret"])
def test_failures_name_the_line(mode):
    a, b = at.dmatrix("a"), at.dvector("b")
    w = gradc.shared(V.copy())
    y = FORWARD(a, b)
    f = gradc.function([a, b], y, mode=mode, updates=[(w, w + y)])
    with pytest.raises(ExecutionError, match=r"forward failed: the matrix has a 0 on its \{diagonal\}") as info:
        f(np.zeros((3, 3)), V)
    line = next(k for k, text in enumerate(open(__file__), 1) if text.strip() == "y = FORWARD(a, b)")
    assert str(info.value).count("where: ") == 1 and f"where: {__file__}:{line}" in str(info.value)
    np.testing.assert_array_equal(w.get_value(), V)
    with pytest.raises(ShapeError, match="CFunction forward: the size of dimension 1 of A is not n"):
        f(np.zeros((3, 2)), V)
    with pytest.raises(ShapeError, match="CFunction forward: the size of dimension 0 of b is not n"):
        f(np.eye(2), V)
    seven = CFunction("seven", {"x": "float64[n]"}, "float64[n - 2]", "return 7;")
    g = gradc.function([b], seven(b), mode=mode)
    with pytest.raises(ExecutionError, match="CFunction seven failed: its C code returned 7"):
        g(V)
    with pytest.raises(ShapeError, match="CFunction seven: a size must not be negative, got -1"):
        g(V[:1])


def test_fixed_sizes():
    first = CFunction("leading", {"x": "float64[3]", "m": "float64[2, n]"}, "float64[]", "*out = x[0] + m[0] + n;")
    x, m = at.dvector("x"), at.dmatrix("m")
    assert both([x, m], first(x, m), V, M) == 0.5 - 2 + 3
    with pytest.raises(ShapeError, match="the size of dimension 0 of x is not 3"):
        gradc.function([x, m], first(x, m))(V[:2], M)
    with pytest.raises(ShapeError, match=r"dimension 0 of m is not 2: it is 4, not 2"):
        first(x, at.zeros((4, 4)))


def test_numpy_and_no_compiler(monkeypatch):
    x = at.dvector("x")
    given = CFunction("swapped", {"x": "float64[n]"}, {"a": "float64[n]", "b": "float64"},
                      "for (int64_t i = 0; i < n; ++i) a[n - 1 - i] = x[i]; *b = 71;", numpy=lambda x: (x[::-1], 71.0))
    values = both([x], given(x), V)
    np.testing.assert_array_equal(values[0], V[::-1])
    few = CFunction("few", {"x": "float64[n]"}, {"a": "float64[n]", "b": "float64"}, "*b = 0;", numpy=lambda x: [x])
    with pytest.raises(ExecutionError, match="the NumPy function of CFunction few must return 2 results, got 1"):
        gradc.function([x], few(x), mode="interpret")(V)

    def missing(*args, **options):
        raise ToolchainNotFoundError("there is none; install one")

    monkeypatch.setattr(gradc.runtime.build, "obtain", missing)
    with pytest.warns(ToolchainWarning, match="there is none"):
        f = gradc.function([x], given(x)[0] * 2)
    np.testing.assert_array_equal(f(V), 2 * V[::-1])
    bare = CFunction("bare", {"x": "float64[n]"}, "float64", "*out = 73;")
    with pytest.raises(ToolchainNotFoundError, match="install one"):
        gradc.function([x], bare(x))


def test_a_mistake_is_shown_in_the_users_text():
    x = at.dvector("x")
    wrong = CFunction("wrong_loop", {"x": "float64[n]"}, "float64[n]", """
        for (int64_t i = 0; i < n; ++i)
            out[i] = x[i] * z;
    """)
    for mode in ("c", "interpret"):
        with pytest.raises(CompileError, match=r"CFunction wrong_loop .*line 2, 'out\[i\] = x\[i\] \* z;': .*z"):
            gradc.function([x], wrong(x), mode=mode)(V)


def test_memory_of_its_own():
    reverse = CFunction("reverse_in_blocks", {"x": "float64[n, m]"}, "float64[n, m]", """
        double *row = malloc(m * sizeof *row);
        if (!row)
            return 1;
        for (int64_t i = 0; i < n; ++i) {
            memcpy(row, x + i * m, m * sizeof *row);
            for (int64_t k = 0; k < m; ++k)
                out[i * m + k] = row[m - 1 - k];
        }
        free(row);
    """, errors={1: "no memory"})
    x = at.dmatrix("x")
    np.testing.assert_array_equal(both([x], reverse(x.T) + 1, M), M.T[:, ::-1] + 1)


def test_equal_functions_are_one_and_others_are_not():
    x = at.dvector("x")
    code = "for (int64_t i = 0; i < n; ++i) out[i] = x[i] + %d;"
    one, again, other = (CFunction("f", {"x": "float64[n]"}, "float64[n]", code % k) for k in (1, 1, 2))
    np.testing.assert_array_equal(both([x], [one(x), again(x), other(x)], V), [V + 1, V + 1, V + 2])
    f = gradc.function([x], [one(x), again(x), other(x)])
    assert f.c_source().count("const int status = gradc_user_f") == 2
    g = gradc.function([x], other(x))
    assert g.info["key"] != gradc.function([x], one(x)).info["key"] == gradc.function([x], again(x)).info["key"]
    h = pickle.loads(pickle.dumps(gradc.function([x], SORTED(x))))
    np.testing.assert_array_equal(h(V), np.sort(V))
    plain = pickle.loads(pickle.dumps(gradc.function([x], SORTED(x), mode="interpret")))
    np.testing.assert_array_equal(plain(V), np.sort(V))


def test_threads_give_the_same():
    x = at.dvector("x")
    f = gradc.function([x], at.exp(SORTED(at.sin(x))).sum())
    values = np.linspace(0, 3, 2000)
    before, results = gradc.get_num_threads(), []
    for n in (1, 2):
        gradc.set_num_threads(n)
        results.append(f(values))
    gradc.set_num_threads(before)
    assert results[0] == results[1]
    np.testing.assert_allclose(results[0], np.exp(np.sin(values)).sum())


def test_what_is_refused():
    x = at.dvector("x")

    def made(inputs, output, **options):
        return CFunction("f", inputs, output, "", **options)

    for inputs, output, message in (
            ({"x": "float64[n + 1]"}, "float64", "sizes of x, an input, are names or numbers, got n \\+ 1"),
            ({"x": "float64[n]"}, "float64[m]", "sizes of out, an output, are made by .* of n, got m"),
            ({"x": "float64[n]"}, "float64[n / 2]", "sizes of out, an output, are made by .* got n / 2"),
            ({"x": "float64[n]"}, "float64[n.real]", "sizes of out, an output, .* got n.real"),
            ({"x": "float64[n]", "a": "float64"}, "float64[a]", "sizes of out, an output, .* got a"),
            ({"x": "float64[n"}, "float64", "declared as a dtype with sizes such as"),
            ({"x": "float64[n m]"}, "float64", "the sizes of x can't be read"),
            ({"x": "float64[x]"}, "float64", "'x' is the name of two things"),
            ({"out": "float64[n]"}, "float64", "'out' is the name of two things"),
            ({"x": "float64[int]"}, "float64", "'int' is no name that can be used in C"),
            ({"x": "float64[n]"}, {"exp": "float64"}, "'exp' is no name"),
            ({"x": "float64[n]"}, {}, "has no outputs")):
        with pytest.raises(GraphError, match=message):
            made(inputs, output)
    with pytest.raises(TypeMismatchError, match=r"the dtype of x must be one of .* got 'complex128'"):
        made({"x": "complex128[n]"}, "float64")
    with pytest.raises(GraphError, match="give `grad`, not `derivatives`"):
        made({"x": "float64[n]"}, "float64", derivatives=["1"])
    with pytest.raises(GraphError, match="errors are texts by number, which is not 0, got 0"):
        made({"x": "float64[n]"}, "float64", errors={0: "fine"})
    with pytest.raises(GraphError, match="one of scalars, which takes `derivatives`, not `grad`"):
        made({"x": "float64"}, "float64", grad=lambda *_: [None])
    with pytest.raises(TypeMismatchError, match="x has dtype float64 and rank 1, got m, which is f64"):
        SORTED(at.dmatrix("m"))
    with pytest.raises(TypeMismatchError, match="x is float64, got z, which is c128"):
        SORTED(at.zvector("z"))
    with pytest.raises(TypeMismatchError, match=r"forward takes 2 argument\(s\), got 1"):
        FORWARD(x)
