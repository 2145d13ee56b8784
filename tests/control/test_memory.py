"""Memory of loops: what grows with the number of steps, and what does not.  `f.info["scratch"]` tells it."""

from __future__ import annotations

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.config import config
from gradc.control.checkpoints import scan_checkpoints
from gradc.errors import IndexOutOfBoundsError, ShapeError


def scratch(f: object, *values: object) -> int:
    f(*values)      # type: ignore[operator]
    return int(f.info["scratch"])       # type: ignore[attr-defined]


def logistic_map(steps: int, every: int | None = None) -> tuple[object, object]:
    """(function of the last value, function of its gradient) of x' = a x (1 - x)."""
    a, x0 = at.dscalar("a"), at.dscalar("x0")
    if every is None:
        xs, _ = gradc.scan(lambda x, a: a * x * (1 - x), outputs_info=x0, non_sequences=a, n_steps=steps)
    else:
        xs, _ = scan_checkpoints(lambda x, a: a * x * (1 - x), outputs_info=x0, non_sequences=a, n_steps=steps,
                                 save_every_N=every)
    return (gradc.function([a, x0], xs[-1], mode="c"), gradc.function([a, x0], gradc.grad(xs[-1], [a, x0]), mode="c"))


def test_the_last_value_alone_needs_no_memory_for_the_others() -> None:
    assert scratch(logistic_map(100)[0], 2.5, 0.3) == scratch(logistic_map(10_000)[0], 2.5, 0.3)


def test_a_gradient_with_checkpoints_keeps_about_the_square_root() -> None:
    value, slope = logistic_map(10_000, every=100)
    with config.change_flags(checkpoint_bytes=0):
        plain = logistic_map(10_000)[1]
    assert scratch(plain, 2.5, 0.3) >= 8 * 10_000
    assert scratch(slope, 2.5, 0.3) <= 8 * 100 * 8
    assert scratch(value, 2.5, 0.3) <= 8 * 100 * 4
    np.testing.assert_allclose(slope(3.7, 0.3), plain(3.7, 0.3), rtol=1e-12)      # type: ignore[operator]
    assert "bytes in the last call" in repr(slope.info)                           # type: ignore[attr-defined]


def slope_by_steps(limit: int) -> object:
    """Gradient of the last of n values of the logistic map; n is given at the call."""
    a, x0, n = at.dscalar("a"), at.dscalar("x0"), at.lscalar("n")
    xs, _ = gradc.scan(lambda x, a: a * x * (1 - x), outputs_info=x0, non_sequences=a, n_steps=n)
    with config.change_flags(checkpoint_bytes=limit):
        return gradc.function([a, x0, n], gradc.grad(xs[-1], [a, x0]), mode="c")


def test_a_gradient_keeps_about_the_square_root_where_all_states_take_too_much() -> None:
    slope = slope_by_steps(1000)
    most = [scratch(slope, 2.5, 0.3, n) for n in (10**4, 10**5, 10**6)]
    assert all(m <= 8 * (4 * n**0.5 + 64) for m, n in zip(most, (10**4, 10**5, 10**6)))
    plain = slope_by_steps(0)
    for n in (1, 2, 126, 999, 10_001):
        np.testing.assert_allclose(slope(3.7, 0.3, n), plain(3.7, 0.3, n), rtol=1e-9)      # type: ignore[operator]
    for f in (slope, plain):
        with pytest.raises(IndexOutOfBoundsError, match="out of bounds"):
            f(3.7, 0.3, 0)                                                                  # type: ignore[operator]
        with pytest.raises(ShapeError, match="must not be negative"):
            f(3.7, 0.3, -1)                                                                 # type: ignore[operator]


def test_the_limit_is_64_megabytes_decided_at_the_call() -> None:
    slope = slope_by_steps(config.checkpoint_bytes)
    assert scratch(slope, 2.5, 0.3, 10**6) >= 8 * 10**6             # 8 MB: kept
    assert scratch(slope, 2.5, 0.3, 8 * 2**20) >= 64 * 2**20        # as much as may be
    assert scratch(slope, 2.5, 0.3, 8 * 2**20 + 1) <= 2**20         # a step more


def test_sequences_and_their_gradients_are_not_copied_in_blocks() -> None:
    """Nothing of the size of the sequence is made but its cotangent, an output."""
    xs, a = at.dvector("xs"), at.dscalar("a")
    for back in (False, True):      # a sequence in reverse is no copy, either
        hs, _ = gradc.scan(lambda x, h, a: at.tanh(a * h + x), xs, a, a, go_backwards=back)
        with config.change_flags(checkpoint_bytes=1000):
            slope = gradc.function([xs, a], gradc.grad((hs**2).sum(), [a] if back else [xs, a]), mode="c")
        assert scratch(slope, np.ones(40_000), 0.5) <= 40_000


def test_a_sequence_that_costs_little_has_no_memory() -> None:
    """h' = h (1 - x_t^2 / 10) + x_t of x = a y^2 - b y + z: no array of the million x (the gradient makes one)."""
    steps = 1_000_000
    y, z, a, b = at.dvector("y"), at.dvector("z"), at.dscalar("a"), at.dscalar("b")
    hs, _ = gradc.scan(lambda x, h: h * (1 - 0.1 * x**2) + x, sequences=a * y**2 - b * y + z[::-1],
                       outputs_info=at.constant(np.float64(0)))
    last = gradc.function([y, z, a, b], hs[-1], mode="c")
    slope = gradc.function([y, z, a, b], gradc.grad(hs[-1], a), mode="c")
    rng = np.random.default_rng(5)
    ys, zs = rng.normal(size=steps), rng.normal(size=steps)
    h, d = 0.0, 0.0
    for u, w in zip(ys.tolist(), zs[::-1].tolist()):
        x = 0.5 * u * u - 0.1 * u + w
        h, d = h * (1 - 0.1 * x * x) + x, d * (1 - 0.1 * x * x) + u * u * (1 - h * 0.2 * x)
    assert scratch(last, ys, zs, 0.5, 0.1) == 0
    np.testing.assert_allclose(last(ys, zs, 0.5, 0.1), h, rtol=1e-9)
    np.testing.assert_allclose(slope(ys, zs, 0.5, 0.1), d, rtol=1e-8)
