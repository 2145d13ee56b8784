"""Memory of loops: what grows with the number of steps, and what does not.  `f.info["scratch"]` tells it."""

from __future__ import annotations

import numpy as np

import gradc
import gradc.tensor as at
from gradc.control.checkpoints import scan_checkpoints


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
    plain = logistic_map(10_000)[1]
    assert scratch(plain, 2.5, 0.3) >= 8 * 10_000
    assert scratch(slope, 2.5, 0.3) <= 8 * 100 * 8
    assert scratch(value, 2.5, 0.3) <= 8 * 100 * 4
    np.testing.assert_allclose(slope(3.7, 0.3), plain(3.7, 0.3), rtol=1e-12)      # type: ignore[operator]
    assert "bytes in the last call" in repr(slope.info)                           # type: ignore[attr-defined]


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
