"""The kernel cache on disk: one verified file per key, and no other state.

An entry `<key[:2]>/<key>.so` is a shared object followed by the unit's constants (raw), its manifest (JSON),
their lengths, a SHA-256 of all that, and a magic number; one file, so no pair can be torn, and one rename
publishes it.  Nothing is loaded that was not verified; an entry that fails is a miss and is replaced under a
new name `<key>.<n>.so`, because the dynamic linker takes a path it has seen for the code it has loaded.
Files are never opened for writing once published, only unlinked.  Locks merely save work.

In: keys, bytes of shared objects, manifests.  Out: `Entry`.  Not here: what a manifest means, compiling,
loading, and what to do when a directory is unusable (`build`), except for choosing another one.
"""

from __future__ import annotations

import atexit
import fcntl
import hashlib
import json
import os
import re
import stat
import struct
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np

from gradc.config import config
from gradc.errors import CacheError, CacheWarning
from gradc.record import record

SCHEMA = 1
MAX_BYTES = 1 << 30
MAX_ENTRIES = 10_000
LOCK_SECONDS = 30.0

_MAGIC = b"gradcK01"
_FOOTER = struct.Struct("<QQQ32s8s")  # bytes of shared object, constants, manifest; digest of what is before; magic
_DIGEST_TAIL = 40  # the digest and the magic are not part of what is digested
_ALIGN = 64
_MAX_MANIFEST = 64 << 20
_NAME = re.compile(r"([0-9a-f]{64})(?:\.([0-9]{1,9}))?\.so")
_DAY = 86400.0
_HOUR = 3600.0
_TRIM_INTERVAL = 60.0
_KEPT_FAILURES = 20

# Events of this process, for `stats` and tests.
COUNTERS: dict[str, int] = {"hits": 0, "misses": 0, "corrupt": 0, "compiled": 0}
# Directories that were warned about: one warning for each reason.
_WARNED: set[str] = set()
# File descriptors of locks held: a forked child closes its copies, or they would outlive the parent's.
_HELD: set[int] = set()
# The private directory, made when the cache is unusable: [path, process that removes it], or nothing yet.
_PRIVATE: list[Any] = []

Manifest: TypeAlias = dict[str, Any]        # what an entry says of itself: JSON


class Unsafe(OSError):
    """A file or directory of the cache that someone else could have written."""


@record
class Entry:
    """A verified entry; `data` are the bytes that were verified."""

    path: str
    manifest: Manifest
    constants: list[np.ndarray]
    data: bytes
    digest: bytes


@record
class Lookup:
    """What was found for a key: an entry or None, paths that were found unfit, and why, in words."""

    entry: Entry | None
    unfit: tuple[str, ...]
    reason: str


# ---- entries as bytes --------------------------------------------------------------------------------


def pack(shared_object: bytes, manifest: Manifest, constants: Sequence[np.ndarray]) -> bytes:
    """The bytes of an entry; the same arguments give the same bytes."""
    parts = [shared_object]
    described = []
    position = len(shared_object)
    for array in constants:
        array = np.asarray(array, order="C")
        if array.dtype.hasobject or not array.dtype.isnative:
            raise TypeError(f"constants of a unit are plain arrays of native byte order, got dtype {array.dtype}")
        gap = -position % _ALIGN
        parts += [bytes(gap), array.tobytes()]
        position += gap
        described.append({"dtype": array.dtype.str, "shape": list(array.shape), "offset": position})
        position += array.nbytes
    text = json.dumps({**manifest, "schema": SCHEMA, "constants": described}, sort_keys=True, separators=(",", ":"))
    encoded = text.encode()
    parts.append(encoded)
    lengths = struct.pack("<QQQ", len(shared_object), position - len(shared_object), len(encoded))
    parts.append(lengths)
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return b"".join([*parts, digest.digest(), _MAGIC])


def unpack(path: str, data: bytes) -> Entry | None:
    """The entry held by `data`, or None if it is damaged in any way.  Its constants are read-only and aligned."""
    size = len(data)
    if size < _FOOTER.size:
        return None
    code, constants, text, digest, magic = _FOOTER.unpack_from(data, size - _FOOTER.size)
    if magic != _MAGIC or code + constants + text + _FOOTER.size != size or text > _MAX_MANIFEST:
        return None
    view = memoryview(data)
    if hashlib.sha256(view[: size - _DIGEST_TAIL]).digest() != digest:
        return None
    try:
        manifest = json.loads(data[code + constants : code + constants + text])
        if manifest["schema"] != SCHEMA:
            return None
        described = manifest.pop("constants")
        arrays = _constants(view[: code + constants], code, described) if described else []
    except (ValueError, KeyError, TypeError):
        return None
    return Entry(path, manifest, arrays, data, digest)


def _constants(view: memoryview, code: int, described: list[dict[str, Any]]) -> list[np.ndarray]:
    """Arrays over one copy of the constants, placed so that offsets in the entry are addresses modulo 64."""
    start = code - code % _ALIGN
    raw = np.empty(len(view) - start + _ALIGN, np.uint8)
    shift = -raw.__array_interface__["data"][0] % _ALIGN
    raw[shift : shift + len(view) - start] = np.frombuffer(view, np.uint8, offset=start)
    raw.flags.writeable = False
    return [
        np.ndarray(tuple(item["shape"]), np.dtype(item["dtype"]), raw, item["offset"] - start + shift)
        for item in described
    ]


def _read(path: str) -> bytes | None:
    """All bytes of an entry (None: can't be one), read through a descriptor whose owner and mode were checked."""
    # O_NONBLOCK: a FIFO in an entry's place must not hang us.
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode):
            return None
        _require_safe(path, info)
        size = info.st_size
        # The magic number first: a huge foreign file is not read.
        if size < _FOOTER.size or os.pread(fd, len(_MAGIC), size - len(_MAGIC)) != _MAGIC:
            return None
        data = os.read(fd, size)
        while len(data) < size:  # the system reads at most 2 GiB at a time
            more = os.read(fd, size - len(data))
            if not more:
                return None
            data += more
        age = time.time() - info.st_mtime
        if not 0 <= age <= _DAY:
            _touch(fd)
        return data
    finally:
        os.close(fd)


def _touch(fd: int) -> None:
    try:
        os.utime(fd)
    except OSError:  # a read-only cache still gives hits
        pass


# ---- directories -------------------------------------------------------------------------------------


def directory() -> str:
    """Where the cache is: config.cache_dir, $XDG_CACHE_HOME/gradc, or ~/.cache/gradc.

    Raises: OSError if there is no home directory to put it in.
    """
    if config.cache_dir:
        return os.path.abspath(config.cache_dir)
    base = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(base):
        return os.path.join(base, "gradc")
    home = os.path.expanduser("~")
    if not os.path.isabs(home) or not os.path.isdir(home):
        raise FileNotFoundError(f"there is no home directory ({home}) to keep kernels in; set GRADC_CACHE_DIR")
    return os.path.join(home, ".cache", "gradc")


def main_store() -> Store:
    """The cache of this user, its directory made if it is not there.

    Raises: OSError if it can't be made, or if someone else could write to it.
    """
    path = directory()
    try:
        info = os.lstat(path)
    except FileNotFoundError:
        os.makedirs(path, 0o700, exist_ok=True)
        info = os.lstat(path)
    if stat.S_ISLNK(info.st_mode):  # a link of our own may stand for the directory itself, nowhere below it
        _require_owner(path, info)
        path = os.path.realpath(path)
        info = os.lstat(path)
    if not stat.S_ISDIR(info.st_mode):
        raise NotADirectoryError(f"{path} is not a directory")
    _require_safe(path, info)
    _require_safe_ancestors(path)
    return Store(path)


def private_store(*, make: bool = True) -> Store | None:
    """A directory of this process alone, for when the cache is unusable; removed at exit.

    Raises: OSError if it can't be made.
    """
    if _PRIVATE:
        try:
            info = os.lstat(_PRIVATE[0])
            if stat.S_ISDIR(info.st_mode):
                _require_safe(_PRIVATE[0], info)
                return Store(_PRIVATE[0])
        except OSError:
            pass
    if not make:
        return None
    path = os.path.join(temporary_directory(), f"gradc-{os.urandom(12).hex()}")
    os.mkdir(path, 0o700)
    if not _PRIVATE:
        atexit.register(_remove_private)
    _PRIVATE[:] = [path, os.getpid()]
    return Store(path)


def temporary_directory() -> str:
    """$TMPDIR if it is a directory, else /tmp."""
    path = os.environ.get("TMPDIR", "")
    return os.path.abspath(path) if path and os.path.isdir(path) else "/tmp"


def fault(error: OSError, path: str = "") -> None:
    """Report that the cache can't be used: one CacheWarning per directory and reason.

    Raises: CacheError instead, with config.cache_errors.
    """
    reason = str(error) or type(error).__name__
    place = f" {path}" if path and path not in reason else ""
    message = f"the kernel cache{place} can't be used as asked: {reason}; the kernel is kept for this process only"
    report(message, f"{path}\0{type(error).__name__}\0{error.errno}")


def report(message: str, reason: str) -> None:
    """A CacheWarning, unless one for `reason` was given before.

    Raises: CacheError instead, with config.cache_errors.
    """
    if config.cache_errors:
        raise CacheError(message)
    if reason not in _WARNED:
        _WARNED.add(reason)
        warnings.warn(message, CacheWarning, stacklevel=2)


def _require_owner(path: str, info: os.stat_result) -> None:
    if info.st_uid not in (os.geteuid(), 0):
        raise Unsafe(f"{path} belongs to user {info.st_uid}, not to you")


def _require_safe(path: str, info: os.stat_result) -> None:
    _require_owner(path, info)
    if info.st_mode & 0o022:
        raise Unsafe(f"{path} can be written by others (mode {stat.S_IMODE(info.st_mode):04o}); run `chmod go-w` on it")


def _require_safe_ancestors(path: str) -> None:
    """Nobody but us and root (whoever owns `/`: in a container that may be another number) may move `path` away."""
    us = os.geteuid()
    folder = os.path.dirname(path)
    while True:
        info = os.stat(folder)
        if info.st_uid not in (us, 0) and info.st_uid != os.stat("/").st_uid:
            raise Unsafe(f"{folder}, above the cache, belongs to user {info.st_uid}, not to you")
        if info.st_mode & stat.S_IWOTH and not info.st_mode & stat.S_ISVTX:
            raise Unsafe(f"{folder}, above the cache, can be written by everyone")
        parent = os.path.dirname(folder)
        if parent == folder:
            return
        folder = parent


def remove_tree(path: str) -> None:
    """Remove a directory and what is in it, as far as possible; links are removed, not followed."""
    pending = [path]
    found = []
    while pending:
        folder = pending.pop()
        found.append(folder)
        try:
            with os.scandir(folder) as items:
                for item in items:
                    if item.is_dir(follow_symlinks=False):
                        pending.append(item.path)
                    else:
                        unlink(item.path)
        except OSError:
            pass
    for folder in reversed(found):
        try:
            os.rmdir(folder)
        except OSError:
            pass


def unlink(path: str) -> bool:
    """Remove a file if that is possible."""
    try:
        os.unlink(path)
    except OSError:
        return False
    return True


def _remove_private() -> None:
    if _PRIVATE and _PRIVATE[1] == os.getpid():
        remove_tree(_PRIVATE[0])


def _after_fork() -> None:
    for fd in _HELD:
        os.close(fd)
    _HELD.clear()


os.register_at_fork(after_in_child=_after_fork)


# ---- the store ---------------------------------------------------------------------------------------


@record
class Store:
    """A cache directory that was found to be ours."""

    path: str

    def lookup(self, key: str, accept: Callable[[Manifest], str], *, again: bool = False) -> Lookup:
        """The entry of `key`, verified, that `accept` has no objection to (it returns the empty string).

        Damaged entries are counted and reported, unless this is done `again`; other people's are refused with
        a warning.
        """
        folder = os.path.join(self.path, key[:2])
        reason = "no entry"
        unfit: list[str] = []
        for path in self._candidates(folder, key):
            try:
                data = _read(path)
            except FileNotFoundError:
                continue
            except OSError as error:  # a link (ELOOP), another owner, a bad disk
                reason = str(error)
                unfit.append(path)
                if not again:
                    report(f"a kernel cache entry was refused and is made anew: {reason}", path)
                continue
            entry = unpack(path, data) if data is not None else None
            if entry is None or entry.manifest.get("key") != key:
                reason = "damaged entry"
                unfit.append(path)
                if not again:
                    self._damaged(path)
                continue
            objection = accept(entry.manifest)
            if not objection:
                return Lookup(entry, tuple(unfit), "hit")
            reason = objection
            unfit.append(path)
        return Lookup(None, tuple(unfit), reason)

    def _candidates(self, folder: str, key: str) -> Iterator[str]:
        """Paths that may hold `key`: the plain name without looking, then those of replacements, newest first."""
        plain = os.path.join(folder, f"{key}.so")
        yield plain
        for number in reversed(self._numbers(folder, key)):
            yield os.path.join(folder, f"{key}.{number}.so")

    @staticmethod
    def _numbers(folder: str, key: str) -> list[int]:
        try:
            names = os.listdir(folder)
        except OSError:
            return []
        found = []
        for name in names:
            match = _NAME.fullmatch(name)
            if match and match[1] == key and match[2]:
                found.append(int(match[2]))
        return sorted(found)

    @staticmethod
    def _damaged(path: str) -> None:
        COUNTERS["corrupt"] += 1
        report(f"the kernel cache entry {path} is damaged and is made anew", path)

    def publish(self, key: str, staged: str, unfit: Sequence[str], taken: Callable[[str], bool]) -> str:
        """Move a complete staged file to a name of `key` that nothing has (nor had, by `taken`), drop unfit ones."""
        folder = self.folder(key[:2])
        path = os.path.join(folder, f"{key}.so")
        number = 0
        while path in unfit or taken(path) or os.path.lexists(path):
            number = max([number, *self._numbers(folder, key)]) + 1
            path = os.path.join(folder, f"{key}.{number}.so")
        size = os.path.getsize(staged)
        os.rename(staged, path)  # from here on others may use it, and replace it
        for old in unfit:
            unlink(old)
        if self._is_trim_due(size):
            self.trim(keep=path)
        return path

    def folder(self, name: str) -> str:
        """A directory of ours below this one, made if needed.

        Raises: OSError if it is a link, not ours, or can't be made.
        """
        path = os.path.join(self.path, name)
        try:
            info = os.lstat(path)
        except FileNotFoundError:
            try:
                os.mkdir(path, 0o700)
            except FileExistsError:
                pass
            info = os.lstat(path)
        if not stat.S_ISDIR(info.st_mode):
            raise Unsafe(f"{path} is not a directory")
        _require_safe(path, info)
        return path

    @contextmanager
    def staging(self) -> Iterator[str]:
        """A fresh directory on the cache's file system, removed afterwards."""
        path = os.path.join(self.folder("tmp"), os.urandom(12).hex())
        os.mkdir(path, 0o700)
        try:
            yield path
        finally:
            remove_tree(path)

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Hold the lock of `key`, or go on without it: where locks don't work, or after LOCK_SECONDS."""
        fd = -1
        path = ""
        try:
            path = os.path.join(self.folder("locks"), key)
            fd = _acquire(path, time.monotonic() + LOCK_SECONDS)
        except OSError:
            pass
        try:
            yield
        finally:
            if fd in _HELD:  # not in a child forked inside the block
                unlink(path)
                _release(fd)

    def keep_failed(self, key: str, text: str) -> str:
        """Keep the C text that the compiler rejected; its path, or the empty string if it can't be kept.

        It goes beside the entries (the newest few stay), or into the temporary directory if this store is private
        and so goes away with the process.
        """
        if _PRIVATE and _PRIVATE[0] == self.path:
            path = os.path.join(temporary_directory(), f"gradc-{os.urandom(6).hex()}.c")
            try:
                with open(path, "x", encoding="utf-8") as file:
                    file.write(text)
            except OSError:
                return ""
            return path
        try:
            folder = self.folder("failed")
            path = os.path.join(folder, f"{key}.c")
            fresh = f"{path}.{os.urandom(6).hex()}"
            with open(fresh, "x", encoding="utf-8") as file:
                file.write(text)
            os.replace(fresh, path)
            kept = sorted((item.stat(follow_symlinks=False).st_mtime, item.path) for item in os.scandir(folder))
            for _, old in kept[:-_KEPT_FAILURES]:
                if old != path:
                    unlink(old)
        except OSError:
            return ""
        return path

    def entries(self) -> list[tuple[float, int, str]]:
        """(mtime, bytes, path) of all entries, oldest first; anything else in the directory is passed over."""
        found = []
        for name in _listed(self.path):
            if len(name) != 2:
                continue
            folder = os.path.join(self.path, name)
            for item in _listed(folder):
                if not _NAME.fullmatch(item):
                    continue
                path = os.path.join(folder, item)
                try:
                    info = os.lstat(path)
                except OSError:
                    continue
                if stat.S_ISREG(info.st_mode):
                    found.append((info.st_mtime, info.st_size, path))
        return sorted(found)

    def trim(self, keep: str = "") -> None:
        """Unlink the least recently used entries above the limits, and leftovers of killed processes."""
        now = self._mark_trimmed()
        entries = self.entries()
        total = sum(size for _, size, _ in entries)
        count = len(entries)
        for _, size, path in entries:
            if total <= MAX_BYTES and count <= MAX_ENTRIES:
                break
            if path != keep and unlink(path):
                total -= size
                count -= 1
        for name, remove in (("tmp", remove_tree), ("locks", unlink)):
            folder = os.path.join(self.path, name)
            for item in _listed(folder):
                path = os.path.join(folder, item)
                try:
                    age = now - os.lstat(path).st_mtime
                except OSError:
                    continue
                if item != "trimmed" and (age > _HOUR or age < -_DAY):
                    remove(path)

    def _is_trim_due(self, size: int) -> bool:
        """Rarely, since it reads the whole directory: when the last one is a while ago, or the new entry is large."""
        if size > MAX_BYTES // 100:
            return True
        try:
            age = time.time() - os.lstat(os.path.join(self.path, "locks", "trimmed")).st_mtime
        except OSError:
            return True
        return not 0 <= age <= _TRIM_INTERVAL

    def _mark_trimmed(self) -> float:
        """Note the time of a trim; returns the time by the file system's clock, which dates the leftovers too."""
        path = os.path.join(self.path, "locks", "trimmed")
        try:
            self.folder("locks")
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
            try:
                os.utime(fd)
                return os.fstat(fd).st_mtime
            finally:
                os.close(fd)
        except OSError:
            return time.time()


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _acquire(path: str, deadline: float) -> int:
    """A descriptor that holds the lock at `path`, or -1 after the deadline.

    The holder unlinks the file before it lets go, so what was locked may no longer be what the path names.
    """
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
        _HELD.add(fd)
        try:
            if not _flock(fd, deadline):
                _release(fd)
                return -1
            here, there = os.fstat(fd), os.stat(path)
            if (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino):
                return fd
        except FileNotFoundError:
            pass
        except BaseException:
            _release(fd)
            raise
        _release(fd)


def _flock(fd: int, deadline: float) -> bool:
    pause = 0.001
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
        time.sleep(pause)
        pause = min(1.5 * pause, 0.02)


def _release(fd: int) -> None:
    """Unlock (a forked child may still hold a copy of the descriptor) and close."""
    _HELD.discard(fd)
    try:
        fcntl.flock(fd, fcntl.LOCK_UN)
    except OSError:
        pass
    os.close(fd)
