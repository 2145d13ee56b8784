"""Reductions and norms."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import scipy.special as sp

import gradc.tensor as at
from tests.cases_base import Arg, Case, M, bools, ints

_AXES: tuple[Any, ...] = (None, 0, -1, (0, 2))


def reduction(
    name: str,
    reference: Callable[..., Any],
    domain: str = "all",
    grad: str = "complex",
    axes: Sequence[Any] = _AXES,
    arg: Arg | None = None,
    **options: Any,
) -> list[Case]:
    one = arg or Arg((2, 3, 4), domain)
    made = []
    for axis in axes:
        for keepdims in (False, True):

            def build(x: Any, axis: Any = axis, keepdims: bool = keepdims) -> Any:
                return getattr(at, name)(x, axis=axis, keepdims=keepdims, **options)

            def ref(x: np.ndarray, axis: Any = axis, keepdims: bool = keepdims) -> Any:
                return reference(x, axis=axis, keepdims=keepdims, **options)

            made.append(
                Case(
                    name,
                    build,
                    ref,
                    (one,),
                    grad,
                    label=f"axis={axis}{', keepdims' if keepdims else ''}{arg.dtype if arg else ''}",
                )
            )
    return made


def _logsumexp(x: np.ndarray, axis: Any = None, keepdims: bool = False) -> np.ndarray:
    return sp.logsumexp(x, axis=axis, keepdims=keepdims)


def _norm1(x: np.ndarray, axis: Any = None, keepdims: bool = False) -> np.ndarray:
    return np.sqrt(np.sum(np.abs(x) ** 2, axis=axis, keepdims=keepdims))


def _quiet_var(x: np.ndarray, **options: Any) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.var(x, **options)


REDUCTIONS: list[Case] = [
    *reduction("sum", np.sum),
    *reduction("prod", np.prod),
    *reduction("mean", np.mean),
    *reduction("var", np.var),
    *reduction("std", np.std),
    *reduction("max", np.max, "distinct", "difference"),
    *reduction("min", np.min, "distinct", "difference"),
    *reduction("amax", np.max, "distinct", "difference"),
    *reduction("amin", np.min, "distinct", "difference"),
    *reduction("all", np.all, grad="none", arg=bools((2, 3, 4))),
    *reduction("any", np.any, grad="none", arg=bools((2, 3, 4))),
    *reduction("all", np.all, grad="none", arg=ints((2, 3, 4), "small")),
    *reduction("sum", np.sum, grad="none", arg=ints((2, 3, 4))),
    *reduction("mean", np.mean, grad="none", arg=ints((2, 3, 4))),
    *reduction("sum", np.sum, grad="none", arg=bools((2, 3, 4))),
    *reduction("prod", np.prod, grad="none", arg=ints((2, 3, 4), "small", "int8")),
    *reduction("logsumexp", _logsumexp, "distinct"),
    *reduction("norm", _norm1),
    *reduction("var", np.var, ddof=1, axes=(1,)),
    *reduction("var", _quiet_var, grad="none", ddof=5, axes=(1,)),     # more than there are: inf
    *[
        Case(name, partial(getattr(at, name), axis=axis), partial(getattr(np, name), axis=axis), label=f"axis={axis}")
        for name in ("cumsum", "cumprod")
        for axis in (None, 0, 1)
    ],
    *[
        Case(
            "norm",
            partial(at.norm, ord=p),
            partial(np.linalg.norm, ord=p),
            (Arg((4,), "distinct"),),
            "difference",
            label=f"vector {p}",
        )
        for p in (None, 1, 2, 3, np.inf, -np.inf)
    ],
    *[
        Case(
            "norm",
            partial(at.norm, ord=p),
            partial(np.linalg.norm, ord=p),
            (Arg((4, 3), "distinct"),),
            "difference",
            label=f"matrix {p}",
        )
        for p in ("fro", 1, -1, np.inf, -np.inf)
    ],
    Case("allclose", at.allclose, np.allclose, (M, M), "none"),
]
