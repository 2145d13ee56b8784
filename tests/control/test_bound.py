"""Loops on fixed memory: `f.bind(...)` of functions with a scan, and what can't be bound."""

from __future__ import annotations

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.errors import BadArgumentError
from gradc.scan.utils import until


def test_a_loop_and_its_gradient_run_again_on_the_same_memory() -> None:
    a, xs = at.dscalar("a"), at.dvector("xs")
    hs, _ = gradc.scan(lambda x, h: a * h + x, sequences=xs, outputs_info=at.zeros(()))
    f = gradc.function([xs, a], [hs, gradc.grad(hs[-1], a)], mode="c")
    data, factor, out = np.ones(5), np.array(0.5), [np.empty(5), np.empty(())]
    call = f.bind(data, factor, out=out)
    for data[:], factor[...] in ((1.0, 0.5), (2.0, -0.7), (np.arange(5.0), 1.1)):
        call()
        h = slope = 0.0
        for k, x in enumerate(data):
            slope = h + factor * slope
            h = factor * h + x
            assert abs(out[0][k] - h) <= 1e-14 * abs(h)
        np.testing.assert_allclose(out[1], slope, rtol=1e-13)


def test_the_number_of_steps_is_fixed_when_it_is_bound() -> None:
    n, x = at.lscalar("n"), at.dscalar("x")
    rows, _ = gradc.scan(lambda h: 2 * h, outputs_info=x, n_steps=n)
    f = gradc.function([x, n], rows, mode="c")
    call = f.bind(1.5, 4)
    call()
    assert call.out.tolist() == [3, 6, 12, 24]
    with pytest.raises(BadArgumentError):
        f.bind(1.5, 4, out=np.empty(3))


def test_a_loop_that_ends_by_itself_is_not_bound() -> None:
    x = at.dscalar("x")
    rows, _ = gradc.scan(lambda h: (2 * h, until(2 * h > 40)), outputs_info=x, n_steps=100)
    with pytest.raises(BadArgumentError, match="depend on computed data"):
        gradc.function([x], rows, mode="c").bind(1.5)
    last = gradc.function([x], rows[-1], mode="c").bind(1.5)        # one value, whatever the number of steps
    last()
    assert last.out == 48
