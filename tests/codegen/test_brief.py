"""Which units are brief: so short, whatever the arguments, that their calls keep the GIL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc import CFunction
from gradc.codegen import unit
from gradc.ir.convert import to_program
from gradc.loops.lower import lower
from gradc.passes.phases import optimize

SQUARE = CFunction("square", {"x": "float64"}, "float64", "x * x")


def _is_brief(outputs: Callable[..., list[Any]]) -> bool:
    inputs = [at.dscalar("x"), at.dvector("v"), at.dmatrix("m"), at.lscalar("n"), at.TensorType("float64", (3,))("w")]
    return unit.generate(lower(optimize(to_program(inputs, outputs(*inputs))), "f")).brief


@pytest.mark.parametrize("outputs", [
    lambda x, v, m, n, w: [x**2, at.exp(x), v[0] * x],
    lambda x, v, m, n, w: [at.stack([x, x + 1, 2 * x])[n]],
])
def test_scalars_are_brief(outputs: Callable[..., list[Any]]) -> None:
    assert _is_brief(outputs)


@pytest.mark.parametrize("outputs", [
    lambda x, v, m, n, w: [2 * v],
    lambda x, v, m, n, w: [v.sum()],
    lambda x, v, m, n, w: [at.dot(m, v)],
    lambda x, v, m, n, w: [at.slinalg.cholesky(m)],
    lambda x, v, m, n, w: [at.zeros((n,))],
    lambda x, v, m, n, w: [v[:at.argmax(v)]],
    lambda x, v, m, n, w: [SQUARE(x)],
    lambda x, v, m, n, w: [gradc.scan(lambda s: s * x, outputs_info=[x], n_steps=n)[0][-1]],
    lambda x, v, m, n, w: [at.exp(x + k) for k in range(unit.BRIEF)],
], ids=["map", "sum", "dot", "routine", "alloc", "late", "users", "loop", "many"])
def test_what_takes_longer_is_not_brief(outputs: Callable[..., list[Any]]) -> None:
    assert not _is_brief(outputs)


def test_a_brief_function_from_the_cache() -> None:
    x = at.dscalar("x")
    for _ in range(2):
        f = gradc.function([x], gradc.grad(at.sin(x) * 5.25, x), mode="c", profile=True)
        np.testing.assert_allclose(f(0.5), 5.25 * np.cos(0.5), rtol=1e-15)
        assert f.profile.calls == 1
