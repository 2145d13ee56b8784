"""C of the functions of `scalar_code`: of one number at a time where there are no branches, else of lanes.

A branch-free function is an inline C function of doubles: compilers make vector code of the loop it stands in.  Any
other becomes a C function of vectors (`csrc/include/gradc_lanes.h`), whose first argument is a mask: the lanes that
are computed.  A branch or a loop narrows the mask to the lanes that take it, and is left out when they are none; what
it assigns is kept in those lanes only; lanes that return or break leave the mask.  Numbers alone fill all lanes.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from gradc.ir.scalar_code import ScalarFunction
from gradc.ir.scalar_inline import Inline
from gradc.ir.scalar_lanes import Lanes


def c_functions(functions: Iterable[ScalarFunction], used_in: str | None = None) -> list[str]:
    """The text of all of them and of what they call, each once and behind what it calls.

    Those of float32 only where the text `used_in` calls them.
    """
    made: dict[tuple[ScalarFunction, str], str] = {}

    def add(function: ScalarFunction, form: str) -> None:
        if (function, form) not in made:
            text, calls = _text(function, form)
            for called, its_form in calls:
                add(called, its_form)
            made[function, form] = text

    wanted = list(functions)
    for function in wanted:
        add(function, "alone")
    short = [f for f in wanted if used_in is None or f"gradc_{f.name}_f32(" in used_in]
    lines = [line for text in made.values() for line in [*text.split("\n"), ""]]
    lines += [line for f in short for line in (_float32(f), "")]
    return ["#include <gradc_lanes.h>", "", *lines] if any(form == "lanes" for _, form in made) else lines


@cache
def _text(function: ScalarFunction, form: str) -> tuple[str, tuple[tuple[ScalarFunction, str], ...]]:
    """The C function of numbers ("alone") or of lanes, and what else it calls."""
    if form == "alone" and not function.inline:
        count = len(function.parameters)
        return f"GRADC_BY_LANES_{count}(gradc_{function.name})", ((function, "lanes"),)
    made = (Lanes if form == "lanes" else Inline)(function)
    return made.text, tuple(made.calls)


def _float32(function: ScalarFunction) -> str:
    """The C function of float32: computed in float64, and rounded."""
    names = function.parameters
    return (f"static inline float gradc_{function.name}_f32({', '.join(f'float {p}' for p in names)}) "
            f"{{ return (float)gradc_{function.name}_f64({', '.join(names)}); }}")
