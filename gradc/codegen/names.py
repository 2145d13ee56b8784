"""How C is written: which names generated code must not use, dtypes, long lines."""

from __future__ import annotations

from functools import cache

RESERVED = frozenset("""
auto break case char const continue default do double else enum extern float for goto if inline int long register
restrict return short signed sizeof static struct switch typedef union unsigned void volatile while bool true false
_Bool _Complex _Imaginary complex I asm typeof NULL main errno
abs acos acosh asin asinh atan atan2 atanh cbrt ceil cos cosh erf erfc exp exp2 expm1 fabs floor fma fmax fmin fmod
gamma hypot j0 j1 jn ldexp lgamma log log10 log1p log2 logb pow rint round signgam sin sinh sqrt tan tanh tgamma trunc
y0 y1 yn index time div exit free malloc calloc realloc memcpy memset signal system select remove rename
int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t uint64_t size_t ssize_t ptrdiff_t intptr_t uintptr_t wchar_t
time_t clock_t div_t ldiv_t lldiv_t max_align_t
INFINITY NAN status fault frame context first last cut sizes measure linux unix
""".split())

C_TYPE = {
    "bool": "uint8_t", "int8": "int8_t", "int16": "int16_t", "int32": "int32_t", "int64": "int64_t",
    "uint8": "uint8_t", "uint16": "uint16_t", "uint32": "uint32_t", "uint64": "uint64_t",
    "float32": "float", "float64": "double",
}
LOCAL_TYPE = {**C_TYPE, "bool": "bool"}
KIND = {"bool": "b", **{f"int{b}": "i" for b in (8, 16, 32, 64)}, **{f"uint{b}": "u" for b in (8, 16, 32, 64)},
        "float32": "f", "float64": "f"}
SUFFIX = {"float32": "f", "float64": ""}


@cache
def safe(name: str) -> str:
    """`name`, or with an underscore behind it where C or a header means something else by it."""
    if name in RESERVED or name.startswith(("gradc_", "GRADC_", "__", "_")):
        return f"{name.lstrip('_') or 'v'}_v"
    return name


def wrapped(text: str, indent: int, width: int = 110) -> list[str]:
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
