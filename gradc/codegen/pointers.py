"""C functions of a given signature that call a compiled function: the signature as data, and the C text.

    double (int n, const double x[n], void *user)

A parameter is a scalar or a pointer; sizes stand behind a pointer's name, as names of other parameters, names that the
caller of `parse` knows, or numbers.  The text is that of a unit as csrc/include/gradc_lowlevel.h says: a number of
functions, each with a place for the compiled function that it calls.  Not here: which parameter is which input or
result (`compile.lowlevel`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from gradc.errors import GraphError, at, quoted, user_line
from gradc.record import record

# Spelling -> type as the text has it, dtype.
C_TYPES = {
    "double": ("double", "float64"), "float": ("float", "float32"),
    "bool": ("_Bool", "bool"), "_Bool": ("_Bool", "bool"),
    "double _Complex": ("double _Complex", "complex128"), "float _Complex": ("float _Complex", "complex64"),
    "int": ("int32_t", "int32"), "unsigned": ("uint32_t", "uint32"), "unsigned int": ("uint32_t", "uint32"),
    "short": ("int16_t", "int16"), "signed char": ("int8_t", "int8"), "unsigned char": ("uint8_t", "uint8"),
    **dict.fromkeys(("long", "long long", "intptr_t", "ptrdiff_t", "ssize_t", "npy_intp"), ("int64_t", "int64")),
    **dict.fromkeys(("unsigned long", "unsigned long long", "size_t", "uintptr_t"), ("uint64_t", "uint64")),
    **{f"{kind}{bits}_t": (f"{kind}{bits}_t", f"{kind}{bits}") for kind in ("int", "uint") for bits in (8, 16, 32, 64)},
}
_FUNCTION = re.compile(r"\s*(.*?)\s*\(\s*(?:\*\s*\)\s*\(\s*)?(.*?)\s*\)\s*;?\s*", re.DOTALL)
_PARAMETER = re.compile(r"(?P<type>(?:[A-Za-z_]\w*\s+)*?[A-Za-z_]\w*)\s*(?P<stars>\**)\s*"
                        r"(?:(?:restrict\s+)?(?P<name>[A-Za-z_]\w*))?\s*(?P<sizes>(?:\[[^\]]*\]\s*)*)")


@record
class Parameter:
    """`type` as the C text has it; dtype "" for void."""

    type: str
    spelled: str
    dtype: str
    pointer: bool
    name: str
    sizes: tuple[str, ...]

    @property
    def is_user(self) -> bool:
        """A pointer that only the caller knows the meaning of."""
        return self.dtype == ""


@record
class Signature:
    """A C function's type."""

    result: str             # as the C text has it
    dtype: str              # "": void
    parameters: tuple[Parameter, ...]
    text: str               # without names, as SciPy compares it: "double (int, double *, void *)"


@record
class Roles:
    """What the parameters are: by number, of parameters."""

    inputs: tuple[int, ...]         # the parameter of each input
    outputs: tuple[int, ...]        # the parameter of each result; -1: returned
    dtypes: tuple[str, ...]         # C type of each input
    sizes: tuple[int, ...]          # the parameter of each size that a call gives
    success: int                    # status that says that all went well


def parse(text: object) -> Signature:
    """The signature that `text` spells; GraphError saying what can't be read."""
    found = _FUNCTION.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise GraphError(f"a signature is a C function's type, such as 'double (double, void *)', got {quoted(text)}"
                         f"{at(user_line())}")
    spelled = " ".join(found[1].split())
    result, dtype = ("void", "") if spelled == "void" else _type(spelled, text)
    listed = [] if found[2] in ("", "void") else found[2].split(",")
    parameters = tuple([_parameter(" ".join(one.split()), text) for one in listed])
    short = ", ".join([p.spelled + " *" * p.pointer for p in parameters])
    return Signature(result, dtype, parameters, f"{spelled} ({short})")


def _type(spelled: str, text: object) -> tuple[str, str]:
    if spelled not in C_TYPES:
        raise GraphError(f"signature {quoted(text)}: {quoted(spelled)} is no type that gradc knows; it knows "
                         f"{', '.join(C_TYPES)}{at(user_line())}")
    return C_TYPES[spelled]


def _parameter(one: str, text: object) -> Parameter:
    plain = re.sub(r"\bconst\b\s*|\bvolatile\b\s*", "", one).strip()
    found = _PARAMETER.fullmatch(plain)
    if found is None or len(found["stars"]) > 1:
        raise GraphError(f"signature {quoted(text)}: the parameter {quoted(one)} can't be read; it is a scalar, a "
                         f"pointer, or an array with its sizes, such as 'double x[n]'{at(user_line())}")
    spelled, name = " ".join(found["type"].split()), found["name"] or ""
    if name and f"{spelled} {name}" in C_TYPES:         # "unsigned int" is no parameter called int
        spelled, name = f"{spelled} {name}", ""
    sizes = tuple([size.strip() for size in re.findall(r"\[([^\]]*)\]", found["sizes"])])
    for size in sizes:
        if not re.fullmatch(r"[A-Za-z_]\w*|\d+", size):
            raise GraphError(f"signature {quoted(text)}: a size is a name or a number, got {quoted(size)} in "
                             f"{quoted(one)}{at(user_line())}")
    pointer = bool(found["stars"] or sizes)
    if spelled == "void" and pointer and not sizes:
        return Parameter("void", "void", "", True, name, ())
    return Parameter(*_spelled(spelled, text), pointer, name, sizes)


def _spelled(spelled: str, text: object) -> tuple[str, str, str]:
    c_type, dtype = _type(spelled, text)
    return c_type, spelled, dtype


def unit_text(signature: Signature, roles: Roles) -> str:
    """The C text of a unit of functions with this signature."""
    given = [f"{p.type} {'*' * p.pointer}a{k}" for k, p in enumerate(signature.parameters)]
    parameters, arguments = ", ".join(given) or "void", "".join([f", a{k}" for k in range(len(given))])
    behind = "".join([f", {one}" for one in given])
    used = {*roles.inputs, *roles.outputs, *roles.sizes}
    returns = -1 in roles.outputs
    body = [f"    (void)a{k};" for k in range(len(given)) if k not in used]
    inputs = []
    for position, (k, wanted) in enumerate(zip(roles.inputs, roles.dtypes)):
        p = signature.parameters[k]
        if not p.pointer and p.type != wanted:
            body.append(f"    const {wanted} v{position} = a{k};")
        inputs.append(f"a{k}" if p.pointer else f"&a{k}" if p.type == wanted else f"&v{position}")
    if returns:
        body.append(f"    {signature.result} result;")
    body += [_table("const void *const inputs", inputs),
             _table("const int64_t sizes", [f"(int64_t)a{k}" for k in roles.sizes]),
             _table("void *const outputs", ["&result" if k < 0 else f"a{k}" for k in roles.outputs])]
    call = "gradc_call_pointer(at, inputs, sizes, outputs)"
    if returns:
        body += [f"    return {call} ? NAN : result;"]
    elif not signature.dtype:
        body += [f"    {call};"]
    else:
        body += [f"    return {call};" if not roles.success else f"    return !{call};"]
    one = f"static {signature.result} function_##k({parameters}) " \
          f"{{ {'return ' * bool(signature.dtype)}call(&pointers[k]{arguments}); }}"
    return "\n".join([
        f"/* {signature.text}: functions that call compiled ones. */",
        '#include "gradc_lowlevel.h"', "",
        "#include <math.h>", "",
        "static const gradc_pointer *pointers[GRADC_POINTERS];",
        "static int used;", "",
        f"static __attribute__((noinline)) {signature.result} call(const gradc_pointer *const *at{behind})",
        "{", *body, "}", "",
        f"#define FUNCTION(k) {one}",
        "GRADC_EACH_POINTER(FUNCTION)", "",
        "#define NAME(k) function_##k,",
        f"static {signature.result} (*const functions[GRADC_POINTERS])({parameters}) = {{",
        "    GRADC_EACH_POINTER(NAME)",
        "};", "",
        "int gradc_prepare(gradc_frame *frame)",
        "{",
        "    *(gradc_pointer_table *)frame->known = (gradc_pointer_table){(const void *)functions, pointers, &used};",
        "    return 0;",
        "}", "",
        "int gradc_entry(gradc_frame *frame)",
        "{",
        "    return gradc_prepare(frame);",
        "}", ""])


def _table(declared: str, items: Sequence[str]) -> str:
    """An array, which is never empty."""
    return f"    {declared}[] = {{{', '.join([*items, '0'])}}};"
