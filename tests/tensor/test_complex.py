"""Complex numbers in C: values against NumPy, on branch cuts and at signed zeros, and everything they flow through."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.errors import TypeMismatchError
from gradc.ir.complex_forms import FORMS
from gradc.ir.graph import apply
from gradc.ir.ops import Map
from gradc.ir.scalars import ROWS

UNARY = [name for name in FORMS if ROWS[name].nin == 1]
BINARY = [name for name in FORMS if ROWS[name].nin == 2 and name not in ("second", "hypot", "hypot_slope")]
UNSIGNED = ("times_complement", "sigmoid", "one_minus_square", "log1p")    # of whose references zeros have no sign
PARTS = [0.0, -0.0, 1e-20, 0.3, -0.3, 1.0, -1.0, 2.0, -2.0, 30.0, -30.0, 1e8, -1e8]


def grid(dtype: str) -> np.ndarray:
    """All pairs of parts, zeros of both signs among them, and numbers everywhere, some of them near the unit circle."""
    rng = np.random.default_rng(3)
    made = np.empty(len(PARTS) ** 2, "complex128")
    made.real, made.imag = zip(*itertools.product(PARTS, PARTS))
    around = np.exp(1j * rng.uniform(-4, 4, 50)) * (1 + 1e-3 * rng.normal(size=50))
    return np.concatenate([made, 3 * rng.normal(size=200) + 3j * rng.normal(size=200), around]).astype(dtype)


def assert_near(y: np.ndarray, want: np.ndarray, tolerance: float, what: str, signs: bool = True) -> None:
    """Within `tolerance` of the absolute value where it is finite, and on the same side of each branch cut."""
    assert y.dtype == want.dtype and y.shape == want.shape, what
    if y.dtype == bool:
        np.testing.assert_array_equal(y, want, what)
        return
    there = np.isfinite(want)
    assert np.isfinite(y[there]).all(), what
    error = np.abs(y[there] - want[there])
    wrong = error > tolerance * np.abs(want[there])
    assert not wrong.any(), (what, y[there][wrong][:3], want[there][wrong][:3])
    if signs and y.dtype.kind == "c":
        for a, b in ((y.real[there], want.real[there]), (y.imag[there], want.imag[there])):
            zero = (a == 0) & (b == 0)
            assert (np.signbit(a[zero]) == np.signbit(b[zero])).all(), f"{what}: the sign of a zero"


@pytest.mark.usefixtures("users_flags")         # which make vector code
@pytest.mark.parametrize("dtype", ["complex128", "complex64"])
def test_functions_of_one_argument(dtype: str) -> None:
    z = at.TensorType(dtype, (None,))("z")
    f = gradc.function([z], [apply(Map(name), z) for name in UNARY])
    assert f.info["mode"] == "c"
    values = grid(dtype)
    with np.errstate(all="ignore"):
        for name, y in zip(UNARY, f(values)):
            want = ROWS[name].numpy(values)
            if name == "log1p":         # NumPy's loses what is small beside 1
                want[np.abs(values) < 1e-10] = values[np.abs(values) < 1e-10]
                near = (np.abs(values) < 2) & (np.abs(values) >= 1e-10)
                want[near] = [complex(mpmath.log(1 + mpmath.mpc(complex(v)))) for v in values[near]]
            inside = np.abs(values) < (1e5 if dtype == "complex64" else np.inf)     # squares overflow in float32
            tolerance = 8e-16 if dtype == "complex128" else 1e-6
            assert_near(y[inside], want[inside], tolerance, name, name not in UNSIGNED)


def test_where_one_part_is_infinite() -> None:
    """NumPy's limits, where it has any, on the axes and beside them."""
    names = [name for name in UNARY if name not in ("one_minus_square", "times_complement", "log1p", "sigmoid")]
    finite = [0.0, -0.0, 0.5, -2.0]
    parts = [(a, b) for x in (np.inf, -np.inf) for y in finite for a, b in ((x, y), (y, x))]
    values = np.array([complex(*part) for part in parts])
    z = at.zvector("z")
    with np.errstate(all="ignore"):
        for name, y in zip(names, gradc.function([z], [apply(Map(name), z) for name in names])(values)):
            want = ROWS[name].numpy(values)
            there = ~(np.isnan(want.real) | np.isnan(want.imag))
            for got, part in ((y.real, want.real), (y.imag, want.imag)):
                np.testing.assert_allclose(got[there], part[there], rtol=1e-14, err_msg=name)


@pytest.mark.parametrize("dtype", ["complex128", "complex64"])
def test_functions_of_two_arguments(dtype: str) -> None:
    z, w = at.TensorType(dtype, (None, 1))("z"), at.TensorType(dtype, (1, None))("w")
    f = gradc.function([z, w], [apply(Map(name), z, w) for name in BINARY])
    assert f.info["mode"] == "c"
    values = grid(dtype)[::5]
    values = values[np.abs(values) < 1e5]
    rows, columns = values[:, None], values[None]
    with np.errstate(all="ignore"):
        for name, y in zip(BINARY, f(rows, columns)):
            if name == "pow":               # |y log x| units, and NumPy's own error
                want = np.power(rows.astype("clongdouble"), columns).astype(dtype)
                unit = 1e-15 if dtype == "complex128" else 6e-7
                limit = (1 + np.abs(columns * np.log(np.where(rows == 0, 1, rows)))) * unit
                good = np.isfinite(want) & (np.abs(want) > 1e-30) & (np.abs(want) < 1e30)
                assert (np.abs(y - want) <= limit * np.abs(want))[good].all()
            else:
                assert_near(y, ROWS[name].numpy(rows, columns), 1e-15 if dtype == "complex128" else 1e-6, name)


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if name not in FORMS and row.rule != "pair"])
def test_rows_without_a_form_refuse_complex_numbers(name: str) -> None:
    with pytest.raises(TypeMismatchError):
        ROWS[name].dtypes(*["complex128"] * ROWS[name].nin)


def test_whole_powers_are_products() -> None:
    z = at.zvector("z")
    f = gradc.function([z], [z ** n for n in (0, 1, 2, 3, 7, -1, -4, 0.5)])
    values = grid("complex128")
    values = values[(np.abs(values) > 0) & (np.abs(values) < 1e4)]
    for n, y in zip((0, 1, 2, 3, 7, -1, -4, 0.5), f(values)):
        assert_near(y, values ** n, 4e-15, f"power {n}", signs=False)
    assert "pow(" not in gradc.function([z], z ** 3).c_source()


def test_a_real_factor_multiplies_both_parts() -> None:
    x, z = at.dscalar("x"), at.zscalar("z")
    assert gradc.function([x, z], x * z)(2, complex(1, np.inf)) == complex(2, np.inf)


def test_no_product_is_a_call() -> None:
    z, w = at.zvector("z"), at.zvector("w")
    text = gradc.function([z, w], [z * w, z / w]).c_source()
    assert "_Complex" in text and "z_i * " not in text and "__mul" not in text


rng = np.random.default_rng(1)


def sample(*shape: int, dtype: str = "complex128") -> np.ndarray:
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(dtype)


A, B, R, V = sample(4, 5), sample(5, 3), rng.normal(size=(4, 5)), sample(5)
K = np.array([3, 0, 0, 2])

# name: (expression of the library m, arguments); both libraries' functions have the same names
WHOLE: dict[str, tuple[Callable[..., Any], tuple[np.ndarray, ...]]] = {
    "sum": (lambda m, z: m.sum(z, axis=1), (A,)),
    "sum of all": (lambda m, z: m.sum(z), (A,)),
    "mean": (lambda m, z: m.mean(z, axis=0), (A,)),
    "var": (lambda m, z: m.var(z, axis=0), (A,)),
    "prod": (lambda m, z: m.prod(z, axis=0), (A,)),
    "prod of all": (lambda m, z: m.prod(z), (A,)),
    "prod of two axes": (lambda m, z: m.prod(z, axis=(0, 2)), (sample(2, 3, 4),)),
    "prod of none": (lambda m, z: m.prod(z[:0], axis=0), (A,)),
    "cumsum": (lambda m, z: m.cumsum(z, axis=1), (A,)),
    "cumprod": (lambda m, z: m.cumprod(z, axis=1), (A,)),
    "any": (lambda m, z: m.any(z * (m.abs(z) > 1), axis=0), (A,)),
    "all": (lambda m, z: m.all(z * (m.abs(z) > 1), axis=0), (A,)),
    "max": (lambda m, z: m.max(z, axis=1), (A,)),
    "min of all": (lambda m, z: m.min(z), (A,)),
    "max among equal real parts": (lambda m, z: m.max(m.real(z) * 0 + 1j * m.imag(z), axis=0), (A,)),
    "argmax": (lambda m, z: m.argmax(z, axis=1), (A,)),
    "argmin": (lambda m, z: m.argmin(z, axis=0), (A,)),
    "matrix product": (lambda m, z, w: m.dot(z, w), (A, B)),
    "large matrix product": (lambda m, z, w: m.dot(z, w), (sample(40, 50), sample(50, 30))),
    "batched product": (lambda m, z, w: m.matmul(z, w), (sample(2, 4, 5), sample(2, 5, 3))),
    "matrix times vector": (lambda m, z, w: m.dot(z, w), (A, V)),
    "vector times vector": (lambda m, z, w: m.dot(z, w), (V, V)),
    "real times complex": (lambda m, z, w: m.dot(z, w), (R, B)),
    "tensordot": (lambda m, z, w: m.tensordot(z, w, axes=([1], [0])), (A, B)),
    "einsum": (lambda m, z, w: m.einsum("ij,jk->ki", z, w), (A, B)),
    "outer": (lambda m, z: m.outer(z, m.conj(z)), (V,)),
    "index": (lambda m, z: z[1:, ::-2], (A,)),
    "one element": (lambda m, z: z[2, -1], (A,)),
    "gather": (lambda m, z, k: z[k], (A, K)),
    "mask": (lambda m, z: z[m.real(z) > 0], (A,)),
    "transpose": (lambda m, z: z.T + 1, (A,)),
    "reshape": (lambda m, z: z.reshape((2, 10)), (A,)),
    "clip": (lambda m, z: m.clip(z, -0.5 - 1j, 0.5), (A,)),
    "nan_to_num": (lambda m, z: m.nan_to_num(z / (m.abs(z) > 1)), (A,)),
    "join": (lambda m, z, x: m.concatenate([z, x, x * 1j]), (A, R)),
    "stack": (lambda m, z: m.stack([z, m.conj(z)]), (V,)),
    "switch": (lambda m, z, x: m.where(x > 0, z, x), (A, R)),
    "broadcast": (lambda m, z, w: z + w[None, :] * 2, (A, V)),
    "conj": (lambda m, z: m.conj(z) * z, (A,)),
    "parts": (lambda m, z: m.real(z) * m.imag(z) + m.abs(z) * m.angle(z), (A,)),
    "isfinite": (lambda m, z: m.isfinite(1 / (z - z[0])), (A,)),
    "integers": (lambda m, z, k: z[:, 0] * k - k, (A, K)),
    "zeros": (lambda m, z: m.zeros_like(z) + z, (A,)),
    "eye": (lambda m, z: m.eye(4, dtype="complex128") @ z, (A,)),
    "trace and diagonal": (lambda m, z: m.diagonal(z) * m.trace(z), (A,)),
}


@pytest.fixture(scope="module")
def computed() -> dict[str, Any]:
    """All of `WHOLE` in one function."""
    inputs, outputs, values = [], [], []
    for expression, args in WHOLE.values():
        given = [at.TensorType(a.dtype.name, (None,) * a.ndim)() for a in args]
        inputs += given
        values += args
        outputs.append(expression(at, *given))
    f = gradc.function(inputs, outputs)
    assert f.info["mode"] == "c"
    return dict(zip(WHOLE, f(*values)))


@pytest.mark.parametrize("name", WHOLE)
def test_arrays(name: str, computed: dict[str, Any]) -> None:
    expression, args = WHOLE[name]
    with np.errstate(all="ignore"):
        want = np.asarray(expression(np, *args))
    assert computed[name].dtype == want.dtype
    np.testing.assert_allclose(computed[name], want, rtol=1e-13, atol=1e-13)


def test_parts_of_tensors_are_set_and_added_to() -> None:
    z, v, k = at.zmatrix("z"), at.zvector("v"), at.lvector("k")
    f = gradc.function([z, v, k], [at.set_subtensor(z[1], v), at.inc_subtensor(z[:, 2], v[:4]),
                                   at.inc_subtensor(z[k], v), at.set_subtensor(z[0, 0], 2.0)])
    assert f.info["mode"] == "c"
    want = [A.copy() for _ in range(4)]
    want[0][1] = V
    want[1][:, 2] += V[:4]
    np.add.at(want[2], K, V)
    want[3][0, 0] = 2
    for y, w in zip(f(A, V, K), want):
        np.testing.assert_allclose(y, w, rtol=1e-15)


def test_inputs_outputs_shared_variables_and_updates() -> None:
    z, c = at.zvector("z"), at.zscalar("c")
    total = gradc.shared(np.zeros(5, "complex128"), "total")
    f = gradc.function([z, c], [z, total * 2, c * 1j], updates={total: total + c * z})
    assert f.info["mode"] == "c" and "complex" not in repr(f.info).replace(f.info["path"], "")
    first = f(V, 2 - 1j)
    np.testing.assert_array_equal(first[0], V)
    np.testing.assert_array_equal(first[1], np.zeros(5))
    assert first[2] == 2j + 1 and first[2].dtype == "complex128"
    np.testing.assert_allclose(total.get_value(), (2 - 1j) * V)
    np.testing.assert_array_equal(f(V.astype("complex64"), 3)[2], 3j)
    np.testing.assert_array_equal(f(np.ones(10, "complex128")[::2], np.float64(1))[0], np.ones(5))


def test_a_bound_call_reads_complex_memory() -> None:
    z = at.zvector("z")
    call = gradc.function([z], at.exp(z)).bind(values := V.copy())
    values[:] = 1j
    call()
    np.testing.assert_allclose(call.out, np.exp(1j) * np.ones(5), rtol=1e-15)


def test_loops_and_branches() -> None:
    z, c, n = at.zvector("z"), at.zscalar("c"), at.lscalar("n")
    rows, last = gradc.scan(lambda row, state: [state * c + row, state], sequences=[z], outputs_info=[c, None])[0]
    power = gradc.scan(lambda state, c: state * c, outputs_info=[at.ones_like(c)], non_sequences=[c], n_steps=n)[0][-1]
    branch = gradc.ifelse(n > 3, z * c, at.conj(z))
    f = gradc.function([z, c, n], [rows, last, power, branch])
    assert f.info["mode"] == "c"
    state, states = 0.5 + 0.2j, []
    for row in V:
        states.append(state)
        state = state * (0.5 + 0.2j) + row
    y = f(V, 0.5 + 0.2j, 4)
    np.testing.assert_allclose(y[0], [*states[1:], state], rtol=1e-14)
    np.testing.assert_allclose(y[1], states, rtol=1e-14)
    np.testing.assert_allclose(y[2], (0.5 + 0.2j) ** 4, rtol=1e-14)
    np.testing.assert_allclose(y[3], V * (0.5 + 0.2j), rtol=1e-15)
    np.testing.assert_array_equal(f(V, 1, 1)[3], np.conj(V))


def test_users_ops_are_given_complex_arrays() -> None:
    class Turn(gradc.graph.Op):
        def make_node(self, z: Any) -> Any:
            return gradc.graph.Apply(self, [z], [z.type(), at.dvector()])

        def perform(self, node: Any, inputs: Any, outputs: Any) -> None:
            assert inputs[0].dtype == "complex128"
            outputs[0][0] = inputs[0] * 1j
            outputs[1][0] = np.abs(inputs[0][:, 0])

    z = at.zmatrix("z")
    turned, size = Turn()(z + 1)
    f = gradc.function([z], [turned * 2, size, turned])
    assert f.info["mode"] == "c" and "Turn" in f.info["calls"]
    for y, want in zip(f(A), [2j * (A + 1), np.abs(A[:, 0] + 1), 1j * (A + 1)]):
        np.testing.assert_allclose(y, want, rtol=1e-15)


def test_the_interpreter_agrees_and_has_no_parts_if_the_program_is_as_written() -> None:
    z = at.zvector("z")
    out = at.exp(z) * at.conj(z) + at.prod(z)
    want = np.exp(V) * np.conj(V) + np.prod(V)
    for mode in ("interpret", "FAST_COMPILE", gradc.compile.mode.Mode("c", None)):
        np.testing.assert_allclose(gradc.function([z], out, mode=mode)(V), want, rtol=1e-13)
    assert "real" not in gradc.printing.debugprint(gradc.function([z], out, mode="FAST_COMPILE"), file="str")


NAMES = [n for n in UNARY if n not in ("isnan", "isinf", "exp2", "round_half_to_even", "sgn")]
# of two values, the first divided by something larger, and a function's name
STEPS: list[Callable[..., Any]] = [
    lambda a, b, small, name: a + b, lambda a, b, small, name: small * b, lambda a, b, small, name: a - at.conj(b),
    lambda a, b, small, name: small / (2 + at.abs(b)), lambda a, b, small, name: a[::-1],
    lambda a, b, small, name: apply(Map(name), at.cast(small, "complex128") * 0.7 + 0.1j),
    lambda a, b, small, name: at.sum(a, axis=-1), lambda a, b, small, name: at.prod(small, axis=0),
    lambda a, b, small, name: at.cumsum(small, axis=0), lambda a, b, small, name: at.dot(small, b if b.ndim else small),
    lambda a, b, small, name: at.real(a) * at.imag(b), lambda a, b, small, name: at.set_subtensor(a[:1], 0.5),
    lambda a, b, small, name: at.where(at.abs(at.sum(a)) > 1, a, b),
    lambda a, b, small, name: at.concatenate([a, small])[:4],
    lambda a, b, small, name: at.complex(at.angle(small), at.abs(b)), lambda a, b, small, name: at.sort(small, axis=0),
    lambda a, b, small, name: square(small) @ at.conj(square(small)).T,
    lambda a, b, small, name: at.linalg.solve(square(small) + 5 * np.eye(4), square(small).T),
    lambda a, b, small, name: at.linalg.cholesky(square(small) @ at.conj(square(small)).T + np.eye(4)),
    lambda a, b, small, name: at.linalg.slogdet(square(small) + 5 * np.eye(4))[0] * small]


def square(x: Any) -> Any:
    """A matrix of 4 rows, of a vector or a matrix of 4 elements a row, or fewer."""
    rows = x if x.ndim == 2 else at.outer(x, at.conj(x))
    return at.set_subtensor(at.zeros((4, 4), dtype=rows.dtype)[:rows.shape[0], :rows.shape[1]], rows)


def random_program(seed: int) -> tuple[list[Any], list[Any], list[np.ndarray]]:
    """Functions, sums, products and indices of complex and real matrices, each of what came before."""
    r = np.random.default_rng(seed)
    dtype = ["complex128", "complex64"][seed % 2]
    inputs = [at.TensorType(dtype, (None, None))("z"), at.dmatrix("x"), at.TensorType(dtype, (None,))("w")]
    values = [sample(4, 4, dtype=dtype), r.normal(size=(4, 4)), sample(4, dtype=dtype)]
    made = [*inputs[:2], inputs[2] * 2]
    for _ in range(12):
        a, b = [made[k] for k in r.integers(0, len(made), 2)]
        small = a / (1 + at.abs(a))             # so that nothing overflows
        step = STEPS[r.integers(0, len(STEPS))]
        made.append(step(a, b, small, str(r.choice(NAMES))) if a.ndim and a.ndim >= b.ndim else at.exp(small))
    return inputs, made[3:], values


@pytest.mark.parametrize("seeds", [range(2), *[pytest.param(range(k, k + 8), marks=pytest.mark.nightly)
                                               for k in range(2, 66, 8)]])
def test_random_programs_are_those_of_numpy(seeds: range) -> None:
    """In C, in parts by the interpreter, and as written by the interpreter, where NumPy computes complex numbers."""
    programs = [random_program(seed) for seed in seeds]
    inputs, outputs, values = [[v for program in programs for v in program[k]] for k in range(3)]
    wanted = gradc.function(inputs, outputs, mode="FAST_COMPILE", on_unused_input="ignore")(*values)
    compiled = gradc.function(inputs, outputs, on_unused_input="ignore")
    assert compiled.info["mode"] == "c"
    checked = gradc.function(inputs, outputs, mode="DebugMode", on_unused_input="ignore")
    for mode, made in (("C", compiled(*values)), ("interpreter", checked(*values))):
        for y, want in zip(made, wanted):
            assert y.dtype == want.dtype and y.shape == want.shape
            eps = np.finfo(want.dtype).eps if want.dtype.kind in "fc" else 0
            limit = 1e4 * max(eps, 1e-7 if "complex64" in (v.dtype for v in inputs) else 0)
            np.testing.assert_allclose(y, want, rtol=limit, atol=limit * np.abs(want).max(initial=0), err_msg=mode)


@pytest.mark.parametrize("call", [
    lambda z: at.cast(z, "float64"), lambda z: at.floor(z), lambda z: at.erf(z), lambda z: z // 2, lambda z: z % 2,
    lambda z: at.complex(z, 1.0), lambda z: at.quantile(z, 0.5), lambda z: at.arctan2(z, z)])
def test_what_takes_no_complex_numbers(call: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeMismatchError, match=r"complex|real"):
        call(at.zvector("z"))


def test_complex_of_parts_and_polar() -> None:
    x, y = at.dvector("x"), at.dvector("y")
    a, b = np.array([1.0, -0.0, np.inf, 2.0]), np.array([-0.0, 0.0, 1.0, np.nan])
    f = gradc.function([x, y], [at.complex(x, y), at.complex_from_polar(x, y), at.complex(at.cast(x, "float32"), 1)])
    made, polar, small = f(a, b)
    for part, want in ((made.real, a), (made.imag, b)):
        np.testing.assert_array_equal(part, want)
        assert (np.signbit(part) == np.signbit(want)).all()
    np.testing.assert_allclose(polar[:1], [1])
    assert small.dtype == "complex64"
