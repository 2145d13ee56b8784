"""From C text to a loaded kernel, by way of the cache.

`obtain(key, generate)` gives the kernel of a key: loaded from the cache, or generated, compiled, stored and
loaded.  A kernel is a cffi API-mode module `_gradc_kernel` with the entry signature of gradc_entry.h: its
wrapper was compiled when gradc was installed (`_gradc_wrapper.o`) and is linked to each unit in one compiler
run.  Where that object does not fit, a child process has cffi and setuptools compile wrapper and unit.

In: keys, `Unit`.  Out: `Loaded`, with the addresses of gradc_prepare and gradc_entry.  Not here: what goes
into a key, what a manifest's `unit` part means (`gradc.compile`).  Kernels are never unloaded.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shlex
import sys
import time
from _thread import allocate_lock  # `threading` costs an import that a warm start does not otherwise need
from collections.abc import Callable, Sequence
from importlib.machinery import ExtensionFileLoader, ModuleSpec
from typing import Any

import _cffi_backend  # noqa: F401  (each wrapper imports it: once, here, outside the loading lock)
import numpy as np

from gradc.config import config
from gradc.errors import CompileError
from gradc.record import fresh, record
from gradc.runtime import cache, folders, toolchain
from gradc.runtime.entry import Entry, Manifest, pack, read, unpack
from gradc.runtime.process import Finished, run

_MODULE = "_gradc_kernel"
_KEY = re.compile(r"[0-9a-f]{64}")
_SHOWN_LINES = 5
_HERE = os.path.dirname(os.path.abspath(__file__))
_WRAPPER = os.path.join(_HERE, "_gradc_wrapper.o")
_CHILD = os.path.join(_HERE, "_child.py")
# What a child interpreter runs: the parent's module search path, then the script.
_CHILD_START = (
    "import json, runpy, sys; sys.path[:] = json.loads(sys.argv[2])['path']; "
    "runpy.run_path(sys.argv[1], run_name='__main__')"
)

# Kernels loaded by this process: path -> (digest of the entry, module).  The dynamic linker never looks at a
# path twice, so this also says which names are used up.
_LOADED: dict[str, tuple[bytes, object]] = {}
_LOADING = [allocate_lock()]


def _after_fork() -> None:
    _LOADING[0] = allocate_lock()


os.register_at_fork(after_in_child=_after_fork)


@record
class Unit:
    """One C translation unit and what travels with it; the manifest must be plain JSON data."""

    text: str
    manifest: Manifest
    constants: Sequence[np.ndarray] = ()
    optimize: str = "-O3"


@record
class Loaded:
    """A kernel in memory.

    `prepare` and `entry` are the addresses of its two functions, `manifest` and `constants` what `generate`
    gave (through JSON and read-only, whether the kernel is new or not), `seconds` what the compiler took,
    `reason` why it was compiled ("hit" if it was not), `build` the rest of the entry's manifest (key, isa,
    compiler, flags, source).  `keep` must live as long as the addresses are used.
    """

    prepare: int
    entry: int
    manifest: Manifest
    constants: list[np.ndarray]
    cached: bool
    path: str
    seconds: float
    keep: Any
    reason: str = "hit"
    build: Manifest = fresh(factory=dict)


def obtain(key: str, generate: Callable[[], Unit]) -> Loaded:
    """The kernel of `key` (64 hexadecimal digits): from the cache, else from the unit that `generate` makes.

    Processes and threads that ask for one key at a time compile it once; the others wait.
    Raises: CompileError if the compiler fails; ToolchainNotFoundError if there is none and the kernel is not
    in the cache; CacheError for any fault of the cache, with config.cache_errors (else it is a CacheWarning
    and the kernel lives in a private directory); whatever `generate` raises.
    """
    if not _KEY.fullmatch(key):
        raise ValueError(f"a kernel's key is 64 hexadecimal digits, got {key!r}")
    stores = _stores()
    found, loaded = _find(stores, key, again=False)
    if loaded is None:
        compiler = toolchain.find()
        with stores[0].lock(key):
            found, loaded = _find(stores, key, again=True)
            if loaded is None:
                cache.COUNTERS["misses"] += 1
                return _make(stores[0], key, generate(), compiler, found)
    cache.COUNTERS["hits"] += 1
    return loaded


def copied(kernel: Loaded) -> Loaded:
    """Another copy of a kernel in memory, whose static data are its own.

    Raises: CompileError if its entry has gone from the cache.
    """
    try:
        data = read(kernel.path)
        entry = unpack(kernel.path, data) if data is not None else None
        if entry is None:
            raise CompileError(f"the kernel {kernel.path} can't be loaded again: its entry in the cache is damaged")
        return _loaded(entry, _import_from_memory(entry), kernel.path, cached=True, seconds=0.0, reason="hit")
    except (OSError, ImportError) as error:
        raise CompileError(f"the kernel {kernel.path} can't be loaded again: {error}") from error


def stats() -> dict[str, int]:
    """How often this process found a kernel in the cache (hits), did not (misses), found it damaged (corrupt)
    and ran the compiler (compiled)."""
    return dict(cache.COUNTERS)


# ---- finding -----------------------------------------------------------------------------------------


def _stores() -> list[cache.KernelStore]:
    """The directories to look in; new kernels go to the first."""
    try:
        main = cache.main_store()
    except OSError as error:
        folders.fault(error)
        return [_private()]
    private = cache.private_store(make=False)
    return [main] if private is None else [main, private]


def _private() -> cache.KernelStore:
    try:
        store = cache.private_store()
    except OSError as error:
        raise CompileError(f"there is no directory to compile in: {error}; set TMPDIR to one with space") from error
    assert store is not None
    return store


def _find(stores: Sequence[cache.KernelStore], key: str, *, again: bool) -> tuple[cache.Search, Loaded | None]:
    """What the first store says about `key`, and the kernel if any store has it."""
    first: cache.Search | None = None
    for store in stores:
        looked = store.lookup(key, _objection, again=again)
        first = first or looked
        if looked.entry is not None:
            try:
                module = _load(looked.entry)
            except ImportError as error:  # the C library lacks a symbol that the kernel needs
                unfit = (*looked.unfit, looked.entry.path)
                first = cache.Search(None, unfit, f"it can't be loaded here: {error}")
                continue
            for path in looked.unfit:
                folders.unlink(path)
            return first, _loaded(looked.entry, module, looked.entry.path, cached=True, seconds=0.0, reason="hit")
    assert first is not None
    return first, None


def _objection(manifest: Manifest) -> str:
    """Why an undamaged entry can't be used by this process; nothing if it can."""
    try:
        if not toolchain.runs_here(manifest["isa"]):
            return "the entry needs instructions that this CPU lacks"
        if not toolchain.is_current(manifest["compiler"]):
            return "the entry was made by another compiler"
    except (KeyError, TypeError):
        return "the entry's manifest is incomplete"
    return ""


# ---- making ------------------------------------------------------------------------------------------


def _make(store: cache.KernelStore, key: str, unit: Unit, compiler: toolchain.Toolchain, found: cache.Search) -> Loaded:
    """Compile in `store`, or in the private one if that turns out to be unusable."""
    try:
        return _compile_into(store, key, unit, compiler, found)
    except OSError as error:
        private = _private()
        if store == private:
            raise CompileError(f"the kernel can't be compiled in {store.path}: {error}") from error
        folders.fault(error, store.path)
        return _compile_into(private, key, unit, compiler, cache.Search(None, (), found.reason))


def _compile_into(
    store: cache.KernelStore, key: str, unit: Unit, compiler: toolchain.Toolchain, found: cache.Search
) -> Loaded:
    """Compile, load and publish `unit`.

    Raises: OSError if the directory is to blame; CompileError if the unit or the compiler is.
    """
    with store.staging() as folder:
        source = os.path.join(folder, "unit.c")
        output = os.path.join(folder, "unit.so")
        with open(source, "x", encoding="utf-8") as file:
            file.write(unit.text)
        cache.COUNTERS["compiled"] += 1
        started = time.perf_counter()
        route = _compile(compiler, unit, source, output, store, key)
        seconds = time.perf_counter() - started
        with open(output, "rb") as file:
            code = file.read()
        manifest = {
            "key": key,
            "isa": toolchain.isa(),
            "compiler": compiler.record(),
            "flags": toolchain.unit_flags(compiler, unit.optimize),
            "source": hashlib.sha256(unit.text.encode()).hexdigest(),
            "route": route,
            "unit": unit.manifest,
        }
        packed = pack(code, manifest, unit.constants)
        staged = os.path.join(folder, "entry.so")
        fd = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(fd, "wb") as file:
            file.write(packed)
            file.flush()
            os.fsync(fd)
        entry = unpack(staged, packed)
        assert entry is not None
        try:
            module = _load(entry)
        except ImportError as error:
            raise CompileError(
                f"the compiled kernel can't be loaded: {error}; C file: {_kept(store, key, unit)}"
            ) from error
        path = store.publish(key, staged, found.unfit, _LOADED.__contains__)
        _LOADED[path] = (entry.digest, module)
    return _loaded(entry, module, path, cached=False, seconds=seconds, reason=found.reason)


def _compile(compiler: toolchain.Toolchain, unit: Unit, source: str, output: str, store: cache.KernelStore,
             key: str) -> str:
    """Make the shared object; returns the route taken, `object` or `child`."""
    folder = os.path.dirname(output)
    environment = toolchain.environment(folder)
    argv: list[str] = []
    ended: Finished | None = None
    if os.path.exists(_WRAPPER):
        argv = toolchain.unit_argv(compiler, source, output, objects=[_WRAPPER], optimize=unit.optimize)
        ended = _run(argv, environment)
        if ended.status == 0 and _has_content(output):
            return "object"
        _raise_if_full(folder, ended.output)
        if ended.status is None or not _compiles_alone(argv, output, environment):
            raise _compile_error(argv, ended, _kept(store, key, unit))
    child_argv, child_environment = _child(compiler, unit, source, output, environment)
    child_ended = _run(child_argv, child_environment)
    if child_ended.status == 0 and _has_content(output):
        return "child"
    _raise_if_full(folder, child_ended.output)
    if ended is not None:  # what went wrong first says more
        raise _compile_error(argv, ended, _kept(store, key, unit))
    raise _compile_error(child_argv, child_ended, _kept(store, key, unit))


def _run(argv: Sequence[str], environment: dict[str, str]) -> Finished:
    try:
        return run(argv, timeout=config.cc_timeout, environment=environment)
    except OSError as error:
        raise CompileError(f"the C compiler {argv[0]} can't be run: {error}", tuple(argv)) from error


def _compiles_alone(argv: Sequence[str], output: str, environment: dict[str, str]) -> bool:
    """Is the unit itself fine, so that the wrapper object is what does not fit?"""
    alone = [word for word in argv if word != _WRAPPER and word != "-shared" and not word.startswith("-Wl,")]
    alone[alone.index(output)] = output + ".o"
    return _run([*alone, "-c"], environment).status == 0


def _child(
    compiler: toolchain.Toolchain, unit: Unit, source: str, output: str, environment: dict[str, str]
) -> tuple[list[str], dict[str, str]]:
    """Argument vector and environment of a process in which cffi and setuptools compile wrapper and unit."""
    python = sys.executable
    if not python:
        raise CompileError(
            "gradc's wrapper object does not fit this compiler, and this program has no Python interpreter "
            "(sys.executable) to compile another one; reinstall gradc with this compiler, or set GRADC_CC"
        )
    include = toolchain.include_dir()
    job = {
        "path": sys.path,
        "declarations": os.path.join(include, "gradc_entry.h"),
        "module": _MODULE,
        "source": source,
        "output": output,
        "include": include,
        "compile_flags": [flag for flag in toolchain.unit_flags(compiler, unit.optimize) if flag != "-shared"],
        "link_flags": toolchain.link_flags(compiler),
    }
    command = shlex.join(compiler.command)
    environment = {**environment, "CC": command, "LDSHARED": f"{command} -shared"}
    return [python, "-I", "-c", _CHILD_START, _CHILD, json.dumps(job)], environment


def _has_content(path: str) -> bool:
    try:
        return os.path.getsize(path) > 0
    except OSError:
        return False


def _raise_if_full(folder: str, output: str) -> None:
    """Raise OSError if a compiler run failed for want of disk space, or because its directory was swept away."""
    info = os.statvfs(folder)
    few = info.f_bavail * info.f_frsize < 1 << 16 or (info.f_files > 0 and info.f_favail == 0)
    if few or "No space left on device" in output or "Disk quota exceeded" in output:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), folder)


def _kept(store: cache.KernelStore, key: str, unit: Unit) -> str:
    return store.keep_failed(key, unit.text) or "not kept (no place to write it)"


def _compile_error(argv: Sequence[str], ended: Finished, kept: str) -> CompileError:
    lines = [line for line in ended.output.splitlines() if line.strip()]
    shown = [line[:200] for line in lines[:_SHOWN_LINES]]
    if len(lines) > _SHOWN_LINES:
        shown.append("...")
    what = "wrote no shared object" if ended.status == 0 else ended.ending
    hint = " (GRADC_CC_TIMEOUT)" if ended.status is None else ""
    head = f"the C compiler {argv[0]} {what}{hint}; C file: {kept}; command: {shlex.join(argv)}"
    return CompileError("\n  ".join([head, *shown]), tuple(argv), ended.output)


# ---- loading -----------------------------------------------------------------------------------------


def _load(entry: Entry) -> object:
    """The cffi module of a verified entry.

    Raises: ImportError if it can't be loaded, neither from its file nor from memory.
    """
    with _LOADING[0]:
        known = _LOADED.get(entry.path)
        if known is None:
            try:
                module = _import(entry.path)
            except ImportError:  # a noexec file system, or just evicted
                module = _import_from_memory(entry)
        elif known[0] == entry.digest:
            return known[1]
        else:  # the linker would give the older code for this path
            module = _import_from_memory(entry)
        _LOADED[entry.path] = (entry.digest, module)
        return module


def _import(path: str) -> object:
    loader = ExtensionFileLoader(_MODULE, path)
    try:
        module = loader.create_module(ModuleSpec(_MODULE, loader, origin=path))
        loader.exec_module(module)
    finally:
        sys.modules.pop(_MODULE, None)
        sys.modules.pop(f"{_MODULE}.lib", None)
    return module


def _import_from_memory(entry: Entry) -> object:
    """Load a copy in an anonymous file; its descriptor stays open, or the path would be used again."""
    try:
        fd = os.memfd_create(_MODULE, os.MFD_CLOEXEC)
        with open(fd, "wb", closefd=False) as file:
            file.write(entry.data)
    except OSError as error:
        raise ImportError(str(error)) from error
    return _import(f"/proc/self/fd/{fd}")


def _loaded(entry: Entry, module: Any, path: str, *, cached: bool, seconds: float, reason: str) -> Loaded:
    ffi, lib = module.ffi, module.lib
    build = dict(entry.manifest)
    manifest = build.pop("unit")
    return Loaded(
        prepare=int(ffi.cast("intptr_t", ffi.addressof(lib, "gradc_prepare"))),
        entry=int(ffi.cast("intptr_t", ffi.addressof(lib, "gradc_entry"))),
        manifest=manifest,
        constants=entry.constants,
        cached=cached,
        path=path,
        seconds=seconds,
        keep=module,
        reason=reason,
        build=build,
    )
