"""How quantiles of the gamma and beta distributions move with a parameter: what csrc/quantiles.c computes, in NumPy.

The slope is -(dF/da)/(dF/dx), F the distribution function: the derivative of a draw by a (M. Figurnov, S. Mohamed,
A. Mnih, Implicit Reparameterization Gradients, NeurIPS 2018).  F by series and continued fractions (NIST DLMF 8.7.1,
8.9.2, 8.17.22), with derivatives in a beside the values; relative errors are below 1e-11.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from gradc.ir.matrices import Array

Pair: TypeAlias = tuple[Array, Array]       # values, and their derivatives in a parameter
_EPS, _TINY = float(np.finfo("float64").eps), float(np.finfo("float64").tiny)
_LARGE, _MOST_TERMS = 20000, 10 ** 6           # above the first the expansion of Cornish and Fisher is exact


def gamma_slope(a: Array, x: Array, of: Array) -> Array:
    """By the shape `a`, scale 1; of: log(x) - psi(a)."""
    with np.errstate(all="ignore"):
        small, large = x <= a + 1, a > _LARGE
        made = np.where(small, _gamma_series(a, np.where(small & ~large, x, np.nan), of),
                        _gamma_fraction(a, np.where(small | large, np.nan, x), of))
        made = np.where(large, _gamma_of_large(a, x), made)
        return np.where(x == 0, 0.0, np.where(a > 0, made, np.nan))


def beta_slope(a: Array, b: Array, x: Array, y: Array, of: Array) -> Array:
    """By `a`; y: 1 - x; of: log(x) - psi(a) + psi(a + b)."""
    with np.errstate(all="ignore"):
        low = x <= (a + 1) / (a + b + 2)
        f, df = _beta_fraction(a, b, np.where(low, x, np.nan), 0)
        g, dg = _beta_fraction(b, a, np.where(low, np.nan, y), 1)
        made = np.where(low, -x * y / a * (f * (of - 1 / a) + df), x * y / b * (g * of + dg))
        return np.where((x == 0) | (y == 0), 0.0, np.where((a > 0) & (b > 0), made, np.nan))


def _gamma_series(a: Array, x: Array, of: Array) -> Array:
    """F = x/a f sum of x^k / (a + 1)_k, f the density."""
    term, moved = np.ones_like(x), np.zeros_like(x)
    total, slope, k = term.copy(), moved.copy(), 0
    while np.any((term > _EPS / 4 * total) | (-moved > -_EPS / 4 * slope) | (k == 0) & (x > 0)):
        k += 1
        term, moved = term * x / (a + k), (moved - term / (a + k)) * x / (a + k)
        total, slope = total + term, slope + moved
    return -x / a * (total * (of - 1 / a) + slope)


def _gamma_fraction(a: Array, x: Array, of: Array) -> Array:
    """1 - F = x f value."""
    b = (x + 1 - a, -np.ones_like(x))
    c, d = (np.full_like(x, 1 / _TINY), np.zeros_like(x)), _over((np.ones_like(x), np.zeros_like(x)), b)
    value, k = d, 0
    while True:
        k += 1
        b = (b[0] + 2, b[1])
        factor, c, d = _lentz((-k * (k - a), np.full_like(x, k)), b, c, d)
        value = _times(value, factor)
        if k == _MOST_TERMS or not np.any(_moves(factor, value)):
            return x * (value[0] * of + value[1])


def _gamma_of_large(a: Array, x: Array) -> Array:
    """x = a + z a^(1/2) + (z^2 - 1)/3 + ..., solved for z, then differentiated (Cornish and Fisher, 1938)."""
    root = np.sqrt(a)
    z = (x - a) / root
    for _ in range(8):
        made = a + z * root + (z ** 2 - 1) / 3 + z * (z ** 2 - 7) / (36 * root) \
            - (3 * z ** 4 + 7 * z ** 2 - 16) / (810 * a) \
            + z * (9 * z ** 4 + 256 * z ** 2 - 433) / (38880 * a * root)
        z = z - (made - x) / (root + 2 * z / 3 + (3 * z ** 2 - 7) / (36 * root))
    return 1 + z / (2 * root) - z * (z ** 2 - 7) / (72 * a * root) + (3 * z ** 4 + 7 * z ** 2 - 16) / (810 * a * a) \
        - z * (9 * z ** 4 + 256 * z ** 2 - 433) / (25920 * a * a * root)


def _beta_fraction(a: Array, b: Array, x: Array, by_b: int) -> Pair:
    """F = x (1 - x)/a f value; the derivative is that in a, or in b."""
    da, db, one = 1 - by_b, by_b, (np.ones_like(x), np.zeros_like(x))
    c = one
    d = _over(one, (1 - (a + b) * x / (a + 1), -x * ((da + db) - (a + b) / (a + 1) * da) / (a + 1)))
    value, k = d, 0
    while True:
        k += 1
        n, before, after = (a + 2 * k, da + 0 * x), (a + 2 * k - 1, da + 0 * x), (a + 2 * k + 1, da + 0 * x)
        part = _over((k * (b - k) * x, k * db * x), _times(before, n))
        first, c, d = _lentz(part, one, c, d)
        part = _over(_times((-(a + k) * x, -da * x), (a + b + k, da + db + 0 * x)), _times(n, after))
        second, c, d = _lentz(part, one, c, d)
        factor = _times(first, second)
        value = _times(value, factor)
        if k == _MOST_TERMS or not np.any(_moves(factor, value)):
            return value


def _times(x: Pair, y: Pair) -> Pair:
    return x[0] * y[0], x[1] * y[0] + x[0] * y[1]


def _over(x: Pair, y: Pair) -> Pair:
    q = x[0] / np.where(y[0] == 0, _TINY, y[0])
    return q, (x[1] - q * y[1]) / np.where(y[0] == 0, _TINY, y[0])


def _lentz(a: Pair, b: Pair, c: Pair, d: Pair) -> tuple[Pair, Pair, Pair]:
    """The next factor of a continued fraction with the parts a and b, and what the algorithm keeps (Lentz, 1976)."""
    low, high = _times(a, d), _over(a, c)
    d = _over((np.ones_like(low[0]), np.zeros_like(low[0])), (b[0] + low[0], b[1] + low[1]))
    c = (b[0] + high[0], b[1] + high[1])
    return _times(c, d), c, d


def _moves(factor: Pair, value: Pair) -> Array:
    """Where the fraction has not settled."""
    return np.asarray((np.abs(factor[0] - 1) > _EPS) | (np.abs(factor[1] * value[0]) > _EPS * np.abs(value[1])))
