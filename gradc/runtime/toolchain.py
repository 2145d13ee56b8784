"""The C compiler: which one, what it is, and the argument vector that compiles a unit.

In: flags of `gradc.config` (cc, cc_flags, cc_timeout, target) and the environment.  Out: a `Toolchain`, the
list of instruction sets to compile for, argument vectors.  Not here: running a compilation (`build`).
"""

from __future__ import annotations

import hashlib
import importlib.machinery
import os
import platform
import re
import shlex
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from gradc.config import config
from gradc.errors import CompileError, GraphError, ToolchainNotFoundError, quoted
from gradc.record import record
from gradc.runtime import sources
from gradc.runtime.process import run
from gradc.target import FAULTS

try:
    from gradc.runtime import _dispatch as dispatch  # type: ignore[attr-defined]
except ImportError:  # installed without a C compiler: no kernel can run, but the messages still work
    dispatch = None
else:
    sources.check(getattr(dispatch, "sources", ""), os.path.dirname(os.path.dirname(__file__)))

# Instruction sets that units are compiled for, as names of -m flags; a feature that changes no code we
# generate stays out, so that two machines which differ only in it share their kernels.
_V2 = ("sse3", "ssse3", "sse4.1", "sse4.2", "popcnt")
_V3 = ("avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe")
_V4 = ("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl")
LEVELS: dict[str, tuple[str, ...]] = {
    "x86-64": (),
    "x86-64-v2": _V2,
    "x86-64-v3": _V2 + _V3,
    "x86-64-v4": _V2 + _V3 + _V4,
}
# /proc/cpuinfo's spelling where it differs from the compiler's.
_LINUX_NAMES = {"pni": "sse3", "sse4_1": "sse4.1", "sse4_2": "sse4.2", "bmi1": "bmi", "abm": "lzcnt"}

# No fast-math in any form: linking with it switches denormals off for the whole process (crtfastmath.o).
CODE_FLAGS = (
    "-fPIC",
    "-shared",
    "-fvisibility=hidden",
    "-fopenmp-simd",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fwrapv",
    "-ffp-contract=off",  # what gcc does in ISO mode; clang would fuse multiplications and additions
)
_FAST_MATH = frozenset(("-ffast-math", "-Ofast", "-funsafe-math-optimizations", "-mdaz-ftz"))
# Variables that make a compiler write files elsewhere or change what is linked.
_DROPPED_VARIABLES = frozenset(("DEPENDENCIES_OUTPUT", "SUNPRO_DEPENDENCIES", "LD_RUN_PATH", "GCC_COMPARE_DEBUG"))
_PROBE_SECONDS = 20.0

Stamp = tuple[str, int, int, int]  # path, inode, size, mtime in ns


@record
class Toolchain:
    """A C compiler: how to call it, and what it is.

    `identity` is a digest of its version text and of the programs behind the driver (cc1, as, ld); `files`
    are those programs with the stamps by which a later process sees that nothing changed.
    """

    command: tuple[str, ...]
    kind: str
    version: str
    identity: str
    files: tuple[Stamp, ...]

    @property
    def path(self) -> str:
        """The driver's absolute path."""
        return self.command[0]

    def record(self) -> dict[str, Any]:
        """What an entry's manifest says about the compiler, for `is_current`."""
        return {
            "command": list(self.command),
            "kind": self.kind,
            "version": self.version,
            "identity": self.identity,
            "files": [list(stamp) for stamp in self.files],
        }


# Compilers of this process that were asked what they are; used while their files' stamps stay the same.
_KNOWN: dict[tuple[str, ...], Toolchain] = {}


def locate() -> tuple[str, ...] | None:
    """The command of the C compiler without running it: config.cc, $CC, cc, gcc, clang, ziglang; or None.

    Raises: ToolchainNotFoundError if config.cc names a program that is not there.
    """
    path = os.environ.get("PATH", os.defpath)
    if config.cc:
        command = _command(config.cc, path)
        if command is None:
            raise ToolchainNotFoundError(
                f"config.cc (GRADC_CC) is {quoted(config.cc)}, but no such program was found; give the path of a C "
                f"compiler"
            )
        return command
    for text in (os.environ.get("CC", ""), "cc", "gcc", "clang"):
        command = _command(text, path) if text else None
        if command is not None:
            return command
    return _zig()


def find() -> Toolchain:
    """The C compiler, identified.

    Raises: ToolchainNotFoundError if there is none; CompileError if it does not answer.
    """
    command = locate()
    if command is None:
        raise ToolchainNotFoundError(
            "no C compiler was found (looked for config.cc, $CC, cc, gcc and clang on PATH, and the module ziglang); "
            "install one (`apt install gcc` or `pip install gradc[compiler]`), or set GRADC_CC to its path"
        )
    known = _KNOWN.get(command)
    if known is None or not _unchanged(known.files):
        known = _KNOWN[command] = _identify(command)
    return known


def is_current(record: dict[str, Any]) -> bool:
    """True if the compiler of a manifest is the present one, or if there is none now.

    The usual answer costs a few stat calls; the compiler is run only if one of its files changed.
    """
    try:
        command = locate()
        if command is None:
            return True
        if list(command) == record["command"] and _unchanged(record["files"]):
            return True
        return find().identity == record["identity"]
    except CompileError:  # config.cc is not there, or the compiler does not answer: nothing could be built anew
        return True


def isa() -> list[str]:
    """The instruction sets to compile for: this CPU's, or those of config.target.

    Raises: GraphError if config.target is unknown or this CPU lacks part of it.
    """
    present = cpu_isa()
    target = config.target
    if not target:
        return list(present)
    if target not in LEVELS:
        raise GraphError(f"config.target (GRADC_TARGET) must be one of {', '.join(LEVELS)}, got {quoted(target)}")
    missing = [name for name in LEVELS[target] if name not in present]
    if missing:
        raise GraphError(
            f"config.target (GRADC_TARGET) is {target}, but this CPU lacks {', '.join(missing)}; choose a lower level"
        )
    return list(LEVELS[target])


def runs_here(names: Iterable[str]) -> bool:
    """True if this CPU has every instruction set of a manifest."""
    return set(names) <= set(cpu_isa())


@cache
def cpu_isa() -> tuple[str, ...]:
    """This CPU's instruction sets, of those that units are compiled for."""
    if dispatch is not None:
        features = set(dispatch.cpu_features())
    elif platform.machine() in ("x86_64", "AMD64"):
        features = _linux_features()
    else:
        features = set()
    return tuple(name for name in LEVELS["x86-64-v4"] if name in features)


def unit_flags(toolchain: Toolchain, optimize: str = "-O3", target: Sequence[str] | None = None) -> list[str]:
    """The flags that make a unit's code what it is: language, optimisation, instruction sets, user's flags.

    target: instruction sets other than this CPU's.

    Raises: CompileError if config.cc_flags asks for fast-math.
    """
    extra = config.cc_flags.split()
    if bad := _FAST_MATH.intersection(extra):
        raise CompileError(
            f"config.cc_flags (GRADC_FLAGS) has {', '.join(sorted(bad))}, which would flush denormals to zero in the "
            "whole process; remove it"
        )
    # zig compiles for the CPU at hand unless told otherwise, the others for the least one.
    base = ["-mcpu=baseline"] if toolchain.kind == "zig" else []
    sets = isa() if target is None else target
    # Jump threading takes loops apart that would be vectors.
    gcc = ["-fno-thread-jumps"] if toolchain.kind == "gcc" else []
    gcc += [fault.flag for fault in FAULTS if fault.kind == toolchain.kind and fault.needs in ("", *sets)]
    math = ["-DGRADC_MATH_ACCURATE"] if config.math == "accurate" else []           # see gradc_math.h
    return ["-std=c11", optimize, *CODE_FLAGS, *gcc, *base, *math, *(f"-m{name}" for name in sets), *extra]


def unit_argv(
    toolchain: Toolchain, source: str, output: str, *, objects: Sequence[str] = (), optimize: str = "-O3"
) -> list[str]:
    """The argument vector that compiles `source`, links it with `objects` and writes the shared object `output`."""
    return [
        *toolchain.command,
        *unit_flags(toolchain, optimize),
        f"-I{include_dir()}",
        "-o",
        output,
        source,
        *objects,
        *link_flags(toolchain),
    ]


def link_flags(toolchain: Toolchain) -> list[str]:
    """The end of the link line.

    `-z now` makes a missing symbol a failed load instead of a crash at a call (`--no-undefined` can't be had: the
    wrapper's references to Python are resolved by the interpreter); `-z noseparate-code` makes files smaller and
    loading faster, but zig does not know it.
    """
    small = ["-Wl,-z,noseparate-code"] if toolchain.kind in ("gcc", "clang") else []
    return ["-Wl,-z,now", *small, "-lm"]


def include_dir() -> str:
    """Where gradc's C headers are: package data, or csrc/include of a source tree."""
    here = os.path.dirname(os.path.abspath(__file__))
    installed = os.path.join(here, "include")
    if os.path.exists(os.path.join(installed, "gradc_runtime.h")):
        return installed
    return os.path.join(os.path.dirname(os.path.dirname(here)), "csrc", "include")


def environment(scratch: str) -> dict[str, str]:
    """The environment of a compiler run: untranslated messages, temporary files in `scratch`."""
    env = {name: value for name, value in os.environ.items() if name not in _DROPPED_VARIABLES}
    env["LC_ALL"] = "C"
    env["TMPDIR"] = scratch
    if "HOME" not in env:  # zig refuses to work without a place for its own cache
        env.setdefault("ZIG_GLOBAL_CACHE_DIR", os.path.join(scratch, "zig"))
    return env


def stamp(path: str) -> Stamp:
    """Path, inode, size and mtime (links followed): what changes when a program is replaced; zeros if it is gone."""
    try:
        info = os.stat(path)
    except OSError:
        return path, 0, 0, 0
    return path, info.st_ino, info.st_size, info.st_mtime_ns


def _unchanged(files: Iterable[Sequence[Any]]) -> bool:
    return all(stamp(file[0]) == tuple(file) for file in files)


def _command(text: str, path: str) -> tuple[str, ...] | None:
    """`text` as one program's name or path (which may hold blanks), else as a program and its arguments."""
    program = _which(text, path)
    if program is not None:
        return (program,)
    try:
        words = shlex.split(text)
    except ValueError:
        return None
    program = _which(words[0], path) if len(words) > 1 else None
    return (program, *words[1:]) if program is not None else None


def _which(name: str, path: str) -> str | None:
    folders = [""] if os.sep in name else [folder for folder in path.split(os.pathsep) if folder]
    for folder in folders:
        candidate = f"{folder}/{name}" if folder else name
        if os.access(candidate, os.X_OK) and os.path.isfile(candidate):
            return os.path.abspath(candidate)
    return None


def _zig() -> tuple[str, ...] | None:
    spec = importlib.machinery.PathFinder.find_spec("ziglang")
    if spec is None or not spec.submodule_search_locations:
        return None
    program = _which(os.path.join(next(iter(spec.submodule_search_locations)), "zig"), "")
    return (program, "cc") if program is not None else None


def _identify(command: tuple[str, ...]) -> Toolchain:
    """Ask the compiler what it is."""
    # -### prints the commands that a compilation would run (compiler proper, assembler, linker), runs none.
    argv = [*command, "-###", "-x", "c", "-shared", "-o", os.devnull, os.devnull]
    env = environment(os.environ.get("TMPDIR", "/tmp"))
    try:
        answer = run(argv, timeout=min(_PROBE_SECONDS, config.cc_timeout), environment=env, keep=1 << 18)
    except OSError as error:
        raise CompileError(f"the C compiler {command[0]} can't be run: {error}", tuple(argv)) from error
    if answer.status is None:
        raise CompileError(
            f"the C compiler {command[0]} {answer.ending} when asked for its version; set GRADC_CC to another one",
            tuple(argv),
            answer.output,
        )
    lines = answer.output.splitlines()  # whatever the status: zig answers, and then fails
    version = next((line.strip() for line in lines if re.search(r"\b(gcc|clang) version\b", line)), "")
    target = next((line.strip() for line in lines if line.startswith("Target:")), "")
    if not version:
        kind = "unknown"
    elif os.path.basename(command[0]) == "zig":
        kind = "zig"
    else:
        kind = "clang" if "clang version" in version else "gcc"
    programs = {command[0]: stamp(command[0])}
    for line in lines:
        if line.startswith(" "):
            program = _first_word(line)
            if program is not None:
                programs.setdefault(program, stamp(program))
    if version and (linker := _which("ld", os.environ.get("PATH", os.defpath))):
        linker = os.path.realpath(linker)
        programs.setdefault(linker, stamp(linker))
    files = tuple(sorted(programs.values()))
    facts = [kind, version, target, *command[1:]]
    facts += sorted(f"{size} {mtime}" for _, _, size, mtime in files)
    identity = hashlib.sha256("\n".join(facts).encode()).hexdigest()
    return Toolchain(command, kind, version, identity, files)


def _first_word(line: str) -> str | None:
    try:
        words = shlex.split(line)
    except ValueError:
        return None
    program = _which(words[0], os.environ.get("PATH", os.defpath)) if words else None
    return os.path.realpath(program) if program is not None else None


def _linux_features() -> set[str]:
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith("flags"):
                    return {_LINUX_NAMES.get(name, name) for name in line.partition(":")[2].split()}
    except OSError:
        pass
    return set()
