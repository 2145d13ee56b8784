"""Random numbers, with the names of `aesara.tensor.random`: the distributions and `RandomStream`."""

from gradc.tensor.random.basic import (
    bernoulli,
    beta,
    binomial,
    categorical,
    chisquare,
    choice,
    dirichlet,
    exponential,
    gamma,
    geometric,
    gumbel,
    integers,
    laplace,
    logistic,
    lognormal,
    multinomial,
    multivariate_normal,
    normal,
    permutation,
    poisson,
    standard_normal,
    triangular,
    uniform,
    vonmises,
    weibull,
)
from gradc.tensor.random.op import RandomVariable
from gradc.tensor.random.utils import RandomStream

__all__ = ["RandomStream", "RandomVariable", "bernoulli", "beta", "binomial", "categorical", "chisquare", "choice",
           "dirichlet", "exponential", "gamma", "geometric", "gumbel", "integers", "laplace", "logistic", "lognormal",
           "multinomial", "multivariate_normal", "normal", "permutation", "poisson", "standard_normal", "triangular",
           "uniform", "vonmises", "weibull"]
