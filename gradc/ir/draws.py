"""Values of the routines that draw vectors or out of given values: what csrc/random_vectors.c and covariance.c compute.

They take a state, a Generator, which they do not change, then parameters and the shape of the draws; they give the next
state and the draws.  Of several sets of parameters there are as many draws each, one set after the other.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np

from gradc.ir.distributions import copied
from gradc.ir.matrices import Array, Fault

Shape = tuple[int, ...]


def permutation(state: np.random.Generator, n: Array, shape: Shape) -> list[object]:
    """0, ..., n - 1 in random order."""
    return _of_sets(state, prod(shape) // int(n) if n else 0, shape, "int64", lambda g: g.permutation(int(n)))


def choice(state: np.random.Generator, count: Array, n: Array, mixed: Array, shape: Shape) -> list[object]:
    """`count` different ones of 0, ..., n - 1, for n (b); mixed: in random order?"""
    for few in n[n < count].tolist():
        raise Fault(0, int(count), few)
    return _of_sets(state, prod(shape) // int(count) if count else 0, shape, "int64",
                    lambda g, n: g.choice(int(n), int(count), replace=False, shuffle=bool(mixed)), n)


def choice_weighted(state: np.random.Generator, count: Array, weights: Array, shape: Shape) -> list[object]:
    """`count` different ones of 0, ..., k - 1, for weights (b, k)."""
    for possible in (weights > 0).sum(1)[(weights > 0).sum(1) < count].tolist():
        raise Fault(0, possible, int(count))
    return _of_sets(state, prod(shape) // int(count) if count else 0, shape, "int64",
                    lambda g, p: g.choice(len(p), int(count), replace=False, p=p), weights)


def dirichlet(state: np.random.Generator, alpha: Array, shape: Shape) -> list[object]:
    """Vectors of k numbers with the sum 1, for alpha (b, k)."""
    for bad in alpha[alpha < 0].tolist():
        raise Fault(0, bad)
    return _of_sets(state, prod(shape[:-1]), shape, "float64", lambda g, a: g.dirichlet(a), alpha)


def multinomial(state: np.random.Generator, trials: Array, p: Array, shape: Shape) -> list[object]:
    """How often each of k things happens in a number of trials (c), for probabilities (b, k)."""
    for bad in trials[trials < 0].tolist():
        raise Fault(0, bad, 0)
    try:
        return _of_sets(state, prod(shape[:-1]), shape, "int64", lambda g, n, p: g.multinomial(n, p), trials, p)
    except ValueError:
        raise Fault(1) from None


def _of_sets(state: np.random.Generator, draws: int, shape: Shape, dtype: str, draw: Callable[..., Array],
             *sets: Array) -> list[object]:
    after = copied(state)
    made = np.array([draw(after, *[s[k * len(s) // draws] for s in sets]) for k in range(draws)], dtype)
    return [after, made.reshape(shape)]


def covariance_factor(method: str) -> Callable[[Array, Array], Array]:
    """A with A A^T = the covariance matrix, as `Generator.multivariate_normal` makes it; tolerance inf: no check."""
    def value(cov: Array, tolerance: Array) -> Array:
        if not np.isfinite(cov).all():
            raise Fault(0)
        if method == "svd":
            u, s, v = np.linalg.svd(cov)
            valid = bool(np.isinf(tolerance)) or np.allclose((v.T * s) @ v, cov, rtol=tolerance, atol=tolerance)
        else:
            s, u = np.linalg.eigh(cov)
            valid = bool((s >= -tolerance).all())
        if not valid:
            raise Fault(1)
        return u * np.sqrt(np.abs(s))
    return value
