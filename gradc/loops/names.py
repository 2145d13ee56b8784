"""Readable unique names of one kernel: sizes and buffers in one space, the locals of each section in another."""

from __future__ import annotations

import unicodedata
from functools import cache

LENGTH = 40         # characters of a name that are kept


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
        k = self._count.get(base) or self._after.get(base, 1)
        while name in self._own or name in self._avoid:
            k += 1
            name = f"{base}_{k}"
        self._count[base] = k
        self._own.add(name)
        self._also.add(name)
        return name


@cache
def identifier(text: str) -> str:
    """A user's name in letters, digits and underscores of ASCII: "σ_0" is sigma_0, "W[1]" is W_1."""
    name = ""
    word = False
    for c in unicodedata.normalize("NFKD", text[:2 * LENGTH]):
        letters = _ascii(c)
        if (word or len(letters) > 1) and name[-1:].isalnum() and letters[:1].isalpha():
            name += "_"
        name += letters
        word = len(letters) > 1
    name = name.strip("_")[:LENGTH]
    return f"v{name}" if not name or name[0].isdigit() else name


def _ascii(c: str) -> str:
    """What stands for a character: the name of a letter of another alphabet, else its number."""
    if c.isascii():
        return c if c.isalnum() else "_"
    if unicodedata.combining(c):
        return ""
    words = unicodedata.name(c, "").partition(" WITH ")[0].replace("LAMDA", "LAMBDA").split()
    if "LETTER" in words and words[-1].isalpha():
        return words[-1].lower() if "SMALL" in words else words[-1].capitalize()
    return words[0].lower() if len(words) == 1 and words[0].isalpha() else f"u{ord(c):04x}"
