"""Every exception class of gradc, in one tree, each with a fixed code.

A message is one sentence: what was expected, what was found, where (`model.py:12`), and what to do.
Here: classes, what formats the parts of a message (`at`: a source line, `user_line`: the one being run; `shown`,
`listed`: names; `fill`: values), and the few texts that several places say.  Not here: the others, which belong to the
place that detects the fault.
"""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import islice
from types import FrameType

import numpy as np

# Said where the sizes that differ include a 1.
SIZE_ONE = "; a size 1 broadcasts only if the type says 1 (addbroadcast states it)"
NEGATIVE_STEPS = "{}: the number of steps is {{0}}; it must not be negative"
FEW_ROWS = "{}: the sequence {} has {{0}} rows, fewer than the {{1}} steps"


class GradcError(Exception):
    """Root of all errors raised by gradc."""

    code = "E000"


class GraphError(GradcError):
    """The expression graph can't be built or compiled as asked."""

    code = "E100"


class MissingInputError(GraphError):
    """A variable is needed to compute the outputs, but is neither an input nor a constant."""

    code = "E101"


class UnusedInputError(GraphError):
    """An input of `function` is not used by any output."""

    code = "E102"


class InconsistencyError(GraphError):
    """A replacement would make the graph cyclic or otherwise meaningless."""

    code = "E103"


class TypeMismatchError(GraphError, TypeError):
    """A variable or value has a type (dtype, rank) that its place does not accept."""

    code = "E104"


class LoopError(TypeMismatchError, ValueError):
    """A `scan` or `ifelse` can't be built as asked: its arguments, or what the step returns, do not fit."""

    code = "E105"


class NumberRangeError(GraphError, OverflowError):
    """A Python number does not fit in the dtype that `config.cast_policy` gives it."""

    code = "E106"


class ShapeError(GradcError, ValueError):
    """Shapes do not fit, at build or at call."""

    code = "E110"


class NotScalarConstantError(GradcError):
    """A value was needed at build time, but the variable is not a scalar constant."""

    code = "E111"


class GradientError(GradcError):
    """A derivative can't be built."""

    code = "E200"


class NonScalarCostError(GradientError, TypeError):
    """`grad` was asked for the gradient of something that is not a scalar."""

    code = "E201"


class DisconnectedInputError(GradientError, ValueError):
    """The cost does not depend on a variable that `grad` was asked to differentiate by."""

    code = "E202"


class NullTypeGradError(GradientError, TypeError):
    """The gradient by a variable is undefined."""

    code = "E203"


class NotDifferentiableError(GradientError):
    """An operation on the path has no derivative."""

    code = "E204"


class WrongGradientError(GradientError):
    """A gradient differs from finite differences: where (`arg`, `err_pos`) and by how much."""

    code = "E205"

    def __init__(self, arg: int, err_pos: tuple[int, ...], shape: tuple[int, ...], val1: float, val2: float,
                 abs_err: float, rel_err: float, abs_tol: float, rel_tol: float) -> None:
        where = f" at index {err_pos} of shape {shape}" if shape else ""
        super().__init__(f"the gradient by input {arg}{where} is {val1:.9g}, but finite differences give {val2:.9g}: "
                         f"absolute error {abs_err:.3g} (allowed: {abs_tol:g}), relative error {rel_err:.3g} (allowed: "
                         f"{rel_tol:g})")
        self.arg, self.err_pos, self.shape = arg, err_pos, shape
        self.val1, self.val2 = val1, val2
        self.abs_err, self.rel_err, self.abs_tol, self.rel_tol = abs_err, rel_err, abs_tol, rel_tol

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return type(self), (self.arg, self.err_pos, self.shape, self.val1, self.val2, self.abs_err, self.rel_err,
                            self.abs_tol, self.rel_tol)


class InternalError(GradcError):
    """A bug in gradc; please report it together with the printed Program."""

    code = "E300"


class ProgramCheckError(InternalError):
    """A Program is not well formed after a pass."""

    code = "E301"


class KernelCheckError(InternalError):
    """A loop-IR Kernel is not well formed."""

    code = "E302"


class ScheduleCheckError(InternalError):
    """A schedule is not well formed after one of its steps."""

    code = "E304"


class NoRuleError(InternalError):
    """An op kind has no entry in a table."""

    code = "E303"


class CompileError(GradcError):
    """The C compiler failed; carries its command line and output."""

    code = "E400"

    def __init__(self, message: str, command: tuple[str, ...] = (), output: str = "") -> None:
        super().__init__(message)
        self.command = command
        self.output = output


class ToolchainNotFoundError(CompileError):
    """C code was asked for, but no C compiler was found."""

    code = "E401"


class CacheError(CompileError):
    """The kernel cache is unusable; raised only when GRADC_CACHE_ERRORS=1, else a warning."""

    code = "E402"


class ExecutionError(GradcError):
    """A call of a compiled function failed."""

    code = "E500"


class BadArgumentError(ExecutionError, TypeError):
    """An argument of a call has the wrong dtype, rank or kind."""

    code = "E501"


class IndexOutOfBoundsError(ExecutionError, IndexError):
    """An index is outside the array at run time."""

    code = "E502"


class AssertionFailedError(ExecutionError, AssertionError):
    """A user's `Assert` failed at run time."""

    code = "E503"


class LinAlgError(ExecutionError, np.linalg.LinAlgError):
    """A factorisation failed at run time."""

    code = "E504"


class BadValueError(ExecutionError, ValueError):
    """A number that says what to do (a count, a step, a probability) is outside the range allowed for it."""

    code = "E505"


class Unsupported(Exception):
    """A Program has something that has no C form; the text says what.  Never reaches users."""


class GradcWarning(UserWarning):
    """Root of gradc's warnings."""


class ToolchainWarning(GradcWarning):
    """No C compiler was found: functions run in the (slow) interpreter."""


class CacheWarning(GradcWarning):
    """The kernel cache can't be used as asked; the computation goes on without it."""


LISTED = 20         # names in a list of a message
SHOWN = 60          # characters of a name in a message


def shown(name: object) -> str:
    """A user's name in a message: on one line, and cut if it is long."""
    text = "".join([c if c.isprintable() else ascii(c)[1:-1] for c in str(name)[:SHOWN + 1]])
    return text if len(text) <= SHOWN else f"{text[:SHOWN - 3]}..."


def quoted(value: object) -> str:
    """A user's value in a message, as Python writes it: on one line, and cut if it is long."""
    return shown(repr(value))


def listed(names: Collection[object]) -> str:
    """Names of the user's in a message: the first ones of many."""
    more = f", and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return (", ".join([shown(name) for name in islice(names, LISTED)]) or "none") + more


SourceLine = tuple[str, int]

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_IN_PACKAGE: dict[str, bool] = {}       # by file name


def is_user_frame(frame: FrameType) -> bool:
    """Is it code outside gradc that runs in the frame?"""
    name = frame.f_code.co_filename
    inside = _IN_PACKAGE.get(name)
    if inside is None:
        inside = _IN_PACKAGE[name] = name.startswith(_PACKAGE)
    return not inside


_told: ContextVar[SourceLine | None] = ContextVar("where the user wrote what is built", default=None)


@contextmanager
def written_at(line: SourceLine | None) -> Iterator[None]:
    """What is built in this context was written by the user at this line (None: where it is built)."""
    token = _told.set(line)
    try:
        yield
    finally:
        _told.reset(token)


def user_line() -> SourceLine | None:
    """(file, line) of the innermost frame outside gradc: where the user wrote it."""
    told = _told.get()
    if told is not None:
        return told
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if not _IN_PACKAGE.get(frame.f_code.co_filename) and is_user_frame(frame):
            return frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back
    return None


class _Shown(int):
    """A value in a message: an integer, or with the format `float` the double of these bits."""

    def __format__(self, spec: str) -> str:
        return repr(struct.unpack("d", struct.pack("q", self))[0]) if spec == "float" else str(int(self))


def literal(text: str) -> str:
    """`text` as part of a format string."""
    return text.replace("{", "{{").replace("}", "}}")


def fill(message: str, values: Iterable[float]) -> str:
    """A format string with its values: integers, and where it says `{0:float}` floats or the bits of doubles."""
    bits = [struct.unpack("q", struct.pack("d", v))[0] if isinstance(v, float) else v for v in values]
    return message.format(*map(_Shown, bits))


def at(source: SourceLine | None) -> str:
    """Text ` (model.py:12)` for a source line, or nothing."""
    return f" ({source[0]}:{source[1]})" if source else ""
