"""The distributions: each is a `RandomVariable`, called with its parameters, `size`, `rng`, `name`, `dtype`.

Names, parameters and their defaults are those of `aesara.tensor.random.basic`, numbers those of the method of that name
of NumPy's Generator.  Those of halfnormal, cauchy, halfcauchy, pareto, truncexpon, t, gengamma, betabinom are SciPy's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradc.errors import TypeMismatchError, at, quoted
from gradc.ir import build, dtypes, ops
from gradc.ir.graph import Constant, apply, user_line
from gradc.ir.program import Builder, Var, tensor
from gradc.ir.types import StaticShape
from gradc.tensor import elemwise as ew
from gradc.tensor import reduce as red
from gradc.tensor.checks import fail, in_range, integer
from gradc.tensor.convert import as_tensor_variable, cast
from gradc.tensor.random.op import REQUIRED, RandomVariable, Value, row_equations

Size = tuple[int, ...] | None

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
                       equations=_gamma_equations)

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
    """low, ..., high - 1; with one argument 0, ..., low - 1."""

    def bind(self, args: Sequence[Any], named: Any) -> list[Any]:
        low, high = super().bind(args, named)
        return [0, low] if high is None else [low, high]


integers = _Integers("integers", {"low": REQUIRED, "high": None}, "int64")


def _categorical(rng: np.random.Generator, p: Value, size: Size) -> Value:
    """The first place where the running sum of p reaches a uniform number."""
    if size is not None:
        np.broadcast_to(np.empty(p.shape[:-1]), size)       # raises if p has more sets than size has draws
    u = rng.uniform(size=p.shape[:-1] if size is None else size)
    return (np.cumsum(p, axis=-1) < np.asarray(u)[..., None]).sum(axis=-1)


def _categorical_equations(b: Builder, state: Var, sizes: Sequence[Var],
                           parameters: Sequence[Var]) -> Sequence[Var] | None:
    (p,) = parameters
    sets = tensor(p).shape[:-1]
    if not sizes:
        sizes = [b.size(p, k) for k in range(len(sets))]
    elif len(sets) > len(sizes) or any(s != 1 and n.data is not None and n.data == 1
                                       for s, n in zip(reversed(sets), reversed(sizes))):
        return None                     # more sets than draws: an error
    zero, one = b.constant(0.0, "float64"), b.constant(1.0, "float64")
    after, u = b.equation(build.call("uniform", (0, len(sizes))), [state, zero, one, *sizes]).outs
    below = b.map("lt", b.apply(ops.Cumulate("add", len(sets)), p),
                  build.insert_axes(b, u, (len(sizes),), len(sizes) + 1))
    return after, build.fold(b, "add", b.cast(below, "int64"), (len(sizes),))


class _OfClasses(RandomVariable):
    """A distribution of which the last parameter holds the probabilities of classes."""

    def bind(self, args: Sequence[Any], named: Any) -> list[Any]:
        *others, p = super().bind(args, named)
        return [*others, probabilities(as_tensor_variable(p), self.name)]


def probabilities(p: Value, what: str) -> Value:
    """p, once it is certain that along its last axis no number is negative and their sum is 1, but for roundings."""
    if not p.type.ndim:
        return p                        # make_node refuses it
    message = f"{what}: probabilities must not be negative and must sum to 1, got {{0:float}} as the least and " \
              "{1:float} as the sum"
    limit = float(np.sqrt(np.finfo(dtypes.floating(p.type.dtype)).eps))        # as Generator.choice
    if isinstance(p, Constant) and p.data.size:
        for row in p.data.reshape(-1, p.data.shape[-1]).astype("float64"):
            if not (row.min() >= 0 and abs(row.sum() - 1) <= limit):
                fail(message, "value", float(row.min()), float(row.sum()))
        return p
    wide, last = cast(p, "float64"), p.type.ndim - 1
    least, total = red.min(wide, last), red.sum(wide, last)
    valid = ew.and_(ew.ge(least, 0), ew.le(ew.abs(ew.sub(total, 1)), limit))
    return apply(ops.Assert(message, "value", 2), p, valid, least, total)


categorical = _OfClasses("categorical", {"p": REQUIRED}, "int64", _categorical, (1,),
                         equations=_categorical_equations)

# --- vectors


def _each(method: str) -> Callable[..., Any]:
    """Draws by a method that takes one set of parameters: set after set in C order, if there are several."""
    def draw(rng: np.random.Generator, parameters: Sequence[Value], ndims: Sequence[int], size: Size) -> Value:
        one = getattr(rng, method)
        if all(p.ndim == n for p, n in zip(parameters, ndims)):
            return one(*parameters, size=size)
        batch = size or np.broadcast_shapes(*[p.shape[:p.ndim - n] for p, n in zip(parameters, ndims)])
        sets = [np.broadcast_to(p, batch + p.shape[p.ndim - n:]) for p, n in zip(parameters, ndims)]
        return np.array([one(*(s[place] for s in sets)) for place in np.ndindex(batch)]).reshape(*batch, -1)
    return draw


_dirichlets, _multivariate_normals = _each("dirichlet"), _each("multivariate_normal")


def _dirichlet(rng: np.random.Generator, alphas: Value, size: Size) -> Value:
    return _dirichlets(rng, (alphas,), (1,), size)


def _multivariate_normal(rng: np.random.Generator, mean: Value, cov: Value, size: Size) -> Value:
    return _multivariate_normals(rng, (mean, cov), (1, 2), size)


dirichlet = RandomVariable("dirichlet", {"alphas": REQUIRED}, "floatX", _dirichlet, (1,), 1, tried=True)
multinomial = _OfClasses("multinomial", {"n": REQUIRED, "p": REQUIRED}, "int64", None, (0, 1), 1)
multivariate_normal = RandomVariable("multivariate_normal", {"mean": REQUIRED, "cov": REQUIRED}, "floatX",
                                     _multivariate_normal, (1, 2), 1)

# --- out of given values: the dtype is theirs


class _Choice(RandomVariable):
    """Entries of `a` (along its first axis; 0, ..., a - 1 if it is a scalar), with probabilities `p` if given."""

    def __call__(self, a: Value, size: Any = None, replace: bool = True,  # type: ignore[override]
                 p: Value = None, **options: Any) -> Any:
        if not isinstance(replace, bool):
            raise TypeMismatchError(f"choice: replace is True or False, got {quoted(replace)}{at(user_line())}")
        a = as_tensor_variable(a)
        op = self.with_dtype(_drawn(a))
        op.parameters = dict.fromkeys(("a", "replace") if p is None else ("a", "replace", "p"))
        op.ndims_params = (0,) * len(op.parameters)
        weights = [] if p is None else [probabilities(as_tensor_variable(p), "choice")]
        return RandomVariable.__call__(op, a, replace, *weights, size=size, **options)

    def shape(self, size: Sequence[int | None], parameters: Sequence[Value]) -> StaticShape:
        return (*size, *parameters[0].type.shape[1:])

    def sizes(self, builder: Builder, sizes: Sequence[Var], parameters: Sequence[Var]) -> Sequence[Var]:
        a = parameters[0]
        return [*sizes, *(builder.size(a, k) for k in range(1, tensor(a).ndim))]


def _choice(rng: np.random.Generator, a: Value, replace: Value, p: Value = None, *, size: Size) -> Value:
    return rng.choice(a if a.ndim else int(a), size, bool(replace), p)


class _Permutation(RandomVariable):
    """`x` with its first axis in random order (0, ..., x - 1 if it is a scalar)."""

    def __call__(self, x: Value, **options: Any) -> Any:  # type: ignore[override]
        x = as_tensor_variable(x)
        op = self.with_dtype(_drawn(x))
        if not x.type.ndim:
            x = in_range(integer(x, "permutation", "x"), 0, None,
                         "permutation: the number of elements must not be negative, got {0}")
        return RandomVariable.__call__(op, x, **options)

    def shape(self, size: Sequence[int | None], parameters: Sequence[Value]) -> StaticShape:
        return parameters[0].type.shape or (None,)

    def sizes(self, builder: Builder, sizes: Sequence[Var], parameters: Sequence[Var]) -> Sequence[Var]:
        x = parameters[0]
        return [builder.size(x, k) for k in range(tensor(x).ndim)] or [builder.cast(x, "int64")]


def _permutation(rng: np.random.Generator, x: Value, size: Size) -> Value:
    return rng.permutation(x if x.ndim else int(x))


def _drawn(x: Value) -> str:
    """The dtype of what is drawn out of `x`."""
    if x.type.ndim:
        return x.type.dtype
    if x.type.dtype not in dtypes.INTEGERS:
        raise TypeMismatchError(f"expected an array to draw from, or how many numbers to draw from, got {x.type}"
                                f"{at(user_line())}")
    return "int64"


choice = _Choice("choice", {"a": REQUIRED}, draw=_choice)
permutation = _Permutation("permutation", {"x": REQUIRED}, draw=_permutation)
