"""Rows for PyTensor's random variables: the draws of the same generator, bit by bit.

A distribution that gradc draws in C with the same bits is in NATIVE; every other one draws by the Op's own `rng_fn`,
from the generator in the kernel's hands, so that states follow each other as in PyTensor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.tensor.random import basic as pytensor_random
from pytensor.tensor.random.op import RandomVariable

import gradc.tensor as at
from gradc.interop.pytensor.convert import Converted, to_gradc

# class of PyTensor -> (gradc's function, its parameters from PyTensor's)
_same: Callable[..., Sequence[Converted]] = lambda *parameters: parameters      # noqa: E731
NATIVE: dict[str, tuple[str, Callable[..., Sequence[Converted]]]] = {
    "UniformRV": ("uniform", _same), "NormalRV": ("normal", _same), "LogNormalRV": ("lognormal", _same),
    "ExponentialRV": ("exponential", _same), "BetaRV": ("beta", _same),
    "LaplaceRV": ("laplace", _same), "LogisticRV": ("logistic", _same), "TriangularRV": ("triangular", _same),
    "VonMisesRV": ("vonmises", _same), "WeibullRV": ("weibull", _same), "PoissonRV": ("poisson", _same),
    "GeometricRV": ("geometric", _same), "BinomialRV": ("binomial", _same),
    "GammaRV": ("gamma", lambda shape, scale: (shape, 1 / scale)), "HalfNormalRV": ("halfnormal", _same),
    "ParetoRV": ("pareto", _same), "CauchyRV": ("cauchy", _same), "HalfCauchyRV": ("halfcauchy", _same),
    "WaldRV": ("wald", _same),
    "InvGammaRV": ("gamma", _same),         # one over it
    "StudentTRV": ("t", _same), "BernoulliRV": ("bernoulli", _same), "NegBinomialRV": ("negative_binomial", _same),
    "BetaBinomialRV": ("betabinom", _same), "GenGammaRV": ("gengamma", _same),
    "HyperGeometricRV": ("hypergeometric", _same), "IntegersRV": ("integers", _same),
    "DirichletRV": ("dirichlet", _same), "MultinomialRV": ("multinomial", _same),
}


@to_gradc.register(RandomVariable)
def _draw(op: Op, node: Apply, rng: Converted, size: Converted, *parameters: Converted) -> Sequence[Converted]:
    dtype = node.outputs[1].type.dtype
    name, of = NATIVE.get(type(op).__name__, ("", _same))
    if type(op).__module__ == pytensor_random.__name__ and hasattr(at.random, name) and type(op).rng_fn == _rng_fn(op):
        variable = getattr(at.random, name)
        draws = variable(*of(*parameters), size=size, rng=rng, dtype=dtype)
        if type(op) is pytensor_random.InvGammaRV:
            return [draws.owner.outputs[0], 1 / draws]
    else:
        draws = _by_rng_fn(op, dtype)(*parameters, size=size, rng=rng)
    return [draws.owner.outputs[0], draws]


def _rng_fn(op: Op) -> object:
    """`rng_fn` of PyTensor's own class: a subclass may draw otherwise."""
    return getattr(getattr(pytensor_random, type(op).__name__, None), "rng_fn", None)


def _by_rng_fn(op: Any, dtype: str) -> at.random.RandomVariable:
    """A gradc distribution that draws as the Op says."""
    names = {f"parameter {k}": at.random.op.REQUIRED for k in range(len(op.ndims_params))}

    def draw(rng: Any, *parameters: Any, size: Any) -> Any:
        return op.rng_fn(rng, *parameters, size)

    return at.random.RandomVariable(op.name, names, dtype, draw, op.ndims_params, op.ndim_supp, tried=True)
