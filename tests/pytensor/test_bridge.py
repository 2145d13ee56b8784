"""Graphs between PyTensor and gradc: `from_pytensor`, `as_pytensor_op`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytensor = pytest.importorskip("pytensor", reason="`make test-pytensor` has it")

import pytensor.tensor as pt  # noqa: E402

import gradc  # noqa: E402
from gradc import tensor as aet  # noqa: E402
from gradc.errors import BadArgumentError, GraphError  # noqa: E402
from gradc.interop.pytensor import as_pytensor_op, from_pytensor  # noqa: E402

V = np.array([0.3, -1.2, 2.0])


def squares() -> Any:
    x, k = aet.dvector("x"), aet.dscalar("k")
    return gradc.function([x, k], [aet.sin(x) * k, (x ** 2).sum() * k], name="squares")


def test_an_expression_and_its_input_come_over() -> None:
    x = pt.vector("x")
    weights = pytensor.shared(V, name="weights")
    cost = pt.log1p(pt.exp(x * weights)).sum()
    ours, value = from_pytensor([x, cost])
    assert (ours.name, ours.type.dtype, value.type.ndim) == ("x", "float64", 0)
    f = gradc.function([ours], [value, gradc.grad(value, ours)])
    got = f(800 * np.ones(3))
    assert np.allclose(got[0], np.logaddexp(0, 800 * V).sum(), rtol=1e-14)
    assert np.allclose(got[1], V / (1 + np.exp(-800 * V)), rtol=1e-14)


def test_inputs_may_be_replaced() -> None:
    x, n = pt.vector("x"), pt.iscalar("n")
    z = aet.dvector("z")
    made = from_pytensor((x[:n] ** 2).sum(), {x: aet.exp(z), n: 2})
    assert np.allclose(gradc.function([z], made)(V), np.exp(2 * V[:2]).sum())


def test_what_is_no_variable_of_pytensor_is_refused() -> None:
    with pytest.raises(BadArgumentError, match=r"expects PyTensor variables, got .*test_bridge.py"):
        from_pytensor([aet.dvector("x")])


@pytest.mark.parametrize("mode", ["FAST_COMPILE", "GRADC"])
@pytest.mark.filterwarnings("error::gradc.interop.pytensor.convert.UnknownOpWarning")
def test_an_op_has_value_gradient_second_derivative_and_rop(mode: str) -> None:
    op = as_pytensor_op(squares())
    x, v, k = pt.vector("x"), pt.vector("v"), 1.5
    sines, total = op(x, k)
    cost = (sines ** 2).sum() + total ** 2
    slope = pytensor.grad(cost, x)
    curve = pytensor.grad((slope * v).sum(), x)
    moved = pytensor.gradient.Rop(sines, x, v)
    got = pytensor.function([x, v], [sines, total, slope, curve, moved], mode=mode)(V, V[::-1].copy())
    w, s, c, n = V[::-1], np.sin(V), np.cos(V), (V ** 2).sum()
    assert np.allclose(got[0], 1.5 * s)
    assert np.allclose(got[1], 1.5 * n)
    assert np.allclose(got[2], 2 * 2.25 * s * c + 4 * 2.25 * n * V)
    assert np.allclose(got[3], 2 * 2.25 * (c ** 2 - s ** 2) * w + 4 * 2.25 * (2 * V * (V @ w) + n * w))
    assert np.allclose(got[4], 1.5 * c * w)


def test_arguments_are_cast_and_counted() -> None:
    op = as_pytensor_op(squares())
    x = pt.vector("x", dtype="float32")
    got = pytensor.function([x], pytensor.grad(op(x, 2)[1], x), mode="GRADC")(V.astype("float32"))
    assert np.allclose(got, 4 * V)
    with pytest.raises(TypeError, match="takes 2 arguments, got 1"):
        op(x)


def test_updates_and_other_things_are_refused() -> None:
    total = gradc.shared(0.0)
    with pytest.raises(GraphError, match="has updates"):
        as_pytensor_op(gradc.function([], total, updates=[(total, total + 1)]))
    with pytest.raises(BadArgumentError, match=r"made by gradc\.function"):
        as_pytensor_op(np.sin)  # type: ignore[arg-type]
