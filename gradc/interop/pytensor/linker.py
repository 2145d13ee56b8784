"""The linker and the mode that PyTensor knows as "GRADC"."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import pytensor
from pytensor.compile import mode as modes
from pytensor.graph.rewriting.db import RewriteDatabaseQuery
from pytensor.link.basic import JITLinker

import gradc
from gradc.errors import AssertionFailedError
from gradc.interop.pytensor import convert, remember

# What gradc does itself, or what is for another backend; the rest of "fast_run" (stabilising, simplifying) stays.
LEFT_OUT = (
    "cxx_only", "BlasOpt", "blas_opt_inplace", "c_blas", "use_c_blas", "fusion", "add_mul_fusion",
    "local_careduce_fusion",
    "inplace", "scan_make_inplace", "scan_inplace", "scan_save_mem", "scan_save_mem_prealloc",
    "scan_save_mem_no_prealloc", "reuse_lu_decomposition_multiple_solves",
    "scan_split_non_sequence_lu_decomposition_solve")

REMEMBERED = "gradc_remembered"


class GradcLinker(JITLinker):
    """A whole PyTensor graph as one gradc function.

    `pytensor.function(..., mode="GRADC")` uses it, and so does `pytensor.config.mode = "GRADC"`.
    """

    required_rewrites = ("minimum_compile", REMEMBERED)
    incompatible_rewrites = LEFT_OUT

    def fgraph_convert(self, fgraph: Any, order: Any = None, input_storage: Any = None, output_storage: Any = None,
                       storage_map: Any = None, **kwargs: Any) -> Callable[..., Any]:
        """The gradc function of a FunctionGraph."""
        title = _title(fgraph.name)
        found = remember.known(fgraph)
        if found is not None:
            op, positions = found
            return _raising(op.function(title), op.checks, None if len(positions) == len(op.types) else positions)
        inputs = [convert.variable(v) for v in fgraph.inputs]
        outputs = convert.expressions(fgraph.inputs, fgraph.outputs, order or fgraph.toposort(), inputs)
        checks = {node.op.msg: node.op.exc_type for node in fgraph.apply_nodes if hasattr(node.op, "exc_type")}
        function = gradc.function(inputs, outputs, on_unused_input="ignore", name=title)
        key = getattr(fgraph, "gradc_key", None)
        if key is not None:
            remember.save(key, function, checks)
        return _raising(function, checks)

    def jit_compile(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """Nothing is left to do."""
        return fn

    def create_thunk_inputs(self, storage_map: dict[Any, list[Any]]) -> list[list[Any]]:
        """The cells of the inputs, in order."""
        return [storage_map[v] for v in self.fgraph.inputs]


def _title(name: str | None) -> str:
    """The name that a user gave a function; PyTensor's own is a line number, which kernels must not depend on."""
    return "pytensor" if name is None or re.search(r":\d+$", name) else name


def _raising(function: Callable[..., Any], checks: remember.Checks,
             positions: Sequence[int] | None = None) -> Callable[..., Any]:
    """`function`, whose failed checks raise what PyTensor's CheckAndRaise says; of its results those at `positions`."""
    if not checks and positions is None:
        return function

    def call(*arguments: Any) -> Any:
        try:
            results = function(*arguments)
        except AssertionFailedError as error:
            text = str(error)
            for message, kind in checks.items():
                if message and text.startswith(message):
                    raise kind(message) from error
            raise
        return results if positions is None else [results[k] for k in positions]

    call.function = function    # type: ignore[attr-defined]
    return call


GRADC = modes.Mode(GradcLinker(), RewriteDatabaseQuery(include=["fast_run"]))


def register() -> None:
    """Make "GRADC" known to PyTensor, `config.mode` included, which has a list of its own."""
    modes.optdb.register(REMEMBERED, remember.Remembered(), position=-100)
    modes.register_mode("GRADC", GRADC)
    modes.register_linker("gradc", GRADC.linker)
    flag = pytensor.config._config_var_dict["mode"]
    known = flag._apply
    flag._apply = lambda value: value if value == "GRADC" else known(value)
