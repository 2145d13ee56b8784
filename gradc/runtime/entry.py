"""An entry of the kernel cache as bytes, and back, verified.

A shared object, the unit's constants (raw), its manifest (JSON), their lengths, a SHA-256 of all that, and a magic
number: one file, so no pair can be torn.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import struct
import time
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from gradc.record import record
from gradc.runtime.folders import require_safe

SCHEMA = 1
FOOTER = struct.Struct("<QQQ32s8s")  # bytes of shared object, constants, manifest; digest of what is before; magic
DAY = 86400.0

_MAGIC = b"gradcK01"
_DIGEST_TAIL = 40  # the digest and the magic are not part of what is digested
_ALIGN = 64
_MAX_MANIFEST = 64 << 20

Manifest: TypeAlias = dict[str, Any]        # what an entry says of itself: JSON


@record
class Entry:
    """A verified entry; `data` are the bytes that were verified."""

    path: str
    manifest: Manifest
    constants: list[np.ndarray]
    data: bytes
    digest: bytes


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
    if size < FOOTER.size:
        return None
    code, constants, text, digest, magic = FOOTER.unpack_from(data, size - FOOTER.size)
    if magic != _MAGIC or code + constants + text + FOOTER.size != size or text > _MAX_MANIFEST:
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


def read(path: str) -> bytes | None:
    """All bytes of an entry (None: can't be one), read through a descriptor whose owner and mode were checked."""
    # O_NONBLOCK: a FIFO in an entry's place must not hang us.
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode):
            return None
        require_safe(path, info)
        size = info.st_size
        # The magic number first: a huge foreign file is not read.
        if size < FOOTER.size or os.pread(fd, len(_MAGIC), size - len(_MAGIC)) != _MAGIC:
            return None
        data = os.read(fd, size)
        while len(data) < size:  # the system reads at most 2 GiB at a time
            more = os.read(fd, size - len(data))
            if not more:
                return None
            data += more
        age = time.time() - info.st_mtime
        if not 0 <= age <= DAY:
            _touch(fd)
        return data
    finally:
        os.close(fd)


def _touch(fd: int) -> None:
    try:
        os.utime(fd)
    except OSError:  # a read-only cache still gives hits
        pass
