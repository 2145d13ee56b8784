"""Fourier transforms: values against long doubles, all layouts in C, adjoints, second derivatives, what is refused.

Values and gradients of small arrays are in tests/cases_fft.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.fft
import scipy.signal

import gradc
import gradc.tensor as at
from gradc.errors import BadValueError, ShapeError, TypeMismatchError
from gradc.gradient import Rop, grad
from gradc.ir import transforms

rng = np.random.default_rng(3)
LENGTHS = [*range(1, 34), 45, 48, 49, 64, 77, 100, 121, 125, 128, 169, 210, 243, 256, 263, 509]


def exact(x: np.ndarray, inverse: bool = False) -> np.ndarray:
    """The transform along the last axis, by sums of long doubles."""
    n = x.shape[-1]
    angles = 2 * np.arctan2(np.longdouble(0), np.longdouble(-1)) * np.arange(n) / np.longdouble(n)
    roots = (np.cos(angles) + (1j if inverse else -1j) * np.sin(angles)).astype(np.clongdouble)
    places = np.arange(n)
    return np.stack([(x.astype(np.clongdouble) * roots[k * places % n]).sum(-1) for k in range(n)], -1)


def error(got: np.ndarray, want: np.ndarray) -> float:
    """Relative to the norm, in units of eps log2(n)."""
    eps = np.finfo(got.dtype).eps
    return float(np.linalg.norm((got - want).astype(complex)) / np.linalg.norm(want.astype(complex))
                 / (eps * max(1.0, np.log2(want.shape[-1]))))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_error_is_of_the_order_of_eps_log_n(dtype: str) -> None:
    """Of all kinds of lengths: passes of each radix, odd ones, and those of a convolution."""
    z, x = at.tensor(dtype="complex64" if dtype == "float32" else "complex128", shape=(None,)), at.tensor(
        dtype=dtype, shape=(None,))
    n = at.lscalar()
    f = gradc.function([z, x, n], [at.fft.fft(z), at.fft.ifft(z), at.fft.rfft(x), at.fft.irfft(z, n)], mode="c")
    for length in LENGTHS:
        a = (rng.normal(size=length) + 1j * rng.normal(size=length)).astype(z.dtype)
        b = rng.normal(size=length).astype(dtype)
        half = a[:length // 2 + 1]
        whole = np.concatenate([half, half[1:(length + 1) // 2][::-1].conj()])
        whole[0] = whole[0].real
        if length % 2 == 0:
            whole[length // 2] = whole[length // 2].real
        forward, backward, first, _ = f(a, b, length)
        back = f(half, b, length)[3]
        assert error(forward, exact(a)) < 0.6 and error(backward, exact(a, True) / length) < 0.6
        assert error(first, exact(b)[:length // 2 + 1]) < 0.6 and back.dtype == dtype
        assert error(back, (exact(whole, True) / length).real) < 0.6


@pytest.mark.parametrize("kind", ["dct", "dst"])
@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_cosines_and_sines_of_all_lengths(kind: str, number: int) -> None:
    x = at.dvector()
    f = gradc.function([x], getattr(at.fft, kind)(x, number), mode="c")
    for n in LENGTHS[1:]:
        a = rng.normal(size=n)
        want = getattr(scipy.fft, kind)(a, number)
        np.testing.assert_allclose(f(a), want, rtol=0, atol=1e-14 * np.sqrt(n) * np.linalg.norm(a))
        np.testing.assert_allclose(transforms.trigonometric(kind == "dst", number)(a, np.float64(1)), want, rtol=0,
                                   atol=1e-14 * n * np.linalg.norm(a))


@pytest.mark.parametrize("mode", ["c", "interpret"])
def test_every_axis_of_views(mode: str) -> None:
    z, x = at.tensor(dtype="complex128", shape=(None,) * 3), at.dtensor3()
    a = rng.normal(size=(4, 10, 6)) + 1j * rng.normal(size=(4, 10, 6))
    b = rng.normal(size=(4, 10, 6))
    v, w = z[::-1, ::2].transpose(2, 0, 1), x[:, ::-3].transpose(1, 2, 0)
    c, d = a[::-1, ::2].transpose(2, 0, 1), b[:, ::-3].transpose(1, 2, 0)
    outs = [at.fft.fft(v, axis=k) for k in range(3)] + [at.fft.rfft(w, axis=k) for k in range(3)] + [
        at.fft.irfft(v, 7, axis=k) for k in range(3)] + [at.fft.dct(w, axis=k) for k in range(3)]
    wants = [np.fft.fft(c, axis=k) for k in range(3)] + [np.fft.rfft(d, axis=k) for k in range(3)] + [
        np.fft.irfft(c, 7, axis=k) for k in range(3)] + [scipy.fft.dct(d, axis=k) for k in range(3)]
    for got, want in zip(gradc.function([z, x], outs, mode=mode)(a, b), wants, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("n", [1, 2, 5, 8, 12])
def test_lengths_that_are_variables(n: int) -> None:
    x, size = at.dmatrix(), at.lscalar()
    outs = [at.fft.fft(x, size), at.fft.rfft(x, size, axis=0), at.fft.irfft(x, size), at.fft.dst(x, n=size),
            at.fft.fftn(x, [size, 3]), at.fft.fftfreq(size)]
    a = rng.normal(size=(3, 7))
    wants = [np.fft.fft(a, n), np.fft.rfft(a, n, axis=0), np.fft.irfft(a, n), scipy.fft.dst(a, n=n),
             np.fft.fftn(a, (n, 3), axes=(0, 1)), np.fft.fftfreq(n)]
    for mode in ("c", "interpret"):
        for got, want in zip(gradc.function([x, size], outs, mode=mode)(a, n), wants):
            np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-13)


def test_what_is_not_finite_spoils_its_own_transform_only() -> None:
    """Of one transform, of several side by side, of columns; irfft and transforms by cosines are real."""
    z, x, n = at.tensor(dtype="complex128", shape=(None, None)), at.dmatrix(), at.lscalar()
    outs = [at.fft.fft(z), at.fft.rfft(x), at.fft.irfft(z, n), at.fft.dct(x), at.fft.dst(x, 4), at.fft.ifft(z, axis=0)]
    f = gradc.function([z, x, n], outs, mode="c")
    for rows, length in ((1, 8), (5, 3), (5, 16), (9, 30), (4, 101)):
        for bad in (np.nan, np.inf, -np.inf):
            for k in (0, length // 4, length // 2):
                a, b = rng.normal(size=(rows, length)) + 1j * rng.normal(size=(rows, length)), rng.normal(
                    size=(rows, length))
                a[rows // 2, k] = b[rows // 2, k] = bad
                *along, down = f(a, b, length)
                for got in along:
                    fine = np.isfinite(got)
                    assert not fine[rows // 2].any() and np.delete(fine, rows // 2, 0).all()
                    if np.isnan(bad):
                        assert np.isnan(got[rows // 2]).all()
                assert not np.isfinite(down[:, k]).any() and np.isfinite(np.delete(down, k, 1)).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_transforms_side_by_side_and_of_columns(dtype: str) -> None:
    """Batches of more and fewer rows than there are lanes, columns of all widths, short and long."""
    z, x, n = at.tensor(dtype="complex64" if dtype == "float32" else "complex128", shape=(None, None, None)), at.tensor(
        dtype=dtype, shape=(None, None, None)), at.lscalar()
    outs = [at.fft.fft(z), at.fft.ifft(z, axis=1), at.fft.fft(z, axis=0), at.fft.rfft(x), at.fft.irfft(z, n),
            at.fft.ifft2(z, axes=(0, 1))]
    f = gradc.function([z, x, n], outs, mode="c")
    for shape, length in (((2, 3, 8), 7), ((1, 4, 5), 8), ((2, 11, 12), 22), ((3, 5, 64), 126), ((2, 37, 9), 17),
                          ((5, 16, 21), 44), ((1, 4500, 6), 11), ((1, 7, 2310), 30), ((1, 211, 19), 3)):
        a = (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(z.dtype)
        b = rng.normal(size=shape).astype(dtype)
        c, d = a.astype(complex), b.astype(float)
        wants = [np.fft.fft(c), np.fft.ifft(c, axis=1), np.fft.fft(c, axis=0), np.fft.rfft(d), np.fft.irfft(c, length),
                 np.fft.ifft2(c, axes=(0, 1))]
        for got, want in zip(f(a, b, length), wants):
            assert got.shape == want.shape
            assert np.linalg.norm(got - want) < 8 * np.finfo(dtype).eps * np.linalg.norm(want)


def inner(m: Any, x: Any, y: Any) -> Any:
    """Re(sum of conj(x) y)."""
    return m.sum(m.real(m.conj(x) * y))


LINEAR: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "fft": ("complex128", lambda z: at.fft.fft(z, 6)), "ifft": ("complex128", lambda z: at.fft.ifft(z, axis=0)),
    "fft of reals": ("float64", lambda x: at.fft.fft(x, 4, norm="ortho")),
    "rfft": ("float64", at.fft.rfft), "rfft odd": ("float64", lambda x: at.fft.rfft(x, 7)),
    "irfft": ("complex128", at.fft.irfft), "irfft odd": ("complex128", lambda z: at.fft.irfft(z, 5)),
    "irfft long": ("complex128", lambda z: at.fft.irfft(z, 16)), "hfft": ("complex128", at.fft.hfft),
    "rfft2": ("float64", at.fft.rfft2), "irfft2": ("complex128", lambda z: at.fft.irfft2(z, (3, 6))),
    "dct": ("float64", at.fft.dct), "idst": ("float64", lambda x: at.fft.idst(x, 3, norm="ortho")),
    "hilbert": ("float64", at.signal.hilbert),
    "convolve": ("float64", lambda x: at.convolve(x[0], at.constant(np.arange(9.0)), "same", "fft")),
    "complex convolve": ("complex128", lambda z: at.convolve(z[0], z[1, ::-1] * 0 + (1 - 2j))),
}


@pytest.mark.parametrize("name", LINEAR)
@pytest.mark.parametrize("mode", ["c", "interpret"])
def test_the_gradient_is_the_adjoint_and_the_tangent_the_map(name: str, mode: str) -> None:
    """<A x, y> = <x, A* y>, A x along x is A x, and the gradient of |A x|^2 / 2 along v is A* A v."""
    dtype, build = LINEAR[name]
    x, v = at.tensor(dtype=dtype, shape=(None, None)), at.tensor(dtype=dtype, shape=(None, None))
    made = build(x)
    y = at.tensor(dtype=made.dtype, shape=(None,) * made.ndim)
    adjoint = grad(inner(at, y, made), x)
    normal = grad(inner(at, made, made) / 2, x)
    f = gradc.function([x, v, y], [made, adjoint, Rop(made, x, v), Rop(normal, x, v), grad(inner(at, normal, v), x)],
                       mode=mode, on_unused_input="ignore")
    ax = gradc.function([x], made)

    def draw(shape: tuple[int, ...], kind: str) -> np.ndarray:
        found = rng.normal(size=shape)
        return found + 1j * rng.normal(size=shape) if kind[0] == "c" else found
    a, b = draw((3, 6), dtype), draw((3, 6), dtype)
    c = draw(ax(a).shape, made.dtype)
    value, back, tangent, second, again = f(a, b, c)
    assert back.dtype == dtype and back.shape == a.shape
    np.testing.assert_allclose(inner(np, value, c), inner(np, a, back), rtol=1e-12)
    np.testing.assert_allclose(tangent, ax(b), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(second, f(b, b, ax(b))[1], rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(again, second, rtol=1e-11, atol=1e-12)


def test_vectorize_and_scan() -> None:
    x = at.dmatrix()
    doubled = gradc.vectorize(lambda row: at.fft.irfft(at.fft.rfft(row) * 2.0, row.shape[0]))
    f = gradc.function([x], doubled(x), mode="c")
    a = rng.normal(size=(3, 9))
    np.testing.assert_allclose(f(a), 2 * a, rtol=1e-13)
    rows, _ = gradc.scan(lambda u: at.fft.irfft(at.fft.rfft(u) * 1j, u.shape[0]), outputs_info=[x[0]], n_steps=3)
    want, u = [], a[0]
    for _ in range(3):
        u = np.fft.irfft(np.fft.rfft(u) * 1j, 9)
        want.append(u)
    g = gradc.function([x], [rows, grad((rows[-1] ** 2).sum(), x)], mode="c")
    np.testing.assert_allclose(g(a)[0], want, rtol=1e-12, atol=1e-13)


CONVOLVED = [(n, m, method) for method in ("auto", "direct", "fft")
             for n, m in ((1, 1), (7, 3), (3, 8), (300, 90), (5000, 70), (1000, 400))]


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
def test_convolution_by_either_method(dtype: str) -> None:
    a, v = at.tensor(dtype=dtype, shape=(None,)), at.tensor(dtype=dtype, shape=(None,))
    eps = np.finfo(dtype).eps
    for method in ("auto", "direct", "fft"):
        outs = [f(a, v, mode, method) for f in (at.convolve, at.correlate) for mode in ("full", "same", "valid")]
        f = gradc.function([a, v], outs, mode="c")
        for n, m, which in CONVOLVED:
            if which != method:
                continue
            x, y = [(rng.normal(size=k) + (1j * rng.normal(size=k) if dtype[0] == "c" else 0)).astype(dtype)
                    for k in (n, m)]
            wants = [g(x.astype(np.clongdouble), y.astype(np.clongdouble), mode) for g in (np.convolve, np.correlate)
                     for mode in ("full", "same", "valid")]
            for got, want in zip(f(x, y), wants):
                assert got.dtype == dtype and got.shape == want.shape
                assert np.abs(got - want).max() < 8 * eps * np.linalg.norm(x) * np.linalg.norm(y)


def test_integers_are_convolved_exactly() -> None:
    for dtype in ("int8", "uint16", "int32", "int64"):
        a, v = at.tensor(dtype=dtype, shape=(None,)), at.tensor(dtype=dtype, shape=(None,))
        f = gradc.function([a, v], [at.convolve(a, v), at.correlate(a, v, "same")], mode="c")
        x, y = rng.integers(0, 100, 200).astype(dtype), rng.integers(0, 100, 60).astype(dtype)
        for got, want in zip(f(x, y), (np.convolve(x, y), np.correlate(x, y, "same"))):
            assert got.dtype == want.dtype
            np.testing.assert_array_equal(got, want)


def test_fftconvolve_of_complex_numbers_along_two_axes() -> None:
    a, b = at.tensor(dtype="complex128", shape=(None, None)), at.dmatrix()
    x, y = rng.normal(size=(5, 6)) + 1j * rng.normal(size=(5, 6)), rng.normal(size=(3, 4))
    for mode in ("full", "same", "valid"):
        got = gradc.function([a, b], at.signal.fftconvolve(a, b, mode))(x, y)
        np.testing.assert_allclose(got, scipy.signal.fftconvolve(x, y, mode), rtol=1e-12, atol=1e-13)


X, Z = at.dmatrix("x"), at.tensor("z", dtype="complex128", shape=(None,))
EMPTY = at.tensor("e", dtype="float64", shape=(3, 0))
REFUSED: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "norm": (lambda: at.fft.fft(X, norm="both"), TypeMismatchError,
             "fft: norm is 'backward', 'ortho', 'forward' or None"),
    "length 0": (lambda: at.fft.rfft(X, 0), BadValueError, "rfft: n must be at least 1, got 0"),
    "negative": (lambda: at.fft.irfft(X, -2), BadValueError, "irfft: n must be at least 1, got -2"),
    "no integer": (lambda: at.fft.fft(X, 2.5), TypeMismatchError, "fft: n is an integer"),
    "axis": (lambda: at.fft.fft(X, axis=2), ShapeError, "fft: axis 2 is out of range"),
    "axes": (lambda: at.fft.fftn(X, (2, 3), axes=(0,)), ShapeError, "s has 2 lengths for 1 axes"),
    "no axes": (lambda: at.fft.rfftn(X, axes=()), ShapeError, "rfftn: axes names at least one axis"),
    "complex": (lambda: at.fft.rfft(Z), TypeMismatchError, "rfft takes real numbers, z is c128"),
    "complex cosines": (lambda: at.fft.dct(Z), TypeMismatchError, "dct takes real numbers"),
    "scalar": (lambda: at.fft.fft(at.dscalar()), ShapeError, "at least one dimension"),
    "empty": (lambda: at.fft.fft(EMPTY), BadValueError, "fft: axis 1 of e has no elements"),
    "type": (lambda: at.fft.dct(X, 5), TypeMismatchError, "dct: type is 1, 2, 3 or 4, got 5"),
    "one cosine": (lambda: at.fft.dct(X, 1, n=1), BadValueError, "dct: type 1 takes 2 elements or more, got 1"),
    "method": (lambda: at.convolve(X[0], X[1], method="fast"), TypeMismatchError,
               "method is 'auto', 'direct' or 'fft'"),
    "integers": (lambda: at.convolve(at.lvector(), at.lvector(), method="fft"), TypeMismatchError, "takes floats"),
    "ranks": (lambda: at.signal.fftconvolve(X, X[0]), ShapeError, "the same rank"),
    "scaling": (lambda: at.signal.periodogram(X, scaling="power"), TypeMismatchError, "'density' or 'spectrum'"),
    "parts": (lambda: at.fft.irfft_parts(X), ShapeError, "whose last axis is real and imaginary part"),
    "parts norm": (lambda: at.fft.rfft_parts(X, "backward"), TypeMismatchError, "None, 'ortho' or 'no_norm'"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_refused_when_built(kind: str) -> None:
    build, expected, words = REFUSED[kind]
    with pytest.raises(expected, match=words) as caught:
        build()
    assert "test_fft.py:" in str(caught.value)


@pytest.mark.parametrize("mode", ["c", "interpret"])
def test_what_is_refused_when_called(mode: str) -> None:
    n = at.lscalar("n")
    f = gradc.function([X, n], at.fft.fft(X, n), mode=mode)
    with pytest.raises(BadValueError, match=r"fft: n must be at least 1, got 0(.|\n)*test_fft.py:\d+"):
        f(np.ones((2, 3)), 0)
    f = gradc.function([X], at.fft.rfft(X), mode=mode)
    with pytest.raises(BadValueError, match=r"rfft: axis 1 of x has no elements"):
        f(np.ones((2, 0)))
    assert f(np.ones((0, 4))).shape == (0, 3)
    f = gradc.function([X], at.fft.irfft(X), mode=mode)
    with pytest.raises(BadValueError, match=r"irfft: n must be at least 1, got 0"):
        f(np.ones((2, 1)))
