"""Kernels built by hand from nodes: checked, printed, compiled, compared with NumPy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from gradc.loops.nodes import (
    Accumulate,
    Assign,
    BlockCut,
    Buffer,
    Check,
    CheckInfo,
    Combine,
    Define,
    Fn,
    Fold,
    For,
    Index,
    Invoke,
    Kernel,
    Let,
    Lit,
    Load,
    Local,
    Section,
    Size,
    Slots,
    Store,
    Update,
)
from gradc.loops.pretty import pretty
from tests.loops.kernels import callable_of

RNG = np.random.default_rng(5)


def at(*terms: tuple[int | str, str], offset: int | str = 0) -> Index:
    return Index(terms, offset)


def mul(a: object, b: object) -> Fn:
    return Fn("mul", (a, b), "float64")


def add(a: object, b: object, dtype: str = "float64") -> Fn:
    return Fn("add", (a, b), dtype)


def matmul(lanes: int = 0) -> Kernel:
    """c = a b; b is read along its rows' axis, which no vector likes: the point is the nest."""
    a, b = Buffer("a", "float64", ("n", "m"), "input", 0), Buffer("b", "float64", ("m2", "p"), "input", 1)
    c = Buffer("c", "float64", ("n", "p"), "output", 0)
    inner = For("k", 0, "m", (Update("total", "add", mul(Load(a, at(("m", "i"), (1, "k"))),
                                                         Load(b, at(("p", "k"), (1, "j"))))),),
                (Fold("total", "add", 0.0, "float64"),), lanes)
    nest = For("i", 0, "n", (For("j", 0, "p", (inner, Store(c, at(("p", "i"), (1, "j")),
                                                            Local("total", "float64")))),))
    agree = Check(Fn("eq", (Size("m"), Size("m2")), "bool"), 1, (Size("m"), Size("m2")))
    return Kernel("matmul", (a, b), (c,), prologue=(agree,), sections=(Section("product", (nest,), (a, b), (c,)),),
                  checks=(CheckInfo("ShapeError", "dot: sizes {0} and {1} differ"),))


def test_matmul_prints_as_written():
    assert pretty(matmul(8)) == """\
kernel matmul(a: f64[n, m], b: f64[m2, p]) -> (c: f64[n, p])
  check 1: (m == m2) (m, m2)
  section product  (reads a, b; writes c)
    for i in 0 .. n
      for j in 0 .. p
        for k in 0 .. m with total = add, 8 lanes
          total <- add (a[m * i + k] * b[p * k + j])
        c[p * i + j] = total"""


@pytest.mark.parametrize("lanes", [0, 8, 32])
def test_matmul_is_a_matrix_product(lanes: int):
    f = callable_of(matmul(lanes))
    for n, m, p in itertools.product((0, 1, 3), (0, 1, 7, 8, 33, 70), (1, 4)):
        a, b = RNG.normal(size=(n, m)), RNG.normal(size=(m, p))
        np.testing.assert_allclose(f(a, b)[0], a @ b, rtol=1e-13, atol=1e-13)


def test_a_check_of_the_prologue_ends_the_call():
    with pytest.raises(ValueError, match="dot: sizes 3 and 4 differ"):
        callable_of(matmul())(np.ones((2, 3)), np.ones((4, 5)))


def test_prefix_sums_carry_a_mutable_local():
    x, y = Buffer("x", "float64", ("n",), "input", 0), Buffer("y", "float64", ("n",), "output", 0)
    total = Local("total", "float64")
    body = (Let("total", Lit(0.0, "float64"), mutable=True),
            For("i", 0, "n", (Assign("total", add(total, Load(x, at((1, "i"))))), Store(y, at((1, "i")), total))))
    kernel = Kernel("prefix_sums", (x,), (y,), sections=(Section("running sum", body, (x,), (y,)),))
    assert "    let mutable total: f64 = 0.0\n    for i in 0 .. n\n      total := (total + x[i])\n" in pretty(kernel)
    value = RNG.normal(size=100)
    assert np.array_equal(callable_of(kernel)(value)[0], np.cumsum(value))


def test_a_ring_buffer_keeps_the_last_two_values():
    """h[t] = x[t] + h[t-1] / 2 - h[t-2] / 4, with three slots of the arena."""
    x, y = Buffer("x", "float64", ("n",), "input", 0), Buffer("y", "float64", ("n",), "output", 0)
    ring = Buffer("ring", "float64", (3,), "arena", 1, Slots(64, 2))

    def slot(back: int) -> Fn:
        return Fn("mod", (add(Local("t", "int64"), Lit(3 - back, "int64"), "int64"), Lit(3, "int64")), "int64")

    h = add(Load(x, at((1, "t"))), Fn("sub", (mul(Lit(0.5, "float64"), Load(ring, at((1, "one")))),
                                             mul(Lit(0.25, "float64"), Load(ring, at((1, "two"))))), "float64"))
    body = (For("i", 0, 3, (Store(ring, at((1, "i")), Lit(0.0, "float64")),)),
            For("t", 0, "n", (Let("new", slot(0)), Let("one", slot(1)), Let("two", slot(2)), Let("h", h),
                              Store(ring, at((1, "new")), Local("h", "float64")),
                              Store(y, at((1, "t")), Local("h", "float64")))))
    kernel = Kernel("filtered", (x,), (y,), arena_bytes=128,
                    sections=(Section("filter", body, (x, ring), (ring, y)),))
    assert "      let two: i64 = mod((t + 1), 3)\n" in pretty(kernel)
    value = RNG.normal(size=50)
    want = np.zeros(52)
    for t in range(50):
        want[t + 2] = value[t] + (0.5 * want[t + 1] - 0.25 * want[t])
    np.testing.assert_allclose(callable_of(kernel)(value)[0], want[2:], rtol=1e-14)


def test_blocks_end_in_parts_that_are_combined():
    """Sum and maximum of a vector, and the sums of a matrix' columns: a row of parts per block."""
    x = Buffer("x", "float64", ("n", "m"), "input", 0)
    total, columns = Buffer("total", "float64", (), "output", 0), Buffer("columns", "float64", ("m",), "output", 1)
    parts = Buffer("parts", "float64", ("width",), "block", 0, Slots("bytes", 1), stride="width")
    element = Local("x_j", "float64")
    body = (For("j", 0, "m", (Store(parts, at((1, "j"), offset=1), Lit(0.0, "float64")),)),
            Let("all", Lit(0.0, "float64"), mutable=True),
            For("i", "lo", "hi", (
                For("j", 0, "m", (Let("x_j", Load(x, at(("m", "i"), (1, "j")))),
                                  Update("row", "add", element),
                                  Accumulate(parts, at((1, "j"), offset=1), "add", element)),
                    (Fold("row", "add", 0.0, "float64"),), 8),
                Assign("all", add(Local("all", "float64"), Local("row", "float64"))))),
            Store(parts, at(), Local("all", "float64")))
    section = Section("sums", body, (x,), (parts,), BlockCut("n", "m", 1, 16, 1.0),
                      (Combine(parts, "add", "width", ((total, 0, 1), (columns, 1, "m"))),))
    kernel = Kernel("sums", (x,), (total, columns), sections=(section,), prologue=(
        Define("width", add(Size("m"), Lit(1, "int64"), "int64")),
        Define("bytes", Fn("mul", (Size("width"), Lit(16 * 8, "int64")), "int64"))), arena_bytes="bytes")
    text = pretty(kernel)
    assert "blocks of n x m elements at 1.0 ns, at most 16\n" in text
    assert "combine parts by add, width a block, into total[0:1] at 0, columns[0:m] at 1" in text
    f = callable_of(kernel)
    for n, m in ((0, 3), (1, 1), (10, 7), (5000, 40)):
        value = RNG.normal(size=(n, m))
        got = f(value)
        np.testing.assert_allclose(got[0], value.sum(), rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(got[1], value.sum(0), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("transposed", list(itertools.product((False, True), repeat=2)))
def test_gemm_takes_matrices_as_they_lie(transposed: tuple[bool, bool]):
    n, m, p = 4, 5, 3
    a = Buffer("a", "float64", (m, n) if transposed[0] else (n, m), "input", 0)
    b = Buffer("b", "float64", (p, m) if transposed[1] else (m, p), "input", 1)
    c = Buffer("c", "float64", (n, p), "output", 0)
    numbers = (n, m, p, int(transposed[0]), a.shape[1], int(transposed[1]), b.shape[1])
    call = Invoke("gemm", (Load(a, at()), Load(b, at())), (Load(c, at()),), numbers)
    kernel = Kernel("product", (a, b), (c,), routines=("gemm",),
                    sections=(Section("c = a b", (call,), (a, b), (c,), in_entry=True),))
    one, two = RNG.normal(size=a.shape), RNG.normal(size=b.shape)
    want = (one.T if transposed[0] else one) @ (two.T if transposed[1] else two)
    np.testing.assert_allclose(callable_of(kernel)(one, two)[0], want, rtol=1e-13, atol=1e-13)
