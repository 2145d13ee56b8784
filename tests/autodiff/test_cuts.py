"""Warnings where integers cut a gradient by an integer; the values stay Aesara's."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.config import config
from gradc.errors import GradcWarning, GradientError

N, K, X = at.lscalar("i"), at.lvector("k"), at.dscalar("x")
ONE = np.float64(1)

CUT: dict[str, tuple[Callable[[], Any], Any, str]] = {      # cost, by what, the Op that rounds
    "pow": (lambda: N ** 2, N, "pow"),
    "first of a chain": (lambda: ((N + 1) * 3) * X, N, "add"),
    "reduction": (lambda: K.sum() * 2.0, K, "sum"),
    "under a float": (lambda: (K * K).mean(), K, "mul"),
    "product": (lambda: at.dot(K, K) * X, K, "dot"),
    "part": (lambda: K[0] ** 2.0 + (K ** 2.0).sum(), K, r"\[0\]"),
    "integer cast": (lambda: at.cast(N, "int32") ** 2.0, N, "cast to int32"),
    "branch": (lambda: gradc.ifelse(N > 2, N * 2, N) * X, N, "if"),
    "in a branch": (lambda: gradc.ifelse(N > 2, N * 2 * X, N * X), N, "mul"),
    "in a step": (lambda: gradc.scan(lambda h: h * (N * 2), outputs_info=at.constant(ONE), n_steps=3)[0][-1], N, "mul"),
}
CLEAR: dict[str, tuple[Callable[[], Any], Any]] = {
    "float result": (lambda: N ** 2.0, N),
    "float cast": (lambda: at.cast(N, "float64") ** 2, N),
    "comparison": (lambda: at.switch(at.eq(N * 2, 4), X, X * N), N),
    "floor": (lambda: (N // 2) * X + N * X, N),
    "size": (lambda: at.arange(N).sum() * X * N, N),
    "index": (lambda: at.dvector("v")[N * 2 - 1] * X * N, N),
    "argmax": (lambda: K.argmax() * X + (K * X).sum(), K),
    "number of steps": (lambda: gradc.scan(lambda h: h * X, outputs_info=at.constant(ONE), n_steps=N)[0][-1] * N, N),
    "constant": (lambda: gradc.gradient.disconnected_grad(N ** 2) * X * N, N),
    "by a float": (lambda: at.cast(at.floor(X * N), "int64") * X * (N ** 2), X),
    "integers of no part in it": (lambda: (K * 2).sum() * X, X),
}


@pytest.mark.parametrize("kind", CUT)
@pytest.mark.parametrize("way", ["grad", "Rop"])
def test_the_line_and_the_op_are_named(kind: str, way: str) -> None:
    cost, wrt, op = CUT[kind]
    y = cost()
    with pytest.warns(GradcWarning, match=rf"the gradient by {wrt.name} does not pass .*{op}.* \(.*test_cuts.py:\d+\)"):
        gradc.grad(y, wrt) if way == "grad" else gradc.Rop(y, wrt, at.ones_like(wrt), disconnected_outputs="ignore")


@pytest.mark.parametrize("kind", CLEAR)
def test_what_has_no_slope_is_not_warned_of(kind: str) -> None:
    cost, wrt = CLEAR[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gradc.grad(cost(), wrt)


def test_once_a_place_and_the_flag() -> None:
    def both() -> Any:
        return gradc.grad(N ** 2, N), gradc.grad(N ** 2 * X, N)

    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("default")
        for _ in range(3):
            g, _ = both()
    assert len(seen) == 1 and seen[0].filename == __file__
    assert gradc.function([N], g, on_unused_input="ignore")(3) == 0
    with config.change_flags(warn_int_gradient="raise"), pytest.raises(GradientError, match="integers carry no"):
        both()
    with config.change_flags(warn_int_gradient="ignore"), warnings.catch_warnings():
        warnings.simplefilter("error")
        both()
