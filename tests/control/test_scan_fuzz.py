"""Random loops: reverse and forward mode against each other, against central differences, and in second order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradc.tensor as at
from gradc.gradient import Rop, grad
from tests.control.test_scan_grad import loop, run
from tests.seeds import seeds

STEPS, SIZE = 4, 3
_TWICE = at.constant([1, -1, 1])
SMOOTH: list[Callable[..., Any]] = [        # of scalars a, b and vectors v, w; bounded for bounded arguments
    lambda a, b, v, w: at.sin(a * b),
    lambda a, b, v, w: a / (1.5 + b ** 2),
    lambda a, b, v, w: at.tanh(v).sum(),
    lambda a, b, v, w: at.dot(v, w) / 3,
    lambda a, b, v, w: at.switch(at.gt(a, b), a * 0.5, at.cos(b)),
    lambda a, b, v, w: v[0] - w[-1],
    lambda a, b, v, w: at.exp(-a ** 2),
    lambda a, b, v, w: v * a,
    lambda a, b, v, w: at.tanh(v + w),
    lambda a, b, v, w: v[::-1] - 0.5 * w,
    lambda a, b, v, w: at.outer(v, w).sum(axis=0) / 3,
    lambda a, b, v, w: at.concatenate([v[1:], w[:1]]),
    lambda a, b, v, w: at.set_subtensor(v[1], b),
    lambda a, b, v, w: at.sin(v[_TWICE]) - 0.3 * w[at.stack([at.argmax(v), at.argmin(v), -1])],
    lambda a, b, v, w: v[_TWICE].inc(0.3 * w), lambda a, b, v, w: v[_TWICE].set(at.tanh(w)),
    lambda a, b, v, w: at.sigmoid(v) * at.cumsum(w),
    lambda a, b, v, w: at.dot(at.outer(v, w), v).reshape((3,)) / 5,
    lambda a, b, v, w: at.sqrt(1 + v ** 2),
    lambda a, b, v, w: at.fft.irfft(at.fft.rfft(v) * at.fft.rfft(w), 3) / 3,
]


def grown(rng: np.random.Generator, scalars: list[Any], vectors: list[Any], count: int) -> None:
    """Add random functions of what is in the lists to them."""
    for _ in range(count):
        picks = [values[rng.integers(len(values))] for values in (scalars, scalars, vectors, vectors)]
        made = SMOOTH[rng.integers(len(SMOOTH))](*picks)
        (vectors if made.type.ndim else scalars).append(made)


@pytest.mark.parametrize("seed", seeds(0, 8, 15))
def test_random_loops(seed: int) -> None:
    rng = np.random.default_rng(seed)
    xs, ys = at.dmatrix("xs"), at.dvector("ys")
    inits = [at.dscalar("a"), at.dvector("u"), at.dscalar("b"), at.dvector("v")]
    others = [at.dscalar("p"), at.dvector("q")]

    def step(x: Any, y: Any, a: Any, u: Any, b: Any, v: Any) -> list[Any]:
        scalars, vectors = [a, y, others[0], b], [u, x, others[1], v]
        if seed % 4 == 0:
            inner, = loop(lambda x, a: [at.sin(a * x + others[0])], [u], [a])
            scalars.append(inner)
        grown(rng, scalars, vectors, 12)
        pick = rng.integers(0, 6, 2)
        after = [at.tanh(scalars[-1]), at.tanh(vectors[-1]), scalars[-1 - pick[0] % 3],
                 at.tanh(vectors[-1 - pick[1] % 3])]
        stop = [at.gt(after[0], 0.6)] if seed % 3 == 0 else []
        return [*after, scalars[-2], vectors[-2], a, *stop]

    flags: dict[str, Any] = {"reverse": bool(seed % 2), "until": seed % 3 == 0}
    made = loop(step, [xs, ys], inits, STEPS, 3 if seed % 5 == 0 else None, **flags)
    cost = sum((k + 1.0) * at.sin(r).sum() for k, r in enumerate(made[:7]) if rng.random() < 0.7) + made[0]
    wrt = [xs, ys, *inits, *others]
    values = [rng.normal(size=s) * 0.6 for s in [(STEPS, SIZE), STEPS, (), SIZE, (), SIZE, (), SIZE]]
    tangents = [rng.normal(size=np.shape(v)) for v in values]
    points = [at.constant(t) for t in tangents]
    gs = grad(cost, wrt, disconnected_inputs="ignore")
    slope = Rop(cost, wrt, points, disconnected_outputs="ignore")
    curved = Rop(gs, wrt, points, disconnected_outputs="ignore")
    twice = grad(sum((g * t).sum() for g, t in zip(gs, points)), wrt, disconnected_inputs="ignore")
    names = len(wrt)
    got = run(wrt, [cost, slope, *gs, *curved, *twice], *values)
    found, second, again = got[2:2 + names], got[2 + names:2 + 2 * names], got[2 + 2 * names:]
    np.testing.assert_allclose(sum((g * t).sum() for g, t in zip(found, tangents)), got[1], rtol=1e-9, atol=1e-11)

    def at_point(e: float) -> list[Any]:
        return run(wrt, [cost, *gs], *[v + e * t for v, t in zip(values, tangents)])
    h = 1e-5
    ahead, behind = at_point(h), at_point(-h)
    np.testing.assert_allclose(got[1], (ahead[0] - behind[0]) / (2 * h), rtol=1e-5, atol=1e-7)
    for a, b, s, g in zip(ahead[1:], behind[1:], second, again):
        np.testing.assert_allclose(s, (a - b) / (2 * h), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(g, s, rtol=1e-8, atol=1e-10)
