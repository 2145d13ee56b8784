"""Distributions of vectors: dirichlet, multinomial, multivariate_normal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np

from gradc.config import config
from gradc.errors import BadArgumentError, at, quoted
from gradc.ir import build, ops
from gradc.ir.graph import Variable, apply, user_line
from gradc.ir.program import Builder, Var, tensor
from gradc.tensor import elemwise as ew
from gradc.tensor import reduce as red
from gradc.tensor.contract import dot
from gradc.tensor.convert import cast
from gradc.tensor.random.choices import OfClasses
from gradc.tensor.random.op import REQUIRED, RandomVariable, Size, Value, as_taken
from gradc.tensor.random.pathwise import beta_slope, pulled
from gradc.tensor.shape import expand_dims, swapaxes


def _each(draw: Callable[..., object], parameters: Sequence[Value], ndims: Sequence[int], size: Size) -> Value:
    """Draws by a method that takes one set of parameters: set after set in C order, if there are several."""
    if all(p.ndim == n for p, n in zip(parameters, ndims)):
        return draw(*parameters, size=size)
    batch = size or np.broadcast_shapes(*[p.shape[:p.ndim - n] for p, n in zip(parameters, ndims)])
    sets = [np.broadcast_to(p, batch + p.shape[p.ndim - n:]) for p, n in zip(parameters, ndims)]
    return np.array([draw(*(s[place] for s in sets)) for place in np.ndindex(batch)]).reshape(*batch, -1)


# --- equations in a Program


def _batch(b: Builder, sizes: Sequence[Var], parameters: Sequence[Var], ndims: Sequence[int]) -> Sequence[Var] | None:
    """The sizes of draws, without those of a vector; None if the parameters have more axes than there are sizes."""
    if sizes:
        return sizes if all(tensor(p).ndim - n <= len(sizes) for p, n in zip(parameters, ndims)) else None
    shaped = [build.fold(b, "add", p, range(tensor(p).ndim - n, tensor(p).ndim)) if n else p
              for p, n in zip(parameters, ndims)]
    like = reduce(lambda seen, q: b.map("second", q, seen), shaped)
    like = reduce(lambda seen, q: b.map("second", q, seen), shaped, like)       # only its sizes are computed
    return [b.size(like, k) for k in range(tensor(like).ndim)]


def _spread(b: Builder, p: Var, ndim: int, batch: Sequence[Var]) -> Var:
    """A parameter with all axes of the batch in front of its own."""
    own = [b.size(p, k) for k in range(tensor(p).ndim - ndim, tensor(p).ndim)]
    return b.apply(ops.Broadcast(), p, *batch, *own)


def _sets(b: Builder, p: Var, ndim: int, batch: Sequence[Var]) -> Var:
    """The sets of a parameter, one after the other along one axis: one, or one for each draw."""
    if tensor(p).ndim == ndim:
        return build.insert_axes(b, p, (0,), ndim + 1)
    own = [b.size(p, k) for k in range(tensor(p).ndim - ndim, tensor(p).ndim)]
    count = reduce(lambda x, y: b.map("mul", x, y), batch)
    return b.apply(ops.Reshape(ndim + 1), _spread(b, p, ndim, batch), count, *own)


class _Vectors(RandomVariable):
    """Drawn by the routine of that name; the last parameter has as many elements as a draw."""

    def in_program(self, b: Builder, state: Var, sizes: Sequence[Var],
                   parameters: Sequence[Var]) -> Sequence[Var] | None:
        ndims = self.ndims_params
        takes = ("float64",) if len(ndims) == 1 else ("int64", "float64")
        values = as_taken(b, parameters, takes)
        batch = None if values is None else _batch(b, sizes, values, ndims)
        if values is None or batch is None:
            return None
        sets = [_sets(b, p, n, batch) for p, n in zip(values, ndims)]
        whole = [*batch, b.size(values[-1], tensor(values[-1]).ndim - 1)]
        return b.equation(build.call(self.name, (0, len(whole))), [state, *sets, *whole]).outs


class _Multinomial(OfClasses, _Vectors):
    pass


class _Dirichlet(_Vectors):
    def L_op(self, inputs: Sequence[Variable], outputs: Sequence[Variable],
             output_gradients: Sequence[Variable]) -> list[Variable | None]:
        """dx_j/dalpha_i = (delta_ij - x_j)/(1 - x_i) dx_i/dalpha_i, where x_i is beta of (alpha_i, the others' sum)."""
        alphas, x, g = cast(inputs[2], "float64"), cast(outputs[1], "float64"), cast(output_gradients[1], "float64")
        last = x.type.ndim - 1
        others, y = red.sum(alphas, -1, keepdims=True) - alphas, 1 - x
        moved = g - red.sum(g * x, last, keepdims=True)
        still = ew.or_(ew.le(y, 0), ew.le(others, 0))
        slope = ew.switch(still, 0.0, beta_slope(alphas, others, x, y) / y)
        return [None, None, pulled(moved, slope, inputs[2])]  # type: ignore[arg-type]


def _dirichlet(rng: np.random.Generator, alphas: Value, size: Size) -> Value:
    return _each(rng.dirichlet, (alphas,), (1,), size)


class _MultivariateNormal(RandomVariable):
    """Vectors mean + A z, where A A^T = cov and z has standard normal elements.

    method: how A comes of cov, "svd", "eigh" or "cholesky", as in NumPy.  check_valid: "raise" refuses a cov that is
    not symmetric and positive semidefinite, with the tolerance `tol` (Cholesky's factors always tell); "ignore" does
    not look.
    """

    __props__ = ("name", "dtype", "method", "check_valid", "tol")
    method, check_valid, tol = "svd", "raise", 1e-8

    def __call__(self, mean: Value = None, cov: Value = None, size: Any = None,  # type: ignore[override]
                 method: str = "svd", check_valid: str = "raise", tol: float = 1e-8, **options: Any) -> Any:
        for what, given, known in (("method", method, ("svd", "eigh", "cholesky")),
                                   ("check_valid", check_valid, ("raise", "ignore"))):
            if given not in known:
                raise BadArgumentError(f"multivariate_normal: {what} is one of {', '.join(known)}, got {quoted(given)}"
                                       f"{at(user_line())}")
        op: Any = self.with_dtype(options.pop("dtype", None) or self.dtype)
        op.method, op.check_valid, op.tol = method, check_valid, float(tol)
        mean = np.zeros(1, config.floatX) if mean is None else mean
        cov = np.ones((1, 1), config.floatX) if cov is None else cov
        return RandomVariable.__call__(op, mean, cov, size=size, **options)

    def in_program(self, b: Builder, state: Var, sizes: Sequence[Var],
                   parameters: Sequence[Var]) -> Sequence[Var] | None:
        values = as_taken(b, parameters, ("float64", "float64"))
        batch = None if values is None else _batch(b, sizes, values, self.ndims_params)
        if values is None or batch is None:
            return None
        mean, cov = values
        if tensor(cov).ndim > 2:
            cov = _spread(b, cov, 2, batch)
        tolerance = b.constant(self.tol if self.check_valid == "raise" else np.inf, "float64")
        factor = b.apply(build.call("cholesky"), cov) if self.method == "cholesky" else \
            b.apply(build.call(f"covariance_{self.method}"), cov, tolerance)
        whole = [*batch, b.size(mean, tensor(mean).ndim - 1)]
        after, z = b.equation(build.call("standard_normal", (0, len(whole))), [state, *whole]).outs
        draws, last = list(range(len(batch))), len(batch)
        rows = [*draws[:tensor(cov).ndim - 2], last + 1, last]
        return after, b.map("add", b.apply(ops.Broadcast(), mean, *whole),
                            build.contract(b, z, [*draws, last], factor, rows, [*draws, last + 1]))

    def L_op(self, inputs: Sequence[Variable], outputs: Sequence[Variable],
             output_gradients: Sequence[Variable]) -> list[Variable | None]:
        """Whatever the method: x = mean + L z, L Cholesky's factor of cov, moves with it as L does, z as it is."""
        mean, cov = [cast(v, "float64") for v in inputs[2:]]
        g = cast(output_gradients[1], "float64")
        residue = cast(outputs[1], "float64") - mean
        if cov.type.ndim == 2:              # draws are columns
            columns = residue.reshape((-1, cov.shape[0])).T
            factor = apply(build.call("cholesky"), cov)
            z = apply(build.call("solve_lower"), factor, columns)
            moved = dot(g.reshape((-1, cov.shape[0])).T, z.T)
        else:
            factor = apply(build.call("cholesky"), cov)
            z = apply(build.call("solve_lower"), factor, expand_dims(residue, -1))
            moved = expand_dims(g, -1) * swapaxes(z, -1, -2)
        back = apply(build.call("cholesky_back"), factor, moved)
        return [None, None, pulled(g, 1.0, inputs[2]), pulled(back, 1.0, inputs[3])]  # type: ignore[arg-type]

    def _drawn(self, rng: np.random.Generator, parameters: Sequence[Value], size: Size) -> object:
        def draw(mean: Value, cov: Value, size: Size = None) -> Any:
            return rng.multivariate_normal(mean, cov, size, self.check_valid, self.tol, method=self.method)  # type: ignore
        return _each(draw, parameters, self.ndims_params, size)


dirichlet = _Dirichlet("dirichlet", {"alphas": REQUIRED}, "floatX", _dirichlet, (1,), 1, tried=True)
multinomial = _Multinomial("multinomial", {"n": REQUIRED, "p": REQUIRED}, "int64", None, (0, 1), 1)
multivariate_normal = _MultivariateNormal("multivariate_normal", {"mean": REQUIRED, "cov": REQUIRED}, "floatX", None,
                                          (1, 2), 1)
