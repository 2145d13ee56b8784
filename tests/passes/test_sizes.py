"""Sizes: what ShapeOf becomes, which comparisons of sizes stay, and what is known to be equal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gradc.tensor as at
from gradc.errors import ShapeError
from gradc.gradient import grad
from gradc.ir import convert, interp, ops
from gradc.ir.program import Program
from gradc.ir.shapes import analyse
from gradc.passes.phases import optimize


def compiled(inputs: list[Any], outputs: list[Any]) -> tuple[Program, Program]:
    before = convert.to_program(inputs, outputs)
    return before, optimize(before, checked=True)


def test_shapes_stand_only_on_inputs() -> None:
    x, y = at.dmatrix("x"), at.dmatrix("y")
    z = at.exp(at.dot(x, y))[1:].T
    before, after = compiled([x, y], [z.shape, z.shape[0], z.size, at.zeros_like(z), z.flatten().shape])
    inputs = set(after.inputs)
    assert all(e.args[0] in inputs for e in after.eqns if type(e.op) is ops.ShapeOf)
    assert not any(type(e.op) in (ops.Contract, ops.Slice, ops.Map) and e.out.type.ndim for e in after.eqns)
    values = [np.ones((4, 2)), np.ones((2, 5))]
    for a, b in zip(interp.evaluate(before, values), interp.evaluate(after, values)):
        np.testing.assert_array_equal(a, b)


def test_every_gradient_still_compares_sizes() -> None:
    x, y, z = at.dvector("x"), at.dvector("y"), at.dvector("z")
    for cost, wrt in ((at.sum(x * y), x), (at.sum((x + y) * z), x), (at.sum(x + y), z), (at.dot(x, y), x)):
        outs = [grad(cost, wrt, disconnected_inputs="ignore")]
        before, after = compiled([x, y, z], outs)
        good = [np.ones(3)] * 3
        for a, b in zip(interp.evaluate(before, good), interp.evaluate(after, good)):
            np.testing.assert_array_equal(a, b)
        for k in range(3):
            for size in (1, 4):
                values = [np.ones(3)] * 3
                values[k] = np.ones(size)
                try:
                    interp.evaluate(before, values)
                except ShapeError:
                    with pytest.raises(ShapeError):
                        interp.evaluate(after, values)


def test_lost_comparison_names_the_inputs() -> None:
    x, y = at.dvector("x"), at.dvector("y")
    _, after = compiled([x, y], [grad(at.sum(x * y), x)])
    with pytest.raises(ShapeError, match="dimension 0 of x and dimension 0 of y differ"):
        interp.evaluate(after, [np.ones(3), np.ones(1)])


def test_kept_comparison_is_not_repeated() -> None:
    x, y = at.dmatrix("x"), at.dmatrix("y")
    for outs in ([x * y], [at.dot(x, y), grad(at.sum(at.dot(x, y)), [x, y])[0]], [grad(at.sum(x ** 2 * y), x)]):
        _, after = compiled([x, y], outs)
        assert not any(type(e.op) is ops.Assert for e in after.eqns)


def test_static_sizes_need_no_comparison() -> None:
    x = at.tensor(dtype="float64", shape=(3,), name="x")
    y = at.dvector("y")
    _, after = compiled([x, y], [grad(at.sum(x * y), y)])
    with pytest.raises(ShapeError):
        interp.evaluate(after, [np.ones(3), np.ones(4)])


@pytest.mark.parametrize("cut", [slice(1, None), slice(None, -2), slice(-2, None), slice(None, 3), slice(1, -1),
                                 slice(2, 4), slice(None, None, 2), slice(None, None, -1), slice(-1, 0, -2),
                                 slice(5, 1, -1), slice(-3, 7, 3), slice(3, 1), slice(0, 0)])
def test_length_of_slice(cut: slice) -> None:
    x = at.dvector("x")
    before, after = compiled([x], [x[cut].shape[0], x[cut][1:].shape[0], at.zeros_like(x[cut][:-1])])
    assert not any(type(e.op) is ops.Slice for e in after.eqns)
    for n in range(8):
        for a, b in zip(interp.evaluate(before, [np.ones(n)]), interp.evaluate(after, [np.ones(n)])):
            assert a.dtype == b.dtype and np.array_equal(a, b)


@pytest.mark.parametrize("make", [lambda x, i: x[i:], lambda x, i: x[:i], lambda x, i: x[::i], lambda x, i: x[i::-1],
                                  lambda x, i: x[i:7], lambda x, i: x[5:i:-2], lambda x, i: x[i:i + 3]])
def test_length_of_symbolic_slice(make: Any) -> None:
    x, i = at.dvector("x"), at.lscalar("i")
    before, after = compiled([x, i], [make(x, i).shape[0]])
    for n in range(6):
        for k in (-7, -3, -1, 1, 2, 5, 9):
            values = [np.ones(n), np.asarray(k)]
            assert interp.evaluate(before, values) == interp.evaluate(after, values)


def test_shifted_slices_are_known_to_be_equally_long() -> None:
    x = at.dvector("x")
    before = convert.to_program([x], [x[1:] - x[:-1]])
    assert not analyse(before).region.constraints


def test_long_chains_of_sizes() -> None:
    x = at.dvector("x")
    y = x
    for k in range(3000):
        y = y[1:] if k % 2 else y[::2]
    _, after = compiled([x], [y.shape[0]])
    assert interp.evaluate(after, [np.ones(50)])[0] == 0
