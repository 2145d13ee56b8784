"""`config.cast_policy`: the dtypes of Python numbers, against NumPy's own promotion and Aesara's documented results.

"weak" is tested against NumPy 2 itself.  It differs in four things, which are named here: functions with values in the
reals give float32 for integers of 8 bits (NumPy: float16), `hypot` has a complex form, a negative power of integers is
an integer, and `where` does not wrap around.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse

import gradc
import gradc.sparse
import gradc.tensor as at
from gradc.errors import NumberRangeError
from gradc.ir import dtypes

Pair = Callable[[Any, Any], Any]
PAGE = Path(__file__).parents[2] / "docs" / "functions.md"

LITERALS = [True, 1, 3, -2, 100, 200, 40_000, 0.1, 2.5, 1e300, 2j]
OPERATORS: dict[str, Pair] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "//": operator.floordiv,
    "%": operator.mod, "**": operator.pow, "<": operator.lt, ">=": operator.ge, "&": operator.and_, "|": operator.or_,
    "^": operator.xor, "maximum": np.maximum, "minimum": np.minimum, "arctan2": np.arctan2, "hypot": np.hypot,
    "where": lambda x, y: np.where(x > 1, x, y),
}


def under(policy: str, floatX: str = "float64") -> Any:
    return gradc.config.change_flags(cast_policy=policy, floatX=floatX)


def vector(dtype: str) -> Any:
    return at.TensorType(dtype, (None,))("x")


def sample(dtype: str) -> np.ndarray:
    return np.array([1, 0, 1, 1] if dtype == "bool" else [1, 2, 3, 4]).astype(dtype)


def outcome(fn: Callable[[], Any]) -> Any:
    """The dtype of what `fn` gives, or the class of its error."""
    try:
        with np.errstate(all="ignore"):
            return str(fn().dtype)
    except (TypeError, OverflowError, ValueError) as error:
        return type(error)


def agrees(name: str, dtype: str, got: Any, want: Any) -> bool:
    if isinstance(want, type):
        return (isinstance(got, type) and issubclass(got, want)) or \
            (name == "**" and want is ValueError) or (name == "hypot" and got in dtypes.COMPLEX)
    if dtype in dtypes.DISCRETE:
        want = want.replace("float16", "float32")
    return bool(got == want) or (name == "where" and got is NumberRangeError)


@pytest.mark.parametrize("name", OPERATORS)
def test_weak_numbers_promote_as_in_numpy(name: str) -> None:
    fn = OPERATORS[name]
    wrong = []
    with under("weak"):
        for dtype in dtypes.ALL:
            x, a = vector(dtype), sample(dtype)
            for k in LITERALS:
                pairs = [(outcome(lambda x=x, k=k: fn(x, k)), outcome(lambda a=a, k=k: fn(a, k)))]
                if name != "where":
                    pairs.append((outcome(lambda x=x, k=k: fn(k, x)), outcome(lambda a=a, k=k: fn(k, a))))
                wrong += [(dtype, k, got, want) for got, want in pairs if not agrees(name, dtype, got, want)]
    assert not wrong


@pytest.mark.parametrize("mode", ["c", "interpret"])
@pytest.mark.parametrize("dtype", ["int8", "uint8", "uint64", "float32", "complex64"])
def test_weak_values_are_those_of_numpy(dtype: str, mode: str) -> None:
    x, a = vector(dtype), sample(dtype)
    made: list[Any] = []
    want: list[Any] = []
    with under("weak"):
        for name in ("+", "-", "*", "/", "//", "<", ">=", "maximum"):
            for k in LITERALS:
                if name in ("//", "<", ">=", "maximum") and (dtype == "complex64" or isinstance(k, complex)):
                    continue
                try:
                    with np.errstate(all="ignore"):
                        want.append(OPERATORS[name](a, k))
                except OverflowError:
                    continue
                made.append(OPERATORS[name](x, k))
    got = gradc.function([x], made, mode=mode)(a)
    for y, result, right in zip(made, got, want):
        assert result.dtype == y.dtype == right.dtype
        np.testing.assert_allclose(result, right, rtol=2e-7 if result.dtype.name in ("float32", "complex64") else 1e-15)


@pytest.mark.parametrize("dtype, number", [("int8", 1000), ("uint8", -1), ("uint64", -1), ("int64", 2**63),
                                           ("int64", 10**30), ("uint8", 10**400), ("int8", -10**400)])
def test_comparisons_see_the_number_itself(dtype: str, number: int) -> None:
    limits = np.iinfo(dtype)
    a = np.array([limits.min, 0, limits.max], dtype)
    x = vector(dtype)
    fns: list[tuple[Pair, Pair]] = [(operator.lt, operator.lt), (operator.ge, operator.ge), (at.eq, operator.eq),
                                    (at.neq, operator.ne), (at.gt, operator.gt), (at.le, operator.le)]
    with under("weak"):
        got = gradc.function([x], [fn(x, number) for fn, _ in fns], mode="interpret")(a)
    for result, (_, fn) in zip(got, fns):
        np.testing.assert_array_equal(result, [fn(int(v), number) for v in a])


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int64"])
def test_bounds_beyond_the_dtype_are_none(dtype: str) -> None:
    x, a = vector(dtype), sample(dtype)
    with under("weak"):
        y = at.clip(x, -10**30, 10**30)
        assert y.dtype == dtype
        np.testing.assert_array_equal(gradc.function([x], y, mode="interpret")(a), a)


def test_a_number_that_does_not_fit_is_refused_with_the_line() -> None:
    x = vector("int8")
    with under("weak"):
        with pytest.raises(OverflowError, match=r"from -128 to 127, as .* int8, got 1000.*test_cast_policy.py"):
            x + 1000
        with pytest.raises(NumberRangeError, match=r"uint8.*-1.*test_cast_policy.py"):
            at.switch(x > 0, vector("uint8"), -1)
        with pytest.raises(NumberRangeError, match=r"float32.*test_cast_policy.py"):
            vector("float32") + 10**400
        with pytest.raises(NumberRangeError, match=r"int8.*300.*test_cast_policy.py"):
            at.inc_subtensor(x[0], 300)
        assert (vector("float32") * 1e300).dtype == "float32"           # inf, as in NumPy


@pytest.mark.parametrize("policy", ["weak", "custom", "numpy+floatX"])
def test_a_number_that_a_given_dtype_does_not_hold_is_refused(policy: str) -> None:
    x = vector("int8")
    with under(policy):
        for made in (lambda: at.constant(300, dtype="int8"), lambda: at.full((2,), -1, dtype="uint8"),
                     lambda: at.full_like(x, 128), lambda: at.as_tensor_variable(2**63, dtype="int64")):
            with pytest.raises(NumberRangeError, match=r"expected an integer from .*test_cast_policy.py"):
                made()
        assert at.constant(2**64 - 1, dtype="uint64").data == 2**64 - 1
        assert at.constant(0.5, dtype="int8").data == 0                  # a cast, as numpy.full makes it


def test_a_float32_model_stays_float32() -> None:
    x, m, s = vector("float32"), at.fmatrix("m"), at.fscalar("s")
    c = at.bvector("c")
    with under("weak"):
        made = {
            "operator": 0.1 * x + 0.3, "chain": at.add(x, 1, 0.1), "ufunc": np.multiply(x, 0.1), "pow": x ** 0.1,
            "switch": at.switch(c, x, 0.1), "where": np.where(c, 0.1, x), "clip": at.clip(x, 0.1, 0.7),
            "fill": at.fill(x, 0.1), "full_like": at.full_like(x, 0.1), "set": at.set_subtensor(x[1:], 0.1),
            "inc": at.inc_subtensor(x[0], 0.1), "stack": at.stack([s, 0.1]), "list": at.as_tensor_variable([s, 0.1]),
            "nested": at.stacklists([[s, 0.1], [0.2, s]]), "hstack": at.hstack([x, 0.1]), "choose":
            at.choose(c, [x, 0.1]), "dot": at.dot(x, 0.1), "outer": at.outer(x, 0.1), "kron": at.kron(m, 0.1),
            "block_diag": at.block_diag(m, 0.1), "xlogy": at.xlogy(x, 0.1), "logaddexp": at.logaddexp(x, 0.1, 0.2),
            "heaviside": at.heaviside(x, 0.1), "ldexp": at.ldexp(x, 3), "polygamma": at.polygamma(1, x),
            "max": np.max(x, initial=0.1), "diff": np.diff(x, prepend=0.1), "pad": at.pad(x, 1, constant_values=0.1),
            "relu": at.nnet.relu(x, 0.1), "cross": at.nnet.binary_crossentropy(x, 0.1), "linspace":
            at.linspace(0.1, s), "arange": at.arange(0, s, 0.1), "nan_to_num": at.nan_to_num(x, 0.1),
            "softplus": at.softplus(x * 0.1), "var": at.var(x * 0.1), "ifelse": gradc.ifelse(c[0], s, 0.1),
            "number first": gradc.ifelse(c[0], 0.1, s), "gradient": gradc.grad((0.1 * x ** 3).sum(), x),
        }
        assert {name: y.dtype for name, y in made.items() if y.dtype != "float32"} == {}
        assert at.isclose(x, 0.1).dtype == "bool"
        assert gradc.function([x], at.eq(x, 0.1))(np.float32([0.1])).all()       # the number in float32, as in NumPy
    assert (0.1 * x).dtype == at.stack([s, 0.1]).dtype == "float64"


def test_weak_sparse() -> None:
    a = scipy.sparse.csr_matrix(np.array([[1, 0], [2, 3]], "float32"))
    x = gradc.sparse.as_sparse_variable(a)
    with under("weak"):
        for y in (x * 0.1, 0.1 * x, x / 3, x + 0.1, 0.1 - x, gradc.sparse.structured_pow(x, 0.1)):
            assert y.dtype == "float32"
    assert (x * 0.1).dtype == "float64"


@pytest.mark.parametrize("floatX", dtypes.WIDE)
def test_weak_numbers_of_a_higher_kind(floatX: str) -> None:
    """Floats beside integers are floatX, and so are the integers."""
    x = vector("int64")
    half = dtypes.COMPLEX_OF[floatX]
    with under("weak", floatX):
        for y in (x * 0.5, 0.5 + x, x ** 0.5, at.maximum(x, 0.5), at.switch(x > 0, x, 0.5), at.dot(x, 0.5),
                  at.stack([x[0], 0.5]), vector("bool") * 0.5):
            assert y.dtype == floatX
        for y in (x * 2j, vector("bool") + 2j):
            assert y.dtype == half
        assert (vector("float32") * 2j).dtype == "complex64"
        assert (vector("float64") * 2j).dtype == "complex128"
        assert (vector("bool") + 1).dtype == "int64"
        assert (vector("bool") + True).dtype == "bool"
        np.testing.assert_array_equal(gradc.function([x], x * 0.5)(np.arange(3)), [0, 0.5, 1])
        big = 2**24 + 1                                                  # comparisons are not made in float32
        np.testing.assert_array_equal(gradc.function([x], x > 2**24 + 0.5)(np.array([big])), [True])


@pytest.mark.parametrize("policy", ["weak", "numpy+floatX"])
@pytest.mark.parametrize("floatX", dtypes.WIDE)
def test_numbers_on_their_own(policy: str, floatX: str) -> None:
    with under(policy, floatX):
        assert at.constant(1).dtype == at.full((2,), 300).dtype == at.switch(vector("bool"), 1, 0).dtype == "int64"
        assert at.constant(2**63).dtype == "uint64"
        assert at.constant(True).dtype == "bool"
        for y in (at.constant(0.5), at.full((2,), 2.5), at.exp(2.0), at.constant([0.5, 2]), at.add(1, 0.5)):
            assert y.dtype == floatX
        assert at.constant(2j).dtype == dtypes.COMPLEX_OF[floatX]


@pytest.mark.parametrize("policy", ["weak", "custom", "numpy+floatX"])
def test_what_has_a_dtype_keeps_it(policy: str) -> None:
    x = vector("float32")
    with under(policy):
        for k in (np.float64(0.1), np.asarray(0.1), np.int64(1), at.constant(np.float64(0.1))):
            assert (x * k).dtype == (k * x).dtype == "float64"
        assert (x * np.float32(0.1)).dtype == "float32"
        assert (vector("int8") + np.int8(1)).dtype == "int8"
        assert (vector("uint64") + vector("int64")).dtype == "float64"


def test_custom_is_aesara_s() -> None:
    """The results that Aesara's documentation and source state for the default policy."""
    f = vector("float32")
    with under("custom"):
        assert [at.constant(k).dtype for k in (1, -128, 128, 300, 40_000, 2**31, 2**63)] == \
            ["int8", "int8", "int16", "int16", "int32", "int64", "uint64"]
        assert (f * 2.5).dtype == "float32"
        assert (f * 0.1).dtype == "float64"
        assert (f + 100_000).dtype == "float64"
        assert (f + 1000).dtype == "float32"
        assert (vector("int8") + 1).dtype == at.switch(f > 0, 1, 0).dtype == "int8"
        assert (vector("int8") + 1000).dtype == "int16"
        assert (vector("int32") ** 0.5).dtype == "float64"
        assert (vector("bool") + 1).dtype == "int8"
    with under("custom", "float32"):
        assert (f * 0.1).dtype == at.constant(0.1).dtype == "float32"


def test_numpy_and_floatx_is_aesara_s() -> None:
    """`upcast` and `NumericAutocaster` of Aesara: a float64 only where something is one explicitly."""
    f, i = vector("float32"), vector("int64")
    with under("numpy+floatX"):
        assert (f * 2).dtype == (f * 2.5).dtype == (f * i).dtype == "float64"
        assert (vector("int8") + 1).dtype == "int64"
    with under("numpy+floatX", "float32"):
        for y in (f * 2, f * 0.1, f * i, i * 0.5, at.switch(i > 0, f, i), at.stack([f, i]), at.dot(f, i)):
            assert y.dtype == "float32"
        assert (vector("float64") * f).dtype == (f * np.float64(2)).dtype == "float64"
        assert (i + 1).dtype == "int64"
        np.testing.assert_array_equal(gradc.function([f, i], f * i)(np.float32([0.5]), np.array([3])), [1.5])


def test_a_graph_keeps_its_dtypes_when_the_policy_changes() -> None:
    x = vector("float32")
    with under("weak"):
        y = x * 0.1
    f = gradc.function([x], [y, gradc.grad(y.sum(), x)])
    value, slope = f(np.float32([1, 2]))
    assert value.dtype == slope.dtype == "float32"
    np.testing.assert_array_equal(value, np.float32([1, 2]) * np.float32(0.1))
    with pytest.raises(gradc.errors.GraphError, match="cast_policy must be one of 'custom'"):
        gradc.config.cast_policy = "strong"


def test_the_table_in_the_documentation() -> None:
    rows = re.findall(r"^\| (\w*) ?\| `([^`]*)` \| (\w+) \| (\w+) \| (\w+) \|$", PAGE.read_text(), re.M)
    assert len(rows) == 10
    for dtype, text, *results in rows:
        names = {"x": vector(dtype or "int8"), "constant": at.constant}
        for policy, result in zip(("custom", "numpy+floatX", "weak"), results):
            with under(policy):
                if result == "OverflowError":
                    with pytest.raises(OverflowError):
                        eval(text, names)
                else:
                    assert eval(text, names).dtype == result, text
