"""`map, reduce, foldl, foldr`: loops of a simpler shape, spelled with `scan`."""

from __future__ import annotations

from gradc.control.scan import Outputs, StepFunction, Taken, build, scan


def map(fn: StepFunction, sequences: Taken, non_sequences: Taken = None, truncate_gradient: int = -1,
        go_backwards: bool = False, mode: object = None, name: str | None = None) -> Outputs:
    """`fn` of each row of the sequences: `(outputs, updates)`, as `scan` without anything fed back."""
    return scan(fn, sequences, None, non_sequences, truncate_gradient=truncate_gradient, go_backwards=go_backwards,
                name=name)


def reduce(fn: StepFunction, sequences: Taken, outputs_info: Taken, non_sequences: Taken = None,
           go_backwards: bool = False, mode: object = None, name: str | None = None) -> Outputs:
    """What `fn` makes of the initial values and all rows of the sequences: `(last outputs, updates)`.

    Arguments as those of `scan`; one output is not wrapped in a list.  Shapes: those of the step's results.
    Sequences without rows give the initial values (IndexOutOfBoundsError for an output that is not fed back).
    """
    loop = build(fn, sequences, outputs_info, non_sequences, go_backwards=go_backwards, name=name)
    last = [rows[-1] if value is None else value for rows, value in zip(loop.stacked, loop.last)]
    return (last[0] if len(last) == 1 else last), loop.updates


def foldl(fn: StepFunction, sequences: Taken, outputs_info: Taken, non_sequences: Taken = None, mode: object = None,
          name: str | None = None) -> Outputs:
    """`reduce` from the first row to the last."""
    return reduce(fn, sequences, outputs_info, non_sequences, name=name)


def foldr(fn: StepFunction, sequences: Taken, outputs_info: Taken, non_sequences: Taken = None, mode: object = None,
          name: str | None = None) -> Outputs:
    """`reduce` from the last row to the first."""
    return reduce(fn, sequences, outputs_info, non_sequences, go_backwards=True, name=name)
