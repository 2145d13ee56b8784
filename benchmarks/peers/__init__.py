"""How each peer is loaded: one object whose attributes the rows' builders use.  Imported in the peer's own environment.

gradc, Aesara and PyTensor give the same attributes (tensor, function, grad, shared, log_softmax, softplus); the
others are their package itself.
"""

from __future__ import annotations

import importlib
import os
import tempfile
from types import SimpleNamespace
from typing import Any

SYMBOLIC = ("gradc", "aesara", "pytensor")


def environment(peer: str) -> dict[str, str]:
    """Variables for the peer's process: one thread each, a compile directory of its own."""
    one = {name: "1" for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "GRADC_NUM_THREADS",
                                  "NUMBA_NUM_THREADS")}
    folder = os.path.join(tempfile.gettempdir(), f"gradc-bench-{os.getuid()}-{peer}")
    special = {
        "aesara": {"AESARA_FLAGS": f"base_compiledir={folder},floatX=float64"},
        "pytensor": {"PYTENSOR_FLAGS": f"base_compiledir={folder},floatX=float64,linker=cvm"},
        "jax": {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false", "JAX_ENABLE_X64": "1", "JAX_PLATFORMS": "cpu"},
        "torch": {"TORCHINDUCTOR_CACHE_DIR": folder},
    }
    return {**one, **special.get(peer, {})}


def _symbolic(name: str) -> SimpleNamespace:
    module = importlib.import_module(name)
    tensor = importlib.import_module(f"{name}.tensor")
    special = importlib.import_module(f"{name}.tensor.special")
    return SimpleNamespace(name=name, module=module, tensor=tensor, function=module.function, grad=module.grad,
                           shared=module.shared, log_softmax=special.log_softmax,
                           softplus=getattr(tensor, "softplus", None), version=module.__version__)


def load(peer: str) -> Any:
    """The object that builders of this peer get."""
    if peer in SYMBOLIC:
        return _symbolic(peer)
    module = importlib.import_module(peer)
    if peer == "jax":
        importlib.import_module("jax.numpy")
    if peer == "torch":
        module.set_num_threads(1)
    return module
