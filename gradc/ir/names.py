"""Users' names in plain ASCII: as identifiers, and inside other text."""

from __future__ import annotations

import unicodedata
from functools import cache

LENGTH = 40         # characters of a name that are kept


@cache
def identifier(text: str) -> str:
    """A user's name in letters, digits and underscores of ASCII: "σ_0" is sigma_0, "W[1]" is W_1."""
    if text.isascii() and text.isidentifier() and len(text) <= LENGTH and text[0] != "_" != text[-1]:
        return text
    name = ""
    word = False
    for c in unicodedata.normalize("NFKD", text[:2 * LENGTH]):
        letters = "_" if c.isascii() and not c.isalnum() else spelled(c)
        if (word or len(letters) > 1) and name[-1:].isalnum() and letters[:1].isalpha():
            name += "_"
        name += letters
        word = len(letters) > 1
    name = name.strip("_")[:LENGTH]
    return f"v{name}" if not name or name[0].isdigit() else name


def spelled(c: str) -> str:
    """What stands for a character in ASCII: the name of a letter of another alphabet, else its number."""
    if c.isascii():
        return c
    if unicodedata.combining(c):
        return ""
    words = unicodedata.name(c, "").partition(" WITH ")[0].replace("LAMDA", "LAMBDA").split()
    if "LETTER" in words and words[-1].isalpha():
        return words[-1].lower() if "SMALL" in words else words[-1].capitalize()
    return words[0].lower() if len(words) == 1 and words[0].isalpha() else f"u{ord(c):04x}"
