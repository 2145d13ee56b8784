"""Where the time of a function goes: `f.profile`, for functions made with `profile=True`.

Calls, the time they took in all, and the part of it inside the kernel (or, interpreted, in the equations); the rest
is the call path: arguments checked, results allocated, locks of shared variables.  Not here: time of single sections
of a kernel, which is not measured, and the counting itself (csrc/call.c, `InterpretedFunction`).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TextIO

from gradc.record import record


@record
class Profile:
    """What a function has spent up to now; prints as a table.  Times are wall clock time, in seconds.

    calls:   all, also those that failed and those of bound calls
    total:   in the calls
    inside:  of that, in the kernel, all its threads at work; in NumPy where `route` is "interpret"
    compile: by stage; "compiler" is the C compiler's part of "obtain", absent if the kernel came from the cache
    """

    name: str
    route: str
    calls: int
    total: float
    inside: float
    compile: Mapping[str, float]

    def summary(self, file: TextIO | None = None) -> None:
        """Print the table, on stderr unless `file` says otherwise."""
        print(self, file=sys.stderr if file is None else file)

    def __str__(self) -> str:
        where = "in C" if self.route == "c" else "in NumPy"
        each = f", {1e6 * self.total / self.calls:.2f} us each" if self.calls else ""
        share = f", {100 * self.inside / self.total:.1f} %" if self.total else ""
        stages = ", ".join(f"{stage} {_text(seconds)}" for stage, seconds in self.compile.items())
        return "\n".join([f"Profile of function {self.name}",
                          f"  calls        {self.calls}, {_text(self.total)}{each}",
                          f"  {where:<12} {_text(self.inside)}{share}",
                          f"  around it    {_text(self.total - self.inside)}: arguments, memory of results, locks",
                          f"  compilation  {stages}"])


def _text(seconds: float) -> str:
    return f"{seconds:.3f} s" if seconds >= 1 else f"{1e3 * seconds:.3f} ms"
