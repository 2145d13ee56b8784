"""Many sections: those that differ in nothing but names share their C functions, and no C function is long."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import gradc
import gradc.tensor as at
from gradc.codegen.names import Blanks, Names
from gradc.errors import IndexOutOfBoundsError, ShapeError
from gradc.scan.utils import until
from gradc.target import TARGET
from gradc.tensor import special


def functions(text: str) -> dict[str, int]:
    """The C functions of a unit, and how many lines each has."""
    found = re.findall(r"^(?:static|int)\b[^;=]*?(\w+)\([^;{]*\)\n\{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL)
    return {name: body.count("\n") for name, body in found}


@pytest.fixture
def threads() -> Iterator[None]:
    before = gradc.get_num_threads()
    yield
    gradc.set_num_threads(before)


def _updates(kind: str, n: int) -> tuple[list[Any], list[Any], list[Any]]:
    ps = [gradc.shared(np.zeros((k % 7 + 3, 4)[:1 + (kind == "matrices")]), name=f"p{k}") for k in range(n)]
    if kind != "descent":
        return [], [], [(p, p + 1) for p in ps]
    x = at.dvector("x")
    loss = sum([(p.sum() - x.sum()) ** 2 for p in ps])
    return [x], [loss], [(p, p - 0.1 * g) for p, g in zip(ps, gradc.grad(loss, ps))]


@pytest.mark.parametrize("kind", ["vectors", "matrices", "descent"])
def test_sections_alike_are_one_function(kind: str) -> None:
    inputs, outputs, updates = _updates(kind, 300)
    found = functions(gradc.function(inputs, outputs, updates=updates, mode="interpret").c_source())
    sections = [name for name in found if name.startswith("section_")]
    assert 2 <= len(sections) <= (9 if kind == "descent" else 2), sections
    assert len(found) < 70 and max(found.values()) < 8 * TARGET.function
    assert {"gradc_prepare", "gradc_entry", "measure", "entry_1"} < {*found}


def test_few_sections_are_called_by_the_entry_function_itself() -> None:
    inputs, outputs, updates = _updates("descent", 5)
    found = functions(gradc.function(inputs, outputs, updates=updates, mode="interpret").c_source())
    assert not any(re.fullmatch(r"(measure|prepare|entry)_\d+", name) for name in found)


def test_texts_with_blanks_are_equal_where_only_names_differ() -> None:
    outer = Names()
    outer["x"], outer["exp"]

    def written(a: str, b: str) -> tuple[Blanks, str]:
        blanks = Blanks()
        lanes = blanks.new(f"{blanks[a]}_lanes")
        return blanks, f"{blanks[a]} = 1e5 * e5 + {blanks[b]} + {lanes} + {blanks[a]} + {blanks.new(a)};"

    first, second = written("x", "y"), written("e5", "f")
    assert first[1] == second[1] != written("x", "x")[1]
    assert first[0].filled(first[1], Names(outer)) == "x = 1e5 * e5 + y + x_lanes + x + x_2;"
    assert second[0].filled(second[1], Names(outer)) == "e5 = 1e5 * e5 + f + e5_lanes + e5 + e5_2;"


@pytest.mark.parametrize("count", [1, 3])
def test_values_of_many_sections(count: int, threads: None) -> None:
    """Of several dtypes, shapes and kinds, some cut into blocks, with sums of blocks and memory that each block has."""
    gradc.set_num_threads(count)
    rng = np.random.default_rng(0)
    inputs, values, outputs, wanted = [], [], [], []
    for k in range(2 * TARGET.function // 3 + 4):
        dtype = ("float64", "float32", "int64")[k % 3]
        shape = ((40_000 if k < 6 else k + 3,), (1500 if 6 <= k < 12 else 3, k + 4))[k % 2]
        value = (9 * rng.normal(size=shape)).astype(dtype)
        x = at.TensorType(dtype, (None,) * len(shape))(f"x{k}")
        exact = value.astype("float64")
        outputs += [x * 2 + 1, (x * x).sum(), x.max()]
        wanted += [exact * 2 + 1, (exact * exact).sum(), exact.max()]
        if len(shape) == 2 and dtype != "int64":
            e = np.exp(exact - exact.max(1, keepdims=True))
            outputs += [special.softmax(x, axis=1), x.sum(axis=0), at.dot(x.T, x)]
            wanted += [e / e.sum(1, keepdims=True), exact.sum(0), exact.T @ exact]
        inputs.append(x)
        values.append(value)
    f = gradc.function(inputs, outputs, mode="c")
    assert f.info["sections"] > TARGET.function
    for got, want, out in zip(f(*values), wanted, outputs):
        np.testing.assert_allclose(got, want, rtol=2e-4 if out.dtype == "float32" else 1e-11, atol=2e-3
                                   if out.dtype == "float32" else 1e-10)


def test_checks_and_late_sizes_among_many_sections() -> None:
    """A check that fails in the part of a long function is reported; sizes found by a loop reach later parts."""
    inputs: list[Any] = [at.dvector(f"x{k}") for k in range(TARGET.function + 6)]
    first, second = inputs[0], inputs[TARGET.function + 1]
    steps, _ = gradc.scan(lambda s: (2 * s, until(2 * s > 50)), outputs_info=at.constant(np.float64(3)), n_steps=40)
    outputs = [x * x.sum() for x in inputs] + [steps + 1, at.exp(steps[::-1]), first + second]
    outputs.append(inputs[4][at.argmax(inputs[1])] * 2)
    f = gradc.function(inputs, outputs, mode="c")
    values = [np.arange(1.0, k % 5 + 3) for k in range(len(inputs))]
    values[TARGET.function + 1] = values[0] + 1
    got = f(*values)
    for v, out in zip(values, got):
        np.testing.assert_allclose(out, v * v.sum())
    left = np.array([6.0, 12.0, 24.0, 48.0, 96.0])
    np.testing.assert_allclose(got[-4], left + 1)
    np.testing.assert_allclose(got[-3], np.exp(left[::-1]))
    np.testing.assert_allclose(got[-2], values[0] * 2 + 1)
    np.testing.assert_allclose(got[-1], 6)
    with pytest.raises(IndexOutOfBoundsError, match=r"index 9 is out of bounds .* size 6"):
        f(values[0], np.arange(10.0), *values[2:])
    with pytest.raises(ShapeError, match=r"\b2\b.*\b4\b|\b4\b.*\b2\b"):
        f(*values[:TARGET.function + 1], np.arange(4.0), *values[TARGET.function + 2:])


def test_casts_in_opposite_directions_are_not_alike() -> None:
    """Their texts have the same words, each in the other's place."""
    x, y = at.fvector("x"), at.dvector("y")
    f = gradc.function([x, y], [at.cast(x, "float64"), at.cast(y, "float32")])
    values = np.array([0.5, -2.0, 3.0], "float32"), np.array([1.5, 2.25])
    for got, want, dtype in zip(f(*values), values, ("float64", "float32")):
        np.testing.assert_array_equal(got, want.astype(dtype), strict=True)
