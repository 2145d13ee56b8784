"""C functions that compiled functions have: called by SciPy, ctypes and cffi, from many threads, and when they fail."""

from __future__ import annotations

import ctypes
import gc
import threading
from collections.abc import Callable
from typing import Any

import cffi
import numpy as np
import pytest
from scipy import LowLevelCallable, integrate, ndimage

import gradc
from gradc import tensor as at
from gradc.codegen.pointers import parse
from gradc.errors import BadArgumentError, GraphError, IndexOutOfBoundsError, TypeMismatchError

RNG = np.random.default_rng(0)


def pointer(a: np.ndarray) -> Any:
    return a.ctypes.data_as(ctypes.POINTER(np.ctypeslib.as_ctypes_type(a.dtype)))


@pytest.fixture(scope="module")
def bell() -> Any:
    x = at.dscalar("x")
    return gradc.function([x], at.exp(-x ** 2), name="bell")


@pytest.fixture(scope="module")
def norm() -> Any:
    v = at.dvector("v")
    return gradc.function([v], at.sqrt((v ** 2).sum()))


@pytest.fixture(scope="module")
def density() -> Any:
    """A log density and its gradient, with a check and values that may be nan."""
    x = at.dvector("x")
    logp = -(x ** 2).sum() / 2 + at.log(x[0] + 3) + 0 * x[at.cast(at.abs(x[1]), "int64")]
    return gradc.function([x], [logp, gradc.grad(logp, x)], name="density")


def test_scipy_integrates(bell: Any) -> None:
    for signature in ("double (double)", "double (double, void *)"):
        got, _ = integrate.quad(LowLevelCallable(bell.low_level(signature).capsule), 0, 1)
        np.testing.assert_allclose(got, integrate.quad(lambda t: np.exp(-t * t), 0, 1)[0], rtol=1e-13)
    v = at.dvector()
    f = gradc.function([v], at.prod(at.cos(v)))
    for signature in ("double (int, double *)", "double (int, double *, void *)", "double (int n, double x[n])"):
        got, _ = integrate.nquad(LowLevelCallable(f.low_level(signature).capsule), [[0, 1], [0, 2]])
        np.testing.assert_allclose(got, np.sin(1) * np.sin(2), rtol=1e-12)


def test_scipy_filters(norm: Any) -> None:
    image = RNG.normal(size=(6, 7))
    low = norm.low_level("int (double *, intptr_t, double *, void *)")
    np.testing.assert_allclose(ndimage.generic_filter(image, LowLevelCallable(low.capsule), 3),
                               ndimage.generic_filter(image, np.linalg.norm, 3))
    v, to = at.dvector(), at.lvector()
    line = gradc.function([v], v[1:-1] + v[2:] - v[:-2])
    low = line.low_level("int (double *, npy_intp, double *, npy_intp, void *)")

    def in_numpy(x: np.ndarray, out: np.ndarray) -> None:
        out[:] = x[1:-1] + x[2:] - x[:-2]

    np.testing.assert_allclose(ndimage.generic_filter1d(image, LowLevelCallable(low.capsule), 3),
                               ndimage.generic_filter1d(image, in_numpy, 3))
    shifted = gradc.function([to], to + 0.5)
    low = shifted.low_level("int (npy_intp *, double *, int, int, void *)")
    np.testing.assert_allclose(ndimage.geometric_transform(image, LowLevelCallable(low.capsule)),
                               ndimage.geometric_transform(image, lambda k: (k[0] + 0.5, k[1] + 0.5)))


def test_a_failed_call_stops_scipy(norm: Any) -> None:
    v = at.dvector("v")
    f = gradc.function([v], v[at.cast(v[0], "int64")])
    low = f.low_level("int (double *, intptr_t, double *, void *)")
    with pytest.raises(RuntimeError):
        ndimage.generic_filter(np.full((3, 3), 100.0), LowLevelCallable(low.capsule), 3)
    assert isinstance(low.error(), IndexOutOfBoundsError)


def test_log_densities(density: Any) -> None:
    low = density.low_level("logp_grad", sizes={"n": 3})
    assert low.signature == "int (double *, double *, double *, void *)"
    call, x, grad, logp = low.ctypes, np.array([1.0, 2.0, -1.0]), np.zeros(3), np.zeros(())

    def status(*values: float) -> int:
        x[:] = values
        return call(pointer(x), pointer(grad), pointer(logp), None)

    assert status(1, 2, -1) == 0
    np.testing.assert_allclose(logp, -3 + np.log(4), rtol=1e-15)
    np.testing.assert_allclose(grad, [-1 + 0.25, -2, 1], rtol=1e-15)
    assert low.error() is None
    assert status(-4, 2, -1) == 2 and "nan or infinite" in str(low.error())
    assert status(1, 7, -1) == 1
    assert status(-4, 2, -1) == 2                       # the first failure is told
    with pytest.raises(IndexOutOfBoundsError) as expected:
        density(np.array([1.0, 7.0, -1.0]))
    assert str(low.error()) == str(expected.value) and "test_lowlevel.py" in str(expected.value)
    assert low.error() is None
    assert status(0, 0, 0) == 0 and logp == np.log(3)   # and nothing is broken
    free = density.low_level("logp_grad", sizes={"n": 3}, finite=False).ctypes
    x[:] = -4, 2, -1
    assert free(pointer(x), pointer(grad), pointer(logp), None) == 0 and np.isnan(logp)


def test_steps_of_a_differential_equation() -> None:
    t, y = at.dscalar("t"), at.dvector("y")
    f = gradc.function([t, y], at.stack([y[1], -y[0] + 0.1 * t]))
    call = f.low_level("int (double t, const double y[n], double ydot[n], void *)", sizes={"n": 2}).ctypes

    def right(t: float, y: np.ndarray) -> np.ndarray:
        out = np.empty(2)
        assert call(t, pointer(y), pointer(out), None) == 0
        return out

    solved = integrate.solve_ivp(right, (0, 3), [1.0, 0.0], rtol=1e-9, atol=1e-12).y[:, -1]
    right_one = [np.cos(3) - 0.1 * np.sin(3) + 0.3, -np.sin(3) - 0.1 * np.cos(3) + 0.1]
    np.testing.assert_allclose(solved, right_one, rtol=1e-7)


def test_kinds_of_parameters() -> None:
    """Matrices, other dtypes, scalars by pointer, results in other places by name."""
    m, k, w = at.fmatrix("m"), at.lscalar("k"), at.zvector("w")
    total = (m * at.cast(k, "float32")).sum(axis=0)
    f = gradc.function([m, k, w], {"total": total, "turned": w * 1j, "positive": k > 0})
    low = f.low_level("void (const float m[rows][columns], int64_t *k, double _Complex w[two], _Bool *positive, "
                      "size_t rows, int columns, float total[columns], double _Complex turned[2])", sizes={"two": 2})
    a, number, z = RNG.normal(size=(3, 4)).astype("float32"), np.array(-2), np.array([1 + 2j, 3 - 1j])
    total, turned, positive = np.zeros(4, "float32"), np.zeros(2, complex), np.ones((), bool)
    with pytest.raises(TypeMismatchError, match="no complex numbers"):
        _ = low.ctypes
    ffi = cffi.FFI()
    function = low.cffi(ffi)
    raw = lambda kind, x: ffi.cast(kind, x.ctypes.data)      # noqa: E731
    function(raw("float *", a), raw("int64_t *", number), raw("double _Complex *", z), raw("_Bool *", positive), 3, 4,
             raw("float *", total), raw("double _Complex *", turned))
    np.testing.assert_allclose(total, -2 * a.sum(axis=0), rtol=1e-6)
    np.testing.assert_array_equal(turned, z * 1j)
    assert not positive and low.error() is None
    function(raw("float *", a), raw("int64_t *", number), raw("double _Complex *", z), raw("_Bool *", positive), 3, -4,
             raw("float *", total), raw("double _Complex *", turned))
    assert isinstance(low.error(), gradc.errors.ShapeError)


def test_sizes_are_checked(norm: Any) -> None:
    v = at.TensorType("float64", (3,))("v")
    f = gradc.function([v], 2 * v)
    call = f.low_level("int (const double v[n], long n, double y[m], int m)").ctypes
    x, y = np.arange(3.0), np.zeros(3)
    assert call(pointer(x), 3, pointer(y), 3) == 0 and y.tolist() == [0, 2, 4]
    assert call(pointer(x), 2, pointer(y), 3) == call(pointer(x), 3, pointer(y), 4) == -2
    assert call(pointer(x), -3, pointer(y), 3) == -2
    low = norm.low_level("double (unsigned long n, double v[n])")
    assert low.ctypes(2, pointer(np.array([3.0, 4.0]))) == 5
    assert np.isnan(low.ctypes(2 ** 63, pointer(x)))


def test_shared_variables_and_defaults_as_they_are() -> None:
    x, offset = at.dscalars("x", "offset")
    scale, shifts = gradc.shared(2.0), gradc.shared(np.arange(3.0))
    f = gradc.function([x, gradc.In(offset, value=10.0)], x * scale + shifts.sum() + offset)
    before = f.low_level("double (double)").ctypes
    scale.set_value(3.0)
    shifts.set_value(np.ones(5))
    gc.collect()
    assert before(1.0) == 15.0
    assert f.low_level("double (double)").ctypes(1.0) == 18.0


def test_inputs_that_are_given() -> None:
    x, a, b = at.dscalar("x"), at.dscalar("a"), at.dvector("b")
    f = gradc.function([a, x, b], a * x + b.sum())
    low = f.low_level("double (double, void *)", given={"a": 2, 2: np.ones(3)})
    assert low.ctypes(5.0, None) == 13.0
    assert integrate.quad(LowLevelCallable(low.capsule), 0, 1)[0] == pytest.approx(4.0, rel=1e-14)
    for wrong in ({"c": 1}, {3: 1}):
        with pytest.raises(GraphError, match="has the inputs a, x, b"):
            f.low_level("double (double)", given=wrong)  # type: ignore[arg-type]
    with pytest.raises(BadArgumentError, match='Bad input argument "b"'):
        f.low_level("double (double)", given={"a": 2, "b": np.ones((2, 2))})


def test_threads_call_at_once() -> None:
    """Each with its own numbers, some with scratch memory and sections on the pool."""
    v = at.dvector("v")
    f = gradc.function([v], [at.cumsum(at.sort(v))[-1] + at.dot(at.outer(v, v), v).sum()])
    call = f.low_level("int (double v[n], int64_t n, double *y)").ctypes
    inputs = [RNG.normal(size=200 + 100 * k) for k in range(4)]
    expected = [float(f(x)[0]) for x in inputs]
    wrong: list[int] = []

    def work(k: int) -> None:
        y = np.zeros(())
        for _ in range(200):
            if call(pointer(inputs[k]), len(inputs[k]), pointer(y)) != 0 or y != expected[k]:
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_owners_and_what_outlives_them(bell: Any) -> None:
    made = [bell.low_level("double (double)") for _ in range(70)]       # more than one unit has
    assert len({low.address for low in made}) == 70
    assert {low.ctypes(0.5) for low in made} == {np.exp(-0.25)}
    kept, capsule = made[3].ctypes, made[4].capsule
    bare = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(made[5].address)
    status = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_double), ctypes.POINTER(ctypes.c_double))
    low = bell.low_level("int (double *, double *)")
    dead = status(low.address)
    x, y = np.array(0.5), np.zeros(())
    assert dead(pointer(x), pointer(y)) == 0
    del made, low
    gc.collect()
    assert kept(0.5) == np.exp(-0.25)
    np.testing.assert_allclose(integrate.quad(LowLevelCallable(capsule), 0, 1)[0], 0.7468241328124271, rtol=1e-12)
    assert np.isnan(bare(0.5)) and dead(pointer(x), pointer(y)) == -3


def test_an_address_lives_as_long_as_its_function() -> None:
    x = at.dscalar()
    f = gradc.function([x], 3 * x)
    address = f.address("double (double)")
    gc.collect()
    call = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(address)
    assert call(2.0) == 6.0
    del f
    gc.collect()
    assert np.isnan(call(2.0))


def test_what_needs_python_is_refused(norm: Any) -> None:
    x, v, total = at.dscalar("x"), at.dvector("v"), gradc.shared(0.0)

    @gradc.as_op(at.dscalar, at.dscalar, infer_shape=lambda fgraph, node, shapes: shapes)
    def in_python(a: np.ndarray) -> np.ndarray:
        return a + 1

    refused: list[tuple[Callable[[], Any], str]] = [
        (lambda: gradc.function([x], x, updates=[(total, total + x)]), "has updates"),
        (lambda: gradc.function([x], in_python(x)), "written in Python"),
        (lambda: gradc.function([v], v[v > 0]), "sizes depend on computed data"),
        (lambda: gradc.function([x], x, mode="interpret"), "runs in interpret")]
    for build, message in refused:
        f = build()
        with pytest.raises(BadArgumentError, match=message):
            f.low_level("int (double v[n], int n, double y[n])" if "sizes" in message else "double (double)")


@pytest.mark.parametrize("signature, message", [
    ("double", "a C function's type"), ("string (double)", "no type that gradc knows"),
    ("double (double **)", "can't be read"), ("double (double x[n + 1])", "a size is a name or a number"),
    ("double (float, double *, int)", "3 parameter"), ("int (float *, double *)", "points to float"),
    ("double (double *)", "size of axis 0 of input v is not known"), ("float (int n, double v[n])", "it returns float"),
    ("double (int n, double v[n][n])", "has 2 size"), ("double (double n, double v[n])", "not an integer"),
    ("double (int n, double v[n], double *y)", "int or void, not double"),
    ("int (int n, double v[n], double y)", "is a double"),
])
def test_signatures_that_do_not_fit(norm: Any, signature: str, message: str) -> None:
    with pytest.raises(GraphError, match=message) as failed:
        norm.low_level(signature)
    assert "test_lowlevel.py" in str(failed.value)


def test_options_that_do_not_fit(norm: Any, density: Any) -> None:
    with pytest.raises(GraphError, match="stands behind no parameter"):
        norm.low_level("double (double v[n])", sizes={"m": 3})
    with pytest.raises(GraphError, match="not negative"):
        norm.low_level("double (double v[n])", sizes={"n": -3})
    with pytest.raises(GraphError, match="0 or 1"):
        norm.low_level("int (int n, double v[n], double *)", success=2)
    with pytest.raises(GraphError, match="must be a scalar, the log density"):
        norm.low_level("logp_grad")


def test_signatures_are_spelled_as_scipy_does() -> None:
    for text, short in {"double(*)(double)": "double (double)", "void ()": "void ()", "int (void)": "int ()",
                        "long long f (x)": None, "double ( const double x [ n ], unsigned  int n ) ;":
                        "double (double *, unsigned int)", "int (double *const restrict y, unsigned long long)":
                        "int (double *, unsigned long long)"}.items():
        if short is None:
            with pytest.raises(GraphError):
                parse(text)
        else:
            assert parse(text).text == short
