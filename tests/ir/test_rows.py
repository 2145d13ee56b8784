"""Each row of `ir.scalars`: its C form equals its NumPy form, its derivative is the derivative, its ULP bound holds."""

import ctypes
import itertools
import math
import shutil
import subprocess
from pathlib import Path

import mpmath
import numpy as np
import pytest

from gradc.errors import TypeMismatchError
from gradc.ir import dtypes, scalars
from gradc.ir.interp import float_to_int
from gradc.ir.scalar_c import c_functions
from gradc.ir.scalars import DOMAINS, ROWS
from tests.cases_elemwise import EXACT

INCLUDE = Path(__file__).parents[2] / "csrc" / "include"
FLAGS = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-fno-math-errno", "-fno-trapping-math", "-fwrapv",
         "-fopenmp-simd", "-ffp-contract=off", "-shared", "-fPIC", f"-I{INCLUDE}"]
# Bools are loaded as bytes: gcc 12 does not vectorise loops that load _Bool.
C_TYPE = {"bool": "uint8_t", "float64": "double", "float32": "float", "complex64": "float _Complex",
          "complex128": "double _Complex", **{d: f"{d}_t" for d in dtypes.INTEGERS}}
REAL = dtypes.DISCRETE + dtypes.WIDE


def instances():
    """(row, dtype) for each dtype that a row computes in."""
    for row in ROWS.values():
        for dtype in REAL:
            try:
                compute, _ = row.dtypes(*[dtype] * row.nin)
            except TypeMismatchError:
                continue
            if compute == dtype:
                yield row, dtype


def c_text(row, dtype, names):
    kind = np.dtype(dtype).kind
    template = row.c if isinstance(row.c, str) else row.c[kind]
    return template.format(*names, s="f" if dtype == "float32" else "", t=dtypes.SHORT[dtype])


def c_function(row, dtype):
    types = ["bool" if row.rule == "select" and k == 0 else dtype for k in range(row.nin)]
    arrays = "".join(f", const {C_TYPE[t]} *restrict x{k}" for k, t in enumerate(types))
    result = C_TYPE[row.dtypes(*types)[1]]
    loads = " ".join(f"{C_TYPE[t]} a{k} = x{k}[i]; (void)a{k};" for k, t in enumerate(types))
    text = c_text(row, dtype, [f"a{k}" for k in range(row.nin)])
    return (f"void {row.name}_{dtype}({result} *restrict y{arrays}, int64_t n)\n"
            f"{{ for (int64_t i = 0; i < n; ++i) {{ {loads} y[i] = ({result})({text}); }} }}\n")


def compile_rows(directory, compiler, flags, dtypes_):
    source, target = directory / "rows.c", directory / "rows.so"
    text = "".join(c_function(row, dtype) for row, dtype in instances() if dtype in dtypes_)
    special = "\n".join(c_functions([row.function for row in ROWS.values() if row.function is not None]))
    source.write_text(f'#include "gradc_sizes.h"\n#include "gradc_math.h"\n{special}\n{text}')
    command = [compiler, *FLAGS, *flags, str(source), "-o", str(target), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[:4000]
    return ctypes.CDLL(str(target))


@pytest.fixture(scope="module", params=["vector", "scalar", "clang"])
def compiled(request, tmp_path_factory):
    """All rows in one library: with libmvec (floats only), without it, and by clang."""
    made_for = dtypes.WIDE if request.param == "vector" else REAL
    if request.param == "clang":
        compiler, flags = shutil.which("clang") or shutil.which("clang-14"), ["-O1"]
    else:
        compiler = shutil.which("gcc")
        flags = ["-O2", "-ftree-vectorize", "-march=native"] if request.param == "vector" else \
            ["-O1", "-DGRADC_MATH_ACCURATE"]
    if compiler is None:
        pytest.skip(f"no compiler for {request.param}")
    library = compile_rows(tmp_path_factory.mktemp("rows"), compiler, flags, made_for)
    return library, [(row, dtype) for row, dtype in instances() if dtype in made_for]


def run_c(library, row, dtype, args):
    y = np.empty(args[0].shape, row.dtypes(*[a.dtype.name for a in args])[1])
    args = [np.ascontiguousarray(a) for a in args]
    getattr(library, f"{row.name}_{dtype}")(*[ctypes.c_void_p(a.ctypes.data) for a in (y, *args)],
                                            ctypes.c_int64(y.size))
    return y


def run_numpy(row, args):
    result = row.dtypes(*[a.dtype.name for a in args])[1]
    with np.errstate(all="ignore"):
        return np.asarray(row.numpy(*args)).astype(result)


def special_values(dtype):
    kind = np.dtype(dtype)
    if dtype == "bool":
        return np.array([False, True])
    if kind.kind in "iu":
        info = np.iinfo(kind)
        small = [0, 1, 2, 3, 5, 7, 8, info.bits - 1, info.bits, info.max - 1, info.max]
        return np.array(small + ([info.min, info.min + 1, -1, -2, -3, -7, -8] if kind.kind == "i" else []), kind)
    info = np.finfo(kind)
    positive = [0.0, float(info.smallest_subnormal), float(info.tiny), 1e-20, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0,
                3.5, 10.0, 100.0, 2.0 ** (info.nmant - 1) + 0.5, 2.0 ** (info.nmant + 1), float(info.max), np.inf]
    return np.array([np.nan, *positive, *[-v for v in positive]], kind)


ORDERS = {"polygamma": {0: (0, 8)}, "ierfcx": {0: (0, 4)}, "sinc_derivative": {0: (0, 4)},
          "spence_derivative": {0: (1, 4)}, "betainc_slope": {3: (0, 2)}, "betainc_curvature": {3: (0, 2), 4: (0, 2)}}

SCALAR_VALUES = [np.nan, 0.0, 0.25, 1.0, -0.0, 0.5, np.inf, 2.5, -1.0, 10.0, 3.0, -2.5, -np.inf, 100.0, -0.5, 1e-3]


def sample(row, dtype, special, seed=0):
    """Arguments: all combinations of special values, or random values of the row's domain."""
    kinds = ["bool" if row.rule == "select" and k == 0 else dtype for k in range(row.nin)]
    if special:
        values = [special_values(k) for k in kinds]
        if row.function is not None and row.nin > 1:        # no numbers for which loops are long
            values = [np.array(SCALAR_VALUES, dtype)[::{2: 1, 3: 3, 4: 4, 5: 5}[row.nin]]] * row.nin
            values = [np.array([0, 1], dtype) if ORDERS.get(row.name, {}).get(k) == (0, 2) else v
                      for k, v in enumerate(values)]
        elif row.nin == 3:
            values = [v[:: 1 if v.dtype == bool else 2] for v in values]
        return [np.array(column, k) for k, column in zip(kinds, zip(*itertools.product(*values)))]
    rng = np.random.default_rng(seed)
    lo, hi = DOMAINS[row.domain]
    if row.name in ORDERS:                  # an argument is an integer
        return [rng.integers(*ORDERS[row.name][k], 501).astype(dtype) if k in ORDERS[row.name] else
                rng.uniform(lo, hi, 501).astype(dtype) for k in range(row.nin)]
    return [rng.integers(0, 2, 501).astype(bool) if k == "bool" else
            rng.uniform(lo, hi, 501).astype(k) if np.dtype(k).kind == "f" else
            rng.integers(np.iinfo(k).min, np.iinfo(k).max, 501, dtype=k, endpoint=True) for k in kinds]


def size_of(row, exact, args):
    """What an error is measured against: the value, or what cancels (in logaddexp; gammaln and psi below 0)."""
    size = np.abs(exact)
    if row.name in ("logaddexp", "logaddexp2"):
        return np.maximum(size, np.maximum(*map(np.abs, args)))
    if row.name == "ierfcx":        # its recurrence loses a bit or two an order
        return np.where(np.asarray(args[1]) > 1, size, size * 3.0 ** np.minimum(np.abs(args[0]), 60))
    if row.name == "spence_derivative":     # so does its recurrence
        return size * 2.0 ** np.clip(np.nan_to_num(args[0]), 0, 20)
    if row.name in ("j0", "j1", "y0", "y1", "jv", "yv"):       # they oscillate
        return np.maximum(size, 0.3 / np.sqrt(np.maximum(np.abs(args[-1]), 1)))
    if row.name == "betaln" or row.name.endswith("_curvature"):
        return np.maximum(size, 1)
    if row.name in ("dawsn_slope", "dawsn_curvature"):
        return np.where(np.abs(args[0]) < 3.2, np.maximum(size, 1), size)
    if row.name in ("gammaln", "psi", "polygamma"):
        return np.where(args[-1] < 0, np.maximum(size, size.dtype.type(4)), size)
    return size


def assert_same(row, got, want, args, accuracy):
    """Equal, but for a few ulp where the row says so, and the sign of zero in extremes."""
    if want.dtype.kind != "f":
        np.testing.assert_array_equal(got, want, err_msg=row.name)
        return
    finite = np.isfinite(want) & np.isfinite(got)
    top = np.finfo(want.dtype).max
    with np.errstate(all="ignore"):
        gap = np.abs(got.astype("longdouble") - want) / np.spacing(size_of(row, want, args))
    near_overflow = np.abs(np.where(np.isfinite(want), want, got)) > 0.999 * top
    bad = np.where(finite, gap > accuracy, ~(np.isnan(got) & np.isnan(want) | (got == want) | near_overflow))
    if row.name not in ("maximum", "minimum", "clip", "fmax", "fmin"):
        bad |= (want == 0) & (got == 0) & (np.signbit(got) != np.signbit(want))
    where = np.flatnonzero(bad)[:5]
    assert where.size == 0, (row.name, [tuple(a[k] for a in args) for k in where], got[where], want[where])


def test_c_equals_numpy(compiled):
    library, made = compiled
    for row, dtype in made:
        # exactly rounded forms agree in all bits; else both sides may be off
        accuracy = 0 if row.ulp <= 0.5 else row.ulp + 4
        for special in (True, False):
            args = sample(row, dtype, special)
            assert_same(row, run_c(library, row, dtype, args), run_numpy(row, args), args, accuracy)


def test_each_template_uses_an_argument_at_most_once():
    for row, dtype in instances():
        text = c_text(row, dtype, [f"@{k}" for k in range(row.nin)])
        assert all(text.count(f"@{k}") <= 1 for k in range(row.nin)), row.name


HELPERS = ("sigmoid", "softplus", "log1mexp", "logaddexp", "maximum", "minimum", "clip", "sgn", "square", "reciprocal",
           "exp", "log", "tanh", "pow", "switch", "xlogx", "xlogy0")


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc")
def test_hot_rows_vectorise(tmp_path):
    """gcc's own report: each of these loops is vectorised, for AVX2 and with glibc's vector functions."""
    names = [(ROWS[n], d) for n in HELPERS for d in dtypes.WIDE]
    source = tmp_path / "hot.c"
    source.write_text('#include "gradc_math.h"\n#if !__GLIBC_PREREQ(2, 35)\n#error old\n#endif\n'
                      + "".join(c_function(row, dtype) for row, dtype in names))
    done = subprocess.run(["gcc", *FLAGS, "-O3", "-march=x86-64-v3", "-fopt-info-vec-optimized", str(source),
                           "-o", str(tmp_path / "hot.so"), "-lm"], capture_output=True, text=True)
    if "#error" in done.stderr or "march" in done.stderr:
        pytest.skip("needs x86-64 and glibc 2.35")
    assert done.returncode == 0, done.stderr
    vectorised = {int(line.split(":")[1]) for line in done.stderr.splitlines() if "loop vectorized" in line}
    lines = source.read_text().splitlines()
    missing = [row.name + "_" + dtype for row, dtype in names
               if not any(f"void {row.name}_{dtype}(" in lines[k - 2] for k in vectorised)]
    assert not missing


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc")
def test_casts_equal_the_interpreter(tmp_path):
    pairs = [(a, b) for a in dtypes.WIDE for b in dtypes.INTEGERS]
    text = "".join(
        f"void c_{a}_{b}({C_TYPE[b]} *y, const {C_TYPE[a]} *x, int64_t n) {{ for (int64_t i = 0; i < n; ++i) "
        f"y[i] = gradc_{dtypes.SHORT[a]}_to_{dtypes.SHORT[b]}(x[i]); }}\n" for a, b in pairs)
    (tmp_path / "casts.c").write_text(f'#include "gradc_math.h"\n{text}')
    command = ["gcc", *FLAGS, "-O3", str(tmp_path / "casts.c"), "-o", str(tmp_path / "casts.so"), "-lm"]
    subprocess.run(command, check=True)
    library = ctypes.CDLL(str(tmp_path / "casts.so"))
    for a, b in pairs:
        edges = [2.0 ** k + d for k in (7, 8, 15, 16, 31, 32, 63, 64) for d in (-1, -0.5, 0, 0.5, 1)]
        x = np.concatenate([special_values(a), np.array(edges + [-e for e in edges], a)])
        y = np.empty(x.shape, b)
        getattr(library, f"c_{a}_{b}")(ctypes.c_void_p(y.ctypes.data), ctypes.c_void_p(x.ctypes.data),
                                       ctypes.c_int64(x.size))
        with np.errstate(all="ignore"):
            np.testing.assert_array_equal(y, float_to_int(x, b), err_msg=f"{a} to {b}")


# ------------------------------------------------------------------------------------------------ derivatives


class NumpyNamespace:
    """`o` of a derivative on arrays: the rows' NumPy forms."""

    def __getattr__(self, name):
        return ROWS[name].numpy

    @staticmethod
    def const(value, like):
        return np.asarray(value, np.asarray(like).dtype)

    @staticmethod
    def never_zero(x):
        return False

    @staticmethod
    def is_fixed(x):
        return False


BY_DIFFERENCES = {"gammainc_slope", "betainc_slope"}      # their derivatives by parameters
NOT_HOLOMORPHIC = {"nextafter", "abs", "copysign", "mod", "floor_divide", "real", "conj", "deg2rad", "rad2deg"}
DIFFERENTIABLE = [(row.name, k) for row in ROWS.values() for k, d in enumerate(row.d)
                  if callable(d) and row.rule != "pair"       # by both parts: tests/autodiff/test_complex.py
                  and row.name != "exp_difference"]           # with the difference of both: below


def test_every_row_has_one_entry_per_argument():
    for row in ROWS.values():
        assert len(row.d) == row.nin, row.name
        assert row.domain in DOMAINS, row.name
        assert all(d is None or callable(d) or isinstance(d, str) for d in row.d), row.name


@pytest.mark.parametrize("name,k", DIFFERENTIABLE)
def test_derivative_is_the_derivative(name, k):
    row = ROWS[name]
    args = [a[:40] for a in sample(row, "float64", False, seed=3)]
    g = np.linspace(0.5, 2, args[0].size)
    with np.errstate(all="ignore"):
        got = row.d[k](NumpyNamespace(), g, row.numpy(*args), *args)

        def shifted(h):
            return row.numpy(*[a + h if j == k else a for j, a in enumerate(args)])

        if name in NOT_HOLOMORPHIC:
            h = 1e-6
            want, rtol = (shifted(h) - shifted(-h)) / (2 * h), 1e-7
        else:
            want, rtol = np.imag(shifted(1e-30j)) / 1e-30, 1e-8 if name in BY_DIFFERENCES else 1e-11
    np.testing.assert_allclose(got, g * want, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("name,k", [(r.name, k) for r in ROWS.values() for k, d in enumerate(r.d) if d is None])
def test_missing_derivative_is_zero(name, k):
    row = ROWS[name]
    if row.rule in ("bitwise", "shift", "predicate", "comparison", "select", "second") \
            or name in ("imag", "angle", "exp_difference"):
        return                      # discrete, or independent of that argument
    args = [a[:40] for a in sample(row, "float64", False, seed=4)]
    h = 1e-7
    shifted = [a + h if j == k else a for j, a in enumerate(args)]
    np.testing.assert_array_equal(row.numpy(*args), row.numpy(*shifted))


def test_derivatives_of_exp_difference():
    """By its first two arguments, with which the third one moves."""
    x, y = np.array([-3.0, 0.5, 2.0, 700.0]), np.array([-2.5, 0.5, -40.0, 699.0])
    row, o = ROWS["exp_difference"], NumpyNamespace()
    want = [float(mpmath.exp(a) - mpmath.exp(b)) for a, b in zip(x, y)]
    np.testing.assert_allclose(row.numpy(x, y, x - y), want, rtol=1e-13)
    for k, (at_point, sign) in enumerate(((x, 1), (y, -1))):
        got = row.d[k](o, 2.0, None, x, y, x - y)
        np.testing.assert_allclose(got, sign * 2 * np.exp(at_point), rtol=1e-15)


def derivative(name, k, *args):
    row, args = ROWS[name], [np.asarray(a, "float64") for a in args]
    with np.errstate(all="ignore"):
        return float(row.d[k](NumpyNamespace(), np.float64(1), row.numpy(*args), *args))


def test_derivatives_at_kinks_and_limits():
    assert derivative("maximum", 0, 0, 0) == derivative("minimum", 0, 2, 2) == 1
    assert derivative("maximum", 1, 0, 0) == derivative("minimum", 1, 2, 2) == 0
    assert derivative("clip", 0, 1, -1, 1) == derivative("clip", 0, -1, -1, 1) == 1
    assert derivative("clip", 0, 1.5, -1, 1) == 0 and derivative("clip", 2, 1.5, -1, 1) == 1
    assert derivative("abs", 0, 0) == 0
    assert derivative("sqrt", 0, 0) == np.inf
    assert derivative("pow", 0, 0, 2) == 0 and derivative("pow", 1, 0, 2) == 0
    assert derivative("xlogx", 0, 0) == -np.inf
    for x in (1e3, -1e3, np.inf, -np.inf):
        step = float(x > 0)
        assert derivative("sigmoid", 0, x) == 0
        assert derivative("softplus", 0, x) == step
        assert derivative("logaddexp", 0, x, 0) == step and derivative("logaddexp", 1, 0, x) == step
    assert derivative("logaddexp", 0, -np.inf, -np.inf) == derivative("logaddexp", 0, np.inf, np.inf) == 0.5
    assert derivative("log1mexp", 0, 0.0) == derivative("log1mexp", 0, -0.0) == -np.inf
    assert derivative("log1mexp", 0, -np.inf) == 0
    assert derivative("xlogy0", 1, 0, 0) == 0
    assert derivative("true_divide", 1, 1e200, 1e200) == pytest.approx(-1e-200)


# ----------------------------------------------------------------------------------------------------- bounds


ROUNDED_ONCE = {row.name for row in ROWS.values() if row.ulp == 0} | {"floor_divide", "mod"}


def test_every_inexact_row_has_a_reference():
    assert {row.name for row in ROWS.values() if row.ulp} - ROUNDED_ONCE == set(EXACT)


def test_ulp_bounds(compiled):
    mpmath.mp.prec = 200
    for name, reference in EXACT.items():
        row = ROWS[name]
        slow = row.function is not None and not row.function.branch_free        # mpmath's value
        args = [a[:12 if slow else 150] for a in sample(row, "float64", False, seed=5)]
        got = run_c(compiled[0], row, "float64", args)
        worst = 0.0
        for value, *point in zip(got, *args):
            exact = reference(*[mpmath.mpf(float(p)) for p in point])
            size = size_of(row, float(exact), point)
            worst = max(worst, float(abs(mpmath.mpf(float(value)) - exact)) / np.spacing(size))
        assert worst <= row.ulp + 0.01, (name, worst)


# --------------------------------------------------------------------------------------------- neutral elements


@pytest.mark.parametrize("name", ["add", "mul", "maximum", "minimum", "and_", "or_", "xor"])
def test_neutral_element(name):
    row = ROWS[name]
    for dtype in REAL:
        try:
            row.dtypes(dtype, dtype)
        except TypeMismatchError:
            continue
        neutral = row.neutral(dtype)
        assert neutral.dtype == dtype
        x = special_values(dtype)
        np.testing.assert_array_equal(row.numpy(np.full_like(x, neutral), x), x)


def test_dtype_rules():
    assert ROWS["true_divide"].dtypes("int8", "int8") == ("float64", "float64")
    assert ROWS["exp"].dtypes("int8") == ("float32", "float32")
    assert ROWS["exp"].dtypes("int64") == ("float64", "float64")
    assert ROWS["add"].dtypes("int32", "float32") == ("float64", "float64")
    assert ROWS["add"].dtypes("bool", "bool") == ("bool", "bool")
    assert ROWS["mod"].dtypes("bool", "bool") == ("int8", "int8")
    assert ROWS["lt"].dtypes("int8", "float32") == ("float32", "bool")
    assert ROWS["abs"].dtypes("complex64") == ("complex64", "float32")
    assert ROWS["left_shift"].dtypes("bool", "bool") == ("int8", "int8")
    for name, args in (("sub", ("bool", "bool")), ("neg", ("bool",)), ("and_", ("float32", "int8"))):
        with pytest.raises(TypeMismatchError):
            ROWS[name].dtypes(*args)


def test_integer_power_wraps_and_stays_integer():
    power = ROWS["pow"].numpy
    assert power(np.int8(2), np.int8(7)) == -128
    np.testing.assert_array_equal(power(np.array([2, 1, -1, -1, 0]), np.array([-1, -3, -3, -2, -1])), [0, 1, -1, 1, 0])
    assert math.log2(int(power(np.uint64(2), np.uint64(63)))) == 63
    assert scalars.get_row("pow") is ROWS["pow"]
