"""Directories of the kernel cache: where it is, whether it is ours alone, and how its faults are reported.

Nothing is trusted that someone else could have written.  In: paths.  Out: paths, `Unsafe`, warnings.
"""

from __future__ import annotations

import os
import stat
import warnings

from gradc.config import config
from gradc.errors import CacheError, CacheWarning

# Directories that were warned about: one warning for each reason.
_WARNED: set[str] = set()


class Unsafe(OSError):
    """A file or directory of the cache that someone else could have written."""


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


def require_owner(path: str, info: os.stat_result) -> None:
    if info.st_uid not in (os.geteuid(), 0):
        raise Unsafe(f"{path} belongs to user {info.st_uid}, not to you")


def require_safe(path: str, info: os.stat_result) -> None:
    require_owner(path, info)
    if info.st_mode & 0o022:
        raise Unsafe(f"{path} can be written by others (mode {stat.S_IMODE(info.st_mode):04o}); run `chmod go-w` on it")


def require_safe_ancestors(path: str) -> None:
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


def listed(folder: str) -> list[str]:
    """The names in a directory; none if it can't be read."""
    try:
        return os.listdir(folder)
    except OSError:
        return []
