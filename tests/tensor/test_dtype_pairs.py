"""Every elementwise function on every pair of dtypes against NumPy: dtype and value, in the interpreter and in C.

Where gradc decides otherwise, `DECIDED` says so: functions with values in the reals give float32 for integers of 8 bits
(Aesara; NumPy: float16), and float64 where integers of both signs have a wider dtype in common.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.ir import dtypes
from gradc.ir.types import TensorType
from tests.dtype_cases import EPS

BINARY: dict[str, Callable[..., Any]] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "true_divide": np.true_divide, "mod": np.mod,
    "floor_divide": np.floor_divide, "maximum": np.maximum, "minimum": np.minimum, "fmin": np.fmin, "fmax": np.fmax,
    "arctan2": np.arctan2, "logaddexp": np.logaddexp, "logaddexp2": np.logaddexp2, "fmod": np.fmod,
    "copysign": np.copysign, "heaviside": np.heaviside, "eq": np.equal, "neq": np.not_equal, "lt": np.less,
    "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal, "and_": np.bitwise_and, "or_": np.bitwise_or,
    "xor": np.bitwise_xor, "left_shift": np.left_shift, "right_shift": np.right_shift, "gcd": np.gcd, "lcm": np.lcm,
    "hypot": np.hypot, "pow": np.power,
}
UNARY: dict[str, Callable[..., Any]] = {
    "neg": np.negative, "abs": np.absolute, "sgn": np.sign, "square": np.square, "sqrt": np.sqrt, "exp": np.exp,
    "exp2": np.exp2, "expm1": np.expm1, "log": np.log, "log2": np.log2, "log10": np.log10, "log1p": np.log1p,
    "sin": np.sin, "cos": np.cos, "tan": np.tan, "arcsin": np.arcsin, "arccos": np.arccos, "arctan": np.arctan,
    "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "arcsinh": np.arcsinh, "arccosh": np.arccosh,
    "arctanh": np.arctanh, "deg2rad": np.deg2rad, "rad2deg": np.rad2deg, "cbrt": np.cbrt, "isnan": np.isnan,
    "isinf": np.isinf, "isfinite": np.isfinite, "real": np.real, "imag": np.imag, "invert": np.invert,
    "bitwise_count": np.bitwise_count, "signbit": np.signbit, "logical_not": np.logical_not, "sum": np.sum,
    "prod": np.prod, "max": np.max, "min": np.min, "mean": np.mean, "argmax": np.argmax, "any": np.any, "all": np.all,
}
WHOLE = [0, 1, 2, 3, 7, -1, -5, 100, -128, 127, 255, 2**15, -2**31, 2**31, 2**53 + 1, 2**62 + 1, -2**62 - 1,
         2**63 - 1, 2**63, 2**64 - 1]


def sample(dtype: str) -> np.ndarray:
    if dtype == "bool":
        return np.array([False, True, True, False])
    if dtype in dtypes.INTEGERS:
        limits = np.iinfo(dtype)
        return np.array([v for v in WHOLE if limits.min <= v <= limits.max], dtype)
    if dtype in dtypes.FLOATS:
        return np.array([0, -0.0, 1, -1, 0.5, 2.5, -3.75, 7, 100, 1e4, np.inf, -np.inf, np.nan], dtype)
    return np.array([0, 1, -1j, 2.5 + 1j, -3 + 0.5j, 7], dtype)


def decided(name: str, want: str, *given: str) -> str:
    """The dtype that gradc gives where NumPy gives `want`."""
    discrete = all(d in dtypes.DISCRETE for d in given)
    if discrete and name == "mean":
        return "float64"
    if discrete and want in ("float16", "float32"):
        return dtypes.floating(*given)
    return want


def numpy_of(fn: Callable[..., Any], values: Sequence[np.ndarray]) -> np.ndarray | None:
    """NumPy's result; None where it refuses."""
    with np.errstate(all="ignore"):
        try:
            return np.asarray(fn(*values))
        except (TypeError, ValueError):
            return None


def check(name: str, fn: Callable[..., Any], values: Sequence[np.ndarray], got: np.ndarray) -> None:
    names = [v.dtype.name for v in values]
    plain = numpy_of(fn, values)
    assert plain is not None
    assert got.dtype == decided(name, plain.dtype.name, *names), (name, names)
    if got.dtype.kind in "biu":
        np.testing.assert_array_equal(got, plain, err_msg=f"{name} {names}")
        return
    want = plain
    if got.dtype != plain.dtype or "float16" in [v.dtype for v in values]:
        want = numpy_of(fn, [v if v.dtype.kind == "c" else v.astype("float64") for v in values])
    rtol = (512 if got.dtype.kind == "c" else 16) * EPS[got.dtype.name]
    if got.dtype.kind == "c":           # annex G and the like: tests/tensor/test_complex.py
        usual = np.all([np.isfinite(v) for v in (plain, *values)], axis=0) if np.ndim(plain) else np.isfinite(plain)
        got, want = [np.where(usual, v, 0) for v in (got, want)]
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(got, np.asarray(want).astype(got.dtype), rtol=rtol, atol=rtol / 8,
                                   err_msg=f"{name} {names}")


def built(name: str, fn: Callable[..., Any], variables: Sequence[Any], values: Sequence[np.ndarray]) -> Any:
    """The expression; None where both refuse these dtypes, or where gradc has what NumPy has not, or the like."""
    if name == "pow" and any(v.dtype.kind == "c" for v in values):
        return None                     # tests/tensor/test_complex.py: errors grow with the exponent
    try:
        made = getattr(at, name)(*variables)
    except TypeError as error:
        assert name in str(error) or "`-`" in str(error)
        with np.errstate(all="ignore"):
            assert numpy_of(fn, values) is None or (name in ("fmin", "fmax") and "complex" in str(error)), (name, error)
        return None
    if numpy_of(fn, values) is None:
        extra = {"hypot": "complex forms", "pow": "negative powers of integers", "gcd": "bools", "lcm": "bools"}
        assert name in extra, (name, [v.dtype for v in values])
        return None
    return made


def run(pairs: Sequence[tuple[str, str]], mode: str) -> None:
    """The functions of two arguments on these dtypes, in one function for each."""
    for left, right in pairs:
        a, b = [v.ravel().copy() for v in np.meshgrid(sample(left), sample(right), indexing="ij")]
        x, y = TensorType(left, (None,))("x"), TensorType(right, (None,))("y")
        made = {name: built(name, fn, (x, y), (a, b)) for name, fn in BINARY.items()}
        made = {name: z for name, z in made.items() if z is not None}
        for name, got in zip(made, gradc.function([x, y], list(made.values()), mode=mode)(a, b)):
            check(name, BINARY[name], (a, b), got)


PAIRS = list(itertools.product(dtypes.ALL, repeat=2))


@pytest.mark.parametrize("left", dtypes.ALL)
def test_two_arguments(left: str) -> None:
    run([pair for pair in PAIRS if pair[0] == left], "interpret")


def test_uint64_in_c() -> None:
    run([("uint64", "int64"), ("uint64", "uint64")], "c")


@pytest.mark.nightly
@pytest.mark.parametrize("left", dtypes.ALL)
def test_two_arguments_in_c(left: str) -> None:
    run([pair for pair in PAIRS if pair[0] == left], "c")


@pytest.mark.parametrize("mode", ["interpret", pytest.param("c", marks=pytest.mark.nightly)])
@pytest.mark.parametrize("dtype", dtypes.ALL)
def test_one_argument(dtype: str, mode: str) -> None:
    x, a = TensorType(dtype, (None,))("x"), sample(dtype)
    made = {name: built(name, fn, (x,), (a,)) for name, fn in UNARY.items()}
    made = {name: z for name, z in made.items() if z is not None}
    for name, got in zip(made, gradc.function([x], list(made.values()), mode=mode)(a)):
        check(name, UNARY[name], (a,), np.asarray(got))


@pytest.mark.parametrize("mode", ["c", "interpret"])
def test_uint64(mode: str) -> None:
    """Wraps, divides and shifts without a sign; compares with signed numbers exactly; counts and looks up."""
    u, i, s, x = TensorType("uint64", (None,))("u"), at.lvector("i"), TensorType("uint64", ())("s"), at.dvector("x")
    a = np.array([2**64 - 1, 2**63, 5], "uint64")
    b = np.array([-1, 2**63 - 1, 5])
    three = at.constant(np.uint64(3))
    made = [u * u, u + u, -u, u // three, u % three, u >> three, u << three, ~u, u.sum(), u.max(),
            at.cast(u, "float32"), at.cast(at.cast(u // three, "float64"), "uint64"), at.sort(u), u > -1, at.eq(u, i),
            i < u, u <= i, u >= 2**63,
            at.arange(s), at.arange(s, 10), x[u[2:] % three], at.set_subtensor(x[u[2:] % three], 1.0)]
    with np.errstate(all="ignore"):
        wants = [a * a, a + a, -a, a // np.uint64(3), a % np.uint64(3), a >> np.uint64(3), a << np.uint64(3), ~a,
                 a.sum(), a.max(), a.astype("float32"), (a // np.uint64(3)).astype("float64").astype("uint64"),
                 np.sort(a), a > -1, a == b, b < a, a <= b, a >= 2**63, np.arange(np.uint64(4)),
                 np.arange(np.uint64(4), 10), np.array([2.0]), np.array([0.0, 1, 1])]
    for got, want in zip(gradc.function([u, i, s, x], made, mode=mode)(a, b, 4, np.arange(3.0)), wants):
        assert got.dtype == want.dtype
        np.testing.assert_array_equal(got, want)
