"""Random numbers drawn by kernels: NumPy's bits and states, whatever becomes of a call; in loops and branches."""

from __future__ import annotations

import copy
import gc
import pickle
import sys
import threading
from typing import Any

import numpy as np
import pytest
from scipy import stats

import gradc
import gradc.tensor as at
from gradc.errors import BadArgumentError, BadValueError, ExecutionError, GraphError, ShapeError, TypeMismatchError
from gradc.ir.types import RngType
from gradc.runtime import _dispatch as dispatch
from gradc.tensor.random import RandomStream, RandomVariable, bernoulli, categorical, integers, normal, uniform

V = np.array([0.5, 1.5, 2.5])
DICE = RandomVariable("dice", {"sides": 6}, "int64", lambda g, sides, *, size: g.integers(1, sides + 1, size))
P = np.array([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]])


def rng(seed: int = 7) -> np.random.Generator:
    return np.random.default_rng(seed)


def k_th(seed: int, k: int) -> np.random.Generator:
    """The k-th generator of a stream."""
    return np.random.default_rng(np.random.SeedSequence(seed).spawn(k + 1)[k])


def native(*args: Any, **options: Any) -> Any:
    """A function that runs in C."""
    f = gradc.function(*args, **options)
    assert f.info["mode"] == "c", f.info
    return f


def after(draws: Any) -> Any:
    """The state after draws."""
    return draws.owner.outputs[0]


def states_equal(a: np.random.Generator, b: np.random.Generator) -> bool:
    return a.bit_generator.state == b.bit_generator.state


# parameters: (low, high) of those that are drawn for a test; integers where NumPy takes integers
DISTRIBUTIONS: dict[str, tuple[tuple[float, float], ...]] = {
    "uniform": ((-2, 0), (0, 3)), "normal": ((-1, 1), (0.1, 3)), "standard_normal": (),
    "lognormal": ((-1, 1), (0.1, 2)), "exponential": ((0.1, 5),), "beta": ((0.2, 3), (0.2, 3)),
    "gamma": ((0.2, 5), (0.5, 4)), "chisquare": ((0.3, 9),),
    "gumbel": ((-1, 1), (0.1, 2)), "laplace": ((-1, 1), (0.1, 2)), "logistic": ((-1, 1), (0.1, 2)),
    "triangular": ((-2, -1), (-1, 1), (1, 2)), "vonmises": ((-3, 3), (0.1, 8)), "weibull": ((0.5, 3),),
    "binomial": ((0, 90), (0, 1)), "bernoulli": ((0, 1),), "poisson": ((0, 40),), "geometric": ((0.05, 1),),
    "integers": ((-50, 5), (6, 2 ** 40)), "standard_exponential": (), "standard_gamma": ((0.2, 5),),
    "standard_t": ((0.5, 9),), "standard_cauchy": (), "power": ((0.5, 4),), "rayleigh": ((0.1, 3),),
    "wald": ((0.1, 3), (0.1, 3)), "f": ((1, 9), (1, 9)), "noncentral_chisquare": ((0.5, 5), (0, 3)),
    "noncentral_f": ((1, 9), (1, 9), (0, 3)), "negative_binomial": ((0.5, 20), (0.1, 1)),
    "hypergeometric": ((5, 50), (5, 50), (0, 10)), "zipf": ((1.5, 5),), "logseries": ((0.01, 0.99),),
    "halfnormal": ((-1, 1), (0.1, 3)), "cauchy": ((-1, 1), (0.1, 3)), "halfcauchy": ((-1, 1), (0.1, 3)),
    "pareto": ((0.5, 4), (0.1, 3)), "invgamma": ((0.5, 4), (0.1, 3)), "t": ((0.5, 9), (-1, 1), (0.1, 3)),
    "truncexpon": ((0.1, 9), (-1, 1), (0.1, 3)), "gengamma": ((0.5, 4), (0.5, 3), (0.1, 3)),
    "betabinom": ((0, 90), (0.1, 3), (0.1, 3)), "nbinom": ((0.5, 20), (0.1, 1)),
}
WHOLE = {("binomial", 0), ("integers", 0), ("integers", 1), ("betabinom", 0),
         *[("hypergeometric", k) for k in (0, 1, 2)]}
LAST_PLACES = dict.fromkeys(("truncexpon", "cauchy", "halfcauchy", "pareto", "gengamma"), 1e-13)
# (SciPy's log1p and NumPy's vector code are not those of the C library)


def by_numpy(generator: np.random.Generator, name: str, args: list[Any], size: Any) -> Any:
    """As NumPy draws them, or SciPy with that generator."""
    shape = np.broadcast_shapes(*[np.shape(a) for a in args]) if size is None else size
    of = {"size": shape, "random_state": generator}
    match name:
        case "bernoulli":
            return generator.binomial(1, *args, size)
        case "nbinom":
            return generator.negative_binomial(*args, size)
        case "gamma":
            return generator.gamma(args[0], 1 / args[1], size)
        case "halfnormal" | "cauchy" | "halfcauchy":
            return getattr(stats, name.replace("normal", "norm")).rvs(*args, **of)
        case "pareto":
            return stats.pareto.rvs(args[0], scale=args[1], **of)
        case "invgamma":
            return args[1] / generator.standard_gamma(args[0], size)
        case "t" | "truncexpon" | "betabinom":
            return getattr(stats, name).rvs(*args, **of)
        case "gengamma":
            return stats.gengamma.rvs(args[0] / args[1], args[1], scale=args[2], **of)
    return getattr(generator, name)(*args, size)


@pytest.mark.parametrize("shapes,size", [
    ((), None), ((), (5,)), ((), (0, 3)), ((3,), None), ((3,), (4, 3)), ((4, 1), (4, 3)), ((2, 3), (2, 3))])
def test_the_bits_and_the_state_are_numpys(shapes: tuple[int, ...], size: Any) -> None:
    """Parameters as inputs: the first of the shape given, the others scalars.  All distributions in one function."""
    source, inputs, outputs, args = rng(3), [], [], []
    states = {name: gradc.shared(rng()) for name in DISTRIBUTIONS}
    updates = {}
    for name, ranges in DISTRIBUTIONS.items():
        drawn = [source.integers(low, high, shapes if k == 0 else ()) if (name, k) in WHOLE else
                 source.uniform(low, high, shapes if k == 0 else ()) for k, (low, high) in enumerate(ranges)]
        args.append([np.asarray(d) for d in drawn])
        inputs.append([at.TensorType(a.dtype, tuple(1 if s == 1 else None for s in a.shape))() for a in args[-1]])
        outputs.append(getattr(at.random, name)(*inputs[-1], size=size, rng=states[name]))
        updates[states[name]] = outputs[-1].owner.outputs[0]
    f = native([x for each in inputs for x in each], outputs, updates=updates)
    flat = [a for each in args for a in each]
    wanted = {name: rng() for name in DISTRIBUTIONS}
    for _ in range(3):                  # the half of a word that is left over goes on to the next call
        for name, given, value in zip(DISTRIBUTIONS, args, f(*flat)):
            expected = by_numpy(wanted[name], name, given, size)
            np.testing.assert_allclose(value, expected, LAST_PLACES.get(name, 0), 0, err_msg=name)
            assert value.shape == np.shape(expected), name
            assert states_equal(states[name].get_value(), wanted[name]), name


def test_every_distribution_is_tested() -> None:
    others = {"categorical", "choice", "dirichlet", "multinomial", "multivariate_normal", "permutation",
              "shuffle", "default_rng"}
    assert {name for name in at.random.__all__ if name.islower()} == DISTRIBUTIONS.keys() | others


@pytest.mark.parametrize("dtype", ["float32", "int32", "float64"])
def test_draws_and_parameters_of_other_dtypes(dtype: str) -> None:
    mu, n = at.fvector("mu"), at.iscalar("n")
    normals, counts = normal(mu, 2, rng=rng(), dtype=dtype), at.random.binomial(n, 0.3, (4,), rng=rng(), dtype=dtype)
    f = native([mu, n], [normals, counts])
    a, b = f(V.astype("float32"), 9)
    np.testing.assert_array_equal(a, rng().normal(V.astype("float32"), 2).astype(dtype))
    np.testing.assert_array_equal(b, rng().binomial(9, 0.3, 4).astype(dtype))
    assert a.dtype == b.dtype == dtype


def test_parameters_of_several_shapes() -> None:
    a, b = at.TensorType("float64", (None, 1))("a"), at.dvector("b")
    f = native([a, b], normal(a, b * b, rng=rng()))
    column = np.array([[1.0], [2.0]])
    np.testing.assert_array_equal(f(column, V), rng().normal(column, V * V))
    x = at.dmatrix("x")
    f = native([x], [normal(x.T, 1.0, rng=rng()), uniform(0.0, x[:, 1], rng=rng()),
                     normal(x.sum(axis=0), rng=rng())])
    data = np.arange(6.0).reshape(2, 3)
    wanted = [rng().normal(data.T), rng().uniform(0, data[:, 1]), rng().normal(data.sum(0))]
    for value, expected in zip(f(data), wanted):
        np.testing.assert_array_equal(value, expected)
    with pytest.raises(ShapeError, match="differ"):
        native([a, b], normal(a.dimshuffle(0), b, rng=rng()))(column, V)
    assert native([], normal(np.zeros((0, 3)), rng=rng()))().shape == (0, 3)


def test_sizes_are_known_at_the_call() -> None:
    n, x = at.lscalar("n"), at.dmatrix("x")
    first = normal(size=(n, 2), rng=rng())
    f = native([n, x], [first, uniform(size=x.shape, rng=rng()), first.shape[0] * 2,
                        normal(x[0], size=(n, 3), rng=rng())])
    for k in (3, 1, 0):
        a, b, c, d = f(k, P)
        np.testing.assert_array_equal(a, rng().normal(size=(k, 2)))
        np.testing.assert_array_equal(b, rng().uniform(size=P.shape))
        np.testing.assert_array_equal(d, rng().normal(P[0], size=(k, 3)))
        assert c == 2 * k
    with pytest.raises(ShapeError, match="a size must not be negative, got -1"):
        f(-1, P)
    with pytest.raises(MemoryError):
        gradc.function([n], normal(size=(n, n), rng=rng()).sum())(2 ** 31)


def test_categories() -> None:
    for size in (None, (5, 2)):
        draws = categorical(P, size=size, rng=rng())
        f, g = native([], draws), gradc.function([], draws, mode=gradc.Mode("interpret", None))
        u = rng().uniform(size=size or 2)
        want = (np.cumsum(P, -1) < u[..., None]).sum(-1)
        np.testing.assert_array_equal(f(), want)
        np.testing.assert_array_equal(g(), want)
        assert f().dtype == "int64"


@pytest.mark.parametrize("mode", [None, "interpret"], ids=["C", "interpreted"])
def test_integers_with_their_endpoint(mode: Any) -> None:
    high = at.TensorType("int8", (None,))("high")
    f = gradc.function([high], [integers(9, size=50, endpoint=True, rng=rng()),
                                integers(-3, high, endpoint=True, rng=rng())], mode=mode)
    given = np.array([127, 5, -3], "int8")
    one, other = f(given)
    np.testing.assert_array_equal(one, rng().integers(9, size=50, endpoint=True))
    np.testing.assert_array_equal(other, rng().integers(-3, given.astype("int64"), endpoint=True))
    with pytest.raises(TypeMismatchError, match="endpoint"):
        integers(9, endpoint=high)


def test_states_that_are_inputs_and_results() -> None:
    state = RngType()("state")
    draws = normal(size=3, rng=state)
    again = integers(0, 10, size=3, rng=draws.owner.outputs[0])
    f = native([state], [draws, again, again.owner.outputs[0], draws.owner.outputs[0]])
    given = rng()
    a, b, after, between = f(given)
    want = rng()
    np.testing.assert_array_equal(a, want.normal(size=3))
    assert states_equal(between, want) and states_equal(given, rng())
    np.testing.assert_array_equal(b, want.integers(0, 10, 3))
    assert states_equal(after, want)
    np.testing.assert_array_equal(after.normal(size=2), want.normal(size=2))
    assert isinstance(after, np.random.Generator)
    children = [g.spawn(1)[0].normal() for g in (f(rng())[2], rng())]       # it knows what it was seeded with
    assert children[0] == children[1]
    other = np.random.Generator(np.random.MT19937(1))
    plain = gradc.function([state], [draws, draws.owner.outputs[0]], mode="interpret")
    for given in (rng(), other):                # the interpreter takes any
        want = copy.deepcopy(given)
        a, after = plain(given)
        np.testing.assert_array_equal(a, want.normal(size=3))
        np.testing.assert_array_equal(after.normal(size=2), want.normal(size=2))
    for wrong, message in ((3, ", got 3 of type int"), (np.zeros(6, "uint64"), ", got an array of dtype uint64"),
                           (other, " over PCG64, got a Generator over MT19937")):
        with pytest.raises(BadArgumentError, match=rf"expected a numpy\.random\.Generator{message}"):
            f(wrong)
    with pytest.raises(BadArgumentError, match="has states of random generators among its results and can't be bound"):
        f.bind(rng())


@pytest.mark.parametrize("kind", ["PCG64DXSM", "SFC64", "Philox", "MT19937"])
def test_other_bit_generators(kind: str) -> None:
    """Their bits and their states, from call to call, in a loop with its gradient, as inputs, and of a user's Op."""
    def generator() -> np.random.Generator:
        return np.random.Generator(getattr(np.random, kind)(5))

    state, given, x = gradc.shared(generator()), RngType(kind)("given"), at.dscalar("x")
    a = normal(size=1000, rng=state)
    b = integers(0, 99, size=701, rng=after(a))
    c = uniform(size=333, rng=after(b))
    d = bernoulli(0.5, size=33, rng=after(c))
    f = native([given], [a, b, c, d, DICE(size=3, rng=given), uniform(rng=given)], updates={state: after(d)})
    want = generator()
    for _ in range(3):
        wanted = [want.normal(size=1000), want.integers(0, 99, 701), want.random(333), want.binomial(1, 0.5, 33),
                  generator().integers(1, 7, 3), generator().random()]
        for value, expected in zip(f(generator()), wanted):
            np.testing.assert_array_equal(value, expected)
        assert str(state.get_value().bit_generator.state) == str(want.bit_generator.state)
    state.set_value(generator())
    hs, updates = gradc.scan(lambda h: (x * h + (e := normal(rng=state)), {state: after(e)}),
                             outputs_info=at.zeros(()), n_steps=50)
    slope = native([x], [hs[-1], gradc.grad(hs[-1], x)], updates=updates)
    value, tangent = 0.0, 0.0
    for e in generator().normal(size=50).tolist():
        value, tangent = 0.9 * value + e, value + 0.9 * tangent
    np.testing.assert_allclose(slope(0.9), [value, tangent], rtol=1e-12)
    with pytest.raises(BadArgumentError, match=f"over {kind}, got a Generator over PCG64"):
        f(rng())
    with pytest.raises(BadArgumentError, match=r"expected one of PCG64, .*, got 'dice'"):
        RngType("dice")


def test_nothing_but_an_update_advances_a_state() -> None:
    state = gradc.shared(rng(), "state")
    draws = uniform(size=4, rng=state)
    f = native([], draws)
    before = state.get_value(borrow=True)
    np.testing.assert_array_equal(f(), f())
    assert state.get_value(borrow=True) is before and states_equal(before, rng())
    call = f.bind()
    call()
    np.testing.assert_array_equal(call.out, rng().uniform(size=4))
    state.set_value(rng(9))
    call()
    np.testing.assert_array_equal(call.out, rng(9).uniform(size=4))
    g = native([], draws, updates={state: draws.owner.outputs[0]})
    with pytest.raises(BadArgumentError, match="has updates and can't be bound"):
        g.bind()
    want = rng(9)
    np.testing.assert_array_equal(g(), want.uniform(size=4))
    np.testing.assert_array_equal(f(), want.uniform(size=4))            # two functions share the state
    kept = state.get_value(borrow=True)                                  # a state that somebody holds does not change
    held = kept.bit_generator.state
    for _ in range(3):
        g()
        assert kept.bit_generator.state == held
    assert not states_equal(state.get_value(), kept)


def test_states_are_seeded_as_those_they_replace() -> None:
    """A state is put into the one before last, but not into one that somebody holds, or that has other children."""
    state = gradc.shared(rng(3))
    draws = uniform(rng=state)
    f = native([], draws, updates={state: draws.owner.outputs[0]})
    for _ in range(4):
        f()
    reused = {id(state.get_value(borrow=True)) for _ in range(6) if f() is not None}
    assert len(reused) == 2
    state.set_value(rng(9), borrow=True)
    for _ in range(3):
        f()
        assert state.get_value(borrow=True).bit_generator.seed_seq.entropy == 9
    bits = state.get_value(borrow=True).bit_generator
    held = bits.state
    for _ in range(4):
        f()
        assert bits.state == held


def test_a_call_that_fails_changes_no_state() -> None:
    state, total, x = gradc.shared(rng()), gradc.shared(1.0), at.dscalar("x")
    draws = normal(0.0, x, size=3, rng=state)
    line = "test_random.py"
    f = native([x], draws, updates={state: draws.owner.outputs[0], total: total + draws.sum()})
    before = state.get_value(borrow=True)
    with pytest.raises(ExecutionError, match=f"normal failed: ValueError: scale < 0(.|\n)*{line}"):
        f(-1.0)
    assert state.get_value(borrow=True) is before and total.get_value() == 1.0
    np.testing.assert_array_equal(f(2.0), rng().normal(0, 2, 3))


@pytest.mark.parametrize("name,args", [
    ("uniform", (0.0, np.inf)), ("uniform", (1.0, 0.0)), ("normal", (0.0, -0.0)), ("normal", (V, -V)),
    ("lognormal", (0.0, -1.0)), ("exponential", (-1.0,)), ("beta", (0.0, 1.0)), ("beta", (1.0, -1.0)),
    ("gamma", (-1.0, 1.0)), ("gamma", (1.0, -1.0)), ("chisquare", (0.0,)), ("gumbel", (0.0, -1.0)),
    ("laplace", (0.0, -1.0)), ("logistic", (0.0, -1.0)), ("triangular", (1.0, 0.0, 2.0)),
    ("triangular", (0.0, 3.0, 2.0)), ("triangular", (1.0, 1.0, 1.0)), ("vonmises", (0.0, -1.0)), ("weibull", (-1.0,)),
    ("binomial", (-1, 0.5)), ("binomial", (3, 1.5)), ("binomial", (3, np.nan)), ("poisson", (-1.0,)),
    ("poisson", (1e19,)), ("poisson", (np.nan,)), ("geometric", (0.0,)), ("integers", (3, 3)),
    ("integers", (np.array([1, 5]), 4)), ("standard_gamma", (-0.0,)), ("standard_t", (0.0,)), ("power", (0.0,)),
    ("rayleigh", (-1.0,)), ("wald", (0.0, 1.0)), ("wald", (1.0, -1.0)), ("f", (0.0, 1.0)), ("f", (1.0, 0.0)),
    ("noncentral_chisquare", (0.0, 1.0)), ("noncentral_chisquare", (V, -V)), ("noncentral_f", (1.0, 1.0, -1.0)),
    ("noncentral_f", (-1.0, 1.0, 1.0)), ("noncentral_f", (1.0, -1.0, 1.0)), ("negative_binomial", (np.nan, 0.5)),
    ("negative_binomial", (0.0, 0.5)), ("negative_binomial", (3.0, 0.0)), ("negative_binomial", (1e10, 1e-10)),
    ("negative_binomial", (1e19, 0.5)), ("hypergeometric", (10 ** 9, 2, 3)), ("hypergeometric", (2, 3, 6)),
    ("hypergeometric", (-1, 5, 3)), ("hypergeometric", (5, -1, 3)), ("hypergeometric", (5, 3, -1)), ("zipf", (1.0,)),
    ("zipf", (np.nan,)), ("logseries", (1.0,)), ("logseries", (-0.1,)), ("halfnormal", (0.0, -1.0)),
    ("cauchy", (0.0, np.nan)), ("halfcauchy", (0.0, -1.0)), ("pareto", (0.0, 1.0)), ("pareto", (1.0, -1.0)),
    ("invgamma", (0.0, 1.0)), ("invgamma", (1.0, -1.0)), ("t", (0.0, 1.0, 1.0)), ("t", (1.0, 1.0, -V)),
    ("truncexpon", (0.0, 0.0, 1.0)), ("truncexpon", (1.0, 0.0, -1.0)), ("gengamma", (-1.0, 1.0, 1.0)),
    ("gengamma", (1.0, 0.0, 1.0)), ("gengamma", (1.0, 1.0, -1.0)), ("betabinom", (-1, 1.0, 1.0)),
    ("betabinom", (1, 0.0, 1.0)), ("betabinom", (1, 1.0, np.nan))])
def test_parameters_that_numpy_refuses(name: str, args: tuple[Any, ...]) -> None:
    inputs = [at.as_tensor_variable(a).type() for a in args]
    draws = getattr(at.random, name)(*inputs, rng=rng())
    messages = []
    for f in (native(inputs, draws), gradc.function(inputs, draws, mode="interpret")):
        with pytest.raises(ExecutionError, match=f"{name} failed: ") as caught:
            f(*args)
        messages.append(str(caught.value).split("\n", maxsplit=1)[0])
    assert messages[0].replace("is NaN", "contains NaNs") == messages[1].replace("is NaN", "contains NaNs")
    if name != "invgamma":              # which is of our own
        with pytest.raises((ValueError, OverflowError)):
            by_numpy(rng(), name, list(map(np.asarray, args)), None)
    with pytest.raises(BadValueError):
        getattr(at.random, name)(*args, rng=rng())


@pytest.mark.parametrize("name,args", [("normal", (0.0, np.nan)), ("exponential", (np.nan,)), ("beta", (1.0, np.nan))])
def test_nan_passes_where_numpy_lets_it(name: str, args: tuple[float, ...]) -> None:
    inputs = [at.dscalar() for _ in args]
    f = native(inputs, getattr(at.random, name)(*inputs, size=3, rng=rng()))
    np.testing.assert_array_equal(f(*args), getattr(rng(), name)(*args, 3))


def test_pickles_draw_the_same() -> None:
    stream = RandomStream(5)
    x = at.dscalar("x")
    f = native([x], [stream.normal(x, size=2), stream.integers(0, 9, size=2)])
    f(1.0)
    g = pickle.loads(pickle.dumps(f))
    assert g.info["mode"] == "c"
    for a, b in zip(f(2.0), g(2.0)):
        np.testing.assert_array_equal(a, b)


def test_threads_share_out_the_numbers() -> None:
    state = gradc.shared(rng())
    draws = normal(size=1, rng=state)
    f = native([], draws, updates={state: draws.owner.outputs[0]})
    seen: list[list[float]] = [[] for _ in range(4)]

    def run(k: int) -> None:
        for _ in range(250):
            seen[k].append(float(f()[0]))

    threads = [threading.Thread(target=run, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    np.testing.assert_array_equal(np.sort(np.concatenate(seen)), np.sort(rng().normal(size=1000)))


def test_calls_leave_nothing_behind() -> None:
    """States that come and go, as arguments, results and updates, also when a call fails."""
    state, stream, x = RngType()("state"), RandomStream(1), at.dscalar("x")
    draws = normal(size=2, rng=state)
    f = native([state], [draws, after(draws)])
    g = native([x], [stream.normal(0.0, x, size=2), stream.dirichlet(V)])
    given = rng()

    def calls(count: int) -> int:
        for _ in range(count):
            f(given)
            g(1.0)
            with pytest.raises(ExecutionError):
                g(-1.0)
        gc.collect()
        return len(gc.get_objects())

    before, held = calls(20), sys.getrefcount(given)
    assert calls(200) < before + 50 and sys.getrefcount(given) == held


def test_other_generators_run_in_the_interpreter() -> None:
    class Own(np.random.Philox):
        pass

    state = gradc.shared(np.random.Generator(Own(3)))
    draws = normal(size=2, rng=state)
    f = gradc.function([], draws)
    assert "random numbers of Own are drawn by NumPy" in f.info["mode"]
    np.testing.assert_array_equal(f(), np.random.Generator(np.random.Philox(3)).normal(size=2))
    with pytest.raises(GraphError, match="kernels know PCG64"):
        gradc.function([], draws, mode="c")


def each_row(draw: Any, generator: np.random.Generator, count: int) -> np.ndarray:
    return np.stack([draw(generator) for _ in range(count)])


@pytest.mark.parametrize("draw,numpy", [
    (lambda n, x, v, **o: DICE(6, size=(n,), **o), lambda g: g.integers(1, 7, 5)),
    (lambda n, x, v, **o: at.random.integers(at.cast(n, "uint64"), size=(n,), **o), lambda g: g.integers(0, 5, 5))])
def test_what_is_drawn_in_python_a_kernel_calls(draw: Any, numpy: Any) -> None:
    """Alone, in a loop, in a branch: the numbers, and the states after them."""
    in_all_places(draw, numpy, True)


def in_all_places(draw: Any, numpy: Any, python: bool) -> None:
    n, x, v = at.lscalar("n"), at.dmatrix("x"), at.dvector("v")
    states = [gradc.shared(rng(k)) for k in range(3)]
    one, taken = [draw(n, x, v, rng=s) for s in (states[0], states[2])]

    def step(n: Any, x: Any, v: Any) -> Any:
        draws = draw(n, x, v, rng=states[1])
        return draws, {states[1]: after(draws)}

    rows, updates = gradc.scan(step, non_sequences=[n, x, v], n_steps=3)
    chosen = gradc.ifelse(at.gt(n, 2), at.cast(taken, "float64").sum(), at.zeros(()))
    updates = [*updates.items(), (states[0], after(one)), (states[2], after(taken))]
    f = native([n, x, v], [one, rows, chosen], updates=updates, on_unused_input="ignore")
    assert ("calls" in f.info) == python
    numbers = [rng(k) for k in range(3)]
    for _ in range(2):
        a, b, c = f(5, P, V)
        np.testing.assert_array_equal(a, numpy(numbers[0]))
        np.testing.assert_array_equal(b, each_row(numpy, numbers[1], 3))
        np.testing.assert_allclose(c, numpy(numbers[2]).sum())
        assert all(states_equal(s.get_value(), g) for s, g in zip(states, numbers))


def test_without_the_library_of_distributions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "draws_random_numbers", 0)
    f = gradc.function([], normal(size=2, rng=rng()))
    assert "built without NumPy's library of distributions" in f.info["mode"]
    np.testing.assert_array_equal(f(), rng().normal(size=2))
    assert gradc.function([], at.ones(3))().sum() == 3
