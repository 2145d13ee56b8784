"""Distributions of random numbers, one row each: what kernels can draw, and the interpreter.

Draws have the bits of the method of that name of NumPy's Generator (parameters in its order), or those that SciPy draws
with one; in C they are made by the functions that NumPy makes them with (csrc/random.c).  States are Generators, which
are never changed: `drawn`.
Not here: what users write (`tensor.random`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from gradc.errors import BadValueError
from gradc.record import record

Value: TypeAlias = Any              # an array or a number


@record
class Distribution:
    """A row: dtypes of the parameters and of draws; what may be wrong with parameters, in the order of csrc/random.c.

    A fault is the error that is raised, class and text.  draw: function of (generator, *parameters, size=shape), if
    that is no method of a Generator; refused: for each of its faults, of which parameters it is right to complain.
    """

    name: str
    parameters: tuple[str, ...]
    dtype: str
    faults: tuple[str, ...] = ()
    draw: Callable[..., Value] | None = None
    refused: tuple[Callable[..., Value], ...] = ()


_F, _I = "float64", "int64"
_NEGATIVE, _NOT_POSITIVE, _NAN = "ValueError: {} < 0", "ValueError: {} <= 0", "ValueError: {0} {1} or {0} is NaN"
_PROBABILITY = "ValueError: p <= 0, p > 1 or p contains NaNs"


def _half_normal(g: np.random.Generator, loc: Value, scale: Value, size: tuple[int, ...]) -> Value:
    return np.abs(g.standard_normal(size)) * scale + loc


def _cauchy(g: np.random.Generator, loc: Value, scale: Value, size: tuple[int, ...]) -> Value:
    """By the quantiles, as SciPy; they are those of Boost's cauchy_distribution, from the nearer tail."""
    u = np.asarray(g.uniform(size=size))
    with np.errstate(divide="ignore"):
        return np.where(u == 0.5, 0.0, -1 / np.tan(np.pi * np.where(u > 0.5, u - 1, u))) * scale + loc


def _half_cauchy(g: np.random.Generator, loc: Value, scale: Value, size: tuple[int, ...]) -> Value:
    return np.tan(np.pi / 2 * g.uniform(size=size)) * scale + loc


def _pareto(g: np.random.Generator, b: Value, scale: Value, size: tuple[int, ...]) -> Value:
    return (1 - g.uniform(size=size)) ** (-1.0 / b) * scale


def _inverse_gamma(g: np.random.Generator, shape: Value, scale: Value, size: tuple[int, ...]) -> Value:
    """Not SciPy's, which inverts the distribution function."""
    return scale / g.standard_gamma(shape, size)


def _t(g: np.random.Generator, df: Value, loc: Value, scale: Value, size: tuple[int, ...]) -> Value:
    return g.standard_t(df, size) * scale + loc


def _truncated_exponential(g: np.random.Generator, b: Value, loc: Value, scale: Value, size: tuple[int, ...]) -> Value:
    return -np.log1p(g.uniform(size=size) * np.expm1(-b)) * scale + loc


def _generalized_gamma(g: np.random.Generator, alpha: Value, p: Value, lambd: Value, size: tuple[int, ...]) -> Value:
    return g.standard_gamma(alpha / p, size) ** (1.0 / p) * lambd


def _beta_binomial(g: np.random.Generator, n: Value, a: Value, b: Value, size: tuple[int, ...]) -> Value:
    return g.binomial(n, g.beta(a, b, size), size)


def _not_positive(k: int) -> Callable[..., Value]:
    return lambda *parameters: ~(parameters[k] > 0)


def _negative(k: int) -> Callable[..., Value]:
    return lambda *parameters: ~(parameters[k] >= 0)


_SCALE = _NAN.format("scale", "< 0")
_ROWS = (
    Distribution("uniform", (_F, _F), _F, ("OverflowError: high - low range exceeds valid bounds",
                                           _NEGATIVE.format("high - low"))),
    Distribution("normal", (_F, _F), _F, (_NEGATIVE.format("scale"),)),
    Distribution("standard_normal", (), _F),
    Distribution("lognormal", (_F, _F), _F, (_NEGATIVE.format("sigma"),)),
    Distribution("exponential", (_F,), _F, (_NEGATIVE.format("scale"),)),
    Distribution("standard_exponential", (), _F),
    Distribution("beta", (_F, _F), _F, (_NOT_POSITIVE.format("a"), _NOT_POSITIVE.format("b"))),
    Distribution("gamma", (_F, _F), _F, (_NEGATIVE.format("shape"), _NEGATIVE.format("scale"))),
    Distribution("standard_gamma", (_F,), _F, (_NEGATIVE.format("shape"),)),
    Distribution("chisquare", (_F,), _F, (_NOT_POSITIVE.format("df"),)),
    Distribution("noncentral_chisquare", (_F, _F), _F, (_NOT_POSITIVE.format("df"), _NEGATIVE.format("nonc"))),
    Distribution("f", (_F, _F), _F, (_NOT_POSITIVE.format("dfnum"), _NOT_POSITIVE.format("dfden"))),
    Distribution("noncentral_f", (_F, _F, _F), _F, (_NOT_POSITIVE.format("dfnum"), _NOT_POSITIVE.format("dfden"),
                                                    _NEGATIVE.format("nonc"))),
    Distribution("standard_t", (_F,), _F, (_NOT_POSITIVE.format("df"),)),
    Distribution("standard_cauchy", (), _F),
    Distribution("gumbel", (_F, _F), _F, (_NEGATIVE.format("scale"),)),
    Distribution("laplace", (_F, _F), _F, (_NEGATIVE.format("scale"),)),
    Distribution("logistic", (_F, _F), _F, (_NEGATIVE.format("scale"),)),
    Distribution("triangular", (_F, _F, _F), _F, ("ValueError: left > mode", "ValueError: mode > right",
                                                  "ValueError: left == right")),
    Distribution("vonmises", (_F, _F), _F, (_NEGATIVE.format("kappa"),)),
    Distribution("weibull", (_F,), _F, (_NEGATIVE.format("a"),)),
    Distribution("power", (_F,), _F, (_NOT_POSITIVE.format("a"),)),
    Distribution("rayleigh", (_F,), _F, (_NEGATIVE.format("scale"),)),
    Distribution("wald", (_F, _F), _F, (_NOT_POSITIVE.format("mean"), _NOT_POSITIVE.format("scale"))),
    Distribution("binomial", (_I, _F), _I, (_NEGATIVE.format("n"), "ValueError: p < 0, p > 1 or p contains NaNs")),
    Distribution("negative_binomial", (_F, _F), _I, (
        "ValueError: n must not be NaN", _NOT_POSITIVE.format("n"), _PROBABILITY,
        "ValueError: n too large or p too small, see Generator.negative_binomial Notes")),
    Distribution("poisson", (_F,), _I, ("ValueError: lam value too large", "ValueError: lam < 0 or lam contains NaNs")),
    Distribution("geometric", (_F,), _I, (_PROBABILITY,)),
    Distribution("hypergeometric", (_I, _I, _I), _I, (
        "ValueError: both ngood and nbad must be less than 1000000000", "ValueError: ngood + nbad < nsample",
        _NEGATIVE.format("ngood"), _NEGATIVE.format("nbad"), _NEGATIVE.format("nsample"))),
    Distribution("zipf", (_F,), _I, ("ValueError: a <= 1 or a is NaN",)),
    Distribution("logseries", (_F,), _I, ("ValueError: p < 0, p >= 1 or p is NaN",)),
    Distribution("integers", (_I, _I), _I, ("ValueError: low >= high",)),
    Distribution("halfnormal", (_F, _F), _F, (_SCALE,), _half_normal, (_negative(1),)),
    Distribution("cauchy", (_F, _F), _F, (_SCALE,), _cauchy, (_negative(1),)),
    Distribution("halfcauchy", (_F, _F), _F, (_SCALE,), _half_cauchy, (_negative(1),)),
    Distribution("pareto", (_F, _F), _F, (_NAN.format("b", "<= 0"), _SCALE), _pareto, (_not_positive(0), _negative(1))),
    Distribution("invgamma", (_F, _F), _F, (_NAN.format("shape", "<= 0"), _SCALE), _inverse_gamma,
                 (_not_positive(0), _negative(1))),
    Distribution("t", (_F, _F, _F), _F, (_NAN.format("df", "<= 0"), _SCALE), _t, (_not_positive(0), _negative(2))),
    Distribution("truncexpon", (_F, _F, _F), _F, (_NAN.format("b", "<= 0"), _SCALE), _truncated_exponential,
                 (_not_positive(0), _negative(2))),
    Distribution("gengamma", (_F, _F, _F), _F, (_NAN.format("alpha / p", "<= 0"), _NAN.format("lambd", "< 0")),
                 _generalized_gamma, (lambda alpha, p, lambd: ~(alpha * p > 0), _negative(2))),
    Distribution("betabinom", (_I, _F, _F), _I, (_NEGATIVE.format("n"), _NAN.format("a", "<= 0"),
                                                 _NAN.format("b", "<= 0")),
                 _beta_binomial, (_negative(0), _not_positive(1), _not_positive(2))),
)
DISTRIBUTIONS: dict[str, Distribution] = {row.name: row for row in _ROWS}


def sample(name: str, generator: np.random.Generator, parameters: Sequence[Value],
           shape: tuple[int, ...] | None) -> np.ndarray:
    """Draws from the generator, which advances; ValueError or OverflowError for parameters that are out of range."""
    row = DISTRIBUTIONS.get(name)
    if row is None or row.draw is None:
        return np.asarray(getattr(generator, name)(*parameters, size=shape))
    given = [np.asarray(p, dtype) for p, dtype in zip(parameters, row.parameters)]
    for text, refused in zip(row.faults, row.refused):
        if np.any(refused(*given)):
            raise ValueError(text.removeprefix("ValueError: "))
    return np.asarray(row.draw(generator, *given, size=np.broadcast_shapes(*[p.shape for p in given])
                               if shape is None else shape))


def copied(rng: np.random.Generator) -> np.random.Generator:
    """A generator in the same state (a quarter of the time that deepcopy takes)."""
    old = rng.bit_generator
    new = type(old)(old.seed_seq)  # type: ignore[arg-type]
    new.state = old.state
    return np.random.Generator(new)


def drawn(name: str, state: np.random.Generator, shape: tuple[int, ...], parameters: Sequence[np.ndarray]) -> list[Any]:
    """The state after draws of shape `shape`, and the draws; ExecutionError for parameters that NumPy refuses."""
    after = copied(state)
    try:
        draws = sample(name, after, parameters, shape)
    except (ValueError, OverflowError) as error:
        first = _first_bad(name, shape, parameters)
        raise BadValueError(fault(name, f"{type(error).__name__}: {error}", first)) from error
    return [after, draws]


def fault(name: str, what: str, parameters: Sequence[object]) -> str:
    """The message for parameters that NumPy refuses; numbers, or what stands for them in a format string."""
    return f"{name} failed: {what}; got the parameters ({', '.join(map(str, parameters))})"


def _first_bad(name: str, shape: tuple[int, ...], parameters: Sequence[np.ndarray]) -> list[object]:
    """The parameters of the first draw that has no value."""
    sets = [np.broadcast_to(p, shape) for p in parameters]
    trial = np.random.default_rng(0)
    for place in np.ndindex(shape):
        one = [p[place].item() for p in sets]
        try:
            sample(name, trial, one, None)
        except (ValueError, OverflowError):
            return one
    return [np.asarray(p).ravel()[:1].tolist() for p in parameters]     # no draw, which NumPy does not mind
