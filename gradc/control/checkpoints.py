"""`scan_checkpoints`: a loop in blocks, of which only the values at their ends are kept.

The loop over blocks is a `scan` whose step is the loop through one block.  A gradient stores one value per block on the
way forward and goes through a block again on its way back: about 2 sqrt(n) values for n steps in blocks of sqrt(n).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gradc.control.returned import read
from gradc.control.scan import Outputs, StepFunction, Taken, as_list, build, fault, taken_rows
from gradc.ir import ops
from gradc.ir.graph import apply
from gradc.tensor.convert import as_tensor_variable, size_constant, sizes_of
from gradc.tensor.creation import arange, zeros
from gradc.tensor.elemwise import eq, minimum
from gradc.tensor.joining import concatenate

if TYPE_CHECKING:
    from gradc.tensor.types import TensorLike
    from gradc.tensor.variable import TensorVariable


def scan_checkpoints(fn: StepFunction, sequences: Taken = None, outputs_info: Taken = None, non_sequences: Taken = None,
                     name: str | None = "checkpointscan_fn", n_steps: TensorLike | None = None, save_every_N: int = 10,
                     padding: bool = True) -> Outputs:
    """As `scan`, but with the outputs of every `save_every_N`-th step, and of the last, only.

    Each block of `save_every_N` steps is computed again for a gradient, which so needs memory for the values at the
    ends of blocks and for one block.  Values are fed back from one step before only (taps [-1]).
    padding  False: the number of steps is a multiple of save_every_N (ShapeError at the call if it is not)

    Shapes: step's result (...) -> output (ceil(steps / save_every_N), ...).
    Raises: LoopError as `scan`, and for `until` or further taps of outputs.
    Source: aesara.scan_checkpoints; A. Griewank, Achieving logarithmic growth of temporal and spatial complexity in
        reverse automatic differentiation, Optimization Methods and Software 1 (1992) 35-54.
    """
    if isinstance(save_every_N, bool) or not isinstance(save_every_N, (int, np.integer)) or save_every_N < 1:
        raise fault(f"save_every_N is a positive number of steps, got {save_every_N!r}")
    size = int(save_every_N)
    taken, steps = taken_rows(sequences, n_steps)
    blocks = (steps + size - 1) // size if padding else steps // size
    cut = [_in_blocks(r.values[:steps], blocks, size, blocks * size - steps if padding else None)
           for s in taken for r in s.rows]
    states = [_initial(s, k) for k, s in enumerate(as_list(outputs_info))]

    def step(*args: object) -> Any:
        returned = read(fn(*args))
        if returned.stop is not None:
            raise fault("until does not end a loop with checkpoints", "use scan")
        return returned.outputs, returned.updates

    def block(length: Any, *args: Any) -> Any:
        rows, rest = args[:len(cut)], list(args[len(cut):])
        begin = [None if s is None else rest.pop(0) for s in states]
        loop = build(step, list(rows), begin, rest, n_steps=size, name=name, limit=length)
        return [r[length - 1] if last is None else last for r, last in zip(loop.stacked, loop.last)], loop.updates

    lengths = minimum(size, steps - size * arange(blocks))
    if not padding:
        text = f"scan_checkpoints: without padding, the number of steps is a multiple of save_every_N, which is {size}"
        lengths = apply(ops.Assert(text, "shape"), lengths, eq(steps % size, 0))
    loop = build(block, [lengths, *cut], states, non_sequences, name=name, recompute=True)
    rows = loop.stacked
    return (rows if len(rows) > 1 else rows[0] if rows else None), loop.updates


def _in_blocks(x: TensorVariable, blocks: TensorVariable, size: int, missing: TensorVariable | None) -> TensorVariable:
    """x as (blocks, size, ...); `missing` rows are filled up with zeros, which no step reads."""
    rest = sizes_of(x)[1:]
    if missing is not None:
        x = concatenate([x, zeros([missing, *rest], dtype=x.dtype)])
    return apply(ops.Reshape(2 + len(rest)), x, blocks, size_constant(size), *rest)


def _initial(given: Any, k: int) -> object:
    if isinstance(given, dict):
        if given.get("taps") not in (None, [-1], (-1,), -1):
            raise fault(f"outputs_info[{k}] has taps {given['taps']}; with checkpoints only the value of one step "
                        f"before can be fed back")
        given = given.get("initial")
    return None if given is None else as_tensor_variable(given)
