"""float16: kept in 16 bits, computed in float32: conversions bit by bit, errors against float64, loops, gradients."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.gradient import Rop
from gradc.graph.basic import Apply
from gradc.graph.op import Op
from gradc.ir.convert import to_program
from gradc.ir.halves import in_floats
from gradc.ir.interp import evaluate
from gradc.ir.program import equations
from tests.cases import CASES
from tests.cases_base import Case
from tests.dtype_cases import agreement, with_dtype

MODES = ["c", "interpret"]
HALF = np.float16
EPS = 2.0 ** -11                            # half a unit in the last place, relative
ALL = np.arange(65536).astype("uint16").view(HALF)


def half(name: str, ndim: int = 1) -> Any:
    return at.tensor(name, dtype="float16", shape=(None,) * ndim)


def same_bits(got: np.ndarray, want: np.ndarray) -> None:
    """Equal bit by bit, but for the payload of a nan."""
    assert got.dtype == want.dtype
    whole = f"u{got.itemsize}"
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    there = ~np.isnan(want)
    np.testing.assert_array_equal(got.view(whole)[there], want.view(whole)[there])


def numbers() -> np.ndarray:
    """Halves, what lies between two, the next doubles and floats to it, and any bits."""
    whole = ALL[np.isfinite(ALL)].astype("float64")
    ends = np.sort(whole)
    ties = (ends[1:] + ends[:-1]) / 2
    near = [np.nextafter(ties, side) for side in (np.inf, -np.inf)]
    single = [np.nextafter(ties.astype("float32"), np.float32(side)).astype("float64") for side in (np.inf, -np.inf)]
    rng = np.random.default_rng(5)
    some = rng.integers(0, 2**64, 100_000, dtype="uint64").view("float64")
    floats = rng.integers(0, 2**32, 100_000, dtype="uint32").view("float32").astype("float64")
    limits = np.array([65504, 65519.99, 65520, 65536, np.inf, np.nan, 5e-324, 2.0**-25, 2.0**-24, 0])
    return np.concatenate([whole, ties, *near, *single, some, floats, limits, -limits])


@pytest.mark.parametrize("mode", MODES)
def test_conversions_bit_by_bit(mode: str) -> None:
    h, f, d = half("h"), at.fvector("f"), at.dvector("d")
    made = [at.cast(h, "float32"), at.cast(h, "float64"), at.cast(f, "float16"), at.cast(d, "float16"),
            at.cast(h, "int32"), at.cast(at.lvector("i"), "float16"), at.cast(h, "bool")]
    i = made[5].owner.inputs[0]
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        doubles = numbers()
        floats = doubles.astype("float32")
        ints = np.array([0, 1, -1, 2048, 2049, 2051, 65504, 65519, 65520, -65520, 2**24 + 1, 2**62])
        got = gradc.function([h, f, d, i], made, mode=mode)(ALL, floats, doubles, ints)
        finite = np.isfinite(ALL)
        for result, want in zip(got, [ALL.astype("float32"), ALL.astype("float64"), floats.astype(HALF),
                                      doubles.astype(HALF)]):
            same_bits(result, want)
        np.testing.assert_array_equal(got[4][finite], ALL[finite].astype("int32"))
        np.testing.assert_array_equal(got[5], ints.astype(HALF))
        np.testing.assert_array_equal(got[6], ALL.astype(bool))


@pytest.mark.parametrize("mode", MODES)
def test_a_chain_is_rounded_once(mode: str) -> None:
    """Of float32 operations and one rounding: at most half a unit more than the exact value's own rounding."""
    x, y = half("x"), half("y")
    rng = np.random.default_rng(1)
    a, b = rng.uniform(0.1, 3, (2, 1000)).astype(HALF)
    made = [at.exp(x) * y + 0.1 * y, at.log1p(x) / (1 + y), (x * x * x * y).sum() / 1000.0, x.mean(), x.std(),
            at.dot(x, y), at.cumsum(x), at.logsumexp(x), at.softmax(x)]
    p, q = a.astype("float64"), b.astype("float64")
    with gradc.config.change_flags(cast_policy="weak"):
        assert (at.exp(x) * y + 0.1 * y).dtype == "float16"
    wants = [np.exp(p) * q + 0.1 * q, np.log1p(p) / (1 + q), (p**3 * q).sum() / 1000, p.mean(), p.std(), p @ q,
             p.cumsum(), np.log(np.exp(p).sum()), np.exp(p) / np.exp(p).sum()]
    got = gradc.function([x, y], made, mode=mode)(a, b)
    assert [r.dtype.name for r in got] == ["float64", *["float16"] * 8]      # 0.1 is a float64 for cast_policy custom
    for r, want in zip(got, wants):
        np.testing.assert_allclose(r.astype("float64"), want, rtol=1.01 * EPS, atol=2.0**-25)


def test_sums_beyond_the_largest_number() -> None:
    """65504 is no limit for what is not kept; what is kept is inf."""
    x = half("x")
    a = np.full(1000, 1000, HALF)
    total, mean, norm = gradc.function([x], [x.sum(), x.sum() / 1000.0, at.sqrt((x * x).sum())])(a)
    assert np.isinf(total) and mean == 1000 and abs(norm - 1000 * 1000**0.5) < 20


@pytest.mark.parametrize("mode", MODES)
def test_values_are_moved_as_they_are(mode: str) -> None:
    """Views, joins, parts and sorts of all 65536 numbers."""
    x, i = half("x"), at.lvector("i")
    a = ALL[~np.isnan(ALL)]
    places = np.random.default_rng(0).permutation(len(a))
    made = [x[::-2], x.reshape((2, -1)).T, x[i], at.concatenate([x, x[:5]]), at.set_subtensor(x[3:6], 1.5),
            at.set_subtensor(x[i[:4]], x[:4]), at.sort(x), at.switch(x > 0, x, at.constant(HALF(0.25))), x.max(),
            at.argmin(x), at.inc_subtensor(x[:2], 1)]
    got = gradc.function([x, i], made, mode=mode)(a, places)
    put, many, added = a.copy(), a.copy(), a.copy()
    put[3:6], many[places[:4]] = 1.5, a[:4]
    added[:2] += 1
    wants = [a[::-2], a.reshape(2, -1).T, a[places], np.concatenate([a, a[:5]]), put, many, np.sort(a),
             np.where(a > 0, a, HALF(0.25)), a.max(), a.argmin(), added]
    for r, want in zip(got, wants):
        assert r.dtype == want.dtype
        np.testing.assert_array_equal(r, want)


def test_nothing_computes_with_float16() -> None:
    """After ingestion it is kept, moved and cast only."""
    x = half("x")
    out, _ = gradc.scan(lambda t, acc: at.tanh(acc + t * x), sequences=x, outputs_info=[x])
    y = gradc.ifelse(x.sum() > 0, out[-1] * 2, x)
    program = in_floats(to_program([x], [y, at.grad(y.sum(), x), at.concatenate([x, y])]))
    allowed = {"Const", "Cast", "Slice", "Broadcast", "Reshape", "Transpose", "Gather", "Concat", "ShapeOf", "Scatter",
               "Scan", "Cond", "Assert"}
    for eqn in equations(program):
        if any(getattr(v.type, "dtype", "") == "float16" for v in (*eqn.args, *eqn.outs)):
            assert type(eqn.op).__name__ in allowed
    plain = to_program([z := at.dvector("z")], [z.sum()])
    assert in_floats(plain) is plain


@pytest.mark.parametrize("mode", MODES)
def test_loops_and_branches(mode: str) -> None:
    """What is carried is float32, so that 5000 small numbers add up; what is stacked is rounded."""
    x, c = half("x"), at.bscalar("c")
    start = at.constant(HALF(0))
    with gradc.config.change_flags(cast_policy="weak"):
        out, _ = gradc.scan(lambda t, acc: acc + t * 0.5, sequences=x, outputs_info=[start])
        last = gradc.ifelse(c, out[-1] * 2, out[0])
        made = [out, last, at.grad(out[-1] ** 2, x), at.grad(last, x)]
    assert [y.dtype for y in made] == ["float16"] * 4
    a = np.full(5000, 0.002, HALF)
    states, doubled, slope, first = gradc.function([x, c], made, mode=mode)(a, 1)
    exact = np.cumsum(a.astype("float64") * 0.5)
    np.testing.assert_allclose(states.astype("float64"), exact, rtol=1.01 * EPS)
    np.testing.assert_allclose(float(doubled), 2 * exact[-1], rtol=2.1 * EPS)
    np.testing.assert_allclose(slope.astype("float64"), exact[-1], rtol=3 * EPS)
    np.testing.assert_array_equal(first, np.ones(5000))


def test_shared_variables_and_updates() -> None:
    s = gradc.shared(HALF([1, 2, 3]), name="s")
    assert s.type.dtype == "float16"
    step = gradc.function([], s.sum(), updates=[(s, s * 1.5)])
    assert step() == 6 and step() == 9
    np.testing.assert_array_equal(s.get_value(), HALF([2.25, 4.5, 6.75]))
    with pytest.raises(TypeError, match="s is f16"):
        gradc.function([], updates=[(s, at.cast(s, "float32"))])
    x, k = half("x"), at.tensor("k", dtype="float16", shape=())
    f = gradc.function([x, gradc.In(k, value=0.5)], x * k)
    assert f(HALF([1, 3])).tolist() == [0.5, 1.5] and f([1, 3], 2).tolist() == [2, 6]
    assert f(HALF([1]), np.float16(0.25)).dtype == HALF
    with pytest.raises(TypeError, match="float16"):
        f(np.float32([1.1]))


@pytest.mark.parametrize("mode", MODES)
def test_gradients_are_float16(mode: str) -> None:
    x, w = half("x", 2), half("w")
    cost = at.log1p(at.exp(at.dot(x, w))).mean()
    made = [cost, *at.grad(cost, [x, w]), Rop(cost, w, w), at.grad(at.grad(cost, w).sum(), w)]
    assert [y.dtype for y in made] == ["float16"] * 5
    rng = np.random.default_rng(2)
    a, b = rng.normal(0, 1, (8, 3)).astype(HALF), rng.normal(0, 1, 3).astype(HALF)
    got = gradc.function([x, w], made, mode=mode)(a, b)
    p, q = a.astype("float64"), b.astype("float64")
    s = 1 / (1 + np.exp(-p @ q))
    wants = [np.log1p(np.exp(p @ q)).mean(), s[:, None] * q / 8, p.T @ s / 8, (p.T @ s / 8) @ q,
             p.T @ (s * (1 - s) * p.sum(1)) / 8]
    for r, want in zip(got, wants):
        np.testing.assert_allclose(r.astype("float64"), want, rtol=4 * EPS, atol=4 * EPS * np.abs(want).max())


def test_promotion_is_numpy_s() -> None:
    h = half("h")
    for dtype, want in [("bool", "float16"), ("int8", "float16"), ("uint8", "float16"), ("int16", "float32"),
                        ("uint16", "float32"), ("int32", "float64"), ("int64", "float64"), ("float32", "float32"),
                        ("float64", "float64"), ("complex64", "complex64"), ("complex128", "complex128")]:
        assert (h + at.TensorType(dtype, (None,))()).dtype == want == np.result_type("float16", dtype).name
    assert (h * 2.5).dtype == (h + 1).dtype == "float16"        # as in Aesara: 2.5 is exact, 1 an int8
    assert (h * 0.1).dtype == "float64"
    assert (h + 1000).dtype == "float32"
    assert at.constant(HALF(2)).dtype == "float16" and at.complex(h, h).dtype == "complex64"


def test_what_does_not_take_float16_says_so() -> None:
    m, h = half("m", 2), half("h")
    for made, name in [(lambda: at.linalg.cholesky(m), "cholesky"), (lambda: at.linalg.eigh(m), "eigh"),
                       (lambda: at.spacing(h), "spacing"), (lambda: at.nextafter(h, h), "nextafter"),
                       (lambda: h & 1, "and_"), (lambda: at.bincount(h), "bincount")]:
        with pytest.raises(TypeError, match=rf"{name}.*float16.*test_half.py"):
            made()


class Twice(Op):
    """A user's Op that is given float16, and gives it."""

    __props__ = ()

    def make_node(self, x: Any) -> Apply:
        return Apply(self, [x], [x.type()])

    def perform(self, node: Any, inputs: Any, outputs: Any) -> None:
        assert inputs[0].dtype == HALF
        outputs[0][0] = inputs[0] * 2


@pytest.mark.parametrize("mode", MODES)
def test_users_ops_are_given_float16(mode: str) -> None:
    x = half("x")
    f = gradc.function([x], at.exp(Twice()(x / 3)), mode=mode)
    a = HALF([1, 2, 5])
    twice = 2 * (a.astype("float32") / np.float32(3)).astype(HALF)
    np.testing.assert_allclose(f(a).astype("float64"), np.exp(twice.astype("float64")), rtol=1.01 * EPS)


def _cases() -> list[tuple[Case, list[Any], list[Any]]]:
    """The rows of tests/cases.py that take float16."""
    rows = []
    for case in CASES:
        if case.args:
            made = with_dtype(case, "float16")
            variables = made.variables()
            try:
                rows.append((made, variables, made.outputs(variables)))
            except TypeError:
                continue
    return rows


@pytest.mark.nightly
def test_every_function_in_c() -> None:
    """C and the interpreter round the same float32 results, and both agree with NumPy on float64."""
    rows = _cases()
    assert len(rows) > 900
    for start in range(0, len(rows), 40):
        part = rows[start:start + 40]
        variables = [v for _, inputs, _ in part for v in inputs]
        for k, v in enumerate(variables):
            v.name = f"x{k}"
        values = [case.sample() for case, _, _ in part]
        f = gradc.function(variables, [y for _, _, outs in part for y in outs], on_unused_input="ignore")
        results = iter(f(*[v for row in values for v in row]))
        for (case, _, outs), given in zip(part, values):
            wrong = agreement(case, given, [next(results) for _ in outs])
            assert wrong is None, (case.id, wrong)


def _total(outputs: list[Any]) -> Any:
    """The sum of all results."""
    parts = [part for y in outputs for part in ((at.real(y), at.imag(y)) if y.dtype.startswith("complex") else (y,))]
    return at.add(0, *[at.cast(part, "float32").sum() for part in parts if part.dtype.startswith("float")])


@pytest.mark.nightly
def test_every_gradient() -> None:
    """float16, and what float64 gives for the same numbers."""
    count = 0
    for case, variables, outs in _cases():
        if not case.differentiable() or case.name == "kaiser":       # the sum of a window's derivatives cancels
            continue
        values = case.sample()
        slopes = at.grad(_total(outs), [variables[k] for k in case.differentiable()], disconnected_inputs="ignore")
        exact = with_dtype(case, "float64", "float16")
        doubles = exact.variables()
        wanted = at.grad(_total(exact.outputs(doubles)), [doubles[k] for k in case.differentiable()],
                         disconnected_inputs="ignore")
        got = evaluate(in_floats(to_program(variables, slopes)), values)
        wants = evaluate(to_program(doubles, wanted), [v.astype(x.dtype) for v, x in zip(values, doubles)])
        for k, a, b in zip(case.differentiable(), got, wants):
            assert a.dtype == variables[k].dtype
            size = np.abs(b[np.isfinite(b)]).max(initial=0)
            np.testing.assert_allclose(a.astype("float64"), b, rtol=4 * EPS, atol=1e-5 * size + 2.0**-24,
                                       err_msg=case.id)
        count += 1
    assert count > 700


@pytest.mark.parametrize("mode", MODES)
def test_a_model_of_floatx_float16(mode: str) -> None:
    """Constructors, Python's floats, draws, updates and gradients are float16; the numbers are NumPy's, rounded."""
    with gradc.config.change_flags(floatX="float16"):
        x, w = at.vector("x"), gradc.shared(np.ones(3, HALF))
        loss = ((x * w - 0.1) ** 2).mean() + 1e-2 * (w ** 2).sum()
        slope = gradc.grad(loss, w)
        f = gradc.function([x], [loss, slope, at.zeros((2,)), at.arange(3.0), at.hanning(5000), at.fft.fftfreq(5000),
                                 at.random.normal(0, 1, size=(3,), rng=np.random.default_rng(3)), x + 1e5],
                           updates=[(w, w - 0.1 * slope)], mode=mode)
        given = np.array([1, 0.5, 2], HALF)
        *found, beyond = f(given)
        assert {y.dtype for y in found} == {np.dtype(HALF)} and beyond.dtype == np.float32
        wide, weights = given.astype("float64"), np.ones(3)
        error = wide * weights - float(HALF(0.1))
        slopes = 2 * error * wide / 3 + 2 * float(HALF(1e-2)) * weights
        for y, want in zip(found, ((error ** 2).mean() + float(HALF(1e-2)) * 3, slopes, np.zeros(2), np.arange(3.0),
                                   np.hanning(5000), np.fft.fftfreq(5000),
                                   np.random.default_rng(3).normal(size=3))):
            np.testing.assert_allclose(y, want, rtol=3 * EPS, atol=2.0 ** -23)
        np.testing.assert_allclose(w.get_value(), weights - float(HALF(0.1)) * slopes, rtol=2 * EPS)


def test_what_is_computed_of_integers_where_floatx_is_float16() -> None:
    """Transforms and linear algebra, which take no float16, compute in float32."""
    n = at.lmatrix("n")
    with gradc.config.change_flags(floatX="float16"):
        outputs = [at.linalg.inv(n), at.fft.rfft(n), at.fft.dct(n), at.sqrt(n) * (1 + 2j)]
        found = gradc.function([n], outputs)(np.array([[2, 1], [1, 3]]))
    given = np.array([[2.0, 1.0], [1.0, 3.0]])
    np.testing.assert_allclose(found[0], np.linalg.inv(given), rtol=1e-6)
    np.testing.assert_allclose(found[1], np.fft.rfft(given), rtol=1e-6)
    assert [y.dtype for y in found[:3]] == ["float32", "complex64", "float32"]
    np.testing.assert_allclose(found[3], np.sqrt(given) * (1 + 2j), rtol=1e-6)
