"""The distributions: each is a `RandomVariable`, called with its parameters, `size`, `rng`, `name`, `dtype`.

Names, parameters and their defaults are those of `aesara.tensor.random.basic`, numbers those of the method of that name
of NumPy's Generator.  Those of halfnormal, cauchy, halfcauchy, pareto, truncexpon, t, gengamma, betabinom are SciPy's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from gradc.ir.program import Builder, Var
from gradc.tensor import elemwise as ew
from gradc.tensor.checks import flag
from gradc.tensor.random.choices import categorical, choice, permutation, shuffle
from gradc.tensor.random.op import REQUIRED, RandomVariable, Size, Value, row_equations
from gradc.tensor.random.pathwise import gamma_by_rate
from gradc.tensor.random.vectors import dirichlet, multinomial, multivariate_normal

__all__ = ["bernoulli", "beta", "betabinom", "binomial", "categorical", "cauchy", "chisquare", "choice", "dirichlet",
           "exponential", "f", "gamma", "gengamma", "geometric", "gumbel", "halfcauchy", "halfnormal",
           "hypergeometric", "integers", "invgamma", "laplace", "logistic", "lognormal", "logseries", "multinomial",
           "multivariate_normal", "nbinom", "negative_binomial", "noncentral_chisquare", "noncentral_f", "normal",
           "pareto", "permutation", "poisson", "power", "rayleigh", "shuffle", "standard_cauchy",
           "standard_exponential", "standard_gamma", "standard_normal", "standard_t", "t", "triangular", "truncexpon",
           "uniform", "vonmises", "wald", "weibull", "zipf"]

# --- numbers in the reals

uniform = RandomVariable("uniform", {"low": 0.0, "high": 1.0})
normal = RandomVariable("normal", {"loc": 0.0, "scale": 1.0})
standard_normal = RandomVariable("standard_normal", {})
halfnormal = RandomVariable("halfnormal", {"loc": 0.0, "scale": 1.0})
lognormal = RandomVariable("lognormal", {"mean": 0.0, "sigma": 1.0})
exponential = RandomVariable("exponential", {"scale": 1.0})
standard_exponential = RandomVariable("standard_exponential", {})
truncexpon = RandomVariable("truncexpon", {"b": REQUIRED, "loc": 0.0, "scale": 1.0})
beta = RandomVariable("beta", {"alpha": REQUIRED, "beta": REQUIRED})
chisquare = RandomVariable("chisquare", {"df": REQUIRED})
noncentral_chisquare = RandomVariable("noncentral_chisquare", {"df": REQUIRED, "nonc": REQUIRED})
f = RandomVariable("f", {"dfnum": REQUIRED, "dfden": REQUIRED})
noncentral_f = RandomVariable("noncentral_f", {"dfnum": REQUIRED, "dfden": REQUIRED, "nonc": REQUIRED})
t = RandomVariable("t", {"df": REQUIRED, "loc": 0.0, "scale": 1.0})
standard_t = RandomVariable("standard_t", {"df": REQUIRED})
cauchy = RandomVariable("cauchy", {"loc": 0.0, "scale": 1.0})
standard_cauchy = RandomVariable("standard_cauchy", {})
halfcauchy = RandomVariable("halfcauchy", {"loc": 0.0, "scale": 1.0})
gumbel = RandomVariable("gumbel", {"loc": 0.0, "scale": 1.0})
laplace = RandomVariable("laplace", {"loc": 0.0, "scale": 1.0})
logistic = RandomVariable("logistic", {"loc": 0.0, "scale": 1.0})
triangular = RandomVariable("triangular", {"left": REQUIRED, "mode": REQUIRED, "right": REQUIRED})
vonmises = RandomVariable("vonmises", {"mu": REQUIRED, "kappa": REQUIRED})
weibull = RandomVariable("weibull", {"shape": REQUIRED})
pareto = RandomVariable("pareto", {"b": REQUIRED, "scale": 1.0})        # NumPy's `pareto` begins at 0
power = RandomVariable("power", {"a": REQUIRED})
rayleigh = RandomVariable("rayleigh", {"scale": 1.0})
wald = RandomVariable("wald", {"mean": 1.0, "scale": 1.0})
standard_gamma = RandomVariable("standard_gamma", {"shape": REQUIRED})
invgamma = RandomVariable("invgamma", {"shape": REQUIRED, "scale": 1.0})
gengamma = RandomVariable("gengamma", {"alpha": 1.0, "p": 1.0, "lambd": 1.0})


def _gamma(rng: np.random.Generator, shape: Value, rate: Value, size: Size) -> Value:
    return rng.gamma(shape, 1.0 / np.asarray(rate, "float64"), size)


def _gamma_equations(b: Builder, state: Var, sizes: Sequence[Var], parameters: Sequence[Var]) -> Sequence[Var] | None:
    shape, rate = parameters
    scale = b.map("true_divide", b.constant(1.0, "float64"), b.cast(rate, "float64"))
    return row_equations(b, "gamma", state, sizes, [shape, scale])


gamma = RandomVariable("gamma", {"shape": REQUIRED, "rate": REQUIRED}, draw=_gamma,     # rate: 1 / NumPy's scale
                       equations=_gamma_equations, path=gamma_by_rate)

# --- integers

binomial = RandomVariable("binomial", {"n": REQUIRED, "p": REQUIRED}, "int64")
poisson = RandomVariable("poisson", {"lam": 1.0}, "int64")
geometric = RandomVariable("geometric", {"p": REQUIRED}, "int64")
negative_binomial = nbinom = RandomVariable("negative_binomial", {"n": REQUIRED, "p": REQUIRED}, "int64")
betabinom = RandomVariable("betabinom", {"n": REQUIRED, "a": REQUIRED, "b": REQUIRED}, "int64")
hypergeometric = RandomVariable("hypergeometric", {"ngood": REQUIRED, "nbad": REQUIRED, "nsample": REQUIRED}, "int64")
zipf = RandomVariable("zipf", {"a": REQUIRED}, "int64")
logseries = RandomVariable("logseries", {"p": REQUIRED}, "int64")


def _bernoulli(rng: np.random.Generator, p: Value, size: Size) -> Value:
    return rng.binomial(1, p, size)


def _bernoulli_equations(b: Builder, state: Var, sizes: Sequence[Var],
                         parameters: Sequence[Var]) -> Sequence[Var] | None:
    return row_equations(b, "binomial", state, sizes, [b.constant(1, "int64"), *parameters])


bernoulli = RandomVariable("bernoulli", {"p": REQUIRED}, "int64", _bernoulli, equations=_bernoulli_equations)


class _Integers(RandomVariable):
    """low, ..., high - 1; with one argument 0, ..., low - 1.  endpoint=True: the last number, too."""

    def bind(self, args: Sequence[object], named: Mapping[str, object]) -> list[object]:
        named = dict(named)
        endpoint = flag(named.pop("endpoint", False), "integers", "endpoint")
        low, high = super().bind(args, named)
        low, high = (0, low) if high is None else (low, high)
        return [low, ew.add(high, np.int64(1)) if endpoint else high]


integers = _Integers("integers", {"low": REQUIRED, "high": None}, "int64")
