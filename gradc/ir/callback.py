"""Run a user-defined Op: `perform` in Python, on arrays, with what it may do wrong found out.

A rule for each fault, so that none reaches other values of the graph:
    it raises               ExecutionError, with the Op's name; the user's exception is its `__cause__`
    it changes its inputs   these are copies, nobody else sees it (objects other than arrays are passed as they are)
    it keeps its results    they are copied, so a buffer that it uses again does no harm
    too few, wrong types    an error that names the Op and the result
In: an equation and its arguments.  Out: its results.  `ir.interp` runs it; not here: types (`ir.infer`), gradients.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradc.errors import ExecutionError
from gradc.ir import infer, ops
from gradc.ir.types import TensorType


def run_callback(op: ops.Callback, args: list[Any], eqn: Any) -> list[Any]:
    """The results of the user's Op `op.op`, checked and converted to the types of `eqn.outs`.

    Raises: ExecutionError if `perform` raises or leaves a result out; BadArgumentError and ShapeError for results
    of the wrong dtype, rank or static size.  A MemoryError is passed on.
    """
    user = op.op
    if eqn.node is None:
        eqn.node = infer.applied(op, eqn.args)
    storage: list[list[Any]] = [[None] for _ in eqn.outs]
    own = [np.array(a) if isinstance(a, (np.ndarray, np.generic)) else a for a in args]
    try:
        user.perform(eqn.node, own, storage)
    except MemoryError:
        raise
    except Exception as error:
        raise ExecutionError(f"{user} failed: {type(error).__name__}: {error}") from error
    if len(storage) != len(eqn.outs):
        raise ExecutionError(f"{user} must compute {len(eqn.outs)} result(s), but its perform left "
                             f"{len(storage)} in output_storage")
    return [_result(f"result {k} of {user}", v.type, cell) for k, (v, cell) in enumerate(zip(eqn.outs, storage))]


def _result(what: str, type: Any, cell: list[Any]) -> Any:
    if not cell or cell[0] is None:
        raise ExecutionError(f"{what} is missing: its perform must put it into output_storage[k][0]")
    value = type.filter(cell[0], name=what, advice="return the dtype that make_node states")
    if isinstance(type, TensorType) and (value is cell[0] or not value.flags.owndata):
        return np.array(value)
    return value
