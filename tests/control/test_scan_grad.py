"""Derivatives of Scan against complex step and loops written by hand: every direction, end and kind of result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import gradc
import gradc.tensor as at
from gradc.control.bodies import close
from gradc.gradient import Rop, grad
from gradc.ir import ops
from gradc.ir.graph import apply
from gradc.ir.types import TensorType

RNG = np.random.default_rng(7)


def loop(step: Callable[..., Any], seqs: Sequence[Any] = (), inits: Sequence[Any] = (), steps: Any = None,
         limit: Any = None, **flags: Any) -> list[Any]:
    """The results of a Scan of step(*rows, *carries) -> [*next carries, *rows to stack, stop]."""
    rows = [TensorType(x.dtype, x.type.shape[1:])() for x in seqs]
    carries = [TensorType(x.dtype, x.type.shape)() for x in inits]
    closed = close([*rows, *carries], step(*rows, *carries))
    op = ops.Scan(closed.program, len(seqs), len(inits), limited=limit is not None, **flags)
    steps = at.cast(seqs[0].shape[0] if steps is None else steps, "int64")
    made = apply(op, steps, *([] if limit is None else [at.cast(limit, "int64")]), *seqs, *inits, *closed.others)
    return made if isinstance(made, list) else [made]


def run(inputs: Sequence[Any], outputs: Any, *values: Any) -> Any:
    return gradc.function(inputs, outputs, mode="interpret", on_unused_input="ignore")(*values)


def complex_step(f: Callable[..., Any], values: Sequence[np.ndarray], k: int) -> np.ndarray:
    """The gradient of a holomorphic f by its argument k.  Squire and Trapp, SIAM Review 40 (1998) 110-112."""
    result = np.zeros(np.shape(values[k]))
    for index in np.ndindex(*result.shape):
        moved = [np.asarray(v, complex) for v in values]
        moved[k][index] += 1e-30j
        result[index] = np.imag(f(*moved)) / 1e-30
    return result


def check(inputs: Sequence[Any], cost: Any, reference: Callable[..., Any], values: Sequence[Any],
          wrt: Sequence[int] | None = None, rtol: float = 1e-10) -> None:
    """cost, its gradients, and Rop of it against the reference."""
    wrt = range(len(inputs)) if wrt is None else wrt
    values = [np.asarray(v, x.dtype) for v, x in zip(values, inputs)]
    targets = [inputs[k] for k in wrt]
    got = run(inputs, [cost, *grad(cost, targets)], *values)
    np.testing.assert_allclose(got[0], np.real(reference(*values)), rtol=1e-12)
    want = [complex_step(reference, values, k) for k in wrt]
    for g, w in zip(got[1:], want):
        np.testing.assert_allclose(g, w, rtol=rtol, atol=1e-12)
    directions = [RNG.normal(size=np.shape(values[k])) for k in wrt]
    forward = run(inputs, Rop(cost, targets, [at.constant(d) for d in directions]), *values)
    np.testing.assert_allclose(forward, sum((w * d).sum() for w, d in zip(want, directions)), rtol=1e-9, atol=1e-12)


# ---------------------------------------------------------------------------------------- the loops of issue 3


def test_garch() -> None:
    r, w, a, b = at.dvector("r"), *at.dscalars("wab")
    _, h = loop(lambda r, h: [w + a * r ** 2 + b * h, h], [r], [w / (1 - a - b)])
    cost = 0.5 * (at.log(h) + r ** 2 / h).sum()

    def reference(r: Any, w: Any, a: Any, b: Any) -> Any:
        h, total = w / (1 - a - b), 0
        for x in r:
            total += 0.5 * (np.log(h) + x * x / h)
            h = w + a * x * x + b * h
        return total
    check([r, w, a, b], cost, reference, [RNG.normal(size=30), 0.1, 0.1, 0.8])


def test_kalman() -> None:
    y, q, r = at.dvector("y"), *at.dscalars("qr")
    zero, ten = at.constant(np.asarray(0.0)), at.constant(np.asarray(10.0))

    def step(y: Any, mean: Any, var: Any) -> list[Any]:
        v, f = y - mean, var + at.exp(r)
        k = var / f
        return [mean + k * v, var * (1 - k) + at.exp(q), 0.5 * (at.log(f) + v ** 2 / f)]

    def reference(y: Any, q: Any, r: Any) -> Any:
        mean, var, total = 0, 10, 0
        for x in y:
            v, f = x - mean, var + np.exp(r)
            k = var / f
            mean, var, total = mean + k * v, var * (1 - k) + np.exp(q), total + 0.5 * (np.log(f) + v * v / f)
        return total
    check([y, q, r], loop(step, [y], [zero, ten])[-1].sum(), reference, [RNG.normal(size=30), -1.0, 0.3])


def test_rnn() -> None:
    x, w, u, b = at.dtensor3("x"), at.dmatrix("w"), at.dmatrix("u"), at.dvector("b")
    _, h = loop(lambda x, h: [(new := at.tanh(at.dot(x, w) + at.dot(h, u) + b)), new], [x],
                [at.zeros((x.shape[1], u.shape[0]))])

    def reference(x: Any, w: Any, u: Any, b: Any) -> Any:
        h, total = np.zeros((2, 3)), 0
        for row in x:
            h = np.tanh(row @ w + h @ u + b)
            total += 0.5 * (h * h).sum() / len(x)
        return total
    values = [RNG.normal(size=s) for s in [(5, 2, 4), (4, 3), (3, 3), (3,)]]
    check([x, w, u, b], 0.5 * (h ** 2).sum() / x.shape[0], reference, values)


def test_lstm() -> None:
    x, w, u, b = at.dmatrix("x"), at.dmatrix("w"), at.dmatrix("u"), at.dvector("b")

    def step(x: Any, h: Any, c: Any) -> list[Any]:
        z = at.dot(x, w) + at.dot(h, u) + b
        i, f, o, g = (z[3 * k:3 * k + 3] for k in range(4))
        c = at.sigmoid(f) * c + at.sigmoid(i) * at.tanh(g)
        h = at.sigmoid(o) * at.tanh(c)
        return [h, c, h]

    def reference(x: Any, w: Any, u: Any, b: Any) -> Any:
        h, c, total = np.zeros(3), np.zeros(3), 0
        for row in x:
            i, f, o, g = np.split(row @ w + h @ u + b, 4)
            c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
            h = np.tanh(c) / (1 + np.exp(-o))
            total += 0.5 * (h * h).sum()
        return total
    values = [RNG.normal(size=s) for s in [(5, 2), (2, 12), (3, 12), (12,)]]
    zeros = at.constant(np.zeros(3))
    check([x, w, u, b], 0.5 * (loop(step, [x], [zeros, zeros])[-1] ** 2).sum(), reference, values)


def test_logistic_map_by_its_last_value() -> None:
    a, x = at.dscalars("ax")
    last, = loop(lambda x: [a * x * (1 - x)], [], [x], steps=40)

    def reference(a: Any, x: Any) -> Any:
        for _ in range(40):
            x = a * x * (1 - x)
        return x
    check([a, x], last, reference, [2.5, 0.3])
