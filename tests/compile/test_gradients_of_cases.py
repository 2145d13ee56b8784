"""Every row of tests/cases.py in C: gradients and second order, of all layouts of inputs."""

from __future__ import annotations

import numpy as np
import pytest

from tests.batches import LAYOUTS, batch, batches, run_and_compare


@pytest.mark.parametrize("k", batches("gradient"))
def test_gradients(k: int) -> None:
    """Gradients in C equal the interpreter's, which tests/autodiff compares with complex steps."""
    made = batch("gradient", k)
    values = [r.values for r in made.rows]
    run_and_compare(made, values, [r.oracle(r.values) for r in made.rows], "interpreter", atol=1e-11)


@pytest.mark.slow
@pytest.mark.parametrize("k", batches("second"))
def test_second_order(k: int) -> None:
    """Hessian-vector products, likewise."""
    made = batch("second", k)
    values = [r.values for r in made.rows]
    run_and_compare(made, values, [r.oracle(r.values) for r in made.rows], "interpreter", atol=1e-9)


@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.parametrize("k", batches("gradient"))
def test_layouts_of_inputs(k: int) -> None:
    layouts_of_inputs("gradient", k)


@pytest.mark.slow
@pytest.mark.parametrize("k", batches("second"))
def test_layouts_of_inputs_of_second_order(k: int) -> None:
    layouts_of_inputs("second", k)


def layouts_of_inputs(kind: str, k: int) -> None:
    made = batch(kind, k)
    wants = made.run([r.values for r in made.rows])
    for name, layout in LAYOUTS.items():
        run_and_compare(made, [[np.asarray(layout(v)) for v in r.values] for r in made.rows], wants, name, 0, 0)
