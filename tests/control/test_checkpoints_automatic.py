"""Loops that only their gradient reads, in blocks: values against the complex step, in C and in the interpreter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.config import config
from gradc.errors import ShapeError
from gradc.ir import ops
from gradc.ir.convert import to_program
from gradc.ir.program import equations
from gradc.passes.phases import optimize
from gradc.scan.utils import until
from gradc.tensor.random import normal

RNG = np.random.default_rng(11)
XS, P, H = at.dvector("xs"), at.dvector("p"), at.dvector("h")
M, W, U, V = at.dmatrix("m"), at.dmatrix("w"), at.dmatrix("u"), at.dmatrix("v")
PS, WS, US, HS = np.array([0.4, 0.3, 0.7]), RNG.normal(size=(2, 3)), RNG.normal(size=(3, 3)) / 2, RNG.normal(size=3)


def complex_step(cost: Callable[..., Any], values: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Gradient of cost(*values), to the bit nearly."""
    found = []
    for k, v in enumerate(values):
        g = np.empty(v.shape)
        for index in np.ndindex(v.shape):
            moved = [x.astype(complex) for x in values]
            moved[k][index] += 1e-30j
            g[index] = cost(*moved).imag / 1e-30
        found.append(g)
    return found


def run(xs: Any, h: Any, step: Callable[..., Any]) -> np.ndarray:
    """The states of a loop, in NumPy."""
    states = []
    for x in xs:
        h = step(x, h)
        states.append(h)
    return np.array(states)


def looped(step: Callable[..., Any], *args: Any, **options: Any) -> Any:
    return gradc.scan(step, *args, **options)[0]


def network(x: Any, h: Any, w: Any, u: Any) -> Any:
    return at.tanh(at.dot(x, w) + at.dot(h, u))


NET, GARCH = looped(network, M, H, [W, U]), looped(lambda r, h, p: p[0] + p[1] * r**2 + p[2] * h, XS, P[0], P)
BACK = looped(network, M, H, [W, U], go_backwards=True)
UPPER = looped(network, at.exp(0.3 * NET) - 1, H, [U.T, U])
TWO = looped(lambda k, x, h, v, p: (at.tanh(p[0] * h + 0.1 * k * v), v * p[1] + x), [at.arange(XS.shape[0]), XS],
             [P[2], P[0]], P)
FURTHER = looped(lambda x0, x1, b, a, p: at.sin(p[0] * a + p[1] * b + x0 * x1), dict(input=XS, taps=[-1, 0]),
                 dict(initial=P[1:], taps=[-2, -1]), P)
SHORT = looped(lambda x, h, p: at.tanh(p[0] * h + x), XS, P[1], P, n_steps=at.minimum(XS.shape[0], 8))


def np_net(m: Any, w: Any, u: Any, h: Any) -> np.ndarray:
    return run(m, h, lambda x, h: np.tanh(x @ w + h @ u))


def np_garch(xs: Any, p: Any) -> np.ndarray:
    return run(xs, p[0], lambda r, h: p[0] + p[1] * r**2 + p[2] * h)


def np_two(xs: Any, p: Any) -> np.ndarray:
    return run(enumerate(xs), (p[2], p[0]),
               lambda kx, s: (np.tanh(p[0] * s[0] + 0.1 * kx[0] * s[1]), s[1] * p[1] + kx[1]))


def np_further(xs: Any, p: Any) -> np.ndarray:
    return run(pairwise(xs), (p[1], p[2]), lambda x, s: (s[1], np.sin(p[0] * s[1] + p[1] * s[0] + x[0] * x[1])))[:, 1]


def np_short(xs: Any, p: Any) -> np.ndarray:
    return run(xs[:8], p[1], lambda x, h: np.tanh(p[0] * h + x))


def np_softmax(m: Any, w: Any, u: Any, h: Any, v: Any) -> Any:
    e = np.exp(np_net(m, w, u, h) @ v[1:] + v[0])
    return -np.log(e[:, 0] / e.sum(axis=1)).mean()


def np_upper(m: Any, w: Any, u: Any, h: Any) -> Any:
    lower = np_net(m, w, u, h)
    return (lower * np_net(np.exp(0.3 * lower) - 1, u.T, u, h)).sum()


def rows(n: int) -> list[np.ndarray]:
    return [RNG.normal(size=(n, 2)), WS, US, HS]


def vector(n: int) -> list[np.ndarray]:
    return [RNG.normal(size=n), PS]


CASES: dict[str, tuple[list[Any], Any, Callable[..., Any], Callable[[int], list[np.ndarray]]]] = {
    "the last state": ([M, W, U, H], NET[-1].sum(), lambda *v: np_net(*v)[-1].sum(), rows),
    "all states": ([M, W, U, H], (NET**2).sum(), lambda *v: (np_net(*v)**2).sum(), rows),
    "a product with each state": ([M, W, U, H], at.exp(-at.dot(NET, WS.T)).mean(axis=1).sum(),
                                  lambda *v: np.exp(-(np_net(*v) @ WS.T)).mean(axis=1).sum(), rows),
    "products with the states summed up": (
        [M, W, U, H, V], -at.log(at.nnet.softmax(at.dot(NET, V[1:]) + V[0]))[:, 0].mean(), np_softmax,
        lambda n: [*rows(n), RNG.normal(size=(4, 2))]),
    "loops on top of each other": ([M, W, U, H], (NET * UPPER).sum(), np_upper, rows),
    "parts of the states": ([M, W, U, H], (NET[:, 1:].T * at.constant(HS[:2])[:, None]).sum(),
                            lambda *v: (np_net(*v)[:, 1:] * HS[:2]).sum(), rows),
    "in reverse": ([M, W, U, H], (BACK**2).sum(), lambda m, *v: (np_net(m[::-1], *v)**2).sum(), rows),
    "scalars": ([XS, P], (GARCH * at.exp(GARCH)).sum(), lambda *v: (np_garch(*v) * np.exp(np_garch(*v))).sum(), vector),
    "two states, positions": ([XS, P], TWO[0][-1] * TWO[1][-1], lambda *v: np_two(*v)[-1].prod(), vector),
    "further taps": ([XS, P], (FURTHER**3).sum(), lambda *v: (np_further(*v)**3).sum(), lambda n: vector(n + 1)),
    "a longer sequence": ([XS, P], (SHORT**2).sum(), lambda *v: (np_short(*v)**2).sum(), vector),
}


@pytest.mark.parametrize("name", CASES)
def test_a_gradient_in_blocks(name: str) -> None:
    inputs, cost, want, values = CASES[name]
    grads = gradc.grad(cost, inputs)
    with config.change_flags(checkpoint_bytes=1):
        assert len(loops(inputs, grads)) == (6 if "loops" in name else 4)
        made = [gradc.function(inputs, grads, mode=mode) for mode in ("c", "interpret")]
    for n in (1, 2, 7, 25, 26):
        given = values(n)
        expected = complex_step(want, given)
        for f in made:
            for g, e in zip(f(*given), expected):
                np.testing.assert_allclose(g, e, rtol=1e-9, atol=1e-12, err_msg=f"{n} steps")


def loops(inputs: Sequence[Any], outputs: Sequence[Any]) -> list[Any]:
    """The loops of the optimised Program, those within others left out."""
    return [eqn for eqn in optimize(to_program(inputs, outputs), checked=True).eqns if type(eqn.op) is ops.Scan]


def unchanged(inputs: Sequence[Any], outputs: Sequence[Any]) -> bool:
    """Is the Program what it is without checkpoints?"""
    program = to_program(inputs, outputs)
    with config.change_flags(checkpoint_bytes=0):
        plain = optimize(program)
    return optimize(program) == plain


def test_loops_that_are_not_cut() -> None:
    last = gradc.grad(NET[-1].sum(), W)
    with config.change_flags(checkpoint_bytes=1):
        assert not unchanged([M, W, U, H], [last])
        assert unchanged([M, W, U, H], [last, NET])                     # the states are asked for
        assert unchanged([M, W, U, H], [last, NET.sum()])
        centred = NET - NET.mean(axis=0)                                # a sum that the loop backward waits for
        assert unchanged([M, W, U, H], [gradc.grad((centred**2).sum(), W)])
        twice = looped(network, NET, NET[-1], [U.T, U])                 # begins where the other ends
        assert unchanged([M, W, U, H], [gradc.grad((twice * NET).sum(), W)])
        assert unchanged([M, W, U, H], [NET[-1]])                       # nothing is kept
        ended = looped(lambda x, h, p: (p[0] * h + x, until(h > 1)), XS, P[1], P)
        assert unchanged([XS, P], [gradc.grad(ended[-1], P)])
        some = looped(lambda x, h, p: p[0] * h + x**2, XS, P[1], P, truncate_gradient=3)
        assert unchanged([XS, P], [gradc.grad(some[-1], P)])
    fixed = looped(lambda h, p: at.tanh(p[0] * h), None, P[1], P, n_steps=10_000)
    assert unchanged([P], [gradc.grad(fixed[-1], P)])                   # 80 kB, known when compiled
    assert config.checkpoint_bytes == 64 * 2**20


def test_rows_that_are_parameters_of_draws() -> None:
    """Who draws asks for them: these loops are not cut, and the gradient by what is not drawn is there."""
    hs, _ = gradc.scan(lambda x, h, p: at.tanh(p[0] * h + x), XS, at.zeros(()), non_sequences=P)
    draws = normal(hs, 1.0, rng=gradc.shared(np.random.default_rng(3)))
    grads = gradc.grad((hs**2).sum(), P)
    with config.change_flags(checkpoint_bytes=1):
        f, plain = [gradc.function([XS, P], [draws, grads], mode=mode) for mode in ("c", "interpret")]
    values = np.linspace(-1, 1, 7), PS
    for got, want in zip(f(*values), plain(*values)):
        np.testing.assert_allclose(got, want, rtol=1e-12)
    rows = gradc.function([XS, P], hs)(*values)
    np.testing.assert_allclose(f(*values)[0], np.random.default_rng(3).normal(rows, 1.0))


def test_a_number_of_steps_that_is_known_when_compiled() -> None:
    fixed = looped(lambda h, p: at.tanh(p[0] * h + p[1]), None, P[2], P, n_steps=50)
    with config.change_flags(checkpoint_bytes=100):
        program = optimize(to_program([P], [gradc.grad(fixed[-1], P)]), checked=True)
        f = gradc.function([P], gradc.grad(fixed[-1], P), mode="c")
    steps = sorted(int(eqn.args[0].data) for eqn in program.eqns if type(eqn.op) is ops.Scan)     # type: ignore
    assert steps == [2, 2, 6, 6]            # 6 blocks of 8, and 2 more
    assert not any(eqn.op == ops.Map("sqrt") for eqn in program.eqns)
    want = complex_step(lambda p: run(range(50), p[2], lambda _, h: np.tanh(p[0] * h + p[1]))[-1], [PS])
    np.testing.assert_allclose(f(PS), want[0], rtol=1e-12)


def test_sums_over_all_states_are_results() -> None:
    """The states times themselves, and their mean, in blocks beside a gradient; asked for in any order."""
    square, mean, slope = at.dot(NET.T, M), NET.mean(axis=0), gradc.grad(NET[-1].sum(), U)
    given = rows(23)
    states = np_net(*given)
    want = [states.T @ given[0], states.mean(axis=0), complex_step(lambda *v: np_net(*v)[-1].sum(), given)[2]]
    with config.change_flags(checkpoint_bytes=1):
        for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
            outputs = [[square, mean, slope][k] for k in order]
            assert len(loops([M, W, U, H], outputs)) == 4
            for k, got in zip(order, gradc.function([M, W, U, H], outputs, mode="interpret")(*given)):
                np.testing.assert_allclose(got, want[k], rtol=1e-10, atol=1e-13)
        for got, expected in zip(gradc.function([M, W, U, H], [square, mean, slope], mode="c")(*given), want):
            np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-13)


def test_dtypes_are_kept() -> None:
    xs, a = at.fvector("xs"), at.fscalar("a")
    hs = looped(lambda x, h, k, a: (at.tanh(a * h + x), k + 1), xs, [a, at.constant(0, dtype="int32")], a)
    with config.change_flags(checkpoint_bytes=1):
        made = [gradc.function([xs, a], gradc.grad((hs[0] * hs[1])[-1].astype("float32"), [xs, a]), mode=mode)
                for mode in ("c", "interpret")]
    given = RNG.normal(size=30).astype("float32")
    want = complex_step(lambda xs, a: 30 * run(xs, a, lambda x, h: np.tanh(a * h + x))[-1],
                        [given.astype(float), np.array(0.5)])
    for f in made:
        for g, e in zip(f(given, np.float32(0.5)), want):
            assert g.dtype == np.float32
            np.testing.assert_allclose(g, e, rtol=1e-4, atol=1e-6)


def test_second_derivatives() -> None:
    """H v by a gradient of a gradient; the loops between have no blocks of their own, the last ones do."""
    v = at.dvector("v")
    g = gradc.grad(GARCH[-1] ** 2, P)
    product = gradc.grad((g * v).sum(), P)
    with config.change_flags(checkpoint_bytes=1):
        made = [gradc.function([XS, P, v], product, mode=mode) for mode in ("c", "interpret")]
    xs, direction = RNG.normal(size=13), np.array([0.3, -0.2, 0.5])

    def slope(p: np.ndarray) -> np.ndarray:     # along the direction, by a complex step
        return (np_garch(xs, p + 1e-30j * direction)[-1] ** 2).imag / 1e-30

    step = 1e-6
    want = [(slope(PS + step * e) - slope(PS - step * e)) / (2 * step) for e in np.eye(3)]
    for f in made:
        np.testing.assert_allclose(f(xs, PS, direction), want, rtol=1e-7)


def test_loops_in_a_loop() -> None:
    """Only the outer loop is cut."""
    def row(r: Any, h: Any, p: Any) -> Any:
        return looped(lambda x, k, p: at.tanh(p[0] * k + x * p[1]), r, h, p)[-1]

    out = looped(row, M, P[2], P)
    grads = gradc.grad(out[-1], [M, P])
    with config.change_flags(checkpoint_bytes=1):
        found = loops([M, P], grads)
        assert len(found) == 4
        assert [sum(type(e.op) is ops.Scan for e in equations(eqn.op.body)) for eqn in found[:2]] == [2, 1]
        f = gradc.function([M, P], grads, mode="c")
    m = RNG.normal(size=(11, 2))

    def inner(r: Any, h: Any, p: Any) -> Any:
        return run(r, h, lambda x, k: np.tanh(p[0] * k + x * p[1]))[-1]

    want = complex_step(lambda m, p: run(m, p[2], lambda r, h: inner(r, h, p))[-1], [m, PS])
    for g, e in zip(f(m, PS), want):
        np.testing.assert_allclose(g, e, rtol=1e-10)


def test_a_sequence_that_is_too_short() -> None:
    n = at.lscalar("n")
    hs = looped(lambda x, h, p: at.tanh(p[0] * h + x), XS, P[1], P, n_steps=n)
    with config.change_flags(checkpoint_bytes=1):
        made = [gradc.function([XS, P, n], gradc.grad(hs[-1], P), mode=mode) for mode in ("c", "interpret")]
    for f in made:
        with pytest.raises(ShapeError, match="fewer"):
            f(np.ones(5), PS, 6)
        assert f(np.ones(5), PS, 3).shape == (3,)


def test_what_is_computed_of_arrays_of_different_lengths_is_an_error() -> None:
    """Also where that has become part of the step."""
    ys = at.dvector("ys")
    hs = looped(lambda x, h, p: at.tanh(p[0] * h + x), XS * ys, P[1], P, n_steps=3)
    states = looped(lambda x, h, p: at.tanh(p[0] * h + x), XS, P[1], P)
    with config.change_flags(checkpoint_bytes=1):
        for cost in (hs[-1], ((states - ys) ** 2).sum()):
            f = gradc.function([XS, ys, P], gradc.grad(cost, P), mode="c")
            assert f(np.ones(5), np.ones(5), PS).shape == (3,)
            with pytest.raises(ShapeError, match="differ"):
                f(np.ones(5), np.ones(6), PS)
