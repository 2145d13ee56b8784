"""The row for PyTensor's Scan, and for loops of scalars: loops of gradc.

PyTensor's Scan works on buffers: a state comes with the first of its rows filled, and gives the buffer back.  gradc's
`scan` takes the first rows and gives the rows that the steps made; joining them gives the buffer, which the compiler
removes again where only a part is used.  A mit-mot state, which reads and writes anywhere in its buffer, is carried
whole where a step does more than add to a row that it has read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pytensor.graph.basic import Apply
from pytensor.scan.op import Scan

import gradc
import gradc.tensor as at
from gradc.interop.pytensor.convert import Converted, graph, row, to_gradc
from gradc.ir.types import RngType


@to_gradc.register(Scan)
def _scan(op: Any, node: Apply, *inputs: Converted) -> Sequence[Converted]:
    info = op.info
    n_steps = inputs[0]
    given = list(inputs)
    sequences = [x[:n_steps] for x in op.outer_seqs(given)]
    moved = op.outer_mitmot(given)                      # whole buffers
    several = list(op.outer_mitsot(given))
    single = list(op.outer_sitsot(given))
    hidden = list(op.outer_untraced_sit_sot(given))     # states without history: random generators and the like
    fixed = list(op.outer_non_seqs(given))
    stand_ins = [_stand_in(x) for x in hidden]          # scan carries shared variables by their updates
    several_taps = info.mit_sot_in_slices
    depths = [-min(taps) for taps in several_taps]

    inits: list[Any] = [x for x in moved]
    inits += [{"initial": x[:depth], "taps": list(taps)} for x, depth, taps in zip(several, depths, several_taps)]
    inits += [x[0] for x in single]
    inits += [None] * info.n_nit_sot

    def step(*arguments: Converted) -> Any:
        work = list(arguments)

        def take(count: int) -> list[Converted]:
            taken, work[:count] = work[:count], []
            return taken

        k, *steps = take(1 + len(sequences))
        buffers = take(len(moved))
        rows = take(sum(map(len, several_taps)))
        last = take(len(single))
        others = take(len(fixed))
        read = [buffer[k + tap] for buffer, taps in zip(buffers, info.normalized_mit_mot_in_slices) for tap in taps]
        results = graph(op.fgraph, [*steps, *read, *rows, *last, *stand_ins, *others])
        written = []
        outs = zip(buffers, op.inner_mitmot_outs_grouped(results), info.normalized_mit_mot_out_slices)
        for buffer, values, taps in outs:
            for value, tap in zip(values, taps):
                buffer = at.set_subtensor(buffer[k + tap], value)
            written.append(buffer)
        made = [*written, *op.inner_mitsot_outs(results), *op.inner_sitsot_outs(results),
                *op.inner_nitsot_outs(results)]
        updates = dict(zip(stand_ins, op.inner_untraced_sit_sot_outs(results)))
        return (made, updates, gradc.scan.utils.until(results[-1])) if info.as_while else (made, updates)

    made, updates = gradc.scan(step, sequences=[at.arange(n_steps), *sequences], outputs_info=inits,
                               non_sequences=fixed, n_steps=n_steps, return_list=True)
    made = list(made or [])

    def take_made(count: int) -> list[Converted]:
        taken, made[:count] = made[:count], []
        return taken

    out_moved = [x[-1] for x in take_made(len(moved))]
    out_several = [_buffer(buffer, x, depth) for buffer, x, depth in zip(several, take_made(len(several)), depths)]
    out_single = [_buffer(buffer, x, 1) for buffer, x in zip(single, take_made(len(single)))]
    out_rows = [x[-size:] if not _all_steps(size, n_steps) else x
                for x, size in zip(take_made(info.n_nit_sot), op.outer_nitsot(given))]
    outputs = [*out_moved, *out_several, *out_single, *out_rows, *(updates[x] for x in stand_ins)]
    return gradc.clone_replace(outputs, dict(zip(stand_ins, hidden))) if hidden else outputs


def _stand_in(state: Converted) -> Converted:
    """A shared variable of the type of a state."""
    if isinstance(state.type, RngType):
        return gradc.shared(np.random.default_rng())
    return gradc.shared(np.zeros([n or 1 for n in state.type.shape], state.type.dtype), shape=state.type.shape)


def _all_steps(size: Converted, n_steps: Converted) -> bool:
    """Is the buffer of `size` rows sure to hold every step?"""
    if size is n_steps:
        return True
    known = isinstance(size, gradc.Constant) and isinstance(n_steps, gradc.Constant)
    return known and int(size.data) >= int(n_steps.data)


def _buffer(buffer: Converted, rows: Converted, depth: int) -> Converted:
    """PyTensor's result of a state: the first rows and those of the steps, the last ones if the buffer is shorter."""
    whole = at.concatenate([buffer[:depth], rows])
    return whole[-buffer.shape[0]:]


@row("scalar.loop.ScalarLoop")
def scalar_loop(op: Any, node: Apply, n_steps: Converted, *inputs: Converted) -> Sequence[Converted]:
    """A loop of scalars, for arrays of them too: each element goes on until its own condition or last step."""
    n_steps, *arrays = at.broadcast_arrays(n_steps, *inputs)
    count = len(op.fgraph.outputs) - op.is_while
    start, fixed = arrays[:count], arrays[count:]

    def step(k: Converted, done: Converted, *state: Converted) -> Any:
        active = at.and_(k < n_steps, at.invert(done))
        new = graph(op.fgraph, [*state, *fixed])
        kept = [at.switch(active, a, b) for a, b in zip(new, state)]
        done = at.or_(done, at.and_(active, new[-1])) if op.is_while else done
        return [done, *kept], gradc.scan.utils.until(at.all(at.or_(done, k + 1 >= n_steps)))

    started = at.zeros_like(n_steps, dtype="bool")
    made, _ = gradc.scan(step, sequences=[at.arange(at.max(n_steps))], outputs_info=[started, *start], return_list=True)
    whole = [at.concatenate([x[None], rows])[-1] for x, rows in zip([started, *start], made)]
    return [*whole[1:], whole[0]] if op.is_while else whole[1:]
