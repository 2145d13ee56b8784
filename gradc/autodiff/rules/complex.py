"""Derivatives by complex values.

The gradient of a real cost C by a complex z = x + iy is the pair of its real gradients: dC/dx + i dC/dy.  It points
where C grows fastest, so that z - rate * gradient descends; it is twice the derivative by conj(z), and the conjugate of
what JAX gives.  Source: aesara (`Mul.L_op` and others); PyTorch, Autograd mechanics, "Autograd for complex numbers".

A cotangent g of w = f(z) stands for the real-linear map dw -> Re(conj(g) dw).  Hence, for a holomorphic f, that of z is
conj(f'(z)) g: rows are written for f'(z) g, and get and give conjugates in reverse mode.  In forward mode a tangent t
becomes f'(z) t, which is the holomorphic derivative.  What is not holomorphic has both rules here.
"""

from __future__ import annotations

from typing import Any, TypeAlias

Value: TypeAlias = Any

# Rows that are linear with real coefficients: what a conjugate is of, and what is done to it, change places.
LINEAR = frozenset("add sub neg identity second switch maximum minimum clip".split())


def _beside_z(o: Value, g: Value, u: Value) -> Value:
    """Of g what is perpendicular to u, of size 1 or 0: i u Im(conj(u) g)."""
    return o.mul(u, o.complex(o.const(0, o.real(g)), o.imag(o.mul(o.conj(u), g))))


def _over_size(o: Value, u: Value, z: Value) -> Value:
    """u / |z|, and 0 for u = 0."""
    size = o.abs(z)
    zero = o.const(0, size)
    return o.switch(o.eq(size, zero), o.const(0, u), o.true_divide(u, size))


# row: (in reverse mode, in forward mode), each by argument, of (o, cotangent or tangent, result, arguments)
NOT_HOLOMORPHIC: dict[str, tuple[tuple[object, ...], tuple[object, ...]]] = {
    "complex": ((lambda o, g, w, x, y: o.real(g), lambda o, g, w, x, y: o.imag(g)),
                (lambda o, t, w, x, y: o.complex(t, o.const(0, t)), lambda o, t, w, x, y: o.complex(o.const(0, t), t))),
    "real": ((lambda o, g, w, z: g,), (lambda o, t, w, z: o.real(t),)),
    "imag": ((lambda o, g, w, z: o.complex(o.const(0, g), g),), (lambda o, t, w, z: o.imag(t),)),
    "conj": ((lambda o, g, w, z: o.conj(g),), (lambda o, t, w, z: o.conj(t),)),
    "abs": ((lambda o, g, w, z: o.mul(g, o.sgn(z)),), (lambda o, t, w, z: o.real(o.mul(o.conj(o.sgn(z)), t)),)),
    "angle": ((lambda o, g, w, z: o.true_divide(o.complex(o.const(0, g), g), o.conj(z)),),
              (lambda o, t, w, z: o.imag(o.true_divide(t, z)),)),
    "sgn": ((lambda o, g, w, z: _over_size(o, _beside_z(o, g, w), z),),) * 2,
    "round_half_to_even": ((None,), (None,)),
}
