"""NumPy forms of the error functions and the gamma family for complex arguments too; no SciPy here.

Real arguments: the functions of `special_error`, `special_gamma` and `special_incomplete`, and those of libm.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from gradc.ir import special_error, special_gamma, special_incomplete
from gradc.ir.elementary import Array


def _real_or_complex(real: Callable[..., Array], analytic: Callable[..., Array]) -> Callable[..., Array]:
    """Dispatch on the dtype; real arguments are computed in float64 and rounded to their own dtype."""

    def function(*args: Array) -> Array:
        arrays = [np.asarray(a) for a in args]
        dtype = np.result_type(*arrays)
        with np.errstate(all="ignore"):
            if dtype.kind == "c":
                return analytic(*arrays)
            if dtype.kind != "f":
                dtype = np.dtype("float64")
            return np.asarray(real(*[a.astype("float64") for a in arrays])).astype(dtype)

    function.__name__ = function.__qualname__ = analytic.__name__.strip("_").removesuffix("_analytic")
    function.__doc__ = real.__doc__
    return function


# -------------------------------------------------------------------------------------------- error functions


def _horner(coefficients: tuple[float, ...], x: Array) -> Array:
    """c0 + c1 x + c2 x**2 + ..."""
    result = coefficients[-1] + 0 * x
    for c in reversed(coefficients[:-1]):
        result = result * x + c
    return result


_ROOT_PI = math.sqrt(math.pi)
_erf_ufunc = np.frompyfunc(math.erf, 1, 1)
_erfc_ufunc = np.frompyfunc(math.erfc, 1, 1)


def _erf_real(x: Array) -> Array:
    """The error function, 2/sqrt(pi) times the integral of exp(-t**2) from 0 to x."""
    return _erf_ufunc(x)


def _erfc_real(x: Array) -> Array:
    """1 - erf(x), accurate for large x."""
    return _erfc_ufunc(x)


def _erf_series(z: Array) -> Array:
    """erf by its series of positive terms (Abramowitz & Stegun 7.1.6)."""
    term = z + 0j
    total = term.copy()
    for n in range(1, 120):
        term = term * (2 * z * z / (2 * n + 1))
        total += term
    return 2 / _ROOT_PI * np.exp(-z * z) * total


def _erfcx_fraction(z: Array) -> Array:
    """exp(z**2) erfc(z) for Re z >= 1.5 by its continued fraction (Abramowitz & Stegun 7.1.14)."""
    tail = z + 0j
    for n in range(120, 0, -1):
        tail = z + n / 2 / tail
    return 1 / (_ROOT_PI * tail)


def _erfc_analytic(z: Array) -> Array:
    a = np.where(z.real < 0, -z, z)
    far = a.real >= 1.5
    upper = np.where(far, np.exp(-a * a) * _erfcx_fraction(np.where(far, a, 2)),
                     1 - _erf_series(np.where(far, 0, a)))
    return np.where(z.real < 0, 2 - upper, upper)


def _erf_analytic(z: Array) -> Array:
    near = np.abs(z.real) < 1.5
    return np.where(near, _erf_series(np.where(near, z, 0)), 1 - _erfc_analytic(z))


def _erfcx_analytic(z: Array) -> Array:
    far = z.real >= 1.5
    return np.where(far, _erfcx_fraction(np.where(far, z, 2)), np.exp(z * z) * _erfc_analytic(np.where(far, 0, z)))


def _log_erfc_analytic(z: Array) -> Array:
    return np.log(_erfc_analytic(z))


def _erfinv_analytic(z: Array) -> Array:
    w = special_error.erfinv.numpy(z.real) + 0j
    for _ in range(3):
        w = w - (_erf_analytic(w) - z) * (_ROOT_PI / 2) * np.exp(w * w)
    return w


def _erfcinv_analytic(z: Array) -> Array:
    w = special_error.erfcinv.numpy(z.real) + 0j
    for _ in range(3):
        w = w + (_erfc_analytic(w) - z) * (_ROOT_PI / 2) * np.exp(w * w)
    return w


# ------------------------------------------------------------------------------------------- the gamma family


def _raise(z: Array) -> tuple[Array, Array]:
    """z + n, and the product z (z+1) ... (z+n-1), with n so that Re(z + n) >= 12."""
    product = np.ones_like(z)
    for _ in range(200):
        low = z.real < 12
        if not low.any():
            break
        product = np.where(low, product * z, product)
        z = np.where(low, z + 1, z)
    return z, product


def _stirling(z: Array) -> Array:
    """log gamma(z) for Re z >= 12 (Abramowitz & Stegun 6.1.40)."""
    return (z - 0.5) * np.log(z) - z + 0.5 * math.log(2 * math.pi) + _horner(_STIRLING, 1 / (z * z)) / z


def _gamma_analytic(z: Array) -> Array:
    high, product = _raise(z)
    return np.exp(_stirling(high)) / product


def _gammaln_analytic(z: Array) -> Array:
    """Continues log |gamma| from the real axis: half the log of the square, so that signs drop out."""
    high, product = _raise(z)
    return _stirling(high) - 0.5 * np.log(product * product)


def _psi_asymptotic(x: Array) -> Array:
    """psi for x >= 10 (Abramowitz & Stegun 6.3.18)."""
    return np.log(x) - 0.5 / x - _horner(_PSI_SERIES, 1 / (x * x)) / (x * x)


def _psi_analytic(z: Array) -> Array:
    total = np.zeros_like(z)
    for _ in range(200):
        low = z.real < 12
        if not low.any():
            break
        total = np.where(low, total - 1 / z, total)
        z = np.where(low, z + 1, z)
    return total + _psi_asymptotic(z)


def _tri_gamma_analytic(z: Array) -> Array:
    total = np.zeros_like(z)
    for _ in range(200):
        low = z.real < 12
        if not low.any():
            break
        total = np.where(low, total + 1 / (z * z), total)
        z = np.where(low, z + 1, z)
    i = 1 / z
    return total + i + i * i * (0.5 + i * _horner(_BERNOULLI, i * i))


# -------------------------------------------------------------------------------------------------- constants

# B(2k)/(2k (2k - 1)), and the Bernoulli numbers B(2k).
_STIRLING = (
    0.08333333333333333, -0.002777777777777778, 0.0007936507936507937, -0.0005952380952380953,
    0.0008417508417508417, -0.0019175269175269176, 0.00641025641025641, -0.029550653594771242,
    0.17964437236883057,
)
_BERNOULLI = (
    0.16666666666666666, -0.03333333333333333, 0.023809523809523808, -0.03333333333333333,
    0.07575757575757576, -0.2531135531135531, 1.1666666666666667, -7.092156862745098,
    54.971177944862156, -529.1242424242424, 6192.123188405797,
)
_PSI_SERIES = tuple(b / (2 * k) for k, b in enumerate(_BERNOULLI, 1))

# --------------------------------------------------------------------------------------------- the public names

erf = _real_or_complex(_erf_real, _erf_analytic)
erfc = _real_or_complex(_erfc_real, _erfc_analytic)
erfcx = _real_or_complex(special_error.erfcx.numpy, _erfcx_analytic)
erfinv = _real_or_complex(special_error.erfinv.numpy, _erfinv_analytic)
erfcinv = _real_or_complex(special_error.erfcinv.numpy, _erfcinv_analytic)
log_erfc = _real_or_complex(special_error.log_erfc.numpy, _log_erfc_analytic)
gamma = _real_or_complex(special_incomplete.gamma.numpy, _gamma_analytic)
gammaln = _real_or_complex(special_gamma.gammaln.numpy, _gammaln_analytic)
psi = _real_or_complex(special_gamma.psi.numpy, _psi_analytic)
tri_gamma = _real_or_complex(special_gamma.tri_gamma.numpy, _tri_gamma_analytic)
