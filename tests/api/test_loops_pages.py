"""The behaviours and values of Aesara's pages on scan, ifelse and manual Jacobians, in code of our own."""

from __future__ import annotations

import numpy as np
import pytest

import gradc
import gradc.tensor as at


@pytest.fixture(params=["interpret", "c"])
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


def test_a_jacobian_row_by_row(mode: str) -> None:
    x = at.dvector("x")
    y = x ** 2
    rows, updates = gradc.scan(lambda i, y, x: gradc.grad(y[i], x), sequences=at.arange(y.shape[0]),
                               non_sequences=[y, x])
    assert gradc.function([x], rows, updates=updates, mode=mode)([4, 4]).tolist() == [[8, 0], [0, 8]]


def test_a_hessian_row_by_row(mode: str) -> None:
    x = at.dvector("x")
    slope = gradc.grad((x ** 2).sum(), x)
    rows, updates = gradc.scan(lambda i, g, x: gradc.grad(g[i], x), sequences=at.arange(slope.shape[0]),
                               non_sequences=[slope, x])
    assert gradc.function([x], rows, updates=updates, mode=mode)([4, 4]).tolist() == [[2, 0], [0, 2]]


def test_a_polynomial_by_its_coefficients(mode: str) -> None:
    coefficients, x = at.dvector("coefficients"), at.dscalar("x")
    terms, _ = gradc.scan(lambda c, power, x: c * x ** power, sequences=[coefficients, at.arange(10000)],
                          non_sequences=x)
    assert gradc.function([coefficients, x], terms.sum(), mode=mode)([1, 0, 2], 3) == 19


def test_sums_of_a_range_start_from_a_zero_of_its_dtype(mode: str) -> None:
    up_to = at.iscalar("up_to")
    sequence = at.arange(up_to)
    sums, updates = gradc.scan(lambda value, sum_to_date: sum_to_date + value, sequences=sequence,
                               outputs_info=at.as_tensor_variable(np.asarray(0, sequence.dtype)))
    f = gradc.function([up_to], sums, updates=updates, mode=mode)
    assert f(15).tolist() == np.cumsum(np.arange(15)).tolist()


def test_matrices_with_one_element_set(mode: str) -> None:
    places, values, shape_of = at.imatrix("places"), at.dvector("values"), at.dmatrix("shape_of")
    out, _ = gradc.scan(lambda place, value, like: at.set_subtensor(at.zeros_like(like)[place[0], place[1]], value),
                        sequences=[places, values], non_sequences=shape_of)
    f = gradc.function([places, values, shape_of], out, mode=mode)
    made = f([[1, 1], [0, 2]], [42, 50], np.ones((2, 3)))
    assert made.shape == (2, 2, 3) and made[0, 1, 1] == 42 and made[1, 0, 2] == 50 and made.sum() == 92


def test_a_recurrence_with_taps_and_an_output_of_its_own(mode: str) -> None:
    u, xs = at.dmatrix("u"), at.dmatrix("xs")
    w, v = at.dmatrix("w"), at.dmatrix("v")

    def step(u_before: object, u_now: object, x3: object, x1: object, w: object, v: object) -> list[object]:
        x = at.tanh(at.dot(x1, w) + at.dot(u_now, v) + 0.5 * at.dot(u_before, v) + 0.1 * x3)
        return [x, x.sum()]

    (x_rows, sums), _ = gradc.scan(step, sequences=dict(input=u, taps=[-1, 0]), non_sequences=[w, v],
                                   outputs_info=[dict(initial=xs, taps=[-3, -1]), None])
    rng = np.random.default_rng(0)
    data = [rng.normal(size=s) for s in ((6, 2), (3, 4), (4, 4), (2, 4))]
    got = gradc.function([u, xs, w, v], [x_rows, sums], mode=mode)(*data)
    us, state, wd, vd = data
    want = list(state)
    for t in range(1, 6):
        want.append(np.tanh(want[-1] @ wd + us[t] @ vd + 0.5 * us[t - 1] @ vd + 0.1 * want[-3]))
    np.testing.assert_allclose(got[0], want[3:], rtol=1e-12)
    np.testing.assert_allclose(got[1], np.sum(want[3:], axis=1), rtol=1e-12)


def test_ifelse_and_switch_agree(mode: str) -> None:
    a, b = at.dscalars("a", "b")
    x, y = at.dmatrices("x", "y")
    both = [at.switch(at.lt(a, b), x.mean(), y.mean()), gradc.ifelse(at.lt(a, b), x.mean(), y.mean())]
    f = gradc.function([a, b, x, y], both, mode=mode)
    ones = np.ones((3, 2))
    assert f(0, 1, ones, 2 * ones) == [1, 1] and f(1, 0, ones, 2 * ones) == [2, 2]
