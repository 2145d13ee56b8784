"""`scan_checkpoints`: every n-th value of a loop, with the gradient of the loop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.errors import LoopError, ShapeError
from gradc.ir import ops
from gradc.ir.graph import toposort
from gradc.scan.utils import until

X = np.random.default_rng(5).normal(size=11)
XS, W = at.dvector("xs"), at.dscalar("w")
ZERO = at.constant(np.float64(0))


def step(x: Any, h: Any, w: Any) -> Any:
    return [at.tanh(w * h + x), x * h]


def value(out: Any, inputs: Any, *values: Any, mode: str = "interpret", **options: Any) -> Any:
    return gradc.function(inputs, out, mode=mode, **options)(*values)


@pytest.mark.parametrize("size", [1, 3, 4, 11, 20])
def test_values_at_the_ends_of_blocks(size: int) -> None:
    loop, _ = gradc.scan(step, XS, [ZERO, None], W)
    some, updates = gradc.scan_checkpoints(step, XS, [ZERO, None], W, save_every_N=size)
    every = value(loop, [XS, W], X, 0.5)
    ends = [min(k + size, 11) - 1 for k in range(0, 11, size)]
    for full, cut in zip(every, value(some, [XS, W], X, 0.5)):
        np.testing.assert_allclose(cut, full[ends], rtol=1e-15)
    assert updates == {}


@pytest.mark.parametrize("mode", ["interpret", "c"])
@pytest.mark.parametrize("size", [3, 4])
def test_the_gradient_is_that_of_the_loop(size: int, mode: str) -> None:
    loop, _ = gradc.scan(step, XS, [ZERO, None], W)
    some, _ = gradc.scan_checkpoints(step, XS, [ZERO, None], W, save_every_N=size)
    for full, cut in zip(*(value(gradc.grad(out[0][-1], [XS, W]), [XS, W], X, 0.5, mode=mode) for out in (loop, some))):
        np.testing.assert_allclose(cut, full, rtol=1e-13)


def test_a_gradient_keeps_one_value_per_block() -> None:
    out, _ = gradc.scan_checkpoints(step, XS, [ZERO, None], W, save_every_N=4)
    loops = [node.op for node in toposort([gradc.grad(out[0][-1], W)]) if type(node.op) is ops.Scan]
    kept = [row.type for op in loops for row in op.body.outputs[op.n_carries:]]
    assert kept and all(t.ndim == 0 for t in kept)


def test_a_number_of_steps_and_no_sequence() -> None:
    n = at.lscalar("n")
    out, _ = gradc.scan_checkpoints(lambda h, w: w * h, None, at.constant(np.float64(1)), W, n_steps=n, save_every_N=4)
    f = gradc.function([W, n], out, mode="interpret")
    assert f(2.0, 10).tolist() == [2.0 ** 4, 2.0 ** 8, 2.0 ** 10]
    assert f(2.0, 0).shape == (0,)


@pytest.mark.parametrize("mode", ["c", "interpret"])
def test_steps_that_fill_no_block_need_padding(mode: str) -> None:
    n = at.lscalar("n")
    out, _ = gradc.scan_checkpoints(lambda h: 2 * h, outputs_info=[W], n_steps=n, save_every_N=4, padding=False)
    f = gradc.function([W, n], out, mode=mode)
    np.testing.assert_array_equal(f(1.0, 8), [16.0, 256.0])
    with pytest.raises(ShapeError, match="a multiple of save_every_N, which is 4"):
        f(1.0, 10)


def test_blocks_that_fit_need_no_padding() -> None:
    m = at.dmatrix("m")
    out, _ = gradc.scan_checkpoints(lambda x, h: x + h, m, at.zeros(2), save_every_N=2, padding=False)
    data = np.arange(12.0).reshape(6, 2)
    np.testing.assert_array_equal(value(out, [m], data), np.cumsum(data, axis=0)[1::2])
    with pytest.raises(ValueError, match="a multiple of save_every_N"):
        value(out, [m], data[:5])


def test_updates_run_through_all_blocks() -> None:
    count = gradc.shared(0, name="count")
    out, updates = gradc.scan_checkpoints(lambda x: (x * count, {count: count + 1}), XS, save_every_N=4)
    np.testing.assert_allclose(value(out, [XS], X, updates=updates), X[[3, 7, 10]] * [3, 7, 10])
    assert count.get_value() == 11


def test_what_has_no_checkpoints() -> None:
    with pytest.raises(LoopError, match="until does not end a loop with checkpoints"):
        gradc.scan_checkpoints(lambda x: (x, until(x > 1)), XS)
    with pytest.raises(LoopError, match="only the value of one step before"):
        gradc.scan_checkpoints(lambda h: h, None, dict(initial=at.zeros(2), taps=[-2]), n_steps=3)
    with pytest.raises(LoopError, match="save_every_N is a positive number of steps, got 0"):
        gradc.scan_checkpoints(lambda x: x, XS, save_every_N=0)
