"""Derivatives of Scan against complex step and loops written by hand: every direction, end and kind of result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.control.bodies import close
from gradc.errors import DisconnectedInputError, NullTypeGradError
from gradc.gradient import Lop, Rop, grad
from gradc.ir import ops
from gradc.ir.graph import apply, toposort
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


# ------------------------------------------------------------------------------- directions, ends, kinds of results


def damped(x: Any, h: Any, w: Any) -> Any:
    return np.sin(w * h) + x * h * h if isinstance(w, (np.ndarray, complex)) else at.sin(w * h) + x * h ** 2


def by_hand(order: Sequence[int], rows: int, x: Any, h: Any, w: Any) -> tuple[Any, Any, Any]:
    """Last value, values before each step, values after."""
    before, after = np.zeros(rows, complex), np.zeros(rows, complex)
    for t in order:
        before[t] = h
        after[t] = h = damped(x[t], h, w)
    return h, before, after


WEIGHTS = RNG.normal(size=(2, 9))
X9 = RNG.normal(size=9) * 0.5


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("steps", [0, 1, 5, 9])
@pytest.mark.parametrize("limit", [None, 0, 3, 20])
def test_directions_and_ends(reverse: bool, steps: int, limit: int | None) -> None:
    x, h, w = at.dvector("x"), *at.dscalars("hw")
    last, before, after = loop(lambda x, h: [(new := damped(x, h, w)), h, new], [x], [h], steps, limit, reverse=reverse)
    weights = WEIGHTS[:, :steps]
    cost = 2.0 * last + (before * weights[0]).sum() + (after * weights[1]).sum()
    end = steps if limit is None else min(limit, steps)
    order = range(end)[::-1] if reverse else range(end)

    def reference(x: Any, h: Any, w: Any) -> Any:
        last, before, after = by_hand(order, steps, x, h, w)
        return 2 * last + (before * weights[0]).sum() + (after * weights[1]).sum()
    check([x, h, w], cost, reference, [X9, 0.7, 1.1])


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("bound", [-10.0, 0.9, 10.0])
@pytest.mark.parametrize("truncate", [-1, 0, 2, 100])
def test_until_and_truncation(reverse: bool, bound: float, truncate: int) -> None:
    x, h, w = at.dvector("x"), *at.dscalars("hw")
    last, before, after, count = loop(
        lambda x, h: [(new := damped(x, h, w)), h, new, at.or_(at.gt(new, bound), at.gt(x, 0.7))], [x], [h],
        until=True, reverse=reverse, truncate=truncate)
    cost = 2.0 * last + (before * WEIGHTS[0]).sum() + (after * WEIGHTS[1]).sum()
    values = [X9, 0.7, 1.1]
    order = list(range(9)[::-1] if reverse else range(9))
    for k in range(1, 10):
        t = order[k - 1]
        if by_hand(order[:k], 9, *map(np.asarray, values))[2][t].real > bound or X9[t] > 0.7:
            break
    done = k if truncate == -1 else min(k, truncate)
    got = run([x, h, w], [count, cost, *grad(cost, [x, h, w])], *values)
    assert got[0] == k

    # the steps that are not gone through give their values, as constants
    fixed = by_hand(order[:k - done], 9, *map(np.asarray, values))

    def reference(x: Any, h: Any, w: Any) -> Any:
        last, before, after = by_hand(order[k - done:k], 9, x, h if done == k else fixed[0], w)
        return 2 * last + (before * WEIGHTS[0]).sum() + (after * WEIGHTS[1]).sum()
    for j, g in enumerate(got[2:]):
        np.testing.assert_allclose(g, complex_step(reference, values, j), rtol=1e-9, atol=1e-12)


def test_sequences_may_be_longer_than_the_loop() -> None:
    x, n = at.dmatrix("x"), at.lscalar("n")
    rows, = loop(lambda x: [at.exp(x).sum()], [x], [], n)
    want = np.exp([[1.0] * 2] * 3 + [[-np.inf] * 2])
    np.testing.assert_allclose(run([x, n], grad(rows.sum(), x), np.ones((4, 2)), 3), want)


def test_sequences_of_the_length_of_the_loop_get_their_rows_as_they_are() -> None:
    x = at.dvector("x")
    for xs in (x, x[::-1], x[:x.shape[0]]):
        rows, = loop(lambda x: [at.exp(x)], [xs])
        assert type(grad(rows.sum(), xs).owner.op) is ops.Scan


@pytest.mark.parametrize("until", [False, True])
def test_the_last_of_all_values_needs_no_row_per_step(until: bool) -> None:
    a, x = at.dscalars("ax")

    def step(x: Any) -> list[Any]:
        new = a * x * (1 - x)
        return [new, new, at.gt(new, 0.99)][:2 + until]

    _, rows, *count = loop(step, [], [x], 7, until=until)
    rows = rows[:count[0]] if until else rows
    ga, gx = grad(rows[-1] * 3.0 + rows[-1] ** 2, [a, x])
    loops = [node for node in toposort([ga, gx]) if type(node.op) is ops.Scan and node.op.reverse]
    assert [node.op.n_seqs for node in loops] == [1]        # the values before the steps, no cotangents

    def states(a: Any, x: Any) -> list[Any]:
        return [x := a * x * (1 - x) for _ in range(7)]
    check([a, x], rows[-1] * 3.0 + rows[-1] ** 2, lambda a, x: (last := states(a, x)[-1]) * 3 + last ** 2, [2.5, 0.3])
    check([a, x], rows[-1] + rows.sum(), lambda a, x: sum(states(a, x)) + states(a, x)[-1], [2.5, 0.3])


@pytest.mark.parametrize("mode", ["c", "interpret"])
def test_a_loop_without_steps_has_no_last_value_to_differentiate(mode: str) -> None:
    h, n = at.dscalar("h"), at.lscalar("n")
    hs, _ = gradc.scan(lambda h: 2 * h, outputs_info=h, n_steps=n)
    for expression in hs[-1], grad(hs[-1], h):
        f = gradc.function([h, n], expression, mode=mode)
        assert f(1.0, 1) == 2
        with pytest.raises(IndexError, match="index -1 is out of bounds"):
            f(1.0, 0)


def test_the_last_element_of_vectors() -> None:
    x = at.dvector("x")
    _, rows = loop(lambda h: [at.sin(h), at.sin(h)], [], [x], 3)
    got = run([x], grad(rows[-1, 1] + rows[-1, ::-1][0], x), np.array([0.1, 0.2, 0.3]))
    slope = np.cos([0.2, 0.3]) * np.cos(np.sin([0.2, 0.3])) * np.cos(np.sin(np.sin([0.2, 0.3])))
    np.testing.assert_allclose(got, [0, *slope])


def test_values_of_several_steps_ago() -> None:
    x, p = at.dscalars("xp")
    fib = loop(lambda s1, s2: [(new := p * s1 * s2 + at.cos(s2)), s1, new], [], [x, x ** 2], 6)[-1]

    def reference(x: Any, p: Any) -> Any:
        s1, s2, total = x, x * x, 0
        for _ in range(6):
            s1, s2 = p * s1 * s2 + np.cos(s2), s1
            total += s1 ** 2
        return total
    check([x, p], (fib ** 2).sum(), reference, [0.4, 1.3])


def test_integers_and_bools_take_part_without_gradient() -> None:
    x, h = at.dvector("x"), at.dscalar("h")
    zero, no = at.constant(np.asarray(0, "int64")), at.constant(np.asarray(False))

    def step(x: Any, n: Any, h: Any, seen: Any) -> list[Any]:
        return [n + 1, at.sin(h) * n + x * h, at.or_(seen, at.gt(x, 0)), at.switch(seen, h * h, h * n)]

    _, last, _, rows = loop(step, [x], [zero, h, no])

    def reference(x: Any, h: Any) -> Any:
        seen, total = False, 0
        for n, row in enumerate(x):
            h, seen, total = np.sin(h) * n + row * h, seen or row.real > 0, total + (h * h if seen else h * n)
        return total + h
    check([x, h], rows.sum() + last, reference, [X9, 0.7])


def test_sequences_of_integers_and_indexing() -> None:
    x = at.dvector("x")
    rows, = loop(lambda i: [x[i] * x[i + 1] + x[0]], [at.arange(x.shape[0] - 1)])
    check([x], (rows ** 2).sum(), lambda x: ((x[:-1] * x[1:] + x[0]) ** 2).sum(), [X9])
    back = next(node for node in toposort([grad(rows.sum(), x)]) if type(node.op) is ops.Scan and node.op.reverse)
    total = back.op.body.outputs[0]
    eqn = back.op.body.producers()[total]
    while type(eqn.op) is ops.Scatter:                      # into the sum, not into zeros
        total = eqn.args[0]
        eqn = back.op.body.producers().get(total)
        if eqn is None:
            break
    assert total in back.op.body.inputs


def test_float32_stays_float32() -> None:
    x, h = at.fvector("x"), at.fscalar("h")
    last, = loop(lambda x, h: [at.tanh(x * h)], [x], [h])
    gx, gh = grad(last, [x, h])
    assert (gx.dtype, gh.dtype) == ("float32", "float32")
    assert Rop(last, h, h).dtype == "float32"


# ----------------------------------------------------------------------------------- connections and their blocks


def test_what_is_not_connected_is_told_with_its_reason() -> None:
    x, y, h, n = at.dvector("x"), at.dscalar("y"), at.dscalar("h"), at.dscalar("n")
    a, b, _ = loop(lambda x, h, g: [at.sin(h) + x, g * y, h], [x], [h, h])
    with pytest.raises(DisconnectedInputError, match=r"of the results of scan.* only others depend on it"):
        grad(a, y)
    assert grad(b, y) is not None
    rows, = loop(lambda h: [h + 1.0], [], [h], at.cast(n, "int64"))
    with pytest.raises(DisconnectedInputError, match=r"used only by scan.*test_scan_grad\.py"):
        grad(rows, n)


def test_a_row_of_a_sequence_is_no_function_of_what_made_the_sequence() -> None:
    x = at.dvector("x")
    y = x ** 2
    y.name = "y"
    with pytest.raises(DisconnectedInputError, match=r"y_i is a variable that scan hands to its step.*whole"):
        gradc.scan(lambda y_i, x: grad(y_i, x), sequences=y, non_sequences=x)
    with pytest.raises(DisconnectedInputError, match=r"y is a variable that scan hands to its step"):
        gradc.scan(lambda y, x: grad(y.sum(), x), outputs_info=y, non_sequences=x, n_steps=3)
    jacobian, _ = gradc.scan(lambda i, y, x: grad(y[i], x), sequences=at.arange(y.shape[0]), non_sequences=[y, x])
    assert run([x], jacobian, [4.0, 4.0]).tolist() == [[8, 0], [0, 8]]


def test_dependence_goes_through_the_steps() -> None:
    """c depends on x by way of b and a only, each one step later."""
    x = at.dvector("x")
    zero = at.constant(np.asarray(0.0))
    c = loop(lambda x, a, b, c: [x, at.sin(a), b * b], [x], [zero, zero, zero])[2]
    check([x], c, lambda x: np.sin(x[-3]) ** 2, [X9])
    with pytest.raises(DisconnectedInputError):
        grad(loop(lambda x, a, b: [x, b], [x], [zero, zero])[1], x)


def test_blocks_inside_a_step() -> None:
    h, w = at.dscalars("hw")
    for block, want in ((gradc.gradient.zero_grad, 0.0), (gradc.gradient.consider_constant, 0.0),
                        (lambda v: gradc.gradient.grad_scale(v, -2.0), -2.0)):
        last, = loop(lambda h, block=block: [h * w + block(at.exp(w))], [], [h], 3)
        got, by_h, plain = run([h, w], [grad(last, w), grad(last, h), grad(last, [w])[0]], 0.5, 0.3)
        inside = sum(np.exp(0.3) * 0.3 ** k for k in range(3))

        def constant(w: Any) -> Any:
            h = 0.5
            for _ in range(3):
                h = h * w + np.exp(0.3)
            return h
        assert got == pytest.approx(constant(0.3 + 1e-30j).imag / 1e-30 + want * inside)
        assert by_h == pytest.approx(0.3 ** 3) and plain == got
    last, = loop(lambda h: [h + gradc.gradient.disconnected_grad(w * h)], [], [h], 3)
    with pytest.raises(DisconnectedInputError):
        grad(last, w)
    assert run([h, w], grad(last, h), 0.5, 0.3) == 1


def test_known_gradients_of_results() -> None:
    x, h, w = at.dvector("x"), *at.dscalars("hw")
    last, before = loop(lambda x, h: [damped(x, h, w), h], [x], [h])
    g = at.dvector("g")
    by_h = Lop([before, last], h, [g, last])
    got = run([x, h, w, g], [*grad(None, [x, w], known_grads={before: g, last: 2.0}), by_h], X9, 0.7, 1.1, WEIGHTS[0])

    def reference(x: Any, h: Any, w: Any) -> Any:
        last, before, _ = by_hand(range(9), 9, x, h, w)
        return 2 * last + (before * WEIGHTS[0]).sum()
    for k, found in zip((0, 2), got):
        np.testing.assert_allclose(found, complex_step(reference, [X9, 0.7, 1.1], k), rtol=1e-10)
    value = by_hand(range(9), 9, X9, 0.7, np.asarray(1.1))[0].real

    def product(h: Any) -> Any:
        last, before, _ = by_hand(range(9), 9, X9, h, np.asarray(1.1))
        return value * last + (before * WEIGHTS[0]).sum()
    np.testing.assert_allclose(got[2], complex_step(product, [0.7], 0), rtol=1e-10)


def test_undefined_gradients_say_why() -> None:
    x, h = at.dvector("x"), at.dscalar("h")
    zero = at.constant(np.asarray(0.0))
    bad, good = loop(lambda x, b, g: [b + apply(ops.Map("polygamma"), x, x), g * x], [x], [zero, h])
    with pytest.raises(NullTypeGradError, match="no derivative by its order"):
        grad(bad + good, x)
    with pytest.raises(NullTypeGradError, match="no derivative by its order"):
        Rop(bad + good, x, x)
    assert run([x, h], grad(bad + good, h), [2.0, 3.0], 1.0) == 6.0
    null = grad(bad, x, null_gradients="return")
    assert "order" in null.type.why


def test_steps_that_are_flat_give_zero() -> None:
    x, h = at.dvector("x"), at.dscalar("h")
    last, = loop(lambda x, h: [at.floor(h) + at.ceil(x)], [x], [h])
    gx, gh = run([x, h], grad(last, [x, h]), [2.5, 3.5], 1.5)
    assert gx.tolist() == [0, 0] and gh == 0
    assert run([x, h], Rop(last, [x, h], [x, h]), [2.5, 3.5], 1.5) == 0


# --------------------------------------------------------------------------------------- order two, three; nesting


def test_second_and_third_order() -> None:
    x, h, w = at.dvector("x"), *at.dscalars("hw")
    last, before, after = loop(lambda x, h: [(new := damped(x, h, w)), h, new], [x], [h])
    cost = last ** 2 + (before * after).sum()

    def reference(x: Any, h: Any, w: Any) -> Any:
        last, before, after = by_hand(range(len(x)), len(x), x, h, w)
        return last ** 2 + (before * after).sum()
    values = [X9[:4], 0.7, 1.1]
    step = 1e-4
    gw = grad(cost, w)
    direction = WEIGHTS[0, :4]
    second = grad(gw, [x, h, w])
    third = grad(second[2], w)
    mixed = grad((grad(cost, x) * direction).sum(), [x, w])
    forward = Rop(grad(cost, x), x, at.constant(direction))
    got = run([x, h, w], [*second, third, *mixed, forward], *values)

    def g(k: int, *moved: Any) -> np.ndarray:
        return complex_step(reference, moved, k)

    def slope(f: Callable[[float], Any]) -> Any:
        return (f(-2 * step) - 8 * f(-step) + 8 * f(step) - f(2 * step)) / (12 * step)
    x0, h0, w0 = values
    np.testing.assert_allclose(got[0], slope(lambda e: g(0, x0, h0, w0 + e)), rtol=1e-8)
    np.testing.assert_allclose(got[1], slope(lambda e: g(1, x0, h0, w0 + e)), rtol=1e-8)
    np.testing.assert_allclose(got[2], slope(lambda e: g(2, x0, h0, w0 + e)), rtol=1e-8)
    around = [g(2, x0, h0, w0 + e) for e in (-0.01, 0.0, 0.01)]
    np.testing.assert_allclose(got[3], (around[0] - 2 * around[1] + around[2]) / 1e-4, rtol=1e-2)
    product = slope(lambda e: g(0, x0 + e * direction, h0, w0))
    np.testing.assert_allclose(got[4], product, rtol=1e-8)
    np.testing.assert_allclose(got[6], product, rtol=1e-8)
    np.testing.assert_allclose(got[5], slope(lambda e: g(0, x0, h0, w0 + e) @ direction), rtol=1e-8)


def test_loops_in_loops() -> None:
    x, w = at.dmatrix("x"), at.dscalar("w")

    def outer(row: Any, h: Any) -> list[Any]:
        last, rows = loop(lambda v, s: [at.sin(s * w) + v * h, s], [row], [h])
        return [last + h, rows.sum()]
    last, sums = loop(outer, [x], [w])

    def reference(x: Any, w: Any) -> Any:
        h, total = w, 0
        for row in x:
            s = h
            for v in row:
                total += s
                s = np.sin(s * w) + v * h
            h = s + h
        return h + total ** 2
    values = [RNG.normal(size=(3, 4)), np.asarray(0.4)]
    check([x, w], last + sums.sum() ** 2, reference, values)
    gw = grad(last + sums.sum() ** 2, w)
    got = run([x, w], grad(gw, w), *values)
    want = [complex_step(reference, [values[0], 0.4 + e], 1) for e in (-1e-5, 1e-5)]
    np.testing.assert_allclose(got, (want[1] - want[0]) / 2e-5, rtol=1e-6)


def test_ten_deep() -> None:
    x = at.dscalar("x")

    def nest(h: Any, depth: int) -> Any:
        if depth == 0:
            return at.sin(h) * x
        return loop(lambda h: [nest(h, depth - 1)], [], [h], 2 if depth < 3 else 1)[0]

    def reference(x: Any) -> Any:
        h = x
        for _ in range(4):
            h = np.sin(h) * x
        return h
    check([x], nest(x, 10), reference, [0.8])


def test_long_steps() -> None:
    h, w = at.dscalars("hw")

    def step(h: Any) -> list[Any]:
        for _ in range(3000):
            h = h * w
        return [h]
    last, = loop(step, [], [h], 2)
    got = run([h, w], [grad(last, w), Rop(last, w, w)], 1.0, 1.0)
    assert got == [6000, 6000]


def test_by_integers_that_steps_use() -> None:
    i, s, x = at.lscalar("i"), at.lvector("s"), at.dscalar("x")
    rows, _ = gradc.scan(lambda a, h, i: at.tanh(h * 0.5 + 0.1 * i * x + 0.01 * a), sequences=s, outputs_info=x,
                         non_sequences=i)

    def last(i: complex, s: np.ndarray, x: complex) -> complex:
        h = x
        for a in s:
            h = np.tanh(0.5 * h + 0.1 * i * x + 0.01 * a)
        return h

    numbers, tiny = np.array([1, 2, 3]), 1e-30j
    want = [last(3 + tiny, numbers, 0.7), *[last(3, numbers + tiny * row, 0.7) for row in np.eye(3)]]
    by_i, by_s = gradc.function([i, s, x], grad(rows[-1], [i, s]))(3, numbers, 0.7)
    np.testing.assert_allclose([by_i, *by_s], np.imag(want) / 1e-30, rtol=1e-13)
