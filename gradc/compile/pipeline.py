"""The pipeline: an ingested request becomes a loaded kernel, through the six representations in order.

    1 key        digest of the ingested Program and everything that changes code -> one SHA-256
    2 obtain     runtime.build: a cached kernel, or (on a miss) one compiler run over what stages 3-5 make
    3 optimize   passes: Program -> Program
    4 lower      loops: Program -> Kernel (loop IR)
    5 generate   codegen: Kernel -> C text and manifest

On a warm hit only 1 and 2 run.  In: `Ingested`.  Out: `Compiled`, which also makes the later stages again on
demand (`f.maker.fgraph`, `f.c_source()`).  Not here: the request (ingest), the call (function).
"""

from __future__ import annotations

import gc
import hashlib
import importlib
import itertools
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from gradc.codegen.snippets import fault_of
from gradc.compile.ingest import Ingested
from gradc.compile.mode import Mode
from gradc.config import config
from gradc.errors import CompileError, InternalError, Unsupported
from gradc.ir import digest, ops
from gradc.ir.program import Program, with_sources
from gradc.runtime import build, toolchain
from gradc.target import TARGET

__all__ = ["Compiled", "Unsupported", "build_id", "key_of", "numbered", "paused_gc"]

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Compiled:
    """What came of a request: the kernel (or None for the interpreter), and the stages on the way."""

    def __init__(self, ingested: Ingested, name: str, mode: Mode) -> None:
        self.ingested = ingested
        self.name = name
        self.mode = mode
        self.flags = config.code_flags()        # as they were: stages may be made again later
        self.loaded: Any = None
        self.key = ""
        self.seconds: dict[str, float] = {}
        self._optimized: Program | None = None
        self._kernel: object = None

    @property
    def optimized(self) -> Program:
        """The Program that is run; the sources of its equations number the ingested Program's equations."""
        if self._optimized is None:
            program = numbered(self.ingested.program)
            if self.mode.optimizer is not None:
                with self._stage("optimize"), config.change_flags(**self.flags):
                    program = stages().optimize(program, checked=self.mode.checked or None,
                                                excluded=self.mode.excluded)
            self._optimized = program
        return self._optimized

    def kernel(self) -> Any:
        """The loop IR; Unsupported with the reason if the Program has no C form."""
        if self._kernel is None:
            program = self.optimized
            checked = bool(self.mode.checked) or "passes" in config.log.split(",")
            with self._stage("lower"):
                self._kernel = stages().lower(program, self.name, checked)
            if checked:
                stages().check(self._kernel)
        return self._kernel

    def unit(self) -> build.Unit:
        """The C unit, with what the call path must know: the checks by number, the count of sections."""
        kernel = self.kernel()
        with self._stage("generate"):
            made = stages().generate(kernel)
        manifest = {"checks": [[c.error, c.message, list(c.sources)] for c in made.checks],
                    "sections": made.sections, "routines": list(made.routines), "late": made.late,
                    "brief": made.brief, "known": made.known,
                    "calls": [self._calling(c.name, c.sources) for c in made.calls]}
        return build.Unit(made.text, manifest, made.constants, TARGET.level(made.statements, made.deepest))

    def _calling(self, name: str, sources: Sequence[int]) -> list[int]:
        """The numbers of the ingested equations behind a call of a user's Op; the first is that of the Op."""
        numbers = [k for k in sources if ops.user_op(self.ingested.equation(k).op) is not None]
        if not numbers:
            raise InternalError(f"no equation is known of {name}, which is called in Python; this is a bug in gradc, "
                                f"please report it")
        return [numbers[0], *[k for k in sources if k != numbers[0]]]

    def load(self) -> None:
        """Stages 1 and 2, and on a miss the others."""
        with paused_gc():
            with self._stage("key"):
                self.key = key_of(self.ingested, self.name, self.mode)
            with self._stage("obtain"):
                try:
                    self.loaded = build.obtain(self.key, self.unit)
                except CompileError as error:
                    raise fault_of(error, self.ingested.program) or error from None
        log("cache", f"{self.name}: {self.loaded.reason}, {self.loaded.path}")

    def forget(self) -> None:
        """Drop the intermediate stages (they are made again on demand)."""
        self._optimized = self._kernel = None

    @contextmanager
    def _stage(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[stage] = time.perf_counter() - start
        log("compile", f"{self.name}: {stage} {1e3 * self.seconds[stage]:.2f} ms")


def stages() -> ModuleType:
    """The module of stages 3 to 5, imported when it is first needed: on a warm start never."""
    return importlib.import_module("gradc.compile.stages")


def numbered(program: Program) -> Program:
    """`program` with each equation's own number as its source: the numbers an entry in the cache can hold."""
    number = itertools.count()
    return with_sources(program, lambda _: (next(number),))


def key_of(ingested: Ingested, name: str, mode: Mode) -> str:
    """The cache key: everything that changes the generated code."""
    parts = [digest.kernel_digest(ingested.program), ingested.results, ingested.update_inputs, mode.optimizer,
             mode.excluded, sorted(config.code_flags().items()), build_id(), toolchain.isa(), digest.sanitised(name)]
    return hashlib.sha256(json.dumps(parts, separators=(",", ":")).encode()).hexdigest()


_BUILD_ID: list[str] = []


def build_id() -> str:
    """Identity of this gradc: what setup.py wrote, or in a source tree path, size and mtime of every source."""
    if not _BUILD_ID:
        csrc = os.path.join(os.path.dirname(_ROOT), "csrc")
        written = os.path.join(_ROOT, "_build_id.txt")
        if not os.path.isdir(csrc) and os.path.exists(written):
            with open(written, encoding="ascii") as file:
                _BUILD_ID.append(file.read().strip())
        else:
            _BUILD_ID.append(hashlib.sha256(repr(_stat_list([_ROOT, csrc])).encode()).hexdigest())
    return _BUILD_ID[0]


def _stat_list(roots: list[str]) -> list[tuple[str, int, int]]:
    rows = []
    while roots:
        folder = roots.pop()
        if not os.path.isdir(folder):
            continue
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if entry.name != "__pycache__":
                        roots.append(entry.path)
                elif entry.name.endswith((".py", ".h", ".c", ".o")):
                    stat = entry.stat()
                    rows.append((entry.path, stat.st_size, stat.st_mtime_ns))
    return sorted(rows)


@contextmanager
def paused_gc() -> Iterator[None]:
    """No cyclic garbage collection while graphs grow: a walk over all live objects buys nothing there."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def log(topic: str, text: str) -> None:
    """One line on stderr if config.log names the topic."""
    if config.log and topic in config.log.split(","):
        print(f"gradc {topic}: {text}", file=sys.stderr)

