"""Run a compiler: argument vector in, exit status and the first part of its output out.

Here: `run`, which starts a program without a shell, in its own process group, with a time limit and a cap
on what is kept of its output.  Not here: which program, and what its failure means (`toolchain`, `build`).
`os.posix_spawn` is used rather than `subprocess`, whose import alone costs more than a warm start.
"""

from __future__ import annotations

import os
import select
import time
from _signal import SIGKILL, SIGPIPE  # `signal` wraps these in enums, which costs an import
from collections.abc import Mapping, Sequence

from gradc.record import record

_TICK = 0.05


@record
class Finished:
    """How a program ended: `status` as `os.waitstatus_to_exitcode` gives it, None if it was killed for time."""

    status: int | None
    output: str
    seconds: float

    @property
    def ending(self) -> str:
        """`ended with status 1`, `was killed by signal 11`, or `did not finish in time`, for messages."""
        if self.status is None:
            return f"did not finish within {self.seconds:.0f} s"
        if self.status < 0:
            return f"was killed by signal {-self.status}"
        return f"ended with status {self.status}"


def run(
    argv: Sequence[str], *, timeout: float, environment: Mapping[str, str] | None = None, keep: int = 16384
) -> Finished:
    """Run `argv` (its first item an absolute path) and wait; keeps the first `keep` bytes it prints.

    Nothing is read from standard input; standard output and error are taken together.  After `timeout`
    seconds, and on any exception here (such as KeyboardInterrupt), the whole process group is killed.
    Raises: OSError if the program can't be started.
    """
    started = time.monotonic()
    reader, writer = os.pipe()
    try:
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, writer, 1),
            (os.POSIX_SPAWN_DUP2, writer, 2),
        ]
        env = os.environ if environment is None else environment
        # Python ignores SIGPIPE, which children would inherit.
        pid = os.posix_spawn(argv[0], list(argv), env, file_actions=actions, setpgroup=0, setsigdef=[SIGPIPE])
    except BaseException:
        os.close(reader)
        raise
    finally:
        os.close(writer)
    output = bytearray()
    status: int | None = None
    finished = False
    try:
        poll = select.poll()
        poll.register(reader, select.POLLIN)
        deadline = started + timeout
        is_open = True
        pause = 0.0002
        while not finished and time.monotonic() < deadline:
            if is_open:
                # A surviving grandchild may hold the pipe open: the exit of the program itself ends the loop.
                if poll.poll(_TICK * 1000):
                    is_open = _take(reader, output, keep)
                    continue
            else:
                time.sleep(pause)
                pause = min(2 * pause, _TICK)
            finished, status = _reap(pid)
        if finished and is_open:
            while poll.poll(0) and _take(reader, output, keep):
                pass
    finally:
        os.close(reader)
        if not finished:
            _kill(pid)
    text = output.decode(errors="replace")
    return Finished(status if finished else None, text, time.monotonic() - started)


def _take(reader: int, output: bytearray, keep: int) -> bool:
    """Read once; False at the end of the output."""
    data = os.read(reader, 65536)
    output += data[: max(0, keep - len(output))]
    return bool(data)


def _reap(pid: int) -> tuple[bool, int | None]:
    try:
        done, raw = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:  # the host program ignores or reaps its children; the output file will tell
        return True, 0
    return done == pid, os.waitstatus_to_exitcode(raw) if done == pid else None


def _kill(pid: int) -> None:
    try:
        os.killpg(pid, SIGKILL)
        os.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError, PermissionError):
        pass
