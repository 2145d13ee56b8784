"""The kernel cache on disk: one verified file per key, and no other state.

An entry `<key[:2]>/<key>.so` (`runtime.entry`) is published by one rename.  Nothing is loaded that was not verified; an
entry that fails is a miss and is replaced under a new name `<key>.<n>.so`, because the dynamic linker takes a path it
has seen for the code it has loaded.  Files are never opened for writing once published, only unlinked.  Locks merely
save work.

In: keys, bytes of shared objects, manifests.  Out: `Entry`.  Not here: what a manifest means, compiling,
loading, and what to do when a directory is unusable (`build`), except for choosing another one.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import re
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from gradc.record import record
from gradc.runtime.entry import DAY, Entry, Manifest, read, unpack
from gradc.runtime.folders import (
    Unsafe,
    directory,
    listed,
    remove_tree,
    report,
    require_owner,
    require_safe,
    require_safe_ancestors,
    temporary_directory,
    unlink,
)

MAX_BYTES = 1 << 30
MAX_ENTRIES = 10_000
LOCK_SECONDS = 30.0

_NAME = re.compile(r"([0-9a-f]{64})(?:\.([0-9]{1,9}))?\.so")
_HOUR = 3600.0
_TRIM_INTERVAL = 60.0
_KEPT_FAILURES = 20

# Events of this process, for `stats` and tests.
COUNTERS: dict[str, int] = {"hits": 0, "misses": 0, "corrupt": 0, "compiled": 0}
# File descriptors of locks held: a forked child closes its copies, or they would outlive the parent's.
_HELD: set[int] = set()
# The private directory, made when the cache is unusable: [path, process that removes it], or nothing yet.
_PRIVATE: list[Any] = []


@record
class Search:
    """What was found for a key: an entry or None, paths that were found unfit, and why, in words."""

    entry: Entry | None
    unfit: tuple[str, ...]
    reason: str


# ---- directories -------------------------------------------------------------------------------------


def main_store() -> KernelStore:
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
        require_owner(path, info)
        path = os.path.realpath(path)
        info = os.lstat(path)
    if not stat.S_ISDIR(info.st_mode):
        raise NotADirectoryError(f"{path} is not a directory")
    require_safe(path, info)
    require_safe_ancestors(path)
    return KernelStore(path)


def private_store(*, make: bool = True) -> KernelStore | None:
    """A directory of this process alone, for when the cache is unusable; removed at exit.

    Raises: OSError if it can't be made.
    """
    if _PRIVATE:
        try:
            info = os.lstat(_PRIVATE[0])
            if stat.S_ISDIR(info.st_mode):
                require_safe(_PRIVATE[0], info)
                return KernelStore(_PRIVATE[0])
        except OSError:
            pass
    if not make:
        return None
    path = os.path.join(temporary_directory(), f"gradc-{os.urandom(12).hex()}")
    os.mkdir(path, 0o700)
    if not _PRIVATE:
        atexit.register(_remove_private)
    _PRIVATE[:] = [path, os.getpid()]
    return KernelStore(path)


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
class KernelStore:
    """A cache directory that was found to be ours."""

    path: str

    def lookup(self, key: str, accept: Callable[[Manifest], str], *, again: bool = False) -> Search:
        """The entry of `key`, verified, that `accept` has no objection to (it returns the empty string).

        Damaged entries are counted and reported, unless this is done `again`; other people's are refused with
        a warning.
        """
        folder = os.path.join(self.path, key[:2])
        reason = "no entry"
        unfit: list[str] = []
        for path in self._candidates(folder, key):
            try:
                data = read(path)
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
                return Search(entry, tuple(unfit), "hit")
            reason = objection
            unfit.append(path)
        return Search(None, tuple(unfit), reason)

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
        require_safe(path, info)
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
        for name in listed(self.path):
            if len(name) != 2:
                continue
            folder = os.path.join(self.path, name)
            for item in listed(folder):
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
            for item in listed(folder):
                path = os.path.join(folder, item)
                try:
                    age = now - os.lstat(path).st_mtime
                except OSError:
                    continue
                if item != "trimmed" and (age > _HOUR or age < -DAY):
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
