"""Modes: how a function is run ("c" or "interpret"), and whether its Program is optimised first.

name                                     route
c, FAST_RUN, CVM, NUMBA, JAX             optimised, compiled to C (the default)
interpret, DebugMode, DEBUG_MODE         optimised, run equation by equation in NumPy; with the checks of every pass
FAST_COMPILE                             as written, run equation by equation in NumPy

`Mode(linker, optimizer)` and `.including/.excluding` are Aesara's spellings.
"""

from __future__ import annotations

from gradc.config import config
from gradc.errors import GraphError, at, quoted
from gradc.ir.graph import user_line
from gradc.record import record, replace

_LINKERS = {"c": "c", "cvm": "c", "c|py": "c", "vm": "c", "numba": "c", "jax": "c", "auto": "c",
            "interpret": "interpret", "py": "interpret", "vm_nogc": "c", "cvm_nogc": "c"}


@record
class Mode:
    """`linker`: "c" or "interpret" (Aesara's names are mapped); `optimizer`: None leaves the Program as written.

    "interpret" without optimizer computes all operations, and raises their errors, also where only the size of a
    result is needed; all others leave these out.
    `excluded`: names of rewrite rules (or passes) that are not applied.
    """

    linker: str = "c"
    optimizer: str | None = "default"
    excluded: tuple[str, ...] = ()
    checked: bool = False

    def __post_init__(self) -> None:
        linker = _LINKERS.get(self.linker) if isinstance(self.linker, str) else None
        if linker is None:
            raise GraphError(f"the linker of a Mode is one of {', '.join(sorted(_LINKERS))}, got {quoted(self.linker)}"
                             f"{at(user_line())}")
        object.__setattr__(self, "linker", linker)
        if self.optimizer in ("None", "none", "o0"):
            object.__setattr__(self, "optimizer", None)

    def including(self, *names: str) -> Mode:
        """This mode, with rules applied that were excluded before."""
        return self.clone(excluded=tuple(n for n in self.excluded if n not in names))

    def excluding(self, *names: str) -> Mode:
        """This mode without the named rules; rules that gradc does not have need not be excluded."""
        return self.clone(excluded=tuple(dict.fromkeys(self.excluded + names)))

    def clone(self, **changes: object) -> Mode:
        """A copy with other fields."""
        return replace(self, **changes)

    def __str__(self) -> str:
        text = self.linker if self.optimizer else f"{self.linker}, not optimised"
        return text + (f", without {', '.join(self.excluded)}" if self.excluded else "")


MODES: dict[str, Mode] = {
    "c": Mode("c"), "FAST_RUN": Mode("c"), "CVM": Mode("c"), "NUMBA": Mode("c"), "JAX": Mode("c"),
    "interpret": Mode("interpret"), "FAST_COMPILE": Mode("interpret", None),
    "DebugMode": Mode("interpret", checked=True), "DEBUG_MODE": Mode("interpret", checked=True),
}


def get_mode(mode: Mode | str | None = None) -> Mode:
    """The Mode meant by a name, a Mode, or None (config.mode)."""
    if isinstance(mode, Mode):
        return mode
    name = config.mode if mode is None else mode
    try:
        return MODES[name]
    except (KeyError, TypeError):
        raise GraphError(f"mode must be a Mode or one of {', '.join(MODES)}, got {quoted(mode)}"
                         f"{at(user_line())}") from None


def get_default_mode() -> Mode:
    """The Mode that `function` uses when none is given."""
    return get_mode(None)
