"""Run a user-defined Op: `perform` in Python, on arrays, with what it may do wrong found out.

A rule for each fault, so that none reaches other values of the graph:
    it raises               ExecutionError (BadValueError for a ValueError), with the Op's name; the user's exception is
                            its `__cause__`
    it changes its inputs   these are copies, nobody else sees it (objects other than arrays are passed as they are)
    it keeps its inputs     or a traceback does: copies are its own for ever
    it keeps its results    they are copied, so a buffer that it uses again does no harm
    too few, wrong types    an error that names the Op and the result
    other sizes             an error, too: what its `infer_shape` states must be so
In: an equation and its arguments.  Out: its results.  `ir.interp` runs it, and a kernel by way of `csrc/callback.c`,
which makes the copies itself.  Not here: types (`ir.infer`), gradients.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradc.errors import BadValueError, ExecutionError, GradcError, ShapeError
from gradc.ir import infer
from gradc.ir.snippet import snippet_of

if TYPE_CHECKING:
    from gradc.ir.program import Eqn


def run_user_op(eqn: Eqn, inputs: Sequence[object], shapes: Sequence[tuple[int, ...]]) -> list[Any]:
    """The results of the user's Op that is called; it sees copies of `inputs`, and nobody else has what is returned."""
    own = [np.array(a) if isinstance(a, (np.ndarray, np.generic)) else a for a in inputs]
    return [np.array(r) if isinstance(r, np.ndarray) else r for r in performed(eqn, own, shapes)]


def performed(eqn: Eqn, own: list[object], shapes: Sequence[tuple[int, ...] | None]) -> list[Any]:
    """The results of the user's Op of the equation, checked and converted to the types of `eqn.outs`.

    own: its inputs, which nobody else sees.  shapes: of the results, None or nothing where they are not stated.
    Raises: ExecutionError if `perform` raises or leaves a result out; BadArgumentError and ShapeError for results
    of the wrong dtype, rank or size.  A MemoryError is passed on.
    """
    user = eqn.op.routine.op
    if eqn.node is None:
        eqn.node = infer.applied(user, eqn.op.split(eqn.args)[0])
    storage: list[list[object]] = [[None] for _ in eqn.outs]
    try:
        user.perform(eqn.node, own, storage)
    except MemoryError:
        raise
    except Exception as error:
        if isinstance(error, GradcError) and snippet_of(user) is not None:
            raise                               # its C code says itself what failed
        kind = BadValueError if isinstance(error, ValueError) else ExecutionError
        raise kind(f"{user} failed: {type(error).__name__}: {error}") from error
    if len(storage) != len(eqn.outs):
        raise ExecutionError(f"{user} must compute {len(eqn.outs)} result(s), but its perform left "
                             f"{len(storage)} in output_storage")
    return [_result(eqn, k, cell, shapes[k] if shapes else None) for k, cell in enumerate(storage)]


def _result(eqn: Eqn, k: int, cell: list[object], shape: tuple[int, ...] | None) -> object:
    """What stands in `cell`, as a value of the result's type, and of the shape stated."""
    type_, value = eqn.outs[k].type, cell[0] if cell else None
    if type(value) is np.ndarray and value.shape == shape and value.dtype == type_.dtype and value.flags.carray:
        return value
    what = f"result {k} of {eqn.op}"
    if value is None:
        raise ExecutionError(f"{what} is missing: its perform must put it into output_storage[k][0]")
    value = type_.filter(value, name=what, advice="return the dtype that make_node states")
    if isinstance(value, np.ndarray) and shape is not None and value.shape != shape:
        raise ShapeError(f"{what}: expected shape {shape}, which its infer_shape states, got {value.shape}")
    return value
