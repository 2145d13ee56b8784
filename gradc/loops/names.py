"""Readable unique names of one kernel: sizes and buffers in one space, the locals of each section in another."""

from __future__ import annotations

from gradc.ir.names import identifier


class Namer:
    """Makes names unique: new ones enter `own` and `also`, and are in neither `own` nor `avoid`.

    `after`: a namer whose numbers are taken already (so that it does not have to be searched from 1).
    """

    __slots__ = ("_after", "_also", "_avoid", "_count", "_own")

    def __init__(self, own: set[str], also: set[str], avoid: set[str], after: Namer | None = None) -> None:
        self._own = own
        self._also = also
        self._avoid = avoid
        self._count: dict[str, int] = {}
        self._after: dict[str, int] = {} if after is None else after._count

    def __call__(self, base: str) -> str:
        name = base = identifier(base)
        if name in self._own or name in self._avoid:
            k = self._count.get(base) or self._after.get(base, 1)
            while name in self._own or name in self._avoid:
                k += 1
                name = f"{base}_{k}"
            self._count[base] = k
        self._own.add(name)
        self._also.add(name)
        return name
