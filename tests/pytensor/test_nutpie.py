"""PyMC's models sampled by nutpie, which calls gradc's C functions from its own threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

nutpie = pytest.importorskip("nutpie", reason="`make test-pytensor` has it")

import pymc as pm  # noqa: E402
import pytensor.tensor as pt  # noqa: E402
from pytensor.graph.basic import Apply  # noqa: E402
from pytensor.graph.op import Op  # noqa: E402

from gradc.errors import BadArgumentError, GraphError  # noqa: E402
from gradc.interop.nutpie import compile_pymc_model  # noqa: E402
from tests.pytensor.models import MODELS  # noqa: E402


def sample(compiled: Any) -> Any:
    return nutpie.sample(compiled, draws=1000, tune=500, chains=2, cores=2, seed=1, progress_bar=False).posterior


def check_mean_of_normal(draws: np.ndarray, y: np.ndarray) -> None:
    """The posterior of a normal mean, prior N(0, 10), noise 1, is known: within 5 standard errors of 300 draws."""
    variance = 1 / (len(y) + 0.01)
    np.testing.assert_allclose(draws.mean(), y.sum() * variance, atol=5 * np.sqrt(variance / 300))
    np.testing.assert_allclose(draws.var(), variance, rtol=0.3)


def test_a_posterior_that_is_known_and_other_data() -> None:
    y = np.random.default_rng(0).normal(3.0, 1.0, size=20)
    with pm.Model() as model:
        seen = pm.Data("seen", y)
        mu = pm.Normal("mu", 0, 10)
        pm.Deterministic("twice", 2 * mu)
        pm.Normal("y", mu, 1, observed=seen)
    compiled = compile_pymc_model(model)
    drawn = sample(compiled)
    check_mean_of_normal(drawn.mu.values, y)
    np.testing.assert_allclose(drawn.twice, 2 * drawn.mu, rtol=1e-15)
    other = compiled.with_data(seen=y[:7] + 5)
    check_mean_of_normal(sample(other).mu.values, y[:7] + 5)
    check_mean_of_normal(sample(compiled).mu.values, y)
    with pytest.raises(GraphError, match="has no data 'unseen'; it has seen"):
        compiled.with_data(unseen=y)
    with pytest.raises(GraphError, match="has 1 dimension"):
        compiled.with_data(seen=np.ones((2, 2)))


def test_densities_are_those_of_the_model() -> None:
    """The C function against PyMC's Python, transforms, shapes and all."""
    model = MODELS["eight_schools"]()
    compiled = compile_pymc_model(model)
    point = model.initial_point()
    x = np.concatenate([np.ravel(point[v.name]) for v in model.value_vars])
    grad, logp = np.zeros(len(x)), np.zeros(())
    call = compiled.compiled_logp_func.ctypes
    pointers = [np.ctypeslib.ctypes.cast(a.ctypes.data, t) for a, t in zip((x, grad, logp), call.argtypes[1:])]
    assert call(len(x), *pointers, None) == 0
    value, slope = model.compile_fn([model.logp(), model.dlogp()], mode="FAST_COMPILE")(point)
    np.testing.assert_allclose(logp, value, rtol=1e-12)
    np.testing.assert_allclose(grad, slope, rtol=1e-10, atol=1e-12)
    x[:] = np.nan
    assert call(len(x), *pointers, None) > 0                    # the sampler may go on from elsewhere
    assert call(len(x) + 1, *pointers, None) < 0


def test_a_model_that_can_not_be_evaluated_everywhere() -> None:
    """Where the density is -inf or a check fails a trajectory diverges, and sampling goes on."""
    with pm.Model() as model:
        x = pm.Normal("x", 0, 1)
        pm.Potential("half", pt.switch(x > -0.5, 0.0, -np.inf))
    draws = sample(compile_pymc_model(model)).x.values
    assert draws.min() > -0.5 and draws.std() > 0.3


class InPython(Op):
    """An Op that gradc has no row for."""

    def make_node(self, x: Any) -> Apply:
        return Apply(self, [pt.as_tensor(x)], [pt.as_tensor(x).type()])

    def perform(self, node: Apply, inputs: Any, output_storage: Any) -> None:
        output_storage[0][0] = 2 * inputs[0]

    def L_op(self, inputs: Any, outputs: Any, gradients: Any) -> list[Any]:
        return [2 * gradients[0]]


@pytest.mark.filterwarnings("ignore::gradc.interop.pytensor.UnknownOpWarning")
def test_an_op_in_python_is_refused() -> None:
    with pm.Model() as model:
        pm.Normal("y", InPython()(pm.Normal("x")), 1, observed=1.0)
    with pytest.raises(BadArgumentError, match="written in Python"):
        compile_pymc_model(model)
