"""Random numbers: NumPy's bits, states as values, streams, loops, what is refused."""

import pickle

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.errors import BadArgumentError, BadValueError, NullTypeGradError, ShapeError, TypeMismatchError
from gradc.gradient import grad
from gradc.ir.types import RngType
from gradc.tensor.random import RandomVariable
from gradc.tensor.random.utils import RandomStream
from gradc.tensor.sharedvar import RandomGeneratorSharedVariable

P = np.array([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]])
MEAN, COV = np.array([1.0, -1.0]), np.array([[2.0, 0.5], [0.5, 1.0]])
V = np.array([0.5, 1.5, 2.5])


def rng(seed=7):
    return np.random.default_rng(seed)


def k_th(seed, k):
    """The k-th generator of a stream."""
    return np.random.default_rng(np.random.SeedSequence(seed).spawn(k + 1)[k])


SAMPLES = {
    "uniform": ((-1.0, V), lambda g, n: g.uniform(-1.0, V, n)),
    "normal": ((V, 2.0), lambda g, n: g.normal(V, 2.0, n)),
    "standard_normal": ((), lambda g, n: g.standard_normal(n)),
    "lognormal": ((0.1, V), lambda g, n: g.lognormal(0.1, V, n)),
    "exponential": ((V,), lambda g, n: g.exponential(V, n)),
    "beta": ((V, 2.0), lambda g, n: g.beta(V, 2.0, n)),
    "gamma": ((V, 4.0), lambda g, n: g.gamma(V, 0.25, n)),
    "chisquare": ((V,), lambda g, n: g.chisquare(V, n)),
    "gumbel": ((V, 2.0), lambda g, n: g.gumbel(V, 2.0, n)),
    "laplace": ((V, 2.0), lambda g, n: g.laplace(V, 2.0, n)),
    "logistic": ((V, 2.0), lambda g, n: g.logistic(V, 2.0, n)),
    "triangular": ((-1.0, V, 3.0), lambda g, n: g.triangular(-1.0, V, 3.0, n)),
    "vonmises": ((V, 2.0), lambda g, n: g.vonmises(V, 2.0, n)),
    "weibull": ((V,), lambda g, n: g.weibull(V, n)),
    "binomial": ((10, V / 3), lambda g, n: g.binomial(10, V / 3, n)),
    "bernoulli": ((V / 3,), lambda g, n: g.binomial(1, V / 3, n)),
    "poisson": ((V,), lambda g, n: g.poisson(V, n)),
    "geometric": ((V / 3,), lambda g, n: g.geometric(V / 3, n)),
    "integers": ((3, 20), lambda g, n: g.integers(3, 20, n)),
}


@pytest.mark.parametrize("size", [None, (2, 3)])
@pytest.mark.parametrize("name", SAMPLES)
def test_the_bits_are_numpys(name, size):
    args, expected = SAMPLES[name]
    draws = getattr(at.random, name)(*args, size=size, rng=gradc.shared(rng()))
    value = gradc.function([], draws)()
    want = np.asarray(expected(rng(), size))
    np.testing.assert_array_equal(value, want)
    assert value.dtype == draws.dtype == ("float64" if want.dtype.kind == "f" else "int64")
    assert draws.ndim == value.ndim and all(a in (None, b) for a, b in zip(draws.type.shape, value.shape))


@pytest.mark.parametrize("draw,expected", [
    (lambda **o: at.random.multinomial(5, P, **o), lambda g: g.multinomial(5, P)),
    (lambda **o: at.random.dirichlet(V, size=(4,), **o), lambda g: g.dirichlet(V, (4,))),
    (lambda **o: at.random.dirichlet(np.stack([V, V + 1]), **o),
     lambda g: np.stack([g.dirichlet(V), g.dirichlet(V + 1)])),
    (lambda **o: at.random.choice(V, size=(2, 5), **o), lambda g: g.choice(V, (2, 5))),
    (lambda **o: at.random.choice(9, (4,), replace=False, **o), lambda g: g.choice(9, (4,), replace=False)),
    (lambda **o: at.random.choice(V, (8,), p=P[0], **o), lambda g: g.choice(V, (8,), p=P[0])),
    (lambda **o: at.random.permutation(P, **o), lambda g: g.permutation(P)),
    (lambda **o: at.random.permutation(6, **o), lambda g: g.permutation(6)),
    (lambda **o: at.random.integers(9, size=4, **o), lambda g: g.integers(0, 9, 4)),
    (lambda **o: at.random.normal(0.0, 1.0, (2, 2), **o), lambda g: g.normal(0.0, 1.0, (2, 2))),
    (lambda **o: at.random.normal(scale=3.0, dtype="float32", **o), lambda g: np.float32(g.normal(0.0, 3.0)))])
def test_vectors_and_draws_out_of_given_values(draw, expected):
    draws = draw(rng=rng())
    value, want = gradc.function([], draws)(), np.asarray(expected(rng()))
    np.testing.assert_array_equal(value, want)
    assert value.dtype == draws.dtype and draws.ndim == value.ndim
    assert value.dtype == want.dtype


@pytest.mark.parametrize("draw,expected", [
    (lambda **o: at.random.multivariate_normal(MEAN, COV, size=3, **o),
     lambda g: g.multivariate_normal(MEAN, COV, 3)),
    (lambda **o: at.random.multivariate_normal(np.stack([MEAN, V[:2]]), COV, **o),
     lambda g: np.stack([g.multivariate_normal(MEAN, COV), g.multivariate_normal(V[:2], COV)]))])
def test_normal_vectors(draw, expected):
    """NumPy's but for the rounding of the product with the factor of cov, which is up to the processor."""
    value = gradc.function([], draw(rng=rng()))()
    np.testing.assert_allclose(value, expected(rng()), rtol=1e-14, atol=1e-15)


def test_categorical():
    draws = gradc.function([], at.random.categorical(P, size=(20_000, 2), rng=rng()))()
    for k in range(2):
        np.testing.assert_allclose(np.bincount(draws[:, k]) / 20_000, P[k], atol=0.02)
    u = rng().uniform(size=2)
    assert list(gradc.function([], at.random.categorical(P, rng=rng()))()) == [
        int(np.searchsorted(np.cumsum(p), x)) for p, x in zip(P, u)]
    with pytest.raises(ShapeError, match=r"does not broadcast to size \(1,\)"):
        at.random.categorical(P, size=(1,), rng=rng())


def test_sizes_and_parameters_may_be_symbolic():
    n, x = at.lscalar("n"), at.dmatrix("x")
    f = gradc.function([n, x], [at.random.normal(size=(n, 2), rng=rng()), at.random.uniform(size=x.shape, rng=rng()),
                                at.random.normal(x, 0.5, rng=rng())])
    first, second, third = f(3, P)
    np.testing.assert_array_equal(first, rng().normal(size=(3, 2)))
    np.testing.assert_array_equal(second, rng().uniform(size=P.shape))
    np.testing.assert_array_equal(third, rng().normal(P, 0.5))
    assert at.random.normal(size=(2, n)).type.shape == (None, None)
    assert at.random.normal(size=(2, 3)).type.shape == (2, 3)


def test_a_state_is_a_value():
    state = gradc.shared(rng(), "state")
    assert isinstance(state, RandomGeneratorSharedVariable) and state.type == RngType()
    draws = at.random.normal(size=3, rng=state)
    following = at.random.normal(size=3, rng=draws.owner.outputs[0])
    again = at.random.normal(size=3, rng=state)
    f = gradc.function([], [draws, following, again])
    for _ in range(2):                                      # nothing advances the state
        a, b, c = f()
        np.testing.assert_array_equal(np.concatenate([a, b]), rng().normal(size=6))
        np.testing.assert_array_equal(c, a)
    f = gradc.function([], draws, updates={state: draws.owner.outputs[0]})
    np.testing.assert_array_equal(np.concatenate([f(), f()]), rng().normal(size=6))


def test_streams():
    stream = RandomStream(seed=234)
    u, n = stream.uniform(size=(2, 2)), stream.normal(0, 1, (3,))
    f, g = gradc.function([], [u, n]), gradc.function([], n, no_default_updates=True)
    first, second = k_th(234, 0), k_th(234, 1)
    np.testing.assert_array_equal(g(), k_th(234, 1).normal(0, 1, 3))
    for _ in range(3):
        a, b = f()
        np.testing.assert_array_equal(a, first.uniform(size=(2, 2)))
        np.testing.assert_array_equal(b, second.normal(0, 1, 3))
    np.testing.assert_array_equal(g(), g())
    stream.seed(12)
    np.testing.assert_array_equal(f()[1], k_th(12, 1).normal(0, 1, 3))
    stream.seed()
    np.testing.assert_array_equal(f()[0], k_th(234, 0).uniform(size=(2, 2)))
    assert len(stream.updates()) == 2 and stream.updates()[0][0].default_update is stream.updates()[0][1]


def test_streams_of_parallel_workers():
    root = np.random.SeedSequence(234)
    stream = RandomStream(234)
    u = stream.uniform()
    workers = [*stream.spawn(2), *stream.spawn(1)]
    n = stream.normal()
    values = gradc.function([], [u, n, *[w.normal() for w in workers]], no_default_updates=True)()
    np.testing.assert_array_equal(values[:2], [k_th(234, 0).uniform(), k_th(234, 1).normal()])
    np.testing.assert_array_equal(values[2:], [np.random.default_rng(s.spawn(1)[0]).normal() for s in root.spawn(3)])
    assert RandomStream(workers[1].gen_seedgen).spawn(1)[0].gen_seedgen.spawn_key == (1, 0)
    for kind in ("PCG64", "Philox", "MT19937"):
        bits = getattr(np.random, kind)
        base = RandomStream(5, rng_ctor=lambda s, bits=bits: np.random.Generator(bits(s)))
        ahead = base.jumped(3)
        made = gradc.function([], [ahead.uniform(), ahead.uniform(), base.uniform()], no_default_updates=True)()
        seeds = np.random.SeedSequence(5).spawn(2)
        np.testing.assert_array_equal(made, [np.random.Generator(bits(s).jumped(3)).uniform() for s in seeds]
                                      + [np.random.Generator(bits(seeds[0])).uniform()])
        ahead.seed(6)
        want = np.random.Generator(bits(np.random.SeedSequence(6).spawn(1)[0]).jumped(3)).bit_generator.state
        assert str(ahead.state_updates[0][0].get_value().bit_generator.state) == str(want)
    with pytest.raises(BadArgumentError, match="SFC64 has no jumps"):
        RandomStream(5, rng_ctor=lambda s: np.random.Generator(np.random.SFC64(s))).jumped().normal()
    for wrong in (lambda: stream.spawn(-1), lambda: stream.jumped(1.5)):
        with pytest.raises((TypeError, ValueError)):
            wrong()


def test_default_rng():
    state = at.random.default_rng(7)
    draws = at.random.normal(size=3, rng=state)
    f = gradc.function([], draws, updates={state: draws.owner.outputs[0]})
    np.testing.assert_array_equal(np.concatenate([f(), f()]), rng().normal(size=6))


def test_states_can_be_read_set_and_shared():
    stream = RandomStream(5)
    draws = stream.normal(size=2)
    state = draws.owner.inputs[0]
    f = gradc.function([], draws)
    before = state.get_value()
    first = f()
    state.set_value(before)
    np.testing.assert_array_equal(f(), first)
    assert state.get_value(borrow=True) is state.get_value(borrow=True) is not state.get_value()
    seen = state.get_value()
    seen.normal(size=100)                                   # a copy
    state.set_value(before)
    np.testing.assert_array_equal(f(), first)
    near_zero = gradc.function([], draws - draws)           # one draw, not two
    np.testing.assert_array_equal(near_zero(), [0, 0])
    restored = pickle.loads(pickle.dumps(f))
    np.testing.assert_array_equal(restored().shape, (2,))


def test_in_loops():
    stream = RandomStream(3)
    x = at.dscalar("x")

    def step(h):
        return h + stream.normal()

    walk, updates = gradc.scan(step, outputs_info=[x], n_steps=4)
    f = gradc.function([x], walk, updates=updates)
    numbers = k_th(3, 0).normal(size=8)
    np.testing.assert_allclose(f(1.0), 1.0 + np.cumsum(numbers[:4]))
    np.testing.assert_allclose(f(0.0), np.cumsum(numbers[4:]))
    slope = gradc.function([x], grad((walk ** 2).sum(), x), no_default_updates=True)
    state = next(iter(updates))
    path = 2.0 + np.cumsum(state.get_value().normal(size=4))
    np.testing.assert_allclose(slope(2.0), 2 * path.sum())
    none, updates = gradc.scan(step, outputs_info=[x], n_steps=0)
    assert gradc.function([x], none, updates=updates)(1.0).shape == (0,)


def test_in_branches():
    x, c = at.dscalar("x"), at.bscalar("c")
    state = gradc.shared(rng())
    f = gradc.function([x, c], gradc.ifelse(c, x + at.random.normal(rng=state), x))
    assert f(1.0, 0) == 1.0 and f(1.0, 1) == 1.0 + rng().normal()


def test_gradients():
    mu, x = at.dscalars("mu", "x")
    with pytest.raises(NullTypeGradError, match="draws of vonmises have no gradient by its parameters"):
        grad(at.random.vonmises(mu, 1.0), mu)
    draws = at.random.standard_normal(rng=rng())
    assert gradc.function([x], grad(x * draws + mu * 0, x), givens={mu: 0.0})(2.0) == rng().standard_normal()


def test_distributions_of_ones_own():
    def dice(generator, sides, *, size):
        return generator.integers(1, sides + 1, size)

    roll = RandomVariable("dice", {"sides": 6}, "int64", dice)
    np.testing.assert_array_equal(gradc.function([], roll(size=9, rng=rng()))(), rng().integers(1, 7, 9))
    draws = RandomStream(1).gen(roll, 20, size=9)
    np.testing.assert_array_equal(gradc.function([], draws)(), k_th(1, 0).integers(1, 21, 9))


def test_what_is_refused():
    with pytest.raises(TypeMismatchError, match="beta needs a value of its parameter 'beta'"):
        at.random.beta(1.0)
    with pytest.raises(TypeMismatchError, match="no parameter 'mean'; its parameters: loc, scale"):
        at.random.normal(mean=1.0)
    with pytest.raises(TypeMismatchError, match="two values for parameter 'loc'"):
        at.random.normal(1.0, loc=1.0)
    with pytest.raises(TypeMismatchError, match="has the parameters loc, scale; got 4"):
        at.random.normal(1.0, 2.0, 3.0, 4.0)
    with pytest.raises(BadArgumentError, match=r"rng must be a numpy\.random\.Generator"):
        at.random.normal(rng=3)
    with pytest.raises(BadArgumentError, match="got w of type TensorType"):
        at.random.normal(rng=at.dscalar("w"))
    with pytest.raises(ShapeError, match="parameter alphas has at least 1 dimension"):
        at.random.dirichlet(1.0)
    with pytest.raises(BadArgumentError, match=r"expected a numpy\.random\.Generator, got 3"):
        gradc.shared(rng()).set_value(3)
    with pytest.raises(AttributeError, match="no distribution 'abnormal'"):
        RandomStream(1).abnormal()
    with pytest.raises(TypeError, match="the stream's generator"):
        RandomStream(1).normal(rng=rng())
    with pytest.raises(TypeMismatchError, match="replace is True or False"):
        at.random.choice(3, (2,), replace=at.lscalar())
    with pytest.raises(TypeMismatchError, match="how many numbers to draw from"):
        at.random.permutation(2.5)
    state, scale = gradc.shared(rng()), gradc.shared(-1.0)
    draws = at.random.normal(0.0, scale, rng=state)
    f = gradc.function([], draws, updates={state: draws.owner.outputs[0]})
    before = state.get_value(borrow=True)
    with pytest.raises(BadValueError, match=r"scale < 0; got the parameters \(0.0, -1.0\)"):
        f()
    assert state.get_value(borrow=True) is before
