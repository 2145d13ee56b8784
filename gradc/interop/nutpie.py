"""PyMC's models for nutpie, their density and gradient computed by gradc: what samplers call are C functions.

    from gradc.interop.nutpie import compile_pymc_model
    trace = nutpie.sample(compile_pymc_model(model))

Tested with nutpie 0.16.  The functions of the model are stated by nutpie itself, so that draws, names and shapes are
those of its other backends.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np
import pymc
from nutpie import compile_pymc
from pymc.initial_point import make_initial_point_fn

from gradc.compile.lowlevel import LowLevel
from gradc.errors import GraphError, at, quoted, user_line
from gradc.interop.pytensor import GRADC

EXPAND = "int64_t (uint64_t n, uint64_t m, const double x[n], double out[m], void *user)"


@dataclasses.dataclass(frozen=True)
class CompiledModel(compile_pymc.CompiledPyMCModel):
    """What `nutpie.sample` takes.  `with_data(name=value)` gives the model with other values of `pm.Data`."""

    def with_data(self, **updates: object) -> CompiledModel:
        """The model with other data; raises GraphError for data that it does not have, or of another rank."""
        data = dict(self.shared_data)
        for name, value in updates.items():
            if name not in data:
                raise GraphError(f"the model has no data {quoted(name)}; it has {', '.join(data) or 'none'}"
                                 f"{at(user_line())}")
            new = np.array(value, dtype=data[name].dtype, order="C")
            if new.ndim != data[name].ndim:
                raise GraphError(f"data {quoted(name)} has {data[name].ndim} dimension(s), got {new.ndim}"
                                 f"{at(user_line())}")
            data[name] = new
        changed: dict[str, object] = {
            "shared_data": data, "compiled_logp_func": _density(self.logp_func, self.n_dim, data),
            "compiled_expand_func": _expansion(self.expand_func, self.n_dim, self.n_expanded, data)}
        return dataclasses.replace(self, **changed)


def compile_pymc_model(model: pymc.Model, *, initial_points: Mapping[object, object] | None = None,
                       jitter_rvs: Collection[object] | None = None,
                       default_initialization_strategy: str = "support_point",
                       var_names: Iterable[str] | None = None) -> CompiledModel:
    """A model of PyMC for `nutpie.sample`; the arguments are those of `nutpie.compile_pymc_model`.

    initial_points                   values to start from, by variable
    jitter_rvs                       variables whose starting value is moved by a number between -1 and 1; by default
                                     all, if they start from their support points
    default_initialization_strategy  "support_point" or "prior": of variables without a starting value
    var_names                        what the trace has besides the variables that are sampled; None: all

    Raises: BadArgumentError if the model needs an Op that only runs in Python; what PyMC, nutpie and gradc raise.
    """
    if jitter_rvs is None and default_initialization_strategy == "support_point":
        jitter_rvs = set(model.free_RVs)
    start = compile_pymc._wrap_with_lock(make_initial_point_fn(
        model=model, overrides=initial_points, default_strategy=default_initialization_strategy,
        jitter_rvs=jitter_rvs, return_transformed=True))
    n_dim, n_expanded, logp, expand, point, shape_info = compile_pymc._make_functions(
        model, mode=GRADC, compute_grad=True, join_expanded=True, pymc_initial_point_fn=start, var_names=var_names)
    data = {v.name: np.array(v.get_value(), order="C") for f in (logp, expand) for v in f.get_shared()}
    dims, coords = compile_pymc._prepare_dims_and_coords(model, shape_info)
    return CompiledModel(
        _n_dim=n_dim, dims=dims, _coords=coords, _shapes={name: tuple(shape) for name, _, shape in zip(*shape_info)},
        compiled_logp_func=_density(logp, n_dim, data),
        compiled_expand_func=_expansion(expand, n_dim, n_expanded, data),
        initial_point_func=point, shared_data=data, user_data=np.zeros(1), n_expanded=n_expanded, shape_info=shape_info,
        logp_func=logp, expand_func=expand)


def _density(logp: Any, n_dim: int, data: Mapping[str, np.ndarray]) -> LowLevel:
    """The C function of a log density and its gradient."""
    return _kernel(logp).low_level("nutpie", given=_given(logp, data), finite=True)


def _expansion(expand: Any, n_dim: int, n_expanded: int, data: Mapping[str, np.ndarray]) -> LowLevel:
    """The C function of all values of a draw."""
    return _kernel(expand).low_level(EXPAND, given=_given(expand, data))


def _kernel(function: Any) -> Any:
    """gradc's function behind one of PyTensor."""
    made = function.vm.jit_fn
    return getattr(made, "function", made)


def _given(function: Any, data: Mapping[str, np.ndarray]) -> dict[str | int, object]:
    """The values of shared variables, which follow the one argument."""
    return {k: data[v.name] for k, v in enumerate(function.get_shared(), 1)}
