"""How C is written: identifiers, dtypes, long lines."""

from __future__ import annotations

import re
from functools import cache

from gradc.ir.scalars import ROWS

# Words of C and of compilers that predefine names without underscores.
KEYWORDS = frozenset("""
auto break case char const continue default do double else enum extern float for goto if inline int long register
restrict return short signed sizeof static struct switch typedef union unsigned void volatile while
alignas alignof bool complex constexpr false imaginary noreturn nullptr static_assert thread_local true typeof
typeof_unqual asm main errno math_errhandling I linux unix i386 sun sparc mips vector pixel
""".split())

# What the text of units calls its own things, in any of its functions.
OWN = frozenset("""
all at block blocks chunk chunk_end end fault fold frame half hi k lane lo measure
member sizes slot status step sz tile together width
""".split())

C_TYPE = {
    "bool": "uint8_t", "int8": "int8_t", "int16": "int16_t", "int32": "int32_t", "int64": "int64_t",
    "uint8": "uint8_t", "uint16": "uint16_t", "uint32": "uint32_t", "uint64": "uint64_t",
    "float16": "uint16_t", "float32": "float", "float64": "double",
    "complex64": "float _Complex", "complex128": "double _Complex",
}
LOCAL_TYPE = {**C_TYPE, "bool": "bool"}
KIND = {"bool": "b", **{f"int{b}": "i" for b in (8, 16, 32, 64)}, **{f"uint{b}": "u" for b in (8, 16, 32, 64)},
        "float16": "f", "float32": "f", "float64": "f", "complex64": "c", "complex128": "c"}
SUFFIX = {"float32": "f", "float64": ""}
WIDTH = 110             # characters of a line
BOUNDS = ("lo", "hi")         # sizes of a section that runs a block
_WORD = re.compile(r"[A-Za-z]\w*")


@cache
def _called() -> frozenset[str]:
    """Types of the units' text, and the functions of the C library that rows call."""
    templates = [t for row in ROWS.values() for t in (row.c.values() if isinstance(row.c, dict) else [row.c])]
    texts = [t.replace("{s}", suffix).replace("{t}", "") for t in templates for suffix in SUFFIX.values()]
    return frozenset(_WORD.findall(" ".join([*texts, *C_TYPE.values()])))


@cache
def _free(base: str) -> str:
    """`base`, or what stands for it where it is reserved, looks like a macro, or is among `OWN`."""
    if reserved(base) or base in OWN or (base.isupper() and sum(map(str.isalpha, base)) > 1):
        return f"{base.lstrip('_') or 'v'}_v"
    return base


def reserved(name: str) -> bool:
    """Does `name` mean something to C, to gradc's headers or in what rows print?"""
    return name in KEYWORDS or name in _called() or name.startswith(("_", "gradc_", "GRADC_"))


class Names(dict[str, str]):
    """The identifiers of a C scope and of the one around it: no two things have the same.

    names[x] is the identifier of what the loop IR calls x.  It keeps its name where nothing else has it: C, the
    compiler, a header or the unit's own text.  Macros of headers, which would be expanded anywhere, begin with an
    underscore or are in capitals (those in small letters are among KEYWORDS; tests compare them with the compiler's
    list).  Functions and types that a unit does not use may have local namesakes.
    """

    __slots__ = ("_around", "_count", "_outer", "_taken")

    def __init__(self, outer: Names | None = None) -> None:
        super().__init__({} if outer is not None else {name: name for name in BOUNDS})
        self._outer = outer
        self._taken: set[str] = set()
        self._around = self._taken if outer is None else outer._taken
        self._count: dict[str, int] = {}

    def __missing__(self, name: str) -> str:
        found = self._outer.get(name) if self._outer is not None else None
        self[name] = found = found or self.new(name)
        return found

    def new(self, base: str) -> str:
        """An identifier for something else, called `base` if it is free."""
        base = name = _free(base)
        while name in self._taken or name in self._around:
            self._count[base] = k = self._count.get(base, 1) + 1
            name = f"{base}_{k}"
        self._taken.add(name)
        return name


class Blanks(dict[str, str]):
    """Numbered blanks (@3@) for the identifiers of a C function: texts that differ in nothing but names are equal."""

    __slots__ = ("_asked",)

    def __init__(self) -> None:
        super().__init__()
        self._asked: list[tuple[str, bool]] = []        # by number: what is named, and is it something else's name?

    def __missing__(self, name: str) -> str:
        blank = self[name] = f"@{len(self._asked)}@"
        self._asked.append((name, False))
        return blank

    def new(self, base: str) -> str:
        """A blank for something else, called `base`, which may have blanks itself."""
        self._asked.append((base, True))
        return f"@{len(self._asked) - 1}@"

    def filled(self, text: str, names: Names) -> str:
        """`text` with the identifiers of `names` in its blanks."""
        found: list[str] = []
        for name, is_new in self._asked:
            found.append(names.new(_filled(name, found)) if is_new else names[name])
        return _filled(text, found)


def _filled(text: str, found: list[str]) -> str:
    parts = text.split("@")
    parts[1::2] = [found[int(k)] for k in parts[1::2]]
    return "".join(parts)


def wrapped(text: str, indent: int, width: int = WIDTH) -> list[str]:
    """Break a long line of C at commas or blanks."""
    lead = len(text) - len(text.lstrip())
    lines: list[str] = []
    while len(text) > width:
        cut = text.rfind(", ", lead + 1, width)
        cut = cut + 1 if cut > 0 else text.rfind(" ", lead + 1, width)
        if cut <= lead:
            break
        lines.append(text[:cut])
        text = " " * indent + text[cut:].lstrip()
        lead = indent
    return [*lines, text]
