"""Equation of state of seawater: dynamic enthalpy of the 48-term rational specific volume, and its derivative.

The specific volume at absolute salinity S (g/kg), conservative temperature T (degrees C) and pressure p (dbar) is
v = (a0 + a1 p + a2 p^2 + a3 p^3) / (b0 + 2 b1 p + b2 p^2), where a_k and b_k are polynomials in S, sqrt(S) and T with
48 coefficients in all; the dynamic enthalpy is its integral over p.  The workload is the one of pyhpc-benchmarks
(github.com/dionhaefner/pyhpc-benchmarks, equation_of_state), which has the derivative by T from the ocean model Veros.

Source: coefficients from IOC, SCOR and IAPSO, The international thermodynamic equation of seawater - 2010, UNESCO
(2010), appendix K, and McDougall et al. (2011), as pyhpc-benchmarks lists them; the formulas below are derived here by
polynomial division and integration, and are checked in tests/test_benchmarks.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.row import Arrays, Call, Row, TimesHand, hand_call, jax_call, symbolic_call, torch_call

# Coefficients by power of T, lowest first.
B0 = (9.998420897506056e2, 2.839940833161907, -3.147759265588511e-2, 1.181805545074306e-3)
B0_S = (-6.698001071123802, -2.986498947203215e-2, 2.327859407479162e-4)
B0_ROOT = (-3.988822378968490e-2, 5.095422573880500e-4, -1.426984671633621e-5, 1.645039373682922e-7)
B1 = (-2.233269627352527e-2, -3.436090079851880e-4, 3.726050720345733e-6)
B1_S = (-1.806789763745328e-4, 6.876837219536232e-7)
B2 = (-3.087032500374211e-7, -1.988366587925593e-8, -1.061519070296458e-11)
B2_S = 1.550932729220080e-10
A0 = (1.0, 2.775927747785646e-3, -2.349607444135925e-5, 1.119513357486743e-6, 6.743689325042773e-10)
A0_S = (-7.521448093615448e-3, -2.764306979894411e-5, 1.262937315098546e-7, 9.527875081696435e-10,
        -1.811147201949891e-11)
A0_ROOT = (-3.303308871386421e-5, 3.801564588876298e-7, -7.672876869259043e-9, -4.634182341116144e-11,
           2.681097235569143e-12)
A0_SS = 5.419326551148740e-6
A1 = (-2.742185394906099e-5, -3.212746477974189e-7, 3.191413910561627e-9, -1.931012931541776e-12)
A1_S = (-1.105097577149576e-7, 6.211426728363857e-10)
A2 = (-1.119011592875110e-10, -1.941660213148725e-11, -1.864826425365600e-14)
A2_S = 1.119522344879478e-14  # times T
A3 = (-1.200507748551599e-15, 6.057902487546866e-17)


def _horner(coefficients: tuple[float, ...], t: Any) -> Any:
    result = coefficients[-1]
    for coefficient in coefficients[-2::-1]:
        result = coefficient + t * result
    return result


def _slope(coefficients: tuple[float, ...], t: Any) -> Any:
    return _horner(tuple(power * value for power, value in enumerate(coefficients))[1:], t)


def _polynomials(xp: Any, s: Any, t: Any) -> tuple[Any, ...]:
    """a0 to a3 and b0 to b2."""
    root = xp.sqrt(s)
    return (_horner(A0, t) + s * (_horner(A0_S, t) + A0_SS * s + root * _horner(A0_ROOT, t)),
            _horner(A1, t) + s * _horner(A1_S, t),
            _horner(A2, t) + A2_S * s * t,
            _horner(A3, t),
            _horner(B0, t) + s * (_horner(B0_S, t) + root * _horner(B0_ROOT, t)),
            0.5 * (_horner(B1, t) + s * _horner(B1_S, t)),
            _horner(B2, t) + B2_S * s)


def _slopes(xp: Any, s: Any, t: Any) -> tuple[Any, ...]:
    """Derivatives of the same by T."""
    root = xp.sqrt(s)
    return (_slope(A0, t) + s * (_slope(A0_S, t) + root * _slope(A0_ROOT, t)),
            _slope(A1, t) + s * A1_S[1],
            _slope(A2, t) + A2_S * s,
            A3[1],
            _slope(B0, t) + s * (_slope(B0_S, t) + root * _slope(B0_ROOT, t)),
            0.5 * (_slope(B1, t) + s * B1_S[1]),
            _slope(B2, t))


def enthalpy(xp: Any, s: Any, t: Any, p: Any) -> Any:
    """Dynamic enthalpy (J/kg).

    Division gives v = q1 p + q0 + (r1 p + r0)/(b0 + 2 b1 p + b2 p^2); the last term integrates to two logarithms.
    """
    a0, a1, a2, a3, b0, b1, b2 = _polynomials(xp, s, t)
    q1 = a3 / b2
    q0 = (a2 - 2.0 * b1 * q1) / b2
    c1 = (a1 - 2.0 * b1 * q0 - b0 * q1) / (2.0 * b2)
    root = xp.sqrt(b1 * b1 - b0 * b2)
    c0 = (a0 - b0 * q0 - 2.0 * c1 * b1) / (2.0 * root)
    first = xp.log(1.0 + p * (2.0 * b1 + b2 * p) / b0)
    second = xp.log(1.0 + 2.0 * b2 * p * root / ((b1 - root) * (b1 + root + b2 * p)))
    return 1e4 * (p * (q0 + 0.5 * q1 * p) + c1 * first + c0 * second)


def enthalpy_slope(xp: Any, s: Any, t: Any, p: Any) -> Any:
    """Derivative of `enthalpy` by conservative temperature, every line of it differentiated by hand."""
    a0, a1, a2, a3, b0, b1, b2 = _polynomials(xp, s, t)
    da0, da1, da2, da3, db0, db1, db2 = _slopes(xp, s, t)
    q1 = a3 / b2
    dq1 = (da3 - q1 * db2) / b2
    q0 = (a2 - 2.0 * b1 * q1) / b2
    dq0 = (da2 - 2.0 * (db1 * q1 + b1 * dq1) - q0 * db2) / b2
    c1 = (a1 - 2.0 * b1 * q0 - b0 * q1) / (2.0 * b2)
    dc1 = (da1 - 2.0 * (db1 * q0 + b1 * dq0) - db0 * q1 - b0 * dq1 - 2.0 * c1 * db2) / (2.0 * b2)
    root = xp.sqrt(b1 * b1 - b0 * b2)
    droot = (b1 * db1 - 0.5 * (db0 * b2 + b0 * db2)) / root
    c0 = (a0 - b0 * q0 - 2.0 * c1 * b1) / (2.0 * root)
    dc0 = (da0 - db0 * q0 - b0 * dq0 - 2.0 * (dc1 * b1 + c1 * db1) - 2.0 * c0 * droot) / (2.0 * root)
    u = p * (2.0 * b1 + b2 * p) / b0
    du = (p * (2.0 * db1 + db2 * p) - u * db0) / b0
    low, high = b1 - root, b1 + root + b2 * p
    v = 2.0 * b2 * p * root / (low * high)
    dv = v * (db2 / b2 + droot / root - (db1 - droot) / low - (db1 + droot + db2 * p) / high)
    return 1e4 * (p * (dq0 + 0.5 * dq1 * p) + dc1 * xp.log(1.0 + u) + c1 * du / (1.0 + u)
                  + dc0 * xp.log(1.0 + v) + c0 * dv / (1.0 + v))


def inputs() -> Arrays:
    """65,536 points in the ranges that pyhpc-benchmarks draws from."""
    rng = np.random.default_rng(17)
    return {"s": rng.uniform(1e-2, 10.0, 65536), "t": rng.uniform(-12.0, 20.0, 65536),
            "p": rng.uniform(0.0, 1000.0, 65536)}


def _numpy(arrays: Arrays) -> Call:
    return Call(lambda s, t, p: enthalpy_slope(np, s, t, p), tuple(arrays.values()))


def _hand(hand: Any, arrays: Arrays) -> Call:
    return hand_call(hand.hand_seawater, tuple(arrays.values()), [((65536,), np.float64)], (65536,))


def _symbolic(lib: Any, arrays: Arrays) -> Call:
    s, t, p = lib.tensor.dvectors("s", "t", "p")
    return symbolic_call(lib, [s, t, p], enthalpy_slope(lib.tensor, s, t, p), arrays)


def _symbolic_grad(lib: Any, arrays: Arrays) -> Call:
    s, t, p = lib.tensor.dvectors("s", "t", "p")
    return symbolic_call(lib, [s, t, p], lib.grad(enthalpy(lib.tensor, s, t, p).sum(), t), arrays)


def _jax(jax: Any, arrays: Arrays) -> Call:
    return jax_call(jax, lambda s, t, p: enthalpy_slope(jax.numpy, s, t, p), arrays)


def _jax_grad(jax: Any, arrays: Arrays) -> Call:
    return jax_call(jax, jax.grad(lambda s, t, p: enthalpy(jax.numpy, s, t, p).sum(), argnums=1), arrays)


def _torch(torch: Any, arrays: Arrays) -> Call:
    return torch_call(torch, lambda s, t, p: enthalpy_slope(torch, s, t, p), arrays)


def _torch_grad(torch: Any, arrays: Arrays) -> Call:
    return torch_call(torch, torch.func.grad(lambda s, t, p: enthalpy(torch, s, t, p).sum(), argnums=1), arrays)


ROWS = [
    Row("seawater", "equation of state of seawater, derivative by temperature as a formula, 65,536 points",
        TimesHand(1.15), inputs, _numpy, _hand, _symbolic, jax=_jax, torch=_torch, tolerance=1e-8),
    Row("seawater-grad", "the same derivative by `grad` of the enthalpy",
        None, inputs, _numpy, _hand, _symbolic_grad, jax=_jax_grad, torch=_torch_grad, tolerance=1e-8),
]
