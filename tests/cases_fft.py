"""Fourier transforms, transforms by cosines and sines, windows, and functions of signals."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import scipy.fft
import scipy.signal

import gradc.tensor as at
from tests.cases_base import T3, Arg, Case, M, V


def _by_parts(f: Any, x: Any) -> Any:
    """f of complex numbers that have real and imaginary parts x[0] and x[1], as real and imaginary part."""
    made = f(x[0] + 1j * x[1])
    return [made.real, made.imag]


def _parts(x: np.ndarray) -> np.ndarray:
    made = np.fft.rfftn(x, axes=range(1, x.ndim))
    return np.stack([made.real, made.imag], -1)


ONE: tuple[tuple[str, dict[str, Any]], ...] = (
    ("fft", {}), ("fft", {"n": 6, "axis": 0}), ("ifft", {"norm": "ortho"}), ("ifft", {"n": 2}), ("rfft", {"axis": 0}),
    ("rfft", {"n": 7, "norm": "forward"}), ("irfft", {}), ("irfft", {"n": 5, "axis": 0, "norm": "ortho"}),
    ("hfft", {"n": 5}), ("ihfft", {"norm": "ortho"}))
MORE: tuple[tuple[str, dict[str, Any]], ...] = (
    ("fft2", {}), ("ifft2", {"s": (2, 5), "norm": "forward"}), ("rfft2", {}), ("irfft2", {"axes": (0, 1)}),
    ("fftn", {}), ("ifftn", {"axes": (0, 2)}), ("rfftn", {"s": (2, 3), "axes": (1, 0)}), ("irfftn", {"norm": "ortho"}))

TRANSFORMS: list[Case] = [
    *[Case(f"fft.{name}", partial(getattr(at.fft, name), **how), partial(getattr(np.fft, name), **how), (arg,),
           "difference", label=f"{how}") for arg, rows in ((M, ONE), (T3, MORE)) for name, how in rows],
    *[Case(f"fft.{name}", partial(_by_parts, partial(getattr(at.fft, name), **how)),
           partial(_by_parts, partial(getattr(np.fft, name), **how)), (T3,), "difference", label=f"parts {how}")
      for name, how in (("fft", {}), ("ifft", {"n": 7, "axis": 0}), ("irfft", {}), ("irfft", {"n": 5}))],
    *[Case(f"fft.{kind}", partial(getattr(at.fft, kind), type=number, axis=axis, norm=norm),
           partial(getattr(scipy.fft, kind), type=number, axis=axis, norm=norm), (Arg((4, 5)),),
           label=f"{number} {axis} {norm}")
      for kind in ("dct", "dst", "idct", "idst") for number, axis, norm in (
          (1, -1, None), (2, 0, "ortho"), (3, -1, "ortho"), (4, 0, None), (1, 0, "ortho"), (2, -1, "forward"))],
    Case("fft.dct", partial(at.fft.dct, n=3, orthogonalize=True), partial(scipy.fft.dct, n=3, orthogonalize=True),
         (M,)),
    *[Case(f"fft.{name}", partial(getattr(at.fft, name), n, d), partial(getattr(np.fft, name), n, d), (), "none",
           label=f"{n}") for name in ("fftfreq", "rfftfreq") for n, d in ((7, 1.0), (4, 0.3), (1, 2.0))],
    *[Case(f"fft.{name}", partial(getattr(at.fft, name), axes=axes), partial(getattr(np.fft, name), axes=axes), (T3,),
           label=f"{axes}") for name in ("fftshift", "ifftshift") for axes in (None, 1, (0, -1))],
    *[Case("fft.rfft_parts", at.fft.rfft_parts, _parts, (Arg(shape),), "difference", label=f"{shape}")
      for shape in ((2, 5), (2, 3, 4))],
    *[Case("fft.irfft_parts", partial(at.fft.irfft_parts, is_odd=odd),
           lambda x, n=4 + odd: np.fft.irfft(x[..., 0] + 1j * x[..., 1], n), (Arg((2, 3, 2)),), "difference",
           label=f"{odd}") for odd in (False, True)],
]

SIGNALS: list[Case] = [
    *[Case(name, partial(getattr(at, name), count), partial(getattr(np, name), count), (), "none", label=f"{count}")
      for name in ("bartlett", "blackman", "hamming", "hanning") for count in (0, 1, 2, 7)],
    *[Case("kaiser", partial(at.kaiser, count), partial(np.kaiser, count), (Arg((), "positive"),), "difference",
           label=f"{count}") for count in (1, 8)],
    Case("hann", partial(at.hann, 6, sym=False), partial(scipy.signal.windows.hann, 6, sym=False), (), "none"),
    *[Case("signal.fftconvolve", partial(at.signal.fftconvolve, mode=mode, axes=axes),
           partial(scipy.signal.fftconvolve, mode=mode, axes=axes), args, "complex" if len(args[0].shape) == 1 or
           axes == 1 else "difference", label=f"{mode} {axes} {len(args[0].shape)}")
      for mode in ("full", "same", "valid") for axes, args in (
          (None, (V, Arg((3,)))), (None, (Arg((5, 6)), Arg((2, 3)))), (1, (M, Arg((3, 2)))))],
    *[Case("signal.hilbert", partial(at.signal.hilbert, **how), partial(scipy.signal.hilbert, **how), (M,),
           "difference", label=f"{how}") for how in ({}, {"axis": 0}, {"N": 7})],
    *[Case("signal.periodogram", partial(at.signal.periodogram, **how), partial(scipy.signal.periodogram, **how), (M,),
           "difference", label=f"{how}")
      for how in ({}, {"fs": 4.0, "axis": 0}, {"nfft": 7, "scaling": "spectrum"}, {"nfft": 3, "detrend": False},
                  {"return_onesided": False})],
    Case("signal.periodogram", lambda x, w: at.signal.periodogram(x, window=w),
         lambda x, w: scipy.signal.periodogram(x, window=w), (M, V), "difference", label="window"),
]
